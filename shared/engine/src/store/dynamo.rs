//! The table in `DynamoDB`: one table, partition key `pk`, sort key `sk`, on demand.
//!
//! Other attributes are `v` (version), `body` (JSON) and `expires_at` (epoch seconds, the table's TTL
//! attribute). TTL removes late, so every read and condition looks at `expires_at` itself.

mod items;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, KeysAndAttributes, WriteRequest};
use futures::{StreamExt, TryStreamExt, stream};

use self::items::Item;
pub use self::table::create_table;
use super::limits::{Start, check_commit, check_key, last_of_each, page_limit, start};
use super::{COMMIT_LIMIT, Commit, Key, Order, Page, Range, Record, StoreError, Table, Write};
use crate::aws::describe;
use crate::clock::Clock;
use crate::random::Random;

/// Keys of one `BatchGetItem`.
const GETS: usize = 100;
/// Writes of one `BatchWriteItem`.
const PUTS: usize = 25;
/// Batches under way at once.
const AT_ONCE: usize = 4;
/// Tries of a batch that is only partly done, and of a write that others keep disturbing.
const TRIES: u32 = 8;
/// Records of a further page, when all of the first were expired.
const FURTHER: i32 = 1000;

/// A table in `DynamoDB`.
#[derive(Debug)]
pub struct Dynamo {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
    random: Random,
}

impl Dynamo {
    /// The table of this name, which exists: see [`create_table`].
    pub fn new(client: Client, table_name: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { client, table: table_name.into(), clock, random: Random::default() }
    }

    /// Waits before try number `tried` + 1: up to 50 ms, doubled each time, at most 2 s, a random
    /// part of it so that those who disturbed each other come back at different times.
    async fn pause(&self, tried: u32) {
        let most = 50 * (1 << tried.min(5));
        self.clock.sleep(Duration::from_millis(1 + self.random.below(most))).await;
    }

    async fn get_batch(&self, keys: Vec<Item>) -> Result<Vec<Record>, StoreError> {
        let wanted =
            KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let mut wanted = wanted.map_err(|error| failed("read", &error))?;
        let (mut records, mut tried) = (Vec::new(), 0);
        loop {
            let request = self.client.batch_get_item().request_items(&self.table, wanted.clone());
            let answer = request.send().await.map_err(|error| refused("read", &error))?;
            let items = answer.responses.unwrap_or_default().remove(&self.table);
            for item in items.unwrap_or_default() {
                records.extend(items::record(item, self.clock.now())?);
            }
            let left = answer.unprocessed_keys.unwrap_or_default().remove(&self.table);
            match left.filter(|left| !left.keys.is_empty()) {
                None => return Ok(records),
                Some(_) if tried == TRIES => return Err(throttled("read")),
                Some(left) => wanted = left,
            }
            self.pause(tried).await;
            tried += 1;
        }
    }

    async fn write_batch(&self, mut requests: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut tried = 0;
        loop {
            let request = self.client.batch_write_item().request_items(&self.table, requests);
            let answer = request.send().await.map_err(|error| refused("write", &error))?;
            let left = answer.unprocessed_items.unwrap_or_default().remove(&self.table);
            match left.filter(|left| !left.is_empty()) {
                None => return Ok(()),
                Some(_) if tried == TRIES => return Err(throttled("write")),
                Some(left) => requests = left,
            }
            self.pause(tried).await;
            tried += 1;
        }
    }

    /// One request of a range; `limit` counts expired records too.
    async fn query_once(
        &self,
        range: &Range,
        behind: Option<&str>,
        limit: i32,
    ) -> Result<Page, StoreError> {
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(range.order == Order::Ascending)
            .limit(limit)
            .expression_attribute_values(":pk", items::text(&range.pk))
            .key_condition_expression("pk = :pk");
        if !range.prefix.is_empty() {
            request = request
                .expression_attribute_values(":prefix", items::text(&range.prefix))
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
        }
        if let Some(sk) = behind {
            let key = items::of_key(&Key::new(range.pk.as_str(), sk));
            request = request.set_exclusive_start_key(Some(key));
        }
        let answer = request.send().await.map_err(|error| refused("read", &error))?;
        let mut page = Page::default();
        for item in answer.items.unwrap_or_default() {
            page.records.extend(items::record(item, self.clock.now())?);
        }
        if let Some(mut last) = answer.last_evaluated_key {
            page.next = Some(items::take_text(&mut last, "sk")?);
        }
        Ok(page)
    }

    /// A single write without a transaction, which would cost twice as much.
    async fn write_one(&self, write: &Write) -> Result<Attempt, StoreError> {
        let condition = items::condition(write.expect(), self.clock.now());
        match write {
            Write::Put { .. } => {
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.table)
                    .set_item(items::of_put(write))
                    .set_condition_expression(condition.expression)
                    .set_expression_attribute_values(condition.values);
                attempt(request.send().await)
            }
            Write::Delete { key, .. } => {
                let request = self
                    .client
                    .delete_item()
                    .table_name(&self.table)
                    .set_key(Some(items::of_key(key)))
                    .set_condition_expression(condition.expression)
                    .set_expression_attribute_values(condition.values);
                attempt(request.send().await)
            }
            Write::Check { .. } => self.transact(std::slice::from_ref(write)).await,
        }
    }

    /// The SDK gives each call a token, so that its own repetitions after a lost answer are done once.
    async fn transact(&self, writes: &[Write]) -> Result<Attempt, StoreError> {
        let now = self.clock.now();
        let parts = writes.iter().map(|write| items::part(write, &self.table, now));
        let parts = parts.collect::<Result<_, _>>().map_err(|error| failed("commit", &error))?;
        let request = self.client.transact_write_items().set_transact_items(Some(parts));
        let Err(error) = request.send().await else { return Ok(Attempt::Over(Commit::Done)) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                judge(canceled.cancellation_reasons()).ok_or_else(|| refused("commit", &error))
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                Ok(Attempt::Disturbed(Disturbance::Others(0)))
            }
            _ => Err(refused("commit", &error)),
        }
    }
}

#[async_trait]
impl Table for Dynamo {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().try_for_each(check_key)?;
        let mut distinct: Vec<&Key> = keys.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let batches: Vec<Vec<Item>> = distinct
            .chunks(GETS)
            .map(|batch| batch.iter().map(|key| items::of_key(key)).collect())
            .collect();
        let found: Vec<Vec<Record>> = stream::iter(batches)
            .map(|batch| self.get_batch(batch))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let found: BTreeMap<Key, Record> =
            found.into_iter().flatten().map(|record| (record.key.clone(), record)).collect();
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        let mut behind = match start(range) {
            Start::Nowhere => return Ok(Page::default()),
            Start::Edge => None,
            Start::Behind(after) => Some(after.to_owned()),
        };
        let mut limit = i32::try_from(page_limit(range)).unwrap_or(FURTHER);
        loop {
            let page = self.query_once(range, behind.as_deref(), limit).await?;
            if !page.records.is_empty() || page.next.is_none() {
                return Ok(cut(page, page_limit(range)));
            }
            behind = page.next;
            limit = FURTHER;
        }
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        check_commit(writes, COMMIT_LIMIT)?;
        let mut tried = 0;
        loop {
            let attempt = match writes {
                [] => return Ok(Commit::Done),
                [write] => self.write_one(write).await?,
                _ => self.transact(writes).await?,
            };
            match attempt {
                Attempt::Over(commit) => return Ok(commit),
                Attempt::Disturbed(Disturbance::Others(index)) if tried == TRIES => {
                    return Ok(Commit::Conflict(index));
                }
                Attempt::Disturbed(Disturbance::Throttled) if tried == TRIES => {
                    return Err(throttled("commit"));
                }
                Attempt::Disturbed(_) => {}
            }
            self.pause(tried).await;
            tried += 1;
        }
    }

    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        let requests = last_of_each(writes)?.into_iter().map(items::request);
        let requests = requests.collect::<Result<Vec<_>, _>>();
        let requests = requests.map_err(|error| failed("write", &error))?;
        let batches: Vec<Vec<WriteRequest>> = requests.chunks(PUTS).map(<[_]>::to_vec).collect();
        stream::iter(batches)
            .map(|batch| self.write_batch(batch))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

/// How one try to commit went.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Over(Commit),
    /// Nothing was written, and the next try may go better.
    Disturbed(Disturbance),
}

#[derive(Debug, PartialEq, Eq)]
enum Disturbance {
    /// Somebody else writes the record of the write with this index.
    Others(usize),
    /// The table cannot take as much at the moment.
    Throttled,
}

fn attempt<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<Attempt, StoreError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let Err(error) = result else { return Ok(Attempt::Over(Commit::Done)) };
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ConditionalCheckFailedException") => Ok(Attempt::Over(Commit::Conflict(0))),
        Some("TransactionConflictException") => Ok(Attempt::Disturbed(Disturbance::Others(0))),
        _ => Err(refused("commit", &error)),
    }
}

/// What the reasons of a cancelled transaction mean, one for each write; `None` if none of them is
/// known. A condition that does not hold decides, whatever else went wrong.
fn judge(reasons: &[CancellationReason]) -> Option<Attempt> {
    let first = |codes: &[&str]| {
        reasons.iter().position(|reason| reason.code().is_some_and(|code| codes.contains(&code)))
    };
    if let Some(index) = first(&["ConditionalCheckFailed"]) {
        return Some(Attempt::Over(Commit::Conflict(index)));
    }
    if let Some(index) = first(&["TransactionConflict"]) {
        return Some(Attempt::Disturbed(Disturbance::Others(index)));
    }
    first(&["ThrottlingError", "ProvisionedThroughputExceeded"])
        .map(|_| Attempt::Disturbed(Disturbance::Throttled))
}

/// A further page may hold more than was asked for.
fn cut(mut page: Page, limit: usize) -> Page {
    if page.records.len() > limit {
        page.records.truncate(limit);
        page.next = page.records.last().map(|last| last.key.sk.clone());
    }
    page
}

fn refused<E, R>(operation: &'static str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    StoreError { operation, detail: describe(error) }
}

fn failed(operation: &'static str, error: &dyn std::error::Error) -> StoreError {
    StoreError { operation, detail: error.to_string() }
}

fn throttled(operation: &'static str) -> StoreError {
    StoreError { operation, detail: "the table is throttled, also after several tries".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
    }

    #[test]
    fn the_reasons_of_a_cancelled_transaction_say_what_to_do() {
        let others = |index| Some(Attempt::Disturbed(Disturbance::Others(index)));
        for (codes, expected) in [
            (&["None", "ConditionalCheckFailed"][..], Some(Attempt::Over(Commit::Conflict(1)))),
            (
                &["TransactionConflict", "ConditionalCheckFailed"],
                Some(Attempt::Over(Commit::Conflict(1))),
            ),
            (
                &["ConditionalCheckFailed", "ConditionalCheckFailed"],
                Some(Attempt::Over(Commit::Conflict(0))),
            ),
            (&["None", "None", "TransactionConflict"], others(2)),
            (&["ThrottlingError", "TransactionConflict"], others(1)),
            (&["ThrottlingError", "None"], Some(Attempt::Disturbed(Disturbance::Throttled))),
            (&["ProvisionedThroughputExceeded"], Some(Attempt::Disturbed(Disturbance::Throttled))),
            (&["ValidationError", "None"], None),
            (&[], None),
        ] {
            assert_eq!(judge(&reasons(codes)), expected, "{codes:?}");
        }
    }
}
