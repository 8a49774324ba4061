//! Finds beacons in a narrow stream: FCCH by its tone, and the synchronisation burst by its training where no FCCH was caught.
//!
//! An FCCH is a pure tone for 148 symbols. A short FFT slides over the stream; where one bin and its neighbours hold more than
//! a fixed share of the power (`TONE_SHARE`), and did not do so one burst earlier (a steady carrier), the burst is fitted and the SCH is
//! looked for one frame later. In a window shorter than the 11 frames that may pass between two FCCHs there may be none: then
//! [`Acquirer::find_sch`] correlates with the extended training sequence over all carrier offsets at once.
//!
//! ## References
//! - 3GPP TS 45.002 Release 17, clauses 5.2.4, 5.2.5 and 7 (table 3)

use super::burst::{
    BURST_BITS, CUT, Cutter, ETS_START, FCCH_TONE, FRAME_SYMBOLS, History, PEAK, SYMBOL_RATE, sch_training,
};
use super::coding::{SchDecoder, SchInfo, encode_sch};
use super::equalizer::{Equalizer, Estimate, Training};
use super::pulse::Pulse;
use crate::units::Hz;
use num_complex::{Complex32, Complex64};
use rustfft::{Fft, FftPlanner};
use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

/// Carrier offsets searched, to either side; the receiver's promise is 40 kHz.
const MAX_OFFSET: Hz = Hz(42e3);
/// Share of the power in the tone's three bins that makes a window worth fitting. Noise alone passes in one window of
/// about 3000, at 0 dB in 200 kHz an FCCH passes in 99 of 100; `acquire::tests`.
const TONE_SHARE: f32 = 0.27;
/// Share of the power that the fitted tone of 146 symbols must hold.
const FIT_SHARE: f64 = 0.22;
/// Share from which a tone of 146 symbols is an FCCH beyond doubt, even where no SCH can be read: 0 dB in 200 kHz.
const CLEAR_TONE: f64 = 0.4;
/// Share of the power that the training must explain in one hypothesis of [`Acquirer::find_sch`]: noise alone reaches it in
/// fewer than 1 of 10^7 hypotheses, `(1 - x)^63`.
const TRAINING_SHARE: f32 = 0.26;
/// Symbols around the expected place in which the SCH of an FCCH is looked for.
const SLACK: usize = 12;
/// Wrong bits of 78 (after re-encoding) up to which a lone synchronisation burst is believed.
const MAX_WRONG_BITS: usize = 6;

/// A synchronisation burst that was decoded.
#[derive(Clone, Copy, Debug)]
pub struct Acquisition {
    /// Start of its frame, narrow samples.
    pub start: f64,
    /// What it says.
    pub info: SchInfo,
    /// Received carrier minus the centre of the narrow stream.
    pub offset: Hz,
    /// Channel and noise on it.
    pub estimate: Estimate,
    /// Few enough bits had to be corrected that this burst alone proves a beacon.
    pub certain: bool,
}

/// The tone of one FCCH burst.
#[derive(Clone, Copy, Debug)]
struct Tone {
    /// Start of the burst, narrow samples.
    start: f64,
    /// Received carrier minus the centre of the narrow stream.
    offset: Hz,
    /// Share of the power that it holds.
    share: f64,
}

/// Scratch and tables for acquisition, shared by the channels of a receiver.
pub struct Acquirer {
    rate: f64,
    window: usize,
    fft: Arc<dyn Fft<f32>>,
    wide_fft: Arc<dyn Fft<f32>>,
    buffer: Vec<Complex32>,
    scratch: Vec<Complex32>,
    /// Running sums of samples and powers while a tone is fitted.
    sums: Vec<(Complex64, f64)>,
    training: Training,
    pulse: Pulse,
    decoder: SchDecoder,
}

impl fmt::Debug for Acquirer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquirer").field("rate", &self.rate).field("window", &self.window).finish_non_exhaustive()
    }
}

/// Where the search for tones stands in one narrow stream.
#[derive(Clone, Debug)]
pub struct Search {
    next: u64,
    /// The last windows: share, and bin relative to the window's FFT.
    recent: [(f32, f32); 6],
    tone: Option<Hz>,
}

impl Search {
    /// Carrier offset from the centre of the narrow stream of the last FCCH seen beyond doubt, whether or not its SCH could be read.
    pub fn tone(&self) -> Option<Hz> {
        self.tone
    }

    /// A search that begins at sample `from`.
    pub fn new(from: u64) -> Search {
        Search { next: from, recent: [(0.0, 0.0); 6], tone: None }
    }
}

/// Length of the FFT over the training, all carrier offsets at once.
const TRAINING_FFT: usize = 128;

impl Acquirer {
    /// For narrow streams of `rate`.
    pub fn new(rate: Hz, pulse: Pulse) -> Acquirer {
        // Half a burst at most, so that one window always lies inside: 260 us.
        let window = ((260e-6 * rate.0) as usize / 8).max(4) * 8;
        let mut planner = FftPlanner::new();
        let fft = planner.plan_fft_forward(window);
        let wide_fft = planner.plan_fft_forward(TRAINING_FFT);
        let scratch = fft.get_inplace_scratch_len().max(wide_fft.get_inplace_scratch_len());
        Acquirer {
            rate: rate.0,
            window,
            fft,
            wide_fft,
            buffer: vec![Complex32::default(); window.max(TRAINING_FFT)],
            scratch: vec![Complex32::default(); scratch],
            sums: Vec::with_capacity((2.0 * 150.0 * rate.0 / SYMBOL_RATE) as usize),
            training: sch_training(),
            pulse,
            decoder: SchDecoder::new(),
        }
    }

    /// Narrow samples of one symbol.
    fn step(&self) -> f64 {
        self.rate / SYMBOL_RATE
    }

    /// Looks for the next beacon from where `search` stands to the end of `history`. `None`: everything has been looked at.
    ///
    /// An SCH needs one more frame after its FCCH: `search` waits for it unless `last`.
    pub fn next_beacon(
        &mut self,
        history: &History,
        search: &mut Search,
        cutter: &mut Cutter,
        equalizer: &mut Equalizer,
        last: bool,
    ) -> Option<Acquisition> {
        search.next = search.next.max(history.first());
        // Everything that fitting a tone and reading its SCH may touch.
        let ahead = ((2.0 * FRAME_SYMBOLS) * self.step()) as u64;
        let limit = if last { history.end() } else { history.end().saturating_sub(ahead) };
        while search.next + self.window as u64 <= limit {
            let from = search.next;
            let window = history.slice(from as i64, from as i64 + self.window as i64)?;
            let now = self.tone_share(window);
            search.next += (self.window / 2) as u64;
            search.recent.rotate_left(1);
            search.recent[5] = now;
            let [_, _, _, before, peak, after] = search.recent;
            let is_peak = peak.0 >= TONE_SHARE && peak.0 >= before.0 && peak.0 > after.0;
            let steady = search.recent[0].0 >= TONE_SHARE && (search.recent[0].1 - peak.1).abs() < 1.5;
            if is_peak && !steady {
                let centre = from as f64;
                let found = self.fit_tone(history, centre, f64::from(peak.1) * self.rate / self.window as f64);
                if let Some(tone) = &found
                    && tone.share >= CLEAR_TONE
                {
                    search.tone = Some(tone.offset);
                }
                if let Some(tone) = found
                    && let Some(acquisition) = self.read_sch(history, tone, cutter, equalizer)
                {
                    return Some(acquisition);
                }
            }
        }
        None
    }

    /// Share of the window's power in the strongest bin of the FCCH's range and its two neighbours, and where it peaks, in bins.
    fn tone_share(&mut self, window: &[Complex32]) -> (f32, f32) {
        let length = self.window as i64;
        let spectrum = &mut self.buffer[..self.window];
        spectrum.copy_from_slice(window);
        self.fft.process_with_scratch(spectrum, &mut self.scratch);
        let power = |bin: i64| spectrum[bin.rem_euclid(length) as usize].norm_sqr();
        let bins = |hz: f64| (hz * self.window as f64 / self.rate).round() as i64;
        let reach = bins(135e3).min(length / 2 - 1);
        let total: f32 = (-reach..=reach).map(power).sum();
        let (low, high) = (bins(FCCH_TONE.0 - MAX_OFFSET.0), bins(FCCH_TONE.0 + MAX_OFFSET.0).min(length / 2 - 2));
        let mut best = (0f32, low);
        for bin in low..=high {
            let here = power(bin);
            if here > best.0 {
                best = (here, bin);
            }
        }
        let (left, right) = (power(best.1 - 1), power(best.1 + 1));
        let (l, c, r) = (left.sqrt(), best.0.sqrt(), right.sqrt());
        // Peak of a rectangular window's main lobe between its two strongest bins.
        let shift = if r > l { r / (r + c) } else { -l / (l + c) };
        ((left + best.0 + right) / total.max(f32::MIN_POSITIVE), best.1 as f32 + if c > 0.0 { shift } else { 0.0 })
    }

    /// Fits a tone of 146 symbols around the window that begins at `window_start - window/2`, near `hz` from the centre.
    fn fit_tone(&mut self, history: &History, window_start: f64, hz: f64) -> Option<Tone> {
        let step = self.step();
        let length = (146.0 * step) as usize;
        let middle = window_start as i64;
        let from = (middle - length as i64).max(history.first() as i64);
        let to = (middle + length as i64).min(history.end() as i64);
        let samples = history.slice(from, to)?;
        if samples.len() <= length {
            return None;
        }
        let mut hz = hz;
        let mut best = (0usize, 0f64);
        let sums = &mut self.sums;
        for _ in 0..3 {
            sums.clear();
            sums.push((Complex64::default(), 0.0));
            let mut total = (Complex64::default(), 0.0);
            let turn = Complex64::from_polar(1.0, -2.0 * PI * hz / self.rate);
            let mut rotor = Complex64::new(1.0, 0.0);
            for sample in samples {
                let sample = Complex64::new(f64::from(sample.re), f64::from(sample.im));
                total = (total.0 + sample * rotor, total.1 + sample.norm_sqr());
                rotor *= turn;
                sums.push(total);
            }
            let span = |from: usize, to: usize| sums[to].0 - sums[from].0;
            best = (0..samples.len() - length)
                .map(|at| (at, span(at, at + length).norm_sqr() / (sums[at + length].1 - sums[at].1) / length as f64))
                .fold((0, 0.0), |best, now| if now.1 > best.1 { now } else { best });
            // Phase advance from quarter to quarter.
            let quarter = length / 4;
            let part = |i: usize| span(best.0 + i * quarter, best.0 + (i + 1) * quarter);
            let advance: Complex64 = (0..3).map(|i| part(i + 1) * part(i).conj()).sum();
            hz += advance.arg() / (2.0 * PI) * self.rate / quarter as f64;
        }
        let offset = Hz(hz - FCCH_TONE.0);
        (best.1 >= FIT_SHARE && offset.0.abs() <= MAX_OFFSET.0).then_some(Tone {
            start: from as f64 + best.0 as f64 - step,
            offset,
            share: best.1,
        })
    }

    /// Reads the SCH that follows an FCCH by one frame.
    fn read_sch(
        &mut self,
        history: &History,
        tone: Tone,
        cutter: &mut Cutter,
        equalizer: &mut Equalizer,
    ) -> Option<Acquisition> {
        let start = tone.start + FRAME_SYMBOLS * self.step();
        self.decode_sch(history, start, tone.offset, SLACK, cutter, equalizer)
    }

    /// Decodes a synchronisation burst whose frame starts within `slack` symbols of `start`.
    fn decode_sch(
        &mut self,
        history: &History,
        start: f64,
        offset: Hz,
        slack: usize,
        cutter: &mut Cutter,
        equalizer: &mut Equalizer,
    ) -> Option<Acquisition> {
        let step = self.step();
        let mut cut = [Complex32::default(); CUT + 2 * SLACK];
        let cut = &mut cut[..CUT + 2 * slack];
        let first = start + (0.5 - PEAK as f64 - slack as f64) * step;
        if !cutter.cut(history, first, step, offset, cut) {
            return None;
        }
        let (shift, coarse) = (0..=2 * slack as isize)
            .filter_map(|shift| Some((shift, self.training.estimate(cut, shift)?)))
            .max_by(|a, b| a.1.explained.total_cmp(&b.1.explained))?;
        // Five taps may hold the pulse in several places: put its peak where it belongs, then refine the carrier.
        let late = self.pulse.delay(&coarse.channel);
        let mut start = start + (shift as f64 - slack as f64 + late) * step;
        let mut offset = offset;
        for _ in 0..2 {
            let first = start + (0.5 - PEAK as f64) * step;
            if !cutter.cut(history, first, step, offset, &mut cut[..CUT]) {
                return None;
            }
            offset = offset + self.slope(&cut[..CUT])?;
            let estimate = self.training.estimate(&cut[..CUT], 0)?;
            start += self.pulse.delay(&estimate.channel) * step;
        }
        let first = start + (0.5 - PEAK as f64) * step;
        if !cutter.cut(history, first, step, offset, &mut cut[..CUT]) {
            return None;
        }
        let estimate = self.training.estimate(&cut[..CUT], 0)?;
        let mut soft = [0f32; 78];
        soft_sch(equalizer, &self.training, &cut[..CUT], &estimate, &mut soft);
        let info = self.decoder.decode(&soft)?;
        let wrong = wrong_bits(&soft, info);
        let late = self.pulse.delay(&estimate.channel);
        (wrong <= 2 * MAX_WRONG_BITS && estimate.explained > 0.35).then_some(Acquisition {
            start: start + late * step,
            info,
            offset,
            estimate,
            certain: wrong <= MAX_WRONG_BITS && estimate.explained > 0.5,
        })
    }

    /// What is left of the carrier offset, from the phase advance between the halves of the training.
    fn slope(&self, cut: &[Complex32]) -> Option<Hz> {
        let estimate = self.training.estimate(cut, 0)?;
        let signs = self.training.signs();
        let part = |from: usize, to: usize| -> Complex32 {
            (from..to)
                .map(|n| {
                    let model: Complex32 =
                        (0..estimate.channel.len()).map(|k| estimate.channel[k] * signs[n - k]).sum();
                    cut[ETS_START + n] * model.conj()
                })
                .sum()
        };
        let (early, late) = (part(4, 34), part(34, 64));
        Some(Hz(f64::from((late * early.conj()).arg()) / (2.0 * PI) * SYMBOL_RATE / 30.0))
    }

    /// Synchronisation bursts in a short history without a usable FCCH, best first, at most `most`.
    pub fn find_sch(
        &mut self,
        history: &History,
        most: usize,
        cutter: &mut Cutter,
        equalizer: &mut Equalizer,
    ) -> Vec<Acquisition> {
        let step = self.step();
        let reach = cutter.reach() + 1.0;
        let (begin, end) = (history.first() as f64 + reach, history.end() as f64 - reach);
        // Two passes half a symbol apart: a pulse between two samples loses 1.5 dB.
        let mut peaks: Vec<(f32, f64, f64)> = Vec::new();
        let mut row = [Complex32::default(); 160];
        for half in 0..2 {
            let mut at = begin + 0.5 * f64::from(half) * step;
            while at + row.len() as f64 * step < end {
                // The filter is wide open here (the carrier is unknown): decimate by interpolation around zero offset.
                if !cutter.cut(history, at, step, Hz(0.0), &mut row) {
                    break;
                }
                for shift in 0..=row.len() - 64 {
                    let (share, turn) = self.training_share(&row[shift..shift + 64]);
                    if share >= TRAINING_SHARE {
                        let start = at + (shift as f64 - ETS_START as f64 - 0.5) * step;
                        peaks.push((share, start, turn));
                    }
                }
                at += (row.len() - 63) as f64 * step;
            }
        }
        peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut found: Vec<Acquisition> = Vec::new();
        for (_, start, turn) in peaks.into_iter().take(64) {
            let known = |at: &Acquisition| (at.start - start).abs() < 4.0 * step;
            if found.len() >= most || found.iter().any(known) {
                continue;
            }
            let offset = Hz(turn * SYMBOL_RATE);
            if let Some(acquisition) = self.decode_sch(history, start, offset, 3, cutter, equalizer) {
                found.push(acquisition);
            }
        }
        found
    }

    /// Share of the power of 64 symbols that the training explains at the best carrier offset, and that offset in turns a symbol.
    fn training_share(&mut self, symbols: &[Complex32]) -> (f32, f64) {
        let power: f32 = symbols.iter().map(|s| s.norm_sqr()).sum();
        let product = &mut self.buffer[..TRAINING_FFT];
        for ((product, symbol), sign) in product.iter_mut().zip(symbols).zip(self.training.signs()) {
            *product = *symbol * *sign;
        }
        product[64..].fill(Complex32::default());
        self.wide_fft.process_with_scratch(product, &mut self.scratch);
        let reach = (MAX_OFFSET.0 / SYMBOL_RATE * TRAINING_FFT as f64) as i64 + 1;
        let (bin, best) = (-reach..=reach)
            .map(|bin| (bin, product[bin.rem_euclid(TRAINING_FFT as i64) as usize].norm_sqr()))
            .fold((0, 0.0), |best, now| if now.1 > best.1 { now } else { best });
        (best / (64.0 * power).max(f32::MIN_POSITIVE), bin as f64 / TRAINING_FFT as f64)
    }
}

/// Soft decisions on the 39 + 39 coded bits of a synchronisation burst; TS 45.002 clause 5.2.5.
pub fn soft_sch(
    equalizer: &mut Equalizer,
    training: &Training,
    cut: &[Complex32],
    estimate: &Estimate,
    soft: &mut [f32; 78],
) {
    let mut known = [0f32; BURST_BITS];
    known[..3].fill(1.0);
    known[145..].fill(1.0);
    known[ETS_START..ETS_START + 64].copy_from_slice(training.signs());
    let (left, right) = soft.split_at_mut(39);
    equalizer.decide(cut, &known, (3, 41), estimate, left);
    equalizer.decide(cut, &known, (106, 144), estimate, right);
}

/// How many hard decisions differ from the word that was decoded.
pub fn wrong_bits(soft: &[f32; 78], info: SchInfo) -> usize {
    let sent = encode_sch(info.bsic, info.frame_number);
    soft.iter().zip(sent).filter(|(soft, bit)| (**soft < 0.0) != (*bit == 1)).count()
}
