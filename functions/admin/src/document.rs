//! The OpenAPI 3.1 document of the whole API, made from the routes themselves, so that it cannot be
//! stale: the log function's routes are described by the log function, which is why this one uses it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::web::api::ProblemBody;
use serde_json::{Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// What all routes share.
#[derive(OpenApi)]
#[openapi(
    info(title = "halo-entra", description = "Imports the people of Microsoft Entra tenants into Halo and \
explains every decision.\n\n\
Lists take `limit` and `cursor`; a cursor belongs to the query that it came from. Everything that is not a \
success is a problem document (RFC 9457) whose `type` stays the same in later versions. The role `reader` may \
use `GET`, but for operations marked `x-role: administrator`, and sees the values of personal fields masked."),
    servers((url = "/")),
    tags(
        (name = "connections", description = "Entra tenants with their settings"),
        (name = "authorisation", description = "Credentials, permissions, sign-in to a tenant"),
        (name = "previews", description = "What would happen, before anything does"),
        (name = "imports", description = "Runs: started, followed, listed"),
        (name = "people", description = "What is known of a person, why they are treated so, who they are in Halo"),
        (name = "held", description = "Deactivations that wait for an administrator"),
        (name = "licences", description = "Licences that Halo asks to be given or taken"),
        (name = "log", description = "What was decided about whom, and why"),
        (name = "sign-in", description = "How people sign in to the console"),
        (name = "halo", description = "The Halo of this deployment"),
        (name = "deployment", description = "Whether it works, and what it can do")),
    components(schemas(ProblemBody)),
    security(("bearer" = [])),
    modifiers(&Bearer, &Signature))]
struct Shared;

/// The token of a caller.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let text = "The administrator token of `serve`, or a JWT of the deployment's issuer whose `roles` \
                    has `administrator` or `reader`.";
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    }
}

/// The signature of a call that needs no token (S2).
struct Signature;

impl Modify for Signature {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let text = "`v1=` and the HMAC-SHA-256, in hexadecimal, of X-Halo-Entra-Timestamp, `.` and the body, made \
                    with the licence signing key.";
        let header = ApiKeyValue::with_description("X-Halo-Entra-Signature", text);
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(header));
        components.add_security_scheme("signature", scheme);
    }
}

/// What all routes share, without any of them.
pub(crate) fn shared() -> utoipa::openapi::OpenApi {
    Shared::openapi()
}

/// Puts the document together: of this function's routes and the log function's, with the schema of
/// connection documents, which the parser's words are the source of.
pub(crate) fn together(mut own: utoipa::openapi::OpenApi) -> Value {
    own.merge(inbound_logs::openapi());
    // Texts, numbers and lists are always JSON.
    let mut document = serde_json::to_value(own).unwrap_or_default();
    let schemas = &mut document["components"]["schemas"];
    for (name, schema) in plan::document::definitions("#/components/schemas/") {
        schemas[name] = schema;
    }
    // A connection may be sent back as it was read.
    schemas[plan::document::DEFINITION]["properties"]["status"] =
        json!({ "description": "Ignored: what reading the connection shows besides." });
    document
}

/// The document as it is answered.
struct Written {
    text: String,
    tag: String,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let text = format!("{:#}\n", crate::openapi());
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Written { tag: format!("\"{:016x}\"", hasher.finish()), text }
});

/// This document
///
/// Needs no token, and may be kept: it changes with the version only.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "deployment", security(()),
    params(("If-None-Match" = Option<String>, Header, description = "`ETag` of the document at hand")),
    responses(
        (status = 200, description = "An OpenAPI 3.1 document", body = Object,
            headers(("ETag" = String, description = "Changes with the document"))),
        (status = 304, description = "The document at hand is still right")))]
pub(crate) async fn document(headers: HeaderMap) -> Response {
    let Written { text, tag } = &*WRITTEN;
    let kept = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known =
        kept.is_some_and(|kept| kept == "*" || kept.split(',').any(|it| it.trim() == tag));
    let cache = [(CACHE_CONTROL, "public, max-age=3600"), (ETAG, tag.as_str())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, cache).into_response();
    }
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (cache, kind, text.as_str()).into_response()
}
