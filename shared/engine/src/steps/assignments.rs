//! Assignments: carries out what Halo asked for about licences, one after the other under a lease, so
//! that no seat is given twice (S2).
//!
//! The order for each: the intent is noted, Graph is asked, the person's licences are taken over into the
//! facts and a run is asked for that brings them to Halo, and last outcome, log entry and open mark are
//! written in one transaction. Killed anywhere in between, the assignment is still open: whoever takes it
//! up finds in Entra what was done, and in the intent whose doing it was.

mod entry;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use plan::assignment::{self, Assignment, Did, Judgement, Permission, Refusal, Stands, WhyUnknown};
use plan::document::Document;
use plan::failure::{Failure, Kind, Next};
use plan::ids::{AssignmentId, ConnectionId, ObjectId, SkuId};
use plan::licences::{Holder, LicenceChange, SubscribedSku};
use plan::link::Target;
use plan::message::Message;

use super::{StepError, Trouble};
use crate::Engine;
use crate::clock::Deadline;
use crate::graph::Graph;
use crate::halo::{Halo, Priority};
use crate::meter::Meter;
use crate::store::assignments::writes;
use crate::store::connections::{Authorisation, Saved, State};
use crate::store::leases::Fence;
use crate::store::log;
use crate::store::people::{Fenced, Person, RecordOwner};
use crate::store::{Commit, Expect, Versioned, Write, keys, put};

/// Open marks read together.
const PAGE: usize = 100;

/// A worker on a connection's assignments.
struct Job<'a> {
    engine: &'a Engine,
    connection: &'a ConnectionId,
    document: Document,
    authorisation: Authorisation,
    fence: Fence,
    graph: Result<Graph, Failure>,
    halo: Halo,
    /// As Graph told of them when the job needed them first, with what was given and taken since.
    skus: Option<BTreeMap<SkuId, SubscribedSku>>,
    /// Whether Entra was changed, by this worker or by one who died before saying so.
    changed: bool,
}

/// The person whom a request is about.
struct Found {
    id: ObjectId,
    person: Person,
}

/// What there is to do.
enum Todo {
    /// This one.
    One(Box<Versioned<Assignment>>),
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing.
    Nothing,
}

/// What asking Graph came to.
enum Asked {
    /// This, and what the person holds now, as far as Graph was asked.
    Ended { stands: Stands, holder: Option<Holder> },
    /// It is asked again later.
    Later,
}

/// How an assignment ends, and what is known then.
struct End<'a> {
    stands: Stands,
    found: Option<&'a Found>,
    /// What Graph says of the person's licences now, where it was asked.
    holder: Option<&'a Holder>,
    started: Timestamp,
}

/// Carries out what is open until nothing is, or until the deadline is near. Safe to repeat, also at the
/// same time: one worker holds the lease.
pub(super) async fn assign(
    engine: &Engine,
    connection: &ConnectionId,
    deadline: Deadline,
) -> Result<(), StepError> {
    if engine.store.open_assignments(connection, None, 1).await?.0.is_empty()
        || engine.connection_at_work(connection).await?.is_none()
    {
        return Ok(());
    }
    let owner = engine.random.uuid();
    let lease = keys::assigning_lease(connection);
    let Some(fence) = engine.store.acquire(&lease, owner, engine.lease_for(deadline)).await? else {
        return Ok(());
    };
    // What was read before the lease was taken may be old.
    let Some((saved, state)) = engine.connection_at_work(connection).await? else {
        let _: Commit = engine.store.commit(&[fence.release()?]).await?;
        return Ok(());
    };
    let mut job = Job::new(engine, connection, fence, saved.value, state.value).await?;
    match job.work(deadline).await {
        // Failures outside are dealt with where they happen.
        Ok(()) | Err(Trouble::Lost | Trouble::Outside(_)) => Ok(()),
        Err(Trouble::Ours(error)) => Err(error),
    }
}

impl<'a> Job<'a> {
    async fn new(
        engine: &'a Engine,
        connection: &'a ConnectionId,
        fence: Fence,
        saved: Saved,
        state: State,
    ) -> Result<Self, StepError> {
        let meter = Arc::new(Meter::default());
        let graph = engine.graph(&saved, meter.clone()).await?;
        // Somebody waits for it (H2).
        let halo = engine.halo.with_meter(meter).with_priority(Priority::Manual);
        let (document, authorisation) = (saved.document, state.authorisation);
        let (skus, changed) = (None, false);
        Ok(Self { engine, connection, document, authorisation, fence, graph, halo, skus, changed })
    }

    async fn work(&mut self, deadline: Deadline) -> Result<(), Trouble> {
        loop {
            if self.engine.is_near(deadline) {
                return self.rest(Some(self.engine.clock.now())).await;
            }
            match self.next().await? {
                Todo::One(mut one) => match self.carry_out(&mut one).await {
                    Err(Trouble::Outside(failure)) => self.failed(one, &failure).await?,
                    other => other?,
                },
                Todo::Wait(until) => return self.rest(Some(until)).await,
                Todo::Nothing => return self.rest(None).await,
            }
        }
    }

    /// The oldest that is due. Behind one for which a service failed all others wait as well.
    async fn next(&self) -> Result<Todo, Trouble> {
        let (store, now) = (&self.engine.store, self.engine.clock.now());
        let (mut after, mut waits) = (None, None::<Timestamp>);
        loop {
            let (open, next) = store.open_assignments(self.connection, after, PAGE).await?;
            for (id, mark) in open {
                if mark.touched > now {
                    waits = Some(waits.map_or(mark.touched, |waits| waits.min(mark.touched)));
                    if mark.holds_up {
                        return Ok(Todo::Wait(mark.touched));
                    }
                    continue;
                }
                match store.assignment(self.connection, id).await? {
                    Some(found) if found.value.stands.ended().is_none() => {
                        return Ok(Todo::One(Box::new(found)));
                    }
                    // It aged out before its turn came.
                    Some(_) | None => self.forget(id).await?,
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(waits.map_or(Todo::Nothing, Todo::Wait)),
            }
        }
    }

    async fn forget(&self, id: AssignmentId) -> Result<(), Trouble> {
        let key = keys::assigning(self.connection, id);
        let gone = Write::Delete { key, expect: Expect::Anything };
        self.commit(&[self.fence.check(), gone]).await
    }

    async fn carry_out(&mut self, one: &mut Versioned<Assignment>) -> Result<(), Trouble> {
        let started = self.engine.clock.now();
        let nobody = End { stands: Stands::Accepted, found: None, holder: None, started };
        if let Some(refusal) = self.is_off() {
            let stands = self.refused(refusal);
            return self.end(one, End { stands, ..nobody }).await;
        }
        let found = match self.find(&one.value).await? {
            Ok(found) => found,
            Err(refusal) => {
                let stands = self.refused(refusal);
                return self.end(one, End { stands, ..nobody }).await;
            }
        };
        one.value.person = Some(found.id);
        let found = Some(&found);
        match self.ask(one).await? {
            Asked::Ended { stands, holder } => {
                let holder = holder.as_ref();
                self.end(one, End { stands, found, holder, started }).await
            }
            Asked::Later => Ok(()),
        }
    }

    /// Why nothing is carried out at all any more.
    fn is_off(&self) -> Option<Refusal> {
        let manages = self.document.licences.is_some_and(|it| it.manage_from_halo);
        if !manages || !self.document.enabled {
            return Some(Refusal::ManagingIsOff);
        }
        match &self.authorisation {
            Authorisation::Authorised { .. } => None,
            Authorisation::Unauthorised => {
                let reason = "Its credentials were not tried yet, or did not work.".to_owned();
                Some(Refusal::Reauthorise { reason })
            }
            Authorisation::Reauthorise { reason, .. } => {
                Some(Refusal::Reauthorise { reason: reason.clone() })
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> Stands {
        Stands::Refused { at: self.engine.clock.now(), refusal }
    }

    /// The person of this connection who the Halo user is: the one whom an administrator linked (M7),
    /// else the one whose object id it carries (M2). Our own link has the last word (T6).
    async fn find(&self, one: &Assignment) -> Result<Result<Found, Refusal>, Trouble> {
        let user = one.request.user;
        let targets = BTreeSet::from([Target::field("azure_tenant_id")]);
        let Some(record) = self.halo.record(user, &targets).await? else {
            return Ok(Err(Refusal::UserNotKnown { why: WhyUnknown::NotInHalo }));
        };
        let text = |name| record.fields.get(&Target::field(name)).map(ToString::to_string);
        let store = &self.engine.store;
        let chosen = store.read::<RecordOwner>(&keys::chosen(user)).await?;
        if chosen.as_ref().is_some_and(|chosen| chosen.value.connection != *self.connection) {
            return Ok(Err(Refusal::UserOfAnotherConnection));
        }
        let chosen = chosen.map(|chosen| chosen.value.person);
        let carried = || text("azureoid")?.trim().parse::<ObjectId>().ok();
        if let Some(id) = chosen.or_else(carried)
            && let Some(person) = store.person(self.connection, id).await?
            && person.value.link.user.as_ref().is_some_and(|linked| linked.record == user)
        {
            return Ok(Ok(Found { id, person: person.value }));
        }
        let tenant = text("azure_tenant_id").unwrap_or_default();
        let ours = self.document.tenant_id.to_string();
        if !tenant.trim().is_empty() && !tenant.trim().eq_ignore_ascii_case(&ours) {
            return Ok(Err(Refusal::UserOfAnotherConnection));
        }
        Ok(Err(Refusal::UserNotKnown { why: WhyUnknown::NotLinked }))
    }

    /// Asks Graph, first what is so, then for the change.
    async fn ask(&mut self, one: &mut Versioned<Assignment>) -> Result<Asked, Trouble> {
        let Assignment { sku, request, person, .. } = one.value;
        let Some(person) = person else { return Ok(Asked::Later) };
        let holder = match self.graph()?.holder(person).await {
            Ok(holder) => holder,
            Err(failure) => return self.without(Permission::User, failure.into(), None),
        };
        if let Err(trouble) = self.read_skus().await {
            return self.without(Permission::Organization, trouble, holder);
        }
        let subscribed = self.skus.as_ref().and_then(|skus| skus.get(&sku));
        let judgement = assignment::judge(request.action, sku, holder.as_ref(), subscribed);
        let change = match judgement {
            Judgement::Refused(refusal) => {
                return Ok(Asked::Ended { stands: self.refused(refusal), holder });
            }
            Judgement::Already => {
                let (at, did) = (self.engine.clock.now(), one.value.found_done());
                self.changed |= did == Did::Changed;
                return Ok(Asked::Ended { stands: Stands::Done { at, did }, holder });
            }
            Judgement::Call(change) => change,
        };
        let Some(holder) = holder else { return Ok(Asked::Later) };
        self.note_intent(one).await?;
        let mut answer = self.graph()?.assign_license(person, change).await;
        if matches!(&answer, Err(failure) if matches!(failure.kind, Kind::Forbidden { .. })) {
            // A permission that was granted since counts for new tokens only.
            self.graph()?.sign_in().await?;
            answer = self.graph()?.assign_license(person, change).await;
        }
        match answer {
            Ok(()) => Ok(self.changed(&holder, change)),
            Err(failure) => {
                if let Kind::Refused { message, .. } = &failure.kind {
                    return self.refused_by_entra(one, message, holder).await;
                }
                self.without(Permission::Assignment, failure.into(), Some(holder))
            }
        }
    }

    /// Entra was changed.
    fn changed(&mut self, holder: &Holder, change: LicenceChange) -> Asked {
        let (LicenceChange::Assign(sku) | LicenceChange::Remove(sku)) = change;
        if let Some(sku) = self.skus.as_mut().and_then(|skus| skus.get_mut(&sku)) {
            assignment::count(sku, holder, change);
        }
        self.changed = true;
        let stands = Stands::Done { at: self.engine.clock.now(), did: Did::Changed };
        Asked::Ended { stands, holder: Some(assignment::after(holder, change)) }
    }

    /// Entra refused what nothing spoke against: it is asked again a little later, or that is it.
    async fn refused_by_entra(
        &self,
        one: &mut Versioned<Assignment>,
        text: &str,
        holder: Holder,
    ) -> Result<Asked, Trouble> {
        let Assignment { sku, refusals, .. } = &mut one.value;
        *refusals += 1;
        if let Some(delay) = assignment::again_after(*refusals) {
            // It is known not to have been done.
            one.value.stands = Stands::Accepted;
            self.postpone(one, delay).await?;
            return Ok(Asked::Later);
        }
        let subscribed = self.skus.as_ref().and_then(|skus| skus.get(sku));
        let refusal = assignment::refused_by_entra(text, *sku, &holder, subscribed);
        Ok(Asked::Ended { stands: self.refused(refusal), holder: Some(holder) })
    }

    /// A missing permission ends the one assignment; anything else is for [`Self::failed`].
    fn without(
        &self,
        permission: Permission,
        trouble: Trouble,
        holder: Option<Holder>,
    ) -> Result<Asked, Trouble> {
        match &trouble {
            Trouble::Outside(Failure { kind: Kind::Forbidden { .. }, .. }) => {
                let stands = self.refused(Refusal::PermissionMissing { permission });
                Ok(Asked::Ended { stands, holder })
            }
            Trouble::Outside(_) | Trouble::Ours(_) | Trouble::Lost => Err(trouble),
        }
    }

    fn graph(&self) -> Result<&Graph, Trouble> {
        self.graph.as_ref().map_err(|failure| failure.clone().into())
    }

    async fn read_skus(&mut self) -> Result<(), Trouble> {
        if self.skus.is_none() {
            let all = self.graph()?.subscribed_skus().await?;
            self.skus = Some(all.into_iter().map(|sku| (sku.id, sku)).collect());
        }
        Ok(())
    }

    /// Notes that Graph is about to be asked, so that whoever comes after a kill knows that it may have
    /// been.
    async fn note_intent(&self, one: &mut Versioned<Assignment>) -> Result<(), Trouble> {
        one.value.stands = Stands::Working;
        one.value.calls += 1;
        self.save(one).await
    }

    async fn postpone(
        &self,
        one: &mut Versioned<Assignment>,
        delay: SignedDuration,
    ) -> Result<(), Trouble> {
        let now = self.engine.clock.now();
        one.value.due = now.saturating_add(delay).unwrap_or(now);
        self.save(one).await
    }

    /// Stores an assignment that is still open.
    async fn save(&self, one: &mut Versioned<Assignment>) -> Result<(), Trouble> {
        let (kept, now) = (self.engine.policy.log_retention, self.engine.clock.now());
        let mut all = vec![self.fence.check()];
        all.extend(writes(one, kept, now)?);
        self.commit(&all).await?;
        one.version += 1;
        Ok(())
    }

    /// Ends an assignment: what the person holds now goes to Halo first, whatever came of it.
    async fn end(&self, one: &mut Versioned<Assignment>, end: End<'_>) -> Result<(), Trouble> {
        let End { stands, found, holder, started } = end;
        let mut run = None;
        if let Some(found) = found {
            let (store, licence) = (&self.engine.store, one.value.request.licence);
            let (connection, check) = (self.connection, self.fence.check());
            match store.settle_licence(connection, &check, found.id, holder, licence).await? {
                Fenced::Done(()) => run = self.engine.look_again(connection, found.id).await?,
                Fenced::Lost => return Err(Trouble::Lost),
            }
        }
        one.value.stands = stands;
        one.value.failures = 0;
        let (kept, now) = (self.engine.policy.log_retention, self.engine.clock.now());
        let mut all = vec![self.fence.check()];
        all.extend(writes(one, kept, now)?);
        if let Some(found) = found {
            let expires = now.saturating_add(kept).unwrap_or(Timestamp::MAX);
            let entry = self.entry(&one.value, found, holder, run, started);
            all.extend(log::writes(self.connection, &[entry], expires)?);
        }
        self.commit(&all).await
    }

    /// A service failed: `plan` decides, here it is carried out.
    async fn failed(
        &mut self,
        mut one: Box<Versioned<Assignment>>,
        failure: &Failure,
    ) -> Result<(), Trouble> {
        one.value.failures += 1;
        let (connection, id) = (self.connection, one.value.id);
        tracing::warn!(%connection, assignment = %id, "{}", failure.sentence());
        let reason = failure.sentence();
        let refusal = match failure.next(one.value.failures) {
            Next::Retry(delay) => return self.postpone(&mut one, delay).await,
            Next::Reauthorise => {
                self.withdraw(&reason).await?;
                Refusal::Reauthorise { reason }
            }
            Next::EndRun | Next::ReadAll => Refusal::Unavailable { reason },
        };
        let person = match one.value.person {
            Some(id) => self.engine.store.person(self.connection, id).await?.map(|it| (id, it)),
            None => None,
        };
        let found = person.map(|(id, person)| Found { id, person: person.value });
        let (stands, started) = (self.refused(refusal), self.engine.clock.now());
        self.end(&mut one, End { stands, found: found.as_ref(), holder: None, started }).await
    }

    /// The credentials were refused: the connection has to be authorised again (C7), unless somebody did
    /// that meanwhile.
    async fn withdraw(&mut self, reason: &str) -> Result<(), Trouble> {
        // Told before it is stored: who dies in between tells it twice, and never not at all.
        tracing::warn!(connection = %self.connection, "{reason}");
        loop {
            let Some(state) = self.engine.store.state(self.connection).await? else {
                return Err(Trouble::Lost);
            };
            if state.value.authorisation != self.authorisation {
                self.authorisation = state.value.authorisation;
                return Ok(());
            }
            let (reason, since) = (reason.to_owned(), self.engine.clock.now());
            let authorisation = Authorisation::Reauthorise { reason, since };
            let next = State { authorisation, ..state.value.clone() };
            let key = keys::state(self.connection);
            let all = [self.fence.check(), put(key, &next, state.unchanged())?];
            match self.engine.store.commit(&all).await? {
                Commit::Done => {
                    self.authorisation = next.authorisation;
                    return Ok(());
                }
                Commit::Conflict(0) => return Err(Trouble::Lost),
                // A reader or an administrator wrote the state meanwhile.
                Commit::Conflict(_) => {}
            }
        }
    }

    /// Gives the lease back, and sees to it that whatever is left, or came meanwhile, is gone on with.
    async fn rest(&mut self, until: Option<Timestamp>) -> Result<(), Trouble> {
        if self.changed {
            self.take_stock().await?;
        }
        self.commit(&[self.fence.release()?]).await?;
        let hint = Message::Assign { connection: self.connection.clone() };
        let now = self.engine.clock.now();
        if let Some(until) = until {
            let delay = until.duration_since(now).max(SignedDuration::ZERO);
            self.engine.later(hint, delay).await?;
            return Ok(());
        }
        // The hint of one that came while the lease was held has found it held.
        if !self.engine.store.open_assignments(self.connection, None, 1).await?.0.is_empty() {
            self.engine.later(hint, SignedDuration::ZERO).await?;
        }
        Ok(())
    }

    /// Reads the SKUs once more, so that the ledger shows the seats as they are now. Where that fails,
    /// the next import of licences does it.
    async fn take_stock(&self) -> Result<(), Trouble> {
        let skus = match self.graph()?.subscribed_skus().await {
            Ok(skus) => skus,
            Err(failure) => {
                tracing::warn!(connection = %self.connection, "{}", failure.sentence());
                return Ok(());
            }
        };
        let Some(mut book) = self.engine.store.book(self.connection).await? else { return Ok(()) };
        let expect = book.unchanged();
        book.value.take(&skus, self.engine.clock.now());
        let told = put(keys::licences(self.connection), &book.value, expect)?;
        match self.engine.store.commit(&[self.fence.check(), told]).await? {
            // An import wrote it at the same moment, and read Graph for it.
            Commit::Done | Commit::Conflict(1) => Ok(()),
            Commit::Conflict(_) => Err(Trouble::Lost),
        }
    }

    /// Whoever lost the lease, or whose assignment another worker wrote, stops without a word.
    async fn commit(&self, writes: &[Write]) -> Result<(), Trouble> {
        match self.engine.store.commit(writes).await? {
            Commit::Done => Ok(()),
            Commit::Conflict(_) => Err(Trouble::Lost),
        }
    }
}
