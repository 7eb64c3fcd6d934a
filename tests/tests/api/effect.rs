//! What a draft would change is told before it is saved (I4, I5).

use serde_json::{Value, json};
use tests::world::Setup;

use crate::small;
use crate::support::{Answer, Api};

async fn ask(api: &Api, document: &Value) -> Answer {
    api.post("/v1/connections/contoso/effect", document).await
}

/// A case: its name, the draft's change, `becomes`.
type Case = (&'static str, fn(&mut Value), Value);

#[tokio::test]
async fn the_effect_of_a_draft_is_what_saving_it_does() {
    // I4, I5
    let cases: [Case; 6] = [
        ("nothing", |_| {}, json!({})),
        ("another name of the mapping", |it| it["mappings"][1]["id"] = json!("all"), json!({})),
        (
            "another site",
            |it| it["mappings"][1]["target"]["site_id"] = json!(18),
            json!({ "update": 7 }),
        ),
        (
            "a field less",
            |it| drop(it["field_mappings"]["users"].as_array_mut().unwrap().remove(2)),
            json!({}),
        ),
        (
            "other values",
            |it| it["field_mappings"]["users"][2]["transforms"] = json!(["upper"]),
            json!({ "update": 5 }),
        ),
        (
            "fewer people",
            |it| {
                it["mappings"][1]["conditions"][0] =
                    json!({ "field": "department", "op": "equals", "value": "Sales" })
            },
            json!({ "deactivate": 2 }),
        ),
    ];
    for (name, change, becomes) in cases {
        let mut setup = small::setup();
        // Everybody is made, so that the numbers are plain.
        setup.edit = |document| {
            (small::setup().edit)(document);
            document["guard"] = json!({});
            let login = json!({ "entra": "userPrincipalName", "halo": "login" });
            document["matching"] = json!({ "users": [login], "agents": [] });
        };
        let api = Api::with(setup).await;
        api.world.sync().await;
        let shown = api.get("/v1/connections/contoso").await;
        let mut draft = shown.json.clone();
        change(&mut draft);
        let (halo, graph) = (api.world.halo_served.log.count(), api.world.graph_served.log.count());
        let before = api.world.people().await;
        let effect = ask(&api, &draft).await.ok().json;
        assert_eq!((&effect["people"], &effect["complete"]), (&json!(7), &json!(true)), "{name}");
        assert_eq!(effect["needs_full_read"], false, "{name}: {effect}");
        let asked = (api.world.halo_served.log.count(), api.world.graph_served.log.count());
        assert_eq!(asked, (halo, graph), "{name}: nobody is asked");
        assert_eq!(api.world.people().await, before, "{name}: nothing is written");

        assert_eq!(effect["becomes"], becomes, "{name}");

        let saved = api.save("contoso", &shown.etag(), &draft).await.ok().json;
        let Some(run) = saved["status"]["queued"].as_str() else {
            assert_eq!(effect["affected"], 0, "{name}");
            continue;
        };
        api.world.quiet().await;
        let run = api.get(&format!("/v1/runs/{run}")).await.ok().json;
        let counts = &run["counts"];
        let done = [counts["updated"].clone(), counts["deactivated"].clone()];
        let told = ["update", "deactivate"].map(|it| json!(becomes[it].as_u64().unwrap_or(0)));
        assert_eq!(told, done, "{name}: {run}");
    }
}

#[tokio::test]
async fn a_draft_tells_of_the_guard_and_of_what_was_never_read() {
    // L4, P3, I5
    let api = Api::with(small::setup()).await;
    api.world.sync().await;
    let today = api.get("/v1/connections/contoso").await.ok().json;
    let mut draft = today.clone();
    draft["mappings"] = json!([]);
    let effect = ask(&api, &draft).await.ok().json;
    assert_eq!(effect["held_by_guard"], json!({ "user": true, "agent": true }), "{effect}");
    let examples = effect["examples"].as_array().unwrap();
    assert!(!examples.is_empty() && examples.len() <= 10);
    let gone = examples.iter().find(|it| it["after"]["decision"] == "deactivate").unwrap();
    assert_eq!(gone["before"]["decision"], "unchanged");
    assert!(gone["after"]["sentences"][0].as_str().unwrap().ends_with('.'), "{gone}");

    let mut draft = today.clone();
    draft["mappings"][1]["group"] = json!({ "name": "Nobody knows" });
    draft["mappings"][1]["conditions"][0]["field"] = json!("city");
    let effect = ask(&api, &draft).await.ok().json;
    assert_eq!(effect["needs_full_read"], true);
    assert_eq!(effect["new_properties"], json!(["city"]));
    assert_eq!(effect["unknown_groups"], json!(["Nobody knows"]));
    assert_eq!(effect["becomes"].get("deactivate"), None, "nobody is judged by it: {effect}");

    let mut draft = today.clone();
    draft["field_mappings"]["users"][2]["to"] = json!("customfield:CFNobody");
    let warnings = ask(&api, &draft).await.ok().json["warnings"].clone();
    assert_eq!(warnings[0]["path"], "$.field_mappings.users[2].to");
}

#[tokio::test]
async fn a_bad_draft_is_refused_with_every_mistake() {
    // I4
    let api = Api::new().await;
    let mut draft = api.document("contoso");
    draft["colour"] = json!("red");
    draft["tenant_id"] = json!("contoso.example");
    let refused = ask(&api, &draft).await;
    assert_eq!(refused.problem(), "invalid_document");
    assert_eq!(refused.paths(), ["$.tenant_id", "$.colour"]);
    let saved = api.save("contoso", "*", &draft).await;
    assert_eq!(saved.json, refused.json, "as saving says it");
    assert_eq!(ask(&api, &api.document("fabrikam")).await.paths(), ["$.id"]);
    let unknown = api.post("/v1/connections/unknown/effect", &draft).await;
    assert_eq!(unknown.problem(), "not_found");
}

#[tokio::test]
async fn before_the_first_read_nobody_would_change() {
    // I4
    let api = Api::with(Setup::default()).await;
    let effect = ask(&api, &api.document("contoso")).await.ok().json;
    assert_eq!((&effect["people"], &effect["affected"]), (&json!(0), &json!(0)));
    assert_eq!(effect["needs_full_read"], true);
}

/// How long it takes: `cargo test -p tests --test api --release -- --ignored --nocapture many_people`.
#[tokio::test]
#[ignore = "a figure, and no test"]
async fn the_effect_on_many_people_is_told_in_time() {
    use std::time::Instant;
    const PEOPLE: usize = 20_000;
    let entra = sandbox::sample::large(PEOPLE, 5);
    let api = Api::with(Setup { entra, ..Setup::default() }).await;
    api.world.sync().await;
    let mut draft = api.get("/v1/connections/contoso").await.json;
    draft["field_mappings"]["users"][5]["transforms"] = json!(["upper"]);
    let start = Instant::now();
    let effect = ask(&api, &draft).await.ok().json;
    let operations = api.world.engine.store.operations();
    println!("{} people, {} affected: {:?}", effect["people"], effect["affected"], start.elapsed());
    ask(&api, &draft).await.ok();
    println!("{} store operations", api.world.engine.store.operations() - operations);
}
