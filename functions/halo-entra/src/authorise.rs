//! `permissions` and `authorise`: what a connection needs, and whether it has it.

use std::time::Duration;

use anyhow::Context;
use engine::clock::{Clock, SystemClock};
use indicatif::ProgressBar;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, Problem};
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Between two looks at whether somebody signed in.
const LOOK: Duration = Duration::from_secs(1);

/// A permission, as it is needed or as it was tried.
#[derive(Debug, Deserialize)]
struct Permission {
    name: String,
    needed_for: String,
    mandatory: bool,
    needed: Option<bool>,
    outcome: Option<String>,
}

/// Lists what a connection needs.
pub(crate) async fn permissions(screen: Screen, args: &args::Of) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = ["connections", args.connection.as_str(), "permissions"];
    let answer = client.get(&path, &[]).await?;
    if args.api.json {
        say_json(&answer)?;
        return Ok(Ended::Done);
    }
    table(screen, &answer["permissions"])?;
    let method = answer["method"].as_str().unwrap_or_default();
    say(format!("Grant them as {method} permissions of Microsoft Graph."))?;
    if let Some(redirect) = answer["redirect_uri"].as_str() {
        say(format!("Redirect URI (platform \"Web\"): {redirect}"))?;
    } else if method == "delegated" {
        screen.paragraph(
            Tone::Warn,
            "The deployment does not know its own address: set HALO_ENTRA_PUBLIC_URL.",
        )?;
    }
    if let Some(consent) = answer["admin_consent_url"].as_str() {
        say(format!("Admin consent: {consent}"))?;
    }
    Ok(Ended::Done)
}

/// Authorises a connection.
pub(crate) async fn run(screen: Screen, args: &args::Authorise) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = ["connections", args.connection.as_str(), "authorise"];
    let answer = match client.write(Method::POST, &path, &json!({}), None).await {
        Ok(answer) => answer.body,
        Err(error) => {
            // What is missing is seen at a glance in a table; the sentence follows.
            let problem = error.downcast_ref::<Problem>();
            let tried = problem.map(|problem| &problem.json["permissions"]);
            if let Some(tried) = tried.filter(|tried| tried.is_array() && !args.api.json) {
                table(screen, tried)?;
            }
            return Err(error);
        }
    };
    if answer["authorised"] != false {
        return done(screen, args, &answer);
    }
    if args.no_wait || args.api.json {
        say_json(&answer)?;
        if args.no_wait {
            return Ok(Ended::Done);
        }
    } else {
        let url = answer["sign_in_url"].as_str().context("the API named no address")?;
        say("Open this address in a browser and sign in with an account of the tenant:")?;
        say(format!("\n{url}\n"))?;
    }
    wait(screen, args, &client).await
}

fn done(screen: Screen, args: &args::Authorise, answer: &Value) -> anyhow::Result<Ended> {
    if args.api.json {
        say_json(answer)?;
        return Ok(Ended::Done);
    }
    table(screen, &answer["permissions"])?;
    say(screen.tinted(Tone::Good, "The connection is authorised."))?;
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        let text = |key: &str| warning[key].as_str().unwrap_or_default();
        screen.paragraph(Tone::Warn, &format!("{}: {}", text("path"), text("message")))?;
    }
    Ok(Ended::Done)
}

/// Waits until the browser has come back, and says what came of it.
async fn wait(screen: Screen, args: &args::Authorise, client: &Client) -> anyhow::Result<Ended> {
    let bar = ProgressBar::new_spinner().with_message("waiting for the sign-in");
    bar.enable_steady_tick(Duration::from_millis(120));
    let path = ["connections", args.connection.as_str()];
    let status = loop {
        let shown = client.get(&path, &[]).await?;
        let status = shown["status"].clone();
        let sign_in = &status["sign_in"];
        let over = !matches!(sign_in["outcome"].as_str(), Some("waiting" | "tried"));
        let end: Option<jiff::Timestamp> =
            sign_in["expires_at"].as_str().and_then(|end| end.parse().ok());
        if over || end.is_none_or(|end| end < SystemClock.now()) {
            break status;
        }
        SystemClock.sleep(LOOK).await;
    };
    bar.finish_and_clear();
    if args.api.json {
        say_json(&status)?;
    }
    let sign_in = &status["sign_in"];
    match sign_in["outcome"].as_str() {
        Some("authorised") => {
            if !args.api.json {
                say(screen.tinted(Tone::Good, "The connection is authorised."))?;
            }
            Ok(Ended::Done)
        }
        _ if args.api.json => Ok(Ended::Refused),
        Some("failed") => {
            let code = sign_in["code"].as_u64().map(|code| format!(" (AADSTS{code})"));
            let detail = sign_in["detail"].as_str().unwrap_or_default();
            screen.paragraph(Tone::Bad, &format!("{detail}{}", code.unwrap_or_default()))?;
            Ok(Ended::Refused)
        }
        _ => {
            screen.paragraph(Tone::Bad, "Nobody signed in within ten minutes. Authorise again.")?;
            Ok(Ended::Refused)
        }
    }
}

fn table(screen: Screen, permissions: &Value) -> anyhow::Result<()> {
    let permissions: Vec<Permission> = serde_json::from_value(permissions.clone())?;
    let row = |it: &Permission| {
        let (word, tone) = match (it.outcome.as_deref(), it.needed) {
            (Some("granted"), _) => ("granted", Tone::Good),
            (Some("missing"), _) => ("missing", Tone::Bad),
            (Some("not_needed"), _) | (None, Some(false)) => ("not needed", Tone::Faint),
            (Some("unlicensed"), _) => ("granted, but the tenant has no licence", Tone::Warn),
            (Some(_), _) => ("unknown", Tone::Warn),
            (None, _) if it.mandatory => ("mandatory", Tone::Plain),
            (None, _) => ("needed", Tone::Plain),
        };
        vec![Tone::Plain.cell(&it.name), Tone::Plain.cell(&it.needed_for), tone.cell(word)]
    };
    let columns =
        [("Permission", Column::Whole), ("Needed for", Column::Text), ("", Column::Narrow(20))];
    screen.table(&columns, permissions.iter().map(row).collect())?;
    Ok(())
}
