//! The settings audit: who changed what, before and after (C10).

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::small::{oid, setup, upn};
use crate::support::Api;

const AUDIT: &str = "/v1/connections/contoso/audit";

async fn entries(api: &Api, path: &str) -> Vec<Value> {
    api.get(path).await.ok().json["audit"].as_array().unwrap().clone()
}

/// Changes of one moment stand in no order.
fn later(api: &Api) {
    api.world.pass(SignedDuration::from_secs(1));
}

fn whats(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_saved_document_is_told_by_the_places_that_differ() {
    // C10
    let api = Api::with(setup()).await;
    assert_eq!(entries(&api, AUDIT).await, Vec::<Value>::new());
    let shown = api.get("/v1/connections/contoso").await;
    let mut document = shown.json.clone();
    document["sync"]["every_minutes"] = json!(30);
    document["mappings"].as_array_mut().unwrap().retain(|it| it["id"] != "helpdesk");
    document["mappings"][0]["sequence"] = json!(15);
    api.save("contoso", &shown.etag(), &document).await.ok();
    let audit = entries(&api, AUDIT).await;
    assert_eq!(whats(&audit), ["changed"]);
    assert_eq!(audit[0]["who"], "administrator token");
    assert_eq!(audit[0]["time"], "2026-11-02T08:00:00Z");
    let changes = audit[0]["changes"].as_array().unwrap();
    let paths: Vec<&str> = changes.iter().map(|it| it["path"].as_str().unwrap()).collect();
    let expected =
        ["$.mappings[\"everybody\"].sequence", "$.mappings[\"helpdesk\"]", "$.sync.every_minutes"];
    assert_eq!(paths, expected);
    let minutes = changes.iter().find(|it| it["path"] == "$.sync.every_minutes").unwrap();
    assert_eq!((&minutes["before"], &minutes["after"]), (&json!(15), &json!(30)));
    let gone = changes.iter().find(|it| it["path"] == "$.mappings[\"helpdesk\"]").unwrap();
    assert!(gone["before"].is_object() && gone.get("after").is_none());
}

#[tokio::test]
async fn a_connections_whole_life_is_told_and_outlasts_it() {
    // C1, C4, C10
    let api = Api::new().await;
    let of = "/v1/connections/fabrikam";
    let secret = json!({ "client_secret": sandbox::sample::CLIENT_SECRET });
    api.post("/v1/connections", &api.document("fabrikam")).await.ok();
    for (method, path, body) in [
        ("PUT", "credentials", &secret),
        ("POST", "authorise", &json!({})),
        ("PUT", "credentials", &secret),
    ] {
        later(&api);
        api.send(method, &format!("{of}/{path}"), Some(body)).await.ok();
    }
    let told = api.get(&format!("{of}/audit")).await.ok();
    let whole = told.json["audit"].as_array().unwrap().clone();
    let expected = ["credentials entered", "authorised", "credentials entered", "created"];
    assert_eq!(whats(&whole), expected, "newest first");
    assert!(!told.text.contains(sandbox::sample::CLIENT_SECRET), "C4");
    let made = &whole[3]["changes"][0];
    assert_eq!((&made["path"], &made["after"]["id"]), (&json!("$"), &json!("fabrikam")));

    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{of}/audit?limit=3{cursor}")).await.ok().json;
        paged.extend(page["audit"].as_array().unwrap().iter().cloned());
        let Some(next) = page["cursor"].as_str() else { break };
        let other = api.get(&format!("{AUDIT}?limit=3&cursor={next}")).await;
        assert_eq!(other.problem(), "invalid_cursor", "C1");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, whole);
    assert_eq!(entries(&api, AUDIT).await, Vec::<Value>::new(), "C1");

    later(&api);
    assert_eq!(api.send("DELETE", of, None).await.status, 204);
    let after = entries(&api, &format!("{of}/audit")).await;
    assert_eq!((whats(&after)[0], after.len()), ("removed", 5));
    let unknown = api.get("/v1/connections/unknown/audit").await;
    assert_eq!(unknown.problem(), "not_found");
    assert_eq!(api.get(&format!("{AUDIT}?limit=51")).await.problem(), "invalid_request");
}

#[tokio::test]
async fn links_rulings_and_resets_are_told() {
    // C10, D4, L4, M7
    let api = Api::with(setup()).await;
    api.world.sync().await;
    api.world.entra.soft_delete(&oid(1));
    let held = api.world.sync().await.run;
    let of = "/v1/connections/contoso";
    let person = format!("{of}/people/{}/link", upn(2));
    api.send("PUT", &person, Some(&json!({ "user": 502 }))).await.ok();
    later(&api);
    api.post(&format!("{of}/held/reject"), &json!({ "run": held })).await.ok();
    api.world.quiet().await;
    later(&api);
    api.post(&format!("{of}/deltas/reset"), &json!({ "mode": "clear" })).await.ok();
    let audit = entries(&api, AUDIT).await;
    let whats = whats(&audit);
    assert!(whats[0].starts_with("deltas reset (clear), forgotten: people: link "), "{whats:?}");
    assert_eq!(whats[1], format!("rejected deactivations of 1 people that run {held} held"));
    assert!(whats[2].starts_with("link of Ben (") && whats[2].ends_with("user 502"), "{whats:?}");
    assert!(audit.iter().all(|entry| entry["who"] == "administrator token"));
}
