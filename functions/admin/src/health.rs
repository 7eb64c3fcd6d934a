//! Whether the deployment works: itself, and its Halo.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::web::{Caller, Problem, Query};
use plan::schedule::Module;
use serde_json::{Value, json};

/// `GET /v1/health`: whether store and queue answer, and how many hints were given up.
pub(crate) async fn health(State(engine): State<Engine>) -> Response {
    let store = engine.store.connections(None, 1).await.is_ok();
    let dead = engine.queue.dead().await.ok();
    let healthy = store && dead.is_some();
    let word = |works: bool| if works { "ok" } else { "failed" };
    let body = json!({
        "status": word(healthy),
        "version": env!("CARGO_PKG_VERSION"),
        "store": word(store),
        "queue": word(dead.is_some()),
        "dead_letters": dead,
        "module": match engine.policy.module { Module::On => "on", Module::Off => "off" },
    });
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// `GET /v1/halo/test`: what Halo grants and answers (H1).
pub(crate) async fn halo(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    caller.administrates()?;
    query.only(&[])?;
    let report = engine.halo.with_priority(engine::halo::Priority::Manual).test().await;
    let mut shown = json!(report);
    shown["passed"] = report.passed().into();
    Ok(Json(shown))
}
