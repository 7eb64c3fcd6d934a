//! Records what became of people: link, log entry, counts and the dirty mark in one transaction, so
//! that each decision is counted and logged exactly once however often it is tried.

mod recorder;
mod settle;

use jiff::Timestamp;
use plan::decide::{Action, Decision, Part};
use plan::failure::Failure;
use plan::ids::{ObjectId, PerKind, RecordKind};
use plan::link::{Linked, LinkedBy};
use plan::preview::Moved;

pub(super) use self::recorder::Recorder;
use super::Trouble;
use crate::halo::{Created, Error, Updated};

/// What Halo answered to a part of a decision.
#[derive(Debug, Default)]
pub(super) enum Sent {
    /// Nothing was sent.
    #[default]
    Nothing,
    /// A record was made.
    Created(Created),
    /// A record was written.
    Written(Option<String>),
    /// There is no such record any more.
    Gone,
    /// Halo refused this record; the text says why.
    Refused(String),
    /// Halo fails at this record every time; whether it did anything is not known.
    Stuck(String),
}

impl Sent {
    pub(super) fn created(answer: Result<Created, Error>) -> Result<Self, Trouble> {
        match answer {
            Ok(created) => Ok(Sent::Created(created)),
            Err(error) => Self::refused(error),
        }
    }

    pub(super) fn updated(answer: Result<Updated, Error>) -> Result<Self, Trouble> {
        match answer {
            Ok(Updated::Done { warning }) => Ok(Sent::Written(warning)),
            Ok(Updated::Gone) => Ok(Sent::Gone),
            Err(error) => Self::refused(error),
        }
    }

    fn refused(error: Error) -> Result<Self, Trouble> {
        match error {
            Error::Halo(failure) if failure.is_about_the_record() => {
                Ok(Sent::Refused(Failure::sentence(&failure)))
            }
            error @ (Error::Halo(_) | Error::Ours(_)) => Err(error.into()),
        }
    }

    /// Whether Halo did what was asked.
    fn is_done(&self) -> bool {
        matches!(self, Sent::Created(_) | Sent::Written(_))
    }

    /// Why it did not.
    fn trouble(&self) -> Option<&str> {
        match self {
            Sent::Refused(sentence) | Sent::Stuck(sentence) => Some(sentence),
            Sent::Nothing | Sent::Created(_) | Sent::Written(_) | Sent::Gone => None,
        }
    }

    /// What Halo remarked.
    fn warning(&self) -> Option<&str> {
        match self {
            Sent::Created(created) => created.warning.as_deref(),
            Sent::Written(warning) => warning.as_deref(),
            Sent::Nothing | Sent::Gone | Sent::Refused(_) | Sent::Stuck(_) => None,
        }
    }
}

/// What a record is to a person after Halo accepted a part; how the link came to be stays as it was.
/// `None` = Halo did not, or nothing was sent.
pub(super) fn linked_after(part: &Part, sent: &Sent, before: Option<&Linked>) -> Option<Linked> {
    let mapping = part.mapping.clone().or_else(|| before.and_then(|linked| linked.mapping.clone()));
    match (&part.action, sent) {
        (Action::Create(create), Sent::Created(created)) => Some(Linked {
            record: created.id,
            how: LinkedBy::Created,
            activity: create.activity,
            image: create.fields.clone(),
            mapping,
            granted: create.granted.clone(),
            licences: create.licences.clone(),
        }),
        (Action::Write(write), Sent::Written(_)) => Some(Linked {
            record: write.record,
            how: write.links.clone().or_else(|| Some(before?.how.clone()))?,
            activity: write.activity,
            image: write.image(),
            mapping,
            granted: write.granted.clone(),
            licences: write.licences.clone(),
        }),
        _ => None,
    }
}

/// A decision that was carried out, or turned out to need nothing.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) id: ObjectId,
    /// With the parts as they were when they were sent.
    pub(super) decision: Decision,
    pub(super) sent: PerKind<Sent>,
    started: Timestamp,
    /// The agent is done, the user record has to wait for another try.
    pub(super) is_partial: bool,
    /// Why nothing was sent, where the preview that is carried out showed something else (I2).
    moved: Option<String>,
}

impl Done {
    pub(super) fn new(id: ObjectId, started: Timestamp) -> Self {
        let (decision, sent) = (Decision::default(), PerKind::default());
        Self { id, decision, sent, started, is_partial: false, moved: None }
    }

    /// Takes over a newer decision; parts that were sent stay, and so do seats: whoever was new before
    /// they were written is not any more (R3).
    pub(super) fn take(&mut self, newer: Decision) {
        let old = std::mem::take(&mut self.decision);
        let kept = |sent: &Sent, old: Option<Part>, new| match sent {
            Sent::Nothing => new,
            Sent::Created(_)
            | Sent::Written(_)
            | Sent::Gone
            | Sent::Refused(_)
            | Sent::Stuck(_) => old,
        };
        let (seats, reasons) =
            if self.has_acted() { (old.seats, old.reasons) } else { (newer.seats, newer.reasons) };
        self.decision = Decision {
            user: kept(&self.sent.user, old.user, newer.user),
            agent: kept(&self.sent.agent, old.agent, newer.agent),
            seats,
            licence: None,
            tried: newer.tried,
            reasons,
        };
    }

    /// Takes over a decision that is not carried out, because the preview showed another.
    pub(super) fn refuse(&mut self, decision: Decision, moved: &[Moved]) {
        self.decision = decision;
        self.moved = Some(plan::preview::sentence(moved));
    }

    /// Whether the preview that is carried out showed something else.
    pub(super) fn is_moved(&self) -> bool {
        self.moved.is_some()
    }

    /// Takes over what was sent.
    pub(super) fn carried(&mut self, kind: RecordKind, part: Part, sent: Sent) {
        *self.sent.of_mut(kind) = sent;
        match kind {
            RecordKind::User => self.decision.user = Some(part),
            RecordKind::Agent => self.decision.agent = Some(part),
        }
    }

    /// Whether anything was changed in Halo.
    pub(super) fn has_acted(&self) -> bool {
        self.sent.user.is_done() || self.sent.agent.is_done()
    }

    /// Whether this made a link of that kind.
    fn links(&self, kind: RecordKind) -> bool {
        let part = self.decision.of(kind).filter(|part| part.linked_by().is_some());
        part.is_some() && self.sent.of(kind).is_done()
    }

    /// What went wrong, of both records.
    fn trouble(&self) -> Option<String> {
        let sent = [self.sent.agent.trouble(), self.sent.user.trouble()];
        let told: Vec<&str> = sent.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join(" "))
    }

    /// What Halo remarked, of both records.
    fn warning(&self) -> Option<String> {
        let sent = [self.sent.agent.warning(), self.sent.user.warning()];
        let told: Vec<&str> = sent.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join(" "))
    }
}
