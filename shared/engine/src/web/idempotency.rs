//! Calls that are carried out once, however often they are sent: the header `Idempotency-Key`.
//!
//! The first call of a caller, address and key writes that it is under way, is carried out, and leaves
//! its answer for a day; a repetition gets that answer. Only successes are kept: a refusal changed
//! nothing, so the same key may be tried again.
//!
//! Killed between doing and storing, the call stands as under way for a minute and is then carried out
//! again. That is safe because each of these calls may be: a ruling finds itself noted, a run that
//! waits is the answer to everybody who asks for one, one that began meanwhile is followed by a run
//! that finds nothing to do, and deltas that were reset are reset.

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::cursor::fnv;
use super::problem::{Problem, ProblemType};
use super::request::BODY;
use crate::Engine;
use crate::store::{Commit, Expect, Key, StoreError, Write, decode, keys, put_until};

/// Calls that take a key.
const ROUTES: [&str; 5] = [
    "/v1/connections/{id}/preview",
    "/v1/connections/{id}/imports",
    "/v1/connections/{id}/deltas/reset",
    "/v1/connections/{id}/held/release",
    "/v1/connections/{id}/held/reject",
];

/// The header with the caller's key.
const KEY: &str = "idempotency-key";
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long answers are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// After so long whoever carries out a call is dead: API Gateway gives an answer 30 seconds.
const DEAD: SignedDuration = SignedDuration::from_secs(65);
/// Bytes of an answer that is kept.
const LONGEST: u64 = 200 * 1024;
/// Headers of an answer that are kept.
const HEADERS: [HeaderName; 2] = [CONTENT_TYPE, LOCATION];

/// A mark on an answer that asks for the same call again, so that it is not kept as the last word.
#[derive(Clone, Copy, Debug)]
pub struct Unfinished;

/// What is stored of a call.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    /// Tells the body from others by accident; a caller who forges one deceives only themselves.
    body: u64,
    #[serde(flatten)]
    stands: Stands,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Stands {
    UnderWay { until: Timestamp },
    Answered { status: u16, headers: Vec<(String, String)>, text: String },
}

/// A call that is to be carried out, or the answer that it got.
enum Claim {
    /// The version of the record that says that it is under way.
    Ours(u64),
    Answered(Response),
}

/// Carries out a call, or answers as before.
pub(super) async fn once(State(engine): State<Engine>, request: Request, next: Next) -> Response {
    match place(&request) {
        Ok(None) => next.run(request).await,
        Ok(Some(place)) => {
            let answer = keyed(&engine, place, request, next).await;
            answer.unwrap_or_else(IntoResponse::into_response)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Where the call's answer is kept; `None` = it has no key, or is none that takes one.
fn place(request: &Request) -> Result<Option<Key>, Problem> {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if request.method() != Method::POST || !ROUTES.contains(&path) {
        return Ok(None);
    }
    let Some(key) = key(request.headers())? else { return Ok(None) };
    let Some(caller) = request.extensions().get::<Caller>() else { return Ok(None) };
    Ok(Some(keys::keyed_call(&caller.name, request.uri().path(), key)))
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let (first, second) = (given.next(), given.next());
    let Some(first) = first else { return Ok(None) };
    let key = first.to_str().ok().map(str::trim);
    let is_key =
        |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic());
    match (key.filter(is_key), second) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Problem::invalid(
            "Idempotency-Key",
            "Expected one key of 1 to 255 visible ASCII characters.",
        )),
    }
}

async fn keyed(
    engine: &Engine,
    place: Key,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY).await.map_err(|_| Problem::too_large())?;
    let print = fnv(&body);
    let version = match claim(engine, &place, print).await? {
        Claim::Answered(response) => return Ok(response),
        Claim::Ours(version) => version,
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (response, kept) = take_apart(response).await?;
    let left = match kept {
        Some(stands) => keep(engine, &place, &Call { body: print, stands }, version),
        None => Ok(Write::Delete { key: place, expect: Expect::Version(version) }),
    };
    // What was done is done: an answer that could not be kept is given all the same.
    let stored = match left {
        Ok(write) => engine.store.commit(&[write]).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = stored {
        tracing::warn!("the answer to a call with a key was not kept: {error}");
    }
    Ok(response)
}

/// Writes that the call is under way, unless it was answered or another one is at it.
async fn claim(engine: &Engine, place: &Key, body: u64) -> Result<Claim, Problem> {
    let busy = "The same call with this key is being carried out. Repeat it in a moment.";
    let now = engine.clock.now();
    let until = now.saturating_add(DEAD).unwrap_or(now);
    let mine = Call { body, stands: Stands::UnderWay { until } };
    let expires = now.saturating_add(KEPT).ok();
    let first = put_until(place.clone(), &mine, Expect::Absent, expires)?;
    if engine.store.commit(&[first]).await? == Commit::Done {
        return Ok(Claim::Ours(1));
    }
    let found = engine.store.get(std::slice::from_ref(place)).await?.pop().flatten();
    let Some(found) = found else { return Err(Problem::of(ProblemType::Busy, busy)) };
    let found = decode::<Call>(&found)?;
    if found.value.body != body {
        let detail =
            "This Idempotency-Key came with another body before. Use a new key for another call.";
        return Err(Problem::of(ProblemType::KeyReused, detail));
    }
    match found.value.stands {
        Stands::Answered { status, headers, text } => {
            Ok(Claim::Answered(replayed(status, headers, text)))
        }
        Stands::UnderWay { until } if until > now => Err(Problem::of(ProblemType::Busy, busy)),
        Stands::UnderWay { .. } => {
            let again = Expect::Version(found.version);
            let again = put_until(place.clone(), &mine, again, expires)?;
            match engine.store.commit(&[again]).await? {
                Commit::Done => Ok(Claim::Ours(found.version + 1)),
                Commit::Conflict(_) => Err(Problem::of(ProblemType::Busy, busy)),
            }
        }
    }
}

fn keep(engine: &Engine, place: &Key, call: &Call, version: u64) -> Result<Write, StoreError> {
    let expires = engine.clock.now().saturating_add(KEPT).ok();
    put_until(place.clone(), call, Expect::Version(version), expires)
}

/// The answer, and what is kept of it: nothing of a refusal, of what has to be repeated, or of what
/// is too long.
async fn take_apart(response: Response) -> Result<(Response, Option<Stands>), Problem> {
    let status = response.status();
    let unfinished = response.extensions().get::<Unfinished>().is_some();
    let is_short = response.body().size_hint().upper().is_some_and(|size| size <= LONGEST);
    if !status.is_success() || unfinished || !is_short {
        return Ok((response, None));
    }
    let (parts, body) = response.into_parts();
    let bytes: Bytes = to_bytes(body, BODY).await.map_err(|_| Problem::too_large())?;
    let kept = HEADERS.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let (status, headers) = (status.as_u16(), kept.collect());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let response = Response::from_parts(parts, Body::from(bytes));
    Ok((response, Some(Stands::Answered { status, headers, text })))
}

/// The answer as it was given before. What is stored is untrusted: what is no header is left out.
fn replayed(status: u16, headers: Vec<(String, String)>, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, text).into_response();
    for (name, value) in headers {
        let name = HeaderName::try_from(name).ok().filter(|name| HEADERS.contains(name));
        if let (Some(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
