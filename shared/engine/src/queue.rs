//! The queue of hints (T1): at least once, in any order, with delays.

#[cfg(feature = "embedded")]
pub mod local;
#[cfg(feature = "aws")]
pub mod sqs;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use plan::message::Message;

/// A message that somebody took. It comes back after the visibility time-out unless it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The hint; `Err` for a body that is none, with what is wrong: it is left to the dead letters.
    pub message: Result<Message, String>,
    /// What [`Queue::delete`] wants.
    pub receipt: String,
    /// How often it was delivered, this time included.
    pub attempt: u32,
}

/// A queue that failed.
#[derive(Debug, thiserror::Error)]
#[error("the queue could not {operation}: {detail}")]
pub struct QueueError {
    /// What was tried.
    pub operation: &'static str,
    /// What the backend said.
    pub detail: String,
}

/// The longest delay of a message (the limit of SQS).
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// A queue. In Lambda only [`Queue::send`] is used: the event source mapping receives and deletes.
#[async_trait]
pub trait Queue: Debug + Send + Sync {
    /// Sends hints, to be delivered after a delay (cut to [`LONGEST_DELAY`]).
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<(), QueueError>;

    /// Takes up to `most` (1 to 10) messages, waiting up to `wait` (at most 20 s) for the first.
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Ends a message after its work is stored. Deleting twice, or too late, is no error.
    async fn delete(&self, receipt: &str) -> Result<(), QueueError>;

    /// Messages that were delivered too often without success and were put aside, for health reports.
    async fn dead(&self) -> Result<u64, QueueError>;
}
