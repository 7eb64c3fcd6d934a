//! Lists to choose from: what Halo has, and groups of the tenant.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::graph::{Body, Fault};
use serde_json::{Value, json};

use crate::access::{LATER, behind_gateway, claims, through_gateway};
use crate::small::setup;
use crate::support::Api;

async fn names(api: &Api, path: &str) -> Vec<String> {
    let found = api.get(path).await.ok().json;
    let items = found["items"].as_array().or(found["groups"].as_array()).unwrap();
    items.iter().map(|it| format!("{} {}", it["id"], it["name"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn halos_lists_are_searched_within_one_request_each() {
    // F4, P6, H2
    let api = Api::with(setup()).await;
    let halo = &api.world.halo;
    halo.add_client(&json!({ "id": 4, "name": "Fabrikam" }));
    halo.add_user_role(&json!({ "id": 4, "name": "Manager" }));
    halo.add_user_role(&json!({ "id": 9, "name": "No manager" }));
    halo.add_cab(&json!({ "id": 1, "name": "Changes" }));
    halo.add_custom_field(&json!({ "id": 123, "name": "CFCostCentre", "label": "Cost centre" }));
    halo.add_custom_field(&json!({ "id": 124, "name": "CFx", "label": "Manager" }));
    for (path, expected) in [
        ("sites", vec!["12 Head office", "18 Sales"]),
        ("sites?search=sale", vec!["18 Sales"]),
        ("clients?search=FAB", vec!["4 Fabrikam"]),
        ("agent-roles", vec!["5 Technician"]),
        ("user-roles?search=manager", vec!["4 Manager", "9 No manager"]),
        ("cabs", vec!["1 Changes"]),
        ("cabs?search=x", vec![]),
        ("custom-fields?search=cost", vec!["123 CFCostCentre"]),
        ("custom-fields?search=manager", vec!["124 CFx"]),
        ("licences", vec![]),
    ] {
        let before = api.world.halo_served.log.count();
        let found = names(&api, &format!("/v1/halo/{path}")).await;
        assert_eq!(found, expected, "{path}");
        let asked = api.world.halo_served.log.count() - before;
        assert!(asked <= 2, "{path}: {asked} requests, a token among them");
    }
    let site = api.get("/v1/halo/sites?search=sales").await.ok().json["items"][0].clone();
    assert_eq!(
        site,
        json!({ "id": 18, "name": "Sales", "inactive": false,
        "client": { "id": 3, "name": "Contoso" } })
    );
    let field = api.get("/v1/halo/custom-fields?search=cost").await.ok().json["items"][0].clone();
    assert_eq!(field["label"], "Cost centre");
    for (path, problem) in [
        ("/v1/halo/users", "not_found"),
        ("/v1/halo/sites?limit=101", "invalid_request"),
        ("/v1/halo/sites?colour=red", "invalid_request"),
        ("/v1/halo/sites?cursor=abc", "invalid_cursor"),
    ] {
        assert_eq!(api.get(path).await.problem(), problem, "{path}");
    }
    assert_eq!(api.get("/v1/halo/test").await.ok().json["passed"], true, "the test is no list");
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    // H2
    let api = Api::with(setup()).await;
    for number in 0..130 {
        api.world.halo.add_site(&json!({ "name": format!("Place {number}"), "client_id": 3 }));
        api.world
            .halo
            .add_user_role(&json!({ "id": 1000 + number, "name": format!("Place {number}") }));
    }
    for list in ["sites", "user-roles"] {
        let mut all: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        let mut pages = 0;
        loop {
            let path = format!("/v1/halo/{list}?search=place&limit=50{cursor}");
            let page = api.get(&path).await.ok().json;
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            pages += 1;
            let Some(next) = page["cursor"].as_str() else { break };
            let other = api.get(&format!("/v1/halo/{list}?limit=50&cursor={next}")).await;
            assert_eq!(other.problem(), "invalid_cursor", "of another search");
            cursor = format!("&cursor={next}");
        }
        let ids: BTreeSet<String> = all.iter().map(|it| it["id"].to_string()).collect();
        assert_eq!((all.len(), ids.len(), pages), (130, 130, 3), "{list}");
    }
}

#[tokio::test]
async fn groups_are_found_by_the_beginning_of_their_name() {
    // P3
    let api = Api::new().await;
    let found = api.get("/v1/connections/contoso/groups?search=all%20").await.ok().json;
    let groups = found["groups"].as_array().unwrap();
    let told: Vec<(&str, &str)> = groups
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("All Sales", "security"), ("All Staff", "microsoft_365")]);
    assert_eq!((&found["more"], &groups[0]["dynamic"]), (&json!(false), &json!(false)));
    api.world.entra.add_group(json!({ "displayName": "Dyn", "groupTypes": ["DynamicMembership"] }));
    api.world
        .entra
        .add_group(json!({ "displayName": "Dist", "securityEnabled": false, "mailEnabled": true }));
    for number in 0..51 {
        api.world.entra.add_group(json!({ "displayName": format!("Many {number}") }));
    }
    let one = async |text: &str| {
        let path = format!("/v1/connections/contoso/groups?search={text}");
        api.get(&path).await.ok().json
    };
    assert_eq!(one("dyn").await["groups"][0]["dynamic"], true);
    assert_eq!(one("dist").await["groups"][0]["kind"], "distribution");
    let many = one("many").await;
    assert_eq!((many["groups"].as_array().unwrap().len(), &many["more"]), (50, &json!(true)));
    assert_eq!(one("o'brien").await["groups"], json!([]));
    let all = api.get("/v1/connections/contoso/groups").await.ok().json;
    assert!(!all["groups"].as_array().unwrap().is_empty());
    assert_eq!(api.get("/v1/connections/unknown/groups").await.problem(), "not_found");
    api.post("/v1/connections", &api.document("fabrikam")).await.ok();
    let without = api.get("/v1/connections/fabrikam/groups").await;
    assert_eq!(without.problem(), "sign_in_failed", "C1: only by its own credentials");
}

#[tokio::test]
async fn groups_are_counted_with_those_inside_them_or_not_at_all() {
    // P3: people alone, each once, wherever they are inside.
    let api = Api::new().await;
    let entra = &api.world.entra;
    let people = entra.user_ids();
    let outer = entra.add_group(json!({ "displayName": "Crew" }));
    let inner = entra.add_group(json!({ "displayName": "Crew of the night" }));
    entra.add_member(&outer, &inner);
    entra.add_member(&inner, &outer);
    entra.add_member(&outer, &entra.add_device("Radio"));
    for (group, person) in [(&outer, 0), (&outer, 1), (&inner, 1), (&inner, 2)] {
        entra.add_member(group, &people[person]);
    }
    entra.add_group(json!({ "displayName": "Crew to come" }));
    let crew = async || {
        let found = api.get("/v1/connections/contoso/groups?search=crew").await.ok().json;
        let groups = found["groups"].as_array().unwrap();
        let told = |it: &Value| (it["name"].as_str().unwrap().to_owned(), it["people"].as_u64());
        groups.iter().map(told).collect::<BTreeMap<_, _>>()
    };
    let named = |outer: Option<u64>, inner: Option<u64>, empty: Option<u64>| {
        let names = ["Crew", "Crew of the night", "Crew to come"].map(str::to_owned);
        names.into_iter().zip([outer, inner, empty]).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(crew().await, named(Some(3), Some(3), Some(0)));

    // A count that does not come is left out, and nobody waits for it.
    let before = api.world.engine.clock.now();
    let refused = Fault::Status { code: 400, body: Body::Empty };
    let throttled = Fault::Throttle { retry_after: Some("20".to_owned()) };
    for (at, fault) in [
        (format!("/v1.0/groups/{outer}/transitiveMembers"), refused.clone()),
        (format!("/v1.0/groups/{outer}/transitiveMembers"), throttled.clone()),
    ] {
        entra.fail_next(&at, 1, fault);
        assert_eq!(crew().await, named(None, Some(3), Some(0)), "{at}");
    }
    entra.faults(|faults| faults.batch_missing = 1);
    assert_eq!(crew().await.values().flatten().count(), 2);
    for fault in [refused, throttled, Fault::HtmlPage, Fault::ResetConnection] {
        entra.fail_next("/v1.0/$batch", 1, fault);
        assert_eq!(crew().await, named(None, None, None));
    }
    assert_eq!(api.world.engine.clock.now(), before);
}

#[tokio::test]
async fn readers_do_not_choose() {
    let api = Api::with(setup()).await;
    let router = behind_gateway(&api.world);
    for (path, status) in [
        ("/v1/halo/sites", 403),
        ("/v1/connections/contoso/groups", 403),
        ("/v1/connections/contoso/audit", 403),
        ("/v1/audit", 403),
        ("/v1/module", 200),
    ] {
        let claims = claims("[reader]", LATER);
        let (found, body) = through_gateway(&router, "GET", path, &claims).await;
        assert_eq!(found, status, "{path} {body}");
    }
    let claims = claims("[reader]", LATER);
    let (found, _) = through_gateway(&router, "PUT", "/v1/module", &claims).await;
    assert_eq!(found, 403);
}
