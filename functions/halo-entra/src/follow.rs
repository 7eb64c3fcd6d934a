//! Follows a run over the API, with a progress bar where somebody watches.

use std::time::Duration;

use anyhow::Context;
use engine::clock::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressStyle};
use plan::tally::{Counts, Run, RunState};
use serde_json::Value;

use crate::client::Client;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until the run is over and gives it as the API shows it. With `people`, their number, the bar
/// has an end.
pub(crate) async fn follow(
    client: &Client,
    run: &str,
    people: Option<u64>,
) -> anyhow::Result<(Run, Value)> {
    let bar = bar(people);
    loop {
        let json = client.get(&["runs", run], &[]).await?;
        let now: Run = serde_json::from_value(json.clone())
            .context("the API describes the run in another way than this version understands")?;
        if now.state.is_over() {
            bar.finish_and_clear();
            return Ok((now, json));
        }
        bar.set_message(phase(now.state));
        bar.set_position(sum(&now.counts));
        SystemClock.sleep(LOOK).await;
    }
}

pub(crate) fn bar(people: Option<u64>) -> ProgressBar {
    // Both templates are constants that are right; another style would do as well.
    let style = |template| {
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─")
    };
    let bar = match people {
        Some(people) => ProgressBar::new(people)
            .with_style(style(" {spinner} {msg:<9} {bar:40} {pos}/{len} people  {elapsed}")),
        None => ProgressBar::new_spinner()
            .with_style(style(" {spinner} {msg:<9} {pos} people  {elapsed}")),
    };
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A state for people.
pub(crate) fn phase(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Reading => "reading",
        RunState::Deciding => "deciding",
        RunState::Applying => "applying",
        RunState::Completed => "completed",
        RunState::Held => "held",
        RunState::Failed => "failed",
    }
}

/// Everybody who is counted.
pub(crate) fn sum(counts: &Counts) -> u64 {
    named(counts).iter().map(|(_, number, _)| number).sum()
}

/// The counts with their words and what they mean, in the order in which people ask for them.
pub(crate) fn named(counts: &Counts) -> [(&'static str, u64, &'static str); 10] {
    [
        ("created", counts.created, "made in Halo"),
        ("updated", counts.updated, "changed in Halo, or found there and linked"),
        ("reactivated", counts.reactivated, "made active again"),
        ("deactivated", counts.deactivated, "made inactive"),
        ("unchanged", counts.unchanged, "as they should be: no request, no log entry"),
        ("not in scope", counts.not_in_scope, "matched by no mapping, so not imported"),
        ("conflict", counts.conflict, "an administrator has to choose the Halo user"),
        ("held", counts.held, "deactivations that wait for an administrator"),
        ("failed", counts.failed, "tried again with growing delays"),
        ("moved", counts.moved, "not as the preview showed them, so left to the next run"),
    ]
}

/// The counts that are not 0, as a sentence's part.
pub(crate) fn in_words(counts: &Counts) -> String {
    let parts: Vec<String> = named(counts)
        .iter()
        .filter(|(_, number, _)| *number > 0)
        .map(|(word, number, _)| format!("{number} {word}"))
        .collect();
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(", ") }
}
