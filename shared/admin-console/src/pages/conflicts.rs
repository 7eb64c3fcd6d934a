//! People for whom somebody has to choose a Halo record (M3), and people who are set aside until another
//! try or until their data change (T5).

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::connections::Asked;
use super::people::started;
use crate::api::{At, Trouble};
use crate::parts::decision::each;
use crate::parts::entry::name;
use crate::parts::{Tone, badge, counted, empty, local, more, person, table, text, time, value};
use crate::visit::{Sent, Visit};

/// People in conflict on a page: Halo is asked about their candidates.
const CONFLICTS: &str = "10";
/// People set aside on a page.
const PARKED: &str = "50";

/// What is compared: what it is called, the properties of Entra, and what a candidate has.
const COMPARED: [(&str, &[&str], &str); 2] =
    [("Name", &["displayName"], "name"), ("Address", &["mail", "userPrincipalName"], "email")];

pub(crate) async fn show(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let cursor = |name: &str| asked.get(name).map(String::as_str);
    let conflicts = At::new(&["connections", &id, "conflicts"]).with("limit", CONFLICTS);
    let conflicts = conflicts.with_some("cursor", cursor("cursor"));
    let parked = At::new(&["connections", &id, "parked"]).with("limit", PARKED);
    let parked = parked.with_some("cursor", cursor("parked"));
    let (conflicts, parked) = futures::join!(visit.api.read(conflicts), visit.api.read(parked));
    let (conflicts, parked) = match (conflicts, parked) {
        (Ok(conflicts), Ok(parked)) => (conflicts.body, parked.body),
        (Err(trouble), _) | (_, Err(trouble)) => return visit.refused(&trouble),
    };
    let people: Vec<&Value> = each(&conflicts["conflicts"]).collect();
    let facts = join_all(people.iter().map(|it| facts_of(&visit, &id, &it["person"]))).await;
    let here = local(&["connections", &id, "conflicts"]);
    let body = html! {
        h1 { "Conflicts and people set aside" }
        h2 { "Somebody has to choose" }
        @if people.is_empty() {
            (empty("Nobody is in conflict.", &html! { p { "A conflict is when several Halo records fit one person, or one record fits several people." } }))
        }
        @if let Some(note) = conflicts["note"].as_str() { div.notice.warn { p { (note) } } }
        @for (one, facts) in people.iter().zip(&facts) { (conflict(&visit, &id, one, facts)) }
        (more(&here, &[], &conflicts["cursor"]))
        h2 #parked { "Set aside" }
        (set_aside(&visit, &id, &parked))
        (more_parked(&here, &parked["cursor"]))
    };
    visit.page_of(&id, "Conflicts", &body).into_response()
}

/// What Entra says of somebody; nothing where that cannot be had.
async fn facts_of(visit: &Visit, id: &str, person: &Value) -> Map<String, Value> {
    let known = visit.api.get(&["connections", id, "people", text(&person["id"])]).await;
    let properties = known.ok().and_then(|mut it| match it["facts"]["properties"].take() {
        Value::Object(properties) => Some(properties),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    });
    properties.unwrap_or_default()
}

/// One conflict: the person and the records side by side, and what can be done.
pub(crate) fn conflict(visit: &Visit, id: &str, one: &Value, facts: &Map<String, Value>) -> Markup {
    let who = &one["person"];
    let action = local(&["connections", id, "people", text(&who["id"]), "link"]);
    let candidates: Vec<&Value> = each(&one["candidates"]).collect();
    let kinds: std::collections::BTreeSet<&str> =
        candidates.iter().map(|it| text(&it["kind"])).collect();
    let rows: Vec<Vec<Markup>> =
        candidates.iter().map(|it| candidate(visit, &action, it, facts, name(who))).collect();
    html! {
        section.card aria-label={ "Conflict of " (name(who)) } {
            h3 { (person(id, who)) }
            p { bdi { (text(&one["sentence"])) } " " span.faint { "Since " (time(&one["since"])) "." } }
            p.faint { "In Entra: " @for (at, (_, properties, _)) in COMPARED.iter().enumerate() {
                @if at > 0 { " · " }
                @for property in *properties { (value(facts.get(*property).unwrap_or(&Value::Null))) " " }
            } @if let Some(department) = facts.get("department") { " · " (value(department)) } }
            (table("Records that fit", &["Record", "Name", "Address", "Site", "In use", "Choose"], &rows))
            @if visit.administrates() { div.row { @for kind in kinds {
                (pick(visit, &action, kind, "create", &format!("None of these: make a new {kind}")))
                (pick(visit, &action, kind, "unlinked", &format!("Leave without a {kind}")))
            } } }
        }
    }
}

fn candidate(
    visit: &Visit,
    action: &str,
    one: &Value,
    facts: &Map<String, Value>,
    who: &str,
) -> Vec<Markup> {
    let kind = text(&one["kind"]);
    let number = one["id"].to_string();
    let mut row = vec![html! { (kind) " " (number) }];
    for (_, properties, field) in COMPARED {
        let found = &one[field];
        let same = properties.iter().filter_map(|it| facts.get(*it)).any(|it| is_same(it, found));
        row.push(html! { (value(found)) @if same { " " (badge(Tone::Good, "same")) } });
    }
    row.push(value(&one["site"]));
    row.push(html! { @match one["inactive"].as_bool() {
        Some(true) => (badge(Tone::Warning, "inactive")), Some(false) => "active", None => { span.faint { "not asked" } } } });
    row.push(html! { @if visit.administrates() {
        form method="post" action=(action) {
            input type="hidden" name="csrf" value=(visit.csrf());
            input type="hidden" name=(kind) value="record";
            input type="hidden" name={ (kind) "_record" } value=(number);
            button.small aria-label={ "This one: link " (who) " to " (kind) " " (number) } { "This one" }
        }
    } @else { span.faint { "for administrators" } } });
    row
}

/// Whether two values look the same to people. It only marks them; matching is the API's.
fn is_same(entra: &Value, halo: &Value) -> bool {
    let (entra, halo) = (text(entra).trim(), text(halo).trim());
    !entra.is_empty() && entra.to_lowercase() == halo.to_lowercase()
}

fn pick(visit: &Visit, action: &str, kind: &str, pick: &str, words: &str) -> Markup {
    html! { form method="post" action=(action) {
        input type="hidden" name="csrf" value=(visit.csrf());
        input type="hidden" name=(kind) value=(pick);
        button.small { (words) }
    } }
}

/// People who wait for another try or for other data.
fn set_aside(visit: &Visit, id: &str, parked: &Value) -> Markup {
    let people: Vec<&Value> = each(&parked["parked"]).collect();
    if people.is_empty() {
        let next = html! { p { "Whoever could not be imported waits here with the reason, and is tried again." } };
        return empty("Nobody is set aside.", &next);
    }
    let may = visit.administrates();
    let rows = people.iter().map(|one| {
        let who = &one["person"];
        let tries = counted(one["attempts"].as_u64().unwrap_or(0), "try", "tries");
        let mut row = vec![
            person(id, who),
            html! { bdi { (text(&one["sentence"])) } },
            html! { (tries) },
            html! { @if one["until"].is_null() { "when something changes" } @else { (time(&one["until"])) } },
        ];
        if may {
            row.insert(0, html! { input type="checkbox" name="person" value=(text(&who["id"])) aria-label={ "Choose " (name(who)) }; });
        }
        row
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    let columns: &[&str] = if may {
        &["Choose", "Person", "Why", "So far", "Tried again"]
    } else {
        &["Person", "Why", "So far", "Tried again"]
    };
    html! { form method="post" action=(local(&["connections", id, "parked"])) {
        input type="hidden" name="csrf" value=(visit.csrf());
        input type="hidden" name="key" value=(visit.fresh());
        (table("People who could not be imported", columns, &rows))
        @if may { p.row {
            button name="do" value="some" { "Try the ticked again now" }
            @for one in &people { input type="hidden" name="all" value=(text(&one["person"]["id"])); }
            button name="do" value="all" { "Try all " (people.len()) " on this page again now" }
        } }
    } }
}

fn more_parked(here: &str, cursor: &Value) -> Markup {
    let Some(cursor) = cursor.as_str() else { return html! {} };
    let next = crate::parts::query(here, &[("parked", cursor)]);
    html! { nav.pager aria-label="Pages of people set aside" { a.button rel="next" href={ (next) "#parked" } { "Next page" } } }
}

/// Tries people again now (I2).
pub(crate) async fn again(Path(id): Path<String>, sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let list = if pairs.text("do") == Some("all") { "all" } else { "person" };
    let people: Vec<&str> = pairs.all(list).collect();
    if people.is_empty() {
        let detail = "Tick the people who are to be tried again. Nothing was started.";
        let status = axum::http::StatusCode::BAD_REQUEST;
        return visit.refused(&Trouble::of(status, "invalid_request", "Nobody is ticked", detail));
    }
    started(&visit, &id, pairs.text("key").unwrap_or_default(), &people).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::web::Role;
    use serde_json::json;

    use super::*;
    use crate::testing::{NASTY, page, visit};

    async fn shown(role: Role) -> String {
        let ada = json!({ "id": "a", "display_name": NASTY, "user_principal_name": "ada@contoso.example" });
        let candidates = json!([
            { "kind": "user", "id": 1049, "name": NASTY, "email": "ADA@contoso.example", "site": NASTY, "inactive": false },
            { "kind": "user", "id": 1050 },
        ]);
        let conflict = json!({ "person": ada, "run": "r", "since": "2026-11-02T08:00:00Z", "sentence": NASTY, "candidates": candidates });
        let parked = json!({ "person": ada, "attempts": 3, "sentence": NASTY, "until": null });
        let visit = visit(
            role,
            &[
                (
                    "/v1/connections/contoso/conflicts",
                    json!({ "conflicts": [conflict], "cursor": null }),
                ),
                ("/v1/connections/contoso/parked", json!({ "parked": [parked], "cursor": null })),
                (
                    "/v1/connections/contoso/people/a",
                    json!({ "facts": { "properties": { "mail": "ada@contoso.example" } } }),
                ),
            ],
        );
        page(show(visit, Path("contoso".to_owned()), Query(BTreeMap::new())).await).await
    }

    #[tokio::test]
    async fn candidates_stand_side_by_side() {
        // M3: what both have is marked, and each choice is a form of its own.
        let html = shown(Role::Administrator).await;
        assert!(!html.contains("<script>"), "{html}");
        assert_eq!(html.matches(">same<").count(), 1, "the address: {html}");
        assert_eq!(html.matches("name=\"user_record\"").count(), 2, "{html}");
        assert!(html.contains("value=\"create\"") && html.contains("value=\"unlinked\""), "{html}");
        assert!(html.contains("Try all 1 on this page"), "{html}");
    }

    #[tokio::test]
    async fn readers_are_not_offered_what_they_may_not_do() {
        // B4
        let html = shown(Role::Reader).await;
        assert_eq!(
            html.matches("name=\"csrf\"").count(),
            2,
            "sign-out, and the list without buttons: {html}"
        );
        assert!(!html.contains("name=\"do\"") && !html.contains("_record"), "{html}");
    }
}
