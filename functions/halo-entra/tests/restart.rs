//! `serve` against a Graph and a Halo that another process serves, ended and started again in the
//! middle of a run.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is the failure of the test"
)]

mod started;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use engine::clock::{Clock, SystemClock};
use reqwest::Method;
use sandbox::{halo, sample};
use serde_json::{Value, json};
use started::{Serving, program};

/// The API of a started `serve`.
struct Api {
    url: String,
    token: String,
}

impl Api {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = engine::http::client().unwrap();
        let request = request.request(method, format!("{}/v1/{path}", self.url));
        let request = request.bearer_auth(&self.token);
        let request = body.into_iter().fold(request, |request, body| request.json(&body));
        let response = request.send().await.unwrap();
        let (status, answer) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    async fn state(&self, run: &str) -> Value {
        self.call(Method::GET, &format!("runs/{run}"), None).await
    }

    /// The run as soon as `wanted` holds of its state.
    async fn when(&self, run: &str, wanted: impl Fn(&str) -> bool) -> Value {
        for _ in 0..6000 {
            let now = self.state(run).await;
            if wanted(now["state"].as_str().unwrap()) {
                return now;
            }
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
        panic!("the run does not get there: {}", self.state(run).await)
    }
}

fn serve(data: &Path, halo_url: &str) -> Command {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).envs([
        ("HALO_API_URL", format!("{halo_url}/api").as_str()),
        ("HALO_AUTH_URL", format!("{halo_url}/auth").as_str()),
        ("HALO_TENANT", halo::TENANT),
        ("HALO_CLIENT_ID", halo::CLIENT_ID),
        ("HALO_CLIENT_SECRET", halo::CLIENT_SECRET),
        ("HALO_REQUESTS_PER_5_MINUTES", "unlimited"),
        ("HALO_ENTRA_LOG", "error"),
    ]);
    command
}

fn start(data: &Path, halo_url: &str) -> (Serving, Api) {
    let mut serving = Serving::start(serve(data, halo_url));
    let url = serving.after("serves on ");
    let token = std::fs::read_to_string(data.join("admin-token")).unwrap().trim().to_owned();
    (serving, Api { url, token })
}

/// T1, T2, C2: nothing that was in memory is missed.
#[tokio::test]
async fn a_run_goes_on_after_a_restart() {
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let mut others = Serving::start(command);
    let entra = others.after("Entra, simulated");
    let halo = others.after("Halo, simulated");
    others.after("What to try next");

    let dir = tempfile::tempdir().unwrap();
    let (first, api) = start(dir.path(), &halo);
    api.call(Method::POST, "connections", Some(sample::connection(&entra))).await;
    let secret = json!({ "client_secret": sample::CLIENT_SECRET });
    api.call(Method::PUT, "connections/contoso/credentials", Some(secret)).await;
    api.call(Method::POST, "connections/contoso/authorise", None).await;
    let import = api.call(Method::POST, "connections/contoso/imports", Some(json!({}))).await;
    let run = import["run"].as_str().unwrap();
    api.when(run, |state| state != "queued").await;
    assert_eq!(first.end(), Some(0));

    let (second, api) = start(dir.path(), &halo);
    let ended = api.when(run, |state| ["completed", "held", "failed"].contains(&state)).await;
    assert_eq!(ended["state"], "completed", "{ended}");
    let counted = ended["counts"].as_object().unwrap().values();
    assert_eq!(counted.map(|count| count.as_u64().unwrap()).sum::<u64>(), 250, "{ended}");
    assert_eq!(ended["counts"]["created"], 0, "the others imported everybody already: {ended}");
    assert_eq!(second.end(), Some(0));
    assert_eq!(others.end(), Some(0));
}
