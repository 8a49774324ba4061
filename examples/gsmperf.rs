use daen::radio::source::StreamInfo;
use daen::rat::gsm::*;
use daen::synth::gsm::{beacon::*, broadcast::*, *};
use daen::units::*;
use num_complex::Complex32;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let reps: usize = a[1].parse().unwrap();
    let nb: usize = a[2].parse().unwrap();
    let rate: f64 = a[3].parse().unwrap();
    let secs = 40.0;
    let info = StreamInfo { stream: "x".into(), center: Hz(945e6), sample_rate: Hz(rate), start: Timestamp(0) };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut si = [0x2bu8; 23];
    si[..3].copy_from_slice(&[0x49, 0x06, 0x1b]);
    si[10] &= 0xf8;
    let n = (secs * rate) as usize;
    let mut s = vec![Complex32::default(); n];
    for b in 0..nb {
        let sched = Schedule { norm: std::array::from_fn(|_| vec![si]), ..Schedule::default() };
        let off = (b as f64 - (nb as f64 / 2.0).floor()) * 200e3;
        let mut beacon = Beacon::new(
            &info,
            Ppb(0.0),
            BeaconConfig {
                program: Program::constant(Broadcast::new(0o35, &sched)),
                phase_turns: 0.1,
                frame_number: 1000,
                start: Picos(123_456_789),
                carrier: Hz(945e6 + off),
                carrier_offset: Hz(0.0),
                clock_error: Ppb(0.0),
                level: Dbfs(-20.0),
            },
        )
        .unwrap();
        for (i, c) in s.chunks_mut(65536).enumerate() {
            beacon.add_to(SampleIndex((i * 65536) as u64), c);
        }
    }
    let sd = (0.0001f64 * rate / 200e3 / 2.0).sqrt() as f32;
    for x in s.iter_mut() {
        let re: f32 = StandardNormal.sample(&mut rng);
        let im: f32 = StandardNormal.sample(&mut rng);
        x.re += re * sd;
        x.im += im * sd;
    }
    let mut out = vec![];
    let mut r = Receiver::new(&info, Options::default());
    let t = cpu();
    let w = std::time::Instant::now();
    for _ in 0..reps {
        out.clear();
        for b in s.chunks(65536) {
            r.process(b, &mut out);
        }
    }
    println!(
        "cpu {:.5} wall {:.5} per s; {} reports",
        (cpu() - t) / (secs * reps as f64),
        w.elapsed().as_secs_f64() / (secs * reps as f64),
        out.len()
    );
}
