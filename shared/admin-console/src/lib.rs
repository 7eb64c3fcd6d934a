//! The console: every screen in a browser, rendered on the server and working without script.
//!
//! A page asks the API's own router, in this process and in the name of who is signed in, and renders
//! what it answers. There are no rules here: what may be done, and what is wrong with what was filled
//! in, the API says.
//!
//! | file | does |
//! |---|---|
//! | `visit` | who looks: sessions, and forms that come from our own pages |
//! | `api` | the API in their name |
//! | `form` | forms and JSON: fields are named by paths |
//! | `layout` | what all pages have in common |
//! | `parts` | what pages are put together of |
//! | `charts` | pictures |
//! | `assets` | style sheet and script |
//! | `pages` | the screens |

mod api;
mod assets;
mod charts;
mod form;
mod layout;
mod pages;
mod parts;
#[cfg(test)]
mod testing;
mod visit;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::Response;
use engine::Engine;
use tower_http::compression::CompressionLayer;

/// What the pages need.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    /// The whole API, as it is served to everybody else.
    pub(crate) api: Router,
    /// For sessions alone: whatever a page shows or does goes through the API.
    pub(crate) engine: Engine,
}

/// The pages below `/console`, which ask `api`: the routers of the API, its gate included.
pub fn router(api: Router, engine: Engine) -> Router {
    // What a reader typed stands beside the secret of their forms, so a size could tell of it; but browsers
    // send no cookie with what another site's page loads, and so nobody sees such sizes.
    pages::routes()
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(safe))
        .with_state(Console { api, engine })
}

/// Nothing is loaded from elsewhere, no script but ours runs, and nobody puts a page into theirs.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

async fn safe(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let all: [(HeaderName, HeaderValue); 6] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    headers.extend(all);
    response
}
