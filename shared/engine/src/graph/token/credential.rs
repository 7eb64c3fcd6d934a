//! What proves to the login service that it is the application that asks: a secret, or a statement that
//! a certificate's key signed (C3).

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use plan::document::Assertion;
use plan::failure::Kind;
use plan::ids::AppId;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use crate::certificate::Certificate;

/// Seconds that a signed statement holds: the documentation names 5 to 10 minutes.
const HOLDS: i64 = 5 * 60;
/// Seconds by which the login service's clock may be behind ours.
const BEHIND: i64 = 60;
/// The kind of statement (RFC 7523).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What proves to the login service that it is the application that asks (C3).
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret.
    Secret(SecretString),
    /// A certificate, and how it signs.
    Certificate(Certificate, Assertion),
}

/// What a signed statement is about.
pub(super) struct Statement<'a> {
    pub(super) client: AppId,
    /// The address of the token endpoint.
    pub(super) audience: &'a str,
    pub(super) now: Timestamp,
    /// Never used before.
    pub(super) id: Uuid,
}

/// Fields of a form.
pub(super) type Fields<'a> = Vec<(&'static str, Cow<'a, str>)>;

impl Credential {
    /// The fields of a token request that prove it; a statement is signed anew for each request.
    pub(super) fn proof(&self, statement: &Statement<'_>) -> Result<Fields<'_>, Kind> {
        match self {
            Credential::Secret(secret) => {
                Ok(vec![("client_secret", secret.expose_secret().into())])
            }
            Credential::Certificate(certificate, assertion) => {
                let signed = sign(certificate, *assertion, statement)?;
                Ok(vec![
                    ("client_assertion_type", JWT_BEARER.into()),
                    ("client_assertion", signed.into()),
                ])
            }
        }
    }

    /// Tells credentials apart without keeping them: a token must not outlive a changed secret.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self {
            Credential::Secret(secret) => secret.expose_secret().hash(&mut hasher),
            Credential::Certificate(certificate, _) => certificate.x5t_s256.hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// The statement (Microsoft identity platform documentation, certificate credentials).
fn sign(
    certificate: &Certificate,
    assertion: Assertion,
    statement: &Statement<'_>,
) -> Result<String, Kind> {
    // The key was good when it was stored; what is wrong with it now is not said, it is a secret.
    let unusable = || Kind::Credentials {
        code: None,
        error: "the stored private key cannot sign; enter certificate and key again".to_owned(),
    };
    let header = match assertion {
        Assertion::Ps256 => {
            Header { x5t_s256: Some(certificate.x5t_s256.clone()), ..Header::new(Algorithm::PS256) }
        }
        Assertion::Rs256 => {
            Header { x5t: Some(certificate.x5t.clone()), ..Header::new(Algorithm::RS256) }
        }
    };
    let Statement { client, audience, now, id } = statement;
    let now = now.as_second();
    let claims = json!({ "aud": audience, "iss": client, "sub": client, "jti": id,
        "iat": now, "nbf": now - BEHIND, "exp": now + HOLDS });
    let key = certificate.key.expose_secret().as_bytes();
    let key = EncodingKey::from_rsa_pem(key).map_err(|_| unusable())?;
    encode(&header, &claims, &key).map_err(|_| unusable())
}
