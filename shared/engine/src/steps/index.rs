//! Index: reads Halo's users and agents into their indexes, page by page within the budget, when somebody unlinked
//! has to be looked for (H4).

use jiff::SignedDuration;
use plan::document::{Document, Placement};
use plan::failure::Next;
use plan::ids::{ConnectionId, RecordKind, RunId};
use plan::message::Message;
use plan::rules::Scope;
use plan::tally::RunState;

use super::lookup::index_fields;
use super::{StepError, finish};
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::{self, Error};
use crate::meter::Meter;
use crate::store::{Commit, keys, put};

/// Goes on with the index until it is ready, then sends the run on.
pub(super) async fn index(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(mut record) = engine.run_at_work(connection, run).await? else { return Ok(()) };
    if record.value.run.state != RunState::Deciding {
        return Ok(());
    }
    let owner = engine.random.uuid();
    let lease = engine.lease_for(deadline);
    let again = Message::Index { connection: connection.clone(), run };
    // One index serves all connections, so one worker builds it; the others look again soon.
    let Some(fence) = engine.store.acquire(&keys::index_lease(), owner, lease).await? else {
        return Ok(engine.later(again, SignedDuration::from_secs(5)).await?);
    };
    let meter = std::sync::Arc::new(Meter::default());
    let Some(saved) = engine.store.document(connection).await? else { return Ok(()) };
    let document = &saved.value.document;
    let halo = engine.halo.with_meter(meter.clone());
    let mut built = Ok(Built::Ready);
    for kind in needed(document, record.value.scope(document)) {
        let fields = index_fields(document, kind);
        built = match halo.index(kind).build_step(&fields, deadline).await {
            Ok(halo::index::Built::Ready(_)) => Ok(Built::Ready),
            Ok(halo::index::Built::Reading(_)) => Ok(Built::Missing),
            Err(Error::Halo(failure)) => Err(failure),
            Err(Error::Store(error)) => return Err(error.into()),
        };
        if !matches!(built, Ok(Built::Ready)) {
            break;
        }
    }
    let _: Commit = engine.store.commit(&[fence.release()?]).await?;
    record.value.run.requests += meter.take();
    record.value.waits_for_index = !matches!(built, Ok(Built::Ready));
    record.value.attempts = if built.is_ok() { 0 } else { record.value.attempts + 1 };
    let attempt = record.value.attempts;
    record.value.touched = engine.clock.now();
    let write = put(keys::run(connection, run), &record.value, record.unchanged())?;
    if let Commit::Conflict(_) = engine.store.commit(&[write]).await? {
        return Ok(());
    }
    match built {
        Ok(Built::Ready) => Ok(engine.wake(&record.value).await?),
        Ok(Built::Missing) => Ok(engine.later(again, SignedDuration::ZERO).await?),
        Err(failure) => match failure.next(attempt) {
            Next::Retry(delay) => {
                finish::touch(engine, connection, run, delay).await?;
                Ok(engine.later(again, delay).await?)
            }
            Next::ReadAll | Next::EndRun | Next::Reauthorise => {
                finish::fail(engine, connection, run, &failure).await
            }
        },
    }
}

/// Whether all indexes that a run needs are there.
enum Built {
    Ready,
    Missing,
}

/// The kinds of records that somebody may have to be looked for among.
fn needed(document: &Document, scope: Scope) -> impl Iterator<Item = RecordKind> {
    let makes_agents =
        document.mappings.iter().any(|mapping| matches!(mapping.target, Placement::Agents { .. }));
    let wanted = move |kind: &RecordKind| match kind {
        RecordKind::User => scope.user,
        RecordKind::Agent => scope.agent && makes_agents,
    };
    RecordKind::ALL.into_iter().filter(wanted)
}
