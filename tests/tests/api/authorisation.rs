//! Credentials, permissions and authorisation (C4–C8).

use engine::secrets::SecretName;
use sandbox::sample::CLIENT_SECRET;
use serde_json::{Value, json};

use crate::support::{Answer, Api};

const CREDENTIALS: &str = "/v1/connections/fabrikam/credentials";
const AUTHORISE: &str = "/v1/connections/fabrikam/authorise";

async fn enter(api: &Api, secret: &str) -> Answer {
    api.send("PUT", CREDENTIALS, Some(&json!({ "client_secret": secret }))).await
}

async fn state(api: &Api) -> Value {
    api.get("/v1/connections/fabrikam").await.ok().json["status"]["authorisation"]["state"].clone()
}

#[tokio::test]
async fn a_connection_is_authorised() {
    // C6
    let api = Api::new().await;
    let answer = api.authorise("fabrikam").await.json;
    assert_eq!(answer["authorised"], true);
    let granted = |name: &str| {
        let all = answer["permissions"].as_array().unwrap();
        all.iter().find(|it| it["name"] == name).unwrap().clone()
    };
    assert_eq!(granted("User.Read.All")["granted"], true);
    assert_eq!(granted("User.Read.All")["mandatory"], true);
    assert_eq!(granted("Group.Read.All")["granted"], true);
    assert_eq!(granted("AuditLog.Read.All")["outcome"], "not_needed");
    assert_eq!(answer["warnings"], json!([]));
    assert_eq!(state(&api).await, "authorised");
}

#[tokio::test]
async fn the_permissions_that_are_needed_are_listed_before() {
    // C5
    let api = Api::new().await;
    api.post("/v1/connections", &api.document("fabrikam")).await.ok();
    let answer = api.get("/v1/connections/fabrikam/permissions").await.ok().json;
    let names: Vec<&str> = answer["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["needed"] == true && it["mandatory"] == true)
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["User.Read.All", "Group.Read.All"]);
    let consent = answer["admin_consent_url"].as_str().unwrap();
    let (tenant, client) = (sandbox::sample::TENANT_ID, sandbox::sample::CLIENT_ID);
    assert!(consent.ends_with(&format!("/{tenant}/adminconsent?client_id={client}")), "{consent}");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_with_its_code_and_advice() {
    // C6, C8
    let api = Api::new().await;
    api.post("/v1/connections", &api.document("fabrikam")).await.ok();
    assert_eq!(api.post(AUTHORISE, &json!({})).await.problem(), "credentials_missing");
    let wrong = enter(&api, "wrong-s3cret").await;
    assert_eq!(wrong.problem(), "sign_in_failed");
    assert_eq!(wrong.json["code"], 7_000_215);
    assert!(wrong.json["advice"].as_str().unwrap().contains("Enter the value"), "{}", wrong.text);
    assert!(!wrong.text.contains("wrong-s3cret"), "C4");
    assert_eq!(api.post(AUTHORISE, &json!({})).await.problem(), "credentials_missing");

    // Right when it was entered, replaced in Entra since.
    enter(&api, CLIENT_SECRET).await.ok();
    api.world.entra.set_secret("another", None);
    let refused = api.post(AUTHORISE, &json!({})).await;
    assert_eq!(refused.problem(), "sign_in_failed");
    assert_eq!(refused.json["code"], 7_000_215);
    assert_eq!(state(&api).await, "unauthorised");
    let import = api.post("/v1/connections/fabrikam/imports", &json!({})).await;
    assert_eq!((import.status.as_u16(), import.problem()), (409, "not_authorised"));
}

#[tokio::test]
async fn a_missing_permission_keeps_the_connection_unauthorised() {
    // C6
    let api = Api::new().await;
    api.connect("fabrikam").await;
    for permission in ["GroupMember.Read.All", "Directory.Read.All"] {
        api.world.entra.revoke(permission);
    }
    let answer = api.post(AUTHORISE, &json!({})).await;
    assert_eq!(answer.problem(), "permission_missing", "{}", answer.text);
    let group = &answer.json["permissions"][1];
    assert_eq!((&group["name"], &group["granted"]), (&json!("Group.Read.All"), &json!(false)));
    assert!(answer.json["admin_consent_url"].as_str().unwrap().contains("adminconsent"));
    assert_eq!(state(&api).await, "unauthorised");
    // The smaller one is enough.
    api.world.entra.grant("GroupMember.Read.All");
    api.post(AUTHORISE, &json!({})).await.ok();
    assert_eq!(state(&api).await, "authorised");
}

#[tokio::test]
async fn groups_that_are_not_there_are_told_on_authorisation() {
    // C7, P3
    let api = Api::new().await;
    let mut document = api.document("fabrikam");
    document["mappings"][0]["group"]["name"] = json!("Project Phoenix");
    let saved = api.post("/v1/connections", &document).await.ok();
    assert_eq!(saved.json["status"]["warnings"][0]["path"], "$.mappings");
    enter(&api, CLIENT_SECRET).await.ok();
    let answer = api.post(AUTHORISE, &json!({})).await.ok().json;
    assert_eq!(answer["warnings"][0]["path"], "$.mappings[0].group.name");
    let shown = api.get("/v1/connections/fabrikam").await.json;
    assert!(shown["mappings"][0]["group"].get("id").is_none());
    assert!(shown["roles"]["user_roles"][0]["group"].get("id").is_some());
}

#[tokio::test]
async fn new_credentials_replace_the_old_ones_only_when_they_work() {
    // C8
    let api = Api::new().await;
    api.authorise("fabrikam").await;
    assert_eq!(enter(&api, "wrong").await.problem(), "sign_in_failed");
    api.post(AUTHORISE, &json!({})).await.ok();
    api.world.entra.set_secret("new-secret", None);
    let body = json!({ "client_secret": "new-secret", "expires_at": "2027-06-30" });
    let answer = api.send("PUT", CREDENTIALS, Some(&body)).await.ok().json;
    assert_eq!(answer["credentials"]["expires_at"], "2027-06-30T00:00:00Z");
    api.post(AUTHORISE, &json!({})).await.ok();
}

#[tokio::test]
async fn credentials_are_never_shown() {
    // C4
    let api = Api::new().await;
    let secret = "very~secret-value";
    api.world.entra.set_secret(secret, None);
    api.post("/v1/connections", &api.document("fabrikam")).await.ok();
    let body = json!({ "client_secret": secret, "expires_at": "2027-06-30T12:00:00Z" });
    let mut texts = vec![api.send("PUT", CREDENTIALS, Some(&body)).await.ok().text];
    texts.push(api.post(AUTHORISE, &json!({})).await.ok().text);
    for path in ["/v1/connections/fabrikam", "/v1/connections", "/v1/inbound"] {
        texts.push(api.get(path).await.ok().text);
    }
    let broken = json!({ "client_secret": [secret], "expires_at": secret, secret: 1 });
    texts.push(api.send("PUT", CREDENTIALS, Some(&broken)).await.text);
    for text in &texts {
        assert!(!text.contains(secret), "{text}");
    }
    let shown = api.get("/v1/connections/fabrikam").await.json;
    assert_eq!(shown["status"]["credentials"]["set"], true);
    assert_eq!(shown["status"]["credentials"]["expires_at"], "2027-06-30T12:00:00Z");
}

#[tokio::test]
async fn credentials_belong_to_one_application_of_one_cloud() {
    // C1, C4
    let api = Api::new().await;
    api.authorise("fabrikam").await;
    let shown = api.get("/v1/connections/fabrikam").await;
    let mut document = shown.json.clone();
    document["auth"]["client_id"] = json!("99999999-2222-3333-4444-555555555555");
    let saved = api.save("fabrikam", &shown.etag(), &document).await.ok().json;
    assert_eq!(saved["status"]["credentials"]["set"], false);
    assert_eq!(saved["status"]["authorisation"]["state"], "unauthorised");
    let name = SecretName::credentials(&"fabrikam".parse().unwrap());
    assert!(api.world.engine.secrets.get(&name).await.unwrap().is_none());
    // The other connection of the same tenant keeps its own.
    assert_eq!(api.world.sync().await.error, None);
}

#[tokio::test]
async fn a_run_that_meets_refused_credentials_asks_for_new_ones() {
    // C7
    let api = Api::new().await;
    api.world.entra.set_secret("another", None);
    let run = api.world.sync().await;
    assert!(run.error.unwrap().contains("AADSTS7000215"));
    let import = api.post("/v1/connections/contoso/imports", &json!({})).await;
    assert_eq!((import.status.as_u16(), import.problem()), (401, "reauthorise"));
    let body = json!({ "client_secret": "another" });
    api.send("PUT", "/v1/connections/contoso/credentials", Some(&body)).await.ok();
    api.post("/v1/connections/contoso/authorise", &json!({})).await.ok();
    assert_eq!(api.world.sync().await.error, None);
}

#[tokio::test]
async fn a_connection_without_credentials_says_so() {
    // C7
    let api = Api::new().await;
    let name = SecretName::credentials(&api.world.id);
    api.world.engine.secrets.delete(&name).await.unwrap();
    let run = api.world.sync().await;
    assert!(run.error.unwrap().contains("enter the client secret or the certificate"));
    let import = api.post("/v1/connections/contoso/imports", &json!({})).await;
    assert_eq!(import.problem(), "reauthorise");
}
