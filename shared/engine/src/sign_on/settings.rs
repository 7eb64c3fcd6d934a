//! The settings of single sign-on: shown, saved, and the secret of the application that people sign in
//! to (O1, O2).

use std::sync::Arc;

use jiff::Timestamp;
use plan::document::{CredentialKind, Mistake};
use plan::expiry::{self, ExpiryWarning};
use plan::sign_on::{Settings, Tenants, parse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Engine;
use crate::OperatorWay;
use crate::connections::{Precondition, Refusal, entered};
use crate::credentials::Credentials;
use crate::graph::{Access, Behalf, Credential, Graph, Hosts};
use crate::meter::Meter;
use crate::secrets::SecretName;
use crate::store::{Commit, StoreError, Versioned, keys, put};

/// How often a write is tried again when somebody else writes at the same time.
const TRIES: u32 = 5;
/// What a read has beside the settings.
const STATUS: &str = "status";

/// Settings as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) settings: Settings,
    /// Counts from 1; 0 = nobody ever saved any.
    pub(super) revision: u64,
    /// Facts about the secret; the secret itself is in the secret store (C4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<SecretFacts>,
}

/// What a read may show of the secret (C4, C9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SecretFacts {
    /// Since when it is set.
    set: Timestamp,
    /// When it ends, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// The settings as they are shown.
#[derive(Clone, Debug)]
pub struct ShownSettings {
    /// What can be changed.
    pub settings: Settings,
    /// The revision, for `If-Match`.
    pub revision: u64,
    /// What only a read has.
    pub status: SettingsStatus,
}

/// What a read of the settings has beside them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SignInSettingsStatus)]
pub struct SettingsStatus {
    /// Whether people can sign in with Microsoft now.
    pub usable: bool,
    /// What is missing for that, one sentence for each; empty if nothing is.
    pub missing: Vec<&'static str>,
    /// To be registered with the application, under the platform "Web"; `null` while the deployment does
    /// not know its own address.
    #[schema(required)]
    pub redirect_uri: Option<String>,
    /// To be registered beside it: where Microsoft sends whoever signs out.
    #[schema(required)]
    pub signed_out_uri: Option<String>,
    /// Since when the secret is set; `null` if it is not.
    #[schema(required)]
    pub secret_set: Option<Timestamp>,
    /// When the secret ends; `null` if that is not known.
    #[schema(required)]
    pub secret_expires_at: Option<Timestamp>,
    /// Said from 60 days before on.
    #[schema(required)]
    pub warning: Option<ExpiryWarning>,
    /// Whether the operator's way is open (O4).
    pub operator_way: bool,
}

impl Engine {
    /// The settings as they were saved last.
    pub(super) async fn sign_on_saved(&self) -> Result<Versioned<Saved>, StoreError> {
        let found = self.store.read::<Saved>(&keys::sign_on()).await?;
        Ok(found.unwrap_or(Versioned { version: 0, value: Saved::default() }))
    }

    /// The settings of single sign-on.
    pub async fn sign_on_settings(&self) -> Result<ShownSettings, StoreError> {
        let saved = self.sign_on_saved().await?.value;
        Ok(self.show_settings(saved))
    }

    fn show_settings(&self, saved: Saved) -> ShownSettings {
        let Saved { settings, revision, secret } = saved;
        let [redirect_uri, signed_out_uri] =
            [super::CALLBACK, super::SIGNED_OUT].map(|path| self.browsers_address(path));
        let expires = secret.as_ref().and_then(|secret| secret.expires_at);
        let now = self.clock.now();
        let lacks = [
            (!settings.published, "Set published to true."),
            (settings.application().is_none(), "Enter tenant and client_id."),
            (secret.is_none(), "Enter the client secret of the application."),
            (redirect_uri.is_none(), "The operator sets HALO_ENTRA_PUBLIC_URL."),
        ];
        let missing: Vec<&str> =
            lacks.into_iter().filter_map(|(lacks, what)| lacks.then_some(what)).collect();
        let status = SettingsStatus {
            usable: missing.is_empty(),
            missing,
            redirect_uri,
            signed_out_uri,
            secret_set: secret.map(|secret| secret.set),
            secret_expires_at: expires,
            warning: expires
                .and_then(|expires| expiry::warning(CredentialKind::Secret, expires, now)),
            operator_way: !matches!(self.policy.operator, OperatorWay::Closed),
        };
        ShownSettings { settings, revision, status }
    }

    /// An address of ours for browsers; `None` = nobody said where they reach us.
    pub(super) fn browsers_address(&self, path: &str) -> Option<String> {
        let base = self.policy.public_url.as_ref()?;
        Some(format!("{}/{path}", base.as_str().trim_end_matches('/')))
    }

    /// Saves the settings over the revision that the precondition names; `who` is who does it. What a
    /// read has beside them is passed over. Another application or login service forgets the secret,
    /// which is only ever sent where it was entered for.
    pub async fn save_sign_on(
        &self,
        who: &str,
        precondition: Precondition,
        body: &Value,
    ) -> Result<ShownSettings, Refusal> {
        let old = self.sign_on_saved().await?;
        let current = old.value.revision;
        match precondition {
            Precondition::Any => {}
            Precondition::Revision(named) if named == current => {}
            Precondition::Unsaid => return Err(Refusal::RevisionRequired),
            Precondition::New | Precondition::Revision(_) => {
                return Err(Refusal::StaleRevision { current: Some(current) });
            }
        }
        let mut body = body.clone();
        if let Value::Object(keys) = &mut body {
            keys.remove(STATUS);
        }
        let settings = parse(&body, self.policy.custom_clouds).map_err(Refusal::Invalid)?;
        let same_application = old.value.secret.is_none() || same(&old.value.settings, &settings);
        if !same_application {
            // First: whoever dies here has settings without a secret, which let nobody in.
            self.secrets.delete(&SecretName::sign_on()).await?;
        }
        let secret = old.value.secret.clone().filter(|_| same_application);
        let next = Saved { settings, revision: current + 1, secret };
        let before = (current > 0).then_some(&old.value.settings);
        let writes = [
            put(keys::sign_on(), &next, old.unchanged())?,
            self.deployment_change(who, "sign-in settings changed", before, Some(&next.settings))?,
        ];
        if self.store.commit(&writes).await? == Commit::Done {
            tracing::warn!(
                published = next.settings.published,
                "the sign-in settings were changed"
            );
            return Ok(self.show_settings(next));
        }
        let current = Some(self.sign_on_saved().await?.value.revision);
        Err(Refusal::StaleRevision { current })
    }

    /// Replaces the secret of the application that people sign in to; `who` is who does it. With one
    /// tenant it has to produce a token there first (C8); with several there is none in which the
    /// application is known to be registered, and the next sign-in proves it.
    ///
    /// Safe to repeat: killed before the facts about it are written, it works already.
    pub async fn put_sign_on_secret(
        &self,
        who: &str,
        body: &Map<String, Value>,
    ) -> Result<ShownSettings, Refusal> {
        let read = entered(body, CredentialKind::Secret, self.clock.now());
        let (credentials, expires_at) = read.map_err(Refusal::Request)?;
        let old = self.sign_on_saved().await?;
        if old.value.settings.application().is_none() {
            let what = "Save tenant and client_id first: a secret is that of an application.";
            return Err(Refusal::Request(vec![Mistake::new("$", what)]));
        }
        self.test_secret(&old.value.settings, &credentials).await?;
        self.store_credentials(&SecretName::sign_on(), &credentials).await?;
        let tested = old.value.settings;
        for _ in 0..TRIES {
            let old = self.sign_on_saved().await?;
            if !same(&old.value.settings, &tested) {
                break;
            }
            let secret = Some(SecretFacts { set: self.clock.now(), expires_at });
            let next = Saved { secret, ..old.value.clone() };
            let writes = [
                put(keys::sign_on(), &next, old.unchanged())?,
                self.deployment_audit_entry(who, "sign-in secret entered")?,
            ];
            if self.store.commit(&writes).await? == Commit::Done {
                return Ok(self.show_settings(next));
            }
        }
        // Somebody saved the settings for another application while this one's was tested.
        self.secrets.delete(&SecretName::sign_on()).await?;
        Err(Refusal::Busy)
    }

    async fn test_secret(
        &self,
        settings: &Settings,
        credentials: &Credentials,
    ) -> Result<(), Refusal> {
        let Some(application) = settings.application() else { return Ok(()) };
        let Tenants::Single { id: tenant } = application.tenants else { return Ok(()) };
        let access = Access {
            hosts: Hosts::of(application.cloud),
            tenant: *tenant,
            client: application.client_id,
            credential: credential(credentials.clone()),
            behalf: Behalf::Application,
        };
        let (http, tokens) = (self.http.clone(), self.tokens.clone());
        let meter = Arc::new(Meter::default());
        let graph =
            Graph::new(access, http, tokens, meter, self.clock.clone(), self.random.clone());
        Ok(graph.sign_in().await?)
    }
}

/// What the application proves itself with. Only secrets are entered here.
pub(super) fn credential(credentials: Credentials) -> Credential {
    match credentials {
        Credentials::Secret(secret) => Credential::Secret(secret),
        Credentials::Certificate(certificate) => {
            Credential::Certificate(certificate, plan::document::Assertion::Ps256)
        }
    }
}

/// Whether a secret that was entered for the one is that of the other.
fn same(before: &Settings, after: &Settings) -> bool {
    before.client_id == after.client_id && before.cloud == after.cloud
}
