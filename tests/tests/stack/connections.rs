//! Connections over the HTTP API: made, authorised in both ways, removed, and made again.

use aws_sdk_secretsmanager::Client;
use sandbox::sample::CLIENT_SECRET;
use serde_json::{Value, json};
use url::Url;

use crate::story::Story;

/// C1, C6, C8, H1
pub(crate) async fn are_made_and_authorised(story: &Story) {
    let tested = story.get("/v1/halo/test").await;
    assert_eq!(tested["passed"], true, "{tested}");
    assert!(!story.get("/v1/halo/sites").await["items"].as_array().unwrap().is_empty());

    let document = sandbox::sample::connection(&story.contoso_served.url);
    story.post("/v1/connections", &document).await;
    let path = "/v1/connections/contoso/credentials";
    let refused = story.send("PUT", path, &json!({ "client_secret": "wrong" })).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    // Rotated: a second value of the same secret.
    for secret in ["the one before", CLIENT_SECRET] {
        story.contoso.set_secret(secret, None);
        story.enter("contoso", secret).await;
    }
    assert_eq!(story.authorise("contoso").await["authorised"], true);
    let groups = story.get("/v1/connections/contoso/groups?search=All").await;
    assert!(groups.to_string().contains("All Sales"), "{groups}");

    story.connect(&story.fabrikam_document("fabrikam")).await;
    assert_eq!(story.authorise("fabrikam").await["authorised"], true);
}

/// C6: the sign-in comes back through the gateway, and the worker renews the session (C4).
pub(crate) async fn one_reads_on_behalf_of_a_person(story: &Story) {
    story.fabrikam.register_redirect(&story.stack.outputs["RedirectUri"]);
    let mut document = story.fabrikam_document("by-hand");
    document["auth"]["method"] = json!("delegated");
    document["mappings"] = json!([]);
    story.connect(&document).await;
    let begun = story.authorise("by-hand").await;
    sign_in(story, begun["sign_in_url"].as_str().unwrap()).await;
    let shown = story.get("/v1/connections/by-hand").await;
    assert_eq!(shown["status"]["authorisation"]["state"], "authorised", "{shown}");
    let run = story.imported("by-hand").await;
    assert_eq!(run["state"], "completed", "{run}");
}

/// What a browser does: it opens the address, and follows where it is sent, at the end to our API.
async fn sign_in(story: &Story, address: &str) {
    let http = engine::http::client().unwrap();
    let answer = http.get(address).send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap();
    let back: Url = location.parse().unwrap();
    assert!(location.starts_with(&story.stack.outputs["RedirectUri"]), "{location}");
    let path = format!("{}?{}", back.path(), back.query().unwrap());
    let page = story.stack.call(None, "GET", &path, None).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("is authorised"), "{}", page.text);
}

/// C1: what is removed leaves no secret behind, and may be made again under the same name.
pub(crate) async fn one_is_removed_and_comes_back(story: &Story) {
    story.send("DELETE", "/v1/connections/by-hand", &Value::Null).await.ok();
    let secrets = Client::new(&story.stack.operator().await);
    let listed = secrets.list_secrets().send().await.unwrap();
    let left: Vec<&str> = listed.secret_list().iter().filter_map(|it| it.name()).collect();
    assert!(!left.iter().any(|name| name.contains("by-hand")), "{left:?}");
    story.connect(&story.fabrikam_document("by-hand")).await;
    assert_eq!(story.authorise("by-hand").await["authorised"], true);
    let audit = story.get("/v1/connections/by-hand/audit").await;
    assert!(!audit["audit"].as_array().unwrap().is_empty(), "{audit}");
}
