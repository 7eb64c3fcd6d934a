//! Exports of the inbound log, and how long it is kept (B4).

use std::collections::BTreeSet;

use engine::inbound::{COLUMNS, Format, Query, Sight};
use engine::store::log::{self, Entry};
use engine::store::people::Parked;
use engine::store::{Expect, keys, put};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::world::World;

use crate::access::{LATER, behind_gateway, claims, through_gateway};
use crate::support::{Answer, Api};

/// All portions of an export, as a program follows them.
async fn portions(api: &Api, query: &str) -> Vec<Answer> {
    let mut all = Vec::new();
    let mut next = format!("/v1/inbound/export?{query}");
    for _ in 0..100 {
        let portion = api.get(&next).await.ok();
        let link = portion.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        all.push(portion);
        let Some(link) = link else { return all };
        let relative = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        next = format!("/v1/inbound/export{relative}");
    }
    panic!("the export has no end");
}

fn lines(portions: &[Answer]) -> Vec<Value> {
    let text = portions.iter().flat_map(|it| it.text.lines());
    text.map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn listed(api: &Api, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/v1/inbound?limit=200&{query}{cursor}")).await.ok().json;
        all.extend(page["entries"].as_array().unwrap().iter().cloned());
        let Some(next) = page["cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn an_export_is_the_log_by_the_same_filters() {
    // B4, B2
    let api = Api::new().await;
    api.world.sync().await;
    for query in ["", "connection=contoso", "decision=create&mapping=sales", "outcome=waiting"] {
        let exported = portions(&api, query).await;
        assert_eq!(exported[0].headers["content-type"], "application/x-ndjson");
        assert_eq!(lines(&exported), listed(&api, query).await, "{query}");
    }
    let csv = portions(&api, "format=csv&decision=create").await;
    assert_eq!(csv[0].headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv[0].text.starts_with(&format!("{}\r\n", COLUMNS.join(","))));
    let rows = csv[0].text.matches(",create,done,").count();
    assert_eq!(rows, listed(&api, "decision=create").await.len());
    assert!(csv[0].text.contains(",Zoë") || csv[0].text.contains("O'Brien"));
    for (query, path) in
        [("format=xml", "?format"), ("limit=5", "?limit"), ("colour=red", "?colour")]
    {
        let refused = api.get(&format!("/v1/inbound/export?{query}")).await;
        assert_eq!((refused.problem(), refused.paths()), ("invalid_request", vec![path]));
    }
    let unknown = api.get("/v1/inbound/export?connection=unknown").await;
    assert_eq!(unknown.problem(), "not_found");
    let cursor = api.get("/v1/inbound/export?cursor=abc").await;
    assert_eq!(cursor.problem(), "invalid_cursor");
}

/// Writes `count` more entries like one that is there.
async fn multiply(world: &World, count: usize) {
    let like: Entry =
        world.log().await.into_iter().find(|it| it.decision.name() == "create").unwrap();
    let expires = world.engine.clock.now() + SignedDuration::from_hours(90 * 24);
    let more = (0..count).flat_map(|_| {
        let id = world.engine.random.sortable(world.engine.clock.now());
        log::writes(&world.id, &[Entry { id, ..like.clone() }], expires).unwrap()
    });
    world.put_raw(&more.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_long_log_comes_in_portions_that_fit() {
    // B4
    let api = Api::with(crate::small::setup()).await;
    api.world.sync().await;
    multiply(&api.world, 2_200).await;
    let whole = api.world.log().await.len();
    let exported = portions(&api, "connection=contoso").await;
    assert_eq!(exported.len(), 2);
    assert!(exported.iter().all(|it| it.text.len() < 4_000_000));
    let ids: BTreeSet<String> = lines(&exported).iter().map(|it| it["id"].to_string()).collect();
    assert_eq!((ids.len(), lines(&exported).len()), (whole, whole), "each once");
    let csv = portions(&api, "connection=contoso&format=csv").await;
    let text: String = csv.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(text.matches("person_id").count(), 1, "one row of names in all portions");
    assert_eq!(text.lines().count(), whole + 1);
    println!("{whole} entries in {} and {} portions", exported.len(), csv.len());
}

#[tokio::test]
async fn readers_export_no_personal_values() {
    // B4
    let api = Api::new().await;
    api.world.sync().await;
    let query = Query { limit: 1, ..Query::default() };
    let export = async |format: Format, sight: Sight| {
        let portion = api.world.engine.export(&query, format, sight).await.unwrap().unwrap();
        String::from_utf8(portion.text).unwrap()
    };
    let people: Vec<String> = api
        .world
        .log()
        .await
        .into_iter()
        .filter_map(|it| api.world.entra.user(&it.person.id.to_string()))
        .filter_map(|user| user["jobTitle"].as_str().map(str::to_owned))
        .filter(|title| title.len() > 8)
        .collect();
    assert!(people.len() > 50);
    for format in [Format::Ndjson, Format::Csv] {
        let (full, masked) =
            (export(format, Sight::Full).await, export(format, Sight::Masked).await);
        assert!(people.iter().all(|title| full.contains(title.as_str())));
        let seen: Vec<&String> = people.iter().filter(|it| masked.contains(it.as_str())).collect();
        assert!(seen.is_empty(), "{seen:?}");
        assert!(masked.contains("•••"));
    }
}

#[tokio::test]
async fn what_a_service_says_of_a_record_is_masked_where_it_quotes_values() {
    // B4
    let api = Api::new().await;
    api.world.sync().await;
    let mut entry =
        api.world.log().await.into_iter().find(|it| it.decision.name() == "create").unwrap();
    let shown = json!(entry.shown(Sight::Full));
    let changes = shown["changes"].as_array().unwrap();
    let mail = changes.iter().find(|it| it["field"] == "emailaddress").unwrap()["after"].clone();
    let mail = mail.as_str().unwrap();
    entry.error = Some(format!("Halo refused it (HTTP 400): the address {mail} is in use"));
    let masked = json!(entry.shown(Sight::Masked))["error"].clone();
    assert_eq!(masked, "Halo refused it (HTTP 400): the address ••• is in use");
    assert!(json!(entry.shown(Sight::Full))["error"].as_str().unwrap().contains(mail));

    // The same of somebody who is set aside because of it.
    let id = entry.person.id;
    let mut person = api.world.people().await[&id].value.clone();
    let sentence = format!("Halo refused it: the address {mail} is in use");
    person.parked = Some(Parked { attempts: 3, sentence: sentence.clone(), until: None });
    let write = put(keys::person(&api.world.id, id), &person, Expect::Anything).unwrap();
    api.world.put_raw(&[write]).await;
    let router = behind_gateway(&api.world);
    let path = format!("/v1/connections/contoso/people/{id}");
    for (role, expected) in [
        ("[administrator]", sentence.as_str()),
        ("[reader]", "Halo refused it: the address ••• is in use"),
    ] {
        let (_, shown) = through_gateway(&router, "GET", &path, &claims(role, LATER)).await;
        assert_eq!(shown["parked"]["sentence"], expected, "{role}");
    }
}

#[tokio::test]
async fn entries_age_out_and_are_shown_and_counted_nowhere() {
    // B4
    let api = Api::with(crate::small::setup()).await;
    api.world.sync().await;
    let old = listed(&api, "").await;
    let of = format!("/v1/connections/contoso/people/{}", crate::small::upn(1));
    assert!(old.len() >= 7);
    api.world.pass(SignedDuration::from_hours(90 * 24 - 1));
    assert_eq!(listed(&api, "").await, old, "the last hour");
    // Nothing has removed them; they count for nothing all the same.
    api.world.pass(SignedDuration::from_hours(2));
    for query in ["", "connection=contoso", "decision=create", "outcome=done", "mapping=everybody"]
    {
        assert_eq!(listed(&api, query).await, Vec::<Value>::new(), "{query}");
        assert_eq!(lines(&portions(&api, query).await), Vec::<Value>::new(), "{query}");
    }
    let csv = portions(&api, "format=csv").await;
    assert_eq!(csv[0].text.lines().count(), 1);
    let why = api.get(&format!("{of}/explain")).await.ok().json;
    assert_eq!((&why["log"], &why["decision"]["decision"]), (&json!([]), &json!("unchanged")));
}
