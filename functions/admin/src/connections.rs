//! Routes of connections: what a request says is translated, the engine does it.

use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::{Connection, Precondition, Removed};
use engine::web::{Caller, JsonBody, Path, Problem, ProblemType, Query, cursor};
use plan::document::{Entity, Mistake};
use plan::reading::Read;
use serde::Deserialize;
use serde_json::{Value, json};

/// `GET /v1/connections`.
pub(crate) async fn list(
    State(engine): State<Engine>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    const LIST: &str = "connections";
    let query = query.only(&["limit", "cursor"])?;
    let after = query.text("cursor").map(|it| cursor::read(it, LIST)).transpose()?;
    let (connections, next) = engine.connections(after, query.limit(50, 200)?).await?;
    let shown: Vec<Value> = connections.iter().map(Connection::summary).collect();
    let next = next.map(|position| cursor::write(&position, LIST));
    Ok(Json(json!({ "connections": shown, "cursor": next })))
}

/// `POST /v1/connections`.
pub(crate) async fn create(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    JsonBody(document): JsonBody<Value>,
) -> Result<Response, Problem> {
    let made = engine.create_connection(&caller.name, &document).await?;
    Ok(shown(StatusCode::CREATED, &made))
}

/// `GET /v1/connections/{id}`.
pub(crate) async fn read(State(engine): State<Engine>, path: Path) -> Result<Response, Problem> {
    let connection = engine.connection(&path.connection()?).await?;
    Ok(shown(StatusCode::OK, &connection))
}

/// `PUT /v1/connections/{id}`.
pub(crate) async fn save(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    headers: HeaderMap,
    JsonBody(document): JsonBody<Value>,
) -> Result<Response, Problem> {
    let (id, precondition) = (path.connection()?, precondition(&headers));
    let saved = engine.put_connection(&caller.name, &id, precondition, &document).await?;
    let (connection, made) = saved;
    Ok(shown(if made { StatusCode::CREATED } else { StatusCode::OK }, &connection))
}

/// `DELETE /v1/connections/{id}`: 204 when all is gone, 202 while the call has to be repeated.
pub(crate) async fn remove(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
) -> Result<Response, Problem> {
    match engine.remove_connection(&caller.name, &path.connection()?).await? {
        Removed::All => Ok(StatusCode::NO_CONTENT.into_response()),
        Removed::SomeLeft => {
            let body =
                json!({ "removed": false, "detail": "Repeat the call until it answers 204." });
            Ok((StatusCode::ACCEPTED, Json(body)).into_response())
        }
    }
}

/// What an import is to cover.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    entities: Option<Vec<Entity>>,
    read: Option<ReadWord>,
}

/// How it reads Graph first; without a word as the connection does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReadWord {
    Delta,
    Full,
    None,
}

/// `POST /v1/connections/{id}/imports`.
pub(crate) async fn import(
    State(engine): State<Engine>,
    path: Path,
    JsonBody(body): JsonBody<ImportBody>,
) -> Result<Response, Problem> {
    let id = path.connection()?;
    check_entities(body.entities.as_deref())?;
    let read = match body.read {
        None => Read::AsConfigured,
        Some(ReadWord::Delta) => Read::Delta,
        Some(ReadWord::Full) => Read::Full,
        Some(ReadWord::None) => Read::None,
    };
    let run = engine.import(&id, read, &body.entities.unwrap_or_default()).await?;
    let location = [(LOCATION, format!("/v1/runs/{run}"))];
    Ok((StatusCode::ACCEPTED, location, Json(json!({ "run": run }))).into_response())
}

fn check_entities(entities: Option<&[Entity]>) -> Result<(), Problem> {
    let Some(entities) = entities else { return Ok(()) };
    if entities.is_empty() {
        let usual =
            "Expected \"users\", \"agents\" or both, or no such key for what the schedule imports.";
        return Err(Problem::invalid("$.entities", usual));
    }
    let others = entities.iter().enumerate().filter(|(_, entity)| **entity == Entity::Licences);
    let mistakes: Vec<Mistake> = others
        .map(|(index, _)| {
            let message = "This version imports users and agents, not licences.";
            Mistake::new(format!("$.entities[{index}]"), message)
        })
        .collect();
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(Problem::with_mistakes(ProblemType::InvalidRequest, &mistakes))
}

fn shown(status: StatusCode, connection: &Connection) -> Response {
    let headers = [
        (ETAG, format!("\"{}\"", connection.revision())),
        (LOCATION, format!("/v1/connections/{}", connection.saved.document.id)),
    ];
    (status, headers, Json(connection.shown())).into_response()
}

/// A tag that is none of ours matches no revision.
fn precondition(headers: &HeaderMap) -> Precondition {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (text(IF_MATCH), text(IF_NONE_MATCH)) {
        (Some("*"), _) => Precondition::Any,
        (Some(tag), _) => {
            let number = tag.trim_start_matches("W/").trim_matches('"');
            Precondition::Revision(number.parse().unwrap_or(0))
        }
        (None, Some("*")) => Precondition::New,
        (None, _) => Precondition::Unsaid,
    }
}
