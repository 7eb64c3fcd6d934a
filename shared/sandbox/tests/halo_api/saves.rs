//! POST and DELETE: creating, updating, and what is refused.

use sandbox::halo::{Halo, Records, Write};
use serde_json::{Value, json};

use crate::support::{Caller, OID, answer, small_halo, text};

#[tokio::test]
async fn a_record_without_id_is_created() {
    let caller = Caller::small().await;
    let body = json!([{"name": "New", "site_id": 11, "emailaddress": "new@acme.example"}]);
    let (status, created) = caller.post("/api/Users", body.clone()).await;
    assert_eq!((status, &created["name"]), (201, &json!("New")));
    let id = created["id"].as_i64().unwrap();
    let write = Write {
        method: "POST".to_owned(),
        path: "/api/Users".to_owned(),
        body: body[0].clone(),
        created: true,
        id,
    };
    assert_eq!(caller.halo.writes(), [write]);
    assert_eq!(caller.halo.user(id).unwrap()["emailaddress"], "new@acme.example");
    caller.halo.clear_writes();
    assert!(caller.halo.writes().is_empty());
}

#[tokio::test]
async fn nothing_stops_a_duplicate() {
    let caller = Caller::small().await;
    let again = json!([{"name": "Ada Byron", "site_id": 11, "emailaddress": "ada@acme.example", "azureoid": OID}]);
    for _ in 0..2 {
        assert_eq!(caller.post("/api/Users", again.clone()).await.0, 201);
    }
    assert_eq!(caller.halo.users_with_azureoid(&OID.to_uppercase()).len(), 3);
    assert_eq!(caller.halo.user_count(), 3 + 2 + 2);
}

#[tokio::test]
async fn a_bare_object_is_one_record() {
    let caller = Caller::small().await;
    let (status, site) = caller.post("/api/Site", json!({"name": "Hull", "client_id": 1})).await;
    assert_eq!((status, &site["name"]), (201, &json!("Hull")));
}

#[tokio::test]
async fn an_id_of_zero_or_null_is_none() {
    let caller = Caller::small().await;
    for id in [json!(0), Value::Null] {
        let body = json!([{"id": id, "name": "N", "site_id": 11}]);
        assert_eq!(caller.post("/api/Users", body).await.0, 201);
        assert!(caller.halo.writes().iter().all(|write| write.created));
    }
}

#[tokio::test]
async fn an_update_changes_only_what_it_names() {
    let caller = Caller::small().await;
    let body = json!([{"id": 101, "Title": "Countess", "nonsense": 1, "client_name": "x", "inactive": true}]);
    let before = caller.halo.user(101).unwrap();
    let (status, after) = caller.post("/api/Users", body).await;
    assert_eq!(status, 201);
    assert_eq!((&after["title"], &after["inactive"]), (&json!("Countess"), &json!(true)));
    for (name, value) in before.as_object().unwrap() {
        if !["title", "inactive", "lastupdate"].contains(&name.as_str()) {
            assert_eq!(&after[name], value, "{name}");
        }
    }
    assert!(after.get("nonsense").is_none());
    let (_, history) = caller.get("/api/UserChange?user_id=101").await;
    let changed: Vec<_> =
        history.as_array().unwrap().iter().map(|change| &change["field_name"]).collect();
    assert_eq!(changed, ["inactive", "title"]);
}

#[tokio::test]
async fn a_user_moves_between_sites() {
    let caller = Caller::small().await;
    let (_, user) = caller.post("/api/Users", json!([{"id": 101, "site_id": 21}])).await;
    assert_eq!((&user["site_id"], &user["client_name"]), (&json!(21.0), &json!("Globex")));
    assert_eq!(caller.user_ids("site_id=21").await, [101]);
}

#[tokio::test]
async fn the_clock_stamps_what_is_saved() {
    let caller = Caller::small().await;
    caller.halo.set_now("2026-11-23T10:00:00Z".parse().unwrap());
    let mut caller = caller;
    caller.sign_in("all").await;
    let (_, user) = caller.post("/api/Users", json!([{"name": "N", "site_id": 11}])).await;
    assert_eq!(user["datecreated"], "2026-11-23T10:00:00");
    assert_eq!(user["lastupdate"], "2026-11-23T10:00:00");
}

#[tokio::test]
async fn what_is_refused() {
    let long = "x".repeat(256);
    // Path; body; status; the property that the answer names, or a piece of its sentence.
    let cases = [
        ("Users", json!([{"site_id": 11}]), 400, "[0].name"),
        ("Users", json!({"site_id": 11}), 400, "\"name\""),
        ("Users", json!([{"name": "N"}]), 400, "[0].site_id"),
        ("Users", json!([{"name": "", "site_id": 11}]), 400, "[0].name"),
        ("Users", json!([{"id": 101, "name": ""}]), 400, "[0].name"),
        ("Users", json!([{"name": "N", "site_id": 999}]), 400, "Site 999 does not exist"),
        ("Users", json!([{"name": "N", "site_id": 11.0}]), 400, "[0].site_id"),
        ("Users", json!([{"id": 101, "site_id": 95.0}]), 400, "[0].site_id"),
        ("Users", json!([{"id": 101, "site_id": "11"}]), 400, "[0].site_id"),
        ("Users", json!([{"id": 101, "inactive": "true"}]), 400, "[0].inactive"),
        ("Users", json!([{"id": 101, "title": 5}]), 400, "[0].title"),
        ("Users", json!([{"id": 101, "name": long}]), 400, "[0].name"),
        (
            "Users",
            json!([{"id": 101, "azure_last_login_date": "soon"}]),
            400,
            "[0].azure_last_login_date",
        ),
        ("Users", json!([{"id": 101, "customfields": {}}]), 400, "[0].customfields"),
        ("Users", json!([{"id": 101.0, "title": "T"}]), 400, "[0].id"),
        ("Users", json!([{"id": 101, "roles": [{"id": 77}]}]), 400, "does not exist"),
        ("Users", json!([{"id": 9999, "title": "T"}]), 404, ""),
        ("Users", json!([{"id": -1, "title": "T"}]), 404, ""),
        ("Users", json!([]), 400, "not a list of records"),
        ("Users", json!([5]), 400, "not a list of records"),
        ("Site", json!([{"name": "Hull"}]), 400, "[0].client_id"),
        ("Site", json!([{"client_id": 1}]), 400, "[0].name"),
        ("Site", json!([{"name": "Hull", "client_id": 99}]), 400, "Client 99 does not exist"),
        ("Site", json!([{"id": 12, "phonenumber": "1"}]), 400, "[0].name"),
        ("Agent", json!([{"email": "x@acme.example"}]), 400, "[0].name"),
        ("CABMember", json!([{"cab_id": 1}]), 405, ""),
    ];
    let caller = Caller::small().await;
    for (endpoint, body, status, says) in cases {
        let request = caller.posting(&format!("/api/{endpoint}"), &body);
        let (got, answer) = text(request).await;
        assert_eq!(got, status, "{endpoint} {body}: {answer}");
        assert!(answer.contains(says), "{endpoint} {body}: {answer}");
    }
    assert!(caller.halo.writes().is_empty());
}

#[tokio::test]
async fn a_body_must_be_json() {
    let caller = Caller::small().await;
    let url = format!("{}/api/Users", caller.served.url);
    let post = || caller.http.post(&url).bearer_auth(&caller.token);
    let cases = [
        ("text/plain", "[]", 415),
        ("application/json", "[{", 400),
        ("application/json; charset=utf-8", r#"[{"id":101,"title":"T"}]"#, 201),
        ("text/json", r#"[{"id":101,"title":"T"}]"#, 201),
        ("application/json-patch+json", r#"[{"id":101,"title":"T"}]"#, 201),
    ];
    for (media_type, body, status) in cases {
        let request = post().header("content-type", media_type).body(body);
        assert_eq!(answer(request).await.0, status, "{media_type} {body}");
    }
}

#[tokio::test]
async fn roles_are_replaced_added_and_taken_away() {
    let caller = Caller::small().await;
    let role_ids = |user: &Value| user["role_ids"].clone();
    // What is posted; the roles afterwards.
    let steps = [
        (json!({"roles": [{"id": 3}]}), json!([3])),
        (json!({"add_roles": [{"id": 4}]}), json!([3, 4])),
        (json!({"delete_roles": [{"id": 3}]}), json!([4])),
        (json!({"role_ids": [3]}), json!([3])),
        (json!({"title": "T"}), json!([3])),
        (json!({"roles": []}), json!([])),
    ];
    for (mut change, expected) in steps {
        change["id"] = json!(101);
        let (status, user) = caller.post("/api/Users", json!([change])).await;
        assert_eq!((status, role_ids(&user)), (201, expected), "{change}");
    }
    caller.post("/api/Users", json!([{"id": 101, "roles": [{"id": 4}]}])).await;
    let (_, list) = caller.get("/api/Users?search=ada").await;
    assert_eq!(list["users"][0]["role_list"], "Manager");
    assert!(list["users"][0].get("roles").is_none());
    for role in [json!({"id_int": 7}), json!({"id": "b2c7"}), json!({"id": 7})] {
        let (_, agent) = caller.post("/api/Agent", json!([{"id": 5, "roles": [role]}])).await;
        let expected = json!([{"id": "b2c7", "id_int": 7, "name": "Technician"}]);
        assert_eq!(agent["roles"], expected, "{role}");
    }
    let (_, agents) = caller.get("/api/Agent?includeroles=true").await;
    assert_eq!(agents[0]["roles"][0]["id_int"], 7);
}

#[tokio::test]
async fn cab_members_are_posted_with_the_cab() {
    let halo = small_halo();
    let cab = halo.add_cab(&json!({"id": 1, "name": "Approvers", "members": [{"agent_id": 5}]}));
    let caller = Caller::of(halo).await;
    assert_eq!(caller.get("/api/CAB").await.1[0].get("members"), None);
    let (_, list) = caller.get("/api/CAB?includemembers=true").await;
    let mut members = list[0]["members"].as_array().unwrap().clone();
    assert_eq!(members[0]["member_name"], "Tess Tech");
    members.push(json!({"user_id": 101, "role_id": 2}));
    let (status, saved) = caller.post("/api/CAB", json!([{"id": cab, "members": members}])).await;
    assert_eq!((status, saved["members"].as_array().unwrap().len()), (201, 2));
    let (_, members) = caller.get("/api/CABMember?cab_id=1").await;
    let names: Vec<_> = members.as_array().unwrap().iter().map(|it| &it["member_name"]).collect();
    assert_eq!(names, ["Tess Tech", "Ada Byron"]);
    caller.post("/api/CAB", json!([{"id": cab, "members": []}])).await;
    assert_eq!(caller.get("/api/CABMember").await.1, json!([]));
}

#[tokio::test]
async fn licences_are_linked_to_users() {
    let caller = Caller::small().await;
    let body = json!([{"name": "E3", "count": 10, "client_id": 1, "product_sku": "sku-1"}]);
    let (status, licence) = caller.post("/api/SoftwareLicence", body).await;
    assert_eq!(status, 201);
    let licence = licence["id"].as_i64().unwrap();
    let link = json!([{"id": 101, "software": [{"licence_id": licence}]}]);
    let (_, user) = caller.post("/api/Users", link).await;
    assert_eq!(user["software"][0]["licence_name"], "E3");
    assert_eq!(caller.user_ids(&format!("licence_id={licence}")).await, [101]);
    let unlink = json!([{"id": 101, "_remove_license_id": licence}]);
    assert_eq!(caller.post("/api/Users", unlink).await.1["software"], json!([]));
    caller.post("/api/SoftwareLicence", json!([{"id": licence, "count": 12}])).await;
    let (_, history) = caller.get(&format!("/api/LicenceChange?licence_id={licence}")).await;
    let change = &history[0];
    assert_eq!((&change["old_value"], &change["new_value"]), (&json!(10), &json!(12)));
}

#[tokio::test]
async fn a_new_client_gets_a_main_site() {
    let caller = Caller::small().await;
    let (_, client) = caller.post("/api/Client", json!([{"name": "Initech"}])).await;
    assert_eq!(client["main_site_name"], "Main");
    let (_, sites) = caller.get(&format!("/api/Site?client_id={}", client["id"])).await;
    assert_eq!(sites["record_count"], 1);
}

#[tokio::test]
async fn a_deleted_record_is_gone() {
    let caller = Caller::small().await;
    let url = format!("{}/api/users/101", caller.served.url);
    let delete = || answer(caller.http.delete(&url).bearer_auth(&caller.token));
    assert_eq!(delete().await.0, 200);
    assert_eq!(delete().await.0, 404);
    assert!(caller.halo.users_with_azureoid(OID).is_empty());
    let writes = caller.halo.writes();
    assert_eq!((writes[0].method.as_str(), writes[0].path.as_str()), ("DELETE", "/api/Users/101"));
    let (_, next) = caller.post("/api/Users", json!([{"name": "N", "site_id": 11}])).await;
    assert_eq!(next["id"], 103);
}

#[tokio::test]
async fn records_are_loaded_at_once() {
    let halo = Halo::new();
    halo.load(&Records {
        clients: &[json!({"id": 3, "name": "Acme"})],
        sites: &[
            json!({"id": 1, "name": "A", "client_id": 3}),
            json!({"id": 2, "name": "B", "client_id": 3}),
        ],
        users: &[
            json!({"id": 1, "name": "Ada", "site_id": 1}),
            json!({"id": 2, "name": "General User", "site_id": 2}),
        ],
        ..Records::default()
    });
    let names: Vec<_> =
        halo.users().iter().map(|user| (user["name"].clone(), user["site_id"].clone())).collect();
    let general = json!("General User");
    assert_eq!(
        names,
        [(json!("Ada"), json!(1.0)), (general.clone(), json!(2.0)), (general, json!(1.0))]
    );
    assert_eq!((halo.sites().len(), halo.clients().len(), halo.agents().len()), (2, 1, 1));
    assert!(halo.writes().is_empty());
}
