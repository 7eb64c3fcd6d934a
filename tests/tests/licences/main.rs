//! Licences, through both simulators: imported from Entra into Halo, linked to who holds them, refused
//! where another connection imports them (S1, S3); what Halo asks for is done in Entra, or refused in
//! words (S2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is the failure of the test"
)]

mod assignments;
mod desk;
mod import;
mod killed;
mod signatures;
