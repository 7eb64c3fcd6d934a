//! The login service: its token endpoint with three grants, and what a browser is shown.
//!
//! | file | does |
//! |---|---|
//! | `credential` | secrets and signed assertions |
//! | `browser` | sign-in with an authorization code, an administrator's consent |
//! | `oidc` | ID tokens and the keys that sign them |
//! | `sessions` | codes and refresh tokens |
//! | `errors` | what it says when it refuses |

pub(super) mod browser;
pub(super) mod credential;
mod errors;
mod oidc;
pub(super) mod sessions;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::form_urlencoded;

use super::access::{self, Bearer, Resource};
use super::call::Call;
use super::model::Model;
use super::reply::{Answer, Payload, Reply};
use credential::{Credentials, Proof};
use errors::{failure, no_store, page};
use sessions::Granted;

/// Answers a path of the login host.
pub(super) fn answer(model: &mut Model, call: &Call, segments: &[&str]) -> Answer {
    match (call.method.as_str(), segments) {
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => token(model, call, tenant),
        ("GET", [tenant, rest @ ..]) => in_browser(model, call, tenant, rest),
        _ => Ok(nothing_there()),
    }
}

fn in_browser(model: &mut Model, call: &Call, tenant: &str, path: &[&str]) -> Answer {
    match path {
        ["v2.0", ".well-known", "openid-configuration"] => {
            shown(model, tenant)?;
            Ok(oidc::configuration(model, call, tenant))
        }
        ["discovery", "v2.0", "keys"] => {
            shown(model, tenant)?;
            Ok(oidc::keys(model, call, tenant))
        }
        ["oauth2", "v2.0", "authorize"] => {
            shown(model, tenant)?;
            browser::authorize(model, call)
        }
        ["oauth2", "v2.0", "logout"] => {
            shown(model, tenant)?;
            Ok(oidc::logout(model, call))
        }
        ["v2.0", "adminconsent"] => {
            shown(model, tenant)?;
            let scope = call.query.get("scope").unwrap_or_default();
            browser::admin_consent(model, call, Some(&scope))
        }
        ["adminconsent"] => {
            shown(model, tenant)?;
            browser::admin_consent(model, call, None)
        }
        _ => Ok(nothing_there()),
    }
}

fn nothing_there() -> Reply {
    Reply { status: 404, headers: Vec::new(), body: Payload::Empty }
}

fn is_ours(model: &Model, tenant: &str) -> bool {
    let ours = [&model.tenant.id, &model.tenant.domain];
    ours.iter().any(|name| name.eq_ignore_ascii_case(tenant))
}

fn shown(model: &Model, tenant: &str) -> Result<(), Reply> {
    if is_ours(model, tenant) || oidc::is_for_many(tenant) {
        Ok(())
    } else {
        Err(page(model, 90002, tenant))
    }
}

type Form = BTreeMap<String, String>;

fn token(model: &mut Model, call: &Call, tenant: &str) -> Answer {
    let form: Form = form_urlencoded::parse(&call.body).into_owned().collect();
    if let Some(code) = model.faults.login_error {
        return Err(failure(model, code, &call.base));
    }
    let grant = form.get("grant_type").map(String::as_str);
    // Only people can be of any tenant.
    let many = oidc::is_for_many(tenant) && grant != Some("client_credentials");
    if !is_ours(model, tenant) && !many {
        return Err(failure(model, 90002, tenant));
    }
    let credentials = Credentials::read(call, &form);
    let Some(client_id) = credentials.client_id.as_deref() else {
        return Err(failure(model, 900_144, "client_id"));
    };
    let Some(grant) = grant else {
        return Err(failure(model, 900_144, "grant_type"));
    };
    if !["client_credentials", "authorization_code", "refresh_token"].contains(&grant) {
        return Err(failure(model, 70003, grant));
    }
    if grant == "client_credentials" && !form.contains_key("scope") {
        return Err(failure(model, 900_144, "scope"));
    }
    if client_id != model.app.client_id {
        return Err(failure(model, 700_016, client_id));
    }
    let proof = credential::check(model, call, tenant, &credentials, &form)?;
    match grant {
        "client_credentials" => {
            check_scope(model, call, form.get("scope").map_or("", String::as_str))?;
            let roles = model.app.grants.clone();
            let (token, lifetime) = access::issue(model, roles, &Bearer::Application(proof));
            Ok(answered(json!({ "token_type": "Bearer", "expires_in": lifetime,
                "ext_expires_in": lifetime, "access_token": token })))
        }
        "authorization_code" => by_code(model, call, &form, proof),
        _ => by_refresh_token(model, call, &form, proof),
    }
}

fn by_code(model: &mut Model, call: &Call, form: &Form, proof: Proof) -> Answer {
    for name in ["code", "redirect_uri"] {
        if !form.contains_key(name) {
            return Err(failure(model, 900_144, name));
        }
    }
    let verifier = form.get("code_verifier").map(String::as_str);
    let granted = sessions::redeem(model, &form["code"], &form["redirect_uri"], verifier);
    match granted {
        Ok(granted) => Ok(delegated(model, call, &granted, proof)),
        Err(code) => Err(failure(model, code, "")),
    }
}

/// A new refresh token comes with each use; the old one works on for a while.
fn by_refresh_token(model: &mut Model, call: &Call, form: &Form, proof: Proof) -> Answer {
    let Some(token) = form.get("refresh_token") else {
        return Err(failure(model, 900_144, "refresh_token"));
    };
    if let Some(code) = model.faults.refresh_error {
        return Err(failure(model, code, ""));
    }
    match sessions::use_refresh(model, token) {
        // An id token comes only where the sign-in's own scopes are asked for again.
        Ok(mut granted) => {
            let asked = form.get("scope").map_or("", String::as_str);
            if !asked.split_whitespace().any(|scope| scope == "openid") {
                granted.scopes.remove("openid");
            }
            Ok(delegated(model, call, &granted, proof))
        }
        Err(code) => Err(failure(model, code, "")),
    }
}

/// Tokens on behalf of a person: with what the tenant still consents to.
fn delegated(model: &mut Model, call: &Call, granted: &Granted, proof: Proof) -> Reply {
    let consented = model.app.delegated.clone();
    let permissions: std::collections::BTreeSet<String> =
        granted.scopes.intersection(&consented).cloned().collect();
    let scope = permissions.iter().cloned().collect::<Vec<_>>().join(" ");
    let bearer = Bearer::Person { user: granted.user.clone(), proof };
    let (token, lifetime) = access::issue(model, permissions, &bearer);
    let mut body = json!({ "token_type": "Bearer", "scope": scope, "expires_in": lifetime,
        "ext_expires_in": lifetime, "access_token": token });
    if granted.scopes.contains("offline_access") {
        body["refresh_token"] = sessions::issue_refresh(model, granted).into();
    }
    if granted.scopes.contains("openid")
        && let Some(token) = oidc::id_token(model, &call.base, granted)
    {
        body["id_token"] = token.as_str().into();
        model.sessions.keep_id_token(token);
    }
    answered(body)
}

fn answered(body: Value) -> Reply {
    let mut reply = Reply::ok(body);
    reply.headers.extend(no_store());
    reply
}

/// Exactly one resource, and it is this Graph under one of its names.
fn check_scope(model: &mut Model, call: &Call, scope: &str) -> Result<(), Reply> {
    let mut scopes = scope.split_whitespace();
    let first = scopes.next().unwrap_or_default();
    if scopes.next().is_some() {
        return Err(failure(model, 700_022, scope));
    }
    if Resource::of(call).permission(first) == Some(".default") {
        Ok(())
    } else {
        Err(failure(model, 70011, first))
    }
}
