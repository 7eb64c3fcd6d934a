//! Helpers of the system tests: a whole world in one process, and ways to break it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a helper that lost its footing should stop the test at once"
)]

#[cfg(feature = "aws")]
pub mod aws;
pub mod carried;
pub mod certificates;
#[cfg(feature = "browser")]
pub mod chrome;
pub mod contract;
pub mod described;
pub mod flaky;
pub mod fuzzed;
pub mod helpdesk;
pub mod issued;
pub mod licensed;
pub mod meant;
pub mod memory;
pub mod process;
#[cfg(feature = "aws")]
pub mod stack;
pub mod template;
pub mod tripwire;
pub mod world;
