//! The guard over many runs: users and agents apart, drop by drop, held, released, rejected (L4, L5).

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use jiff::SignedDuration;
use plan::ids::ObjectId;
use plan::link::Says;
use plan::tally::{Counts, RunState};
use sandbox::graph::Removals;
use serde_json::json;
use tests::helpdesk::{Company, id};
use tests::world::World;

/// Agents, who are users as well.
const AGENTS: u8 = 12;
/// Users, agents included.
const USERS: u8 = 24;

fn person(number: u8) -> ObjectId {
    id(number * 8 + 3)
}

/// 24 users, of whom 12 are agents; more than 5 departures a day wait.
async fn imported() -> World {
    let mut company = Company::new();
    let limit = json!({ "count": 5, "percent": 10, "absolute": 200 });
    company.document["guard"] = json!({ "max_deactivations": limit });
    for number in 0..USERS {
        let group = if number < AGENTS { "IT Helpdesk" } else { "Staff" };
        company.hire(number * 8 + 3, &format!("Person {number}"), &[group]);
    }
    let world = company.open().await;
    assert_eq!(world.sync().await.counts.created, u64::from(USERS));
    world.sync_until_quiet().await;
    world
}

fn inactive(world: &World) -> (usize, usize) {
    let users = world.halo.users().iter().filter(|user| user["inactive"] == true).count();
    let agents = world.halo.agents().iter().filter(|agent| agent["isdisabled"] == true).count();
    (users, agents)
}

#[tokio::test]
async fn users_and_agents_are_counted_apart() {
    // L4, R6: six agents are too many, three users are not.
    let world = imported().await;
    for number in 0..6 {
        world.enable(person(number), false);
    }
    for number in AGENTS..AGENTS + 3 {
        world.entra.soft_delete(&person(number).to_string());
    }
    world.entra.update_user(&person(20).to_string(), json!({ "jobTitle": "Captain" }));
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Held, "{run:#?}");
    let counts = Counts { held: 6, deactivated: 3, updated: 1, ..Counts::default() };
    assert_eq!(run.counts, counts, "updates go on");
    assert_eq!(inactive(&world), (3, 0));
    let held: Vec<ObjectId> = (0..6).map(person).collect();
    assert_eq!(world.held().await, held);
    for person in held {
        let held = world.people().await[&person].value.held.clone().unwrap();
        assert_eq!(held.run, run.run);
        assert!(held.sentence.starts_with("The Entra account is disabled."), "{held:?}");
        assert!(held.sentence.contains("an administrator has to release it"), "{held:?}");
        world.entry(&run, person).await;
    }
}

#[tokio::test]
async fn what_is_held_is_told_once_and_newcomers_and_changes_go_on() {
    // L4, B1
    let world = imported().await;
    for number in 0..6 {
        world.enable(person(number), false);
    }
    let first = world.sync().await;
    let entries = world.log().await.len();
    let again = world.sync().await;
    assert_eq!((again.state, again.counts.held), (RunState::Held, 6), "{again:#?}");
    assert_eq!(again.requests.halo, 0);
    assert_eq!(world.log().await.len(), entries, "told once");
    let held = world.people().await[&person(0)].value.held.clone().unwrap();
    assert_eq!(held.run, first.run, "the run that held them first");

    let starter = id(0xfe);
    world.entra.add_user(json!({ "id": starter.to_string(), "displayName": "Starter",
        "surname": "New", "userPrincipalName": "starter@contoso.example",
        "mail": "starter@contoso.example", "accountEnabled": true }));
    world.join("Staff", starter);
    world.entra.update_user(&person(0).to_string(), json!({ "jobTitle": "Captain" }));
    let run = world.sync().await;
    assert_eq!(run.counts.created, 1, "{run:#?}");
    assert_eq!(
        world.user(person(0)).await["title"],
        "Captain",
        "the user record of one who is held"
    );
    world.enable(person(0), true);
    let run = world.sync().await;
    assert_eq!(run.counts.held, 0, "five are not too many: {run:#?}");
    assert_eq!((inactive(&world), world.held().await), ((0, 5), vec![]));
}

#[tokio::test]
async fn drop_by_drop_the_day_counts_and_passes_after_it() {
    // L4
    let world = imported().await;
    let leaves = |number: u8| world.entra.soft_delete(&person(AGENTS + number).to_string());
    for number in 0..5 {
        leaves(number);
        let run = world.sync().await;
        assert_eq!(run.counts, Counts { deactivated: 1, ..Counts::default() }, "{run:#?}");
    }
    leaves(5);
    let run = world.sync().await;
    assert_eq!((run.state, run.counts.held), (RunState::Held, 1), "{run:#?}");
    assert_eq!(inactive(&world), (5, 0));
    world.pass(SignedDuration::from_hours(20));
    assert_eq!(world.sync().await.counts.held, 1, "still the same day");
    world.pass(SignedDuration::from_hours(6));
    let run = world.sync().await;
    assert_eq!(run.counts, Counts { deactivated: 1, ..Counts::default() }, "{run:#?}");
    assert_eq!((inactive(&world), world.held().await), ((6, 0), vec![]));
}

#[tokio::test]
async fn a_release_and_a_rejection_hold_for_the_person_and_for_a_time() {
    // L4
    let world = imported().await;
    for number in AGENTS..AGENTS + 9 {
        world.entra.soft_delete(&person(number).to_string());
    }
    let run = world.sync().await;
    assert_eq!(run.counts.held, 9, "{run:#?}");
    let [released, rejected, late] = [0, 1, 2].map(|number| person(AGENTS + number));
    world.rule(released, Says::Release, 24 * 7).await;
    world.rule(rejected, Says::Reject, 24 * 7).await;
    world.rule(late, Says::Release, 0).await;
    let run = world.sync().await;
    let entry = world.entry(&run, released).await;
    let told = entry.decision.sentences().collect::<Vec<_>>().join(" ");
    assert!(told.contains("released"), "{told}");
    assert_eq!(world.user(released).await["inactive"], true);
    assert_eq!(world.user(rejected).await["inactive"], false);
    assert_eq!(world.user(late).await["inactive"], false, "it said so too long ago");
    assert!(world.link(released).await.ruling.is_none(), "a release is used up");
    let held = world.held().await;
    assert!(!held.contains(&released) && !held.contains(&rejected), "{held:?}");
    assert_eq!((run.counts.deactivated, run.counts.held), (1, 7), "{run:#?}");

    // Of those who wait two come back: the rest is not too many, since what was released does not count.
    for number in AGENTS + 7..AGENTS + 9 {
        world.entra.restore(&person(number).to_string());
    }
    let run = world.sync().await;
    assert_eq!((run.counts.deactivated, run.counts.held), (5, 0), "{run:#?}");
    assert_eq!(inactive(&world), (6, 0));
    assert_eq!(world.user(rejected).await["inactive"], false);
    world.pass(SignedDuration::from_hours(24 * 7));
    world.sync_until_quiet().await;
    assert_eq!(world.user(rejected).await["inactive"], true, "a rejection expires as well");
}

#[tokio::test]
async fn a_release_is_no_leave_for_an_incomplete_read() {
    // L5
    let world = imported().await;
    for number in AGENTS..AGENTS + 6 {
        world.entra.soft_delete(&person(number).to_string());
    }
    world.sync().await;
    world.rule(person(AGENTS), Says::Release, 24 * 30).await;
    world.entra.faults(|faults| {
        faults.removals = Removals::Silent;
        faults.silent_cap = Some(3);
    });
    world.pass(SignedDuration::from_hours(168));
    let run = world.sync().await;
    assert_eq!((run.counts.deactivated, inactive(&world)), (0, (0, 0)), "{run:#?}");
    assert!(run.warnings.iter().any(|told| told.contains("Nobody is deactivated")), "{run:#?}");
    world.entra.faults(|faults| faults.silent_cap = None);
    world.sync().await;
    assert_eq!(world.user(person(AGENTS)).await["inactive"], true, "the next complete one may");
}
