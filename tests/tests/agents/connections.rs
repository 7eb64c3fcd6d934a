//! Two connections to one Halo, and runs about users or agents alone.

use engine::connections::Asked;
use plan::document::Entity;
use plan::tally::RunState;
use sandbox::graph::Graph;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET};
use serde_json::json;
use tests::helpdesk::{Company, id};
use tests::world::int;

const OTHER_TENANT: &str = "b2b2b2b2-0000-4000-8000-000000000002";

#[tokio::test]
async fn two_connections_never_take_the_same_agent() {
    // C1, M2, T6: another tenant has somebody with the same address, and both look for the agent at the
    // same time, when the index says that it is nobody's.
    let company = Company::new();
    company.hire(0x99, "Zed", &["IT Helpdesk"]);
    company.agent(21, "Ada (before)", "ada@contoso.example", &[]);
    let mut other = company.document.clone();
    let mut world = company.open().await;
    world.sync_until_quiet().await;
    let ada = id(0x11);
    world.entra.add_user(
        json!({ "id": ada.to_string(), "displayName": "Ada", "surname": "Contoso",
        "userPrincipalName": "ada@contoso.example", "mail": "ada@contoso.example",
        "accountEnabled": true, "userType": "Member" }),
    );
    world.join("IT Helpdesk", ada);
    let entra = Graph::new(OTHER_TENANT, CLIENT_ID, CLIENT_SECRET);
    let twin = id(0xaa);
    entra.add_user(json!({ "id": twin.to_string(), "displayName": "Ada Twin", "surname": "Twin",
        "userPrincipalName": "ada@contoso.example", "mail": "ada@contoso.example",
        "accountEnabled": true, "userType": "Member" }));
    let group = entra.add_group(json!({ "displayName": "IT Helpdesk" }));
    entra.add_member(&group, &twin.to_string());
    let served = entra.serve(None, None).await.unwrap();
    other["id"] = json!("fabrikam");
    other["name"] = json!("Fabrikam");
    other["tenant_id"] = json!(OTHER_TENANT);
    other["cloud"] = json!({ "login": served.url, "graph": served.url });
    other["roles"] = json!({});
    other["mappings"] = json!([other["mappings"][2]]);
    world.connect(&other).await;

    let due = world.state().await.next_due.duration_since(world.engine.clock.now());
    world.pass(due);
    entra.advance(due.as_secs());
    world.engine.tick().await.unwrap();
    world.quiet_together().await;
    let first = world.link(ada).await.agent.unwrap().record.id;
    world.id = "fabrikam".parse().unwrap();
    assert_eq!(world.last_run().await.state, RunState::Completed);
    let second = world.link(twin).await.agent.unwrap().record.id;
    assert_ne!(first, second);
    assert_eq!([first, second].iter().filter(|agent| **agent == 21).count(), 1, "one is found");
    let names: Vec<_> =
        [first, second].map(|id| world.halo.agent(id).unwrap()["name"].clone()).into();
    assert_eq!(names, [json!("Ada"), json!("Ada Twin")]);
    let owner = int(&world.user(twin).await["linked_agent_id"]);
    assert_eq!(owner, second);
}

#[tokio::test]
async fn a_run_about_one_kind_leaves_the_other_for_the_next_full_run() {
    // I2
    for (first, makes_user) in [(Entity::Users, true), (Entity::Agents, false)] {
        let company = Company::new();
        let ada = company.hire(0x11, "Ada", &["IT Helpdesk", "Approvers"]);
        let world = company.open().await;
        let asked = Asked { entities: vec![first], ..Asked::default() };
        let run = world.engine.import(&world.id, &asked).await.unwrap();
        world.quiet().await;
        let done = world.last_run().await;
        assert_eq!((done.run, done.state), (run, RunState::Completed), "{first:?}: {done:#?}");
        let link = world.link(ada).await;
        assert_eq!((link.user.is_some(), link.agent.is_some()), (makes_user, !makes_user));
        let next = world.sync().await;
        assert_eq!(next.state, RunState::Completed, "{first:?}: {next:#?}");
        let (user, agent) = (world.user(ada).await, world.agent(ada).await);
        assert_eq!(int(&user["linked_agent_id"]), int(&agent["id"]), "{first:?}");
        assert_eq!(world.halo.users_with_azureoid(&ada.to_string()).len(), 1, "{first:?}");
        world.sync_until_quiet().await;
    }
}
