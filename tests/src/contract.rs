//! What every backend of the store, the queue and the secrets does, whichever it is: the embedded
//! ones and those of AWS run the same checks.
//!
//! Each function wants an empty backend of its own and panics at the first breach.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a breach fails the test that calls"
)]

mod paging;
mod queue;
mod secrets;
mod store;

pub use queue::queue;
pub use secrets::secrets;
pub use store::store;
