//! The test source: numbered observations, and no samples.

use super::{Shared, Thread, thread};
use crate::cell::{CellKey, Rat};
use crate::observation::{
    BroadcastBlock, CarrierError, Clock, ClockSource, Item, Level, Observation, Octets, ReceiverState,
};
use crate::sensor::health::SourceState;
use crate::sensor::pipeline::PipelineError;
use crate::sensor::spool::Class;
use crate::units::{Db, Dbfs, Hz, Ppb, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

/// The test source: numbered observations as fast as the spool takes them.
pub(super) fn loading(
    count: u64,
    items: SyncSender<(Class, Item)>,
    shared: Arc<Shared>,
) -> Result<Thread, PipelineError> {
    thread("load", move || {
        for number in 1..=count {
            if shared.stop.load(Ordering::Relaxed) || items.send((Class::Observation, load_item(number))).is_err() {
                break;
            }
        }
        shared.set_source(0, SourceState::Ended);
    })
}

/// The observation with this number, which stands in its time; as long as one of a GSM cell with its usual messages.
fn load_item(number: u64) -> Item {
    let at_ns = Timestamp(number.cast_signed());
    let block = |name: &str| BroadcastBlock { name: name.to_owned(), octets: Octets(vec![0x2b; 23]), count: 9 };
    Item::Observation(Box::new(Observation {
        at_ns,
        first_ns: at_ns,
        clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
        position: None,
        cell: CellKey { rat: Rat::Gsm, center_hz: 935_000_000 + 200_000 * (number % 125), id: (number % 64) as u16 },
        identity: None,
        level: Level { dbfs: Dbfs(-60.0), dbm: None, sigma_db: Db(1.0) },
        snr_db: Db(12.0),
        carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(0.0), sigma_ppb: Ppb(1.0) },
        timing: None,
        bearing: None,
        broadcast: ["SI1", "SI2", "SI2ter", "SI3", "SI4", "SI13"].map(block).to_vec(),
        fields: None,
        content_sha256: Some(Octets(vec![0; 32])),
        receiver: ReceiverState { stream: "load".to_owned(), ..ReceiverState::default() },
    }))
}
