//! The evidence ring: the last minutes of every stream on the node's own disk, off by default.
//!
//! Samples are kept as they were received, in short segments within a quota; a finding pins what surrounds it, and what is pinned is
//! given up last. **What is kept stays on the node.** What may leave it is made by [`broadcast::broadcast_only`], which keeps what
//! a cell says to everybody and makes everything else zero; `daen evidence` writes nothing else, and [`send`] sends nothing else, to the
//! hub alone, when it asks and the node's own configuration allows it.

pub mod broadcast;
pub mod resources;
pub mod ring;
pub mod send;

use crate::observation::Finding;
use crate::radio::source::{IqBlock, StreamInfo};
use crate::units::SampleIndex;
use ring::Ring;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Blocks of a receiver on their way to the disk; a disk that is slower loses what does not fit, counted.
const BLOCKS: usize = 16;

enum News {
    Stream(StreamInfo),
    Samples(SampleIndex, Vec<i16>),
    Found(Box<Finding>),
}

/// One receiver's end.
#[derive(Debug)]
pub struct Tap {
    receiver: usize,
    news: SyncSender<(usize, News)>,
    spare: Receiver<Vec<i16>>,
    lost: Arc<AtomicU64>,
}

impl std::fmt::Debug for News {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            News::Stream(_) => "Stream",
            News::Samples(..) => "Samples",
            News::Found(_) => "Found",
        })
    }
}

/// Starts the thread that keeps evidence of `receivers` receivers in `folder` within `quota` octets; it ends with their taps. `lost`
/// counts samples that the disk was too slow for.
///
/// # Errors
/// The system's: the folder cannot be used, or no thread started.
pub fn start(
    folder: &Path,
    quota: u64,
    receivers: usize,
    lost: &Arc<AtomicU64>,
) -> std::io::Result<(Vec<Tap>, std::thread::JoinHandle<()>)> {
    let mut ring = Ring::open(folder, quota)?;
    let (news, arrived) = sync_channel(BLOCKS * receivers.max(1));
    let (mut taps, mut back) = (Vec::with_capacity(receivers), Vec::with_capacity(receivers));
    for receiver in 0..receivers {
        let (again, spare) = sync_channel(2 * BLOCKS);
        taps.push(Tap { receiver, news: news.clone(), spare, lost: lost.clone() });
        back.push(again);
    }
    let keeping = std::thread::Builder::new().name("evidence".to_owned()).spawn(move || {
        let mut told = false;
        for (receiver, news) in arrived {
            let kept = match news {
                News::Stream(info) => ring.begin(receiver, &info),
                News::Samples(first, samples) => {
                    let kept = ring.write(receiver, first, &samples);
                    let _ = back[receiver].try_send(samples);
                    kept
                }
                News::Found(finding) => ring.pin(&finding),
            };
            // A full disk costs evidence, and nothing else; the health report tells of the disk.
            if let Err(error) = kept
                && !std::mem::replace(&mut told, true)
            {
                tracing::warn!(%error, "evidence cannot be kept");
            }
        }
    })?;
    Ok((taps, keeping))
}

impl Tap {
    /// Another stream begins.
    pub fn stream(&self, info: &StreamInfo) {
        // A stream that is not told of would put its samples into the one before: this one waits.
        let _ = self.news.send((self.receiver, News::Stream(info.clone())));
    }

    /// The next block of the stream; never waits.
    pub fn samples(&self, block: &IqBlock) {
        let mut copy = self.spare.try_recv().unwrap_or_default();
        copy.clear();
        let whole = |value: f32| (value * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
        copy.extend(block.samples.iter().flat_map(|sample| [whole(sample.re), whole(sample.im)]));
        if let Err(TrySendError::Full(_)) = self.news.try_send((self.receiver, News::Samples(block.first, copy))) {
            self.lost.fetch_add(block.samples.len() as u64, Ordering::Relaxed);
        }
    }

    /// Pins what surrounds a finding.
    pub fn found(&self, finding: &Finding) {
        let _ = self.news.try_send((self.receiver, News::Found(Box::new(finding.clone()))));
    }
}
