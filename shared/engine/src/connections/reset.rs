//! Resetting deltas (D4): what is stored of the streams' positions is forgotten or moved to now.
//!
//! It is done under the lease of the connection's reader, so that no run reads meanwhile, and stored in
//! one transaction that gives the lease back. Killed before that, nothing was changed, and the lease
//! ends by itself; killed behind it, all of it was done.

use jiff::{SignedDuration, Timestamp};
use plan::cursor::Link;
use plan::document::Mistake;
use plan::ids::ConnectionId;
use plan::reading::Reading;
use plan::reset::{self, LetGo, Mode, Stream};
use plan::tally::RunState;

use super::{Refusal, TRIES, may_run};
use crate::Engine;
use crate::meter::Meter;
use crate::store::connections::{Saved, State};
use crate::store::leases::Fence;
use crate::store::{Commit, keys, put};

/// How long the reader is kept away at the most: API Gateway gives an answer 30 seconds, and the longest
/// request takes a minute.
const LEASE: SignedDuration = SignedDuration::from_secs(90);

/// What a reset let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// How it was asked for.
    pub mode: Mode,
    /// When.
    pub at: Timestamp,
    /// The positions that were forgotten, or moved to now. None where nothing was read yet.
    pub let_go: Vec<LetGo>,
}

impl Engine {
    /// Forgets the positions of a connection's streams, or moves them behind all that waits. Nothing
    /// is started. Refused while a run reads. Clearing again finds it done; moving again skips what came
    /// in between as well.
    pub async fn reset_deltas(
        &self,
        who: &str,
        id: &ConnectionId,
        mode: Mode,
    ) -> Result<Reset, Refusal> {
        self.module_is_on().await?;
        self.load(id).await?;
        let lease = keys::lease(id);
        let Some(fence) = self.store.acquire(&lease, self.random.uuid(), LEASE).await? else {
            return Err(Refusal::Reading);
        };
        let done = self.reset_alone(who, id, mode, &fence).await;
        if done.is_err() {
            // Lost already, somebody else has it, and keeps it.
            let _: Commit = self.store.commit(&[fence.release()?]).await?;
        }
        done
    }

    /// With the lease in hand.
    async fn reset_alone(
        &self,
        who: &str,
        id: &ConnectionId,
        mode: Mode,
        fence: &Fence,
    ) -> Result<Reset, Refusal> {
        // What was read before the lease was taken may be old.
        let (saved, mut state) = self.load(id).await?;
        self.nobody_reads(id, &state.value).await?;
        let before = state.value.reading.clone();
        let links = match mode {
            Mode::Clear => Vec::new(),
            Mode::Latest => self.links_from_now(&saved.value, &state.value).await?,
        };
        for _ in 0..TRIES {
            let (after, reset) = moved(&before, mode, &links, self.clock.now());
            let next = State { reading: after, ..state.value.clone() };
            let writes = [
                fence.release()?,
                put(keys::state(id), &next, state.unchanged())?,
                self.audit(id, who, &reset.told(), None, None)?,
            ];
            match self.store.commit(&writes).await? {
                Commit::Done => return Ok(reset),
                Commit::Conflict(0) => return Err(Refusal::Busy),
                Commit::Conflict(_) => {}
            }
            state = self.load(id).await?.1;
            // Only another cloud takes positions from a connection that nobody reads.
            if state.value.reading != before {
                return Err(Refusal::Busy);
            }
        }
        Err(Refusal::Busy)
    }

    /// A run that reads keeps its place in the positions that would be reset.
    async fn nobody_reads(&self, id: &ConnectionId, state: &State) -> Result<(), Refusal> {
        let Some(run) = state.run else { return Ok(()) };
        let record = self.store.run(id, run).await?;
        let reads = record.is_some_and(|record| record.value.run.state == RunState::Reading);
        if reads { Err(Refusal::Reading) } else { Ok(()) }
    }

    /// Asks Graph for a position that starts from now, for each stream that has something waiting.
    async fn links_from_now(
        &self,
        saved: &Saved,
        state: &State,
    ) -> Result<Vec<(LetGo, Link)>, Refusal> {
        may_run(&state.authorisation)?;
        let reading = &state.reading;
        let skipped = reset::skipped(reading, saved.document.sync.reading)
            .map_err(|why| Refusal::Request(vec![Mistake::new("$.mode", why.sentence())]))?;
        let graph = self.graph(saved, std::sync::Arc::new(Meter::default())).await??;
        let mut links = Vec::with_capacity(skipped.len());
        for position in skipped {
            let link = match position.stream {
                Stream::Users => graph.users_latest(&reading.select).await?,
                Stream::Groups(index) => match reading.groups.get(index) {
                    Some(stream) => graph.groups_latest(&stream.ids).await?,
                    None => continue,
                },
            };
            links.push((position, link));
        }
        Ok(links)
    }
}

impl Reset {
    /// The reset in the settings audit.
    fn told(&self) -> String {
        let positions: Vec<String> = self.let_go.iter().map(|it| it.told(self.at)).collect();
        let what = match self.mode {
            Mode::Clear => "deltas reset (clear), forgotten",
            Mode::Latest => "deltas reset (latest), skipped",
        };
        if positions.is_empty() {
            return format!("{what}: nothing was there");
        }
        format!("{what}: {}", positions.join("; "))
    }
}

fn moved(before: &Reading, mode: Mode, links: &[(LetGo, Link)], at: Timestamp) -> (Reading, Reset) {
    let mut after = before.clone();
    let let_go = match mode {
        Mode::Clear => {
            reset::clear(&mut after);
            reset::positions(before)
        }
        Mode::Latest => {
            for (position, link) in links {
                reset::skip(&mut after, position.stream, link.clone(), at);
            }
            links.iter().map(|(position, _)| *position).collect()
        }
    };
    (after, Reset { mode, at, let_go })
}
