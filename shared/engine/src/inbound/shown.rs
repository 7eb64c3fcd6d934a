//! Entries, people and runs as the API shows them. A reader sees what happened and why, but not the
//! values of personal fields (B4).

mod licence;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plan::boards::SeatChange;
use plan::decide::{Action, Decision};
use plan::explain::{Outcome, Reason, Tried};
use plan::facts::{Facts, Presence, Value};
use plan::ids::{CabId, CabRoleId, ConnectionId, MappingId, ObjectId, RecordId, RecordKind, RunId};
use plan::link::{
    Activity, Choice, FieldChange, Fields, HaloValue, Link, Linked, LinkedBy, Ruling, Seat,
    SeatState, Target,
};
use plan::tally::Trigger;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use self::licence::ShownLicence;
use super::{Explanation, Known};
use crate::store::log::{Entry, HaloIds, OutcomeKind, PersonNames};
use crate::store::people::{Conflict, Held, Parked, Person};
use crate::store::previews::Previewed;
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

impl From<&Role> for Sight {
    fn from(role: &Role) -> Self {
        match role {
            // What is shown to a person is about nobody but themselves.
            Role::Administrator | Role::Person(_) => Sight::Full,
            Role::Reader => Sight::Masked,
        }
    }
}

impl Sight {
    /// Whether a text stays as it is; nothing stays nothing.
    fn shows(self, text: &str) -> bool {
        self == Sight::Full || text.is_empty()
    }

    fn property(self, value: &Value) -> Value {
        if self.shows(value.as_text()) { value.clone() } else { Value::Text(MASK.to_owned()) }
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
    pub(crate) fn parked(self, person: &Person) -> Option<Parked> {
        let parked = person.parked.as_ref()?;
        let linked = [&person.link.user, &person.link.agent].into_iter().flatten();
        let stored = linked.flat_map(|it| it.image.values()).map(ToString::to_string);
        let read = person.facts.properties.values().map(|it| it.as_text().to_owned());
        let values: Vec<String> = stored.chain(read).collect();
        let sentence = self.told(Some(&parked.sentence), &values)?;
        Some(Parked { sentence, ..parked.clone() })
    }

    /// A reason; the name of a site that is made is the value of a property.
    fn reason(self, reason: &Reason) -> Reason {
        match (reason, self) {
            (Reason::SiteIsMade { .. }, Sight::Masked) => {
                Reason::SiteIsMade { name: MASK.to_owned() }
            }
            _ => reason.clone(),
        }
    }

    /// Texts are personal; ids and switches are not.
    fn field(self, value: &HaloValue) -> HaloValue {
        match value {
            HaloValue::Text(text) if !self.shows(text) => HaloValue::Text(MASK.to_owned()),
            HaloValue::Text(_) | HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Ids(_) => {
                value.clone()
            }
        }
    }
}

/// An entry of the inbound log: one decided person in one run (B1).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub struct ShownEntry {
    /// Sorts by time.
    id: Uuid,
    /// When the decision was carried out.
    time: Timestamp,
    /// Whose.
    connection: ConnectionId,
    /// In which run.
    run: RunId,
    /// Who started it.
    trigger: Trigger,
    /// The person.
    person: PersonNames,
    /// What changed in Entra since the last entry: properties, `manager`, `groups`, `presence`.
    changed: Vec<String>,
    #[serde(flatten)]
    decision: ShownDecision,
    /// The records in Halo.
    halo: HaloIds,
    /// What came of it.
    outcome: OutcomeKind,
    /// What went wrong and what to do.
    #[schema(required)]
    error: Option<String>,
    /// A warning that Halo gave with a success.
    #[schema(required)]
    warning: Option<String>,
    /// Tries so far, this one included.
    attempts: u32,
    /// How long it took, in milliseconds.
    duration_ms: u64,
}

/// What happens to a person as a whole and to each record, what was tried, what changes and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
pub struct ShownDecision {
    /// The weightier one of the records' decisions: `create`, `update`, `reactivate`, `deactivate`,
    /// `unchanged`, `conflict`, `held`, `not_in_scope` or `failed`; of a licence that Halo asked for
    /// `licence_assigned`, `licence_removed`, `licence_unchanged` or `licence_refused`.
    decision: &'static str,
    /// The mapping that places the person.
    #[schema(required)]
    mapping: Option<MappingId>,
    /// What happens to `user` and `agent`, as far as the decision is about them.
    records: BTreeMap<RecordKind, RecordDecision>,
    /// Every mapping that was tried, in order.
    tried: Vec<Attempt>,
    /// Why; never empty.
    reasons: Vec<ShownReason>,
    /// Fields that change.
    changes: Vec<ShownChange>,
    /// Seats on boards that change (R3).
    seats: Vec<SeatChange>,
    /// The licence that Halo asked for (S2).
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<ShownLicence>,
    /// Records to choose from, in a conflict (M3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<RecordId>,
}

/// What happens to one record.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RecordDecision {
    /// As of the whole.
    decision: &'static str,
    /// The mapping that places it.
    #[schema(required)]
    mapping: Option<MappingId>,
    /// How the link comes to be, where this makes it.
    #[schema(required)]
    matched: Option<LinkedBy>,
}

/// A mapping that was tried.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Attempt {
    /// Which.
    mapping: MappingId,
    /// Whether all its parts hold.
    matched: bool,
    /// How far it got, in words.
    sentence: String,
    /// How far it got.
    outcome: Outcome,
}

/// A reason with its sentence.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExplainedReason)]
struct ShownReason {
    #[serde(flatten)]
    reason: Reason,
    /// What it is about.
    about: About,
    /// The reason in words.
    sentence: String,
}

/// What a reason is about: a record, seats on boards, or a licence.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReasonAbout)]
enum About {
    User,
    Agent,
    Seats,
    Licence,
}

/// A field that changes.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Change)]
struct ShownChange {
    /// Of which record.
    record: RecordKind,
    /// Which field.
    field: Target,
    /// What Halo has, as far as we know; `null` for a new record.
    #[schema(required)]
    before: Option<HaloValue>,
    /// What it gets.
    after: HaloValue,
    /// In previews: whether `before` is known. Halo is asked about few records for a preview; where it
    /// was not, the import reads the record first, and writes less where it holds the value already.
    #[serde(skip_serializing_if = "Option::is_none")]
    before_known: Option<bool>,
}

/// A person as a preview shows them (I1).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PreviewedPerson)]
pub struct ShownPreviewed {
    /// Who.
    person: PersonNames,
    /// The manager (F6); `null` without one.
    #[schema(required)]
    manager: Option<Manager>,
    #[serde(flatten)]
    decision: ShownDecision,
    /// The records in Halo, as far as there are some.
    halo: HaloIds,
    /// What could not be known without asking Halo, in sentences.
    notes: Vec<String>,
}

/// A person as the store knows them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub struct ShownPerson {
    /// Who.
    person: PersonNames,
    /// What Graph said.
    facts: ShownFacts,
    /// Who they are in Halo; `null` where they are nobody and nothing was chosen.
    #[schema(required)]
    link: Option<ShownLink>,
    /// What changed since the last decision that was carried out; `null` = nothing waits.
    #[schema(required)]
    pending: Option<BTreeSet<String>>,
    /// Why the person waits for another try (T5).
    #[schema(required)]
    parked: Option<Parked>,
    /// A deactivation that waits for an administrator (L4).
    #[schema(required)]
    held: Option<Held>,
    /// A choice that waits for an administrator (M3).
    #[schema(required)]
    conflict: Option<Conflict>,
}

/// What was last read of a person from Graph.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Facts)]
struct ShownFacts {
    /// Whether Entra still has the person.
    presence: Presence,
    /// Whether the account is enabled.
    enabled: bool,
    /// Whether the person is external (P4).
    external: bool,
    /// Properties with a value, by Graph name.
    properties: BTreeMap<String, Value>,
    /// The manager.
    #[schema(required)]
    manager: Option<Manager>,
    /// Groups of the rules that the person is a direct member of.
    groups: Vec<Group>,
}

/// A person's manager.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Manager {
    /// Object id.
    id: ObjectId,
    /// Name; `null` before the manager was read.
    #[schema(required)]
    display_name: Option<String>,
}

/// A group of a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Group {
    /// Object id.
    id: ObjectId,
    /// Name; only in explanations.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Who a person is in Halo.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Link)]
struct ShownLink {
    /// The user record.
    #[schema(required)]
    user: Option<ShownLinked>,
    /// The agent record.
    #[schema(required)]
    agent: Option<ShownLinked>,
    /// Places on change advisory boards (R3).
    seats: Vec<ShownSeat>,
    /// What an administrator chose for records that are not linked (M3, M7).
    choices: BTreeMap<RecordKind, Choice>,
    /// What an administrator said of a held deactivation (L4).
    #[schema(required)]
    ruling: Option<Ruling>,
}

/// A record of Halo that is the person's.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Linked)]
struct ShownLinked {
    /// Its number.
    id: i64,
    /// How the link came to be.
    how: LinkedBy,
    /// Active or not, and who did it.
    activity: Activity,
    /// The mapping that placed the person last.
    #[schema(required)]
    mapping: Option<MappingId>,
    /// Roles that this product gave (R4).
    granted_roles: BTreeSet<i64>,
    /// What Halo had after the last write or read, of the fields that are written.
    #[schema(value_type = BTreeMap<String, HaloValue>)]
    image: Fields,
}

/// A place on a change advisory board.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Seat)]
struct ShownSeat {
    /// Which board.
    cab: CabId,
    /// In which role.
    #[schema(required)]
    role: Option<CabRoleId>,
    /// Who sits there.
    record: RecordId,
    /// Whose doing it is, and whether it is done.
    state: SeatState,
}

/// What would be decided about a person today, and why (B3).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ShownExplanation {
    #[serde(flatten)]
    known: ShownPerson,
    /// The decision; `null` where nobody can decide yet, and the notes say why.
    #[schema(required)]
    decision: Option<ShownDecision>,
    /// What else is worth knowing.
    notes: Vec<String>,
    /// The last entries of the log.
    log: Vec<ShownEntry>,
}

impl Entry {
    /// The entry for people who may see so much.
    pub fn shown(&self, sight: Sight) -> ShownEntry {
        let changes = self.decision.parts().flat_map(|(_, part)| part.changes());
        let written = changes.flat_map(|it| it.before.into_iter().chain([it.after]));
        let written: Vec<String> = written.map(|value| value.to_string()).collect();
        ShownEntry {
            id: self.id,
            time: self.time,
            connection: self.connection.clone(),
            run: self.run,
            trigger: self.trigger,
            person: self.person.clone(),
            changed: self.changed.clone(),
            decision: ShownDecision::of(&self.decision, sight),
            halo: self.halo,
            outcome: self.outcome,
            error: sight.told(self.error.as_deref(), &written),
            warning: sight.told(self.warning.as_deref(), &written),
            attempts: self.attempts,
            duration_ms: self.duration_ms,
        }
    }
}

impl ShownDecision {
    /// A decision for people who may see so much.
    pub fn of(decision: &Decision, sight: Sight) -> Self {
        let mut shown = Self {
            decision: decision.name(),
            mapping: decision.parts().find_map(|(_, part)| part.mapping.clone()),
            records: BTreeMap::new(),
            tried: decision.tried.iter().map(|it| attempt(it, sight)).collect(),
            reasons: Vec::new(),
            changes: Vec::new(),
            seats: decision.seats.clone(),
            licence: decision.licence.as_deref().map(ShownLicence::of),
            candidates: Vec::new(),
        };
        for (kind, part) in decision.parts() {
            let record = RecordDecision {
                decision: part.action.name(),
                mapping: part.mapping.clone(),
                matched: part.linked_by(),
            };
            shown.records.insert(kind, record);
            let about = match kind {
                RecordKind::User => About::User,
                RecordKind::Agent => About::Agent,
            };
            let reasons = part.reasons.iter().map(|it| reason(&sight.reason(it), kind, about));
            shown.reasons.extend(reasons);
            shown.changes.extend(part.changes().iter().map(|it| change(it, kind, sight)));
            if let Action::Conflict { candidates } = &part.action {
                shown.candidates.extend(candidates);
            }
        }
        let seats = decision.reasons.iter().map(|it| reason(it, RecordKind::User, About::Seats));
        shown.reasons.extend(seats);
        let licence = decision.licence.iter().flat_map(|licence| &licence.reasons);
        shown.reasons.extend(licence.map(|it| reason(it, RecordKind::User, About::Licence)));
        shown
    }
}

impl Previewed {
    /// The person for people who may see so much.
    pub fn shown(&self, sight: Sight) -> ShownPreviewed {
        let planned = &self.planned;
        let mut decision = ShownDecision::of(&planned.decision, sight);
        let known = planned.decision.parts().flat_map(|(kind, part)| {
            let changes = part.changes().into_iter();
            changes.map(move |change| planned.knows_before(kind, &change))
        });
        for (change, known) in decision.changes.iter_mut().zip(known) {
            change.before_known = Some(known);
        }
        let manager = self.manager.as_ref();
        ShownPreviewed {
            person: self.person.clone(),
            manager: manager.map(|it| Manager { id: it.id, display_name: it.display_name.clone() }),
            decision,
            halo: self.halo,
            notes: self.notes.clone(),
        }
    }
}

impl Known {
    /// The person for people who may see so much.
    pub fn shown(&self, sight: Sight) -> ShownPerson {
        let person = &self.person;
        let facts = &person.facts;
        ShownPerson {
            person: PersonNames {
                id: self.id,
                user_principal_name: facts.user_principal_name().to_owned(),
                display_name: facts.display_name().to_owned(),
            },
            facts: shown_facts(facts, self.manager.as_deref(), sight),
            link: link(&person.link, sight),
            pending: person.pending.as_ref().map(|pending| pending.changed.clone()),
            parked: sight.parked(person),
            held: person.held.clone(),
            conflict: person.conflict.clone(),
        }
    }
}

impl Explanation {
    /// The explanation for people who may see so much.
    pub fn shown(&self, sight: Sight) -> ShownExplanation {
        let mut known = self.known.shown(sight);
        let groups = self.groups.iter();
        known.facts.groups =
            groups.map(|(id, name)| Group { id: *id, name: Some(name.clone()) }).collect();
        ShownExplanation {
            known,
            decision: self.decision.as_ref().map(|it| ShownDecision::of(it, sight)),
            notes: self.notes.clone(),
            log: self.log.iter().map(|entry| entry.shown(sight)).collect(),
        }
    }
}

fn shown_facts(facts: &Facts, manager: Option<&str>, sight: Sight) -> ShownFacts {
    let properties = facts.properties.iter().map(|(name, value)| {
        let open = matches!(
            name.as_str(),
            "id" | "userPrincipalName" | "displayName" | "accountEnabled" | "userType"
        );
        let sight = if open { Sight::Full } else { sight };
        (name.clone(), sight.property(value))
    });
    let display_name = manager.map(str::to_owned);
    ShownFacts {
        presence: facts.presence,
        enabled: facts.enabled(),
        external: facts.external(),
        properties: properties.collect(),
        manager: facts.manager.map(|id| Manager { id, display_name }),
        groups: facts.groups.iter().map(|id| Group { id: *id, name: None }).collect(),
    }
}

fn link(link: &Link, sight: Sight) -> Option<ShownLink> {
    if *link == Link::default() {
        return None;
    }
    let seat = |(cab, Seat { record, role, state }): (&CabId, &Seat)| ShownSeat {
        cab: *cab,
        role: *role,
        record: *record,
        state: *state,
    };
    Some(ShownLink {
        user: link.user.as_ref().map(|it| linked(it, sight)),
        agent: link.agent.as_ref().map(|it| linked(it, sight)),
        seats: link.seats.iter().map(seat).collect(),
        choices: link.choices.clone(),
        ruling: link.ruling.clone(),
    })
}

fn linked(linked: &Linked, sight: Sight) -> ShownLinked {
    let image = linked.image.iter();
    ShownLinked {
        id: linked.record.id,
        how: linked.how.clone(),
        activity: linked.activity,
        mapping: linked.mapping.clone(),
        granted_roles: linked.granted.clone(),
        image: image.map(|(field, value)| (field.clone(), sight.field(value))).collect(),
    }
}

fn attempt(tried: &Tried, sight: Sight) -> Attempt {
    let mut outcome = tried.outcome.clone();
    if let Outcome::Condition { saw, .. } = &mut outcome
        && !sight.shows(saw)
    {
        MASK.clone_into(saw);
    }
    Attempt {
        mapping: tried.mapping.clone(),
        matched: outcome == Outcome::Matched,
        sentence: outcome.sentence(),
        outcome,
    }
}

fn reason(reason: &Reason, kind: RecordKind, about: About) -> ShownReason {
    ShownReason { reason: reason.clone(), about, sentence: reason.sentence(kind) }
}

fn change(change: &FieldChange, kind: RecordKind, sight: Sight) -> ShownChange {
    ShownChange {
        record: kind,
        field: change.field.clone(),
        before: change.before.as_ref().map(|value| sight.field(value)),
        after: sight.field(&change.after),
        before_known: None,
    }
}
