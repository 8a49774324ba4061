//! Where samples that were kept are searched for what needs more time than they last: LTE and NR over a wide stream.
//!
//! One thread and one buffer: while they are busy nothing is kept, and the window comes again. So the search costs a bounded part of
//! one core, however much there is to be searched, and the receiver's own thread never waits for it.

use crate::cell::Rat;
use crate::dsp::compact::Compact;
use crate::radio::source::StreamInfo;
use crate::rat::{CellReport, Options, Receivers};
use crate::units::Nanos;
use num_complex::Complex32;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What is kept of a stream; two windows of LTE's search.
pub const KEPT: Nanos = Nanos::from_millis(340);
/// Samples kept at most: 340 ms at 20 Msps, 27 MB. Faster streams are kept for less.
const MOST: usize = 6_800_000;

/// A stretch of a stream that was kept, and what was found in it.
#[derive(Debug)]
pub struct Kept {
    /// Which window of the plan.
    pub window: Option<usize>,
    /// The stretch as a stream of its own: its time is that of the first sample.
    pub info: StreamInfo,
    /// The samples.
    pub samples: Compact,
    /// How many touched full scale.
    pub clipped: u64,
    /// How many it is to hold.
    pub wanted: usize,
    /// What the receivers said last of every cell.
    pub reports: Vec<CellReport>,
}

impl Kept {
    /// Takes what it still wants; whether it has all of it.
    pub fn take(&mut self, samples: &[Complex32], clipped: u32) -> bool {
        let count = samples.len().min(self.wanted - self.samples.len());
        self.samples.extend(&samples[..count]);
        self.clipped += u64::from(clipped);
        self.samples.len() == self.wanted
    }
}

/// The near end of the thread.
#[derive(Debug)]
pub struct Lab {
    jobs: SyncSender<Kept>,
    done: Receiver<Kept>,
    /// The buffer, while it is free.
    spare: Option<Kept>,
}

impl Lab {
    /// Starts the thread; it ends when the lab is dropped, at the latest after the stretch in hand.
    ///
    /// # Errors
    /// The system's, where no thread can be had.
    pub fn start() -> std::io::Result<Lab> {
        let (jobs, todo) = sync_channel::<Kept>(1);
        let (out, done) = sync_channel(1);
        std::thread::Builder::new().name("lab".to_owned()).spawn(move || {
            for kept in todo {
                if out.send(search(kept)).is_err() {
                    return;
                }
            }
        })?;
        let info = StreamInfo {
            stream: String::new(),
            center: crate::units::Hz(0.0),
            sample_rate: crate::units::Hz(1.0),
            start: crate::units::Timestamp(0),
        };
        let spare =
            Kept { window: None, info, samples: Compact::default(), clipped: 0, wanted: 0, reports: Vec::new() };
        Ok(Lab { jobs, done, spare: Some(spare) })
    }

    /// An empty buffer for a stretch that begins as `info` says; `None` while the lab is busy.
    pub fn keep(&mut self, window: Option<usize>, info: StreamInfo) -> Option<Kept> {
        let mut kept = self.spare.take()?;
        let wanted = ((KEPT.as_secs_f64() * info.sample_rate.0) as usize).clamp(1, MOST);
        kept.samples.clear();
        kept.samples.reserve(wanted);
        kept.reports.clear();
        Some(Kept { window, info, wanted, clipped: 0, ..kept })
    }

    /// Hands over a stretch that is complete.
    pub fn search(&mut self, kept: Kept) {
        // There is one stretch at a time, so there is room for it.
        if let Err(error) = self.jobs.try_send(kept) {
            let (std::sync::mpsc::TrySendError::Full(kept) | std::sync::mpsc::TrySendError::Disconnected(kept)) = error;
            self.spare = Some(kept);
        }
    }

    /// Takes back a stretch that was not completed.
    pub fn give_up(&mut self, kept: Kept) {
        self.spare = Some(kept);
    }

    /// A stretch that has been searched; it is to be given back by [`Lab::give_up`].
    pub fn result(&mut self) -> Option<Kept> {
        self.done.try_recv().ok()
    }
}

fn search(mut kept: Kept) -> Kept {
    let mut live = Vec::new();
    for rat in [Rat::Lte, Rat::Nr] {
        let mut receivers = Receivers::new(&kept.info, Options { only: Some(rat), ..Options::default() });
        kept.samples.for_each(|block| {
            receivers.process(block, &mut live);
            live.clear();
        });
        receivers.finish(&mut kept.reports);
    }
    kept
}
