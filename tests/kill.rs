//! A backlog of 20,000 messages while node, hub or an outside broker is killed with SIGKILL in the middle of it: nothing may be lost and
//! nothing may be stored twice. The answer is read from the hub's database.
//!
//! One round each; `DAEN_ACCEPTANCE=1` makes it five, with kills at three places of each backlog.

#![cfg(all(feature = "sensor", feature = "hub"))]
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

// Each test crate uses a part of it.
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use site::{Site, edit, has_mosquitto, load, wait_until};

const BACKLOG: u64 = 20_000;

/// For each round, how many observations have been stored when something is killed.
fn rounds() -> Vec<Vec<u64>> {
    if std::env::var_os("DAEN_ACCEPTANCE").is_some() {
        (0..5).map(|round| vec![500 + 700 * round, 6000 + 900 * round, 14_000 + 600 * round]).collect()
    } else {
        vec![vec![5000]]
    }
}

/// Fills node 1's spool while nothing takes anything from it, and ends the node by SIGKILL.
fn make_backlog(site: &Site) {
    let node = site.node(1);
    // The node's first health report is an envelope too.
    wait_until("the backlog", || site.spooled(1) > BACKLOG);
    node.kill();
    edit(&site.made.nodes[0], |text| text.replace(&format!("items = {BACKLOG}"), "items = 0"));
}

/// The backlog is under way: some of it is stored, and not all.
fn wait_for_the_middle(site: &Site, stored: u64) {
    wait_until("part of the backlog to be stored", || site.stored() >= stored);
}

fn assert_in_the_middle(site: &Site) {
    let stored = site.stored();
    assert!(stored < BACKLOG, "the kill came too late to show anything: {stored} were stored");
    println!("killed with {stored} of {BACKLOG} stored");
}

fn finish(site: &Site) {
    wait_until("the rest of the backlog", || site.stored() >= BACKLOG && site.spooled(1) == 0);
}

fn assert_nothing_lost_or_double(site: &Site) {
    site.assert_each_once(BACKLOG);
    let status = site.status(1).unwrap();
    assert_eq!((status.evicted, status.unlinked, status.refused), (0, 0, 0));
}

#[test]
fn a_node_that_is_killed_in_its_backlog_loses_and_doubles_nothing() {
    if !has_mosquitto() {
        return;
    }
    for kills in rounds() {
        let site = Site::new(&[load(BACKLOG)]);
        make_backlog(&site);
        let hub = site.hub();
        let mut node = site.node(1);
        for stored in kills {
            wait_for_the_middle(&site, stored);
            node.kill();
            assert_in_the_middle(&site);
            node = site.node(1);
        }
        finish(&site);
        assert_eq!((node.stop(), hub.stop()), (0, 0));
        assert_nothing_lost_or_double(&site);
    }
}

#[test]
fn a_hub_that_is_killed_in_a_backlog_loses_and_doubles_nothing_and_takes_its_broker_along() {
    if !has_mosquitto() {
        return;
    }
    for kills in rounds() {
        let site = Site::new(&[load(BACKLOG)]);
        make_backlog(&site);
        let mut hub = site.hub();
        let node = site.node(1);
        for stored in kills {
            wait_for_the_middle(&site, stored);
            hub.kill();
            assert_in_the_middle(&site);
            wait_until("the hub's broker to end with it", || {
                std::net::TcpStream::connect(("127.0.0.1", site.port)).is_err()
            });
            hub = site.hub();
        }
        finish(&site);
        assert_eq!((node.stop(), hub.stop()), (0, 0));
        assert_nothing_lost_or_double(&site);
    }
}

#[test]
fn an_outside_broker_that_is_killed_in_a_backlog_loses_and_doubles_nothing() {
    if !has_mosquitto() {
        return;
    }
    for kills in rounds() {
        let site = Site::with_outside_broker(&[load(BACKLOG)]);
        make_backlog(&site);
        let mut broker = site.outside_broker();
        let hub = site.hub();
        let node = site.node(1);
        for stored in kills {
            wait_for_the_middle(&site, stored);
            broker.kill();
            assert_in_the_middle(&site);
            broker = site.outside_broker();
        }
        finish(&site);
        assert_eq!((node.stop(), hub.stop()), (0, 0));
        drop(broker);
        assert_nothing_lost_or_double(&site);
    }
}
