//! The timer's Lambda function, called by EventBridge Scheduler every minute.

use engine::telemetry::{self, Format, trace};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use scheduler::{TickEvent, tick};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start(Format::Json, "info");
    let engine = &engine::aws::engine().await?;
    let handler = |event: LambdaEvent<TickEvent>| async move {
        let invocation = event.context.xray_trace_id.as_deref();
        trace::within(None, invocation, tick(engine)).await.map(drop).map_err(Error::from)
    };
    lambda_runtime::run(service_fn(handler)).await
}
