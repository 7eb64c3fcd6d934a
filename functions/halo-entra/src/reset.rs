//! `reset-deltas`: forgets where reading Entra stands, or moves it to now (D4).

use anyhow::Context;
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{self, Mode};
use crate::client::Client;
use crate::screen::{Column, Screen, Tone, ask, say, say_json};
use crate::{Ended, people};

/// Resets the deltas of a connection after a yes.
pub(crate) async fn run(screen: Screen, args: &args::ResetDeltas) -> anyhow::Result<Ended> {
    let id = args.connection.as_str();
    let (mode, question) = match args.mode {
        Mode::Clear => ("clear", format!("Read everybody of {id} anew with the next run?")),
        Mode::Latest => ("latest", format!("Skip the changes that wait for {id}?")),
    };
    if !args.yes && !ask(&question)?.context("nobody can be asked; give --yes to reset")? {
        say("Nothing was reset.")?;
        return Ok(Ended::Done);
    }
    let client = Client::of(&args.api)?;
    let path = ["connections", id, "deltas", "reset"];
    let answer = client.write(Method::POST, &path, &json!({ "mode": mode }), None).await?.body;
    if args.api.json {
        say_json(&answer)?;
        return Ok(Ended::Done);
    }
    say(match args.mode {
        Mode::Clear => "The next run that reads reads everybody.",
        Mode::Latest => "Reading goes on from now; the next full read makes good what was skipped.",
    })?;
    let streams = answer["streams"].as_array().into_iter().flatten();
    let row = |stream: &Value| {
        let age = stream["age_seconds"].as_i64();
        let age = age.map_or_else(|| "in the middle of a round".to_owned(), in_words);
        vec![Tone::Plain.cell(people::text(&stream["stream"])), Tone::Plain.cell(age)]
    };
    let columns = [("Stream", Column::Whole), ("Age of the link", Column::Whole)];
    screen.table(&columns, streams.map(row).collect())?;
    Ok(Ended::Done)
}

fn in_words(seconds: i64) -> String {
    let minutes = seconds / 60;
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_two_units() {
        let cases = [(59, "0 min"), (3_599, "59 min"), (3_660, "1 h 1 min"), (176_400, "2 d 1 h")];
        for (seconds, expected) in cases {
            assert_eq!(in_words(seconds), expected);
        }
    }
}
