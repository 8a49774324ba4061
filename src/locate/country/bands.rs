//! The edges of polygons in bands of latitude, so that a place is looked up among the edges near its own latitude only.

use super::Country;

/// Edges a band on average; a coarse file has fewer bands.
const EDGES_A_BAND: usize = 4;
/// Bands at most.
const MAX_BANDS: usize = 1 << 16;

/// An edge and the polygon that it belongs to, counted through all countries.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge {
    polygon: u32,
    a: [f64; 2],
    b: [f64; 2],
}

/// All edges, by latitude.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bands {
    low: f64,
    bands_a_degree: f64,
    bands: Vec<Vec<Edge>>,
    /// The country of each polygon.
    countries: Vec<u32>,
}

impl Bands {
    pub fn new(countries: &[Country]) -> Bands {
        let (mut edges, mut of) = (Vec::new(), Vec::new());
        for (number, country) in (0..).zip(countries) {
            for rings in &country.polygons {
                let polygon = of.len() as u32;
                of.push(number);
                let pairs = rings.iter().flat_map(|ring| ring.windows(2));
                edges.extend(pairs.map(|edge| Edge { polygon, a: edge[0], b: edge[1] }));
            }
        }
        let low = edges.iter().map(|e| e.a[1].min(e.b[1])).fold(f64::INFINITY, f64::min);
        let high = edges.iter().map(|e| e.a[1].max(e.b[1])).fold(f64::NEG_INFINITY, f64::max);
        let count = (edges.len() / EDGES_A_BAND).clamp(1, MAX_BANDS);
        let bands_a_degree = count as f64 / (high - low).max(1e-9);
        let mut all = Bands { low, bands_a_degree, bands: vec![Vec::new(); count], countries: of };
        for edge in edges {
            let (from, to) = (all.band(edge.a[1].min(edge.b[1])), all.band(edge.a[1].max(edge.b[1])));
            all.bands[from..=to].iter_mut().for_each(|band| band.push(edge));
        }
        all
    }

    /// The band of a latitude; the nearest one of those outside.
    fn band(&self, lat_deg: f64) -> usize {
        (((lat_deg - self.low) * self.bands_a_degree).max(0.0) as usize).min(self.bands.len() - 1)
    }

    /// The number of the country round a place (longitude, latitude): the first one a polygon of which goes round it.
    pub fn country(&self, at: [f64; 2]) -> Option<usize> {
        // A place is inside where a ray east crosses an odd number of the polygon's edges: a hole takes out what the outline took in.
        let crossed = |edge: &&Edge| {
            let Edge { a, b, .. } = edge;
            (a[1] > at[1]) != (b[1] > at[1]) && at[0] < a[0] + (b[0] - a[0]) * (at[1] - a[1]) / (b[1] - a[1])
        };
        let mut polygons: Vec<u32> =
            self.bands[self.band(at[1])].iter().filter(crossed).map(|edge| edge.polygon).collect();
        polygons.sort_unstable();
        let inside = polygons.chunk_by(|a, b| a == b).find(|same| same.len() % 2 == 1)?;
        Some(self.countries[inside[0] as usize] as usize)
    }

    /// Whether an edge may enter a rectangle, from the lower left corner to the upper right one. Never wrongly denied.
    pub fn may_cross(&self, from: [f64; 2], to: [f64; 2]) -> bool {
        let near = |edge: &Edge| {
            let Edge { a, b, .. } = edge;
            let apart = |i: usize| a[i].max(b[i]) < from[i] || a[i].min(b[i]) > to[i];
            !apart(0) && !apart(1)
        };
        self.bands[self.band(from[1])..=self.band(to[1])].iter().flatten().any(near)
    }

    /// The square of the least distance of a place from an edge, both in units of `scale` (longitude and latitude) a degree; `None`
    /// where no edge lies within a latitude of `reach_deg`.
    pub fn distance2(&self, at: [f64; 2], scale: [f64; 2], reach_deg: f64) -> Option<f64> {
        let (from, to) = (self.band(at[1] - reach_deg), self.band(at[1] + reach_deg));
        let flat = |p: [f64; 2]| [(p[0] - at[0]) * scale[0], (p[1] - at[1]) * scale[1]];
        let off = |edge: &Edge| {
            let (a, b) = (flat(edge.a), flat(edge.b));
            let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
            let along = (-(a[0] * dx + a[1] * dy) / (dx * dx + dy * dy).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
            (a[0] + along * dx).powi(2) + (a[1] + along * dy).powi(2)
        };
        self.bands[from..=to].iter().flatten().map(off).min_by(f64::total_cmp)
    }
}
