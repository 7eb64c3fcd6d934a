//! The timer: which connections are due, which runs and assignments stand still, and whose last
//! sign-ins are to be read (I3, T1, S2, D8, C9).

mod watch;

use std::time::Duration;

use futures::future::join_all;
use plan::expiry::{to_tell, warning};
use plan::ids::ConnectionId;
use plan::message::Message;
use plan::schedule::{Module, STALLED, Tick, reads_sign_ins, tick};

use crate::Engine;
use crate::steps::StepError;
use crate::steps::{hints_of, situation};
use crate::store::connections::{CredentialFacts, Saved, State};
use crate::store::runs::RunRecord;
use crate::store::{Versioned, keys, put};
use watch::Watch;

/// Connections that are looked at together: document and state of so many are one read of the table.
const BATCH: usize = 50;

impl Engine {
    /// One tick: sends the hints that are due and returns how many connections got one. Safe to
    /// repeat: a connection that is already running, or not due, does nothing with a hint too many.
    ///
    /// A connection that cannot be looked at is the error of the tick, behind all others (T5).
    pub async fn tick(&self) -> Result<u64, StepError> {
        let (mut woken, mut after, mut failed) = (0, None, None);
        let mut watch = Watch::default();
        if self.module().await?.state() == Module::Off {
            return Ok(woken);
        }
        loop {
            let (ids, next) = self.store.connection_ids(after, BATCH).await?;
            let looked = self.look(&ids, &mut watch).await?;
            let mut hints = Vec::new();
            for (connection, found) in ids.iter().zip(looked) {
                match found {
                    Ok(found) => {
                        woken += u64::from(!found.is_empty());
                        hints.extend(found);
                    }
                    Err(error) => {
                        tracing::error!(%connection, "it could not be looked at: {error}");
                        failed = Some(error);
                    }
                }
            }
            self.queue.send(&hints, Duration::ZERO).await?;
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        watch.tell(self.clock.now(), woken, self.halo.budget_left().await?);
        failed.map_or(Ok(woken), Err)
    }

    /// The hints of each connection, all looked at at once.
    async fn look(
        &self,
        ids: &[ConnectionId],
        watch: &mut Watch,
    ) -> Result<Vec<Result<Vec<Message>, StepError>>, StepError> {
        let found = self.store.connections_of(ids).await?;
        let now = self.clock.now();
        for (connection, found) in ids.iter().zip(&found) {
            if let Ok(Some((saved, state))) = found {
                watch.add(connection, &saved.value, &state.value, now);
            }
        }
        let each = ids.iter().zip(found).map(async |(connection, found)| match found? {
            Some((saved, state)) => self.hints(connection, &saved, &state.value).await,
            None => Ok(Vec::new()),
        });
        Ok(join_all(each).await)
    }

    async fn hints(
        &self,
        connection: &ConnectionId,
        saved: &Versioned<Saved>,
        state: &State,
    ) -> Result<Vec<Message>, StepError> {
        self.tell_of_expiry(connection, saved).await?;
        let saved = &saved.value;
        let mut hints = self.hints_of_runs(connection, saved, state).await?;
        if self.wants_sign_ins(connection, saved, state).await? {
            hints.push(Message::SignIns { connection: connection.clone() });
        }
        if self.has_assignments_standing(connection, saved).await? {
            hints.push(Message::Assign { connection: connection.clone() });
        }
        Ok(hints)
    }

    async fn hints_of_runs(
        &self,
        connection: &ConnectionId,
        saved: &Saved,
        state: &State,
    ) -> Result<Vec<Message>, StepError> {
        let run: Option<Versioned<RunRecord>> = match state.run {
            Some(run) => self.store.read(&keys::run(connection, run)).await?,
            None => None,
        };
        let running = run.as_ref().map(|run| (run.value.run.state, run.value.touched));
        Ok(match (tick(&situation(&saved.document, state, self), running), run) {
            (Tick::Quiet, _) => Vec::new(),
            (Tick::Wake(_), Some(run)) => {
                tracing::info!(connection = %connection, run = %run.value.run.run, "the run stood still and is woken");
                hints_of(&run.value)
            }
            (Tick::Fetch | Tick::Wake(_), _) => {
                vec![Message::Fetch { connection: connection.clone() }]
            }
        })
    }

    /// Tells operators of credentials that come to their end, once for each threshold (C9). Told before
    /// it is noted: a tick that dies in between, or two at once, tell twice, and none is silent.
    async fn tell_of_expiry(
        &self,
        connection: &ConnectionId,
        saved: &Versioned<Saved>,
    ) -> Result<(), StepError> {
        let Some(facts) = &saved.value.credentials else { return Ok(()) };
        let Some(expires_at) = facts.expires_at else { return Ok(()) };
        let now = self.clock.now();
        let Some(nearness) = to_tell(expires_at, facts.told, now) else { return Ok(()) };
        let kind = saved.value.document.auth.credential;
        if let Some(warning) = warning(kind, expires_at, now) {
            tracing::warn!(%connection, "{}", warning.sentence);
        }
        let facts = CredentialFacts { told: Some(nearness), ..facts.clone() };
        let next = Saved { credentials: Some(facts), ..saved.value.clone() };
        // Whoever saved the connection meanwhile goes first; the next tick notes it.
        let note = put(keys::document(connection), &next, saved.unchanged())?;
        self.store.commit(&[note]).await.map(drop)?;
        Ok(())
    }

    /// Whether something that Halo asked for stands still, because a hint was lost or a worker was killed
    /// (T1): one query, where a connection has licences at all.
    async fn has_assignments_standing(
        &self,
        connection: &ConnectionId,
        saved: &Saved,
    ) -> Result<bool, StepError> {
        if saved.document.licences.is_none() {
            return Ok(false);
        }
        let (oldest, _) = self.store.open_assignments(connection, None, 1).await?;
        let now = self.clock.now();
        Ok(oldest.iter().any(|(_, open)| now.duration_since(open.touched) >= STALLED))
    }

    /// One read more, where a connection wants it; whatever the hint leads to, no run hears of it.
    async fn wants_sign_ins(
        &self,
        connection: &ConnectionId,
        saved: &Saved,
        state: &State,
    ) -> Result<bool, StepError> {
        let situation = situation(&saved.document, state, self);
        if !reads_sign_ins(&situation, self.policy.module, state.reading.last_full) {
            return Ok(false);
        }
        let job = self.store.sign_ins(connection).await?;
        Ok(job.is_none_or(|job| job.value.is_due(situation.now)))
    }
}
