//! Leases: one reader of a connection at a time, with a number that makes a slow one harmless.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Commit, Expect, Key, Store, StoreError, Versioned, Write, put};

/// A lease as stored. The record's version is the fencing number: it grows with every holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    owner: Option<Uuid>,
    until: Timestamp,
}

/// Proof of holding a lease: writes that check it fail once somebody else holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    key: Key,
    version: u64,
}

impl Fence {
    /// The condition that the lease is still ours, for a transaction.
    pub fn check(&self) -> Write {
        Write::Check { key: self.key.clone(), expect: Expect::Version(self.version) }
    }

    /// Gives the lease back, as part of a transaction that checks it at the same time.
    pub fn release(&self) -> Result<Write, StoreError> {
        let free = Lease { owner: None, until: Timestamp::UNIX_EPOCH };
        put(self.key.clone(), &free, Expect::Version(self.version))
    }
}

impl Store {
    /// Takes the lease at `key` for `duration`; `None` while somebody else holds it.
    pub async fn acquire(
        &self,
        key: &Key,
        owner: Uuid,
        duration: SignedDuration,
    ) -> Result<Option<Fence>, StoreError> {
        let now = self.clock.now();
        let free =
            Versioned { version: 0, value: Lease { owner: None, until: Timestamp::UNIX_EPOCH } };
        let found = self.read::<Lease>(key).await?.unwrap_or(free);
        if found.value.owner.is_some() && found.value.until > now {
            return Ok(None);
        }
        let until = now.saturating_add(duration).unwrap_or(now);
        let lease = Lease { owner: Some(owner), until };
        match self.commit(&[put(key.clone(), &lease, found.unchanged())?]).await? {
            Commit::Done => Ok(Some(Fence { key: key.clone(), version: found.version + 1 })),
            Commit::Conflict(_) => Ok(None),
        }
    }
}
