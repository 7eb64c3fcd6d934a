//! Lists and single objects: selection, nulls, paging, counts, managers, sign-in activity.

use serde_json::{Value, json};

use super::client::Setup;

const EVENTUAL: &[(&str, &str)] = &[("ConsistencyLevel", "eventual")];

#[tokio::test]
async fn a_list_shows_null_where_delta_shows_nothing() {
    let setup = Setup::new().await;
    let id = setup.graph.add_user(json!({ "displayName": "A" }));
    let link = "/users?$select=displayName,department,businessPhones,onPremisesExtensionAttributes";
    let item = setup.get(link).await.value().remove(0);
    assert_eq!((&item["id"], &item["department"]), (&json!(id), &Value::Null));
    assert_eq!(item["businessPhones"], json!([]));
    assert_eq!(item["onPremisesExtensionAttributes"].as_object().unwrap().len(), 15);
}

#[tokio::test]
async fn lists_are_paged_counted_and_limited() {
    let setup = Setup::new().await;
    let ids = setup.add_users(250);
    setup.graph.soft_delete(&ids[0]);
    assert_eq!(setup.get("/users").await.value().len(), 100);
    assert_eq!(setup.list("/users?$select=id&$top=120", &[]).await.len(), 249);
    let got = setup.get_with("/users?$count=true&$top=1", EVENTUAL).await;
    assert_eq!(got.json()["@odata.count"], 249);
    let next = setup.get_with(&got.next().unwrap(), EVENTUAL).await;
    assert!(next.json().get("@odata.count").is_none(), "only the first page counts");
    let counted = setup.get_with("/users/$count", EVENTUAL).await;
    assert_eq!(
        (counted.text.as_str(), counted.headers["content-type"].as_str()),
        ("249", "text/plain")
    );
    assert_eq!(setup.get("/users/$count").await.status, 400);
    setup.graph.faults(|faults| faults.user_count = Some(9));
    assert_eq!(setup.get_with("/users/$count", EVENTUAL).await.text, "9");
    assert_eq!(setup.get("/users?$top=1000").await.code(), "Request_UnsupportedQuery");
    assert_eq!(setup.get("/users?$skip=10").await.code(), "Request_BadRequest");
    assert_eq!(setup.get("/users?$select=aboutMe").await.status, 501);
    assert_eq!(setup.get("/users?$select=nonsense").await.status, 400);
}

#[tokio::test]
async fn a_user_is_found_by_id_and_by_principal_name() {
    let setup = Setup::new().await;
    let upn = "ana_partner.example#EXT#@contoso.example";
    let id = setup.graph.add_user(json!({ "userPrincipalName": upn, "displayName": "Ana" }));
    for key in [id.as_str(), "ANA_partner.example%23EXT%23@contoso.example"] {
        assert_eq!(setup.get(&format!("/users/{key}")).await.json()["id"], json!(id));
    }
    let link = "/users?$filter=userPrincipalName eq 'ana_partner.example%23EXT%23@contoso.example'";
    assert_eq!(setup.get(link).await.value().len(), 1);
    let got = setup.get("/users('nobody@contoso.example')").await;
    assert_eq!((got.status, got.code()), (404, "Request_ResourceNotFound".to_owned()));
    assert!(got.text.contains("'nobody@contoso.example'"));
    setup.graph.update_user(&id, json!({ "userPrincipalName": "ana@contoso.example" }));
    assert_eq!(setup.get("/users/ana@contoso.example").await.status, 200);
    assert_eq!(setup.get("/users/ANA_partner.example%23EXT%23@contoso.example").await.status, 404);
}

#[tokio::test]
async fn managers_are_read_one_by_one_and_expanded() {
    let setup = Setup::new().await;
    let ids = setup.add_users(3);
    setup.graph.set_manager(&ids[0], Some(&ids[1]));
    let path = |id: &str| format!("/users/{id}/manager?$select=id");
    let got = setup.get(&path(&ids[0])).await.json();
    assert_eq!(
        (&got["id"], &got["@odata.type"]),
        (&json!(ids[1]), &json!("#microsoft.graph.user"))
    );
    let none = setup.get(&path(&ids[1])).await;
    assert!(none.status == 404 && none.text.contains("'manager'"), "{}", none.text);
    let users = setup.get("/users?$select=id&$expand=manager($levels=1;$select=id)").await.value();
    let manager = users[0]["manager"].as_object().unwrap();
    assert_eq!((manager.len(), &manager["id"]), (2, &json!(ids[1])));
    assert!(users[1].get("manager").is_none());
    let loose = setup.get("/users?$select=id&$expand=manager($select=id)").await.value();
    assert!(loose[0]["manager"].as_object().unwrap().len() > 2, "without $levels all comes");
    let deep = setup.get("/users?$expand=manager($levels=max;$select=id)").await;
    assert_eq!(deep.code(), "Request_UnsupportedQuery");
    setup.graph.soft_delete(&ids[1]);
    assert_eq!(setup.get(&path(&ids[0])).await.status, 404);
}

#[tokio::test]
async fn sign_in_activity_has_its_own_rules() {
    let setup = Setup::new().await;
    let activity = json!({ "lastSignInDateTime": "2026-10-30T07:00:00Z" });
    let id = setup.graph.add_user(json!({ "userPrincipalName": "a@contoso.example",
        "signInActivity": activity }));
    setup.add_users(1);
    let list = "/users?$select=id,signInActivity&$top=500";
    let users = setup.get(list).await.value();
    assert_eq!(users[0]["signInActivity"], activity);
    assert_eq!(users[1].as_object().unwrap().len(), 1, "never signed in: absent");
    let first = setup.round("/users/delta").await;
    setup.graph.update_user(&id, json!({ "signInActivity": { "lastSignInDateTime": "x" } }));
    assert!(setup.round(&first.delta).await.items.is_empty(), "not tracked");
    assert_eq!(setup.get(&list.replace("500", "501")).await.status, 400);
    let by_name = setup.get("/users/a@contoso.example?$select=signInActivity").await;
    assert_eq!((by_name.status, by_name.code()), (400, "400".to_owned()));
    setup.graph.faults(|faults| faults.sign_in_forbidden = 1);
    assert_eq!(setup.get(list).await.status, 403);
    assert_eq!(setup.get(list).await.status, 200);
    setup.graph.set_premium(false);
    let code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant";
    assert_eq!(setup.get(list).await.code(), code);
    setup.graph.faults(|faults| faults.denied = ["AuditLog.Read.All".to_owned()].into());
    assert_eq!(setup.get(list).await.code(), "Authentication_MSGraphPermissionMissing");
}

#[tokio::test]
async fn objects_that_may_not_be_read_are_full_of_nulls() {
    let setup = Setup::new().await;
    let ids = setup.add_users(1);
    let group = setup.graph.add_group(json!({ "displayName": "A" }));
    setup.graph.add_member(&group, &ids[0]);
    let denied = ["User.Read.All", "Directory.Read.All"].map(str::to_owned);
    setup.graph.faults(|faults| faults.denied = denied.into());
    let member = setup.get(&format!("/groups/{group}/members")).await.value().remove(0);
    assert_eq!((&member["id"], &member["displayName"]), (&json!(ids[0]), &Value::Null));
    setup.graph.faults(|faults| {
        faults.denied.clear();
        faults.null_users = true;
    });
    let link = "/users/delta?$select=displayName,department";
    let expected = json!({ "id": ids[0], "displayName": null, "department": null });
    assert_eq!(setup.round(link).await.items, [expected]);
}

#[tokio::test]
async fn delayed_reads_show_the_past() {
    let setup = Setup::new().await;
    let old = setup.add_users(1).remove(0);
    setup.graph.faults(|faults| {
        faults.list_delay = 60;
        faults.by_id_delay = 5;
    });
    setup.graph.advance(100);
    setup.graph.update_user(&old, json!({ "displayName": "Now" }));
    let new = setup.graph.add_user(json!({ "displayName": "New" }));
    assert_eq!(setup.get("/users").await.value().len(), 1);
    assert_eq!(setup.get("/users").await.value()[0]["displayName"], "User 1");
    assert_eq!(setup.get(&format!("/users/{new}")).await.status, 404);
    setup.graph.advance(6);
    assert_eq!(setup.get(&format!("/users/{new}")).await.status, 200);
    assert_eq!(setup.get(&format!("/users/{old}")).await.json()["displayName"], "Now");
    assert_eq!(setup.get("/users").await.value().len(), 1);
}

#[tokio::test]
async fn the_tenant_describes_itself() {
    let setup = Setup::new().await;
    assert_eq!(setup.get("/organization").await.value()[0]["displayName"], "Contoso");
    assert!(setup.get("/subscribedSkus?$select=skuId").await.value().is_empty());
    let path = format!("/servicePrincipals/{}/appRoleAssignments", setup.graph.service_principal());
    assert_eq!(setup.get(&path).await.value().len(), 6);
    let by_app =
        format!("/servicePrincipals(appId='{}')/appRoleAssignments", super::client::CLIENT);
    assert_eq!(setup.get(&by_app).await.value().len(), 6);
    assert_eq!(setup.get("/nonsense").await.status, 400);
}

#[tokio::test]
async fn objects_are_read_by_their_ids() {
    let setup = Setup::new().await;
    let ids = setup.add_users(2);
    let group = setup.graph.add_group(json!({ "displayName": "A" }));
    let unknown = "11111111-2222-3333-4444-555555555555";
    let asked = json!({ "ids": [ids[1], group, unknown] });
    let got = setup.post("/directoryObjects/getByIds?$select=id,displayName", &asked).await.value();
    let expected = [
        json!({ "@odata.type": "#microsoft.graph.user", "id": ids[1], "displayName": "User 2" }),
        json!({ "@odata.type": "#microsoft.graph.group", "id": group, "displayName": "A" }),
    ];
    assert_eq!(got, expected);
    let many = json!({ "ids": vec![unknown; 1001] });
    assert_eq!(setup.post("/directoryObjects/getByIds", &many).await.status, 400);
    let no_list = json!({ "ids": "x" });
    assert_eq!(setup.post("/directoryObjects/getByIds", &no_list).await.status, 400);
}

#[tokio::test]
async fn users_are_filtered_and_unknown_names_can_be_let_pass() {
    let setup = Setup::new().await;
    let ids = setup.add_users(12);
    let by_name = setup.get("/users?$filter=displayName eq 'user 7'&$select=id").await.value();
    assert_eq!(by_name, [json!({ "id": ids[6] })]);
    let by_id = setup.get(&format!("/users?$filter=id in ('{}','{}')", ids[0], ids[3])).await;
    assert_eq!(by_id.value().len(), 2);
    let start = "/users/$count?$filter=startswith(displayName,'User 1')";
    assert_eq!(setup.get_with(start, EVENTUAL).await.text, "4");
    setup.graph.faults(|faults| faults.ignore_unknown_select = true);
    let odd = setup.get("/users?$select=nonsense&$top=1").await.value();
    assert_eq!(odd, [json!({ "id": ids[0] })]);
}
