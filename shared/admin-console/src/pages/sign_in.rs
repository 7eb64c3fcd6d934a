//! Signing in and out: the page before it, the way to Microsoft and back, the operator's way, and every
//! refusal in words (O1–O4).

use std::collections::BTreeMap;

use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, HOST, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER, SET_COOKIE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use engine::Engine;
use engine::secrets::{ExposeSecret, SecretString};
use engine::sign_on::{CALLBACK, Offer, Returned, SIGNED_OUT, SignedIn};
use maud::{Markup, html};
use plan::sign_on::Refusal;

use crate::Console;
use crate::api::Trouble;
use crate::form::Pairs;
use crate::layout::{self, Page, alone};
use crate::parts::{Field, Kind, local, query};
use crate::visit::{SESSION, SESSION_HOST, SIGN_IN, Sent, cookie, failed, session_cookie};

/// The cookie of a sign-in that was begun, until the browser is back.
const BEGUN: &str = "halo-entra-sign-in";
/// Bytes of the operator's form.
const FORM: usize = 16 * 1024;

type Asked = Query<BTreeMap<String, String>>;

/// The path at which Microsoft sends browsers back.
pub(crate) fn callback_path() -> String {
    format!("/{CALLBACK}")
}

/// The path of the page after a sign-out.
pub(crate) fn signed_out_path() -> String {
    format!("/{SIGNED_OUT}")
}

/// The page before a sign-in.
pub(crate) async fn page(State(console): State<Console>, Query(asked): Asked) -> Response {
    let client = asked.get("client").and_then(|client| client.parse().ok());
    let offer = match console.engine.sign_in_offer(client).await {
        Ok(offer) => offer,
        Err(problem) => return failed(&problem),
    };
    let to = asked.get("to").map_or("/console", String::as_str);
    let hint = asked.get("hint").map_or("", String::as_str);
    // After a refusal a browser would go in circles.
    if offer.at_once && !asked.contains_key("again") {
        return Redirect::to(&microsoft_address(to, hint)).into_response();
    }
    alone(StatusCode::OK, "Sign in", &ways(&offer, to)).into_response()
}

fn microsoft_address(to: &str, hint: &str) -> String {
    query(&format!("{SIGN_IN}/microsoft"), &[("to", to), ("hint", hint)])
}

fn ways(offer: &Offer, to: &str) -> Markup {
    let token = Field {
        name: "token",
        label: "Operator's token",
        help: "For `serve` it is in the data directory, in the file admin-token; on AWS in the secret store.",
        kind: Kind::Secret,
        wrong: Vec::new(),
    };
    html! {
        @if offer.microsoft {
            p { a.button.main href=(microsoft_address(to, "")) { "Sign in with " (offer.name) } }
        }
        @if offer.operator {
            form.sheet method="post" action={ (SIGN_IN) "/operator" } {
                @if offer.microsoft { h2 { "Or as the operator" } }
                input type="hidden" name="to" value=(to);
                (token)
                button { "Sign in as the operator" }
            }
        }
        @if !offer.microsoft && !offer.operator {
            div.notice.warn {
                p { strong { "There is no way in yet." } " Nobody has published signing in with Microsoft, and the operator's way is not open." }
                p { "Open it with " code { "HALO_ENTRA_OPERATOR_SIGN_IN=on" } ", or set up the sign-in over the API (" code { "PUT /v1/sign-in" } ")." }
            }
        }
    }
}

/// Off to Microsoft.
pub(crate) async fn microsoft(State(console): State<Console>, Query(asked): Asked) -> Response {
    let to = asked.get("to").map(String::as_str);
    let hint = asked.get("hint").map(String::as_str).filter(|hint| !hint.is_empty());
    match console.engine.begin_sign_in(to, hint).await {
        Ok(begun) => {
            let keep =
                set(&console.engine, BEGUN, begun.browser.expose_secret(), SIGN_IN, Some(600));
            no_store(([(SET_COOKIE, keep)], Redirect::to(&begun.url)).into_response())
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Back from Microsoft.
pub(crate) async fn callback(
    State(console): State<Console>,
    headers: HeaderMap,
    Query(mut asked): Asked,
) -> Response {
    let mut secret = |name: &str| asked.remove(name).map(SecretString::from);
    let (state, code) = (secret("state"), secret("code"));
    let returned = Returned {
        state,
        code,
        error: asked.remove("error"),
        error_description: asked.remove("error_description"),
        browser: cookie(&headers, BEGUN).map(SecretString::from),
        session: session_cookie(&headers).map(SecretString::from),
    };
    match console.engine.finish_sign_in(returned).await {
        Ok(signed_in) => {
            let mut response = welcome(&console.engine, &signed_in);
            let gone = set(&console.engine, BEGUN, "", SIGN_IN, Some(0));
            response.headers_mut().append(SET_COOKIE, gone);
            response
        }
        Err(refusal) => refused(&refusal),
    }
}

/// The operator's way. A page of somebody else cannot send this form: browsers say where it comes from.
pub(crate) async fn operator(State(console): State<Console>, request: Request) -> Response {
    let headers = request.headers().clone();
    if !from_here(&headers) {
        let detail = "The form was sent by a page of another site. Sign in on this page.";
        let title = "Not sent by our own page";
        return layout::trouble(&Trouble::of(StatusCode::FORBIDDEN, "foreign_form", title, detail))
            .into_response();
    }
    let bytes = to_bytes(request.into_body(), FORM).await.unwrap_or_default();
    let pairs = Pairs::read(&bytes);
    let token = SecretString::from(pairs.text("token").unwrap_or_default().trim().to_owned());
    let session = session_cookie(&headers).map(SecretString::from);
    match console.engine.sign_in_as_operator(&token, session.as_ref()).await {
        Ok(mut signed_in) => {
            if let Some(to) = pairs.text("to").filter(|to| is_ours(to)) {
                to.clone_into(&mut signed_in.to);
            }
            welcome(&console.engine, &signed_in)
        }
        Err(refusal) => refused(&refusal),
    }
}

/// A page of the console, and no address of somebody else.
fn is_ours(to: &str) -> bool {
    let rest = to.strip_prefix("/console");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        && !to.contains(['\\', '\n', '\r'])
}

/// Whether a browser says that a form comes from a page of ours; programs that are no browsers say
/// nothing, and have no cookies that somebody else could use.
fn from_here(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match (text(ORIGIN), text(HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, at)| at == host),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// Signs out, here and, for people who came from Microsoft, there.
pub(crate) async fn sign_out(
    State(console): State<Console>,
    headers: HeaderMap,
    _sent: Sent,
) -> Response {
    let Some(cookie) = session_cookie(&headers) else {
        return Redirect::to(&signed_out_path()).into_response();
    };
    let ended = match console.engine.sign_out(&SecretString::from(cookie)).await {
        Ok(ended) => ended,
        Err(problem) => return failed(&problem),
    };
    let (name, path) = session_name(&console.engine);
    let gone = set(&console.engine, name, "", path, Some(0));
    // A link and no redirect: forms may lead to pages of ours alone.
    let body = html! {
        p { "You are signed out of halo-entra." }
        @if let Some(address) = ended {
            p { "You are still signed in at Microsoft. " a.button href=(address) rel="noreferrer" { "Sign out there as well" } }
        }
        p { a href=(SIGN_IN) { "Sign in again" } }
    };
    ([(SET_COOKIE, gone)], alone(StatusCode::OK, "Signed out", &body)).into_response()
}

/// Where Microsoft sends browsers that signed out there.
pub(crate) async fn signed_out() -> Page {
    let body = html! { p { "You are signed out, here and at Microsoft." } p { a href=(SIGN_IN) { "Sign in again" } } };
    alone(StatusCode::OK, "Signed out", &body)
}

/// Somebody is in: the cookie of the session, and the page that they wanted.
fn welcome(engine: &Engine, signed_in: &SignedIn) -> Response {
    let (name, path) = session_name(engine);
    let keep = set(engine, name, signed_in.cookie.expose_secret(), path, None);
    no_store(([(SET_COOKIE, keep)], Redirect::to(&signed_in.to)).into_response())
}

fn behind_tls(engine: &Engine) -> bool {
    engine.policy.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
}

fn session_name(engine: &Engine) -> (&'static str, &'static str) {
    if behind_tls(engine) { (SESSION_HOST, "/") } else { (SESSION, "/console") }
}

/// A cookie that no script reads and no other site sends along with a form. It ends with the browser's
/// session; how long it counts, the store says.
fn set(engine: &Engine, name: &str, value: &str, path: &str, age: Option<u32>) -> HeaderValue {
    let secure = if behind_tls(engine) { "; Secure" } else { "" };
    let age = age.map(|age| format!("; Max-Age={age}")).unwrap_or_default();
    let text = format!("{name}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}{age}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why somebody is not let in.
fn refused(refusal: &Refusal) -> Response {
    let body = html! {
        div.notice.bad role="alert" {
            p { strong { (refusal.sentence()) } }
            p { (refusal.advice()) }
            p.more { a href=(local(&["problems", refusal.name()])) { "What this means" } ". Rule " (refusal.rule()) "." }
        }
        p { a.button href=(query(SIGN_IN, &[("again", "yes")])) { "To the sign-in page" } }
    };
    let mut response = alone(status(refusal), "You are not signed in", &body).into_response();
    if let Some(seconds) = refusal.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    no_store(response)
}

/// A session that is over because of what somebody may do now.
pub(crate) fn no_longer(refusal: &Refusal) -> Response {
    refused(refusal)
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::MicrosoftUnavailable | Refusal::HaloUnavailable | Refusal::OurStorage => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::NotPublished
        | Refusal::NoPublicUrl
        | Refusal::SecretMissing
        | Refusal::StateMissing
        | Refusal::StateUnknown
        | Refusal::OtherBrowser
        | Refusal::SettingsChanged
        | Refusal::Microsoft { .. }
        | Refusal::NoCode
        | Refusal::Token(_)
        | Refusal::Person(_)
        | Refusal::OperatorOff
        | Refusal::OperatorToken => StatusCode::FORBIDDEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_a_foreign_page() {
        for to in ["/console", "/console?x=1", "/console/connections/a/log?person=b"] {
            assert!(is_ours(to), "{to}");
        }
        for to in [
            "//evil",
            "https://evil",
            "/consoleevil",
            "/console\\evil",
            "/v1/x",
            "",
            "/console\r\nA: b",
        ] {
            assert!(!is_ours(to), "{to}");
        }
    }
}
