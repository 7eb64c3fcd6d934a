//! Addresses and refusals, against recorded and documented answers.

use plan::document::Cloud;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;

use super::*;
use crate::clock::ManualClock;

/// A recorded or documented answer, by the name of its file.
pub(super) fn example(name: &str) -> Answer {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/tests/graph-examples");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let response = &file["response"];
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().unwrap() {
        let value = HeaderValue::from_str(value.as_str().unwrap()).unwrap();
        headers.insert(name.parse::<HeaderName>().unwrap(), value);
    }
    let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
    let body = response["body"].to_string().into_bytes();
    Answer { status: StatusCode::from_u16(status).unwrap(), headers, body }
}

fn graph(cloud: &Cloud) -> Graph {
    let access = Access {
        hosts: Hosts::of(cloud),
        tenant: "0785ef7c-2d7a-4542-b048-95bcab406e0b".parse().unwrap(),
        client: "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap(),
        credential: Credential::Secret(SecretString::from("hush")),
        behalf: Behalf::Application,
    };
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let random = Arc::new(Random::seeded(1));
    Graph::new(access, http::client().unwrap(), Tokens::default(), Arc::default(), clock, random)
}

#[test]
fn links_are_followed_to_the_own_graph_only() {
    // D2
    let local = Cloud::Custom {
        login: Url::parse("http://127.0.0.1:8081/").unwrap(),
        graph: Url::parse("http://127.0.0.1:8080").unwrap(),
    };
    let cases = [
        (&Cloud::Global, "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=x", true),
        (&Cloud::Global, "https://graph.microsoft.com:443/v1.0/users/delta", true),
        (&Cloud::Global, "HTTPS://Graph.Microsoft.com/v1.0/users/delta", true),
        (&Cloud::Global, "http://graph.microsoft.com/v1.0/users/delta", false),
        (&Cloud::Global, "https://graph.microsoft.com:8443/v1.0/users/delta", false),
        (&Cloud::Global, "https://graph.microsoft.us/v1.0/users/delta", false),
        (&Cloud::Global, "https://graph.microsoft.com.evil.example/v1.0/users", false),
        (&Cloud::Global, "https://graph.microsoft.com@evil.example/v1.0/users", false),
        (&Cloud::Global, r"https://evil.example\@graph.microsoft.com/v1.0/users", false),
        (&Cloud::Global, "https://who:what@graph.microsoft.com/v1.0/users", false),
        (&Cloud::Global, "//graph.microsoft.com/v1.0/users", false),
        (&Cloud::Global, "/v1.0/users/delta?$deltatoken=x", false),
        (&Cloud::Global, "file:///etc/hostname", false),
        (&Cloud::Global, "", false),
        (&Cloud::China, "https://microsoftgraph.chinacloudapi.cn/v1.0/users/delta", true),
        (&Cloud::UsGovDod, "https://graph.microsoft.us/v1.0/users/delta", false),
        (&local, "http://127.0.0.1:8080/v1.0/users/delta", true),
        (&local, "http://localhost:8080/v1.0/users/delta", false),
        (&local, "http://127.0.0.1:8081/v1.0/users/delta", false),
    ];
    for (cloud, link, expected) in cases {
        let followed = graph(cloud).own(&Link::new(link)).is_some();
        assert_eq!(followed, expected, "{cloud:?} {link}");
    }
}

#[test]
fn a_link_is_sent_as_it_came() {
    // D2: everything that a token has been seen to hold, or may hold by the rules of addresses.
    let query = "$deltatoken=a+b%2Bc%2fd/e==&x=-_.~!*(),;:@$?%27%22|[]{}`^\\";
    let link = format!("https://graph.microsoft.com/v1.0/users/delta?{query}");
    let url = graph(&Cloud::Global).own(&Link::new(link)).unwrap();
    assert_eq!(url.query(), Some(query));
}

#[test]
fn texts_in_filters_are_quoted_and_encoded() {
    for (text, expected) in [
        ("Sales", "%27Sales%27"),
        ("O'Brien & Sons", "%27O%27%27Brien%20%26%20Sons%27"),
        ("R+D 100% #1", "%27R%2BD%20100%25%20%231%27"),
        ("Ünïcode/日本", "%27%C3%9Cn%C3%AFcode%2F%E6%97%A5%E6%9C%AC%27"),
    ] {
        assert_eq!(quoted(text), expected);
    }
}

/// What an example means for a request with and without a link, each told in a few words.
fn meaning(name: &str) -> [String; 2] {
    [Carried::Link, Carried::Nothing].map(|carried| told(Refusal::of(&example(name)).kind(carried)))
}

fn told(kind: Kind) -> String {
    match kind {
        Kind::Throttled { retry_after } => format!("throttled {retry_after:?}"),
        Kind::Unavailable { detail } => format!("unavailable {detail}"),
        Kind::LinkExpired => "expired".to_owned(),
        Kind::Credentials { code, error } => format!("credentials {code:?} {error}"),
        Kind::Forbidden { code } => format!("forbidden {code}"),
        Kind::Refused { status, code, .. } => format!("refused {status} {code}"),
        Kind::Malformed { detail } => format!("malformed {detail}"),
        other @ (Kind::ForeignLink
        | Kind::EndlessPages
        | Kind::Incomplete { .. }
        | Kind::BudgetSpent { .. }) => format!("{other:?}"),
    }
}

#[test]
fn refusals_mean_what_the_documentation_says() {
    // D3, C7: the same answer with and without a link.
    let cases = [
        ("delta-400-expired-deltalink", "expired", "refused 400 Request_UnsupportedQuery"),
        ("delta-410-gone", "expired", "refused 410 syncStateNotFound"),
        ("error-400-expired-page-token", "expired", "refused 400 Directory_ExpiredPageToken"),
    ];
    for (name, with_link, without) in cases {
        assert_eq!(meaning(name), [with_link, without], "{name}");
    }
    let same = [
        ("delta-400-unsupported-select", "refused 400 BadRequest"),
        ("error-400-skip", "refused 400 Request_BadRequest"),
        ("error-400-signinactivity-by-upn", "refused 400 400"),
        ("error-401-empty-token", "credentials None InvalidAuthenticationToken"),
        ("error-401-expired-token", "credentials None InvalidAuthenticationToken"),
        ("error-403-insufficient", "forbidden Authorization_RequestDenied"),
        (
            "error-403-non-premium",
            "forbidden Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        ),
        ("error-404-no-user", "refused 404 Request_ResourceNotFound"),
        ("error-429-throttled", "throttled Some(10)"),
        ("error-503-unavailable", "throttled Some(5)"),
    ];
    for (name, expected) in same {
        assert_eq!(meaning(name), [expected, expected], "{name}");
    }
}

#[test]
fn a_tenant_without_delta_is_told_what_to_do() {
    // D1
    let kind = Refusal::of(&example("delta-400-b2c-tenant")).kind(Carried::Nothing);
    let sentence = failed("read people", kind).sentence();
    assert!(sentence.ends_with("set sync.delta to false."), "{sentence}");
}

#[test]
fn the_deepest_known_code_wins_in_every_spelling() {
    let cases = [
        (
            r#"{"error":{"code":"BadRequest","innerError":{"code":"syncStateNotFound"}}}"#,
            "syncStateNotFound",
        ),
        (
            r#"{"error":{"code":"BadRequest","innererror":{"code":"x","innererror":{"code":"RESYNCREQUIRED"}}}}"#,
            "RESYNCREQUIRED",
        ),
        (r#"{"error":{"code":"TooManyRequests","innerError":{"code":"429"}}}"#, "TooManyRequests"),
        (r#"{"error":{"code":"","innerError":{"code":"UnknownError"}}}"#, "UnknownError"),
        (r#"{"error":{"code":"new","innerError":{"code":"newer"}}}"#, "new"),
        (r#"{"error":"invalid_token","error_description":"…"}"#, "invalid_token"),
        (r#"{"error":{"code":7,"message":{}}}"#, ""),
        (r#"{"error":null}"#, ""),
        ("null", ""),
        ("[]", ""),
    ];
    for (body, expected) in cases {
        let body = serde_json::from_str(body).unwrap();
        assert_eq!(Refusal::read(400, None, &body).code, expected, "{body}");
    }
}

#[test]
fn a_status_alone_is_enough() {
    let html = |status: u16, headers: &[(&'static str, &'static str)]| {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: headers.collect(), body: b"<html>no</html>".to_vec() }
    };
    let cases = [
        (html(410, &[]), "expired"),
        (html(404, &[]), "refused 404 "),
        (html(302, &[]), "malformed HTTP 302"),
        (html(429, &[("retry-after", "0.5")]), "throttled Some(1)"),
        (html(429, &[]), "throttled None"),
        (html(500, &[]), "unavailable HTTP 500"),
        (html(502, &[("retry-after", "3")]), "unavailable HTTP 502"),
        (html(503, &[]), "unavailable HTTP 503"),
        (html(503, &[("retry-after", "3")]), "throttled Some(3)"),
        (html(504, &[]), "unavailable HTTP 504"),
        (html(509, &[]), "unavailable HTTP 509"),
        (html(501, &[]), "refused 501 "),
        (html(401, &[]), "credentials None HTTP 401"),
        (html(403, &[]), "forbidden HTTP 403"),
    ];
    for (answer, expected) in cases {
        assert_eq!(told(Refusal::of(&answer).kind(Carried::Link)), expected, "{}", answer.status);
    }
}

#[test]
fn messages_are_kept_without_links_and_tokens() {
    // C4, H5
    let body = serde_json::json!({ "error": { "code": "BadRequest", "message":
        format!("Bad\r\n  link https://g/?$skiptoken=abc and $deltatoken=abc, eyJ0.eyJ1.x {} {}", "0.A-_z".repeat(20), "yyy ".repeat(300)) } });
    let kind = Refusal::read(400, None, &body).kind(Carried::Nothing);
    let Kind::Refused { message, .. } = kind else { panic!("{kind:?}") };
    assert!(
        message.starts_with("Bad link [hidden] and [hidden] [hidden] [hidden] yyy"),
        "{message}"
    );
    assert_eq!(message.chars().count(), 300);
}

#[test]
fn refused_sign_ins_stop_the_connection_only_if_asking_again_is_useless() {
    // C7
    let examples = [
        ("token-error-65001-consent-required", "credentials Some(65001) invalid_grant"),
        ("token-error-700016-app-not-found", "credentials Some(700016) unauthorized_client"),
        ("token-error-7000215-invalid-secret", "credentials Some(7000215) invalid_client"),
        ("token-error-7000222-expired-secret", "credentials Some(7000222) invalid_client"),
        ("token-error-700082-refresh-expired", "credentials Some(700082) invalid_grant"),
        ("token-error-70011-invalid-scope", "credentials Some(70011) invalid_scope"),
        ("token-error-90002-tenant-not-found", "credentials Some(90002) invalid_request"),
    ];
    for (name, expected) in examples {
        assert_eq!(told(refusal::of_login(&example(name))), expected, "{name}");
    }
    let cases = [
        (429, r#"{"error":"temporarily_unavailable","error_codes":[90055]}"#, "throttled None"),
        (400, r#"{"error":"invalid_request","error_codes":[50196]}"#, "throttled None"),
        (
            400,
            r#"{"error":"temporarily_unavailable"}"#,
            "unavailable HTTP 400 temporarily_unavailable",
        ),
        (400, r#"{"error":"server_error"}"#, "unavailable HTTP 400 server_error"),
        (503, "<html>", "unavailable HTTP 503"),
        (401, "", "credentials None HTTP 401"),
        (404, "<html>", "refused 404 "),
        (407, "", "refused 407 "),
        (302, "", "malformed HTTP 302"),
        (
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Wrong."}"#,
            "credentials Some(7000215) invalid_client",
        ),
    ];
    for (status, body, expected) in cases {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, headers: HeaderMap::new(), body: body.into() };
        assert_eq!(told(refusal::of_login(&answer)), expected, "{body}");
    }
}
