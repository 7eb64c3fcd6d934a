//! How people sign in here: whose, who of them, and what makes an administrator (O1–O3).

use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::api::{At, Trouble};
use crate::form::fill;
use crate::layout::explained;
use crate::pages::details::CLOUDS;
use crate::pages::editor::{Draft, lists};
use crate::parts::{Choice, Field, Kind, Tone, badge, text, time};
use crate::visit::{Sent, Visit};

const HERE: &str = "/console/sign-in-settings";
const TENANTS: &[Choice<'_>] = &[
    ("single", "one tenant (single tenant application)"),
    ("multi", "several tenants (multi tenant application)"),
];
const ALLOW: &[Choice<'_>] =
    &[("both", "agents and users"), ("agents", "agents"), ("users", "users")];

pub(crate) async fn show(visit: Visit) -> Response {
    whole(&visit, None, &html! {}).await
}

/// The page as it is saved, with what became of something that was sent.
async fn whole(visit: &Visit, refused: Option<&Trouble>, outcome: &Markup) -> Response {
    match visit.api.read(At::new(&["sign-in"])).await {
        Ok(saved) => {
            let status = saved.body["status"].clone();
            let mut draft = Draft::of(visit, "", saved);
            draft.lists = lists(visit).await;
            let above = html! {
                @if let Some(trouble) = refused { (explained(trouble)) }
                (outcome)
            };
            let page = visit.page("Sign-in", &body(&draft, &status, &above));
            match refused {
                Some(trouble) => page.with_status(trouble.status).into_response(),
                None => page.into_response(),
            }
        }
        Err(trouble) => visit.refused(&trouble),
    }
}

fn body(draft: &Draft<'_>, status: &Value, above: &Markup) -> Markup {
    let visit = draft.visit;
    let published = draft.at("published") == true;
    html! {
        div.head { h1 { "Signing in with Microsoft " @if published { (badge(Tone::Good, "published")) } @else { (badge(Tone::Plain, "not published")) } } }
        (above)
        @if visit.here.contains("saved=") && draft.trouble.is_none() { div.notice.good role="status" { p { "Saved." } } }
        p { "Redirect URI to register with the application, under the platform Web: "
            @match status["redirect_uri"].as_str() { Some(uri) => code { (uri) }, None => strong { "unknown: set HALO_ENTRA_PUBLIC_URL" } } }
        @if let Some(uri) = status["signed_out_uri"].as_str() { p.faint { "Beside it, for whoever signs out: " code { (uri) } } }
        @for missing in status["missing"].as_array().into_iter().flatten() { div.notice.warn { p { (text(missing)) } } }
        @if let Some(warning) = status["warning"]["sentence"].as_str() { div.notice.warn { p { (warning) } } }
        form #edit method="post" action=(HERE) {
            input type="hidden" name="csrf" value=(visit.csrf());
            input type="hidden" name="tag" value=(draft.tag);
            @if let Some(trouble) = &draft.trouble { (explained(trouble)) }
            fieldset.plain disabled[!visit.administrates()] { (fields(draft)) }
            @if visit.administrates() { div.save { button.main { "Save" } p.faint { "Sessions under way go on; who may do what is looked at again as they go." } } }
        }
        @if visit.administrates() { (secret(visit, status)) (sessions(visit)) }
    }
}

fn fields(draft: &Draft<'_>) -> Markup {
    let multi = draft.at("tenant.type") == "multi";
    html! {
        fieldset { legend { "The application" }
            (draft.line("name", "Name", "On the button of the sign-in page."))
            (draft.one("tenant.type", "Tenant type", "As the app registration was made.", TENANTS))
            @if multi { (draft.line("tenant.allowed", "Tenants that are let in", "Directory (tenant) ids, several with commas.")) }
            @else { (draft.line("tenant.id", "Directory (tenant) ID", "")) }
            (draft.line("client_id", "Application (client) ID", ""))
            @if draft.at("cloud").is_object() {
                (draft.line("cloud.login", "Login service", ""))
                (draft.line("cloud.graph", "Graph", ""))
            } @else {
                (draft.one("cloud", "Microsoft cloud", "", CLOUDS))
                details { summary { "Addresses of your own" } div.inside {
                    (draft.line("cloud.login", "Login service", "Only where the deployment allows it (C2)."))
                    (draft.line("cloud.graph", "Graph", ""))
                } }
            }
        }
        fieldset { legend { "Who signs in" }
            (draft.tick("published", "Published", "Switches signing in with Microsoft on (O2)."))
            (draft.one("allow", "Allow single sign-on for", "", ALLOW))
            (draft.tick("auto_redirect", "Go to Microsoft without showing our own page", "(O2)"))
            (draft.ticked("administrator_roles", "Agent roles whose holders are administrators here", "agent-roles"))
            p.faint { "None ticked: those whom Halo itself calls administrators. Other agents may look; users see themselves alone (O3)." }
            (draft.ticked("force_sso", "Clients whose people go to Microsoft at once", "clients"))
            p.faint { "They come by a link with ?client= and the number." }
        }
    }
}

fn secret(visit: &Visit, status: &Value) -> Markup {
    let field = |name, label, help, kind| Field { name, label, help, kind, wrong: Vec::new() };
    let line = Kind::Line { value: String::new(), example: "2027-06-30", list: None };
    html! {
        section.card aria-labelledby="secret" {
            h2 #secret { "Client secret " @if !status["secret_set"].is_null() { (badge(Tone::Good, "entered")) } @else { (badge(Tone::Warning, "none")) } }
            @if !status["secret_expires_at"].is_null() { p { "It ends " (time(&status["secret_expires_at"])) "." } }
            form method="post" action={ (HERE) "/credentials" } {
                input type="hidden" name="csrf" value=(visit.csrf());
                (field("client_secret", "Client secret", "Its value. It goes into the secret store and is never shown.", Kind::Secret))
                (field("expires_at", "Expires on", "A day; may be empty.", line))
                button { "Keep it" }
            }
        }
    }
}

fn sessions(visit: &Visit) -> Markup {
    let person = Field {
        name: "person",
        label: "Object id",
        help: "Empty: everybody's, yours as well.",
        kind: Kind::Line { value: String::new(), example: "", list: None },
        wrong: Vec::new(),
    };
    html! {
        section.card aria-labelledby="sessions" {
            h2 #sessions { "End sessions" }
            form method="post" action={ (HERE) "/sessions" } {
                input type="hidden" name="csrf" value=(visit.csrf());
                (person)
                button.danger { "End their sessions" }
            }
        }
    }
}

pub(crate) async fn save(sent: Sent) -> Response {
    let Sent { visit, pairs } = &sent;
    let saved = match visit.api.read(At::new(&["sign-in"])).await {
        Ok(saved) => saved,
        Err(trouble) => return visit.refused(&trouble),
    };
    let status = saved.body["status"].clone();
    let mut draft = Draft::of(visit, "", saved);
    fill(&mut draft.document, pairs, "doc.");
    tidy(&mut draft.document);
    if let Some(tag) = pairs.text("tag") {
        tag.clone_into(&mut draft.tag);
    }
    let sent =
        visit.api.write(Method::PUT, At::new(&["sign-in"]), Some(&draft.tag), &draft.document);
    match sent.await {
        Ok(_) => Redirect::to(&format!("{HERE}?saved=yes")).into_response(),
        Err(trouble) => {
            let code = trouble.status;
            draft.trouble = Some(trouble);
            draft.lists = lists(visit).await;
            let body = body(&draft, &status, &html! {});
            visit.page("Sign-in", &body).with_status(code).into_response()
        }
    }
}

/// The kinds of tenants have fields of their own, and where none is named nobody said yet.
fn tidy(document: &mut Value) {
    let Some(fields) = document.as_object_mut() else { return };
    let tenant = fields.get("tenant").cloned().unwrap_or_default();
    let one = text(&tenant["id"]);
    let typed = text(&tenant["allowed"]).split(',').map(str::trim).filter(|it| !it.is_empty());
    let listed = tenant["allowed"].as_array().into_iter().flatten().map(text);
    let several: Vec<&str> = typed.chain(listed).collect();
    let named = match text(&tenant["type"]) {
        "multi" if several.is_empty() && !one.is_empty() => {
            json!({ "type": "multi", "allowed": [one] })
        }
        "multi" => json!({ "type": "multi", "allowed": several }),
        _ if !one.is_empty() => json!({ "type": "single", "id": one }),
        _ => match several.first() {
            Some(first) => json!({ "type": "single", "id": first }),
            None => Value::Null,
        },
    };
    fields.insert("tenant".to_owned(), named);
}

pub(crate) async fn credentials(sent: Sent) -> Response {
    let Sent { visit, pairs } = &sent;
    let mut body = json!({ "client_secret": pairs.text("client_secret").unwrap_or_default() });
    if let Some(day) = pairs.text("expires_at").filter(|day| !day.trim().is_empty()) {
        body["expires_at"] = day.trim().into();
    }
    let at = At::new(&["sign-in", "credentials"]);
    match visit.api.write(Method::PUT, at, None, &body).await {
        Ok(_) => Redirect::to(&format!("{HERE}?saved=secret")).into_response(),
        Err(trouble) => whole(visit, Some(&trouble), &html! {}).await,
    }
}

pub(crate) async fn end_sessions(sent: Sent) -> Response {
    let Sent { visit, pairs } = &sent;
    let person = pairs.text("person").map(str::trim);
    let at = At::new(&["sign-in", "sessions"]).with_some("person", person);
    match visit.api.write(Method::DELETE, at, None, &Value::Null).await {
        Ok(_) => {
            let done = html! { div.notice.good role="status" { p { "Their sessions are over." } } };
            whole(visit, None, &done).await
        }
        Err(trouble) => whole(visit, Some(&trouble), &html! {}).await,
    }
}
