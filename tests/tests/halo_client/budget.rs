//! The request budget that all processes share (H2).

use engine::halo::{Halo, Priority, RequestLimit};
use plan::budget::Limits;
use plan::failure::Kind;
use plan::ids::RecordKind;
use sandbox::halo::{Fault, LimitBody, RateLimit, RetryAfter};

use super::{World, kind};

const LIMITS: Limits = Limits { requests: 20, window: 60 };

fn limited(world: &World) -> Halo {
    world.client_with(|settings| settings.limit = RequestLimit::Shared(LIMITS))
}

/// Requests until the budget says no; how long it says to wait.
async fn spend(halo: &Halo) -> (usize, u32) {
    let mut made = 0;
    loop {
        match halo.page(RecordKind::User, 1).await {
            Ok(_) => made += 1,
            Err(error) => {
                let kind = kind(error);
                let Kind::BudgetSpent { wait } = kind else { panic!("{kind:?}") };
                return (made, wait);
            }
        }
    }
}

#[tokio::test]
async fn two_processes_never_exceed_the_limit_together() {
    // H2: Halo's own limit is exactly ours, so a single request too many would show as 429.
    let world = World::new().await;
    let limit = RateLimit {
        requests: LIMITS.requests as usize,
        seconds: i64::from(LIMITS.window),
        retry_after: RetryAfter::Omitted,
        body: LimitBody::Text,
    };
    world.halo.turn(|knobs| knobs.rate_limit = Some(limit));
    let (one, two) = (limited(&world), limited(&world).with_priority(Priority::Manual));
    let mut made = 0;
    for second in 0..300 {
        let (first, second) = if second % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let ((a, _), (b, _)) = (spend(first).await, spend(second).await);
        made += a + b;
        world.advance(1);
    }
    let statuses: Vec<u16> = world.served.log.all().iter().map(|seen| seen.status).collect();
    assert!(!statuses.contains(&429));
    assert!(made >= 60, "the budget is used, not only kept: {made}");
}

#[tokio::test]
async fn processes_at_once_never_exceed_the_limit() {
    let world = World::new().await;
    let clients: Vec<Halo> = (0..6).map(|_| limited(&world)).collect();
    let tasks: Vec<_> =
        clients.into_iter().map(|halo| tokio::spawn(async move { spend(&halo).await })).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let count = world.served.log.count();
    assert!((10..=18).contains(&count), "{count}");
}

#[tokio::test]
async fn waiting_as_told_is_enough() {
    let world = World::new().await;
    let halo = limited(&world);
    let (_, wait) = spend(&halo).await;
    world.advance(i64::from(wait));
    halo.page(RecordKind::User, 1).await.unwrap();
}

#[tokio::test]
async fn people_who_wait_come_before_background_work() {
    // H2: a tenth is theirs.
    let world = World::new().await;
    let halo = limited(&world);
    assert_eq!(spend(&halo).await.0, 17, "18 with the sign-in");
    assert_eq!(spend(&halo.with_priority(Priority::Manual)).await.0, 2);
}

#[tokio::test]
async fn a_429_stops_everybody() {
    // H2: also what was already taken from the budget.
    for (retry_after, wait) in [(Some("45"), 46), (None, 61)] {
        let world = World::new().await;
        let (one, two) = (limited(&world), limited(&world));
        one.page(RecordKind::User, 1).await.unwrap();
        let fault = Fault::Throttle { retry_after: retry_after.map(str::to_owned) };
        world.halo.fail_next("/api/users", "GET", 1, fault);
        assert!(matches!(
            kind(one.page(RecordKind::User, 1).await.unwrap_err()),
            Kind::Throttled { .. }
        ));
        let asked = world.served.log.count();
        for halo in [&one, &two] {
            assert_eq!(
                kind(halo.page(RecordKind::User, 1).await.unwrap_err()),
                Kind::BudgetSpent { wait }
            );
        }
        assert_eq!(world.served.log.count(), asked);
        world.advance(i64::from(wait));
        two.page(RecordKind::User, 1).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_limit_the_store_is_not_asked() {
    let world = World::new().await;
    world.client().page(RecordKind::User, 1).await.unwrap();
    assert_eq!(world.store.operations(), 0);
}

#[tokio::test]
async fn the_budget_is_taken_in_batches() {
    let world = World::new().await;
    let halo = limited(&world);
    for _ in 0..4 {
        halo.page(RecordKind::User, 1).await.unwrap();
    }
    assert_eq!(world.store.operations(), 2, "one read and one write for five requests");
}
