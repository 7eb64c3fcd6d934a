//! Previews as administrators ask for them and see them (I1, I4, I6).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use plan::document::{Document, Entity};
use plan::effect::unread;
use plan::guard;
use plan::ids::{ConnectionId, MappingId, PerKind, PreviewId, Segment};
use plan::preview::{Totals, order};
use plan::reading::Read;
use plan::tally::{RunState, Trigger};

use super::import::Order;
use super::{Refusal, TRIES, may_run};
use crate::Engine;
use crate::steps::{StepError, preview as step};
use crate::store::Commit;
use crate::store::connections::State;
use crate::store::previews::{
    LIFE, Position, PreviewPart, PreviewRecord, Previewed, RulesOf, Stage,
};
use crate::store::runs::Extent;
use crate::store::{keys, put};

/// How long a preview may stand still before whoever looks at it sends its hints again (T1).
const STALLED: SignedDuration = SignedDuration::from_mins(3);

/// What somebody wants to see.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// By the rules of this draft; `None` = by those that are saved.
    pub draft: Option<serde_json::Value>,
    /// Of these kinds of records; empty = what the document's schedule covers.
    pub entities: Vec<Entity>,
    /// How Entra is read first; `None` = not at all, unless nobody was ever read.
    pub read: Option<Read>,
}

/// A preview, as far as it is.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What is known of it.
    pub record: PreviewRecord,
    /// Where it stands for whoever looks at it now.
    pub state: PreviewState,
    /// People who were looked at so far.
    pub looked: u64,
    /// People who are listed so far, by mapping and decision.
    pub totals: Totals,
    /// Deactivations so far, without those that an administrator released.
    pub deactivations: PerKind<u64>,
}

/// Where a preview stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewState {
    /// Entra is read first.
    Reading,
    /// People are looked at; those who are decided on are listed.
    Running,
    /// Done.
    Complete,
    /// Ended by a failure.
    Failed,
    /// Too old to be shown or carried out.
    Expired,
}

impl Preview {
    fn of(record: PreviewRecord, parts: &[(Segment, PreviewPart)], now: Timestamp) -> Self {
        let state = match record.stage {
            _ if record.is_expired(now) => PreviewState::Expired,
            Stage::Reading { .. } => PreviewState::Reading,
            Stage::Looking | Stage::Deciding => PreviewState::Running,
            Stage::Complete => PreviewState::Complete,
            Stage::Failed => PreviewState::Failed,
        };
        let mut totals = Totals::default();
        let mut deactivations = PerKind::default();
        for (_, part) in parts {
            totals += &part.totals;
            deactivations.user += part.planned.user;
            deactivations.agent += part.planned.agent;
        }
        let looked = parts.iter().map(|(_, part)| part.looked).sum();
        Self { record, state, looked, totals, deactivations }
    }

    /// Which kinds of records have more deactivations than the guard lets pass (L4).
    pub fn held_by_guard(&self) -> PerKind<bool> {
        let holds = |verdict| verdict == guard::Verdict::Held;
        self.record.verdict.map_or_else(PerKind::default, |verdict| PerKind {
            user: holds(verdict.user),
            agent: holds(verdict.agent),
        })
    }

    /// The groups of people in their order, those whom no mapping places last, by decision.
    pub fn groups(&self) -> Vec<(Option<&MappingId>, BTreeMap<String, u64>)> {
        let mappings = self.record.order.iter().map(Some).chain([None]);
        mappings.map(|mapping| (mapping, self.totals.of(mapping))).collect()
    }
}

impl Engine {
    /// Asks for a preview. Nothing is written but the preview itself, so that asking twice is two
    /// previews, of which one ages out unseen.
    pub async fn start_preview(
        &self,
        id: &ConnectionId,
        wanted: &Wanted,
    ) -> Result<Preview, Refusal> {
        for _ in 0..TRIES {
            let (saved, state) = self.load(id).await?;
            self.module_is_on().await?;
            may_run(&state.value.authorisation)?;
            let saved = saved.value;
            let (document, rules, warnings) = if let Some(draft) = &wanted.draft {
                let (draft, warnings) = self.parse_draft(id, draft, &saved.document)?;
                (draft, RulesOf::Draft, warnings)
            } else {
                (saved.document, RulesOf::Saved { revision: saved.revision }, Vec::new())
            };
            let mut record = self.new_preview(&document, rules, wanted);
            record.warnings = warnings;
            let mut writes = Vec::new();
            match read_first(wanted, &state.value) {
                None => {
                    let groups = self.store.groups(id).await?;
                    let unread = unread(&document, &state.value.reading, &groups);
                    record.look_from(record.created, unread);
                }
                Some(read) => {
                    let mut next = state.value.clone();
                    let extent = Extent::Preview { preview: record.preview };
                    let order = Order { trigger: Trigger::Manual, read, entities: &[], extent };
                    let (run, run_writes) = self.enqueue(&document.id, &mut next, order)?;
                    record.stage = Stage::Reading { run };
                    writes.extend(run_writes);
                    writes.push(put(keys::state(id), &next, state.unchanged())?);
                }
            }
            writes.extend(record.creates(&document)?);
            if self.store.commit(&writes).await? == Commit::Done {
                if matches!(record.stage, Stage::Reading { .. }) {
                    self.hint_fetch(id).await?;
                } else {
                    step::wake(self, &record, &[]).await?;
                }
                let now = record.created;
                return Ok(Preview::of(record, &[], now));
            }
        }
        Err(Refusal::Busy)
    }

    fn new_preview(&self, document: &Document, rules: RulesOf, wanted: &Wanted) -> PreviewRecord {
        let now = self.clock.now();
        let entities = if wanted.entities.is_empty() {
            document.sync.entities.clone()
        } else {
            wanted.entities.clone()
        };
        PreviewRecord {
            preview: PreviewId(self.random.sortable(now)),
            connection: document.id.clone(),
            stage: Stage::Looking,
            created: now,
            expires: now.saturating_add(LIFE).unwrap_or(Timestamp::MAX),
            finished: None,
            rules,
            entities,
            order: order(document),
            verdict: None,
            reads: 0,
            new_properties: std::collections::BTreeSet::new(),
            unknown_groups: std::collections::BTreeSet::new(),
            warnings: Vec::new(),
            error: None,
            touched: now,
        }
    }

    /// A preview as far as it is; `None` = there is none, or its connection was removed. One that stands
    /// still, because a hint was lost with a process, is woken by whoever waits for it.
    pub async fn preview(&self, preview: PreviewId) -> Result<Option<Preview>, StepError> {
        let Some(connection) = self.store.preview_owner(preview).await? else { return Ok(None) };
        let found = self.store.preview(&connection, preview).await?;
        let Some(mut record) = found.map(|found| found.value) else { return Ok(None) };
        let now = self.clock.now();
        if let Stage::Reading { run } = record.stage {
            self.follow_reading(&mut record, run).await?;
        }
        let parts = self.store.preview_parts(&connection, preview).await?;
        let idle = parts.iter().all(|(_, part)| part.owner.is_none() || part.until <= now);
        if idle && now.duration_since(record.touched) >= STALLED {
            step::wake(self, &record, &parts).await?;
        }
        Ok(Some(Preview::of(record, &parts, now)))
    }

    /// What became of the run that reads for a preview, where the run did not come to say so itself.
    async fn follow_reading(
        &self,
        record: &mut PreviewRecord,
        run: plan::ids::RunId,
    ) -> Result<(), StepError> {
        let (connection, preview) = (record.connection.clone(), record.preview);
        let Some(found) = self.store.run(&connection, run).await? else { return Ok(()) };
        match found.value.run.state {
            RunState::Failed => {
                let (now, error) = (self.clock.now(), found.value.run.error);
                let failed = |record: &mut PreviewRecord| {
                    record.stage = Stage::Failed;
                    record.finished = Some(now);
                    record.error.clone_from(&error);
                };
                let changed = step::change(self, &connection, preview, failed).await?;
                *record = changed.unwrap_or_else(|| record.clone());
            }
            RunState::Completed | RunState::Held => {
                step::begin(self, &connection, preview).await?;
            }
            RunState::Queued | RunState::Reading | RunState::Deciding | RunState::Applying => {}
        }
        Ok(())
    }

    /// A page of people as a preview lists them, and where to go on; people who are decided on later may
    /// stand before that place.
    pub async fn previewed(
        &self,
        preview: &Preview,
        mapping: Option<&MappingId>,
        decision: Option<&str>,
        from: Position,
        limit: usize,
    ) -> Result<(Vec<Previewed>, Option<Position>), StepError> {
        let stretches = preview.record.stretches(mapping, decision, &preview.totals);
        Ok(self.store.preview_page(&preview.record, &stretches, from, limit).await?)
    }
}

/// How Entra is read before anybody is looked at. Without a word it is not: a preview shows what a run
/// would make of what is known. Where nobody was ever read, there would be nothing to show.
fn read_first(wanted: &Wanted, state: &State) -> Option<Read> {
    let nobody = state.reading.last_full.is_none();
    match wanted.read {
        Some(Read::None) => None,
        Some(read) => Some(read),
        None => nobody.then_some(Read::AsConfigured),
    }
}
