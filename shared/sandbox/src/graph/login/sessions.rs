//! What people who signed in left behind: authorization codes, and refresh tokens that rotate.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use super::super::model::Model;

/// An authorization code works so long (Microsoft identity platform documentation, authorization code
/// flow: about ten minutes).
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// A refresh token dies when it was not used so long (refresh tokens).
const UNUSED_LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A refresh token that was used once works on for a while: it is "not revoked at once", without a
/// time in the documentation. A day is the model's choice.
const USED_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// What a person allowed when they signed in.
#[derive(Clone)]
pub(crate) struct Granted {
    /// Object id of who signed in.
    pub(crate) user: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) nonce: Option<String>,
}

/// A code that waits to be redeemed.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) granted: Granted,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) at: Timestamp,
    pub(super) redeemed: bool,
}

#[derive(Clone)]
struct Refresh {
    granted: Granted,
    at: Timestamp,
    used: Option<Timestamp>,
    revoked: bool,
}

/// Codes and refresh tokens issued so far.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    codes: BTreeMap<String, Code>,
    refresh: BTreeMap<String, Refresh>,
    id_tokens: Vec<String>,
}

impl Sessions {
    /// All codes, refresh tokens and ID tokens.
    pub(crate) fn issued(&self) -> impl Iterator<Item = &str> {
        self.codes.keys().chain(self.refresh.keys()).chain(&self.id_tokens).map(String::as_str)
    }

    pub(super) fn keep_id_token(&mut self, token: String) {
        self.id_tokens.push(token);
    }

    /// Everybody has to sign in again, as after an administrator's "revoke sessions".
    pub(crate) fn revoke(&mut self) {
        for token in self.refresh.values_mut() {
            token.revoked = true;
        }
    }
}

/// A code for what was granted; it is part of an address, so it has no character to be encoded.
pub(super) fn issue_code(model: &mut Model, code: Code) -> String {
    let text = format!("0.{}", model.random_text(120));
    model.sessions.codes.insert(text.clone(), code);
    text
}

/// A refresh token; opaque, with the characters that real ones are known for.
pub(super) fn issue_refresh(model: &mut Model, granted: &Granted) -> String {
    let text = format!("0.A-_{}", model.random_text(200));
    let at = model.clock.now();
    let token = Refresh { granted: granted.clone(), at, used: None, revoked: false };
    model.sessions.refresh.insert(text.clone(), token);
    text
}

/// Redeems a code, once; else the code of what is wrong.
pub(super) fn redeem(
    model: &mut Model,
    code: &str,
    redirect_uri: &str,
    verifier: Option<&str>,
) -> Result<Granted, u32> {
    let now = model.clock.now();
    let found = model.sessions.codes.get_mut(code).ok_or(70000_u32)?;
    if found.redeemed {
        return Err(54005);
    }
    if now.duration_since(found.at) > CODE_LIFE {
        return Err(70008);
    }
    if found.redirect_uri != redirect_uri {
        return Err(500_112);
    }
    let expected = verifier.map(|verifier| {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
    });
    if found.challenge != expected {
        return Err(501_481);
    }
    found.redeemed = true;
    Ok(found.granted.clone())
}

/// Uses a refresh token; else the code of what is wrong.
pub(super) fn use_refresh(model: &mut Model, token: &str) -> Result<Granted, u32> {
    let now = model.clock.now();
    let found = model.sessions.refresh.get_mut(token).ok_or(70000_u32)?;
    if found.revoked {
        return Err(50173);
    }
    if now.duration_since(found.at) > UNUSED_LIFE {
        return Err(700_082);
    }
    if found.used.is_some_and(|used| now.duration_since(used) > USED_LIFE) {
        return Err(70008);
    }
    found.used.get_or_insert(now);
    Ok(found.granted.clone())
}
