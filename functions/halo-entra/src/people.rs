//! People as the API tells of them, in words: entries of the inbound log and their decisions.

use std::collections::BTreeMap;

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
    /// What is decided of each record, by its kind.
    pub(crate) records: BTreeMap<String, Part>,
    /// Every mapping that was tried.
    pub(crate) tried: Vec<Tried>,
    /// Why.
    pub(crate) reasons: Vec<Reason>,
    /// Fields that change.
    #[serde(default)]
    pub(crate) changes: Vec<Change>,
}

/// What is decided of one record.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Part {
    /// The decision's word.
    #[serde(rename = "decision")]
    pub(crate) word: String,
    /// How the record is found, where the decision links it.
    pub(crate) matched: Option<Matched>,
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
    #[serde(rename = "reason")]
    pub(crate) word: String,
    /// `user`, `agent` or `seats`.
    pub(crate) about: String,
    /// For people.
    pub(crate) sentence: String,
}

/// A field that changes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Change {
    /// `user` or `agent`.
    pub(crate) record: String,
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
    /// Whether this entry linked the person to a Halo record that was found in this way.
    pub(crate) fn was_found_by(&self, how: &str) -> bool {
        self.matched().any(|matched| matched.by == how)
    }

    fn matched(&self) -> impl Iterator<Item = &Matched> {
        self.decision.records.values().filter_map(|part| part.matched.as_ref())
    }

    /// What happened, in one word or two.
    pub(crate) fn what(&self) -> (&str, Tone) {
        let found = self.matched().next().is_some() && !self.was_found_by("created");
        match (self.outcome.as_str(), self.decision.word.as_str()) {
            ("failed", _) | (_, "failed") => ("failed", Tone::Bad),
            ("moved", _) => ("moved", Tone::Warn),
            ("refused", _) => ("licence refused", Tone::Bad),
            (_, "update") if found => ("linked", Tone::Good),
            (_, word) => done(word),
        }
    }

    /// Why it happened, in sentences.
    pub(crate) fn why(&self) -> String {
        let mut sentences = vec![self.decision.why()];
        sentences.extend(self.trouble().map(str::to_owned));
        sentences.join(" ")
    }

    /// What went wrong, where the reasons do not say it already.
    pub(crate) fn trouble(&self) -> Option<&str> {
        let why = self.decision.why();
        self.error.as_deref().filter(|error| !why.contains(error))
    }
}

/// A decision that was carried out, and how it looks.
pub(crate) fn done(decision: &str) -> (&str, Tone) {
    match decision {
        "create" => ("created", Tone::Good),
        "update" => ("updated", Tone::Good),
        "reactivate" => ("reactivated", Tone::Good),
        "deactivate" => ("deactivated", Tone::Warn),
        "not_in_scope" => ("not in scope", Tone::Faint),
        "unchanged" => ("unchanged", Tone::Faint),
        "licence_assigned" => ("licence given", Tone::Good),
        "licence_removed" => ("licence taken", Tone::Good),
        "licence_unchanged" => ("licence as it was", Tone::Faint),
        other => (other, Tone::Warn),
    }
}

impl Decision {
    /// The reasons; where no mapping places the user also why none does. That somebody becomes no agent
    /// goes without saying.
    pub(crate) fn why(&self) -> String {
        let unplaced = |reason: &Reason, about: &str| {
            reason.word == "no_mapping_matches" && reason.about == about
        };
        let told = self.reasons.iter().filter(|reason| !unplaced(reason, "agent"));
        let mut sentences: Vec<&str> = told.map(|reason| reason.sentence.as_str()).collect();
        let tried = self.tried.iter().map(|tried| format!("{}: {}", tried.mapping, tried.sentence));
        let tried = format!("{}.", tried.collect::<Vec<_>>().join("; "));
        let is_unplaced = self.reasons.iter().any(|reason| unplaced(reason, "user"));
        if is_unplaced && !self.tried.is_empty() {
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
        self.reasons.iter().any(|one| one.word == reason)
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
        // Most changes are of the user.
        let field = match self.record.as_str() {
            "agent" => format!("agent's {}", self.field),
            _ => self.field.clone(),
        };
        if self.before.is_null() {
            return format!("{field}: {after}");
        }
        format!("{field}: {} → {after}", shown(&self.before))
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

/// Who a person is in Halo, line by line, as the API shows the link.
pub(crate) fn halo_records(link: &Value) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for (kind, name) in [("user", "Halo user"), ("agent", "Halo agent")] {
        let told = match (&link[kind], link["choices"][kind].as_str()) {
            (Value::Object(_), _) => linked(&link[kind]),
            (_, Some("create")) => "none yet; a new one is made, as an administrator chose".into(),
            (_, Some(_)) => "none, as an administrator chose".into(),
            // Most people are no agents.
            (_, None) if kind == "agent" => continue,
            (_, None) => "none yet".into(),
        };
        lines.push((name, told));
    }
    let seats = link["seats"].as_array().into_iter().flatten().map(seat);
    let seats: Vec<String> = seats.collect();
    if !seats.is_empty() {
        lines.push(("boards", seats.join("; ")));
    }
    lines
}

fn linked(record: &Value) -> String {
    let how = match record["how"]["by"].as_str() {
        Some("created") => "made by us",
        Some("object_id") => "found by the object id",
        Some("administrator") => "set by an administrator",
        Some(_) | None => "found by its fields",
    };
    let activity = text(&record["activity"]).replace('_', " ");
    let is_given = record["granted_roles"].as_array().is_some_and(|roles| !roles.is_empty());
    let roles = match text(&record["granted_roles"]) {
        roles if is_given => format!(", with roles {roles} from us"),
        _ => String::new(),
    };
    format!("{} ({activity}, {how}){roles}", record["id"])
}

fn seat(seat: &Value) -> String {
    let role = match seat["role"].as_i64() {
        Some(role) => format!(" in role {role}"),
        None => String::new(),
    };
    let state = match seat["state"].as_str() {
        Some("ours") => "put there by us",
        Some("others") => "put there by others",
        Some("leaving") => "to be given back",
        Some(_) | None => "to be taken",
    };
    format!("CAB {}{role}, {state}", seat["cab"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let line = |before: Value, after: Value| {
            let (record, field) = ("user".to_owned(), "title".to_owned());
            let change = Change { record, field, before, after };
            change.line(&|_: &str, value: &Value| (value == 7).then(|| "seven".to_owned()))
        };
        assert_eq!(line(json!("Clerk"), json!("")), "title: Clerk → nothing");
        assert_eq!(line(Value::Null, json!("Clerk")), "title: Clerk");
        assert_eq!(line(json!([3, 4]), json!(7)), "title: 3, 4 → seven");
    }
}
