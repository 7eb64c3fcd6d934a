//! The command line of the commands with which a deployment is run and looked at.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Api;

/// Which entries of the inbound log.
#[derive(Debug, Args)]
pub(crate) struct Filters {
    /// Only this connection
    #[arg(long, short)]
    pub(crate) connection: Option<String>,
    /// Only this person: object id, user principal name, or the beginning of a name
    #[arg(long, short)]
    pub(crate) person: Option<String>,
    /// Only this decision: create, update, deactivate, reactivate, conflict, held, not_in_scope, failed,
    /// licence_assigned, licence_removed, licence_unchanged, licence_refused
    #[arg(long)]
    pub(crate) decision: Option<String>,
    /// Only this outcome: done, nothing, waiting, failed, moved, refused
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// Only people whom this mapping placed
    #[arg(long)]
    pub(crate) mapping: Option<String>,
    /// Only this run
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// Not before this time, as in 2026-11-02T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}

impl Filters {
    /// What the API is asked for.
    pub(crate) fn query(&self) -> impl Iterator<Item = (&'static str, String)> {
        let filters = [
            ("connection", &self.connection),
            ("person", &self.person),
            ("decision", &self.decision),
            ("outcome", &self.outcome),
            ("mapping", &self.mapping),
            ("run", &self.run),
            ("from", &self.from),
            ("to", &self.to),
        ];
        filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)))
    }
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// File to write; - is standard output
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    pub(crate) format: Format,
    /// Which entries.
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object in a line
    Ndjson,
    /// For spreadsheets
    Csv,
}

/// `audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Id of the connection, also of one that was removed; without it the deployment's own changes
    pub(crate) connection: Option<String>,
    /// Go on where an earlier answer ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `reset-deltas`.
#[derive(Debug, Args)]
pub(crate) struct ResetDeltas {
    /// Id of the connection
    pub(crate) connection: String,
    /// What becomes of the stored positions
    #[arg(long, value_enum)]
    pub(crate) mode: Mode,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// What becomes of the stored positions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Mode {
    /// Read everybody next time
    Clear,
    /// Start from now, and skip what waits
    Latest,
}

/// `module`.
#[derive(Debug, Args)]
pub(crate) struct Module {
    /// on or off; without it the switch is only shown
    #[arg(value_enum)]
    pub(crate) state: Option<OnOff>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// How the switch is to stand.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnOff {
    /// Everything happens
    On,
    /// Nothing happens
    Off,
}

/// `assignments`.
#[derive(Debug, Args)]
pub(crate) struct Assignments {
    /// Id of the connection
    pub(crate) connection: String,
    /// Go on where an earlier answer ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `licence-key`.
#[derive(Debug, Args)]
pub(crate) struct LicenceKey {
    /// File with the key, 32 characters or more; - reads standard input [default: it is only told
    /// whether one is set]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The key before this one does not count any more
    #[arg(long, requires = "key_file")]
    pub(crate) drop_previous: bool,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// What to list
    #[arg(value_enum)]
    pub(crate) what: Pickable,
    /// Only those whose name contains this
    pub(crate) search: Option<String>,
    /// Go on where an earlier answer ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// What Halo has.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Pickable {
    /// Sites
    Sites,
    /// Clients, or organisations
    Clients,
    /// Roles of agents
    AgentRoles,
    /// Roles of users
    UserRoles,
    /// Change advisory boards
    Cabs,
    /// Custom fields
    CustomFields,
    /// Software licences
    Licences,
}

/// `groups`.
#[derive(Debug, Args)]
pub(crate) struct Groups {
    /// Id of the connection
    pub(crate) connection: String,
    /// The beginning of the name
    pub(crate) text: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `connections`.
#[derive(Debug, Args)]
pub(crate) struct Connections {
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}
