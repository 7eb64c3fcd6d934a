//! Signing in: the token endpoint, what a token may do, and the discovery document.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::Reply;
use super::call::{Call, Query};
use super::kinds::{Gate, Kind};
use super::knobs::{IdToken, WrongTenant};
use super::model::{Model, text};
use super::{API_AGENT_ID, CLIENT_ID, CLIENT_SECRET, TENANT};

/// Areas with a `read:` and an `edit:` scope. Users, sites and clients belong to `customers`;
/// there is none for users or agents.
const AREAS: [&str; 19] = [
    "tickets",
    "calendar",
    "customers",
    "crm",
    "timesheets",
    "contracts",
    "suppliers",
    "items",
    "projects",
    "sales",
    "quotes",
    "sos",
    "pos",
    "invoices",
    "reporting",
    "software",
    "softwarelicensing",
    "kb",
    "assets",
];

/// Scopes about the sign-in itself.
const SIGN_IN: [&str; 5] = ["openid", "email", "profile", "offline_access", "roles"];

/// The application that signs in, as an administrator of Halo set it up.
#[derive(Clone)]
pub(super) struct Application {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    /// The tenant of a hosted instance; `None` answers to any.
    pub(super) tenant: Option<String>,
    /// What it was given; `all` stands for everything.
    pub(super) scopes: BTreeSet<String>,
    /// The agent it logs in as.
    pub(super) agent_id: i64,
    tokens: BTreeMap<String, Token>,
    issued: u64,
}

#[derive(Clone)]
struct Token {
    scopes: BTreeSet<String>,
    expires: Timestamp,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            tenant: Some(TENANT.to_owned()),
            scopes: BTreeSet::from(["all".to_owned()]),
            agent_id: API_AGENT_ID,
            tokens: BTreeMap::new(),
            issued: 0,
        }
    }
}

impl Application {
    /// All tokens that still work.
    pub(super) fn issued(&self) -> impl Iterator<Item = &str> {
        self.tokens.keys().map(String::as_str)
    }

    /// Every token given so far stops working.
    pub(super) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// What of the asked scopes is given; `None` if there is no such scope.
    fn grant(&self, asked: &str) -> Option<BTreeSet<String>> {
        let asked: Option<Vec<_>> = asked.split_whitespace().map(expand).collect();
        let own = self.scopes.iter().filter_map(|name| expand(name)).flatten();
        let own: BTreeSet<String> = own.chain(SIGN_IN.map(str::to_owned)).collect();
        let asked: BTreeSet<String> = asked?.into_iter().flatten().collect();
        Some(asked.intersection(&own).cloned().collect())
    }

    fn issue(&mut self, scopes: BTreeSet<String>, now: Timestamp, seconds: i64) -> String {
        self.issued += 1;
        let expires = now + SignedDuration::from_secs(seconds);
        let token = jwt(&json!({ "jti": self.issued, "exp": expires.as_second() }));
        self.tokens.insert(token.clone(), Token { scopes, expires });
        token
    }

    /// The status with which a request is turned away, if it is.
    pub(super) fn turns_away(
        &self,
        call: &Call,
        now: Timestamp,
        kind: Option<Kind>,
    ) -> Option<Reply> {
        let header = call.header("authorization").unwrap_or_default();
        let bearer = header.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let token = bearer.and_then(|(_, token)| self.tokens.get(token.trim()));
        let valid = token.filter(|token| token.expires > now && !token.scopes.is_empty());
        let Some(token) = valid else {
            return Some(Reply::empty(401).with_header("www-authenticate", "Bearer"));
        };
        let gate = kind.map(Kind::gate);
        let allowed = gate.is_none_or(|gate| token.opens(gate, call.method == "GET"));
        (!allowed).then(|| Reply::text(403, "Forbidden"))
    }
}

impl Token {
    fn opens(&self, gate: Gate, reads: bool) -> bool {
        let area = |name: &str| {
            self.scopes.contains(&format!("edit:{name}"))
                || (reads && self.scopes.contains(&format!("read:{name}")))
        };
        match gate {
            Gate::Customers => area("customers"),
            Gate::Licences => area("softwarelicensing") || area("software"),
            Gate::Administration => reads || self.scopes.contains("admin"),
        }
    }
}

impl Model {
    /// Answers `POST /auth/token`.
    pub(super) fn token(&mut self, call: &Call) -> Reply {
        if call.method != "POST" {
            return Reply::empty(405);
        }
        let form = Query::parse(&call.body);
        let tenant = call.query.text("tenant").or_else(|| form.text("tenant"));
        if let (Some(asked), Some(own)) = (tenant, self.application.tenant.as_deref())
            && !asked.eq_ignore_ascii_case(own)
        {
            return match self.knobs.wrong_tenant {
                WrongTenant::HtmlPage => Reply::html(500, "Server Error in '/' Application."),
                WrongTenant::Empty => Reply::empty(500),
            };
        }
        if form.text("grant_type") != Some("client_credentials") {
            return oauth_error(400, "unsupported_grant_type", "The grant type is not supported.");
        }
        let (id, secret) = credentials(call, &form);
        if id != self.application.client_id || secret != self.application.client_secret {
            return oauth_error(401, "invalid_client", "The client credentials are invalid.");
        }
        let asked = form.text("scope");
        match self.application.grant(asked.unwrap_or_default()) {
            Some(scopes) => self.token_reply(scopes, asked.is_some()),
            None => oauth_error(400, "invalid_scope", "A requested scope does not exist."),
        }
    }

    /// A token asked for without a scope is given and opens nothing.
    fn token_reply(&mut self, scopes: BTreeSet<String>, scope_asked: bool) -> Reply {
        let (now, seconds) = (self.now(), self.knobs.token_seconds);
        let said = scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let token = self.application.issue(scopes, now, seconds);
        let id = self.application.agent_id;
        let agent = self.row(Kind::Agents, id);
        let of_agent = |name| agent.map_or("", |agent| text(agent, name));
        let who = json!({ "id": id, "name": of_agent("name"), "email": of_agent("email") });
        let mut body = json!({
            "token_type": "Bearer", "expires_in": seconds, "access_token": token,
        });
        if self.knobs.id_token == IdToken::Given {
            body["id_token"] = json!(jwt(&who));
        }
        if scope_asked {
            body["scope"] = json!(said);
        }
        Reply::json(200, &body)
    }

    /// Answers `GET /api/authinfo`, which needs no token.
    pub(super) fn authinfo(&self, call: &Call) -> Reply {
        let host = call.header("host").unwrap_or("localhost");
        Reply::json(
            200,
            &json!({
                "auth_url": format!("http://{host}/auth"),
                "tenant_id": self.application.tenant.as_deref().unwrap_or_default(),
            }),
        )
    }
}

/// Client id and secret from the form, or else from HTTP Basic.
fn credentials(call: &Call, form: &Query) -> (String, String) {
    if let (Some(id), Some(secret)) = (form.text("client_id"), form.text("client_secret")) {
        return (id.to_owned(), secret.to_owned());
    }
    let basic = call.header("authorization").and_then(|header| header.strip_prefix("Basic "));
    let decoded = basic.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let (id, secret) = pair.split_once(':').unwrap_or_default();
    (id.to_owned(), secret.to_owned())
}

/// The scopes that a name stands for; `None` if Halo does not know the name.
pub(super) fn expand(name: &str) -> Option<Vec<String>> {
    let pairs = || AREAS.iter().flat_map(|area| [format!("read:{area}"), format!("edit:{area}")]);
    let sign_in = || SIGN_IN.map(str::to_owned).into_iter();
    let known = || pairs().chain(OTHERS.map(str::to_owned)).chain(sign_in());
    match name {
        "all" => Some(known().collect()),
        "all:standard" => Some(pairs().chain(sign_in()).collect()),
        _ => known().find(|known| known == name).map(|name| vec![name]),
    }
}

/// Scopes that are not a pair.
const OTHERS: [&str; 9] = [
    "admin",
    "editMine:timesheets",
    "access:chat",
    "access:adpasswordreset",
    "read:webhook",
    "admin:webhooks",
    "read:events",
    "read:distributionlists",
    "read:mailcampaign",
];

fn oauth_error(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description }))
}

/// An unsigned token with these claims; nobody checks the signature of a simulator.
fn jwt(claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none" })), part(claims))
}
