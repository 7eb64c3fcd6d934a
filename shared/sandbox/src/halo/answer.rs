//! Answers of the simulator: JSON, the many bodies of a refusal, and connections that end badly.

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};

use super::knobs::RefusalShape;

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// How the connection treats the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The answer arrives.
    Whole,
    /// Half of the body arrives, then the connection drops.
    Cut,
    /// The connection drops without a byte.
    Dropped,
}

/// An answer before it is bytes on a connection.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: JSON, headers: Vec::new(), body: body.to_string() }
    }

    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: TEXT, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    /// A page as a web server in front of Halo sends it, long enough to hurt a log.
    pub(super) fn html(status: u16, title: &str) -> Self {
        let filler =
            "<p class=\"trace\">at Nhd.Web.Pipeline.Invoke(Context context)</p>\n".repeat(4096);
        let body = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1>\n{filler}</body></html>\n"
        );
        Self { status, content_type: HTML, headers: Vec::new(), body }
    }

    /// Whatever a test wrote.
    pub(super) fn scripted(status: u16, body: &str) -> Self {
        let content_type = if body.starts_with(['{', '[']) { JSON } else { TEXT };
        Self { status, content_type, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self, ending: Ending) -> Response {
        let mut builder =
            Response::builder().status(self.status).header(CONTENT_TYPE, self.content_type);
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        let body = Bytes::from(self.body);
        match ending {
            Ending::Whole => builder.body(Body::from(body)),
            Ending::Cut => builder.header(CONTENT_LENGTH, body.len()).body(cut(&body)),
            // A body that fails at once stops the server before it has sent the head.
            Ending::Dropped => builder.body(dropped()),
        }
        .expect("statuses and header values are valid")
    }
}

fn lost() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset)
}

fn dropped() -> Body {
    Body::from_stream(stream::iter([Err::<Bytes, _>(lost())]))
}

fn cut(body: &Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    Body::from_stream(stream::unfold(Some(half), |left| async move {
        if let Some(half) = left {
            return Some((Ok(half), None));
        }
        // Lets the server send what it has before it learns of the failure.
        tokio::task::yield_now().await;
        Some((Err(lost()), None))
    }))
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    /// Path of the property at fault; empty when a rule was broken and not a property.
    path: String,
    message: String,
}

impl Refusal {
    /// A property that is missing or of the wrong type, at `path`, such as `[0].site_id`.
    pub(super) fn property(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, path: path.into(), message: message.into() }
    }

    /// A rule that a well-formed request breaks.
    pub(super) fn rule(message: impl Into<String>) -> Self {
        Self { status: 400, path: String::new(), message: message.into() }
    }

    /// A record that does not exist.
    pub(super) fn absent() -> Self {
        Self { status: 404, path: String::new(), message: String::new() }
    }

    /// The answer, in `shape` or else in the shape that belongs to the mistake.
    pub(super) fn reply(&self, shape: Option<RefusalShape>) -> Reply {
        if self.status == 404 {
            return Reply::empty(404);
        }
        let usual =
            if self.path.is_empty() { RefusalShape::Text } else { RefusalShape::ModelState };
        refusal_body(shape.unwrap_or(usual), &self.path, &self.message)
    }
}

fn refusal_body(shape: RefusalShape, path: &str, message: &str) -> Reply {
    let json = |body| Reply::json(400, &body);
    match shape {
        RefusalShape::Text => Reply::text(400, format!("CODE:APP01/1 {message}")),
        RefusalShape::JsonString => json(json!(format!("CODE:APP01/1 {message}"))),
        RefusalShape::ModelState => {
            let path = if path.is_empty() { "[0].id" } else { path };
            json(json!({ path: [message] }))
        }
        RefusalShape::Exception => json(json!({
            "ClassName": "System.Exception", "Message": message, "Data": null, "InnerException": null,
            "StackTraceString": "   at Nhd.Api.Controllers.Save()", "HResult": -2_146_233_088_i64,
        })),
        RefusalShape::ResultCode => json(json!({ "resultCode": 1, "errorMessage": message })),
        RefusalShape::Message => json(json!({ "Message": message })),
        RefusalShape::Error => json(json!({ "error": message })),
        RefusalShape::Html => Reply::html(400, message),
    }
}
