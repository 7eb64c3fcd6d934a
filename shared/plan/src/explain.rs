//! Reasons as data, and the sentences that people read.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::assignment::Refusal;
use crate::groups::WhyUnknown;
use crate::ids::{
    CabId, CabRoleId, MappingId, ObjectId, RecordId, RecordKind, RunId, SiteId, UserRoleId,
};
use crate::link::LinkedBy;

/// One mapping that was tried for a person, and how far it got (B1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which mapping.
    pub mapping: MappingId,
    /// Matched, or the first part that failed.
    pub outcome: Outcome,
}

/// How far a mapping got: its parts are looked at in this order (P2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Outcome {
    /// All parts hold; for the first such mapping this is where the person goes.
    Matched,
    /// The person is not a member of the mapping's group.
    NotInGroup {
        /// The group's name, or its id.
        group: Arc<str>,
    },
    /// The group's membership is not known.
    GroupUnknown {
        /// The group's name, or its id.
        group: Arc<str>,
        /// Why.
        why: WhyUnknown,
    },
    /// The person is external and the mapping takes none.
    External,
    /// The person is not external and the mapping takes only such.
    NotExternal,
    /// A condition does not hold (with `all`: the first that fails; with `any`: the last one).
    Condition {
        /// Place in the mapping's list, from 0.
        index: usize,
        /// What was looked at, as the document writes it.
        field: Arc<str>,
        /// Operator and operand, as the document writes them.
        test: Arc<str>,
        /// The value that was there; empty = none.
        saw: String,
    },
    /// The property that names the site is empty and the mapping has no default site (P6).
    NoSite {
        /// The property.
        field: Arc<str>,
    },
}

/// Why a decision is as it is. Every branch of `decide` gives at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The mapping that placed the person.
    PlacedBy {
        /// Which.
        mapping: MappingId,
    },
    /// No mapping matches (P8).
    NoMappingMatches,
    /// No user mapping matches, and the agents mapping names no site for the user record (P1).
    AgentOnly {
        /// The agents mapping.
        mapping: MappingId,
    },
    /// A mapping could not be judged, so nothing is taken away (P3).
    MappingBroken {
        /// Which.
        mapping: MappingId,
        /// Its group.
        group: Arc<str>,
        /// Why.
        why: WhyUnknown,
    },
    /// The person was read only as a member or a manager so far.
    NotReadYet,
    /// Soft-deleted in Entra.
    DeletedInEntra,
    /// Permanently deleted in Entra.
    PurgedInEntra,
    /// Not found by a complete full read (D5).
    MissingInEntra,
    /// The account is disabled (L2, R6).
    AccountDisabled,
    /// The connection does not deactivate for this cause; the setting that decides is named.
    LeftActive {
        /// Path of the setting in the document.
        setting: String,
    },
    /// The connection does not create people (M3).
    CreateOff,
    /// Already linked to this Halo record (M1).
    Linked {
        /// The Halo record.
        record: RecordId,
    },
    /// Found in Halo (M2).
    Found {
        /// The Halo record.
        record: RecordId,
        /// By what.
        how: LinkedBy,
    },
    /// Nobody like this is in Halo (M3).
    NobodyFound,
    /// Several Halo records fit (M3).
    SeveralFound {
        /// They.
        candidates: Vec<RecordId>,
    },
    /// Others claim the same Halo record (M3).
    ClaimedByOthers {
        /// The Halo record.
        record: RecordId,
        /// The other people.
        others: Vec<ObjectId>,
    },
    /// An administrator chose that a new record is made (M3).
    CreateChosen,
    /// An administrator cut the link (M7).
    KeptUnlinked,
    /// The site that the person goes to will be made (P6).
    SiteIsMade {
        /// Its name.
        name: String,
    },
    /// The person moves to another site (P9).
    Moves {
        /// From where.
        from: SiteId,
    },
    /// A value does not fit its Halo field (F8).
    ValueTooLong {
        /// Which field.
        field: String,
        /// Characters that it has.
        length: usize,
        /// Characters that Halo takes.
        limit: usize,
    },
    /// A value is neither yes nor no, and its field is a switch (F8).
    ValueNotASwitch {
        /// Which field.
        field: String,
    },
    /// Halo needs a value that the person does not have.
    ValueMissing {
        /// Which field.
        field: String,
    },
    /// The user record will name the agent once there is one (P1).
    AgentComesFirst,
    /// The manager is not an agent in Halo (yet), so a field that names that agent waits (F6).
    ManagerNotAgent {
        /// The field.
        field: String,
    },
    /// The manager has not been read yet, so fields that show the manager wait (F6).
    ManagerNotRead,
    /// Roles that are given (R1, P7).
    RolesGiven {
        /// Their numbers.
        roles: Vec<i64>,
    },
    /// Roles that we gave and take back (R4).
    RolesTaken {
        /// Their numbers.
        roles: Vec<i64>,
    },
    /// Halo does not say which roles the record holds, so none is given or taken (R4).
    RolesUnreadable,
    /// Licences that the person holds in Entra and is linked to in Halo (S1).
    LicencesLinked {
        /// Their numbers in Halo.
        licences: Vec<i64>,
    },
    /// Licences that the person does not hold any more, and whose link is taken away (S1).
    LicencesUnlinked {
        /// Their numbers in Halo.
        licences: Vec<i64>,
    },
    /// Halo does not say which licences the record is linked to, so the links stay as they are (S1).
    LicencesUnreadable,
    /// A role follows from having no manager (R2).
    NoManager {
        /// Which.
        role: UserRoleId,
    },
    /// A group that gives a role or a seat could not be judged: what it gave stays (P3, R4).
    GroupUnknown {
        /// The group.
        group: Arc<str>,
        /// Why.
        why: WhyUnknown,
    },
    /// The agent holds a role that makes agents inactive (R5).
    InactiveRole {
        /// Which.
        role: i64,
    },
    /// The agent does not hold such a role any more (R5).
    InactiveRoleGone,
    /// Joins a board, or sits there in another role from now on (R3).
    JoinsBoard {
        /// Which.
        cab: CabId,
        /// In which role.
        role: Option<CabRoleId>,
    },
    /// Leaves a board that we put the person on (R3, R4).
    LeavesBoard {
        /// Which.
        cab: CabId,
    },
    /// Our own API application logs in as this agent (R7).
    OwnAgent,
    /// The last active agent with an administrator role (R7).
    LastAdministrator,
    /// Returned: enabled, restored or in scope again (L3).
    Returned,
    /// Inactive in Halo, but not by us, so it stays so (L3).
    InactiveByOthers,
    /// `reactivate` is off (L3).
    ReactivateOff,
    /// Halo has all that it should have.
    NothingToChange,
    /// Fields differ.
    FieldsDiffer {
        /// How many.
        count: usize,
    },
    /// The guard holds this deactivation (L4).
    HeldByGuard,
    /// An administrator released this deactivation (L4).
    Released {
        /// The run that held it.
        run: RunId,
    },
    /// An administrator rejected this deactivation (L4).
    Rejected {
        /// The run that held it.
        run: RunId,
    },
    /// The read was not complete, so nobody is deactivated (L5).
    ReadIncomplete,
    /// Already inactive in Halo.
    AlreadyInactive,
    /// Halo asked for a licence, and Entra gave it (S2).
    LicenceAssigned {
        /// Its name.
        product: String,
    },
    /// Halo asked for a licence to be taken, and Entra took it (S2).
    LicenceRemoved {
        /// Its name.
        product: String,
    },
    /// The person holds the licence through groups as well, and keeps it therefore.
    LicenceStaysByGroup {
        /// Which groups.
        groups: Vec<ObjectId>,
    },
    /// Halo asked for a licence that the person holds already.
    LicenceHeldAlready {
        /// Its name.
        product: String,
    },
    /// Halo asked for a licence to be taken that the person does not hold.
    LicenceNotHeld {
        /// Its name.
        product: String,
    },
    /// What Halo asked for was not done (S2).
    LicenceRefused {
        /// The licence's name.
        product: String,
        /// Why.
        refusal: Refusal,
    },
}

impl Reason {
    /// The reason as one sentence about a record of this kind.
    #[expect(clippy::too_many_lines, reason = "one arm for each reason, and nothing else")]
    pub fn sentence(&self, kind: RecordKind) -> String {
        match self {
            Reason::PlacedBy { mapping } => match kind {
                RecordKind::User => format!("Mapping \"{mapping}\" places this person."),
                RecordKind::Agent => format!("Mapping \"{mapping}\" makes this person an agent."),
            },
            Reason::NoMappingMatches => match kind {
                RecordKind::User => "No mapping matches this person.".into(),
                RecordKind::Agent => "No agents mapping matches this person.".into(),
            },
            Reason::AgentOnly { mapping } => format!(
                "No user mapping matches, and mapping \"{mapping}\" names no user_site_id: only the agent is imported."
            ),
            Reason::MappingBroken { mapping, group, why } => format!(
                "Mapping \"{mapping}\" could not be judged: {}. Nothing is taken from anybody because of it.",
                unknown(group, *why)
            ),
            Reason::GroupUnknown { group, why } => {
                format!("Roles and seats of a group stay as they are: {}.", unknown(group, *why))
            }
            Reason::NotReadYet => {
                "Known only as a group member or a manager; Entra has not delivered the account yet.".into()
            }
            Reason::DeletedInEntra => {
                "Deleted in Entra; it can be restored there for 30 days.".into()
            }
            Reason::PurgedInEntra => "Permanently deleted in Entra.".into(),
            Reason::MissingInEntra => "Not among the people of a complete full read.".into(),
            Reason::AccountDisabled => "The Entra account is disabled.".into(),
            Reason::LeftActive { setting } => {
                format!("The Halo {kind} stays as it is: the setting {setting} says so.")
            }
            Reason::Returned => format!("Returned, so the Halo {kind} is made active again."),
            Reason::InactiveByOthers => {
                format!("The Halo {kind} is inactive, but not by this product, so it stays inactive.")
            }
            Reason::ReactivateOff => {
                format!("Returned, but the Halo {kind} stays inactive: the setting $.sync.reactivate says so.")
            }
            Reason::HeldByGuard => format!(
                "Unusually many {kind}s would be deactivated within a day; an administrator has to release it."
            ),
            Reason::Released { run } => format!(
                "An administrator released this deactivation, which run {run} held."
            ),
            Reason::Rejected { run } => format!(
                "An administrator rejected this deactivation, which run {run} held; the Halo {kind} stays active."
            ),
            Reason::ReadIncomplete => {
                "The directory was not read completely, so nobody is deactivated by this run.".into()
            }
            Reason::AlreadyInactive => format!("The Halo {kind} is inactive already."),
            Reason::OwnAgent => "This product's own API application logs in as this agent, so it is never deactivated. Give the application another agent first.".into(),
            Reason::LastAdministrator => "This is the last active agent with an administrator role, so it is never deactivated. Make somebody else an administrator first.".into(),
            Reason::InactiveRole { role } => format!(
                "Holds agent role {role}, which makes agents inactive ($.roles.inactive_agent_role_ids)."
            ),
            Reason::InactiveRoleGone => {
                "Holds no role any more that makes agents inactive, so the Halo agent is made active again.".into()
            }
            Reason::CreateOff => {
                format!("No Halo {kind} fits, and this connection creates nobody ($.create is off).")
            }
            Reason::Linked { record } => format!("Linked to Halo {record}."),
            Reason::Found { record, how } => format!("Halo {record} fits: {}.", found_by(how)),
            Reason::NobodyFound => format!("No Halo {kind} fits."),
            Reason::SeveralFound { candidates } => format!(
                "Several Halo {kind}s fit ({}); an administrator has to choose.",
                list(candidates)
            ),
            Reason::ClaimedByOthers { record, others } => format!(
                "Halo {record} also fits {}; an administrator has to choose.",
                list(others)
            ),
            Reason::CreateChosen => format!("An administrator chose that a new Halo {kind} is made."),
            Reason::KeptUnlinked => format!(
                "An administrator cut the link to a Halo {kind}; it stays so until a link is set."
            ),
            Reason::SiteIsMade { name } => format!("The site \"{name}\" does not exist yet and is made."),
            Reason::Moves { from } => format!("Moves from site {from}."),
            Reason::ValueTooLong { field, length, limit } => format!(
                "The value for {field} has {length} characters; Halo takes {limit}. Shorten it in Entra or add a max_length transform."
            ),
            Reason::ValueNotASwitch { field } => format!(
                "{field} is a switch; the mapped value is none of true, false, yes, no, 1, 0. Add a map transform."
            ),
            Reason::ValueMissing { field } => {
                format!("Halo needs a value for {field}, and the mapped source has none.")
            }
            Reason::AgentComesFirst => {
                "The agent is made first; then the user record names it.".into()
            }
            Reason::ManagerNotAgent { field } => format!(
                "{field} waits: the manager is not an agent in Halo. It follows by itself when that changes."
            ),
            Reason::ManagerNotRead => {
                "Fields that show the manager wait until Entra has delivered the manager.".into()
            }
            Reason::RolesGiven { roles } => format!("Gets {kind} {}.", numbered("role", roles)),
            Reason::RolesTaken { roles } => format!(
                "Loses {kind} {}, which this product gave.",
                numbered("role", roles)
            ),
            Reason::RolesUnreadable => format!(
                "Halo does not say which roles this {kind} holds, so they stay as they are. Give its API application's agent the right to see roles."
            ),
            Reason::LicencesLinked { licences } => {
                format!("Holds Halo {} in Entra, and is linked to it.", numbered("licence", licences))
            }
            Reason::LicencesUnlinked { licences } => format!(
                "Does not hold Halo {} in Entra, so the link goes.",
                numbered("licence", licences)
            ),
            Reason::LicencesUnreadable => format!(
                "Halo does not say which licences this {kind} is linked to, so the links stay as they are. Give its API application's agent the right to see software licences."
            ),
            Reason::NoManager { role } => format!("Has no manager in Entra, so user role {role} applies."),
            Reason::JoinsBoard { cab, role: None } => {
                format!("Joins CAB {cab}; boards are written at the end of the run.")
            }
            Reason::JoinsBoard { cab, role: Some(role) } => {
                format!("Joins CAB {cab} in role {role}; boards are written at the end of the run.")
            }
            Reason::LeavesBoard { cab } => {
                format!("Leaves CAB {cab}, where this product put the person; boards are written at the end of the run.")
            }
            Reason::LicenceAssigned { product } => {
                format!("Halo asked for licence {product}, and Entra gave it.")
            }
            Reason::LicenceRemoved { product } => {
                format!("Halo asked for licence {product} to be taken, and Entra took it.")
            }
            Reason::LicenceStaysByGroup { groups } => format!(
                "The person holds it through a group as well ({}), and keeps it therefore.",
                list(groups)
            ),
            Reason::LicenceHeldAlready { product } => {
                format!("Halo asked for licence {product}, which the person holds already.")
            }
            Reason::LicenceNotHeld { product } => format!(
                "Halo asked for licence {product} to be taken, which the person does not hold."
            ),
            Reason::LicenceRefused { product, refusal } => {
                format!("Licence {product} stays as it was. {}", refusal.sentence())
            }
            Reason::NothingToChange => format!("The Halo {kind} already has all that it should have."),
            Reason::FieldsDiffer { count: 1 } => "One field differs.".into(),
            Reason::FieldsDiffer { count } => format!("{count} fields differ."),
        }
    }
}

impl Outcome {
    /// The outcome as one sentence about the mapping.
    pub fn sentence(&self) -> String {
        match self {
            Outcome::Matched => "matches".into(),
            Outcome::NotInGroup { group } => format!("not a member of \"{group}\""),
            Outcome::GroupUnknown { group, why } => unknown(group, *why),
            Outcome::External => "external people are excluded".into(),
            Outcome::NotExternal => "only external people are taken".into(),
            Outcome::Condition { field, test, saw, .. } if saw.is_empty() => {
                format!("{field} {test} fails: there is no value")
            }
            Outcome::Condition { field, test, saw, .. } => {
                format!("{field} {test} fails: it is \"{saw}\"")
            }
            Outcome::NoSite { field } => format!("{field} is empty and there is no default site"),
        }
    }
}

fn unknown(group: &str, why: WhyUnknown) -> String {
    match why {
        WhyUnknown::NotResolved => {
            format!("Entra has no group \"{group}\", or several; name it by its object id")
        }
        WhyUnknown::NotRead => format!("the group \"{group}\" has not been read yet"),
        WhyUnknown::Gone => format!("the group \"{group}\" was deleted in Entra"),
    }
}

fn found_by(how: &LinkedBy) -> String {
    match how {
        LinkedBy::Created => "it was created for this person".into(),
        LinkedBy::ObjectId => "it carries the Entra object id".into(),
        LinkedBy::Fields { entra, halo } => format!("its {halo} equals {entra}"),
        LinkedBy::Administrator => "an administrator chose it".into(),
    }
}

fn numbered(what: &str, numbers: &[i64]) -> String {
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!("{what}{plural} {}", list(numbers))
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
