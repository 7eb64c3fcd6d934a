//! Routes about licences: what a tenant has, what is free, and who holds what (S1).

use axum::Json;
use axum::extract::State;
use engine::Engine;
use engine::connections::{HolderList, LicenceList};
use engine::web::api::{OfConnection, OfOne, Paging};
use engine::web::{PageAsked, Path, Problem, ProblemType, Query};
use plan::ids::SkuId;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of licences.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LicencePage {
    #[serde(flatten)]
    list: LicenceList,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// The licences of a connection, with their seats (S1)
#[utoipa::path(get, path = "/v1/connections/{id}/licences", tag = "licences",
    params(OfConnection, Paging),
    responses((status = 200, description = "A page of licences", body = LicencePage), OfOne))]
pub(crate) async fn licences(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<LicencePage>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let page = PageAsked::only(query, format!("licences of {id}"), 50, 200)?;
    let list = engine.licences(&id, page.after.clone(), page.limit).await?;
    let cursor = page.cursor(list.next.clone());
    Ok(Json(LicencePage { list, cursor }))
}

/// A page of the people who hold a licence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HolderPage {
    #[serde(flatten)]
    list: HolderList,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// Who holds a licence, directly or through a group, and who should (S1)
#[utoipa::path(get, path = "/v1/connections/{id}/licences/{sku}", tag = "licences",
    params(OfConnection, Paging, ("sku" = SkuId, Path, description = "The SKU")),
    responses((status = 200, description = "A page of people", body = HolderPage), OfOne))]
pub(crate) async fn holders(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<HolderPage>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let sku: Option<SkuId> = path.text("sku").parse().ok();
    let Some(sku) = sku else { return Err(no_licence()) };
    let page = PageAsked::only(query, format!("holders of {sku} in {id}"), 50, 200)?;
    let list = engine.licence_holders(&id, sku, page.after.clone(), page.limit).await?;
    let list = list.ok_or_else(no_licence)?;
    let cursor = page.cursor(list.next.clone());
    Ok(Json(HolderPage { list, cursor }))
}

fn no_licence() -> Problem {
    let detail = "The connection has no licence of this SKU. GET /v1/connections/{id}/licences lists those that it has.";
    Problem::of(ProblemType::NotFound, detail)
}
