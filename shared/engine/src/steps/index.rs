//! Index: reads Halo's users and agents into their indexes, page by page within the budget, when somebody unlinked
//! has to be looked for (H4).

use jiff::SignedDuration;
use plan::document::{Document, Placement};
use plan::failure::{Failure, Next};
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
use crate::store::runs::WaitsFor;
use crate::store::{Commit, keys, put};

/// Goes on with the index until it is ready, then sends the run on.
pub(super) async fn index(
    engine: &Engine,
    connection: &ConnectionId,
    run: RunId,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(mut record) = engine.run_at_work(connection, run).await? else { return Ok(()) };
    if record.value.run.state != RunState::Deciding || record.value.waits_for == WaitsFor::Licences
    {
        return Ok(());
    }
    let again = Message::Index { connection: connection.clone(), run };
    let meter = std::sync::Arc::new(Meter::default());
    let Some(saved) = engine.store.document(connection).await? else { return Ok(()) };
    let document = &saved.value.document;
    let halo = engine.halo.with_meter(meter.clone());
    let built = build(engine, &halo, document, record.value.scope(document), deadline).await?;
    if let Built::Elsewhere = built {
        return Ok(engine.later(again, ELSEWHERE).await?);
    }
    record.value.run.requests += meter.take();
    record.value.waits_for =
        if matches!(built, Built::Ready) { WaitsFor::Nothing } else { WaitsFor::Index };
    let failed = matches!(built, Built::Failed(_));
    record.value.attempts = if failed { record.value.attempts + 1 } else { 0 };
    let attempt = record.value.attempts;
    record.value.touched = engine.clock.now();
    let write = put(keys::run(connection, run), &record.value, record.unchanged())?;
    if let Commit::Conflict(_) = engine.store.commit(&[write]).await? {
        return Ok(());
    }
    match built {
        Built::Ready => Ok(engine.wake(&record.value).await?),
        Built::Missing | Built::Elsewhere => Ok(engine.later(again, SignedDuration::ZERO).await?),
        Built::Failed(failure) => match failure.next(attempt) {
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

/// When to look again where another worker builds the index.
pub(super) const ELSEWHERE: SignedDuration = SignedDuration::from_secs(5);

/// Whether all indexes that are needed are there.
pub(super) enum Built {
    /// They are.
    Ready,
    /// The time was up first.
    Missing,
    /// Another worker is at it.
    Elsewhere,
    /// Halo failed.
    Failed(Failure),
}

/// Works towards the indexes that some rules need. One index serves all connections, so one worker
/// builds it.
pub(super) async fn build(
    engine: &Engine,
    halo: &halo::Halo,
    document: &Document,
    scope: Scope,
    deadline: Deadline,
) -> Result<Built, StepError> {
    let (owner, lease) = (engine.random.uuid(), engine.lease_for(deadline));
    let Some(fence) = engine.store.acquire(&keys::index_lease(), owner, lease).await? else {
        return Ok(Built::Elsewhere);
    };
    let mut built = Built::Ready;
    for kind in needed(document, scope) {
        let fields = index_fields(document, kind);
        built = match halo.index(kind).build_step(&fields, deadline).await {
            Ok(halo::index::Built::Ready(_)) => Built::Ready,
            Ok(halo::index::Built::Reading(_)) => Built::Missing,
            Err(Error::Halo(failure)) => Built::Failed(failure),
            Err(Error::Ours(error)) => return Err(error),
        };
        if !matches!(built, Built::Ready) {
            break;
        }
    }
    let _: Commit = engine.store.commit(&[fence.release()?]).await?;
    Ok(built)
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
