//! Previews, and imports that carry them out or are about some people (I1, I2, I4, I6).

use std::collections::{BTreeMap, BTreeSet};

use engine::clock::Deadline;
use engine::store::log::{Entry, OutcomeKind};
use engine::web::Auth;
use jiff::SignedDuration;
use plan::ids::RunId;
use plan::schedule::Module;
use plan::tally::{Run, RunState};
use serde_json::{Value, json};
use tests::world::{Setup, World};
use tower::ServiceExt;

use crate::small::{self, GUS, id, oid, records, upn};
use crate::support::Api;

const PREVIEW: &str = "/v1/connections/contoso/preview";
const IMPORTS: &str = "/v1/connections/contoso/imports";

/// Asks for a preview and waits for its end.
async fn previewed(api: &Api, body: &Value) -> Value {
    let asked = api.post(PREVIEW, body).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let id = asked.json["preview"].as_str().unwrap();
    assert_eq!(asked.headers["location"], format!("/v1/previews/{id}"));
    api.world.quiet().await;
    let preview = shown(api, id).await;
    assert_eq!(preview["state"], "complete", "{preview}");
    preview
}

async fn shown(api: &Api, preview: &str) -> Value {
    api.get(&format!("/v1/previews/{preview}")).await.ok().json
}

/// All people of a preview that a filter lets through, page by page.
async fn people(api: &Api, preview: &Value, filter: &str) -> Vec<Value> {
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

fn name(person: &Value) -> String {
    person["person"]["display_name"].as_str().unwrap().to_owned()
}

fn names(people: &[Value]) -> BTreeSet<String> {
    people.iter().map(name).collect()
}

async fn import(api: &Api, body: &Value) -> Run {
    let run = api.post(IMPORTS, body).await.ok().json["run"].clone();
    let run: RunId = run.as_str().unwrap().parse().unwrap();
    api.world.quiet().await;
    api.world.engine.store.run(&api.world.id, run).await.unwrap().unwrap().value.run
}

async fn entries(world: &World, run: &Run) -> BTreeMap<String, Entry> {
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
        let entry = entry.shown(engine::inbound::Sight::Full);
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
async fn whoever_moved_since_the_preview_is_left_alone() {
    // I2
    let api = Api::with(small::setup()).await;
    let world = &api.world;
    world.sync().await;
    for n in [1, 5, 6, 7] {
        let name = format!("Renamed {n}");
        world.entra.update_user(&oid(n), json!({ "displayName": name }));
    }
    let preview = previewed(&api, &json!({ "read": "delta" })).await;
    assert_eq!(preview["totals"]["update"], 4, "{preview}");
    // One moves in Entra, one in Halo, one is unlinked by an administrator; Fay is as shown.
    world.entra.update_user(&oid(1), json!({ "displayName": "Ada Lovelace" }));
    world.halo.change_user(GUS, &json!({ "name": "Gus by hand" }));
    let body = json!({ "user": "unlinked" });
    let link = format!("/v1/connections/contoso/people/{}/link", upn(5));
    api.send("PUT", &link, Some(&body)).await.ok();
    world.halo.clear_writes();

    let run = api.post(IMPORTS, &json!({ "plan": preview["preview"] })).await.ok().json;
    let run: RunId = run["run"].as_str().unwrap().parse().unwrap();
    // The run that the administrator's word started comes first; Entra is read before each.
    let queued = world.state().await;
    assert_eq!(queued.waiting.len(), 1, "one behind the other");
    world.quiet().await;
    let run = world.engine.store.run(&world.id, run).await.unwrap().unwrap().value.run;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    // Everybody was written by the first run already, so there is nothing left to do but for Gus.
    assert_eq!(run.counts.failed, 0, "{run:#?}");
}

#[tokio::test]
async fn what_moved_is_told_and_done_by_the_next_run() {
    // I2, T2
    let api = Api::with(small::setup()).await;
    let world = &api.world;
    world.sync().await;
    for n in [1, 6, 7] {
        let name = format!("Renamed {n}");
        world.entra.update_user(&oid(n), json!({ "displayName": name }));
    }
    let preview = previewed(&api, &json!({ "read": "delta" })).await;
    world.entra.update_user(&oid(1), json!({ "displayName": "Ada Lovelace" }));
    world.halo.change_user(GUS, &json!({ "name": "Gus by hand" }));
    // Somebody else changes too, whom the plan does not know.
    world.entra.update_user(&oid(5), json!({ "displayName": "Eve II" }));
    world.halo.clear_writes();
    let run = import(&api, &json!({ "plan": preview["preview"] })).await;
    assert_eq!((run.counts.updated, run.counts.moved), (1, 2), "{run:#?}");
    let log = entries(world, &run).await;
    for (name, what) in [
        ("Ada Lovelace", "name of the user would be another"),
        ("Renamed 7", "somebody else changed name of the user in Halo"),
    ] {
        let entry = &log[name];
        assert_eq!(entry.outcome, OutcomeKind::Moved, "{entry:#?}");
        assert!(entry.error.as_ref().unwrap().contains(what), "{entry:#?}");
    }
    assert_eq!(log["Renamed 6"].outcome, OutcomeKind::Done);
    let written: BTreeSet<String> =
        world.halo.users().iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect();
    assert!(written.contains("Gus by hand") && !written.contains("Ada Lovelace"), "{written:?}");
    let told = api.get("/v1/inbound?connection=contoso&outcome=moved").await.ok().json;
    assert_eq!(told["entries"].as_array().unwrap().len(), 2);
    // All of them are still to be done.
    let next = world.sync().await;
    assert_eq!(next.counts.updated, 3, "{next:#?}");
    // Carried out twice, a plan finds nothing to do for whom it was carried out, and leaves the rest.
    let again = import(&api, &json!({ "plan": preview["preview"], "read": "none" })).await;
    assert_eq!((again.counts.updated, again.counts.moved), (0, 0), "{again:#?}");
}

#[tokio::test]
async fn held_deactivations_are_shown_as_held_and_stay_so() {
    // L4, I1, I2
    let api = Api::with(small::setup()).await;
    let world = &api.world;
    world.sync().await;
    for n in [1, 7] {
        world.entra.soft_delete(&oid(n));
    }
    let preview = previewed(&api, &json!({ "read": "delta" })).await;
    assert_eq!(preview["totals"]["held"], 2, "{preview}");
    assert_eq!(preview["held_by_guard"], json!({ "user": true, "agent": false }));
    assert_eq!(preview["deactivations"]["user"], 2);
    let run = import(&api, &json!({ "plan": preview["preview"] })).await;
    assert_eq!((run.state, run.counts.held), (RunState::Held, 2), "{run:#?}");
    assert_eq!(run.counts.deactivated, 0);
    let held = api.get("/v1/connections/contoso/held").await.ok().json;
    assert_eq!(held["held"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn some_people_or_one_are_imported_and_nobody_else() {
    // I2, H2
    let api = Api::with(small::setup()).await;
    let world = &api.world;
    previewed(&api, &json!({})).await;
    let run = import(&api, &json!({ "people": [upn(1), oid(6)] })).await;
    assert_eq!((run.state, run.counts.created), (RunState::Completed, 2), "{run:#?}");
    for n in 1..=7 {
        let linked = records(world, n).await.0.is_some();
        assert_eq!(linked, [1, 6].contains(&n), "{n}");
    }
    assert_eq!(entries(world, &run).await.len(), 2);
    // One person now, who did not change: looked at all the same, with nothing to do.
    let run = import(&api, &json!({ "people": [upn(1)], "read": "none" })).await;
    assert_eq!((run.counts.unchanged, run.requests.halo), (1, 0), "{run:#?}");
    let unknown = api.post(IMPORTS, &json!({ "people": [upn(1), "nobody@x", oid(9)] })).await;
    assert_eq!(unknown.problem(), "invalid_request");
    assert_eq!(unknown.paths(), ["$.people[1]", "$.people[2]"]);
    // The others are waiting for the next run.
    let rest = world.sync().await;
    let counts = (rest.counts.created, rest.counts.updated, rest.counts.conflict);
    assert_eq!(counts, (1, 1, 3), "{rest:#?}");
    // Of a plan, some people only.
    for n in [1, 7] {
        world.entra.update_user(&oid(n), json!({ "displayName": "Renamed" }));
    }
    let preview = previewed(&api, &json!({ "read": "delta" })).await;
    let run = import(&api, &json!({ "plan": preview["preview"], "people": [upn(7)] })).await;
    assert_eq!((run.counts.updated, run.counts.moved), (1, 0), "{run:#?}");
    assert!(world.people().await[&id(1)].value.pending.is_some(), "left to the next run");
}

#[tokio::test]
async fn a_plan_that_is_not_ready_or_not_of_this_connection_is_refused() {
    // I2, C1, C7, C11
    let api = Api::new().await;
    let asked = api.post(PREVIEW, &json!({})).await.ok().json;
    let plan = json!({ "plan": asked["preview"] });
    assert_eq!(api.post(IMPORTS, &plan).await.problem(), "plan_refused");
    api.world.quiet().await;
    api.authorise("fabrikam").await;
    let other = api.post("/v1/connections/fabrikam/imports", &plan).await;
    assert_eq!(other.problem(), "not_found");
    let id = asked["preview"].as_str().unwrap();
    api.world.pass(SignedDuration::from_hours(25));
    assert_eq!(shown(&api, id).await["state"], "expired");
    let page = api.get(&format!("/v1/previews/{id}/people")).await.ok().json;
    assert_eq!(page["people"], json!([]));
    let refused = api.post(IMPORTS, &plan).await;
    assert_eq!(refused.problem(), "plan_refused");
    assert!(refused.text.contains("older than a day"), "{}", refused.text);

    let fresh = previewed(&api, &json!({})).await;
    let path = format!("/v1/previews/{}", fresh["preview"].as_str().unwrap());
    assert_eq!(api.send("DELETE", "/v1/connections/contoso", None).await.status, 204);
    assert_eq!(api.get(&path).await.problem(), "not_found");
    assert_eq!(api.get(&format!("{path}/people")).await.problem(), "not_found");
    let nobody = "/v1/previews/01a21b6a-595e-780a-bd2a-175ad527c940";
    assert_eq!(api.get(nobody).await.problem(), "not_found");

    api.connect("tailspin").await;
    let unauthorised = api.post("/v1/connections/tailspin/preview", &json!({})).await;
    assert_eq!(unauthorised.problem(), "not_authorised");
    let mut engine = api.world.engine.clone();
    engine.policy.module = Module::Off;
    let router = admin::router(engine, Auth::Bearer("t".into()));
    let path = "/v1/connections/fabrikam/preview";
    let request = axum::http::Request::post(path).header("authorization", "Bearer t");
    let answer = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 409);
}

#[tokio::test]
async fn a_connection_that_is_switched_off_can_be_previewed() {
    // I1, I4: who writes rules wants to see them before anything runs.
    let mut setup = Setup { edit: |it| it["enabled"] = json!(false), ..small::setup() };
    let own: fn(&mut Value) = |it| {
        (small::setup().edit)(it);
        it["enabled"] = json!(false);
    };
    setup.edit = own;
    let api = Api::with(setup).await;
    let preview = previewed(&api, &json!({})).await;
    assert_eq!(preview["people"], 7, "{preview}");
    assert_eq!(api.post(IMPORTS, &json!({})).await.problem(), "disabled");
    assert!(api.world.halo.writes().is_empty());
}

#[tokio::test]
async fn halo_is_asked_about_few_records_and_what_it_did_not_say_is_unknown() {
    // I1, H2, H3
    let mut setup = Setup::default();
    setup.edit = |document| {
        document["sync"]["entities"] = json!(["users"]);
        let mail = json!({ "entra": "mail", "halo": "emailaddress" });
        document["matching"] = json!({ "users": [mail], "agents": [] });
    };
    let api = Api::with(setup).await;
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
        seen.iter().filter(|it| it.path.contains("/Users/")).count()
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
