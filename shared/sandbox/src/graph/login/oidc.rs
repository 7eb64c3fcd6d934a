//! Signing people in for another application (OIDC): what the service says of itself, its keys, and ID
//! tokens, right ones and every kind of wrong one.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::super::call::Call;
use super::super::directory::Kind;
use super::super::faults::IdToken;
use super::super::model::Model;
use super::super::reply::{Payload, Reply};
use super::errors::redirect;
use super::sessions::Granted;

/// The tenant of personal accounts, which has keys of its own in the set for all tenants.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// What stands for the tenant in the issuer of the service for all tenants.
const ANY_TENANT: &str = "{tenantid}";

struct Key {
    signing: EncodingKey,
    public: Value,
}

/// The keys: for everybody now, for everybody after they were rotated, for personal accounts, and one
/// that is nobody's. They take a while to make, so all models of a process share them.
static KEYS: LazyLock<[Key; 4]> = LazyLock::new(|| [0; 4].map(|_| key()));

fn key() -> Key {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let lines = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n");
    let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let mut public = json!(Jwk::from_encoding_key(&signing, Algorithm::RS256).unwrap());
    public.as_object_mut().unwrap().remove("alg");
    public["use"] = "sig".into();
    Key { signing, public }
}

const NOW: usize = 0;
const NEXT: usize = 1;
const OF_PERSONAL: usize = 2;
const NOBODYS: usize = 3;

fn id(key: usize) -> String {
    format!("key-{key}")
}

/// Whether the path names everybody's organisations in place of a tenant.
pub(super) fn is_for_many(tenant: &str) -> bool {
    ["organizations", "common"].contains(&tenant)
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`.
pub(super) fn configuration(model: &Model, call: &Call, tenant: &str) -> Reply {
    let of = if is_for_many(tenant) { ANY_TENANT } else { &model.tenant.id };
    let base = &call.base;
    Reply::ok(json!({
        "issuer": format!("{base}/{of}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "end_session_endpoint": format!("{base}/{tenant}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "userinfo_endpoint": format!("{base}/oidc/userinfo"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
    }))
}

/// `GET /{tenant}/discovery/v2.0/keys`.
pub(super) fn keys(model: &Model, call: &Call, tenant: &str) -> Reply {
    let of = if is_for_many(tenant) { ANY_TENANT } else { &model.tenant.id };
    let published = |key: usize, tenant: &str| {
        let mut public = KEYS[key].public.clone();
        public["kid"] = id(key).into();
        public["issuer"] = format!("{}/{tenant}/v2.0", call.base).into();
        public
    };
    let current = if model.keys_rotated { NEXT } else { NOW };
    Reply::ok(json!({ "keys": [published(current, of), published(OF_PERSONAL, PERSONAL)] }))
}

/// `GET /{tenant}/oauth2/v2.0/logout`: ends the session and sends back, if the address is registered.
pub(super) fn logout(model: &Model, call: &Call) -> Reply {
    let to = call.query.get("post_logout_redirect_uri").unwrap_or_default();
    match to.parse() {
        Ok(address) if model.app.redirect_uris.contains(&to) => redirect(&address, &[]),
        _ => {
            let text = "<html><body>You signed out of your account.</body></html>".to_owned();
            let body = Payload::Text { content_type: "text/html", text };
            Reply { status: 200, headers: Vec::new(), body }
        }
    }
}

/// The ID token of a sign-in; `None` where a fault leaves it out.
pub(super) fn id_token(model: &Model, base: &str, granted: &Granted) -> Option<String> {
    let fault = model.faults.id_token;
    let claims = claims(model, base, granted, fault);
    let current = if model.keys_rotated { NEXT } else { NOW };
    match fault {
        IdToken::Missing => None,
        IdToken::Rubbish => Some("rubbish".to_owned()),
        IdToken::Unsigned => Some(by_hand(&json!({ "alg": "none", "typ": "JWT" }), &claims, "")),
        IdToken::BadSignature => {
            let header = json!({ "alg": "RS256", "typ": "JWT", "kid": id(current) });
            Some(by_hand(&header, &claims, &URL_SAFE_NO_PAD.encode([7; 256])))
        }
        IdToken::ByPublicKey => {
            let public = KEYS[current].public["n"].to_string();
            let key = EncodingKey::from_secret(public.as_bytes());
            Some(signed(Algorithm::HS256, current, &key, &claims))
        }
        IdToken::OtherAlgorithm => {
            Some(signed(Algorithm::RS512, current, &KEYS[current].signing, &claims))
        }
        IdToken::UnknownKey => {
            Some(signed(Algorithm::RS256, NOBODYS, &KEYS[NOBODYS].signing, &claims))
        }
        IdToken::OtherKey => {
            Some(signed(Algorithm::RS256, current, &KEYS[NOBODYS].signing, &claims))
        }
        IdToken::PersonalKey | IdToken::PersonalAccount => {
            let key = &KEYS[OF_PERSONAL].signing;
            Some(signed(Algorithm::RS256, OF_PERSONAL, key, &claims))
        }
        IdToken::Right | IdToken::With(..) | IdToken::Without(_) | IdToken::TimesMoved(_) => {
            Some(signed(Algorithm::RS256, current, &KEYS[current].signing, &claims))
        }
    }
}

fn claims(model: &Model, base: &str, granted: &Granted, fault: IdToken) -> Value {
    let other = (fault == IdToken::PersonalAccount).then(|| PERSONAL.to_owned());
    let other = other.or_else(|| model.faults.signs_in_from.clone());
    let tenant = other.unwrap_or_else(|| model.tenant.id.clone());
    let now = model.clock.now().as_second();
    let now = if let IdToken::TimesMoved(by) = fault { now + by } else { now };
    let mut claims = json!({ "ver": "2.0", "aud": model.app.client_id, "tid": tenant,
        "iss": format!("{base}/{tenant}/v2.0"), "sub": format!("pairwise-{}", granted.user),
        "iat": now, "nbf": now, "exp": now + 3600 });
    if let Some(nonce) = &granted.nonce {
        claims["nonce"] = nonce.as_str().into();
    }
    if granted.scopes.contains("profile") {
        claims["oid"] = granted.user.as_str().into();
        let user = model.directory.find_kind(Kind::User, &granted.user);
        let user = user.map(|slot| model.directory.object(slot).properties());
        for (claim, property) in
            [("name", "displayName"), ("preferred_username", "userPrincipalName")]
        {
            let said = user.as_ref().and_then(|user| user.get(property)).cloned();
            claims[claim] = said.unwrap_or_else(|| "somebody".into());
        }
    }
    if let IdToken::With(name, value) = fault {
        claims[name] = value.into();
    }
    if let IdToken::Without(name) = fault {
        claims.as_object_mut().unwrap().remove(name);
    }
    if model.faults.groups_overage {
        claims["_claim_names"] = json!({ "groups": "src1" });
        let endpoint = format!("{base}/{tenant}/users/{}/getMemberObjects", granted.user);
        claims["_claim_sources"] = json!({ "src1": { "endpoint": endpoint } });
    }
    claims
}

fn by_hand(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

fn signed(algorithm: Algorithm, named: usize, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: Some(id(named)), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}
