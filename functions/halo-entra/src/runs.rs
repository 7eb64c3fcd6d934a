//! `runs`: lists runs, or shows one.

use jiff::Timestamp;
use plan::ids::RunId;
use plan::tally::{Run, RunState, Trigger};
use serde_json::json;

use crate::client::Client;
use crate::follow::{in_words, named, phase};
use crate::screen::{Column, Screen, Tone, say, say_json};
use crate::{Ended, args, connections};

/// Lists runs of one connection or of all, or shows one run.
pub(crate) async fn run(screen: Screen, args: &args::Runs) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    if let Some(id) = &args.id
        && id.parse::<RunId>().is_ok()
    {
        let json = client.get(&["runs", id], &[]).await?;
        if args.api.json {
            say_json(&json)?;
        } else {
            one(screen, &serde_json::from_value(json)?)?;
        }
        return Ok(Ended::Done);
    }
    let connections = match &args.id {
        Some(id) => vec![id.clone()],
        None => ids(&client).await?,
    };
    let mut all = Vec::new();
    for connection in &connections {
        let limit = [("limit", args.limit.to_string())];
        let page = client.get(&["connections", connection, "runs"], &limit).await?;
        all.extend(page["runs"].as_array().into_iter().flatten().cloned());
    }
    if args.api.json {
        say_json(&json!({ "runs": all }))?;
        return Ok(Ended::Done);
    }
    let mut runs: Vec<Run> =
        all.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    runs.sort_by_key(|run| std::cmp::Reverse(run.run));
    list(screen, &runs)?;
    Ok(Ended::Done)
}

/// Ids of all connections.
async fn ids(client: &Client) -> anyhow::Result<Vec<String>> {
    let (all, _) = connections::all(client).await?;
    Ok(all.iter().filter_map(|one| one["id"].as_str()).map(str::to_owned).collect())
}

fn list(screen: Screen, runs: &[Run]) -> anyhow::Result<()> {
    if runs.is_empty() {
        return Ok(say("There are no runs yet.")?);
    }
    let row = |run: &Run| {
        let requests = format!("{} / {}", run.requests.graph, run.requests.halo);
        vec![
            Tone::Plain.cell(format!("{}  {}\n{}", run.connection, minute(run.started), run.run)),
            tone(run.state).cell(phase(run.state)),
            Tone::Plain.cell(run.error.clone().unwrap_or_else(|| in_words(&run.counts))),
            Tone::Plain.cell(requests),
        ]
    };
    let columns = [
        ("Run", Column::Whole),
        ("State", Column::Whole),
        ("People", Column::Text),
        ("Graph / Halo", Column::Number),
    ];
    Ok(screen.table(&columns, runs.iter().map(row).collect())?)
}

/// Shows a run.
pub(crate) fn one(screen: Screen, run: &Run) -> anyhow::Result<()> {
    let state = screen.tinted(tone(run.state), phase(run.state));
    say(format!("Run {} of {}: {state}", run.run, run.connection))?;
    let by = match run.trigger {
        Trigger::Schedule => "the schedule",
        Trigger::Manual => "an administrator",
        Trigger::RuleChange => "a change of the rules",
        Trigger::Retry => "a retry",
        Trigger::Halo => "Halo",
    };
    let end = run
        .finished
        .map_or_else(|| "under way".to_owned(), |end| format!("took {}", took(run.started, end)));
    say(format!(
        "Started by {by} at {}, {end}; {} requests to Graph, {} to Halo.",
        minute(run.started),
        run.requests.graph,
        run.requests.halo
    ))?;
    if let Some(error) = &run.error {
        screen.paragraph(Tone::Bad, error)?;
    }
    for warning in &run.warnings {
        screen.paragraph(Tone::Warn, warning)?;
    }
    let rows = named(&run.counts).into_iter().filter(|(_, number, _)| *number > 0);
    let row = |(word, number, meaning)| {
        vec![Tone::Plain.cell(word), Tone::Plain.cell(number), Tone::Faint.cell(meaning)]
    };
    let columns =
        [("Decision", Column::Whole), ("People", Column::Number), ("Meaning", Column::Text)];
    Ok(screen.table(&columns, rows.map(row).collect())?)
}

fn tone(state: RunState) -> Tone {
    match state {
        RunState::Completed => Tone::Good,
        RunState::Held => Tone::Warn,
        RunState::Failed => Tone::Bad,
        RunState::Queued | RunState::Reading | RunState::Deciding | RunState::Applying => {
            Tone::Plain
        }
    }
}

/// A time to the minute, in UTC as all times of the API.
pub(crate) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

fn took(start: Timestamp, end: Timestamp) -> String {
    let seconds = end.duration_since(start).as_secs_f64();
    if seconds < 60.0 { format!("{seconds:.1} s") } else { format!("{:.0} min", seconds / 60.0) }
}
