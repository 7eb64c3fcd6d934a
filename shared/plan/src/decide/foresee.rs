//! What a run would do to a person before anything is looked up in Halo itself: whom they claim (M3)
//! and whether a deactivation counts for the guard (L4).

use std::collections::BTreeSet;

use super::activity::{ruling, switch};
use super::{Case, Known, Made, Need, Standing, Verdict, decide};
use crate::guard;
use crate::ids::{PerKind, RecordId, RecordKind, SiteId};
use crate::link::{Fields, HaloValue, Says};
use crate::matching::Hits;
use crate::rules::Rules;

/// What a run would do to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// Records that the person would take over, and that nobody else may.
    pub claims: PerKind<Option<RecordId>>,
    /// Records that would be made inactive without an administrator having released it.
    pub deactivates: PerKind<bool>,
}

/// Looks ahead with what the index knows, taking the rest for granted: that nobody else claims the
/// same record, that a record is as it was when it was last read, that nothing protects an agent. Too
/// many deactivations may be counted that way, never too few.
///
/// # Errors
///
/// The keys to look up in the index first, if they are not in the case yet.
pub fn foresee(rules: &Rules<'_>, case: &Case<'_>) -> Result<Foreseen, Need> {
    let mut known: Known = case.known.clone();
    let any_site = Some(SiteId(0));
    known.site = known.site.or(any_site);
    let mut claims = PerKind::default();
    loop {
        let guard = PerKind::both(guard::Verdict::Pass);
        match decide(rules, &Case { known: &known, guard, ..*case }) {
            Verdict::Needs(need @ Need::Matches(..)) => return Err(need),
            Verdict::Needs(Need::Site(..)) => known.site = any_site,
            Verdict::Needs(Need::Claims(record)) => {
                *claims.of_mut(record.kind) = Some(record);
                known.records.of_mut(record.kind).claims = Some(BTreeSet::new());
            }
            // It may be there, and may have to be made inactive.
            Verdict::Needs(Need::Made(kind)) => {
                known.records.of_mut(kind).made = Made::Record(RecordId { kind, id: 0 });
            }
            Verdict::Needs(Need::Record(record, _)) => {
                let fields = as_last_seen(case, &known, record);
                known.records.of_mut(record.kind).record = Some(fields);
            }
            Verdict::Needs(Need::Standing(record)) => {
                known.records.of_mut(record.kind).standing = Some(Standing::Other);
            }
            Verdict::Decided(decision) => {
                let released = ruling(case).is_some_and(|ruling| ruling.says == Says::Release);
                let counts = |kind| {
                    !released && decision.of(kind).is_some_and(|part| part.action.deactivates())
                };
                let deactivates =
                    PerKind { user: counts(RecordKind::User), agent: counts(RecordKind::Agent) };
                return Ok(Foreseen { claims, deactivates });
            }
        }
    }
}

/// The record as the link or the index has it.
fn as_last_seen(case: &Case<'_>, known: &Known, record: RecordId) -> Fields {
    if let Some(linked) = case.link.of(record.kind).filter(|linked| linked.record == record) {
        return linked.image.clone();
    }
    let none = Hits::new();
    let hits = known.records.of(record.kind).hits.as_ref().unwrap_or(&none);
    let hit = hits.values().flatten().find(|hit| hit.record == record);
    let inactive = HaloValue::Bool(hit.is_some_and(|hit| hit.inactive));
    Fields::from([(switch(record.kind), inactive)])
}
