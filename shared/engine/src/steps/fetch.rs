//! Fetch: reads Graph page by page into facts, and moves the cursor last (D1–D7).

mod groups;
mod licences;
mod people;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use plan::catalogue;
use plan::cursor::{Link, Progress};
use plan::document::Document;
use plan::facts::PersonChange;
use plan::failure::{Failure, Kind, Next, Service};
use plan::ids::{ConnectionId, ObjectId, RunId, Segment};
use plan::message::Message;
use plan::reading::{Read, Stage, Wanted};
use plan::schedule::{self, Situation, Start};
use plan::tally::{Requests, RunState, Trigger};

use self::groups::wanted_groups;
use super::{StepError, Trouble, boards, finish, picked, preview};
use crate::Engine;
use crate::clock::Deadline;
use crate::graph::{Graph, Page};
use crate::meter::Meter;
use crate::store::connections::{Authorisation, Saved, State};
use crate::store::leases::Fence;
use crate::store::people::{Fenced, MergedPage, Tells};
use crate::store::runs::{Extent, RunRecord, WaitsFor};
use crate::store::{Commit, Expect, Range, Versioned, Write, keys, put};

/// A reader at work: what it holds, and what it will store next.
struct Reader<'a> {
    engine: &'a Engine,
    connection: &'a ConnectionId,
    document: Document,
    saved: Versioned<Saved>,
    state: Versioned<State>,
    run: Versioned<RunRecord>,
    fence: Fence,
    /// `Err` = nobody entered credentials: the first question to Graph fails with it.
    graph: Result<Graph, Failure>,
    meter: std::sync::Arc<Meter>,
    counted: Requests,
    /// The page behind the one that was merged last.
    ahead: Option<(Link, Result<Page<PersonChange>, Trouble>)>,
}

/// Begins a run or goes on with one, until everything is read or the deadline is near.
pub(super) async fn fetch(
    engine: &Engine,
    connection: &ConnectionId,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some((saved, state)) = engine.connection_at_work(connection).await? else {
        return Ok(());
    };
    let start = schedule::start(&situation(&saved.value.document, &state.value, engine));
    if start == Start::Nothing {
        return Ok(());
    }
    let owner = engine.random.uuid();
    let lease = keys::lease(connection);
    let Some(fence) = engine.store.acquire(&lease, owner, engine.lease_for(deadline)).await? else {
        return Ok(());
    };
    // What was read before the lease was taken may be old.
    let Some((saved, state)) = engine.connection_at_work(connection).await? else {
        return Ok(());
    };
    let start = schedule::start(&situation(&saved.value.document, &state.value, engine));
    let Some(mut reader) = Reader::open(engine, connection, saved, state, fence, start).await?
    else {
        return Ok(());
    };
    match reader.read(deadline).await {
        Ok(()) | Err(Trouble::Lost) => Ok(()),
        Err(Trouble::Ours(error)) => Err(error),
        Err(Trouble::Outside(failure)) => reader.failed(&failure).await,
    }
}

/// What decides whether a run starts.
pub(crate) fn situation<'a>(
    document: &'a Document,
    state: &State,
    engine: &Engine,
) -> Situation<'a> {
    Situation {
        document,
        authorised: state.is_authorised(),
        run: state.run,
        queued: state.queued.as_ref().map(|queued| (queued.run, queued.extent.purpose())),
        next_due: state.next_due,
        now: engine.clock.now(),
    }
}

impl<'a> Reader<'a> {
    /// Loads the run that goes on, or stores a new one. `None` = nothing is to be read: the run is
    /// in another phase, or the lease was lost.
    async fn open(
        engine: &'a Engine,
        connection: &'a ConnectionId,
        saved: Versioned<Saved>,
        state: Versioned<State>,
        fence: Fence,
        start: Start,
    ) -> Result<Option<Self>, StepError> {
        let meter = std::sync::Arc::new(Meter::default());
        let graph = engine.graph(&saved.value, meter.clone()).await?;
        let run = first_record(engine, connection, &state.value, start).await?;
        let document = saved.value.document.clone();
        let mut reader = Self {
            engine,
            connection,
            document,
            saved,
            state,
            run,
            fence,
            graph,
            meter,
            counted: Requests::default(),
            ahead: None,
        };
        let ready = match start {
            Start::GoOn(run) => reader.resume(run).await?,
            Start::Queued(_) | Start::Scheduled => reader.begin().await?,
            Start::Nothing => {
                reader.release(&[]).await?;
                false
            }
        };
        Ok(ready.then_some(reader))
    }

    async fn resume(&mut self, run: RunId) -> Result<bool, StepError> {
        let found = self.engine.store.run(self.connection, run).await?;
        match found {
            Some(record) if record.value.run.state == RunState::Reading => {
                self.run = record;
                Ok(true)
            }
            Some(record) if !record.value.run.state.is_over() => {
                self.release(&[]).await?;
                self.engine.wake(&record.value).await?;
                Ok(false)
            }
            // The run is over or was removed, and the connection did not hear of it.
            Some(_) | None => {
                self.state.value.run = None;
                self.release(&[self.put_state()?]).await?;
                Ok(false)
            }
        }
    }

    /// Stores the new run before anything is read for it.
    async fn begin(&mut self) -> Result<bool, StepError> {
        let state = &mut self.state.value;
        let mine = self.run.value.run.run;
        let read = state.queue().find(|queued| queued.run == mine);
        let read = read.map_or(Read::AsConfigured, |queued| queued.read);
        let now = self.engine.clock.now();
        state.dequeue(mine);
        // A run about some people leaves changed rules to the next one about everybody.
        let is_whole = self.run.value.extent.is_everybody();
        state.next_due = schedule::next_due(self.connection, &self.document, now);
        let groups =
            wanted_groups(&self.document, &self.engine.store.groups(self.connection).await?.0);
        let wanted = Wanted {
            way: self.document.sync.reading,
            full_every: schedule::full_every(self.connection, &self.document),
            read,
            select: &catalogue::selected(&self.document),
            groups: &groups,
            rules_changed: is_whole && std::mem::take(&mut state.rules_changed),
            covers: self.run.value.covers(&self.document),
            now,
        };
        // This run looks for what others marked so far.
        let marked = std::mem::take(&mut state.marked);
        let was_clean = state.clean && !marked;
        state.reading.begin(&wanted, was_clean);
        // Cleared before the first mark can be made: killed anywhere, the next run looks for marks.
        state.clean = false;
        state.run = Some(self.run.value.run.run);
        let run = self.run.value.run.run;
        let pointer = put(keys::run_pointer(run), self.connection, Expect::Anything)?;
        match self.store(vec![pointer]).await {
            Ok(()) => {}
            Err(Trouble::Ours(error)) => return Err(error),
            Err(Trouble::Lost | Trouble::Outside(_)) => return Ok(false),
        }
        Ok(true)
    }

    fn graph(&self) -> Result<&Graph, Trouble> {
        self.graph.as_ref().map_err(|failure| failure.clone().into())
    }

    async fn read(&mut self, deadline: Deadline) -> Result<(), Trouble> {
        self.wake_retries().await?;
        self.resolve_groups().await?;
        while let Some(stage) = self.state.value.reading.todo.first().cloned() {
            if self.engine.is_near(deadline) {
                self.store(vec![self.fence.release()?]).await?;
                let again = Message::Fetch { connection: self.connection.clone() };
                self.engine.later(again, SignedDuration::ZERO).await?;
                return Ok(());
            }
            match stage {
                Stage::Licences => self.licences().await?,
                Stage::Holders { cursor } => self.holders_page(cursor).await?,
                Stage::Everybody { segment, after } => self.everybody(segment, after).await?,
                Stage::Users => self.users_page(deadline).await?,
                Stage::Managers { cursor } => self.managers_page(cursor, deadline).await?,
                Stage::Count => self.count().await?,
                Stage::Missing { segment, after } => self.missing(segment, after).await?,
                Stage::Groups { index } => self.groups_page(index).await?,
                Stage::Leavers { index, group } => self.leavers(index, group).await?,
            }
            self.state.value.reading.attempts = 0;
            if !self.state.value.reading.todo.is_empty() {
                self.store(Vec::new()).await?;
            }
        }
        self.end().await
    }

    /// People whose time to be tried again has come (T5).
    async fn wake_retries(&mut self) -> Result<(), Trouble> {
        let now = self.engine.clock.now();
        let limit = keys::retries_until(now);
        let range = Range::of(keys::retries(self.connection), 100);
        let page = self.engine.store.query(&range).await?;
        let due: BTreeSet<ObjectId> = page
            .records
            .iter()
            .filter(|record| record.key.sk < limit)
            .filter_map(|record| record.key.sk.split_once('#')?.1.parse().ok())
            .collect();
        if !due.is_empty() {
            self.mark(due, "retry").await?;
        }
        Ok(())
    }

    fn after_page(&mut self, progress: Progress) -> Result<(), Trouble> {
        match progress {
            Progress::More => Ok(()),
            Progress::Complete(_) => {
                self.state.value.reading.todo.remove(0);
                Ok(())
            }
            Progress::Endless => Err(Failure {
                service: Service::Graph,
                operation: "read people".to_owned(),
                kind: Kind::EndlessPages,
            }
            .into()),
        }
    }

    fn replace_stage(&mut self, follows: Option<Stage>) {
        let todo = &mut self.state.value.reading.todo;
        match follows {
            Some(stage) => todo[0] = stage,
            None => {
                todo.remove(0);
            }
        }
    }

    async fn merged(
        &self,
        round: Option<u64>,
        tells: Tells,
        items: &[PersonChange],
    ) -> Result<Fenced<MergedPage>, Trouble> {
        let (store, check) = (&self.engine.store, self.fence.check());
        Ok(store.merge_people(self.connection, &check, round, tells, items).await?)
    }

    fn note(&mut self, merged: Fenced<MergedPage>) -> Result<MergedPage, Trouble> {
        match merged {
            Fenced::Done(page) => {
                self.state.value.reading.dirty += page.dirty;
                Ok(page)
            }
            Fenced::Lost => Err(Trouble::Lost),
        }
    }

    async fn mark(
        &mut self,
        people: impl IntoIterator<Item = ObjectId> + Clone,
        cause: &str,
    ) -> Result<(), Trouble> {
        let marked = self
            .engine
            .store
            .mark_dirty(self.connection, &self.fence.check(), people, cause)
            .await?;
        match marked {
            Fenced::Done(dirty) => {
                self.state.value.reading.dirty += dirty;
                Ok(())
            }
            Fenced::Lost => Err(Trouble::Lost),
        }
    }

    /// Everything is read: closes the run if there is nothing to decide, else sends it on.
    async fn end(&mut self) -> Result<(), Trouble> {
        self.warn_of_groups().await?;
        let extent = self.run.value.extent;
        let (segments, seats) = self.left_to_do(extent).await?;
        let licences = self.licences_to_write().await?;
        let now = self.engine.clock.now();
        let record = &mut self.run.value;
        record.read_complete = self.state.value.reading.complete;
        record.segments.clone_from(&segments);
        record.waits_for = if licences { WaitsFor::Licences } else { WaitsFor::Nothing };
        let nothing = segments.is_empty() && !seats && !licences;
        if licences {
            record.run.state = RunState::Deciding;
        } else if segments.is_empty() && seats {
            // Boards that could not be written last time (R3).
            record.run.state = RunState::Applying;
        } else if segments.is_empty() {
            record.run.state = RunState::Completed;
            record.run.finished = Some(now);
            self.state.value.run = None;
            self.state.value.clean = extent.is_everybody() && !self.state.value.marked;
            if extent.is_everybody() {
                self.state.value.completed = Some(now);
            }
        } else {
            record.run.state = RunState::Deciding;
        }
        self.store(vec![self.fence.release()?]).await?;
        if let Extent::Preview { preview } = extent {
            preview::begin(self.engine, self.connection, preview).await?;
        }
        if nothing {
            finish::tell(&self.run.value.run);
            return self.start_queued().await;
        }
        self.engine.wake(&self.run.value).await?;
        Ok(())
    }

    /// The segments in which there is somebody to decide on, and whether boards are left to be written.
    async fn left_to_do(&self, extent: Extent) -> Result<(Vec<Segment>, bool), Trouble> {
        let (store, connection) = (&self.engine.store, self.connection);
        let segments = match extent {
            Extent::Preview { .. } | Extent::Licences => return Ok((Vec::new(), false)),
            Extent::Named | Extent::Plan { .. } => {
                picked::segments(self.engine, &self.run.value).await?
            }
            Extent::Everybody => {
                let reading = &self.state.value.reading;
                if reading.dirty == 0 && reading.was_clean {
                    return Ok((Vec::new(), false));
                }
                store.dirty_segments(connection).await?
            }
        };
        Ok((segments, boards::any_open(self.engine, connection).await?))
    }

    async fn start_queued(&self) -> Result<(), Trouble> {
        if self.state.value.queued.is_some() {
            let fetch = Message::Fetch { connection: self.connection.clone() };
            self.engine.later(fetch, SignedDuration::ZERO).await?;
        }
        Ok(())
    }

    /// Graph or its sign-in failed: the one policy decides, here it is carried out.
    async fn failed(&mut self, failure: &Failure) -> Result<(), StepError> {
        let reading = &mut self.state.value.reading;
        reading.attempts += 1;
        let next = match failure.next(reading.attempts) {
            Next::ReadAll if !reading.restart(self.document.sync.reading) => Next::EndRun,
            Next::ReadAll => Next::Retry(SignedDuration::ZERO),
            next @ (Next::Retry(_) | Next::EndRun | Next::Reauthorise) => next,
        };
        tracing::warn!(
            connection = %self.connection, run = %self.run.value.run.run, attempt = self.state.value.reading.attempts,
            "{}", failure.sentence()
        );
        match next {
            Next::Retry(delay) => {
                let writes = [self.put_state()?, self.put_run()?];
                if self.release(&writes).await? {
                    let run = self.run.value.run.run;
                    finish::touch(self.engine, self.connection, run, delay).await?;
                    let again = Message::Fetch { connection: self.connection.clone() };
                    self.engine.later(again, delay).await?;
                }
                Ok(())
            }
            Next::Reauthorise => {
                let since = self.engine.clock.now();
                let reason = failure.sentence();
                // Told before it is stored: who dies in between tells it twice, and never not at all.
                tracing::warn!(connection = %self.connection, "{reason}");
                self.state.value.authorisation = Authorisation::Reauthorise { reason, since };
                self.fail(failure).await
            }
            Next::EndRun | Next::ReadAll => self.fail(failure).await,
        }
    }

    async fn fail(&mut self, failure: &Failure) -> Result<(), StepError> {
        // Where the position itself is at fault the next run must not go on from it.
        if matches!(failure.kind, Kind::EndlessPages | Kind::ForeignLink | Kind::LinkExpired) {
            self.state.value.reading.users = None;
        }
        let run = &mut self.run.value.run;
        run.state = RunState::Failed;
        run.finished = Some(self.engine.clock.now());
        run.error = Some(failure.sentence());
        self.state.value.run = None;
        let writes = [self.put_state()?, self.put_run()?];
        if !self.release(&writes).await? {
            return Ok(());
        }
        finish::tell(&self.run.value.run);
        if self.state.value.queued.is_some() {
            let fetch = Message::Fetch { connection: self.connection.clone() };
            self.engine.later(fetch, SignedDuration::ZERO).await?;
        }
        Ok(())
    }

    fn put_state(&self) -> Result<Write, StepError> {
        Ok(put(keys::state(self.connection), &self.state.value, self.state.unchanged())?)
    }

    fn put_run(&mut self) -> Result<Write, StepError> {
        let now = self.meter.requests();
        self.run.value.run.requests.graph += now.graph - self.counted.graph;
        self.counted = now;
        self.run.value.touched = self.engine.clock.now();
        let key = keys::run(self.connection, self.run.value.run.run);
        Ok(put(key, &self.run.value, self.run.unchanged())?)
    }

    /// Stores position and run, and whatever else, in one transaction under the lease.
    async fn store(&mut self, more: Vec<Write>) -> Result<(), Trouble> {
        let check = self.fence.check();
        let releases = more.iter().any(|write| write.key() == check.key());
        let mut held = if releases { Vec::new() } else { vec![check] };
        held.extend(more);
        loop {
            let mut writes = held.clone();
            writes.push(self.put_state()?);
            writes.push(self.put_run()?);
            match self.engine.store.commit(&writes).await? {
                Commit::Done => {
                    self.state.version += 1;
                    self.run.version += 1;
                    return Ok(());
                }
                Commit::Conflict(at) if at == held.len() && self.heed_wishes().await? => {}
                Commit::Conflict(_) => return Err(Trouble::Lost),
            }
        }
    }

    /// Administrators write into the state of a connection that is being read, and so does whoever
    /// else places marks: what they wish is kept, everything else is the reader's. `false` = nothing
    /// is new.
    async fn heed_wishes(&mut self) -> Result<bool, Trouble> {
        let found = self.engine.store.state(self.connection).await?;
        let Some(found) = found.filter(|found| found.version != self.state.version) else {
            return Ok(false);
        };
        let State { authorisation, queued, waiting, rules_changed, marked, linked, .. } =
            found.value;
        self.state.value.authorisation = authorisation;
        (self.state.value.queued, self.state.value.waiting) = (queued, waiting);
        self.state.value.dequeue(self.run.value.run.run);
        self.state.value.rules_changed = rules_changed;
        self.state.value.linked = linked;
        self.state.value.marked = marked;
        self.state.value.clean &= !marked;
        self.state.version = found.version;
        Ok(true)
    }

    async fn commit(&self, mut writes: Vec<Write>) -> Result<(), Trouble> {
        writes.insert(0, self.fence.check());
        match self.engine.store.commit(&writes).await? {
            Commit::Done => Ok(()),
            Commit::Conflict(_) => Err(Trouble::Lost),
        }
    }

    /// Gives the lease back together with `writes`; `false` = it was lost, nothing was written.
    async fn release(&self, writes: &[Write]) -> Result<bool, StepError> {
        let mut all = vec![self.fence.release()?];
        all.extend_from_slice(writes);
        Ok(self.engine.store.commit(&all).await? == Commit::Done)
    }
}

/// The record that a new run begins with: the one that its asker was shown, where there is one.
async fn first_record(
    engine: &Engine,
    connection: &ConnectionId,
    state: &State,
    start: Start,
) -> Result<Versioned<RunRecord>, StepError> {
    if let Start::Queued(run) = start
        && let Some(mut found) = engine.store.run(connection, run).await?
    {
        found.value.run.state = RunState::Reading;
        return Ok(found);
    }
    Ok(Versioned { version: 0, value: new_run(engine, connection, state, start) })
}

fn new_run(engine: &Engine, connection: &ConnectionId, state: &State, start: Start) -> RunRecord {
    let now = engine.clock.now();
    let (run, trigger) = match (start, &state.queued) {
        (Start::Queued(run), Some(queued)) => (run, queued.trigger),
        (Start::Queued(run) | Start::GoOn(run), _) => (run, Trigger::Manual),
        (Start::Scheduled | Start::Nothing, _) => (engine.random.run_id(now), Trigger::Schedule),
    };
    let mut record = RunRecord::new(run, connection, trigger, RunState::Reading, now);
    if let (Start::Queued(_), Some(queued)) = (start, &state.queued) {
        record.entities.clone_from(&queued.entities);
        record.extent = queued.extent;
    }
    record
}
