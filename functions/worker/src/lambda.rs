//! The worker as a Lambda function: a batch of SQS in, the ids of the failed messages out.

use aws_lambda_events::event::sqs::SqsMessage;
use engine::Engine;
use engine::clock::Deadline;
use engine::queue::parse;
use engine::telemetry::trace;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::LambdaEvent;
use tokio::task::JoinSet;

pub use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};

use crate::{Unhandled, handle};

/// Time kept back at the end of an invocation, for the last writes and the answer.
const MARGIN: SignedDuration = SignedDuration::from_secs(3);

/// The attribute of a message that names the trace of whoever sent it.
const TRACE: &str = "AWSTraceHeader";

/// Handles a batch, all its messages at once, so that each has the whole invocation for itself. Those
/// that failed are named (partial batch response): they alone come back, and go to the dead letters
/// after the number of deliveries that the queue allows.
pub async fn batch(engine: &Engine, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
    let deadline = deadline(event.context.deadline);
    let invocation = event.context.xray_trace_id;
    let mut in_hand = JoinSet::new();
    let mut ids = Vec::new();
    for message in event.payload.records {
        let id = message.message_id.clone().unwrap_or_default();
        let (engine, invocation) = (engine.clone(), invocation.clone());
        let cause = message.attributes.get(TRACE).cloned();
        let task = in_hand.spawn(async move {
            let work = Box::pin(one(&engine, message, deadline));
            trace::within(cause.as_deref(), invocation.as_deref(), work).await.is_ok()
        });
        ids.push((task.id(), id));
    }
    let mut answer = SqsBatchResponse::default();
    while let Some(ended) = in_hand.join_next_with_id().await {
        // A step that panicked has failed like any other.
        let failed = match ended {
            Ok((_, true)) => continue,
            Ok((task, false)) => task,
            Err(error) => error.id(),
        };
        let failed = ids.iter().filter(|(task, _)| *task == failed);
        failed.for_each(|(_, id)| answer.add_failure(id.clone()));
    }
    answer
}

async fn one(engine: &Engine, message: SqsMessage, deadline: Deadline) -> Result<(), Unhandled> {
    let attempt = message.attributes.get("ApproximateReceiveCount");
    let attempt = attempt.and_then(|count| count.parse().ok()).unwrap_or(1);
    let hint = message.body.ok_or_else(|| "the message has no body".to_owned());
    handle(engine, hint.and_then(|body| parse(&body)), attempt, deadline).await
}

/// When steps have to end: the invocation's own end, in milliseconds since 1970, less the margin.
fn deadline(invocation: u64) -> Deadline {
    let end = i64::try_from(invocation).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let end = end.unwrap_or(Timestamp::MAX);
    Deadline(end.checked_sub(MARGIN).unwrap_or(end))
}
