//! What people and syncs cost the table, and how their records lie in it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use plan::tally::RunState;
use serde_json::json;
use tests::helpdesk::Company;
use tests::memory::Units;
use tests::world::{Setup, Storage, World};

/// People who are imported.
const PEOPLE: usize = 400;

fn units(world: &World) -> Units {
    world.memory.as_ref().unwrap().units()
}

async fn counted(world: &World) -> [f64; 2] {
    let before = units(world);
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    let after = units(world);
    [(after.reads - before.reads) as f64, (after.writes - before.writes) as f64]
}

/// The kind of a partition: its name without ids, segments and values.
fn kind(pk: &str) -> String {
    let is_id = |part: &str| part.len() == 36 || part.len() == 1;
    pk.split('#').skip(2).filter(|part| !is_id(part)).take(2).collect::<Vec<_>>().join("#")
}

#[tokio::test]
async fn what_people_cost_is_what_the_page_says() {
    // T4
    let Company { halo, mut document, .. } = Company::new();
    let entra = sandbox::sample::large(PEOPLE, 3);
    let target = json!({ "type": "site", "site_id": tests::helpdesk::HEAD_OFFICE });
    document["mappings"] = json!([{ "id": "all", "sequence": 1, "target": target }]);
    document["roles"] = json!({});
    let (storage, document) = (Storage::Memory, Some(document));
    let world = World::new(Setup { entra, halo, document, storage, ..Setup::default() }).await;

    let each = |cost: [f64; 2]| cost.map(|units| units / PEOPLE as f64);
    super::says("first import, each person", &each(counted(&world).await));
    world.sync_until_quiet().await;
    let quiet = counted(&world).await;
    super::says("a sync without changes", &quiet);

    let changed: Vec<String> = world.entra.user_ids().into_iter().take(40).collect();
    for id in &changed {
        world.entra.update_user(id, json!({ "jobTitle": "Captain" }));
    }
    let with = counted(&world).await;
    let of_one = [0, 1].map(|at| (with[at] - quiet[at]) / changed.len() as f64);
    super::says("a change, each person", &of_one);

    let week = world.state().await.next_due + SignedDuration::from_hours(24 * 7);
    world.pass(week.duration_since(world.clock_now()));
    super::says("a full read without changes, each person", &each(counted(&world).await));
    stored(&world);
}

/// Bytes and records of a person.
fn stored(world: &World) {
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for record in world.memory.as_ref().unwrap().records() {
        let (records, bytes) = kinds.entry(kind(&record.key.pk)).or_default();
        *records += 1;
        *bytes += record.key.pk.len() + record.key.sk.len() + record.body.len() + 30;
    }
    for (kind, (records, bytes)) in kinds.iter().filter(|(_, (records, _))| *records >= PEOPLE) {
        println!("{kind}: {records} records, {bytes} bytes");
    }
    let all: usize = kinds.values().map(|(_, bytes)| bytes).sum();
    super::says("bytes stored, each person", &[all as f64 / PEOPLE as f64]);
}
