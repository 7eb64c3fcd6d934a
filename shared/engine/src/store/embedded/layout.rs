//! How records lie in the file: keys that keep their order, rows, and an index of expiry.

use std::ops::Bound;

use jiff::Timestamp;
use redb::{StorageError, TableDefinition};

use crate::store::limits::{Start, is_expired};
use crate::store::{Key, Order, Range, Record};

/// What the file is: `format`.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Encoded key to row.
pub(super) const RECORDS: TableDefinition<'_, &[u8], Columns<'_>> = TableDefinition::new("records");
/// Minute in which records expire and a number, to the encoded keys of those that one transaction wrote:
/// in the order in which they are removed, and one row for many, because most expire with their neighbours.
pub(super) const EXPIRIES: TableDefinition<'_, (i64, u64), &[u8]> =
    TableDefinition::new("expiries");

/// Version, second of expiry, body.
pub(super) type Columns<'a> = (u64, Option<i64>, &'a [u8]);

/// A bound of encoded keys.
pub(super) type Edge = Bound<Vec<u8>>;

/// Length of the partition key in two bytes, partition key, sort key: a partition lies together, in
/// the order of its sort keys, whatever bytes they contain.
pub(super) fn encode(key: &Key) -> Vec<u8> {
    join(&key.pk, &key.sk)
}

fn join(pk: &str, sk: &str) -> Vec<u8> {
    let length = u16::try_from(pk.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(2 + pk.len() + sk.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(pk.as_bytes());
    bytes.extend_from_slice(sk.as_bytes());
    bytes
}

/// The sort key in an encoded key of a partition.
pub(super) fn sort_key(encoded: &[u8], pk: &str) -> Result<String, redb::Error> {
    text(encoded.get(2 + pk.len()..).unwrap_or_default())
}

/// The encoded keys of a range; `None` if there can be none.
pub(super) fn bounds(range: &Range, start: &Start<'_>) -> Option<(Edge, Edge)> {
    let first = Bound::Included(join(&range.pk, &range.prefix));
    // No text contains the byte 0xFF, so this is behind everything that has the prefix.
    let mut behind = join(&range.pk, &range.prefix);
    behind.push(0xFF);
    let last = Bound::Excluded(behind);
    match (start, range.order) {
        (Start::Nowhere, _) => None,
        (Start::Edge, _) => Some((first, last)),
        (Start::Behind(after), Order::Ascending) => {
            Some((Bound::Excluded(join(&range.pk, after)), last))
        }
        (Start::Behind(after), Order::Descending) => {
            Some((first, Bound::Excluded(join(&range.pk, after))))
        }
    }
}

/// The minute in which everything has expired that expires in a second of it or before.
pub(super) fn minute(second: i64) -> i64 {
    second.saturating_add(59).div_euclid(60)
}

/// Adds an encoded key to a row of [`EXPIRIES`].
pub(super) fn list(keys: &mut Vec<u8>, key: &[u8]) {
    // Both parts of a key are far shorter.
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    keys.extend_from_slice(&length.to_be_bytes());
    keys.extend_from_slice(key);
}

/// Takes the first encoded key of a row of [`EXPIRIES`]; `None` at its end.
pub(super) fn take_listed<'a>(keys: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = keys.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    *keys = rest;
    Some(key)
}

/// A row as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// See [`Record::version`].
    pub(super) version: u64,
    /// The second in which the record becomes absent.
    pub(super) expiry: Option<i64>,
    body: &'a [u8],
}

impl<'a> Row<'a> {
    /// A row of the table [`RECORDS`].
    pub(super) fn of((version, expiry, body): Columns<'a>) -> Self {
        Self { version, expiry, body }
    }

    /// The record, unless it is expired.
    pub(super) fn record(&self, key: Key, now: Timestamp) -> Result<Option<Record>, redb::Error> {
        if is_expired(self.expiry, now) {
            return Ok(None);
        }
        let expires = self.expiry.and_then(|second| Timestamp::from_second(second).ok());
        Ok(Some(Record { key, version: self.version, body: text(self.body)?, expires }))
    }
}

fn text(bytes: &[u8]) -> Result<String, redb::Error> {
    let damaged = |error| StorageError::Corrupted(format!("a text is none: {error}")).into();
    std::str::from_utf8(bytes).map(ToOwned::to_owned).map_err(damaged)
}
