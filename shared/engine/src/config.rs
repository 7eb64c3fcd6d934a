//! The only module that reads the environment: every setting of a deployment, with its meaning.

use std::env::VarError;
use std::net::SocketAddr;
use std::str::FromStr;

use jiff::SignedDuration;
use plan::budget::Limits;
use plan::document::CustomClouds;
use plan::schedule::Module;
use secrecy::SecretString;
use url::Url;

use crate::halo::{ClientSecret, RequestLimit, Settings};
use crate::issuer::is_private;
use crate::web::TokenSettings;
use crate::{OperatorWay, Policy};

/// A setting that is missing or makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not set.
    #[error("{0} is not set; it is {1}")]
    Missing(&'static str, &'static str),
    /// Not understood. The value itself is not shown: it may be a secret in the wrong place.
    #[error("{0} is not understood; it is {1}")]
    Malformed(&'static str, &'static str),
}

fn optional(name: &'static str) -> Result<Option<String>, ConfigError> {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(ConfigError::Malformed(name, "text in UTF-8")),
    }
}

fn required(name: &'static str, meaning: &'static str) -> Result<String, ConfigError> {
    optional(name)?.ok_or(ConfigError::Missing(name, meaning))
}

fn parsed<T: FromStr>(
    name: &'static str,
    meaning: &'static str,
    default: T,
) -> Result<T, ConfigError> {
    match optional(name)? {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| ConfigError::Malformed(name, meaning)),
    }
}

fn address(name: &'static str, meaning: &'static str) -> Result<Url, ConfigError> {
    required(name, meaning)?.parse().map_err(|_| ConfigError::Malformed(name, meaning))
}

/// Halo's settings (H1): `HALO_API_URL`, `HALO_AUTH_URL`, `HALO_TENANT`, `HALO_CLIENT_ID`,
/// `HALO_CLIENT_SECRET` (or the secret store's, given as `stored`), `HALO_SCOPE`, `HALO_PAGE_SIZE`,
/// `HALO_REQUESTS_PER_5_MINUTES` (250; `unlimited` for a Halo of one's own), `HALO_INDEX_MAX_AGE_HOURS`.
pub fn halo(stored: Option<ClientSecret>) -> Result<Settings, ConfigError> {
    let secret = match optional("HALO_CLIENT_SECRET")? {
        Some(secret) => ClientSecret::Given(secret.into()),
        None => stored.ok_or(ConfigError::Missing(
            "HALO_CLIENT_SECRET",
            "the secret of Halo's API application (Configuration > Integrations > Halo API)",
        ))?,
    };
    let mut settings = Settings::new(
        address("HALO_API_URL", "Halo's resource server, as in https://acme.halopsa.com/api")?,
        address(
            "HALO_AUTH_URL",
            "Halo's authorisation server, as in https://acme.halopsa.com/auth",
        )?,
        required("HALO_CLIENT_ID", "the client id of Halo's API application")?,
        secret,
    );
    settings.tenant = optional("HALO_TENANT")?;
    if let Some(scope) = optional("HALO_SCOPE")? {
        settings.scope = scope;
    }
    settings.page_size = parsed("HALO_PAGE_SIZE", "a number of rows, 1 to 1000", 100)?;
    settings.limit = match optional("HALO_REQUESTS_PER_5_MINUTES")?.as_deref() {
        None => RequestLimit::Shared(Limits::default()),
        Some("unlimited") => RequestLimit::Unlimited,
        Some(text) => {
            let bad =
                ConfigError::Malformed("HALO_REQUESTS_PER_5_MINUTES", "a number, or unlimited");
            RequestLimit::Shared(Limits { requests: text.parse().map_err(|_| bad)?, window: 300 })
        }
    };
    let hours = parsed("HALO_INDEX_MAX_AGE_HOURS", "a number of hours", 24)?;
    settings.index_max_age = SignedDuration::from_hours(hours);
    Ok(settings)
}

/// What the deployment allows: `HALO_ENTRA_CUSTOM_CLOUDS` (`allowed` or `refused`; C2),
/// `HALO_ENTRA_LOG_DAYS` (B4), `HALO_ENTRA_MODULE` (`on` or `off`; C11), `HALO_ENTRA_PUBLIC_URL` (C5),
/// `HALO_ENTRA_OPERATOR_SIGN_IN` (`on` or `off`; O4).
pub fn policy(custom_clouds: CustomClouds) -> Result<Policy, ConfigError> {
    const CLOUDS: &str = "HALO_ENTRA_CUSTOM_CLOUDS";
    const MODULE: &str = "HALO_ENTRA_MODULE";
    const OPERATOR: &str = "HALO_ENTRA_OPERATOR_SIGN_IN";
    let days: i64 = parsed("HALO_ENTRA_LOG_DAYS", "a number of days", 90)?;
    Ok(Policy {
        custom_clouds: match optional(CLOUDS)?.as_deref() {
            None => custom_clouds,
            Some("allowed") => CustomClouds::Allowed,
            Some("refused") => CustomClouds::Refused,
            Some(_) => return Err(ConfigError::Malformed(CLOUDS, "allowed or refused")),
        },
        log_retention: SignedDuration::from_hours(days.clamp(1, 3650) * 24),
        module: match optional(MODULE)?.as_deref() {
            None | Some("on") => Module::On,
            Some("off") => Module::Off,
            Some(_) => return Err(ConfigError::Malformed(MODULE, "on or off")),
        },
        public_url: public_url()?,
        operator: match optional(OPERATOR)?.as_deref() {
            None | Some("off") => OperatorWay::Closed,
            Some("on") => OperatorWay::Stored,
            Some(_) => return Err(ConfigError::Malformed(OPERATOR, "on or off")),
        },
    })
}

/// Where browsers reach the API. Microsoft sends them there with a code, so it has to be theirs alone:
/// over TLS, or on the same machine.
fn public_url() -> Result<Option<Url>, ConfigError> {
    const PUBLIC: &str = "HALO_ENTRA_PUBLIC_URL";
    const MEANING: &str = "the address of this API for browsers, as in https://import.contoso.example; http only for localhost";
    let Some(text) = optional(PUBLIC)? else { return Ok(None) };
    for_browsers(&text).map(Some).ok_or(ConfigError::Malformed(PUBLIC, MEANING))
}

fn for_browsers(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let private = url.scheme() == "https" || url.scheme() == "http" && local;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (private && plain).then_some(url)
}

/// What tokens of an issuer have to say: `HALO_ENTRA_JWT_ISSUER`, `HALO_ENTRA_JWT_AUDIENCE`,
/// `HALO_ENTRA_JWT_TENANT` (optional). `None` = no issuer is set.
pub fn tokens() -> Result<Option<TokenSettings>, ConfigError> {
    const ISSUER: &str = "HALO_ENTRA_JWT_ISSUER";
    const ISSUER_IS: &str = "the issuer of the API's tokens, exactly as they name it, as in https://login.microsoftonline.com/TENANT/v2.0; http only for localhost";
    const AUDIENCE: &str = "HALO_ENTRA_JWT_AUDIENCE";
    const AUDIENCE_IS: &str = "the audience of the API's tokens: the application id of its app registration, or api:// and it; several with commas";
    const TENANT: &str = "HALO_ENTRA_JWT_TENANT";
    let audiences = optional(AUDIENCE)?.unwrap_or_default();
    let audiences = audiences.split(',').map(str::trim).filter(|one| !one.is_empty());
    let audiences: Vec<String> = audiences.map(str::to_owned).collect();
    let tenant = optional(TENANT)?;
    let Some(issuer) = optional(ISSUER)? else {
        // Half of the settings would let nobody in, without a word.
        let half = !audiences.is_empty() || tenant.is_some();
        return if half { Err(ConfigError::Missing(ISSUER, ISSUER_IS)) } else { Ok(None) };
    };
    let address: Option<Url> = issuer.parse().ok();
    if !address.is_some_and(|it| is_private(&it) && it.query().is_none()) {
        return Err(ConfigError::Malformed(ISSUER, ISSUER_IS));
    }
    if audiences.is_empty() {
        return Err(ConfigError::Missing(AUDIENCE, AUDIENCE_IS));
    }
    let tenant = tenant.map(|id| id.parse()).transpose();
    let tenant =
        tenant.map_err(|_| ConfigError::Malformed(TENANT, "the id of a tenant (a GUID)"))?;
    Ok(Some(TokenSettings { issuer, audiences, tenant }))
}

/// What [`tokens`] reads, where there is no other way in.
pub fn tokens_required() -> Result<TokenSettings, ConfigError> {
    let missing = "the issuer of the API's tokens; without it nobody gets in";
    tokens()?.ok_or(ConfigError::Missing("HALO_ENTRA_JWT_ISSUER", missing))
}

/// Names of the AWS resources, set by the template: `TABLE_NAME`, `QUEUE_URL`, `SECRET_PREFIX`, and
/// `DEAD_LETTER_URL` where a function counts dead letters.
#[cfg(feature = "aws")]
pub mod aws {
    use aws_sdk_dynamodb::config::{AppName, Credentials, Region};
    use aws_types::sdk_config::{Builder, SdkConfig, SharedCredentialsProvider};

    use super::{ConfigError, optional, required};

    /// Names of the AWS resources.
    #[derive(Clone, Debug)]
    pub struct Resources {
        /// The `DynamoDB` table.
        pub table: String,
        /// The queue of hints.
        pub queue: String,
        /// The queue of dead letters.
        pub dead_letters: Option<String>,
        /// What the names of all secrets begin with.
        pub secret_prefix: String,
    }

    /// Where AWS is and who asks it, as Lambda says it: region and the credentials of the function's role,
    /// which hold as long as the process does. `AWS_SDK_UA_APP_ID` is the name by which AWS's own logs
    /// know the function, `AWS_ENDPOINT_URL` an emulator. Nothing else is looked at: the other ways to
    /// credentials are for machines, and make each start slower.
    pub fn access() -> Result<Builder, ConfigError> {
        const LAMBDAS: &str = "set by Lambda itself";
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID", LAMBDAS)?,
            required("AWS_SECRET_ACCESS_KEY", LAMBDAS)?,
            optional("AWS_SESSION_TOKEN")?,
            None,
            "environment",
        );
        let name = optional("AWS_SDK_UA_APP_ID")?.map(AppName::new).transpose();
        let name = name.map_err(|_| {
            ConfigError::Malformed("AWS_SDK_UA_APP_ID", "a name of letters, digits and hyphens")
        })?;
        let mut access = SdkConfig::builder()
            .region(Region::new(required("AWS_REGION", LAMBDAS)?))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        access.set_app_name(name);
        access.set_endpoint_url(optional("AWS_ENDPOINT_URL")?);
        Ok(access)
    }

    /// Reads them.
    pub fn resources() -> Result<Resources, ConfigError> {
        Ok(Resources {
            table: required("TABLE_NAME", "the name of the DynamoDB table")?,
            queue: required("QUEUE_URL", "the address of the SQS queue")?,
            dead_letters: optional("DEAD_LETTER_URL")?,
            secret_prefix: required("SECRET_PREFIX", "what the names of the secrets begin with")?,
        })
    }
}

/// How much is logged, as in `info` or `engine=debug` (`HALO_ENTRA_LOG`); `default` without it.
pub fn log_filter(default: &str) -> String {
    optional("HALO_ENTRA_LOG").ok().flatten().unwrap_or_else(|| default.to_owned())
}

/// Whose certificates are trusted.
#[cfg(feature = "aws")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those that came with the program.
    Own,
    /// Those of the system, or of the file or directory that the operator names (`SSL_CERT_FILE`,
    /// `SSL_CERT_DIR`): for a Halo whose certificate comes from an authority of one's own.
    System,
}

/// Whose certificates a Lambda function trusts.
#[cfg(feature = "aws")]
pub fn roots() -> Roots {
    let named = |name| !matches!(optional(name), Ok(None));
    if named("SSL_CERT_FILE") || named("SSL_CERT_DIR") { Roots::System } else { Roots::Own }
}

/// The name of the deployment in its metrics (`HALO_ENTRA_DEPLOYMENT`).
pub fn deployment() -> String {
    optional("HALO_ENTRA_DEPLOYMENT").ok().flatten().unwrap_or_else(|| "halo-entra".to_owned())
}

/// Where Lambda runs the X-Ray daemon for a traced function (`AWS_XRAY_DAEMON_ADDRESS`, which it sets
/// itself); `None` = nowhere.
pub fn xray_daemon() -> Option<SocketAddr> {
    optional("AWS_XRAY_DAEMON_ADDRESS").ok().flatten()?.parse().ok()
}

/// Whether the operator wants no colours anywhere: `NO_COLOR` is set and not empty (no-color.org).
pub fn no_colour() -> bool {
    // Text that is not UTF-8 is not empty either.
    !matches!(optional("NO_COLOR"), Ok(None))
}

/// The token with which the commands of a terminal call the API (`HALO_ENTRA_TOKEN`).
pub fn api_token() -> Result<Option<SecretString>, ConfigError> {
    Ok(optional("HALO_ENTRA_TOKEN")?.map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use super::for_browsers;

    #[test]
    fn browsers_come_back_over_tls_or_to_the_same_machine() {
        // C5
        for good in
            ["https://import.contoso.example", "https://x.example/prod/", "http://localhost:8787"]
        {
            assert!(for_browsers(good).is_some(), "{good}");
        }
        for bad in [
            "http://import.contoso.example",
            "ftp://localhost",
            "https://x.example/?a=b",
            "https://x.example/#a",
            "https://ada@x.example",
            "import.contoso.example",
        ] {
            assert!(for_browsers(bad).is_none(), "{bad}");
        }
    }
}
