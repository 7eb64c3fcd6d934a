//! What each way of failing means, and that no secret gets out with it (H5).

use plan::failure::Kind;
use plan::ids::RecordKind;
use sandbox::halo::{CLIENT_SECRET, Fault, LimitBody, Outage, RateLimit, RetryAfter};

use super::{World, failure, kind};

fn status(code: u16, body: &str) -> Fault {
    Fault::Status { code, body: body.to_owned() }
}

fn throttle(retry_after: &str) -> Fault {
    Fault::Throttle { retry_after: Some(retry_after.to_owned()) }
}

#[tokio::test]
async fn every_fault_has_its_kind() {
    let unavailable = |detail: &str| Kind::Unavailable { detail: detail.to_owned() };
    let malformed = |detail: &str| Kind::Malformed { detail: detail.to_owned() };
    let refused = |status, code: &str, message: &str| {
        let (code, message) = (code.to_owned(), message.to_owned());
        Kind::Refused { status, code, message }
    };
    let cases = [
        (Fault::Throttle { retry_after: None }, Kind::Throttled { retry_after: None }),
        (throttle("7"), Kind::Throttled { retry_after: Some(7) }),
        (throttle("0.5"), Kind::Throttled { retry_after: Some(1) }),
        (status(429, r#"{"retry_after": 12}"#), Kind::Throttled { retry_after: Some(12) }),
        (status(500, r#"{"message":"Oh"}"#), unavailable("HTTP 500: Oh")),
        (status(503, ""), unavailable("HTTP 503")),
        (status(408, ""), unavailable("HTTP 408")),
        (Fault::ResetConnection, unavailable("the connection broke")),
        (Fault::TruncatedBody, unavailable("the answer ended early")),
        (Fault::Empty, malformed("an empty answer where JSON was expected")),
        (status(200, "<html>Sign in</html>"), malformed("a web page where JSON was expected")),
        (status(200, r#"{"note": 1}"#), malformed("no rows in a list")),
        (status(400, "CODE:X1 No"), refused(400, "X1", "No")),
        (status(404, ""), refused(404, "", "")),
        (
            status(302, ""),
            refused(302, "", "it answers from another address; check Halo's API address"),
        ),
        (status(403, "<p>No</p>"), Kind::Forbidden { code: "HTTP 403: No".to_owned() }),
        (status(403, ""), Kind::Forbidden { code: "HTTP 403".to_owned() }),
    ];
    let world = World::new().await;
    let halo = world.client();
    for (fault, expected) in cases {
        world.halo.fail_next("/api/users", "GET", 1, fault.clone());
        let failure = failure(halo.page(RecordKind::User, 1).await.unwrap_err());
        assert_eq!(failure.kind, expected, "{fault:?}");
        assert_eq!(failure.operation, "read Halo's users");
    }
    halo.page(RecordKind::User, 1).await.unwrap();
}

#[tokio::test]
async fn an_outage_is_short_to_tell() {
    let world = World::new().await;
    let halo = world.client();
    halo.page(RecordKind::User, 1).await.unwrap();
    world.halo.turn(|knobs| knobs.outage = Outage::HtmlPage);
    let told = halo.page(RecordKind::User, 1).await.unwrap_err().to_string();
    assert!(told.chars().count() < 800 && told.contains("HTTP 500"), "{told}");
}

#[tokio::test]
async fn no_secret_is_in_any_error() {
    // C4, H5: even if Halo, or something in front of it, sends it back.
    let world = World::new().await;
    let halo = world.client();
    halo.page(RecordKind::User, 1).await.unwrap();
    let echo =
        format!("client_secret={CLIENT_SECRET} Authorization: Bearer abc.def token eyJhbGci.e.e");
    for code in [400, 403, 500] {
        world.halo.fail_next("/api/users", "GET", 1, status(code, &echo));
        let error = halo.page(RecordKind::User, 1).await.unwrap_err();
        let told = format!("{error} {error:?} {halo:?}");
        for secret in [CLIENT_SECRET, "abc.def", "eyJ"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[tokio::test]
async fn the_limit_of_halo_is_understood_as_it_comes() {
    // H2.
    for retry_after in [RetryAfter::Omitted, RetryAfter::Seconds] {
        for body in [LimitBody::Text, LimitBody::Json] {
            let world = World::new().await;
            let limit = RateLimit { requests: 2, seconds: 300, retry_after, body };
            world.halo.turn(|knobs| knobs.rate_limit = Some(limit));
            let halo = world.client();
            halo.page(RecordKind::User, 1).await.unwrap();
            let throttled = Kind::Throttled {
                retry_after: (retry_after == RetryAfter::Seconds).then_some(300),
            };
            assert_eq!(
                kind(halo.page(RecordKind::User, 1).await.unwrap_err()),
                throttled,
                "{body:?}"
            );
        }
    }
}
