//! Credentials of connections: kept in the secret store and nowhere else (C4).

use std::sync::Arc;

use plan::document::Document;
use plan::failure::{Failure, Kind, Service};
use plan::ids::ConnectionId;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::graph::{Access, Credential, Graph, Hosts};
use crate::meter::Meter;
use crate::secrets::{ExposeSecret, SecretName, SecretString, SecretsError};
use crate::store::connections::Saved;

/// What a connection signs in with (C3).
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A client secret.
    Secret(SecretString),
}

/// The secret's JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    client_secret: std::borrow::Cow<'a, str>,
}

impl Credentials {
    fn written(&self) -> Result<SecretString, serde_json::Error> {
        let Credentials::Secret(secret) = self;
        let stored = Stored { client_secret: secret.expose_secret().into() };
        serde_json::to_string(&stored).map(SecretString::from)
    }

    /// `None` = another shape. What was wrong is not said: it would quote the secret.
    fn parse(text: &SecretString) -> Option<Self> {
        let stored: Stored<'_> = serde_json::from_str(text.expose_secret()).ok()?;
        Some(Credentials::Secret(stored.client_secret.into_owned().into()))
    }
}

impl Engine {
    /// The stored credentials of a connection; `None` = nobody entered any.
    pub async fn credentials(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Credentials>, SecretsError> {
        let name = SecretName::credentials(connection);
        let Some(text) = self.secrets.get(&name).await? else { return Ok(None) };
        let found = Credentials::parse(&text).ok_or_else(|| unusable("understand", &name))?;
        Ok(Some(found))
    }

    /// Replaces the stored credentials of a connection.
    pub(crate) async fn store_credentials(
        &self,
        connection: &ConnectionId,
        credentials: &Credentials,
    ) -> Result<(), SecretsError> {
        let name = SecretName::credentials(connection);
        let text = credentials.written().map_err(|_| unusable("write", &name))?;
        self.secrets.put(&name, &text).await
    }

    /// A Graph client for a connection with its stored credentials. Without any it is the same
    /// [`Kind::Credentials`] that refused ones are: an administrator has to enter some (C7).
    pub async fn graph(
        &self,
        saved: &Saved,
        meter: Arc<Meter>,
    ) -> Result<Result<Graph, Failure>, SecretsError> {
        let document = &saved.document;
        let found = self.credentials(&document.id).await?;
        Ok(match found {
            Some(credentials) => Ok(self.graph_with(document, credentials, meter)),
            None => Err(missing()),
        })
    }

    /// A Graph client with credentials that need not be stored, to test them (C8).
    pub(crate) fn graph_with(
        &self,
        document: &Document,
        credentials: Credentials,
        meter: Arc<Meter>,
    ) -> Graph {
        let Credentials::Secret(secret) = credentials;
        let access = Access {
            hosts: Hosts::of(&document.cloud),
            tenant: document.tenant_id,
            client: document.auth.client_id,
            credential: Credential::Secret(secret),
        };
        let (http, tokens) = (self.http.clone(), self.tokens.clone());
        Graph::new(access, http, tokens, meter, self.clock.clone(), self.random.clone())
    }
}

/// Nobody entered credentials.
pub(crate) fn missing() -> Failure {
    Failure {
        service: Service::Login,
        operation: "sign in to the tenant".to_owned(),
        kind: Kind::Credentials {
            code: None,
            error: "none are stored; enter the client secret of the app registration".to_owned(),
        },
    }
}

fn unusable(operation: &'static str, name: &SecretName) -> SecretsError {
    let detail = "it is not the JSON of credentials; enter them again".to_owned();
    SecretsError { operation, name: name.as_str().to_owned(), detail }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;

    #[test]
    fn credentials_are_read_back_and_never_printed() {
        // C4
        let credentials = Credentials::Secret("s3\"cret".into());
        let written = credentials.written().unwrap();
        let Credentials::Secret(read) = Credentials::parse(&written).unwrap();
        assert_eq!(read.expose_secret(), "s3\"cret");
        assert!(!format!("{credentials:?}").contains("cret\""));
        assert!(Credentials::parse(&"{}".into()).is_none());
    }
}
