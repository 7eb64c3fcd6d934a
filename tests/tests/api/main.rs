//! The HTTPS API over real HTTP, with both simulators behind it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is the failure of the test"
)]

mod access;
mod authorisation;
mod certificates;
mod delegated;
mod delegated_killed;
mod documents;
mod effect;
mod expiry;
mod held;
mod imports;
mod killed;
mod links;
mod log;
mod log_cost;
mod small;
mod support;
