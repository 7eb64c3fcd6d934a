//! Explanations of an earlier moment: the last decision before a time (B3).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::access::{LATER, behind_gateway, claims, through_gateway};
use crate::small::{oid, setup, upn};
use crate::support::{Answer, Api};

async fn at(api: &Api, who: &str, time: Timestamp) -> Answer {
    api.get(&format!("/v1/connections/contoso/people/{who}/explain?at={time}")).await
}

#[tokio::test]
async fn the_last_decision_before_a_time_is_told_with_its_reasons() {
    // B3
    let api = Api::with(setup()).await;
    let start = api.world.engine.clock.now();
    api.world.sync().await;
    let made = api.world.engine.clock.now();
    api.world.pass(SignedDuration::from_hours(3));
    api.world.entra.update_user(&oid(1), json!({ "displayName": "Ada Lovelace" }));
    api.world.sync().await;
    let changed = api.world.engine.clock.now();
    api.world.pass(SignedDuration::from_hours(1));

    let entries: Vec<Value> = api
        .get(&format!("/v1/inbound?connection=contoso&person={}", oid(1)))
        .await
        .ok()
        .json["entries"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(entries.len(), 2);
    let time = |entry: &Value| entry["time"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let (update, create) = (&entries[0], &entries[1]);
    let moment = SignedDuration::from_nanos(1);
    let operations = api.world.engine.store.operations();
    for (name, when, expected) in [
        ("now", api.world.engine.clock.now(), Some(update)),
        ("just behind the change", time(update) + moment, Some(update)),
        ("at the change: before it", time(update), Some(create)),
        ("between", made + SignedDuration::from_hours(1), Some(create)),
        ("just behind the import", time(create) + moment, Some(create)),
        ("at the import", time(create), None),
        ("before everything", start - SignedDuration::from_hours(1), None),
    ] {
        for who in [oid(1), upn(1)] {
            let told = at(&api, &who, when).await.ok().json;
            assert_eq!(&told["entry"], expected.unwrap_or(&Value::Null), "{name}");
            assert_eq!(told["note"].is_string(), expected.is_none(), "{name}");
            assert_eq!(told["person"]["id"], oid(1), "{name}");
            assert_eq!(told["at"], when.to_string(), "{name}");
        }
    }
    // B2: 14 questions, each at a constant cost.
    let cost = (api.world.engine.store.operations() - operations) / 14;
    assert!(cost <= 7, "{cost} store operations");
    let then = at(&api, &upn(1), changed).await.ok().json;
    assert_eq!(then["person"]["display_name"], "Ada", "the name of that time");
    assert!(then["entry"]["reasons"][0]["sentence"].as_str().unwrap().ends_with('.'));
}

#[tokio::test]
async fn who_was_never_imported_is_told_and_who_is_unknown_is_not_found() {
    // B3
    let api = Api::new().await;
    api.world.sync().await;
    let guest = api.world.log().await.into_iter().find(|entry| {
        entry.decision.name() == "not_in_scope"
            && entry.person.user_principal_name.contains("#EXT#")
    });
    let guest = guest.unwrap().person.id.to_string();
    let now = api.world.engine.clock.now() + SignedDuration::from_secs(1);
    let told = at(&api, &guest, now).await.ok().json;
    assert_eq!(told["entry"]["decision"], "not_in_scope");
    assert_eq!(told["entry"]["tried"].as_array().unwrap().len(), 4, "every mapping");
    for who in ["nobody@contoso.example", &oid(9)] {
        assert_eq!(at(&api, who, now).await.problem(), "not_found", "{who}");
    }
    let of = "/v1/connections/contoso/people";
    let wrong = api.get(&format!("{of}/{guest}/explain?at=yesterday")).await;
    assert_eq!((wrong.problem(), wrong.paths()), ("invalid_request", vec!["?at"]));
    // C1
    api.authorise("fabrikam").await;
    let other = api.get(&format!("/v1/connections/fabrikam/people/{guest}/explain?at={now}")).await;
    assert_eq!(other.problem(), "not_found");
}

#[tokio::test]
async fn a_time_that_the_log_does_not_reach_is_said() {
    // B3, B4
    let api = Api::with(setup()).await;
    api.world.sync().await;
    let then = api.world.engine.clock.now() + SignedDuration::from_hours(1);
    assert!(at(&api, &upn(1), then).await.ok().json["entry"].is_object());
    api.world.pass(SignedDuration::from_hours(91 * 24));
    let told = at(&api, &upn(1), then).await.ok().json;
    assert_eq!(told["entry"], Value::Null);
    assert!(told["note"].as_str().unwrap().contains("kept for 90 days"), "{told}");
    let now = at(&api, &upn(1), api.world.engine.clock.now()).await.ok().json;
    assert!(now["note"].as_str().unwrap().starts_with("No decision about this person"), "{now}");
}

#[tokio::test]
async fn readers_see_the_past_without_personal_values() {
    // B4
    let api = Api::with(setup()).await;
    api.world.sync().await;
    let router = behind_gateway(&api.world);
    let path = format!("/v1/connections/contoso/people/{}/explain", oid(1));
    let query = format!("at={}", api.world.engine.clock.now() + SignedDuration::from_secs(1));
    for (role, sees) in [("[administrator]", true), ("[reader]", false)] {
        let claims = claims(role, LATER);
        let (status, told) =
            through_gateway(&router, "GET", &format!("{path}?{query}"), &claims).await;
        assert_eq!(status, 200, "{told}");
        let changes = told["entry"]["changes"].as_array().unwrap();
        let mail = changes.iter().find(|it| it["field"] == "emailaddress").unwrap();
        assert_eq!(mail["after"] == upn(1).as_str(), sees, "{mail}");
        assert_eq!(told["person"]["display_name"], "Ada");
    }
}
