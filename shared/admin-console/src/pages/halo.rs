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
use crate::parts::{Tone, badge, facts, number, table, text, time, value};
use crate::visit::{Sent, Visit};

const HERE: &str = "/console/halo";

pub(crate) async fn show(visit: Visit) -> Response {
    whole(&visit, None).await
}

/// The page, with what came of a test.
async fn whole(visit: &Visit, test: Option<Result<Value, Trouble>>) -> Response {
    let health = health(visit);
    let answers =
        futures::join!(health, visit.api.get(&["module"]), visit.api.get(&["halo", "budget"]));
    let (health, module, budget) = match answers {
        (health, Ok(module), Ok(budget)) => (health, module, budget),
        (_, Err(trouble), _) | (_, _, Err(trouble)) => return visit.refused(&trouble),
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
