//! The worker's Lambda function: everything is made once, then one batch after another is handled.

use engine::telemetry::{self, Format};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use worker::lambda::{SqsBatchResponse, SqsEvent, batch};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start(Format::Json, "info");
    let engine = &engine::aws::engine()?;
    let handler = |event: LambdaEvent<SqsEvent>| async move {
        Ok::<SqsBatchResponse, Error>(batch(engine, event).await)
    };
    lambda_runtime::run(service_fn(handler)).await
}
