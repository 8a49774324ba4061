//! Samples around a finding on their way from a node's evidence ring to the alert's page, through a real broker: asked for by a person,
//! sent by the node that allows it, and nothing in them but what the cell says to everybody.

#![cfg(all(feature = "sensor", feature = "hub"))]
#![allow(clippy::unwrap_used)]

// Each test crate uses a part of it.
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource};
use daen::rat::gsm;
use daen::synth::scene::{Role, Scene};
use daen::synth::write::{Format, Recorder};
use daen::units::Nanos;
use serde_json::Value;
use site::{Site, has_mosquitto, wait_until};
use std::path::Path;

/// The node beside the market, where everything is heard.
const NODE: usize = 1;
const SECONDS: u64 = 7;

/// A recording of the border scene in which blaster and lure are on from the first second on, and the register beside it.
fn record(folder: &Path) {
    let mut scene = Scene::aranyaprathet_poipet(1);
    for transmitter in scene.transmitters.iter_mut().filter(|one| !matches!(one.role, Role::Licensed(_))) {
        transmitter.on = vec![(Nanos::from_secs(1), None)];
    }
    let mut source = scene.source(NODE).unwrap();
    source.length = Some(SECONDS * scene.sample_rate.0 as u64);
    let mut recorder = Recorder::create(&folder.join("x.sigmf-meta"), Format::Ci8, &source.info, "test").unwrap();
    let mut block = IqBlock::default();
    while source.read(1 << 16, &mut block).unwrap() != Event::End {
        recorder.write(&std::mem::take(&mut block.samples)).unwrap();
    }
    recorder.finish().unwrap();
    std::fs::write(folder.join("register.csv"), scene.register_csv()).unwrap();
}

fn get(url: &str) -> Option<Vec<u8>> {
    ureq::get(url).call().ok()?.body_mut().read_to_vec().ok()
}

fn json(url: &str) -> Option<Value> {
    serde_json::from_slice(&get(url)?).ok()
}

fn text(url: &str) -> String {
    get(url).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default()
}

fn post(url: &str, form: &[(&str, &str)]) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    agent.post(url).header("sec-fetch-site", "same-origin").send_form(form.iter().copied()).unwrap().status().as_u16()
}

/// What follows `before` in a page, up to the next quote.
fn after<'a>(page: &'a str, before: &str) -> Option<&'a str> {
    let from = page.find(before)? + before.len();
    page[from..].split('"').next()
}

#[test]
fn a_person_asks_for_samples_and_gets_what_the_cell_says_to_everybody_from_the_node_that_allows_it() {
    if !has_mosquitto() {
        return;
    }
    let recordings = tempfile::tempdir().unwrap();
    record(recordings.path());
    let path = |name: &str| recordings.path().join(name).display().to_string();
    let tables = |send: bool| {
        format!(
            "[source]\nkind = \"recording\"\nfiles = [\"{}\"]\nrealtime = true\n[rules]\nregister = \"{}\"\n\
             [report]\nhealth_s = 1\nroutine_s = 1\n[evidence]\nquota_octets = 300000000\nsend = {send}\n",
            path("x.sigmf-meta"),
            path("register.csv")
        )
    };
    let site = Site::new(&[tables(true), tables(false)]);
    let hub = site.hub();
    let web = daen::config::hub::Config::load(&site.made.hub).unwrap().web.listen;
    let at = |path: &str| format!("http://{web}{path}");
    let nodes = [site.node(1), site.node(2)];
    // An alert that rests on findings of both.
    let mut alert = Value::Null;
    wait_until("an alert on a GSM cell by both nodes", || {
        let all = json(&at("/api/alerts")).unwrap_or_default();
        let ids: Vec<i64> =
            all["alerts"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_i64()).collect();
        let details = ids.iter().filter_map(|id| json(&at(&format!("/api/alerts/{id}"))));
        let rests_on = |alert: &Value, node: &str| {
            let rows = alert["evidence"].as_array().cloned().unwrap_or_default();
            rows.iter().any(|row| !row["origin"].is_null() && row["nodes"].as_array().unwrap().contains(&node.into()))
        };
        let found = details.map(|one| one["alert"].clone()).find(|alert| {
            let both = rests_on(alert, "pole-1") && rests_on(alert, "pole-2");
            both && alert["cell"]["rat"] == "gsm" && alert["identity"]["cell_id"].is_u64()
        });
        alert = found.unwrap_or_default();
        // Both have heard the recording to its end.
        !alert.is_null() && nodes.iter().all(|node| node.log().contains("finding"))
    });
    let id = alert["id"].as_i64().unwrap();
    let page = at(&format!("/alerts/{id}"));
    assert!(text(&page).contains("Ask the nodes for samples"));
    // The last segment is closed when the recording has ended.
    wait_until("the end of the recording", || {
        let nodes = json(&at("/api/nodes")).unwrap_or_default();
        nodes.to_string().contains("the source has ended")
    });
    let (ask, somchai) = (at(&format!("/alerts/{id}/samples")), [("who", " Somchai "), ("note", "the van again")]);
    assert_eq!((post(&ask, &[]), post(&ask, &[("who", " ")])), (422, 400), "nobody asks without a name");
    let asked = || {
        let detail = json(&at(&format!("/api/alerts/{id}"))).unwrap();
        assert!(detail["alert"]["handled_by"].is_null() && detail["alert"]["state"] == "open", "{detail}");
        let trail = detail["audit"].as_array().unwrap().clone();
        trail.into_iter().filter(|event| event["kind"] == "asked").collect::<Vec<Value>>()
    };
    assert_eq!(asked(), Vec::<Value>::new());
    assert_eq!(post(&ask, &somchai), 303);
    let told = asked();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["who"], &told[0]["detail"]), (&"Somchai".into(), &"samples of 2 nodes: the van again".into()));
    wait_until("the samples", || text(&page).contains("checked against the node's signature"));
    let shown = text(&page);
    let address = after(&shown, "/api/samples/").unwrap().trim_end_matches(".sigmf-meta").to_owned();
    let meta = get(&at(&format!("/api/samples/{address}.sigmf-meta"))).unwrap();
    let data = get(&at(&format!("/api/samples/{address}.sigmf-data"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.sigmf-meta"), &meta).unwrap();
    std::fs::write(folder.path().join("s.sigmf-data"), &data).unwrap();

    // It is a recording as any other, and says who the cell is and nothing else.
    let described = sigmf::describe(&folder.path().join("s.sigmf-meta"), sigmf::Overrides::default()).unwrap();
    let mut recording = described.open().unwrap();
    let (mut block, mut receiver, mut reports, mut zeros, mut count) =
        (IqBlock::default(), None, Vec::new(), 0usize, 0usize);
    loop {
        match recording.read(1 << 16, &mut block).unwrap() {
            Event::Stream(info) => {
                let options = gsm::Options { count_ccch: true, ..gsm::Options::default() };
                receiver = Some(gsm::Receiver::new(&info, options));
            }
            Event::Samples => {
                zeros += block.samples.iter().filter(|sample| sample.norm_sqr() == 0.0).count();
                count += block.samples.len();
                receiver.as_mut().unwrap().process(&block.samples, &mut reports);
            }
            Event::End => break,
        }
    }
    reports.clear();
    receiver.unwrap().finish(&mut reports);
    println!("{} octets of samples, {zeros} of {count} zero, cells {:?}", data.len(), reports.len());
    assert_eq!(reports.len(), 1, "one cell alone");
    let report = &reports[0];
    assert_eq!(Value::from(report.key.center_hz), alert["cell"]["center_hz"]);
    assert_eq!(Value::from(report.key.id), alert["cell"]["id"]);
    assert_eq!(report.identity.as_ref().and_then(|identity| identity.cell_id), alert["identity"]["cell_id"].as_u64());
    assert!(report.counts.iter().all(|(name, count)| !name.starts_with("ccch") || *count == 0), "{:?}", report.counts);
    assert!(zeros as f64 > 0.95 * count as f64, "{zeros} of {count}");

    // Nobody gets samples of a node that does not allow it: what it is asked for it refuses, and says so in its health.
    assert!(nodes[0].log().contains("cutting out the samples"));
    wait_until("the refusal", || nodes[1].log().contains("refused to send samples"));
    assert!(!nodes[1].log().contains("cutting out the samples"));
    assert_eq!(post(&at("/alerts/999/samples"), &somchai), 404);
    for node in nodes {
        assert_eq!(node.stop(), 0);
    }
    assert_eq!(hub.stop(), 0);
}

#[test]
fn pieces_that_nobody_asked_for_are_counted_and_kept_nowhere() {
    if !has_mosquitto() {
        return;
    }
    use daen::config::keys;
    use daen::config::link::{LinkEvent, LinkFile, Session, topic};
    use daen::observation::envelope::iq::{Part, Piece, seal_piece};
    use daen::observation::{Octets, SCHEMA};
    let site = Site::new(&[site::load(1)]);
    let hub = site.hub();
    let folder = site.node_folder(1);
    let file = LinkFile {
        url: format!("mqtts://localhost:{}", site.port),
        ca: Some("ca.pem".into()),
        certificate: Some("tls.pem".into()),
        key: Some("tls.key".into()),
        keep_alive_s: None,
    };
    let link = file.check(&folder).unwrap();
    let key = keys::signing_key(&folder.join("sign.key")).unwrap();
    let piece = Piece {
        schema: SCHEMA,
        node: "pole-1".parse().unwrap(),
        event: Octets(vec![7; 16]),
        part: Part::Chunk { index: 0, octets: Octets(vec![1; 100]) },
    };
    let sealed = seal_piece(&piece, &key).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let expiry = std::time::Duration::ZERO;
        let session = Session { client_id: "pole-1".to_owned(), last_will: None, expiry, window: 10 };
        let mut connection = loop {
            let mut connection = link.connect(&session);
            if matches!(connection.next().await, LinkEvent::Up(_)) {
                break connection;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        let mut send = async |topic: String, octets: Vec<u8>| {
            connection.client.try_publish(topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce, false, octets).unwrap();
            while !matches!(connection.next().await, LinkEvent::Delivered) {}
        };
        let node = "pole-1".parse().unwrap();
        // What is sent before the hub has subscribed reaches nobody.
        while site.refused("iq-not-asked") == 0 {
            send(topic::iq(&node, &piece.event.to_string()), sealed.clone()).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        // Under another event's name, and altered.
        send(topic::iq(&node, "00"), sealed.clone()).await;
        let mut altered = sealed.clone();
        *altered.last_mut().unwrap() ^= 1;
        send(topic::iq(&node, &piece.event.to_string()), altered).await;
    });
    wait_until("the refusals", || {
        site.refused("iq-not-asked") >= 1 && site.refused("topic-differs") == 1 && site.refused("bad-signature") == 1
    });
    assert_eq!(site::count(&site.hub_file(), "SELECT count(*) FROM snippet_chunks"), Some(0));
    assert_eq!(hub.stop(), 0);
}
