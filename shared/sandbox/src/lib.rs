//! Microsoft Graph and Halo as models served over HTTP, with a sample tenant, for the demo and the tests.
//!
//! A model imitates the documented service, never our client. What the real services do differently
//! from one another or from their documentation is a field of the model (a *fault* or a *knob*), so
//! that a test sets it and looks at what the product makes of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a simulator that lost its footing should stop the test at once"
)]

pub mod graph;
pub mod halo;
pub mod issuer;
pub mod sample;
pub mod server;
