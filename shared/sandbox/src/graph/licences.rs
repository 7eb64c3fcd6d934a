//! Licences of the tenant: what was bought, and who holds it, directly or through a group.
//!
//! What people hold is written into their properties `assignedLicenses` and `licenseAssignmentStates`,
//! so that lists, single reads and delta show it as they show everything else.

mod calls;
mod handle;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::directory::{Directory, Kind, Life, Slot};
use super::model::Model;
use super::properties;

pub(super) use calls::{assign, details, subscribed};

/// The property with everything that a user holds.
const ASSIGNED: &str = "assignedLicenses";

/// The property with where each licence comes from, and what could not be given.
const STATES: &str = "licenseAssignmentStates";

/// The property without which nothing can be assigned.
const LOCATION: &str = "usageLocation";

/// Whether a subscription can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkuStatus {
    /// Paid and running.
    Enabled,
    /// Ended a short while ago; its seats still count.
    Warning,
    /// Ended.
    Suspended,
    /// Locked by Microsoft.
    LockedOut,
    /// Cancelled for good; it has no seats any more.
    Deleted,
}

impl SkuStatus {
    fn text(self) -> &'static str {
        match self {
            SkuStatus::Enabled => "Enabled",
            SkuStatus::Warning => "Warning",
            SkuStatus::Suspended => "Suspended",
            SkuStatus::LockedOut => "LockedOut",
            SkuStatus::Deleted => "Deleted",
        }
    }

    fn is_usable(self) -> bool {
        matches!(self, SkuStatus::Enabled | SkuStatus::Warning)
    }
}

/// Whom a product is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AppliesTo {
    User,
    Company,
}

/// A product that the tenant subscribes to. All its seats are in the state of its status.
#[derive(Clone)]
struct Sku {
    id: Uuid,
    part_number: String,
    applies_to: AppliesTo,
    status: SkuStatus,
    seats: i64,
    /// Its one service plan.
    plan: Uuid,
    subscription: Uuid,
}

impl Sku {
    /// Seats that people can hold: enabled and warning.
    fn usable(&self) -> i64 {
        if self.status.is_usable() { self.seats } else { 0 }
    }
}

/// Why a licence of a group was not given to a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Violation {
    Count,
    MutuallyExclusive,
    /// Another licence of the same group could not be given.
    Other,
}

impl Violation {
    fn text(self) -> &'static str {
        match self {
            Violation::Count => "CountViolation",
            Violation::MutuallyExclusive => "MutuallyExclusiveViolation",
            Violation::Other => "Other",
        }
    }
}

/// One way by which a user holds a licence, or should.
#[derive(Clone)]
struct Way {
    sku: Uuid,
    /// The group that gives it; `None` = directly.
    group: Option<Slot>,
    disabled: Vec<Uuid>,
    error: Option<Violation>,
    since: Timestamp,
}

impl Way {
    fn is_direct(&self, sku: Uuid) -> bool {
        self.sku == sku && self.group.is_none()
    }
}

/// A usage location that assigning still sees, though the directory has another one.
#[derive(Clone)]
struct OldLocation {
    value: Value,
    /// Assignments that see it.
    left: u32,
}

/// All of it.
#[derive(Clone, Default)]
pub(super) struct Licences {
    /// In the order in which they were bought.
    skus: Vec<Sku>,
    ways: BTreeMap<Slot, Vec<Way>>,
    /// What groups give to their members.
    groups: BTreeMap<Slot, Vec<Uuid>>,
    /// Pairs of which nobody can hold both.
    conflicts: Vec<(Uuid, Uuid)>,
    locations: BTreeMap<Slot, OldLocation>,
}

/// A change of what a user holds directly: all of it happens, or nothing.
struct Order {
    /// With the plans that stay off.
    add: Vec<(Uuid, Vec<Uuid>)>,
    remove: Vec<Uuid>,
}

/// Why an order is not carried out.
enum Refusal {
    UnknownSku(Uuid),
    ForCompany(Uuid),
    UsageLocation,
    NoSeats(Uuid),
    Exclusive(Uuid, Uuid),
    Inherited,
    NotHeld,
}

impl Licences {
    fn sku(&self, id: Uuid) -> Option<&Sku> {
        self.skus.iter().find(|sku| sku.id == id)
    }

    fn ways(&self, user: Slot) -> &[Way] {
        self.ways.get(&user).map_or(&[], Vec::as_slice)
    }

    /// What a user holds, each once, in the order in which it was given.
    fn held(&self, user: Slot) -> Vec<Uuid> {
        let mut held = Vec::new();
        for way in self.ways(user).iter().filter(|way| way.error.is_none()) {
            if !held.contains(&way.sku) {
                held.push(way.sku);
            }
        }
        held
    }

    /// People who hold it, however many ways each has; the deleted ones do not count.
    fn consumed(&self, directory: &Directory, sku: Uuid) -> i64 {
        let holds = |ways: &[Way]| ways.iter().any(|way| way.sku == sku && way.error.is_none());
        let live = |user: &Slot| directory.object(*user).life == Life::Live;
        let holders = self.ways.iter().filter(|(user, ways)| live(user) && holds(ways)).count();
        i64::try_from(holders).unwrap_or(i64::MAX)
    }

    fn free(&self, directory: &Directory, sku: Uuid) -> i64 {
        let usable = self.sku(sku).map_or(0, Sku::usable);
        usable - self.consumed(directory, sku)
    }

    /// What of `held` nobody can hold beside `sku`.
    fn excluded(&self, held: &[Uuid], sku: Uuid) -> Option<Uuid> {
        let other = |pair: &(Uuid, Uuid)| match *pair {
            (one, other) if one == sku => Some(other),
            (other, one) if one == sku => Some(other),
            _ => None,
        };
        self.conflicts.iter().filter_map(other).find(|other| held.contains(other))
    }

    /// Gives a licence directly, or changes the plans of one that is held directly.
    fn give(&mut self, user: Slot, sku: Uuid, disabled: Vec<Uuid>, now: Timestamp) {
        let ways = self.ways.entry(user).or_default();
        match ways.iter_mut().find(|way| way.is_direct(sku)) {
            Some(way) => (way.disabled, way.since) = (disabled, now),
            None => ways.push(Way { sku, group: None, disabled, error: None, since: now }),
        }
    }

    /// Takes a licence that was given directly.
    fn take(&mut self, user: Slot, sku: Uuid) {
        if let Some(ways) = self.ways.get_mut(&user) {
            ways.retain(|way| !way.is_direct(sku));
        }
    }
}

/// Carries out an order as `assignLicense` does: everything is checked first.
fn carry_out(model: &mut Model, user: Slot, order: Order, now: Timestamp) -> Result<(), Refusal> {
    check_products(model, &order)?;
    if !order.add.is_empty() && !has_location(model, user) {
        return Err(Refusal::UsageLocation);
    }
    check_additions(model, user, &order)?;
    check_removals(model, user, &order)?;
    for sku in order.remove {
        model.licences.take(user, sku);
    }
    for (sku, disabled) in order.add {
        model.licences.give(user, sku, disabled, now);
    }
    publish(model, user, now);
    Ok(())
}

fn check_products(model: &Model, order: &Order) -> Result<(), Refusal> {
    let added = order.add.iter().map(|(sku, _)| *sku);
    for id in added.clone().chain(order.remove.iter().copied()) {
        model.licences.sku(id).ok_or(Refusal::UnknownSku(id))?;
    }
    let company =
        |id: &Uuid| model.licences.sku(*id).is_some_and(|sku| sku.applies_to == AppliesTo::Company);
    added.into_iter().find(company).map_or(Ok(()), |id| Err(Refusal::ForCompany(id)))
}

fn check_additions(model: &Model, user: Slot, order: &Order) -> Result<(), Refusal> {
    let licences = &model.licences;
    let mut held = licences.held(user);
    for (sku, _) in &order.add {
        if !held.contains(sku) && licences.free(&model.directory, *sku) < 1 {
            return Err(Refusal::NoSeats(*sku));
        }
    }
    let inherited = |id: &Uuid| {
        let mut ways = licences.ways(user).iter();
        ways.any(|way| way.sku == *id && way.group.is_some() && way.error.is_none())
    };
    held.retain(|sku| !order.remove.contains(sku) || inherited(sku));
    for (sku, _) in &order.add {
        if let Some(other) = licences.excluded(&held, *sku) {
            return Err(Refusal::Exclusive(*sku, other));
        }
        held.push(*sku);
    }
    Ok(())
}

fn check_removals(model: &Model, user: Slot, order: &Order) -> Result<(), Refusal> {
    let ways = model.licences.ways(user);
    for sku in &order.remove {
        if ways.iter().any(|way| way.is_direct(*sku)) {
            continue;
        }
        let inherited = ways.iter().any(|way| way.sku == *sku);
        return Err(if inherited { Refusal::Inherited } else { Refusal::NotHeld });
    }
    Ok(())
}

/// Whether assigning sees a usage location, which after a change it may do only later.
fn has_location(model: &mut Model, user: Slot) -> bool {
    let set = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    if let Some(old) = model.licences.locations.get_mut(&user)
        && super::faults::take(&mut old.left)
    {
        return set(&old.value);
    }
    model.licences.locations.remove(&user);
    model.directory.object(user).properties().get(LOCATION).is_some_and(set)
}

/// Notes the usage location that a patch is about to replace, for as long as assigning sees it.
pub(super) fn location_changes(model: &mut Model, user: Slot, patch: &Map<String, Value>) {
    let left = model.faults.usage_location_lag;
    if left == 0 || !patch.contains_key(LOCATION) {
        return;
    }
    let properties = model.directory.object(user).properties();
    let value = properties.get(LOCATION).cloned().unwrap_or_default();
    model.licences.locations.insert(user, OldLocation { value, left });
}

/// Gives the members of a group what it gives, and takes it from those who are no longer members.
/// Only direct members count: licences do not reach into nested groups.
pub(super) fn settle_group(model: &mut Model, group: Slot, now: Timestamp) {
    let Some(given) = model.licences.groups.get(&group) else { return };
    let is_there = model.directory.object(group).life == Life::Live;
    let given = if is_there { given.clone() } else { Vec::new() };
    let users: Vec<Slot> = model.directory.members(group).order.values().copied().collect();
    let members: BTreeSet<Slot> = users.iter().copied().collect();
    let mut touched = BTreeSet::new();
    for (user, ways) in &mut model.licences.ways {
        let before = ways.len();
        let stays = |way: &Way| members.contains(user) && given.contains(&way.sku);
        ways.retain(|way| way.group != Some(group) || stays(way));
        if ways.len() < before {
            touched.insert(*user);
        }
    }
    for user in users {
        if inherit(model, user, group, &given, now) {
            touched.insert(user);
        }
    }
    for user in touched {
        publish(model, user, now);
    }
}

/// Settles all groups of a user who returned.
pub(super) fn settle_user(model: &mut Model, user: Slot, now: Timestamp) {
    for group in model.directory.object(user).groups.clone() {
        settle_group(model, group, now);
    }
}

/// Gives a member what it lacks of a group's licences; true if there was something. Of the licences
/// that come together all are given, or none.
fn inherit(model: &mut Model, user: Slot, group: Slot, given: &[Uuid], now: Timestamp) -> bool {
    let object = model.directory.object(user);
    if object.kind != Kind::User || object.life != Life::Live {
        return false;
    }
    let ways = model.licences.ways(user);
    let comes = |sku: &Uuid| ways.iter().any(|way| way.sku == *sku && way.group == Some(group));
    let missing: Vec<Uuid> = given.iter().copied().filter(|sku| !comes(sku)).collect();
    let found: Vec<Option<Violation>> =
        missing.iter().map(|sku| violation(model, user, *sku)).collect();
    let fails = found.iter().any(Option::is_some);
    let all = model.licences.ways.entry(user).or_default();
    for (sku, error) in missing.iter().zip(found) {
        let error = if fails { error.or(Some(Violation::Other)) } else { None };
        all.push(Way { sku: *sku, group: Some(group), disabled: Vec::new(), error, since: now });
    }
    !missing.is_empty()
}

fn violation(model: &Model, user: Slot, sku: Uuid) -> Option<Violation> {
    let licences = &model.licences;
    let held = licences.held(user);
    if !held.contains(&sku) && licences.free(&model.directory, sku) < 1 {
        return Some(Violation::Count);
    }
    licences.excluded(&held, sku).map(|_| Violation::MutuallyExclusive)
}

/// Writes what a user holds into the user's properties.
fn publish(model: &mut Model, user: Slot, now: Timestamp) {
    let before = model.directory.object(user).properties();
    let mut patch = Map::new();
    for (name, value) in [(ASSIGNED, assigned(model, user)), (STATES, states(model, user))] {
        // Who never had a licence has never had the property.
        let news = before.contains_key(name) || value != json!([]);
        patch.extend(news.then(|| (name.to_owned(), value)));
    }
    let silent = model.faults.licences_untracked;
    let tracked = |name: &str| properties::tracked(name) && !(silent && name == ASSIGNED);
    model.directory.set(user, &patch, now, tracked);
}

fn assigned(model: &Model, user: Slot) -> Value {
    let shown = |sku: Uuid| {
        let ways = model.licences.ways(user);
        let mut ways = ways.iter().filter(|way| way.sku == sku && way.error.is_none());
        let first = ways.next().map(|way| way.disabled.clone()).unwrap_or_default();
        // A plan is off if no way switches it on.
        let off = ways.fold(first, |mut off, way| {
            off.retain(|plan| way.disabled.contains(plan));
            off
        });
        json!({ "skuId": sku.to_string(), "disabledPlans": texts(&off) })
    };
    model.licences.held(user).into_iter().map(shown).collect()
}

fn states(model: &Model, user: Slot) -> Value {
    let shown = |way: &Way| {
        let group = way.group.map(|group| model.directory.object(group).id.to_string());
        let state = if way.error.is_some() { "Error" } else { "Active" };
        json!({ "skuId": way.sku.to_string(), "disabledPlans": texts(&way.disabled),
            "assignedByGroup": group, "state": state,
            "error": way.error.map_or("None", Violation::text),
            "lastUpdatedDateTime": way.since.to_string() })
    };
    model.licences.ways(user).iter().map(shown).collect()
}

fn texts(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(Uuid::to_string).collect()
}
