//! Apply: writes a segment's dirty people to Halo, one at a time, within the budget (T2, H2).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use plan::decide::{Action, Decision, Made, Need, Part, Verdict};
use plan::failure::{Failure, Kind, Next, Service};
use plan::guard;
use plan::ids::{
    ClientId, ConnectionId, ObjectId, PerKind, RecordId, RecordKind, RunId, Segment, SiteId,
};
use plan::message::Message;
use plan::placement;
use plan::preview::Planned;
use plan::rules::Rules;
use plan::tally::RunState;

use super::decide::{release, save};
use super::lookup::{Batch, Directory, other_claims};
use super::picked::Picked;
use super::write::{Done, Recorder, Sent, linked_after};
use super::{StepError, Trouble, finish};
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::index::Freshness;
use crate::halo::sites::{Resolved, WhenMissing};
use crate::halo::{Error, Halo, Pace, Priority};
use crate::meter::Meter;
use crate::store::leases::Fence;
use crate::store::runs::{Extent, HeldSegment, Phase, RunRecord, Stuck};
use crate::store::{Commit, keys};

/// People loaded together where Halo takes its time; a kill repeats at most so many reads.
const BATCH: usize = 25;
/// The same where Halo takes as many requests as it gets, as far as one commit notes them all.
const LARGE_BATCH: usize = 100;
/// How often a site is looked for that another worker is making, before the segment waits for it.
const LOOKS_FOR_A_SITE: u32 = 10;
/// Between two looks.
const SITE_PAUSE: Duration = Duration::from_millis(100);
/// How long a worker may keep the agents to itself while it deactivates one (R7).
const AGENTS_LEASE: SignedDuration = SignedDuration::from_mins(2);

/// A worker on a segment.
pub(super) struct Worker<'a> {
    pub(super) engine: &'a Engine,
    pub(super) halo: Halo,
    pub(super) meter: std::sync::Arc<Meter>,
    pub(super) rules: &'a Rules<'a>,
    pub(super) run: &'a RunRecord,
    pub(super) held: HeldSegment,
    /// Whom the run is about.
    pub(super) picked: Picked,
    /// What a preview showed of the people of the present batch, where one is carried out (I2).
    pub(super) planned: BTreeMap<ObjectId, Planned>,
    /// Names of the sites to which people of the present batch go.
    pub(super) sites: BTreeMap<ObjectId, String>,
    /// Records that were asked for in this step, whatever the answer.
    pub(super) posted: BTreeSet<(ObjectId, RecordKind)>,
    /// Held while an agent is deactivated.
    agents: Option<Fence>,
}

/// Writes a segment; whoever finishes the last one closes the run.
pub(super) async fn apply(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    segment: Segment,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(record) = engine.run_at_work(connection, run).await? else { return Ok(()) };
    if record.value.run.state != RunState::Applying {
        return Ok(());
    }
    let Some(directory) = Directory::load(engine, connection).await? else { return Ok(()) };
    let picked = Picked::of(engine, &record.value).await?;
    let owner = engine.random.uuid();
    let (lease, first) = (engine.lease_for(deadline), picked.first_phase());
    let held = engine.store.hold_segment(connection, run, segment, owner, lease, first).await?;
    let Some(held) = held else { return Ok(()) };
    let meter = std::sync::Arc::new(Meter::default());
    let priority = match record.value.extent {
        // Somebody waits for it (H2).
        Extent::Named => Priority::Manual,
        Extent::Everybody | Extent::Licences | Extent::Plan { .. } | Extent::Preview { .. } => {
            Priority::Background
        }
    };
    let halo = engine.halo_until(deadline, &meter).with_priority(priority);
    let rules = directory.rules(record.value.scope(&directory.document));
    let mut worker = Worker {
        engine,
        halo,
        meter,
        rules: &rules,
        run: &record.value,
        held,
        picked,
        planned: BTreeMap::new(),
        sites: BTreeMap::new(),
        posted: BTreeSet::new(),
        agents: None,
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
        let most = match self.halo.pace() {
            Pace::Limited => BATCH,
            Pace::Unlimited => LARGE_BATCH.min(self.engine.store.commit_limit() / 4),
        };
        while self.held.record.phase == Phase::Applying {
            let after = self.held.record.after.clone();
            let store = &self.engine.store;
            let (ids, next) =
                store.dirty(&self.held.connection, self.held.segment, after, most).await?;
            let (ids, planned) = self.picked.among(self.engine, ids).await?;
            (self.planned, self.sites) = (planned, BTreeMap::new());
            let mut batch = Batch::load(self.engine, &self.held.connection, ids.clone()).await?;
            // The index was complete when the run was decided; without it nobody new is written.
            if !batch.look_up_matches(self.engine, self.rules, Freshness::Any).await? {
                release(self.engine, &mut self.held).await?;
                return Ok(Worked::SomeLeft);
            }
            self.look_up_sites(&mut batch).await?;
            let mut recorder = Recorder::default();
            for id in ids {
                if self.engine.is_near(deadline) {
                    recorder.flush(self).await?;
                    self.withdraw(&mut batch).await?;
                    release(self.engine, &mut self.held).await?;
                    return Ok(Worked::SomeLeft);
                }
                let before = self.held.record.stuck;
                if let Err(trouble) = self.person(&mut batch, &mut recorder, id).await {
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

    /// One person: decided with all that is known, carried out and recorded. What was done before a
    /// failure is recorded as well, and the rest is left for another time.
    async fn person(
        &mut self,
        batch: &mut Batch,
        recorder: &mut Recorder,
        id: ObjectId,
    ) -> Result<(), Trouble> {
        let mut done = Done::new(id, self.engine.clock.now());
        let carried = self.carry_out(batch, &mut done).await;
        self.free_agents().await?;
        match carried {
            // Without a record behind the mark there is nothing to decide.
            Ok(()) if !batch.people.contains_key(&id) => Ok(()),
            // Counted by this run already, before a worker was killed.
            Ok(()) if done.is_moved() && self.was_refused(batch, id) => Ok(()),
            Ok(()) => recorder.add(self, batch, done).await,
            Err(trouble) => {
                if done.has_acted() {
                    done.is_partial = true;
                    recorder.add(self, batch, done).await?;
                }
                Err(trouble)
            }
        }
    }

    /// Carries out the agent part, then the user part, which may name the agent. After each write the
    /// decision is taken again from what is known then.
    async fn carry_out(&mut self, batch: &mut Batch, done: &mut Done) -> Result<(), Trouble> {
        let id = done.id;
        loop {
            let Some(decision) = self.decide(batch, id).await? else { return Ok(()) };
            if !done.has_acted() {
                let moved = self.compare(batch, id, &decision).await?;
                if !moved.is_empty() {
                    done.refuse(decision, &moved);
                    return Ok(());
                }
            }
            let next = [RecordKind::Agent, RecordKind::User].into_iter().find_map(|kind| {
                let part = decision.of(kind).filter(|part| part.action.writes())?;
                matches!(done.sent.of(kind), Sent::Nothing).then(|| (kind, part.clone()))
            });
            done.take(decision);
            let Some((kind, part)) = next else { return Ok(()) };
            let Some(sent) = self.send(batch, id, kind, &part).await? else { continue };
            if kind == RecordKind::User {
                done.carried(kind, part, sent);
                return Ok(());
            }
            let before = batch.people.get(&id).map(|person| person.value.link.clone());
            let mut link = batch.written.remove(&id).or(before).unwrap_or_default();
            if let Some(linked) = linked_after(&part, &sent, link.of(kind)) {
                *link.of_mut(kind) = Some(linked);
                // What came of it is known, so that nothing has to be looked up in Halo (H3).
                link.intents.remove(&kind);
            }
            batch.wrote(id, link);
            done.carried(kind, part, sent);
        }
    }

    /// Sends one part. `None` = the record is gone or somebody else's: decide again.
    async fn send(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        kind: RecordKind,
        part: &Part,
    ) -> Result<Option<Sent>, Trouble> {
        match &part.action {
            Action::Create(create) => {
                self.intend(batch, id, kind).await?;
                let answer = self.halo.create(kind, &create.fields).await;
                let may_have_acted = answer.as_ref().is_err_and(Error::may_have_acted);
                let answer = Sent::created(answer);
                if answer.is_ok() || may_have_acted {
                    self.posted.insert((id, kind));
                }
                self.unless_stuck(id, answer).map(Some)
            }
            Action::Write(write) => {
                let finds = kind == RecordKind::Agent && write.links.is_some();
                if finds && !self.own_agent(batch, id, write.record).await? {
                    return Ok(None);
                }
                if write.is_noted() {
                    self.intend(batch, id, kind).await?;
                    self.posted.insert((id, kind));
                }
                let kept = batch.kept.remove(&write.record);
                let answer = self.halo.update(write.record, &write.changes, kept.as_ref()).await;
                let sent = self.unless_stuck(id, Sent::updated(answer))?;
                if matches!(sent, Sent::Gone) {
                    forget(batch, id, write.record);
                    return Ok(None);
                }
                Ok(Some(sent))
            }
            Action::Unchanged
            | Action::NotInScope
            | Action::Conflict { .. }
            | Action::Held
            | Action::Invalid => Ok(Some(Sent::Nothing)),
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

    /// What the guard said when the run was decided.
    pub(super) fn guard(&self) -> PerKind<guard::Verdict> {
        self.run.verdict.unwrap_or_else(|| PerKind::both(guard::Verdict::ReadIncomplete))
    }

    /// Asks `plan` until nothing more must be known.
    async fn decide(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
    ) -> Result<Option<Decision>, Trouble> {
        if let Some(decision) = batch.decided.remove(&id) {
            return Ok(Some(decision));
        }
        loop {
            let need = match batch.ask(self.rules, self.guard(), id) {
                None => return Ok(None),
                Some(Verdict::Decided(decision)) => return Ok(Some(decision)),
                Some(Verdict::Needs(need)) => need,
            };
            self.answer(batch, id, need).await?;
        }
    }

    async fn answer(&mut self, batch: &mut Batch, id: ObjectId, need: Need) -> Result<(), Trouble> {
        let known = batch.known.entry(id).or_default();
        match need {
            Need::Matches(kind, keys) => {
                known.records.of_mut(kind).hits = Some(self.halo.find(kind, &keys).await?);
            }
            Need::Made(kind) => self.answer_made(batch, id, kind).await?,
            Need::Claims(record) => {
                let others = other_claims(self.engine, &self.held.connection, record, id).await?;
                known.records.of_mut(record.kind).claims = Some(others);
            }
            Need::Record(record, targets) => match self.halo.record(record, &targets).await? {
                Some(found) => {
                    known.records.of_mut(record.kind).record = Some(found.fields);
                    batch.kept.insert(record, found.kept);
                }
                None => forget(batch, id, record),
            },
            Need::Standing(record) => {
                self.hold_agents().await?;
                let standing = self.halo.standing(record).await?;
                known.records.of_mut(record.kind).standing = Some(standing);
            }
            Need::Site(client, name) => {
                known.site = Some(self.site(client, &name).await?);
                self.sites.insert(id, name);
            }
        }
        Ok(())
    }

    /// Which site a name is; made where there is none (P6).
    async fn site(&self, client: ClientId, name: &str) -> Result<SiteId, Trouble> {
        let sites = self.halo.sites_by_name(placement::site_key);
        for _ in 0..LOOKS_FOR_A_SITE {
            match sites.resolve(client, name, WhenMissing::Make).await? {
                Resolved::Known(site) => return Ok(site),
                Resolved::Missing => break,
                // Another worker makes it at this moment; it will be there soon.
                Resolved::BeingMade => self.engine.clock.sleep(SITE_PAUSE).await,
            }
        }
        Err(busy(&format!("use the site \"{name}\"")))
    }

    /// Answers which sites people go to, as far as the book has them (P6): whoever waits for nothing else
    /// can be noted together with the others of the batch.
    async fn look_up_sites(&mut self, batch: &mut Batch) -> Result<(), Trouble> {
        let book = self.halo.sites_by_name(placement::site_key);
        let mut sites = BTreeMap::new();
        let ids: Vec<ObjectId> = batch.people.keys().copied().collect();
        for id in ids {
            let asked = batch.ask(self.rules, self.guard(), id);
            let Some(Verdict::Needs(Need::Site(client, name))) = asked else { continue };
            let site = match sites.get(&(client, name.clone())) {
                Some(site) => *site,
                None => book.in_book(client, &name).await?,
            };
            sites.insert((client, name.clone()), site);
            if let Some(site) = site {
                batch.known.entry(id).or_default().site = Some(site);
                self.sites.insert(id, name);
            }
        }
        Ok(())
    }

    /// Keeps other workers from deactivating agents until this one's answer is there: two of them
    /// must not take the last two administrators at once (R7).
    async fn hold_agents(&mut self) -> Result<(), Trouble> {
        if self.agents.is_some() {
            return Ok(());
        }
        let owner = self.engine.random.uuid();
        let key = keys::agents_lease();
        self.agents = self.engine.store.acquire(&key, owner, AGENTS_LEASE).await?;
        if self.agents.is_some() { Ok(()) } else { Err(busy("deactivate an agent")) }
    }

    async fn free_agents(&mut self) -> Result<(), Trouble> {
        if let Some(fence) = self.agents.take() {
            // Lost, it is somebody else's by now.
            let _: Commit = self.engine.store.commit(&[fence.release()?]).await?;
        }
        Ok(())
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
pub(super) fn forget(batch: &mut Batch, id: ObjectId, record: RecordId) {
    let kind = record.kind;
    let gone = |link: &mut plan::link::Link| {
        if link.of(kind).is_some_and(|linked| linked.record == record) {
            *link.of_mut(kind) = None;
        }
    };
    if let Some(person) = batch.people.get_mut(&id) {
        gone(&mut person.value.link);
    }
    if let Some(link) = batch.written.get_mut(&id) {
        gone(link);
    }
    let known = batch.known.entry(id).or_default().records.of_mut(kind);
    known.record = None;
    if known.made == Made::Record(record) {
        known.made = Made::Nothing;
    }
    for hits in known.hits.iter_mut().flat_map(|hits| hits.values_mut()) {
        hits.retain(|hit| hit.record != record);
    }
}

/// Another worker does the same kind of thing at this moment.
pub(super) fn busy(operation: &str) -> Trouble {
    let detail = "another worker is at it at this moment".to_owned();
    let kind = Kind::Unavailable { detail };
    Failure { service: Service::Halo, operation: operation.to_owned(), kind }.into()
}
