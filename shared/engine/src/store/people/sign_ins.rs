//! Last sign-ins in the facts of the people who are known (D8).

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::facts::{Merged, Presence};
use plan::fields::LAST_SIGN_IN;
use plan::ids::{ConnectionId, ObjectId};

use super::{Fenced, Person};
use crate::store::{Store, StoreError, Write};

impl Store {
    /// Merges dates of last sign-ins into the facts of the people whom we know, and marks those dirty
    /// whose date changed. Answers how many of them wait for a decision because of their date.
    ///
    /// Safe to repeat: the same dates again change nothing, the marks of the first time stand, and
    /// they are counted again. Nothing is written once `check` fails.
    pub async fn merge_sign_ins(
        &self,
        connection: &ConnectionId,
        check: &Write,
        dates: &BTreeMap<ObjectId, String>,
    ) -> Result<Fenced<u64>, StoreError> {
        loop {
            let mut loaded = self.load(connection, dates.keys().copied()).await?;
            // Nobody is made up from this list.
            loaded.people.retain(|_, person| person.version > 0);
            for (id, person) in &mut loaded.people {
                let Some(at) = dates.get(id) else { continue };
                let facts = Arc::make_mut(&mut person.value.facts);
                let changed = facts.signed_in(at) == Merged::Changed;
                // Of somebody whom only a group named so far there is nothing to decide yet.
                if changed && facts.presence != Presence::Unread {
                    person.value.mark([LAST_SIGN_IN.to_owned()]);
                }
            }
            let waits = |person: &Person| {
                person.pending.as_ref().is_some_and(|it| it.changed.contains(LAST_SIGN_IN))
            };
            let waiting =
                loaded.people.values().filter(|person| waits(&person.value)).count() as u64;
            if let Some(outcome) = self.save_people(connection, check, &loaded).await? {
                return Ok(outcome.map(waiting));
            }
        }
    }
}
