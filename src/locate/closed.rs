//! Closed-form places from three arrivals, as starts for the search.
//!
//! Three pseudo-ranges `s_i = |p_i - x| + T` in the plane give, after squaring, equations that are linear in `x`, `T` and
//! `λ = |x|^2 - T^2`; the definition of `λ` is then a quadratic equation (S. Bancroft, IEEE Transactions on Aerospace and Electronic
//! Systems, 1985). Its two roots are the truth and, where nodes stand nearly in a line, the mirror image, whose valleys are too
//! narrow for a coarse grid to be sure to find.

/// A node's place east and north and its pseudo-range, metres.
pub(super) type PseudoRange = [f64; 3];

/// The places that fit three pseudo-ranges; where noise leaves none, the nearest to one, twice.
pub(super) fn places(ranges: [PseudoRange; 3]) -> Option<[[f64; 2]; 2]> {
    let [a, b, _] = ranges;
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    // The equations are singular where the nodes' line goes through the origin, so that is put well off it.
    let origin = [a[0] + 0.5 * dx - dy, a[1] + 0.5 * dy + dx, a[2]];
    let unit = dx.hypot(dy);
    let rows = ranges.map(|r| [0, 1, 2].map(|i| (r[i] - origin[i]) / unit));
    // Columns of the linear equations 2 p x - 2 s T = |p|^2 - s^2 + λ.
    let column = |f: fn(&[f64; 3]) -> f64| [f(&rows[0]), f(&rows[1]), f(&rows[2])];
    let matrix = [column(|r| 2.0 * r[0]), column(|r| 2.0 * r[1]), column(|r| -2.0 * r[2])];
    let constant = solve3(matrix, column(|r| r[0] * r[0] + r[1] * r[1] - r[2] * r[2]))?;
    let slope = solve3(matrix, [1.0; 3])?;
    let lorentz = |u: [f64; 3], v: [f64; 3]| u[0] * v[0] + u[1] * v[1] - u[2] * v[2];
    let (q, h, c) = (lorentz(slope, slope), lorentz(constant, slope) - 0.5, lorentz(constant, constant));
    let root = (h * h - q * c).max(0.0).sqrt();
    // Without cancellation, also where the quadratic is nearly linear.
    let t = -h - root.copysign(h);
    let lambdas = [t / q, c / t];
    let place = |lambda: f64| [0, 1].map(|i| (constant[i] + lambda * slope[i]) * unit + origin[i]);
    let places = lambdas.map(|lambda| if lambda.is_finite() { place(lambda) } else { place(0.0) });
    places.iter().flatten().all(|v| v.is_finite()).then_some(places)
}

/// Solves three equations given by columns.
fn solve3(m: [[f64; 3]; 3], r: [f64; 3]) -> Option<[f64; 3]> {
    let cross =
        |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let determinant = dot(m[0], cross(m[1], m[2]));
    let v = [dot(r, cross(m[1], m[2])), dot(m[0], cross(r, m[2])), dot(m[0], cross(m[1], r))];
    let v = v.map(|v| v / determinant);
    v.iter().all(|v| v.is_finite()).then_some(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(nodes: [[f64; 2]; 3], truth: [f64; 2]) -> f64 {
        let range = |n: [f64; 2]| [n[0], n[1], (n[0] - truth[0]).hypot(n[1] - truth[1]) + 12_345.0];
        let off = |p: &[f64; 2]| (p[0] - truth[0]).hypot(p[1] - truth[1]);
        places(nodes.map(range)).unwrap().iter().map(off).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn three_exact_ranges_give_the_place_and_nodes_in_a_line_its_mirror_image_too() {
        assert!(nearest([[0.0, 0.0], [5e3, 1e3], [2e3, 6e3]], [7e3, 9e3]) < 1e-3);
        let line = [[-5e3, 0.0], [1e3, 0.0], [6e3, 0.0]];
        assert!(nearest(line, [500.0, 4e3]) < 1e-3 && nearest(line, [500.0, -4e3]) < 1e-3);
        let range = |n: [f64; 2]| [n[0], n[1], (n[0] - 500.0).hypot(n[1] - 4e3)];
        let both = places(line.map(range)).unwrap();
        assert!((both[0][1] + both[1][1]).abs() < 1e-3 && (both[0][1].abs() - 4e3).abs() < 1e-3, "{both:?}");
    }
}
