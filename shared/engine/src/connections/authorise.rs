//! Credentials and permissions: entered, tested, authorised (C4–C9).
//!
//! | file | does |
//! |---|---|
//! | `entered` | credentials as they are entered, tested and stored |
//! | `permissions` | what is needed, where it is granted, what is there |
//! | `sign_in` | a person's sign-in, begun |
//! | `callback` | the same, ended |

mod callback;
mod entered;
mod permissions;
mod sign_in;

use std::sync::Arc;

use plan::document::{AuthMethod, Document};
use plan::ids::ConnectionId;

use super::{Connection, Refusal, TRIES};
use crate::Engine;
use crate::graph::{Behalf, Graph};
use crate::meter::Meter;
use crate::store::connections::{Authorisation, Saved, State};
use crate::store::{Commit, StoreError, Write, keys, put};

pub use callback::{Brought, Landed};
pub(crate) use entered::entered;
use permissions::probe;
pub use permissions::{NeededPermission, PermissionReport, needed};
pub use sign_in::{Attempt, SignIn, SignInOutcome, SignInStatus};

/// A successful authorisation.
#[derive(Clone, Debug)]
pub struct Authorised {
    /// All permissions, needed or not.
    pub permissions: Vec<PermissionReport>,
    /// The connection, with its groups pinned and what could not be found among the warnings.
    pub connection: Connection,
}

/// How far authorising got.
#[derive(Clone, Debug)]
pub enum Authorising {
    /// The connection may run.
    Done(Box<Authorised>),
    /// A person has to sign in first.
    SignIn(SignIn),
}

impl Engine {
    /// Authorises a connection. For an application: gets a token and tries each permission; on success
    /// the connection may run, and its groups are looked for and pinned; on failure nothing changes. On
    /// behalf of a person: begins their sign-in (C6).
    pub async fn authorise(&self, who: &str, id: &ConnectionId) -> Result<Authorising, Refusal> {
        self.module_is_on().await?;
        let (saved, _) = self.load(id).await?;
        let Some(credentials) = self.credentials(id).await? else {
            return Err(Refusal::CredentialsMissing);
        };
        let document = &saved.value.document;
        if document.auth.method == AuthMethod::Delegated {
            return Ok(Authorising::SignIn(self.begin_delegation(who, document).await?));
        }
        let meter = Arc::new(Meter::default());
        let graph = self.graph_with(document, credentials, Behalf::Application, meter);
        // A token keeps the permissions that it was issued with, so it has to be a new one.
        graph.sign_in().await?;
        let permissions = probe(&graph, document).await?;
        if permissions.iter().any(PermissionReport::is_lacking) {
            return Err(Refusal::PermissionMissing {
                permissions,
                consent_url: self.consent_url(document, None),
            });
        }
        let authorised = self.conclude(who, id, &graph, permissions, None).await?;
        Ok(Authorising::Done(Box::new(authorised)))
    }

    /// Marks a connection as authorised and pins its groups, with `more` in the same transaction. Again
    /// it is the same: a later time, and the groups that are there then.
    async fn conclude(
        &self,
        who: &str,
        id: &ConnectionId,
        graph: &Graph,
        permissions: Vec<PermissionReport>,
        more: Option<Write>,
    ) -> Result<Authorised, Refusal> {
        for _ in 0..TRIES {
            let (saved, state) = self.load(id).await?;
            let mut document = saved.value.document.clone();
            let old = saved.value.document.clone();
            let findings = self.check_directory(graph, &mut document, Some(&old)).await?;
            let mut warnings = findings.mistakes;
            warnings.extend(findings.warnings);
            let since = self.clock.now();
            // Pinned ids are no new revision: whoever read the document before may still save it.
            let saved_now = Saved { document, ..saved.value.clone() };
            let state_now =
                State { authorisation: Authorisation::Authorised { since }, ..state.value.clone() };
            let mut writes = vec![
                put(keys::document(id), &saved_now, saved.unchanged())?,
                put(keys::state(id), &state_now, state.unchanged())?,
                self.audit(id, who, "authorised", None, None)?,
            ];
            writes.extend(self.sign_ins_anew(&saved_now.document).await?);
            writes.extend(more.clone());
            if self.store.commit(&writes).await? == Commit::Done {
                let connection = self.show(saved_now, state_now, warnings).await?;
                return Ok(Authorised { permissions, connection });
            }
        }
        Err(Refusal::Busy)
    }

    /// Starts the job that reads last sign-ins anew: what was granted just now counts at once (D8). It
    /// may start anew any number of times; a worker in the middle of it finds its place changed and stops.
    async fn sign_ins_anew(&self, document: &Document) -> Result<Option<Write>, StoreError> {
        let Document { id, sync, .. } = document;
        let found = if sync.last_sign_in { self.store.sign_ins(id).await? } else { None };
        let anew = found.map(|found| {
            let expect = found.unchanged();
            put(keys::sign_ins(id), &found.value.anew(self.clock.now()), expect)
        });
        anew.transpose()
    }
}
