//! What happened and why: the inbound log (B2), runs (B5), people and explanations (B3). Only reads
//! the store, so that the function behind it needs no right to change anything.
//!
//! | file | does |
//! |---|---|
//! | `query` | pages of the log, filtered |
//! | `explain` | what would be decided about a person today, or was before a time, and why |
//! | `export` | the log as NDJSON and CSV |
//! | `shown` | entries, people and explanations as the API shows them |

mod explain;
mod export;
mod query;
mod shown;

use std::collections::BTreeSet;

use plan::ids::{ConnectionId, ObjectId, RunId};
use plan::tally::Run;

use crate::Engine;
use crate::store::people::Person;
use crate::store::runs::RunRecord;
use crate::store::{Range, StoreError, keys};

pub use explain::{Explanation, Past, ShownPast};
pub use export::{COLUMNS, Format, Portion};
pub use query::{LogPage, Query, TooWide};
pub use shown::{ShownDecision, ShownEntry, ShownExplanation, ShownPerson, Sight};

/// A person as the store knows them.
#[derive(Clone, Debug)]
pub struct Known {
    /// Entra object id.
    pub id: ObjectId,
    /// Facts, link, what is pending.
    pub person: Person,
    /// Display name of the manager; `None` without one, or before it was read.
    pub manager: Option<String>,
}

impl Engine {
    /// A person by object id or user principal name; `None` when Entra has not told of such a person.
    pub async fn find_person(
        &self,
        connection: &ConnectionId,
        who: &str,
    ) -> Result<Option<Known>, StoreError> {
        let ids = match who.trim().parse::<ObjectId>() {
            Ok(id) => BTreeSet::from([id]),
            Err(_) => self.named(connection, who, Match::Whole, 50).await?,
        };
        let wanted = keys::folded(who);
        for (id, found) in self.store.people(connection, ids).await? {
            let facts = &found.value.facts;
            // Display names lead here too, but are not unique.
            if who.trim().parse() == Ok(id) || keys::folded(facts.user_principal_name()) == wanted {
                let manager = match facts.manager {
                    Some(manager) => self.store.person(connection, manager).await?,
                    None => None,
                };
                let manager = manager.map(|it| it.value.facts.display_name().to_owned());
                return Ok(Some(Known { id, person: found.value, manager }));
            }
        }
        Ok(None)
    }

    /// People by user principal name or display name, at most `limit` records.
    async fn named(
        &self,
        connection: &ConnectionId,
        name: &str,
        how: Match,
        limit: usize,
    ) -> Result<BTreeSet<ObjectId>, StoreError> {
        let mut prefix = keys::folded(name);
        if how == Match::Whole {
            prefix.push('#');
        }
        let wanted = prefix.trim_end_matches('#').to_owned();
        let page = self
            .store
            .query(&Range { prefix, ..Range::of(keys::names(connection), limit) })
            .await?;
        let people = page.records.iter().filter_map(|record| record.key.sk.rsplit_once('#'));
        let people = people.filter(|(name, _)| how == Match::Prefix || *name == wanted);
        Ok(people.filter_map(|(_, id)| id.parse().ok()).collect())
    }

    /// Runs of a connection, newest first, and where to go on (B5).
    pub async fn runs(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Run>, Option<String>), StoreError> {
        let (records, next) = self.store.runs(connection, after, limit).await?;
        let shown = records.iter().map(|record| self.shown_run(record));
        Ok((futures::future::try_join_all(shown).await?, next))
    }

    /// A run; `None` when there is none, or its connection was removed.
    pub async fn run(&self, run: RunId) -> Result<Option<Run>, StoreError> {
        let Some(connection) = self.run_owner(run).await? else { return Ok(None) };
        match self.store.run(&connection, run).await? {
            Some(record) => Ok(Some(self.shown_run(&record.value).await?)),
            None => Ok(None),
        }
    }

    /// The connection that a run belongs to.
    pub async fn run_owner(&self, run: RunId) -> Result<Option<ConnectionId>, StoreError> {
        Ok(self.store.read(&keys::run_pointer(run)).await?.map(|owner| owner.value))
    }

    /// A run that is under way shows what its segments have counted so far.
    async fn shown_run(&self, record: &RunRecord) -> Result<Run, StoreError> {
        let mut run = record.run.clone();
        if !run.state.is_over() {
            let parts = self.store.segments(&run.connection, run.run, &record.segments).await?;
            for part in parts.into_iter().flatten() {
                run.counts += part.value.counts;
                run.requests += part.value.requests;
            }
        }
        Ok(run)
    }
}

/// How a name is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    /// All of it.
    Whole,
    /// Its beginning.
    Prefix,
}
