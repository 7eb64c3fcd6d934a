//! Records what became of people: link, log entry, counts and the dirty mark in one transaction, so
//! that each decision is counted and logged exactly once however often it is tried.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plan::decide::{Action, Decision, Verb};
use plan::facts::Facts;
use plan::failure::{Failure, parked_for};
use plan::ids::{ObjectId, RecordId, RecordKind};
use plan::link::{Activity, FieldChange, Link, LinkedBy, Target};
use plan::matching::{Hit, MatchKey};
use plan::tally::Counts;

use super::Trouble;
use super::apply::Worker;
use super::lookup::{Batch, other_claims};
use crate::halo::{Created, Error, Updated};
use crate::store::log::{Entry, HaloIds, OutcomeKind, PersonNames};
use crate::store::people::{Parked, Person};
use crate::store::{COMMIT_LIMIT, Commit, Expect, Versioned, Write, keys, put};

/// What Halo answered to a decision.
#[derive(Debug)]
pub(super) enum Sent {
    /// Nothing was sent.
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
            error @ (Error::Halo(_) | Error::Store(_)) => Err(error.into()),
        }
    }
}

/// A decision that was carried out, or turned out to need nothing.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) id: ObjectId,
    pub(super) decision: Decision,
    pub(super) sent: Sent,
    pub(super) started: Timestamp,
}

/// People whose outcome is to be stored: a few together, because each transaction waits for the disk
/// or the network. Killed in between, what Halo knows already is written again (an update), or found
/// by the object id (a create).
#[derive(Debug, Default)]
pub(super) struct Recorder {
    waiting: Vec<(Done, Versioned<Person>)>,
}

/// Writes for one person at the most: person, mark, retry, claim, entry and its facets.
const WRITES_EACH: usize = 12;

impl Recorder {
    /// Takes an outcome; stores what waits once a transaction is full.
    pub(super) async fn add(
        &mut self,
        worker: &mut Worker<'_>,
        batch: &Batch,
        done: Done,
    ) -> Result<(), Trouble> {
        let Some(person) = batch.people.get(&done.id).cloned() else { return Ok(()) };
        self.waiting.push((done, person));
        if (self.waiting.len() + 1) * WRITES_EACH >= COMMIT_LIMIT {
            return self.flush(worker).await;
        }
        Ok(())
    }

    /// Stores what waits. When somebody else wrote one of the people meanwhile, each is stored on its
    /// own, over what is there now.
    pub(super) async fn flush(&mut self, worker: &mut Worker<'_>) -> Result<(), Trouble> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let before = worker.held.record.clone();
        let mut settled = Vec::new();
        for (done, person) in &waiting {
            settled.push(settle(worker, done, person, &person.value.facts)?);
        }
        remember(worker, &settled).await?;
        if store(worker, &settled).await? {
            return drop_claims(worker, &settled).await;
        }
        worker.held.record = before;
        for (done, person) in waiting {
            store_alone(worker, &done, &person.value.facts).await?;
        }
        Ok(())
    }
}

/// A person as they will be stored, and what goes with them.
struct Settled {
    id: ObjectId,
    person: Versioned<Person>,
    writes: Vec<Write>,
    was_claiming: Option<RecordId>,
    /// Whether this outcome made the link.
    links: bool,
}

async fn store_alone(
    worker: &mut Worker<'_>,
    done: &Done,
    decided_on: &Facts,
) -> Result<(), Trouble> {
    loop {
        let found = worker.engine.store.person(&worker.held.connection, done.id).await?;
        let Some(person) = found else { return Ok(()) };
        let before = worker.held.record.clone();
        let settled = [settle(worker, done, &person, decided_on)?];
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

/// The person after the decision, the log entry, and the counts.
fn settle(
    worker: &mut Worker<'_>,
    done: &Done,
    person: &Versioned<Person>,
    decided_on: &Facts,
) -> Result<Settled, Trouble> {
    let connection = worker.held.connection.clone();
    let was = &person.value;
    let mut now = was.clone();
    let mut writes = Vec::new();
    let old_retry = was.parked.as_ref().and_then(|parked| parked.until);
    now.parked = parked(worker, done, was);
    match &done.sent {
        Sent::Created(_) | Sent::Written(_) => {
            now.link = link(done, now.link.as_ref()).or(now.link);
            now.creating = None;
        }
        // Refused means not made.
        Sent::Refused(_) => now.creating = None,
        Sent::Nothing | Sent::Gone | Sent::Stuck(_) => {}
    }
    let held = matches!(done.decision.action, Action::Held);
    if was.facts == *decided_on && !held {
        now.pending = None;
        let key = keys::dirty(&connection, done.id);
        writes.push(Write::Delete { key, expect: Expect::Anything });
    } else {
        worker.held.record.left += 1;
    }
    if let Some(until) = old_retry {
        let key = keys::retry(&connection, until, done.id);
        writes.push(Write::Delete { key, expect: Expect::Anything });
    }
    if let Some(until) = now.parked.as_ref().and_then(|parked| parked.until) {
        let key = keys::retry(&connection, until, done.id);
        writes.retain(|write| !matches!(write, Write::Delete { key: old, .. } if *old == key));
        writes.push(put(key, &(), Expect::Anything)?);
    }
    let was_claiming = was.claim.filter(|_| now.link.is_some());
    if was_claiming.is_some() {
        now.claim = None;
    }
    count(worker, done, was.link.as_ref(), now.link.as_ref());
    if !matches!(done.decision.action, Action::Unchanged) {
        let expires = worker.engine.clock.now().saturating_add(worker.engine.policy.log_retention);
        let entry = entry(worker, done, was, &now);
        writes.extend(entry.writes(expires.unwrap_or(Timestamp::MAX))?);
    }
    let person = Versioned { version: person.version, value: now };
    let links = linked_by(&done.decision).is_some() && person.value.link.is_some();
    Ok(Settled { id: done.id, person, writes, was_claiming, links })
}

/// The link after a write that Halo accepted; how it came to be stays as it was.
fn link(done: &Done, before: Option<&Link>) -> Option<Link> {
    let mapping = done.decision.mapping.clone();
    match (&done.decision.action, &done.sent) {
        (Action::Create { fields }, Sent::Created(created)) => Some(Link {
            user: created.id,
            how: LinkedBy::Created,
            activity: Activity::Active,
            image: fields.clone(),
            mapping,
        }),
        (Action::Write(write), Sent::Written(_)) => Some(Link {
            user: write.user,
            how: write.links.clone().or_else(|| Some(before?.how.clone()))?,
            activity: write.activity,
            image: write.image(),
            mapping,
        }),
        _ => None,
    }
}

/// Who waits, and for what (T5).
fn parked(worker: &Worker<'_>, done: &Done, was: &Person) -> Option<Parked> {
    let reasons = || {
        let sentences: Vec<String> =
            done.decision.reasons.iter().map(plan::explain::Reason::sentence).collect();
        sentences.join(" ")
    };
    let attempts = was.parked.as_ref().map_or(0, |parked| parked.attempts) + 1;
    match (&done.decision.action, &done.sent) {
        (_, Sent::Refused(sentence) | Sent::Stuck(sentence)) => {
            let until = worker.engine.clock.now().saturating_add(parked_for(attempts)).ok();
            Some(Parked { attempts, sentence: sentence.clone(), until })
        }
        // Wrong data and conflicts wait for somebody to change something.
        (Action::Invalid | Action::Conflict { .. }, _) => {
            Some(Parked { attempts, sentence: reasons(), until: None })
        }
        _ => None,
    }
}

fn count(worker: &mut Worker<'_>, done: &Done, before: Option<&Link>, after: Option<&Link>) {
    let record = &mut worker.held.record;
    record.requests += worker.meter.take();
    let Counts { failed, .. } = &mut record.counts;
    if let Sent::Refused(_) | Sent::Stuck(_) = done.sent {
        *failed += 1;
        return;
    }
    let counts = &mut record.counts;
    *match &done.decision.action {
        Action::Unchanged => &mut counts.unchanged,
        Action::NotInScope => &mut counts.not_in_scope,
        Action::Conflict { .. } => &mut counts.conflict,
        Action::Held => &mut counts.held,
        Action::Invalid => &mut counts.failed,
        Action::Create { .. } => &mut counts.created,
        Action::Write(write) => match write.verb {
            Verb::Update => &mut counts.updated,
            Verb::Reactivate => &mut counts.reactivated,
            Verb::Deactivate => &mut counts.deactivated,
        },
    } += 1;
    let active =
        |link: Option<&Link>| i64::from(link.is_some_and(|link| link.activity == Activity::Active));
    record.linked += active(after) - active(before);
}

fn entry(worker: &Worker<'_>, done: &Done, was: &Person, now: &Person) -> Entry {
    let time = worker.engine.clock.now();
    let (outcome, error) = match (&done.sent, &done.decision.action) {
        (Sent::Refused(sentence) | Sent::Stuck(sentence), _) => {
            (OutcomeKind::Failed, Some(sentence.clone()))
        }
        (_, Action::Invalid) => {
            (OutcomeKind::Failed, now.parked.as_ref().map(|parked| parked.sentence.clone()))
        }
        (_, Action::Conflict { .. } | Action::Held) => (OutcomeKind::Waiting, None),
        (_, Action::Unchanged | Action::NotInScope) => (OutcomeKind::Nothing, None),
        (_, Action::Create { .. } | Action::Write(_)) => (OutcomeKind::Done, None),
    };
    let warning = match &done.sent {
        Sent::Created(created) => created.warning.clone(),
        Sent::Written(warning) => warning.clone(),
        Sent::Nothing | Sent::Gone | Sent::Refused(_) | Sent::Stuck(_) => None,
    };
    let attempts = now.parked.as_ref().map_or(1, |parked| parked.attempts);
    let took = time.duration_since(done.started).as_millis().max(0);
    Entry {
        id: worker.engine.random.sortable(time),
        time,
        connection: worker.held.connection.clone(),
        run: worker.held.run,
        trigger: worker.run.run.trigger,
        person: PersonNames {
            id: done.id,
            user_principal_name: was.facts.user_principal_name().to_owned(),
            display_name: was.facts.display_name().to_owned(),
        },
        changed: was.pending.iter().flat_map(|pending| pending.changed.clone()).collect(),
        decision: done.decision.clone(),
        matched: linked_by(&done.decision),
        changes: changes(&done.decision),
        halo: HaloIds { user: now.link.as_ref().map(|link| link.user), agent: None },
        outcome,
        error,
        warning,
        attempts,
        duration_ms: u64::try_from(took).unwrap_or(u64::MAX),
    }
}

fn linked_by(decision: &Decision) -> Option<LinkedBy> {
    match &decision.action {
        Action::Create { .. } => Some(LinkedBy::Created),
        Action::Write(write) => write.links.clone(),
        Action::Unchanged
        | Action::NotInScope
        | Action::Conflict { .. }
        | Action::Held
        | Action::Invalid => None,
    }
}

fn changes(decision: &Decision) -> Vec<FieldChange> {
    match &decision.action {
        Action::Create { fields } => fields
            .iter()
            .map(|(field, after)| FieldChange {
                field: field.clone(),
                before: None,
                after: after.clone(),
            })
            .collect(),
        Action::Write(write) => write.changes.clone(),
        Action::Unchanged
        | Action::NotInScope
        | Action::Conflict { .. }
        | Action::Held
        | Action::Invalid => Vec::new(),
    }
}

/// The index learns of records that now carry an object id, before the link is stored: killed in
/// between, the repetition finds the record and links it again.
async fn remember(worker: &Worker<'_>, settled: &[Settled]) -> Result<(), Trouble> {
    for one in settled {
        let Some(link) = one.person.value.link.as_ref().filter(|_| one.links) else { continue };
        let oid = one.id.to_string();
        let named = link.image.iter().filter_map(|(target, value)| match target {
            Target::Field(name) => MatchKey::new(name, &value.to_string()),
            Target::Custom(_) => None,
        });
        let all: BTreeSet<MatchKey> =
            MatchKey::new("azureoid", &oid).into_iter().chain(named).collect();
        let inactive = link.activity != Activity::Active;
        let hit = Hit { user: link.user, object_id: Some(oid), inactive };
        worker.halo.index(RecordKind::User).remember(&hit, &all).await?;
    }
    Ok(())
}

/// A person who is linked now claims nobody any more; the others who hit the same record are looked
/// at again, since it is no longer theirs to claim.
async fn drop_claims(worker: &mut Worker<'_>, settled: &[Settled]) -> Result<(), Trouble> {
    for one in settled {
        let Some(user) = one.was_claiming else { continue };
        let connection = worker.held.connection.clone();
        let claim = keys::claim(&connection, user, one.id);
        worker
            .engine
            .store
            .write_all(&[Write::Delete { key: claim, expect: Expect::Anything }])
            .await?;
        let others = other_claims(worker.engine, &connection, user, one.id).await?;
        if !others.is_empty() {
            let check = worker.held.check();
            let marked =
                worker.engine.store.mark_dirty(&connection, &check, others, "claim").await?;
            if let crate::store::people::Fenced::Done(dirty) = marked {
                worker.held.record.left += dirty;
            }
        }
    }
    Ok(())
}
