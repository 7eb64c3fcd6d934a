//! The queue of hints (T1): at least once, in any order, with delays.

#[cfg(feature = "embedded")]
pub mod local;
#[cfg(feature = "aws")]
pub mod sqs;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use plan::message::{Envelope, Message};

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

/// Messages of one [`Queue::receive`] at the most (the limit of SQS).
pub const MOST: usize = 10;

/// The longest wait of one [`Queue::receive`] (the limit of SQS).
pub const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A queue. In Lambda only [`Queue::send`] is used: the event source mapping receives and deletes.
#[async_trait]
pub trait Queue: Debug + Send + Sync {
    /// Sends hints, to be delivered after a delay (cut to [`LONGEST_DELAY`]).
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<(), QueueError>;

    /// Takes up to `most` (1 to [`MOST`]) messages, waiting up to `wait` (cut to [`LONGEST_WAIT`]) for
    /// the first.
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Ends a message after its work is stored. Deleting twice, or too late, is no error.
    async fn delete(&self, receipt: &str) -> Result<(), QueueError>;

    /// Messages that were delivered too often without success and were put aside, for health reports.
    async fn dead(&self) -> Result<u64, QueueError>;
}

/// The body of a hint on the wire.
pub fn body(message: &Message) -> Result<String, QueueError> {
    serde_json::to_string(&Envelope::V1(message.clone()))
        .map_err(|error| QueueError { operation: "write a hint", detail: error.to_string() })
}

/// Reads a hint from the wire. Bodies are untrusted input: another shape, or a version that this one
/// does not know, is an error in words.
pub fn parse(body: &str) -> Result<Message, String> {
    match serde_json::from_str(body) {
        Ok(Envelope::V1(message)) => Ok(message),
        Err(error) => Err(format!("this is no hint that this version understands: {error}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;

    #[test]
    fn a_body_is_read_back_and_anything_else_is_refused_in_words() {
        let message = Message::Fetch { connection: "contoso".parse().unwrap() };
        let body = body(&message).unwrap();
        assert_eq!(body, r#"{"v":"1","step":"fetch","connection":"contoso"}"#);
        assert_eq!(parse(&body), Ok(message));
        for bad in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"v":"2","step":"fetch","connection":"contoso"}"#,
            r#"{"v":"1","step":"dance","connection":"contoso"}"#,
            r#"{"v":"1","step":"fetch","connection":"Not An Id"}"#,
            r#"{"v":"1","step":"fetch","connection":"contoso","extra":1}"#,
        ] {
            let why = parse(bad).unwrap_err();
            assert!(why.starts_with("this is no hint"), "{bad}: {why}");
        }
    }
}
