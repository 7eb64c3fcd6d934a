//! The calls about licences: subscriptions, what a user holds, and assigning.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::access::Rights;
use super::super::call::Call;
use super::super::directory::{Kind, Seq};
use super::super::lists::show;
use super::super::model::Model;
use super::super::objects;
use super::super::properties;
use super::super::reply::{Answer, Reply};
use super::{AppliesTo, Order, Refusal, Sku, SkuStatus, carry_out};

/// Everything that `subscribedSkus` can select.
const SKU_PROPERTIES: &[&str] = &[
    "accountId",
    "accountName",
    "appliesTo",
    "capabilityStatus",
    "consumedUnits",
    "id",
    "prepaidUnits",
    "servicePlans",
    "skuId",
    "skuPartNumber",
    "subscriptionIds",
];

/// `/subscribedSkus`: one list without pages, which takes `$select` and nothing else.
pub(in super::super) fn subscribed(model: &Model, call: &Call) -> Answer {
    if let Some(option) = call.query.options().find(|option| *option != "$select") {
        let message = format!("The query option '{option}' is not supported.");
        return Err(Reply::unsupported_query(message));
    }
    let select = call.query.select();
    if let Some(name) = unknown(select.as_deref().unwrap_or_default(), SKU_PROPERTIES) {
        let message = format!(
            "Parsing OData Select and Expand failed: Could not find a property named '{name}' on \
             type 'microsoft.graph.subscribedSku'."
        );
        return Err(Reply::error(400, "BadRequest", message));
    }
    let skus = model.licences.skus.iter();
    let value: Vec<Value> =
        skus.map(|sku| selected(sku_item(model, sku), select.as_deref())).collect();
    let names = select.as_ref().map_or_else(String::new, |names| format!("({})", names.join(",")));
    let context = format!("{}/v1.0/$metadata#subscribedSkus{names}", call.base);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": value })))
}

fn unknown<'a>(names: &'a [String], known: &[&str]) -> Option<&'a String> {
    names.iter().find(|name| !known.contains(&name.as_str()))
}

fn selected(mut item: Value, select: Option<&[String]>) -> Value {
    if let (Some(names), Some(members)) = (select, item.as_object_mut()) {
        members.retain(|name, _| names.contains(name));
    }
    item
}

fn sku_item(model: &Model, sku: &Sku) -> Value {
    let tenant = &model.tenant;
    let seats = |status: SkuStatus| if sku.status == status { sku.seats } else { 0 };
    json!({
        "accountId": tenant.id,
        "accountName": tenant.name.to_lowercase(),
        "appliesTo": applies_to(sku),
        "capabilityStatus": sku.status.text(),
        "consumedUnits": model.licences.consumed(&model.directory, sku.id),
        "id": format!("{}_{}", tenant.id, sku.id),
        "prepaidUnits": {
            "enabled": seats(SkuStatus::Enabled),
            "suspended": seats(SkuStatus::Suspended),
            "warning": seats(SkuStatus::Warning),
            "lockedOut": seats(SkuStatus::LockedOut),
        },
        "servicePlans": [plan_item(sku)],
        "skuId": sku.id.to_string(),
        "skuPartNumber": sku.part_number,
        "subscriptionIds": [sku.subscription.to_string()],
    })
}

fn applies_to(sku: &Sku) -> &'static str {
    match sku.applies_to {
        AppliesTo::User => "User",
        AppliesTo::Company => "Company",
    }
}

fn plan_item(sku: &Sku) -> Value {
    let status = if sku.status.is_usable() { "Success" } else { "Disabled" };
    json!({ "servicePlanId": sku.plan.to_string(),
        "servicePlanName": format!("{}_PLAN", sku.part_number),
        "provisioningStatus": status, "appliesTo": applies_to(sku) })
}

/// `/users/{id}/licenseDetails`: what the user holds, through groups too.
pub(in super::super) fn details(model: &Model, call: &Call, key: &str) -> Answer {
    let slot = objects::find_live(model, Kind::User, key)?;
    let select = call.query.select();
    let tenant = Uuid::parse_str(&model.tenant.id).unwrap_or_default();
    let held = model.licences.held(slot).into_iter().filter_map(|id| model.licences.sku(id));
    let value: Vec<Value> = held
        .map(|sku| {
            let id = [tenant.to_bytes_le(), sku.id.to_bytes_le()].concat();
            let item = json!({ "id": URL_SAFE_NO_PAD.encode(id), "skuId": sku.id.to_string(),
                "skuPartNumber": sku.part_number, "servicePlans": [plan_item(sku)] });
            selected(item, select.as_deref())
        })
        .collect();
    let user = model.directory.object(slot).id;
    let context = format!("{}/v1.0/$metadata#users('{user}')/licenseDetails", call.base);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": value })))
}

/// `POST /users/{id}/assignLicense`, which answers with the user.
pub(in super::super) fn assign(
    model: &mut Model,
    call: &Call,
    rights: &Rights,
    key: &str,
) -> Answer {
    let order = read(&call.json()?)?;
    let slot = objects::find_live(model, Kind::User, key)?;
    let now = model.clock.now();
    carry_out(model, slot, order, now).map_err(|refusal| refused(&refusal))?;
    let object = model.directory.object(slot);
    let seen = object.seen_at(Seq::MAX).ok_or_else(|| Reply::not_found(key))?;
    let mut user = show(model, rights, object, &seen, Some(&properties::of_a_changed_user()));
    let context = format!("{}/v1.0/$metadata#users/$entity", call.base);
    user.insert("@odata.context".into(), context.into());
    Ok(Reply::ok(Value::Object(user)))
}

fn read(body: &Value) -> Result<Order, Reply> {
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    let missing: Vec<&str> =
        ["addLicenses", "removeLicenses"].into_iter().filter(|name| !given(name)).collect();
    if !missing.is_empty() {
        let message = format!(
            "One or more parameters of the operation 'assignLicense' are missing from the \
             request payload. The missing parameters are: {}.",
            missing.join(", ")
        );
        return Err(Reply::bad_request(message));
    }
    let add = list(body, "addLicenses")?.iter().map(addition).collect::<Result<_, _>>()?;
    let remove = list(body, "removeLicenses")?.iter().map(guid).collect::<Result<_, _>>()?;
    Ok(Order { add, remove })
}

fn list<'a>(body: &'a Value, name: &str) -> Result<&'a Vec<Value>, Reply> {
    let list = body.get(name).and_then(Value::as_array);
    list.ok_or_else(|| Reply::bad_request(format!("The parameter '{name}' is not a collection.")))
}

fn addition(licence: &Value) -> Result<(Uuid, Vec<Uuid>), Reply> {
    let empty = Map::new();
    let members = licence.as_object().unwrap_or(&empty);
    let sku = guid(members.get("skuId").unwrap_or(&Value::Null))?;
    let disabled = members.get("disabledPlans").and_then(Value::as_array);
    let disabled = disabled.into_iter().flatten().map(guid).collect::<Result<_, _>>()?;
    Ok((sku, disabled))
}

fn guid(value: &Value) -> Result<Uuid, Reply> {
    let text = value.as_str().filter(|text| text.len() == 36);
    text.and_then(|text| Uuid::try_parse(text).ok()).ok_or_else(|| {
        let message = "Cannot convert a primitive value to the expected type 'Edm.Guid'. See the \
                       inner exception for more details.";
        Reply::bad_request(message)
    })
}

/// The service's words, all seen in public reports: those of an excluded pair in the log of groups
/// only, so that here they are unverified.
fn refused(refusal: &Refusal) -> Reply {
    Reply::bad_request(match refusal {
        Refusal::UnknownSku(sku) => {
            format!("License {sku} does not correspond to a valid company License.")
        }
        Refusal::ForCompany(sku) => format!("License {sku} cannot be assigned to a user."),
        Refusal::UsageLocation => {
            "License assignment cannot be done for user with invalid usage location.".to_owned()
        }
        Refusal::NoSeats(sku) => {
            format!("Subscription with SKU {sku} does not have any available licenses.")
        }
        Refusal::Exclusive(one, other) => format!(
            "License assignment failed because service plans {one}, {other} are mutually exclusive."
        ),
        Refusal::Inherited => "User license is inherited from a group membership and it cannot be \
                               removed directly from the user."
            .to_owned(),
        Refusal::NotHeld => "User does not have a corresponding license.".to_owned(),
    })
}
