//! The state of the simulated tenant and the way of a request through it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::access::{self, AccessTokens};
use super::call::Call;
use super::directory::{Directory, Seq};
use super::endpoints;
use super::faults::{Fault, Faults, Scripted, Wire};
use super::licences::Licences;
use super::login;
use super::login::credential::Registered;
use super::login::sessions::Sessions;
use super::reply::{Answer, Payload, Reply};
use super::throttle::{self, Bucket};
use super::tokens::{Cursor, Tokens};

/// A soft-deleted object is purged after this time (Microsoft Graph documentation, deleted items).
const RESTORABLE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the model takes for the present.
#[derive(Clone, Copy)]
pub(super) enum Clock {
    /// Stands still until it is moved.
    Fixed(Timestamp),
    System,
}

impl Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the model may ask the system"
    )]
    pub(super) fn now(self) -> Timestamp {
        match self {
            Clock::Fixed(now) => now,
            Clock::System => Timestamp::now(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Tenant {
    pub(super) id: String,
    pub(super) name: String,
    /// The initial domain, which also names the tenant in addresses.
    pub(super) domain: String,
    /// Whether it has Entra ID P1 or P2.
    pub(super) premium: bool,
}

/// The one application that is registered.
#[derive(Clone)]
pub(super) struct App {
    pub(super) client_id: String,
    pub(super) secret: String,
    pub(super) secret_expires: Option<Timestamp>,
    pub(super) service_principal: String,
    /// Names of the granted application permissions.
    pub(super) grants: BTreeSet<String>,
    /// Names of the delegated permissions that the tenant consented to.
    pub(super) delegated: BTreeSet<String>,
    /// The permissions that the registration lists, of both kinds: what an administrator consents to.
    pub(super) registered: BTreeSet<String>,
    pub(super) certificates: Vec<Registered>,
    pub(super) redirect_uris: BTreeSet<String>,
}

#[derive(Clone)]
pub(super) struct Model {
    pub(super) tenant: Tenant,
    pub(super) app: App,
    pub(super) clock: Clock,
    pub(super) directory: Directory,
    pub(super) licences: Licences,
    pub(super) faults: Faults,
    pub(super) script: Vec<Scripted>,
    pub(super) tokens: Tokens,
    pub(super) access: AccessTokens,
    pub(super) sessions: Sessions,
    /// Claims of the assertions that were accepted, each with its header under `header`.
    pub(super) assertions: Vec<Value>,
    /// ID tokens are signed with the next key, and the one before is published no more.
    pub(super) keys_rotated: bool,
    /// Object id of the person who signs in next.
    pub(super) signs_in: String,
    pub(super) extensions: BTreeSet<String>,
    pub(super) bucket: Bucket,
    pub(super) write_bucket: Bucket,
    pub(super) rng: fastrand::Rng,
}

impl Model {
    /// Answers a request of the wire, complete with headers.
    pub(super) fn answer(&mut self, call: &Call) -> (Reply, Wire) {
        let now = self.clock.now();
        self.directory.purge_deleted_until(now - RESTORABLE, now);
        let scripted = self.scripted(&call.path);
        let wire = scripted.as_ref().map_or(Wire::Whole, Fault::wire);
        let mut reply = match scripted.and_then(|fault| fault.reply()) {
            Some(reply) => reply,
            None => self.act(call),
        };
        self.finish(call, &mut reply);
        (reply, wire)
    }

    /// The scripted failure of a path, used up by asking.
    pub(super) fn scripted(&mut self, path: &str) -> Option<Fault> {
        let at = self.script.iter().position(|entry| path.starts_with(&entry.prefix))?;
        let entry = &mut self.script[at];
        if entry.skip > 0 {
            entry.skip -= 1;
            return None;
        }
        entry.left = entry.left.saturating_sub(1);
        let fault = entry.fault.clone();
        if entry.left == 0 {
            self.script.remove(at);
        }
        Some(fault)
    }

    fn act(&mut self, call: &Call) -> Reply {
        let segments = call.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let answer = match segments.as_slice() {
            ["v1.0", rest @ ..] => self.act_graph(call, rest),
            other => login::answer(self, call, other),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    fn act_graph(&mut self, call: &Call, path: &[&str]) -> Answer {
        let rights = access::check(self, call)?;
        if path == ["$batch"] {
            return super::batch::answer(self, call, &rights);
        }
        self.act_one(call, path, &rights)
    }

    /// One call of Graph, alone or inside a batch: charged, then answered.
    pub(super) fn act_one(
        &mut self,
        call: &Call,
        path: &[&str],
        rights: &access::Rights,
    ) -> Answer {
        let units = throttle::units(call, path);
        let charged = throttle::charge(self, units, throttle::writes(call, path))?;
        let answer = endpoints::answer(self, call, path, rights);
        let stamp = |mut reply: Reply| {
            reply.headers.push(("x-ms-resource-unit", units.to_string()));
            reply.with_header("x-ms-throttle-limit-percentage", charged.percentage())
        };
        answer.map(stamp).map_err(stamp)
    }

    /// Adds what every answer has: date, ids, the diagnostic header.
    fn finish(&mut self, call: &Call, reply: &mut Reply) {
        let now = self.clock.now();
        let date = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let request_id = self.random_id();
        let sent = call.header("client-request-id");
        let client_request_id = sent.map_or_else(|| request_id.clone(), str::to_owned);
        let graph = call.path.starts_with("/v1.0");
        reply.headers.push(("Date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        if !graph {
            if matches!(reply.body, Payload::Json(_)) {
                reply.headers.push(("Content-Type", "application/json; charset=utf-8".into()));
            }
            return;
        }
        reply.sign(&date, &request_id, &client_request_id);
        if reply.status < 300 && matches!(reply.body, Payload::Json(_)) {
            reply.headers.push(("OData-Version", "4.0".into()));
        }
        let diagnostic = r#"{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"003","RoleInstance":"AGSFE_IN_37"}}"#;
        reply.headers.extend([
            ("request-id", request_id),
            ("client-request-id", client_request_id),
            ("x-ms-ags-diagnostic", diagnostic.into()),
            ("Cache-Control", "no-cache".into()),
            ("Strict-Transport-Security", "max-age=31536000".into()),
            ("Vary", "Accept-Encoding".into()),
        ]);
    }

    /// The last change that a read with this delay in seconds sees.
    pub(super) fn visible(&self, delay: i64) -> Seq {
        let now = self.clock.now();
        if delay == 0 {
            return self.directory.seq();
        }
        self.directory.seq_at(now - SignedDuration::from_secs(delay))
    }

    /// As [`Self::visible`], but endless without a delay, which saves looking back.
    pub(super) fn sight(&self, delay: i64) -> Seq {
        if delay == 0 { Seq::MAX } else { self.visible(delay) }
    }

    /// Whether the name is a directory extension that this tenant has.
    pub(super) fn is_extension(&self, name: &str) -> bool {
        self.extensions.contains(name)
    }

    /// Where links lead: the address the caller used, unless they are forged.
    pub(super) fn link_base(&self, call: &Call) -> String {
        self.faults.forged_links_to.clone().unwrap_or_else(|| call.base.clone())
    }

    pub(super) fn issue(&mut self, cursor: Cursor) -> String {
        let now = self.clock.now();
        self.tokens.issue(cursor, now, &self.faults, &mut self.rng)
    }

    /// A random GUID of version 4.
    pub(super) fn random_id(&mut self) -> String {
        let random = self.rng.u128(..);
        uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().to_string()
    }

    pub(super) fn random_text(&mut self, length: usize) -> String {
        (0..length).map(|_| self.rng.alphanumeric()).collect()
    }
}

/// The id given in the properties, or a random one.
pub(super) fn id_of(model: &mut Model, properties: &Value) -> Uuid {
    let given = properties.get("id").and_then(Value::as_str).map(str::to_owned);
    let id = given.unwrap_or_else(|| model.random_id());
    Uuid::parse_str(&id).expect("an object id is a GUID")
}
