//! The pages: as a browser shows them, and as anybody gets them who asks.
//!
//! `DAEN_SHOTS=FOLDER` leaves screenshots of every page there.

// Helpers of a test fail the test where they stand.
#![allow(clippy::unwrap_used)]

#[path = "support/items.rs"]
mod items;
#[path = "support/webdriver.rs"]
mod webdriver;

use daen::hub::alert::Book;
use daen::hub::analysis::{self, AnalysisConfig, FeedMessage};
use daen::hub::store::Store;
use daen::hub::web::{self, WebConfig};
use daen::observation::{Evidence, Item, Tier};
use daen::units::{Nanos, Timestamp};
use items::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use webdriver::Browser;

/// A hub without its receiving half: analysis and pages over a store that the test writes.
struct Hub {
    runtime: Option<tokio::runtime::Runtime>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    feed: mpsc::Receiver<FeedMessage>,
}

impl Hub {
    fn start(store: &Store, port: u16) -> Hub {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", port))).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let book = Book::open(store).unwrap();
        let until = |mut stopped: watch::Receiver<bool>| async move {
            stopped.wait_for(|stop| *stop).await.unwrap();
        };
        let (feed_to, feed) = mpsc::channel(1000);
        let thinking = analysis::run(
            store.clone(),
            book.clone(),
            AnalysisConfig::default(),
            Some(feed_to),
            until(stopped.clone()),
        );
        let serving = web::serve(listener, store.clone(), book, WebConfig::default(), until(stopped));
        let tasks = vec![
            runtime.spawn(async move { thinking.await.unwrap() }),
            runtime.spawn(async move { serving.await.unwrap() }),
        ];
        Hub { runtime: Some(runtime), address, stop, tasks, feed }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Stops as on a signal, and waits for the end: live feeds must not hold it up.
    fn stop(mut self) {
        self.stop.send(true).unwrap();
        let runtime = self.runtime.take().unwrap();
        for task in self.tasks {
            runtime.block_on(task).unwrap();
        }
    }

    /// Waits until the analysis has published so many events.
    fn published(&mut self, count: usize) -> Vec<FeedMessage> {
        let runtime = self.runtime.as_ref().unwrap();
        runtime.block_on(async {
            let mut messages = Vec::new();
            for _ in 0..count {
                messages.push(tokio::time::timeout(Duration::from_secs(20), self.feed.recv()).await.unwrap().unwrap());
            }
            messages
        })
    }

    /// Status, headers as text, and body.
    fn get(&self, path: &str) -> (u16, String, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(self.url(path)).call().unwrap();
        let headers =
            answer.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
        (answer.status().as_u16(), headers, answer.body_mut().read_to_string().unwrap())
    }

    fn post(&self, path: &str, site: &str, form: &[(&str, &str)]) -> u16 {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        let request = agent.post(self.url(path)).header("sec-fetch-site", site);
        request.send_form(form.iter().copied()).unwrap().status().as_u16()
    }
}

/// A store, and nodes that write into it as of now.
fn journal(folder: &tempfile::TempDir) -> Journal {
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    // The story of a test is over when the test begins.
    Journal::new(store, Timestamp(now as i64) - Nanos::from_secs(200))
}

/// Four nodes and what they hear every day.
fn quiet_day(journal: &mut Journal) {
    for (pole, ..) in POLES {
        journal.settle(pole, 1);
        journal.settle(pole, 2);
        journal.health(pole, 190);
    }
}

/// Everybody hears the blaster, which moves on to another area code.
fn blaster_comes(journal: &mut Journal) {
    for (place, (pole, ..)) in POLES.iter().enumerate() {
        journal.find(pole, &blaster(1001 + place as u32), 150 + place as i64, &BLASTER);
    }
}

#[test]
fn a_finding_appears_without_reload_and_its_page_shows_the_evidence_and_takes_an_acknowledgement() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    quiet_day(&mut journal);
    let hub = Hub::start(&journal.store, 0);

    browser.open(&hub.url("/"));
    browser.wait_until("document.querySelector('#link').dataset.state === 'live'");
    browser.wait_until(
        "document.body.innerText.includes('No alerts') && document.body.innerText.includes('4 nodes report')",
    );
    browser.value("window.sameLoad = true");
    blaster_comes(&mut journal);
    browser.wait_until("document.querySelector('.alerts .critical h2')?.textContent === 'SMS blaster'");
    browser.wait_until("document.querySelector('.alerts').innerText.includes('4 nodes')");
    assert_eq!(browser.value("window.sameLoad"), true, "the page was not loaded again");
    assert_eq!(browser.value("document.querySelectorAll('.alerts li').length"), 1);
    browser.wait_until("/SMS blaster|sms blaster/.test(document.querySelector('#said').textContent)");

    browser.click(".alerts a");
    browser.wait_until("location.pathname === '/alerts/1' && document.querySelector('#link').dataset.state === 'live'");
    let text = browser.value("document.body.innerText").as_str().unwrap().to_owned();
    for wanted in [
        "near certain",
        "520-03",
        "LAC of one CGI and carrier",
        "1001, 1002, 1003 in 40 s",
        "SI-01",
        "No position fix yet",
        "aran-east",
        "a planned change of many cells at once",
        "Send a team",
        "NBTC and TRC",
        "49 06 1b 1b 39 25 f0 30 03 e9",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in:\n{text}");
    }

    // While somebody types, the page does not change under their hands; it catches up afterwards.
    browser.type_into("form[action$=acknowledge] input[name=who]", "Somchai");
    browser.click("form[action$=acknowledge] button");
    browser.wait_until("document.body.innerText.includes('Being dealt with by Somchai')");
    assert_eq!(browser.value("document.querySelectorAll('form[action$=acknowledge]').length"), 0);
    let trail = browser.value("[...document.querySelectorAll('#audit ~ div tbody tr')].at(-1).innerText");
    assert!(trail.as_str().unwrap().contains("acknowledged"), "{trail}");

    // Updates come while the page stays open.
    browser.value("window.sameLoad = true");
    journal.find("aran-east", &blaster(1005), 160, &[("SI-13", Tier::B)]);
    browser.wait_until("document.body.innerText.includes('values of OpenBTS as shipped')");
    assert_eq!(browser.value("window.sameLoad"), true);
    assert_eq!(browser.console(), Vec::<String>::new(), "nothing broke the security policy");
    hub.stop();
}

#[test]
fn an_open_page_goes_on_after_the_hub_was_restarted_and_misses_nothing() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    quiet_day(&mut journal);
    let hub = Hub::start(&journal.store, 0);
    let port = hub.address.port();
    browser.open(&hub.url("/"));
    browser.wait_until("document.querySelector('#link').dataset.state === 'live'");
    browser.value("window.sameLoad = true");
    journal.find("aran-east", &cell(936_200_000, 3, "520-18", 1, 1), 140, &[("ID-03", Tier::A)]);
    browser.wait_until("document.querySelectorAll('.alerts li').length === 1");
    hub.stop();
    browser.wait_until("document.querySelector('#link').dataset.state === 'lost'");
    // Comes in while no hub is there to show it.
    blaster_comes(&mut journal);
    let hub = Hub::start(&journal.store, port);
    browser.wait_until("document.querySelector('#link').dataset.state === 'live'");
    browser.wait_until("document.querySelectorAll('.alerts li').length === 2");
    assert_eq!(browser.value("window.sameLoad"), true);
    hub.stop();
}

#[test]
fn what_comes_from_the_air_is_shown_as_text_and_runs_nothing() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    let mut found = finding("ID-03", Tier::A, journal.observation("aran-east", &blaster(1), 100));
    let hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
    found.evidence = vec![Evidence { what: hostile.into(), value: hostile.into(), expected: hostile.into() }];
    found.innocent = vec![hostile.into()];
    found.observation.broadcast[0].name = hostile.into();
    journal.send("aran-east", 100, vec![Item::Finding(Box::new(found))]);
    let mut hub = Hub::start(&journal.store, 0);
    hub.published(1);
    for path in ["/alerts/1", "/", "/cells", "/nodes"] {
        browser.open(&hub.url(path));
        browser.wait_until("document.querySelector('#link').dataset.state === 'live'");
        assert_ne!(browser.value("document.title"), "owned", "{path}");
        assert_eq!(browser.value("document.querySelectorAll('img').length"), 0, "{path}");
    }
    browser.open(&hub.url("/alerts/1"));
    assert!(browser.value("document.body.innerText").as_str().unwrap().contains("<img src=x"));
    hub.stop();
}

#[test]
fn screenshots_of_every_page_are_left_where_they_are_asked_for() {
    let Some(shots) = std::env::var_os("DAEN_SHOTS").map(std::path::PathBuf::from) else {
        println!("skipped: set DAEN_SHOTS to a folder for screenshots");
        return;
    };
    let Some(browser) = Browser::start() else { return };
    std::fs::create_dir_all(&shots).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    let hub = Hub::start(&journal.store, 0);
    browser.open(&hub.url("/"));
    browser.screenshot(&shots.join("empty-1280.png"));
    quiet_day(&mut journal);
    blaster_comes(&mut journal);
    for day in 0..40 {
        journal.picture("aran-east", 100 + day, 925_000_000, 90 + day as u8 * 2);
        journal.picture("aran-east", 100 + day, 2_110_000_000, 150);
    }
    journal.find(
        "poipet-market",
        &cell(936_200_000, 3, "520-18", 44, 120),
        140,
        &[("ID-03", Tier::A), ("ID-05", Tier::B)],
    );
    journal.find(
        "aran-north",
        &cell(945_200_000, 2, "001-01", 1000, 10),
        100,
        &[("ID-01", Tier::A), ("SI-13", Tier::A)],
    );
    browser.wait_until("document.querySelectorAll('.alerts li').length === 3");
    assert_eq!(hub.post("/alerts/3/acknowledge", "same-origin", &[("who", "Dara"), ("note", "university?")]), 303);
    for (name, path) in [
        ("alerts", "/"),
        ("alert", "/alerts/1"),
        ("nodes", "/nodes"),
        ("cells", "/cells"),
        ("rules", "/rules"),
        ("spectrum", "/nodes/aran-east/spectrum"),
        ("window", "/nodes/aran-east/spectrum/925000000"),
    ] {
        for (width, dark) in [(1280, false), (1280, true), (390, false)] {
            browser.screen(width, dark);
            browser.open(&hub.url(path));
            browser.wait_until("document.querySelector('#link').dataset.state === 'live'");
            let wide = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{path} is {wide} wide on a screen of {width}");
            let scheme = if dark { "dark" } else { "light" };
            browser.screenshot(&shots.join(format!("{name}-{width}-{scheme}.png")));
        }
    }
    hub.stop();
}

#[test]
fn every_answer_carries_the_security_headers_and_pages_are_whole_without_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    quiet_day(&mut journal);
    blaster_comes(&mut journal);
    let mut hub = Hub::start(&journal.store, 0);
    // Both regulators' feeds get the opening and three nodes that heard it too.
    let feed = hub.published(8);
    assert_eq!(feed[0].topic, "daen/1/feed/nbtc/alerts");
    for (path, wanted) in [
        ("/", "SMS blaster"),
        ("/?show=all", "SMS blaster"),
        ("/alerts/1", "LAC of one CGI and carrier"),
        ("/nodes", "poipet-market"),
        ("/cells", "GSM 947.4 MHz, channel 62, BSIC 33"),
        ("/rules", "Worth at most"),
        ("/static/daen.css", "--accent"),
        ("/static/OFL.txt", "SIL OPEN FONT LICENSE"),
        ("/api/alerts", "\"class\":\"SMS_BLASTER\""),
        ("/api/alerts/1", "\"audit\":["),
        ("/api/nodes", "\"spool_envelopes\":3"),
        ("/api/cells", "\"channel\":62"),
    ] {
        let (status, headers, body) = hub.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        assert!(body.contains(wanted), "{path} has no {wanted:?}: {body}");
        for header in
            ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "x-frame-options: DENY"]
        {
            assert!(headers.contains(header), "{path} has no {header}: {headers}");
        }
        assert!(!body.contains(" style=") && !body.contains("onclick"), "{path} has inline style or script");
    }
    // What a node says of itself, and of signals that it does not decode.
    let (_, _, nodes) = hub.get("/nodes");
    for wanted in
        ["umts at 2112.4 MHz, 3.8 MHz wide", "31 windows, 2 waiting", "98 % for", "out of reach: n257", "at most 7 ms"]
    {
        assert!(nodes.contains(wanted), "{wanted:?} is not in {nodes}");
    }
    for path in [
        "/alerts/99",
        "/alerts/x",
        "/nodes/aran-east/spectrum/1",
        "/nodes/A%20B/spectrum",
        "/nowhere",
        "/static/nothing.js",
        "/api/alerts/99",
        "/api/evidence/a/b/1",
    ] {
        let (status, headers, body) = hub.get(path);
        assert!((400..500).contains(&status), "{path}: {status}");
        assert!(headers.contains("content-security-policy"), "{path}");
        assert!(!body.is_empty(), "{path}");
    }
    // The report behind a line of evidence, as its node signed it.
    let (_, _, body) = hub.get("/api/alerts/1");
    let alert: serde_json::Value = serde_json::from_str(&body).unwrap();
    let origin = &alert["alert"]["evidence"][0]["origin"];
    let text = |key: &str| origin[key].as_str().unwrap().to_owned();
    let path = format!("/api/evidence/{}/{}/{}", text("node"), text("boot"), origin["seq"]);
    let signed = ureq::get(hub.url(&path)).call().unwrap().body_mut().read_to_vec().unwrap();
    let envelope = daen::observation::envelope::reopen(&signed).unwrap();
    assert_eq!(envelope.node.as_str(), text("node"));
    hub.stop();
}

#[test]
fn what_a_node_sees_of_the_spectrum_is_drawn_window_by_window_and_back_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    let mut hub = Hub::start(&journal.store, 0);
    let page = "/nodes/aran-east/spectrum";
    assert!(hub.get(page).2.contains("No picture of the spectrum has come yet"));
    for day in 0..70 {
        journal.picture("aran-east", 1 + day, 925_000_000, 90 + day as u8);
    }
    journal.picture("aran-east", 100, 2_110_000_000, 150);
    journal.picture("poipet-market", 100, 925_000_000, 99);
    // An alert behind them tells that the analysis has come by.
    blaster_comes(&mut journal);
    hub.published(2);
    let tiles = |node: &str| -> Vec<serde_json::Value> {
        serde_json::from_str(&hub.get(&format!("/api/nodes/{node}/spectrum")).2).unwrap()
    };
    let newest: Vec<_> =
        tiles("aran-east").iter().map(|tile| (tile["first_hz"].clone(), tile["most"].clone())).collect();
    let most = |level: u8| -> String {
        (0..100u8).map(|n| format!("{:02x}", if n == 40 { level } else { 60 + n % 3 })).collect()
    };
    assert_eq!(newest, [(925_000_000.into(), most(159).into()), (2_110_000_000u64.into(), most(150).into())]);
    assert_eq!((tiles("poipet-market").len(), tiles("aran-north").len()), (1, 0));
    let (_, _, all) = hub.get(page);
    assert!(
        all.contains("924.9 to 944.9 MHz") && all.contains("2109.9 to 2129.9 MHz") && all.contains("gsm 933.0 MHz")
    );
    assert_eq!(all.matches("<svg").count(), 2);
    let (status, _, window) = hub.get(&format!("{page}/925000000"));
    assert_eq!((status, window.matches("<svg").count()), (200, 2));
    assert!(window.contains("60 pictures"), "the oldest ten have gone: {window}");
    // The newest line has the carrier at its strongest: 99 octets above the noise are nearly all of the scale.
    let row = |y: usize| format!(r##"<rect x="40" y="{y}" width="1" height="1" fill="##);
    let colour = |y: usize| window.split(&row(y)).nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap().to_owned();
    assert_eq!((colour(0).as_str(), colour(59).as_str()), ("#d2e21b", "#2a788e"));
    hub.stop();
}

#[test]
fn actions_need_our_own_page_a_name_and_an_alert_that_is_in_the_right_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    blaster_comes(&mut journal);
    let mut hub = Hub::start(&journal.store, 0);
    hub.published(1);
    let who = ("who", "Somchai");
    assert_eq!(hub.post("/alerts/1/acknowledge", "cross-site", &[who]), 403);
    assert_eq!(hub.post("/alerts/1/acknowledge", "same-origin", &[("who", " \n ")]), 400);
    assert_eq!(hub.post("/alerts/99/acknowledge", "same-origin", &[who]), 404);
    assert_eq!(hub.post("/alerts/1/close", "same-origin", &[who, ("reason", "merged")]), 400);
    let long = "x".repeat(9000);
    assert_eq!(hub.post("/alerts/1/acknowledge", "same-origin", &[who, ("note", &long)]), 413);
    assert_eq!(hub.post("/alerts/1/acknowledge", "same-origin", &[who]), 303);
    assert_eq!(hub.post("/alerts/1/acknowledge", "same-origin", &[who]), 409);
    assert_eq!(hub.post("/alerts/1/close", "same-origin", &[who, ("reason", "removed"), ("note", "seized")]), 303);
    let (_, _, body) = hub.get("/api/alerts/1");
    assert!(body.contains("taken off the air: seized") && body.contains("\"state\":\"closed\""), "{body}");
    assert!(hub.get("/").2.contains("No alerts"));
    hub.stop();
}

/// Reads the live feed until the line that `last` accepts; the lines of `id`, `event` and `data`.
fn live(hub: &Hub, last_event_id: Option<i64>, last: impl Fn(&str) -> bool) -> Vec<String> {
    let mut stream = TcpStream::connect(hub.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let resume = last_event_id.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {}\r\n{resume}\r\n", hub.address).unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if ["id:", "event:", "data:"].iter().any(|field| line.starts_with(field)) {
            lines.push(line.clone());
        }
        if last(&line) {
            break;
        }
    }
    lines
}

#[test]
fn the_live_feed_starts_with_a_snapshot_and_resumes_after_the_event_seen_last_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(&folder);
    blaster_comes(&mut journal);
    let mut hub = Hub::start(&journal.store, 0);
    hub.published(8);
    let lines = live(&hub, None, |line| line.starts_with("data:"));
    assert!(lines.contains(&"event: snapshot".to_owned()) && lines.contains(&"id: 4".to_owned()), "{lines:?}");
    let data = lines.iter().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["alerts"][0]["class"], "SMS_BLASTER");

    let port = hub.address.port();
    hub.stop();
    let hub = Hub::start(&journal.store, port);
    let lines = live(&hub, Some(1), |line| line == "id: 4");
    let ids: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["2", "3", "4"], "no event twice, none missing");
    assert!(lines.contains(&"event: alert".to_owned()));
    // Of a number that this journal never gave, nothing follows: a snapshot instead.
    let lines = live(&hub, Some(1_000_000), |line| line.starts_with("data:"));
    assert!(lines.contains(&"event: snapshot".to_owned()), "{lines:?}");
    hub.stop();
}
