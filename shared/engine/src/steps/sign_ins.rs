//! Sign-ins: reads when people last signed in, a page at a time, into the facts of those whom we know,
//! and moves its place last (D8). No run, and nothing that runs depend on, hears of its failures.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use plan::cursor::Progress;
use plan::document::Document;
use plan::failure::{Failure, Kind, Service};
use plan::ids::{ConnectionId, ObjectId};
use plan::message::Message;
use plan::schedule::reads_sign_ins;
use plan::sign_ins::{SignIns, Then};

use super::{StepError, Trouble, situation};
use crate::Engine;
use crate::clock::Deadline;
use crate::graph::{Graph, SignIn};
use crate::store::connections::Saved;
use crate::store::leases::Fence;
use crate::store::people::Fenced;
use crate::store::{Commit, StoreError, Versioned, Write, keys, put};

/// The job at work.
struct Job<'a> {
    engine: &'a Engine,
    connection: &'a ConnectionId,
    document: Document,
    place: Versioned<SignIns>,
    fence: Fence,
}

/// Reads the list, or goes on with it, until its end or until the deadline is near. Safe to repeat,
/// also at the same time: one worker holds the lease, and a page that is merged again changes nothing.
pub(super) async fn sign_ins(
    engine: &Engine,
    connection: &ConnectionId,
    deadline: Deadline,
) -> Result<(), StepError> {
    if load(engine, connection).await?.is_none() {
        return Ok(());
    }
    let owner = engine.random.uuid();
    let lease = keys::sign_in_lease(connection);
    let Some(fence) = engine.store.acquire(&lease, owner, engine.lease_for(deadline)).await? else {
        return Ok(());
    };
    // What was read before the lease was taken may be old.
    let Some((saved, place)) = load(engine, connection).await? else {
        let _: Commit = engine.store.commit(&[fence.release()?]).await?;
        return Ok(());
    };
    let graph = engine.graph(&saved, std::sync::Arc::default()).await?;
    let mut job = Job { engine, connection, document: saved.document, place, fence };
    match job.read(graph, deadline).await {
        Ok(()) | Err(Trouble::Lost) => Ok(()),
        Err(Trouble::Ours(error)) => Err(error),
        Err(Trouble::Outside(failure)) => job.failed(&failure).await,
    }
}

/// The connection and its job; `None` = there is nothing to do.
async fn load(
    engine: &Engine,
    connection: &ConnectionId,
) -> Result<Option<(Saved, Versioned<SignIns>)>, StoreError> {
    let Some((saved, state)) = engine.connection_at_work(connection).await? else {
        return Ok(None);
    };
    let now = situation(&saved.value.document, &state.value, engine);
    if !reads_sign_ins(&now, engine.policy.module, state.value.reading.last_full) {
        return Ok(None);
    }
    let stored = engine.store.sign_ins(connection).await?;
    let place = stored.unwrap_or_else(|| Versioned { version: 0, value: SignIns::new(now.now) });
    Ok(place.value.is_due(now.now).then_some((saved.value, place)))
}

impl Job<'_> {
    async fn read(
        &mut self,
        graph: Result<Graph, Failure>,
        deadline: Deadline,
    ) -> Result<(), Trouble> {
        let graph = graph?;
        if self.place.value.off.is_some() {
            // A permission that was granted since counts for new tokens only.
            graph.sign_in().await?;
        }
        loop {
            if self.engine.is_near(deadline) {
                self.save(self.fence.release()?).await?;
                return Ok(self.engine.later(self.hint(), SignedDuration::ZERO).await?);
            }
            let SignIns { cursor, page_size, .. } = &self.place.value;
            let page = graph.sign_ins_page(cursor.link(), *page_size).await?;
            self.merge(&page.items).await?;
            let ids: Vec<ObjectId> = page.items.iter().map(|row| row.id).collect();
            let now = self.engine.clock.now();
            match self.place.value.turn(self.connection, &ids, page.next, now) {
                Progress::More => self.save(self.fence.check()).await?,
                Progress::Complete(_) => return self.save(self.fence.release()?).await,
                Progress::Endless => return Err(endless().into()),
            }
        }
    }

    async fn merge(&self, rows: &[SignIn]) -> Result<(), Trouble> {
        let dates: BTreeMap<ObjectId, String> =
            rows.iter().filter_map(|row| Some((row.id, row.at.clone()?))).collect();
        let (store, check) = (&self.engine.store, self.fence.check());
        let told = match store.merge_sign_ins(self.connection, &check, &dates).await? {
            Fenced::Done(0) => Fenced::Done(()),
            Fenced::Done(_) => store.tell_of_marks(self.connection, &check).await?,
            Fenced::Lost => Fenced::Lost,
        };
        match told {
            Fenced::Done(()) => Ok(()),
            Fenced::Lost => Err(Trouble::Lost),
        }
    }

    /// Graph or its sign-in failed: `plan` decides, here it is carried out. Killed behind the save,
    /// the timer sends the hint once the job is due.
    async fn failed(&mut self, failure: &Failure) -> Result<(), StepError> {
        let now = self.engine.clock.now();
        let then = self.place.value.fail(self.connection, &self.document, failure, now);
        let off = self.place.value.off.as_ref().filter(|_| then == Then::Rest);
        let told = off.map_or_else(|| failure.sentence(), |off| off.reason.clone());
        tracing::warn!(connection = %self.connection, "{told}");
        match (self.save(self.fence.release()?).await, then) {
            (Ok(()), Then::Again(delay)) => Ok(self.engine.later(self.hint(), delay).await?),
            (Err(Trouble::Ours(error)), _) => Err(error),
            (Ok(()), Then::Rest) | (Err(Trouble::Lost | Trouble::Outside(_)), _) => Ok(()),
        }
    }

    fn hint(&self) -> Message {
        Message::SignIns { connection: self.connection.clone() }
    }

    /// Stores the place together with what keeps or gives back the lease. A second worker, or this one
    /// again, finds the lease or the place changed and stops; the page is then read from the old place.
    async fn save(&mut self, lease: Write) -> Result<(), Trouble> {
        let key = keys::sign_ins(self.connection);
        let write = put(key, &self.place.value, self.place.unchanged())?;
        match self.engine.store.commit(&[lease, write]).await? {
            Commit::Done => {
                self.place.version += 1;
                Ok(())
            }
            Commit::Conflict(_) => Err(Trouble::Lost),
        }
    }
}

fn endless() -> Failure {
    Failure {
        service: Service::Graph,
        operation: "read last sign-ins".to_owned(),
        kind: Kind::EndlessPages,
    }
}
