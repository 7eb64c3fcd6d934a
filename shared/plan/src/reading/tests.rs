//! Cases of what a run reads.

#![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

use super::*;
use crate::cursor::{Link, Next};

fn id(n: u16) -> ObjectId {
    format!("00000000-0000-0000-0000-00000000{n:04x}").parse().unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
}

struct Ask {
    way: document::Reading,
    read: Read,
    select: BTreeSet<String>,
    groups: BTreeSet<ObjectId>,
    rules_changed: bool,
    covers: Covers,
    now: Timestamp,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            way: document::Reading::Delta,
            read: Read::AsConfigured,
            select: names(&["displayName"]),
            groups: BTreeSet::from([id(1)]),
            rules_changed: false,
            covers: Covers::People,
            now: at(1),
        }
    }
}

fn begin(reading: &mut Reading, ask: &Ask) {
    let wanted = Wanted {
        way: ask.way,
        full_every: SignedDuration::from_hours(168),
        read: ask.read,
        select: &ask.select,
        groups: &ask.groups,
        rules_changed: ask.rules_changed,
        covers: ask.covers,
        now: ask.now,
    };
    reading.begin(&wanted, true);
}

/// A connection whose first full read is over.
fn rested() -> Reading {
    let mut reading = Reading::default();
    begin(&mut reading, &Ask::default());
    let end = |link: &str| Next::End(Some(Link::new(link)));
    let _ = reading.users.as_mut().unwrap().advance(end("u"), 0, at(0));
    let _ = reading.groups[0].cursor.advance(end("g"), 0, at(0));
    reading.last_full = Some(at(0));
    reading.todo.clear();
    reading
}

fn reads_all(reading: &Reading) -> bool {
    reading.users == Some(Cursor::Start) && reading.todo.contains(&Stage::Count)
}

#[test]
fn a_full_round_is_read_again_where_a_run_ended_before_it_counted() {
    // D5
    let segment = Segment::FIRST;
    let leavers = Stage::Leavers { index: 0, group: 0 };
    let managers = Stage::Managers { cursor: Cursor::Start };
    let missing = Stage::Missing { segment, after: None };
    let cases = [
        ("all was done", vec![], false, false),
        ("managers are left", vec![managers, Stage::Count, missing.clone()], true, true),
        ("the missing are left", vec![missing], true, true),
        ("groups are left", vec![Stage::Groups { index: 0 }, leavers.clone()], false, true),
        ("leavers are left", vec![leavers], false, true),
    ];
    for (name, left, everybody, members) in cases {
        let mut reading = Reading { todo: left, ..rested() };
        let round = reading.round;
        // What reads nothing of Graph does not forget it either.
        begin(&mut reading, &Ask { read: Read::None, ..Ask::default() });
        begin(&mut reading, &Ask::default());
        assert_eq!(reads_all(&reading), everybody, "{name}");
        let is_full = reading.groups[0].cursor == Cursor::Start;
        let looks = reading.todo.contains(&Stage::Leavers { index: 0, group: 0 });
        assert_eq!((is_full, looks), (members, members), "{name}");
        assert_eq!(reading.groups[0].round > round, members, "{name}: a round of its own");
    }
}

#[test]
fn what_a_run_reads() {
    // D1
    let cases: Vec<(&str, Ask, bool)> = vec![
        ("changes", Ask::default(), false),
        ("full each run", Ask { way: document::Reading::Full, ..Ask::default() }, true),
        ("due after a week", Ask { now: at(168), ..Ask::default() }, true),
        ("not due before", Ask { now: at(167), ..Ask::default() }, false),
        ("asked for", Ask { read: Read::Full, ..Ask::default() }, true),
        ("other properties", Ask { select: names(&["mail"]), ..Ask::default() }, true),
        ("changes asked for", Ask { now: at(999), read: Read::Delta, ..Ask::default() }, false),
    ];
    for (name, ask, all) in cases {
        let mut reading = rested();
        begin(&mut reading, &ask);
        assert_eq!(reads_all(&reading), all, "{name}");
    }
}

#[test]
fn a_full_read_that_was_not_plausible_is_repeated_soon_and_then_ever_later() {
    // D6: hours since a full read that was the n-th such in a row.
    let cases = [
        (0, 1, false),
        (0, 168, true),
        (1, 0, true),
        (2, 0, false),
        (2, 1, true),
        (3, 1, false),
        (3, 2, true),
        (60, 167, false),
        (60, 168, true),
    ];
    for (doubts, hours, all) in cases {
        let mut reading = Reading { doubts, ..rested() };
        begin(&mut reading, &Ask { now: at(hours), ..Ask::default() });
        assert_eq!(reads_all(&reading), all, "{doubts} in a row, {hours} hours ago");
    }
}

#[test]
fn nothing_is_read_when_nothing_is_asked_for() {
    let mut reading = rested();
    begin(&mut reading, &Ask { read: Read::None, ..Ask::default() });
    assert!(reading.todo.is_empty() && reading.complete);
}

#[test]
fn a_steady_run_reads_each_stream_once() {
    // T4
    let mut reading = rested();
    begin(&mut reading, &Ask::default());
    assert_eq!(reading.todo, [Stage::Users, Stage::Groups { index: 0 }]);
    assert!(reading.complete);
}

/// Name, what the run covers, how it reads, when the list of licences was read, and the stages.
type LicenceCase = (&'static str, Covers, Read, Option<Timestamp>, Vec<Stage>);

#[test]
fn licences_are_read_where_the_run_covers_them() {
    // S1: in a steady run one question for the SKUs, and once a day who holds what.
    let holders = || Stage::Holders { cursor: Cursor::Start };
    let steady = || vec![Stage::Users, Stage::Groups { index: 0 }];
    let around = |stages: Vec<Stage>, more: Vec<Stage>| {
        [Stage::Licences].into_iter().chain(stages).chain(more).collect::<Vec<_>>()
    };
    let cases: [LicenceCase; 6] = [
        ("people alone", Covers::People, Read::AsConfigured, None, steady()),
        (
            "never read",
            Covers::PeopleAndLicences,
            Read::AsConfigured,
            None,
            around(steady(), vec![holders()]),
        ),
        (
            "read an hour ago",
            Covers::PeopleAndLicences,
            Read::AsConfigured,
            Some(at(0)),
            around(steady(), vec![]),
        ),
        ("nothing is asked for", Covers::PeopleAndLicences, Read::None, None, vec![]),
        (
            "a day ago",
            Covers::PeopleAndLicences,
            Read::Delta,
            Some(at(-23)),
            around(steady(), vec![holders()]),
        ),
        (
            "by hand",
            Covers::Licences,
            Read::AsConfigured,
            Some(at(0)),
            around(vec![], vec![holders()]),
        ),
    ];
    for (name, covers, read, holders_read, expected) in cases {
        let mut reading = Reading { holders_read, ..rested() };
        begin(&mut reading, &Ask { read, covers, ..Ask::default() });
        assert_eq!(reading.todo, expected, "{name}");
    }
    let mut reading = Reading { holders_read: Some(at(1)), ..rested() };
    let full = Ask { covers: Covers::PeopleAndLicences, read: Read::Full, ..Ask::default() };
    begin(&mut reading, &full);
    assert_eq!(reading.todo.last(), Some(&holders()), "behind a full read");
}

#[test]
fn a_read_that_starts_over_reads_licences_as_well() {
    // D3, S1
    let mut reading = rested();
    begin(&mut reading, &Ask { covers: Covers::PeopleAndLicences, ..Ask::default() });
    reading.todo.remove(0);
    assert!(reading.restart(document::Reading::Delta));
    assert!(matches!(reading.todo.last(), Some(Stage::Holders { .. })));
}

#[test]
fn changed_rules_look_at_everybody_without_reading_everybody() {
    // I5
    for read in [Read::AsConfigured, Read::Delta, Read::None] {
        let mut reading = rested();
        begin(&mut reading, &Ask { read, rules_changed: true, ..Ask::default() });
        let first = Stage::Everybody { segment: Segment::FIRST, after: None };
        assert_eq!(reading.todo.first(), Some(&first), "{read:?}");
        assert!(!reads_all(&reading), "{read:?}");
    }
}

#[test]
fn a_new_group_is_read_without_touching_the_others() {
    let mut reading = rested();
    let groups = (1..=32).map(id).collect();
    begin(&mut reading, &Ask { groups, ..Ask::default() });
    let sizes: Vec<usize> = reading.groups.iter().map(|stream| stream.ids.len()).collect();
    assert_eq!(sizes, [1, 30, 1], "D1: no more than fit into an address");
    assert_eq!(reading.groups[0].cursor.scope(), Scope::Changes);
    assert_eq!(reading.todo.len(), 2 + 2 * 2);
}

#[test]
fn a_group_found_inside_the_one_being_read_is_read_afterwards() {
    // P3: the request for the first stream is already out.
    let mut reading = Reading::default();
    begin(&mut reading, &Ask::default());
    reading.todo.retain(|stage| matches!(stage, Stage::Groups { .. } | Stage::Leavers { .. }));
    reading.track(id(2));
    assert_eq!(reading.groups.len(), 2);
    assert!(reading.todo.contains(&Stage::Groups { index: 1 }));
}

#[test]
fn an_expired_link_restarts_once() {
    // D3
    let mut reading = rested();
    begin(&mut reading, &Ask::default());
    assert!(reading.restart(document::Reading::Delta));
    assert!(reads_all(&reading) && !reading.complete);
    assert!(!reading.restart(document::Reading::Delta), "a second in a row stops the run");
    begin(&mut reading, &Ask::default());
    assert!(!reading.restarted, "the next run may again");
}

#[test]
fn a_full_read_must_be_plausible() {
    // D6
    let cases = [
        (100, 100, true),
        (90, 100, true),
        (89, 100, false),
        (10_000, 25_000, false),
        (24_750, 25_000, true),
        (24_749, 25_000, false),
        (25_251, 25_000, false),
        (0, 0, false),
        (0, 5, false),
    ];
    for (read, counted, expected) in cases {
        assert_eq!(is_plausible(read, counted), expected, "{read} of {counted}");
    }
}
