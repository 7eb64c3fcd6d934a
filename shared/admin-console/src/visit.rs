//! Who looks at a page: the session of a browser, and forms that really come from our own pages.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use engine::secrets::{ExposeSecret, SecretString};
use engine::sign_on::{Session, Visitor};
use engine::web::{Problem, Role};
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use crate::Console;
use crate::api::{Api, Trouble};
use crate::form::Pairs;
use crate::layout;
use crate::pages::sign_in;
use crate::parts::query;

/// Bytes of a form that are read at the most: a connection document of thousands of rows.
const FORM: usize = 2 * 1024 * 1024;

/// A signed-in reader of a page.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// The API in their name.
    pub(crate) api: Api,
    /// Who it is, and until when.
    pub(crate) session: Arc<Session>,
    /// The address that was asked for: path and query.
    pub(crate) here: String,
    /// See [`Visit::fresh`].
    fresh: String,
}

/// A form that one of our own pages sent, with who sent it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Who.
    pub(crate) visit: Visit,
    /// What.
    pub(crate) pairs: Pairs,
}

impl Visit {
    /// Whether they may change things.
    pub(crate) fn administrates(&self) -> bool {
        self.session.caller.role == Role::Administrator
    }

    /// The connection and the object id of somebody who sees themselves alone (O3).
    pub(crate) fn person(&self) -> Option<(String, String)> {
        match &self.session.caller.role {
            Role::Person(oneself) => {
                Some((oneself.connection.to_string(), oneself.person.to_string()))
            }
            Role::Administrator | Role::Reader => None,
        }
    }

    /// A key for a form that starts something, so that sending it twice starts it once.
    pub(crate) fn fresh(&self) -> &str {
        &self.fresh
    }

    /// What forms carry, so that no page of somebody else can send them.
    pub(crate) fn csrf(&self) -> &str {
        self.session.csrf.expose_secret()
    }

    /// The path that was asked for, without its query.
    pub(crate) fn path(&self) -> &str {
        self.here.split('?').next().unwrap_or_default()
    }

    /// Somebody who is signed in, for tests of pages.
    #[cfg(test)]
    pub(crate) fn for_tests(api: Api, caller: engine::web::Caller) -> Self {
        let name = caller.name.clone();
        let (csrf, expires_at) = ("a-token".into(), jiff::Timestamp::MAX);
        let session = Arc::new(Session { caller, name, csrf, expires_at });
        Self { api, session, here: "/console".to_owned(), fresh: "a-key".to_owned() }
    }

    async fn of(parts: &Parts, console: &Console) -> Result<Self, Response> {
        let uri = &parts.uri;
        let here = uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string);
        let Some(cookie) = session_cookie(&parts.headers) else {
            return Err(sign_in_first(&parts.method, &here));
        };
        match console.engine.visitor(&SecretString::from(cookie)).await {
            Ok(Visitor::SignedIn(session)) => {
                let api = Api::new(console.api.clone(), session.caller.clone());
                let fresh = console.engine.random.uuid().to_string();
                Ok(Self { api, session: Arc::from(session), here, fresh })
            }
            Ok(Visitor::NoLonger(refusal)) => Err(sign_in::no_longer(&refusal)),
            Ok(Visitor::Nobody) => Err(sign_in_first(&parts.method, &here)),
            Err(problem) => Err(failed(&problem)),
        }
    }
}

/// Where signing in is.
pub(crate) const SIGN_IN: &str = "/console/sign-in";

/// Whoever asks for a page comes back to it afterwards; what a form would have done is not repeated.
fn sign_in_first(method: &Method, here: &str) -> Response {
    let to = if *method == Method::GET { here } else { "/console" };
    // A link that says for which client of Halo it is (O2) goes on saying so.
    let asked = to.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let mut asked = form_urlencoded::parse(asked.as_bytes());
    let client = asked.find(|(name, _)| name == "client").map(|(_, value)| value.into_owned());
    let client = client.unwrap_or_default();
    Redirect::to(&query(SIGN_IN, &[("to", to), ("client", &client)])).into_response()
}

/// The store could not be asked.
pub(crate) fn failed(problem: &Problem) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let title = "Our own storage cannot be reached";
    layout::alone(status, title, &layout::text(problem.detail())).into_response()
}

/// The cookie of sessions. Behind TLS it belongs to this host alone, whatever its neighbours set.
pub(crate) const SESSION: &str = "halo-entra-session";
/// The same where the address begins with `https`.
pub(crate) const SESSION_HOST: &str = "__Host-halo-entra-session";

/// The value of a cookie.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut each = all.flat_map(|value| value.split(';'));
    each.find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then(|| value.to_owned())
    })
}

/// The session that a browser shows.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<String> {
    cookie(headers, SESSION_HOST).or_else(|| cookie(headers, SESSION))
}

impl FromRequestParts<Console> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        Self::of(parts, console).await
    }
}

impl FromRequest<Console> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visit = Visit::of(&parts, console).await?;
        let Ok(bytes) = to_bytes(body, FORM).await else {
            let detail = "A form may have 2 MB. Nothing was changed.";
            let trouble =
                Trouble::of(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Too large", detail);
            return Err(visit.refused(&trouble));
        };
        let pairs = Pairs::read(&bytes);
        let sent = pairs.text("csrf").unwrap_or_default();
        if bool::from(sent.as_bytes().ct_eq(visit.csrf().as_bytes())) {
            return Ok(Self { visit, pairs });
        }
        let detail = "The form was not sent by a page of your present session, so nothing was changed. Go back, reload the page, and send it again.";
        Err(visit.refused(&Trouble::of(
            StatusCode::FORBIDDEN,
            "foreign_form",
            "Not sent by our own page",
            detail,
        )))
    }
}
