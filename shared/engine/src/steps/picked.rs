//! Picked: whom a run is about that is not about everybody: people who were named, or those of a
//! preview's plan (I2).

use std::collections::{BTreeMap, BTreeSet};

use plan::ids::{ConnectionId, ObjectId, PreviewId, Segment};
use plan::preview::Planned;

use super::StepError;
use crate::Engine;
use crate::store::people::Fenced;
use crate::store::runs::{Extent, HeldSegment, Phase, RunRecord};
use crate::store::{StoreError, keys};

use super::Trouble;
use super::decide::save;

/// People looked at together while they are marked.
const BATCH: usize = 100;

/// Whom a run is about.
#[derive(Debug)]
pub(super) struct Picked {
    connection: ConnectionId,
    named: Option<BTreeSet<ObjectId>>,
    plan: Option<PreviewId>,
}

/// The segments in which a run that is not about everybody has somebody to look at.
pub(super) async fn segments(engine: &Engine, run: &RunRecord) -> Result<Vec<Segment>, StepError> {
    let picked = Picked::of(engine, run).await?;
    match (picked.named, picked.plan) {
        (None, None) => Ok(Segment::all().collect()),
        (None, Some(plan)) => {
            let parts = engine.store.preview_parts(&picked.connection, plan).await?;
            let to_do = parts.iter().filter(|(_, part)| part.totals.has_to_do());
            Ok(to_do.map(|(segment, _)| *segment).collect())
        }
        (Some(named), _) => {
            let segments: BTreeSet<Segment> = named.into_iter().map(ObjectId::segment).collect();
            Ok(segments.into_iter().collect())
        }
    }
}

impl Picked {
    pub(super) async fn of(engine: &Engine, run: &RunRecord) -> Result<Self, StoreError> {
        let connection = run.run.connection.clone();
        let named = if run.extent.names_people() {
            let key = keys::named(&connection, run.run.run);
            let list = engine.store.read::<BTreeSet<ObjectId>>(&key).await?;
            Some(list.map(|list| list.value).unwrap_or_default())
        } else {
            None
        };
        let plan = match run.extent {
            Extent::Plan { plan, .. } => Some(plan),
            Extent::Everybody | Extent::Named | Extent::Licences | Extent::Preview { .. } => None,
        };
        Ok(Self { connection, named, plan })
    }

    /// The phase in which a segment of such a run begins.
    pub(super) fn first_phase(&self) -> Phase {
        if self.named.is_some() || self.plan.is_some() { Phase::Marking } else { Phase::Deciding }
    }

    /// Whether a preview's plan is carried out.
    pub(super) fn is_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// Those among some people whom the run is about, and what was planned for them.
    pub(super) async fn among(
        &self,
        engine: &Engine,
        ids: Vec<ObjectId>,
    ) -> Result<(Vec<ObjectId>, BTreeMap<ObjectId, Planned>), StoreError> {
        let is_named = |id: &ObjectId| self.named.as_ref().is_none_or(|named| named.contains(id));
        let ids: Vec<ObjectId> = ids.into_iter().filter(is_named).collect();
        let Some(plan) = self.plan else { return Ok((ids, BTreeMap::new())) };
        let found = engine.store.previewed(&self.connection, plan, &ids).await?;
        let planned = found.into_iter().map(|(id, person)| (id, person.planned));
        let planned: BTreeMap<ObjectId, Planned> =
            planned.filter(|(_, planned)| planned.is_to_do()).collect();
        Ok((ids.into_iter().filter(|id| planned.contains_key(id)).collect(), planned))
    }

    /// Marks the people of a segment whom the run is about, in portions: from then on they are dirty
    /// like all others, and stay so until an outcome is recorded. Marking somebody twice is marking
    /// them once, so a killed worker's portion is simply done again.
    pub(super) async fn mark(
        &self,
        engine: &Engine,
        held: &mut HeldSegment,
    ) -> Result<(), Trouble> {
        let after = held.record.after.clone();
        let (ids, next) = self.portion(engine, held.segment, after).await?;
        let check = held.check();
        let marked = engine.store.mark_dirty(&self.connection, &check, ids, "import").await?;
        let Fenced::Done(_) = marked else { return Err(Trouble::Lost) };
        held.record.after.clone_from(&next);
        if next.is_none() {
            held.record.phase = Phase::Deciding;
        }
        save(engine, held).await
    }

    async fn portion(
        &self,
        engine: &Engine,
        segment: Segment,
        after: Option<String>,
    ) -> Result<(Vec<ObjectId>, Option<String>), StoreError> {
        let Some(plan) = self.plan.filter(|_| self.named.is_none()) else {
            // A list of names is short.
            let own = self.named.iter().flatten().filter(|id| id.segment() == segment);
            let (ids, _) = self.among(engine, own.copied().collect()).await?;
            return Ok((ids, None));
        };
        let page = engine.store.previewed_of(&self.connection, plan, segment, after, BATCH).await?;
        let (people, next) = page;
        let to_do = people.into_iter().filter(|(_, person)| person.planned.is_to_do());
        Ok((to_do.map(|(id, _)| id).collect(), next))
    }
}
