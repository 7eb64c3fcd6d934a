//! Whether the deactivations of a run may go ahead (L4, L5): users and agents apart, counted together
//! with those of the 24 hours before.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::document::Guard;
use crate::ids::PerKind;

/// What the guard looks at, for one kind of record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Records that this run would make inactive; those that an administrator released do not count.
    pub deactivations: u64,
    /// Records that were made inactive within the last 24 hours without an administrator's release.
    pub recent: u64,
    /// Records that are linked and active now.
    pub linked: u64,
}

/// What the guard says to the deactivations of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go ahead.
    Pass,
    /// Held until an administrator releases them.
    Held,
    /// The read was not complete: none in this run (L5).
    ReadIncomplete,
}

/// Judges a run for one kind of record: more than `count` **and** more than `percent` of the linked
/// records within 24 hours, or more than `absolute`, are held.
pub fn judge(guard: Guard, planned: Planned, read_complete: bool) -> Verdict {
    let Planned { deactivations, recent, linked } = planned;
    if deactivations == 0 {
        return Verdict::Pass;
    }
    if !read_complete {
        return Verdict::ReadIncomplete;
    }
    let day = deactivations.saturating_add(recent);
    let share = day.saturating_mul(100)
        > linked.saturating_add(recent).saturating_mul(u64::from(guard.percent));
    let many = day > u64::from(guard.count) && share;
    if many || day > u64::from(guard.absolute) { Verdict::Held } else { Verdict::Pass }
}

/// Deactivations of the last day, by the hour in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recent(BTreeMap<i64, PerKind<u64>>);

/// How long a deactivation counts.
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Recent {
    /// Counts deactivations made at `now`, and forgets those of more than a day ago.
    pub fn note(&mut self, now: Timestamp, made: PerKind<u64>) {
        let oldest = Self::oldest(now);
        self.0.retain(|hour, _| *hour >= oldest);
        if made != PerKind::default() {
            let hour = self.0.entry(Self::hour(now)).or_default();
            hour.user += made.user;
            hour.agent += made.agent;
        }
    }

    /// How many were made within the 24 hours before `now`; an hour that is only partly within them
    /// counts whole.
    pub fn within_a_day(&self, now: Timestamp) -> PerKind<u64> {
        let mut sum = PerKind::default();
        for made in self.0.range(Self::oldest(now)..).map(|(_, made)| made) {
            sum.user += made.user;
            sum.agent += made.agent;
        }
        sum
    }

    fn hour(time: Timestamp) -> i64 {
        time.as_second().div_euclid(3600)
    }

    fn oldest(now: Timestamp) -> i64 {
        Self::hour(now.saturating_sub(DAY).unwrap_or(Timestamp::MIN))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

    use super::*;

    #[test]
    fn small_departures_pass_and_mass_departures_wait() {
        // L4, defaults 20 / 10 % / 200, over 24 hours; L5.
        let cases = [
            ("L4 nobody", 0, 0, 0, true, Verdict::Pass),
            ("L4 nobody now", 0, 500, 0, true, Verdict::Pass),
            ("L5 nobody of an incomplete read", 0, 0, 0, false, Verdict::Pass),
            ("L4 as many as the count", 20, 0, 100, true, Verdict::Pass),
            ("L4 one more", 21, 0, 100, true, Verdict::Held),
            ("L4 one more, but few of all", 21, 0, 210, true, Verdict::Pass),
            ("L4 as many as the absolute limit", 200, 0, 100_000, true, Verdict::Pass),
            ("L4 one more, few of all", 201, 0, 100_000, true, Verdict::Held),
            ("L4 everybody of a tiny tenant", 1, 0, 1, true, Verdict::Pass),
            ("L4 drop by drop", 1, 20, 80, true, Verdict::Held),
            ("L4 drop by drop, few of all", 1, 20, 1_000, true, Verdict::Pass),
            ("L4 the absolute limit drop by drop", 1, 200, 100_000, true, Verdict::Held),
            ("L5 one of an incomplete read", 1, 0, 1_000, false, Verdict::ReadIncomplete),
        ];
        for (name, deactivations, recent, linked, complete, expected) in cases {
            let planned = Planned { deactivations, recent, linked };
            assert_eq!(judge(Guard::default(), planned, complete), expected, "{name}");
        }
    }

    #[test]
    fn deactivations_count_for_a_day() {
        // L4
        let at = |hours: i64| Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap();
        let mut recent = Recent::default();
        recent.note(at(0), PerKind { user: 3, agent: 1 });
        recent.note(at(5), PerKind { user: 2, agent: 0 });
        let users = |recent: &Recent, hours| recent.within_a_day(at(hours)).user;
        assert_eq!([5, 23, 24, 25, 29, 30].map(|hours| users(&recent, hours)), [5, 5, 5, 2, 2, 0]);
        recent.note(at(40), PerKind::default());
        assert_eq!(recent, Recent::default(), "what is over is forgotten");
    }
}
