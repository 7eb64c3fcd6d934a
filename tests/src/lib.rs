//! Helpers of the system tests.

pub mod aws;
pub mod contract;
