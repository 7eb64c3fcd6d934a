//! What happened and why, over HTTPS: the inbound log (B2), explanations (B3), runs (B5). Reads only.
//!
//! | route | does |
//! |---|---|
//! | `GET /v1/inbound` | entries, newest first, filtered |
//! | `GET /v1/inbound/export` | the same as NDJSON or CSV (B4) |
//! | `GET /v1/connections/{id}/people/{who}/explain` | why a person is treated as they are, or was before a time |
//! | `GET /v1/connections/{id}/runs` | runs of a connection, newest first |
//! | `GET /v1/runs/{id}` | one run |

mod export;
mod filters;

use axum::extract::State;
use axum::{Extension, Json, Router};
use engine::Engine;
use engine::inbound::{ShownEntry, ShownExplanation, ShownPast, Sight, TooWide};
use engine::web::api::{OfConnection, OfOne, OfPerson, Paging};
use engine::web::{Auth, Caller, PageAsked, Path, Problem, ProblemType, Query, cursor, guarded};
use filters::{FILTERS, LogFilters, wanted};
use jiff::Timestamp;
use plan::ids::RunId;
use plan::tally::Run;
use serde::Serialize;
use utoipa::ToSchema;

/// All routes of this function.
pub fn router(engine: Engine, auth: Auth) -> Router {
    guarded(served().with_state(engine.clone()), engine, auth)
}

/// The OpenAPI document of this function's routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

engine::routes!(served, described: self::inbound, export::export, self::explain, self::runs, self::run);

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
struct LogPage {
    /// Newest first.
    entries: Vec<ShownEntry>,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
struct RunPage {
    /// Newest first.
    runs: Vec<Run>,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// The inbound log: what was decided about people, and why (B2)
///
/// Newest first. A page costs the same however many entries there are.
#[utoipa::path(get, path = "/v1/inbound", tag = "log",
    params(LogFilters, Paging),
    responses((status = 200, description = "A page of entries", body = LogPage), OfOne))]
async fn inbound(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<LogPage>, Problem> {
    let known: Vec<&str> = FILTERS.into_iter().chain(["limit", "cursor"]).collect();
    let query = query.only(&known)?;
    let (wanted, mark) = wanted(&query)?;
    if let Some(connection) = &wanted.connection {
        engine.connection(connection).await?;
    }
    let page = engine.inbound(&wanted).await?.map_err(too_wide)?;
    let sight = Sight::from(&caller.role);
    let cursor = page.next.map(|position| cursor::write(&position.to_string(), &mark));
    let entries = page.entries.iter().map(|entry| entry.shown(sight)).collect();
    Ok(Json(LogPage { entries, cursor }))
}

fn too_wide(_: TooWide) -> Problem {
    Problem::invalid("?connection", "There are more than 50 connections: name one.")
}

/// How a time is written.
const TIME: &str = "a time such as 2026-11-02T08:00:00Z";

/// An explanation of today, or of an earlier moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it is sent at once")]
enum Explained {
    /// Without `at`.
    Now(ShownExplanation),
    /// With `at`.
    Then(ShownPast),
}

/// Why a person is treated as they are, rule by rule (B3)
///
/// What would be decided today, from what the store knows; also for people who were never imported.
/// With `at` the last decision that was logged before that time.
#[utoipa::path(get, path = "/v1/connections/{id}/people/{who}/explain", tag = "people",
    params(OfPerson,
        ("at" = Option<String>, Query, format = DateTime, description = "Before this time.")),
    responses((status = 200, description = "The explanation", body = Explained), OfOne))]
async fn explain(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<Explained>, Problem> {
    let query = query.only(&["at"])?;
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let (who, sight) = (path.text("who"), Sight::from(&caller.role));
    let shown = match query.parsed::<Timestamp>("at", TIME)? {
        None => engine.explain(&id, who).await?.map(|it| Explained::Now(it.shown(sight))),
        Some(at) => {
            engine.explain_at(&id, who, at).await?.map(|it| Explained::Then(it.shown(sight)))
        }
    };
    shown.map(Json).ok_or_else(Problem::nobody)
}

/// Runs of a connection, newest first (B5)
#[utoipa::path(get, path = "/v1/connections/{id}/runs", tag = "imports",
    params(OfConnection, Paging),
    responses((status = 200, description = "A page of runs", body = RunPage), OfOne))]
async fn runs(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<RunPage>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let page = PageAsked::only(query, format!("runs of {id}"), 20, 200)?;
    let (runs, next) = engine.runs(&id, page.after.clone(), page.limit).await?;
    Ok(Json(RunPage { runs, cursor: page.cursor(next) }))
}

/// One run (B5)
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "imports",
    params(("id" = RunId, Path, description = "The run")),
    responses((status = 200, description = "The run", body = Run), OfOne))]
async fn run(State(engine): State<Engine>, path: Path, query: Query) -> Result<Json<Run>, Problem> {
    query.only(&[])?;
    let run: RunId = path.id("id")?;
    let found = engine.run(run).await?;
    found.map(Json).ok_or_else(|| Problem::of(ProblemType::NotFound, "There is no such run."))
}
