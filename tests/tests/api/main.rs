//! The HTTPS API over real HTTP, with both simulators behind it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is the failure of the test"
)]

mod access;
mod audit;
mod authorisation;
mod certificates;
mod delegated;
mod delegated_killed;
mod documents;
mod effect;
mod expiry;
mod explain_at;
mod export;
mod held;
mod idempotency;
mod imports;
mod killed;
mod licences;
mod links;
mod log;
mod log_cost;
mod matrix;
mod module;
mod parked;
mod pickers;
mod plans;
mod previews;
mod resets;
mod scenarios;
mod small;
mod support;
mod tokens;
