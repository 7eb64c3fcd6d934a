//! The first import: agents made and found, and what of Halo is left alone.

use std::collections::BTreeMap;

use plan::decide::Action;
use plan::ids::RecordKind;
use plan::tally::{Counts, RunState};
use sandbox::halo::AgentList;
use serde_json::{Value, json};
use tests::helpdesk::{ADMINISTRATOR, Company, HEAD_OFFICE, HELPDESK, ON_CALL, roles, sent};
use tests::world::{World, int};

#[tokio::test]
async fn an_agents_mapping_makes_an_agent_and_a_user() {
    // P1, R1, R2, H3, B1, F7
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk", "On Call"]);
    let bob = company.hire(0x22, "Bob", &["Staff"]);
    let cyd = company.hire(0x33, "Cyd", &["IT Leads", "Managers"]);
    let nobody = company.hire(0x44, "Nobody", &[]);
    company.entra.set_manager(&bob.to_string(), Some(&ada.to_string()));
    let world = company.open().await;
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    assert_eq!(run.counts, Counts { created: 3, not_in_scope: 1, ..Counts::default() });

    let (agent, user) = (world.agent(ada).await, world.user(ada).await);
    assert_eq!((&agent["name"], &agent["email"]), (&json!("Ada"), &json!("ada@contoso.example")));
    assert_eq!((roles(&agent), int(&agent["licence_type"])), (vec![HELPDESK, ON_CALL], 0));
    assert_eq!(int(&user["linked_agent_id"]), int(&agent["id"]));
    assert_eq!((int(&user["site_id"]), &user["azureoid"]), (HEAD_OFFICE, &json!(ada.to_string())));
    assert_eq!(roles(&user), [9]);
    let bobs = world.user(bob).await;
    assert_eq!((int(&bobs["linked_agent_id"]), roles(&bobs)), (0, vec![]));
    assert_eq!(world.link(bob).await.agent, None);
    let leads = world.agent(cyd).await;
    assert_eq!((roles(&leads), int(&leads["licence_type"])), (vec![ADMINISTRATOR], 1));
    assert_eq!(roles(&world.user(cyd).await), [4, 9]);

    let writes = world.halo.writes();
    let records: Vec<&str> = writes.iter().map(|write| write.path.as_str()).collect();
    assert_eq!(records.len(), 5, "H3: one write for each of five records, {records:?}");
    assert!(writes.iter().all(|write| write.created));
    assert_eq!(details(&world), 0, "H3: what we made is not read");
    for person in [ada, cyd] {
        let entry = world.entry(&run, person).await;
        for kind in RecordKind::ALL {
            let part = entry.decision.of(kind).unwrap();
            assert!(matches!(part.action, Action::Create(_)), "{kind}: {part:#?}");
        }
        assert!(entry.halo.user.is_some() && entry.halo.agent.is_some());
    }
    assert!(world.entry(&run, bob).await.decision.agent.is_none_or(|it| !it.action.writes()));
    world.entry(&run, nobody).await;

    world.halo.clear_writes();
    let quiet = world.sync().await;
    assert_eq!((quiet.counts, quiet.requests.halo), (Counts::default(), 0), "T4");
    assert_eq!(world.halo.writes(), []);
}

#[tokio::test]
async fn without_a_place_for_the_user_only_the_agent_is_made() {
    // P1
    let mut company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
    company.document["mappings"][2]["target"] = json!({ "type": "agents" });
    let world = company.open().await;
    let run = world.sync().await;
    assert_eq!(run.counts.created, 1, "{run:#?}");
    let link = world.link(ada).await;
    assert!(link.agent.is_some() && link.user.is_none());
    let entry = world.entry(&run, ada).await;
    let told = entry.decision.sentences().collect::<Vec<_>>().join(" ");
    assert!(told.contains("user_site_id"), "the log says why: {told}");
}

/// How many users and agents were read one by one.
fn details(world: &World) -> usize {
    let seen = world.halo_served.log.all();
    let one = ["/api/Users/", "/api/Agent/"];
    let one = |path: &str| one.iter().any(|prefix| path.starts_with(prefix));
    seen.iter().filter(|seen| seen.method == "GET" && one(&seen.path)).count()
}

/// Agents by number.
fn agents(world: &World) -> BTreeMap<i64, Value> {
    world.halo.agents().into_iter().map(|agent| (int(&agent["id"]), agent)).collect()
}

#[tokio::test]
async fn existing_agents_are_found_by_mail_and_others_stay_as_they_are() {
    // M2, M4, M5, T6, H4: in each shape of the list.
    for shape in [AgentList::Bare, AgentList::Results, AgentList::Agents] {
        let company = Company::new();
        company.halo.turn(|knobs| knobs.agent_list = shape);
        let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
        let bob = company.hire(0x22, "Bob", &["IT Helpdesk"]);
        let cyd = company.hire(0x33, "Cyd", &["IT Helpdesk"]);
        company.agent(21, "Ada (before)", " ADA@contoso.example", &[]);
        company.agent(22, "Bob (before)", "bob@contoso.example", &[]);
        company.halo.change_agent(22, &json!({ "isdisabled": true }));
        company.agent(23, "Interface", "cyd@contoso.example", &[]);
        company.halo.change_agent(23, &json!({ "isapiagent": true }));
        company.agent(24, "Night shift", "night@fabrikam.example", &[HELPDESK]);
        company.agent(25, "No address", "", &[]);
        let world = company.open().await;
        let (before, users) = (agents(&world), world.halo.users());
        let run = world.sync().await;
        assert_eq!(run.state, RunState::Completed, "{shape:?}: {run:#?}");
        let number = async |person| int(&world.agent(person).await["id"]);
        assert_eq!((number(ada).await, number(bob).await), (21, 22), "{shape:?}");
        let new = number(cyd).await;
        assert!(!before.contains_key(&new), "{shape:?}: M4, agents of applications are nobody");
        assert_eq!(world.agent(ada).await["name"], "Ada");
        let bobs = world.agent(bob).await;
        assert_eq!((&bobs["name"], &bobs["isdisabled"]), (&json!("Bob"), &json!(true)));
        assert_eq!(details(&world), 2, "{shape:?}: H3, the two that were found");
        let after = agents(&world);
        for untouched in [23, 24, 25, sandbox::halo::API_AGENT_ID] {
            assert_eq!(after[&untouched], before[&untouched], "{shape:?}: T6");
        }
        assert_eq!(after.len(), before.len() + 1, "{shape:?}");
        for user in users {
            let now = world.halo.user(int(&user["id"])).unwrap();
            assert_eq!(now, user, "{shape:?}: T6, General Users and others");
        }
        let writes = world.halo.writes();
        let found = writes.iter().find(|write| write.path == "/api/Agent" && write.id == 21);
        let fields = sent(&found.unwrap().body);
        assert_eq!(fields, ["email", "id", "jobtitle", "name", "roles"], "only what differs");
    }
}

#[tokio::test]
async fn two_people_never_become_one_agent() {
    // M3
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
    let twin = company.hire(0x99, "Twin", &["IT Helpdesk"]);
    company.entra.update_user(&twin.to_string(), json!({ "mail": "ada@contoso.example" }));
    company.agent(21, "Ada (before)", "ada@contoso.example", &[]);
    let world = company.open().await;
    let run = world.sync().await;
    assert_eq!(run.counts.conflict, 2, "{run:#?}");
    for person in [ada, twin] {
        assert_eq!(world.link(person).await.agent, None);
        let conflict = world.entry(&run, person).await.decision.agent.unwrap().action;
        assert!(matches!(conflict, Action::Conflict { .. }), "{conflict:?}");
    }
    assert_eq!(world.halo.agent(21).unwrap()["name"], "Ada (before)");
}

#[tokio::test]
async fn the_kind_of_licence_is_the_mappings() {
    // P7
    let cases = [
        ("no_change", None, 0),
        ("no_change", Some(1), 1),
        ("no_change", Some(0), 0),
        ("named", None, 1),
        ("named", Some(0), 1),
        ("concurrent", None, 0),
        ("concurrent", Some(1), 0),
    ];
    for (wanted, there, expected) in cases {
        let mut company = Company::new();
        company.document["mappings"][2]["licence_type"] = json!(wanted);
        let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
        if let Some(there) = there {
            company.agent(21, "Ada", "ada@contoso.example", &[]);
            company.halo.change_agent(21, &json!({ "licence_type": there }));
        }
        let world = company.open().await;
        world.sync().await;
        let licence = int(&world.agent(ada).await["licence_type"]);
        assert_eq!(licence, expected, "{wanted} where Halo has {there:?}");
    }
}
