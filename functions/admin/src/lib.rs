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
//! | `POST /v1/connections/{id}/preview`, `GET /v1/previews/{id}`, `…/people` | what a run would do (I1, I4, I6) |
//! | `POST /v1/connections/{id}/check` | what saving a document would find |
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
//! | `GET /v1/oauth/callback` | the way back from a sign-in, for browsers; needs no token (C6) |
//! | `GET /v1/health` | liveness, version; needs no token |
//! | `GET /v1/openapi.json` | describes the whole API; needs no token |

mod audit;
mod authorise;
mod check;
mod connections;
mod document;
mod health;
mod operate;
mod page;
mod people;
mod pickers;
mod previews;

use axum::Router;
use engine::Engine;
use engine::web::{Auth, guarded, refusing_methods, with_fallbacks};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All routes of this function. The fallbacks for unknown paths are part of it, so that other routers
/// can be merged into this one.
pub fn router(engine: Engine, auth: Auth) -> Router {
    let (described, _) = behind_the_gate().split_for_parts();
    let routes = described.with_state(engine.clone());
    let (open, _) = open_to_all().split_for_parts();
    guarded(with_fallbacks(routes), engine.clone(), auth)
        .merge(refusing_methods(open.with_state(engine)))
}

/// Routes that take a token.
fn behind_the_gate() -> OpenApiRouter<Engine> {
    document::described()
        .routes(routes!(check::check))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::read, connections::save, connections::remove))
        .routes(routes!(authorise::credentials))
        .routes(routes!(authorise::permissions))
        .routes(routes!(authorise::authorise))
        .routes(routes!(people::person))
        .routes(routes!(people::set_link, people::cut_link))
        .routes(routes!(people::conflicts))
        .routes(routes!(people::held))
        .routes(routes!(people::release))
        .routes(routes!(people::reject))
        .routes(routes!(people::effect))
        .routes(routes!(health::halo))
        .routes(routes!(previews::start))
        .routes(routes!(previews::show))
        .routes(routes!(previews::people))
        .routes(routes!(previews::import))
        .routes(routes!(operate::module, operate::turn_module))
        .routes(routes!(operate::reset))
        .routes(routes!(audit::of_connection))
        .routes(routes!(audit::of_deployment))
        .routes(routes!(pickers::halo))
        .routes(routes!(pickers::groups))
}

/// Routes that take none.
fn open_to_all() -> OpenApiRouter<Engine> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(document::document))
        .routes(routes!(authorise::callback))
}

/// The OpenAPI document of the whole API, this function's routes and the log function's.
pub fn openapi() -> serde_json::Value {
    let mut own = behind_the_gate().into_openapi();
    own.merge(open_to_all().into_openapi());
    document::together(own)
}
