//! What a tour tells of itself for the health report.

use super::{AIRTIME, Tour};
use crate::observation::Schedule;
use crate::units::Timestamp;
use std::sync::PoisonError;

impl Tour {
    /// Writes the schedule.
    pub(super) fn tell(&self, now: Timestamp) {
        let Some(dwell) = &self.dwell else { return };
        let windows = self.plan.windows();
        let age = |gsm: bool| {
            let of_kind = windows.iter().filter(|window| window.gsm == gsm && !window.refused);
            let ages = of_kind.map(|window| window.swept.map(|at| (now - at).as_secs_f64()));
            ages.collect::<Option<Vec<f64>>>().map(|ages| ages.into_iter().fold(0.0, f64::max))
        };
        let tenths = |seconds: f64| (seconds * 10.0).round() / 10.0;
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        *schedule = Schedule {
            receiver: self.name.clone(),
            doing: dwell.step.kind.as_str().to_owned(),
            center_hz: u64::try_from(dwell.step.center.round()).unwrap_or(0),
            windows: windows.len() as u32,
            candidates: windows.iter().filter(|window| window.candidate.is_some()).count() as u32,
            steps: self.steps,
            oldest_gsm_s: age(true).map(tenths),
            oldest_other_s: age(false).map(tenths),
            chance_60s: (self.plan.chance(AIRTIME, AIRTIME) * 1000.0).round() / 1000.0,
            unreachable: self.plan.unreachable().to_vec(),
        };
    }
}
