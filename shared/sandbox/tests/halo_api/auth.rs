//! Tokens, scopes, discovery.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sandbox::halo::{API_AGENT_ID, CLIENT_ID, CLIENT_SECRET, TENANT, WrongTenant};
use serde_json::{Value, json};

use crate::support::{Caller, answer, small_halo, text, token_form};

#[tokio::test]
async fn discovery_names_the_token_server_and_the_tenant() {
    let caller = Caller::unsigned(small_halo()).await;
    let (status, body) = caller.get("/api/authinfo").await;
    let expected = json!({"auth_url": format!("{}/auth", caller.served.url), "tenant_id": TENANT});
    assert_eq!((status, body), (200, expected));
}

#[tokio::test]
async fn a_token_says_what_was_granted_and_who_signed_in() {
    let caller = Caller::unsigned(small_halo()).await;
    let (status, body) = caller.ask_token("", &token_form("all")).await;
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert!(body.get("refresh_token").is_none());
    let scope = body["scope"].as_str().unwrap();
    for granted in ["openid", "read:customers", "edit:customers", "admin"] {
        assert!(scope.split(' ').any(|name| name == granted), "{granted} is not in {scope}");
    }
    let claims = body["id_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["id"], API_AGENT_ID);
}

#[tokio::test]
async fn token_requests_that_are_refused() {
    let form = |id, secret, scope| {
        [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("scope", scope),
        ]
    };
    let good = form(CLIENT_ID, CLIENT_SECRET, "all");
    let cases = [
        ("", form("other", CLIENT_SECRET, "all"), 401, json!("invalid_client")),
        ("", form(CLIENT_ID, "wrong", "all"), 401, json!("invalid_client")),
        ("", form(CLIENT_ID, CLIENT_SECRET, "read:users"), 400, json!("invalid_scope")),
        (
            "",
            form(CLIENT_ID, CLIENT_SECRET, "edit:customers read:agents"),
            400,
            json!("invalid_scope"),
        ),
        ("?tenant=nobody", good, 500, Value::Null),
        ("?tenant=sandbox", good, 200, Value::Null),
        ("?tenant=SANDBOX", good, 200, Value::Null),
    ];
    let caller = Caller::unsigned(small_halo()).await;
    for (query, form, status, error) in cases {
        let (got, body) = caller.ask_token(query, &form).await;
        assert_eq!((got, &body["error"]), (status, &error), "{query} {form:?}");
    }
    let (status, body) = caller.ask_token("", &[("grant_type", "password")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
}

#[tokio::test]
async fn the_tenant_may_stand_in_the_form_and_the_client_in_the_header() {
    let caller = Caller::unsigned(small_halo()).await;
    let mut form = token_form("all");
    form.push(("tenant", "nobody"));
    assert_eq!(caller.ask_token("", &form).await.0, 500);

    let url = format!("{}/auth/token", caller.served.url);
    let form = [("grant_type", "client_credentials"), ("scope", "all")];
    let request = caller.http.post(url).basic_auth(CLIENT_ID, Some(CLIENT_SECRET)).form(&form);
    assert_eq!(answer(request).await.0, 200);
}

#[tokio::test]
async fn a_wrong_tenant_gets_a_page_or_nothing() {
    let caller = Caller::unsigned(small_halo()).await;
    for (knob, begins) in [(WrongTenant::HtmlPage, "<!DOCTYPE"), (WrongTenant::Empty, "")] {
        caller.halo.turn(|knobs| knobs.wrong_tenant = knob);
        let url = format!("{}/auth/token?tenant=nobody", caller.served.url);
        let (status, body) = text(caller.http.post(url).form(&token_form("all"))).await;
        assert_eq!(status, 500);
        assert!(body.starts_with(begins) && (body.is_empty() == begins.is_empty()));
    }
}

#[tokio::test]
async fn an_instance_on_the_premises_takes_any_tenant() {
    let caller = Caller::unsigned(small_halo()).await;
    caller.halo.set_tenant(None);
    assert_eq!(caller.ask_token("?tenant=nobody", &token_form("all")).await.0, 200);
}

#[tokio::test]
async fn a_token_without_scope_opens_nothing() {
    let mut caller = Caller::unsigned(small_halo()).await;
    let (_, body) = caller.ask_token("", &token_form("")).await;
    assert!(body.get("scope").is_none());
    caller.sign_in("").await;
    for path in ["/api/Users", "/api/Agent", "/api/VersionInfo"] {
        assert_eq!(caller.get(path).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn calls_without_a_living_token_get_401() {
    let mut caller = Caller::unsigned(small_halo()).await;
    assert_eq!(caller.get("/api/Users").await.0, 401);
    caller.token = "invented".to_owned();
    assert_eq!(caller.get("/api/Users").await.0, 401);

    caller.sign_in("all").await;
    caller.halo.advance(3599);
    assert_eq!(caller.get("/api/Users").await.0, 200);
    caller.halo.advance(1);
    assert_eq!(caller.get("/api/Users").await.0, 401);

    caller.halo.turn(|knobs| knobs.token_seconds = 60);
    caller.sign_in("all").await;
    caller.halo.advance(60);
    assert_eq!(caller.get("/api/Users").await.0, 401);

    caller.sign_in("all").await;
    caller.halo.revoke_tokens();
    assert_eq!(caller.get("/api/Users").await.0, 401);
}

#[tokio::test]
async fn scopes_open_endpoints() {
    let user = || json!([{"name": "N", "site_id": 11}]);
    let agent = || json!([{"name": "N"}]);
    // Scope; status of reading users, writing users, reading agents, writing agents, reading licences.
    let cases = [
        ("all", [200, 201, 200, 201, 200]),
        ("all:standard", [200, 201, 200, 403, 200]),
        ("read:customers", [200, 403, 200, 403, 403]),
        ("edit:customers", [200, 201, 200, 403, 403]),
        ("admin edit:tickets edit:customers", [200, 201, 200, 201, 403]),
        ("read:softwarelicensing", [403, 403, 200, 403, 200]),
    ];
    let mut caller = Caller::unsigned(small_halo()).await;
    for (scope, expected) in cases {
        caller.sign_in(scope).await;
        let got = [
            caller.get("/api/Users").await.0,
            caller.post("/api/Users", user()).await.0,
            caller.get("/api/Agent").await.0,
            caller.post("/api/Agent", agent()).await.0,
            caller.get("/api/SoftwareLicence").await.0,
        ];
        assert_eq!(got, expected, "{scope}");
    }
}

#[tokio::test]
async fn an_application_grants_no_more_than_it_was_given() {
    let mut caller = Caller::unsigned(small_halo()).await;
    caller.halo.set_scopes(&["read:customers"]);
    caller.sign_in("all").await;
    assert_eq!(caller.get("/api/Users").await.0, 200);
    assert_eq!(caller.post("/api/Users", json!([{"id": 101, "inactive": true}])).await.0, 403);
}

#[tokio::test]
async fn the_application_logs_in_as_an_agent() {
    let caller = Caller::small().await;
    let (_, me) = caller.get("/api/Agent/me").await;
    assert_eq!((&me["id"], &me["isapiagent"]), (&json!(API_AGENT_ID), &json!(true)));
    caller.halo.set_login_agent(5);
    assert_eq!(caller.get("/api/agent/ME").await.1["name"], "Tess Tech");
}

#[tokio::test]
async fn other_credentials_can_be_set() {
    let caller = Caller::unsigned(small_halo()).await;
    caller.halo.set_credentials(CLIENT_ID, "rotated");
    assert_eq!(caller.ask_token("", &token_form("all")).await.0, 401);
}
