//! A simulation of the schedule, with virtual time and no network: the timer, the queue and the workers
//! around the product's own decision when a connection runs (I3, D1).

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use plan::document::{CustomClouds, Document, parse};
use plan::ids::ConnectionId;
use plan::schedule::{Situation, Start, full_every, next_due, start};
use serde_json::json;

/// Connections, and the minutes between their runs.
const CONNECTIONS: usize = 10_000;
const EVERY: i64 = 15;
/// Milliseconds of a quiet sync in a worker, and hints that workers have in hand at once: five workers,
/// as the template has it, with ten hints each.
const SYNC: i64 = 1_500;
const IN_HAND: i64 = 50;
/// The timer's ticks, in minutes, and when the simulation begins.
const DAY: i64 = 24 * 60;
const BEGIN: i64 = 1_790_000_040;

/// When a run that begins at a time is followed by the next.
type Rule = fn(&ConnectionId, &Document, Timestamp) -> Timestamp;

/// The rule that the simulation was made to judge, before it was replaced: the interval less up to a tenth.
fn as_it_was(connection: &ConnectionId, _: &Document, now: Timestamp) -> Timestamp {
    let fold = |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte));
    let spread = connection.as_str().bytes().fold(7, fold) % 100;
    let wait = EVERY * 60 - EVERY * 60 * i64::try_from(spread).unwrap() / 1000;
    now + SignedDuration::from_secs(wait)
}

fn document() -> Document {
    let id = "11111111-2222-3333-4444-555555555555";
    let json = json!({ "id": "contoso", "name": "C", "tenant_id": id, "auth": { "client_id": id },
        "mappings": [], "sync": { "every_minutes": EVERY } });
    parse(&json, CustomClouds::Refused).unwrap().document
}

fn connections() -> Vec<ConnectionId> {
    (0..CONNECTIONS).map(|n| format!("tenant-{n}").parse().unwrap()).collect()
}

fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + minutes * 60).unwrap()
}

/// What happened.
#[derive(Default)]
struct Seen {
    /// Hints that each tick sent.
    sent: BTreeMap<i64, u32>,
    /// The longest that anybody waited, in seconds, by the hour of the run.
    late: BTreeMap<i64, i64>,
    /// Runs that began in each window of 20 seconds.
    began: BTreeMap<i64, u32>,
}

/// Ticks every minute of so many, but for those that `down` names; everybody is due at the beginning.
fn simulate(rule: Rule, minutes: i64, down: std::ops::Range<i64>) -> Seen {
    let (document, ids) = (document(), connections());
    let mut due: BTreeMap<Timestamp, Vec<usize>> = BTreeMap::new();
    due.insert(minute(0), (0..ids.len()).collect());
    let mut seen = Seen::default();
    // When the workers have room for the next hint, in milliseconds.
    let mut free = minute(0).as_millisecond();
    for tick in (0..minutes).filter(|tick| !down.contains(tick)) {
        let now = minute(tick);
        let later = due.split_off(&(now + SignedDuration::from_nanos(1)));
        for (next_due, indexes) in std::mem::replace(&mut due, later) {
            for index in indexes {
                let situation = Situation {
                    document: &document,
                    authorised: true,
                    run: None,
                    queued: None,
                    next_due,
                    now,
                };
                assert_eq!(start(&situation), Start::Scheduled);
                *seen.sent.entry(tick).or_default() += 1;
                free = free.max(now.as_millisecond());
                let began = Timestamp::from_millisecond(free).unwrap();
                free += SYNC / IN_HAND;
                *seen.began.entry(began.as_second() / 20).or_default() += 1;
                let late = seen.late.entry(tick / 60).or_default();
                *late = (*late).max(began.duration_since(next_due).as_secs());
                due.entry(rule(&ids[index], &document, began)).or_default().push(index);
            }
        }
    }
    seen
}

impl Seen {
    /// Most hints of a tick from one minute to another.
    fn peak(&self, minutes: std::ops::Range<i64>) -> u32 {
        self.sent.range(minutes).map(|(_, sent)| *sent).max().unwrap_or(0)
    }

    fn latest(&self, hours: std::ops::Range<i64>) -> i64 {
        self.late.range(hours).map(|(_, late)| *late).max().unwrap_or(0)
    }
}

/// Hints by minute of the last quarter of an hour of a simulation, one bar for each rule.
fn bars(old: &Seen, new: &Seen, from: i64) -> String {
    let mut chart =
        "minute   the interval less up to a tenth        a place of its own\n".to_owned();
    for at in from..from + EVERY {
        let of = |seen: &Seen| seen.sent.get(&at).copied().unwrap_or(0);
        let bar = |sent: u32| "█".repeat(usize::try_from(sent.div_ceil(250)).unwrap());
        let (old, new) = (of(old), of(new));
        writeln!(chart, "{:>6}   {old:>5} {:<29}   {new:>5} {}", at - from, bar(old), bar(new))
            .unwrap();
    }
    chart
}

#[test]
fn connections_that_were_saved_together_run_apart() {
    // I3
    let old = simulate(as_it_was, DAY, 0..0);
    let new = simulate(next_due, DAY, 0..0);
    let last = DAY - EVERY;
    super::shows("text schedule", &bars(&old, &new, last));
    let day = EVERY * 2..DAY;
    let mean = CONNECTIONS as f64 / EVERY as f64;
    let windows = new.began.range(minute(30).as_second() / 20..).map(|(_, began)| *began);
    let window = windows.max().unwrap();
    super::says("hints of a tick, mean", &[mean]);
    super::says("hints of a tick, most", &[f64::from(new.peak(day.clone()))]);
    super::says("hints of a tick, most, as it was", &[f64::from(old.peak(day))]);
    super::says("runs begun in 20 seconds, most", &[f64::from(window)]);
    super::says("seconds that a run begins late, most", &[new.latest(1..24) as f64]);
    assert!(f64::from(new.peak(EVERY * 2..DAY)) < mean * 1.25, "no minute stands out");
    assert!(new.latest(1..24) < 120, "a tick and what is before in the queue");
}

#[test]
fn after_an_outage_everybody_is_back_in_place_at_the_next_run() {
    // I3, T1
    let (from, to) = (6 * 60, 12 * 60);
    let seen = simulate(next_due, 14 * 60, from..to);
    assert_eq!(seen.peak(to..to + 1), u32::try_from(CONNECTIONS).unwrap(), "all are due at once");
    let drained = i64::try_from(CONNECTIONS).unwrap() * SYNC / IN_HAND / 1000;
    super::says("after six hours without a timer: seconds until all have run", &[drained as f64]);
    let after = seen.peak(to + 5..14 * 60);
    super::says("and the most hints of a tick from then on", &[f64::from(after)]);
    let mean = CONNECTIONS as f64 / EVERY as f64;
    assert!(f64::from(after) < mean * 1.3, "no herd comes back: {after}");
}

#[test]
fn full_reads_do_not_stay_together() {
    // D1
    let (document, ids) = (document(), connections());
    let mut weeks = Vec::new();
    let mut last = vec![minute(0); ids.len()];
    for _ in 0..4 {
        let mut hours: BTreeMap<i64, u32> = BTreeMap::new();
        for (id, last) in ids.iter().zip(&mut last) {
            // The first run that comes when the age is reached; a tenth of the interval is what
            // `next_due` adds.
            let aged = *last + full_every(id, &document) - SignedDuration::from_secs(EVERY * 6);
            *last = next_due(id, &document, aged);
            *hours.entry(last.as_second() / 3600).or_default() += 1;
        }
        weeks.push(f64::from(*hours.values().max().unwrap()));
    }
    super::says("full reads in an hour, most, in weeks 1 to 4", &weeks);
    let all = CONNECTIONS as f64;
    assert!(weeks[0] < all / 10.0 && weeks[3] < all / 40.0, "{weeks:?}");
}
