//! The middle six resource blocks of a cell that is followed: what its MIB needs of each frame, and no more.

use super::channel::Channel;
use super::grid::Grid;
use super::numerology::{CENTRE, CyclicPrefix, MAX_SYMBOLS};
use super::pbch::{Broadcast, Mother};
use super::reference::{Reference, SPACING, symbols};
use num_complex::Complex32;

/// Receives the PBCH of one cell from the grid of its whole bandwidth.
#[derive(Debug)]
pub struct Middle {
    symbols: Vec<usize>,
    reference: Reference,
    grid: Grid,
    channel: Channel,
    /// Decodes what was received.
    pub receiver: Broadcast,
    ports: usize,
}

impl Middle {
    /// For cell `pci` with `ports` antenna ports.
    pub fn new(pci: u16, cp: CyclicPrefix, ports: usize) -> Middle {
        let slot = cp.slot_symbols();
        let [first, second, last] = symbols(cp);
        let mut needed = vec![first, last, slot + last];
        needed.extend(slot..slot + 4);
        if ports == 4 {
            needed.push(second);
        }
        needed.sort_unstable();
        needed.dedup();
        Middle {
            symbols: needed,
            reference: Reference::new(pci, cp, CENTRE / 12),
            grid: Grid::new(CENTRE, MAX_SYMBOLS),
            channel: Channel::new(ports, CENTRE, MAX_SYMBOLS),
            receiver: Broadcast::new(pci, cp, CENTRE),
            ports,
        }
    }

    /// Symbols of subframe 0 that are needed: those of the PBCH and those with reference signals.
    pub fn symbols(&self) -> &[usize] {
        &self.symbols
    }

    /// The soft bits of subframe 0, which is quarter `quarter` of its period; `wide`: the cell's own grid, its middle the same.
    pub fn receive(&mut self, wide: &Grid, quarter: usize) -> Mother {
        let first = (wide.subcarriers() - CENTRE) / 2;
        for &symbol in &self.symbols {
            self.grid.symbol_mut(symbol).copy_from_slice(&wide.symbol(symbol)[first..first + CENTRE]);
        }
        self.channel.estimate(&self.grid, &self.reference, 0, self.reference.cp().symbols(), self.ports, None);
        self.receiver.receive_quarter(&self.grid, &self.channel, self.ports, quarter)
    }
}

/// Mean power of a reference element, noise taken off, of the strongest of `ports` ports in subframe 0, and the noise, which comes from
/// second differences of neighbours.
pub fn level(grid: &Grid, reference: &Reference, ports: usize) -> (f32, f32) {
    let (mut differences, mut count, mut strongest) = (0.0f64, 0usize, 0.0f64);
    let mut values: Vec<Complex32> = Vec::with_capacity(reference.subcarriers() / SPACING);
    for port in 0..ports {
        let (mut power, mut elements) = (0.0f64, 0usize);
        for symbol in 0..reference.cp().symbols() {
            let Some((first, known)) = reference.of(port, 0, symbol) else { continue };
            let received = grid.symbol(symbol)[first..].iter().step_by(SPACING);
            values.clear();
            values.extend(received.zip(known).map(|(value, known)| value * known.conj()));
            power += f64::from(values.iter().map(Complex32::norm_sqr).sum::<f32>());
            elements += values.len();
            differences += f64::from(
                values.windows(3).map(|near| (near[0] - near[1] * 2.0 + near[2]).norm_sqr() / 6.0).sum::<f32>(),
            );
            count += values.len().saturating_sub(2);
        }
        strongest = strongest.max(power / elements.max(1) as f64);
    }
    let noise = ((differences / count.max(1) as f64) as f32).max(1e-20);
    ((strongest as f32 - noise).max(0.0), noise)
}
