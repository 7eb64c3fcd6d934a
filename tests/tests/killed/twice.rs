//! What one interruption leaves behind is still known after a second one (M6).

use std::time::Duration;

use engine::clock::Deadline;
use engine::queue::Queue;
use jiff::SignedDuration;
use plan::ids::ObjectId;
use sandbox::halo::Fault;
use sandbox::server::Moment;
use tests::helpdesk::{Company, id};
use tests::world::World;

/// Changes that a worker makes behind its first one in Halo.
const BEHIND: u64 = 8;

const ADA: u8 = 0x11;

/// Handles hints until a worker is killed at the wire; where it was.
async fn until_killed(world: &World) -> Option<String> {
    while let Some(due) = world.queue.next_due() {
        world.pass(due.duration_since(world.clock_now()).max(SignedDuration::ZERO));
        for delivery in world.queue.receive(1, Duration::ZERO).await.unwrap() {
            let message = delivery.message.as_ref().unwrap();
            let deadline = Deadline(world.clock_now() + SignedDuration::from_secs(45));
            tokio::select! {
                biased;
                () = world.wire.wait() => return world.wire.sprung(),
                done = world.engine.step(message, deadline) => done.unwrap(),
            }
            world.queue.delete(&delivery.receipt).await.unwrap();
        }
    }
    None
}

/// Numbers of users and agents that are this person.
fn records(world: &World, person: ObjectId) -> (usize, usize) {
    let agents = world.halo.agents();
    let agents = agents.iter().filter(|agent| agent["email"] == "ada@contoso.example").count();
    (world.halo.users_with_azureoid(&person.to_string()).len(), agents)
}

async fn world() -> World {
    let company = Company::new();
    company.hire(ADA, "Ada", &["IT Helpdesk"]);
    company.open().await
}

/// T2, M6
#[tokio::test]
async fn killed_and_killed_again_nobody_is_made_twice() {
    let (mut first, mut both) = (0, 0);
    for at in 0.. {
        let world = self::world().await;
        world.tick(None).await;
        world.wire.set(world.wire.calls() + at, Moment::After);
        let Some(place) = until_killed(&world).await else { break };
        if !place.contains("POST /api/") {
            continue;
        }
        first += 1;
        for behind in 0..BEHIND {
            let world = self::world().await;
            world.tick(None).await;
            world.wire.set(world.wire.calls() + at, Moment::After);
            until_killed(&world).await.expect("the call is made");
            world.wire.set(world.wire.calls() + behind, Moment::Before);
            let again = until_killed(&world).await;
            both += usize::from(again.is_some());
            world.wire.disarm();
            crate::settle(&world, None).await;
            assert_eq!(records(&world, id(ADA)), (1, 1), "{place}, then {again:?}");
        }
    }
    assert!(first >= 2 && both >= 10, "killed at {first} calls and again at {both}");
}

/// M6: a user that was made and not told of is still looked for when the person becomes an agent first.
#[tokio::test]
async fn a_lost_user_is_found_although_an_agent_is_made_first() {
    let company = Company::new();
    let ada = company.hire(ADA, "Ada", &["Staff"]);
    let world = company.open().await;
    world.halo.fail_next("/api/users", "POST", 1, Fault::ReplyLost);
    world.tick(None).await;
    while records(&world, ada) == (0, 0) {
        world.some_steps(1).await;
    }
    let down = Fault::Status { code: 503, body: String::new() };
    world.halo.fail_next("/api/users", "*", 500, down);
    world.some_steps(60).await;
    assert_eq!(records(&world, ada), (1, 0), "it was made");
    assert!(world.link(ada).await.user.is_none(), "and nobody knows it");
    world.join("IT Helpdesk", ada);
    world.halo.clear_faults();
    crate::settle(&world, None).await;
    assert_eq!(records(&world, ada), (1, 1));
    assert!(world.link(ada).await.user.is_some());
}
