//! Finding groups by name and id, and the batches that carry it.

use engine::clock::Clock;
use engine::graph::FoundGroup;
use sandbox::graph::{Body, Fault};

use super::*;

async fn found(world: &World, names: &[&str]) -> Vec<usize> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let found = world.client().find_groups(&names).await.unwrap();
    found.iter().map(Vec::len).collect()
}

fn add(world: &World, name: &str) -> ObjectId {
    id(&world.entra.add_group(json!({ "displayName": name })))
}

#[tokio::test]
async fn groups_are_found_by_exact_names() {
    // P3
    let world = World::new().await;
    for name in ["Sales", "sales", "Sales EMEA", "O'Brien & Sons", "R+D 100% #1", "Zoë/Ünit?", ""]
    {
        add(&world, name);
    }
    let long = "x".repeat(256);
    add(&world, &long);
    add(&world, &"x".repeat(255));
    let names =
        [" SALES ", "Sales EMEA", "O'Brien & Sons", "R+D 100% #1", "Zoë/Ünit?", "Sale", &long];
    assert_eq!(found(&world, &names).await, [2, 1, 1, 1, 1, 0, 1]);
    assert_eq!(found(&world, &[]).await, Vec::<usize>::new());
    assert_eq!(world.requests("/$batch"), 1, "seven names are one request, and none are none");
}

#[tokio::test]
async fn many_names_are_asked_for_twenty_at_a_time_and_answered_in_order() {
    let world = World::new().await;
    let names: Vec<String> = (0..45).map(|n| format!("Group {n}")).collect();
    let ids: Vec<ObjectId> = names.iter().map(|name| add(&world, name)).collect();
    let graph = world.client();
    let found = graph.find_groups(&names).await.unwrap();
    let found: Vec<ObjectId> = found.into_iter().flatten().map(|group| group.id).collect();
    assert_eq!(found, ids);
    assert_eq!(world.requests("/$batch"), 3);

    let unknown = id("11111111-2222-3333-4444-555555555555");
    let by_id = graph.groups_by_id(&[ids[44], unknown, ids[0]]).await.unwrap();
    let group = |at: usize| Some(FoundGroup { id: ids[at], name: names[at].clone() });
    assert_eq!(by_id, [group(44), None, group(0)]);
}

#[tokio::test]
async fn a_picker_gets_groups_that_start_so() {
    let world = World::new().await;
    for n in 0..60 {
        add(&world, &format!("App {n}"));
    }
    add(&world, "O'Brien");
    let graph = world.client();
    let count = async |text: &str| graph.search_groups(text).await.unwrap().groups.len();
    assert_eq!(count("o'b").await, 1);
    assert_eq!(count("app").await, 50);
    assert_eq!(count("  ").await, 50);
    assert_eq!(count("nobody").await, 0);
}

#[tokio::test]
async fn hidden_names_are_an_error_and_not_missing_groups() {
    // P3: a rule must not lose its group for want of a permission.
    let world = World::new().await;
    let sales = add(&world, "Sales");
    world.entra.faults(|faults| faults.null_groups = true);
    let hidden = failure(world.client().groups_by_id(&[sales]).await);
    assert_eq!(hidden, "graph forbidden the names of groups are hidden");
}

#[tokio::test]
async fn what_passes_inside_a_batch_is_sent_again_alone() {
    type Change = fn(&mut sandbox::graph::Faults);
    let cases: [(&str, Change, usize, i64); 5] = [
        ("three throttled", |f| f.batch_throttled = 3, 2, 1),
        ("one response missing", |f| f.batch_missing = 1, 2, 2),
        ("two rounds of missing ones", |f| f.batch_missing = 2, 3, 6),
        ("a failed whole", |f| (f.batch_throttled, f.batch_failed_outside) = (1, 1), 2, 1),
        ("a valid token refused", |f| f.refuse_valid_token = 1, 2, 0),
    ];
    for (name, change, batches, waited) in cases {
        let world = World::new().await;
        let names: Vec<String> = (0..5).map(|n| format!("Group {n}")).collect();
        for name in &names {
            add(&world, name);
        }
        world.entra.faults(change);
        let found = world.client().find_groups(&names).await.unwrap();
        assert!(found.iter().all(|groups| groups.len() == 1), "{name}: {found:?}");
        assert_eq!(world.requests("/$batch"), batches, "{name}");
        let slept = world.clock.now().duration_since(START).as_secs();
        assert_eq!(slept, waited, "{name}");
    }
}

#[tokio::test]
async fn what_does_not_pass_fails_the_call_in_bounded_time() {
    let throttle = |seconds: &str| Fault::Throttle { retry_after: Some(seconds.to_owned()) };
    let status = |code: u16| Fault::Status { code, body: Body::Empty };
    let cases = [
        ("a wait too long", throttle("31"), 99, 1, "graph throttled Some(31)"),
        ("throttled for good", throttle("2"), 99, 3, "graph throttled Some(2)"),
        ("down for good", status(503), 99, 3, "graph unavailable: HTTP 503"),
        ("down for two rounds", status(500), 2, 3, ""),
        ("a token refused for good", status(401), 99, 3, "graph credentials None HTTP 401"),
        ("a token refused once", status(401), 1, 2, ""),
        ("a bad request", status(400), 99, 1, "graph refused 400 "),
        (
            "dependants of nothing",
            status(424),
            99,
            3,
            "graph unavailable: a batch was answered in part",
        ),
    ];
    for (name, fault, times, batches, expected) in cases {
        let world = World::new().await;
        add(&world, "Sales");
        world.entra.fail_next("/v1.0/groups", times, fault);
        let found = world.client().find_groups(&["Sales".to_owned()]).await;
        let told = found.map_or_else(|failure| told(&failure), |_| String::new());
        assert_eq!(told, expected, "{name}");
        assert_eq!(world.requests("/$batch"), batches, "{name}");
        assert!(world.clock.now().duration_since(START).as_secs() <= 60, "{name}");
    }
}
