//! Answers what a decision must know first, without choosing anything itself.

use std::collections::{BTreeMap, BTreeSet};

use plan::decide::{Case, Known, Need, Rules, Verdict, decide};
use plan::document::Document;
use plan::facts::{Facts, Presence};
use plan::fields::{ManagerView, View};
use plan::groups::Groups;
use plan::guard;
use plan::ids::{ConnectionId, ObjectId, RecordId, RecordKind};
use plan::matching::{Hits, MatchKey};

use super::StepError;
use crate::Engine;
use crate::halo::index::Freshness;
use crate::store::people::Person;
use crate::store::{Range, Versioned, keys};

/// Everything that decisions of one connection share.
pub(crate) struct Directory {
    /// The rules' document.
    pub(crate) document: Document,
    /// The groups that they name.
    pub(crate) groups: Groups,
}

impl Directory {
    /// Loads document and groups; `None` for a connection that was removed.
    pub(crate) async fn load(
        engine: &Engine,
        connection: &ConnectionId,
    ) -> Result<Option<Self>, StepError> {
        let Some(saved) = engine.store.document(connection).await? else { return Ok(None) };
        let document = saved.value.document;
        let groups = if document.groups().is_empty() {
            Groups::default()
        } else {
            engine.store.groups(connection).await?
        };
        Ok(Some(Self { document, groups }))
    }
}

/// A batch of people with their managers, and what was looked up for each.
pub(crate) struct Batch {
    pub(crate) people: BTreeMap<ObjectId, Versioned<Person>>,
    managers: BTreeMap<ObjectId, Facts>,
    pub(crate) known: BTreeMap<ObjectId, Known>,
}

impl Batch {
    /// Loads people and those of their managers who are not among them.
    pub(crate) async fn load(
        engine: &Engine,
        connection: &ConnectionId,
        ids: Vec<ObjectId>,
    ) -> Result<Self, StepError> {
        let people = engine.store.people(connection, ids).await?;
        let named: BTreeSet<ObjectId> =
            people.values().filter_map(|person| person.value.facts.manager).collect();
        let others = named.iter().filter(|id| !people.contains_key(id)).copied();
        let others = engine.store.people(connection, others.collect::<Vec<_>>()).await?;
        let managers = named
            .into_iter()
            .filter_map(|id| Some((id, people.get(&id).or_else(|| others.get(&id))?)))
            .map(|(id, manager)| (id, manager.value.facts.clone()))
            .collect();
        let known = people.keys().map(|id| (*id, Known::default())).collect();
        Ok(Self { people, managers, known })
    }

    /// Asks `plan` about one of the people.
    pub(crate) fn ask(
        &self,
        rules: &Rules<'_>,
        groups: &Groups,
        guard: guard::Verdict,
        id: ObjectId,
    ) -> Option<Verdict> {
        let person = &self.people.get(&id)?.value;
        let known = self.known.get(&id)?;
        let case = Case {
            id,
            view: View { facts: &person.facts, manager: self.manager(&person.facts) },
            groups,
            link: person.link.as_ref(),
            known,
            guard,
        };
        Some(decide(rules, &case))
    }

    fn manager(&self, facts: &Facts) -> ManagerView<'_> {
        match facts.manager.map(|id| self.managers.get(&id)) {
            None => ManagerView::None,
            Some(Some(manager)) if manager.presence != Presence::Unread => {
                ManagerView::Known(manager)
            }
            Some(_) => ManagerView::NotReadYet,
        }
    }

    /// Looks up in one go what all of the batch need of the index. `false` = the index is not ready.
    pub(crate) async fn look_up_matches(
        &mut self,
        engine: &Engine,
        rules: &Rules<'_>,
        groups: &Groups,
        freshness: Freshness,
    ) -> Result<bool, StepError> {
        let mut wanted: BTreeMap<ObjectId, BTreeSet<MatchKey>> = BTreeMap::new();
        for id in self.people.keys() {
            let verdict = self.ask(rules, groups, guard::Verdict::Pass, *id);
            if let Some(Verdict::Needs(Need::Matches(keys))) = verdict {
                wanted.insert(*id, keys);
            }
        }
        if wanted.is_empty() {
            return Ok(true);
        }
        let fields = index_fields(rules.document());
        let index = engine.halo.index(RecordKind::User);
        let Some(live) = index.live(&fields, freshness).await? else { return Ok(false) };
        let all: BTreeSet<MatchKey> = wanted.values().flatten().cloned().collect();
        let hits = index.lookup(&live, &all).await?;
        for (id, keys) in wanted {
            let own: Hits =
                keys.into_iter().filter_map(|key| hits.get_key_value(&key)).map(own_pair).collect();
            self.known.entry(id).or_default().hits = Some(own);
        }
        Ok(true)
    }
}

/// The Halo fields that a connection matches by.
pub(crate) fn index_fields(document: &Document) -> BTreeSet<String> {
    document.user_matching.iter().map(|row| row.halo.clone()).collect()
}

fn own_pair<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

/// The other unlinked people who hit a Halo user (M3).
pub(crate) async fn other_claims(
    engine: &Engine,
    connection: &ConnectionId,
    user: RecordId,
    me: ObjectId,
) -> Result<BTreeSet<ObjectId>, StepError> {
    let range = Range { prefix: keys::claims_on(user), ..Range::of(keys::claims(connection), 100) };
    let page = engine.store.query(&range).await?;
    let people =
        page.records.iter().filter_map(|record| record.key.sk.rsplit_once('#')?.1.parse().ok());
    Ok(people.filter(|id| *id != me).collect())
}
