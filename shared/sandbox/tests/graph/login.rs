//! The token endpoint and the check of bearer tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::client::{SECRET, Setup, TENANT};

#[tokio::test]
async fn wrong_credentials_have_their_codes() {
    let setup = Setup::new().await;
    for (tenant, change, status, code) in [
        ("11111111-2222-3333-4444-555555555555", vec![], 400, 90002),
        (TENANT, vec![("client_id", "other")], 400, 700_016),
        (TENANT, vec![("client_secret", "wrong")], 401, 7_000_215),
        (TENANT, vec![("client_secret", "")], 401, 7_000_218),
        (TENANT, vec![("scope", "https://foo.example/.default")], 400, 70011),
        (TENANT, vec![("scope", "")], 400, 900_144),
        (TENANT, vec![("grant_type", "password")], 400, 70003),
        (TENANT, vec![("client_secret", ""), ("client_assertion", "x.y.z")], 400, 900_144),
    ] {
        let got = setup.login(tenant, &change).await;
        let body = got.json();
        assert_eq!((got.status, &body["error_codes"]), (status, &json!([code])), "{change:?}");
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
    }
}

#[tokio::test]
async fn a_domain_names_the_tenant_too() {
    let setup = Setup::new().await;
    assert_eq!(setup.login("contoso.example", &[]).await.status, 200);
}

#[tokio::test]
async fn an_expired_secret_is_told_from_a_wrong_one() {
    let setup = Setup::new().await;
    setup.graph.set_secret(SECRET, Some(setup.graph.now()));
    let got = setup.login(TENANT, &[]).await;
    assert_eq!((got.status, &got.json()["error_codes"]), (401, &json!([7_000_222])));
}

#[tokio::test]
async fn a_token_without_any_permission_is_issued_all_the_same() {
    let mut setup = Setup::new().await;
    for permission in [
        "User.Read.All",
        "GroupMember.Read.All",
        "AuditLog.Read.All",
        "Organization.Read.All",
        "Application.Read.All",
        "Directory.Read.All",
    ] {
        setup.graph.revoke(permission);
    }
    setup.renew().await;
    let got = setup.get("/users").await;
    assert_eq!((got.status, got.code()), (403, "Authorization_RequestDenied".to_owned()));
    setup.graph.grant("User.Read.All");
    assert_eq!(setup.get("/users").await.status, 403, "an old token keeps its old roles");
    setup.renew().await;
    assert_eq!(setup.get("/users").await.status, 200);
}

#[tokio::test]
async fn tokens_are_refused_by_what_is_wrong_with_them() {
    let setup = Setup::new().await;
    let challenge = |got: &super::client::Got| got.headers["www-authenticate"].clone();
    for (header, part) in [
        (None, "Access token is empty."),
        (Some("Bearer "), "Access token is empty."),
        (Some("Bearer made-up"), "CompactToken parsing failed"),
    ] {
        let got = setup.get_bare("/users", header).await;
        assert_eq!((got.status, got.code()), (401, "InvalidAuthenticationToken".to_owned()));
        assert!(got.text.contains(part), "{}", got.text);
        assert!(challenge(&got).contains("authorization_uri"));
    }
    setup.graph.advance(5400);
    let got = setup.get("/users").await;
    assert!(got.text.contains("the token is expired"), "{}", got.text);
}

#[tokio::test]
async fn a_valid_token_can_be_refused_once() {
    let setup = Setup::new().await;
    setup.graph.faults(|faults| faults.refuse_valid_token = 1);
    assert_eq!(setup.get("/users").await.status, 401);
    assert_eq!(setup.get("/users").await.status, 200);
}

#[tokio::test]
async fn a_permission_can_go_in_the_middle_of_a_run() {
    let setup = Setup::new().await;
    setup.graph.faults(|faults| {
        faults.denied = ["GroupMember.Read.All", "Directory.Read.All"].map(str::to_owned).into();
    });
    assert_eq!(setup.get("/groups/delta").await.status, 403);
    assert_eq!(setup.get("/users/delta").await.status, 200);
}

#[tokio::test]
async fn access_tokens_show_their_roles_unless_they_are_opaque() {
    let mut setup = Setup::new().await;
    let claims = setup.token.split('.').nth(1).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!((&claims["tid"], &claims["idtyp"]), (&json!(TENANT), &json!("app")));
    assert!(claims["roles"].as_array().unwrap().contains(&json!("User.Read.All")));
    setup.graph.faults(|faults| faults.opaque_access_tokens = true);
    setup.renew().await;
    assert!(!setup.token.contains('.'));
    assert_eq!(setup.get("/users").await.status, 200);
}
