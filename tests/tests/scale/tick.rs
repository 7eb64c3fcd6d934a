//! What a tick costs, and that one connection which cannot be read costs the others nothing.

use std::time::Duration;

use engine::queue::Queue;
use engine::store::{Commit, Expect, Write, keys, put};
use jiff::SignedDuration;
use serde_json::json;
use tests::helpdesk;
use tests::world::{Setup, Storage, World};

/// Connections besides the first.
const CONNECTIONS: usize = 149;

async fn many() -> World {
    let document = Some(helpdesk::document());
    let setup = Setup { document, storage: Storage::Memory, ..Setup::default() };
    let world = World::new(setup).await;
    for number in 0..CONNECTIONS {
        let mut document = helpdesk::document();
        document["cloud"] =
            json!({ "login": world.graph_served.url, "graph": world.graph_served.url });
        document["id"] = json!(format!("tenant-{number}"));
        document["name"] = json!(format!("Tenant {number}"));
        world.connect(&document).await;
    }
    world
}

/// Takes all hints from the queue and tells whose they are.
async fn hinted(world: &World) -> Vec<String> {
    let mut whose = Vec::new();
    while world.queue.next_due().is_some_and(|due| due <= world.clock_now()) {
        for delivery in world.queue.receive(10, Duration::ZERO).await.unwrap() {
            whose.push(delivery.message.unwrap().connection().to_string());
            world.queue.delete(&delivery.receipt).await.unwrap();
        }
    }
    whose
}

/// Puts everybody's next run off.
async fn postpone(world: &World) {
    let store = &world.engine.store;
    let (ids, _) = store.connection_ids(None, CONNECTIONS + 1).await.unwrap();
    for id in ids {
        let mut state = store.state(&id).await.unwrap().unwrap();
        let expect = state.unchanged();
        state.value.next_due += SignedDuration::from_hours(1);
        let write = put(keys::state(&id), &state.value, expect).unwrap();
        assert_eq!(store.commit(&[write]).await.unwrap(), Commit::Done);
    }
}

#[tokio::test]
async fn a_tick_reads_fifty_connections_at_once() {
    // I3
    let world = many().await;
    for all_are_due in [true, false] {
        let memory = world.memory.as_ref().unwrap();
        let (operations, units) = (world.engine.store.operations(), memory.units());
        let woken = world.engine.tick().await.unwrap();
        let operations = world.engine.store.operations() - operations;
        let reads = memory.units().reads - units.reads;
        let each = |count: u64| count as f64 / (CONNECTIONS + 1) as f64;
        println!("{woken} are due: {operations} operations, {reads} read units");
        assert!(operations <= 10, "{operations} operations for {} connections", CONNECTIONS + 1);
        super::says("read units of a tick, each connection", &[each(reads)]);
        assert_eq!(hinted(&world).await.len(), if all_are_due { CONNECTIONS + 1 } else { 0 });
        postpone(&world).await;
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_read_delays_nobody() {
    // T5
    let world = many().await;
    let broken = "tenant-0".parse().unwrap();
    let key = keys::state(&broken);
    let expect = Expect::Anything;
    world.put_raw(&[Write::Put { key, body: "{".to_owned(), expect, expires: None }]).await;
    let ticked = world.engine.tick().await;
    assert!(ticked.unwrap_err().to_string().contains("c#tenant-0/state"), "an operator is told");
    let hinted = hinted(&world).await;
    assert_eq!(hinted.len(), CONNECTIONS, "all others run");
    assert!(!hinted.contains(&"tenant-0".to_owned()));
}
