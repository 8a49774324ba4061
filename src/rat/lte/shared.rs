//! System information on the shared channel: its resource elements and soft bits; TS 36.211 clauses 6.3 and 6.4.

use super::channel::{Channel, soft_bits};
use super::control::{Layout, SI_RNTI};
use super::dci::Assignment;
use super::grid::Grid;
use super::numerology::{BLOCK, CENTRE, Duplex, pss_place, sss_place};
use super::reference::is_reference;
use crate::coding::gold::Gold;
use std::ops::Range;

/// Whether PBCH, PSS or SSS take the middle of symbol `symbol` of subframe `subframe`.
fn is_taken(layout: &Layout, duplex: Duplex, subframe: usize, symbol: usize) -> bool {
    let slot = layout.cp.slot_symbols();
    let half = subframe / 5 * 5;
    let at = |(place, place_symbol): (usize, usize)| subframe == place + half && symbol == place_symbol;
    let broadcast = subframe == 0 && (slot..slot + 4).contains(&symbol);
    broadcast || at(pss_place(duplex, layout.cp)) || at(sss_place(duplex, layout.cp))
}

/// Elements of an assignment in `symbols` of `subframe` in the order of mapping; TS 36.211 clause 6.4.
pub fn elements(
    layout: &Layout,
    (duplex, subframe): (Duplex, usize),
    symbols: Range<usize>,
    assignment: &Assignment,
) -> Vec<(usize, usize)> {
    let slot = layout.cp.slot_symbols();
    let middle = layout.blocks * BLOCK / 2;
    let centre = middle - CENTRE / 2..middle + CENTRE / 2;
    let mut elements = Vec::new();
    for symbol in symbols {
        let taken = is_taken(layout, duplex, subframe, symbol);
        for &block in &assignment.blocks[symbol / slot] {
            elements.extend((block * BLOCK..(block + 1) * BLOCK).filter_map(|k| {
                let reserved = is_reference(layout.pci, layout.cp, layout.ports, symbol % slot, k);
                let free = !reserved && (!taken || !centre.contains(&k));
                free.then_some((symbol, k))
            }));
        }
    }
    elements
}

/// Descrambled soft bits of an assignment in `symbols` of `subframe`.
pub fn receive(
    layout: &Layout,
    (duplex, subframe): (Duplex, usize),
    symbols: Range<usize>,
    assignment: &Assignment,
    (grid, channel): (&Grid, &Channel),
    soft: &mut Vec<f32>,
) {
    let elements = elements(layout, (duplex, subframe), symbols, assignment);
    soft.clear();
    soft_bits(grid, channel, layout.ports, &elements, soft);
    let initial = u32::from(SI_RNTI) << 14 | (subframe as u32) << 9 | u32::from(layout.pci);
    Gold::new(initial).scramble_soft(soft);
}
