//! A person: who they are in Entra and in Halo, why, what waits, and what happened so far (B3).

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::connection::find;
use super::connections::Asked;
use super::link;
use super::log::{mappings_of, placed, utc};
use crate::api::{At, Trouble};
use crate::layout::explained;
use crate::parts::decision::{KINDS, each, matched, whole};
use crate::parts::entry::{self, Place, name};
use crate::parts::{Tone, badge, empty, facts, local, query, table, text, time, value, word};
use crate::visit::{Sent, Visit};

/// Entries of the log in which a name is looked for.
const LOOK: &str = "100";

/// Finds people: by user principal name or object id at once, by the beginning of a name in the log.
pub(crate) async fn search(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let wanted = asked.get("q").map_or("", String::as_str).trim();
    if wanted.is_empty() {
        return found(&visit, &id, wanted, &[]);
    }
    let page_of = |person: &Value| {
        let address = local(&["connections", &id, "people", text(&person["id"])]);
        Redirect::to(&address).into_response()
    };
    match visit.api.get(&["connections", &id, "people", wanted]).await {
        Ok(known) => return page_of(&known["person"]),
        Err(trouble) if trouble.kind == "not_found" => {}
        Err(trouble) => return visit.refused(&trouble),
    }
    let at = At::new(&["inbound"]).with("connection", &id).with("person", wanted);
    match visit.api.read(at.with("limit", LOOK)).await {
        Ok(answer) => {
            let entries = each(&answer.body["entries"]).map(|entry| &entry["person"]);
            let people: BTreeMap<&str, &Value> =
                entries.map(|person| (text(&person["id"]), person)).collect();
            let mut people: Vec<&Value> = people.into_values().collect();
            people.sort_by_key(|person| name(person));
            match people.as_slice() {
                [one] => page_of(one),
                all => found(&visit, &id, wanted, all),
            }
        }
        Err(trouble) => visit.refused(&trouble),
    }
}

fn found(visit: &Visit, id: &str, wanted: &str, people: &[&Value]) -> Response {
    let root = local(&["connections", id]);
    let body = html! {
        h1 { "People" }
        (find(&root))
        @if wanted.is_empty() {
            p { "Everybody of the tenant can be explained, imported or not. Whom something happened to stands in the "
                a href={ (root) "/log" } { "inbound log" } "." }
        } @else if people.is_empty() {
            (empty("Nobody was found.", &html! {
                p { "Nobody of this connection has the object id or user principal name " strong { bdi { (wanted) } }
                    ", and no entry of the log is about somebody whose name begins so." }
                p { "People are known from the first read on. Whoever never had an entry is found by user principal name or object id." }
            }))
        } @else {
            p { "Several people fit." }
            ul.found { @for one in people { li { (crate::parts::person(id, one)) } } }
        }
    };
    visit.page_of(id, "People", &body).into_response()
}

/// The page of a person.
pub(crate) async fn show(
    visit: Visit,
    Path((id, who)): Path<(String, String)>,
    Query(asked): Asked,
) -> Response {
    match shown(&visit, &id, &who, &asked).await {
        Ok(body) => placed(&visit, &id, "Person", &body).into_response(),
        Err(trouble) => visit.refused(&trouble),
    }
}

async fn shown(
    visit: &Visit,
    id: &str,
    who: &str,
    asked: &BTreeMap<String, String>,
) -> Result<Markup, Trouble> {
    let parts = ["connections", id, "people", who, "explain"];
    let at = asked.get("at").map(|at| utc(at)).filter(|at| !at.is_empty());
    let past = async {
        match &at {
            Some(at) => Some(visit.api.read(At::new(&parts).with("at", at)).await),
            None => None,
        }
    };
    let (known, mappings, past) =
        futures::join!(visit.api.get(&parts), mappings_of(visit, id), past);
    let (known, mappings) = (known?, mappings?);
    let runs = visit.person().is_none();
    let place = Place { connection: id, mappings: &mappings, runs, of_one: true, mark: "e-" };
    let oid = text(&known["person"]["id"]);
    let here = local(&["connections", id, "people", oid]);
    Ok(html! {
        (head(visit, &known["person"], &here))
        @if let Some(what) = asked.get("saved") { (noted(id, what, asked.get("run"))) }
        (verdict(id, &known, runs))
        (waits(id, &known, runs))
        h2 { "Why" }
        (why(&known, &mappings))
        h2 { "What happened so far" }
        (history(place, &known))
        (past_form(&here, asked))
        @if let Some(past) = past { (then(place, &past)) }
        @if visit.administrates() { (link::form(visit, &here, &known)) }
        h2 { "What Entra says" }
        (of_entra(id, &known["facts"], runs))
        h2 { "What Halo was given" }
        (of_halo(&known["link"]))
    })
}

fn head(visit: &Visit, person: &Value, here: &str) -> Markup {
    let upn = text(&person["user_principal_name"]);
    html! {
        div.head {
            h1 { bdi { (name(person)) } }
            @if visit.administrates() {
                form method="post" action={ (here) "/import" } {
                    input type="hidden" name="csrf" value=(visit.csrf());
                    input type="hidden" name="key" value=(visit.fresh());
                    button.main { "Import now" }
                }
            }
        }
        p.faint { @if !upn.is_empty() { bdi { (upn) } " · " } span.mono { (text(&person["id"])) } }
    }
}

fn noted(id: &str, what: &str, run: Option<&String>) -> Markup {
    html! { div.notice.good role="status" { p {
        @if what == "link" { "The link is noted. " }
        @match run {
            Some(run) => { "A run carries it to Halo: " a href=(local(&["connections", id, "runs", run])) { "follow it" } "." }
            None => "The next run carries it to Halo.",
        }
    } } }
}

/// Who they are and what would happen, to be read in ten seconds.
fn verdict(id: &str, known: &Value, others: bool) -> Markup {
    let decision = &known["decision"];
    html! {
        div.card.verdict {
            @for kind in KINDS { p { (who_in_halo(kind, known)) } }
            p {
                @if decision.is_null() { "What an import would do cannot be told yet; the notes below say why." }
                @else if decision["decision"] == "unchanged" { (badge(Tone::Good, "up to date")) " An import would change nothing." }
                @else { "An import now: " (word(text(&decision["decision"]))) " " }
            }
            @if !known["facts"]["manager"].is_null() { p.faint { "Manager: " (manager(id, &known["facts"]["manager"], others)) } }
        }
    }
}

/// The manager, as a link for whoever may look at others.
fn manager(id: &str, manager: &Value, others: bool) -> Markup {
    let Some(oid) = manager["id"].as_str() else { return html! { span.faint { "none" } } };
    let name = manager["display_name"].as_str().unwrap_or(oid);
    html! {
        @if others { a href=(local(&["connections", id, "people", oid])) { bdi { (name) } } }
        @else { bdi { (name) } }
    }
}

/// Who somebody is in Halo, or why they are nobody there.
fn who_in_halo(kind: &str, known: &Value) -> Markup {
    let linked = &known["link"][kind];
    let decision = &known["decision"];
    let because = each(&decision["reasons"]).find(|it| it["about"] == kind);
    html! {
        @if linked.is_null() {
            strong { "No " (kind) " in Halo." } " "
            @match known["link"]["choices"][kind].as_str() {
                Some("unlinked") => "An administrator cut the link.",
                Some("create") => "An administrator chose that a new one is made.",
                _ => { @if let Some(because) = because { bdi { (text(&because["sentence"])) } } }
            }
        } @else {
            strong { "Halo " (kind) " " (value(&linked["id"])) } " " (activity(text(&linked["activity"])))
            @if let Some(mapping) = linked["mapping"].as_str() { ", placed by the mapping " code { (mapping) } }
            @if let Some(how) = matched(&linked["how"]) { ", " (how) } "."
        }
    }
}

fn activity(activity: &str) -> Markup {
    match activity {
        "active" => badge(Tone::Good, "active"),
        "inactive_by_us" => badge(Tone::Bad, "inactive, by this product"),
        "inactive_by_role" => badge(Tone::Bad, "inactive, because of a role"),
        "inactive_by_others" => badge(Tone::Warning, "inactive, by others"),
        other => badge(Tone::Plain, &other.replace('_', " ")),
    }
}

/// What waits for time, for data or for somebody; where that is settled, for whoever may look there.
fn waits(id: &str, known: &Value, others: bool) -> Markup {
    let root = local(&["connections", id]);
    let (parked, held, conflict) = (&known["parked"], &known["held"], &known["conflict"]);
    let pending: Option<Vec<&str>> =
        known["pending"].as_array().map(|list| list.iter().map(text).collect());
    html! {
        @if !conflict.is_null() { div.notice.warn { p {
            strong { "In conflict" } " since " (time(&conflict["since"])) ". " bdi { (text(&conflict["sentence"])) } " "
            @if others { a href={ (root) "/conflicts" } { "Choose" } }
        } } }
        @if !held.is_null() { div.notice.bad { p {
            strong { "Deactivation held" } " since " (time(&held["since"])) ". " bdi { (text(&held["sentence"])) } " "
            @if others { a href={ (root) "/held" } { "Release or reject" } }
        } } }
        @if !parked.is_null() && conflict.is_null() { div.notice.warn { p {
            strong { "Set aside" } " after " (value(&parked["attempts"])) " tries. " bdi { (text(&parked["sentence"])) } " "
            @if parked["until"].is_null() { "It is tried again when the data changes." }
            @else { "Next try: " (time(&parked["until"])) "." }
        } } }
        @if let Some(pending) = pending { div.notice { p {
            strong { "Waits for the next run" } ": "
            @if pending.is_empty() { "to be looked at" } @else { (pending.join(", ")) " changed" } "."
        } } }
    }
}

fn why(known: &Value, mappings: &Value) -> Markup {
    let link = &known["link"];
    let halo = json!({ "user": link["user"]["id"], "agent": link["agent"]["id"] });
    html! {
        @for note in each(&known["notes"]) { div.notice { p { bdi { (text(note)) } } } }
        @if !known["decision"].is_null() { (whole(&known["decision"], &halo, mappings)) }
    }
}

fn history(place: Place<'_>, known: &Value) -> Markup {
    let all = local(&["connections", place.connection, "log"]);
    let all = query(&all, &[("person", text(&known["person"]["id"]))]);
    html! {
        @if each(&known["log"]).next().is_none() {
            (empty("Nothing was logged about this person.", &html! { p { "Runs log people for whom something was to be done." } }))
        } @else {
            (entry::list(place, &known["log"]))
            p { a href=(all) { "All entries about this person" } }
        }
    }
}

fn past_form(here: &str, asked: &BTreeMap<String, String>) -> Markup {
    html! {
        form.row method="get" action=(here) {
            label for="at" { "Why were they treated so before" span data-zone { " (UTC)" } }
            input #at type="text" data-time name="at" value=[asked.get("at").map(|at| utc(at))] placeholder="2026-11-02 08:00" required;
            button { "Explain" }
        }
    }
}

/// The last decision before a time.
fn then(place: Place<'_>, past: &Result<crate::api::Answer, Trouble>) -> Markup {
    match past {
        Err(trouble) => explained(trouble),
        Ok(answer) => html! {
            h3 { "Before " (time(&answer.body["at"])) }
            @if answer.body["entry"].is_null() { p { (text(&answer.body["note"])) } }
            @else { (entry::list(Place { mark: "then-", ..place }, &json!([answer.body["entry"]]))) }
        },
    }
}

fn of_entra(id: &str, facts_: &Value, others: bool) -> Markup {
    let groups: Vec<&Value> = each(&facts_["groups"]).collect();
    let rows: Vec<Vec<Markup>> = facts_["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, found)| vec![html! { code { (name) } }, value(found)])
        .collect();
    html! {
        (facts(&[
            ("In Entra", html! { @match text(&facts_["presence"]) {
                "present" => "there", "unread" => "not read yet", "soft_deleted" => "deleted, can be restored for 30 days",
                "purged" => "deleted for good", "missing" => "not in the last full read", other => (other),
            } }),
            ("Account", html! { @if facts_["enabled"] == true { "enabled" } @else { (badge(Tone::Bad, "disabled")) } }),
            ("External", value(&facts_["external"])),
            ("Manager", manager(id, &facts_["manager"], others)),
            ("Groups of the rules", html! {
                @if groups.is_empty() { span.faint { "none" } }
                @for (at, group) in groups.iter().enumerate() { @if at > 0 { ", " }
                    bdi { (group["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(text(&group["id"]))) } }
            }),
        ]))
        @if !rows.is_empty() { details { summary { "All properties that were read" }
            div.inside { (table("Properties", &["Property", "Value"], &rows)) } } }
    }
}

fn of_halo(link: &Value) -> Markup {
    let of = |kind: &str| -> Vec<Vec<Markup>> {
        let image = link[kind]["image"].as_object().into_iter().flatten();
        image.map(|(field, found)| vec![html! { code { (field) } }, value(found)]).collect()
    };
    let seats: Vec<&Value> = each(&link["seats"]).collect();
    html! {
        @if KINDS.iter().all(|kind| link[*kind].is_null()) { p { "Nothing: there is no record in Halo." } }
        @for kind in KINDS { @if !link[kind].is_null() {
            details { summary { "Halo " (kind) " " (value(&link[kind]["id"])) ": the fields that are kept right" }
                div.inside {
                    (table("After the last write or read", &["Field", "Value"], &of(kind)))
                    p { "Roles that this product gave: " (value(&link[kind]["granted_roles"])) "." }
                } }
        } }
        @for seat in seats { p {
            "CAB " (value(&seat["cab"])) @if !seat["role"].is_null() { " in role " (value(&seat["role"])) } ": "
            (text(&seat["state"]).replace('_', " "))
        } }
        @if !link["ruling"].is_null() { p {
            "Ruling on a deactivation: " (text(&link["ruling"]["says"])) " by " bdi { (text(&link["ruling"]["by"])) }
            ", until " (time(&link["ruling"]["until"])) "."
        } }
    }
}

/// Imports one person now, and leads to the run that does it (I2).
pub(crate) async fn import(Path((id, who)): Path<(String, String)>, sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    started(&visit, &id, pairs.text("key").unwrap_or_default(), &[&who]).await
}

/// Starts an import of some people, once for a key, and leads to its run.
pub(crate) async fn started(visit: &Visit, id: &str, key: &str, people: &[&str]) -> Response {
    let at = At::new(&["connections", id, "imports"]);
    match visit.api.once(at, key, &json!({ "people": people })).await {
        Ok(answer) => {
            let run = text(&answer.body["run"]).to_owned();
            Redirect::to(&local(&["connections", id, "runs", &run])).into_response()
        }
        Err(trouble) => visit.refused(&trouble),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use engine::web::Role;
    use plan::sign_on::Oneself;

    use super::*;
    use crate::testing::{NASTY, page, visit};

    const ADA: &str = "5eed0000-0000-4000-8000-000000000001";

    fn explained() -> Value {
        json!({
            "person": { "id": ADA, "display_name": NASTY, "user_principal_name": NASTY },
            "facts": { "presence": "present", "enabled": true, "external": false, "properties": { "displayName": NASTY },
                "manager": { "id": "m", "display_name": NASTY }, "groups": [{ "id": "g", "name": NASTY }] },
            "link": { "user": { "id": 7, "how": { "by": "object_id" }, "activity": "active", "mapping": "sales",
                "granted_roles": [3], "image": { "name": NASTY } }, "agent": null, "seats": [], "choices": {}, "ruling": null },
            "pending": ["mail"], "conflict": { "since": "2026-11-02T08:00:00Z", "sentence": NASTY },
            "parked": { "attempts": 2, "sentence": NASTY, "until": null },
            "held": { "since": "2026-11-02T08:00:00Z", "sentence": NASTY },
            "decision": { "decision": "unchanged", "records": { "user": { "decision": "unchanged", "mapping": "sales", "matched": null } },
                "tried": [{ "mapping": "sales", "matched": true, "sentence": "matches" }],
                "reasons": [{ "about": "user", "sentence": NASTY }, { "about": "agent", "sentence": "No agents mapping matches this person." }] },
            "notes": [NASTY], "log": [{ "id": "l", "time": "2026-11-02T08:00:00Z", "run": "r", "decision": "update", "outcome": "done" }],
        })
    }

    async fn page_for(role: Role) -> String {
        let explain = format!("/v1/connections/contoso/people/{ADA}/explain");
        let mut answers = vec![(explain.as_str(), explained())];
        if !matches!(role, Role::Person(_)) {
            answers.push(("/v1/connections/contoso", json!({ "mappings": [] })));
        }
        let visit = visit(role, &answers);
        let at = Path(("contoso".to_owned(), ADA.to_owned()));
        page(show(visit, at, Query(BTreeMap::new())).await).await
    }

    #[tokio::test]
    async fn a_person_is_told_who_they_are_and_why() {
        // B3
        let html = page_for(Role::Administrator).await;
        assert!(!html.contains("<script>"), "{html}");
        for told in [
            "Halo user 7",
            "placed by the mapping <code>sales</code>",
            "found by the Entra object id",
            "No agent in Halo.",
            "No agents mapping matches this person.",
            "Deactivation held",
            "In conflict",
            "up to date",
            "Import now",
            "Who this is in Halo",
        ] {
            assert!(html.contains(told), "{told}: {html}");
        }
    }

    #[tokio::test]
    async fn whoever_may_only_look_is_offered_nothing_else() {
        // B4, O3: somebody who sees themselves alone has no tabs, either; the API refuses what is behind.
        let oneself =
            Oneself { connection: "contoso".parse().unwrap(), person: ADA.parse().unwrap() };
        for (role, tabs) in [(Role::Reader, 1), (Role::Person(oneself), 0)] {
            let html = page_for(role).await;
            assert!(html.contains("Halo user 7"), "{html}");
            assert_eq!(html.matches("class=\"tabs\"").count(), tabs, "{html}");
            assert_eq!(html.matches("method=\"post\"").count(), 1, "sign-out alone: {html}");
            if tabs == 0 {
                let root = "/console/connections/contoso";
                let own = [format!("{root}/people/{ADA}"), format!("{root}/log?person={ADA}")];
                let links = html.split("href=\"").skip(1).filter_map(|it| it.split('"').next());
                let mut others = links
                    .filter(|it| it.contains("/connections/") && !own.contains(&(*it).to_owned()));
                assert_eq!(others.next(), None, "a link that leads to a refusal");
            }
        }
    }
}
