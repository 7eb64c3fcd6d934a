//! What should happen to a person, and why: the one decision that schedule, manual import, preview
//! and explanation share.
//!
//! [`decide`] either says what it must know first ([`Need`]) or decides. The caller looks up what is
//! needed and asks again; it never chooses anything itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalogue;
use crate::document::{Document, FieldRow, Mapping, OutOfScope, WriteMode};
use crate::explain::{Reason, Tried};
use crate::facts::{Facts, Presence};
use crate::fields::{self, Record, View, Wish};
use crate::groups::Groups;
use crate::guard;
use crate::ids::{ClientId, MappingId, ObjectId, RecordId, SiteId};
use crate::link::{Activity, FieldChange, Fields, HaloValue, Link, LinkedBy, Target};
use crate::matching::{self, Hit, Hits, Match, MatchKey};
use crate::placement::{self, Placed, SiteChoice, Trail};

/// The rules of a connection, made ready once for many decisions.
#[derive(Debug)]
pub struct Rules<'a> {
    document: &'a Document,
    by_rank: Vec<&'a Mapping>,
    rows: Vec<FieldRow>,
    tenant: HaloValue,
}

impl<'a> Rules<'a> {
    /// Makes a document's rules ready.
    pub fn new(document: &'a Document) -> Self {
        Self {
            document,
            by_rank: document.by_rank(),
            rows: document.user_fields.clone(),
            tenant: HaloValue::Text(document.tenant_id.to_string()),
        }
    }

    /// The document that the rules stand in.
    pub fn document(&self) -> &'a Document {
        self.document
    }
}

/// One person, as far as we know them.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who.
    pub id: ObjectId,
    /// Their facts and their manager's.
    pub view: View<'a>,
    /// The groups that the rules name.
    pub groups: &'a Groups,
    /// Their link.
    pub link: Option<&'a Link>,
    /// What was looked up so far.
    pub known: &'a Known,
    /// What the guard says to deactivations of this run.
    pub guard: guard::Verdict,
}

/// Answers to [`Need`]s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// What the index of Halo's users answered.
    pub hits: Option<Hits>,
    /// Other unlinked people that hit the same Halo user.
    pub claims: Option<BTreeSet<ObjectId>>,
    /// The Halo record's fields.
    pub record: Option<Fields>,
    /// The site of that name.
    pub site: Option<SiteId>,
}

/// What must be known before the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Halo users under these keys.
    Matches(BTreeSet<MatchKey>),
    /// Who else hits this Halo user.
    Claims(RecordId),
    /// These fields of this Halo user.
    Record(RecordId, BTreeSet<Target>),
    /// The site of this name under this client, made when missing (P6).
    Site(ClientId, String),
}

/// The outcome of [`decide`].
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Look this up and ask again.
    Needs(Need),
    /// This should happen.
    Decided(Decision),
}

/// What should happen to a person, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What should happen.
    pub action: Action,
    /// The mapping that places the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingId>,
    /// Every mapping that was tried, up to the one that matched (B1).
    pub tried: Vec<Tried>,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
}

/// What should happen to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Nothing: Halo is as it should be.
    Unchanged,
    /// Nothing: the person is not imported.
    NotInScope,
    /// Nothing, until an administrator chooses (M3).
    Conflict {
        /// Halo users to choose from.
        candidates: Vec<RecordId>,
    },
    /// Nothing, until an administrator releases it (L4), or a complete read confirms it (L5).
    Held,
    /// Nothing, because Halo would refuse it; the reasons say what is wrong with the data (F8).
    Invalid,
    /// Make a Halo user.
    Create {
        /// With these fields.
        fields: Fields,
    },
    /// Write an existing Halo user.
    Write(Write),
}

/// A write to an existing Halo user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// What to call it.
    pub verb: Verb,
    /// Which record.
    pub user: RecordId,
    /// How the link came to be, where this write makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinkedBy>,
    /// What is sent; may be empty where only the link is new.
    pub changes: Vec<FieldChange>,
    /// Whether the record is active afterwards.
    pub activity: Activity,
    /// What we know of the record before the write.
    pub base: Fields,
}

/// The name of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Fields, and perhaps the link.
    Update,
    /// Active again (L3).
    Reactivate,
    /// Inactive (L1).
    Deactivate,
}

impl Write {
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
    /// The decision's name in logs, filters and counts.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Unchanged => "unchanged",
            Action::NotInScope => "not_in_scope",
            Action::Conflict { .. } => "conflict",
            Action::Held => "held",
            Action::Invalid => "failed",
            Action::Create { .. } => "create",
            Action::Write(write) => match write.verb {
                Verb::Update => "update",
                Verb::Reactivate => "reactivate",
                Verb::Deactivate => "deactivate",
            },
        }
    }
}

/// Decides what should happen to a person.
pub fn decide(rules: &Rules<'_>, case: &Case<'_>) -> Verdict {
    let facts = case.view.facts;
    if let Some(gone) = gone(facts.presence) {
        return Verdict::Decided(leave(rules, case, gone));
    }
    let trail = placement::place_user(&rules.by_rank, &case.view, case.groups);
    let Trail { tried, placed, broken } = trail;
    let mut draft = Draft { tried, reasons: Vec::new(), mapping: None };
    for (mapping, group, why) in broken {
        draft.reasons.push(Reason::MappingBroken { mapping, group, why });
    }
    match (placed, case.link) {
        (Some(placed), Some(link)) if !draft.is_broken(link.mapping.as_ref()) => {
            placed_and_linked(rules, case, draft, &placed, link)
        }
        (Some(placed), None) => placed_and_unlinked(rules, case, draft, &placed),
        (None, None) => Verdict::Decided(draft.end(Action::NotInScope, Reason::NoMappingMatches)),
        (None, Some(link)) => Verdict::Decided(out_of_scope(rules, case, draft, link)),
        // The mapping that placed the person cannot be judged now: they stay where they are.
        (Some(_), Some(link)) => {
            Verdict::Decided(draft.end(Action::Unchanged, Reason::Linked { user: link.user }))
        }
    }
}

/// A decision in the making.
struct Draft {
    tried: Vec<Tried>,
    reasons: Vec<Reason>,
    mapping: Option<MappingId>,
}

impl Draft {
    fn end(mut self, action: Action, reason: Reason) -> Decision {
        self.reasons.push(reason);
        Decision { action, mapping: self.mapping, tried: self.tried, reasons: self.reasons }
    }

    fn because(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        self
    }

    fn is_broken(&self, mapping: Option<&MappingId>) -> bool {
        mapping.is_some()
            && self.reasons.iter().any(|reason| {
                matches!(reason, Reason::MappingBroken { mapping: broken, .. } if Some(broken) == mapping)
            })
    }

    fn any_broken(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, Reason::MappingBroken { .. }))
    }
}

fn gone(presence: Presence) -> Option<Reason> {
    match presence {
        Presence::Present => None,
        Presence::Unread => Some(Reason::NotReadYet),
        Presence::SoftDeleted => Some(Reason::DeletedInEntra),
        Presence::Purged => Some(Reason::PurgedInEntra),
        Presence::Missing => Some(Reason::MissingInEntra),
    }
}

/// Somebody whom Entra does not have (D5).
fn leave(rules: &Rules<'_>, case: &Case<'_>, gone: Reason) -> Decision {
    let unread = gone == Reason::NotReadYet;
    let draft = Draft { tried: Vec::new(), reasons: vec![gone], mapping: None };
    match case.link {
        None => Decision {
            action: Action::NotInScope,
            mapping: None,
            tried: draft.tried,
            reasons: draft.reasons,
        },
        Some(link) if unread => draft.end(Action::Unchanged, Reason::Linked { user: link.user }),
        Some(link) if rules.document.sync.deactivate_missing => deactivate(case, draft, link),
        Some(_) => draft.end(Action::Unchanged, left_active("$.sync.deactivate_missing")),
    }
}

/// A linked person whom no mapping matches (P8).
fn out_of_scope(rules: &Rules<'_>, case: &Case<'_>, draft: Draft, link: &Link) -> Decision {
    let broken = draft.any_broken();
    let draft = draft.because(Reason::NoMappingMatches);
    match rules.document.sync.out_of_scope {
        OutOfScope::Leave => draft.end(Action::Unchanged, left_active("$.sync.out_of_scope")),
        OutOfScope::Deactivate if broken => {
            draft.end(Action::Unchanged, Reason::Linked { user: link.user })
        }
        OutOfScope::Deactivate => deactivate(case, draft, link),
    }
}

fn left_active(setting: &str) -> Reason {
    Reason::LeftActive { setting: setting.to_owned() }
}

fn deactivate(case: &Case<'_>, draft: Draft, link: &Link) -> Decision {
    let draft = draft.because(Reason::Linked { user: link.user });
    match (link.activity, case.guard) {
        (Activity::InactiveByUs | Activity::InactiveByOthers, _) => {
            draft.end(Action::Unchanged, Reason::AlreadyInactive)
        }
        (Activity::Active, guard::Verdict::Held) => draft.end(Action::Held, Reason::HeldByGuard),
        (Activity::Active, guard::Verdict::ReadIncomplete) => {
            draft.end(Action::Held, Reason::ReadIncomplete)
        }
        (Activity::Active, guard::Verdict::Pass) => {
            let inactive = FieldChange {
                field: Target::field("inactive"),
                before: Some(HaloValue::Bool(false)),
                after: HaloValue::Bool(true),
            };
            let write = Write {
                verb: Verb::Deactivate,
                user: link.user,
                links: None,
                changes: vec![inactive],
                activity: Activity::InactiveByUs,
                base: link.image.clone(),
            };
            draft.end(Action::Write(write), Reason::FieldsDiffer { count: 1 })
        }
    }
}

/// An unlinked person with a place: found in Halo, made there, or neither (M2, M3).
fn placed_and_unlinked(
    rules: &Rules<'_>,
    case: &Case<'_>,
    draft: Draft,
    placed: &Placed<'_>,
) -> Verdict {
    let facts = case.view.facts;
    let draft = draft.placed_by(placed);
    if !facts.enabled() && !rules.document.sync.create_disabled {
        return Verdict::Decided(draft.end(Action::NotInScope, Reason::AccountDisabled));
    }
    let rows = &rules.document.user_matching;
    let Some(hits) = &case.known.hits else {
        return Verdict::Needs(Need::Matches(matching::keys(case.id, facts, rows)));
    };
    match matching::find(case.id, facts, rows, hits) {
        Match::Several(candidates) => Verdict::Decided(draft.end(
            Action::Conflict { candidates: candidates.clone() },
            Reason::SeveralFound { candidates },
        )),
        Match::None if rules.document.create => create(rules, case, draft, placed),
        Match::None => Verdict::Decided(draft.end(Action::NotInScope, Reason::CreateOff)),
        Match::One { hit, how } => adopt(rules, case, draft, placed, &hit, how),
    }
}

fn create(rules: &Rules<'_>, case: &Case<'_>, draft: Draft, placed: &Placed<'_>) -> Verdict {
    let wished = match wishes(rules, case, placed) {
        Wished::All(wishes) => wishes,
        Wished::Needs(need) => return Verdict::Needs(need),
        Wished::Invalid(problems) => return Verdict::Decided(draft.invalid(problems)),
    };
    let changes = fields::changes(&wished, Record::New);
    let fields: Fields = changes.into_iter().map(|change| (change.field, change.after)).collect();
    if fields.get(&Target::field("name")).is_none_or(HaloValue::is_empty) {
        return Verdict::Decided(
            draft.invalid(vec![Reason::ValueMissing { field: "name".into() }]),
        );
    }
    Verdict::Decided(draft.end(Action::Create { fields }, Reason::NobodyFound))
}

/// Takes an existing Halo record as the person's (M2).
fn adopt(
    rules: &Rules<'_>,
    case: &Case<'_>,
    draft: Draft,
    placed: &Placed<'_>,
    hit: &Hit,
    how: LinkedBy,
) -> Verdict {
    let Some(claims) = &case.known.claims else {
        return Verdict::Needs(Need::Claims(hit.user));
    };
    if !claims.is_empty() {
        let others = claims.iter().copied().collect();
        return Verdict::Decided(draft.end(
            Action::Conflict { candidates: vec![hit.user] },
            Reason::ClaimedByOthers { user: hit.user, others },
        ));
    }
    let wished = match wishes(rules, case, placed) {
        Wished::All(wishes) => wishes,
        Wished::Needs(need) => return Verdict::Needs(need),
        Wished::Invalid(problems) => return Verdict::Decided(draft.invalid(problems)),
    };
    let Some(record) = &case.known.record else {
        return Verdict::Needs(Need::Record(hit.user, wished.into_keys().collect()));
    };
    let changes = fields::changes(&wished, Record::Known(record));
    let count = changes.len();
    let inactive = record.get(&Target::field("inactive")) == Some(&HaloValue::Bool(true));
    let mut draft = draft.because(Reason::Found { user: hit.user, how: how.clone() });
    if inactive {
        draft = draft.because(Reason::InactiveByOthers);
    }
    let write = Write {
        verb: Verb::Update,
        user: hit.user,
        links: Some(how),
        changes,
        activity: if inactive { Activity::InactiveByOthers } else { Activity::Active },
        base: record.clone(),
    };
    let reason = if count == 0 { Reason::NothingToChange } else { Reason::FieldsDiffer { count } };
    Verdict::Decided(draft.end(Action::Write(write), reason))
}

/// A linked person with a place: kept right, moved, made active again, or made inactive.
fn placed_and_linked(
    rules: &Rules<'_>,
    case: &Case<'_>,
    draft: Draft,
    placed: &Placed<'_>,
    link: &Link,
) -> Verdict {
    let enabled = case.view.facts.enabled();
    let mut draft = draft.placed_by(placed).because(Reason::Linked { user: link.user });
    if !enabled {
        draft = draft.because(Reason::AccountDisabled);
        if rules.document.sync.deactivate_disabled_users {
            return Verdict::Decided(deactivate(case, draft, link));
        }
    }
    let mut wished = match wishes(rules, case, placed) {
        Wished::All(wishes) => wishes,
        Wished::Needs(need) => return Verdict::Needs(need),
        Wished::Invalid(problems) => return Verdict::Decided(draft.invalid(problems)),
    };
    let base = match image(case, link, &wished) {
        Ok(base) => base,
        Err(need) => return Verdict::Needs(need),
    };
    let returns = link.activity == Activity::InactiveByUs && enabled;
    if returns && rules.document.sync.reactivate {
        let active = Wish { value: HaloValue::Bool(false), write: WriteMode::Always };
        wished.insert(Target::field("inactive"), active);
        draft = draft.because(Reason::Returned);
    } else if returns {
        draft = draft.because(Reason::ReactivateOff);
    } else if link.activity == Activity::InactiveByOthers {
        draft = draft.because(Reason::InactiveByOthers);
    }
    let reactivated = returns && rules.document.sync.reactivate;
    Verdict::Decided(linked_write(draft, link, &wished, base, reactivated))
}

fn linked_write(
    mut draft: Draft,
    link: &Link,
    wished: &BTreeMap<Target, Wish>,
    base: Fields,
    reactivated: bool,
) -> Decision {
    let changes = fields::changes(wished, Record::Known(&base));
    if changes.is_empty() {
        return draft.end(Action::Unchanged, Reason::NothingToChange);
    }
    let site = Target::field("site_id");
    let moved = changes.iter().find(|change| change.field == site);
    if let Some(HaloValue::Int(from)) = moved.and_then(|change| change.before.as_ref()) {
        draft = draft.because(Reason::Moves { from: SiteId(*from) });
    }
    let count = changes.len();
    let write = Write {
        verb: if reactivated { Verb::Reactivate } else { Verb::Update },
        user: link.user,
        links: None,
        changes,
        activity: if reactivated { Activity::Active } else { link.activity },
        base,
    };
    draft.end(Action::Write(write), Reason::FieldsDiffer { count })
}

/// What we know of a linked record; a row that writes only where Halo is empty, and whose field we
/// never read, asks for the record first (F5).
fn image(case: &Case<'_>, link: &Link, wished: &BTreeMap<Target, Wish>) -> Result<Fields, Need> {
    let mut base = link.image.clone();
    let unknown = wished
        .iter()
        .any(|(target, wish)| wish.write == WriteMode::IfEmpty && !base.contains_key(target));
    if unknown {
        let Some(record) = &case.known.record else {
            return Err(Need::Record(link.user, wished.keys().cloned().collect()));
        };
        for (target, value) in record {
            base.entry(target.clone()).or_insert_with(|| value.clone());
        }
    }
    Ok(base)
}

/// Characters that Halo takes in a field, where it says so.
fn user_limit(target: &Target) -> Option<usize> {
    match target {
        Target::Field(name) => catalogue::user_target(name)?.limit,
        Target::Custom(_) => None,
    }
}

enum Wished {
    All(BTreeMap<Target, Wish>),
    Needs(Need),
    Invalid(Vec<Reason>),
}

/// All that the record should have: mapped fields, the site, and the ids that are always written (F7).
fn wishes(rules: &Rules<'_>, case: &Case<'_>, placed: &Placed<'_>) -> Wished {
    let site = match (&placed.site, &case.known.site) {
        (SiteChoice::Id(site), _) | (SiteChoice::Named { .. }, Some(site)) => *site,
        (SiteChoice::Named { client, name }, None) => {
            return Wished::Needs(Need::Site(*client, name.clone()));
        }
    };
    let mut wanted = fields::wanted(&rules.rows, &case.view, user_limit);
    if !wanted.problems.is_empty() {
        return Wished::Invalid(wanted.problems);
    }
    let always = |value| Wish { value, write: WriteMode::Always };
    let oid = HaloValue::Text(case.id.to_string());
    wanted.wishes.insert(Target::field("site_id"), always(HaloValue::Int(site.0)));
    wanted.wishes.insert(Target::field("azureoid"), always(oid));
    wanted.wishes.insert(Target::field("azure_tenant_id"), always(rules.tenant.clone()));
    Wished::All(wanted.wishes)
}

impl Draft {
    fn placed_by(mut self, placed: &Placed<'_>) -> Self {
        self.mapping = Some(placed.mapping.id.clone());
        self.because(Reason::PlacedBy { mapping: placed.mapping.id.clone() })
    }

    fn invalid(mut self, problems: Vec<Reason>) -> Decision {
        self.reasons.extend(problems);
        Decision {
            action: Action::Invalid,
            mapping: self.mapping,
            tried: self.tried,
            reasons: self.reasons,
        }
    }
}

/// Whether two states of a person differ in something a decision could depend on, and in what: the
/// names of properties, `manager`, `groups`, `presence`.
pub fn difference(before: &Facts, after: &Facts) -> Vec<String> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (name, value) in &after.properties {
        if before.properties.get(name) != Some(value) {
            names.insert(name);
        }
    }
    names.extend(
        before
            .properties
            .keys()
            .filter(|name| !after.properties.contains_key(*name))
            .map(String::as_str),
    );
    let mut also = |name: &'static str, differs: bool| {
        if differs {
            names.insert(name);
        }
    };
    also("manager", before.manager != after.manager);
    also("groups", before.groups != after.groups);
    also("presence", before.presence != after.presence);
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
