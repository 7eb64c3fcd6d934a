//! Where a storm falls upon: the table in memory, the file of a small deployment, or DynamoDB and SQS in
//! an emulator. Time is the storm's everywhere: leases, expiry and delays are the product's own and follow
//! its clock. SQS has no clock that could be moved, so it carries each hint, and the queue of this process
//! says when it is due and when it comes back.

use std::sync::Arc;

use engine::clock::Clock;
use engine::queue::sqs::Sqs;
use engine::store::dynamo::{Dynamo, create_table};
use tests::aws::localstack;
use tests::world::{Setup, Storage};

/// A backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Backend {
    /// In memory, as fast as it gets.
    #[default]
    Memory,
    /// In a file.
    File,
    /// In an emulator of AWS.
    Emulator,
}

impl Backend {
    /// The one of this name.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "memory" => Backend::Memory,
            "file" => Backend::File,
            "emulator" => Backend::Emulator,
            other => panic!("there is no backend \"{other}\": memory, file or emulator"),
        }
    }

    /// By how much a storm is shorter: thousands of requests to an emulator take minutes.
    pub(crate) fn slowness(self) -> u32 {
        match self {
            Backend::Memory | Backend::File => 1,
            Backend::Emulator => 5,
        }
    }

    /// Sets a world up on it.
    pub(crate) async fn prepare(self, setup: &mut Setup) {
        match self {
            Backend::Memory => setup.storage = Storage::Memory,
            Backend::File => setup.storage = Storage::File,
            Backend::Emulator => on_emulator(setup).await,
        }
    }
}

async fn on_emulator(setup: &mut Setup) {
    let emulator = localstack().await;
    let config = emulator.sdk_config().await;
    let dynamo = aws_sdk_dynamodb::Client::new(&config);
    let name = emulator.unique_name("storm");
    create_table(&dynamo, &name).await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = sqs.create_queue().queue_name(&name).send().await.unwrap();
    let queue = Sqs::new(sqs, queue.queue_url.unwrap(), None);
    setup.carrier = Some(Arc::new(queue));
    setup.table =
        Some(Box::new(|clock| Arc::new(Dynamo::new(dynamo, name, clock as Arc<dyn Clock>))));
    // Far ahead of the emulator's own clock, so that its TTL never removes anything.
    setup.start = "2100-11-01T08:00:00Z".parse().unwrap();
}
