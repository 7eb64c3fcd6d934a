//! The inbound log in the store (B1–B5): one entry for each decided person and run, found by
//! time or by person, run, decision, outcome or mapping at the same cost however many there are.
//!
//! Entries that are stored together stand on *sheets*, a record for up to sixteen of them, because most
//! of what an entry costs is its record and its places in the lists by person, run and so on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plan::decide::Decision;
use plan::ids::{ConnectionId, MappingId, ObjectId, RunId};
use plan::tally::Trigger;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::people::Person;
use super::{Expect, Key, Order, Range, Record, Store, StoreError, Write, decode, keys, put_until};

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

/// Entries on a sheet at the most: whoever wants one of them reads all.
const SHEET: usize = 16;
/// Bytes from which on a sheet takes no further entry.
const SHEET_BYTES: usize = 40_000;

/// The writes that store entries of one connection, to go into the transaction that records their people.
/// They share sheets, which are read in the order of their oldest ids: so their ids have to follow each
/// other with no other one between them ([`crate::random::Random::sortable_with_room`]).
pub fn writes(
    connection: &ConnectionId,
    entries: &[Entry],
    expires: Timestamp,
) -> Result<Vec<Write>, StoreError> {
    let mut writes = Vec::new();
    let mut rest = entries;
    while let Some(oldest) = rest.first() {
        let id = oldest.id.to_string();
        let own = Key::new(keys::log(connection), &id);
        let (body, on_sheet) = sheet(rest).map_err(|error| StoreError {
            operation: "write a record",
            detail: format!("{}/{}: {error}", own.pk, own.sk),
        })?;
        let (told, behind) = rest.split_at(on_sheet);
        let expires = Some(expires);
        writes.push(Write::Put { key: own, body, expect: Expect::Anything, expires });
        let facets = told.iter().flat_map(Entry::facets);
        let lists: BTreeSet<String> = facets.map(|facet| facet.partition(connection)).collect();
        for list in lists {
            writes.push(put_until(Key::new(list, &id), &(), Expect::Anything, expires)?);
        }
        rest = behind;
    }
    Ok(writes)
}

/// The first of some entries as a JSON array, and how many they are.
fn sheet(entries: &[Entry]) -> Result<(String, usize), serde_json::Error> {
    let (mut body, mut count) = (String::from("["), 0);
    for entry in entries.iter().take(SHEET) {
        if count > 0 {
            body.push(',');
        }
        body.push_str(&serde_json::to_string(entry)?);
        count += 1;
        if body.len() >= SHEET_BYTES {
            break;
        }
    }
    body.push(']');
    Ok((body, count))
}

impl Store {
    /// Entries of a connection, newest first, of one facet or of all; at most `limit`, maybe fewer although
    /// there are more. Both cursors are ids of entries: what is asked for is older.
    pub async fn log(
        &self,
        connection: &ConnectionId,
        facet: Option<&Facet>,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        let newer_than = |entry: &Entry, after: &Option<String>| {
            after.as_ref().is_some_and(|after| entry.id.to_string() >= *after)
        };
        let mut entries = Vec::new();
        let mut next = after;
        // Few sheets are enough where many people were decided together; else each has an entry at least.
        for sheets in [limit.div_ceil(SHEET) + 1, limit] {
            let (sheets, follows) = self.sheets(connection, facet, next.clone(), sheets).await?;
            for sheet in &sheets {
                let told: Vec<Entry> = decode(sheet)?.value;
                let told = told.into_iter().rev().filter(|entry| !newer_than(entry, &next));
                entries.extend(told.filter(|it| facet.is_none_or(|facet| facet.holds(it))));
                if entries.len() > limit {
                    entries.truncate(limit);
                    return Ok((entries.clone(), entries.last().map(|last| last.id.to_string())));
                }
            }
            next = follows;
            if next.is_none() || entries.len() == limit {
                break;
            }
        }
        Ok((entries, next))
    }

    /// Sheets that may hold such entries, newest first.
    async fn sheets(
        &self,
        connection: &ConnectionId,
        facet: Option<&Facet>,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Record>, Option<String>), StoreError> {
        let pk = facet.map_or_else(|| keys::log(connection), |facet| facet.partition(connection));
        let range = Range { after, order: Order::Descending, ..Range::of(pk, limit) };
        let page = self.query(&range).await?;
        if facet.is_none() {
            return Ok((page.records, page.next));
        }
        let pointers = page.records.into_iter();
        let wanted: Vec<Key> =
            pointers.map(|pointer| Key::new(keys::log(connection), pointer.key.sk)).collect();
        Ok((self.get(&wanted).await?.into_iter().flatten().collect(), page.next))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;

    /// So many entries that are neighbours, each with an error of so many characters.
    fn entries(count: u128, error: usize) -> Vec<Entry> {
        let entry = |number| Entry {
            id: Uuid::from_u128(7 << 64 | number),
            time: Timestamp::UNIX_EPOCH,
            connection: "contoso".parse().unwrap(),
            run: RunId(Uuid::nil()),
            trigger: Trigger::Manual,
            person: PersonNames {
                id: ObjectId(Uuid::from_u128(number)),
                user_principal_name: String::new(),
                display_name: String::new(),
            },
            changed: Vec::new(),
            decision: Decision::default(),
            halo: HaloIds::default(),
            outcome: OutcomeKind::Failed,
            error: Some("x".repeat(error)),
            warning: None,
            attempts: 1,
            duration_ms: 1,
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn a_sheet_ends_with_its_count_or_its_bytes() {
        // B2: how many entries there are, how long each is, and how they stand on sheets.
        let cases: [(u128, usize, &[usize]); 5] = [
            (0, 0, &[]),
            (1, 0, &[1]),
            (16, 0, &[16]),
            (40, 0, &[16, 16, 8]),
            (5, SHEET_BYTES * 3 / 4, &[2, 2, 1]),
        ];
        for (count, error, expected) in cases {
            let all = entries(count, error);
            let connection = "contoso".parse().unwrap();
            let writes = writes(&connection, &all, Timestamp::MAX).unwrap();
            let (mut sheets, mut told, mut lists) = (Vec::new(), Vec::new(), 0);
            for write in writes {
                let Write::Put { key, body, .. } = write else { continue };
                if key.pk != keys::log(&connection) {
                    lists += 1;
                    continue;
                }
                let on_sheet: Vec<Entry> = serde_json::from_str(&body).unwrap();
                assert_eq!(key.sk, on_sheet[0].id.to_string(), "under the oldest");
                sheets.push(on_sheet.len());
                told.extend(on_sheet);
            }
            assert_eq!(sheets, expected, "{count} entries");
            assert_eq!(told, all, "{count} entries");
            // A list for each person, and of each sheet one for its run, its decision and its outcome.
            assert_eq!(lists, all.len() + 3 * sheets.len(), "{count} entries");
        }
    }
}
