//! What happens to one record of a person, user or agent: looked for, made, taken over, kept right,
//! made inactive, made active again.

mod known;

use std::collections::BTreeSet;
use std::ptr;

use self::known::{Due, Gifts, held};
use super::activity::{
    Leave, disabled_is_inactive, inactive_role, leave_to_deactivate, switch, switched,
};
use super::{Action, Case, Create, Deactivation, KnownRecord, Made, Need, Part, Verb, Write};
use crate::document::OutOfScope;
use crate::explain::Reason;
use crate::fields::Record;
use crate::granted;
use crate::ids::{MappingId, RecordId, RecordKind, SiteId};
use crate::link::{Activity, Choice, FieldChange, Fields, HaloValue, Linked, LinkedBy, Target};
use crate::matching::{self, Match};
use crate::placement::{Found, Placed};
use crate::rules::{RecordRules, Rules};
use crate::sight::Sight;

/// Whom a decision is about, and by which rules.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) rules: &'a Rules<'a>,
    pub(super) case: &'a Case<'a>,
    pub(super) sight: &'a Sight<'a>,
}

/// One record in the making: whom it is about, and the reasons so far.
struct Draft<'a> {
    rules: &'a Rules<'a>,
    case: &'a Case<'a>,
    sight: &'a Sight<'a>,
    kind: RecordKind,
    /// The agent that the person is, for the user record.
    agent: Option<RecordId>,
    mapping: Option<MappingId>,
    reasons: Vec<Reason>,
}

/// Reasons that a record usually has, at most.
const USUAL: usize = 6;

/// Decides about one kind of record of somebody whom Entra has.
pub(super) fn part(
    about: About<'_>,
    kind: RecordKind,
    found: Found<'_>,
    agent: Option<RecordId>,
) -> Result<Part, Need> {
    let About { rules, case, sight } = about;
    let Found { placed, broken } = found;
    let linked = case.link.of(kind);
    let stays = linked.is_some_and(|linked| {
        let own = linked.mapping.as_ref();
        broken.iter().any(|(mapping, ..)| placed.is_none() || Some(mapping) == own)
    });
    let is_broken = !broken.is_empty();
    let mut reasons = Vec::with_capacity(broken.len() + USUAL);
    reasons.extend(broken.into_iter().map(|(mapping, group, why)| Reason::MappingBroken {
        mapping,
        group,
        why,
    }));
    let draft = Draft { rules, case, sight, kind, agent, mapping: None, reasons };
    match (linked, placed) {
        (Some(linked), placed) if !sight.enabled && draft.disabled_is_inactive() => {
            let mut draft = draft;
            draft.mapping = placed.map(|placed| placed.mapping.id.clone());
            draft.reasons.push(Reason::AccountDisabled);
            draft.deactivate(linked, Links::Already)
        }
        // The mapping that placed the person cannot be judged now: they stay where they are (P3).
        (Some(linked), _) if stays => {
            Ok(draft.end(Action::Unchanged, Reason::Linked { record: linked.record }))
        }
        (Some(linked), Some(placed)) => draft.placed_by(&placed).keep_right(&placed, linked),
        (Some(linked), None) => draft.out_of_scope(linked, Links::Already),
        (None, Some(placed)) => draft.placed_by(&placed).look_for(&placed),
        (None, None) => draft.unplaced(is_broken),
    }
}

/// Decides about one kind of record of somebody whom Entra does not have (D5).
pub(super) fn gone(about: About<'_>, kind: RecordKind, why: &Reason) -> Result<Part, Need> {
    let About { rules, case, sight } = about;
    let reasons = vec![why.clone()];
    let mut draft = Draft { rules, case, sight, kind, agent: None, mapping: None, reasons };
    let made;
    let (linked, links) = match case.link.of(kind) {
        Some(linked) => (linked, Links::Already),
        None => match draft.made_before()? {
            Some(linked) => {
                made = linked;
                (&made, Links::Now)
            }
            None => return Ok(draft.done(Action::NotInScope)),
        },
    };
    if *why == Reason::NotReadYet {
        return Ok(draft.rest(linked, links, Reason::Linked { record: linked.record }));
    }
    if rules.document.sync.deactivate_missing {
        return draft.deactivate(linked, links);
    }
    Ok(draft.rest(linked, links, left_active("$.sync.deactivate_missing")))
}

fn left_active(setting: &str) -> Reason {
    Reason::LeftActive { setting: setting.to_owned() }
}

impl<'a> Draft<'a> {
    fn done(self, action: Action) -> Part {
        Part { action, mapping: self.mapping, reasons: self.reasons }
    }

    fn end(mut self, action: Action, reason: Reason) -> Part {
        self.reasons.push(reason);
        self.done(action)
    }

    fn placed_by(mut self, placed: &Placed<'_>) -> Self {
        self.mapping = Some(placed.mapping.id.clone());
        self.reasons.push(Reason::PlacedBy { mapping: placed.mapping.id.clone() });
        self
    }

    fn own(&self) -> &'a RecordRules<'a> {
        self.rules.records.of(self.kind)
    }

    fn known(&self) -> &'a KnownRecord {
        self.case.known.records.of(self.kind)
    }

    fn enabled(&self) -> bool {
        self.sight.enabled
    }

    /// A disabled account, of which no record is made (L2).
    fn is_unwanted(&self) -> bool {
        !self.enabled() && !self.rules.document.sync.create_disabled
    }

    fn disabled_is_inactive(&self) -> bool {
        disabled_is_inactive(self.rules.document, self.kind)
    }

    /// A linked person whom no mapping matches (P8).
    fn out_of_scope(mut self, linked: &Linked, links: Links) -> Result<Part, Need> {
        self.reasons.push(Reason::NoMappingMatches);
        match self.rules.document.sync.out_of_scope {
            OutOfScope::Leave => Ok(self.rest(linked, links, left_active("$.sync.out_of_scope"))),
            OutOfScope::Deactivate => self.deactivate(linked, links),
        }
    }

    /// An unlinked person whom no mapping matches: a record that was made when one did is the person's
    /// all the same (M6).
    fn unplaced(mut self, is_broken: bool) -> Result<Part, Need> {
        let Some(linked) = self.made_before()? else {
            return Ok(self.end(Action::NotInScope, Reason::NoMappingMatches));
        };
        if !self.enabled() && self.disabled_is_inactive() {
            self.reasons.push(Reason::AccountDisabled);
            return self.deactivate(&linked, Links::Now);
        }
        if is_broken {
            let reason = Reason::Linked { record: linked.record };
            return Ok(self.rest(&linked, Links::Now, reason));
        }
        self.out_of_scope(&linked, Links::Now)
    }

    /// The record stays as it is; one that was just found becomes the person's.
    fn rest(mut self, linked: &Linked, links: Links, reason: Reason) -> Part {
        self.reasons.push(reason);
        if links == Links::Already {
            return self.done(Action::Unchanged);
        }
        self.only_linked(linked, Deactivation::None)
    }

    /// A record that was just found becomes the person's, and nothing of it changes.
    fn only_linked(self, linked: &Linked, deactivation: Deactivation) -> Part {
        let (verb, activity, links) = (Verb::Update, linked.activity, Links::Now);
        let (changes, base, gifts) = (Vec::new(), linked.image.clone(), Gifts::default());
        self.written(linked, Written { verb, activity, deactivation, links, changes, base, gifts })
    }

    fn deactivate(mut self, linked: &Linked, links: Links) -> Result<Part, Need> {
        self.reasons.push(Reason::Linked { record: linked.record });
        let (verb, activity) = if linked.activity.is_active() {
            match (leave_to_deactivate(self.case, linked.record, &mut self.reasons)?, links) {
                (Leave::Held, Links::Already) => return Ok(self.done(Action::Held)),
                (Leave::Denied, Links::Already) => return Ok(self.done(Action::Unchanged)),
                (Leave::Held, Links::Now) => {
                    return Ok(self.only_linked(linked, Deactivation::Waits));
                }
                (Leave::Denied, Links::Now) => {
                    return Ok(self.only_linked(linked, Deactivation::None));
                }
                (Leave::Granted, _) => (Verb::Deactivate, Activity::InactiveByUs),
            }
        } else {
            self.reasons.push(Reason::AlreadyInactive);
            (Verb::Update, linked.activity)
        };
        // Whoever Entra does not have any more holds no licence any more (S1).
        let due = Due { licences: self.licences_due(Some(linked)), ..Due::default() };
        let (base, licences) = if self.licences_settled(&due.licences, &linked.image, linked) {
            (linked.image.clone(), None)
        } else {
            let target = BTreeSet::from([self.rules.licences_target.clone()]);
            let read = self.read(linked, target)?;
            let licences = self.licences(&due.licences, linked, &read);
            (read, licences)
        };
        let mut gifts = Gifts { roles: None, licences };
        let mut changes: Vec<FieldChange> = gifts.take_changes().collect();
        changes.extend((verb == Verb::Deactivate).then(|| switched(self.kind, true)));
        if changes.is_empty() && gifts.leave(linked) && links == Links::Already {
            return Ok(self.done(Action::Unchanged));
        }
        self.reasons.extend(gifts.reasons());
        let deactivation = Deactivation::None;
        Ok(self
            .written(linked, Written { verb, activity, deactivation, links, changes, base, gifts }))
    }

    /// An unlinked person with a place: found in Halo, made there, or neither (M2, M3).
    fn look_for(mut self, placed: &Placed<'_>) -> Result<Part, Need> {
        let (id, facts, rows) = (self.case.id, self.case.view.facts, self.own().matching);
        if let Made::Record(record) = self.known().made {
            return self.adopt(placed, record, LinkedBy::Created);
        }
        match self.case.link.choices.get(&self.kind) {
            Some(Choice::Unlinked) => return Ok(self.end(Action::NotInScope, Reason::KeptUnlinked)),
            Some(Choice::Create) => {
                if let Some(record) = self.made()? {
                    return self.adopt(placed, record, LinkedBy::Created);
                }
                self.reasons.push(Reason::CreateChosen);
                if self.is_unwanted() {
                    return Ok(self.end(Action::NotInScope, Reason::AccountDisabled));
                }
                return self.create(placed);
            }
            None => {}
        }
        let Some(hits) = &self.known().hits else {
            return Err(Need::Matches(self.kind, matching::keys(id, facts, rows)));
        };
        let found = matching::find(id, facts, rows, hits);
        if let Match::One { hit, how } = found {
            return self.adopt(placed, hit.record, how);
        }
        if let Some(record) = self.made()? {
            return self.adopt(placed, record, LinkedBy::Created);
        }
        match found {
            Match::Several(candidates) => {
                let reason = Reason::SeveralFound { candidates: candidates.clone() };
                Ok(self.undecided(candidates, reason))
            }
            Match::One { hit, how } => self.adopt(placed, hit.record, how),
            Match::None if self.is_unwanted() => {
                Ok(self.end(Action::NotInScope, Reason::AccountDisabled))
            }
            Match::None if self.rules.document.create => {
                self.reasons.push(Reason::NobodyFound);
                self.create(placed)
            }
            Match::None => Ok(self.end(Action::NotInScope, Reason::CreateOff)),
        }
    }

    /// Several records fit, or several people one record. An administrator is asked to choose, but
    /// not for a disabled account, which would not be imported anyway (L2).
    fn undecided(mut self, candidates: Vec<RecordId>, reason: Reason) -> Part {
        self.reasons.push(reason);
        if self.enabled() {
            self.done(Action::Conflict { candidates })
        } else {
            self.end(Action::NotInScope, Reason::AccountDisabled)
        }
    }

    fn create(mut self, placed: &Placed<'_>) -> Result<Part, Need> {
        let filling = self.filling(placed, true)?;
        let differences = match self.differences(&filling, Record::New) {
            Ok(differences) => differences,
            Err(problems) => return Ok(self.invalid(problems)),
        };
        let due = self.due(placed, None);
        let roles = granted::of_new(&self.rules.roles_target, &due.roles);
        let licences = granted::of_new(&self.rules.licences_target, &due.licences);
        let held = roles.after.clone();
        let mut gifts = Gifts { roles: Some(roles), licences: Some(licences) };
        self.reasons.extend(gifts.reasons());
        let changes = differences.changes.into_iter().chain(gifts.take_changes());
        let mut fields: Fields = changes.map(|change| (change.field, change.after)).collect();
        if fields.get(&Target::field("name")).is_none_or(HaloValue::is_empty) {
            return Ok(self.invalid(vec![Reason::ValueMissing { field: "name".into() }]));
        }
        let activity = if !self.enabled() && self.disabled_is_inactive() {
            self.reasons.push(Reason::AccountDisabled);
            Activity::InactiveByUs
        } else if let Some(role) = inactive_role(self.rules, self.kind, held.as_ref()) {
            self.reasons.push(Reason::InactiveRole { role });
            Activity::InactiveByRole
        } else {
            Activity::Active
        };
        if !activity.is_active() {
            fields.insert(switch(self.kind), HaloValue::Bool(true));
        }
        let count = fields.len();
        let granted = |gift: Option<granted::Outcome>| gift.unwrap_or_default().granted;
        let (granted, licences) = (granted(gifts.roles), granted(gifts.licences));
        let create = Create { fields, activity, granted, licences };
        Ok(self.end(Action::Create(create), Reason::FieldsDiffer { count }))
    }

    fn invalid(mut self, problems: Vec<Reason>) -> Part {
        self.reasons.extend(problems);
        self.done(Action::Invalid)
    }

    /// Takes an existing record as the person's (M2).
    fn adopt(mut self, placed: &Placed<'_>, found: RecordId, how: LinkedBy) -> Result<Part, Need> {
        if how != LinkedBy::Created {
            let claims = self.known().claims.as_ref().ok_or(Need::Claims(found))?;
            if !claims.is_empty() {
                if let Some(record) = self.made()? {
                    return self.adopt(placed, record, LinkedBy::Created);
                }
                let others = claims.iter().copied().collect();
                let reason = Reason::ClaimedByOthers { record: found, others };
                return Ok(self.undecided(vec![found], reason));
            }
        }
        let record = self.known().record.as_ref();
        let filling = self.filling(placed, false)?;
        let differences = self.differences(&filling, record.map_or(Record::New, Record::Known));
        let changes = match differences {
            Ok(differences) => differences.changes,
            Err(problems) => return Ok(self.invalid(problems)),
        };
        let Some(record) = record else {
            return Err(Need::Record(found, self.targets_of_new()));
        };
        let before = self.met(found, how, record);
        let due = self.due(placed, Some(&before));
        self.write(&before, changes, &due, record, Links::Now)
    }

    /// A record that becomes the person's, as it is before we write it.
    fn met(&mut self, found: RecordId, how: LinkedBy, record: &Fields) -> Linked {
        let inactive = record.get(&switch(self.kind)) == Some(&HaloValue::Bool(true));
        self.reasons.push(Reason::Found { record: found, how: how.clone() });
        let ours = self.intent().is_some_and(|intent| intent.creates || intent.deactivates);
        let activity = match (inactive, ours) {
            (false, _) => Activity::Active,
            (true, true) => Activity::InactiveByUs,
            (true, false) => Activity::InactiveByOthers,
        };
        Linked {
            record: found,
            how,
            activity,
            image: record.clone(),
            mapping: None,
            granted: BTreeSet::new(),
            licences: BTreeSet::new(),
        }
    }

    /// A linked person with a place: kept right, moved, made active again, or made inactive.
    fn keep_right(mut self, placed: &Placed<'_>, linked: &Linked) -> Result<Part, Need> {
        self.reasons.push(Reason::Linked { record: linked.record });
        if !self.enabled() {
            self.reasons.push(Reason::AccountDisabled);
        }
        let filling = self.filling(placed, false)?;
        let found = match self.differences(&filling, Record::Known(&linked.image)) {
            Ok(differences) => differences,
            Err(problems) => return Ok(self.invalid(problems)),
        };
        let due = self.due(placed, Some(linked));
        let Some(read) = self.read_again(linked, found.unread, &due)? else {
            return self.write(linked, found.changes, &due, &linked.image, Links::Already);
        };
        // What the first look noted is noted.
        let noted = self.reasons.len();
        let found = self.differences(&filling, Record::Known(&read));
        self.reasons.truncate(noted);
        let changes = found.map(|differences| differences.changes).unwrap_or_default();
        self.write(linked, changes, &due, &read, Links::Already)
    }

    /// The write that makes the record right, or nothing.
    fn write(
        mut self,
        linked: &Linked,
        mut changes: Vec<FieldChange>,
        due: &Due,
        base: &Fields,
        links: Links,
    ) -> Result<Part, Need> {
        let mut gifts = self.gifts(due, linked, base);
        changes.extend(gifts.take_changes());
        let roles = held(base, &self.rules.roles_target);
        let roles = gifts.roles.as_ref().map_or(roles, |roles| roles.after.as_ref());
        let mut deactivation = Deactivation::None;
        let (verb, activity) = match self.activity(linked, roles)? {
            Ok(Some(active)) => {
                changes.push(switched(self.kind, !active.is_active()));
                let verb = if active.is_active() { Verb::Reactivate } else { Verb::Deactivate };
                (verb, active)
            }
            Ok(None) => (Verb::Update, linked.activity),
            // The rest need not wait, nor be looked at again by each run (L4, T4).
            Err(Waits) => {
                deactivation = Deactivation::Waits;
                (Verb::Update, linked.activity)
            }
        };
        // What was read is kept, so that it is not asked for again (T4).
        let known = ptr::eq(base, &raw const linked.image) || *base == linked.image;
        let settled = !self.may_have_given() && gifts.leave(linked);
        let same = changes.is_empty() && settled && known;
        if same && links == Links::Already {
            if deactivation == Deactivation::Waits {
                return Ok(self.done(Action::Held));
            }
            return Ok(self.end(Action::Unchanged, Reason::NothingToChange));
        }
        let site = Target::field("site_id");
        let moved = changes.iter().find(|change| change.field == site);
        if let Some(HaloValue::Int(from)) = moved.and_then(|change| change.before.as_ref()) {
            self.reasons.push(Reason::Moves { from: SiteId(*from) });
        }
        self.reasons.extend(gifts.reasons());
        let base = base.clone();
        Ok(self
            .written(linked, Written { verb, activity, deactivation, links, changes, base, gifts }))
    }

    /// The part that carries a write out.
    fn written(self, linked: &Linked, written: Written) -> Part {
        let Written { verb, activity, deactivation, links, mut changes, base, gifts } = written;
        changes.sort_by(|a, b| a.field.cmp(&b.field));
        let count = changes.len();
        let sets = |gift: Option<granted::Outcome>, ours: &BTreeSet<i64>| match gift {
            Some(gift) => (gift.granted, gift.given),
            None => (ours.clone(), BTreeSet::new()),
        };
        let (granted, given) = sets(gifts.roles, &linked.granted);
        let (licences, linking) = sets(gifts.licences, &linked.licences);
        let write = Write {
            verb,
            record: linked.record,
            links: (links == Links::Now).then(|| linked.how.clone()),
            changes,
            activity,
            deactivation,
            base,
            granted,
            given,
            licences,
            linking,
        };
        let reason =
            if count == 0 { Reason::NothingToChange } else { Reason::FieldsDiffer { count } };
        self.end(Action::Write(write), reason)
    }

    /// Whether the record becomes active or inactive; `None` = it stays as it is.
    fn activity(
        &mut self,
        linked: &Linked,
        held: Option<&BTreeSet<i64>>,
    ) -> Result<Result<Option<Activity>, Waits>, Need> {
        let role = inactive_role(self.rules, self.kind, held);
        let disabled = !self.enabled() && self.disabled_is_inactive();
        let reactivate = self.rules.document.sync.reactivate;
        match (linked.activity, role) {
            (Activity::Active, _) if disabled || role.is_some() => {
                if disabled {
                    self.reasons.push(Reason::AccountDisabled);
                }
                self.reasons.extend(role.map(|role| Reason::InactiveRole { role }));
                let leave = leave_to_deactivate(self.case, linked.record, &mut self.reasons)?;
                let by = if disabled { Activity::InactiveByUs } else { Activity::InactiveByRole };
                return Ok(match leave {
                    Leave::Granted => Ok(Some(by)),
                    Leave::Held => Err(Waits),
                    Leave::Denied => Ok(None),
                });
            }
            (Activity::InactiveByUs | Activity::InactiveByRole, Some(role)) => {
                self.reasons.push(Reason::InactiveRole { role });
            }
            (Activity::InactiveByRole, None) if !self.rules.document.roles.licence_management => {
                self.reasons.push(left_active("$.roles.licence_management"));
            }
            (Activity::InactiveByRole, None) if self.enabled() => {
                self.reasons.push(Reason::InactiveRoleGone);
                return Ok(Ok(Some(Activity::Active)));
            }
            (Activity::InactiveByUs, None) if self.enabled() && reactivate => {
                self.reasons.push(Reason::Returned);
                return Ok(Ok(Some(Activity::Active)));
            }
            (Activity::InactiveByUs, None) if self.enabled() => {
                self.reasons.push(Reason::ReactivateOff);
            }
            (Activity::Active, _) | (Activity::InactiveByUs | Activity::InactiveByRole, None) => {}
            (Activity::InactiveByOthers, _) => self.reasons.push(Reason::InactiveByOthers),
        }
        Ok(Ok(None))
    }
}

/// A deactivation that waits (L4, L5).
struct Waits;

/// What a write consists of.
struct Written {
    verb: Verb,
    activity: Activity,
    deactivation: Deactivation,
    links: Links,
    changes: Vec<FieldChange>,
    base: Fields,
    gifts: Gifts,
}

/// Whether a write makes the link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Now,
    Already,
}
