//! The embedded backends keep the contract of the store, the queue and the secrets, and so does the
//! table in memory that tests use.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use engine::clock::{Clock, ManualClock};
use engine::queue::local::Local;
use engine::secrets::files::Files;
use engine::store::embedded::Embedded;
use jiff::Timestamp;
use tests::contract;
use tests::memory::Memory;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_keeps_its_contract() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let table = Embedded::open(dir.path(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    contract::store(Arc::new(table), clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_keeps_its_contract() {
    let clock = clock();
    let table = Memory::new(Arc::clone(&clock) as Arc<dyn Clock>);
    contract::store(Arc::new(table), clock).await;
}

#[tokio::test]
async fn the_queue_keeps_its_contract() {
    let visibility = Duration::from_secs(2);
    contract::queue(&Local::new(clock(), visibility), visibility).await;
}

#[tokio::test]
async fn the_secrets_keep_their_contract() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str| Files::open(dir.path().join(name)).unwrap();
    contract::secrets(&open("one"), &open("two")).await;
}
