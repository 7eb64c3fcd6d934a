//! Who gets past the gateway, and how far.

use serde_json::json;
use tests::issued;

use crate::story::{Story, in_seconds};

const LOG: &str = "/v1/inbound";

/// The gateway refuses by itself, before a function is called; the functions say who may do what.
pub(crate) async fn lets_in_whom_it_should(story: &Story) {
    let before = story.stack.gate.count();
    let claims = |role: &str, seconds: i64| json!({ "roles": role, "exp": in_seconds(seconds) });
    let expired = issued::token(&claims("administrator", -60)).unwrap();
    let forged = {
        let good = issued::token(&claims("reader", 3600)).unwrap();
        let other = issued::token(&claims("administrator", 3600)).unwrap();
        let (body, signature) =
            (good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
        format!("{body}.{signature}")
    };
    let elsewhere = issued::shared().sign(
        "one",
        &json!({ "iss": issued::shared().url, "aud": "api://other", "roles": ["administrator"],
            "exp": in_seconds(3600).parse::<i64>().unwrap() }),
    );
    for (what, token) in [
        ("no token", None),
        ("no token at all", Some("nonsense")),
        ("expired", Some(expired.as_str())),
        ("another's signature", Some(forged.as_str())),
        ("for another API", Some(elsewhere.as_str())),
    ] {
        for (method, path) in [("GET", LOG), ("GET", "/v1/connections"), ("PUT", "/v1/module")] {
            let answer = story.stack.call(token, method, path, None).await;
            assert_eq!(answer.status, 401, "{what}: {method} {path}: {}", answer.text);
        }
    }
    assert_eq!(story.stack.gate.count(), before, "no function was called");

    for (method, path, status) in [
        ("GET", LOG, 200),
        ("GET", "/v1/connections", 200),
        ("GET", "/v1/audit", 403),
        ("DELETE", "/v1/connections/contoso", 403),
    ] {
        let answer = story.read(method, path).await;
        assert_eq!(answer.status, status, "a reader: {method} {path}: {}", answer.text);
    }
    for path in ["/v1/health", "/v1/openapi.json", "/v1/oauth/callback"] {
        let answer = story.stack.call(None, "GET", path, None).await;
        assert_ne!(answer.status, 401, "{path}: {}", answer.text);
    }
    let health = story.stack.call(None, "GET", "/v1/health", None).await.ok();
    assert_eq!((&health["status"], &health["dead_letters"]), (&json!("ok"), &json!(0)), "{health}");
}
