//! What the process tells its operators: log lines, metrics and traces; ids and sentences, never
//! personal data.

pub mod metrics;
pub mod trace;

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

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

/// Starts logging; a second call changes nothing, as it is a test's. `default_filter` counts where the
/// operator says nothing that can be understood.
pub fn start(format: Format, default_filter: &str) {
    let filter: Targets = config::log_filter(default_filter)
        .parse()
        .or_else(|_| default_filter.parse())
        .unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        // The innermost span has the connection, the step and the trace.
        Format::Json => {
            let _ = DEPLOYMENT.set(config::deployment());
            trace::start(config::xray_daemon());
            layer().with_target(false).json().flatten_event(true).with_span_list(false).boxed()
        }
        Format::Terminal => {
            let colours = std::io::stderr().is_terminal() && !config::no_colour();
            let lines = layer().with_target(false).with_writer(std::io::stderr);
            lines.with_ansi(colours).compact().boxed()
        }
    };
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
