//! The product in this process, on embedded storage, with as many workers as the program has.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use engine::clock::{Clock, SystemClock};
use engine::connections::Asked;
use engine::graph::Tokens;
use engine::halo::{ClientSecret, Halo, RequestLimit, Settings};
use engine::queue::Queue;
use engine::queue::local::Local;
use engine::random::Random;
use engine::secrets::files::Files;
use engine::store::Store;
use engine::store::embedded::Embedded;
use engine::web::Auth;
use engine::{Engine, OperatorWay, Policy};
use plan::document::CustomClouds;
use plan::ids::ConnectionId;
use plan::tally::{Run, RunState};
use sandbox::{halo, sample};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::simulators::Simulators;

/// Hints that are handled at the same time, as in `halo-entra serve`.
const WORKERS: usize = 8;
/// Between two looks at a run.
const LOOK: Duration = Duration::from_millis(5);
const TOKEN: &str = "measured, and as long as an operator chooses one";

/// A running product with one authorised connection.
pub(crate) struct Machine {
    engine: Engine,
    /// The same over a counter of its own, so that looking costs nothing that is counted.
    front: Engine,
    queue: Arc<Local>,
    api: Router,
    id: ConnectionId,
    worker: JoinHandle<()>,
    /// Of the operator's session.
    cookie: String,
    _dir: tempfile::TempDir,
}

impl Machine {
    pub(crate) async fn start(simulators: &Simulators) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let table = Arc::new(Embedded::open(dir.path(), clock.clone()).unwrap());
        let queue = Arc::new(Local::new(clock.clone(), worker::VISIBILITY));
        let http = engine::http::client().unwrap();
        let store = Store::new(table.clone(), clock.clone());
        let engine = Engine {
            random: Arc::new(Random::default()),
            queue: queue.clone() as Arc<dyn Queue>,
            secrets: Arc::new(Files::open(dir.path().join("secrets")).unwrap()),
            tokens: Tokens::default(),
            issuers: engine::issuer::Issuers::default(),
            halo: Halo::new(settings(&simulators.halo), http.clone(), store.clone()),
            http,
            store,
            policy: Policy { custom_clouds: CustomClouds::Allowed, ..Policy::default() },
            clock: clock.clone(),
        };
        // For looking at pages, as the operator.
        let policy = Policy { operator: OperatorWay::Token(TOKEN.into()), ..engine.policy.clone() };
        let front = Engine { store: Store::new(table, clock), policy, ..engine.clone() };
        let auth = || Auth::Local(TOKEN.into());
        let api = admin::with_console(front.clone(), auth())
            .merge(inbound_logs::router(front.clone(), auth()));
        let id = "contoso".parse().unwrap();
        let work = worker::run(engine.clone(), WORKERS, std::future::pending());
        let worker = tokio::spawn(work);
        let cookie = sign_in(&api).await;
        let machine = Self { engine, front, queue, api, id, worker, cookie, _dir: dir };
        machine.connect(&simulators.graph).await;
        machine
    }

    async fn connect(&self, graph: &str) {
        let document = sample::connection(graph);
        self.call("POST", "/v1/connections", &document).await;
        let path = format!("/v1/connections/{}", document["id"].as_str().unwrap());
        let secret = json!({ "client_secret": sample::CLIENT_SECRET });
        self.call("PUT", &format!("{path}/credentials"), &secret).await;
        self.call("POST", &format!("{path}/authorise"), &Value::Null).await;
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = self.api.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 64 << 20).await.unwrap();
        assert!(
            status.is_success(),
            "{method} {path}: {status} {}",
            String::from_utf8_lossy(&bytes)
        );
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Asks the API.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).await
    }

    /// Looks at something of the API, or at a page of the console.
    pub(crate) async fn look(&self, path: &str) {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("cookie", &self.cookie)
            .header("accept-encoding", "gzip");
        let answer = self.api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        axum::body::to_bytes(answer.into_body(), 64 << 20).await.unwrap();
    }

    /// Operations of the store by steps.
    pub(crate) fn operations(&self) -> u64 {
        self.engine.store.operations()
    }

    /// Operations of the store by the API.
    pub(crate) fn looks(&self) -> u64 {
        self.front.store.operations()
    }

    /// One import of everybody, to its end.
    pub(crate) async fn run(&self) -> Run {
        let run = self.front.import(&self.id, &Asked::default()).await.unwrap();
        loop {
            tokio::time::sleep(LOOK).await;
            let found = self.front.store.run(&self.id, run).await.unwrap();
            let Some(found) = found.map(|it| it.value.run).filter(|it| it.state.is_over()) else {
                continue;
            };
            assert_eq!(found.state, RunState::Completed, "{found:?}");
            return found;
        }
    }

    /// Imports until a run has nothing to ask of Halo, and no hint waits.
    pub(crate) async fn settle(&self) {
        while self.run().await.requests.halo > 0 {}
        while self.queue.next_due().is_some_and(|due| due <= self.engine.clock.now()) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A preview of everybody, to its end; its totals.
    pub(crate) async fn preview(&self) -> Value {
        let begun =
            self.call("POST", &format!("/v1/connections/{}/preview", self.id), &json!({})).await;
        let path = format!("/v1/previews/{}", begun["preview"].as_str().unwrap());
        loop {
            tokio::time::sleep(LOOK * 4).await;
            let found = self.get(&path).await;
            match found["state"].as_str().unwrap() {
                "complete" => return found["totals"].clone(),
                "failed" => panic!("{found:#}"),
                _ => {}
            }
        }
    }
}

/// The cookie of a session of the operator's.
async fn sign_in(api: &Router) -> String {
    let request = Request::post("/console/sign-in/operator");
    let request = request.body(Body::from(format!("token={}", TOKEN.replace(' ', "+")))).unwrap();
    let answer = api.clone().oneshot(request).await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

impl Drop for Machine {
    /// The worker would keep the store open, and its memory.
    fn drop(&mut self) {
        self.worker.abort();
    }
}

fn settings(url: &str) -> Settings {
    let (api, auth) =
        (format!("{url}/api").parse().unwrap(), format!("{url}/auth").parse().unwrap());
    let secret = ClientSecret::Given(halo::CLIENT_SECRET.into());
    let mut settings = Settings::new(api, auth, halo::CLIENT_ID.to_owned(), secret);
    settings.tenant = Some(halo::TENANT.to_owned());
    settings.limit = RequestLimit::Unlimited;
    settings
}
