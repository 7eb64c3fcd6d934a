//! What somebody may do here for whom Microsoft vouches: by what we know of the person and, for an
//! agent, by what Halo says at this moment (O2, O3).

use std::collections::BTreeSet;

use super::refusal::Unfit;
use super::{Allow, Oneself, Role, Settings};
use crate::facts::{Facts, Presence};
use crate::ids::{ConnectionId, ObjectId, RecordId, RecordKind};
use crate::link::Link;

/// What a connection of the tenant knows of the person.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Which connection.
    pub connection: &'a ConnectionId,
    /// What Entra said.
    pub facts: &'a Facts,
    /// Who the person is in Halo.
    pub link: &'a Link,
    /// Whether somebody has to choose which record it is (M3).
    pub in_conflict: bool,
    /// Whether importing the person fails (T5).
    pub parked: bool,
}

/// As whom somebody is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As an agent, if Halo agrees.
    Agent {
        /// Which.
        agent: RecordId,
        /// As whom they are let in where Halo says that the agent is none any more.
        otherwise: Option<Oneself>,
    },
    /// As a user.
    User(Oneself),
}

/// What Halo says of an agent at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentNow {
    /// Not disabled, and no application's.
    pub active: bool,
    /// Whether Halo calls it an administrator.
    pub administrator: bool,
    /// Numbers of its roles.
    pub roles: BTreeSet<i64>,
}

/// As whom a person is let in. Several connections may import the same tenant: an agent's link counts
/// before a user's, and the connection whose id comes first counts where several have one.
///
/// # Errors
///
/// Why the person is not let in: the reason of the first connection that has one of its own.
pub fn standing(person: ObjectId, known: &[Known<'_>], allow: Allow) -> Result<Standing, Unfit> {
    let fit: Vec<&Known<'_>> = known.iter().filter(|it| unfit(it).is_none()).collect();
    let active = |kind: RecordKind| {
        let of = move |it: &&Known<'_>| it.link.of(kind).is_some_and(|it| it.activity.is_active());
        fit.iter().copied().find(of)
    };
    let agent = active(RecordKind::Agent).and_then(|it| it.link.agent.as_ref());
    let user =
        active(RecordKind::User).map(|it| Oneself { connection: it.connection.clone(), person });
    let agents = |agent: Option<&crate::link::Linked>| agent.map(|it| it.record);
    match (allow, agents(agent), user) {
        (Allow::Agents | Allow::Both, Some(agent), user) => {
            Ok(Standing::Agent { agent, otherwise: user.filter(|_| allow == Allow::Both) })
        }
        (Allow::Users | Allow::Both, _, Some(user)) => Ok(Standing::User(user)),
        (Allow::Agents, None, Some(_)) => Err(Unfit::AgentsOnly),
        (Allow::Users, Some(_), None) => Err(Unfit::UsersOnly),
        (_, None, None) => Err(nobody(known)),
    }
}

/// Why the person is neither an active agent nor an active user.
fn nobody(known: &[Known<'_>]) -> Unfit {
    let own = known.iter().find_map(unfit);
    let linked = known.iter().any(|it| it.link.is_linked());
    own.unwrap_or(if linked { Unfit::Inactive } else { Unfit::Unknown })
}

/// Why a connection's link does not count. Somebody who is linked is let in although the last import
/// failed or another record is in conflict: what is wrong with them stands in the console.
fn unfit(known: &Known<'_>) -> Option<Unfit> {
    match known.facts.presence {
        Presence::Unread => Some(Unfit::Unknown),
        Presence::SoftDeleted | Presence::Purged | Presence::Missing => Some(Unfit::Deleted),
        Presence::Present if !known.facts.enabled() => Some(Unfit::Disabled),
        Presence::Present if known.link.is_linked() => None,
        Presence::Present if known.in_conflict => Some(Unfit::InConflict),
        Presence::Present if known.parked => Some(Unfit::Parked),
        Presence::Present => Some(Unfit::NotLinked),
    }
}

/// What an agent may do, by what Halo says of it; `None` = it has no such agent.
///
/// # Errors
///
/// The agent is inactive, and there is no user to let in.
pub fn agent_role(
    settings: &Settings,
    now: Option<&AgentNow>,
    otherwise: Option<Oneself>,
) -> Result<Role, Unfit> {
    let Some(agent) = now.filter(|agent| agent.active) else {
        return otherwise.map(Role::Person).ok_or(Unfit::Inactive);
    };
    let wanted = &settings.administrator_roles;
    let administrates =
        if wanted.is_empty() { agent.administrator } else { !wanted.is_disjoint(&agent.roles) };
    Ok(if administrates { Role::Administrator } else { Role::Reader })
}
