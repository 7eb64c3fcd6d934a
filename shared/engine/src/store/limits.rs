//! What every backend refuses alike, and how expiry is rounded: a write that one of them accepts is
//! accepted by the other.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Expect, Key, Order, Range, StoreError, Write};

/// Longest body in bytes: `DynamoDB` allows 400 KB for an item with its keys and names.
const BODY_LIMIT: usize = 300 * 1024;
/// Longest part of a key in bytes (`DynamoDB`'s limit for a sort key).
const KEY_LIMIT: usize = 1024;
/// Bytes in one commit for each write that it may have: 4 MB for a hundred (`DynamoDB`'s limit for a
/// transaction, in its stricter reading).
const WRITE_BYTES: usize = 40_000;
/// Records in one page.
const PAGE_LIMIT: usize = 1000;

/// Refuses what a backend that takes `most` writes could not do as one transaction.
pub(super) fn check_commit(writes: &[Write], most: usize) -> Result<(), StoreError> {
    if writes.len() > most {
        return Err(refused(format!("{} writes, more than {most}", writes.len())));
    }
    let mut keys = HashSet::with_capacity(writes.len());
    for write in writes {
        check_write(write)?;
        if !keys.insert(write.key()) {
            return Err(refused(format!("{} twice", show(write.key()))));
        }
    }
    let bytes: usize = writes.iter().map(size).sum();
    if bytes > most * WRITE_BYTES {
        return Err(refused(format!("{bytes} bytes at once, more than {}", most * WRITE_BYTES)));
    }
    Ok(())
}

/// Refuses a condition outside a transaction, and leaves only the last write of each key.
pub(super) fn last_of_each(writes: &[Write]) -> Result<Vec<&Write>, StoreError> {
    let mut keys = HashSet::with_capacity(writes.len());
    let mut last = Vec::with_capacity(writes.len());
    for write in writes.iter().rev() {
        check_write(write)?;
        if matches!(write, Write::Check { .. }) || write.expect() != Expect::Anything {
            return Err(refused(format!(
                "{} with a condition, outside a commit",
                show(write.key())
            )));
        }
        if keys.insert(write.key()) {
            last.push(write);
        }
    }
    last.reverse();
    Ok(last)
}

/// Refuses a key that one of the backends could not store.
pub(super) fn check_key(key: &Key) -> Result<(), StoreError> {
    if [&key.pk, &key.sk].iter().all(|part| (1..=KEY_LIMIT).contains(&part.len())) {
        return Ok(());
    }
    Err(refused(format!("{}: each part of a key has 1 to {KEY_LIMIT} bytes", show(key))))
}

fn check_write(write: &Write) -> Result<(), StoreError> {
    check_key(write.key())?;
    if let Write::Put { key, body, .. } = write
        && body.len() > BODY_LIMIT
    {
        let length = body.len();
        return Err(refused(format!("{}: {length} bytes, more than {BODY_LIMIT}", show(key))));
    }
    Ok(())
}

fn size(write: &Write) -> usize {
    let body = match write {
        Write::Put { body, .. } => body.len(),
        Write::Delete { .. } | Write::Check { .. } => 0,
    };
    write.key().pk.len() + write.key().sk.len() + body
}

fn refused(detail: String) -> StoreError {
    StoreError { operation: "accept a request", detail }
}

fn show(key: &Key) -> String {
    let text: String = format!("{}/{}", key.pk, key.sk).chars().take(120).collect();
    text
}

/// The second in which a record becomes absent.
pub(super) fn expiry_second(expires: Timestamp) -> i64 {
    expires.as_second() + i64::from(expires.subsec_nanosecond() > 0)
}

/// Whether a record with this expiry is absent now.
pub(super) fn is_expired(expiry_second: Option<i64>, now: Timestamp) -> bool {
    expiry_second.is_some_and(|second| second <= now.as_second())
}

/// Where a range begins behind [`Range::after`], which may lie outside its prefix.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start<'a> {
    /// At the first sort key with the prefix.
    Edge,
    /// Behind this sort key, which has the prefix.
    Behind(&'a str),
    /// Nowhere: everything with the prefix was passed.
    Nowhere,
}

pub(super) fn start(range: &Range) -> Start<'_> {
    let Some(after) = range.after.as_deref() else { return Start::Edge };
    if after.starts_with(&range.prefix) && !after.is_empty() {
        return Start::Behind(after);
    }
    let before_all = after < range.prefix.as_str() || after.is_empty();
    match (range.order, before_all) {
        (Order::Ascending, true) | (Order::Descending, false) => Start::Edge,
        (Order::Ascending, false) | (Order::Descending, true) => Start::Nowhere,
    }
}

/// How many records a page may have.
pub(super) fn page_limit(range: &Range) -> usize {
    range.limit.clamp(1, PAGE_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_outside_the_prefix_is_an_edge_or_the_end() {
        let range = |after: &str, order| Range {
            prefix: "m".to_owned(),
            after: Some(after.to_owned()),
            order,
            ..Range::of("p", 1)
        };
        for (after, ascending, descending) in [
            ("", Start::Edge, Start::Nowhere),
            ("a", Start::Edge, Start::Nowhere),
            ("m", Start::Behind("m"), Start::Behind("m")),
            ("mm", Start::Behind("mm"), Start::Behind("mm")),
            ("z", Start::Nowhere, Start::Edge),
        ] {
            assert_eq!(start(&range(after, Order::Ascending)), ascending, "{after}");
            assert_eq!(start(&range(after, Order::Descending)), descending, "{after}");
        }
    }

    #[test]
    fn expiry_is_rounded_up_to_whole_seconds() {
        for (nanos, second) in [(0, 7), (1, 8), (999_999_999, 8)] {
            let at = Timestamp::constant(7, nanos);
            assert_eq!(expiry_second(at), second);
        }
        let now = Timestamp::constant(8, 500_000_000);
        assert!(is_expired(Some(8), now) && !is_expired(Some(9), now) && !is_expired(None, now));
    }
}
