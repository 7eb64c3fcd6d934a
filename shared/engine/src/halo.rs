//! Halo's REST API: one client for the deployment, with its budget, its token and its failures.
//!
//! | file | does |
//! |---|---|
//! | `budget` | how many requests may be made, shared through the store (H2) |
//! | `token` | signing in |
//! | `wire`, `error_text` | reading whatever Halo answers (H5) |
//! | `records`, `values`, `search` | list, read, find, create and update users and agents |
//! | `access` | what an agent may do, for whoever signs in here (O3) |
//! | `agent_roles` | roles of agents as the API wants them (R1) |
//! | `owners` | whose agents the agents are (M2) |
//! | `standing` | which agents must stay active (R7) |
//! | `cabs` | members of change advisory boards (R3) |
//! | `lists` | sites, clients, roles and custom fields as Halo has them |
//! | `sites` | the site of a name, made exactly once (P6) |
//! | `index` | all users or agents by what they are matched by (H4) |
//! | `check` | the connection test (H1) |
//! | `rivals` | records that several workers change at once |
//!
//! A request is made once: whoever called decides by [`plan::failure::Failure::next`] when the step is
//! tried again. The exception is a refused token, which is renewed and the request repeated, once.

mod access;
mod agent_roles;
mod budget;
mod cabs;
mod check;
mod error_text;
pub mod index;
mod licences;
mod lists;
mod owners;
mod records;
mod rivals;
mod search;
pub mod sites;
mod standing;
mod token;
mod values;
mod wire;

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use plan::failure::{Failure, Kind, Service};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

pub use budget::{BudgetReport, Priority, RequestLimit};
pub use cabs::{Cab, Seat};
pub use check::{ConnectedAs, EntityReport, TestReport};
pub use licences::NewLicence;
pub use lists::{Choice, Choices, CustomField, Named, Picker, Site};
pub use records::{Created, HaloRecord, Kept, RecordsPage, Row, Special, Updated};
pub use wire::Record;

use crate::clock::Clock;
use crate::http::{self, Answer};
use crate::meter::Meter;
use crate::secrets::{Secrets, SecretsError};
use crate::steps::StepError;
use crate::store::{Store, StoreError};
use budget::{Budget, Taken};
use token::{Token, Tokens};

/// Where the secret of Halo's API application is found.
#[derive(Clone, Debug)]
pub enum ClientSecret {
    /// Here.
    Given(SecretString),
    /// In the secret store, which is asked at each sign-in: a function that never talks to Halo needs no
    /// right to read it, and a changed secret is used from the next sign-in on.
    Stored(Arc<dyn Secrets>),
}

/// Where Halo is and how to sign in: one for the deployment (H1). The three addresses stand on Halo's
/// page Configuration > Integrations > Halo API.
#[derive(Clone)]
pub struct Settings {
    /// Resource server, as in `https://acme.halopsa.com/api`.
    pub api_url: Url,
    /// Authorisation server, as in `https://acme.halopsa.com/auth`, with or without `/token`.
    pub auth_url: Url,
    /// Tenant; hosted instances often, others never need it.
    pub tenant: Option<String>,
    /// Client id of the API application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: ClientSecret,
    /// Scope to ask for; `all` gives whatever the application may have.
    pub scope: String,
    /// Rows to ask for on a page; Halo gives 100 at the most and cuts silently.
    pub page_size: u32,
    /// The request budget (H2).
    pub limit: RequestLimit,
    /// Headers sent with every request, as some hosting arrangements want.
    pub extra_headers: HeaderMap,
    /// How old the index of users, and that of agents, may get before it is built anew (H4).
    pub index_max_age: SignedDuration,
}

impl Settings {
    /// The settings of an instance, everything else as usual.
    pub fn new(
        api_url: Url,
        auth_url: Url,
        client_id: String,
        client_secret: ClientSecret,
    ) -> Self {
        Self {
            api_url,
            auth_url,
            tenant: None,
            client_id,
            client_secret,
            scope: "all".to_owned(),
            page_size: 100,
            limit: RequestLimit::Shared(plan::budget::Limits::default()),
            extra_headers: HeaderMap::new(),
            index_max_age: SignedDuration::from_hours(24),
        }
    }
}

impl fmt::Debug for Settings {
    /// Only what is no secret; extra headers may hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("api_url", &self.api_url.as_str())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A call of the client that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Halo failed, refused, or may not be asked yet.
    #[error("{}", .0.sentence())]
    Halo(Failure),
    /// Our own state or secrets failed.
    #[error(transparent)]
    Ours(StepError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Ours(error.into())
    }
}

impl From<SecretsError> for Error {
    fn from(error: SecretsError) -> Self {
        Error::Ours(error.into())
    }
}

impl Error {
    /// Whether the request may have been acted upon although no proper answer came: a create must be
    /// looked for before it is sent again (M6).
    pub fn may_have_acted(&self) -> bool {
        match self {
            Error::Ours(_) => false,
            Error::Halo(failure) => {
                matches!(failure.kind, Kind::Unavailable { .. } | Kind::Malformed { .. })
            }
        }
    }
}

/// The client; cheap to clone, and all clones share token and budget.
#[derive(Clone, Debug)]
pub struct Halo {
    shared: Arc<Shared>,
    meter: Arc<Meter>,
    priority: Priority,
    /// From then on nothing is changed.
    until: Option<Timestamp>,
}

/// How fast requests may follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A budget is kept, of about a request a second (H2).
    Limited,
    /// As fast as Halo answers.
    Unlimited,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    http: reqwest::Client,
    store: Store,
    tokens: Tokens,
    budget: Budget,
    agent_roles: agent_roles::Known,
}

/// A request to the API, before it has a token.
#[derive(Debug)]
struct Call {
    /// What it is for, as the end of "could not …".
    operation: &'static str,
    method: Method,
    /// Segments below the API's address.
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Call {
    fn get(operation: &'static str, path: &[&str]) -> Self {
        let path = path.iter().map(|&segment| segment.to_owned()).collect();
        Self { operation, method: Method::GET, path, query: Vec::new(), body: None }
    }

    /// Posts one record; Halo wants an array.
    fn post(operation: &'static str, path: &str, record: Value) -> Self {
        let body = Some(Value::Array(vec![record]));
        Self { method: Method::POST, body, ..Self::get(operation, &[path]) }
    }

    fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.query.push((name, format!("{value}")));
        self
    }
}

impl Halo {
    /// A client on `http`, whose budget and index are in `store`.
    pub fn new(settings: Settings, http: reqwest::Client, store: Store) -> Self {
        let budget = Budget::new(settings.limit);
        let (tokens, agent_roles) = (Tokens::default(), agent_roles::Known::default());
        let shared = Shared { settings, http, store, tokens, budget, agent_roles };
        let (meter, priority) = (Arc::default(), Priority::default());
        Self { shared: Arc::new(shared), meter, priority, until: None }
    }

    /// The same client counting its requests in `meter`.
    #[must_use]
    pub fn with_meter(&self, meter: Arc<Meter>) -> Self {
        Self { meter, ..self.clone() }
    }

    /// The same client taking from the budget as somebody of this priority may.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// The same client changing nothing from a moment on: a worker that stood still for longer than its
    /// lease must not send what somebody else has taken over (T2).
    #[must_use]
    pub fn with_end(&self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self.clone() }
    }

    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| self.clock().now() > until)
    }

    /// Requests that Halo may get at once from this deployment (H2); `None` = no limit.
    pub async fn budget_left(&self) -> Result<Option<u32>, StoreError> {
        self.shared.budget.left(&self.shared.store).await
    }

    /// How the request budget of the deployment stands (H2). Asks our store, and not Halo.
    pub async fn budget(&self) -> Result<BudgetReport, StoreError> {
        self.shared.budget.report(&self.shared.store).await
    }

    /// How fast requests may follow each other.
    pub(crate) fn pace(&self) -> Pace {
        match self.shared.settings.limit {
            RequestLimit::Shared(_) => Pace::Limited,
            RequestLimit::Unlimited => Pace::Unlimited,
        }
    }

    fn clock(&self) -> &dyn Clock {
        self.shared.store.clock.as_ref()
    }

    /// The body of a successful answer.
    async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let answer = self.call(call).await?;
        if !answer.status.is_success() {
            let kind = self.classify(&answer);
            return Err(failed(call.operation, kind));
        }
        wire::json(&answer.body).map_err(|kind| failed(call.operation, kind))
    }

    /// One page of a list.
    async fn rows(&self, call: &Call, key: &str) -> Result<wire::List, Error> {
        let body = self.json(call).await?;
        wire::list(body, key).map_err(|kind| failed(call.operation, kind))
    }

    /// As [`Halo::json`]; `None` when Halo has no such record.
    async fn json_if_found(&self, call: &Call) -> Result<Option<Value>, Error> {
        match self.json(call).await {
            Ok(body) => Ok(Some(body)),
            Err(Error::Halo(Failure { kind: Kind::Refused { status: 404, .. }, .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a call with a token, and again with a new one if that is refused.
    async fn call(&self, call: &Call) -> Result<Answer, Error> {
        let token = self.token(None).await?;
        let answer = self.send_call(call, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.token(Some(&token)).await?;
        let answer = self.send_call(call, &token).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let error = "HTTP 401 with a new token; check the scope and the agent's rights";
            let kind = Kind::Credentials { code: None, error: error.to_owned() };
            return Err(failed(call.operation, kind));
        }
        Ok(answer)
    }

    async fn send_call(&self, call: &Call, token: &Token) -> Result<Answer, Error> {
        let mut address = self.shared.settings.api_url.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.pop_if_empty().extend(&call.path);
        }
        let mut request = self.shared.http.request(call.method.clone(), address).query(&call.query);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        self.send(call.operation, request, Some(token), call.method != Method::GET).await
    }

    /// Sends one request within the budget. A 429 stops everybody (H2).
    async fn send(
        &self,
        operation: &str,
        request: RequestBuilder,
        token: Option<&Token>,
        changes: bool,
    ) -> Result<Answer, Error> {
        let Shared { settings, store, budget, .. } = &*self.shared;
        if let Taken::No(kind) = budget.take(store, self.priority).await? {
            return Err(failed(operation, kind));
        }
        let mut request = request.headers(settings.extra_headers.clone());
        if let Some(token) = token {
            request = request.bearer_auth(token.text.expose_secret());
        }
        if changes && self.is_over() {
            let detail = "the worker's time was over before it was sent".to_owned();
            return Err(failed(operation, Kind::Unavailable { detail }));
        }
        self.meter.request(Service::Halo);
        let answer = http::send(Service::Halo, operation, request).await.map_err(Error::Halo)?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = answer.retry_after().or_else(|| retry_after_in(&answer.body));
            budget.close(store, retry_after).await?;
            return Err(failed(operation, Kind::Throttled { retry_after }));
        }
        Ok(answer)
    }

    /// A text of Halo's, made safe to keep and show (H5).
    fn clean(&self, text: &[u8]) -> String {
        let used = self.shared.tokens.used_secret();
        let used = used.as_ref().map(ExposeSecret::expose_secret);
        error_text::clean(text, used.as_slice())
    }

    /// What an answer that is no success means.
    fn classify(&self, answer: &Answer) -> Kind {
        let text = self.clean(&answer.body);
        let status = answer.status.as_u16();
        if answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT {
            let told = if text.is_empty() { String::new() } else { format!(": {text}") };
            return Kind::Unavailable { detail: format!("HTTP {status}{told}") };
        }
        if answer.status == StatusCode::FORBIDDEN {
            let code =
                if text.is_empty() { "HTTP 403".to_owned() } else { format!("HTTP 403: {text}") };
            return Kind::Forbidden { code };
        }
        if answer.status.is_redirection() {
            let message = "it answers from another address; check Halo's API address".to_owned();
            return Kind::Refused { status, code: String::new(), message };
        }
        let (code, message) = error_text::split_code(&text);
        Kind::Refused { status, code: code.to_owned(), message: message.to_owned() }
    }
}

fn failed(operation: &str, kind: Kind) -> Error {
    Error::Halo(Failure { service: Service::Halo, operation: operation.to_owned(), kind })
}

/// Seconds to wait as some instances write them into the body of a 429.
fn retry_after_in(body: &[u8]) -> Option<u32> {
    let body = wire::json(body).and_then(wire::record).ok()?;
    http::parse_retry_after(&body.text("retry_after"))
}
