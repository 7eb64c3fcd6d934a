//! The API served on a port of its own, and requests to it, each held to the OpenAPI document.

use engine::web::Auth;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::described::{Exchange, differences};
use tests::world::{Setup, World};

/// The administrator's token.
pub(crate) const TOKEN: &str = "a-token-for-tests";

/// The API of a world.
pub(crate) struct Api {
    pub(crate) world: World,
    url: String,
    http: reqwest::Client,
}

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The word at the end of a problem's type.
    pub(crate) fn problem(&self) -> &str {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(self.json["status"], self.status.as_u16(), "{}", self.text);
        assert!(!self.json["detail"].as_str().unwrap().is_empty());
        self.json["type"].as_str().unwrap().rsplit(':').next().unwrap()
    }

    /// Paths of the mistakes.
    pub(crate) fn paths(&self) -> Vec<&str> {
        let mistakes = self.json["mistakes"].as_array().expect("no mistakes");
        mistakes.iter().map(|mistake| mistake["path"].as_str().unwrap()).collect()
    }

    /// Asserts a success.
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text);
        self
    }

    pub(crate) fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let mut world = World::new(setup).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        world.engine.policy.public_url = Some(url.parse().unwrap());
        let auth = || Auth::Local(TOKEN.into());
        let engine = || world.engine.clone();
        let router = admin::router(engine(), auth()).merge(inbound_logs::router(engine(), auth()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { world, url, http: tests::world::client() }
    }

    /// Sends a request as the administrator.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send_with(method, path, body, &[("authorization", &format!("Bearer {TOKEN}"))]).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.send_text(method, path, body.map(Value::to_string), headers).await
    }

    /// Opens an address as a browser does, without a token, and follows where it is sent.
    pub(crate) async fn browse(&self, url: &str) -> Answer {
        let mut url: url::Url = url.parse().unwrap();
        for _ in 0..5 {
            let answer = answer(self.http.get(url.clone())).await;
            let Some(to) = answer.headers.get("location") else { return answer };
            url = url.join(to.to_str().unwrap()).unwrap();
        }
        panic!("sent around without end");
    }

    /// The API's own address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Sends a body that need not be JSON, as the administrator.
    pub(crate) async fn http_text(&self, method: &str, path: &str, body: &str) -> Answer {
        let token = format!("Bearer {TOKEN}");
        self.send_text(method, path, Some(body.to_owned()), &[("authorization", &token)]).await
    }

    pub(crate) async fn send_text(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let verb: Method = method.parse().unwrap();
        let mut request = self.http.request(verb, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = &body {
            request = request.body(body.clone());
        }
        let answer = answer(request).await;
        let Answer { status, headers, text, .. } = &answer;
        let body = body.as_deref();
        let exchange = Exchange { method, path, body, status: *status, headers, text };
        let differences = differences(&exchange);
        assert!(
            differences.is_empty(),
            "{method} {path} {status}: {differences:#?}
{text}"
        );
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    /// Saves a document over the revision that an entity tag names.
    pub(crate) async fn save(&self, id: &str, etag: &str, document: &Value) -> Answer {
        let token = format!("Bearer {TOKEN}");
        let headers = [("authorization", token.as_str()), ("if-match", etag)];
        self.send_with("PUT", &format!("/v1/connections/{id}"), Some(document), &headers).await
    }

    /// A document for the sample tenant under another id, which is not saved yet.
    pub(crate) fn document(&self, id: &str) -> Value {
        let mut document = sandbox::sample::connection(&self.world.graph_served.url);
        document["id"] = json!(id);
        document["name"] = json!(format!("The {id}"));
        document
    }

    /// Saves a connection and enters its credentials.
    pub(crate) async fn connect(&self, id: &str) {
        self.post("/v1/connections", &self.document(id)).await.ok();
        let secret = json!({ "client_secret": sandbox::sample::CLIENT_SECRET });
        self.send("PUT", &format!("/v1/connections/{id}/credentials"), Some(&secret)).await.ok();
    }

    /// The same, authorised.
    pub(crate) async fn authorise(&self, id: &str) -> Answer {
        self.connect(id).await;
        self.post(&format!("/v1/connections/{id}/authorise"), &json!({})).await.ok()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, headers, text, json }
}
