//! The path from a recording through the ring allocates nothing once every block has gone round.

#![allow(clippy::unwrap_used)]
// A counting allocator cannot be written without it; the library and the binary forbid it.
#![allow(unsafe_code)]

use daen::radio::convert::Datatype;
use daen::radio::raw::{self, RawFormat};
use daen::radio::ring::{WhenFull, ring};
use daen::radio::source::Event;
use daen::units::Hz;
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

#[test]
fn reading_a_recording_through_the_ring_allocates_nothing() {
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
