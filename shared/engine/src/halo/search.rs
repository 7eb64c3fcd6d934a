//! Looking people's records up in Halo itself: after a create whose answer was lost (M6).

use std::collections::{BTreeMap, BTreeSet};

use plan::failure::{Failure, Kind};
use plan::ids::{RecordId, RecordKind};
use plan::matching::{Hits, MatchKey};
use serde_json::json;

use super::index::{hit_of, keys_of, properties};
use super::records::{Row, api, everyone};
use super::{Error, Halo, failed, wire};

/// Rows of one search that are looked at. Whoever has a name or address that more users contain gets an
/// error, because the right one may be among the rest.
const SEARCHED: usize = 2000;
/// Rows of an answer that are read with details, where Halo's version leaves out what counts.
const DETAILED: usize = 50;
/// Rows that an exact search may find before it is taken for the whole list: a filter that Halo does
/// not know is ignored without a word.
const EXACT: usize = 20;
/// Agents that are read before their list counts as endless.
const AGENTS: usize = 20_000;

/// Rows by record, each once.
pub(super) type Rows = BTreeMap<RecordId, Row>;

impl Halo {
    /// The records that the keys of a person hit, as [`plan::matching::find`] reads them: the same as
    /// the index answers, but asked of Halo now.
    pub async fn find(&self, kind: RecordKind, keys: &BTreeSet<MatchKey>) -> Result<Hits, Error> {
        match kind {
            RecordKind::User => self.find_user(keys).await,
            RecordKind::Agent => self.find_agent(keys).await,
        }
    }

    /// Looks for the object id first, and for the other keys only if nobody carries it.
    async fn find_user(&self, keys: &BTreeSet<MatchKey>) -> Result<Hits, Error> {
        let mut rows = Rows::new();
        let (by_id, others): (Vec<_>, Vec<_>) =
            keys.iter().partition(|key| key.field == "azureoid");
        for key in by_id {
            rows.extend(self.exactly(key).await?);
        }
        let hits = hits(rows.values(), keys);
        if !hits.is_empty() {
            return Ok(hits);
        }
        for key in others {
            rows.extend(match key.field.as_str() {
                // What `search` looks at.
                "login" | "emailaddress" | "name" => self.containing(&key.value).await?,
                _ => self.exactly(key).await?,
            });
        }
        Ok(self::hits(rows.values(), keys))
    }

    /// Halo ignores searches for agents, of whom there are few: all are read and compared here.
    async fn find_agent(&self, keys: &BTreeSet<MatchKey>) -> Result<Hits, Error> {
        let kind = RecordKind::Agent;
        let rows = self.agents(api(kind).find).await?;
        let fields = keys.iter().map(|key| key.field.as_str());
        let fields: BTreeSet<&str> = fields.filter(|field| *field != "azureoid").collect();
        let rows = self.detailed(kind, rows, &fields).await?;
        let mut rows: Vec<Row> = rows.into_values().collect();
        self.add_owners(kind, &mut rows).await?;
        Ok(hits(&rows, keys))
    }

    /// All agents as they are now, disabled ones and those of applications included.
    pub(super) async fn agents(&self, operation: &'static str) -> Result<Rows, Error> {
        let mut rows = Rows::new();
        for page_no in 1.. {
            let page = self.page_for(operation, RecordKind::Agent, page_no).await?;
            let before = rows.len();
            rows.extend(page.rows.into_iter().map(|row| (row.id, row)));
            if page.is_last || rows.len() == before {
                break;
            }
            if rows.len() > AGENTS {
                return Err(failed(operation, wire::malformed("a list without end")));
            }
        }
        Ok(rows)
    }

    /// Users found by an exact search; none where this Halo does not know such a search.
    async fn exactly(&self, key: &MatchKey) -> Result<Rows, Error> {
        let kind = RecordKind::User;
        let filter = json!([{
            "filter_name": key.field, "filter_type": 2, "filter_value": key.value,
        }]);
        let call = everyone(kind, api(kind).find)
            .with("page_no", 1)
            .with("page_size", self.shared.settings.page_size)
            .with("advanced_search", filter);
        let found = match self.records(kind, &call).await {
            Ok(rows) => rows,
            Err(Error::Halo(Failure { kind: Kind::Refused { status: 400, .. }, .. })) => Vec::new(),
            Err(error) => return Err(error),
        };
        let rows: Rows = found.into_iter().map(|row| (row.id, row)).collect();
        if rows.len() > EXACT { Ok(Rows::new()) } else { self.detailed_users(rows).await }
    }

    /// Users of whom some searched property contains the value.
    async fn containing(&self, value: &str) -> Result<Rows, Error> {
        let kind = RecordKind::User;
        let mut rows = Rows::new();
        for page_no in 1.. {
            let call = everyone(kind, api(kind).find)
                .with("page_no", page_no)
                .with("page_size", self.shared.settings.page_size)
                .with("order", "id")
                .with("search", value);
            let before = rows.len();
            rows.extend(self.records(kind, &call).await?.into_iter().map(|row| (row.id, row)));
            if rows.len() == before {
                break;
            }
            within(api(kind).find, rows.len(), SEARCHED)?;
        }
        self.detailed_users(rows).await
    }

    /// A version of Halo that leaves out the object id leaves out the further addresses too.
    async fn detailed_users(&self, rows: Rows) -> Result<Rows, Error> {
        self.detailed(RecordKind::User, rows, &BTreeSet::from(["azureoid"])).await
    }

    /// The rows of people, those that leave out one of `fields` replaced by the record with details.
    async fn detailed(
        &self,
        kind: RecordKind,
        mut rows: Rows,
        fields: &BTreeSet<&str>,
    ) -> Result<Rows, Error> {
        rows.retain(|_, row| row.special().is_none());
        let lacks = |row: &Row| {
            let mut wanted = fields.iter().copied().flat_map(properties);
            wanted.any(|name| !row.record.has(name))
        };
        let bare: Vec<RecordId> =
            rows.values().filter(|row| lacks(row)).map(|row| row.id).collect();
        within(api(kind).find, bare.len(), DETAILED)?;
        for id in bare {
            let found = self.record(id, &BTreeSet::new()).await?;
            match found.filter(|found| found.special.is_none()) {
                Some(found) => rows.insert(id, Row { id, record: found.record }),
                None => rows.remove(&id),
            };
        }
        Ok(rows)
    }
}

/// Which rows really have a key; Halo's searches find more than was asked for.
fn hits<'a>(rows: impl IntoIterator<Item = &'a Row>, keys: &BTreeSet<MatchKey>) -> Hits {
    let mut hits = Hits::new();
    for row in rows {
        let fields = keys.iter().map(|key| key.field.as_str());
        for key in keys_of(row, fields).intersection(keys) {
            hits.entry(key.clone()).or_default().push(hit_of(row));
        }
    }
    hits
}

fn within(operation: &str, found: usize, most: usize) -> Result<(), Error> {
    if found <= most {
        return Ok(());
    }
    let detail = format!("a search for one person finds more than {most} records");
    Err(failed(operation, wire::malformed(&detail)))
}
