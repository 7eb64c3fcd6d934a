//! Sign-ins and settings survive kills (T2): nobody is let in by half of a sign-in, and the next one works.

use engine::connections::Precondition;
use sandbox::sample::CLIENT_SECRET;
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

#[tokio::test]
async fn settings_and_secret_survive_kills() {
    // T2, O1
    let save = async |desk: &Desk| {
        let mut settings = json!(desk.world.engine.sign_on_settings().await.unwrap().settings);
        settings["name"] = json!("Another");
        let engine = &desk.world.engine;
        engine.save_sign_on("ada", Precondition::Any, &settings).await.unwrap();
        let secret = json!({ "client_secret": CLIENT_SECRET });
        engine.put_sign_on_secret("ada", secret.as_object().unwrap()).await.unwrap();
    };
    let desk = Desk::new().await;
    let before = desk.world.wire.calls();
    save(&desk).await;
    let calls = desk.world.wire.calls() - before;
    for at in 0..calls {
        for moment in [Moment::Before, Moment::After] {
            desk.world.wire.set(desk.world.wire.calls() + at, moment);
            tokio::select! {
                biased;
                () = desk.world.wire.wait() => {}
                () = save(&desk) => panic!("not killed at {at}"),
            }
            // The secret was that of the same application all the time.
            desk.sign_in().await.unwrap();
            save(&desk).await;
            desk.sign_in().await.unwrap();
            desk.pass_minutes(1);
        }
    }
}
