//! Finds symbols that begin with a copy of their end (OFDM with a cyclic prefix), blind to everything else about the signal.
//!
//! `x[n] conj(x[n + lag])` is summed over all periods of the symbol pattern; where the lag is the symbol's useful length and `n`
//! lies in a prefix, it adds up in phase (a carrier offset turns all of them alike), elsewhere it does not. The sum is then
//! averaged over a prefix and over the symbols of a pattern, for each start of the pattern. A tone adds the same everywhere: the
//! median over all starts is taken away.

use num_complex::Complex32;

/// Where the symbols lie in a period. All in samples, not necessarily whole.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Useful symbol length: distance between the prefix and what it repeats.
    pub lag: f64,
    /// Length of the prefix.
    pub prefix: f64,
    /// Starts of the prefixes in the period.
    pub starts: Vec<f64>,
}

/// What [`Fold::search`] found at the best start of the pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peak {
    /// Power of the peak over the mean power at the starts where nothing repeats (by a quantile); 1 on average, for noise
    /// distributed exponentially.
    pub contrast: f64,
    /// Correlation of the prefixes with what they repeat, 0..1: the share of the signal in the power.
    pub share: f64,
    /// `share` squared times the number of products behind it: what `contrast` is for white noise.
    pub weight: f64,
}

/// Sums over all periods seen, for one lag.
#[derive(Clone, Debug)]
pub struct Fold {
    lag: usize,
    period: f64,
    /// Samples between the start of the stretch and that of the first period.
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    product: Vec<Complex32>,
    energy: Vec<f32>,
    /// Middle of the group, samples since the start.
    middle: f64,
    periods: u32,
}

impl Fold {
    /// Products at `lag` samples, folded by `period` samples; both rounded to the nearest sample where they are used.
    pub fn new(lag: f64, period: f64) -> Fold {
        Fold { lag: lag.round().max(1.0) as usize, period: period.max(1.0), groups: Vec::new() }
    }

    /// Adds a stretch that begins `first` samples after the start. With `new_group`, it is kept apart from those before, so that
    /// a drift of the sample clock between groups can be tried out.
    pub fn add(&mut self, first: u64, samples: &[Complex32], new_group: bool) {
        let len = self.period.floor() as usize;
        if new_group || self.groups.is_empty() {
            let (product, energy) = (vec![Complex32::default(); len], vec![0.0; len]);
            let middle = first as f64 + samples.len() as f64 / 2.0;
            self.groups.push(Group { product, energy, middle, periods: 0 });
        }
        let Some(group) = self.groups.last_mut() else { return };
        let (near, far) = (samples, samples.get(self.lag..).unwrap_or_default());
        let usable = far.len() as u64;
        let mut period = (first as f64 / self.period).ceil() as u64;
        loop {
            let start = (period as f64 * self.period).round() as u64 - first;
            if start + len as u64 > usable {
                return;
            }
            let at = start as usize;
            fold(&mut group.product, &mut group.energy, &near[at..at + len], &far[at..at + len]);
            group.periods += 1;
            period += 1;
        }
    }

    /// Looks for `pattern`, whose lag is this fold's. `drifts` are relative errors of the sample clock to try; they matter only
    /// between groups.
    pub fn search(&self, pattern: &Pattern, drifts: &[f64]) -> Peak {
        let mut best = Peak::default();
        let only = [0.0];
        let drifts = if self.groups.len() > 1 { drifts } else { &only };
        for &drift in drifts {
            let peak = self.search_aligned(pattern, drift);
            if peak.contrast > best.contrast {
                best = peak;
            }
        }
        best
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.groups.clear();
    }

    fn search_aligned(&self, pattern: &Pattern, drift: f64) -> Peak {
        let len = self.period.floor() as usize;
        let prefix = (pattern.prefix.round() as usize).max(1);
        let periods: u32 = self.groups.iter().map(|group| group.periods).sum();
        if periods == 0 || len <= prefix {
            return Peak::default();
        }
        let (mut product, mut energy) = (vec![Complex32::default(); len], vec![0.0; len]);
        for group in &self.groups {
            let shift = (group.middle * drift).round().rem_euclid(len as f64) as usize % len;
            let (tail, head) = (len - shift, shift);
            add(&mut product[..tail], &group.product[head..], |a, b| *a += b);
            add(&mut product[tail..], &group.product[..head], |a, b| *a += b);
            add(&mut energy[..tail], &group.energy[head..], |a, b| *a += b);
            add(&mut energy[tail..], &group.energy[..head], |a, b| *a += b);
        }
        let starts: Vec<usize> = pattern.starts.iter().map(|start| start.round() as usize % len).collect();
        let mut product = gather(&circular_sums(&product, prefix), &starts);
        let middle = Complex32::new(median(product.iter().map(|p| p.re)), median(product.iter().map(|p| p.im)));
        product.iter_mut().for_each(|p| *p -= middle);
        let energy = gather(&circular_sums(&energy, prefix), &starts);
        let powers: Vec<f64> = product.iter().map(|p| f64::from(p.norm_sqr())).collect();
        let Some((place, &power)) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)) else {
            return Peak::default();
        };
        // Starts within a prefix of a right one have a part of the peak; of the others, the median. Noise is distributed
        // exponentially: a part `q` of it lies below `-ln(1 - q)` of its mean.
        let taken = (2 * prefix * starts.len()) as f64 / len as f64;
        let q = ((1.0 - taken) / 2.0).max(0.1);
        let place_of_q = (q * len as f64) as usize;
        let floor = *powers.clone().select_nth_unstable_by(place_of_q, f64::total_cmp).1 / -(1.0 - q).ln();
        let strength = f64::from(energy[place]);
        if floor <= 0.0 || strength <= 0.0 {
            return Peak::default();
        }
        let share = power.sqrt() / strength;
        let products = f64::from(periods) * (starts.len() * prefix) as f64;
        Peak { contrast: power / floor, share, weight: share * share * products }
    }
}

fn fold(product: &mut [Complex32], energy: &mut [f32], near: &[Complex32], far: &[Complex32]) {
    for (((product, energy), near), far) in product.iter_mut().zip(energy).zip(near).zip(far) {
        *product += near * far.conj();
        *energy += 0.5 * (near.norm_sqr() + far.norm_sqr());
    }
}

fn add<T: Copy>(to: &mut [T], from: &[T], sum: impl Fn(&mut T, T)) {
    to.iter_mut().zip(from).for_each(|(to, from)| sum(to, *from));
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Sums of `width` neighbours, wrapping round; entry `n` begins at `n`.
fn circular_sums<T>(values: &[T], width: usize) -> Vec<T>
where
    T: Copy + Default + std::ops::AddAssign + std::ops::SubAssign,
{
    let mut sums = Vec::with_capacity(values.len());
    let mut sum = T::default();
    values.iter().cycle().take(width).for_each(|&value| sum += value);
    for (at, &value) in values.iter().enumerate() {
        sums.push(sum);
        sum -= value;
        sum += values[(at + width) % values.len()];
    }
    sums
}

/// For each start of the pattern the sum over its places, wrapping round.
fn gather<T: Copy + Default + std::ops::AddAssign>(values: &[T], places: &[usize]) -> Vec<T> {
    let mut sums = vec![T::default(); values.len()];
    for &place in places {
        let (head, tail) = values.split_at(place);
        add(&mut sums[..tail.len()], tail, |a, b| *a += b);
        add(&mut sums[tail.len()..], head, |a, b| *a += b);
    }
    sums
}
