//! Whether a record may be made inactive, and whether it should be (L2–L5, R5–R7).

use std::collections::BTreeSet;

use super::{Case, Need, Standing};
use crate::document::Document;
use crate::explain::Reason;
use crate::guard;
use crate::ids::{RecordId, RecordKind};
use crate::link::{FieldChange, HaloValue, Ruling, Says, Target};
use crate::rules::Rules;

/// What comes of wanting to make a record inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// It may be done.
    Granted,
    /// It waits (L4, L5).
    Held,
    /// It is not done (L4, R7).
    Denied,
}

/// Whether the record may be made inactive now. The protection of agents is asked for last, because
/// it costs a request (R7).
pub(super) fn leave_to_deactivate(
    case: &Case<'_>,
    record: RecordId,
    reasons: &mut Vec<Reason>,
) -> Result<Leave, Need> {
    let kind = record.kind;
    let ruling = ruling(case);
    if let Some(Ruling { says: Says::Reject, run, .. }) = ruling {
        reasons.push(Reason::Rejected { run: *run });
        return Ok(Leave::Denied);
    }
    match (case.guard.of(kind), ruling) {
        (guard::Verdict::Pass, _) => {}
        (guard::Verdict::ReadIncomplete, _) => {
            reasons.push(Reason::ReadIncomplete);
            return Ok(Leave::Held);
        }
        (guard::Verdict::Held, Some(Ruling { run, .. })) => {
            reasons.push(Reason::Released { run: *run });
        }
        (guard::Verdict::Held, None) => {
            reasons.push(Reason::HeldByGuard);
            return Ok(Leave::Held);
        }
    }
    let protected = match (kind, case.known.records.of(kind).standing) {
        (RecordKind::User, _) | (RecordKind::Agent, Some(Standing::Other)) => {
            return Ok(Leave::Granted);
        }
        (RecordKind::Agent, None) => return Err(Need::Standing(record)),
        (RecordKind::Agent, Some(Standing::OwnAgent)) => Reason::OwnAgent,
        (RecordKind::Agent, Some(Standing::LastAdministrator)) => Reason::LastAdministrator,
    };
    reasons.push(protected);
    Ok(Leave::Denied)
}

/// What an administrator said, as long as it holds.
pub(super) fn ruling<'a>(case: &Case<'a>) -> Option<&'a Ruling> {
    case.link.ruling.as_ref().filter(|ruling| ruling.until > case.now)
}

/// Whether a disabled account makes the record inactive: agents always (R6), users if the connection
/// says so (L2).
pub(super) fn disabled_is_inactive(document: &Document, kind: RecordKind) -> bool {
    kind == RecordKind::Agent || document.sync.deactivate_disabled_users
}

/// The role that makes the agent inactive, among those that it holds (R5).
pub(super) fn inactive_role(
    rules: &Rules<'_>,
    kind: RecordKind,
    held: Option<&BTreeSet<i64>>,
) -> Option<i64> {
    let held = held.filter(|_| kind == RecordKind::Agent)?;
    rules.inactive_roles.iter().find(|role| held.contains(role)).copied()
}

/// The field that says whether a record is inactive (L1).
pub(super) fn switch(kind: RecordKind) -> Target {
    Target::field(match kind {
        RecordKind::User => "inactive",
        RecordKind::Agent => "isdisabled",
    })
}

/// The change of that field.
pub(super) fn switched(kind: RecordKind, inactive: bool) -> FieldChange {
    FieldChange {
        field: switch(kind),
        before: Some(HaloValue::Bool(!inactive)),
        after: HaloValue::Bool(inactive),
    }
}
