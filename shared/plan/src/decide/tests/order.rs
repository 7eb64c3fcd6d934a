//! The order of people does not matter: whoever is decided and written first, everybody ends in the
//! same record, or in the same conflict (M3, T1).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{Given, given};
use crate::decide::{Action, Case, Known, KnownRecord, Verdict, decide};
use crate::facts::{Facts, Value};
use crate::fields::{ManagerView, View};
use crate::ids::{ObjectId, PerKind, RecordId, RecordKind, SiteId};
use crate::link::{Fields, Link, Linked};
use crate::matching::{self, Hit, Hits, Match, MatchKey};
use crate::rules::Rules;

/// A user in Halo: number, address, and whose it is.
type User = (i64, &'static str, Option<ObjectId>);

/// People who share few addresses, and users of Halo who do.
#[derive(Clone, Debug)]
struct World {
    people: Vec<(ObjectId, Facts)>,
    users: Vec<User>,
    links: BTreeMap<ObjectId, Link>,
}

const MAILS: [&str; 3] = ["a@x.example", "b@x.example", "c@x.example"];

fn person(number: usize) -> ObjectId {
    ObjectId(uuid::Uuid::from_u128(0x4000_8000_0000_0000_0000 + number as u128))
}

impl World {
    fn hits(&self) -> Hits {
        let mut hits = Hits::new();
        for (id, mail, whose) in &self.users {
            let object_id = whose.map(|whose| whose.to_string());
            let hit = Hit { record: RecordId::user(*id), object_id, inactive: false };
            hits.entry(MatchKey::new("emailaddress", mail).unwrap()).or_default().push(hit);
        }
        hits
    }

    /// The record that an unlinked person would be linked to.
    fn hit(&self, (id, facts): &(ObjectId, Facts), rules: &Rules<'_>) -> Option<RecordId> {
        let rows = rules.matching(RecordKind::User);
        match matching::find(*id, facts, rows, &self.hits()) {
            Match::One { hit, .. } if !self.links.contains_key(id) => Some(hit.record),
            Match::One { .. } | Match::None | Match::Several(_) => None,
        }
    }

    /// Decides about a person and carries it out; what became of them in a word.
    fn import(&mut self, who: &(ObjectId, Facts), given: &Given) -> String {
        let rules = Rules::new(&given.document, &given.groups);
        let own = self.hit(who, &rules);
        let others = self.people.iter().filter(|other| other.0 != who.0);
        let claims: BTreeSet<ObjectId> = others
            .filter(|other| own.is_some() && self.hit(other, &rules) == own)
            .map(|other| other.0)
            .collect();
        let records = PerKind {
            user: KnownRecord {
                hits: Some(self.hits()),
                claims: Some(claims),
                record: Some(Fields::new()),
                ..KnownRecord::default()
            },
            agent: KnownRecord::default(),
        };
        let link = self.links.get(&who.0).cloned().unwrap_or_default();
        let case = Case {
            id: who.0,
            view: View { facts: &who.1, manager: ManagerView::None },
            link: &link,
            known: &Known { records, site: Some(SiteId(1)) },
            guard: given.guard,
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let Verdict::Decided(decision) = decide(&rules, &case) else { panic!("all is known") };
        let part = decision.user.unwrap();
        let (record, image) = match &part.action {
            Action::Create(create) => {
                let mail =
                    who.1.text("mail").and_then(|mail| MAILS.into_iter().find(|it| *it == mail));
                let id = 100 + i64::try_from(self.users.len()).unwrap();
                self.users.extend(mail.map(|mail| (id, mail, Some(who.0))));
                (RecordId::user(id), create.fields.clone())
            }
            Action::Write(write) => {
                for user in &mut self.users {
                    if user.0 == write.record.id {
                        user.2 = Some(who.0);
                    }
                }
                (write.record, write.image())
            }
            Action::Conflict { candidates } => return format!("conflict {candidates:?}"),
            Action::Unchanged | Action::NotInScope | Action::Held | Action::Invalid => {
                return part.action.name().to_owned();
            }
        };
        let linked = Linked {
            record,
            how: part.linked_by().unwrap(),
            activity: crate::link::Activity::Active,
            image,
            mapping: part.mapping.clone(),
            granted: BTreeSet::new(),
            licences: BTreeSet::new(),
        };
        self.links.insert(who.0, Link { user: Some(linked), ..Link::default() });
        if part.action.name() == "create" { "create".to_owned() } else { format!("takes {record}") }
    }

    /// What becomes of everybody, imported in this order, in two runs.
    fn outcome(mut self, order: &[usize], given: &Given) -> BTreeMap<ObjectId, [String; 2]> {
        let mut outcome: BTreeMap<ObjectId, [String; 2]> = BTreeMap::new();
        for run in 0..2 {
            let people = order.iter().filter_map(|index| self.people.get(*index).cloned());
            for who in people.collect::<Vec<_>>() {
                let what = self.import(&who, given);
                outcome.entry(who.0).or_default()[run] = what;
            }
        }
        outcome
    }
}

fn world() -> impl Strategy<Value = World> {
    let mails = prop::collection::vec(prop::option::of(prop::sample::select(&MAILS[..])), 1..6);
    let users = prop::collection::vec(
        (prop::sample::select(&MAILS[..]), prop::option::of(0..6_usize)),
        0..5,
    );
    (mails, users).prop_map(|(mails, users)| {
        let people = mails.into_iter().enumerate().map(|(number, mail)| {
            let text = |value: &str| Value::Text(value.to_owned());
            let named = ("displayName".to_owned(), text("Ada"));
            let mail = mail.map(|mail| ("mail".to_owned(), text(mail)));
            let properties = [named].into_iter().chain(mail).collect();
            let presence = crate::facts::Presence::Present;
            (person(number), Facts { presence, properties, ..Facts::default() })
        });
        let users = users.into_iter().enumerate();
        let users = users.map(|(id, (mail, whose))| {
            (i64::try_from(id).unwrap_or_default() + 1, mail, whose.map(person))
        });
        World { people: people.collect(), users: users.collect(), links: BTreeMap::new() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// M3: several claimants are a conflict for all of them, whatever the order, and no record is taken
    /// by two.
    #[test]
    fn the_order_of_people_does_not_matter(
        world in world(),
        order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let given = given("");
        let usual: Vec<usize> = (0..6).collect();
        let (first, shuffled) = (world.clone().outcome(&usual, &given), world.outcome(&order, &given));
        prop_assert_eq!(&first, &shuffled);
        let taken = first.values().map(|[first, _]| first).filter(|what| what.starts_with("takes"));
        let taken: Vec<&String> = taken.collect();
        let records: BTreeSet<&&String> = taken.iter().collect();
        prop_assert_eq!(records.len(), taken.len());
    }
}
