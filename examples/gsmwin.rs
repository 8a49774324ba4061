use daen::radio::source::StreamInfo;
use daen::rat::gsm::*;
use daen::synth::gsm::{beacon::*, broadcast::*, *};
use daen::units::*;
use num_complex::Complex32;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let snr: f64 = a[1].parse().unwrap();
    let win: f64 = a[2].parse().unwrap();
    let rate: f64 = a[3].parse().unwrap();
    let (mut ok, mut n, mut miss, mut ghost) = (0, 0, 0, 0);
    let mut fcch_only = 0;
    for k in 0..60u64 {
        let cfo = [-40e3, -20e3, 0.0, 13e3, 40e3][(k % 5) as usize];
        let info = StreamInfo { stream: "x".into(), center: Hz(945e6), sample_rate: Hz(rate), start: Timestamp(0) };
        let mut rng = ChaCha8Rng::seed_from_u64(k);
        let sched = Schedule::default();
        let start = -(k as f64) * 3.7e-3 - 0.0001;
        let fnum = 1000u32;
        let mut beacon = Beacon::new(
            &info,
            Ppb(0.0),
            BeaconConfig {
                program: Program::constant(Broadcast::new(0o35, &sched)),
                phase_turns: 0.1,
                frame_number: fnum,
                start: Picos::from_secs_f64(start),
                carrier: Hz(945e6),
                carrier_offset: Hz(cfo),
                clock_error: Ppb(0.0),
                level: Dbfs(-20.0),
            },
        )
        .unwrap();
        let len = (win * rate) as usize;
        let mut s = vec![Complex32::default(); len];
        beacon.add_to(SampleIndex(0), &mut s);
        let p = 0.01f64 / 10f64.powf(snr / 10.0) * rate / 200e3;
        let sd = (p / 2.0).sqrt() as f32;
        for x in s.iter_mut() {
            let re: f32 = StandardNormal.sample(&mut rng);
            let im: f32 = StandardNormal.sample(&mut rng);
            x.re += re * sd;
            x.im += im * sd;
        }
        let fr = 1250.0 / (1625000.0 / 6.0);
        let mut has_sch = false;
        let mut has_f = false;
        for f in 0..2000 {
            let t = start + f as f64 * fr;
            let t3 = (fnum + f) % 51;
            if t >= 0.0 && t + 148.0 / 270833.3 <= win {
                if t3 % 10 == 1 && t3 < 50 {
                    has_sch = true;
                }
                if t3 % 10 == 0 && t3 < 50 {
                    has_f = true;
                }
            }
        }
        let mut out = vec![];
        let mut r = Receiver::new(&info, Options::default());
        r.process(&s, &mut out);
        r.finish(&mut out);
        let good = out.iter().any(|c| c.key.center_hz == 945_000_000 && c.key.id == 0o35);
        ghost += out.iter().filter(|c| !(c.key.center_hz == 945_000_000 && c.key.id == 0o35)).count();
        if has_sch {
            n += 1;
            if good {
                ok += 1
            } else {
                miss += 1;
                println!("miss k {k} cfo {cfo} fcch {has_f} start {start}");
            }
        } else if has_f {
            fcch_only += 1;
        }
    }
    println!(
        "snr {snr} win {win}: {ok}/{n} with SCH, missed {miss}, ghosts {ghost}, windows with FCCH alone {fcch_only}"
    );
}
