//! Bugs to be planted, one at a time, so that the storm can show that it finds them. They are not in the
//! product: what stands between it and its table forgets, changes or delays what the product writes, as
//! a product with the bug would.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::clock::{Clock, ManualClock};
use engine::store::log::Entry;
use engine::store::people::Person;
use engine::store::runs::{RunRecord, SegmentRecord};
use engine::store::{Commit, Expect, Key, Page, Range, Record, StoreError, Table, Write};
use jiff::{SignedDuration, Timestamp};
use plan::guard::Verdict;
use plan::ids::PerKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tests::meant::{Meant, is_log, is_person};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A worker that stood still sends its write however late it is.
    LateWrite,
    /// A person is stored whoever else wrote it meanwhile.
    LastWriteWins,
    /// A segment is taken although another worker has it.
    SegmentTaken,
    /// The cursor moves before the facts of the page are stored.
    CursorFirst,
    /// Nothing is noted before somebody is made.
    NoNote,
    /// What another worker noted is not heeded.
    NoteUnread,
    /// The guard lets everybody go.
    GuardAsleep,
    /// A record that was made is not in the log.
    SilentCreate,
    /// Nobody compares what was read with Graph's count.
    CountUnread,
    /// A decision takes away the mark of what it did not know.
    MarkLost,
}

impl Bug {
    pub(crate) const ALL: [Bug; 10] = [
        Bug::LateWrite,
        Bug::LastWriteWins,
        Bug::SegmentTaken,
        Bug::CursorFirst,
        Bug::NoNote,
        Bug::NoteUnread,
        Bug::GuardAsleep,
        Bug::SilentCreate,
        Bug::CountUnread,
        Bug::MarkLost,
    ];

    /// What it is called on the command line.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// The clock that Halo's client reads, where that is the bug: by this one a worker is never late.
    pub(crate) fn halo_clock(self) -> Option<tests::world::MakesClock> {
        (self == Bug::LateWrite).then_some(|clock| Arc::new(Behind(clock)))
    }
}

/// A clock that is ten minutes behind another one.
#[derive(Debug)]
struct Behind(Arc<ManualClock>);

#[async_trait]
impl Clock for Behind {
    fn now(&self) -> Timestamp {
        self.0.now() - SignedDuration::from_mins(10)
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// The table as a product with the bug uses it.
#[derive(Debug)]
pub(crate) struct Planted {
    pub(crate) bug: Bug,
    pub(crate) inner: Arc<dyn Table>,
    /// Facts that are still to be written.
    kept: Mutex<Vec<Vec<Write>>>,
}

impl Planted {
    pub(crate) fn new(bug: Bug, inner: Arc<dyn Table>) -> Self {
        Self { bug, inner, kept: Mutex::default() }
    }

    fn spoil_read(&self, record: &mut Record) {
        match self.bug {
            Bug::SegmentTaken if record.key.pk.contains("#run#") => {
                change(&mut record.body, |segment: &mut SegmentRecord| segment.owner = None);
            }
            Bug::NoteUnread if is_person(&record.key) => {
                change(&mut record.body, |person: &mut Person| person.link.intents.clear());
            }
            Bug::GuardAsleep if record.key.sk.starts_with("run#") => {
                change(&mut record.body, |run: &mut RunRecord| {
                    run.verdict = run.verdict.map(|_| PerKind::both(Verdict::Pass));
                });
            }
            Bug::SegmentTaken
            | Bug::NoteUnread
            | Bug::GuardAsleep
            | Bug::LateWrite
            | Bug::LastWriteWins
            | Bug::CursorFirst
            | Bug::NoNote
            | Bug::SilentCreate
            | Bug::CountUnread
            | Bug::MarkLost => {}
        }
    }

    /// Changes writes in place, so that the number of the one that conflicts still says which it is.
    fn spoil_writes(&self, writes: &mut Vec<Write>) {
        let meant = Meant::of(writes);
        let mut marks = Vec::new();
        for write in writes.iter_mut() {
            let key = write.key().clone();
            match (self.bug, &mut *write) {
                (Bug::NoNote, Write::Put { body, .. }) if is_person(&key) => {
                    change(body, |person: &mut Person| person.link.intents.clear());
                }
                (Bug::MarkLost, Write::Put { body, .. })
                    if is_person(&key) && meant == Meant::Outcome =>
                {
                    change(body, |person: &mut Person| person.pending = None);
                    marks.push(Key::new(key.pk.replace("#people#", "#dirty#"), key.sk));
                }
                (Bug::SilentCreate, Write::Put { body, .. }) if is_log(&key) => {
                    let entry: Entry = serde_json::from_str(body).unwrap();
                    if entry.decision.name() == "create" {
                        *write = Write::Delete { key, expect: Expect::Anything };
                    }
                }
                _ => {}
            }
        }
        marks.retain(|mark| writes.iter().all(|write| write.key() != mark));
        let gone = marks.into_iter().map(|key| Write::Delete { key, expect: Expect::Anything });
        writes.extend(gone);
    }

    /// Whether the bug writes such a record over whatever is there.
    fn overwrites(&self, key: &Key) -> bool {
        self.bug == Bug::LastWriteWins && is_person(key)
    }

    /// Commits under the conditions that hold now.
    async fn overwrite(&self, mut writes: Vec<Write>) -> Result<Commit, StoreError> {
        loop {
            for write in writes.iter_mut().filter(|write| self.overwrites(write.key())) {
                let found = self.inner.get(&[write.key().clone()]).await?.pop().flatten();
                let now = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
                if let Write::Put { expect, .. } | Write::Delete { expect, .. } = write {
                    *expect = now;
                }
            }
            match self.inner.commit(&writes).await? {
                Commit::Conflict(at) if self.overwrites(writes[at].key()) => {}
                outcome @ (Commit::Conflict(_) | Commit::Done) => return Ok(outcome),
            }
        }
    }

    /// Writes the facts that were kept back. Whose lease is over has lost them.
    async fn write_kept(&self) -> Result<(), StoreError> {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        for writes in kept {
            let _: Commit = self.inner.commit(&writes).await?;
        }
        Ok(())
    }
}

/// Changes what a body says, where it says such a thing.
fn change<T: Serialize + DeserializeOwned>(body: &mut String, change: impl FnOnce(&mut T)) {
    if let Ok(mut value) = serde_json::from_str(body) {
        change(&mut value);
        *body = serde_json::to_string(&value).unwrap();
    }
}

#[async_trait]
impl Table for Planted {
    fn commit_limit(&self) -> usize {
        self.inner.commit_limit()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.write_kept().await?;
        let mut found = self.inner.get(keys).await?;
        found.iter_mut().flatten().for_each(|record| self.spoil_read(record));
        Ok(found)
    }

    async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        self.write_kept().await?;
        let mut page = self.inner.query(range).await?;
        page.records.iter_mut().for_each(|record| self.spoil_read(record));
        Ok(page)
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        let mut writes = writes.to_vec();
        self.spoil_writes(&mut writes);
        if self.bug == Bug::CursorFirst {
            match Meant::of(&writes) {
                Meant::Facts => {
                    self.kept.lock().unwrap().push(writes);
                    return Ok(Commit::Done);
                }
                Meant::Cursor => {
                    // Whoever dies at the cursor has lost them.
                    let kept = std::mem::take(&mut *self.kept.lock().unwrap());
                    let outcome = self.inner.commit(&writes).await?;
                    *self.kept.lock().unwrap() = kept;
                    self.write_kept().await?;
                    return Ok(outcome);
                }
                Meant::Note | Meant::Site | Meant::Outcome | Meant::Other => {
                    self.write_kept().await?;
                }
            }
        }
        self.overwrite(writes).await
    }

    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.write_kept().await?;
        self.inner.write_all(writes).await
    }
}
