//! What people see of the demo: about a screenful for each run, and what to try next.

use plan::tally::Requests;

use super::stage::Stage;
use super::story::{Chapter, Shown, Story};
use crate::args;
use crate::follow::{in_words, named, sum};
use crate::screen::{Column, Screen, Tone, say};

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
        let Requests { graph, halo } = chapter.run.requests;
        let what = match sum(&chapter.run.counts) {
            0 => "Nobody had to be looked at".to_owned(),
            _ => in_words(&chapter.run.counts),
        };
        let operations = chapter.store_operations;
        let cost = format!(
            "{what}: {graph} requests to Graph, {halo} to Halo, {operations} store operations."
        );
        say("")?;
        Ok(screen.paragraph(Tone::Plain, &cost)?)
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
            let mut why = vec![shown.why.clone()];
            why.extend(shown.changes.iter().cloned());
            vec![
                Tone::Plain.cell(format!("{}\n({})", shown.name, shown.note)),
                shown.tone.cell(&shown.what),
                Tone::Plain.cell(why.join("\n")),
            ]
        };
        let columns =
            [("Person", Column::Narrow(24)), ("What", Column::Whole), ("Why", Column::Text)];
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
    let (id, api) = (&stage.connection, &stage.process.url);
    let url = if api == args::USUAL_URL { String::new() } else { format!(" --url {api}") };
    vec![
        format!("open {}/console in a browser, with the token of:", stage.process.for_browsers()),
        format!("export HALO_ENTRA_TOKEN=$(cat {})", stage.token_file.display()),
        format!("{program} runs{url}"),
        format!("{program} inbound{url} --decision conflict"),
        format!("{program} explain{url} {id} zoe.obrien@contoso.example"),
        format!("{program} import{url} {id} --read full --wait"),
        format!("curl -H \"Authorization: Bearer $HALO_ENTRA_TOKEN\" {api}/v1/connections/{id}"),
    ]
}
