//! Roles of agents and users: given, taken back, and those of others left alone.

use std::collections::BTreeSet;

use serde_json::json;
use tests::helpdesk::{
    ADMINISTRATOR, Company, HELPDESK, MANAGER, NO_MANAGER, ON_CALL, OTHER_ROLE, SALES, SALES_SITE,
    roles,
};
use tests::world::int;

fn set(roles: &[i64]) -> BTreeSet<i64> {
    roles.iter().copied().collect()
}

#[tokio::test]
async fn roles_are_given_and_taken_back_and_those_of_others_stay() {
    // R1, R4
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk", "On Call"]);
    let bob = company.hire(0x22, "Bob", &["IT Helpdesk", "On Call"]);
    company.agent(22, "Bob", "bob@contoso.example", &[ON_CALL, OTHER_ROLE]);
    let world = company.open().await;
    world.sync().await;
    let granted = async |person| world.link(person).await.agent.unwrap().granted;
    assert_eq!(roles(&world.agent(ada).await), [HELPDESK, ON_CALL]);
    assert_eq!(granted(ada).await, set(&[HELPDESK, ON_CALL]));
    assert_eq!(roles(&world.agent(bob).await), [HELPDESK, ON_CALL, OTHER_ROLE]);
    assert_eq!(granted(bob).await, set(&[HELPDESK]), "what was there is not ours");

    let adas = world.agent(ada).await;
    let more = [HELPDESK, ON_CALL, OTHER_ROLE].map(|role| json!({ "id_int": role }));
    world.halo.change_agent(int(&adas["id"]), &json!({ "roles": more }));
    for person in [ada, bob] {
        world.leave("On Call", person);
    }
    let run = world.sync().await;
    assert_eq!(run.counts.updated, 1, "{run:#?}");
    assert_eq!(roles(&world.agent(ada).await), [HELPDESK, OTHER_ROLE], "R4: somebody gave one");
    assert_eq!(roles(&world.agent(bob).await), [HELPDESK, ON_CALL, OTHER_ROLE], "R4");
    let told = world.entry(&run, ada).await.decision.sentences().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&format!("role {ON_CALL}")), "{told}");

    world.join("On Call", ada);
    world.sync().await;
    assert_eq!(roles(&world.agent(ada).await), [HELPDESK, ON_CALL, OTHER_ROLE]);
}

#[tokio::test]
async fn users_get_and_lose_roles_with_group_mapping_and_manager() {
    // R1, R2, R4, P9
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["Sales", "Managers"]);
    let bob = company.hire(0x22, "Bob", &["Staff"]);
    let world = company.open().await;
    world.sync().await;
    assert_eq!(roles(&world.user(ada).await), [SALES, MANAGER, NO_MANAGER]);
    world.entra.set_manager(&ada.to_string(), Some(&bob.to_string()));
    world.leave("Managers", ada);
    world.sync_until_quiet().await;
    assert_eq!(roles(&world.user(ada).await), [SALES]);
    world.entra.set_manager(&ada.to_string(), None);
    world.leave("Sales", ada);
    world.join("Staff", ada);
    world.sync_until_quiet().await;
    let user = world.user(ada).await;
    assert_eq!(roles(&user), [NO_MANAGER]);
    assert_ne!(int(&user["site_id"]), SALES_SITE);
}

#[tokio::test]
async fn an_agent_who_moves_to_another_mapping_takes_its_role_and_licence() {
    // P9, P7, H3
    let company = Company::new();
    let ada = company.hire(0x11, "Ada", &["IT Helpdesk"]);
    let world = company.open().await;
    world.sync().await;
    world.leave("IT Helpdesk", ada);
    world.join("IT Leads", ada);
    world.halo.clear_writes();
    let run = world.sync().await;
    assert_eq!(run.counts.updated, 1, "{run:#?}");
    let agent = world.agent(ada).await;
    assert_eq!((roles(&agent), int(&agent["licence_type"])), (vec![ADMINISTRATOR], 1));
    let link = world.link(ada).await.agent.unwrap();
    assert_eq!(link.mapping.unwrap().as_str(), "leads");
    assert_eq!(world.halo.writes().len(), 1, "H3: one write for the record that changed");
    world.leave("IT Leads", ada);
    let out = world.sync().await;
    assert_eq!((out.counts.updated, out.counts.deactivated), (0, 0), "P8: left as it is");
    assert_eq!(world.agent(ada).await["isdisabled"], false);
}
