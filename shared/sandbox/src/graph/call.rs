//! A request as the endpoints see it: decoded path, raw query, headers.

use std::collections::BTreeMap;

use serde_json::Value;
use url::form_urlencoded;

use super::reply::Reply;

pub(super) struct Call {
    pub(super) method: String,
    /// Where the server is, as the caller addressed it; links start with it.
    pub(super) base: String,
    /// Path as sent, without the query.
    pub(super) path: String,
    pub(super) query: Query,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Call {
    /// The decoded segments of the path; `users('x')` counts as `users/x`.
    pub(super) fn segments(&self) -> Vec<String> {
        let mut segments = Vec::new();
        for raw in self.path.split('/').filter(|segment| !segment.is_empty()) {
            let segment = decode(&raw.replace('+', "%2B"));
            match segment.strip_suffix(')').and_then(|open| open.split_once('(')) {
                Some((name, key)) => {
                    segments.push(name.to_owned());
                    // A function such as `delta()` has no key.
                    if !key.is_empty() {
                        segments.push(key.trim_matches('\'').replace("''", "'"));
                    }
                }
                None => segments.push(segment),
            }
        }
        segments
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether the caller asked for the advanced query index.
    pub(super) fn eventual(&self) -> bool {
        self.header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
    }

    pub(super) fn prefers_minimal(&self) -> bool {
        let prefer = self.header("prefer").unwrap_or_default();
        prefer.split([',', ';']).any(|part| part.trim().eq_ignore_ascii_case("return=minimal"))
    }

    pub(super) fn json(&self) -> Result<Value, Reply> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Reply::error(400, "BadRequest", "Unable to read JSON request payload."))
    }
}

/// The query of an address, with keys decoded and values as sent.
#[derive(Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key).to_lowercase(), value.to_owned())
        });
        Self(pairs.collect())
    }

    /// A value as sent: tokens are compared byte by byte.
    pub(super) fn raw(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn get(&self, key: &str) -> Option<String> {
        self.raw(key).map(decode)
    }

    /// Names of the system query options: those that begin with `$`.
    pub(super) fn options(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with('$'))
    }

    /// Whether any of the options is there.
    pub(super) fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.raw(key).is_some())
    }

    /// `$select` as names, without doubles and blanks; `None` when missing or empty.
    pub(super) fn select(&self) -> Option<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for name in self.get("$select")?.split(',').map(str::trim) {
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        (!names.is_empty()).then_some(names)
    }

    /// `$top`, refused outside 1 to `max`; 100 without one.
    pub(super) fn top(&self, max: usize) -> Result<usize, Reply> {
        let Some(top) = self.get("$top") else { return Ok(100) };
        match top.parse::<usize>() {
            Ok(top) if (1..=max).contains(&top) => Ok(top),
            _ => Err(Reply::unsupported_query(format!(
                "Invalid page size specified: '{top}'. Must be between 1 and {max} inclusive."
            ))),
        }
    }

    /// `$count=true`.
    pub(super) fn counts(&self) -> bool {
        self.get("$count").is_some_and(|count| count.eq_ignore_ascii_case("true"))
    }
}

/// Percent decoding in which `+` is a space.
fn decode(raw: &str) -> String {
    let whole = format!("v={}", raw.replace('&', "%26"));
    let value =
        form_urlencoded::parse(whole.as_bytes()).next().map(|(_, value)| value.into_owned());
    value.unwrap_or_default()
}
