//! Credentials that come to their end are announced (C9).

use engine::store::connections::CredentialFacts;
use jiff::SignedDuration;
use plan::expiry::Nearness;
use sandbox::sample::CLIENT_SECRET;
use serde_json::{Value, json};

use crate::support::Api;

async fn facts(api: &Api) -> (u64, CredentialFacts) {
    let id = "fabrikam".parse().unwrap();
    let saved = api.world.engine.store.document(&id).await.unwrap().unwrap();
    (saved.version, saved.value.credentials.unwrap())
}

async fn warning(api: &Api) -> Value {
    api.get("/v1/connections/fabrikam").await.ok().json["status"]["credentials"]["warning"].clone()
}

#[tokio::test]
async fn the_end_of_a_secret_is_shown_and_told_once_for_each_threshold() {
    // C9
    let api = Api::new().await;
    api.post("/v1/connections", &api.document("fabrikam")).await.ok();
    let body = json!({ "client_secret": CLIENT_SECRET, "expires_at": "2027-01-31" });
    let path = "/v1/connections/fabrikam/credentials";
    api.send("PUT", path, Some(&body)).await.ok();
    // 89 days and 16 hours are left.
    api.world.engine.tick().await.unwrap();
    assert_eq!((facts(&api).await.1.told, warning(&api).await), (None, Value::Null));
    for (days, told, level, begins) in [
        (30, Nearness::SixtyDays, "sixty_days", "The client secret expires in 59 days"),
        (30, Nearness::ThirtyDays, "thirty_days", "The client secret expires in 29 days"),
        (23, Nearness::AWeek, "a_week", "The client secret expires in 6 days"),
        (6, Nearness::ADay, "a_day", "The client secret expires within a day"),
        (1, Nearness::Over, "over", "The client secret expired on 2027-01-31"),
    ] {
        api.world.pass(SignedDuration::from_hours(24 * days));
        api.world.engine.tick().await.unwrap();
        let (version, found) = facts(&api).await;
        assert_eq!(found.told, Some(told));
        api.world.engine.tick().await.unwrap();
        assert_eq!(facts(&api).await.0, version, "told once");
        let shown = warning(&api).await;
        assert_eq!(shown["level"], level);
        assert!(shown["sentence"].as_str().unwrap().starts_with(begins), "{shown}");
    }
    // New ones begin anew.
    let body = json!({ "client_secret": CLIENT_SECRET, "expires_at": "2028-01-31" });
    api.send("PUT", path, Some(&body)).await.ok();
    api.world.engine.tick().await.unwrap();
    assert_eq!((facts(&api).await.1.told, warning(&api).await), (None, Value::Null));
}
