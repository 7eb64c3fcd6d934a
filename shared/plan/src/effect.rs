//! What changed rules would change, person by person, before they are saved (I4, I5): told from facts
//! and link, without asking anybody.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalogue;
use crate::decide::{Action, Case, Decision, KnownRecord, Made, Need, Standing, Verdict, decide};
use crate::document::{Document, RowTarget};
use crate::groups::Groups;
use crate::guard;
use crate::ids::{PerKind, RecordId, RecordKind};
use crate::link::{Fields, HaloValue, Link, Says, Target};
use crate::reading::Reading;
use crate::rules::Rules;

/// What rules would do to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The decision, as if the guard let everything pass.
    pub decision: Decision,
    /// Records that would be made inactive without an administrator having released it (L4).
    pub deactivates: PerKind<bool>,
}

/// Looks ahead, taking for granted what only Halo could tell: that a record is as it was when it was
/// last read, that nobody else claims it, that an
/// interrupted worker made nobody, that nothing protects an agent.
///
/// # Errors
///
/// What has to be looked up in our own index and book of sites first.
pub fn outlook(rules: &Rules<'_>, case: &Case<'_>) -> Result<Outlook, Need> {
    let mut known = case.known.clone();
    let guard = PerKind::both(guard::Verdict::Pass);
    loop {
        match decide(rules, &Case { known: &known, guard, ..*case }) {
            Verdict::Needs(need @ (Need::Matches(..) | Need::Site(..))) => return Err(need),
            Verdict::Needs(Need::Claims(record)) => {
                known.records.of_mut(record.kind).claims = Some(BTreeSet::new());
            }
            Verdict::Needs(Need::Made(kind)) => known.records.of_mut(kind).made = Made::Nothing,
            Verdict::Needs(Need::Record(record, _)) => {
                let known = known.records.of_mut(record.kind);
                known.record = Some(as_last_seen(case.link, known, record));
            }
            Verdict::Needs(Need::Standing(record)) => {
                known.records.of_mut(record.kind).standing = Some(Standing::Other);
            }
            Verdict::Decided(decision) => {
                let ruling = case.link.ruling.as_ref().filter(|ruling| ruling.until > case.now);
                let released = ruling.is_some_and(|ruling| ruling.says == Says::Release);
                let counts = |kind| {
                    !released && decision.of(kind).is_some_and(|part| part.action.deactivates())
                };
                let deactivates =
                    PerKind { user: counts(RecordKind::User), agent: counts(RecordKind::Agent) };
                return Ok(Outlook { decision, deactivates });
            }
        }
    }
}

/// A record as the link or the index has it.
pub fn as_last_seen(link: &Link, known: &KnownRecord, record: RecordId) -> Fields {
    if let Some(linked) = link.of(record.kind).filter(|linked| linked.record == record) {
        return linked.image.clone();
    }
    let hits = known.hits.iter().flat_map(|hits| hits.values()).flatten();
    let inactive = hits.filter(|hit| hit.record == record).any(|hit| hit.inactive);
    let switch = match record.kind {
        RecordKind::User => "inactive",
        RecordKind::Agent => "isdisabled",
    };
    Fields::from([(Target::field(switch), HaloValue::Bool(inactive))])
}

/// Whether something else would come of a person. Another mapping or reason that leads to the same is
/// no difference, nor is nothing for another reason.
pub fn is_affected(before: &Decision, after: &Decision) -> bool {
    let differs = |kind| act(before, kind) != act(after, kind);
    before.seats != after.seats || RecordKind::ALL.into_iter().any(differs)
}

/// What is done to a record; `None` = nothing.
fn act(decision: &Decision, kind: RecordKind) -> Option<&Action> {
    let action = &decision.of(kind)?.action;
    let acts = match action {
        Action::Unchanged | Action::NotInScope => false,
        Action::Write(write) => !write.changes.is_empty() || write.links.is_some(),
        Action::Conflict { .. } | Action::Held | Action::Invalid | Action::Create(_) => true,
    };
    acts.then_some(action)
}

/// What a document needs that was never read of Entra, so that nobody can be judged by it yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Properties; saving starts a full read for them.
    pub properties: BTreeSet<String>,
    /// Groups by name or id.
    pub groups: BTreeSet<Arc<str>>,
}

/// Compares a document with what was read.
pub fn unread(document: &Document, reading: &Reading, groups: &Groups) -> Unread {
    let wanted = catalogue::selected(document);
    let properties = wanted.difference(&reading.select).cloned().collect();
    let named = document.groups().into_iter().map(|(_, group)| groups.named(group));
    let unknown = named.filter(|named| named.has(&BTreeSet::new()).is_err());
    Unread { properties, groups: unknown.map(|named| named.label).collect() }
}

/// Gives a draft's custom fields the numbers that the saved document pinned. Returns the places of
/// those that it does not have: whether Halo has them is looked up on saving.
pub fn carry_custom_fields(draft: &mut Document, saved: &Document) -> Vec<(usize, String)> {
    let folded = |asked: &str| asked.trim().to_lowercase();
    let mut unknown = Vec::new();
    for (index, row) in draft.user_fields.iter_mut().enumerate() {
        let RowTarget::Custom { asked, id } = &mut row.to else { continue };
        if id.is_some() {
            continue;
        }
        *id = saved.user_fields.iter().find_map(|row| match &row.to {
            RowTarget::Custom { asked: known, id } if folded(known) == folded(asked) => *id,
            RowTarget::Custom { .. } | RowTarget::Field(_) => None,
        });
        if id.is_none() {
            unknown.push((index, asked.clone()));
        }
    }
    unknown
}
