//! Licences: imported from Entra into Halo, linked to who holds them, and refused where another
//! connection imports them (S1, S3).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is the failure of the test"
)]

mod import;
