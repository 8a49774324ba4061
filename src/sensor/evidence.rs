//! The evidence ring: the last minutes of every stream on the node's own disk, off by default.
//!
//! Samples are kept as they were received, in short segments within a quota; a finding pins what surrounds it, and what is pinned is
//! given up last. **What is kept stays on the node.** What may leave it is made by [`broadcast::broadcast_only`], which keeps the
//! bursts in which a cell speaks to everybody and makes everything else zero; `daen evidence` writes nothing else.

pub mod broadcast;
pub mod ring;

use crate::observation::Finding;
use crate::radio::source::{IqBlock, StreamInfo};
use crate::units::SampleIndex;
use ring::Ring;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Blocks on their way to the disk; a disk that is slower loses what does not fit, counted.
const BLOCKS: usize = 16;

enum News {
    Stream(StreamInfo),
    Samples(SampleIndex, Vec<i16>),
    Found(Box<Finding>),
}

/// The receiver's end.
#[derive(Debug)]
pub struct Tap {
    news: SyncSender<News>,
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

/// Starts the thread that keeps evidence in `folder` within `quota` octets; it ends with its tap. `lost` counts samples that the disk
/// was too slow for.
///
/// # Errors
/// The system's: the folder cannot be used, or no thread started.
pub fn start(folder: &Path, quota: u64, lost: Arc<AtomicU64>) -> std::io::Result<(Tap, std::thread::JoinHandle<()>)> {
    let mut ring = Ring::open(folder, quota)?;
    let (news, arrived) = sync_channel(BLOCKS);
    let (back, spare) = sync_channel(2 * BLOCKS);
    let keeping = std::thread::Builder::new().name("evidence".to_owned()).spawn(move || {
        let mut told = false;
        for news in arrived {
            let kept = match news {
                News::Stream(info) => ring.begin(&info),
                News::Samples(first, samples) => {
                    let kept = ring.write(first, &samples);
                    let _ = back.try_send(samples);
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
    Ok((Tap { news, spare, lost }, keeping))
}

impl Tap {
    /// Another stream begins.
    pub fn stream(&self, info: &StreamInfo) {
        // A stream that is not told of would put its samples into the one before: this one waits.
        let _ = self.news.send(News::Stream(info.clone()));
    }

    /// The next block of the stream; never waits.
    pub fn samples(&self, block: &IqBlock) {
        let mut copy = self.spare.try_recv().unwrap_or_default();
        copy.clear();
        let whole = |value: f32| (value * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
        copy.extend(block.samples.iter().flat_map(|sample| [whole(sample.re), whole(sample.im)]));
        if let Err(TrySendError::Full(_)) = self.news.try_send(News::Samples(block.first, copy)) {
            self.lost.fetch_add(block.samples.len() as u64, Ordering::Relaxed);
        }
    }

    /// Pins what surrounds a finding.
    pub fn found(&self, finding: &Finding) {
        let _ = self.news.try_send(News::Found(Box::new(finding.clone())));
    }
}
