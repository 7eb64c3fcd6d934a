//! People in the store: their facts, their link, and the marks that somebody must be looked at.

mod sign_ins;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use plan::decide::{Part, difference};
use plan::facts::{Absent, Facts, ManagerNews, Merged, News, PersonChange, Presence};
use plan::ids::{ConnectionId, ObjectId, PerKind, RecordId, RecordKind, RunId, Segment};
use plan::link::Link;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::licences::holder_keys;
use super::{
    Commit, Expect, Key, Page, Range, Store, StoreError, Versioned, Write, decode, keys, put,
};

/// All that we keep of a person, in one record: one read, one write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// What Graph said; shared, because most copies of a person are of another link with the same facts.
    pub facts: Arc<Facts>,
    /// The full round that saw the person last (D5).
    #[serde(default)]
    pub seen: u64,
    /// Who the person is in Halo.
    #[serde(default, skip_serializing_if = "is_default")]
    pub link: Link,
    /// Why the person is dirty; the dirty mark stands exactly where this is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Why the person waits (T5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// The records that the person hits while unlinked (M3).
    #[serde(default, skip_serializing_if = "is_default")]
    pub claims: PerKind<Option<RecordId>>,
    /// A deactivation that waits for an administrator (L4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// A choice that waits for an administrator (M3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
    /// The run that carried out a preview and left the person alone, because something moved (I2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RunId>,
    /// What was done to the agent while the user record had to wait: it belongs into the same entry
    /// of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Part>,
}

/// A deactivation that waits for an administrator (L4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// The run that held it first.
    pub run: RunId,
    /// When that was.
    pub since: Timestamp,
    /// Which records.
    pub kinds: BTreeSet<RecordKind>,
    /// Why the person would be deactivated, and why it waits.
    pub sentence: String,
}

/// A choice that waits for an administrator (M3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The run that met it first.
    pub run: RunId,
    /// When that was.
    pub since: Timestamp,
    /// Records to choose from.
    pub candidates: BTreeSet<RecordId>,
    /// Why it is one.
    pub sentence: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What has to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What changed since the last decision that was carried out: properties, `manager`, `groups`,
    /// `presence`; `manager.displayName` and the like for the manager's own facts.
    pub changed: BTreeSet<String>,
}

/// A sick person or a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parked {
    /// Tries in a row that failed.
    pub attempts: u32,
    /// What is wrong and what to do.
    pub sentence: String,
    /// When it is tried again; `None` = when something changes, or an administrator chooses.
    pub until: Option<Timestamp>,
}

/// Whose Halo record that is: of agents the only memory of it, because they carry no object id in
/// Halo (M2); of users only where an administrator linked them (M7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordOwner {
    /// The connection that the person belongs to.
    pub connection: ConnectionId,
    /// The person.
    pub person: ObjectId,
}

/// What merging a page did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergedPage {
    /// People that this full round had not delivered before (for rounds of changes: all items).
    pub fresh: u64,
    /// Items that were merged.
    pub told: u64,
    /// People of this page, and their reports, who wait for a decision now.
    pub dirty: u64,
}

/// Whether a fenced write happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fenced<T> {
    /// It did.
    Done(T),
    /// Somebody else holds the lease now; this worker stops.
    Lost,
}

/// People in memory with their versions, and which of them were touched.
pub(super) struct Loaded {
    pub(super) people: BTreeMap<ObjectId, Versioned<Person>>,
    before: BTreeMap<ObjectId, Person>,
}

/// Of whom a page tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// Of people who are new as well.
    OfAnybody,
    /// Only of people who were read before: nobody is made up from it.
    OfThePresent,
}

impl Store {
    /// People by id; those whom nobody ever named are left out.
    pub async fn people(
        &self,
        connection: &ConnectionId,
        ids: impl IntoIterator<Item = ObjectId>,
    ) -> Result<BTreeMap<ObjectId, Versioned<Person>>, StoreError> {
        let ids: Vec<ObjectId> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let wanted: Vec<Key> = ids.iter().map(|id| keys::person(connection, *id)).collect();
        let found = self.get(&wanted).await?;
        ids.into_iter()
            .zip(found)
            .filter_map(|(id, record)| Some((id, record?)))
            .map(|(id, record)| Ok((id, decode(&record)?)))
            .collect()
    }

    /// One person.
    pub async fn person(
        &self,
        connection: &ConnectionId,
        id: ObjectId,
    ) -> Result<Option<Versioned<Person>>, StoreError> {
        self.read(&keys::person(connection, id)).await
    }

    /// A stretch of a segment's people, in order of their ids.
    pub async fn people_of(
        &self,
        connection: &ConnectionId,
        segment: Segment,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<(ObjectId, Versioned<Person>)>, Option<String>), StoreError> {
        let range = Range { after, ..Range::of(keys::people(connection, segment), limit) };
        let page = self.query(&range).await?;
        let people = page
            .records
            .iter()
            .filter_map(|record| Some((record.key.sk.parse().ok()?, record)))
            .map(|(id, record)| Ok((id, decode(record)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok((people, page.next))
    }

    /// A stretch of a segment's dirty people.
    pub async fn dirty(
        &self,
        connection: &ConnectionId,
        segment: Segment,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<ObjectId>, Option<String>), StoreError> {
        let range = Range { after, ..Range::of(keys::dirty_of(connection, segment), limit) };
        let page = self.query(&range).await?;
        Ok((ids(&page), page.next))
    }

    /// The segments in which somebody is dirty.
    pub async fn dirty_segments(
        &self,
        connection: &ConnectionId,
    ) -> Result<Vec<Segment>, StoreError> {
        let looks = Segment::all().map(|segment| async move {
            let (found, _) = self.dirty(connection, segment, None, 1).await?;
            Ok((segment, !found.is_empty()))
        });
        let found: Vec<(Segment, bool)> = futures::future::try_join_all(looks).await?;
        Ok(found.into_iter().filter(|(_, any)| *any).map(|(segment, _)| segment).collect())
    }

    /// Merges the items of a page into the facts of their people, marks those dirty whose facts
    /// changed, and their reports where what a report shows of its manager changed (F6).
    ///
    /// Safe to repeat: merging the same page again changes nothing, and the marks of the first time
    /// stand. Nothing is written once `check` fails (the lease was lost), so a slow reader cannot put old facts over
    /// new ones.
    pub async fn merge_people(
        &self,
        connection: &ConnectionId,
        check: &Write,
        round: Option<u64>,
        tells: Tells,
        changes: &[PersonChange],
    ) -> Result<Fenced<MergedPage>, StoreError> {
        loop {
            let mut loaded = self.load(connection, changes.iter().map(|change| change.id)).await?;
            let mut page = MergedPage::default();
            for change in changes {
                let person = loaded.people.get(&change.id).map(|person| &person.value);
                let is_present = person.is_some_and(|it| it.facts.presence == Presence::Present);
                if tells == Tells::OfAnybody || is_present {
                    merge_one(&mut loaded, round, change, &mut page);
                }
            }
            self.write_side_records(connection, &loaded).await?;
            self.mark_reports(connection, &mut loaded).await?;
            page.dirty = loaded.dirty();
            if let Some(outcome) = self.save_people(connection, check, &loaded).await? {
                return Ok(outcome.map(page));
            }
        }
    }

    /// Marks people dirty whatever their facts: a retry whose time came, changed rules, members of a
    /// group whose place changed. People whom we do not know are passed over.
    pub async fn mark_dirty(
        &self,
        connection: &ConnectionId,
        check: &Write,
        people: impl IntoIterator<Item = ObjectId> + Clone,
        cause: &str,
    ) -> Result<Fenced<u64>, StoreError> {
        loop {
            let mut loaded = self.load(connection, people.clone()).await?;
            for (_, person) in loaded.people.iter_mut().filter(|(_, person)| person.version > 0) {
                person.value.mark([cause.to_owned()]);
            }
            let dirty = loaded.dirty();
            if let Some(outcome) = self.save_people(connection, check, &loaded).await? {
                return Ok(outcome.map(dirty));
            }
        }
    }

    /// Changes who is a direct member of a group.
    pub async fn merge_members(
        &self,
        connection: &ConnectionId,
        check: &Write,
        group: ObjectId,
        round: u64,
        added: &[ObjectId],
        removed: &[ObjectId],
    ) -> Result<Fenced<MergedPage>, StoreError> {
        let saw = added
            .iter()
            .map(|id| put(keys::member(connection, group, *id), &round, Expect::Anything));
        let gone = removed.iter().map(|id| {
            Ok(Write::Delete {
                key: keys::member(connection, group, *id),
                expect: Expect::Anything,
            })
        });
        let rows: Vec<Write> = saw.chain(gone).collect::<Result<_, StoreError>>()?;
        loop {
            let named = added.iter().chain(removed).copied();
            let mut loaded = self.load(connection, named).await?;
            for (id, person) in &mut loaded.people {
                let groups = &mut Arc::make_mut(&mut person.value.facts).groups;
                let changed =
                    if added.contains(id) { groups.insert(group) } else { groups.remove(&group) };
                if changed {
                    person.value.mark(["groups".to_owned()]);
                }
            }
            // An unknown person is remembered as a member, but there is nothing to decide yet.
            for person in loaded.people.values_mut().filter(|person| person.version == 0) {
                person.value.pending = None;
            }
            let all = added.len() as u64;
            let page = MergedPage { fresh: all, told: all, dirty: loaded.dirty() };
            if let Some(outcome) = self.save_people(connection, check, &loaded).await? {
                // Rows last: they are how a full round finds who left, so they may only claim
                // what the people's records already say.
                self.write_all(&rows).await?;
                return Ok(outcome.map(page));
            }
        }
    }

    pub(super) async fn load(
        &self,
        connection: &ConnectionId,
        ids: impl IntoIterator<Item = ObjectId>,
    ) -> Result<Loaded, StoreError> {
        let ids: BTreeSet<ObjectId> = ids.into_iter().collect();
        let mut people = self.people(connection, ids.iter().copied()).await?;
        for id in ids {
            people.entry(id).or_insert_with(|| Versioned { version: 0, value: Person::default() });
        }
        let before = people.iter().map(|(id, person)| (*id, person.value.clone())).collect();
        Ok(Loaded { people, before })
    }

    /// Records by which a person is found: by name, by licence, and by manager. Written before the person, so
    /// that a kill in between leaves at most a record too many, which the repetition explains.
    pub(super) async fn write_side_records(
        &self,
        connection: &ConnectionId,
        loaded: &Loaded,
    ) -> Result<(), StoreError> {
        let mut writes: BTreeMap<Key, Write> = BTreeMap::new();
        let mut add = |write: Write| {
            if let Write::Put { key, .. } | Write::Delete { key, .. } = &write {
                writes.insert(key.clone(), write);
            }
        };
        for (id, now, was) in loaded.touched() {
            let (old, new) =
                (found_by(connection, *id, &was.facts), found_by(connection, *id, &now.facts));
            for key in old.difference(&new) {
                add(Write::Delete { key: key.clone(), expect: Expect::Anything });
            }
            for key in new.difference(&old) {
                add(put(key.clone(), &(), Expect::Anything)?);
            }
            if now.facts.manager != was.facts.manager {
                if let Some(manager) = was.facts.manager {
                    let key = keys::report(connection, manager, *id);
                    add(Write::Delete { key, expect: Expect::Anything });
                }
                if let Some(manager) = now.facts.manager {
                    add(put(keys::report(connection, manager, *id), &(), Expect::Anything)?);
                    add(put(keys::manager(connection, manager), &(), Expect::Anything)?);
                }
            }
        }
        self.write_all(&writes.into_values().collect::<Vec<_>>()).await
    }

    /// Reports of people of this page whose visible facts changed become dirty (F6).
    async fn mark_reports(
        &self,
        connection: &ConnectionId,
        loaded: &mut Loaded,
    ) -> Result<(), StoreError> {
        let changed: Vec<ObjectId> = loaded
            .touched()
            .filter(|(_, now, was)| now.facts.as_manager() != was.facts.as_manager())
            .map(|(id, ..)| *id)
            .collect();
        let marks: Vec<Key> = changed.iter().map(|id| keys::manager(connection, *id)).collect();
        let found = self.get(&marks).await?;
        for (manager, _) in changed.into_iter().zip(found).filter(|(_, mark)| mark.is_some()) {
            let reports = self.all_of(&keys::reports_of(connection, manager)).await?;
            let unknown = reports.iter().filter(|id| !loaded.people.contains_key(id)).copied();
            let more = self.load(connection, unknown.collect::<Vec<_>>()).await?;
            loaded.before.extend(more.before);
            loaded.people.extend(more.people);
            for id in reports {
                // A report row may be left over from a reader that was killed; the person says.
                if let Some(report) = loaded.people.get_mut(&id)
                    && report.value.facts.manager == Some(manager)
                    && report.version > 0
                {
                    report.value.mark(["manager".to_owned()]);
                }
            }
        }
        Ok(())
    }

    /// The ids of a whole partition, read in portions.
    pub(crate) async fn all_of(&self, partition: &str) -> Result<Vec<ObjectId>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.query(&Range { after, ..Range::of(partition, 1000) }).await?;
            all.extend(ids(&page));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Writes the touched people with their dirty marks, in transactions that check the lease.
    /// `None` = somebody wrote one of them in between; read again.
    pub(super) async fn save_people(
        &self,
        connection: &ConnectionId,
        check: &Write,
        loaded: &Loaded,
    ) -> Result<Option<Fenced<()>>, StoreError> {
        let mut writes = vec![check.clone()];
        let most = self.commit_limit();
        for (id, now, was) in loaded.touched() {
            let expect = loaded.people.get(id).map_or(Expect::Absent, Versioned::unchanged);
            let mut own = vec![put(keys::person(connection, *id), now, expect)?];
            if now.pending.is_some() && was.pending.is_none() {
                own.push(put(keys::dirty(connection, *id), &(), Expect::Anything)?);
            }
            if writes.len() + own.len() > most {
                match self.commit(&writes).await? {
                    Commit::Done => writes = vec![check.clone()],
                    Commit::Conflict(0) => return Ok(Some(Fenced::Lost)),
                    Commit::Conflict(_) => return Ok(None),
                }
            }
            writes.extend(own);
        }
        if writes.len() == 1 {
            return Ok(Some(Fenced::Done(())));
        }
        match self.commit(&writes).await? {
            Commit::Done => Ok(Some(Fenced::Done(()))),
            Commit::Conflict(0) => Ok(Some(Fenced::Lost)),
            Commit::Conflict(_) => Ok(None),
        }
    }
}

impl<T> Fenced<T> {
    /// Gives a finished write its result.
    pub fn map<U>(self, value: U) -> Fenced<U> {
        match self {
            Fenced::Done(_) => Fenced::Done(value),
            Fenced::Lost => Fenced::Lost,
        }
    }
}

impl Person {
    /// Whether the person waits for another try or for other data (T5), and not for a choice (M3).
    pub fn is_set_aside(&self) -> bool {
        self.parked.is_some() && self.conflict.is_none()
    }

    /// Makes the person dirty because of `changed`; whoever was parked gets another try.
    pub fn mark(&mut self, changed: impl IntoIterator<Item = String>) {
        self.pending.get_or_insert_default().changed.extend(changed);
    }
}

impl Loaded {
    /// Those who differ from what is stored. People whose reports have to look at them come last:
    /// killed in between, the repetition still finds the change and marks the reports.
    fn touched(&self) -> impl Iterator<Item = (&ObjectId, &Person, &Person)> {
        let mut touched: Vec<_> = self
            .people
            .iter()
            .filter_map(|(id, now)| {
                let was = self.before.get(id)?;
                (now.value != *was).then_some((id, &now.value, was))
            })
            .collect();
        touched.sort_by_key(|(_, now, was)| now.facts.as_manager() != was.facts.as_manager());
        touched.into_iter()
    }

    /// People who wait for a decision, also those of an earlier try: so that a reader that was
    /// killed behind its marks does not take the connection for clean.
    pub(super) fn dirty(&self) -> u64 {
        self.people.values().filter(|person| person.value.pending.is_some()).count() as u64
    }
}

fn merge_one(
    loaded: &mut Loaded,
    round: Option<u64>,
    change: &PersonChange,
    page: &mut MergedPage,
) {
    let Some(person) = loaded.people.get_mut(&change.id) else { return };
    let person = &mut person.value;
    let first_in_round = round.is_none_or(|round| person.seen != round);
    let mut news = change.news.clone();
    if let News::Seen(seen) = &mut news {
        // "Never set" holds for the first sight in a full round only: a later item of the same
        // round may be a replay of a part.
        if seen.absent == Absent::NeverSet && !first_in_round {
            seen.absent = Absent::Unsaid;
        }
        if seen.manager == ManagerNews::Is(change.id) {
            seen.manager = ManagerNews::None;
        }
        if let Some(round) = round {
            person.seen = round;
        }
    }
    page.fresh += u64::from(first_in_round);
    page.told += 1;
    if Arc::make_mut(&mut person.facts).merge(news) == Merged::Changed
        && let Some(before) = loaded.before.get(&change.id)
    {
        let changed = difference(&before.facts, &person.facts);
        person.mark(changed);
    }
}

/// The records by which a person is found: by name, and by licence.
fn found_by(connection: &ConnectionId, id: ObjectId, facts: &Facts) -> BTreeSet<Key> {
    let mut keys = name_keys(connection, id, facts);
    keys.extend(holder_keys(connection, id, facts));
    keys
}

fn name_keys(connection: &ConnectionId, id: ObjectId, facts: &Facts) -> BTreeSet<Key> {
    [facts.user_principal_name(), facts.display_name()]
        .iter()
        .map(|name| keys::folded(name))
        .filter(|name| !name.is_empty())
        .map(|name| keys::name(connection, &name, id))
        .collect()
}

fn ids(page: &Page) -> Vec<ObjectId> {
    page.records.iter().filter_map(|record| record.key.sk.parse().ok()).collect()
}
