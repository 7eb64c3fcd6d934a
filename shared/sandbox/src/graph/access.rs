//! Access tokens and what they allow.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::Call;
use super::faults::take;
use super::login::credential::Proof;
use super::model::Model;
use super::reply::Reply;

/// Microsoft Graph's own application id, named in challenges.
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

const READ_USERS: &[&str] = &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"];
const READ_GROUPS: &[&str] =
    &["GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All"];

/// The permissions that a call finds: those in the token, less those denied by a fault.
#[derive(Clone)]
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

#[derive(Clone)]
struct Token {
    permissions: BTreeSet<String>,
    expires: Timestamp,
}

/// The access tokens issued so far.
#[derive(Clone, Default)]
pub(super) struct AccessTokens(BTreeMap<String, Token>);

impl AccessTokens {
    /// All of them.
    pub(super) fn issued(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// On whose behalf a token is.
pub(super) enum Bearer {
    /// The application's own.
    Application(Proof),
    /// A person's who signed in.
    Person { user: String, proof: Proof },
}

/// This Graph, under the names by which scopes call it.
pub(super) struct Resource<'a>(&'a str);

impl<'a> Resource<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        Self(&call.base)
    }

    /// The permission in a scope of this Graph; `None` = a scope of another resource. A bare name
    /// is one of Graph's.
    pub(super) fn permission<'s>(&self, scope: &'s str) -> Option<&'s str> {
        let Some((resource, permission)) = scope.rsplit_once('/') else { return Some(scope) };
        let resource = resource.trim_end_matches('/');
        (resource == self.0 || resource == "https://graph.microsoft.com").then_some(permission)
    }
}

/// Makes an access token with permissions that stay with it, and tells its lifetime in seconds.
pub(super) fn issue(
    model: &mut Model,
    permissions: BTreeSet<String>,
    bearer: &Bearer,
) -> (String, i64) {
    let lifetime = 3599 + model.rng.i64(0..1800);
    let now = model.clock.now();
    let expires = now + jiff::SignedDuration::from_secs(lifetime);
    let text = if model.faults.opaque_access_tokens {
        model.random_text(600)
    } else {
        let claims = claims(model, &permissions, bearer, now, expires);
        jwt(model, &claims)
    };
    model.access.0.insert(text.clone(), Token { permissions, expires });
    (text, lifetime)
}

/// The claims of today's tokens: an application's permissions are its roles, a person's the scopes.
fn claims(
    model: &Model,
    permissions: &BTreeSet<String>,
    bearer: &Bearer,
    now: Timestamp,
    expires: Timestamp,
) -> Value {
    let (kind, owner, proof) = match bearer {
        Bearer::Application(proof) => ("app", &model.app.service_principal, proof),
        Bearer::Person { user, proof } => ("user", user, proof),
    };
    let proof = match proof {
        Proof::Secret => "1",
        Proof::Certificate => "2",
    };
    let mut claims = json!({ "aud": "https://graph.microsoft.com", "idtyp": kind,
        "appid": model.app.client_id, "appidacr": proof, "tid": model.tenant.id,
        "oid": owner, "iat": now.as_second(), "nbf": now.as_second(),
        "exp": expires.as_second(), "ver": "1.0" });
    match bearer {
        _ if permissions.is_empty() => {}
        Bearer::Application(_) => claims["roles"] = json!(permissions),
        Bearer::Person { .. } => {
            let scopes: Vec<&str> = permissions.iter().map(String::as_str).collect();
            claims["scp"] = scopes.join(" ").into();
        }
    }
    claims
}

/// The form of today's tokens. The signature is noise: only Graph may validate its tokens.
pub(super) fn jwt(model: &mut Model, claims: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "RS256" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&header), part(claims), model.random_text(342))
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
    let rights = Rights(known.permissions.difference(&model.faults.denied).cloned().collect());
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
