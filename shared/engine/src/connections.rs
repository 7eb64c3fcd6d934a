//! Connections as administrators handle them: saved, checked against Entra and Halo, authorised.
//!
//! | file | does |
//! |---|---|
//! | `save` | creates and changes documents, with their history (C1, C10) |
//! | `assignments` | licences that Halo asks to be given or taken (S2) |
//! | `audit` | that history, and what else was changed by whom (C10) |
//! | `check` | what only Halo can tell of a document |
//! | `checks` | all checks of a document, with and without saving it |
//! | `directory` | what only Entra can tell: groups, properties (C7, P3, F3) |
//! | `authorise` | credentials, permissions, sign-ins of people (C4–C9) |
//! | `preview` | what a run would do to everybody, to be looked at (I1, I4) |
//! | `import` | runs that somebody asks for (I2, I5) |
//! | `reset` | stored positions forgotten or moved to now (D4) |
//! | `choose` | lists to choose from: groups of the tenant |
//! | `links` | who a person is in Halo, as an administrator says (M3, M7) |
//! | `conflicts` | people for whom an administrator has to choose (M3) |
//! | `parked` | people who are set aside (T5) |
//! | `held` | deactivations that wait for an administrator (L4) |
//! | `effect` | what a draft would change (I4, I5) |
//! | `shown` | connections as the API shows them (C4) |
//! | `remove` | takes a connection away with all that it knows |

mod assignments;
mod audit;
mod authorise;
mod check;
mod checks;
mod choose;
mod conflicts;
mod directory;
mod effect;
mod held;
mod import;
mod licences;
mod links;
mod parked;
mod preview;
mod remove;
mod reset;
mod save;
mod shown;

use std::sync::Arc;

use plan::document::{AuthMethod, Document, Mistake};
use plan::expiry::ExpiryWarning;
use plan::failure::{Failure, Kind};
use plan::ids::{ConnectionId, LicenceId, RecordKind};
use plan::sign_ins::SignIns;

use crate::Engine;
use crate::halo;
use crate::meter::Meter;
use crate::queue::QueueError;
use crate::secrets::SecretsError;
use crate::steps::StepError;
use crate::store::connections::{Authorisation, Saved, State};
use crate::store::{StoreError, Versioned, keys};

pub use assignments::Asking;
pub use audit::AuditEntry;
pub(crate) use authorise::entered;
pub use authorise::{
    Attempt, Authorised, Authorising, Brought, Landed, NeededPermission, PermissionReport, SignIn,
    SignInOutcome, SignInStatus, needed,
};
pub use checks::DocumentCheck;
pub use conflicts::{Candidate, ConflictList, InConflict};
pub use directory::Pinned;
pub(crate) use directory::carry_pins;
pub use effect::{Effect, Example};
pub use held::{HeldPerson, Other, Ruled};
pub use import::Asked;
pub use licences::{HolderList, Licence, LicenceHolder, LicenceList};
pub use links::LinkChoice;
pub use parked::ParkedPerson;
pub use preview::{Preview, PreviewState, Wanted};
pub use remove::Removed;
pub use reset::Reset;
pub use save::{Precondition, RulesApply, Saving};
pub use shown::{ConnectionStatus, ConnectionSummary, ShownConnection};

/// A connection as it is shown: everything that is known of it but its secrets (C4).
#[derive(Clone, Debug)]
pub struct Connection {
    /// The document, when it was saved, and facts about the credentials.
    pub saved: Saved,
    /// Where it stands.
    pub state: State,
    /// Where the job that reads last sign-ins stands; `None` if it never ran, or is not asked for (D8).
    pub sign_ins: Option<SignIns>,
    /// The newest sign-in of a person, where the connection reads on behalf of one (C6).
    pub attempt: Option<Attempt>,
    /// What to say of the end of its credentials, from 60 days before on (C9).
    pub expiry: Option<ExpiryWarning>,
    /// What to tell whoever saved it; empty when it is only read.
    pub warnings: Vec<Mistake>,
}

/// Why something was not done. Nothing has been changed then, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such connection.
    #[error("There is no connection \"{0}\".")]
    NotFound(String),
    /// There is one already.
    #[error("There is a connection \"{0}\" already. Change it with PUT, or choose another id.")]
    Exists(ConnectionId),
    /// One of this id was removed a moment ago and is not gone yet.
    #[error(
        "What the removed connection \"{0}\" knew is still being removed. Repeat the DELETE until it answers 204."
    )]
    BeingRemoved(ConnectionId),
    /// Somebody saved another revision since (C10).
    #[error(
        "The connection was saved by somebody else since it was read. Read it again and repeat the change."
    )]
    StaleRevision {
        /// The present one; `None` = there is no such connection.
        current: Option<u64>,
    },
    /// The revision that the change is based on was not named (C10).
    #[error(
        "Name the revision that the change is based on: send the ETag of the last read as If-Match."
    )]
    RevisionRequired,
    /// Mistakes in the document or in another body, each with its path.
    #[error("{} mistakes", .0.len())]
    Invalid(Vec<Mistake>),
    /// Mistakes in a body that is no document, each with its path.
    #[error("{} mistakes", .0.len())]
    Request(Vec<Mistake>),
    /// Nobody said where browsers reach the API.
    #[error(
        "Delegated permissions need an address for the sign-in to come back to. Set HALO_ENTRA_PUBLIC_URL of this deployment to the API's address."
    )]
    NoPublicUrl,
    /// Nobody entered credentials.
    #[error("No credentials are stored for this connection. Enter them, then authorise.")]
    CredentialsMissing,
    /// The tenant refused the credentials.
    #[error("{}", .0.sentence())]
    SignIn(Failure),
    /// The sign-in works, but a mandatory permission is missing (C6).
    #[error("The sign-in works, but {} missing; the connection stays unauthorised.", missing(.permissions))]
    PermissionMissing {
        /// All permissions and what came of each.
        permissions: Vec<PermissionReport>,
        /// Where an administrator of the tenant grants them.
        consent_url: String,
    },
    /// Entra or Halo cannot be asked at the moment.
    #[error("{}", .0.sentence())]
    Unreachable(Failure),
    /// Not authorised yet (C7).
    #[error("The connection is not authorised. Enter its credentials and authorise it first.")]
    NotAuthorised,
    /// A run met refused credentials (C7).
    #[error("The connection has to be authorised again (reauthorise): {0}")]
    Reauthorise(String),
    /// The licence is none that a connection imported (S2).
    #[error(
        "No connection imported the Halo licence {0}. Only licences that were imported from Entra can be assigned; GET /v1/connections/ID/licences lists them."
    )]
    UnknownLicence(LicenceId),
    /// The connection takes no licences from Halo (S2).
    #[error(
        "The connection \"{0}\" takes no licences from Halo. Set $.licences.manage_from_halo of its document first."
    )]
    ManagingOff(ConnectionId),
    /// A request of this name was another one before (S2).
    #[error(
        "A request of this name asked for something else before. Give each request a name of its own."
    )]
    RequestReused,
    /// Too many assignments are open (S2).
    #[error(
        "More assignments of this connection wait than are taken in. Ask again when some are done."
    )]
    TooManyOpen,
    /// There is no such assignment (S2).
    #[error("There is no such assignment. They are kept as long as the inbound log.")]
    NoAssignment,
    /// Switched off in its document.
    #[error("The connection is switched off. Set enabled to true in its document first.")]
    Disabled,
    /// The whole integration is off (C11).
    #[error(
        "The whole integration is switched off: by the deployment (HALO_ENTRA_MODULE), or by an administrator (PUT /v1/module)."
    )]
    ModuleOff,
    /// A run reads Entra, and its place must not be moved meanwhile (D4).
    #[error(
        "The connection is being read at this moment, or was until a minute ago. Repeat the call when the run has read."
    )]
    Reading,
    /// Nobody knows the person.
    #[error("Entra has not told of such a person.")]
    Nobody,
    /// The Halo record cannot be this person's (M4, M7).
    #[error("{0}")]
    Link(String),
    /// A run is making a record for the person.
    #[error(
        "A run is making a Halo {0} for this person at this moment. Repeat the call when it has ended."
    )]
    BeingMade(RecordKind),
    /// Nobody is there to be released or rejected (L4).
    #[error("{0}")]
    HoldsNobody(String),
    /// There is no such preview of this connection.
    #[error("This connection has no such preview.")]
    NoPreview,
    /// A preview cannot be carried out; the text says why.
    #[error("The preview cannot be carried out: {0}. Make a new one.")]
    Plan(&'static str),
    /// Others kept changing the same connection.
    #[error("The connection was changed by others at the same time. Try again.")]
    Busy,
    /// Our own backends failed.
    #[error(transparent)]
    Ours(#[from] StepError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Ours(error.into())
    }
}

impl From<SecretsError> for Refusal {
    fn from(error: SecretsError) -> Self {
        Refusal::Ours(error.into())
    }
}

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        Refusal::Ours(error.into())
    }
}

impl From<halo::Error> for Refusal {
    fn from(error: halo::Error) -> Self {
        match error {
            halo::Error::Halo(failure) => Refusal::Unreachable(failure),
            halo::Error::Ours(error) => Refusal::Ours(error),
        }
    }
}

/// A failure of Graph or its sign-in, where the credentials may be what is wrong.
impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        if matches!(failure.kind, Kind::Credentials { .. }) {
            Refusal::SignIn(failure)
        } else {
            Refusal::Unreachable(failure)
        }
    }
}

fn missing(permissions: &[PermissionReport]) -> String {
    let names: Vec<&str> =
        permissions.iter().filter(|it| it.is_lacking()).map(|it| it.name).collect();
    match names.as_slice() {
        [one] => format!("the permission {one} is"),
        several => format!("the permissions {} are", several.join(", ")),
    }
}

/// How often a change is tried again when a step wrote the connection's state meanwhile.
const TRIES: u32 = 20;

impl Connection {
    /// The connection's revision, which an update has to name (C10).
    pub fn revision(&self) -> u64 {
        self.saved.revision
    }
}

impl Engine {
    /// A connection.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Connection, Refusal> {
        let (saved, state) = self.load(id).await?;
        Ok(self.show(saved.value, state.value, Vec::new()).await?)
    }

    /// Connections in order of their ids, and where to go on.
    pub async fn connections(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Connection>, Option<String>), Refusal> {
        let (listed, next) = self.store.connections(after, limit).await?;
        let reads = listed.iter().map(|(id, _)| self.store.connection(id));
        let found = futures::future::try_join_all(reads).await?;
        // One that was removed since the list was read is left out.
        let shown = found
            .into_iter()
            .flatten()
            .map(|(saved, state)| self.show(saved.value, state.value, Vec::new()));
        Ok((futures::future::try_join_all(shown).await?, next))
    }

    /// A connection with what is shown of it besides document and state.
    async fn show(
        &self,
        saved: Saved,
        state: State,
        warnings: Vec<Mistake>,
    ) -> Result<Connection, StoreError> {
        let Document { id, sync, auth, .. } = &saved.document;
        let job = if sync.last_sign_in { self.store.sign_ins(id).await? } else { None };
        let attempt = match auth.method {
            AuthMethod::Delegated => self.store.read(&keys::attempt(id)).await?,
            AuthMethod::Application => None,
        };
        let ends = saved.credentials.as_ref().and_then(|facts| facts.expires_at);
        let now = self.clock.now();
        let expiry = ends.and_then(|ends| plan::expiry::warning(auth.credential, ends, now));
        let (sign_ins, attempt) = (job.map(|job| job.value), attempt.map(|it| it.value));
        Ok(Connection { saved, state, sign_ins, attempt, expiry, warnings })
    }

    async fn load(
        &self,
        id: &ConnectionId,
    ) -> Result<(Versioned<Saved>, Versioned<State>), Refusal> {
        let found = self.store.connection(id).await?;
        found.ok_or_else(|| Refusal::NotFound(id.to_string()))
    }

    /// Halo as somebody who waits for the answer asks it (H2).
    fn halo_for_people(&self) -> halo::Halo {
        self.halo.with_meter(Arc::new(Meter::default())).with_priority(halo::Priority::Manual)
    }
}

/// Whether runs may start, as the interfaces say it (C7).
fn may_run(authorisation: &Authorisation) -> Result<(), Refusal> {
    match authorisation {
        Authorisation::Authorised { .. } => Ok(()),
        Authorisation::Unauthorised => Err(Refusal::NotAuthorised),
        Authorisation::Reauthorise { reason, .. } => Err(Refusal::Reauthorise(reason.clone())),
    }
}
