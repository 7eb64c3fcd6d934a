//! Issuers of tokens (OIDC): their keys by discovery, kept in memory, and whether one of them signed a
//! token. What the token has to say is for whoever asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use plan::failure::Service;
use plan::ids::TenantId;
use plan::sign_on::in_tenant;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::clock::lock;
use crate::http;

/// Seconds after which keys are asked for again, so that a withdrawn one stops to count.
const AGE: i64 = 3600;
/// Seconds between two requests for keys, whatever callers send.
const REST: i64 = 60;
/// How long one request for keys may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// An issuer and what is known of its keys.
pub(crate) struct Issuer {
    /// Where its configuration is, without `/.well-known/…`.
    place: String,
    /// How its configuration has to name it; `{tenantid}` where it issues for all tenants.
    name: String,
    /// The tenant that takes the place of `{tenantid}` in what its configuration says.
    tenant: Option<TenantId>,
    http: reqwest::Client,
    keys: RwLock<Keys>,
    /// Held by whoever asks the issuer.
    asking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The issuers whose keys this process knows; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Arc<Mutex<BTreeMap<String, Arc<Issuer>>>>);

impl Issuers {
    /// The issuer at a place that has to name itself so. Settings name them, so there are few.
    pub(crate) fn at(&self, place: &str, name: &str, http: &reqwest::Client) -> Arc<Issuer> {
        let key = format!("{place} {name}");
        let mut all = lock(&self.0);
        let new = || Arc::new(Issuer::new(place, name, None, http.clone()));
        all.entry(key).or_insert_with(new).clone()
    }
}

/// The keys by their ids, as they were when the issuer last answered.
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

/// The part of a token's header that matters.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

/// What a token says whose signature is right.
#[derive(Debug)]
pub(crate) struct Signed<T> {
    /// What it says.
    pub(crate) claims: T,
    /// For whom the key signs, where the issuer's key set says so.
    pub(crate) key_issuer: Option<String>,
}

/// Why nobody knows whether an issuer signed a token, or why it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSigned {
    /// It is no token.
    Unreadable,
    /// It is signed in a way that does not count, or not at all.
    Algorithm,
    /// It names no key of the issuer.
    Key,
    /// The signature is not that of its key.
    Signature,
    /// The issuer does not tell its keys.
    Unavailable,
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

impl Issuer {
    /// An issuer that is asked when the first token comes.
    pub(crate) fn new(
        place: &str,
        name: &str,
        tenant: Option<TenantId>,
        http: reqwest::Client,
    ) -> Self {
        let (place, name) = (place.trim_end_matches('/').to_owned(), name.to_owned());
        let (keys, asking) = (RwLock::default(), tokio::sync::Mutex::default());
        Self { place, name, tenant, http, keys, asking }
    }

    /// What a token says, if the issuer signed it by one of these algorithms; `now` in seconds since
    /// 1970. Nothing of what it says is compared with anything.
    pub(crate) async fn signed<T: DeserializeOwned>(
        &self,
        token: &str,
        algorithms: &[Algorithm],
        now: i64,
    ) -> Result<Signed<T>, NotSigned> {
        let header = header(token).ok_or(NotSigned::Unreadable)?;
        let named = |algorithm: &&Algorithm| format!("{algorithm:?}") == header.alg;
        let algorithm = *algorithms.iter().find(named).ok_or(NotSigned::Algorithm)?;
        let id = header.kid.ok_or(NotSigned::Key)?;
        let key = self.key(&id, now).await?.ok_or(NotSigned::Key)?;
        if key.algorithm.is_some_and(|of_key| of_key != header.alg) {
            return Err(NotSigned::Algorithm);
        }
        let mut signature = Validation::new(algorithm);
        // Time is the engine's clock's, and the rest is compared in words of our own.
        signature.validate_exp = false;
        signature.validate_aud = false;
        signature.required_spec_claims.clear();
        let token = decode::<T>(token, &key.decoding, &signature).map_err(|error| {
            let is_other = matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_));
            if is_other { NotSigned::Unreadable } else { NotSigned::Signature }
        })?;
        Ok(Signed { claims: token.claims, key_issuer: key.issuer })
    }

    /// A key by its id. The issuer is asked where the id is new or the keys are old, but not all the time;
    /// while it does not answer, the keys at hand go on counting.
    async fn key(&self, id: &str, now: i64) -> Result<Option<Key>, NotSigned> {
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
                tracing::warn!("the keys of a token's issuer cannot be read: {why}");
                Err(NotSigned::Unavailable)
            }
            Err(why) => {
                tracing::warn!("the keys of a token's issuer stay as they were: {why}");
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
        let place = format!("{}/.well-known/openid-configuration", self.place);
        let found: Discovery = self.read("read the issuer's configuration", &place).await?;
        let named = match self.tenant {
            Some(tenant) => in_tenant(&found.issuer, tenant),
            None => found.issuer,
        };
        if named != self.name {
            return Err("its configuration names another issuer".to_owned());
        }
        if !is_private(&found.jwks_uri) {
            return Err("its keys are not served over https".to_owned());
        }
        let set: KeySet = self.read("read the issuer's keys", found.jwks_uri.as_str()).await?;
        Ok(set.keys.iter().filter_map(key).collect())
    }

    async fn read<T: DeserializeOwned>(&self, operation: &str, place: &str) -> Result<T, String> {
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

fn header(token: &str) -> Option<Header> {
    let mut parts = token.split('.');
    let (header, _, _) = (parts.next()?, parts.next()?, parts.next()?);
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).ok()?;
    if parts.next().is_some() { None } else { serde_json::from_slice(&header).ok() }
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

/// Whether nobody on the way can change what is read there.
pub(crate) fn is_private(url: &Url) -> bool {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "https" || url.scheme() == "http" && local
}
