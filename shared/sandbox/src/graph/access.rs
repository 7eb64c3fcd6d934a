//! Access tokens and what they allow.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::json;

use super::call::Call;
use super::faults::take;
use super::model::Model;
use super::reply::Reply;

/// Microsoft Graph's own application id, named in challenges.
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

const READ_USERS: &[&str] = &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"];
const READ_GROUPS: &[&str] =
    &["GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All"];

/// The permissions that a call finds: those in the token, less those denied by a fault.
pub(super) struct Rights(BTreeSet<String>);

impl Rights {
    /// Whether one of the permissions is there.
    pub(super) fn any(&self, permissions: &[&str]) -> bool {
        permissions.iter().any(|permission| self.0.contains(*permission))
    }

    pub(super) fn reads_users(&self) -> bool {
        self.any(READ_USERS)
    }

    pub(super) fn reads_groups(&self) -> bool {
        self.any(READ_GROUPS)
    }
}

struct Token {
    roles: BTreeSet<String>,
    expires: Timestamp,
}

/// The access tokens issued so far.
#[derive(Default)]
pub(super) struct AccessTokens(BTreeMap<String, Token>);

impl AccessTokens {
    /// All of them.
    pub(super) fn issued(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Makes an access token with the permissions granted now; they stay with it.
pub(super) fn issue(model: &mut Model, lifetime: i64) -> String {
    let now = model.clock.now();
    let expires = now + jiff::SignedDuration::from_secs(lifetime);
    let roles = model.app.grants.clone();
    let text = if model.faults.opaque_access_tokens {
        model.random_text(600)
    } else {
        jwt(model, &roles, now, expires)
    };
    model.access.0.insert(text.clone(), Token { roles, expires });
    text
}

/// The form of today's tokens. The signature is noise: only Graph may validate its tokens.
fn jwt(model: &mut Model, roles: &BTreeSet<String>, now: Timestamp, expires: Timestamp) -> String {
    let header = json!({ "typ": "JWT", "alg": "RS256" });
    let mut claims = json!({ "aud": "https://graph.microsoft.com", "idtyp": "app",
        "appid": model.app.client_id, "appidacr": "1", "tid": model.tenant.id,
        "oid": model.app.service_principal, "iat": now.as_second(), "nbf": now.as_second(),
        "exp": expires.as_second(), "ver": "1.0" });
    if !roles.is_empty() {
        claims["roles"] = json!(roles);
    }
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&header), part(&claims), model.random_text(342))
}

/// Checks the bearer token of a call.
pub(super) fn check(model: &mut Model, call: &Call) -> Result<Rights, Reply> {
    let header = call.header("authorization").unwrap_or_default();
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if token.is_empty() {
        return Err(refusal(call, "Access token is empty."));
    }
    let Some(known) = model.access.0.get(token) else {
        let message = "CompactToken parsing failed with error code: 80049217";
        return Err(refusal(call, message));
    };
    if known.expires <= model.clock.now() {
        let message = "Lifetime validation failed, the token is expired.";
        return Err(refusal(call, message));
    }
    let rights = Rights(known.roles.difference(&model.faults.denied).cloned().collect());
    if take(&mut model.faults.refuse_valid_token) {
        return Err(refusal(call, "Access token has expired or is not yet valid."));
    }
    Ok(rights)
}

fn refusal(call: &Call, message: &str) -> Reply {
    let authorize = format!("{}/common/oauth2/authorize", call.base);
    let challenge =
        format!("Bearer realm=\"\", authorization_uri=\"{authorize}\", client_id=\"{GRAPH_APP}\"");
    Reply::error(401, "InvalidAuthenticationToken", message)
        .with_header("WWW-Authenticate", Some(challenge))
}
