//! `check`: what is wrong with documents, in themselves and as the API sees them.

use anyhow::Context;
use plan::document::{CustomClouds, Mistake, Parsed, parse};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::documents::{self, Found};
use crate::screen::{Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Checks documents and shows every mistake.
pub(crate) async fn run(screen: Screen, args: &args::Check) -> anyhow::Result<Ended> {
    let clouds =
        if args.only_microsoft_clouds { CustomClouds::Refused } else { CustomClouds::Allowed };
    let found = documents::read(&args.files)?;
    let mut checked: Vec<Checked<'_>> =
        found.iter().map(|found| Checked::of(found, clouds)).collect();
    if args.online {
        let client = Client::of(&args.api)?;
        for one in &mut checked {
            one.ask(&client).await?;
        }
    }
    if args.api.json {
        let all: Vec<Value> = checked.iter().map(Checked::json).collect();
        say_json(&all)?;
    } else {
        for one in &checked {
            one.show(screen)?;
        }
    }
    let good = checked.iter().all(|one| one.result.is_ok());
    Ok(if good { Ended::Done } else { Ended::Refused })
}

/// What the API found.
#[derive(Deserialize)]
struct Told {
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
}

/// A document with what was found out about it.
pub(crate) struct Checked<'a> {
    found: &'a Found,
    /// The document, or its mistakes.
    pub(crate) result: Result<Parsed, Vec<Mistake>>,
}

impl<'a> Checked<'a> {
    /// Checks a document.
    pub(crate) fn of(found: &'a Found, clouds: CustomClouds) -> Self {
        Self { found, result: parse(&found.json, clouds) }
    }

    /// Asks the API about a document that has no mistake in itself.
    async fn ask(&mut self, client: &Client) -> anyhow::Result<()> {
        let Ok(parsed) = &mut self.result else { return Ok(()) };
        let id = parsed.document.id.as_str();
        let path = ["connections", id, "check"];
        let answer = client.write(Method::POST, &path, &self.found.json, None).await;
        let answer = answer.with_context(|| format!("{} was not checked", self.found.place))?;
        let Told { mistakes, warnings } = serde_json::from_value(answer.body)?;
        if mistakes.is_empty() {
            parsed.warnings = warnings;
        } else {
            self.result = Err(mistakes);
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let (mistakes, warnings) = match &self.result {
            Ok(parsed) => (&[][..], &parsed.warnings[..]),
            Err(mistakes) => (&mistakes[..], &[][..]),
        };
        json!({ "file": self.found.place, "id": self.found.json["id"], "ok": self.result.is_ok(),
            "mistakes": mistakes, "warnings": warnings })
    }

    /// Prints what was found out.
    pub(crate) fn show(&self, screen: Screen) -> anyhow::Result<()> {
        let place = &self.found.place;
        let (verdict, tone, list) = match &self.result {
            Ok(parsed) if parsed.warnings.is_empty() => ("good", Tone::Good, &[][..]),
            Ok(parsed) => ("good, but worth a look", Tone::Warn, &parsed.warnings[..]),
            Err(mistakes) => ("refused", Tone::Bad, &mistakes[..]),
        };
        say(format!("{place}: {}", screen.tinted(tone, verdict)))?;
        if !list.is_empty() {
            say(crate::mistakes(screen, list))?;
        }
        Ok(())
    }
}
