//! What should happen to a person, and why: the one decision that schedule, manual import, preview
//! and explanation share.
//!
//! [`decide`] either says what it must know first ([`Need`]) or decides. The caller looks up what is
//! needed and asks again; it never chooses anything itself. A person may be two records in Halo, a
//! user and an agent: each is a [`Part`] of the decision, decided by the same code (`record`).

mod activity;
mod foresee;
mod record;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use crate::boards::{self, SeatChange};
use crate::explain::{Reason, Tried};
use crate::facts::{Facts, Presence};
use crate::fields::View;
use crate::guard;
use crate::ids::{ClientId, ObjectId, PerKind, RecordId, RecordKind, SiteId};
use crate::link::{Fields, Link, Linked, LinkedBy, Target};
use crate::matching::{Hits, MatchKey};
use crate::placement;
use crate::rules::Rules;
use crate::sight::Sight;

pub use foresee::{Foreseen, foresee};
pub use verdict::{
    Action, Create, Deactivation, Decision, LicenceOutcome, LicencePart, Part, Verb, Verdict, Write,
};

/// One person, as far as we know them.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who.
    pub id: ObjectId,
    /// Their facts and their manager's.
    pub view: View<'a>,
    /// Who they are in Halo.
    pub link: &'a Link,
    /// What was looked up so far.
    pub known: &'a Known,
    /// What the guard says to deactivations of this run, users and agents apart.
    pub guard: PerKind<guard::Verdict>,
    /// The present, for rulings that expire (L4).
    pub now: Timestamp,
}

/// Answers to [`Need`]s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Of each kind of record.
    pub records: PerKind<KnownRecord>,
    /// The site of that name.
    pub site: Option<SiteId>,
}

/// Answers about one kind of record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownRecord {
    /// What the index answered.
    pub hits: Option<Hits>,
    /// The record that an earlier worker may have made without recording it (M6).
    pub made: Made,
    /// Other unlinked people that hit the same record.
    pub claims: Option<BTreeSet<ObjectId>>,
    /// The Halo record's fields.
    pub record: Option<Fields>,
    /// Whether the agent may be deactivated at all (R7).
    pub standing: Option<Standing>,
}

/// What is known of a record that an earlier worker may have made without recording it (M6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Made {
    /// Halo was not asked.
    #[default]
    Unasked,
    /// There is none.
    Nothing,
    /// This one.
    Record(RecordId),
}

/// What protects an agent from being deactivated (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Other,
    /// Our own API application logs in as it.
    OwnAgent,
    /// It is the last active one with an administrator role.
    LastAdministrator,
}

/// What must be known before the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Records under these keys.
    Matches(RecordKind, BTreeSet<MatchKey>),
    /// Who else hits this record.
    Claims(RecordId),
    /// Whether an earlier worker made this kind of record without recording it: Halo itself knows (M6).
    Made(RecordKind),
    /// These fields of this record, as they are in Halo now.
    Record(RecordId, BTreeSet<Target>),
    /// The site of this name under this client, made when missing (P6).
    Site(ClientId, String),
    /// Whether this agent is protected, asked last before it is deactivated (R7).
    Standing(RecordId),
}

/// Decides what should happen to a person.
pub fn decide(rules: &Rules<'_>, case: &Case<'_>) -> Verdict {
    match decided(rules, case) {
        Ok(decision) => Verdict::Decided(decision),
        Err(need) => Verdict::Needs(need),
    }
}

fn decided(rules: &Rules<'_>, case: &Case<'_>) -> Result<Decision, Need> {
    let mut text = Uuid::encode_buffer();
    let id = case.id.0.hyphenated().encode_lower(&mut text);
    let sight = Sight::new(&rules.names, case.view, id);
    let about = record::About { rules, case, sight: &sight };
    if let Some(gone) = gone(case.view.facts.presence) {
        return leave(about, &gone);
    }
    let looked = |kind| rules.looks_at(kind, case.link.may_be(kind));
    // Agents mappings are tried in any case: they may place the user as well (P1).
    let wanted = PerKind { user: looked(RecordKind::User), agent: rules.made.agent };
    let trail = placement::place(&rules.mappings, &sight, wanted);
    let PerKind { user: user_found, agent: agent_found } = trail.found;
    let takes_agent = agent_found.placed.is_some();
    let agent = if looked(RecordKind::Agent) {
        Some(record::part(about, RecordKind::Agent, agent_found, None)?)
    } else {
        None
    };
    let agent_record = agent.as_ref().and_then(Part::record_after).or(linked_agent(case.link));
    let user = if looked(RecordKind::User) {
        let mut user = record::part(about, RecordKind::User, user_found, agent_record)?;
        note_agent(&mut user, agent.as_ref(), takes_agent);
        Some(user)
    } else {
        None
    };
    let mut reasons = Vec::new();
    let (sits, is_new) = sitting(case.link, user.as_ref(), agent.as_ref());
    let seats = boards::changes(rules, &case.view, &case.link.seats, sits, is_new, &mut reasons);
    Ok(Decision { user, agent, seats, licence: None, tried: trail.tried, reasons })
}

fn linked_agent(link: &Link) -> Option<RecordId> {
    link.agent.as_ref().map(|linked| linked.record)
}

/// What the agent means for the user record, in words (P1).
fn note_agent(user: &mut Part, agent: Option<&Part>, takes_agent: bool) {
    let made = agent.is_some_and(|agent| matches!(agent.action, Action::Create(_)));
    let writes = matches!(user.action, Action::Create(_) | Action::Write(_));
    if made && writes {
        user.reasons.push(Reason::AgentComesFirst);
    }
    let nowhere = user.reasons.last() == Some(&Reason::NoMappingMatches);
    if let Some(mapping) = agent.and_then(|agent| agent.mapping.clone())
        && takes_agent
        && nowhere
    {
        user.reasons.push(Reason::AgentOnly { mapping });
    }
}

/// Which record takes seats on boards, and whether it is made now: the user where there is one, else
/// the agent (R3).
fn sitting(link: &Link, user: Option<&Part>, agent: Option<&Part>) -> (Option<RecordKind>, bool) {
    let there = |linked: Option<&Linked>, part: Option<&Part>| match part.map(|part| &part.action) {
        Some(Action::Create(_)) => Some(true),
        // Made by a worker that died before it could say so (M6): a user is found by its object id then.
        Some(Action::Write(write)) => {
            let ours = || link.intents.get(&write.record.kind).is_some_and(|it| it.creates);
            Some(match write.links {
                Some(LinkedBy::Created) => true,
                Some(_) => ours(),
                None => false,
            })
        }
        Some(
            Action::Unchanged
            | Action::NotInScope
            | Action::Conflict { .. }
            | Action::Held
            | Action::Invalid,
        )
        | None => linked.map(|_| false),
    };
    match (there(link.user.as_ref(), user), there(link.agent.as_ref(), agent)) {
        (Some(is_new), _) => (Some(RecordKind::User), is_new),
        (None, Some(is_new)) => (Some(RecordKind::Agent), is_new),
        (None, None) => (None, false),
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
fn leave(about: record::About<'_>, gone: &Reason) -> Result<Decision, Need> {
    let record::About { rules, case, .. } = about;
    let part = |kind: RecordKind| {
        let is_somebody = case.link.may_be(kind);
        let wanted = match kind {
            RecordKind::User => rules.looks_at(kind, is_somebody),
            RecordKind::Agent => rules.looks_at(kind, is_somebody) && is_somebody,
        };
        wanted.then(|| record::gone(about, kind, gone)).transpose()
    };
    let (agent, user) = (part(RecordKind::Agent)?, part(RecordKind::User)?);
    let reasons = Vec::new();
    Ok(Decision {
        user,
        agent,
        seats: Vec::<SeatChange>::new(),
        licence: None,
        tried: Vec::<Tried>::new(),
        reasons,
    })
}

/// Whether two states of a person differ in something a decision could depend on, and in what: the
/// names of properties, `manager`, `groups`, `presence`, `licences`.
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
    also("licences", before.licences != after.licences);
    names.into_iter().map(str::to_owned).collect()
}
