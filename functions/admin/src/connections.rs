//! Routes of connections: what a request says is translated, the engine does it.

use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::{
    Connection, ConnectionSummary, Removed, RulesApply, Saving, ShownConnection,
};
use engine::web::api::{
    Changing, ConnectionDocument, OfConnection, OfOne, Paging, Usual, Versioned,
};
use engine::web::{Caller, JsonBody, PageAsked, Path, Problem, Query, precondition};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::operate::OnOff;

/// A page of connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionPage {
    /// In order of their ids.
    connections: Vec<ConnectionSummary>,
    /// Whether the integration is switched on (C11).
    module: OnOff,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// Connections, in order of their ids (C1)
#[utoipa::path(get, path = "/v1/connections", tag = "connections", params(Paging),
    responses((status = 200, description = "A page of connections", body = ConnectionPage), Usual))]
pub(crate) async fn list(
    State(engine): State<Engine>,
    query: Query,
) -> Result<Json<ConnectionPage>, Problem> {
    let page = PageAsked::only(query, "connections".to_owned(), 50, 200)?;
    let (connections, next) = engine.connections(page.after.clone(), page.limit).await?;
    let connections = connections.iter().map(Connection::summary).collect();
    let module = engine.module().await?.state().into();
    Ok(Json(ConnectionPage { connections, module, cursor: page.cursor(next) }))
}

/// Makes a connection (C1)
#[utoipa::path(post, path = "/v1/connections", tag = "connections",
    request_body(content = ConnectionDocument, description = "The document"),
    responses(
        (status = 201, description = "Saved", body = ShownConnection, headers(
            ("ETag" = String, description = "The revision, for `If-Match`"),
            ("Location" = String, description = "Path of the connection"))),
        Changing))]
pub(crate) async fn create(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    JsonBody(document): JsonBody<Value>,
) -> Result<Response, Problem> {
    let made = engine.create_connection(&caller.name, &document).await?;
    Ok(shown(StatusCode::CREATED, &made))
}

/// A connection: its document, and where it stands
#[utoipa::path(get, path = "/v1/connections/{id}", tag = "connections", params(OfConnection),
    responses(
        (status = 200, description = "The connection", body = ShownConnection, headers(
            ("ETag" = String, description = "The revision, for `If-Match`"),
            ("Location" = String, description = "Path of the connection"))),
        OfOne))]
pub(crate) async fn read(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Response, Problem> {
    query.only(&[])?;
    let connection = engine.connection(&path.connection()?).await?;
    Ok(shown(StatusCode::OK, &connection))
}

/// When changed rules are applied.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is only described")]
enum RulesWord {
    AtOnce,
    WithTheNextRun,
}

/// Saves a document, or makes a connection (C10)
///
/// A change names the revision that it is based on in `If-Match`: the `ETag` of the last read. `*` is
/// whatever is there.
#[utoipa::path(put, path = "/v1/connections/{id}", tag = "connections",
    params(OfConnection,
        ("rules" = inline(Option<RulesWord>), Query, description = "When changed rules are applied to people \
who are known: `at_once` (if nothing is said) by a run of their own, `with_the_next_run` by the next one, such \
as the import that carries out a preview."),
        ("If-Match" = Option<String>, Header, description = "The revision that is changed, or `*`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is no such connection")),
    request_body(content = ConnectionDocument, description = "The document"),
    responses(
        (status = 200, description = "Saved", body = ShownConnection, headers(
            ("ETag" = String, description = "The revision, for `If-Match`"),
            ("Location" = String, description = "Path of the connection"))),
        (status = 201, description = "Made", body = ShownConnection, headers(
            ("ETag" = String, description = "The revision, for `If-Match`"),
            ("Location" = String, description = "Path of the connection"))),
        Versioned, Changing))]
pub(crate) async fn save(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
    headers: HeaderMap,
    JsonBody(document): JsonBody<Value>,
) -> Result<Response, Problem> {
    let rules = match query.only(&["rules"])?.text("rules") {
        None | Some("at_once") => RulesApply::AtOnce,
        Some("with_the_next_run") => RulesApply::WithTheNextRun,
        Some(_) => {
            return Err(Problem::invalid("?rules", "Expected at_once or with_the_next_run."));
        }
    };
    let saving = Saving { who: &caller.name, precondition: precondition(&headers), rules };
    let saved = engine.put_connection(saving, &path.connection()?, &document).await?;
    let (connection, made) = saved;
    Ok(shown(if made { StatusCode::CREATED } else { StatusCode::OK }, &connection))
}

/// A connection of which something is left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removing {
    /// Whether all is gone.
    removed: bool,
    /// What to do.
    detail: &'static str,
}

/// Removes a connection with all that it knows; nothing in Halo changes
///
/// A large one takes several calls: 202 until all is gone.
#[utoipa::path(delete, path = "/v1/connections/{id}", tag = "connections", params(OfConnection),
    responses(
        (status = 204, description = "All is gone"),
        (status = 202, description = "Something is left: repeat the call", body = Removing),
        Changing))]
pub(crate) async fn remove(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
) -> Result<Response, Problem> {
    match engine.remove_connection(&caller.name, &path.connection()?).await? {
        Removed::All => Ok(StatusCode::NO_CONTENT.into_response()),
        Removed::SomeLeft => {
            let detail = "Repeat the call until it answers 204.";
            let left = Removing { removed: false, detail };
            Ok((StatusCode::ACCEPTED, Json(left)).into_response())
        }
    }
}

fn shown(status: StatusCode, connection: &Connection) -> Response {
    let headers = [
        (ETAG, format!("\"{}\"", connection.revision())),
        (LOCATION, format!("/v1/connections/{}", connection.saved.document.id)),
    ];
    (status, headers, Json(connection.shown())).into_response()
}
