//! Routes of connections: what a request says is translated, the engine does it.

use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::{Connection, Precondition, Removed, consent_url, needed};
use engine::web::{Caller, JsonBody, Paging, Path, Problem, ProblemType, Query};
use plan::document::{Entity, Mistake};
use plan::reading::Read;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// `GET /v1/connections`.
pub(crate) async fn list(
    State(engine): State<Engine>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    let paging = Paging::only(query, "connections".to_owned(), 50, 200)?;
    let (connections, next) = engine.connections(paging.after.clone(), paging.limit).await?;
    let shown: Vec<Value> = connections.iter().map(Connection::summary).collect();
    let (module, cursor) = (engine.module().await?.state(), paging.cursor(next));
    Ok(Json(json!({ "connections": shown, "cursor": cursor, "module": module })))
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

/// `PUT /v1/connections/{id}/credentials`.
pub(crate) async fn credentials(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Value>, Problem> {
    let connection = engine.put_credentials(&caller.name, &path.connection()?, &body).await?;
    Ok(Json(connection.summary()["status"].take()))
}

/// `GET /v1/connections/{id}/permissions`.
pub(crate) async fn permissions(
    State(engine): State<Engine>,
    path: Path,
) -> Result<Json<Value>, Problem> {
    let document = engine.connection(&path.connection()?).await?.saved.document;
    Ok(Json(json!({
        "method": document.auth.method,
        "permissions": needed(&document),
        // Application permissions need no redirect.
        "redirect_uri": null,
        "admin_consent_url": consent_url(&document),
    })))
}

/// `POST /v1/connections/{id}/authorise`.
pub(crate) async fn authorise(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
) -> Result<Json<Value>, Problem> {
    let authorised = engine.authorise(&caller.name, &path.connection()?).await?;
    Ok(Json(json!({
        "authorised": true,
        "permissions": authorised.permissions,
        "warnings": authorised.connection.warnings,
    })))
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
