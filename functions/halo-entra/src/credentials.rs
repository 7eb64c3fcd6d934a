//! `credentials`: enters a client secret or a certificate, which never stand on the command line.

use std::path::Path;

use anyhow::Context;
use console::Term;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::screen::{Screen, Tone, say, say_json};
use crate::{Ended, args, documents};

/// Reads what is to be entered: from files, or by asking.
pub(crate) fn entered(args: &args::Credentials) -> anyhow::Result<Value> {
    if let (Some(certificate), Some(key)) = (&args.certificate, &args.key) {
        return Ok(json!({ "certificate_pem": read(certificate)?, "private_key_pem": read(key)? }));
    }
    let secret = match &args.secret_file {
        Some(file) => read(file)?,
        None => ask()?,
    };
    let mut body = json!({ "client_secret": secret.trim() });
    if let Some(expires) = &args.expires {
        body["expires_at"] = json!(expires);
    }
    Ok(body)
}

fn read(file: &Path) -> anyhow::Result<String> {
    documents::text(file).with_context(|| format!("cannot read {}", file.display()))
}

fn ask() -> anyhow::Result<String> {
    let terminal = Term::stderr();
    anyhow::ensure!(
        terminal.is_term(),
        "nobody can be asked for the client secret here: name its file with --secret-file, or - for standard input"
    );
    terminal.write_str("Client secret (it is not shown): ")?;
    Ok(terminal.read_secure_line()?)
}

/// Enters it.
pub(crate) async fn send(
    screen: Screen,
    args: &args::Credentials,
    body: &Value,
) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let id = args.connection.as_str();
    let path = ["connections", id, "credentials"];
    let status = client.write(Method::PUT, &path, body, None).await?.body;
    if args.api.json {
        say_json(&status)?;
        return Ok(Ended::Done);
    }
    say("The credentials work and are stored.")?;
    let credentials = &status["credentials"];
    if let Some(end) = credentials["expires_at"].as_str() {
        say(format!("They expire at {end}."))?;
    }
    if let Some(warning) = credentials["warning"]["sentence"].as_str() {
        screen.paragraph(Tone::Warn, warning)?;
    }
    if status["authorisation"]["state"] != "authorised" {
        say(format!("Next: halo-entra authorise {id}"))?;
    }
    Ok(Ended::Done)
}
