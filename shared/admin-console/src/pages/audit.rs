//! The settings audit: who changed what and when, place by place, of a connection and of the deployment
//! (C10).

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::connections::Asked;
use crate::api::{At, Trouble};
use crate::parts::decision::each;
use crate::parts::{counted, empty, local, more, text, time, value};
use crate::visit::Visit;

/// Entries on a page: each may tell of a whole document.
const PAGE: &str = "20";
/// Characters of a value that stand on a page; the API has all of it.
const LONGEST: usize = 2000;

pub(crate) async fn of_deployment(visit: Visit, Query(asked): Asked) -> Response {
    let cursor = asked.get("cursor").map(String::as_str);
    match shown(&visit, At::new(&["audit"]), "/console/audit", cursor).await {
        Ok(list) => {
            let body = html! {
                h1 { "Settings audit" }
                p.faint { "Who changed the deployment. Each connection has its own." }
                (list)
            };
            visit.page("Settings audit", &body).into_response()
        }
        Err(trouble) => visit.refused(&trouble),
    }
}

pub(crate) async fn of_connection(
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Asked,
) -> Response {
    let here = local(&["connections", &id, "audit"]);
    let cursor = asked.get("cursor").map(String::as_str);
    match shown(&visit, At::new(&["connections", &id, "audit"]), &here, cursor).await {
        Ok(list) => {
            let body = html! { h1 { "Settings audit" } p.faint { "Who changed this connection, newest first." } (list) };
            visit.page_of(&id, "Audit", &body).into_response()
        }
        Err(trouble) => visit.refused(&trouble),
    }
}

async fn shown(visit: &Visit, at: At, here: &str, cursor: Option<&str>) -> Result<Markup, Trouble> {
    let page = visit.api.read(at.with("limit", PAGE).with_some("cursor", cursor)).await?.body;
    Ok(html! {
        @if each(&page["audit"]).next().is_none() {
            (empty("Nothing was changed yet.", &html! { p { "Each change of settings stands here, with who made it." } }))
        } @else { div.list { @for entry in each(&page["audit"]) { (one(entry)) } } }
        (more(here, &[], &page["cursor"]))
    })
}

fn one(entry: &Value) -> Markup {
    let changes: Vec<&Value> = each(&entry["changes"]).collect();
    let line = html! { span.line {
        (time(&entry["time"])) strong { bdi { (text(&entry["who"])) } } bdi { (text(&entry["what"])) }
        @if !changes.is_empty() { span.faint { (counted(changes.len() as u64, "place", "places")) } }
    } };
    html! {
        @if changes.is_empty() { div.plain { (line) } }
        @else { details id={ "a-" (text(&entry["id"])) } {
            summary { (line) }
            div.inside { dl.changes { @for change in changes {
                dt { code { (text(&change["path"])) } }
                dd.before { @if change["before"].is_null() { span.faint { "nothing before" } } @else { (shortened(&change["before"])) } }
                dd.after { @if change["after"].is_null() { span.faint { "taken away" } } @else { (shortened(&change["after"])) } }
            } } }
        } }
    }
}

/// A value of a document. Whole documents are long, and a page is not.
fn shortened(found: &Value) -> Markup {
    if !found.is_object() && !found.is_array() {
        return value(found);
    }
    let text = format!("{found:#}");
    let short: String = text.chars().take(LONGEST).collect();
    html! { pre tabindex="0" { (short) @if short.len() < text.len() { "\n…" } } }
}
