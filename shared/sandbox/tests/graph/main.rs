//! The Graph simulator over HTTP, looked at as a client would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod batches;
mod client;
mod delegated;
mod deltas;
mod failures;
mod licences;
mod login;
mod members;
mod reads;
mod sample;
mod scale;
mod shapes;
