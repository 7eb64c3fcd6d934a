//! Traces in the form of AWS X-Ray: from the timer's tick, or a call of the API, through every hint to
//! each request to Graph and Halo.
//!
//! Each invocation of a function has a trace of its own, which Lambda begins. What caused it travels
//! with the hints: log lines name it as `trace`, so that one search finds everything that followed
//! from a tick, and each request is told to the X-Ray daemon with it as the annotation `cause`.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::sync::OnceLock;

use jiff::Timestamp;
use plan::failure::Service;
use serde_json::{Value, json};

use crate::clock::{Clock, SystemClock};
use crate::random::Random;

/// Where an invocation is in its trace, as the header `X-Amzn-Trace-Id` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    root: String,
    parent: Option<String>,
    sampled: bool,
}

impl Header {
    /// Reads a header; `None` for what is not of its form, as it goes into logs and messages.
    pub fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = text.split(';').filter_map(|field| field.trim().split_once('='));
            fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let root = field("Root").filter(|root| is_root(root))?.to_owned();
        let parent = field("Parent").filter(|id| is_hex(id, 16)).map(str::to_owned);
        Some(Self { root, parent, sampled: field("Sampled") == Some("1") })
    }

    /// The trace's id.
    pub fn root(&self) -> &str {
        &self.root
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.root)?;
        if let Some(parent) = &self.parent {
            write!(f, ";Parent={parent}")?;
        }
        write!(f, ";Sampled={}", u8::from(self.sampled))
    }
}

/// As in `1-5f84c7a7-0123456789abcdef01234567`: version, seconds since 1970, and chance.
fn is_root(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), ["1", time, chance] if is_hex(time, 8) && is_hex(chance, 24))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What the work at hand belongs to.
#[derive(Clone, Debug)]
struct Current {
    /// What caused it, maybe some invocations ago.
    cause: Header,
    /// The invocation that does it.
    invocation: Header,
}

tokio::task_local! {
    static CURRENT: Current;
}

/// Does `work` as part of a trace. `cause` came with the message, `invocation` from the runtime; with
/// only one of them that is both, with none there is no trace.
pub async fn within<T>(
    cause: Option<&str>,
    invocation: Option<&str>,
    work: impl Future<Output = T>,
) -> T {
    let invocation = invocation.and_then(Header::parse);
    let cause = cause.and_then(Header::parse).or_else(|| invocation.clone());
    match cause {
        None => work.await,
        Some(cause) => {
            let invocation = invocation.unwrap_or_else(|| cause.clone());
            CURRENT.scope(Current { cause, invocation }, work).await
        }
    }
}

/// What caused the work at hand, to be handed on with messages.
pub fn cause() -> Option<Header> {
    CURRENT.try_with(|current| current.cause.clone()).ok()
}

/// The id of [`cause`], for log lines, which leave out what there is not.
pub fn id() -> Option<String> {
    cause().map(|header| header.root)
}

/// A request under way, to be told of when it is over.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    service: Service,
    operation: &'a str,
    began: Timestamp,
}

impl<'a> Request<'a> {
    /// Notes that a request begins.
    pub(crate) fn begin(service: Service, operation: &'a str) -> Self {
        Self { service, operation, began: SystemClock.now() }
    }

    /// Tells the daemon how it ended; `None` = no answer. Without a daemon, or in a trace that nobody
    /// wants to see, nothing is told.
    pub(crate) fn end(self, status: Option<u16>) {
        let Some(daemon) = DAEMON.get().and_then(Option::as_ref) else { return };
        let Ok(current) = CURRENT.try_with(Clone::clone) else { return };
        if current.invocation.sampled {
            daemon.tell(&self.segment(&current, status, SystemClock.now()));
        }
    }

    /// The subsegment. No address: it may hold a name or a link's token.
    fn segment(&self, current: &Current, status: Option<u16>, ended: Timestamp) -> Value {
        let seconds = |at: Timestamp| at.as_duration().as_secs_f64();
        let status = status.unwrap_or_default();
        json!({
            "type": "subsegment",
            "trace_id": current.invocation.root,
            "parent_id": current.invocation.parent,
            "id": identifier(),
            "name": match self.service {
                Service::Graph => "Microsoft Graph",
                Service::Login => "Microsoft Entra sign-in",
                Service::Halo => "Halo",
            },
            "namespace": "remote",
            "start_time": seconds(self.began),
            "end_time": seconds(ended),
            "http": { "response": { "status": status } },
            "throttle": status == 429,
            "error": (400..500).contains(&status),
            "fault": status == 0 || status >= 500,
            "annotations": { "operation": self.operation, "cause": current.cause.root },
        })
    }
}

fn identifier() -> String {
    static RANDOM: OnceLock<Random> = OnceLock::new();
    let id = RANDOM.get_or_init(Random::default).uuid();
    id.simple().to_string()[16..].to_owned()
}

static DAEMON: OnceLock<Option<Daemon>> = OnceLock::new();

/// The X-Ray daemon, which Lambda runs beside each traced function.
#[derive(Debug)]
struct Daemon {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Daemon {
    fn at(address: SocketAddr) -> Option<Self> {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, address })
    }

    /// One datagram; lost ones are lost.
    fn tell(&self, segment: &Value) {
        let text = format!("{{\"format\":\"json\",\"version\":1}}\n{segment}");
        let _ = self.socket.send_to(text.as_bytes(), self.address);
    }
}

/// Tells requests of this process to the daemon at this address from now on.
pub(super) fn start(address: Option<SocketAddr>) {
    let _ = DAEMON.set(address.and_then(Daemon::at));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;

    const ROOT: &str = "1-5f84c7a7-0123456789abcdef01234567";

    #[test]
    fn a_header_is_read_and_written_and_anything_else_is_none() {
        let all = format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1");
        let cases = [
            (all.as_str(), Some(all.clone())),
            (&format!("root={ROOT}; lineage=a:1"), Some(format!("Root={ROOT};Sampled=0"))),
            (&format!("Root={ROOT};Parent=nonsense"), Some(format!("Root={ROOT};Sampled=0"))),
            ("", None),
            ("Root=1-5f84c7a7-xyz", None),
            ("Root=2-5f84c7a7-0123456789abcdef01234567", None),
            ("Parent=53995c3f42cd8ad8", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Header::parse(text).map(|header| header.to_string()), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn what_caused_a_message_is_handed_on() {
        let (tick, own) = (format!("Root={ROOT}"), format!("Root={}", ROOT.replace('7', "8")));
        let root = Some(ROOT.to_owned());
        assert_eq!(within(Some(&tick), Some(&own), async { id() }).await, root);
        assert_eq!(within(None, Some(&tick), async { id() }).await, root);
        assert_eq!(within(Some("rubbish"), None, async { id() }).await, None);
    }

    #[test]
    fn a_request_is_told_without_its_address() {
        let header = Header::parse(&format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"));
        let current = Current { cause: header.clone().unwrap(), invocation: header.unwrap() };
        let request = Request::begin(Service::Halo, "update a user");
        for (status, throttle, error, fault) in [
            (Some(200), false, false, false),
            (Some(429), true, true, false),
            (Some(404), false, true, false),
            (Some(503), false, false, true),
            (None, false, false, true),
        ] {
            let segment = request.segment(&current, status, request.began);
            let told = (&segment["throttle"], &segment["error"], &segment["fault"]);
            assert_eq!(told, (&json!(throttle), &json!(error), &json!(fault)), "{status:?}");
            assert_eq!(segment["trace_id"], ROOT);
            assert_eq!(segment["id"].as_str().map(str::len), Some(16));
            assert!(!segment.to_string().contains("http://"));
        }
    }
}
