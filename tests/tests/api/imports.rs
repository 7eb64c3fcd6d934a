//! Imports that an administrator asks for, and the runs that come of them (I2, I5, B5).

use engine::Engine;
use engine::web::Auth;
use jiff::SignedDuration;
use plan::schedule::Module;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::Api;

const IMPORTS: &str = "/v1/connections/contoso/imports";
const NOBODY: &str = "01a21b6a-595e-780a-bd2a-175ad527c940";

async fn run(api: &Api, id: &Value) -> Value {
    api.get(&format!("/v1/runs/{}", id.as_str().unwrap())).await.ok().json
}

#[tokio::test]
async fn an_import_is_a_run_that_can_be_followed() {
    // I2, B5
    let api = Api::new().await;
    let asked = api.post(IMPORTS, &json!({ "entities": ["users"] })).await;
    assert_eq!(asked.status, 202);
    let id = &asked.json["run"];
    assert_eq!(asked.headers["location"], format!("/v1/runs/{}", id.as_str().unwrap()));
    let queued = run(&api, id).await;
    assert_eq!((&queued["state"], &queued["trigger"]), (&json!("queued"), &json!("manual")));
    // Whoever asks while one waits is told of that one.
    let again = api.post(IMPORTS, &json!({ "entities": ["users"] })).await.ok();
    assert_eq!(again.json["run"], *id);
    api.world.quiet().await;

    let done = run(&api, id).await;
    assert_eq!(done["state"], "completed");
    assert_eq!(done["connection"], "contoso");
    assert_eq!(done["started"], queued["started"]);
    assert_eq!(done["error"], Value::Null);
    assert!(done["finished"].is_string());
    assert!(done["counts"]["created"].as_u64().unwrap() > 100, "{done}");
    assert!(done["requests"]["graph"].as_u64().unwrap() > 0);
    let list = api.get("/v1/connections/contoso/runs").await.ok().json;
    assert_eq!(list["runs"][0], done);
    assert_eq!(list["cursor"], Value::Null);

    api.world.pass(SignedDuration::from_mins(1));
    let second = api.post(IMPORTS, &json!({ "read": "full" })).await.ok().json;
    api.world.quiet().await;
    assert_eq!(run(&api, &second["run"]).await["state"], "completed");
    let page = api.get("/v1/connections/contoso/runs?limit=1").await.ok().json;
    assert_eq!(page["runs"][0]["run"], second["run"], "newest first");
    let cursor = page["cursor"].as_str().unwrap();
    let next = api.get(&format!("/v1/connections/contoso/runs?limit=1&cursor={cursor}")).await;
    assert_eq!(next.ok().json["runs"][0]["run"], *id);
}

#[tokio::test]
async fn what_an_import_does_not_understand_is_refused() {
    let api = Api::new().await;
    for (body, path) in [
        (json!({ "persons": ["ada"] }), "$"),
        (json!({ "people": [] }), "$.people"),
        (json!({ "people": vec!["ada"; 1001] }), "$.people"),
        (json!({ "people": ["ada"] }), "$.people[0]"),
        (json!({ "plan": "ada" }), "$"),
        (json!({ "plan": NOBODY, "entities": ["users"] }), "$.entities"),
        (json!({ "read": "all" }), "$"),
        (json!({ "entities": [] }), "$.entities"),
        (json!({ "entities": ["users", "licences"] }), "$.entities[1]"),
    ] {
        let answer = api.post(IMPORTS, &body).await;
        assert_eq!(answer.problem(), "invalid_request", "{body}: {}", answer.text);
        assert_eq!(answer.paths(), [path], "{body}");
    }
    assert_eq!(api.get("/v1/connections/contoso/runs").await.ok().json["runs"], json!([]));
}

#[tokio::test]
async fn nothing_is_imported_where_it_is_switched_off() {
    // C11
    let api = Api::new().await;
    let shown = api.get("/v1/connections/contoso").await;
    let mut document = shown.json.clone();
    document["enabled"] = json!(false);
    api.save("contoso", &shown.etag(), &document).await.ok();
    assert_eq!(api.post(IMPORTS, &json!({})).await.problem(), "disabled");

    let mut engine: Engine = api.world.engine.clone();
    engine.policy.module = Module::Off;
    let router = admin::router(engine, Auth::Local("t".into()));
    let request = axum::http::Request::post(IMPORTS).header("authorization", "Bearer t");
    let answer = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 409);
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("module_off"));
}

#[tokio::test]
async fn an_import_asked_for_in_the_middle_of_a_run_follows_it() {
    // I3
    let api = Api::new().await;
    let first = api.post(IMPORTS, &json!({})).await.ok().json["run"].clone();
    // One message begins the run, and reads; the next ones decide and write.
    let delivery = api.world.engine.queue.receive(1, std::time::Duration::ZERO).await.unwrap();
    let deadline =
        engine::clock::Deadline(api.world.engine.clock.now() + jiff::SignedDuration::from_secs(45));
    for one in delivery {
        api.world.engine.step(&one.message.unwrap(), deadline).await.unwrap();
        api.world.engine.queue.delete(&one.receipt).await.unwrap();
    }
    let under_way = run(&api, &first).await["state"].clone();
    assert!(["reading", "deciding"].map(Value::from).contains(&under_way), "{under_way}");
    let second = api.post(IMPORTS, &json!({})).await.ok().json["run"].clone();
    assert_ne!(first, second);
    api.world.quiet().await;
    assert_eq!(run(&api, &first).await["state"], "completed");
    assert_eq!(run(&api, &second).await["state"], "completed");
}

#[tokio::test]
async fn changed_rules_are_applied_to_everybody_without_a_full_read() {
    // I5
    let api = Api::new().await;
    api.world.sync().await;
    let shown = api.get("/v1/connections/contoso").await;
    let mut document = shown.json.clone();
    document["field_mappings"]["users"][5]["transforms"] = json!(["upper"]);
    let saved = api.save("contoso", &shown.etag(), &document).await.ok().json;
    let queued = saved["status"]["queued"].clone();
    let requests = api.world.graph_served.log.count();
    api.world.quiet().await;
    let done = run(&api, &queued).await;
    assert_eq!((&done["state"], &done["trigger"]), (&json!("completed"), &json!("rule_change")));
    assert!(done["counts"]["updated"].as_u64().unwrap() > 100, "{done}");
    let reads = api.world.graph_served.log.count() - requests;
    assert!(reads < 8, "{reads} requests are no read of changes");
    // The same document again changes nothing and starts nothing.
    let shown = api.get("/v1/connections/contoso").await;
    let again = api.save("contoso", &shown.etag(), &shown.json).await.ok().json;
    assert_eq!(again["status"]["queued"], Value::Null);
}
