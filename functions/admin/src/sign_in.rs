//! Routes of single sign-on: its settings, the secret of the application that people sign in to, and the
//! end of sessions (O1, O2). Signing in itself is for browsers, and not part of this API.

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::sign_on::{SettingsStatus, ShownSettings};
use engine::web::api::{Changing, Usual, Versioned};
use engine::web::{Caller, JsonBody, Problem, Query, precondition};
use plan::ids::{AppId, ObjectId, TenantId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// How people sign in here. Only for the description: the core reads the body, so that every mistake is
/// told with its path.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInSettings)]
pub(crate) struct SettingsBody {
    /// On the button of the sign-in page; `Microsoft` without it.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Whose people; needed where `published` is true.
    tenant: Option<TenantsBody>,
    /// The application that people sign in to; needed where `published` is true.
    client_id: Option<AppId>,
    /// As in the documents of connections; `global` without it.
    cloud: Option<Value>,
    /// Whether anybody can sign in with it.
    published: Option<bool>,
    /// `agents`, `users` or `both`, which it is without it.
    allow: Option<String>,
    /// Whether everybody is sent to Microsoft without seeing a page of ours.
    auto_redirect: Option<bool>,
    /// Numbers of Halo's agent roles whose holders are administrators here. Without any, those are whom
    /// Halo itself calls administrators.
    administrator_roles: Option<Vec<i64>>,
    /// Numbers of Halo's clients whose people are sent to Microsoft at once when they come by a link with
    /// `?client=` and the number.
    force_sso: Option<Vec<i64>>,
    /// What a read has beside the settings; passed over where it is sent back.
    status: Option<Value>,
}

/// Whose people sign in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInTenants)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only described")]
enum TenantsBody {
    /// Those of one tenant.
    Single {
        /// Which.
        id: TenantId,
    },
    /// Those of several, and of no others.
    Multi {
        /// Which.
        allowed: Vec<TenantId>,
    },
}

/// The settings, and how they stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownSignInSettings)]
pub(crate) struct ShownBody {
    #[serde(flatten)]
    settings: SettingsBody,
    /// How they stand.
    status: SettingsStatus,
}

fn shown(settings: &ShownSettings) -> Response {
    let mut body = json!(settings.settings);
    body["status"] = json!(settings.status);
    let tag = [(ETAG, format!("\"{}\"", settings.revision))];
    (StatusCode::OK, tag, Json(body)).into_response()
}

/// How people sign in here (O1, O2)
///
/// There is one sign-in connection, and it exists from the beginning: not published, with nothing entered.
#[utoipa::path(get, path = "/v1/sign-in", tag = "sign-in",
    responses((status = 200, description = "The settings", body = ShownBody,
        headers(("ETag" = String, description = "The revision, for `If-Match`"))), Usual))]
pub(crate) async fn settings(
    State(engine): State<Engine>,
    query: Query,
) -> Result<Response, Problem> {
    query.only(&[])?;
    Ok(shown(&engine.sign_on_settings().await?))
}

/// Changes how people sign in here
///
/// The whole of the settings: what is left out is as at the beginning. Another application or another
/// login service forgets the secret.
#[utoipa::path(put, path = "/v1/sign-in", tag = "sign-in",
    params(("If-Match" = Option<String>, Header, description = "The revision that is changed, or `*`")),
    request_body(content = SettingsBody, description = "The settings"),
    responses((status = 200, description = "The settings", body = ShownBody,
        headers(("ETag" = String, description = "The revision, for `If-Match`"))), Versioned, Changing))]
pub(crate) async fn save(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Problem> {
    caller.administrates()?;
    Ok(shown(&engine.save_sign_on(&caller.name, precondition(&headers), &body).await?))
}

/// The secret of the application that people sign in to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInSecret)]
pub(crate) struct SecretBody {
    /// The value of the client secret.
    client_secret: String,
    /// When it ends: a day or a time.
    expires_at: Option<String>,
}

/// Enters the secret of the application that people sign in to
///
/// With one tenant it has to produce a token first, and the old one stays until then (C8). The answer
/// never holds it (C4).
#[utoipa::path(put, path = "/v1/sign-in/credentials", tag = "sign-in",
    request_body = SecretBody,
    responses((status = 200, description = "The settings", body = ShownBody,
        headers(("ETag" = String, description = "The revision, for `If-Match`"))), Changing))]
pub(crate) async fn credentials(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, Problem> {
    caller.administrates()?;
    Ok(shown(&engine.put_sign_on_secret(&caller.name, &body).await?))
}

/// Ends sessions
///
/// All that have begun until now, the caller's own too, or those of one person.
#[utoipa::path(delete, path = "/v1/sign-in/sessions", tag = "sign-in",
    params(("person" = Option<ObjectId>, Query, description = "Only theirs: their object id")),
    responses((status = 204, description = "They are over"), Changing))]
pub(crate) async fn end_sessions(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<StatusCode, Problem> {
    caller.administrates()?;
    let query = query.only(&["person"])?;
    let person = query.parsed::<ObjectId>("person", "an object id (a GUID)")?;
    engine.end_sessions(&caller.name, person).await?;
    Ok(StatusCode::NO_CONTENT)
}
