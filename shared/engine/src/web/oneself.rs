//! What somebody may look at who sees nothing but themselves: their record, its explanation, and their
//! part of the inbound log (O3). Everything else is refused before any handler runs.

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::Method;
use axum::http::request::Parts;
use plan::ids::{ConnectionId, ObjectId};
use plan::sign_on::Oneself;

use super::caller::forbidden;
use super::problem::Problem;
use super::request::{Path, Query};

/// Routes of a person, who is named in the path by the object id.
const OF_A_PERSON: [&str; 2] =
    ["/v1/connections/{id}/people/{who}", "/v1/connections/{id}/people/{who}/explain"];
/// The log, whose query has to name connection and person.
const LOG: &str = "/v1/inbound";

/// Refuses whatever is not about the person themselves. Reads path and query as the handlers do, so
/// that both see the same.
pub(super) async fn concerns(oneself: &Oneself, parts: &mut Parts) -> Result<(), Problem> {
    let looks = [Method::GET, Method::HEAD].contains(&parts.method);
    let route = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (connection, person) = match route.as_deref() {
        Some(route) if looks && OF_A_PERSON.contains(&route) => {
            let path = Path::from_request_parts(parts, &()).await?;
            (path.text("id").to_owned(), path.text("who").to_owned())
        }
        Some(LOG) if looks => {
            let query = Query::from_request_parts(parts, &()).await?;
            let text = |name| query.text(name).unwrap_or_default().to_owned();
            (text("connection"), text("person"))
        }
        Some(_) | None => return Err(others()),
    };
    let connection = connection.parse::<ConnectionId>().ok();
    let person = person.parse::<ObjectId>().ok();
    let same = connection.as_ref() == Some(&oneself.connection) && person == Some(oneself.person);
    if same { Ok(()) } else { Err(others()) }
}

fn others() -> Problem {
    forbidden("You may look at your own record and your own log, and at nothing else.")
}
