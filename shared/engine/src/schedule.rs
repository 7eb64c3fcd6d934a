//! The timer: which connections are due, which runs and assignments stand still, and whose last
//! sign-ins are to be read (I3, T1, S2, D8, C9).

mod watch;

use std::time::Duration;

use plan::expiry::{to_tell, warning};
use plan::ids::ConnectionId;
use plan::message::Message;
use plan::schedule::{Module, STALLED, Tick, reads_sign_ins, tick};

use crate::Engine;
use crate::steps::StepError;
use crate::steps::situation;
use crate::store::connections::{CredentialFacts, Saved, State};
use crate::store::runs::RunRecord;
use crate::store::{Versioned, decode, keys, put};
use watch::Watch;

/// Connections whose state is read together.
const BATCH: usize = 50;

impl Engine {
    /// One tick: sends the hints that are due and returns how many connections got one. Safe to
    /// repeat: a connection that is already running, or not due, does nothing with a hint too many.
    pub async fn tick(&self) -> Result<u64, StepError> {
        let mut woken = 0;
        let mut after = None;
        let mut watch = Watch::default();
        if self.module().await?.state() == Module::Off {
            return Ok(woken);
        }
        loop {
            let (connections, next) = self.store.connections(after, BATCH).await?;
            for (connection, _) in connections {
                woken += u64::from(self.tick_one(&connection, &mut watch).await?);
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        watch.tell(self.clock.now(), woken, self.halo.budget_left().await?);
        Ok(woken)
    }

    async fn tick_one(
        &self,
        connection: &ConnectionId,
        watch: &mut Watch,
    ) -> Result<bool, StepError> {
        let Some((saved, state)) = self.store.connection(connection).await? else {
            return Ok(false);
        };
        self.tell_of_expiry(connection, &saved).await?;
        let (saved, state) = (saved.value, state.value);
        watch.add(connection, &saved, &state, self.clock.now());
        let woken = self.tick_runs(connection, &saved, &state).await?;
        let woken = self.tick_sign_ins(connection, &saved, &state).await? || woken;
        Ok(self.tick_assignments(connection, &saved).await? || woken)
    }

    async fn tick_runs(
        &self,
        connection: &ConnectionId,
        saved: &Saved,
        state: &State,
    ) -> Result<bool, StepError> {
        let run: Option<Versioned<RunRecord>> = match state.run {
            Some(run) => {
                let found = self.store.get(&[keys::run(connection, run)]).await?.pop().flatten();
                found.as_ref().map(decode).transpose()?
            }
            None => None,
        };
        let running = run.as_ref().map(|run| (run.value.run.state, run.value.touched));
        let what = tick(&situation(&saved.document, state, self), running);
        match (what, run) {
            (Tick::Quiet, _) => Ok(false),
            (Tick::Wake(_), Some(run)) => {
                tracing::info!(connection = %connection, run = %run.value.run.run, "the run stood still and is woken");
                self.wake(&run.value).await?;
                Ok(true)
            }
            (Tick::Fetch | Tick::Wake(_), _) => {
                let fetch = Message::Fetch { connection: connection.clone() };
                self.queue.send(&[fetch], Duration::ZERO).await?;
                Ok(true)
            }
        }
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

    /// What Halo asked for and stands still, because a hint was lost or a worker was killed (T1): one
    /// query, where a connection has licences at all.
    async fn tick_assignments(
        &self,
        connection: &ConnectionId,
        saved: &Saved,
    ) -> Result<bool, StepError> {
        if saved.document.licences.is_none() {
            return Ok(false);
        }
        let (oldest, _) = self.store.open_assignments(connection, None, 1).await?;
        let now = self.clock.now();
        let still = oldest.iter().any(|(_, open)| now.duration_since(open.touched) >= STALLED);
        if still {
            let hint = Message::Assign { connection: connection.clone() };
            self.queue.send(&[hint], Duration::ZERO).await?;
        }
        Ok(still)
    }

    /// One read more, where a connection wants it; whatever the hint leads to, no run hears of it.
    async fn tick_sign_ins(
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
        let due = job.is_none_or(|job| job.value.is_due(situation.now));
        if due {
            let hint = Message::SignIns { connection: connection.clone() };
            self.queue.send(&[hint], Duration::ZERO).await?;
        }
        Ok(due)
    }
}
