//! One beacon.

use super::demodulate::Slot;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::rat::gsm::coding::{SchDecoder, SchInfo};
use daen::synth::channel::{Noise, second_path};
use daen::synth::gsm::beacon::{Beacon, BeaconConfig, Program};
use daen::synth::gsm::broadcast::Broadcast;
use daen::synth::gsm::{HYPERFRAME, Picos};
use daen::synth::si::preset;
use daen::synth::source::{OnAir, SynthSource, Transmission, Waveform};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use rustfft::FftPlanner;

fn stream(rate: f64) -> StreamInfo {
    StreamInfo { stream: "test".into(), center: Hz(945.0e6), sample_rate: Hz(rate), start: Timestamp(0) }
}

fn config() -> BeaconConfig {
    let station = preset::openbts();
    BeaconConfig {
        program: Program::constant(Broadcast::new(station.bsic, &station.cell.schedule().unwrap())),
        frame_number: 0,
        start: Picos(0),
        carrier: Hz(945.2e6),
        carrier_offset: Hz(0.0),
        clock_error: Ppb(0.0),
        level: Dbfs(-20.0),
        phase_turns: 0.0,
    }
}

fn samples(info: &StreamInfo, receiver: Ppb, config: BeaconConfig, first: u64, count: usize) -> Vec<Complex32> {
    let mut out = vec![Complex32::default(); count];
    Beacon::new(info, receiver, config).unwrap().add_to(SampleIndex(first), &mut out);
    out
}

fn power(samples: &[Complex32]) -> f64 {
    samples.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / samples.len() as f64
}

#[test]
fn the_spectrum_stays_inside_the_mask_of_the_standard() {
    // 20 s of what a beacon really sends, at 4 Msps, in 30 kHz as in TS 45.005 clause 4.2.1.3 (bins of 0.98 kHz summed).
    const SIZE: usize = 4096;
    let rate = 4e6;
    let mut source = BeaconConfig { carrier: Hz(945.0e6), ..config() };
    source.level = Dbfs(0.0);
    let mut beacon = Beacon::new(&stream(rate), Ppb(0.0), source).unwrap();
    let fft = FftPlanner::new().plan_fft_forward(SIZE);
    let mut spectrum = vec![0f64; SIZE];
    let mut block = vec![Complex32::default(); SIZE];
    for turn in 0..2000u64 {
        block.fill(Complex32::default());
        // Spread over the multiframe, so that every kind of burst is seen.
        beacon.add_to(SampleIndex(turn * 39_989), &mut block);
        for (i, sample) in block.iter_mut().enumerate() {
            // Blackman-Harris window, side lobes at -92 dB.
            let x = std::f64::consts::TAU * i as f64 / SIZE as f64;
            let window = 0.35875 - 0.48829 * x.cos() + 0.14128 * (2.0 * x).cos() - 0.01168 * (3.0 * x).cos();
            *sample *= window as f32;
        }
        fft.process(&mut block);
        spectrum.iter_mut().zip(&block).for_each(|(sum, bin)| *sum += f64::from(bin.norm_sqr()));
    }
    let in_30_khz = |offset: f64| -> f64 {
        let bin = |hz: f64| (hz / rate * SIZE as f64).round() as i64;
        (bin(offset - 15e3)..=bin(offset + 15e3)).map(|b| spectrum[b.rem_euclid(SIZE as i64) as usize]).sum()
    };
    let carrier = in_30_khz(0.0);
    // TS 45.005 clause 4.2.1.3, table a1, base stations of 33 dBm and less, the strictest columns that such a station has.
    for (khz, limit) in
        [(200, -30.0), (250, -33.0), (400, -60.0), (600, -60.0), (800, -60.0), (1200, -63.0), (1700, -63.0)]
    {
        for offset in [f64::from(khz) * 1e3, f64::from(-khz) * 1e3] {
            let relative = 10.0 * (in_30_khz(offset) / carrier).log10();
            assert!(relative < limit, "{offset} Hz: {relative:.1} dB, allowed {limit} dB");
        }
    }
}

#[test]
fn the_snr_is_exact() {
    let info = stream(1.5e6);
    let signal = samples(&info, Ppb(0.0), config(), 0, 1_000_000);
    let mut noise = vec![Complex32::default(); 1_000_000];
    Noise::new(1, Dbfs(-20.0) - Db(12.0), info.sample_rate).add_to(SampleIndex(0), &mut noise);
    let snr = 10.0 * (power(&signal) / (power(&noise) * 200e3 / 1.5e6)).log10();
    assert!((snr - 12.0).abs() < 0.02, "{snr}");
}

#[test]
fn ten_minutes_later_the_frame_number_and_the_timing_are_exact() {
    // 130000 frames of 60/13 ms are 600 s to the nanosecond, and 130050 mod 51 is 0: the frame after it carries an SCH.
    for (rate, receiver, transmitter) in [
        (1e6, 0.0, 0.0),
        (2e6, 0.0, 0.0),
        (1_920_000.0, 0.0, 0.0),
        (2_048_000.0, 4_000.0, -30.0),
        (1e7 / 3.0, -900.0, 55.0),
    ] {
        let info = stream(rate);
        let beacon = BeaconConfig { clock_error: Ppb(transmitter), frame_number: HYPERFRAME - 100, ..config() };
        let (up, ours) = (1.0 + transmitter * 1e-9, 1.0 + receiver * 1e-9);
        let frame = 130_000 + 51 + 100;
        let frame = frame - (frame - 100) % 51 + 1;
        let symbol = rate * 6.0 / 1_625_000.0 * ours / up;
        let slot = Slot { start: f64::from(frame) * 1250.0 * symbol, symbol, carrier: 945.2e6 * up / ours - 945.0e6 };
        let (first, count) = slot.samples();
        let out = samples(&info, Ppb(receiver), beacon, first, count);
        let bits = slot.bits(&info, &out);
        let soft: [f32; 78] = std::array::from_fn(|i| if i < 39 { bits[3 + i] } else { bits[106 + i - 39] });
        let expected = SchInfo { bsic: 2, frame_number: frame as u32 - 100 };
        assert_eq!(SchDecoder::new().decode(&soft), Some(expected), "{rate}");
        // All bits are clear: the timing is within a small part of a symbol.
        let worst = bits.iter().fold(f32::MAX, |worst, b| worst.min(b.abs()));
        assert!(worst > 0.07, "{rate}: {worst}");
    }
}

#[test]
fn the_phase_never_jumps() {
    let info = stream(2e6);
    for first in [0, 1_200_000_000 - 50_000] {
        let out = samples(&info, Ppb(1234.0), BeaconConfig { level: Dbfs(0.0), ..config() }, first, 100_000);
        let steps: Vec<f32> = out.windows(2).map(|pair| (pair[1] * pair[0].conj()).arg()).collect();
        // 198.8 kHz of carrier and at most 67.7 kHz of modulation to either side, of 2 MHz; a little for rounding.
        let turn = |hz: f32| hz / 2e6 * std::f32::consts::TAU;
        for step in &steps {
            assert!((turn(131.0e3)..turn(266.6e3)).contains(step), "{step}");
        }
        // The frequency is smooth as well: the slope of the pulse is at most 0.9 a symbol squared, times pi, over 7.385 squared.
        let bend = steps.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(bend < 0.053, "{bend}");
    }
}

#[test]
fn a_clock_error_moves_carrier_and_symbols_together() {
    let info = stream(1e6);
    let (receiver, transmitter) = (10_000.0, 50.0);
    let beacon = BeaconConfig { clock_error: Ppb(transmitter), carrier_offset: Hz(321.0), ..config() };
    // Frame 50 * 51 is one with an FCCH: a pure tone, a quarter of the symbol rate above the carrier.
    let symbol = 1e6 * 6.0 / 1_625_000.0 * (1.0 + receiver * 1e-9) / (1.0 + transmitter * 1e-9);
    let start = 50.0 * 51.0 * 1250.0 * symbol;
    let out = samples(&info, Ppb(receiver), beacon, (start + 5.0 * symbol) as u64, (138.0 * symbol) as usize);
    let mut phase = 0.0;
    let phases: Vec<f64> = out
        .windows(2)
        .map(|pair| {
            phase += f64::from((pair[1] * pair[0].conj()).arg());
            phase
        })
        .collect();
    let hz = (phases[phases.len() - 1] - phases[0]) / (phases.len() - 1) as f64 / std::f64::consts::TAU * 1e6;
    let ratio = (1.0 + transmitter * 1e-9) / (1.0 + receiver * 1e-9);
    let expected = 945.2e6 * ratio - 945.0e6 + 321.0 + 1_625_000.0 / 24.0 * ratio;
    assert!((hz - expected).abs() < 1.0, "{hz} {expected}");
}

#[test]
fn a_second_path_is_the_first_one_later_and_weaker() {
    let info = stream(1e6);
    let direct = config();
    let echo = second_path(&direct, Picos(10_000_000), Db(6.0), 0.0);
    let direct = samples(&info, Ppb(0.0), direct, 5000, 50_000);
    let echo = samples(&info, Ppb(0.0), echo, 5010, 50_000);
    // Ten samples later, half the voltage, and the carrier's phase that of the receiver's time: 0.2 MHz for 10 us.
    let turn = Complex32::from_polar(10f32.powf(-6.0 / 20.0), 0.2e6 * 10e-6 * std::f32::consts::TAU);
    let line = Complex32::from_polar(1.0, 1_625_000.0 / 24.0 * 10e-6 * std::f32::consts::TAU);
    let worst = direct.iter().zip(&echo).map(|(d, e)| (d * turn * line - e).norm()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "{worst}");
}

#[test]
fn a_source_announces_its_stream_and_ends_after_its_length() {
    let info = stream(1e6);
    let beacon = Beacon::new(&info, Ppb(0.0), config()).unwrap();
    let on = OnAir { from: SampleIndex(100), to: Some(SampleIndex(200)) };
    let mut source = SynthSource::new(
        info.clone(),
        vec![Transmission { waveform: Waveform::Gsm(Box::new(beacon)), on: vec![on] }],
        None,
    );
    source.length = Some(250);
    source.bits = Some(8);
    let mut block = IqBlock::default();
    assert_eq!(source.read(64, &mut block).unwrap(), Event::Stream(info));
    let mut all = Vec::new();
    while source.read(64, &mut block).unwrap() == Event::Samples {
        assert_eq!(block.first.0, all.len() as u64);
        all.extend_from_slice(&block.samples);
    }
    assert_eq!((all.len(), source.total_samples()), (250, Some(250)));
    assert!(all[..100].iter().chain(&all[200..]).all(|s| s.norm() == 0.0));
    assert!(all[100..200].iter().all(|s| (s.norm() - 0.1).abs() < 0.01));
    assert_eq!(source.read(64, &mut block).unwrap(), Event::End);
}
