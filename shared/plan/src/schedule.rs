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

/// What a run that somebody asked for is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To import.
    Import,
    /// Only to read Entra, so that a preview has something to show (I1): also of a connection that is
    /// switched off, whose rules somebody is still writing.
    Read,
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
    pub queued: Option<(RunId, Purpose)>,
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
        (None, Some((run, Purpose::Read))) => Start::Queued(run),
        _ if !document.enabled => Start::Nothing,
        (None, Some((run, Purpose::Import))) => Start::Queued(run),
        (None, None) if next_due <= now => Start::Scheduled,
        (None, None) => Start::Nothing,
    }
}

/// When the run after one that began at `now` is due: at the next of the connection's own points, which
/// lie one interval apart and for each connection elsewhere. Connections that were saved in the same
/// minute, or that all waited for the end of an outage, are apart again from their next run on, whatever
/// the interval and however seldom the timer ticks (I3). A point nearer than a tenth of the interval is
/// passed over.
pub fn next_due(connection: &ConnectionId, document: &Document, now: Timestamp) -> Timestamp {
    let every = document.sync.interval().as_secs().max(1);
    let soonest = now.as_second().saturating_add(every / 10);
    let wait = (place(connection, every) - soonest).rem_euclid(every);
    Timestamp::from_second(soonest.saturating_add(wait)).unwrap_or(now)
}

/// When the last sign-ins are read next after `now`: daily, each connection at its own pace (D8).
pub fn next_sign_ins(connection: &ConnectionId, now: Timestamp) -> Timestamp {
    now.saturating_add(pace(connection, SignedDuration::from_hours(24))).unwrap_or(now)
}

/// Age at which a connection's last full read is repeated under delta (D1), at its own pace: thousands
/// that read everybody on the same day do not do so on the same day of each week.
pub fn full_every(connection: &ConnectionId, document: &Document) -> SignedDuration {
    pace(connection, SignedDuration::from_hours(document.sync.full_every_hours.into()))
}

/// An interval less up to a tenth of it by connection.
fn pace(connection: &ConnectionId, interval: SignedDuration) -> SignedDuration {
    let seconds = interval.as_secs();
    SignedDuration::from_secs(seconds - place(connection, (seconds / 10).max(1)))
}

/// A connection's own place from 0 to below `of`, which is at least 1: the same for ever, and evenly spread
/// over connections however alike their ids are.
fn place(connection: &ConnectionId, of: i64) -> i64 {
    // FNV-1a, and a last stir so that ids which differ in their end differ everywhere.
    let fold = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = connection.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    let stirred = (sum ^ (sum >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    i64::try_from((stirred ^ (stirred >> 32)) >> 1).unwrap_or(0) % of
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

    use std::collections::BTreeMap;

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
                Situation { next_due: at(1), queued: Some((run, Purpose::Import)), ..situation },
                Start::Queued(run),
            ),
            (
                "never two at once",
                Situation { run: Some(run), queued: Some((run, Purpose::Import)), ..situation },
                Start::GoOn(run),
            ),
            (
                "C7 not authorised",
                Situation { authorised: false, run: Some(run), ..situation },
                Start::Nothing,
            ),
            (
                "switched off",
                Situation { document: &off, queued: Some((run, Purpose::Import)), ..situation },
                Start::Nothing,
            ),
            (
                "I1 read for a preview while switched off",
                Situation { document: &off, queued: Some((run, Purpose::Read)), ..situation },
                Start::Queued(run),
            ),
            (
                "C7 not read before it is authorised",
                Situation { authorised: false, queued: Some((run, Purpose::Read)), ..situation },
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
    fn full_reads_are_spread_over_a_tenth_of_their_interval() {
        // D1
        let document = document(true);
        let mut ages: Vec<_> = (0..50)
            .map(|n| full_every(&format!("tenant-{n}").parse().unwrap(), &document))
            .collect();
        let hours = SignedDuration::from_hours;
        assert!(ages.iter().all(|age| (hours(151)..=hours(168)).contains(age)), "{ages:?}");
        ages.sort();
        ages.dedup();
        assert!(ages.len() > 45, "{} different ages", ages.len());
    }

    #[test]
    fn connections_that_begin_together_are_apart_at_their_next_run() {
        // I3
        let document = document(true);
        let ids: Vec<ConnectionId> =
            (0..600).map(|n| format!("tenant-{n}").parse().unwrap()).collect();
        let mut of_minute = BTreeMap::new();
        for id in &ids {
            let due = next_due(id, &document, at(0));
            assert!((at(6)..at(66)).contains(&due), "{due}");
            *of_minute.entry((due.as_second() - at(0).as_second()) / 60).or_insert(0) += 1;
        }
        let peak = of_minute.values().max().unwrap();
        assert!(of_minute.len() == 60 && *peak <= 24, "{of_minute:?}");
    }

    #[test]
    fn a_connection_keeps_its_place_however_late_its_runs_begin() {
        // I3: a tick comes up to a minute late, the queue may add some; the next run is an interval
        // behind the last point all the same.
        let document = document(true);
        let id = "contoso".parse().unwrap();
        let first = next_due(&id, &document, at(0));
        for late in [0, 1, 59, 600, 3200] {
            let began = first.checked_add(SignedDuration::from_secs(late)).unwrap();
            let next = next_due(&id, &document, began);
            assert_eq!(next.duration_since(first), SignedDuration::from_hours(1), "{late} s late");
        }
        let missed = first.checked_add(SignedDuration::from_secs(3300)).unwrap();
        let next = next_due(&id, &document, missed);
        assert_eq!(next.duration_since(first), SignedDuration::from_hours(2), "too near");
    }
}
