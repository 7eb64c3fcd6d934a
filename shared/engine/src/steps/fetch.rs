//! Fetch: reads Graph page by page into facts, and moves the cursor last (section 1, step 2).

use std::collections::BTreeSet;

use jiff::SignedDuration;
use plan::catalogue;
use plan::cursor::{Cursor, Progress};
use plan::document::{Document, Nesting};
use plan::facts::{News, PersonChange, Presence};
use plan::failure::{Failure, Kind, Next, Service};
use plan::groups::{Group, GroupState};
use plan::ids::{ConnectionId, ObjectId, RunId, Segment};
use plan::message::Message;
use plan::reading::{self, Read, Stage, Wanted};
use plan::schedule::{self, Situation, Start};
use plan::tally::{Counts, Requests, Run, RunState, Trigger};

use super::{StepError, Trouble};
use crate::Engine;
use crate::clock::Deadline;
use crate::graph::{Graph, GroupChange, GroupNews, Member, Page};
use crate::meter::Meter;
use crate::store::connections::{Authorisation, Saved, State};
use crate::store::leases::Fence;
use crate::store::people::Fenced;
use crate::store::runs::RunRecord;
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
    graph: Graph,
    meter: std::sync::Arc<Meter>,
    counted: Requests,
}

/// Begins a run or goes on with one, until everything is read or the deadline is near.
pub(super) async fn fetch(
    engine: &Engine,
    connection: &ConnectionId,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some((saved, state)) = engine.store.connection(connection).await? else {
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
    let Some((saved, state)) = engine.store.connection(connection).await? else {
        return Ok(());
    };
    let start = schedule::start(&situation(&saved.value.document, &state.value, engine));
    let Some(mut reader) = Reader::open(engine, connection, saved, state, fence, start).await?
    else {
        return Ok(());
    };
    match reader.read(deadline).await {
        Ok(()) => Ok(()),
        Err(Trouble::Lost) => Ok(()),
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
        queued: state.queued.map(|queued| queued.run),
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
        let graph = match engine.graph(&saved.value, meter.clone()).await {
            Ok(graph) => graph,
            Err(error) => return Err(error.into()),
        };
        let run = Versioned { version: 0, value: new_run(engine, connection, &state.value, start) };
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
        let read = state.queued.map_or(Read::AsConfigured, |queued| queued.read);
        let now = self.engine.clock.now();
        if state.queued.take().is_none() {
            state.next_due = schedule::next_due(self.connection, &self.document, now);
        }
        let groups =
            wanted_groups(&self.document, &self.engine.store.groups(self.connection).await?.0);
        let wanted = Wanted {
            way: self.document.sync.reading,
            full_every: SignedDuration::from_hours(i64::from(self.document.sync.full_every_hours)),
            read,
            select: &catalogue::selected(&self.document),
            groups: &groups,
            now,
        };
        let was_clean = state.clean;
        state.reading.begin(&wanted, was_clean);
        // Cleared before the first mark can be made: killed anywhere, the next run looks for marks.
        state.clean = false;
        state.run = Some(self.run.value.run.run);
        match self.store(Vec::new()).await {
            Ok(()) => {}
            Err(Trouble::Ours(error)) => return Err(error),
            Err(Trouble::Lost | Trouble::Outside(_)) => return Ok(false),
        }
        Ok(true)
    }

    async fn read(&mut self, deadline: Deadline) -> Result<(), Trouble> {
        self.wake_retries().await?;
        self.resolve_groups().await?;
        while let Some(stage) = self.state.value.reading.todo.first().cloned() {
            if self.engine.is_near(deadline) {
                self.release(&[self.put_state()?]).await?;
                let again = Message::Fetch { connection: self.connection.clone() };
                self.engine.later(again, SignedDuration::ZERO).await?;
                return Ok(());
            }
            match stage {
                Stage::Users => self.users_page().await?,
                Stage::Managers { cursor } => self.managers_page(cursor).await?,
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

    async fn users_page(&mut self) -> Result<(), Trouble> {
        let reading = &self.state.value.reading;
        let cursor = reading.users.clone().unwrap_or(Cursor::Start);
        let select = &reading.select;
        let page = match self.document.sync.reading {
            plan::document::Reading::Delta => {
                self.graph.users_delta(cursor.link(), select, cursor.scope()).await?
            }
            plan::document::Reading::Full => self.graph.users_list(cursor.link(), select).await?,
        };
        let full = cursor.scope() == plan::cursor::Scope::Full;
        let round = full.then_some(reading.round);
        let merged = self.merge(round, &page.items).await?;
        let reading = &mut self.state.value.reading;
        reading.read += if full { merged } else { 0 };
        let mut cursor = cursor;
        let progress = cursor.advance(page.next, merged, self.engine.clock.now());
        reading.users = Some(cursor);
        self.after_page(progress)
    }

    /// Graph has been seen to leave managers out of delta; the list has them all.
    async fn managers_page(&mut self, mut cursor: Cursor) -> Result<(), Trouble> {
        let page = self.graph.managers_list(cursor.link()).await?;
        let round = Some(self.state.value.reading.round);
        // The list may name people whom the round did not deliver; they are not made up from it.
        let known =
            self.engine.store.people(self.connection, page.items.iter().map(|i| i.id)).await?;
        let items: Vec<PersonChange> = page
            .items
            .into_iter()
            .filter(|item| {
                known.get(&item.id).is_some_and(|p| p.value.facts.presence == Presence::Present)
            })
            .collect();
        let fresh = items.len() as u64;
        self.merge(round, &items).await?;
        let progress = cursor.advance(page.next, fresh, self.engine.clock.now());
        if let Some(Stage::Managers { cursor: stored }) = self.state.value.reading.todo.first_mut()
        {
            *stored = cursor;
        }
        self.after_page(progress)
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

    /// Whether the full round is plausible; if not, nobody is missing because of it (D6, L5).
    async fn count(&mut self) -> Result<(), Trouble> {
        let counted = self.graph.users_count().await?;
        let reading = &mut self.state.value.reading;
        reading.todo.remove(0);
        reading.last_full = Some(self.engine.clock.now());
        reading.complete = reading::is_plausible(reading.read, counted);
        if !reading.complete {
            reading.todo.retain(|stage| !matches!(stage, Stage::Missing { .. }));
            let incomplete = Failure {
                service: Service::Graph,
                operation: "read everybody".to_owned(),
                kind: Kind::Incomplete { read: reading.read, counted },
            };
            self.run.value.run.warnings.push(incomplete.sentence());
        }
        Ok(())
    }

    /// People whom the complete full round did not deliver are missing (D5).
    async fn missing(&mut self, segment: Segment, after: Option<String>) -> Result<(), Trouble> {
        let (people, next) =
            self.engine.store.people_of(self.connection, segment, after, 500).await?;
        let round = self.state.value.reading.round;
        let missing: Vec<PersonChange> = people
            .into_iter()
            .filter(|(_, person)| {
                person.value.seen < round && person.value.facts.presence == Presence::Present
            })
            .map(|(id, _)| PersonChange { id, news: News::Missing })
            .collect();
        self.merge(None, &missing).await?;
        let follows = match (next, segment.next()) {
            (Some(next), _) => Some(Stage::Missing { segment, after: Some(next) }),
            (None, Some(segment)) => Some(Stage::Missing { segment, after: None }),
            (None, None) => None,
        };
        self.replace_stage(follows);
        Ok(())
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

    async fn groups_page(&mut self, index: usize) -> Result<(), Trouble> {
        let Some(stream) = self.state.value.reading.groups.get(index).cloned() else {
            self.replace_stage(None);
            return Ok(());
        };
        if self.document.sync.reading == plan::document::Reading::Full {
            return self.members_page(index, stream).await;
        }
        let mut cursor = stream.cursor.clone();
        let Page { items, next, .. } = self.graph.groups_delta(cursor.link(), &stream.ids).await?;
        let mut fresh = 0;
        for item in &items {
            fresh += 1 + item.added.len() as u64;
            self.group_change(item, stream.round).await?;
        }
        let progress = cursor.advance(next, fresh, self.engine.clock.now());
        if matches!(progress, Progress::Complete(_)) {
            self.groups_are_read(&stream.ids).await?;
        }
        self.state.value.reading.groups[index].cursor = cursor;
        self.after_page(progress)
    }

    /// Without delta, members are listed group by group, everybody each time.
    async fn members_page(
        &mut self,
        index: usize,
        mut stream: reading::GroupStream,
    ) -> Result<(), Trouble> {
        let Some(group) = stream.ids.get(stream.listing).copied() else {
            self.state.value.reading.groups[index].listing = 0;
            self.groups_are_read(&stream.ids).await?;
            self.replace_stage(None);
            return Ok(());
        };
        let page = self.graph.members_list(group, stream.cursor.link()).await?;
        let (added, news) = match page {
            Some(page) => (page.items, Some(page.next)),
            None => (Vec::new(), None),
        };
        let fresh = added.len() as u64;
        let state = if news.is_some() { GroupNews::Unsaid } else { GroupNews::Gone };
        let change = GroupChange { id: group, name: None, news: state, added, removed: Vec::new() };
        self.group_change(&change, stream.round).await?;
        let progress = match news {
            Some(next) => stream.cursor.advance(next, fresh, self.engine.clock.now()),
            None => Progress::Complete(plan::cursor::Scope::Full),
        };
        if matches!(progress, Progress::Complete(_)) {
            stream.listing += 1;
            stream.cursor = Cursor::Start;
        }
        self.state.value.reading.groups[index] = stream;
        match progress {
            Progress::Endless => self.after_page(progress),
            Progress::More | Progress::Complete(_) => Ok(()),
        }
    }

    async fn group_change(&mut self, change: &GroupChange, round: u64) -> Result<(), Trouble> {
        let people = |members: &[Member]| -> Vec<ObjectId> {
            members
                .iter()
                .filter_map(|member| match member {
                    Member::User(id) => Some(*id),
                    Member::Group(_) => None,
                })
                .collect()
        };
        self.group_facts(change).await?;
        let store = &self.engine.store;
        let added = people(&change.added);
        if !added.is_empty() || !change.removed.is_empty() {
            let merged = store
                .merge_members(
                    self.connection,
                    &self.fence.check(),
                    change.id,
                    round,
                    &added,
                    &change.removed,
                )
                .await?;
            self.note(merged)?;
        }
        let inner: Vec<ObjectId> = change
            .added
            .iter()
            .filter_map(|member| match member {
                Member::Group(id) => Some(*id),
                Member::User(_) => None,
            })
            .collect();
        self.place_groups(change.id, &inner, &change.removed).await
    }

    /// Name and existence of a group; when it goes, its members are looked at again.
    async fn group_facts(&mut self, change: &GroupChange) -> Result<(), Trouble> {
        let store = &self.engine.store;
        let key = keys::group(self.connection, change.id);
        let stored = store.read::<Group>(&key).await?;
        let expect = crate::store::connections::unchanged(stored.as_ref());
        let mut group = stored.map_or_else(Group::default, |stored| stored.value);
        let before = group.clone();
        if let Some(name) = &change.name {
            group.name.clone_from(name);
        }
        match change.news {
            GroupNews::Gone => group.state = GroupState::Gone,
            GroupNews::Unsaid if group.state == GroupState::Gone => {
                group.state = GroupState::Unread
            }
            GroupNews::Unsaid => {}
        }
        if group == before {
            return Ok(());
        }
        if group.state != before.state && before.state != GroupState::Unread {
            let members = store.all_of(&keys::members_of(self.connection, change.id)).await?;
            self.mark(members, "groups").await?;
        }
        self.commit(vec![put(key, &group, expect)?]).await
    }

    /// Groups inside a group: they are read too where a rule counts nested members (P3).
    async fn place_groups(
        &mut self,
        parent: ObjectId,
        inner: &[ObjectId],
        removed: &[ObjectId],
    ) -> Result<(), Trouble> {
        if !self.follows_nesting() {
            return Ok(());
        }
        let candidates: Vec<ObjectId> = inner.iter().chain(removed).copied().collect();
        let wanted: Vec<_> =
            candidates.iter().map(|id| keys::group(self.connection, *id)).collect();
        let found = self.engine.store.get(&wanted).await?;
        for (id, record) in candidates.into_iter().zip(found) {
            let stored = record.as_ref().map(crate::store::decode::<Group>).transpose()?;
            let is_in = inner.contains(&id);
            if stored.is_none() && !is_in {
                continue;
            }
            let expect = crate::store::connections::unchanged(stored.as_ref());
            let mut group = stored.map_or_else(Group::default, |stored| stored.value);
            let changed =
                if is_in { group.parents.insert(parent) } else { group.parents.remove(&parent) };
            if changed {
                let members =
                    self.engine.store.all_of(&keys::members_of(self.connection, id)).await?;
                self.mark(members, "groups").await?;
                self.commit(vec![put(keys::group(self.connection, id), &group, expect)?]).await?;
            }
            if is_in {
                self.state.value.reading.track(id);
            }
        }
        Ok(())
    }

    fn follows_nesting(&self) -> bool {
        self.document.groups().iter().any(|(_, group)| group.nesting == Nesting::Nested)
    }

    /// A round of groups is complete: those that were not delivered do not exist.
    async fn groups_are_read(&mut self, ids: &[ObjectId]) -> Result<(), Trouble> {
        let wanted: Vec<_> = ids.iter().map(|id| keys::group(self.connection, *id)).collect();
        let found = self.engine.store.get(&wanted).await?;
        for (id, record) in ids.iter().zip(found) {
            let stored = record.as_ref().map(crate::store::decode::<Group>).transpose()?;
            let expect = crate::store::connections::unchanged(stored.as_ref());
            let mut group = stored.map_or_else(Group::default, |stored| stored.value);
            if group.state != GroupState::Unread {
                continue;
            }
            let delivered = record.is_some() && !group.name.is_empty()
                || self.document.sync.reading == plan::document::Reading::Full;
            group.state = if delivered { GroupState::Read } else { GroupState::Gone };
            self.commit(vec![put(keys::group(self.connection, *id), &group, expect)?]).await?;
        }
        Ok(())
    }

    /// Members whom the full round of their group did not deliver have left it.
    async fn leavers(&mut self, index: usize, group: usize) -> Result<(), Trouble> {
        let reading = &self.state.value.reading;
        let place = reading.groups.get(index).map(|stream| (stream.round, stream.ids.get(group)));
        let Some((round, Some(id))) = place else {
            self.replace_stage(None);
            return Ok(());
        };
        let id = *id;
        let mut after = None;
        loop {
            let partition = keys::members_of(self.connection, id);
            let page =
                self.engine.store.query(&Range { after, ..Range::of(partition, 500) }).await?;
            let left: Vec<ObjectId> = page
                .records
                .iter()
                .filter(|record| record.body.parse::<u64>().is_ok_and(|seen| seen < round))
                .filter_map(|record| record.key.sk.parse().ok())
                .collect();
            if !left.is_empty() {
                let merged = self
                    .engine
                    .store
                    .merge_members(self.connection, &self.fence.check(), id, round, &[], &left)
                    .await?;
                self.note(merged)?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.replace_stage(Some(Stage::Leavers { index, group: group + 1 }));
        Ok(())
    }

    async fn merge(&mut self, round: Option<u64>, items: &[PersonChange]) -> Result<u64, Trouble> {
        if items.is_empty() {
            return Ok(0);
        }
        let merged = self
            .engine
            .store
            .merge_people(self.connection, &self.fence.check(), round, items)
            .await?;
        self.note(merged)
    }

    fn note(&mut self, merged: Fenced<crate::store::people::MergedPage>) -> Result<u64, Trouble> {
        match merged {
            Fenced::Done(page) => {
                self.state.value.reading.dirty += page.dirty;
                Ok(page.fresh)
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

    /// Names that nobody could resolve on saving are tried again; what cannot be relied on is said.
    async fn resolve_groups(&mut self) -> Result<(), Trouble> {
        if self.run.value.run.requests.graph > 0 || self.document.groups().is_empty() {
            return Ok(());
        }
        let pinned = self.engine.pin_groups(&self.graph, &mut self.document).await?;
        self.run.value.run.warnings.extend(pinned.problems.iter().map(|m| m.message.clone()));
        if pinned.changed {
            let mut saved = self.saved.value.clone();
            saved.document = self.document.clone();
            let key = keys::document(self.connection);
            let write = put(key, &saved, Expect::Version(self.saved.version))?;
            self.commit(vec![write]).await?;
            self.saved = Versioned { version: self.saved.version + 1, value: saved };
        }
        for (_, group) in self.document.groups() {
            if let Some(id) = group.id {
                self.state.value.reading.track(id);
            }
        }
        Ok(())
    }

    /// Everything is read: closes the run if there is nothing to decide, else sends it on.
    async fn end(&mut self) -> Result<(), Trouble> {
        self.warn_of_groups().await?;
        let reading = &self.state.value.reading;
        let quiet = reading.dirty == 0 && reading.was_clean;
        let segments = if quiet {
            Vec::new()
        } else {
            self.engine.store.dirty_segments(self.connection).await?
        };
        let now = self.engine.clock.now();
        let record = &mut self.run.value;
        record.read_complete = self.state.value.reading.complete;
        record.segments.clone_from(&segments);
        if segments.is_empty() {
            record.run.state = RunState::Completed;
            record.run.finished = Some(now);
            self.state.value.run = None;
            self.state.value.clean = true;
        } else {
            record.run.state = RunState::Deciding;
        }
        self.store(vec![self.fence.release()?]).await?;
        if segments.is_empty() {
            return self.start_queued().await;
        }
        self.engine.wake(&self.run.value).await?;
        Ok(())
    }

    async fn start_queued(&self) -> Result<(), Trouble> {
        if self.state.value.queued.is_some() {
            let fetch = Message::Fetch { connection: self.connection.clone() };
            self.engine.later(fetch, SignedDuration::ZERO).await?;
        }
        Ok(())
    }

    /// Tells of groups that a rule names and that were renamed or are gone (P3).
    async fn warn_of_groups(&mut self) -> Result<(), Trouble> {
        let named = self.document.groups();
        if named.is_empty() {
            return Ok(());
        }
        let groups = self.engine.store.groups(self.connection).await?;
        for (path, reference) in named {
            let Some(group) = reference.id.and_then(|id| groups.0.get(&id)) else { continue };
            let called = reference.name.as_deref().unwrap_or(&group.name);
            if group.state == GroupState::Gone {
                self.run.value.run.warnings.push(format!(
                    "{path}: the group \"{called}\" was deleted in Entra. Nothing is taken from anybody because of it; name another group or remove the mapping."
                ));
            } else if !group.name.is_empty() && !called.eq_ignore_ascii_case(&group.name) {
                self.run.value.run.warnings.push(format!(
                    "{path}: the group \"{called}\" is now called \"{}\". The mapping still follows it by its object id.",
                    group.name
                ));
            }
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
            other => other,
        };
        tracing::warn!(
            connection = %self.connection, run = %self.run.value.run.run, attempt = self.state.value.reading.attempts,
            "{}", failure.sentence()
        );
        match next {
            Next::Retry(delay) => {
                let writes = [self.put_state()?, self.put_run()?];
                if self.release(&writes).await? {
                    let again = Message::Fetch { connection: self.connection.clone() };
                    self.engine.later(again, delay).await?;
                }
                Ok(())
            }
            Next::Reauthorise => {
                let since = self.engine.clock.now();
                let reason = failure.sentence();
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
        if self.release(&writes).await? && self.state.value.queued.is_some() {
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
        let releases = more.iter().any(|write| matches!(write, Write::Put { .. }));
        let mut writes = if releases { Vec::new() } else { vec![self.fence.check()] };
        writes.extend(more);
        writes.push(self.put_state()?);
        writes.push(self.put_run()?);
        match self.engine.store.commit(&writes).await? {
            Commit::Done => {
                self.state.version += 1;
                self.run.version += 1;
                Ok(())
            }
            Commit::Conflict(_) => Err(Trouble::Lost),
        }
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

fn new_run(engine: &Engine, connection: &ConnectionId, state: &State, start: Start) -> RunRecord {
    let now = engine.clock.now();
    let (run, trigger) = match (start, state.queued) {
        (Start::Queued(run), Some(queued)) => (run, queued.trigger),
        (Start::Queued(run) | Start::GoOn(run), _) => (run, Trigger::Manual),
        (Start::Scheduled | Start::Nothing, _) => (engine.random.run_id(now), Trigger::Schedule),
    };
    RunRecord {
        run: Run {
            run,
            connection: connection.clone(),
            trigger,
            state: RunState::Reading,
            counts: Counts::default(),
            requests: Requests::default(),
            started: now,
            finished: None,
            error: None,
            warnings: Vec::new(),
        },
        segments: Vec::new(),
        verdict: None,
        read_complete: false,
        waits_for_index: false,
        attempts: 0,
        touched: now,
    }
}

/// Groups that the rules name, and, where nested members count, those found inside them.
fn wanted_groups(
    document: &Document,
    known: &std::collections::BTreeMap<ObjectId, Group>,
) -> BTreeSet<ObjectId> {
    let mut wanted: BTreeSet<ObjectId> =
        document.groups().iter().filter_map(|(_, group)| group.id).collect();
    if document.groups().iter().any(|(_, group)| group.nesting == Nesting::Nested) {
        loop {
            let inner: Vec<ObjectId> = known
                .iter()
                .filter(|(id, group)| !wanted.contains(id) && !group.parents.is_disjoint(&wanted))
                .map(|(id, _)| *id)
                .collect();
            if inner.is_empty() {
                break;
            }
            wanted.extend(inner);
        }
    }
    wanted
}
