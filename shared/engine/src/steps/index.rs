//! Index: reads Halo's users into the index, page by page within the budget, when somebody unlinked
//! has to be looked for (H4).

use jiff::SignedDuration;
use plan::failure::Next;
use plan::ids::{ConnectionId, RecordKind, RunId};
use plan::message::Message;
use plan::tally::RunState;

use super::lookup::index_fields;
use super::{StepError, finish};
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::Error;
use crate::halo::index::Built;
use crate::meter::Meter;
use crate::store::{Commit, keys, put};

/// Goes on with the index until it is ready, then sends the run on.
pub(super) async fn index(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(mut record) = engine.store.run(connection, run).await? else { return Ok(()) };
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
    let fields = index_fields(&saved.value.document);
    let halo = engine.halo.with_meter(meter.clone());
    let built = match halo.index(RecordKind::User).build_step(&fields, deadline).await {
        Ok(built) => Ok(built),
        Err(Error::Halo(failure)) => Err(failure),
        Err(Error::Store(error)) => return Err(error.into()),
    };
    let _: Commit = engine.store.commit(&[fence.release()?]).await?;
    record.value.run.requests += meter.take();
    record.value.waits_for_index = !matches!(built, Ok(Built::Ready(_)));
    record.value.attempts = if built.is_ok() { 0 } else { record.value.attempts + 1 };
    let attempt = record.value.attempts;
    record.value.touched = engine.clock.now();
    let write = put(keys::run(connection, run), &record.value, record.unchanged())?;
    if let Commit::Conflict(_) = engine.store.commit(&[write]).await? {
        return Ok(());
    }
    match built {
        Ok(Built::Ready(_)) => Ok(engine.wake(&record.value).await?),
        Ok(Built::Reading(_)) => Ok(engine.later(again, SignedDuration::ZERO).await?),
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
