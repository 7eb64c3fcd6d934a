//! Requests to the API: any method, path, query, headers and body get an answer that the OpenAPI document
//! describes, and never that something broke here.

use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use super::far::{self, Script};
use super::snapshot::{SNAPSHOT, TOKEN, api};
use super::{choices, seed};
use crate::described::{Exchange, differences};

/// Bytes of an answer at the most.
const ANSWER: usize = 8 << 20;

/// An input: whether the token comes with it, then a request as HTTP/1 writes it, without a version.
pub fn run(data: &[u8]) -> bool {
    let ([anonymous], text) = choices(data);
    let text = String::from_utf8_lossy(text);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let Some((method, path)) = lines.next().and_then(|line| line.split_once(' ')) else {
        return false;
    };
    let mut request = Request::builder().method(method).uri(path);
    if anonymous != 1 {
        request = request.header("authorization", format!("Bearer {TOKEN}"));
    }
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Body::from(body.to_owned())) else { return false };
    // A server gets addresses without a host.
    if request.uri().authority().is_some() || !path.starts_with('/') {
        return false;
    }
    far::with(Script::of(404, None, b"{}"), async |http| {
        let router = api(SNAPSHOT.engine(http, Vec::new()));
        let answer = router.oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = to_bytes(answer.into_body(), ANSWER).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}: {text}");
        // What is sent along with a GET means nothing, and nobody reads it.
        let read = !["GET", "HEAD"].contains(&method) && !body.is_empty();
        let body = read.then_some(body);
        let exchange = Exchange { method, path, body, status, headers: &headers, text: &text };
        let differences = differences(&exchange);
        assert!(differences.is_empty(), "{method} {path} {status}: {differences:#?}\n{text}");
        status.is_success()
    })
    .0
}

/// The sample events of both HTTP functions.
pub fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let events = files.iter().filter_map(|file| {
        let event: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let http = &event["requestContext"]["http"];
        let (method, path) = (http["method"].as_str()?, event["rawPath"].as_str()?);
        let query = event["rawQueryString"].as_str().filter(|query| !query.is_empty());
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        let headers = event["headers"].as_object()?.iter();
        let headers = headers.filter(|(name, _)| *name != "authorization");
        let headers = headers.fold(String::new(), |text, (name, value)| {
            format!(
                "{text}
{name}: {}",
                value.as_str().unwrap_or_default()
            )
        });
        let body = event["body"].as_str().unwrap_or_default();
        let path = path
            .replace("{run}", &SNAPSHOT.run.to_string())
            .replace("{preview}", &SNAPSHOT.preview.to_string());
        Some(seed(&[0], format!("{method} {path}{query}{headers}\n\n{body}")))
    });
    events.collect()
}
