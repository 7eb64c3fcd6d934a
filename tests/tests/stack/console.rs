//! The console through the gateway: the operator sets up signing in, and a person signs in with it.

use aws_sdk_secretsmanager::Client;
use reqwest::StatusCode;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::json;
use tests::stack::Browser;

use crate::story::Story;

/// The operator's token: made by hand, as a deployment's operator does.
const TOKEN: &str = "known-to-the-operator-and-nobody-else";
/// An application that was entered by mistake.
const OTHER: &str = "11111111-2222-3333-4444-555555555555";

/// O1–O4: the operator comes in by a token and enters the application; its secret is forgotten with another
/// application, and comes back; somebody who was imported signs in.
pub(crate) async fn lets_people_sign_in(story: &Story) {
    let secrets = Client::new(&story.stack.operator().await);
    let made = secrets.create_secret().name("halo-entra/sign-in/operator-token");
    made.secret_string(TOKEN).send().await.unwrap();

    let mut operator = Browser::default();
    let page = operator.get(&story.stack, "/console").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = operator.get(&story.stack, "/console/sign-in").await;
    assert!(page.text.contains("Operator's token"), "{}", page.text);
    operator.send(&story.stack, "/console/sign-in/operator", &[("token", TOKEN)]).await;
    let page = operator.get(&story.stack, "/console").await;
    assert!(page.text.contains("Contoso") || page.text.contains("contoso"), "{}", page.text);

    // With several tenants nobody tries a secret, so a wrong one can be replaced.
    for (kind, client, secret) in [
        ("multi", CLIENT_ID, Some("entered-by-mistake")),
        ("single", CLIENT_ID, Some(CLIENT_SECRET)),
        ("single", OTHER, None),
        ("single", CLIENT_ID, Some(CLIENT_SECRET)),
    ] {
        enter(story, &mut operator, kind, client).await;
        if let Some(secret) = secret {
            let body = json!({ "client_secret": secret });
            story.send("PUT", "/v1/sign-in/credentials", &body).await.ok();
        }
    }
    let settings = story.get("/v1/sign-in").await;
    assert_eq!(settings["status"]["usable"], true, "{settings}");
    signs_in(story, settings["status"]["redirect_uri"].as_str().unwrap()).await;
}

/// Fills in the form of the settings.
async fn enter(story: &Story, operator: &mut Browser, kind: &str, client: &str) {
    let page = operator.get(&story.stack, "/console/sign-in-settings").await;
    let url = &story.contoso_served.url;
    let fields = [
        ("csrf", page.hidden("csrf")),
        ("tag", page.hidden("tag")),
        ("doc.tenant.type", kind.to_owned()),
        ("doc.tenant.id", TENANT_ID.to_owned()),
        ("doc.tenant.allowed", TENANT_ID.to_owned()),
        ("doc.client_id", client.to_owned()),
        ("doc.cloud.login", url.clone()),
        ("doc.cloud.graph", url.clone()),
        ("doc.published:flag", "true".to_owned()),
    ];
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = operator.send(&story.stack, "/console/sign-in-settings", &fields).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
}

/// What a browser does: off to Microsoft, back with a code, and on to the own page.
async fn signs_in(story: &Story, redirect: &str) {
    story.contoso.register_redirect(redirect);
    let people = story.get("/v1/inbound?connection=contoso&decision=create&limit=1").await;
    let person = people["entries"][0]["person"]["id"].as_str().unwrap().to_owned();
    story.contoso.sign_in_as(&person);
    let mut browser = Browser::default();
    let page = browser.get(&story.stack, "/console/sign-in/microsoft").await;
    let http = engine::http::client().unwrap();
    let answer = http.get(&page.location).send().await.unwrap();
    let back: url::Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
    assert!(back.as_str().starts_with(redirect), "{back}");
    let path = format!("{}?{}", back.path(), back.query().unwrap());
    let page = browser.get(&story.stack, &path).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = browser.get(&story.stack, "/console").await;
    assert!(page.location.contains(&person), "{} {}", page.location, page.text);
    let page = browser.get(&story.stack, &page.location).await;
    assert!(page.text.contains("Why"), "{}", page.text);
}
