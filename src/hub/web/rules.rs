//! The rules in words: what an alert's evidence refers to.

use super::page::{Page, Place};
use super::{Desk, Problem};
use crate::hub::alert::words;
use crate::rules::About;
use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

pub(super) async fn page(State(desk): State<Desk>) -> Result<Html<String>, Problem> {
    let event = *desk.book.newest().borrow();
    let page = Page { title: "Rules", place: Place::Rules, event, fragment: None, only: None, every_ms: None };
    let content = html! {
        div.lead {
            h1 { "Rules" }
            span.counts { (crate::rules::catalogue().count()) " in this version" }
        }
        @for about in crate::rules::catalogue() { (rule(about)) }
    };
    Ok(Html(page.render(&content).into_string()))
}

fn rule(about: &About) -> Markup {
    html! {
        section.panel id=(about.id) {
            h2 { (about.id) ": " (about.title) }
            p { (about.description) }
            dl.facts {
                dt { "Version" } dd { (about.version) }
                dt { "Worth at most" } dd { (words::tier(about.tier)) }
                dt { "Source" } dd { (about.source) }
                dt { "Innocent explanations" }
                dd { ul { @for text in about.innocent { li { (text) } } } }
            }
        }
    }
}
