//! The admin function on Lambda, behind API Gateway with a JWT authoriser.

use engine::telemetry::{Format, start};
use engine::web::Auth;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    start(Format::Json, "info");
    let engine = engine::aws::engine().await?;
    lambda_http::run(admin::router(engine, Auth::Gateway)).await
}
