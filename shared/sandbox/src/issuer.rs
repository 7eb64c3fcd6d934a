//! An issuer of tokens: discovery and keys (OIDC discovery, RFC 7517) that a test changes
//! and takes down, and tokens signed with them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// A running issuer. It serves until the process ends, on a thread of its own, so that tests that start
/// and end meanwhile may share it.
#[derive(Clone)]
pub struct Issuer {
    /// What its tokens name as `iss`.
    pub url: String,
    model: Arc<Mutex<Model>>,
}

#[derive(Default)]
struct Model {
    url: String,
    keys: BTreeMap<String, Key>,
    is_down: bool,
    asked: u64,
    names_itself: Option<String>,
}

struct Key {
    algorithm: Algorithm,
    signing: EncodingKey,
    published: Option<Value>,
}

impl Issuer {
    /// Starts one that has no keys yet.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let model = Arc::new(Mutex::new(Model { url: url.clone(), ..Model::default() }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&model));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url, model }
    }

    /// Publishes a key (PEM, RSA) under an id; `more` is added to what is published of it.
    pub fn publish(&self, id: &str, algorithm: Algorithm, pem: &str, more: &Value) {
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let jwk = Jwk::from_encoding_key(&signing, algorithm).unwrap();
        let mut published = serde_json::to_value(jwk).unwrap();
        // As Entra publishes them: for signatures, of no one algorithm.
        published.as_object_mut().unwrap().remove("alg");
        published["kid"] = json!(id);
        published["use"] = json!("sig");
        for (name, value) in more.as_object().into_iter().flatten() {
            published[name] = value.clone();
        }
        let key = Key { algorithm, signing, published: Some(published) };
        self.model.lock().unwrap().keys.insert(id.to_owned(), key);
    }

    /// Publishes a key no more; it goes on signing.
    pub fn withdraw(&self, id: &str) {
        self.model.lock().unwrap().keys.get_mut(id).unwrap().published = None;
    }

    /// Answers nothing but errors, or works again.
    pub fn set_down(&self, is_down: bool) {
        self.model.lock().unwrap().is_down = is_down;
    }

    /// Names another issuer in its configuration.
    pub fn name_itself(&self, issuer: &str) {
        self.model.lock().unwrap().names_itself = Some(issuer.to_owned());
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.model.lock().unwrap().asked
    }

    /// A token of these claims, signed with a key.
    pub fn sign(&self, id: &str, claims: &Value) -> String {
        let model = self.model.lock().unwrap();
        let key = &model.keys[id];
        let header = Header { kid: Some(id.to_owned()), ..Header::new(key.algorithm) };
        encode(&header, claims, &key.signing).unwrap()
    }
}

async fn configuration(State(model): State<Arc<Mutex<Model>>>) -> Result<Json<Value>, StatusCode> {
    let mut model = model.lock().unwrap();
    model.asked += 1;
    if model.is_down {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let issuer = model.names_itself.as_ref().unwrap_or(&model.url);
    Ok(Json(json!({ "issuer": issuer, "jwks_uri": format!("{}/keys", model.url) })))
}

async fn keys(State(model): State<Arc<Mutex<Model>>>) -> Result<Json<Value>, StatusCode> {
    let mut model = model.lock().unwrap();
    model.asked += 1;
    if model.is_down {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let keys: Vec<&Value> = model.keys.values().filter_map(|key| key.published.as_ref()).collect();
    Ok(Json(json!({ "keys": keys })))
}
