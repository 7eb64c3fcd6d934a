//! Calls that are signed with a key instead of carrying a token: what webhooks can do (S2).
//!
//! The sender writes the time in seconds into one header and `v1=` with the HMAC-SHA-256 of time, point
//! and body, in hexadecimal, into another. A call is good for five minutes; what is sent again within
//! them is for whoever handles it to find out.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemType};
use super::request::json;
use crate::Engine;
use crate::licence_key::SigningKeys;
use crate::secrets::{ExposeSecret, SecretString};

/// The header with the time of signing, in seconds since 1970.
const TIMESTAMP: &str = "x-halo-entra-timestamp";
/// The header with the signature.
const SIGNATURE: &str = "x-halo-entra-signature";
/// Seconds that a signature may be old, or ahead.
const WINDOW: u64 = 300;
/// Bytes of a signed body that are read at the most: nobody has shown a key before it is read.
const BODY: usize = 16 * 1024;

/// A body whose signature is good.
#[derive(Clone, Debug)]
pub struct Signed {
    body: Bytes,
    /// Tells this call from all others; the same for the very same call.
    pub print: String,
}

impl Signed {
    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        json(&self.body)
    }
}

impl FromRequest<Engine> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, engine: &Engine) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY).await.map_err(|_| Problem::longer_than(BODY))?;
        let claim = Claim::of(&parts.headers)?;
        claim.is_fresh(engine.clock.now().as_second())?;
        let keys = engine.signing_keys().await?.ok_or_else(missing)?;
        if !claim.holds(&keys, &body) {
            return Err(invalid());
        }
        let print = format!("{}.{}", claim.at, hexadecimal(digest(&SHA256, &body).as_ref()));
        Ok(Self { body, print })
    }
}

/// What the headers say.
struct Claim {
    at: i64,
    signature: [u8; 32],
}

impl Claim {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?.to_str().ok()?.trim();
            values.next().is_none().then_some(value)
        };
        let at = one(TIMESTAMP).filter(|text| text.bytes().all(|it| it.is_ascii_digit()));
        let at = at.and_then(|text| text.parse().ok()).ok_or_else(invalid)?;
        let signature = one(SIGNATURE).and_then(|text| text.strip_prefix("v1="));
        let signature = signature.and_then(bytes).ok_or_else(invalid)?;
        Ok(Self { at, signature })
    }

    fn is_fresh(&self, now: i64) -> Result<(), Problem> {
        if self.at.abs_diff(now) <= WINDOW {
            return Ok(());
        }
        let detail = format!(
            "{TIMESTAMP} is more than {WINDOW} seconds from the time here ({now}). Sign each call when it is sent, also when it is sent again, and set the sender's clock."
        );
        Err(Problem::of(ProblemType::StaleSignature, detail))
    }

    /// Whether one of the keys made the signature. Each comparison takes the same time whatever differs.
    fn holds(&self, keys: &SigningKeys, body: &[u8]) -> bool {
        let mut message = format!("{}.", self.at).into_bytes();
        message.extend_from_slice(body);
        let made_by = |key: &SecretString| {
            let key = hmac::Key::new(HMAC_SHA256, key.expose_secret().as_bytes());
            hmac::verify(&key, &message, &self.signature).is_ok()
        };
        let current = made_by(&keys.current);
        let previous = keys.previous.as_ref().is_some_and(made_by);
        current || previous
    }
}

/// 32 bytes that were written in hexadecimal.
fn bytes(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn invalid() -> Problem {
    let detail = format!(
        "Send {TIMESTAMP} with the time in seconds since 1970, and {SIGNATURE} with v1= and the HMAC-SHA-256 of TIMESTAMP.BODY in hexadecimal, made with the licence signing key over the body's very bytes."
    );
    Problem::of(ProblemType::InvalidSignature, detail)
}

fn missing() -> Problem {
    let detail = "Nobody entered the key with which Halo signs. Enter it with PUT /v1/licence-signing-key or halo-entra licence-key, and the same one in Halo.";
    Problem::of(ProblemType::SigningKeyMissing, detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use axum::http::HeaderValue;

    use super::*;

    /// Of `1700000000.{"a":1}` with the key of the test, made with openssl.
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const MADE: &str = "f05f2539e3ae1c49aec5f8cfdad75ef6b06480b133973ffbb7ec9e18827af177";

    fn claim(at: &'static str, signature: &str) -> Option<Claim> {
        let mut headers = HeaderMap::new();
        headers.insert(TIMESTAMP, HeaderValue::from_static(at));
        headers.insert(SIGNATURE, HeaderValue::from_str(signature).unwrap());
        Claim::of(&headers).ok()
    }

    fn keys(current: &str, previous: Option<&str>) -> SigningKeys {
        SigningKeys::of(current, previous)
    }

    #[test]
    fn a_signature_that_openssl_made_is_good() {
        // S2
        let claim = claim("1700000000", &format!("v1={MADE}")).unwrap();
        let other = "f".repeat(32);
        let cases = [
            (keys(KEY, None), r#"{"a":1}"#, true),
            (keys(&other, Some(KEY)), r#"{"a":1}"#, true),
            (keys(&other, None), r#"{"a":1}"#, false),
            (keys(KEY, None), r#"{"a":2}"#, false),
            (keys(KEY, None), "", false),
        ];
        for (keys, body, good) in cases {
            assert_eq!(claim.holds(&keys, body.as_bytes()), good, "{body}");
        }
    }

    #[test]
    fn headers_are_read_strictly() {
        let good = format!("v1={MADE}");
        let upper = format!("v1={}", MADE.to_uppercase());
        let short = good[..good.len() - 1].to_owned();
        let cases = [
            ("1700000000", good.as_str(), true),
            ("1700000000", &upper, true),
            ("1700000000", &short, false),
            ("1700000000", MADE, false),
            ("1700000000", "v1=", false),
            ("1700000000", "", false),
            ("1700000000.0", &good, false),
            ("-1700000000", &good, false),
            ("99999999999999999999", &good, false),
            ("now", &good, false),
            ("", &good, false),
        ];
        for (at, signature, good) in cases {
            assert_eq!(claim(at, signature).is_some(), good, "{at} {signature}");
        }
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_in_both_directions() {
        let claim = claim("1700000000", &format!("v1={MADE}")).unwrap();
        for (now, fresh) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            assert_eq!(claim.is_fresh(1_700_000_000 + now).is_ok(), fresh, "{now}");
        }
    }
}
