//! The worker inside a process: takes hints from the engine's queue and handles several at once.

use std::time::Duration;

use engine::Engine;
use engine::clock::Deadline;
use engine::queue::{Delivery, LONGEST_WAIT, MOST};
use jiff::SignedDuration;
use tokio::task::{JoinError, JoinSet};

use crate::handle;

/// Time that a step may take before it leaves the rest to another hint (T3). Short, so that little
/// is lost when the process ends in the middle.
pub const STEP: SignedDuration = SignedDuration::from_secs(30);

/// How long a hint stays away when its step is never heard of again: longer than a step with its
/// longest request, so that nobody works beside a slow one.
pub const VISIBILITY: Duration = Duration::from_mins(3);

/// Pause after the queue itself failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Handles hints of the engine's queue, up to `concurrency` at once, until `stop` is done; returns
/// when the steps in hand are finished. To be dropped where that takes too long: a step may be
/// killed anywhere (T2).
pub async fn run(engine: Engine, concurrency: usize, stop: impl Future<Output = ()>) {
    let mut in_hand = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let free = concurrency.max(1).saturating_sub(in_hand.len()).min(MOST);
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = in_hand.join_next() => note(&ended),
            deliveries = take(&engine, free), if free > 0 => {
                for delivery in deliveries {
                    in_hand.spawn(one(engine.clone(), delivery));
                }
            }
        }
    }
    while let Some(ended) = in_hand.join_next().await {
        note(&ended);
    }
}

async fn take(engine: &Engine, most: usize) -> Vec<Delivery> {
    match engine.queue.receive(most, LONGEST_WAIT).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            tracing::error!("{error}");
            engine.clock.sleep(PAUSE).await;
            Vec::new()
        }
    }
}

/// Handles a hint and ends it; one that failed comes back after its visibility time-out.
async fn one(engine: Engine, delivery: Delivery) {
    let deadline = Deadline(engine.clock.now().saturating_add(STEP).unwrap_or_default());
    let Delivery { message, receipt, attempt } = delivery;
    if handle(&engine, message, attempt, deadline).await.is_ok()
        && let Err(error) = engine.queue.delete(&receipt).await
    {
        tracing::warn!("a hint was handled and comes back all the same: {error}");
    }
}

fn note(ended: &Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a step ended in the middle, and its hint comes back: {error}");
    }
}
