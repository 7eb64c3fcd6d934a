//! Entries of the inbound log in words, and pages of the API's lists.

use engine::store::log::{Entry, OutcomeKind};
use plan::decide::Action;
use plan::explain::Reason;
use plan::link::{FieldChange, HaloValue};
use serde_json::Value;

use crate::screen::Tone;

/// The items of a page of a list.
pub(crate) fn items(page: &Value) -> &[Value] {
    page["items"].as_array().map_or(&[], Vec::as_slice)
}

/// What happened to a person, in one word or two.
pub(crate) fn what(entry: &Entry) -> (&'static str, Tone) {
    if entry.outcome == OutcomeKind::Failed {
        return ("failed", Tone::Bad);
    }
    match (&entry.decision.action, &entry.matched) {
        (Action::Create { .. }, _) => ("created", Tone::Good),
        (Action::Write(_), Some(_)) => ("linked", Tone::Good),
        (Action::Write(write), None) => match write.verb {
            plan::decide::Verb::Update => ("updated", Tone::Good),
            plan::decide::Verb::Reactivate => ("reactivated", Tone::Good),
            plan::decide::Verb::Deactivate => ("deactivated", Tone::Warn),
        },
        (Action::NotInScope, _) => ("not in scope", Tone::Faint),
        (Action::Unchanged, _) => ("unchanged", Tone::Faint),
        (Action::Conflict { .. }, _) => ("conflict", Tone::Warn),
        (Action::Held, _) => ("held", Tone::Warn),
        (Action::Invalid, _) => ("failed", Tone::Bad),
    }
}

/// Why it happened, in sentences.
pub(crate) fn why(entry: &Entry) -> String {
    let mut sentences: Vec<String> = entry.decision.reasons.iter().map(Reason::sentence).collect();
    if let Action::NotInScope = entry.decision.action {
        let tried = entry.decision.tried.iter();
        let tried: Vec<String> =
            tried.map(|tried| format!("{}: {}", tried.mapping, tried.outcome.sentence())).collect();
        if !tried.is_empty() {
            sentences.push(format!("{}.", tried.join("; ")));
        }
    }
    sentences.extend(entry.error.clone());
    sentences.join(" ")
}

/// A change of a field in one line; `value` says how a value of a field is shown.
pub(crate) fn change(change: &FieldChange, value: impl Fn(&HaloValue) -> String) -> String {
    let shown = |wanted: &HaloValue| {
        if wanted.is_empty() { "nothing".to_owned() } else { value(wanted) }
    };
    match &change.before {
        Some(before) => format!("{}: {} → {}", change.field, shown(before), shown(&change.after)),
        None => format!("{}: {}", change.field, shown(&change.after)),
    }
}
