//! Microsoft Graph: one client for each connection and step, reading people, groups, permissions and
//! licences, which it also assigns.
//!
//! | file | does |
//! |---|---|
//! | `hosts` | where each cloud's login and Graph are (C2) |
//! | `token` | signing in, and the process's access tokens |
//! | `refusal` | what an error answer means |
//! | `wire` | reading JSON leniently, page by page |
//! | `person`, `people` | one user object; the calls that read users |
//! | `group`, `groups` | one group object; the calls that read groups and members |
//! | `sign_ins` | the call that lists last sign-ins |
//! | `licences` | the calls about subscriptions and who holds licences |
//! | `batch` | many small requests in one |
//! | `probe` | which permissions the connection has (C6) |
//!
//! A request is made once: whoever called decides by [`plan::failure::Failure::next`] when the step
//! is tried again. There are two exceptions. A refused token is renewed and the request repeated,
//! once; and requests inside a batch that are throttled are sent again, because the rest of the batch
//! would be lost with them.

mod batch;
mod group;
mod groups;
mod hosts;
mod licences;
mod people;
mod person;
mod probe;
mod refusal;
mod sign_ins;
mod token;
mod wire;

use std::sync::Arc;

use plan::cursor::{Link, Next};
use plan::failure::{Failure, Kind, Service};
use plan::ids::{AppId, TenantId};
use reqwest::{Method, StatusCode};
use url::Url;
use uuid::Uuid;

pub use group::{GroupChange, GroupNews, Member};
pub use groups::{FoundGroup, GroupChoice, GroupChoices, GroupKind};
pub use hosts::Hosts;
pub use probe::{Grant, Permission};
pub(crate) use refusal::{aadsts_in, error_word};
pub use sign_ins::SignIn;
pub(crate) use token::Endpoint;
pub use token::{Behalf, Credential, NotSignedIn, Session, SignedIn, Tokens};

use crate::clock::Clock;
use crate::http::{self, Answer};
use crate::meter::Meter;
use crate::random::Random;
use refusal::{Carried, Refusal};
use token::Token;

/// Where a connection's directory is, and how to get in.
#[derive(Clone, Debug)]
pub struct Access {
    /// Login and Graph of the connection's cloud.
    pub hosts: Hosts,
    /// The directory.
    pub tenant: TenantId,
    /// The application that signs in.
    pub client: AppId,
    /// What proves that it is the application.
    pub credential: Credential,
    /// On whose behalf it reads.
    pub behalf: Behalf,
}

/// A page that was read, and where the next one is.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What it says, in Graph's order; the same person or group may come several times.
    pub items: Vec<T>,
    /// The next page, or the end.
    pub next: Next,
    /// Items that say nothing: without a usable id, or with everything null because the application
    /// may not read that kind of object.
    pub skipped: u64,
}

/// Graph for one connection during one step.
#[derive(Debug)]
pub struct Graph {
    access: Access,
    http: reqwest::Client,
    tokens: Tokens,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
    random: Arc<Random>,
}

/// A request before it has a token.
#[derive(Debug)]
struct Ask {
    /// What it is for, as the end of "could not …".
    operation: &'static str,
    url: Url,
    /// The JSON of a POST; `None` = GET.
    body: Option<Vec<u8>>,
    /// Asks for the index behind advanced queries (Microsoft Graph documentation, advanced queries).
    eventual: bool,
    carried: Carried,
}

impl Graph {
    /// A client that shares `tokens` with all others of the process and counts with `meter`.
    pub fn new(
        access: Access,
        http: reqwest::Client,
        tokens: Tokens,
        meter: Arc<Meter>,
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
    ) -> Self {
        Self { access, http, tokens, meter, clock, random }
    }

    /// A GET of a path below the version root, which begins with `/` and is percent-encoded.
    fn asking(&self, operation: &'static str, path: &str) -> Result<Ask, Failure> {
        let text = format!("{}/v1.0{path}", self.access.hosts.graph);
        let url = Url::parse(&text).map_err(|_| {
            let detail = "the cloud's Graph address is not an address".to_owned();
            failed(operation, Kind::Malformed { detail })
        })?;
        Ok(Ask { operation, url, body: None, eventual: false, carried: Carried::Nothing })
    }

    /// The GET of a link, or without one of the path that starts a round.
    fn following(
        &self,
        operation: &'static str,
        link: Option<&Link>,
        start: impl FnOnce() -> String,
    ) -> Result<Ask, Failure> {
        let Some(link) = link else { return self.asking(operation, &start()) };
        let url = self.own(link).ok_or_else(|| failed(operation, Kind::ForeignLink))?;
        Ok(Ask { operation, url, body: None, eventual: false, carried: Carried::Link })
    }

    /// The address of a link, if it leads to this connection's Graph and nowhere else (D2). The
    /// address sends the same bytes: parsing escapes only what no request line can hold.
    fn own(&self, link: &Link) -> Option<Url> {
        let graph = Url::parse(&self.access.hosts.graph).ok()?;
        let url = Url::parse(link.expose()).ok()?;
        let same = url.origin() == graph.origin() && url.origin().is_tuple();
        // A name before the host would become an authorisation header of its own.
        (same && url.username().is_empty() && url.password().is_none()).then_some(url)
    }

    /// Sends a request, with one more try if the token is refused, and gives any answer that arrived.
    async fn ask(&self, ask: &Ask) -> Result<Answer, Failure> {
        let id = self.random.uuid();
        let token = self.token(None).await?;
        let answer = self.send(ask, id, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Single backends have been seen to refuse good tokens, so a new one gets one chance.
        let token = self.token(Some(&token)).await?;
        self.send(ask, id, &token).await
    }

    /// As [`Self::ask`], but only a success is an answer.
    async fn get(&self, ask: &Ask) -> Result<Answer, Failure> {
        let answer = self.ask(ask).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(failed(ask.operation, Refusal::of(&answer).kind(ask.carried)))
    }

    async fn send(&self, ask: &Ask, id: Uuid, token: &Token) -> Result<Answer, Failure> {
        let method = if ask.body.is_some() { Method::POST } else { Method::GET };
        let mut request = self
            .http
            .request(method, ask.url.clone())
            .bearer_auth(token.expose())
            .header("accept", "application/json")
            .header("client-request-id", id.to_string())
            // An import is background work: others of the tenant go first.
            .header("x-ms-throttle-priority", "low");
        if ask.eventual {
            request = request.header("ConsistencyLevel", "eventual");
        }
        if let Some(body) = &ask.body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        self.meter.request(Service::Graph);
        let answer = http::send(Service::Graph, ask.operation, request).await?;
        log(ask.operation, id, &answer);
        Ok(answer)
    }

    /// A page of items, each read by `reader`, whose link must lead to this Graph as well.
    async fn page<R: wire::Reader + Copy>(
        &self,
        ask: &Ask,
        reader: R,
        end: wire::End,
    ) -> Result<wire::Body<R::Value>, Failure> {
        let answer = self.get(ask).await?;
        let page =
            wire::page(&answer.body, reader, end).map_err(|kind| failed(ask.operation, kind))?;
        match &page.next {
            // Told now, while the position before this page is still the one that is stored.
            Next::Page(link) | Next::End(Some(link)) if self.own(link).is_none() => {
                Err(failed(ask.operation, Kind::ForeignLink))
            }
            Next::Page(_) | Next::End(_) => Ok(page),
        }
    }
}

fn failed(operation: &str, kind: Kind) -> Failure {
    Failure { service: Service::Graph, operation: operation.to_owned(), kind }
}

/// What support needs to find a request again; no address, because that may hold a link's token.
fn log(operation: &str, id: Uuid, answer: &Answer) {
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let status = answer.status.as_u16();
    let code = if answer.status.is_success() { String::new() } else { Refusal::of(answer).code };
    tracing::debug!(
        operation,
        status,
        code,
        client_request_id = %id,
        request_id = header("request-id"),
        date = header("date"),
        throttle = header("x-ms-throttle-limit-percentage"),
        "Graph answered"
    );
}

/// A value inside a query, percent-encoded.
fn encoded(value: &str) -> String {
    // A blank is `+` only in forms; whether Graph takes it for one in a query is not documented.
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A text inside an `OData` expression, in quotes and percent-encoded.
fn quoted(text: &str) -> String {
    encoded(&format!("'{}'", text.replace('\'', "''")))
}

#[cfg(test)]
mod tests;
