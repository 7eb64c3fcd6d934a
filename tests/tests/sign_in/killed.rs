//! Sign-ins and settings survive kills (T2): nobody is let in by half of a sign-in, and the next one works.

use std::cell::RefCell;

use engine::connections::{Precondition, Removed, RulesApply, Saving};
use engine::secrets::SecretName;
use engine::store::{Range, keys};
use plan::ids::ConnectionId;
use plan::sign_on::{Tries, Try};
use sandbox::sample::TENANT_ID;
use sandbox::server::Moment;
use serde_json::json;

use crate::desk::Desk;

/// Outside calls that change something while a sign-in is brought back.
async fn calls_of_finishing(desk: &Desk) -> u64 {
    let returned = desk.go_through(&desk.begin().await).await;
    let before = desk.world.wire.calls();
    desk.world.engine.finish_sign_in(returned).await.unwrap();
    desk.world.wire.calls() - before
}

#[tokio::test]
async fn a_sign_in_that_is_killed_on_its_way_back_is_begun_again() {
    // T2, O3
    let desk = Desk::new().await;
    let calls = calls_of_finishing(&desk).await;
    assert!(calls >= 4, "count, use up, ask, open: {calls}");
    for at in 0..calls {
        for moment in [Moment::Before, Moment::After] {
            let returned = desk.go_through(&desk.begin().await).await;
            desk.world.wire.set(desk.world.wire.calls() + at, moment);
            tokio::select! {
                biased;
                () = desk.world.wire.wait() => {}
                done = desk.world.engine.finish_sign_in(returned.clone()) => {
                    panic!("not killed at {at}: {done:?}")
                }
            }
            let place = desk.world.wire.sprung().unwrap();
            // What was brought works once at the most: before the record was used up, and never after.
            let again = desk.world.engine.finish_sign_in(returned).await;
            let used_up = at > 1 || at == 1 && moment == Moment::After;
            match again {
                Ok(signed_in) => {
                    assert!(!used_up, "{place}");
                    assert!(desk.session(&signed_in.cookie).await.is_some());
                }
                Err(refusal) => assert_eq!(refusal.name(), "state_unknown", "{place}"),
            }
            let cookie = desk.sign_in().await.unwrap().cookie;
            assert!(desk.session(&cookie).await.is_some(), "{place}");
        }
    }
}

/// Where something was killed.
struct Kill {
    /// The call that changes something, from 0.
    at: u64,
    moment: Moment,
    place: String,
}

impl Kill {
    /// Whether that call was not made any more.
    fn is_before(&self, at: u64) -> bool {
        self.at < at || self.at == at && self.moment == Moment::Before
    }
}

/// Kills what is done at each call that changes something, on both sides of it, and looks at what is left.
/// Returns how many calls there were.
async fn killed_at_each(
    desk: &Desk,
    prepare: impl AsyncFn(),
    act: impl AsyncFn(),
    look: impl AsyncFn(&Kill),
) -> u64 {
    let wire = &desk.world.wire;
    prepare().await;
    let before = wire.calls();
    act().await;
    let calls = wire.calls() - before;
    desk.pass_minutes(1);
    for at in 0..calls {
        for moment in [Moment::Before, Moment::After] {
            prepare().await;
            wire.set(wire.calls() + at, moment);
            tokio::select! {
                biased;
                () = wire.wait() => {}
                () = act() => panic!("not killed at {at}"),
            }
            let place = wire.sprung().unwrap();
            look(&Kill { at, moment, place }).await;
            desk.pass_minutes(1);
        }
    }
    calls
}

#[tokio::test]
async fn settings_and_secret_survive_kills() {
    // T2, O1
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    let save = async || {
        let mut settings = json!(engine.sign_on_settings().await.unwrap().settings);
        settings["name"] = json!("Another");
        engine.save_sign_on("ada", Precondition::Any, &settings).await.unwrap();
        desk.enter_secret().await;
    };
    let calls = killed_at_each(
        &desk,
        async || (),
        save,
        async |_| {
            // The secret was that of the same application all the time.
            desk.sign_in().await.unwrap();
            save().await;
            desk.sign_in().await.unwrap();
        },
    );
    assert!(calls.await >= 3, "settings, secret, and that there is one");
}

#[tokio::test]
async fn a_secret_is_forgotten_before_another_application_takes_its_place() {
    // T2, C4, O1: killed between the two there is no secret, and nobody is let in. Saved again, it is as
    // without the kill: a secret that is gone is forgotten once more.
    const OTHER: &str = "99999999-2222-3333-4444-555555555555";
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    let first = async || {
        desk.save(json!({})).await;
        desk.enter_secret().await;
        desk.sign_in().await.unwrap();
    };
    let other = async || desk.save(json!({ "client_id": OTHER })).await;
    let standing = async || {
        let settings = json!(engine.sign_on_settings().await.unwrap().settings);
        let secret = engine.secrets.get(&SecretName::sign_on()).await.unwrap();
        (settings["client_id"] == OTHER, secret.is_some())
    };
    let calls = killed_at_each(&desk, first, other, async |Kill { place, .. }| {
        let (is_other, has_secret) = standing().await;
        assert!(!(is_other && has_secret), "{place}: the secret of one application is another's");
        match desk.sign_in().await {
            Ok(_) => assert!(has_secret, "{place}"),
            Err(refusal) => assert_eq!(refusal.name(), "secret_missing", "{place}"),
        }
        other().await;
        assert_eq!(standing().await, (true, false), "{place}");
        assert_eq!(desk.sign_in().await.unwrap_err().name(), "secret_missing", "{place}");
    });
    assert_eq!(calls.await, 2, "the secret, then the settings");
}

#[tokio::test]
async fn sessions_are_ended_whole_or_not_at_all() {
    // T2, O3: it is one write, which says until when sessions had begun that are over. Made again it says
    // a later time, and so nothing else of those sessions.
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    let cookies = RefCell::new(Vec::new());
    let two_come = async || {
        let two = [desk.sign_in().await.unwrap().cookie, desk.sign_in().await.unwrap().cookie];
        desk.pass_minutes(1);
        cookies.replace(two.to_vec());
    };
    let end = async || engine.end_sessions("ada", None).await.unwrap();
    let left = async || {
        let mut left = 0;
        let cookies = cookies.borrow().clone();
        for cookie in cookies {
            left += usize::from(desk.session(&cookie).await.is_some());
        }
        left
    };
    let calls = killed_at_each(&desk, two_come, end, async |kill| {
        let place = &kill.place;
        assert_eq!(left().await, if kill.is_before(0) { 2 } else { 0 }, "{place}");
        end().await;
        assert_eq!(left().await, 0, "{place}");
        let (audit, _) = engine.deployment_audit(None, 50).await.unwrap();
        assert!(audit.iter().any(|entry| entry.what == "all sessions ended"), "{place}");
    });
    assert_eq!(calls.await, 1);
}

#[tokio::test]
async fn a_try_that_is_killed_counts_once_it_was_counted() {
    // T2, O3: whoever is killed behind the count has used up one of the minute's, so that nobody gets more
    // of them by being killed; the next try is another one.
    let desk = Desk::new().await;
    let store = &desk.world.engine.store;
    let counted = async || {
        let found = store.read::<Tries>(&keys::tries(Try::Begin.name())).await.unwrap();
        json!(found.map(|found| found.value).unwrap_or_default())["count"].as_u64().unwrap()
    };
    let fresh_minute = async || {
        desk.pass_minutes(1);
        desk.begin().await;
    };
    let begin = async || drop(desk.begin().await);
    let calls = killed_at_each(&desk, fresh_minute, begin, async |kill| {
        let (place, before_the_count) = (&kill.place, kill.is_before(0));
        assert_eq!(counted().await, if before_the_count { 1 } else { 2 }, "{place}");
        begin().await;
        assert_eq!(counted().await, if before_the_count { 2 } else { 3 }, "{place}");
        desk.sign_in().await.unwrap();
    });
    assert_eq!(calls.await, 2, "the count, then what was begun");
}

#[tokio::test]
async fn a_tenant_finds_its_connections_wherever_saving_was_killed() {
    // T2, O3: the entry is written with the document, so a kill leaves both or neither.
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    let second: ConnectionId = "second".parse().unwrap();
    let document = |tenant: &str| {
        let mut document = sandbox::sample::connection(&desk.world.graph_served.url);
        (document["id"], document["name"]) = (json!("second"), json!("The second"));
        (document["tenant_id"], document["mappings"]) = (json!(tenant), json!([]));
        document.as_object_mut().unwrap().remove("roles");
        document.as_object_mut().unwrap().remove("licences");
        document
    };
    let precondition = Precondition::Any;
    let saving = Saving { who: "ada", precondition, rules: RulesApply::AtOnce };
    let comes_moves_and_goes = async || {
        engine.create_connection("ada", &document(TENANT_ID)).await.unwrap();
        let moved = document("99999999-2222-3333-4444-555555555555");
        engine.put_connection(saving, &second, &moved).await.unwrap();
        assert_eq!(engine.remove_connection("ada", &second).await.unwrap(), Removed::All);
    };
    let consistent = async |place: &str| {
        let page = engine.store.query(&Range::of(keys::BY_TENANT, 10)).await.unwrap();
        let entries: Vec<String> = page.records.into_iter().map(|record| record.key.sk).collect();
        let mut expected = Vec::new();
        for id in [&desk.world.id, &second] {
            let found = engine.store.document(id).await.unwrap();
            let tenant = found.map(|found| found.value.document.tenant_id);
            expected.extend(tenant.map(|tenant| keys::imports(tenant, id).sk));
        }
        expected.sort();
        assert_eq!(entries, expected, "{place}");
        let found = desk.sign_in().await;
        assert!(found.is_ok(), "{place}: {found:?}");
    };
    let calls = killed_at_each(
        &desk,
        async || (),
        comes_moves_and_goes,
        async |Kill { place, .. }| {
            consistent(place).await;
            let _ = engine.remove_connection("ada", &second).await;
            comes_moves_and_goes().await;
            consistent(place).await;
        },
    );
    assert!(calls.await >= 4);
}
