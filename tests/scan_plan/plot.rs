//! The trade-off of the scan plan as a picture: docs/scan-plan.png.

use super::*;
use plotters::prelude::*;
use plotters::style::FontStyle;

const FONT: &[u8] = include_bytes!("../../src/cli/fonts/DejaVuSans-Latin.ttf");
const SIZE: (u32, u32) = (1000, 430);
const COLORS: [RGBColor; 4] = [RED, BLUE, RGBColor(0, 130, 0), RGBColor(150, 90, 0)];

/// Part of the cases decoded within each second.
fn distribution(cases: &[Option<f64>], until: u32) -> Vec<(f64, f64)> {
    (0..=until).map(|second| (f64::from(second), within(cases, f64::from(second)) * 100.0)).collect()
}

/// The seconds within which all but one in a hundred are decoded.
fn ninety_nine(cases: &[Option<f64>]) -> f64 {
    let mut took: Vec<f64> = cases.iter().map(|case| case.unwrap_or(f64::INFINITY)).collect();
    took.sort_by(f64::total_cmp);
    took[took.len() * 99 / 100]
}

#[test]
fn the_trade_off_between_width_weight_and_time_is_shown_over_a_thousand_cases() {
    let acceptance = std::env::var_os("DAEN_ACCEPTANCE").is_some();
    let places = if acceptance { 20 } else { 2 };
    let receivers = [
        ("2.4 Msps", "rtl-sdr-v3", 2.4e6),
        ("10 Msps", "hackrf-one", 10e6),
        ("20 Msps", "hackrf-one", 20e6),
        ("61.44 Msps", "bladerf-2-micro", 61.44e6),
    ];
    let mut curves = Vec::new();
    println!("receiver     GSM windows swept every   others every   half within   99 % within (on air 120 s)");
    for (name, model, rate) in receivers {
        let reach = reach(model, rate);
        let plan = Plan::new(&bands(), &reach, Options::default());
        let cases = cases_in(&reach, 120.0, Options::default(), places);
        println!(
            "{name:10} {:>18.2} s {:>18.1} s {:>11.1} s {:>11.1} s",
            plan.period(true).as_secs_f64(),
            plan.period(false).as_secs_f64(),
            median(&cases),
            ninety_nine(&cases)
        );
        curves.push((name, distribution(&cases, 60)));
    }
    // The narrow receiver: how often its GSM windows are swept for each time that others are.
    let narrow = reach("rtl-sdr-v3", 2.4e6);
    let mut weights = Vec::new();
    for gsm_weight in [1, 2, 4, 8, 16] {
        let options = Options { gsm_weight: Some(gsm_weight), ..Options::default() };
        let cases = cases_in(&narrow, 120.0, options, places);
        let other = Plan::new(&bands(), &narrow, options).period(false).as_secs_f64();
        println!(
            "2.4 Msps, weight {gsm_weight:2}: 99 % within {:5.1} s, others every {other:5.1} s",
            ninety_nine(&cases)
        );
        weights.push((other, ninety_nine(&cases), gsm_weight));
    }
    // More weight on GSM costs the others time, always.
    assert!(weights.windows(2).all(|pair| pair[0].0 < pair[1].0), "{weights:?}");
    // Of two that reach the same, the wider is quicker.
    let at_five = |n: usize| curves[n].1[5].1;
    assert!(at_five(1) < at_five(2), "{} and {} % within 5 s", at_five(1), at_five(2));
    if acceptance {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scan-plan.png");
        draw(&path, &curves, &weights);
        println!("picture: {}", path.display());
    }
}

fn draw(path: &Path, curves: &[(&str, Vec<(f64, f64)>)], weights: &[(f64, f64, u32)]) {
    assert!(plotters::style::register_font("sans-serif", FontStyle::Normal, FONT).is_ok());
    let mut pixels = vec![255; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        root.fill(&WHITE).unwrap();
        let (left, right) = root.split_horizontally(560);
        let mut chart = ChartBuilder::on(&left)
            .caption("a GSM transmitter that stays for two minutes", ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..60.0, 0.0..100.0)
            .unwrap();
        chart.configure_mesh().x_desc("seconds since it came up").y_desc("decoded, % of 1000").draw().unwrap();
        for ((name, points), color) in curves.iter().zip(COLORS) {
            chart
                .draw_series(std::iter::once(PathElement::new(points.clone(), color.stroke_width(2))))
                .unwrap()
                .label(*name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2)));
        }
        let labels = chart.configure_series_labels();
        { labels }
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()
            .unwrap();
        let widest = weights.iter().map(|(other, ..)| *other).fold(0.0, f64::max) * 1.15;
        let longest =
            weights.iter().map(|(_, took, _)| *took).filter(|took| took.is_finite()).fold(0.0, f64::max) * 1.2;
        let mut chart = ChartBuilder::on(&right)
            .caption("2.4 Msps: weight of GSM windows", ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..widest, 0.0..longest)
            .unwrap();
        let mesh = &mut chart.configure_mesh();
        mesh.x_desc("other windows swept every, s").y_desc("99 % decoded within, s").draw().unwrap();
        let points = weights.iter().filter(|(_, took, _)| took.is_finite());
        chart
            .draw_series(points.clone().map(|(other, took, _)| Circle::new((*other, *took), 4, BLUE.filled())))
            .unwrap();
        chart
            .draw_series(points.map(|(other, took, weight)| {
                Text::new(format!("  {weight}"), (*other, *took), ("sans-serif", 14).into_font())
            }))
            .unwrap();
        root.present().unwrap();
    }
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}
