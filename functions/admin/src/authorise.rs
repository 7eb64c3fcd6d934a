//! Routes of credentials and authorisation: entered, what is needed, tried, and the way back from a
//! sign-in, which is the one page that this API shows (C5–C8).

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::{
    Authorising, Brought, ConnectionStatus, Landed, NeededPermission, PermissionReport, needed,
};
use engine::web::api::{Changing, OfConnection, OfOne};
use engine::web::{Caller, JsonBody, Path, Problem, Query};
use jiff::Timestamp;
use plan::document::{AuthMethod, Mistake};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::page::Page;

/// What a client secret or a certificate is entered with. Only for the description: the engine reads
/// the body, so that no mistake quotes a secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum CredentialsBody {
    /// Where `auth.credential` is `secret`.
    Secret {
        /// The value of the client secret.
        client_secret: String,
        /// When it ends: a day or a time.
        expires_at: Option<String>,
    },
    /// Where `auth.credential` is `certificate`.
    Certificate {
        /// The certificate as PEM.
        certificate_pem: String,
        /// Its private key as PEM, RSA, without a password.
        private_key_pem: String,
    },
}

/// Enter credentials
///
/// They are tested first, and the old ones stay until the new ones have produced a token (C8). The
/// answer is the connection's status, which never holds them (C4).
#[utoipa::path(put, path = "/v1/connections/{id}/credentials", tag = "authorisation",
    params(OfConnection),
    request_body = CredentialsBody,
    responses((status = 200, description = "The connection's status", body = ConnectionStatus), Changing))]
pub(crate) async fn credentials(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<ConnectionStatus>, Problem> {
    let connection = engine.put_credentials(&caller.name, &path.connection()?, &body).await?;
    Ok(Json(connection.status()))
}

/// What a connection needs to be granted, and where (C5).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permissions)]
pub(crate) struct Wanted {
    /// `application` or `delegated`.
    method: AuthMethod,
    /// All permissions that are known of.
    permissions: Vec<NeededPermission>,
    /// To be registered with the application, for delegated permissions; else `null`.
    #[schema(required)]
    redirect_uri: Option<String>,
    /// Where an administrator of the tenant consents.
    admin_consent_url: String,
}

/// List the Graph permissions that a connection needs
#[utoipa::path(get, path = "/v1/connections/{id}/permissions", tag = "authorisation",
    params(OfConnection),
    responses((status = 200, description = "What is needed", body = Wanted), OfOne))]
pub(crate) async fn permissions(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<Wanted>, Problem> {
    query.only(&[])?;
    let document = engine.connection(&path.connection()?).await?.saved.document;
    let method = document.auth.method;
    let redirect_uri = match method {
        AuthMethod::Application => None,
        AuthMethod::Delegated => engine.redirect_uri().ok(),
    };
    Ok(Json(Wanted {
        method,
        permissions: needed(&document),
        redirect_uri,
        admin_consent_url: engine.consent_url(&document, None),
    }))
}

/// How far authorising got.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum AuthoriseAnswer {
    /// The connection may run.
    Authorised {
        /// `true`.
        authorised: bool,
        /// Each permission, and whether it is there.
        permissions: Vec<PermissionReport>,
        /// What could not be found in Entra.
        warnings: Vec<Mistake>,
    },
    /// A person has to sign in first.
    SignIn {
        /// `false`.
        authorised: bool,
        /// Microsoft's page, to be opened in a browser. It is good for one sign-in.
        sign_in_url: String,
        /// Until when.
        expires_at: Timestamp,
        /// Where an administrator of the tenant consents first, if the person may not.
        admin_consent_url: String,
    },
}

/// Authorise a connection
///
/// With application permissions the credentials and each permission are tried at once. With delegated
/// ones the answer has the address at which a person signs in, and `status.sign_in` of the connection
/// tells what came of it.
#[utoipa::path(post, path = "/v1/connections/{id}/authorise", tag = "authorisation",
    params(OfConnection),
    responses((status = 200, description = "How far it got", body = AuthoriseAnswer), Changing))]
pub(crate) async fn authorise(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
) -> Result<Json<AuthoriseAnswer>, Problem> {
    let authorising = engine.authorise(&caller.name, &path.connection()?).await?;
    Ok(Json(match authorising {
        Authorising::Done(done) => AuthoriseAnswer::Authorised {
            authorised: true,
            permissions: done.permissions,
            warnings: done.connection.warnings,
        },
        Authorising::SignIn(sign_in) => AuthoriseAnswer::SignIn {
            authorised: false,
            sign_in_url: sign_in.url,
            expires_at: sign_in.expires_at,
            admin_consent_url: sign_in.consent_url,
        },
    }))
}

/// Parameters that Microsoft is known to send; others are ignored, as more may come.
const KNOWN: [&str; 5] = ["state", "code", "error", "error_description", "admin_consent"];

/// The way back from a sign-in or an administrator's consent
///
/// For browsers, without a token: the state that Microsoft sends back is what is checked. The answer is
/// a page for the person before the browser.
#[utoipa::path(get, path = "/v1/oauth/callback", tag = "authorisation", security(()),
    params(
        ("state" = Option<String>, Query, description = "The state that was handed out"),
        ("code" = Option<String>, Query, description = "What tokens are given for"),
        ("error" = Option<String>, Query, description = "Why there is no code"),
        ("error_description" = Option<String>, Query, description = "The same in words"),
        ("admin_consent" = Option<String>, Query, description = "Set after an administrator's consent")),
    responses(
        (status = 200, description = "It worked", content_type = "text/html", body = String),
        (status = 400, description = "It did not, and why", content_type = "text/html", body = String),
        (status = 404, description = "The connection is gone", content_type = "text/html", body = String),
        (status = 409, description = "Not now, and why", content_type = "text/html", body = String),
        (status = 422, description = "Refused, and why", content_type = "text/html", body = String),
        (status = 503, description = "Our own storage failed", content_type = "text/html", body = String)))]
pub(crate) async fn callback(
    State(engine): State<Engine>,
    query: Result<Query, Problem>,
) -> Response {
    let landed = match query {
        Ok(query) => {
            let [state, code, error, error_description, admin_consent] =
                KNOWN.map(|name| query.text(name).map(str::to_owned));
            let brought = Brought {
                state: state.map(Into::into),
                code: code.map(Into::into),
                error,
                error_description,
                admin_consent: admin_consent.is_some(),
            };
            engine.callback(brought).await.map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    let (status, page) = match landed {
        Ok(landed) => shown(landed),
        Err(problem) => {
            let status = problem.kind().status();
            (status, Page::titled("It did not work").text(problem.detail()))
        }
    };
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        // Nothing is loaded, sent or framed; the address, which has the code in it, goes nowhere.
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, page.html()).into_response()
}

fn shown(landed: Landed) -> (StatusCode, Page) {
    match landed {
        Landed::Authorised { connection, permissions, warnings } => {
            let page = Page::titled("The connection is authorised")
                .text(&format!("\"{connection}\" may run. You can close this page."))
                .table(&rows(&permissions))
                .list(warnings.iter().map(|it| format!("{}: {}", it.path, it.message)));
            (StatusCode::OK, page)
        }
        Landed::Consented { connection } => {
            let which = connection.map_or_else(
                || "the connection".to_owned(),
                |connection| format!("\"{connection}\""),
            );
            let page = Page::titled("Consent was reported").text(&format!(
                "Microsoft says that an administrator consented. Authorise {which} now: that tries each permission."
            ));
            (StatusCode::OK, page)
        }
        Landed::Refused { code, what, advice, permissions } => {
            let code = code.map(|code| format!("AADSTS{code}"));
            let page = Page::titled("The sign-in did not work")
                .text(&what)
                .list(code)
                .text(&advice)
                .table(&rows(&permissions));
            (StatusCode::BAD_REQUEST, page)
        }
    }
}

/// Permissions as a table: name, what for, outcome.
fn rows(permissions: &[PermissionReport]) -> Vec<[String; 3]> {
    let row = |it: &PermissionReport| {
        [it.name.to_owned(), it.needed_for.to_owned(), it.outcome.replace('_', " ")]
    };
    permissions.iter().map(row).collect()
}
