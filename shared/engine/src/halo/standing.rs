//! Whether Halo can do without an agent: our own one and the last administrator stay active (R7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plan::decide::Standing;
use plan::ids::RecordId;
use serde_json::Value;

use super::agent_roles::{AgentRole, AgentRoles};
use super::records::Row;
use super::wire::{Record, element_id, member, text};
use super::{Error, Halo};

impl Halo {
    /// How an agent stands now. Agents are read afresh, names of roles may be ten minutes old. Who counts
    /// as an administrator: active agents, those of applications left out, whom Halo calls so or who
    /// hold a role with that word in its name; if there is none, all active agents.
    pub async fn standing(&self, agent: RecordId) -> Result<Standing, Error> {
        if self.own_agent().await? == agent {
            return Ok(Standing::OwnAgent);
        }
        let agents = self.agents("read Halo's administrators").await?;
        let is_active = |row: &&Row| row.special().is_none() && !row.is_inactive();
        let active: Vec<&Row> = agents.values().filter(is_active).collect();
        let roles = self.names_for(&active).await?;
        Ok(standing_among(agent, &active, &roles))
    }

    /// Halo's roles, if the rows hold some without saying their names.
    async fn names_for(&self, rows: &[&Row]) -> Result<AgentRoles, Error> {
        let held = rows.iter().flat_map(|row| held(&row.record));
        let nameless: Vec<&Value> = held.filter(|role| name_in_row(role).is_none()).collect();
        if nameless.is_empty() {
            return Ok(Arc::new(BTreeMap::new()));
        }
        let numbers: BTreeSet<i64> = nameless.into_iter().filter_map(element_id).collect();
        self.agent_roles(&numbers).await
    }
}

fn standing_among(agent: RecordId, active: &[&Row], roles: &AgentRoles) -> Standing {
    let is_administrator = |row: &&&Row| {
        let mut held = held(&row.record);
        row.record.flag("is_admin") || held.any(|role| is_administrators(role, roles))
    };
    let marked: Vec<RecordId> = active.iter().filter(is_administrator).map(|row| row.id).collect();
    let counting =
        if marked.is_empty() { active.iter().map(|row| row.id).collect() } else { marked };
    if counting == [agent] { Standing::LastAdministrator } else { Standing::Other }
}

/// The roles of an agent: objects, or numbers where Halo shows no more.
pub(super) fn held(record: &Record) -> impl Iterator<Item = &Value> {
    let roles = record.array("roles");
    let roles = if roles.is_empty() { record.array("role_ids") } else { roles };
    roles.iter()
}

/// What an agent's row says of a role's name; `None` if nothing.
fn name_in_row(role: &Value) -> Option<String> {
    let names = ["name", "normalizedName"].into_iter().filter_map(|name| member(role, name));
    let names = names.map(text).collect::<Vec<_>>().join("\n");
    Some(names).filter(|names| !names.trim().is_empty())
}

fn is_administrators(role: &Value, roles: &AgentRoles) -> bool {
    let name = name_in_row(role).or_else(|| {
        let known = find(role, roles)?;
        Some(format!("{}\n{}", known.name, known.normalized))
    });
    name.is_some_and(|name| name.to_lowercase().contains("administrator"))
}

/// A held role among all roles, by its number or its text id.
fn find<'a>(role: &Value, roles: &'a AgentRoles) -> Option<&'a AgentRole> {
    let by_number = element_id(role).and_then(|number| roles.get(&number));
    by_number.or_else(|| {
        let id = member(role, "id").and_then(Value::as_str)?;
        roles.values().find(|role| role.id.eq_ignore_ascii_case(id))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed read is the failure of the test")]

    use plan::ids::RecordKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_an_administrators_by_whichever_name_halo_shows() {
        // R7: the roles of agent 1, beside agent 2 who holds none.
        let role = |id: &str, name: &str, normalized: &str| AgentRole {
            id: id.to_owned(),
            name: name.to_owned(),
            normalized: normalized.to_owned(),
        };
        let roles = Arc::new(BTreeMap::from([
            (5, role("a-b", "System Administrators", "")),
            (6, role("c-d", "Chefs", "ADMINISTRATOR")),
            (7, role("e-f", "Technician", "TECHNICIAN")),
        ]));
        let cases = [
            (json!({"roles": [{"id": "x", "name": "Halo administrator"}]}), true),
            (
                json!({"roles": [{"id": "x", "name": "Chef", "normalizedName": "ADMINISTRATOR"}]}),
                true,
            ),
            (json!({"roles": [{"id": "x", "id_int": 5, "name": "Renamed"}]}), false),
            (json!({"roles": [{"id": "x", "id_int": 5}]}), true),
            (json!({"roles": [{"id": "A-B", "name": ""}]}), true),
            (json!({"roles": [{"id": "6"}]}), true),
            (json!({"roles": [{"id": "e-f", "id_int": 7}]}), false),
            (json!({"roles": null, "role_ids": [7, 6.0]}), true),
            (json!({"role_ids": [7, 8]}), false),
            (json!({"is_admin": true}), true),
            (json!({"is_admin": false}), false),
        ];
        for (shape, expected) in cases {
            let mut one = shape.clone();
            one["id"] = json!(1);
            let row = |record| Row::new(RecordKind::Agent, Record::new(record).unwrap()).unwrap();
            let (one, two) = (row(one), row(json!({ "id": 2 })));
            let standing = standing_among(RecordId::agent(1), &[&one, &two], &roles);
            assert_eq!(standing == Standing::LastAdministrator, expected, "{shape}");
        }
    }
}
