//! Whom agents belong to: Halo has no field for an agent's object id, so our own records say it (M2).

use plan::ids::RecordKind;

use super::Halo;
use super::records::Row;
use crate::store::people::AgentOwner;
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
            let owner = found.as_ref().map(decode::<AgentOwner>).transpose()?;
            let person = owner.map(|owner| owner.value.person.to_string());
            row.record.set("azureoid", &person.unwrap_or_default());
        }
        Ok(())
    }
}
