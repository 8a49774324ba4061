//! What of an LTE carrier may leave the node: the resource elements in which one cell speaks to everybody, everything else zero.
//!
//! Kept are PSS, SSS, PBCH and, in subframes 0 and 5, which are never a multicast's, the reference signals of the cell's own antenna
//! ports, all of the six middle resource blocks: sequences that the physical identity tells, and the MIB. Each symbol that holds some of
//! them is demodulated at the cell's own timing and carrier, the other elements are left out, and what remains is made samples again with
//! the same timing, carrier, level and channel; between such symbols the output is zero. So a receiver finds the same cell with the same
//! errors in it, and what the symbols carried beside it is not there: neither control channels nor anybody's data.
//!
//! Symbols are cut only where the frame timing is known to a microsecond, a fifth of the shortest cyclic prefix: farther away the
//! neighbouring symbols would leave their traces in what is kept.
//!
//! Limits: system information on the PDSCH is not kept; its octets stand in the observation. At most [`LONGEST`].
//!
//! ## References
//! - 3GPP TS 36.211 Release 17: clauses 6.6.4 (PBCH), 6.10.1 (reference signals), 6.11 (PSS, SSS), 6.12 (symbols)

use super::broadcast::{Read, Snippet, Withheld, centred, stream};
use crate::dsp::ofdm::Ofdm;
use crate::dsp::resample::Resampler;
use crate::observation::{Fields, FrameName, FrameTiming, Observation};
use crate::radio::source::StreamInfo;
use crate::rat::lte::numerology::{
    BASE_FFT, BASE_FRAME, BASE_RATE, BASE_SUBFRAME, CENTRE, CyclicPrefix, Duplex, pss_place, sss_place,
};
use crate::rat::lte::pbch;
use crate::rat::lte::reference::{Reference, SPACING};
use crate::rat::lte::sync;
use crate::units::{Nanos, Ppb};
use num_complex::{Complex32, Complex64};
use std::collections::BTreeMap;
use std::f64::consts::TAU;

/// Longest snippet, to either side of the moment at which the frame was measured.
pub const LONGEST: Nanos = Nanos::from_secs(1);
/// What the frame timing may be wrong by where symbols are cut, seconds.
const TIMING: f64 = 1e-6;
/// A frame rate known no better than this follows the carrier, which has the same cause; ppb.
const RATE_KNOWN: f64 = 1_000.0;
/// Standard deviation of the rate where it follows the carrier's, ppb.
const BY_CARRIER: f64 = 100.0;

/// Elements that are kept, by subframe and symbol: places among the 72 around the carrier.
type Kept = BTreeMap<(usize, usize), Vec<usize>>;

/// Which elements of a frame are spoken to everybody.
fn elements(pci: u16, cp: CyclicPrefix, duplex: Duplex, ports: usize) -> Kept {
    let mut kept = Kept::new();
    // Five elements at either edge of the six blocks are reserved, and empty.
    let edge = (CENTRE - sync::LENGTH) / 2;
    for half in [0, 5] {
        for (subframe, symbol) in [pss_place(duplex, cp), sss_place(duplex, cp)] {
            kept.entry((subframe + half, symbol)).or_default().extend(edge..edge + sync::LENGTH);
        }
    }
    for (symbol, place) in pbch::elements(pci, cp, CENTRE) {
        kept.entry((0, symbol)).or_default().push(place);
    }
    let reference = Reference::new(pci, cp, CENTRE / 12);
    for (subframe, symbol, port) in
        [0, 5].iter().flat_map(|s| (0..cp.symbols()).flat_map(move |l| (0..ports).map(move |port| (*s, l, port))))
    {
        if let Some((first, values)) = reference.of(port, subframe, symbol) {
            let places = (0..values.len()).map(|n| first + SPACING * n);
            kept.entry((subframe, symbol)).or_default().extend(places);
        }
    }
    for places in kept.values_mut() {
        places.sort_unstable();
        places.dedup();
    }
    kept
}

/// Distance of place `place` from the carrier, in subcarriers.
fn subcarrier(place: usize) -> f64 {
    let middle = CENTRE / 2;
    if place < middle { place as f64 - middle as f64 } else { (place + 1 - middle) as f64 }
}

/// The rate of the cell's frames against nominal, and its standard deviation.
fn rate(timing: &FrameTiming, carrier: Ppb) -> (f64, f64) {
    if timing.rate_sigma_ppb.0 < RATE_KNOWN {
        (timing.rate_ppb.0, timing.rate_sigma_ppb.0)
    } else {
        (carrier.0, BY_CARRIER)
    }
}

fn polar(turns: f64) -> Complex64 {
    let (im, re) = (TAU * turns.fract()).sin_cos();
    Complex64::new(re, im)
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
    let FrameName::Radio { half, .. } = timing.frame else { return Err(Withheld::NoTiming) };
    let radio = observation.fields.as_ref().and_then(Fields::lte).and_then(|fields| fields.radio);
    let radio = radio.ok_or(Withheld::NoFrames)?;
    let cp = if radio.extended_cp { CyclicPrefix::Extended } else { CyclicPrefix::Normal };
    let duplex = if radio.tdd { Duplex::Tdd } else { Duplex::Fdd };
    let input = info.sample_rate.0;
    let offset = observation.cell.center_hz as f64 - info.center.0;
    if input < BASE_RATE.0 || offset.abs() + 0.6e6 > input / 2.0 {
        return Err(Withheld::OutOfBand);
    }
    let kept = elements(observation.cell.id, cp, duplex, usize::from(radio.ports).clamp(1, 4));

    // Everything below counts in samples of the output, from its first one.
    let base = BASE_RATE.0;
    let moment = (timing.at_ns - info.start).as_secs_f64() + timing.at_frac_ns * 1e-9;
    let begin = ((moment - LONGEST.as_secs_f64()).max(0.0) * input).floor() as u64;
    let end = (((moment + LONGEST.as_secs_f64()).max(0.0) * input) as u64).min(length);
    let step = input / base;
    let made = (end.saturating_sub(begin) as f64 / step).floor() as usize;
    let (ppb, sigma_ppb) = rate(&timing, observation.carrier.ppb);
    let period = BASE_FRAME as f64 / (1.0 + ppb * 1e-9);
    let zero = (moment - begin as f64 / input) * base - f64::from(half) * period / 2.0;
    let carrier = observation.carrier.hz.0 / base;
    let sure = TIMING - timing.sigma_ns * 1e-9;
    let farthest = if sigma_ppb > 0.0 { sure / (sigma_ppb * 1e-9) } else { f64::INFINITY };

    let turn = -TAU * offset / input;
    let resampler = Resampler::new(info.sample_rate, BASE_RATE);
    let reach = resampler.reach() as u64 + 1;
    let mut ofdm = Ofdm::new(BASE_FFT);
    let mut samples = vec![Complex32::ZERO; made];
    let (mut ranges, mut raw, mut window) = (Vec::new(), Vec::new(), Vec::with_capacity(BASE_FFT));
    let mut values = [Complex32::ZERO; CENTRE];
    let early = cp.shortest() as f64 / 4.0;
    for frame in (-zero / period).floor() as i64..=((made as f64 - zero) / period).ceil() as i64 {
        if sure <= 0.0 || (frame as f64 * period / base).abs() > farthest {
            continue;
        }
        for ((subframe, symbol), places) in &kept {
            let into = (subframe * BASE_SUBFRAME + cp.useful(*symbol)) as f64 / BASE_FRAME as f64 * period;
            let useful = zero + frame as f64 * period + into;
            let at = (useful - early).floor();
            let prefix = prefix(cp, *symbol) as f64;
            let (first, last) = ((useful - prefix).ceil(), (useful + BASE_FFT as f64).floor());
            if first < 0.0 || last > made as f64 {
                continue;
            }
            // What the filter needs of the input around the symbol.
            let from = begin + ((at * step).floor() as u64).saturating_sub(reach);
            let to = (begin + ((at + BASE_FFT as f64) * step).ceil() as u64 + reach).min(end);
            centred(read, &(from..to), turn, &mut raw)?;
            window.clear();
            let place = |n: usize| (at + n as f64) * step + (begin as f64 - from as f64);
            window.extend((0..BASE_FFT).map(|n| resampler.at(&raw, place(n))));
            ofdm.demodulate(&window, useful - at, carrier * at, carrier, &mut values);
            let out = &mut samples[first as usize..last as usize];
            modulate(&values, places, (first - useful, carrier * first, carrier), out);
            ranges.push(first as usize..last as usize);
        }
    }
    if ranges.is_empty() {
        return Err(Withheld::Uncertain);
    }
    ranges.sort_by_key(|range| range.start);
    let mut info = stream(info, observation, BASE_RATE);
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

/// The samples of a symbol of which `places` alone are sent: `after` samples after its useful part begins, with its carrier's phase and
/// advance in turns; the reverse of [`Ofdm::demodulate`].
fn modulate(values: &[Complex32], places: &[usize], (after, turns, step): (f64, f64, f64), out: &mut [Complex32]) {
    let length = BASE_FFT as f64;
    let scale = 1.0 / length.sqrt();
    for place in places {
        let cycles = subcarrier(*place) / length;
        let value = Complex64::new(f64::from(values[*place].re), f64::from(values[*place].im)) * scale;
        let mut phase = value * polar(cycles * after + turns);
        let turn = polar(cycles + step);
        for sample in out.iter_mut() {
            *sample += Complex32::new(phase.re as f32, phase.im as f32);
            phase *= turn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_broadcast_s_and_no_more() {
        for (cp, duplex, ports) in [
            (CyclicPrefix::Normal, Duplex::Fdd, 1),
            (CyclicPrefix::Normal, Duplex::Tdd, 2),
            (CyclicPrefix::Extended, Duplex::Fdd, 4),
        ] {
            let kept = elements(301, cp, duplex, ports);
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
    fn a_symbol_is_made_again_from_its_elements() {
        let values: [Complex32; CENTRE] = std::array::from_fn(|k| {
            let value = polar((k * k) as f64 * 0.13);
            Complex32::new(value.re as f32, value.im as f32)
        });
        let all: Vec<usize> = (0..CENTRE).collect();
        // The useful part begins at 9.63; the symbol is made from sample 1 on and demodulated from sample 7 on.
        let (useful, carrier) = (9.63, 0.017);
        let mut out = vec![Complex32::ZERO; 136];
        modulate(&values, &all, (1.0 - useful, carrier * 1.0, carrier), &mut out);
        let mut got = [Complex32::ZERO; CENTRE];
        Ofdm::new(BASE_FFT).demodulate(&out[6..6 + BASE_FFT], useful - 7.0, carrier * 7.0, carrier, &mut got);
        for (got, sent) in got.iter().zip(&values) {
            assert!((got - sent).norm() < 1e-4, "{got} {sent}");
        }
    }
}
