//! Looks in Halo for a record that an earlier worker may have made without recording it (M6).

use std::collections::BTreeSet;

use plan::decide::{KnownRecord, Made};
use plan::facts::Facts;
use plan::ids::{ConnectionId, ObjectId, RecordId, RecordKind};
use plan::link::{Choice, Fields, Intent, Target};
use plan::matching::{self, Hit, Hits, MatchKey};
use plan::rules::Rules;

use super::Trouble;
use super::apply::Worker;
use super::lookup::Batch;
use crate::halo::Halo;
use crate::store::people::{Person, RecordOwner};
use crate::store::{Store, Versioned, keys};

/// Who looks, and for which connection.
pub(super) struct Search<'a> {
    pub(super) store: &'a Store,
    pub(super) halo: &'a Halo,
    pub(super) connection: &'a ConnectionId,
    pub(super) rules: &'a Rules<'a>,
}

impl Worker<'_> {
    /// What this worker noted itself and did not send yet needs no looking for.
    pub(super) async fn answer_made(
        &self,
        batch: &mut Batch,
        id: ObjectId,
        kind: RecordKind,
    ) -> Result<(), Trouble> {
        let Some(person) = batch.people.get(&id) else { return Ok(()) };
        let intent = person.value.link.intents.get(&kind);
        let known = batch.known.entry(id).or_default().records.of_mut(kind);
        if intent.is_none_or(|intent| Some(intent.epoch) == self.held.epoch()) {
            known.made = Made::Nothing;
            return Ok(());
        }
        let (store, connection) = (&self.engine.store, &self.held.connection);
        let search = Search { store, halo: &self.halo, connection, rules: self.rules };
        search.look(id, &person.value, kind, known).await
    }
}

impl Search<'_> {
    /// Looks for it, and says what is known of the person's records of this kind then.
    pub(super) async fn look(
        &self,
        id: ObjectId,
        person: &Person,
        kind: RecordKind,
        known: &mut KnownRecord,
    ) -> Result<(), Trouble> {
        known.made = Made::Nothing;
        let Some(intent) = person.link.intents.get(&kind) else { return Ok(()) };
        let keys = keys_of_lost(id, &person.facts, self.rules, kind, &intent.fields);
        let hits: Hits = self.halo.find(kind, &keys).await?;
        let made = match kind {
            RecordKind::User => {
                let chosen = person.link.choices.get(&kind) == Some(&Choice::Create);
                carrying(id, &hits, intent, chosen)
            }
            RecordKind::Agent => self.made_by_us(id, &hits, intent).await?,
        };
        match made {
            Some(record) => known.made = Made::Record(record),
            // Users carry the object id, so what is there now is matched as usual.
            None if kind == RecordKind::User && hits.values().flatten().next().is_some() => {
                (known.hits, known.claims, known.record) = (Some(hits), None, None);
            }
            None => {}
        }
        Ok(())
    }

    /// The agent among those found that is as we would have made it and is nobody else's yet. It may be
    /// the person's already, by a worker that found it as well and was killed before it could say so.
    async fn made_by_us(
        &self,
        id: ObjectId,
        hits: &Hits,
        intent: &Intent,
    ) -> Result<Option<RecordId>, Trouble> {
        let targets: BTreeSet<Target> = intent.fields.keys().cloned().collect();
        let person = id.to_string();
        let is_free = |hit: &&Hit| hit.object_id.as_ref().is_none_or(|owner| *owner == person);
        let free = hits.values().flatten().filter(is_free);
        let new = free.map(|hit| hit.record).filter(|record| !intent.beside.contains(record));
        let candidates: BTreeSet<RecordId> = new.collect();
        let own = RecordOwner { connection: self.connection.clone(), person: id };
        for record in candidates.into_iter().rev() {
            let owner: Option<Versioned<RecordOwner>> =
                self.store.read(&keys::agent_owner(record)).await?;
            if owner.is_some_and(|owner| owner.value != own) {
                continue;
            }
            let found = self.halo.record(record, &targets).await?;
            if found.is_some_and(|found| matching::is_as_made(&intent.fields, &found.fields)) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// What a record is looked for by that may have been made with these fields.
pub(super) fn keys_of_lost(
    id: ObjectId,
    facts: &Facts,
    rules: &Rules<'_>,
    kind: RecordKind,
    fields: &Fields,
) -> BTreeSet<MatchKey> {
    match kind {
        RecordKind::User => matching::keys(id, facts, rules.matching(kind)),
        RecordKind::Agent => matching::keys_of_new(fields),
    }
}

/// The user among those found that carries the person's object id and was not there before; of several
/// the newest where an administrator wanted one more, else none.
fn carrying(id: ObjectId, hits: &Hits, intent: &Intent, chosen: bool) -> Option<RecordId> {
    let key = MatchKey::new("azureoid", &id.to_string())?;
    let found = hits.get(&key).into_iter().flatten().map(|hit| hit.record);
    let new: BTreeSet<RecordId> = found.filter(|it| !intent.beside.contains(it)).collect();
    new.last().copied().filter(|_| chosen || new.len() == 1)
}
