//! `demo`: a sample tenant goes into a sample Halo through the real pipeline, three times over.
//!
//! | file | does |
//! |---|---|
//! | `stage` | starts the simulators and the product, and connects them over the API |
//! | `story` | the three runs: what is changed between them, what came of it, whether anything is off |
//! | `report` | what people see of it |

mod report;
mod stage;
mod story;

use engine::telemetry::{self, Format};

use crate::screen::{Screen, say_json};
use crate::{Ended, args, serve};
use report::Report;
use stage::Stage;
use story::Story;

/// Plays the demo, and then serves until Ctrl-C unless it is to end at once.
pub(crate) async fn run(screen: Screen, args: &args::Demo) -> anyhow::Result<Ended> {
    // The report is what counts; whatever goes wrong is in it.
    telemetry::start(Format::Terminal, "error");
    let (mut stage, story) = tokio::select! {
        played = play(screen, args) => played?,
        signal = serve::stop_signal() => {
            signal?;
            return Ok(Ended::Interrupted);
        }
    };
    if !args.once {
        stage.process.start_timer();
        serve::stop_signal().await?;
    }
    stage.process.stop().await;
    Ok(if story.ok { Ended::Done } else { Ended::Failed })
}

async fn play(screen: Screen, args: &args::Demo) -> anyhow::Result<(Stage, Story)> {
    let stage = Stage::set(args).await?;
    let report = (!args.json).then(|| Report::new(screen, &stage));
    let story = Story::tell(&stage, report.as_ref()).await?;
    match report {
        Some(report) => report.end(&story, args.once)?,
        None => say_json(&story)?,
    }
    Ok((stage, story))
}
