//! Runs that somebody asks for: they wait in the connection's state for their turn (I2, I5).

use std::time::Duration;

use plan::document::{Document, Entity};
use plan::ids::{ConnectionId, RunId};
use plan::message::Message;
use plan::reading::Read;
use plan::schedule::Module;
use plan::tally::{RunState, Trigger};

use super::{Refusal, TRIES, may_run};
use crate::Engine;
use crate::queue::QueueError;
use crate::store::connections::{Queued, State};
use crate::store::runs::RunRecord;
use crate::store::{Commit, Expect, StoreError, Write, keys, put};

impl Engine {
    /// Asks for a run of everybody. One that waits already is the answer to everybody who asks.
    pub async fn import(
        &self,
        id: &ConnectionId,
        read: Read,
        entities: &[Entity],
    ) -> Result<RunId, Refusal> {
        for _ in 0..TRIES {
            let (saved, state) = self.load(id).await?;
            self.module_is_on().await?;
            may_run(&state.value.authorisation)?;
            if !saved.value.document.enabled {
                return Err(Refusal::Disabled);
            }
            // One that covers something else waits no longer than the whole of it would.
            if let Some(queued) = &state.value.queued
                && (queued.entities.is_empty() || queued.entities == entities)
            {
                self.hint_fetch(id).await?;
                return Ok(queued.run);
            }
            let mut next = state.value.clone();
            let document = &saved.value.document;
            let mut writes = self.enqueue(document, &mut next, Trigger::Manual, read, entities)?;
            writes.push(put(keys::state(id), &next, state.unchanged())?);
            if self.store.commit(&writes).await? == Commit::Done
                && let Some(queued) = next.queued
            {
                self.hint_fetch(id).await?;
                return Ok(queued.run);
            }
        }
        Err(Refusal::Busy)
    }

    /// Puts a run into the state of its connection; the writes store what people see of it.
    pub(super) fn enqueue(
        &self,
        document: &Document,
        state: &mut State,
        trigger: Trigger,
        read: Read,
        entities: &[Entity],
    ) -> Result<Vec<Write>, StoreError> {
        let now = self.clock.now();
        let run = self.random.run_id(now);
        state.queued = Some(Queued { run, trigger, read, entities: entities.to_vec() });
        let mut record = RunRecord::new(run, &document.id, trigger, RunState::Queued, now);
        record.entities = entities.to_vec();
        Ok(vec![
            put(keys::run(&document.id, run), &record, Expect::Absent)?,
            put(keys::run_pointer(run), &document.id, Expect::Anything)?,
        ])
    }

    /// Notes in a connection's state that people were marked by an administrator, and queues the run
    /// that looks at them; one that waits already is the answer. `None` = no run may start now, and the
    /// next one looks at them. To be stored in one transaction with the marks or after them.
    pub(super) async fn enqueue_marked(
        &self,
        document: &Document,
        state: &mut State,
    ) -> Result<(Vec<Write>, Option<RunId>), StoreError> {
        note_marks(state);
        let off = self.module().await?.state() == Module::Off;
        if off || !document.enabled || may_run(&state.authorisation).is_err() {
            return Ok((Vec::new(), None));
        }
        if let Some(queued) = &state.queued {
            return Ok((Vec::new(), Some(queued.run)));
        }
        let writes = self.enqueue(document, state, Trigger::Manual, Read::None, &[])?;
        Ok((writes, state.queued.as_ref().map(|queued| queued.run)))
    }

    pub(super) async fn hint_fetch(&self, id: &ConnectionId) -> Result<(), QueueError> {
        let fetch = Message::Fetch { connection: id.clone() };
        self.queue.send(&[fetch], Duration::ZERO).await
    }
}

/// Somebody else than a reader placed dirty marks: the next run has to look for them.
fn note_marks(state: &mut State) {
    state.clean = false;
    state.marked = true;
}
