//! The job that reads last sign-ins: how it goes through Graph's list, and what a failure means for
//! it and for nothing else (D8).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, Next, Progress};
use crate::document::Document;
use crate::failure::{self, Failure, Kind};
use crate::ids::{ConnectionId, ObjectId};
use crate::schedule::{next_due, next_sign_ins};

/// People on a page at first: the most that Graph allows with sign-ins (Microsoft Graph
/// documentation, list users).
const PAGE: u32 = 500;
/// People on a page where Graph refuses more: it has been seen to allow 120 only.
const SMALL_PAGE: u32 = 100;

/// Where the job of a connection stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignIns {
    /// From when on a hint finds something to do. In the past while a list is being read, so that the
    /// timer repeats a hint that got lost.
    pub next_due: Timestamp,
    /// Where the list stands.
    pub cursor: Cursor,
    /// People that a page is asked for.
    pub page_size: u32,
    /// Why nothing is read at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Off>,
    /// When the list was last read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Timestamp>,
    /// Failures in a row.
    #[serde(default)]
    pub attempts: u32,
    /// Whether an expired link has already led to a new start (D3).
    #[serde(default)]
    restarted: bool,
    #[serde(default)]
    circle: Circle,
}

/// The job failed and is tried again a day later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Off {
    /// What happened and what to do, for an administrator.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The hint comes again after so long.
    Again(SignedDuration),
    /// Nothing, until the job is due again.
    Rest,
}

impl SignIns {
    /// A job that never ran, or is to start anew: due at once.
    pub fn new(now: Timestamp) -> Self {
        Self {
            next_due: now,
            cursor: Cursor::Start,
            page_size: PAGE,
            off: None,
            read: None,
            attempts: 0,
            restarted: false,
            circle: Circle::default(),
        }
    }

    /// The same job, to begin its list anew at once: an administrator may have granted what was missing.
    #[must_use]
    pub fn anew(self, now: Timestamp) -> Self {
        let Self { page_size, off, read, .. } = self;
        Self { page_size, off, read, ..Self::new(now) }
    }

    /// Whether a hint finds something to do.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_due <= now
    }

    /// Moves behind a page of these people that was read and merged.
    pub fn turn(
        &mut self,
        connection: &ConnectionId,
        page: &[ObjectId],
        next: Next,
        now: Timestamp,
    ) -> Progress {
        (self.off, self.attempts) = (None, 0);
        let known = !page.is_empty() && self.circle.meets(fingerprint(page));
        let progress = self.cursor.advance(next, page.len() as u64, now);
        match progress {
            Progress::Complete(_) => {
                (self.circle, self.restarted) = (Circle::default(), false);
                self.read = Some(now);
                self.next_due = next_sign_ins(connection, now);
                progress
            }
            // Graph may go round in circles with fresh links too (D7).
            Progress::More if known => Progress::Endless,
            Progress::More | Progress::Endless => progress,
        }
    }

    /// Notes a failure. The connection's authorisation and its runs have nothing to do with it:
    /// refused credentials are the import's to tell of, so the job waits until that had its turn.
    pub fn fail(
        &mut self,
        connection: &ConnectionId,
        document: &Document,
        failure: &Failure,
        now: Timestamp,
    ) -> Then {
        if self.page_size > SMALL_PAGE && is_about_page_size(failure) {
            self.page_size = SMALL_PAGE;
            self.start_over();
            return Then::Again(SignedDuration::ZERO);
        }
        self.attempts += 1;
        match failure.next(self.attempts) {
            failure::Next::Retry(delay) => {
                self.next_due = now.saturating_add(delay).unwrap_or(now);
                return Then::Again(delay);
            }
            failure::Next::ReadAll if !self.restarted => {
                self.restarted = true;
                self.start_over();
                return Then::Again(SignedDuration::ZERO);
            }
            failure::Next::Reauthorise => self.next_due = next_due(connection, document, now),
            failure::Next::ReadAll | failure::Next::EndRun => {
                let since = self.off.as_ref().map_or(now, |off| off.since);
                self.off = Some(Off { reason: reason(failure), since });
                self.next_due = next_sign_ins(connection, now);
            }
        }
        self.start_over();
        (self.attempts, self.restarted) = (0, false);
        Then::Rest
    }

    fn start_over(&mut self) {
        self.cursor = Cursor::Start;
        self.circle = Circle::default();
    }
}

/// Whether Graph found the page too large; it has said so in these two ways.
fn is_about_page_size(failure: &Failure) -> bool {
    let Kind::Refused { status: 400, message, .. } = &failure.kind else { return false };
    let message = message.to_lowercase();
    message.contains("page size") || message.contains("users at a time")
}

/// What happened and what to do, for an administrator.
fn reason(failure: &Failure) -> String {
    let told = match &failure.kind {
        Kind::Forbidden { code } => forbidden(code),
        // What these mean for an import does not hold here.
        Kind::EndlessPages => {
            "Microsoft Graph repeats pages of last sign-ins without end. Report it to Microsoft if it stays."
                .to_owned()
        }
        Kind::LinkExpired => {
            "Microsoft Graph twice forgot where we were in the list of last sign-ins.".to_owned()
        }
        Kind::Throttled { .. }
        | Kind::Unavailable { .. }
        | Kind::ForeignLink
        | Kind::Incomplete { .. }
        | Kind::Credentials { .. }
        | Kind::Refused { .. }
        | Kind::Malformed { .. }
        | Kind::BudgetSpent { .. } => failure.sentence(),
    };
    format!("{told} Everything else goes on; this is tried again once a day.")
}

/// A refusal that concerns sign-ins alone (Microsoft Graph documentation, `signInActivity`, and the
/// support article on the licence that it needs).
fn forbidden(code: &str) -> String {
    let what_to_do = match code.to_ascii_lowercase().as_str() {
        "authentication_requestfromnonpremiumtenantorb2ctenant" => {
            "Microsoft shows them only to tenants with a Microsoft Entra ID P1 or P2 licence: buy one. If the tenant has one, grant the application Directory.Read.All with admin consent too, without which the check of the licence fails now and then."
        }
        "authentication_requestfromunsupporteduserrole" => {
            "The account that signed in needs a directory role that may see them, such as Reports Reader: assign it."
        }
        _ => {
            "A permission is missing: grant the application AuditLog.Read.All with admin consent, and Directory.Read.All if that is not enough."
        }
    };
    format!("Last sign-ins are not read ({code}). {what_to_do}")
}

/// Notices that pages come round again, with one number kept however many there are (Brent's
/// algorithm, as for the links of a [`Cursor`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Circle {
    steps: u64,
    anchor: u64,
    anchor_moves_in: u64,
}

impl Circle {
    fn meets(&mut self, seen: u64) -> bool {
        if self.steps > 0 && self.anchor == seen {
            return true;
        }
        if self.anchor_moves_in == 0 {
            self.anchor = seen;
            self.anchor_moves_in = self.steps + 1;
        }
        self.steps += 1;
        self.anchor_moves_in -= 1;
        false
    }
}

/// FNV-1a over whose the page is.
fn fingerprint(page: &[ObjectId]) -> u64 {
    let all: String = page.iter().map(ObjectId::to_string).collect();
    all.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
