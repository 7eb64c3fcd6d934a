//! `completions`: prints what a shell needs to complete this program's command line.

use std::io::Write;

use clap::CommandFactory;

use crate::Ended;
use crate::args::{Cli, Completions};

/// Prints the script of one shell.
pub(crate) fn run(args: &Completions) -> anyhow::Result<Ended> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "halo-entra", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Ended::Done)
}
