//! Signing in to the login service, and the access tokens that the process keeps (C3, C6).
//!
//! | file | does |
//! |---|---|
//! | `credential` | the proof that it is the application that asks |
//! | `grant` | asking for tokens in the ways that there are |
//! | `session` | a person's refresh token |

mod credential;
mod grant;
mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use plan::failure::Failure;
use plan::ids::{AppId, TenantId};
use secrecy::{ExposeSecret, SecretString};

use super::hosts::Hosts;
use super::{Access, Graph};
use crate::clock::lock;
use crate::secrets::SecretName;

pub use credential::Credential;
pub(crate) use grant::Endpoint;
pub use grant::NotSignedIn;
pub use session::{Session, SignedIn};

/// On whose behalf Graph is read (C3).
#[derive(Clone, Debug)]
pub enum Behalf {
    /// The application's own, with application permissions.
    Application,
    /// That of a person who signed in, with delegated permissions.
    Person(Session),
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

/// Whose token; connections that share all of it share the token. A person's belongs to one connection.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    hosts: Hosts,
    tenant: TenantId,
    client: AppId,
    credential: u64,
    session: Option<SecretName>,
}

impl Key {
    fn of(access: &Access) -> Self {
        Self {
            hosts: access.hosts.clone(),
            tenant: access.tenant,
            client: access.client,
            credential: access.credential.fingerprint(),
            session: match &access.behalf {
                Behalf::Application => None,
                Behalf::Person(session) => Some(session.name().clone()),
            },
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

    /// Takes the place of a token of somebody who signed in before.
    async fn replace_token(&self, token: Option<Token>) {
        let slot = self.tokens.slot(&self.access);
        *slot.lock().await = token.map(Arc::new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_tokens_nor_secrets_are_printed() {
        // C4
        let credential = Credential::Secret(SecretString::from("hush"));
        let token = Token { text: SecretString::from("hush"), renewed_from: Timestamp::UNIX_EPOCH };
        assert!(!format!("{credential:?} {token:?}").contains("hush"));
    }
}
