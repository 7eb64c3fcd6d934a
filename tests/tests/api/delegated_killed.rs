//! Refresh tokens and sign-ins survive kills and each other (T2, C4).

use std::sync::Arc;

use engine::graph::Graph;
use engine::meter::Meter;
use engine::secrets::{ExposeSecret, SecretName};
use jiff::SignedDuration;
use sandbox::server::Moment;
use serde_json::{Value, json};

use crate::delegated::{PATH, begin, prepared, sign_in};
use crate::support::Api;

/// The refresh token that is kept.
async fn kept(api: &Api) -> String {
    let name = SecretName::session(&"fabrikam".parse().unwrap());
    let text = api.world.engine.secrets.get(&name).await.unwrap().unwrap();
    let json: Value = serde_json::from_str(text.expose_secret()).unwrap();
    json["refresh_token"].as_str().unwrap().to_owned()
}

/// A client as a worker that just started has it: without any token.
async fn fresh(api: &Api) -> Graph {
    let mut engine = api.world.engine.clone();
    engine.tokens = engine::graph::Tokens::default();
    let saved = engine.store.document(&"fabrikam".parse().unwrap()).await.unwrap().unwrap();
    engine.graph(&saved.value, Arc::new(Meter::default())).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_new_refresh_token_is_kept_before_its_access_token_is_used() {
    // C4
    let api = prepared().await;
    sign_in(&api).await;
    let before = kept(&api).await;
    // Killed with the answer in hand: nothing was asked of Graph yet, and the old one still works.
    let graph = fresh(&api).await;
    api.world.graph_served.log.clear();
    api.world.wire.set(api.world.wire.calls() + 1, Moment::Before);
    tokio::select! {
        biased;
        () = api.world.wire.wait() => {}
        done = graph.users_count() => panic!("not killed: {done:?}"),
    }
    assert!(api.world.wire.sprung().unwrap().contains("secrets put"));
    let paths: Vec<String> =
        api.world.graph_served.log.all().into_iter().map(|seen| seen.path).collect();
    assert!(paths.iter().all(|path| path.ends_with("/token")), "{paths:?}");
    assert_eq!(kept(&api).await, before);
    fresh(&api).await.users_count().await.unwrap();
    assert_ne!(kept(&api).await, before);
}

#[tokio::test]
async fn two_workers_that_renew_at_once_leave_a_good_session() {
    // C4
    let api = prepared().await;
    sign_in(&api).await;
    for _ in 0..3 {
        let workers = [fresh(&api).await, fresh(&api).await, fresh(&api).await];
        let all = workers.iter().map(Graph::users_count);
        for count in futures::future::join_all(all).await {
            count.unwrap();
        }
        // Long enough for every token that was used to be dead: the one that is kept was not.
        api.world.pass(SignedDuration::from_hours(25));
    }
    fresh(&api).await.users_count().await.unwrap();
}

#[tokio::test]
async fn a_sign_in_survives_kills_on_its_way_back() {
    // T2, C6, C8
    for authorised_before in [false, true] {
        let calm = prepared().await;
        if authorised_before {
            sign_in(&calm).await;
        }
        let url = begin(&calm).await;
        let before = calm.world.wire.calls();
        calm.browse(&url).await;
        let calls = calm.world.wire.calls() - before;
        assert!(calls > 5, "{calls}");
        for at in 0..calls {
            for moment in [Moment::Before, Moment::After] {
                let api = prepared().await;
                if authorised_before {
                    sign_in(&api).await;
                }
                let url = begin(&api).await;
                api.world.wire.set(api.world.wire.calls() + at, moment);
                tokio::select! {
                    biased;
                    () = api.world.wire.wait() => {}
                    page = api.browse(&url) => panic!("not killed at {at}: {}", page.text),
                }
                let place = api.world.wire.sprung().unwrap();
                let state = || async {
                    let shown = api.get(PATH).await.ok().json;
                    shown["status"]["authorisation"]["state"].as_str().unwrap().to_owned()
                };
                // As before, or authorised; and whoever was authorised still reads.
                if state().await == "authorised" {
                    let count = fresh(&api).await.users_count().await;
                    assert!(count.is_ok(), "{place}: {count:?}");
                } else {
                    assert!(!authorised_before, "{place}");
                }
                let page = sign_in(&api).await;
                assert_eq!(page.status, 200, "{place}: {}", page.text);
                assert_eq!(state().await, "authorised", "{place}");
                fresh(&api).await.users_count().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn beginning_a_sign_in_survives_kills() {
    // T2, C6
    let calm = prepared().await;
    let before = calm.world.wire.calls();
    begin(&calm).await;
    let calls = calm.world.wire.calls() - before;
    assert!(calls > 1, "{calls}");
    for at in 0..calls {
        for moment in [Moment::Before, Moment::After] {
            let api = prepared().await;
            api.world.wire.set(api.world.wire.calls() + at, moment);
            tokio::select! {
                biased;
                () = api.world.wire.wait() => {}
                url = begin(&api) => panic!("not killed at {at}: {url}"),
            }
            assert_eq!(sign_in(&api).await.status, 200, "{:?}", api.world.wire.sprung());
        }
    }
}

#[tokio::test]
async fn entering_credentials_survives_kills() {
    // T2, C8
    let enter = async |api: &Api| {
        let body = json!({ "client_secret": sandbox::sample::CLIENT_SECRET });
        api.send("PUT", &format!("{PATH}/credentials"), Some(&body)).await
    };
    let calm = prepared().await;
    let before = calm.world.wire.calls();
    enter(&calm).await.ok();
    let calls = calm.world.wire.calls() - before;
    for at in 0..calls {
        let api = prepared().await;
        api.world.wire.set(api.world.wire.calls() + at, Moment::After);
        tokio::select! {
            biased;
            () = api.world.wire.wait() => {}
            answer = enter(&api) => panic!("not killed at {at}: {}", answer.text),
        }
        enter(&api).await.ok();
        assert_eq!(sign_in(&api).await.status, 200, "{:?}", api.world.wire.sprung());
    }
}
