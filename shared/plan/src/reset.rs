//! Resetting deltas: an administrator clears the stored positions, or moves them to now (D4).
//!
//! Neither says anything of anybody: who was not read is not missing, because only a full round that
//! was read to its end tells that (D5, D6).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, Link, Scope};
use crate::document;
use crate::reading::Reading;

/// What becomes of the stored positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are forgotten: the next run that reads reads everybody.
    Clear,
    /// They start from now: what is waiting is skipped.
    Latest,
}

impl Mode {
    /// The word in interfaces.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Clear => "clear",
            Mode::Latest => "latest",
        }
    }
}

/// One of the streams that a connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// People.
    Users,
    /// Groups; the place in [`Reading::groups`].
    Groups(usize),
}

/// A position that a reset lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetGo {
    /// Whose.
    pub stream: Stream,
    /// When Graph gave the link; `None` in the middle of a round, whose beginning nobody noted.
    pub since: Option<Timestamp>,
}

impl LetGo {
    /// How old the link is.
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        Some(now.duration_since(self.since?).max(SignedDuration::ZERO))
    }

    /// The position and its age for the settings audit.
    pub fn told(&self, now: Timestamp) -> String {
        let stream = match self.stream {
            Stream::Users => "people".to_owned(),
            Stream::Groups(index) => format!("group stream {}", index + 1),
        };
        match self.age(now) {
            Some(age) => format!(
                "{stream}: link {} hours and {} minutes old",
                age.as_hours(),
                age.as_mins() % 60
            ),
            None => format!("{stream}: in the middle of a round"),
        }
    }
}

/// Why there is nothing that could be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NothingToSkip {
    /// The connection reads without delta.
    NoDelta,
    /// The next run reads everybody, from the start or from the middle.
    ReadsEverybody,
}

impl NothingToSkip {
    /// What it means and what to do, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            NothingToSkip::NoDelta => {
                "This connection reads everybody each time ($.sync.delta is false), so no change waits that could be skipped."
            }
            NothingToSkip::ReadsEverybody => {
                "The next run reads everybody, so no change waits that could be skipped. Let it read first."
            }
        }
    }
}

/// The positions that stand between two full rounds. A stream that is still to be read in full has
/// none, and keeps its place.
pub fn positions(reading: &Reading) -> Vec<LetGo> {
    let users = reading.users.iter().map(|cursor| (Stream::Users, cursor));
    let groups = reading.groups.iter().enumerate();
    let groups = groups.map(|(index, stream)| (Stream::Groups(index), &stream.cursor));
    let changes = users.chain(groups).filter(|(_, cursor)| cursor.scope() == Scope::Changes);
    changes.map(|(stream, cursor)| LetGo { stream, since: since(cursor) }).collect()
}

fn since(cursor: &Cursor) -> Option<Timestamp> {
    match cursor {
        Cursor::Resting { since, .. } => Some(*since),
        Cursor::Start | Cursor::Reading(_) => None,
    }
}

/// The positions that `latest` moves.
pub fn skipped(reading: &Reading, way: document::Reading) -> Result<Vec<LetGo>, NothingToSkip> {
    if way == document::Reading::Full {
        return Err(NothingToSkip::NoDelta);
    }
    let all = positions(reading);
    match all.first() {
        Some(LetGo { stream: Stream::Users, .. }) => Ok(all),
        _ => Err(NothingToSkip::ReadsEverybody),
    }
}

/// Forgets where people stand, so that the next run that reads reads everybody and every group.
pub fn clear(reading: &mut Reading) {
    reading.users = None;
}

/// Moves a stream behind everything that waits. `link` is Graph's answer to `$deltatoken=latest`.
pub fn skip(reading: &mut Reading, stream: Stream, link: Link, now: Timestamp) {
    let cursor = match stream {
        Stream::Users => reading.users.as_mut(),
        Stream::Groups(index) => reading.groups.get_mut(index).map(|stream| &mut stream.cursor),
    };
    if let Some(cursor) = cursor {
        *cursor = Cursor::Resting { delta: Some(link), since: now };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use std::collections::BTreeSet;

    use super::*;
    use crate::cursor::Next;
    use crate::reading::{Covers, GroupStream, Read, Stage, Wanted};

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
    }

    fn resting(hours: i64) -> Cursor {
        Cursor::Resting { delta: Some(Link::new("old")), since: at(hours) }
    }

    /// In the middle of a round that began at `from`.
    fn reading_on(mut from: Cursor) -> Cursor {
        let _ = from.advance(Next::Page(Link::new("page")), 1, at(0));
        from
    }

    fn reading(users: Option<Cursor>, groups: &[Cursor]) -> Reading {
        let groups = groups.iter().enumerate().map(|(at, cursor)| {
            let id = format!("00000000-0000-0000-0000-00000000000{at}").parse().unwrap();
            GroupStream { ids: vec![id], cursor: cursor.clone(), round: 1, listing: 0 }
        });
        Reading {
            users,
            groups: groups.collect(),
            round: 1,
            last_full: Some(at(0)),
            ..Reading::default()
        }
    }

    fn begin(reading: &mut Reading, read: Read) {
        let groups: BTreeSet<_> = reading.groups.iter().flat_map(|it| it.ids.clone()).collect();
        let wanted = Wanted {
            way: document::Reading::Delta,
            full_every: SignedDuration::from_hours(168),
            read,
            select: &BTreeSet::new(),
            groups: &groups,
            rules_changed: false,
            covers: Covers::People,
            now: at(5),
        };
        reading.begin(&wanted, true);
    }

    #[test]
    fn only_what_waits_is_skipped() {
        // D4
        use document::Reading::{Delta, Full};
        let middle = reading_on(resting(0));
        let first = reading_on(Cursor::Start);
        let users = |since| LetGo { stream: Stream::Users, since };
        let group = |index, since| LetGo { stream: Stream::Groups(index), since };
        let cases = [
            ("never read", Delta, None, vec![], Err(NothingToSkip::ReadsEverybody)),
            ("cleared", Delta, None, vec![resting(1)], Err(NothingToSkip::ReadsEverybody)),
            ("in its first round", Delta, Some(first), vec![], Err(NothingToSkip::ReadsEverybody)),
            ("without delta", Full, Some(resting(1)), vec![], Err(NothingToSkip::NoDelta)),
            (
                "rests",
                Delta,
                Some(resting(1)),
                vec![resting(2)],
                Ok(vec![users(Some(at(1))), group(0, Some(at(2)))]),
            ),
            (
                "in the middle",
                Delta,
                Some(middle.clone()),
                vec![middle],
                Ok(vec![users(None), group(0, None)]),
            ),
            (
                "a group that is new",
                Delta,
                Some(resting(1)),
                vec![Cursor::Start, resting(2)],
                Ok(vec![users(Some(at(1))), group(1, Some(at(2)))]),
            ),
        ];
        for (name, way, stands, groups, expected) in cases {
            assert_eq!(skipped(&reading(stands, &groups), way), expected, "{name}");
        }
    }

    #[test]
    fn from_now_on_means_changes_only_and_nobody_is_missing() {
        // D4, D5
        let mut reading = reading(Some(resting(0)), &[resting(0), Cursor::Start]);
        for (number, it) in
            skipped(&reading, document::Reading::Delta).unwrap().into_iter().enumerate()
        {
            skip(&mut reading, it.stream, Link::new(format!("new {number}")), at(4));
        }
        let links: Vec<_> = [reading.users.as_ref(), Some(&reading.groups[0].cursor)]
            .map(|cursor| cursor.unwrap().link().unwrap().expose().to_owned())
            .into();
        assert_eq!(links, ["new 0", "new 1"]);
        assert_eq!(reading.groups[1].cursor, Cursor::Start, "a new group is still read in full");
        begin(&mut reading, Read::AsConfigured);
        assert!(!reading.todo.iter().any(|it| matches!(it, Stage::Missing { .. } | Stage::Count)));
        assert_eq!(reading.users.unwrap().scope(), Scope::Changes);
    }

    #[test]
    fn cleared_positions_are_read_anew_by_the_next_run_that_reads() {
        // D4, D1
        for cursor in [resting(0), reading_on(resting(0)), reading_on(Cursor::Start)] {
            let mut reading = reading(Some(cursor), &[resting(0)]);
            clear(&mut reading);
            begin(&mut reading, Read::None);
            assert!(reading.todo.is_empty());
            begin(&mut reading, Read::Delta);
            assert_eq!((reading.users.clone(), reading.round), (Some(Cursor::Start), 2));
            assert!(reading.todo.contains(&Stage::Count));
            assert_eq!(reading.groups[0].cursor, Cursor::Start);
        }
    }

    #[test]
    fn the_age_of_a_link_is_told() {
        // D4
        let link = LetGo { stream: Stream::Groups(0), since: Some(at(0)) };
        assert_eq!(link.told(at(26)), "group stream 1: link 26 hours and 0 minutes old");
        assert_eq!(link.age(at(-1)), Some(SignedDuration::ZERO));
        let middle = LetGo { stream: Stream::Users, since: None };
        assert_eq!(middle.told(at(0)), "people: in the middle of a round");
    }
}
