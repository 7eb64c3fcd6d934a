//! Credentials of connections: kept in the secret store and nowhere else (C4).

use std::sync::Arc;

use plan::document::{AuthMethod, CredentialKind, Document};
use plan::failure::{Failure, Kind, Service};
use plan::ids::ConnectionId;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::certificate::Certificate;
use crate::graph::{Access, Behalf, Credential, Graph, Hosts, Session};
use crate::meter::Meter;
use crate::secrets::{ExposeSecret, SecretName, SecretString, SecretsError};
use crate::store::connections::Saved;

/// What a connection proves itself with (C3).
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A client secret.
    Secret(SecretString),
    /// A certificate with its private key.
    Certificate(Certificate),
}

/// The secret's JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Stored<'a> {
    Secret { client_secret: Text<'a> },
    Certificate { certificate_pem: Text<'a>, private_key_pem: Text<'a> },
}

type Text<'a> = std::borrow::Cow<'a, str>;

impl Credentials {
    /// Which of the two it is.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Credentials::Secret(_) => CredentialKind::Secret,
            Credentials::Certificate(_) => CredentialKind::Certificate,
        }
    }

    fn written(&self) -> Result<SecretString, serde_json::Error> {
        let stored = match self {
            Credentials::Secret(secret) => {
                Stored::Secret { client_secret: secret.expose_secret().into() }
            }
            Credentials::Certificate(certificate) => Stored::Certificate {
                certificate_pem: certificate.pem.as_str().into(),
                private_key_pem: certificate.key.expose_secret().into(),
            },
        };
        serde_json::to_string(&stored).map(SecretString::from)
    }

    /// `None` = another shape. What was wrong is not said: it would quote the secret.
    fn parse(text: &SecretString) -> Option<Self> {
        match serde_json::from_str(text.expose_secret()).ok()? {
            Stored::Secret { client_secret } => {
                Some(Credentials::Secret(client_secret.into_owned().into()))
            }
            Stored::Certificate { certificate_pem, private_key_pem } => {
                let key = private_key_pem.into_owned().into();
                let certificate = Certificate::read(&certificate_pem, &key).ok()?;
                Some(Credentials::Certificate(certificate))
            }
        }
    }
}

impl Engine {
    /// The stored credentials of a connection; `None` = nobody entered any.
    pub async fn credentials(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Credentials>, SecretsError> {
        self.credentials_at(&SecretName::credentials(connection)).await
    }

    /// The credentials in a secret; `None` = nobody entered any.
    pub(crate) async fn credentials_at(
        &self,
        name: &SecretName,
    ) -> Result<Option<Credentials>, SecretsError> {
        let Some(text) = self.secrets.get(name).await? else { return Ok(None) };
        let found = Credentials::parse(&text).ok_or_else(|| unusable("understand", name))?;
        Ok(Some(found))
    }

    /// Replaces the credentials in a secret.
    pub(crate) async fn store_credentials(
        &self,
        name: &SecretName,
        credentials: &Credentials,
    ) -> Result<(), SecretsError> {
        let text = credentials.written().map_err(|_| unusable("write", name))?;
        self.secrets.put(name, &text).await
    }

    /// Removes all secrets of a connection. Safe to repeat; a worker that is renewing a session at this
    /// moment finds it gone and leaves nothing behind.
    pub(crate) async fn forget_secrets(
        &self,
        connection: &ConnectionId,
    ) -> Result<(), SecretsError> {
        for name in SecretName::all_of(connection) {
            self.secrets.delete(&name).await?;
        }
        Ok(())
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
            Some(credentials) => {
                let behalf = self.behalf(document);
                Ok(self.graph_with(document, credentials, behalf, meter))
            }
            None => Err(missing()),
        })
    }

    /// On whose behalf a connection reads.
    pub(crate) fn behalf(&self, document: &Document) -> Behalf {
        match document.auth.method {
            AuthMethod::Application => Behalf::Application,
            AuthMethod::Delegated => {
                Behalf::Person(Session::of(&document.id, self.secrets.clone()))
            }
        }
    }

    /// A Graph client with credentials that need not be stored, to test them (C8).
    pub(crate) fn graph_with(
        &self,
        document: &Document,
        credentials: Credentials,
        behalf: Behalf,
        meter: Arc<Meter>,
    ) -> Graph {
        let credential = match credentials {
            Credentials::Secret(secret) => Credential::Secret(secret),
            Credentials::Certificate(certificate) => {
                Credential::Certificate(certificate, document.auth.assertion)
            }
        };
        let access = Access {
            hosts: Hosts::of(&document.cloud),
            tenant: document.tenant_id,
            client: document.auth.client_id,
            credential,
            behalf,
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
            error: "none are stored; enter the client secret or the certificate of the app registration"
                .to_owned(),
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
        let read = Credentials::parse(&written).unwrap();
        assert!(
            matches!(read, Credentials::Secret(secret) if secret.expose_secret() == "s3\"cret")
        );
        assert!(!format!("{credentials:?}").contains("cret\""));
        for other in ["{}", r#"{"client_secret":"x","more":1}"#, r#"{"certificate_pem":"x"}"#] {
            assert!(Credentials::parse(&other.into()).is_none(), "{other}");
        }
    }
}
