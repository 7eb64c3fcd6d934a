//! What the whole costs: reading and writing against plain loops, first imports, syncs by changes and
//! size, the log, previews; as a table, and as JSON in `target/bench.json`.
//!
//! `make bench` runs it, `PEOPLE=1000000` adds the largest size, and `ONLY=first` measures the lines whose name
//! holds that. The simulators are a process of their own, so that memory and processor time are the product's; but they
//! need a part of the same cores, and how much of them is told as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a measurement prints, and a failed step is its failure"
)]

mod machine;
mod reading;
mod report;
mod simulators;
mod usage;
mod writing;

use std::time::Instant;

use serde_json::json;

use crate::machine::Machine;
use crate::report::{Line, Report};
use crate::simulators::Simulators;
use crate::usage::Usage;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// People of the worlds, without being asked for more.
const SIZES: [usize; 2] = [1_000, 100_000];
/// Changes in Entra before a sync.
const CHANGES: [usize; 3] = [0, 10, 1_000];
/// How often a page of the log is asked for.
const LOOKS: u32 = 200;

fn main() {
    let role = std::env::args().nth(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match role.as_deref() {
        Some("simulators") => runtime.block_on(simulators::serve()),
        _ => runtime.block_on(measure()),
    }
}

fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn measure() {
    let most: usize = asked("HALO_ENTRA_BENCH_PEOPLE").map_or(SIZES[1], |it| it.parse().unwrap());
    let mut report = Report::new(asked("HALO_ENTRA_BENCH_ONLY"));
    let mut sizes: Vec<usize> = SIZES.into_iter().filter(|size| *size < most).collect();
    sizes.push(most);
    for people in sizes {
        world(&mut report, people).await;
    }
    report.end();
}

/// Everything about a tenant of one size.
async fn world(report: &mut Report, people: usize) {
    let simulators = Simulators::start(people);
    if report.wants("read") {
        reading::measure(report, &simulators, people).await;
    }
    if report.wants("posting alone") {
        writing::measure(report, people).await;
    }
    if !["first", "sync", "log", "page", "preview"].iter().any(|name| report.wants(name)) {
        return;
    }
    preview(report, &simulators, people).await;
    let machine = Machine::start(&simulators).await;
    line(report, &machine, &simulators, "first import", people, people).await;
    // Marks of managers who came after their people, and the index's delta.
    machine.settle().await;
    for changes in CHANGES.into_iter().filter(|changes| changes * 2 <= people) {
        simulators.change(changes);
        let name = format!("sync, {changes} changes");
        line(report, &machine, &simulators, &name, people, changes).await;
    }
    looks(report, &machine, people).await;
}

/// One run.
async fn line(
    report: &mut Report,
    machine: &Machine,
    simulators: &Simulators,
    name: &str,
    people: usize,
    work: usize,
) {
    let (operations, usage, theirs) =
        (machine.operations(), Usage::now(), simulators.processor_time());
    let run = machine.run().await;
    let (seconds, processor, peak) = usage.until_now();
    eprintln!("{name}, {people} people: {seconds:.2} s, {:?}", run.counts);
    report.add(Line {
        case: name.to_owned(),
        people,
        seconds,
        work: work as u64,
        processor,
        simulators: simulators.processor_time() - theirs,
        peak_mib: peak,
        graph: run.requests.graph,
        halo: run.requests.halo,
        store: machine.operations() - operations,
        detail: json!(run.counts),
    });
}

/// A preview of everybody, in a deployment of its own: so that the first import reads Entra as well.
async fn preview(report: &mut Report, simulators: &Simulators, people: usize) {
    if !report.wants("preview") {
        return;
    }
    let machine = Machine::start(simulators).await;
    let (operations, usage) = (machine.operations(), Usage::now());
    let totals = machine.preview().await;
    let (seconds, processor, peak) = usage.until_now();
    eprintln!("preview, {people} people: {seconds:.2} s");
    report.add(Line {
        case: "preview of everybody".to_owned(),
        people,
        seconds,
        work: people as u64,
        processor,
        peak_mib: peak,
        store: machine.operations() - operations,
        detail: totals,
        ..Line::default()
    });
}

/// What somebody waits for who looks: pages of the log, the newest and one person's, and the console's.
async fn looks(report: &mut Report, machine: &Machine, people: usize) {
    let newest = machine.get("/v1/inbound?connection=contoso&limit=50").await;
    let person = newest["entries"][0]["person"]["id"].as_str().expect("an entry").to_owned();
    let paths = [
        ("log, newest 50", "/v1/inbound?connection=contoso&limit=50".to_owned()),
        ("log, one person", format!("/v1/inbound?connection=contoso&person={person}")),
        ("page, connections", "/console".to_owned()),
        ("page, overview", "/console/connections/contoso".to_owned()),
        ("page, log", "/console/connections/contoso/log".to_owned()),
        ("page, person", format!("/console/connections/contoso/people/{person}")),
        ("page, runs", "/console/connections/contoso/runs".to_owned()),
        ("page, conflicts", "/console/connections/contoso/conflicts".to_owned()),
        ("page, mappings", "/console/connections/contoso/mappings".to_owned()),
    ];
    for (case, path) in &paths {
        if !report.wants(case) {
            continue;
        }
        let (operations, usage, mut times) = (machine.looks(), Usage::now(), Vec::new());
        for _ in 0..LOOKS {
            let started = Instant::now();
            machine.look(path).await;
            times.push(started.elapsed().as_secs_f64());
        }
        let (_, processor, peak) = usage.until_now();
        times.sort_by(f64::total_cmp);
        let (median, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
        eprintln!(
            "{case}, {people} people: median {:.2} ms, p95 {:.2} ms",
            median * 1e3,
            p95 * 1e3
        );
        report.add(Line {
            case: (*case).to_owned(),
            people,
            seconds: median,
            work: 1,
            processor: processor / f64::from(LOOKS),
            peak_mib: peak,
            store: (machine.looks() - operations) / u64::from(LOOKS),
            detail: json!({ "p95_seconds": p95 }),
            ..Line::default()
        });
    }
}
