//! Counts what a step costs: requests to Graph and Halo, and store operations.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use plan::failure::Service;
use plan::tally::Requests;

/// Counters of one step; the clients add to them.
#[derive(Debug, Default)]
pub struct Meter {
    graph: AtomicU64,
    halo: AtomicU64,
}

impl Meter {
    /// Counts one request.
    pub fn request(&self, service: Service) {
        match service {
            Service::Login | Service::Graph => self.graph.fetch_add(1, Relaxed),
            Service::Halo => self.halo.fetch_add(1, Relaxed),
        };
    }

    /// What was counted since the last time, to be added to a record exactly once.
    pub fn take(&self) -> Requests {
        Requests { graph: self.graph.swap(0, Relaxed), halo: self.halo.swap(0, Relaxed) }
    }

    /// What was counted so far.
    pub fn requests(&self) -> Requests {
        Requests { graph: self.graph.load(Relaxed), halo: self.halo.load(Relaxed) }
    }
}
