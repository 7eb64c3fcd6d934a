//! Signing in to the login service, and the access tokens that the process keeps (C3, C6).

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use plan::failure::{Failure, Kind, Service};
use plan::ids::{AppId, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::hosts::Hosts;
use super::{Access, Graph, refusal, wire};
use crate::clock::lock;
use crate::http::{self, Answer};

/// A token is renewed so many seconds before it ends, or after half of its life if that is later.
const EARLY: i64 = 5 * 60;
/// Seconds that a token is used whose answer does not say how long it lives. The documentation
/// promises that it does; this only keeps a client alive that met something else.
const UNTOLD_LIFETIME: i64 = 10 * 60;
const OPERATION: &str = "sign in to the tenant";

/// What proves to the login service that it is the application that asks (C3).
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret.
    Secret(SecretString),
}

impl Credential {
    /// The fields of the token request that prove it.
    fn fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Credential::Secret(secret) => vec![("client_secret", secret.expose_secret())],
        }
    }

    /// Tells credentials apart without keeping them: a token must not outlive a changed secret.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.fields().hash(&mut hasher);
        hasher.finish()
    }
}

/// An access token.
pub(super) struct Token {
    text: SecretString,
    renewed_from: Timestamp,
}

impl Token {
    /// The token, for the header of a request and for nothing else.
    pub(super) fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whose token; connections that share all of it share the token.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    hosts: Hosts,
    tenant: TenantId,
    client: AppId,
    credential: u64,
}

impl Key {
    fn of(access: &Access) -> Self {
        Self {
            hosts: access.hosts.clone(),
            tenant: access.tenant,
            client: access.client,
            credential: access.credential.fingerprint(),
        }
    }
}

/// Held while a new token is asked for, so that many who need one ask once.
type Slot = tokio::sync::Mutex<Option<Arc<Token>>>;

/// The access tokens of this process; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Mutex<BTreeMap<Key, Arc<Slot>>>>);

impl Tokens {
    fn slot(&self, access: &Access) -> Arc<Slot> {
        lock(&self.0).entry(Key::of(access)).or_default().clone()
    }
}

impl Graph {
    /// Gets a new access token, whatever is kept: proof that the credentials work now, and a token
    /// that knows of permissions granted a moment ago (C6, C8).
    pub async fn sign_in(&self) -> Result<(), Failure> {
        let slot = self.tokens.slot(&self.access);
        let mut kept = slot.lock().await;
        *kept = Some(Arc::new(self.new_token().await?));
        Ok(())
    }

    /// A token that is good for a while yet, and is not `refused`.
    pub(super) async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, Failure> {
        let slot = self.tokens.slot(&self.access);
        let mut kept = slot.lock().await;
        if let Some(token) = kept.as_ref() {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
            if !is_refused && self.clock.now() < token.renewed_from {
                return Ok(token.clone());
            }
        }
        let token = Arc::new(self.new_token().await?);
        *kept = Some(token.clone());
        Ok(token)
    }

    async fn new_token(&self) -> Result<Token, Failure> {
        let Access { hosts, tenant, client, credential } = &self.access;
        let failed =
            |kind| Failure { service: Service::Login, operation: OPERATION.to_owned(), kind };
        let address = format!("{}/{tenant}/oauth2/v2.0/token", hosts.login);
        let client = client.to_string();
        let scope = format!("{}/.default", hosts.graph);
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("scope", scope.as_str()),
        ];
        form.extend(credential.fields());
        let request = self
            .http
            .post(address)
            .header("client-request-id", self.random.uuid().to_string())
            .form(&form);
        self.meter.request(Service::Login);
        let answer = http::send(Service::Login, OPERATION, request).await?;
        tracing::debug!(operation = OPERATION, status = answer.status.as_u16(), "login answered");
        if answer.status.is_success() {
            token_of(&answer, self.clock.now()).map_err(failed)
        } else {
            Err(failed(refusal::of_login(&answer)))
        }
    }
}

/// The token in a success (Microsoft identity platform documentation, client credentials).
fn token_of(answer: &Answer, now: Timestamp) -> Result<Token, Kind> {
    let body = wire::json(&answer.body)?;
    let text = body.get("access_token").and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| wire::malformed("an access token"))?;
    let lifetime = body.get("expires_in").and_then(|seconds| {
        seconds.as_i64().or_else(|| seconds.as_str().and_then(|text| text.trim().parse().ok()))
    });
    let lifetime = lifetime.unwrap_or(UNTOLD_LIFETIME).clamp(0, 7 * 86_400);
    let good_for = SignedDuration::from_secs((lifetime - EARLY).max(lifetime / 2));
    let renewed_from = now.saturating_add(good_for).unwrap_or(now);
    Ok(Token { text: SecretString::from(text), renewed_from })
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn a_token_is_renewed_early_whatever_its_life() {
        // C6: the lifetime that the answer tells, less five minutes.
        let cases = [
            (r#"{"access_token":"t","expires_in":3599}"#, Some(3299)),
            (r#"{"access_token":"t","expires_in":"4800","token_type":"Bearer"}"#, Some(4500)),
            (r#"{"access_token":"t","expires_in":86399,"ext_expires_in":1}"#, Some(86_099)),
            (r#"{"access_token":"t","expires_in":60}"#, Some(30)),
            (r#"{"access_token":"t","expires_in":-5}"#, Some(0)),
            (r#"{"access_token":"t"}"#, Some(300)),
            (r#"{"access_token":"","expires_in":3599}"#, None),
            (r#"{"expires_in":3599}"#, None),
            ("<html>", None),
            ("", None),
        ];
        for (body, expected) in cases {
            let answer =
                Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() };
            let token = token_of(&answer, Timestamp::UNIX_EPOCH);
            let good_for = token.as_ref().ok().map(|token| token.renewed_from.as_second());
            assert_eq!(good_for, expected, "{body}");
        }
    }

    #[test]
    fn neither_tokens_nor_secrets_are_printed() {
        // C4
        let credential = Credential::Secret(SecretString::from("hush"));
        let token = Token { text: SecretString::from("hush"), renewed_from: Timestamp::UNIX_EPOCH };
        assert!(!format!("{credential:?} {token:?}").contains("hush"));
    }
}
