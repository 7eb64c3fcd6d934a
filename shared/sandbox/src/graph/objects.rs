//! Reads of one object or of a handful by id.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::access::Rights;
use super::call::Call;
use super::directory::{Kind, Life, Seen, Slot};
use super::lists::{expanded_manager, live_manager, parse_expand, show, sign_in_allowed};
use super::model::Model;
use super::reply::{Answer, Reply};

/// At most this many groups in one check.
const MAX_CHECKED_GROUPS: usize = 20;

/// At most this many ids in one `getByIds`.
const MAX_IDS: usize = 1000;

/// The live object of the kind behind a key; by-id reads may lag behind.
pub(super) fn find_live(model: &Model, kind: Kind, key: &str) -> Result<Slot, Reply> {
    look(model, kind, key).map(|(slot, _)| slot)
}

fn look(model: &Model, kind: Kind, key: &str) -> Result<(Slot, Seen), Reply> {
    let found = model.directory.find_kind(kind, key).and_then(|slot| {
        let object = model.directory.object(slot);
        let seen = object.seen_at(model.sight(model.faults.by_id_delay))?;
        (seen.life == Life::Live).then_some((slot, seen))
    });
    found.ok_or_else(|| Reply::not_found(key))
}

/// `/users/{id|upn}` and `/groups/{id}`.
pub(super) fn get(
    model: &mut Model,
    call: &Call,
    rights: &Rights,
    kind: Kind,
    key: &str,
) -> Answer {
    let select = call.query.select();
    if select.iter().flatten().any(|name| name == "signInActivity") {
        if Uuid::parse_str(key).is_err() {
            let message = "Get By Key only supports UserId and the key has to be a valid Guid";
            return Err(Reply::error(400, "400", message));
        }
        sign_in_allowed(model, rights)?;
    }
    let expand = parse_expand(call, false)?;
    let (slot, seen) = look(model, kind, key)?;
    let object = model.directory.object(slot);
    let mut item = show(model, rights, object, &seen, select.as_deref());
    if let Some(expand) = expand {
        item.extend(expanded_manager(model, rights, &seen, &expand));
    }
    let set = if kind == Kind::User { "users" } else { "groups" };
    Ok(Reply::ok(entity(call, set, select.as_deref(), item)))
}

fn entity(
    call: &Call,
    set: &str,
    select: Option<&[String]>,
    mut item: Map<String, Value>,
) -> Value {
    let names = select.map_or_else(String::new, |names| format!("({})", names.join(",")));
    let context = format!("{}/v1.0/$metadata#{set}{names}/$entity", call.base);
    item.insert("@odata.context".into(), context.into());
    Value::Object(item)
}

/// `/users/{id}/manager`.
pub(super) fn manager(model: &Model, call: &Call, rights: &Rights, key: &str) -> Answer {
    let (_, seen) = look(model, Kind::User, key)?;
    let manager = live_manager(model, &seen, model.faults.by_id_delay);
    let (manager, seen) = manager.ok_or_else(|| Reply::not_found("manager"))?;
    let select = call.query.select();
    let mut item = show(model, rights, manager, &seen, select.as_deref());
    item.insert("@odata.type".into(), manager.kind.odata_type().into());
    Ok(Reply::ok(entity(call, "directoryObjects", None, item)))
}

/// `checkMemberGroups`: which of the named groups the user is in, at any depth.
pub(super) fn check_member_groups(model: &Model, call: &Call, key: &str) -> Answer {
    let slot = find_live(model, Kind::User, key)?;
    let wanted = texts(&call.json()?, "groupIds")?;
    if wanted.len() > MAX_CHECKED_GROUPS {
        let message = "The number of values in 'groupIds' must not exceed 20.";
        return Err(Reply::bad_request(message));
    }
    let groups = model.directory.transitive_groups(slot);
    let member = |id: &String| model.directory.find(id).is_some_and(|slot| groups.contains(&slot));
    let value: Vec<String> = wanted.into_iter().filter(member).collect();
    let context = format!("{}/v1.0/$metadata#Collection(Edm.String)", call.base);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": value })))
}

/// `directoryObjects/getByIds`; unknown ids are left out.
pub(super) fn get_by_ids(model: &Model, call: &Call, rights: &Rights) -> Answer {
    let body = call.json()?;
    let ids = texts(&body, "ids")?;
    if ids.len() > MAX_IDS {
        let message = "The number of values in 'ids' must not exceed 1000.";
        return Err(Reply::bad_request(message));
    }
    let types = if body.get("types").is_some() { texts(&body, "types")? } else { Vec::new() };
    let wanted = |kind: Kind| {
        let name = kind.odata_type().trim_start_matches("#microsoft.graph.");
        types.is_empty() || types.iter().any(|wanted| wanted == name)
    };
    let select = call.query.select();
    let value: Vec<Value> = ids
        .iter()
        .filter_map(|id| model.directory.find(id))
        .map(|slot| model.directory.object(slot))
        .filter(|object| wanted(object.kind))
        .filter_map(|object| {
            let seen = object.seen_at(model.sight(model.faults.by_id_delay))?;
            let mut item = show(model, rights, object, &seen, select.as_deref());
            item.insert("@odata.type".into(), object.kind.odata_type().into());
            (seen.life == Life::Live).then_some(Value::Object(item))
        })
        .collect();
    let context = format!("{}/v1.0/$metadata#directoryObjects", call.base);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": value })))
}

fn texts(body: &Value, name: &str) -> Result<Vec<String>, Reply> {
    let values = body.get(name).and_then(Value::as_array);
    let texts = values.and_then(|values| {
        values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    texts
        .ok_or_else(|| Reply::bad_request(format!("The parameter '{name}' is missing or invalid.")))
}
