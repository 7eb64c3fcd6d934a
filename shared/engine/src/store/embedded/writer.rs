//! Writing: one thread that commits together what many ask for at the same time.
//!
//! A commit waits for the disk, milliseconds each; an import asks for tens of thousands. So the
//! thread takes every job that waits, applies them one after the other inside one redb transaction,
//! each with its own conditions against what the earlier ones left, and waits for the disk once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use redb::{Database, ReadableTable, WriteTransaction};
use tokio::sync::oneshot;

use super::layout::{Columns, EXPIRIES, RECORDS, Row, encode, list, minute, take_listed};
use crate::clock::Clock;
use crate::store::limits::{expiry_second, is_expired};
use crate::store::{Commit, Expect, Key, StoreError, Write};

/// Jobs in one transaction at the most: bounds the wait of the first job in it.
const GROUP: usize = 256;
/// Writes after which no further job joins a transaction: each may change a page of its own, which is
/// in memory until the transaction is on the disk.
const GROUP_WRITES: usize = 2_000;

type Records<'t> = redb::Table<'t, &'static [u8], Columns<'static>>;
/// Encoded keys by the minute in which they expire.
type Expiring = BTreeMap<i64, Vec<u8>>;
/// A row of [`EXPIRIES`].
type Expired = ((i64, u64), Vec<u8>);

struct Job {
    writes: Vec<Write>,
    answer: oneshot::Sender<Result<Commit, StoreError>>,
}

/// The writing thread; dropping it ends the thread after the jobs that wait.
#[derive(Debug)]
pub(super) struct Writer {
    // `None` only while it is being dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(database: Arc<Database>, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work(&database, clock.as_ref(), &waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// All writes or none; returns when they are on the disk. The caller checked them against the
    /// limits.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let ended = || error("the writing thread has ended");
        let (answer, result) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(Job { writes, answer }).map_err(|_| ended())?;
        result.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, everyone who waited has been told already.
            let _ = thread.join();
        }
    }
}

fn work(database: &Database, clock: &dyn Clock, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let group = group(first, jobs);
        let outcome =
            commit_group(database, clock.now(), &group).map_err(|error| error.to_string());
        for (index, job) in group.into_iter().enumerate() {
            // Who asked may have gone meanwhile; the work is done all the same.
            let _ = job.answer.send(match &outcome {
                Ok(commits) => Ok(commits[index]),
                Err(detail) => Err(error(detail)),
            });
        }
    }
}

/// Whatever waits, as far as one transaction takes it.
fn group(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let mut writes = first.writes.len();
    let mut group = vec![first];
    while group.len() < GROUP && writes < GROUP_WRITES {
        let Ok(job) = jobs.try_recv() else { break };
        writes += job.writes.len();
        group.push(job);
    }
    group
}

fn error(detail: &str) -> StoreError {
    StoreError { operation: "commit", detail: detail.to_owned() }
}

/// One transaction for all jobs; the outcomes in their order.
fn commit_group(
    database: &Database,
    now: Timestamp,
    group: &[Job],
) -> Result<Vec<Commit>, redb::Error> {
    let transaction = database.begin_write()?;
    let outcomes = apply_group(&transaction, now, group)?;
    if outcomes.iter().all(|outcome| matches!(outcome, Commit::Conflict(_))) {
        transaction.abort()?;
    } else {
        transaction.commit()?;
    }
    Ok(outcomes)
}

fn apply_group(
    transaction: &WriteTransaction,
    now: Timestamp,
    group: &[Job],
) -> Result<Vec<Commit>, redb::Error> {
    let mut records = transaction.open_table(RECORDS)?;
    let mut expiring = Expiring::new();
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        let conflict = first_conflict(&records, now, &job.writes)?;
        if conflict.is_none() {
            for write in &job.writes {
                apply(&mut records, &mut expiring, write)?;
            }
        }
        outcomes.push(conflict.map_or(Commit::Done, Commit::Conflict));
    }
    let mut expiries = transaction.open_table(EXPIRIES)?;
    for (minute, keys) in expiring {
        let last = expiries.range((minute, 0)..=(minute, u64::MAX))?.next_back().transpose()?;
        let number = last.map_or(0, |(last, _)| last.value().1.saturating_add(1));
        expiries.insert((minute, number), keys.as_slice())?;
    }
    Ok(outcomes)
}

/// The first write whose condition does not hold. No key is written twice in a commit, so all
/// conditions can be tested before the first write.
fn first_conflict(
    records: &Records<'_>,
    now: Timestamp,
    writes: &[Write],
) -> Result<Option<usize>, redb::Error> {
    for (index, write) in writes.iter().enumerate() {
        let holds = match write.expect() {
            Expect::Anything => true,
            Expect::Absent => version(records, now, write.key())?.is_none(),
            Expect::Version(expected) => version(records, now, write.key())? == Some(expected),
        };
        if !holds {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn version(records: &Records<'_>, now: Timestamp, key: &Key) -> Result<Option<u64>, redb::Error> {
    let found = records.get(encode(key).as_slice())?;
    Ok(found.and_then(|row| {
        let row = Row::of(row.value());
        (!is_expired(row.expiry, now)).then_some(row.version)
    }))
}

fn apply(
    records: &mut Records<'_>,
    expiring: &mut Expiring,
    write: &Write,
) -> Result<(), redb::Error> {
    let key = encode(write.key());
    let key = key.as_slice();
    match write {
        Write::Check { .. } => {}
        // Where it is listed as expiring, it is passed over then.
        Write::Delete { .. } => drop(records.remove(key)?),
        Write::Put { body, expect, expires, .. } => {
            let expiry = expires.map(expiry_second);
            let row = (expect.next_version(), expiry, body.as_bytes());
            let replaced = records.insert(key, row)?;
            let listed = replaced.and_then(|row| Row::of(row.value()).expiry).map(minute);
            if let Some(minute) = expiry.map(minute).filter(|minute| listed != Some(*minute)) {
                list(expiring.entry(minute).or_default(), key);
            }
        }
    }
    Ok(())
}

/// Removes up to `most` records that are expired now, in a transaction of its own: redb lets it wait
/// for the one of the writing thread and the other way round.
pub(super) fn purge(
    database: &Database,
    now: Timestamp,
    most: usize,
) -> Result<usize, redb::Error> {
    let transaction = database.begin_write()?;
    let mut removed = 0;
    {
        let mut records = transaction.open_table(RECORDS)?;
        let mut expiries = transaction.open_table(EXPIRIES)?;
        let end = now.as_second().div_euclid(60).saturating_add(1);
        while removed < most {
            let Some(((minute, number), keys)) = first_row(&expiries, end)? else { break };
            let mut left = keys.as_slice();
            while removed < most
                && let Some(key) = take_listed(&mut left)
            {
                // Whoever was written again since may have longer to live.
                let is_due = records
                    .get(key)?
                    .is_some_and(|row| is_expired(Row::of(row.value()).expiry, now));
                if is_due {
                    records.remove(key)?;
                    removed += 1;
                }
            }
            if left.is_empty() {
                expiries.remove((minute, number))?;
            } else {
                expiries.insert((minute, number), left)?;
            }
        }
    }
    transaction.commit()?;
    Ok(removed)
}

/// The first list of records that expire before a minute.
fn first_row(
    expiries: &redb::Table<'_, (i64, u64), &'static [u8]>,
    end: i64,
) -> Result<Option<Expired>, redb::Error> {
    let first = expiries.range(..(end, 0))?.next().transpose()?;
    Ok(first.map(|(place, keys)| (place.value(), keys.value().to_vec())))
}
