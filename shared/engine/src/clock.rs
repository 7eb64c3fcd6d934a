//! The only module that reads the clock or waits for it.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// Time as the engine sees it; handed in, so that tests own it.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;

    /// Waits. Only for short waits inside a step; long ones are delayed messages.
    async fn sleep(&self, duration: Duration);
}

/// The system's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        #[allow(clippy::disallowed_methods, reason = "this is the one place that waits")]
        tokio::time::sleep(duration).await;
    }
}

/// A clock that moves only when told, or when somebody waits: then by just as much.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock; backwards too, as real ones do.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = lock(&self.0);
        *now = now.saturating_add(by).unwrap_or(*now);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX));
        tokio::task::yield_now().await;
    }
}

/// The end of the time that a step may take: a Lambda's deadline less a margin (T3).
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Timestamp);

impl Deadline {
    /// Whether less than `margin` is left.
    pub fn is_near(self, clock: &dyn Clock, margin: SignedDuration) -> bool {
        self.0.duration_since(clock.now()) < margin
    }
}

/// A lock whose holder panicked is still a lock: what it guards is only ever replaced whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
