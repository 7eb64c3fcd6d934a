//! Apply: writes a segment's dirty people to Halo, one at a time, within the budget (T2, H2).

use std::collections::BTreeSet;

use jiff::SignedDuration;
use plan::decide::{Action, Decision, Known, Need, Rules, Verdict};
use plan::failure::{Failure, Kind, Next, Service};
use plan::guard;
use plan::ids::{ConnectionId, ObjectId, RecordKind, RunId, Segment};
use plan::matching::Hits;
use plan::message::Message;
use plan::placement;
use plan::tally::RunState;

use super::decide::{release, save};
use super::lookup::{Batch, Directory, other_claims};
use super::write::{Done, Recorder, Sent};
use super::{StepError, Trouble, finish};
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::index::Freshness;
use crate::halo::sites::{Resolved, WhenMissing};
use crate::halo::{Error, Halo};
use crate::meter::Meter;
use crate::store::runs::{HeldSegment, Phase, RunRecord, Stuck};
use crate::store::{Commit, StoreError, keys, put};

/// People loaded together; a kill repeats at most so many reads.
const BATCH: usize = 25;

/// A worker on a segment.
pub(super) struct Worker<'a> {
    pub(super) engine: &'a Engine,
    pub(super) halo: Halo,
    pub(super) meter: std::sync::Arc<Meter>,
    pub(super) directory: &'a Directory,
    pub(super) run: &'a RunRecord,
    pub(super) held: HeldSegment,
    /// People whose record was asked for in this step, whatever the answer.
    posted: BTreeSet<ObjectId>,
}

/// Writes a segment; whoever finishes the last one closes the run.
pub(super) async fn apply(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    segment: Segment,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(record) = engine.store.run(connection, run).await? else { return Ok(()) };
    if record.value.run.state != RunState::Applying {
        return Ok(());
    }
    let Some(directory) = Directory::load(engine, connection).await? else { return Ok(()) };
    let owner = engine.random.uuid();
    let lease = engine.lease_for(deadline);
    let held = engine.store.hold_segment(connection, run, segment, owner, lease).await?;
    let Some(held) = held else { return Ok(()) };
    let meter = std::sync::Arc::new(Meter::default());
    let halo = engine.halo.with_meter(meter.clone());
    let mut worker = Worker {
        engine,
        halo,
        meter,
        directory: &directory,
        run: &record.value,
        held,
        posted: BTreeSet::new(),
    };
    let again = Message::Apply { connection: connection.clone(), run, segment };
    match worker.work(deadline).await {
        Ok(Worked::All) => finish::close(engine, connection, run).await,
        Ok(Worked::SomeLeft) => {
            finish::touch(engine, connection, run, SignedDuration::ZERO).await?;
            Ok(engine.later(again, SignedDuration::ZERO).await?)
        }
        Err(Trouble::Ours(error)) => Err(error),
        Err(Trouble::Lost) => Ok(()),
        Err(Trouble::Outside(failure)) => worker.failed(&failure, again).await,
    }
}

enum Worked {
    All,
    SomeLeft,
}

impl Worker<'_> {
    async fn work(&mut self, deadline: Deadline) -> Result<Worked, Trouble> {
        if self.held.record.phase < Phase::Applying {
            self.held.record.phase = Phase::Applying;
            self.held.record.after = None;
        }
        let rules = Rules::new(&self.directory.document);
        while self.held.record.phase == Phase::Applying {
            let after = self.held.record.after.clone();
            let (ids, next) = self
                .engine
                .store
                .dirty(&self.held.connection, self.held.segment, after, BATCH)
                .await?;
            let mut batch = Batch::load(self.engine, &self.held.connection, ids.clone()).await?;
            // The index was complete when the run was decided; without it nobody new is written.
            let groups = &self.directory.groups;
            if !batch.look_up_matches(self.engine, &rules, groups, Freshness::Any).await? {
                release(self.engine, &mut self.held).await?;
                return Ok(Worked::SomeLeft);
            }
            let mut recorder = Recorder::default();
            for id in ids {
                if self.engine.is_near(deadline) {
                    recorder.flush(self).await?;
                    self.withdraw(&mut batch).await?;
                    release(self.engine, &mut self.held).await?;
                    return Ok(Worked::SomeLeft);
                }
                let before = self.held.record.stuck;
                if let Err(trouble) = self.person(&rules, &mut batch, &mut recorder, id).await {
                    // What was decided before the failure is kept.
                    recorder.flush(self).await?;
                    self.withdraw(&mut batch).await?;
                    return Err(trouble);
                }
                if self.held.record.stuck.is_none() || self.held.record.stuck == before {
                    self.held.record.attempts = 0;
                }
            }
            recorder.flush(self).await?;
            self.held.record.requests += self.meter.take();
            self.held.record.after.clone_from(&next);
            if next.is_none() {
                self.held.record.phase = Phase::Done;
                self.held.record.owner = None;
            }
            save(self.engine, &mut self.held).await?;
        }
        if self.held.record.owner.is_some() {
            release(self.engine, &mut self.held).await?;
        }
        Ok(Worked::All)
    }

    /// One person: decided with all that is known, and carried out.
    async fn person(
        &mut self,
        rules: &Rules<'_>,
        batch: &mut Batch,
        recorder: &mut Recorder,
        id: ObjectId,
    ) -> Result<(), Trouble> {
        let started = self.engine.clock.now();
        loop {
            // Without a record behind the mark there is nothing to decide.
            let Some(decision) = self.decide(rules, batch, id).await? else { return Ok(()) };
            let Some(person) = batch.people.get(&id) else { return Ok(()) };
            let sent = match &decision.action {
                Action::Unchanged
                | Action::NotInScope
                | Action::Conflict { .. }
                | Action::Held
                | Action::Invalid => Sent::Nothing,
                Action::Create { fields } => {
                    if person.value.creating.is_some()
                        && person.value.creating != self.held.epoch()
                        && self.look_for_lost_create(batch, id).await?
                    {
                        continue;
                    }
                    self.intend(rules, batch, id).await?;
                    let answer = self.halo.create(RecordKind::User, fields).await;
                    let may_have_acted = answer.as_ref().is_err_and(Error::may_have_acted);
                    let answer = Sent::created(answer);
                    if answer.is_ok() || may_have_acted {
                        self.posted.insert(id);
                    }
                    self.unless_stuck(id, answer)?
                }
                Action::Write(write) => {
                    let answer = self.halo.update(write.user, &write.changes, None).await;
                    let sent = self.unless_stuck(id, Sent::updated(answer))?;
                    if matches!(sent, Sent::Gone) {
                        forget(batch, id, write.user);
                        continue;
                    }
                    sent
                }
            };
            let done = Done { id, decision, sent, started };
            return recorder.add(self, batch, done).await;
        }
    }

    /// A record at which Halo fails every time is that person's trouble and not Halo's (T5).
    fn unless_stuck(
        &mut self,
        person: ObjectId,
        answer: Result<Sent, Trouble>,
    ) -> Result<Sent, Trouble> {
        let stuck = &mut self.held.record.stuck;
        let Err(Trouble::Outside(failure)) = &answer else {
            *stuck = None;
            return answer;
        };
        let before = stuck.filter(|stuck| stuck.person == person).map_or(0, |stuck| stuck.tries);
        let tries = before + 1;
        *stuck = Some(Stuck { person, tries });
        if failure.sticks_to_a_record(tries) {
            return Ok(Sent::Stuck(failure.sentence()));
        }
        answer
    }

    /// Asks `plan` until nothing more must be known.
    async fn decide(
        &mut self,
        rules: &Rules<'_>,
        batch: &mut Batch,
        id: ObjectId,
    ) -> Result<Option<Decision>, Trouble> {
        let guard = self.run.verdict.unwrap_or(guard::Verdict::ReadIncomplete);
        loop {
            let need = match batch.ask(rules, &self.directory.groups, guard, id) {
                None => return Ok(None),
                Some(Verdict::Decided(decision)) => return Ok(Some(decision)),
                Some(Verdict::Needs(need)) => need,
            };
            let known = batch.known.entry(id).or_default();
            match need {
                Need::Matches(keys) => {
                    known.hits = Some(self.halo.find(RecordKind::User, &keys).await?);
                }
                Need::Claims(user) => {
                    let others = other_claims(self.engine, &self.held.connection, user, id).await?;
                    known.claims = Some(others);
                }
                Need::Record(user, targets) => match self.halo.record(user, &targets).await? {
                    Some(record) => known.record = Some(record.fields),
                    None => forget(batch, id, user),
                },
                Need::Site(client, name) => {
                    let sites = self.halo.sites_by_name(placement::site_key);
                    match sites.resolve(client, &name, WhenMissing::Make).await? {
                        Resolved::Known(site) => known.site = Some(site),
                        Resolved::Missing | Resolved::BeingMade => return Err(being_made(&name)),
                    }
                }
            }
        }
    }

    /// Remembers that records are about to be made, before the first of them is (M6): this person's,
    /// and in the same transaction those of the others in the batch who will be made as well.
    async fn intend(
        &mut self,
        rules: &Rules<'_>,
        batch: &mut Batch,
        id: ObjectId,
    ) -> Result<(), Trouble> {
        let epoch = self.held.epoch();
        let meant = |batch: &Batch, other: ObjectId| {
            batch.people.get(&other).is_some_and(|person| person.value.creating == epoch)
        };
        if meant(batch, id) {
            return Ok(());
        }
        let guard = guard::Verdict::ReadIncomplete;
        let made = |other: &ObjectId| {
            let person = batch.people.get(other).filter(|person| person.value.creating.is_none());
            let verdict =
                person.and_then(|_| batch.ask(rules, &self.directory.groups, guard, *other));
            matches!(
                verdict,
                Some(Verdict::Decided(Decision { action: Action::Create { .. }, .. }))
            )
        };
        let mut together: Vec<ObjectId> = batch.people.keys().copied().filter(made).collect();
        together.retain(|other| *other != id);
        together.push(id);
        let mut writes = vec![self.held.save()?];
        for one in &together {
            let Some(person) = batch.people.get_mut(one) else { return Err(Trouble::Lost) };
            person.value.creating = epoch;
            let key = keys::person(&self.held.connection, *one);
            writes.push(put(key, &person.value, person.unchanged())?);
            person.version += 1;
        }
        match self.engine.store.commit(&writes).await? {
            Commit::Done => {
                self.held.saved();
                Ok(())
            }
            Commit::Conflict(0) => Err(Trouble::Lost),
            // Somebody wrote one of them meanwhile: the hint comes back and finds what there is.
            Commit::Conflict(_) => Err(Trouble::Ours(StepError::Store(StoreError {
                operation: "note who is about to be made",
                detail: "somebody else wrote one of the people at the same time".to_owned(),
            }))),
        }
    }

    /// Takes back what [`Worker::intend`] noted of people whose turn did not come, so that the next
    /// step need not look for them in Halo.
    async fn withdraw(&mut self, batch: &mut Batch) -> Result<(), Trouble> {
        let epoch = self.held.epoch();
        let mut writes = vec![self.held.check()];
        for (id, person) in &mut batch.people {
            if person.value.creating == epoch && epoch.is_some() && !self.posted.contains(id) {
                person.value.creating = None;
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

    /// An earlier worker meant to make this person's record and did not record it: looks in Halo.
    /// `true` = something was found, and the decision is to be taken again with it.
    async fn look_for_lost_create(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
    ) -> Result<bool, Trouble> {
        let Some(person) = batch.people.get(&id) else { return Ok(false) };
        let rows = &self.directory.document.user_matching;
        let keys = plan::matching::keys(id, &person.value.facts, rows);
        let hits: Hits = self.halo.find(RecordKind::User, &keys).await?;
        let known = batch.known.entry(id).or_default();
        let new = hits.values().flatten().next().is_some() && known.hits.as_ref() != Some(&hits);
        if new {
            *known = Known { hits: Some(hits), claims: Some(BTreeSet::new()), ..Known::default() };
        }
        Ok(new)
    }

    /// Halo failed as a whole: the one policy decides, here it is carried out.
    async fn failed(&mut self, failure: &Failure, again: Message) -> Result<(), StepError> {
        self.held.record.attempts += 1;
        let next = failure.next(self.held.record.attempts);
        self.held.record.requests += self.meter.take();
        let (connection, run) = (self.held.connection.clone(), self.held.run);
        match release(self.engine, &mut self.held).await {
            Ok(()) | Err(Trouble::Lost | Trouble::Outside(_)) => {}
            Err(Trouble::Ours(error)) => return Err(error),
        }
        match next {
            Next::Retry(delay) => {
                finish::touch(self.engine, &connection, run, delay).await?;
                Ok(self.engine.later(again, delay).await?)
            }
            Next::ReadAll | Next::EndRun | Next::Reauthorise => {
                finish::fail(self.engine, &connection, run, failure).await
            }
        }
    }
}

/// A Halo record that is not there any more is no hit and no link.
fn forget(batch: &mut Batch, id: ObjectId, user: plan::ids::RecordId) {
    if let Some(person) = batch.people.get_mut(&id)
        && person.value.link.as_ref().is_some_and(|link| link.user == user)
    {
        person.value.link = None;
    }
    let known = batch.known.entry(id).or_default();
    known.record = None;
    for hits in known.hits.iter_mut().flat_map(|hits| hits.values_mut()) {
        hits.retain(|hit| hit.user != user);
    }
}

/// Another worker makes the site at this moment (P6); it will be there soon.
fn being_made(name: &str) -> Trouble {
    let detail = "another worker makes it at this moment".to_owned();
    let operation = format!("use the site \"{name}\"");
    Failure { service: Service::Halo, operation, kind: Kind::Unavailable { detail } }.into()
}
