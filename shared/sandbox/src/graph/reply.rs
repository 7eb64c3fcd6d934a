//! An answer before it is put on the wire, and the error bodies of Graph.

use serde_json::{Map, Value, json};

/// What an endpoint answers; a refusal travels as the error so that `?` can end a request.
pub(super) type Answer = Result<Reply, Reply>;

/// Content type of a successful JSON answer.
pub(super) const JSON_OK: &str = "application/json;odata.metadata=minimal;odata.streaming=true;\
                                  IEEE754Compatible=false;charset=utf-8";

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Payload,
}

pub(super) enum Payload {
    Json(Value),
    Text { content_type: &'static str, text: String },
    Empty,
}

impl Reply {
    /// 200 with a JSON object.
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: Payload::Json(body) }
    }

    /// 200 with plain text, as `$count` answers.
    pub(super) fn text(text: String) -> Self {
        let body = Payload::Text { content_type: "text/plain", text };
        Self { status: 200, headers: Vec::new(), body }
    }

    /// An error in the form of Graph; the ids of the request are added when it leaves.
    pub(super) fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        let body = json!({ "error": { "code": code, "message": message.into() } });
        Self { status, headers: Vec::new(), body: Payload::Json(body) }
    }

    pub(super) fn unsupported_query(message: impl Into<String>) -> Self {
        Self::error(400, "Request_UnsupportedQuery", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::error(400, "Request_BadRequest", message)
    }

    pub(super) fn denied() -> Self {
        let message = "Insufficient privileges to complete the operation.";
        Self::error(403, "Authorization_RequestDenied", message)
    }

    /// `what` is quoted in the message: an id, or `manager`.
    pub(super) fn not_found(what: &str) -> Self {
        let message = format!(
            "Resource '{what}' does not exist or one of its queried reference-property objects \
             are not present."
        );
        Self::error(404, "Request_ResourceNotFound", message)
    }

    pub(super) fn throttled(retry_after: Option<String>) -> Self {
        let error = json!({ "code": "TooManyRequests", "message": "Please retry again later.",
            "innerError": { "code": "429", "message": "Please retry after", "status": "429" } });
        let body = Payload::Json(json!({ "error": error }));
        Self { status: 429, headers: Vec::new(), body }.with_header("Retry-After", retry_after)
    }

    pub(super) fn with_header(mut self, name: &'static str, value: Option<String>) -> Self {
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    /// Completes an error body with the date and the ids of the request.
    pub(super) fn sign(&mut self, date: &str, request_id: &str, client_request_id: &str) {
        let Payload::Json(body) = &mut self.body else { return };
        let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) else { return };
        let inner = error.entry("innerError").or_insert_with(|| Value::Object(Map::new()));
        let Some(inner) = inner.as_object_mut() else { return };
        for (name, value) in
            [("date", date), ("request-id", request_id), ("client-request-id", client_request_id)]
        {
            inner.entry(name).or_insert_with(|| value.into());
        }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match &self.body {
            Payload::Json(_) if self.status < 300 => JSON_OK,
            Payload::Json(_) => "application/json",
            Payload::Text { content_type, .. } => content_type,
            Payload::Empty => "",
        }
    }

    pub(super) fn body_text(&self) -> String {
        match &self.body {
            Payload::Json(value) => value.to_string(),
            Payload::Text { text, .. } => text.clone(),
            Payload::Empty => String::new(),
        }
    }
}
