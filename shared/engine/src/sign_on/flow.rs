//! A sign-in at Microsoft from the first click to the way back (O3): code flow with PKCE, state and nonce.
//!
//! The browser keeps one random text in a cookie until it is back. The verifier of PKCE and the nonce
//! are made of it, each by a keyed digest of its own, and our store has nothing but digests: neither a
//! stolen code nor a read of the store is of any use without that cookie, and no secret has to be kept.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use plan::failure::{Failure, Kind};
use plan::sign_on::{
    Application, Expected, Identity, Refusal, SIGN_IN_TAKES, TokenFault, Try, authority, identify,
    issuer_of, landing,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;
use url::form_urlencoded::Serializer;

use super::settings::{Saved, credential};
use super::{Begun, Returned, SignedIn, ours};
use crate::Engine;
use crate::graph::{Endpoint, Hosts, aadsts_in, error_word};
use crate::issuer::NotSigned;
use crate::secrets::{ExposeSecret, SecretName, SecretString};
use crate::store::{Commit, Expect, Write, keys, put_until};

/// The only way in which Microsoft signs.
const ALGORITHMS: [Algorithm; 1] = [Algorithm::RS256];

/// A sign-in that was begun, as it is kept under the digest of its state.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Digest of what the browser keeps.
    browser: String,
    /// Revision of the settings that it was begun with.
    revision: u64,
    /// The page to go on with.
    to: String,
}

/// The digest under which something is kept that only a browser has.
pub(super) fn digest_of(secret: &SecretString) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.expose_secret().as_bytes()))
}

/// A text that follows from what a browser keeps, and tells nothing of it.
pub(super) fn made_of(secret: &SecretString, what: &str) -> SecretString {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, what.as_bytes())).into()
}

/// All that a sign-in needs of the settings and of the deployment.
struct Ready<'a> {
    application: Application<'a>,
    hosts: Hosts,
    redirect_uri: String,
}

impl Engine {
    /// Begins a sign-in at Microsoft. `to` is the page to go on with; what is no page of the console is
    /// dropped. `hint` fills in the account's name at Microsoft. Killed before the record is written,
    /// nothing was begun.
    pub async fn begin_sign_in(
        &self,
        to: Option<&str>,
        hint: Option<&str>,
    ) -> Result<Begun, Refusal> {
        let begun = self.begin(to, hint).await;
        if let Err(refusal) = &begun {
            tell(refusal);
        }
        begun
    }

    async fn begin(&self, to: Option<&str>, hint: Option<&str>) -> Result<Begun, Refusal> {
        let saved = self.sign_on_saved().await.map_err(ours)?.value;
        let ready = self.ready(&saved)?;
        self.count(Try::Begin).await?;
        let state = crate::random::unguessable().map_err(ours)?;
        let browser = crate::random::unguessable().map_err(ours)?;
        let now = self.clock.now();
        let expires_at = now.saturating_add(SIGN_IN_TAKES).unwrap_or(now);
        let kept = Kept { browser: digest_of(&browser), revision: saved.revision, to: landing(to) };
        let key = keys::begun(&digest_of(&state));
        let write = put_until(key, &kept, Expect::Absent, Some(expires_at)).map_err(ours)?;
        match self.store.commit(&[write]).await.map_err(ours)? {
            Commit::Done => {}
            Commit::Conflict(_) => return Err(ours("a state was drawn twice")),
        }
        let url = ready.page(&state, &browser, hint);
        Ok(Begun { url, browser, expires_at })
    }

    /// Ends a sign-in with what the browser brought back.
    ///
    /// The record of the sign-in is used up before anything is asked of Microsoft: whatever follows,
    /// what was brought is worth nothing a second time. Killed anywhere, nobody is signed in, or a session
    /// exists whose cookie no browser has and that ends unused; the sign-in has to be begun again.
    pub async fn finish_sign_in(&self, returned: Returned) -> Result<SignedIn, Refusal> {
        let finished = self.finish(&returned).await;
        if let Err(refusal) = &finished {
            tell(refusal);
        }
        finished
    }

    async fn finish(&self, returned: &Returned) -> Result<SignedIn, Refusal> {
        self.count(Try::Finish).await?;
        let (kept, browser) = self.take_begun(returned).await?;
        let saved = self.sign_on_saved().await.map_err(ours)?.value;
        let ready = self.ready(&saved)?;
        if saved.revision != kept.revision {
            return Err(Refusal::SettingsChanged);
        }
        if let Some(refusal) = refused_by_microsoft(returned) {
            return Err(refusal);
        }
        let code = returned.code.as_ref().ok_or(Refusal::NoCode)?;
        let token = self.redeem(&ready, code, &made_of(browser, "verifier")).await?;
        let nonce = made_of(browser, "nonce");
        let identity = self.verified(&ready, &token, nonce.expose_secret()).await?;
        let admitted = self.admit(&saved, identity).await?;
        self.open_session(admitted, returned.session.as_ref(), kept.to).await
    }

    /// Takes the record of a sign-in that was begun by this browser, once. A state that another browser
    /// brings is used up as well: somebody has it who should not.
    async fn take_begun<'a>(
        &self,
        returned: &'a Returned,
    ) -> Result<(Kept, &'a SecretString), Refusal> {
        let state = returned.state.as_ref().ok_or(Refusal::StateMissing)?;
        let key = keys::begun(&digest_of(state));
        let found = self.store.read::<Kept>(&key).await.map_err(ours)?;
        let found = found.ok_or(Refusal::StateUnknown)?;
        let write = Write::Delete { key, expect: found.unchanged() };
        match self.store.commit(&[write]).await.map_err(ours)? {
            Commit::Done => {}
            Commit::Conflict(_) => return Err(Refusal::StateUnknown),
        }
        let browser = returned.browser.as_ref().ok_or(Refusal::OtherBrowser)?;
        let same = digest_of(browser).as_bytes().ct_eq(found.value.browser.as_bytes());
        if bool::from(same) { Ok((found.value, browser)) } else { Err(Refusal::OtherBrowser) }
    }

    /// All that a sign-in needs, or why nobody can sign in.
    fn ready<'a>(&self, saved: &'a Saved) -> Result<Ready<'a>, Refusal> {
        let application = saved.settings.application().filter(|_| saved.settings.published);
        let application = application.ok_or(Refusal::NotPublished)?;
        if saved.secret.is_none() {
            return Err(Refusal::SecretMissing);
        }
        let redirect_uri = self.browsers_address(super::CALLBACK).ok_or(Refusal::NoPublicUrl)?;
        Ok(Ready { application, hosts: Hosts::of(application.cloud), redirect_uri })
    }

    /// Turns a code into the ID token that it stands for.
    async fn redeem(
        &self,
        ready: &Ready<'_>,
        code: &SecretString,
        verifier: &SecretString,
    ) -> Result<SecretString, Refusal> {
        let stored = self.credentials_at(&SecretName::sign_on()).await.map_err(ours)?;
        let credential = credential(stored.ok_or(Refusal::SecretMissing)?);
        let endpoint = Endpoint {
            http: &self.http,
            login: &ready.hosts.login,
            authority: &authority(ready.application.tenants),
            client: ready.application.client_id,
            credential: &credential,
            now: self.clock.now(),
            random: &self.random,
        };
        let token = endpoint.id_token(code, verifier, &ready.redirect_uri).await;
        token
            .map_err(|failure| not_redeemed(&failure))?
            .ok_or(Refusal::Token(TokenFault::Unreadable))
    }

    /// Who has signed in, if Microsoft signed the token and all of it is right.
    async fn verified(
        &self,
        ready: &Ready<'_>,
        token: &SecretString,
        nonce: &str,
    ) -> Result<Identity, Refusal> {
        let Ready { application, hosts, .. } = ready;
        let (place, name) = issuer_of(&hosts.login, application.tenants);
        let issuer = self.issuers.at(&place, &name, &self.http);
        let now = self.clock.now().as_second();
        let signed = issuer.signed::<Value>(token.expose_secret(), &ALGORITHMS, now).await;
        let signed = signed.map_err(|why| match why {
            NotSigned::Unreadable => Refusal::Token(TokenFault::Unreadable),
            NotSigned::Algorithm => Refusal::Token(TokenFault::Algorithm),
            NotSigned::Key => Refusal::Token(TokenFault::Key),
            NotSigned::Signature => Refusal::Token(TokenFault::Signature),
            NotSigned::Unavailable => Refusal::MicrosoftUnavailable,
        })?;
        let expected = Expected { application, login: &hosts.login, nonce, now };
        identify(&signed.claims, signed.key_issuer.as_deref(), &expected)
    }

    /// Microsoft's page that ends the session there; `None` where people do not come from there.
    pub(super) fn page_of_signing_out(&self, saved: &Saved) -> Option<url::Url> {
        let ready = self.ready(saved).ok()?;
        let back = self.browsers_address(super::SIGNED_OUT)?;
        let page = format!("{}/oauth2/v2.0/logout?", ready.place());
        let mut query = Serializer::new(page);
        query.append_pair("post_logout_redirect_uri", &back);
        query.finish().parse().ok()
    }
}

impl Ready<'_> {
    /// What the addresses of the login service begin with.
    fn place(&self) -> String {
        format!("{}/{}", self.hosts.login, authority(self.application.tenants))
    }

    /// Microsoft's page for signing in (identity platform documentation, `OpenID` Connect). Nothing is
    /// asked for but who it is.
    fn page(&self, state: &SecretString, browser: &SecretString, hint: Option<&str>) -> String {
        let verifier = made_of(browser, "verifier");
        let challenge = digest(&SHA256, verifier.expose_secret().as_bytes());
        let mut query = Serializer::new(format!("{}/oauth2/v2.0/authorize?", self.place()));
        query.extend_pairs([
            ("client_id", self.application.client_id.to_string().as_str()),
            ("response_type", "code"),
            ("response_mode", "query"),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid profile"),
            ("state", state.expose_secret()),
            ("nonce", made_of(browser, "nonce").expose_secret()),
            ("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256"),
        ]);
        query.extend_pairs(hint.map(str::trim).filter(is_hint).map(|hint| ("login_hint", hint)));
        query.finish()
    }
}

/// What may be the name of an account.
fn is_hint(text: &&str) -> bool {
    (1..=200).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// What Microsoft refused on its page, in our own words: its text is not passed on.
fn refused_by_microsoft(returned: &Returned) -> Option<Refusal> {
    let error = returned.error.as_deref()?;
    let code = returned.error_description.as_deref().and_then(aadsts_in);
    Some(Refusal::Microsoft { code, error: error_word(error).to_owned() })
}

/// Why a code was not taken.
fn not_redeemed(failure: &Failure) -> Refusal {
    if let Kind::Credentials { code, error } = &failure.kind {
        return Refusal::Microsoft { code: *code, error: error_word(error).to_owned() };
    }
    tracing::warn!("Microsoft was asked for a token: {}", failure.sentence());
    Refusal::MicrosoftUnavailable
}

/// Leaves a line in the log, without anything of the person.
pub(super) fn tell(refusal: &Refusal) {
    tracing::warn!(refusal = refusal.name(), rule = refusal.rule(), "a sign-in was refused");
}
