//! The engine on AWS, made once for each function, and what a failed call to AWS says in one line.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, SharedHttpClient};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use plan::document::CustomClouds;
use x509_cert::der::pem::{LineEnding, encode_string};

use crate::Engine;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, ConfigError, Roots};
use crate::graph::Tokens;
use crate::halo::{ClientSecret, Halo};
use crate::http;
use crate::queue::sqs::Sqs;
use crate::random::Random;
use crate::secrets::Secrets;
use crate::secrets::manager::Manager;
use crate::store::Store;
use crate::store::dynamo::Dynamo;

/// A function that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment, which the template sets.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The client for outgoing requests could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Http(#[from] reqwest::Error),
}

/// The engine of a Lambda function, on `DynamoDB`, SQS and Secrets Manager, with the credentials of the
/// function's role. Nothing is asked of AWS yet.
pub fn engine() -> Result<Engine, StartError> {
    let names = config::aws::resources()?;
    let access = config::aws::access()?.behavior_version(BehaviorVersion::latest());
    let (access, http) = match config::roots() {
        Roots::Own => (access.http_client(amazon_only()), http::client_with_own_roots()?),
        Roots::System => (access, http::client()?),
    };
    let access = access.build();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let table = Dynamo::new(aws_sdk_dynamodb::Client::new(&access), names.table, clock.clone());
    let store = Store::new(Arc::new(table), clock.clone());
    let queue = Sqs::new(aws_sdk_sqs::Client::new(&access), names.queue, names.dead_letters);
    let manager = aws_sdk_secretsmanager::Client::new(&access);
    let secrets = Manager::new(manager, names.secret_prefix);
    let secrets: Arc<dyn Secrets> = Arc::new(secrets);
    let halo = config::halo(Some(ClientSecret::Stored(secrets.clone())))?;
    let halo = Halo::new(halo, http.clone(), store.clone());
    Ok(Engine {
        clock,
        random: Arc::new(Random::default()),
        store,
        queue: Arc::new(queue),
        secrets,
        http,
        tokens: Tokens::default(),
        issuers: crate::issuer::Issuers::default(),
        halo,
        policy: config::policy(CustomClouds::Refused)?,
    })
}

/// A client for AWS alone: it trusts the authorities of Amazon, by which all its services are known, and
/// reads no others.
fn amazon_only() -> SharedHttpClient {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter(|root| is_amazons(root));
    let roots = roots.filter_map(|root| encode_string("CERTIFICATE", LineEnding::LF, root).ok());
    let trusted = roots.fold(TrustStore::empty(), TrustStore::with_pem_certificate);
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let tls = Provider::rustls(CryptoMode::AwsLc);
    let client = Builder::new().tls_provider(tls);
    match context {
        Ok(context) => client.tls_context(context).build_https(),
        Err(_) => client.build_https(),
    }
}

/// Whether a root's own name, which stands at its beginning, is one of Amazon's (Amazon Trust Services).
fn is_amazons(root: &[u8]) -> bool {
    const NAMES: [&[u8]; 2] = [b"Amazon Root CA", b"Starfield Services Root"];
    let beginning = &root[..root.len().min(300)];
    NAMES.iter().any(|name| beginning.windows(name.len()).any(|part| part == *name))
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

#[cfg(test)]
mod tests {
    use super::is_amazons;

    #[test]
    fn the_roots_of_amazon_are_found() {
        // Amazon Root CA 1 to 4, and the older one that signs across.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        assert_eq!(roots.filter(|root| is_amazons(root)).count(), 5);
        let _client = super::amazon_only();
    }
}
