//! The inbound log in the store (B1–B5): one entry for each decided person and run, found by
//! time or by person, run, decision, outcome or mapping at the same cost however many there are.

use jiff::Timestamp;
use plan::decide::Decision;
use plan::ids::{ConnectionId, MappingId, ObjectId, RunId};
use plan::tally::Trigger;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::people::Person;
use super::{Expect, Key, Order, Range, Store, StoreError, Write, decode, keys, put_until};

/// One decided person in one run (B1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Sorts by time.
    pub id: Uuid,
    /// When the decision was carried out.
    pub time: Timestamp,
    /// Whose.
    pub connection: ConnectionId,
    /// In which run.
    pub run: RunId,
    /// Who started it.
    pub trigger: Trigger,
    /// The person.
    pub person: PersonNames,
    /// What changed in Entra since the last entry: properties, `manager`, `groups`, `presence`.
    pub changed: Vec<String>,
    /// Decision with both records, every mapping tried, reasons, before and after of each field, and
    /// how a record was found.
    pub decision: Decision,
    /// The records in Halo.
    pub halo: HaloIds,
    /// What came of it.
    pub outcome: OutcomeKind,
    /// What went wrong and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A warning that Halo gave with a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Tries so far, this one included.
    pub attempts: u32,
    /// How long it took.
    pub duration_ms: u64,
}

/// The names of a person at the time of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonNames {
    /// Entra object id.
    pub id: ObjectId,
    /// User principal name; empty when it was never read.
    pub user_principal_name: String,
    /// Display name.
    pub display_name: String,
}

impl PersonNames {
    /// The names that a person has now.
    pub fn of(id: ObjectId, person: &Person) -> Self {
        Self {
            id,
            user_principal_name: person.facts.user_principal_name().to_owned(),
            display_name: person.facts.display_name().to_owned(),
        }
    }
}

/// Halo records of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HaloIds {
    /// Number of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// Number of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<i64>,
}

/// What came of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// Done.
    Done,
    /// Nothing was to be done.
    Nothing,
    /// An administrator is needed: a conflict, or held by the guard.
    Waiting,
    /// It failed and is tried again.
    Failed,
    /// Not as the preview showed it that was carried out: nothing was written (I2).
    Moved,
    /// Entra, or we before asking it, refused what Halo asked for; nobody tries again (S2).
    Refused,
}

impl OutcomeKind {
    /// The word in filters.
    pub fn name(self) -> &'static str {
        match self {
            OutcomeKind::Done => "done",
            OutcomeKind::Nothing => "nothing",
            OutcomeKind::Waiting => "waiting",
            OutcomeKind::Failed => "failed",
            OutcomeKind::Moved => "moved",
            OutcomeKind::Refused => "refused",
        }
    }
}

/// What entries can be asked for by, besides time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facet {
    /// One person.
    Person(ObjectId),
    /// One run.
    Run(RunId),
    /// One mapping.
    Mapping(MappingId),
    /// One decision, as in [`plan::decide::Action::name`].
    Decision(String),
    /// One outcome.
    Outcome(OutcomeKind),
}

impl Facet {
    fn partition(&self, connection: &ConnectionId) -> String {
        let (facet, value) = match self {
            Facet::Person(id) => ("person", id.to_string()),
            Facet::Run(run) => ("run", run.to_string()),
            Facet::Mapping(mapping) => ("mapping", mapping.to_string()),
            Facet::Decision(name) => ("decision", name.clone()),
            Facet::Outcome(outcome) => ("outcome", outcome.name().to_owned()),
        };
        keys::log_by(connection, facet, &value)
    }

    /// Whether an entry has it.
    pub fn holds(&self, entry: &Entry) -> bool {
        match self {
            Facet::Person(id) => entry.person.id == *id,
            Facet::Run(run) => entry.run == *run,
            Facet::Mapping(mapping) => entry.decision.mappings().contains(mapping),
            Facet::Decision(name) => entry.decision.name() == name,
            Facet::Outcome(outcome) => entry.outcome == *outcome,
        }
    }
}

impl Entry {
    /// The writes that store the entry, to go into the transaction that records the person.
    pub fn writes(&self, expires: Timestamp) -> Result<Vec<Write>, StoreError> {
        let id = self.id.to_string();
        let own = Key::new(keys::log(&self.connection), &id);
        let mut writes = vec![put_until(own, self, Expect::Anything, Some(expires))?];
        for facet in self.facets() {
            let key = Key::new(facet.partition(&self.connection), &id);
            writes.push(put_until(key, &(), Expect::Anything, Some(expires))?);
        }
        Ok(writes)
    }

    fn facets(&self) -> Vec<Facet> {
        let mut facets = vec![
            Facet::Person(self.person.id),
            Facet::Run(self.run),
            Facet::Decision(self.decision.name().to_owned()),
            Facet::Outcome(self.outcome),
        ];
        facets.extend(self.decision.mappings().into_iter().cloned().map(Facet::Mapping));
        facets
    }
}

impl Store {
    /// Entries of a connection, newest first, of one facet or of all; at most `limit`. The cursor is
    /// the id of the last entry looked at.
    pub async fn log(
        &self,
        connection: &ConnectionId,
        facet: Option<&Facet>,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        let pk = facet.map_or_else(|| keys::log(connection), |facet| facet.partition(connection));
        let range = Range { after, order: Order::Descending, ..Range::of(pk, limit) };
        let page = self.query(&range).await?;
        let records = if facet.is_none() {
            page.records.into_iter().map(Some).collect()
        } else {
            let wanted: Vec<Key> = page
                .records
                .into_iter()
                .map(|pointer| Key::new(keys::log(connection), pointer.key.sk))
                .collect();
            self.get(&wanted).await?
        };
        let entries = records
            .iter()
            .flatten()
            .map(|record| Ok(decode(record)?.value))
            .collect::<Result<_, StoreError>>()?;
        Ok((entries, page.next))
    }
}
