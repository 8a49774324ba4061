//! The resource grid of a cell, subframe by subframe and port by port.

use super::control::{self, Messages};
use super::shared::Plan;
use super::{Cell, CellError, check};
use crate::coding::crc::CRC16;
use crate::coding::gold::Gold;
use crate::coding::rate_match::RateMatch;
use crate::coding::tail_biting;
use crate::rat::lte::control::{Layout, PHICH_FACTORS, Region, SI_RNTI, phich_factor};
use crate::rat::lte::dci::{Assignment, length_1a};
use crate::rat::lte::grid::Grid;
use crate::rat::lte::numerology::{BLOCK, Duplex, SUBFRAMES, pss_place, sss_place};
use crate::rat::lte::pbch::{self, MIB_BITS, PERIOD, PORTS};
use crate::rat::lte::reference::{Reference, SPACING};
use crate::rat::lte::shared::elements;
use crate::rat::lte::sync::{LENGTH, pss, sss};
use num_complex::Complex32;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::FRAC_1_SQRT_2;

/// P-RNTI; TS 36.321 table 7.1-1.
const P_RNTI: u16 = 0xfffe;

/// Makes the subframes of one cell.
#[derive(Clone, Debug)]
pub struct Resources {
    cell: Cell,
    plan: Plan,
    layout: Layout,
    reference: Reference,
    primary: [Complex32; LENGTH],
    secondary: [[f32; LENGTH]; 2],
    broadcast: Vec<(usize, usize)>,
    /// Scrambled bits of four frames, and the period of frame numbers that they belong to.
    coded: (Option<u16>, Vec<u8>),
    /// By PHICH factor, in downlink and in special subframes.
    regions: [[Region; 3]; 2],
    messages: Messages,
    bits: Vec<u8>,
}

impl Resources {
    /// Of `cell`.
    ///
    /// # Errors
    /// [`CellError`] where the cell has a value that the standard does not know, its control region is too small for what it
    /// announces, or SIB1 does not say when its messages are sent.
    pub fn new(cell: Cell) -> Result<Resources, CellError> {
        cell.check()?;
        let plan = Plan::new(&cell)?;
        let layout = Layout {
            pci: cell.pci,
            cp: cell.cp,
            blocks: cell.blocks,
            ports: cell.ports,
            phich_extended: cell.phich_extended,
            phich_sixths: cell.phich_sixths,
        };
        let format = cell.format_indicator;
        let regions =
            [false, true].map(|special| [0, 1, 2].map(|factor| Region::new(&layout, format, factor, special)));
        if !cell.sib1.is_empty() {
            let used = if cell.frames.duplex() == Duplex::Tdd { &PHICH_FACTORS[..] } else { &PHICH_FACTORS[..1] };
            let least = used.iter().map(|&factor| control::elements(regions[0][factor].order.len())).min().unwrap_or(0);
            let allowed = format!("at most the {least} elements that this control region has");
            check(cell.grant.aggregation <= least, "the aggregation level", cell.grant.aggregation, &allowed)?;
        }
        let id = usize::from(cell.pci);
        Ok(Resources {
            plan,
            layout,
            reference: Reference::new(cell.pci, cell.cp, cell.blocks),
            primary: pss(id % 3),
            secondary: sss(id / 3, id % 3),
            broadcast: pbch::elements(cell.pci, cell.cp, cell.blocks * BLOCK),
            coded: (None, Vec::new()),
            regions,
            messages: Messages::default(),
            bits: Vec::new(),
            cell,
        })
    }

    /// The cell.
    pub fn cell(&self) -> &Cell {
        &self.cell
    }

    /// Writes subframe `subframe` of frame `number` (modulo 1024) into `grids`, one for each port; `turn` tells apart subframes of
    /// the same number: other users are random by it.
    ///
    /// Reference elements have unit power a port, others unit power over all ports.
    ///
    /// # Panics
    /// Where `grids` are not as many as the ports, or their sizes are not the cell's.
    pub fn subframe(&mut self, turn: u64, number: u16, subframe: usize, grids: &mut [Grid]) {
        assert_eq!(grids.len(), self.cell.ports, "a grid for each port");
        let symbols = self.plan.symbols(subframe);
        for (port, grid) in grids.iter_mut().enumerate() {
            for symbol in 0..self.cell.cp.symbols() {
                grid.symbol_mut(symbol).fill(Complex32::default());
                if symbol < symbols
                    && let Some((first, values)) = self.reference.of(port, subframe, symbol)
                {
                    let places = grid.symbol_mut(symbol)[first..].iter_mut().step_by(SPACING);
                    places.zip(values).for_each(|(place, value)| *place = *value);
                }
            }
        }
        self.synchronisation(subframe, grids);
        if subframe == 0 {
            self.broadcast(number, grids);
        }
        if symbols > 0 {
            self.data(turn, number, subframe, grids);
        }
    }

    /// PSS and SSS, from port 0 alone; TS 36.211 clause 6.11.
    fn synchronisation(&self, subframe: usize, grids: &mut [Grid]) {
        let (half, within) = (subframe / 5, subframe % 5);
        let duplex = self.cell.frames.duplex();
        let first = self.cell.blocks * BLOCK / 2 - LENGTH / 2;
        let (at, symbol) = pss_place(duplex, self.cell.cp);
        if within == at {
            grids[0].symbol_mut(symbol)[first..first + LENGTH].copy_from_slice(&self.primary);
        }
        let (at, symbol) = sss_place(duplex, self.cell.cp);
        if within == at {
            let places = &mut grids[0].symbol_mut(symbol)[first..first + LENGTH];
            places.iter_mut().zip(self.secondary[half]).for_each(|(place, value)| *place = value.into());
        }
    }

    /// PBCH; TS 36.212 clause 5.3.1, TS 36.211 clause 6.6.
    fn broadcast(&mut self, number: u16, grids: &mut [Grid]) {
        let length = 2 * self.broadcast.len();
        let period = number / PERIOD as u16;
        if self.coded.0 != Some(period) {
            let mib = self.cell.mib(number);
            let mut word: Vec<u8> = (0..MIB_BITS).rev().map(|i| (mib >> i & 1) as u8).collect();
            let mask = PORTS.iter().find(|(ports, _)| *ports == self.cell.ports).map_or(0, |(_, mask)| *mask);
            let parity = CRC16.parity(&word) ^ u64::from(mask);
            word.extend((0..16).rev().map(|i| (parity >> i & 1) as u8));
            let mut coded = vec![0; 3 * word.len()];
            tail_biting::encode(&word, &mut coded);
            self.coded = (Some(period), vec![0; PERIOD * length]);
            RateMatch::new(word.len()).select(&coded, &mut self.coded.1);
            Gold::new(u32::from(self.cell.pci)).scramble(&mut self.coded.1);
        }
        let quarter = usize::from(number) % PERIOD;
        precode(grids, &self.broadcast, &self.coded.1[quarter * length..(quarter + 1) * length]);
    }

    /// The control region, system information and other users.
    fn data(&mut self, turn: u64, number: u16, subframe: usize, grids: &mut [Grid]) {
        let (cell, layout) = (&self.cell, &self.layout);
        let mut random = ChaCha8Rng::seed_from_u64(cell.seed);
        random.set_stream(turn.wrapping_mul(SUBFRAMES as u64).wrapping_add(subframe as u64));
        let special = self.plan.is_special(subframe);
        let factor = match cell.frames {
            super::Frames::Type1 => 1,
            super::Frames::Type2 { assignment, .. } => phich_factor(assignment, subframe).unwrap_or(0),
        };
        // In special subframes the indicator is at most two; TS 36.211 table 6.7-1.
        let format = if special { cell.format_indicator.min(2) } else { cell.format_indicator };
        let bits = control::indicator(cell.pci, subframe, format);
        for (first, bits) in layout.indicator().into_iter().zip(bits.chunks_exact(8)) {
            let group: Vec<(usize, usize)> = layout.elements(0, first).collect();
            precode(grids, &group, bits);
        }

        let region = &self.regions[usize::from(special)][factor];
        self.messages.clear(region.order.len());
        let due = self.plan.due(number, subframe);
        let due = due.filter(|(block, version)| {
            let (message, turn) = (block.announcement.bits(*version), usize::from(number));
            self.messages.announce(&message, SI_RNTI, cell.grant.aggregation, turn)
        });
        if cell.pages {
            // What it would say is nobody's: random, but no format 0.
            let mut message = vec![1; length_1a(cell.frames.duplex(), cell.blocks)];
            message[1..].fill_with(|| random.random_range(0..2));
            self.messages.announce(&message, P_RNTI, control::LEAST_AGGREGATION, usize::from(number) + 1);
        }
        for at in 0..self.messages.used.len() {
            if !self.messages.used[at] && random.random_bool(cell.load) {
                self.messages.occupy(at, || random.random_range(0..2));
            }
        }
        self.messages.scramble(cell.pci, subframe);
        for (group, &place) in region.elements.chunks_exact(4).zip(&region.order) {
            if let Some(bits) = self.messages.group(place) {
                precode(grids, group, bits);
            }
        }

        let symbols = layout.symbols(format, special)..self.plan.symbols(subframe);
        let place = (cell.frames.duplex(), subframe);
        let none = Assignment { blocks: [Vec::new(), Vec::new()], bits: 0, version: None };
        let taken = due.as_ref().map_or(&none, |(block, _)| &block.assignment);
        let others = if cell.load > 0.0 {
            let free = |slot: usize| (0..cell.blocks).filter(move |block| !taken.blocks[slot].contains(block));
            let chosen: Vec<bool> = (0..cell.blocks).map(|_| random.random_bool(cell.load)).collect();
            let blocks = [0, 1].map(|slot| free(slot).filter(|&block| chosen[block]).collect());
            Some(Assignment { blocks, ..none.clone() })
        } else {
            None
        };
        if let Some((block, version)) = due {
            let elements = elements(layout, place, symbols.clone(), &block.assignment);
            self.bits.clear();
            self.bits.resize(2 * elements.len(), 0);
            block.send(cell, subframe, version, &mut self.bits);
            precode(grids, &elements, &self.bits);
        }
        if let Some(others) = others {
            let elements = elements(layout, place, symbols, &others);
            self.bits.clear();
            self.bits.resize_with(2 * elements.len(), || random.random_range(0..2));
            precode(grids, &elements, &self.bits);
        }
    }
}

/// Puts QPSK symbols of `bits` on `elements`, with transmit diversity where there are several ports; TS 36.211 clauses 6.3.3.3,
/// 6.3.4.3 and 7.1.2.
fn precode(grids: &mut [Grid], elements: &[(usize, usize)], bits: &[u8]) {
    let sign = |bit: u8| if bit == 0 { FRAC_1_SQRT_2 } else { -FRAC_1_SQRT_2 };
    let symbol = |bits: &[u8]| Complex32::new(sign(bits[0]), sign(bits[1]));
    if let [grid] = grids {
        for (&(l, k), bits) in elements.iter().zip(bits.chunks_exact(2)) {
            grid.symbol_mut(l)[k] = symbol(bits);
        }
        return;
    }
    let ports = grids.len();
    for (i, (pair, bits)) in elements.chunks_exact(2).zip(bits.chunks_exact(4)).enumerate() {
        let (one, other) = match (ports, i % 2) {
            (2, _) => (0, 1),
            (_, 0) => (0, 2),
            _ => (1, 3),
        };
        let [x0, x1] = [0, 2].map(|at| symbol(&bits[at..]) * FRAC_1_SQRT_2);
        let mut put = |port: usize, (l, k): (usize, usize), value: Complex32| grids[port].symbol_mut(l)[k] = value;
        put(one, pair[0], x0);
        put(one, pair[1], x1);
        put(other, pair[0], -x1.conj());
        put(other, pair[1], x0.conj());
    }
}
