//! What the timer sees of all connections on its way, for metrics.

use jiff::{SignedDuration, Timestamp};
use plan::cursor::Cursor;
use plan::expiry::{Nearness, nearness};
use plan::ids::ConnectionId;

use crate::store::connections::{Authorisation, Saved, State};
use crate::telemetry::metrics::{Metric, Property, emit};

/// The connection with the longest time so far.
#[derive(Debug)]
struct Longest {
    seconds: u64,
    connection: ConnectionId,
}

/// One tick's view.
#[derive(Debug, Default)]
pub(super) struct Watch {
    to_reauthorise: u64,
    expiring: u64,
    since_run: Option<Longest>,
    since_delta: Option<Longest>,
}

impl Watch {
    /// Adds a connection as it stands at `now`. Only those whose runs are wanted can be late.
    pub(super) fn add(
        &mut self,
        connection: &ConnectionId,
        saved: &Saved,
        state: &State,
        now: Timestamp,
    ) {
        let ends = saved.credentials.as_ref().and_then(|facts| facts.expires_at);
        let near = ends.and_then(|ends| nearness(ends, now));
        self.expiring += u64::from(near >= Some(Nearness::ThirtyDays));
        let authorised = match &state.authorisation {
            Authorisation::Unauthorised => return,
            Authorisation::Reauthorise { .. } => {
                self.to_reauthorise += 1;
                return;
            }
            Authorisation::Authorised { since } => *since,
        };
        if !saved.document.enabled {
            return;
        }
        let last = state.completed.unwrap_or(authorised);
        keep(&mut self.since_run, connection, now.duration_since(last));
        let groups = state.reading.groups.iter().map(|stream| &stream.cursor);
        let oldest = state.reading.users.iter().chain(groups).filter_map(delta_since).min();
        if let Some(oldest) = oldest {
            keep(&mut self.since_delta, connection, now.duration_since(oldest));
        }
    }

    /// Writes the tick's metrics; `budget` = what Halo may get at once, where that is limited.
    pub(super) fn tell(self, now: Timestamp, due: u64, budget: Option<u32>) {
        let mut values = vec![
            (Metric::ConnectionsDue, due),
            (Metric::ConnectionsToReauthorise, self.to_reauthorise),
            (Metric::CredentialsExpiring, self.expiring),
        ];
        let mut properties: Vec<Property> = Vec::new();
        values.extend(budget.map(|left| (Metric::HaloBudgetLeft, u64::from(left))));
        for (metric, whose, longest) in [
            (Metric::SecondsSinceCompleteRun, "longest_without_run", self.since_run),
            (Metric::SecondsSinceDeltaLink, "oldest_delta_link", self.since_delta),
        ] {
            let Some(longest) = longest else { continue };
            values.push((metric, longest.seconds));
            properties.push((whose, longest.connection.to_string()));
        }
        emit(now, &values, &properties);
    }
}

fn keep(longest: &mut Option<Longest>, connection: &ConnectionId, time: SignedDuration) {
    let seconds = u64::try_from(time.as_secs()).unwrap_or(0);
    if longest.as_ref().is_none_or(|longest| longest.seconds < seconds) {
        *longest = Some(Longest { seconds, connection: connection.clone() });
    }
}

/// Since when a stream has a link that Graph may forget.
fn delta_since(cursor: &Cursor) -> Option<Timestamp> {
    match cursor {
        Cursor::Resting { delta: Some(_), since } => Some(*since),
        Cursor::Resting { delta: None, .. } | Cursor::Start | Cursor::Reading(_) => None,
    }
}
