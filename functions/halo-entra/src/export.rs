//! `export`: the inbound log into a file or to standard output, portion by portion (B4).

use std::fs::File;
use std::io::{self, Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::Ended;
use crate::args::{self, Format};
use crate::client::Client;

/// Follows the export to its end. What is written to a file is complete only when it ends well.
pub(crate) async fn run(args: &args::Export) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let format = match args.format {
        Format::Ndjson => "ndjson",
        Format::Csv => "csv",
    };
    let query: Vec<_> = args.filters.query().chain([("format", format.to_owned())]).collect();
    let to_screen = args.file.as_os_str() == "-";
    let mut out: Box<dyn Write> = if to_screen {
        Box::new(io::stdout())
    } else {
        let file = File::create(&args.file);
        Box::new(file.with_context(|| format!("cannot write {}", args.file.display()))?)
    };
    let bar = progress();
    let mut next = Some(client.address(&["inbound", "export"], &query)?);
    while let Some(url) = next {
        let (portion, following) = client.portion(url).await?;
        out.write_all(&portion)?;
        bar.inc(portion.len() as u64);
        next = following;
    }
    out.flush()?;
    bar.finish_and_clear();
    if !to_screen {
        writeln!(io::stderr(), "{} bytes in {}", bar.position(), args.file.display())?;
    }
    Ok(Ended::Done)
}

/// Shown on standard error, and only where somebody watches.
fn progress() -> ProgressBar {
    // The template is a constant that is right; another style would do as well.
    let style = ProgressStyle::with_template(" {spinner} {bytes}  {elapsed}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}
