//! Licences that Halo asks to be given or taken: taken in here, carried out by the step of the same
//! name (S2).

use std::time::Duration;

use plan::assignment::{Action, Assignment, Request, Stands};
use plan::ids::{AssignmentId, ConnectionId, LicenceId, RecordId};
use plan::message::Message;

use super::{Refusal, may_run};
use crate::Engine;
use crate::store::assignments::Accepted;

/// What Halo asks for.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Give or take.
    pub action: Action,
    /// Number of the Halo user.
    pub user: i64,
    /// The licence as Halo knows it; it says which connection is meant.
    pub licence: LicenceId,
    /// What tells this request from all others: sent again under the same name, it is done once.
    pub name: String,
}

impl Engine {
    /// Takes in what Halo asks for, unless no work could follow. What was taken in before is answered
    /// as it stands now, whatever was switched off since.
    pub async fn ask_for_licence(&self, asking: &Asking) -> Result<Assignment, Refusal> {
        let Asking { action, user, licence, name } = asking;
        let request = Request { action: *action, user: RecordId::user(*user), licence: *licence };
        let before = self.store.accepted(name, &request).await?;
        let accepted = if let Some(before) = before {
            before
        } else {
            let assignment = self.new_assignment(request).await?;
            self.store.accept(name, assignment, self.policy.log_retention).await?
        };
        match accepted {
            Accepted::Reused => Err(Refusal::RequestReused),
            Accepted::TooMany => Err(Refusal::TooManyOpen),
            Accepted::As(assignment) => {
                if assignment.stands.ended().is_none() {
                    self.hint_assign(&assignment.connection).await?;
                }
                let (connection, stands) = (&assignment.connection, assignment.stands.name());
                tracing::info!(%connection, assignment = %assignment.id, stands, "a licence was asked for");
                Ok(*assignment)
            }
        }
    }

    /// An assignment of the connection that imported the licence, where that takes any.
    async fn new_assignment(&self, request: Request) -> Result<Assignment, Refusal> {
        self.module_is_on().await?;
        let unknown = || Refusal::UnknownLicence(request.licence);
        let owner = self.store.licence_owner(request.licence).await?.ok_or_else(unknown)?;
        let found = self.store.connection(&owner.connection).await?;
        let (saved, state) = found.ok_or_else(unknown)?;
        let document = &saved.value.document;
        if !document.licences.is_some_and(|it| it.manage_from_halo) {
            return Err(Refusal::ManagingOff(owner.connection));
        }
        if !document.enabled {
            return Err(Refusal::Disabled);
        }
        may_run(&state.value.authorisation)?;
        let book = self.store.book(&owner.connection).await?;
        let sku = book.as_ref().and_then(|book| book.value.skus.get(&owner.sku));
        let now = self.clock.now();
        Ok(Assignment {
            id: AssignmentId(self.random.sortable(now)),
            connection: owner.connection,
            request,
            sku: owner.sku,
            product: sku.map_or_else(|| owner.sku.to_string(), |sku| sku.name().to_owned()),
            asked: now,
            stands: Stands::Accepted,
            person: None,
            calls: 0,
            refusals: 0,
            failures: 0,
            due: now,
        })
    }

    /// An assignment as it stands.
    pub async fn assignment(&self, id: AssignmentId) -> Result<Assignment, Refusal> {
        self.store.any_assignment(id).await?.ok_or(Refusal::NoAssignment)
    }

    /// Assignments of a connection, newest first, and where to go on.
    pub async fn assignments(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Assignment>, Option<String>), Refusal> {
        self.load(connection).await?;
        Ok(self.store.assignments(connection, after, limit).await?)
    }

    async fn hint_assign(&self, connection: &ConnectionId) -> Result<(), Refusal> {
        let hint = Message::Assign { connection: connection.clone() };
        Ok(self.queue.send(&[hint], Duration::ZERO).await?)
    }
}
