//! Halo's roles of agents: a number for documents, a text id for the API, a name for people (R1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::records::refused_here;
use super::{Call, Error, Halo};

/// How long the list is good: roles are made and renamed by hand, and seldom.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);

/// A role as `GET /Roles` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AgentRole {
    /// What the API knows it by.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// Its name as Halo compares it, often in capitals; empty where Halo leaves it out.
    pub(super) normalized: String,
}

/// Roles by number.
pub(super) type AgentRoles = Arc<BTreeMap<i64, AgentRole>>;

/// The roles as this process read them last. The lock is held while they are read, so that many who
/// need them ask once.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<(Timestamp, AgentRoles)>>);

impl Halo {
    /// All roles of agents; read again if the ones at hand are old, or lack one of `wanted`.
    pub(super) async fn agent_roles(&self, wanted: &BTreeSet<i64>) -> Result<AgentRoles, Error> {
        let mut known = self.shared.agent_roles.0.lock().await;
        let now = self.clock().now();
        if let Some((read, roles)) = known.as_ref() {
            let is_good = now.duration_since(*read) < GOOD_FOR;
            if is_good && wanted.iter().all(|number| roles.contains_key(number)) {
                return Ok(roles.clone());
            }
        }
        let rows = self.all(Call::get("read Halo's agent roles", &["Roles"]), "roles").await?;
        let role = |row: &super::Record| {
            let number = row.int("id_int").or_else(|| row.int("id"))?;
            let id = Some(row.text("id").into_owned()).filter(|id| !id.is_empty());
            let id = id.unwrap_or_else(|| number.to_string());
            let (name, normalized) = (row.text("name"), row.text("normalizedName"));
            let (name, normalized) = (name.into_owned(), normalized.into_owned());
            Some((number, AgentRole { id, name, normalized }))
        };
        let roles: AgentRoles = Arc::new(rows.iter().filter_map(role).collect());
        *known = Some((now, roles.clone()));
        Ok(roles)
    }

    /// These roles as an agent is posted with them. One that Halo does not have is refused before
    /// anything is sent.
    pub(super) async fn posted_agent_roles(
        &self,
        operation: &'static str,
        numbers: &BTreeSet<i64>,
    ) -> Result<Value, Error> {
        if numbers.is_empty() {
            return Ok(json!([]));
        }
        let roles = self.agent_roles(numbers).await?;
        let posted = |number: &i64| {
            let role = roles.get(number).ok_or_else(|| missing(operation, *number))?;
            Ok(json!({ "id": role.id, "id_int": number, "name": role.name }))
        };
        numbers.iter().map(posted).collect()
    }
}

fn missing(operation: &str, number: i64) -> Error {
    let told = "does not exist in Halo; choose another one, or make it there";
    refused_here(operation, &format!("the agent role {number} {told}"))
}
