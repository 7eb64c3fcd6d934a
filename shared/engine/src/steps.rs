//! The steps of a run: fetch, index, decide, apply, finish. Each handles one hint, is bounded by its
//! deadline, may be killed anywhere and run again, also twice at once (T1–T3).
//!
//! The order of a run: `fetch` reads Graph into facts and marks people dirty; `decide` looks at what
//! would happen to each of them, so that claims on the same Halo user and the number of deactivations
//! are known before anything is written; `apply` writes Halo, one person at a time; `boards` writes the
//! boards on which people sit; `finish` closes the run. `picked` says whom a run is about that is not
//! about everybody, `planned` leaves alone who moved since a preview (I2). `index` is called for when somebody unlinked
//! has to be looked for in Halo, `licences` where Halo's software licences are not as the ledger says
//! (S1). `sign_ins` is a job of its own beside the runs: it adds last sign-ins
//! to the facts (D8). `preview` looks at everybody and writes nothing but what it shows (I1).
//! `assignments` carries out what Halo asks for about licences (S2).

mod apply;
mod assignments;
mod boards;
mod decide;
mod fetch;
mod finish;
mod index;
mod intent;
mod licences;
pub(crate) mod lookup;
mod lost;
mod picked;
mod planned;
pub(crate) mod preview;
mod sign_ins;
mod write;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use plan::failure::Failure;
use plan::ids::{ConnectionId, RunId, Segment};
use plan::message::Message;
use plan::tally::RunState;

use crate::Engine;
use crate::clock::Deadline;
use crate::halo::{self, Halo};
use crate::meter::Meter;
use crate::queue::QueueError;
use crate::secrets::SecretsError;
use crate::store::StoreError;
use crate::store::runs::{RunRecord, WaitsFor};

pub(crate) use fetch::situation;

/// Our own backends failed; the hint comes back by itself.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Time that must be left to begin another piece of work: a request may take a minute.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);
/// How long a lease outlives its step's deadline: the longest request, so that whatever a slow or
/// killed worker sent has arrived or failed before somebody else takes over.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(65);

/// How long after its deadline a step may still begin to change something in Halo: the longest request
/// takes the rest of the lease.
const LAST_CHANGE: SignedDuration = SignedDuration::from_secs(5);

impl Engine {
    /// Handles one hint. An error means that our own backends failed and the hint should come back;
    /// everything else has been dealt with, by a delayed hint where something has to be repeated.
    pub async fn step(&self, message: &Message, deadline: Deadline) -> Result<(), StepError> {
        match message {
            // Boxed, as apply is, because they are large: whoever holds any step would hold their room.
            Message::Fetch { connection } => {
                Box::pin(fetch::fetch(self, connection, deadline)).await
            }
            Message::Index { connection, run } => {
                index::index(self, connection, *run, deadline).await
            }
            Message::Licences { connection, run } => {
                licences::licences(self, connection, *run, deadline).await
            }
            Message::Decide { connection, run, segment } => {
                decide::decide(self, connection, *run, *segment, deadline).await
            }
            Message::Apply { connection, run, segment } => {
                Box::pin(apply::apply(self, connection, *run, *segment, deadline)).await
            }
            Message::Boards { connection, run } => {
                boards::boards(self, connection, *run, deadline).await
            }
            Message::Finish { connection, run } => finish::finish(self, connection, *run).await,
            Message::SignIns { connection } => sign_ins::sign_ins(self, connection, deadline).await,
            Message::Assign { connection } => assignments::assign(self, connection, deadline).await,
            Message::Preview { connection, preview, segment } => {
                preview::preview(self, connection, *preview, *segment, deadline).await
            }
        }
    }

    /// Sends the hints of the phase that a run is in: when a phase begins, and again for a run that
    /// stands still because a hint was lost or a worker was killed (T1).
    pub async fn wake(&self, record: &RunRecord) -> Result<(), QueueError> {
        self.queue.send(&hints_of(record), Duration::ZERO).await
    }

    fn lease_for(&self, deadline: Deadline) -> SignedDuration {
        let left = deadline.0.duration_since(self.clock.now()).max(SignedDuration::ZERO);
        left.saturating_add(LEASE_MARGIN)
    }

    /// The client of Halo for a step.
    fn halo_until(&self, deadline: Deadline, meter: &Arc<Meter>) -> Halo {
        let end = deadline.0.saturating_add(LAST_CHANGE).unwrap_or(deadline.0);
        self.halo.with_meter(meter.clone()).with_end(end)
    }

    fn is_near(&self, deadline: Deadline) -> bool {
        deadline.is_near(self.clock.as_ref(), MARGIN)
    }

    /// Sends a hint to be handled after a delay.
    async fn later(&self, message: Message, delay: SignedDuration) -> Result<(), QueueError> {
        let delay = Duration::try_from(delay).unwrap_or(Duration::ZERO);
        self.queue.send(&[message], delay).await
    }
}

/// The hints of the phase that a run is in.
pub(crate) fn hints_of(record: &RunRecord) -> Vec<Message> {
    let (connection, run) = (&record.run.connection, record.run.run);
    let each = |make: fn(ConnectionId, RunId, Segment) -> Message| {
        let segments = record.segments.iter();
        segments.map(|segment| make(connection.clone(), run, *segment)).collect::<Vec<_>>()
    };
    match record.run.state {
        RunState::Queued
        | RunState::Reading
        | RunState::Completed
        | RunState::Held
        | RunState::Failed => vec![Message::Fetch { connection: connection.clone() }],
        RunState::Deciding if record.waits_for == WaitsFor::Licences => {
            vec![Message::Licences { connection: connection.clone(), run }]
        }
        RunState::Deciding if record.waits_for == WaitsFor::Index => {
            vec![Message::Index { connection: connection.clone(), run }]
        }
        RunState::Deciding => {
            each(|connection, run, segment| Message::Decide { connection, run, segment })
        }
        RunState::Applying if record.segments.is_empty() => {
            vec![Message::Boards { connection: connection.clone(), run }]
        }
        RunState::Applying => {
            each(|connection, run, segment| Message::Apply { connection, run, segment })
        }
    }
}

/// Something outside failed in the middle of a step, or our own backends did.
enum Trouble {
    /// Graph, its sign-in or Halo.
    Outside(Failure),
    /// The store, the queue or the secrets.
    Ours(StepError),
    /// Another worker took over; this one stops without a word.
    Lost,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Outside(failure)
    }
}

impl From<StepError> for Trouble {
    fn from(error: StepError) -> Self {
        Trouble::Ours(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Ours(error.into())
    }
}

impl From<QueueError> for Trouble {
    fn from(error: QueueError) -> Self {
        Trouble::Ours(error.into())
    }
}

impl From<halo::Error> for Trouble {
    fn from(error: halo::Error) -> Self {
        match error {
            halo::Error::Halo(failure) => Trouble::Outside(failure),
            halo::Error::Ours(error) => Trouble::Ours(error),
        }
    }
}
