//! The module switch: off, nothing happens; on again, everything goes on (C11).

use axum::http::Request;
use engine::web::Auth;
use plan::schedule::Module;
use plan::tally::RunState;
use sandbox::server::Moment;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::small::{setup, world};
use crate::support::{Answer, Api};

const MODULE: &str = "/v1/module";

async fn turn(api: &Api, state: &str) -> Answer {
    api.send("PUT", MODULE, Some(&json!({ "state": state }))).await
}

fn outside(api: &Api) -> usize {
    api.world.graph_served.log.count() + api.world.halo_served.log.count()
}

#[tokio::test]
async fn off_stops_timer_imports_and_writes_and_is_said() {
    // C11
    let api = Api::with(setup()).await;
    let on = api.get(MODULE).await.ok().json;
    let nobody = json!({ "state": "on", "deployment": "on", "by": null, "since": null });
    assert_eq!(on, nobody);
    api.post("/v1/connections/contoso/imports", &json!({})).await.ok();
    let asked = api.get("/v1/connections/contoso").await.ok().json["status"]["queued"].clone();
    let off = turn(&api, "off").await.ok().json;
    assert_eq!((&off["state"], &off["by"]), (&json!("off"), &json!("administrator token")));
    assert_eq!(off["since"], "2026-11-02T08:00:00Z");
    let before = outside(&api);

    api.world.quiet().await;
    assert_eq!(api.world.engine.tick().await.unwrap(), 0);
    let of = "/v1/connections/contoso";
    for (path, body) in [
        ("/imports", json!({})),
        ("/authorise", json!({})),
        ("/deltas/reset", json!({ "mode": "clear" })),
    ] {
        let refused = api.post(&format!("{of}{path}"), &body).await;
        assert_eq!(refused.problem(), "module_off", "{path}");
        assert!(refused.text.contains("/v1/module"), "{}", refused.text);
    }
    assert_eq!(outside(&api), before, "nobody outside was asked for anything");
    assert_eq!(api.world.last_run().await.state, RunState::Queued);
    assert_eq!(api.get("/v1/health").await.ok().json["module"], "off");
    assert_eq!(api.get("/v1/connections").await.ok().json["module"], "off");

    turn(&api, "on").await.ok();
    assert_eq!(api.get("/v1/connections").await.ok().json["module"], "on");
    assert_eq!(api.world.engine.tick().await.unwrap(), 1);
    api.world.quiet().await;
    let run = api.world.last_run().await;
    assert_eq!((json!(run.run), run.state), (asked, RunState::Completed), "what waited goes on");
}

#[tokio::test]
async fn a_run_that_is_stopped_in_the_middle_goes_on_where_it_was() {
    // C11, T2: switched off before each of its steps in turn.
    let calm = world().await;
    let expected = calm.halo_people();
    let mut stopped = 0;
    for steps in 0.. {
        let api = Api::with(setup()).await;
        api.world.engine.tick().await.unwrap();
        let done = api.world.some_steps(steps).await;
        if done < steps {
            break;
        }
        turn(&api, "off").await.ok();
        let before = (outside(&api), api.world.halo_people());
        api.world.quiet().await;
        assert_eq!((outside(&api), api.world.halo_people()), before, "{steps}");
        turn(&api, "on").await.ok();
        for _ in 0..5 {
            api.world.pass(jiff::SignedDuration::from_mins(4));
            api.world.engine.tick().await.unwrap();
            api.world.quiet().await;
        }
        let state = api.world.state().await;
        assert_eq!((state.run, state.queued), (None, None), "{steps}");
        assert_eq!(api.world.halo_people(), expected, "{steps}");
        stopped += 1;
    }
    assert!(stopped > 4, "{stopped}");
}

#[tokio::test]
async fn who_switched_is_told_once_and_the_deployments_own_switch_is_final() {
    // C10, C11
    let api = Api::with(setup()).await;
    for state in ["on", "off", "off", "on", "on", "off"] {
        turn(&api, state).await.ok();
    }
    let audit = api.get("/v1/audit").await.ok().json;
    let whats: Vec<&str> =
        audit["audit"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["module switched off", "module switched on", "module switched off"]);
    assert_eq!(audit["audit"][0]["who"], "administrator token");
    let connection = api.get("/v1/connections/contoso/audit").await.ok().json;
    assert_eq!(connection["audit"], json!([]));
    for body in [json!({}), json!({ "state": "maybe" }), json!({ "state": "on", "x": 1 })] {
        assert_eq!(api.send("PUT", MODULE, Some(&body)).await.problem(), "invalid_request");
    }

    let mut engine = api.world.engine.clone();
    engine.policy.module = Module::Off;
    let router = admin::router(engine, Auth::Local("t".into()));
    let send = async |method: &str, body: &str| {
        let request = Request::builder().method(method).uri(MODULE);
        let request = request
            .header("authorization", "Bearer t")
            .body(axum::body::Body::from(body.to_owned()));
        let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (status, refused) = send("PUT", r#"{"state":"on"}"#).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["type"].as_str().unwrap().ends_with("module_off"));
    let (_, shown) = send("GET", "").await;
    assert_eq!((&shown["state"], &shown["deployment"]), (&json!("off"), &json!("off")));
}

#[tokio::test]
async fn turning_survives_kills() {
    // T2, C10, C11
    for moment in [Moment::Before, Moment::After] {
        let api = Api::with(setup()).await;
        let engine = &api.world.engine;
        api.world.wire.set(api.world.wire.calls(), moment);
        tokio::select! {
            biased;
            () = api.world.wire.wait() => {}
            done = engine.turn_module("ada", Module::Off) => drop(done.unwrap()),
        }
        engine.turn_module("ada", Module::Off).await.unwrap();
        assert_eq!(engine.module().await.unwrap().state(), Module::Off);
        assert_eq!(engine.deployment_audit(None, 10).await.unwrap().0.len(), 1, "{moment:?}");
    }
}

#[tokio::test]
async fn the_switch_costs_steps_nothing_of_their_own() {
    // T4, C11: one read for the tick; all steps read it with what they read anyway.
    let world = world().await;
    world.sync().await;
    let cost = async || {
        let before = world.engine.store.operations();
        world.sync().await;
        world.engine.store.operations() - before
    };
    let usual = cost().await;
    world.engine.turn_module("ada", Module::Off).await.unwrap();
    world.engine.turn_module("ada", Module::On).await.unwrap();
    assert_eq!(cost().await, usual);
    println!("{usual} store operations of a run in which nothing changed");
}
