//! The ring between the thread that reads a source and the thread that receives.
//!
//! A fixed number of blocks goes round: the [`Feeder`] fills them, the [`Reader`] hands them back. After the ring is made and each
//! block has been filled once, nothing is allocated (`tests/no_alloc.rs` counts), and no lock is taken; an end that has to wait
//! parks its thread and is woken by the other.
//!
//! What happens when the reader is too slow is the caller's choice, [`WhenFull`].

use crate::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use crate::units::{Nanos, SampleIndex};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

/// What a [`Feeder`] does when every block is waiting for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Waits: right for recordings, where nothing is lost by waiting.
    Wait,
    /// Goes on reading the source so that the device does not overflow, and throws away what it reads. The stretch before stays
    /// whole; after the hole a new stream begins and [`Reader::lost_samples`] has grown. Nothing is taken until the reader has caught
    /// up: one that is too slow gets stretches as long as the ring with long holes between, and not single blocks, of which nothing
    /// can be received and each of which costs it a beginning and an end. Right for live sources.
    Drop,
}

/// A lost wake-up cannot happen while each end stays on the thread that first waited; one that moved is only late by this much.
const LONGEST_NAP: Duration = Duration::from_millis(50);

/// What goes round.
#[derive(Debug)]
struct Slot {
    event: Result<Event, SourceError>,
    block: IqBlock,
}

/// What both ends see.
#[derive(Debug, Default)]
struct Shared {
    feeder_gone: AtomicBool,
    reader_gone: AtomicBool,
    lost: AtomicU64,
    feeder: Bell,
    reader: Bell,
}

/// Wakes one thread.
#[derive(Debug, Default)]
struct Bell(OnceLock<Thread>);

impl Bell {
    /// Makes this thread the one to be woken. The caller then looks at its condition again before it sleeps.
    fn enrol(&self) {
        self.0.get_or_init(std::thread::current);
        // Either the other end sees the enrolment, or this end sees what the other one did before it rang.
        fence(Ordering::SeqCst);
    }

    fn sleep(&self) {
        std::thread::park_timeout(LONGEST_NAP);
    }

    fn ring(&self) {
        fence(Ordering::SeqCst);
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// The end that reads the source.
pub struct Feeder {
    filled: HeapProd<Slot>,
    empty: HeapCons<Slot>,
    shared: Arc<Shared>,
    blocks: usize,
    block: usize,
    when_full: WhenFull,
    place: Place,
}

/// Where the feeder is in its source.
#[derive(Debug, Default)]
struct Place {
    /// The stream as the source announced it.
    info: Option<StreamInfo>,
    /// Where in it the stream begins that the reader sees; not 0 after a hole.
    base: u64,
    /// Holes so far in it.
    holes: u64,
}

/// The end that receives.
pub struct Reader {
    filled: HeapCons<Slot>,
    empty: HeapProd<Slot>,
    shared: Arc<Shared>,
    current: Option<Slot>,
}

/// A ring of `blocks` blocks (at least 2) of `samples` samples each.
pub fn ring(blocks: usize, samples: usize, when_full: WhenFull) -> (Feeder, Reader) {
    let (blocks, block) = (blocks.max(2), samples.max(1));
    let (filled_in, filled_out) = HeapRb::new(blocks).split();
    let (mut empty_in, empty_out) = HeapRb::new(blocks).split();
    for _ in 0..blocks {
        let mut slot = Slot { event: Ok(Event::Samples), block: IqBlock::default() };
        slot.block.samples.reserve_exact(block);
        let pushed = empty_in.try_push(slot);
        debug_assert!(pushed.is_ok(), "the ring was made for this many");
    }
    let shared = Arc::new(Shared::default());
    let place = Place::default();
    let feeder =
        Feeder { filled: filled_in, empty: empty_out, shared: shared.clone(), blocks, block, when_full, place };
    (feeder, Reader { filled: filled_out, empty: empty_in, shared, current: None })
}

impl std::fmt::Debug for Feeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feeder").field("block", &self.block).field("when_full", &self.when_full).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Feeder {
    /// Reads `source` into the ring until it ends, fails, or the reader is gone. A failure is passed on to the reader.
    pub fn run(mut self, source: &mut dyn IqSource) {
        let mut spare = IqBlock::default();
        // What was read into `spare` and could not be delivered: an event, or samples that leave a hole up to an index.
        let mut undelivered: Option<Result<Event, SourceError>> = None;
        let mut hole: Option<u64> = None;
        loop {
            let over = matches!(undelivered, Some(Err(_) | Ok(Event::End)));
            // The reader holds the block that it works at.
            let behind = hole.is_some() && !over && self.empty.occupied_len() + 1 < self.blocks;
            let slot = if behind { None } else { self.take_empty(over || self.when_full == WhenFull::Wait) };
            let Some(mut slot) = slot else {
                if self.shared.reader_gone.load(Ordering::Acquire) {
                    return;
                }
                match self.pull(source, &mut spare) {
                    Ok(Event::Samples) => {
                        let lost = spare.samples.len() as u64;
                        self.shared.lost.fetch_add(lost, Ordering::Relaxed);
                        hole = Some(spare.first.0 + lost);
                    }
                    event => {
                        hole = None;
                        undelivered = Some(event);
                    }
                }
                continue;
            };
            slot.block.samples.clear();
            slot.event = match (undelivered.take(), hole.take()) {
                (Some(last @ (Err(_) | Ok(Event::End))), _) => last,
                (_, Some(next)) => self.place.after_hole(next),
                (Some(event), None) => event,
                (None, None) => self.pull(source, &mut slot.block),
            };
            let last = matches!(slot.event, Err(_) | Ok(Event::End));
            let pushed = self.filled.try_push(slot);
            debug_assert!(pushed.is_ok(), "the ring holds as many slots as go round");
            self.shared.reader.ring();
            if last {
                return;
            }
        }
    }

    /// One read of the source, counted from the start of the stream that the reader sees.
    fn pull(&mut self, source: &mut dyn IqSource, block: &mut IqBlock) -> Result<Event, SourceError> {
        let event = source.read(self.block, block)?;
        match &event {
            Event::Stream(info) => {
                (self.place.base, self.place.holes) = (0, 0);
                match &mut self.place.info {
                    Some(before) => before.clone_from(info),
                    none => *none = Some(info.clone()),
                }
            }
            Event::Samples => block.first = SampleIndex(block.first.0.saturating_sub(self.place.base)),
            Event::End => {}
        }
        Ok(event)
    }

    /// A slot to fill; `None` where there is none and `wait` is false, or the reader is gone.
    fn take_empty(&mut self, wait: bool) -> Option<Slot> {
        if let Some(slot) = self.empty.try_pop() {
            return Some(slot);
        }
        if !wait {
            return None;
        }
        loop {
            self.shared.feeder.enrol();
            if let Some(slot) = self.empty.try_pop() {
                return Some(slot);
            }
            if self.shared.reader_gone.load(Ordering::Acquire) {
                return None;
            }
            self.shared.feeder.sleep();
        }
    }
}

impl Place {
    /// Begins another stream at sample `next` of the present one.
    fn after_hole(&mut self, next: u64) -> Result<Event, SourceError> {
        self.base += next;
        self.holes += 1;
        // Samples come after a stream was announced; a source that breaks this has nothing to be continued.
        let Some(info) = &self.info else { return Ok(Event::End) };
        let nanos = (self.base as f64 / info.sample_rate.0 * 1e9).round() as i64;
        let stream = format!("{}~{}", info.stream, self.holes);
        Ok(Event::Stream(StreamInfo { stream, start: info.start + Nanos(nanos), ..info.clone() }))
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.shared.feeder_gone.store(true, Ordering::Release);
        self.shared.reader.ring();
    }
}

impl Reader {
    /// The next event, with the samples where it is [`Event::Samples`]. Waits for it. After [`Event::End`] and after an error
    /// nothing more comes.
    ///
    /// # Errors
    /// What made the source fail.
    pub fn read(&mut self) -> Result<(Event, &IqBlock), SourceError> {
        if let Some(slot) = self.current.take() {
            let pushed = self.empty.try_push(slot);
            debug_assert!(pushed.is_ok(), "the ring holds as many slots as go round");
            self.shared.feeder.ring();
        }
        let slot = self.take_filled();
        let slot = self.current.insert(slot);
        let event = std::mem::replace(&mut slot.event, Ok(Event::Samples))?;
        Ok((event, &slot.block))
    }

    /// Samples thrown away so far because this end was too slow.
    pub fn lost_samples(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Blocks that wait to be read: how far this end is behind.
    pub fn waiting(&self) -> usize {
        self.filled.occupied_len()
    }

    fn take_filled(&mut self) -> Slot {
        loop {
            if let Some(slot) = self.filled.try_pop() {
                return slot;
            }
            self.shared.reader.enrol();
            let gone = self.shared.feeder_gone.load(Ordering::Acquire);
            if let Some(slot) = self.filled.try_pop() {
                return slot;
            }
            if gone {
                return Slot { event: Ok(Event::End), block: IqBlock::default() };
            }
            self.shared.reader.sleep();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.reader_gone.store(true, Ordering::Release);
        self.shared.feeder.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Hz, Timestamp};
    use num_complex::Complex32;

    /// Counts upwards in I; two streams; can be told to fail at the end, or to let the reader go on at given reads.
    struct Counter {
        reads: u64,
        per_stream: u64,
        fail: bool,
        pace: Option<(std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<()>)>,
    }

    impl Counter {
        fn new(per_stream: u64) -> Counter {
            Counter { reads: 0, per_stream, fail: false, pace: None }
        }
    }

    impl IqSource for Counter {
        fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
            if let Some((go, done)) = &self.pace {
                let _ = done.send(());
                let _ = go.recv();
            }
            let at = self.reads;
            self.reads += 1;
            block.samples.clear();
            let stream = at / (self.per_stream + 1);
            if stream == 2 {
                if self.fail {
                    let source = std::io::Error::other("unplugged");
                    return Err(SourceError::Io { path: "device".to_owned(), source });
                }
                return Ok(Event::End);
            }
            match at % (self.per_stream + 1) {
                0 => Ok(Event::Stream(StreamInfo {
                    stream: format!("s{stream}"),
                    center: Hz(1e9),
                    sample_rate: Hz(1000.0),
                    start: Timestamp(stream as i64 * 1_000_000_000),
                })),
                n => {
                    block.first = SampleIndex((n - 1) * max as u64);
                    block.samples.extend((0..max).map(|i| Complex32::new((block.first.0 + i as u64) as f32, 0.0)));
                    Ok(Event::Samples)
                }
            }
        }
        fn total_samples(&self) -> Option<u64> {
            None
        }
    }

    fn collect(reader: &mut Reader) -> Result<Vec<(String, Vec<f32>)>, SourceError> {
        let mut streams: Vec<(String, Vec<f32>)> = Vec::new();
        loop {
            match reader.read()? {
                (Event::Stream(info), _) => streams.push((info.stream, Vec::new())),
                (Event::Samples, block) => {
                    let values = &mut streams.last_mut().unwrap().1;
                    assert_eq!(block.first.0 as usize, values.len(), "the index counts from the start of the stream");
                    values.extend(block.samples.iter().map(|s| s.re));
                }
                (Event::End, _) => return Ok(streams),
            }
        }
    }

    #[test]
    fn a_waiting_ring_delivers_every_sample_in_order() {
        for (blocks, samples) in [(2, 1), (3, 7), (8, 64)] {
            let (feeder, mut reader) = ring(blocks, samples, WhenFull::Wait);
            let feeding = std::thread::spawn(move || feeder.run(&mut Counter::new(500)));
            let streams = collect(&mut reader).unwrap();
            feeding.join().unwrap();
            let expected: Vec<f32> = (0..500 * samples).map(|i| i as f32).collect();
            assert_eq!(streams, [("s0".to_owned(), expected.clone()), ("s1".to_owned(), expected)]);
            assert_eq!(reader.lost_samples(), 0);
        }
    }

    #[test]
    fn a_failure_reaches_the_reader_after_what_was_read_before() {
        let (feeder, mut reader) = ring(2, 4, WhenFull::Wait);
        let feeding = std::thread::spawn(move || feeder.run(&mut Counter { fail: true, ..Counter::new(3) }));
        let error = collect(&mut reader).unwrap_err();
        assert_eq!(error.to_string(), "device: unplugged");
        feeding.join().unwrap();
    }

    #[test]
    fn the_feeder_ends_when_the_reader_is_gone() {
        let (feeder, mut reader) = ring(2, 4, WhenFull::Wait);
        let feeding = std::thread::spawn(move || feeder.run(&mut Counter::new(u64::MAX / 4)));
        assert!(matches!(reader.read(), Ok((Event::Stream(_), _))));
        drop(reader);
        feeding.join().unwrap();
    }

    #[test]
    fn a_live_ring_ends_the_stream_at_a_hole_and_counts_what_is_lost() {
        let (feeder, mut reader) = ring(2, 10, WhenFull::Drop);
        let (go, wait) = std::sync::mpsc::channel();
        let (told, done) = std::sync::mpsc::channel();
        let mut source = Counter { pace: Some((wait, told)), ..Counter::new(6) };
        let feeding = std::thread::spawn(move || feeder.run(&mut source));
        // Stream, samples 0..10: both slots full. Then 10..20 and 20..30 are read with nowhere to go.
        for _ in 0..4 {
            done.recv().unwrap();
            go.send(()).unwrap();
        }
        done.recv().unwrap();
        assert_eq!(reader.lost_samples(), 20);
        assert!(matches!(reader.read(), Ok((Event::Stream(_), _))));
        assert_eq!(reader.read().unwrap().1.samples.len(), 10);
        // The fifth read was begun before a slot came free: 30..40 are lost too.
        go.send(()).unwrap();
        let (event, _) = reader.read().unwrap();
        let Event::Stream(info) = event else { panic!("{event:?}") };
        assert_eq!((info.stream.as_str(), reader.lost_samples()), ("s0~1", 30));
        assert_eq!(info.start, Timestamp(40 * 1_000_000), "sample 40 at 1000 samples a second");
        drop((reader, go));
        feeding.join().unwrap();
    }

    #[test]
    fn after_a_hole_a_live_ring_takes_nothing_until_the_reader_has_caught_up() {
        let (feeder, mut reader) = ring(4, 10, WhenFull::Drop);
        let (go, wait) = std::sync::mpsc::channel();
        let (told, done) = std::sync::mpsc::channel();
        let mut source = Counter { pace: Some((wait, told)), ..Counter::new(40) };
        let feeding = std::thread::spawn(move || feeder.run(&mut source));
        let read = || {
            go.send(()).unwrap();
            done.recv().unwrap();
        };
        // Stream and three blocks fill the ring; the fourth is lost, the fifth begun.
        done.recv().unwrap();
        (0..5).for_each(|_| read());
        assert!(matches!(reader.read(), Ok((Event::Stream(_), _))));
        assert_eq!(reader.read().unwrap().1.first, SampleIndex(0));
        // One slot has come free.
        (0..2).for_each(|_| read());
        assert_eq!((reader.lost_samples(), reader.waiting()), (30, 2));
        (0..2).for_each(|_| assert_eq!(reader.read().unwrap().1.samples.len(), 10));
        // It is at its last block: the read that was begun is lost, and then a stretch as long as the ring is whole.
        (0..3).for_each(|_| read());
        assert_eq!((reader.lost_samples(), reader.waiting()), (40, 3));
        let (event, _) = reader.read().unwrap();
        let Event::Stream(info) = event else { panic!("{event:?}") };
        assert_eq!((info.stream.as_str(), info.start), ("s0~1", Timestamp(70 * 1_000_000)));
        (0..2u64).for_each(|n| assert_eq!(reader.read().unwrap().1.first, SampleIndex(10 * n)));
        drop((reader, go));
        feeding.join().unwrap();
    }

    #[test]
    fn the_reader_knows_how_far_it_is_behind() {
        let (feeder, mut reader) = ring(8, 10, WhenFull::Wait);
        assert_eq!(reader.waiting(), 0);
        let feeding = std::thread::spawn(move || feeder.run(&mut Counter::new(1)));
        feeding.join().unwrap();
        assert_eq!(reader.waiting(), 5, "twice a stream and a block, and the end");
        assert!(matches!(reader.read(), Ok((Event::Stream(_), _))));
        assert_eq!(reader.waiting(), 4);
    }
}
