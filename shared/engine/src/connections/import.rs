//! Runs that somebody asks for: they wait in the connection's state for their turn (I2, I5).

use std::collections::BTreeSet;
use std::time::Duration;

use plan::document::{Document, Entity, Mistake};
use plan::effect::carry_custom_fields;
use plan::ids::{ConnectionId, ObjectId, PreviewId, RunId};
use plan::message::Message;
use plan::reading::Read;
use plan::schedule::Module;
use plan::tally::{RunState, Trigger};

use super::directory::carry_pins;
use super::save::rules;
use super::{Refusal, TRIES, may_run};
use crate::Engine;
use crate::queue::QueueError;
use crate::steps::StepError;
use crate::store::connections::{Queued, State};
use crate::store::previews::Stage;
use crate::store::runs::{Extent, RunRecord, Whom};
use crate::store::{Commit, Expect, Write, keys, put};

/// People whose licences changed that one run looks at.
const TOGETHER: usize = 1_000;

/// What an import is asked to be.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// How it reads Entra first.
    pub read: Read,
    /// Of which kinds of records; empty = what the document's schedule covers, or what the preview does.
    pub entities: Vec<Entity>,
    /// About these people, by object id or user principal name; `None` = everybody, or everybody in the
    /// preview.
    pub people: Option<Vec<String>>,
    /// The preview that it carries out.
    pub plan: Option<PreviewId>,
}

/// A run to be put into the state of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    pub(super) trigger: Trigger,
    pub(super) read: Read,
    pub(super) entities: &'a [Entity],
    pub(super) extent: Extent,
}

impl Engine {
    /// Asks for a run. One that waits already and does the same, or all of it, is the answer to
    /// everybody who asks.
    pub async fn import(&self, id: &ConnectionId, asked: &Asked) -> Result<RunId, Refusal> {
        let (saved, _) = self.load(id).await?;
        let people = self.named_people(id, asked.people.as_deref()).await?;
        let planned = self.planned(id, asked.plan, &saved.value.document).await?;
        let entities = planned.as_ref().unwrap_or(&asked.entities);
        let licences_alone = entities.as_slice() == [Entity::Licences];
        check_entities(&saved.value.document, asked)?;
        let extent = match (asked.plan, &people) {
            (None, None) if licences_alone => Extent::Licences,
            (Some(plan), Some(_)) => Extent::Plan { plan, people: Whom::Named },
            (Some(plan), None) => Extent::Plan { plan, people: Whom::All },
            (None, Some(_)) => Extent::Named,
            (None, None) => Extent::Everybody,
        };
        let order = Order { trigger: Trigger::Manual, read: asked.read, entities, extent };
        for _ in 0..TRIES {
            let (saved, state) = self.load(id).await?;
            self.module_is_on().await?;
            may_run(&state.value.authorisation)?;
            if !saved.value.document.enabled {
                return Err(Refusal::Disabled);
            }
            if let Some(queued) = state.value.queue().find(|queued| covers(queued, &order)) {
                self.hint_fetch(id).await?;
                return Ok(queued.run);
            }
            let mut next = state.value.clone();
            let (run, mut writes) = self.enqueue(id, &mut next, order)?;
            if let Some(people) = &people {
                writes.push(put(keys::named(id, run), people, Expect::Absent)?);
            }
            writes.push(put(keys::state(id), &next, state.unchanged())?);
            if self.store.commit(&writes).await? == Commit::Done {
                self.hint_fetch(id).await?;
                return Ok(run);
            }
        }
        Err(Refusal::Busy)
    }

    /// The object ids of people who were named; every one that nobody knows is a mistake.
    async fn named_people(
        &self,
        id: &ConnectionId,
        people: Option<&[String]>,
    ) -> Result<Option<BTreeSet<ObjectId>>, Refusal> {
        let Some(people) = people else { return Ok(None) };
        let (mut known, mut mistakes) = (BTreeSet::new(), Vec::new());
        for (index, who) in people.iter().enumerate() {
            if let Some(person) = self.find_person(id, who).await? {
                known.insert(person.id);
            } else {
                let message = "Entra has not told of such a person. Give the object id or the user principal name; somebody new is known after the next run.";
                mistakes.push(Mistake::new(format!("$.people[{index}]"), message));
            }
        }
        if mistakes.is_empty() { Ok(Some(known)) } else { Err(Refusal::Request(mistakes)) }
    }

    /// What a preview covers that can be carried out as it is; `None` without one.
    async fn planned(
        &self,
        id: &ConnectionId,
        plan: Option<PreviewId>,
        saved: &Document,
    ) -> Result<Option<Vec<Entity>>, Refusal> {
        let Some(plan) = plan else { return Ok(None) };
        // Another connection's is none (C1).
        let Some(found) = self.store.preview(id, plan).await? else {
            return Err(Refusal::NoPreview);
        };
        let record = found.value;
        let expired = record.is_expired(self.clock.now());
        let mut document = self.store.preview_document(id, plan).await?;
        if let Some(shown) = &mut document {
            // What saving or reading found out since is no other rule.
            carry_pins(shown, Some(saved));
            carry_custom_fields(shown, saved);
        }
        let refused = match (record.stage, document) {
            (_, Some(_)) if expired => "it is older than a day",
            (Stage::Reading { .. } | Stage::Looking | Stage::Deciding, Some(_)) => {
                "it is not complete yet"
            }
            (Stage::Failed, _) => "it failed",
            (Stage::Complete, Some(shown)) if rules(&shown) == rules(saved) => {
                return Ok(Some(record.entities));
            }
            (Stage::Complete, Some(_)) => {
                "its rules are not those that are saved: save the document that it shows first"
            }
            (_, None) => "it is older than a day",
        };
        Err(Refusal::Plan(refused))
    }

    /// Puts a run into the state of its connection; the writes store what people see of it. Refused
    /// when too many wait already.
    pub(super) fn enqueue(
        &self,
        id: &ConnectionId,
        state: &mut State,
        order: Order<'_>,
    ) -> Result<(RunId, Vec<Write>), Refusal> {
        let now = self.clock.now();
        let Order { trigger, read, entities, extent } = order;
        let entities = entities.to_vec();
        let run = self.random.run_id(now);
        let mut record = RunRecord::new(run, id, trigger, RunState::Queued, now);
        (record.entities, record.extent) = (entities.clone(), extent);
        if !state.enqueue(Queued { run, trigger, read, entities, extent }) {
            return Err(Refusal::Busy);
        }
        let writes = vec![
            put(keys::run(id, run), &record, Expect::Absent)?,
            put(keys::run_pointer(run), id, Expect::Anything)?,
        ];
        Ok((run, writes))
    }

    /// Notes in a connection's state that people were marked by an administrator, and queues the run
    /// that looks at them; one that waits already is the answer. `None` = no run may start now, and the
    /// next one looks at them. To be stored in one transaction with the marks or after them.
    pub(super) async fn enqueue_marked(
        &self,
        document: &Document,
        state: &mut State,
    ) -> Result<(Vec<Write>, Option<RunId>), Refusal> {
        note_marks(state);
        let off = self.module().await?.state() == Module::Off;
        if off || !document.enabled || may_run(&state.authorisation).is_err() {
            return Ok((Vec::new(), None));
        }
        if let Some(queued) = state.queue().find(|queued| queued.extent.is_everybody()) {
            return Ok((Vec::new(), Some(queued.run)));
        }
        let (extent, trigger) = (Extent::Everybody, Trigger::Manual);
        let order = Order { trigger, read: Read::None, entities: &[], extent };
        match self.enqueue(&document.id, state, order) {
            Ok((run, writes)) => Ok((writes, Some(run))),
            Err(Refusal::Busy) => Ok((Vec::new(), None)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Asks for a run that looks at somebody whose licences changed, and reads nothing
    /// (S2); one that still waits takes the person along. `None` = none may start now, or too many wait,
    /// and the next one about everybody looks at the person, who has to be marked before. Safe to repeat.
    pub async fn look_again(
        &self,
        id: &ConnectionId,
        person: ObjectId,
    ) -> Result<Option<RunId>, StepError> {
        loop {
            let Some((saved, state)) = self.store.connection(id).await? else { return Ok(None) };
            let off = self.module().await?.state() == Module::Off;
            let enabled = saved.value.document.enabled;
            let may_start = !off && enabled && may_run(&state.value.authorisation).is_ok();
            let mut next = state.value.clone();
            // The next run looks for marks, whatever becomes of this one.
            note_marks(&mut next);
            let (run, mut writes) = if may_start {
                self.take_along(id, &mut next, person).await?
            } else {
                (None, Vec::new())
            };
            // A run that began meanwhile has written the state, and is not joined any more.
            writes.push(put(keys::state(id), &next, state.unchanged())?);
            if self.store.commit(&writes).await? == Commit::Done {
                self.hint_fetch(id).await?;
                return Ok(run);
            }
        }
    }

    /// The run that waits for people whose licences changed, or a new one, with this person among them.
    async fn take_along(
        &self,
        id: &ConnectionId,
        state: &mut State,
        person: ObjectId,
    ) -> Result<(Option<RunId>, Vec<Write>), StepError> {
        let waits =
            |queued: &&Queued| queued.trigger == Trigger::Halo && queued.extent == Extent::Named;
        if let Some(run) = state.queue().find(waits).map(|queued| queued.run) {
            let key = keys::named(id, run);
            let found = self.store.read::<BTreeSet<ObjectId>>(&key).await?;
            if let Some(mut people) = found.filter(|people| people.value.len() < TOGETHER) {
                people.value.insert(person);
                let write = put(key, &people.value, people.unchanged())?;
                return Ok((Some(run), vec![write]));
            }
        }
        let trigger = Trigger::Halo;
        let order = Order { trigger, read: Read::None, entities: &[], extent: Extent::Named };
        match self.enqueue(id, state, order) {
            Ok((run, mut writes)) => {
                writes.push(put(keys::named(id, run), &BTreeSet::from([person]), Expect::Absent)?);
                Ok((Some(run), writes))
            }
            Err(Refusal::Ours(error)) => Err(error),
            Err(_) => Ok((None, Vec::new())),
        }
    }

    pub(super) async fn hint_fetch(&self, id: &ConnectionId) -> Result<(), QueueError> {
        let fetch = Message::Fetch { connection: id.clone() };
        self.queue.send(&[fetch], Duration::ZERO).await
    }
}

/// Licences need to know their client, and are nobody's in particular (S1).
fn check_entities(document: &Document, asked: &Asked) -> Result<(), Refusal> {
    let Some(index) = asked.entities.iter().position(|it| *it == Entity::Licences) else {
        return Ok(());
    };
    let message = if document.licences.is_none() {
        "The connection does not say which client licences are imported to. Add licences.client_id to its document."
    } else if asked.people.is_some() {
        "Licences are imported for everybody. Leave out licences, or people."
    } else if asked.read == Read::None {
        "An import of licences reads Entra. Leave out licences, or read."
    } else {
        return Ok(());
    };
    Err(Refusal::Request(vec![Mistake::new(format!("$.entities[{index}]"), message)]))
}

/// Whether a run that waits does what is asked. Names are not compared: people who are named twice are
/// looked at twice, which changes nothing (T2).
fn covers(queued: &Queued, order: &Order<'_>) -> bool {
    let same = queued.entities.is_empty() || queued.entities == order.entities;
    same && queued.extent == order.extent && !order.extent.names_people()
}

/// Somebody else than a reader placed dirty marks: the next run has to look for them.
fn note_marks(state: &mut State) {
    state.clean = false;
    state.marked = true;
}
