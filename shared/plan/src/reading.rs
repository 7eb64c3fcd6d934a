//! What a run reads of Graph, in which order, and whether that can be relied on (D1–D7).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, Scope};
use crate::document;
use crate::ids::{ObjectId, Segment};

/// Groups that one stream tracks. Graph takes 50 in the filter of a delta query, but its documented
/// limit of 2,048 characters for an address is reached before.
pub const GROUPS_IN_STREAM: usize = 30;

/// How a run reads Graph first, as the asker wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// As the connection does.
    #[default]
    AsConfigured,
    /// Changes, where a position is known.
    Delta,
    /// Everything.
    Full,
    /// Nothing: only what is stored.
    None,
}

/// The streams of a connection and how far the present run has read them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// Number of the last full round of people that was begun; people carry the number that saw them.
    pub round: u64,
    /// Where the people's stream stands; `None` before the first read.
    pub users: Option<Cursor>,
    /// The properties that the users' cursor delivers; others need a new full round (D1).
    pub select: BTreeSet<String>,
    /// Groups, in streams of at most [`GROUPS_IN_STREAM`].
    pub groups: Vec<GroupStream>,
    /// When the last full read ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_full: Option<Timestamp>,
    /// Full reads in a row that were not plausible, up to that one (D6).
    pub doubts: u32,
    /// What is left to read in the present run, first thing first.
    pub todo: Vec<Stage>,
    /// When the list of everybody's licences was last read to its end (S1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holders_read: Option<Timestamp>,
    /// People that the present full round delivered.
    pub read: u64,
    /// Whether the read of the present run can be relied on for deactivations (L5).
    pub complete: bool,
    /// Whether an expired link has already led to a full read in this run (D3).
    pub restarted: bool,
    /// Dirty marks that this run met or made.
    pub dirty: u64,
    /// Whether no mark stood before this run.
    pub was_clean: bool,
    /// Failures in a row.
    pub attempts: u32,
}

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// What the tenant subscribes to (S1).
    Licences,
    /// Where everybody's licences come from, which no stream tells (S1).
    Holders {
        /// Where the list stands.
        cursor: Cursor,
    },
    /// Nothing of Graph: everybody who is stored is marked, because the rules changed (I5).
    Everybody {
        /// Which people.
        segment: Segment,
        /// Behind whom.
        after: Option<String>,
    },
    /// People: changes, or everybody.
    Users,
    /// Managers of everybody, behind a full round by delta: Graph has been seen to leave them out.
    Managers {
        /// Where the list stands.
        cursor: Cursor,
    },
    /// Whether the full round is plausible (D6).
    Count,
    /// Who was not in the full round (D5).
    Missing {
        /// Which people.
        segment: Segment,
        /// Behind whom.
        after: Option<String>,
    },
    /// A stream of groups.
    Groups {
        /// Its place in the list.
        index: usize,
    },
    /// Members who were not in a full round of their group.
    Leavers {
        /// The stream's place in the list.
        index: usize,
        /// The group's place in the stream.
        group: usize,
    },
}

/// Groups that are read together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupStream {
    /// They.
    pub ids: Vec<ObjectId>,
    /// Where the stream stands.
    pub cursor: Cursor,
    /// Number of its last full round.
    pub round: u64,
    /// Where each group stands whose members are listed one group at a time, without delta.
    #[serde(default)]
    pub listing: usize,
}

/// What the rules and the asker want of a run's read.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// By delta, or everything each time (D1).
    pub way: document::Reading,
    /// Age at which a full read is due under delta (D1).
    pub full_every: SignedDuration,
    /// What the asker wants.
    pub read: Read,
    /// Properties that the rules need.
    pub select: &'a BTreeSet<String>,
    /// Groups that the rules name, and those found inside them.
    pub groups: &'a BTreeSet<ObjectId>,
    /// Whether the rules are others than at the last run, so that everybody is decided anew (I5).
    pub rules_changed: bool,
    /// What the run covers of people and licences.
    pub covers: Covers,
    /// The present.
    pub now: Timestamp,
}

/// What a run reads at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// People and groups.
    People,
    /// People, groups and licences (S1).
    PeopleAndLicences,
    /// Licences alone (S1).
    Licences,
}

/// Age at which the list of everybody's licences is read again, besides behind each full read: changes
/// of where a licence comes from are in no delta (Microsoft Graph documentation, `licenseAssignmentStates`).
const HOLDERS_EVERY: SignedDuration = SignedDuration::from_hours(24);

impl Reading {
    /// Sets out what a new run reads. A round that an earlier run left in the middle goes on.
    pub fn begin(&mut self, wanted: &Wanted<'_>, was_clean: bool) {
        self.todo.clear();
        self.restarted = false;
        self.attempts = 0;
        self.dirty = 0;
        self.was_clean = was_clean;
        self.complete = true;
        let reads_people = wanted.read != Read::None && wanted.covers != Covers::Licences;
        if reads_people && self.must_read_all(wanted) {
            self.select.clone_from(wanted.select);
            self.read_all(wanted.way, wanted.groups);
        } else if reads_people {
            self.read_changes(wanted.way, wanted.groups);
        }
        if wanted.read != Read::None {
            self.read_licences(wanted.covers, wanted.now);
        }
        if wanted.rules_changed {
            self.todo.insert(0, Stage::Everybody { segment: Segment::FIRST, after: None });
        }
    }

    /// Starts over with a full read after an expired link, once in a run (D3). `false` = this run
    /// did so before.
    pub fn restart(&mut self, way: document::Reading) -> bool {
        if self.restarted {
            return false;
        }
        let groups = self.groups.iter().flat_map(|stream| stream.ids.clone()).collect();
        let is_of_licences =
            |stage: &Stage| matches!(stage, Stage::Licences | Stage::Holders { .. });
        let licences = self.todo.iter().any(is_of_licences);
        self.read_all(way, &groups);
        self.todo.extend(licences.then_some(Stage::Holders { cursor: Cursor::Start }));
        self.restarted = true;
        true
    }

    /// Adds what is read of licences: the list of people behind everything else, because it makes up
    /// nobody.
    fn read_licences(&mut self, covers: Covers, now: Timestamp) {
        let old = self.holders_read.is_none_or(|last| now.duration_since(last) >= HOLDERS_EVERY);
        let holders = match covers {
            Covers::People => return,
            Covers::PeopleAndLicences => old || self.todo.contains(&Stage::Count),
            Covers::Licences => true,
        };
        self.todo.insert(0, Stage::Licences);
        self.todo.extend(holders.then_some(Stage::Holders { cursor: Cursor::Start }));
    }

    fn must_read_all(&self, wanted: &Wanted<'_>) -> bool {
        let never = !matches!(&self.users, Some(Cursor::Reading(_) | Cursor::Resting { .. }));
        let half_read = matches!(&self.users, Some(Cursor::Reading(_)));
        let other_properties = !wanted.select.is_subset(&self.select);
        let wait = self.full_after(wanted.full_every);
        let due = self.last_full.is_none_or(|last| wanted.now.duration_since(last) >= wait);
        let asked = match wanted.read {
            Read::Full => true,
            Read::Delta | Read::None => false,
            Read::AsConfigured => !half_read && (wanted.way == document::Reading::Full || due),
        };
        never || other_properties || asked
    }

    /// Age at which the last full read is repeated: one that was not plausible by the next run, and ever
    /// later when that comes to nothing, because whoever left meanwhile is found by no other read.
    fn full_after(&self, usual: SignedDuration) -> SignedDuration {
        match self.doubts {
            0 => usual,
            1 => SignedDuration::ZERO,
            more => SignedDuration::from_hours(1 << (more - 2).min(10)).min(usual),
        }
    }

    fn read_all(&mut self, way: document::Reading, groups: &BTreeSet<ObjectId>) {
        self.round += 1;
        self.read = 0;
        self.complete = false;
        self.users = Some(Cursor::Start);
        let ids: Vec<ObjectId> = groups.iter().copied().collect();
        self.groups = ids.chunks(GROUPS_IN_STREAM).map(|ids| self.stream(ids.to_vec())).collect();
        self.todo = self.full_stages(way);
        for index in 0..self.groups.len() {
            self.todo.extend([Stage::Groups { index }, Stage::Leavers { index, group: 0 }]);
        }
    }

    fn stream(&self, ids: Vec<ObjectId>) -> GroupStream {
        GroupStream { ids, cursor: Cursor::Start, round: self.round, listing: 0 }
    }

    /// What follows a full round of people, whichever way it is read.
    fn full_stages(&self, way: document::Reading) -> Vec<Stage> {
        let managers = Stage::Managers { cursor: Cursor::Start };
        let missing = [Stage::Count, Stage::Missing { segment: Segment::FIRST, after: None }];
        let repair = (way == document::Reading::Delta && self.select.contains("manager"))
            .then_some(managers);
        [Stage::Users].into_iter().chain(repair).chain(missing).collect()
    }

    fn read_changes(&mut self, way: document::Reading, groups: &BTreeSet<ObjectId>) {
        let full = self.users.as_ref().is_some_and(|cursor| cursor.scope() == Scope::Full);
        self.todo = if full { self.full_stages(way) } else { vec![Stage::Users] };
        self.complete = !full;
        for index in 0..self.groups.len() {
            let full = self.groups.get(index).is_some_and(|g| g.cursor.scope() == Scope::Full);
            self.todo.push(Stage::Groups { index });
            self.todo.extend(full.then_some(Stage::Leavers { index, group: 0 }));
        }
        for id in groups {
            self.track(*id);
        }
    }

    /// Reads a group from now on, if it is not read already: in a stream of its own at first, so that
    /// the others keep their position; the next full read puts them together.
    pub fn track(&mut self, group: ObjectId) {
        if self.groups.iter().any(|stream| stream.ids.contains(&group)) {
            return;
        }
        // The first stage may be under way: its request has already named its groups.
        let stages: BTreeSet<usize> = self.todo.iter().skip(1).filter_map(Stage::stream).collect();
        let open = self.groups.iter_mut().enumerate().find(|(index, stream)| {
            stream.cursor == Cursor::Start
                && stream.listing == 0
                && stream.ids.len() < GROUPS_IN_STREAM
                && stages.contains(index)
        });
        if let Some((_, stream)) = open {
            stream.ids.push(group);
            return;
        }
        // A number of its own, so that its leavers are told from the members that it just saw.
        self.round += u64::from(self.users.is_none());
        self.groups.push(self.stream(vec![group]));
        let index = self.groups.len() - 1;
        self.todo.extend([Stage::Groups { index }, Stage::Leavers { index, group: 0 }]);
    }
}

impl Stage {
    fn stream(&self) -> Option<usize> {
        match self {
            Stage::Groups { index } => Some(*index),
            Stage::Licences
            | Stage::Holders { .. }
            | Stage::Everybody { .. }
            | Stage::Users
            | Stage::Managers { .. }
            | Stage::Count
            | Stage::Missing { .. }
            | Stage::Leavers { .. } => None,
        }
    }
}

/// Whether a full read of `read` people is plausible where the directory counts `counted`: within one
/// percent or ten people, whichever is more (D6).
pub fn is_plausible(read: u64, counted: u64) -> bool {
    let tolerance = (counted / 100).max(10);
    // Nobody at all is an answer that went wrong: somebody has given us access.
    read.abs_diff(counted) <= tolerance && read > 0
}

#[cfg(test)]
mod tests {
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
}
