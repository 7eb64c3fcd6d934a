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
//! | `GET /v1/connections/{id}/parked` | people who are set aside (T5) |
//! | `GET /v1/connections/{id}/held` | deactivations that wait (L4) |
//! | `POST /v1/connections/{id}/held/release`, `…/reject` | lets them pass, or not (L4) |
//! | `GET /v1/connections/{id}/licences`, `…/licences/{sku}` | seats, and who holds what (S1) |
//! | `POST /v1/connections/{id}/deltas/reset` | forgets or moves where reading stands (D4) |
//! | `GET /v1/connections/{id}/audit`, `GET /v1/audit` | who changed what (C10) |
//! | `GET /v1/connections/{id}/groups` | groups of the tenant, to choose from |
//! | `GET /v1/halo/{list}` | what Halo has, to choose from |
//! | `GET PUT /v1/module` | the module switch (C11) |
//! | `POST /v1/licence-assignments` | a licence that Halo asks for; signed, needs no token (S2) |
//! | `GET /v1/licence-assignments/{id}`, `GET /v1/connections/{id}/licence-assignments` | what became of it |
//! | `GET PUT /v1/licence-signing-key` | the key that Halo signs with |
//! | `GET /v1/halo/test`, `GET /v1/halo/budget` | H1, H2 |
//! | `GET PUT /v1/sign-in`, `PUT /v1/sign-in/credentials` | how people sign in here (O1, O2) |
//! | `DELETE /v1/sign-in/sessions` | ends sessions (O3) |
//! | `GET /v1/oauth/callback` | the way back from a sign-in, for browsers; needs no token (C6) |
//! | `GET /v1/health` | liveness, version; needs no token |
//! | `GET /v1/openapi.json` | describes the whole API; needs no token |

mod assignments;
mod audit;
mod authorise;
mod check;
mod connections;
mod document;
mod health;
mod licences;
mod operate;
mod page;
mod people;
mod pickers;
mod previews;
mod sign_in;

use axum::Router;
use engine::Engine;
use engine::web::{Auth, guarded, refusing_methods, with_fallbacks};

/// All routes of this function. The fallbacks for unknown paths are part of it, so that other routers
/// can be merged into this one.
pub fn router(engine: Engine, auth: Auth) -> Router {
    let guarded_routes = behind_the_gate().with_state(engine.clone());
    let open = open_to_all().with_state(engine.clone());
    guarded(with_fallbacks(guarded_routes), engine, auth).merge(refusing_methods(open))
}

/// All routes of this function, and the pages for browsers, which may ask the log function's routes as
/// well: they are carried out in this process, in the name of who is signed in.
pub fn with_console(engine: Engine, auth: Auth) -> Router {
    let own = router(engine.clone(), auth.clone());
    let all = own.clone().merge(inbound_logs::router(engine.clone(), auth));
    own.merge(admin_console::router(all, engine))
}

// Routes that take a token.
engine::routes!(behind_the_gate, described_behind_the_gate:
    check::check,
    connections::list,
    connections::create,
    connections::read,
    connections::save,
    connections::remove,
    authorise::credentials,
    authorise::permissions,
    authorise::authorise,
    people::person,
    people::set_link,
    people::cut_link,
    people::conflicts,
    people::parked,
    people::held,
    people::release,
    people::reject,
    people::effect,
    health::halo,
    health::budget,
    licences::licences,
    licences::holders,
    previews::start,
    previews::show,
    previews::people,
    previews::import,
    operate::module,
    operate::turn_module,
    operate::reset,
    sign_in::settings,
    sign_in::save,
    sign_in::credentials,
    sign_in::end_sessions,
    audit::of_connection,
    audit::of_deployment,
    pickers::halo,
    pickers::groups,
    assignments::one,
    assignments::of_connection,
    assignments::key,
    assignments::set_key,
);

// Routes that take none; the last one is signed instead.
engine::routes!(open_to_all, described_open_to_all:
    health::health, document::document, authorise::callback, assignments::ask);

/// The OpenAPI document of the whole API, this function's routes and the log function's.
pub fn openapi() -> serde_json::Value {
    let mut own = document::shared();
    own.merge(described_behind_the_gate().into_openapi());
    own.merge(described_open_to_all().into_openapi());
    document::together(own)
}
