//! Licences: brings Halo's software licences up to date with the ledger, before people are decided who
//! hold them (S1).

use std::collections::BTreeSet;

use plan::failure::{Failure, Next};
use plan::ids::{ConnectionId, LicenceId, RunId, SkuId};
use plan::licences::{Book, Candidate, Due, Image, Sku, find};
use plan::message::Message;
use plan::tally::{Requests, RunState};

use super::index::ELSEWHERE;
use super::{StepError, Trouble, finish};
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::{Error, Halo, NewLicence, Updated};
use crate::meter::Meter;
use crate::store::leases::Fence;
use crate::store::licences::LicenceOwner;
use crate::store::runs::{Extent, RunRecord, WaitsFor};
use crate::store::{Commit, Expect, Versioned, Write, decode, keys, put};

/// A worker on the licences of a connection.
struct Job<'a> {
    engine: &'a Engine,
    halo: Halo,
    connection: &'a ConnectionId,
    document: plan::document::Document,
    extent: Extent,
    book: Versioned<Book>,
    fence: Fence,
    /// The client's licences, once they were asked for.
    candidates: Option<Vec<Candidate>>,
    warnings: Vec<String>,
}

enum Worked {
    All,
    SomeLeft,
}

/// Writes what is due, then sends the run on. Safe to repeat, also at the same time: one worker holds
/// the lease, a licence that may have been made is looked for before another is, and a write that is
/// repeated writes the same.
pub(super) async fn licences(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(record) = engine.run_at_work(connection, run).await? else { return Ok(()) };
    if !is_awaited(&record.value) {
        return Ok(());
    }
    let again = Message::Licences { connection: connection.clone(), run };
    let owner = engine.random.uuid();
    let lease = keys::licence_lease(connection);
    let Some(fence) = engine.store.acquire(&lease, owner, engine.lease_for(deadline)).await? else {
        return Ok(engine.later(again, ELSEWHERE).await?);
    };
    let meter = std::sync::Arc::new(Meter::default());
    let halo = engine.halo_until(deadline, &meter);
    let Some(saved) = engine.store.document(connection).await? else { return Ok(()) };
    let book = engine.store.book(connection).await?;
    let mut job = Job {
        engine,
        halo,
        connection,
        document: saved.value.document,
        extent: record.value.extent,
        book: book.unwrap_or_else(|| Versioned { version: 0, value: Book::default() }),
        fence,
        candidates: None,
        warnings: Vec::new(),
    };
    let worked = job.work(deadline).await;
    let mut then = Then::GoOn;
    match worked {
        Ok(Worked::All) => {}
        Ok(Worked::SomeLeft) => then = Then::Again(jiff::SignedDuration::ZERO),
        Err(Trouble::Lost) => return Ok(()),
        Err(Trouble::Ours(error)) => return Err(error),
        Err(Trouble::Outside(failure)) => match job.failed(&failure, record.value.attempts).await {
            Ok(next) => then = next,
            Err(Trouble::Ours(error)) => return Err(error),
            Err(Trouble::Lost | Trouble::Outside(_)) => return Ok(()),
        },
    }
    let Job { fence, warnings, .. } = job;
    // Lost, it is somebody else's by now.
    let _: Commit = engine.store.commit(&[fence.release()?]).await?;
    let note = Note { requests: meter.take(), warnings, then };
    note.store(engine, connection, run, again).await
}

fn is_awaited(record: &RunRecord) -> bool {
    record.run.state == RunState::Deciding && record.waits_for == WaitsFor::Licences
}

impl Job<'_> {
    async fn work(&mut self, deadline: Deadline) -> Result<Worked, Trouble> {
        let Some(licences) = self.document.licences else { return Ok(Worked::All) };
        loop {
            let now = self.engine.clock.now();
            let due = self.book.value.due(licences.client_id, now).pop_first();
            let Some((sku, due)) = due else { return Ok(Worked::All) };
            if self.engine.is_near(deadline) {
                return Ok(Worked::SomeLeft);
            }
            match due {
                Due::Write(licence, image) => self.write(sku, licence, image).await?,
                Due::Make(image) => self.make(sku, image).await?,
            }
        }
    }

    async fn write(&mut self, id: SkuId, licence: LicenceId, image: Image) -> Result<(), Trouble> {
        match self.halo.update_licence(licence, image).await {
            Ok(Updated::Done { .. }) => {
                self.save(id, |sku| (sku.image, sku.refused) = (Some(image), None)).await
            }
            Ok(Updated::Gone) => {
                self.look_at_everybody().await?;
                self.save(id, |sku| (sku.image, sku.halo) = (None, None)).await
            }
            Err(error) => self.refused(id, error).await,
        }
    }

    /// Finds the licence that is this SKU, or makes it. What there is already is noted before, so that
    /// after a kill the new one is told from them.
    async fn make(&mut self, id: SkuId, image: Image) -> Result<(), Trouble> {
        let candidates = self.candidates(image).await?;
        let others = self.others(id, &candidates).await?;
        let Some(sku) = self.book.value.skus.get(&id).cloned() else { return Ok(()) };
        if let Some(found) = find(&candidates, id, &sku, &self.document.tenant_id, &others) {
            return self.own(id, found, None).await;
        }
        if sku.gone.is_some() {
            return self.save(id, |sku| sku.making = None).await;
        }
        if sku.making.is_none() {
            let there: BTreeSet<LicenceId> = candidates.iter().map(|it| it.id).collect();
            self.save(id, |sku| sku.making = Some(there)).await?;
        }
        let tenant = self.document.tenant_id;
        let new = NewLicence { name: sku.name(), sku: id, tenant, image };
        match self.halo.create_licence(new).await {
            Ok(licence) => self.own(id, licence, Some(image)).await,
            Err(error) => self.refused(id, error).await,
        }
    }

    async fn candidates(&mut self, image: Image) -> Result<Vec<Candidate>, Trouble> {
        if let Some(known) = &self.candidates {
            return Ok(known.clone());
        }
        let read = self.halo.licences(image.client).await?;
        Ok(self.candidates.insert(read).clone())
    }

    /// Licences that are another connection's, or another SKU (C1).
    async fn others(
        &self,
        id: SkuId,
        candidates: &[Candidate],
    ) -> Result<BTreeSet<LicenceId>, Trouble> {
        let places: Vec<_> = candidates.iter().map(|it| keys::licence_owner(it.id)).collect();
        let found = self.engine.store.get(&places).await?;
        let me = LicenceOwner { connection: self.connection.clone(), sku: id };
        let mut others = BTreeSet::new();
        for (candidate, record) in candidates.iter().zip(found) {
            let Some(record) = record else { continue };
            if decode::<LicenceOwner>(&record)?.value != me {
                others.insert(candidate.id);
            }
        }
        Ok(others)
    }

    /// Records that a licence is this SKU. One that was found shows nothing that we know of.
    async fn own(
        &mut self,
        id: SkuId,
        licence: LicenceId,
        image: Option<Image>,
    ) -> Result<(), Trouble> {
        let sku = self.book.value.skus.get(&id);
        let everybody_is_looked_at =
            self.extent.is_everybody() && sku.is_some_and(|sku| sku.refused.is_none());
        if !everybody_is_looked_at {
            self.look_at_everybody().await?;
        }
        let owner = LicenceOwner { connection: self.connection.clone(), sku: id };
        let owner = put(keys::licence_owner(licence), &owner, Expect::Anything)?;
        let change = |sku: &mut Sku| {
            (sku.halo, sku.image) = (Some(licence), image);
            (sku.making, sku.refused) = (None, None);
        };
        self.save_with(id, change, vec![owner]).await
    }

    /// The next run looks at everybody, because people may hold a licence that is another one in Halo
    /// now. Said before it is recorded: killed in between, it is said again.
    async fn look_at_everybody(&self) -> Result<(), Trouble> {
        loop {
            let found = self.engine.store.state(self.connection).await?;
            let Some(mut state) = found else { return Err(Trouble::Lost) };
            if state.value.rules_changed {
                return Ok(());
            }
            (state.value.rules_changed, state.value.clean) = (true, false);
            let write = put(keys::state(self.connection), &state.value, state.unchanged())?;
            if self.engine.store.commit(&[self.fence.check(), write]).await? == Commit::Done {
                return Ok(());
            }
        }
    }

    /// Halo refused this licence, or failed as a whole.
    async fn refused(&mut self, id: SkuId, error: Error) -> Result<(), Trouble> {
        match error {
            Error::Halo(failure) if failure.is_about_the_record() => {
                let (sentence, now) = (failure.sentence(), self.engine.clock.now());
                let name = self.book.value.skus.get(&id).map(|sku| sku.name().to_owned());
                self.warnings.push(format!("{}: {sentence}", name.unwrap_or_default()));
                self.save(id, |sku| {
                    // Refused means not done.
                    sku.making = None;
                    sku.refuse(sentence, now);
                })
                .await
            }
            error @ (Error::Halo(_) | Error::Ours(_)) => Err(error.into()),
        }
    }

    /// Halo failed as a whole. Where trying again does not help, the run goes on without licences, and
    /// what was due waits ever longer: else each run would look at everybody for its sake (T4, T5).
    async fn failed(&mut self, failure: &Failure, attempts: u32) -> Result<Then, Trouble> {
        match failure.next(attempts + 1) {
            Next::Retry(delay) => return Ok(Then::AgainAfterFailure(delay)),
            Next::ReadAll | Next::EndRun | Next::Reauthorise => {}
        }
        let (sentence, now) = (failure.sentence(), self.engine.clock.now());
        let client = self.document.licences.map(|licences| licences.client_id);
        let due = client.map(|client| self.book.value.due(client, now)).unwrap_or_default();
        for sku in due.into_keys() {
            self.save(sku, |sku| sku.refuse(sentence.clone(), now)).await?;
        }
        let told = format!("Licences are not imported. {sentence} Everything else goes on.");
        self.warnings.push(told);
        Ok(Then::GoOn)
    }

    async fn save(&mut self, id: SkuId, change: impl FnOnce(&mut Sku)) -> Result<(), Trouble> {
        self.save_with(id, change, Vec::new()).await
    }

    /// Stores the ledger while the lease is ours; a reader that wrote it meanwhile makes the step look
    /// again.
    async fn save_with(
        &mut self,
        id: SkuId,
        change: impl FnOnce(&mut Sku),
        more: Vec<Write>,
    ) -> Result<(), Trouble> {
        if let Some(sku) = self.book.value.skus.get_mut(&id) {
            change(sku);
        }
        let key = keys::licences(self.connection);
        let mut writes =
            vec![self.fence.check(), put(key, &self.book.value, self.book.unchanged())?];
        writes.extend(more);
        match self.engine.store.commit(&writes).await? {
            Commit::Done => {
                self.book.version += 1;
                Ok(())
            }
            Commit::Conflict(_) => Err(Trouble::Lost),
        }
    }
}

/// What a step leaves with its run.
struct Note {
    requests: Requests,
    warnings: Vec<String>,
    then: Then,
}

enum Then {
    /// People are decided.
    GoOn,
    /// The hint comes again after so long.
    Again(jiff::SignedDuration),
    /// So it does, because Halo failed.
    AgainAfterFailure(jiff::SignedDuration),
}

impl Note {
    async fn store(
        self,
        engine: &Engine,
        connection: &ConnectionId,
        run: RunId,
        again: Message,
    ) -> Result<(), StepError> {
        let record = loop {
            let Some(mut record) = engine.store.run(connection, run).await? else { return Ok(()) };
            if !is_awaited(&record.value) {
                return Ok(());
            }
            let one = &mut record.value;
            one.run.requests += self.requests;
            for warning in &self.warnings {
                if !one.run.warnings.contains(warning) {
                    one.run.warnings.push(warning.clone());
                }
            }
            one.touched = engine.clock.now();
            match self.then {
                Then::GoOn => {
                    (one.waits_for, one.attempts) = (WaitsFor::Nothing, 0);
                    if one.segments.is_empty() {
                        one.run.state = RunState::Applying;
                    }
                }
                Then::Again(_) => one.attempts = 0,
                Then::AgainAfterFailure(_) => one.attempts += 1,
            }
            let write = put(keys::run(connection, run), &record.value, record.unchanged())?;
            if engine.store.commit(&[write]).await? == Commit::Done {
                break record;
            }
        };
        match self.then {
            Then::GoOn if record.value.segments.is_empty() => {
                finish::close(engine, connection, run).await
            }
            Then::GoOn => Ok(engine.wake(&record.value).await?),
            Then::Again(delay) => Ok(engine.later(again, delay).await?),
            Then::AgainAfterFailure(delay) => {
                finish::touch(engine, connection, run, delay).await?;
                Ok(engine.later(again, delay).await?)
            }
        }
    }
}
