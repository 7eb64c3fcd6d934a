//! How many requests Halo may get: a rolling window shared by the whole deployment (H2).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Length of one slot of the window in seconds: requests are counted by slot, so the window is exact
/// to this much on the safe side.
const SLOT: i64 = 10;

/// The limits of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Requests in a window; Halo's hosted limit has been reported as 300, so 250 leaves room.
    pub requests: u32,
    /// Length of the window in seconds.
    pub window: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests: 250, window: 300 }
    }
}

/// What was taken lately, and whether Halo closed the door.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests by slot: number of the slot since 1970, requests; oldest first.
    pub slots: Vec<(i64, u32)>,
    /// Nobody asks before this time: Halo answered 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_until: Option<Timestamp>,
}

/// What a request for requests got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// So many, at least one.
    Take(u32),
    /// None; ask again after so many seconds, at least one.
    Wait(u32),
}

impl Spent {
    /// Takes up to `wanted` requests at `now`. The state changes only when something is granted.
    pub fn take(&mut self, limits: Limits, now: Timestamp, wanted: u32) -> Grant {
        if let Some(until) = self.closed_until.filter(|until| *until > now) {
            return Grant::Wait(whole_seconds(until.duration_since(now)));
        }
        let current = slot(now);
        let oldest = oldest(limits, now);
        // Slots of a clock that jumped forward and back would block for ever if they were kept.
        self.slots.retain(|(number, _)| (oldest + 1..=current).contains(number));
        let used: u32 = self.slots.iter().map(|(_, count)| count).sum();
        let free = limits.requests.saturating_sub(used).min(wanted.max(1));
        if free == 0 {
            let first = self.slots.first().map_or(current, |(number, _)| *number);
            let frees = (first + (current - oldest)) * SLOT - now.as_second();
            return Grant::Wait(u32::try_from(frees.max(1)).unwrap_or(1));
        }
        match self.slots.last_mut() {
            Some((number, count)) if *number == current => *count += free,
            _ => self.slots.push((current, free)),
        }
        Grant::Take(free)
    }

    /// Requests that could be taken at `now`.
    pub fn left(&self, limits: Limits, now: Timestamp) -> u32 {
        if self.closed_until.is_some_and(|until| until > now) {
            return 0;
        }
        let counts = |number: i64| (oldest(limits, now) + 1..=slot(now)).contains(&number);
        let used = self.slots.iter().filter(|(number, _)| counts(*number));
        limits.requests.saturating_sub(used.map(|(_, count)| count).sum())
    }

    /// Closes the door after a 429: for as long as Halo asks, else until a whole window is over.
    pub fn close(&mut self, limits: Limits, now: Timestamp, retry_after: Option<u32>) {
        let wait = retry_after.unwrap_or(limits.window).clamp(1, 900);
        let until = now.saturating_add(SignedDuration::from_secs(i64::from(wait))).unwrap_or(now);
        self.closed_until = Some(self.closed_until.map_or(until, |old| old.max(until)));
    }
}

/// The slot that a time falls into. What was taken in a slot may be used until the slot ends, no longer.
pub fn slot(at: Timestamp) -> i64 {
    at.as_second().div_euclid(SLOT)
}

/// The last slot that does not count any more.
fn oldest(limits: Limits, now: Timestamp) -> i64 {
    slot(now) - i64::from(limits.window).div_euclid(SLOT) - 1
}

fn whole_seconds(duration: SignedDuration) -> u32 {
    u32::try_from(duration.as_secs() + 1).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "times in tests are in range")]

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn no_window_of_any_position_holds_more_than_the_limit() {
        // H2: a greedy taker, every second for an hour.
        let limits = Limits { requests: 25, window: 60 };
        let mut spent = Spent::default();
        let mut taken: Vec<(i64, u32)> = Vec::new();
        for second in 0..3600 {
            if let Grant::Take(count) = spent.take(limits, at(second), 7) {
                taken.push((second, count));
            }
        }
        for start in 0..3600 {
            let sum: u32 =
                taken.iter().filter(|(t, _)| (start..start + 60).contains(t)).map(|(_, n)| n).sum();
            assert!(sum <= 25, "{sum} requests from second {start}");
        }
        let all: u32 = taken.iter().map(|(_, n)| n).sum();
        assert!(all >= 25 * 50, "the budget is used, not just kept: {all}");
    }

    #[test]
    fn what_is_left_is_what_can_be_taken() {
        // H2
        let limits = Limits { requests: 25, window: 60 };
        let mut spent = Spent::default();
        for second in 0..200 {
            let left = spent.left(limits, at(second));
            let granted = match spent.clone().take(limits, at(second), u32::MAX) {
                Grant::Take(count) => count,
                Grant::Wait(_) => 0,
            };
            assert_eq!(left, granted, "second {second}");
            spent.take(limits, at(second), 2);
        }
        spent.close(limits, at(200), Some(30));
        assert_eq!(spent.left(limits, at(210)), 0);
    }

    #[test]
    fn waiting_as_told_is_enough() {
        let limits = Limits { requests: 2, window: 30 };
        let mut spent = Spent::default();
        assert_eq!(spent.take(limits, at(3), 9), Grant::Take(2));
        let Grant::Wait(wait) = spent.take(limits, at(4), 1) else {
            unreachable!("nothing is left")
        };
        assert_eq!(spent.take(limits, at(4 + i64::from(wait)), 1), Grant::Take(1));
    }

    #[test]
    fn a_429_closes_the_door_for_everybody() {
        let limits = Limits::default();
        let mut spent = Spent::default();
        spent.close(limits, at(0), Some(30));
        assert!(matches!(spent.take(limits, at(10), 1), Grant::Wait(20..=21)));
        assert_eq!(spent.take(limits, at(31), 1), Grant::Take(1));
    }

    #[test]
    fn a_clock_that_jumped_back_does_not_block() {
        let mut spent = Spent::default();
        assert_eq!(spent.take(Limits::default(), at(100_000), 250), Grant::Take(250));
        assert_eq!(spent.take(Limits::default(), at(0), 1), Grant::Take(1));
    }
}
