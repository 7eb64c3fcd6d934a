//! The table and the JSON.

use serde::Serialize;
use serde_json::{Value, json};

/// Where the JSON goes.
const FILE: &str = "target/bench.json";

/// One measurement.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Line {
    pub(crate) case: String,
    /// In the tenant.
    pub(crate) people: usize,
    /// That passed.
    pub(crate) seconds: f64,
    /// People, changes or pages that were dealt with.
    pub(crate) work: u64,
    /// Seconds of processor time, of all cores together.
    pub(crate) processor: f64,
    /// The same of the simulators beside it.
    pub(crate) simulators: f64,
    /// Most memory at one time.
    pub(crate) peak_mib: f64,
    /// Requests to Graph.
    pub(crate) graph: u64,
    /// Requests to Halo.
    pub(crate) halo: u64,
    /// Operations of the store.
    pub(crate) store: u64,
    /// What came of it.
    pub(crate) detail: Value,
}

/// All of them.
pub(crate) struct Report {
    only: Option<String>,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new(only: Option<String>) -> Self {
        Self { only, lines: Vec::new() }
    }

    /// Whether lines are asked for whose name begins like this.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(name) || name.contains(only.as_str()))
    }

    pub(crate) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Prints the table, and keeps the JSON.
    pub(crate) fn end(self) {
        println!(
            "{:<24} {:>9} {:>10} {:>10} {:>8} {:>8} {:>9} {:>7} {:>9} {:>10}",
            "case",
            "people",
            "time",
            "work/s",
            "cpu s",
            "sim cpu",
            "peak MiB",
            "Graph",
            "Halo",
            "store"
        );
        for line in &self.lines {
            #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = line.work as f64 / line.seconds;
            println!(
                "{:<24} {:>9} {:>10} {:>10.0} {:>8.2} {:>8.2} {:>9.1} {:>7} {:>9} {:>10}",
                line.case,
                line.people,
                time(line.seconds),
                rate,
                line.processor,
                line.simulators,
                line.peak_mib,
                line.graph,
                line.halo,
                line.store
            );
        }
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let all = json!({ "cores": cores, "lines": self.lines });
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FILE);
        std::fs::write(&file, format!("{all:#}\n")).unwrap();
        println!("the same as JSON: {FILE}");
    }
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.2} ms", seconds * 1_000.0) } else { format!("{seconds:.2} s") }
}
