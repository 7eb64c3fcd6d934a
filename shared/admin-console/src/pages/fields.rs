//! The tab *Field mappings*: which Entra property goes into which Halo field (F1–F8).

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use plan::catalogue::{AGENT_TARGETS, USER_TARGETS};
use plan::document::sources;
use serde_json::{Value, json};

use crate::pages::editor::{self, Draft, Tab, add, rows_at};
use crate::pages::transforms;
use crate::parts::Choice;
use crate::visit::{Sent, Visit};

const TAB: Tab = Tab { path: "fields", title: "Field mappings", fields, row, tidy, rules: true };

/// When a field is written (F5).
const WRITE: &[Choice<'_>] = &[
    ("always", "always"),
    ("on_create", "when the record is made"),
    ("if_empty", "where Halo has nothing"),
];

fn fields(draft: &Draft<'_>) -> Markup {
    html! {
        p { "Each row copies one Entra property into one Halo field. A Halo field is written by one row at the most." }
        (properties("properties", sources()))
        (properties("user-fields", USER_TARGETS.iter().map(|field| field.name)))
        (properties("agent-fields", AGENT_TARGETS.iter().map(|field| field.name)))
        (side(draft, "field_mappings.users", "Users", "user-fields"))
        (side(draft, "field_mappings.agents", "Agents", "agent-fields"))
    }
}

/// Suggestions. Whatever else is typed, the API says whether it may be.
pub(crate) fn properties<'a>(id: &str, names: impl IntoIterator<Item = &'a str>) -> Markup {
    html! { datalist id=(id) { @for name in names { option value=(name) {} } } }
}

fn side(draft: &Draft<'_>, list: &str, title: &str, targets: &str) -> Markup {
    let rows = draft.rows(list);
    html! {
        fieldset { legend { (title) }
            (draft.list(list))
            @if rows == 0 { p.faint { "No rows: the fields that everybody needs are filled in by themselves." } }
            ol.rows { @for row in 0..rows {
                @let at = format!("{list}[{row}]");
                li.card {
                    (draft.keep(&at))
                    div.grid {
                        (draft.suggested(&format!("{at}.from"), "Entra property", "", Some("properties")))
                        (draft.suggested(&format!("{at}.to"), "Halo field", "", Some(targets)))
                        (draft.one(&format!("{at}.write"), "Written", "", WRITE))
                        (draft.tick(&format!("{at}.clear"), "Cleared when Entra has nothing", ""))
                    }
                    @let name = format!("row {} of {title}", row + 1);
                    div.row {
                        (transforms::fields(draft, &format!("{at}.transforms"), &name))
                        (draft.move_row(list, row, &name))
                    }
                }
            } }
            (add(list, "Add a row"))
            p.faint { "Several properties stand with commas, and the first transform makes them one. Texts that are the same for everybody: "
                code { "const:text" } ". Custom fields: " code { "customfield:Name" } "." }
        }
    }
}

fn row(list: &str, _: &Value) -> Value {
    if list.ends_with("transforms") {
        return transforms::new();
    }
    json!({ "from": "", "to": "", "write": "always" })
}

/// Several properties stand in one line; a constant may have commas of its own. Transforms are made of
/// their fields.
fn tidy(document: &mut Value) {
    for side in ["users", "agents"] {
        for row in rows_at(document, &format!("/field_mappings/{side}")) {
            transforms::tidy(row);
            let Some(from) = row.get_mut("from") else { continue };
            let text = from.as_str().unwrap_or_default();
            if text.contains(',') && !text.starts_with("const:") {
                *from = text.split(',').map(str::trim).collect();
            }
        }
    }
}

pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    editor::show(&visit, &id, TAB).await
}

pub(crate) async fn save(Path(id): Path<String>, sent: Sent) -> Response {
    editor::sent(&sent, &id, TAB).await
}
