//! From HTTP to the model and back, broken connections included.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::Graph;
use super::call::{Call, Query};
use super::faults::Wire;
use super::reply::Reply;

/// Larger request bodies are cut off; the largest real one is a batch of 20.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The one handler of the server: Graph's paths are decoded by the model itself.
pub(super) async fn handle(State(graph): State<Graph>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let headers = read_headers(&parts.headers);
    let host = headers.get("host").map_or("localhost", String::as_str);
    let call = Call {
        method: parts.method.to_string(),
        base: format!("http://{host}"),
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        body: body.to_vec(),
        headers,
    };
    let (reply, wire) = graph.lock().answer(&call);
    respond(&reply, wire)
}

fn read_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn respond(reply: &Reply, wire: Wire) -> Response {
    let text = reply.body_text();
    let length = text.len();
    let body = match wire {
        Wire::Whole => Body::from(text),
        Wire::Truncated => breaking(Some(Bytes::from(text).slice(..length / 2))),
        Wire::Reset => breaking(None),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status of HTTP");
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        let value = HeaderValue::from_str(value).expect("a header without control characters");
        headers.insert(*name, value);
    }
    let content_type = reply.content_type();
    if !content_type.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

/// A body that starts and never ends as it should.
fn breaking(start: Option<Bytes>) -> Body {
    let broken = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    Body::from_stream(futures::stream::iter(start.map(Ok).into_iter().chain([broken])))
}
