//! Tokens of an issuer, for tests of the API as it stands behind a gateway.

use std::sync::{Arc, LazyLock};

use engine::web::{Auth, TokenSettings, Verifier};
use jsonwebtoken::Algorithm;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use sandbox::issuer::Issuer;
use serde_json::{Value, json};

/// The audience of the tests' API.
pub const AUDIENCE: &str = "api://halo-entra";
/// The tenant of its callers.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// An RSA key as PEM. They take a while to make, so there are two for all tests of a process.
pub fn key(other: bool) -> &'static str {
    static KEYS: LazyLock<[String; 2]> = LazyLock::new(|| {
        let one = || KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
        [one(), one()]
    });
    &KEYS[usize::from(other)]
}

/// The issuer that the tests of a process share; nobody may change it.
pub fn shared() -> &'static Issuer {
    static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
        let issuer = Issuer::start();
        issuer.publish("one", Algorithm::RS256, key(false), &json!({}));
        issuer
    });
    &ISSUER
}

/// What tokens of an issuer have to say.
pub fn settings(issuer: &Issuer) -> TokenSettings {
    TokenSettings {
        issuer: issuer.url.clone(),
        audiences: vec![AUDIENCE.to_owned()],
        tenant: Some(TENANT.parse().unwrap()),
    }
}

/// The way in with a token of the shared issuer.
pub fn auth() -> Auth {
    let http = crate::world::client();
    Auth::Issued(Arc::new(Verifier::new(settings(shared()), http)))
}

/// A token of the shared issuer with claims as a gateway passes them on: all of them texts, lists as
/// `[one two]`. `None` without claims.
pub fn token(claims: &Value) -> Option<String> {
    let claims = claims.as_object()?;
    let mut said = json!({ "iss": shared().url, "aud": AUDIENCE, "tid": TENANT });
    for (name, value) in claims {
        let text = value.as_str().unwrap_or_default();
        let is_ours = ["iss", "aud", "tid"].contains(&name.as_str());
        match name.as_str() {
            _ if is_ours => {}
            "roles" => {
                let roles = text.trim_matches(['[', ']']).split_whitespace();
                said["roles"] = roles.collect();
            }
            "exp" => said["exp"] = text.parse::<i64>().unwrap().into(),
            _ => said[name] = value.clone(),
        }
    }
    Some(shared().sign("one", &said))
}
