//! Whom agents belong to: Halo has no field for an agent's object id, so our own records say it (M2).

use std::collections::BTreeSet;

use plan::ids::{RecordId, RecordKind};
use plan::matching::Hits;

use super::Halo;
use super::records::Row;
use crate::store::people::RecordOwner;
use crate::store::{Key, StoreError, decode, keys};

impl Halo {
    /// Gives rows of agents the object id of the person whose agent each is, under the name that it
    /// has on users; empty for an agent that belongs to nobody. Rows of users have their own.
    pub(super) async fn add_owners(
        &self,
        kind: RecordKind,
        rows: &mut [Row],
    ) -> Result<(), StoreError> {
        match kind {
            RecordKind::User => return Ok(()),
            RecordKind::Agent => {}
        }
        let places: Vec<Key> = rows.iter().map(|row| keys::agent_owner(row.id)).collect();
        for (row, found) in rows.iter_mut().zip(self.shared.store.get(&places).await?) {
            let owner = found.as_ref().map(decode::<RecordOwner>).transpose()?;
            let person = owner.map(|owner| owner.value.person.to_string());
            row.record.set("azureoid", &person.unwrap_or_default());
        }
        Ok(())
    }

    /// Agents found in an index whose owner changed since it was built: an administrator cut or set a
    /// link (M7).
    pub(super) async fn correct_owners(
        &self,
        kind: RecordKind,
        hits: &mut Hits,
    ) -> Result<(), StoreError> {
        match kind {
            RecordKind::User => return Ok(()),
            RecordKind::Agent => {}
        }
        let found = hits.values().flatten().map(|hit| hit.record);
        let agents: Vec<RecordId> = found.collect::<BTreeSet<_>>().into_iter().collect();
        let places: Vec<Key> = agents.iter().map(|agent| keys::agent_owner(*agent)).collect();
        for (agent, owner) in agents.into_iter().zip(self.shared.store.get(&places).await?) {
            let owner = owner.as_ref().map(decode::<RecordOwner>).transpose()?;
            let person = owner.map(|owner| owner.value.person.to_string());
            for hit in hits.values_mut().flatten().filter(|hit| hit.record == agent) {
                hit.object_id.clone_from(&person);
            }
        }
        Ok(())
    }
}
