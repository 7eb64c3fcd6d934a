//! The site of a name: found, or made exactly once (P6, T2).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use engine::halo::sites::{Resolved, Sites, WhenMissing};
use plan::failure::Kind;
use plan::ids::{ClientId, SiteId};
use sandbox::halo::{Fault, RefusalShape};
use sandbox::server::{Hook, Moment};
use serde_json::json;

use super::{World, kind};

const CLIENT: ClientId = ClientId(3);

/// A comparison as the product's own, for the spellings here.
fn key_of(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn sites(world: &World) -> Sites {
    world.client().sites_by_name(key_of)
}

async fn make(sites: &Sites, name: &str) -> Resolved {
    sites.resolve(CLIENT, name, WhenMissing::Make).await.unwrap()
}

fn named(world: &World, name: &str) -> Vec<i64> {
    let all = world.halo.sites();
    let same = all.iter().filter(|site| key_of(site["name"].as_str().unwrap()) == key_of(name));
    same.map(|site| site["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn known_sites_are_found_under_every_spelling_with_one_read() {
    // P6: two spellings of one name never make two sites.
    let world = World::new().await;
    let sites = sites(&world);
    for spelling in ["Leeds", " leeds ", "LEEDS"] {
        assert_eq!(make(&sites, spelling).await, Resolved::Known(SiteId(19)), "{spelling}");
    }
    assert_eq!(world.requests("GET", "/api/site"), 2, "a page and the end of the list");
    assert!(world.halo.writes().is_empty());
}

#[tokio::test]
async fn of_several_sites_the_oldest_in_use_counts() {
    let world = World::new().await;
    world.halo.add_client(&json!({ "id": 4, "name": "Other" }));
    world.halo.add_site(&json!({ "id": 5, "name": "York", "client_id": 4 }));
    world.halo.add_site(&json!({ "id": 21, "name": "York", "client_id": 3, "inactive": true }));
    world.halo.add_site(&json!({ "id": 22, "name": "york", "client_id": 3 }));
    world.halo.add_site(&json!({ "id": 23, "name": "YORK", "client_id": 3 }));
    world.halo.add_site(&json!({ "id": 24, "name": "", "client_id": 3 }));
    world.halo.add_site(&json!({ "id": 25, "name": "Bath", "client_id": 3, "inactive": true }));
    let sites = sites(&world);
    assert_eq!(make(&sites, "York").await, Resolved::Known(SiteId(22)));
    assert_eq!(make(&sites, "Bath").await, Resolved::Known(SiteId(25)), "no second one");
    assert_eq!(make(&sites, "  ").await, Resolved::Missing);
}

#[tokio::test]
async fn a_look_makes_nothing_and_does_not_read_for_ever() {
    // I1.
    let world = World::new().await;
    let sites = sites(&world);
    for name in ["York", "Bath", "York"] {
        let resolved = sites.resolve(CLIENT, name, WhenMissing::Leave).await.unwrap();
        assert_eq!(resolved, Resolved::Missing);
    }
    assert_eq!(world.requests("GET", "/api/site"), 2, "read once in a minute");
    world.halo.add_site(&json!({ "id": 30, "name": "York", "client_id": 3 }));
    world.advance(61);
    let resolved = sites.resolve(CLIENT, "York", WhenMissing::Leave).await.unwrap();
    assert_eq!(resolved, Resolved::Known(SiteId(30)));
    assert!(world.halo.writes().is_empty());
}

#[tokio::test]
async fn sixteen_at_once_make_one_site() {
    // P6: exactly once however many workers run.
    let world = World::new().await;
    let spellings = ["New York", " new  york", "NEW YORK", "New\u{a0}York"];
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (sites, name) = (sites(&world), spellings[number % 4]);
            tokio::spawn(async move { make(&sites, name).await })
        })
        .collect();
    let mut known = 0;
    for task in tasks {
        match task.await.unwrap() {
            Resolved::Known(_) => known += 1,
            Resolved::BeingMade => {}
            Resolved::Missing => panic!("somebody makes it"),
        }
    }
    assert!(known >= 1);
    let made = named(&world, "New York");
    assert_eq!(made.len(), 1);
    assert_eq!(make(&sites(&world), "new york").await, Resolved::Known(SiteId(made[0])));
}

#[tokio::test]
async fn a_worker_killed_anywhere_leaves_one_site() {
    // T2, P6: before and after each request of the making.
    for at in 0..8 {
        let count = Arc::new(AtomicUsize::new(0));
        let world = World::watched(|_, _| {
            let hook: Hook = Arc::new(move |what: &str, moment: Moment| {
                let counts = what.to_lowercase().ends_with("/api/site");
                // Reads of two pages each, twice, then the post: the kill comes at one of them.
                counts && moment == Moment::After && count.fetch_add(1, SeqCst) == at
            });
            Some(hook)
        })
        .await;
        let first = sites(&world);
        let task = tokio::spawn(async move { make(&first, "York").await });
        while !task.is_finished()
            && world.requests("GET", "/api/site") + world.requests("POST", "/api/site") <= at
        {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _killed = task.await;
        let second = sites(&world);
        let now = make(&second, "York").await;
        world.advance(301);
        let later = make(&second, "York").await;
        let Resolved::Known(site) = later else { panic!("{at}: {now:?}, then {later:?}") };
        assert_eq!(named(&world, "York"), [site.0], "{at}: {now:?}");
    }
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_looked_for_before_another() {
    // T2.
    for fault in [Fault::ReplyLost, Fault::TruncatedBody, Fault::ResetConnection] {
        let world = World::new().await;
        let sites = sites(&world);
        world.halo.fail_next("/api/site", "POST", 1, fault.clone());
        let error = sites.resolve(CLIENT, "York", WhenMissing::Make).await.unwrap_err();
        assert!(error.may_have_acted());
        assert_eq!(make(&sites, "York").await, Resolved::BeingMade, "{fault:?}");
        world.advance(301);
        let Resolved::Known(site) = make(&sites, "York").await else { panic!("{fault:?}") };
        assert_eq!(named(&world, "York"), [site.0], "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_or_a_failed_read_frees_the_name_at_once() {
    let world = World::new().await;
    let sites = sites(&world);
    let faults = [
        ("POST", Fault::Refusal(RefusalShape::Text)),
        ("POST", Fault::Throttle { retry_after: None }),
        ("GET", Fault::HtmlPage),
    ];
    for (method, fault) in faults {
        world.halo.fail_next("/api/site", method, 1, fault.clone());
        let error = sites.resolve(CLIENT, "York", WhenMissing::Make).await.unwrap_err();
        assert!(!matches!(kind(error), Kind::Malformed { .. }), "{fault:?}");
    }
    assert!(matches!(make(&sites, "York").await, Resolved::Known(_)));
    assert_eq!(named(&world, "York").len(), 1);
}

#[tokio::test]
async fn a_forgotten_site_is_looked_for_again() {
    let world = World::new().await;
    let sites = sites(&world);
    assert_eq!(make(&sites, "Leeds").await, Resolved::Known(SiteId(19)));
    world.halo.add_site(&json!({ "id": 17, "name": "Leeds", "client_id": 3 }));
    assert_eq!(make(&sites, "Leeds").await, Resolved::Known(SiteId(19)), "the book is good");
    sites.forget(CLIENT, "LEEDS").await.unwrap();
    assert_eq!(make(&sites, "Leeds").await, Resolved::Known(SiteId(17)));
}
