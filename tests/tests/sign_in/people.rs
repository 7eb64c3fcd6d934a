//! Who is let in, as what, and what they may look at (O2, O3).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use engine::sign_on::Visitor;
use engine::store::people::{Parked, Person};
use engine::store::{Expect, keys, put};
use engine::web::{Auth, Caller, Role};
use plan::facts::Presence;
use plan::link::Activity;
use plan::sign_on::Refusal;
use sandbox::sample::TENANT_ID;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::desk::Desk;

#[tokio::test]
async fn the_role_follows_from_the_link_and_from_what_halo_says() {
    // O2, O3
    let desk = Desk::new().await;
    let agent = desk.agent_id().await;
    desk.come(desk.agent);
    assert_eq!(desk.role().await, Ok(Role::Reader), "an agent without an administrator role");
    desk.world.halo.change_agent(agent, &json!({ "is_admin": true }));
    assert_eq!(desk.role().await, Ok(Role::Administrator), "Halo's own word");
    let shown = desk.world.halo.agent(agent).unwrap();
    let role = &shown["roles"][0];
    let number = role["id_int"].as_i64().or_else(|| shown["role_ids"][0].as_i64()).unwrap();
    desk.save(json!({ "administrator_roles": [number] })).await;
    assert_eq!(desk.role().await, Ok(Role::Administrator), "by the role");
    desk.save(json!({ "administrator_roles": [number + 1000] })).await;
    assert_eq!(desk.role().await, Ok(Role::Reader), "the roles alone count where there are any");
    // A user sees themselves.
    desk.come(desk.user);
    let Ok(Role::Person(oneself)) = desk.role().await else { panic!("no person") };
    assert_eq!((oneself.connection.as_str(), oneself.person), ("contoso", desk.user));
}

#[tokio::test]
async fn allow_says_who_comes_in() {
    // O2
    let desk = Desk::new().await;
    let cases = [
        ("agents", true, Ok("reader")),
        ("agents", false, Err("agents_only")),
        ("users", true, Ok("person")),
        ("users", false, Ok("person")),
        ("both", true, Ok("reader")),
        ("both", false, Ok("person")),
    ];
    for (allow, agent, expected) in cases {
        desk.save(json!({ "allow": allow })).await;
        desk.come(if agent { desk.agent } else { desk.user });
        let found = desk.role().await;
        let found = found.as_ref().map(Role::name).map_err(Refusal::name);
        assert_eq!(found, expected, "{allow} {agent}");
    }
}

#[tokio::test]
async fn several_tenants_sign_in_where_each_is_named() {
    // O1
    let desk = Desk::new().await;
    let other = "99999999-2222-3333-4444-555555555555";
    for (allowed, expected) in
        [(json!([other, TENANT_ID]), Ok("person")), (json!([other]), Err("other_tenant"))]
    {
        desk.save(json!({ "tenant": { "type": "multi", "allowed": allowed } })).await;
        let begun = desk.begin().await;
        assert!(begun.url.contains("/organizations/oauth2/v2.0/authorize"), "{}", begun.url);
        let found = desk.role().await;
        let found = found.as_ref().map(Role::name).map_err(Refusal::name);
        assert_eq!(found, expected, "{allowed}");
        desk.pass_minutes(2);
    }
    // Nobody of an allowed tenant that no connection imports.
    desk.save(json!({ "tenant": { "type": "multi", "allowed": [other] } })).await;
    let refused = desk.sign_in_with(|faults| faults.signs_in_from = Some(other.to_owned())).await;
    assert_eq!(refused.unwrap_err().name(), "unknown_person");
}

/// Something that happens to a person as we know them.
type Change = fn(&mut Person);

#[tokio::test]
async fn people_whom_entra_or_halo_put_out_are_refused() {
    // O3
    let desk = Desk::new().await;
    let fix = async |change: &dyn Fn(&mut Person)| {
        let key = keys::person(&desk.world.id, desk.user);
        let mut person = desk.world.people().await[&desk.user].value.clone();
        change(&mut person);
        desk.world.put_raw(&[put(key, &person, Expect::Anything).unwrap()]).await;
    };
    let whole = desk.world.people().await[&desk.user].value.clone();
    let cases: [(&str, Change); 8] = [
        ("deleted", |it| Arc::make_mut(&mut it.facts).presence = Presence::SoftDeleted),
        ("deleted", |it| Arc::make_mut(&mut it.facts).presence = Presence::Purged),
        ("deleted", |it| Arc::make_mut(&mut it.facts).presence = Presence::Missing),
        ("unknown_person", |it| Arc::make_mut(&mut it.facts).presence = Presence::Unread),
        ("disabled", |it| {
            let facts = Arc::make_mut(&mut it.facts);
            facts.properties.insert("accountEnabled".into(), plan::facts::Value::Bool(false));
        }),
        ("inactive", |it| it.link.user.as_mut().unwrap().activity = Activity::InactiveByUs),
        ("not_linked", |it| it.link.user = None),
        ("parked", |it| {
            it.link.user = None;
            let sentence = "It did not work.".to_owned();
            it.parked = Some(Parked { attempts: 1, sentence, until: None });
        }),
    ];
    let cookie = desk.sign_in().await.unwrap().cookie;
    assert!(desk.session(&cookie).await.is_some());
    for (expected, change) in cases {
        // At the sign-in, and with the next request of a session that is there.
        let cookie = desk.sign_in().await.unwrap().cookie;
        fix(&change).await;
        assert_eq!(desk.sign_in().await.unwrap_err().name(), expected);
        let Visitor::NoLonger(refusal) = desk.visitor(&cookie).await else { panic!("{expected}") };
        assert_eq!(refusal.name(), expected);
        assert!(desk.session(&cookie).await.is_none(), "the session is over for good");
        fix(&|person| *person = whole.clone()).await;
    }
    // Nobody of that id was ever read.
    desk.world.entra.sign_in_as("12345678-1234-4234-8234-123456789012");
    assert_eq!(desk.sign_in().await.unwrap_err().name(), "unknown_person");
}

#[tokio::test]
async fn an_agent_is_let_in_only_as_long_as_halo_says_so() {
    // O3
    let desk = Desk::new().await;
    let agent = desk.agent_id().await;
    desk.save(json!({ "allow": "agents" })).await;
    desk.come(desk.agent);
    desk.world.halo.change_agent(agent, &json!({ "isdisabled": true }));
    assert_eq!(desk.sign_in().await.unwrap_err().name(), "inactive");
    // As a user they go on, where users are let in.
    desk.save(json!({ "allow": "both" })).await;
    assert_eq!(desk.role().await.unwrap().name(), "person");
    desk.world.halo.remove_agent(agent);
    assert_eq!(desk.role().await.unwrap().name(), "person");
    let fault = sandbox::halo::Fault::Status { code: 503, body: String::new() };
    desk.world.halo.fail_next("/api/Agent", "GET", 1, fault);
    assert_eq!(desk.sign_in().await.unwrap_err().name(), "halo_unavailable");
}

fn router(desk: &Desk) -> Router {
    let engine = || desk.world.engine.clone();
    let auth = || Auth::Local("a-token-for-tests".into());
    admin::router(engine(), auth()).merge(inbound_logs::router(engine(), auth()))
}

/// A request as the console makes it: with its visitor, without a token.
async fn ask(router: &Router, method: &str, path: &str, caller: Option<&Caller>) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let mut request = request.body(Body::from("{}")).unwrap();
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller.clone());
    }
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_user_sees_their_own_record_and_log_and_nothing_else() {
    // O3
    let desk = Desk::new().await;
    let (own, other) = (desk.user, desk.agent);
    let cookie = desk.sign_in().await.unwrap().cookie;
    let caller = desk.session(&cookie).await.unwrap().caller;
    let router = router(&desk);
    let of = |who: &str, tail: &str| format!("/v1/connections/contoso/people/{who}{tail}");
    let (me, them) = (own.to_string(), other.to_string());
    let upn = desk.world.people().await[&own].value.facts.user_principal_name().to_owned();
    let log =
        |connection: &str, who: &str| format!("/v1/inbound?connection={connection}&person={who}");
    let good =
        [of(&me, ""), of(&me, "/explain"), log("contoso", &me), log("contoso", &me) + "&limit=1"];
    for path in &good {
        let (status, body) = ask(&router, "GET", path, Some(&caller)).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.to_string().contains("•••"), "their own values are not masked: {body}");
        // A cookie by itself opens nothing.
        assert_eq!(ask(&router, "GET", path, None).await.0, 401);
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let (status, body) = ask(&router, method, path, Some(&caller)).await;
            assert!([403, 405].contains(&status), "{method} {path}: {status} {body}");
        }
    }
    let (_, entries) = ask(&router, "GET", &good[2], Some(&caller)).await;
    let entries = entries["entries"].as_array().unwrap();
    assert!(!entries.is_empty());
    assert!(entries.iter().all(|entry| entry["person"]["id"] == me), "{entries:?}");
    let bad = [
        of(&them, ""),
        of(&them, "/explain"),
        of(&upn, ""),
        of(&me, "").replace("contoso", "fabrikam"),
        of(&me, "/link"),
        log("contoso", &them),
        log("fabrikam", &me),
        log("contoso", &upn),
        format!("/v1/inbound?person={me}"),
        "/v1/inbound?connection=contoso".to_owned(),
        "/v1/inbound".to_owned(),
        format!("/v1/inbound/export?connection=contoso&person={me}"),
        "/v1/connections".to_owned(),
        "/v1/connections/contoso".to_owned(),
        "/v1/sign-in".to_owned(),
        "/v1/nothing".to_owned(),
    ];
    for path in bad {
        let (status, body) = ask(&router, "GET", &path, Some(&caller)).await;
        assert_eq!(status, 403, "{path}: {body}");
    }
    let twice = format!("{}&person={them}", log("contoso", &me));
    assert_eq!(ask(&router, "GET", &twice, Some(&caller)).await.0, 400, "no second person");
}

#[tokio::test]
async fn no_operation_but_those_three_opens_for_a_user() {
    // O3: a new route cannot be forgotten.
    let desk = Desk::new().await;
    let cookie = desk.sign_in().await.unwrap().cookie;
    let caller = desk.session(&cookie).await.unwrap().caller;
    let router = router(&desk);
    let me = desk.user.to_string();
    let document = tests::described::document();
    let mut opened = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        let path = template.replace("{who}", &me);
        let id = if template.starts_with("/v1/connections/") { "contoso" } else { &me };
        let path = path.replace("{id}", id).replace("{sku}", &me).replace("{list}", "sites");
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            if !["GET", "PUT", "POST", "DELETE", "PATCH"].contains(&method.as_str()) {
                continue;
            }
            let path = format!("{path}?connection=contoso&person={me}");
            let (status, _) = ask(&router, &method, &path, Some(&caller)).await;
            if status != 403 {
                opened.push(format!("{method} {template}"));
            }
        }
    }
    let needs_no_caller = [
        "GET /v1/health",
        "GET /v1/oauth/callback",
        "GET /v1/openapi.json",
        "POST /v1/licence-assignments",
    ];
    opened.retain(|it| !needs_no_caller.contains(&it.as_str()));
    assert_eq!(
        opened,
        [
            "GET /v1/connections/{id}/people/{who}",
            "GET /v1/connections/{id}/people/{who}/explain",
            "GET /v1/inbound",
        ]
    );
}
