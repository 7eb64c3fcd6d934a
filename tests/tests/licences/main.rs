//! Licences, through both simulators: what Halo asks for is done in Entra, or refused in words (S2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is the failure of the test"
)]

mod assignments;
mod desk;
mod killed;
mod signatures;
