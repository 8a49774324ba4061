//! Successive cancellation with a list of paths.
//!
//! Bits are decided in the order of the code's input. A path keeps, of every level of the code's tree, the soft bits of the node that it
//! is in and the code word of that node's left neighbour. At each information bit the paths double and the best half stays; the metric of
//! a path is the sum of the soft bits that it went against (min-sum).

/// Paths that are kept. Chosen: the usual number.
pub const PATHS: usize = 8;

/// One path's state.
#[derive(Clone, Debug)]
struct Path {
    metric: f32,
    /// Of the node of `size` bits that it is in: at `size..2 * size`.
    soft: Vec<f32>,
    /// The code word of the left neighbour of a node of `size` bits: at `size..2 * size`.
    left: Vec<u8>,
    bits: Vec<u8>,
}

impl Path {
    fn copy(&mut self, from: &Path) {
        self.metric = from.metric;
        self.soft.copy_from_slice(&from.soft);
        self.left.copy_from_slice(&from.left);
        self.bits.copy_from_slice(&from.bits);
    }
}

/// A decoder for one code.
#[derive(Clone, Debug)]
pub struct List {
    length: usize,
    /// Whether an input bit carries information.
    information: Vec<bool>,
    paths: Vec<Path>,
    /// The live ones of `paths`, in no order until the end.
    live: Vec<usize>,
    spare: Vec<usize>,
    /// Path, bit and metric of what may live on.
    forks: Vec<(usize, u8, f32)>,
    word: Vec<u8>,
}

impl List {
    /// For words of `length` bits, a power of two, whose input carries information at `information`.
    pub fn new(length: usize, information: &[u16]) -> List {
        let mut carries = vec![false; length];
        information.iter().for_each(|&place| carries[usize::from(place)] = true);
        let path =
            Path { metric: 0.0, soft: vec![0.0; length], left: vec![0; length], bits: vec![0; information.len()] };
        List {
            length,
            information: carries,
            paths: vec![path; PATHS],
            live: Vec::with_capacity(PATHS),
            spare: Vec::with_capacity(PATHS),
            forks: Vec::with_capacity(2 * PATHS),
            word: vec![0; length],
        }
    }

    /// Paths that came to the end.
    pub fn paths(&self) -> usize {
        self.live.len()
    }

    /// Information bits of a path, the best path being number 0.
    pub fn bits(&self, path: usize) -> &[u8] {
        &self.paths[self.live[path]].bits
    }

    /// Decodes `received`, as many soft bits as the code has.
    pub fn run(&mut self, received: &[f32]) {
        self.live.clear();
        self.live.push(0);
        self.spare.clear();
        self.spare.extend(1..PATHS);
        self.paths[0].metric = 0.0;
        let mut known = 0;
        for leaf in 0..self.length {
            for &path in &self.live {
                descend(&mut self.paths[path], received, leaf);
            }
            if self.information[leaf] {
                self.fork(known);
                known += 1;
            } else {
                for &path in &self.live {
                    let path = &mut self.paths[path];
                    path.metric += (-path.soft[1]).max(0.0);
                }
            }
            for at in 0..self.live.len() {
                let path = &mut self.paths[self.live[at]];
                let bit = if self.information[leaf] { path.bits[known - 1] } else { 0 };
                ascend(path, &mut self.word, leaf, bit);
            }
        }
        let paths = &self.paths;
        self.live.sort_by(|&a, &b| paths[a].metric.total_cmp(&paths[b].metric));
    }

    /// Lets every path go on with both values of bit number `at`, and keeps the best.
    fn fork(&mut self, at: usize) {
        self.forks.clear();
        for &number in &self.live {
            let path = &self.paths[number];
            let soft = path.soft[1];
            self.forks.push((number, 0, path.metric + (-soft).max(0.0)));
            self.forks.push((number, 1, path.metric + soft.max(0.0)));
        }
        self.forks.sort_by(|a, b| a.2.total_cmp(&b.2));
        self.forks.truncate(PATHS);
        let lives = |number: usize, forks: &[(usize, u8, f32)]| forks.iter().any(|fork| fork.0 == number);
        for &number in &self.live {
            if !lives(number, &self.forks) {
                self.spare.push(number);
            }
        }
        self.live.clear();
        for (place, &(number, bit, metric)) in self.forks.iter().enumerate() {
            // The first fork of a path goes on in its place; the second one needs a copy, taken before the first one's bit matters.
            let again = lives(number, &self.forks[..place]);
            let into = if again { self.spare.pop().unwrap_or(number) } else { number };
            if into != number {
                let (from, to) = two(&mut self.paths, number, into);
                to.copy(from);
            }
            let path = &mut self.paths[into];
            (path.bits[at], path.metric) = (bit, metric);
            self.live.push(into);
        }
    }
}

/// Two different elements.
fn two(paths: &mut [Path], from: usize, to: usize) -> (&Path, &mut Path) {
    let (low, high) = paths.split_at_mut(from.max(to));
    if from < to { (&low[from], &mut high[0]) } else { (&high[0], &mut low[to]) }
}

/// Makes the soft bits of the nodes from the deepest one that two leaves share down to `leaf`.
fn descend(path: &mut Path, received: &[f32], leaf: usize) {
    let length = received.len();
    // The node in which the leaf is new: the whole word at first, else the right half of what it and the last leaf have in common.
    let mut size = if leaf == 0 { length / 2 } else { 1 << leaf.trailing_zeros() };
    let mut right = leaf != 0;
    while size >= 1 {
        let (own, parents) = path.soft.split_at_mut(2 * size);
        let parent = if 2 * size == length { received } else { &parents[..2 * size] };
        let (first, second) = parent.split_at(size);
        let own = &mut own[size..];
        if right {
            let left = &path.left[size..2 * size];
            for (((own, first), second), &left) in own.iter_mut().zip(first).zip(second).zip(left) {
                *own = second + if left == 0 { *first } else { -first };
            }
        } else {
            for ((own, first), second) in own.iter_mut().zip(first).zip(second) {
                let least = first.abs().min(second.abs());
                *own = if (*first < 0.0) == (*second < 0.0) { least } else { -least };
            }
        }
        right = false;
        size /= 2;
    }
}

/// Puts the bit of `leaf` together with what stands left of it, as far up as nodes are complete.
fn ascend(path: &mut Path, word: &mut [u8], leaf: usize, bit: u8) {
    word[0] = bit;
    let mut size = 1;
    while leaf & size != 0 && 2 * size < word.len() {
        let left = &path.left[size..2 * size];
        let (low, high) = word.split_at_mut(size);
        for ((low, high), left) in low.iter_mut().zip(high).zip(left) {
            (*low, *high) = (*low ^ left, *low);
        }
        size *= 2;
    }
    if size < word.len() && leaf & size == 0 {
        path.left[size..2 * size].copy_from_slice(&word[..size]);
    }
}
