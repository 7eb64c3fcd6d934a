//! What goes wrong, and how it comes right: killed workers, a missing right, a poisoned message, a
//! throttled Halo.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use sandbox::halo::Fault;
use sandbox::server::Moment;
use serde_json::json;
use tests::stack::until;
use tests::world::int;

use crate::story::{FABRIKAM_SITE, PATIENCE, PEOPLE, Story};

/// Seconds that a worker's call may take here. What a killed worker held is held until a good minute
/// after its time was up, and the story would wait for it; less would not be enough for the index.
const WORKER_TIME: u64 = 25;
/// Seconds after which a hint comes back whose worker was killed. As in the template it is later than
/// everything the worker held is free; there it is twelve minutes.
const LONG: u32 = 95;
/// Seconds after which a hint comes back that failed: for five tries in a story.
const SHORT: u32 = 2;

/// The right that is taken from the worker for a while.
pub(crate) const WITHDRAWN: &str = "dynamodb:PutItem";

/// A body that no version understands.
const POISON: &str = r#"{"v":"0","step":"dance"}"#;

/// A run whose workers were killed.
pub(crate) struct Killed {
    run: String,
}

/// T2: every worker dies while one of them has made a person in Halo and has not heard so.
pub(crate) async fn workers_are_killed(story: &Story) -> Killed {
    story.stack.limit_time("worker", WORKER_TIME).await;
    comes_back_after(story, LONG).await;
    // The worker signs in first.
    story.wire.set(story.wire.calls() + 4, Moment::After);
    let run = story.import("fabrikam", &json!({})).await;
    tokio::time::timeout(PATIENCE, story.wire.wait()).await.expect("nobody is made in Halo");
    let place = story.wire.sprung().unwrap();
    assert!(place.to_lowercase().ends_with("post /api/users"), "{place}");
    assert!(story.stack.kill("worker") > 0);
    comes_back_after(story, SHORT).await;
    Killed { run }
}

/// The run goes on where its hints come back.
pub(crate) async fn nothing_was_done_twice(story: &Story, killed: &Killed) {
    let run = story.ended(&killed.run).await;
    assert_eq!(run["state"], "completed", "{run}");
    let users = story.halo.users();
    let mut by_mail: BTreeMap<&str, usize> = BTreeMap::new();
    for user in users.iter().filter(|it| int(&it["site_id"]) == FABRIKAM_SITE) {
        if let Some(mail) = user["emailaddress"].as_str().filter(|mail| !mail.is_empty()) {
            *by_mail.entry(mail).or_default() += 1;
        }
    }
    assert!(by_mail.len() == PEOPLE && by_mail.values().all(|count| *count == 1), "{by_mail:?}");
    let log = story.get(&format!("/v1/inbound?run={}&connection=fabrikam", killed.run)).await;
    let entries = log["entries"].as_array().unwrap();
    let people: BTreeMap<&str, usize> =
        entries.iter().fold(BTreeMap::new(), |mut people, entry| {
            *people.entry(entry["person"]["id"].as_str().unwrap()).or_default() += 1;
            people
        });
    assert!(people.len() == PEOPLE && people.values().all(|count| *count == 1), "{people:?}");
}

/// T1: hints that cannot be handled become dead letters, alone; redriven, they are handled.
pub(crate) async fn a_right_is_missing_and_a_message_is_poisoned(story: &Story) {
    let Story { stack, .. } = story;
    let queues = Client::new(&stack.operator().await);
    let (hints, dead) = (&stack.outputs["HintsUrl"], &stack.outputs["DeadHintsUrl"]);
    let policy = &stack.policies["worker"];
    let before = stack.gate.count();
    stack.gate.hold("worker", policy.without(WITHDRAWN));
    let run = story.import("by-hand", &json!({})).await;
    // A hint that leads to nothing beside one that no worker understands.
    let good = r#"{"v":"1","step":"fetch","connection":"nobody"}"#;
    let entry = |id: &str, body: &str| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
    };
    let batch = queues.send_message_batch().queue_url(hints);
    batch.entries(entry("good", good)).entries(entry("bad", POISON)).send().await.unwrap();

    until("two dead letters", PATIENCE, async || (count(&queues, dead).await >= 2).then_some(()))
        .await;
    let calls = stack.gate.calls_since(before);
    let refused = calls.iter().filter(|call| !call.lacking.is_empty());
    let refused: Vec<String> = refused.map(|call| call.operation.clone()).collect();
    assert!(refused.iter().any(|operation| operation == "PutItem"), "{refused:?}");
    assert!(stack.log.text().contains("partial failures"), "the good ones were deleted");
    let health = stack.call(None, "GET", "/v1/health", None).await.ok();
    assert!(health["dead_letters"].as_u64().unwrap() >= 2, "{health}");

    stack.gate.hold("worker", policy.clone());
    redrive(&queues, dead, hints).await;
    assert_eq!(story.ended(&run).await["state"], "completed");
    // What is wrong in itself comes back.
    let left = until("the poison's return", PATIENCE, async || {
        let left = taken(&queues, dead).await;
        (!left.is_empty()).then_some(left)
    })
    .await;
    assert_eq!(left, [POISON]);
    comes_back_after(story, LONG).await;
}

/// H2: after a 429 nobody asks before the time that Halo named; the run waits in the queue.
pub(crate) async fn halo_is_throttled(story: &Story) {
    let upn = "p3@tailspin.example";
    let oid = story.fabrikam.user(upn).unwrap()["id"].as_str().unwrap().to_owned();
    story.fabrikam.update_user(&oid, json!({ "jobTitle": "Waiter" }));
    let wait = Fault::Throttle { retry_after: Some("12".to_owned()) };
    story.halo.fail_next("/api/users", "POST", 1, wait);
    let run = story.import("fabrikam", &json!({})).await;
    let log = &story.halo_served.log;
    let throttled = || log.all().iter().position(|seen| seen.status == 429);
    let at = until("a 429", PATIENCE, async || throttled()).await;
    let queues = Client::new(&story.stack.operator().await);
    let delayed = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
    until("a hint that waits", Duration::from_secs(20), async || {
        (attribute(&queues, &story.stack.outputs["HintsUrl"], &delayed).await > 0).then_some(())
    })
    .await;
    assert_eq!(log.count(), at + 1, "nobody asks Halo meanwhile");
    let run = story.ended(&run).await;
    assert_eq!(
        (&run["state"], &run["counts"]["updated"]),
        (&json!("completed"), &json!(1)),
        "{run}"
    );
    let users = story.halo.users_with_azureoid(&oid);
    assert_eq!(story.halo.user(users[0]).unwrap()["title"], "Waiter");
}

/// Moves what is dead back, as a redrive by the operator does. The emulator has no
/// `StartMessageMoveTask`, which does the same on AWS.
async fn redrive(queues: &Client, dead: &str, hints: &str) {
    for body in taken(queues, dead).await {
        queues.send_message().queue_url(hints).message_body(body).send().await.unwrap();
    }
}

/// All that is in a queue, which is empty afterwards.
async fn taken(queues: &Client, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let answer = queues.receive_message().queue_url(queue).max_number_of_messages(10);
        let messages = answer.send().await.unwrap().messages.unwrap_or_default();
        if messages.is_empty() {
            return bodies;
        }
        for message in messages {
            let delete = queues.delete_message().queue_url(queue);
            delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
            bodies.push(message.body.unwrap());
        }
    }
}

async fn count(queues: &Client, queue: &str) -> u64 {
    attribute(queues, queue, &QueueAttributeName::ApproximateNumberOfMessages).await
}

async fn attribute(queues: &Client, queue: &str, name: &QueueAttributeName) -> u64 {
    let answer = queues.get_queue_attributes().queue_url(queue).attribute_names(name.clone());
    answer.send().await.unwrap().attributes.unwrap()[name].parse().unwrap()
}

async fn comes_back_after(story: &Story, seconds: u32) {
    let queues = Client::new(&story.stack.operator().await);
    let visibility = QueueAttributeName::VisibilityTimeout;
    let set = queues.set_queue_attributes().queue_url(&story.stack.outputs["HintsUrl"]);
    set.attributes(visibility, seconds.to_string()).send().await.unwrap();
}
