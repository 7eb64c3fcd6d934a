//! A seeded storm over a whole world: hints lost, repeated and reordered, workers killed, leases expired,
//! Entra and the rules changing, both services failing; in the end Halo is what Entra and the rules say
//! (T1, T2, T5, T6).
//!
//! `HALO_ENTRA_STORM_SEED=123` replays one storm and says what happened; `HALO_ENTRA_STORM_SEEDS=200`
//! goes through so many, without and with more weather; `HALO_ENTRA_STORM_BACKEND` says upon what they
//! fall; `HALO_ENTRA_STORM_PLANTED` plants a bug, or all of them one by one. `make storm` does each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is the failure of the test, and a storm tells what happened"
)]

mod administrators;
mod backend;
mod calm;
mod checks;
mod company;
mod events;
mod model;
mod neighbour;
mod planted;
mod told;
mod weather;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::backend::Backend;
use crate::events::Storm;
use crate::planted::Bug;

/// Storms of a usual test, without and with more weather: those with the seeds from 1 and 1,001.
const USUAL: u64 = 6;
/// Seeds from here on have more weather.
const WEATHER: u64 = 1000;
/// Seeds of storms that found something.
const REGRESSIONS: &[u64] = &[7, 26, 62, 75, 80];

/// Seeds of storms over the file store in a usual test.
const IN_A_FILE: [u64; 2] = [1001, 1002];
/// Bugs that are planted in a usual test, and storms in which each has to show.
const USUALLY_PLANTED: &[Bug] = &[Bug::NoNote, Bug::LateWrite];
const FEW: u64 = 12;
/// The same where bugs are asked for.
const PATIENT: u64 = 60;
/// The seed that is told twice.
const REPLAYED: u64 = 1003;

/// How a storm is run.
#[derive(Clone, Copy, Default)]
struct Plan {
    /// What it falls upon.
    backend: Backend,
    /// The bug that is planted.
    bug: Option<Bug>,
    /// Whether each event is printed.
    tells: bool,
}

/// How often each kind of event happened.
type Kinds = BTreeMap<String, u64>;

/// One storm and the calm after it.
async fn weather(seed: u64, kinds: &mut Kinds, plan: Plan) -> Result<(), String> {
    let mut storm = Storm::new(seed, plan).await;
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

async fn all(seeds: impl IntoIterator<Item = u64>, plan: Plan) {
    let (mut kinds, mut broken, mut count) = (Kinds::new(), Vec::new(), 0);
    for seed in seeds {
        count += 1;
        if let Err(why) = weather(seed, &mut kinds, plan).await {
            println!("{why}\n");
            broken.push(seed);
        }
    }
    println!("{count} storms: {kinds:#?}");
    assert!(broken.is_empty(), "{} of {count} storms broke something: {broken:?}", broken.len());
}

/// The first seed whose storm notices a bug, and nothing without it; and what it says.
async fn caught(bug: Bug, from: u64, most: u64) -> Option<(u64, String)> {
    for seed in from..from + most {
        let plan = Plan { bug: Some(bug), ..Plan::default() };
        let planted = weather(seed, &mut Kinds::new(), plan).await;
        let Err(why) = planted else { continue };
        if weather(seed, &mut Kinds::new(), Plan::default()).await.is_ok() {
            return Some((seed, why));
        }
    }
    None
}

#[allow(clippy::disallowed_methods, reason = "a storm that is asked for")]
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn asked(name: &str) -> Option<u64> {
    set(name).map(|value| value.parse().expect("a number"))
}

/// T1, T2, T5, T6, L4, L5, M6, M7, C1, S1, S2
#[tokio::test]
async fn after_every_storm_halo_is_what_entra_and_the_rules_say() {
    let backend = set("HALO_ENTRA_STORM_BACKEND").map(|name| Backend::named(&name));
    let plan = Plan { backend: backend.unwrap_or_default(), ..Plan::default() };
    if let Some(seed) = asked("HALO_ENTRA_STORM_SEED") {
        return all([seed], Plan { tells: true, ..plan }).await;
    }
    let last = asked("HALO_ENTRA_STORM_SEEDS").unwrap_or(USUAL);
    let stormy = WEATHER + 1..=WEATHER + last;
    match backend {
        None => all(REGRESSIONS.iter().copied().chain(1..=last).chain(stormy), plan).await,
        Some(_) => all(stormy, plan).await,
    }
}

/// The same on the storage of a small deployment.
#[tokio::test]
async fn a_storm_over_the_file_store_ends_the_same() {
    let plan = Plan { backend: Backend::File, ..Plan::default() };
    all(IN_A_FILE, plan).await;
}

/// What is asked of both services in a storm, and how late it is then.
async fn requests(seed: u64) -> Vec<String> {
    let mut storm = Storm::new(seed, Plan::default()).await;
    storm.rage().await.unwrap();
    let world = &storm.world;
    let served = [&world.graph_served, &world.halo_served].into_iter();
    let asked = served.flat_map(|it| it.log.all());
    let asked = asked.map(|it| format!("{} {}?{} = {}", it.method, it.path, it.query, it.status));
    asked.chain([world.clock_now().to_string()]).collect()
}

/// A seed tells the same however often it is asked, workers at the same time included.
#[tokio::test]
async fn a_storm_can_be_replayed() {
    let (first, again) = (requests(REPLAYED).await, requests(REPLAYED).await);
    assert!(first.len() > 100, "a storm of {} requests", first.len());
    assert_eq!(first, again);
}

/// Each bug in turn: a storm that finds nothing may be one that cannot find anything.
#[tokio::test]
async fn a_planted_bug_is_noticed() {
    let planted = set("HALO_ENTRA_STORM_PLANTED");
    let is_meant = |bug: &&Bug| match planted.as_deref() {
        None => USUALLY_PLANTED.contains(bug),
        Some(name) => Bug::ALL.iter().all(|it| it.name() != name) || bug.name() == name,
    };
    let usual = if planted.is_some() { PATIENT } else { FEW };
    let most = asked("HALO_ENTRA_STORM_SEEDS").filter(|_| planted.is_some()).unwrap_or(usual);
    let mut missed = Vec::new();
    for bug in Bug::ALL.iter().filter(is_meant) {
        let name = bug.name();
        match caught(*bug, WEATHER + 1, most).await {
            Some((seed, why)) => {
                let says = why.lines().take(2).collect::<Vec<_>>().join(" ");
                let says: String = says.chars().take(160).collect();
                println!("| {name} | {seed} | {says} |");
            }
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "in {most} storms nobody noticed {missed:?}");
}
