//! Entries, people and runs as JSON. A reader sees what happened and why, but not the values of
//! personal fields (B4).

use plan::decide::{Action, Decision};
use plan::explain::{Outcome, Reason, Tried};
use plan::facts::Facts;
use plan::ids::{RecordId, RecordKind};
use plan::link::{FieldChange, HaloValue, Link, Linked};
use plan::tally::Run;
use serde_json::{Value, json};

use super::{Explanation, Known};
use crate::store::log::Entry;
use crate::store::people::{Parked, Person};
use crate::web::Role;

/// What the one who looks may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    Full,
    /// Values of personal fields are masked.
    Masked,
}

/// What stands for a value that is not shown.
const MASK: &str = "•••";

impl From<Role> for Sight {
    fn from(role: Role) -> Self {
        match role {
            Role::Administrator => Sight::Full,
            Role::Reader => Sight::Masked,
        }
    }
}

impl Sight {
    /// A value; nothing stays nothing.
    fn value(self, value: impl Into<Value>) -> Value {
        let value = value.into();
        let is_nothing = value.is_null() || value.as_str() == Some("");
        if self == Sight::Full || is_nothing { value } else { MASK.into() }
    }

    /// A text that may quote values: what services say of a refused record does.
    fn told(self, text: Option<&str>, values: &[String]) -> Option<String> {
        let text = text?.to_owned();
        if self == Sight::Full {
            return Some(text);
        }
        // One or two characters stand in every sentence.
        let quoted = values.iter().filter(|value| value.chars().count() > 2);
        Some(quoted.fold(text, |text, value| text.replace(value.as_str(), MASK)))
    }

    /// Why somebody is set aside; what a service said of them may quote what it was sent.
    fn parked(self, person: &Person) -> Option<Parked> {
        let parked = person.parked.as_ref()?;
        let linked = [&person.link.user, &person.link.agent].into_iter().flatten();
        let stored = linked.flat_map(|it| it.image.values()).map(ToString::to_string);
        let read = person.facts.properties.values().map(|it| it.as_text().to_owned());
        let values: Vec<String> = stored.chain(read).collect();
        let sentence = self.told(Some(&parked.sentence), &values)?;
        Some(Parked { sentence, ..parked.clone() })
    }
}

/// A run, with every key that scripts rely on.
pub(super) fn run(run: &Run) -> Value {
    let mut shown = json!(run);
    for key in ["finished", "error"] {
        if shown.get(key).is_none() {
            shown[key] = Value::Null;
        }
    }
    shown
}

impl Entry {
    /// The entry for people who may see so much.
    pub fn shown(&self, sight: Sight) -> Value {
        let mut shown = decision(&self.decision, sight);
        let changes = self.decision.parts().flat_map(|(_, part)| part.changes());
        let written = changes.flat_map(|it| it.before.into_iter().chain([it.after]));
        let written: Vec<String> = written.map(|value| value.to_string()).collect();
        let told = |text: &Option<String>| sight.told(text.as_deref(), &written);
        let own = json!({
            "id": self.id,
            "time": self.time,
            "connection": self.connection,
            "run": self.run,
            "trigger": self.trigger,
            "person": self.person,
            "changed": self.changed,
            "halo": self.halo,
            "outcome": self.outcome,
            "error": told(&self.error),
            "warning": told(&self.warning),
            "attempts": self.attempts,
            "duration_ms": self.duration_ms,
        });
        if let (Value::Object(shown), Value::Object(own)) = (&mut shown, own) {
            shown.extend(own);
        }
        shown
    }
}

impl Known {
    /// The person for people who may see so much.
    pub fn shown(&self, sight: Sight) -> Value {
        let person = &self.person;
        json!({
            "person": names(self),
            "facts": facts(&person.facts, self.manager.as_deref(), sight),
            "link": link(&person.link, sight),
            "pending": person.pending.as_ref().map(|pending| &pending.changed),
            "parked": sight.parked(person),
            "held": person.held,
            "conflict": person.conflict,
        })
    }
}

impl Explanation {
    /// The explanation for people who may see so much.
    pub fn shown(&self, sight: Sight) -> Value {
        let mut shown = self.known.shown(sight);
        let groups: Vec<Value> =
            self.groups.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
        shown["facts"]["groups"] = json!(groups);
        shown["decision"] = self.decision.as_ref().map_or(Value::Null, |it| decision(it, sight));
        shown["notes"] = json!(self.notes);
        let log: Vec<Value> = self.log.iter().map(|entry| entry.shown(sight)).collect();
        shown["log"] = json!(log);
        shown
    }
}

fn names(known: &Known) -> Value {
    let facts = &known.person.facts;
    json!({
        "id": known.id,
        "user_principal_name": facts.user_principal_name(),
        "display_name": facts.display_name(),
    })
}

fn facts(facts: &Facts, manager: Option<&str>, sight: Sight) -> Value {
    let properties = facts.properties.iter().map(|(name, value)| {
        let open = matches!(
            name.as_str(),
            "id" | "userPrincipalName" | "displayName" | "accountEnabled" | "userType"
        );
        let sight = if open { Sight::Full } else { sight };
        (name.clone(), sight.value(json!(value)))
    });
    json!({
        "presence": facts.presence,
        "enabled": facts.enabled(),
        "external": facts.external(),
        "properties": properties.collect::<serde_json::Map<_, _>>(),
        "manager": facts.manager.map(|id| json!({ "id": id, "display_name": manager })),
        "groups": facts.groups.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
    })
}

/// Who the person is in Halo; nothing where they are nobody and nothing was chosen.
fn link(link: &Link, sight: Sight) -> Value {
    if *link == Link::default() {
        return Value::Null;
    }
    let seats: Vec<Value> = link
        .seats
        .iter()
        .map(|(cab, seat)| {
            json!({ "cab": cab, "role": seat.role, "record": seat.record, "state": seat.state })
        })
        .collect();
    json!({
        "user": link.user.as_ref().map(|it| linked(it, sight)),
        "agent": link.agent.as_ref().map(|it| linked(it, sight)),
        "seats": seats,
        "choices": link.choices,
        "ruling": link.ruling,
    })
}

fn linked(linked: &Linked, sight: Sight) -> Value {
    let image = linked.image.iter().map(|(field, value)| (field.to_string(), shown(value, sight)));
    json!({
        "id": linked.record.id,
        "how": linked.how,
        "activity": linked.activity,
        "mapping": linked.mapping,
        "granted_roles": linked.granted,
        "image": image.collect::<serde_json::Map<_, _>>(),
    })
}

/// What happens to the person as a whole and to each record, what was tried, what changes and why,
/// with sentences.
fn decision(decision: &Decision, sight: Sight) -> Value {
    let tried: Vec<Value> = decision.tried.iter().map(|it| attempt(it, sight)).collect();
    let mut records = serde_json::Map::new();
    let (mut reasons, mut changes) = (Vec::new(), Vec::new());
    let mut candidates: Vec<RecordId> = Vec::new();
    for (kind, part) in decision.parts() {
        let about = json!({
            "decision": part.action.name(),
            "mapping": part.mapping,
            "matched": part.linked_by(),
        });
        records.insert(kind.name().to_owned(), about);
        reasons.extend(part.reasons.iter().map(|it| reason(&masked(it, sight), kind, kind.name())));
        changes.extend(part.changes().iter().map(|it| change(it, kind, sight)));
        if let Action::Conflict { candidates: those } = &part.action {
            candidates.extend(those);
        }
    }
    let seats = decision.reasons.iter().map(|it| reason(it, RecordKind::User, "seats"));
    reasons.extend(seats);
    let mut shown = json!({
        "decision": decision.name(),
        "mapping": decision.parts().find_map(|(_, part)| part.mapping.as_ref()),
        "records": records,
        "tried": tried,
        "reasons": reasons,
        "changes": changes,
        "seats": decision.seats,
    });
    if !candidates.is_empty() {
        shown["candidates"] = json!(candidates);
    }
    shown
}

fn attempt(tried: &Tried, sight: Sight) -> Value {
    let mut outcome = tried.outcome.clone();
    if let Outcome::Condition { saw, .. } = &mut outcome
        && sight == Sight::Masked
        && !saw.is_empty()
    {
        MASK.clone_into(saw);
    }
    json!({
        "mapping": tried.mapping,
        "matched": outcome == Outcome::Matched,
        "sentence": outcome.sentence(),
        "outcome": outcome,
    })
}

/// The name of a site that is made is the value of a property.
fn masked(reason: &Reason, sight: Sight) -> Reason {
    match (reason, sight) {
        (Reason::SiteIsMade { .. }, Sight::Masked) => Reason::SiteIsMade { name: MASK.to_owned() },
        _ => reason.clone(),
    }
}

/// `about` = the record, or the seats.
fn reason(reason: &Reason, kind: RecordKind, about: &str) -> Value {
    let mut shown = json!(reason);
    shown["about"] = about.into();
    shown["sentence"] = reason.sentence(kind).into();
    shown
}

fn change(change: &FieldChange, kind: RecordKind, sight: Sight) -> Value {
    json!({
        "record": kind,
        "field": change.field,
        "before": change.before.as_ref().map(|value| shown(value, sight)),
        "after": shown(&change.after, sight),
    })
}

/// Texts are personal; ids and switches are not.
fn shown(value: &HaloValue, sight: Sight) -> Value {
    match value {
        HaloValue::Text(text) => sight.value(text.as_str()),
        HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Ids(_) => json!(value),
    }
}
