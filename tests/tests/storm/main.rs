//! A seeded storm over a whole world: hints lost, repeated and reordered, workers killed, leases expired,
//! Entra and the rules changing, both services failing; in the end Halo is what Entra and the rules say
//! (T1, T2, T5, T6).
//!
//! `HALO_ENTRA_STORM_SEED=123` replays one storm and says what happened; `HALO_ENTRA_STORM_SEEDS=200`
//! goes through so many, without and with more weather. `make storm` does both. Concurrent steps go over
//! real sockets, so a seed need not tell the same twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is the failure of the test, and a storm tells what happened"
)]

mod calm;
mod checks;
mod company;
mod events;
mod model;
mod neighbour;
mod weather;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::events::Storm;

/// Storms of a usual test, without and with more weather: those with the seeds from 1 and 1,001.
const USUAL: u64 = 8;
/// Seeds from here on have more weather.
const WEATHER: u64 = 1000;
/// Seeds of storms that found something.
const REGRESSIONS: &[u64] = &[26, 62, 75, 80];

/// How often each kind of event happened.
type Kinds = BTreeMap<String, u64>;

/// One storm and the calm after it.
async fn weather(seed: u64, kinds: &mut Kinds, tells: bool) -> Result<(), String> {
    let mut storm = Storm::new(seed, tells).await;
    let outcome = AssertUnwindSafe(storm.rage()).catch_unwind().await;
    for (kind, count) in &storm.kinds {
        *kinds.entry(kind.clone()).or_default() += count;
    }
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(text.unwrap_or_else(|| "a panic without a word".to_owned()))
    });
    outcome.map_err(|why| format!("seed {seed}: {why}\nreplay: make storm SEED={seed}"))
}

async fn all(seeds: impl IntoIterator<Item = u64>, tells: bool) {
    let (mut kinds, mut broken, mut count) = (Kinds::new(), Vec::new(), 0);
    for seed in seeds {
        count += 1;
        if let Err(why) = weather(seed, &mut kinds, tells).await {
            println!("{why}\n");
            broken.push(seed);
        }
    }
    println!("{count} storms: {kinds:#?}");
    assert!(broken.is_empty(), "{} of {count} storms broke something: {broken:?}", broken.len());
}

fn asked(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods, reason = "a storm that is asked for")]
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.map(|value| value.parse().expect("a number"))
}

/// T1, T2, T5, T6, L4, L5, M6, S1
#[tokio::test]
async fn after_every_storm_halo_is_what_entra_and_the_rules_say() {
    if let Some(seed) = asked("HALO_ENTRA_STORM_SEED") {
        return all([seed], true).await;
    }
    let last = asked("HALO_ENTRA_STORM_SEEDS").unwrap_or(USUAL);
    let stormy = WEATHER + 1..=WEATHER + last;
    all(REGRESSIONS.iter().copied().chain(1..=last).chain(stormy), false).await;
}
