//! Secrets: client secrets, private keys, refresh tokens (C4). Nothing else ever holds one.

#[cfg(feature = "embedded")]
pub mod files;
#[cfg(feature = "aws")]
pub mod manager;

use std::fmt::Debug;

use async_trait::async_trait;
use plan::ids::ConnectionId;
pub use secrecy::{ExposeSecret, SecretString};

/// Which secret; made only of parts that are safe in file names and ARNs, so that no connection can
/// name another's (C1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// The credentials of a connection: a JSON object, see `credentials`.
    pub fn credentials(connection: &ConnectionId) -> Self {
        Self(format!("connections/{connection}/credentials"))
    }

    /// The sign-in of the person on whose behalf a connection reads: a JSON object, see
    /// `graph::Session`.
    pub fn session(connection: &ConnectionId) -> Self {
        Self(format!("connections/{connection}/session"))
    }

    /// What a sign-in that was begun has to be ended with: a JSON object, see
    /// `connections::authorise`.
    pub fn sign_in(connection: &ConnectionId) -> Self {
        Self(format!("connections/{connection}/sign-in"))
    }

    /// All secrets that a connection may have.
    pub fn all_of(connection: &ConnectionId) -> [Self; 3] {
        [Self::credentials(connection), Self::session(connection), Self::sign_in(connection)]
    }

    /// Halo's client secret, one for the deployment (H1).
    pub fn halo() -> Self {
        Self("halo/client-secret".to_owned())
    }

    /// The keys with which Halo signs what it asks for about licences, one secret for the deployment: a
    /// JSON object, see `licence_key` (S2).
    pub fn licence_signing() -> Self {
        Self("licences/signing-key".to_owned())
    }

    /// The client secret of the application that people sign in to: a JSON object, see `sign_on` (O1).
    pub fn sign_on() -> Self {
        Self("sign-in/client-secret".to_owned())
    }

    /// The token that lets the operator in without Entra (O4).
    pub fn operator() -> Self {
        Self("sign-in/operator-token".to_owned())
    }

    /// The name, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A store of secrets that failed; never holds a value.
#[derive(Debug, thiserror::Error)]
#[error("the secret store could not {operation} {name}: {detail}")]
pub struct SecretsError {
    /// What was tried.
    pub operation: &'static str,
    /// Which secret.
    pub name: String,
    /// What the backend said.
    pub detail: String,
}

/// Longest value in bytes (Secrets Manager's limit), the same everywhere.
pub const LONGEST: usize = 65_536;

#[cfg(any(feature = "aws", feature = "embedded"))]
fn check_length(name: &SecretName, value: &SecretString) -> Result<(), SecretsError> {
    let length = value.expose_secret().len();
    if length <= LONGEST {
        return Ok(());
    }
    Err(SecretsError {
        operation: "write",
        name: name.0.clone(),
        detail: format!("the value has {length} bytes, more than {LONGEST}"),
    })
}

/// A store of secrets.
#[async_trait]
pub trait Secrets: Debug + Send + Sync {
    /// The current value.
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, SecretsError>;

    /// Replaces the value; afterwards every `get` returns the new one. Safe to repeat.
    async fn put(&self, name: &SecretName, value: &SecretString) -> Result<(), SecretsError>;

    /// Removes the secret; removing what is not there is no error.
    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError>;
}
