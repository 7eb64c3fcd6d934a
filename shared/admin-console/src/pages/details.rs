//! The tab *Details*: name, tenant, how the connection signs in, its credentials and permissions (C1–C9).

use axum::extract::Path;
use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::api::{At, Trouble};
use crate::layout::explained;
use crate::pages::editor::{self, Beside, Draft, Tab, as_it_is, no_rows};
use crate::parts::decision::each;
use crate::parts::{Choice, Field, Kind, Tone, badge, local, table, text, time, word};
use crate::visit::{Sent, Visit};

/// How a connection signs in.
pub(crate) const METHODS: &[Choice<'_>] = &[
    ("application", "Application (client credentials)"),
    ("delegated", "Delegated (a person signs in)"),
];
/// What it proves itself with.
pub(crate) const CREDENTIALS: &[Choice<'_>] =
    &[("secret", "Client secret"), ("certificate", "Certificate")];
/// Microsoft's clouds; one of a deployment's own is written in the document.
pub(crate) const CLOUDS: &[Choice<'_>] = &[
    ("", "Global"),
    ("us_gov", "US Government (GCC High)"),
    ("us_gov_dod", "US Government (DoD)"),
    ("china", "China (21Vianet)"),
];

const TAB: Tab =
    Tab { path: "details", title: "Details", fields, row: no_rows, tidy: as_it_is, rules: false };

fn fields(draft: &Draft<'_>) -> Markup {
    let own = draft.at("cloud").is_object();
    html! {
        fieldset { legend { "Connection" }
            (draft.line("name", "Name", "For people."))
            (draft.tick("enabled", "Switched on", "Off, the schedule does nothing, and imports are refused (C11)."))
            (draft.line("tenant_id", "Directory (tenant) ID", "From the app registration's overview."))
            (draft.line("auth.client_id", "Application (client) ID", "From the same place."))
            (draft.one("auth.method", "Authentication method", "Another method or credential needs new credentials.", METHODS))
            (draft.one("auth.credential", "Credential type", "", CREDENTIALS))
            @if own {
                (draft.line("cloud.login", "Login service", "The base of its address, without a path."))
                (draft.line("cloud.graph", "Graph", "The base of its address."))
            } @else { (draft.one("cloud", "Microsoft cloud", "Where the tenant lives.", CLOUDS)) }
        }
    }
}

pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    whole(&visit, &id, None, None).await
}

pub(crate) async fn save(Path(id): Path<String>, sent: Sent) -> Response {
    editor::sent(&sent, &id, TAB).await
}

/// The tab with what is below its form: authorisation and credentials.
async fn whole(
    visit: &Visit,
    id: &str,
    outcome: Option<Markup>,
    refused: Option<&Trouble>,
) -> Response {
    let answers = futures::join!(
        visit.api.get(&["connections", id]),
        visit.api.get(&["connections", id, "permissions"]),
    );
    match answers {
        (Ok(connection), Ok(permissions)) => {
            let below = html! {
                @if let Some(trouble) = refused { (explained(trouble)) (permissions_of(&trouble.body)) }
                @if let Some(outcome) = outcome { (outcome) }
                (authorisation(visit, id, &connection, &permissions))
                @if visit.administrates() { (enter(visit, id, &connection)) }
            };
            let status = refused.map(|trouble| trouble.status);
            let response = editor::show_with(visit, id, TAB, Beside::Below(&below)).await;
            match status {
                Some(status) => (status, response).into_response(),
                None => response,
            }
        }
        (Err(trouble), _) | (_, Err(trouble)) => visit.refused(&trouble),
    }
}

fn authorisation(visit: &Visit, id: &str, connection: &Value, permissions: &Value) -> Markup {
    let status = &connection["status"];
    let delegated = connection["auth"]["method"] == "delegated";
    let needed = |it: &Value| match (it["mandatory"] == true, it["needed"] == true) {
        (true, _) => badge(Tone::Warning, "mandatory"),
        (false, true) => badge(Tone::Busy, "needed by these settings"),
        (false, false) => html! { span.faint { "not needed" } },
    };
    let kind = if delegated { "delegated" } else { "application" };
    html! {
        section.card aria-labelledby="authorisation" {
            h2 #authorisation { "Authorisation " (word(text(&status["authorisation"]["state"]))) }
            @if let Some(why) = status["authorisation"]["reason"].as_str() { p { (why) } }
            p { "In the app registration, add these Microsoft Graph permissions of the kind " strong { (kind) } ", and "
                a href=(text(&permissions["admin_consent_url"])) rel="noreferrer" { "grant admin consent" } "." }
            (listed("Permissions", "Mandatory?", permissions, needed))
            @if let Some(redirect) = permissions["redirect_uri"].as_str() {
                p { "Redirect URI to register under the platform Web: " code { (redirect) } }
            } @else if delegated {
                div.notice.warn { p { "The deployment does not know its own address, so there is no redirect URI: set HALO_ENTRA_PUBLIC_URL." } }
            }
            @if let Some(sign_in) = status["sign_in"].as_object() {
                p { "The newest sign-in: " (crate::parts::value(&Value::Object(sign_in.clone()))) }
            }
            @if visit.administrates() {
                form method="post" action=(local(&["connections", id, "authorise"])) {
                    input type="hidden" name="csrf" value=(visit.csrf());
                    button.main { (if delegated { "Sign in with Microsoft" } else { "Authorise application" }) }
                }
            }
        }
    }
}

/// Which permissions are there, where the API says so.
fn permissions_of(body: &Value) -> Markup {
    let granted = |it: &Value| match (it["granted"].as_bool(), it["mandatory"] == true) {
        (Some(true), _) => badge(Tone::Good, "granted"),
        (Some(false), true) => badge(Tone::Bad, "missing"),
        (Some(false), false) => badge(Tone::Warning, "missing"),
        (None, _) => html! { span.faint { "not known" } },
    };
    if each(&body["permissions"]).next().is_none() {
        return html! {};
    }
    listed("What the tenant granted", "Granted?", body, granted)
}

/// Permissions, with what is said of each in the last column.
fn listed(caption: &str, column: &str, all: &Value, said: impl Fn(&Value) -> Markup) -> Markup {
    let row = |it: &Value| {
        let (name, what) = (text(&it["name"]), text(&it["needed_for"]));
        vec![html! { code { (name) } }, html! { (what) }, said(it)]
    };
    let rows: Vec<Vec<Markup>> = each(&all["permissions"]).map(row).collect();
    table(caption, &["Permission", "Needed for", column], &rows)
}

fn enter(visit: &Visit, id: &str, connection: &Value) -> Markup {
    let credentials = &connection["status"]["credentials"];
    let certificate = connection["auth"]["credential"] == "certificate";
    let field = |name, label, help, kind| Field { name, label, help, kind, wrong: Vec::new() };
    html! {
        section.card aria-labelledby="credentials" {
            h2 #credentials { "Credentials " @if credentials["set"] == true { (badge(Tone::Good, "entered")) } @else { (badge(Tone::Warning, "none")) } }
            @if credentials["set"] == true { p {
                "Since " (time(&credentials["since"])) ", until "
                @if credentials["expires_at"].is_null() { "an unknown day" } @else { (time(&credentials["expires_at"])) } "."
            } }
            form method="post" action=(local(&["connections", id, "credentials"])) {
                input type="hidden" name="csrf" value=(visit.csrf());
                @if certificate {
                    (field("certificate_pem", "Certificate (PEM)", "", Kind::Lines(String::new())))
                    (field("private_key_pem", "Private key (PEM)", "RSA, 2048 bits or more, without a password. It goes into the secret store and is never shown.", Kind::Lines(String::new())))
                } @else {
                    (field("client_secret", "Client secret", "Its value, not its id. It goes into the secret store and is never shown.", Kind::Secret))
                    (field("expires_at", "Expires on", "A day such as 2027-06-30; may be empty. You are warned from 60 days before.", Kind::Line { value: String::new(), example: "2027-06-30", list: None }))
                }
                button { "Test and keep" }
            }
            p.faint { "They are tried first; the old ones stay until the new ones work (C8)." }
        }
    }
}

pub(crate) async fn credentials(Path(id): Path<String>, sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let names = ["client_secret", "expires_at", "certificate_pem", "private_key_pem"];
    let given = names.iter().filter_map(|name| {
        let value = pairs.text(name).filter(|value| !value.trim().is_empty())?;
        Some(((*name).to_owned(), Value::from(value)))
    });
    let body = Value::Object(given.collect::<Map<_, _>>());
    let at = At::new(&["connections", &id, "credentials"]);
    match visit.api.write(Method::PUT, at, None, &body).await {
        Ok(_) => {
            Redirect::to(&format!("{}?saved=credentials", local(&["connections", &id, "details"])))
                .into_response()
        }
        Err(trouble) => whole(&visit, &id, None, Some(&trouble)).await,
    }
}

pub(crate) async fn authorise(Path(id): Path<String>, sent: Sent) -> Response {
    let visit = sent.visit;
    let at = At::new(&["connections", &id, "authorise"]);
    let answer = match visit.api.write(Method::POST, at, None, &json!({})).await {
        Ok(answer) => answer.body,
        Err(trouble) => return whole(&visit, &id, None, Some(&trouble)).await,
    };
    let outcome = html! {
        // A link and no redirect: forms may lead to pages of ours alone.
        @if let Some(url) = answer["sign_in_url"].as_str() {
            div.notice { p { "One more step: sign in as the person on whose behalf the import reads." }
                p { a.button.main href=(url) rel="noreferrer" { "Go to Microsoft's sign-in" } }
                p.faint { "Good once, until " (time(&answer["expires_at"])) ". If the person may not consent, an administrator of the tenant "
                    a href=(text(&answer["admin_consent_url"])) rel="noreferrer" { "consents first" } "." } }
        } @else {
            div.notice.good role="status" { p { strong { "Authorised." } " The connection may be imported now: "
                a href=(local(&["connections", &id, "imports"])) { "look at a preview" } " first." } }
            (permissions_of(&answer))
        }
    };
    whole(&visit, &id, Some(outcome), None).await
}
