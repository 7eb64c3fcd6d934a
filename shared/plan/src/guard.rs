//! Whether the deactivations of a run may go ahead (L4, L5).

use serde::{Deserialize, Serialize};

use crate::document::Guard;

/// What the guard looks at, counted over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// People that this run would deactivate.
    pub deactivations: u64,
    /// People that are linked and active now.
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

/// Judges a run: more than `count` **and** more than `percent` of the linked people, or more than
/// `absolute` people, are held.
pub fn judge(guard: Guard, planned: Planned, read_complete: bool) -> Verdict {
    let Planned { deactivations, linked } = planned;
    if deactivations == 0 {
        return Verdict::Pass;
    }
    if !read_complete {
        return Verdict::ReadIncomplete;
    }
    let share = deactivations * 100 > linked * u64::from(guard.percent);
    let many = deactivations > u64::from(guard.count) && share;
    if many || deactivations > u64::from(guard.absolute) { Verdict::Held } else { Verdict::Pass }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_departures_pass_and_mass_departures_wait() {
        // L4, defaults 20 / 10 % / 200; L5.
        let cases = [
            (0, 0, true, Verdict::Pass),
            (0, 0, false, Verdict::Pass),
            (20, 100, true, Verdict::Pass),
            (21, 100, true, Verdict::Held),
            (21, 210, true, Verdict::Pass),
            (200, 100_000, true, Verdict::Pass),
            (201, 100_000, true, Verdict::Held),
            (1, 1, true, Verdict::Pass),
            (1, 1_000, false, Verdict::ReadIncomplete),
        ];
        for (deactivations, linked, complete, expected) in cases {
            let planned = Planned { deactivations, linked };
            assert_eq!(judge(Guard::default(), planned, complete), expected, "{planned:?}");
        }
    }
}
