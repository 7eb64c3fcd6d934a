//! An administrator's call is killed at each of its outside calls in turn and repeated: everything ends
//! as without the kill (T2).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::Engine;
use engine::clock::Deadline;
use engine::connections::{LinkChoice, Refusal};
use engine::queue::Queue;
use engine::store::{Commit, Key, Page, Range, Record, Store, StoreError, Table, Write};
use jiff::SignedDuration;
use plan::ids::{ConnectionId, PerKind};
use plan::link::Says;
use plan::relink::Pick;
use sandbox::server::Moment;
use serde_json::json;
use tests::world::World;

use crate::small::{BEN_TWO, SHARED, SPARE, SPARE_AGENT, counted, id, oid, records, upn, world};

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
    say(&world.engine, &world.id, act).await.unwrap();
}

async fn say(engine: &Engine, connection: &ConnectionId, act: Act) -> Result<(), Refusal> {
    match act {
        Act::Set(n, choice) => engine.set_link("ada", connection, id(n), choice).await.map(drop),
        Act::Cut(n, kinds) => engine.cut_link("ada", connection, id(n), kinds).await.map(drop),
        Act::Rule(says) => {
            let (held, _) = engine.held(connection, None, 10).await?;
            let run = held[0].run;
            engine.rule("ada", connection, run, None, says).await.map(drop)
        }
    }
}

/// What must be the same with and without a kill.
#[derive(Debug, PartialEq)]
pub(crate) struct End {
    halo: Vec<String>,
    pub(crate) links: BTreeMap<u32, (Option<i64>, Option<i64>)>,
    counted: (u64, u64),
    conflicts: usize,
    held: usize,
    log: BTreeMap<String, Vec<String>>,
}

pub(crate) async fn end(world: &World) -> End {
    let mut links = BTreeMap::new();
    for n in 1..=7 {
        links.insert(n, records(world, n).await);
    }
    let linked = world.state().await.linked;
    assert_eq!((linked.user, linked.agent), counted(world).await);
    let mut log: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in world.log().await {
        // Killed between Halo's answer and its record, what was made is found: an update.
        let name = entry.decision.name().replace("create", "update");
        log.entry(entry.person.display_name).or_default().push(name);
    }
    // Entries of one instant stand in no order.
    for names in log.values_mut() {
        names.sort();
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

/// Kills the call, and the run that follows it, at each change that they make. A call that was killed is
/// repeated.
async fn killed_everywhere(what: Act) {
    let calm = prepared().await;
    let before = calm.wire.calls();
    act(&calm, what).await;
    let own = calm.wire.calls() - before;
    calm.quiet().await;
    let calls = calm.wire.calls() - before;
    let expected = end(&calm).await;
    assert!(own > 1 && calls > own + 3, "{what:?}: {own} of {calls}");
    for at in 0..calls {
        let world = prepared().await;
        world.wire.set(world.wire.calls() + at, Moment::Before);
        tokio::select! {
            biased;
            () = world.wire.wait() => act(&world, what).await,
            () = act(&world, what) => {}
        }
        world.work(Some(&world.wire)).await.unwrap();
        let Some(place) = world.wire.sprung() else { continue };
        settle(&world).await;
        assert_eq!(end(&world).await, expected, "{what:?} {place}");
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

/// A store in front of which an administrator acts, just before its n-th transaction.
#[derive(Debug)]
struct Meddling {
    engine: Engine,
    connection: ConnectionId,
    left: AtomicI64,
    act: Act,
    done: Mutex<Option<Result<(), String>>>,
}

#[async_trait]
impl Table for Meddling {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.engine.store.get(keys).await
    }

    async fn query(&self, range: &Range) -> Result<Page, StoreError> {
        self.engine.store.query(range).await
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        if self.left.fetch_sub(1, SeqCst) == 0 {
            let done = say(&self.engine, &self.connection, self.act).await;
            *self.done.lock().unwrap() = Some(done.map_err(|refused| refused.to_string()));
        }
        self.engine.store.commit(writes).await
    }

    async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.engine.store.write_all(writes).await
    }
}

/// Runs the connection with an administrator who acts before transaction `at`. `None` = there were not
/// so many.
async fn meddled(world: &World, at: i64, act: Act) -> Option<Result<(), String>> {
    let (engine, connection) = (world.engine.clone(), world.id.clone());
    let (left, done) = (AtomicI64::new(at), Mutex::new(None));
    let table = Arc::new(Meddling { engine, connection, left, act, done });
    let mut engine = world.engine.clone();
    engine.store = Store::new(table.clone(), world.engine.clock.clone());
    let due = world.state().await.next_due.duration_since(world.engine.clock.now());
    world.pass(due);
    world.engine.tick().await.unwrap();
    // What another worker was about to store is left to its next try, as in life.
    while let Some(due) = world.queue.next_due() {
        let now = world.engine.clock.now();
        if due > now {
            world.pass(due.duration_since(now));
        }
        for delivery in world.queue.receive(1, Duration::ZERO).await.unwrap() {
            let deadline = Deadline(world.engine.clock.now() + SignedDuration::from_secs(45));
            if engine.step(&delivery.message.unwrap(), deadline).await.is_ok() {
                world.queue.delete(&delivery.receipt).await.unwrap();
            }
        }
    }
    table.done.lock().unwrap().take()
}

#[tokio::test]
async fn what_an_administrator_says_while_a_run_writes_stands() {
    // M3, M7, L4: said before each transaction of a run in turn.
    let agent = PerKind { user: false, agent: true };
    let to_ben = pick(Some(Pick::Record(BEN_TWO)), None);
    let to_spare = pick(Some(Pick::Record(SPARE)), None);
    let acts = [
        (5, Act::Cut(5, agent)),
        (2, Act::Set(2, to_ben)),
        (1, Act::Cut(1, PerKind::both(true))),
        // Somebody who is about to be made.
        (8, Act::Set(8, to_spare)),
    ];
    for (n, act) in acts {
        let mut said = 0;
        for at in 0.. {
            let world = world().await;
            if n == 8 {
                world.entra.add_user(json!({ "id": oid(8), "displayName": "Hal", "surname": "Hal",
                    "userPrincipalName": upn(8), "mail": upn(8), "department": "Sales",
                    "accountEnabled": true, "userType": "Member" }));
            } else {
                world.entra.update_user(&oid(n), json!({ "department": "IT" }));
            }
            let Some(done) = meddled(&world, at, act).await else { break };
            settle(&world).await;
            if let Err(refused) = done {
                let known = ["at this moment", "has not told of"];
                let known = known.iter().any(|text| refused.contains(text));
                assert!(known, "{act:?} {at}: {refused}");
                continue;
            }
            said += 1;
            let (user, agent) = records(&world, n).await;
            let stands = match act {
                Act::Set(_, choice) => user.map(Pick::Record) == choice.user,
                Act::Cut(_, kinds) => agent.is_none() && (!kinds.user || user.is_none()),
                Act::Rule(_) => true,
            };
            assert!(stands, "{act:?} before transaction {at}: {user:?} {agent:?}");
            let linked = world.state().await.linked;
            assert_eq!((linked.user, linked.agent), counted(&world).await, "{act:?} {at}");
            let dirty = world.people().await.into_values().any(|it| it.value.pending.is_some());
            assert!(!dirty, "{act:?} {at}: everybody was looked at");
        }
        assert!(said > 2, "{act:?}: {said}");
    }
}

/// The timer goes on ticking until no run is under way.
pub(crate) async fn settle(world: &World) {
    for _ in 0..20 {
        let state = world.state().await;
        if state.run.is_none() && state.queued.is_none() {
            return;
        }
        world.pass(SignedDuration::from_mins(4));
        world.engine.tick().await.unwrap();
        world.quiet().await;
    }
}
