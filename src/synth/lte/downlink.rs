//! A cell's downlink as a node's receiver delivers it: tuned, delayed, at some level, by two imperfect clocks.
//!
//! The signal is made subframe by subframe at a rate of the resource grid by the cell's own clock, and read from there at the
//! receiver's instants by a windowed sinc. Of the cell's subcarriers those are sent that lie inside the receiver's band, as behind
//! a filter without transition.

use super::resources::Resources;
use super::{Cell, CellError, check};
use crate::radio::source::StreamInfo;
use crate::rat::lte::grid::Grid;
use crate::rat::lte::numerology::{BASE_FFT, BASE_RATE, BASE_SUBFRAME, BLOCK, MAX_SYMBOLS, SUBCARRIER, SUBFRAMES};
use crate::synth::gsm::Picos;
use crate::synth::gsm::beacon::{MAX_CLOCK_ERROR, PARTS, STRETCH, fixed, gcd, parts, unit};
use crate::synth::gsm::gmsk::FRACTION;
use crate::units::{Db, Dbfs, Hz, Ppb, SampleIndex};
use multiversion::multiversion;
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::{PI, TAU};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Frame numbers count modulo this; TS 36.331 clause 6.2.2.
const FRAME_NUMBERS: i64 = 1024;
/// Samples that an instant between them is read from.
const TAPS: usize = 16;
/// Fractions of a sample that are tabulated: the nearest one is wrong by at most 0.13 ns at the lowest rate.
const PHASES_LOG: u32 = 11;
/// Share of the rate of the grid, to either side, that subcarriers may lie in: what the interpolation takes without loss.
const USABLE: f64 = 0.3;
/// Share of the stream's rate, to either side, that its front end lets through.
const PASSED: f64 = 0.49;

/// A sinc under a Blackman window, by phase: flat within 0.1 % and 70 dB down beyond what [`USABLE`] leaves.
static KERNEL: LazyLock<Vec<[f32; TAPS]>> = LazyLock::new(|| {
    let half = TAPS as f64 / 2.0;
    let sinc = |x: f64| if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
    let window = |x: f64| 0.42 + 0.5 * (PI * x / half).cos() + 0.08 * (TAU * x / half).cos();
    (0..1 << PHASES_LOG)
        .map(|phase| {
            let fraction = f64::from(phase) / f64::from(1 << PHASES_LOG);
            let row: [f64; TAPS] = std::array::from_fn(|tap| {
                let t = tap as f64 - (half - 1.0) - fraction;
                sinc(t) * window(t)
            });
            let sum: f64 = row.iter().sum();
            row.map(|value| (value / sum) as f32)
        })
        .collect()
});

/// A cell as one receiver hears it.
#[derive(Clone, Debug)]
pub struct DownlinkConfig {
    /// What it sends.
    pub cell: Cell,
    /// System frame number of the frame that begins at `start`.
    pub frame_number: u16,
    /// When that frame begins at the antenna port, in true time from the stream's sample 0; may be negative. The cell is on air at
    /// all times before and after.
    pub start: Picos,
    /// Nominal carrier.
    pub carrier: Hz,
    /// How far the carrier alone is off, as no real station is, but as an oscillator after the sampling clock would show.
    pub carrier_offset: Hz,
    /// Error of the clock that carrier and symbols derive from; positive: fast.
    pub clock_error: Ppb,
    /// Power where every resource element is sent: that of a reference element (RSRP) times the number of subcarriers.
    pub level: Dbfs,
    /// Phase of the carrier at sample 0, in turns; matters only between paths of one cell.
    pub phase_turns: f64,
    /// Amplitude and phase in which each antenna port arrives, relative to `level`.
    pub ports: [Complex32; 4],
}

impl DownlinkConfig {
    /// `cell` on `carrier` at `level`, frame 0 at sample 0, no errors; the ports arrive alike in power and apart in phase.
    pub fn new(cell: Cell, carrier: Hz, level: Dbfs) -> DownlinkConfig {
        DownlinkConfig {
            cell,
            frame_number: 0,
            start: Picos(0),
            carrier,
            carrier_offset: Hz(0.0),
            clock_error: Ppb(0.0),
            level,
            phase_turns: 0.0,
            ports: [0.0, 0.31, 0.57, 0.83].map(unit),
        }
    }

    /// A second path: later, weaker, at another phase, which need not be the same for all ports.
    pub fn second_path(&self, excess: Picos, loss: Db, phase_turns: [f64; 4]) -> DownlinkConfig {
        let mut ports = self.ports;
        ports.iter_mut().zip(phase_turns).for_each(|(port, turns)| *port *= unit(turns));
        DownlinkConfig {
            start: Picos(self.start.0.saturating_add(excess.0)),
            level: self.level - loss,
            ports,
            ..self.clone()
        }
    }
}

/// Adds one cell to blocks of samples.
#[derive(Clone)]
pub struct Downlink {
    resources: Resources,
    frame_number: u16,
    grids: Vec<Grid>,
    ports: Vec<Complex32>,
    /// Subcarriers that the receiver's band holds.
    kept: std::ops::Range<usize>,
    fft: Arc<dyn Fft<f32>>,
    symbol: Vec<Complex32>,
    scratch: Vec<Complex32>,
    /// In-phase and quadrature parts: the last [`TAPS`] samples before a subframe, and the subframe.
    real: Vec<f32>,
    imaginary: Vec<f32>,
    /// The subframe, counted from `start`.
    held: Option<i64>,
    /// Samples of the grid a sample of the stream, as a fraction.
    numerator: i128,
    denominator: i128,
    /// Position of sample 0, samples of the grid with FRACTION binary places.
    origin: i128,
    step: u64,
    /// Carrier over sample rate, both in microhertz.
    carrier_uhz: i128,
    rate_uhz: i128,
    amplitude: f32,
    phase_turns: f64,
    /// The carrier over one stretch.
    rotation: Vec<Complex32>,
}

impl fmt::Debug for Downlink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downlink").field("cell", self.resources.cell()).finish_non_exhaustive()
    }
}

impl Downlink {
    /// A cell in the stream `info`, whose sampling and tuning share a clock that is `sample_clock_error` fast.
    ///
    /// # Errors
    /// [`CellError`] where a value makes no sense, or nothing of the cell lies inside the stream's bandwidth.
    pub fn new(info: &StreamInfo, sample_clock_error: Ppb, config: DownlinkConfig) -> Result<Downlink, CellError> {
        let rate = info.sample_rate.0;
        check(rate.is_finite() && (1e3..=1e9).contains(&rate), "the sample rate", rate, "1 kHz to 1 GHz")?;
        for (what, error) in
            [("the cell's clock error", config.clock_error), ("the sample clock's error", sample_clock_error)]
        {
            check(error.0.abs() <= MAX_CLOCK_ERROR.0, what, error.0, "within 1000000 ppb")?;
        }
        let number = config.frame_number;
        check(i64::from(number) < FRAME_NUMBERS, "the frame number", number, "below 1024")?;
        check(config.level.0 <= 60.0, "the level", config.level.0, "at most 60 dBFS")?;

        // What the receiver's clock calls a hertz, at baseband; differences first, for the sake of precision.
        let (up, ours) = (config.clock_error.0 * 1e-9, sample_clock_error.0 * 1e-9);
        let shift =
            config.carrier.0 - info.center.0 + config.carrier_offset.0 + config.carrier.0 * (up - ours) / (1.0 + ours);
        check(shift.is_finite(), "the carrier's place in the stream", shift, "finite")?;
        let resources = Resources::new(config.cell)?;
        let cell = resources.cell();
        let subcarriers = cell.blocks * BLOCK;
        let inside = |c: &usize| (shift + SUBCARRIER.0 * frequency(*c, subcarriers) as f64).abs() < PASSED * rate;
        let first = (0..subcarriers).find(inside);
        let last = (0..subcarriers).rev().find(inside);
        let (Some(first), Some(last)) = (first, last) else {
            return Err(CellError::Range {
                what: "the carrier's place in the stream",
                value: format!("{shift:.0} Hz"),
                allowed: format!("within half the sample rate of the tuning, {:.0} Hz", rate / 2.0),
            });
        };
        let farthest = [first, last].map(|c| frequency(c, subcarriers).unsigned_abs()).into_iter().max().unwrap_or(1);
        let mut scale = 1;
        while farthest as f64 > USABLE * (BASE_FFT * scale) as f64 {
            scale *= 2;
        }

        // True time runs as sample number / (rate * (1 + receiver's error)); the grid as time * its rate * (1 + cell's).
        let (transmitter, receiver) = (PARTS + parts(config.clock_error), PARTS + parts(sample_clock_error));
        let grid_rate = BASE_RATE.0 as i128 * scale as i128;
        let rate_mhz = (rate * 1e3).round() as i128;
        let (numerator, denominator) = (grid_rate * 1000 * transmitter, rate_mhz * receiver);
        let common = gcd(numerator, denominator);
        let (numerator, denominator) = (numerator / common, denominator / common);
        let before = i128::from(config.start.0) * grid_rate;
        // Picoseconds times parts of the clock would overflow: the clock's error of the delay is added by itself.
        let error = fixed(before / PARTS * (transmitter - PARTS), PARTS);
        let carrier_uhz = (shift * 1e6).round() as i128;
        let rate_uhz = rate_mhz * 1000;
        let turns = |n: i128| (n * carrier_uhz).rem_euclid(rate_uhz) as f64 / rate_uhz as f64;
        let length = BASE_FFT * scale;
        let fft = FftPlanner::new().plan_fft_inverse(length);
        Ok(Downlink {
            frame_number: number,
            grids: vec![Grid::new(subcarriers, MAX_SYMBOLS); cell.ports],
            ports: config.ports[..cell.ports].to_vec(),
            kept: first..last + 1,
            symbol: vec![Complex32::default(); length],
            scratch: vec![Complex32::default(); fft.get_inplace_scratch_len()],
            fft,
            real: vec![0.0; TAPS + BASE_SUBFRAME * scale],
            imaginary: vec![0.0; TAPS + BASE_SUBFRAME * scale],
            held: None,
            numerator,
            denominator,
            // Half a phase of the kernel turns truncation into rounding.
            origin: (1 << (FRACTION - PHASES_LOG - 1)) - fixed(before, PARTS) - error,
            step: fixed(numerator, denominator) as u64,
            carrier_uhz,
            rate_uhz,
            amplitude: (10f64.powf(config.level.0 / 20.0) / (subcarriers as f64).sqrt()) as f32,
            phase_turns: config.phase_turns,
            rotation: (0..i128::from(STRETCH)).map(|n| unit(turns(n))).collect(),
            resources,
        })
    }

    /// Adds the cell's signal to `out`, whose first sample is number `first` of the stream.
    pub fn add_to(&mut self, first: SampleIndex, out: &mut [Complex32]) {
        let mut first = first.0;
        let mut rest = out;
        while !rest.is_empty() {
            let offset = first % STRETCH;
            let count = rest.len().min((STRETCH - offset) as usize);
            let (now, later) = rest.split_at_mut(count);
            self.add_stretch(first - offset, offset as usize, now);
            rest = later;
            first += count as u64;
        }
    }

    /// Adds to `out`, which begins `offset` samples after the exactly computed sample `anchor` and ends in its stretch.
    fn add_stretch(&mut self, anchor: u64, offset: usize, out: &mut [Complex32]) {
        let length = ((self.real.len() - TAPS) as u64) << FRACTION;
        // The last sample that a position is read from lies half the taps after it.
        let reach = (TAPS as i128 / 2) << FRACTION;
        let position = self.origin + fixed(i128::from(anchor) * self.numerator, self.denominator) + reach;
        let mut subframe = position.div_euclid(i128::from(length)) as i64;
        let mut within = position.rem_euclid(i128::from(length)) as u64 + self.step * offset as u64;
        let turns = (i128::from(anchor) * self.carrier_uhz).rem_euclid(self.rate_uhz) as f64 / self.rate_uhz as f64;
        let phasor = unit(turns + self.phase_turns) * self.amplitude;
        let (step, mut filled) = (self.step, 0);
        while filled < out.len() {
            subframe += (within / length) as i64;
            within %= length;
            let run = (length - within).div_ceil(step).min((out.len() - filled) as u64) as usize;
            self.hold(subframe);
            let range = filled..filled + run;
            let rotation = &self.rotation[offset + filled..];
            add(&mut out[range.clone()], rotation, phasor, [&self.real, &self.imaginary], within, step);
            within += step * run as u64;
            filled = range.end;
        }
    }

    /// Sees to it that the samples of `subframe`, and those just before it, are there.
    fn hold(&mut self, subframe: i64) {
        if self.held == Some(subframe) {
            return;
        }
        if self.held != Some(subframe - 1) {
            self.modulate(subframe - 1);
        }
        for part in [&mut self.real, &mut self.imaginary] {
            let end = part.len() - TAPS;
            part.copy_within(end.., 0);
        }
        self.modulate(subframe);
        self.held = Some(subframe);
    }

    /// Makes the samples of `subframe`, counted from `start`; TS 36.211 clause 6.12.
    fn modulate(&mut self, subframe: i64) {
        let (frame, within) = (subframe.div_euclid(SUBFRAMES as i64), subframe.rem_euclid(SUBFRAMES as i64) as usize);
        let number = (i64::from(self.frame_number) + frame).rem_euclid(FRAME_NUMBERS) as u16;
        self.resources.subframe(frame.cast_unsigned(), number, within, &mut self.grids);
        let cell = self.resources.cell();
        let length = self.symbol.len();
        let (subcarriers, scale) = (cell.blocks * BLOCK, length / BASE_FFT);
        let mut from = TAPS;
        for symbol in 0..cell.cp.symbols() {
            self.symbol.fill(Complex32::default());
            for c in self.kept.clone() {
                let sent = self.grids.iter().zip(&self.ports).map(|(grid, port)| grid.symbol(symbol)[c] * port);
                let bin = frequency(c, subcarriers).rem_euclid(length as i64) as usize;
                self.symbol[bin] = sent.sum();
            }
            self.fft.process_with_scratch(&mut self.symbol, &mut self.scratch);
            // The prefix is what the symbol ends with.
            let useful = TAPS + cell.cp.useful(symbol) * scale;
            let prefix = useful - from;
            let samples = self.symbol[length - prefix..].iter().chain(&self.symbol);
            let places = self.real[from..].iter_mut().zip(&mut self.imaginary[from..]);
            places.zip(samples).for_each(|((real, imaginary), sample)| (*real, *imaginary) = (sample.re, sample.im));
            from = useful + length;
        }
    }
}

/// Subcarrier `c` of a grid without DC, in units of their distance from the carrier.
fn frequency(c: usize, subcarriers: usize) -> i64 {
    let below = c as i64 - subcarriers as i64 / 2;
    if below < 0 { below } else { below + 1 }
}

/// Adds what `parts` are at `within`, `within + step` and so on, rotated.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn add(
    out: &mut [Complex32],
    rotation: &[Complex32],
    phasor: Complex32,
    [real, imaginary]: [&[f32]; 2],
    mut within: u64,
    step: u64,
) {
    let kernel = &KERNEL[..];
    for (sample, rotation) in out.iter_mut().zip(rotation) {
        let at = (within >> FRACTION) as usize + 1;
        let phase = (within >> (FRACTION - PHASES_LOG)) as usize & ((1 << PHASES_LOG) - 1);
        *sample += read(&kernel[phase], &real[at..at + TAPS], &imaginary[at..at + TAPS]) * (rotation * phasor);
        within += step;
    }
}

/// The value between the eighth and the ninth sample.
#[inline(always)]
fn read(kernel: &[f32; TAPS], real: &[f32], imaginary: &[f32]) -> Complex32 {
    let product = |part: &[f32]| -> f32 {
        let mut sums = [0.0; 8];
        for (part, kernel) in part.chunks_exact(8).zip(kernel.chunks_exact(8)) {
            for (sum, (part, kernel)) in sums.iter_mut().zip(part.iter().zip(kernel)) {
                *sum += part * kernel;
            }
        }
        sums.iter().sum()
    };
    Complex32::new(product(real), product(imaginary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::lte::{Frames, Grant};
    use crate::units::Timestamp;

    fn stream(rate: f64) -> StreamInfo {
        StreamInfo { stream: "test".into(), center: Hz(1842.5e6), sample_rate: Hz(rate), start: Timestamp(0) }
    }

    fn config() -> DownlinkConfig {
        let cell = Cell { ports: 2, load: 0.7, sib1: vec![0x5a; 18], ..Cell::new(301, 15) };
        DownlinkConfig {
            frame_number: 1023,
            start: Picos(-123_456_789),
            clock_error: Ppb(35.0),
            ..DownlinkConfig::new(cell, Hz(1842.6e6), Dbfs(-20.0))
        }
    }

    #[test]
    fn any_block_size_gives_the_same_samples() {
        let mut downlink = Downlink::new(&stream(4e6), Ppb(1700.0), config()).unwrap();
        let first = 3_000_000_123;
        let mut whole = vec![Complex32::default(); 50_000];
        downlink.add_to(SampleIndex(first), &mut whole);
        for size in [7, 1023, 4096] {
            let mut cut = vec![Complex32::default(); whole.len()];
            let mut at = first;
            for block in cut.chunks_mut(size) {
                downlink.add_to(SampleIndex(at), block);
                at += block.len() as u64;
            }
            assert!(cut == whole, "blocks of {size}");
        }
    }

    #[test]
    fn a_cell_with_all_elements_in_use_has_the_level_that_was_asked_for() {
        let whole = Cell { load: 1.0, ports: 1, ..config().cell };
        let mut downlink = Downlink::new(&stream(4e6), Ppb(0.0), DownlinkConfig { cell: whole, ..config() }).unwrap();
        let mut out = vec![Complex32::default(); 400_000];
        downlink.add_to(SampleIndex(0), &mut out);
        let power = out.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / out.len() as f64;
        // The other place of the reference elements, the PHICH and the edges of the synchronisation signals stay empty.
        assert!((10.0 * power.log10() + 20.0).abs() < 0.3, "{}", 10.0 * power.log10());
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_name() {
        let refused = |config: DownlinkConfig| Downlink::new(&stream(4e6), Ppb(0.0), config).unwrap_err().to_string();
        let far = refused(DownlinkConfig { carrier: Hz(1850e6), ..config() });
        assert!(far.contains("75000") && far.contains("2000000 Hz"), "{far}");
        let with = |cell: Cell| DownlinkConfig { cell, ..config() };
        for cell in [
            Cell { pci: 504, ..config().cell },
            Cell { blocks: 7, ..config().cell },
            Cell { ports: 3, ..config().cell },
            Cell { phich_sixths: 2, ..config().cell },
            Cell { sib1: vec![1; 278], ..config().cell },
            Cell { messages: vec![vec![1]], ..config().cell },
            Cell { frames: Frames::Type2 { assignment: 7, special: 0 }, ..config().cell },
            Cell { grant: Grant { blocks: 16, ..config().cell.grant }, ..config().cell },
            // The control region of six resource blocks holds less than eight elements.
            Cell { blocks: 6, ..config().cell },
        ] {
            assert!(!refused(with(cell)).is_empty());
        }
        assert!(Downlink::new(&stream(f64::NAN), Ppb(0.0), config()).is_err());
        assert!(Downlink::new(&stream(4e6), Ppb(f64::NAN), config()).is_err());
    }
}
