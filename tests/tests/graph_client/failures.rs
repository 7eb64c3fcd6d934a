//! What fails outside: classified, never tried again by the client itself, and over when it is over.

use sandbox::graph::{Body, Fault};

use super::*;

fn answers(code: u16, name: &str) -> Fault {
    Fault::Status { code, body: Body::Error { code: name.to_owned(), message: "No.".to_owned() } }
}

fn throttle(seconds: &str) -> Fault {
    Fault::Throttle { retry_after: Some(seconds.to_owned()) }
}

#[tokio::test]
async fn each_fault_is_told_apart() {
    // T5: the kind decides what happens next.
    let cases = [
        (throttle("7"), "graph throttled Some(7)"),
        (throttle("0.5"), "graph throttled Some(1)"),
        (throttle("soon"), "graph throttled None"),
        (Fault::Throttle { retry_after: None }, "graph throttled None"),
        (Fault::Unavailable { retry_after: Some("5".into()) }, "graph throttled Some(5)"),
        (
            Fault::Unavailable { retry_after: None },
            "graph unavailable: HTTP 503 serviceNotAvailable",
        ),
        (Fault::HtmlPage, "graph unavailable: HTTP 502"),
        (Fault::Empty, "graph unavailable: the answer ended early"),
        (Fault::TruncatedBody, "graph unavailable: the "),
        (Fault::ResetConnection, "graph unavailable: the "),
        (Fault::Status { code: 500, body: Body::Empty }, "graph unavailable: HTTP 500"),
        (answers(504, "UnknownError"), "graph unavailable: HTTP 504 UnknownError"),
        (answers(509, "x"), "graph unavailable: HTTP 509 x"),
        (answers(501, "NotImplemented"), "graph refused 501 NotImplemented"),
        (answers(400, "BadRequest"), "graph refused 400 BadRequest"),
        (
            answers(403, "Authorization_RequestDenied"),
            "graph forbidden Authorization_RequestDenied",
        ),
        (answers(410, "resyncRequired"), "graph refused 410 resyncRequired"),
        (Fault::Status { code: 302, body: Body::Empty }, "graph malformed: HTTP 302"),
        (
            Fault::Status { code: 200, body: Body::Json(json!({ "value": 7 })) },
            "graph malformed: expected a page of a delta query with a link",
        ),
        (
            Fault::Status { code: 200, body: Body::Json(json!([1])) },
            "graph malformed: expected a page, which is an object",
        ),
    ];
    let world = World::new().await;
    world.add_users(1);
    let graph = world.client();
    graph.sign_in().await.unwrap();
    for (fault, expected) in cases {
        world.served.log.clear();
        let name = format!("{fault:?}");
        world.entra.fail_next("/v1.0/users/delta", 1, fault);
        let failed = graph.users_delta(None, &select(), Scope::Full).await;
        let told = failure(failed);
        // When a break is noticed, and so what is said of it, is the network's choice.
        assert!(
            told == expected || expected.ends_with("the ") && told.starts_with(expected),
            "{name}: {told}"
        );
        assert_eq!(world.served.log.count(), 1, "{name}: the queue tries again, not the client");
        let page = graph.users_delta(None, &select(), Scope::Full).await.unwrap();
        assert_eq!(page.items.len(), 1, "{name}: over when it is over");
    }
}

#[tokio::test]
async fn every_call_fails_in_the_same_way() {
    let world = World::new().await;
    let group = id(&world.entra.add_group(json!({ "displayName": "Sales" })));
    let graph = world.client();
    graph.sign_in().await.unwrap();
    let always = |fault| world.entra.fail_next("/v1.0", 1, fault);
    let forbidden = || answers(403, "Authorization_RequestDenied");
    let expected = "graph forbidden Authorization_RequestDenied";
    always(forbidden());
    assert_eq!(failure(graph.users_list(None, &select()).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.managers_list(None).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.users_count().await), expected);
    always(forbidden());
    assert_eq!(failure(graph.users_latest(&select()).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.groups_delta(None, &[group]).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.groups_latest(&[group]).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.members_list(group, None).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.find_groups(&["Sales".into()]).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.groups_by_id(&[group]).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.search_groups("Sa").await), expected);
    always(forbidden());
    assert_eq!(failure(graph.subscribed_skus().await), expected);
    always(forbidden());
    assert_eq!(failure(graph.holders_page(None).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.holder(group).await), expected);
    always(forbidden());
    assert_eq!(failure(graph.permissions().await), expected);
}

#[tokio::test]
async fn a_permission_that_is_taken_away_is_named() {
    // C6
    let world = World::new().await;
    world.add_users(1);
    world.entra.faults(|faults| {
        faults.denied.extend(["User.Read.All", "Directory.Read.All"].map(str::to_owned));
    });
    let refused = world.client().users_delta(None, &select(), Scope::Full).await.unwrap_err();
    assert_eq!(told(&refused), "graph forbidden Authorization_RequestDenied");
    assert!(refused.sentence().contains("admin consent"), "{}", refused.sentence());
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let world = World::new().await;
    let graph = world.client_with(|access| {
        let closed = "http://127.0.0.1:9".to_owned();
        access.hosts = Hosts { login: access.hosts.login.clone(), graph: closed };
    });
    // The simulator knows no other resource than itself, so signing in fails first.
    let refused = failure(graph.users_count().await);
    assert_eq!(
        refused, "login credentials Some(70011) invalid_scope",
        "C2: a token of another cloud"
    );
    let graph = world.client_with(|access| access.hosts.login = "http://127.0.0.1:9".to_owned());
    assert_eq!(failure(graph.users_count().await), "login unavailable: no connection");
}

#[tokio::test]
async fn no_failure_shows_a_link_a_token_or_a_secret() {
    // C4, D2
    let world = World::new().await;
    world.add_users(3);
    let graph = world.client();
    let (link, _) = Copy::default().round(&graph, None).await;
    let token = link.expose().split_once("token=").unwrap().1.to_owned();
    let faults = [
        Fault::ResetConnection,
        Fault::TruncatedBody,
        Fault::HtmlPage,
        Fault::Status {
            code: 400,
            body: Body::Error {
                code: "BadRequest".into(),
                message: format!("Bad: {}", link.expose()),
            },
        },
        Fault::Status {
            code: 400,
            body: Body::Error {
                code: "BadRequest".into(),
                message: format!("Bad $deltatoken={token}"),
            },
        },
    ];
    for fault in faults {
        world.entra.fail_next("/v1.0/users/delta", 1, fault);
        let failed = graph.users_delta(Some(&link), &select(), Scope::Changes).await.unwrap_err();
        let shown = format!("{} {failed:?}", failed.sentence());
        assert!(!shown.contains(&token) && !shown.contains("127.0.0.1"), "{shown}");
    }
    world.entra.set_secret("another", None);
    let failed = graph.sign_in().await.unwrap_err();
    let shown = format!("{} {failed:?} {graph:?}", failed.sentence());
    assert!(!shown.contains(CLIENT_SECRET), "{shown}");
}
