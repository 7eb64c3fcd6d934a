//! People who are set aside are listed with the reason until they are tried again (T5), and the budget of
//! requests is told (H2).

use engine::halo::RequestLimit;
use jiff::SignedDuration;
use plan::budget::Limits;
use sandbox::halo::{Fault as HaloFault, RefusalShape};
use serde_json::{Value, json};
use tests::world::Setup;

use crate::small::{oid, setup, upn};
use crate::support::Api;

const PARKED: &str = "/v1/connections/contoso/parked";

async fn parked(api: &Api) -> Vec<Value> {
    let list = api.get(PARKED).await.ok().json;
    list["parked"].as_array().unwrap().clone()
}

fn names(people: &[Value]) -> Vec<&str> {
    people.iter().map(|it| it["person"]["display_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_is_set_aside_is_listed_until_it_is_done() {
    // T5
    let api = Api::with(setup()).await;
    api.world.sync().await;
    assert!(parked(&api).await.is_empty(), "whoever waits for a choice is among the conflicts");
    for n in [1, 7] {
        api.world.entra.update_user(&oid(n), json!({ "department": "Ops" }));
    }
    api.world.halo.fail_next("/api/Users", "POST", 2, HaloFault::Refusal(RefusalShape::ALL[0]));
    api.world.sync().await;
    let listed = parked(&api).await;
    assert_eq!(names(&listed), ["Ada", "Gus"]);
    let ada = &listed[0];
    assert!(ada["sentence"].as_str().unwrap().starts_with("Could not update"), "{ada}");
    assert!(ada["attempts"] == 1 && ada["until"].is_string(), "{ada}");
    let first = api.get(&format!("{PARKED}?limit=1")).await.ok().json;
    let cursor = first["cursor"].as_str().unwrap();
    let next = api.get(&format!("{PARKED}?limit=1&cursor={cursor}")).await.ok().json;
    assert_eq!(names(next["parked"].as_array().unwrap()), ["Gus"]);

    // What an administrator says of a link ends the waiting.
    let link = format!("/v1/connections/contoso/people/{}/link", upn(7));
    api.send("PUT", &link, Some(&json!({ "user": "automatic" }))).await.ok();
    assert_eq!(names(&parked(&api).await), ["Ada"]);
    api.world.quiet().await;
    api.world.pass(SignedDuration::from_mins(6));
    api.world.sync().await;
    assert!(parked(&api).await.is_empty());
}

#[tokio::test]
async fn the_budget_is_told_without_asking_halo() {
    // H2
    let limits = Limits { requests: 1000, window: 300 };
    let api = Api::with(Setup { limit: RequestLimit::Shared(limits), ..setup() }).await;
    api.world.sync().await;
    let asked = api.world.halo_served.log.all().len();
    let budget = api.get("/v1/halo/budget").await.ok().json;
    assert_eq!(api.world.halo_served.log.all().len(), asked);
    assert_eq!((&budget["requests"], &budget["window"]), (&json!(1000), &json!(300)), "{budget}");
    let left = budget["left"].as_u64().unwrap();
    assert!((1..1000).contains(&left), "the run asked for something: {budget}");
    assert_eq!(budget["closed_until"], Value::Null, "{budget}");
}
