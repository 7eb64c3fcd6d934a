//! The admin function on Lambda, behind API Gateway with a JWT authoriser.

use std::sync::Arc;

use engine::telemetry::{Format, start};
use engine::web::{Auth, Verifier};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    start(Format::Json, "info");
    let settings = engine::config::tokens_required()?;
    let engine = engine::aws::engine()?;
    let auth = Auth::Issued(Arc::new(Verifier::new(settings, engine.http.clone())));
    lambda_http::run(admin::with_console(engine, auth)).await
}
