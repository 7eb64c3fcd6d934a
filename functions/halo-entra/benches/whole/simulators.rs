//! Both simulators in a process of their own, which the measuring process starts and tells what to do.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sandbox::sample;
use serde_json::{Value, json};

use crate::usage::processor;

/// Seed of the people that make a tenant large.
const SEED: u64 = 11;

/// The process, as the measuring one sees it.
pub(crate) struct Simulators {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// Where Entra and Graph are.
    pub(crate) graph: String,
    /// The same, but a page that was asked for once is answered from memory: as fast as pages can come.
    pub(crate) ready: String,
    /// Where Halo is.
    pub(crate) halo: String,
}

impl Simulators {
    /// Starts them with a tenant of so many people.
    pub(crate) fn start(people: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["simulators", &people.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let addresses: Value = serde_json::from_str(&line(&mut stdout)).unwrap();
        let address = |name: &str| addresses[name].as_str().unwrap().to_owned();
        let (graph, ready, halo) = (address("graph"), address("ready"), address("halo"));
        Self { child, talk: Mutex::new((stdin, stdout)), graph, ready, halo }
    }

    /// Changes so many people in Entra.
    pub(crate) fn change(&self, count: usize) {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{count}").unwrap();
        assert_eq!(line(&mut talk.1), "done");
    }

    /// Seconds of processor time that they used.
    pub(crate) fn processor_time(&self) -> f64 {
        processor(&self.child.id().to_string())
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// The process itself: serves until its input ends, and changes people when it is told to.
pub(crate) async fn serve() {
    let people: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let (entra, halo) = (sample::grown_tenant(people, SEED), sample::halo());
    entra.faults(|faults| faults.page_size = 999);
    entra.use_system_clock();
    halo.use_system_clock();
    let (graph, halo) =
        (entra.serve(None, None).await.unwrap(), halo.serve(None, None).await.unwrap());
    let ready = Ready { origin: graph.url.clone(), ..Ready::default() };
    let router = Router::new().fallback(answer).with_state(ready.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    ready.own.lock().unwrap().clone_from(&url);
    tokio::spawn(async move { axum::serve(listener, router).await });
    println!("{}", json!({ "graph": graph.url, "ready": url, "halo": halo.url }));
    let ids = entra.user_ids();
    let mut round = 0;
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            let count: usize = line.unwrap().parse().unwrap();
            round += 1;
            // The sample's own people come first; they are in groups and have managers.
            for id in ids.iter().rev().take(count) {
                entra.update_user(id, json!({ "jobTitle": format!("Captain {round}") }));
            }
            println!("done");
        }
    })
    .await
    .unwrap();
}

/// A store of answers in front of Graph.
#[derive(Clone, Default)]
struct Ready {
    origin: String,
    own: Arc<Mutex<String>>,
    answers: Arc<Mutex<std::collections::HashMap<String, Bytes>>>,
    http: reqwest::Client,
}

async fn answer(State(ready): State<Ready>, request: Request) -> Response {
    let place = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let found = ready.answers.lock().unwrap().get(&place).cloned();
    if let Some(found) = found {
        return ([("content-type", "application/json")], found).into_response();
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let own = ready.own.lock().unwrap().clone();
    let port = |url: &str| url.rsplit(':').next().unwrap().to_owned();
    // Scopes name the address, encoded; its port alone differs.
    let body = String::from_utf8(body.to_vec()).unwrap().replace(&port(&own), &port(&ready.origin));
    let mut headers = parts.headers;
    for name in ["host", "accept-encoding", "content-length"] {
        headers.remove(name);
    }
    let origin = ready.http.request(parts.method.clone(), format!("{}{place}", ready.origin));
    let answer = origin.headers(headers).body(body).send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let text = answer.text().await.unwrap().replace(&ready.origin, &own);
    let bytes = Bytes::from(text);
    if parts.method == "GET" && status.is_success() {
        ready.answers.lock().unwrap().insert(place, bytes.clone());
    }
    (status, [("content-type", "application/json")], Body::from(bytes)).into_response()
}
