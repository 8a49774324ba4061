//! Small dense symmetric matrices, row-major in a slice: the factor that the solver needs, and eigenvalues of 2 by 2.

/// Pivots below this share of their diagonal are taken to be zero. Rounding leaves some 1e-16 of it for each unknown eliminated;
/// the least that a real constraint leaves, a clock known to 1 ms beside frames timed to 10 ns, is 1e-10.
const ZERO: f64 = 1e-12;

/// Factors a symmetric positive semi-definite matrix in place as `L L^T` (lower triangle).
///
/// A direction without information (a gauge freedom, such as the common offset of all clocks) shows as a zero pivot: that
/// unknown is held at zero by an infinite pivot, which is a generalised inverse. Returns how many were.
pub(super) fn factor(a: &mut [f64], n: usize) -> usize {
    let mut held = 0;
    for j in 0..n {
        let diagonal = a[j * n + j];
        let mut pivot = diagonal;
        for k in 0..j {
            pivot -= a[j * n + k] * a[j * n + k];
        }
        if pivot.is_nan() || pivot <= ZERO * diagonal {
            held += 1;
            a[j * n + j] = f64::INFINITY;
            (j + 1..n).for_each(|i| a[i * n + j] = 0.0);
            continue;
        }
        let root = pivot.sqrt();
        a[j * n + j] = root;
        for i in j + 1..n {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum -= a[i * n + k] * a[j * n + k];
            }
            a[i * n + j] = sum / root;
        }
    }
    held
}

/// Solves `L L^T x = b` in place, for the factor of [`factor`].
pub(super) fn substitute(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let mut sum = b[i];
        for k in 0..i {
            sum -= l[i * n + k] * b[k];
        }
        b[i] = sum / l[i * n + i];
    }
    for i in (0..n).rev() {
        let mut sum = b[i];
        for k in i + 1..n {
            sum -= l[k * n + i] * b[k];
        }
        b[i] = sum / l[i * n + i];
    }
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
