//! Everything that waits: the clients of Graph and Halo, state, the queue, secrets, and the steps of
//! a run. What to do is decided in `plan`; here it is done.

#[cfg(feature = "aws")]
pub mod aws;
pub mod certificate;
pub mod clock;
pub mod config;
pub mod connections;
pub mod credentials;
pub mod graph;
pub mod halo;
pub mod http;
pub mod inbound;
pub mod issuer;
pub mod licence_key;
pub mod meter;
pub mod module;
pub mod queue;
pub mod random;
pub mod schedule;
pub mod secrets;
pub mod sign_on;
pub mod steps;
pub mod store;
pub mod telemetry;
pub mod web;

use std::sync::Arc;

use jiff::SignedDuration;
use plan::document::CustomClouds;
use plan::schedule::Module;
use url::Url;

use crate::clock::Clock;
use crate::halo::Halo;
use crate::queue::Queue;
use crate::random::Random;
use crate::secrets::Secrets;
use crate::store::Store;

/// All that the steps and the handlers need, made once for each process.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<Random>,
    /// State.
    pub store: Store,
    /// Hints.
    pub queue: Arc<dyn Queue>,
    /// Secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Outgoing requests.
    pub http: reqwest::Client,
    /// Tokens of the connections' tenants, kept between steps.
    pub tokens: graph::Tokens,
    /// Keys of those who issue tokens to people who sign in here (O3), kept between requests.
    pub issuers: issuer::Issuers,
    /// Halo.
    pub halo: Halo,
    /// What the deployment allows and how it is set.
    pub policy: Policy,
}

/// Settings of a deployment that are not addresses or credentials.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether documents may name their own login and Graph hosts (C2).
    pub custom_clouds: CustomClouds,
    /// How long log entries are kept (B4).
    pub log_retention: SignedDuration,
    /// Whether the integration is on (C11).
    pub module: Module,
    /// Where browsers reach the API, for sign-ins to come back to (C5); `None` = nobody said.
    pub public_url: Option<Url>,
    /// Whether there is a way into the console that does not depend on Entra (O4).
    pub operator: OperatorWay,
}

/// The way into the console by a token, for an operator whom Entra keeps out (O4).
#[derive(Clone, Debug, Default)]
pub enum OperatorWay {
    /// There is none.
    #[default]
    Closed,
    /// By the token in the secret store.
    Stored,
    /// By this token.
    Token(secrets::SecretString),
}

impl OperatorWay {
    /// The same with a token of the process's own, if there is a way at all.
    #[must_use]
    pub fn with_token(self, token: secrets::SecretString) -> Self {
        match self {
            OperatorWay::Closed => OperatorWay::Closed,
            OperatorWay::Stored | OperatorWay::Token(_) => OperatorWay::Token(token),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            custom_clouds: CustomClouds::Refused,
            log_retention: SignedDuration::from_hours(90 * 24),
            module: Module::On,
            public_url: None,
            operator: OperatorWay::Closed,
        }
    }
}
