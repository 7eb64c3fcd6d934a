//! Kills a worker at a chosen outside call that changes something: the n-th request that posts, write to
//! the store, message sent, or secret put, just before it is made or just after it was done.
//!
//! Reads are not counted, because they leave nothing behind: a worker that dies before one has left the
//! same world as one that dies behind the change before it.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::queue::{Delivery, Queue, QueueError};
use engine::secrets::{SecretName, SecretString, Secrets, SecretsError};
use engine::store::{Commit, Key, Page, Range, Record, StoreError, Table, Write};
use plan::message::Message;
use sandbox::server::{Hook, Moment};
use tokio::sync::Notify;

/// Counts outside calls that change something, and stops for ever at the one that is set.
#[derive(Debug, Default)]
pub struct Tripwire {
    calls: AtomicU64,
    trap: Mutex<Option<(u64, Moment)>>,
    sprung: Mutex<Option<String>>,
    notify: Notify,
    then: Mutex<Then>,
    go_on: Notify,
}

/// What becomes of whoever springs the trap.
#[derive(Clone, Copy, Debug, Default)]
enum Then {
    /// Killed.
    #[default]
    Dies,
    /// Stands still until [`Tripwire::go_on`].
    Waits,
}

impl Tripwire {
    /// A wire that stops at call number `at` (from 0), on that side of it; whatever sprang before is
    /// forgotten.
    pub fn set(&self, at: u64, moment: Moment) {
        *self.sprung.lock().unwrap() = None;
        *self.trap.lock().unwrap() = Some((at, moment));
        *self.then.lock().unwrap() = Then::Dies;
    }

    /// The same, but whoever springs it only stands still, until [`Tripwire::go_on`]. Requests to the
    /// simulators are never answered all the same.
    pub fn hold(&self, at: u64, moment: Moment) {
        self.set(at, moment);
        *self.then.lock().unwrap() = Then::Waits;
    }

    /// Lets go whoever stands still.
    pub fn go_on(&self) {
        self.go_on.notify_one();
    }

    async fn stop(&self) {
        let then = *self.then.lock().unwrap();
        match then {
            Then::Dies => std::future::pending().await,
            Then::Waits => self.go_on.notified().await,
        }
    }

    /// Takes the trap away, where nobody has reached it.
    pub fn disarm(&self) {
        *self.trap.lock().unwrap() = None;
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    /// Which call sprang the trap, once it did.
    pub fn sprung(&self) -> Option<String> {
        self.sprung.lock().unwrap().clone()
    }

    /// Waits until the trap springs.
    pub async fn wait(&self) {
        // Again, because whoever was dropped while waiting may have left a notice of an earlier trap.
        while self.sprung().is_none() {
            self.notify.notified().await;
        }
    }

    /// For the simulators: a request that is never answered once the trap is reached.
    pub fn hook(self: &Arc<Self>, service: &'static str) -> Hook {
        let wire = self.clone();
        // Requests of one worker come one after the other, so the number seen before is still right after.
        let number = AtomicU64::new(0);
        Arc::new(move |what, moment| {
            if what.starts_with("GET ") {
                return false;
            }
            if moment == Moment::Before {
                number.store(wire.calls.fetch_add(1, SeqCst), SeqCst);
            }
            wire.springs(number.load(SeqCst), moment, &format!("{service} {what}"))
        })
    }

    fn springs(&self, number: u64, moment: Moment, what: &str) -> bool {
        let mut trap = self.trap.lock().unwrap();
        if *trap != Some((number, moment)) {
            return false;
        }
        // Once only: whoever comes after the kill is not stopped.
        *trap = None;
        *self.sprung.lock().unwrap() = Some(format!("{moment:?} call {number}: {what}"));
        self.notify.notify_one();
        true
    }

    async fn around<T>(&self, what: &str, call: impl Future<Output = T>) -> T {
        let number = self.calls.fetch_add(1, SeqCst);
        if self.springs(number, Moment::Before, what) {
            self.stop().await;
        }
        let result = call.await;
        if self.springs(number, Moment::After, what) {
            self.stop().await;
        }
        result
    }
}

/// A backend behind the wire.
#[derive(Debug)]
pub struct Wired<T: ?Sized> {
    /// The wire.
    pub wire: Arc<Tripwire>,
    /// The backend.
    pub inner: Arc<T>,
}

#[async_trait]
impl Table for Wired<dyn Table> {
    fn commit_limit(&self) -> usize {
        self.inner.commit_limit()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(keys).await
    }

    async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        self.inner.query(range).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.wire.around("store commit", self.inner.commit(writes)).await
    }

    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.wire.around("store write_all", self.inner.write_all(writes)).await
    }
}

#[async_trait]
impl Queue for Wired<dyn Queue> {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<(), QueueError> {
        self.wire.around("queue send", self.inner.send(messages, delay)).await
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.inner.receive(most, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.inner.delete(receipt).await
    }

    async fn dead(&self) -> Result<u64, QueueError> {
        self.inner.dead().await
    }
}

#[async_trait]
impl Secrets for Wired<dyn Secrets> {
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, SecretsError> {
        self.inner.get(name).await
    }

    async fn put(&self, name: &SecretName, value: &SecretString) -> Result<(), SecretsError> {
        self.wire.around("secrets put", self.inner.put(name, value)).await
    }

    async fn delete(&self, name: &SecretName) -> Result<(), SecretsError> {
        self.wire.around("secrets delete", self.inner.delete(name)).await
    }
}
