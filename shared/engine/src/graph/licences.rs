//! The calls about licences: subscriptions, who holds what, and assigning (S1, S2).

use std::collections::BTreeSet;

use plan::cursor::{Link, Next};
use plan::failure::{Failure, Kind};
use plan::ids::{ObjectId, SkuId};
use plan::licences::{
    AppliesTo, AssignedBy, AssignmentState, HoldState, Holder, LicenceChange, Seats, Standing,
    SubscribedSku,
};
use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Value, json};

use super::people::PAGE;
use super::wire::{self, Any, End, Many, Name, Reader, Scalar, Text};
use super::{Ask, Graph, Page, failed};

const READ_SKUS: &str = "read subscriptions";
const READ_HOLDERS: &str = "read who holds licences";
const READ_HOLDER: &str = "read a person's licences";
const ASSIGN: &str = "assign a licence";
const REMOVE: &str = "remove a licence";

/// What the import needs of everybody.
const HELD: &str = "id,assignedLicenses,licenseAssignmentStates";
/// The same of one person, and what has to be there before something can be assigned.
const HELD_BY_ONE: &str = "id,usageLocation,assignedLicenses,licenseAssignmentStates";

/// Pages of subscriptions that are read: the list is documented to have one, and no tenant has as
/// many products as would fill these.
const MOST_PAGES: u32 = 20;

impl Graph {
    /// All products that the tenant subscribes to, in Graph's order (S1).
    pub async fn subscribed_skus(&self) -> Result<Vec<SubscribedSku>, Failure> {
        let mut all = Vec::new();
        let mut link: Option<Link> = None;
        for _ in 0..MOST_PAGES {
            let start = || "/subscribedSkus".to_owned();
            let ask = self.following(READ_SKUS, link.as_ref(), start)?;
            let page = kept(self.page(&ask, ReadSku, End::NoLink).await?);
            all.extend(page.items);
            match page.next {
                Next::Page(next) => link = Some(next),
                Next::End(_) => return Ok(all),
            }
        }
        Err(failed(READ_SKUS, Kind::EndlessPages))
    }

    /// A page of everybody's licences; without a link the first one. The usage location is not read.
    pub async fn holders_page(&self, link: Option<&Link>) -> Result<Page<Holder>, Failure> {
        let start = || format!("/users?$select={HELD}&$top={PAGE}");
        let ask = self.following(READ_HOLDERS, link, start)?;
        Ok(kept(self.page(&ask, ReadHolder, End::NoLink).await?))
    }

    /// One person's licences and usage location as they are now; `None` = there is no such person.
    pub async fn holder(&self, id: ObjectId) -> Result<Option<Holder>, Failure> {
        let ask = self.asking(READ_HOLDER, &format!("/users/{id}?$select={HELD_BY_ONE}"))?;
        let answer = match self.get(&ask).await {
            Ok(answer) => answer,
            Err(Failure { kind: Kind::Refused { status: 404, code, .. }, .. })
                if code.eq_ignore_ascii_case("Request_ResourceNotFound") =>
            {
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let holder =
            wire::read(&answer.body, ReadHolder).map_err(|kind| failed(READ_HOLDER, kind))?;
        let expected = || failed(READ_HOLDER, wire::malformed("a person with an id"));
        holder.map(Some).ok_or_else(expected)
    }

    /// Assigns or removes one licence; once this is `Ok`, Graph has done it. After a failure in
    /// passing it may have been done as well: [`Graph::holder`] tells.
    ///
    /// To assign what is held directly already switches all of its plans on: look first.
    pub async fn assign_license(&self, id: ObjectId, change: LicenceChange) -> Result<(), Failure> {
        let (operation, body) = asked(change);
        let ask = self.asking(operation, &format!("/users/{id}/assignLicense"))?;
        let ask = Ask { body: Some(body.to_string().into_bytes()), ..ask };
        let answer = self.get(&ask).await?;
        // A success that does not show the person is a gateway's and says nothing about Graph.
        let person = wire::json(&answer.body).map_err(|kind| failed(operation, kind))?;
        if person.is_object() {
            return Ok(());
        }
        Err(failed(operation, wire::malformed("the person who was changed")))
    }
}

/// What a change is called, and the body that asks for it; both lists have to be there.
fn asked(change: LicenceChange) -> (&'static str, Value) {
    match change {
        LicenceChange::Assign(sku) => {
            let add = json!([{ "skuId": sku, "disabledPlans": [] }]);
            (ASSIGN, json!({ "addLicenses": add, "removeLicenses": [] }))
        }
        LicenceChange::Remove(sku) => {
            (REMOVE, json!({ "addLicenses": [], "removeLicenses": [sku] }))
        }
    }
}

fn kept<T>(page: wire::Body<Option<T>>) -> Page<T> {
    let all = page.items.len();
    let items: Vec<T> = page.items.into_iter().flatten().collect();
    let skipped = (all - items.len()) as u64;
    if skipped > 0 {
        tracing::warn!(skipped, "rows about licences have no usable id");
    }
    Page { items, next: page.next, skipped }
}

/// Reads a subscription; `None` = it has no usable id.
#[derive(Clone, Copy)]
struct ReadSku;

impl Reader for ReadSku {
    type Value = Option<SubscribedSku>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut part_number) = (None, None);
        let (mut applies_to, mut standing) = (AppliesTo::default(), Standing::default());
        let (mut seats, mut used) = (Seats::default(), 0);
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "skuId" => id = sku(object.next_value_seed(Any(Text))?),
                "skuPartNumber" => part_number = object.next_value_seed(Any(Text))?,
                "appliesTo" => applies_to = whom(object.next_value_seed(Any(Text))?),
                "capabilityStatus" => standing = stands(object.next_value_seed(Any(Text))?),
                "prepaidUnits" => seats = object.next_value_seed(Any(ReadSeats))?,
                "consumedUnits" => used = object.next_value_seed(Any(Count))?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        let part_number = part_number.filter(|name: &String| !name.trim().is_empty());
        Ok(id.map(|id| SubscribedSku {
            id,
            // A licence has to be called something.
            part_number: part_number.unwrap_or_else(|| id.to_string()),
            applies_to,
            standing,
            seats,
            used,
        }))
    }
}

fn sku(text: Option<String>) -> Option<SkuId> {
    text?.parse().ok()
}

fn whom(text: Option<String>) -> AppliesTo {
    match text.unwrap_or_default().to_ascii_lowercase().as_str() {
        "user" => AppliesTo::User,
        "company" => AppliesTo::Company,
        _ => AppliesTo::Unknown,
    }
}

fn stands(text: Option<String>) -> Standing {
    match text.unwrap_or_default().to_ascii_lowercase().as_str() {
        "enabled" => Standing::Enabled,
        "warning" => Standing::Warning,
        "suspended" => Standing::Suspended,
        "deleted" => Standing::Deleted,
        "lockedout" => Standing::LockedOut,
        _ => Standing::Unknown,
    }
}

/// Reads `prepaidUnits`.
#[derive(Clone, Copy)]
struct ReadSeats;

impl Reader for ReadSeats {
    type Value = Seats;

    fn other(self) -> Seats {
        Seats::default()
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Seats, A::Error> {
        let mut seats = Seats::default();
        while let Some(Name(name)) = object.next_key()? {
            let place = match name.as_ref() {
                "enabled" => &mut seats.enabled,
                "warning" => &mut seats.warning,
                "suspended" => &mut seats.suspended,
                "lockedOut" => &mut seats.locked_out,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = object.next_value_seed(Any(Count))?;
        }
        Ok(seats)
    }
}

/// A whole number, however it is written; anything else is none at all.
#[derive(Clone, Copy)]
struct Count;

impl Reader for Count {
    type Value = i64;

    fn other(self) -> i64 {
        0
    }

    fn scalar(self, scalar: Scalar<'_>) -> i64 {
        let text = scalar.into_text();
        let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
        whole.trim().parse().unwrap_or_default()
    }
}

/// Reads a person; `None` = there is no usable id.
#[derive(Clone, Copy)]
struct ReadHolder;

impl Reader for ReadHolder {
    type Value = Option<Holder>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut usage_location, mut assigned) = (None, None, None);
        let mut states = Vec::new();
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "id" => {
                    let text = object.next_value_seed(Any(Text))?;
                    id = text.and_then(|text| text.parse().ok());
                }
                "usageLocation" => {
                    let text = object.next_value_seed(Any(Text))?;
                    usage_location = text.filter(|text| !text.trim().is_empty());
                }
                "assignedLicenses" => assigned = object.next_value_seed(Any(ReadAssigned))?,
                "licenseAssignmentStates" => {
                    let read = object.next_value_seed(Any(Many(ReadState)))?;
                    states = read.into_iter().flatten().collect();
                }
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(id.map(|id| Holder { id, usage_location, assigned, states }))
    }
}

/// Reads `assignedLicenses`; `None` = it is no list, as where the application may not see it, which
/// must not be taken for nothing held.
#[derive(Clone, Copy)]
struct ReadAssigned;

impl Reader for ReadAssigned {
    type Value = Option<BTreeSet<SkuId>>;

    fn other(self) -> Self::Value {
        None
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut skus = BTreeSet::new();
        while let Some(one) = list.next_element_seed(Any(ReadLicence))? {
            skus.extend(one);
        }
        Ok(Some(skus))
    }
}

/// Reads an entry of `assignedLicenses`.
#[derive(Clone, Copy)]
struct ReadLicence;

impl Reader for ReadLicence {
    type Value = Option<SkuId>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "skuId" => id = sku(object.next_value_seed(Any(Text))?),
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(id)
    }
}

/// Reads an entry of `licenseAssignmentStates`; `None` = it does not say which licence, or whose.
#[derive(Clone, Copy)]
struct ReadState;

impl Reader for ReadState {
    type Value = Option<AssignmentState>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut by) = (None, Some(AssignedBy::Direct));
        let (mut state, mut error) = (HoldState::Unknown, None);
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "skuId" => id = sku(object.next_value_seed(Any(Text))?),
                "assignedByGroup" => by = giver(object.next_value_seed(Any(Text))?.as_deref()),
                "state" => state = holds(object.next_value_seed(Any(Text))?),
                "error" => error = hindrance(object.next_value_seed(Any(Text))?),
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(id.zip(by).map(|(sku, by)| AssignmentState { sku, by, state, error }))
    }
}

/// Null is direct. A text that names no group is somebody's: it must not look as if the licence could
/// be removed.
fn giver(group: Option<&str>) -> Option<AssignedBy> {
    match group.map(str::trim) {
        None | Some("") => Some(AssignedBy::Direct),
        Some(text) => text.parse().ok().map(AssignedBy::Group),
    }
}

fn holds(text: Option<String>) -> HoldState {
    match text.unwrap_or_default().to_ascii_lowercase().as_str() {
        "active" => HoldState::Active,
        "activewitherror" => HoldState::ActiveWithError,
        "disabled" => HoldState::Disabled,
        "error" => HoldState::Error,
        _ => HoldState::Unknown,
    }
}

/// `None` is how a healthy assignment says so.
fn hindrance(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty() && !text.eq_ignore_ascii_case("none"))
}

#[cfg(test)]
mod tests;
