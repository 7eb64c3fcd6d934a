//! Records what became of people: link, log entry, counts and the dirty mark in one transaction, so
//! that each decision is counted and logged exactly once however often it is tried.

mod settle;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plan::boards::SeatChange;
use plan::decide::{Action, Decision, Part};
use plan::failure::Failure;
use plan::ids::{ObjectId, PerKind, RecordId, RecordKind};
use plan::link::{Linked, LinkedBy, Target};
use plan::matching::{Hit, MatchKey};
use plan::preview::Moved;

use self::settle::{settle, why_it_stays};
use super::Trouble;
use super::apply::Worker;
use super::lookup::{Batch, other_claims};
use crate::halo::{Created, Error, Updated};
use crate::store::people::{Fenced, Person, RecordOwner};
use crate::store::{Commit, Expect, Key, Versioned, Write, decode, keys, put};

/// What Halo answered to a part of a decision.
#[derive(Debug, Default)]
pub(super) enum Sent {
    /// Nothing was sent.
    #[default]
    Nothing,
    /// A record was made.
    Created(Created),
    /// A record was written.
    Written(Option<String>),
    /// There is no such record any more.
    Gone,
    /// Halo refused this record; the text says why.
    Refused(String),
    /// Halo fails at this record every time; whether it did anything is not known.
    Stuck(String),
}

impl Sent {
    pub(super) fn created(answer: Result<Created, Error>) -> Result<Self, Trouble> {
        match answer {
            Ok(created) => Ok(Sent::Created(created)),
            Err(error) => Self::refused(error),
        }
    }

    pub(super) fn updated(answer: Result<Updated, Error>) -> Result<Self, Trouble> {
        match answer {
            Ok(Updated::Done { warning }) => Ok(Sent::Written(warning)),
            Ok(Updated::Gone) => Ok(Sent::Gone),
            Err(error) => Self::refused(error),
        }
    }

    fn refused(error: Error) -> Result<Self, Trouble> {
        match error {
            Error::Halo(failure) if failure.is_about_the_record() => {
                Ok(Sent::Refused(Failure::sentence(&failure)))
            }
            error @ (Error::Halo(_) | Error::Ours(_)) => Err(error.into()),
        }
    }

    /// Whether Halo did what was asked.
    fn is_done(&self) -> bool {
        matches!(self, Sent::Created(_) | Sent::Written(_))
    }

    /// Why it did not.
    fn trouble(&self) -> Option<&str> {
        match self {
            Sent::Refused(sentence) | Sent::Stuck(sentence) => Some(sentence),
            Sent::Nothing | Sent::Created(_) | Sent::Written(_) | Sent::Gone => None,
        }
    }

    /// What Halo remarked.
    fn warning(&self) -> Option<&str> {
        match self {
            Sent::Created(created) => created.warning.as_deref(),
            Sent::Written(warning) => warning.as_deref(),
            Sent::Nothing | Sent::Gone | Sent::Refused(_) | Sent::Stuck(_) => None,
        }
    }
}

/// What a record is to a person after Halo accepted a part; how the link came to be stays as it was.
/// `None` = Halo did not, or nothing was sent.
pub(super) fn linked_after(part: &Part, sent: &Sent, before: Option<&Linked>) -> Option<Linked> {
    let mapping = part.mapping.clone().or_else(|| before.and_then(|linked| linked.mapping.clone()));
    match (&part.action, sent) {
        (Action::Create(create), Sent::Created(created)) => Some(Linked {
            record: created.id,
            how: LinkedBy::Created,
            activity: create.activity,
            image: create.fields.clone(),
            mapping,
            granted: create.granted.clone(),
            licences: create.licences.clone(),
        }),
        (Action::Write(write), Sent::Written(_)) => Some(Linked {
            record: write.record,
            how: write.links.clone().or_else(|| Some(before?.how.clone()))?,
            activity: write.activity,
            image: write.image(),
            mapping,
            granted: write.granted.clone(),
            licences: write.licences.clone(),
        }),
        _ => None,
    }
}

/// A decision that was carried out, or turned out to need nothing.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) id: ObjectId,
    /// With the parts as they were when they were sent.
    pub(super) decision: Decision,
    pub(super) sent: PerKind<Sent>,
    started: Timestamp,
    /// The agent is done, the user record has to wait for another try.
    pub(super) is_partial: bool,
    /// Why nothing was sent, where the preview that is carried out showed something else (I2).
    moved: Option<String>,
}

impl Done {
    pub(super) fn new(id: ObjectId, started: Timestamp) -> Self {
        let (decision, sent) = (Decision::default(), PerKind::default());
        Self { id, decision, sent, started, is_partial: false, moved: None }
    }

    /// Takes over a newer decision; parts that were sent stay, and so do seats: whoever was new before
    /// they were written is not any more (R3).
    pub(super) fn take(&mut self, newer: Decision) {
        let old = std::mem::take(&mut self.decision);
        let kept = |sent: &Sent, old: Option<Part>, new| match sent {
            Sent::Nothing => new,
            Sent::Created(_)
            | Sent::Written(_)
            | Sent::Gone
            | Sent::Refused(_)
            | Sent::Stuck(_) => old,
        };
        let (seats, reasons) =
            if self.has_acted() { (old.seats, old.reasons) } else { (newer.seats, newer.reasons) };
        self.decision = Decision {
            user: kept(&self.sent.user, old.user, newer.user),
            agent: kept(&self.sent.agent, old.agent, newer.agent),
            seats,
            licence: None,
            tried: newer.tried,
            reasons,
        };
    }

    /// Takes over a decision that is not carried out, because the preview showed another.
    pub(super) fn refuse(&mut self, decision: Decision, moved: &[Moved]) {
        self.decision = decision;
        self.moved = Some(plan::preview::sentence(moved));
    }

    /// Whether the preview that is carried out showed something else.
    pub(super) fn is_moved(&self) -> bool {
        self.moved.is_some()
    }

    /// Takes over what was sent.
    pub(super) fn carried(&mut self, kind: RecordKind, part: Part, sent: Sent) {
        *self.sent.of_mut(kind) = sent;
        match kind {
            RecordKind::User => self.decision.user = Some(part),
            RecordKind::Agent => self.decision.agent = Some(part),
        }
    }

    /// Whether anything was changed in Halo.
    pub(super) fn has_acted(&self) -> bool {
        self.sent.user.is_done() || self.sent.agent.is_done()
    }

    /// Whether this made a link of that kind.
    fn links(&self, kind: RecordKind) -> bool {
        let part = self.decision.of(kind).filter(|part| part.linked_by().is_some());
        part.is_some() && self.sent.of(kind).is_done()
    }

    /// What went wrong, of both records.
    fn trouble(&self) -> Option<String> {
        let sent = [self.sent.agent.trouble(), self.sent.user.trouble()];
        let told: Vec<&str> = sent.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join(" "))
    }

    /// What Halo remarked, of both records.
    fn warning(&self) -> Option<String> {
        let sent = [self.sent.agent.warning(), self.sent.user.warning()];
        let told: Vec<&str> = sent.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join(" "))
    }
}

/// People whose outcome is to be stored: a few together, because each transaction waits for the disk
/// or the network. Killed in between, what Halo knows already is written again (an update), or found
/// by the object id or by what was noted before (a create).
#[derive(Debug, Default)]
pub(super) struct Recorder {
    waiting: Vec<(Done, Versioned<Person>)>,
    /// Writes at the most that record them.
    writes: usize,
}

impl Recorder {
    /// Takes an outcome; stores what waits once a transaction is full.
    pub(super) async fn add(
        &mut self,
        worker: &mut Worker<'_>,
        batch: &mut Batch,
        done: Done,
    ) -> Result<(), Trouble> {
        // Nobody asks for them again: their turn is over.
        let Some(person) = batch.people.remove(&done.id) else { return Ok(()) };
        // The first write is the segment's.
        let room = worker.engine.store.commit_limit() - 1;
        let needed = most_writes(&done, &person.value);
        if self.writes + needed > room {
            self.flush(worker).await?;
        }
        self.writes += needed;
        self.waiting.push((done, person));
        Ok(())
    }

    /// Stores what waits. When somebody else wrote one of the people meanwhile, each is stored on its
    /// own, over what is there now.
    pub(super) async fn flush(&mut self, worker: &mut Worker<'_>) -> Result<(), Trouble> {
        let Self { waiting, .. } = std::mem::take(self);
        if waiting.is_empty() {
            return Ok(());
        }
        wake_reports(worker, &waiting).await?;
        let before = worker.held.record.clone();
        let owners = owners(worker, waiting.iter().map(|(done, _)| done)).await?;
        let mut settled = Vec::new();
        for (done, person) in &waiting {
            settled.push(settle(worker, done, person, &person.value, &owners)?);
        }
        remember(worker, &settled).await?;
        if store(worker, &settled).await? {
            return drop_claims(worker, &settled).await;
        }
        worker.held.record = before;
        for (done, person) in waiting {
            store_alone(worker, &done, &person.value).await?;
        }
        Ok(())
    }
}

/// Writes at the most that record an outcome.
fn most_writes(done: &Done, person: &Person) -> usize {
    // Person, mark, entry with its four facets, and one for each mapping that placed a record.
    const ALWAYS: usize = 2 + 5;
    // Two of a retry, held, conflict.
    const WAITING: usize = 4;
    let was_waiting = person.parked.is_some() || person.held.is_some() || person.conflict.is_some();
    let is_settled = |part: &Part| part.action.writes() || part.action == Action::Unchanged;
    let waits = was_waiting
        || done.trouble().is_some()
        || why_it_stays(&done.decision).next().is_some()
        || !done.decision.parts().all(|(_, part)| is_settled(part));
    let waiting = if waits { WAITING } else { 0 };
    // Each kind may have a mapping, and an agent an owner.
    ALWAYS + waiting + RecordKind::ALL.len() + 1 + done.decision.seats.len()
}

/// A person as they will be stored, and what goes with them.
struct Settled {
    id: ObjectId,
    person: Versioned<Person>,
    writes: Vec<Write>,
    /// Records that were claimed and are linked now.
    were_claimed: Vec<RecordId>,
    /// Records whose link this outcome made.
    links: Vec<RecordKind>,
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
        let settled = [settle(worker, done, &person, decided_on, &owners)?];
        if store(worker, &settled).await? {
            return drop_claims(worker, &settled).await;
        }
        worker.held.record = before;
    }
}

/// One transaction: the segment's record with the counts, and all the people. `false` = one of the
/// people was written by somebody else; nothing was stored.
async fn store(worker: &mut Worker<'_>, settled: &[Settled]) -> Result<bool, Trouble> {
    let mut writes = vec![worker.held.save()?];
    for one in settled {
        let key = keys::person(&worker.held.connection, one.id);
        writes.push(put(key, &one.person.value, one.person.unchanged())?);
        writes.extend(one.writes.iter().cloned());
    }
    match worker.engine.store.commit(&writes).await? {
        Commit::Done => {
            worker.held.saved();
            Ok(true)
        }
        Commit::Conflict(0) => Err(Trouble::Lost),
        Commit::Conflict(_) => Ok(false),
    }
}

/// Whose the agents are that are about to be linked, as far as anybody's (M2).
type Owners = BTreeMap<RecordId, Versioned<RecordOwner>>;

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
        let named = linked.image.iter().filter_map(|(target, value)| match target {
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
fn seat_record(change: &SeatChange, person: &Person) -> Option<RecordId> {
    match change.to {
        plan::boards::SeatMove::Join { kind, .. } => Some(person.link.of(kind)?.record),
        plan::boards::SeatMove::Leave => Some(person.link.seats.get(&change.cab)?.record),
    }
}
