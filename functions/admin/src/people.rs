//! Routes about people whom an administrator decides on: links (M7), conflicts (M3), held
//! deactivations (L4), and what a draft would change for everybody (I4).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::LinkChoice;
use engine::inbound::Sight;
use engine::web::{Caller, JsonBody, Paging, Path, Problem, Query, Unfinished};
use plan::ids::{ConnectionId, PerKind, RunId};
use plan::link::Says;
use plan::relink::Pick;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// People in conflict on one page at the most: Halo is asked about their candidates.
const CONFLICTS: usize = 20;
/// People whom one call may name.
const NAMED: usize = 1000;

/// `GET /v1/connections/{id}/people/{who}`.
pub(crate) async fn person(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
) -> Result<Json<Value>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let known = engine.find_person(&id, path.text("who")).await?;
    let known = known.ok_or_else(Problem::nobody)?;
    Ok(Json(known.shown(Sight::from(caller.role))))
}

/// `PUT /v1/connections/{id}/people/{who}/link`: `{ "user": 12, "agent": "unlinked" }`.
pub(crate) async fn set_link(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Value>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let choice = choice(&body)?;
    let who = path.text("who");
    let known = engine.find_person(&id, who).await?.ok_or_else(Problem::nobody)?;
    let run = engine.set_link(&caller.name, &id, known.id, choice).await?;
    linked(&engine, &id, who, &caller, run).await
}

/// `DELETE /v1/connections/{id}/people/{who}/link`: of both records, or of `?kind=`.
pub(crate) async fn cut_link(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<Value>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let query = query.only(&["kind"])?;
    let kinds = match query.text("kind") {
        None => PerKind::both(true),
        Some("user") => PerKind { user: true, agent: false },
        Some("agent") => PerKind { user: false, agent: true },
        Some(_) => return Err(Problem::invalid("?kind", "Expected user or agent.")),
    };
    let who = path.text("who");
    let known = engine.find_person(&id, who).await?.ok_or_else(Problem::nobody)?;
    let run = engine.cut_link(&caller.name, &id, known.id, kinds).await?;
    linked(&engine, &id, who, &caller, run).await
}

/// The person as they are now, and the run that carries it to Halo.
async fn linked(
    engine: &Engine,
    id: &ConnectionId,
    who: &str,
    caller: &Caller,
    run: Option<RunId>,
) -> Result<Json<Value>, Problem> {
    let known = engine.find_person(id, who).await?.ok_or_else(Problem::nobody)?;
    let mut shown = known.shown(Sight::from(caller.role));
    shown["run"] = json!(run);
    Ok(Json(shown))
}

fn choice(body: &Map<String, Value>) -> Result<LinkChoice, Problem> {
    let unknown = body.keys().find(|key| !["user", "agent"].contains(&key.as_str()));
    if let Some(key) = unknown {
        return Err(Problem::invalid(&format!("$.{key}"), "Unknown key; known here: agent, user."));
    }
    if body.is_empty() {
        return Err(Problem::invalid("$", "Say what becomes of user, of agent, or of both."));
    }
    Ok(PerKind { user: pick(body, "user")?, agent: pick(body, "agent")? })
}

fn pick(body: &Map<String, Value>, kind: &str) -> Result<Option<Pick>, Problem> {
    let Some(value) = body.get(kind) else { return Ok(None) };
    let number = value.as_i64().filter(|id| *id > 0).map(Pick::Record);
    let word = match value.as_str() {
        Some("create") => Some(Pick::Create),
        Some("unlinked") => Some(Pick::Unlinked),
        Some("automatic") => Some(Pick::Automatic),
        Some(_) | None => None,
    };
    number.or(word).map(Some).ok_or_else(|| {
        let expected = format!(
            "Expected the number of a Halo {kind}, or \"create\", \"unlinked\" or \"automatic\"."
        );
        Problem::invalid(&format!("$.{kind}"), expected)
    })
}

/// `GET /v1/connections/{id}/conflicts`.
pub(crate) async fn conflicts(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<Value>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let paging = Paging::only(query, format!("conflicts of {id}"), CONFLICTS, CONFLICTS)?;
    let (after, sight) = (paging.after.clone(), Sight::from(caller.role));
    let list = engine.conflicts(&id, after, paging.limit, sight).await?;
    let mut shown = json!(list);
    shown["cursor"] = json!(paging.cursor(list.next));
    Ok(Json(shown))
}

/// `GET /v1/connections/{id}/held`.
pub(crate) async fn held(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<Value>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let paging = Paging::only(query, format!("held of {id}"), 50, 200)?;
    let (held, next) = engine.held(&id, paging.after.clone(), paging.limit).await?;
    Ok(Json(json!({ "held": held, "cursor": paging.cursor(next) })))
}

/// Whose deactivations are released or rejected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulingBody {
    run: RunId,
    people: Option<Vec<String>>,
}

/// `POST /v1/connections/{id}/held/release`.
pub(crate) async fn release(
    state: State<Engine>,
    caller: Extension<Caller>,
    path: Path,
    body: JsonBody<RulingBody>,
) -> Result<Response, Problem> {
    rule(state, caller, path, body, Says::Release).await
}

/// `POST /v1/connections/{id}/held/reject`.
pub(crate) async fn reject(
    state: State<Engine>,
    caller: Extension<Caller>,
    path: Path,
    body: JsonBody<RulingBody>,
) -> Result<Response, Problem> {
    rule(state, caller, path, body, Says::Reject).await
}

/// 200 when all is noted, 202 while the call has to be repeated.
async fn rule(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    JsonBody(body): JsonBody<RulingBody>,
    says: Says,
) -> Result<Response, Problem> {
    let id = path.connection()?;
    let people = body.people.as_deref();
    if people.is_some_and(|people| people.is_empty() || people.len() > NAMED) {
        let expected = format!("Expected 1 to {NAMED} people, or no such key for all.");
        return Err(Problem::invalid("$.people", expected));
    }
    let done = engine.rule(&caller.name, &id, body.run, people, says).await?;
    let word = match says {
        Says::Release => "released",
        Says::Reject => "rejected",
    };
    let mut shown =
        json!({ word: done.ruled, "left": done.left, "run": done.run, "others": done.others });
    if done.left == 0 {
        return Ok(Json(shown).into_response());
    }
    shown["detail"] = "Repeat the call until it answers 200.".into();
    let mut response = (StatusCode::ACCEPTED, Json(shown)).into_response();
    response.extensions_mut().insert(Unfinished);
    Ok(response)
}

/// `POST /v1/connections/{id}/effect`: what saving this document would change.
pub(crate) async fn effect(
    State(engine): State<Engine>,
    path: Path,
    JsonBody(draft): JsonBody<Value>,
) -> Result<Json<Value>, Problem> {
    let effect = engine.effect(&path.connection()?, &draft).await?;
    Ok(Json(json!(effect)))
}
