//! Who calls, and what they may do: one gate before every route but the health report. Callers prove who
//! they are by a token. The console, which runs in the same process and keeps sessions, says who its
//! visitor is by an extension of the request, which nobody can send.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
pub use plan::sign_on::Role;
use subtle::ConstantTimeEq;

use super::jwt::Verifier;
use super::problem::{Problem, ProblemType};
use super::{idempotency, oneself};
use crate::Engine;
use crate::secrets::{ExposeSecret, SecretString};
use crate::telemetry::trace;

/// Who calls; handlers take it as an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What they may do.
    pub role: Role,
    /// Their name in the settings audit (C10).
    pub name: String,
}

impl Caller {
    /// Refuses readers.
    pub fn administrates(&self) -> Result<(), Problem> {
        match self.role {
            Role::Administrator => Ok(()),
            Role::Reader | Role::Person(_) => Err(forbidden("This is for the role administrator.")),
        }
    }
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Whoever sends this token is the administrator.
    Local(SecretString),
    /// By a token of the deployment's issuer, whose claim `roles` has `administrator` or `reader`. A
    /// gateway before us may have checked it too; that opens nothing by itself.
    Issued(Arc<Verifier>),
    /// Either of them.
    Both(SecretString, Arc<Verifier>),
}

impl Auth {
    async fn caller(&self, sent: Option<&str>, now: i64) -> Result<Caller, Problem> {
        let sent = sent.ok_or_else(unauthenticated)?;
        match self {
            Auth::Local(token) => local(token, sent).ok_or_else(unauthenticated),
            Auth::Issued(verifier) => verifier.caller(sent, now).await,
            Auth::Both(token, verifier) => match local(token, sent) {
                Some(caller) => Ok(caller),
                None => verifier.caller(sent, now).await,
            },
        }
    }
}

/// The header in which gateway and runtime name the trace.
const TRACE: &str = "x-amzn-trace-id";

/// Puts the gate before all routes that `router` has so far; behind it calls with a key are carried
/// out once.
pub fn guarded(router: Router, engine: Engine, auth: Auth) -> Router {
    let once = middleware::from_fn_with_state(engine.clone(), idempotency::once);
    super::refusing_methods(router)
        .layer(once)
        .layer(middleware::from_fn_with_state((engine, auth), gate))
}

async fn gate(
    State((engine, auth)): State<(Engine, Auth)>,
    request: Request,
    next: Next,
) -> Response {
    let trace = request.headers().get(TRACE).and_then(|value| value.to_str().ok());
    let trace = trace.map(str::to_owned);
    trace::within(None, trace.as_deref(), admit(&engine, &auth, request, next)).await
}

async fn admit(engine: &Engine, auth: &Auth, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.extensions().get::<MatchedPath>());
    let path = path.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let now = engine.clock.now().as_second();
    let visitor = request.extensions().get::<Caller>().cloned();
    let headers = request.headers().clone();
    let caller = match visitor {
        Some(visitor) => Ok(visitor),
        None => auth.caller(bearer(&headers), now).await,
    };
    let permitted = match caller {
        Ok(caller) => permit(caller, request).await,
        Err(problem) => Err(problem),
    };
    let mut response = match permitted {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    tracing::info!(%method, path, status, trace = trace::id(), "request");
    response
}

/// Hands the request on with its caller, or refuses what the caller's role may not do.
async fn permit(caller: Caller, request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let looks = [Method::GET, Method::HEAD].contains(&parts.method);
    match &caller.role {
        Role::Administrator => {}
        Role::Reader if looks => {}
        Role::Reader => return Err(forbidden("The role reader may only look.")),
        Role::Person(oneself) => oneself::concerns(oneself, &mut parts).await?,
    }
    parts.extensions.insert(caller);
    Ok(Request::from_parts(parts, body))
}

/// What is sent as the bearer token.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn local(token: &SecretString, sent: &str) -> Option<Caller> {
    let same = sent.as_bytes().ct_eq(token.expose_secret().as_bytes());
    let caller = || Caller { role: Role::Administrator, name: "administrator token".to_owned() };
    bool::from(same).then(caller)
}

fn unauthenticated() -> Problem {
    let detail = "Send the token in the header Authorization: Bearer TOKEN.";
    Problem::of(ProblemType::Unauthenticated, detail)
}

pub(super) fn forbidden(detail: &str) -> Problem {
    Problem::of(ProblemType::Forbidden, detail)
}
