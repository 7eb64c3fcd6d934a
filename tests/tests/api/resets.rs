//! Resetting deltas: forgetting where reading stands, and moving it to now (D4).

use engine::clock::Deadline;
use jiff::SignedDuration;
use plan::message::Message;
use plan::reset::Mode;
use plan::tally::RunState;
use sandbox::server::Moment;
use serde_json::{Value, json};
use tests::world::World;

use crate::small::{oid, person, records, setup, upn, world};
use crate::support::{Answer, Api};

const RESET: &str = "/v1/connections/contoso/deltas/reset";

async fn reset(api: &Api, mode: &str) -> Answer {
    api.post(RESET, &json!({ "mode": mode })).await
}

/// A request for people from the start, or from a link.
fn reads(api: &Api, whole: bool) -> usize {
    let all = api.world.graph_served.log.all();
    let of_people = all.iter().filter(|seen| seen.path.ends_with("/users/delta"));
    let starts = |query: &str| !query.contains("token");
    of_people.filter(|seen| starts(&seen.query) == whole).count()
}

#[tokio::test]
async fn cleared_positions_make_the_next_run_read_everybody() {
    // D4, D1
    let api = Api::with(setup()).await;
    api.world.sync().await;
    api.world.pass(SignedDuration::from_hours(5));
    let answer = reset(&api, "clear").await.ok().json;
    assert_eq!(answer["mode"], "clear");
    assert_eq!(answer["streams"][0]["stream"], "users");
    assert_eq!(answer["streams"][0]["age_seconds"], 5 * 3600);
    assert_eq!(answer["streams"][0]["since"], "2026-11-02T08:00:00Z");
    let again = reset(&api, "clear").await.ok().json;
    assert_eq!(again["streams"], json!([]), "T2: nothing is left to forget");

    // Somebody who left without a word of delta is found by it.
    api.world.entra.soft_delete(&oid(7));
    api.world.graph_served.log.clear();
    let run = api.world.sync().await;
    assert_eq!((reads(&api, true), reads(&api, false)), (1, 0));
    assert_eq!(run.counts.held, 1, "D5: {run:#?}");
    api.world.graph_served.log.clear();
    api.world.sync().await;
    assert_eq!((reads(&api, true), reads(&api, false)), (0, 1), "then by delta again");
}

#[tokio::test]
async fn what_waits_is_skipped_and_the_next_full_read_makes_it_good() {
    // D4, D5, L5
    let api = Api::with(setup()).await;
    api.world.sync().await;
    api.world.pass(SignedDuration::from_hours(30));
    api.world.entra.update_user(&oid(2), json!({ "department": "IT" }));
    api.world.entra.soft_delete(&oid(7));
    api.world.entra.add_user(json!({ "id": oid(8), "displayName": "Hal", "surname": "Hal",
        "userPrincipalName": upn(8), "mail": upn(8), "department": "Sales",
        "accountEnabled": true, "userType": "Member" }));
    let answer = reset(&api, "latest").await.ok().json;
    assert_eq!(
        answer["streams"],
        json!([
        { "stream": "users", "since": "2026-11-02T08:00:00Z", "age_seconds": 30 * 3600 }])
    );
    api.world.entra.update_user(&oid(6), json!({ "displayName": "Fay Ny" }));
    let run = api.world.sync().await;
    assert_eq!((run.state, run.counts.updated), (RunState::Completed, 1), "only Fay: {run:#?}");
    assert_eq!((run.counts.held, run.counts.deactivated), (0, 0), "D5: Gus was not in it");
    assert!(person(&api.world, 7).await.held.is_none());
    let hal = api.world.engine.store.person(&api.world.id, crate::small::id(8)).await.unwrap();
    assert!(hal.is_none(), "nobody heard of him");
    let ben = person(&api.world, 2).await;
    assert_eq!(ben.facts.properties["department"].as_text(), "Sales");

    api.post("/v1/connections/contoso/imports", &json!({ "read": "full" })).await.ok();
    api.world.quiet().await;
    let run = api.world.last_run().await;
    assert_eq!((run.counts.created, run.counts.held), (1, 1), "{run:#?}");
    assert!(records(&api.world, 8).await.0.is_some());
    assert!(person(&api.world, 7).await.held.is_some());
}

#[tokio::test]
async fn groups_are_moved_as_well_and_keep_their_members() {
    // D4
    let api = Api::new().await;
    api.world.sync().await;
    let before = api.world.last_run().await.counts;
    let answer = reset(&api, "latest").await.ok().json;
    let streams: Vec<&str> = answer["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["stream"].as_str().unwrap())
        .collect();
    assert_eq!(streams, ["users", "groups", "groups"]);
    let groups = api.world.entra.groups_named("IT Helpdesk");
    let members = api.world.entra.members(&groups[0], false);
    api.world.entra.remove_member(&groups[0], &members[0]);
    let run = api.world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{before:?} {run:#?}");
    let left: plan::ids::ObjectId = members[0].parse().unwrap();
    let stays: plan::ids::ObjectId = members[1].parse().unwrap();
    let people = api.world.people().await;
    let group: plan::ids::ObjectId = groups[0].parse().unwrap();
    assert!(!people[&left].value.facts.groups.contains(&group), "what came after is heard of");
    assert!(people[&stays].value.facts.groups.contains(&group));
}

#[tokio::test]
async fn what_cannot_be_reset_is_refused_and_nothing_changes() {
    // D4, C7, C11
    let api = Api::new().await;
    for body in [json!({}), json!({ "mode": "all" }), json!({ "mode": "clear", "x": 1 })] {
        assert_eq!(api.post(RESET, &body).await.problem(), "invalid_request", "{body}");
    }
    let nothing_read = reset(&api, "latest").await;
    assert_eq!(nothing_read.problem(), "invalid_request");
    assert_eq!(nothing_read.paths(), ["$.mode"]);
    let unknown =
        api.post("/v1/connections/unknown/deltas/reset", &json!({ "mode": "clear" })).await;
    assert_eq!(unknown.problem(), "not_found");
    api.connect("fabrikam").await;
    let other = "/v1/connections/fabrikam/deltas/reset";
    let unauthorised = api.post(other, &json!({ "mode": "latest" })).await;
    assert_eq!(unauthorised.problem(), "not_authorised", "C7");
    api.post(other, &json!({ "mode": "clear" })).await.ok();

    // A run that reads, between two of its steps.
    api.post("/v1/connections/contoso/imports", &json!({})).await.ok();
    let soon = Deadline(api.world.engine.clock.now() + SignedDuration::from_secs(2));
    let fetch = Message::Fetch { connection: api.world.id.clone() };
    api.world.engine.step(&fetch, soon).await.unwrap();
    assert_eq!(api.world.last_run().await.state, RunState::Reading);
    let before = api.world.state().await;
    for mode in ["clear", "latest"] {
        assert_eq!(reset(&api, mode).await.problem(), "busy", "{mode}");
    }
    assert_eq!(api.world.state().await, before);
    api.world.quiet().await;
    assert_eq!(api.world.last_run().await.state, RunState::Completed, "the run was not disturbed");
    assert!(reset(&api, "latest").await.ok().json["streams"][0]["since"].is_string());

    // Without delta nothing waits.
    api.world.edit(|document| document.sync.reading = plan::document::Reading::Full).await;
    assert_eq!(reset(&api, "latest").await.problem(), "invalid_request");
    api.send("PUT", "/v1/module", Some(&json!({ "state": "off" }))).await.ok();
    for mode in ["clear", "latest"] {
        assert_eq!(reset(&api, mode).await.problem(), "module_off", "{mode}");
    }
}

#[tokio::test]
async fn graph_that_does_not_answer_changes_nothing() {
    // D4
    let api = Api::with(setup()).await;
    api.world.sync().await;
    let before = api.world.state().await;
    let fault = sandbox::graph::Fault::Status { code: 503, body: sandbox::graph::Body::Empty };
    api.world.entra.fail_next("/v1.0/users/delta", 1, fault);
    assert_eq!(reset(&api, "latest").await.problem(), "service_unavailable");
    assert_eq!(api.world.state().await, before);
    reset(&api, "latest").await.ok();
}

/// What has to be the same whether the call was killed or not.
async fn end(world: &World, mode: Mode) -> (Value, u64, u64, Vec<String>) {
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{mode:?} {run:#?}");
    let reading = world.state().await.reading;
    (json!(run.counts), reading.round, run.requests.graph, world.halo_people())
}

#[tokio::test]
async fn a_reset_survives_kills() {
    // T2, D4
    for mode in [Mode::Clear, Mode::Latest] {
        let calm = world().await;
        let before = calm.wire.calls();
        calm.engine.reset_deltas("ada", &calm.id, mode).await.unwrap();
        let calls = calm.wire.calls() - before;
        assert_eq!(calls, 2, "the lease, and everything else together");
        let expected = end(&calm, mode).await;
        for at in 0..calls {
            for moment in [Moment::Before, Moment::After] {
                let world = world().await;
                world.wire.set(world.wire.calls() + at, moment);
                tokio::select! {
                    biased;
                    () = world.wire.wait() => {}
                    done = world.engine.reset_deltas("ada", &world.id, mode) => drop(done.unwrap()),
                }
                let place = world.wire.sprung().unwrap();
                // While the lease of the dead one lasts, the next one is told to wait.
                let again = world.engine.reset_deltas("ada", &world.id, mode).await;
                if again.is_err() {
                    world.pass(SignedDuration::from_secs(91));
                    world.engine.reset_deltas("ada", &world.id, mode).await.unwrap();
                }
                assert_eq!(end(&world, mode).await, expected, "{mode:?} {place}");
            }
        }
    }
}
