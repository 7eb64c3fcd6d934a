//! The engine on AWS, made once for each function, and what a failed call to AWS says in one line.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use plan::document::CustomClouds;

use crate::Engine;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, ConfigError};
use crate::graph::Tokens;
use crate::halo::Halo;
use crate::queue::sqs::Sqs;
use crate::random::Random;
use crate::secrets::manager::Manager;
use crate::secrets::{SecretName, Secrets, SecretsError};
use crate::store::Store;
use crate::store::dynamo::Dynamo;

/// A function that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment, which the template sets.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Halo's client secret could not be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The client for outgoing requests could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Http(#[from] reqwest::Error),
}

/// The engine of a Lambda function, on `DynamoDB`, SQS and Secrets Manager, with the credentials of the
/// function's role. Halo's client secret is read once: a changed one needs new instances, which the
/// next deployment makes.
pub async fn engine() -> Result<Engine, StartError> {
    let names = config::aws::resources()?;
    let settings = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let table = Dynamo::new(aws_sdk_dynamodb::Client::new(&settings), names.table, clock.clone());
    let store = Store::new(Arc::new(table), clock.clone());
    let queue = Sqs::new(aws_sdk_sqs::Client::new(&settings), names.queue, names.dead_letters);
    let manager = aws_sdk_secretsmanager::Client::new(&settings);
    let secrets = Manager::new(manager, names.secret_prefix);
    let halo_secret = secrets.get(&SecretName::halo()).await?;
    let http = crate::http::client()?;
    let halo = Halo::new(config::halo(halo_secret)?, http.clone(), store.clone());
    Ok(Engine {
        clock,
        random: Arc::new(Random::default()),
        store,
        queue: Arc::new(queue),
        secrets: Arc::new(secrets),
        http,
        tokens: Tokens::default(),
        halo,
        policy: config::policy(CustomClouds::Refused)?,
    })
}

/// Code and message of a refusal; for a call that got no proper answer the chain of its causes.
pub(crate) fn describe<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    if let Some(refusal) = error.as_service_error() {
        let code = refusal.code().unwrap_or("an error without a code");
        return match refusal.message() {
            Some(message) => format!("{code}: {message}"),
            None => code.to_owned(),
        };
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
