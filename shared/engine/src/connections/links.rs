//! Links that an administrator sets and cuts (M3, M7): what is picked is looked at in Halo, judged, and
//! stored with everything that hangs on it in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use plan::document::Document;
use plan::ids::{ConnectionId, ObjectId, PerKind, RecordId, RecordKind, RunId};
use plan::link::{Fields, HaloValue, Target};
use plan::matching::{Hit, MatchKey};
use plan::relink::{Objection, Pick, carried, is_told_apart, relink};
use plan::rules::scope_of;

use super::{Refusal, TRIES};
use crate::Engine;
use crate::halo::Special;
use crate::steps::lookup::{Directory, index_fields, other_claims};
use crate::store::people::{Fenced, Person, RecordOwner};
use crate::store::{Commit, Expect, Key, StoreError, Versioned, Write, keys, put};

/// What an administrator picks for each kind of record; `None` = nothing is said of it.
pub type LinkChoice = PerKind<Option<Pick>>;

/// People who claim a record that are marked in the transaction that gives it to somebody; more of them
/// are marked before it.
const TOGETHER: usize = 20;

/// A picked record as Halo has it.
struct Picked {
    /// The fields that the rules compare.
    fields: Fields,
    /// What it is found by in the index.
    keys: BTreeSet<MatchKey>,
    /// The object id of somebody else that it carries.
    carried: Option<String>,
    inactive: bool,
}

/// A change of a person's links in the making.
struct Change<'a> {
    connection: &'a ConnectionId,
    me: ObjectId,
    person: Versioned<Person>,
    now: Person,
    writes: Vec<Write>,
    /// How the numbers of linked and active records change.
    active: PerKind<i64>,
    /// Records that others may claim and that are not this person's to claim any more.
    contested: BTreeSet<RecordId>,
}

impl Engine {
    /// Sets who a person is in Halo. Answers the run that carries it to Halo; `None` = none may start
    /// now, and the next one does. Nothing is stored when anything speaks against it. Safe to repeat:
    /// the same pick again finds it done, and is looked at once more by a run.
    pub async fn set_link(
        &self,
        who: &str,
        connection: &ConnectionId,
        person: ObjectId,
        choice: LinkChoice,
    ) -> Result<Option<RunId>, Refusal> {
        let (saved, _) = self.load(connection).await?;
        let mut picked = PerKind::<Option<Picked>>::default();
        for kind in RecordKind::ALL {
            if let Some(Pick::Record(id)) = *choice.of(kind) {
                let record = RecordId { kind, id };
                let document = &saved.value.document;
                *picked.of_mut(kind) = Some(self.look_at(document, record, person).await?);
            }
        }
        for _ in 0..TRIES {
            if let Some(run) = self.try_link(who, connection, person, choice, &picked).await? {
                return Ok(run);
            }
        }
        Err(Refusal::Busy)
    }

    /// Cuts links and keeps them cut until something else is picked. Nothing happens in Halo. Safe to
    /// repeat.
    pub async fn cut_link(
        &self,
        who: &str,
        connection: &ConnectionId,
        person: ObjectId,
        kinds: PerKind<bool>,
    ) -> Result<Option<RunId>, Refusal> {
        let pick = |cut: bool| cut.then_some(Pick::Unlinked);
        let choice = PerKind { user: pick(kinds.user), agent: pick(kinds.agent) };
        self.set_link(who, connection, person, choice).await
    }

    /// One try; `None` = somebody else wrote what it is based on.
    async fn try_link(
        &self,
        who: &str,
        connection: &ConnectionId,
        me: ObjectId,
        choice: LinkChoice,
        picked: &PerKind<Option<Picked>>,
    ) -> Result<Option<Option<RunId>>, Refusal> {
        let (saved, state) = self.load(connection).await?;
        let person = self.store.person(connection, me).await?.ok_or(Refusal::Nobody)?;
        let mut change = Change::new(connection, me, person);
        for kind in RecordKind::ALL {
            let Some(pick) = *choice.of(kind) else { continue };
            let made = change.now.link.intents.get(&kind).is_some_and(|intent| intent.creates);
            if made && state.value.run.is_some() {
                return Err(Refusal::BeingMade(kind));
            }
            self.pick(&mut change, kind, pick, picked.of(kind).as_ref()).await?;
        }
        let others = self.contenders(&change, &saved.unchanged()).await?;
        let mut writes = change.finish(&others)?;
        let mut next = state.value.clone();
        for kind in RecordKind::ALL {
            let linked = next.linked.of_mut(kind);
            *linked = linked.saturating_add_signed(*change.active.of(kind));
        }
        let (queued, run) = self.enqueue_marked(&saved.value.document, &mut next).await?;
        writes.extend(queued);
        writes.push(put(keys::state(connection), &next, state.unchanged())?);
        let what = told(&change.person.value, me, choice);
        writes.push(self.audit(connection, who, &what, None, None)?);
        if let Commit::Conflict(_) = self.store.commit(&writes).await? {
            return Ok(None);
        }
        // Lost, the timer sends it: the run is in the state.
        if run.is_some() {
            self.hint_fetch(connection).await?;
        }
        Ok(Some(run))
    }

    /// A record as Halo has it, if it can stand for a person at all (M4).
    async fn look_at(
        &self,
        document: &Document,
        record: RecordId,
        me: ObjectId,
    ) -> Result<Picked, Refusal> {
        let refused = |why: &Objection| Refusal::Link(why.sentence(record));
        let directory = Directory::of(self, &document.id, document.clone()).await?;
        let rules = directory.rules(scope_of(&document.sync.entities));
        let compared = rules.targets(record.kind);
        let matched = index_fields(document, record.kind);
        let further = matched.iter().any(|field| field == "emailaddress");
        let further = further.then_some(["email2", "email3"]).into_iter().flatten();
        let matched = matched.iter().map(String::as_str).chain(further);
        let matched: BTreeSet<Target> = matched.map(Target::field).collect();
        let asked = compared.union(&matched).cloned().collect();
        let found = self.halo_for_people().record(record, &asked).await?;
        let Some(found) = found else { return Err(refused(&Objection::Missing)) };
        match found.special {
            None => {}
            Some(Special::GeneralUser) => return Err(refused(&Objection::GeneralUser)),
            Some(Special::ServiceAccount) => return Err(refused(&Objection::ServiceAccount)),
            Some(Special::ApiAgent) => return Err(refused(&Objection::ApiAgent)),
        }
        let keys = found_by(found.fields.iter().filter(|(target, _)| matched.contains(target)));
        let carried = carried(&found.fields, me).filter(|_| record.kind == RecordKind::User);
        let switch = switch(record.kind);
        let inactive = found.fields.get(&switch) == Some(&HaloValue::Bool(true));
        let mut fields = found.fields;
        fields.retain(|target, _| compared.contains(target) || *target == switch);
        Ok(Picked { fields, keys, carried, inactive })
    }

    /// Carries out one pick, unless somebody else has the record.
    async fn pick(
        &self,
        change: &mut Change<'_>,
        kind: RecordKind,
        pick: Pick,
        picked: Option<&Picked>,
    ) -> Result<(), Refusal> {
        let none = Fields::new();
        let fields = picked.map_or(&none, |picked| &picked.fields);
        let before = change.now.link.of(kind).cloned();
        let done = relink(&mut change.now.link, kind, pick, fields);
        *change.active.of_mut(kind) = done.active;
        change.settle(kind, done.freed.is_some());
        for cab in done.seats {
            let key = keys::seat(change.connection, cab, change.me);
            change.writes.push(Write::Delete { key, expect: Expect::Anything });
        }
        if let (Some(freed), Some(before)) = (done.freed, before) {
            self.free(change, freed).await?;
            if kind == RecordKind::Agent {
                // Agents that belong to somebody are found by that alone.
                let inactive = !before.activity.is_active();
                let hit = Hit { record: freed, object_id: None, inactive };
                self.halo.index(kind).remember(&[(hit, found_by(&before.image))]).await?;
            }
        }
        if let (Some(taken), Some(picked)) = (done.taken, picked) {
            self.take(change, taken, picked).await?;
        }
        Ok(())
    }

    /// Gives the person a record that nobody else has. The index learns of it before the link is stored:
    /// killed in between, the person finds the record by the object id, and nobody else finds it.
    async fn take(
        &self,
        change: &mut Change<'_>,
        record: RecordId,
        picked: &Picked,
    ) -> Result<(), Refusal> {
        let place = keys::owner(record);
        let owner = self.store.read::<RecordOwner>(&place).await?;
        let objection = match &owner {
            Some(owner) => self.holds(change, record, &owner.value).await?,
            None => None,
        };
        let objection = match (objection, &picked.carried) {
            (None, Some(id)) => self.carries(change, record, id).await?,
            (objection, _) => objection,
        };
        if let Some(objection) = objection {
            return Err(Refusal::Link(objection.sentence(record)));
        }
        let mine = RecordOwner { connection: change.connection.clone(), person: change.me };
        let expect = crate::store::connections::unchanged(owner.as_ref());
        change.writes.push(put(place, &mine, expect)?);
        change.contested.insert(record);
        let oid = change.me.to_string();
        let ids = [Some(oid.as_str()), picked.carried.as_deref()].into_iter().flatten();
        let mut all: BTreeSet<MatchKey> =
            ids.filter_map(|id| MatchKey::new("azureoid", id)).collect();
        all.extend(picked.keys.iter().cloned());
        let hit = Hit { record, object_id: Some(oid), inactive: picked.inactive };
        Ok(self.halo.index(record.kind).remember(&[(hit, all)]).await?)
    }

    /// Takes back what says that the record is the person's.
    async fn free(&self, change: &mut Change<'_>, record: RecordId) -> Result<(), Refusal> {
        let place = keys::owner(record);
        let mine = RecordOwner { connection: change.connection.clone(), person: change.me };
        let owner = self.store.read::<RecordOwner>(&place).await?;
        if let Some(owner) = owner.filter(|owner| owner.value == mine) {
            change.writes.push(Write::Delete { key: place, expect: owner.unchanged() });
        }
        Ok(())
    }

    /// Whether the one who is noted as a record's owner still is.
    async fn holds(
        &self,
        change: &Change<'_>,
        record: RecordId,
        owner: &RecordOwner,
    ) -> Result<Option<Objection>, StoreError> {
        let here = owner.connection == *change.connection;
        if here && owner.person == change.me {
            return Ok(None);
        }
        let person = self.store.person(&owner.connection, owner.person).await?;
        let linked = |person: &Person| person.link.of(record.kind).map(|it| it.record);
        let person = person.map(|it| it.value).filter(|it| linked(it) == Some(record));
        Ok(person.map(|person| {
            if here {
                Objection::LinkedTo { person: names(&person, owner.person) }
            } else {
                Objection::OfConnection { connection: owner.connection.to_string() }
            }
        }))
    }

    /// Whether the one whose object id a record carries would be found by it.
    async fn carries(
        &self,
        change: &Change<'_>,
        record: RecordId,
        id: &str,
    ) -> Result<Option<Objection>, StoreError> {
        let person = match id.parse::<ObjectId>() {
            Ok(oid) => self.store.person(change.connection, oid).await?.map(|it| (oid, it.value)),
            Err(_) => None,
        };
        let Some((oid, person)) = person else {
            return Ok(Some(Objection::Carries { id: id.to_owned(), person: None }));
        };
        let names = names(&person, oid);
        if person.link.of(record.kind).is_some_and(|linked| linked.record == record) {
            return Ok(Some(Objection::LinkedTo { person: names }));
        }
        let apart = is_told_apart(&person.link, record);
        Ok((!apart).then(|| Objection::Carries { id: id.to_owned(), person: Some(names) }))
    }

    /// The others who claim a record that changes hands: they are looked at again. Those who do not fit
    /// into the transaction are marked here.
    async fn contenders(
        &self,
        change: &Change<'_>,
        saved: &Expect,
    ) -> Result<BTreeMap<ObjectId, Versioned<Person>>, Refusal> {
        let mut together = BTreeSet::new();
        for record in &change.contested {
            let others = other_claims(self, change.connection, *record, change.me).await?;
            let mut others = others.into_iter();
            together.extend(others.by_ref().take(TOGETHER));
            let rest: Vec<ObjectId> = others.filter(|id| !together.contains(id)).collect();
            let check = Write::Check { key: keys::document(change.connection), expect: *saved };
            let marked = self.store.mark_dirty(change.connection, &check, rest, "claim").await?;
            if matches!(marked, Fenced::Lost) {
                return Err(Refusal::Busy);
            }
        }
        Ok(self.store.people(change.connection, together).await?)
    }
}

impl<'a> Change<'a> {
    fn new(connection: &'a ConnectionId, me: ObjectId, person: Versioned<Person>) -> Self {
        let (now, writes, contested) = (person.value.clone(), Vec::new(), BTreeSet::new());
        let active = PerKind::default();
        Self { connection, me, person, now, writes, active, contested }
    }

    /// What waited for the administrator, or for another try, waits no longer.
    fn settle(&mut self, kind: RecordKind, freed: bool) {
        let Self { connection, me, now, .. } = self;
        let mut gone: Vec<Key> = Vec::new();
        if let Some(parked) = now.parked.take() {
            gone.push(keys::parked(connection, *me));
            gone.extend(parked.until.map(|until| keys::retry(connection, until, *me)));
        }
        if let Some(conflict) = &mut now.conflict {
            conflict.candidates.retain(|record| record.kind != kind);
            if conflict.candidates.is_empty() {
                now.conflict = None;
                gone.push(keys::conflict(connection, *me));
            }
        }
        if freed {
            now.link.ruling = None;
            let held = now.held.as_mut();
            let last = held.is_some_and(|held| held.kinds.remove(&kind) && held.kinds.is_empty());
            if last {
                now.held = None;
                gone.push(keys::held(connection, *me));
            }
        }
        let open = now.link.of(kind).is_none() && !now.link.choices.contains_key(&kind);
        if !open && let Some(record) = now.claims.of_mut(kind).take() {
            gone.push(keys::claim(connection, record, *me));
            self.contested.insert(record);
        }
        let gone = gone.into_iter().map(|key| Write::Delete { key, expect: Expect::Anything });
        self.writes.extend(gone);
    }

    /// All writes but those of the connection's state.
    fn finish(
        &mut self,
        others: &BTreeMap<ObjectId, Versioned<Person>>,
    ) -> Result<Vec<Write>, StoreError> {
        let mut writes = std::mem::take(&mut self.writes);
        self.now.mark(["link".to_owned()]);
        let mut marked = |id: ObjectId, person: &Person, expect: Expect| {
            writes.push(put(keys::person(self.connection, id), person, expect)?);
            writes.push(put(keys::dirty(self.connection, id), &(), Expect::Anything)?);
            Ok::<(), StoreError>(())
        };
        marked(self.me, &self.now, self.person.unchanged())?;
        for (id, other) in others {
            let mut value = other.value.clone();
            value.mark(["claim".to_owned()]);
            marked(*id, &value, other.unchanged())?;
        }
        Ok(writes)
    }
}

/// The field that says whether a record is inactive (L1).
fn switch(kind: RecordKind) -> Target {
    Target::field(match kind {
        RecordKind::User => "inactive",
        RecordKind::Agent => "isdisabled",
    })
}

/// What a record of these fields is found by.
fn found_by<'a>(
    fields: impl IntoIterator<Item = (&'a Target, &'a HaloValue)>,
) -> BTreeSet<MatchKey> {
    let key = |(target, value): (&Target, &HaloValue)| match target {
        Target::Field(name) => MatchKey::new(name, &value.to_string()),
        Target::Custom(_) => None,
    };
    fields.into_iter().filter_map(key).filter(|key| key.field != "azureoid").collect()
}

/// A person in a sentence.
pub(super) fn names(person: &Person, id: ObjectId) -> String {
    let (name, upn) = (person.facts.display_name(), person.facts.user_principal_name());
    match (name.is_empty(), upn.is_empty()) {
        (false, false) => format!("{name} ({upn})"),
        (false, true) => name.to_owned(),
        (true, false) => upn.to_owned(),
        (true, true) => id.to_string(),
    }
}

/// A change in the settings audit.
fn told(person: &Person, id: ObjectId, choice: LinkChoice) -> String {
    let picks = RecordKind::ALL.into_iter();
    let picks = picks.filter_map(|kind| Some(format!("{kind} {}", (*choice.of(kind))?)));
    let picks: Vec<String> = picks.collect();
    format!("link of {}, {id}: {}", names(person, id), picks.join(", "))
}
