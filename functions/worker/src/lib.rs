//! Handles hints, one step of a run for each: batches of SQS on AWS, the queue of the process elsewhere.
//!
//! What a hint leads to is the engine's business. Here is only what differs between the two ways in
//! which hints arrive: who takes them, how much time there is, and what becomes of one that failed.

#[cfg(feature = "aws")]
pub mod lambda;
mod pool;

use engine::Engine;
use engine::clock::Deadline;
use engine::steps::StepError;
use engine::telemetry::trace;
use plan::message::Message;
use tracing::Instrument;

pub use pool::{STEP, VISIBILITY, run};

/// A hint that has to come back.
#[derive(Debug, thiserror::Error)]
pub enum Unhandled {
    /// The body is no hint. It comes back until it is put aside with the dead letters.
    #[error("{0}")]
    NoHint(String),
    /// The store, the queue or the secrets failed; another try may succeed.
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Handles one hint, as it was read from its body, and says in the log what went wrong. `attempt`
/// counts deliveries from 1.
pub async fn handle(
    engine: &Engine,
    hint: Result<Message, String>,
    attempt: u32,
    deadline: Deadline,
) -> Result<(), Unhandled> {
    let message = match hint {
        Ok(message) => message,
        Err(what) => {
            // Never the body: whoever wrote it may have put anything there.
            tracing::error!(attempt, "a message was refused: {what}");
            return Err(Unhandled::NoHint(what));
        }
    };
    let span = tracing::info_span!(
        "hint",
        step = message.step(),
        connection = %message.connection(),
        attempt,
        trace = trace::id()
    );
    step(engine, &message, deadline).instrument(span).await
}

async fn step(engine: &Engine, message: &Message, deadline: Deadline) -> Result<(), Unhandled> {
    let started = engine.clock.now();
    let result = engine.step(message, deadline).await;
    let took = engine.clock.now().duration_since(started).as_millis();
    match &result {
        Ok(()) => tracing::debug!(took_ms = took, "done"),
        Err(error) => tracing::error!(took_ms = took, "the hint comes back: {error}"),
    }
    Ok(result?)
}
