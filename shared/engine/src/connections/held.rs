//! Deactivations that wait for an administrator: listed, released, rejected (L4).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use plan::document::Mistake;
use plan::ids::{ConnectionId, ObjectId, RecordKind, RunId};
use plan::link::{Ruling, Says};
use plan::relink::{rule, ruled};
use serde::Serialize;
use utoipa::ToSchema;

use super::conflicts::names;
use super::{Refusal, TRIES};
use crate::Engine;
use crate::clock::Deadline;
use crate::store::log::PersonNames;
use crate::store::{Commit, Expect, Order, Range, StoreError, keys, put};

/// How long one call notes rulings: API Gateway waits for 30 seconds.
const PORTION: SignedDuration = SignedDuration::from_secs(15);
/// Time that must be left to begin with more people.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);
/// People noted together: each is a record and a mark in one transaction.
const TOGETHER: usize = 45;
/// People of other runs who are named in an answer.
const NAMED: usize = 100;

/// Somebody whose deactivation is held.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeldPerson {
    /// Who.
    pub person: PersonNames,
    /// Which records.
    pub kinds: BTreeSet<RecordKind>,
    /// The run that held them first.
    pub run: RunId,
    /// When that was.
    pub since: Timestamp,
    /// Why they would be made inactive, and why they wait.
    pub sentence: String,
    /// What an administrator said; the next run heeds it.
    pub ruling: Option<Ruling>,
}

/// What came of a ruling.
#[derive(Clone, Debug, Default)]
pub struct Ruled {
    /// People of whom it is noted now.
    pub ruled: u64,
    /// How many are still to be looked at, at the most: the call has to be repeated.
    pub left: u64,
    /// The run that heeds it; `None` = none may start now, and the next one does.
    pub run: Option<RunId>,
    /// People whom it does not touch.
    pub others: Vec<Other>,
}

/// Somebody whom a ruling does not touch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Other {
    /// Who.
    pub person: PersonNames,
    /// The run that holds them; `None` = nothing of theirs is held.
    pub run: Option<RunId>,
    /// What was said of them before, which only a call that names them changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Says>,
}

impl Engine {
    /// People whose deactivation is held, in order of their object ids, and where to go on.
    pub async fn held(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<HeldPerson>, Option<String>), StoreError> {
        let (ids, next) = self.held_ids(connection, after, limit).await?;
        let people = self.store.people(connection, ids).await?;
        let held = people.into_iter().filter_map(|(id, person)| {
            let person = person.value;
            let names = names(id, &person);
            let (held, ruling) = (person.held?, person.link.ruling);
            let ruling = ruling.filter(|ruling| ruling.run == held.run);
            let (kinds, run, since) = (held.kinds, held.run, held.since);
            Some(HeldPerson { person: names, kinds, run, since, sentence: held.sentence, ruling })
        });
        Ok((held.collect(), next))
    }

    /// Notes what an administrator says of the deactivations that a run held: of all of whom nobody said
    /// otherwise, or of `people` by object id or user principal name. A run is queued that heeds it. Works in portions: while
    /// some are left the call has to be repeated. Safe to repeat: what was said before is found said.
    pub async fn rule(
        &self,
        who: &str,
        connection: &ConnectionId,
        run: RunId,
        people: Option<&[String]>,
        says: Says,
    ) -> Result<Ruled, Refusal> {
        self.load(connection).await?;
        let deadline = Deadline(self.clock.now().saturating_add(PORTION).unwrap_or_default());
        let mut work = Work {
            engine: self,
            connection,
            who,
            run,
            says,
            is_named: people.is_some(),
            done: Ruled::default(),
        };
        match people {
            Some(named) => work.named(named, deadline).await?,
            None => work.all(deadline).await?,
        }
        let mut done = work.done;
        if done.ruled == 0 && done.left == 0 {
            return Err(Refusal::HoldsNobody(nobody(run, people.is_some(), &done.others)));
        }
        let verb = match says {
            Says::Release => "released",
            Says::Reject => "rejected",
        };
        let what = format!("{verb} deactivations of {} people that run {run} held", done.ruled);
        done.run = self.look_at_marked(who, connection, &what).await?;
        Ok(done)
    }

    /// Queues the run that looks at people who were marked. Safe to repeat: one that waits is the
    /// answer.
    async fn look_at_marked(
        &self,
        who: &str,
        connection: &ConnectionId,
        what: &str,
    ) -> Result<Option<RunId>, Refusal> {
        for _ in 0..TRIES {
            let (saved, state) = self.load(connection).await?;
            let mut next = state.value.clone();
            let (mut writes, run) = self.enqueue_marked(&saved.value.document, &mut next).await?;
            writes.push(put(keys::state(connection), &next, state.unchanged())?);
            writes.push(self.audit(connection, who, what, None, None)?);
            if self.store.commit(&writes).await? == Commit::Done {
                if run.is_some() {
                    self.hint_fetch(connection).await?;
                }
                return Ok(run);
            }
        }
        Err(Refusal::Busy)
    }

    async fn held_ids(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<ObjectId>, Option<String>), StoreError> {
        let range =
            Range { after, order: Order::Ascending, ..Range::of(keys::held_of(connection), limit) };
        let page = self.store.query(&range).await?;
        let ids = page.records.iter().filter_map(|record| record.key.sk.parse().ok());
        Ok((ids.collect(), page.next))
    }
}

/// A ruling on its way through the people.
struct Work<'a> {
    engine: &'a Engine,
    connection: &'a ConnectionId,
    who: &'a str,
    run: RunId,
    says: Says,
    /// Whether people were named.
    is_named: bool,
    done: Ruled,
}

impl Work<'_> {
    /// Everybody whom the run held.
    async fn all(&mut self, deadline: Deadline) -> Result<(), Refusal> {
        let mut after = None;
        loop {
            let page = self.engine.held_ids(self.connection, after, TOGETHER).await?;
            let (ids, next) = page;
            self.portion(&ids).await?;
            let Some(next) = next else { return Ok(()) };
            after = Some(next);
            if deadline.is_near(self.engine.clock.as_ref(), MARGIN) {
                return self.count_left(after).await;
            }
        }
    }

    async fn count_left(&mut self, mut after: Option<String>) -> Result<(), Refusal> {
        loop {
            let (ids, next) = self.engine.held_ids(self.connection, after, 1000).await?;
            self.done.left += ids.len() as u64;
            if next.is_none() {
                return Ok(());
            }
            after = next;
        }
    }

    /// Those who are named; nobody is touched when one of them is unknown.
    async fn named(&mut self, named: &[String], deadline: Deadline) -> Result<(), Refusal> {
        let mut ids = BTreeSet::new();
        let mut mistakes = Vec::new();
        for (index, who) in named.iter().enumerate() {
            match self.engine.find_person(self.connection, who).await? {
                Some(known) => drop(ids.insert(known.id)),
                None => mistakes.push(Mistake::new(
                    format!("$.people[{index}]"),
                    format!("Entra has not told of \"{who}\"; give an object id or a user principal name."),
                )),
            }
        }
        if !mistakes.is_empty() {
            return Err(Refusal::Request(mistakes));
        }
        let ids: Vec<ObjectId> = ids.into_iter().collect();
        let mut portions = ids.chunks(TOGETHER);
        for portion in portions.by_ref() {
            self.portion(portion).await?;
            if deadline.is_near(self.engine.clock.as_ref(), MARGIN) {
                break;
            }
        }
        self.done.left = portions.map(|portion| portion.len() as u64).sum();
        Ok(())
    }

    /// Notes the ruling with some people, all or none. When somebody else wrote one of them meanwhile,
    /// they are read again.
    async fn portion(&mut self, ids: &[ObjectId]) -> Result<(), Refusal> {
        let engine = self.engine;
        for _ in 0..TRIES {
            let people = engine.store.people(self.connection, ids.iter().copied()).await?;
            let (mut writes, mut count, mut others) = (Vec::new(), 0, Vec::new());
            for (id, mut person) in people {
                let held = person.value.held.as_ref().map(|held| held.run);
                let now = engine.clock.now();
                let ruling = ruled(&person.value.link, self.run, now);
                let otherwise = ruling.filter(|said| !self.is_named && *said != self.says);
                if held != Some(self.run) || otherwise.is_some() {
                    let person = names(id, &person.value);
                    others.push(Other { person, run: held, ruling: otherwise });
                    continue;
                }
                count += 1;
                if rule(&mut person.value.link, self.says, self.run, self.who, now) {
                    person.value.mark(["ruling".to_owned()]);
                    let key = keys::person(self.connection, id);
                    writes.push(put(key, &person.value, person.unchanged())?);
                    writes.push(put(keys::dirty(self.connection, id), &(), Expect::Anything)?);
                }
            }
            if writes.is_empty() || engine.store.commit(&writes).await? == Commit::Done {
                self.done.ruled += count;
                let room = NAMED.saturating_sub(self.done.others.len());
                self.done.others.extend(others.into_iter().take(room));
                return Ok(());
            }
        }
        Err(Refusal::Busy)
    }
}

/// Why there is nobody to release or reject.
fn nobody(run: RunId, named: bool, others: &[Other]) -> String {
    if others.iter().any(|it| it.ruling.is_some()) {
        return format!(
            "Of all whom run {run} still holds the contrary was said. Name the people of whom that is to change."
        );
    }
    let them = if named { "None of these people is held" } else { "Nobody is held" };
    let mut runs: Vec<String> = others.iter().filter_map(|it| Some(it.run?.to_string())).collect();
    runs.sort();
    runs.dedup();
    let more = match runs.as_slice() {
        [] => String::new(),
        runs => format!(" Runs that hold people: {}.", runs.join(", ")),
    };
    format!(
        "{them} by run {run}, or not any more. List who is held, and name the run that stands there.{more}"
    )
}
