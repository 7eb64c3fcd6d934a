//! The request budget as the whole deployment shares it: one record, taken from in small batches (H2).

use std::sync::Mutex;

use jiff::Timestamp;
use plan::budget::{Grant, Limits, Spent, slot};
use plan::failure::Kind;
use serde::Serialize;
use utoipa::ToSchema;

use super::Error;
use super::rivals::too_many_rivals;
use crate::clock::lock;
use crate::store::{Commit, Key, Store, StoreError, Versioned, put};

/// Requests taken from the shared record at once. Those not used within the slot of the window in which
/// they were taken are lost, so more would waste what a short invocation does not need.
const BATCH: u32 = 5;
/// One part in so many of the budget is left to manual actions.
const KEPT_FOR_MANUAL: u32 = 10;
/// How often a change to the shared record is tried; in every round of rivals one succeeds.
const TRIES: u32 = 100;

/// How many requests Halo may get from this deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestLimit {
    /// So many in a rolling window, counted in the store.
    Shared(Limits),
    /// As many as it takes; nothing is counted. For a Halo of one's own, and for the demo.
    Unlimited,
}

/// Who is waiting for a request's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Nobody: a tenth of the budget is left for those who are waited for.
    #[default]
    Background,
    /// A person who clicked: the whole budget.
    Manual,
}

/// How the budget stands (H2).
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct BudgetReport {
    /// Requests that a window may have; `null` = nothing is counted, as in the demo.
    #[schema(required)]
    pub requests: Option<u32>,
    /// Length of the window in seconds.
    #[schema(required)]
    pub window: Option<u32>,
    /// Requests that may be made at once; background work leaves a tenth of the window to people who wait.
    #[schema(required)]
    pub left: Option<u32>,
    /// Nobody asks Halo before this time, because it answered 429.
    #[schema(required)]
    pub closed_until: Option<Timestamp>,
}

/// The budget of this process: its share of the record in the store.
#[derive(Debug)]
pub(super) struct Budget {
    limit: RequestLimit,
    reserve: Mutex<Reserve>,
}

/// Requests taken but not made yet.
#[derive(Debug, Default)]
struct Reserve {
    /// The slot they belong to.
    slot: i64,
    left: u32,
}

impl Budget {
    pub(super) fn new(limit: RequestLimit) -> Self {
        Self { limit, reserve: Mutex::default() }
    }

    /// Takes one request, or says how long to wait.
    pub(super) async fn take(&self, store: &Store, priority: Priority) -> Result<Taken, Error> {
        let RequestLimit::Shared(limits) = self.limit else { return Ok(Taken::Yes) };
        if self.take_reserved(store.clock.now()) {
            return Ok(Taken::Yes);
        }
        let limits = allowed(limits, priority);
        let mut taken_at = Timestamp::UNIX_EPOCH;
        let grant = change(store, |spent| {
            taken_at = store.clock.now();
            let grant = spent.take(limits, taken_at, BATCH);
            (grant, matches!(grant, Grant::Take(_)))
        });
        match grant.await? {
            Grant::Wait(wait) => Ok(Taken::No(Kind::BudgetSpent { wait })),
            Grant::Take(count) => {
                self.keep(slot(taken_at), count.saturating_sub(1));
                Ok(Taken::Yes)
            }
        }
    }

    /// Requests that may be made at once, by anybody; `None` = as many as it takes.
    pub(super) async fn left(&self, store: &Store) -> Result<Option<u32>, StoreError> {
        let RequestLimit::Shared(limits) = self.limit else { return Ok(None) };
        let spent = store.read::<Spent>(&key()).await?.map(|found| found.value);
        Ok(Some(spent.unwrap_or_default().left(limits, store.clock.now())))
    }

    /// How the budget stands for the whole deployment.
    pub(super) async fn report(&self, store: &Store) -> Result<BudgetReport, StoreError> {
        let RequestLimit::Shared(limits) = self.limit else {
            let (requests, window, left, closed_until) = (None, None, None, None);
            return Ok(BudgetReport { requests, window, left, closed_until });
        };
        let spent = store.read::<Spent>(&key()).await?.map(|found| found.value).unwrap_or_default();
        let now = store.clock.now();
        Ok(BudgetReport {
            requests: Some(limits.requests),
            window: Some(limits.window),
            left: Some(spent.left(limits, now)),
            closed_until: spent.closed_until.filter(|until| *until > now),
        })
    }

    /// Notes for everybody that Halo answered 429.
    pub(super) async fn close(&self, store: &Store, retry_after: Option<u32>) -> Result<(), Error> {
        let RequestLimit::Shared(limits) = self.limit else { return Ok(()) };
        *lock(&self.reserve) = Reserve::default();
        change(store, |spent| {
            spent.close(limits, store.clock.now(), retry_after);
            ((), true)
        })
        .await
    }

    fn take_reserved(&self, now: Timestamp) -> bool {
        let mut reserve = lock(&self.reserve);
        let usable = reserve.left > 0 && reserve.slot == slot(now);
        if usable {
            reserve.left -= 1;
        }
        usable
    }

    fn keep(&self, slot: i64, count: u32) {
        let mut reserve = lock(&self.reserve);
        if reserve.slot != slot {
            *reserve = Reserve { slot, left: 0 };
        }
        reserve.left += count;
    }
}

/// Whether a request may be made.
pub(super) enum Taken {
    Yes,
    No(Kind),
}

fn allowed(limits: Limits, priority: Priority) -> Limits {
    match priority {
        Priority::Manual => limits,
        Priority::Background => {
            let kept = limits.requests / KEPT_FOR_MANUAL;
            Limits { requests: limits.requests - kept, ..limits }
        }
    }
}

fn key() -> Key {
    Key::new("halo", "budget")
}

/// Changes the shared record. `change` says what came of it and whether there is anything to write; it
/// runs again on a newer record when somebody else was faster.
async fn change<T>(
    store: &Store,
    mut change: impl FnMut(&mut Spent) -> (T, bool),
) -> Result<T, Error> {
    let key = key();
    for _ in 0..TRIES {
        let found = store.read::<Spent>(&key).await?;
        let mut spent = found.unwrap_or(Versioned { version: 0, value: Spent::default() });
        let (outcome, changed) = change(&mut spent.value);
        if !changed {
            return Ok(outcome);
        }
        let write = put(key.clone(), &spent.value, spent.unchanged())?;
        if store.commit(&[write]).await? == Commit::Done {
            return Ok(outcome);
        }
    }
    Err(too_many_rivals("change the request budget").into())
}
