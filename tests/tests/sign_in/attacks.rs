//! Every fault of a sign-in, with the refusal and the rule that refuses it.

use engine::secrets::SecretString;
use engine::sign_on::Returned;
use plan::sign_on::Refusal;
use sandbox::graph::{Faults, IdToken};
use sandbox::sample::TENANT_ID;
use serde_json::json;

use crate::desk::Desk;

const OTHER_TENANT: &str = "99999999-2222-3333-4444-555555555555";

/// What an attack comes to: the refusal and its rule.
pub(crate) type Attack = (&'static str, fn(&mut Faults), &'static str, &'static str);

/// Faults of the ID token and of the login service.
pub(crate) const TOKENS: &[Attack] = &[
    ("no ID token", |it| it.id_token = IdToken::Missing, "token_unreadable", "O3"),
    ("rubbish", |it| it.id_token = IdToken::Rubbish, "token_unreadable", "O3"),
    ("alg none", |it| it.id_token = IdToken::Unsigned, "token_algorithm", "O3"),
    ("HS256 with the public key", |it| it.id_token = IdToken::ByPublicKey, "token_algorithm", "O3"),
    ("RS512", |it| it.id_token = IdToken::OtherAlgorithm, "token_algorithm", "O3"),
    ("a key that is not published", |it| it.id_token = IdToken::UnknownKey, "token_key", "O3"),
    (
        "another key under a known name",
        |it| it.id_token = IdToken::OtherKey,
        "token_signature",
        "O3",
    ),
    ("a bad signature", |it| it.id_token = IdToken::BadSignature, "token_signature", "O3"),
    (
        "the key for personal accounts",
        |it| it.id_token = IdToken::PersonalKey,
        "token_key_issuer",
        "O3",
    ),
    (
        "another issuer",
        |it| it.id_token = IdToken::With("iss", "https://login.example/v2.0"),
        "token_issuer",
        "O3",
    ),
    (
        "the tenant of another issuer",
        |it| it.id_token = IdToken::With("tid", OTHER_TENANT),
        "token_issuer",
        "O3",
    ),
    ("no tenant", |it| it.id_token = IdToken::Without("tid"), "token_tenant", "O3"),
    (
        "a tenant that is no GUID",
        |it| it.id_token = IdToken::With("tid", "organizations"),
        "token_tenant",
        "O3",
    ),
    (
        "another audience",
        |it| it.id_token = IdToken::With("aud", OTHER_TENANT),
        "token_audience",
        "O3",
    ),
    ("no audience", |it| it.id_token = IdToken::Without("aud"), "token_audience", "O3"),
    ("expired", |it| it.id_token = IdToken::TimesMoved(-3900), "token_expired", "O3"),
    ("no end", |it| it.id_token = IdToken::Without("exp"), "token_expired", "O3"),
    ("not valid yet", |it| it.id_token = IdToken::TimesMoved(301), "token_not_yet", "O3"),
    ("no nonce", |it| it.id_token = IdToken::Without("nonce"), "token_nonce", "O3"),
    ("another nonce", |it| it.id_token = IdToken::With("nonce", "another"), "token_nonce", "O3"),
    ("no object id", |it| it.id_token = IdToken::Without("oid"), "token_object_id", "O3"),
    (
        "an object id that is no GUID",
        |it| it.id_token = IdToken::With("oid", "ada@contoso.example"),
        "token_object_id",
        "O3",
    ),
    ("a personal account", |it| it.id_token = IdToken::PersonalAccount, "personal_account", "O1"),
    (
        "an account of another tenant",
        |it| it.signs_in_from = Some(OTHER_TENANT.to_owned()),
        "other_tenant",
        "O1",
    ),
    ("Microsoft refuses the code", |it| it.login_error = Some(70_008), "microsoft", "O3"),
    ("Microsoft refuses the secret", |it| it.login_error = Some(7_000_222), "microsoft", "O3"),
    (
        "Microsoft sends nobody back with a code",
        |it| it.authorize_error = Some(65_004),
        "microsoft",
        "O3",
    ),
];

#[tokio::test]
async fn no_token_is_good_of_which_anything_is_wrong() {
    // O1, O3
    let desk = Desk::new().await;
    for tenant in [
        json!({ "type": "single", "id": TENANT_ID }),
        json!({ "type": "multi", "allowed": [TENANT_ID] }),
    ] {
        desk.save(json!({ "tenant": tenant })).await;
        for (what, faults, refusal, rule) in TOKENS {
            let refused = desk.sign_in_with(faults).await.expect_err(what);
            assert_eq!((refused.name(), refused.rule()), (*refusal, *rule), "{what} {tenant}");
            assert!(!refused.sentence().is_empty() && !refused.advice().is_empty());
            desk.pass_minutes(2);
        }
        // The same people are let in when nothing is wrong, within the skew too.
        for fine in [IdToken::Right, IdToken::TimesMoved(-3899), IdToken::TimesMoved(300)] {
            desk.sign_in_with(|faults| faults.id_token = fine).await.unwrap();
        }
    }
}

/// What a browser does that is not the one that began, or not in the right order; and the refusal.
pub(crate) type Brought = (&'static str, fn(&mut Returned), &'static str);

pub(crate) const BROUGHT: &[Brought] = &[
    ("no state", |it| it.state = None, "state_missing"),
    ("a state of nobody", |it| it.state = Some("abc".into()), "state_unknown"),
    ("no cookie", |it| it.browser = None, "other_browser"),
    ("another cookie", |it| it.browser = Some("abc".into()), "other_browser"),
    ("no code", |it| it.code = None, "no_code"),
    ("a code of nobody", |it| it.code = Some("abc".into()), "microsoft"),
    ("a refusal beside a code", |it| it.error = Some("access_denied".into()), "microsoft"),
];

#[tokio::test]
async fn only_the_browser_that_began_ends_a_sign_in_and_only_once() {
    // O3
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    for (what, change, expected) in BROUGHT {
        let mut returned = desk.go_through(&desk.begin().await).await;
        let whole = returned.clone();
        change(&mut returned);
        let refused = engine.finish_sign_in(returned).await.expect_err(what);
        assert_eq!((refused.name(), refused.rule()), (*expected, "O3"), "{what}");
        // What was brought once is worth nothing any more, whatever was wrong with it.
        let later = engine.finish_sign_in(whole).await;
        let untouched = ["state_missing", "state_unknown"].contains(expected);
        assert_eq!(later.is_ok(), untouched, "{what}: {later:?}");
    }

    // The way back twice, also at the same time.
    let returned = desk.go_through(&desk.begin().await).await;
    let both = [returned.clone(), returned.clone()].map(|it| engine.finish_sign_in(it));
    let both = futures::future::join_all(both).await;
    assert_eq!(both.iter().filter(|it| it.is_ok()).count(), 1, "{both:?}");
    let third = engine.finish_sign_in(returned).await.unwrap_err();
    assert_eq!(third.name(), "state_unknown");

    // Too late.
    let returned = desk.go_through(&desk.begin().await).await;
    desk.pass_minutes(10);
    assert_eq!(engine.finish_sign_in(returned).await.unwrap_err().name(), "state_unknown");
}

#[tokio::test]
async fn what_one_browser_got_is_of_no_use_in_another_sign_in() {
    // O3: a code that was stolen, put into the thief's own sign-in; and a thief's code in a victim's.
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    let theirs = desk.go_through(&desk.begin().await).await;
    let mut ours = desk.go_through(&desk.begin().await).await;
    ours.code = theirs.code.clone();
    let refused = engine.finish_sign_in(ours).await.unwrap_err();
    let Refusal::Microsoft { code, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(code, Some(501_481), "the verifier is another one");
    // The victim's browser is sent to the way back of a sign-in that it did not begin.
    let thiefs = desk.go_through(&desk.begin().await).await;
    let victim = Returned { browser: Some(desk.begin().await.browser), ..thiefs };
    assert_eq!(engine.finish_sign_in(victim).await.unwrap_err().name(), "other_browser");
}

#[tokio::test]
async fn settings_that_change_in_between_end_the_sign_in() {
    // O2, O3
    let desk = Desk::new().await;
    let engine = &desk.world.engine;
    for (others, expected) in [
        (json!({ "allow": "users" }), "settings_changed"),
        (json!({ "published": false }), "not_published"),
    ] {
        desk.save(json!({})).await;
        let returned = desk.go_through(&desk.begin().await).await;
        desk.save(others).await;
        assert_eq!(engine.finish_sign_in(returned).await.unwrap_err().name(), expected);
    }
}

#[tokio::test]
async fn keys_may_be_rotated_and_groups_may_be_too_many() {
    // O3
    let desk = Desk::new().await;
    desk.sign_in().await.unwrap();
    desk.world.entra.rotate_keys();
    let at_once = desk.sign_in().await.unwrap_err();
    assert_eq!(at_once.name(), "token_key", "keys are asked for once a minute at the most");
    desk.pass_minutes(1);
    desk.sign_in().await.unwrap();
    desk.world.graph_served.log.clear();
    desk.sign_in_with(|faults| faults.groups_overage = true).await.unwrap();
    let asked = desk.world.graph_served.log.all();
    assert!(asked.iter().all(|seen| !seen.path.contains("getMemberObjects")), "{asked:?}");
}

#[tokio::test]
async fn microsoft_that_does_not_answer_is_no_reason_to_let_anybody_in() {
    // O3
    let desk = Desk::new().await;
    let token = format!("/{TENANT_ID}/oauth2/v2.0/token");
    let fault = sandbox::graph::Fault::Unavailable { retry_after: None };
    desk.world.entra.fail_next(&token, 1, fault.clone());
    assert_eq!(desk.sign_in().await.unwrap_err().name(), "microsoft_unavailable");
    let keys = format!("/{TENANT_ID}/v2.0");
    desk.world.entra.fail_next(&keys, 1, fault);
    assert_eq!(desk.sign_in().await.unwrap_err().name(), "microsoft_unavailable");
    desk.pass_minutes(1);
    desk.sign_in().await.unwrap();
}

#[tokio::test]
async fn nothing_secret_stays_anywhere() {
    // C4, O3
    let desk = Desk::new().await;
    let begun = desk.begin().await;
    let returned = desk.go_through(&begun).await;
    let mut secrets = vec![
        crate::desk::clear(returned.state.as_ref()),
        crate::desk::clear(returned.code.as_ref()),
        crate::desk::clear(returned.browser.as_ref()),
        sandbox::sample::CLIENT_SECRET.to_owned(),
    ];
    let url: url::Url = begun.url.parse().unwrap();
    let nonce = url.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
    secrets.push(nonce);
    let before = desk.stored();
    let signed_in = desk.world.engine.finish_sign_in(returned).await.unwrap();
    let session = desk.session(&signed_in.cookie).await.unwrap();
    secrets.push(crate::desk::clear(Some(&signed_in.cookie)));
    secrets.push(crate::desk::clear(Some(&session.csrf)));
    secrets.extend(desk.world.entra.issued_tokens());
    let shown = format!("{signed_in:?} {session:?} {:?}", desk.world.engine.policy);
    let settings = desk.world.engine.sign_on_settings().await.unwrap();
    let shown = format!("{shown} {:?} {}", settings, json!(settings.status));
    for text in [before, desk.stored(), shown] {
        let found = secrets.iter().find(|secret| text.contains(secret.as_str()));
        assert_eq!(found, None);
    }
    let wrong: SecretString = "abc".into();
    assert!(desk.session(&wrong).await.is_none());
}
