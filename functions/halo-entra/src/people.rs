//! People as the API tells of them, in words: entries of the inbound log and their decisions.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::screen::Tone;

/// An entry of the inbound log, as far as it is shown (B1).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    /// When.
    pub(crate) time: Timestamp,
    /// Who.
    pub(crate) person: Person,
    /// What was decided, and why.
    #[serde(flatten)]
    pub(crate) decision: Decision,
    /// How the person was found in Halo, where this entry linked them.
    pub(crate) matched: Option<Matched>,
    /// What came of it.
    pub(crate) outcome: String,
    /// What went wrong and what to do.
    pub(crate) error: Option<String>,
}

/// The names of a person.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Person {
    /// Entra object id.
    pub(crate) id: String,
    /// May be empty.
    pub(crate) user_principal_name: String,
    /// May be empty.
    pub(crate) display_name: String,
}

/// What should happen to a person.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Decision {
    /// The decision's word, as in filters.
    #[serde(rename = "decision")]
    pub(crate) word: String,
    /// Every mapping that was tried.
    pub(crate) tried: Vec<Tried>,
    /// Why.
    pub(crate) reasons: Vec<Reason>,
    /// Fields that change.
    #[serde(default)]
    pub(crate) changes: Vec<Change>,
}

/// A mapping that was tried.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tried {
    /// Its id.
    pub(crate) mapping: String,
    /// Whether it matched.
    pub(crate) matched: bool,
    /// How far it got.
    pub(crate) sentence: String,
}

/// A reason of a decision.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Reason {
    /// Its word.
    pub(crate) reason: String,
    /// For people.
    pub(crate) sentence: String,
}

/// A field that changes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Change {
    /// Which field.
    pub(crate) field: String,
    /// What was there; null where that is not known.
    pub(crate) before: Value,
    /// What is there now.
    pub(crate) after: Value,
}

/// How a person was found.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Matched {
    /// `object_id`, `fields`, `created`, `administrator`.
    pub(crate) by: String,
}

impl Entry {
    /// Whether this entry linked the person to a Halo user that was found in this way.
    pub(crate) fn was_found_by(&self, how: &str) -> bool {
        self.matched.as_ref().is_some_and(|matched| matched.by == how)
    }

    /// What happened, in one word or two.
    pub(crate) fn what(&self) -> (&str, Tone) {
        let found = self.matched.is_some() && !self.was_found_by("created");
        match (self.outcome.as_str(), self.decision.word.as_str()) {
            ("failed", _) | (_, "failed") => ("failed", Tone::Bad),
            (_, "update") if found => ("linked", Tone::Good),
            (_, word) => done(word),
        }
    }

    /// Why it happened, in sentences.
    pub(crate) fn why(&self) -> String {
        let mut sentences = vec![self.decision.why()];
        sentences.extend(self.error.clone());
        sentences.join(" ")
    }
}

/// A decision that was carried out, and how it looks.
fn done(decision: &str) -> (&str, Tone) {
    match decision {
        "create" => ("created", Tone::Good),
        "update" => ("updated", Tone::Good),
        "reactivate" => ("reactivated", Tone::Good),
        "deactivate" => ("deactivated", Tone::Warn),
        "not_in_scope" => ("not in scope", Tone::Faint),
        "unchanged" => ("unchanged", Tone::Faint),
        other => (other, Tone::Warn),
    }
}

impl Decision {
    /// The reasons; where no mapping matches also why none does.
    pub(crate) fn why(&self) -> String {
        let mut sentences: Vec<&str> =
            self.reasons.iter().map(|reason| reason.sentence.as_str()).collect();
        let tried = self.tried.iter().map(|tried| format!("{}: {}", tried.mapping, tried.sentence));
        let tried = format!("{}.", tried.collect::<Vec<_>>().join("; "));
        if self.has("no_mapping_matches") && !self.tried.is_empty() {
            sentences.push(&tried);
        }
        sentences.join(" ")
    }

    /// What changes, a line for each value that is replaced. Fields that were empty are only counted,
    /// and in a new record not even that. `name` may know a better word for a value.
    pub(crate) fn changes(&self, name: impl Fn(&str, &Value) -> Option<String>) -> Vec<String> {
        let (replaced, filled): (Vec<_>, Vec<_>) =
            self.changes.iter().partition(|change| change.replaces());
        let mut lines: Vec<String> =
            replaced.into_iter().map(|change| format!("· {}", change.line(&name))).collect();
        if !filled.is_empty() && self.word != "create" {
            lines.push(format!("· {} empty fields filled", filled.len()));
        }
        lines
    }

    /// Whether a reason is among those of the decision.
    pub(crate) fn has(&self, reason: &str) -> bool {
        self.reasons.iter().any(|one| one.reason == reason)
    }
}

impl Change {
    /// Whether a value was replaced, and not only a gap filled.
    fn replaces(&self) -> bool {
        text(&self.before) != NOTHING
    }

    /// The change in one line; `name` may know a better word for a value.
    pub(crate) fn line(&self, name: &impl Fn(&str, &Value) -> Option<String>) -> String {
        let shown = |value: &Value| name(&self.field, value).unwrap_or_else(|| text(value));
        let after = shown(&self.after);
        if self.before.is_null() {
            return format!("{}: {after}", self.field);
        }
        format!("{}: {} → {after}", self.field, shown(&self.before))
    }
}

/// What stands for no value.
const NOTHING: &str = "nothing";

/// A value for people.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => NOTHING.to_owned(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let line = |before: Value, after: Value| {
            let change = Change { field: "title".to_owned(), before, after };
            change.line(&|_: &str, value: &Value| (value == 7).then(|| "seven".to_owned()))
        };
        assert_eq!(line(json!("Clerk"), json!("")), "title: Clerk → nothing");
        assert_eq!(line(Value::Null, json!("Clerk")), "title: Clerk");
        assert_eq!(line(json!([3, 4]), json!(7)), "title: 3, 4 → seven");
    }
}
