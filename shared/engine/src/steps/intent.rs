//! Notes what is about to be sent, before it is: so that a worker that was killed in between neither
//! makes anybody twice (M6) nor leaves roles behind that nobody knows to be ours (R4).

use std::collections::{BTreeMap, BTreeSet};

use plan::decide::{Action, Create, Part, Verdict};
use plan::facts::Facts;
use plan::guard;
use plan::ids::{ObjectId, PerKind, RecordId, RecordKind};
use plan::link::{Choice, Fields, Intent, Link, Target};
use plan::matching::{self, Hit, Hits, MatchKey};
use plan::relink::is_relinked;
use uuid::Uuid;

use super::apply::Worker;
use super::lookup::Batch;
use super::{StepError, Trouble};
use crate::store::people::{Person, RecordOwner};
use crate::store::{Commit, Expect, StoreError, Versioned, keys, put};

/// How often a note is tried again when somebody else wrote one of the people.
const TRIES: u32 = 5;

impl Worker<'_> {
    /// Notes that one kind of record of this person is about to be sent, and in the same transaction
    /// what is new of the person's other kind and of the others in the batch. Safe to repeat: what was
    /// noted by this hold of the segment stays as it is.
    pub(super) async fn intend(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        sends: RecordKind,
    ) -> Result<(), Trouble> {
        let beside = self.look_beside(batch, id).await?;
        for _ in 0..TRIES {
            let Some(noted) = self.note(batch, id, sends, &beside)? else { return Ok(()) };
            let mut writes = vec![self.held.save()?];
            for one in &noted {
                let Some(person) = batch.people.get(one) else { return Err(Trouble::Lost) };
                let key = keys::person(&self.held.connection, *one);
                writes.push(put(key, &person.value, person.unchanged())?);
            }
            match self.engine.store.commit(&writes).await? {
                Commit::Done => {
                    self.held.saved();
                    for one in noted {
                        if let Some(person) = batch.people.get_mut(&one) {
                            person.version += 1;
                        }
                    }
                    return Ok(());
                }
                Commit::Conflict(0) => return Err(Trouble::Lost),
                // Somebody wrote one of them meanwhile, as a worker does who marks reports.
                Commit::Conflict(_) => {
                    let connection = &self.held.connection;
                    let fresh = self.engine.store.people(connection, noted).await?;
                    let now = fresh.get(&id).map(|person| &person.value.link);
                    let was = batch.people.get(&id).map(|person| &person.value.link);
                    if let (Some(was), Some(now)) = (was, now)
                        && RecordKind::ALL.into_iter().any(|kind| is_relinked(was, now, kind))
                    {
                        return Err(relinked());
                    }
                    batch.people.extend(fresh);
                }
            }
        }
        Err(Trouble::Ours(StepError::Store(StoreError {
            operation: "note who is about to be written",
            detail: "somebody else keeps writing the same people".to_owned(),
        })))
    }

    /// Notes it with the people in the batch; those whose records have to be stored. `None` = all is
    /// noted already.
    fn note(
        &self,
        batch: &mut Batch,
        id: ObjectId,
        sends: RecordKind,
        beside: &BTreeMap<RecordKind, BTreeSet<RecordId>>,
    ) -> Result<Option<Vec<ObjectId>>, Trouble> {
        let Some(epoch) = self.held.epoch() else { return Err(Trouble::Lost) };
        let mut own = self.intents_of(batch, id, epoch, self.guard());
        for (kind, intent) in &mut own {
            intent.beside = beside.get(kind).cloned().unwrap_or_default();
        }
        let noted = |kind: &RecordKind| {
            let intents = batch.people.get(&id).map(|person| &person.value.link.intents);
            intents.and_then(|it| it.get(kind)).is_some_and(|intent| intent.epoch == epoch)
        };
        if own.iter().filter(|(kind, _)| *kind == sends).all(|(kind, _)| noted(kind)) {
            return Ok(None);
        }
        // What the others need to be deactivated is not asked for here.
        let guard = PerKind::both(guard::Verdict::ReadIncomplete);
        let others = batch
            .people
            .iter()
            .filter(|(other, person)| **other != id && person.value.link.intents.is_empty())
            .filter(|(_, person)| !chose_another(&person.value.link))
            // By a plan only what was compared with it may be taken for meant.
            .filter(|_| !self.picked.is_plan());
        let others: Vec<ObjectId> = others.map(|(other, _)| *other).collect();
        let mut together = vec![(id, own)];
        for other in others {
            together.push((other, self.intents_of(batch, other, epoch, guard)));
        }
        together.retain(|(_, intents)| !intents.is_empty());
        for (one, intents) in &together {
            let Some(person) = batch.people.get_mut(one) else { return Err(Trouble::Lost) };
            for (kind, intent) in intents {
                let known = person.value.link.intents.entry(*kind);
                let known = known.or_insert_with(|| intent.clone());
                // What an earlier worker noted of the other kind stays: it may have been made (M6).
                if (*one, *kind) == (id, sends) {
                    known.take(intent);
                }
            }
        }
        Ok(Some(together.into_iter().map(|(one, _)| one).collect()))
    }

    /// Looks for records like one that is to be made although they fit, as an administrator chose (M3):
    /// whoever looks for a lost one leaves them out.
    async fn look_beside(
        &self,
        batch: &Batch,
        id: ObjectId,
    ) -> Result<BTreeMap<RecordKind, BTreeSet<RecordId>>, Trouble> {
        let mut beside = BTreeMap::new();
        let Some(person) = batch.people.get(&id) else { return Ok(beside) };
        let Person { facts, link, .. } = &person.value;
        if !chose_another(link) {
            return Ok(beside);
        }
        let asked = batch.ask(self.rules, self.guard(), id);
        let Some(Verdict::Decided(decision)) = asked else { return Ok(beside) };
        for (kind, part) in decision.parts() {
            let chosen = link.choices.get(&kind) == Some(&Choice::Create);
            let noted = link.intents.contains_key(&kind);
            if let (Action::Create(create), true, false) = (&part.action, chosen, noted) {
                let keys = self.keys_of_lost(id, facts, kind, create);
                let hits = self.halo.find(kind, &keys).await?;
                beside.insert(kind, hits.values().flatten().map(|hit| hit.record).collect());
            }
        }
        Ok(beside)
    }

    /// What a record is looked for by that may have been made.
    fn keys_of_lost(
        &self,
        id: ObjectId,
        facts: &Facts,
        kind: RecordKind,
        create: &Create,
    ) -> BTreeSet<MatchKey> {
        match kind {
            RecordKind::User => matching::keys(id, facts, self.rules.matching(kind)),
            RecordKind::Agent => matching::keys_of_new(&create.fields),
        }
    }

    /// What is to be noted of a person, as far as the decision can be taken now.
    fn intents_of(
        &self,
        batch: &Batch,
        id: ObjectId,
        epoch: Uuid,
        guard: PerKind<guard::Verdict>,
    ) -> Vec<(RecordKind, Intent)> {
        let Some(Verdict::Decided(decision)) = batch.ask(self.rules, guard, id) else {
            return Vec::new();
        };
        let noted = decision.parts().filter_map(|(kind, part)| Some((kind, intent(part, epoch)?)));
        noted.collect()
    }

    /// Takes back what was noted of people whose turn did not come, so that the next step need not look
    /// for them in Halo.
    pub(super) async fn withdraw(&mut self, batch: &mut Batch) -> Result<(), Trouble> {
        let Some(epoch) = self.held.epoch() else { return Ok(()) };
        let mut writes = vec![self.held.check()];
        for (id, person) in &mut batch.people {
            let before = person.value.link.intents.len();
            person.value.link.intents.retain(|kind, intent| {
                intent.epoch != epoch || self.posted.contains(&(*id, *kind))
            });
            if person.value.link.intents.len() != before {
                let key = keys::person(&self.held.connection, *id);
                writes.push(put(key, &person.value, person.unchanged())?);
            }
        }
        if writes.len() > 1 {
            // Left standing they cost a look in Halo each, and nothing else.
            let _: Commit = self.engine.store.commit(&writes).await?;
        }
        Ok(())
    }

    /// Makes an agent that was found the person's before it is written. `false` = it is somebody else's
    /// by now, perhaps of another connection, which the index does not know yet (M2, T6).
    pub(super) async fn own_agent(
        &self,
        batch: &mut Batch,
        id: ObjectId,
        agent: RecordId,
    ) -> Result<bool, Trouble> {
        let owner = RecordOwner { connection: self.held.connection.clone(), person: id };
        let (store, key) = (&self.engine.store, keys::agent_owner(agent));
        let mut expect = Expect::Absent;
        loop {
            let write = put(key.clone(), &owner, expect)?;
            if store.commit(&[write]).await? == Commit::Done {
                return Ok(true);
            }
            let Some(found) = store.read::<RecordOwner>(&key).await? else {
                expect = Expect::Absent;
                continue;
            };
            if found.value == owner {
                return Ok(true);
            }
            let RecordOwner { connection, person } = &found.value;
            let other = store.person(connection, *person).await?;
            let is_theirs = |it: &Person| {
                let linked = it.link.agent.as_ref().is_some_and(|linked| linked.record == agent);
                linked || (it.link.agent.is_none() && it.pending.is_some())
            };
            if !other.is_some_and(|other| is_theirs(&other.value)) {
                // Left over from somebody who became another agent, or none.
                expect = found.unchanged();
                continue;
            }
            let known = batch.known.entry(id).or_default().records.of_mut(RecordKind::Agent);
            (known.record, known.claims) = (None, None);
            for hit in known.hits.iter_mut().flat_map(|hits| hits.values_mut()).flatten() {
                if hit.record == agent {
                    hit.object_id = Some(person.to_string());
                }
            }
            return Ok(false);
        }
    }

    /// Whether an earlier worker meant to make this record and did not record what came of it.
    pub(super) fn may_have_been_made(&self, batch: &Batch, id: ObjectId, kind: RecordKind) -> bool {
        let intents = batch.people.get(&id).map(|person| &person.value.link.intents);
        let intent = intents.and_then(|intents| intents.get(&kind));
        intent.is_some_and(|intent| intent.creates && Some(intent.epoch) != self.held.epoch())
    }

    /// Looks in Halo for a record that may have been made. `true` = it is there, and the decision is to
    /// be taken again with it.
    pub(super) async fn look_for_lost_create(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        kind: RecordKind,
        create: &Create,
    ) -> Result<bool, Trouble> {
        let Some(person) = batch.people.get(&id) else { return Ok(false) };
        let keys = self.keys_of_lost(id, &person.value.facts, kind, create);
        let chosen = person.value.link.choices.get(&kind) == Some(&Choice::Create);
        let hits: Hits = self.halo.find(kind, &keys).await?;
        let known = &batch.known.entry(id).or_default().records.of(kind);
        match kind {
            RecordKind::User if chosen => {
                let made = made_beside(batch, id, &hits);
                batch.known.entry(id).or_default().records.of_mut(kind).made = made;
                Ok(made.is_some())
            }
            // Users carry the object id, so the ordinary decision knows what to make of them.
            RecordKind::User => {
                let new = hits.values().flatten().next().is_some();
                if new && known.hits.as_ref() != Some(&hits) {
                    let known = batch.known.entry(id).or_default().records.of_mut(kind);
                    (known.hits, known.claims) = (Some(hits), Some(BTreeSet::new()));
                    known.record = None;
                    return Ok(true);
                }
                Ok(false)
            }
            RecordKind::Agent => {
                let older = beside(batch, id, kind);
                let made = self.made_by_us(id, &hits, &create.fields, &older).await?;
                let known = batch.known.entry(id).or_default().records.of_mut(kind);
                known.made = made;
                Ok(made.is_some())
            }
        }
    }

    /// The agent among those found that is as we would have made it and is nobody else's yet. It may be
    /// the person's already, by a worker that found it as well and was killed before it could say so.
    async fn made_by_us(
        &self,
        id: ObjectId,
        hits: &Hits,
        fields: &Fields,
        older: &BTreeSet<RecordId>,
    ) -> Result<Option<RecordId>, Trouble> {
        let targets: BTreeSet<Target> = fields.keys().cloned().collect();
        let person = id.to_string();
        let is_free = |hit: &&Hit| hit.object_id.as_ref().is_none_or(|owner| *owner == person);
        let free = hits.values().flatten().filter(is_free);
        let new = free.map(|hit| hit.record).filter(|record| !older.contains(record));
        let candidates: BTreeSet<RecordId> = new.collect();
        let own = RecordOwner { connection: self.held.connection.clone(), person: id };
        for record in candidates.into_iter().rev() {
            let owner: Option<Versioned<RecordOwner>> =
                self.engine.store.read(&keys::agent_owner(record)).await?;
            if owner.is_some_and(|owner| owner.value != own) {
                continue;
            }
            let found = self.halo.record(record, &targets).await?;
            if found.is_some_and(|found| matching::is_as_made(fields, &found.fields)) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// An administrator changed the person's link at this moment: the hint comes back, and the step
/// decides again.
fn relinked() -> Trouble {
    Trouble::Ours(StepError::Store(StoreError {
        operation: "note who is about to be written",
        detail: "an administrator changed the person's link at the same time".to_owned(),
    }))
}

/// Whether an administrator chose that a record is made whoever fits.
fn chose_another(link: &Link) -> bool {
    link.choices.values().any(|choice| *choice == Choice::Create)
}

/// The user among those found that carries the person's object id and was not there before.
fn made_beside(batch: &Batch, id: ObjectId, hits: &Hits) -> Option<RecordId> {
    let key = MatchKey::new("azureoid", &id.to_string())?;
    let older = beside(batch, id, RecordKind::User);
    let found = hits.get(&key).into_iter().flatten().map(|hit| hit.record);
    found.filter(|record| !older.contains(record)).max()
}

/// Records that were there before one more was made.
fn beside(batch: &Batch, id: ObjectId, kind: RecordKind) -> BTreeSet<RecordId> {
    let intents = batch.people.get(&id).map(|person| &person.value.link.intents);
    let intent = intents.and_then(|intents| intents.get(&kind));
    intent.map(|intent| intent.beside.clone()).unwrap_or_default()
}

/// What has to be noted before a part is sent.
fn intent(part: &Part, epoch: Uuid) -> Option<Intent> {
    match &part.action {
        Action::Create(create) => {
            let (grants, licences) = (create.granted.clone(), create.licences.clone());
            let beside = BTreeSet::new();
            Some(Intent { epoch, creates: true, deactivates: false, grants, licences, beside })
        }
        Action::Write(write) if write.is_noted() => {
            let (grants, licences) = (write.given.clone(), write.linking.clone());
            let (deactivates, beside) = (write.deactivates_found(), BTreeSet::new());
            Some(Intent { epoch, creates: false, deactivates, grants, licences, beside })
        }
        Action::Write(_)
        | Action::Unchanged
        | Action::NotInScope
        | Action::Conflict { .. }
        | Action::Held
        | Action::Invalid => None,
    }
}
