//! The timer: finds the connections that are due and the runs that stand still, and sends their hints.

use engine::Engine;
use engine::steps::StepError;
use engine::telemetry::trace;

/// What EventBridge Scheduler sends to the function when nothing else is configured; the tick itself
/// is all that counts.
#[cfg(feature = "aws")]
pub type TickEvent = aws_lambda_events::event::eventbridge::EventBridgeEvent;

/// One tick; returns how many connections were sent a hint. Safe to repeat, and to leave out: the
/// next one finds the same.
pub async fn tick(engine: &Engine) -> Result<u64, StepError> {
    let woken =
        engine.tick().await.inspect_err(|error| tracing::error!("the tick failed: {error}"))?;
    if woken > 0 {
        tracing::info!(connections = woken, trace = trace::id(), "connections are due");
    }
    Ok(woken)
}
