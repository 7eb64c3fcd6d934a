//! Which agents must stay active: our own one and the last administrator (R7).

use plan::decide::Standing::{self, LastAdministrator, Other, OwnAgent};
use plan::ids::{RecordId, RecordKind};
use plan::link::{FieldChange, HaloValue, Target};
use sandbox::halo::{API_AGENT_ID, AgentList, AgentRows, Fault, HeldRoles, IdToken, Knobs};
use serde_json::{Value, json};

use super::World;

/// A world with these agents, with role 7 for technicians and 9 for administrators.
async fn with(agents: &[Value]) -> World {
    let world = World::new().await;
    world.halo.add_role(&json!({ "id": "t", "id_int": 7, "name": "Technician" }));
    world.halo.add_role(&json!({ "id": "a", "id_int": 9, "name": "System ADMINISTRATOR" }));
    for agent in agents {
        let mut agent = agent.clone();
        agent["name"] = json!(format!("Agent {}", agent["id"]));
        world.halo.add_agent(&agent);
    }
    world
}

async fn standing(world: &World, agent: i64) -> Standing {
    world.client().standing(RecordId::agent(agent)).await.unwrap()
}

#[tokio::test]
async fn the_last_administrator_is_told_from_others() {
    // R7: the API agent of the simulator has is_admin, but is no person.
    let admin = |id: i64| json!({ "id": id, "is_admin": true });
    let by_role = |id: i64| json!({ "id": id, "roles": [7, 9] });
    let plain = |id: i64| json!({ "id": id, "roles": [7] });
    let off = |mut agent: Value| {
        agent["isdisabled"] = json!(true);
        agent
    };
    let robot = json!({ "id": 8, "is_admin": true, "isapiagent": true });
    // The agents, and how agents 1 and 2 stand.
    let cases: [(&str, Vec<Value>, [Standing; 2]); 9] = [
        ("by is_admin", vec![admin(1), plain(2)], [LastAdministrator, Other]),
        ("by a role", vec![by_role(1), plain(2)], [LastAdministrator, Other]),
        ("two", vec![admin(1), by_role(2)], [Other, Other]),
        ("the other is inactive", vec![admin(1), off(admin(2))], [LastAdministrator, Other]),
        ("the other is a program", vec![admin(1), plain(2), robot], [LastAdministrator, Other]),
        ("nobody is marked", vec![plain(1), plain(2)], [Other, Other]),
        (
            "nobody is marked, one is left",
            vec![plain(1), off(plain(2))],
            [LastAdministrator, Other],
        ),
        ("inactive already", vec![off(admin(1)), admin(2)], [Other, LastAdministrator]),
        ("not there", vec![admin(1)], [LastAdministrator, Other]),
    ];
    for (name, agents, expected) in cases {
        let world = with(&agents).await;
        assert_eq!([standing(&world, 1).await, standing(&world, 2).await], expected, "{name}");
    }
}

#[tokio::test]
async fn what_halo_leaves_out_is_found_elsewhere() {
    // R7, H5: lists in each shape, with and without is_admin, roles with names or numbers.
    for list in [AgentList::Bare, AgentList::Results, AgentList::Agents] {
        for rows in [AgentRows::WithIsAdmin, AgentRows::WithoutIsAdmin] {
            for roles in [HeldRoles::Objects, HeldRoles::Numbers] {
                let one = json!({ "id": 1, "roles": [9] });
                let world = with(&[one, json!({ "id": 2, "roles": [7] })]).await;
                world.halo.turn(|knobs: &mut Knobs| {
                    (knobs.agent_list, knobs.agent_rows, knobs.held_roles) = (list, rows, roles);
                });
                let all = [standing(&world, 1).await, standing(&world, 2).await];
                assert_eq!(all, [LastAdministrator, Other], "{list:?} {rows:?} {roles:?}");
                let asked = if roles == HeldRoles::Numbers { 2 } else { 0 };
                assert_eq!(world.requests("GET", "/api/roles"), asked, "{roles:?}");
            }
        }
    }
}

#[tokio::test]
async fn our_own_agent_is_known_by_token_or_by_asking() {
    // R7: also where the application logs in as a person.
    for (knob, asked) in [(IdToken::Given, 0), (IdToken::Omitted, 1)] {
        let world = with(&[json!({ "id": 1, "is_admin": true }), json!({ "id": 2 })]).await;
        world.halo.turn(|knobs| knobs.id_token = knob);
        world.halo.set_login_agent(2);
        let halo = world.client();
        for (agent, expected) in [(2, OwnAgent), (1, LastAdministrator), (API_AGENT_ID, Other)] {
            let found = halo.standing(RecordId::agent(agent)).await.unwrap();
            assert_eq!(found, expected, "{agent} {knob:?}");
        }
        assert_eq!(world.requests("GET", "/api/agent/me"), asked, "{knob:?}");
        assert_eq!(halo.standing(RecordId::user(2)).await.unwrap(), Other, "a user of that number");
    }
}

#[tokio::test]
async fn who_we_are_or_who_is_there_is_never_guessed() {
    let world = with(&[json!({ "id": 1, "is_admin": true }), json!({ "id": 2 })]).await;
    world.halo.turn(|knobs| knobs.id_token = IdToken::Omitted);
    let faults = [
        Fault::HtmlPage,
        Fault::Status { code: 200, body: r#"{"name":"?"}"#.to_owned() },
        Fault::Status { code: 404, body: String::new() },
        Fault::Empty,
    ];
    for path in ["/api/agent/me", "/api/agent"] {
        for fault in &faults {
            let halo = world.client();
            let skip = usize::from(path == "/api/agent");
            world.halo.fail_after(skip, path, "GET", 1, fault.clone());
            assert!(halo.standing(RecordId::agent(2)).await.is_err(), "{path} {fault:?}");
            assert_eq!(halo.standing(RecordId::agent(2)).await.unwrap(), Other, "{path} {fault:?}");
        }
    }
}

#[tokio::test]
async fn the_list_is_fresh_every_time() {
    let admin = |id: i64| json!({ "id": id, "is_admin": true });
    let world = with(&[admin(1), admin(2)]).await;
    let halo = world.client();
    assert_eq!(halo.standing(RecordId::agent(1)).await.unwrap(), Other);
    let off = FieldChange {
        field: Target::field("isdisabled"),
        before: None,
        after: HaloValue::Bool(true),
    };
    halo.update(RecordId { kind: RecordKind::Agent, id: 2 }, &[off], None).await.unwrap();
    assert_eq!(halo.standing(RecordId::agent(1)).await.unwrap(), LastAdministrator);
}
