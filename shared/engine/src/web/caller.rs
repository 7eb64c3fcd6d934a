//! Who calls, and what they may do: one gate before every route but the health report.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{Extensions, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::idempotency;
use super::problem::{Problem, ProblemType};
use crate::Engine;
use crate::secrets::{ExposeSecret, SecretString};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Administrator,
    /// Looking at logs, runs and connections; the values of personal fields are masked (B4).
    Reader,
}

/// Who calls; handlers take it as an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What they may do.
    pub role: Role,
    /// Their name in the settings audit (C10).
    pub name: String,
}

impl Caller {
    /// Refuses readers.
    pub fn administrates(&self) -> Result<(), Problem> {
        match self.role {
            Role::Administrator => Ok(()),
            Role::Reader => Err(forbidden("This is for the role administrator.")),
        }
    }
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Whoever sends this token is the administrator.
    Bearer(SecretString),
    /// Behind API Gateway: its JWT authoriser checked the token and passes the claims on. The claim
    /// `roles` has to hold `administrator` or `reader`.
    Gateway,
}

impl Auth {
    fn caller(&self, request: &Request, now: i64) -> Result<Caller, Problem> {
        match self {
            Auth::Bearer(token) => by_token(token, request),
            Auth::Gateway => {
                let claims = claims(request.extensions()).ok_or_else(unauthenticated)?;
                claims.caller(now)
            }
        }
    }
}

/// Puts the gate before all routes that `router` has so far; behind it calls with a key are carried
/// out once.
pub fn guarded(router: Router, engine: Engine, auth: Auth) -> Router {
    let once = middleware::from_fn_with_state(engine.clone(), idempotency::once);
    router.layer(once).layer(middleware::from_fn_with_state((engine, auth), gate))
}

async fn gate(
    State((engine, auth)): State<(Engine, Auth)>,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.extensions().get::<MatchedPath>());
    let path = path.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let caller = auth.caller(&request, engine.clock.now().as_second()).and_then(|caller| {
        if caller.role == Role::Reader && method != Method::GET && method != Method::HEAD {
            return Err(forbidden("The role reader may only look."));
        }
        Ok(caller)
    });
    let mut response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    tracing::info!(%method, path, status = response.status().as_u16(), "request");
    response
}

fn by_token(token: &SecretString, request: &Request) -> Result<Caller, Problem> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = header.and_then(|header| header.split_once(' '));
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, sent) = sent.ok_or_else(unauthenticated)?;
    let same = sent.trim().as_bytes().ct_eq(token.expose_secret().as_bytes());
    if !bool::from(same) {
        return Err(unauthenticated());
    }
    Ok(Caller { role: Role::Administrator, name: "administrator token".to_owned() })
}

/// Claims of a token that API Gateway checked, each as it writes it: a list is `[one two]`.
#[derive(Clone, Debug, Default)]
struct Claims {
    roles: Option<String>,
    name: Option<String>,
    expires: Option<String>,
}

impl Claims {
    /// Checked again here, so that a route without the authoriser opens nothing.
    fn caller(&self, now: i64) -> Result<Caller, Problem> {
        let expires = self.expires.as_deref().and_then(|text| text.parse::<f64>().ok());
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are small")]
        if expires.is_none_or(|expires| expires <= now as f64) {
            return Err(unauthenticated());
        }
        let roles = self.roles.as_deref().unwrap_or_default();
        let has = |wanted: &str| {
            let parts = roles.split(|c: char| c.is_whitespace() || "[],\"".contains(c));
            parts.into_iter().any(|role| role == wanted)
        };
        let role = if has("administrator") {
            Role::Administrator
        } else if has("reader") {
            Role::Reader
        } else {
            return Err(forbidden("The token has neither the role administrator nor reader."));
        };
        Ok(Caller { role, name: self.name.clone().unwrap_or_else(|| "unnamed".to_owned()) })
    }
}

#[cfg(feature = "aws")]
fn claims(extensions: &Extensions) -> Option<Claims> {
    use lambda_http::request::RequestContext;
    let RequestContext::ApiGatewayV2(context) = extensions.get::<RequestContext>()? else {
        return None;
    };
    let claims = &context.authorizer.as_ref()?.jwt.as_ref()?.claims;
    let claim = |name: &str| claims.get(name).cloned();
    let name = claim("preferred_username").or_else(|| claim("email")).or_else(|| claim("sub"));
    Some(Claims { roles: claim("roles"), name, expires: claim("exp") })
}

/// Without AWS nobody stands behind API Gateway.
#[cfg(not(feature = "aws"))]
fn claims(_extensions: &Extensions) -> Option<Claims> {
    None
}

fn unauthenticated() -> Problem {
    let detail = "Send the token in the header Authorization: Bearer TOKEN.";
    Problem::of(ProblemType::Unauthenticated, detail)
}

fn forbidden(detail: &str) -> Problem {
    Problem::of(ProblemType::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_the_gateway_writes_them() {
        let cases = [
            ("[administrator reader]", Some(Role::Administrator)),
            ("[reader]", Some(Role::Reader)),
            ("reader", Some(Role::Reader)),
            ("[\"reader\",\"other\"]", Some(Role::Reader)),
            ("[administrators]", None),
            ("", None),
        ];
        for (roles, expected) in cases {
            let claims = Claims {
                roles: Some(roles.to_owned()),
                name: None,
                expires: Some("2000".to_owned()),
            };
            assert_eq!(claims.caller(1000).ok().map(|caller| caller.role), expected, "{roles}");
        }
    }

    #[test]
    fn an_expired_token_opens_nothing() {
        for expires in [None, Some("999"), Some("1000"), Some("soon")] {
            let claims = Claims {
                roles: Some("administrator".to_owned()),
                name: None,
                expires: expires.map(str::to_owned),
            };
            assert!(claims.caller(1000).is_err(), "{expires:?}");
        }
    }
}
