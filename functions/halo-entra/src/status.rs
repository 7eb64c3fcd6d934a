//! `status`: whether the deployment works.

use serde_json::Value;

use crate::client::Client;
use crate::people::text;
use crate::screen::{Screen, Tone, say, say_json};
use crate::{Ended, args};

/// Shows the health report. What does not work is a failure, for scripts.
pub(crate) async fn run(screen: Screen, args: &args::Status) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let health = client.health().await?;
    let works = health["status"] == "ok";
    if args.api.json {
        say_json(&health)?;
    } else {
        for name in ["status", "version", "store", "queue", "dead_letters", "module"] {
            let (label, value) = (name.replace('_', " "), &health[name]);
            say(format!(
                "  {}{}",
                screen.tinted(Tone::Faint, &format!("{label:<16}")),
                shown(screen, value)
            ))?;
        }
    }
    Ok(if works { Ended::Done } else { Ended::Failed })
}

fn shown(screen: Screen, value: &Value) -> String {
    let tone = match value.as_str() {
        Some("failed") => Tone::Bad,
        Some("off") => Tone::Warn,
        Some("ok" | "on") => Tone::Good,
        Some(_) | None => Tone::Plain,
    };
    screen.tinted(tone, &text(value))
}
