//! The tab *Agent/user mappings*: whom the import takes, and where it puts them (P1–P8).

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use plan::document::sources;
use serde_json::{Value, json};

use crate::pages::editor::{self, Draft, Tab, add, rows_at};
use crate::pages::fields::properties;
use crate::parts::{Choice, text};
use crate::visit::{Sent, Visit};

const TAB: Tab =
    Tab { path: "mappings", title: "Agent/user mappings", fields, row, tidy, rules: true };

const TARGETS: &[Choice<'_>] = &[
    ("site", "a site"),
    ("organisation", "a client, with sites by a property"),
    ("agents", "agents"),
];
const LICENCES: &[Choice<'_>] = &[
    ("no_change", "no change (new agents concurrent)"),
    ("named", "named"),
    ("concurrent", "concurrent"),
];
const EXTERNAL: &[Choice<'_>] =
    &[("exclude", "left out"), ("include", "taken as well"), ("only", "taken alone")];
const MATCH: &[Choice<'_>] = &[("all", "all conditions"), ("any", "any condition")];
const OPERATORS: &[Choice<'_>] = &[
    ("equals", "is"),
    ("not_equals", "is not"),
    ("starts_with", "begins with"),
    ("ends_with", "ends with"),
    ("contains", "contains"),
    ("not_contains", "does not contain"),
    ("in", "is one of"),
    ("not_in", "is none of"),
    ("matches", "matches the expression"),
    ("is_empty", "is empty"),
    ("is_not_empty", "is not empty"),
    ("is_true", "is true"),
    ("is_false", "is false"),
];

fn fields(draft: &Draft<'_>) -> Markup {
    let rows = draft.rows("mappings");
    html! {
        p { "Mappings are tried in the order of their sequence, smaller numbers first. The first one of the users' kind that fits places the user; agents' mappings are tried beside them." }
        (properties("properties", sources()))
        (draft.list("mappings"))
        @if rows == 0 { div.empty { p { strong { "No mapping yet, so nobody is imported." } } p { "Add one: a group, or conditions, and where its people go." } } }
        ol.rows { @for row in 0..rows { (mapping(draft, row)) } }
        (add("mappings", "Add a mapping"))
    }
}

fn mapping(draft: &Draft<'_>, row: usize) -> Markup {
    let at = format!("mappings[{row}]");
    let of = |name: &str| format!("{at}.{name}");
    let kind = text(draft.at(&of("target.type")));
    let name = text(draft.at(&of("id")));
    html! {
        li { fieldset { legend { "Mapping " bdi { (if name.is_empty() { "without a name" } else { name }) } }
            (draft.keep(&at))
            div.grid {
                (draft.line(&of("id"), "Name", "In links and logs: lower-case letters, digits and hyphens."))
                (draft.number(&of("sequence"), "Sequence", "Smaller ones are tried first."))
                (draft.one(&of("target.type"), "People become or go to", "Another choice shows its own fields after pressing “Apply”.", TARGETS))
                @match kind {
                    "organisation" => {
                        (draft.of_halo(&of("target.client_id"), "Client", "Sites are looked for, and made, under it.", "clients"))
                        (draft.suggested(&of("target.site_from"), "Site's name comes from", "", Some("properties")))
                        (draft.of_halo(&of("target.default_site_id"), "Site of people without a value", "", "sites"))
                    }
                    "agents" => (draft.of_halo(&of("target.user_site_id"), "Site of their user record", "Of agents whom no users' mapping takes; may be empty.", "sites")),
                    _ => (draft.of_halo(&of("target.site_id"), "Site", "", "sites")),
                }
                div.field { button.small name="do" value={ "show:" (of("target")) } data-here { "Apply" } }
            }
            (draft.group(&of("group"), "Group", "The exact name of the group in Entra; empty = everybody."))
            (draft.tick(&of("group.nested"), "Members of groups inside it count", ""))
            div.grid {
                (draft.one(&of("external_users"), "External people are", "Guests of the tenant.", EXTERNAL))
                (draft.of_halo(&of("user_role_id"), "Role of the user", "", "user-roles"))
                (draft.of_halo(&of("agent_role_id"), "Role of the agent", "", "agent-roles"))
                (draft.one(&of("licence_type"), "Licence type of agents", "", LICENCES))
            }
            (conditions(draft, &of("conditions"), &of("match")))
            (draft.move_row("mappings", row, &format!("mapping {}", if name.is_empty() { "without a name" } else { name })))
        } }
    }
}

fn conditions(draft: &Draft<'_>, list: &str, quantifier: &str) -> Markup {
    let rows = draft.rows(list);
    html! {
        fieldset { legend { "Conditions" }
            (draft.list(list))
            @if rows > 1 { (draft.one(quantifier, "Who fits", "", MATCH)) }
            @if rows == 0 { p.faint { "None: everybody of the group." } }
            ul.rows { @for row in 0..rows {
                @let at = format!("{list}[{row}]");
                li.card {
                    (draft.keep(&at))
                    div.grid {
                        (draft.suggested(&format!("{at}.field"), "Property", "", Some("properties")))
                        (draft.one(&format!("{at}.op"), "Must be", "", OPERATORS))
                        (draft.line(&format!("{at}.value"), "Value", "Several with commas, for “one of”."))
                        (draft.tick(&format!("{at}.case_sensitive"), "Upper and lower case differ", ""))
                    }
                    (draft.move_row(list, row, &format!("condition {}", row + 1)))
                }
            } }
            (add(list, "Add a condition"))
        }
    }
}

fn row(list: &str, document: &Value) -> Value {
    if list.ends_with("conditions") {
        return json!({ "field": "", "op": "equals", "value": "" });
    }
    let rows = document["mappings"].as_array().into_iter().flatten();
    let highest = rows.filter_map(|row| row["sequence"].as_i64()).max().unwrap_or(0);
    json!({ "id": "", "sequence": highest.saturating_add(10), "target": { "type": "site" } })
}

/// Several values stand in one line, some operators take none, and a target keeps its own fields alone.
fn tidy(document: &mut Value) {
    for mapping in rows_at(document, "/mappings") {
        if let Some(target) = mapping.get_mut("target") {
            only_own(target);
        }
        // A tick alone is no group.
        let group = &mapping["group"];
        let named = ["name", "id"].iter().any(|key| group[*key].is_string());
        if let Some(mapping) = mapping.as_object_mut().filter(|_| !named) {
            mapping.remove("group");
        }
        rows_at(mapping, "/conditions").for_each(condition);
    }
}

fn only_own(target: &mut Value) {
    let own: &[&str] = match target["type"].as_str() {
        Some("organisation") => &["type", "client_id", "site_from", "default_site_id"],
        Some("agents") => &["type", "user_site_id"],
        Some("site") => &["type", "site_id"],
        _ => return,
    };
    if let Some(fields) = target.as_object_mut() {
        fields.retain(|key, _| own.contains(&key.as_str()));
    }
}

fn condition(condition: &mut Value) {
    let op = text(&condition["op"]).to_owned();
    let Some(fields) = condition.as_object_mut() else { return };
    match op.as_str() {
        "is_empty" | "is_not_empty" | "is_true" | "is_false" => {
            fields.remove("value");
            fields.remove("values");
        }
        "in" | "not_in" => {
            if let Some(text) = fields.get("value").and_then(Value::as_str) {
                let list: Value =
                    text.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
                fields.remove("values");
                fields.insert("value".to_owned(), list);
            }
        }
        _ => {
            fields.remove("values");
        }
    }
}

pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    editor::show(&visit, &id, TAB).await
}

pub(crate) async fn save(Path(id): Path<String>, sent: Sent) -> Response {
    editor::sent(&sent, &id, TAB).await
}
