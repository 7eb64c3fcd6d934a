//! Decide: looks at what would happen to a segment's dirty people, before anything does: who claims
//! which Halo user (M3), and how many would be deactivated (L4). Writes nothing to Halo.

use jiff::SignedDuration;
use plan::guard::{self, Planned};
use plan::ids::{ConnectionId, ObjectId, PerKind, RecordId, RecordKind, RunId, Segment};
use plan::message::Message;
use plan::rules::Rules;
use plan::tally::RunState;

use super::lookup::{Batch, Directory, other_claims};
use super::picked::Picked;
use super::{StepError, Trouble, finish};
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::index::Freshness;
use crate::store::people::{Fenced, Person};
use crate::store::runs::{HeldSegment, Phase, WaitsFor};
use crate::store::{Commit, Expect, Versioned, Write, keys, put};

/// People looked at between two savings of the place.
const BATCH: usize = 100;

/// Looks at a segment; whoever finishes the last one starts the writing.
pub(super) async fn decide(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    segment: Segment,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(record) = engine.run_at_work(connection, run).await? else { return Ok(()) };
    if record.value.run.state != RunState::Deciding || record.value.waits_for != WaitsFor::Nothing {
        return Ok(());
    }
    let Some(directory) = Directory::load(engine, connection).await? else { return Ok(()) };
    let picked = Picked::of(engine, &record.value).await?;
    let owner = engine.random.uuid();
    let (lease, first) = (engine.lease_for(deadline), picked.first_phase());
    let held = engine.store.hold_segment(connection, run, segment, owner, lease, first).await?;
    let Some(mut held) = held else { return Ok(()) };
    let rules = directory.rules(record.value.scope(&directory.document));
    let looked = look(engine, &rules, &picked, &mut held, deadline).await;
    match looked {
        Ok(Looked::All) => close(engine, connection, run).await,
        Ok(Looked::SomeLeft) => {
            finish::touch(engine, connection, run, SignedDuration::ZERO).await?;
            let again = Message::Decide { connection: connection.clone(), run, segment };
            Ok(engine.later(again, SignedDuration::ZERO).await?)
        }
        Ok(Looked::IndexMissing) => ask_for_index(engine, connection, run).await,
        Err(Trouble::Ours(error)) => Err(error),
        Err(Trouble::Lost | Trouble::Outside(_)) => Ok(()),
    }
}

enum Looked {
    All,
    SomeLeft,
    IndexMissing,
}

async fn look(
    engine: &Engine,
    rules: &Rules<'_>,
    picked: &Picked,
    held: &mut HeldSegment,
    deadline: Deadline,
) -> Result<Looked, Trouble> {
    while held.record.phase == Phase::Marking {
        if engine.is_near(deadline) {
            release(engine, held).await?;
            return Ok(Looked::SomeLeft);
        }
        picked.mark(engine, held).await?;
    }
    while held.record.phase == Phase::Deciding {
        let after = held.record.after.clone();
        let (ids, next) = engine.store.dirty(&held.connection, held.segment, after, BATCH).await?;
        let (ids, _) = picked.among(engine, ids).await?;
        let mut batch = Batch::load(engine, &held.connection, ids).await?;
        if !batch.look_up_matches(engine, rules, Freshness::Fresh).await? {
            release(engine, held).await?;
            return Ok(Looked::IndexMissing);
        }
        let (mut claims, mut planned) = (Vec::new(), held.record.planned);
        for (id, person) in &batch.people {
            let Some(foreseen) = batch.foresee(rules, *id) else { continue };
            planned.user += u64::from(foreseen.deactivates.user);
            planned.agent += u64::from(foreseen.deactivates.agent);
            if foreseen.claims != person.value.claims {
                claims.push(Claimed { id: *id, person, claims: foreseen.claims });
            }
        }
        if !write_claims(engine, held, &claims).await? {
            continue;
        }
        held.record.planned = planned;
        held.record.after.clone_from(&next);
        if next.is_none() {
            held.record.phase = Phase::Decided;
            held.record.owner = None;
        }
        let near = next.is_some() && engine.is_near(deadline);
        if near {
            held.record.owner = None;
        }
        save(engine, held).await?;
        if near {
            return Ok(Looked::SomeLeft);
        }
    }
    if held.record.owner.is_some() {
        release(engine, held).await?;
    }
    Ok(Looked::All)
}

/// A person who hits other Halo records than before, or none any more.
struct Claimed<'a> {
    id: ObjectId,
    person: &'a Versioned<Person>,
    claims: PerKind<Option<RecordId>>,
}

impl Claimed<'_> {
    /// The claims as records that others find, and the person who has them, in one transaction.
    fn writes(&self, connection: &ConnectionId) -> Result<Vec<Write>, StepError> {
        let value = Person { claims: self.claims, ..self.person.value.clone() };
        let own = put(keys::person(connection, self.id), &value, self.person.unchanged())?;
        let mut writes = vec![own];
        for kind in RecordKind::ALL {
            let (was, now) = (self.person.value.claims.of(kind), self.claims.of(kind));
            if was == now {
                continue;
            }
            if let Some(record) = now {
                writes.push(put(keys::claim(connection, *record, self.id), &(), Expect::Anything)?);
            }
            if let Some(record) = was {
                let key = keys::claim(connection, *record, self.id);
                writes.push(Write::Delete { key, expect: Expect::Anything });
            }
        }
        Ok(writes)
    }

    /// Records that are not hit any more.
    fn given_up(&self) -> impl Iterator<Item = RecordId> {
        RecordKind::ALL.into_iter().filter_map(|kind| {
            let was = *self.person.value.claims.of(kind);
            was.filter(|_| was != *self.claims.of(kind))
        })
    }
}

/// Stores claims; whoever else hit a Halo record that is given up is looked at again. `false` =
/// somebody else wrote one of the people meanwhile: they have to be looked at again first.
async fn write_claims(
    engine: &Engine,
    held: &mut HeldSegment,
    claims: &[Claimed<'_>],
) -> Result<bool, Trouble> {
    // Marked first: killed or too late, the repetition still sees what is given up.
    let given_up = claims.iter().flat_map(|it| it.given_up().map(|record| (it.id, record)));
    for (id, record) in given_up {
        let others = other_claims(engine, &held.connection, record, id).await?;
        let marked =
            engine.store.mark_dirty(&held.connection, &held.check(), others, "claim").await?;
        match marked {
            Fenced::Done(dirty) => held.record.left += dirty,
            Fenced::Lost => return Err(Trouble::Lost),
        }
    }
    for chunk in claims.chunks(engine.store.commit_limit() / 5) {
        let mut writes = Vec::new();
        for claim in chunk {
            writes.extend(claim.writes(&held.connection)?);
        }
        if let Commit::Conflict(_) = engine.store.commit(&writes).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Stores the segment's record; lost when another worker took the segment.
pub(super) async fn save(engine: &Engine, held: &mut HeldSegment) -> Result<(), Trouble> {
    match engine.store.commit(&[held.save()?]).await? {
        Commit::Done => {
            held.saved();
            Ok(())
        }
        Commit::Conflict(_) => Err(Trouble::Lost),
    }
}

/// Gives the segment back at once, so that the next hint need not wait for the lease to end.
pub(super) async fn release(engine: &Engine, held: &mut HeldSegment) -> Result<(), Trouble> {
    held.record.owner = None;
    save(engine, held).await
}

/// Asks for the index once for the whole run, whichever segment misses it first.
async fn ask_for_index(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
) -> Result<(), StepError> {
    let Some(mut record) = engine.store.run(connection, run).await? else { return Ok(()) };
    if record.value.waits_for != WaitsFor::Nothing || record.value.run.state != RunState::Deciding {
        return Ok(());
    }
    record.value.waits_for = WaitsFor::Index;
    let write = put(keys::run(connection, run), &record.value, record.unchanged())?;
    match engine.store.commit(&[write]).await? {
        Commit::Done => Ok(engine.wake(&record.value).await?),
        Commit::Conflict(_) => Ok(()),
    }
}

/// When all segments were looked at: the guard judges, and the writing begins.
async fn close(engine: &Engine, connection: &ConnectionId, run: RunId) -> Result<(), StepError> {
    loop {
        let Some(record) = engine.store.run(connection, run).await? else { return Ok(()) };
        let mut next = record.value.clone();
        let parts = engine.store.segments(connection, run, &next.segments).await?;
        let parts: Vec<_> = parts.into_iter().flatten().map(|part| part.value).collect();
        let decided = parts.iter().filter(|part| part.phase >= Phase::Decided).count();
        if next.run.state != RunState::Deciding || decided < next.segments.len() {
            return Ok(());
        }
        let Some((saved, state)) = engine.store.connection(connection).await? else {
            return Ok(());
        };
        let now = engine.clock.now();
        let recent = state.value.recent.within_a_day(now);
        let judged = |kind: RecordKind| {
            let planned = Planned {
                deactivations: parts.iter().map(|part| *part.planned.of(kind)).sum(),
                recent: *recent.of(kind),
                linked: *state.value.linked.of(kind),
            };
            guard::judge(saved.value.document.guard, planned, next.read_complete)
        };
        next.verdict =
            Some(PerKind { user: judged(RecordKind::User), agent: judged(RecordKind::Agent) });
        next.run.state = RunState::Applying;
        next.touched = now;
        let write = put(keys::run(connection, run), &next, record.unchanged())?;
        // On a conflict the run was touched or moved on meanwhile, which the next look tells.
        if engine.store.commit(&[write]).await? == Commit::Done {
            return Ok(engine.wake(&next).await?);
        }
    }
}
