//! Accidents that have emptied service desks elsewhere, replayed where everything is set to deactivate:
//! nobody is deactivated wrongly, the operator is told, and the next healthy run is right (L4, L5, D5, D6).

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use plan::ids::ObjectId;
use plan::tally::{Run, RunState};
use sandbox::graph::{Body, Deletion, Expiry, Fault, Removals};
use serde_json::json;
use tests::helpdesk::{Company, id};
use tests::world::World;

/// People of the helpdesk, who are agents and users.
const AGENTS: u8 = 15;
/// All people.
const PEOPLE: u8 = 45;
/// Pages of a full read.
const PAGE: usize = 10;

/// A company whose first import is done, with a guard that would let 20 departures pass and everything
/// else set to deactivate.
async fn imported() -> World {
    let mut company = Company::new();
    company.document["sync"]["out_of_scope"] = json!("deactivate");
    company.document["sync"]["deactivate_missing"] = json!(true);
    company.document["sync"]["deactivate_disabled_users"] = json!(true);
    company.entra.faults(|faults| faults.page_size = PAGE);
    for number in 0..PEOPLE {
        let group = if number < AGENTS { "IT Helpdesk" } else { "Staff" };
        company.hire(number * 5 + 1, &format!("Person {number}"), &[group]);
    }
    let world = company.open().await;
    let run = world.sync().await;
    assert_eq!((run.state, run.counts.created), (RunState::Completed, u64::from(PEOPLE)));
    world.sync_until_quiet().await;
    world
}

fn person(number: u8) -> ObjectId {
    id(number * 5 + 1)
}

/// Numbers of inactive users and agents among those that we made.
fn inactive(world: &World) -> (usize, usize) {
    let users = world.halo.users().iter().filter(|user| user["inactive"] == true).count();
    let agents = world.halo.agents().iter().filter(|agent| agent["isdisabled"] == true).count();
    (users, agents)
}

/// What the operator reads of a run.
async fn told(world: &World, run: &Run) -> String {
    let people = world.people().await;
    let held = people.values().filter_map(|person| person.value.held.as_ref());
    let held = held.map(|held| held.sentence.clone());
    let all = run.error.clone().into_iter().chain(run.warnings.clone()).chain(held);
    all.collect::<Vec<_>>().join("\n")
}

/// A healthy run: somebody who left meanwhile is made inactive, and nobody else.
async fn healthy(world: &World, name: &str) {
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{name}: {run:#?}");
    assert_eq!(inactive(world), (1, 0), "{name}: {run:#?}");
    assert_eq!(world.user(person(AGENTS)).await["inactive"], true, "{name}");
    assert!(world.held().await.is_empty(), "{name}");
}

/// A full read is due, and somebody of the staff has left without a word.
fn full_read_with_a_leaver(world: &World) {
    world.entra.faults(|faults| faults.removals = Removals::Silent);
    world.entra.soft_delete(&person(AGENTS).to_string());
    world.pass(jiff::SignedDuration::from_hours(168));
}

#[tokio::test]
async fn the_source_fails_half_way_through_a_full_read() {
    // D6, L5, C7: it recovers after a while, or not within a run.
    for (failures, ends) in [(3, RunState::Completed), (40, RunState::Failed)] {
        let world = imported().await;
        full_read_with_a_leaver(&world);
        let fault = Fault::Status { code: 503, body: Body::Empty };
        world.entra.fail_after(2, "/v1.0/users/delta", failures, fault);
        let run = world.sync().await;
        assert_eq!(run.state, ends, "{run:#?}");
        if ends == RunState::Failed {
            assert_eq!((inactive(&world), run.counts.deactivated), ((0, 0), 0));
            let said = told(&world, &run).await;
            assert!(said.contains("did not answer properly"), "{said}");
            world.entra.clear_failures();
            healthy(&world, "down").await;
        } else {
            assert_eq!(inactive(&world), (1, 0), "{run:#?}");
        }
    }
}

#[tokio::test]
async fn an_empty_but_successful_answer() {
    // D6, L5: whether the directory counts its people or says that there are none.
    for counted in [None, Some(0)] {
        let world = imported().await;
        full_read_with_a_leaver(&world);
        world.entra.faults(|faults| {
            faults.silent_cap = Some(0);
            faults.user_count = counted;
        });
        let run = world.sync().await;
        assert_eq!((inactive(&world), run.counts.deactivated), ((0, 0), 0), "{run:#?}");
        let said = told(&world, &run).await;
        assert!(said.contains("delivered 0 people"), "{counted:?}: {said}");
        assert!(said.contains("Nobody is deactivated"), "{counted:?}: {said}");
        world.entra.faults(|faults| {
            faults.silent_cap = None;
            faults.user_count = None;
        });
        healthy(&world, "empty").await;
    }
}

#[tokio::test]
async fn a_read_that_is_silently_capped() {
    // D6, L5
    let world = imported().await;
    full_read_with_a_leaver(&world);
    world.entra.faults(|faults| faults.silent_cap = Some(20));
    let run = world.sync().await;
    assert_eq!((inactive(&world), run.counts.deactivated), ((0, 0), 0), "{run:#?}");
    let said = told(&world, &run).await;
    assert!(said.contains("delivered 20 people but counts 44"), "{said}");
    world.entra.faults(|faults| faults.silent_cap = None);
    healthy(&world, "capped").await;
}

#[tokio::test]
async fn an_expired_delta_answered_by_a_full_read_that_ends_early() {
    // D3, D6, L5: in each form in which a link is refused.
    for form in [Expiry::Gone, Expiry::ThirtyDays, Expiry::SyncStateNotFound] {
        let world = imported().await;
        world.entra.faults(|faults| {
            faults.removals = Removals::Silent;
            faults.delta_expiry = form;
            faults.silent_cap = Some(10);
        });
        world.entra.soft_delete(&person(AGENTS).to_string());
        world.entra.expire_delta_links();
        let run = world.sync().await;
        assert_eq!((inactive(&world), run.counts.deactivated), ((0, 0), 0), "{form:?}: {run:#?}");
        let said = told(&world, &run).await;
        assert!(said.contains("delivered 10 people but counts 44"), "{form:?}: {said}");
        world.entra.faults(|faults| faults.silent_cap = None);
        healthy(&world, "expired").await;
    }
}

#[tokio::test]
async fn a_mapped_group_is_deleted() {
    // P3: that of agents, whose site the users are on, and that of users.
    for group in ["IT Helpdesk", "Staff"] {
        for deletion in [Deletion::Hard, Deletion::Soft] {
            let world = imported().await;
            let deleted = world.entra.groups_named(group).remove(0);
            world.entra.delete_group(&deleted, deletion);
            world.entra.soft_delete(&person(AGENTS).to_string());
            let run = world.sync().await;
            assert_eq!(inactive(&world), (1, 0), "{group} {deletion:?}: only who left, {run:#?}");
            let said = told(&world, &run).await;
            let wanted = format!("\"{group}\" was deleted in Entra");
            assert!(said.contains(&wanted), "{group} {deletion:?}: {said}");
            // A full read finds the group just as missing.
            world.pass(jiff::SignedDuration::from_hours(168));
            world.sync().await;
            healthy(&world, group).await;
        }
    }
}

#[tokio::test]
async fn a_mapped_group_is_renamed() {
    // P3: followed by its id where that is pinned; else nobody can say, and nothing is taken.
    for (pinned, wanted) in [(true, "is now called"), (false, "Entra has no group called")] {
        for group in ["IT Helpdesk", "Staff"] {
            let world = imported().await;
            let renamed = world.entra.groups_named(group).remove(0);
            world.entra.rename_group(&renamed, "Something else");
            if !pinned {
                world
                    .edit(|document| {
                        for named in document.groups_mut() {
                            if named.name.as_deref() == Some(group) {
                                named.id = None;
                            }
                        }
                    })
                    .await;
            }
            for number in [0, AGENTS + 1] {
                let person = person(number).to_string();
                world.entra.update_user(&person, json!({ "jobTitle": "Somebody else" }));
            }
            let run = world.sync().await;
            assert_eq!((run.state, inactive(&world)), (RunState::Completed, (0, 0)), "{run:#?}");
            let said = told(&world, &run).await;
            assert!(said.contains(wanted), "{group}, pinned {pinned}: {said}");
            world.entra.rename_group(&renamed, group);
            world.entra.soft_delete(&person(AGENTS).to_string());
            healthy(&world, group).await;
            let titles = [0, AGENTS + 1].map(person);
            for person in titles {
                assert_eq!(world.user(person).await["title"], "Somebody else", "pinned {pinned}");
            }
        }
    }
}
