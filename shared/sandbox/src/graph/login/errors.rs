//! What the login service says when it refuses: codes with their statuses, errors and texts.

use serde_json::json;
use url::Url;

use super::super::model::Model;
use super::super::reply::{Payload, Reply};

/// An AADSTS error of the token endpoint. `what` is the value that the text quotes, where it quotes one.
pub(super) fn failure(model: &mut Model, code: u32, what: &str) -> Reply {
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

/// The same on the way back to the application, as `error` and `error_description` of the redirect.
pub(super) fn sent_back(model: &mut Model, code: u32, to: &Url, state: Option<&str>) -> Reply {
    let (_, error, text) = describe(model, code, "");
    let text = format!("AADSTS{code}: {text}\r\nTrace ID: {}", model.random_id());
    let mut pairs = vec![("error", error), ("error_description", text.as_str())];
    pairs.extend(state.map(|state| ("state", state)));
    redirect(to, &pairs)
}

/// The page that a person sees when nobody can be sent anywhere.
pub(super) fn page(model: &Model, code: u32, what: &str) -> Reply {
    let (_, _, text) = describe(model, code, what);
    let text = format!("<html><body>AADSTS{code}: {text}</body></html>");
    let body = Payload::Text { content_type: "text/html", text };
    Reply { status: 400, headers: Vec::new(), body }
}

/// 302 to an address with more parameters.
pub(super) fn redirect(to: &Url, pairs: &[(&str, &str)]) -> Reply {
    let mut to = to.clone();
    to.query_pairs_mut().extend_pairs(pairs);
    let reply = Reply { status: 302, headers: Vec::new(), body: Payload::Empty };
    reply.with_header("Location", Some(to.into()))
}

pub(super) fn no_store() -> [(&'static str, String); 2] {
    [("Cache-Control", "no-store, no-cache".into()), ("Pragma", "no-cache".into())]
}

/// Status, error and text of a code (Microsoft Entra documentation, error code reference).
fn describe(model: &Model, code: u32, what: &str) -> (u16, &'static str, String) {
    let app = &model.app.client_id;
    let (status, error) = class(code);
    let text = match code {
        7_000_215 => format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the \
             client secret value, not the client secret ID, for a secret added to app '{app}'."
        ),
        7_000_222 => format!(
            "The provided client secret keys for app '{app}' are expired. Create new keys for \
             the app, or use a certificate."
        ),
        700_016 => format!(
            "Application with identifier '{what}' was not found in the directory '{}'. You may \
             have sent your authentication request to the wrong tenant.",
            model.tenant.name
        ),
        7_000_112 => format!("Application '{app}' is disabled."),
        90002 => format!(
            "Tenant '{what}' not found. Check to make sure you have the correct tenant ID and \
             are signing into the correct cloud."
        ),
        900_144 => format!("The request body must contain the following parameter: '{what}'."),
        70011 => format!(
            "The provided value for the input parameter 'scope' is not valid. The scope {what} \
             is not valid."
        ),
        700_022 => format!(
            "The provided value for the input parameter scope '{what}' is not valid because it \
             contains more than one resource."
        ),
        70003 => format!("The app requested an unsupported grant type '{what}'."),
        65001 => format!(
            "The user or administrator has not consented to use the application with ID '{app}'."
        ),
        50011 => format!(
            "The redirect URI '{what}' specified in the request does not match the redirect URIs \
             configured for the application '{app}'."
        ),
        _ => fixed_text(code).to_owned(),
    };
    (status, error, text)
}

/// Status and error of a code.
fn class(code: u32) -> (u16, &'static str) {
    match code {
        7_000_215 | 7_000_222 | 7_000_218 | 700_027 | 700_024 | 700_021 | 700_023 | 50012
        | 50013 | 500_133 => (401, "invalid_client"),
        500_112 => (400, "invalid_client"),
        700_016 | 70001 | 7_000_112 => (400, "unauthorized_client"),
        70011 => (400, "invalid_scope"),
        70003 => (400, "unsupported_grant_type"),
        70005 => (400, "unsupported_response_type"),
        50076 | 50079 | 53003 => (400, "interaction_required"),
        65004 => (400, "access_denied"),
        90094 => (400, "consent_required"),
        65001 | 70000 | 70008 | 700_082 | 700_084 | 70043 | 50173 | 50034 | 50020 | 50057
        | 50105 | 54005 | 501_481 => (400, "invalid_grant"),
        90055 => (429, "temporarily_unavailable"),
        _ => (400, "invalid_request"),
    }
}

fn fixed_text(code: u32) -> &'static str {
    match code {
        7_000_218 => {
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        }
        700_027 => {
            "Client assertion failed signature validation. The key was not found among the keys of the application."
        }
        700_024 => "Client assertion is not within its valid time range.",
        700_021 => "Client assertion application identifier doesn't match 'client_id' parameter.",
        700_023 => "Client assertion audience claim does not match Realm issuer.",
        50012 | 50013 | 500_133 => "Assertion failed signature validation, or is malformed.",
        500_112 => {
            "The reply address does not match the reply address provided when requesting Authorization code."
        }
        70005 => "The provided value for the input parameter 'response_type' is not expected.",
        65004 => "User declined to consent to access the app.",
        90094 => "An administrator must grant permission to this application.",
        50057 => "The user account is disabled.",
        50105 => "The signed in user is not assigned to a role for the application.",
        53003 => "Access has been blocked by Conditional Access policies.",
        50076 | 50079 => "Multi-factor authentication is required.",
        50034 => "The user account does not exist in the directory.",
        50020 => {
            "The user account from an external identity provider does not exist in the tenant."
        }
        54005 => {
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code."
        }
        501_481 => {
            "The Code_Verifier does not match the code_challenge supplied in the authorization request."
        }
        700_082 => "The refresh token has expired due to inactivity.",
        50173 => "The provided grant has expired due to it being revoked.",
        70043 => "The refresh token has expired or is invalid due to sign-in frequency checks.",
        70000 | 70008 | 700_084 => "The grant is invalid, expired or revoked.",
        90055 => "The tenant is throttled.",
        90038 | 900_384 => "The tenant is in another national cloud.",
        50194 => "The application is not configured as a multi-tenant application.",
        50196 => "The server terminated an operation because it encountered a client request loop.",
        _ => "The request failed.",
    }
}
