//! Certificates, signing in with a browser, refresh tokens, and an administrator's consent.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use url::Url;

use super::client::{CLIENT, Got, Setup, TENANT};

const REDIRECT: &str = "http://127.0.0.1:8787/v1/oauth/callback";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Key {
    pem: String,
    key: EncodingKey,
}

fn key() -> Key {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["import.contoso.example".to_owned()]).unwrap();
    let pem = params.self_signed(&pair).unwrap().pem();
    Key { pem, key: EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap() }
}

/// Thumbprints as a shell would make them, not as the model does.
fn print(pem: &str, algorithm: &'static aws_lc_rs::digest::Algorithm) -> String {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(algorithm, &der))
}

fn header(algorithm: Algorithm, pem: &str) -> Header {
    let mut header = Header::new(algorithm);
    if algorithm == Algorithm::PS256 {
        header.x5t_s256 = Some(print(pem, &aws_lc_rs::digest::SHA256));
    } else {
        header.x5t = Some(print(pem, &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY));
    }
    header
}

async fn with_assertion(setup: &Setup, assertion: &str) -> Got {
    let change = [
        ("client_secret", ""),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    setup.login(TENANT, &change).await
}

/// What a valid assertion is answered.
pub(super) async fn signed_in_by_certificate(setup: &Setup) -> Got {
    let ours = key();
    setup.graph.register_certificate(&ours.pem);
    let header = header(Algorithm::PS256, &ours.pem);
    with_assertion(setup, &encode(&header, &claims(setup), &ours.key).unwrap()).await
}

/// The claims that the documentation asks for.
fn claims(setup: &Setup) -> Value {
    let now = setup.graph.now().as_second();
    json!({ "aud": format!("{}/{TENANT}/oauth2/v2.0/token", setup.served.url),
        "iss": CLIENT, "sub": CLIENT, "jti": "1", "nbf": now, "iat": now, "exp": now + 300 })
}

#[tokio::test]
async fn assertions_are_checked_in_all_that_is_documented() {
    let setup = Setup::new().await;
    let (ours, other) = (key(), key());
    setup.graph.register_certificate(&ours.pem);
    let now = setup.graph.now().as_second();
    let claims = claims(&setup);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let ps = || header(Algorithm::PS256, &ours.pem);
    let cases = [
        ("PS256", ps(), &ours, claims.clone(), Ok(())),
        ("RS256", header(Algorithm::RS256, &ours.pem), &ours, claims.clone(), Ok(())),
        (
            "not registered",
            header(Algorithm::PS256, &other.pem),
            &other,
            claims.clone(),
            Err(700_027),
        ),
        ("another's key", ps(), &other, claims.clone(), Err(700_027)),
        ("no thumbprint", Header::new(Algorithm::PS256), &ours, claims.clone(), Err(700_027)),
        ("expired", ps(), &ours, with("exp", json!(now)), Err(700_024)),
        ("not yet", ps(), &ours, with("nbf", json!(now + 60)), Err(700_024)),
        ("another audience", ps(), &ours, with("aud", json!("x")), Err(700_023)),
        ("another application", ps(), &ours, with("sub", json!("x")), Err(700_021)),
        ("no id", ps(), &ours, with("jti", json!("")), Err(50013)),
    ];
    for (name, header, signer, claims, expected) in cases {
        let got = with_assertion(&setup, &encode(&header, &claims, &signer.key).unwrap()).await;
        let found = match got.status {
            200 => Ok(()),
            _ => Err(got.json()["error_codes"][0].as_u64().unwrap()),
        };
        assert_eq!(found, expected, "{name}: {}", got.text);
    }
    assert_eq!(with_assertion(&setup, "rubbish").await.json()["error_codes"], json!([50013]));
    assert_eq!(setup.graph.assertions().len(), 2);
}

/// The address of the sign-in, with parameters changed or (with an empty value) left out.
fn sign_in(setup: &Setup, change: &[(&'static str, &str)]) -> Url {
    let scope = format!("{}/.default offline_access openid", setup.served.url);
    let mut query = BTreeMap::from([
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", scope.as_str()),
        ("state", "s t&te"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    query.extend(change.iter().copied());
    query.retain(|_, value| !value.is_empty());
    let base = format!("{}/{TENANT}/oauth2/v2.0/authorize", setup.served.url);
    Url::parse_with_params(&base, query).unwrap()
}

/// Where a browser is sent, by parameter.
async fn sent(setup: &Setup, url: &Url) -> BTreeMap<String, String> {
    let got = setup.browse(url.as_str()).await;
    assert_eq!(got.status, 302, "{}", got.text);
    let to: Url = got.headers["location"].parse().unwrap();
    assert!(to.as_str().starts_with(REDIRECT), "{to}");
    to.query_pairs().into_owned().collect()
}

async fn redeem(setup: &Setup, code: &str, change: &[(&'static str, &str)]) -> Got {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("scope", ""),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    form.extend(change.iter().copied());
    setup.login(TENANT, &form).await
}

async fn refresh(setup: &Setup, token: &str) -> Got {
    setup.login(TENANT, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

fn code_of(got: &Got) -> u64 {
    got.json()["error_codes"][0].as_u64().unwrap_or_else(|| panic!("{}", got.text))
}

async fn delegated() -> Setup {
    let setup = Setup::new().await;
    setup.graph.register_redirect(REDIRECT);
    setup
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_soon_with_its_verifier() {
    let setup = delegated().await;
    let back = sent(&setup, &sign_in(&setup, &[])).await;
    assert_eq!(back["state"], "s t&te");
    let code = &back["code"];
    for (change, expected) in [
        (("code", "made-up"), 70000),
        (("code_verifier", "another"), 501_481),
        (("code_verifier", ""), 501_481),
        (("redirect_uri", "http://127.0.0.1:1/"), 500_112),
        (("client_secret", "wrong"), 7_000_215),
    ] {
        assert_eq!(code_of(&redeem(&setup, code, &[change]).await), expected, "{change:?}");
    }
    let tokens = redeem(&setup, code, &[]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    let tokens = tokens.json();
    assert!(tokens["scope"].as_str().unwrap().contains("User.Read.All"));
    let claims = |token: &Value| -> Value {
        let part = token.as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(claims(&tokens["access_token"])["idtyp"], "user");
    assert!(claims(&tokens["access_token"])["scp"].as_str().unwrap().contains("User.Read.All"));
    let id = claims(&tokens["id_token"]);
    assert_eq!(
        (&id["tid"], &id["nonce"], &id["aud"]),
        (&json!(TENANT), &json!("n"), &json!(CLIENT))
    );
    assert_eq!(code_of(&redeem(&setup, code, &[]).await), 54005);
    let late = sent(&setup, &sign_in(&setup, &[])).await;
    setup.graph.advance(601);
    assert_eq!(code_of(&redeem(&setup, &late["code"], &[]).await), 70008);
}

#[tokio::test]
async fn only_a_registered_address_is_sent_anything() {
    let setup = delegated().await;
    for (change, expected) in [
        (("redirect_uri", "http://127.0.0.1:8787/v1/oauth/callback/"), "AADSTS50011"),
        (("redirect_uri", ""), "AADSTS50011"),
        (("client_id", "other"), "AADSTS700016"),
    ] {
        let got = setup.browse(sign_in(&setup, &[change]).as_str()).await;
        assert_eq!(got.status, 400);
        assert!(got.text.contains(expected), "{}", got.text);
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("scope", "https://foo.example/.default"), "invalid_scope"),
        (("scope", "User.ReadWrite.All"), "invalid_grant"),
    ] {
        let back = sent(&setup, &sign_in(&setup, &[change])).await;
        assert_eq!((&*back["error"], &*back["state"]), (error, "s t&te"), "{change:?}");
    }
    setup.graph.faults(|faults| faults.authorize_error = Some(65004));
    let back = sent(&setup, &sign_in(&setup, &[])).await;
    assert_eq!(back["error"], "access_denied");
    assert!(back["error_description"].starts_with("AADSTS65004: "));
}

#[tokio::test]
async fn refresh_tokens_rotate_and_die() {
    let setup = delegated().await;
    let code = sent(&setup, &sign_in(&setup, &[])).await["code"].clone();
    let token = |got: &Got| got.json()["refresh_token"].as_str().unwrap().to_owned();
    let first = token(&redeem(&setup, &code, &[]).await);
    let second = token(&refresh(&setup, &first).await);
    assert_ne!(first, second);
    let third = token(&refresh(&setup, &first).await);
    assert_ne!(second, third, "the old one is not revoked at once");
    assert!(refresh(&setup, &second).await.json().get("id_token").is_none());
    setup.graph.advance(25 * 3600);
    assert_eq!(code_of(&refresh(&setup, &first).await), 70008);
    assert_eq!(refresh(&setup, &third).await.status, 200);
    let fourth = token(&refresh(&setup, &third).await);
    setup.graph.faults(|faults| faults.refresh_error = Some(50076));
    assert_eq!(code_of(&refresh(&setup, &fourth).await), 50076);
    setup.graph.faults(|faults| faults.refresh_error = None);
    setup.graph.advance(90 * 24 * 3600 + 1);
    assert_eq!(code_of(&refresh(&setup, &fourth).await), 700_082);
    let code = sent(&setup, &sign_in(&setup, &[])).await["code"].clone();
    let fifth = token(&redeem(&setup, &code, &[]).await);
    setup.graph.revoke_sessions();
    assert_eq!(code_of(&refresh(&setup, &fifth).await), 50173);
    assert_eq!(code_of(&refresh(&setup, "made-up").await), 70000);
}

#[tokio::test]
async fn people_who_ask_for_no_offline_access_get_no_refresh_token() {
    let setup = delegated().await;
    let back = sent(&setup, &sign_in(&setup, &[("scope", "User.Read.All")])).await;
    let tokens = redeem(&setup, &back["code"], &[]).await.json();
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    assert_eq!(tokens["scope"], "User.Read.All");
}

#[tokio::test]
async fn an_administrator_consents_to_what_the_registration_lists() {
    let setup = delegated().await;
    let url = |path: &str| {
        let base = format!("{}/{TENANT}/{path}", setup.served.url);
        let scope = format!("{}/.default", setup.served.url);
        let query = [
            ("client_id", CLIENT),
            ("redirect_uri", REDIRECT),
            ("state", "7"),
            ("scope", scope.as_str()),
        ];
        Url::parse_with_params(&base, query).unwrap()
    };
    setup.graph.revoke_delegated("User.Read.All");
    for path in ["adminconsent", "v2.0/adminconsent"] {
        setup.graph.faults(|faults| faults.consent_declined = true);
        let back = sent(&setup, &url(path)).await;
        assert_eq!((&*back["admin_consent"], &*back["state"]), ("True", "7"));
        assert!(["permission_denied", "consent_required"].contains(&&*back["error"]));
        setup.graph.faults(|faults| faults.consent_declined = false);
        let back = sent(&setup, &url(path)).await;
        assert_eq!((&*back["admin_consent"], &*back["tenant"]), ("True", TENANT));
        assert!(!back.contains_key("error"));
    }
    let back = sent(&setup, &sign_in(&setup, &[("scope", "User.Read.All")])).await;
    assert!(back.contains_key("code"));
}
