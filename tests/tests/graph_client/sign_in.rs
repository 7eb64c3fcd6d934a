//! Signing in, the tokens that are kept, and the permissions that they open.

use engine::graph::{Grant, Permission};
use sandbox::graph::{Body, Fault};

use super::*;

const TOKEN: &str = "/oauth2/v2.0/token";

#[tokio::test]
async fn a_token_is_asked_for_once_and_renewed_in_time() {
    // C6
    let world = World::new().await;
    world.add_users(1);
    let (one, two) = (world.client(), world.client());
    let all = (0..10).map(|n| if n % 2 == 0 { one.users_count() } else { two.users_count() });
    for count in futures::future::join_all(all).await {
        assert_eq!(count.unwrap(), 1);
    }
    assert_eq!(world.requests(TOKEN), 1, "many who need one ask once");
    world.advance(3_000);
    one.users_count().await.unwrap();
    assert_eq!(world.requests(TOKEN), 1);
    world.advance(5_400);
    world.served.log.clear();
    one.users_count().await.unwrap();
    let statuses: Vec<u16> = world.served.log.all().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [200, 200], "renewed before it is refused");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    // C7
    let world = World::new().await;
    world.add_users(1);
    let graph = world.client();
    world.entra.faults(|faults| faults.refuse_valid_token = 1);
    assert_eq!(graph.users_count().await.unwrap(), 1, "one backend's mistake");
    assert_eq!(world.requests(TOKEN), 2);
    world.entra.faults(|faults| faults.refuse_valid_token = 2);
    let refused = failure(graph.users_count().await);
    assert_eq!(refused, "graph credentials None InvalidAuthenticationToken");
    assert_eq!(world.requests(TOKEN), 3);
    assert_eq!(graph.users_count().await.unwrap(), 1);
}

#[tokio::test]
async fn refused_sign_ins_have_a_code_and_advice() {
    // C6
    let world = World::new().await;
    let graph = world.client();
    let cases = [
        (7_000_215, "credentials Some(7000215) invalid_client"),
        (7_000_222, "credentials Some(7000222) invalid_client"),
        (700_016, "credentials Some(700016) unauthorized_client"),
        (7_000_112, "credentials Some(7000112) unauthorized_client"),
        (90_002, "credentials Some(90002) invalid_request"),
        (70_011, "credentials Some(70011) invalid_scope"),
        (65_001, "credentials Some(65001) invalid_grant"),
        (50_076, "credentials Some(50076) interaction_required"),
        (90_055, "throttled None"),
    ];
    for (code, expected) in cases {
        world.entra.faults(|faults| faults.login_error = Some(code));
        assert_eq!(failure(graph.sign_in().await), format!("login {expected}"));
    }
}

#[tokio::test]
async fn what_passes_by_itself_is_no_reason_to_authorise_again() {
    // C7: throttling and 5xx never change the state.
    let world = World::new().await;
    let graph = world.client();
    let error = |code: u16, error: &str| Fault::Status {
        code,
        body: Body::Json(json!({ "error": error, "error_description": "AADSTS1: x" })),
    };
    let cases = [
        (Fault::Throttle { retry_after: Some("3".into()) }, "throttled Some(3)"),
        (Fault::Unavailable { retry_after: None }, "unavailable: HTTP 503"),
        (Fault::HtmlPage, "unavailable: HTTP 502"),
        (Fault::ResetConnection, "unavailable: the "),
        (Fault::TruncatedBody, "unavailable: the "),
        (error(400, "temporarily_unavailable"), "unavailable: HTTP 400 temporarily_unavailable"),
        (error(500, "server_error"), "unavailable: HTTP 500 server_error"),
        (Fault::Status { code: 404, body: Body::Empty }, "refused 404 "),
        (Fault::Empty, "unavailable: the answer ended early"),
    ];
    for (fault, expected) in cases {
        let name = format!("{fault:?}");
        world.entra.fail_next(&format!("/{TENANT_ID}/oauth2"), 1, fault);
        let told = failure(graph.sign_in().await);
        let expected = format!("login {expected}");
        // When a break is noticed, and so what is said of it, is the network's choice.
        assert!(
            told == expected || expected.ends_with("the ") && told.starts_with(&expected),
            "{name}: {told}"
        );
    }
    graph.sign_in().await.unwrap();
}

#[tokio::test]
async fn new_credentials_are_tested_beside_the_old_ones() {
    // C8
    let world = World::new().await;
    world.add_users(1);
    let old = world.client();
    old.users_count().await.unwrap();
    let wrong = world.client_with(|access| access.credential = secret("wrong"));
    let refused = "login credentials Some(7000215) invalid_client";
    assert_eq!(failure(wrong.sign_in().await), refused);
    assert_eq!(failure(wrong.users_count().await), refused, "nobody else's token is used for it");
    let asked = world.requests(TOKEN);
    old.users_count().await.unwrap();
    assert_eq!(world.requests(TOKEN), asked, "the old token is still there");

    world.entra.set_secret("next", None);
    let next = world.client_with(|access| access.credential = secret("next"));
    next.sign_in().await.unwrap();
    assert_eq!(failure(old.sign_in().await), refused, "a sign-in never answers from the cache");
}

#[tokio::test]
async fn an_expired_secret_is_told_when_the_token_ends() {
    // C7
    let world = World::new().await;
    world.add_users(1);
    world.entra.set_secret(CLIENT_SECRET, Some(START + SignedDuration::from_secs(60)));
    let graph = world.client();
    graph.users_count().await.unwrap();
    world.advance(7_200);
    let refused = failure(graph.users_count().await);
    assert_eq!(refused, "login credentials Some(7000222) invalid_client");
}

#[tokio::test]
async fn another_tenants_connection_has_a_token_of_its_own() {
    // C1
    let world = World::new().await;
    world.add_users(1);
    world.client().users_count().await.unwrap();
    let other = "11111111-2222-3333-4444-555555555555";
    let stranger = world.client_with(|access| access.tenant = other.parse().unwrap());
    let refused = failure(stranger.users_count().await);
    assert_eq!(refused, "login credentials Some(90002) invalid_request");
    let stranger = world.client_with(|access| access.client = other.parse().unwrap());
    let refused = failure(stranger.users_count().await);
    assert_eq!(refused, "login credentials Some(700016) unauthorized_client");
}

async fn grants(graph: &Graph) -> Vec<(&'static str, Grant)> {
    let all = graph.permissions().await.unwrap();
    all.into_iter().map(|(permission, grant)| (permission.name(), grant)).collect()
}

#[tokio::test]
async fn permissions_are_found_by_trying() {
    // C6
    let world = World::new().await;
    world.add_users(1);
    let graph = world.client();
    let (granted, missing) = (Grant::Granted, Grant::Missing);
    let expected = |users, groups, sign_ins, organisation, licences| {
        vec![
            (Permission::UserReadAll.name(), users),
            (Permission::GroupReadAll.name(), groups),
            (Permission::AuditLogReadAll.name(), sign_ins),
            (Permission::OrganizationReadAll.name(), organisation),
            (Permission::LicenseAssignmentReadWriteAll.name(), licences),
        ]
    };
    assert_eq!(grants(&graph).await, expected(granted, granted, granted, granted, missing));
    world.entra.set_premium(false);
    let unlicensed = Grant::Unlicensed;
    assert_eq!(grants(&graph).await, expected(granted, granted, unlicensed, granted, missing));
    world.entra.set_premium(true);
    for name in ["Directory.Read.All", "AuditLog.Read.All", "Organization.Read.All"] {
        world.entra.revoke(name);
    }
    world.entra.grant("LicenseAssignment.ReadWrite.All");
    assert_eq!(grants(&graph).await.last().unwrap().1, missing, "an old token keeps its roles");
    graph.sign_in().await.unwrap();
    assert_eq!(grants(&graph).await, expected(granted, granted, missing, granted, granted));
    world.entra.revoke("User.Read.All");
    world.entra.revoke("GroupMember.Read.All");
    world.entra.revoke("LicenseAssignment.ReadWrite.All");
    graph.sign_in().await.unwrap();
    assert_eq!(grants(&graph).await, expected(missing, missing, missing, missing, missing));
}

#[tokio::test]
async fn a_token_that_cannot_be_read_leaves_only_the_write_unknown() {
    // C6
    let world = World::new().await;
    world.entra.faults(|faults| faults.opaque_access_tokens = true);
    let found = grants(&world.client()).await;
    assert_eq!(found[0].1, Grant::Granted);
    assert_eq!(found[4].1, Grant::Unknown);
}
