//! How many sign-ins are taken, and the way in that does not depend on Entra (O3, O4).

use engine::OperatorWay;
use engine::secrets::{SecretName, SecretString};
use engine::sign_on::Returned;
use engine::web::Role;
use tests::world::Storage;

use crate::desk::Desk;

const TOKEN: &str = "an-operators-token-of-some-length-1234";

#[tokio::test]
async fn beginning_and_coming_back_are_limited_for_the_whole_deployment() {
    // O3
    let desk = Desk::new().await;
    // As two processes on the same store.
    let (one, two) = (desk.world.engine.clone(), desk.world.engine.clone());
    for count in 0..120 {
        let engine = if count % 2 == 0 { &one } else { &two };
        engine.begin_sign_in(None, None).await.unwrap();
    }
    let refused = one.begin_sign_in(None, None).await.unwrap_err();
    assert_eq!((refused.name(), refused.rule()), ("too_many", "O3"));
    assert!((1..=60).contains(&refused.retry_after().unwrap()), "{refused:?}");
    desk.pass_minutes(1);
    one.begin_sign_in(None, None).await.unwrap();

    for count in 0..240 {
        let engine = if count % 2 == 0 { &one } else { &two };
        let refused = engine.finish_sign_in(Returned::default()).await.unwrap_err();
        assert_eq!(refused.name(), "state_missing");
    }
    let refused = two.finish_sign_in(Returned::default()).await.unwrap_err();
    assert_eq!(refused.name(), "too_many");
    desk.pass_minutes(1);
    desk.sign_in().await.unwrap();
}

#[tokio::test]
async fn the_operator_comes_in_by_a_token_only_where_that_is_switched_on() {
    // O4: on both kinds of storage, without Entra and without any settings.
    for storage in [Storage::Memory, Storage::File] {
        let desk = Desk::bare(storage).await;
        let mut engine = desk.world.engine.clone();
        let token: SecretString = TOKEN.into();
        let refused = engine.sign_in_as_operator(&token, None).await.unwrap_err();
        assert_eq!((refused.name(), refused.rule()), ("operator_off", "O4"));
        assert!(!engine.sign_in_offer(None).await.unwrap().operator);

        engine.policy.operator = OperatorWay::Stored;
        let refused = engine.sign_in_as_operator(&token, None).await.unwrap_err();
        assert_eq!(refused.name(), "operator_off", "nobody entered a token");
        engine.secrets.put(&SecretName::operator(), &"short".into()).await.unwrap();
        let refused = engine.sign_in_as_operator(&"short".into(), None).await.unwrap_err();
        assert_eq!(refused.name(), "operator_off", "too short to count");
        desk.pass_minutes(1);
        for way in [OperatorWay::Stored, OperatorWay::Stored.with_token(TOKEN.into())] {
            engine
                .secrets
                .put(&SecretName::operator(), &format!("{TOKEN}\n").into())
                .await
                .unwrap();
            engine.policy.operator = way;
            assert!(engine.sign_in_offer(None).await.unwrap().operator);
            let wrong: SecretString = format!("{TOKEN}x").into();
            let refused = engine.sign_in_as_operator(&wrong, None).await.unwrap_err();
            assert_eq!(refused.name(), "operator_token");
            let signed_in = engine.sign_in_as_operator(&token, None).await.unwrap();
            assert_eq!(signed_in.to, "/console");
            let visitor = engine.visitor(&signed_in.cookie).await.unwrap();
            let engine::sign_on::Visitor::SignedIn(session) = visitor else { panic!("nobody") };
            assert_eq!(session.caller.role, Role::Administrator);
            assert_eq!(session.caller.name, "operator");
            // Switched off, the session is over with the next request.
            let mut closed = engine.clone();
            closed.policy.operator = OperatorWay::Closed;
            let visitor = closed.visitor(&signed_in.cookie).await.unwrap();
            assert!(matches!(visitor, engine::sign_on::Visitor::NoLonger(_)), "{visitor:?}");
            desk.pass_minutes(1);
        }
        assert!(matches!(OperatorWay::Closed.with_token(TOKEN.into()), OperatorWay::Closed));
    }
}

#[tokio::test]
async fn guesses_of_the_operators_token_are_few_and_lock_nobody_out_for_long() {
    // O4
    let desk = Desk::bare(Storage::Memory).await;
    let mut one = desk.world.engine.clone();
    one.policy.operator = OperatorWay::Token(TOKEN.into());
    let two = one.clone();
    for _ in 0..3 {
        let mut names = Vec::new();
        for count in 0..20 {
            let engine = if count % 2 == 0 { &one } else { &two };
            let guess: SecretString = format!("guess {count}").into();
            names.push(engine.sign_in_as_operator(&guess, None).await.unwrap_err().name());
        }
        assert_eq!(names.iter().filter(|name| **name == "operator_token").count(), 5);
        assert_eq!(names.iter().filter(|name| **name == "too_many").count(), 15);
        let right: SecretString = TOKEN.into();
        assert_eq!(one.sign_in_as_operator(&right, None).await.unwrap_err().name(), "too_many");
        desk.pass_minutes(1);
        one.sign_in_as_operator(&right, None).await.unwrap();
        desk.pass_minutes(1);
    }
    // All at once are counted as one after the other.
    let guesses = (0..20).map(async |count| {
        let guess: SecretString = format!("guess {count}").into();
        one.sign_in_as_operator(&guess, None).await.unwrap_err().name()
    });
    let names = futures::future::join_all(guesses).await;
    let compared = names.iter().filter(|name| **name == "operator_token").count();
    assert!(compared <= 5, "{names:?}");
}
