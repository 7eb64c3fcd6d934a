//! Reasons as data, and the sentences that people read.

use serde::{Deserialize, Serialize};

use crate::groups::WhyUnknown;
use crate::ids::{MappingId, ObjectId, RecordId, SiteId};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Outcome {
    /// All parts hold; for the first such mapping this is where the person goes.
    Matched,
    /// The person is not a member of the mapping's group.
    NotInGroup {
        /// The group's name, or its id.
        group: String,
    },
    /// The group's membership is not known.
    GroupUnknown {
        /// The group's name, or its id.
        group: String,
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
        field: String,
        /// Operator and operand, as the document writes them.
        test: String,
        /// The value that was there; empty = none.
        saw: String,
    },
    /// The property that names the site is empty and the mapping has no default site (P6).
    NoSite {
        /// The property.
        field: String,
    },
}

/// Why a decision is as it is. Every branch of `decide` gives at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The mapping that placed the person.
    PlacedBy {
        /// Which.
        mapping: MappingId,
    },
    /// No mapping matches (P8).
    NoMappingMatches,
    /// A mapping could not be judged, so nothing is taken away (P3).
    MappingBroken {
        /// Which.
        mapping: MappingId,
        /// Its group.
        group: String,
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
    /// The account is disabled (L2).
    AccountDisabled,
    /// The connection does not deactivate for this cause; the setting that decides is named.
    LeftActive {
        /// Path of the setting in the document.
        setting: String,
    },
    /// The connection does not create people (M3).
    CreateOff,
    /// Already linked to this Halo user (M1).
    Linked {
        /// The Halo user.
        user: RecordId,
    },
    /// Found in Halo (M2).
    Found {
        /// The Halo user.
        user: RecordId,
        /// By what.
        how: LinkedBy,
    },
    /// Nobody like this is in Halo (M3).
    NobodyFound,
    /// Several Halo users fit (M3).
    SeveralFound {
        /// They.
        candidates: Vec<RecordId>,
    },
    /// Others claim the same Halo user (M3).
    ClaimedByOthers {
        /// The Halo user.
        user: RecordId,
        /// The other people.
        others: Vec<ObjectId>,
    },
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
    /// Halo needs a value that the person does not have.
    ValueMissing {
        /// Which field.
        field: String,
    },
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
    /// The read was not complete, so nobody is deactivated (L5).
    ReadIncomplete,
    /// Already inactive in Halo.
    AlreadyInactive,
}

impl Reason {
    /// The reason as one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Reason::PlacedBy { mapping } => format!("Mapping \"{mapping}\" places this person."),
            Reason::NoMappingMatches => "No mapping matches this person.".into(),
            Reason::MappingBroken { mapping, group, why } => format!(
                "Mapping \"{mapping}\" could not be judged: {}. Nothing is taken from anybody because of it.",
                group_unknown(group, *why)
            ),
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
                format!("The Halo record stays as it is: the setting {setting} says so.")
            }
            Reason::CreateOff => {
                "Nobody in Halo fits, and this connection creates nobody (create is off).".into()
            }
            Reason::Linked { user } => format!("Linked to Halo {user}."),
            Reason::Found { user, how } => format!("Halo {user} fits: {}.", found_by(how)),
            Reason::NobodyFound => "Nobody in Halo fits.".into(),
            Reason::SeveralFound { candidates } => format!(
                "Several Halo users fit ({}); an administrator has to choose.",
                list(candidates)
            ),
            Reason::ClaimedByOthers { user, others } => format!(
                "Halo {user} also fits {}; an administrator has to choose.",
                list(others)
            ),
            Reason::SiteIsMade { name } => format!("The site \"{name}\" does not exist yet and is made."),
            Reason::Moves { from } => format!("Moves from site {from}."),
            Reason::ValueTooLong { field, length, limit } => format!(
                "The value for {field} has {length} characters; Halo takes {limit}. Shorten it in Entra or add a max_length transform."
            ),
            Reason::ValueMissing { field } => {
                format!("Halo needs a value for {field}, and the mapped source has none.")
            }
            Reason::Returned => "Returned, so the Halo record is made active again.".into(),
            Reason::InactiveByOthers => {
                "Inactive in Halo, but not by this product, so it stays inactive.".into()
            }
            Reason::ReactivateOff => {
                "Returned, but the Halo record stays inactive: the setting sync.reactivate says so.".into()
            }
            Reason::NothingToChange => "Halo already has all that it should have.".into(),
            Reason::FieldsDiffer { count: 1 } => "One field differs.".into(),
            Reason::FieldsDiffer { count } => format!("{count} fields differ."),
            Reason::HeldByGuard => {
                "This run would deactivate unusually many people; an administrator has to release it.".into()
            }
            Reason::ReadIncomplete => {
                "The directory was not read completely, so nobody is deactivated by this run.".into()
            }
            Reason::AlreadyInactive => "The Halo record is inactive already.".into(),
        }
    }
}

impl Outcome {
    /// The outcome as one sentence about the mapping.
    pub fn sentence(&self) -> String {
        match self {
            Outcome::Matched => "matches".into(),
            Outcome::NotInGroup { group } => format!("not a member of \"{group}\""),
            Outcome::GroupUnknown { group, why } => group_unknown(group, *why),
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

fn group_unknown(group: &str, why: WhyUnknown) -> String {
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

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
