//! A person's sign-in from the first click to the way back: one at a time for each connection (C6).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use plan::document::Document;
use plan::ids::ConnectionId;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::form_urlencoded::Serializer;
use utoipa::ToSchema;

use super::super::Refusal;
use crate::Engine;
use crate::graph::Hosts;
use crate::secrets::{ExposeSecret, SecretName, SecretString, SecretsError};
use crate::steps::StepError;
use crate::store::{Expect, Versioned, keys, put};

/// How long a sign-in may take: Microsoft's code lives about as long.
const TAKES: SignedDuration = SignedDuration::from_mins(10);

/// A sign-in that was begun, as it is kept. What has to be secret of it is in the secret store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// SHA-256 of the state that the browser has to bring back.
    state: String,
    /// Who asked for it.
    pub(super) who: String,
    /// Since when.
    begun: Timestamp,
    /// Until when it may come back.
    expires_at: Timestamp,
    /// What came of it.
    outcome: SignInOutcome,
}

/// The newest sign-in of a person, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignInStatus {
    /// What came of it.
    #[serde(flatten)]
    pub outcome: SignInOutcome,
    /// Since when.
    pub begun: Timestamp,
    /// Until when it may come back.
    pub expires_at: Timestamp,
}

/// What came of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum SignInOutcome {
    /// Nobody has come back yet.
    Waiting,
    /// Somebody came back, and what they brought is being tried.
    Tried,
    /// The connection is authorised.
    Authorised,
    /// It is not.
    Failed {
        /// AADSTS number, where Microsoft gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u32>,
        /// What happened and what to do.
        detail: String,
    },
}

impl Attempt {
    /// What a read may show of it.
    pub fn shown(&self) -> SignInStatus {
        let Self { begun, expires_at, outcome, .. } = self.clone();
        SignInStatus { outcome, begun, expires_at }
    }

    /// Whether this is what the browser brought back. A state is single: it fits while nobody has come.
    fn is_open_for(&self, state: &SecretString, now: Timestamp) -> bool {
        let same = digest_of(state).as_bytes().ct_eq(self.state.as_bytes());
        bool::from(same) && self.outcome == SignInOutcome::Waiting && now < self.expires_at
    }

    /// The same with what came of it.
    pub(super) fn with(&self, outcome: SignInOutcome) -> Self {
        Self { outcome, ..self.clone() }
    }
}

/// The secret of a sign-in that was begun.
#[derive(Serialize, Deserialize)]
struct Begun {
    state: String,
    verifier: String,
}

/// A sign-in for a person to go through.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Microsoft's page.
    pub url: String,
    /// Until when it has to be done.
    pub expires_at: Timestamp,
    /// Where an administrator of the tenant consents for everybody.
    pub consent_url: String,
}

fn digest_of(state: &SecretString) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, state.expose_secret().as_bytes()))
}

/// Which connection a state is of; nothing is believed of it before it was compared.
pub(super) fn connection_in(state: &SecretString) -> Option<ConnectionId> {
    state.expose_secret().split_once('.')?.0.parse().ok()
}

impl Engine {
    /// Begins a sign-in, in place of one that was begun before: the newest is the one that counts.
    ///
    /// The verifier is kept first. Killed before the record is written, the earlier sign-in can no
    /// longer be ended, and another begins as this one did.
    pub(super) async fn begin_delegation(
        &self,
        who: &str,
        document: &Document,
    ) -> Result<SignIn, Refusal> {
        let redirect_uri = self.redirect_uri()?;
        let id = &document.id;
        let drawn = || crate::random::unguessable().map_err(|_| no_randomness(id));
        let state = SecretString::from(format!("{id}.{}", drawn()?.expose_secret()));
        let verifier = drawn()?;
        let (digest, begun) = (digest_of(&state), self.clock.now());
        let secret = Begun { state: digest.clone(), verifier: verifier.expose_secret().into() };
        let secret = serde_json::to_string(&secret).map_err(|_| no_randomness(id))?;
        self.secrets.put(&SecretName::sign_in(id), &secret.into()).await?;
        let expires_at = begun.saturating_add(TAKES).unwrap_or(begun);
        let outcome = SignInOutcome::Waiting;
        let attempt = Attempt { state: digest, who: who.to_owned(), begun, expires_at, outcome };
        self.store.write_all(&[put(keys::attempt(id), &attempt, Expect::Anything)?]).await?;
        let url = authorize_url(document, &redirect_uri, &state, &verifier);
        let consent_url = self.consent_url(document, Some(state.expose_secret()));
        Ok(SignIn { url, expires_at, consent_url })
    }

    /// The sign-in that a state belongs to and that nobody came back from yet.
    pub(super) async fn open_attempt(
        &self,
        state: &SecretString,
    ) -> Result<Option<(ConnectionId, Versioned<Attempt>)>, Refusal> {
        let Some(id) = connection_in(state) else { return Ok(None) };
        let found = self.store.read::<Attempt>(&keys::attempt(&id)).await?;
        let now = self.clock.now();
        Ok(found.filter(|it| it.value.is_open_for(state, now)).map(|found| (id, found)))
    }

    /// Takes the verifier of a sign-in out of the secret store, where it is of no more use.
    pub(super) async fn take_verifier(
        &self,
        id: &ConnectionId,
        attempt: &Attempt,
    ) -> Result<Option<SecretString>, Refusal> {
        let name = SecretName::sign_in(id);
        let Some(text) = self.secrets.get(&name).await? else { return Ok(None) };
        let begun: Option<Begun> = serde_json::from_str(text.expose_secret()).ok();
        let Some(begun) = begun.filter(|begun| begun.state == attempt.state) else {
            return Ok(None);
        };
        self.secrets.delete(&name).await?;
        Ok(Some(begun.verifier.into()))
    }
}

fn no_randomness(id: &ConnectionId) -> Refusal {
    Refusal::Ours(StepError::from(SecretsError {
        operation: "make",
        name: SecretName::sign_in(id).as_str().to_owned(),
        detail: "the system gave no random numbers".to_owned(),
    }))
}

/// Microsoft's page for signing in (identity platform documentation, authorization code flow). All that
/// the tenant granted is asked for, as with application permissions: which permissions are there is
/// found out by trying.
fn authorize_url(
    document: &Document,
    redirect_uri: &str,
    state: &SecretString,
    verifier: &SecretString,
) -> String {
    let hosts = Hosts::of(&document.cloud);
    let page = format!("{}/{}/oauth2/v2.0/authorize", hosts.login, document.tenant_id);
    let challenge = digest(&SHA256, verifier.expose_secret().as_bytes());
    let mut query = Serializer::new(format!("{page}?"));
    query.extend_pairs([
        ("client_id", document.auth.client_id.to_string().as_str()),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("redirect_uri", redirect_uri),
        ("scope", &format!("{}/.default offline_access openid", hosts.graph)),
        ("state", state.expose_secret()),
        ("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(challenge)),
        ("code_challenge_method", "S256"),
        ("prompt", "select_account"),
    ]);
    query.finish()
}
