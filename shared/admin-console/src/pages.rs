//! The screens, and their addresses.

mod advanced;
mod audit;
mod conflicts;
mod connection;
mod connections;
mod details;
mod editor;
mod fields;
mod halo;
mod held;
mod imports;
mod licences;
mod link;
mod log;
mod mappings;
mod people;
mod previews;
mod problems;
mod runs;
pub(crate) mod sign_in;
mod sign_in_settings;
mod transforms;

use axum::Router;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};

use crate::Console;
use crate::api::Trouble;
use crate::assets::asset;
use crate::visit::Visit;

/// All pages.
pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/sign-in", get(sign_in::page))
        .route("/console/sign-in/microsoft", get(sign_in::microsoft))
        .route("/console/sign-in/operator", post(sign_in::operator))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route(&sign_in::callback_path(), get(sign_in::callback))
        .route(&sign_in::signed_out_path(), get(sign_in::signed_out))
        .route("/", get(|| async { Redirect::to("/console") }))
        .route("/console", get(connections::list))
        .route(
            "/console/sign-in-settings",
            get(sign_in_settings::show).post(sign_in_settings::save),
        )
        .route("/console/sign-in-settings/credentials", post(sign_in_settings::credentials))
        .route("/console/sign-in-settings/sessions", post(sign_in_settings::end_sessions))
        .route("/console/connections/new", get(connections::new).post(connections::create))
        .route("/console/connections/{id}", get(connection::overview))
        .route("/console/connections/{id}/details", get(details::show).post(details::save))
        .route("/console/connections/{id}/fields", get(fields::show).post(fields::save))
        .route("/console/connections/{id}/mappings", get(mappings::show).post(mappings::save))
        .route("/console/connections/{id}/advanced", get(advanced::show).post(advanced::save))
        .route("/console/connections/{id}/imports", get(imports::show).post(imports::save))
        .route("/console/connections/{id}/imports/start", post(imports::start))
        .route("/console/connections/{id}/deltas", post(imports::reset))
        .route("/console/connections/{id}/previews/{preview}", get(previews::show))
        .route("/console/connections/{id}/previews/{preview}/import", post(previews::import))
        .route("/console/connections/{id}/groups", get(previews::groups))
        .route("/console/connections/{id}/authorise", post(details::authorise))
        .route("/console/connections/{id}/credentials", post(details::credentials))
        .merge(shown_and_explained())
        .route("/console/assets/{name}", get(asset))
        .route("/console/{*rest}", get(nowhere))
}

/// Pages that show what happened and why, and where somebody decides on people.
fn shown_and_explained() -> Router<Console> {
    Router::new()
        .route("/console/connections/{id}/log", get(log::show))
        .route("/console/connections/{id}/log/export", get(log::export))
        .route("/console/connections/{id}/people", get(people::search))
        .route("/console/connections/{id}/people/{who}", get(people::show))
        .route("/console/connections/{id}/people/{who}/import", post(people::import))
        .route("/console/connections/{id}/people/{who}/link", post(link::set))
        .route("/console/connections/{id}/runs", get(runs::list))
        .route("/console/connections/{id}/runs/{run}", get(runs::one))
        .route("/console/connections/{id}/held", get(held::show))
        .route("/console/connections/{id}/held/question", post(held::ask))
        .route("/console/connections/{id}/held/decide", post(held::decide))
        .route("/console/connections/{id}/conflicts", get(conflicts::show))
        .route("/console/connections/{id}/parked", post(conflicts::again))
        .route("/console/connections/{id}/licences", get(licences::list))
        .route("/console/connections/{id}/licences/{sku}", get(licences::one))
        .route("/console/connections/{id}/audit", get(audit::of_connection))
        .route("/console/audit", get(audit::of_deployment))
        .route("/console/halo", get(halo::show))
        .route("/console/halo/test", post(halo::test))
        .route("/console/halo/module", post(halo::turn))
        .route("/console/halo/licence-key", post(halo::put_key))
        .route("/console/problems", get(problems::list))
        .route("/console/problems/{kind}", get(problems::show))
}

async fn nowhere(visit: Visit) -> Response {
    visit.refused(&Trouble::nowhere())
}
