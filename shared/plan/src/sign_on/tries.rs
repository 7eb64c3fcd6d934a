//! How many sign-ins the whole deployment takes in a minute. They are counted together, because what a
//! visitor could be told apart by is theirs to choose.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// Beginning a sign-in at Microsoft: each leaves a record behind.
    Begin,
    /// Coming back from Microsoft.
    Finish,
    /// The operator's token (O4). Whoever keeps guessing can keep the operator out for as long as they go
    /// on, and no longer.
    Operator,
}

impl Try {
    /// Its name in keys and logs.
    pub fn name(self) -> &'static str {
        match self {
            Try::Begin => "begin",
            Try::Finish => "finish",
            Try::Operator => "operator",
        }
    }

    /// How many are taken in a minute.
    fn limit(self) -> u32 {
        match self {
            Try::Begin => 120,
            Try::Finish => 240,
            Try::Operator => 5,
        }
    }
}

/// The tries of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Which minute since 1970.
    minute: i64,
    /// How many so far.
    count: u32,
}

impl Tries {
    /// With one more at this time.
    ///
    /// # Errors
    ///
    /// Seconds until the next one is taken.
    pub fn one_more(self, what: Try, now: Timestamp) -> Result<Self, u32> {
        let minute = now.as_second().div_euclid(60);
        // A clock that is a little behind counts for the minute that others have begun.
        let Some(count) = (minute <= self.minute).then_some(self.count) else {
            return Ok(Self { minute, count: 1 });
        };
        if count < what.limit() {
            return Ok(Self { minute: self.minute, count: count + 1 });
        }
        let wait = (self.minute + 1).saturating_mul(60).saturating_sub(now.as_second());
        Err(u32::try_from(wait.clamp(1, 3600)).unwrap_or(60))
    }
}
