//! Whether the deployment works: itself, and its Halo.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::halo::{BudgetReport, TestReport};
use engine::web::api::Usual;
use engine::web::{Caller, Problem, Query};
use serde::Serialize;
use utoipa::ToSchema;

use crate::operate::OnOff;

/// How the deployment is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Whether all of it works.
    status: Works,
    /// Of the program.
    version: &'static str,
    /// Whether the store answers.
    store: Works,
    /// Whether the queue answers.
    queue: Works,
    /// Hints that were given up; `null` when the queue does not answer.
    dead_letters: Option<u64>,
    /// Whether the integration is switched on (C11).
    module: OnOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Works {
    Ok,
    Failed,
}

impl From<bool> for Works {
    fn from(works: bool) -> Self {
        if works { Works::Ok } else { Works::Failed }
    }
}

/// Whether store and queue answer, and how many hints were given up
///
/// Needs no token.
#[utoipa::path(get, path = "/v1/health", tag = "deployment", security(()),
    responses(
        (status = 200, description = "All of it works", body = Health),
        (status = 503, description = "Something does not answer", body = Health)))]
pub(crate) async fn health(State(engine): State<Engine>) -> Response {
    let store = engine.store.connections(None, 1).await.is_ok();
    let dead_letters = engine.queue.dead().await.ok();
    let works = store && dead_letters.is_some();
    let body = Health {
        status: works.into(),
        version: env!("CARGO_PKG_VERSION"),
        store: store.into(),
        queue: dead_letters.is_some().into(),
        dead_letters,
        // Where the store does not say, the deployment's own switch does.
        module: engine.module().await.map_or(engine.policy.module, |it| it.state()).into(),
    };
    let status = if works { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// What came of the test of Halo.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HaloTest {
    #[serde(flatten)]
    report: TestReport,
    /// Whether everything answered.
    passed: bool,
}

/// What Halo grants and answers (H1)
#[utoipa::path(get, path = "/v1/halo/test", tag = "halo", extensions(("x-role" = json!("administrator"))),
    responses((status = 200, description = "The report", body = HaloTest), Usual))]
pub(crate) async fn halo(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<HaloTest>, Problem> {
    caller.administrates()?;
    query.only(&[])?;
    let report = engine.halo.with_priority(engine::halo::Priority::Manual).test().await;
    let passed = report.passed();
    Ok(Json(HaloTest { report, passed }))
}

/// How many requests Halo may get from this deployment now (H2)
///
/// Costs no request to Halo.
#[utoipa::path(get, path = "/v1/halo/budget", tag = "halo",
    responses((status = 200, description = "The budget", body = BudgetReport), Usual))]
pub(crate) async fn budget(
    State(engine): State<Engine>,
    query: Query,
) -> Result<Json<BudgetReport>, Problem> {
    query.only(&[])?;
    Ok(Json(engine.halo.budget().await?))
}
