//! A queue whose hints travel through a real one first: that one carries them, and when they are due and
//! when they come back is up to the queue of this process, whose clock is the test's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::queue::local::Local;
use engine::queue::{Delivery, Queue, QueueError};
use plan::message::Message;

/// How long to wait at a time for a hint that was sent.
const WAIT: Duration = Duration::from_secs(5);
/// How often.
const LOOKS: u32 = 12;
/// Hints that are taken together.
const TOGETHER: usize = 10;

/// The queue.
#[derive(Debug)]
pub struct Carried {
    /// Carries.
    pub carrier: Arc<dyn Queue>,
    /// Waits.
    pub local: Arc<Local>,
}

#[async_trait]
impl Queue for Carried {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<(), QueueError> {
        self.carrier.send(messages, Duration::ZERO).await?;
        let mut missing = messages.len();
        for _ in 0..LOOKS {
            for Delivery { message, receipt, .. } in self.carrier.receive(TOGETHER, WAIT).await? {
                self.carrier.delete(&receipt).await?;
                let message = message.expect("only our own hints are on the queue");
                // Of another worker's, left when it was killed in between, it is one too many.
                missing -= usize::from(messages.contains(&message)).min(missing);
                self.local.send(&[message], delay).await?;
            }
            if missing == 0 {
                return Ok(());
            }
        }
        panic!("{missing} of {} hints never came back", messages.len());
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.local.receive(most, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.local.delete(receipt).await
    }

    async fn dead(&self) -> Result<u64, QueueError> {
        self.local.dead().await
    }
}
