//! Looking users up in Halo itself: after a create whose answer was lost (M6).

use std::collections::{BTreeMap, BTreeSet};

use plan::failure::{Failure, Kind};
use plan::ids::RecordId;
use plan::matching::{Hits, MatchKey};
use serde_json::json;

use super::index::{hit_of, keys_of};
use super::users::{UserRow, everybody};
use super::{Error, Halo, failed, wire};

/// Rows of one search that are looked at. Whoever has a name or address that more users contain gets an
/// error, because the right one may be among the rest.
const SEARCHED: usize = 2000;
/// Rows of an answer that are read with details, where Halo's version leaves out what counts.
const DETAILED: usize = 50;
/// Rows that an exact search may find before it is taken for the whole list: a filter that Halo does
/// not know is ignored without a word.
const EXACT: usize = 20;
const OPERATION: &str = "look for a user in Halo";

type Rows = BTreeMap<RecordId, UserRow>;

impl Halo {
    /// The users that the keys of a person hit, as [`plan::matching::find`] reads them: the same as the
    /// index answers, but asked of Halo now. Looks for the object id first, and for the other keys only
    /// if nobody carries it.
    pub async fn find_users(&self, keys: &BTreeSet<MatchKey>) -> Result<Hits, Error> {
        let mut rows = Rows::new();
        let (by_id, others): (Vec<_>, Vec<_>) =
            keys.iter().partition(|key| key.field == "azureoid");
        for key in by_id {
            rows.extend(self.exactly(key).await?);
        }
        let hits = hits(&rows, keys);
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
        Ok(self::hits(&rows, keys))
    }

    /// Users found by an exact search; none where this Halo does not know such a search.
    async fn exactly(&self, key: &MatchKey) -> Result<Rows, Error> {
        let filter = json!([{
            "filter_name": key.field, "filter_type": 2, "filter_value": key.value,
        }]);
        let call = everybody(OPERATION)
            .with("page_no", 1)
            .with("page_size", self.shared.settings.page_size)
            .with("advanced_search", filter);
        let found = match self.rows(&call, "users").await {
            Ok(list) => list.rows,
            Err(Error::Halo(Failure { kind: Kind::Refused { status: 400, .. }, .. })) => Vec::new(),
            Err(error) => return Err(error),
        };
        let rows = found.into_iter().filter_map(UserRow::new).map(|row| (row.id, row)).collect();
        if Rows::len(&rows) > EXACT { Ok(Rows::new()) } else { self.detailed(rows).await }
    }

    /// Users of whom some searched property contains the value.
    async fn containing(&self, value: &str) -> Result<Rows, Error> {
        let mut rows = Rows::new();
        for page_no in 1.. {
            let call = everybody(OPERATION)
                .with("page_no", page_no)
                .with("page_size", self.shared.settings.page_size)
                .with("order", "id")
                .with("search", value);
            let before = rows.len();
            let list = self.rows(&call, "users").await?;
            rows.extend(list.rows.into_iter().filter_map(UserRow::new).map(|row| (row.id, row)));
            if rows.len() == before {
                break;
            }
            within(rows.len(), SEARCHED)?;
        }
        self.detailed(rows).await
    }

    /// The rows, those that leave out the object id replaced by the record with details.
    async fn detailed(&self, mut rows: Rows) -> Result<Rows, Error> {
        rows.retain(|_, row| row.special().is_none());
        let bare = || rows.values().filter(|row| !row.record.has("azureoid")).map(|row| row.id);
        let bare: Vec<RecordId> = bare().collect();
        within(bare.len(), DETAILED)?;
        for id in bare {
            match self.user(id, &BTreeSet::new()).await? {
                Some(user) if user.special.is_none() => {
                    rows.insert(id, UserRow { id, record: user.record });
                }
                Some(_) | None => {
                    rows.remove(&id);
                }
            }
        }
        Ok(rows)
    }
}

/// Which rows really have a key; Halo's searches find more than was asked for.
fn hits(rows: &Rows, keys: &BTreeSet<MatchKey>) -> Hits {
    let mut hits = Hits::new();
    for row in rows.values() {
        let fields = keys.iter().map(|key| key.field.as_str());
        for key in keys_of(&row.record, fields).intersection(keys) {
            hits.entry(key.clone()).or_default().push(hit_of(row.id, &row.record));
        }
    }
    hits
}

fn within(found: usize, most: usize) -> Result<(), Error> {
    if found <= most {
        return Ok(());
    }
    let detail = format!("a search for one person finds more than {most} users");
    Err(failed(OPERATION, wire::malformed(&detail)))
}
