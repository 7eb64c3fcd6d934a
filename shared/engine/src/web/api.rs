//! What the OpenAPI documents of the functions share: what paths and queries say, problems as a schema,
//! and which of them a route may answer with.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter};
use plan::ids::ConnectionId;
use serde::Serialize;
use utoipa::openapi::{
    ContentBuilder, HttpMethod, Object, Ref, RefOr, Response, ResponseBuilder, Schema,
};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

use crate::Engine;

/// For [`routes!`](crate::routes) alone: what it expands to names the crate through here, so that the
/// functions need not depend on it.
#[doc(hidden)]
pub use utoipa_axum;

/// Defines, of one list of handlers, a router that serves them and one that describes them. Describing
/// is most of what a function does at its start, and only the OpenAPI document needs it.
#[macro_export]
macro_rules! routes {
    ($served:ident, $described:ident: $($module:ident::$handler:ident),+ $(,)?) => {
        fn $served() -> axum::Router<$crate::Engine> {
            let router = axum::Router::new();
            $(let router = $crate::web::api::utoipa_axum::paste! {
                $crate::web::api::route::<$module::[<__path_ $handler>], _, _>(router, &$module::$handler)
            };)+
            router
        }

        fn $described() -> $crate::web::api::utoipa_axum::router::OpenApiRouter<$crate::Engine> {
            $crate::web::api::utoipa_axum::router::OpenApiRouter::new()
                $(.routes($crate::web::api::utoipa_axum::routes!($module::$handler)))+
        }
    };
}

/// Adds a handler at the path and for the methods that its description `P` names.
pub fn route<P, H, T>(router: Router<Engine>, handler: &H) -> Router<Engine>
where
    P: utoipa::Path,
    H: Handler<T, Engine>,
    T: 'static,
{
    let serves = |routes: MethodRouter<Engine>, method: &HttpMethod| {
        routes.on(filter(method), handler.clone())
    };
    router.route(&P::path(), P::methods().iter().fold(MethodRouter::new(), serves))
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}

/// The path of something of a connection.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfConnection {
    /// The connection.
    pub id: ConnectionId,
}

/// The path of something of a person.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfPerson {
    /// The connection.
    pub id: ConnectionId,
    /// The person's object id or user principal name.
    #[param(example = "ada@contoso.example")]
    pub who: String,
}

/// Which page of a list.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Entries on the page at the most; 50 if nothing is said, 20 for runs.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
    /// Where to go on: `cursor` of the page before, with the other parameters as they were.
    pub cursor: Option<String>,
}

/// The document of a connection. Its schema is the one of [`plan::document::definitions`], which stands
/// in for this one where the OpenAPI document is put together.
pub struct ConnectionDocument;

impl PartialSchema for ConnectionDocument {
    fn schema() -> RefOr<Schema> {
        RefOr::T(Object::new().into())
    }
}

impl ToSchema for ConnectionDocument {
    fn name() -> Cow<'static, str> {
        plan::document::DEFINITION.into()
    }
}

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:halo-entra:problem:` and a word that stays the same in later versions.
    pub r#type: String,
    /// The type in words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
}

/// The key with which a call is carried out once, however often it is sent within a day.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// 1 to 255 visible ASCII characters. A repetition is answered as the first call was, with
    /// `Idempotency-Replayed: true`; the same key with another body is refused.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    pub key: Option<String>,
}

/// Refusals that every route behind the gate may answer with.
pub struct Usual;

/// Refusals of a route whose path names something that may not be there.
pub struct OfOne;

/// Refusals of a route that changes something, or starts it.
pub struct Changing;

/// Refusals of a signed call, which carries no token (S2).
pub struct Asks;

impl IntoResponses for Asks {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (400, "The request says something wrong"),
            (401, "No signature, not a good one, or the connection has to be authorised again"),
            (409, "Not in its present state"),
            (413, "The body is too large"),
            (422, "Understood, and refused"),
            (429, "Too many wait to be carried out"),
            (503, "Our own storage could not be asked"),
        ])
    }
}

/// Refusals of a route that changes what somebody may have changed meanwhile (C10).
pub struct Versioned;

impl IntoResponses for Versioned {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (412, "Changed since it was read"),
            (428, "The revision that is changed was not named"),
        ])
    }
}

/// Refusals of a route that asks Entra with a connection's credentials.
pub struct AsksEntra;

impl IntoResponses for AsksEntra {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(422, "The tenant refused the credentials")])
    }
}

impl IntoResponses for Usual {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (400, "The request says something wrong"),
            (401, "No token, or not a good one"),
            (403, "The caller's role may not do this"),
            (503, "A service or our own storage could not be asked"),
        ])
    }
}

impl IntoResponses for OfOne {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut all = Usual::responses();
        all.extend(problems(&[(404, "There is no such thing")]));
        all
    }
}

impl IntoResponses for Changing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut all = OfOne::responses();
        all.extend(problems(&[
            (409, "Not in its present state"),
            (413, "The body is too large"),
            (422, "Understood, and refused"),
        ]));
        all
    }
}

/// Answers that are problem documents, by status.
fn problems(cases: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let of = |text: &str| {
        let response = ResponseBuilder::new().description(text);
        RefOr::T(response.content("application/problem+json", content.clone()).build())
    };
    cases.iter().map(|(status, text)| (status.to_string(), of(text))).collect()
}
