//! Microsoft licences: what Graph says of a tenant's SKUs and of who holds them, and the ledger that a
//! connection keeps of them (S1, S2).

mod names;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{LicenceId, ObjectId, SkuId};

pub use names::product_name;

/// What Graph says of a product that the tenant subscribes to (Microsoft Graph documentation,
/// `subscribedSku`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribedSku {
    /// Which product.
    pub id: SkuId,
    /// Its technical name, such as `ENTERPRISEPREMIUM`.
    pub part_number: String,
    /// Whether people hold it, or the company as a whole.
    pub applies_to: AppliesTo,
    /// Whether it can be used (`capabilityStatus`).
    pub standing: Standing,
    /// Seats that were bought.
    pub seats: Seats,
    /// Seats that are taken (`consumedUnits`).
    pub used: i64,
}

/// Whom a product is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppliesTo {
    /// People, one by one.
    User,
    /// The company as a whole: nobody can be given it.
    Company,
    /// Graph says something else, or nothing.
    #[default]
    Unknown,
}

/// Whether a subscription can be used (`capabilityStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Paid and running.
    Enabled,
    /// Ended a short while ago; still works.
    Warning,
    /// Ended; nobody can be given it.
    Suspended,
    /// Cancelled for good.
    Deleted,
    /// Locked by Microsoft.
    LockedOut,
    /// Graph says something else, or nothing.
    #[default]
    Unknown,
}

/// Seats that were bought, by what state they are in (`prepaidUnits`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Seats {
    /// Usable.
    pub enabled: i64,
    /// Of a subscription that ended a short while ago; usable still.
    pub warning: i64,
    /// Of a suspended subscription; nobody can be given one.
    pub suspended: i64,
    /// Locked by Microsoft.
    pub locked_out: i64,
}

impl Seats {
    /// Seats that people can hold: Microsoft counts those of the grace period too.
    pub fn usable(self) -> i64 {
        self.enabled.saturating_add(self.warning)
    }
}

/// What Graph says of a person's licences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub id: ObjectId,
    /// Country in which licences are used; without one none can be assigned.
    pub usage_location: Option<String>,
    /// What the person holds, directly or through a group; `None` = not in the answer.
    pub assigned: Option<BTreeSet<SkuId>>,
    /// Where each of them comes from, and those that could not be given (`licenseAssignmentStates`).
    pub states: Vec<AssignmentState>,
}

/// One way by which a person holds a licence, or should.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AssignmentState {
    /// Which licence.
    pub sku: SkuId,
    /// Who gave it.
    pub by: AssignedBy,
    /// Whether it works.
    pub state: HoldState,
    /// What stands in the way, in Graph's word, such as `CountViolation`; `None` = nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Who gave a licence to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssignedBy {
    /// Somebody, to this person.
    Direct,
    /// A group, to its members.
    Group(ObjectId),
}

/// Whether a licence that a person was given works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// It does.
    Active,
    /// It does, with something in the way.
    ActiveWithError,
    /// It is switched off.
    Disabled,
    /// It was not given.
    Error,
    /// Graph says something else.
    Unknown,
}

/// What is asked of Graph for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenceChange {
    /// Give this licence.
    Assign(SkuId),
    /// Take it.
    Remove(SkuId),
}

/// The ledger of a connection: its SKUs as last read, and which licence of Halo's each is (S1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// By SKU, those that disappeared included.
    pub skus: BTreeMap<SkuId, Sku>,
    /// When Graph last told of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Timestamp>,
}

/// A SKU in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sku {
    /// Its technical name.
    pub part_number: String,
    /// Whom it is for.
    #[serde(default)]
    pub applies_to: AppliesTo,
    /// Whether it can be used.
    #[serde(default)]
    pub standing: Standing,
    /// Seats that were bought.
    #[serde(default)]
    pub seats: Seats,
    /// Seats that are taken.
    #[serde(default)]
    pub used: i64,
    /// Since when Graph does not tell of it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Timestamp>,
    /// The licence in Halo that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halo: Option<LicenceId>,
}

impl Sku {
    /// Seats that nobody holds; negative where more are held than were bought.
    pub fn free(&self) -> i64 {
        self.seats.usable().saturating_sub(self.used)
    }
}
