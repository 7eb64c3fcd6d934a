//! Properties that are arrays: roles, custom fields, software and CAB members, and what posting them does.

use serde_json::{Value, json};

use super::fields::Set;
use super::kinds::Kind;
use super::knobs::{CustomFields, NullInUpdate};
use super::model::{Model, Row, int, text};
use super::render::role_number;

impl Model {
    /// Lays what was posted over a record. Unknown and derived properties have no effect.
    pub(super) fn merge(&self, kind: Kind, id: i64, row: &mut Row, posted: &Row) {
        for (name, value) in posted {
            let known = kind.field(name).is_some_and(|field| field.set == Set::Posted);
            if self.knobs.forgets.contains(name.as_str()) {
                continue;
            }
            if value.is_null() {
                if known && self.knobs.null_in_update == NullInUpdate::Clears {
                    row.remove(name);
                }
            } else if known {
                self.set(kind, id, row, name, value);
            } else if kind == Kind::Roles && name == "id" {
                row.insert(name.clone(), value.clone());
            } else {
                self.follow_companion(kind, id, row, name, value);
            }
        }
    }

    fn set(&self, kind: Kind, id: i64, row: &mut Row, name: &str, value: &Value) {
        let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let (name, value) = match (kind, name) {
            (Kind::Users | Kind::Agents, "roles" | "role_ids") => {
                ("roles", json!(self.roles(kind, elements)))
            }
            (_, "customfields") => (name, self.custom_fields(row, elements)),
            (Kind::Users, "software") => (name, self.software(id, elements)),
            (Kind::Cabs, "members") => (name, self.members(id, elements)),
            _ => (name, value.clone()),
        };
        row.insert(name.to_owned(), value);
    }

    /// `add_x` and `delete_x` change the array `x` by some elements; `_remove_license_id` unlinks
    /// one licence.
    fn follow_companion(&self, kind: Kind, id: i64, row: &mut Row, name: &str, value: &Value) {
        let stored =
            |name: &str| row.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let (name, array) = if let Some(name) = name.strip_prefix("add_") {
            let kept = without(stored(name), elements);
            (name, kept.into_iter().chain(elements.iter().cloned()).collect())
        } else if let Some(name) = name.strip_prefix("delete_") {
            (name, without(stored(name), elements))
        } else if name == "_remove_license_id" {
            let mut kept = stored("software");
            kept.retain(|held| held["licence_id"] != *value);
            ("software", kept)
        } else {
            return;
        };
        if kind.field(name).is_some() {
            self.set(kind, id, row, name, &Value::Array(array));
        }
    }

    /// Which kind of roles a record holds.
    pub(super) fn role_kind(kind: Kind) -> Kind {
        if kind == Kind::Agents { Kind::Roles } else { Kind::UserRoles }
    }

    /// The number of a role that is posted as a number, as an object, or by an agent role's text id.
    pub(super) fn find_role(&self, holder: Kind, posted: &Value) -> Option<i64> {
        let kind = Self::role_kind(holder);
        let id = posted.as_i64().or_else(|| role_number(posted));
        let by_text = || {
            let wanted = posted["id"].as_str()?;
            let mut roles = self.table(kind).rows.iter();
            let named = roles.find(|(_, role)| text(role, "id").eq_ignore_ascii_case(wanted));
            named.map(|(id, _)| *id).or_else(|| wanted.parse().ok())
        };
        id.or_else(by_text).filter(|id| self.row(kind, *id).is_some())
    }

    fn roles(&self, holder: Kind, posted: &[Value]) -> Vec<Value> {
        let kind = Self::role_kind(holder);
        let mut ids: Vec<i64> =
            posted.iter().filter_map(|role| self.find_role(holder, role)).collect();
        ids.sort_unstable();
        ids.dedup();
        let shown = |id: i64| {
            let role = self.row(kind, id)?;
            let name = text(role, "name");
            if kind == Kind::UserRoles {
                return Some(json!({ "id": id, "name": name }));
            }
            let own = role.get("id").cloned().unwrap_or_else(|| json!(id.to_string()));
            Some(json!({ "id": own, "id_int": id, "name": name }))
        };
        ids.into_iter().filter_map(shown).collect()
    }

    /// Custom fields are posted by id or name; those that are not defined have no effect.
    fn custom_fields(&self, row: &Row, posted: &[Value]) -> Value {
        let kept = match self.knobs.custom_fields {
            CustomFields::Replace => Vec::new(),
            CustomFields::Merge => {
                row.get("customfields").and_then(Value::as_array).cloned().unwrap_or_default()
            }
        };
        let new: Vec<Value> = posted.iter().filter_map(|field| self.custom_field(field)).collect();
        let mut all = without(kept, &new);
        all.extend(new.into_iter().filter(|field| !field["value"].is_null()));
        all.sort_by_key(|field| field["id"].as_i64());
        Value::Array(all)
    }

    fn custom_field(&self, posted: &Value) -> Option<Value> {
        let rows = &self.table(Kind::FieldInfo).rows;
        let (id, info) = if let Some(id) = posted["id"].as_i64() {
            rows.get_key_value(&id)?
        } else {
            let name = posted["name"].as_str()?;
            rows.iter().find(|(_, info)| text(info, "name").eq_ignore_ascii_case(name))?
        };
        let value = &posted["value"];
        let options = info.get("values").and_then(Value::as_array);
        let chosen = options.into_iter().flatten().find(|option| option["id"] == *value);
        let display = chosen.map_or_else(|| value.clone(), |option| option["name"].clone());
        let info_of = |name: &str| info.get(name).cloned().unwrap_or_default();
        Some(json!({
            "id": id, "name": info_of("name"), "label": info_of("label"), "type": int(info, "type"),
            "value": value, "display": display,
        }))
    }

    fn software(&self, user_id: i64, posted: &[Value]) -> Value {
        let complete = |(number, held): (i64, &Value)| {
            let licence_id = held["licence_id"].as_i64().unwrap_or_default();
            let licence = self.row(Kind::Licences, licence_id);
            let name = licence.map_or("", |licence| text(licence, "name"));
            let mut held = held.clone();
            if held["id"].as_i64().is_none_or(|id| id <= 0) {
                held["id"] = json!(user_id * 1000 + number);
            }
            held["user_id"] = json!(user_id);
            held["licence_name"] = json!(name);
            held
        };
        (1..).zip(posted.iter().filter(|held| held.is_object())).map(complete).collect()
    }

    fn members(&self, cab_id: i64, posted: &[Value]) -> Value {
        let mut next = self.next_id(Kind::CabMembers);
        let complete = |member: &Value| {
            let mut member = member.clone();
            if member["id"].as_i64().is_none_or(|id| id <= 0) {
                member["id"] = json!(next);
                next += 1;
            }
            let agent = member["agent_id"].as_i64().and_then(|id| self.row(Kind::Agents, id));
            let user = member["user_id"].as_i64().and_then(|id| self.row(Kind::Users, id));
            let named = agent.or(user).map_or("", |row| text(row, "name"));
            let email = user.map_or("", |row| text(row, "emailaddress"));
            let email = agent.map_or(email, |row| text(row, "email"));
            member["cab_id"] = json!(cab_id);
            member["member_name"] = json!(named);
            member["emailaddress"] = json!(email);
            member
        };
        posted.iter().filter(|member| member.is_object()).map(complete).collect()
    }
}

/// Elements that are in none of `others`, by id.
fn without(elements: Vec<Value>, others: &[Value]) -> Vec<Value> {
    let same = |one: &Value, other: &Value| {
        one["id"] == other["id"]
            || role_number(one).is_some_and(|id| role_number(other) == Some(id))
    };
    elements.into_iter().filter(|one| !others.iter().any(|other| same(one, other))).collect()
}
