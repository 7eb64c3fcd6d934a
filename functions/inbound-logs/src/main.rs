//! The inbound-log function on Lambda, behind API Gateway with a JWT authoriser.

use engine::telemetry::{Format, start};
use engine::web::{Auth, with_fallbacks};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    start(Format::Json, "info");
    let engine = engine::aws::engine().await?;
    lambda_http::run(with_fallbacks(inbound_logs::router(engine, Auth::Gateway))).await
}
