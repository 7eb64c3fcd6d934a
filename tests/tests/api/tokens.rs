//! Tokens of an issuer: which open the API, and which do not.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::web::{Auth, Verifier};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use sandbox::issuer::Issuer;
use serde_json::{Value, json};
use tests::issued::{AUDIENCE, TENANT, key, settings};
use tests::world::{Setup, World};
use tower::ServiceExt;

/// An API with an issuer of its own.
struct Guarded {
    world: World,
    issuer: Issuer,
    router: Router,
}

impl Guarded {
    async fn new() -> Self {
        let issuer = Issuer::start();
        issuer.publish("one", Algorithm::RS256, key(false), &json!({}));
        let world = World::new(Setup::default()).await;
        let verifier = Verifier::new(settings(&issuer), tests::world::client());
        let auth = Auth::Both("the-local-token".into(), Arc::new(verifier));
        let router = admin::router(world.engine.clone(), auth);
        Self { world, issuer, router }
    }

    fn now(&self) -> i64 {
        self.world.engine.clock.now().as_second()
    }

    /// Claims of an administrator, with others in their place; null takes one away.
    fn claims(&self, others: &Value) -> Value {
        let mut claims = json!({
            "iss": self.issuer.url, "aud": AUDIENCE, "tid": TENANT, "exp": self.now() + 600,
            "nbf": self.now() - 10, "roles": ["administrator"], "sub": "somebody",
        });
        for (name, value) in others.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    async fn get(&self, token: &str) -> u16 {
        self.answer(token).await.0
    }

    async fn answer(&self, token: &str) -> (u16, Value) {
        let request =
            Request::get("/v1/connections").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn a_token_opens_the_api_only_if_all_of_it_is_right() {
    let api = Guarded::new().await;
    let now = api.now();
    let cases = [
        (json!({}), 200),
        (json!({ "aud": ["other", AUDIENCE] }), 200),
        (json!({ "roles": ["reader"] }), 200),
        (json!({ "roles": "administrator" }), 200),
        (json!({ "nbf": null }), 200),
        (json!({ "exp": now - 59 }), 200),
        (json!({ "exp": now - 60 }), 401),
        (json!({ "exp": null }), 401),
        (json!({ "exp": "soon" }), 401),
        (json!({ "nbf": now + 60 }), 200),
        (json!({ "nbf": now + 61 }), 401),
        (json!({ "aud": "api://other" }), 401),
        (json!({ "aud": null }), 401),
        (json!({ "iss": "https://login.example/other" }), 401),
        (json!({ "iss": format!("{}/", api.issuer.url) }), 401),
        (json!({ "tid": "99999999-2222-3333-4444-555555555555" }), 401),
        (json!({ "tid": null }), 401),
        (json!({ "roles": [] }), 403),
        (json!({ "roles": null }), 403),
        (json!({ "roles": ["administrators"] }), 403),
    ];
    for (others, status) in cases {
        let (found, said) = api.answer(&api.issuer.sign("one", &api.claims(&others))).await;
        assert_eq!(found, status, "{others}: {said}");
    }
    assert_eq!(api.get("the-local-token").await, 200, "the local token opens it too");
}

#[tokio::test]
async fn a_signature_counts_only_by_a_key_and_an_algorithm_of_the_issuer() {
    let api = Guarded::new().await;
    let claims = api.claims(&json!({}));
    let good = api.issuer.sign("one", &claims);
    assert_eq!(api.get(&good).await, 200);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let header = |alg: Algorithm, kid: Option<&str>| Header {
        kid: kid.map(str::to_owned),
        ..Header::new(alg)
    };
    let secret = EncodingKey::from_secret(key(false).as_bytes());
    let other = EncodingKey::from_rsa_pem(key(true).as_bytes()).unwrap();
    let own = EncodingKey::from_rsa_pem(key(false).as_bytes()).unwrap();
    let mut tampered = claims.clone();
    tampered["sub"] = json!("somebody else");
    let tampered = unsigned(&json!({ "alg": "RS256", "kid": "one" }), &tampered, signature);
    let cases = [
        ("no signature", unsigned(&json!({ "alg": "none", "kid": "one" }), &claims, "")),
        ("no algorithm", unsigned(&json!({ "kid": "one" }), &claims, signature)),
        (
            "the key as a secret",
            encode(&header(Algorithm::HS256, Some("one")), &claims, &secret).unwrap(),
        ),
        ("another key", encode(&header(Algorithm::RS256, Some("one")), &claims, &other).unwrap()),
        ("no key id", encode(&header(Algorithm::RS256, None), &claims, &own).unwrap()),
        ("RS512", encode(&header(Algorithm::RS512, Some("one")), &claims, &own).unwrap()),
        ("other claims", tampered),
        ("a cut signature", signed.to_owned() + "." + &signature[..20]),
        ("two parts", signed.to_owned()),
        ("rubbish", "rubbish".to_owned()),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ];
    for (what, token) in cases {
        assert_eq!(api.get(&token).await, 401, "{what}");
    }
    let pss = encode(&header(Algorithm::PS256, Some("one")), &claims, &own).unwrap();
    assert_eq!(api.get(&pss).await, 200, "PS256 is as good, where the key says nothing else");
}

#[tokio::test]
async fn keys_are_changed_without_a_restart() {
    let api = Guarded::new().await;
    let by = |id: &str| api.issuer.sign(id, &api.claims(&json!({})));
    assert_eq!(api.get(&by("one")).await, 200);
    let asked = api.issuer.asked();
    assert_eq!(api.get(&by("one")).await, 200);
    assert_eq!(api.issuer.asked(), asked, "keys are kept");

    // A new key counts at once, but whoever names keys that are not there makes nobody ask.
    api.issuer.publish("two", Algorithm::RS256, key(true), &json!({}));
    api.world.pass(SignedDuration::from_mins(2));
    assert_eq!(api.get(&by("two")).await, 200);
    let asked = api.issuer.asked();
    api.issuer.publish("three", Algorithm::RS256, key(true), &json!({}));
    for _ in 0..3 {
        assert_eq!(api.get(&by("three")).await, 401);
    }
    assert_eq!(api.issuer.asked(), asked, "not within a minute");
    api.world.pass(SignedDuration::from_mins(1));
    assert_eq!(api.get(&by("three")).await, 200);

    // A withdrawn one counts for an hour at the most.
    api.issuer.withdraw("one");
    assert_eq!(api.get(&by("one")).await, 200);
    api.world.pass(SignedDuration::from_mins(61));
    assert_eq!(api.get(&by("one")).await, 401);
    assert_eq!(api.get(&by("two")).await, 200);
}

#[tokio::test]
async fn an_issuer_that_is_down_locks_nobody_out_whose_key_is_known() {
    let api = Guarded::new().await;
    let by = |id: &str| api.issuer.sign(id, &api.claims(&json!({})));
    api.issuer.set_down(true);
    let (status, said) = api.answer(&by("one")).await;
    assert_eq!(
        (status, &said["type"]),
        (503, &json!("urn:halo-entra:problem:service_unavailable"))
    );
    api.issuer.set_down(false);
    api.world.pass(SignedDuration::from_mins(2));
    assert_eq!(api.get(&by("one")).await, 200);
    api.issuer.set_down(true);
    for _ in 0..3 {
        api.world.pass(SignedDuration::from_hours(2));
        assert_eq!(api.get(&by("one")).await, 200);
    }
}

#[tokio::test]
async fn keys_of_others_do_not_count() {
    // Entra's common set has keys of several issuers.
    let api = Guarded::new().await;
    let template = format!("{}{{tenantid}}", "https://login.example/");
    for (id, issuer, status) in [
        ("own", api.issuer.url.clone(), 200),
        ("other", "https://login.example/other".to_owned(), 401),
        ("template", template, 401),
    ] {
        api.issuer.publish(id, Algorithm::RS256, key(false), &json!({ "issuer": issuer }));
        api.world.pass(SignedDuration::from_mins(2));
        assert_eq!(api.get(&api.issuer.sign(id, &api.claims(&json!({})))).await, status, "{id}");
    }
    api.issuer.publish("encrypts", Algorithm::RS256, key(false), &json!({ "use": "enc" }));
    api.issuer.publish("fixed", Algorithm::PS256, key(false), &json!({ "alg": "RS256" }));
    api.world.pass(SignedDuration::from_mins(2));
    for id in ["encrypts", "fixed"] {
        assert_eq!(api.get(&api.issuer.sign(id, &api.claims(&json!({})))).await, 401, "{id}");
    }

    let api = Guarded::new().await;
    api.issuer.name_itself("https://login.example/other");
    assert_eq!(api.get(&api.issuer.sign("one", &api.claims(&json!({})))).await, 503);
}
