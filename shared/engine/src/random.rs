//! The only module that draws random numbers.

use std::fmt;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use plan::ids::RunId;
use secrecy::SecretString;

use crate::clock::lock;

/// A source of random numbers; seeded in tests, so that a failing order of events can be repeated.
pub struct Random(Mutex<fastrand::Rng>);

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

impl Default for Random {
    /// Seeded by the system.
    fn default() -> Self {
        #[allow(clippy::disallowed_methods, reason = "this is the one place that draws a seed")]
        Self(Mutex::new(fastrand::Rng::new()))
    }
}

/// A text that nobody can guess, of 256 bits from the system: tokens. Never from a seed.
pub fn unguessable() -> Result<SecretString, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

impl Random {
    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// A run id that sorts by `now` (UUID version 7).
    pub fn run_id(&self, now: Timestamp) -> RunId {
        RunId(self.sortable(now))
    }

    /// A UUID that sorts by `now`: for log entries and for whatever else is listed newest first.
    pub fn sortable(&self, now: Timestamp) -> uuid::Uuid {
        let mut bytes = [0; 10];
        lock(&self.0).fill(&mut bytes);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// A UUID that sorts by `now`, and behind which the next 65,535 are nobody else's.
    pub fn sortable_with_room(&self, now: Timestamp) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.sortable(now).as_u128() & !0xffff)
    }

    /// A random UUID: request ids, owners of leases.
    pub fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        lock(&self.0).fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A number below `limit` (0 for a limit of 0): jitter.
    pub fn below(&self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { lock(&self.0).u64(..limit) }
    }
}
