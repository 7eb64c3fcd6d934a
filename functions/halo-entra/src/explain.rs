//! `explain`: what would happen to a person now, rule by rule.
use crate::client::Client;
use crate::screen::{Screen, say};
use crate::{Ended, args};
/// x
pub(crate) async fn run(screen: Screen, args: &args::Explain) -> anyhow::Result<Ended> {
    let client = Client::of(&args.api)?;
    let path = ["connections", args.connection.as_str(), "people", args.who.as_str(), "explain"];
    let json = client.get(&path, &[]).await?;
    say(json.to_string())?;
    Ok(Ended::Done)
}
