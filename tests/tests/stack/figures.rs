//! What syncs cost on AWS, and the proof of the policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use engine::telemetry::metrics::{DIMENSION, Metric, NAMESPACE};
use serde_json::{Value, json};
use tests::stack::{Call, FUNCTIONS, Right, Units};

use crate::accidents;
use crate::story::Story;

/// Rights of the functions' roles with which somebody else acts, so that the gate never sees them.
const OF_OTHERS: [(&str, &str); 7] = [
    ("logs:CreateLogStream", "Lambda writes the functions' logs"),
    ("logs:PutLogEvents", "Lambda writes the functions' logs"),
    ("xray:PutTraceSegments", "the X-Ray daemon of Lambda sends traces"),
    ("xray:PutTelemetryRecords", "the X-Ray daemon of Lambda sends traces"),
    ("sqs:ReceiveMessage", "the event source mapping takes hints for the worker"),
    ("sqs:DeleteMessage", "the event source mapping deletes what the worker handled"),
    ("sqs:GetQueueAttributes", "the event source mapping looks how many hints there are"),
];

/// People who change in the larger sync.
const CHANGED: usize = 100;

/// Counts a sync of the sample tenant in which nothing changed, and one with a hundred changes.
pub(crate) async fn of_syncs(story: &Story) {
    // What was left to do before is done.
    story.imported("contoso").await;
    let (run, bill) = counted(story, async || story.imported("contoso").await).await;
    println!("\nA sync of 250 people in which nothing changed:\n{bill}");
    assert_eq!(run["requests"]["halo"], 0, "{run}");
    let people = story.contoso.user_ids();
    let placed = people.iter().filter(|oid| !story.halo.users_with_azureoid(oid).is_empty());
    let placed: Vec<&String> = placed.take(CHANGED).collect();
    assert_eq!(placed.len(), CHANGED);
    for oid in placed {
        story.contoso.update_user(oid, json!({ "jobTitle": format!("Changed {oid}") }));
    }
    let (run, bill) = counted(story, async || story.imported("contoso").await).await;
    println!("\nA sync with {CHANGED} changes:\n{bill}");
    assert_eq!(run["counts"]["updated"], CHANGED, "{run}");
    println!("\nAll ticks of the timer, with three connections:\n{}", ticks(story));
}

/// What something took: calls and their units by function and operation, and invocations.
struct Bill {
    calls: BTreeMap<(String, String), (u64, Units)>,
    invoked: &'static str,
    times: usize,
}

impl Bill {
    fn of<'a>(calls: impl Iterator<Item = &'a Call>, invoked: &'static str, times: usize) -> Self {
        let mut sums: BTreeMap<(String, String), (u64, Units)> = BTreeMap::new();
        for call in calls {
            let operation = format!("{}:{}", call.service, call.operation);
            let (count, units) = sums.entry((call.function.clone(), operation)).or_default();
            *count += 1;
            units.reads += call.units.reads;
            units.writes += call.units.writes;
        }
        Self { calls: sums, invoked, times }
    }
}

/// A sync, and what it took. The timer's ticks and reading whether the run ended are not part of it.
async fn counted(story: &Story, sync: impl AsyncFn() -> Value) -> (Value, Bill) {
    let (first, handled) = (story.stack.gate.count(), told(story, BATCH));
    let run = sync().await;
    let calls = story.stack.gate.calls_since(first);
    let own = calls.iter().filter(|call| ["admin", "worker"].contains(&call.function.as_str()));
    (run, Bill::of(own, "worker", told(story, BATCH) - handled))
}

/// What the ticks of the timer took so far.
fn ticks(story: &Story) -> Bill {
    let calls = story.stack.gate.calls_since(0);
    let own = calls.iter().filter(|call| call.function == "scheduler");
    Bill::of(own, "scheduler", told(story, TICK))
}

/// What the emulator says of a batch of hints, and of a tick.
const BATCH: &str = "ESM: Lambda halo-entra-worker processed";
const TICK: &str = "Lambda halo-entra-scheduler: dispatched";

fn told(story: &Story, what: &str) -> usize {
    story.stack.log.text().matches(what).count()
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:12} {:32} {:>5} {:>6} {:>6}",
            "function", "operation", "calls", "read", "write"
        )?;
        for ((function, operation), (count, units)) in &self.calls {
            let Units { reads, writes } = units;
            writeln!(f, "{function:12} {operation:32} {count:>5} {reads:>6} {writes:>6}")?;
        }
        writeln!(f, "{:12} {:32} {:>5}", self.invoked, "lambda:Invoke", self.times)
    }
}

/// Each right that a role has was used by its function, but for those with which others act; and nothing
/// was refused but what the story refused on purpose.
pub(crate) fn every_right_was_used_and_none_was_missing(story: &Story) {
    let calls = story.stack.gate.calls_since(0);
    assert_eq!(story.stack.gate.strays(), Vec::<String>::new());
    let on_purpose = |call: &Call| {
        let withdrawn = |right: &Right| right.action == accidents::WITHDRAWN;
        call.function == "worker" && call.lacking.iter().all(withdrawn)
    };
    let refused = calls.iter().filter(|call| !call.lacking.is_empty());
    let unexpected: Vec<&Call> = refused.filter(|call| !on_purpose(call)).collect();
    assert!(unexpected.is_empty(), "rights are missing: {unexpected:#?}");
    let mut unused = Vec::new();
    for function in FUNCTIONS {
        let own = calls.iter().filter(|call| call.function == function);
        let used: BTreeSet<&Right> = own.flat_map(|call| &call.covered_by).collect();
        let rights = story.stack.policies[function].rights();
        let idle = rights.filter(|right| !used.contains(right) && !is_of_others(right));
        unused.extend(idle.map(|right| format!("{function}: {} {}", right.action, right.resource)));
        println!("{function}: {} rights used", used.len());
    }
    assert!(unused.is_empty(), "rights that nobody uses: {unused:#?}");
}

/// The same action on another queue is the function's own.
fn is_of_others(right: &Right) -> bool {
    let own = right.action == "sqs:GetQueueAttributes" && right.resource.contains("DeadHints");
    !own && OF_OTHERS.iter().any(|(action, _)| *action == right.action)
}

/// Each metric is in the log of the functions, in the form in which CloudWatch takes it. Of a function
/// that a schedule calls the emulator keeps no log, so there is one more tick, by hand.
pub(crate) async fn every_metric_was_written(story: &Story) {
    story.stack.invoke("scheduler", include_str!("../../../events/scheduler-tick.json")).await;
    let text = story.stack.log.text();
    let lines = text.lines().filter(|line| line.contains("\"_aws\""));
    let lines = lines.filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for line in lines {
        let line: Value = line;
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], NAMESPACE, "{line}");
        assert_eq!(directive["Dimensions"], json!([[DIMENSION]]), "{line}");
        assert_eq!(line[DIMENSION], "halo-entra", "the name of the stack: {line}");
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_u64(), "{name}: {line}");
            seen.insert(name.to_owned());
        }
    }
    let all: BTreeSet<String> = Metric::ALL.iter().map(|metric| metric.name().to_owned()).collect();
    assert_eq!(seen, all);
}
