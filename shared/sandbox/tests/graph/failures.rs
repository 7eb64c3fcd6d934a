//! Throttling, scripted failures, and what every answer carries.

use sandbox::graph::{Body, Fault};

use super::client::{Setup, TENANT};

#[tokio::test]
async fn throttling_says_when_to_come_back_or_not() {
    let setup = Setup::new().await;
    for retry_after in [Some("7"), Some("0.5"), None] {
        let fault = Fault::Throttle { retry_after: retry_after.map(str::to_owned) };
        setup.graph.fail_next("/v1.0/users", 1, fault);
        let got = setup.get("/users").await;
        assert_eq!((got.status, got.code()), (429, "TooManyRequests".to_owned()));
        assert_eq!(got.headers.get("retry-after").map(String::as_str), retry_after);
        assert_eq!(setup.get("/users").await.status, 200);
    }
}

#[tokio::test]
async fn scripted_failures_hit_their_paths_only() {
    let setup = Setup::new().await;
    let body = Body::Error { code: "serviceNotAvailable".into(), message: "Later.".into() };
    setup.graph.fail_next("/v1.0/groups", 2, Fault::Status { code: 503, body });
    assert_eq!(setup.get("/users").await.status, 200);
    assert_eq!(setup.get("/groups").await.code(), "serviceNotAvailable");
    assert_eq!(setup.get("/groups").await.status, 503);
    assert_eq!(setup.get("/groups").await.status, 200);
    setup.graph.fail_next("/v1.0", 1, Fault::HtmlPage);
    let got = setup.get("/users").await;
    assert_eq!((got.status, got.headers["content-type"].as_str()), (502, "text/html"));
    setup.graph.fail_next("/v1.0", 1, Fault::Empty);
    assert_eq!(setup.get("/users").await.text, "");
    let gone = Fault::Status { code: 504, body: Body::Empty };
    setup.graph.fail_next(&format!("/{TENANT}/oauth2"), 1, gone);
    assert_eq!(setup.login(TENANT, &[]).await.status, 504);
}

#[tokio::test]
async fn connections_break_in_the_middle() {
    let setup = Setup::new().await;
    setup.add_users(50);
    for fault in [Fault::TruncatedBody, Fault::ResetConnection] {
        setup.graph.fail_next("/v1.0/users", 1, fault);
        assert!(setup.try_get("/users", &[]).await.is_err());
        assert_eq!(setup.get("/users").await.status, 200);
    }
}

#[tokio::test]
async fn resource_units_run_out_and_come_back() {
    let setup = Setup::new().await;
    setup.graph.faults(|faults| faults.resource_units = Some(10));
    assert_eq!(setup.get("/users").await.headers["x-ms-resource-unit"], "2");
    for _ in 0..4 {
        assert_eq!(setup.get("/users").await.status, 200);
    }
    let got = setup.get("/users").await;
    assert_eq!((got.status, got.headers["retry-after"].as_str()), (429, "10"));
    assert!(got.headers["x-ms-throttle-scope"].starts_with("Tenant_Application/ReadWrite/"));
    setup.graph.advance(10);
    assert_eq!(setup.get("/users?$select=id&$top=5").await.headers["x-ms-resource-unit"], "1");
}

#[tokio::test]
async fn answers_carry_the_ids_of_the_request() {
    let setup = Setup::new().await;
    let ours = "e70c5c1b-8b47-68c0-3171-3d22f5e0bd54";
    let got = setup.get_with("/users/x", &[("client-request-id", ours)]).await;
    assert_eq!(got.headers["client-request-id"], ours);
    assert_eq!(got.json()["error"]["innerError"]["client-request-id"], ours);
    let got = setup.get("/users").await;
    assert_eq!(got.headers["client-request-id"], got.headers["request-id"]);
    assert_eq!(got.headers["odata-version"], "4.0");
    assert_eq!(got.headers["date"], "Mon, 02 Nov 2026 08:00:00 GMT");
}
