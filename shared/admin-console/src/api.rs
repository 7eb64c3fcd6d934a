//! The API as the pages use it: its own router, called in this process in the name of who is signed in.
//!
//! So a page can do what its reader may do over the API, and nothing else; and what the API refuses
//! comes back as the same problem (RFC 9457), mistakes with their places included.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use engine::web::Caller;
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

/// Bytes of an answer that are read at the most: a page of 200 people with all that is known of them.
const MOST: usize = 32 * 1024 * 1024;

/// The API in somebody's name.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    router: Router,
    caller: Caller,
}

/// An answer of the API that is none of its problems.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What it says; `null` where it says nothing.
    pub(crate) body: Value,
    /// The revision of what was read, as `If-Match` takes it.
    pub(crate) tag: Option<String>,
}

/// A problem document, as pages show it.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// The stable word of its type.
    pub(crate) kind: String,
    /// The type in words.
    pub(crate) title: String,
    /// What happened and what to do.
    pub(crate) detail: String,
    /// The whole document: what the type has besides.
    pub(crate) body: Value,
}

/// A place in the API: a path, part by part, and a query.
#[derive(Clone, Debug)]
pub(crate) struct At(Url);

impl At {
    /// Below `/v1`; the parts are escaped.
    pub(crate) fn new(parts: &[&str]) -> Self {
        let mut url = base();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push("v1").extend(parts);
        }
        Self(url)
    }

    /// With a parameter.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.query_pairs_mut().append_pair(name, value);
        self
    }

    /// With a parameter where there is a value.
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn uri(&self) -> String {
        let query = self.0.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.0.path())
    }
}

/// Only paths and queries are taken from it.
#[expect(clippy::expect_used, reason = "a constant")]
fn base() -> Url {
    Url::parse("http://console").expect("an address")
}

impl Api {
    /// The router of the API, in a caller's name.
    pub(crate) fn new(router: Router, caller: Caller) -> Self {
        Self { router, caller }
    }

    /// Reads.
    pub(crate) fn get<'a>(
        &'a self,
        parts: &[&str],
    ) -> impl Future<Output = Result<Value, Trouble>> + use<'a> {
        let at = At::new(parts);
        async move { Ok(self.read(at).await?.body) }
    }

    /// Reads at a place with a query.
    pub(crate) async fn read(&self, at: At) -> Result<Answer, Trouble> {
        self.send(Method::GET, at, &[], None).await
    }

    /// Changes or starts something, with the revision that the change is based on where it has one.
    pub(crate) async fn write(
        &self,
        method: Method,
        at: At,
        tag: Option<&str>,
        body: &Value,
    ) -> Result<Answer, Trouble> {
        let headers: Vec<_> = tag.map(|tag| (IF_MATCH, tag)).into_iter().collect();
        self.send(method, at, &headers, Some(body)).await
    }

    /// Starts something that is done once for a key, however often the form is sent.
    pub(crate) async fn once(&self, at: At, key: &str, body: &Value) -> Result<Answer, Trouble> {
        let headers: Vec<_> = (!key.is_empty()).then_some((KEY, key)).into_iter().collect();
        self.send(Method::POST, at, &headers, Some(body)).await
    }

    /// Reads what is no JSON: the answer as it is, to be handed on.
    pub(crate) async fn raw(&self, at: At) -> Result<Response, Trouble> {
        let answer = self.answer(Method::GET, at, &[], None).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), MOST).await.map_err(|_| Trouble::inside())?;
        Err(Trouble::read(status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    async fn send(
        &self,
        method: Method,
        at: At,
        headers: &[(HeaderName, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Trouble> {
        let answer = self.answer(method, at, headers, body).await?;
        let status = answer.status();
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let bytes = to_bytes(answer.into_body(), MOST).await.map_err(|_| Trouble::inside())?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            Ok(Answer { body, tag })
        } else {
            Err(Trouble::read(status, body))
        }
    }

    async fn answer(
        &self,
        method: Method,
        at: At,
        headers: &[(HeaderName, &str)],
        body: Option<&Value>,
    ) -> Result<Response, Trouble> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(Body::from(text));
        *request.method_mut() = method;
        *request.uri_mut() = at.uri().parse().map_err(|_| Trouble::inside())?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| Trouble::inside())?;
            request.headers_mut().insert(name.clone(), value);
        }
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(self.caller.clone());
        let Ok(answer) = self.router.clone().oneshot(request).await;
        Ok(answer)
    }
}

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Trouble {
    fn read(status: StatusCode, body: Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let kind = text("type");
        let kind = kind.rsplit(':').next().unwrap_or_default().to_owned();
        Self { status, kind, title: text("title"), detail: text("detail"), body }
    }

    /// A problem that the console has itself.
    pub(crate) fn of(status: StatusCode, kind: &str, title: &str, detail: &str) -> Self {
        let (kind, title, detail) = (kind.to_owned(), title.to_owned(), detail.to_owned());
        Self { status, kind, title, detail, body: Value::Null }
    }

    /// Nothing is at an address.
    pub(crate) fn nowhere() -> Self {
        let detail = "There is nothing at this address. The link may be old, or mistyped.";
        Self::of(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    fn inside() -> Self {
        let detail = "The request could not be carried out. Try again; if it stays, look at the log of the deployment.";
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong", detail)
    }

    /// What is wrong in what was sent, each with its JSON path.
    pub(crate) fn mistakes(&self) -> Vec<(&str, &str)> {
        let list = self.body["mistakes"].as_array().into_iter().flatten();
        list.filter_map(|one| Some((one["path"].as_str()?, one["message"].as_str()?))).collect()
    }
}
