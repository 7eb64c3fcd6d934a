//! Licences over HTTPS: the ledger with who holds what, imports by hand, and one connection for the
//! licences of a tenant (S1, S3).

use serde_json::{Value, json};
use tests::licensed::{E5, FLOW, Licensed};
use tests::world::Setup;

use crate::support::{Answer, Api};

async fn licensed() -> (Api, Licensed) {
    let licensed = Licensed::new();
    let company = &licensed.company;
    let setup = Setup {
        entra: company.entra.clone(),
        halo: company.halo.clone(),
        document: Some(company.document.clone()),
        ..Setup::default()
    };
    (Api::with(setup).await, licensed)
}

#[tokio::test]
async fn the_ledger_tells_seats_and_who_holds_them() {
    // S1
    let (api, Licensed { ada, ben, .. }) = licensed().await;
    let path = "/v1/connections/contoso/licences";
    let before = api.get(path).await.ok().json;
    assert_eq!((&before["licences"], &before["read"]), (&json!([]), &Value::Null));
    api.world.sync().await;
    api.world.entra.set_seats(E5, 0);
    api.world.sync().await;

    let list = api.get(path).await.ok().json;
    let rows = list["licences"].as_array().unwrap();
    let told = |row: &Value| {
        ["name", "enabled", "used", "free", "in_flight"].map(|name| row[name].to_string()).join(" ")
    };
    let rows: Vec<String> = rows.iter().map(told).collect();
    let expected = ["\"Office 365 E5\" 0 1 -1 0", "\"Microsoft Power Automate Free\" 100 1 99 0"];
    assert_eq!(rows, expected);

    let page = api.get(&format!("{path}?limit=1")).await.ok().json;
    assert_eq!(page["licences"][0]["sku"], E5);
    let next = format!("{path}?limit=1&cursor={}", page["cursor"].as_str().unwrap());
    let page = api.get(&next).await.ok().json;
    assert_eq!((&page["licences"][0]["sku"], &page["cursor"]), (&json!(FLOW), &Value::Null));

    let sales = api.world.entra.groups_named("Sales")[0].clone();
    let held = api.get(&format!("{path}/{E5}")).await.ok().json;
    let [holder] = held["holders"].as_array().unwrap().as_slice() else { panic!("{held}") };
    assert_eq!(holder["person"]["id"], json!(ada.to_string()));
    assert_eq!((&holder["holds"], &holder["linked"]), (&json!(true), &json!(true)));
    assert_eq!(holder["given"], json!([{ "group": null, "state": "active" }]));
    let held = api.get(&format!("{path}/{FLOW}")).await.ok().json;
    assert_eq!(held["holders"][0]["person"]["id"], json!(ben.to_string()));
    assert_eq!(held["holders"][0]["given"], json!([{ "group": sales, "state": "active" }]));

    for sku in ["11111111-2222-3333-4444-555555555555", "E5"] {
        let answer = api.get(&format!("{path}/{sku}")).await;
        assert_eq!((answer.status.as_u16(), answer.problem()), (404, "not_found"), "{sku}");
    }
}

#[tokio::test]
async fn a_licence_that_could_not_be_given_is_shown_with_its_reason() {
    // S1: a group gives it, no seat is left.
    let (api, Licensed { ben, .. }) = licensed().await;
    api.world.entra.set_seats(FLOW, 1);
    let dan = Licensed::new().company.hire(0x44, "Dan", &["Sales"]);
    api.world.entra.add_user(json!({ "id": dan.to_string(), "displayName": "Dan",
        "userPrincipalName": "dan@contoso.example", "usageLocation": "DK" }));
    api.world.join("Sales", dan);
    api.world.sync().await;
    let held = api.get(&format!("/v1/connections/contoso/licences/{FLOW}")).await.ok().json;
    let told = |row: &Value| {
        let error = row["given"][0]["error"].as_str().unwrap_or("none").to_owned();
        (row["person"]["id"].as_str().unwrap().to_owned(), row["holds"].clone(), error)
    };
    let told: Vec<_> = held["holders"].as_array().unwrap().iter().map(told).collect();
    let expected = [
        (ben.to_string(), json!(true), "none".to_owned()),
        (dan.to_string(), json!(false), "CountViolation".to_owned()),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn licences_are_imported_by_hand() {
    // S1, I2
    let (api, _) = licensed().await;
    let imports = "/v1/connections/contoso/imports";
    let bad = [
        json!({ "entities": ["licences"], "people": ["ada@contoso.example"] }),
        json!({ "entities": ["licences"], "read": "none" }),
    ];
    api.world.sync().await;
    for body in bad {
        let answer = api.post(imports, &body).await;
        assert_eq!(answer.paths(), ["$.entities[0]"], "{body}: {}", answer.text);
    }
    let run = api.post(imports, &json!({ "entities": ["licences"] })).await.ok().json;
    api.world.quiet().await;
    let run = api.get(&format!("/v1/runs/{}", run["run"].as_str().unwrap())).await.ok().json;
    assert_eq!((&run["state"], &run["trigger"]), (&json!("completed"), &json!("manual")));
}

#[tokio::test]
async fn one_connection_imports_the_licences_of_a_tenant() {
    // S3: whichever comes second is refused, also when the first is only changed to it later, and a
    // removal frees the place.
    let api = Api::new().await;
    let with = |id: &str, licences: Value| {
        let mut document = api.document(id);
        document["licences"] = licences;
        document
    };
    let licences = json!({ "client_id": 3, "manage_from_halo": true });
    let refused = |answer: Answer, owner: &str| {
        assert_eq!((answer.status.as_u16(), answer.paths()), (422, vec!["$.licences"]));
        assert!(answer.text.contains(owner), "{}", answer.text);
    };
    let one = api.post("/v1/connections", &with("one", licences.clone())).await.ok();
    refused(api.post("/v1/connections", &with("two", licences.clone())).await, "\\\"one\\\"");
    let two = api.post("/v1/connections", &api.document("two")).await.ok();
    refused(api.save("two", &two.etag(), &with("two", licences.clone())).await, "\\\"one\\\"");

    // The first lets go; the second takes it; the first cannot have it back.
    let one = api.save("one", &one.etag(), &api.document("one")).await.ok();
    let two = api.save("two", &two.etag(), &with("two", licences.clone())).await.ok();
    refused(api.save("one", &one.etag(), &with("one", licences.clone())).await, "\\\"two\\\"");
    api.save("two", &two.etag(), &with("two", licences.clone())).await.ok();
    api.send("DELETE", "/v1/connections/two", None).await.ok();
    api.save("one", &one.etag(), &with("one", licences)).await.ok();
}
