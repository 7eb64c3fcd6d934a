//! A table with bad hours: it refuses, loses answers, is contended, or keeps somebody waiting, as the
//! contract of the store allows. Reads are never old, because both backends read consistently.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::store::{Commit, Expect, Key, Page, Range, Record, StoreError, Table, Write};
use sandbox::server::Moment;
use tokio::sync::Notify;

use crate::meant::Meant;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hiccup {
    /// A read is refused.
    ReadThrottled,
    /// A write is refused; of many that are not one transaction some may be done.
    Throttled,
    /// A write is done, and its answer is lost.
    AnswerLost,
    /// Others write the same record at this moment, so nothing is done.
    Contended,
    /// A write is done, its answer is lost, and it is sent again by itself.
    Repeated,
}

impl Hiccup {
    /// All of them.
    pub const ALL: [Hiccup; 5] = [
        Hiccup::ReadThrottled,
        Hiccup::Throttled,
        Hiccup::AnswerLost,
        Hiccup::Contended,
        Hiccup::Repeated,
    ];
}

/// The write at which somebody is kept waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The n-th from now on (from 0).
    Nth(u64),
    /// The next one that is for this.
    Next(Meant),
}

/// The next calls that go wrong.
#[derive(Clone, Copy, Debug)]
struct Hour {
    /// Calls before them.
    skip: u64,
    times: u64,
    hiccup: Hiccup,
}

/// The table.
#[derive(Debug)]
pub struct Flaky {
    inner: Arc<dyn Table>,
    /// Whether calls are looked at: those of the product are, those of a test are not.
    on: AtomicBool,
    hour: Mutex<Option<Hour>>,
    happened: AtomicU64,
    trap: Mutex<Option<(At, Moment)>>,
    is_held: AtomicBool,
    /// What was held last would write.
    held_at: Mutex<Vec<Key>>,
    held: Notify,
    resumed: Notify,
}

impl Flaky {
    /// A table without trouble so far.
    pub fn new(inner: Arc<dyn Table>) -> Self {
        Self {
            inner,
            on: AtomicBool::new(false),
            hour: Mutex::default(),
            happened: AtomicU64::new(0),
            trap: Mutex::default(),
            is_held: AtomicBool::new(false),
            held_at: Mutex::default(),
            held: Notify::new(),
            resumed: Notify::new(),
        }
    }

    /// Whether calls from now on may go wrong.
    pub fn switch(&self, on: bool) {
        self.on.store(on, SeqCst);
    }

    /// So many calls of the kind go wrong, after so many others.
    pub fn trouble(&self, hiccup: Hiccup, skip: u64, times: u64) {
        *self.hour.lock().unwrap() = Some(Hour { skip, times, hiccup });
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        *self.hour.lock().unwrap() = None;
    }

    /// How many calls went wrong.
    pub fn happened(&self) -> u64 {
        self.happened.load(SeqCst)
    }

    /// Keeps whoever makes this write waiting, on that side of it.
    pub fn hold(&self, at: At, moment: Moment) {
        self.is_held.store(false, SeqCst);
        *self.trap.lock().unwrap() = Some((at, moment));
    }

    /// Waits until somebody is kept waiting.
    pub async fn held(&self) {
        while !self.is_held.load(SeqCst) {
            self.held.notified().await;
        }
    }

    /// The records that whoever is kept waiting writes.
    pub fn held_at(&self) -> Vec<Key> {
        self.held_at.lock().unwrap().clone()
    }

    /// Nobody is kept waiting any more.
    pub fn resume(&self) {
        *self.trap.lock().unwrap() = None;
        if self.is_held.swap(false, SeqCst) {
            self.resumed.notify_one();
        }
    }

    /// Whoever is kept waiting is dead by now, or nobody came.
    pub fn forget(&self) {
        *self.trap.lock().unwrap() = None;
        self.is_held.store(false, SeqCst);
    }

    fn hiccup(&self, is_read: bool) -> Option<Hiccup> {
        if !self.on.load(SeqCst) {
            return None;
        }
        let mut hour = self.hour.lock().unwrap();
        let Hour { skip, times, hiccup } = hour.as_mut()?;
        if is_read != (*hiccup == Hiccup::ReadThrottled) {
            return None;
        }
        if *skip > 0 {
            *skip -= 1;
            return None;
        }
        let found = *hiccup;
        *times -= 1;
        if *times == 0 {
            *hour = None;
        }
        self.happened.fetch_add(1, SeqCst);
        Some(found)
    }

    async fn pause(&self, writes: &[Write], moment: Moment) {
        if self.springs(writes, moment) {
            *self.held_at.lock().unwrap() = writes.iter().map(|it| it.key().clone()).collect();
            self.is_held.store(true, SeqCst);
            self.held.notify_one();
            self.resumed.notified().await;
        }
    }

    fn springs(&self, writes: &[Write], moment: Moment) -> bool {
        let mut trap = self.trap.lock().unwrap();
        let Some((at, side)) = trap.as_mut() else { return false };
        let is_here = match at {
            At::Nth(0) => true,
            At::Nth(number) => {
                *number -= u64::from(moment == Moment::After);
                false
            }
            At::Next(meant) => *meant == Meant::of(writes),
        };
        let springs = is_here && *side == moment;
        if springs {
            *trap = None;
        }
        springs
    }
}

fn error(detail: &str) -> StoreError {
    StoreError { operation: "answer", detail: detail.to_owned() }
}

/// The first write whose condition others can break.
fn conditioned(writes: &[Write]) -> Option<usize> {
    writes.iter().position(|write| write.expect() != Expect::Anything)
}

#[async_trait]
impl Table for Flaky {
    fn commit_limit(&self) -> usize {
        self.inner.commit_limit()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        match self.hiccup(true) {
            Some(_) => Err(error("throttled")),
            None => self.inner.get(keys).await,
        }
    }

    async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        match self.hiccup(true) {
            Some(_) => Err(error("throttled")),
            None => self.inner.query(range).await,
        }
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.pause(writes, Moment::Before).await;
        let answer = match self.hiccup(false) {
            None | Some(Hiccup::ReadThrottled) => self.inner.commit(writes).await,
            Some(Hiccup::Throttled) => Err(error("throttled")),
            Some(Hiccup::AnswerLost) => {
                let _: Commit = self.inner.commit(writes).await?;
                Err(error("no answer"))
            }
            Some(Hiccup::Contended) => match conditioned(writes) {
                Some(at) => Ok(Commit::Conflict(at)),
                None => self.inner.commit(writes).await,
            },
            Some(Hiccup::Repeated) => match self.inner.commit(writes).await? {
                Commit::Done => self.inner.commit(writes).await,
                conflict @ Commit::Conflict(_) => Ok(conflict),
            },
        };
        self.pause(writes, Moment::After).await;
        answer
    }

    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.pause(writes, Moment::Before).await;
        let answer = match self.hiccup(false) {
            Some(Hiccup::Throttled) => {
                self.inner.write_all(&writes[..writes.len() / 2]).await?;
                Err(error("throttled"))
            }
            Some(Hiccup::AnswerLost) => {
                self.inner.write_all(writes).await?;
                Err(error("no answer"))
            }
            None | Some(Hiccup::ReadThrottled | Hiccup::Contended | Hiccup::Repeated) => {
                self.inner.write_all(writes).await
            }
        };
        self.pause(writes, Moment::After).await;
        answer
    }
}
