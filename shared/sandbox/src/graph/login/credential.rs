//! How an application proves itself to the login service: a secret, or an assertion that one of its
//! certificates signed.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::Value;

use super::super::call::Call;
use super::super::model::Model;
use super::super::reply::Reply;
use super::errors::failure;

/// The kind of assertion that is understood (RFC 7523).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A certificate whose public half is registered with the application.
#[derive(Clone)]
pub(crate) struct Registered {
    /// SHA-1 and SHA-256 of the DER, as assertions name them.
    x5t: String,
    x5t_s256: String,
    key: DecodingKey,
}

impl Registered {
    /// Reads a certificate in PEM.
    pub(crate) fn of_pem(pem: &str) -> Self {
        let lines = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN CERTIFICATE"));
        let lines = lines.skip(1).take_while(|line| !line.starts_with("-----END"));
        let der = STANDARD.decode(lines.collect::<String>()).expect("a certificate in PEM");
        let print = |algorithm| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &der));
        Self {
            x5t: print(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            x5t_s256: print(&digest::SHA256),
            key: DecodingKey::from_rsa_pem(pem.as_bytes()).expect("a certificate with an RSA key"),
        }
    }

    /// Whether the header names this certificate, in the way that goes with its algorithm.
    fn is_named_by(&self, header: &Header) -> bool {
        header.x5t_s256.as_ref() == Some(&self.x5t_s256) || header.x5t.as_ref() == Some(&self.x5t)
    }
}

/// What the application proved itself with, as `appidacr` of its tokens says.
#[derive(Clone, Copy)]
pub(crate) enum Proof {
    Secret,
    Certificate,
}

/// Who asks: from the form, or from HTTP Basic.
pub(super) struct Credentials {
    pub(super) client_id: Option<String>,
    secret: Option<String>,
}

impl Credentials {
    pub(super) fn read(call: &Call, form: &BTreeMap<String, String>) -> Self {
        let basic = call.header("authorization").and_then(|header| {
            let text = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
            let (id, secret) = str::from_utf8(&text).ok()?.split_once(':')?;
            let decode = |part: &str| {
                let whole = format!("v={part}");
                let mut pairs = url::form_urlencoded::parse(whole.as_bytes());
                pairs.next().map(|(_, value)| value.into_owned())
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

pub(super) fn check(
    model: &mut Model,
    call: &Call,
    tenant: &str,
    credentials: &Credentials,
    form: &BTreeMap<String, String>,
) -> Result<Proof, Reply> {
    if let Some(assertion) = form.get("client_assertion") {
        if form.get("client_assertion_type").is_none_or(|kind| kind != JWT_BEARER) {
            return Err(failure(model, 900_144, "client_assertion_type"));
        }
        let audience = format!("{}/{tenant}/oauth2/v2.0/token", call.base);
        return match verify(model, assertion, &audience) {
            Ok(claims) => {
                model.assertions.push(claims);
                Ok(Proof::Certificate)
            }
            Err(code) => Err(failure(model, code, "")),
        };
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
    Ok(Proof::Secret)
}

/// The claims of an assertion that is right in all that the documentation names, with its header
/// (certificate credentials); else the code of what is wrong.
fn verify(model: &Model, assertion: &str, audience: &str) -> Result<Value, u32> {
    let header = decode_header(assertion).map_err(|_| 50013_u32)?;
    if !matches!(header.alg, Algorithm::PS256 | Algorithm::RS256) {
        return Err(700_027);
    }
    let key =
        model.app.certificates.iter().find(|it| it.is_named_by(&header)).ok_or(700_027_u32)?;
    let mut validation = Validation::new(header.alg);
    // Times and addresses are compared below: by the model's own clock, each with its own code.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let token = decode::<Value>(assertion, &key.key, &validation).map_err(|_| 700_027_u32)?;
    let mut claims = token.claims;
    if claims["aud"] != audience {
        return Err(700_023);
    }
    let app = &model.app.client_id;
    if claims["iss"] != app.as_str() || claims["sub"] != app.as_str() {
        return Err(700_021);
    }
    if claims["jti"].as_str().is_none_or(str::is_empty) {
        return Err(50013);
    }
    let now = model.clock.now().as_second();
    let time = |name: &str| claims[name].as_i64();
    if time("exp").is_none_or(|end| end <= now) || time("nbf").is_some_and(|start| start > now) {
        return Err(700_024);
    }
    claims["header"] = serde_json::to_value(&header).expect("a header is JSON");
    Ok(claims)
}
