//! The shape of a decision: what happens to each record, in data that is stored, shown and carried out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Need;
use crate::assignment;
use crate::boards::SeatChange;
use crate::explain::{Reason, Tried};
use crate::ids::{LicenceId, MappingId, RecordId, RecordKind, SkuId};
use crate::link::{Activity, FieldChange, Fields, LinkedBy};

/// The outcome of [`super::decide`].
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly always decided, and never kept")]
pub enum Verdict {
    /// Look this up and ask again.
    Needs(Need),
    /// This should happen.
    Decided(Decision),
}

/// What should happen to a person, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The user record; `None` = the run is not about users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Part>,
    /// The agent record; `None` = the run is not about agents, or nobody becomes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Part>,
    /// Seats on boards (R3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SeatChange>,
    /// A licence that Halo asked for; then it is about nothing else (S2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<Box<LicencePart>>,
    /// Every mapping that was tried (B1).
    pub tried: Vec<Tried>,
    /// Why seats are as they are; why records are stands with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What became of a licence that Halo asked to be given to a person, or taken (S2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicencePart {
    /// Given or taken.
    pub action: assignment::Action,
    /// The licence as Halo knows it.
    pub licence: LicenceId,
    /// The licence as Entra knows it.
    pub sku: SkuId,
    /// Its name.
    pub product: String,
    /// What came of it.
    pub outcome: LicenceOutcome,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
}

/// What came of a licence that Halo asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LicenceOutcome {
    /// Entra was changed.
    Changed,
    /// Entra was so already.
    Nothing,
    /// It was not done.
    Refused,
}

/// What should happen to one record of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What should happen.
    pub action: Action,
    /// The mapping that places the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingId>,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
}

/// What should happen to a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Nothing: Halo is as it should be.
    Unchanged,
    /// Nothing: the person is not imported.
    NotInScope,
    /// Nothing, until an administrator chooses (M3).
    Conflict {
        /// Records to choose from.
        candidates: Vec<RecordId>,
    },
    /// Nothing, until an administrator releases it (L4), or a complete read confirms it (L5).
    Held,
    /// Nothing, because Halo would refuse it; the reasons say what is wrong with the data (F8).
    Invalid,
    /// Make a record.
    Create(Create),
    /// Write an existing record.
    Write(Write),
}

/// A record to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Create {
    /// With these fields.
    pub fields: Fields,
    /// Whether it is active.
    pub activity: Activity,
    /// Roles that it gets from us (R4).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub granted: BTreeSet<i64>,
    /// Licences that we link to it (S1).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<i64>,
}

/// A write to an existing record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// What to call it.
    pub verb: Verb,
    /// Which record.
    pub record: RecordId,
    /// How the link came to be, where this write makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinkedBy>,
    /// What is sent; may be empty where only the link changes.
    pub changes: Vec<FieldChange>,
    /// Whether the record is active afterwards.
    pub activity: Activity,
    /// What else is due, and is left for later.
    #[serde(default, skip_serializing_if = "Deactivation::is_none")]
    pub deactivation: Deactivation,
    /// What we know of the record before the write.
    pub base: Fields,
    /// Roles of ours afterwards (R4).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub granted: BTreeSet<i64>,
    /// Roles that this write gives.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub given: BTreeSet<i64>,
    /// Licences that are linked by us afterwards (S1).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<i64>,
    /// Licences that this write links.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub linking: BTreeSet<i64>,
}

/// A deactivation that a write leaves for later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deactivation {
    /// None.
    #[default]
    None,
    /// It waits for an administrator or a complete read (L4, L5).
    Waits,
}

impl Deactivation {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
    fn is_none(&self) -> bool {
        *self == Deactivation::None
    }
}

/// The name of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Fields, and perhaps the link.
    Update,
    /// Active again (L3, R5).
    Reactivate,
    /// Inactive (L1).
    Deactivate,
}

impl Write {
    /// Whether it does something that has to be known as ours if it is interrupted (R4, S1, L3).
    pub fn is_noted(&self) -> bool {
        !self.given.is_empty() || !self.linking.is_empty() || self.deactivates_found()
    }

    /// Whether it makes inactive whom it links: nothing else tells then that it was us (L3).
    pub fn deactivates_found(&self) -> bool {
        self.links.is_some() && self.verb == Verb::Deactivate
    }

    /// What the record holds after the write.
    pub fn image(&self) -> Fields {
        let mut image = self.base.clone();
        for change in &self.changes {
            image.insert(change.field.clone(), change.after.clone());
        }
        image
    }
}

impl Action {
    /// The action's name in logs, filters and counts.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Unchanged => "unchanged",
            Action::NotInScope => "not_in_scope",
            Action::Conflict { .. } => "conflict",
            Action::Held => "held",
            Action::Invalid => "failed",
            Action::Create(_) => "create",
            Action::Write(write) => match write.verb {
                Verb::Update => "update",
                Verb::Reactivate => "reactivate",
                Verb::Deactivate => "deactivate",
            },
        }
    }

    /// Which of two actions a person is counted and listed by: the larger number.
    fn weight(&self) -> u8 {
        match self {
            Action::NotInScope => 0,
            Action::Unchanged => 1,
            Action::Write(Write { verb: Verb::Update, .. }) => 2,
            Action::Write(Write { verb: Verb::Reactivate, .. }) => 3,
            Action::Create(_) => 4,
            Action::Write(Write { verb: Verb::Deactivate, .. }) => 5,
            Action::Held => 6,
            Action::Conflict { .. } => 7,
            Action::Invalid => 8,
        }
    }

    /// Whether a deactivation waits for an administrator or a complete read.
    pub fn waits(&self) -> bool {
        match self {
            Action::Held => true,
            Action::Write(write) => write.deactivation == Deactivation::Waits,
            Action::Unchanged
            | Action::NotInScope
            | Action::Conflict { .. }
            | Action::Invalid
            | Action::Create(_) => false,
        }
    }

    /// Whether this makes the record inactive (L4).
    pub fn deactivates(&self) -> bool {
        matches!(self, Action::Write(Write { verb: Verb::Deactivate, .. }))
    }

    /// Whether something is sent to Halo.
    pub fn writes(&self) -> bool {
        matches!(self, Action::Create(_) | Action::Write(_))
    }
}

impl LicencePart {
    /// The name in logs and filters.
    pub fn name(&self) -> &'static str {
        match (self.outcome, self.action) {
            (LicenceOutcome::Changed, assignment::Action::Assign) => "licence_assigned",
            (LicenceOutcome::Changed, assignment::Action::Remove) => "licence_removed",
            (LicenceOutcome::Nothing, _) => "licence_unchanged",
            (LicenceOutcome::Refused, _) => "licence_refused",
        }
    }
}

impl Part {
    /// The record that the person is after this, where its number is known.
    pub fn record_after(&self) -> Option<RecordId> {
        match &self.action {
            Action::Write(write) => Some(write.record),
            Action::Unchanged
            | Action::NotInScope
            | Action::Conflict { .. }
            | Action::Held
            | Action::Invalid
            | Action::Create(_) => None,
        }
    }

    /// Whether links to licences are what Entra says once this is carried out, those included that
    /// somebody in Halo asked to change (S2).
    pub fn settles_licences(&self) -> bool {
        match &self.action {
            Action::Unchanged | Action::Write(_) => true,
            Action::NotInScope
            | Action::Conflict { .. }
            | Action::Held
            | Action::Invalid
            | Action::Create(_) => false,
        }
    }

    /// How the link comes to be, where this makes it.
    pub fn linked_by(&self) -> Option<LinkedBy> {
        match &self.action {
            Action::Create(_) => Some(LinkedBy::Created),
            Action::Write(write) => write.links.clone(),
            Action::Unchanged
            | Action::NotInScope
            | Action::Conflict { .. }
            | Action::Held
            | Action::Invalid => None,
        }
    }

    /// Before and after of each field.
    pub fn changes(&self) -> Vec<FieldChange> {
        match &self.action {
            Action::Create(create) => {
                let new = create.fields.iter().map(|(field, after)| FieldChange {
                    field: field.clone(),
                    before: None,
                    after: after.clone(),
                });
                new.collect()
            }
            Action::Write(write) => write.changes.clone(),
            Action::Unchanged
            | Action::NotInScope
            | Action::Conflict { .. }
            | Action::Held
            | Action::Invalid => Vec::new(),
        }
    }
}

impl Decision {
    /// The part about one kind of record.
    pub const fn of(&self, kind: RecordKind) -> Option<&Part> {
        match kind {
            RecordKind::User => self.user.as_ref(),
            RecordKind::Agent => self.agent.as_ref(),
        }
    }

    /// The parts that there are, with their kinds.
    pub fn parts(&self) -> impl Iterator<Item = (RecordKind, &Part)> {
        RecordKind::ALL.into_iter().filter_map(|kind| Some((kind, self.of(kind)?)))
    }

    /// The action that the person is counted and listed by: the weightier of the two records'.
    fn leading(&self) -> Option<&Action> {
        self.parts().map(|(_, part)| &part.action).max_by_key(|action| action.weight())
    }

    /// The decision's name in logs, filters and counts. Somebody of whom only a seat changes counts as
    /// updated.
    pub fn name(&self) -> &'static str {
        if let Some(licence) = &self.licence {
            return licence.name();
        }
        match self.leading() {
            None | Some(Action::Unchanged | Action::NotInScope) if !self.seats.is_empty() => {
                "update"
            }
            None => "unchanged",
            Some(action) => action.name(),
        }
    }

    /// Whether Halo and our records stay as they are and nobody has to be told (T4).
    pub fn is_unchanged(&self) -> bool {
        self.name() == "unchanged"
    }

    /// Whether a deactivation waits for an administrator or a complete read.
    pub fn is_held(&self) -> bool {
        self.parts().any(|(_, part)| part.action.waits())
    }

    /// The mappings that place the person, the user's first.
    pub fn mappings(&self) -> BTreeSet<&MappingId> {
        self.parts().filter_map(|(_, part)| part.mapping.as_ref()).collect()
    }

    /// Every reason with the kind of record that it is about, as sentences.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        let parts = self
            .parts()
            .flat_map(|(kind, part)| part.reasons.iter().map(move |reason| reason.sentence(kind)));
        let licence = self.licence.iter().flat_map(|licence| &licence.reasons);
        let others = licence.chain(&self.reasons);
        parts.chain(others.map(|reason| reason.sentence(RecordKind::User)))
    }
}
