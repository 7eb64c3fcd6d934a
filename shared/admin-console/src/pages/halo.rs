//! Halo and the deployment: whether it works, what Halo's budget has left, the connection test, and the
//! module switch (H1, H2, C11).

use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::api::{At, Trouble};
use crate::layout::explained;
use crate::parts::decision::each;
use crate::parts::question::{Question, question};
use crate::parts::{Field, Kind, Tone, badge, facts, number, table, text, time, value};
use crate::visit::{Sent, Visit};

const HERE: &str = "/console/halo";

pub(crate) async fn show(visit: Visit) -> Response {
    whole(&visit, None).await
}

/// The page, with what came of a test.
async fn whole(visit: &Visit, test: Option<Result<Value, Trouble>>) -> Response {
    let api = &visit.api;
    let (health, module, budget, key) = futures::join!(
        health(visit),
        api.get(&["module"]),
        api.get(&["halo", "budget"]),
        api.get(&["licence-signing-key"]),
    );
    let (module, budget, key) = match (module, budget, key) {
        (Ok(module), Ok(budget), Ok(key)) => (module, budget, key),
        (Err(trouble), ..) | (_, Err(trouble), _) | (.., Err(trouble)) => {
            return visit.refused(&trouble);
        }
    };
    let body = html! {
        h1 { "Halo" }
        (switch(visit, &module))
        h2 { "Request budget" }
        (left(&budget))
        h2 { "Connection test" }
        p { "Signs in to Halo, and reads a row of each entity that an import needs. It costs up to nine requests of the budget." }
        @if visit.administrates() {
            form method="post" action="/console/halo/test" {
                input type="hidden" name="csrf" value=(visit.csrf());
                button { "Test now" }
            }
        } @else { p.faint { "Administrators may test." } }
        @match &test {
            Some(Ok(report)) => (tested(report)),
            Some(Err(trouble)) => (explained(trouble)),
            None => {}
        }
        (signing_key(visit, &key))
        h2 { "This deployment" }
        (works(&health))
    };
    visit.page("Halo", &body).into_response()
}

/// How the deployment is. It answers 503 where something does not, and that is an answer, too.
async fn health(visit: &Visit) -> Value {
    match visit.api.get(&["health"]).await {
        Ok(health) => health,
        Err(trouble) => trouble.body,
    }
}

fn works(health: &Value) -> Markup {
    let ok = |name: &str| {
        if health[name] == "ok" {
            badge(Tone::Good, "works")
        } else {
            badge(Tone::Bad, "does not answer")
        }
    };
    let dead = health["dead_letters"].as_u64();
    html! {
        (facts(&[
            ("Storage", ok("store")),
            ("Queue", ok("queue")),
            ("Hints that were given up", html! { @match dead {
                Some(0) => "none", Some(count) => (badge(Tone::Warning, &number(count))), None => { span.faint { "not known" } } } }),
            ("Version", html! { (text(&health["version"])) }),
        ]))
        @if dead > Some(0) { p.faint { "Nothing is lost by a hint that was given up: the timer finds what is left. The log of the deployment says why." } }
    }
}

/// What the budget has left.
pub(crate) fn left(budget: &Value) -> Markup {
    let (Some(most), Some(left)) = (budget["requests"].as_u64(), budget["left"].as_u64()) else {
        return html! { p { "Requests to this Halo are not counted." } };
    };
    html! {
        @if !budget["closed_until"].is_null() {
            div.notice.warn { p { "Halo answered that there were too many requests. Nobody asks it before " (time(&budget["closed_until"])) "." } }
        }
        p { meter min="0" max=(most) value=(left) aria-label="Requests left" { (left) } }
        p { strong { (number(left)) } " of " (number(most)) " requests may be made at once; "
            (number(budget["window"].as_u64().unwrap_or(0))) " seconds are one window, for all connections together. Background work leaves a tenth to people who wait." }
    }
}

fn tested(report: &Value) -> Markup {
    let rows: Vec<Vec<Markup>> = each(&report["entities"])
        .map(|one| {
            vec![
                html! { code { (text(&one["entity"])) } },
                match one["problem"].as_str() {
                    Some(_) => badge(Tone::Bad, "refused"),
                    None => badge(Tone::Good, "answered"),
                },
                html! { bdi { (text(&one["problem"])) } },
            ]
        })
        .collect();
    let passed = report["passed"] == true;
    html! {
        div.notice.(if passed { "good" } else { "bad" }) role="status" { p {
            @if passed { strong { "Halo answers everything that an import needs." } }
            @else { strong { "Not everything answers." } " " bdi { (text(&report["problem"])) } }
            @if let Some(name) = report["connected_as"]["name"].as_str() {
                " We are the agent " strong { bdi { (name) } } @if !report["connected_as"]["id"]["id"].is_null() { " (" (value(&report["connected_as"]["id"]["id"])) ")" }
                ", whom no import ever disables."
            }
        } }
        @if each(&report["scopes"]).next().is_some() { p { "Granted: " (value(&report["scopes"])) "." } }
        @if !rows.is_empty() { (table("What each entity answered", &["Entity", "Answer", "What to do"], &rows)) }
    }
}

pub(crate) async fn test(sent: Sent) -> Response {
    let visit = sent.visit;
    let report = visit.api.get(&["halo", "test"]).await;
    whole(&visit, Some(report)).await
}

/// The key with which Halo signs its requests for licences (S2). It is entered here and never shown.
fn signing_key(visit: &Visit, key: &Value) -> Markup {
    let set = key["set"] == true;
    let field = Field {
        name: "key",
        label: "New key",
        help: "32 to 512 visible characters that nobody can guess. Enter the same in Halo's webhook.",
        kind: Kind::Secret,
        wrong: Vec::new(),
    };
    let drop = Field {
        name: "drop",
        label: "The old key does not count any more",
        help: "Leave it open until Halo signs with the new one; then send the new one once more with it.",
        kind: Kind::Tick(false),
        wrong: Vec::new(),
    };
    html! {
        h2 { "Licence signing key" }
        p { "Halo signs with it when it asks for a licence to be given or taken. "
            @if set { (badge(Tone::Good, "entered")) @if !key["since"].is_null() { " since " (time(&key["since"])) }
                @if key["previous"] == true { "; the one before still counts" } "." }
            @else { (badge(Tone::Plain, "none")) " Only connections that manage licences from Halo need one." } }
        @if visit.administrates() { details { summary { (if set { "Replace it" } else { "Enter it" }) } div.inside {
            form method="post" action="/console/halo/licence-key" {
                input type="hidden" name="csrf" value=(visit.csrf());
                (field)
                @if set { (drop) }
                button { "Keep this key" }
            }
        } } }
    }
}

pub(crate) async fn put_key(sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let mut body = json!({ "key": pairs.text("key").unwrap_or_default() });
    if pairs.text("drop") == Some("true") {
        body["previous"] = json!("drop");
    }
    let at = At::new(&["licence-signing-key"]);
    match visit.api.write(Method::PUT, at, None, &body).await {
        Ok(_) => Redirect::to(HERE).into_response(),
        Err(trouble) => visit.refused(&trouble),
    }
}

/// The module switch (C11).
fn switch(visit: &Visit, module: &Value) -> Markup {
    let on = module["state"] == "on";
    let final_ = module["deployment"] == "off";
    html! {
        div.card {
            h2 { "The integration is " (if on { badge(Tone::Good, "switched on") } else { badge(Tone::Warning, "switched off") }) }
            @if let Some(by) = module["by"].as_str() { p.faint { "By " bdi { (by) } ", " (time(&module["since"])) "." } }
            @if final_ { p { "The deployment's own switch, HALO_ENTRA_MODULE, is off; it cannot be switched on here." } }
            @else if visit.administrates() {
                form method="post" action="/console/halo/module" {
                    input type="hidden" name="csrf" value=(visit.csrf());
                    input type="hidden" name="state" value=(if on { "off" } else { "on" });
                    button { (if on { "Switch it off…" } else { "Switch it on…" }) }
                }
            }
        }
    }
}

/// Asks first, and turns the switch when it is sure.
pub(crate) async fn turn(sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let state = pairs.text("state").unwrap_or_default();
    if pairs.text("sure").is_some() {
        let body = json!({ "state": state });
        return match visit.api.write(Method::PUT, At::new(&["module"]), None, &body).await {
            Ok(_) => Redirect::to(HERE).into_response(),
            Err(trouble) => visit.refused(&trouble),
        };
    }
    let connections = visit.api.read(At::new(&["connections"]).with("limit", "200")).await;
    let connections = connections.map(|answer| answer.body).unwrap_or_default();
    let count = each(&connections["connections"]).filter(|it| it["enabled"] != false).count();
    let count = if connections["cursor"].is_string() {
        format!("{count} or more")
    } else {
        count.to_string()
    };
    let off = state == "off";
    let told = html! {
        @if off { p { "No timer, import or write happens any more for " strong { (count) } " connections that are switched on. Steps that are under way end their portion first. Nothing is lost: on again, everything goes on where it was." } }
        @else { p { "Timers, imports and writes go on for " strong { (count) } " connections that are switched on." } }
    };
    let button = if off { "Switch the integration off" } else { "Switch the integration on" };
    let asked = Question {
        action: "/console/halo/module",
        back: HERE,
        carries: &[("state", state), ("sure", "yes")],
        button,
        danger: off,
    };
    let body = html! { h1 { (button) "?" } (question(&visit, &asked, &told)) };
    visit.page("Module switch", &body).into_response()
}

#[cfg(test)]
mod tests {
    use engine::web::Role;

    use super::*;
    use crate::testing::{page, sent, visit};

    fn answers(state: &str) -> Vec<(&'static str, Value)> {
        vec![
            (
                "/v1/module",
                json!({ "state": state, "deployment": "on", "by": "<b>", "since": "2026-11-02T08:00:00Z" }),
            ),
            (
                "/v1/halo/budget",
                json!({ "requests": 250, "window": 300, "left": 12, "closed_until": "2026-11-02T08:00:00Z" }),
            ),
            ("/v1/licence-signing-key", json!({ "set": true, "since": null, "previous": true })),
            (
                "/v1/health",
                json!({ "store": "ok", "queue": "failed", "dead_letters": 3, "version": "0.1.0" }),
            ),
            (
                "/v1/connections",
                json!({ "connections": [{ "enabled": true }, { "enabled": false }, {}], "cursor": null }),
            ),
        ]
    }

    #[tokio::test]
    async fn the_switch_is_asked_about_with_how_many_it_stops() {
        // C11
        let form = sent(visit(Role::Administrator, &answers("on")), "state=off");
        let html = page(turn(form).await).await;
        assert!(
            html.contains("<strong>2</strong> connections") && html.contains("name=\"sure\""),
            "{html}"
        );
        assert!(html.contains("class=\"danger\""), "{html}");
    }

    #[tokio::test]
    async fn the_page_tells_what_is_left_and_what_does_not_answer() {
        // H1, H2
        for (role, posts) in [(Role::Administrator, 4), (Role::Reader, 1)] {
            let html = page(show(visit(role, &answers("on"))).await).await;
            assert!(
                html.contains("<strong>12</strong> of 250") && html.contains("does not answer"),
                "{html}"
            );
            assert!(
                html.contains("the one before still counts") && !html.contains("<b>"),
                "{html}"
            );
            assert_eq!(html.matches("method=\"post\"").count(), posts, "{html}");
        }
    }
}
