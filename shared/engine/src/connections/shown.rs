//! Connections as the API shows them: the document, and where the connection stands (C4).

use jiff::Timestamp;
use plan::document::{AuthMethod, CredentialKind, Document, Mistake};
use plan::expiry::ExpiryWarning;
use plan::ids::{ConnectionId, PerKind, RunId, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use super::Connection;
use super::authorise::{Attempt, SignInStatus};
use crate::store::connections::Authorisation;
use crate::web::api::ConnectionDocument;

/// The key of a shown connection that is not part of the document.
pub(super) const STATUS: &str = "status";

/// A document with one more key, `status`
///
/// The same JSON may be sent back: `status` is ignored in documents that are saved.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub struct ShownConnection {
    #[serde(flatten)]
    #[schema(value_type = ConnectionDocument)]
    document: Document,
    status: ConnectionStatus,
}

/// A connection in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionSummary {
    /// Its id.
    id: ConnectionId,
    /// Its name.
    name: String,
    /// Whether it is switched on.
    enabled: bool,
    /// The Entra tenant.
    tenant_id: TenantId,
    status: ConnectionStatus,
}

/// Where a connection stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionStatus {
    /// What `If-Match` has to name (C10).
    revision: u64,
    /// When the document was saved.
    saved: Timestamp,
    /// Whether the connection may be used (C6, C7).
    authorisation: Authorisation,
    /// What may be known of its credentials (C4).
    credentials: CredentialStatus,
    /// The run under way.
    #[schema(required)]
    run: Option<RunId>,
    /// The run that waits for its turn.
    #[schema(required)]
    queued: Option<RunId>,
    /// When the schedule wants the next run.
    next_due: Timestamp,
    /// Active records in Halo that are linked to its people, as of its last run (L4).
    linked: PerKind<u64>,
    /// The job that reads last sign-ins; only where the document asks for it (D8).
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in: Option<LastSignIn>,
    /// The newest sign-in of a person; only where the connection reads on behalf of one (C6).
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<SignInStatus>,
    /// What to tell whoever saved or authorised it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Mistake>,
}

/// What may be known of credentials (C4, C9).
#[derive(Clone, Debug, Serialize, ToSchema)]
struct CredentialStatus {
    /// On whose behalf they sign in (C3).
    method: AuthMethod,
    /// What they are (C3).
    credential: CredentialKind,
    /// Whether there are any.
    set: bool,
    /// Since when.
    #[schema(required)]
    since: Option<Timestamp>,
    /// When they expire; `null` = not known.
    #[schema(required)]
    expires_at: Option<Timestamp>,
    /// From 60 days before their end on (C9).
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<ExpiryWarning>,
}

/// When last sign-ins were read, or why they are not (D8).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum LastSignIn {
    /// They are not read at present.
    Off {
        /// What happened and what to do.
        off: String,
        /// Since when.
        since: Timestamp,
    },
    /// They are read.
    Read {
        /// When the list was last read to its end; `null` = never yet.
        #[schema(required)]
        read: Option<Timestamp>,
    },
}

impl Connection {
    /// The connection as it is read and saved.
    pub fn shown(&self) -> ShownConnection {
        ShownConnection { document: self.saved.document.clone(), status: self.status() }
    }

    /// The connection in a list.
    pub fn summary(&self) -> ConnectionSummary {
        let Document { id, name, enabled, tenant_id, .. } = &self.saved.document;
        ConnectionSummary {
            id: id.clone(),
            name: name.clone(),
            enabled: *enabled,
            tenant_id: *tenant_id,
            status: self.status(),
        }
    }

    /// Where it stands.
    pub fn status(&self) -> ConnectionStatus {
        ConnectionStatus {
            revision: self.saved.revision,
            saved: self.saved.saved,
            authorisation: self.state.authorisation.clone(),
            credentials: CredentialStatus::of(self),
            run: self.state.run,
            queued: self.state.queued.as_ref().map(|queued| queued.run),
            next_due: self.state.next_due,
            linked: self.state.linked,
            last_sign_in: self.saved.document.sync.last_sign_in.then(|| self.last_sign_in()),
            sign_in: self.attempt.as_ref().map(Attempt::shown),
            warnings: self.warnings.clone(),
        }
    }

    fn last_sign_in(&self) -> LastSignIn {
        let job = self.sign_ins.as_ref();
        match job.and_then(|job| job.off.as_ref()) {
            Some(off) => LastSignIn::Off { off: off.reason.clone(), since: off.since },
            None => LastSignIn::Read { read: job.and_then(|job| job.read) },
        }
    }
}

impl CredentialStatus {
    fn of(connection: &Connection) -> Self {
        let facts = connection.saved.credentials.as_ref();
        let auth = &connection.saved.document.auth;
        Self {
            method: auth.method,
            credential: auth.credential,
            warning: connection.expiry.clone(),
            set: facts.is_some(),
            since: facts.map(|facts| facts.set),
            expires_at: facts.and_then(|facts| facts.expires_at),
        }
    }
}
