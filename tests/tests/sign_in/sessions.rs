//! Sessions: how long they last, who ends them, what becomes of their role (O3).

use engine::web::Role;
use jiff::SignedDuration;
use sandbox::halo::Fault;
use serde_json::json;

use crate::desk::{Desk, PUBLIC};

#[tokio::test]
async fn a_session_ends_unused_and_after_a_day_of_work() {
    // O3
    let desk = Desk::new().await;
    let signed_in = desk.sign_in().await.unwrap();
    assert_eq!(signed_in.to, "/console/runs?page=2");
    let cookie = signed_in.cookie;
    let until = desk.session(&cookie).await.unwrap().expires_at;
    assert_eq!(until, desk.world.clock_now() + SignedDuration::from_hours(8));
    assert_eq!(until, signed_in.expires_at);
    // Used every twenty minutes it goes on, until its eight hours are over.
    for _ in 0..23 {
        desk.pass_minutes(20);
        assert!(desk.session(&cookie).await.is_some());
    }
    desk.pass_minutes(19);
    assert!(desk.session(&cookie).await.is_some());
    desk.pass_minutes(1);
    assert!(desk.session(&cookie).await.is_none(), "eight hours");
    // Unused it ends after half an hour.
    let cookie = desk.sign_in().await.unwrap().cookie;
    desk.pass_minutes(29);
    assert!(desk.session(&cookie).await.is_some());
    desk.pass_minutes(30);
    assert!(desk.session(&cookie).await.is_none(), "half an hour");
}

#[tokio::test]
async fn a_busy_session_writes_seldom() {
    // T4, O3
    let desk = Desk::new().await;
    let cookie = desk.sign_in().await.unwrap().cookie;
    let before = desk.world.wire.calls();
    for _ in 0..50 {
        desk.world.pass(SignedDuration::from_secs(3));
        assert!(desk.session(&cookie).await.is_some());
    }
    assert_eq!(desk.world.wire.calls(), before, "two and a half minutes");
    for _ in 0..50 {
        desk.world.pass(SignedDuration::from_secs(3));
        desk.session(&cookie).await.unwrap();
    }
    assert_eq!(desk.world.wire.calls(), before + 1, "five minutes");
}

#[tokio::test]
async fn a_new_sign_in_takes_the_place_of_the_session_before() {
    // O3
    let desk = Desk::new().await;
    let first = desk.sign_in().await.unwrap().cookie;
    let csrf = |session: engine::sign_on::Session| crate::desk::clear(Some(&session.csrf));
    let old = csrf(desk.session(&first).await.unwrap());
    let mut returned = desk.go_through(&desk.begin().await).await;
    returned.session = Some(first.clone());
    let second = desk.world.engine.finish_sign_in(returned).await.unwrap().cookie;
    assert!(desk.session(&first).await.is_none());
    assert_ne!(csrf(desk.session(&second).await.unwrap()), old);
    // Signing out ends ours, and leads to Microsoft to end theirs.
    let page = desk.world.engine.sign_out(&second).await.unwrap().unwrap();
    assert!(page.path().ends_with("/oauth2/v2.0/logout"), "{page}");
    let back = page.query_pairs().find(|(name, _)| name == "post_logout_redirect_uri").unwrap().1;
    assert_eq!(back, format!("{PUBLIC}/console/signed-out"));
    assert!(desk.session(&second).await.is_none());
    assert_eq!(desk.world.engine.sign_out(&second).await.unwrap(), None);
}

#[tokio::test]
async fn administrators_end_sessions() {
    // O3
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    let of = async |who| {
        desk.come(who);
        desk.sign_in().await.unwrap().cookie
    };
    let (user, agent) = (of(desk.user).await, of(desk.agent).await);
    desk.pass_minutes(1);
    engine.end_sessions("ada", Some(desk.user)).await.unwrap();
    assert!(desk.session(&user).await.is_none());
    assert!(desk.session(&agent).await.is_some());
    desk.pass_minutes(1);
    let (user, later) = (of(desk.user).await, of(desk.agent).await);
    assert!(desk.session(&user).await.is_some(), "one that began afterwards");
    engine.end_sessions("ada", None).await.unwrap();
    for cookie in [user, agent, later] {
        assert!(desk.session(&cookie).await.is_none(), "also what began in the same instant");
    }
    let (audit, _) = engine.deployment_audit(None, 10).await.unwrap();
    let told: Vec<&str> = audit.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(told[..2], ["all sessions ended", &format!("sessions of {} ended", desk.user)]);
}

#[tokio::test]
async fn a_lost_role_is_lost_within_a_quarter_of_an_hour() {
    // O3
    let desk = Desk::new().await;
    let agent = desk.agent_id().await;
    desk.world.halo.change_agent(agent, &json!({ "is_admin": true }));
    desk.come(desk.agent);
    let cookie = desk.sign_in().await.unwrap().cookie;
    let role = async || desk.session(&cookie).await.map(|session| session.caller.role);
    assert_eq!(role().await, Some(Role::Administrator));
    desk.world.halo.change_agent(agent, &json!({ "is_admin": false }));
    desk.pass_minutes(14);
    assert_eq!(role().await, Some(Role::Administrator), "Halo is not asked with each request");
    desk.pass_minutes(1);
    assert_eq!(role().await, Some(Role::Reader));
    // While Halo does not answer, its last word counts, for an hour.
    desk.world.halo.fail_next(
        "/api/Agent",
        "GET",
        100,
        Fault::Status { code: 503, body: String::new() },
    );
    for _ in 0..3 {
        desk.pass_minutes(15);
        assert_eq!(role().await, Some(Role::Reader));
    }
    desk.pass_minutes(15);
    let engine::sign_on::Visitor::NoLonger(refusal) = desk.visitor(&cookie).await else {
        panic!("still there")
    };
    assert_eq!(refusal.name(), "halo_unavailable");
    desk.world.halo.clear_faults();
    // New settings count at once.
    let cookie = desk.sign_in().await.unwrap().cookie;
    desk.save(json!({ "administrator_roles": [1] })).await;
    desk.world.halo.change_agent(agent, &json!({ "isdisabled": true }));
    desk.save(json!({ "allow": "agents" })).await;
    assert!(desk.session(&cookie).await.is_none(), "Halo was asked again");
    desk.save(json!({ "published": false })).await;
    desk.come(desk.user);
    assert_eq!(
        desk.world.engine.begin_sign_in(None, None).await.unwrap_err().name(),
        "not_published"
    );
}
