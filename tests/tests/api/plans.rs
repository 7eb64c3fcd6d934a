//! Imports that carry out a preview, or are about some people (I2).

use std::collections::BTreeSet;

use engine::connections::{Asked, Wanted};
use engine::store::log::OutcomeKind;
use engine::web::Auth;
use jiff::SignedDuration;
use plan::ids::{PreviewId, RunId};
use plan::reading::Read;
use plan::schedule::Module;
use plan::tally::{Counts, RunState};
use sandbox::server::Moment;
use serde_json::json;
use tests::world::World;
use tower::ServiceExt;

use crate::killed::{End, end, settle};
use crate::previews::{IMPORTS, PREVIEW, entries, import, previewed, shown};
use crate::small::{self, GUS, id, oid, records, upn};
use crate::support::Api;

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
    let router = admin::router(engine, Auth::Local("t".into()));
    let path = "/v1/connections/fabrikam/preview";
    let request = axum::http::Request::post(path).header("authorization", "Bearer t");
    let answer = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 409);
}

#[tokio::test]
async fn imports_that_do_something_else_wait_one_behind_the_other() {
    // I2, I3
    let api = Api::with(small::setup()).await;
    previewed(&api, &json!({})).await;
    let ask = async |body| api.post(IMPORTS, &body).await.ok().json["run"].clone();
    let all = ask(json!({})).await;
    let one = ask(json!({ "people": [upn(1)] })).await;
    let agents = ask(json!({ "entities": ["agents"] })).await;
    assert_eq!(agents, all, "which does it too");
    assert_ne!(one, all);
    assert_eq!(api.world.state().await.waiting.len(), 1);
    api.world.quiet().await;
    for run in [&all, &one] {
        let run = api.get(&format!("/v1/runs/{}", run.as_str().unwrap())).await.ok().json;
        assert_eq!(run["state"], "completed", "{run}");
    }
    // There is an end to it.
    for _ in 0..21 {
        ask(json!({ "people": [upn(1)] })).await;
    }
    let more = api.post(IMPORTS, &json!({ "people": [upn(1)] })).await;
    assert_eq!(more.problem(), "busy");
}

/// A world in which a plan is to be carried out.
struct Prepared {
    world: World,
    plan: PreviewId,
}

impl Prepared {
    async fn of(world: World, read: Option<Read>) -> Self {
        let wanted = Wanted { read, ..Wanted::default() };
        let preview = world.engine.start_preview(&world.id, &wanted).await.unwrap();
        world.quiet().await;
        Self { world, plan: preview.record.preview }
    }

    /// Nobody is imported yet.
    async fn fresh() -> Self {
        Self::of(World::new(small::setup()).await, None).await
    }

    /// Three people changed, and two of them moved since.
    async fn moved() -> Self {
        let world = small::world().await;
        for n in [1, 6, 7] {
            let name = format!("Renamed {n}");
            world.entra.update_user(&oid(n), json!({ "displayName": name }));
        }
        let prepared = Self::of(world, Some(Read::Delta)).await;
        let world = &prepared.world;
        world.entra.update_user(&oid(1), json!({ "displayName": "Ada Lovelace" }));
        world.halo.change_user(GUS, &json!({ "name": "Gus by hand" }));
        prepared
    }

    async fn import(&self) -> RunId {
        let asked = Asked { plan: Some(self.plan), read: Read::Delta, ..Asked::default() };
        self.world.engine.import(&self.world.id, &asked).await.unwrap()
    }

    /// The end of everything, and the counts of the run: killed between Halo's answer and its record,
    /// what was made is found, an update.
    async fn end(&self, run: RunId) -> (End, Counts) {
        let run = self.world.engine.store.run(&self.world.id, run).await.unwrap().unwrap();
        let counts = run.value.run.counts;
        let together = counts.updated + counts.created;
        let mut end = end(&self.world).await;
        // Halo numbers new records in the order in which they come.
        for (user, agent) in end.links.values_mut() {
            (*user, *agent) = (user.map(|_| 0), agent.map(|_| 0));
        }
        (end, Counts { updated: together, created: 0, ..counts })
    }
}

async fn killed_everywhere(prepare: impl AsyncFn() -> Prepared) {
    let calm = prepare().await;
    let before = calm.world.wire.calls();
    let run = calm.import().await;
    calm.world.quiet().await;
    let calls = calm.world.wire.calls() - before;
    let expected = calm.end(run).await;
    for at in 0..calls {
        let prepared = prepare().await;
        let world = &prepared.world;
        world.wire.set(world.wire.calls() + at, Moment::Before);
        let run = tokio::select! {
            biased;
            () = world.wire.wait() => prepared.import().await,
            run = prepared.import() => run,
        };
        world.work(Some(&world.wire)).await.unwrap();
        let Some(place) = world.wire.sprung() else { continue };
        settle(world).await;
        assert_eq!(prepared.end(run).await, expected, "{place}");
    }
}

#[tokio::test]
async fn an_import_by_plan_survives_kills() {
    // T2, I2: what a killed worker wrote itself is not taken for somebody else's change.
    killed_everywhere(Prepared::fresh).await;
}

#[tokio::test]
async fn refusals_survive_kills() {
    // T2, I2: told and counted once.
    killed_everywhere(Prepared::moved).await;
}
