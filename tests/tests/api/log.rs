//! The inbound log, people and explanations (B1–B3, C1).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::Api;

async fn entries(api: &Api, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for _ in 0..1000 {
        let page = api.get(&format!("/v1/inbound?{query}{cursor}")).await.ok().json;
        all.extend(page["entries"].as_array().unwrap().iter().cloned());
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
    panic!("the log has no end");
}

/// A world after its first import, and a later run in which one person moved.
async fn imported() -> Api {
    let api = Api::new().await;
    api.world.sync().await;
    let upn = somebody(&api).await;
    api.world.entra.update_user(&upn, json!({ "jobTitle": "Astronaut" }));
    api.world.sync().await;
    api
}

/// Somebody who was created by the first import.
async fn somebody(api: &Api) -> String {
    let log = api.world.log().await;
    let made = log.iter().filter(|entry| entry.decision.name() == "create");
    made.map(|entry| entry.person.user_principal_name.clone()).min().unwrap()
}

#[tokio::test]
async fn the_log_is_paged_and_filtered() {
    // B2
    let api = imported().await;
    let whole: Vec<String> =
        api.world.log().await.iter().map(|entry| entry.id.to_string()).collect();
    let ids = |entries: &[Value]| -> Vec<String> {
        entries.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    for limit in [1, 7, 50, 200] {
        if limit == 1 && whole.len() > 900 {
            continue;
        }
        let all = entries(&api, &format!("connection=contoso&limit={limit}")).await;
        assert_eq!(ids(&all), whole, "limit {limit}");
    }
    assert_eq!(ids(&entries(&api, "limit=200").await), whole, "all connections");

    let every = entries(&api, "limit=200").await;
    for (key, path) in [
        ("decision", "/decision"),
        ("outcome", "/outcome"),
        ("mapping", "/mapping"),
        ("run", "/run"),
    ] {
        let values: BTreeSet<&str> =
            every.iter().filter_map(|it| it.pointer(path)?.as_str()).collect();
        assert!(!values.is_empty(), "{key}");
        for value in values {
            let expected: Vec<Value> = every
                .iter()
                .filter(|it| it.pointer(path).and_then(Value::as_str) == Some(value))
                .cloned()
                .collect();
            let found = entries(&api, &format!("{key}={value}&limit=40")).await;
            assert_eq!(ids(&found), ids(&expected), "{key}={value}");
        }
    }
    let both = entries(&api, "decision=create&mapping=sales").await;
    assert!(!both.is_empty());
    assert!(both.iter().all(|it| it["decision"] == "create" && it["mapping"] == "sales"));
    assert!(entries(&api, "connection=contoso&decision=held").await.is_empty());
}

#[tokio::test]
async fn the_log_is_cut_at_times() {
    // B2
    let api = imported().await;
    let every = entries(&api, "limit=200").await;
    let newest = every[0]["time"].as_str().unwrap().to_owned();
    let last_run = every.iter().filter(|it| it["time"] == newest.as_str()).count();
    assert!(last_run > 0 && last_run < every.len());
    assert_eq!(entries(&api, &format!("from={newest}")).await.len(), last_run);
    assert_eq!(
        entries(&api, &format!("to={newest}&limit=200")).await.len(),
        every.len() - last_run
    );
    assert!(entries(&api, &format!("from={newest}&to={newest}")).await.is_empty());
}

#[tokio::test]
async fn people_are_found_by_id_name_and_beginning_of_a_name() {
    // B2
    let api = imported().await;
    let upn = somebody(&api).await;
    let mine = entries(&api, &format!("person={upn}")).await;
    assert_eq!(mine.len(), 2, "made, and changed");
    assert_eq!(mine[0]["decision"], "update");
    let title = mine[0]["changes"].as_array().unwrap();
    assert!(title.iter().any(|it| it["field"] == "title" && it["after"] == "Astronaut"));
    let id = mine[0]["person"]["id"].as_str().unwrap();
    assert_eq!(entries(&api, &format!("person={id}")).await, mine);
    assert_eq!(entries(&api, &format!("person={}", upn.to_uppercase())).await, mine);
    let start: String = upn.chars().take(3).collect();
    let several = entries(&api, &format!("person={start}&limit=200")).await;
    assert!(several.len() >= 2 && mine.iter().all(|entry| several.contains(entry)));
    // A beginning that fits a great many.
    let many = entries(&api, "person=a&limit=200").await;
    assert!(many.len() > 20);
    assert!(entries(&api, "person=nobody-is-called-this").await.is_empty());
}

#[tokio::test]
async fn wrong_queries_are_refused() {
    let api = imported().await;
    for query in [
        "outcome=good",
        "decision=unchanged",
        "mapping=Not%20An%20Id",
        "run=7",
        "from=yesterday",
        "limit=0",
        "limit=201",
        "colour=red",
    ] {
        let answer = api.get(&format!("/v1/inbound?{query}")).await;
        assert_eq!(answer.problem(), "invalid_request", "{query}: {}", answer.text);
        let name = query.split('=').next().unwrap();
        assert_eq!(answer.paths(), [format!("?{name}")], "{query}");
    }
    assert_eq!(api.get("/v1/inbound?connection=unknown").await.problem(), "not_found");
    let page = api.get("/v1/inbound?limit=1&decision=create").await.ok().json;
    let cursor = page["cursor"].as_str().unwrap();
    let other = api.get(&format!("/v1/inbound?limit=1&cursor={cursor}")).await;
    assert_eq!(other.problem(), "invalid_cursor", "of another query");
}

#[tokio::test]
async fn a_person_is_explained() {
    // B3
    let api = imported().await;
    let upn = somebody(&api).await;
    let requests = api.world.halo_served.log.count();
    let path = format!("/v1/connections/contoso/people/{upn}");
    let person = api.get(&path).await.ok().json;
    assert_eq!(person["person"]["user_principal_name"], upn);
    assert_eq!(person["facts"]["properties"]["jobTitle"], "Astronaut");
    assert_eq!(person["link"]["user"]["how"]["by"], "created");
    let explained = api.get(&format!("{path}/explain")).await.ok().json;
    assert_eq!(explained["decision"]["decision"], "unchanged");
    let tried = explained["decision"]["tried"].as_array().unwrap();
    let matched = tried.iter().filter(|it| it["matched"] == true).count();
    assert_eq!((matched, tried.last().unwrap()["mapping"].as_str()), (1, Some("helpdesk")));
    assert!(tried.iter().all(|it| !it["sentence"].as_str().unwrap().is_empty()));
    let reasons = explained["decision"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().all(|it| it["sentence"].as_str().unwrap().ends_with('.')));
    assert_eq!(explained["log"].as_array().unwrap().len(), 2);
    let id = person["person"]["id"].as_str().unwrap();
    let by_id = api.get(&format!("/v1/connections/contoso/people/{id}/explain")).await.ok().json;
    assert_eq!(by_id, explained);

    // Somebody who was never imported.
    let guest = api.world.log().await.into_iter().find(|entry| {
        entry.decision.name() == "not_in_scope"
            && entry.person.user_principal_name.contains("#EXT#")
    });
    let guest = guest.unwrap().person.id;
    let why = api.get(&format!("/v1/connections/contoso/people/{guest}/explain")).await.ok().json;
    assert_eq!(why["decision"]["decision"], "not_in_scope");
    assert_eq!(why["decision"]["tried"].as_array().unwrap().len(), 4, "every mapping");
    assert_eq!(why["link"], Value::Null);
    assert_eq!(api.world.halo_served.log.count(), requests, "Halo is not asked");
}

#[tokio::test]
async fn an_explanation_before_the_import_says_what_would_happen() {
    // B3
    let api = imported().await;
    let new = api.world.entra.add_user(json!({
        "displayName": "Grace Hopper", "surname": "Hopper", "accountEnabled": true,
        "userPrincipalName": "grace@contoso.example", "mail": "grace@contoso.example",
        "officeLocation": "Moon Base"
    }));
    let path = "/v1/connections/contoso/people/grace@contoso.example/explain";
    assert_eq!(api.get(path).await.problem(), "not_found", "nobody has read her yet");
    // Read, and held back before anything is written.
    let asked = api.post("/v1/connections/contoso/imports", &json!({})).await.ok();
    assert!(asked.json["run"].is_string());
    let deadline =
        engine::clock::Deadline(api.world.engine.clock.now() + jiff::SignedDuration::from_secs(45));
    let fetch = plan::message::Message::Fetch { connection: api.world.id.clone() };
    api.world.engine.step(&fetch, deadline).await.unwrap();
    let why = api.get(path).await.ok().json;
    assert_eq!(why["person"]["id"], new);
    assert_eq!(why["decision"]["decision"], "create", "{why}");
    assert!(why.to_string().contains("The site \\\"Moon Base\\\" does not exist yet"), "{why}");
    let site = why["decision"]["changes"].as_array().unwrap();
    assert!(site.iter().any(|it| it["field"] == "site_id" && it["after"] == "Moon Base"), "{why}");
    assert_eq!(why["log"], json!([]));
}

#[tokio::test]
async fn connections_do_not_see_each_other() {
    // C1
    let api = imported().await;
    api.authorise("fabrikam").await;
    let run = api.world.last_run().await.run;
    let upn = somebody(&api).await;
    assert!(entries(&api, "connection=fabrikam").await.is_empty());
    assert!(entries(&api, &format!("connection=fabrikam&run={run}")).await.is_empty());
    assert!(entries(&api, &format!("connection=fabrikam&person={upn}")).await.is_empty());
    let person = api.get(&format!("/v1/connections/fabrikam/people/{upn}")).await;
    assert_eq!(person.problem(), "not_found");
    let runs = api.get("/v1/connections/fabrikam/runs").await.ok().json;
    assert_eq!(runs["runs"], json!([]));
    let contoso = api.get("/v1/connections/contoso/runs?limit=1").await.ok().json;
    let cursor = contoso["cursor"].as_str().unwrap();
    let other = api.get(&format!("/v1/connections/fabrikam/runs?limit=1&cursor={cursor}")).await;
    assert_eq!(other.problem(), "invalid_cursor");
    // Removing one takes nothing from the other.
    assert_eq!(api.send("DELETE", "/v1/connections/fabrikam", None).await.status, 204);
    assert!(!entries(&api, "connection=contoso").await.is_empty());
    assert_eq!(api.world.sync().await.error, None);
}
