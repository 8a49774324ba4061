//! What there is time for on a stream: all of it, its LTE aside in stretches, or its spectrum alone. One answer for every program that
//! listens to a receiver.

use super::aside::Aside;
use crate::cell::Rat;
use crate::radio::source::{IqBlock, StreamInfo};
use crate::rat;
use crate::sensor::lab::{Kept, Lab};
use crate::units::Hz;

/// Above this rate LTE over the whole of a receiver's stream costs more than there may be.
const FAST: Hz = Hz(6e6);
/// Above this rate, which is LTE's of 20 MHz and some, a receiver that stays only looks at the spectrum.
const FASTEST: Hz = Hz(32e6);

/// What is done with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Everything is received where it comes.
    Whole,
    /// LTE and NR are searched in a stretch now and then, and what was found is followed where it comes, as is GSM.
    Aside,
    /// Only the spectrum is looked at.
    Spectrum,
}

impl Effort {
    /// For a stream of this rate whose source does not wait.
    fn at(rate: Hz) -> Effort {
        if rate.0 > FASTEST.0 {
            Effort::Spectrum
        } else if rate.0 > FAST.0 {
            Effort::Aside
        } else {
            Effort::Whole
        }
    }

    /// What the stream's own receivers are asked to do; `None`: there are none.
    fn options(self, live: bool) -> Option<rat::Options> {
        let aside = self == Effort::Aside;
        let gsm = rat::gsm::Options { live, ..rat::gsm::Options::default() };
        let only = aside.then_some(Rat::Gsm);
        (self != Effort::Spectrum).then(|| rat::Options { only, gsm, watch_lte: aside, ..rat::Options::default() })
    }
}

/// Divides the work on streams, one after the other, between their own receivers and a lab.
pub struct Split {
    /// Searches LTE of fast streams; recordings and scenes, which wait, have none and are received whole.
    lab: Option<Lab>,
    aside: Option<Aside>,
    /// A stretch is in the lab.
    searching: bool,
}

impl Split {
    /// With the lab of a receiver that does not wait, or with none.
    pub fn new(lab: Option<Lab>) -> Split {
        Split { lab, aside: None, searching: false }
    }

    /// Another stream begins. Gives what is done with it, and what its own receivers are asked to do where it has any.
    pub fn begin(&mut self, info: &StreamInfo) -> (Effort, Option<rat::Options>) {
        if let (Some(kept), Some(lab)) = (self.aside.take().and_then(|aside| aside.kept), &mut self.lab) {
            lab.give_up(kept);
        }
        let live = self.lab.is_some();
        let effort = if live { Effort::at(info.sample_rate) } else { Effort::Whole };
        self.aside = live.then(|| Aside::new(info.clone(), effort == Effort::Aside));
        (effort, effort.options(live))
    }

    /// Takes the next samples of the stream, of which a stretch now and then goes to the lab: to be searched where the stream is fast, and
    /// to be surveyed.
    pub fn take(&mut self, block: &IqBlock) {
        if let (Some(aside), Some(lab)) = (&mut self.aside, &mut self.lab) {
            self.searching |= aside.take(block, lab);
        }
    }

    /// Whether a stretch is being searched.
    pub fn is_searching(&self) -> bool {
        self.searching
    }

    /// Hands a stretch that has been searched to `tell`, where there is one.
    pub fn found(&mut self, tell: impl FnOnce(&mut Kept)) {
        if let Some(lab) = &mut self.lab
            && let Some(mut kept) = lab.result()
        {
            tell(&mut kept);
            lab.give_up(kept);
            self.searching = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn the_rate_of_a_receiver_says_what_there_is_time_for_and_a_recording_has_time_for_all() {
        let stream =
            |rate| StreamInfo { stream: "x".to_owned(), center: Hz(9e8), sample_rate: Hz(rate), start: Timestamp(0) };
        let mut receiver = Split::new(Some(Lab::start().unwrap()));
        let mut recording = Split::new(None);
        for (rate, effort, only) in [
            (2.4e6, Effort::Whole, Some(None)),
            (6e6, Effort::Whole, Some(None)),
            (20e6, Effort::Aside, Some(Some(Rat::Gsm))),
            (30.72e6, Effort::Aside, Some(Some(Rat::Gsm))),
            (61.44e6, Effort::Spectrum, None),
        ] {
            let (done, options) = receiver.begin(&stream(rate));
            assert_eq!((done, options.as_ref().map(|options| options.only)), (effort, only), "{rate}");
            assert!(options.is_none_or(|options| options.gsm.live && options.watch_lte == (effort == Effort::Aside)));
            let (done, options) = recording.begin(&stream(rate));
            let options = options.unwrap();
            assert_eq!((done, options.only, options.watch_lte, options.gsm.live), (Effort::Whole, None, false, false));
        }
    }
}
