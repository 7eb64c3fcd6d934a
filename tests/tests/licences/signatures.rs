//! Who may ask: the signature of each call, and the key while it is replaced (S2, C4).

use serde_json::{Value, json};

use crate::desk::{ASK, Desk, KEY, SUITE, Start, signature};

const OTHER: &str = "fedcba9876543210fedcba9876543210";
const SIGNING_KEY: &str = "/v1/licence-signing-key";

#[tokio::test]
async fn only_a_fresh_signature_over_the_very_body_opens() {
    // S2
    let desk = Desk::open(Start::default()).await;
    let now = desk.world.clock_now().as_second();
    let body = desk.body("assign", 1, SUITE).to_string();
    let other = desk.body("assign", 2, SUITE).to_string();
    let good = signature(KEY, now, &body);
    let mut broken = good.clone();
    broken.replace_range(10..11, if &good[10..11] == "0" { "1" } else { "0" });
    let refused = [
        ("another key", now, signature(OTHER, now, &body), "invalid_signature"),
        ("another body", now, signature(KEY, now, &other), "invalid_signature"),
        ("another time", now + 1, good.clone(), "invalid_signature"),
        ("one digit", now, broken, "invalid_signature"),
        ("no version", now, good.replace("v1=", ""), "invalid_signature"),
        ("another version", now, good.replace("v1=", "v2="), "invalid_signature"),
        ("nothing", now, String::new(), "invalid_signature"),
        ("old", now - 301, signature(KEY, now - 301, &body), "stale_signature"),
        ("ahead", now + 301, signature(KEY, now + 301, &body), "stale_signature"),
    ];
    for (name, at, signature, problem) in refused {
        let answer = desk.signed(&body, at, &signature).await;
        assert_eq!((answer.status.as_u16(), answer.problem()), (401, problem), "{name}");
        assert!(!answer.json.to_string().contains(KEY), "C4: {name}");
    }
    // The administrator's token opens nothing here.
    let answer = desk.admin("POST", ASK, Some(desk.body("assign", 1, SUITE))).await;
    assert_eq!(answer.problem(), "invalid_signature");
    desk.world.quiet().await;
    assert!(desk.held(1).is_empty() && desk.log().await.is_empty(), "nothing happened");

    for at in [now - 300, now + 300] {
        let body = desk.body("assign", 1, SUITE).to_string();
        let answer = desk.signed(&body, at, &signature(KEY, at, &body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

#[tokio::test]
async fn bodies_are_read_strictly_and_only_behind_a_signature() {
    let desk = Desk::open(Start::default()).await;
    let good = desk.body("assign", 1, SUITE);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string()
    };
    let cases = [
        ("{".to_owned(), 400, "malformed_json"),
        (String::new(), 400, "invalid_request"),
        ("[]".to_owned(), 400, "invalid_request"),
        (with("action", json!("give")), 400, "invalid_request"),
        (with("user_id", json!(0)), 400, "invalid_request"),
        (with("user_id", json!("1")), 400, "invalid_request"),
        (with("request", json!("")), 400, "invalid_request"),
        (with("request", json!("a\nb")), 400, "invalid_request"),
        (with("request", json!("x".repeat(101))), 400, "invalid_request"),
        (with("force", json!(true)), 400, "invalid_request"),
        (with("request", json!("x".repeat(20_000))), 413, "too_large"),
        (with("licence_id", json!(4711)), 422, "unknown_licence"),
    ];
    let at = desk.world.clock_now().as_second();
    for (body, status, problem) in cases {
        let answer = desk.signed(&body, at, &signature(KEY, at, &body)).await;
        assert_eq!((answer.status.as_u16(), answer.problem()), (status, problem), "{body:.80}");
        if status != 413 {
            let answer = desk.signed(&body, at, &signature(OTHER, at, &body)).await;
            assert_eq!(answer.problem(), "invalid_signature", "{body:.80}");
        }
    }
}

#[tokio::test]
async fn a_key_is_replaced_without_a_gap_and_never_shown() {
    // S2, C4
    let desk = Desk::open(Start::default()).await;
    let sign = async |key: &str, n: usize| {
        let body = desk.body("assign", n, SUITE).to_string();
        let at = desk.world.clock_now().as_second();
        desk.signed(&body, at, &signature(key, at, &body)).await.status.as_u16()
    };
    let put = async |key: &str, previous: &str| {
        let body = json!({ "key": key, "previous": previous });
        let answer = desk.admin("PUT", SIGNING_KEY, Some(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    };
    let audited = async || {
        let answer = desk.admin("GET", "/v1/audit", None).await;
        let entries = answer.json["audit"].as_array().unwrap().clone();
        let what = entries.iter().map(|entry| entry["what"].as_str().unwrap().to_owned());
        what.collect::<Vec<_>>()
    };
    assert_eq!((sign(KEY, 1).await, sign(OTHER, 1).await), (202, 401));

    let first = put(KEY, "keep").await;
    assert_eq!((&first["previous"], audited().await.len()), (&json!(false), 1), "changes nothing");
    desk.world.pass(jiff::SignedDuration::from_mins(1));
    let rotated = put(OTHER, "keep").await;
    assert_eq!(rotated["previous"], true);
    assert_ne!(rotated["since"], first["since"]);
    assert_eq!(put(OTHER, "keep").await, rotated, "changes nothing");
    assert_eq!((sign(KEY, 2).await, sign(OTHER, 3).await), (202, 202), "both live");

    assert_eq!(put(OTHER, "drop").await["previous"], false);
    assert_eq!((sign(KEY, 2).await, sign(OTHER, 2).await), (401, 202));
    let shown = desk.admin("GET", SIGNING_KEY, None).await.json;
    assert_eq!((&shown["set"], &shown["since"]), (&json!(true), &rotated["since"]));
    let expected = ["licence signing key before dropped", "licence signing key changed"];
    assert_eq!(audited().await[..2], expected);
    let audit = desk.admin("GET", "/v1/audit", None).await.json.to_string();
    let told = format!("{shown}{rotated}{audit}");
    assert!(!told.contains(KEY) && !told.contains(OTHER), "{told}");
    let short = desk.admin("PUT", SIGNING_KEY, Some(json!({ "key": "s3cret" }))).await;
    assert_eq!(short.problem(), "invalid_request");
    assert!(!short.json.to_string().contains("s3cret"), "C4");
}

#[tokio::test]
async fn without_a_key_nothing_is_taken_in() {
    let desk = Desk::open(Start::default()).await;
    let name = engine::secrets::SecretName::licence_signing();
    desk.world.engine.secrets.delete(&name).await.unwrap();
    assert_eq!(desk.admin("GET", SIGNING_KEY, None).await.json["set"], false);
    let answer = desk.ask(&desk.body("assign", 1, SUITE)).await;
    assert_eq!((answer.status.as_u16(), answer.problem()), (409, "signing_key_missing"));
}
