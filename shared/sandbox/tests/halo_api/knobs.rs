//! Each knob in each position.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::halo::{
    API_AGENT_ID, AgentList, AgentRows, AzureSearch, BadElement, CustomFields, EmailCollision,
    HeldRoles, IdToken, LimitBody, ManyReply, NullInUpdate, Outage, RateLimit, RecordCount,
    RefusalShape, RetryAfter, UpdateStatus, UserAgent, UserRows,
};
use serde_json::{Value, json};

use crate::support::{Caller, OID, answer, small_halo, text, token_form};

#[tokio::test]
async fn agent_list() {
    let caller = Caller::small().await;
    for (knob, pointer) in [
        (AgentList::Bare, "/0"),
        (AgentList::Results, "/results/0"),
        (AgentList::Agents, "/agents/0"),
    ] {
        caller.halo.turn(|knobs| knobs.agent_list = knob);
        let (_, body) = caller.get("/api/Agent").await;
        assert_eq!(body.pointer(pointer).unwrap()["name"], "Tess Tech", "{knob:?}");
    }
}

#[tokio::test]
async fn agent_rows() {
    let caller = Caller::small().await;
    for (knob, shown) in [(AgentRows::WithIsAdmin, true), (AgentRows::WithoutIsAdmin, false)] {
        caller.halo.turn(|knobs| knobs.agent_rows = knob);
        let (_, body) = caller.get("/api/Agent").await;
        assert_eq!(body[0].get("is_admin").is_some(), shown, "{knob:?}");
        assert_eq!(caller.get("/api/Agent/5").await.1["is_admin"], false);
    }
}

#[tokio::test]
async fn held_roles() {
    let caller = Caller::small().await;
    caller.post("/api/Agent", json!([{"id": 5, "roles": [{"id": "b2c7"}]}])).await;
    caller.post("/api/Users", json!([{"id": 101, "roles": [{"id": 4}]}])).await;
    let agent_role = json!([{"id": "b2c7", "id_int": 7, "name": "Technician"}]);
    let user_role = json!([{"id": 4, "name": "Manager"}]);
    for (knob, agent_role, user_role, numbers) in [
        (HeldRoles::Objects, agent_role, user_role, Value::Null),
        (HeldRoles::Numbers, Value::Null, Value::Null, json!([7])),
    ] {
        caller.halo.turn(|knobs| knobs.held_roles = knob);
        let (_, list) = caller.get("/api/Agent?includeroles=true").await;
        for agent in [&list[0], &caller.get("/api/Agent/5").await.1] {
            assert_eq!((&agent["roles"], &agent["role_ids"]), (&agent_role, &numbers), "{knob:?}");
        }
        let (_, user) = caller.get("/api/Users/101").await;
        assert_eq!((&user["roles"], &user["role_ids"]), (&user_role, &json!([4])), "{knob:?}");
    }
}

#[tokio::test]
async fn id_token() {
    let caller = Caller::small().await;
    for (knob, given) in [(IdToken::Given, true), (IdToken::Omitted, false)] {
        caller.halo.turn(|knobs| knobs.id_token = knob);
        let (_, body) = caller.ask_token("", &token_form("all")).await;
        assert_eq!(body["id_token"].is_string(), given, "{knob:?}");
        assert_eq!(caller.get("/api/Agent/me").await.1["id"], API_AGENT_ID);
    }
}

#[tokio::test]
async fn many_reply() {
    let caller = Caller::small().await;
    let two = || json!([{"name": "One", "site_id": 11}, {"name": "Two", "site_id": 11}]);
    let last = caller.post("/api/Users", two()).await.1;
    assert_eq!(last["name"], "Two");
    caller.halo.turn(|knobs| knobs.many_reply = ManyReply::First);
    assert_eq!(caller.post("/api/Users", two()).await.1["name"], "One");
    caller.halo.turn(|knobs| knobs.many_reply = ManyReply::Array);
    assert_eq!(caller.post("/api/Users", two()).await.1[1]["name"], "Two");
    let one = caller.post("/api/Users", json!([{"name": "One", "site_id": 11}])).await.1;
    assert_eq!(one["name"], "One");
    assert_eq!(caller.halo.writes().len(), 7);
}

#[tokio::test]
async fn bad_element() {
    for (knob, saved) in [(BadElement::RejectsAll, 0), (BadElement::RestSaved, 2)] {
        let caller = Caller::small().await;
        caller.halo.turn(|knobs| knobs.bad_element = knob);
        let body = json!([{"name": "One", "site_id": 11}, {"name": "Bad"}, {"name": "Two", "site_id": 11}]);
        let (status, answer) = caller.post("/api/Users", body).await;
        assert_eq!(status, 400);
        assert!(answer.get("[1].site_id").is_some(), "{answer}");
        assert_eq!(caller.halo.writes().len(), saved, "{knob:?}");
    }
}

#[tokio::test]
async fn update_status() {
    let caller = Caller::small().await;
    for (knob, status) in [(UpdateStatus::Created, 201), (UpdateStatus::Ok, 200)] {
        caller.halo.turn(|knobs| knobs.update_status = knob);
        assert_eq!(caller.post("/api/Users", json!([{"id": 101, "title": "T"}])).await.0, status);
        assert_eq!(caller.post("/api/Users", json!([{"name": "N", "site_id": 11}])).await.0, 201);
    }
}

#[tokio::test]
async fn null_in_update() {
    for (knob, title) in [(NullInUpdate::Ignored, "Engineer"), (NullInUpdate::Clears, "")] {
        let caller = Caller::small().await;
        caller.halo.turn(|knobs| knobs.null_in_update = knob);
        let (_, user) = caller.post("/api/Users", json!([{"id": 101, "title": null}])).await;
        assert_eq!(user["title"], title, "{knob:?}");
    }
    let caller = Caller::small().await;
    let (_, user) = caller.post("/api/Users", json!([{"id": 101, "title": ""}])).await;
    assert_eq!(user["title"], "");
}

#[tokio::test]
async fn custom_fields() {
    for (knob, kept) in [(CustomFields::Replace, 1), (CustomFields::Merge, 2)] {
        let caller = Caller::small().await;
        caller.halo.turn(|knobs| knobs.custom_fields = knob);
        for fields in [
            json!([{"id": 123, "value": "B7"}]),
            json!([{"name": "cfkeep", "value": 2}, {"id": 999, "value": 1}]),
        ] {
            caller.post("/api/Users", json!([{"id": 101, "customfields": fields}])).await;
        }
        let user = caller.halo.user(101).unwrap();
        assert_eq!(user["customfields"].as_array().unwrap().len(), kept, "{knob:?}");
        assert_eq!(user["customfields"][kept - 1]["display"], "Yes");
    }
}

#[tokio::test]
async fn user_agent() {
    let caller = Caller::small().await;
    #[allow(clippy::disallowed_methods, reason = "a client without the policy of the product")]
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = format!("{}/auth/token", caller.served.url);
    for (knob, status) in [(UserAgent::Optional, 200), (UserAgent::Required, 403)] {
        caller.halo.turn(|knobs| knobs.user_agent = knob);
        assert_eq!(answer(bare.post(&token).form(&token_form("all"))).await.0, status);
        assert_eq!(caller.get("/api/Users").await.0, 200);
    }
}

#[tokio::test]
async fn page_cap_and_record_count() {
    let caller = Caller::small().await;
    caller.halo.turn(|knobs| knobs.page_cap = 2);
    for (knob, count) in [
        (RecordCount::Total, json!(4)),
        (RecordCount::Page, json!(2)),
        (RecordCount::Missing, Value::Null),
    ] {
        caller.halo.turn(|knobs| knobs.record_count = knob);
        let (_, body) = caller.get("/api/Users?pageinate=true&page_size=100&page_no=1").await;
        assert_eq!(body["users"].as_array().unwrap().len(), 2);
        assert_eq!(body["record_count"], count, "{knob:?}");
    }
}

#[tokio::test]
async fn rate_limit() {
    let caller = Caller::small().await;
    let limit = RateLimit { requests: 3, ..RateLimit::HOSTED };
    let shapes = [
        (RetryAfter::Omitted, LimitBody::Text, None),
        (RetryAfter::Seconds, LimitBody::Json, Some("290")),
    ];
    for (retry_after, body, waits) in shapes {
        caller.halo.turn(|knobs| knobs.rate_limit = Some(RateLimit { retry_after, body, ..limit }));
        caller.halo.advance(300);
        for _ in 0..3 {
            assert_eq!(caller.get("/api/authinfo").await.0, 200);
        }
        caller.halo.advance(10);
        let response = caller.getting("/api/Users").send().await.unwrap();
        assert_eq!(response.status(), 429);
        let header = response.headers().get("retry-after");
        assert_eq!(header.map(|value| value.to_str().unwrap()), waits);
        let said = response.text().await.unwrap();
        assert!(said.contains("Rate Limit Reached - 3 Requests per rolling 5 minute window"));
        assert_eq!(said.starts_with('{'), body == LimitBody::Json);
        assert_eq!(caller.ask_token("", &token_form("all")).await.0, 429);
    }
    caller.halo.advance(289);
    assert_eq!(caller.get("/api/Users").await.0, 429);
    caller.halo.advance(1);
    assert_eq!(caller.get("/api/Users").await.0, 200);
}

#[tokio::test]
async fn refusals() {
    let begins = [
        (RefusalShape::Text, "CODE:"),
        (RefusalShape::JsonString, "\"CODE:"),
        (RefusalShape::ModelState, r#"{"[0].name":["#),
        (RefusalShape::Exception, r#"{"ClassName":"#),
        (RefusalShape::ResultCode, r#"{"errorMessage":"#),
        (RefusalShape::Message, r#"{"Message":"#),
        (RefusalShape::Error, r#"{"error":"#),
        (RefusalShape::Html, "<!DOCTYPE html>"),
    ];
    assert_eq!(begins.map(|(shape, _)| shape), RefusalShape::ALL);
    let caller = Caller::small().await;
    for (shape, begin) in begins {
        caller.halo.turn(|knobs| knobs.refusals = Some(shape));
        let (status, body) = text(caller.posting("/api/Users", &json!([{"site_id": 11}]))).await;
        assert_eq!(status, 400);
        assert!(body.starts_with(begin), "{shape:?}: {}", &body[..40]);
        assert_eq!(body.len() > 200_000, shape == RefusalShape::Html);
    }
}

#[tokio::test]
async fn azure_search() {
    let caller = Caller::small().await;
    let search = json!([{"filter_name": "azureoid", "filter_type": 2, "filter_value": OID}]);
    for (knob, status) in [(AzureSearch::Works, 200), (AzureSearch::Refused, 400)] {
        caller.halo.turn(|knobs| knobs.azure_search = knob);
        let request =
            caller.getting("/api/Users").query(&[("advanced_search", search.to_string())]);
        assert_eq!(answer(request).await.0, status);
    }
}

#[tokio::test]
async fn user_rows() {
    let caller = Caller::small().await;
    for (knob, shown) in [(UserRows::Since2026, true), (UserRows::Since2024, false)] {
        caller.halo.turn(|knobs| knobs.user_rows = knob);
        let (_, body) = caller.get("/api/Users?search=ada").await;
        for name in ["azureoid", "email2", "email3"] {
            assert_eq!(body["users"][0].get(name).is_some(), shown, "{name} {knob:?}");
        }
        assert_eq!(caller.get("/api/Users/101").await.1["azureoid"], OID);
    }
}

#[tokio::test]
async fn hidden_clients() {
    let caller = Caller::small().await;
    caller.halo.turn(|knobs| knobs.hidden_clients = BTreeSet::from([1]));
    assert_eq!(caller.user_ids("includeinactive=true").await, [102]);
    assert_eq!(caller.get("/api/Site").await.1["record_count"], 1);
    assert_eq!(caller.get("/api/Client").await.1["record_count"], 1);
    assert_eq!(caller.get("/api/Users/101").await.0, 404);
    assert_eq!(caller.post("/api/Users", json!([{"id": 101, "title": "T"}])).await.0, 404);
    assert_eq!(caller.post("/api/Users", json!([{"name": "N", "site_id": 11}])).await.0, 400);
}

#[tokio::test]
async fn email_collision() {
    let caller = Caller::small().await;
    let second = || json!([{"name": "N", "site_id": 11, "emailaddress": "ADA@acme.example"}]);
    caller.halo.turn(|knobs| knobs.email_collision = EmailCollision::Refused);
    assert_eq!(caller.post("/api/Users", second()).await.0, 400);
    assert_eq!(caller.post("/api/Users", json!([{"id": 101, "title": "T"}])).await.0, 201);
    caller.halo.turn(|knobs| knobs.email_collision = EmailCollision::Allowed);
    assert_eq!(caller.post("/api/Users", second()).await.0, 201);
    // Two that are there already can still be saved.
    caller.halo.turn(|knobs| knobs.email_collision = EmailCollision::Refused);
    assert_eq!(caller.post("/api/Users", json!([{"id": 101, "inactive": true}])).await.0, 201);
}

#[tokio::test]
async fn named_licences() {
    let caller = Caller::small().await;
    caller.halo.turn(|knobs| knobs.named_licences = Some(1));
    // In order: a named agent, one too many, a concurrent one, the first again, and after it left.
    let steps = [
        (json!({"name": "A", "licence_type": 1}), 201),
        (json!({"name": "B", "licence_type": 1}), 400),
        (json!({"name": "C"}), 201),
        (json!({"id": 1000, "jobtitle": "T"}), 201),
        (json!({"id": 1000, "isdisabled": true}), 201),
        (json!({"name": "B", "licence_type": 1}), 201),
        (json!({"id": 1000, "isdisabled": false}), 400),
    ];
    for (agent, status) in steps {
        let (got, body) = caller.post("/api/Agent", json!([agent])).await;
        assert_eq!(got, status, "{agent} {body}");
    }
}

#[tokio::test]
async fn agents_with_open_tickets() {
    let caller = Caller::small().await;
    let disable = || json!([{"id": 5, "isdisabled": true}]);
    caller.halo.turn(|knobs| knobs.agents_with_open_tickets = BTreeSet::from([5]));
    assert_eq!(caller.post("/api/Agent", disable()).await.0, 400);
    assert_eq!(caller.post("/api/Agent", json!([{"id": 5, "jobtitle": "T"}])).await.0, 201);
    caller.halo.turn(|knobs| knobs.agents_with_open_tickets.clear());
    assert_eq!(caller.post("/api/Agent", disable()).await.0, 201);
    assert_eq!(caller.halo.agent(5).unwrap()["isdisabled"], true);
}

#[tokio::test]
async fn users_with_history() {
    let caller = Caller::small().await;
    caller.halo.turn(|knobs| knobs.users_with_history = BTreeSet::from([101]));
    for (id, status) in [(101, 400), (102, 200)] {
        let url = format!("{}/api/Users/{id}", caller.served.url);
        assert_eq!(answer(caller.http.delete(url).bearer_auth(&caller.token)).await.0, status);
    }
}

#[tokio::test]
async fn latency_and_outage() {
    let caller = Caller::small().await;
    caller.halo.turn(|knobs| knobs.latency = Duration::from_hours(1));
    let request = caller.getting("/api/Users").timeout(Duration::from_millis(50));
    assert!(request.send().await.unwrap_err().is_timeout());
    caller.halo.turn(|knobs| {
        knobs.latency = Duration::ZERO;
        knobs.outage = Outage::HtmlPage;
    });
    let (status, body) = text(caller.getting("/api/Users")).await;
    assert!(status == 500 && body.starts_with("<!DOCTYPE html>"));
    caller.halo.turn(|knobs| knobs.outage = Outage::Up);
    assert_eq!(caller.get("/api/Users").await.0, 200);
}

#[tokio::test]
async fn a_large_halo_is_paged_and_searched() {
    let halo = small_halo();
    for number in 0..20_000 {
        halo.add_user(&json!({"name": format!("Person {number}"), "site_id": 21,
            "emailaddress": format!("p{number}@globex.example"), "azureoid": format!("oid-{number}")}));
    }
    let caller = Caller::of(halo).await;
    let mut seen = BTreeSet::new();
    for page in 1..=201 {
        let query = format!("pageinate=true&page_size=100&page_no={page}");
        seen.extend(caller.user_ids(&query).await);
    }
    assert_eq!(seen.len(), 20_001);
    let found = caller.user_ids("search=p19999@globex").await;
    assert_eq!(found, caller.halo.users_with_azureoid("OID-19999"));
}
