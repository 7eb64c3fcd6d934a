//! The table in one file on this machine: redb, one process at a time.
//!
//! Reads are done at once, on the thread that asks: they take microseconds. Writes go to one thread
//! that commits whatever waits together, because each commit waits for the disk (`writer`).

mod layout;
mod writer;

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableError};

use self::layout::{EXPIRIES, META, RECORDS, Row};
use self::writer::Writer;
use super::limits::{check_commit, check_key, last_of_each, page_limit, start};
use super::{Commit, Key, Order, Page, Range, Record, StoreError, Table, Write};
use crate::clock::Clock;

/// What this program writes and reads; another number in the file means that another version wrote it.
const FORMAT: u64 = 2;
/// Memory for pages of the file that were read or written; what is not in it the system mostly still has.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// Writes of one commit at the most: those of a page of people, as each commit waits for the disk.
const COMMIT_LIMIT: usize = 2_500;
/// Where a page of records ends, as in `DynamoDB`.
const PAGE_BYTES: usize = 1024 * 1024;

/// A table in the file `store.redb`.
#[derive(Debug)]
pub struct Embedded {
    // Dropped first: its thread ends and lets go of the database, so that the file is free then.
    writer: Writer,
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
}

impl Embedded {
    /// Opens the store in a directory, making both if there are none. Reads the whole file once, to
    /// find damage now rather than in the middle of a run.
    ///
    /// # Errors
    ///
    /// The file is open already, damaged, or was written by a newer version; it is left as it is.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = dir.join("store.redb");
        let database = open_file(dir, &path)
            .map_err(|problem| StoreError { operation: "open", detail: problem.sentence(&path) })?;
        let database = Arc::new(database);
        let writer = Writer::start(Arc::clone(&database), Arc::clone(&clock))
            .map_err(|error| StoreError { operation: "open", detail: error.to_string() })?;
        Ok(Self { writer, database, clock })
    }

    /// Removes up to `most` expired records and says how many it removed. They are invisible anyway:
    /// this only frees their space, so call it now and then, until it says fewer than `most`.
    pub async fn purge(&self, most: usize) -> Result<usize, StoreError> {
        let (database, now) = (Arc::clone(&self.database), self.clock.now());
        tokio::task::spawn_blocking(move || writer::purge(&database, now, most))
            .await
            .map_err(|error| failed("purge", &error))?
            .map_err(|error| failed("purge", &error))
    }

    fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, redb::Error> {
        let now = self.clock.now();
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        keys.iter()
            .map(|key| match table.get(layout::encode(key).as_slice())? {
                Some(row) => Row::of(row.value()).record(key.clone(), now),
                None => Ok(None),
            })
            .collect()
    }

    fn read_page(&self, range: &Range) -> Result<Page, redb::Error> {
        let Some((lower, upper)) = layout::bounds(range, &start(range)) else {
            return Ok(Page::default());
        };
        let now = self.clock.now();
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        let mut rows = table.range::<&[u8]>((
            lower.as_ref().map(Vec::as_slice),
            upper.as_ref().map(Vec::as_slice),
        ))?;
        let (mut page, mut bytes) = (Page::default(), 0);
        while let Some(row) = match range.order {
            Order::Ascending => rows.next(),
            Order::Descending => rows.next_back(),
        } {
            let (key, row) = row?;
            let key = Key::new(range.pk.as_str(), layout::sort_key(key.value(), &range.pk)?);
            let Some(record) = Row::of(row.value()).record(key, now)? else { continue };
            if page.records.len() == page_limit(range) || bytes >= PAGE_BYTES {
                page.next = page.records.last().map(|last| last.key.sk.clone());
                break;
            }
            bytes += record.body.len();
            page.records.push(record);
        }
        Ok(page)
    }
}

#[async_trait]
impl Table for Embedded {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().try_for_each(check_key)?;
        self.read(keys).map_err(|error| failed("read", &error))
    }

    async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        self.read_page(range).map_err(|error| failed("read", &error))
    }

    fn commit_limit(&self) -> usize {
        COMMIT_LIMIT
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        check_commit(writes, COMMIT_LIMIT)?;
        self.writer.commit(writes.to_vec()).await
    }

    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        let last = last_of_each(writes)?;
        // Nothing is demanded, so nothing can conflict.
        let _ = self.writer.commit(last.into_iter().cloned().collect()).await?;
        Ok(())
    }
}

fn failed(operation: &'static str, error: &dyn std::error::Error) -> StoreError {
    StoreError { operation, detail: error.to_string() }
}

/// Why a store could not be opened.
enum Unopened {
    File(std::io::Error),
    Database(DatabaseError),
    Content(redb::Error),
    Newer(u64),
    Older(u64),
}

impl Unopened {
    /// What is wrong and what to do about it.
    fn sentence(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Unopened::Database(DatabaseError::DatabaseAlreadyOpen) => {
                format!("{path} is in use by another process; stop that one first")
            }
            Unopened::Database(DatabaseError::Storage(StorageError::Corrupted(what))) => {
                format!(
                    "{path} is damaged ({what}); put a copy of it back, or move it away to begin anew"
                )
            }
            Unopened::Database(DatabaseError::Storage(StorageError::Io(error)))
                if error.kind() == std::io::ErrorKind::InvalidData =>
            {
                format!(
                    "{path} is not a store ({error}); put a copy of it back, or move it away to begin anew"
                )
            }
            Unopened::File(error) => format!("{path}: {error}"),
            Unopened::Database(error) => format!("{path}: {error}"),
            Unopened::Content(error) => format!("{path}: {error}"),
            Unopened::Newer(format) => format!(
                "{path} was written by a newer version of this program (format {format}, this one knows {FORMAT}); use that version"
            ),
            Unopened::Older(format) => format!(
                "{path} was written by an older version of this program (format {format}, this one knows {FORMAT}); use that version, or move the file away to begin anew"
            ),
        }
    }
}

fn open_file(dir: &Path, path: &Path) -> Result<Database, Unopened> {
    fs::create_dir_all(dir).map_err(Unopened::File)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // People's data: for the owner only.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(Unopened::File)?;
    let backend = FileBackend::new(file).map_err(Unopened::Database)?;
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)
        .map_err(Unopened::Database)?;
    check_format(&database)?;
    // A new file is only there for good when its directory is written too.
    #[cfg(unix)]
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(Unopened::File)?;
    Ok(database)
}

/// Makes the tables of a new file; refuses a file that this version does not know, unwritten.
fn check_format(database: &Database) -> Result<(), Unopened> {
    match stored_format(database).map_err(Unopened::Content)? {
        Some(FORMAT) => Ok(()),
        Some(format) if format < FORMAT => Err(Unopened::Older(format)),
        Some(format) => Err(Unopened::Newer(format)),
        None => make_tables(database).map_err(Unopened::Content),
    }
}

fn stored_format(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(table) => Ok(table.get("format")?.map(|format| format.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert("format", FORMAT)?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(EXPIRIES)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::clock::ManualClock;
    use crate::store::Expect;

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))
    }

    fn open(dir: &Path) -> Result<Embedded, StoreError> {
        Embedded::open(dir, clock())
    }

    fn refusal(dir: &Path) -> String {
        open(dir).unwrap_err().to_string()
    }

    fn key(sk: impl Into<String>) -> Key {
        Key::new("p", sk)
    }

    fn put(sk: impl Into<String>, body: &str, expires: Option<Timestamp>) -> Write {
        Write::Put { key: key(sk), body: body.to_owned(), expect: Expect::Absent, expires }
    }

    async fn fill(store: &Embedded, records: usize) {
        for index in 0..records {
            let writes = [put(format!("{index:04}"), "{}", None)];
            assert_eq!(store.commit(&writes).await.unwrap(), Commit::Done);
        }
    }

    async fn count(store: &Embedded) -> usize {
        store.query(&Range::of("p", 1000)).await.unwrap().records.len()
    }

    // T2
    #[tokio::test]
    async fn whatever_was_committed_is_there_after_a_kill() {
        let (dir, after_kill) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open(dir.path()).unwrap();
        for records in [1, 30] {
            fill(&store, records).await;
            // What the disk would hold if the process ended here, without closing the file.
            fs::copy(dir.path().join("store.redb"), after_kill.path().join("store.redb")).unwrap();
            assert_eq!(count(&open(after_kill.path()).unwrap()).await, records);
            store
                .write_all(&[Write::Delete { key: key("0000"), expect: Expect::Anything }])
                .await
                .unwrap();
        }
        drop(store);
        assert_eq!(count(&open(dir.path()).unwrap()).await, 29);
    }

    #[tokio::test]
    async fn a_store_is_opened_once_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        let why = refusal(dir.path());
        assert!(why.contains("in use by another process"), "{why}");
        drop(store);
        assert!(open(dir.path()).is_ok());
    }

    #[tokio::test]
    async fn a_file_that_is_not_ours_or_is_damaged_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        fill(&open(dir.path()).unwrap(), 200).await;
        let whole = fs::read(&path).unwrap();

        let mut flipped = whole.clone();
        for byte in flipped.iter_mut().skip(4096).step_by(1000) {
            *byte ^= 0xFF;
        }
        for (what, bytes) in [
            ("text", b"hello, this is a text".to_vec()),
            ("zeros", vec![0; 10_000]),
            ("cut", whole[..whole.len() / 2].to_vec()),
            ("header only", whole[..4096].to_vec()),
            ("flipped", flipped),
        ] {
            fs::write(&path, &bytes).unwrap();
            let why = refusal(dir.path());
            assert!(why.contains("store.redb"), "{what}: {why}");
            assert!(fs::read(&path).unwrap() == bytes, "{what} was changed");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(count(&open(dir.path()).unwrap()).await, 200);
    }

    #[tokio::test]
    async fn a_file_of_another_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).unwrap());
        for (format, told) in [(FORMAT + 1, "newer version"), (FORMAT - 1, "older version")] {
            let database = Database::create(dir.path().join("store.redb")).unwrap();
            let transaction = database.begin_write().unwrap();
            transaction.open_table(META).unwrap().insert("format", format).unwrap();
            transaction.commit().unwrap();
            drop(database);
            let why = refusal(dir.path());
            assert!(why.contains(told), "{why}");
        }
    }

    #[tokio::test]
    async fn expired_records_are_removed_in_portions_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let store = Embedded::open(dir.path(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let soon = Timestamp::from_second(60).unwrap();
        let late = Timestamp::from_second(7200).unwrap();
        for index in 0..10 {
            let writes = [
                put(format!("soon{index}"), "{}", Some(soon)),
                put(format!("late{index}"), "{}", Some(late)),
                put(format!("never{index}"), "{}", None),
            ];
            assert_eq!(store.commit(&writes).await.unwrap(), Commit::Done);
        }
        // Written again without, deleted, and written again with a later time.
        let again = |sk: &str, expires| Write::Put {
            key: key(sk),
            body: "{}".to_owned(),
            expect: Expect::Anything,
            expires,
        };
        store
            .write_all(&[
                again("soon0", None),
                again("soon1", Some(late)),
                Write::Delete { key: key("soon2"), expect: Expect::Anything },
            ])
            .await
            .unwrap();
        assert_eq!(store.purge(100).await.unwrap(), 0);
        clock.advance(SignedDuration::from_mins(2));
        assert_eq!(store.purge(5).await.unwrap(), 5);
        assert_eq!(store.purge(5).await.unwrap(), 2);
        assert_eq!(count(&store).await, 22);
        clock.advance(SignedDuration::from_hours(3));
        assert_eq!(store.purge(100).await.unwrap(), 11);
        assert_eq!(count(&store).await, 11);
    }
}
