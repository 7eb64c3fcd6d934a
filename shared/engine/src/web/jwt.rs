//! Tokens of the deployment's issuer (OIDC): issuer, audience, tenant and time are checked here, the
//! signature by [`Issuer`], also where a gateway has checked them before.

use jsonwebtoken::Algorithm;
use plan::ids::TenantId;
use plan::sign_on::in_tenant;
use serde::Deserialize;

use super::caller::{Caller, Role, forbidden};
use super::problem::{Problem, ProblemType};
use crate::issuer::{Issuer, NotSigned};

/// Seconds by which clocks may differ.
const LEEWAY: i64 = 60;
/// Only signatures with a key that the issuer alone has.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// What a token has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// `iss`, exactly; its keys are found by discovery below it.
    pub issuer: String,
    /// `aud` is one of these.
    pub audiences: Vec<String>,
    /// `tid`, where it matters.
    pub tenant: Option<TenantId>,
}

/// Checks tokens. Keeps the issuer's keys in memory.
#[derive(Debug)]
pub struct Verifier {
    settings: TokenSettings,
    issuer: Issuer,
}

/// What a token says.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    aud: OneOrMore,
    exp: i64,
    nbf: Option<i64>,
    tid: Option<TenantId>,
    roles: Option<OneOrMore>,
    preferred_username: Option<String>,
    upn: Option<String>,
    sub: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn has(&self, text: &str) -> bool {
        match self {
            OneOrMore::One(one) => one == text,
            OneOrMore::More(more) => more.iter().any(|one| one == text),
        }
    }
}

impl Verifier {
    /// Checks tokens by these settings; the issuer is asked when the first token comes.
    pub fn new(settings: TokenSettings, http: reqwest::Client) -> Self {
        let issuer = Issuer::new(&settings.issuer, &settings.issuer, settings.tenant, http);
        Self { settings, issuer }
    }

    /// Who sends a token; `now` in seconds since 1970.
    pub(super) async fn caller(&self, token: &str, now: i64) -> Result<Caller, Problem> {
        let signed = self.issuer.signed::<Claims>(token, &ALGORITHMS, now).await;
        let signed = signed.map_err(|why| match why {
            NotSigned::Unreadable
            | NotSigned::Algorithm
            | NotSigned::Key
            | NotSigned::Signature => {
                invalid("The token is not a JWT that this deployment's issuer signed.")
            }
            NotSigned::Unavailable => Problem::of(
                ProblemType::ServiceUnavailable,
                "The issuer of the tokens cannot be asked for its keys. Try again in a minute.",
            ),
        })?;
        self.check(&signed.claims, signed.key_issuer.as_deref(), now)?;
        signed.claims.caller()
    }

    fn check(&self, claims: &Claims, key_of: Option<&str>, now: i64) -> Result<(), Problem> {
        let TokenSettings { issuer, audiences, tenant } = &self.settings;
        let of_key = |of: &str| claims.tid.map_or(of.to_owned(), |tid| in_tenant(of, tid));
        let key_fits = key_of.is_none_or(|of| of_key(of) == claims.iss);
        if claims.iss != *issuer || !key_fits {
            return Err(invalid("The token is of another issuer than this deployment's."));
        }
        if !audiences.iter().any(|one| claims.aud.has(one)) {
            return Err(invalid("The token is for another audience than this API."));
        }
        if tenant.is_some() && claims.tid != *tenant {
            return Err(invalid("The token is of another tenant than this deployment's."));
        }
        if claims.exp.saturating_add(LEEWAY) <= now {
            return Err(invalid("The token has expired. Get a new one."));
        }
        if claims.nbf.is_some_and(|from| from.saturating_sub(LEEWAY) > now) {
            return Err(invalid("The token is not valid yet."));
        }
        Ok(())
    }
}

impl Claims {
    fn caller(self) -> Result<Caller, Problem> {
        let has = |role: &str| self.roles.as_ref().is_some_and(|roles| roles.has(role));
        let role = if has("administrator") {
            Role::Administrator
        } else if has("reader") {
            Role::Reader
        } else {
            return Err(forbidden("The token has neither the role administrator nor reader."));
        };
        let person = self.preferred_username.or(self.upn);
        let program = self.azp.or(self.appid).map(|id| format!("application {id}"));
        let name = person.or(program).or(self.sub).unwrap_or_else(|| "unnamed".to_owned());
        Ok(Caller { role, name })
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::of(ProblemType::Unauthenticated, detail)
}
