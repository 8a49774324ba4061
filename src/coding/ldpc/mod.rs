//! The quasi-cyclic LDPC code of NR's shared channels: its two base graphs, and a layered decoder.
//!
//! The decoder is normalised min-sum, row of the base graph by row: what a row learns counts for the next one already. Rows whose parity
//! bit was not received say nothing and are left out.
//!
//! ## References
//! - 3GPP TS 38.212 Release 17: clauses 5.2.2 (lifting sizes), 5.3.2 (the code)

mod base_graph_1;
mod base_graph_2;

use base_graph_1::BASE_GRAPH_1;
use base_graph_2::BASE_GRAPH_2;

/// One circulant of a base graph: row, column, shift by the set of the lifting size.
type Entry = (u8, u8, [u16; 8]);

/// Least lifting size of each set; the others are it times a power of two. TS 38.212 table 5.3.2-1.
const SETS: [usize; 8] = [2, 3, 5, 7, 9, 11, 13, 15];

/// The largest lifting size; TS 38.212 table 5.3.2-1.
pub const LARGEST_LIFTING: usize = 384;

/// Rows that are always needed: those of the parity bits that the others are made from; TS 38.212 tables 5.3.2-2 and 5.3.2-3.
const CORE_ROWS: usize = 4;

/// Weight of what a check says: min-sum is too sure of itself. Chosen: the usual 3/4; `tests/nr_ldpc.rs` measures the whole.
const SCALE: f32 = 0.75;

/// Entries of the densest row; TS 38.212 table 5.3.2-2.
const MOST_ENTRIES: usize = 19;

/// Which of the two codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseGraph {
    /// For long blocks and high rates.
    One,
    /// For short blocks and low rates.
    Two,
}

impl BaseGraph {
    fn entries(self) -> &'static [Entry] {
        match self {
            BaseGraph::One => &BASE_GRAPH_1,
            BaseGraph::Two => &BASE_GRAPH_2,
        }
    }

    /// Columns of the information bits.
    pub const fn information_columns(self) -> usize {
        match self {
            BaseGraph::One => 22,
            BaseGraph::Two => 10,
        }
    }

    /// All columns, the first two of which are never sent.
    pub const fn columns(self) -> usize {
        match self {
            BaseGraph::One => 68,
            BaseGraph::Two => 52,
        }
    }

    /// Columns that are sent: N is so many times the lifting size.
    pub const fn sent_columns(self) -> usize {
        self.columns() - PUNCTURED_COLUMNS
    }
}

/// Columns at the beginning that are never sent; TS 38.212 clause 5.3.2.
pub const PUNCTURED_COLUMNS: usize = 2;

/// i_LS, the set of a lifting size; `None` where it is none. TS 38.212 table 5.3.2-1.
fn set_of(lifting: usize) -> Option<usize> {
    let odd = lifting.checked_shr(lifting.checked_ilog2()?.min(lifting.trailing_zeros()))?;
    // A power of two is two times a power of two.
    let least = if odd == 1 { 2 } else { odd };
    SETS.iter().position(|&set| set == least).filter(|_| (2..=LARGEST_LIFTING).contains(&lifting))
}

/// Z_c: the least lifting size of which `columns` hold `bits`; `None` where none does. TS 38.212 clause 5.2.2.
pub fn lifting_size(bits: usize, columns: usize) -> Option<usize> {
    (2..=LARGEST_LIFTING).filter(|&lifting| set_of(lifting).is_some()).find(|lifting| columns * lifting >= bits)
}

/// One circulant: where its column begins among the bits, and its shift.
#[derive(Clone, Copy, Debug)]
struct Circulant {
    first: usize,
    shift: usize,
}

/// A decoder for one base graph and lifting size.
#[derive(Clone, Debug)]
pub struct Ldpc {
    graph: BaseGraph,
    lifting: usize,
    circulants: Vec<Circulant>,
    /// Ends of the rows among the circulants.
    ends: Vec<usize>,
    /// What each check last said of each of its bits.
    messages: Vec<f32>,
    /// What is known of each bit.
    soft: Vec<f32>,
    /// Of the row at work, entry by entry: what is known of its bits without the row itself.
    others: Vec<f32>,
    smallest: Vec<f32>,
    second: Vec<f32>,
    sign: Vec<u32>,
}

impl Ldpc {
    /// For `graph` lifted by `lifting`; `None` where that is no lifting size of TS 38.212 table 5.3.2-1.
    pub fn new(graph: BaseGraph, lifting: usize) -> Option<Ldpc> {
        let set = set_of(lifting)?;
        let entries = graph.entries();
        let circulants: Vec<Circulant> = entries
            .iter()
            .map(|(_, column, shifts)| Circulant {
                first: usize::from(*column) * lifting,
                shift: usize::from(shifts[set]) % lifting,
            })
            .collect();
        let rows = graph.columns() - graph.information_columns();
        let ends = (0..rows).map(|row| entries.partition_point(|entry| usize::from(entry.0) <= row)).collect();
        Some(Ldpc {
            graph,
            lifting,
            messages: vec![0.0; circulants.len() * lifting],
            circulants,
            ends,
            soft: vec![0.0; graph.columns() * lifting],
            others: vec![0.0; MOST_ENTRIES * lifting],
            smallest: vec![0.0; lifting],
            second: vec![0.0; lifting],
            sign: vec![0; lifting],
        })
    }

    /// K, information bits of a code block, filler bits among them.
    pub fn information_bits(&self) -> usize {
        self.graph.information_columns() * self.lifting
    }

    /// N, coded bits of a code block, those that are never sent left out.
    pub fn coded_bits(&self) -> usize {
        self.graph.sent_columns() * self.lifting
    }

    /// Decodes the soft bits of d (positive: zero) until every check holds and `right` takes the information bits; `false` where that does
    /// not happen within `iterations`.
    ///
    /// `coded`: N soft bits; a filler bit is a large positive one. `bits` takes the K information bits of the last attempt.
    ///
    /// # Panics
    /// Where `coded` or `bits` is of another length.
    pub fn decode(&mut self, coded: &[f32], bits: &mut [u8], iterations: usize, right: impl Fn(&[u8]) -> bool) -> bool {
        assert!(coded.len() == self.coded_bits() && bits.len() == self.information_bits(), "one code block");
        let (punctured, sent) = self.soft.split_at_mut(PUNCTURED_COLUMNS * self.lifting);
        punctured.fill(0.0);
        for (soft, &coded) in sent.iter_mut().zip(coded) {
            // What is not finite says nothing.
            *soft = if coded.is_finite() { coded.clamp(-LARGEST_SOFT, LARGEST_SOFT) } else { 0.0 };
        }
        self.messages.fill(0.0);
        let rows = self.rows_received();
        for _ in 0..iterations {
            (0..rows).for_each(|row| self.work(row));
            for (bit, &soft) in bits.iter_mut().zip(&self.soft) {
                *bit = u8::from(soft < 0.0);
            }
            if (0..rows).all(|row| self.holds(row)) && right(bits) {
                return true;
            }
        }
        false
    }

    /// Rows up to the last one whose own parity bits were received, and those of the core.
    fn rows_received(&self) -> usize {
        let first = (self.graph.information_columns() + CORE_ROWS) * self.lifting;
        let last = self.soft[first..].iter().rposition(|&soft| soft != 0.0);
        CORE_ROWS + last.map_or(0, |last| last / self.lifting + 1)
    }

    fn circulants_of(&self, row: usize) -> std::ops::Range<usize> {
        row.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[row]
    }

    /// One row of the base graph: what it says of its bits goes into what is known of them.
    fn work(&mut self, row: usize) {
        let z = self.lifting;
        let range = self.circulants_of(row);
        self.smallest.fill(f32::MAX);
        self.second.fill(f32::MAX);
        self.sign.fill(0);
        for (circulant, others) in self.circulants[range.clone()].iter().zip(self.others.chunks_exact_mut(z)) {
            let (head, tail) = self.soft[circulant.first..circulant.first + z].split_at(circulant.shift);
            others[..z - circulant.shift].copy_from_slice(tail);
            others[z - circulant.shift..].copy_from_slice(head);
        }
        let messages = &mut self.messages[range.start * z..range.end * z];
        for (others, messages) in self.others.chunks_exact_mut(z).zip(messages.chunks_exact(z)) {
            gather(others, messages, &mut self.smallest, &mut self.second, &mut self.sign);
        }
        let parts = self.others.chunks_exact_mut(z).zip(messages.chunks_exact_mut(z));
        for (circulant, (others, messages)) in self.circulants[range].iter().zip(parts) {
            spread(others, messages, &self.smallest, &self.second, &self.sign);
            let (head, tail) = self.soft[circulant.first..circulant.first + z].split_at_mut(circulant.shift);
            tail.copy_from_slice(&others[..z - circulant.shift]);
            head.copy_from_slice(&others[z - circulant.shift..]);
        }
    }

    /// All checks of a row hold for the bits as they are.
    fn holds(&mut self, row: usize) -> bool {
        let z = self.lifting;
        let range = self.circulants_of(row);
        self.sign.fill(0);
        for circulant in &self.circulants[range] {
            let (head, tail) = self.soft[circulant.first..circulant.first + z].split_at(circulant.shift);
            for (sign, soft) in self.sign.iter_mut().zip(tail.iter().chain(head)) {
                *sign ^= u32::from(*soft < 0.0);
            }
        }
        self.sign.iter().all(|&sign| sign == 0)
    }
}

/// Soft bits are held to this, so that sums of them stay finite and filler bits stay the surest.
const LARGEST_SOFT: f32 = 1e12;

/// The sign bit of a number.
const SIGN: u32 = 1 << 31;

/// Takes the row's own word away from what is known, and keeps the two smallest magnitudes and the product of the signs.
fn gather(others: &mut [f32], messages: &[f32], smallest: &mut [f32], second: &mut [f32], sign: &mut [u32]) {
    let minima = smallest.iter_mut().zip(second).zip(sign);
    for ((other, &message), ((smallest, second), sign)) in others.iter_mut().zip(messages).zip(minima) {
        *other -= message;
        let size = other.abs();
        *second = second.min(size.max(*smallest));
        *smallest = smallest.min(size);
        *sign ^= other.to_bits() & SIGN;
    }
}

/// What the row says of each bit: the smallest magnitude among the others, by the product of their signs.
fn spread(others: &mut [f32], messages: &mut [f32], smallest: &[f32], second: &[f32], sign: &[u32]) {
    let minima = smallest.iter().zip(second).zip(sign);
    for ((other, message), ((&smallest, &second), &sign)) in others.iter_mut().zip(messages).zip(minima) {
        let size = SCALE * if other.abs() == smallest { second } else { smallest };
        *message = f32::from_bits(size.to_bits() ^ sign ^ other.to_bits() & SIGN);
        *other += *message;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TS 38.212 table 5.3.2-1 has 51 sizes.
    #[test]
    fn lifting_sizes_are_those_of_the_table() {
        let sizes: Vec<usize> = (0..1000).filter(|&size| set_of(size).is_some()).collect();
        assert_eq!(sizes.len(), 51);
        assert_eq!(sizes[..15], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(sizes[15..27], [18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48]);
        assert_eq!(sizes[43..], [208, 224, 240, 256, 288, 320, 352, 384]);
        assert_eq!([2, 3, 256, 384, 15, 208].map(set_of), [0, 1, 0, 1, 7, 6].map(Some));
        assert_eq!(
            (lifting_size(688, 10), lifting_size(8448, 22), lifting_size(8449, 22)),
            (Some(72), Some(384), None)
        );
    }

    #[test]
    fn base_graphs_have_the_shape_that_the_standard_gives_them() {
        for (graph, information, rows) in [(BaseGraph::One, 22, 46), (BaseGraph::Two, 10, 42)] {
            let entries = graph.entries();
            assert!(entries.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)), "by rows and columns, each once");
            assert_eq!(usize::from(entries.last().unwrap().0), rows - 1);
            for (row, column, shifts) in entries {
                for (shift, least) in shifts.iter().zip(SETS) {
                    let largest = least << (LARGEST_LIFTING / least).ilog2();
                    assert!(usize::from(*shift) < largest, "{row} {column}");
                }
            }
            // Each row behind the core has a parity column of its own, unshifted.
            for row in CORE_ROWS..rows {
                let own = entries.iter().filter(|entry| usize::from(entry.1) == information + row);
                assert_eq!(own.map(|entry| (usize::from(entry.0), entry.2)).collect::<Vec<_>>(), [(row, [0; 8])]);
            }
            assert!((0..rows as u8).all(|row| entries.iter().filter(|entry| entry.0 == row).count() <= MOST_ENTRIES));
        }
    }

    #[test]
    fn unusable_soft_bits_give_some_block_and_no_panic() {
        let mut code = Ldpc::new(BaseGraph::Two, 11).unwrap();
        let mut bits = [0; 110];
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::MAX, f32::MIN] {
            code.decode(&[value; 550], &mut bits, 8, |_| false);
            assert!(bits.iter().all(|&bit| bit <= 1));
        }
        assert!(Ldpc::new(BaseGraph::One, 17).is_none() && Ldpc::new(BaseGraph::One, 0).is_none());
    }
}
