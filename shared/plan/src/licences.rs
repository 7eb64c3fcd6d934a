//! Microsoft licences: what Graph says of a tenant's SKUs and of who holds them, and the ledger that a
//! connection keeps of them (S1, S2).

mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::Reason;
use crate::facts::Facts;
use crate::failure::{Failure, Kind, parked_for};
use crate::granted::{Outcome, Wished};
use crate::ids::{ClientId, LicenceId, ObjectId, SkuId, TenantId};
use crate::link::{Linked, Target};
use crate::rules::Rules;
use crate::sign_ins::Off;

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
    /// Why licences are not imported at present; nothing else is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Off>,
}

/// A SKU in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// What Halo's licence shows after our last write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The licences that the client had before ours was to be made; there while a worker may have made
    /// it without recording it (T2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub making: Option<BTreeSet<LicenceId>>,
    /// Why Halo did not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// What a licence shows in Halo, as far as we write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The client that it belongs to.
    pub client: ClientId,
    /// Seats that people can hold.
    pub count: i64,
    /// Seats that are taken.
    pub in_use: i64,
    /// Whether the tenant has it.
    pub is_active: bool,
}

/// Halo refused a licence; it is tried again later (T5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What Halo said, and what to do.
    pub sentence: String,
    /// Tries in a row.
    pub attempts: u32,
    /// When it is tried again.
    pub until: Timestamp,
}

/// What has to be written to Halo for one SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A licence is to be made, or found again.
    Make(Image),
    /// One is to be written.
    Write(LicenceId, Image),
}

impl Sku {
    /// The product's name for people, as far as it is known.
    pub fn name(&self) -> &str {
        product_name(&self.part_number).unwrap_or(&self.part_number)
    }

    fn image_for(&self, client: ClientId) -> Image {
        let is_there = self.gone.is_none();
        let of = |number: i64| if is_there { number.max(0) } else { 0 };
        let is_active =
            is_there && !matches!(self.standing, Standing::Suspended | Standing::Deleted);
        Image { client, count: of(self.seats.usable()), in_use: of(self.used), is_active }
    }

    /// Notes that Halo refused it.
    pub fn refuse(&mut self, sentence: String, now: Timestamp) {
        let attempts = self.refused.as_ref().map_or(0, |refused| refused.attempts) + 1;
        let until = now.saturating_add(parked_for(attempts)).unwrap_or(now);
        self.refused = Some(Refused { sentence, attempts, until });
    }

    /// Seats that nobody holds; negative where more are held than were bought.
    pub fn free(&self) -> i64 {
        self.seats.usable().saturating_sub(self.used)
    }
}

impl Book {
    /// Takes over what Graph says of all SKUs: one that it does not tell of any more stays, as gone.
    /// The same again changes nothing but the time (T2).
    pub fn take(&mut self, told: &[SubscribedSku], now: Timestamp) {
        let ids: BTreeSet<SkuId> = told.iter().map(|sku| sku.id).collect();
        for (_, sku) in self.skus.iter_mut().filter(|(id, _)| !ids.contains(id)) {
            sku.gone.get_or_insert(now);
        }
        for one in told {
            let sku = self.skus.entry(one.id).or_default();
            sku.part_number.clone_from(&one.part_number);
            (sku.applies_to, sku.standing) = (one.applies_to, one.standing);
            (sku.seats, sku.used, sku.gone) = (one.seats, one.used, None);
        }
        (self.read, self.off) = (Some(now), None);
    }

    /// What has to be written to Halo, where licences belong to this client; what Halo refused waits.
    pub fn due(&self, client: ClientId, now: Timestamp) -> BTreeMap<SkuId, Due> {
        let waits = |sku: &Sku| sku.refused.as_ref().is_some_and(|refused| refused.until > now);
        let due = self.skus.iter().filter(|(_, sku)| !waits(sku)).filter_map(|(id, sku)| {
            let image = sku.image_for(client);
            match sku.halo {
                Some(licence) if sku.image != Some(image) => {
                    Some((*id, Due::Write(licence, image)))
                }
                // What went before it was made is nothing to anybody.
                None if sku.gone.is_none() || sku.making.is_some() => Some((*id, Due::Make(image))),
                Some(_) | None => None,
            }
        });
        due.collect()
    }

    /// Whether a licence will be made that people may hold already, so that everybody has to be looked
    /// at in the same run.
    pub fn is_to_grow(&self) -> bool {
        let new = |sku: &Sku| sku.halo.is_none() && sku.gone.is_none() && sku.refused.is_none();
        self.skus.values().any(new)
    }

    /// Notes why nothing is imported; since when it is so stays.
    pub fn switch_off(&mut self, reason: String, now: Timestamp) {
        let since = self.off.as_ref().map_or(now, |off| off.since);
        self.off = Some(Off { reason, since });
    }

    /// Halo's licences by the SKU that they are, those included that the tenant does not have any more:
    /// whoever was linked to one loses the link.
    pub fn linkable(&self) -> BTreeMap<SkuId, LicenceId> {
        self.skus.iter().filter_map(|(id, sku)| Some((*id, sku.halo?))).collect()
    }
}

/// The field of a user that holds links to licences (Halo's API documentation, `Users.software`).
pub fn licences_target() -> Target {
    Target::field("software")
}

/// The licences of Halo's that a person should be linked to: those that Entra says they hold. A link of
/// ours to a licence that is not in the ledger stays, because nobody can judge it.
pub(crate) fn wished(rules: &Rules<'_>, facts: &Facts, linked: Option<&Linked>) -> Wished {
    let Some(licences) = &rules.licences else { return Wished::default() };
    let held = facts.held_licences();
    let all = held.iter().filter_map(|sku| licences.get(sku)).map(|licence| licence.0).collect();
    let ours = linked.into_iter().flat_map(|linked| &linked.licences).copied();
    let unsure = ours.filter(|licence| !rules.is_licence(*licence)).collect();
    Wished { all, unsure }.sorted()
}

/// What is linked and unlinked, in words.
pub(crate) fn reasons(outcome: &Outcome) -> impl Iterator<Item = Reason> {
    let list = |licences: &BTreeSet<i64>| licences.iter().copied().collect::<Vec<_>>();
    let (given, taken) = (&outcome.given, &outcome.taken);
    let linked = (!given.is_empty()).then(|| Reason::LicencesLinked { licences: list(given) });
    let unlinked = (!taken.is_empty()).then(|| Reason::LicencesUnlinked { licences: list(taken) });
    linked.into_iter().chain(unlinked)
}

/// A licence of Halo's that may be the one we want (S1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which licence.
    pub id: LicenceId,
    /// Its name.
    pub name: String,
    /// What it says of the SKU that it is; empty where Halo does not keep it.
    pub sku: String,
    /// What it says of the tenant; empty where Halo does not keep it.
    pub tenant: String,
}

/// The licence that is this SKU of this tenant: one that says so, or, where Halo keeps neither, one of
/// its name that was not there before an earlier worker began to make it (T2). `others` = licences that
/// belong to other connections or SKUs (C1). `None` = it has to be made.
pub fn find(
    candidates: &[Candidate],
    id: SkuId,
    sku: &Sku,
    tenant: &TenantId,
    others: &BTreeSet<LicenceId>,
) -> Option<LicenceId> {
    let free = candidates.iter().filter(|it| !others.contains(&it.id));
    let says = |text: &str, wanted: &str| text.trim().eq_ignore_ascii_case(wanted);
    let (wanted, tenant) = (id.to_string(), tenant.to_string());
    let is_new = |it: &Candidate| sku.making.as_ref().is_some_and(|old| !old.contains(&it.id));
    let fits = |it: &&Candidate| {
        let same_sku = says(&it.sku, &wanted);
        let same_tenant = says(&it.tenant, &tenant);
        let unsaid = it.sku.trim().is_empty() && it.name == sku.name();
        (same_sku && same_tenant)
            || (is_new(it) && (same_sku || unsaid) && (same_tenant || it.tenant.trim().is_empty()))
    };
    free.filter(fits).map(|it| it.id).max()
}

/// What a failure to read licences means: only licences are concerned, so the run goes on without them
/// (S1). `None` = it is no matter of licences, and the run deals with it.
pub fn only_off(failure: &Failure) -> Option<String> {
    let told = match &failure.kind {
        Kind::Forbidden { code } => format!(
            "Licences are not imported ({code}). A permission is missing: grant the application Organization.Read.All with admin consent."
        ),
        Kind::Refused { .. } | Kind::Malformed { .. } => failure.sentence(),
        Kind::Throttled { .. }
        | Kind::Unavailable { .. }
        | Kind::LinkExpired
        | Kind::ForeignLink
        | Kind::EndlessPages
        | Kind::Incomplete { .. }
        | Kind::Credentials { .. }
        | Kind::BudgetSpent { .. } => return None,
    };
    Some(format!("{told} Everything else goes on."))
}
