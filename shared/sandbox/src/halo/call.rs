//! A request as the simulator looks at it: lower-case path, query by lower-case name, whole body.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::request::Parts;
use url::form_urlencoded;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Upper-case method.
    pub(super) method: String,
    /// Path in lower case without a slash at the end: nothing in it depends on case.
    pub(super) path: String,
    pub(super) query: Query,
    pub(super) body: Bytes,
    headers: BTreeMap<String, String>,
}

impl Call {
    pub(super) fn new(parts: &Parts, body: Bytes) -> Self {
        let path = parts.uri.path().trim_end_matches('/').to_ascii_lowercase();
        let headers = parts.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Self {
            method: parts.method.to_string(),
            path,
            query: Query::parse(parts.uri.query().unwrap_or_default().as_bytes()),
            body,
            headers: headers.collect(),
        }
    }

    /// A header by lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The media type of the body without its parameters, in lower case.
    pub(super) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// Decoded name and value pairs of a query or a form; of several with one name the last counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(encoded);
        Self(pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect())
    }

    /// The value of a parameter; `None` if it is missing or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that reads `true` or `false`; `None` for anything else.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).and_then(|value| value.to_ascii_lowercase().parse().ok())
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.flag(name) == Some(true)
    }

    /// All parameters but those that only cut the result into pages, as one text.
    pub(super) fn filter_key(&self) -> String {
        let paging = ["pageinate", "page_no", "page_size", "count", "idonly"];
        let pairs = self.0.iter().filter(|(name, _)| !paging.contains(&name.as_str()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}
