//! Changing records that others change too: read, merge, write on condition, again if somebody was faster.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{Commit, Expect, Key, Store, StoreError, decode, put_until};

/// How often a change is tried; in every round of rivals one succeeds.
const TRIES: u32 = 100;

/// Changes each record of `keys` (no repeats) by `change`, which gets the key's index and the value that
/// is there, and gives the new value or `None` to leave the record. Nobody's change is lost. A failure
/// may leave some records changed: for changes that are safe to repeat.
pub(super) async fn merge<T: Serialize + DeserializeOwned>(
    store: &Store,
    keys: &[Key],
    expires: Option<Timestamp>,
    change: impl Fn(usize, Option<T>) -> Option<T>,
) -> Result<(), StoreError> {
    let most = store.commit_limit();
    for (number, chunk) in keys.chunks(most).enumerate() {
        let first = number * most;
        let mut done = false;
        for _ in 0..TRIES {
            let found = store.get(chunk).await?;
            let mut writes = Vec::new();
            for (index, (key, record)) in chunk.iter().zip(&found).enumerate() {
                let stored = record.as_ref().map(decode::<T>).transpose()?;
                let expect =
                    stored.as_ref().map_or(Expect::Absent, |it| Expect::Version(it.version));
                if let Some(value) = change(first + index, stored.map(|it| it.value)) {
                    writes.push(put_until(key.clone(), &value, expect, expires)?);
                }
            }
            done = writes.is_empty() || store.commit(&writes).await? == Commit::Done;
            if done {
                break;
            }
        }
        if !done {
            return Err(too_many_rivals("merge records of Halo's users or sites"));
        }
    }
    Ok(())
}

/// The error of somebody who was never the first.
pub(super) fn too_many_rivals(operation: &'static str) -> StoreError {
    StoreError { operation, detail: "too many others change the same records".into() }
}
