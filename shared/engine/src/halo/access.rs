//! What an agent may do in Halo at this moment, for whoever signs in here as that agent (O3).

use std::collections::BTreeSet;

use plan::ids::RecordId;
use plan::sign_on::AgentNow;
use serde_json::Value;

use super::agent_roles::AgentRoles;
use super::standing::held;
use super::wire::{element_id, member};
use super::{Error, Halo};

impl Halo {
    /// An agent as Halo has it now, in one request; `None` = there is no such agent. A role that stands
    /// in the record without its number is looked up among all roles.
    pub async fn agent_now(&self, agent: RecordId) -> Result<Option<AgentNow>, Error> {
        let Some(found) = self.record(agent, &BTreeSet::new()).await? else { return Ok(None) };
        let (numbered, unnumbered): (Vec<&Value>, Vec<&Value>) =
            held(&found.record).partition(|role| element_id(role).is_some());
        let mut roles: BTreeSet<i64> = numbered.into_iter().filter_map(element_id).collect();
        if !unnumbered.is_empty() {
            let all = self.agent_roles(&roles).await?;
            roles.extend(unnumbered.into_iter().filter_map(|role| number_of(role, &all)));
        }
        let active = found.special.is_none() && !found.record.flag("isdisabled");
        let administrator = found.record.flag("is_admin");
        Ok(Some(AgentNow { active, administrator, roles }))
    }
}

/// The number of a role that is known by its text id.
fn number_of(role: &Value, all: &AgentRoles) -> Option<i64> {
    let id = member(role, "id").and_then(Value::as_str)?;
    let mut known = all.iter();
    known.find(|(_, known)| known.id.eq_ignore_ascii_case(id)).map(|(number, _)| *number)
}
