//! The first page: all connections, where each stands, and what needs somebody; and a new one.

use axum::extract::{Query, State};
use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use futures::future::join_all;
use maud::{Markup, html};
use serde_json::{Value, json};

use std::collections::BTreeMap;

use crate::Console;
use crate::api::{Api, At, Trouble};
use crate::form::fill;
use crate::layout::explained;
use crate::pages::connection::{Attention, attention, people};
use crate::pages::editor::wrong_at;
use crate::parts::{
    Field, Kind, Tone, badge, counted, empty, local, more, table, text, time, word,
};
use crate::visit::{Sent, Visit};

/// Connections on a page: of each is asked what needs attention.
const PAGE: &str = "25";

/// Parameters of a page's own address.
pub(crate) type Asked = Query<BTreeMap<String, String>>;

pub(crate) async fn list(visit: Visit, Query(asked): Asked) -> Response {
    if let Some((connection, id)) = visit.person() {
        return Redirect::to(&local(&["connections", &connection, "people", &id])).into_response();
    }
    let at = At::new(&["connections"]).with("limit", PAGE);
    let at = at.with_some("cursor", asked.get("cursor").map(String::as_str));
    let page = match visit.api.read(at).await {
        Ok(answer) => answer.body,
        Err(trouble) => return visit.refused(&trouble),
    };
    let connections: Vec<&Value> = page["connections"].as_array().into_iter().flatten().collect();
    let rows = join_all(connections.iter().map(|connection| row(&visit.api, connection))).await;
    let columns = ["Connection", "State", "Needs attention", "People", "Last run", "Next run"];
    let body = html! {
        div.head {
            h1 { "Connections" }
            @if visit.administrates() { a.button.main href="/console/connections/new" { "New connection" } }
        }
        @if page["module"] == "off" {
            div.notice.warn { p {
                strong { "The integration is switched off." } " No timer, import or write happens. "
                a href="/console/halo" { "Switch it on" } "."
            } }
        }
        @if rows.is_empty() { (nothing_yet(visit.administrates())) }
        @else { (table("Each connection is one Entra tenant with its settings.", &columns, &rows)) }
        (more("/console", &[], &page["cursor"]))
    };
    visit.page("Connections", &body).into_response()
}

fn nothing_yet(administrates: bool) -> Markup {
    empty(
        "No connection yet.",
        &html! {
            p { "A connection is one Entra tenant: how to sign in to it, who is imported, and where to." }
            @if administrates {
                p { a.button.main href="/console/connections/new" { "Connect a tenant" } }
            } @else { p { "An administrator makes the first one." } }
        },
    )
}

async fn row(api: &Api, connection: &Value) -> Vec<Markup> {
    let id = text(&connection["id"]);
    let (needs, run) = futures::join!(attention(api, id, &connection["status"]), last_run(api, id));
    let state = html! {
        @if connection["enabled"] == false { (badge(Tone::Plain, "switched off")) " " }
        (word(text(&connection["status"]["authorisation"]["state"])))
    };
    vec![
        html! {
            a href=(local(&["connections", id])) { strong { bdi { (text(&connection["name"])) } } } br;
            span.faint { (id) }
        },
        state,
        needs_cell(id, &needs),
        people(&connection["status"]),
        run_cell(id, run.as_ref()),
        if connection["enabled"] == false {
            html! { span.faint { "—" } }
        } else {
            time(&connection["status"]["next_due"])
        },
    ]
}

fn needs_cell(id: &str, needs: &[Attention]) -> Markup {
    html! {
        @if needs.is_empty() { span.faint { "nothing" } }
        @for need in needs {
            a href={ (local(&["connections", id])) (need.place) } { (badge(need.tone, &need.short)) } " "
        }
    }
}

async fn last_run(api: &Api, id: &str) -> Option<Value> {
    let at = At::new(&["connections", id, "runs"]).with("limit", "1");
    let answer = api.read(at).await.ok()?;
    answer.body["runs"].get(0).cloned()
}

fn run_cell(id: &str, run: Option<&Value>) -> Markup {
    let Some(run) = run else { return html! { span.faint { "never" } } };
    let changed: u64 = ["created", "updated", "deactivated", "reactivated"]
        .iter()
        .filter_map(|name| run["counts"][name].as_u64())
        .sum();
    html! {
        a href=(local(&["connections", id, "runs", text(&run["run"])])) { (time(&run["started"])) } " "
        (word(text(&run["state"]))) br;
        span.faint { (counted(changed, "person changed", "people changed")) }
    }
}

/// What a new connection begins with: a person finds the mapping that takes everybody to one place.
fn blank() -> Value {
    let auth = json!({ "method": "application", "credential": "secret" });
    json!({ "enabled": true, "auth": auth, "mappings": [] })
}

pub(crate) async fn new(visit: Visit) -> Response {
    form(&visit, &blank(), None).into_response()
}

pub(crate) async fn create(State(_): State<Console>, sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let mut document = blank();
    fill(&mut document, &pairs, "doc.");
    match visit.api.write(Method::POST, At::new(&["connections"]), None, &document).await {
        Ok(answer) => {
            let id = text(&answer.body["id"]).to_owned();
            Redirect::to(&format!("{}?saved=new", local(&["connections", &id, "details"])))
                .into_response()
        }
        Err(trouble) => {
            let status = trouble.status;
            form(&visit, &document, Some(&trouble)).with_status(status).into_response()
        }
    }
}

fn form(visit: &Visit, document: &Value, trouble: Option<&Trouble>) -> crate::layout::Page {
    let line = |name: &'static str, label, help, example| Field {
        name,
        label,
        help,
        wrong: wrong_at(trouble, name),
        kind: Kind::Line {
            value: text(crate::form::at(document, name.trim_start_matches("doc."))).to_owned(),
            example,
            list: None,
        },
    };
    let one = |name: &'static str, label, help, choices| Field {
        name,
        label,
        help,
        wrong: wrong_at(trouble, name),
        kind: Kind::One(
            choices,
            text(crate::form::at(document, name.trim_start_matches("doc."))).to_owned(),
        ),
    };
    let body = html! {
        h1 { "Connect a tenant" }
        @if let Some(trouble) = trouble { (explained(trouble)) }
        form.sheet #new method="post" action="/console/connections/new" {
            input type="hidden" name="csrf" value=(visit.csrf());
            (line("doc.name", "Name", "For people, such as the name of the organisation.", "Contoso"))
            (line("doc.id", "Short name", "In addresses and logs: lower-case letters, digits and hyphens. It stays.", "contoso"))
            (line("doc.tenant_id", "Directory (tenant) ID", "From the app registration's overview in the Entra admin centre.", "0785ef7c-2d7a-4542-b048-95bcab406e0b"))
            (line("doc.auth.client_id", "Application (client) ID", "From the same place.", "535fb089-9ff3-47b6-9bfb-4f1264799865"))
            (one("doc.auth.method", "Authentication method", "Application permissions are the simplest way. With delegated permissions the import reads on behalf of a person who signs in.", super::details::METHODS))
            (one("doc.auth.credential", "Credential type", "What the application proves itself with.", super::details::CREDENTIALS))
            (one("doc.cloud", "Microsoft cloud", "Where the tenant lives.", super::details::CLOUDS))
            details { summary { "Addresses of your own" } div.inside {
                p.faint { "Only where the deployment allows it, such as for an emulator (C2)." }
                (line("doc.cloud.login", "Login service", "The base of its address, without a path.", "https://login.example.org"))
                (line("doc.cloud.graph", "Graph", "The base of its address.", "https://graph.example.org"))
            } }
            p { button.main { "Make the connection" } " " a href="/console" { "Back" } }
            p.faint { "Nothing is imported before it is authorised. Secrets are entered on the next page." }
        }
    };
    visit.page("New connection", &body)
}
