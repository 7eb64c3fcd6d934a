//! What the simulated Halo answers over HTTP: each duty of the model, and each knob in both positions.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at once")]

mod auth;
mod faults;
mod knobs;
mod lists;
mod saves;
mod support;
