//! Links that an administrator sets and cuts, and conflicts that are settled so (M3, M4, M7).

use plan::ids::RecordKind;
use serde_json::{Value, json};
use tests::world::int;

use crate::small::{
    BEN_ONE, BEN_TWO, EVE_AGENT, GUS, ROBOT, SERVICE, SHARED, SPARE, SPARE_AGENT, STRANGER,
    counted, oid, person, records, setup, upn,
};
use crate::support::{Answer, Api};

async fn api() -> Api {
    let api = Api::with(setup()).await;
    api.world.sync().await;
    api
}

fn path(n: u32) -> String {
    format!("/v1/connections/contoso/people/{}/link", upn(n))
}

async fn set(api: &Api, n: u32, body: &Value) -> Answer {
    api.send("PUT", &path(n), Some(body)).await
}

async fn cut(api: &Api, n: u32, query: &str) -> Answer {
    api.send("DELETE", &format!("{}{query}", path(n)), None).await
}

async fn conflicts(api: &Api) -> Vec<Value> {
    let list = api.get("/v1/connections/contoso/conflicts").await.ok().json;
    list["conflicts"].as_array().unwrap().clone()
}

fn names(conflicts: &[Value]) -> Vec<&str> {
    conflicts.iter().map(|it| it["person"]["display_name"].as_str().unwrap()).collect()
}

async fn counters_are_right(api: &Api) {
    let linked = api.world.state().await.linked;
    assert_eq!((linked.user, linked.agent), counted(&api.world).await);
}

#[tokio::test]
async fn a_conflict_is_listed_with_names_and_settled_for_good() {
    // M3
    let api = api().await;
    let listed = conflicts(&api).await;
    assert_eq!(names(&listed), ["Ben", "Cyd", "Dan"]);
    let ben = &listed[0];
    assert!(ben["sentence"].as_str().unwrap().contains("501, user 502"), "{ben}");
    let first = json!({ "kind": "user", "id": BEN_ONE, "name": "Ben one", "email": upn(2),
        "site": "Head office", "inactive": false });
    assert_eq!(ben["candidates"][0], first);
    let page = api.get("/v1/connections/contoso/conflicts?limit=2").await.ok().json;
    let cursor = page["cursor"].as_str().unwrap();
    let next = format!("/v1/connections/contoso/conflicts?limit=2&cursor={cursor}");
    let next = api.get(&next).await.ok().json;
    assert_eq!(names(next["conflicts"].as_array().unwrap()), ["Dan"]);

    let answer = set(&api, 2, &json!({ "user": BEN_TWO })).await.ok().json;
    assert_eq!(answer["link"]["user"]["id"], BEN_TWO);
    assert_eq!(answer["link"]["user"]["how"]["by"], "administrator");
    assert_eq!((&answer["parked"], &answer["conflict"]), (&Value::Null, &Value::Null));
    assert!(answer["run"].is_string());
    api.world.quiet().await;
    let user = api.world.halo.user(BEN_TWO).unwrap();
    assert_eq!((&user["name"], &user["azureoid"]), (&json!("Ben"), &json!(oid(2))));
    assert_eq!(api.world.halo.user(BEN_ONE).unwrap()["name"], "Ben one", "T6");

    // Two people for one record: whoever does not get it is looked at again.
    set(&api, 3, &json!({ "user": SHARED })).await.ok();
    api.world.quiet().await;
    assert_eq!(records(&api.world, 3).await.0, Some(SHARED));
    let dan = records(&api.world, 4).await.0.unwrap();
    assert!(dan > SPARE, "made anew");
    assert!(conflicts(&api).await.is_empty());
    counters_are_right(&api).await;
    assert_eq!(api.world.sync().await.counts.updated, 0, "settled for good");
}

#[tokio::test]
async fn a_new_record_can_be_chosen() {
    // M3
    let api = api().await;
    set(&api, 2, &json!({ "user": "create" })).await.ok();
    api.world.quiet().await;
    let made = records(&api.world, 2).await.0.unwrap();
    assert!(made > SPARE, "{made}");
    assert_eq!(names(&conflicts(&api).await), ["Cyd", "Dan"]);
    counters_are_right(&api).await;
}

#[tokio::test]
async fn candidates_are_numbers_where_halo_cannot_be_asked() {
    // M3, B4
    let api = api().await;
    let fault = sandbox::halo::Fault::Status { code: 503, body: String::new() };
    api.world.halo.fail_next("/api/Users", "GET", 1, fault);
    let list = api.get("/v1/connections/contoso/conflicts").await.ok().json;
    assert_eq!(list["conflicts"][0]["candidates"][0], json!({ "kind": "user", "id": BEN_ONE }));
    assert!(list["note"].as_str().unwrap().contains("503"), "{list}");
}

#[tokio::test]
async fn what_cannot_be_linked_is_refused_in_words() {
    // M4, M7
    let api = api().await;
    let general = api.world.halo.users().into_iter().find(|it| it["name"] == "General User");
    let general = int(&general.unwrap()["id"]);
    let ada = records(&api.world, 1).await.0.unwrap();
    let cases = [
        (json!({ "user": 4711 }), "Halo has no user 4711"),
        (json!({ "user": general }), "General User"),
        (json!({ "user": SERVICE }), "service account"),
        (json!({ "agent": ROBOT }), "agent of applications"),
        (json!({ "user": STRANGER }), "99999999-0000-4000-8000-000000000009"),
        (json!({ "user": GUS }), "linked to Gus (p7@contoso.example)"),
        (json!({ "user": ada }), "linked to Ada"),
        (json!({ "agent": EVE_AGENT }), "linked to Eve"),
        (json!({ "user": BEN_ONE, "agent": EVE_AGENT }), "linked to Eve"),
    ];
    let before = api.world.people().await;
    for (body, expected) in cases {
        let answer = set(&api, 2, &body).await;
        assert_eq!(answer.problem(), "link_refused", "{body}: {}", answer.text);
        assert!(answer.json["detail"].as_str().unwrap().contains(expected), "{}", answer.text);
    }
    assert_eq!(api.world.people().await, before, "nothing was stored");
    for (body, path) in [
        (json!({}), "$"),
        (json!({ "user": "somebody" }), "$.user"),
        (json!({ "agent": 0 }), "$.agent"),
        (json!({ "licence": 1 }), "$.licence"),
    ] {
        let answer = set(&api, 2, &body).await;
        assert_eq!(answer.problem(), "invalid_request", "{body}: {}", answer.text);
        assert_eq!(answer.paths(), [path], "{body}");
    }
    assert_eq!(cut(&api, 2, "?kind=licence").await.problem(), "invalid_request");
}

#[tokio::test]
async fn a_link_that_was_cut_stays_cut_until_something_else_is_picked() {
    // M7
    let api = api().await;
    assert_eq!(records(&api.world, 7).await.0, Some(GUS));
    for _ in 0..2 {
        let answer = cut(&api, 7, "?kind=user").await.ok().json;
        assert_eq!(answer["link"]["user"], Value::Null);
        assert_eq!(answer["link"]["choices"]["user"], "unlinked");
        counters_are_right(&api).await;
    }
    api.world.quiet().await;
    api.post("/v1/connections/contoso/imports", &json!({ "read": "full" })).await.ok();
    api.world.quiet().await;
    assert_eq!(records(&api.world, 7).await.0, None);
    let why = api.get(&path(7).replace("/link", "/explain")).await.ok().json;
    assert_eq!(why["decision"]["decision"], "not_in_scope", "{why}");
    assert!(why.to_string().contains("An administrator cut the link"), "{why}");
    set(&api, 7, &json!({ "user": "automatic" })).await.ok();
    api.world.quiet().await;
    assert_eq!(records(&api.world, 7).await.0, Some(GUS), "found again by the object id");
    counters_are_right(&api).await;
}

#[tokio::test]
async fn a_cut_agent_is_free_for_everybody() {
    // M2, M7: the index was built when it had an owner.
    let api = api().await;
    assert_eq!(records(&api.world, 5).await.1, Some(EVE_AGENT));
    cut(&api, 5, "?kind=agent").await.ok();
    api.world.quiet().await;
    assert_eq!(records(&api.world, 5).await.1, None);
    set(&api, 5, &json!({ "agent": "automatic" })).await.ok();
    api.world.quiet().await;
    assert_eq!(records(&api.world, 5).await.1, Some(EVE_AGENT), "by its former owner");
    cut(&api, 5, "?kind=agent").await.ok();
    let fay = records(&api.world, 6).await.1;
    set(&api, 6, &json!({ "agent": EVE_AGENT })).await.ok();
    api.world.quiet().await;
    assert_eq!(records(&api.world, 6).await.1, Some(EVE_AGENT), "by another one");
    assert_eq!(api.world.halo.agent(EVE_AGENT).unwrap()["name"], "Fay");
    set(&api, 5, &json!({ "agent": "automatic" })).await.ok();
    api.world.quiet().await;
    let eve = records(&api.world, 5).await.1;
    assert!(![None, Some(EVE_AGENT)].contains(&eve), "{eve:?} is not Fay's");
    assert!(fay.is_some() && fay != eve, "what Fay had was not Eve's either");
    counters_are_right(&api).await;
}

#[tokio::test]
async fn two_people_who_were_taken_for_each_other_are_put_right() {
    // M7
    let api = api().await;
    let ada = records(&api.world, 1).await.0.unwrap();
    cut(&api, 1, "?kind=user").await.ok();
    cut(&api, 7, "?kind=user").await.ok();
    // Each carries the object id of the other until the run writes it.
    set(&api, 1, &json!({ "user": GUS })).await.ok();
    set(&api, 7, &json!({ "user": ada })).await.ok();
    api.world.quiet().await;
    for (record, n) in [(GUS, 1), (ada, 7)] {
        assert_eq!(api.world.halo.user(record).unwrap()["azureoid"], oid(n));
        assert_eq!(records(&api.world, n).await.0, Some(record));
    }
    assert_eq!(api.world.halo.user(GUS).unwrap()["name"], "Ada");
    counters_are_right(&api).await;
}

#[tokio::test]
async fn an_inactive_record_and_a_spare_agent_can_be_picked_together() {
    // M7, L3
    let api = api().await;
    set(&api, 2, &json!({ "user": SPARE, "agent": SPARE_AGENT })).await.ok();
    counters_are_right(&api).await;
    api.world.quiet().await;
    assert_eq!(records(&api.world, 2).await, (Some(SPARE), Some(SPARE_AGENT)));
    assert_eq!(api.world.halo.user(SPARE).unwrap()["inactive"], true, "inactive by others");
    let link = person(&api.world, 2).await.link;
    assert!(!link.of(RecordKind::User).unwrap().activity.is_active());
    // An agent whom no agents mapping places is out of scope, and waits for the guard.
    assert!(person(&api.world, 2).await.held.is_some());
    counters_are_right(&api).await;
}

#[tokio::test]
async fn nobody_is_linked_through_another_connection() {
    // C1
    let api = api().await;
    let mut document = api.get("/v1/connections/contoso").await.ok().json;
    (document["id"], document["name"]) = (json!("fabrikam"), json!("Fabrikam"));
    api.post("/v1/connections", &document).await.ok();
    let other = path(2).replace("contoso/", "fabrikam/");
    for (method, body) in [("PUT", json!({ "user": BEN_ONE })), ("DELETE", json!({}))] {
        assert_eq!(api.send(method, &other, Some(&body)).await.problem(), "not_found");
    }
    for list in ["conflicts", "held"] {
        let page = api.get(&format!("/v1/connections/fabrikam/{list}")).await.ok().json;
        assert_eq!(page[list], json!([]));
    }
    let cursor = api.get("/v1/connections/contoso/conflicts?limit=1").await.ok().json;
    let cursor = cursor["cursor"].as_str().unwrap();
    let wrong = format!("/v1/connections/fabrikam/conflicts?limit=1&cursor={cursor}");
    assert_eq!(api.get(&wrong).await.problem(), "invalid_cursor");
}

#[tokio::test]
async fn agents_of_a_removed_connection_belong_to_nobody() {
    // M2, C1
    let api = api().await;
    let place = engine::store::keys::agent_owner(plan::ids::RecordId::agent(EVE_AGENT));
    let owned =
        || async { api.world.engine.store.get(std::slice::from_ref(&place)).await.unwrap() };
    assert!(owned().await[0].is_some());
    assert_eq!(api.send("DELETE", "/v1/connections/contoso", None).await.status, 204);
    assert!(owned().await[0].is_none());
}

#[tokio::test]
async fn a_change_is_in_the_audit_with_its_author() {
    // C10
    let api = api().await;
    set(&api, 2, &json!({ "user": BEN_ONE, "agent": "unlinked" })).await.ok();
    let own = engine::store::keys::own(&api.world.id);
    let range =
        engine::store::Range { prefix: "audit#".to_owned(), ..engine::store::Range::of(own, 100) };
    let page = api.world.engine.store.query(&range).await.unwrap();
    let last: Value = serde_json::from_str(&page.records.last().unwrap().body).unwrap();
    let what = last["what"].as_str().unwrap();
    assert!(what.contains("Ben (p2@contoso.example)"), "{what}");
    assert!(what.ends_with(": user 501, agent unlinked"), "{what}");
    assert_eq!(last["who"], "administrator token");
}
