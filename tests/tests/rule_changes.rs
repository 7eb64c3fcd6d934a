//! Changed rules: everybody is decided anew from what is stored, and only what was never read is read (I5).

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use std::collections::BTreeMap;

use engine::connections::{Precondition, RulesApply, Saving};
use engine::store::Versioned;
use engine::store::people::Person;
use jiff::SignedDuration;
use plan::ids::ObjectId;
use plan::tally::{Run, RunState, Trigger};
use serde_json::{Value, json};
use tests::helpdesk::{Company, id};
use tests::world::{World, int};

/// Pages of everybody; a full read has at least so many.
const PAGES: usize = 5;

fn person(number: u8) -> ObjectId {
    id(number * 6 + 2)
}

/// Forty people of the staff and a manager with a report, imported; all over the API's own door.
async fn imported() -> World {
    let company = Company::new();
    company.entra.faults(|faults| faults.page_size = 8);
    for number in 0..40 {
        company.hire(number * 6 + 2, &format!("Person {number}"), &["Staff"]);
    }
    let world = company.open().await;
    assert_eq!(world.sync().await.counts.created, 40);
    world.sync_until_quiet().await;
    world
}

/// Saves changed rules as an administrator does, and lets the run come that this starts. Paths of
/// requests to Graph that the run made.
async fn save(world: &World, change: impl FnOnce(&mut Value)) -> (Run, Vec<String>) {
    let saved = world.engine.store.document(&world.id).await.unwrap().unwrap().value;
    let mut document = serde_json::to_value(&saved.document).unwrap();
    change(&mut document);
    let precondition = Precondition::Revision(saved.revision);
    world.pass(SignedDuration::from_mins(1));
    let put = world.engine.put_connection(saving(precondition), &world.id, &document).await;
    put.unwrap();
    world.graph_served.log.clear();
    world.quiet().await;
    let run = world.last_run().await;
    assert_eq!((run.trigger, run.state), (Trigger::RuleChange, RunState::Completed), "{run:#?}");
    let asked = world.graph_served.log.all().into_iter();
    let asked: Vec<String> = asked
        .filter(|seen| seen.path.starts_with("/v1.0"))
        .map(|seen| format!("{}?{}", seen.path, seen.query))
        .collect();
    assert_eq!(asked.len() as u64, run.requests.graph, "{asked:#?}");
    (run, asked)
}

fn saving(precondition: Precondition) -> Saving<'static> {
    Saving { who: "admin", precondition, rules: RulesApply::AtOnce }
}

#[tokio::test]
async fn changed_rules_are_applied_to_what_is_stored() {
    // I5, P9
    let world = imported().await;
    let people = world.people().await;
    let round = world.state().await.reading.round;
    let (run, asked) = save(&world, |document| {
        document["mappings"][3]["target"]["site_id"] = json!(18);
    })
    .await;
    assert_eq!((run.counts.updated, run.requests.halo), (40, 40), "{run:#?}");
    assert_eq!(asked.len(), 2, "the changes of people and of groups, nothing else: {asked:#?}");
    assert_eq!(int(&world.user(person(7)).await["site_id"]), 18);
    assert_eq!(world.state().await.reading.round, round, "the deltas go on where they stood");
    let facts = |people: &BTreeMap<ObjectId, Versioned<Person>>| {
        people.values().map(|person| person.value.facts.clone()).collect::<Vec<_>>()
    };
    assert_eq!(facts(&people), facts(&world.people().await));
    world.sync_until_quiet().await;
}

#[tokio::test]
async fn what_does_not_concern_decisions_starts_nothing() {
    // I5, T4
    let world = imported().await;
    let before = world.last_run().await.run;
    let saved = world.engine.store.document(&world.id).await.unwrap().unwrap().value;
    let mut document = serde_json::to_value(&saved.document).unwrap();
    document["name"] = json!("Contoso Ltd");
    document["sync"]["every_minutes"] = json!(30);
    let precondition = Precondition::Revision(saved.revision);
    world.engine.put_connection(saving(precondition), &world.id, &document).await.unwrap();
    world.quiet().await;
    assert_eq!(world.last_run().await.run, before);
    let next = world.sync().await;
    assert_eq!(next.requests.halo, 0, "{next:#?}");
}

#[tokio::test]
async fn a_property_that_was_never_read_is_read_of_everybody() {
    // I5, D1
    let world = imported().await;
    for number in 0..40 {
        let city = json!({ "city": format!("City {number}") });
        world.entra.update_user(&person(number).to_string(), city);
    }
    let (run, asked) = save(&world, |document| {
        let rows = document["field_mappings"]["users"].as_array_mut().unwrap();
        rows.push(json!({ "from": "city", "to": "other1" }));
    })
    .await;
    let pages = asked.iter().filter(|path| path.starts_with("/v1.0/users/delta")).count();
    assert!(pages >= PAGES, "{asked:#?}");
    assert_eq!(run.counts.updated, 40, "{run:#?}");
    assert_eq!(world.user(person(9)).await["other1"], "City 9");
    world.sync_until_quiet().await;
}

#[tokio::test]
async fn a_group_that_was_never_read_is_read_alone() {
    // I5, P3, R1
    let world = imported().await;
    let group = world.entra.add_group(json!({ "displayName": "New group" }));
    for number in 0..12 {
        world.entra.add_member(&group, &person(number).to_string());
    }
    world.sync_until_quiet().await;
    let (run, asked) = save(&world, |document| {
        let rows = document["roles"]["user_roles"].as_array_mut().unwrap();
        rows.push(json!({ "group": { "name": "New group" }, "role_id": 3 }));
    })
    .await;
    assert_eq!(run.counts.updated, 12, "{run:#?}");
    let pages = asked.iter().filter(|path| path.starts_with("/v1.0/users/delta")).count();
    assert_eq!(pages, 1, "only changes of people: {asked:#?}");
    let own = asked.iter().filter(|path| path.contains(&group)).count();
    assert_eq!(own, 1, "the new group: {asked:#?}");
    assert_eq!(asked.len(), 3, "and changes of the others: {asked:#?}");
    world.sync_until_quiet().await;
}

#[tokio::test]
async fn a_manager_who_becomes_an_agent_by_a_changed_rule_is_named_by_reports() {
    // I5, F6
    let company = Company::new();
    let report = company.hire(0x11, "Report", &["IT Helpdesk"]);
    let manager = company.hire(0x55, "Manager", &["Staff"]);
    company.entra.set_manager(&report.to_string(), Some(&manager.to_string()));
    let world = company.open().await;
    world.sync_until_quiet().await;
    assert_eq!(int(&world.agent(report).await["linemanager"]), 0);
    save(&world, |document| {
        document["mappings"][2]["group"] = json!(null);
        document["mappings"][2]["conditions"] =
            json!([{ "field": "jobTitle", "op": "equals", "value": "technician" }]);
    })
    .await;
    world.sync_until_quiet().await;
    let manager = int(&world.agent(manager).await["id"]);
    assert_eq!(int(&world.agent(report).await["linemanager"]), manager);
}
