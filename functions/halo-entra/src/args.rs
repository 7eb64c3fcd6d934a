//! The command line: commands, options, and what `--help` says about them.

#![allow(clippy::doc_markdown, reason = "the comments are what `--help` prints")]

mod operate;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

pub(crate) use operate::{
    Assignments, Audit, Connections, Export, Filters, Format, Groups, LicenceKey, List, Mode,
    Module, OnOff, ResetDeltas, Status,
};

/// Where `serve` is by default.
pub(crate) const USUAL_URL: &str = "http://127.0.0.1:8787";

const AFTER: &str = "\
Exit status:
  0  done
  1  failed: a run failed, a file could not be read, the demo found something off
  2  the command line is wrong
  3  refused: a document with mistakes, or a request that the API turned down
  4  nobody answers at the API's address
  130  stopped by Ctrl-C

Try it out without any account: halo-entra demo";

const SETTINGS: &str = "\
Settings, from the environment:
  HALO_API_URL, HALO_AUTH_URL    as in https://acme.halopsa.com/api and .../auth
  HALO_TENANT                    hosted instances need it
  HALO_CLIENT_ID                 of Halo's API application
  HALO_CLIENT_SECRET             or in DIR/secrets/halo.client-secret, mode 0600
  HALO_REQUESTS_PER_5_MINUTES    250; unlimited for a Halo of one's own
  HALO_ENTRA_CUSTOM_CLOUDS       allowed; or refused
  HALO_ENTRA_LOG                 info; warn, debug
  HALO_ENTRA_LOG_DAYS            90: how long the inbound log is kept
  HALO_ENTRA_MODULE              on; or off
  HALO_ENTRA_PUBLIC_URL          this API for browsers, where sign-ins come back to";

/// People of Microsoft Entra ID tenants in Halo: the whole system in one process, and commands for it.
#[derive(Debug, Parser)]
#[command(name = "halo-entra", version, after_help = AFTER, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import a sample tenant into a sample Halo, and show what happened
    ///
    /// Starts simulators of Microsoft Graph and Halo on this machine and sends 250 made-up people
    /// through the real pipeline, three times: everybody, three changes, nothing. Then it goes on
    /// serving, to be played with, until Ctrl-C.
    Demo(Demo),
    /// Run the whole system in one process, with its data in a directory
    ///
    /// Opens DIR, where everything is kept: state, secrets, and the administrator's token, which is
    /// made at the first start. Ends on Ctrl-C or SIGTERM, and goes on where it was at the next start.
    #[command(after_help = SETTINGS)]
    Serve(Serve),
    /// Create or update connections from files
    ///
    /// A file holds one connection document, an array of them, or {"connections": [...]}. All files
    /// are read and checked before the first is sent. For a connection that is there already, what
    /// would change is shown, and replaced after a yes; without a terminal only with --yes.
    Apply(Apply),
    /// Check connection documents without saving them
    ///
    /// Finds everything that is wrong with a document in itself. With --online it also asks the API
    /// whether the sites, roles and fields that it names exist in Halo, and its groups and properties
    /// in Entra, as `apply` would.
    Check(Check),
    /// Print the JSON Schema of connection documents, for editors
    ///
    /// Keep it beside the documents and name it in them: {"$schema": "./connection.schema.json", ...}.
    Schema,
    /// List the Graph permissions that a connection needs, and where they are granted
    Permissions(Of),
    /// Enter the client secret or the certificate of a connection
    ///
    /// It is tested first, and the old one stays until the new one works. A secret is asked for
    /// without showing it, or read from a file; never from the command line, which others see.
    Credentials(Credentials),
    /// Try a connection's credentials and permissions
    ///
    /// With delegated permissions it prints the address at which a person has to sign in, and waits
    /// until that was done.
    Authorise(Authorise),
    /// Start an import of a connection
    Import(Import),
    /// List runs, newest first, or show one
    Runs(Runs),
    /// Show what became of people, newest first
    Inbound(Inbound),
    /// Write the inbound log to a file, as NDJSON or CSV
    Export(Export),
    /// Explain what would happen to a person now, rule by rule, or what was decided before a time
    Explain(Explain),
    /// Tell what saving documents would change, before they are saved
    ///
    /// Everybody is decided by the saved rules and by the file's, from what is stored. Nothing is
    /// saved, and neither Entra nor Halo is asked.
    Effect(Effect),
    /// Show what an import would do to everybody, before it does
    ///
    /// Nothing changes in Halo. People are grouped by the mapping that places them; `import --plan` carries
    /// out exactly what is shown.
    Preview(Preview),
    /// List people for whom several Halo records fit, or whose record others claim too
    Conflicts(Waiting),
    /// Say who a person is in Halo
    ///
    /// Settles a conflict for good, or replaces a link that is wrong. A run is started that carries
    /// it to Halo.
    Link(Link),
    /// Cut the link between a person and Halo records, and keep it cut
    ///
    /// Nothing happens in Halo. The person stays unlinked until `link` says otherwise.
    Unlink(Unlink),
    /// List deactivations that wait for an administrator
    Held(Waiting),
    /// Let held deactivations pass
    Release(Rule),
    /// Leave people active whose deactivation is held
    Reject(Rule),
    /// List the licences of a connection with their seats, or the people who hold one
    Licences(Licences),
    /// Show who changed what, newest first: of a connection, or of the deployment
    Audit(Audit),
    /// Forget where reading Entra stands, or move it to now
    ///
    /// clear makes the next run that reads read everybody. latest skips what waits, which the next full
    /// read makes good.
    ResetDeltas(ResetDeltas),
    /// Show whether the integration is switched on, or switch it
    ///
    /// Off, no timer, import or write happens. On again, everything goes on where it was.
    Module(Module),
    /// List what Halo asked for about licences, newest first
    Assignments(Assignments),
    /// Set the key with which Halo signs what it asks for about licences, or tell whether one is set
    ///
    /// The key is read from a file; never from the command line, which others see. The one before goes
    /// on counting until the same key is set once more with --drop-previous.
    LicenceKey(LicenceKey),
    /// List what Halo has, to choose from: the ids that documents name
    List(List),
    /// List groups of a connection's tenant whose name starts with a text
    Groups(Groups),
    /// List connections and how they stand
    Connections(Connections),
    /// Tell whether the deployment works
    Status(Status),
    /// Print what a shell needs to complete this program's command line
    ///
    /// For bash, for one: source <(halo-entra completions bash)
    Completions(Completions),
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the report instead of serving on
    #[arg(long)]
    pub(crate) once: bool,
    /// Where to serve the API [default: 127.0.0.1:8787 if it is free; with --once any free port]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Add plain people to the sample tenant until it has so many
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(250..=100_000))]
    pub(crate) people: u32,
    /// Print one JSON document instead of the report
    #[arg(long)]
    pub(crate) json: bool,
}

/// `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Directory for the data; made if there is none
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where to serve the API
    #[arg(long, default_value = "127.0.0.1:8787", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
}

/// Where the API is, and how the answer is shown. The token is never an option: others see command
/// lines.
#[derive(Debug, Args)]
pub(crate) struct Api {
    /// Address of the API
    #[arg(long, default_value = USUAL_URL)]
    pub(crate) url: Url,
    /// File that holds the token [without it and --data: the environment's HALO_ENTRA_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) token_file: Option<PathBuf>,
    /// Data directory of `serve` on this machine: its admin-token is used
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print JSON, as the API answers it
    #[arg(long)]
    pub(crate) json: bool,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Files with connection documents; - reads standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Replace existing connections without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files with connection documents; - reads standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Refuse login and Graph addresses of its own, as a deployment on AWS does
    #[arg(long)]
    pub(crate) only_microsoft_clouds: bool,
    /// Ask the API as well: what Halo and Entra have to say of the documents
    #[arg(long)]
    pub(crate) online: bool,
    /// The API, for --online.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

/// `permissions`.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// Id of the connection
    pub(crate) connection: String,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `credentials`.
#[derive(Debug, Args)]
pub(crate) struct Credentials {
    /// Id of the connection
    pub(crate) connection: String,
    /// File with the client secret; - reads standard input [default: it is asked for]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "key"])]
    pub(crate) secret_file: Option<PathBuf>,
    /// When the client secret ends: a day or a time, as in 2027-06-30
    #[arg(long, value_name = "TIME", conflicts_with_all = ["certificate", "key"])]
    pub(crate) expires: Option<String>,
    /// File with the certificate as PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// File with its private key as PEM, without a password; it may be the same file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `authorise`.
#[derive(Debug, Args)]
pub(crate) struct Authorise {
    /// Id of the connection
    pub(crate) connection: String,
    /// Do not wait for a person's sign-in
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Id of the connection
    pub(crate) connection: String,
    /// Only these, with commas between them; default: what the schedule imports
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "plan")]
    pub(crate) entities: Vec<Entity>,
    /// Carry out this preview, and leave alone whoever moved since
    #[arg(long, value_name = "PREVIEW")]
    pub(crate) plan: Option<String>,
    /// Only this person, by object id or user principal name; may be given several times
    #[arg(long = "person", value_name = "WHO")]
    pub(crate) people: Vec<String>,
    /// What to read from Graph first; default: what the connection is set to
    #[arg(long)]
    pub(crate) read: Option<Read>,
    /// Wait for the end, and show how far it is
    #[arg(long)]
    pub(crate) wait: bool,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `preview`.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// Id of the connection
    pub(crate) connection: String,
    /// File with a connection document that is not saved, whose rules are shown; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) draft: Option<PathBuf>,
    /// Only these, with commas between them; default: what the schedule imports
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) entities: Vec<Entity>,
    /// What to read from Graph first [default: nothing, unless nobody was ever read]
    #[arg(long)]
    pub(crate) read: Option<Read>,
    /// List only people whom this mapping places
    #[arg(long)]
    pub(crate) mapping: Option<String>,
    /// List only people with this decision, as in create or conflict; default: all to whom something happens
    #[arg(long)]
    pub(crate) decision: Option<String>,
    /// List so many people at the most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=200))]
    pub(crate) limit: u16,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// What an import covers.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Entity {
    /// Halo users
    Users,
    /// Halo agents
    Agents,
    /// Software licences
    Licences,
}

impl Entity {
    /// The API's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Entity::Users => "users",
            Entity::Agents => "agents",
            Entity::Licences => "licences",
        }
    }
}

/// What an import reads first.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Read {
    /// What changed since the last time
    Delta,
    /// Everybody
    Full,
    /// Nothing: decide again from what is stored
    None,
}

impl Read {
    /// The API's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Read::Delta => "delta",
            Read::Full => "full",
            Read::None => "none",
        }
    }
}

/// `runs`.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Id of a connection, or of a run; without it the runs of all connections
    pub(crate) id: Option<String>,
    /// How many at the most, of each connection
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `inbound`.
#[derive(Debug, Args)]
pub(crate) struct Inbound {
    /// Which entries.
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// How many at the most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) limit: u16,
    /// Go on where an earlier answer ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Id of the connection
    pub(crate) connection: String,
    /// Object id or user principal name
    pub(crate) who: String,
    /// The last decision before this time instead, as in 2026-11-02T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `effect`.
#[derive(Debug, Args)]
pub(crate) struct Effect {
    /// Files with connection documents; - reads standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `conflicts`, `held`.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// Id of the connection
    pub(crate) connection: String,
    /// Go on where an earlier answer ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `licences`.
#[derive(Debug, Args)]
pub(crate) struct Licences {
    /// Id of the connection
    pub(crate) connection: String,
    /// List the people who hold this licence, by the id of its SKU
    pub(crate) sku: Option<String>,
    /// Go on where an earlier answer ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `link`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("pick").required(true).multiple(true).args(["user", "agent"]))]
pub(crate) struct Link {
    /// Id of the connection
    pub(crate) connection: String,
    /// Object id or user principal name
    pub(crate) who: String,
    /// Number of a Halo user; create = a new one; none = no user; auto = whoever fits
    #[arg(long, value_name = "PICK", value_parser = pick)]
    pub(crate) user: Option<Pick>,
    /// The same for the Halo agent
    #[arg(long, value_name = "PICK", value_parser = pick)]
    pub(crate) agent: Option<Pick>,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// What is picked, as the API writes it.
#[derive(Clone, Debug)]
pub(crate) struct Pick(pub(crate) serde_json::Value);

fn pick(text: &str) -> Result<Pick, String> {
    let word = match text {
        "create" => "create",
        "none" => "unlinked",
        "auto" => "automatic",
        number => {
            let id = number.parse::<i64>().ok().filter(|id| *id > 0);
            let id = id.ok_or("expected a number, create, none or auto")?;
            return Ok(Pick(id.into()));
        }
    };
    Ok(Pick(word.into()))
}

/// `unlink`.
#[derive(Debug, Args)]
pub(crate) struct Unlink {
    /// Id of the connection
    pub(crate) connection: String,
    /// Object id or user principal name
    pub(crate) who: String,
    /// Only the Halo user; without --user and --agent both records
    #[arg(long)]
    pub(crate) user: bool,
    /// Only the Halo agent
    #[arg(long)]
    pub(crate) agent: bool,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

/// `release`, `reject`.
#[derive(Debug, Args)]
pub(crate) struct Rule {
    /// Id of the connection
    pub(crate) connection: String,
    /// Only these people, by object id or user principal name; without any all that the run held
    pub(crate) people: Vec<String>,
    /// The run that held them, as `held` lists it
    #[arg(long)]
    pub(crate) run: String,
    /// The API.
    #[command(flatten)]
    pub(crate) api: Api,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
