//! What people do to alerts.

use super::{Desk, Problem, now};
use crate::hub::alert::{Act, AlertId, Closing};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use serde::Deserialize;

/// Longest name and note that are kept, characters; the form says the same.
const MAX_WHO: usize = 80;
const MAX_NOTE: usize = 500;

/// The form of either action.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    who: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    reason: String,
}

/// The value of a reason in the form.
pub(super) fn closing_value(closing: Closing) -> &'static str {
    match closing {
        Closing::Gone => "gone",
        Closing::Removed => "removed",
        Closing::Licensed => "licensed",
        Closing::FalseAlarm => "false_alarm",
        Closing::Merged => "merged",
    }
}

pub(super) async fn acknowledge(
    State(desk): State<Desk>,
    Path(id): Path<i64>,
    Form(fields): Form<Fields>,
) -> Result<Redirect, Problem> {
    carry_out(&desk, id, Act::Acknowledge, &fields).await
}

pub(super) async fn close(
    State(desk): State<Desk>,
    Path(id): Path<i64>,
    Form(fields): Form<Fields>,
) -> Result<Redirect, Problem> {
    let by_hand = [Closing::Removed, Closing::Licensed, Closing::FalseAlarm];
    let closing = by_hand.into_iter().find(|closing| closing_value(*closing) == fields.reason).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "the reason is to be one of removed, licensed and false_alarm")
    })?;
    carry_out(&desk, id, Act::Close(closing), &fields).await
}

async fn carry_out(desk: &Desk, id: i64, act: Act, fields: &Fields) -> Result<Redirect, Problem> {
    let (who, note) = signed(&fields.who, &fields.note)?;
    desk.read(move |book, _| book.act(AlertId(id), act, &who, &note, now())).await?;
    Ok(Redirect::to(&format!("/alerts/{id}")))
}

/// Name and note as the audit trail keeps them.
pub(super) fn signed(who: &str, note: &str) -> Result<(String, String), Problem> {
    let who = one_line(who, MAX_WHO);
    if who.is_empty() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "your name is missing: the audit trail says who did it"));
    }
    Ok((who, one_line(note, MAX_NOTE)))
}

/// Trimmed, without control characters, and not longer than `max`.
fn one_line(text: &str, max: usize) -> String {
    let cleaned: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max).collect();
    cleaned.trim().to_owned()
}
