//! A person's sign-in as it lasts: the refresh token, in the secret store and nowhere else (C4).

use std::sync::Arc;

use plan::ids::ConnectionId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::secrets::{SecretName, Secrets, SecretsError};

/// Where a connection keeps the sign-in of the person on whose behalf it reads.
#[derive(Clone, Debug)]
pub struct Session {
    secrets: Arc<dyn Secrets>,
    name: SecretName,
}

/// What is kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// Which sign-in it came from.
    session: Uuid,
    /// The newest refresh token of that sign-in.
    pub(super) refresh_token: SecretString,
}

/// A sign-in that has just taken the place of another one.
#[derive(Debug)]
pub struct SignedIn {
    session: Uuid,
    before: Option<Kept>,
}

/// The secret's JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    session: Uuid,
    refresh_token: std::borrow::Cow<'a, str>,
}

impl Session {
    /// The session of a connection.
    pub fn of(connection: &ConnectionId, secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, name: SecretName::session(connection) }
    }

    /// Tells the sessions of connections apart.
    pub(super) fn name(&self) -> &SecretName {
        &self.name
    }

    /// What is kept; `None` = nobody signed in, or another version wrote it.
    pub(super) async fn kept(&self) -> Result<Option<Kept>, SecretsError> {
        let Some(text) = self.secrets.get(&self.name).await? else { return Ok(None) };
        let stored: Option<Stored<'_>> = serde_json::from_str(text.expose_secret()).ok();
        Ok(stored.map(|stored| Kept {
            session: stored.session,
            refresh_token: stored.refresh_token.into_owned().into(),
        }))
    }

    /// Keeps the refresh token of a new sign-in in place of whatever was kept.
    pub(super) async fn begin(
        &self,
        session: Uuid,
        refresh_token: &SecretString,
    ) -> Result<SignedIn, SecretsError> {
        let before = self.kept().await?;
        self.keep(session, refresh_token).await?;
        Ok(SignedIn { session, before })
    }

    /// Keeps what was kept before a sign-in that turned out to be of no use. Where nothing was, or
    /// somebody signed in since, nothing changes.
    pub(super) async fn take_back(&self, signed_in: &SignedIn) -> Result<(), SecretsError> {
        let Some(before) = &signed_in.before else { return Ok(()) };
        match self.kept().await? {
            Some(now) if now.session == signed_in.session => {
                self.keep(before.session, &before.refresh_token).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn keep(&self, session: Uuid, refresh_token: &SecretString) -> Result<(), SecretsError> {
        let stored = Stored { session, refresh_token: refresh_token.expose_secret().into() };
        let text = serde_json::to_string(&stored).map_err(|_| SecretsError {
            operation: "write",
            name: self.name.as_str().to_owned(),
            detail: "it is no JSON".to_owned(),
        })?;
        self.secrets.put(&self.name, &text.into()).await
    }

    /// Keeps the next refresh token of the sign-in that `kept` was read from.
    ///
    /// Two workers may use the same token at once, and either may come last here: each stores a token
    /// that nobody has used yet, and using a token does not end its siblings, so whichever stays is
    /// good. What was read before is only gone when its successor is kept: a worker that dies in
    /// between leaves the old one, which the login service goes on taking for a while. Only a token of
    /// another sign-in must not be overwritten, or the person who signed in last would be forgotten.
    pub(super) async fn renew(&self, kept: &Kept, next: &SecretString) -> Result<(), SecretsError> {
        match self.kept().await? {
            Some(now) if now.session == kept.session => self.keep(kept.session, next).await,
            // Somebody signed in meanwhile, or the session was taken away.
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;
    use crate::secrets::files::Files;

    #[tokio::test]
    async fn a_slow_worker_brings_back_no_session_that_is_over() {
        // C4
        let dir = tempfile::tempdir().unwrap();
        let secrets = Arc::new(Files::open(dir.path().join("secrets")).unwrap());
        let session = Session::of(&"contoso".parse().unwrap(), secrets.clone());
        let token = async || {
            let kept = session.kept().await.unwrap();
            kept.map(|kept| kept.refresh_token.expose_secret().to_owned())
        };
        session.begin(Uuid::from_u128(1), &"one".into()).await.unwrap();
        let slow = session.kept().await.unwrap().unwrap();
        session.renew(&slow, &"two".into()).await.unwrap();
        assert_eq!(token().await.unwrap(), "two");
        session.renew(&slow, &"three".into()).await.unwrap();
        assert_eq!(token().await.unwrap(), "three", "both are good");
        session.begin(Uuid::from_u128(2), &"another".into()).await.unwrap();
        session.renew(&slow, &"four".into()).await.unwrap();
        assert_eq!(token().await.unwrap(), "another");
        let useless = session.begin(Uuid::from_u128(3), &"useless".into()).await.unwrap();
        session.take_back(&useless).await.unwrap();
        session.take_back(&useless).await.unwrap();
        assert_eq!(token().await.unwrap(), "another");
        secrets.delete(session.name()).await.unwrap();
        session.renew(&slow, &"five".into()).await.unwrap();
        assert_eq!(token().await, None);
    }
}
