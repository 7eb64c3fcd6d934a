//! The program: reads the command line, does what it says, and ends with a status that scripts can use.

mod apply;
mod args;
mod assignments;
mod audit;
mod authorise;
mod check;
mod choose;
mod client;
mod completions;
mod connections;
mod credentials;
mod demo;
mod difference;
mod documents;
mod effect;
mod explain;
mod export;
mod follow;
mod import;
mod inbound;
mod licences;
mod link;
mod module;
mod people;
mod preview;
mod process;
mod reset;
mod runs;
mod schema;
mod screen;
mod serve;
mod status;
mod waiting;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use plan::document::Mistake;

use crate::args::{Cli, Command};
use crate::client::{Problem, Unreachable};
use crate::screen::{Column, Screen, Tone};

/// Half of what a worker allocates is freed by another thread, at which the system's allocator is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended that did not fail by itself. The numbers stand in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it should.
    Done,
    /// It worked, but what it reports is a failure.
    Failed,
    /// A document or a request was refused, and that was shown.
    Refused,
    /// Ctrl-C.
    Interrupted,
}

const UNREACHABLE: u8 = 4;

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        ExitCode::from(match ended {
            Ended::Done => 0,
            Ended::Failed => 1,
            Ended::Refused => 3,
            Ended::Interrupted => 130,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::new();
    match run(screen, cli.command).await {
        Ok(ended) => ended.into(),
        Err(error) if screen::is_broken_pipe(&error) => Ended::Done.into(),
        Err(error) => complain(screen, &error),
    }
}

async fn run(screen: Screen, command: Command) -> anyhow::Result<Ended> {
    match command {
        Command::Demo(args) => demo::run(screen, &args).await,
        Command::Serve(args) => serve::run(screen, &args).await.map(|()| Ended::Done),
        Command::Check(args) => interruptible(check::run(screen, &args)).await,
        Command::Completions(args) => completions::run(&args),
        Command::Schema => schema::run(),
        Command::Apply(args) => interruptible(apply::run(screen, &args)).await,
        Command::Permissions(args) => interruptible(authorise::permissions(screen, &args)).await,
        // Asked for before Ctrl-C is taken over, so that it ends a prompt as usual.
        Command::Credentials(args) => {
            let body = credentials::entered(&args)?;
            interruptible(credentials::send(screen, &args, &body)).await
        }
        Command::Authorise(args) => interruptible(authorise::run(screen, &args)).await,
        Command::Import(args) => interruptible(import::run(screen, &args)).await,
        Command::Runs(args) => interruptible(runs::run(screen, &args)).await,
        Command::Inbound(args) => interruptible(inbound::run(screen, &args)).await,
        Command::Export(args) => interruptible(export::run(&args)).await,
        Command::Explain(args) => interruptible(explain::run(screen, &args)).await,
        Command::Licences(args) => interruptible(licences::run(screen, &args)).await,
        Command::Audit(args) => interruptible(audit::run(screen, &args)).await,
        Command::ResetDeltas(args) => interruptible(reset::run(screen, &args)).await,
        Command::Module(args) => interruptible(module::run(&args)).await,
        Command::Assignments(args) => interruptible(assignments::run(screen, &args)).await,
        Command::LicenceKey(args) => {
            let body = assignments::entered(&args)?;
            interruptible(assignments::key(&args, body.as_ref())).await
        }
        Command::List(args) => interruptible(choose::list(screen, &args)).await,
        Command::Groups(args) => interruptible(choose::groups(screen, &args)).await,
        Command::Connections(args) => interruptible(connections::list(screen, &args)).await,
        Command::Status(args) => interruptible(status::run(screen, &args)).await,
        Command::Effect(args) => interruptible(effect::run(screen, &args)).await,
        Command::Preview(args) => interruptible(preview::run(screen, &args)).await,
        Command::Conflicts(args) => interruptible(waiting::conflicts(screen, &args)).await,
        Command::Link(args) => interruptible(link::set(screen, &args)).await,
        Command::Unlink(args) => interruptible(link::cut(screen, &args)).await,
        Command::Held(args) => interruptible(waiting::held(screen, &args)).await,
        Command::Release(args) => interruptible(waiting::release(screen, &args)).await,
        Command::Reject(args) => interruptible(waiting::reject(screen, &args)).await,
    }
}

/// A command that Ctrl-C ends at once: whatever it started goes on behind the API.
async fn interruptible(work: impl Future<Output = anyhow::Result<Ended>>) -> anyhow::Result<Ended> {
    tokio::select! {
        ended = work => ended,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            Ok(Ended::Interrupted)
        }
    }
}

/// Says what went wrong and what to do, on standard error.
fn complain(screen: Screen, error: &anyhow::Error) -> ExitCode {
    let mut text = vec![format!("halo-entra: {error:#}")];
    let mut status = ExitCode::from(Ended::Failed);
    if let Some(problem) = error.downcast_ref::<Problem>() {
        text.extend(problem.advice.clone());
        if !problem.mistakes.is_empty() {
            text.push(mistakes(screen, &problem.mistakes));
        }
        if problem.status.is_client_error() {
            status = Ended::Refused.into();
        }
    } else if error.downcast_ref::<Unreachable>().is_some() {
        status = ExitCode::from(UNREACHABLE);
    }
    // Where even this cannot be written there is nobody left to tell.
    let _ = writeln!(std::io::stderr().lock(), "{}", text.join("\n"));
    status
}

/// Mistakes of a document by place, as a table.
pub(crate) fn mistakes(screen: Screen, mistakes: &[Mistake]) -> String {
    let row = |mistake: &Mistake| {
        vec![Tone::Warn.cell(&mistake.path), Tone::Plain.cell(&mistake.message)]
    };
    let columns = [("Where", Column::Narrow(34)), ("What", Column::Text)];
    screen.drawn(&columns, mistakes.iter().map(row).collect())
}
