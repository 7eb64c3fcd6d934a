//! Previews: what they show, and that an import right after one does it (I1, I4, I6).

use std::collections::{BTreeMap, BTreeSet};

use engine::clock::Deadline;
use engine::connections::{PreviewState, Wanted};
use engine::store::log::{Entry, OutcomeKind};
use jiff::SignedDuration;
use plan::ids::{PreviewId, RunId};
use plan::reading::Read;
use plan::tally::{Run, RunState};
use sandbox::server::Moment;
use serde_json::{Value, json};
use tests::world::{Setup, World};

use crate::access::{LATER, behind_gateway, claims, through_gateway};
use crate::small::{self, GUS, oid};
use crate::support::Api;

pub(crate) const PREVIEW: &str = "/v1/connections/contoso/preview";
pub(crate) const IMPORTS: &str = "/v1/connections/contoso/imports";

/// Asks for a preview and waits for its end.
pub(crate) async fn previewed(api: &Api, body: &Value) -> Value {
    let asked = api.post(PREVIEW, body).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let id = asked.json["preview"].as_str().unwrap();
    assert_eq!(asked.headers["location"], format!("/v1/previews/{id}"));
    api.world.quiet().await;
    let preview = shown(api, id).await;
    assert_eq!(preview["state"], "complete", "{preview}");
    preview
}

pub(crate) async fn shown(api: &Api, preview: &str) -> Value {
    api.get(&format!("/v1/previews/{preview}")).await.ok().json
}

/// All people of a preview that a filter lets through, page by page.
pub(crate) async fn people(api: &Api, preview: &Value, filter: &str) -> Vec<Value> {
    let preview = preview["preview"].as_str().unwrap();
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/previews/{preview}/people?limit=3&{filter}{cursor}");
        let page = api.get(&path).await.ok().json;
        let found = page["people"].as_array().unwrap();
        assert!(found.len() <= 3);
        all.extend(found.iter().cloned());
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

pub(crate) fn name(person: &Value) -> String {
    person["person"]["display_name"].as_str().unwrap().to_owned()
}

pub(crate) fn names(people: &[Value]) -> BTreeSet<String> {
    people.iter().map(name).collect()
}

pub(crate) async fn import(api: &Api, body: &Value) -> Run {
    let run = api.post(IMPORTS, body).await.ok().json["run"].clone();
    let run: RunId = run.as_str().unwrap().parse().unwrap();
    api.world.quiet().await;
    api.world.engine.store.run(&api.world.id, run).await.unwrap().unwrap().value.run
}

pub(crate) async fn entries(world: &World, run: &Run) -> BTreeMap<String, Entry> {
    let log = world.log().await.into_iter().filter(|entry| entry.run == run.run);
    log.map(|entry| (entry.person.display_name.clone(), entry)).collect()
}

/// What is shown of a person, and what a log entry says: the number of an agent that is made is known
/// afterwards only.
fn told(person: &Value) -> Value {
    let mut changes = person["changes"].as_array().unwrap().clone();
    changes.retain(|change| change["field"] != "linked_agent_id");
    for change in &mut changes {
        change.as_object_mut().unwrap().remove("before_known");
    }
    json!({ "decision": person["decision"], "mapping": person["mapping"], "changes": changes,
        "tried": person["tried"], "seats": person["seats"] })
}

/// What nobody may change by looking: Halo, and our own people.
async fn everything(world: &World) -> (Vec<String>, usize, Vec<Value>) {
    let people = world.people().await.into_values();
    let links = people.map(|it| json!([it.value.link, it.value.claims, it.value.pending]));
    (world.halo_people(), world.halo.writes().len(), links.collect())
}

/// Compares a preview with the run that carries it out.
async fn is_what_happened(api: &Api, preview: &Value, run: &Run) {
    let totals = &preview["totals"];
    let counts = json!(run.counts);
    for (shown, counted) in [
        ("create", "created"),
        ("update", "updated"),
        ("reactivate", "reactivated"),
        ("deactivate", "deactivated"),
        ("conflict", "conflict"),
        ("held", "held"),
        ("failed", "failed"),
    ] {
        assert_eq!(totals[shown], counts[counted], "{shown}: {preview} {run:#?}");
    }
    assert_eq!(run.counts.moved, 0, "{run:#?}");
    let log = entries(&api.world, run).await;
    let mut seen = 0;
    for person in people(api, preview, "").await {
        let nothing = ["unchanged", "not_in_scope"];
        if nothing.iter().any(|it| person["decision"] == *it) {
            assert!(!log.contains_key(&name(&person)), "{person}");
            continue;
        }
        seen += 1;
        let entry = log.get(&name(&person)).unwrap_or_else(|| panic!("{person}"));
        let entry = json!(entry.shown(engine::inbound::Sight::Full));
        assert_eq!(told(&person), told(&entry), "{}", name(&person));
    }
    assert_eq!(log.len(), seen);
}

#[tokio::test]
async fn an_import_right_after_a_preview_does_exactly_what_it_showed() {
    // I1, I2, M3, F6
    let api = Api::with(small::setup()).await;
    let before = everything(&api.world).await;
    // Nobody was ever read, so that is done first.
    let asked = api.post(PREVIEW, &json!({})).await.ok().json;
    assert_eq!(asked["state"], "reading");
    api.world.quiet().await;
    let preview = shown(&api, asked["preview"].as_str().unwrap()).await;
    assert_eq!((&preview["state"], &preview["people"]), (&json!("complete"), &json!(7)));
    let now = everything(&api.world).await;
    assert_eq!((&now.0, now.1), (&before.0, before.1), "nothing is written to Halo");
    assert_eq!(preview["totals"]["conflict"], 3, "Ben, and Cyd and Dan, who claim one record");
    let groups: Vec<&Value> = preview["mappings"].as_array().unwrap().iter().collect();
    let order: Vec<&Value> = groups.iter().map(|group| &group["mapping"]).collect();
    assert_eq!(order, [&json!("helpdesk"), &json!("everybody"), &Value::Null]);
    let sum: u64 = groups.iter().map(|group| group["people"].as_u64().unwrap()).sum();
    assert_eq!(sum, 7);

    let gus = people(&api, &preview, "decision=update").await;
    let gus = gus.iter().find(|person| name(person) == "Gus").unwrap();
    let change = &gus["changes"].as_array().unwrap().iter().find(|it| it["field"] == "name");
    let change = change.unwrap();
    assert_eq!(change["before"], "Gus (old)", "the record was read");
    assert_eq!(change["before_known"], true);
    assert_eq!(gus["halo"]["user"], GUS);
    assert!(gus["reasons"][0]["sentence"].as_str().unwrap().ends_with('.'));

    let run = import(&api, &json!({ "plan": preview["preview"] })).await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    is_what_happened(&api, &preview, &run).await;
    // Everything is as it should be now, and a second preview says so.
    let again = previewed(&api, &json!({})).await;
    assert_eq!(again["totals"]["unchanged"], 4, "{again}");
    assert_eq!(again["totals"]["create"], 0);
}

#[tokio::test]
async fn the_sample_tenant_is_imported_as_its_preview_showed_it() {
    // I1, P6, H3: sites that are made, records that were not read, boards, managers.
    let api = Api::new().await;
    let preview = previewed(&api, &json!({ "entities": ["users", "agents"] })).await;
    assert!(preview["totals"]["create"].as_u64().unwrap() > 100, "{preview}");
    let all = people(&api, &preview, "").await;
    assert_eq!(all.len(), 250, "{preview}");
    let ids: BTreeSet<&str> = all.iter().map(|it| it["person"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 250, "each once");
    assert!(all.iter().any(|it| it["manager"]["display_name"].is_string()), "F6");
    let site = |it: &Value| it["field"] == "site_id" && it["after"].is_string();
    let sites = |it: &&Value| it["changes"].as_array().unwrap().iter().any(site);
    assert!(all.iter().filter(sites).count() > 0, "a site that is not there is named");
    assert!(api.world.halo.writes().is_empty());
    let run = import(&api, &json!({ "plan": preview["preview"] })).await;
    let moved: Vec<Entry> = entries(&api.world, &run).await.into_values().collect();
    let moved = moved.iter().filter_map(|entry| entry.error.as_ref());
    assert_eq!(run.counts.moved, 0, "{:#?}", moved.collect::<Vec<_>>());
    for (shown, counted) in [("create", run.counts.created), ("update", run.counts.updated)] {
        assert_eq!(preview["totals"][shown], counted, "{run:#?}");
    }
}

#[tokio::test]
async fn people_come_in_pages_by_mapping_and_decision() {
    // I1, I6
    let api = Api::with(small::setup()).await;
    let asked = api.post(PREVIEW, &json!({ "read": "full" })).await.ok().json;
    let id = asked["preview"].as_str().unwrap();
    let mut while_running = Vec::new();
    for _ in 0..1000 {
        let now = shown(&api, id).await;
        if now["state"] == "complete" {
            break;
        }
        if now["state"] == "running" {
            let page = api.get(&format!("/v1/previews/{id}/people?limit=200")).await.ok().json;
            assert_eq!(page["state"], "running");
            while_running.push(names(page["people"].as_array().unwrap()));
        }
        one_step(&api.world).await;
    }
    let some = |names: &BTreeSet<String>| names.contains("Ada") && names.len() < 7;
    assert!(while_running.iter().any(some), "{while_running:?}");
    let preview = shown(&api, id).await;
    let all = people(&api, &preview, "").await;
    assert_eq!((all.len(), names(&all).len()), (7, 7));
    let places: Vec<&Value> = all.iter().map(|it| &it["mapping"]).collect();
    let mut sorted = places.clone();
    let rank = |place: &&Value| ["helpdesk", "everybody"].iter().position(|it| **place == *it);
    sorted.sort_by_key(rank);
    assert_eq!(places, sorted, "grouped by mapping");
    for decision in plan::preview::DECISIONS {
        let found = people(&api, &preview, &format!("decision={decision}")).await;
        let expected = all.iter().filter(|it| it["decision"] == decision).cloned();
        assert_eq!(names(&found), names(&expected.collect::<Vec<_>>()), "{decision}");
        assert_eq!(preview["totals"][decision], found.len(), "{decision}");
    }
    // Who becomes an agent as well is listed under the mapping of the user record.
    let helpdesk = people(&api, &preview, "mapping=helpdesk").await;
    assert_eq!(names(&helpdesk), BTreeSet::from(["Eve".to_owned(), "Fay".to_owned()]));
    let conflicts = people(&api, &preview, "mapping=everybody&decision=conflict").await;
    let expected = ["Ben", "Cyd", "Dan"].map(str::to_owned);
    assert_eq!(names(&conflicts), BTreeSet::from(expected));
    let path = |query: &str| format!("/v1/previews/{id}/people?{query}");
    for (query, path_of_mistake) in
        [("decision=none", "?decision"), ("mapping=none", "?mapping"), ("limit=0", "?limit")]
    {
        let refused = api.get(&path(query)).await;
        assert_eq!(refused.problem(), "invalid_request");
        assert_eq!(refused.paths(), [path_of_mistake]);
    }
    let cursor = api.get(&path("limit=1")).await.ok().json["cursor"].clone();
    let other = path(&format!("decision=create&cursor={}", cursor.as_str().unwrap()));
    assert_eq!(api.get(&other).await.problem(), "invalid_cursor");
}

/// Handles one hint.
async fn one_step(world: &World) {
    let Some(due) = world.queue.next_due() else { return };
    if due > world.clock_now() {
        world.pass(due.duration_since(world.clock_now()));
    }
    let deliveries = world.engine.queue.receive(1, std::time::Duration::ZERO).await.unwrap();
    for one in deliveries {
        let deadline = Deadline(world.clock_now() + SignedDuration::from_secs(45));
        world.engine.step(&one.message.unwrap(), deadline).await.unwrap();
        world.engine.queue.delete(&one.receipt).await.unwrap();
    }
}

#[tokio::test]
async fn a_draft_is_shown_and_carried_out_only_once_it_is_saved() {
    // I4, I2, I5
    let api = Api::with(small::setup()).await;
    api.world.sync().await;
    let saved = api.get("/v1/connections/contoso").await;
    let mut draft = saved.json.clone();
    draft["mappings"][1]["target"]["site_id"] = json!(18);
    let before = everything(&api.world).await;
    let preview = previewed(&api, &json!({ "document": draft })).await;
    assert_eq!(everything(&api.world).await, before, "nothing is written");
    assert_eq!((&preview["rules"], &preview["revision"]), (&json!("draft"), &Value::Null));
    assert_eq!(preview["totals"]["update"], 4, "{preview}");
    let moves = people(&api, &preview, "decision=update").await;
    let site = moves[0]["changes"][0].clone();
    assert_eq!(
        (&site["field"], &site["before"], &site["after"]),
        (&json!("site_id"), &json!(12), &json!(18))
    );
    let plan = json!({ "plan": preview["preview"], "read": "none" });
    let refused = api.post(IMPORTS, &plan).await;
    assert_eq!(refused.problem(), "plan_refused");
    assert!(refused.text.contains("save the document"), "{}", refused.text);
    let now = api.get("/v1/connections/contoso").await;
    assert_eq!(now.json["mappings"], saved.json["mappings"], "nothing was saved");

    let mut bad = draft.clone();
    bad["colour"] = json!("red");
    let refused = api.post(PREVIEW, &json!({ "document": bad })).await;
    assert_eq!(refused.problem(), "invalid_document");
    assert_eq!(refused.paths(), ["$.colour"]);

    // What was never read cannot be judged, and that is said.
    let mut unread = draft.clone();
    unread["mappings"][1]["group"] = json!({ "name": "Nobody knows" });
    unread["mappings"][1]["conditions"][0]["field"] = json!("city");
    let told = previewed(&api, &json!({ "document": unread })).await;
    assert_eq!(told["needs_full_read"], true);
    assert_eq!(told["new_properties"], json!(["city"]));
    assert_eq!(told["unknown_groups"], json!(["Nobody knows"]));
    assert_eq!(told["totals"]["deactivate"], 0, "nobody is judged by it");

    // Saved while the integration rests, so that the plan is the first to write.
    api.save("contoso", &now.etag(), &draft).await.ok();
    let run = import(&api, &plan).await;
    assert_eq!(run.state, RunState::Completed);
    assert_eq!(run.counts.moved, 0, "{run:#?}");
    let after = previewed(&api, &json!({})).await;
    assert_eq!(after["totals"]["update"], 0, "{after}");
}

#[tokio::test]
async fn a_connection_that_is_switched_off_can_be_previewed() {
    // I1, I4: who writes rules wants to see them before anything runs.
    let edit: fn(&mut Value) = |document| {
        (small::setup().edit)(document);
        document["enabled"] = json!(false);
    };
    let api = Api::with(Setup { edit, ..small::setup() }).await;
    let preview = previewed(&api, &json!({})).await;
    assert_eq!(preview["people"], 7, "{preview}");
    assert_eq!(api.post(IMPORTS, &json!({})).await.problem(), "disabled");
    assert!(api.world.halo.writes().is_empty());
}

#[tokio::test]
async fn halo_is_asked_about_few_records_and_what_it_did_not_say_is_unknown() {
    // I1, H2, H3
    let edit: fn(&mut Value) = |document| {
        document["sync"]["entities"] = json!(["users"]);
        let mail = json!({ "entra": "mail", "halo": "emailaddress" });
        document["matching"] = json!({ "users": [mail], "agents": [] });
    };
    let api = Api::with(Setup { edit, ..Setup::default() }).await;
    // Everybody is in Halo already, under their address.
    let known = previewed(&api, &json!({})).await;
    for person in people(&api, &known, "decision=create").await {
        let upn = person["person"]["user_principal_name"].as_str().unwrap().to_owned();
        let mail = person["changes"].as_array().unwrap().iter();
        let mail = mail.clone().find(|it| it["field"] == "emailaddress");
        let mail = mail.map_or(json!(upn), |it| it["after"].clone());
        api.world.halo.add_user(&json!({ "name": "Old", "site_id": 12, "emailaddress": mail }));
    }
    api.world.pass(SignedDuration::from_hours(30));
    let details = |api: &Api| {
        let seen = api.world.halo_served.log.all();
        seen.iter().filter(|it| it.path.split('/').rev().nth(1) == Some("Users")).count()
    };
    let before = details(&api);
    let preview = previewed(&api, &json!({})).await;
    assert_eq!(details(&api) - before, 50, "{preview}");
    let found = people(&api, &preview, "decision=update").await;
    assert!(found.len() > 100, "{preview}");
    let (read, unread): (Vec<&Value>, Vec<&Value>) =
        found.iter().partition(|it| it["notes"].as_array().unwrap().is_empty());
    let name_of = |it: &&Value| {
        let changes = it["changes"].as_array().unwrap();
        changes.iter().find(|it| it["field"] == "name").cloned()
    };
    let (read, unread): (Vec<Value>, Vec<Value>) =
        (read.iter().filter_map(name_of).collect(), unread.iter().filter_map(name_of).collect());
    assert!(read.len() > 30 && unread.len() > 50, "{} {}", read.len(), unread.len());
    assert!(read.iter().all(|it| it["before"].is_string() && it["before_known"] == true));
    assert!(unread.iter().all(|it| it["before"].is_null() && it["before_known"] == false));
    let run = import(&api, &json!({ "plan": preview["preview"] })).await;
    let moved: Vec<Entry> = entries(&api.world, &run).await.into_values().collect();
    if let Some(first) = moved.iter().find(|entry| entry.outcome == OutcomeKind::Moved) {
        let shown = found.iter().find(|it| it["person"]["id"] == json!(first.person.id));
        panic!("{shown:#?} {first:#?}");
    }
    assert_eq!(preview["totals"]["update"], run.counts.updated);
}

/// The list of a preview, as it must be with and without a kill.
async fn listed(world: &World, preview: PreviewId) -> (Vec<(String, String)>, Value) {
    let shown = world.engine.preview(preview).await.unwrap().unwrap();
    assert_eq!(shown.state, PreviewState::Complete);
    let (people, next) = world.engine.previewed(&shown, None, None, (0, None), 200).await.unwrap();
    assert_eq!(next, None);
    let people = people.into_iter().map(|it| (it.place, it.person.display_name)).collect();
    (people, json!([shown.totals, shown.looked, shown.record.verdict]))
}

#[tokio::test]
async fn a_preview_survives_kills() {
    // T1, T2
    let start = async |world: &World| {
        let wanted = Wanted { read: Some(Read::None), ..Wanted::default() };
        world.engine.start_preview(&world.id, &wanted).await.unwrap().record.preview
    };
    let prepared = async || {
        let world = small::world().await;
        world.entra.soft_delete(&oid(1));
        world.entra.update_user(&oid(6), json!({ "displayName": "Renamed" }));
        let wanted = Wanted { read: Some(Read::Delta), ..Wanted::default() };
        world.engine.start_preview(&world.id, &wanted).await.unwrap();
        world.quiet().await;
        world
    };
    let calm = prepared().await;
    let before = calm.wire.calls();
    let preview = start(&calm).await;
    calm.quiet().await;
    let calls = calm.wire.calls() - before;
    let expected = listed(&calm, preview).await;
    for at in 0..calls {
        let world = prepared().await;
        let before = everything(&world).await;
        world.wire.set(world.wire.calls() + at, Moment::Before);
        let preview = tokio::select! {
            biased;
            () = world.wire.wait() => start(&world).await,
            preview = start(&world) => preview,
        };
        world.work(Some(&world.wire)).await.unwrap();
        let Some(place) = world.wire.sprung() else { continue };
        for _ in 0..5 {
            // Whoever looks at one that stands still wakes it.
            let now = world.engine.preview(preview).await.unwrap().unwrap();
            if now.state == PreviewState::Complete {
                break;
            }
            world.pass(SignedDuration::from_mins(4));
            world.engine.preview(preview).await.unwrap();
            world.quiet().await;
        }
        assert_eq!(listed(&world, preview).await, expected, "{place}");
        assert_eq!(everything(&world).await, before, "{place}");
    }
}

#[tokio::test]
async fn readers_see_a_preview_without_personal_values() {
    // B4, I1
    let api = Api::with(small::setup()).await;
    let preview = previewed(&api, &json!({})).await;
    let router = behind_gateway(&api.world);
    let path = format!("/v1/previews/{}/people", preview["preview"].as_str().unwrap());
    for (role, sees) in [("[administrator]", true), ("[reader]", false)] {
        let claims = claims(role, LATER);
        let (status, page) = through_gateway(&router, "GET", &path, &claims).await;
        assert_eq!(status, 200, "{page}");
        let people = page["people"].as_array().unwrap();
        assert_eq!(people.len(), 7);
        let changes = people.iter().flat_map(|it| it["changes"].as_array().unwrap());
        let texts: Vec<&Value> = changes
            .flat_map(|it| [&it["before"], &it["after"]])
            .filter(|value| value.as_str().is_some_and(|text| !text.is_empty()))
            .collect();
        assert!(texts.len() > 10);
        assert!(texts.iter().all(|text| (**text == "•••") != sees), "{texts:?}");
        assert!(names(people).contains("Ada"), "names are not masked");
        let (status, _) = through_gateway(&router, "POST", PREVIEW, &claims).await;
        assert_eq!(status, if sees { 202 } else { 403 });
    }
}
