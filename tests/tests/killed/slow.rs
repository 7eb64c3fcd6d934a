//! A worker that stands still while another one takes over changes nothing any more when it goes on (T2).

use std::pin::Pin;
use std::time::Duration;

use engine::clock::Deadline;
use engine::queue::Queue;
use engine::steps::StepError;
use jiff::SignedDuration;
use sandbox::server::Moment;
use tests::helpdesk::{Company, id};
use tests::world::World;

const ADA: u8 = 0x11;

/// A step that is not finished.
type Step = Pin<Box<dyn Future<Output = Result<(), StepError>>>>;

async fn world() -> World {
    let company = Company::new();
    company.hire(ADA, "Ada", &["IT Helpdesk"]);
    company.open().await
}

/// Handles hints until a worker stands still; `None` = nobody does.
async fn until_one_stands_still(world: &World) -> Option<Step> {
    while let Some(due) = world.queue.next_due() {
        world.pass(due.duration_since(world.clock_now()).max(SignedDuration::ZERO));
        for delivery in world.queue.receive(1, Duration::ZERO).await.unwrap() {
            let message = delivery.message.unwrap();
            let deadline = Deadline(world.clock_now() + SignedDuration::from_secs(45));
            let engine = world.engine.clone();
            let mut step: Step = Box::pin(async move { engine.step(&message, deadline).await });
            tokio::select! {
                biased;
                () = world.wire.wait() => return Some(step),
                done = &mut step => done.unwrap(),
            }
            world.queue.delete(&delivery.receipt).await.unwrap();
        }
    }
    None
}

/// T2, M6
#[tokio::test]
async fn a_slow_worker_leaves_to_others_what_they_have_taken_over() {
    let mut stood = 0;
    for at in 0.. {
        let world = self::world().await;
        world.tick(None).await;
        world.wire.hold(world.wire.calls() + at, Moment::After);
        let Some(slow) = until_one_stands_still(&world).await else { break };
        let place = world.wire.sprung().unwrap();
        if !place.contains("store") {
            continue;
        }
        stood += 1;
        crate::settle(&world, None).await;
        let before = world.halo.writes().len();
        world.wire.go_on();
        // It may find that it lost its lease, which is no failure, or that its time is over.
        let _done: Result<(), StepError> = slow.await;
        assert_eq!(world.halo.writes().len(), before, "written by the slow one after {place}");
        crate::settle(&world, None).await;
        let users = world.halo.users_with_azureoid(&id(ADA).to_string()).len();
        let agents = world.halo.agents();
        let agents = agents.iter().filter(|agent| agent["email"] == "ada@contoso.example").count();
        assert_eq!((users, agents), (1, 1), "after {place}");
    }
    assert!(stood > 15, "stood still at {stood} places");
}
