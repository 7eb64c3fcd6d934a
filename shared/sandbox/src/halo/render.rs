//! What a record looks like in a list row and in its detail.

use serde_json::{Value, json};

use super::fields::{Field, Set, Shown, Type};
use super::kinds::Kind;
use super::knobs::{AgentRows, HeldRoles, UserRows};
use super::model::{Model, Row, int, text};

/// What a list row has beyond the usual, because the request asked for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    /// Custom fields with these ids.
    pub(super) custom_fields: Vec<i64>,
    /// Properties that are otherwise left to the detail.
    pub(super) properties: Vec<&'static str>,
}

impl Model {
    /// The record with everything the detail shows.
    pub(super) fn detail(&self, kind: Kind, id: i64) -> Option<Value> {
        let row = self.row(kind, id)?;
        let mut shown = Row::new();
        shown.insert("id".to_owned(), shown_id(kind, id, row));
        for field in kind.fields() {
            shown.insert(field.name.to_owned(), self.shown(kind, id, row, field));
        }
        self.show_roles(kind, row, &mut shown);
        Some(Value::Object(shown))
    }

    /// The record as a list shows it. Custom fields stand there as `null`.
    pub(super) fn list_row(&self, kind: Kind, id: i64, extras: &Extras) -> Value {
        let Some(row) = self.row(kind, id) else { return Value::Null };
        let mut shown = Row::new();
        shown.insert("id".to_owned(), shown_id(kind, id, row));
        for field in kind.fields() {
            let in_row = match field.shown {
                Shown::Row => true,
                Shown::Row2026 => self.knobs.user_rows == UserRows::Since2026,
                Shown::Detail => extras.properties.contains(&field.name),
            };
            if in_row {
                shown.insert(field.name.to_owned(), self.shown(kind, id, row, field));
            }
        }
        self.show_roles(kind, row, &mut shown);
        if kind == Kind::Agents && self.knobs.agent_rows == AgentRows::WithoutIsAdmin {
            shown.remove("is_admin");
        }
        if kind.field("customfields").is_some() {
            shown
                .insert("customfields".to_owned(), asked_custom_fields(row, &extras.custom_fields));
        }
        Value::Object(shown)
    }

    /// Puts numbers in the place of shown roles, where the knob says so.
    fn show_roles(&self, kind: Kind, row: &Row, shown: &mut Row) {
        let holds_roles = matches!(kind, Kind::Users | Kind::Agents);
        if holds_roles
            && self.knobs.held_roles == HeldRoles::Numbers
            && shown.remove("roles").is_some()
        {
            shown.insert("role_ids".to_owned(), json!(role_ids(row)));
        }
    }

    fn shown(&self, kind: Kind, id: i64, row: &Row, field: &Field) -> Value {
        if field.set == Set::Derived {
            if let Some(value) = self.derived(kind, id, row, field.name) {
                return value;
            }
        } else if field.name == "role_ids" {
            return json!(role_ids(row));
        }
        match row.get(field.name) {
            None | Some(Value::Null) => field.holds.unset(),
            Some(value) if field.holds == Type::FloatRef => json!(value.as_f64()),
            Some(value) => value.clone(),
        }
    }

    /// A property that follows from other records; `None` for one that is stored after all.
    fn derived(&self, kind: Kind, id: i64, row: &Row, name: &str) -> Option<Value> {
        let value = match (kind, name) {
            (Kind::Users, "site_id_int") => json!(int(row, "site_id")),
            (Kind::Users, "site_name") => self.name_of(Kind::Sites, int(row, "site_id")),
            (Kind::Users, "client_id") => json!(self.client_of_site(int(row, "site_id"))),
            (Kind::Users, "client_name") => {
                self.name_of(Kind::Clients, self.client_of_site(int(row, "site_id")))
            }
            (Kind::Users | Kind::Agents, "role_list") => json!(role_names(row).join(", ")),
            (Kind::Agents, "linemanager_name") => {
                self.name_of(Kind::Agents, int(row, "linemanager"))
            }
            (Kind::Sites, "client_name") => self.name_of(Kind::Clients, int(row, "client_id")),
            (Kind::Sites, "clientsite_name") => {
                let client = self.row(Kind::Clients, int(row, "client_id"));
                let client = client.map_or("", |client| text(client, "name"));
                json!(format!("{client} / {}", text(row, "name")))
            }
            (Kind::Clients, "main_site_name") => {
                self.name_of(Kind::Sites, int(row, "main_site_id"))
            }
            (Kind::Clients, "toplevel_name") => {
                self.name_of(Kind::TopLevels, int(row, "toplevel_id"))
            }
            (Kind::Roles, "id_int") => json!(id),
            (Kind::Users, "use") => json!("user"),
            (Kind::Agents, "use") => json!("agent"),
            (Kind::Sites, "use") => json!("site"),
            (Kind::Clients, "use") => json!("client"),
            _ => return None,
        };
        Some(value)
    }

    fn name_of(&self, kind: Kind, id: i64) -> Value {
        json!(self.row(kind, id).map_or("", |row| text(row, "name")))
    }
}

/// Agent roles have a text id; all other records are numbered.
fn shown_id(kind: Kind, id: i64, row: &Row) -> Value {
    match row.get("id") {
        Some(text) if kind == Kind::Roles => text.clone(),
        None if kind == Kind::Roles => json!(id.to_string()),
        Some(_) | None => json!(id),
    }
}

fn asked_custom_fields(row: &Row, asked: &[i64]) -> Value {
    if asked.is_empty() {
        return Value::Null;
    }
    let stored = row.get("customfields").and_then(Value::as_array);
    let fields = stored.into_iter().flatten();
    let wanted = |field: &&Value| field["id"].as_i64().is_some_and(|id| asked.contains(&id));
    Value::Array(fields.filter(wanted).cloned().collect())
}

/// Numbers of the roles that a user or an agent holds.
pub(super) fn role_ids(row: &Row) -> Vec<i64> {
    roles(row).filter_map(role_number).collect()
}

/// The number of a role as it stands in a record or a request.
pub(super) fn role_number(role: &Value) -> Option<i64> {
    role["id_int"].as_i64().or_else(|| role["id"].as_i64())
}

fn role_names(row: &Row) -> Vec<&str> {
    roles(row).filter_map(|role| role["name"].as_str()).collect()
}

fn roles(row: &Row) -> impl Iterator<Item = &Value> {
    row.get("roles").and_then(Value::as_array).into_iter().flatten()
}
