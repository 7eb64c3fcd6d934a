//! Paths, queries and bodies of requests, read strictly: what is not understood is refused in words.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::HeaderMap;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use plan::ids::{ConnectionId, NotAnId};
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemType};
use crate::connections::Precondition;

/// Bytes of a body that are read at the most.
pub(super) const BODY: usize = 1024 * 1024;

/// The variable parts of a path.
#[derive(Clone, Debug)]
pub struct Path(BTreeMap<String, String>);

impl Path {
    /// A part as it was written.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A part that is an id. What cannot be an id is an unknown thing.
    pub fn id<T: FromStr<Err = NotAnId>>(&self, name: &str) -> Result<T, Problem> {
        self.text(name).parse().map_err(|error: NotAnId| {
            Problem::of(ProblemType::NotFound, format!("There is no such thing: {error}."))
        })
    }

    /// The connection that the path names.
    pub fn connection(&self) -> Result<ConnectionId, Problem> {
        self.id("id")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Problem::of(ProblemType::NotFound, "Not found."))?;
        let owned = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self(owned.collect()))
    }
}

/// The parameters of a query, each at most once.
#[derive(Clone, Debug, Default)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Refuses parameters of other names, and those that say nothing.
    pub fn only(self, known: &[&str]) -> Result<Self, Problem> {
        if let Some((name, _)) = self.0.iter().find(|(_, value)| value.trim().is_empty()) {
            return Err(Problem::invalid(&format!("?{name}"), "Give it a value, or leave it out."));
        }
        let unknown = self.0.keys().find(|name| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(self),
            Some(name) if known.is_empty() => {
                Err(Problem::invalid(&format!("?{name}"), "This call takes no parameters."))
            }
            Some(name) => Err(Problem::invalid(
                &format!("?{name}"),
                format!("Unknown parameter; known here: {}.", known.join(", ")),
            )),
        }
    }

    /// A parameter that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter of a type; `expected` ends the sentence "Expected …".
    pub fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let bad = |_| Problem::invalid(&format!("?{name}"), format!("Expected {expected}."));
        text.parse().map(Some).map_err(bad)
    }

    /// How many entries a page of the answer has: `limit`, 1 to `most`.
    pub fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let expected = format!("a number from 1 to {most}");
        let limit = self.parsed("limit", &expected)?.unwrap_or(default);
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::invalid("?limit", format!("Expected {expected}.")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut found = BTreeMap::new();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if found.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Problem::invalid(&format!("?{name}"), "Give it once."));
            }
        }
        Ok(Self(found))
    }
}

/// What the headers say of the revision that a change is based on. A tag that is none of ours matches no
/// revision.
pub fn precondition(headers: &HeaderMap) -> Precondition {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (text(IF_MATCH), text(IF_NONE_MATCH)) {
        (Some("*"), _) => Precondition::Any,
        (Some(tag), _) => {
            let number = tag.trim_start_matches("W/").trim_matches('"');
            Precondition::Revision(number.parse().unwrap_or(u64::MAX))
        }
        (None, Some("*")) => Precondition::New,
        (None, _) => Precondition::Unsaid,
    }
}

/// A body of JSON, whatever the content type says; an empty one is an empty object.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = to_bytes(request.into_body(), BODY).await;
        let bytes = bytes.map_err(|_| Problem::too_large())?;
        json(&bytes).map(Self)
    }
}

/// Reads a body of JSON; an empty one is an empty object.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let body = if bytes.is_empty() { b"{}".as_slice() } else { bytes };
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            return Problem::invalid("$", error.to_string());
        }
        Problem::of(ProblemType::MalformedJson, format!("The body is not JSON: {error}."))
    })
}
