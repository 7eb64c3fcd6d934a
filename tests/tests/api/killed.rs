//! An administrator's call is killed at each of its outside calls in turn and repeated: everything ends
//! as without the kill (T2).

use std::collections::BTreeMap;

use engine::connections::LinkChoice;
use plan::ids::PerKind;
use plan::link::Says;
use plan::relink::Pick;
use sandbox::server::Moment;
use serde_json::json;
use tests::world::World;

use crate::small::{BEN_TWO, EVE_AGENT, SHARED, SPARE_AGENT, counted, id, oid, records, world};

/// What an administrator does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Set(u32, LinkChoice),
    Cut(u32, PerKind<bool>),
    Rule(Says),
}

const fn pick(user: Option<Pick>, agent: Option<Pick>) -> LinkChoice {
    PerKind { user, agent }
}

/// A world in which there is something to do: two conflicts, and two people whose deactivation is held.
async fn prepared() -> World {
    let world = world().await;
    for n in [1, 7] {
        world.entra.soft_delete(&oid(n));
    }
    world.sync().await;
    world
}

async fn act(world: &World, act: Act) {
    let (engine, connection) = (&world.engine, &world.id);
    let done = match act {
        Act::Set(n, choice) => engine.set_link("ada", connection, id(n), choice).await.map(drop),
        Act::Cut(n, kinds) => engine.cut_link("ada", connection, id(n), kinds).await.map(drop),
        Act::Rule(says) => {
            let (held, _) = engine.held(connection, None, 10).await.unwrap();
            // Whoever repeats a call names the same run, also when that is over by then.
            let Some(run) = held.first().map(|held| held.run) else { return };
            engine.rule("ada", connection, run, None, says).await.map(drop)
        }
    };
    done.unwrap();
}

/// What must be the same with and without a kill.
#[derive(Debug, PartialEq)]
struct End {
    halo: Vec<String>,
    links: BTreeMap<u32, (Option<i64>, Option<i64>)>,
    counted: (u64, u64),
    conflicts: usize,
    held: usize,
    log: BTreeMap<String, Vec<String>>,
}

async fn end(world: &World) -> End {
    let mut links = BTreeMap::new();
    for n in 1..=7 {
        links.insert(n, records(world, n).await);
    }
    let linked = world.state().await.linked;
    assert_eq!((linked.user, linked.agent), counted(world).await);
    let mut log: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in world.log().await {
        log.entry(entry.person.display_name).or_default().push(entry.decision.name().to_owned());
    }
    let sight = engine::inbound::Sight::Masked;
    let conflicts = world.engine.conflicts(&world.id, None, 20, sight).await.unwrap();
    let (held, _) = world.engine.held(&world.id, None, 20).await.unwrap();
    End {
        halo: world.halo_people(),
        links,
        counted: counted(world).await,
        conflicts: conflicts.conflicts.len(),
        held: held.len(),
        log,
    }
}

/// Kills the call at each outside call, with and without the run that follows before the repetition.
async fn killed_everywhere(what: Act) {
    let calm = prepared().await;
    let before = calm.wire.calls();
    act(&calm, what).await;
    let calls = calm.wire.calls() - before;
    assert!(calls > 5, "{what:?}: {calls}");
    calm.quiet().await;
    let expected = end(&calm).await;
    for at in 0..calls {
        for moment in [Moment::Before, Moment::After] {
            let world = prepared().await;
            world.wire.set(world.wire.calls() + at, moment);
            tokio::select! {
                biased;
                () = world.wire.wait() => {}
                () = act(&world, what) => {}
            }
            let place = world.wire.sprung().unwrap_or_else(|| format!("call {at} was not made"));
            act(&world, what).await;
            world.quiet().await;
            assert_eq!(end(&world).await, expected, "{what:?} {place}");
        }
    }
}

#[tokio::test]
async fn a_link_that_is_set_survives_kills() {
    // T2, M3, M7
    killed_everywhere(Act::Set(2, pick(Some(Pick::Record(BEN_TWO)), None))).await;
}

#[tokio::test]
async fn a_record_that_others_claim_survives_kills() {
    // T2, M3
    let user = Some(Pick::Record(SHARED));
    killed_everywhere(Act::Set(3, pick(user, Some(Pick::Record(SPARE_AGENT))))).await;
}

#[tokio::test]
async fn a_link_that_is_cut_survives_kills() {
    // T2, M7
    killed_everywhere(Act::Cut(5, PerKind::both(true))).await;
}

#[tokio::test]
async fn a_new_record_that_is_chosen_survives_kills() {
    // T2, M3
    killed_everywhere(Act::Set(2, pick(Some(Pick::Create), None))).await;
}

#[tokio::test]
async fn a_release_and_a_rejection_survive_kills() {
    // T2, L4
    killed_everywhere(Act::Rule(Says::Release)).await;
    killed_everywhere(Act::Rule(Says::Reject)).await;
}

#[tokio::test]
async fn what_an_administrator_says_while_a_run_writes_stands() {
    // M7: the run decided before the link was set, and stores what came of it afterwards.
    let world = world().await;
    world.entra.update_user(&oid(5), json!({ "displayName": "Eve Ny" }));
    let before = world.wire.calls();
    let calm = crate::small::world().await;
    calm.entra.update_user(&oid(5), json!({ "displayName": "Eve Ny" }));
    let start = calm.wire.calls();
    calm.sync().await;
    let calls = calm.wire.calls() - start;
    drop((before, world));
    for at in (0..calls).step_by(2) {
        let world = crate::small::world().await;
        world.entra.update_user(&oid(5), json!({ "displayName": "Eve Ny" }));
        world.wire.set(world.wire.calls() + at, Moment::After);
        let due = world.state().await.next_due.duration_since(world.engine.clock.now());
        world.pass(due);
        world.tick(Some(&world.wire)).await;
        // The step stops in the middle, the administrator acts, and the step goes on.
        let Some(place) = step_into(&world).await else { continue };
        assert_eq!(records(&world, 5).await.1, None, "{place}");
        settle(&world).await;
        assert_eq!(records(&world, 5).await.1, None, "{place}: it stays cut");
        let linked = world.state().await.linked;
        assert_eq!((linked.user, linked.agent), counted(&world).await, "{place}");
        assert_eq!(world.halo.agent(EVE_AGENT).unwrap()["isdisabled"], false);
    }
}

/// Works until the wire is reached, and cuts Eve's agent there.
async fn step_into(world: &World) -> Option<String> {
    if world.wire.sprung().is_none() {
        world.work(Some(&world.wire)).await.unwrap();
    }
    let place = world.wire.sprung()?;
    let cut = PerKind { user: false, agent: true };
    match world.engine.cut_link("ada", &world.id, id(5), cut).await {
        Ok(_) => Some(place),
        Err(refused) => {
            assert!(refused.to_string().contains("at this moment"), "{place}: {refused}");
            None
        }
    }
}

/// The timer goes on ticking until no run is under way.
async fn settle(world: &World) {
    for _ in 0..20 {
        let state = world.state().await;
        if state.run.is_none() && state.queued.is_none() {
            return;
        }
        world.pass(jiff::SignedDuration::from_mins(4));
        world.engine.tick().await.unwrap();
        world.quiet().await;
    }
}
