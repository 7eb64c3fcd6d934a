//! Answers what a decision must know first, without choosing anything itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use plan::decide::{Case, Decision, Foreseen, Known, Need, Verdict, decide, foresee};
use plan::document::Document;
use plan::effect::{Outlook, outlook};
use plan::facts::{Facts, Presence};
use plan::fields::{ManagerView, View};
use plan::groups::Groups;
use plan::guard;
use plan::ids::{ConnectionId, ObjectId, PerKind, RecordId, RecordKind};
use plan::licences::Book;
use plan::link::Link;
use plan::matching::{Hits, MatchKey};
use plan::rules::{Rules, Scope};

use super::StepError;
use crate::Engine;
use crate::halo::Kept;
use crate::halo::index::Freshness;
use crate::store::people::Person;
use crate::store::{Range, Versioned, keys};

/// Everything that decisions of one connection share.
pub(crate) struct Directory {
    /// The rules' document.
    pub(crate) document: Document,
    /// The groups that they name.
    pub(crate) groups: Groups,
    /// The ledger by which users are linked to licences, where the document imports them (S1).
    pub(crate) book: Option<Book>,
}

impl Directory {
    /// Loads document and groups; `None` for a connection that was removed.
    pub(crate) async fn load(
        engine: &Engine,
        connection: &ConnectionId,
    ) -> Result<Option<Self>, StepError> {
        let Some(saved) = engine.store.document(connection).await? else { return Ok(None) };
        Ok(Some(Self::of(engine, connection, saved.value.document).await?))
    }

    /// The same with a document that may not be saved (I4).
    pub(crate) async fn of(
        engine: &Engine,
        connection: &ConnectionId,
        document: Document,
    ) -> Result<Self, StepError> {
        let groups = if document.groups().is_empty() {
            Groups::default()
        } else {
            engine.store.groups(connection).await?
        };
        let book = match &document.licences {
            Some(_) => engine.store.book(connection).await?.map(|book| book.value),
            None => None,
        };
        Ok(Self::new(document, groups, book))
    }

    /// The same of what is loaded already.
    pub(crate) fn new(document: Document, groups: Groups, book: Option<Book>) -> Self {
        let book = book.filter(|_| document.licences.is_some());
        Self { document, groups, book }
    }

    /// The rules made ready for some kinds of records.
    pub(crate) fn rules(&self, scope: Scope) -> Rules<'_> {
        let rules = Rules::covering(&self.document, &self.groups, scope);
        match &self.book {
            Some(book) => rules.with_licences(book),
            None => rules,
        }
    }
}

/// A batch of people with their managers, and what was looked up for each.
pub(crate) struct Batch {
    pub(crate) people: BTreeMap<ObjectId, Versioned<Person>>,
    managers: BTreeMap<ObjectId, (Arc<Facts>, Option<RecordId>)>,
    pub(crate) known: BTreeMap<ObjectId, Known>,
    /// What was decided when it was noted, of people who are made: nothing that they depend on changes
    /// until their turn, unless it is said here.
    pub(crate) decided: BTreeMap<ObjectId, Decision>,
    /// Links as they are since something was written that is not stored yet.
    pub(crate) written: BTreeMap<ObjectId, Link>,
    /// Lists of records that were just read, which a write of some elements has to repeat (F4, S1, H3).
    pub(crate) kept: BTreeMap<RecordId, Kept>,
    /// People of whom nothing was to be noted when the others were: their own turn will tell.
    pub(crate) unsure: BTreeSet<ObjectId>,
    now: Timestamp,
}

impl Batch {
    /// Loads people and those of their managers who are not among them.
    pub(crate) async fn load(
        engine: &Engine,
        connection: &ConnectionId,
        ids: Vec<ObjectId>,
    ) -> Result<Self, StepError> {
        let people = engine.store.people(connection, ids).await?;
        Self::of(engine, connection, people).await
    }

    /// The same for people who are loaded already.
    pub(crate) async fn of(
        engine: &Engine,
        connection: &ConnectionId,
        people: BTreeMap<ObjectId, Versioned<Person>>,
    ) -> Result<Self, StepError> {
        let named: BTreeSet<ObjectId> =
            people.values().filter_map(|person| person.value.facts.manager).collect();
        let others = named.iter().filter(|id| !people.contains_key(id)).copied();
        let others = engine.store.people(connection, others.collect::<Vec<_>>()).await?;
        let managers = named
            .into_iter()
            .filter_map(|id| Some((id, people.get(&id).or_else(|| others.get(&id))?)))
            .map(|(id, manager)| {
                let agent = manager.value.link.agent.as_ref().map(|linked| linked.record);
                (id, (manager.value.facts.clone(), agent))
            })
            .collect();
        let known = people.keys().map(|id| (*id, Known::default())).collect();
        let now = engine.clock.now();
        let (written, kept, unsure) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let decided = BTreeMap::new();
        Ok(Self { people, managers, known, decided, written, kept, unsure, now })
    }

    /// Takes over a link that is not stored yet; whoever reports to the person sees the agent at once.
    pub(crate) fn wrote(&mut self, id: ObjectId, link: Link) {
        if let Some((_, agent)) = self.managers.get_mut(&id) {
            *agent = link.agent.as_ref().map(|linked| linked.record);
            self.decided.clear();
        }
        self.written.insert(id, link);
    }

    fn case(&self, guard: PerKind<guard::Verdict>, id: ObjectId) -> Option<Case<'_>> {
        let person = &self.people.get(&id)?.value;
        Some(Case {
            id,
            view: View { facts: &person.facts, manager: self.manager(&person.facts) },
            link: self.written.get(&id).unwrap_or(&person.link),
            known: self.known.get(&id)?,
            guard,
            now: self.now,
        })
    }

    /// Asks `plan` about one of the people.
    pub(crate) fn ask(
        &self,
        rules: &Rules<'_>,
        guard: PerKind<guard::Verdict>,
        id: ObjectId,
    ) -> Option<Verdict> {
        Some(decide(rules, &self.case(guard, id)?))
    }

    /// What a run would do to one of the people; `None` until the index was asked.
    pub(crate) fn foresee(&self, rules: &Rules<'_>, id: ObjectId) -> Option<Foreseen> {
        foresee(rules, &self.case(PerKind::both(guard::Verdict::Pass), id)?).ok()
    }

    /// What rules would do to one of the people, told from what is stored; an error = what has to be
    /// looked up first.
    pub(crate) fn outlook(&self, rules: &Rules<'_>, id: ObjectId) -> Option<Result<Outlook, Need>> {
        Some(outlook(rules, &self.case(PerKind::both(guard::Verdict::Pass), id)?))
    }

    /// The display name of somebody's manager, as far as it was read.
    pub(crate) fn manager_name(&self, id: ObjectId) -> Option<String> {
        let (facts, _) = self.managers.get(&id)?;
        Some(facts.display_name().to_owned())
    }

    fn manager(&self, facts: &Facts) -> ManagerView<'_> {
        match facts.manager.map(|id| self.managers.get(&id)) {
            None => ManagerView::None,
            Some(Some((facts, agent))) if facts.presence != Presence::Unread => {
                ManagerView::Known { facts, agent: *agent }
            }
            Some(_) => ManagerView::NotReadYet,
        }
    }

    /// Looks up in one go for each kind of record what all of the batch need of its index. `false` =
    /// an index is not ready.
    pub(crate) async fn look_up_matches(
        &mut self,
        engine: &Engine,
        rules: &Rules<'_>,
        freshness: Freshness,
    ) -> Result<bool, StepError> {
        let mut open: Vec<ObjectId> = self.people.keys().copied().collect();
        while !open.is_empty() {
            let wanted = self.wanted(rules, &open);
            // The user record is decided last, so only a look for an agent may lead to another.
            let agents = wanted.get(&RecordKind::Agent).map(|wanted| wanted.keys().copied());
            open = agents.into_iter().flatten().collect();
            for (kind, wanted) in wanted {
                if !self.look_up(engine, rules, kind, wanted, freshness).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The keys that some of the people need next, by kind of record.
    fn wanted(&self, rules: &Rules<'_>, ids: &[ObjectId]) -> BTreeMap<RecordKind, Wanted> {
        let mut wanted: BTreeMap<RecordKind, Wanted> = BTreeMap::new();
        for id in ids {
            let Some(case) = self.case(PerKind::both(guard::Verdict::Pass), *id) else { continue };
            if let Err(Need::Matches(kind, keys)) = foresee(rules, &case) {
                wanted.entry(kind).or_default().insert(*id, keys);
            }
        }
        wanted
    }

    async fn look_up(
        &mut self,
        engine: &Engine,
        rules: &Rules<'_>,
        kind: RecordKind,
        wanted: Wanted,
        freshness: Freshness,
    ) -> Result<bool, StepError> {
        let index = engine.halo.index(kind);
        let fields = index_fields(rules.document(), kind);
        let Some(live) = index.live(&fields, freshness).await? else { return Ok(false) };
        let all: BTreeSet<MatchKey> = wanted.values().flatten().cloned().collect();
        let hits = index.lookup(&live, &all).await?;
        for (id, keys) in wanted {
            let own: Hits =
                keys.into_iter().filter_map(|key| hits.get_key_value(&key)).map(own_pair).collect();
            self.known.entry(id).or_default().records.of_mut(kind).hits = Some(own);
        }
        Ok(true)
    }
}

/// Who needs which keys of an index.
type Wanted = BTreeMap<ObjectId, BTreeSet<MatchKey>>;

/// The Halo fields that a connection matches records of a kind by.
pub(crate) fn index_fields(document: &Document, kind: RecordKind) -> BTreeSet<String> {
    let rows = match kind {
        RecordKind::User => &document.user_matching,
        RecordKind::Agent => &document.agent_matching,
    };
    rows.iter().map(|row| row.halo.clone()).collect()
}

fn own_pair<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

/// The other unlinked people who hit a Halo record (M3).
pub(crate) async fn other_claims(
    engine: &Engine,
    connection: &ConnectionId,
    record: RecordId,
    me: ObjectId,
) -> Result<BTreeSet<ObjectId>, StepError> {
    claimants(engine, keys::claims(connection), record, me).await
}

/// The same among claims in a partition.
pub(super) async fn claimants(
    engine: &Engine,
    claims: String,
    record: RecordId,
    me: ObjectId,
) -> Result<BTreeSet<ObjectId>, StepError> {
    let prefix = keys::claims_on(record);
    let range = Range { prefix, ..Range::of(claims, 100) };
    let page = engine.store.query(&range).await?;
    let people =
        page.records.iter().filter_map(|record| record.key.sk.rsplit_once('#')?.1.parse().ok());
    Ok(people.filter(|id| *id != me).collect())
}
