//! The path from a recording through the ring allocates nothing once every block has gone round, nor do tunings in it.

#![allow(clippy::unwrap_used)]
// A counting allocator cannot be written without it; the library and the binary forbid it.
#![allow(unsafe_code)]

use daen::radio::convert::Datatype;
use daen::radio::raw::{self, RawFormat};
use daen::radio::ring::{WhenFull, ring};
use daen::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use daen::units::{Hz, SampleIndex, Timestamp};
use num_complex::Complex32;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is asked of the system's allocator, by all threads.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's obligations are the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's obligations are the same.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's obligations are the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, because what is counted is everything that the process does.
#[test]
fn neither_samples_nor_tunings_allocate_on_their_way_through_the_ring() {
    samples_of_a_recording();
    tunings();
    #[cfg(feature = "sensor")]
    spectrum_and_receivers_of_quiet_air();
}

/// What works on every sample of a receiver that stays, where nothing is on the air: spectrum, its tiles but for those that are sent, and
/// the receivers of all GSM channels.
#[cfg(feature = "sensor")]
fn spectrum_and_receivers_of_quiet_air() {
    use daen::cell::Rat;
    use daen::rat::{self, Receivers};
    use daen::sensor::waterfall::Waterfall;
    use daen::units::Nanos;
    let info = StreamInfo { stream: "quiet".to_owned(), center: Hz(947e6), sample_rate: Hz(2e6), start: Timestamp(0) };
    let mut state = 1u64;
    let mut part = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    let noise: Vec<Complex32> = (0..4_000_000).map(|_| Complex32::new(part(), part()) * 1e-2).collect();
    let gsm = rat::gsm::Options { live: true, ..rat::gsm::Options::default() };
    let mut receivers = Receivers::new(&info, rat::Options { gsm, only: Some(Rat::Gsm), ..rat::Options::default() });
    let mut waterfall = Waterfall::new(Hz(1.6e6), Nanos::from_secs(86_400));
    waterfall.begin(&info);
    let mut reports = Vec::new();
    let mut counts = [0; 3];
    for count in &mut counts {
        *count = ALLOCATIONS.load(Ordering::Relaxed);
        for block in noise.chunks(65_536) {
            assert_eq!(waterfall.take(block), None);
            receivers.process(block, &mut reports);
        }
    }
    assert!(reports.is_empty(), "{reports:?}");
    assert!(counts[1] > counts[0], "the counter counts what is made at first");
    assert_eq!(counts[2] - counts[1], 0, "allocations in two seconds");
}

fn samples_of_a_recording() {
    const BLOCK: usize = 4096;
    const BLOCKS: usize = 4;
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(2 * 4096 * 500).unwrap();
    let format = RawFormat { datatype: Datatype::Ci8, rate: Hz(1e6), center: Hz(941e6) };
    let (mut recording, _) = raw::open(file.path(), format).unwrap();
    let (feeder, mut reader) = ring(BLOCKS, BLOCK, WhenFull::Wait);
    let feeding = std::thread::spawn(move || feeder.run(&mut recording));
    let (mut blocks, mut before, mut after) = (0, 0, 0);
    loop {
        match reader.read().unwrap() {
            (Event::Stream(_), _) => {}
            (Event::Samples, block) => {
                assert_eq!(block.samples.len(), BLOCK);
                blocks += 1;
                match blocks {
                    // Every block has gone round twice, both ends have waited for each other.
                    20 => before = ALLOCATIONS.load(Ordering::Relaxed),
                    490 => after = ALLOCATIONS.load(Ordering::Relaxed),
                    _ => {}
                }
            }
            (Event::End, _) => break,
        }
    }
    feeding.join().unwrap();
    assert_eq!(blocks, 500);
    assert!(before > 0, "the counter counts");
    assert_eq!(after - before, 0, "allocations while 470 blocks went through");
}

/// A receiver that is tuned elsewhere after every eighth block; the names of its streams were made beforehand.
struct Touring {
    streams: Vec<StreamInfo>,
    blocks: u64,
    index: u64,
}

impl IqSource for Touring {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        if self.blocks.is_multiple_of(8) {
            self.blocks += 1;
            self.index = 0;
            return Ok(self.streams.pop().map_or(Event::End, Event::Stream));
        }
        self.blocks += 1;
        block.samples.clear();
        block.samples.resize(max, Complex32::new(0.5, -0.5));
        block.first = SampleIndex(self.index);
        self.index += max as u64;
        Ok(Event::Samples)
    }
    fn total_samples(&self) -> Option<u64> {
        None
    }
}

fn tunings() {
    let streams = (0..100).map(|n| StreamInfo {
        stream: format!("tour#{n}"),
        center: Hz(935e6 + 1e6 * f64::from(n % 20)),
        sample_rate: Hz(1e6),
        start: Timestamp(i64::from(n)),
    });
    let mut source = Touring { streams: streams.collect(), blocks: 0, index: 0 };
    let (feeder, mut reader) = ring(4, 1000, WhenFull::Wait);
    let feeding = std::thread::spawn(move || feeder.run(&mut source));
    let (mut tunings, mut before, mut after) = (0, 0, 0);
    // What is handed over is kept, so that nothing but the ring's own doing is counted.
    let mut kept = Vec::with_capacity(200);
    while let (event, _) = reader.read().unwrap()
        && event != Event::End
    {
        if let Event::Stream(info) = event {
            kept.push(info);
            tunings += 1;
            match tunings {
                20 => before = ALLOCATIONS.load(Ordering::Relaxed),
                90 => after = ALLOCATIONS.load(Ordering::Relaxed),
                _ => {}
            }
        }
    }
    feeding.join().unwrap();
    assert_eq!((tunings, kept.len()), (100, 100));
    assert_eq!(after - before, 0, "allocations while 70 tunings went through");
}
