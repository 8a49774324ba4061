use daen::radio::source::StreamInfo;
use daen::rat::gsm::*;
use daen::synth::gsm::{beacon::*, broadcast::*, *};
use daen::units::*;
use num_complex::Complex32;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let rate: f64 = 1e6;
    let secs: f64 = a.get(2).map(|x| x.parse().unwrap()).unwrap_or(5.0);
    let cfo: f64 = a.get(3).map(|x| x.parse().unwrap()).unwrap_or(0.0);
    let seeds: u64 = a.get(4).map(|x| x.parse().unwrap()).unwrap_or(2);
    for snr in a[1].split(',') {
        let snr: f64 = snr.parse().unwrap();
        let mut tot = (0u64, 0u64, 0u64, 0u64);
        let mut exp = 0.0;
        let mut rep = String::new();
        for seed in 0..seeds {
            let info = StreamInfo { stream: "x".into(), center: Hz(945e6), sample_rate: Hz(rate), start: Timestamp(0) };
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut si = [0x2bu8; 23];
            si[..3].copy_from_slice(&[0x49, 0x06, 0x1b]);
            for b in si.iter_mut().skip(3) {
                let r: f64 = StandardNormal.sample(&mut rng);
                *b = (r * 1000.0) as i32 as u8;
            }
            si[10] &= 0xf8;
            let sched = Schedule { norm: std::array::from_fn(|_| vec![si]), ..Schedule::default() };
            let bc = Broadcast::new(0o35, &sched);
            let mut beacon = Beacon::new(
                &info,
                Ppb(0.0),
                BeaconConfig {
                    program: Program::constant(bc),
                    phase_turns: 0.1,
                    frame_number: 1000 + (seed as u32) * 377,
                    start: Picos(123_456_789),
                    carrier: Hz(945e6),
                    carrier_offset: Hz(cfo),
                    clock_error: Ppb(0.0),
                    level: Dbfs(-20.0),
                },
            )
            .unwrap();
            let n = (secs * rate) as usize;
            let mut s = vec![Complex32::default(); n];
            for (i, c) in s.chunks_mut(65536).enumerate() {
                beacon.add_to(SampleIndex((i * 65536) as u64), c);
            }
            let p = 0.01f64 / 10f64.powf(snr / 10.0) * rate / 200e3;
            let sd = (p / 2.0).sqrt() as f32;
            for x in s.iter_mut() {
                let re: f32 = StandardNormal.sample(&mut rng);
                let im: f32 = StandardNormal.sample(&mut rng);
                x.re += re * sd;
                x.im += im * sd;
            }
            let mut out = vec![];
            let t = std::time::Instant::now();
            let mut r = Receiver::new(&info, Options::default());
            for b in s.chunks(65536) {
                r.process(b, &mut out);
            }
            r.finish(&mut out);
            let el = t.elapsed().as_secs_f64();
            exp += ((secs / (1250.0 / 270833.333) - 1.0) / 51.0 * 9.0).floor();
            rep.push_str(&format!(" {:.4}", el / secs));
            for c in &out {
                tot.0 += c.counts["blocks"];
                tot.1 += c.counts["blocks_failed"];
                tot.2 += c.counts["sch"];
                tot.3 += c.counts["sch_failed"];
                rep.push_str(&format!(
                    " [snr {:.1} lvl {:.1} cfo {:.0}±{:.0}ppb t-err {:.0}±{:.0} ns]",
                    c.snr.0,
                    c.level.0,
                    c.carrier.hz.0,
                    c.carrier.sigma_ppb.0,
                    {
                        let t = c.timing.unwrap();
                        let f = match t.frame {
                            daen::observation::FrameName::Gsm { frame_number } => frame_number,
                            _ => 0,
                        };
                        let frames = f as f64 - (1000.0 + seed as f64 * 377.0);
                        t.at_ns.0 as f64 + t.at_frac_ns - (123456.789 + frames * 1250.0 / 270833.33333333 * 1e9)
                    },
                    c.timing.unwrap().sigma_ns
                ));
            }
        }
        println!(
            "snr {snr}: blocks {}/{:.0} = {:.1}% sch {}/{} = {:.1}%{rep}",
            tot.0,
            exp,
            100.0 * tot.0 as f64 / exp,
            tot.2,
            tot.2 + tot.3,
            100.0 * tot.2 as f64 / (tot.2 + tot.3) as f64
        );
    }
}
