//! The path from a recording through the ring allocates nothing once every block has gone round.

#![cfg(feature = "sensor")]

use daen::radio::convert::Datatype;
use daen::radio::raw::{self, RawFormat};
use daen::radio::ring::{WhenFull, ring};
use daen::radio::source::Event;
use daen::units::Hz;
use std::collections::BTreeSet;

/// The blocks that come out of the ring are always the same ones, and none of them grows: what is read has been allocated when
/// the ring was made.
#[test]
fn the_ring_hands_out_the_same_blocks_for_ever() {
    const BLOCK: usize = 4096;
    const BLOCKS: usize = 4;
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(2 * 4096 * 500).unwrap();
    let format = RawFormat { datatype: Datatype::Ci8, rate: Hz(1e6), center: Hz(941e6) };
    let (mut recording, _) = raw::open(file.path(), format).unwrap();
    let (feeder, mut reader) = ring(BLOCKS, BLOCK, WhenFull::Wait);
    let feeding = std::thread::spawn(move || feeder.run(&mut recording));
    let (mut places, mut blocks) = (BTreeSet::new(), 0);
    loop {
        match reader.read().unwrap() {
            (Event::Stream(_), _) => {}
            (Event::Samples, block) => {
                assert_eq!(block.samples.len(), BLOCK);
                assert_eq!(block.samples.capacity(), BLOCK);
                places.insert(block.samples.as_ptr() as usize);
                blocks += 1;
            }
            (Event::End, _) => break,
        }
    }
    feeding.join().unwrap();
    assert_eq!(blocks, 500);
    assert!(places.len() <= BLOCKS, "{} different buffers", places.len());
}
