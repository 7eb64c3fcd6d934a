//! Certificates: entered, refused, used (C3, C4, C8, C9).

use serde_json::{Value, json};
use tests::certificates::{Certified, elliptic, rsa};

use crate::support::{Answer, Api};

const CREDENTIALS: &str = "/v1/connections/fabrikam/credentials";
const AUTHORISE: &str = "/v1/connections/fabrikam/authorise";

fn body(certified: &Certified) -> Value {
    json!({ "certificate_pem": certified.certificate, "private_key_pem": certified.key })
}

async fn enter(api: &Api, body: &Value) -> Answer {
    api.send("PUT", CREDENTIALS, Some(body)).await
}

/// An API with a connection that wants a certificate.
async fn prepared(assertion: &str) -> Api {
    let api = Api::new().await;
    let mut document = api.document("fabrikam");
    document["auth"]["credential"] = json!("certificate");
    document["auth"]["assertion"] = json!(assertion);
    api.post("/v1/connections", &document).await.ok();
    api
}

#[tokio::test]
async fn a_certificate_signs_in_the_way_that_is_set() {
    // C3, C9
    let certified = rsa(2027);
    for (assertion, algorithm, thumbprint) in
        [("ps256", "PS256", "x5t#S256"), ("rs256", "RS256", "x5t")]
    {
        let api = prepared(assertion).await;
        api.world.entra.register_certificate(&certified.certificate);
        let status = enter(&api, &body(&certified)).await.ok().json;
        let credentials = &status["credentials"];
        assert_eq!(credentials["expires_at"], "2027-12-31T00:00:00Z");
        assert_eq!(credentials["credential"], "certificate");
        assert_eq!(api.post(AUTHORISE, &json!({})).await.ok().json["authorised"], true);
        let all = api.world.entra.assertions();
        let signed: Vec<&Value> = all.iter().collect();
        assert!(signed.len() > 1, "one to test, one to authorise");
        for one in &signed {
            assert_eq!(one["header"]["alg"], algorithm);
            assert!(one["header"][thumbprint].is_string(), "{one}");
            let holds = one["exp"].as_i64().unwrap() - one["nbf"].as_i64().unwrap();
            assert!((300..=600).contains(&holds), "{one}");
        }
        assert_ne!(signed[0]["jti"], signed[1]["jti"], "never used twice");
    }
}

#[tokio::test]
async fn what_is_no_certificate_with_its_key_is_told_by_place_and_never_quoted() {
    // C4, C8
    let api = prepared("ps256").await;
    let (own, other, curve, old) = (rsa(2027), rsa(2027), elliptic(2027), rsa(2025));
    api.world.entra.register_certificate(&own.certificate);
    let with = |certificate: &str, key: &str| json!({ "certificate_pem": certificate, "private_key_pem": key });
    let encrypted = own.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let damaged = own.key.replacen("MII", "MIJ", 1);
    let cases = [
        (with(&own.certificate, &other.key), "$.private_key_pem", "does not belong"),
        (with(&own.certificate, &curve.key), "$.private_key_pem", "RSA key"),
        (body(&curve), "$.certificate_pem", "no RSA key"),
        (body(&old), "$.certificate_pem", "has expired"),
        (with(&own.key, &own.key), "$.certificate_pem", "BEGIN CERTIFICATE"),
        (with("rubbish", &own.key), "$.certificate_pem", "BEGIN CERTIFICATE"),
        (with(&own.certificate, &own.certificate), "$.private_key_pem", "BEGIN PRIVATE KEY"),
        (with(&own.certificate, "rubbish"), "$.private_key_pem", "BEGIN PRIVATE KEY"),
        (with(&own.certificate, &encrypted), "$.private_key_pem", "password"),
        (with(&own.certificate, &damaged), "$.private_key_pem", "RSA key"),
    ];
    for (body, path, part) in cases {
        let answer = enter(&api, &body).await;
        assert_eq!(answer.problem(), "invalid_document", "{}", answer.text);
        assert_eq!(answer.paths(), [path], "{}", answer.text);
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
        for line in own.key.lines().chain(other.key.lines()).filter(|line| line.len() > 40) {
            assert!(!answer.text.contains(line), "{}", answer.text);
        }
    }
    let secret = enter(&api, &json!({ "client_secret": "x" })).await;
    assert!(secret.paths().contains(&"$.client_secret"), "{}", secret.text);
    assert!(secret.text.contains("auth.credential"), "{}", secret.text);
}

#[tokio::test]
async fn a_certificate_that_nobody_registered_replaces_nothing() {
    // C6, C8
    let api = prepared("ps256").await;
    let (own, other) = (rsa(2027), rsa(2028));
    api.world.entra.register_certificate(&own.certificate);
    enter(&api, &body(&own)).await.ok();
    let refused = enter(&api, &body(&other)).await;
    assert_eq!((refused.problem(), &refused.json["code"]), ("sign_in_failed", &json!(700_027)));
    assert!(refused.json["advice"].as_str().unwrap().contains("Upload"), "{}", refused.text);
    api.post(AUTHORISE, &json!({})).await.ok();

    // Both are registered for a while, as when they are exchanged.
    api.world.entra.register_certificate(&other.certificate);
    let status = enter(&api, &body(&other)).await.ok().json;
    assert_eq!(status["credentials"]["expires_at"], "2028-12-31T00:00:00Z");
    api.world.entra.forget_certificates();
    api.world.entra.register_certificate(&other.certificate);
    api.post(AUTHORISE, &json!({})).await.ok();
}

#[tokio::test]
async fn a_chain_and_another_way_of_signing_need_no_new_entry() {
    // C3: the key's own certificate is found among others.
    let api = prepared("ps256").await;
    let (own, other) = (rsa(2027), rsa(2027));
    api.world.entra.register_certificate(&own.certificate);
    let both = format!("Bag Attributes\n{}{}", other.certificate, own.certificate);
    enter(&api, &json!({ "certificate_pem": both, "private_key_pem": own.key })).await.ok();
    api.post(AUTHORISE, &json!({})).await.ok();

    let shown = api.get("/v1/connections/fabrikam").await;
    let mut document = shown.json.clone();
    document["auth"]["assertion"] = json!("rs256");
    let saved = api.save("fabrikam", &shown.etag(), &document).await.ok().json;
    assert_eq!(saved["auth"]["assertion"], "rs256");
    assert_eq!(saved["status"]["credentials"]["set"], true);
    assert_eq!(saved["status"]["authorisation"]["state"], "authorised");
    api.post(AUTHORISE, &json!({})).await.ok();
    assert_eq!(api.world.entra.assertions().last().unwrap()["header"]["alg"], "RS256");
}

#[tokio::test]
async fn a_key_is_never_shown() {
    // C4
    let api = prepared("ps256").await;
    let own = rsa(2027);
    api.world.entra.register_certificate(&own.certificate);
    let mut texts = vec![enter(&api, &body(&own)).await.ok().text];
    texts.push(api.post(AUTHORISE, &json!({})).await.ok().text);
    for path in ["/v1/connections/fabrikam", "/v1/connections"] {
        texts.push(api.get(path).await.ok().text);
    }
    for line in own.key.lines().filter(|line| line.len() > 40) {
        assert!(texts.iter().all(|text| !text.contains(line)));
    }
}
