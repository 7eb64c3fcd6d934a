//! What administrators say of a person: links that they set and cut (M3, M7), with what speaks against
//! it, and their rulings on held deactivations (L4).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::ids::{CabId, ObjectId, RecordId, RecordKind, RunId};
use crate::link::{
    Activity, Choice, Fields, HaloValue, Link, Linked, LinkedBy, Ruling, Says, Target,
};

/// What an administrator picks for one kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The record of this number.
    Record(i64),
    /// A new record, whoever fits.
    Create,
    /// None, until something else is picked.
    Unlinked,
    /// Whatever matching finds: earlier picks are forgotten, a link that stands stays.
    Automatic,
}

/// What a pick did, besides the link itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relinked {
    /// The record that is not the person's any more.
    pub freed: Option<RecordId>,
    /// The record that is the person's now.
    pub taken: Option<RecordId>,
    /// How the number of linked and active records changed.
    pub active: i64,
    /// Boards on which only the freed record sat.
    pub seats: Vec<CabId>,
}

impl std::fmt::Display for Pick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pick::Record(id) => id.fmt(f),
            Pick::Create => f.write_str("create"),
            Pick::Unlinked => f.write_str("unlinked"),
            Pick::Automatic => f.write_str("automatic"),
        }
    }
}

/// Carries a pick out on a link. `fields` = the picked record as Halo has it, needed only where a
/// record is picked that is not the person's yet. Picking the same again changes nothing.
pub fn relink(link: &mut Link, kind: RecordKind, pick: Pick, fields: &Fields) -> Relinked {
    let before = link.of(kind).map(|linked| (linked.record, linked.activity.is_active()));
    match pick {
        Pick::Record(id) => {
            let record = RecordId { kind, id };
            link.choices.remove(&kind);
            if before.is_none_or(|(linked, _)| linked != record) {
                link.intents.remove(&kind);
                *link.of_mut(kind) = Some(picked(record, fields));
            }
        }
        Pick::Create => {
            link.choices.insert(kind, Choice::Create);
            *link.of_mut(kind) = None;
        }
        Pick::Unlinked => {
            link.choices.insert(kind, Choice::Unlinked);
            *link.of_mut(kind) = None;
        }
        Pick::Automatic => {
            link.choices.remove(&kind);
        }
    }
    let after = link.of(kind).map(|linked| (linked.record, linked.activity.is_active()));
    let count = |of: Option<(RecordId, bool)>| i64::from(of.is_some_and(|(_, active)| active));
    let record = |of: Option<(RecordId, bool)>| of.map(|(record, _)| record);
    let (freed, taken) = (record(before), record(after));
    let freed = freed.filter(|freed| Some(*freed) != taken);
    let mut seats = Vec::new();
    // What the freed record has, it keeps: it is out of our reach from now on (T6).
    link.seats.retain(|cab, seat| {
        let stays = Some(seat.record) != freed;
        if !stays {
            seats.push(*cab);
        }
        stays
    });
    let taken = taken.filter(|taken| record(before) != Some(*taken));
    Relinked { freed, taken, active: count(after) - count(before), seats }
}

fn picked(record: RecordId, fields: &Fields) -> Linked {
    let switch = match record.kind {
        RecordKind::User => "inactive",
        RecordKind::Agent => "isdisabled",
    };
    let inactive = fields.get(&Target::field(switch)) == Some(&HaloValue::Bool(true));
    Linked {
        record,
        how: LinkedBy::Administrator,
        activity: if inactive { Activity::InactiveByOthers } else { Activity::Active },
        image: fields.clone(),
        mapping: None,
        granted: BTreeSet::new(),
        licences: BTreeSet::new(),
    }
}

/// What speaks against picking a record; the sentence says what and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// Halo has none of this number.
    Missing,
    /// The contact that every site has (M4).
    GeneralUser,
    /// A service account among the users (M4).
    ServiceAccount,
    /// An agent of an application (M4).
    ApiAgent,
    /// Another person of this connection is linked to it.
    LinkedTo {
        /// The person's names.
        person: String,
    },
    /// It carries the object id of another person, who would be found by it.
    Carries {
        /// The id.
        id: String,
        /// The person's names, where it is one of this connection.
        person: Option<String>,
    },
    /// Somebody of another connection is linked to it.
    OfConnection {
        /// Its id.
        connection: String,
    },
}

impl Objection {
    /// The objection as a sentence about this record.
    pub fn sentence(&self, record: RecordId) -> String {
        match self {
            Objection::Missing => format!("Halo has no {record}. Check the number."),
            Objection::GeneralUser => format!(
                "Halo {record} is a General User, the contact that every site has: it stands for nobody, so nobody can be linked to it."
            ),
            Objection::ServiceAccount => format!(
                "Halo {record} is a service account: it stands for no person, so nobody can be linked to it."
            ),
            Objection::ApiAgent => format!(
                "Halo {record} is an agent of applications: it stands for no person, so nobody can be linked to it."
            ),
            Objection::LinkedTo { person } => {
                format!("Halo {record} is linked to {person}. Cut that link first.")
            }
            Objection::Carries { id, person: Some(person) } => format!(
                "Halo {record} carries the object id of {person} ({id}), who would be found by it. Cut that person's link first."
            ),
            Objection::Carries { id, person: None } => format!(
                "Halo {record} carries the object id {id} of somebody else. If that is wrong, empty its azureoid in Halo first."
            ),
            Objection::OfConnection { connection } => format!(
                "Halo {record} is linked to somebody of the connection \"{connection}\". Cut that link first."
            ),
        }
    }
}

/// Whether a person whose object id a record carries has been told apart from it: linked to another
/// one, or left without by an administrator's pick.
pub fn is_told_apart(link: &Link, record: RecordId) -> bool {
    match link.of(record.kind) {
        Some(linked) => linked.record != record,
        None => link.choices.contains_key(&record.kind),
    }
}

/// The object id that a record carries, where it is another person's.
pub fn carried(fields: &Fields, me: ObjectId) -> Option<String> {
    let id = fields.get(&Target::field("azureoid"))?.to_string();
    let id = id.trim();
    (!id.is_empty() && !id.eq_ignore_ascii_case(&me.to_string())).then(|| id.to_owned())
}

/// Whether somebody with these links was seen differently by an administrator than when a run decided
/// on them: another record, or another pick.
pub fn is_relinked(decided_on: &Link, now: &Link, kind: RecordKind) -> bool {
    let record = |link: &Link| link.of(kind).map(|linked| linked.record);
    record(decided_on) != record(now) || decided_on.choices.get(&kind) != now.choices.get(&kind)
}

/// How long a ruling holds (L4).
const RULING_HOLDS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What an administrator said of the deactivations that a run held, as long as it holds.
pub fn ruled(link: &Link, run: RunId, now: Timestamp) -> Option<Says> {
    let ruling = link.ruling.as_ref().filter(|it| it.run == run && it.until > now);
    ruling.map(|ruling| ruling.says)
}

/// Notes what an administrator says of the deactivations that a run held. `false` = the same was said
/// before and still holds, so saying it twice changes nothing.
pub fn rule(link: &mut Link, says: Says, run: RunId, by: &str, now: Timestamp) -> bool {
    if ruled(link, run, now) == Some(says) {
        return false;
    }
    let until = now.saturating_add(RULING_HOLDS).unwrap_or(Timestamp::MAX);
    link.ruling = Some(Ruling { says, run, until, by: by.to_owned() });
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use std::collections::BTreeMap;

    use super::*;
    use crate::link::{Seat, SeatState};

    fn inactive(inactive: bool) -> Fields {
        Fields::from([(Target::field("inactive"), HaloValue::Bool(inactive))])
    }

    fn linked(id: i64) -> Link {
        let mut link = Link::default();
        relink(&mut link, RecordKind::User, Pick::Record(id), &inactive(false));
        link.user.as_mut().unwrap().granted.insert(3);
        let seat = Seat { record: RecordId::user(id), role: None, state: SeatState::Ours };
        link.seats = BTreeMap::from([(CabId(1), seat)]);
        link
    }

    /// `(record, choice, freed, taken, change of the count, seats left)`
    type Came = (Option<i64>, Option<Choice>, Option<i64>, Option<i64>, i64, usize);

    fn came(before: &Link, pick: Pick, fields: &Fields) -> Came {
        let mut link = before.clone();
        let done = relink(&mut link, RecordKind::User, pick, fields);
        let id = |record: Option<RecordId>| record.map(|record| record.id);
        let again = relink(&mut link.clone(), RecordKind::User, pick, fields);
        assert_eq!(again, Relinked { taken: None, ..Relinked::default() }, "T2 {pick:?} twice");
        (
            link.user.as_ref().map(|linked| linked.record.id),
            link.choices.get(&RecordKind::User).copied(),
            id(done.freed),
            id(done.taken),
            done.active,
            link.seats.len(),
        )
    }

    #[test]
    fn a_pick_is_carried_out_once() {
        // M3, M7
        let (nobody, seven) = (Link::default(), linked(7));
        let mut chosen = Link::default();
        chosen.choices.insert(RecordKind::User, Choice::Create);
        let create = Some(Choice::Create);
        let none = Some(Choice::Unlinked);
        let cases: [(&str, &Link, Pick, bool, Came); 9] = [
            ("set", &nobody, Pick::Record(5), false, (Some(5), None, None, Some(5), 1, 0)),
            ("inactive", &nobody, Pick::Record(5), true, (Some(5), None, None, Some(5), 0, 0)),
            (
                "settles a choice",
                &chosen,
                Pick::Record(5),
                false,
                (Some(5), None, None, Some(5), 1, 0),
            ),
            ("replaced", &seven, Pick::Record(5), false, (Some(5), None, Some(7), Some(5), 0, 0)),
            ("the same", &seven, Pick::Record(7), false, (Some(7), None, None, None, 0, 1)),
            ("cut", &seven, Pick::Unlinked, false, (None, none, Some(7), None, -1, 0)),
            ("anew", &seven, Pick::Create, false, (None, create, Some(7), None, -1, 0)),
            ("as it is", &seven, Pick::Automatic, false, (Some(7), None, None, None, 0, 1)),
            ("forgotten", &chosen, Pick::Automatic, false, (None, None, None, None, 0, 0)),
        ];
        for (name, before, pick, is_inactive, expected) in cases {
            assert_eq!(came(before, pick, &inactive(is_inactive)), expected, "{name}");
        }
    }

    #[test]
    fn roles_of_a_link_that_is_set_again_stay_ours() {
        // R4
        let mut link = linked(7);
        relink(&mut link, RecordKind::User, Pick::Record(7), &Fields::new());
        assert!(link.user.unwrap().granted.contains(&3));
    }

    #[test]
    fn a_ruling_is_noted_once_and_ends() {
        // L4
        let at = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        let run = |n: u128| RunId(uuid::Uuid::from_u128(n));
        let mut link = Link::default();
        let said = [
            ("first", Says::Release, 1, 0, true),
            ("again", Says::Release, 1, 3, false),
            ("otherwise", Says::Reject, 1, 3, true),
            ("another run", Says::Reject, 2, 3, true),
            ("over", Says::Reject, 2, 10, true),
        ];
        for (name, says, by, day, expected) in said {
            assert_eq!(rule(&mut link, says, run(by), "ada", at(day)), expected, "{name}");
        }
        assert_eq!(link.ruling.unwrap().until, at(17));
    }

    #[test]
    fn who_was_told_apart_gives_a_record_up() {
        // M7
        let record = RecordId::user(7);
        let mut cut = linked(7);
        relink(&mut cut, RecordKind::User, Pick::Unlinked, &Fields::new());
        for (name, link, expected) in [
            ("linked to it", linked(7), false),
            ("linked to another", linked(8), true),
            ("cut", cut, true),
            ("would be found by it", Link::default(), false),
        ] {
            assert_eq!(is_told_apart(&link, record), expected, "{name}");
        }
    }
}
