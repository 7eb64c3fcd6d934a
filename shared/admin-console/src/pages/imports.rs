//! The tab *Imports*: matching, schedule, what follows from a departure, and by hand: previews, imports
//! and resets of deltas (M2, D1–D8, L2–L4, I1–I3).

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use plan::catalogue::{AGENT_MATCH_FIELDS, USER_MATCH_FIELDS};
use plan::document::sources;
use serde_json::{Map, Value, json};

use crate::api::{Answer, At, Trouble};
use crate::layout::explained;
use crate::pages::editor::{self, Beside, Draft, Tab, add, as_it_is};
use crate::pages::fields::properties;
use crate::parts::{Choice, Field, Kind, facts, local, text, time};
use crate::visit::{Sent, Visit};

const TAB: Tab =
    Tab { path: "imports", title: "Imports", fields, row, tidy: as_it_is, rules: true };

const OUT_OF_SCOPE: &[Choice<'_>] =
    &[("leave", "stay as they are"), ("deactivate", "become inactive")];

/// What a schedule or an import covers (I3).
const ENTITIES: [(&str, &str); 3] =
    [("users", "Users"), ("agents", "Agents"), ("licences", "Licences")];

fn fields(draft: &Draft<'_>) -> Markup {
    let entities = draft.at("sync.entities");
    let has = |name: &str| entities.as_array().is_some_and(|all| all.iter().any(|it| it == name));
    html! {
        h2 { "Matching" }
        p { "Whoever is not linked yet is looked for in Halo by these fields, in this order, so that nobody is made twice." }
        (properties("properties", sources()))
        (properties("user-keys", USER_MATCH_FIELDS.iter().copied()))
        (properties("agent-keys", AGENT_MATCH_FIELDS.iter().copied()))
        (matching(draft, "matching.users", "Users", "user-keys"))
        (matching(draft, "matching.agents", "Agents", "agent-keys"))
        fieldset { legend { "New people" }
            (draft.tick("create", "Make records for people whom Halo does not have", "Off: only people who are found are linked and kept right (M3)."))
            (draft.tick("sync.create_disabled", "Also for accounts that are disabled", "(L2)"))
        }
        h2 { "Schedule" }
        fieldset { legend { "The schedule imports" }
            (draft.list("sync.entities"))
            @for (name, shown) in ENTITIES {
                div.field.tick {
                    input type="checkbox" id={ "entity-" (name) } name="doc.sync.entities:member" value=(name) checked[has(name)];
                    label for={ "entity-" (name) } { (shown) }
                }
            }
            div.grid {
                (draft.number("sync.every_minutes", "Every … minutes", "5 to 1,440."))
                (draft.tick("sync.delta", "Delta queries", "Reads only what changed (D1)."))
                (draft.number("sync.full_every_hours", "Everybody again every … hours", "What a delta missed is repaired then."))
                (draft.tick("sync.last_sign_in", "Read the last sign-in", "Needs AuditLog.Read.All (D8)."))
            }
        }
        h2 { "Leaving and coming back" }
        fieldset { legend { "Departures" }
            (draft.tick("sync.deactivate_missing", "Deactivate people who are not in Entra any more", "(D5)"))
            (draft.tick("sync.deactivate_disabled_users", "Deactivate users whose account is disabled", "Agents always are (L2, R6)."))
            (draft.one("sync.out_of_scope", "People whom no mapping takes any more", "(P8)", OUT_OF_SCOPE))
            (draft.tick("sync.reactivate", "Reactivate people who come back", "Only those whom the import itself made inactive (L3)."))
        }
        fieldset { legend { "Guard: deactivations are held for you" }
            p.faint { "A run that would deactivate more holds them all until somebody looks (L4): more than the count and the share, or more than the highest number." }
            div.grid {
                (draft.number("guard.max_deactivations.count", "Count", ""))
                (draft.number("guard.max_deactivations.percent", "Share of linked people, in percent", ""))
                (draft.number("guard.max_deactivations.absolute", "Highest number, whatever the share", ""))
            }
        }
    }
}

fn matching(draft: &Draft<'_>, list: &str, title: &str, keys: &str) -> Markup {
    let rows = draft.rows(list);
    html! {
        fieldset { legend { (title) }
            (draft.list(list))
            @if rows == 0 { p.faint { "None: people are found by their Azure object id alone, and others are made anew." } }
            ol.rows { @for row in 0..rows {
                @let at = format!("{list}[{row}]");
                li.card {
                    (draft.keep(&at))
                    div.grid {
                        (draft.suggested(&format!("{at}.entra"), "Entra property", "", Some("properties")))
                        (draft.suggested(&format!("{at}.halo"), "equals the Halo field", "", Some(keys)))
                    }
                    (draft.move_row(list, row, &format!("matching row {} of {title}", row + 1)))
                }
            } }
            (add(list, "Add a field"))
        }
    }
}

fn row(_: &str, _: &Value) -> Value {
    json!({ "entra": "", "halo": "" })
}

pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    whole(&visit, &id, None, &html! {}).await
}

pub(crate) async fn save(Path(id): Path<String>, sent: Sent) -> Response {
    editor::sent(&sent, &id, TAB).await
}

async fn whole(visit: &Visit, id: &str, refused: Option<&Trouble>, outcome: &Markup) -> Response {
    let connection = match visit.api.get(&["connections", id]).await {
        Ok(connection) => connection,
        Err(trouble) => return visit.refused(&trouble),
    };
    let status = &connection["status"];
    let above = html! {
        @if let Some(trouble) = refused { (explained(trouble)) }
        (outcome)
        (facts(&[
            ("Next run by the schedule", time(&status["next_due"])),
            ("Under way", html! {
                @if let Some(run) = status["run"].as_str() { a href=(local(&["connections", id, "runs", run])) { "a run" } }
                @else { "nothing" }
            }),
        ]))
        @if visit.administrates() { div.columns { (by_hand(visit, id)) (reset_form(visit, id)) } }
    };
    let response = editor::show_with(visit, id, TAB, Beside::Above(&above)).await;
    match refused {
        Some(trouble) => (trouble.status, response).into_response(),
        None => response,
    }
}

/// The boxes of what is covered.
fn entities(prefix: &str) -> Markup {
    html! { fieldset { legend { "What" }
        p.faint { "Nothing ticked: what the schedule imports." }
        @for (name, shown) in ENTITIES { div.field.tick {
            input type="checkbox" id={ (prefix) (name) } name="entities" value=(name);
            label for={ (prefix) (name) } { (shown) }
        } }
    } }
}

const READ: &[Choice<'_>] = &[
    ("", "as the connection does"),
    ("delta", "what changed"),
    ("full", "everybody"),
    ("none", "nothing: what is known already"),
];

fn by_hand(visit: &Visit, id: &str) -> Markup {
    let read = |name| Field {
        name,
        label: "Read from Entra",
        help: "",
        kind: Kind::One(READ, String::new()),
        wrong: Vec::new(),
    };
    html! {
        section.card aria-labelledby="by-hand" {
            h2 #by-hand { "By hand" }
            p { "A preview shows everybody with what would happen and why, grouped by mapping. Nothing is written." }
            form method="post" action=(local(&["connections", id, "imports", "start"])) {
                input type="hidden" name="csrf" value=(visit.csrf());
                input type="hidden" name="key" value=(visit.fresh());
                (entities("now-"))
                (read("read"))
                p.row {
                    button.main name="do" value="preview" { "Preview" }
                    button name="do" value="import" { "Import now" }
                }
            }
        }
    }
}

fn reset_form(visit: &Visit, id: &str) -> Markup {
    html! {
        section.card aria-labelledby="deltas" {
            h2 #deltas { "Reset deltas" }
            p { "Where reading Entra stands, and how it goes on (D4)." }
            form method="post" action=(local(&["connections", id, "deltas"])) {
                input type="hidden" name="csrf" value=(visit.csrf());
                input type="hidden" name="key" value=(visit.fresh());
                p { button name="mode" value="clear" { "Clear …" } " The next run reads everybody." }
                p { button name="mode" value="latest" { "Get the latest …" } " What is waiting is skipped; the next full read makes it good." }
            }
        }
    }
}

/// Starts a preview or an import.
pub(crate) async fn start(Path(id): Path<String>, sent: Sent) -> Response {
    let Sent { visit, pairs } = &sent;
    let mut body = Map::new();
    let entities: Vec<&str> = pairs.all("entities").collect();
    if !entities.is_empty() {
        body.insert("entities".to_owned(), entities.into());
    }
    if let Some(read) = pairs.text("read").filter(|read| !read.is_empty()) {
        body.insert("read".to_owned(), read.into());
    }
    let preview = pairs.text("do") == Some("preview");
    let at = At::new(&["connections", &id, if preview { "preview" } else { "imports" }]);
    let key = pairs.text("key").unwrap_or_default();
    match visit.api.once(at, key, &Value::Object(body)).await {
        Ok(Answer { body, .. }) => {
            let to = if preview {
                local(&["connections", &id, "previews", text(&body["preview"])])
            } else {
                local(&["connections", &id, "runs", text(&body["run"])])
            };
            Redirect::to(&to).into_response()
        }
        Err(trouble) => whole(visit, &id, Some(&trouble), &html! {}).await,
    }
}

/// Asks, and then resets the deltas.
pub(crate) async fn reset(Path(id): Path<String>, sent: Sent) -> Response {
    let Sent { visit, pairs } = &sent;
    let mode = pairs.text("mode").unwrap_or_default();
    let key = pairs.text("key").unwrap_or_default();
    if pairs.text("sure") != Some("yes") {
        return ask(visit, &id, mode, key).await;
    }
    let at = At::new(&["connections", &id, "deltas", "reset"]);
    match visit.api.once(at, key, &json!({ "mode": mode })).await {
        Ok(answer) => {
            let streams = answer.body["streams"].as_array().map_or(0, Vec::len);
            let outcome = html! { div.notice.good role="status" { p {
                strong { "Done." } " " (crate::parts::counted(streams as u64, "position was", "positions were")) " let go."
            } } };
            whole(visit, &id, None, &outcome).await
        }
        Err(trouble) => whole(visit, &id, Some(&trouble), &html! {}).await,
    }
}

async fn ask(visit: &Visit, id: &str, mode: &str, key: &str) -> Response {
    let newest = At::new(&["connections", id, "runs"]).with("limit", "1");
    let run = visit.api.read(newest).await.map(|answer| answer.body["runs"][0].clone());
    let run = run.unwrap_or_default();
    let body = html! {
        h1 { @if mode == "latest" { "Skip what is waiting in Entra?" } @else { "Read everybody again?" } }
        @if mode == "latest" {
            p { "Every change since the last read " @if !run.is_null() { "(" (time(&run["started"])) ")" } " is skipped. People who changed, came or left meanwhile stay as they are in Halo until the next full read." }
        } @else {
            p { "The stored position is forgotten, and the next run reads the whole directory. It takes longer, and changes nobody who is right already." }
        }
        form.row method="post" action=(local(&["connections", id, "deltas"])) {
            input type="hidden" name="csrf" value=(visit.csrf());
            input type="hidden" name="key" value=(key);
            input type="hidden" name="mode" value=(mode);
            button.danger name="sure" value="yes" { "Yes, reset the deltas" }
            a.button href=(local(&["connections", id, "imports"])) { "No, go back" }
        }
    };
    visit.page_of(id, "Reset deltas", &body).into_response()
}
