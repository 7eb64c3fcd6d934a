//! What people see of the demo: about a screenful for each run, and what to try next.

use super::stage::Stage;
use super::story::{Chapter, Shown, Story};
use crate::follow::{in_words, named};
use crate::screen::{Column, Screen, Tone, say};
use crate::serve;

/// Changes of a person that are shown; more are counted.
const CHANGES: usize = 6;

/// The report on a screen.
pub(super) struct Report {
    screen: Screen,
    hints: Vec<String>,
    hosts: [(&'static str, String); 3],
}

impl Report {
    /// A report about this stage.
    pub(super) fn new(screen: Screen, stage: &Stage) -> Self {
        let hosts = [
            ("Entra, simulated", stage.entra_served.url.clone()),
            ("Halo, simulated", stage.halo_served.url.clone()),
            ("halo-entra's API", stage.process.url.clone()),
        ];
        Self { screen, hints: hints(stage), hosts }
    }

    /// Tells a run.
    pub(super) fn chapter(&self, chapter: &Chapter, people: u64) -> anyhow::Result<()> {
        let screen = self.screen;
        let first = chapter.title == "First import";
        if first {
            say(screen.tinted(
                Tone::Strong,
                &format!("{people} people of a sample tenant go into a sample Halo"),
            ))?;
            for (what, url) in &self.hosts {
                say(screen.tinted(Tone::Faint, &format!("  {what:<18}{url}")))?;
            }
        }
        screen.heading(chapter.title, &format!("{:.1} s", chapter.seconds))?;
        if first {
            self.counts(chapter)?;
        }
        self.people(&chapter.people)?;
        let requests = chapter.run.requests;
        let entries = match chapter.log_entries {
            0 => "no log entry".to_owned(),
            entries => format!("{entries} log entries"),
        };
        say("")?;
        screen.paragraph(
            Tone::Plain,
            &format!(
                "{}; {} requests to Graph, {} to Halo, {} store operations, {entries}.",
                in_words(&chapter.run.counts),
                requests.graph,
                requests.halo,
                chapter.store_operations
            ),
        )?;
        Ok(())
    }

    fn counts(&self, chapter: &Chapter) -> anyhow::Result<()> {
        let counts = named(&chapter.run.counts).into_iter().filter(|(_, number, _)| *number > 0);
        let row = |(word, number, meaning)| {
            vec![Tone::Plain.cell(word), Tone::Strong.cell(number), Tone::Faint.cell(meaning)]
        };
        let columns =
            [("Decision", Column::Whole), ("People", Column::Number), ("Meaning", Column::Text)];
        self.screen.table(&columns, counts.map(row).collect())?;
        Ok(say("")?)
    }

    fn people(&self, people: &[Shown]) -> anyhow::Result<()> {
        let row = |shown: &Shown| {
            let mut why = shown.why.clone();
            let changes = shown.changes.iter().take(CHANGES);
            // A new record has no before: its reasons say enough.
            if shown.what != "created" {
                why.extend(changes.map(|change| format!("\n· {change}")));
                let more = shown.changes.len().saturating_sub(CHANGES);
                why.extend((more > 0).then(|| format!("\n· and {more} more")));
            }
            vec![
                Tone::Plain.cell(format!("{}\n({})", shown.name, shown.note)),
                shown.tone.cell(&shown.what),
                Tone::Plain.cell(why),
            ]
        };
        let columns =
            [("Person", Column::Narrow(24)), ("What", Column::Narrow(13)), ("Why", Column::Text)];
        Ok(self.screen.table(&columns, people.iter().map(row).collect())?)
    }

    /// Sums up, and says what to try next if there is a next.
    pub(super) fn end(&self, story: &Story, once: bool) -> anyhow::Result<()> {
        let screen = self.screen;
        say("")?;
        if story.off.is_empty() {
            screen.paragraph(
                Tone::Good,
                &format!(
                    "✓ All {} people are accounted for, and a run without changes wrote nothing.",
                    story.people
                ),
            )?;
        }
        for off in &story.off {
            screen.paragraph(Tone::Bad, &format!("✗ {off}."))?;
        }
        if once {
            return Ok(());
        }
        screen.heading("What to try next", "Ctrl-C ends it, and the data is gone then")?;
        for hint in &self.hints {
            say(format!("  {hint}"))?;
        }
        Ok(())
    }
}

fn hints(stage: &Stage) -> Vec<String> {
    let program = std::env::args().next().unwrap_or_else(|| "halo-entra".to_owned());
    let id = &stage.connection;
    let url = match stage.process.url.as_str() {
        "http://127.0.0.1:8787" => String::new(),
        url => format!(" --url {url}"),
    };
    let data = format!(" --data {}", stage.token_file.with_file_name("").display());
    let data = data.trim_end_matches('/');
    vec![
        format!("D=\"{}{url}\"", data.trim_start()),
        format!("{program} runs $D"),
        format!("{program} inbound $D --decision conflict"),
        format!("{program} explain $D {id} zoe.obrien@contoso.example"),
        format!("{program} import $D {id} --read full --wait"),
        serve::curl(&stage.process.url, &stage.token_file, &format!("connections/{id}")),
    ]
}
