//! Single sign-on (O1–O4), against the simulated Entra as it signs people in: the good ways, every
//! attack with the rule that refuses it, what people may do, how sessions end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is the failure of the test"
)]

mod attacks;
mod canaries;
mod desk;
mod killed;
mod limits;
mod people;
mod sessions;
mod settings;
