//! Preview: looks at everybody of a segment and stores what a run would do to them, and changes nothing
//! else (I1, I4).
//!
//! In two passes, like a run. The first looks at everybody: on whoever claims no Halo record, is not
//! deactivated and needs nothing of Halo, it decides for good, so that first pages are there at once.
//! The others are left open until it is known who else claims what (M3) and what the guard says to all
//! deactivations together (L4); the second pass decides on those.

mod view;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use plan::effect::unread;
use plan::failure::{Failure, Next};
use plan::guard::{self, Planned};
use plan::ids::{ConnectionId, PerKind, PreviewId, RecordKind, Segment};
use plan::message::Message;
use plan::rules::scope_of;

use super::index::{self, Built, ELSEWHERE};
use super::lookup::Directory;
use super::{StepError, Trouble};
use crate::Engine;
use crate::clock::Deadline;
use crate::connections::carry_pins;
use crate::store::Commit;
use crate::store::previews::{HeldPart, PartPhase, PreviewPart, PreviewRecord, Stage};
use view::{Seen, Viewer};

/// Looks at a segment; whoever finishes the last one begins the second pass, or ends the preview. Safe
/// to repeat and to run twice at once: a part has one holder, and what it stores it stores again.
pub(super) async fn preview(
    engine: &Engine,
    connection: &ConnectionId,
    preview: PreviewId,
    segment: Segment,
    deadline: Deadline,
) -> Result<(), StepError> {
    let Some(record) = engine.store.preview(connection, preview).await? else { return Ok(()) };
    let record = record.value;
    let pass = match record.stage {
        Stage::Looking => PartPhase::Looking,
        Stage::Deciding => PartPhase::Deciding,
        Stage::Reading { .. } | Stage::Complete | Stage::Failed => return Ok(()),
    };
    let document = engine.store.preview_document(connection, preview).await?;
    let Some(document) = document.filter(|_| !record.is_expired(engine.clock.now())) else {
        return Ok(());
    };
    let owner = engine.random.uuid();
    let lease = engine.lease_for(deadline);
    let held = engine.store.hold_part(record, segment, owner, lease).await?;
    let Some(mut held) = held else { return Ok(()) };
    let directory = Directory::of(engine, connection, document).await?;
    let scope = scope_of(&held.preview.entities);
    let rules = directory.rules(scope);
    if pass == PartPhase::Deciding && held.part.phase == PartPhase::Looked {
        (held.part.phase, held.part.after) = (PartPhase::Deciding, None);
    }
    let mut viewer = Viewer::new(engine, &rules, &mut held);
    let seen = match pass {
        PartPhase::Looking | PartPhase::Looked => viewer.look(deadline).await,
        PartPhase::Deciding | PartPhase::Done => viewer.decide(deadline).await,
    };
    let again = Message::Preview { connection: connection.clone(), preview, segment };
    match seen {
        Ok(Seen::All) => close(engine, connection, preview).await,
        Ok(Seen::SomeLeft) => Ok(engine.later(again, SignedDuration::ZERO).await?),
        Ok(Seen::IndexMissing) => {
            let halo = engine.halo.clone();
            let built = index::build(engine, &halo, &directory.document, scope, deadline).await?;
            await_index(engine, held, built, again).await
        }
        Err(Trouble::Ours(error)) => Err(error),
        Err(Trouble::Outside(failure)) => {
            await_index(engine, held, Built::Failed(failure), again).await
        }
        Err(Trouble::Lost) => Ok(()),
    }
}

/// Goes on when the index is there. Halo's failures come from nowhere else: where a preview asks it
/// for more, it does without.
async fn await_index(
    engine: &Engine,
    mut held: HeldPart,
    built: Built,
    again: Message,
) -> Result<(), StepError> {
    let failure = match built {
        Built::Ready => {
            release(engine, &mut held, 0).await?;
            // The other parts wait for the same.
            return wake(engine, &held.preview, &[]).await;
        }
        Built::Missing => {
            release(engine, &mut held, 0).await?;
            return Ok(engine.later(again, SignedDuration::ZERO).await?);
        }
        Built::Elsewhere => {
            release(engine, &mut held, 0).await?;
            return Ok(engine.later(again, ELSEWHERE).await?);
        }
        Built::Failed(failure) => failure,
    };
    let attempts = held.part.attempts + 1;
    release(engine, &mut held, attempts).await?;
    let PreviewRecord { connection, preview, .. } = &held.preview;
    match failure.next(attempts) {
        Next::Retry(delay) => {
            let until = engine.clock.now().saturating_add(delay).unwrap_or_default();
            change(engine, connection, *preview, |record| record.touched = until).await?;
            Ok(engine.later(again, delay).await?)
        }
        Next::ReadAll | Next::EndRun | Next::Reauthorise => {
            fail(engine, connection, *preview, &failure).await
        }
    }
}

async fn release(engine: &Engine, held: &mut HeldPart, attempts: u32) -> Result<(), StepError> {
    (held.part.owner, held.part.attempts) = (None, attempts);
    // Lost, another worker goes on already.
    let _: Commit = engine.store.save_part(held).await?;
    Ok(())
}

async fn fail(
    engine: &Engine,
    connection: &ConnectionId,
    preview: PreviewId,
    failure: &Failure,
) -> Result<(), StepError> {
    tracing::warn!(connection = %connection, preview = %preview, "{}", failure.sentence());
    let now = engine.clock.now();
    let failed = |record: &mut PreviewRecord| {
        record.stage = Stage::Failed;
        record.finished = Some(now);
        record.error = Some(failure.sentence());
    };
    change(engine, connection, preview, failed).await.map(drop)
}

/// Changes a preview that is not over; the record as it is then. `None` = it is over, or gone.
pub(crate) async fn change(
    engine: &Engine,
    connection: &ConnectionId,
    preview: PreviewId,
    change: impl Fn(&mut PreviewRecord),
) -> Result<Option<PreviewRecord>, StepError> {
    loop {
        let found = engine.store.preview(connection, preview).await?;
        let Some(found) = found else { return Ok(None) };
        if matches!(found.value.stage, Stage::Complete | Stage::Failed) {
            return Ok(None);
        }
        let mut next = found.value.clone();
        change(&mut next);
        if engine.store.commit(&[next.put(found.unchanged())?]).await? == Commit::Done {
            return Ok(Some(next));
        }
    }
}

/// When all parts are through a pass: the guard judges and the second pass begins, or the preview is
/// complete.
async fn close(
    engine: &Engine,
    connection: &ConnectionId,
    preview: PreviewId,
) -> Result<(), StepError> {
    loop {
        let found = engine.store.preview(connection, preview).await?;
        let Some(found) = found else { return Ok(()) };
        let mut next = found.value.clone();
        let parts = engine.store.preview_parts(connection, preview).await?;
        let through = |phase| {
            let all = parts.len() == usize::from(Segment::COUNT);
            all && parts.iter().all(|(_, part)| part.phase >= phase)
        };
        let now = engine.clock.now();
        match next.stage {
            Stage::Looking if through(PartPhase::Looked) => {
                let planned =
                    |kind: RecordKind| parts.iter().map(|(_, it)| *it.planned.of(kind)).sum();
                let planned =
                    PerKind { user: planned(RecordKind::User), agent: planned(RecordKind::Agent) };
                let Some(verdict) = judge(engine, connection, preview, planned).await? else {
                    return Ok(());
                };
                (next.stage, next.verdict) = (Stage::Deciding, Some(verdict));
                if through(PartPhase::Done) {
                    (next.stage, next.finished) = (Stage::Complete, Some(now));
                }
            }
            Stage::Deciding if through(PartPhase::Done) => {
                (next.stage, next.finished) = (Stage::Complete, Some(now));
            }
            Stage::Reading { .. }
            | Stage::Looking
            | Stage::Deciding
            | Stage::Complete
            | Stage::Failed => return Ok(()),
        }
        next.touched = now;
        if engine.store.commit(&[next.put(found.unchanged())?]).await? == Commit::Done {
            return wake(engine, &next, &parts).await;
        }
    }
}

/// What the guard would say to a run that deactivates all these, and reads everything.
async fn judge(
    engine: &Engine,
    connection: &ConnectionId,
    preview: PreviewId,
    planned: PerKind<u64>,
) -> Result<Option<PerKind<guard::Verdict>>, StepError> {
    let state = engine.store.state(connection).await?;
    let document = engine.store.preview_document(connection, preview).await?;
    let (Some(state), Some(document)) = (state, document) else { return Ok(None) };
    let recent = state.value.recent.within_a_day(engine.clock.now());
    let judged = |kind: RecordKind| {
        let planned = Planned {
            deactivations: *planned.of(kind),
            recent: *recent.of(kind),
            linked: *state.value.linked.of(kind),
        };
        guard::judge(document.guard, planned, true)
    };
    Ok(Some(PerKind { user: judged(RecordKind::User), agent: judged(RecordKind::Agent) }))
}

/// Sends the hints of the pass that a preview is in: when it begins, and again for one that stands
/// still (T1). `parts` = those that were begun.
pub(crate) async fn wake(
    engine: &Engine,
    record: &PreviewRecord,
    parts: &[(Segment, PreviewPart)],
) -> Result<(), StepError> {
    if !matches!(record.stage, Stage::Looking | Stage::Deciding) {
        return Ok(());
    }
    let done: BTreeSet<Segment> = parts
        .iter()
        .filter(|(_, part)| part.phase == PartPhase::Done && record.stage == Stage::Deciding)
        .map(|(segment, _)| *segment)
        .collect();
    let hint = |segment| Message::Preview {
        connection: record.connection.clone(),
        preview: record.preview,
        segment,
    };
    let left = Segment::all().filter(|segment| !done.contains(segment));
    let mut hints: Vec<Message> = left.map(hint).collect();
    if hints.is_empty() {
        // All are through, and whoever was last did not come to say so.
        hints.push(hint(Segment::FIRST));
    }
    Ok(engine.queue.send(&hints, std::time::Duration::ZERO).await?)
}

/// Begins to look at everybody, once Entra was read. Safe to repeat: one that was begun is only woken.
pub(crate) async fn begin(
    engine: &Engine,
    connection: &ConnectionId,
    preview: PreviewId,
) -> Result<(), StepError> {
    let document = engine.store.preview_document(connection, preview).await?;
    let found = engine.store.connection(connection).await?;
    let (Some(mut document), Some((saved, state))) = (document, found) else { return Ok(()) };
    let groups = engine.store.groups(connection).await?;
    let unread = unread(&document, &state.value.reading, &groups);
    let now = engine.clock.now();
    // Reading found the groups that rules name; the same is found again if this is killed.
    carry_pins(&mut document, Some(&saved.value.document));
    engine.store.put_preview_document(connection, preview, &document, now).await?;
    let begun = change(engine, connection, preview, |record| {
        if matches!(record.stage, Stage::Reading { .. }) {
            record.look_from(now, unread.clone());
        }
    });
    match begun.await? {
        Some(record) => wake(engine, &record, &[]).await,
        None => Ok(()),
    }
}
