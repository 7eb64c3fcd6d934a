//! Why a licence was not given or taken: each cause with a word that stays the same and a sentence that
//! says what to do (S2).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::ObjectId;

/// Why a licence was not given or taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
#[schema(as = AssignmentRefusal)]
pub enum Refusal {
    /// The Halo user stands for nobody whom the connection imported.
    UserNotKnown {
        /// In what way.
        why: WhyUnknown,
    },
    /// The Halo user came from another tenant than the licence.
    UserOfAnotherConnection,
    /// Entra does not have the person any more.
    PersonGone,
    /// The person has no usage location, or one where the licence may not be used.
    UsageLocationMissing {
        /// The one that Entra does not take; `None` = there is none.
        location: Option<String>,
    },
    /// All seats are taken.
    NoFreeSeats {
        /// Seats that can be used.
        bought: i64,
        /// Seats that are taken, those given a moment ago included.
        used: i64,
    },
    /// The person holds it through groups, so it cannot be taken from the person.
    InheritedFromGroup {
        /// Which; empty where Graph did not say.
        groups: Vec<ObjectId>,
    },
    /// Nobody can be given this licence.
    NotAssignable {
        /// Why.
        why: WhyNot,
    },
    /// It does not go together with other licences of the person.
    ConflictingPlans {
        /// Graph's word for it.
        error: String,
    },
    /// The connection may not do this.
    PermissionMissing {
        /// What has to be granted.
        permission: Permission,
    },
    /// Entra refused it for another cause.
    RefusedByEntra {
        /// What Entra said.
        text: String,
    },
    /// The connection's credentials were refused (C7).
    Reauthorise {
        /// What happened.
        reason: String,
    },
    /// Entra or Halo could not be asked for so long that it was given up.
    Unavailable {
        /// What happened.
        reason: String,
    },
    /// The connection does not take licences from Halo any more.
    ManagingIsOff,
}

/// In what way a Halo user stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WhyUserNotKnown)]
pub enum WhyUnknown {
    /// Halo has no such user.
    NotInHalo,
    /// No person of the connection is this user.
    NotLinked,
}

/// Why nobody can be given a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WhyNotAssignable)]
pub enum WhyNot {
    /// It is for the company as a whole.
    CompanyWide,
    /// The subscription ended.
    Suspended,
    /// The subscription was cancelled.
    Cancelled,
    /// Microsoft locked the subscription.
    LockedOut,
    /// The tenant does not have it any more.
    Gone,
}

/// A Graph permission that assigning takes (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Permission {
    /// Reading the tenant's SKUs.
    #[serde(rename = "Organization.Read.All")]
    Organization,
    /// Reading people.
    #[serde(rename = "User.Read.All")]
    User,
    /// Giving and taking.
    #[serde(rename = "LicenseAssignment.ReadWrite.All")]
    Assignment,
}

impl Permission {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Permission::Organization => "Organization.Read.All",
            Permission::User => "User.Read.All",
            Permission::Assignment => "LicenseAssignment.ReadWrite.All",
        }
    }
}

impl Refusal {
    /// The word that stays the same.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::UserNotKnown { .. } => "user_not_known",
            Refusal::UserOfAnotherConnection => "user_of_another_connection",
            Refusal::PersonGone => "person_gone",
            Refusal::UsageLocationMissing { .. } => "usage_location_missing",
            Refusal::NoFreeSeats { .. } => "no_free_seats",
            Refusal::InheritedFromGroup { .. } => "inherited_from_group",
            Refusal::NotAssignable { .. } => "not_assignable",
            Refusal::ConflictingPlans { .. } => "conflicting_plans",
            Refusal::PermissionMissing { .. } => "permission_missing",
            Refusal::RefusedByEntra { .. } => "refused_by_entra",
            Refusal::Reauthorise { .. } => "reauthorise",
            Refusal::Unavailable { .. } => "unavailable",
            Refusal::ManagingIsOff => "managing_is_off",
        }
    }

    /// What happened and what to do.
    pub fn sentence(&self) -> String {
        match self {
            Refusal::UserNotKnown { why: WhyUnknown::NotInHalo } => {
                "Halo has no such user. Check the number that the webhook or runbook sends as user_id.".into()
            }
            Refusal::UserNotKnown { why: WhyUnknown::NotLinked } => {
                "The Halo user is no person that this connection imported. Import the person first, or link them.".into()
            }
            Refusal::UserOfAnotherConnection => {
                "The Halo user belongs to another tenant than the licence. Choose a licence of the user's own tenant.".into()
            }
            Refusal::PersonGone => {
                "Entra does not have the person any more. Restore the account there, then ask again.".into()
            }
            Refusal::UsageLocationMissing { location: None } => {
                "The person has no usage location in Entra, and without one nobody can hold a licence. Enter it there, then ask again.".into()
            }
            Refusal::UsageLocationMissing { location: Some(location) } => format!(
                "Entra does not take the person's usage location \"{location}\" for this licence. Correct it in Entra, then ask again; a location that was just entered needs some seconds."
            ),
            Refusal::NoFreeSeats { bought, used } => format!(
                "No seat is free: {used} of {bought} are taken. Buy more, or take the licence from somebody else, then ask again."
            ),
            Refusal::InheritedFromGroup { groups } => format!(
                "The person holds the licence through {}, so it cannot be taken from the person alone. Take the person out of the group in Entra, or the licence from the group.",
                named(groups)
            ),
            Refusal::NotAssignable { why } => format!("Nobody can be given this licence: {}", because(*why)),
            Refusal::ConflictingPlans { error } => format!(
                "The licence does not go together with others of the person ({error}). See in Entra which plans exclude each other or are missing, change those first, then ask again."
            ),
            Refusal::PermissionMissing { permission } => {
                let role = match permission {
                    Permission::Assignment => " A connection that acts on behalf of a person also needs that person to have the role License Administrator, User Administrator or Directory Writers.",
                    Permission::Organization | Permission::User => "",
                };
                format!(
                    "The connection lacks the Graph permission {}. Grant it with admin consent, authorise the connection again, then ask again.{role}",
                    permission.name()
                )
            }
            Refusal::RefusedByEntra { text } => {
                format!("Entra refused it: {text}. Correct what it says in Entra, then ask again.", text = text.trim_end_matches('.'))
            }
            Refusal::Reauthorise { reason } => {
                format!("The connection has to be authorised again, then ask again. {reason}")
            }
            Refusal::Unavailable { reason } => {
                format!("It was given up after many tries; ask again. {reason}")
            }
            Refusal::ManagingIsOff => {
                "This connection takes no licences from Halo. Set $.licences.manage_from_halo and $.enabled of its document, then ask again.".into()
            }
        }
    }
}

fn named(groups: &[ObjectId]) -> String {
    match groups {
        [] => "a group".to_owned(),
        [one] => format!("the group {one}"),
        several => {
            let all: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("the groups {}", all.join(", "))
        }
    }
}

fn because(why: WhyNot) -> &'static str {
    match why {
        WhyNot::CompanyWide => {
            "it is for the company as a whole. Leave it out of what Halo offers for users."
        }
        WhyNot::Suspended => "its subscription has ended. Renew it, then ask again.",
        WhyNot::Cancelled => "its subscription was cancelled. Buy it again, then ask again.",
        WhyNot::LockedOut => {
            "Microsoft locked its subscription. Clear that up with Microsoft, then ask again."
        }
        WhyNot::Gone => {
            "the tenant does not have it any more. Import the licences and choose another one."
        }
    }
}
