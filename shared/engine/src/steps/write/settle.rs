//! What a person's record becomes after an outcome, with the log entry and the counts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plan::decide::{Action, Decision, Part};
use plan::explain::Reason;
use plan::failure::parked_for;
use plan::ids::RecordKind;
use plan::link::{Link, Linked, Says, Seat};
use plan::relink::is_relinked;
use plan::tally::Counts;
use uuid::Uuid;

use super::super::Trouble;
use super::super::apply::Worker;
use super::recorder::{Owners, Settled, seat_record};
use super::{Done, Sent, linked_after};
use crate::Engine;
use crate::store::log::{self, Entry, HaloIds, OutcomeKind, PersonNames};
use crate::store::people::{Conflict, Held, Parked, Person, RecordOwner};
use crate::store::{Expect, StoreError, Versioned, Write, keys, put};

/// The person after the decision, the log entry, and the counts.
pub(super) fn settle(
    worker: &mut Worker<'_>,
    done: &Done,
    person: &Versioned<Person>,
    decided_on: &Person,
    owners: &Owners,
    told: &mut Told,
) -> Result<Settled, Trouble> {
    let connection = worker.held.connection.clone();
    let mut outcome = Outcome {
        was: &person.value,
        decided_on: &decided_on.link,
        now: person.value.clone(),
        writes: Vec::new(),
        links: Vec::new(),
    };
    if done.is_moved() {
        return Ok(leave_alone(worker, done, outcome, person.version, told));
    }
    outcome.now.refused = None;
    outcome.follow_links(worker, done, owners)?;
    outcome.follow_seats(worker, done)?;
    count_records(worker, done, outcome.was, &outcome.now);
    if done.is_partial {
        outcome.now.carried.clone_from(&done.decision.agent);
        worker.held.record.left += 1;
        return Ok(outcome.settled(done, person.version));
    }
    let decision = whole(done, outcome.was);
    outcome.now.carried = None;
    if decision.user.as_ref().is_some_and(Part::settles_licences) && done.trouble().is_none() {
        // What was asked for since stays to be looked at.
        let seen = &decided_on.link.contested;
        outcome.now.link.contested.retain(|licence| !seen.contains(licence));
    }
    let overruled = outcome.is_overruled();
    if !overruled {
        outcome.now.parked = parked(worker, done, &decision, outcome.was);
        outcome.follow_retry(worker, done)?;
        outcome.follow_held(worker, done, &decision)?;
        outcome.follow_conflict(worker, done, &decision)?;
        outcome.follow_parked(worker, done)?;
    }
    // Marked meanwhile, there is something that the decision did not know.
    let is_current = !overruled
        && outcome.was.facts == decided_on.facts
        && outcome.was.pending == decided_on.pending;
    if is_current && !decision.is_held() && !worker.rules.is_partial() {
        outcome.now.pending = None;
        let key = keys::dirty(&connection, done.id);
        outcome.writes.push(Write::Delete { key, expect: Expect::Anything });
    } else {
        worker.held.record.left += 1;
    }
    *counted(&mut worker.held.record.counts, done, &decision) += 1;
    if is_told(&decision, outcome.was, &outcome.now) {
        told.tell(worker, done, decision, outcome.was, &outcome.now);
    }
    Ok(outcome.settled(done, person.version))
}

/// Somebody who moved since the preview that is carried out stays dirty for the next run (I2).
fn leave_alone(
    worker: &mut Worker<'_>,
    done: &Done,
    mut outcome: Outcome<'_>,
    version: u64,
    told: &mut Told,
) -> Settled {
    worker.held.record.left += 1;
    worker.held.record.counts.moved += 1;
    outcome.now.refused = Some(worker.held.run);
    told.tell(worker, done, done.decision.clone(), outcome.was, &outcome.now);
    outcome.settled(done, version)
}

/// The decision with what was done to the agent in an earlier try.
fn whole(done: &Done, was: &Person) -> Decision {
    let mut decision = done.decision.clone();
    let acts = decision.agent.as_ref().is_some_and(|agent| agent.action.writes());
    if let (Some(carried), false) = (&was.carried, acts) {
        decision.agent = Some(carried.clone());
    }
    decision
}

/// Whether there is something to tell (B1). What is held is told once and not by every run.
fn is_told(decision: &Decision, was: &Person, now: &Person) -> bool {
    let still_held = decision.is_held()
        && decision.parts().all(|(_, part)| !part.action.writes())
        && was.held.as_ref().map(|held| &held.kinds) == now.held.as_ref().map(|held| &held.kinds);
    let stays = why_it_stays(decision).next().is_some() && was.parked.is_none();
    (!decision.is_unchanged() && !still_held) || stays
}

/// Why a record stays active that should not be: Halo cannot do without the agent, or an administrator
/// said so (R7, L4).
pub(super) fn why_it_stays(decision: &Decision) -> impl Iterator<Item = (RecordKind, &Reason)> {
    let all =
        decision.parts().flat_map(|(kind, part)| part.reasons.iter().map(move |it| (kind, it)));
    all.filter(|(_, reason)| {
        matches!(reason, Reason::OwnAgent | Reason::LastAdministrator | Reason::Rejected { .. })
    })
}

/// A person's record in the making.
struct Outcome<'a> {
    was: &'a Person,
    /// The link as it was when the run decided.
    decided_on: &'a Link,
    now: Person,
    writes: Vec<Write>,
    links: Vec<RecordKind>,
}

impl Outcome<'_> {
    fn settled(mut self, done: &Done, version: u64) -> Settled {
        let mut were_claimed = Vec::new();
        for kind in RecordKind::ALL {
            if self.now.link.of(kind).is_some()
                && let Some(record) = self.now.claims.of_mut(kind).take()
            {
                were_claimed.push(record);
            }
        }
        let person = Versioned { version, value: self.now };
        Settled { id: done.id, person, writes: self.writes, were_claimed, links: self.links }
    }

    /// Whether an administrator said something of the person while the run wrote: that stands, and the
    /// person is looked at again (M7, L4).
    fn is_overruled(&self) -> bool {
        self.decided_on.ruling != self.was.link.ruling
            || RecordKind::ALL.into_iter().any(|kind| self.is_relinked(kind))
    }

    fn is_relinked(&self, kind: RecordKind) -> bool {
        is_relinked(self.decided_on, &self.was.link, kind)
    }

    /// The link after what Halo accepted.
    fn follow_links(
        &mut self,
        worker: &Worker<'_>,
        done: &Done,
        owners: &Owners,
    ) -> Result<(), Trouble> {
        for kind in RecordKind::ALL {
            let Some(part) = done.decision.of(kind) else { continue };
            if self.is_relinked(kind) {
                continue;
            }
            let sent = done.sent.of(kind);
            let before = self.now.link.of(kind);
            if let Some(linked) = linked_after(part, sent, before) {
                if part.linked_by().is_some() {
                    self.links.push(kind);
                    self.own(worker, done, &linked, owners)?;
                    self.now.link.choices.remove(&kind);
                }
                *self.now.link.of_mut(kind) = Some(linked);
            } else if part.action == Action::Unchanged && part.mapping.is_some() {
                // Another mapping may lead to the same place.
                if let Some(linked) = self.now.link.of_mut(kind) {
                    linked.mapping.clone_from(&part.mapping);
                }
            }
            match sent {
                // Refused means not done.
                Sent::Created(_) | Sent::Written(_) | Sent::Refused(_) => {
                    self.now.link.intents.remove(&kind);
                }
                // Looked for and not there: nobody has to look again (T4).
                Sent::Nothing if part.action == Action::NotInScope => {
                    if !self.now.link.choices.contains_key(&kind) {
                        self.now.link.intents.remove(&kind);
                    }
                }
                Sent::Nothing | Sent::Gone | Sent::Stuck(_) => {}
            }
            let deactivated = part.action.deactivates() && sent.is_done();
            let ruling = self.now.link.ruling.as_ref();
            let used = ruling.is_some_and(|ruling| ruling.says == Says::Release);
            if deactivated && used && !self.is_overruled() {
                self.now.link.ruling = None;
            }
        }
        Ok(())
    }

    /// Agents carry no object id, so our own record says whose they are (M2).
    fn own(
        &mut self,
        worker: &Worker<'_>,
        done: &Done,
        linked: &Linked,
        owners: &Owners,
    ) -> Result<(), Trouble> {
        if linked.record.kind == RecordKind::User {
            return Ok(());
        }
        let connection = worker.held.connection.clone();
        let owner = RecordOwner { connection, person: done.id };
        let expect = match owners.get(&linked.record) {
            None => Expect::Absent,
            Some(found) if found.value == owner => return Ok(()),
            // Somebody of another connection was faster by seconds; the index tells from now on.
            Some(found) => found.unchanged(),
        };
        self.writes.push(put(keys::agent_owner(linked.record), &owner, expect)?);
        Ok(())
    }

    /// Seats that are to be taken or given back at the end of the run (R3).
    fn follow_seats(&mut self, worker: &Worker<'_>, done: &Done) -> Result<(), Trouble> {
        for change in &done.decision.seats {
            let Some(record) = seat_record(change, &self.now) else { continue };
            let key = keys::seat(&worker.held.connection, change.cab, done.id);
            let before = self.now.link.seats.remove(&change.cab);
            if let Some(seat) = Seat::moved(before.as_ref(), &change.to, record) {
                self.now.link.seats.insert(change.cab, seat);
                self.writes.push(put(key, &(), Expect::Anything)?);
            } else {
                self.writes.push(Write::Delete { key, expect: Expect::Anything });
            }
        }
        Ok(())
    }

    fn follow_retry(&mut self, worker: &Worker<'_>, done: &Done) -> Result<(), Trouble> {
        let connection = &worker.held.connection;
        let until = |parked: &Option<Parked>| parked.as_ref().and_then(|parked| parked.until);
        let (old, new) = (until(&self.was.parked), until(&self.now.parked));
        if let Some(until) = old.filter(|_| old != new) {
            let key = keys::retry(connection, until, done.id);
            self.writes.push(Write::Delete { key, expect: Expect::Anything });
        }
        if let Some(until) = new {
            self.writes.push(put(keys::retry(connection, until, done.id), &(), Expect::Anything)?);
        }
        Ok(())
    }

    /// Deactivations that wait for an administrator are listed under the run that held them first.
    fn follow_held(
        &mut self,
        worker: &Worker<'_>,
        done: &Done,
        decision: &Decision,
    ) -> Result<(), Trouble> {
        let key = keys::held(&worker.held.connection, done.id);
        let parts = || decision.parts().filter(|(_, part)| part.action.waits());
        let mut kinds: BTreeSet<RecordKind> = parts().map(|(kind, _)| kind).collect();
        // A run about users alone says nothing about agents.
        let unsaid = |kind: &&RecordKind| decision.of(**kind).is_none();
        kinds.extend(self.was.held.iter().flat_map(|held| held.kinds.iter().filter(unsaid)));
        if kinds.is_empty() {
            if self.now.held.take().is_some() {
                self.writes.push(Write::Delete { key, expect: Expect::Anything });
            }
            return Ok(());
        }
        let told = parts()
            .flat_map(|(kind, part)| part.reasons.iter().map(move |reason| reason.sentence(kind)));
        let told = told.collect::<Vec<_>>().join(" ");
        let before = self.was.held.as_ref().filter(|_| told.is_empty());
        let sentence = before.map_or(told, |held| held.sentence.clone());
        let (run, since) = match &self.was.held {
            Some(held) => (held.run, held.since),
            None => (worker.held.run, worker.engine.clock.now()),
        };
        self.now.held = Some(Held { run, since, kinds, sentence });
        self.writes.push(put(key, &(), Expect::Anything)?);
        Ok(())
    }

    /// Choices that wait for an administrator are listed with what there is to choose from.
    fn follow_conflict(
        &mut self,
        worker: &Worker<'_>,
        done: &Done,
        decision: &Decision,
    ) -> Result<(), Trouble> {
        let key = keys::conflict(&worker.held.connection, done.id);
        let (mut candidates, mut told) = (BTreeSet::new(), Vec::new());
        for (kind, part) in decision.parts() {
            if let Action::Conflict { candidates: those } = &part.action {
                candidates.extend(those);
                told.extend(part.reasons.iter().map(|reason| reason.sentence(kind)));
            }
        }
        if candidates.is_empty() {
            if self.now.conflict.take().is_some() {
                self.writes.push(Write::Delete { key, expect: Expect::Anything });
            }
            return Ok(());
        }
        let (run, since) = match &self.was.conflict {
            Some(conflict) => (conflict.run, conflict.since),
            None => (worker.held.run, worker.engine.clock.now()),
        };
        let sentence = told.join(" ");
        self.now.conflict = Some(Conflict { run, since, candidates, sentence });
        self.writes.push(put(key, &(), Expect::Anything)?);
        Ok(())
    }

    /// Whoever is set aside is listed (T5), unless among those for whom somebody has to choose.
    fn follow_parked(&mut self, worker: &Worker<'_>, done: &Done) -> Result<(), Trouble> {
        let key = keys::parked(&worker.held.connection, done.id);
        if self.now.is_set_aside() {
            self.writes.push(put(key, &(), Expect::Anything)?);
        } else if self.was.is_set_aside() {
            self.writes.push(Write::Delete { key, expect: Expect::Anything });
        }
        Ok(())
    }
}

/// Who waits, and for what (T5).
fn parked(worker: &Worker<'_>, done: &Done, decision: &Decision, was: &Person) -> Option<Parked> {
    let attempts = was.parked.as_ref().map_or(0, |parked| parked.attempts) + 1;
    if let Some(sentence) = done.trouble() {
        let until = worker.engine.clock.now().saturating_add(parked_for(attempts)).ok();
        return Some(Parked { attempts, sentence, until });
    }
    // Nobody tells us when somebody else becomes an administrator, or a rejection expires.
    let stays: Vec<String> =
        why_it_stays(decision).map(|(kind, reason)| reason.sentence(kind)).collect();
    if !stays.is_empty() {
        let rejected = why_it_stays(decision).all(|(_, it)| matches!(it, Reason::Rejected { .. }));
        let ruling = was.link.ruling.as_ref().filter(|_| rejected).map(|ruling| ruling.until);
        let later = || worker.engine.clock.now().saturating_add(parked_for(attempts)).ok();
        return Some(Parked { attempts, sentence: stays.join(" "), until: ruling.or_else(later) });
    }
    // Wrong data and conflicts wait for somebody to change something.
    let waits = decision
        .parts()
        .filter(|(_, part)| matches!(part.action, Action::Invalid | Action::Conflict { .. }));
    let told =
        waits.flat_map(|(kind, part)| part.reasons.iter().map(move |reason| reason.sentence(kind)));
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| Parked { attempts, sentence: told.join(" "), until: None })
}

/// How many records are active and were made inactive (L4).
fn count_records(worker: &mut Worker<'_>, done: &Done, was: &Person, now: &Person) {
    let released = was.link.ruling.as_ref().is_some_and(|ruling| ruling.says == Says::Release);
    let record = &mut worker.held.record;
    for kind in RecordKind::ALL {
        let active =
            |linked: Option<&Linked>| i64::from(linked.is_some_and(|it| it.activity.is_active()));
        let change = active(now.link.of(kind)) - active(was.link.of(kind));
        *record.linked.of_mut(kind) += change;
        let part = done.decision.of(kind);
        let deactivated =
            part.is_some_and(|part| part.action.deactivates()) && done.sent.of(kind).is_done();
        *record.deactivated.of_mut(kind) += u64::from(deactivated && !released);
    }
}

fn counted<'a>(counts: &'a mut Counts, done: &Done, decision: &Decision) -> &'a mut u64 {
    if done.trouble().is_some() {
        return &mut counts.failed;
    }
    match decision.name() {
        "not_in_scope" => &mut counts.not_in_scope,
        "conflict" => &mut counts.conflict,
        "held" => &mut counts.held,
        "failed" => &mut counts.failed,
        "create" => &mut counts.created,
        "update" => &mut counts.updated,
        "reactivate" => &mut counts.reactivated,
        "deactivate" => &mut counts.deactivated,
        _ => &mut counts.unchanged,
    }
}

/// Entries of the log that one transaction stores: of one moment, with ids that are neighbours.
pub(super) struct Told {
    time: Timestamp,
    first: Uuid,
    entries: Vec<Entry>,
}

impl Told {
    /// None yet.
    pub(super) fn now(engine: &Engine) -> Self {
        let time = engine.clock.now();
        Self { time, first: engine.random.sortable_with_room(time), entries: Vec::new() }
    }

    /// What stores them.
    pub(super) fn writes(&self, worker: &Worker<'_>) -> Result<Vec<Write>, StoreError> {
        let expires = self.time.saturating_add(worker.engine.policy.log_retention);
        log::writes(&worker.held.connection, &self.entries, expires.unwrap_or(Timestamp::MAX))
    }

    fn tell(
        &mut self,
        worker: &Worker<'_>,
        done: &Done,
        decision: Decision,
        was: &Person,
        now: &Person,
    ) {
        let parked = || now.parked.as_ref().map(|parked| parked.sentence.clone());
        let (outcome, error) = match (done.trouble(), decision.name()) {
            _ if done.moved.is_some() => (OutcomeKind::Moved, done.moved.clone()),
            (Some(sentence), _) => (OutcomeKind::Failed, Some(sentence)),
            (None, "failed") => (OutcomeKind::Failed, parked()),
            (None, "conflict" | "held") => (OutcomeKind::Waiting, None),
            (None, "unchanged") if why_it_stays(&decision).next().is_some() => {
                (OutcomeKind::Waiting, None)
            }
            (None, "unchanged" | "not_in_scope") => (OutcomeKind::Nothing, None),
            (None, _) => (OutcomeKind::Done, None),
        };
        let took = self.time.duration_since(done.started).as_millis().max(0);
        let number = |linked: Option<&Linked>| linked.map(|linked| linked.record.id);
        self.entries.push(Entry {
            id: Uuid::from_u128(self.first.as_u128() + self.entries.len() as u128),
            time: self.time,
            connection: worker.held.connection.clone(),
            run: worker.held.run,
            trigger: worker.run.run.trigger,
            person: PersonNames::of(done.id, was),
            changed: was.pending.iter().flat_map(|pending| pending.changed.clone()).collect(),
            decision,
            halo: HaloIds {
                user: number(now.link.user.as_ref()),
                agent: number(now.link.agent.as_ref()),
            },
            outcome,
            error,
            warning: done.warning(),
            attempts: now.parked.as_ref().map_or(1, |parked| parked.attempts),
            duration_ms: u64::try_from(took).unwrap_or(u64::MAX),
        });
    }
}
