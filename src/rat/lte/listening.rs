//! When a cell's messages are listened to: as often as it takes to have each, and then as seldom as a change can wait.
//!
//! A window that is searched costs a transform and a blind search for each of its subframes, whether anything is sent in it or not. A
//! schedule may name messages that never come: of a broken cell, of one too weak to be read, or of one that wants to cost as much as it
//! can. What was not found in many windows one after the other is therefore looked for in few of them, until it is found.

use crate::observation::lte::Scheduling;

/// Longest periods of SI messages in which they are listened to after each change of SIB1, and then again ...
const LISTEN: i64 = 2;
/// ... every so many times as long.
const LISTEN_EVERY: i64 = 8;
/// Frames in which messages are listened for without SIB1, which would say when they come.
const UNSCHEDULED: i64 = 100;
/// System information blocks that cannot wait: warnings; TS 36.331 clause 6.3.1.
const WARNINGS: [u8; 3] = [10, 11, 12];
/// Windows searched one after the other in vain after which a message is looked for in few of them. Chosen: a weak cell's message is put
/// together from up to sixteen receptions, and gets a second chance.
const PATIENCE: u32 = 32;
/// One window of so many is searched then.
const SELDOM: i64 = 8;
/// Messages that a SIB1 schedules at most; TS 36.331 clause 6.4 (maxSI-Message).
const MAX_MESSAGES: usize = 32;
/// A frame; TS 36.211 clause 4.
const FRAME_MS: i64 = 10;

/// A window of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The message by its place in the schedule; `None` before SIB1 is known.
    pub message: Option<usize>,
    /// Milliseconds of the window that are over.
    pub into_ms: u32,
}

/// What came of listening to one message.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// It came since SIB1 changed last.
    read: bool,
    /// The window that was searched last, by its first millisecond, and whether the message came in it.
    last: Option<(i64, bool)>,
    /// Windows searched in vain before that one since the message came last.
    vain: u32,
}

/// Which windows of one cell are searched. Frames are counted without end, from any one that has the number 0.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The frame in which SIB1 changed last.
    since: i64,
    messages: Vec<Heard>,
}

impl Listening {
    /// For a cell that is followed from frame `since` on.
    pub fn new(since: i64) -> Listening {
        Listening { since, messages: Vec::new() }
    }

    /// SIB1 has changed in frame `frame`: all messages are wanted again. What did not come before is not waited for any more patiently,
    /// or a cell could demand that by changing SIB1.
    pub fn restart(&mut self, frame: i64) {
        self.since = frame;
        self.messages.iter_mut().for_each(|heard| heard.read = false);
    }

    /// Whether subframe `subframe` of frame `frame`, which lies in `window`, is searched; `schedule`: of SIB1.
    pub fn wants(&self, schedule: &[Scheduling], (frame, subframe): (i64, usize), window: Window) -> bool {
        let Some(message) = window.message else { return frame - self.since < UNSCHEDULED };
        let Some(scheduled) = schedule.get(message) else { return false };
        let heard = self.messages.get(message).copied().unwrap_or_default();
        if heard.read && !scheduled.sib_types.iter().any(|kind| WARNINGS.contains(kind)) {
            let longest = schedule.iter().map(|message| i64::from(message.period_frames)).max().unwrap_or(1);
            let into = (frame - self.since).rem_euclid((LISTEN * LISTEN_EVERY * longest).max(1));
            return into < LISTEN * longest;
        }
        let begun = begun((frame, subframe), window);
        // The last one counts once another has begun.
        let vain = heard.vain + heard.last.map_or(0, |(last, came)| u32::from(last != begun && !came));
        let period = FRAME_MS * i64::from(scheduled.period_frames).max(1);
        vain < PATIENCE || (begun.div_euclid(period) + message as i64).rem_euclid(SELDOM) == 0
    }

    /// A subframe was searched; `came`: the message of its window was read.
    pub fn searched(&mut self, at: (i64, usize), window: Window, came: bool) {
        let Some(message) = window.message.filter(|message| *message < MAX_MESSAGES) else { return };
        if self.messages.len() <= message {
            self.messages.resize(message + 1, Heard::default());
        }
        let heard = &mut self.messages[message];
        let begun = begun(at, window);
        match &mut heard.last {
            Some((last, before)) if *last == begun => *before |= came,
            last => {
                let failed = last.is_some_and(|(_, before)| !before);
                heard.vain = heard.vain.saturating_add(u32::from(failed));
                *last = Some((begun, came));
            }
        }
        if came {
            heard.read = true;
            heard.vain = 0;
        }
    }
}

/// The first millisecond of `window`, in which subframe `subframe` of frame `frame` lies.
fn begun((frame, subframe): (i64, usize), window: Window) -> i64 {
    frame * FRAME_MS + subframe as i64 - i64::from(window.into_ms)
}
