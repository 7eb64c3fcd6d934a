//! The token endpoint: client credentials, and its errors.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::form_urlencoded;

use super::access;
use super::call::Call;
use super::model::Model;
use super::reply::{Answer, Payload, Reply};

/// Answers a path of the login host: `/{tenant}/oauth2/v2.0/token`.
pub(super) fn answer(model: &mut Model, call: &Call, segments: &[&str]) -> Answer {
    match segments {
        [tenant, "oauth2", "v2.0", "token"] if call.method == "POST" => token(model, call, tenant),
        _ => Ok(Reply { status: 404, headers: Vec::new(), body: Payload::Empty }),
    }
}

fn token(model: &mut Model, call: &Call, tenant: &str) -> Answer {
    let form: BTreeMap<String, String> = form_urlencoded::parse(&call.body).into_owned().collect();
    if let Some(code) = model.faults.login_error {
        return Err(failure(model, code, &call.base));
    }
    let ours = [&model.tenant.id, &model.tenant.domain];
    if !ours.iter().any(|name| name.eq_ignore_ascii_case(tenant)) {
        return Err(failure(model, 90002, tenant));
    }
    let credentials = Credentials::read(call, &form);
    let Some(client_id) = credentials.client_id.as_deref() else {
        return Err(failure(model, 900_144, "client_id"));
    };
    let Some(grant) = form.get("grant_type") else {
        return Err(failure(model, 900_144, "grant_type"));
    };
    if grant != "client_credentials" {
        return Err(failure(model, 70003, grant));
    }
    let Some(scope) = form.get("scope") else {
        return Err(failure(model, 900_144, "scope"));
    };
    if client_id != model.app.client_id {
        return Err(failure(model, 700_016, client_id));
    }
    check_credential(model, &credentials, &form)?;
    check_scope(model, call, scope)?;
    let lifetime = 3599 + model.rng.i64(0..1800);
    let access_token = access::issue(model, lifetime);
    let body = json!({ "token_type": "Bearer", "expires_in": lifetime,
        "ext_expires_in": lifetime, "access_token": access_token });
    let mut reply = Reply::ok(body);
    reply.headers.extend(no_store());
    Ok(reply)
}

/// Who asks: from the form, or from HTTP Basic.
struct Credentials {
    client_id: Option<String>,
    secret: Option<String>,
}

impl Credentials {
    fn read(call: &Call, form: &BTreeMap<String, String>) -> Self {
        let basic = call.header("authorization").and_then(|header| {
            let text = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
            let (id, secret) = str::from_utf8(&text).ok()?.split_once(':')?;
            let decode = |part: &str| {
                let whole = format!("v={part}");
                form_urlencoded::parse(whole.as_bytes()).next().map(|(_, value)| value.into_owned())
            };
            Some((decode(id)?, decode(secret)?))
        });
        match basic {
            Some((id, secret)) => Self { client_id: Some(id), secret: Some(secret) },
            None => Self {
                client_id: form.get("client_id").cloned(),
                secret: form.get("client_secret").cloned(),
            },
        }
    }
}

fn check_credential(
    model: &mut Model,
    credentials: &Credentials,
    form: &BTreeMap<String, String>,
) -> Result<(), Reply> {
    if form.contains_key("client_assertion") {
        // The application has no certificate registered, so no key can fit.
        return Err(failure(model, 700_027, ""));
    }
    let Some(secret) = &credentials.secret else {
        return Err(failure(model, 7_000_218, ""));
    };
    if *secret != model.app.secret {
        return Err(failure(model, 7_000_215, ""));
    }
    if model.app.secret_expires.is_some_and(|end| end <= model.clock.now()) {
        return Err(failure(model, 7_000_222, ""));
    }
    Ok(())
}

/// Exactly one resource, and it is this Graph under one of its names.
fn check_scope(model: &mut Model, call: &Call, scope: &str) -> Result<(), Reply> {
    let mut scopes = scope.split_whitespace();
    let first = scopes.next().unwrap_or_default();
    if scopes.next().is_some() {
        return Err(failure(model, 700_022, scope));
    }
    let resource = first.strip_suffix("/.default").map(|resource| resource.trim_end_matches('/'));
    if resource.is_some_and(|name| name == call.base || name == "https://graph.microsoft.com") {
        Ok(())
    } else {
        Err(failure(model, 70011, first))
    }
}

fn no_store() -> [(&'static str, String); 2] {
    [("Cache-Control", "no-store, no-cache".into()), ("Pragma", "no-cache".into())]
}

/// An AADSTS error. `what` is the value that the text quotes, where it quotes one.
fn failure(model: &mut Model, code: u32, what: &str) -> Reply {
    let (status, error, text) = describe(model, code, what);
    let trace = model.random_id();
    let correlation = model.random_id();
    let time = model.clock.now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let mut body = json!({
        "error": error,
        "error_description": format!(
            "AADSTS{code}: {text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\n\
             Timestamp: {time}"
        ),
        "error_codes": [code],
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    if code == 65001 {
        body["suberror"] = "consent_required".into();
    }
    let mut reply = Reply { status, headers: Vec::new(), body: Payload::Json(body) };
    reply.headers.extend(no_store());
    reply
}

/// Status, error and text of a code (Microsoft Entra documentation, error code reference).
fn describe(model: &Model, code: u32, what: &str) -> (u16, &'static str, String) {
    let app = &model.app.client_id;
    let invalid = "invalid_client";
    match code {
        7_000_215 => (
            401,
            invalid,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the \
             client secret value, not the client secret ID, for a secret added to app '{app}'."
            ),
        ),
        7_000_222 => (
            401,
            invalid,
            format!(
                "The provided client secret keys for app '{app}' are expired. Create new keys for \
             the app, or use a certificate."
            ),
        ),
        7_000_218 => (
            401,
            invalid,
            "The request body must contain the following parameter: \
             'client_assertion' or 'client_secret'."
                .into(),
        ),
        700_027 => (
            401,
            invalid,
            "Client assertion failed signature validation. The key was not \
             found among the keys of the application."
                .into(),
        ),
        700_016 => (
            400,
            "unauthorized_client",
            format!(
                "Application with identifier '{what}' was not found in the directory '{}'. You may \
             have sent your authentication request to the wrong tenant.",
                model.tenant.name
            ),
        ),
        7_000_112 => (400, "unauthorized_client", format!("Application '{app}' is disabled.")),
        90002 => (
            400,
            "invalid_request",
            format!(
                "Tenant '{what}' not found. Check to make sure you have the correct tenant ID and \
             are signing into the correct cloud."
            ),
        ),
        900_144 => (
            400,
            "invalid_request",
            format!("The request body must contain the following parameter: '{what}'."),
        ),
        70011 => (
            400,
            "invalid_scope",
            format!(
                "The provided value for the input parameter 'scope' is not valid. The scope {what} \
             is not valid."
            ),
        ),
        700_022 => (
            400,
            "invalid_request",
            format!(
                "The provided value for the input parameter scope '{what}' is not valid because it \
             contains more than one resource."
            ),
        ),
        70003 => (
            400,
            "unsupported_grant_type",
            format!("The app requested an unsupported grant type '{what}'."),
        ),
        65001 => (
            400,
            "invalid_grant",
            format!(
                "The user or administrator has not consented to use the application with ID '{app}'."
            ),
        ),
        50076 | 50079 => {
            (400, "interaction_required", "Multi-factor authentication is required.".into())
        }
        70000 | 70008 | 700_082 | 700_084 | 50034 | 50020 => {
            (400, "invalid_grant", "The grant is invalid, expired or revoked.".into())
        }
        90055 => (429, "temporarily_unavailable", "The tenant is throttled.".into()),
        _ => (400, "invalid_request", "The request failed.".into()),
    }
}
