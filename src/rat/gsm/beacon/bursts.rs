//! What is made of each burst of a beacon: carrier, timing, template, blocks.

use super::super::acquire::{soft_sch, wrong_bits};
use super::super::burst::{BURST_BITS, CUT, ETS, History, SYMBOL_RATE, TSC_START};
use super::super::coding::{Block, CcchClass, Place, SchInfo, encode_sch};
use super::super::equalizer::{Channel, Estimate, TAPS, Training};
use super::{Beacon, MEMORY, Workshop};
use num_complex::Complex32;
use std::f64::consts::PI;

/// Share of a synchronisation burst that its known bits must explain to count as a trace: a third at -3 dB in 200 kHz, while
/// other bursts of the same cell stay below 0.19 in the best of five places.
const TRACE: f32 = 0.25;
/// How much better its own estimate must fit a normal burst than the template before it is taken (F test, 8 and 34 degrees of freedom, 0.1 %).
const F_LIMIT: f32 = 1.9;

impl Beacon {
    /// Measures carrier, level and noise on a tone.
    pub(super) fn measure_fcch(&mut self, frame: i64, history: &History, shop: &mut Workshop) {
        let mut cut = [Complex32::default(); CUT];
        if !self.cut(frame, 0, history, shop, &mut cut) {
            return;
        }
        // All bits are 0: a constant once the quarter turn is out. Leave the ramps alone.
        const QUARTER: usize = 35;
        let tone = &cut[4..4 + 4 * QUARTER];
        let part = |i: usize| -> Complex32 { tone[i * QUARTER..(i + 1) * QUARTER].iter().sum() };
        let parts = [part(0), part(1), part(2), part(3)];
        let advance: Complex32 = parts.windows(2).map(|pair| pair[1] * pair[0].conj()).sum();
        let turn = f64::from(advance.arg()) / (2.0 * PI) / QUARTER as f64;
        let mean: Complex32 = parts
            .iter()
            .enumerate()
            .map(|(i, part)| part * Complex32::from_polar(1.0, (-2.0 * PI * turn * (i * QUARTER) as f64) as f32))
            .sum::<Complex32>()
            / tone.len() as f32;
        let total = tone.iter().map(|s| s.norm_sqr()).sum::<f32>() / tone.len() as f32;
        // The sum of each quarter loses a little to the turn inside it.
        let x = PI * turn * QUARTER as f64;
        let loss = if x.abs() < 1e-6 { 1.0 } else { (x.sin() / x).powi(2) };
        let count = tone.len() as f64;
        // The fitted mean holds one part in `count` of the noise; the fit took one more for the frequency.
        let noise = ((f64::from(total) - f64::from(mean.norm_sqr()) / loss) / (1.0 - 1.5 / count)).max(1e-16);
        let power = (f64::from(mean.norm_sqr()) / loss - noise / count).max(0.0);
        if power < 0.1 * noise {
            return;
        }
        self.counts.fcch += 1;
        self.touch(frame, shop);
        let offset = self.offset.mean + turn * SYMBOL_RATE;
        self.offset.take(offset, MEMORY);
        self.power.take(power, MEMORY);
        self.noise_density.take(noise / shop.noise_bandwidth, MEMORY);
    }

    /// Where the frame starts by its synchronisation burst, whose content is known. Keeps timing and template.
    pub(super) fn measure_sch(&mut self, frame: i64, history: &History, shop: &mut Workshop) -> bool {
        const SLACK: usize = 2;
        let mut cut = [Complex32::default(); CUT + 2 * SLACK];
        if !self.cut(frame, SLACK, history, shop, &mut cut) {
            return false;
        }
        let coded = encode_sch(self.bsic, self.number(frame));
        let mut signs = [1f32; BURST_BITS];
        for (n, sign) in signs.iter_mut().enumerate().take(145).skip(3) {
            let bit = match n {
                3..42 => coded[n - 3],
                42..106 => ETS[n - 42] - b'0',
                _ => coded[n - 106 + 39],
            };
            *sign = 1.0 - 2.0 * f32::from(bit);
        }
        let known = Training::from_signs(0, &signs);
        let best = (0..=2 * SLACK as isize)
            .filter_map(|shift| Some((shift, known.estimate(&cut, shift)?)))
            .max_by(|a, b| a.1.explained.total_cmp(&b.1.explained));
        let Some((shift, estimate)) = best else { return false };
        if estimate.explained < TRACE {
            return false;
        }
        let late = shift as f64 - SLACK as f64 + shop.pulse.delay(&estimate.channel);
        let step = shop.step();
        self.timing.take(frame, self.start(frame) + late * step);
        if shift == SLACK as isize {
            self.learn_template(&estimate.channel);
            self.noise += (estimate.noise - self.noise) / 8.0;
        } else {
            self.template_weight = 0.0;
        }
        self.touch(frame, shop);
        true
    }

    pub(super) fn read_sch(&mut self, frame: i64, history: &History, shop: &mut Workshop) {
        let mut cut = [Complex32::default(); CUT];
        if !self.cut(frame, 0, history, shop, &mut cut) {
            return;
        }
        let Some(own) = shop.sch_training.estimate(&cut, 0) else { return };
        let estimate = Estimate { noise: own.noise.max(f32::MIN_POSITIVE), ..own };
        let mut soft = [0f32; 78];
        soft_sch(&mut shop.equalizer, &shop.sch_training, &cut, &estimate, &mut soft);
        let expected = SchInfo { bsic: self.bsic, frame_number: self.number(frame) };
        if shop.sch.decode(&soft) == Some(expected) {
            self.counts.sch += 1;
            self.certain |= wrong_bits(&soft, expected) <= 6 && own.explained > 0.5;
        } else {
            self.counts.sch_failed += 1;
        }
        if self.measure_sch(frame, history, shop) {
            self.silent = 0;
        } else {
            self.silent += 1;
        }
    }

    /// Equalises one normal burst into the block being received.
    pub(super) fn read_normal(&mut self, frame: i64, burst: usize, history: &History, shop: &mut Workshop) -> bool {
        let mut cut = [Complex32::default(); CUT];
        if !self.cut(frame, 0, history, shop, &mut cut) {
            return false;
        }
        let training = &shop.normal_training[usize::from(self.bsic & 7)];
        let Some(own) = training.estimate(&cut, 0) else { return false };
        let estimate = match training.fit(&cut, &self.template) {
            Some(template) if self.template_weight > 0.0 && template.noise < F_LIMIT * own.noise => template,
            _ => own,
        };
        // 22 equations say little about noise: what synchronisation bursts say counts more.
        let noise = 0.8 * self.noise + 0.2 * estimate.noise;
        let estimate = Estimate { noise, ..estimate };
        let mut known = [0f32; BURST_BITS];
        known[..3].fill(1.0);
        known[145..].fill(1.0);
        known[TSC_START..TSC_START + 26].copy_from_slice(training.signs());
        // 57 bits and a stealing flag to either side.
        let mut soft = [0f32; 58];
        shop.equalizer.decide(&cut, &known, (3, 60), &estimate, &mut soft);
        self.block[burst][..57].copy_from_slice(&soft[..57]);
        shop.equalizer.decide(&cut, &known, (87, 144), &estimate, &mut soft);
        self.block[burst][57..].copy_from_slice(&soft[1..]);
        soft.fill(0.0);
        true
    }

    pub(super) fn finish_block(&mut self, frame: i64, number: u32, first: u32, shop: &mut Workshop) {
        let complete = std::mem::take(&mut self.have) == 0b1111;
        shop.equalizer.wipe();
        if !complete {
            self.block = [[0.0; 114]; 4];
            return;
        }
        let place = match first {
            2 => Place::BcchNorm,
            6 => Place::BcchExt,
            _ => Place::Ccch,
        };
        let block = shop.xcch.decode(&mut self.block, place);
        self.block = [[0.0; 114]; 4];
        match block {
            Block::Failed => self.counts.blocks_failed += 1,
            Block::Other(class) => {
                self.counts.blocks += 1;
                if let Some(class) = class {
                    self.counts.ccch[class_index(class)] += 1;
                }
                self.touch(frame, shop);
            }
            Block::SystemInformation(octets) => {
                self.counts.blocks += 1;
                self.counts.bcch += 1;
                self.touch(frame, shop);
                let tc = (place == Place::BcchNorm).then_some((number / 51 % 8) as usize);
                self.changed |= self.information.take(&octets, tc);
                self.combined = self.information.combined();
            }
        }
    }

    /// Averages the template, each estimate turned to agree with it.
    pub(super) fn learn_template(&mut self, channel: &Channel) {
        let cross: Complex32 = (0..TAPS).map(|k| channel[k] * self.template[k].conj()).sum();
        let turn = if cross.norm() > 0.0 { cross.conj() / cross.norm() } else { Complex32::new(1.0, 0.0) };
        self.template_weight = (self.template_weight + 1.0).min(12.0);
        let weight = 1.0 / self.template_weight;
        for (kept, new) in self.template.iter_mut().zip(channel) {
            *kept += (*new * turn - *kept) * weight;
        }
    }
}

fn class_index(class: CcchClass) -> usize {
    match class {
        CcchClass::Paging => 0,
        CcchClass::AccessGrant => 1,
        CcchClass::Dummy => 2,
        CcchClass::Other => 3,
    }
}
