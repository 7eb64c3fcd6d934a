//! Metrics in CloudWatch's embedded metric format: one JSON line of the log, of which CloudWatch makes
//! metrics by itself.
//!
//! The deployment is the only dimension. A metric costs money for each value of its dimensions, so the
//! connection and the run are members of the line, where a query of the log finds them.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What the metrics of all deployments are filed under.
pub const NAMESPACE: &str = "halo-entra";
/// The one dimension: the name of the deployment.
pub const DIMENSION: &str = "Deployment";

macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident: $unit:literal,)+) => {
        /// A metric; its name is the variant's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric {
            $($(#[$doc])* $metric,)+
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Metric] = &[$(Metric::$metric),+];

            /// As CloudWatch knows it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Metric::$metric => stringify!($metric),)+
                }
            }

            /// CloudWatch's word for what is counted.
            pub fn unit(self) -> &'static str {
                match self {
                    $(Metric::$metric => $unit,)+
                }
            }
        }
    };
}

metrics! {
    /// Connections that got a hint from a tick.
    ConnectionsDue: "Count",
    /// Connections that stand still until they are authorised again, at a tick (C7).
    ConnectionsToReauthorise: "Count",
    /// Connections whose credentials end within 30 days or have ended, at a tick (C9).
    CredentialsExpiring: "Count",
    /// Requests that Halo may get at once, at a tick (H2).
    HaloBudgetLeft: "Count",
    /// Time since the last run that came to its end, of the connection where it is the longest.
    SecondsSinceCompleteRun: "Seconds",
    /// Age of the oldest position in Entra; Graph forgets them after about a week (D3).
    SecondsSinceDeltaLink: "Seconds",
    /// Runs that did everything.
    RunsCompleted: "Count",
    /// Runs that left deactivations to an administrator (L4).
    RunsHeld: "Count",
    /// Runs that could not go on.
    RunsFailed: "Count",
    /// From the beginning of a run to its end.
    RunDuration: "Seconds",
    /// People of a run: made in Halo.
    PeopleCreated: "Count",
    /// People of a run: changed in Halo, or linked.
    PeopleUpdated: "Count",
    /// People of a run: as they should be.
    PeopleUnchanged: "Count",
    /// People of a run: made inactive.
    PeopleDeactivated: "Count",
    /// People of a run: made active again.
    PeopleReactivated: "Count",
    /// People of a run: waiting for a choice.
    PeopleConflict: "Count",
    /// People of a run: whose deactivation the guard holds (L4).
    PeopleHeld: "Count",
    /// People of a run: matched by no mapping.
    PeopleNotInScope: "Count",
    /// People of a run: refused by Halo.
    PeopleFailed: "Count",
    /// People of a run: not as the preview showed them.
    PeopleMoved: "Count",
    /// Requests of a run to Microsoft Graph and its sign-in.
    GraphRequests: "Count",
    /// Requests of a run to Halo.
    HaloRequests: "Count",
}

/// A member of a line that is no metric: an id to look for, never personal data.
pub type Property = (&'static str, String);

/// Writes a line of metrics to standard output, where this process has been told to (see
/// [`start`](super::start)). Whether it can be written is nobody's concern here.
pub fn emit(at: Timestamp, values: &[(Metric, u64)], properties: &[Property]) {
    let Some(deployment) = super::deployment() else { return };
    let line = line(deployment, at, values, properties);
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn line(
    deployment: &str,
    at: Timestamp,
    values: &[(Metric, u64)],
    properties: &[Property],
) -> Value {
    let declared: Vec<Value> = values
        .iter()
        .map(|(metric, _)| json!({ "Name": metric.name(), "Unit": metric.unit() }))
        .collect();
    let directive =
        json!({ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": declared });
    let mut line = Map::new();
    let head = json!({ "Timestamp": at.as_millisecond(), "CloudWatchMetrics": [directive] });
    line.insert("_aws".to_owned(), head);
    line.insert(DIMENSION.to_owned(), json!(deployment));
    for (metric, value) in values {
        line.insert(metric.name().to_owned(), json!(value));
    }
    for (name, value) in properties {
        line.insert((*name).to_owned(), json!(value));
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_each_metric_that_it_has() {
        let values = [(Metric::RunsCompleted, 1), (Metric::RunDuration, 42)];
        let properties = [("connection", "contoso".to_owned())];
        let at = Timestamp::from_millisecond(1_790_000_000_123).unwrap_or_default();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_790_000_000_123_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "halo-entra",
                    "Dimensions": [["Deployment"]],
                    "Metrics": [
                        { "Name": "RunsCompleted", "Unit": "Count" },
                        { "Name": "RunDuration", "Unit": "Seconds" },
                    ],
                }],
            },
            "Deployment": "prod",
            "RunsCompleted": 1,
            "RunDuration": 42,
            "connection": "contoso",
        });
        assert_eq!(line("prod", at, &values, &properties), expected);
    }

    #[test]
    fn a_line_stays_within_what_the_format_allows() {
        // A hundred metrics in a line, and no member that hides another.
        assert!(Metric::ALL.len() <= 100);
        let mut names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
