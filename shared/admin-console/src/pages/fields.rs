//! The tab *Field mappings*: which Entra property goes into which Halo field (F1–F8).

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::pages::editor::{self, Draft, Tab, add, rows_at};
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
        (properties("properties", SOURCES))
        (properties("user-fields", USER_FIELDS))
        (properties("agent-fields", AGENT_FIELDS))
        (side(draft, "field_mappings.users", "Users", "user-fields"))
        (side(draft, "field_mappings.agents", "Agents", "agent-fields"))
    }
}

/// Suggestions. Whatever else is typed, the API says whether it may be.
pub(crate) fn properties(id: &str, names: &[&str]) -> Markup {
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
                        (draft.json(&format!("{at}.transforms"), "Transforms (JSON)", "", "[\"trim\", {\"prefix\": \"+44 \"}]"))
                    }
                    (draft.move_row(list, row, &format!("row {} of {title}", row + 1)))
                }
            } }
            (add(list, "Add a row"))
            p.faint { "Several properties with commas are joined: begin the transforms with "
                code { "{\"join\": \" \"}" } ". Texts that are the same for everybody: " code { "const:text" } ". Custom fields: " code { "customfield:Name" } "." }
        }
    }
}

fn row(_: &str, _: &Value) -> Value {
    json!({ "from": "", "to": "", "write": "always" })
}

/// Several properties stand in one line; a constant may have commas of its own.
fn tidy(document: &mut Value) {
    for side in ["users", "agents"] {
        for row in rows_at(document, &format!("/field_mappings/{side}")) {
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

/// The properties that people take most.
pub(crate) const SOURCES: &[&str] = &[
    "displayName",
    "givenName",
    "surname",
    "mail",
    "userPrincipalName",
    "jobTitle",
    "department",
    "companyName",
    "officeLocation",
    "businessPhones",
    "mobilePhone",
    "employeeId",
    "employeeType",
    "employeeOrgData.division",
    "employeeOrgData.costCenter",
    "streetAddress",
    "city",
    "state",
    "postalCode",
    "country",
    "usageLocation",
    "preferredLanguage",
    "manager.displayName",
    "manager.mail",
    "manager.userPrincipalName",
    "proxyAddresses:primary",
    "proxyAddresses:all",
    "onPremisesSamAccountName",
    "onPremisesDistinguishedName",
    "lastSignInDateTime",
    "extensionAttribute1",
    "extensionAttribute2",
    "extensionAttribute3",
    "extensionAttribute4",
    "extensionAttribute5",
    "extensionAttribute6",
    "extensionAttribute7",
    "extensionAttribute8",
    "extensionAttribute9",
    "extensionAttribute10",
    "extensionAttribute11",
    "extensionAttribute12",
    "extensionAttribute13",
    "extensionAttribute14",
    "extensionAttribute15",
];

const USER_FIELDS: &[&str] = &[
    "name",
    "firstname",
    "surname",
    "middle_name",
    "preferred_name",
    "initials",
    "title",
    "emailaddress",
    "email2",
    "email3",
    "login",
    "phonenumber",
    "homenumber",
    "mobilenumber",
    "mobilenumber2",
    "fax",
    "department",
    "admanager",
    "samaccountname",
    "third_party_id",
    "other1",
    "other2",
    "other3",
    "other4",
    "other5",
    "notes",
    "isimportantcontact",
    "neversendemails",
];

const AGENT_FIELDS: &[&str] = &[
    "name",
    "display_name",
    "firstname",
    "surname",
    "initials",
    "email",
    "jobtitle",
    "sms",
    "extensionnumber",
    "linemanager",
];
