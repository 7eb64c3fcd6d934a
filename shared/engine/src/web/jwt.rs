//! Tokens of the deployment's issuer (OIDC): signature, issuer, audience, tenant and time are
//! checked here, also where a gateway has checked them before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use plan::failure::Service;
use plan::ids::TenantId;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::caller::{Caller, Role, forbidden};
use super::problem::{Problem, ProblemType};
use crate::http;

/// Seconds by which clocks may differ.
const LEEWAY: i64 = 60;
/// Seconds after which keys are asked for again, so that a withdrawn one stops to count.
const AGE: i64 = 3600;
/// Seconds between two requests for keys, whatever callers send.
const REST: i64 = 60;
/// How long one request for keys may take.
const PATIENCE: Duration = Duration::from_secs(5);
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
pub struct Verifier {
    settings: TokenSettings,
    http: reqwest::Client,
    keys: RwLock<Keys>,
    /// Held by whoever asks the issuer.
    asking: Mutex<()>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The issuer's keys by their ids, as they were when it last answered.
#[derive(Default)]
struct Keys {
    by_id: BTreeMap<String, Key>,
    /// When it last answered.
    fetched: Option<i64>,
    /// When it was last asked.
    asked: Option<i64>,
}

#[derive(Clone)]
struct Key {
    decoding: DecodingKey,
    algorithm: Option<String>,
    issuer: Option<String>,
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

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Verifier {
    /// Checks tokens by these settings; the issuer is asked when the first token comes.
    pub fn new(settings: TokenSettings, http: reqwest::Client) -> Self {
        Self { settings, http, keys: RwLock::default(), asking: Mutex::default() }
    }

    /// Who sends a token; `now` in seconds since 1970.
    pub(super) async fn caller(&self, token: &str, now: i64) -> Result<Caller, Problem> {
        const UNREADABLE: &str = "The token is not a JWT that this deployment's issuer signed.";
        let unreadable = || invalid(UNREADABLE);
        let header = decode_header(token).map_err(|_| unreadable())?;
        let id = header.kid.filter(|_| ALGORITHMS.contains(&header.alg)).ok_or_else(unreadable)?;
        let key = self.key(&id, now).await?.ok_or_else(unreadable)?;
        let named = format!("{:?}", header.alg);
        if key.algorithm.is_some_and(|of_key| of_key != named) {
            return Err(unreadable());
        }
        let mut signature = Validation::new(header.alg);
        // Time is the engine's clock's, and the rest is compared in words of our own.
        signature.validate_exp = false;
        signature.validate_aud = false;
        signature.required_spec_claims.clear();
        let claims = decode::<Claims>(token, &key.decoding, &signature);
        let claims = claims.map_err(|_| unreadable())?.claims;
        self.check(&claims, key.issuer.as_deref(), now)?;
        claims.caller()
    }

    fn check(&self, claims: &Claims, key_of: Option<&str>, now: i64) -> Result<(), Problem> {
        let TokenSettings { issuer, audiences, tenant } = &self.settings;
        let key_fits = key_of.is_none_or(|of| in_tenant(of, claims.tid) == claims.iss);
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

    /// A key by its id. The issuer is asked where the id is new or the keys are old, but not all the time;
    /// while it does not answer, the keys at hand go on counting.
    async fn key(&self, id: &str, now: i64) -> Result<Option<Key>, Problem> {
        let (known, due) = self.known(id, now);
        if !due {
            return Ok(known);
        }
        let _turn = match &known {
            // Somebody else asks already.
            Some(_) => match self.asking.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(known),
            },
            None => self.asking.lock().await,
        };
        let (known, due) = self.known(id, now);
        if !due {
            return Ok(known);
        }
        self.keys.write().unwrap_or_else(PoisonError::into_inner).asked = Some(now);
        match self.fetch().await {
            Ok(by_id) => {
                let found = by_id.get(id).cloned();
                let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                (keys.by_id, keys.fetched) = (by_id, Some(now));
                Ok(found)
            }
            Err(why) if known.is_none() => {
                tracing::warn!("the keys of the tokens' issuer cannot be read: {why}");
                Err(Problem::of(
                    ProblemType::ServiceUnavailable,
                    "The issuer of the tokens cannot be asked for its keys. Try again in a minute.",
                ))
            }
            Err(why) => {
                tracing::warn!("the keys of the tokens' issuer stay as they were: {why}");
                Ok(known)
            }
        }
    }

    /// A key at hand, and whether the issuer should be asked.
    fn known(&self, id: &str, now: i64) -> (Option<Key>, bool) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let known = keys.by_id.get(id).cloned();
        let old = keys.fetched.is_none_or(|at| at.saturating_add(AGE) <= now);
        let rested = keys.asked.is_none_or(|at| at.saturating_add(REST) <= now);
        let due = rested && (old || known.is_none());
        (known, due)
    }

    async fn fetch(&self) -> Result<BTreeMap<String, Key>, String> {
        let TokenSettings { issuer, tenant, .. } = &self.settings;
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found: Discovery = self.read("read the issuer's configuration", &place).await?;
        if in_tenant(&found.issuer, *tenant) != *issuer {
            return Err("its configuration names another issuer".to_owned());
        }
        if !is_private(&found.jwks_uri) {
            return Err("its keys are not served over https".to_owned());
        }
        let set: KeySet = self.read("read the issuer's keys", found.jwks_uri.as_str()).await?;
        Ok(set.keys.iter().filter_map(key).collect())
    }

    async fn read<T: for<'a> Deserialize<'a>>(
        &self,
        operation: &str,
        place: &str,
    ) -> Result<T, String> {
        let request = self.http.get(place).timeout(PATIENCE);
        let answer = http::send(Service::Login, operation, request).await;
        let answer = answer.map_err(|failure| failure.sentence())?;
        if !answer.status.is_success() {
            return Err(format!("could not {operation}: status {}", answer.status));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| format!("could not {operation}: no such JSON"))
    }
}

/// A key of a set that signs; others, and those that we do not understand, are passed over.
fn key(value: &Value) -> Option<(String, Key)> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let id = text("kid")?;
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    Some((id, Key { decoding, algorithm: text("alg"), issuer: text("issuer") }))
}

/// An issuer as Entra writes it for all tenants, for one of them.
fn in_tenant(issuer: &str, tenant: Option<TenantId>) -> String {
    match tenant {
        Some(tenant) => issuer.replace("{tenantid}", &tenant.to_string()),
        None => issuer.to_owned(),
    }
}

/// Whether nobody on the way can change what is read there.
pub(crate) fn is_private(url: &Url) -> bool {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "https" || url.scheme() == "http" && local
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
