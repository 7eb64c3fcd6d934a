//! Notes what is about to be sent, before it is: so that a worker that was killed in between neither
//! makes anybody twice (M6) nor leaves roles behind that nobody knows to be ours (R4).

use std::collections::{BTreeMap, BTreeSet};

use plan::decide::{Action, Decision, Made, Part, Verdict};
use plan::guard;
use plan::ids::{ObjectId, PerKind, RecordId, RecordKind};
use plan::link::{Choice, Fields, Intent, Link};
use plan::relink::is_relinked;
use uuid::Uuid;

use super::apply::Worker;
use super::lookup::Batch;
use super::lost::keys_of_lost;
use super::{StepError, Trouble};
use crate::store::people::{Person, RecordOwner};
use crate::store::{Commit, Expect, StoreError, keys, put};

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
                    batch.decided.clear();
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
        let intents = batch.people.get(&id).map(|person| &person.value.link.intents);
        let intent = intents.and_then(|intents| intents.get(&sends));
        if intent.is_some_and(|intent| intent.epoch == epoch) {
            return Ok(None);
        }
        let mut own = self.intents_of(batch, id, epoch, self.guard()).0;
        for (kind, intent) in &mut own {
            intent.beside = beside.get(kind).cloned().unwrap_or_default();
        }
        if own.iter().all(|(kind, _)| *kind != sends) {
            return Ok(None);
        }
        // What the others need to be deactivated is not asked for here.
        let guard = PerKind::both(guard::Verdict::ReadIncomplete);
        let others = batch
            .people
            .iter()
            .filter(|(other, person)| **other != id && person.value.link.intents.is_empty())
            .filter(|(other, _)| !batch.unsure.contains(other))
            .filter(|(_, person)| !chose_another(&person.value.link))
            // By a plan only what was compared with it may be taken for meant.
            .filter(|_| !self.picked.is_plan());
        let others: Vec<ObjectId> = others.map(|(other, _)| *other).collect();
        let mut together = vec![(id, own)];
        for other in others {
            let (intents, decision) = self.intents_of(batch, other, epoch, guard);
            if intents.is_empty() {
                batch.unsure.insert(other);
            }
            if let Some(decision) = decision.filter(only_makes_a_user) {
                batch.decided.insert(other, decision);
            }
            together.push((other, intents));
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
                let keys = keys_of_lost(id, facts, self.rules, kind, &create.fields);
                let hits = self.halo.find(kind, &keys).await?;
                beside.insert(kind, hits.values().flatten().map(|hit| hit.record).collect());
            }
        }
        Ok(beside)
    }

    /// What is to be noted of a person, as far as the decision can be taken now, and the decision.
    fn intents_of(
        &self,
        batch: &Batch,
        id: ObjectId,
        epoch: Uuid,
        guard: PerKind<guard::Verdict>,
    ) -> (Vec<(RecordKind, Intent)>, Option<Decision>) {
        let Some(Verdict::Decided(decision)) = batch.ask(self.rules, guard, id) else {
            return (Vec::new(), None);
        };
        // Whom the guard holds for now may be let go when their turn comes.
        if decision.is_held() && guard != self.guard() {
            return (Vec::new(), None);
        }
        let noted = decision.parts().filter_map(|(kind, part)| Some((kind, intent(part, epoch)?)));
        (noted.collect(), Some(decision))
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
            (known.record, known.claims, known.made) = (None, None, Made::Nothing);
            for hit in known.hits.iter_mut().flat_map(|hits| hits.values_mut()).flatten() {
                if hit.record == agent {
                    hit.object_id = Some(person.to_string());
                }
            }
            return Ok(false);
        }
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

/// Whether a decision makes a user and touches nothing else, so that neither the guard nor another record
/// of the person has a say in it.
fn only_makes_a_user(decision: &Decision) -> bool {
    let is_made = |part: &Part| matches!(part.action, Action::Create(_));
    let is_none = |part: &Part| part.action == Action::NotInScope;
    decision.user.as_ref().is_some_and(is_made) && decision.agent.as_ref().is_none_or(is_none)
}

/// Whether an administrator chose that a record is made whoever fits.
fn chose_another(link: &Link) -> bool {
    link.choices.values().any(|choice| *choice == Choice::Create)
}

/// What has to be noted before a part is sent.
fn intent(part: &Part, epoch: Uuid) -> Option<Intent> {
    match &part.action {
        Action::Create(create) => {
            let (grants, licences) = (create.granted.clone(), create.licences.clone());
            let (fields, beside) = (create.fields.clone(), BTreeSet::new());
            let deactivates = false;
            Some(Intent { epoch, creates: true, fields, deactivates, grants, licences, beside })
        }
        Action::Write(write) if write.is_noted() => {
            let (grants, licences) = (write.given.clone(), write.linking.clone());
            let (deactivates, beside) = (write.deactivates_found(), BTreeSet::new());
            let (creates, fields) = (false, Fields::new());
            Some(Intent { epoch, creates, fields, deactivates, grants, licences, beside })
        }
        Action::Write(_)
        | Action::Unchanged
        | Action::NotInScope
        | Action::Conflict { .. }
        | Action::Held
        | Action::Invalid => None,
    }
}
