//! Signing in to Halo: one token for the process, renewed in time (H1).

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use plan::failure::Kind;
use plan::ids::RecordId;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OnceCell};

use super::wire::{self, Record};
use super::{ClientSecret, Error, Halo, failed};
use crate::clock::lock;
use crate::http::Answer;
use crate::secrets::SecretName;

/// A token is renewed so long before it ends, or after half of its life if that is later.
const EARLY: i64 = 120;
/// Lifetime of a token whose answer does not say (observed on hosted instances).
const USUAL_LIFETIME: i64 = 3600;

/// What signing in gave.
pub(super) struct Token {
    pub(super) text: SecretString,
    /// Scopes as Halo granted them, which may be fewer than were asked for.
    pub(super) scopes: Vec<String>,
    /// Claims about the agent that the application logs in as.
    pub(super) claims: Record,
    /// That agent, once somebody needed to know.
    pub(super) own_agent: OnceCell<RecordId>,
    renewed_from: Timestamp,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// The token of this process.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// The lock is held while a new one is asked for, so that many who need one ask once.
    current: Mutex<Option<Arc<Token>>>,
    /// The secret of the last sign-in, to be hidden in whatever Halo says.
    used: std::sync::Mutex<Option<SecretString>>,
}

impl Tokens {
    /// The secret of the last sign-in; `None` = nobody signed in yet, so Halo cannot have seen it.
    pub(super) fn used_secret(&self) -> Option<SecretString> {
        lock(&self.used).clone()
    }
}

impl Halo {
    /// A token that is good for a while yet, and is not `refused`.
    pub(super) async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, Error> {
        let mut cached = self.shared.tokens.current.lock().await;
        if let Some(token) = cached.as_ref() {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
            if !is_refused && self.clock().now() < token.renewed_from {
                return Ok(token.clone());
            }
        }
        let token = Arc::new(self.sign_in().await?);
        *cached = Some(token.clone());
        Ok(token)
    }

    async fn sign_in(&self) -> Result<Token, Error> {
        const OPERATION: &str = "sign in to Halo";
        let settings = &self.shared.settings;
        let secret = self.client_secret(OPERATION).await?;
        *lock(&self.shared.tokens.used) = Some(secret.clone());
        let mut address = settings.auth_url.clone();
        if !address.path().trim_end_matches('/').to_ascii_lowercase().ends_with("/token")
            && let Ok(mut path) = address.path_segments_mut()
        {
            path.pop_if_empty().push("token");
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", settings.client_id.as_str()),
            ("client_secret", secret.expose_secret()),
            // Without a scope Halo gives a token that opens nothing.
            ("scope", settings.scope.as_str()),
        ];
        let mut request = self.shared.http.post(address).form(&form);
        if let Some(tenant) = &settings.tenant {
            request = request.query(&[("tenant", tenant)]);
        }
        let answer = self.send(OPERATION, request, None, false).await?;
        let now = self.clock().now();
        self.token_of(&answer, now).map_err(|kind| failed(OPERATION, kind))
    }

    async fn client_secret(&self, operation: &str) -> Result<SecretString, Error> {
        let secrets = match &self.shared.settings.client_secret {
            ClientSecret::Given(secret) => return Ok(secret.clone()),
            ClientSecret::Stored(secrets) => secrets,
        };
        let name = SecretName::halo();
        let found = secrets.get(&name).await?;
        found.filter(|secret| !secret.expose_secret().trim().is_empty()).ok_or_else(|| {
            let error =
                format!("the secret {} of Halo's API application is not set", name.as_str());
            failed(operation, Kind::Credentials { code: None, error })
        })
    }

    fn token_of(&self, answer: &Answer, now: Timestamp) -> Result<Token, Kind> {
        if !answer.status.is_success() {
            return Err(self.refusal(answer));
        }
        let body = wire::record(wire::json(&answer.body)?)?;
        let text = body.text("access_token");
        if text.is_empty() {
            return Err(wire::malformed("no access token in the answer"));
        }
        let lifetime = body.int("expires_in").filter(|seconds| *seconds > 0);
        let lifetime = lifetime.unwrap_or(USUAL_LIFETIME).min(86_400);
        let good_for = SignedDuration::from_secs((lifetime - EARLY).max(lifetime / 2));
        Ok(Token {
            text: SecretString::from(text.into_owned()),
            scopes: body.text("scope").split_whitespace().map(str::to_owned).collect(),
            claims: claims(&body.text("id_token")).unwrap_or_default(),
            own_agent: OnceCell::new(),
            renewed_from: now.saturating_add(good_for).unwrap_or(now),
        })
    }

    /// What a refused sign-in means. None of these is about the record that is being written, so none
    /// is [`Kind::Refused`].
    fn refusal(&self, answer: &Answer) -> Kind {
        let status = answer.status.as_u16();
        let text = self.clean(&answer.body);
        if answer.status.is_server_error() {
            // Halo also answers so to a tenant that it does not know; nothing tells the two apart.
            let hint = match self.shared.settings.tenant {
                Some(_) => "; if this stays, check Halo's tenant and authorisation server",
                None => "; if this stays, set Halo's tenant",
            };
            return Kind::Unavailable { detail: format!("HTTP {status} at sign-in{hint}") };
        }
        let body = wire::json(&answer.body).and_then(wire::record).unwrap_or_default();
        let error = match body.text("error").into_owned() {
            error if error == "invalid_scope" => {
                format!("{error}: Halo does not know the scope \"{}\"", self.shared.settings.scope)
            }
            error if error.is_empty() => format!("HTTP {status}"),
            error => self.clean(error.as_bytes()),
        };
        let told = if text.is_empty() || error.contains(&text) {
            String::new()
        } else {
            format!(": {text}")
        };
        Kind::Credentials { code: None, error: format!("{error}{told}") }
    }
}

/// The claims of a JSON web token; they are only shown, so nobody checks the signature.
fn claims(token: &str) -> Option<Record> {
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    Record::new(serde_json::from_slice(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::claims;

    #[test]
    fn claims_are_read_and_rubbish_is_none() {
        let claims_of = |token| claims(token).map(|record| record.text("name").into_owned());
        assert_eq!(claims_of("e30.eyJuYW1lIjoiSW1wb3J0In0.x"), Some("Import".to_owned()));
        for rubbish in ["", "a.b", "e30.bm8.", "e30"] {
            assert_eq!(claims_of(rubbish), None, "{rubbish}");
        }
    }
}
