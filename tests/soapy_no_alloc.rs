//! The path from a driver through its thread, the source and the ring allocates nothing once every buffer has gone round.

#![cfg(feature = "soapy")]
#![allow(clippy::unwrap_used)]
// A counting allocator cannot be written without it; the library and the binary forbid it.
#![allow(unsafe_code)]

// Each test crate uses a part of it.
#[allow(dead_code)]
#[path = "support/soapy.rs"]
mod soapy;

use daen::config::device::Device;
use daen::radio::live::Live;
use daen::radio::profile::Profile;
use daen::radio::ring::{WhenFull, ring};
use daen::radio::soapy::SoapySource;
use daen::radio::source::Event;
use daen::units::{Hz, Timestamp};
use soapy::{Place, inside};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is asked of the system's allocator by Rust code, in all threads; a driver's own `new` does not come by.
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
fn samples_of_a_receiver_go_through_without_an_allocation() {
    if !inside("samples_of_a_receiver_go_through_without_an_allocation", Place::Here, &[]) {
        return;
    }
    const BLOCK: usize = 20_000;
    let wish = Device {
        args: "driver=daentest,format=CS16,rates=4000000".to_owned(),
        profile: soapy::profile(),
        center: Hz(947e6),
        rate: Some(Hz(4e6)),
        ..Device::default()
    };
    let settings = Profile::named(&wish.profile, Path::new("")).unwrap().settings(&wish).unwrap();
    let live = Arc::new(Live::default());
    let mut source = SoapySource::new(settings, live.clone(), || Timestamp(0));
    let (feeder, mut reader) = ring(16, BLOCK, WhenFull::Drop);
    let feeding = std::thread::spawn(move || feeder.run(&mut source));
    let (mut blocks, mut before, mut after) = (0, 0, 0);
    while blocks < 300 {
        match reader.read().unwrap() {
            (Event::Stream(_), _) => {}
            (Event::Samples, block) => {
                assert!(!block.samples.is_empty());
                blocks += 1;
                match blocks {
                    // Every block and chunk has gone round, and each end has waited for the other.
                    150 => before = ALLOCATIONS.load(Ordering::Relaxed),
                    299 => after = ALLOCATIONS.load(Ordering::Relaxed),
                    _ => {}
                }
            }
            (Event::End, _) => panic!("a receiver does not end by itself"),
        }
    }
    live.stop();
    drop(reader);
    feeding.join().unwrap();
    assert_eq!(live.counts().gaps, 0, "an undisturbed second and a half");
    assert!(before > 0, "the counter counts");
    assert_eq!(after - before, 0, "allocations while 149 blocks went through");
}
