//! Runs in the store: the record that people see, and each segment's part.

use jiff::{SignedDuration, Timestamp};
use plan::document::{Document, Entity};
use plan::guard;
use plan::ids::{ConnectionId, ObjectId, PerKind, PreviewId, RunId, Segment};
use plan::reading::Covers;
use plan::rules::{Scope, scope_of};
use plan::schedule::Purpose;
use plan::tally::{Counts, Requests, Run, RunState, Trigger};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Commit, Expect, Order, Range, Store, StoreError, Versioned, Write, decode, keys, put};

/// A run with what its steps need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What people see.
    #[serde(flatten)]
    pub run: Run,
    /// The segments in which somebody was dirty when deciding began.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// What it covers; empty = what the document's schedule does (I2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
    /// Whom it is about (I2).
    #[serde(default, skip_serializing_if = "Extent::is_everybody")]
    pub extent: Extent,
    /// What the guard said to users and to agents; `None` before all is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<PerKind<guard::Verdict>>,
    /// Whether the read can be relied on for deactivations (L5).
    #[serde(default)]
    pub read_complete: bool,
    /// Whether the boards were written after the people (R3).
    #[serde(default)]
    pub boards_done: bool,
    /// What deciding waits for.
    #[serde(default)]
    pub waits_for: WaitsFor,
    /// Failures of Halo in a row while the index was built for this run.
    #[serde(default)]
    pub attempts: u32,
    /// When a step last did something for the run; the timer sends hints again to one that stands still.
    pub touched: Timestamp,
}

/// What has to be there before people are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// All is there.
    #[default]
    Nothing,
    /// Halo's software licences, as the ledger wants them (S1).
    Licences,
    /// The indexes of Halo's users and agents (H4).
    Index,
}

/// Whom a run is about (I2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum Extent {
    /// Everybody of whom something is to be decided.
    #[default]
    Everybody,
    /// The people whose list is kept with the run: see [`super::keys::named`].
    Named,
    /// Those to whom a preview shows that something happens.
    Plan {
        /// The preview.
        plan: PreviewId,
        /// All of them, or only those whose list is kept with the run.
        people: Whom,
    },
    /// Nobody: the run imports licences alone (S1).
    Licences,
    /// Nobody: the run reads Entra for a preview, and decides nothing.
    Preview {
        /// The preview.
        preview: PreviewId,
    },
}

/// Which people of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// All.
    All,
    /// The people whose list is kept with the run.
    Named,
}

impl Extent {
    /// Whether it is an ordinary run.
    pub fn is_everybody(&self) -> bool {
        *self == Extent::Everybody
    }

    /// Whether a list of people is kept with the run.
    pub fn names_people(&self) -> bool {
        matches!(self, Extent::Named | Extent::Plan { people: Whom::Named, .. })
    }

    /// What a run of this extent is there for.
    pub fn purpose(&self) -> Purpose {
        match self {
            Extent::Everybody | Extent::Named | Extent::Plan { .. } | Extent::Licences => {
                Purpose::Import
            }
            Extent::Preview { .. } => Purpose::Read,
        }
    }
}

impl RunRecord {
    /// A run that begins, or begins to wait, at `now`.
    pub fn new(
        run: RunId,
        connection: &ConnectionId,
        trigger: Trigger,
        state: RunState,
        now: Timestamp,
    ) -> Self {
        Self {
            run: Run {
                run,
                connection: connection.clone(),
                trigger,
                state,
                counts: Counts::default(),
                requests: Requests::default(),
                started: now,
                finished: None,
                error: None,
                warnings: Vec::new(),
            },
            segments: Vec::new(),
            entities: Vec::new(),
            extent: Extent::Everybody,
            boards_done: false,
            verdict: None,
            read_complete: false,
            waits_for: WaitsFor::Nothing,
            attempts: 0,
            touched: now,
        }
    }
}

impl RunRecord {
    /// The kinds of records that it is about.
    pub fn scope(&self, document: &Document) -> Scope {
        scope_of(self.entities(document))
    }

    /// What it reads of Entra.
    pub fn covers(&self, document: &Document) -> Covers {
        match self.extent {
            Extent::Licences => Covers::Licences,
            Extent::Everybody if self.entities(document).contains(&Entity::Licences) => {
                Covers::PeopleAndLicences
            }
            Extent::Everybody | Extent::Named | Extent::Plan { .. } | Extent::Preview { .. } => {
                Covers::People
            }
        }
    }

    fn entities<'a>(&'a self, document: &'a Document) -> &'a [Entity] {
        if self.entities.is_empty() { &document.sync.entities } else { &self.entities }
    }
}

/// A segment's part of a run: its lease, its place and its counts in one record, so that the write
/// that records a person counts it at the same time, exactly once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// Who works on it.
    pub owner: Option<Uuid>,
    /// Until when nobody else does.
    pub until: Timestamp,
    /// How far it is.
    pub phase: Phase,
    /// Behind whom it goes on; `None` = from the start.
    pub after: Option<String>,
    /// Deactivations that deciding met, without released ones.
    pub planned: PerKind<u64>,
    /// Deactivations that were made, without released ones (L4).
    #[serde(default)]
    pub deactivated: PerKind<u64>,
    /// What became of people.
    pub counts: Counts,
    /// Requests to Halo and Graph.
    pub requests: Requests,
    /// How the numbers of linked and active records changed.
    pub linked: PerKind<i64>,
    /// People who stay dirty behind this run.
    pub left: u64,
    /// Failures of the service in a row.
    pub attempts: u32,
    /// At whose record the service fails again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
}

/// A record at which Halo fails every time, as if Halo were down (T5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// Whose record.
    pub person: ObjectId,
    /// Failures in a row at it.
    pub tries: u32,
}

/// How far a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Marking the people whom the run is about, where it is not about everybody who is marked already.
    Marking,
    /// Looking at what would happen.
    Deciding,
    /// All looked at; waiting for the other segments.
    Decided,
    /// Writing to Halo.
    Applying,
    /// Done.
    Done,
}

/// Holding a segment: the record with the version that proves it.
#[derive(Clone, Debug)]
pub struct HeldSegment {
    /// Whose.
    pub connection: ConnectionId,
    /// Of which run.
    pub run: RunId,
    /// Which people.
    pub segment: Segment,
    /// The record; a change is stored by the next [`HeldSegment::save`].
    pub record: SegmentRecord,
    version: u64,
}

impl HeldSegment {
    /// The write that stores the record and proves that the segment is still ours.
    pub fn save(&self) -> Result<Write, StoreError> {
        let key = keys::segment(&self.connection, self.run, self.segment);
        put(key, &self.record, Expect::Version(self.version))
    }

    /// The condition that the segment is still ours, where the record does not change.
    pub fn check(&self) -> Write {
        let key = keys::segment(&self.connection, self.run, self.segment);
        Write::Check { key, expect: Expect::Version(self.version) }
    }

    /// To be called after the write of [`HeldSegment::save`] was committed.
    pub fn saved(&mut self) {
        self.version += 1;
    }

    /// A number that no other holder of the segment ever had.
    pub fn epoch(&self) -> Option<Uuid> {
        self.record.owner
    }
}

impl Store {
    /// A run.
    pub async fn run(
        &self,
        connection: &ConnectionId,
        run: RunId,
    ) -> Result<Option<Versioned<RunRecord>>, StoreError> {
        self.read(&keys::run(connection, run)).await
    }

    /// Runs of a connection, newest first.
    pub async fn runs(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<RunRecord>, Option<String>), StoreError> {
        let range = Range {
            prefix: "run#".to_owned(),
            after,
            order: Order::Descending,
            ..Range::of(keys::own(connection), limit)
        };
        let page = self.query(&range).await?;
        let runs = page
            .records
            .iter()
            .map(|record| Ok(decode(record)?.value))
            .collect::<Result<_, StoreError>>()?;
        Ok((runs, page.next))
    }

    /// The parts of a run that exist so far.
    pub async fn segments(
        &self,
        connection: &ConnectionId,
        run: RunId,
        segments: &[Segment],
    ) -> Result<Vec<Option<Versioned<SegmentRecord>>>, StoreError> {
        let wanted: Vec<_> =
            segments.iter().map(|segment| keys::segment(connection, run, *segment)).collect();
        let found = self.get(&wanted).await?;
        found.iter().map(|record| record.as_ref().map(decode).transpose()).collect()
    }

    /// Takes a segment of a run for `duration`; `None` while another worker holds it. One that nobody
    /// held before begins with the phase `first`.
    pub async fn hold_segment(
        &self,
        connection: &ConnectionId,
        run: RunId,
        segment: Segment,
        owner: Uuid,
        duration: SignedDuration,
        first: Phase,
    ) -> Result<Option<HeldSegment>, StoreError> {
        let now = self.clock.now();
        let key = keys::segment(connection, run, segment);
        let found = self.read::<SegmentRecord>(&key).await?;
        if let Some(found) = &found
            && found.value.owner.is_some()
            && found.value.until > now
        {
            return Ok(None);
        }
        let expect = super::connections::unchanged(found.as_ref());
        let version = found.as_ref().map_or(0, |found| found.version);
        let mut record = found.map_or_else(|| SegmentRecord::new(first), |found| found.value);
        record.owner = Some(owner);
        record.until = now.saturating_add(duration).unwrap_or(now);
        match self.commit(&[put(key, &record, expect)?]).await? {
            Commit::Done => Ok(Some(HeldSegment {
                connection: connection.clone(),
                run,
                segment,
                record,
                version: version + 1,
            })),
            Commit::Conflict(_) => Ok(None),
        }
    }
}

impl SegmentRecord {
    fn new(phase: Phase) -> Self {
        Self {
            owner: None,
            until: Timestamp::UNIX_EPOCH,
            phase,
            after: None,
            planned: PerKind::default(),
            deactivated: PerKind::default(),
            counts: Counts::default(),
            requests: Requests::default(),
            linked: PerKind::default(),
            left: 0,
            attempts: 0,
            stuck: None,
        }
    }
}
