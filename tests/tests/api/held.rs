//! Deactivations that wait for an administrator: listed, released, rejected (L4).

use plan::tally::RunState;
use serde_json::{Value, json};

use crate::small::{oid, person, records, setup, upn};
use crate::support::{Answer, Api};

const HELD: &str = "/v1/connections/contoso/held";

async fn list(api: &Api) -> Vec<Value> {
    api.get(HELD).await.ok().json["held"].as_array().unwrap().clone()
}

async fn rule(api: &Api, verb: &str, body: &Value) -> Answer {
    api.post(&format!("{HELD}/{verb}"), body).await
}

/// A world in which the guard holds that Ada and Gus are made inactive, and then that Fay is.
async fn held() -> (Api, String, String) {
    let api = Api::with(setup()).await;
    api.world.sync().await;
    for n in [1, 7] {
        api.world.entra.soft_delete(&oid(n));
    }
    let first = api.world.sync().await;
    assert_eq!((first.state, first.counts.held), (RunState::Held, 2), "{first:#?}");
    api.world.entra.update_user(&oid(6), json!({ "accountEnabled": false }));
    let second = api.world.sync().await;
    (api, first.run.to_string(), second.run.to_string())
}

fn inactive(api: &Api, record: Option<i64>) -> Value {
    api.world.halo.user(record.unwrap()).unwrap()["inactive"].clone()
}

#[tokio::test]
async fn held_people_are_listed_under_the_run_that_held_them() {
    // L4
    let (api, first, second) = held().await;
    let listed = list(&api).await;
    let of =
        |it: &Value| (it["person"]["display_name"].clone(), it["kinds"].clone(), it["run"].clone());
    let expected = [
        (json!("Ada"), json!(["user"]), json!(first)),
        (json!("Fay"), json!(["agent"]), json!(second)),
        (json!("Gus"), json!(["user"]), json!(first)),
    ];
    assert_eq!(listed.iter().map(of).collect::<Vec<_>>(), expected);
    assert!(listed[0]["sentence"].as_str().unwrap().contains("Deleted in Entra"), "{}", listed[0]);
    assert_eq!(listed[0]["ruling"], Value::Null);
    let page = api.get(&format!("{HELD}?limit=2")).await.ok().json;
    let next = format!("{HELD}?limit=2&cursor={}", page["cursor"].as_str().unwrap());
    assert_eq!(api.get(&next).await.ok().json["held"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_released_happens_and_what_is_rejected_does_not() {
    // L4
    let (api, first, second) = held().await;
    let (ada, gus) = (records(&api.world, 1).await.0, records(&api.world, 7).await.0);
    let body = json!({ "run": first, "people": [upn(1), oid(6)] });
    for _ in 0..2 {
        let answer = rule(&api, "release", &body).await.ok().json;
        assert_eq!((&answer["released"], &answer["left"]), (&json!(1), &json!(0)), "T2");
        assert_eq!(answer["others"][0]["person"]["display_name"], "Fay");
        assert_eq!(answer["others"][0]["run"], second.as_str());
        assert!(answer["run"].is_string());
    }
    let ruling = list(&api).await[0]["ruling"].clone();
    assert_eq!(
        (&ruling["says"], &ruling["by"]),
        (&json!("release"), &json!("administrator token"))
    );
    assert_eq!(ruling["until"].as_str().unwrap().get(..10), Some("2026-11-09"), "7 days");
    let answer = rule(&api, "reject", &json!({ "run": second })).await.ok().json;
    assert_eq!((&answer["rejected"], answer["others"].as_array().unwrap().len()), (&json!(1), 2));
    api.world.quiet().await;

    assert_eq!((inactive(&api, ada), inactive(&api, gus)), (json!(true), json!(false)));
    let fay = records(&api.world, 6).await.1.unwrap();
    assert_eq!(api.world.halo.agent(fay).unwrap()["isdisabled"], false, "rejected");
    let left: Vec<Value> = list(&api).await.iter().map(|it| it["person"]["id"].clone()).collect();
    assert_eq!(left, [oid(7)]);
    let log = api.get("/v1/inbound?decision=deactivate").await.ok().json;
    assert!(log.to_string().contains(&format!("released this deactivation, which run {first}")));
    // What was rejected stays so, also for the runs of the next days.
    api.world.entra.update_user(&oid(6), json!({ "displayName": "Fay Ny" }));
    api.world.sync().await;
    assert_eq!(api.world.halo.agent(fay).unwrap()["isdisabled"], false);
    assert!(person(&api.world, 6).await.held.is_none());

    // All that a run held.
    let answer = rule(&api, "release", &json!({ "run": first })).await.ok().json;
    assert_eq!(answer["released"], 1);
    api.world.quiet().await;
    assert_eq!(inactive(&api, gus), true);
    let nobody = rule(&api, "release", &json!({ "run": first })).await;
    assert_eq!(nobody.problem(), "not_found");
    assert!(nobody.json["detail"].as_str().unwrap().contains("Nobody is held by run"));
}

#[tokio::test]
async fn who_was_rejected_by_name_is_not_released_with_the_rest() {
    // L4
    let (api, first, _) = held().await;
    rule(&api, "reject", &json!({ "run": first, "people": [upn(1)] })).await.ok();
    let answer = rule(&api, "release", &json!({ "run": first })).await.ok().json;
    assert_eq!(answer["released"], 1);
    let others = answer["others"].as_array().unwrap();
    let ada = others.iter().find(|it| it["person"]["id"] == oid(1)).unwrap();
    assert_eq!(ada["ruling"], "reject");
    let (ada, gus) = (records(&api.world, 1).await.0, records(&api.world, 7).await.0);
    api.world.quiet().await;
    assert_eq!((inactive(&api, ada), inactive(&api, gus)), (json!(false), json!(true)));

    let (api, first, _) = held().await;
    rule(&api, "reject", &json!({ "run": first })).await.ok();
    let nobody = rule(&api, "release", &json!({ "run": first })).await;
    assert_eq!(nobody.problem(), "not_found");
    assert!(nobody.text.contains("Name the people of whom that is to change"), "{}", nobody.text);
    let by_name = json!({ "run": first, "people": [upn(1), upn(7)] });
    assert_eq!(rule(&api, "release", &by_name).await.ok().json["released"], 2);
}

#[tokio::test]
async fn a_ruling_has_to_say_of_which_run() {
    // L4
    let (api, first, second) = held().await;
    for (body, problem, said) in [
        (json!({}), "invalid_request", "missing field `run`"),
        (json!({ "run": "7" }), "invalid_request", "$"),
        (json!({ "run": first, "who": [] }), "invalid_request", "unknown field"),
        (json!({ "run": first, "people": [] }), "invalid_request", "1 to 1000 people"),
        (json!({ "run": first, "people": [upn(1), "x@y"] }), "invalid_request", "$.people[1]"),
        (json!({ "run": first, "people": [upn(2)] }), "not_found", "None of these people"),
        (json!({ "run": second, "people": [upn(1)] }), "not_found", first.as_str()),
    ] {
        for verb in ["release", "reject"] {
            let answer = rule(&api, verb, &body).await;
            assert_eq!(answer.problem(), problem, "{body}: {}", answer.text);
            assert!(answer.text.contains(said), "{body}: {}", answer.text);
        }
    }
    assert!(list(&api).await.iter().all(|it| it["ruling"].is_null()), "nothing was noted");
    let other = api.post("/v1/connections/unknown/held/release", &json!({ "run": first })).await;
    assert_eq!(other.problem(), "not_found");
}
