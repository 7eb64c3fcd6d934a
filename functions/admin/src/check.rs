//! What saving a document would find, without saving it.

use axum::Json;
use axum::extract::State;
use engine::Engine;
use engine::connections::DocumentCheck;
use engine::web::api::Changing;
use engine::web::{JsonBody, Path, Problem};
use serde_json::{Map, Value};

/// Check a document against Halo and Entra, without saving it
///
/// The same checks as on saving. Entra is asked where the connection exists and its stored
/// credentials still belong to the document's tenant and application. Mistakes are the answer, not
/// a refusal.
#[utoipa::path(post, path = "/v1/connections/{id}/check", tag = "connections",
    params(("id" = String, Path, description = "The connection; it need not exist yet")),
    request_body(content = Option<Object>, description = "A connection document, right or wrong"),
    responses((status = 200, description = "What was found", body = DocumentCheck), Changing))]
pub(crate) async fn check(
    State(engine): State<Engine>,
    path: Path,
    JsonBody(document): JsonBody<Map<String, Value>>,
) -> Result<Json<DocumentCheck>, Problem> {
    Ok(Json(engine.check_connection(&path.connection()?, &document.into()).await?))
}
