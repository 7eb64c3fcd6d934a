//! State: a table of small records, and what the engine keeps in it.
//!
//! The engine asks for things like "lease", "merge page", "take dirty". Those are written once, in the
//! modules below, over four operations that both backends offer natively ([`Table`]): one place to get
//! the protocol right, and one short contract for a backend. Everything that must be read
//! consistently is a record of its own; there is no secondary index that could lag.

pub mod assignments;
pub mod connections;
#[cfg(feature = "aws")]
pub mod dynamo;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod keys;
pub mod leases;
pub mod licences;
#[cfg(any(feature = "aws", feature = "embedded"))]
mod limits;
pub mod log;
pub mod people;
pub mod previews;
pub mod runs;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;

/// Where a record is: a partition, and a place in its order (bytewise).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key, 1 to 1,024 bytes.
    pub pk: String,
    /// Sort key, 1 to 1,024 bytes.
    pub sk: String,
}

impl Key {
    /// A key of both parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub key: Key,
    /// 1 for a new record, one more with every conditioned write: also the fencing number of leases.
    pub version: u64,
    /// JSON, at most 300 KiB.
    pub body: String,
    /// When it may be forgotten, in whole seconds (rounded up when it was written). From then on the
    /// record is absent for every read and every condition, whether or not it was removed already.
    pub expires: Option<Timestamp>,
}

/// What a write demands of the record that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: last write wins, and the version becomes 1. For records nobody's condition names.
    Anything,
    /// That there is none, or only an expired one.
    Absent,
    /// Exactly this version.
    Version(u64),
}

impl Expect {
    /// The version of a record that is written under this condition.
    #[cfg(any(feature = "aws", feature = "embedded"))]
    fn next_version(self) -> u64 {
        match self {
            Expect::Anything | Expect::Absent => 1,
            Expect::Version(version) => version.saturating_add(1),
        }
    }
}

/// One part of a [`Table::commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Stores a body.
    Put {
        /// Where.
        key: Key,
        /// JSON.
        body: String,
        /// Condition.
        expect: Expect,
        /// When it may be forgotten.
        expires: Option<Timestamp>,
    },
    /// Removes a record; removing what is not there is no error under [`Expect::Anything`].
    Delete {
        /// Where.
        key: Key,
        /// Condition.
        expect: Expect,
    },
    /// Only demands something of a record, in the same instant.
    Check {
        /// Where.
        key: Key,
        /// Condition.
        expect: Expect,
    },
}

impl Write {
    /// The record that it is about.
    pub fn key(&self) -> &Key {
        match self {
            Write::Put { key, .. } | Write::Delete { key, .. } | Write::Check { key, .. } => key,
        }
    }

    /// What it demands.
    pub fn expect(&self) -> Expect {
        match self {
            Write::Put { expect, .. }
            | Write::Delete { expect, .. }
            | Write::Check { expect, .. } => *expect,
        }
    }
}

/// Whether a commit happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// All of it.
    Done,
    /// None of it: a condition of the write with this index (the first such one) did not hold, or
    /// others kept writing the same record at the same time. Rarely our own write is the cause, sent
    /// again after its answer was lost: what counts is what a new read shows.
    Conflict(usize),
}

/// A stretch of a partition to read in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which partition.
    pub pk: String,
    /// Only sort keys that start with this; empty = all.
    pub prefix: String,
    /// Only sort keys behind this one in the direction of reading; it need not exist.
    pub after: Option<String>,
    /// Direction.
    pub order: Order,
    /// Records at the most, 1 to 1000; taken as the nearest of these if it is another.
    pub limit: usize,
}

impl Range {
    /// The first `limit` records of a partition.
    pub fn of(pk: impl Into<String>, limit: usize) -> Self {
        Self { pk: pk.into(), prefix: String::new(), after: None, order: Order::Ascending, limit }
    }
}

/// Direction of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest sort key first.
    Ascending,
    /// Largest sort key first: newest first, where the key begins with a time.
    Descending,
}

/// A part of a [`Range`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Records in order; may be fewer than the limit although there are more (a page ends at about
    /// 1 MiB), but not empty then.
    pub records: Vec<Record>,
    /// Where to go on ([`Range::after`]); `None` at the end. What follows may turn out to be nothing.
    pub next: Option<String>,
}

/// A store that failed.
#[derive(Debug, thiserror::Error)]
#[error("the store could not {operation}: {detail}")]
pub struct StoreError {
    /// What was tried: "read", "commit".
    pub operation: &'static str,
    /// What the backend said; never a body.
    pub detail: String,
}

/// Writes of one [`Table::commit`] that every backend takes (`DynamoDB`'s limit for a transaction).
pub const COMMIT_LIMIT: usize = 100;

/// A table of records: the whole of what a backend must offer. Reads are consistent with every write
/// that finished before them.
#[async_trait]
pub trait Table: Debug + Send + Sync {
    /// The records of these keys, in the same order; duplicates allowed, any number.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;

    /// A stretch of one partition.
    async fn query(&self, range: &Range) -> Result<Page, StoreError>;

    /// Writes of one commit at the most.
    fn commit_limit(&self) -> usize {
        COMMIT_LIMIT
    }

    /// All writes or none, at most [`Table::commit_limit`] of 40 kB on average, each key at most once. Safe
    /// to repeat after a lost answer: the repetition conflicts, and the caller reads again.
    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError>;

    /// Any number of [`Write::Put`] and [`Write::Delete`] under [`Expect::Anything`], not atomic, in no
    /// order except that the last one of a key wins; a failure may leave some done. For records that are safe to write again.
    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError>;
}

/// A value with the version that it was read at.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// Version of the record; 0 = there is none yet.
    pub version: u64,
    /// The value.
    pub value: T,
}

impl<T> Versioned<T> {
    /// The condition that nobody wrote in between.
    pub fn unchanged(&self) -> Expect {
        if self.version == 0 { Expect::Absent } else { Expect::Version(self.version) }
    }
}

/// The table with types, counted.
#[derive(Clone, Debug)]
pub struct Store {
    table: Arc<dyn Table>,
    /// Time, for expiry and for leases.
    pub clock: Arc<dyn Clock>,
    operations: Arc<AtomicU64>,
}

impl Store {
    /// A store on a table.
    pub fn new(table: Arc<dyn Table>, clock: Arc<dyn Clock>) -> Self {
        Self { table, clock, operations: Arc::default() }
    }

    /// Calls to the table since the start, as `DynamoDB` would count them: a read of up to 100 keys is
    /// one, so is a transaction, so is every 25 of unconditioned writes.
    pub fn operations(&self) -> u64 {
        self.operations.load(Relaxed)
    }

    fn count(&self, calls: usize) {
        self.operations.fetch_add(calls as u64, Relaxed);
    }

    /// The records of these keys, in the same order.
    pub async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.count(keys.len().div_ceil(100));
        if keys.is_empty() { Ok(Vec::new()) } else { self.table.get(keys).await }
    }

    /// The value of one key.
    pub async fn read<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        let found = self.get(std::slice::from_ref(key)).await?.pop().flatten();
        found.map(|record| decode(&record)).transpose()
    }

    /// A stretch of a partition.
    pub async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        self.count(1);
        self.table.query(range).await
    }

    /// Writes of one commit at the most: as many as the backend takes.
    pub fn commit_limit(&self) -> usize {
        self.table.commit_limit()
    }

    /// All writes or none.
    pub async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        self.count(1);
        self.table.commit(writes).await
    }

    /// Unconditioned writes.
    pub async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.count(writes.len().div_ceil(25));
        if writes.is_empty() { Ok(()) } else { self.table.write_all(writes).await }
    }
}

/// Reads a record's body. Stored items are untrusted input: a body of another shape is an error that
/// names the key, never a panic.
pub fn decode<T: DeserializeOwned>(record: &Record) -> Result<Versioned<T>, StoreError> {
    let value = serde_json::from_str(&record.body).map_err(|error| StoreError {
        operation: "understand a record",
        detail: format!("{}/{}: {error}", record.key.pk, record.key.sk),
    })?;
    Ok(Versioned { version: record.version, value })
}

/// A put of a value.
pub fn put<T: Serialize>(key: Key, value: &T, expect: Expect) -> Result<Write, StoreError> {
    put_until(key, value, expect, None)
}

/// A put of a value that may be forgotten after a time.
pub fn put_until<T: Serialize>(
    key: Key,
    value: &T,
    expect: Expect,
    expires: Option<Timestamp>,
) -> Result<Write, StoreError> {
    let body = serde_json::to_string(value).map_err(|error| StoreError {
        operation: "write a record",
        detail: format!("{}/{}: {error}", key.pk, key.sk),
    })?;
    Ok(Write::Put { key, body, expect, expires })
}
