//! A deployment in the middle of its work, made once and given to each input afresh: three people with
//! licences were imported, previewed and logged, and a second run has read what changed.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use engine::clock::{Clock, ManualClock};
use engine::graph::Tokens;
use engine::halo::{ClientSecret, Halo, RequestLimit, Settings};
use engine::queue::local::Local;
use engine::random::Random;
use engine::secrets::{SecretName, SecretString, Secrets, SecretsError};
use engine::store::{Record, Store};
use engine::web::Auth;
use engine::{Engine, Policy};
use jiff::{SignedDuration, Timestamp};
use plan::document::CustomClouds;
use plan::ids::{ConnectionId, PreviewId, RunId};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::licensed::Licensed;
use crate::memory::Memory;

/// The administrator's token.
pub(super) const TOKEN: &str = "a-token-for-tests";
/// The key with which Halo signs, the one before it, and one that never counted.
pub(super) const KEYS: [&str; 3] = [
    "0123456789abcdef0123456789abcdef",
    "fedcba9876543210fedcba9876543210",
    "00112233445566778899aabbccddeeff",
];
/// Where the connection's own services are said to be.
const SERVICES: &str = "http://127.0.0.1:1";

/// The deployment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) now: Timestamp,
    pub(super) records: Vec<Record>,
    pub(super) connection: ConnectionId,
    pub(super) run: RunId,
    pub(super) preview: PreviewId,
}

/// It, made at the first use.
pub(super) static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    // In a thread of its own, as whoever asks may be inside a runtime.
    let made = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(Snapshot::take())
    });
    made.join().unwrap()
});

impl Snapshot {
    async fn take() -> Self {
        let licensed = Licensed::new();
        let world = licensed.company.open().await;
        world.sync().await;
        let preview = preview(&world.engine, world.id.as_str()).await;
        world.quiet().await;
        world.entra.update_user(&licensed.ada.to_string(), json!({ "jobTitle": "Director" }));
        let due = world.state().await.next_due;
        world.pass(due.duration_since(world.clock.now()).max(SignedDuration::ZERO));
        world.engine.tick().await.unwrap();
        world.some_steps(2).await;
        let run = world.state().await.run.expect("the second run is under way");
        let records = world.memory.as_ref().unwrap().records();
        let own = |record: Record| {
            let body = record.body.replace(&world.graph_served.url, SERVICES);
            Record { body, ..record }
        };
        Self {
            now: world.clock.now(),
            records: records.into_iter().map(own).collect(),
            connection: world.id.clone(),
            run,
            preview,
        }
    }

    /// The deployment with a client of its own, and with other records over its own ones.
    pub(super) fn engine(&self, http: reqwest::Client, over: Vec<Record>) -> Engine {
        let clock = Arc::new(ManualClock::new(self.now));
        let records = self.records.iter().cloned().chain(over);
        let table = Memory::of(clock.clone(), records);
        let store = Store::new(Arc::new(table), clock.clone() as Arc<dyn Clock>);
        let url = |path: &str| format!("http://127.0.0.1:2{path}").parse().unwrap();
        let secret = ClientSecret::Given("halo-hush".into());
        let mut settings = Settings::new(url("/api"), url("/auth"), "client".to_owned(), secret);
        settings.limit = RequestLimit::Unlimited;
        Engine {
            random: Arc::new(Random::seeded(7)),
            queue: Arc::new(Local::new(clock.clone(), std::time::Duration::from_mins(3))),
            secrets: Arc::new(Pocket::of(&self.connection)),
            tokens: Tokens::default(),
            issuers: engine::issuer::Issuers::default(),
            halo: Halo::new(settings, http.clone(), store.clone()),
            policy: Policy {
                custom_clouds: CustomClouds::Allowed,
                public_url: Some("https://halo-entra.example".parse().unwrap()),
                ..Policy::default()
            },
            clock,
            store,
            http,
        }
    }
}

async fn preview(engine: &Engine, connection: &str) -> PreviewId {
    let router = admin::router(engine.clone(), Auth::Local(TOKEN.into()));
    let request = Request::post(format!("/v1/connections/{connection}/preview"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Body::from("{}"));
    let answer = router.oneshot(request.unwrap()).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    body["preview"].as_str().unwrap_or_else(|| panic!("{body}")).parse().unwrap()
}

/// The API of a deployment.
pub(super) fn api(engine: Engine) -> axum::Router {
    let auth = || Auth::Local(TOKEN.into());
    admin::router(engine.clone(), auth()).merge(inbound_logs::router(engine, auth()))
}

/// Secrets in memory.
#[derive(Debug)]
struct Pocket(Mutex<BTreeMap<SecretName, SecretString>>);

impl Pocket {
    fn of(connection: &ConnectionId) -> Self {
        let credentials = json!({ "client_secret": sandbox::sample::CLIENT_SECRET }).to_string();
        let signing = json!({ "current": KEYS[0], "previous": KEYS[1] }).to_string();
        Self(Mutex::new(BTreeMap::from([
            (SecretName::credentials(connection), credentials.into()),
            (SecretName::licence_signing(), signing.into()),
        ])))
    }
}

#[async_trait]
impl Secrets for Pocket {
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, SecretsError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn put(&self, name: &SecretName, value: &SecretString) -> Result<(), SecretsError> {
        self.0.lock().unwrap().insert(name.clone(), value.clone());
        Ok(())
    }

    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}
