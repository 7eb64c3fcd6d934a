//! What the HTTP functions share: who calls, what a request may say, and problems (RFC 9457).
//!
//! | file | does |
//! |---|---|
//! | `caller` | who calls, and what they may do |
//! | `oneself` | what somebody may look at who sees nothing but themselves |
//! | `jwt` | tokens of the deployment's issuer |
//! | `request` | paths, queries and bodies, read strictly |
//! | `problem` | every answer that is not a success |
//! | `cursor` | opaque cursors of lists |
//! | `list` | the page of a list that is asked for |
//! | `idempotency` | calls that are carried out once |
//! | `signature` | calls that are signed with a key instead of carrying a token (S2) |
//! | `api` | what the OpenAPI documents share |

pub mod api;
mod caller;
pub mod cursor;
mod idempotency;
mod jwt;
mod list;
mod oneself;
mod problem;
mod request;
mod signature;

use axum::Router;

pub use caller::{Auth, Caller, Role, guarded};
pub use idempotency::Unfinished;
pub use jwt::{TokenSettings, Verifier};
pub use list::PageAsked;
pub use problem::{Problem, ProblemType};
pub use request::{JsonBody, Path, Query, precondition};
pub use signature::Signed;

/// A router that answers unknown paths and methods with problems as well.
pub fn with_fallbacks(router: Router) -> Router {
    refusing_methods(router)
        .fallback(|| async { Problem::of(ProblemType::NotFound, "There is nothing at this path.") })
}

/// A router that answers methods that its paths do not take with problems.
pub fn refusing_methods(router: Router) -> Router {
    router.method_not_allowed_fallback(|| async {
        Problem::of(ProblemType::MethodNotAllowed, "This path does not take this method.")
    })
}
