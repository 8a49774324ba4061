//! What the hub may ask of a node: to dwell on a carrier for a while.
//!
//! A [`Task`] `{center_hz, expires_ns, from_ns, issued_ns, node, rat, schema, task, until_ns}` travels on the node's `down` topic like an
//! acknowledgement, signed by the hub. It names its node, has an identifier of its own and expires, so that neither another node nor a
//! later time can be made to obey it.

use super::iq::{Ask, check_ask};
use super::{Ack, EnvelopeError, NodeId, Octets, check_ack, check_length, check_schema, sign, verify};
use crate::cell::{CellKey, Rat};
use crate::units::{Nanos, Timestamp};
use ciborium::Value;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// Length of a task's identifier, octets.
pub const TASK_OCTETS: usize = 16;

/// The longest time between a task's making and its expiry, and the longest dwell. Chosen: a node that was out of reach for longer
/// finds another world, and a dwell costs its link a report a second.
pub const LONGEST: Nanos = Nanos::from_secs(120);

/// A request to report the cells on a carrier every second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Version of the wire types, [`SCHEMA`](crate::observation::SCHEMA).
    pub schema: u16,
    /// Its identifier, used once; 16 octets.
    pub task: Octets,
    /// Who is asked.
    pub node: NodeId,
    /// The standard on the carrier.
    pub rat: Rat,
    /// The nominal carrier.
    pub center_hz: u64,
    /// From when.
    pub from_ns: Timestamp,
    /// Until when; at most [`LONGEST`] after `from_ns`.
    pub until_ns: Timestamp,
    /// When the hub made it, on the hub's clock.
    pub issued_ns: Timestamp,
    /// From when on it must not be obeyed any more; at most [`LONGEST`] after `issued_ns`.
    pub expires_ns: Timestamp,
}

impl Task {
    /// Whether it asks for this cell at this time.
    pub fn covers(&self, cell: CellKey, at: Timestamp) -> bool {
        (cell.rat, cell.center_hz) == (self.rat, self.center_hz) && at >= self.from_ns && at < self.until_ns
    }
}

/// What comes from the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// What it has stored.
    Ack(Ack),
    /// What it asks.
    Task(Task),
    /// Which samples it asks for.
    Ask(Ask),
}

/// Signs a task in the name of the hub.
///
/// # Errors
/// [`EnvelopeError::Field`] where a field is not as the contract has it.
pub fn seal_task(task: &Task, hub: &NodeId, key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    check_task(task)?;
    sign(hub, task, key)
}

/// Reads what `hub` sent to a node. Whether a task is for this node, still good and not a repetition is for the caller to say.
///
/// # Errors
/// As [`open`](super::open); a signer other than `hub` is unknown.
pub fn open_down(octets: &[u8], hub: &NodeId, key: &VerifyingKey) -> Result<Down, EnvelopeError> {
    let (signer, value): (NodeId, Value) = verify(octets, |signer| (signer == hub).then_some(*key))?;
    let field = |name: &str| {
        let entries = value.as_map().into_iter().flatten();
        entries.filter(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value).next()
    };
    let malformed = |problem: String| EnvelopeError::Payload { signer: signer.clone(), problem };
    // Another schema is said to be one, whatever else does not fit.
    let schema = field("schema").and_then(Value::as_integer).and_then(|schema| u64::try_from(schema).ok());
    check_schema(schema.ok_or_else(|| malformed("there is no schema".to_owned()))?)?;
    if field("task").is_some() {
        let task: Task = value.deserialized().map_err(|error| malformed(error.to_string()))?;
        check_task(&task)?;
        return Ok(Down::Task(task));
    }
    if field("ask").is_some() {
        let ask: Ask = value.deserialized().map_err(|error| malformed(error.to_string()))?;
        check_ask(&ask)?;
        return Ok(Down::Ask(ask));
    }
    let ack: Ack = value.deserialized().map_err(|error| malformed(error.to_string()))?;
    check_ack(&ack)?;
    Ok(Down::Ack(ack))
}

fn check_task(task: &Task) -> Result<(), EnvelopeError> {
    check_length("task", &task.task, TASK_OCTETS)?;
    let spans = [("until_ns", task.until_ns - task.from_ns), ("expires_ns", task.expires_ns - task.issued_ns)];
    for (field, span) in spans {
        if span.0 <= 0 || span > LONGEST {
            let problem = format!("is {} ns after its beginning instead of 1 to {}", span.0, LONGEST.0);
            return Err(EnvelopeError::Field { field, problem });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::SCHEMA;
    use crate::observation::envelope::seal_ack;

    fn task() -> Task {
        let at = |second: i64| Timestamp(1_795_000_000_000_000_000) + Nanos::from_secs(second);
        Task {
            schema: SCHEMA,
            task: Octets((0..16).collect()),
            node: "pole-1".parse().unwrap(),
            rat: Rat::Gsm,
            center_hz: 947_400_000,
            from_ns: at(2),
            until_ns: at(22),
            issued_ns: at(0),
            expires_ns: at(60),
        }
    }

    #[test]
    fn a_task_of_the_hub_opens_and_one_of_anybody_else_does_not() {
        let (hub, other): (NodeId, NodeId) = ("hub".parse().unwrap(), "hub-2".parse().unwrap());
        let (key, stranger) = (SigningKey::from_bytes(&[3; 32]), SigningKey::from_bytes(&[4; 32]));
        let sealed = seal_task(&task(), &hub, &key).unwrap();
        assert_eq!(open_down(&sealed, &hub, &key.verifying_key()), Ok(Down::Task(task())));
        let forged = seal_task(&task(), &hub, &stranger).unwrap();
        let error = open_down(&forged, &hub, &key.verifying_key()).unwrap_err();
        assert!(matches!(error, EnvelopeError::BadSignature { .. }), "{error}");
        let foreign = seal_task(&task(), &other, &key).unwrap();
        let error = open_down(&foreign, &hub, &key.verifying_key()).unwrap_err();
        assert!(matches!(error, EnvelopeError::UnknownSigner { .. }), "{error}");
        let ack =
            Ack { schema: SCHEMA, node: "pole-1".parse().unwrap(), boot: Octets(vec![1; 16]), upto: 7, beyond: vec![] };
        let sealed = seal_ack(&ack, &hub, &key).unwrap();
        assert_eq!(open_down(&sealed, &hub, &key.verifying_key()), Ok(Down::Ack(ack)));
    }

    #[test]
    fn a_task_without_end_or_without_a_name_is_neither_made_nor_read() {
        let hub: NodeId = "hub".parse().unwrap();
        let key = SigningKey::from_bytes(&[3; 32]);
        let bad = [
            Task { until_ns: Timestamp(i64::MAX), ..task() },
            Task { until_ns: task().from_ns, ..task() },
            Task { expires_ns: task().issued_ns + LONGEST + Nanos(1), ..task() },
            Task { task: Octets(vec![0; 15]), ..task() },
            Task { schema: SCHEMA + 1, ..task() },
        ];
        for (number, task) in bad.iter().enumerate() {
            let sealed = sign(&hub, task, &key).unwrap();
            assert!(open_down(&sealed, &hub, &key.verifying_key()).is_err(), "{number}");
            assert!(number == 4 || seal_task(task, &hub, &key).is_err(), "{number}");
        }
        // The order in which a decoder meets the fields does not matter, and arbitrary octets are no task.
        for octets in [&b""[..], b"\\xd2\\x84", &[0; 300]] {
            assert!(open_down(octets, &hub, &key.verifying_key()).is_err());
        }
    }
}
