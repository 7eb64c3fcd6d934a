//! What a run reads of Graph, in which order, and whether that can be relied on (D1–D7).

#[cfg(test)]
mod tests;

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
        self.forget_half_done();
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

    /// A full round counts only once those who were not in it were looked for: where the last run ended
    /// before that, it is read again (D5).
    fn forget_half_done(&mut self) {
        for stage in std::mem::take(&mut self.todo) {
            match stage {
                Stage::Count | Stage::Missing { .. } if self.rests() => self.users = None,
                Stage::Leavers { index, .. } if self.rests() => {
                    let Some(stream) = self.groups.get_mut(index) else { continue };
                    if matches!(stream.cursor, Cursor::Resting { .. }) {
                        self.round += 1;
                        (stream.cursor, stream.round) = (Cursor::Start, self.round);
                    }
                }
                Stage::Licences
                | Stage::Holders { .. }
                | Stage::Everybody { .. }
                | Stage::Users
                | Stage::Managers { .. }
                | Stage::Count
                | Stage::Missing { .. }
                | Stage::Groups { .. }
                | Stage::Leavers { .. } => {}
            }
        }
    }

    fn rests(&self) -> bool {
        matches!(self.users, Some(Cursor::Resting { .. }))
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
