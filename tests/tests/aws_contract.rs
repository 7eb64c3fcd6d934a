//! The AWS backends keep the contract of the store, the queue and the secrets, against LocalStack.
//! One test binary, so that one emulator is enough.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::TimeToLiveStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use engine::clock::{Clock, ManualClock};
use engine::queue::Queue;
use engine::queue::sqs::Sqs;
use engine::secrets::manager::Manager;
use engine::store::dynamo::{Dynamo, create_table};
use engine::store::{Key, Table};
use jiff::Timestamp;
use tests::aws::{Emulator, localstack};
use tests::contract;

/// The shortest that leaves enough time to take many messages.
const VISIBILITY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_keeps_its_contract() {
    let emulator = localstack().await;
    let client = aws_sdk_dynamodb::Client::new(&emulator.sdk_config().await);
    let name = emulator.unique_name("store");
    create_table(&client, &name).await.unwrap();
    let ttl = client.describe_time_to_live().table_name(&name).send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name(), Some("expires_at"));
    assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));

    // Far ahead of the emulator's own clock, so that its TTL never removes anything.
    let start: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let table = Dynamo::new(client, name, Arc::clone(&clock) as Arc<dyn Clock>);
    contract::store(Arc::new(table), clock).await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_an_error_that_says_so() {
    let emulator = localstack().await;
    let client = aws_sdk_dynamodb::Client::new(&emulator.sdk_config().await);
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let table = Dynamo::new(client, emulator.unique_name("missing"), clock);
    let error = table.get(&[Key::new("a", "b")]).await.unwrap_err().to_string();
    assert!(error.contains("ResourceNotFoundException"), "{error}");
}

/// A queue whose messages are put aside after five deliveries; its address and that of the dead.
async fn queues(emulator: &Emulator, client: &aws_sdk_sqs::Client) -> (String, String) {
    let name = emulator.unique_name("queue");
    let create = |name: String| client.create_queue().queue_name(name);
    let dead = create(format!("{name}-dead")).send().await.unwrap().queue_url.unwrap();
    let arn = QueueAttributeName::QueueArn;
    let attributes = client.get_queue_attributes().queue_url(&dead).attribute_names(arn.clone());
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    let redrive =
        serde_json::json!({ "deadLetterTargetArn": attributes[&arn], "maxReceiveCount": 5 });
    let queue = create(name)
        .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY.as_secs().to_string())
        .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string());
    (queue.send().await.unwrap().queue_url.unwrap(), dead)
}

#[tokio::test]
async fn the_queue_keeps_its_contract() {
    let emulator = localstack().await;
    let client = aws_sdk_sqs::Client::new(&emulator.sdk_config().await);
    let (queue, dead) = queues(emulator, &client).await;
    contract::queue(&Sqs::new(client, queue, Some(dead)), VISIBILITY).await;
}

#[tokio::test]
async fn a_body_that_is_no_hint_is_said_to_be_none() {
    let emulator = localstack().await;
    let client = aws_sdk_sqs::Client::new(&emulator.sdk_config().await);
    let (url, _) = queues(emulator, &client).await;
    client.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    let queue = Sqs::new(client, url, None);
    let taken = queue.receive(10, Duration::from_secs(5)).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].message.as_ref().is_err_and(|why| why.contains("no hint")));
    queue.delete(&taken[0].receipt).await.unwrap();
    queue.delete(&taken[0].receipt).await.unwrap();
    assert_eq!(queue.dead().await.unwrap(), 0);
}

#[tokio::test]
async fn the_secrets_keep_their_contract() {
    let emulator = localstack().await;
    let client = aws_sdk_secretsmanager::Client::new(&emulator.sdk_config().await);
    let manager = || Manager::new(client.clone(), emulator.unique_name("secrets"));
    contract::secrets(&manager(), &manager()).await;
}
