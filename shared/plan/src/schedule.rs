//! When a connection runs, and what a hint to read leads to (I3, C7, C11).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::ids::{ConnectionId, RunId};
use crate::tally::RunState;

/// Whether the whole integration is on (C11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// Timers, imports and writes happen.
    On,
    /// Nothing happens.
    Off,
}

impl Module {
    /// The word in interfaces.
    pub fn name(self) -> &'static str {
        match self {
            Module::On => "on",
            Module::Off => "off",
        }
    }
}

/// What is known when a hint to read arrives.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The rules.
    pub document: &'a Document,
    /// Whether the credentials work (C7).
    pub authorised: bool,
    /// The run under way.
    pub run: Option<RunId>,
    /// The run that waits.
    pub queued: Option<RunId>,
    /// When the schedule wants a run.
    pub next_due: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// What a hint to read leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The run under way goes on.
    GoOn(RunId),
    /// The run that waited begins.
    Queued(RunId),
    /// A run of the schedule begins.
    Scheduled,
    /// Nothing: switched off, not authorised, or not due.
    Nothing,
}

/// Decides what a hint to read leads to. Never two runs of one connection at once (I3).
pub fn start(situation: &Situation<'_>) -> Start {
    let Situation { document, authorised, run, queued, next_due, now } = *situation;
    match (run, queued) {
        _ if !authorised => Start::Nothing,
        (Some(run), _) => Start::GoOn(run),
        _ if !document.enabled => Start::Nothing,
        (None, Some(run)) => Start::Queued(run),
        (None, None) if next_due <= now => Start::Scheduled,
        (None, None) => Start::Nothing,
    }
}

/// When the run after one that began at `now` is due: the interval, less up to a tenth of it by
/// connection, so that thousands of connections do not start in the same second (I3).
pub fn next_due(connection: &ConnectionId, document: &Document, now: Timestamp) -> Timestamp {
    next_after(connection, SignedDuration::from_mins(document.sync.every_minutes.into()), now)
}

/// When the last sign-ins are read next after `now`: daily, spread in the same way (D8).
pub fn next_sign_ins(connection: &ConnectionId, now: Timestamp) -> Timestamp {
    next_after(connection, SignedDuration::from_hours(24), now)
}

fn next_after(connection: &ConnectionId, interval: SignedDuration, now: Timestamp) -> Timestamp {
    let seconds = interval.as_secs();
    let spread = i64::try_from(spread(connection) % 100).unwrap_or(0);
    let wait = SignedDuration::from_secs(seconds - seconds * spread / 1000);
    now.saturating_add(wait).unwrap_or(now)
}

fn spread(connection: &ConnectionId) -> u64 {
    connection.as_str().bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte))
}

/// How long a run may stand still before the timer sends its hints again (T1).
pub const STALLED: SignedDuration = SignedDuration::from_mins(3);

/// Whether the timer should send a connection's hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// A hint to read.
    Fetch,
    /// The hints of the phase that a stalled run is in.
    Wake(RunState),
    /// Nothing.
    Quiet,
}

/// What the timer does about a connection; `running` is the present run's state and when it was last
/// touched.
pub fn tick(situation: &Situation<'_>, running: Option<(RunState, Timestamp)>) -> Tick {
    match (start(situation), running) {
        (Start::GoOn(_), Some((state, touched))) if !state.is_over() => {
            if situation.now.duration_since(touched) >= STALLED {
                Tick::Wake(state)
            } else {
                Tick::Quiet
            }
        }
        // The run's record is over or gone although the connection still points to it: reading
        // again puts that right.
        (Start::GoOn(_) | Start::Queued(_) | Start::Scheduled, _) => Tick::Fetch,
        (Start::Nothing, _) => Tick::Quiet,
    }
}

/// Whether a connection reads last sign-ins at all (D8); only then is it worth a look when they are due.
/// Not before everybody was read once: the list of sign-ins makes up nobody, so it would find nobody.
pub fn reads_sign_ins(
    situation: &Situation<'_>,
    module: Module,
    last_full: Option<Timestamp>,
) -> bool {
    let Situation { document, authorised, .. } = *situation;
    let on = module == Module::On && document.enabled && document.sync.last_sign_in;
    on && authorised && last_full.is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

    use serde_json::json;

    use super::*;
    use crate::document::{CustomClouds, parse};

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    fn document(enabled: bool) -> Document {
        let json = json!({ "id": "contoso", "name": "C", "enabled": enabled, "tenant_id": ID,
            "auth": { "client_id": ID }, "mappings": [], "sync": { "every_minutes": 60 } });
        parse(&json, CustomClouds::Refused).unwrap().document
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
    }

    #[test]
    fn a_hint_to_read_leads_to_one_run_at_most() {
        // I3, C7
        let (on, off) = (document(true), document(false));
        let run: RunId = ID.parse().unwrap();
        let situation = Situation {
            document: &on,
            authorised: true,
            run: None,
            queued: None,
            next_due: at(0),
            now: at(0),
        };
        let cases = [
            ("due", situation, Start::Scheduled),
            ("not due", Situation { next_due: at(1), ..situation }, Start::Nothing),
            (
                "asked for",
                Situation { next_due: at(1), queued: Some(run), ..situation },
                Start::Queued(run),
            ),
            (
                "never two at once",
                Situation { run: Some(run), queued: Some(run), ..situation },
                Start::GoOn(run),
            ),
            (
                "C7 not authorised",
                Situation { authorised: false, run: Some(run), ..situation },
                Start::Nothing,
            ),
            (
                "switched off",
                Situation { document: &off, queued: Some(run), ..situation },
                Start::Nothing,
            ),
            (
                "switched off in a run",
                Situation { document: &off, run: Some(run), ..situation },
                Start::GoOn(run),
            ),
        ];
        for (name, situation, expected) in cases {
            assert_eq!(start(&situation), expected, "{name}");
        }
    }

    #[test]
    fn the_timer_wakes_only_what_stands_still() {
        // T1
        let document = document(true);
        let run = Some(ID.parse().unwrap());
        let situation = Situation {
            document: &document,
            authorised: true,
            run,
            queued: None,
            next_due: at(60),
            now: at(10),
        };
        let applying = RunState::Applying;
        let cases = [
            ("just touched", Some((applying, at(8))), Tick::Quiet),
            ("stands still", Some((applying, at(7))), Tick::Wake(applying)),
            ("waits on purpose", Some((applying, at(15))), Tick::Quiet),
            ("its end was not heard of", Some((RunState::Completed, at(9))), Tick::Fetch),
            ("its record is gone", None, Tick::Fetch),
        ];
        for (name, running, expected) in cases {
            assert_eq!(tick(&situation, running), expected, "{name}");
        }
    }

    #[test]
    fn sign_ins_are_read_where_the_document_asks_and_the_connection_works() {
        // D8, C7, C11
        let with = |enabled: bool, last_sign_in: bool| {
            let mut document = document(enabled);
            document.sync.last_sign_in = last_sign_in;
            document
        };
        let (on, unasked, disabled) = (with(true, true), with(true, false), with(false, true));
        let full = Some(at(0));
        let cases = [
            ("asked for", &on, true, Module::On, full, true),
            ("not asked for", &unasked, true, Module::On, full, false),
            ("switched off", &disabled, true, Module::On, full, false),
            ("C7 not authorised", &on, false, Module::On, full, false),
            ("C11", &on, true, Module::Off, full, false),
            ("nobody is known yet", &on, true, Module::On, None, false),
        ];
        for (name, document, authorised, module, last_full, expected) in cases {
            let situation = Situation {
                document,
                authorised,
                run: None,
                queued: None,
                next_due: at(60),
                now: at(0),
            };
            assert_eq!(reads_sign_ins(&situation, module, last_full), expected, "{name}");
        }
    }

    #[test]
    fn sign_ins_are_read_daily_at_different_times() {
        // D8
        let mut dues: Vec<_> = (0..50)
            .map(|n| next_sign_ins(&format!("tenant-{n}").parse().unwrap(), at(0)))
            .collect();
        let hour = |hours: i64| at(hours * 60);
        assert!(dues.iter().all(|due| (hour(21)..=hour(24)).contains(due)), "{dues:?}");
        dues.sort();
        dues.dedup();
        assert!(dues.len() > 20, "{} different times", dues.len());
    }

    #[test]
    fn connections_are_spread_over_a_tenth_of_their_interval() {
        // I3
        let document = document(true);
        let mut dues: Vec<_> = (0..50)
            .map(|n| next_due(&format!("tenant-{n}").parse().unwrap(), &document, at(0)))
            .collect();
        assert!(dues.iter().all(|due| (at(54)..=at(60)).contains(due)), "{dues:?}");
        dues.sort();
        dues.dedup();
        assert!(dues.len() > 20, "{} different times", dues.len());
    }
}
