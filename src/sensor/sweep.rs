//! What a window of the spectrum looked like when it was swept, and what in it is new.
//!
//! The memory holds a slot for each carrier of the 200 kHz raster. A slot that becomes filled is *fresh* until a dwell has explained
//! it: a cell was decoded there, or nothing was found and it is let pass for a while (traffic, other services). A slot that becomes
//! much stronger than it was is fresh again: a blaster may sit on a carrier that is in use. A fresh carrier that is gone when the
//! local oscillator has moved was the receiver's own.

use crate::dsp::slots::Slot;
use crate::units::{Hz, Nanos, Timestamp};

/// The raster of slots: that of GSM; TS 45.005 clause 2.
pub const STEP: Hz = Hz(200e3);
/// A slot is filled with so many times the noise: 3 dB. Chosen: GSM is decoded from 4 dB on; the mean of 20 ms scatters by 2 %.
const OVER_NOISE: f32 = 2.0;
/// What became so many times stronger is fresh: 10 dB, more than fading of a fixed path does.
const STRONGER: f32 = 10.0;
/// What was gone for so many looks is forgotten.
const GONE: u8 = 3;
/// What nobody could make anything of is let pass for so long. Chosen: traffic comes and goes within minutes.
pub const PASS: Nanos = Nanos::from_secs(60);
/// And what is the receiver's own, for so long.
const PASS_SPUR: Nanos = Nanos::from_secs(900);
/// Fresh slots in a row that may be a carrier wider than GSM's: the narrowest of LTE has 1.08 MHz.
const WIDE: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Quiet,
    Fresh,
    Cell,
    /// Not looked into until then.
    Passed(Timestamp),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    state: State,
    /// What it was the last time, or at most, while the state lasts.
    level: f32,
    absent: u8,
}

/// The memory of one window.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    first: i64,
    known: Vec<Known>,
}

impl Memory {
    /// Takes the slots of a sweep at `now`.
    pub fn look(&mut self, slots: &[Slot], now: Timestamp) {
        if self.known.is_empty() {
            self.first = slots.first().map_or(0, |slot| slot.number);
            self.known = vec![Known { state: State::Quiet, level: 0.0, absent: 0 }; slots.len()];
        }
        for slot in slots {
            let Some(known) = self.at(slot.number) else { continue };
            let there = slot.is_filled(OVER_NOISE);
            known.absent = if there { 0 } else { known.absent.saturating_add(1) };
            let stronger = there && slot.power > STRONGER * known.level;
            match known.state {
                State::Quiet if there => (known.state, known.level) = (State::Fresh, slot.power),
                State::Fresh | State::Cell if known.absent >= GONE => known.state = State::Quiet,
                State::Fresh => known.level = known.level.max(slot.power),
                State::Cell | State::Passed(_) if stronger => (known.state, known.level) = (State::Fresh, slot.power),
                // A level is followed, so that slow changes are no news.
                State::Cell if there => known.level += (slot.power - known.level) / 8.0,
                State::Passed(until) if now >= until => known.state = State::Quiet,
                State::Passed(_) if there => known.level = known.level.max(slot.power),
                _ => {}
            }
        }
    }

    /// Takes the slots of a look with the oscillator elsewhere: fresh ones that are not there now were the receiver's own.
    pub fn confirm(&mut self, slots: &[Slot], now: Timestamp) {
        for slot in slots.iter().filter(|slot| !slot.is_filled(OVER_NOISE)) {
            if let Some(known) = self.at(slot.number).filter(|known| known.state == State::Fresh) {
                known.state = State::Passed(now + PASS_SPUR);
            }
        }
    }

    fn at(&mut self, number: i64) -> Option<&mut Known> {
        usize::try_from(number - self.first).ok().and_then(|at| self.known.get_mut(at))
    }

    fn hz(number: i64) -> u64 {
        u64::try_from(number).unwrap_or(0) * STEP.0 as u64
    }

    fn in_state(&self, wanted: State) -> impl Iterator<Item = u64> {
        let all = self.known.iter().enumerate().filter(move |(_, known)| known.state == wanted);
        all.map(|(at, _)| Memory::hz(self.first + at as i64))
    }

    /// Carriers that wait for an explanation, hertz, ascending.
    pub fn fresh(&self) -> impl Iterator<Item = u64> {
        self.in_state(State::Fresh)
    }

    /// Carriers of known cells, hertz, ascending.
    pub fn cells(&self) -> impl Iterator<Item = u64> {
        self.in_state(State::Cell)
    }

    /// Whether the fresh carriers, or those of cells as well, may be one that is wider than GSM's.
    pub fn is_wide(&self, cells: bool) -> bool {
        let counts = |known: &Known| known.state == State::Fresh || (cells && known.state == State::Cell);
        self.known.split(|known| !counts(known)).any(|run| run.len() >= WIDE)
    }

    /// A cell was decoded around `center`, as wide as `width`.
    pub fn explain(&mut self, center: Hz, width: Hz) {
        let reach = ((width.0 - STEP.0) / 2.0).max(0.0);
        let number = |hz: f64| hz / STEP.0;
        let (from, to) = (number(center.0 - reach).round() as i64, number(center.0 + reach).round() as i64);
        for number in from..=to.min(from + self.known.len() as i64) {
            if let Some(known) = self.at(number) {
                (known.state, known.absent) = (State::Cell, 0);
            }
        }
    }

    /// What is still fresh is let pass until then.
    pub fn pass(&mut self, until: Timestamp) {
        for known in self.known.iter_mut().filter(|known| known.state == State::Fresh) {
            known.state = State::Passed(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(filled: &[(i64, f32)]) -> Vec<Slot> {
        let power = |number: i64| filled.iter().find(|(at, _)| *at == number).map_or(1.0, |(_, power)| *power);
        (4600..4700).map(|number| Slot { number, power: power(number), noise: 1.0, tone: false }).collect()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(0) + Nanos::from_secs(seconds)
    }

    #[test]
    fn what_is_new_is_fresh_until_it_is_explained_and_again_when_it_is_much_stronger() {
        let mut memory = Memory::default();
        memory.look(&slots(&[]), at(0));
        assert_eq!(memory.fresh().count(), 0);
        memory.look(&slots(&[(4650, 20.0), (4660, 5.0)]), at(1));
        assert_eq!(memory.fresh().collect::<Vec<_>>(), [930_000_000, 932_000_000]);
        memory.explain(Hz(930e6), STEP);
        memory.pass(at(61));
        assert_eq!((memory.fresh().count(), memory.cells().collect::<Vec<_>>()), (0, vec![930_000_000]));
        memory.look(&slots(&[(4650, 60.0), (4660, 12.0)]), at(2));
        assert_eq!(memory.fresh().count(), 0, "a little stronger is nothing new");
        memory.look(&slots(&[(4650, 600.0), (4660, 12.0)]), at(3));
        assert_eq!(memory.fresh().collect::<Vec<_>>(), [930_000_000]);
        memory.look(&slots(&[(4650, 600.0), (4660, 12.0)]), at(62));
        memory.look(&slots(&[(4650, 600.0), (4660, 12.0)]), at(63));
        assert_eq!(memory.fresh().count(), 2, "what was let pass is looked into again");
    }

    #[test]
    fn a_cell_that_was_gone_for_three_looks_is_new_when_it_comes_back() {
        let mut memory = Memory::default();
        memory.look(&slots(&[(4650, 20.0)]), at(0));
        memory.explain(Hz(930e6), STEP);
        for (second, count) in [(1, 1), (2, 1), (3, 0)] {
            memory.look(&slots(&[]), at(second));
            assert_eq!(memory.cells().count(), count);
        }
        memory.look(&slots(&[(4650, 20.0)]), at(4));
        assert_eq!(memory.fresh().count(), 1);
    }

    #[test]
    fn what_moves_with_the_oscillator_is_the_receivers_own() {
        let mut memory = Memory::default();
        memory.look(&slots(&[(4650, 20.0), (4660, 5.0)]), at(0));
        memory.confirm(&slots(&[(4650, 20.0), (4662, 5.0)]), at(1));
        assert_eq!(memory.fresh().collect::<Vec<_>>(), [930_000_000]);
        memory.look(&slots(&[(4650, 20.0), (4660, 5.0)]), at(100));
        assert_eq!(memory.fresh().count(), 1, "it stays known as that for a quarter of an hour");
    }

    #[test]
    fn five_fresh_slots_in_a_row_may_be_a_wide_carrier() {
        let mut memory = Memory::default();
        let wide: Vec<(i64, f32)> = (4610..4614).map(|number| (number, 9.0)).collect();
        memory.look(&slots(&wide), at(0));
        assert!(!memory.is_wide(false));
        let wide: Vec<(i64, f32)> = (4610..4635).map(|number| (number, 9.0)).collect();
        memory.look(&slots(&wide), at(0));
        assert!(memory.is_wide(false));
        memory.explain(Hz(924.4e6), Hz(4.5e6));
        assert_eq!((memory.fresh().count() <= 3, memory.cells().count() >= 22), (true, true));
    }
}
