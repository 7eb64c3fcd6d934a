//! Counts of what became of people, and the shape of a run that scripts rely on (B5).

use std::ops::AddAssign;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ConnectionId, RunId};

/// People by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Counts {
    /// Made in Halo.
    pub created: u64,
    /// Changed in Halo, or linked to a record that was there.
    pub updated: u64,
    /// As they should be.
    pub unchanged: u64,
    /// Made inactive.
    pub deactivated: u64,
    /// Made active again.
    pub reactivated: u64,
    /// Waiting for an administrator's choice.
    pub conflict: u64,
    /// Deactivations that the guard holds.
    pub held: u64,
    /// Matched by no mapping.
    pub not_in_scope: u64,
    /// Refused by Halo; tried again with growing delays.
    pub failed: u64,
    /// Not as the preview showed them that the run carries out, so left alone (I2).
    pub moved: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self {
            created,
            updated,
            unchanged,
            deactivated,
            reactivated,
            conflict,
            held,
            not_in_scope,
            failed,
            moved,
        } = other;
        self.created += created;
        self.updated += updated;
        self.unchanged += unchanged;
        self.deactivated += deactivated;
        self.reactivated += reactivated;
        self.conflict += conflict;
        self.held += held;
        self.not_in_scope += not_in_scope;
        self.failed += failed;
        self.moved += moved;
    }
}

/// Requests that a run made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Requests {
    /// To Microsoft Graph and its sign-in.
    pub graph: u64,
    /// To Halo.
    pub halo: u64,
}

impl AddAssign for Requests {
    fn add_assign(&mut self, other: Self) {
        self.graph += other.graph;
        self.halo += other.halo;
    }
}

/// Who started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The timer.
    Schedule,
    /// An administrator.
    Manual,
    /// A saved document with other rules (I5).
    RuleChange,
    /// A parked person whose time came.
    Retry,
    /// Halo, by a signed call about a licence (S2).
    Halo,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waiting for its turn.
    Queued,
    /// Reading Graph.
    Reading,
    /// Deciding.
    Deciding,
    /// Writing Halo.
    Applying,
    /// Done.
    Completed,
    /// Done but for deactivations that wait for an administrator.
    Held,
    /// Ended by a failure.
    Failed,
}

impl RunState {
    /// Whether the run is over.
    pub fn is_over(self) -> bool {
        match self {
            RunState::Completed | RunState::Held | RunState::Failed => true,
            RunState::Queued | RunState::Reading | RunState::Deciding | RunState::Applying => false,
        }
    }
}

/// A run as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub run: RunId,
    /// Whose.
    pub connection: ConnectionId,
    /// Who started it.
    pub trigger: Trigger,
    /// Where it stands.
    pub state: RunState,
    /// People.
    pub counts: Counts,
    /// Requests.
    pub requests: Requests,
    /// When it was asked for.
    pub started: Timestamp,
    /// When it ended.
    #[serde(default)]
    #[schema(required)]
    pub finished: Option<Timestamp>,
    /// Why it failed, and what to do.
    #[serde(default)]
    #[schema(required)]
    pub error: Option<String>,
    /// What an administrator should know although the run did not fail: broken group references,
    /// an incomplete read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
