//! A hub of a test that places transmitters: a journal that nodes sign into, and the analysis over it.
#![allow(dead_code)]

use crate::items::{Journal, finding};
use crate::world::*;
use daen::hub::alert::{Alert, Book, Event, Filter};
use daen::hub::analysis::{Analysis, AnalysisConfig, licences};
use daen::hub::store::Store;
use daen::observation::{Item, Observation, Tier};
use daen::units::Timestamp;
use std::sync::Arc;

pub const T0: Timestamp = Timestamp(1_795_293_907_000_000_000);

pub struct Hub {
    pub folder: tempfile::TempDir,
    pub journal: Journal,
    pub book: Book,
    pub analysis: Analysis,
}

pub fn config(towers: &[Tower]) -> AnalysisConfig {
    let register = register(towers);
    let atlas = Arc::new(atlas(&register));
    AnalysisConfig { licence: Some(licences(Arc::new(register))), atlas, ..AnalysisConfig::default() }
}

impl Hub {
    pub fn new(config: AnalysisConfig) -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
        let book = Book::open(&store).unwrap();
        let analysis = Analysis::open(book.clone(), config).unwrap();
        Hub { folder, journal: Journal::new(store, T0), book, analysis }
    }

    pub fn think(&mut self) -> Vec<Event> {
        self.analysis.catch_up(&self.journal.store.clone()).unwrap()
    }

    pub fn hear(&mut self, pole: &Pole, second: i64, heard: Vec<Observation>) {
        if !heard.is_empty() {
            self.journal.send(&pole.name, second, heard.into_iter().map(|o| Item::Observation(Box::new(o))).collect());
        }
    }

    pub fn find(&mut self, pole: &Pole, second: i64, heard: Observation) {
        self.journal.send(&pole.name, second, vec![Item::Finding(Box::new(finding("ID-05", Tier::A, heard)))]);
    }

    pub fn alerts(&self) -> Vec<Alert> {
        let mut alerts = self.book.alerts(Filter::All, 1000).unwrap();
        alerts.sort_by_key(|alert| alert.id);
        alerts
    }

    pub fn alert(&self) -> Alert {
        let mut alerts = self.alerts();
        assert_eq!(alerts.len(), 1, "{alerts:#?}");
        alerts.remove(0)
    }
}

/// All poles hear the licensed cells and the fake, on which a rule fires.
pub fn story(hub: &mut Hub, poles: &[Pole], towers: &[Tower], fake: &Tower, seconds: impl Iterator<Item = i64>) {
    let mut world = World::new(T0, 50.0, 5);
    for second in seconds {
        for pole in poles {
            let licensed = towers.iter().map(|tower| world.hear(pole, tower, second as f64 + 0.1)).collect();
            hub.hear(pole, second, licensed);
            let heard = world.hear(pole, fake, second as f64 + 0.4);
            hub.find(pole, second, heard);
        }
    }
}
