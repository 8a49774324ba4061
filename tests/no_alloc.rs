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
