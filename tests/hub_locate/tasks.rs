//! What the hub asks of nodes when an anomaly is promising.

use crate::locate_hub::*;
use crate::world::*;
use daen::hub::analysis::{AnalysisConfig, Signer, task_messages};
use daen::observation::envelope::{Down, Task, open_down};
use daen::units::Nanos;
use ed25519_dalek::SigningKey;
use std::sync::Arc;

fn asking(towers: &[Tower]) -> AnalysisConfig {
    let signer = Signer { hub: "hub".parse().unwrap(), key: SigningKey::from_bytes(&[8; 32]) };
    AnalysisConfig { signer: Some(Arc::new(signer)), ..config(towers) }
}

fn nodes(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.node.as_str()).collect()
}

#[test]
fn an_alert_makes_the_hub_ask_every_node_in_range_to_dwell_on_the_carrier_in_the_same_seconds() {
    let (towers, fake) = (licensed(), fake());
    let mut hub = Hub::new(asking(&towers));
    let mut poles = ring(false);
    // A node that hears nothing of it but stands near, and one far away.
    poles.push(pole(6, at(13.75, 102.55), false));
    poles.push(pole(7, at(15.00, 103.10), false));
    let mut world = World::new(T0, 50.0, 5);
    for pole in &poles {
        let heard = towers.iter().map(|tower| world.hear(pole, tower, 0.1)).collect();
        hub.hear(pole, 0, heard);
    }
    let first = &poles[..1];
    story(&mut hub, first, &towers, &fake, 1..2);
    let events = hub.think();
    let tasks = hub.analysis.take_tasks();
    assert_eq!(nodes(&tasks), ["pole-1", "pole-2", "pole-3", "pole-4", "pole-5", "pole-6"]);
    for task in &tasks {
        assert_eq!(
            (task.center_hz, task.from_ns, task.until_ns),
            (fake.key.center_hz, tasks[0].from_ns, tasks[0].until_ns)
        );
        assert_eq!(task.until_ns - task.from_ns, Nanos::from_secs(20));
        assert!(task.expires_ns <= task.until_ns);
    }
    assert!(tasks.windows(2).all(|pair| pair[0].task != pair[1].task), "each has its own identifier");
    assert!(
        events.iter().any(|event| event.detail.starts_with("asked pole-1, pole-2") && event.detail.contains("949.2"))
    );
    // As the nodes get them.
    let config = asking(&towers);
    let signer = config.signer.as_ref().unwrap();
    let messages = task_messages(&tasks, signer);
    assert_eq!(messages[2].topic, "daen/1/pole-3/down");
    let opened = open_down(&messages[2].payload, &signer.hub, &signer.key.verifying_key()).unwrap();
    assert_eq!(opened, Down::Task(tasks[2].clone()));
    // Asked once: not again while that may still help, and again when five minutes have brought no good place.
    story(&mut hub, first, &towers, &fake, 2..200);
    hub.think();
    assert_eq!(hub.analysis.take_tasks(), []);
    story(&mut hub, first, &towers, &fake, 310..312);
    hub.think();
    assert_eq!(nodes(&hub.analysis.take_tasks()), ["pole-1", "pole-2", "pole-3", "pole-4", "pole-5", "pole-6"]);
}

#[test]
fn nobody_is_asked_about_the_past_or_about_a_place_that_is_known() {
    let (towers, fake) = (licensed(), fake());
    // An hour old when it arrives.
    let mut hub = Hub::new(asking(&towers));
    let mut world = World::new(T0, 50.0, 5);
    let heard = world.hear(&ring(false)[0], &fake, 1.0);
    hub.find(&ring(false)[0], 3600, heard);
    hub.think();
    hub.alert();
    assert_eq!(hub.analysis.take_tasks(), []);
    // Five nodes have placed it to some ten metres when five minutes are over.
    let mut hub = Hub::new(asking(&towers));
    for pole in &ring(false) {
        let heard = towers.iter().map(|tower| world.hear(pole, tower, 0.1)).collect();
        hub.hear(pole, 0, heard);
    }
    story(&mut hub, &ring(false), &towers, &fake, 1..4);
    hub.think();
    assert_eq!(hub.analysis.take_tasks().len(), 5, "asked when nothing was known yet");
    story(&mut hub, &ring(false), &towers, &fake, 310..311);
    hub.think();
    let best = hub.alert().fix.unwrap().best().unwrap().reach_m();
    assert_eq!((hub.analysis.take_tasks().len(), best < 100.0), (0, true), "{best}");
}

#[test]
fn a_hub_without_a_key_asks_nobody() {
    let mut hub = Hub::new(config(&licensed()));
    story(&mut hub, &ring(false), &licensed(), &fake(), 1..3);
    hub.think();
    assert_eq!(hub.analysis.take_tasks(), []);
}
