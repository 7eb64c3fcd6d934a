//! The sample events: each is read with the types of its function and goes through the function's own
//! handler, against the simulators.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an event that is not understood is a failed test"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use lambda_http::http::{Method, Response};
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use plan::message::Message;
use plan::tally::RunState;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tests::issued;
use tests::world::{Setup, World};
use tower::ServiceExt;
use worker::lambda::{SqsBatchResponse, SqsEvent, batch};

/// Events over HTTPS in an order in which they can be carried out, with the status of the answer.
const HTTPS: &[(&str, u16)] = &[
    ("admin-health", 200),
    ("admin-halo-test", 200),
    ("admin-halo-budget", 200),
    ("admin-list", 200),
    ("admin-read", 200),
    ("admin-create", 201),
    ("admin-save", 200),
    ("admin-remove", 204),
    ("admin-permissions", 200),
    ("admin-credentials", 200),
    ("admin-authorise", 200),
    // Nobody began a sign-in.
    ("admin-callback", 400),
    ("admin-import", 202),
    ("admin-preview", 202),
    // There is no such preview.
    ("admin-preview-show", 404),
    ("admin-preview-people", 404),
    // Nobody is known before the first run, and there is no such run.
    ("admin-person", 404),
    ("admin-link-set", 404),
    ("admin-link-cut", 404),
    ("admin-conflicts", 200),
    ("admin-parked", 200),
    ("admin-held", 200),
    ("admin-licences", 200),
    // Nor any licence before the first import.
    ("admin-licence-holders", 404),
    ("admin-held-release", 404),
    // Nor anybody whose deactivation could be held.
    ("admin-held-reject", 400),
    ("admin-effect", 200),
    ("admin-deltas-reset", 200),
    ("admin-audit", 200),
    ("admin-deployment-audit", 200),
    ("admin-groups", 200),
    ("admin-halo-list", 200),
    ("admin-module", 200),
    ("admin-module-turn", 200),
    ("admin-check", 200),
    ("admin-licence-key-set", 200),
    ("admin-licence-key", 200),
    // The signature is good, and no licence was imported.
    ("admin-licence-assign", 422),
    ("admin-licence-assignment", 404),
    ("admin-licence-assignments", 200),
    ("admin-sign-in", 200),
    ("admin-sign-in-save", 200),
    ("admin-sign-in-credentials", 200),
    ("admin-sign-in-sessions", 204),
    ("inbound-logs-get", 200),
    ("inbound-logs-runs", 200),
    ("inbound-logs-run", 404),
    ("inbound-logs-explain", 404),
    ("inbound-logs-explain-at", 404),
    ("inbound-logs-export", 200),
];

/// Events of other kinds.
const OTHERS: &[&str] = &["scheduler-tick", "worker-sqs", "worker-sqs-refused"];

fn dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../events"))
}

fn event<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(dir().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_sample_is_known_here() {
    let there: BTreeSet<String> = std::fs::read_dir(dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let names = HTTPS.iter().map(|(name, _)| *name).chain(OTHERS.iter().copied());
    let known: BTreeSet<String> = names.map(|name| format!("{name}.json")).collect();
    assert_eq!(there, known);
}

/// The request of an event, with the token that its claims are of.
fn request(mut event: Value) -> lambda_http::Request {
    let claims = &event["requestContext"]["authorizer"]["jwt"]["claims"];
    let token = issued::token(claims).unwrap_or_default();
    event["headers"]["authorization"] = format!("Bearer {token}").into();
    lambda_http::Request::from(serde_json::from_value::<LambdaRequest>(event).unwrap())
}

async fn call(world: &World, name: &str) -> Response<axum::body::Body> {
    let engine = world.engine.clone();
    let router = if name.starts_with("admin") {
        admin::router(engine, issued::auth())
    } else {
        inbound_logs::router(engine, issued::auth())
    };
    router.oneshot(request(event(name))).await.unwrap()
}

#[tokio::test]
async fn requests_are_answered() {
    let world = World::new(Setup::default()).await;
    for (name, status) in HTTPS {
        let response = call(&world, name).await;
        let found = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert_eq!(found, *status, "{name}: {}", String::from_utf8_lossy(&body));
    }
    // The import that was asked for is done by the hint that it left.
    world.quiet().await;
    assert_eq!(world.last_run().await.state, RunState::Completed);
    assert_eq!(call(&world, "inbound-logs-get").await.status(), 200);
}

/// The claims are checked again behind the gateway.
#[tokio::test]
async fn claims_decide_who_may_do_what() {
    let world = World::new(Setup::default()).await;
    let open = ["admin-health", "admin-callback", "admin-licence-assign"];
    for (name, _) in HTTPS.iter().filter(|(name, _)| !open.contains(name)) {
        let change = |edit: fn(&mut Value)| {
            let mut json: Value = event(name);
            edit(&mut json);
            request(json)
        };
        let nobody = change(|json| json["requestContext"]["authorizer"] = Value::Null);
        let reader = change(|json| {
            json["requestContext"]["authorizer"]["jwt"]["claims"]["roles"] = "[reader]".into();
        });
        let writes = reader.method() != Method::GET;
        for (request, refused) in [(nobody, Some(401)), (reader, writes.then_some(403))] {
            let engine = world.engine.clone();
            let all = admin::router(engine.clone(), issued::auth())
                .merge(inbound_logs::router(engine, issued::auth()));
            let status = all.oneshot(request).await.unwrap().status().as_u16();
            if let Some(refused) = refused {
                assert_eq!(status, refused, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn the_tick_starts_what_is_due() {
    let world = World::new(Setup::default()).await;
    let _: scheduler::TickEvent = event("scheduler-tick");
    assert_eq!(scheduler::tick(&world.engine).await.unwrap(), 1);
    world.quiet().await;
    assert_eq!(world.last_run().await.state, RunState::Completed);
}

async fn handled(world: &World, name: &str) -> Vec<String> {
    let mut context = Context::default();
    context.deadline = u64::try_from(world.entra.now().as_millisecond()).unwrap() + 60_000;
    let SqsBatchResponse { batch_item_failures, .. } =
        batch(&world.engine, LambdaEvent::new(event(name), context)).await;
    batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

#[tokio::test]
async fn a_batch_holds_every_kind_of_hint_and_none_fails() {
    let world = World::new(Setup::default()).await;
    let sample: SqsEvent = event("worker-sqs");
    let bodies = sample.records.iter().map(|record| record.body.as_deref().unwrap());
    let hints: Vec<Message> = bodies.map(|body| engine::queue::parse(body).unwrap()).collect();
    // A new kind of hint does not compile here before it has a name and a sample.
    let kind = |hint: &Message| match hint {
        Message::Fetch { .. } => 0,
        Message::Index { .. } => 1,
        Message::Decide { .. } => 2,
        Message::Apply { .. } => 3,
        Message::Finish { .. } => 4,
        Message::Boards { .. } => 5,
        Message::SignIns { .. } => 6,
        Message::Preview { .. } => 7,
        Message::Licences { .. } => 8,
        Message::Assign { .. } => 9,
    };
    let kinds: BTreeSet<i32> = hints.iter().map(kind).collect();
    assert_eq!(kinds, (0..10).collect());

    assert!(handled(&world, "worker-sqs").await.is_empty());
    world.quiet().await;
    assert_eq!(world.last_run().await.state, RunState::Completed);
}

/// T1: a body that is no hint goes to the dead letters, and stops none of the others.
#[tokio::test]
async fn only_bodies_that_are_no_hints_come_back() {
    let world = World::new(Setup::default()).await;
    let failed: BTreeSet<String> =
        handled(&world, "worker-sqs-refused").await.into_iter().collect();
    let expected = [2, 3, 4].map(|number| format!("00000000-0000-4000-8000-{number:012}"));
    assert_eq!(failed, BTreeSet::from(expected));
    world.quiet().await;
    assert_eq!(world.last_run().await.state, RunState::Completed);
}
