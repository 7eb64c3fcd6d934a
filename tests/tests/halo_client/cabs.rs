//! Change advisory boards: joining, leaving and roles, with everybody else left in place (R3, R4).

use engine::halo::{Seat, Updated};
use plan::failure::Kind;
use plan::ids::{CabId, CabRoleId, RecordId};
use sandbox::halo::Fault;
use serde_json::{Value, json};

use super::{World, kind};

const CAB: CabId = CabId(1);
const CHAIR: Option<CabRoleId> = Some(CabRoleId(2));
const SCRIBE: Option<CabRoleId> = Some(CabRoleId(3));

/// Board 1 with agent 5 in the chair and user 101; user 102 and agent 6 have no seat.
async fn world() -> World {
    let world = World::new().await;
    world.halo.add_agent(&json!({ "id": 5, "name": "Tess" }));
    world.halo.add_agent(&json!({ "id": 6, "name": "Theo" }));
    world.halo.add_user(&json!({ "id": 101, "name": "Ada", "site_id": 18 }));
    world.halo.add_user(&json!({ "id": 102, "name": "Bob", "site_id": 18 }));
    world.halo.add_cab(&json!({
        "id": 1, "name": "Changes", "roles": [{ "id": 2, "name": "Chair" }, { "id": 3, "name": "Scribe" }],
        "members": [
            { "id": 11, "agent_id": 5, "role_id": 2, "is_mandatory": true, "module_id": 9 },
            { "id": 12, "user_id": 101 },
        ],
    }));
    world
}

fn members(world: &World) -> Vec<Value> {
    world.halo.cabs()[0]["members"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_board_is_read_with_its_seats() {
    let world = world().await;
    let halo = world.client();
    let cab = halo.cab(CAB).await.unwrap().unwrap();
    assert_eq!((cab.name.as_str(), cab.members.len()), ("Changes", 2));
    let roles: Vec<_> = cab.roles.iter().map(|role| (role.id, role.name.as_str())).collect();
    assert_eq!(roles, [(2, "Chair"), (3, "Scribe")]);
    let cases = [
        (RecordId::agent(5), Some(Seat { role: CHAIR })),
        (RecordId::user(101), Some(Seat { role: None })),
        (RecordId::user(5), None),
        (RecordId::agent(101), None),
    ];
    for (record, expected) in cases {
        assert_eq!(cab.seat(record), expected, "{record}");
    }
    assert_eq!(halo.cab(CabId(77)).await.unwrap(), None);
}

#[tokio::test]
async fn joins_leaves_and_roles_keep_everybody_else() {
    // R3, R4, T2: one write for all of it, and none when it is repeated.
    let world = world().await;
    let halo = world.client();
    let cab = halo.cab(CAB).await.unwrap().unwrap();
    let joins = [(RecordId::user(102), SCRIBE), (RecordId::agent(6), None)];
    let leaves = [RecordId::user(101)];
    let before = members(&world)[0].clone();
    halo.save_cab(&cab, &joins, &leaves).await.unwrap();
    assert_eq!(world.halo.writes().len(), 1);
    assert_eq!(members(&world)[0], before, "the chair is as it was");
    let cab = halo.cab(CAB).await.unwrap().unwrap();
    let seats = [
        (RecordId::agent(5), Some(Seat { role: CHAIR })),
        (RecordId::agent(6), Some(Seat { role: None })),
        (RecordId::user(102), Some(Seat { role: SCRIBE })),
        (RecordId::user(101), None),
    ];
    for (record, expected) in seats {
        assert_eq!(cab.seat(record), expected, "{record}");
    }
    let again = halo.save_cab(&cab, &joins, &leaves).await.unwrap();
    assert_eq!((again, world.halo.writes().len()), (Updated::Done { warning: None }, 1));

    // Another role for the chair, who keeps seat and other properties.
    halo.save_cab(&cab, &[(RecordId::agent(5), SCRIBE)], &[]).await.unwrap();
    let chair = members(&world)[0].clone();
    assert_eq!(
        (&chair["role_id"], &chair["id"], &chair["module_id"]),
        (&json!(3), &json!(11), &json!(9))
    );
    assert_eq!(members(&world).len(), 3);
}

#[tokio::test]
async fn a_board_without_its_members_is_never_written_over() {
    // R4, H5.
    let world = world().await;
    let halo = world.client();
    for body in [
        r#"{"id":1,"name":"Changes"}"#,
        r#"{"id":1,"name":"Changes","members":null}"#,
        r#"{"id":2,"name":"Other","members":[]}"#,
        "[]",
    ] {
        let fault = Fault::Status { code: 200, body: body.to_owned() };
        world.halo.fail_next("/api/cab", "GET", 1, fault);
        let kind = kind(halo.cab(CAB).await.unwrap_err());
        assert!(matches!(kind, Kind::Malformed { .. }), "{body}: {kind:?}");
    }
}

#[tokio::test]
async fn a_board_that_is_gone_is_no_failure_and_a_refusal_is_told() {
    let world = world().await;
    let halo = world.client();
    let mut cab = halo.cab(CAB).await.unwrap().unwrap();
    let joins = [(RecordId::agent(6), None)];
    let refusal = Fault::Refusal(sandbox::halo::RefusalShape::Text);
    world.halo.fail_next("/api/cab", "POST", 1, refusal);
    let told = halo.save_cab(&cab, &joins, &[]).await.unwrap_err().to_string();
    assert!(told.contains("members of a Halo CAB"), "{told}");
    cab.id = CabId(77);
    assert_eq!(halo.save_cab(&cab, &joins, &[]).await.unwrap(), Updated::Gone);
    assert_eq!(members(&world).len(), 2);
}
