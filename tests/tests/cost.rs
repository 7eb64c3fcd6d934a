//! What ten changes cost does not depend on how many people there are (T4).
//!
//! `HALO_ENTRA_SCALE=100000 cargo test --profile bench -p tests --all-features --test cost -- --nocapture`
//! compares so many people with a hundredth of them, and prints what both cost.

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use std::time::{Duration, Instant};

use plan::ids::ObjectId;
use plan::tally::{Counts, RunState};
use sandbox::halo::Halo;
use serde_json::json;
use tests::helpdesk::{Company, id};
use tests::world::{Setup, Storage, World};

/// People in the usual comparison.
const USUAL: [usize; 2] = [300, 3_000];
/// People who change, who are there in both.
const CHANGING: u8 = 10;

/// What a run with ten changes cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    graph: u64,
    halo: u64,
    store: u64,
    time: Duration,
}

fn person(number: u8) -> ObjectId {
    id(number * 25 + 1)
}

/// A world with so many people, ten of them known, all in one group.
async fn imported(people: usize) -> World {
    let Company { halo, mut document, .. } = Company::new();
    let halo: Halo = halo;
    let entra = sandbox::sample::large(people - usize::from(CHANGING), 3);
    for number in 0..CHANGING {
        let name = format!("Known {number}");
        let mail = format!("known{number}@contoso.example");
        entra.add_user(json!({ "id": person(number).to_string(), "displayName": name,
            "surname": "Known", "userPrincipalName": mail, "mail": mail, "jobTitle": "Clerk",
            "accountEnabled": true, "userType": "Member" }));
    }
    let target = json!({ "type": "site", "site_id": tests::helpdesk::HEAD_OFFICE });
    document["mappings"] = json!([{ "id": "all", "sequence": 1, "target": target }]);
    document["roles"] = json!({ "no_manager_user_role_id": 9 });
    let storage = Storage::Memory;
    let document = Some(document);
    let world = World::new(Setup { entra, halo, document, storage, ..Setup::default() }).await;
    let run = world.sync().await;
    assert_eq!((run.state, run.counts.created), (RunState::Completed, people as u64));
    world.sync_until_quiet().await;
    world
}

#[allow(clippy::disallowed_methods, reason = "how long it takes is printed and decides nothing")]
async fn ten_changes(people: usize) -> Cost {
    let world = imported(people).await;
    for number in 0..CHANGING {
        let person = person(number).to_string();
        match number {
            0 => world.entra.soft_delete(&person),
            1 => world.entra.set_manager(&person, Some(&self::person(9).to_string())),
            _ => world.entra.update_user(&person, json!({ "jobTitle": "Captain" })),
        }
    }
    let (before, started) = (world.engine.store.operations(), Instant::now());
    let run = world.sync().await;
    let (time, store) = (started.elapsed(), world.engine.store.operations() - before);
    let counts = Counts { updated: 9, deactivated: 1, ..Counts::default() };
    assert_eq!((run.state, run.counts), (RunState::Completed, counts), "{run:#?}");
    Cost { graph: run.requests.graph, halo: run.requests.halo, store, time }
}

#[tokio::test]
async fn ten_changes_cost_the_same_among_few_people_and_among_many() {
    // T4
    #[allow(clippy::disallowed_methods, reason = "the size of a measurement that is asked for")]
    let asked = std::env::var("HALO_ENTRA_SCALE").ok().map(|people| people.parse().unwrap());
    let sizes = asked.map_or(USUAL, |people: usize| [(people / 100).max(20), people]);
    let few = ten_changes(sizes[0]).await;
    let many = ten_changes(sizes[1]).await;
    println!("{} people: {few:?}\n{} people: {many:?}", sizes[0], sizes[1]);
    println!("time: {:.2} to 1", many.time.as_secs_f64() / few.time.as_secs_f64());
    for (what, few, many) in [
        ("requests to Graph", few.graph, many.graph),
        ("requests to Halo", few.halo, many.halo),
        ("operations of the store", few.store, many.store),
    ] {
        assert!(few > 0, "{what} were not counted");
        assert!(many.abs_diff(few) * 10 <= few, "{what}: {few} and {many}");
    }
}
