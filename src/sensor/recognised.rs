//! Standards that are on the air and that no receiver here decodes: recognised in stretches that were kept ([`super::lab`]), and told in
//! the health report, so that no carrier is passed over in silence.

use crate::dsp::occupancy::{Carrier, Occupancy, Shape, Signal};
use crate::observation::NotDecoded;
use crate::radio::source::StreamInfo;
use crate::units::{Hz, Nanos, Timestamp};

/// Carriers that are remembered; the one recognised longest ago goes first. Chosen: more than all operators of both countries have.
const MOST: usize = 64;
/// What was not recognised again for so long is forgotten.
const KEEP: Nanos = Nanos::from_secs(86_400);
/// Middles that lie closer are one carrier's: half of the narrowest of these standards.
const SAME: Hz = Hz(500e3);
/// Narrower carriers are none of these standards'; LTE's least is 1.08 MHz.
const LEAST_WIDTH: Hz = Hz(1e6);

/// What was recognised by one receiver.
#[derive(Clone, Debug, Default)]
pub struct Recognised {
    carriers: Vec<(Signal, NotDecoded)>,
}

impl Recognised {
    /// Takes what a survey of a stretch found, in which `cells` (carrier and width of each) were decoded.
    pub fn take(&mut self, occupancy: &Occupancy, info: &StreamInfo, cells: &[(Hz, Hz)]) {
        let middle = |carrier: &Carrier| info.center + carrier.offset;
        let explained = |carrier: &Carrier| {
            cells.iter().any(|(center, width)| {
                let apart = (middle(carrier) - *center).0.abs();
                apart < carrier.width.0.max(width.0) / 2.0
            })
        };
        // What was decoded by now is no longer of that kind.
        self.carriers.retain(|(_, known)| {
            !cells.iter().any(|(center, width)| (known.center_hz as f64 - center.0).abs() < width.0.max(SAME.0) / 2.0)
        });
        let left: Vec<&Carrier> =
            occupancy.carriers.iter().filter(|one| one.width.0 >= LEAST_WIDTH.0 && !explained(one)).collect();
        for signal in &occupancy.signals {
            let fits = |carrier: &&&Carrier| match signal {
                Signal::Umts => matches!(carrier.shape, Shape::Wide3840k | Shape::Unknown),
                Signal::Lte | Signal::LteOrNr => matches!(carrier.shape, Shape::Multicarrier | Shape::Unknown),
                Signal::Nr => !matches!(carrier.shape, Shape::Wide3840k | Shape::Narrow200k),
                Signal::Emtc | Signal::NbIot => false,
            };
            let fitting: Vec<&&Carrier> = left.iter().filter(fits).collect();
            for carrier in &fitting {
                self.note(*signal, (middle(carrier), Some(carrier.width)), info.start);
            }
            // The structure is there and no edges are: wider than the band, or beside a stronger one.
            if fitting.is_empty() && cells.is_empty() {
                self.note(*signal, (info.center, None), info.start);
            }
        }
    }

    fn note(&mut self, signal: Signal, (center, width): (Hz, Option<Hz>), seen: Timestamp) {
        let carrier = NotDecoded {
            standard: signal.as_str().to_owned(),
            center_hz: u64::try_from(center.round()).unwrap_or(0),
            width_hz: width.map(|width| width.round().clamp(0, i64::from(u32::MAX)) as u32),
            seen_ns: seen,
        };
        let same = |known: &&mut (Signal, NotDecoded)| {
            known.0 == signal && (known.1.center_hz as f64 - center.0).abs() <= SAME.0
        };
        if let Some(known) = self.carriers.iter_mut().find(same) {
            // The middle stays: what is the same carrier is told with the same figures.
            known.1.seen_ns = seen;
            known.1.width_hz = known.1.width_hz.or(carrier.width_hz);
            return;
        }
        if self.carriers.len() == MOST {
            let oldest = (0..MOST).min_by_key(|at| self.carriers[*at].1.seen_ns).unwrap_or(0);
            self.carriers.remove(oldest);
        }
        self.carriers.push((signal, carrier));
    }

    /// What is known at `now`, by frequency.
    pub fn at(&self, now: Timestamp) -> Vec<NotDecoded> {
        let recent = self.carriers.iter().filter(|(_, carrier)| now - carrier.seen_ns <= KEEP);
        let mut list: Vec<NotDecoded> = recent.map(|(_, carrier)| carrier.clone()).collect();
        list.sort_by(|a, b| (a.center_hz, &a.standard).cmp(&(b.center_hz, &b.standard)));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Dbfs;
    use std::collections::BTreeSet;

    fn info(seconds: i64) -> StreamInfo {
        let start = Timestamp(0) + Nanos::from_secs(seconds);
        StreamInfo { stream: "x".to_owned(), center: Hz(2150e6), sample_rate: Hz(20e6), start }
    }

    fn occupancy(signals: &[Signal], carriers: &[(f64, f64, Shape)]) -> Occupancy {
        let carrier = |(offset, width, shape): &(f64, f64, Shape)| Carrier {
            offset: Hz(*offset),
            width: Hz(*width),
            level: Dbfs(-40.0),
            shape: *shape,
        };
        Occupancy {
            signals: signals.iter().copied().collect::<BTreeSet<_>>(),
            carriers: carriers.iter().map(carrier).collect(),
            noise_per_hz: None,
        }
    }

    fn told(recognised: &Recognised, seconds: i64) -> Vec<(String, u64, Option<u32>)> {
        let list = recognised.at(Timestamp(0) + Nanos::from_secs(seconds));
        list.into_iter().map(|one| (one.standard, one.center_hz, one.width_hz)).collect()
    }

    #[test]
    fn a_carrier_that_no_cell_explains_is_told_with_its_standard_until_it_was_away_for_a_day() {
        let mut recognised = Recognised::default();
        let carriers =
            [(-5e6, 3.84e6, Shape::Wide3840k), (2e6, 4.5e6, Shape::Multicarrier), (8e6, 0.2e6, Shape::Narrow200k)];
        let both = occupancy(&[Signal::Umts, Signal::Lte], &carriers);
        recognised.take(&both, &info(0), &[(Hz(2152e6), Hz(4.5e6))]);
        let umts = ("umts".to_owned(), 2_145_000_000, Some(3_840_000));
        assert_eq!(told(&recognised, 10), vec![umts.clone()], "the LTE cell was decoded");
        // Its LTE neighbour is not decoded this time, and the other's middle is found a little beside.
        let carriers = [(-4.9e6, 3.8e6, Shape::Wide3840k), carriers[1]];
        recognised.take(&occupancy(&[Signal::Umts, Signal::Lte], &carriers), &info(600), &[]);
        let lte = ("lte".to_owned(), 2_152_000_000, Some(4_500_000));
        assert_eq!(told(&recognised, 600), [umts.clone(), lte]);
        recognised.take(&occupancy(&[], &[]), &info(1200), &[(Hz(2152e6), Hz(4.5e6))]);
        assert_eq!(told(&recognised, 1200), [umts], "decoded by now");
        assert_eq!(told(&recognised, 600 + 86_401), []);
    }

    #[test]
    fn a_structure_without_edges_is_told_at_the_middle_of_the_band_and_memory_is_bounded() {
        let mut recognised = Recognised::default();
        recognised.take(&occupancy(&[Signal::Nr], &[]), &info(0), &[]);
        assert_eq!(told(&recognised, 0), [("nr".to_owned(), 2_150_000_000, None)]);
        for n in 0..200 {
            let carriers = [(f64::from(n) * 2e6, 3.84e6, Shape::Wide3840k)];
            recognised.take(&occupancy(&[Signal::Umts], &carriers), &info(1 + i64::from(n)), &[]);
        }
        let list = told(&recognised, 300);
        assert_eq!((list.len(), list[0].1, list[63].1), (MOST, 2_422_000_000, 2_548_000_000), "the newest");
    }
}
