//! From a node to the hub's store, through a real broker: what arrives, what is refused, and what survives which trouble.

#![cfg(all(feature = "sensor", feature = "hub"))]
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

// Each test crate uses a part of it.
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use daen::config::keys;
use daen::config::link::{Connection, LinkEvent, LinkFile, Session, topic};
use daen::observation::envelope::{self, Envelope};
use daen::observation::{Health, Item, NodeId, Octets, SCHEMA};
use daen::units::Timestamp;
use ed25519_dalek::SigningKey;
use rumqttc::v5::mqttbytes::QoS;
use site::{Site, count, edit, has_mosquitto, load, wait_until};
use std::path::PathBuf;
use std::time::Duration;

fn pole(number: usize) -> NodeId {
    format!("pole-{number}").parse().unwrap()
}

/// Somebody with the certificate of a node who does not behave like one.
struct Intruder {
    connection: Connection,
    key: SigningKey,
}

impl Intruder {
    async fn with_papers_of(site: &Site, number: usize) -> Intruder {
        let folder = site.node_folder(number);
        let path = |name: &str| Some(PathBuf::from(name));
        let url = format!("mqtts://localhost:{}", site.port);
        let (certificate, key) = (path("tls.pem"), path("tls.key"));
        let file = LinkFile { url, ca: path("ca.pem"), certificate, key, keep_alive_s: None };
        let link = file.check(&folder).unwrap();
        let session =
            Session { client_id: "intruder".to_owned(), last_will: None, expiry: Duration::ZERO, window: 100 };
        let mut connection = link.connect(&session);
        assert!(matches!(connection.next().await, LinkEvent::Up(_)));
        Intruder { connection, key: keys::signing_key(&folder.join("sign.key")).unwrap() }
    }

    fn envelope(&self, node: usize, seq: u64, text: &str) -> Vec<u8> {
        let items = vec![Item::Health(Box::new(Health { warnings: vec![text.to_owned()], ..Health::default() }))];
        let prev = if seq == 1 { envelope::chain_start() } else { Octets(vec![9; 32]) };
        let envelope = Envelope {
            schema: SCHEMA,
            node: pole(node),
            boot: Octets(vec![0xee; 16]),
            seq,
            prev,
            sent_ns: Timestamp(1),
            items,
        };
        envelope::seal(&envelope, &self.key).unwrap()
    }

    fn publish(&self, topic: String, octets: Vec<u8>) {
        self.connection.client.try_publish(topic, QoS::AtLeastOnce, false, octets).unwrap();
    }

    /// What the broker says to the next publication.
    async fn answer(&mut self) -> Result<(), String> {
        loop {
            match self.connection.next().await {
                LinkEvent::Delivered => break,
                LinkEvent::Down(problem) => return Err(problem),
                _ => {}
            }
        }
        // A refusal follows its confirmation at once.
        match tokio::time::timeout(Duration::from_millis(200), self.connection.next()).await {
            Ok(LinkEvent::Refused(problem)) => Err(problem),
            _ => Ok(()),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn a_node_is_seen_from_its_first_word_to_its_last() {
    if !has_mosquitto() {
        return;
    }
    let site = Site::new(&[load(300)]);
    let hub = site.hub();
    let node = site.node(1);
    wait_until("all observations", || site.stored() == 300 && site.spooled(1) == 0);
    wait_until("its state and health", || {
        site.status(1).is_some_and(|status| status.online == Some(true) && status.health.is_some())
    });
    let health = site.status(1).unwrap().health.unwrap();
    assert!(health.memory_octets > 0 && health.disk_free_octets > 0, "{health:?}");
    assert_eq!(node.stop(), 0);
    wait_until("its farewell", || site.status(1).unwrap().online == Some(false));
    // One that cannot say farewell has a last will.
    let node = site.node(1);
    wait_until("its return", || site.status(1).unwrap().online == Some(true));
    node.kill();
    wait_until("its last will", || site.status(1).unwrap().online == Some(false));
    assert_eq!(hub.stop(), 0);
    let numbers = site.numbers();
    assert!(numbers.len() >= 300 && (1..=300).all(|number| numbers.contains(&number)));
}

#[test]
fn a_broker_that_is_not_there_yet_is_waited_for() {
    if !has_mosquitto() {
        return;
    }
    let site = Site::new(&[load(100), load(50)]);
    let nodes = [site.node(1), site.node(2)];
    wait_until("the spools to fill", || site.spooled(1) > 100 && site.spooled(2) > 50);
    let hub = site.hub();
    wait_until("everything", || site.stored() == 150 && site.spooled(1) == 0 && site.spooled(2) == 0);
    for node in nodes {
        assert!(node.log().contains("no connection to the broker"));
        assert_eq!(node.stop(), 0);
    }
    assert_eq!(hub.stop(), 0);
}

#[test]
fn a_node_that_signs_with_another_key_is_refused_and_keeps_what_it_has() {
    if !has_mosquitto() {
        return;
    }
    let site = Site::new(&[load(20)]);
    let (private, _) = keys::generate();
    std::fs::write(site.node_folder(1).join("sign.key"), private).unwrap();
    let hub = site.hub();
    let node = site.node(1);
    wait_until("the refusals", || site.refused("bad-signature") >= 20);
    assert_eq!((node.stop(), hub.stop()), (0, 0));
    assert_eq!(site.stored(), 0);
    assert!(site.spooled(1) >= 21, "nothing is freed without the hub's word");
    let kept = count(&site.hub_file(), "SELECT count(*) FROM quarantine WHERE node = 'pole-1'").unwrap();
    assert!(kept >= 20);
}

#[test]
fn a_node_that_was_struck_off_and_one_of_another_authority_are_locked_out() {
    if !has_mosquitto() {
        return;
    }
    let site = Site::new(&[load(20), load(20), load(20)]);
    // Struck off the hub's list: its certificate is still good.
    edit(&site.made.hub, |text| text.replace("[[nodes]]\nname = \"pole-2\"\npublic_key = \"nodes/pole-2.pub\"\n", ""));
    // Papers with the right name from another authority.
    let elsewhere = Site::new(&[load(1), load(1), load(1)]);
    for name in ["tls.pem", "tls.key"] {
        std::fs::copy(elsewhere.node_folder(3).join(name), site.node_folder(3).join(name)).unwrap();
    }
    let hub = site.hub();
    let nodes = [site.node(1), site.node(2), site.node(3)];
    wait_until("the good node", || site.stored() == 20 && site.spooled(1) == 0);
    wait_until("the broker to refuse the struck-off one", || nodes[1].log().contains("the broker refuses"));
    wait_until("the stranger to be turned away", || nodes[2].log().contains("no connection to the broker"));
    assert!(!nodes[2].log().contains("connected to the broker"));
    drop(nodes);
    assert_eq!(hub.stop(), 0);
    assert_eq!(site.stored(), 20);
    assert!(site.status(2).is_none() && site.status(3).is_none());
    assert_eq!((site.spooled(2), site.spooled(3)), (21, 21));
}

#[test]
fn a_node_can_write_and_read_nothing_of_another() {
    if !has_mosquitto() {
        return;
    }
    let site = Site::new(&[load(0), load(5)]);
    let hub = site.hub();
    wait_until("the broker", || std::net::TcpStream::connect(("127.0.0.1", site.port)).is_ok());
    runtime().block_on(async {
        let mut intruder = Intruder::with_papers_of(&site, 1).await;
        for stranger in
            [topic::up(&pole(2)), topic::state(&pole(2)), topic::down(&pole(1)), "daen/1/feed/x/alerts".to_owned()]
        {
            intruder.publish(stranger.clone(), intruder.envelope(1, 1, "not mine"));
            let refused = intruder.answer().await.unwrap_err();
            assert!(refused.contains("NotAuthorized"), "{stranger}: {refused}");
        }
        // It listens to everything, and hears nothing but its own.
        intruder.connection.client.try_subscribe("daen/1/+/up", QoS::AtLeastOnce).unwrap();
        intruder.connection.client.try_subscribe("#", QoS::AtLeastOnce).unwrap();
        let node = site.node(2);
        tokio::task::block_in_place(|| wait_until("the other node's items", || site.stored() == 5));
        while let Ok(event) = tokio::time::timeout(Duration::from_millis(300), intruder.connection.next()).await {
            assert!(!matches!(event, LinkEvent::Message(_) | LinkEvent::Down(_)), "{event:?}");
        }
        assert_eq!(node.stop(), 0);
    });
    assert_eq!(hub.stop(), 0);
    assert_eq!(site.status(2).unwrap().refused, 0, "nothing of the intruder's came through");
    assert!(site.status(1).is_none());
}

#[test]
fn replayed_forged_and_broken_messages_are_counted_and_stop_nobody() {
    if !has_mosquitto() {
        return;
    }
    let site = Site::new(&[load(0), load(5)]);
    let hub = site.hub();
    wait_until("the broker", || std::net::TcpStream::connect(("127.0.0.1", site.port)).is_ok());
    let health = "SELECT count(*) FROM items WHERE kind = 'health'";
    let health_items = || count(&site.hub_file(), health).unwrap_or(0);
    runtime().block_on(async {
        let mut intruder = Intruder::with_papers_of(&site, 1).await;
        let good = intruder.envelope(1, 1, "good");
        let topic = topic::up(&pole(1));
        for octets in [
            good.clone(),
            good.clone(),
            good,
            intruder.envelope(1, 1, "another content under the same number"),
            intruder.envelope(1, 2, "names another predecessor"),
            intruder.envelope(2, 1, "in the name of another node, with this one's key"),
            b"no envelope at all".to_vec(),
            vec![],
        ] {
            intruder.publish(topic.clone(), octets);
            intruder.answer().await.unwrap();
        }
        intruder.publish(topic::state(&pole(1)), b"{\"online\":\"maybe\"}".to_vec());
        intruder.answer().await.unwrap();
        // An envelope that is good in itself, on the topic of another node, as a compromised broker could deliver it.
        let other = keys::signing_key(&site.node_folder(2).join("sign.key")).unwrap();
        let misplaced = Intruder { key: other, ..Intruder::with_papers_of(&site, 1).await };
        misplaced.publish(topic.clone(), misplaced.envelope(2, 1, "misplaced"));
        tokio::task::block_in_place(|| wait_until("the last refusal", || site.refused("topic-differs") == 1));
    });
    let node = site.node(2);
    wait_until("the other node's items", || site.stored() == 5 && site.spooled(2) == 0);
    assert_eq!((node.stop(), hub.stop()), (0, 0));
    let refused =
        ["conflict", "chain-broken", "bad-signature", "not-signed", "state"].map(|reason| site.refused(reason));
    assert_eq!(refused, [1, 1, 1, 2, 1]);
    let of_the_intruder = count(
        &site.hub_file(),
        "SELECT count(*) FROM items JOIN envelopes ON envelopes.id = envelope JOIN boots ON boots.id = envelopes.boot WHERE node = 'pole-1'",
    );
    assert_eq!(of_the_intruder, Some(2), "once however often it came, and the one that does not fit its neighbour");
    assert!(health_items() >= 3);
}

#[test]
fn what_a_full_spool_evicts_is_missing_visibly_and_nothing_else_is() {
    if !has_mosquitto() {
        return;
    }
    let loaded = 9000;
    let site = Site::new(&[format!("{}limit_octets = 4194304\n", load(loaded))]);
    let node = site.node(1);
    let evicted =
        |folder: PathBuf| count(&folder.join("state/spool.sqlite"), "SELECT envelopes FROM evicted").unwrap_or(0);
    wait_until("the spool to take everything", || site.spooled(1) > loaded);
    let lost = evicted(site.node_folder(1));
    assert!(lost > 0);
    let hub = site.hub();
    wait_until("what is left", || site.spooled(1) == 0 && site.stored() > 0);
    assert_eq!((node.stop(), hub.stop()), (0, 0));
    let status = site.status(1).unwrap();
    assert_eq!((status.evicted, status.unlinked, status.refused), (lost, 0, 0));
    // The oldest went first, and each of them by name.
    let numbers = site.numbers();
    assert_eq!(numbers.len() as u64 + lost, loaded);
    let mut sorted = numbers;
    sorted.sort_unstable();
    assert_eq!(sorted, (lost as i64 + 1..=loaded as i64).collect::<Vec<_>>());
    let holes =
        count(&site.hub_file(), "SELECT max(seq) - count(*) FROM envelopes GROUP BY boot ORDER BY boot LIMIT 1");
    assert_eq!(holes, Some(0));
}

#[test]
fn a_recording_goes_in_and_its_cell_comes_out_of_the_hubs_store() {
    let captures = std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    let recording = captures.join("gsm/vodafone-arfcn725-1M.sigmf-meta");
    if !recording.is_file() {
        println!("skipped: the captures are not here (DAEN_CAPTURES)");
        return;
    }
    if !has_mosquitto() {
        return;
    }
    let source = format!("[source]\nkind = \"recording\"\nfiles = [\"{}\"]\n", recording.display());
    let site = Site::new(&[source]);
    let hub = site.hub();
    let node = site.daen("sensor", &site.made.nodes[0], &["--until-sent"]);
    assert_eq!(node.wait(), 0);
    assert_eq!(hub.stop(), 0);
    let store = daen::hub::store::Store::open(site.hub_file()).unwrap();
    let items = store.items_after(0, 10_000).unwrap();
    let identities: Vec<_> = items
        .iter()
        .filter_map(|stored| match &stored.item {
            Item::Observation(observation) => {
                Some((observation.cell.center_hz, observation.cell.id, observation.identity.clone()?))
            }
            _ => None,
        })
        .collect();
    let (center_hz, bsic, identity) = identities.first().expect("the cell says who it is");
    assert_eq!((*center_hz, *bsic), (1_847_800_000, 48));
    assert_eq!(
        (identity.plmns[0].to_string().as_str(), identity.area, identity.cell_id),
        ("262-02", Some(318), Some(11225))
    );
}
