//! A hub that is killed in the middle of its work: afterwards every transmitter is where it would have been found without that.

use crate::items::{Journal, finding};
use crate::locate_hub::T0;
use crate::site::{Site, count, edit, has_mosquitto, wait_until};
use crate::world::*;
use daen::hub::store::Store;
use daen::observation::{Item, Tier};

const SECONDS: i64 = 400;

/// A site whose hub has not yet thought about what five nodes have told for a while.
fn site() -> Site {
    let site = Site::new(&[]);
    let (towers, fake) = (licensed(), fake());
    std::fs::write(site.folder.path().join("register.csv"), register_csv(&towers)).unwrap();
    edit(&site.made.hub, |text| format!("{text}\n[rules]\nregister = \"../register.csv\"\n"));
    std::fs::create_dir_all(site.hub_file().parent().unwrap()).unwrap();
    let mut journal = Journal::new(Store::open(site.hub_file()).unwrap(), T0);
    let mut world = World::new(T0, 50.0, 5);
    for second in 1..SECONDS {
        for pole in &ring(false) {
            let licensed = towers.iter().map(|tower| world.hear(pole, tower, second as f64 + 0.1));
            let mut items: Vec<Item> = licensed.map(|o| Item::Observation(Box::new(o))).collect();
            let heard = world.hear(pole, &fake, second as f64 + 0.4);
            items.push(Item::Finding(Box::new(finding("ID-05", Tier::A, heard))));
            journal.send(&pole.name, second, items);
        }
    }
    site
}

/// All that the hub keeps of places, as it stands on the disk.
fn kept(site: &Site) -> Vec<(String, i64, Vec<u8>)> {
    let open = || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = rusqlite::Connection::open_with_flags(site.hub_file(), flags).ok()?;
        let sql = "SELECT 'place', emitter, state FROM places UNION ALL SELECT 'phase', emitter, state FROM phases
                   UNION ALL SELECT 'journey', emitter * 1000000 + number, state FROM journeys ORDER BY 1, 2";
        let mut rows = connection.prepare(sql).ok()?;
        let read = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).ok()?;
        read.collect::<Result<Vec<_>, _>>().ok()
    };
    open().unwrap_or_default()
}

fn thought(site: &Site) -> u64 {
    count(&site.hub_file(), "SELECT cursor FROM analysis").unwrap_or(0)
}

fn due(site: &Site) -> bool {
    let told = count(&site.hub_file(), "SELECT max(row) FROM items").unwrap_or(u64::MAX);
    thought(site) < told
}

#[test]
fn a_hub_that_is_killed_places_every_transmitter_where_it_would_have_without_that() {
    if !has_mosquitto() {
        return;
    }
    let whole = site();
    let hub = whole.hub();
    wait_until("the hub to have thought about everything", || !due(&whole));
    // What is due is placed within a second of the last report.
    let mut before = kept(&whole);
    wait_until("the last places", || {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let same = kept(&whole) == before;
        before = kept(&whole);
        same
    });
    assert_eq!(hub.stop(), 0);
    let without = kept(&whole);
    assert!(without.iter().filter(|row| row.0 == "place").count() == 4, "three licensed cells and the fake");
    assert!(without.iter().any(|row| row.0 == "phase") && without.iter().any(|row| row.0 == "journey"));

    let site = site();
    let mut killed = 0;
    let mut hub = site.hub();
    for share in [0.2, 0.5, 0.8] {
        let rows = count(&site.hub_file(), "SELECT max(row) FROM items").unwrap();
        wait_until("a part of it", || thought(&site) as f64 >= share * rows as f64);
        hub.kill();
        killed += usize::from(due(&site));
        hub = site.hub();
    }
    assert!(killed > 0, "every kill came too late to show anything");
    println!("killed {killed} times in the middle");
    wait_until("the same places as without a kill", || kept(&site) == without);
    hub.kill();
}
