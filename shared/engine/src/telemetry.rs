//! What the process tells its operators: log lines, metrics and traces; ids and sentences, never
//! personal data.

pub mod metrics;
pub mod trace;

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::config;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, metrics among them, and traces to the daemon: on AWS.
    Json,
    /// For people, on standard error.
    Terminal,
}

/// The name under which this process files its metrics; not set = it has none.
static DEPLOYMENT: OnceLock<String> = OnceLock::new();

fn deployment() -> Option<&'static str> {
    DEPLOYMENT.get().map(String::as_str)
}

/// Starts logging; a second call changes nothing.
pub fn start(format: Format, default_filter: &str) {
    let filter = EnvFilter::try_new(config::log_filter(default_filter))
        .unwrap_or_else(|_| EnvFilter::new(default_filter));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A second start is a test's; the first stays.
    let _ = match format {
        // The innermost span has the connection, the step and the trace.
        Format::Json => {
            let _ = DEPLOYMENT.set(config::deployment());
            trace::start(config::xray_daemon());
            lines.json().flatten_event(true).with_span_list(false).try_init()
        }
        Format::Terminal => {
            let colours = std::io::stderr().is_terminal() && !config::no_colour();
            lines.with_writer(std::io::stderr).with_ansi(colours).compact().try_init()
        }
    };
}
