//! The sample clock's own error, from the carriers of licensed cells: they are the frequency standard that every node hears.
//!
//! Each cell gives the median of its newest carrier errors; the clock's error is the median over cells, with its sign turned (a clock
//! that runs fast makes every carrier appear low). A cell that lies, or is not the one it says it is, moves a median by little as long
//! as most do not. The standard deviation holds the measurements' noise, what cells may be wrong by, and how far they disagree;
//! the test `the_stated_sigma_is_honest` measures how often the truth lies within it.
//!
//! ## References
//! - 3GPP TS 45.010 Release 17: clause 5.1 (a base station's frequency is within 0.05 ppm)
//! - 3GPP TS 36.104 Release 17: clause 6.5.1 (a wide area base station's too)

use crate::cell::CellKey;
use crate::observation::{ClockError, Observation};
use crate::units::{Nanos, Ppb, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Cells kept; the one heard longest ago is forgotten first.
const MAX_CELLS: usize = 64;
/// Carrier errors kept of a cell.
const OF_A_CELL: usize = 15;
/// A cell not heard for so long says nothing any more. Chosen: a TCXO in the sun moves by 100 ppb in a quarter of an hour.
const FRESH: Nanos = Nanos::from_secs(900);
/// Fewer cells could all be wrong.
const LEAST_CELLS: usize = 3;
/// What a cell may be wrong by at most (see References), taken as evenly spread: the median of `n` such values has a standard
/// deviation of this over the root of `n + 2` (the middle one of `n` has a beta distribution).
const CELL_PPB: f64 = 50.0;
/// Standard deviation over median absolute deviation, of normal noise.
const OF_MAD: f64 = 1.4826;
/// Standard deviation of a median over that of a mean, of normal noise.
const OF_MEDIAN: f64 = 1.2533;

/// Carrier errors of licensed cells.
#[derive(Debug, Default)]
pub struct Reference {
    cells: BTreeMap<CellKey, Heard>,
}

#[derive(Debug)]
struct Heard {
    at: Timestamp,
    /// Carrier error and its standard deviation, ppb.
    errors: VecDeque<(f64, f64)>,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

impl Reference {
    /// Takes the carrier of a cell that the register licenses.
    pub fn add(&mut self, observation: &Observation) {
        let carrier = observation.carrier;
        if !carrier.ppb.0.is_finite() || !carrier.sigma_ppb.0.is_finite() {
            return;
        }
        if !self.cells.contains_key(&observation.cell) && self.cells.len() >= MAX_CELLS {
            let oldest = self.cells.iter().min_by_key(|(key, heard)| (heard.at, **key)).map(|(key, _)| *key);
            oldest.map(|key| self.cells.remove(&key));
        }
        let fresh = Heard { at: observation.at_ns, errors: VecDeque::with_capacity(OF_A_CELL) };
        let heard = self.cells.entry(observation.cell).or_insert(fresh);
        heard.at = observation.at_ns;
        if heard.errors.len() == OF_A_CELL {
            heard.errors.pop_front();
        }
        heard.errors.push_back((carrier.ppb.0, carrier.sigma_ppb.0));
    }

    /// Forgets everything: another receiver's samples follow.
    pub fn clear(&mut self) {
        self.cells.clear();
    }

    /// Cells that are fresh at `now`, whichever way the clock was set since.
    pub fn cells(&self, now: Timestamp) -> usize {
        self.fresh(now).count()
    }

    fn fresh(&self, now: Timestamp) -> impl Iterator<Item = &Heard> {
        self.cells.values().filter(move |heard| heard.at <= now && now - heard.at <= FRESH)
    }

    /// The clock's error at `now`; `None` where fewer than three licensed cells are fresh.
    pub fn error(&self, now: Timestamp) -> Option<ClockError> {
        let mut cells: Vec<(f64, f64)> = self
            .fresh(now)
            .filter_map(|heard| {
                let middle = median(heard.errors.iter().map(|error| error.0).collect())?;
                let noise = median(heard.errors.iter().map(|error| error.1).collect())?;
                let noise = OF_MEDIAN * noise / (heard.errors.len() as f64).sqrt();
                Some((middle, noise))
            })
            .collect();
        // What is measured far worse than the best would only blur the median, while there are enough others.
        let best = cells.iter().map(|cell| cell.1).fold(f64::INFINITY, f64::min);
        let usable = 3.0 * best.max(CELL_PPB);
        if cells.iter().filter(|cell| cell.1 <= usable).count() >= LEAST_CELLS {
            cells.retain(|cell| cell.1 <= usable);
        }
        if cells.len() < LEAST_CELLS {
            return None;
        }
        let middle = median(cells.iter().map(|cell| cell.0).collect())?;
        let n = cells.len() as f64;
        let noise = median(cells.iter().map(|cell| cell.1).collect())?;
        let stated = (OF_MEDIAN * noise / n.sqrt()).hypot(CELL_PPB / (n + 2.0).sqrt());
        let spread = OF_MAD * median(cells.iter().map(|cell| (cell.0 - middle).abs()).collect())?;
        let sigma = stated.max(OF_MEDIAN * spread / n.sqrt());
        Some(ClockError { ppb: Ppb(-middle), sigma_ppb: Ppb(sigma) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Rat;
    use crate::observation::{CarrierError, Clock, ClockSource, Level, ReceiverState};
    use crate::units::{Db, Dbfs, Hz};
    use rand::SeedableRng;
    use rand_distr::{Distribution, Normal, Uniform};

    fn heard(number: u64, second: i64, ppb: f64, sigma: f64) -> Observation {
        Observation {
            at_ns: Timestamp(0) + Nanos::from_secs(second),
            first_ns: Timestamp(0),
            clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
            position: None,
            cell: CellKey { rat: Rat::Gsm, center_hz: 935_000_000 + number * 200_000, id: 1 },
            identity: None,
            level: Level { dbfs: Dbfs(-40.0), dbm: None, sigma_db: Db(1.0) },
            snr_db: Db(20.0),
            carrier: CarrierError { hz: Hz(ppb * 0.94), ppb: Ppb(ppb), sigma_ppb: Ppb(sigma) },
            timing: None,
            bearing: None,
            broadcast: vec![],
            fields: None,
            content_sha256: None,
            receiver: ReceiverState::default(),
        }
    }

    /// A clock that is 1,200 ppb fast among `cells` cells, each wrong by up to 50 ppb and measured to 20 ppb; the first `liars` are
    /// 6,000 ppb away. The error made over the sigma stated.
    fn draw(seed: u64, cells: u64, liars: u64) -> f64 {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let (own, noise) = (Uniform::new(-50.0, 50.0).unwrap(), Normal::new(0.0, 20.0).unwrap());
        let mut reference = Reference::default();
        for number in 0..cells {
            let own = own.sample(&mut rng) + if number < liars { -6000.0 } else { 0.0 };
            for second in 0..20 {
                reference.add(&heard(number, second, own - 1200.0 + noise.sample(&mut rng), 20.0));
            }
        }
        let error = reference.error(Timestamp(0) + Nanos::from_secs(30)).unwrap();
        (error.ppb.0 - 1200.0) / error.sigma_ppb.0
    }

    #[test]
    fn the_stated_sigma_is_honest() {
        for cells in [3, 5, 8, 20] {
            let errors: Vec<f64> = (0..1000).map(|seed| draw(seed, cells, 0)).collect();
            let within = |k: f64| errors.iter().filter(|error| error.abs() <= k).count() as f64 / 10.0;
            println!("{cells} cells: {} % within one sigma, {} % within two", within(1.0), within(2.0));
            assert!(within(1.0) >= 63.0 && within(2.0) >= 93.0, "{cells} cells: {} {}", within(1.0), within(2.0));
            assert!(within(1.0) <= 95.0, "{cells} cells: a sigma that is far too large is not honest either");
        }
    }

    #[test]
    fn cells_that_lie_move_the_estimate_by_little_while_most_do_not() {
        for seed in 0..200 {
            assert!(draw(seed, 9, 2).abs() < 4.0, "seed {seed}: {}", draw(seed, 9, 2));
        }
    }

    #[test]
    fn two_cells_or_old_ones_are_no_reference_and_a_clock_set_back_is_survived() {
        let at = |second| Timestamp(0) + Nanos::from_secs(second);
        let mut reference = Reference::default();
        (0..2).for_each(|n| reference.add(&heard(n, 100, 500.0, 5.0)));
        assert_eq!(reference.error(at(101)), None);
        reference.add(&heard(2, 100, 500.0, 5.0));
        assert_eq!(reference.error(at(101)).unwrap().ppb, Ppb(-500.0));
        assert_eq!(reference.error(at(1100)), None, "a quarter of an hour later");
        assert_eq!(reference.error(at(0)), None, "the clock was set back");
        reference.add(&heard(2, 100, f64::NAN, 5.0));
        assert_eq!(reference.cells(at(101)), 3);
    }

    #[test]
    fn the_number_of_cells_is_bounded() {
        let mut reference = Reference::default();
        (0..500).for_each(|n| reference.add(&heard(n, n as i64, 1.0, 1.0)));
        assert_eq!(reference.cells.len(), MAX_CELLS);
    }
}
