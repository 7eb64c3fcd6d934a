//! The job that reads last sign-ins, beside real runs: what it finds, what it costs, and that nothing
//! else hears of its failures (D8).

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use std::collections::{BTreeMap, BTreeSet};

use engine::clock::Clock;
use engine::clock::Deadline;
use engine::connections::Connection;
use engine::store::{Expect, keys, put};
use jiff::SignedDuration;
use plan::fields::LAST_SIGN_IN;
use plan::ids::{ObjectId, Segment};
use plan::message::Message;
use plan::sign_ins::SignIns;
use plan::tally::{Counts, RunState};
use sandbox::graph::{Body, Fault, Graph};
use sandbox::halo::Halo;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use sandbox::server::Moment;
use serde_json::{Value, json};
use tests::world::{Setup, World};

/// Requests of the job, and of nothing else that these tests do.
const LIST: &str = "/v1.0/users";

fn edit(document: &mut Value) {
    document["sync"]["last_sign_in"] = json!(true);
    document["sync"]["every_minutes"] = json!(60);
    document["roles"] = json!({});
    document["field_mappings"]["users"] = json!([{ "from": "jobTitle", "to": "title" },
        { "from": "displayName", "to": "name" }]);
    let target = json!({ "type": "site", "site_id": 18 });
    document["mappings"] = json!([{ "id": "all", "sequence": 1, "target": target }]);
}

/// Some people and nothing else; the first, third and so on have signed in.
fn tenant(people: usize) -> Graph {
    let graph = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    for n in 1..=people {
        let mail = format!("p{n}@contoso.example");
        let signed_in = json!({ "lastSignInDateTime": format!("2026-10-{:02}T08:15:00Z", 1 + n % 28),
            "lastNonInteractiveSignInDateTime": "2026-11-01T00:00:00Z" });
        graph.add_user(json!({
            "id": id(n).to_string(), "displayName": format!("P{n}"), "surname": "P", "mail": mail,
            "userPrincipalName": mail, "accountEnabled": true, "userType": "Member",
            "signInActivity": if n % 2 == 1 { signed_in } else { Value::Null },
        }));
    }
    graph
}

/// The people are spread over the segments.
fn id(n: usize) -> ObjectId {
    format!("{:x}0000000-0000-4000-8000-{n:012x}", n % 16).parse().unwrap()
}

/// A world whose first import is done and whose job never ran.
async fn imported(people: usize) -> World {
    let halo = Halo::new();
    halo.add_client(&json!({ "id": 3, "name": "Contoso" }));
    halo.add_site(&json!({ "id": 18, "name": "Sales", "client_id": 3 }));
    let world = World::new(Setup { entra: tenant(people), halo, edit, ..Setup::default() }).await;
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    assert_eq!(world.engine.store.sign_ins(&world.id).await.unwrap(), None);
    world
}

async fn job(world: &World) -> SignIns {
    world.engine.store.sign_ins(&world.id).await.unwrap().unwrap().value
}

/// Lets the timer tick when the job is due, and all that follows happen.
async fn read(world: &World) -> SignIns {
    let stored = world.engine.store.sign_ins(&world.id).await.unwrap();
    let now = world.clock.now();
    if let Some(due) = stored.map(|job| job.value.next_due).filter(|due| *due > now) {
        world.pass(due.duration_since(now));
    }
    world.engine.tick().await.unwrap();
    world.quiet().await;
    job(world).await
}

/// One step of the job at this moment, and nothing else.
async fn step(world: &World) {
    let hint = Message::SignIns { connection: world.id.clone() };
    let deadline = Deadline(world.clock.now() + SignedDuration::from_secs(45));
    world.engine.step(&hint, deadline).await.unwrap();
}

/// Lets a day pass for the job without the timer.
async fn next_day(world: &World) {
    let due = job(world).await.next_due;
    world.pass(due.duration_since(world.clock.now()).max(SignedDuration::ZERO));
}

async fn dates(world: &World) -> BTreeMap<ObjectId, String> {
    let people = world.people().await;
    let dated = people
        .into_iter()
        .filter_map(|(id, person)| Some((id, person.value.facts.text(LAST_SIGN_IN)?.to_owned())));
    dated.collect()
}

/// Who has a dirty mark, with what their own records say of it.
async fn marks(world: &World) -> BTreeMap<ObjectId, Vec<String>> {
    let mut marked = BTreeSet::new();
    for segment in Segment::all() {
        marked.extend(world.engine.store.dirty(&world.id, segment, None, 1000).await.unwrap().0);
    }
    let people = world.people().await;
    let pending = people
        .into_iter()
        .filter_map(|(id, person)| Some((id, person.value.pending?.changed.into_iter().collect())));
    let pending: BTreeMap<ObjectId, Vec<String>> = pending.collect();
    assert_eq!(pending.keys().copied().collect::<BTreeSet<_>>(), marked);
    pending
}

fn sign_in(world: &World, n: usize, at: &str) {
    let activity = json!({ "signInActivity": { "lastSignInDateTime": at } });
    world.entra.update_user(&id(n).to_string(), activity);
}

async fn shown(world: &World) -> Value {
    let connection: Connection = world.engine.connection(&world.id).await.unwrap();
    json!(connection.status())["last_sign_in"].clone()
}

/// Requests for pages of the list so far.
fn pages(world: &World) -> usize {
    world.graph_served.log.all().iter().filter(|seen| seen.path == LIST).count()
}

#[tokio::test]
async fn the_dates_arrive_and_the_next_run_looks_at_them() {
    let world = imported(40).await;
    assert_eq!(shown(&world).await, json!({ "read": null }));
    let before = world.state().await;
    assert!(!before.marked, "{before:#?}");
    step(&world).await;
    let expected: BTreeMap<ObjectId, String> = (1..=40)
        .step_by(2)
        .map(|n| (id(n), format!("2026-10-{:02}T08:15:00Z", 1 + n % 28)))
        .collect();
    assert_eq!(dates(&world).await, expected);
    assert_eq!(shown(&world).await, json!({ "read": world.clock.now() }));
    let marks = marks(&world).await;
    assert_eq!(marks.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(marks.values().all(|changed| changed == &[LAST_SIGN_IN]));
    assert!(world.state().await.marked);
    let run = world.sync().await;
    assert_eq!(run.counts.updated, 20, "{run:#?}");
    let written: Vec<String> = expected
        .keys()
        .map(|id| {
            let users = world.halo.users_with_azureoid(&id.to_string());
            world.halo.user(users[0]).unwrap()["azure_last_login_date"].as_str().unwrap().to_owned()
        })
        .collect();
    let zoneless: Vec<String> =
        expected.values().map(|date| date.trim_end_matches('Z').to_owned()).collect();
    assert_eq!(written, zoneless, "Halo's dates have no zone");
    assert_eq!(self::marks(&world).await, BTreeMap::new());
    let state = world.state().await;
    assert!(state.clean && !state.marked, "{state:#?}");
    // A full read says nothing of sign-ins.
    world.pass(SignedDuration::from_hours(168));
    world.sync().await;
    assert_eq!(dates(&world).await, expected);
}

#[tokio::test]
async fn a_second_time_changes_nothing_and_costs_no_more_than_reading() {
    // T2, T4
    let mut costs = Vec::new();
    for people in [30, 90] {
        let world = imported(people).await;
        step(&world).await;
        world.sync().await;
        next_day(&world).await;
        let before = (world.people().await, world.engine.store.operations());
        let versions = |people: &BTreeMap<_, engine::store::Versioned<_>>| {
            people.values().map(|person| person.version).collect::<Vec<u64>>()
        };
        let operations = world.engine.store.operations();
        step(&world).await;
        costs.push(world.engine.store.operations() - operations);
        assert_eq!(versions(&world.people().await), versions(&before.0), "nobody was written");
        assert_eq!(marks(&world).await, BTreeMap::new());
        assert!(!world.state().await.marked);
        // A hint too many does nothing.
        let requests = world.graph_served.log.count();
        step(&world).await;
        assert_eq!(world.graph_served.log.count(), requests);
    }
    assert_eq!(costs[0], costs[1], "one page each");
}

#[tokio::test]
async fn only_what_changed_is_looked_at_and_nobody_is_made_up() {
    let world = imported(40).await;
    step(&world).await;
    world.sync().await;
    sign_in(&world, 3, "2026-11-05T07:00:00Z");
    sign_in(&world, 4, "2026-11-05T07:00:00.25Z");
    sign_in(&world, 5, "0001-01-01T00:00:00Z");
    world.entra.update_user(&id(7).to_string(), json!({ "signInActivity": null }));
    world.entra.add_user(json!({ "id": id(99).to_string(), "displayName": "New", "surname": "N",
        "userPrincipalName": "new@contoso.example", "accountEnabled": true,
        "signInActivity": { "lastSignInDateTime": "2026-11-05T07:00:00Z" } }));
    next_day(&world).await;
    step(&world).await;
    assert_eq!(marks(&world).await.keys().copied().collect::<Vec<_>>(), [id(3), id(4)]);
    let dates = dates(&world).await;
    assert_eq!(dates[&id(4)], "2026-11-05T07:00:00Z");
    assert!(dates[&id(7)].starts_with("2026-10-"), "what is not said leaves what is stored");
    assert!(!world.people().await.contains_key(&id(99)));
    let run = world.sync().await;
    assert_eq!(run.counts.unchanged + run.counts.updated + run.counts.created, 3, "{run:#?}");
}

#[tokio::test]
async fn a_connection_that_does_not_ask_for_it_pays_nothing() {
    // T4, C7, C11
    let world = imported(5).await;
    let cost = async |world: &World| {
        let before = world.engine.store.operations();
        world.engine.tick().await.unwrap();
        world.engine.store.operations() - before
    };
    let asked = cost(&world).await;
    assert!(world.queue.next_due().is_some(), "the hint is sent");
    world.edit(|document| document.sync.last_sign_in = false).await;
    assert_eq!(cost(&world).await, asked - 1, "one read less");
    step(&world).await;
    assert_eq!(world.engine.store.sign_ins(&world.id).await.unwrap(), None);
    assert_eq!(shown(&world).await, Value::Null);
    world.edit(|document| (document.sync.last_sign_in, document.enabled) = (true, false)).await;
    assert_eq!(cost(&world).await, asked - 1);
    step(&world).await;
    assert_eq!(world.engine.store.sign_ins(&world.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_switches_only_this_off_and_heals_by_itself() {
    // D8: what is missing, how it is told, and what puts it right.
    type Change = fn(&Graph);
    let cases: [(&str, Change, Change); 3] = [
        ("AuditLog.Read.All", |e| e.revoke("AuditLog.Read.All"), |e| e.grant("AuditLog.Read.All")),
        ("P1 or P2 licence: buy one", |e| e.set_premium(false), |e| e.set_premium(true)),
        ("Directory.Read.All", |e| e.faults(|f| f.sign_in_forbidden = 1), |_| {}),
    ];
    for (advice, break_it, mend) in cases {
        let world = imported(10).await;
        break_it(&world.entra);
        // The token that the import left behind has the permissions of before.
        world.pass(SignedDuration::from_hours(2));
        let off = read(&world).await.off.unwrap();
        assert!(off.reason.contains(advice), "{}", off.reason);
        let told = json!({ "off": off.reason, "since": world.clock.now() });
        assert_eq!(shown(&world).await, told);
        assert!(world.state().await.is_authorised());
        let person = id(2).to_string();
        world.entra.update_user(&person, json!({ "jobTitle": "Captain" }));
        let run = world.sync().await;
        assert_eq!(run.state, RunState::Completed, "{run:#?}");
        assert_eq!(run.counts, Counts { updated: 1, ..Counts::default() }, "{advice}");
        assert_eq!((run.error, run.warnings), (None, Vec::<String>::new()));
        assert_eq!(dates(&world).await, BTreeMap::new());
        mend(&world.entra);
        let job = read(&world).await;
        assert_eq!((job.off, dates(&world).await.len()), (None, 5), "{advice}");
    }
}

#[tokio::test]
async fn authorising_again_reads_at_once() {
    let world = imported(10).await;
    world.entra.revoke("AuditLog.Read.All");
    world.pass(SignedDuration::from_hours(2));
    assert!(read(&world).await.off.is_some());
    world.entra.grant("AuditLog.Read.All");
    world.engine.authorise("ada", &world.id).await.unwrap();
    world.engine.tick().await.unwrap();
    world.quiet().await;
    assert_eq!((job(&world).await.off, dates(&world).await.len()), (None, 5));
}

#[tokio::test]
async fn where_pages_of_500_are_refused_pages_of_100_are_read() {
    // Microsoft's limit has been 120.
    let world = imported(250).await;
    world.entra.faults(|faults| faults.sign_in_cap = Some(120));
    let before = pages(&world);
    let job = read(&world).await;
    assert_eq!((job.page_size, job.off), (100, None));
    assert_eq!(dates(&world).await.len(), 125);
    assert_eq!(pages(&world) - before, 1 + 3, "one refusal");
    let before = pages(&world);
    read(&world).await;
    assert_eq!(pages(&world) - before, 3, "it is remembered");
}

#[tokio::test]
async fn passing_faults_pass() {
    // T5: throttling in its forms, 5xx, broken answers, a refused token.
    let throttle = |after: Option<&str>| Fault::Throttle { retry_after: after.map(str::to_owned) };
    let faults = [
        throttle(Some("7")),
        throttle(None),
        Fault::Unavailable { retry_after: Some("3".to_owned()) },
        Fault::Status { code: 502, body: Body::Empty },
        Fault::HtmlPage,
        Fault::TruncatedBody,
        Fault::ResetConnection,
        Fault::Empty,
        Fault::Status { code: 401, body: Body::Empty },
    ];
    let world = imported(10).await;
    for (number, fault) in faults.into_iter().enumerate() {
        let at = format!("2026-11-{:02}T00:00:00Z", 1 + number);
        sign_in(&world, 1, &at);
        let times = if matches!(fault, Fault::Status { code: 401, .. }) { 1 } else { 2 };
        world.entra.fail_next(LIST, times, fault.clone());
        if number > 0 {
            next_day(&world).await;
        }
        step(&world).await;
        world.quiet().await;
        let job = job(&world).await;
        assert_eq!((job.off, job.attempts), (None, 0), "{fault:?}");
        assert_eq!(dates(&world).await[&id(1)], at, "{fault:?}");
    }
}

#[tokio::test]
async fn refused_credentials_are_left_to_the_import() {
    // C7
    let world = imported(10).await;
    world.pass(SignedDuration::from_hours(2));
    world.entra.set_secret("another secret", None);
    step(&world).await;
    let job = job(&world).await;
    assert_eq!((job.off, world.state().await.is_authorised()), (None, true));
    assert!(job.next_due > world.clock.now());
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Failed, "the import tells");
    assert!(!world.state().await.is_authorised());
    let requests = world.graph_served.log.count();
    world.pass(SignedDuration::from_hours(48));
    world.engine.tick().await.unwrap();
    world.quiet().await;
    assert_eq!(world.graph_served.log.count(), requests, "nothing is asked until then");
}

#[tokio::test]
async fn links_elsewhere_and_circles_end_it_until_the_next_day() {
    // D2, D7
    let world = imported(10).await;
    let page = |link: String| {
        let row = json!({ "id": id(1).to_string() });
        let body = json!({ "value": [row], "@odata.nextLink": link });
        Fault::Status { code: 200, body: Body::Json(body) }
    };
    let elsewhere = "http://127.0.0.1:9/v1.0/users?$skiptoken=x".to_owned();
    let own = format!("{}{LIST}?$skiptoken=round", world.graph_served.url);
    for (link, times, told) in
        [(elsewhere, 1, "not this connection's"), (own, 2, "repeats pages of last sign-ins")]
    {
        world.entra.fail_next(LIST, times, page(link));
        step(&world).await;
        world.quiet().await;
        let job = job(&world).await;
        let reason = job.off.clone().unwrap().reason;
        assert!(reason.contains(told), "{reason}");
        assert!(job.cursor.link().is_none() && job.next_due > world.clock.now());
        next_day(&world).await;
        step(&world).await;
        assert_eq!(self::job(&world).await.off, None, "{told}");
        next_day(&world).await;
    }
}

#[tokio::test]
async fn a_long_list_is_read_in_short_steps() {
    // T3
    let world = imported(9).await;
    small_pages(&world).await;
    let hint = Message::SignIns { connection: world.id.clone() };
    let before = pages(&world);
    world.engine.step(&hint, Deadline(world.clock.now())).await.unwrap();
    assert_eq!(pages(&world), before, "no time, no page");
    assert_eq!(world.queue.next_due(), Some(world.clock.now()), "it goes on at once");
    world.quiet().await;
    assert_eq!((pages(&world) - before, dates(&world).await.len()), (5, 5));
}

/// Makes the next list come in pages of two.
async fn small_pages(world: &World) {
    let mut job = SignIns::new(world.clock.now());
    job.page_size = 2;
    world.put_raw(&[put(keys::sign_ins(&world.id), &job, Expect::Anything).unwrap()]).await;
}

/// What must be the same with and without a kill.
#[derive(Debug, PartialEq)]
struct End {
    dates: BTreeMap<ObjectId, String>,
    marks: BTreeMap<ObjectId, Vec<String>>,
    marked: bool,
    off: bool,
    read: bool,
    next_run: Counts,
}

/// A pass of the job, killed or not, then the next run.
async fn live(world: &World, kill: bool) -> End {
    let wire = kill.then_some(world.wire.as_ref());
    world.tick(wire).await;
    world.work(wire).await.unwrap();
    for _ in 0..5 {
        world.pass(SignedDuration::from_mins(4));
        world.engine.tick().await.unwrap();
        world.quiet().await;
    }
    let job = job(world).await;
    let (dates, marks) = (dates(world).await, marks(world).await);
    let marked = world.state().await.marked;
    let next_run = world.sync().await.counts;
    End { dates, marks, marked, off: job.off.is_some(), read: job.read.is_some(), next_run }
}

async fn waiting() -> World {
    let world = imported(5).await;
    small_pages(&world).await;
    world
}

#[tokio::test]
async fn killed_at_any_outside_call_the_end_is_the_same() {
    // T2
    let calm = waiting().await;
    let before = calm.wire.calls();
    calm.tick(None).await;
    calm.quiet().await;
    let calls = calm.wire.calls() - before;
    let expected = live(&waiting().await, false).await;
    assert_eq!((expected.dates.len(), expected.marks.len(), expected.marked), (3, 3, true));
    let mut killed = 0;
    for at in 0..calls {
        let world = waiting().await;
        world.wire.set(world.wire.calls() + at, Moment::Before);
        let end = live(&world, true).await;
        let Some(place) = world.wire.sprung() else { continue };
        killed += 1;
        assert_eq!(end, expected, "{place}");
    }
    assert!(killed == calls && killed > 5, "killed {killed} times at {calls} changes outside");
}

#[tokio::test]
async fn marks_of_the_middle_of_a_run_are_found_by_the_next_one() {
    // T2: the reader has begun, and has looked for marks already when these are made.
    let world = imported(40).await;
    world.entra.update_user(&id(2).to_string(), json!({ "jobTitle": "Captain" }));
    let due = world.state().await.next_due;
    world.pass(due.duration_since(world.clock.now()));
    let fetch = Message::Fetch { connection: world.id.clone() };
    let deadline = Deadline(world.clock.now() + SignedDuration::from_secs(45));
    world.engine.step(&fetch, deadline).await.unwrap();
    assert!(world.state().await.run.is_some(), "it is about to decide");
    step(&world).await;
    world.quiet().await;
    let state = world.state().await;
    assert!(state.run.is_none() && state.marked && !state.clean, "{state:#?}");
    assert!(!marks(&world).await.is_empty());
    let run = world.sync().await;
    assert!(run.counts.unchanged + run.counts.updated > 0, "{run:#?}");
    assert_eq!(marks(&world).await, BTreeMap::new());
    let state = world.state().await;
    assert!(state.clean && !state.marked, "{state:#?}");
}

#[tokio::test]
async fn a_removed_connection_is_left_alone() {
    let world = imported(5).await;
    small_pages(&world).await;
    step(&world).await;
    world.engine.remove_connection("ada", &world.id).await.unwrap();
    step(&world).await;
    let left = world.engine.store.own_keys(&world.id).await.unwrap();
    assert!(left.iter().all(|key| key.sk.starts_with("audit#")), "{left:?}");
}
