//! RF-13, RF-14.

use crate::lte_support::*;
use crate::support::{judge_anew, register, tiers};
use daen::observation::Tier::{B, C};
use daen::observation::lte::LteFields;

fn other() -> LteCell {
    public_lte("520-03", 31, 700, 0x2_0002)
}

fn plain(_: &mut LteFields) {}

fn ports(count: u8) -> impl Fn(&mut LteFields) {
    move |f| f.radio.as_mut().unwrap().ports = count
}

fn width(prb: u8) -> impl Fn(&mut LteFields) {
    move |f| f.mib.as_mut().unwrap().prb = prb
}

#[test]
fn rf_13_fires_on_one_port_among_siblings_with_more() {
    assert_eq!(among("RF-13", plain, &own().with(ports(1))), [B]);
    assert_eq!(among("RF-13", ports(4), &own().with(ports(1))), [B]);
}

#[test]
fn rf_13_near_miss_two_ports_among_four_and_no_siblings_are_silent() {
    assert_eq!(among("RF-13", ports(4), &own()), []);
    assert_eq!(alone("RF-13", &own().with(ports(1))), []);
    assert_eq!(among("RF-13", plain, &own().with(|f| f.radio = None)), []);
}

#[test]
fn rf_13_benign_lookalike_one_small_cell_among_the_siblings_silences_it_and_a_licence_makes_it_context() {
    let small = public_lte("520-03", 90, 700, 0x3_0001).with(ports(1)).heard(0);
    let heard = [small].into_iter().chain(lte_siblings("520-03", 0, plain)).chain([own().with(ports(1)).heard(10)]);
    let on_own = judge_anew(None, heard).into_iter().filter(|f| f.rule == "RF-13" && f.observation.cell == own().key());
    assert_eq!(on_own.count(), 0);
    let rows: Vec<String> =
        (1..=5).map(|n| format!("TH-{n},lte,520-03,,700,{},{},licensed,", 0x1_0000 + 256 * n, 100 + n)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).chain(["TH-9,lte,520-03,,700,131073,30,licensed,"]).collect();
    let heard = lte_siblings("520-03", 0, plain).into_iter().chain([own().with(ports(1)).heard(10)]);
    assert_eq!(tiers(&judge_anew(Some(register(&rows)), heard), "RF-13"), [C]);
}

#[test]
fn rf_13_keeps_two_cells_apart() {
    kept_apart("RF-13", None, lte_siblings("520-03", 0, plain), &own().with(ports(1)), &other());
}

#[test]
fn rf_14_fires_as_context_on_a_narrow_cell_among_wide_ones() {
    assert_eq!(among("RF-14", plain, &own().with(width(50))), [C]);
}

#[test]
fn rf_14_near_miss_75_blocks_and_siblings_in_another_block_are_silent() {
    assert_eq!(among("RF-14", width(100), &own().with(width(75))), []);
    assert_eq!(among("RF-14", plain, &own().with(width(50)).on(2_140_000_000, 1)), []);
    assert_eq!(among("RF-14", plain, &own().with(width(50)).on(1_837_500_000, 3)), [C], "10 MHz away");
    assert_eq!(among("RF-14", plain, &own().with(width(50)).on(1_837_600_000, 3)), []);
    assert_eq!(among("RF-14", plain, &own().with(|f| f.mib = None)), []);
}

#[test]
fn rf_14_benign_lookalike_a_narrow_sibling_and_a_licence_silence_it() {
    assert_eq!(among("RF-14", width(50), &own().with(width(50))), []);
    let licence = register(&["TH-9,lte,520-03,,700,131073,30,licensed,"]);
    let heard = lte_siblings("520-03", 0, plain).into_iter().chain([own().with(width(50)).heard(10)]);
    assert_eq!(tiers(&judge_anew(Some(licence), heard), "RF-14"), []);
}

#[test]
fn rf_14_keeps_two_cells_apart() {
    kept_apart("RF-14", None, lte_siblings("520-03", 0, plain), &own().with(width(50)), &other());
}
