//! Roles of users and agents: which a person should hold, and what is given and taken for it
//! (R1, R2, R4, P7).

use std::collections::BTreeSet;

use crate::explain::Reason;
use crate::fields::{ManagerView, View};
use crate::ids::RecordKind;
use crate::link::{FieldChange, HaloValue, Intent, Linked, Target};
use crate::placement::{Placed, counting};
use crate::rules::Rules;

/// What the rules say about a person's roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wished {
    /// Roles that the person should hold; sorted, each once.
    pub(crate) roles: Vec<i64>,
    /// Roles that nobody can judge now, because their group is not known: what we gave stays.
    unsure: Vec<i64>,
    /// Why some of it is so.
    pub(crate) reasons: Vec<Reason>,
}

/// The roles that a person should hold: the mapping's, those of groups, and that of people without a
/// manager.
pub(crate) fn wished(
    rules: &Rules<'_>,
    kind: RecordKind,
    view: &View<'_>,
    placed: &Placed<'_>,
) -> Wished {
    let own = rules.records.of(kind);
    let mut wished = Wished::default();
    if !own.has_roles {
        return wished;
    }
    match kind {
        RecordKind::User => wished.roles.extend(placed.mapping.user_role_id.map(|role| role.0)),
        RecordKind::Agent => wished.roles.extend(placed.mapping.agent_role_id.map(|role| role.0)),
    }
    for (group, role) in &own.roles {
        match group.has(counting(view.facts)) {
            Ok(true) => wished.roles.push(*role),
            Ok(false) => {}
            Err(why) => {
                wished.unsure.push(*role);
                let group = group.label.clone();
                wished.reasons.push(Reason::GroupUnknown { group, why });
            }
        }
    }
    let no_manager = rules.document.roles.no_manager_user_role_id;
    if let (RecordKind::User, ManagerView::None, Some(role)) = (kind, view.manager, no_manager) {
        wished.roles.push(role.0);
        wished.reasons.push(Reason::NoManager { role });
    }
    wished.roles.sort_unstable();
    wished.roles.dedup();
    wished
}

/// What becomes of a record's roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Roles that the record holds afterwards; `None` = they were never read and nothing is asked of
    /// them.
    pub(crate) after: Option<BTreeSet<i64>>,
    /// What is written, if anything.
    pub(crate) change: Option<FieldChange>,
    /// Roles of ours afterwards (R4).
    pub(crate) granted: BTreeSet<i64>,
    /// What is given now.
    pub(crate) given: BTreeSet<i64>,
    /// What is taken back now.
    pub(crate) taken: BTreeSet<i64>,
}

impl Outcome {
    /// In words, where something is given or taken.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = Reason> {
        let list = |roles: &BTreeSet<i64>| roles.iter().copied().collect::<Vec<_>>();
        let given =
            (!self.given.is_empty()).then(|| Reason::RolesGiven { roles: list(&self.given) });
        let taken =
            (!self.taken.is_empty()).then(|| Reason::RolesTaken { roles: list(&self.taken) });
        given.into_iter().chain(taken)
    }
}

/// Whether nothing can change for somebody who holds `held`, which is most people: all that is wished
/// is there, everything of ours is wished, and no interrupted write gave anything.
pub(crate) fn is_settled(
    wished: &Wished,
    held: Option<&BTreeSet<i64>>,
    linked: &Linked,
    intent: Option<&Intent>,
) -> bool {
    if intent.is_some_and(|intent| !intent.grants.is_empty()) {
        return false;
    }
    let holds = |role: &i64| held.is_some_and(|held| held.contains(role));
    let stays = |role: &i64| wished.roles.contains(role) || wished.unsure.contains(role);
    wished.roles.iter().all(holds) && linked.granted.iter().all(stays)
}

/// What is given and taken, where the record holds `held`. `granted` = roles of ours so far; of an
/// interrupted write's `intent` those count that are there.
pub(crate) fn outcome(
    wished: &Wished,
    held: &BTreeSet<i64>,
    granted: &BTreeSet<i64>,
    intent: Option<&Intent>,
) -> Outcome {
    let wish: BTreeSet<i64> = wished.roles.iter().copied().collect();
    let stays = |role: &i64| wish.contains(role) || wished.unsure.contains(role);
    let meant = intent.into_iter().flat_map(|intent| &intent.grants).copied();
    let ours: BTreeSet<i64> =
        granted.iter().copied().chain(meant).filter(|role| held.contains(role)).collect();
    let taken: BTreeSet<i64> = ours.iter().copied().filter(|role| !stays(role)).collect();
    let given: BTreeSet<i64> = wish.difference(held).copied().collect();
    let after: BTreeSet<i64> =
        held.union(&given).filter(|role| !taken.contains(role)).copied().collect();
    let change = (after != *held).then(|| FieldChange {
        field: roles_target(),
        before: Some(HaloValue::Ids(held.clone())),
        after: HaloValue::Ids(after.clone()),
    });
    let granted = ours.difference(&taken).chain(&given).copied().collect();
    Outcome { after: Some(after), change, granted, given, taken }
}

/// Roles of a record that is made now: all of them are ours.
pub(crate) fn of_new(wished: &Wished) -> Outcome {
    let given: BTreeSet<i64> = wished.roles.iter().copied().collect();
    let change = (!given.is_empty()).then(|| FieldChange {
        field: roles_target(),
        before: None,
        after: HaloValue::Ids(given.clone()),
    });
    Outcome {
        after: Some(given.clone()),
        change,
        granted: given.clone(),
        given,
        taken: BTreeSet::new(),
    }
}

/// The field that holds roles.
pub(crate) fn roles_target() -> Target {
    Target::field("roles")
}
