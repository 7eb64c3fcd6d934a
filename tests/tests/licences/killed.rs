//! A worker is killed at each of its outside calls in turn, before and after it: in the end everything is
//! as without the kill (T2, S2).

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use sandbox::server::Moment;
use serde_json::{Value, json};
use tests::tripwire::Tripwire;

use crate::desk::{Desk, SUITE, Start, id};

/// What Halo asks for, in this order: the third finds no seat, the fourth makes room, and so the last
/// one finds one.
const STORY: [(&str, usize); 5] =
    [("assign", 1), ("assign", 2), ("assign", 3), ("remove", 4), ("assign", 5)];

/// What must be the same in the end.
#[derive(Debug, PartialEq)]
struct End {
    held: Vec<BTreeSet<String>>,
    states: Vec<(Value, Value, Value)>,
    log: BTreeMap<usize, Vec<&'static str>>,
    open: usize,
    agrees: bool,
}

async fn begin() -> Desk {
    let desk = Desk::open(Start { people: 5, seats: 3, ..Start::default() }).await;
    desk.world.entra.give_licence(&id(4).to_string(), SUITE);
    desk
}

/// A webhook that is not answered is sent again.
async fn ask(desk: &Desk, wire: Option<&Tripwire>, step: usize) -> String {
    let (action, n) = STORY[step];
    let mut body = desk.body(action, n, SUITE);
    body["request"] = json!(format!("story-{step}"));
    match wire {
        Some(wire) if wire.sprung().is_none() => tokio::select! {
            biased;
            () = wire.wait() => desk.ask(&body).await.id(),
            answer = desk.ask(&body) => answer.id(),
        },
        _ => desk.ask(&body).await.id(),
    }
}

async fn live(desk: &Desk, wire: Option<&Tripwire>) -> End {
    let mut ids = Vec::new();
    for step in 0..STORY.len() {
        ids.push(ask(desk, wire, step).await);
        // Their order is that of time.
        desk.world.pass(SignedDuration::from_secs(1));
    }
    for _ in 0..3 {
        desk.world.work(wire).await.unwrap();
        desk.world.pass(SignedDuration::from_mins(4));
        desk.world.tick(wire).await;
    }
    desk.world.work(wire).await.unwrap();
    let mut states = Vec::new();
    for one in ids {
        let now = desk.read(&one).await;
        states.push((now["state"].clone(), now["did"].clone(), now["refusal"]["type"].clone()));
    }
    let mut log: BTreeMap<usize, Vec<&'static str>> = BTreeMap::new();
    for entry in desk.log().await {
        let n = (1..=5).find(|n| id(*n) == entry.person.id).unwrap();
        log.entry(n).or_default().push(entry.decision.name());
    }
    let open = desk.world.engine.store.open_assignments(&desk.world.id, None, 10).await.unwrap();
    let agrees = desk.agrees(5).await;
    End { held: (1..=5).map(|n| desk.held(n)).collect(), states, log, open: open.0.len(), agrees }
}

async fn killed_at_every(moment: Moment) {
    let calm = begin().await;
    let before = calm.world.wire.calls();
    let expected = live(&calm, None).await;
    let calls = calm.world.wire.calls() - before;
    assert!(expected.open == 0 && expected.agrees);
    assert_eq!(expected.states[2].2, "no_free_seats", "{expected:#?}");
    assert_eq!(expected.states[4].0, "done", "{expected:#?}");
    let mut killed = 0;
    // Behind a call it is as before the next one, so every second call with both sides is all of them.
    for at in (0..calls).step_by(2) {
        let desk = begin().await;
        desk.world.wire.set(before + at, moment);
        let end = live(&desk, Some(&desk.world.wire)).await;
        let place = desk.world.wire.sprung().expect("the call is made");
        assert_eq!(end, expected, "{place}");
        assert!(desk.world.entra.consumed(SUITE) <= 3, "{place}");
        killed += 1;
    }
    assert!(killed > 20, "killed at {killed} calls");
}

#[tokio::test]
async fn killed_before_each_call_it_ends_the_same() {
    killed_at_every(Moment::Before).await;
}

#[tokio::test]
async fn killed_behind_each_call_it_ends_the_same() {
    killed_at_every(Moment::After).await;
}
