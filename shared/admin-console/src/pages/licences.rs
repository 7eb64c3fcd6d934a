//! Licences: the ledger of seats, who holds one and how, and what Halo asked for (S1, S2).

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::connections::Asked;
use crate::api::At;
use crate::parts::decision::each;
use crate::parts::{
    Tone, badge, counted, empty, facts, local, more, number, person, table, text, time, value, word,
};
use crate::visit::Visit;

/// Licences, holders and assignments on a page.
const PAGE: &str = "50";
const NEWEST: &str = "20";

pub(crate) async fn list(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let at = At::new(&["connections", &id, "licences"]).with("limit", PAGE);
    let at = at.with_some("cursor", asked.get("cursor").map(String::as_str));
    let asked_for = At::new(&["connections", &id, "licence-assignments"]).with("limit", NEWEST);
    let answers = futures::join!(visit.api.read(at), visit.api.read(asked_for));
    let (page, assignments) = match answers {
        (Ok(page), Ok(assignments)) => (page.body, assignments.body),
        (Err(trouble), _) | (_, Err(trouble)) => return visit.refused(&trouble),
    };
    let here = local(&["connections", &id, "licences"]);
    let licences: Vec<&Value> = each(&page["licences"]).collect();
    let rows: Vec<Vec<Markup>> = licences.iter().map(|one| row(&here, one)).collect();
    let body = html! {
        h1 { "Licences" }
        @if let Some(off) = page["off"].as_object() {
            div.notice.warn { p { strong { "Licences are not imported at present. " } bdi { (off.get("reason").map_or("", text)) }
                " Since " (time(off.get("since").unwrap_or(&Value::Null))) "." } }
        }
        @if licences.is_empty() {
            (empty("No licence was imported.", &html! {
                p { "With licences among what the schedule imports and the permission Organization.Read.All, the subscribed licences of the tenant become software licences of a client in Halo." }
                p { a href=(local(&["connections", &id, "imports"])) { "Choose what is imported" } " and "
                    a href=(local(&["connections", &id, "advanced"])) { "the client that they go to" } "." }
            }))
        } @else {
            p.faint { "As Entra told on " (time(&page["read"])) "." }
            (table("Seats of each licence", &["Licence", "Seats", "Taken", "Free", "In Halo", "State"], &rows))
        }
        (more(&here, &[], &page["cursor"]))
        h2 { "Asked for by Halo" }
        (assigned(&id, &assignments))
    };
    visit.page_of(&id, "Licences", &body).into_response()
}

fn row(here: &str, one: &Value) -> Vec<Markup> {
    let count = |name: &str| one[name].as_i64().unwrap_or(0);
    vec![
        html! { a href={ (here) "/" (text(&one["sku"])) } { bdi { (text(&one["name"])) } } br; span.faint { (text(&one["part_number"])) } },
        seats(one),
        html! { (count("used")) @if count("in_flight") > 0 { span.faint { " and " (count("in_flight")) " under way" } } },
        html! { @if count("free") < 0 { (badge(Tone::Bad, &format!("{} too many held", -count("free")))) } @else { (count("free")) } },
        html! { @if one["halo_licence"].is_null() { span.faint { "none yet" } } @else { (value(&one["halo_licence"])) }
        @if let Some(trouble) = one["trouble"].as_str() { br; span.error { bdi { (trouble) } } } },
        standing(one),
    ]
}

/// The seats as a bar, with the numbers beside it.
pub(crate) fn seats(one: &Value) -> Markup {
    let count = |name: &str| one[name].as_u64().unwrap_or(0);
    let (used, enabled) = (count("used"), count("enabled"));
    let share = (used * 100).checked_div(enabled).unwrap_or(if used > 0 { 100 } else { 0 });
    let width = share.min(100);
    let class = if used > enabled {
        "fill-deactivated"
    } else if share >= 90 {
        "fill-held"
    } else {
        "fill-updated"
    };
    html! {
        svg.seats viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.rest width="100" height="8" {} rect.(class) width=(width) height="8" {}
        }
        span { (number(used)) " of " (number(enabled)) }
    }
}

fn standing(one: &Value) -> Markup {
    html! {
        @if !one["gone"].is_null() { (badge(Tone::Warning, "gone from the tenant")) " " span.faint { "since " (time(&one["gone"])) } }
        @else { @match text(&one["standing"]) {
            "enabled" => (badge(Tone::Good, "enabled")),
            "warning" => (badge(Tone::Warning, "ended, still works")),
            other => (badge(Tone::Bad, &other.replace('_', " "))),
        } }
        @if one["applies_to"] == "company" { br; span.faint { "for the company as a whole" } }
    }
}

fn assigned(id: &str, page: &Value) -> Markup {
    let rows: Vec<Vec<Markup>> = each(&page["assignments"])
        .map(|one| {
            vec![
                time(&one["asked"]),
                html! { (text(&one["action"])) " " strong { bdi { (text(&one["product"])) } } },
                html! { "Halo user " (value(&one["user_id"])) @if let Some(who) = one["person"].as_str() {
                    br; a href=(local(&["connections", id, "people", who])) { "the person" } } },
                html! { (word(text(&one["state"]))) @if one["did"] == "nothing" { span.faint { " was so already" } } },
                html! { bdi { (one["refusal"]["detail"].as_str().unwrap_or_default()) }
                    @if one["refusal"].is_null() { span.faint { (counted(one["attempts"].as_u64().unwrap_or(0), "request", "requests")) " to Entra" } } },
            ]
        })
        .collect();
    if rows.is_empty() {
        let next = html! { p { "Halo may ask for a licence to be given or taken where the connection manages licences from Halo." } };
        return empty("Halo asked for nothing.", &next);
    }
    table("The newest requests of Halo", &["Asked", "What", "For", "State", "More"], &rows)
}

/// One licence: who holds it and how, and who should.
pub(crate) async fn one(
    visit: Visit,
    Path((id, sku)): Path<(String, String)>,
    Query(asked): Asked,
) -> Response {
    let at = At::new(&["connections", &id, "licences", &sku]).with("limit", PAGE);
    let at = at.with_some("cursor", asked.get("cursor").map(String::as_str));
    let page = match visit.api.read(at).await {
        Ok(answer) => answer.body,
        Err(trouble) => return visit.refused(&trouble),
    };
    let licence = &page["licence"];
    let rows: Vec<Vec<Markup>> = each(&page["holders"]).map(|one| holder(&id, one)).collect();
    let here = local(&["connections", &id, "licences", &sku]);
    let body = html! {
        h1 { bdi { (text(&licence["name"])) } }
        (facts(&[
            ("Seats", seats(licence)),
            ("State", standing(licence)),
            ("Licence in Halo", value(&licence["halo_licence"])),
            ("SKU", html! { span.mono { (text(&licence["sku"])) } }),
        ]))
        h2 { "Who holds it, or should" }
        @if rows.is_empty() {
            (empty("Nobody of this connection holds it.", &html! { p { "People are known from the first read on that asked for licences." } }))
        } @else { (table("People", &["Person", "In Entra", "Given", "In Halo"], &rows)) }
        (more(&here, &[], &page["cursor"]))
        p { a href=(local(&["connections", &id, "licences"])) { "All licences" } }
    };
    visit.page_of(&id, "Licence", &body).into_response()
}

fn holder(id: &str, one: &Value) -> Vec<Markup> {
    let given: Vec<&Value> = each(&one["given"]).collect();
    vec![
        person(id, &one["person"]),
        html! { @if one["holds"] == true { (badge(Tone::Good, "holds it")) } @else { (badge(Tone::Warning, "should, and does not")) } },
        html! {
            @if given.is_empty() { span.faint { "not asked yet" } }
            @for way in given { div {
                @match way["group"].as_str() { Some(group) => { "by the group " span.mono { (group) } } None => "directly" }
                @if way["state"] != "active" { " " (badge(Tone::Warning, &text(&way["state"]).replace('_', " "))) }
                @if let Some(error) = way["error"].as_str() { " " span.error { (error) } }
            } }
        },
        html! {
            @if one["halo_user"].is_null() { span.faint { "no user" } } @else { "user " (value(&one["halo_user"])) ", "
                @if one["linked"] == true { "linked" } @else { span.faint { "not linked" } } }
        },
    ]
}
