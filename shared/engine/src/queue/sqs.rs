//! The queue in SQS: a standard queue, with a dead-letter queue that its redrive policy names.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, Message as Received, MessageSystemAttributeName,
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use plan::message::Message;

use super::{Delivery, LONGEST_DELAY, LONGEST_WAIT, MOST, Queue, QueueError, body, parse};
use crate::aws::describe;
use crate::telemetry::trace;

/// Messages of one `SendMessageBatch`.
const BATCH: usize = 10;

/// A queue in SQS.
#[derive(Clone, Debug)]
pub struct Sqs {
    client: Client,
    queue_url: String,
    dead_letter_url: Option<String>,
}

impl Sqs {
    /// The queue at this address, and the one that its redrive policy puts dead letters into; without
    /// that address none are counted.
    pub fn new(
        client: Client,
        queue_url: impl Into<String>,
        dead_letter_url: Option<String>,
    ) -> Self {
        Self { client, queue_url: queue_url.into(), dead_letter_url }
    }

    /// Sends a batch; gives back what SQS did not take.
    async fn send_batch(
        &self,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<Vec<BatchResultErrorEntry>, QueueError> {
        let request = self.client.send_message_batch().queue_url(&self.queue_url);
        let answer = request.set_entries(Some(entries)).send().await;
        Ok(answer.map_err(|error| refused("send", &error))?.failed)
    }
}

#[async_trait]
impl Queue for Sqs {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<(), QueueError> {
        let delay = seconds(delay.min(LONGEST_DELAY));
        for batch in messages.chunks(BATCH) {
            let entries = batch.iter().enumerate().map(|(id, message)| entry(id, message, delay));
            let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
            let failed = self.send_batch(entries.clone()).await?;
            if failed.is_empty() {
                continue;
            }
            let again = |entry: &SendMessageBatchRequestEntry| {
                failed.iter().any(|failed| failed.id() == entry.id())
            };
            let entries = entries.into_iter().filter(again).collect();
            if let Some(failed) = self.send_batch(entries).await?.first() {
                let detail = format!("{}: {}", failed.code(), failed.message().unwrap_or_default());
                return Err(QueueError { operation: "send", detail });
            }
        }
        Ok(())
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let most = i32::try_from(most.clamp(1, MOST)).unwrap_or(1);
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(most)
            .wait_time_seconds(seconds(wait.min(LONGEST_WAIT)))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| refused("receive", &error))?;
        Ok(answer.messages.unwrap_or_default().iter().map(delivery).collect())
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        let request = self.client.delete_message().queue_url(&self.queue_url);
        match request.receipt_handle(receipt).send().await {
            // The message is gone, or somebody else has it by now.
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_sqs::operation::delete_message::DeleteMessageError::is_receipt_handle_is_invalid,
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(refused("delete", &error)),
            Ok(_) => Ok(()),
        }
    }

    async fn dead(&self) -> Result<u64, QueueError> {
        let Some(url) = &self.dead_letter_url else { return Ok(0) };
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self.client.get_queue_attributes().queue_url(url);
        let answer = request.attribute_names(name.clone()).send().await;
        let attributes = answer.map_err(|error| refused("count dead letters", &error))?.attributes;
        let count = attributes.and_then(|attributes| attributes.get(&name)?.parse().ok());
        count.ok_or_else(|| QueueError {
            operation: "count dead letters",
            detail: "the answer has no number".to_owned(),
        })
    }
}

fn entry(
    id: usize,
    message: &Message,
    delay: i32,
) -> Result<SendMessageBatchRequestEntry, QueueError> {
    let entry = SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(body(message)?)
        .delay_seconds(delay);
    let entry = match trace::cause() {
        Some(cause) => entry.message_system_attributes(
            MessageSystemAttributeNameForSends::AwsTraceHeader,
            traced(&cause)?,
        ),
        None => entry,
    };
    entry.build().map_err(|error| QueueError { operation: "send", detail: error.to_string() })
}

/// What the message belongs to, for the function that will take it.
fn traced(cause: &trace::Header) -> Result<MessageSystemAttributeValue, QueueError> {
    MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(cause.to_string())
        .build()
        .map_err(|error| QueueError { operation: "send", detail: error.to_string() })
}

fn delivery(received: &Received) -> Delivery {
    let attempts = received
        .attributes()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok());
    Delivery {
        message: parse(received.body().unwrap_or_default()),
        receipt: received.receipt_handle().unwrap_or_default().to_owned(),
        attempt: attempts.unwrap_or(1),
    }
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> i32 {
    let up = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(up).unwrap_or(i32::MAX)
}

fn refused<E, R>(operation: &'static str, error: &SdkError<E, R>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    QueueError { operation, detail: describe(error) }
}
