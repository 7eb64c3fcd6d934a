//! Problems (RFC 9457): every answer that is not a success, with a type that scripts may rely on.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use plan::document::Mistake;
use plan::failure::{Failure, Kind, aadsts_advice};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::connections::Refusal;
use crate::secrets::SecretsError;
use crate::steps::StepError;
use crate::store::StoreError;

/// The kinds of problem. Each is `urn:halo-entra:problem:` and its word in the answer's `type`, and has
/// always the same status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemType {
    /// The body is no JSON.
    MalformedJson,
    /// The query, or the body's shape, is wrong; `mistakes` says where.
    InvalidRequest,
    /// The cursor is none of ours, or belongs to another query.
    InvalidCursor,
    /// No token, or not the right one.
    Unauthenticated,
    /// The call is not signed with a key of ours (S2).
    InvalidSignature,
    /// The call was signed too long ago, or by a clock that is ahead (S2).
    StaleSignature,
    /// The connection's credentials were refused by a run (C7).
    Reauthorise,
    /// The caller's role may not do this.
    Forbidden,
    /// No such thing.
    NotFound,
    /// No such method here.
    MethodNotAllowed,
    /// There is one of this id already, or one that is still being removed.
    Exists,
    /// The connection is not authorised yet (C7).
    NotAuthorised,
    /// The connection is switched off.
    Disabled,
    /// The whole integration is switched off (C11).
    ModuleOff,
    /// The preview is not complete, too old, or of other rules than the saved ones (I2).
    PlanRefused,
    /// A setting of the deployment is missing; `detail` says which.
    NotConfigured,
    /// Nobody entered the key with which Halo signs (S2).
    SigningKeyMissing,
    /// The connection takes no licences from Halo (S2).
    ManagingIsOff,
    /// The name of a request came with another content before (S2).
    RequestReused,
    /// Somebody else changed it at the same time.
    Busy,
    /// The revision in `If-Match` is not the present one (C10).
    StaleRevision,
    /// `If-Match` is missing (C10).
    RevisionRequired,
    /// The body is too large.
    TooLarge,
    /// The key in `Idempotency-Key` came with another body before.
    KeyReused,
    /// The document has mistakes; `mistakes` has them all, each with its path.
    InvalidDocument,
    /// The Halo record cannot be linked to the person; `detail` says why (M4, M7).
    LinkRefused,
    /// The licence is none that a connection imported (S2).
    UnknownLicence,
    /// Too many assignments wait to be carried out (S2).
    TooManyOpen,
    /// Nobody entered credentials yet.
    CredentialsMissing,
    /// The tenant refused the credentials; `code` is the AADSTS number, `advice` says what to do.
    SignInFailed,
    /// A mandatory permission is missing; `permissions` lists all of them.
    PermissionMissing,
    /// Entra or Halo could not be asked.
    ServiceUnavailable,
    /// Our own store, queue or secrets failed.
    BackendUnavailable,
}

impl ProblemType {
    /// The word in `type`.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The status.
    pub fn status(self) -> StatusCode {
        self.facts().1
    }

    fn facts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedJson => ("malformed_json", S::BAD_REQUEST, "The body is not JSON"),
            Self::InvalidRequest => ("invalid_request", S::BAD_REQUEST, "The request is wrong"),
            Self::InvalidCursor => {
                ("invalid_cursor", S::BAD_REQUEST, "The cursor does not belong to this query")
            }
            Self::Unauthenticated => {
                ("unauthenticated", S::UNAUTHORIZED, "A valid token is needed")
            }
            Self::InvalidSignature => {
                ("invalid_signature", S::UNAUTHORIZED, "A valid signature is needed")
            }
            Self::StaleSignature => {
                ("stale_signature", S::UNAUTHORIZED, "The signature is too old or too new")
            }
            Self::Reauthorise => {
                ("reauthorise", S::UNAUTHORIZED, "The connection has to be authorised again")
            }
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "The role does not allow this"),
            Self::NotFound => ("not_found", S::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", S::METHOD_NOT_ALLOWED, "Method not allowed")
            }
            Self::Exists => ("exists", S::CONFLICT, "There is one already"),
            Self::NotAuthorised => {
                ("not_authorised", S::CONFLICT, "The connection is not authorised")
            }
            Self::Disabled => ("disabled", S::CONFLICT, "The connection is switched off"),
            Self::ModuleOff => ("module_off", S::CONFLICT, "The integration is switched off"),
            Self::SigningKeyMissing => {
                ("signing_key_missing", S::CONFLICT, "There is no key to check signatures with")
            }
            Self::ManagingIsOff => {
                ("managing_is_off", S::CONFLICT, "The connection takes no licences from Halo")
            }
            Self::RequestReused => {
                ("request_reused", S::CONFLICT, "The request was another one before")
            }
            Self::PlanRefused => ("plan_refused", S::CONFLICT, "The preview cannot be carried out"),
            Self::NotConfigured => {
                ("not_configured", S::CONFLICT, "A setting of the deployment is missing")
            }
            Self::Busy => ("busy", S::CONFLICT, "Changed at the same time"),
            Self::StaleRevision => {
                ("stale_revision", S::PRECONDITION_FAILED, "Changed since it was read")
            }
            Self::RevisionRequired => {
                ("revision_required", S::PRECONDITION_REQUIRED, "The revision is missing")
            }
            Self::TooLarge => ("too_large", S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::KeyReused => {
                ("key_reused", S::UNPROCESSABLE_ENTITY, "The key belongs to another call")
            }
            Self::InvalidDocument => {
                ("invalid_document", S::UNPROCESSABLE_ENTITY, "The document has mistakes")
            }
            Self::LinkRefused => {
                ("link_refused", S::UNPROCESSABLE_ENTITY, "The record cannot be linked")
            }
            Self::UnknownLicence => {
                ("unknown_licence", S::UNPROCESSABLE_ENTITY, "The licence is not known")
            }
            Self::TooManyOpen => {
                ("too_many_open", S::TOO_MANY_REQUESTS, "Too many assignments are open")
            }
            Self::CredentialsMissing => {
                ("credentials_missing", S::UNPROCESSABLE_ENTITY, "There are no credentials")
            }
            Self::SignInFailed => {
                ("sign_in_failed", S::UNPROCESSABLE_ENTITY, "The tenant refused the credentials")
            }
            Self::PermissionMissing => {
                ("permission_missing", S::UNPROCESSABLE_ENTITY, "A permission is missing")
            }
            Self::ServiceUnavailable => {
                ("service_unavailable", S::SERVICE_UNAVAILABLE, "A service cannot be reached")
            }
            Self::BackendUnavailable => {
                ("backend_unavailable", S::SERVICE_UNAVAILABLE, "Our own storage failed")
            }
        }
    }
}

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemType,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem with what happened and what to do, in sentences.
    pub fn of(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), more: Map::new(), retry_after: None }
    }

    /// A request that says something wrong at `path`.
    pub fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::with_mistakes(ProblemType::InvalidRequest, &[Mistake::new(path, message)])
    }

    /// A problem that is a list of mistakes.
    pub fn with_mistakes(kind: ProblemType, mistakes: &[Mistake]) -> Self {
        let detail = match mistakes {
            [one] => format!("{}: {}", one.path, one.message),
            several => format!("{} mistakes; nothing was changed.", several.len()),
        };
        Self::of(kind, detail).with("mistakes", mistakes)
    }

    /// A person whom nobody knows.
    pub fn nobody() -> Self {
        let detail = "Entra has not told of such a person. Give the object id or the user principal name; people are known from the first read on.";
        Self::of(ProblemType::NotFound, detail)
    }

    /// A body that is too long, or did not arrive whole.
    pub(super) fn too_large() -> Self {
        Self::of(ProblemType::TooLarge, "A body may have 1 MiB, and must arrive whole.")
    }

    /// A body that is longer than this call takes.
    pub(super) fn longer_than(most: usize) -> Self {
        Self::of(
            ProblemType::TooLarge,
            format!("A body of this call may have {most} bytes, and must arrive whole."),
        )
    }

    /// Its type.
    pub fn kind(&self) -> ProblemType {
        self.kind
    }

    /// What happened and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Adds a member of its own.
    #[must_use]
    fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.more.insert(name.to_owned(), json!(value));
        self
    }

    fn sign_in(failure: &Failure) -> Self {
        let problem = Self::of(ProblemType::SignInFailed, failure.sentence());
        if let Kind::Credentials { code: Some(code), .. } = &failure.kind {
            return problem.with("code", code).with("advice", aadsts_advice(*code));
        }
        problem.with("advice", "Check the tenant, the client id and the credentials.")
    }

    fn service(failure: &Failure) -> Self {
        let mut problem = Self::of(ProblemType::ServiceUnavailable, failure.sentence());
        if let Kind::Throttled { retry_after: Some(wait) } | Kind::BudgetSpent { wait } =
            failure.kind
        {
            problem.retry_after = Some(wait);
        }
        problem.with("service", failure.service)
    }

    fn ours(error: &StepError) -> Self {
        tracing::error!("{error}");
        let detail = "The store, the queue or the secret store failed; nothing is lost. Try again, and look into the log if it stays.";
        Self::of(ProblemType::BackendUnavailable, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (name, status, title) = self.kind.facts();
        let mut body = json!({
            "type": format!("urn:halo-entra:problem:{name}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
        });
        if let Value::Object(members) = &mut body {
            members.extend(self.more);
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == ProblemType::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        use ProblemType as T;
        match &refusal {
            Refusal::Invalid(mistakes) => Self::with_mistakes(T::InvalidDocument, mistakes),
            Refusal::Request(mistakes) => Self::with_mistakes(T::InvalidRequest, mistakes),
            Refusal::SignIn(failure) => Self::sign_in(failure),
            Refusal::PermissionMissing { permissions, consent_url } => {
                let advice = "Grant the missing permissions to the app registration, with admin consent, and authorise again.";
                Self::of(T::PermissionMissing, refusal.to_string())
                    .with("permissions", permissions)
                    .with("admin_consent_url", consent_url)
                    .with("advice", advice)
            }
            Refusal::Unreachable(failure) => Self::service(failure),
            Refusal::StaleRevision { current } => {
                Self::of(T::StaleRevision, refusal.to_string()).with("revision", current)
            }
            Refusal::Ours(error) => Self::ours(error),
            Refusal::NotFound(_) | Refusal::HoldsNobody(_) | Refusal::NoPreview => {
                Self::of(T::NotFound, refusal.to_string())
            }
            Refusal::Plan(_) => Self::of(T::PlanRefused, refusal.to_string()),
            Refusal::Exists(_) | Refusal::BeingRemoved(_) => {
                Self::of(T::Exists, refusal.to_string())
            }
            Refusal::RevisionRequired => Self::of(T::RevisionRequired, refusal.to_string()),
            Refusal::CredentialsMissing => Self::of(T::CredentialsMissing, refusal.to_string()),
            Refusal::NoPublicUrl => Self::of(T::NotConfigured, refusal.to_string()),
            Refusal::NotAuthorised => Self::of(T::NotAuthorised, refusal.to_string()),
            Refusal::Reauthorise(_) => Self::of(T::Reauthorise, refusal.to_string()),
            Refusal::UnknownLicence(_) => Self::of(T::UnknownLicence, refusal.to_string()),
            Refusal::ManagingOff(_) => Self::of(T::ManagingIsOff, refusal.to_string()),
            Refusal::RequestReused => Self::of(T::RequestReused, refusal.to_string()),
            Refusal::TooManyOpen => {
                let mut problem = Self::of(T::TooManyOpen, refusal.to_string());
                problem.retry_after = Some(60);
                problem
            }
            Refusal::NoAssignment => Self::of(T::NotFound, refusal.to_string()),
            Refusal::Disabled => Self::of(T::Disabled, refusal.to_string()),
            Refusal::ModuleOff => Self::of(T::ModuleOff, refusal.to_string()),
            Refusal::Busy | Refusal::BeingMade(_) | Refusal::Reading => {
                Self::of(T::Busy, refusal.to_string())
            }
            Refusal::Nobody => Self::nobody(),
            Refusal::Link(_) => Self::of(T::LinkRefused, refusal.to_string()),
        }
    }
}

impl From<StepError> for Problem {
    fn from(error: StepError) -> Self {
        Self::ours(&error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::ours(&error.into())
    }
}

impl From<SecretsError> for Problem {
    fn from(error: SecretsError) -> Self {
        Self::ours(&error.into())
    }
}
