//! Logs: JSON lines on AWS, plain lines in a terminal; ids and sentences, never personal data.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
