//! Roles of users and agents: which a person should hold (R1, R2, P7).

use std::collections::BTreeSet;

use crate::explain::Reason;
use crate::fields::{ManagerView, View};
use crate::granted::{Outcome, Wished};
use crate::ids::RecordKind;
use crate::link::Target;
use crate::placement::{Placed, counting};
use crate::rules::Rules;

/// The roles that a person should hold: the mapping's, those of groups, and that of people without a
/// manager.
pub(crate) fn wished(
    rules: &Rules<'_>,
    kind: RecordKind,
    view: &View<'_>,
    placed: &Placed<'_>,
) -> (Wished, Vec<Reason>) {
    let own = rules.records.of(kind);
    let (mut wished, mut reasons) = (Wished::default(), Vec::new());
    if !own.has_roles {
        return (wished, reasons);
    }
    match kind {
        RecordKind::User => wished.all.extend(placed.mapping.user_role_id.map(|role| role.0)),
        RecordKind::Agent => wished.all.extend(placed.mapping.agent_role_id.map(|role| role.0)),
    }
    for (group, role) in &own.roles {
        match group.has(counting(view.facts)) {
            Ok(true) => wished.all.push(*role),
            Ok(false) => {}
            Err(why) => {
                wished.unsure.push(*role);
                let group = group.label.clone();
                reasons.push(Reason::GroupUnknown { group, why });
            }
        }
    }
    let no_manager = rules.document.roles.no_manager_user_role_id;
    if let (RecordKind::User, ManagerView::None, Some(role)) = (kind, view.manager, no_manager) {
        wished.all.push(role.0);
        reasons.push(Reason::NoManager { role });
    }
    (wished.sorted(), reasons)
}

/// What is given and taken, in words.
pub(crate) fn reasons(outcome: &Outcome) -> impl Iterator<Item = Reason> {
    let (given, taken) = (&outcome.given, &outcome.taken);
    let list = |roles: &BTreeSet<i64>| roles.iter().copied().collect::<Vec<_>>();
    let given = (!given.is_empty()).then(|| Reason::RolesGiven { roles: list(given) });
    let taken = (!taken.is_empty()).then(|| Reason::RolesTaken { roles: list(taken) });
    given.into_iter().chain(taken)
}

/// The field that holds roles.
pub(crate) fn roles_target() -> Target {
    Target::field("roles")
}
