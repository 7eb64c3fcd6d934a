//! The ledger of licences as people see it: what a tenant has, what is free, and who holds what (S1).

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;
use plan::facts::Facts;
use plan::ids::{ConnectionId, LicenceId, ObjectId, SkuId};
use plan::licences::{AppliesTo, AssignedBy, HoldState, Sku, Standing};
use plan::link::{HaloValue, Linked};
use serde::Serialize;
use utoipa::ToSchema;

use super::Refusal;
use crate::Engine;
use crate::store::log::PersonNames;
use crate::store::people::Person;

/// A page of the licences of a connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LicenceList {
    /// They, in order of their SKUs.
    pub licences: Vec<Licence>,
    /// When Entra last told of them; `null` = never.
    #[schema(required)]
    pub read: Option<Timestamp>,
    /// Why they are not imported at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<NotImported>,
    /// Where the next page goes on.
    #[serde(skip)]
    pub next: Option<String>,
}

/// Why licences are not imported; everything else goes on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotImported {
    /// What happened and what to do.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A licence of a tenant.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Licence {
    /// The same in every tenant.
    pub sku: SkuId,
    /// What people call it; the part number where that is not known.
    pub name: String,
    /// Its technical name.
    pub part_number: String,
    /// Whom it is for; nobody can be given what is for the company as a whole.
    pub applies_to: AppliesTo,
    /// Whether it can be used.
    pub standing: Standing,
    /// Since when the tenant does not have it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Timestamp>,
    /// Seats that people can hold.
    pub enabled: i64,
    /// Seats that are taken.
    pub used: i64,
    /// Seats that nobody holds; negative where more are held than there are.
    pub free: i64,
    /// Seats that Halo asked for and that are not given yet (S2).
    pub in_flight: u64,
    /// The software licence in Halo that it is; `null` = none yet.
    #[schema(required)]
    pub halo_licence: Option<LicenceId>,
    /// Why Halo did not take it; it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A page of the people who hold a licence.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HolderList {
    /// The licence.
    pub licence: Licence,
    /// They, in order of their object ids.
    pub holders: Vec<LicenceHolder>,
    /// Where the next page goes on.
    #[serde(skip)]
    pub next: Option<String>,
}

/// Somebody who holds a licence, or should.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LicenceHolder {
    /// Who.
    pub person: PersonNames,
    /// Whether they hold it in Entra.
    pub holds: bool,
    /// Where it comes from; empty where Entra was not asked yet.
    pub given: Vec<Given>,
    /// Their user in Halo.
    #[schema(required)]
    pub halo_user: Option<i64>,
    /// Whether that user is linked to the licence, as far as we know.
    pub linked: bool,
}

/// A way by which somebody holds a licence, or should.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Given {
    /// The group that gives it; `null` = given to the person directly.
    #[schema(required)]
    pub group: Option<ObjectId>,
    /// Whether it works.
    pub state: HoldState,
    /// What stands in the way, in Entra's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Engine {
    /// Licences of a connection, behind `after`. Changes nothing.
    pub async fn licences(
        &self,
        id: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<LicenceList, Refusal> {
        let book = self.store.book(id).await?.map(|book| book.value).unwrap_or_default();
        let after = after.and_then(|after| after.parse::<SkuId>().ok());
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = book.skus.range((from, Bound::Unbounded));
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let next = rest.next().and(page.last()).map(|(sku, _)| sku.to_string());
        let flying = self.store.seats_in_flight(id).await?;
        let licences = page.into_iter().map(|(id, sku)| licence(*id, sku, &flying)).collect();
        let off = book.off.map(|off| NotImported { reason: off.reason, since: off.since });
        Ok(LicenceList { licences, read: book.read, off, next })
    }

    /// The people who hold a licence, or should, behind `after`; `None` = the connection has no such
    /// licence. Changes nothing.
    pub async fn licence_holders(
        &self,
        id: &ConnectionId,
        sku: SkuId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Option<HolderList>, Refusal> {
        let book = self.store.book(id).await?.map(|book| book.value).unwrap_or_default();
        let Some(known) = book.skus.get(&sku) else { return Ok(None) };
        let licence = licence(sku, known, &self.store.seats_in_flight(id).await?);
        let (ids, next) = self.store.holders(id, sku, after, limit).await?;
        let people = self.store.people(id, ids).await?;
        let holders = people.iter().map(|(id, person)| holder(*id, &person.value, sku, known.halo));
        let holders = holders.filter(LicenceHolder::is_one).collect();
        Ok(Some(HolderList { licence, holders, next }))
    }
}

impl LicenceHolder {
    /// Somebody may be left over in the list for a moment after losing the licence.
    fn is_one(&self) -> bool {
        self.holds || !self.given.is_empty()
    }
}

fn licence(id: SkuId, sku: &Sku, flying: &BTreeMap<SkuId, u64>) -> Licence {
    Licence {
        sku: id,
        name: sku.name().to_owned(),
        part_number: sku.part_number.clone(),
        applies_to: sku.applies_to,
        standing: sku.standing,
        gone: sku.gone,
        enabled: sku.seats.usable(),
        used: sku.used,
        free: sku.free(),
        in_flight: flying.get(&id).copied().unwrap_or(0),
        halo_licence: sku.halo,
        trouble: sku.refused.as_ref().map(|refused| refused.sentence.clone()),
    }
}

fn holder(id: ObjectId, person: &Person, sku: SkuId, licence: Option<LicenceId>) -> LicenceHolder {
    let user = person.link.user.as_ref();
    LicenceHolder {
        person: PersonNames::of(id, person),
        holds: person.facts.held_licences().contains(&sku),
        given: given(&person.facts, sku),
        halo_user: user.map(|user| user.record.id),
        linked: licence.is_some_and(|licence| user.is_some_and(|user| links(user, licence))),
    }
}

fn given(facts: &Facts, sku: SkuId) -> Vec<Given> {
    let states = facts.licences.iter().filter(|state| state.sku == sku);
    let given = states.map(|state| Given {
        group: match state.by {
            AssignedBy::Direct => None,
            AssignedBy::Group(group) => Some(group),
        },
        state: state.state,
        error: state.error.clone(),
    });
    given.collect()
}

fn links(user: &Linked, licence: LicenceId) -> bool {
    let held = user.image.get(&plan::licences::licences_target());
    matches!(held, Some(HaloValue::Ids(ids)) if ids.contains(&licence.0))
}
