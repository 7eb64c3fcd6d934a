//! Routes of the settings audit: who changed what (C10).

use axum::extract::State;
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::AuditEntry;
use engine::web::api::{OfConnection, OfOne, Usual};
use engine::web::{Caller, PageAsked, Path, Problem, Query};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Entries on a page when the query does not say, and at the most: each may tell of a whole document.
const PAGE: (usize, usize) = (20, 50);

/// A page of changes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    audit: Vec<AuditShown>,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct AuditShown {
    /// Sorts by time.
    id: String,
    /// When, in UTC.
    time: String,
    /// Who: the name in their token.
    who: String,
    /// What they did, in words.
    what: String,
    /// The places of the document that differ; none where no document changed.
    changes: Vec<Change>,
}

/// A place of a document that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SettingChange)]
struct Change {
    /// JSON path; rows of lists go by their id or target, as in `$.mappings["sales"].sequence`.
    path: String,
    /// What was there; left out where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// What is there now; left out where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

impl From<AuditEntry> for AuditShown {
    fn from(entry: AuditEntry) -> Self {
        let changes = entry.changes.into_iter();
        let changes =
            changes.map(|it| Change { path: it.path, before: it.before, after: it.after });
        Self {
            id: entry.id.to_string(),
            time: entry.time.to_string(),
            who: entry.who,
            what: entry.what,
            changes: changes.collect(),
        }
    }
}

impl AuditPage {
    fn of((entries, next): (Vec<AuditEntry>, Option<String>), paging: &PageAsked) -> Json<Self> {
        let audit = entries.into_iter().map(AuditShown::from).collect();
        Json(Self { audit, cursor: paging.cursor(next) })
    }
}

/// Who changed a connection, when, and what differs
///
/// Documents, credentials, authorisation, links, rulings on held people and resets, newest first, for
/// administrators. The entries outlast the connection.
#[utoipa::path(get, path = "/v1/connections/{id}/audit", tag = "connections", extensions(("x-role" = json!("administrator"))),
    params(OfConnection,
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 50,
            description = "Entries at the most, 1 to 50; 20 without"),
        ("cursor" = Option<String>, Query, description = "Where an earlier answer ended")),
    responses((status = 200, description = "A page of changes", body = AuditPage), OfOne))]
pub(crate) async fn of_connection(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<AuditPage>, Problem> {
    caller.administrates()?;
    let id = path.connection()?;
    let paging = PageAsked::only(query, format!("audit of {id}"), PAGE.0, PAGE.1)?;
    let page = engine.audit_of(&id, paging.after.clone(), paging.limit).await?;
    Ok(AuditPage::of(page, &paging))
}

/// Who changed the deployment, and when
///
/// The module switch, newest first, for administrators.
#[utoipa::path(get, path = "/v1/audit", tag = "deployment", extensions(("x-role" = json!("administrator"))),
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 50,
            description = "Entries at the most, 1 to 50; 20 without"),
        ("cursor" = Option<String>, Query, description = "Where an earlier answer ended")),
    responses((status = 200, description = "A page of changes", body = AuditPage), Usual))]
pub(crate) async fn of_deployment(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<AuditPage>, Problem> {
    caller.administrates()?;
    let paging = PageAsked::only(query, "audit".to_owned(), PAGE.0, PAGE.1)?;
    let page = engine.deployment_audit(paging.after.clone(), paging.limit).await?;
    Ok(AuditPage::of(page, &paging))
}
