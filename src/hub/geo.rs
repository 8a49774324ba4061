//! The place of an alert as GeoJSON (RFC 7946): every admissible position with its regions, the nodes, and the licensed sites named with
//! the fix, and the way of one that moves. The border line is not among them: it is nobody's finding.

use super::alert::Alert;
use super::place::{Solution, Track, TrackPoint};
use serde_json::{Value, json};

/// Corners of an ellipse.
const CORNERS: usize = 64;

/// `GET /api/alerts/{id}/geojson`.
pub fn features(alert: &Alert) -> Value {
    let mut features = Vec::new();
    let fix = alert.fix.as_ref();
    for (rank, solution) in fix.iter().flat_map(|fix| fix.solutions.iter().enumerate()) {
        features.push(position(alert, rank, solution));
        for region in &solution.ellipses {
            features.push(json!({
                "type": "Feature",
                "properties": {
                    "what": "region", "alert": alert.id, "place": rank, "weight": solution.weight,
                    "probability": region.probability,
                },
                "geometry": {"type": "Polygon", "coordinates": [region.outline(solution, CORNERS)]},
            }));
        }
    }
    if let Some(track) = fix.and_then(|fix| fix.track.as_ref()) {
        features.push(way(alert, track));
    }
    let point = |lat_deg: f64, lon_deg: f64| json!({"type": "Point", "coordinates": [lon_deg, lat_deg]});
    for heard in &alert.heard_by {
        if let Some(at) = heard.position {
            features.push(json!({
                "type": "Feature",
                "properties": {"what": "node", "node": heard.node, "snr_db": heard.snr_db, "last_ns": heard.last_ns},
                "geometry": point(at.lat_deg, at.lon_deg),
            }));
        }
    }
    for site in fix.iter().flat_map(|fix| &fix.sites) {
        features.push(json!({
            "type": "Feature",
            "properties": {
                "what": "licensed site", "register_id": site.register_id, "licensee": site.licensee,
                "distance_m": site.distance_m, "fits": site.fits, "probability": site.probability,
            },
            "geometry": point(site.lat_deg, site.lon_deg),
        }));
    }
    json!({"type": "FeatureCollection", "features": features})
}

fn way(alert: &Alert, track: &Track) -> Value {
    let each = |value: fn(&TrackPoint) -> Value| track.points.iter().map(value).collect::<Vec<_>>();
    json!({
        "type": "Feature",
        "properties": {
            "what": "track", "alert": alert.id, "moving": track.moving, "speed_m_s": track.speed_m_s,
            "speed_sigma_m_s": track.speed_sigma_m_s, "course_deg": track.course_deg, "weight": track.weight,
            "fixes": track.fixes, "at_ns": each(|p| json!(p.at_ns)), "sigma_m": each(|p| json!(p.sigma_m)),
        },
        "geometry": {"type": "LineString", "coordinates": each(|p| json!([p.lon_deg, p.lat_deg]))},
    })
}

fn position(alert: &Alert, rank: usize, solution: &Solution) -> Value {
    let fix = alert.fix.as_ref();
    json!({
        "type": "Feature",
        "properties": {
            "what": "position", "alert": alert.id, "class": alert.class, "cell": alert.cell, "place": rank,
            "weight": solution.weight, "cep50_m": solution.cep50_m, "bound_cep50_m": solution.bound_cep50_m,
            "covariance_m2": solution.covariance_m2, "method": fix.and_then(|fix| fix.method),
            "at_ns": fix.map(|fix| fix.at_ns), "countries": fix.and_then(|fix| fix.countries.as_ref()),
        },
        "geometry": {"type": "Point", "coordinates": [solution.lon_deg, solution.lat_deg]},
    })
}
