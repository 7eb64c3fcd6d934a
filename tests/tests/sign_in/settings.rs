//! The settings over the API: mistakes, revisions, the secret, what is told of a change (O1, O2, C4, C8,
//! C10).

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use engine::web::Auth;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::{Value, json};
use tests::described::{Exchange, differences};
use tests::world::Storage;
use tower::ServiceExt;

use crate::desk::{Desk, PUBLIC};

struct Answer {
    status: u16,
    etag: Option<String>,
    text: String,
    json: Value,
}

struct Api(Router);

impl Api {
    fn of(desk: &Desk) -> Self {
        Self(admin::router(desk.world.engine.clone(), Auth::Local("a-token".into())))
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        tag: Option<&str>,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", "Bearer a-token");
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        let text = body.map(Value::to_string);
        let request = request.body(text.clone().map_or_else(Body::empty, Body::from)).unwrap();
        let answer = self.0.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let told = String::from_utf8(bytes.to_vec()).unwrap();
        let body = text.as_deref();
        let exchange = Exchange { method, path, body, status, headers: &headers, text: &told };
        let differences = differences(&exchange);
        assert!(differences.is_empty(), "{method} {path} {status}: {differences:#?}\n{told}");
        Answer {
            status: status.as_u16(),
            etag: headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned()),
            json: serde_json::from_str(&told).unwrap_or_default(),
            text: told,
        }
    }
}

const PATH: &str = "/v1/sign-in";

#[tokio::test]
async fn there_is_one_from_the_beginning_and_it_lets_nobody_in() {
    // O1, O2
    let desk = Desk::bare(Storage::Memory).await;
    let api = Api::of(&desk);
    let first = api.ask("GET", PATH, None, None).await;
    assert_eq!((first.status, first.etag.as_deref()), (200, Some("\"0\"")));
    assert_eq!(first.json["published"], false);
    assert_eq!(first.json["status"]["usable"], false);
    let redirect = format!("{PUBLIC}/console/sign-in/callback");
    assert_eq!(first.json["status"]["redirect_uri"], redirect);
    let offer = desk.world.engine.sign_in_offer(None).await.unwrap();
    assert!(!offer.microsoft && !offer.at_once);
    let refused = desk.world.engine.begin_sign_in(None, None).await.unwrap_err();
    assert_eq!(refused.name(), "not_published");

    let mut settings = json!({ "name": "Contoso", "client_id": CLIENT_ID, "published": true,
        "tenant": { "type": "single", "id": TENANT_ID }, "auto_redirect": false,
        "cloud": { "login": desk.world.graph_served.url, "graph": desk.world.graph_served.url },
        "force_sso": [12] });
    for (tag, status) in [(None, 428), (Some("\"1\""), 412), (Some("rubbish"), 412)] {
        assert_eq!(api.ask("PUT", PATH, Some(&settings), tag).await.status, status, "{tag:?}");
    }
    let saved = api.ask("PUT", PATH, Some(&settings), Some("\"0\"")).await;
    assert_eq!((saved.status, saved.etag.as_deref()), (200, Some("\"1\"")), "{}", saved.text);
    assert_eq!(
        saved.json["status"]["missing"],
        json!(["Enter the client secret of the application."])
    );
    let refused = desk.world.engine.begin_sign_in(None, None).await.unwrap_err();
    assert_eq!(refused.name(), "secret_missing");

    // A secret that produces no token is not kept (C8), and one that does is never shown (C4).
    let of = |secret: &str| json!({ "client_secret": secret, "expires_at": "2026-12-01" });
    let path = format!("{PATH}/credentials");
    let wrong = api.ask("PUT", &path, Some(&of("wrong")), None).await;
    assert_eq!((wrong.status, &wrong.json["code"]), (422, &json!(7_000_215)), "{}", wrong.text);
    assert!(desk.world.engine.begin_sign_in(None, None).await.is_err());
    let right = api.ask("PUT", &path, Some(&of(CLIENT_SECRET)), None).await;
    assert_eq!(right.json["status"]["usable"], true, "{}", right.text);
    assert_eq!(right.json["status"]["warning"]["level"], "thirty_days");
    let again = api.ask("GET", PATH, None, None).await;
    assert!(!again.text.contains(CLIENT_SECRET));
    desk.sign_in().await.unwrap();

    // Who is sent to Microsoft at once (O2).
    for (client, at_once) in [(None, false), (Some(12), true), (Some(13), false)] {
        let offer = desk.world.engine.sign_in_offer(client).await.unwrap();
        assert_eq!((offer.microsoft, offer.at_once), (true, at_once), "{client:?}");
    }
    settings["auto_redirect"] = json!(true);
    let saved = api.ask("PUT", PATH, Some(&settings), Some("*")).await;
    assert_eq!(saved.status, 200, "what was read may be sent back: {}", saved.text);
    assert!(desk.world.engine.sign_in_offer(None).await.unwrap().at_once);
    // Sent back as it was read.
    let sent_back = api.ask("PUT", PATH, Some(&saved.json), saved.etag.as_deref()).await;
    assert_eq!(sent_back.status, 200, "{}", sent_back.text);

    // Another application forgets the secret.
    settings["client_id"] = json!("99999999-2222-3333-4444-555555555555");
    let other = api.ask("PUT", PATH, Some(&settings), Some("*")).await;
    assert_eq!(other.json["status"]["secret_set"], Value::Null, "{}", other.text);
    let name = engine::secrets::SecretName::sign_on();
    assert!(desk.world.engine.secrets.get(&name).await.unwrap().is_none());

    // Each change is told, with what differs (C10).
    let (audit, _) = desk.world.engine.deployment_audit(None, 10).await.unwrap();
    // The clock stands still here, so their order is chance.
    let places = |entry: &engine::connections::AuditEntry| {
        entry.changes.iter().map(|change| change.path.clone()).collect::<Vec<_>>()
    };
    let other = audit.iter().find(|entry| places(entry) == ["$.client_id"]).unwrap();
    assert_eq!((&*other.what, &*other.who), ("sign-in settings changed", "administrator token"));
    assert!(audit.iter().any(|entry| entry.what == "sign-in secret entered"));
    assert!(!format!("{audit:?}").contains(CLIENT_SECRET), "C4");
}

#[tokio::test]
async fn every_mistake_is_told_with_its_path() {
    // O1, O2
    let desk = Desk::bare(Storage::Memory).await;
    let api = Api::of(&desk);
    let cases = [
        (json!({ "published": true }), vec!["$.tenant", "$.client_id"]),
        (json!({ "tenant": { "type": "multi", "allowed": [] } }), vec!["$.tenant.allowed"]),
        (
            json!({ "allow": "everybody", "force_sso": [0], "more": 1 }),
            vec!["$.allow", "$.force_sso[0]", "$.more"],
        ),
    ];
    for (body, expected) in cases {
        let answer = api.ask("PUT", PATH, Some(&body), Some("*")).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        let mistakes = answer.json["mistakes"].as_array().unwrap();
        let paths: Vec<&str> = mistakes.iter().map(|it| it["path"].as_str().unwrap()).collect();
        assert_eq!(paths, expected, "{body}");
    }
    assert_eq!(api.ask("GET", PATH, None, None).await.etag.as_deref(), Some("\"0\""));
    let path = format!("{PATH}/credentials");
    for (body, at) in [
        (json!({ "client_secret": CLIENT_SECRET }), "$"),
        (json!({ "client_secret": "" }), "$.client_secret"),
        (json!({ "certificate_pem": "x" }), "$.certificate_pem"),
    ] {
        let answer = api.ask("PUT", &path, Some(&body), None).await;
        assert_eq!((answer.status, &answer.json["mistakes"][0]["path"]), (400, &json!(at)));
    }
}

#[tokio::test]
async fn sessions_are_ended_over_the_api() {
    // O3
    let desk = Desk::new().await;
    let api = Api::of(&desk);
    let path = format!("{PATH}/sessions");
    let cookie = desk.sign_in().await.unwrap().cookie;
    let other = format!("{path}?person={}", desk.agent);
    assert_eq!(api.ask("DELETE", &other, None, None).await.status, 204);
    assert!(desk.session(&cookie).await.is_some());
    for wrong in ["?person=ada@contoso.example", "?who=1"] {
        assert_eq!(api.ask("DELETE", &format!("{path}{wrong}"), None, None).await.status, 400);
    }
    assert_eq!(api.ask("DELETE", &path, None, None).await.status, 204);
    assert!(desk.session(&cookie).await.is_none());
}
