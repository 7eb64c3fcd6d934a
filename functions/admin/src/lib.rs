//! Administration over HTTPS: connections, credentials, authorisation, imports, people and what an
//! administrator decides on them, health.
//!
//! | route | does |
//! |---|---|
//! | `GET POST /v1/connections` | list, create (C1) |
//! | `GET PUT DELETE /v1/connections/{id}` | read, save (C10), remove |
//! | `PUT /v1/connections/{id}/credentials` | C8 |
//! | `GET /v1/connections/{id}/permissions` | C5 |
//! | `POST /v1/connections/{id}/authorise` | C6 |
//! | `POST /v1/connections/{id}/imports` | I2 |
//! | `POST /v1/connections/{id}/effect` | what saving a draft would change (I4) |
//! | `GET /v1/connections/{id}/people/{who}` | a person by object id or user principal name |
//! | `PUT DELETE /v1/connections/{id}/people/{who}/link` | sets and cuts links (M7) |
//! | `GET /v1/connections/{id}/conflicts` | people for whom somebody has to choose (M3) |
//! | `GET /v1/connections/{id}/held` | deactivations that wait (L4) |
//! | `POST /v1/connections/{id}/held/release`, `…/reject` | lets them pass, or not (L4) |
//! | `POST /v1/connections/{id}/deltas/reset` | forgets or moves where reading stands (D4) |
//! | `GET /v1/connections/{id}/audit`, `GET /v1/audit` | who changed what (C10) |
//! | `GET /v1/connections/{id}/groups` | groups of the tenant, to choose from |
//! | `GET /v1/halo/{list}` | what Halo has, to choose from |
//! | `GET PUT /v1/module` | the module switch (C11) |
//! | `GET /v1/halo/test` | H1 |
//! | `GET /v1/health` | liveness, version; the only route without a token |

mod audit;
mod connections;
mod health;
mod operate;
mod people;
mod pickers;

use axum::Router;
use axum::routing::{get, post, put};
use engine::Engine;
use engine::web::api::ProblemBody;
use engine::web::{Auth, guarded, with_fallbacks};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What all routes of the document share.
#[derive(OpenApi)]
#[openapi(components(schemas(ProblemBody)))]
struct Shared;

/// All routes of this function. The fallbacks for unknown paths are part of it, so that other routers
/// can be merged into this one.
pub fn router(engine: Engine, auth: Auth) -> Router {
    let (described, _) = behind_the_gate().split_for_parts();
    let routes = described
        .route("/v1/connections", get(connections::list).post(connections::create))
        .route(
            "/v1/connections/{id}",
            get(connections::read).put(connections::save).delete(connections::remove),
        )
        .route("/v1/connections/{id}/credentials", put(connections::credentials))
        .route("/v1/connections/{id}/permissions", get(connections::permissions))
        .route("/v1/connections/{id}/authorise", post(connections::authorise))
        .route("/v1/connections/{id}/imports", post(connections::import))
        .route("/v1/connections/{id}/effect", post(people::effect))
        .route("/v1/connections/{id}/people/{who}", get(people::person))
        .route(
            "/v1/connections/{id}/people/{who}/link",
            put(people::set_link).delete(people::cut_link),
        )
        .route("/v1/connections/{id}/conflicts", get(people::conflicts))
        .route("/v1/connections/{id}/held", get(people::held))
        .route("/v1/connections/{id}/held/release", post(people::release))
        .route("/v1/connections/{id}/held/reject", post(people::reject))
        .with_state(engine.clone());
    let (open, _) = open_to_all().split_for_parts();
    guarded(with_fallbacks(routes), engine.clone(), auth).merge(open.with_state(engine))
}

/// Routes that take a token.
fn behind_the_gate() -> OpenApiRouter<Engine> {
    OpenApiRouter::with_openapi(Shared::openapi())
        .routes(routes!(health::halo))
        .routes(routes!(operate::module, operate::turn_module))
        .routes(routes!(operate::reset))
        .routes(routes!(audit::of_connection))
        .routes(routes!(audit::of_deployment))
        .routes(routes!(pickers::halo))
        .routes(routes!(pickers::groups))
}

/// Routes that take none.
fn open_to_all() -> OpenApiRouter<Engine> {
    OpenApiRouter::new().routes(routes!(health::health))
}

/// The OpenAPI document of this function's routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = behind_the_gate().split_for_parts();
    let (_, open) = open_to_all().split_for_parts();
    document.merge(open);
    document
}
