//! The index of all users: complete, resumable, and not to be confused by a list that moves (H4, M2, M4).

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::halo::Halo;
use engine::halo::index::{Built, Freshness, Live};
use jiff::SignedDuration;
use plan::ids::{RecordId, RecordKind};
use plan::matching::Hit;
use sandbox::halo::{Fault, RecordCount, UserRows};
use sandbox::server::{Hook, Moment};
use serde_json::json;

use super::{ADA, BOB, World, keys, kind, shown};

fn fields() -> BTreeSet<String> {
    ["login", "emailaddress", "email2"].map(str::to_owned).into()
}

/// Builds without ever running out of time.
async fn build(world: &World, halo: &Halo) -> Live {
    match halo.index(RecordKind::User).build_step(&fields(), world.deadline(3600)).await.unwrap() {
        Built::Ready(live) => live,
        Built::Reading(progress) => panic!("{progress:?}"),
    }
}

/// A world in which each request for users takes ten seconds, so that a step has time for two pages.
async fn slow() -> World {
    World::watched(|_, clock| {
        let hook: Hook = Arc::new(move |what: &str, moment: Moment| {
            if moment == Moment::After && what.to_lowercase().starts_with("get /api/users") {
                clock.advance(SignedDuration::from_secs(10));
            }
            false
        });
        Some(hook)
    })
    .await
}

const STEP: i64 = 30;

fn populate(world: &World, count: usize) -> Vec<i64> {
    let user = |number| {
        let mail = format!("p{number}@x.example");
        world
            .add(json!({ "name": format!("Person {number}"), "emailaddress": mail, "login": mail }))
    };
    (0..count).map(user).collect()
}

#[tokio::test]
async fn everybody_is_found_whatever_halo_calls_a_page() {
    // H4, M2, M4, M5: caps, counts and versions; twice as many requests as pages at the most.
    for cap in [50, 100, 1000] {
        for count in [RecordCount::Total, RecordCount::Page, RecordCount::Missing] {
            let world = World::new().await;
            world.halo.turn(|knobs| (knobs.page_cap, knobs.record_count) = (cap, count));
            let ids = populate(&world, 230);
            let ada =
                world.add(json!({ "name": "Ada", "azureoid": ADA.to_uppercase(), "login": "ada" }));
            let gone =
                world.add(json!({ "name": "Gone", "email3": "p7@X.example", "inactive": true }));
            world
                .add(json!({ "name": "Robot", "login": "p7@x.example", "isserviceaccount": true }));
            let halo = world.client();
            let live = build(&world, &halo).await;
            assert_eq!(live.users, 233);
            let asked = keys(&[
                ("azureoid", ADA),
                ("login", "ada"),
                ("emailaddress", "p7@x.example"),
                ("login", "P229@x.example"),
                ("login", "general user"),
                ("login", "nobody"),
            ]);
            let hits = halo.index(RecordKind::User).lookup(&live, &asked).await.unwrap();
            let expected = format!(
                "azureoid={ADA}: {ada}*; emailaddress=p7@x.example: {} {gone}-; login=p229@x.example: {}",
                ids[7], ids[229]
            );
            assert_eq!(shown(&hits), expected, "{cap} {count:?}");
            let pages = 233_usize.div_ceil(cap.min(100)) + 1;
            assert_eq!(world.requests("GET", "/api/users"), pages, "{cap} {count:?}");
        }
    }
}

#[tokio::test]
async fn a_fresh_index_is_not_built_again() {
    // T4.
    let world = World::new().await;
    populate(&world, 5);
    let halo = world.client();
    let live = build(&world, &halo).await;
    let (requests, index) = (world.served.log.count(), halo.index(RecordKind::User));
    assert_eq!(build(&world, &halo).await, live);
    assert_eq!(index.live(&fields(), Freshness::Fresh).await.unwrap(), Some(live.clone()));
    assert_eq!(world.served.log.count(), requests);
    let other = BTreeSet::from(["name".to_owned()]);
    assert_eq!(index.live(&other, Freshness::Any).await.unwrap(), None, "it does not know names");
    world.advance(25 * 3600);
    assert_eq!(index.live(&fields(), Freshness::Fresh).await.unwrap(), None);
    assert_eq!(index.live(&fields(), Freshness::Any).await.unwrap(), Some(live.clone()));
    assert_ne!(build(&world, &halo).await, live);
}

#[tokio::test]
async fn a_build_goes_on_where_it_stopped() {
    // T3: out of time, and after each kind of failure.
    let world = slow().await;
    populate(&world, 450);
    let mut halo = world.client();
    let (mut steps, mut failures) = (0, 0);
    let live = loop {
        if steps == 1 {
            world.halo.fail_next("/api/users", "GET", 1, Fault::TruncatedBody);
        }
        steps += 1;
        match halo.index(RecordKind::User).build_step(&fields(), world.deadline(STEP)).await {
            Ok(Built::Ready(live)) => break live,
            Ok(Built::Reading(progress)) => {
                assert_eq!(progress.of, Some(450));
                assert!(progress.users > 0 && progress.users <= 450, "{progress:?}");
            }
            Err(error) => {
                drop(kind(error));
                failures += 1;
            }
        }
        halo = world.client();
    };
    assert_eq!((live.users, failures), (450, 1));
    assert!(steps > 3, "{steps}");
    assert_eq!(world.requests("GET", "/api/users"), 7, "no page twice but the one that failed");
}

#[tokio::test]
async fn two_builders_at_once_make_one_complete_index() {
    // T2.
    let world = World::new().await;
    world.halo.turn(|knobs| knobs.page_cap = 50);
    let ids = populate(&world, 230);
    let (one, two) = (world.client(), world.client());
    let (first, second) = tokio::join!(build(&world, &one), build(&world, &two));
    for live in [first, second] {
        for number in [0, 49, 50, 149, 229] {
            let asked = keys(&[("login", &format!("p{number}@x.example"))]);
            let hits = one.index(RecordKind::User).lookup(&live, &asked).await.unwrap();
            assert_eq!(shown(&hits), format!("login=p{number}@x.example: {}", ids[number]));
        }
    }
}

#[tokio::test]
async fn a_killed_builder_loses_nothing() {
    // T2: killed behind each request in turn.
    let world = World::new().await;
    let ids = populate(&world, 330);
    for _ in 0..6 {
        let halo = world.client();
        let (deadline, asked) = (world.deadline(3600), world.served.log.count());
        let task = tokio::spawn(async move {
            halo.index(RecordKind::User).build_step(&fields(), deadline).await
        });
        while !task.is_finished() && world.served.log.count() < asked + 2 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _killed = task.await;
    }
    let halo = world.client();
    let live = build(&world, &halo).await;
    for (number, id) in ids.iter().enumerate() {
        let asked = keys(&[("login", &format!("p{number}@x.example"))]);
        let hits = halo.index(RecordKind::User).lookup(&live, &asked).await.unwrap();
        assert_eq!(shown(&hits), format!("login=p{number}@x.example: {id}"));
    }
}

#[tokio::test]
async fn nobody_is_missed_when_rows_move_between_pages() {
    // H4: somebody on the first page is merged away after it was read; row 201 becomes row 200.
    let world = slow().await;
    let ids = populate(&world, 350);
    let halo = world.client();
    let step =
        halo.index(RecordKind::User).build_step(&fields(), world.deadline(STEP)).await.unwrap();
    assert!(matches!(step, Built::Reading(_)));
    let moved = keys(&[("login", "p200@x.example")]);
    remove(&world, ids[0]).await;
    let live = build(&world, &halo).await;
    let hits = halo.index(RecordKind::User).lookup(&live, &moved).await.unwrap();
    assert_eq!(shown(&hits), format!("login=p200@x.example: {}", ids[200]));
}

/// Deletes a user as somebody working in Halo does.
async fn remove(world: &World, id: i64) {
    let http = tests::world::client();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", sandbox::halo::CLIENT_ID),
        ("client_secret", sandbox::halo::CLIENT_SECRET),
        ("scope", "all"),
    ];
    let token = http.post(format!("{}/auth/token", world.served.url)).form(&form);
    let token = token.send().await.unwrap().text().await.unwrap();
    let token: serde_json::Value = serde_json::from_str(&token).unwrap();
    let delete = http.delete(format!("{}/api/users/{id}", world.served.url));
    let answer = delete.bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    assert!(answer.status().is_success());
}

#[tokio::test]
async fn repeated_rows_enter_once() {
    let world = World::new().await;
    let row = |id: i64| {
        json!({
            "id": id, "name": "X", "login": format!("l{id}"), "azureoid": "", "emailaddress": "",
            "email2": "", "email3": null,
        })
    };
    for page in [[1, 2, 3], [3, 4, 5], [4, 5, 5]] {
        let body = json!({ "users": page.map(row) }).to_string();
        world.halo.fail_next("/api/users", "GET", 1, Fault::Status { code: 200, body });
    }
    let halo = world.client();
    let live = build(&world, &halo).await;
    assert_eq!(live.users, 5);
    let hits = halo
        .index(RecordKind::User)
        .lookup(&live, &keys(&[("login", "l3"), ("login", "l5")]))
        .await
        .unwrap();
    assert_eq!(shown(&hits), "login=l3: 3; login=l5: 5");
}

#[tokio::test]
async fn older_versions_are_read_one_by_one_once() {
    // H4: rows without azureoid, email2 and email3.
    let world = slow().await;
    world.halo.turn(|knobs| knobs.user_rows = UserRows::Since2024);
    let ada = world.add(json!({ "name": "Ada", "azureoid": ADA, "login": "ada" }));
    let bob = world.add(json!({ "name": "Bob", "login": "bob", "email3": "b@x.example" }));
    let ids = populate(&world, 10);
    let halo = world.client();
    let mut steps = 0;
    let live = loop {
        steps += 1;
        match halo
            .index(RecordKind::User)
            .build_step(&fields(), world.deadline(STEP))
            .await
            .unwrap()
        {
            Built::Ready(live) => break live,
            Built::Reading(progress) => assert!(progress.details <= 12, "{progress:?}"),
        }
    };
    assert!(steps > 5, "{steps}");
    let details = || world.requests("GET", "/api/users/");
    assert_eq!(details(), 12);
    let asked = keys(&[("azureoid", ADA), ("login", "ada"), ("emailaddress", "b@x.example")]);
    let expected = format!("azureoid={ADA}: {ada}*; emailaddress=b@x.example: {bob}");
    assert_eq!(shown(&halo.index(RecordKind::User).lookup(&live, &asked).await.unwrap()), expected);

    // We link one and make another; neither is read again, nor is anybody else.
    let made = world.add(json!({ "name": "New", "login": "new", "azureoid": BOB }));
    for (user, oid) in [(ids[3], ADA), (made, BOB)] {
        let hit =
            Hit { record: RecordId::user(user), object_id: Some(oid.to_owned()), inactive: false };
        halo.index(RecordKind::User).remember(&[(hit, keys(&[("azureoid", oid)]))]).await.unwrap();
    }
    world.advance(25 * 3600);
    let live = build(&world, &halo).await;
    assert_eq!(details(), 12);
    let hits =
        halo.index(RecordKind::User).lookup(&live, &keys(&[("azureoid", BOB)])).await.unwrap();
    assert_eq!(shown(&hits), format!("azureoid={BOB}: {made}*"));
}

#[tokio::test]
async fn details_stop_with_the_budget_and_go_on() {
    // H2, H4.
    use engine::halo::RequestLimit;
    use plan::budget::Limits;
    use plan::failure::Kind;

    let world = World::new().await;
    world.halo.turn(|knobs| knobs.user_rows = UserRows::Since2024);
    populate(&world, 30);
    let limits = Limits { requests: 10, window: 60 };
    let halo = world.client_with(|settings| settings.limit = RequestLimit::Shared(limits));
    let mut waits = 0;
    let live = loop {
        match halo.index(RecordKind::User).build_step(&fields(), world.deadline(3600)).await {
            Ok(Built::Ready(live)) => break live,
            Ok(Built::Reading(progress)) => panic!("{progress:?}"),
            Err(error) => {
                let Kind::BudgetSpent { wait } = kind(error) else { panic!("no budget") };
                world.advance(i64::from(wait));
                waits += 1;
            }
        }
    };
    assert_eq!((live.users, world.requests("GET", "/api/users/")), (30, 30));
    assert!(waits > 2, "{waits}");
}

#[tokio::test]
async fn our_own_writes_are_known_at_once_and_outlive_a_build() {
    // M2: also when the page that a build enters was read before our write.
    let world = slow().await;
    let ids = populate(&world, 350);
    let halo = world.client();
    let index = halo.index(RecordKind::User);
    let asked = keys(&[("azureoid", ADA), ("login", "p5@x.example"), ("login", "p300@x.example")]);
    let step = index.build_step(&fields(), world.deadline(STEP)).await.unwrap();
    assert!(matches!(step, Built::Reading(_)));
    // One was read already, the other comes later; Halo itself does not know of the links here, which
    // is what a page read too early looks like.
    for number in [5, 300] {
        let user = RecordId::user(ids[number]);
        let hit = Hit { record: user, object_id: Some(ADA.to_owned()), inactive: false };
        index.remember(&[(hit.clone(), asked_for(number))]).await.unwrap();
        index.remember(&[(hit.clone(), asked_for(number))]).await.unwrap();
    }
    let live = build(&world, &halo).await;
    let expected = format!(
        "azureoid={ADA}: {} {1}*; login=p300@x.example: {1}*; login=p5@x.example: {0}",
        format_args!("{}*", ids[5]),
        ids[300]
    );
    assert_eq!(shown(&index.lookup(&live, &asked).await.unwrap()), expected);

    let made =
        Hit { record: RecordId::user(9000), object_id: Some(BOB.to_owned()), inactive: false };
    index.remember(&[(made, keys(&[("azureoid", BOB), ("title", "not indexed")]))]).await.unwrap();
    let hits =
        index.lookup(&live, &keys(&[("azureoid", BOB), ("title", "not indexed")])).await.unwrap();
    assert_eq!(shown(&hits), format!("azureoid={BOB}: 9000*"));
}

fn asked_for(number: usize) -> BTreeSet<plan::matching::MatchKey> {
    keys(&[("azureoid", ADA), ("login", &format!("p{number}@x.example"))])
}
