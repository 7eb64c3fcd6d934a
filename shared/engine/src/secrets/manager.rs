//! Secrets in Secrets Manager, under a prefix of the deployment.
//!
//! Secrets Manager keeps about 100 versions of a secret and removes old ones after a day, so a new
//! version is added only for a new value; new values should not come more often than every ten
//! minutes for long.

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use super::{ExposeSecret, SecretName, SecretString, Secrets, SecretsError, check_length};
use crate::aws::describe;

/// How long a deleted secret can be restored by hand.
const RECOVERY_DAYS: i64 = 7;
/// How often one `put` looks again, because somebody else made or deleted the secret meanwhile.
const LOOKS: usize = 4;

/// Secrets in Secrets Manager.
#[derive(Clone, Debug)]
pub struct Manager {
    client: Client,
    prefix: String,
}

impl Manager {
    /// The secrets whose names are `prefix`, `/`, and a [`SecretName`].
    pub fn new(client: Client, prefix: impl Into<String>) -> Self {
        Self { client, prefix: prefix.into() }
    }

    fn id(&self, name: &SecretName) -> String {
        format!("{}/{}", self.prefix, name.as_str())
    }

    async fn current(&self, id: &str) -> Result<Option<SecretString>, Refusal> {
        let answer = self.client.get_secret_value().secret_id(id).send().await;
        let answer = answer.map_err(|error| Refusal::of(&error))?;
        Ok(answer.secret_string.map(SecretString::from))
    }

    /// Brings the secret from the state in which it is found to this value, unless that changes.
    async fn set(&self, id: &str, value: &SecretString) -> Result<(), Refusal> {
        let found = match self.current(id).await {
            Ok(found) => found,
            Err(Refusal::Absent) => {
                return match self.create(id, value).await {
                    // It has no value yet, or somebody else was faster.
                    Err(Refusal::Exists) => self.add_version(id, value).await,
                    result => result,
                };
            }
            Err(Refusal::Deleted) => {
                refusal(self.client.restore_secret().secret_id(id).send().await)?;
                self.current(id).await?
            }
            Err(other) => return Err(other),
        };
        if found.is_some_and(|found| found.expose_secret() == value.expose_secret()) {
            return Ok(());
        }
        self.add_version(id, value).await
    }

    /// The SDK gives each call a token of its own, so that its repetitions after a lost answer add one
    /// version. A token made from the value would not do: writing an older value again would be taken
    /// for a repetition, and the newer one would stay current.
    async fn add_version(&self, id: &str, value: &SecretString) -> Result<(), Refusal> {
        let request = self.client.put_secret_value().secret_id(id);
        refusal(request.secret_string(value.expose_secret()).send().await)
    }

    async fn create(&self, id: &str, value: &SecretString) -> Result<(), Refusal> {
        let request = self.client.create_secret().name(id);
        refusal(request.secret_string(value.expose_secret()).send().await)
    }
}

#[async_trait]
impl Secrets for Manager {
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, SecretsError> {
        match self.current(&self.id(name)).await {
            Ok(value) => Ok(value),
            Err(Refusal::Absent | Refusal::Deleted) => Ok(None),
            Err(refused) => Err(failed("read", name, refused.text())),
        }
    }

    async fn put(&self, name: &SecretName, value: &SecretString) -> Result<(), SecretsError> {
        check_length(name, value)?;
        let id = self.id(name);
        let mut looks = 1;
        loop {
            match self.set(&id, value).await {
                Ok(()) => return Ok(()),
                Err(Refusal::Absent | Refusal::Deleted | Refusal::Exists) if looks < LOOKS => {
                    looks += 1;
                }
                Err(refused) => return Err(failed("write", name, refused.text())),
            }
        }
    }

    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError> {
        let request = self.client.delete_secret().secret_id(self.id(name));
        match refusal(request.recovery_window_in_days(RECOVERY_DAYS).send().await) {
            Ok(()) | Err(Refusal::Absent | Refusal::Deleted) => Ok(()),
            Err(refused) => Err(failed("delete", name, refused.text())),
        }
    }
}

/// Why Secrets Manager did not do what it was asked.
#[derive(Debug)]
enum Refusal {
    Absent,
    Exists,
    /// It waits for the end of its recovery window.
    Deleted,
    Other(String),
}

impl Refusal {
    fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let refusal = error.as_service_error();
        let message = refusal.and_then(ProvideErrorMetadata::message).unwrap_or_default();
        match refusal.and_then(ProvideErrorMetadata::code) {
            Some("ResourceNotFoundException") => Refusal::Absent,
            Some("ResourceExistsException") => Refusal::Exists,
            // Said in several ways, such as "marked for deletion" and "currently marked deleted".
            Some("InvalidRequestException") if message.contains("delet") => Refusal::Deleted,
            _ => Refusal::Other(describe(error)),
        }
    }

    fn text(self) -> String {
        match self {
            Refusal::Absent => "it is not there".to_owned(),
            Refusal::Exists => "it is there already".to_owned(),
            Refusal::Deleted => "it is marked for deletion".to_owned(),
            Refusal::Other(text) => text,
        }
    }
}

fn refusal<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<(), Refusal>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    result.map(|_| ()).map_err(|error| Refusal::of(&error))
}

fn failed(operation: &'static str, name: &SecretName, detail: String) -> SecretsError {
    SecretsError { operation, name: name.as_str().to_owned(), detail }
}
