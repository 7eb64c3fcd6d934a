//! Licences over the HTTP API: imported, asked for by a signed call, done in Entra and shown in Halo.

use serde_json::json;
use tests::licensed::{linked, signature};
use tests::stack::until;

use crate::story::{FABRIKAM_CLIENT, PATIENCE, Story, in_seconds};

/// The key that Halo signs with, and the one before it.
const KEYS: [&str; 2] =
    ["the-key-before-it-that-nobody-guesses", "the-key-of-today-that-nobody-guesses-"];
const ASSIGN: &str = "LicenseAssignment.ReadWrite.All";

/// S1, S2, C4
pub(crate) async fn are_given_when_halo_asks(story: &Story) {
    for key in KEYS {
        story.send("PUT", "/v1/licence-signing-key", &json!({ "key": key })).await.ok();
    }
    let key = story.get("/v1/licence-signing-key").await;
    assert_eq!((&key["set"], &key["previous"]), (&json!(true), &json!(true)), "{key}");

    let sku = story.fabrikam.add_sku("ENTERPRISEPREMIUM", 5);
    story.fabrikam.grant(ASSIGN);
    let person =
        story.fabrikam.user("p2@tailspin.example").unwrap()["id"].as_str().unwrap().to_owned();
    story.fabrikam.set_usage_location(&person, Some("DK"));
    let mut document = story.fabrikam_document("licensed");
    document["sync"]["entities"] = json!(["users", "licences"]);
    document["licences"] = json!({ "client_id": FABRIKAM_CLIENT, "manage_from_halo": true });
    story.connect(&document).await;
    story.authorise("licensed").await;
    let run = story.imported("licensed").await;
    assert_eq!((&run["state"], &run["warnings"]), (&json!("completed"), &json!(null)), "{run}");

    let ledger = story.get("/v1/connections/licensed/licences").await;
    let licence = ledger["licences"][0]["halo_licence"].as_i64().unwrap();
    let user = story.halo.users_with_azureoid(&person)[0];
    let body = json!({ "action": "assign", "user_id": user, "licence_id": licence }).to_string();
    let at: i64 = in_seconds(0).parse().unwrap();
    let forged = signature("nobody's key, made up on the spot", at, &body);
    assert_eq!(story.stack.signed(&body, at, &forged).await.status, 401);
    let asked = story.stack.signed(&body, at, &signature(KEYS[0], at, &body)).await.ok();
    let path = format!("/v1/licence-assignments/{}", asked["assignment"].as_str().unwrap());
    let done = until("the end of the assignment", PATIENCE, async || {
        let now = story.get(&path).await;
        now["ended"].is_string().then_some(now)
    });
    let done = done.await;
    assert_eq!((&done["state"], &done["did"]), (&json!("done"), &json!("changed")), "{done}");
    assert!(story.fabrikam.licences_of(&person).contains(&sku));
    until("the link in Halo", PATIENCE, async || {
        linked(&story.halo.user(user).unwrap()).contains(&licence).then_some(())
    })
    .await;
}
