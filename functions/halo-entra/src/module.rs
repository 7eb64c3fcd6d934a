//! `module`: shows whether the integration is switched on, or switches it (C11).

use reqwest::Method;
use serde_json::{Value, json};

use crate::Ended;
use crate::args::{self, OnOff};
use crate::client::Client;
use crate::people::text;
use crate::screen::{say, say_json};

/// Shows or turns the switch.
pub(crate) async fn run(args: &args::Module) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let switch = match args.state {
        None => client.get(&["module"], &[]).await?,
        Some(state) => {
            let state = match state {
                OnOff::On => "on",
                OnOff::Off => "off",
            };
            client.write(Method::PUT, &["module"], &json!({ "state": state }), None).await?.body
        }
    };
    if args.api.json {
        say_json(&switch)?;
        return Ok(Ended::Done);
    }
    say(in_words(&switch))?;
    Ok(Ended::Done)
}

fn in_words(switch: &Value) -> String {
    if switch["deployment"] == "off" {
        return "The integration is off: the deployment's own switch (HALO_ENTRA_MODULE) says so."
            .to_owned();
    }
    let state = text(&switch["state"]);
    match (switch["by"].as_str(), switch["since"].as_str()) {
        (Some(by), Some(since)) => format!("The integration is {state}: {by}, {since}."),
        _ => format!("The integration is {state}."),
    }
}
