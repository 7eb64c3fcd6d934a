//! What both simulators share: a listening server, the log of what it was asked, and a hook to stop it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;

/// Which side of the model a request is at when the [`Hook`] is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request arrived; the model has not seen it.
    Before,
    /// The model has acted; the answer has not left.
    After,
}

/// Asked before and after each request with `"METHOD /path"`; `true` leaves the caller without an
/// answer for ever, as a process killed at that point would be left.
pub type Hook = Arc<dyn Fn(&str, Moment) -> bool + Send + Sync>;

/// One request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Upper-case method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query as sent, still encoded; empty without one.
    pub query: String,
    /// Status that was answered.
    pub status: u16,
}

/// The requests of a server in order of their answers.
#[derive(Clone, Default)]
pub struct RequestLog(Arc<Mutex<Vec<Seen>>>);

impl RequestLog {
    /// All requests so far.
    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// How many requests were answered so far.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Forgets what was seen, so that a test can count from here.
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    fn push(&self, seen: Seen) {
        self.0.lock().unwrap().push(seen);
    }
}

/// A server on a loopback port; it stops when this is dropped.
pub struct Served {
    /// Where it listens, as `http://127.0.0.1:PORT` without a slash at the end.
    pub url: String,
    /// What it was asked.
    pub log: RequestLog,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `router` on `listen` (a free loopback port without one).
pub async fn serve(
    router: Router,
    listen: Option<SocketAddr>,
    hook: Option<Hook>,
) -> std::io::Result<Served> {
    let listen = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let log = RequestLog::default();
    let seen_by = log.clone();
    let router = router.layer(middleware::from_fn(move |request: Request, next: Next| {
        watch(request, next, seen_by.clone(), hook.clone())
    }));
    let task = tokio::spawn(async move {
        // The task is aborted by `Served`; an accept error would show as refused requests.
        let _ = axum::serve(listener, router).await;
    });
    Ok(Served { url, log, task })
}

async fn watch(
    request: Request,
    next: Next,
    log: RequestLog,
    hook: Option<Hook>,
) -> Response<Body> {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let what = format!("{method} {path}");
    let stops = |moment| hook.as_ref().is_some_and(|hook| hook(&what, moment));
    if stops(Moment::Before) {
        std::future::pending::<()>().await;
    }
    let response = next.run(request).await;
    log.push(Seen { method, path, query, status: response.status().as_u16() });
    if stops(Moment::After) {
        std::future::pending::<()>().await;
    }
    response
}
