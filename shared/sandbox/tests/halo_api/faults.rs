//! What goes wrong when a test says so.

use sandbox::halo::{Fault, RefusalShape};
use serde_json::json;

use crate::support::{Caller, answer, text, token_form};

#[tokio::test]
async fn a_fault_meets_the_requests_it_is_meant_for() {
    let caller = Caller::small().await;
    let fault = Fault::Status { code: 503, body: String::new() };
    caller.halo.fail_next("/api/Users", "POST", 2, fault);
    let update = || json!([{"id": 101, "title": "T"}]);
    assert_eq!(caller.get("/api/users").await.0, 200);
    assert_eq!(caller.post("/api/Agent", json!([{"id": 5, "jobtitle": "T"}])).await.0, 201);
    assert_eq!(caller.post("/api/users", update()).await.0, 503);
    assert_eq!(caller.post("/api/Users", update()).await.0, 503);
    assert_eq!(caller.post("/api/Users", update()).await.0, 201);
}

#[tokio::test]
async fn a_fault_can_wait_and_be_called_off() {
    let caller = Caller::small().await;
    caller.halo.fail_after(1, "/", "*", 5, Fault::Empty);
    assert_eq!(text(caller.getting("/api/Users/101")).await.0, 200);
    assert_eq!(text(caller.getting("/api/Users/101")).await, (200, String::new()));
    caller.halo.clear_faults();
    assert_eq!(caller.get("/api/Users/101").await.1["id"], 101);
}

#[tokio::test]
async fn faults_that_answer() {
    let caller = Caller::small().await;
    // Fault; status; how the body begins.
    let cases = [
        (Fault::Throttle { retry_after: None }, 429, "Rate Limit Reached"),
        (Fault::Status { code: 502, body: "{\"a\":1}".to_owned() }, 502, "{"),
        (Fault::Status { code: 409, body: "no".to_owned() }, 409, "no"),
        (Fault::Refusal(RefusalShape::ResultCode), 400, "{\"errorMessage\""),
        (Fault::HtmlPage, 500, "<!DOCTYPE html>"),
        (Fault::Empty, 200, ""),
    ];
    for (fault, status, begin) in cases {
        caller.halo.fail_next("/api/users", "POST", 1, fault.clone());
        let request = caller.posting("/api/Users", &json!([{"id": 101, "title": "T"}]));
        let (got, body) = text(request).await;
        assert!(got == status && body.starts_with(begin), "{fault:?}: {got} {body}");
    }
    assert!(caller.halo.writes().is_empty());
}

#[tokio::test]
async fn a_throttle_says_when_to_come_back() {
    let caller = Caller::small().await;
    for said in ["17", "Mon, 23 Nov 2026 10:00:00 GMT", "soon"] {
        let fault = Fault::Throttle { retry_after: Some(said.to_owned()) };
        caller.halo.fail_next("/auth/token", "POST", 1, fault);
        let url = format!("{}/auth/token", caller.served.url);
        let response = caller.http.post(url).form(&token_form("all")).send().await.unwrap();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], said);
    }
}

#[tokio::test]
async fn a_lost_reply_hides_what_was_saved() {
    let caller = Caller::small().await;
    caller.halo.fail_next("/api/Users", "POST", 1, Fault::ReplyLost);
    let create = json!([{"name": "N", "site_id": 11}]);
    // No status arrives.
    let error = caller.posting("/api/Users", &create).send().await.unwrap_err();
    assert!(error.status().is_none());
    assert_eq!(caller.halo.writes().len(), 1);
}

#[tokio::test]
async fn a_reset_connection_does_nothing() {
    let caller = Caller::small().await;
    caller.halo.fail_next("/api/Users", "POST", 1, Fault::ResetConnection);
    let create = json!([{"name": "N", "site_id": 11}]);
    assert!(caller.posting("/api/Users", &create).send().await.is_err());
    assert!(caller.halo.writes().is_empty());
    assert_eq!(answer(caller.posting("/api/Users", &create)).await.0, 201);
}

#[tokio::test]
async fn a_truncated_body_ends_in_the_middle() {
    let caller = Caller::small().await;
    caller.halo.fail_next("/api/Users", "*", 1, Fault::TruncatedBody);
    let mut response = caller.getting("/api/Users/101").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"{"));
    assert!(response.chunk().await.is_err());
}
