//! What a failure outside means and what happens next: the only place that knows (T5, C7, D3).

mod advice;

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

pub use advice::{aadsts_advice, sign_in_advice};

/// Which service failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The token endpoint of Entra.
    Login,
    /// Microsoft Graph.
    Graph,
    /// Halo, its token endpoint included.
    Halo,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Login => "Microsoft sign-in",
            Service::Graph => "Microsoft Graph",
            Service::Halo => "Halo",
        })
    }
}

/// A failed request, classified by the client that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Who failed.
    pub service: Service,
    /// What we wanted, as the end of "could not …": "read changed users".
    pub operation: String,
    /// How it failed.
    pub kind: Kind,
}

/// The kinds of failure that differ in what happens next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Kind {
    /// 429, or 503 with `Retry-After`.
    Throttled {
        /// Seconds that the service asked for, rounded up.
        retry_after: Option<u32>,
    },
    /// 5xx, no connection, time-out, a body that ended early: the same request may succeed later.
    Unavailable {
        /// Status, or what happened to the connection.
        detail: String,
    },
    /// The link or token that the request carried has expired or was refused (D3).
    LinkExpired,
    /// A link points to a host that is not the connection's (D2).
    ForeignLink,
    /// The same link again, or many pages without anybody new (D7).
    EndlessPages,
    /// A full read that is not plausible against the directory's own count (D6).
    Incomplete {
        /// People that the read delivered.
        read: u64,
        /// People that the directory counts.
        counted: u64,
    },
    /// The credentials are refused, at sign-in or with a fresh token (C7).
    Credentials {
        /// AADSTS number, where Entra gave one.
        code: Option<u32>,
        /// OAuth error, as in `invalid_client`.
        error: String,
    },
    /// A permission is missing.
    Forbidden {
        /// The service's own code.
        code: String,
    },
    /// Any other 4xx: the request itself is wrong.
    Refused {
        /// HTTP status.
        status: u16,
        /// The service's own code; empty without one.
        code: String,
        /// The service's text, cut and cleaned (H5).
        message: String,
    },
    /// An answer that is not what the documentation promises.
    Malformed {
        /// What was expected.
        detail: String,
    },
    /// Our own request budget is used up (H2).
    BudgetSpent {
        /// Seconds until there is some again.
        wait: u32,
    },
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try the same step again after so long.
    Retry(SignedDuration),
    /// Throw the link away and read everything, once in a run.
    ReadAll,
    /// End the run with this failure; the next one starts as scheduled.
    EndRun,
    /// End the run, stop the schedule, ask for new credentials or consent (C7).
    Reauthorise,
}

/// Tries of one step before a passing failure ends the run; with the delays below about 40 minutes.
pub const TRIES: u32 = 12;

/// Tries in a row at one record before the failure counts as that record's.
pub const TRIES_AT_ONE_RECORD: u32 = 3;

impl Failure {
    /// What happens to a run after this failure in its `attempt`-th try in a row, counted from 1.
    pub fn next(&self, attempt: u32) -> Next {
        match &self.kind {
            Kind::BudgetSpent { wait } => Next::Retry(seconds(*wait)),
            Kind::Throttled { .. } | Kind::Unavailable { .. } if attempt >= TRIES => Next::EndRun,
            Kind::Throttled { retry_after } => Next::Retry(after(*retry_after, attempt)),
            Kind::Unavailable { .. } => Next::Retry(after(None, attempt)),
            // A malformed answer is often a gateway's; a few tries tell.
            Kind::Malformed { .. } if attempt < 4 => Next::Retry(after(None, attempt)),
            Kind::LinkExpired => Next::ReadAll,
            // Halo's credentials belong to the deployment, not to this connection.
            Kind::Credentials { .. } if self.service != Service::Halo => Next::Reauthorise,
            Kind::Credentials { .. }
            | Kind::ForeignLink
            | Kind::EndlessPages
            | Kind::Incomplete { .. }
            | Kind::Forbidden { .. }
            | Kind::Refused { .. }
            | Kind::Malformed { .. } => Next::EndRun,
        }
    }

    /// Whether this is about the one record that was written and not about the service (T5).
    pub fn is_about_the_record(&self) -> bool {
        matches!(&self.kind, Kind::Refused { .. })
    }

    /// Whether the service's failure at one record, in its `tries`-th try in a row, is that record's:
    /// a service has been seen to answer 500 for one record only, which must not stop the others (T5).
    pub fn sticks_to_a_record(&self, tries: u32) -> bool {
        let passing = matches!(&self.kind, Kind::Unavailable { .. } | Kind::Malformed { .. });
        passing && tries >= TRIES_AT_ONE_RECORD
    }

    /// What happened and what to do, for an administrator. Never holds a link, token or secret.
    pub fn sentence(&self) -> String {
        let Failure { service, operation, kind } = self;
        let told = match kind {
            Kind::Throttled { .. } => {
                format!("{service} asked us to slow down. It is tried again by itself.")
            }
            Kind::Unavailable { detail } => format!(
                "{service} did not answer properly ({detail}). It is tried again by itself."
            ),
            Kind::LinkExpired => format!(
                "{service} no longer accepts the saved position. Everybody is read again by itself; if this repeats, run the connection at least daily."
            ),
            Kind::ForeignLink => format!(
                "{service} sent a link to a host that is not this connection's, which was not followed. Check the connection's cloud setting and whatever stands between it and {service}."
            ),
            Kind::EndlessPages => format!(
                "{service} repeats pages without end. Nothing was changed by this read; reset the deltas, and report it to Microsoft if it returns."
            ),
            Kind::Incomplete { read, counted } => format!(
                "{service} delivered {read} people but counts {counted}. Nobody is deactivated by this read; the next full read tries again."
            ),
            Kind::Credentials { code, error } => match code {
                Some(code) => format!(
                    "{service} refused the credentials (AADSTS{code}, {error}). {}",
                    aadsts_advice(*code)
                ),
                None => format!(
                    "{service} refused the credentials ({error}). Check the client id and the credentials, then authorise again."
                ),
            },
            Kind::Forbidden { code } if *service == Service::Halo => format!(
                "Halo does not allow it ({code}). Give the agent of Halo's API application, and the application's scopes, the rights to read and edit customers and users, and those of an administrator where agents, roles or CABs are imported."
            ),
            Kind::Forbidden { code } => format!(
                "{service} says that a permission is missing ({code}). Grant the listed permissions with admin consent, then authorise again."
            ),
            Kind::Refused { status, code, message } => refused(*service, *status, code, message),
            Kind::Malformed { detail } => format!(
                "{service} gave an answer that could not be read ({detail}). If this stays, something between us and {service} changes its answers."
            ),
            Kind::BudgetSpent { wait } => format!(
                "The request budget for {service} is used up for {wait} seconds. It goes on by itself."
            ),
        };
        format!("Could not {operation}: {told}")
    }
}

fn refused(service: Service, status: u16, code: &str, message: &str) -> String {
    let code = if code.is_empty() { String::new() } else { format!(", {code}") };
    let message = if message.is_empty() { "no text" } else { message };
    format!("{service} refused it (HTTP {status}{code}): {message}")
}

/// How long a sick person waits after so many failed tries in a row: 5 minutes, doubling to a day (T5).
pub fn parked_for(attempts: u32) -> SignedDuration {
    let minutes = 5_i64.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    SignedDuration::from_mins(minutes.min(24 * 60))
}

/// Delay before the next try: what the service asks for, else doubling from 2 s to 5 minutes.
fn after(retry_after: Option<u32>, attempt: u32) -> SignedDuration {
    let doubled = 2_u32.saturating_pow(attempt.min(16)).min(300);
    // Microsoft has been seen to ask for 1 s again and again, so the own delay is a floor after a while.
    let wanted =
        retry_after.map_or(doubled, |asked| asked.max(if attempt > 3 { doubled } else { 1 }));
    seconds(wanted.min(900))
}

fn seconds(count: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(service: Service, kind: Kind) -> Failure {
        Failure { service, operation: "read changed users".into(), kind }
    }

    fn retry(seconds: i64) -> Next {
        Next::Retry(SignedDuration::from_secs(seconds))
    }

    #[test]
    fn each_kind_has_its_consequence() {
        use Service::{Graph, Halo, Login};
        let unavailable = || Kind::Unavailable { detail: "HTTP 502".into() };
        let refused = || Kind::Refused { status: 400, code: String::new(), message: String::new() };
        let credentials =
            || Kind::Credentials { code: Some(7_000_215), error: "invalid_client".into() };
        let cases = [
            (
                "C7 throttling never changes the state",
                Graph,
                Kind::Throttled { retry_after: Some(7) },
                1,
                retry(7),
            ),
            ("no header", Graph, Kind::Throttled { retry_after: None }, 3, retry(8)),
            (
                "a constant one second grows",
                Graph,
                Kind::Throttled { retry_after: Some(1) },
                5,
                retry(32),
            ),
            (
                "never longer than a queue can delay",
                Graph,
                Kind::Throttled { retry_after: Some(9999) },
                1,
                retry(900),
            ),
            ("it ends", Graph, Kind::Throttled { retry_after: None }, TRIES, Next::EndRun),
            ("C7 5xx never changes the state", Login, unavailable(), 1, retry(2)),
            ("5xx ends the run in the end", Login, unavailable(), TRIES, Next::EndRun),
            ("D3", Graph, Kind::LinkExpired, 1, Next::ReadAll),
            ("D7", Graph, Kind::EndlessPages, 1, Next::EndRun),
            ("D2", Graph, Kind::ForeignLink, 1, Next::EndRun),
            ("C7", Login, credentials(), 1, Next::Reauthorise),
            ("Halo's credentials are not the connection's", Halo, credentials(), 1, Next::EndRun),
            ("wrong query", Graph, refused(), 1, Next::EndRun),
            ("H2", Halo, Kind::BudgetSpent { wait: 12 }, 99, retry(12)),
            ("malformed once", Halo, Kind::Malformed { detail: String::new() }, 1, retry(2)),
            (
                "malformed for good",
                Halo,
                Kind::Malformed { detail: String::new() },
                4,
                Next::EndRun,
            ),
        ];
        for (name, service, kind, attempt, expected) in cases {
            assert_eq!(failure(service, kind).next(attempt), expected, "{name}");
        }
    }

    #[test]
    fn every_sentence_says_what_to_do() {
        let sentence = failure(
            Service::Login,
            Kind::Credentials { code: Some(7_000_222), error: "invalid_client".into() },
        )
        .sentence();
        assert_eq!(
            sentence,
            "Could not read changed users: Microsoft sign-in refused the credentials (AADSTS7000222, \
             invalid_client). The client secret has expired. Make a new one in the app registration and \
             enter it here."
        );
    }
}
