//! Boards: writes the seats that a run's people take and give back on change advisory boards, one write
//! for a board (R3, R4). A board's record holds all members, so whoever writes one holds its lease.
//!
//! What was there before is noted with the people before a board is written, and what came of it
//! afterwards: killed in between, the repetition knows what is ours, and a board that is as it should
//! be is not written again.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use plan::failure::Next;
use plan::ids::{CabId, CabRoleId, ConnectionId, ObjectId, RecordId, RunId};
use plan::link::{Seat, SeatState};
use plan::message::Message;
use plan::tally::RunState;

use super::apply::busy;
use super::{StepError, Trouble, finish};
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::{Halo, Updated};
use crate::meter::Meter;
use crate::store::people::Person;
use crate::store::{Commit, Expect, Range, StoreError, Versioned, Write, keys, put};

/// People of one board that are written together: their records stand in one transaction.
const TOGETHER: usize = 45;
/// How long a worker may keep a board to itself.
const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// Writes boards until no seat is open or the deadline is near, then closes the run.
pub(super) async fn boards(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(record) = engine.run_at_work(connection, run).await? else { return Ok(()) };
    let is_done = record.value.run.state != RunState::Applying || record.value.boards_done;
    // People who are still being written may take more seats.
    if is_done || !finish::all_written(engine, &record.value).await? {
        return Ok(());
    }
    let meter = std::sync::Arc::new(Meter::default());
    let halo = engine.halo_until(deadline, &meter);
    let mut work = Work { engine, connection, halo, warnings: Vec::new() };
    let worked = work.all(deadline).await;
    let warnings = work.warnings;
    let again = Message::Boards { connection: connection.clone(), run };
    let note = |done, failed| Note { requests: meter.take(), warnings, done, failed };
    match worked {
        Ok(Worked::All) => {
            finish::note_boards(engine, connection, run, note(true, false)).await?;
            finish::close(engine, connection, run).await
        }
        Ok(Worked::SomeLeft) => {
            finish::note_boards(engine, connection, run, note(false, false)).await?;
            Ok(engine.later(again, SignedDuration::ZERO).await?)
        }
        Err(Trouble::Ours(error)) => Err(error),
        Err(Trouble::Lost) => Ok(engine.later(again, SignedDuration::from_secs(2)).await?),
        Err(Trouble::Outside(failure)) => {
            let attempt = record.value.attempts + 1;
            match failure.next(attempt) {
                Next::Retry(delay) => {
                    finish::note_boards(engine, connection, run, note(false, true)).await?;
                    finish::touch(engine, connection, run, delay).await?;
                    Ok(engine.later(again, delay).await?)
                }
                // The people are written; their seats stay open for the next run.
                Next::ReadAll | Next::EndRun | Next::Reauthorise => {
                    let mut note = note(true, false);
                    note.warnings.push(failure.sentence());
                    finish::note_boards(engine, connection, run, note).await?;
                    finish::close(engine, connection, run).await
                }
            }
        }
    }
}

/// What a step on boards adds to its run.
pub(super) struct Note {
    pub(super) requests: plan::tally::Requests,
    pub(super) warnings: Vec<String>,
    /// Whether the run can be closed.
    pub(super) done: bool,
    /// Whether Halo failed and the step is tried again.
    pub(super) failed: bool,
}

/// Whether a connection has seats that are still to be written.
pub(super) async fn any_open(
    engine: &Engine,
    connection: &ConnectionId,
) -> Result<bool, StoreError> {
    let page = engine.store.query(&Range::of(keys::seats(connection), 1)).await?;
    Ok(!page.records.is_empty())
}

enum Worked {
    All,
    SomeLeft,
}

struct Work<'a> {
    engine: &'a Engine,
    connection: &'a ConnectionId,
    halo: Halo,
    warnings: Vec<String>,
}

/// Somebody with a seat that is open, and the seat.
struct Sitter {
    id: ObjectId,
    person: Versioned<Person>,
    seat: Seat,
}

impl Work<'_> {
    async fn all(&mut self, deadline: Deadline) -> Result<Worked, Trouble> {
        loop {
            let range = Range::of(keys::seats(self.connection), 1);
            let page = self.engine.store.query(&range).await?;
            let Some(first) = page.records.first() else { return Ok(Worked::All) };
            let cab = first.key.sk.split_once('#').and_then(|(cab, _)| cab.parse().ok());
            let Some(cab) = cab.map(CabId) else {
                // No key of ours looks like this.
                let write = Write::Delete { key: first.key.clone(), expect: Expect::Anything };
                self.engine.store.write_all(&[write]).await?;
                continue;
            };
            if self.engine.is_near(deadline) {
                return Ok(Worked::SomeLeft);
            }
            self.board(cab).await?;
        }
    }

    /// One board: some of its open seats.
    async fn board(&mut self, cab: CabId) -> Result<(), Trouble> {
        let owner = self.engine.random.uuid();
        let fence = self.engine.store.acquire(&keys::cab_lease(cab), owner, LEASE).await?;
        let Some(fence) = fence else { return Err(busy(&format!("write CAB {cab}"))) };
        let written = self.seats(cab).await;
        // Lost, it is somebody else's by now.
        let _: Commit = self.engine.store.commit(&[fence.release()?]).await?;
        written
    }

    async fn seats(&mut self, cab: CabId) -> Result<(), Trouble> {
        let prefix = keys::seats_on(cab);
        let range = Range { prefix, ..Range::of(keys::seats(self.connection), TOGETHER) };
        let page = self.engine.store.query(&range).await?;
        let ids = page.records.iter().filter_map(|it| it.key.sk.rsplit_once('#')?.1.parse().ok());
        let ids: Vec<ObjectId> = ids.collect();
        let people = self.engine.store.people(self.connection, ids.iter().copied()).await?;
        let mut sitters = Vec::new();
        for (id, person) in people {
            match person.value.link.seats.get(&cab).copied() {
                Some(seat) if seat.state.is_open() => sitters.push(Sitter { id, person, seat }),
                Some(_) | None => {}
            }
        }
        let Some(board) = self.halo.cab(cab).await? else {
            self.warnings.push(format!(
                "Halo has no CAB {cab} any more, so nobody was put on it. Choose another one in $.roles.cabs."
            ));
            return self.store(cab, &ids, sitters, |_| None).await;
        };
        for sitter in &mut sitters {
            sitter.seat = sitter.seat.looked(board.seat(sitter.seat.record).is_some());
        }
        self.note(cab, &mut sitters).await?;
        let joins: Vec<(RecordId, Option<CabRoleId>)> = sitters
            .iter()
            .filter(|sitter| sitter.seat.state == SeatState::JoiningOurs)
            .map(|sitter| (sitter.seat.record, sitter.seat.role))
            .collect();
        let leaves: Vec<RecordId> = sitters
            .iter()
            .filter(|sitter| sitter.seat.state == SeatState::Leaving)
            .map(|sitter| sitter.seat.record)
            .collect();
        match self.halo.save_cab(&board, &joins, &leaves).await? {
            Updated::Done { .. } => self.store(cab, &ids, sitters, Seat::written).await,
            // Removed this very moment; the next look tells.
            Updated::Gone => Ok(()),
        }
    }

    /// Notes whose seats will be ours, before the board is written.
    async fn note(&self, cab: CabId, sitters: &mut [Sitter]) -> Result<(), Trouble> {
        let mut writes = Vec::new();
        for sitter in sitters.iter_mut() {
            let stored = sitter.person.value.link.seats.insert(cab, sitter.seat);
            if stored != Some(sitter.seat) {
                let key = keys::person(self.connection, sitter.id);
                writes.push(put(key, &sitter.person.value, sitter.person.unchanged())?);
                sitter.person.version += 1;
            }
        }
        self.commit(&writes).await
    }

    /// Stores what came of the seats; the marks of all that were looked at go.
    async fn store(
        &self,
        cab: CabId,
        ids: &[ObjectId],
        sitters: Vec<Sitter>,
        after: impl Fn(Seat) -> Option<Seat>,
    ) -> Result<(), Trouble> {
        let mut writes: BTreeMap<ObjectId, Vec<Write>> = BTreeMap::new();
        for id in ids {
            let key = keys::seat(self.connection, cab, *id);
            writes.entry(*id).or_default().push(Write::Delete { key, expect: Expect::Anything });
        }
        for Sitter { id, mut person, seat } in sitters {
            match after(seat) {
                Some(seat) => person.value.link.seats.insert(cab, seat),
                None => person.value.link.seats.remove(&cab),
            };
            let key = keys::person(self.connection, id);
            let write = put(key, &person.value, person.unchanged())?;
            writes.entry(id).or_default().push(write);
        }
        self.commit(&writes.into_values().flatten().collect::<Vec<_>>()).await
    }

    /// All or none; when somebody wrote one of the people meanwhile, the step looks again.
    async fn commit(&self, writes: &[Write]) -> Result<(), Trouble> {
        if writes.is_empty() {
            return Ok(());
        }
        match self.engine.store.commit(writes).await? {
            Commit::Done => Ok(()),
            Commit::Conflict(_) => Err(Trouble::Lost),
        }
    }
}
