//! Finish: closes a run when all its segments are done, or when it cannot go on.

use jiff::SignedDuration;
use plan::failure::Failure;
use plan::ids::{ConnectionId, PerKind, RecordKind, RunId};
use plan::message::Message;
use plan::tally::{Counts, Requests, Run, RunState};

use super::{StepError, boards};
use crate::Engine;
use crate::store::runs::{Phase, RunRecord, SegmentRecord};
use crate::store::{Commit, Versioned, keys, put};
use crate::telemetry::metrics::{Metric, emit};
use crate::telemetry::trace;

/// Looks whether the run is over. Safe to repeat: a run that is closed stays closed.
pub(super) async fn finish(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
) -> Result<(), StepError> {
    close(engine, connection, run).await
}

/// Closes the run if every segment is done.
pub(super) async fn close(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
) -> Result<(), StepError> {
    let Some(record) = engine.store.run(connection, run).await? else { return Ok(()) };
    let parts = parts(engine, &record.value).await?;
    let done = parts.iter().filter(|part| part.phase == Phase::Done).count();
    if record.value.run.state != RunState::Applying || done < record.value.segments.len() {
        return Ok(());
    }
    let open = boards::any_open(engine, connection).await?;
    if open && !record.value.boards_done {
        let boards = Message::Boards { connection: connection.clone(), run };
        return Ok(engine.later(boards, SignedDuration::ZERO).await?);
    }
    let mut next = record.value.clone();
    next.run.state = if parts.iter().any(|part| part.counts.held > 0) {
        RunState::Held
    } else {
        RunState::Completed
    };
    end(engine, record, next, &parts, open).await
}

/// Adds to the run what a step on boards did.
pub(super) async fn note_boards(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    note: boards::Note,
) -> Result<(), StepError> {
    loop {
        let Some(mut record) = engine.store.run(connection, run).await? else { return Ok(()) };
        if record.value.run.state.is_over() {
            return Ok(());
        }
        record.value.run.requests += note.requests;
        for warning in &note.warnings {
            if !record.value.run.warnings.contains(warning) {
                record.value.run.warnings.push(warning.clone());
            }
        }
        record.value.boards_done |= note.done;
        record.value.attempts = if note.failed { record.value.attempts + 1 } else { 0 };
        record.value.touched = engine.clock.now();
        let write = put(keys::run(connection, run), &record.value, record.unchanged())?;
        if engine.store.commit(&[write]).await? == Commit::Done {
            return Ok(());
        }
    }
}

/// Ends a run that cannot go on; whoever is still dirty is looked at by the next one.
pub(super) async fn fail(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    failure: &Failure,
) -> Result<(), StepError> {
    let Some(record) = engine.store.run(connection, run).await? else { return Ok(()) };
    if record.value.run.state.is_over() {
        return Ok(());
    }
    tracing::warn!(connection = %connection, run = %run, "{}", failure.sentence());
    let parts = parts(engine, &record.value).await?;
    let mut next = record.value.clone();
    next.run.state = RunState::Failed;
    next.run.error = Some(failure.sentence());
    end(engine, record, next, &parts, false).await
}

/// Whether all segments are done.
pub(super) async fn all_written(engine: &Engine, run: &RunRecord) -> Result<bool, StepError> {
    let done = parts(engine, run).await?;
    let done = done.iter().filter(|part| part.phase == Phase::Done).count();
    Ok(done >= run.segments.len())
}

async fn parts(engine: &Engine, run: &RunRecord) -> Result<Vec<SegmentRecord>, StepError> {
    let found = engine.store.segments(&run.run.connection, run.run.run, &run.segments).await?;
    Ok(found.into_iter().flatten().map(|part| part.value).collect())
}

/// Notes that the run is being worked on, or waits on purpose for so long, so that the timer does not
/// take it for one that stands still and add hints to those that are on their way.
pub(super) async fn touch(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    waits: SignedDuration,
) -> Result<(), StepError> {
    let Some(mut record) = engine.store.run(connection, run).await? else { return Ok(()) };
    let now = engine.clock.now();
    let until = now.saturating_add(waits).unwrap_or(now);
    if record.value.run.state.is_over() || until.duration_since(record.value.touched) < ENOUGH {
        return Ok(());
    }
    record.value.touched = until;
    let write = put(keys::run(connection, run), &record.value, record.unchanged())?;
    // Lost to somebody who wrote the run at the same moment, it was touched all the same.
    let _: Commit = engine.store.commit(&[write]).await?;
    Ok(())
}

/// How exact the time of the last touch is kept.
const ENOUGH: SignedDuration = SignedDuration::from_mins(1);

/// Sums the segments and frees the connection, in one transaction.
async fn end(
    engine: &Engine,
    mut record: Versioned<RunRecord>,
    mut next: RunRecord,
    parts: &[SegmentRecord],
    seats_open: bool,
) -> Result<(), StepError> {
    let connection = next.run.connection.clone();
    let run = next.run.run;
    let (mut counts, mut requests) = (Counts::default(), Requests::default());
    for part in parts {
        counts += part.counts;
        requests += part.requests;
    }
    next.run.counts = counts;
    next.run.requests += requests;
    next.run.finished = Some(engine.clock.now());
    next.touched = engine.clock.now();
    let left: u64 = parts.iter().map(|part| part.left).sum();
    let now = engine.clock.now();
    loop {
        let Some(state) = engine.store.state(&connection).await? else { return Ok(()) };
        let mut free = state.value.clone();
        if free.run == Some(run) {
            free.run = None;
            let alone = next.extent.is_everybody();
            let quiet = alone && left == 0 && !seats_open && !free.marked;
            free.clean = quiet && next.run.state == RunState::Completed;
            if alone && next.run.state != RunState::Failed {
                free.completed = Some(now);
            }
        }
        let mut deactivated = PerKind::default();
        for kind in RecordKind::ALL {
            let linked: i64 = parts.iter().map(|part| *part.linked.of(kind)).sum();
            let known = free.linked.of_mut(kind);
            *known = known.saturating_add_signed(linked);
            *deactivated.of_mut(kind) = parts.iter().map(|part| *part.deactivated.of(kind)).sum();
        }
        free.recent.note(now, deactivated);
        let writes = [
            put(keys::run(&connection, run), &next, record.unchanged())?,
            put(keys::state(&connection), &free, state.unchanged())?,
        ];
        match engine.store.commit(&writes).await? {
            Commit::Done => tell(&next.run),
            // The run was touched, or the connection changed by an administrator, meanwhile.
            Commit::Conflict(_) => {
                let Some(now) = engine.store.run(&connection, run).await? else { return Ok(()) };
                if now.value.run.state.is_over() {
                    return Ok(());
                }
                record = now;
                continue;
            }
        }
        if free.queued.is_some() {
            let fetch = Message::Fetch { connection };
            engine.later(fetch, SignedDuration::ZERO).await?;
        }
        return Ok(());
    }
}

/// Writes the metrics of a run that is over; who dies before loses them.
pub(super) fn tell(run: &Run) {
    let Counts {
        created,
        updated,
        unchanged,
        deactivated,
        reactivated,
        conflict,
        held,
        not_in_scope,
        failed,
        moved,
    } = run.counts;
    let finished = run.finished.unwrap_or(run.started);
    let took = u64::try_from(finished.duration_since(run.started).as_secs()).unwrap_or(0);
    let ended = |state| u64::from(run.state == state);
    let values = [
        (Metric::RunsCompleted, ended(RunState::Completed)),
        (Metric::RunsHeld, ended(RunState::Held)),
        (Metric::RunsFailed, ended(RunState::Failed)),
        (Metric::RunDuration, took),
        (Metric::PeopleCreated, created),
        (Metric::PeopleUpdated, updated),
        (Metric::PeopleUnchanged, unchanged),
        (Metric::PeopleDeactivated, deactivated),
        (Metric::PeopleReactivated, reactivated),
        (Metric::PeopleConflict, conflict),
        (Metric::PeopleHeld, held),
        (Metric::PeopleNotInScope, not_in_scope),
        (Metric::PeopleFailed, failed),
        (Metric::PeopleMoved, moved),
        (Metric::GraphRequests, run.requests.graph),
        (Metric::HaloRequests, run.requests.halo),
    ];
    let mut properties =
        vec![("connection", run.connection.to_string()), ("run", run.run.to_string())];
    properties.extend(trace::id().map(|id| ("trace", id)));
    emit(finished, &values, &properties);
}
