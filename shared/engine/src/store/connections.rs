//! Connections in the store: documents, and where each connection stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plan::document::{Document, Entity};
use plan::expiry::Nearness;
use plan::groups::{Group, Groups};
use plan::guard::Recent;
use plan::ids::{ConnectionId, ObjectId, PerKind, RunId};
use plan::reading::{Read, Reading};
use plan::sign_ins::SignIns;
use plan::tally::Trigger;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::people::Fenced;
use super::runs::Extent;
use super::{
    Commit, Expect, Key, Order, Range, Record, Store, StoreError, Versioned, Write, decode, keys,
    put,
};

/// A saved document with its history (C10).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// What was saved, with pinned ids.
    pub document: Document,
    /// Counts from 1; what `If-Match` names.
    pub revision: u64,
    /// When.
    pub saved: Timestamp,
    /// Facts about the credentials; the credentials themselves are in the secret store (C4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialFacts>,
}

/// What a read may show of credentials (C4, C9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialFacts {
    /// Since when they are set.
    pub set: Timestamp,
    /// When they expire, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The last nearness of their end that the timer told of (C9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Nearness>,
}

/// Whether a connection may be used (C6, C7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Authorisation {
    /// Not tried, or failed.
    #[default]
    Unauthorised,
    /// A token came, and the mandatory permissions are there.
    Authorised {
        /// When.
        since: Timestamp,
    },
    /// A run met refused credentials: the schedule stops.
    Reauthorise {
        /// What happened and what to do.
        reason: String,
        /// When.
        since: Timestamp,
    },
}

/// Where a connection stands. Written only under its lease, or with the version that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Whether it may be used.
    #[serde(default)]
    pub authorisation: Authorisation,
    /// When the schedule wants the next run.
    pub next_due: Timestamp,
    /// When the last run about everybody came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Timestamp>,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The run that an administrator asked for and that waits for its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// Runs that were asked for behind that one, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Queued>,
    /// The streams.
    #[serde(default)]
    pub reading: Reading,
    /// No dirty mark stands: the next run need not look for any (T4).
    #[serde(default)]
    pub clean: bool,
    /// Somebody else than a reader placed marks: the next run looks for them, whatever `clean` says.
    /// See [`Store::tell_of_marks`].
    #[serde(default)]
    pub marked: bool,
    /// Linked and active records, for the guard's share (L4).
    #[serde(default)]
    pub linked: PerKind<u64>,
    /// Deactivations of the last day, for the guard (L4).
    #[serde(default)]
    pub recent: Recent,
    /// The rules were saved anew since the last run began: it looks at everybody (I5).
    #[serde(default)]
    pub rules_changed: bool,
}

/// A run that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Its id, which the asker was told.
    pub run: RunId,
    /// Who asked.
    pub trigger: Trigger,
    /// How it reads.
    pub read: Read,
    /// What it covers; empty = what the document's schedule does (I2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
    /// Whom it is about (I2).
    #[serde(default, skip_serializing_if = "Extent::is_everybody")]
    pub extent: Extent,
}

/// Runs that may wait for their turn behind the one that is next.
const WAITING: usize = 20;

impl State {
    /// Puts a run at the end of those that wait; `false` = too many wait already.
    #[must_use]
    pub fn enqueue(&mut self, run: Queued) -> bool {
        if self.queued.is_none() {
            self.queued = Some(run);
        } else if self.waiting.len() < WAITING {
            self.waiting.push(run);
        } else {
            return false;
        }
        true
    }

    /// The runs that wait, the next one first.
    pub fn queue(&self) -> impl Iterator<Item = &Queued> {
        self.queued.iter().chain(&self.waiting)
    }

    /// Takes a run from those that wait, as it begins; the one behind it is the next. Without effect if
    /// it does not wait, so that it is safe to repeat.
    pub fn dequeue(&mut self, run: RunId) {
        self.waiting.retain(|waiting| waiting.run != run);
        if self.queued.as_ref().is_some_and(|queued| queued.run == run) {
            self.queued = (!self.waiting.is_empty()).then(|| self.waiting.remove(0));
        }
    }

    /// A connection that was just made.
    pub fn new(now: Timestamp) -> Self {
        Self {
            authorisation: Authorisation::Unauthorised,
            next_due: now,
            completed: None,
            run: None,
            queued: None,
            waiting: Vec::new(),
            reading: Reading::default(),
            clean: false,
            marked: false,
            linked: PerKind::default(),
            recent: Recent::default(),
            rules_changed: false,
        }
    }

    /// Whether runs may start (C7).
    pub fn is_authorised(&self) -> bool {
        matches!(self.authorisation, Authorisation::Authorised { .. })
    }
}

/// A connection's document and where it stands.
pub type Connected = (Versioned<Saved>, Versioned<State>);

fn connected(found: &[Option<Record>]) -> Result<Option<Connected>, StoreError> {
    match found {
        [Some(document), Some(state)] => Ok(Some((decode(document)?, decode(state)?))),
        _ => Ok(None),
    }
}

impl Store {
    /// Ids and names of connections, in order of their ids.
    pub async fn connections(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<(ConnectionId, String)>, Option<String>), StoreError> {
        let page = self.query(&Range { after, ..Range::of(keys::CONNECTIONS, limit) }).await?;
        let found = page
            .records
            .iter()
            .filter_map(|record| Some((record.key.sk.parse().ok()?, record)))
            .map(|(id, record)| Ok((id, decode(record)?.value)))
            .collect::<Result<_, StoreError>>()?;
        Ok((found, page.next))
    }

    /// The ids of connections, in order, whatever else their records say.
    pub async fn connection_ids(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<ConnectionId>, Option<String>), StoreError> {
        let page = self.query(&Range { after, ..Range::of(keys::CONNECTIONS, limit) }).await?;
        let ids = page.records.iter().filter_map(|record| record.key.sk.parse().ok());
        Ok((ids.collect(), page.next))
    }

    /// Document and state of each connection in one read for up to 50 of them; `None` for one that is not
    /// there. What cannot be understood is the error of its own connection alone (T5).
    pub async fn connections_of(
        &self,
        ids: &[ConnectionId],
    ) -> Result<Vec<Result<Option<Connected>, StoreError>>, StoreError> {
        let both = ids.iter().flat_map(|id| [keys::document(id), keys::state(id)]);
        let found = self.get(&both.collect::<Vec<_>>()).await?;
        Ok(found.chunks(2).map(connected).collect())
    }

    /// The document of a connection.
    pub async fn document(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Versioned<Saved>>, StoreError> {
        self.read(&keys::document(connection)).await
    }

    /// Where a connection stands.
    pub async fn state(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Versioned<State>>, StoreError> {
        self.read(&keys::state(connection)).await
    }

    /// Document and state in one read.
    pub async fn connection(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Connected>, StoreError> {
        connected(&self.get(&[keys::document(connection), keys::state(connection)]).await?)
    }

    /// Where a connection's job that reads last sign-ins stands; `None` before its first time (D8).
    pub async fn sign_ins(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Versioned<SignIns>>, StoreError> {
        self.read(&keys::sign_ins(connection)).await
    }

    /// Tells the next run that marks stand which no reader placed. To be called *behind* the marks,
    /// before the caller's own position moves past the people who got them. Told again, it is the same.
    ///
    /// No mark is lost. Killed between marks and this, the caller does the same people again, finds
    /// them still waiting (or their marks gone, because a run dealt with them), and gets here after
    /// all. From here on the state says `marked`, and only a reader that begins takes that back: it
    /// looks through all segments when it has read, which is later than the marks. A `clean` that an
    /// earlier run writes in between does not count while `marked` stands. Told before the marks, a
    /// reader could begin and look in between, find nothing, and leave a clean state behind.
    pub async fn tell_of_marks(
        &self,
        connection: &ConnectionId,
        check: &Write,
    ) -> Result<Fenced<()>, StoreError> {
        loop {
            let Some(state) = self.state(connection).await? else { return Ok(Fenced::Lost) };
            if state.value.marked {
                return Ok(Fenced::Done(()));
            }
            let told = State { marked: true, clean: false, ..state.value.clone() };
            let writes = [check.clone(), put(keys::state(connection), &told, state.unchanged())?];
            match self.commit(&writes).await? {
                Commit::Done => return Ok(Fenced::Done(())),
                Commit::Conflict(0) => return Ok(Fenced::Lost),
                // A reader or an administrator wrote the state meanwhile.
                Commit::Conflict(_) => {}
            }
        }
    }

    /// The tracked groups of a connection.
    pub async fn groups(&self, connection: &ConnectionId) -> Result<Groups, StoreError> {
        let mut groups = BTreeMap::new();
        let mut after = None;
        loop {
            let range = Range {
                prefix: "group#".to_owned(),
                after,
                order: Order::Ascending,
                ..Range::of(keys::own(connection), 1000)
            };
            let page = self.query(&range).await?;
            for record in &page.records {
                let id = record.key.sk.trim_start_matches("group#").parse::<ObjectId>();
                if let Ok(id) = id {
                    groups.insert(id, decode::<Group>(record)?.value);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(Groups(groups)),
            }
        }
    }

    /// The keys that hold everything of a connection's own partition, to remove it.
    pub async fn own_keys(&self, connection: &ConnectionId) -> Result<Vec<Key>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page =
                self.query(&Range { after, ..Range::of(keys::own(connection), 1000) }).await?;
            all.extend(page.records.into_iter().map(|record| record.key));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}

/// The condition under which a value that was read may be replaced.
pub fn unchanged<T>(read: Option<&Versioned<T>>) -> Expect {
    read.map_or(Expect::Absent, Versioned::unchanged)
}
