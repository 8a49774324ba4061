use daen::radio::source::StreamInfo;
use daen::rat::gsm::*;
use daen::units::*;
use num_complex::Complex32;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let meta: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{}.sigmf-meta", a[1])).unwrap()).unwrap();
    let data = std::fs::read(format!("{}.sigmf-data", a[1])).unwrap();
    let rate = meta["global"]["core:sample_rate"].as_f64().unwrap();
    let f = meta["captures"][0]["core:frequency"].as_f64().unwrap();
    let s: Vec<Complex32> = match meta["global"]["core:datatype"].as_str().unwrap() {
        "cf32_le" => data
            .chunks_exact(8)
            .map(|c| {
                Complex32::new(
                    f32::from_le_bytes(c[..4].try_into().unwrap()),
                    f32::from_le_bytes(c[4..].try_into().unwrap()),
                )
            })
            .collect(),
        _ => {
            data.chunks_exact(2).map(|c| Complex32::new(c[0] as i8 as f32 / 128.0, c[1] as i8 as f32 / 128.0)).collect()
        }
    };
    let info = StreamInfo { stream: "x".into(), center: Hz(f), sample_rate: Hz(rate), start: Timestamp(0) };
    let reps: usize = a.get(2).map(|x| x.parse().unwrap()).unwrap_or(1);
    let t = std::time::Instant::now();
    let mut out = vec![];
    for _ in 0..reps {
        out.clear();
        let mut r = Receiver::new(&info, Options::default());
        for b in s.chunks(65536) {
            r.process(b, &mut out);
        }
        r.finish(&mut out);
    }
    let dt = t.elapsed().as_secs_f64() / reps as f64;
    for c in &out {
        println!(
            "{} {:?} lvl {:.1}±{:.1} snr {:.1} cfo {:.0} Hz ({:.0}±{:.0} ppb) first {:.4} last {:.4} {:?}\n   timing {:?}\n   id {:?} {:?}",
            c.key,
            c.identity.as_ref().map(|i| (i.area, i.cell_id)),
            c.level.0,
            c.level_sigma.0,
            c.snr.0,
            c.carrier.hz.0,
            c.carrier.ppb.0,
            c.carrier.sigma_ppb.0,
            c.first.as_secs_f64(),
            c.last.as_secs_f64(),
            c.counts,
            c.timing,
            c.identity,
            c.broadcast.iter().map(|b| format!("{}:{}x{}", b.name, b.octets, b.count)).collect::<Vec<_>>()
        );
    }
    println!(
        "{} cells, {:.4} s for {:.3} s: {:.4} s/s",
        out.len(),
        dt,
        s.len() as f64 / rate,
        dt / (s.len() as f64 / rate)
    );
}
