//! Pages of the inbound log (B2): newest first, from the smallest list that has all that is asked for.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use plan::ids::{ConnectionId, MappingId, ObjectId, RunId};
use uuid::Uuid;

use super::Match;
use crate::Engine;
use crate::store::StoreError;
use crate::store::keys::folded;
use crate::store::log::{Entry, Facet, OutcomeKind};

/// Entries that one page looks at; the rest is for the next page, so a page may be short.
const LOOKED_AT: usize = 1_000;
/// Connections up to which their logs are merged.
const MERGED: usize = 50;
/// People with a name up to which each has a list of their own; beyond, names are compared.
const PEOPLE: usize = 25;

/// What is asked of the log; everything given has to hold.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Whose; without one the logs of all connections.
    pub connection: Option<ConnectionId>,
    /// Object id, user principal name, or the beginning of a name.
    pub person: Option<String>,
    /// In one run.
    pub run: Option<RunId>,
    /// Placed by one mapping.
    pub mapping: Option<MappingId>,
    /// With this outcome.
    pub outcome: Option<OutcomeKind>,
    /// With this decision, as in [`plan::decide::Action::name`].
    pub decision: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Behind the entry of this id.
    pub after: Option<Uuid>,
    /// Entries at the most.
    pub limit: usize,
}

/// A page of the log.
#[derive(Clone, Debug, Default)]
pub struct LogPage {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<Uuid>,
}

/// There are so many connections that one has to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooWide;

/// One list of entries, newest first, read in portions.
struct Stream {
    connection: ConnectionId,
    facet: Option<Facet>,
    read: VecDeque<Entry>,
    after: Option<String>,
    is_over: bool,
}

impl Engine {
    /// A page of the log. It looks at a bounded number of entries however many there are.
    pub async fn inbound(&self, query: &Query) -> Result<Result<LogPage, TooWide>, StoreError> {
        let mut connections = Vec::new();
        match (&query.connection, query.run) {
            (Some(connection), _) => connections.push(connection.clone()),
            (None, Some(run)) => connections.extend(self.run_owner(run).await?),
            (None, None) => {
                let (all, more) = self.store.connections(None, MERGED).await?;
                if more.is_some() && !self.store.connections(more, 1).await?.0.is_empty() {
                    return Ok(Err(TooWide));
                }
                connections.extend(all.into_iter().map(|(id, _)| id));
            }
        }
        let start = start(query).map(|id| id.to_string());
        let mut streams = Vec::new();
        for connection in connections {
            for facet in self.narrowest(query, &connection).await? {
                let connection = connection.clone();
                let (read, after) = (VecDeque::new(), start.clone());
                streams.push(Stream { connection, facet, read, after, is_over: false });
            }
        }
        self.merge_streams(query, streams).await.map(Ok)
    }

    /// The smallest lists of a connection that have everything which is asked for.
    async fn narrowest(
        &self,
        query: &Query,
        connection: &ConnectionId,
    ) -> Result<Vec<Option<Facet>>, StoreError> {
        if let Some(person) = &query.person
            && let Some(people) = self.people_called(connection, person).await?
        {
            return Ok(people.into_iter().map(|id| Some(Facet::Person(id))).collect());
        }
        let run = query.run.map(Facet::Run);
        let mapping = || query.mapping.clone().map(Facet::Mapping);
        let outcome = || query.outcome.map(Facet::Outcome);
        let decision = || query.decision.clone().map(Facet::Decision);
        Ok(vec![run.or_else(mapping).or_else(outcome).or_else(decision)])
    }

    /// Whom a text means; `None` = too many for a list each.
    async fn people_called(
        &self,
        connection: &ConnectionId,
        text: &str,
    ) -> Result<Option<BTreeSet<ObjectId>>, StoreError> {
        if let Ok(id) = text.parse() {
            return Ok(Some(BTreeSet::from([id])));
        }
        let whole = self.named(connection, text, Match::Whole, PEOPLE).await?;
        if !whole.is_empty() {
            return Ok(Some(whole));
        }
        // A person has two names at the most.
        let people = self.named(connection, text, Match::Prefix, 2 * PEOPLE + 1).await?;
        Ok((people.len() <= PEOPLE).then_some(people))
    }

    async fn merge_streams(
        &self,
        query: &Query,
        mut streams: Vec<Stream>,
    ) -> Result<LogPage, StoreError> {
        let portion = (query.limit + 1).min(200).div_ceil(streams.len().max(1)).max(10);
        let oldest = query.from.map(lowest_id);
        let mut page = LogPage::default();
        let mut last = None;
        for _ in 0..LOOKED_AT {
            self.refill(&mut streams, portion).await?;
            let newest = streams.iter_mut().max_by_key(|it| it.read.front().map(|entry| entry.id));
            let Some(entry) = newest.and_then(|stream| stream.read.pop_front()) else {
                return Ok(page);
            };
            if oldest.is_some_and(|oldest| entry.id < oldest) {
                return Ok(page);
            }
            last = Some(entry.id);
            if holds(query, &entry) {
                page.entries.push(entry);
            }
            if page.entries.len() == query.limit {
                break;
            }
        }
        self.refill(&mut streams, 1).await?;
        let more = streams.iter().filter_map(|stream| stream.read.front());
        let more = more.into_iter().any(|it| oldest.is_none_or(|oldest| it.id >= oldest));
        page.next = last.filter(|_| more);
        Ok(page)
    }

    /// Reads on where nothing is left in hand.
    async fn refill(&self, streams: &mut [Stream], portion: usize) -> Result<(), StoreError> {
        let empty = streams.iter_mut().filter(|it| it.read.is_empty() && !it.is_over);
        let reads = empty.map(|stream| async move {
            while stream.read.is_empty() && !stream.is_over {
                let after = stream.after.take();
                let facet = stream.facet.as_ref();
                let (entries, next) =
                    self.store.log(&stream.connection, facet, after, portion).await?;
                stream.is_over = next.is_none();
                stream.read.extend(entries);
                stream.after = next;
            }
            Ok::<(), StoreError>(())
        });
        futures::future::try_join_all(reads).await.map(drop)
    }
}

/// The id behind which the page begins: the cursor's, or the first that is too new.
fn start(query: &Query) -> Option<Uuid> {
    let newest = query.to.map(lowest_id);
    match (query.after, newest) {
        (Some(after), Some(newest)) => Some(after.min(newest)),
        (after, newest) => after.or(newest),
    }
}

/// The smallest entry id of a time: ids begin with their time in milliseconds (UUID version 7).
pub(super) fn lowest_id(time: Timestamp) -> Uuid {
    let millis = u64::try_from(time.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

fn holds(query: &Query, entry: &Entry) -> bool {
    let Query { person, run, mapping, outcome, decision, .. } = query;
    run.is_none_or(|run| entry.run == run)
        && mapping.as_ref().is_none_or(|mapping| entry.decision.mappings().contains(mapping))
        && outcome.is_none_or(|outcome| entry.outcome == outcome)
        && decision.as_ref().is_none_or(|decision| entry.decision.name() == decision)
        && person.as_ref().is_none_or(|person| is_called(entry, person))
}

/// Whether an entry's person is whom a text means. The names are those of the time of the entry.
fn is_called(entry: &Entry, text: &str) -> bool {
    if let Ok(id) = text.parse::<ObjectId>() {
        return entry.person.id == id;
    }
    let wanted = folded(text);
    let names = [&entry.person.user_principal_name, &entry.person.display_name];
    names.into_iter().any(|name| folded(name).starts_with(&wanted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;
    use crate::random::Random;

    #[test]
    fn ids_are_cut_at_a_time() {
        // B2
        let time: Timestamp = "2026-11-02T08:00:00.123Z".parse().unwrap();
        let random = Random::seeded(1);
        let bound = lowest_id(time);
        let before = time - jiff::SignedDuration::from_millis(1);
        for _ in 0..100 {
            assert!(random.sortable(time) >= bound);
            assert!(random.sortable(before) < bound);
        }
    }
}
