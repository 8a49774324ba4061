//! From a journal of signed observations to places: fixes on alerts, what they rest on, and how much work that may be.
#![cfg(feature = "hub")]
#![allow(clippy::unwrap_used)]

#[path = "hub_locate/antenna.rs"]
mod antenna;
#[path = "hub_locate/association.rs"]
mod association;
#[path = "support/items.rs"]
mod items;
#[path = "hub_locate/killed.rs"]
mod killed;
#[path = "hub_locate/load.rs"]
mod load;
#[path = "support/locate_hub.rs"]
mod locate_hub;
#[path = "hub_locate/motion.rs"]
mod motion;
#[path = "hub_locate/moving_node.rs"]
mod moving_node;
#[path = "hub_locate/rules.rs"]
mod rules;
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;
#[path = "hub_locate/tasks.rs"]
mod tasks;
#[allow(dead_code)]
#[path = "support/webdriver.rs"]
mod webdriver;
#[path = "support/world.rs"]
mod world;

use daen::hub::alert::{Book, EventKind, Filter, Summary};
use daen::hub::analysis::{Analysis, AnalysisConfig, whole_envelopes};
use daen::hub::fuse::EmitterId;
use daen::hub::place::{Basis, PlaceConfig};
use daen::hub::store::Store;
use daen::hub::web::{self, WebConfig};
use daen::units::Nanos;
use locate_hub::*;
use world::*;

#[test]
fn an_alert_of_five_free_running_nodes_says_where_it_is_and_by_what() {
    let (towers, fake) = (licensed(), fake());
    let mut hub = Hub::new(config(&towers));
    story(&mut hub, &ring(false), &towers, &fake, 1..4);
    let events = hub.think();
    let alert = hub.alert();
    let fix = alert.fix.as_ref().unwrap();
    assert_eq!((fix.method, fix.reason.as_deref()), (Some(Basis::RelativeTiming), None));
    let best = fix.best().unwrap();
    let off = metres(fake.site, best.lat_deg, best.lon_deg);
    assert!(off < 60.0, "{off:.0} m off: {fix:#?}");
    assert!(off < best.ellipses[2].semi_major_m, "{off:.0} m off: {fix:#?}");
    // Regions of 50, 90 and 95 %, the bound, and what every node's frame said.
    let shares: Vec<f64> = best.ellipses.iter().map(|region| region.probability).collect();
    assert_eq!(shares, [0.5, 0.9, 0.95]);
    assert!(best.bound_cep50_m.unwrap() <= best.cep50_m && best.cep50_m < 60.0, "{best:?}");
    let nodes: Vec<&str> = best.inputs.iter().map(|input| input.node.as_ref().unwrap().as_str()).collect();
    assert_eq!(nodes, ["pole-1", "pole-2", "pole-3", "pole-4", "pole-5"]);
    assert!(best.inputs.iter().all(|i| i.kind == "timing" && i.normalised.abs() < 4.0 && i.leverage > 0.0), "{best:?}");
    assert!((fix.solutions.iter().map(|solution| solution.weight).sum::<f64>() - 1.0).abs() < 1e-3);
    assert_eq!(fix.clocks, ["TH-1", "TH-2", "TH-3"]);
    // Whose country, by whose line; and how the registered sites stand to it.
    let countries = fix.countries.as_ref().unwrap();
    assert!((countries.iter().map(|country| country.probability).sum::<f64>() - 1.0).abs() < 0.01, "{countries:?}");
    assert!(fix.border.as_ref().unwrap().note.contains("decides nothing"));
    assert!(fix.sites.iter().all(|site| site.fits < 0.05 && site.probability < 0.01), "{:?}", fix.sites);
    // The first fix is news, and the feed's summary has it.
    let placed = events.iter().find(|event| event.detail.contains("placed: ")).unwrap();
    assert_eq!(placed.kind, EventKind::Updated);
    let spot = Summary::from(&alert).place.unwrap();
    assert_eq!((spot.places, spot.lat_deg, spot.reach_m), (fix.solutions.len(), best.lat_deg, best.reach_m()));
    let told = events.iter().filter(|event| event.detail.contains("placed: ")).count();
    assert!(told <= 3, "{told} events of one transmitter that stands still");
}

#[test]
fn nodes_in_a_line_get_both_places_with_their_weights() {
    let fake = fake();
    let mut hub = Hub::new(config(&licensed()));
    let poles: Vec<Pole> =
        [102.49, 102.53, 102.60].iter().enumerate().map(|(i, &lon)| pole(i + 1, at(13.69, lon), true)).collect();
    story(&mut hub, &poles, &[], &fake, 1..4);
    hub.think();
    let alert = hub.alert();
    let fix = alert.fix.as_ref().unwrap();
    assert_eq!(fix.method, Some(Basis::AbsoluteTiming));
    assert_eq!(fix.solutions.len(), 2, "{fix:#?}");
    assert!(fix.solutions.iter().all(|solution| solution.weight > 0.2), "{fix:#?}");
    let nearest = fix.solutions.iter().map(|s| metres(fake.site, s.lat_deg, s.lon_deg)).fold(f64::INFINITY, f64::min);
    assert!(nearest < 150.0, "{fix:#?}");
    assert!(fix.describe().contains("one of two possible places"), "{}", fix.describe());
    assert_eq!(Summary::from(&alert).place.unwrap().places, 2);
    assert!(fix.clocks.is_empty(), "disciplined clocks need none");
}

#[test]
fn where_there_is_no_fix_the_alert_says_why() {
    let (towers, fake) = (licensed(), fake());
    let mut hub = Hub::new(config(&towers));
    story(&mut hub, &ring(false)[..1], &towers, &fake, 1..3);
    hub.think();
    assert!(hub.alert().fix.unwrap().reason.unwrap().contains("only one node hears it"));
    // Free clocks without a licensed cell have nothing in common.
    let mut hub = Hub::new(config(&towers));
    story(&mut hub, &ring(false), &[], &fake, 1..3);
    hub.think();
    let fix = hub.alert().fix.unwrap();
    assert!(fix.solutions.is_empty() && fix.reason.is_some(), "{fix:#?}");
    assert!(fix.unused.iter().any(|unused| unused.reason.contains("runs free")), "{fix:#?}");
}

#[test]
fn a_place_that_was_found_stays_when_later_nobody_can_say() {
    let (towers, fake) = (licensed(), fake());
    let mut hub = Hub::new(config(&towers));
    let poles = ring(false);
    story(&mut hub, &poles, &towers, &fake, 1..3);
    hub.think();
    let before = hub.alert().fix.unwrap();
    assert!(before.best().is_some());
    // Ten minutes later one node alone still hears it.
    story(&mut hub, &poles[..1], &towers, &fake, 600..602);
    hub.think();
    let alert = hub.alert();
    let kept = alert.fix.unwrap();
    assert_eq!(kept, before, "with the time that it is of");
    assert!(alert.last_heard_ns > kept.at_ns + Nanos::from_secs(500));
}

/// Everything that is kept, as text.
fn everything(book: &Book) -> String {
    let alerts = book.alerts(Filter::All, 1000).unwrap();
    let events = book.events_after(0, 100_000).unwrap();
    format!("{alerts:#?}\n{events:#?}\n{:#?}\n{:#?}", book.kept_places().unwrap(), book.emitters().unwrap())
}

#[test]
fn the_same_journal_gives_the_same_places_for_any_size_of_batch_and_any_number_of_restarts() {
    let (towers, fake) = (licensed(), fake());
    let mut hub = Hub::new(config(&towers));
    story(&mut hub, &ring(false), &towers, &fake, 1..12);
    hub.think();
    let wanted = everything(&hub.book);
    assert!(wanted.contains("RelativeTiming"));
    for (batch, restart) in [(1, false), (4, true), (37, false)] {
        let mut other = Hub::new(config(&towers));
        story(&mut other, &ring(false), &towers, &fake, 1..12);
        let store = other.journal.store.clone();
        loop {
            let items = whole_envelopes(&store, other.analysis.cursor(), batch).unwrap();
            if items.is_empty() {
                break;
            }
            other.analysis.process(&items).unwrap();
            if restart {
                other.analysis = Analysis::open(other.book.clone(), config(&towers)).unwrap();
            }
        }
        other.think();
        assert!(everything(&other.book) == wanted, "batches of {batch}, restarts: {restart}");
    }
}

#[test]
fn places_are_on_the_disk_as_soon_as_they_are_known() {
    let (towers, fake) = (licensed(), fake());
    let mut hub = Hub::new(config(&towers));
    story(&mut hub, &ring(false), &towers, &fake, 1..4);
    hub.think();
    let id = hub.alert().emitter;
    let kept = hub.analysis.places().of(id).unwrap().clone();
    // Another process opens the file: what it finds is what was known.
    let store = Store::open(hub.folder.path().join("hub.sqlite")).unwrap();
    let reopened = Analysis::open(Book::open(&store).unwrap(), config(&towers)).unwrap();
    assert_eq!(reopened.places().of(id), Some(&kept));
    assert_eq!(reopened.places().next_due(), None);
}

#[test]
fn an_emitter_is_placed_once_a_second_and_the_newest_first_when_there_are_too_many() {
    let place = PlaceConfig { budget_per_s: 20, ..PlaceConfig::default() };
    let mut hub = Hub::new(AnalysisConfig { place, ..AnalysisConfig::default() });
    let mut world = World::new(T0, 50.0, 9);
    let poles = ring(true);
    let fakes: Vec<Tower> = (0..100).map(|n| tower(935_000_000 + 200_000 * n, 1, n + 1, fake().site)).collect();
    // Ten seconds with ten reports a second of three of them: at most a fix a second each.
    for tenth in 0..100 {
        for pole in &poles {
            let heard = fakes[..3].iter().map(|tower| world.hear(pole, tower, f64::from(tenth) / 10.0)).collect();
            hub.hear(pole, i64::from(tenth) / 10, heard);
        }
    }
    hub.think();
    let few = hub.analysis.places().counters();
    assert!((30..=36).contains(&few.solved), "{few:?}");
    assert_eq!(few.postponed, 0);
    // A hundred in one second, later ones heard later, are more than the budget: some wait, and those are the ones heard first.
    for (n, tower) in fakes.iter().enumerate() {
        for pole in &poles {
            let heard = world.hear(pole, tower, 20.0 + n as f64 * 0.005);
            hub.hear(pole, 20, vec![heard]);
        }
    }
    let heard = world.hear(&poles[0], &fakes[0], 20.9);
    hub.hear(&poles[0], 21, vec![heard]);
    let store = hub.journal.store.clone();
    while let items @ [_, ..] = whole_envelopes(&store, hub.analysis.cursor(), 1000).unwrap().as_slice() {
        hub.analysis.process(items).unwrap();
    }
    let many = hub.analysis.places().counters();
    assert!(many.postponed > 0 && many.solved - few.solved <= 40, "{many:?}");
    let placed = |n: u64| hub.analysis.places().of(EmitterId(n)).is_some();
    assert!(placed(100) && !placed(20), "the emitters heard last are placed");
    // Nothing is forgotten: when there is time, the rest is placed.
    hub.think();
    assert!((1..=100).all(|n| hub.analysis.places().of(EmitterId(n)).is_some_and(|kept| kept.placed.best().is_some())));
}

/// Serves the hub's pages while `work` looks at them.
fn with_pages(hub: &Hub, config: &AnalysisConfig, work: impl FnOnce(&str)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let settings = WebConfig { atlas: config.atlas.clone(), ..WebConfig::default() };
    let until = async move {
        stopped.wait_for(|stop| *stop).await.unwrap();
    };
    let serving = runtime.spawn(web::serve(listener, hub.journal.store.clone(), hub.book.clone(), settings, until));
    work(&address);
    stop.send(true).unwrap();
    runtime.block_on(serving).unwrap().unwrap();
}

fn get(url: String) -> (String, String) {
    let mut answer = ureq::get(url).call().unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.body_mut().read_to_string().unwrap())
}

#[test]
fn the_page_of_an_alert_shows_every_place_on_a_map_and_the_same_is_given_as_geojson() {
    let (towers, fake) = (licensed(), fake());
    let config = config(&towers);
    let mut hub = Hub::new(config.clone());
    let poles: Vec<Pole> =
        [102.49, 102.53, 102.60].iter().enumerate().map(|(i, &lon)| pole(i + 1, at(13.69, lon), true)).collect();
    story(&mut hub, &poles, &towers, &fake, 1..4);
    hub.think();
    let id = hub.alert().id;
    with_pages(&hub, &config, |address| {
        let (_, page) = get(format!("{address}/alerts/{id}"));
        for wanted in [
            "A · ",
            "B · ",
            "The measurements admit 2 places",
            "TH-1",
            "border line by Natural Earth",
            "It is not a finding",
        ] {
            assert!(page.contains(wanted), "{wanted:?} is not on the page");
        }
        let (kind, text) = get(format!("{address}/api/alerts/{id}/geojson"));
        assert_eq!(kind, "application/geo+json");
        let map: serde_json::Value = serde_json::from_str(&text).unwrap();
        let of = |what: &str| -> Vec<&serde_json::Value> {
            map["features"].as_array().unwrap().iter().filter(|f| f["properties"]["what"] == what).collect()
        };
        assert_eq!((of("position").len(), of("region").len(), of("node").len()), (2, 6, 3));
        let weights: f64 = of("position").iter().map(|f| f["properties"]["weight"].as_f64().unwrap()).sum();
        assert!((weights - 1.0).abs() < 1e-3);
        for region in of("region") {
            let ring = region["geometry"]["coordinates"][0].as_array().unwrap();
            assert_eq!(ring.first(), ring.last(), "closed");
            let at = |i: usize, axis: usize| ring[i][axis].as_f64().unwrap();
            let area: f64 = (1..ring.len()).map(|i| at(i - 1, 0) * at(i, 1) - at(i, 0) * at(i - 1, 1)).sum();
            assert!(area > 0.0, "counter-clockwise (RFC 7946 clause 3.1.6)");
        }
        let (_, text) = get(format!("{address}/api/alerts/{id}"));
        let alert: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(alert["alert"]["fix"]["method"], "absolute_timing");
        assert_eq!(alert["alert"]["fix"]["solutions"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn the_map_fits_every_screen_and_breaks_no_security_policy() {
    let Some(browser) = webdriver::Browser::start() else { return };
    let shots = std::env::var_os("DAEN_SHOTS").map(std::path::PathBuf::from);
    let (towers, fake) = (licensed(), fake());
    let config = config(&towers);
    for (name, poles) in [("ring", ring(false)), ("line", ring(true).into_iter().skip(1).take(3).collect())] {
        let mut hub = Hub::new(config.clone());
        story(&mut hub, &poles, &towers, &fake, 1..4);
        hub.think();
        let id = hub.alert().id;
        with_pages(&hub, &config, |address| {
            for (width, dark) in [(1280, false), (1280, true), (390, false)] {
                browser.screen(width, dark);
                browser.open(&format!("{address}/alerts/{id}"));
                browser.wait_until("document.querySelectorAll('svg.map .cross').length >= 1");
                let wide = browser.value("document.documentElement.scrollWidth <= window.innerWidth");
                assert_eq!(wide, true, "{name} at {width} px is wider than the screen");
                // Names of places and nodes do not leave the drawing.
                let outside = browser.value(
                    "[...document.querySelectorAll('svg.map text')].filter(t => { \
                     const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect(); \
                     return a.left < b.left - 1 || a.right > b.right + 1; }).map(t => t.textContent)",
                );
                assert_eq!(outside.as_array().map(Vec::len), Some(0), "{outside}");
                if let Some(shots) = &shots {
                    browser.screenshot(&shots.join(format!("map-{name}-{width}-{dark}.png")));
                }
            }
        });
    }
    assert_eq!(browser.console(), Vec::<String>::new());
}
