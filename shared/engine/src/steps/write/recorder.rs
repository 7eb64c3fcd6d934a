//! Stores what became of people: a few together, because each transaction waits for the disk or the
//! network.

use std::collections::{BTreeMap, BTreeSet};

use plan::boards::SeatChange;
use plan::decide::{Action, Part};
use plan::ids::{ObjectId, RecordId, RecordKind};
use plan::link::{Linked, LinkedBy, Target};
use plan::matching::{Hit, MatchKey};

use super::settle::{Told, settle, why_it_stays};
use super::{Done, linked_after};
use crate::steps::Trouble;
use crate::steps::apply::Worker;
use crate::steps::lookup::{Batch, other_claims};
use crate::store::people::{Fenced, Person, RecordOwner};
use crate::store::{Commit, Expect, Key, Versioned, Write, decode, keys, put};

/// People whose outcome is to be stored: a few together, because each transaction waits for the disk
/// or the network. Killed in between, what Halo knows already is written again (an update), or found
/// by the object id or by what was noted before (a create).
#[derive(Debug, Default)]
pub(in crate::steps) struct Recorder {
    waiting: Vec<Waiting>,
    /// Writes that usually record them.
    writes: usize,
}

/// An outcome, and the person that was decided on.
type Waiting = (Done, Versioned<Person>);

impl Recorder {
    /// Takes an outcome; stores what waits once a transaction is full.
    pub(in crate::steps) async fn add(
        &mut self,
        worker: &mut Worker<'_>,
        batch: &mut Batch,
        done: Done,
    ) -> Result<(), Trouble> {
        // The segment, a few sheets of the log and their places in its lists.
        const SHARED: usize = 20;
        // Nobody asks for them again: their turn is over.
        let Some(person) = batch.people.remove(&done.id) else { return Ok(()) };
        let room = worker.engine.store.commit_limit() - SHARED;
        let needed = usual_writes(&done, &person.value);
        if self.writes + needed > room {
            self.flush(worker).await?;
        }
        self.writes += needed;
        self.waiting.push((done, person));
        Ok(())
    }

    /// Stores what waits: together as far as one transaction takes it. When somebody else wrote one of
    /// the people meanwhile, each is stored on its own, over what is there now.
    pub(in crate::steps) async fn flush(&mut self, worker: &mut Worker<'_>) -> Result<(), Trouble> {
        let Self { waiting, .. } = std::mem::take(self);
        if waiting.is_empty() {
            return Ok(());
        }
        wake_reports(worker, &waiting).await?;
        let owners = owners(worker, waiting.iter().map(|(done, _)| done)).await?;
        worker.held.record.requests += worker.meter.take();
        let mut parts = vec![waiting.as_slice()];
        while let Some(part) = parts.pop() {
            let before = worker.held.record.clone();
            let together = together(worker, part, &owners)?;
            if together.writes.len() > worker.engine.store.commit_limit() && part.len() > 1 {
                worker.held.record = before;
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
                continue;
            }
            remember(worker, &together.people).await?;
            if store(worker, &together).await? {
                drop_claims(worker, &together.people).await?;
                continue;
            }
            worker.held.record = before;
            for (done, person) in part {
                store_alone(worker, done, &person.value).await?;
            }
        }
        Ok(())
    }
}

/// Writes that record an outcome, beside what it shares with others.
fn usual_writes(done: &Done, person: &Person) -> usize {
    // Person, mark, and the place in the list of the person's entries.
    const ALWAYS: usize = 3;
    // Two of a retry, held, conflict.
    const WAITING: usize = 4;
    let was_waiting = person.parked.is_some() || person.held.is_some() || person.conflict.is_some();
    let is_settled = |part: &Part| part.action.writes() || part.action == Action::Unchanged;
    let waits = was_waiting
        || done.trouble().is_some()
        || done.decision.is_held()
        || why_it_stays(&done.decision).next().is_some()
        || !done.decision.parts().all(|(_, part)| is_settled(part));
    let waiting = if waits { WAITING } else { 0 };
    // An agent has an owner.
    let owner = usize::from(done.decision.agent.is_some());
    ALWAYS + waiting + owner + done.decision.seats.len()
}

/// People who are stored in one transaction.
struct Together {
    people: Vec<Settled>,
    /// All of it; the first is the segment's record with the counts.
    writes: Vec<Write>,
}

/// Settles people on what they were decided on, the segment's counts included.
fn together(
    worker: &mut Worker<'_>,
    part: &[Waiting],
    owners: &Owners,
) -> Result<Together, Trouble> {
    let mut told = Told::now(worker.engine);
    let mut people = Vec::with_capacity(part.len());
    for (done, person) in part {
        people.push(settle(worker, done, person, &person.value, owners, &mut told)?);
    }
    Together::of(worker, people, &told)
}

impl Together {
    fn of(worker: &mut Worker<'_>, mut people: Vec<Settled>, told: &Told) -> Result<Self, Trouble> {
        let mut writes = vec![worker.held.save()?];
        for one in &mut people {
            let key = keys::person(&worker.held.connection, one.id);
            writes.push(put(key, &one.person.value, one.person.unchanged())?);
            writes.append(&mut one.writes);
        }
        writes.extend(told.writes(worker)?);
        Ok(Self { people, writes })
    }
}

/// A person as they will be stored, and what goes with them.
pub(super) struct Settled {
    pub(super) id: ObjectId,
    pub(super) person: Versioned<Person>,
    pub(super) writes: Vec<Write>,
    /// Records that were claimed and are linked now.
    pub(super) were_claimed: Vec<RecordId>,
    /// Records whose link this outcome made.
    pub(super) links: Vec<RecordKind>,
}

async fn store_alone(
    worker: &mut Worker<'_>,
    done: &Done,
    decided_on: &Person,
) -> Result<(), Trouble> {
    loop {
        let found = worker.engine.store.person(&worker.held.connection, done.id).await?;
        let Some(person) = found else { return Ok(()) };
        let before = worker.held.record.clone();
        let owners = owners(worker, std::iter::once(done)).await?;
        let mut told = Told::now(worker.engine);
        let settled = settle(worker, done, &person, decided_on, &owners, &mut told)?;
        let alone = Together::of(worker, vec![settled], &told)?;
        if store(worker, &alone).await? {
            return drop_claims(worker, &alone.people).await;
        }
        worker.held.record = before;
    }
}

/// One transaction. `false` = one of the people was written by somebody else; nothing was stored.
async fn store(worker: &mut Worker<'_>, together: &Together) -> Result<bool, Trouble> {
    match worker.engine.store.commit(&together.writes).await? {
        Commit::Done => {
            worker.held.saved();
            Ok(true)
        }
        Commit::Conflict(0) => Err(Trouble::Lost),
        Commit::Conflict(_) => Ok(false),
    }
}

/// Whose the agents are that are about to be linked, as far as anybody's (M2).
pub(super) type Owners = BTreeMap<RecordId, Versioned<RecordOwner>>;

async fn owners(worker: &Worker<'_>, done: impl Iterator<Item = &Done>) -> Result<Owners, Trouble> {
    let linking = done.filter_map(|done| {
        let part = done.decision.agent.as_ref()?;
        part.linked_by()?;
        Some(linked_after(part, &done.sent.agent, None)?.record)
    });
    let linking: BTreeSet<RecordId> = linking.collect();
    let places: Vec<Key> = linking.iter().map(|agent| keys::agent_owner(*agent)).collect();
    let found = worker.engine.store.get(&places).await?;
    let owned = linking.into_iter().zip(found).filter_map(|(id, record)| Some((id, record?)));
    owned.map(|(id, record)| Ok((id, decode(&record)?))).collect()
}

/// The index learns of records that now belong to somebody, before the link is stored: killed in
/// between, the repetition finds the record and links it again.
async fn remember(worker: &Worker<'_>, settled: &[Settled]) -> Result<(), Trouble> {
    let mut ours: BTreeMap<RecordKind, Vec<(Hit, BTreeSet<MatchKey>)>> = BTreeMap::new();
    for (id, linked) in settled.iter().flat_map(Settled::newly_linked) {
        let oid = id.to_string();
        // A user that was made with the object id stood nowhere before, and is found by nothing else (M2).
        let is_found_otherwise =
            linked.record.kind == RecordKind::Agent || linked.how != LinkedBy::Created;
        let fields = linked.image.iter().filter(|_| is_found_otherwise);
        let named = fields.filter_map(|(target, value)| match target {
            Target::Field(name) => MatchKey::new(name, &value.to_string()),
            Target::Custom(_) => None,
        });
        let keys = MatchKey::new("azureoid", &oid).into_iter().chain(named).collect();
        let inactive = !linked.activity.is_active();
        let hit = Hit { record: linked.record, object_id: Some(oid), inactive };
        ours.entry(linked.record.kind).or_default().push((hit, keys));
    }
    for (kind, ours) in ours {
        worker.halo.index(kind).remember(&ours).await?;
    }
    Ok(())
}

impl Settled {
    fn newly_linked(&self) -> impl Iterator<Item = (ObjectId, &Linked)> {
        self.links.iter().filter_map(|kind| Some((self.id, self.person.value.link.of(*kind)?)))
    }
}

/// Somebody became an agent: whoever reports to them may name that agent now (F6). Marked before the
/// link is stored: killed in between, the repetition links and marks again. Those who are about to be
/// stored themselves are marked as well; they are stored one by one then.
async fn wake_reports(
    worker: &mut Worker<'_>,
    waiting: &[(Done, Versioned<Person>)],
) -> Result<(), Trouble> {
    if !worker.rules.points_at_managers() {
        return Ok(());
    }
    for (done, _) in waiting.iter().filter(|(done, _)| done.links(RecordKind::Agent)) {
        let reports = keys::reports_of(&worker.held.connection, done.id);
        let reports = worker.engine.store.all_of(&reports).await?;
        mark(worker, reports, "manager.agent").await?;
    }
    Ok(())
}

async fn mark(worker: &mut Worker<'_>, people: Vec<ObjectId>, cause: &str) -> Result<(), Trouble> {
    if people.is_empty() {
        return Ok(());
    }
    let (connection, check) = (worker.held.connection.clone(), worker.held.check());
    match worker.engine.store.mark_dirty(&connection, &check, people, cause).await? {
        Fenced::Done(dirty) => worker.held.record.left += dirty,
        Fenced::Lost => return Err(Trouble::Lost),
    }
    Ok(())
}

/// A person who is linked now claims nobody any more; the others who hit the same record are looked
/// at again, since it is no longer theirs to claim.
async fn drop_claims(worker: &mut Worker<'_>, settled: &[Settled]) -> Result<(), Trouble> {
    for one in settled {
        for record in &one.were_claimed {
            let connection = worker.held.connection.clone();
            let claim = keys::claim(&connection, *record, one.id);
            let write = Write::Delete { key: claim, expect: Expect::Anything };
            worker.engine.store.write_all(&[write]).await?;
            let others = other_claims(worker.engine, &connection, *record, one.id).await?;
            mark(worker, others.into_iter().collect(), "claim").await?;
        }
    }
    Ok(())
}

/// A change of a seat with its board, for people whose record is known.
pub(super) fn seat_record(change: &SeatChange, person: &Person) -> Option<RecordId> {
    match change.to {
        plan::boards::SeatMove::Join { kind, .. } => Some(person.link.of(kind)?.record),
        plan::boards::SeatMove::Leave => Some(person.link.seats.get(&change.cab)?.record),
    }
}
