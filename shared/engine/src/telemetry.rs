//! Logs: JSON lines on AWS, plain lines in a terminal; ids and sentences, never personal data.

use std::io::IsTerminal;

use plan::ids::ConnectionId;
use tracing_subscriber::EnvFilter;

/// What an operator wants to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A connection's credentials stopped working; it stands still until it is authorised again (C7).
    Reauthorise,
    /// A connection's credentials come to their end, or came (C9).
    CredentialsExpire,
}

impl Alarm {
    /// The name of its metric.
    pub fn metric(self) -> &'static str {
        match self {
            Alarm::Reauthorise => "reauthorise",
            Alarm::CredentialsExpire => "credentials_expire",
        }
    }
}

/// Counts an alarm once: a line with the metric's name and a number for a metric filter to add up, the
/// connection's id, and a sentence; no personal data.
pub fn alarm(alarm: Alarm, connection: &ConnectionId, sentence: &str) {
    let metric = alarm.metric();
    tracing::warn!(metric, count = 1, %connection, "{sentence}");
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people, on standard error.
    Terminal,
}

/// Starts logging; a second call changes nothing.
pub fn start(format: Format, default_filter: &str) {
    let filter = EnvFilter::try_new(crate::config::log_filter(default_filter))
        .unwrap_or_else(|_| EnvFilter::new(default_filter));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A second start is a test's; the first stays.
    let _ = match format {
        // CloudWatch keeps the time of each line; the innermost span has the connection and the step.
        Format::Json => {
            lines.json().flatten_event(true).with_span_list(false).without_time().try_init()
        }
        Format::Terminal => {
            let colours = std::io::stderr().is_terminal() && !crate::config::no_colour();
            lines.with_writer(std::io::stderr).with_ansi(colours).compact().try_init()
        }
    };
}
