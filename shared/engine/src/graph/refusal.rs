//! What an error answer of Graph or of the login service means (Microsoft Graph documentation,
//! error responses; Microsoft identity platform documentation, error codes).

use plan::failure::Kind;
use serde_json::Value;

use crate::http::Answer;

/// Codes that say more than their status; the deepest of them in an answer is the one that counts.
const KNOWN: &[&str] = &[
    "Authentication_MSGraphPermissionMissing",
    "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
    "Authentication_RequestFromUnsupportedUserRole",
    "Authorization_IdentityNotFound",
    "Authorization_RequestDenied",
    "BadRequest",
    "Directory_ExpiredPageToken",
    "Directory_ObjectNotFound",
    "Directory_ReplicaUnavailable",
    "DirectoryPageTokenNotFoundException",
    "ExpandNotSupported",
    "InvalidAuthenticationToken",
    "Request_BadRequest",
    "Request_ResourceNotFound",
    "Request_UnsupportedQuery",
    "resyncRequired",
    "serviceNotAvailable",
    "syncStateNotFound",
    "TooManyRequests",
];

/// Codes of a 400 or 404 that refuse the link which the request carried (D3).
const EXPIRED: &[&str] = &[
    "Directory_ExpiredPageToken",
    "DirectoryPageTokenNotFoundException",
    "Request_UnsupportedQuery",
    "resyncRequired",
    "syncStateNotFound",
];

/// The 403 of `signInActivity` in a tenant without Entra ID P1 or P2.
pub(super) const NOT_PREMIUM: &str = "Authentication_RequestFromNonPremiumTenantOrB2CTenant";

/// Parts of the texts with which tenants and accounts without delta answer; a code they have not.
const NO_DELTA: &[&str] =
    &["change enumeration is not supported", "delta query is not supported by this resource"];

/// Characters of the service's text that are kept.
const LENGTH: usize = 300;

/// Whether the request was one that an old link can spoil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// It followed a link.
    Link,
    /// It was our own.
    Nothing,
}

/// An error answer, of a request or inside a batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// Seconds.
    retry_after: Option<u32>,
    /// The deepest known code, else the outermost; empty without one.
    pub(super) code: String,
    /// All codes, outermost first.
    codes: Vec<String>,
    /// The service's text, cut and cleaned (H5).
    message: String,
}

impl Refusal {
    pub(super) fn of(answer: &Answer) -> Self {
        // A gateway's page is no JSON and says nothing beyond its status.
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Self::read(answer.status.as_u16(), answer.retry_after(), &body)
    }

    pub(super) fn read(status: u16, retry_after: Option<u32>, body: &Value) -> Self {
        let error = body.get("error").unwrap_or(&Value::Null);
        let mut codes = Vec::new();
        let mut level = Some(error);
        while let Some(part) = level {
            let code = part.get("code").or(Some(part)).and_then(Value::as_str);
            codes.extend(code.filter(|code| !code.is_empty()).map(clean));
            level = part.get("innerError").or_else(|| part.get("innererror"));
        }
        let known = |code: &&String| is_one_of(code, KNOWN);
        let code = codes.iter().rev().find(known).or(codes.first()).cloned().unwrap_or_default();
        let message = error.get("message").or_else(|| body.get("error_description"));
        let message = clean(message.and_then(Value::as_str).unwrap_or_default());
        Self { status, retry_after, code, codes, message }
    }

    /// The failure that this is, for a request that followed a link or did not.
    pub(super) fn kind(&self, carried: Carried) -> Kind {
        let status = self.status;
        match status {
            429 => Kind::Throttled { retry_after: self.retry_after },
            503 if self.retry_after.is_some() => Kind::Throttled { retry_after: self.retry_after },
            // 501 refuses what was asked for, such as a property that only single reads have.
            408 | 500 | 502..=599 => Kind::Unavailable {
                detail: format!("HTTP {status} {}", self.code).trim_end().into(),
            },
            401 => Kind::Credentials { code: None, error: self.told() },
            403 => Kind::Forbidden { code: self.told() },
            400 | 404 | 410 if carried == Carried::Link && self.is_expiry() => Kind::LinkExpired,
            400..=499 | 501 => {
                Kind::Refused { status, code: self.code.clone(), message: self.advised() }
            }
            _ => Kind::Malformed { detail: format!("HTTP {status}") },
        }
    }

    fn is_expiry(&self) -> bool {
        let expired = || self.codes.iter().any(|code| is_one_of(code, EXPIRED));
        // An `UnknownError` on a link was reported once: only a new round helped.
        let lost = || self.status == 404 && self.code.eq_ignore_ascii_case("UnknownError");
        self.status == 410 || expired() || lost()
    }

    /// Whether the tenant is of a kind that has no delta.
    pub(super) fn is_without_delta(&self) -> bool {
        let message = self.message.to_lowercase();
        self.status == 400 && NO_DELTA.iter().any(|part| message.contains(part))
    }

    fn advised(&self) -> String {
        if self.is_without_delta() {
            let advice = "This kind of tenant has no delta query: set sync.delta to false.";
            return format!("{} {advice}", self.message);
        }
        self.message.clone()
    }

    fn told(&self) -> String {
        if self.code.is_empty() { format!("HTTP {}", self.status) } else { self.code.clone() }
    }
}

/// What a refused sign-in means (C7). Only what asking again cannot change is
/// [`Kind::Credentials`], because that stops the connection.
pub(super) fn of_login(answer: &Answer) -> Kind {
    let status = answer.status.as_u16();
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let error = body.get("error").and_then(Value::as_str).unwrap_or_default();
    let code = aadsts(&body);
    let throttled = matches!(code, Some(90_055 | 50_196));
    match (status, error) {
        (429, _) => Kind::Throttled { retry_after: answer.retry_after() },
        (_, _) if throttled => Kind::Throttled { retry_after: answer.retry_after() },
        (500..=599, _) | (_, "temporarily_unavailable" | "server_error") => {
            Kind::Unavailable { detail: format!("HTTP {status} {error}").trim_end().to_owned() }
        }
        (401, "") => Kind::Credentials { code, error: "HTTP 401".to_owned() },
        // Not the login service: something in between, or a wrong address.
        (400..=499, "") => Kind::Refused {
            status,
            code: String::new(),
            message: "the answer is not that of a login service; check the cloud setting"
                .to_owned(),
        },
        (400..=499, _) => Kind::Credentials { code, error: clean(error) },
        (_, _) => Kind::Malformed { detail: format!("HTTP {status}") },
    }
}

/// The AADSTS number: in a list of its own, else at the beginning of the text.
fn aadsts(body: &Value) -> Option<u32> {
    let listed = body.get("error_codes").and_then(|codes| codes.get(0)).and_then(Value::as_u64);
    let listed = listed.and_then(|code| u32::try_from(code).ok());
    listed.or_else(|| aadsts_in(body.get("error_description")?.as_str()?))
}

/// The AADSTS number that a text begins with.
pub(crate) fn aadsts_in(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("AADSTS")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// The word of an OAuth error that a browser brought, if it is one: nobody's text is passed on.
pub(crate) fn error_word(error: &str) -> &str {
    let is_word = (1..=40).contains(&error.len())
        && error.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if is_word { error } else { "an error" }
}

fn is_one_of(code: &str, codes: &[&str]) -> bool {
    codes.iter().any(|known| known.eq_ignore_ascii_case(code))
}

/// Longer words are no words: tokens have hundreds of characters, ids and names of types less than this.
const LONGEST_WORD: usize = 80;

/// A text fit to be kept and shown: without addresses and tokens, white space folded, cut.
fn clean(text: &str) -> String {
    let hidden = |word: &str| {
        let word = word.to_lowercase();
        word.len() > LONGEST_WORD
            || word.contains("://")
            || word.contains("token=")
            || word.contains("eyj")
    };
    let words = text.split_whitespace().map(|word| if hidden(word) { "[hidden]" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(LENGTH).collect()
}
