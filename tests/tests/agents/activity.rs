//! When agents are made inactive and active again, what protects them, and what Halo refuses.

use std::collections::BTreeSet;

use engine::store::log::OutcomeKind;
use plan::ids::RecordKind;
use plan::link::Activity;
use plan::tally::{Counts, RunState};
use serde_json::json;
use tests::helpdesk::{ADMINISTRATOR, Company, HALO_ADMINISTRATOR, LEAVER, roles};
use tests::world::{World, int};

#[tokio::test]
async fn a_disabled_account_disables_the_agent_and_not_the_user() {
    // R6, L2, L3, L1
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
    let bob = company.hire(0x22, "Bob", &["IT Helpdesk"]);
    company.entra.update_user(&bob.to_string(), json!({ "accountEnabled": false }));
    let world = company.open().await;
    let first = world.sync().await;
    assert_eq!(first.counts, Counts { created: 1, not_in_scope: 1, ..Counts::default() }, "L2");
    world.enable(ada, false);
    world.halo.clear_writes();
    let run = world.sync().await;
    assert_eq!(run.counts, Counts { deactivated: 1, ..Counts::default() });
    assert_eq!(world.agent(ada).await["isdisabled"], true);
    assert_eq!(world.user(ada).await["inactive"], false);
    assert_eq!(world.halo.writes().len(), 1);
    world.enable(ada, true);
    let back = world.sync().await;
    assert_eq!(back.counts, Counts { reactivated: 1, ..Counts::default() }, "L3");
    assert_eq!(world.agent(ada).await["isdisabled"], false);
}

#[tokio::test]
async fn a_role_makes_agents_inactive_for_as_long_as_they_hold_it() {
    // R5
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
    let world = company.open().await;
    world.sync().await;
    world.join("Leavers", ada);
    world.sync().await;
    let agent = world.agent(ada).await;
    assert!(roles(&agent).contains(&LEAVER) && agent["isdisabled"] == true, "{agent}");
    assert_eq!(world.link(ada).await.agent.unwrap().activity, Activity::InactiveByRole);
    assert_eq!(world.user(ada).await["inactive"], false);
    world.leave("Leavers", ada);
    let run = world.sync().await;
    assert_eq!(run.counts, Counts { reactivated: 1, ..Counts::default() });
    let agent = world.agent(ada).await;
    assert!(!roles(&agent).contains(&LEAVER) && agent["isdisabled"] == false, "{agent}");
}

#[tokio::test]
async fn our_own_agent_and_the_last_administrator_stay_active() {
    // R7
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
    let cyd = company.hire(0x33, "Cyd", &["IT Leads"]);
    company.agent(21, "Ada", "ada@contoso.example", &[]);
    company.halo.set_login_agent(21);
    let world = company.open().await;
    world.sync().await;
    disable_administrator(&world, true);
    for (person, sentence) in
        [(ada, "own API application logs in as this agent"), (cyd, "last active agent")]
    {
        world.enable(person, false);
        let run = world.sync().await;
        assert_eq!((run.state, run.counts.deactivated), (RunState::Completed, 0), "{run:#?}");
        assert_eq!(world.agent(person).await["isdisabled"], false);
        let entry = world.entry(&run, person).await;
        let told: Vec<String> = entry.decision.sentences().collect();
        assert!(told.iter().any(|told| told.contains(sentence)), "{sentence}: {told:?}");
        assert_eq!(entry.outcome, OutcomeKind::Waiting);
        let parked = world.people().await[&person].value.parked.clone().unwrap();
        assert!(parked.until.is_some() && parked.sentence.contains(sentence), "{parked:?}");
        let entries = world.log().await.len();
        world.sync_retries().await;
        assert_eq!(world.log().await.len(), entries, "told once and not by every try");
    }
}

/// Somebody disables Halo's own administrator, or enables it.
fn disable_administrator(world: &World, disabled: bool) {
    world.halo.change_agent(HALO_ADMINISTRATOR, &json!({ "isdisabled": disabled }));
}

#[tokio::test]
async fn of_two_administrators_who_leave_at_once_one_stays() {
    // R7, T1
    let company = Company::new();
    let leads = [0x11, 0xee].map(|number| {
        let name = format!("Lead {number}");
        company.hire(number, &name, &["IT Leads"])
    });
    let world = company.open().await;
    world.sync().await;
    disable_administrator(&world, true);
    for lead in leads {
        world.enable(lead, false);
    }
    let run = world.sync().await;
    assert_eq!(run.counts.deactivated, 1, "{run:#?}");
    let mut active = 0;
    for lead in leads {
        let agent = world.agent(lead).await;
        assert_eq!(roles(&agent), [ADMINISTRATOR]);
        active += u32::from(agent["isdisabled"] == false);
    }
    assert_eq!(active, 1);
    disable_administrator(&world, false);
    let later = world.sync_retries().await;
    assert_eq!(later.counts.deactivated, 1, "there is another one now: {later:#?}");
}

#[tokio::test]
async fn where_licences_run_out_only_the_one_too_many_waits() {
    // T5, P7
    let company = Company::new();
    company.halo.turn(|knobs| knobs.named_licences = Some(1));
    let leads = [0x11, 0x77].map(|number| {
        let name = format!("Lead {number}");
        company.hire(number, &name, &["IT Leads"])
    });
    let bob = company.hire(0x22, "Bob", &["IT Helpdesk"]);
    let world = company.open().await;
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    assert_eq!(run.counts, Counts { created: 2, failed: 1, ..Counts::default() });
    assert!(world.link(bob).await.agent.is_some());
    let (made, waits) = match world.link(leads[0]).await.agent {
        Some(_) => (leads[0], leads[1]),
        None => (leads[1], leads[0]),
    };
    assert_eq!(int(&world.agent(made).await["licence_type"]), 1);
    let entry = world.entry(&run, waits).await;
    assert_eq!(entry.outcome, OutcomeKind::Failed);
    assert!(entry.error.unwrap().contains("There are no named licences left"));
    let parked = world.people().await[&waits].value.parked.clone().unwrap();
    assert!(parked.until.is_some() && parked.sentence.contains("named licences"));
    let user = world.user(waits).await;
    assert_eq!(int(&user["linked_agent_id"]), 0, "the user is there without the agent");

    world.halo.turn(|knobs| knobs.named_licences = None);
    let healed = world.sync_retries().await;
    assert_eq!(healed.counts.failed, 0, "{healed:#?}");
    let agent = world.agent(waits).await;
    assert_eq!(int(&world.user(waits).await["linked_agent_id"]), int(&agent["id"]));
    assert!(world.people().await[&waits].value.parked.is_none());
}

#[tokio::test]
async fn an_agent_with_open_tickets_waits_until_they_are_reassigned() {
    // T5, R6
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
    let bob = company.hire(0x22, "Bob", &["IT Helpdesk"]);
    company.agent(21, "Ada", "ada@contoso.example", &[]);
    let world = company.open().await;
    world.sync().await;
    world.halo.turn(|knobs| knobs.agents_with_open_tickets = BTreeSet::from([21]));
    for person in [ada, bob] {
        world.enable(person, false);
    }
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    assert_eq!(run.counts, Counts { failed: 1, deactivated: 1, ..Counts::default() });
    let entry = world.entry(&run, ada).await;
    assert!(entry.error.unwrap().contains("reassign the open tickets"));
    assert_eq!(world.agent(ada).await["isdisabled"], false);
    assert!(world.link(ada).await.of(RecordKind::Agent).unwrap().activity.is_active());

    world.halo.turn(|knobs| knobs.agents_with_open_tickets.clear());
    let healed = world.sync_retries().await;
    assert_eq!(healed.counts, Counts { deactivated: 1, ..Counts::default() });
    assert_eq!(world.agent(ada).await["isdisabled"], true);
}
