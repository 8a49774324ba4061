//! Small dense symmetric matrices, row-major in a slice: the factor that the solver needs, and eigenvalues of 2 by 2.

/// Pivots below this share of their diagonal are taken to be zero. Rounding leaves some 1e-16 of it for each unknown eliminated;
/// the least that a real constraint leaves, a clock known to 1 ms beside frames timed to 10 ns, is 1e-10.
pub(super) const ZERO: f64 = 1e-12;

/// Factors a symmetric positive semi-definite matrix in place as `L L^T` (lower triangle).
///
/// A direction without information (a gauge freedom, such as the common offset of all clocks) shows as a zero pivot: that
/// unknown is held at zero by an infinite pivot, which is a generalised inverse. Returns how many were.
pub(super) fn factor(a: &mut [f64], n: usize) -> usize {
    let mut held = 0;
    for j in 0..n {
        let (above, below) = a.split_at_mut((j + 1) * n);
        let (row, rest) = above[j * n..].split_at_mut(j);
        let diagonal = rest[0];
        let pivot = diagonal - dot(row, row);
        if pivot.is_nan() || pivot <= ZERO * diagonal {
            held += 1;
            rest[0] = f64::INFINITY;
            below.chunks_exact_mut(n).for_each(|other| other[j] = 0.0);
            continue;
        }
        let root = pivot.sqrt();
        rest[0] = root;
        for other in below.chunks_exact_mut(n) {
            other[j] = (other[j] - dot(&other[..j], row)) / root;
        }
    }
    held
}

/// The sum of products.
#[inline]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves `L L^T x = b` in place, for the factor of [`factor`].
pub(super) fn substitute(l: &[f64], n: usize, b: &mut [f64]) {
    forward(l, n, b);
    backward(l, n, b);
}

/// Solves `L x = b` in place.
pub(super) fn forward(l: &[f64], n: usize, b: &mut [f64]) {
    for (i, row) in l.chunks_exact(n.max(1)).take(n).enumerate() {
        b[i] = (b[i] - dot(&row[..i], b)) / row[i];
    }
}

/// Solves `L X = B` in place for three columns.
pub(super) fn forward3(l: &[f64], n: usize, b: &mut [[f64; 3]]) {
    for (i, row) in l.chunks_exact(n.max(1)).take(n).enumerate() {
        let (done, rest) = b.split_at_mut(i);
        let mut sum = rest[0];
        for (l, x) in row.iter().zip(done.iter()) {
            (0..3).for_each(|a| sum[a] -= l * x[a]);
        }
        rest[0] = sum.map(|s| s / row[i]);
    }
}

/// Solves `L^T x = b` in place.
pub(super) fn backward(l: &[f64], n: usize, b: &mut [f64]) {
    for (i, row) in l.chunks_exact(n.max(1)).take(n).enumerate().rev() {
        let solved = b[i] / row[i];
        b[i] = solved;
        b[..i].iter_mut().zip(row).for_each(|(b, l)| *b -= l * solved);
    }
}

/// The logarithm of the determinant, for the factor of [`factor`]; unknowns that are held do not count.
pub(super) fn log_determinant(l: &[f64], n: usize) -> f64 {
    2.0 * (0..n).map(|i| l[i * n + i]).filter(|d| d.is_finite()).map(f64::ln).sum::<f64>()
}

/// The inverse of a symmetric positive definite 3 by 3 matrix; `None` where it is singular.
pub(super) fn inverse3(m: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let mut l = m.concat();
    if l.iter().any(|v| !v.is_finite()) || factor(&mut l, 3) > 0 {
        return None;
    }
    let mut out = [[0.0; 3]; 3];
    for (i, row) in out.iter_mut().enumerate() {
        row[i] = 1.0;
        substitute(&l, 3, row);
    }
    Some(out)
}

/// Eigenvalues (largest first) of `[[a, b], [b, c]]` and the angle of the first eigenvector from the first axis, radians.
pub(super) fn eigen2(a: f64, b: f64, c: f64) -> ([f64; 2], f64) {
    let (mean, half) = ((a + c) / 2.0, (a - c) / 2.0);
    let root = half.hypot(b);
    // The determinant gives the small one without cancellation.
    let large = mean + root;
    let small = if large > 0.0 { ((a * c - b * b) / large).max(0.0) } else { 0.0 };
    ([large, small], 0.5 * b.atan2(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factored_matrix_solves_its_equations() {
        let m = [4.0, 2.0, 0.6, 2.0, 5.0, 1.5, 0.6, 1.5, 3.0];
        let mut l = m;
        assert_eq!(factor(&mut l, 3), 0);
        let mut x = [1.0, -2.0, 3.0];
        substitute(&l, 3, &mut x);
        for (i, want) in [1.0, -2.0, 3.0].iter().enumerate() {
            let got: f64 = (0..3).map(|j| m[i * 3 + j] * x[j]).sum();
            assert!((got - want).abs() < 1e-12);
        }
    }

    #[test]
    fn a_gauge_freedom_is_held_and_the_rest_is_solved() {
        // Differences of two unknowns only: x0 - x1 = 3.
        let mut l = [1.0, -1.0, -1.0, 1.0];
        assert_eq!(factor(&mut l, 2), 1);
        let mut x = [3.0, -3.0];
        substitute(&l, 2, &mut x);
        assert!((x[0] - x[1] - 3.0).abs() < 1e-12, "{x:?}");
        assert_eq!(inverse3([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), None);
    }

    #[test]
    fn eigenvalues_have_the_trace_and_the_direction() {
        let ([large, small], angle) = eigen2(5.0, 2.0, 2.0);
        assert!((large - 6.0).abs() < 1e-12 && (small - 1.0).abs() < 1e-12);
        assert!((angle.tan() - 0.5).abs() < 1e-12);
    }
}
