//! The queue inside this process, in memory: a hint that is lost when the process ends is sent again
//! by the timer when it starts (T1), so there is nothing to keep.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use plan::message::Message;
use tokio::sync::Notify;

use super::{Delivery, LONGEST_DELAY, LONGEST_WAIT, MOST, Queue, QueueError};
use crate::clock::{Clock, lock};

/// After so many deliveries without success a message is put aside, as in `infra/template.yaml`.
const DELIVERIES: u32 = 5;

/// A queue of this process.
#[derive(Debug)]
pub struct Local {
    clock: Arc<dyn Clock>,
    visibility: Duration,
    state: Mutex<State>,
    sent: Notify,
}

impl Local {
    /// An empty queue whose messages come back if they are not deleted within `visibility`.
    pub fn new(clock: Arc<dyn Clock>, visibility: Duration) -> Self {
        Self { clock, visibility, state: Mutex::default(), sent: Notify::new() }
    }

    /// When the next message can be received, at the earliest, those included that were taken and
    /// not deleted: for tests that own the clock. In the past if one can be received now.
    pub fn next_due(&self) -> Option<Timestamp> {
        let mut state = lock(&self.state);
        state.return_taken(self.clock.now());
        state.next_due()
    }
}

#[async_trait]
impl Queue for Local {
    /// A message that waits already, was never delivered, and comes no later, stands for an equal new
    /// one as well.
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<(), QueueError> {
        let due = after(self.clock.now(), delay.min(LONGEST_DELAY));
        let mut state = lock(&self.state);
        for message in messages {
            state.add(message, due);
        }
        drop(state);
        self.sent.notify_waiters();
        Ok(())
    }

    /// Waits by the clock it was given: under a clock that only moves when somebody waits, a `wait`
    /// moves it to the next due message or to its own end.
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let end = after(self.clock.now(), wait.min(LONGEST_WAIT));
        loop {
            // Made before looking, so that what is sent in between wakes it.
            let sent = self.sent.notified();
            let now = self.clock.now();
            let (taken, next) = {
                let mut state = lock(&self.state);
                state.return_taken(now);
                let taken = state.take(most.clamp(1, MOST), now, after(now, self.visibility));
                (taken, state.next_due())
            };
            if !taken.is_empty() || now >= end {
                return Ok(taken);
            }
            let until = next.map_or(end, |next| next.min(end));
            let pause = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            tokio::select! {
                biased;
                () = sent => {}
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        if let Ok(receipt) = receipt.parse() {
            lock(&self.state).taken.remove(&receipt);
        }
        Ok(())
    }

    async fn dead(&self) -> Result<u64, QueueError> {
        let mut state = lock(&self.state);
        state.return_taken(self.clock.now());
        Ok(state.dead)
    }
}

/// Due time, then order of arrival.
type Place = (Timestamp, u64);

#[derive(Debug)]
struct Waiting {
    message: Message,
    deliveries: u32,
}

#[derive(Debug)]
struct Taken {
    back: Timestamp,
    waiting: Waiting,
}

#[derive(Debug, Default)]
struct State {
    /// Numbers for places and receipts.
    count: u64,
    waiting: BTreeMap<Place, Waiting>,
    /// The earliest place of each message that was never delivered. One that was may have seen an
    /// older state and may be about to be put aside, so it stands for itself only.
    fresh: BTreeMap<Message, Place>,
    /// By receipt.
    taken: BTreeMap<u64, Taken>,
    dead: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn add(&mut self, message: &Message, due: Timestamp) {
        if self.fresh.get(message).is_some_and(|place| place.0 <= due) {
            return;
        }
        let place = (due, self.number());
        self.fresh.insert(message.clone(), place);
        self.waiting.insert(place, Waiting { message: message.clone(), deliveries: 0 });
    }

    /// Puts messages back whose visibility time-out is over, or aside.
    fn return_taken(&mut self, now: Timestamp) {
        let over: Vec<(u64, Taken)> =
            self.taken.extract_if(.., |_, taken| taken.back <= now).collect();
        for (_, Taken { back, waiting }) in over {
            if waiting.deliveries >= DELIVERIES {
                self.dead += 1;
            } else {
                let place = (back, self.number());
                self.waiting.insert(place, waiting);
            }
        }
    }

    fn take(&mut self, most: usize, now: Timestamp, back: Timestamp) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while deliveries.len() < most
            && let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            let (place, mut waiting) = first.remove_entry();
            if self.fresh.get(&waiting.message) == Some(&place) {
                self.fresh.remove(&waiting.message);
            }
            waiting.deliveries += 1;
            let receipt = self.number();
            deliveries.push(Delivery {
                message: Ok(waiting.message.clone()),
                receipt: receipt.to_string(),
                attempt: waiting.deliveries,
            });
            self.taken.insert(receipt, Taken { back, waiting });
        }
        deliveries
    }

    fn next_due(&self) -> Option<Timestamp> {
        let waiting = self.waiting.first_key_value().map(|(place, _)| place.0);
        let taken = self.taken.values().map(|taken| taken.back).min();
        waiting.into_iter().chain(taken).min()
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;
    use crate::clock::ManualClock;

    const NOW: Duration = Duration::ZERO;
    const MINUTE: Duration = Duration::from_mins(1);

    fn fetch(connection: &str) -> Message {
        Message::Fetch { connection: connection.parse().unwrap() }
    }

    fn queue() -> (Arc<ManualClock>, Local) {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        (Arc::clone(&clock), Local::new(clock, MINUTE))
    }

    async fn take(queue: &Local) -> Vec<Delivery> {
        queue.receive(10, NOW).await.unwrap()
    }

    #[tokio::test]
    async fn equal_hints_are_folded_into_one_that_comes_no_later() {
        let (clock, queue) = queue();
        let second = Duration::from_secs(1);
        for delay in [second, MINUTE, second] {
            queue.send(&[fetch("a"), fetch("b"), fetch("a")], delay).await.unwrap();
        }
        queue.send(&[fetch("a")], NOW).await.unwrap();
        assert_eq!(take(&queue).await.len(), 1, "the earlier one is not put off");
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(take(&queue).await.len(), 2);
        queue.send(&[fetch("a")], NOW).await.unwrap();
        assert_eq!(take(&queue).await.len(), 1, "those that were taken stand for nothing");
    }

    #[tokio::test]
    async fn a_hint_that_failed_before_stands_only_for_itself() {
        let (clock, queue) = queue();
        queue.send(&[fetch("a")], NOW).await.unwrap();
        assert_eq!(take(&queue).await.len(), 1);
        clock.advance(SignedDuration::from_mins(1));
        queue.send(&[fetch("a")], NOW).await.unwrap();
        let mut attempts: Vec<u32> = take(&queue).await.iter().map(|taken| taken.attempt).collect();
        attempts.sort_unstable();
        assert_eq!(attempts, [1, 2]);
    }

    #[tokio::test]
    async fn the_next_due_time_counts_what_waits_and_what_was_taken() {
        let (clock, queue) = queue();
        assert_eq!(queue.next_due(), None);
        queue.send(&[fetch("a")], Duration::from_mins(2)).await.unwrap();
        queue.send(&[fetch("b")], NOW).await.unwrap();
        assert_eq!(queue.next_due(), Some(clock.now()));
        let delivery = take(&queue).await.remove(0);
        assert_eq!(queue.next_due(), Some(after(clock.now(), MINUTE)));
        queue.delete(&delivery.receipt).await.unwrap();
        assert_eq!(queue.next_due(), Some(after(clock.now(), Duration::from_mins(2))));
    }

    #[tokio::test]
    async fn waiting_moves_a_manual_clock_to_the_next_message_or_to_the_end() {
        let (clock, queue) = queue();
        let start = clock.now();
        assert!(queue.receive(1, Duration::from_secs(20)).await.unwrap().is_empty());
        assert_eq!(clock.now(), after(start, Duration::from_secs(20)));
        queue.send(&[fetch("a")], Duration::from_secs(7)).await.unwrap();
        assert_eq!(queue.receive(1, Duration::from_secs(20)).await.unwrap().len(), 1);
        assert_eq!(clock.now(), after(start, Duration::from_secs(27)));
    }

    #[tokio::test]
    async fn a_hint_that_is_sent_wakes_who_waits() {
        let queue = Arc::new(Local::new(Arc::new(crate::clock::SystemClock), MINUTE));
        let waiting = Arc::clone(&queue);
        let waiting = tokio::spawn(async move { waiting.receive(1, LONGEST_WAIT).await });
        tokio::task::yield_now().await;
        queue.send(&[fetch("a")], NOW).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
    }
}
