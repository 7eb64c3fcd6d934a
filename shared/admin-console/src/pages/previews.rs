//! A preview: everybody with what would happen and why, grouped by mapping, and the import of exactly
//! that, or of those who are ticked (I1, I2).

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::api::{At, Trouble};
use crate::layout::explained;
use crate::pages::connections::Asked;
use crate::pages::editor::people;
use crate::parts::{
    Tone, badge, counted, empty, facts, local, more, number, person, query, text, time, word,
};
use crate::visit::{Sent, Visit};

/// People on a page.
const PAGE: &str = "50";

pub(crate) async fn show(
    visit: Visit,
    Path((id, preview)): Path<(String, String)>,
    Query(asked): Asked,
) -> Response {
    let asked = |name: &str| asked.get(name).map_or("", String::as_str);
    match whole(&visit, &id, &preview, asked("mapping"), asked("decision"), asked("cursor"), None)
        .await
    {
        Ok(body) => visit.page_of(&id, "Preview", &body).into_response(),
        Err(trouble) => visit.refused(&trouble),
    }
}

async fn whole(
    visit: &Visit,
    id: &str,
    preview: &str,
    mapping: &str,
    decision: &str,
    cursor: &str,
    refused: Option<&Trouble>,
) -> Result<Markup, Trouble> {
    let shown = visit.api.get(&["previews", preview]).await?;
    let complete = shown["state"] == "complete";
    let people = At::new(&["previews", preview, "people"]).with("limit", PAGE);
    let people = people
        .with_some("mapping", Some(mapping))
        .with_some("decision", Some(decision))
        .with_some("cursor", Some(cursor));
    let people = visit.api.read(people).await.map(|answer| answer.body).unwrap_or_default();
    let here = local(&["connections", id, "previews", preview]);
    let running = !matches!(text(&shown["state"]), "complete" | "failed");
    Ok(html! {
        div #preview data-refresh=[running.then_some("2")] {
            div.head { h1 { "Preview " (word(text(&shown["state"]))) }
                @if running { a.button href=(here) { "Look again" } }
            }
            @if let Some(trouble) = refused { (explained(trouble)) }
            @if let Some(error) = shown["error"].as_str() { div.notice.bad { p { (error) } } }
            (facts(&[
                ("People looked at", html! { (number(shown["people"].as_u64().unwrap_or(0))) }),
                ("Rules", html! { @if shown["rules"] == "saved" { "as saved, revision " (crate::parts::value(&shown["revision"])) } @else { "of a draft" } }),
                ("Asked for", time(&shown["created"])),
                ("Good until", time(&shown["expires"])),
            ]))
            (warnings(&shown))
            (totals(&here, &shown, mapping, decision))
            @if complete || !people.is_null() { (listed(visit, id, &here, &shown, &people, mapping, decision)) }
        }
    })
}

fn warnings(shown: &Value) -> Markup {
    let held = ["user", "agent"].into_iter().filter(|kind| shown["held_by_guard"][*kind] == true);
    html! {
        @for kind in held {
            div.notice.warn { p { "The guard would hold the deactivations of this import: "
                (counted(shown["deactivations"][kind].as_u64().unwrap_or(0), kind, if kind == "user" { "users" } else { "agents" })) " (L4)." } }
        }
        @if shown["needs_full_read"] == true { div.notice.warn { p { "These rules need properties or groups that were never read, so an import reads everybody first, and may differ from this." } } }
        @for warning in shown["warnings"].as_array().into_iter().flatten() {
            div.notice.warn { p { (text(&warning["message"])) " " code { (text(&warning["path"])) } } }
        }
    }
}

/// How many by mapping and decision; each number leads to its people.
fn totals(here: &str, shown: &Value, mapping: &str, decision: &str) -> Markup {
    let groups: Vec<&Value> = shown["mappings"].as_array().into_iter().flatten().collect();
    let decisions: Vec<&String> = shown["totals"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(name, _)| name)
        .collect();
    html! {
        h2 { "By mapping" }
        div.scroll tabindex="0" role="region" aria-label="People by mapping and decision" { table {
            caption { "People by the mapping that takes them, and by what would happen." }
            thead { tr { th scope="col" { "Mapping" } @for name in &decisions { th scope="col" { (name.replace('_', " ")) } } } }
            tbody {
                @for group in groups {
                    @let name = group["mapping"].as_str();
                    tr {
                        th scope="row" { @match name { Some(name) => { bdi { (name) } } None => "no mapping" } }
                        @for decision in &decisions {
                            @let count = group["totals"][decision.as_str()].as_u64().unwrap_or(0);
                            td data-label=(decision.replace('_', " ")) {
                                @if count == 0 { span.faint { "0" } }
                                @else { a href=(query(here, &[("mapping", name.unwrap_or("none")), ("decision", decision)])) { (number(count)) } }
                            }
                        }
                    }
                }
                tr { th scope="row" { "Together" } @for decision in &decisions {
                    td data-label=(decision.replace('_', " ")) { a href=(query(here, &[("decision", decision)])) { (number(shown["totals"][decision.as_str()].as_u64().unwrap_or(0))) } }
                } }
            }
        } }
        @if !mapping.is_empty() || !decision.is_empty() {
            p { "Shown: " @if !mapping.is_empty() { (badge(Tone::Plain, mapping)) " " } @if !decision.is_empty() { (word(decision)) } " " a href=(here) { "everybody" } }
        }
    }
}

fn listed(
    visit: &Visit,
    id: &str,
    here: &str,
    shown: &Value,
    people: &Value,
    mapping: &str,
    decision: &str,
) -> Markup {
    let list: Vec<&Value> = people["people"].as_array().into_iter().flatten().collect();
    let may = visit.administrates() && shown["state"] == "complete" && shown["rules"] == "saved";
    let changing: u64 = ["create", "update", "reactivate", "deactivate"]
        .iter()
        .filter_map(|name| shown["totals"][*name].as_u64())
        .sum();
    html! {
        h2 { "People" }
        form method="post" action={ (here) "/import" } {
            input type="hidden" name="csrf" value=(visit.csrf());
            input type="hidden" name="key" value=(visit.fresh());
            @if may { div.save {
                button.main name="do" value="all" { "Import all " (number(changing)) }
                button name="do" value="some" { "Import the ticked people" }
                p.faint { "Exactly this is carried out; whoever moved since is left alone." }
            } }
            @if list.is_empty() { (empty("Nobody here.", &html! { p { a href=(here) { "Show everybody" } } })) }
            div.list { @for one in &list { (row(id, one, may)) } }
        }
        (more(here, &[("mapping", mapping), ("decision", decision)], &people["cursor"]))
    }
}

/// A person of the preview: a box where something would happen, and what opens.
fn row(id: &str, one: &Value, may: bool) -> Markup {
    let (name, oid) = (text(&one["person"]["display_name"]), text(&one["person"]["id"]));
    let decision = text(&one["decision"]);
    let happens = matches!(decision, "create" | "update" | "reactivate" | "deactivate");
    html! {
        div.picked {
            @if may && happens {
                input type="checkbox" name="people" value=(oid) aria-label={ "Import " (name) };
            }
            details {
                summary { span.line {
                    strong { bdi { (name) } }
                    (word(decision))
                    @if let Some(mapping) = one["mapping"].as_str() { span.faint { bdi { (mapping) } } }
                } }
                div.inside { (opened(id, one)) }
            }
        }
    }
}

fn opened(id: &str, one: &Value) -> Markup {
    html! {
        p { (person(id, &one["person"])) }
        ul { @for reason in one["reasons"].as_array().into_iter().flatten() { li { (text(&reason["sentence"])) } } }
        @for change in one["changes"].as_array().into_iter().flatten() {
            p { (text(&change["record"])) " " code { (text(&change["field"])) } ": "
                span.before { (crate::parts::value(&change["before"])) } " → " span.after { (crate::parts::value(&change["after"])) } }
        }
        @for note in one["notes"].as_array().into_iter().flatten() { p.faint { (crate::parts::value(note)) } }
    }
}

/// Carries out a preview, asking first where people would be deactivated.
pub(crate) async fn import(Path((id, preview)): Path<(String, String)>, sent: Sent) -> Response {
    let Sent { visit, pairs } = &sent;
    let people: Vec<&str> = match pairs.text("do") {
        Some("some") => pairs.all("people").collect(),
        _ => Vec::new(),
    };
    let key = pairs.text("key").unwrap_or_default();
    let some = pairs.text("do") == Some("some");
    let here = local(&["connections", &id, "previews", &preview]);
    if some && people.is_empty() {
        return Redirect::to(&here).into_response();
    }
    let shown = match visit.api.get(&["previews", &preview]).await {
        Ok(shown) => shown,
        Err(trouble) => return visit.refused(&trouble),
    };
    let leaving = shown["totals"]["deactivate"].as_u64().unwrap_or(0);
    if leaving > 0 && pairs.text("sure") != Some("yes") {
        return ask(visit, &id, &here, leaving, &people, key);
    }
    let mut body = json!({ "plan": preview });
    if some {
        body["people"] = people.into();
    }
    match visit.api.once(At::new(&["connections", &id, "imports"]), key, &body).await {
        Ok(answer) => {
            Redirect::to(&local(&["connections", &id, "runs", text(&answer.body["run"])]))
                .into_response()
        }
        Err(trouble) => match whole(visit, &id, &preview, "", "", "", Some(&trouble)).await {
            Ok(body) => {
                visit.page_of(&id, "Preview", &body).with_status(trouble.status).into_response()
            }
            Err(trouble) => visit.refused(&trouble),
        },
    }
}

fn ask(visit: &Visit, id: &str, here: &str, leaving: u64, people: &[&str], key: &str) -> Response {
    let some = !people.is_empty();
    let body = html! {
        h1 { "Import, and deactivate people in Halo?" }
        p { "The preview has " strong { (counted(leaving, "person who becomes", "people who become")) " inactive" } " in Halo"
            @if some { "; of " (counted(people.len() as u64, "ticked person", "ticked people")) ", those among them do" } ". They cannot sign in to Halo then; their tickets stay." }
        form.row method="post" action={ (here) "/import" } {
            input type="hidden" name="csrf" value=(visit.csrf());
            input type="hidden" name="key" value=(key);
            input type="hidden" name="do" value=(if some { "some" } else { "all" });
            @for person in people { input type="hidden" name="people" value=(person); }
            button.danger name="sure" value="yes" { "Yes, import" }
            a.button href=(here) { "No, go back" }
        }
    };
    visit.page_of(id, "Import", &body).into_response()
}

/// Groups of the tenant for the script that suggests them.
pub(crate) async fn groups(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let search = asked.get("search").map(String::as_str);
    let at = At::new(&["connections", &id, "groups"]).with_some("search", search);
    match visit.api.read(at).await {
        Ok(answer) => {
            let groups = answer.body["groups"].as_array().cloned().unwrap_or_default();
            let options: Vec<Value> = groups
                .iter()
                .map(|group| {
                    let people = people(group["people"].as_u64());
                    json!({ "value": group["name"], "label": format!("{people}{}", text(&group["id"])) })
                })
                .collect();
            axum::Json(json!({ "options": options })).into_response()
        }
        Err(trouble) => (trouble.status, axum::Json(json!({ "options": [] }))).into_response(),
    }
}
