//! What the hub asks of a node, through a real broker: obeyed are its own hub's tasks alone, each once, in time, and not too many.

#![cfg(all(feature = "sensor", feature = "hub"))]
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use daen::cell::{CellKey, Rat};
use daen::config::link::{Connection, Link, LinkEvent, LinkFile, Session, topic};
use daen::observation::envelope::{Task, seal_task};
use daen::observation::{NodeId, Octets, SCHEMA};
use daen::sensor::publish::{self, Status};
use daen::sensor::spool::{self, Spool};
use daen::sensor::task::Dwells;
use daen::units::{Nanos, Timestamp};
use ed25519_dalek::SigningKey;
use rumqttc::v5::mqttbytes::QoS;
use site::{Site, has_mosquitto, load};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The node's clock stands still: what is stale is then no matter of how fast this machine is.
const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);

const CARRIER: u64 = 947_400_000;

fn link(port: u16) -> Link {
    let url = format!("mqtt://127.0.0.1:{port}");
    LinkFile { url, ca: None, certificate: None, key: None, keep_alive_s: None }.check(Path::new(".")).unwrap()
}

fn task(number: u8) -> Task {
    Task {
        schema: SCHEMA,
        task: Octets(vec![number; 16]),
        node: "pole-1".parse().unwrap(),
        rat: Rat::Gsm,
        center_hz: CARRIER,
        from_ns: NOW + Nanos::from_secs(2),
        until_ns: NOW + Nanos::from_secs(22),
        issued_ns: NOW,
        expires_ns: NOW + Nanos::from_secs(22),
    }
}

/// Waits for a state of the publisher, at most a minute.
async fn until(status: &mut watch::Receiver<Status>, what: &str, done: impl FnMut(&Status) -> bool) -> Status {
    let waiting = async { status.wait_for(done).await.map(|state| state.clone()) };
    let ended = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    match ended {
        Ok(state) => state.unwrap(),
        Err(_) => panic!("waited for: {what}; have {:?}", *status.borrow()),
    }
}

async fn up(link: &Link) -> Connection {
    let session = Session { client_id: "somebody".into(), last_will: None, expiry: Duration::ZERO, window: 100 };
    let mut connection = link.connect(&session);
    while !matches!(connection.next().await, LinkEvent::Up(_)) {}
    connection
}

#[test]
fn forged_stale_replayed_foreign_and_flooding_tasks_are_refused_and_counted() {
    if !has_mosquitto() {
        return;
    }
    let site = Site::with_outside_broker(&[load(0)]);
    let _broker = site.outside_broker();
    let (node, hub): (NodeId, NodeId) = ("pole-1".parse().unwrap(), "hub".parse().unwrap());
    let (key, stranger) = (SigningKey::from_bytes(&[5; 32]), SigningKey::from_bytes(&[6; 32]));
    let options = spool::Options {
        node: node.clone(),
        key: SigningKey::from_bytes(&[1; 32]),
        limit_octets: 1 << 20,
        boot: Octets(vec![1; 16]),
    };
    let spool = Arc::new(Spool::open(&site.folder.path().join("spool"), options).unwrap());
    let dwells = Arc::new(Dwells::default());
    let options = publish::Options {
        node: node.clone(),
        hub: hub.clone(),
        hub_key: key.verifying_key(),
        link: link(site.port),
        window: 100,
        resend: Duration::from_secs(60),
        dwells: dwells.clone(),
        evidence: None,
    };
    let cell = CellKey { rat: Rat::Gsm, center_hz: CARRIER, id: 33 };
    let during = NOW + Nanos::from_secs(10);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (_appended, news) = watch::channel(0);
        let (told, mut status) = watch::channel(Status::default());
        let (stop, stopped) = watch::channel(false);
        let publishing = tokio::spawn(publish::run(spool, options, news, told, stopped, || NOW));
        until(&mut status, "the node to connect", |status| status.connected).await;
        // It has subscribed when its own topic answers: a task that is not for it is counted.
        let mut sender = up(&link(site.port)).await;
        let mut send = async |octets: Vec<u8>| {
            sender.client.try_publish(topic::down(&node), QoS::AtLeastOnce, false, octets).unwrap();
            while !matches!(sender.next().await, LinkEvent::Delivered) {}
        };
        let foreign = seal_task(&Task { node: "pole-2".parse().unwrap(), ..task(0) }, &hub, &key).unwrap();
        while !status.borrow().refused_by_reason.contains_key("for another node") {
            send(foreign.clone()).await;
        }
        let ours = seal_task(&task(1), &hub, &key).unwrap();
        let long_ago = Task {
            from_ns: NOW - Nanos::from_secs(60),
            until_ns: NOW - Nanos::from_secs(40),
            issued_ns: NOW - Nanos::from_secs(62),
            expires_ns: NOW - Nanos::from_secs(40),
            ..task(2)
        };
        send(seal_task(&task(1), &hub, &stranger).unwrap()).await;
        send(seal_task(&task(1), &"hub-2".parse().unwrap(), &key).unwrap()).await;
        send(seal_task(&long_ago, &hub, &key).unwrap()).await;
        let mut cut = ours.clone();
        cut.truncate(ours.len() - 5);
        send(cut).await;
        let refused = ["forged", "not of this node's hub", "stale", "malformed"];
        until(&mut status, "four refusals", |s| refused.iter().all(|r| s.refused_by_reason.get(*r) == Some(&1))).await;
        assert_eq!(status.borrow().tasks_taken, 0);
        assert!(!dwells.wants(cell, during, None), "none of them was obeyed");

        // The hub's own task is obeyed, and only the first time.
        send(ours.clone()).await;
        until(&mut status, "the task", |status| status.tasks_taken == 1).await;
        assert!(dwells.wants(cell, during, None) && !dwells.wants(cell, NOW, None));
        send(ours).await;
        until(&mut status, "the repetition", |status| status.refused_by_reason.contains_key("repeated")).await;

        // Whoever has the hub's key cannot make the node work for him without end.
        for number in 10..110 {
            send(seal_task(&task(number), &hub, &key).unwrap()).await;
        }
        let end = until(&mut status, "the flood", |s| {
            s.tasks_taken + s.refused_by_reason.get("too many").copied().unwrap_or(0) == 101
        })
        .await;
        assert_eq!(end.tasks_taken, 12, "{end:?}");
        assert_eq!(dwells.at(during).len(), 1);
        stop.send(true).unwrap();
        publishing.await.unwrap().unwrap();
    });
}
