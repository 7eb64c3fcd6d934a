//! Everything that waits: the clients of Graph and Halo, state, the queue, secrets, and the steps of
//! a run. What to do is decided in `plan`; here it is done.

#[cfg(feature = "aws")]
mod aws;
pub mod clock;
pub mod graph;
pub mod halo;
pub mod http;
pub mod meter;
pub mod queue;
pub mod random;
pub mod secrets;
pub mod store;
