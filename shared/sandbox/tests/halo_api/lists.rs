//! Lists, searches, pages, and reading one record.

use sandbox::halo::Halo;
use serde_json::{Value, json};

use crate::support::{Caller, OID, ids, small_halo};

#[tokio::test]
async fn paths_parameters_and_endpoints_do_not_depend_on_case() {
    let caller = Caller::small().await;
    for path in ["/api/Users/101", "/api/users/101", "/API/USERS/101", "/api/Users/101/"] {
        assert_eq!(caller.get(path).await.1["name"], "Ada Byron", "{path}");
    }
    let (_, page) = caller.get("/api/users?Pageinate=true&PAGE_SIZE=1&Page_No=1").await;
    assert_eq!(page["users"].as_array().unwrap().len(), 1);
    assert_eq!(caller.get("/api/Nothing").await.0, 404);
    assert_eq!(caller.get("/elsewhere").await.0, 404);
}

#[tokio::test]
async fn every_endpoint_has_its_envelope() {
    let caller = Caller::small().await;
    let cases = [
        ("Users", "users"),
        ("Site", "sites"),
        ("Client", "clients"),
        ("SoftwareLicence", "softwarelicences"),
        ("TopLevel", "tree"),
        ("Agent", ""),
        ("Roles", ""),
        ("UserRoles", ""),
        ("CAB", ""),
        ("CABMember", ""),
        ("Team", ""),
        ("Organisation", ""),
        ("FieldInfo", ""),
        ("UserChange", ""),
        ("LicenceChange", ""),
    ];
    for (endpoint, key) in cases {
        let (status, body) = caller.get(&format!("/api/{endpoint}")).await;
        assert_eq!(status, 200, "{endpoint}");
        let rows = if key.is_empty() { &body } else { &body[key] };
        let rows = rows.as_array().unwrap();
        if !key.is_empty() {
            assert_eq!(body["record_count"], rows.len(), "{endpoint}");
            assert!(body["page_no"].is_i64() && body["page_size"].is_i64(), "{endpoint}");
        }
    }
    assert!(caller.get("/api/VersionInfo").await.1["version"].is_string());
}

#[tokio::test]
async fn users_are_filtered() {
    let halo = small_halo();
    halo.add_user(&json!({"id": 103, "name": "Bo Bot", "site_id": 12, "isserviceaccount": true,
        "linked_agent_id": 5, "emailaddress": "BO@acme.example"}));
    halo.add_licence(&json!({"id": 8, "name": "E3"}));
    halo.add_user(&json!({"id": 104, "name": "Cy Licensed", "site_id": 21,
        "software": [{"licence_id": 8}], "roles": [{"id": 4}]}));
    let azure = |value: &str| {
        format!(
            "advanced_search=%5B%7B%22filter_name%22:%22azureoid%22,%22filter_type%22:2,%22filter_value%22:%22{value}%22%7D%5D"
        )
    };
    let cases: Vec<(String, Vec<i64>)> = [
        ("", vec![101, 103, 104]),
        ("includeinactive=true", vec![101, 102, 103, 104]),
        ("includeinactive=true&includeactive=true", vec![101, 102, 103, 104]),
        ("includeinactive=true&includeactive=false", vec![102]),
        ("activeinactive=false,true", vec![102]),
        ("client_id=1", vec![101, 103]),
        ("site_id=21&includeinactive=true", vec![102, 104]),
        ("search=ada", vec![101]),
        ("search=ADA@acme", vec![101]),
        ("search=countess", vec![101]),
        ("search=byron", vec![101]),
        ("search=acme.example", vec![101, 103]),
        ("search=0f8f5c1e", vec![]),
        ("search=Engineer", vec![]),
        ("exclude_agents=true", vec![101, 104]),
        ("includeserviceaccount=false", vec![101, 104]),
        ("includenonserviceaccount=false", vec![103]),
        ("integration_type=azure", vec![101]),
        ("licence_id=8", vec![104]),
        ("role=4", vec![104]),
        ("approversonly=true&colour=blue", vec![101, 103, 104]),
        ("order=name&orderdesc=true", vec![104, 103, 101]),
        ("order=emailaddress", vec![104, 101, 103]),
        ("order=id", vec![101, 103, 104]),
    ]
    .into_iter()
    .map(|(query, expected)| (query.to_owned(), expected))
    .chain([
        (azure(OID), vec![101]),
        (azure(&OID.to_uppercase()), vec![101]),
        (azure("0f8f"), vec![]),
    ])
    .collect();
    let caller = Caller::of(halo).await;
    for (query, expected) in cases {
        assert_eq!(caller.user_ids(&query).await, expected, "{query}");
    }
    assert_eq!(caller.get("/api/Users?client_id=abc").await.0, 400);
}

#[tokio::test]
async fn advanced_search_knows_equality_only() {
    let caller = Caller::small().await;
    let filter = |name: &str, kind: i64, value: &str| {
        json!([{"filter_name": name, "filter_type": kind, "filter_value": value}]).to_string()
    };
    let cases = [
        (filter("emailaddress", 2, "ADA@acme.example"), 200, 1),
        (filter("login", 2, "ada@acme.example"), 200, 1),
        (filter("inactive", 2, "false"), 200, 4),
        (filter("azureoid", 1, OID), 400, 0),
        (filter("aaduserid", 2, OID), 400, 0),
        ("[".to_owned(), 400, 0),
    ];
    for (search, status, rows) in cases {
        let request = caller.getting("/api/Users").query(&[("advanced_search", &search)]);
        let (got, body) = crate::support::text(request).await;
        assert_eq!(got, status, "{search}: {body}");
        if got == 200 {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["users"].as_array().unwrap().len(), rows, "{search}");
        } else {
            assert!(body.contains("Invalid advanced search parameter"), "{body}");
        }
    }
}

#[tokio::test]
async fn every_site_has_its_general_user() {
    let caller = Caller::small().await;
    let (_, all) = caller.get("/api/Users").await;
    let rows = all["users"].as_array().unwrap();
    let general: Vec<_> = rows.iter().filter(|row| row["name"] == "General User").collect();
    let sites: Vec<_> = general.iter().map(|row| row["site_id_int"].as_i64().unwrap()).collect();
    assert_eq!(sites, [11, 12, 21]);

    let (_, site) = caller.post("/api/Site", json!([{"name": "Hull", "client_id": 2}])).await;
    let (_, users) = caller.get(&format!("/api/Users?site_id={}", site["id"])).await;
    assert_eq!(users["users"][0]["name"], "General User");
}

#[tokio::test]
async fn a_row_has_less_than_the_detail() {
    let halo = small_halo();
    halo.add_user(&json!({"id": 105, "name": "Full", "site_id": 11, "department": "R&D",
        "customfields": [{"id": 124, "value": 2}]}));
    let caller = Caller::of(halo).await;
    let (_, list) = caller.get("/api/Users?search=Full").await;
    let row = &list["users"][0];
    assert!(row.get("department").is_none());
    assert!(row["customfields"].is_null());
    let (_, detail) = caller.get("/api/Users/105?includedetails=true").await;
    assert_eq!(detail["department"], "R&D");
    let field = json!({"id": 124, "name": "CFKeep", "label": "Keep", "type": 2, "value": 2, "display": "Yes"});
    assert_eq!(detail["customfields"], json!([field]));
    let (_, list) = caller.get("/api/Users?search=Full&include_custom_fields=124").await;
    assert_eq!(list["users"][0]["customfields"][0]["value"], 2);
}

#[tokio::test]
async fn values_look_as_halo_writes_them() {
    let caller = Caller::small().await;
    let (_, user) = caller.get("/api/Users/101?includedetails=true").await;
    assert_eq!(user["site_id"].to_string(), "11.0");
    assert_eq!(user["site_id_int"].to_string(), "11");
    assert_eq!(user["azure_last_login_date"], "1900-01-01T00:00:00");
    for (name, value) in [
        ("phonenumber", json!("")),
        ("azure_tenant_id", json!("")),
        ("inactive", json!(false)),
        ("linked_agent_id", json!(0)),
        ("client_id", json!(1)),
        ("client_name", json!("Acme")),
        ("site_name", json!("Leeds")),
        ("use", json!("user")),
    ] {
        assert_eq!(user[name], value, "{name}");
    }
    let (_, site) = caller.get("/api/Site/11").await;
    assert_eq!(site["client_id"].to_string(), "1.0");
    assert_eq!(site["clientsite_name"], "Acme / Leeds");
    assert_eq!(caller.get("/api/Site/12").await.1["name"], "");
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let caller = Caller::small().await;
    for path in ["/api/Users/9999", "/api/Agent/9999", "/api/Site/9999", "/api/Users/abc"] {
        assert_eq!(caller.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn agents_hide_what_is_disabled_and_api_only() {
    let caller = Caller::small().await;
    let cases: [(&str, &[i64]); 6] = [
        ("", &[5]),
        ("?includedisabled=true", &[5, 6]),
        ("?includedisabled=true&includeenabled=false", &[6]),
        ("?includeapiagents=true", &[5, 999]),
        ("?search=nobody", &[5]),
        (
            "?includedisabled=true&includeapiagents=true&pageinate=true&page_size=2&page_no=2",
            &[999],
        ),
    ];
    for (query, expected) in cases {
        let (_, body) = caller.get(&format!("/api/Agent{query}")).await;
        assert_eq!(ids(&body), expected, "{query}");
    }
}

#[tokio::test]
async fn agent_roles_have_a_text_id_and_a_number() {
    let caller = Caller::small().await;
    let (_, roles) = caller.get("/api/Roles").await;
    assert_eq!((&roles[0]["id"], &roles[0]["id_int"]), (&json!("b2c7"), &json!(7)));
    assert_eq!(caller.get("/api/Roles/b2c7").await.1["name"], "Technician");
    let (_, roles) = caller.get("/api/UserRoles").await;
    assert_eq!(ids(&roles), [3, 4]);
}

/// 250 users at one site, with its General User 251 of them.
fn many() -> Halo {
    let halo = Halo::new();
    halo.add_client(&json!({"id": 1, "name": "Acme"}));
    halo.add_site(&json!({"id": 1, "name": "Leeds", "client_id": 1}));
    for number in 0..250 {
        halo.add_user(&json!({"name": format!("User {number}"), "site_id": 1}));
    }
    halo
}

#[tokio::test]
async fn pages_are_cut_at_100_whatever_is_asked() {
    let caller = Caller::of(many()).await;
    // Query; rows, first id, record_count, page_size in the answer.
    let cases = [
        ("pageinate=true&page_size=1000&page_no=1", 100, Some(1), 251, 1000),
        ("pageinate=true&page_size=1000&page_no=3", 51, Some(201), 251, 1000),
        ("pageinate=true&page_size=1000&page_no=4", 0, None, 251, 1000),
        ("pageinate=true&page_size=20&page_no=2", 20, Some(21), 251, 20),
        ("pageinate=true&page_size=20&page_no=0", 20, Some(1), 251, 20),
        ("pageinate=true", 50, Some(1), 251, 50),
        ("count=7", 7, Some(1), 7, 7),
        ("", 251, Some(1), 251, 251),
    ];
    for (query, rows, first, count, size) in cases {
        let (_, body) = caller.get(&format!("/api/Users?{query}")).await;
        let got = ids(&body["users"]);
        assert_eq!((got.len(), got.first().copied()), (rows, first), "{query}");
        assert_eq!(
            (&body["record_count"], &body["page_size"]),
            (&json!(count), &json!(size)),
            "{query}"
        );
    }
    let (_, body) = caller.get("/api/Users?idonly=true").await;
    assert_eq!(body["users"][250], json!({"id": 251}));
}

#[tokio::test]
async fn a_write_shows_on_the_next_page() {
    let caller = Caller::of(many()).await;
    let page = "/api/Users?pageinate=true&page_size=100&page_no=3";
    assert_eq!(caller.get(page).await.1["users"].as_array().unwrap().len(), 51);
    caller.post("/api/Users", json!([{"id": 5, "inactive": true}])).await;
    let (_, body) = caller.get(page).await;
    assert_eq!(ids(&body["users"]).first(), Some(&202));
    assert_eq!(body["record_count"], 250);
}
