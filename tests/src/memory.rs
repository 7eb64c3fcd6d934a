//! A table in memory, for tests that need hundreds of worlds: it keeps the contract of the store and
//! never waits for a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::clock::Clock;
use engine::store::{
    COMMIT_LIMIT, Commit, Expect, Key, Order, Page, Range, Record, StoreError, Table, Write,
};
use jiff::Timestamp;

/// Bytes of a body, of a part of a key, of a commit and of a page at the most.
const BODY: usize = 300 * 1024;
const PART: usize = 1024;
const BYTES: usize = 4_000_000;
const PAGE: usize = 1024 * 1024;

/// The table.
#[derive(Debug)]
pub struct Memory {
    clock: Arc<dyn Clock>,
    rows: Mutex<BTreeMap<Key, Record>>,
    reads: AtomicU64,
    writes: AtomicU64,
}

/// What `DynamoDB` would count for the same work (its developer guide, read and write consumption).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Read units: 4 KiB, consistently.
    pub reads: u64,
    /// Write units: 1 KiB, two for each in a transaction.
    pub writes: u64,
}

impl Memory {
    /// An empty table.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of(clock, [])
    }

    /// All that was consumed so far.
    pub fn units(&self) -> Units {
        Units { reads: self.reads.load(Relaxed), writes: self.writes.load(Relaxed) }
    }

    /// All records in order, expired ones included.
    pub fn records(&self) -> Vec<Record> {
        self.rows.lock().unwrap().values().cloned().collect()
    }

    /// A table of these records.
    pub fn of(clock: Arc<dyn Clock>, records: impl IntoIterator<Item = Record>) -> Self {
        let rows = records.into_iter().map(|record| (record.key.clone(), record)).collect();
        let (reads, writes) = (AtomicU64::default(), AtomicU64::default());
        Self { clock, rows: Mutex::new(rows), reads, writes }
    }

    fn is_there(&self, record: &Record) -> bool {
        record.expires.is_none_or(|expires| expires > self.clock.now())
    }

    fn holds(&self, rows: &BTreeMap<Key, Record>, write: &Write) -> bool {
        let found = rows.get(write.key()).filter(|record| self.is_there(record));
        match write.expect() {
            Expect::Anything => true,
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found.is_some_and(|record| record.version == version),
        }
    }
}

/// Bytes of a record as an item: names of its attributes, key, body and two numbers.
fn size(record: &Record) -> usize {
    record.key.pk.len() + record.key.sk.len() + record.body.len() + 30
}

fn units(bytes: usize, unit: usize) -> u64 {
    bytes.div_ceil(unit).max(1) as u64
}

fn apply(rows: &mut BTreeMap<Key, Record>, write: &Write) {
    match write {
        Write::Check { .. } => {}
        Write::Delete { key, .. } => drop(rows.remove(key)),
        Write::Put { key, body, expect, expires } => {
            let version = match expect {
                Expect::Anything | Expect::Absent => 1,
                Expect::Version(version) => version + 1,
            };
            let (body, expires) = (body.clone(), expires.map(whole_second));
            rows.insert(key.clone(), Record { key: key.clone(), version, body, expires });
        }
    }
}

fn whole_second(time: Timestamp) -> Timestamp {
    let second = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(second).unwrap()
}

fn refused(detail: &str) -> StoreError {
    StoreError { operation: "accept a request", detail: detail.to_owned() }
}

fn check_key(key: &Key) -> Result<(), StoreError> {
    let fits = [&key.pk, &key.sk].iter().all(|part| (1..=PART).contains(&part.len()));
    if fits { Ok(()) } else { Err(refused("a part of a key is empty or too long")) }
}

/// What a write weighs; refused if it is too heavy by itself.
fn weigh(write: &Write) -> Result<usize, StoreError> {
    check_key(write.key())?;
    match write {
        Write::Put { body, .. } if body.len() > BODY => Err(refused("a body is too long")),
        Write::Put { body, .. } => Ok(body.len()),
        Write::Delete { .. } | Write::Check { .. } => Ok(0),
    }
}

#[async_trait]
impl Table for Memory {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().try_for_each(check_key)?;
        let rows = self.rows.lock().unwrap();
        let found = keys.iter().map(|key| rows.get(key).filter(|row| self.is_there(row)).cloned());
        let found: Vec<Option<Record>> = found.collect();
        let sizes = found.iter().map(|row| row.as_ref().map_or(0, size));
        self.reads.fetch_add(sizes.map(|size| units(size, 4096)).sum(), Relaxed);
        Ok(found)
    }

    async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        let rows = self.rows.lock().unwrap();
        let own = (Bound::Included(Key::new(range.pk.as_str(), "")), Bound::Unbounded);
        let own = rows.range(own).map(|(_, row)| row).take_while(|row| row.key.pk == range.pk);
        let behind = |row: &&Record| match (&range.after, range.order) {
            (None, _) => true,
            (Some(after), Order::Ascending) => row.key.sk > *after,
            (Some(after), Order::Descending) => row.key.sk < *after,
        };
        let mut own: Vec<&Record> = own
            .filter(|row| row.key.sk.starts_with(&range.prefix) && self.is_there(row))
            .filter(behind)
            .collect();
        if range.order == Order::Descending {
            own.reverse();
        }
        let (mut page, mut bytes) = (Page::default(), 0);
        for row in own {
            if page.records.len() == range.limit.clamp(1, 1000) || bytes >= PAGE {
                page.next = page.records.last().map(|last| last.key.sk.clone());
                break;
            }
            bytes += row.body.len();
            page.records.push(row.clone());
        }
        self.reads.fetch_add(units(page.records.iter().map(size).sum(), 4096), Relaxed);
        Ok(page)
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        let keys: BTreeSet<&Key> = writes.iter().map(Write::key).collect();
        if writes.len() > COMMIT_LIMIT || keys.len() < writes.len() {
            return Err(refused("too many writes, or a key twice"));
        }
        let bytes: usize = writes.iter().map(weigh).sum::<Result<_, _>>()?;
        if bytes > BYTES {
            return Err(refused("too many bytes at once"));
        }
        let mut rows = self.rows.lock().unwrap();
        if let Some(at) = writes.iter().position(|write| !self.holds(&rows, write)) {
            return Ok(Commit::Conflict(at));
        }
        let each = if writes.len() == 1 { 1 } else { 2 };
        for write in writes {
            let there = rows.get(write.key()).map_or(0, size);
            apply(&mut rows, write);
            let now = rows.get(write.key()).map_or(0, size);
            self.writes.fetch_add(units(now.max(there), 1024) * each, Relaxed);
        }
        Ok(Commit::Done)
    }

    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        for write in writes {
            weigh(write)?;
            if matches!(write, Write::Check { .. }) || write.expect() != Expect::Anything {
                return Err(refused("a condition outside a commit"));
            }
        }
        let mut rows = self.rows.lock().unwrap();
        for write in writes {
            let there = rows.get(write.key()).map_or(0, size);
            apply(&mut rows, write);
            let now = rows.get(write.key()).map_or(0, size);
            self.writes.fetch_add(units(now.max(there), 1024), Relaxed);
        }
        Ok(())
    }
}
