//! What a browser sees of the login service: signing in, and an administrator's consent. The chosen
//! person signs in at once and without a page.

use std::collections::BTreeSet;

use url::Url;

use super::super::access::Resource;
use super::super::call::Call;
use super::super::directory::Kind;
use super::super::model::Model;
use super::super::reply::{Answer, Reply};
use super::errors::{page, redirect, sent_back};
use super::sessions::{Code, Granted, issue_code};

/// Scopes that OIDC and OAuth know, which belong to no resource.
const PLAIN: &[&str] = &["openid", "profile", "email", "offline_access"];

/// `GET /{tenant}/oauth2/v2.0/authorize`.
pub(super) fn authorize(model: &mut Model, call: &Call) -> Answer {
    let redirect_uri = check_application(model, call)?;
    let state = call.query.get("state");
    let back = |model: &mut Model, code| sent_back(model, code, &redirect_uri, state.as_deref());
    if let Some(code) = model.faults.authorize_error {
        return Err(back(model, code));
    }
    if call.query.get("response_type").as_deref() != Some("code") {
        return Err(back(model, 70005));
    }
    let challenge = call.query.get("code_challenge");
    let method = call.query.get("code_challenge_method");
    if challenge.is_some() && method.as_deref() != Some("S256") {
        return Err(back(model, 900_144));
    }
    let asked = call.query.get("scope").unwrap_or_default();
    let scopes = match scopes(model, call, &asked) {
        Ok(scopes) => scopes,
        Err(code) => return Err(back(model, code)),
    };
    let user = call.query.get("login_hint").and_then(|hint| hinted(model, &hint));
    let user = user.unwrap_or_else(|| model.signs_in.clone());
    let granted = Granted { user, scopes, nonce: call.query.get("nonce") };
    let (at, redeemed) = (model.clock.now(), false);
    let redirect_uri_text = call.query.get("redirect_uri").unwrap_or_default();
    let code = Code { granted, redirect_uri: redirect_uri_text, challenge, at, redeemed };
    let code = issue_code(model, code);
    let mut pairs = vec![("code", code.as_str())];
    pairs.extend(state.as_deref().map(|state| ("state", state)));
    pairs.push(("session_state", "7f1e0f8c-0000-4000-8000-000000000002"));
    Ok(redirect(&redirect_uri, &pairs))
}

/// The account that a hint names.
fn hinted(model: &Model, hint: &str) -> Option<String> {
    let slot = model.directory.find_kind(Kind::User, hint)?;
    Some(model.directory.object(slot).id.to_string())
}

/// The scopes that the tenant consented to, of those that are asked for; else a code.
fn scopes(model: &Model, call: &Call, asked: &str) -> Result<BTreeSet<String>, u32> {
    let mut scopes = BTreeSet::new();
    for scope in asked.split_whitespace() {
        if PLAIN.contains(&scope) {
            scopes.insert(scope.to_owned());
            continue;
        }
        match Resource::of(call).permission(scope).ok_or(70011_u32)? {
            ".default" if model.app.delegated.is_empty() => return Err(65001),
            ".default" => scopes.extend(model.app.delegated.iter().cloned()),
            name if model.app.delegated.contains(name) => {
                scopes.insert(name.to_owned());
            }
            _ => return Err(65001),
        }
    }
    Ok(scopes)
}

/// `GET /{tenant}/v2.0/adminconsent`, and the older `GET /{tenant}/adminconsent`: an administrator
/// consents to all that the registration lists.
pub(super) fn admin_consent(model: &mut Model, call: &Call, scope: Option<&str>) -> Answer {
    let redirect_uri = check_application(model, call)?;
    let state = call.query.get("state");
    let tenant = model.tenant.id.clone();
    let mut pairs = vec![("admin_consent", "True"), ("tenant", tenant.as_str())];
    pairs.extend(state.as_deref().map(|state| ("state", state)));
    if model.faults.consent_declined {
        let text = "AADSTS65004: User declined to consent to access the app.";
        // The older form has a word of its own.
        let error = if scope.is_some() { "consent_required" } else { "permission_denied" };
        pairs.extend([("error", error), ("error_description", text)]);
        return Ok(redirect(&redirect_uri, &pairs));
    }
    pairs.extend(scope.map(|scope| ("scope", scope)));
    let all = model.app.registered.clone();
    model.app.grants.extend(all.iter().cloned());
    model.app.delegated.extend(all);
    Ok(redirect(&redirect_uri, &pairs))
}

/// Application and redirect URI: while one of them is wrong, nobody is sent anywhere.
fn check_application(model: &Model, call: &Call) -> Result<Url, Reply> {
    let client_id = call.query.get("client_id").unwrap_or_default();
    if client_id != model.app.client_id {
        return Err(page(model, 700_016, &client_id));
    }
    let redirect_uri = match call.query.get("redirect_uri") {
        // The older consent page goes to the first one.
        None if !call.path.ends_with("authorize") => model.app.redirect_uris.first().cloned(),
        asked => asked.filter(|asked| model.app.redirect_uris.contains(asked)),
    };
    let redirect_uri = redirect_uri.and_then(|text| text.parse().ok());
    redirect_uri
        .ok_or_else(|| page(model, 50011, &call.query.get("redirect_uri").unwrap_or_default()))
}
