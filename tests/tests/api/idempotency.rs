//! Calls with an `Idempotency-Key` are carried out once, however often they are sent.

use axum::http::Request;
use engine::web::Auth;
use jiff::SignedDuration;
use sandbox::server::Moment;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::small::{oid, setup};
use crate::support::{Answer, Api, TOKEN};

const OF: &str = "/v1/connections/contoso";

async fn keyed(api: &Api, path: &str, body: &Value, key: &str) -> Answer {
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str()), ("idempotency-key", key)];
    api.send_with("POST", &format!("{OF}{path}"), Some(body), &headers).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn runs(api: &Api) -> usize {
    api.get(&format!("{OF}/runs")).await.ok().json["runs"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_does_nothing() {
    let api = Api::with(setup()).await;
    let first = keyed(&api, "/imports", &json!({}), "k-1").await.ok();
    assert!(!is_replayed(&first));
    api.world.quiet().await;
    let done = runs(&api).await;
    for _ in 0..2 {
        let again = keyed(&api, "/imports", &json!({}), "k-1").await;
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        assert!(is_replayed(&again));
        for name in ["location", "content-type"] {
            assert_eq!(again.headers.get(name), first.headers.get(name), "{name}");
        }
    }
    api.world.quiet().await;
    assert_eq!(runs(&api).await, done, "no run came of it");
    let other = keyed(&api, "/imports", &json!({}), "k-2").await.ok();
    assert_ne!(other.json["run"], first.json["run"], "another key is another call");
    let elsewhere = keyed(&api, "/held/release", &json!({}), "k-1").await;
    assert_eq!(elsewhere.problem(), "invalid_request", "another address is another call");

    api.world.pass(SignedDuration::from_hours(25));
    let later = keyed(&api, "/imports", &json!({}), "k-1").await.ok();
    assert!(!is_replayed(&later), "after a day the answer is forgotten");
    assert_ne!(later.json["run"], first.json["run"]);
}

#[tokio::test]
async fn keys_are_checked_and_belong_to_one_body() {
    let api = Api::with(setup()).await;
    keyed(&api, "/imports", &json!({}), "k").await.ok();
    let other = keyed(&api, "/imports", &json!({ "read": "full" }), "k").await;
    assert_eq!(other.problem(), "key_reused");
    let long = "x".repeat(256);
    for key in ["", " ", "two words", long.as_str()] {
        let refused = keyed(&api, "/imports", &json!({}), key).await;
        assert_eq!(refused.problem(), "invalid_request", "{key}");
        assert_eq!(refused.paths(), ["Idempotency-Key"]);
    }
    let token = format!("Bearer {TOKEN}");
    let twice =
        [("authorization", token.as_str()), ("idempotency-key", "a"), ("idempotency-key", "b")];
    let refused = api.send_with("POST", &format!("{OF}/imports"), None, &twice).await;
    assert_eq!(refused.problem(), "invalid_request");
    // The gate stands before it.
    let nobody = [("idempotency-key", "k")];
    let refused = api.send_with("POST", &format!("{OF}/imports"), None, &nobody).await;
    assert_eq!(refused.problem(), "unauthenticated");
    // Reading takes no keys.
    let read = [("authorization", token.as_str()), ("idempotency-key", " ")];
    api.send_with("GET", &format!("{OF}/runs"), None, &read).await.ok();
}

#[tokio::test]
async fn a_refusal_is_not_the_last_word() {
    let api = Api::with(setup()).await;
    let turn = async |state: &str| {
        api.send("PUT", "/v1/module", Some(&json!({ "state": state }))).await.ok();
    };
    turn("off").await;
    let refused = keyed(&api, "/imports", &json!({}), "k").await;
    assert_eq!(refused.problem(), "module_off");
    turn("on").await;
    let done = keyed(&api, "/imports", &json!({}), "k").await.ok();
    assert!(!is_replayed(&done));
}

#[tokio::test]
async fn calls_at_the_same_time_are_carried_out_once() {
    let api = Api::with(setup()).await;
    let body = json!({});
    let calls = (0..8).map(|_| keyed(&api, "/imports", &body, "k"));
    let answers = futures::future::join_all(calls).await;
    let mut runs = std::collections::BTreeSet::new();
    for answer in &answers {
        if answer.status.is_success() {
            runs.insert(answer.json["run"].to_string());
        } else {
            assert_eq!(answer.problem(), "busy");
        }
    }
    assert_eq!(runs.len(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|it| it.status.is_success() && !is_replayed(it)).count(), 1);
}

#[tokio::test]
async fn resets_and_rulings_take_keys_too() {
    // D4, L4
    let api = Api::with(setup()).await;
    api.world.sync().await;
    let latest = json!({ "mode": "latest" });
    let first = keyed(&api, "/deltas/reset", &latest, "r").await.ok();
    api.world.pass(SignedDuration::from_hours(1));
    api.world.entra.soft_delete(&oid(1));
    let again = keyed(&api, "/deltas/reset", &latest, "r").await.ok();
    assert_eq!((again.text.as_str(), is_replayed(&again)), (first.text.as_str(), true));
    let held = api.world.sync().await;
    assert_eq!(held.counts.held, 1, "what came in between was not skipped: {held:#?}");
    for verb in ["release", "reject"] {
        let body = json!({ "run": held.run, "people": [oid(1)] });
        let path = format!("/held/{verb}");
        let first = keyed(&api, &path, &body, verb).await.ok();
        let again = keyed(&api, &path, &body, verb).await.ok();
        assert_eq!((again.text.as_str(), is_replayed(&again)), (first.text.as_str(), true));
    }
}

#[tokio::test]
async fn a_keyed_call_survives_kills() {
    // T2: killed between doing and storing, it is done again, and one run comes of it.
    let send = async |api: &Api| {
        let router = admin::router(api.world.engine.clone(), Auth::Local("t".into()));
        let request = Request::post(format!("{OF}/imports")).header("authorization", "Bearer t");
        let request =
            request.header("idempotency-key", "k").body(axum::body::Body::from("{}")).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let calm = Api::with(setup()).await;
    let before = calm.world.wire.calls();
    assert_eq!(send(&calm).await.0, 202);
    let calls = calm.world.wire.calls() - before;
    assert_eq!(calls, 4, "under way, the run, its hint, the answer");
    for at in 0..calls {
        for moment in [Moment::Before, Moment::After] {
            let api = Api::with(setup()).await;
            let wire = &api.world.wire;
            wire.set(wire.calls() + at, moment);
            tokio::select! {
                biased;
                () = wire.wait() => {}
                answer = send(&api) => assert_eq!(answer.0, 202),
            }
            let place = wire.sprung().unwrap();
            let (status, body) = send(&api).await;
            assert!(
                status == 202 || (status, at) != (409, 0) || moment == Moment::After,
                "{place}"
            );
            if status == 409 {
                assert!(body["type"].as_str().unwrap().ends_with(":busy"), "{place} {body}");
                api.world.pass(SignedDuration::from_secs(66));
            }
            let (status, last) = send(&api).await;
            assert_eq!(status, 202, "{place} {last}");
            assert_eq!(runs(&api).await, 1, "{place}");
            api.world.quiet().await;
            assert_eq!(json!(api.world.last_run().await.run), last["run"], "{place}");
            assert_eq!(send(&api).await.1, last, "{place}");
        }
    }
}
