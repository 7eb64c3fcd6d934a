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

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use engine::Engine;
use engine::inbound::{Query as Wanted, Sight, TooWide};
use engine::store::log::OutcomeKind;
use engine::web::{Auth, Caller, Paging, Path, Problem, ProblemType, Query, cursor, guarded};
use jiff::Timestamp;
use plan::ids::{ConnectionId, RunId};
use serde_json::{Value, json};
use uuid::Uuid;

/// All routes of this function.
pub fn router(engine: Engine, auth: Auth) -> Router {
    let routes = Router::new()
        .route("/v1/inbound", get(inbound))
        .route("/v1/inbound/export", get(export::export))
        .route("/v1/connections/{id}/people/{who}/explain", get(explain))
        .route("/v1/connections/{id}/runs", get(runs))
        .route("/v1/runs/{id}", get(run))
        .with_state(engine.clone());
    guarded(routes, engine, auth)
}

/// Filters of the log; with the cursor they say which query it belongs to.
const FILTERS: [&str; 8] =
    ["connection", "person", "outcome", "decision", "mapping", "run", "from", "to"];

/// Decisions that have entries.
const DECISIONS: [&str; 8] =
    ["create", "update", "reactivate", "deactivate", "conflict", "held", "not_in_scope", "failed"];

/// `GET /v1/inbound`.
async fn inbound(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    let known: Vec<&str> = FILTERS.into_iter().chain(["limit", "cursor"]).collect();
    let query = query.only(&known)?;
    let (wanted, mark) = wanted(&query)?;
    if let Some(connection) = &wanted.connection {
        engine.connection(connection).await?;
    }
    let page = engine.inbound(&wanted).await?.map_err(too_wide)?;
    let sight = Sight::from(caller.role);
    let entries: Vec<Value> = page.entries.iter().map(|entry| entry.shown(sight)).collect();
    let next = page.next.map(|position| cursor::write(&position.to_string(), &mark));
    Ok(Json(json!({ "entries": entries, "cursor": next })))
}

fn too_wide(_: TooWide) -> Problem {
    Problem::invalid("?connection", "There are more than 50 connections: name one.")
}

/// How a time is written.
const TIME: &str = "a time such as 2026-11-02T08:00:00Z";

/// What is asked for, and the text that tells this query from others.
fn wanted(query: &Query) -> Result<(Wanted, String), Problem> {
    let given = FILTERS.map(|name| format!("{name}={}", query.text(name).unwrap_or_default()));
    let mark = given.join("&");
    let after = query.text("cursor").map(|it| cursor::read(it, &mark)).transpose()?;
    let after = after.and_then(|position| position.parse::<Uuid>().ok());
    let decision = query.text("decision").map(decision).transpose()?;
    let wanted = Wanted {
        connection: query.parsed::<ConnectionId>("connection", "the id of a connection")?,
        person: query.text("person").map(str::to_owned),
        run: query.parsed("run", "the id of a run")?,
        mapping: query.parsed("mapping", "the id of a mapping")?,
        outcome: query.text("outcome").map(outcome).transpose()?,
        decision,
        from: query.parsed("from", TIME)?,
        to: query.parsed("to", TIME)?,
        after,
        limit: query.limit(50, 200)?,
    };
    Ok((wanted, mark))
}

fn decision(text: &str) -> Result<String, Problem> {
    if DECISIONS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Problem::invalid("?decision", format!("Expected one of {}.", DECISIONS.join(", "))))
}

fn outcome(text: &str) -> Result<OutcomeKind, Problem> {
    use OutcomeKind::{Done, Failed, Nothing, Waiting};
    let all = [Done, Nothing, Waiting, Failed];
    all.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names = all.map(OutcomeKind::name).join(", ");
        Problem::invalid("?outcome", format!("Expected one of {names}."))
    })
}

/// `GET /v1/connections/{id}/people/{who}/explain`.
async fn explain(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<Value>, Problem> {
    let query = query.only(&["at"])?;
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    if let Some(at) = query.parsed::<Timestamp>("at", TIME)? {
        let past = engine.explain_at(&id, path.text("who"), at).await?;
        let past = past.ok_or_else(Problem::nobody)?;
        return Ok(Json(past.shown(Sight::from(caller.role))));
    }
    let explanation = engine.explain(&id, path.text("who")).await?.ok_or_else(Problem::nobody)?;
    Ok(Json(explanation.shown(Sight::from(caller.role))))
}

/// `GET /v1/connections/{id}/runs`.
async fn runs(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<Value>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let paging = Paging::only(query, format!("runs of {id}"), 20, 200)?;
    let (runs, next) = engine.runs(&id, paging.after.clone(), paging.limit).await?;
    Ok(Json(json!({ "runs": runs, "cursor": paging.cursor(next) })))
}

/// `GET /v1/runs/{id}`.
async fn run(State(engine): State<Engine>, path: Path) -> Result<Json<Value>, Problem> {
    let run: RunId = path.id("id")?;
    let found = engine.run(run).await?;
    found.map(Json).ok_or_else(|| Problem::of(ProblemType::NotFound, "There is no such run."))
}
