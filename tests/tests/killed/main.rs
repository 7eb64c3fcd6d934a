//! A worker is killed at each of its outside calls in turn: requests to Graph and Halo, and operations
//! of store, queue and secrets. Each time Halo, the links and the log end as without the kill (T2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is the failure of the test"
)]

mod helpdesk;
mod licences;
mod offices;
mod slow;
mod twice;

use std::collections::BTreeMap;
use std::fmt::Debug;

use jiff::SignedDuration;
use sandbox::server::Moment;
use tests::tripwire::Tripwire;
use tests::world::World;

/// A world, what happens in it, and what must be the same in the end with and without a kill.
trait Scenario {
    type End: Debug + PartialEq;
    /// The world before its first import.
    async fn world(&self) -> World;
    /// How many times something happens; each time the connection runs until nothing is left to do.
    const STEPS: usize;
    /// What happens before a step, in Entra or by an administrator.
    async fn happen(&self, world: &World, step: usize);
    async fn end(&self, world: &World) -> Self::End;
}

/// The timer ticks until a run has nothing to ask of Halo: then nothing is left to repair.
async fn settle(world: &World, wire: Option<&Tripwire>) {
    let (mut runs, _) = world.engine.store.runs(&world.id, None, 1).await.unwrap();
    let mut last = runs.pop().map(|record| record.run.run);
    for _ in 0..60 {
        let state = world.state().await;
        let due = state.next_due.duration_since(world.engine.clock.now());
        let waits = if state.run.is_none() && state.queued.is_none() {
            due.max(SignedDuration::ZERO)
        } else {
            SignedDuration::from_mins(4)
        };
        world.pass(waits);
        world.tick(wire).await;
        world.work(wire).await.unwrap();
        let (mut runs, _) = world.engine.store.runs(&world.id, None, 1).await.unwrap();
        let Some(run) = runs.pop().map(|record| record.run) else { continue };
        if run.state.is_over() && last != Some(run.run) {
            last = Some(run.run);
            if run.requests.halo == 0 {
                return;
            }
        }
    }
    panic!("it never comes to rest: {:#?}", world.last_run().await);
}

async fn live<S: Scenario>(scenario: &S, world: &World, wire: Option<&Tripwire>) {
    for step in 0..S::STEPS {
        match wire {
            // What an administrator does is stored as well: stopped there, it is done again.
            Some(wire) if wire.sprung().is_none() => tokio::select! {
                biased;
                () = wire.wait() => scenario.happen(world, step).await,
                () = scenario.happen(world, step) => {}
            },
            _ => scenario.happen(world, step).await,
        }
        settle(world, wire).await;
    }
}

/// The kills are shared out among several tests, which run side by side.
async fn killed_at_every<S: Scenario>(scenario: S, share: u64, shares: usize) {
    let calm = scenario.world().await;
    let before = calm.wire.calls();
    live(&scenario, &calm, None).await;
    let calls = calm.wire.calls() - before;
    let expected = scenario.end(&calm).await;
    let mut killed = 0;
    for at in (share..calls).step_by(shares) {
        let world = scenario.world().await;
        world.wire.set(before + at, Moment::Before);
        live(&scenario, &world, Some(&world.wire)).await;
        let place = world.wire.sprung().expect("the call is made");
        killed += 1;
        assert_eq!(scenario.end(&world).await, expected, "{place}");
    }
    assert!(killed > 25, "killed at {killed} of {calls} outside calls");
}

/// The log by person: decisions in their order. Killed between Halo's answer and its record, a new
/// record is found and linked: an update in place of a create; and whoever is looked at twice may be
/// updated twice.
async fn decisions(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut log: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in world.log().await {
        let name = entry.decision.name().replace("create", "update");
        let own = log.entry(entry.person.display_name).or_default();
        if own.last() != Some(&name) {
            own.push(name);
        }
    }
    log
}
