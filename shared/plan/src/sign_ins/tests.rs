//! Cases of the job: pages, circles, and what each failure leads to (D7, D8).
#![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

use serde_json::json;

use super::*;
use crate::cursor::Link;
use crate::document::{CustomClouds, parse};
use crate::failure::{Service, TRIES};

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
}

fn connection() -> ConnectionId {
    "contoso".parse().unwrap()
}

fn document() -> Document {
    let json = json!({ "id": "contoso", "name": "C", "tenant_id": ID, "auth": { "client_id": ID },
        "mappings": [], "sync": { "every_minutes": 60, "last_sign_in": true } });
    parse(&json, CustomClouds::Refused).unwrap().document
}

fn people(numbers: &[usize]) -> Vec<ObjectId> {
    let id = |n: &usize| format!("00000000-0000-4000-8000-{n:012x}").parse().unwrap();
    numbers.iter().map(id).collect()
}

fn link(n: usize) -> Next {
    Next::Page(Link::new(format!("https://graph.example/page/{n}")))
}

/// Fails at hour 0.
fn fail(job: &mut SignIns, kind: Kind) -> Then {
    let operation = "read last sign-ins".to_owned();
    let failure = Failure { service: Service::Graph, operation, kind };
    job.fail(&connection(), &document(), &failure, at(0))
}

fn refused(message: &str) -> Kind {
    Kind::Refused { status: 400, code: "BadRequest".to_owned(), message: message.to_owned() }
}

fn forbidden(code: &str) -> Kind {
    Kind::Forbidden { code: code.to_owned() }
}

/// A job in the middle of its list.
fn reading() -> SignIns {
    let mut job = SignIns::new(at(0));
    let _ = job.turn(&connection(), &people(&[1, 2]), link(1), at(0));
    job
}

fn is_at_the_start(job: &SignIns) -> bool {
    job.cursor.link().is_none()
}

#[test]
fn a_list_is_read_once_a_day() {
    let mut job = SignIns::new(at(0));
    assert!(job.is_due(at(0)));
    for page in 1..30 {
        let progress = job.turn(&connection(), &people(&[page]), link(page), at(0));
        assert_eq!(progress, Progress::More);
        assert!(job.is_due(at(0)), "a hint that gets lost is repeated");
    }
    let end = job.turn(&connection(), &people(&[99]), Next::End(None), at(1));
    assert!(matches!(end, Progress::Complete(_)));
    assert_eq!(job.read, Some(at(1)));
    assert!(!job.is_due(at(1 + 20)) && job.is_due(at(1 + 24)) && is_at_the_start(&job));
    // The next day the same people are no circle.
    let again = job.turn(&connection(), &people(&[1]), link(1), at(25));
    assert_eq!(again, Progress::More);
}

#[test]
fn circles_end_whatever_their_links() {
    // D7
    let pages = |length: usize, links: fn(usize, usize) -> usize| {
        let mut job = SignIns::new(at(0));
        (0..100_000).find(|n| {
            let next = link(links(*n, length));
            job.turn(&connection(), &people(&[n % length]), next, at(0)) == Progress::Endless
        })
    };
    for length in [1, 2, 7, 100] {
        let most = 4 * length + 4;
        let fresh = pages(length, |n, _| n);
        assert!(fresh.is_some_and(|n| n <= most), "fresh links, {length} pages: {fresh:?}");
        let same = pages(length, |n, length| n % length);
        assert!(same.is_some_and(|n| n <= most), "the same links, {length} pages: {same:?}");
    }
    assert_eq!(pages(100_000, |n, _| n), None, "an honest long list");
    let mut job = SignIns::new(at(0));
    let empty =
        (0..2_000).find(|n| job.turn(&connection(), &[], link(*n), at(0)) == Progress::Endless);
    assert_eq!(empty, Some(999), "D7: a thousand pages without anybody");
}

#[test]
fn a_page_that_is_too_large_is_asked_for_smaller_once() {
    for message in [
        "Invalid page size specified: '500'. Must be between 1 and 120 inclusive.",
        "Cannot query data for more than 120 users at a time.",
    ] {
        let mut job = SignIns::new(at(0));
        assert_eq!(fail(&mut job, refused(message)), Then::Again(SignedDuration::ZERO));
        assert_eq!((job.page_size, job.is_due(at(0)), job.off.is_none()), (100, true, true));
        assert_eq!(fail(&mut job, refused(message)), Then::Rest, "not again and again");
        assert!(job.off.is_some());
    }
    let mut job = SignIns::new(at(0));
    assert_eq!(fail(&mut job, refused("Something else.")), Then::Rest);
    assert_eq!(job.page_size, 500);
}

#[test]
fn each_refusal_says_what_to_grant_or_buy() {
    let cases = [
        ("Authentication_MSGraphPermissionMissing", "grant the application AuditLog.Read.All"),
        ("Authorization_RequestDenied", "grant the application AuditLog.Read.All"),
        ("HTTP 403", "grant the application AuditLog.Read.All"),
        (
            "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
            "Microsoft Entra ID P1 or P2 licence: buy one.",
        ),
        ("Authentication_RequestFromUnsupportedUserRole", "directory role"),
    ];
    for (code, advice) in cases {
        let mut job = reading();
        assert_eq!(fail(&mut job, forbidden(code)), Then::Rest, "{code}");
        let off = job.off.clone().unwrap();
        assert!(off.reason.contains(advice) && off.reason.contains(code), "{}", off.reason);
        assert!(off.reason.ends_with("Everything else goes on; this is tried again once a day."));
        assert!(!job.is_due(at(20)) && job.is_due(at(24)) && is_at_the_start(&job), "{code}");
    }
}

#[test]
fn it_is_off_since_the_first_refusal_and_on_with_the_first_page() {
    let mut job = SignIns::new(at(-48));
    let operation = "read last sign-ins".to_owned();
    let failure = Failure { service: Service::Graph, operation, kind: forbidden("x") };
    for hours in [-48, -24] {
        let _ = job.fail(&connection(), &document(), &failure, at(hours));
        assert_eq!(job.off.as_ref().map(|off| off.since), Some(at(-48)));
    }
    let _ = fail(&mut job, Kind::Throttled { retry_after: None });
    assert!(job.off.is_some(), "what passes says nothing about the permission");
    let _ = job.turn(&connection(), &people(&[1]), link(1), at(0));
    assert_eq!(job.off, None);
}

#[test]
fn what_passes_is_waited_for_at_the_same_place() {
    let mut job = reading();
    let seven = Then::Again(SignedDuration::from_secs(7));
    assert_eq!(fail(&mut job, Kind::Throttled { retry_after: Some(7) }), seven);
    assert!(!job.is_due(at(0)), "the timer does not shorten the wait");
    assert!(job.is_due(at(1)) && !is_at_the_start(&job));
    let down = || Kind::Unavailable { detail: "HTTP 503".to_owned() };
    for attempt in 2..TRIES {
        assert!(matches!(fail(&mut job, down()), Then::Again(_)), "{attempt}");
    }
    assert_eq!(fail(&mut job, down()), Then::Rest, "the one policy ends it");
    let off = job.off.unwrap();
    assert!(off.reason.starts_with("Could not read last sign-ins: "), "{}", off.reason);
}

#[test]
fn an_expired_link_leads_to_one_new_start() {
    // D3
    let mut job = reading();
    assert_eq!(fail(&mut job, Kind::LinkExpired), Then::Again(SignedDuration::ZERO));
    assert!(is_at_the_start(&job) && job.off.is_none());
    let _ = job.turn(&connection(), &people(&[1, 2]), link(1), at(0));
    assert_eq!(fail(&mut job, Kind::LinkExpired), Then::Rest);
    assert!(job.off.is_some());
    let _ = job.turn(&connection(), &people(&[1, 2]), Next::End(None), at(24));
    assert_eq!(fail(&mut job, Kind::LinkExpired), Then::Again(SignedDuration::ZERO));
}

#[test]
fn refused_credentials_only_put_it_off() {
    // C7: the import meets them within its hour, and tells.
    let mut job = reading();
    let kind = Kind::Credentials { code: Some(7_000_215), error: "invalid_client".to_owned() };
    assert_eq!(fail(&mut job, kind), Then::Rest);
    assert_eq!(job.off, None);
    assert!(!job.is_due(at(0)) && job.is_due(at(1)));
}
