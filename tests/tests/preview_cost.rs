//! What a preview costs: the first page is there at once however many people there are, and memory and
//! pages do not grow with them (I1, I6).
//!
//! `HALO_ENTRA_SCALE=100000 cargo test --profile bench -p tests --all-features --test preview_cost -- --nocapture`
//! prints times, store operations and the peak of memory.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed step is the failure of the test; a measurement is printed"
)]

use std::time::{Duration, Instant};

use engine::clock::Deadline;
use engine::connections::{PreviewState, Wanted};
use jiff::SignedDuration;
use plan::ids::PreviewId;
use serde_json::json;
use tests::helpdesk::Company;
use tests::world::{Setup, Storage, World};

/// People in the usual comparison.
const USUAL: [usize; 2] = [300, 1_200];

/// What a preview cost.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "what is measured is printed as a whole")]
struct Cost {
    /// From asking to the first page that is not empty.
    first_page: Duration,
    /// From asking to the end.
    total: Duration,
    /// Of the store, in all.
    operations: u64,
    /// Of the store, for a page of 50 in the middle.
    page: u64,
    /// The most memory that the process ever had, simulators included, in MB: before and after.
    memory: [u64; 2],
}

impl Cost {
    fn told(&self) -> String {
        let Self { first_page, total, operations, page, memory: [before, after] } = self;
        format!(
            "first page after {first_page:.2?}, all after {total:.2?}, {operations} operations of the \
             store, {page} a page, memory at most {before} MB before and {after} MB with it"
        )
    }
}

/// A world in which so many people were read and nobody is imported.
async fn read(people: usize) -> World {
    let Company { halo, mut document, .. } = Company::new();
    let entra = sandbox::sample::large(people, 3);
    let target = json!({ "type": "site", "site_id": tests::helpdesk::HEAD_OFFICE });
    document["mappings"] = json!([{ "id": "all", "sequence": 1, "target": target }]);
    document["enabled"] = json!(false);
    let (storage, document) = (Storage::File, Some(document));
    let world = World::new(Setup { entra, halo, document, storage, ..Setup::default() }).await;
    let wanted = Wanted::default();
    world.engine.start_preview(&world.id, &wanted).await.unwrap();
    world.quiet().await;
    world
}

/// Whether somebody is on the first page.
async fn has_people(world: &World, preview: PreviewId) -> (bool, PreviewState) {
    let shown = world.engine.preview(preview).await.unwrap().unwrap();
    let (page, _) = world.engine.previewed(&shown, None, None, (0, None), 50).await.unwrap();
    (!page.is_empty(), shown.state)
}

#[allow(clippy::disallowed_methods, reason = "how long it takes is printed and decides nothing")]
async fn previewed(people: usize) -> Cost {
    let world = read(people).await;
    let before_it = peak();
    let (before, started) = (world.engine.store.operations(), Instant::now());
    let preview = world.engine.start_preview(&world.id, &Wanted::default()).await.unwrap();
    let preview = preview.record.preview;
    let mut first_page = None;
    // Short steps, between which somebody looks; a worker works on beside it in life.
    while let Some(due) = world.queue.next_due() {
        let now = world.clock_now();
        if due > now {
            world.pass(due.duration_since(now));
        }
        for one in world.engine.queue.receive(1, Duration::ZERO).await.unwrap() {
            // The time is up after each portion until the first page is there.
            let time = if first_page.is_none() { 0 } else { 45 };
            let deadline = Deadline(world.clock_now() + SignedDuration::from_secs(time));
            world.engine.step(&one.message.unwrap(), deadline).await.unwrap();
            world.engine.queue.delete(&one.receipt).await.unwrap();
        }
        if first_page.is_none() && has_people(&world, preview).await.0 {
            first_page = Some(started.elapsed());
        }
    }
    let total = started.elapsed();
    let operations = world.engine.store.operations() - before;
    let (_, state) = has_people(&world, preview).await;
    assert_eq!(state, PreviewState::Complete);
    let shown = world.engine.preview(preview).await.unwrap().unwrap();
    assert_eq!(shown.totals.all().values().sum::<u64>(), people as u64);
    let mut from = (0, None);
    for _ in 0..3 {
        let page = world.engine.previewed(&shown, None, Some("create"), from, 50).await.unwrap();
        from = page.1.unwrap();
    }
    let before = world.engine.store.operations();
    world.engine.previewed(&shown, None, Some("create"), from, 50).await.unwrap();
    let page = world.engine.store.operations() - before;
    let memory = [before_it, peak()];
    Cost { first_page: first_page.unwrap(), total, operations, page, memory }
}

/// The most memory that the process ever had, in MB; 0 where the system does not say it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kilobytes / 1024
}

#[tokio::test]
async fn the_first_page_does_not_wait_for_everybody() {
    // I1, I6, T3
    #[allow(clippy::disallowed_methods, reason = "the size of a measurement that is asked for")]
    let asked = std::env::var("HALO_ENTRA_SCALE").ok().map(|people| people.parse().unwrap());
    let sizes = asked.map_or(USUAL, |people: usize| [(people / 100).max(300), people]);
    let few = previewed(sizes[0]).await;
    println!("{} people: {}", sizes[0], few.told());
    let many = previewed(sizes[1]).await;
    println!("{} people: {}", sizes[1], many.told());
    assert_eq!(few.page, many.page, "a page costs the same");
    let each = |cost: Cost, people: usize| cost.operations * 100 / people as u64;
    assert!(each(many, sizes[1]) <= each(few, sizes[0]), "{few:?} {many:?}");
}
