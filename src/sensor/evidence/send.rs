//! What of the ring goes to the hub: only what it asked for by its signature, only what may leave, in pieces, when nothing else waits.
//!
//! A piece is sent when the spool has nothing for the hub and the broker has confirmed the piece before, so a finding waits for one piece
//! at most. Evidence has a part of the month's octets of its own; once that is used up, pieces wait until it has grown again.

use super::broadcast::{Snippet, broadcast_only};
use super::ring::Ring;
use crate::cell::Rat;
use crate::observation::envelope::iq::{Ask, CHUNK, MAX_WHOLE, Manifest, Part, Piece, pack, seal_piece};
use crate::observation::{Fields, NodeId, Observation, Octets, SCHEMA};
use crate::units::Nanos;
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::Path;

/// What is sent to either side of the moment. Chosen: GSM's SYSTEM INFORMATION 3 comes twice in 1.9 s.
const GSM: [(Nanos, bool); 1] = [(Nanos::from_secs(1), true)];
/// Of LTE the first of these that is not too much, and whether with system information. Chosen: its MIB comes five times in 400 ms, which
/// is 130 kB of six resource blocks and above a megabyte of a hundred; 100 ms hold a MIB and all four redundancy versions of a SIB1.
const LTE: [(Nanos, bool); 4] = [
    (Nanos::from_millis(200), true),
    (Nanos::from_millis(100), true),
    (Nanos::from_millis(50), true),
    (Nanos::from_millis(200), false),
];
/// The hub asks every node about the moment at which one of them found something: another's own finding may be this far from it.
const SAME: Nanos = Nanos::from_secs(3600);
/// Wholes that wait to be sent.
const MOST_JOBS: usize = 4;
/// Part of the month's octets that goes to evidence.
const EVIDENCE_PART: f64 = 0.1;
/// Months of thirty days.
const MONTH_S: f64 = 30.0 * 86_400.0;
/// What is saved up at most: a quarter of a month's.
const MOST_SAVED_S: f64 = MONTH_S / 4.0;
/// What a piece costs beside its octets: signature, names, MQTT, TLS, TCP and the confirmation.
const OVERHEAD: f64 = 500.0;

/// Cuts what a hub asks for out of the ring in `folder`.
///
/// # Errors
/// In words for the hub: why nothing can be sent.
pub fn prepare(folder: &Path, ask: &Ask) -> Result<(Manifest, Vec<u8>), String> {
    let unreadable = |error: std::io::Error| format!("the evidence ring cannot be read: {error}");
    let mut ring = Ring::open(folder, u64::MAX).map_err(unreadable)?;
    let events = ring.events().map_err(unreadable)?;
    let of_cell = events.into_iter().filter(|event| event.finding.observation.cell == ask.cell);
    let apart = |event: &super::ring::Event| (event.finding.observation.at_ns.0 - ask.at_ns.0).abs();
    let nearest = of_cell.filter(|event| apart(event) <= SAME.0).min_by_key(apart);
    let event = nearest.ok_or("no finding about this cell at this time is kept any more")?;
    let observation = &event.finding.observation;
    let take = event.samples.ok_or("the samples were given up")?;
    let moment = observation.timing.map_or(observation.at_ns, |timing| timing.at_ns);
    // Where nobody knows how wide a cell is, its middle is cut out.
    let mut middle = observation.clone();
    if let Some(Fields::Lte(fields)) = &mut middle.fields {
        fields.mib = None;
    }
    let lengths = if observation.cell.rat == Rat::Lte { &LTE[..] } else { &GSM[..] };
    let mut octets = 0;
    for (half, whole) in lengths {
        let take = take.around(moment, *half);
        let observation = if *whole { observation } else { &middle };
        let mut read = |range, samples: &mut _| ring.read(&take, range, samples);
        let snippet = broadcast_only(&take.info, take.length, &mut read, observation).map_err(|why| why.to_string())?;
        let (scale, samples) = coarse(&snippet);
        let whole = pack(&samples, &snippet.kept);
        octets = whole.len();
        if (1..=MAX_WHOLE).contains(&octets) {
            return Ok((manifest(ask, observation, &snippet, scale, &whole), whole));
        }
    }
    Err(format!("what may leave has {octets} octets; it must have 1 to {MAX_WHOLE}"))
}

fn manifest(ask: &Ask, observation: &Observation, snippet: &Snippet, scale: f32, whole: &[u8]) -> Manifest {
    let info = &snippet.info;
    Manifest {
        cell: ask.cell,
        at_ns: observation.at_ns,
        stream: info.stream.clone(),
        center_hz: info.center.0,
        rate_hz: info.sample_rate.0,
        start_ns: info.start,
        samples: snippet.samples.len() as u64,
        scale,
        octets: whole.len() as u64,
        sha256: Octets(Sha256::digest(whole).to_vec()),
    }
}

/// Samples in eight bits, I and Q in turn, and what 127 stands for.
fn coarse(snippet: &Snippet) -> (f32, Vec<i8>) {
    let kept = snippet.kept.iter().cloned().flatten().filter_map(|index| snippet.samples.get(index));
    let most = kept.map(|sample| sample.re.abs().max(sample.im.abs())).fold(f32::MIN_POSITIVE, f32::max);
    let whole = |value: f32| (value / most * 127.0).round() as i8;
    (most, snippet.samples.iter().flat_map(|sample| [whole(sample.re), whole(sample.im)]).collect())
}

/// Octets that evidence may take.
#[derive(Debug)]
struct Allowance {
    /// Octets a second; `None`: as many as it takes.
    rate: Option<f64>,
    saved: f64,
    at: Nanos,
}

impl Allowance {
    fn pass(&mut self, now: Nanos) {
        if let Some(rate) = self.rate {
            let seconds = (now - self.at).as_secs_f64().max(0.0);
            self.saved = (self.saved + seconds * rate).min(MOST_SAVED_S * rate);
        }
        self.at = now;
    }

    /// How long until there are so many.
    fn wait(&self, octets: f64) -> Nanos {
        match self.rate {
            // A piece is sent while anything is saved that it could come from: a bucket smaller than a piece would never fill.
            Some(rate) => Nanos(((octets.min(MOST_SAVED_S * rate) - self.saved).max(0.0) / rate * 1e9).ceil() as i64),
            None => Nanos(0),
        }
    }
}

/// What one ask is answered with.
#[derive(Debug)]
struct Job {
    event: Octets,
    /// The manifest has been sent.
    announced: bool,
    whole: Result<(Manifest, Vec<u8>), String>,
    next: u32,
}

/// What waits to be sent.
#[derive(Debug)]
pub struct Outbox {
    node: NodeId,
    key: SigningKey,
    allowance: Allowance,
    jobs: VecDeque<Job>,
    /// The broker has a piece and has not confirmed it.
    under_way: bool,
}

impl Outbox {
    /// Of this node; `month_octets`: what it may take in a month with everything else, of which evidence has a tenth.
    pub fn new(node: NodeId, key: SigningKey, month_octets: Option<u64>) -> Outbox {
        let rate = month_octets.map(|octets| octets as f64 * EVIDENCE_PART / MONTH_S);
        let allowance = Allowance { rate, saved: MOST_SAVED_S * rate.unwrap_or(0.0), at: Nanos(0) };
        Outbox { node, key, allowance, jobs: VecDeque::new(), under_way: false }
    }

    /// Whether an ask with this identifier is being answered.
    pub fn has(&self, event: &Octets) -> bool {
        self.jobs.iter().any(|job| job.event == *event)
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.jobs.len() >= MOST_JOBS
    }

    /// Answers an ask, from the chunk on that the hub does not have.
    pub fn add(&mut self, ask: &Ask, whole: Result<(Manifest, Vec<u8>), String>) {
        if !self.has(&ask.ask) && !self.is_full() {
            self.jobs.push_back(Job { event: ask.ask.clone(), announced: false, whole, next: ask.have });
        }
    }

    fn piece(&self) -> Option<Piece> {
        let job = self.jobs.front()?;
        let part = match &job.whole {
            Err(why) => Part::Withheld(why.chars().take(200).collect()),
            Ok((manifest, _)) if !job.announced => Part::Manifest(Box::new(manifest.clone())),
            Ok((_, whole)) => {
                let chunk = whole.chunks(CHUNK).nth(job.next as usize)?;
                Part::Chunk { index: job.next, octets: Octets(chunk.to_vec()) }
            }
        };
        Some(Piece { schema: SCHEMA, node: self.node.clone(), event: job.event.clone(), part })
    }

    /// How long until a piece may be sent, at `now` of a time that is never set; `None`: nothing waits, or one is under way.
    pub fn due(&mut self, now: Nanos) -> Option<Nanos> {
        self.allowance.pass(now);
        if self.under_way || self.jobs.is_empty() {
            return None;
        }
        Some(self.allowance.wait(CHUNK as f64 + OVERHEAD))
    }

    /// The piece that is to be sent at `now`, and the last level of its topic; it counts as under way.
    pub fn next(&mut self, now: Nanos) -> Option<(String, Vec<u8>)> {
        if self.due(now)? > Nanos(0) {
            return None;
        }
        let Some(piece) = self.piece() else {
            // The hub has all of it.
            self.jobs.pop_front();
            return self.next(now);
        };
        let Ok(octets) = seal_piece(&piece, &self.key) else {
            self.jobs.pop_front();
            return self.next(now);
        };
        self.under_way = true;
        self.allowance.saved -= octets.len() as f64 + OVERHEAD;
        Some((piece.event.to_string(), octets))
    }

    /// The broker has the piece that was under way.
    pub fn confirmed(&mut self) {
        self.under_way = false;
        let Some(job) = self.jobs.front_mut() else { return };
        let last = match &job.whole {
            Err(_) => true,
            Ok((manifest, _)) if job.announced => {
                job.next += 1;
                job.next >= manifest.chunks()
            }
            Ok((manifest, _)) => {
                job.announced = true;
                job.next >= manifest.chunks()
            }
        };
        if last {
            self.jobs.pop_front();
        }
    }

    /// The connection is gone: what was under way is sent again on the next one.
    pub fn broken(&mut self) {
        self.under_way = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellKey;
    use crate::observation::envelope::iq::{open_piece, unpack};
    use crate::units::Timestamp;

    fn outbox(month: Option<u64>) -> (Outbox, ed25519_dalek::VerifyingKey) {
        let key = SigningKey::from_bytes(&[5; 32]);
        (Outbox::new("pole-1".parse().unwrap(), key.clone(), month), key.verifying_key())
    }

    fn ask(number: u8, have: u32) -> Ask {
        Ask {
            schema: SCHEMA,
            ask: Octets(vec![number; 16]),
            node: "pole-1".parse().unwrap(),
            cell: CellKey { rat: Rat::Gsm, center_hz: 947_400_000, id: 33 },
            at_ns: Timestamp(0),
            have,
            issued_ns: Timestamp(0),
            expires_ns: Timestamp(1),
        }
    }

    fn whole(octets: usize) -> (Manifest, Vec<u8>) {
        let samples: Vec<i8> = (0..octets as i32 - 8).map(|n| (n % 251 - 125) as i8).collect();
        let kept = 0..samples.len() / 2;
        let packed = pack(&samples, std::slice::from_ref(&kept));
        let manifest = Manifest {
            cell: ask(0, 0).cell,
            at_ns: Timestamp(0),
            stream: "s".to_owned(),
            center_hz: 1e9,
            rate_hz: 5e5,
            start_ns: Timestamp(0),
            samples: samples.len() as u64 / 2,
            scale: 1.0,
            octets: packed.len() as u64,
            sha256: Octets(Sha256::digest(&packed).to_vec()),
        };
        (manifest, packed)
    }

    #[test]
    fn a_whole_goes_piece_by_piece_and_again_from_where_it_broke() {
        let (mut outbox, key) = outbox(None);
        let open = |sent: (String, Vec<u8>)| open_piece(&sent.1, |_| Some(key)).unwrap().part;
        let (manifest, octets) = whole(40_000);
        outbox.add(&ask(1, 0), Ok((manifest.clone(), octets.clone())));
        outbox.add(&ask(1, 0), Err("twice".to_owned()));
        let first = outbox.next(Nanos(0)).unwrap();
        assert_eq!(first.0, "01".repeat(16));
        assert_eq!(open(first), Part::Manifest(Box::new(manifest)));
        assert_eq!((outbox.next(Nanos(0)), outbox.due(Nanos(0))), (None, None), "one at a time");
        outbox.confirmed();
        let mut got = Vec::new();
        let mut breaks = 1;
        while let Some(sent) = outbox.next(Nanos(0)) {
            let Part::Chunk { index, octets } = open(sent) else { panic!("a chunk") };
            if index == 1 && std::mem::take(&mut breaks) == 1 {
                outbox.broken();
                continue;
            }
            assert_eq!(index as usize, got.len() / CHUNK);
            got.extend(octets.0);
            outbox.confirmed();
        }
        assert_eq!(got, octets);
        assert_eq!(unpack(&got, 19_996).unwrap().len(), 39_992);
        // The hub has two chunks already.
        outbox.add(&ask(2, 2), Ok(whole(40_000)));
        outbox.next(Nanos(0)).unwrap();
        outbox.confirmed();
        assert!(matches!(open(outbox.next(Nanos(0)).unwrap()), Part::Chunk { index: 2, .. }));
        outbox.confirmed();
        assert_eq!(outbox.next(Nanos(0)), None);
        outbox.add(&ask(3, 0), Err("it may not leave".to_owned()));
        assert_eq!(open(outbox.next(Nanos(0)).unwrap()), Part::Withheld("it may not leave".to_owned()));
        outbox.confirmed();
        assert!(!outbox.has(&ask(3, 0).ask));
    }

    #[test]
    fn a_month_of_asks_takes_its_part_of_the_months_octets_and_no_more() {
        let (mut outbox, _) = outbox(Some(20_000_000));
        let (mut sent, mut number) = (0, 0u8);
        // Somebody asks without end; every minute for a month what may be sent is sent.
        for minute in 0..30 * 24 * 60 {
            if !outbox.is_full() {
                number = number.wrapping_add(1);
                outbox.add(&ask(number, 0), Ok(whole(200_000)));
            }
            while let Some((_, octets)) = outbox.next(Nanos::from_secs(60 * minute)) {
                sent += octets.len() + OVERHEAD as usize;
                outbox.confirmed();
            }
        }
        // A tenth, and what was saved up before.
        assert!((2_000_000..2_600_000).contains(&sent), "{sent}");
        let wait = outbox.due(Nanos::from_secs(30 * 86_400)).unwrap();
        assert!(wait > Nanos(0) && wait < Nanos::from_secs(86_400), "{wait:?}");
    }
}
