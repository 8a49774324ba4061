//! What of an LTE carrier may leave the node: the resource elements in which one cell speaks to everybody, everything else zero.
//!
//! Kept are PSS, SSS, PBCH and, in subframes 0 and 5, which are never a multicast's, the reference signals of the cell's own antenna
//! ports: sequences that the physical identity tells, and the MIB. Where the stream holds the cell's whole bandwidth, system information
//! is kept too: of each transmission of a block that can be read its elements on the PDSCH, the control channel elements that
//! announce it to SI-RNTI, PCFICH and reference signals ([`crate::rat::lte::sent`] finds them); of the control region nothing else, be it
//! pages, grants or PHICH. Elsewhere the six middle resource blocks are kept.
//!
//! Each symbol that holds some of that is demodulated at the cell's own timing and carrier, the other elements are left out, and what
//! remains is made samples again with the same timing, carrier, level and channel; between such symbols the output is zero. So a receiver
//! finds the same cell with the same errors in it, and what the symbols carried beside it is not there.
//!
//! Symbols are cut only where the frame timing is known to a microsecond, a fifth of the shortest cyclic prefix: farther away the
//! neighbouring symbols would leave their traces in what is kept.
//!
//! Limits: at most [`LONGEST`], and four million samples, which is 0.2 s of 20 MHz. Messages that are put together over more than that are
//! not kept; their octets stand in the observation.
//!
//! ## References
//! - 3GPP TS 36.211 Release 17: clauses 6.4 (PDSCH), 6.6.4 (PBCH), 6.7 (PCFICH), 6.8 (PDCCH), 6.10.1 (reference signals), 6.11 (PSS, SSS),
//!   6.12 (symbols)

use super::broadcast::{Read, Snippet, Withheld, centred, stream};
use crate::dsp::ofdm::{Modulator, Ofdm};
use crate::dsp::resample::Resampler;
use crate::observation::lte::LteFields;
use crate::observation::{Fields, FrameName, FrameTiming, Observation};
use crate::radio::source::StreamInfo;
use crate::rat::lte::control::Layout;
use crate::rat::lte::grid::{Pace, Stretch};
use crate::rat::lte::numerology::{
    BASE_FFT, BASE_FRAME, BASE_RATE, BASE_SUBFRAME, BLOCK, CENTRE, CyclicPrefix, Duplex, SUBCARRIER, SUBFRAMES,
    pss_place, sss_place,
};
use crate::rat::lte::pbch;
use crate::rat::lte::reference::{Reference, SPACING};
use crate::rat::lte::sent::{Listener, Sent, Told};
use crate::rat::lte::sync;
use crate::units::{Hz, Nanos, Ppb};
use num_complex::Complex32;
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::ops::RangeInclusive;

/// Longest snippet, to either side of the moment at which the frame was measured.
pub const LONGEST: Nanos = Nanos::from_secs(1);
/// Most samples of a snippet. Chosen: 34 MB, and more than two periods of SIB1 at any rate.
const MOST_SAMPLES: f64 = (1 << 22) as f64;
/// Downlink bandwidths, resource blocks; TS 36.331 clause 6.2.2 (dl-Bandwidth).
const WIDTHS: [u8; 6] = [6, 15, 25, 50, 75, 100];
/// Share of an FFT's bins that the resampler lets through as they are; and that receivers use at most.
const PASSED: f64 = 0.84;
const USABLE: f64 = 15.0 / 16.0;
/// What is read of a stretch to either side of it, samples at the base rate: symbols are taken early by less.
const MARGIN: usize = 16;
/// What the frame timing may be wrong by where symbols are cut, seconds.
const TIMING: f64 = 1e-6;
/// A frame rate known no better than this follows the carrier, which has the same cause; ppb.
const RATE_KNOWN: f64 = 1_000.0;
/// Standard deviation of the rate where it follows the carrier's, ppb.
const BY_CARRIER: f64 = 100.0;

/// Elements that are kept, by subframe and symbol: places among the subcarriers that the cell is cut out with.
type Kept = BTreeMap<(usize, usize), Vec<usize>>;

/// How much of a cell is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Width {
    /// Resource blocks around the carrier.
    blocks: usize,
    /// Rate of what is made, in units of the base rate.
    scale: usize,
    /// They are all that the cell has.
    whole: bool,
}

impl Width {
    const MIDDLE: Width = Width { blocks: CENTRE / BLOCK, scale: 1, whole: false };

    /// All of the blocks that the MIB tells, where a stream of rate `input` holds them `offset` from its centre, else the middle ones.
    fn new(fields: &LteFields, input: f64, offset: f64) -> Width {
        let Some(mib) = fields.mib.filter(|mib| WIDTHS.contains(&mib.prb)) else { return Width::MIDDLE };
        let blocks = usize::from(mib.prb);
        let subcarriers = (blocks * BLOCK) as f64;
        let most = (input / BASE_RATE.0 + 1e-9).floor();
        let bins = BASE_FFT as f64;
        if subcarriers > most * bins * USABLE || offset.abs() + subcarriers / 2.0 * SUBCARRIER.0 > input / 2.0 {
            return Width::MIDDLE;
        }
        Width { blocks, scale: (subcarriers / (PASSED * bins)).ceil().min(most) as usize, whole: true }
    }

    fn subcarriers(self) -> usize {
        self.blocks * BLOCK
    }
}

/// Which elements of a frame are spoken to everybody, whatever is said in it, of those of `blocks` resource blocks.
fn elements(pci: u16, cp: CyclicPrefix, duplex: Duplex, ports: usize, blocks: usize) -> Kept {
    let mut kept = Kept::new();
    // Five elements at either edge of the six blocks are reserved, and empty.
    let edge = (blocks * BLOCK - sync::LENGTH) / 2;
    for half in [0, 5] {
        for (subframe, symbol) in [pss_place(duplex, cp), sss_place(duplex, cp)] {
            kept.entry((subframe + half, symbol)).or_default().extend(edge..edge + sync::LENGTH);
        }
    }
    for (symbol, place) in pbch::elements(pci, cp, blocks * BLOCK) {
        kept.entry((0, symbol)).or_default().push(place);
    }
    let reference = Reference::new(pci, cp, blocks);
    for (subframe, symbol, port) in
        [0, 5].iter().flat_map(|s| (0..cp.symbols()).flat_map(move |l| (0..ports).map(move |port| (*s, l, port))))
    {
        if let Some((first, values)) = reference.of(port, subframe, symbol) {
            let places = (0..values.len()).map(|n| first + SPACING * n);
            kept.entry((subframe, symbol)).or_default().extend(places);
        }
    }
    kept.values_mut().for_each(tidy);
    kept
}

fn tidy(places: &mut Vec<usize>) {
    places.sort_unstable();
    places.dedup();
}

/// Those of frame `frame`: `basic` and what was sent in it.
fn of_frame(basic: &Kept, sent: &[Sent], frame: i64) -> Kept {
    let mut kept = basic.clone();
    for sent in sent.iter().filter(|sent| sent.frame == frame) {
        for (symbol, place) in &sent.elements {
            kept.entry((sent.subframe, *symbol)).or_default().push(*place);
        }
    }
    kept.values_mut().for_each(tidy);
    kept
}

/// The rate of the cell's frames against nominal, and its standard deviation.
fn rate(timing: &FrameTiming, carrier: Ppb) -> (f64, f64) {
    if timing.rate_sigma_ppb.0 < RATE_KNOWN {
        (timing.rate_ppb.0, timing.rate_sigma_ppb.0)
    } else {
        (carrier.0, BY_CARRIER)
    }
}

/// The samples around a carrier, at the rate of what is made and counted as it is.
struct Around<'a, 'r> {
    read: &'a mut Read<'r>,
    /// `None` where the rate stays.
    resampler: Option<Resampler>,
    /// Of the carrier, for each sample that is read.
    turn: f64,
    /// Samples read for each one made.
    step: f64,
    /// What is read at most.
    begin: u64,
    end: u64,
    raw: Vec<Complex32>,
}

impl Around<'_, '_> {
    /// `count` samples from `at` on; beyond the end they are zero.
    fn take(&mut self, at: usize, count: usize, out: &mut Vec<Complex32>) -> Result<(), Withheld> {
        out.clear();
        let place = |n: usize| (at + n) as f64 * self.step;
        let reach = self.resampler.as_ref().map_or(0, |resampler| resampler.reach() as u64 + 1);
        let from = (self.begin + (place(0).floor() as u64).saturating_sub(reach)).min(self.end);
        let to = (self.begin + place(count).ceil() as u64 + reach).min(self.end);
        centred(self.read, &(from..to), self.turn, &mut self.raw)?;
        match &self.resampler {
            // What the filter needs of the input around the stretch.
            Some(resampler) => {
                let before = self.begin as f64 - from as f64;
                out.extend((0..count).map(|n| resampler.at(&self.raw, place(n) + before)));
            }
            None => {
                out.extend(self.raw.iter().take(count));
                out.resize(count, Complex32::ZERO);
            }
        }
        Ok(())
    }
}

/// System information in what is made: `made` samples of a cell of which `told` is known.
fn system_information(
    around: &mut Around<'_, '_>,
    told: Told,
    (pace, scale, made): (&Pace, usize, usize),
    frames: impl Iterator<Item = i64>,
) -> Result<Vec<Sent>, Withheld> {
    let mut listener = Listener::new(told, scale);
    let mut samples = Vec::new();
    let margin = MARGIN * scale;
    let count = (pace.period / SUBFRAMES as f64).ceil() as usize + 2 * margin;
    for (frame, subframe) in frames.flat_map(|frame| (0..SUBFRAMES).map(move |subframe| (frame, subframe))) {
        let begin = pace.subframe(frame, subframe).floor() - margin as f64;
        if !listener.wants(subframe) || begin < 0.0 || begin + count as f64 > made as f64 {
            continue;
        }
        around.take(begin as usize, count, &mut samples)?;
        listener.listen(&Stretch { samples: &samples, first: begin as u64 }, pace, (frame, subframe));
    }
    Ok(listener.sent())
}

/// Cuts samples down to the elements in which the cell observed in them speaks to everybody; see
/// [`broadcast_only`](super::broadcast::broadcast_only).
///
/// # Errors
/// [`Withheld`].
pub(super) fn cut(
    info: &StreamInfo,
    length: u64,
    read: &mut Read<'_>,
    observation: &Observation,
) -> Result<Snippet, Withheld> {
    let timing = observation.timing.ok_or(Withheld::NoTiming)?;
    let FrameName::Radio { sfn, half } = timing.frame else { return Err(Withheld::NoTiming) };
    let fields = observation.fields.as_ref().and_then(Fields::lte).ok_or(Withheld::NoFrames)?;
    let radio = fields.radio.ok_or(Withheld::NoFrames)?;
    let cp = if radio.extended_cp { CyclicPrefix::Extended } else { CyclicPrefix::Normal };
    let duplex = if radio.tdd { Duplex::Tdd } else { Duplex::Fdd };
    let ports = if matches!(radio.ports, 1 | 2) { usize::from(radio.ports) } else { 4 };
    let pci = observation.cell.id;
    let input = info.sample_rate.0;
    let offset = observation.cell.center_hz as f64 - info.center.0;
    if input < BASE_RATE.0 || offset.abs() + 0.6e6 > input / 2.0 {
        return Err(Withheld::OutOfBand);
    }
    let width = Width::new(fields, input, offset);
    let (scale, fft) = (width.scale, BASE_FFT * width.scale);
    let output = Hz(BASE_RATE.0 * scale as f64);

    // Everything below counts in samples of the output, from its first one.
    let moment = (timing.at_ns - info.start).as_secs_f64() + timing.at_frac_ns * 1e-9;
    let longest = LONGEST.as_secs_f64().min(MOST_SAMPLES / 2.0 / output.0);
    let begin = ((moment - longest).max(0.0) * input).floor() as u64;
    let end = (((moment + longest).max(0.0) * input) as u64).min(length);
    let step = input / output.0;
    let made = (end.saturating_sub(begin) as f64 / step).floor() as usize;
    let (ppb, sigma_ppb) = rate(&timing, observation.carrier.ppb);
    let period = (BASE_FRAME * scale) as f64 / (1.0 + ppb * 1e-9);
    let zero = (moment - begin as f64 / input) * output.0 - f64::from(half) * period / 2.0;
    let pace = Pace { start: zero, period, offset: observation.carrier.hz };
    let carrier = pace.offset.0 / output.0;
    let sure = TIMING - timing.sigma_ns * 1e-9;
    let farthest = if sigma_ppb > 0.0 { sure / (sigma_ppb * 1e-9) } else { f64::INFINITY };
    let all: RangeInclusive<i64> = (-zero / period).floor() as i64..=((made as f64 - zero) / period).ceil() as i64;
    let frames = || all.clone().filter(|&n| sure > 0.0 && (n as f64 * period / output.0).abs() <= farthest);

    let resampler = ((input - output.0).abs() > 1e-6).then(|| Resampler::new(info.sample_rate, output));
    let mut around = Around { read, resampler, turn: -TAU * offset / input, step, begin, end, raw: Vec::new() };
    let mut sent = Vec::new();
    if let Some(mib) = fields.mib.filter(|_| width.whole) {
        let (phich_extended, phich_sixths) = (mib.phich_extended, usize::from(mib.phich_ng_sixths));
        let layout = Layout { pci, cp, blocks: width.blocks, ports, phich_extended, phich_sixths };
        let told = Told { layout, duplex, number: sfn, fields: fields.clone() };
        sent = system_information(&mut around, told, (&pace, scale, made), frames())?;
    }

    let basic = elements(pci, cp, duplex, ports, width.blocks);
    let (mut ofdm, mut modulator) = (Ofdm::new(fft), Modulator::new(fft));
    let mut samples = vec![Complex32::ZERO; made];
    let (mut ranges, mut window) = (Vec::new(), Vec::with_capacity(fft));
    let mut values = vec![Complex32::ZERO; width.subcarriers()];
    let early = (cp.shortest() * scale) as f64 / 4.0;
    for frame in frames() {
        for ((subframe, symbol), places) in &of_frame(&basic, &sent, frame) {
            let into = (subframe * BASE_SUBFRAME + cp.useful(*symbol)) as f64 / BASE_FRAME as f64 * period;
            let useful = zero + frame as f64 * period + into;
            let at = (useful - early).floor();
            let prefix = (prefix(cp, *symbol) * scale) as f64;
            let (first, last) = ((useful - prefix).ceil(), (useful + fft as f64).floor());
            if first < 0.0 || last > made as f64 {
                continue;
            }
            around.take(at as usize, fft, &mut window)?;
            ofdm.demodulate(&window, useful - at, carrier * at, carrier, &mut values);
            let range = first as usize..last as usize;
            modulator.add(&values, places, (useful, carrier), (range.start, &mut samples[range.clone()]));
            ranges.push(range);
        }
    }
    if ranges.is_empty() {
        return Err(Withheld::Uncertain);
    }
    ranges.sort_by_key(|range| range.start);
    let mut info = stream(info, observation, output);
    info.start = info.start + Nanos((begin as f64 / input * 1e9).round() as i64);
    Ok(Snippet { info, samples, kept: ranges })
}

/// Length of the cyclic prefix of a symbol of a subframe, samples; TS 36.211 table 6.12-1.
fn prefix(cp: CyclicPrefix, symbol: usize) -> usize {
    match cp {
        CyclicPrefix::Normal if symbol.is_multiple_of(cp.slot_symbols()) => 10,
        _ => cp.shortest(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::lte::Mib;

    #[test]
    fn what_is_kept_is_the_broadcast_s_and_no_more() {
        for (cp, duplex, ports) in [
            (CyclicPrefix::Normal, Duplex::Fdd, 1),
            (CyclicPrefix::Normal, Duplex::Tdd, 2),
            (CyclicPrefix::Extended, Duplex::Fdd, 4),
        ] {
            let kept = elements(301, cp, duplex, ports, CENTRE / BLOCK);
            let synchronisation = [pss_place(duplex, cp), sss_place(duplex, cp)];
            for ((subframe, symbol), places) in &kept {
                assert!([0, 5].contains(subframe) || (duplex == Duplex::Tdd && [1, 6].contains(subframe)));
                let slot_symbol = symbol % cp.slot_symbols();
                let broadcast = *subframe == 0 && (cp.slot_symbols()..cp.slot_symbols() + 4).contains(symbol);
                let of_sync = synchronisation.contains(&(subframe % 5, *symbol));
                if !broadcast && !of_sync {
                    // Reference elements alone: one of six for each port that sends there.
                    let reference =
                        |k: &usize| crate::rat::lte::reference::is_reference(301, cp, ports, slot_symbol, *k);
                    assert!(places.iter().all(reference) && !places.is_empty(), "{subframe} {symbol}");
                }
            }
            // TS 36.211 clause 6.6.4: 240 symbols of the PBCH with a normal prefix, 216 with an extended one.
            let mut broadcast = pbch::elements(301, cp, CENTRE);
            assert_eq!(broadcast.len(), if cp == CyclicPrefix::Normal { 240 } else { 216 });
            broadcast.retain(|(symbol, place)| kept[&(0, *symbol)].contains(place));
            assert_eq!(broadcast.len(), if cp == CyclicPrefix::Normal { 240 } else { 216 });
        }
    }

    #[test]
    fn a_cell_is_cut_out_as_a_whole_where_the_stream_holds_it_and_else_its_middle() {
        let fields = |prb| {
            let mib = Mib { prb, phich_extended: false, phich_ng_sixths: 6, scheduling_sib1_br: 0, spare: 0 };
            LteFields { mib: Some(mib), ..LteFields::default() }
        };
        let whole = |blocks, scale| Width { blocks, scale, whole: true };
        for (prb, input, offset, expected) in [
            (6, 1.92e6, 0.0, whole(6, 1)),
            (25, 19.2e6, 0.0, whole(25, 3)),
            (25, 19.2e6, -7.2e6, whole(25, 3)),
            (25, 19.2e6, -7.5e6, Width::MIDDLE),
            (100, 19.2e6, 0.0, whole(100, 10)),
            (100, 20e6, 0.0, whole(100, 10)),
            (100, 61.44e6, 8e6, whole(100, 12)),
            (100, 15.36e6, 0.0, Width::MIDDLE),
            (7, 19.2e6, 0.0, Width::MIDDLE),
            (200, 61.44e6, 0.0, Width::MIDDLE),
        ] {
            assert_eq!(Width::new(&fields(prb), input, offset), expected, "{prb} blocks in {input} {offset:+}");
        }
    }
}
