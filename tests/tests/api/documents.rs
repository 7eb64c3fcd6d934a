//! Documents: saved whole or not at all, versioned, and never mixed between connections.

use engine::store::{Order, Range, keys};
use plan::ids::ConnectionId;
use sandbox::graph::Fault;
use sandbox::halo::Fault as HaloFault;
use serde_json::{Value, json};

use crate::support::Api;

/// What is changed in the sample document, and where the mistake must be found.
type Case = (&'static str, Value, &'static [(&'static str, &'static str)]);

fn bad_documents() -> Vec<Case> {
    vec![
        ("/nme", json!("x"), &[("$.nme", "did you mean \"name\"?")]),
        ("/cloud", json!("germany"), &[("$.cloud", "one of global, us_gov")]),
        ("/auth/assertion", json!("rs256"), &[("$.auth.assertion", "certificate")]),
        // F2
        (
            "/field_mappings/users/1/to",
            json!("name"),
            &[("$.field_mappings.users[1].to", "$.field_mappings.users[0]")],
        ),
        // F3
        (
            "/field_mappings/users/0/from",
            json!("displyName"),
            &[("$.field_mappings.users[0].from", "did you mean \"displayName\"?")],
        ),
        // F4
        (
            "/field_mappings/users/10/to",
            json!("customfield:CFNothing"),
            &[("$.field_mappings.users[10].to", "no custom field \"CFNothing\"")],
        ),
        // Only Halo can tell, and it tells everything at once.
        (
            "/mappings",
            json!([
                { "id": "a", "sequence": 1, "target": { "type": "site", "site_id": 777 },
                    "user_role_id": 778 },
                { "id": "b", "sequence": 2, "target": { "type": "organisation",
                    "client_id": 779, "site_from": "city", "default_site_id": 780 } },
                { "id": "c", "sequence": 3, "target": { "type": "agents", "user_site_id": 781 },
                    "agent_role_id": 782 }
            ]),
            &[
                ("$.mappings[0].target.site_id", "no site 777"),
                ("$.mappings[1].target.default_site_id", "no site 780"),
                ("$.mappings[2].target.user_site_id", "no site 781"),
                ("$.mappings[1].target.client_id", "no client (organisation) 779"),
                ("$.mappings[0].user_role_id", "no user role 778"),
                ("$.mappings[2].agent_role_id", "no agent role 782"),
            ],
        ),
        (
            "/roles",
            json!({ "user_roles": [{ "group": { "name": "Managers" }, "role_id": 783 }],
                "no_manager_user_role_id": 784, "inactive_agent_role_ids": [785],
                "cabs": [{ "group": { "name": "Approvers" }, "cab_id": 786 }] }),
            &[
                ("$.roles.user_roles[0].role_id", "no user role 783"),
                ("$.roles.no_manager_user_role_id", "no user role 784"),
                ("$.roles.inactive_agent_role_ids[0]", "no agent role 785"),
                ("$.roles.cabs[0].cab_id", "no CAB 786"),
            ],
        ),
    ]
}

/// Mistakes that only Entra can tell of, once the connection is authorised.
fn bad_for_entra() -> Vec<Case> {
    const UNKNOWN: &str = "00000000-0000-0000-0000-000000000099";
    vec![
        // P3
        (
            "/mappings/0/group/name",
            json!("No Such Group"),
            &[("$.mappings[0].group.name", "no group called \"No Such Group\"")],
        ),
        (
            "/mappings/0/group/name",
            json!("project phoenix"),
            &[("$.mappings[0].group.name", "2 groups called \"project phoenix\"")],
        ),
        (
            "/mappings/0/group",
            json!({ "id": UNKNOWN }),
            &[("$.mappings[0].group.id", "no group of this object id")],
        ),
        // F3
        (
            "/field_mappings/users/0/from",
            json!("extension_00000000000000000000000000000000_nothing"),
            &[("$.field_mappings.users[0].from", "Graph does not take this property")],
        ),
    ]
}

fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent.as_array_mut() {
        Some(list) => list[key.parse::<usize>().unwrap()] = value,
        None => parent[key] = value,
    }
}

fn assert_mistakes(answer: &crate::support::Answer, expected: &[(&str, &str)]) {
    assert_eq!(answer.problem(), "invalid_document", "{}", answer.text);
    let paths: Vec<&str> = expected.iter().map(|(path, _)| *path).collect();
    assert_eq!(answer.paths(), paths, "{}", answer.text);
    for ((path, part), mistake) in expected.iter().zip(answer.json["mistakes"].as_array().unwrap())
    {
        let message = mistake["message"].as_str().unwrap();
        assert!(message.contains(part), "{path}: {message}");
    }
}

#[tokio::test]
async fn bad_documents_are_refused_with_paths_and_change_nothing() {
    let api = Api::new().await;
    for (pointer, value, expected) in bad_documents() {
        let mut document = api.document("fabrikam");
        put(&mut document, pointer, value);
        let answer = api.post("/v1/connections", &document).await;
        assert_mistakes(&answer, expected);
        assert_eq!(api.get("/v1/connections/fabrikam").await.problem(), "not_found");
    }
    let made = api.post("/v1/connections", &api.document("fabrikam")).await.ok();
    for (pointer, value, expected) in bad_documents() {
        let mut document = api.document("fabrikam");
        put(&mut document, pointer, value);
        assert_mistakes(&api.save("fabrikam", &made.etag(), &document).await, expected);
    }
    assert_eq!(api.get("/v1/connections/fabrikam").await.json["status"]["revision"], 1);
    assert!(api.world.halo.writes().is_empty(), "nothing is ever made in Halo by a check");
}

#[tokio::test]
async fn what_entra_does_not_have_is_refused_once_it_can_be_asked() {
    // C7
    let api = Api::new().await;
    api.authorise("fabrikam").await;
    let before = api.get("/v1/connections/fabrikam").await;
    for (pointer, value, expected) in bad_for_entra() {
        let mut document = api.document("fabrikam");
        put(&mut document, pointer, value);
        assert_mistakes(&api.save("fabrikam", &before.etag(), &document).await, expected);
    }
    assert_eq!(api.get("/v1/connections/fabrikam").await.json, before.json);
}

#[tokio::test]
async fn what_is_saved_is_pinned_and_can_be_sent_back() {
    // P3, F4
    let api = Api::new().await;
    api.authorise("fabrikam").await;
    let shown = api.get("/v1/connections/fabrikam").await.ok();
    let id = api.world.entra.groups_named("All Sales").remove(0);
    assert_eq!(shown.json["mappings"][0]["group"]["id"], id);
    assert_eq!(shown.json["field_mappings"]["users"][10]["custom_field_id"], 123);
    let saved = api.save("fabrikam", &shown.etag(), &shown.json).await.ok();
    assert_eq!(saved.json["status"]["revision"], 2);
    assert_eq!(saved.json["mappings"], shown.json["mappings"]);

    // A file without pinned ids keeps following a group that was renamed since.
    api.world.entra.rename_group(&id, "Everybody who sells");
    let again = api.save("fabrikam", &saved.etag(), &api.document("fabrikam")).await.ok();
    assert_eq!(again.json["mappings"][0]["group"]["id"], id);
    let warnings = again.json["status"]["warnings"].to_string();
    assert!(warnings.contains("Everybody who sells"), "{warnings}");

    // Deleted and made anew under its name, it is found by the name.
    api.world.entra.delete_group(&id, sandbox::graph::Deletion::Hard);
    let new = api.world.entra.add_group(json!({ "displayName": "All Sales" }));
    let again = api.save("fabrikam", &again.etag(), &api.document("fabrikam")).await.ok();
    assert_eq!(again.json["mappings"][0]["group"]["id"], new);
}

#[tokio::test]
async fn an_update_names_the_revision_that_it_read() {
    // C10
    let api = Api::new().await;
    let mut document = api.document("fabrikam");
    let first = api.post("/v1/connections", &document).await.ok();
    assert_eq!(first.status, 201);
    assert_eq!(first.headers["location"], "/v1/connections/fabrikam");
    assert_eq!(api.post("/v1/connections", &document).await.problem(), "exists");

    let path = "/v1/connections/fabrikam";
    assert_eq!(api.send("PUT", path, Some(&document)).await.problem(), "revision_required");
    document["enabled"] = json!(false);
    let second = api.save("fabrikam", &first.etag(), &document).await.ok();
    assert_ne!(second.etag(), first.etag());
    let stale = api.save("fabrikam", &first.etag(), &document).await;
    assert_eq!((stale.status.as_u16(), stale.problem()), (412, "stale_revision"));
    assert_eq!(stale.json["revision"], 2);
    assert_eq!(api.save("fabrikam", "\"rubbish\"", &document).await.status, 412);
    assert_eq!(api.save("unknown", &first.etag(), &document).await.status, 412);
    api.save("fabrikam", "*", &document).await.ok();

    let other = api.save("contoso", "*", &document).await;
    assert_eq!(other.paths(), ["$.id"], "the address and the document name the same connection");
    // A document that nobody saved yet needs no revision.
    let new = api.send("PUT", "/v1/connections/northwind", Some(&api.document("northwind"))).await;
    assert_eq!(new.status, 201);
}

#[tokio::test]
async fn who_changed_what_is_kept() {
    // C10
    let api = Api::new().await;
    let mut document = api.document("fabrikam");
    let first = api.post("/v1/connections", &document).await.ok();
    document["name"] = json!("Renamed");
    api.save("fabrikam", &first.etag(), &document).await.ok();
    let id: ConnectionId = "fabrikam".parse().unwrap();
    let range = Range {
        prefix: "audit#".to_owned(),
        order: Order::Descending,
        ..Range::of(keys::own(&id), 10)
    };
    let page = api.world.engine.store.query(&range).await.unwrap();
    let audit: Vec<Value> =
        page.records.iter().map(|record| serde_json::from_str(&record.body).unwrap()).collect();
    assert_eq!(audit.len(), 2);
    assert_eq!(audit[0]["what"], "changed");
    assert_eq!(audit[0]["who"], "administrator token");
    assert_eq!(audit[0]["before"]["name"], "The fabrikam");
    assert_eq!(audit[0]["after"]["name"], "Renamed");
    assert_eq!(audit[1]["what"], "created");
}

#[tokio::test]
async fn names_are_unique_and_become_free_again() {
    // C1
    let api = Api::new().await;
    let named = |id: &str, name: &str| {
        let mut document = api.document(id);
        document["name"] = json!(name);
        document
    };
    let first = api.post("/v1/connections", &named("one", "Fabrikam")).await.ok();
    let second = api.post("/v1/connections", &named("two", " FABRIKAM ")).await;
    assert_mistakes(&second, &[("$.name", "\"one\" has this name")]);
    let second = api.post("/v1/connections", &named("two", "Second")).await.ok();
    let taken = api.save("two", &second.etag(), &named("two", "fabrikam")).await;
    assert_mistakes(&taken, &[("$.name", "\"one\" has this name")]);
    let renamed = api.save("one", &first.etag(), &named("one", "First")).await.ok();
    api.save("two", &second.etag(), &named("two", "fabrikam")).await.ok();
    let back = api.save("one", &renamed.etag(), &named("one", "Fabrikam")).await;
    assert_mistakes(&back, &[("$.name", "\"two\" has this name")]);
    assert_eq!(api.send("DELETE", "/v1/connections/two", None).await.status, 204);
    api.save("one", &renamed.etag(), &named("one", "Fabrikam")).await.ok();
}

#[tokio::test]
async fn connections_are_listed_page_by_page() {
    let api = Api::new().await;
    for id in ["one", "two", "three"] {
        api.post("/v1/connections", &api.document(id)).await.ok();
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/connections?limit=2".to_owned());
    loop {
        let page = api.get(&path).await.ok().json;
        let list = page["connections"].as_array().unwrap();
        assert!(list.len() <= 2);
        seen.extend(list.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/connections?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["contoso", "one", "three", "two"]);
}

#[tokio::test]
async fn nothing_is_saved_while_halo_or_entra_cannot_be_asked() {
    let api = Api::new().await;
    let document = api.document("fabrikam");
    let down = HaloFault::Status { code: 503, body: "maintenance".to_owned() };
    api.world.halo.fail_next("/api/Site", "GET", 1, down);
    let answer = api.post("/v1/connections", &document).await;
    assert_eq!(answer.problem(), "service_unavailable", "{}", answer.text);
    assert!(answer.json["detail"].as_str().unwrap().contains("Halo"));
    assert_eq!(api.get("/v1/connections/fabrikam").await.problem(), "not_found");

    api.authorise("fabrikam").await;
    let before = api.get("/v1/connections/fabrikam").await;
    api.world.entra.fail_next("/v1.0/", 4, Fault::Unavailable { retry_after: None });
    let answer = api.save("fabrikam", &before.etag(), &document).await;
    assert_eq!(answer.problem(), "service_unavailable", "{}", answer.text);
    assert!(answer.json["detail"].as_str().unwrap().contains("Graph"));
    assert_eq!(api.get("/v1/connections/fabrikam").await.etag(), before.etag());
}

#[tokio::test]
async fn a_removed_connection_leaves_nothing_behind() {
    // C1
    let api = Api::new().await;
    api.world.sync().await;
    let id = api.world.id.clone();
    assert!(api.world.people().await.len() > 200);
    let run = api.world.last_run().await.run;
    assert_eq!(api.send("DELETE", "/v1/connections/contoso", None).await.status, 204);
    assert_eq!(api.get("/v1/connections/contoso").await.problem(), "not_found");
    assert_eq!(api.get(&format!("/v1/runs/{run}")).await.problem(), "not_found");
    assert!(api.world.people().await.is_empty());
    let name = engine::secrets::SecretName::credentials(&id);
    assert!(api.world.engine.secrets.get(&name).await.unwrap().is_none());
    for partition in [keys::names(&id), keys::managers(&id), keys::claims(&id)] {
        let page = api.world.engine.store.query(&Range::of(partition, 10)).await.unwrap();
        assert!(page.records.is_empty(), "{page:?}");
    }
    let made = api.post("/v1/connections", &api.document("contoso")).await.ok();
    assert_eq!(made.json["status"]["authorisation"]["state"], "unauthorised");
}

#[tokio::test]
async fn a_document_is_checked_without_being_saved() {
    // C10, P6, P3
    let api = Api::new().await;
    api.authorise("fabrikam").await;
    let revision = |json: &Value| json["status"]["revision"].clone();
    let before = api.get("/v1/connections/fabrikam").await.ok().json;
    let check = async |id: &str, document: &Value| {
        let answer = api.post(&format!("/v1/connections/{id}/check"), document).await.ok().json;
        let paths = |key: &str| -> Vec<String> {
            let list = answer[key].as_array().unwrap().iter();
            list.map(|one| one["path"].as_str().unwrap().to_owned()).collect()
        };
        (answer["revision"].clone(), paths("mistakes"), paths("warnings"))
    };
    let good = api.document("fabrikam");
    assert_eq!(check("fabrikam", &good).await, (revision(&before), vec![], vec![]));

    let mut bad = good.clone();
    bad["mappings"][0]["target"] = json!({ "type": "site", "site_id": 4711 });
    let mistakes = check("fabrikam", &bad).await.1;
    assert_eq!(mistakes, ["$.mappings[0].target.site_id"], "Halo is asked");
    bad["mappings"][0]["group"] = json!({ "name": "Nobody has heard of it" });
    let (_, mistakes, warnings) = check("fabrikam", &bad).await;
    let told = [mistakes, warnings].concat();
    assert!(told.iter().any(|path| path.contains("mappings[0].group")), "Entra is asked: {told:?}");
    bad["colour"] = json!("red");
    assert_eq!(check("fabrikam", &bad).await.1, ["$.colour"], "alone, nobody is asked");
    assert_eq!(check("tailspin", &good).await.1, ["$.id"]);

    let (new, mistakes, _) = check("tailspin", &api.document("tailspin")).await;
    assert_eq!((new, mistakes), (Value::Null, vec![]), "it need not be there yet");
    assert_eq!(api.get("/v1/connections/tailspin").await.problem(), "not_found");
    assert_eq!(api.get("/v1/connections/fabrikam").await.json, before, "nothing was saved");
}
