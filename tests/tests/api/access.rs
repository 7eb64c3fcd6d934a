//! Who may call: tokens, roles, and paths that nobody has.

use axum::Router;
use lambda_http::request::from_str;
use serde_json::{Value, json};
use tests::issued;
use tests::world::{Setup, World};
use tower::ServiceExt;

use crate::support::Api;

const ID: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";

fn routes() -> Vec<(&'static str, String)> {
    let of = |tail: &str| format!("/v1/connections/contoso{tail}");
    vec![
        ("GET", "/v1/connections".into()),
        ("POST", "/v1/connections".into()),
        ("GET", of("")),
        ("PUT", of("")),
        ("DELETE", of("")),
        ("PUT", of("/credentials")),
        ("GET", of("/permissions")),
        ("POST", of("/authorise")),
        ("POST", of("/imports")),
        ("GET", of("/people/ada@contoso.example")),
        ("GET", of("/people/ada@contoso.example/explain")),
        ("PUT", of("/people/ada@contoso.example/link")),
        ("DELETE", of("/people/ada@contoso.example/link")),
        ("GET", of("/conflicts")),
        ("GET", of("/parked")),
        ("GET", of("/held")),
        ("POST", of("/held/release")),
        ("POST", of("/held/reject")),
        ("POST", of("/effect")),
        ("GET", of("/runs")),
        ("GET", format!("/v1/runs/{ID}")),
        ("GET", "/v1/inbound".into()),
        ("GET", "/v1/inbound/export".into()),
        ("GET", of("/audit")),
        ("GET", of("/groups")),
        ("POST", of("/deltas/reset")),
        ("GET", "/v1/audit".into()),
        ("GET", "/v1/halo/sites".into()),
        ("GET", "/v1/module".into()),
        ("PUT", "/v1/module".into()),
        ("GET", "/v1/halo/test".into()),
        ("GET", "/v1/halo/budget".into()),
        ("GET", "/v1/nothing".into()),
    ]
}

#[tokio::test]
async fn no_route_answers_without_the_token() {
    let api = Api::new().await;
    let headers: [&[(&str, &str)]; 5] = [
        &[],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic a-token-for-tests")],
        &[("authorization", "a-token-for-tests")],
    ];
    for (method, path) in routes() {
        for headers in headers {
            let answer = api.send_with(method, &path, Some(&json!({})), headers).await;
            assert_eq!(answer.problem(), "unauthenticated", "{method} {path} {headers:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert!(api.get("/v1/connections/contoso").await.status.is_success(), "nothing was removed");
}

#[tokio::test]
async fn health_needs_no_token() {
    let api = Api::new().await;
    let answer = api.send_with("GET", "/v1/health", None, &[]).await.ok();
    assert_eq!(answer.json["status"], "ok");
    assert_eq!(answer.json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.json["dead_letters"], 0);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_understood_is_a_problem() {
    let api = Api::new().await;
    for (method, path, problem) in [
        ("GET", "/v1/nothing", "not_found"),
        ("PATCH", "/v1/connections/contoso", "method_not_allowed"),
        ("GET", "/v1/connections/unknown", "not_found"),
        ("GET", "/v1/connections/Not%20An%20Id", "not_found"),
        ("GET", "/v1/connections/unknown/runs", "not_found"),
        ("POST", "/v1/connections/unknown/imports", "not_found"),
        ("POST", "/v1/connections/unknown/authorise", "not_found"),
        ("DELETE", "/v1/connections/unknown", "not_found"),
        ("GET", "/v1/connections/unknown/conflicts", "not_found"),
        ("GET", "/v1/connections/unknown/held", "not_found"),
        ("GET", "/v1/connections/unknown/parked", "not_found"),
        ("DELETE", "/v1/connections/unknown/people/ada@contoso.example/link", "not_found"),
        ("DELETE", "/v1/connections/contoso/people/nobody@contoso.example/link", "not_found"),
        ("GET", "/v1/connections/contoso/conflicts?limit=21", "invalid_request"),
        ("GET", "/v1/connections/contoso/held?cursor=abc", "invalid_cursor"),
        ("GET", "/v1/connections/contoso/people/nobody@contoso.example", "not_found"),
        ("GET", "/v1/connections/contoso/people/nobody@contoso.example/explain", "not_found"),
        ("GET", "/v1/runs/87d349ed-44d7-43e1-9a83-5f2406dee5bd", "not_found"),
        ("GET", "/v1/runs/7", "not_found"),
        ("GET", "/v1/connections?limit=0", "invalid_request"),
        ("GET", "/v1/connections?limit=201", "invalid_request"),
        ("GET", "/v1/connections?page=1", "invalid_request"),
        ("GET", "/v1/connections?limit=1&limit=2", "invalid_request"),
        ("GET", "/v1/connections?cursor=abc", "invalid_cursor"),
    ] {
        let answer = api.send(method, path, None).await;
        assert_eq!(answer.problem(), problem, "{method} {path}: {}", answer.text);
    }
    let broken = api.http_text("POST", "/v1/connections", "{\n  \"id\": ").await;
    assert_eq!(broken.problem(), "malformed_json");
    assert!(broken.json["detail"].as_str().unwrap().contains("line 2"), "{}", broken.text);
    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(api.http_text("POST", "/v1/connections", &large).await.problem(), "too_large");
}

#[tokio::test]
async fn halo_is_tested() {
    // H1
    let api = Api::new().await;
    let report = api.get("/v1/halo/test").await.ok().json;
    assert_eq!(report["passed"], true, "{report}");
    assert_eq!(report["entities"].as_array().unwrap().len(), 7);
}

/// A request as API Gateway hands it on, with the token whose claims those are.
pub(crate) async fn through_gateway(
    router: &Router,
    method: &str,
    path: &str,
    claims: &Value,
) -> (u16, Value) {
    let token = issued::token(&claims["jwt"]["claims"]);
    let authorization = token.map_or_else(String::new, |token| format!("Bearer {token}"));
    let event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path.split('?').next(),
        "rawQueryString": path.split_once('?').map_or("", |(_, query)| query),
        "headers": { "host": "api.example", "authorization": authorization },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "test" },
            "requestId": "request",
            "stage": "$default",
            "time": "02/Nov/2026:08:00:00 +0000",
            "timeEpoch": 1_793_606_400_000_i64,
            "authorizer": claims,
        },
        "isBase64Encoded": false
    });
    let request = from_str(&event.to_string()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Claims as the authoriser passes them on.
pub(crate) fn claims(roles: &str, expires: &str) -> Value {
    json!({ "jwt": { "scopes": null,
        "claims": { "roles": roles, "exp": expires, "sub": "somebody" } } })
}

/// A time after that of every test.
pub(crate) const LATER: &str = "1893456000";

pub(crate) fn behind_gateway(world: &World) -> Router {
    let engine = || world.engine.clone();
    let auth = issued::auth();
    let logs = inbound_logs::router(engine(), auth.clone());
    admin::router(engine(), auth).merge(logs)
}

#[tokio::test]
async fn readers_see_what_happened_but_no_personal_values() {
    // B4
    let world = World::new(Setup::default()).await;
    world.sync().await;
    let router = behind_gateway(&world);
    let made = world.log().await;
    let made = made.iter().find(|entry| entry.decision.name() == "create").unwrap();
    let person = &made.person;
    let masked = json!("•••");
    for (role, sees) in [("[administrator]", true), ("[reader]", false)] {
        let claims = claims(role, LATER);
        let of = format!("/v1/connections/contoso/people/{}", person.id);
        let (_, known) = through_gateway(&router, "GET", &of, &claims).await;
        let (_, why) = through_gateway(&router, "GET", &format!("{of}/explain"), &claims).await;
        for shown in [&known, &why] {
            let properties = &shown["facts"]["properties"];
            assert_eq!(properties["displayName"], person.display_name, "names are not masked");
            assert_eq!(properties["surname"] != masked, sees, "{shown}");
            assert_eq!(shown["link"]["user"]["image"]["emailaddress"] != masked, sees, "{shown}");
        }
        let entry = &why["log"][0];
        assert_eq!(entry["decision"], "create");
        for change in entry["changes"].as_array().unwrap() {
            let open = !change["after"].is_string() || change["after"] == "";
            assert_eq!(change["after"] != masked, sees || open, "{change}");
        }
    }
}

#[tokio::test]
async fn behind_the_gateway_the_claims_are_checked_again() {
    let world = World::new(Setup::default()).await;
    let router = behind_gateway(&world);
    let (later, earlier) = (LATER, "1600000000");
    let one = "/v1/connections/contoso";
    let cases = [
        ("GET", one, claims("[administrator]", later), 200),
        ("GET", one, claims("[reader]", later), 200),
        ("GET", "/v1/inbound", claims("[reader]", later), 200),
        ("GET", "/v1/halo/test", claims("[reader]", later), 403),
        ("DELETE", one, claims("[reader]", later), 403),
        ("POST", "/v1/connections/contoso/imports", claims("[reader]", later), 403),
        ("GET", "/v1/connections/contoso/held", claims("[reader]", later), 200),
        ("GET", "/v1/connections/contoso/conflicts", claims("[reader]", later), 200),
        ("POST", "/v1/connections/contoso/held/release", claims("[reader]", later), 403),
        ("POST", "/v1/connections/contoso/held/reject", claims("[reader]", later), 403),
        ("POST", "/v1/connections/contoso/effect", claims("[reader]", later), 403),
        ("PUT", "/v1/connections/contoso/people/ada/link", claims("[reader]", later), 403),
        ("DELETE", "/v1/connections/contoso/people/ada/link", claims("[reader]", later), 403),
        ("GET", one, claims("[]", later), 403),
        ("GET", one, claims("[administrators]", later), 403),
        ("GET", one, claims("[administrator]", earlier), 401),
        ("GET", one, json!({}), 401),
        ("GET", one, Value::Null, 401),
        ("GET", "/v1/health", Value::Null, 200),
    ];
    for (method, path, claims, status) in cases {
        let (answer, _) = through_gateway(&router, method, path, &claims).await;
        assert_eq!(answer, status, "{method} {path} {claims}");
    }
}
