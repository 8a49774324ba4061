//! A straight line through the frame starts measured lately.

use std::collections::VecDeque;

/// Measurements kept: synchronisation bursts of 6 s.
const KEPT: usize = 128;

/// Frame starts by frame count, fitted as `anchor + frames * nominal * (1 + rate)`.
#[derive(Clone, Debug)]
pub struct Regression {
    nominal: f64,
    points: VecDeque<(i64, f64)>,
    line: Line,
}

/// The fitted line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// Frame at which `start` is given: the newest measured.
    pub at: i64,
    /// Its start, narrow samples.
    pub start: f64,
    /// Standard deviation of `start`; `None` with fewer than three measurements.
    pub sigma: Option<f64>,
    /// Frame period over nominal, minus 1: positive, the frames come too slowly.
    pub rate: f64,
    /// Standard deviation of `rate`; `None` as above.
    pub rate_sigma: Option<f64>,
    /// Measurements behind it.
    pub points: usize,
}

impl Regression {
    /// For frames that last `nominal` narrow samples.
    pub fn new(nominal: f64) -> Regression {
        Regression { nominal, points: VecDeque::with_capacity(KEPT), line: Line::default() }
    }

    /// Takes the measured start of a frame; frames may come in any order, a frame measured again replaces what was known.
    pub fn take(&mut self, frame: i64, start: f64) {
        if let Some(known) = self.points.iter_mut().find(|point| point.0 == frame) {
            known.1 = start;
        } else {
            if self.points.len() == KEPT {
                self.points.pop_front();
            }
            let place = self.points.partition_point(|point| point.0 < frame);
            self.points.insert(place, (frame, start));
        }
        self.fit();
    }

    /// The fitted line.
    pub fn line(&self) -> Line {
        self.line
    }

    /// Start of a frame by the fitted line.
    pub fn at(&self, frame: i64) -> f64 {
        self.line.start + (frame - self.line.at) as f64 * self.nominal * (1.0 + self.line.rate)
    }

    fn fit(&mut self) {
        let Some(&(origin, base)) = self.points.back() else { return };
        let count = self.points.len() as f64;
        // Deviations from nominal are small numbers: fit those.
        let deviation = |point: &(i64, f64)| point.1 - base - (point.0 - origin) as f64 * self.nominal;
        let x = |point: &(i64, f64)| (point.0 - origin) as f64 * self.nominal;
        let mean_x = self.points.iter().map(x).sum::<f64>() / count;
        let mean_y = self.points.iter().map(deviation).sum::<f64>() / count;
        let spread: f64 = self.points.iter().map(|p| (x(p) - mean_x).powi(2)).sum();
        let cross: f64 = self.points.iter().map(|p| (x(p) - mean_x) * (deviation(p) - mean_y)).sum();
        let rate = if spread > 0.0 { cross / spread } else { 0.0 };
        let residual: f64 = self.points.iter().map(|p| (deviation(p) - mean_y - rate * (x(p) - mean_x)).powi(2)).sum();
        let variance = (self.points.len() >= 3).then(|| residual / (count - 2.0));
        self.line = Line {
            at: origin,
            start: base + mean_y - rate * mean_x,
            sigma: variance.map(|v| (v * (1.0 / count + mean_x * mean_x / spread)).sqrt()),
            rate,
            rate_sigma: variance.map(|v| (v / spread).sqrt()),
            points: self.points.len(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_with_its_scatter() {
        let mut regression = Regression::new(2307.69);
        for i in 0..100i64 {
            let frame = i * 10;
            let noise = if i % 2 == 0 { 0.1 } else { -0.1 };
            regression.take(frame, 5e6 + frame as f64 * 2307.69 * (1.0 - 9e-6) + noise);
        }
        let line = regression.line();
        assert!((line.rate + 9e-6).abs() < 5e-8, "{line:?}");
        assert!(line.sigma.unwrap() < 0.03 && line.rate_sigma.unwrap() < 5e-8);
        assert!((regression.at(500) - (5e6 + 500.0 * 2307.69 * (1.0 - 9e-6))).abs() < 0.03);
    }

    #[test]
    fn one_measurement_gives_a_place_and_no_sigma() {
        let mut regression = Regression::new(2307.69);
        regression.take(0, 100.0);
        assert_eq!((regression.at(1), regression.line().sigma), (100.0 + 2307.69, None));
    }
}
