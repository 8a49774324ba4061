//! From what a receiver measured in its stream to what the rest of daen may know: a [`CellReport`] becomes an [`Observation`].
//!
//! Node and `daen replay` both go through [`observe`], so that a recording gets the verdict that the node gave.
//!
//! ## References
//! - 3GPP TS 44.018 Release 17: clauses 9.1.35 (SYSTEM INFORMATION TYPE 3) and 9.1.36 (TYPE 4)
//! - 3GPP TS 24.008 Release 17: clause 10.5.1.3 (location area identification)

use crate::cell::{CellIdentity, Rat};
use crate::observation::{BroadcastBlock, Clock, Level, Observation, Octets, Position, ReceiverState};
use crate::radio::source::StreamInfo;
use crate::rat::{CellReport, stable_octets};
use crate::units::{Nanos, Timestamp};
use sha2::{Digest, Sha256};

/// What surrounds a report: the same for all cells of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The stream that the report counts its times from.
    pub stream: &'a StreamInfo,
    /// The clock that stamped the stream.
    pub clock: Clock,
    /// Where the antenna stood.
    pub position: Option<Position>,
    /// Samples read from the stream so far.
    pub samples: u64,
    /// How many of them touched full scale.
    pub clipped: u64,
    /// Samples known to be lost over the life of the stream.
    pub lost_samples: u64,
}

/// The observation that a report amounts to.
///
/// Times are moved from the stream's sample 0 to UTC; levels stay relative to full scale, because no calibration is known here
/// (`dbm` is `None`). The identity survives only if one of the report's own messages says all of it; see [`CellReport::identity`].
pub fn observe(report: &CellReport, context: &Context<'_>) -> Observation {
    let start = context.stream.start;
    let since_start = |at: Nanos| start + at;
    Observation {
        at_ns: since_start(report.last),
        first_ns: since_start(report.first),
        clock: context.clock,
        position: context.position,
        cell: report.key,
        identity: report.identity.clone().filter(|id| is_backed(report.key.rat, id, &report.broadcast)),
        level: Level { dbfs: report.level, dbm: None, sigma_db: report.level_sigma },
        snr_db: report.snr,
        carrier: report.carrier,
        timing: report.timing.map(|mut timing| {
            timing.at_ns = start + (timing.at_ns - Timestamp(0));
            timing
        }),
        bearing: None,
        broadcast: report.broadcast.clone(),
        fields: report.fields.clone(),
        content_sha256: content_sha256(report.key.rat, &report.broadcast),
        receiver: ReceiverState {
            stream: context.stream.stream.clone(),
            clipped_ppm: parts_per_million(context.clipped, context.samples),
            lost_samples: context.lost_samples,
            ..ReceiverState::default()
        },
    }
}

/// SHA-256 over the stable messages, sorted by name and then by octets: for each its name, a zero octet, the number of its octets
/// (two octets, big-endian) and the octets. `None` where no stable message was received.
///
/// It covers what has been received so far, so it changes when a further type of message is heard for the first time.
pub fn content_sha256(rat: Rat, broadcast: &[BroadcastBlock]) -> Option<Octets> {
    let content = |block: &BroadcastBlock| stable_octets(rat, block);
    let mut stable: Vec<(&str, Vec<u8>)> =
        broadcast.iter().filter_map(|block| Some((block.name.as_str(), content(block)?))).collect();
    if stable.is_empty() {
        return None;
    }
    stable.sort_unstable();
    stable.dedup();
    let mut hash = Sha256::new();
    for (name, octets) in stable {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes());
        hash.update(octets);
    }
    Some(Octets(hash.finalize().to_vec()))
}

/// Whether one received message says the whole identity.
///
/// GSM: SI3 holds cell identity and location area side by side (octets 4 to 10 with the L2 pseudo length), SI4 the location area
/// alone (octets 4 to 8). An identity put together from two messages could be one that no cell ever sent.
fn is_backed(rat: Rat, identity: &CellIdentity, broadcast: &[BroadcastBlock]) -> bool {
    if rat != Rat::Gsm {
        return !broadcast.is_empty();
    }
    let (Some(plmn), Some(area)) = (identity.plmns.first(), identity.area) else { return false };
    let Ok(lac) = u16::try_from(area) else { return false };
    let mut wanted = Vec::with_capacity(7);
    let name = match identity.cell_id.map(u16::try_from) {
        Some(Ok(cell_id)) => {
            wanted.extend_from_slice(&cell_id.to_be_bytes());
            "SI3"
        }
        Some(Err(_)) => return false,
        None => "SI4",
    };
    wanted.extend_from_slice(&plmn.to_bcd());
    wanted.extend_from_slice(&lac.to_be_bytes());
    let at = 3..3 + wanted.len();
    broadcast.iter().any(|block| block.name == name && block.octets.0.get(at.clone()) == Some(wanted.as_slice()))
}

fn parts_per_million(part: u64, whole: u64) -> u32 {
    let ppm = (u128::from(part) * 1_000_000 + u128::from(whole) / 2).checked_div(u128::from(whole)).unwrap_or(0);
    u32::try_from(ppm).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellKey;
    use crate::observation::{CarrierError, ClockSource, FrameName, FrameTiming};
    use crate::units::{Db, Dbfs, Hz, Ppb};
    use std::collections::BTreeMap;

    /// SI3 of the recording gsm/bcch-953M6-500k as two independent decoders give it: 272-02, LAC 15016, CI 15149.
    const SI3: &str = "49061b3b2d72f2203aa8d0033c546506b900008020420b";

    fn block(name: &str, octets: &str) -> BroadcastBlock {
        BroadcastBlock { name: name.to_owned(), octets: Octets(hex::decode(octets).unwrap()), count: 1 }
    }

    fn report(identity: CellIdentity, broadcast: Vec<BroadcastBlock>) -> CellReport {
        CellReport {
            key: CellKey { rat: Rat::Gsm, center_hz: 953_600_000, id: 56 },
            identity: Some(identity),
            first: Nanos(1_000),
            last: Nanos(2_000),
            level: Dbfs(-20.0),
            level_sigma: Db(0.5),
            snr: Db(20.0),
            carrier: CarrierError { hz: Hz(8690.0), ppb: Ppb(9113.0), sigma_ppb: Ppb(20.0) },
            timing: Some(FrameTiming {
                at_ns: Timestamp(500),
                at_frac_ns: 0.25,
                sigma_ns: 90.0,
                frame: FrameName::Gsm { frame_number: 857_096 },
                rate_ppb: Ppb(9000.0),
                rate_sigma_ppb: Ppb(500.0),
            }),
            counts: BTreeMap::new(),
            broadcast,
            fields: None,
        }
    }

    fn seen(report: &CellReport) -> Observation {
        let stream = StreamInfo {
            stream: "x#0".to_owned(),
            center: Hz(953.6e6),
            sample_rate: Hz(500e3),
            start: Timestamp(1_000_000),
        };
        let clock = Clock { source: ClockSource::Recording, sigma_ns: None, locked: false, since_ns: None };
        let context =
            Context { stream: &stream, clock, position: None, samples: 2_000_000, clipped: 3, lost_samples: 0 };
        observe(report, &context)
    }

    fn identity(cell_id: Option<u64>, area: u32) -> CellIdentity {
        CellIdentity { plmns: vec!["272-02".parse().unwrap()], area: Some(area), cell_id }
    }

    #[test]
    fn times_move_from_the_start_of_the_stream_to_utc() {
        let got = seen(&report(identity(Some(15149), 15016), vec![block("SI3", SI3)]));
        assert_eq!((got.first_ns, got.at_ns), (Timestamp(1_001_000), Timestamp(1_002_000)));
        let timing = got.timing.unwrap();
        assert_eq!((timing.at_ns, timing.at_frac_ns), (Timestamp(1_000_500), 0.25));
        assert_eq!(got.receiver.clipped_ppm, 2, "1.5 ppm, rounded");
        assert_eq!(got.level.dbm, None, "nothing is calibrated here");
    }

    #[test]
    fn an_identity_survives_only_if_one_message_says_all_of_it() {
        let whole = identity(Some(15149), 15016);
        assert!(seen(&report(whole.clone(), vec![block("SI3", SI3)])).identity.is_some());
        assert!(seen(&report(whole.clone(), vec![])).identity.is_none(), "no octets, no evidence");
        assert!(seen(&report(identity(Some(15149), 15017), vec![block("SI3", SI3)])).identity.is_none(), "other LAC");
        let si4 = "31061c72f2203aa83c546500000000000000000000002b";
        assert!(seen(&report(whole, vec![block("SI4", si4)])).identity.is_none(), "SI4 does not name the cell");
        assert!(seen(&report(identity(None, 15016), vec![block("SI4", si4)])).identity.is_some());
    }

    #[test]
    fn the_content_hash_depends_on_stable_content_alone() {
        let (a, b) = (block("SI3", SI3), block("SI1", "55061900"));
        let mut often = a.clone();
        often.count = 40;
        let hash = content_sha256(Rat::Gsm, &[a.clone(), b.clone()]);
        assert_eq!(hash, content_sha256(Rat::Gsm, &[b.clone(), often, block("SI9", "01")]), "order, counts, schedules");
        assert_ne!(hash, content_sha256(Rat::Gsm, &[a, block("SI1", "55061901")]));
        assert_eq!(content_sha256(Rat::Gsm, &[block("SI9", "01")]), None);
        // sha256("SI1" 00 0004 55061900), by coreutils' sha256sum.
        let known = "01a3801f3e4669725513a556cd46093fca7441e8f9caece883bda95982bfafff";
        assert_eq!(content_sha256(Rat::Gsm, &[b]).unwrap().to_string(), known);
    }

    /// SIB1 of the recording lte/b40-tdd-2360M-19M2.
    #[test]
    fn the_content_hash_of_an_lte_cell_leaves_out_what_passes() {
        let sib1 = "7051800111271486c0182359c242041127d9";
        let hash = |blocks: &[BroadcastBlock]| content_sha256(Rat::Lte, blocks);
        // A primary notification of ETWS is the moment's, whether it comes alone or not.
        let warning = block("SI", "0020110230000580000000");
        assert_eq!(hash(std::slice::from_ref(&warning)), None);
        let alone = hash(&[block("MIB", "a80000"), block("SIB1", sib1)]);
        assert!(alone.is_some());
        assert_eq!(alone, hash(&[block("MIB", "a80000"), block("SIB1", sib1), warning]));
        assert_ne!(alone, hash(&[block("MIB", "a80000"), block("SIB1", "7051800111281486c0182359c242041127d9")]));
        assert_eq!(hash(&[block("SI3", SI3)]), None, "a message of another standard");
    }

    #[test]
    fn clipping_is_a_ratio_even_of_nothing() {
        assert_eq!(parts_per_million(0, 0), 0);
        assert_eq!(parts_per_million(u64::MAX, 1), u32::MAX);
    }
}
