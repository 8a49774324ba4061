//! A fix in words and figures, below its map.

use super::{at, letter};
use crate::hub::place::{Basis, Placed};
use crate::hub::web::page;
use maud::{Markup, html};

/// The fix in words and figures.
pub(super) fn words(fix: &Placed) -> Markup {
    let several = fix.solutions.len() > 1;
    html! {
        @if several {
            p.warn {
                "The measurements admit " (fix.solutions.len()) " places. None of them may be left out: "
                "nodes that stand nearly in a line cannot tell one side from the other."
            }
        }
        div.scroll {
            table.stack {
                thead { tr { th { "Place" } th { "Coordinates (WGS-84)" } th { "Probability" } th { "As likely inside as outside of" } th { "Almost surely within (95 %)" } th { "The best that these nodes could do" } } }
                tbody {
                    @for (number, solution) in fix.solutions.iter().enumerate() {
                        tr {
                            td data-label="Place" { strong { (letter(number)) } }
                            td.number data-label="Coordinates" { (page::position(&at(solution))) }
                            td.number data-label="Probability" { (format!("{:.0} %", 100.0 * solution.weight)) }
                            td.number data-label="As likely inside as outside of" { (format!("{:.0} m", solution.cep50_m)) }
                            td.number data-label="Almost surely within (95 %)" { @if let Some(region) = solution.ellipses.last() {
                                (format!("{:.0} by {:.0} m, along {:.0}°", region.semi_major_m, region.semi_minor_m, region.azimuth_deg))
                            } }
                            td.number data-label="The best that these nodes could do" { (solution.bound_cep50_m.map_or("not known".to_owned(), |m| format!("{m:.0} m"))) }
                        }
                    }
                }
            }
        }
        dl.facts {
            dt { "By" }
            dd {
                (fix.method.map_or("", Basis::words))
                @if !fix.clocks.is_empty() { ": " (fix.clocks.join(", ")) }
            }
            @if let Some(checked) = fix.checked() {
                dt { "Checked" }
                dd { (checked) }
            }
            dt { "As of" }
            dd { (page::time(fix.at_ns)) }
            @if let Some(track) = &fix.track {
                dt { "Motion" }
                dd {
                    (track.describe()) (format!(" (probability {:.0} %, ", 100.0 * track.moving))
                    (track.fixes) " fixes"
                    @if track.weight < 0.995 { (format!(", {:.0} % of the ways that they admit", 100.0 * track.weight)) }
                    ")"
                }
            }
            @if !fix.jumps.is_empty() {
                dt { "Licensed cells that jumped" }
                dd {
                    @for jump in &fix.jumps {
                        div { (jump.describe()) " (" (page::time(jump.at_ns)) "); what was read before is not used" }
                    }
                }
            }
            @if let Some(shares) = &fix.countries {
                dt { "Country" }
                dd {
                    @for (n, share) in shares.iter().enumerate() {
                        @if n > 0 { ", " }
                        (share.code.as_deref().unwrap_or("none that the border file knows")) " "
                        (format!("{:.0} %", 100.0 * share.probability))
                    }
                    span.quiet { " (probability by the border line above: a hint whom to call, not a finding)" }
                }
            }
            @if !fix.sites.is_empty() {
                dt { "Licensed sites" }
                dd {
                    @for site in &fix.sites {
                        div {
                            (site.register_id) " (" (site.licensee) "), " (format!("{:.0} m away: ", site.distance_m))
                            @if site.fits < 0.05 { "excluded" } @else { (format!("possible, probability {:.0} %", 100.0 * site.probability)) }
                        }
                    }
                }
            }
            @if !fix.unused.is_empty() {
                dt { "Not used" }
                dd { @for unused in &fix.unused { div { (unused.node) ": " (unused.reason) } } }
            }
        }
        details {
            summary { "What each measurement said" }
            (inputs(fix))
        }
    }
}

fn inputs(fix: &Placed) -> Markup {
    html! {
        div.scroll {
            table.stack {
                thead { tr { th { "Place" } th { "Node" } th { "What" } th { "Measured less expected" } th { "In standard deviations" } th { "Share that the place uses up" } th { "Probably a reflection" } } }
                tbody {
                    @for (number, solution) in fix.solutions.iter().enumerate() {
                        @for input in &solution.inputs {
                            tr {
                                td data-label="Place" { (letter(number)) }
                                td data-label="Node" { (input.node.as_ref().map_or("", |node| node.as_str())) }
                                td data-label="What" { (input.kind) }
                                td.number data-label="Measured less expected" { (format!("{:+.1} {}", input.residual, input.unit)) }
                                td.number data-label="In standard deviations" { (format!("{:+.1}", input.normalised)) }
                                td.number data-label="Share that the place uses up" { (format!("{:.0} %", 100.0 * input.leverage)) }
                                td.number data-label="Probably a reflection" { (format!("{:.0} %", 100.0 * input.late)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
