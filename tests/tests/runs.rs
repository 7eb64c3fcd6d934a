//! Whole runs over real HTTP on embedded storage: what ends up in Halo, what it cost, what the log says.

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use std::collections::BTreeMap;

use engine::halo::RequestLimit;
use engine::store::connections::Authorisation;
use engine::store::log::{Entry, OutcomeKind};
use jiff::SignedDuration;
use plan::budget::Limits;
use plan::document::OutOfScope;
use plan::link::LinkedBy;
use plan::tally::{Counts, Run, RunState};
use sandbox::graph::{Body, Deletion, Endless, Expiry, Fault};
use sandbox::halo::{Fault as HaloFault, RefusalShape};
use serde_json::json;
use tests::world::{Setup, World, int};

/// A world whose first import is done.
async fn imported() -> (World, Run) {
    let world = World::new(Setup::default()).await;
    let run = world.sync().await;
    (world, run)
}

/// The id of somebody by user principal name.
fn oid(world: &World, upn: &str) -> String {
    world.entra.user(upn).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Some linked, active, ordinary person who nobody reports to and who is no agent.
async fn ordinary(world: &World, skip: usize) -> String {
    let people = world.people().await;
    let managers: Vec<_> = people.values().filter_map(|p| p.value.facts.manager).collect();
    let mut fitting = people.iter().filter(|(id, person)| {
        let person = &person.value;
        let office = person.link.user.as_ref().is_some_and(|link| {
            link.mapping.as_ref().is_some_and(|mapping| mapping.as_str() == "offices")
        });
        office && person.link.agent.is_none() && person.facts.enabled() && !managers.contains(id)
    });
    fitting.nth(skip).unwrap().0.to_string()
}

fn halo_user(world: &World, oid: &str) -> serde_json::Value {
    let ids = world.halo.users_with_azureoid(oid);
    assert_eq!(ids.len(), 1, "exactly one Halo user carries {oid}");
    world.halo.user(ids[0]).unwrap()
}

async fn entries_of(world: &World, run: &Run) -> Vec<Entry> {
    world.log().await.into_iter().filter(|entry| entry.run == run.run).collect()
}

fn total(counts: &Counts) -> u64 {
    let Counts {
        created,
        updated,
        unchanged,
        deactivated,
        reactivated,
        conflict,
        held,
        not_in_scope,
        failed,
        moved,
    } = counts;
    created
        + updated
        + unchanged
        + deactivated
        + reactivated
        + conflict
        + held
        + not_in_scope
        + failed
        + moved
}

#[tokio::test]
async fn the_first_import_accounts_for_everybody() {
    // B1, T6, M4, H3
    let strangers = |world: &World| -> Vec<serde_json::Value> {
        let unknown = |user: &serde_json::Value| {
            let mail = user["emailaddress"].as_str().unwrap_or_default();
            mail.ends_with("fabrikam.example") || user["name"] == "General User"
        };
        // Halo gives each site that is made a General User of its own.
        let there = |user: &serde_json::Value| int(&user["id"]) < 999;
        world.halo.users().into_iter().filter(unknown).filter(there).collect()
    };
    let world = World::new(Setup::default()).await;
    let before = strangers(&world);
    assert!(before.len() > 6);
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    assert_eq!(total(&run.counts), 250);
    let log = world.log().await;
    assert_eq!(log.len() as u64 + run.counts.unchanged, 250, "each is logged or unchanged");
    let mut each: BTreeMap<_, u32> = BTreeMap::new();
    for entry in &log {
        *each.entry(entry.person.id).or_default() += 1;
        assert!(entry.decision.sentences().next().is_some());
    }
    assert!(each.values().all(|count| *count == 1), "nobody is logged twice");
    assert!(run.counts.created > 100 && run.counts.updated > 30, "{:?}", run.counts);
    assert_eq!(strangers(&world), before, "T6: people whom we do not know are not touched");
    let people = world.people().await;
    let mut users: Vec<_> =
        people.values().filter_map(|p| Some(p.value.link.user.as_ref()?.record)).collect();
    let links = users.len();
    users.sort();
    users.dedup();
    assert_eq!(users.len(), links, "no Halo user is linked twice");
    let writes = world.halo.writes().iter().filter(|w| w.path.starts_with("/api/Users")).count();
    assert_eq!(writes as u64, run.counts.created + run.counts.updated, "H3: one write each");
    let seen = world.halo_served.log.all();
    let read = seen.iter().filter(|it| it.method == "GET" && it.path.starts_with("/api/Users/"));
    let found = people.values().filter_map(|p| Some(&p.value.link.user.as_ref()?.how));
    let found = found.filter(|how| **how != LinkedBy::Created).count();
    assert_eq!(read.count(), found, "H3: one read of each that was found");
    let mut names: Vec<String> =
        world.halo.sites().iter().map(|site| site["name"].to_string().to_lowercase()).collect();
    let sites = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), sites, "P6: two spellings of one name never make two sites");
}

#[tokio::test]
async fn a_quiet_run_costs_the_same_for_any_size() {
    // T4
    let mut costs = Vec::new();
    for size in [20, 2_000] {
        let mut setup = Setup { entra: sandbox::sample::large(size, 1), ..Setup::default() };
        setup.edit = |document| {
            document["roles"] = json!({});
            document["mappings"] = json!([{ "id": "all", "sequence": 1,
                "target": { "type": "site", "site_id": document["mappings"][0]["target"]["site_id"] } }]);
        };
        let world = World::new(setup).await;
        let first = world.sync().await;
        assert_eq!(total(&first.counts), size as u64);
        world.sync().await;
        let before = world.engine.store.operations();
        let run = world.sync().await;
        assert_eq!((run.requests.graph, run.requests.halo), (1, 0), "one stream, no Halo");
        assert_eq!(total(&run.counts), 0);
        costs.push(world.engine.store.operations() - before);
    }
    assert_eq!(costs[0], costs[1], "store operations");
}

#[tokio::test]
async fn three_changes_are_three_writes() {
    // T4, H3, P9, D5, L1
    let (world, _) = imported().await;
    let (moves, leaves) = (ordinary(&world, 0).await, ordinary(&world, 1).await);
    world
        .entra
        .update_user(&moves, json!({ "officeLocation": "Reykjavík", "jobTitle": "Head of Ice" }));
    world.entra.soft_delete(&leaves);
    let joins = world.entra.add_user(json!({ "displayName": "Zoë Nguyễn", "surname": "Nguyễn",
        "userPrincipalName": "zoe@contoso.example", "mail": "zoe@contoso.example",
        "accountEnabled": true, "userType": "Member" }));
    world.halo.clear_writes();
    let run = world.sync().await;
    let counts = Counts { created: 1, updated: 1, deactivated: 1, ..Counts::default() };
    assert_eq!(run.counts, counts);
    let writes = world.halo.writes();
    let users: Vec<_> =
        writes.iter().filter(|write| write.path.starts_with("/api/Users")).collect();
    assert_eq!(users.len(), 3);
    let at_ice = halo_user(&world, &moves);
    let site = world.halo.sites().into_iter().find(|site| site["name"] == "Reykjavík").unwrap();
    assert_eq!(
        (int(&at_ice["site_id"]), &at_ice["title"]),
        (int(&site["id"]), &json!("Head of Ice"))
    );
    let sent = users.iter().find(|write| write.id == int(&at_ice["id"])).unwrap();
    let fields: Vec<&String> = sent.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id", "site_id", "title"], "H3: only what changed");
    assert_eq!(halo_user(&world, &leaves)["inactive"], true);
    assert_eq!(halo_user(&world, &joins)["name"], "Zoë Nguyễn");
    let entries = entries_of(&world, &run).await;
    let decisions: Vec<&str> = entries.iter().map(|entry| entry.decision.name()).collect();
    assert_eq!(entries.len(), 3, "{decisions:?}");
}

#[tokio::test]
async fn somebody_who_returns_is_active_again() {
    // L3, L6
    let (world, _) = imported().await;
    let person = ordinary(&world, 0).await;
    world.entra.soft_delete(&person);
    world.sync().await;
    assert_eq!(halo_user(&world, &person)["inactive"], true);
    world.entra.restore(&person);
    let run = world.sync().await;
    assert_eq!(run.counts, Counts { reactivated: 1, ..Counts::default() });
    assert_eq!(halo_user(&world, &person)["inactive"], false);
}

#[tokio::test]
async fn settings_decide_whether_departures_count() {
    // D5, P8, L2
    let (world, _) = imported().await;
    let (gone, out, disabled) =
        (ordinary(&world, 0).await, ordinary(&world, 1).await, ordinary(&world, 2).await);
    world.edit(|document| document.sync.deactivate_missing = false).await;
    world.entra.soft_delete(&gone);
    world.entra.update_user(&out, json!({ "surname": null }));
    world.entra.update_user(&disabled, json!({ "accountEnabled": false }));
    let run = world.sync().await;
    assert_eq!(run.counts.deactivated, 0);
    for person in [&gone, &out, &disabled] {
        assert_eq!(halo_user(&world, person)["inactive"], false);
    }
    world
        .edit(|document| {
            document.sync.out_of_scope = OutOfScope::Deactivate;
            document.sync.deactivate_disabled_users = true;
            document.sync.deactivate_missing = true;
        })
        .await;
    for person in [&out, &disabled] {
        world.entra.update_user(person, json!({ "jobTitle": "Gone fishing" }));
    }
    let run = world.sync().await;
    assert_eq!(run.counts.deactivated, 2, "{run:#?}");
}

#[tokio::test]
async fn who_is_not_in_a_complete_full_read_is_missing_and_only_then() {
    // D5, D6, L5
    let (world, _) = imported().await;
    let gone = ordinary(&world, 0).await;
    world.entra.faults(|faults| faults.silent_cap = Some(100));
    world.entra.faults(|faults| faults.removals = sandbox::graph::Removals::Silent);
    world.entra.soft_delete(&gone);
    world.pass(SignedDuration::from_hours(168));
    let capped = world.sync().await;
    assert_eq!(capped.counts.deactivated, 0);
    assert!(
        capped.warnings.iter().any(|text| text.contains("Nobody is deactivated")),
        "{capped:#?}"
    );
    assert_eq!(halo_user(&world, &gone)["inactive"], false);
    world.entra.faults(|faults| faults.silent_cap = None);
    world.pass(SignedDuration::from_hours(168));
    let complete = world.sync().await;
    assert_eq!(complete.counts.deactivated, 1, "{complete:#?}");
    assert_eq!(halo_user(&world, &gone)["inactive"], true);
}

#[tokio::test]
async fn expired_links_lead_to_one_full_read() {
    // D3
    for form in [Expiry::Gone, Expiry::ThirtyDays, Expiry::SyncStateNotFound] {
        let (world, _) = imported().await;
        let person = ordinary(&world, 0).await;
        world.entra.faults(|faults| faults.delta_expiry = form);
        world.entra.expire_delta_links();
        world.entra.update_user(&person, json!({ "jobTitle": "Renamed meanwhile" }));
        let run = world.sync().await;
        assert_eq!(run.state, RunState::Completed, "{form:?}: {run:#?}");
        assert_eq!(run.counts, Counts { updated: 1, ..Counts::default() }, "{form:?}");
        assert!(run.requests.graph > 4, "everybody was read");
    }
    // A second in a row stops the run, and nobody is deactivated.
    let (world, _) = imported().await;
    let gone = Fault::Status { code: 410, body: Body::Empty };
    world.entra.fail_next("/v1.0/users/delta", 2, gone);
    let run = world.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Failed, 0));
    assert!(run.error.unwrap().contains("refused it (HTTP 410)"));
    // A link that never works costs one full read in each run, and no more.
    world.entra.faults(|faults| faults.endless_gone = true);
    for _ in 0..2 {
        let run = world.sync().await;
        assert_eq!((run.state, total(&run.counts)), (RunState::Completed, 0), "{run:#?}");
    }
}

#[tokio::test]
async fn endless_pages_stop_the_read() {
    // D7
    for endless in [Endless::SameLink, Endless::FreshLinks] {
        let (world, _) = imported().await;
        world.entra.faults(|faults| faults.endless = Some(endless));
        let run = world.sync().await;
        assert_eq!((run.state, run.counts.deactivated), (RunState::Failed, 0), "{endless:?}");
        let text = run.error.clone().unwrap();
        assert!(text.contains("repeats pages") && text.contains("reset the deltas"), "{text}");
        world.entra.faults(|faults| faults.endless = None);
        let next = world.sync().await;
        assert_eq!(next.state, RunState::Completed, "{next:#?}");
    }
}

#[tokio::test]
async fn passing_faults_of_graph_pass() {
    // C7, T5: throttling in its three forms, 5xx, broken answers.
    let throttle = |after: Option<&str>| Fault::Throttle { retry_after: after.map(str::to_owned) };
    let faults = [
        throttle(Some("7")),
        throttle(Some("0.5")),
        throttle(None),
        Fault::Unavailable { retry_after: Some("3".to_owned()) },
        Fault::Status { code: 502, body: Body::Empty },
        Fault::HtmlPage,
        Fault::TruncatedBody,
        Fault::ResetConnection,
        Fault::Empty,
    ];
    let (world, _) = imported().await;
    for (number, fault) in faults.into_iter().enumerate() {
        let person = ordinary(&world, 0).await;
        let title = format!("Title {number}");
        world.entra.update_user(&person, json!({ "jobTitle": title }));
        world.entra.fail_next("/v1.0/users/delta", 2, fault.clone());
        let run = world.sync().await;
        assert_eq!(run.state, RunState::Completed, "{fault:?}: {run:#?}");
        assert_eq!(halo_user(&world, &person)["title"], title.as_str(), "{fault:?}");
        assert!(world.state().await.is_authorised(), "{fault:?}");
    }
}

#[tokio::test]
async fn passing_faults_of_halo_pass() {
    // H2, H5, M6, T2
    let throttle =
        |after: Option<&str>| HaloFault::Throttle { retry_after: after.map(str::to_owned) };
    let faults = [
        throttle(Some("7")),
        throttle(Some("1.5")),
        throttle(None),
        HaloFault::Status { code: 503, body: String::new() },
        HaloFault::ReplyLost,
        HaloFault::TruncatedBody,
        HaloFault::ResetConnection,
        HaloFault::Empty,
    ];
    let (world, _) = imported().await;
    for (number, fault) in faults.into_iter().enumerate() {
        let upn = format!("starter{number}@contoso.example");
        world.entra.add_user(json!({ "displayName": format!("Starter {number}"), "surname": "New",
            "userPrincipalName": upn, "mail": upn, "accountEnabled": true, "userType": "Member" }));
        world.halo.fail_next("/api/Users", "POST", 1, fault.clone());
        let run = world.sync().await;
        assert_eq!(run.state, RunState::Completed, "{fault:?}: {run:#?}");
        let made = halo_user(&world, &oid(&world, &upn));
        assert_eq!(made["emailaddress"], upn.as_str(), "{fault:?}: made exactly once");
    }
}

#[tokio::test]
async fn one_sick_person_is_parked_and_the_rest_go_on() {
    // T5, H5: every shape of a refusal.
    for shape in RefusalShape::ALL {
        let (world, _) = imported().await;
        let (sick, well) = (ordinary(&world, 0).await, ordinary(&world, 1).await);
        for person in [&sick, &well] {
            world.entra.update_user(person, json!({ "jobTitle": "Captain" }));
        }
        world.halo.fail_next("/api/Users", "POST", 1, HaloFault::Refusal(shape));
        let run = world.sync().await;
        assert_eq!((run.counts.failed, run.counts.updated), (1, 1), "{shape:?}: {run:#?}");
        let entries = entries_of(&world, &run).await;
        let failed = entries.iter().find(|entry| entry.outcome == OutcomeKind::Failed).unwrap();
        let text = failed.error.as_ref().unwrap();
        assert!(text.len() < 700 && !text.contains('<'), "{shape:?}: {text}");
        assert!(text.starts_with("Could not update"), "{shape:?}: {text}");
        // It is tried again by itself once its time has come.
        world.pass(SignedDuration::from_mins(6));
        let again = world.sync().await;
        assert_eq!(again.counts, Counts { updated: 1, ..Counts::default() }, "{shape:?}");
        assert!(
            world.people().await.values().all(|p| p
                .value
                .parked
                .as_ref()
                .is_none_or(|p| p.until.is_none()))
        );
    }
}

#[tokio::test]
async fn refused_credentials_stop_the_schedule_and_say_so() {
    // C7
    let (world, _) = imported().await;
    world.entra.set_secret("another secret", None);
    world.pass(SignedDuration::from_hours(2));
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Failed);
    assert!(run.error.unwrap().contains("AADSTS7000215"));
    let Authorisation::Reauthorise { reason, .. } = world.state().await.authorisation else {
        unreachable!("the connection asks for new credentials")
    };
    assert!(reason.contains("Enter the value"), "{reason}");
    let again = world.sync().await;
    assert_eq!(again.run, run.run, "the schedule stopped");
}

#[tokio::test]
async fn a_deleted_or_renamed_group_takes_nothing_from_anybody() {
    // P3
    let (world, _) = imported().await;
    world.edit(|document| document.sync.out_of_scope = OutOfScope::Deactivate).await;
    let group = world.entra.groups_named("All Sales").remove(0);
    world.entra.rename_group(&group, "Alle im Vertrieb");
    let renamed = world.sync().await;
    assert_eq!(renamed.counts.deactivated + renamed.counts.updated, 0, "{renamed:#?}");
    assert!(renamed.warnings.iter().any(|text| text.contains("is now called")), "{renamed:#?}");
    world.entra.delete_group(&group, Deletion::Hard);
    let deleted = world.sync().await;
    assert_eq!((deleted.counts.deactivated, deleted.counts.held), (0, 0), "{deleted:#?}");
    assert_eq!(deleted.counts.updated, 0, "nobody moves because of it");
    assert!(
        deleted.warnings.iter().any(|text| text.contains("was deleted in Entra")),
        "{deleted:#?}"
    );
}

#[tokio::test]
async fn reports_learn_of_their_managers_new_name() {
    // F6
    let (world, _) = imported().await;
    let people = world.people().await;
    let report = people
        .values()
        .find_map(|person| person.value.link.user.as_ref().and(person.value.facts.manager))
        .unwrap();
    let reports = people
        .values()
        .filter(|p| p.value.link.is_linked() && p.value.facts.manager == Some(report))
        .count() as u64;
    world.entra.update_user(&report.to_string(), json!({ "displayName": "A New Name" }));
    let run = world.sync().await;
    assert!(run.counts.updated >= reports, "{reports} reports, {:?}", run.counts);
    let shown = world.halo.users().iter().filter(|user| user["admanager"] == "A New Name").count();
    assert_eq!(shown as u64, reports);
}

#[tokio::test]
async fn nested_members_follow_their_groups() {
    // P3, P9
    let (world, _) = imported().await;
    let person = ordinary(&world, 0).await;
    let sales = int(&world
        .engine
        .store
        .document(&world.id)
        .await
        .unwrap()
        .map(|saved| {
            serde_json::to_value(&saved.value.document).unwrap()["mappings"][0]["target"]["site_id"]
                .clone()
        })
        .unwrap());
    let all = world.entra.groups_named("All Sales").remove(0);
    let inner = world.entra.add_group(json!({ "displayName": "Sales Nordics" }));
    world.entra.add_member(&inner, &person);
    world.sync().await;
    assert_ne!(int(&halo_user(&world, &person)["site_id"]), sales);
    world.entra.add_member(&all, &inner);
    let run = world.sync().await;
    assert_eq!(run.counts.updated, 1, "{run:#?}");
    assert_eq!(int(&halo_user(&world, &person)["site_id"]), sales);
    world.entra.remove_member(&all, &inner);
    let back = world.sync().await;
    assert_eq!(back.counts.updated, 1, "{back:#?}");
    assert_ne!(int(&halo_user(&world, &person)["site_id"]), sales);
}

#[tokio::test]
async fn a_connection_without_delta_reads_everybody_each_time() {
    // D1
    let edit = |document: &mut serde_json::Value| document["sync"]["delta"] = json!(false);
    let world = World::new(Setup { edit, ..Setup::default() }).await;
    let first = world.sync().await;
    assert_eq!(total(&first.counts), 250);
    let (with_delta, _) = imported().await;
    assert_eq!(world.halo_people(), with_delta.halo_people(), "both ways end the same");
    let gone = ordinary(&world, 0).await;
    world.entra.soft_delete(&gone);
    let run = world.sync().await;
    assert_eq!(run.counts, Counts { deactivated: 1, ..Counts::default() }, "{run:#?}");
}

#[tokio::test]
async fn the_budget_is_kept_and_the_run_ends_all_the_same() {
    // H2
    let limits = Limits { requests: 60, window: 300 };
    let setup = Setup { limit: RequestLimit::Shared(limits), ..Setup::default() };
    setup.halo.turn(|knobs| {
        let hosted = sandbox::halo::RateLimit::HOSTED;
        knobs.rate_limit = Some(sandbox::halo::RateLimit { requests: 60, ..hosted });
    });
    let world = World::new(setup).await;
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    assert_eq!(total(&run.counts), 250);
    let refused = world.halo_served.log.all().iter().filter(|seen| seen.status == 429).count();
    assert_eq!(refused, 0, "Halo never had to refuse");
}

#[tokio::test]
async fn a_record_at_which_halo_always_fails_stops_nobody_else() {
    // T5
    let (world, _) = imported().await;
    let (first, second) = (ordinary(&world, 0).await, ordinary(&world, 1).await);
    for person in [&first, &second] {
        world.entra.update_user(person, json!({ "jobTitle": "Captain" }));
    }
    let broken = HaloFault::Status { code: 500, body: "Internal error".to_owned() };
    world.halo.fail_next("/api/Users", "POST", 3, broken);
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    assert_eq!(run.counts.failed + run.counts.updated, 2, "{run:#?}");
    world.pass(SignedDuration::from_mins(6));
    world.sync().await;
    for person in [&first, &second] {
        assert_eq!(halo_user(&world, person)["title"], "Captain");
    }
}
