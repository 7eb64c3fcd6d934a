//! Previews: how people are counted and listed in one, and whether an import by its plan still finds
//! what was shown (I1, I2).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::decide::{Action, Create, Decision, Part, Write};
use crate::document::Document;
use crate::ids::{MappingId, PerKind, RecordId, RecordKind};
use crate::link::{FieldChange, Fields, HaloValue, Link, Target};

/// What a preview shows of a person, and an import by its plan carries out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// What would happen.
    pub decision: Decision,
    /// Kinds of records that Halo was not asked for, although the import asks for them first: what
    /// stands in their fields is not known, and what differs is known only then.
    #[serde(default)]
    pub unread: PerKind<bool>,
}

impl Planned {
    /// Whether an import by this plan looks at the person at all: whoever is as they should be, or is
    /// not imported, is left to the next ordinary run.
    pub fn is_to_do(&self) -> bool {
        is_to_do(self.decision.name())
    }

    /// Whether what stood in this field before is known. Nothing stands in a record that is made.
    pub fn knows_before(&self, kind: RecordKind, change: &FieldChange) -> bool {
        !*self.unread.of(kind) || change.before.is_some()
    }
}

fn is_to_do(decision: &str) -> bool {
    !matches!(decision, "unchanged" | "not_in_scope")
}

/// The names of decisions, in the order in which people ask for them.
pub const DECISIONS: [&str; 9] = [
    "failed",
    "conflict",
    "held",
    "deactivate",
    "create",
    "reactivate",
    "update",
    "unchanged",
    "not_in_scope",
];

/// The mappings of a document in the order in which they are tried: groups of people in a preview.
pub fn order(document: &Document) -> Vec<MappingId> {
    document.by_rank().into_iter().map(|mapping| mapping.id.clone()).collect()
}

/// The mapping under which a person is listed: the one of the user record, else of the agent.
pub fn listed_under(decision: &Decision) -> Option<&MappingId> {
    decision.parts().find_map(|(_, part)| part.mapping.as_ref())
}

/// People by the mapping that they are listed under and by decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Totals(BTreeMap<String, BTreeMap<String, u64>>);

impl Totals {
    /// Counts a person.
    pub fn count(&mut self, decision: &Decision) {
        let group = group(listed_under(decision));
        *self.0.entry(group).or_default().entry(decision.name().to_owned()).or_default() += 1;
    }

    /// How many people of a mapping, or of none, by decision.
    pub fn of(&self, mapping: Option<&MappingId>) -> BTreeMap<String, u64> {
        self.0.get(&group(mapping)).cloned().unwrap_or_default()
    }

    /// Whether something happens to anybody.
    pub fn has_to_do(&self) -> bool {
        self.0.values().flat_map(BTreeMap::keys).any(|decision| is_to_do(decision))
    }

    /// All people by decision.
    pub fn all(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (decision, people) in self.0.values().flatten() {
            *all.entry(decision.clone()).or_default() += people;
        }
        all
    }
}

impl AddAssign<&Totals> for Totals {
    fn add_assign(&mut self, other: &Totals) {
        for (group, decisions) in &other.0 {
            for (decision, people) in decisions {
                *self.0.entry(group.clone()).or_default().entry(decision.clone()).or_default() +=
                    people;
            }
        }
    }
}

/// No mapping is named by an empty text.
fn group(mapping: Option<&MappingId>) -> String {
    mapping.map(ToString::to_string).unwrap_or_default()
}

/// What is found of a person at the moment of the import.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// What would happen now.
    pub decision: &'a Decision,
    /// The link, with what an earlier try of ours left behind.
    pub link: &'a Link,
    /// What the records that are to be written hold now; `None` = Halo was not asked.
    pub in_halo: &'a PerKind<Option<Fields>>,
    /// The name of the site that the person goes to, where it is named.
    pub site: Option<&'a str>,
}

/// Something that is not as the preview showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Something else would happen to a record.
    Decision {
        /// To which.
        kind: RecordKind,
        /// What was shown.
        shown: &'static str,
        /// What would happen now.
        now: &'static str,
    },
    /// Another mapping places the person.
    Mapping {
        /// For which record.
        kind: RecordKind,
    },
    /// Another Halo record would be written.
    Record {
        /// Which one now.
        now: RecordId,
    },
    /// The record is gone from Halo.
    Gone {
        /// Which.
        record: RecordId,
    },
    /// Another value would be written.
    Value {
        /// To which record.
        kind: RecordKind,
        /// Into which field.
        field: Target,
    },
    /// Halo holds another value than was shown.
    InHalo {
        /// In which record.
        kind: RecordKind,
        /// In which field.
        field: Target,
    },
    /// Other roles would be ours.
    Roles {
        /// Of which record.
        kind: RecordKind,
    },
    /// Other seats on boards would be taken or given back.
    Seats,
}

impl Moved {
    /// What is different, as a part of a sentence.
    pub fn words(&self) -> String {
        match self {
            Moved::Decision { kind, shown, now } => {
                format!("the {kind} would be \"{now}\" and not \"{shown}\"")
            }
            Moved::Mapping { kind } => format!("another mapping decides on the {kind}"),
            Moved::Record { now } => format!("Halo {now} would be written"),
            Moved::Gone { record } => format!("Halo {record} is gone"),
            Moved::Value { kind, field } => format!("{field} of the {kind} would be another"),
            Moved::InHalo { kind, field } => {
                format!("somebody else changed {field} of the {kind} in Halo")
            }
            Moved::Roles { kind } => format!("the roles of the {kind} would be others"),
            Moved::Seats => "the seats on boards would be others".to_owned(),
        }
    }
}

/// What to tell of somebody who moved since the preview.
pub fn sentence(moved: &[Moved]) -> String {
    let what: Vec<String> = moved.iter().map(Moved::words).collect();
    format!(
        "Not as the preview showed it: {}. Nothing was written; the next run, or a new preview, decides anew.",
        what.join("; ")
    )
}

/// The fields that have to be read of a record before it is written by a plan, so that a change which
/// somebody else made in Halo is noticed. `None` = what was read just now is in the decision.
pub fn to_read(planned: &Planned, part: &Part, kind: RecordKind) -> Option<BTreeSet<Target>> {
    let Action::Write(Write { links: None, changes, .. }) = &part.action else { return None };
    let shown = planned.decision.of(kind).map(Part::changes).unwrap_or_default();
    let fields = changes.iter().chain(&shown).map(|change| change.field.clone());
    Some(fields.collect::<BTreeSet<_>>()).filter(|fields| !fields.is_empty())
}

/// Compares what was shown with what would happen now. Nothing is different where there is nothing
/// left to do, because somebody else did it.
pub fn moved(planned: &Planned, found: &Found<'_>) -> Vec<Moved> {
    let mut moved = Vec::new();
    for kind in RecordKind::ALL {
        let parts = (planned.decision.of(kind), found.decision.of(kind));
        let comparison = Comparison { planned, found, kind };
        match parts {
            (None, None) => {}
            (Some(shown), Some(now)) => comparison.parts(shown, now, &mut moved),
            (shown, now) => comparison.decisions(shown, now, &mut moved),
        }
    }
    let seats = &found.decision.seats;
    // What is there already is not taken again.
    if seats.iter().any(|seat| !planned.decision.seats.contains(seat)) {
        moved.push(Moved::Seats);
    }
    moved
}

/// One record, as it was shown and as it is now.
struct Comparison<'a> {
    planned: &'a Planned,
    found: &'a Found<'a>,
    kind: RecordKind,
}

impl Comparison<'_> {
    fn decisions(&self, shown: Option<&Part>, now: Option<&Part>, moved: &mut Vec<Moved>) {
        let name = |part: Option<&Part>| part.map_or("unchanged", |part| part.action.name());
        let (shown, now) = (name(shown), name(now));
        if now != shown && now != "unchanged" {
            moved.push(Moved::Decision { kind: self.kind, shown, now });
        }
    }

    fn parts(&self, shown: &Part, now: &Part, moved: &mut Vec<Moved>) {
        let kind = self.kind;
        let same = shown.action.name() == now.action.name() || self.may_be_ours();
        if same && now.action.writes() && shown.mapping != now.mapping {
            moved.push(Moved::Mapping { kind });
        }
        match (&shown.action, &now.action) {
            (Action::Create(shown), Action::Create(now)) => self.creates(shown, now, moved),
            // An earlier try made it, and did not come to say so (M6).
            (Action::Create(_), Action::Write(write))
                if write.links.is_some() && self.may_be_ours() => {}
            (Action::Write(shown), Action::Write(now)) => self.writes(shown, now, moved),
            _ => self.decisions(Some(shown), Some(now), moved),
        }
    }

    fn may_be_ours(&self) -> bool {
        self.found.link.intents.get(&self.kind).is_some_and(|intent| intent.creates)
    }

    fn creates(&self, shown: &Create, now: &Create, moved: &mut Vec<Moved>) {
        let kind = self.kind;
        let fields: BTreeSet<&Target> = shown.fields.keys().chain(now.fields.keys()).collect();
        for field in fields.into_iter().filter(|field| !self.is_the_agent(field)) {
            if !self.is_same(field, shown.fields.get(field), now.fields.get(field)) {
                moved.push(Moved::Value { kind, field: field.clone() });
            }
        }
        if shown.granted != now.granted
            || shown.licences != now.licences
            || shown.activity != now.activity
        {
            moved.push(Moved::Roles { kind });
        }
    }

    fn writes(&self, shown: &Write, now: &Write, moved: &mut Vec<Moved>) {
        let kind = self.kind;
        if shown.record != now.record || shown.links.is_some() != now.links.is_some() {
            moved.push(Moved::Record { now: now.record });
            return;
        }
        if shown.verb != now.verb {
            let (shown, now) = (Action::Write(shown.clone()), Action::Write(now.clone()));
            let (shown, now) = (shown.name(), now.name());
            moved.push(Moved::Decision { kind, shown, now });
            return;
        }
        for change in &now.changes {
            moved.extend(self.change(shown, now, change));
        }
        let left = |change: &&FieldChange| now.changes.iter().all(|it| it.field != change.field);
        for change in shown.changes.iter().filter(left) {
            let is_done = self.holds(now, &change.field, &change.after);
            if !is_done && self.planned.knows_before(kind, change) {
                moved.push(Moved::Value { kind, field: change.field.clone() });
            }
        }
        let more = now.given.difference(&shown.given).next().is_some();
        if more && !*self.planned.unread.of(kind) {
            moved.push(Moved::Roles { kind });
        }
    }

    /// A field that would be written now.
    fn change(&self, shown: &Write, now: &Write, change: &FieldChange) -> Option<Moved> {
        let (kind, field) = (self.kind, change.field.clone());
        if self.is_the_agent(&field) {
            return None;
        }
        let Some(was) = shown.changes.iter().find(|it| it.field == field) else {
            let adds = *self.planned.unread.of(kind) && only_adds(change);
            return (!adds).then_some(Moved::Value { kind, field });
        };
        if !self.is_same(&field, Some(&was.after), Some(&change.after)) {
            return Some(Moved::Value { kind, field });
        }
        // A write of ours that was interrupted may have been done (T2).
        let is_known = self.planned.knows_before(kind, was);
        let stands = !is_known
            || self.holds(now, &field, &change.after)
            || match &was.before {
                Some(before) => self.holds(now, &field, before),
                None => self.holds(now, &field, &HaloValue::Text(String::new())),
            };
        (!stands).then_some(Moved::InHalo { kind, field })
    }

    /// Whether the record holds this value now.
    fn holds(&self, now: &Write, field: &Target, value: &HaloValue) -> bool {
        let read = self.found.in_halo.of(self.kind).as_ref();
        let held = read.and_then(|fields| fields.get(field)).or_else(|| now.base.get(field));
        match held {
            Some(held) => held == value || (held.is_empty() && value.is_empty()),
            None => value.is_empty() || *value == HaloValue::Bool(false),
        }
    }

    /// Whether the same was shown; a site that was not there yet was shown by its name (P6).
    fn is_same(&self, field: &Target, shown: Option<&HaloValue>, now: Option<&HaloValue>) -> bool {
        match (shown, now) {
            (Some(HaloValue::Text(name)), Some(HaloValue::Int(_)))
                if *field == Target::field("site_id") =>
            {
                self.found.site == Some(name.as_str())
            }
            (shown, now) => shown == now,
        }
    }

    /// The number of an agent that was made for the person is not known before.
    fn is_the_agent(&self, field: &Target) -> bool {
        let made = self.planned.decision.agent.as_ref();
        let made = made.is_some_and(|agent| matches!(agent.action, Action::Create(_)));
        made && self.kind == RecordKind::User && *field == Target::field("linked_agent_id")
    }
}

/// Whether a change of roles takes none away.
fn only_adds(change: &FieldChange) -> bool {
    match (&change.before, &change.after) {
        (Some(HaloValue::Ids(before)), HaloValue::Ids(after)) => before.is_subset(after),
        (None, HaloValue::Ids(_)) => true,
        _ => false,
    }
}
