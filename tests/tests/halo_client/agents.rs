//! Agents: read, create, update, with roles and licences (M4, R1, P7, H3, H5).

use std::collections::BTreeSet;

use engine::halo::{RecordsPage, Special, Updated};
use plan::failure::Kind;
use plan::ids::{RecordId, RecordKind};
use plan::link::{FieldChange, Fields, HaloValue, Target};
use sandbox::halo::{API_AGENT_ID, AgentList, HeldRoles};
use serde_json::{Value, json};

use super::{World, kind};

const SHAPES: [AgentList; 3] = [AgentList::Bare, AgentList::Results, AgentList::Agents];

fn text(value: &str) -> HaloValue {
    HaloValue::Text(value.to_owned())
}

fn roles(numbers: &[i64]) -> HaloValue {
    HaloValue::Ids(numbers.iter().copied().collect())
}

fn change(field: &str, after: HaloValue) -> FieldChange {
    FieldChange { field: Target::field(field), before: None, after }
}

fn ids(page: &RecordsPage) -> Vec<i64> {
    page.rows.iter().map(|row| row.id.id).collect()
}

/// A world with agents 5 (active), 6 (disabled) and 7 (of an application), roles 7 and 8, and the client's.
async fn staffed() -> World {
    let world = World::new().await;
    world.halo.add_role(&json!({ "id": "b2c7-a", "id_int": 7, "name": "Technician" }));
    world.halo.add_role(&json!({ "id": "b2c7-b", "id_int": 8, "name": "Dispatcher" }));
    world.halo.add_agent(&json!({
        "id": 5, "name": "Tess", "email": "tess@x.example", "roles": [7], "linemanager": 6,
    }));
    world.halo.add_agent(&json!({ "id": 6, "name": "Gone", "isdisabled": true }));
    world.halo.add_agent(&json!({ "id": 7, "name": "Robot", "isapiagent": true }));
    world
}

#[tokio::test]
async fn everybody_is_listed_in_every_shape() {
    // M4, H4, H5: disabled agents and those of applications are there, and are told apart.
    for shape in SHAPES {
        let world = staffed().await;
        world.halo.turn(|knobs| knobs.agent_list = shape);
        let page = world.client().page(RecordKind::Agent, 1).await.unwrap();
        assert_eq!(ids(&page), [5, 6, 7, API_AGENT_ID], "{shape:?}");
        assert_eq!(page.is_last, shape == AgentList::Bare, "{shape:?}");
        let special: Vec<_> = page.rows.iter().map(engine::halo::Row::special).collect();
        let api = Some(Special::ApiAgent);
        assert_eq!(special, [None, None, api, api], "{shape:?}");
        assert!(page.rows[1].record.flag("isdisabled"));
        assert!(page.rows[0].record.has("roles"), "they come with their roles");
    }
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_read_to_its_end() {
    // H4: a bare array that is as long as a page may be one.
    for shape in SHAPES {
        for cap in [50, 100] {
            let world = World::new().await;
            world.halo.turn(|knobs| (knobs.agent_list, knobs.page_cap) = (shape, cap));
            for number in 1..=119 {
                world.halo.add_agent(&json!({ "id": number, "name": format!("Agent {number}") }));
            }
            let halo = world.client();
            let mut seen = BTreeSet::new();
            for page_no in 1.. {
                let page = halo.page(RecordKind::Agent, page_no).await.unwrap();
                let before = seen.len();
                seen.extend(ids(&page));
                if page.is_last || seen.len() == before {
                    break;
                }
            }
            assert_eq!(seen.len(), 120, "{shape:?} {cap}");
            let extra = usize::from(shape != AgentList::Bare);
            let pages = 120_usize.div_ceil(cap) + extra;
            assert_eq!(world.requests("GET", "/api/agent"), pages, "{shape:?} {cap}");
        }
    }
}

#[tokio::test]
async fn a_record_is_read_with_what_was_asked_for() {
    // R1: roles by number, whether Halo shows objects or numbers.
    for knob in [HeldRoles::Objects, HeldRoles::Numbers] {
        let world = staffed().await;
        world.halo.turn(|knobs| knobs.held_roles = knob);
        let asked: BTreeSet<Target> =
            ["email", "roles", "licence_type", "linemanager"].map(Target::field).into();
        let halo = world.client();
        let tess = halo.record(RecordId::agent(5), &asked).await.unwrap().unwrap();
        let expected = Fields::from([
            (Target::field("email"), text("tess@x.example")),
            (Target::field("roles"), roles(&[7])),
            (Target::field("licence_type"), HaloValue::Int(0)),
            (Target::field("linemanager"), HaloValue::Int(6)),
            (Target::field("isdisabled"), HaloValue::Bool(false)),
        ]);
        assert_eq!((tess.fields, tess.special), (expected, None), "{knob:?}");
        let gone = halo.record(RecordId::agent(6), &asked).await.unwrap().unwrap();
        assert_eq!(gone.fields[&Target::field("isdisabled")], HaloValue::Bool(true));
        assert_eq!(gone.fields[&Target::field("roles")], roles(&[]));
        assert!(!gone.fields.contains_key(&Target::field("linemanager")), "{:?}", gone.fields);
        let robot = halo.record(RecordId::agent(7), &asked).await.unwrap().unwrap();
        assert_eq!(robot.special, Some(Special::ApiAgent));
        assert_eq!(halo.record(RecordId::agent(9999), &asked).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_users_roles_and_agent_are_read_in_both_shapes() {
    for knob in [HeldRoles::Objects, HeldRoles::Numbers] {
        let world = staffed().await;
        world.halo.turn(|knobs| knobs.held_roles = knob);
        world.halo.add_user_role(&json!({ "id": 4, "name": "Manager" }));
        let ada = world.add(json!({ "name": "Ada", "roles": [4], "linked_agent_id": 5 }));
        let bob = world.add(json!({ "name": "Bob" }));
        let asked: BTreeSet<Target> = ["roles", "linked_agent_id"].map(Target::field).into();
        let halo = world.client();
        let fields = async |id| {
            let record = halo.record(RecordId::user(id), &asked).await.unwrap().unwrap();
            let of = |name: &str| record.fields.get(&Target::field(name)).cloned();
            (of("roles"), of("linked_agent_id"))
        };
        assert_eq!(fields(ada).await, (Some(roles(&[4])), Some(HaloValue::Int(5))), "{knob:?}");
        assert_eq!(fields(bob).await, (Some(roles(&[])), None), "{knob:?}");
    }
}

#[tokio::test]
async fn a_create_sends_roles_as_halo_shows_them() {
    // R1, P7: the API knows a role by a text, documents by a number.
    let world = staffed().await;
    let fields = Fields::from([
        (Target::field("name"), text("Ada")),
        (Target::field("email"), text("ada@x.example")),
        (Target::field("isdisabled"), HaloValue::Bool(false)),
        (Target::field("licence_type"), HaloValue::Int(1)),
        (Target::field("roles"), roles(&[7, 8])),
    ]);
    let halo = world.client();
    let made = halo.create(RecordKind::Agent, &fields).await.unwrap();
    assert_eq!((made.id.kind, made.warning), (RecordKind::Agent, None));
    let writes = world.halo.writes();
    assert_eq!((writes.len(), writes[0].path.as_str()), (1, "/api/Agent"));
    assert_eq!(
        writes[0].body,
        json!({
            "name": "Ada", "email": "ada@x.example", "isdisabled": false, "licence_type": 1,
            "roles": [
                { "id": "b2c7-a", "id_int": 7, "name": "Technician" },
                { "id": "b2c7-b", "id_int": 8, "name": "Dispatcher" },
            ],
        })
    );
    let held = world.halo.agent(made.id.id).unwrap()["roles"].clone();
    assert_eq!(held.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_update_replaces_the_roles_and_nothing_else() {
    // H3, R1.
    let world = staffed().await;
    let halo = world.client();
    let id = RecordId::agent(5);
    let cases: [(FieldChange, Value); 4] = [
        (
            change("roles", roles(&[8])),
            json!({ "id": 5, "roles": [{ "id": "b2c7-b", "id_int": 8, "name": "Dispatcher" }] }),
        ),
        (change("roles", roles(&[])), json!({ "id": 5, "roles": [] })),
        (change("isdisabled", HaloValue::Bool(true)), json!({ "id": 5, "isdisabled": true })),
        (change("licence_type", HaloValue::Int(0)), json!({ "id": 5, "licence_type": 0 })),
    ];
    for (change, expected) in cases {
        world.halo.clear_writes();
        let updated = halo.update(id, std::slice::from_ref(&change), None).await.unwrap();
        assert_eq!(updated, Updated::Done { warning: None });
        assert_eq!(world.halo.writes()[0].body, expected);
    }
    let tess = world.halo.agent(5).unwrap();
    assert_eq!((&tess["email"], &tess["roles"]), (&json!("tess@x.example"), &json!([])));
    let gone = [change("jobtitle", text("x"))];
    assert_eq!(halo.update(RecordId::agent(9999), &gone, None).await.unwrap(), Updated::Gone);
}

#[tokio::test]
async fn the_list_of_roles_is_kept_for_ten_minutes_by_all_clones() {
    let world = staffed().await;
    let halo = world.client();
    let clone = halo.clone();
    let reads = || world.requests("GET", "/api/roles");
    let id = RecordId::agent(5);
    halo.update(id, &[change("roles", roles(&[7]))], None).await.unwrap();
    clone.update(id, &[change("roles", roles(&[7, 8]))], None).await.unwrap();
    assert_eq!(reads(), 1);
    world.halo.add_role(&json!({ "id": "b2c7-c", "id_int": 9, "name": "New" }));
    clone.update(id, &[change("roles", roles(&[9]))], None).await.unwrap();
    assert_eq!(reads(), 2, "one that is missing is looked for again");
    world.advance(599);
    halo.update(id, &[change("roles", roles(&[8]))], None).await.unwrap();
    assert_eq!(reads(), 2);
    world.advance(1);
    halo.update(id, &[change("roles", roles(&[8]))], None).await.unwrap();
    assert_eq!(reads(), 3);
}

#[tokio::test]
async fn a_role_that_halo_does_not_have_is_named_and_nothing_is_sent() {
    let world = staffed().await;
    let halo = world.client();
    let error = halo.update(RecordId::agent(5), &[change("roles", roles(&[7, 77]))], None).await;
    let error = error.unwrap_err();
    assert!(!error.may_have_acted() && error.to_string().contains("agent role 77"), "{error}");
    assert!(matches!(kind(error), Kind::Refused { .. }));
    let fields = Fields::from([
        (Target::field("name"), text("Ada")),
        (Target::field("roles"), roles(&[77])),
    ]);
    assert!(halo.create(RecordKind::Agent, &fields).await.is_err());
    assert!(world.halo.writes().is_empty());
}

#[tokio::test]
async fn licences_that_ran_out_are_told_plainly() {
    // P7, H5: the refusal is that agent's, not an outage.
    let world = staffed().await;
    world.halo.turn(|knobs| knobs.named_licences = Some(0));
    let halo = world.client();
    let named = [change("licence_type", HaloValue::Int(1))];
    let error = halo.update(RecordId::agent(5), &named, None).await.unwrap_err();
    assert!(error.to_string().contains("There are no named licences left"), "{error}");
    assert!(matches!(kind(error), Kind::Refused { status: 400, .. }));
    let fields = Fields::from([
        (Target::field("name"), text("Ada")),
        (Target::field("licence_type"), HaloValue::Int(1)),
    ]);
    let error = halo.create(RecordKind::Agent, &fields).await.unwrap_err();
    assert!(error.to_string().contains("There are no named licences left"), "{error}");
    world.halo.turn(|knobs| knobs.agents_with_open_tickets = BTreeSet::from([5]));
    let disable = [change("isdisabled", HaloValue::Bool(true))];
    let error = halo.update(RecordId::agent(5), &disable, None).await.unwrap_err();
    assert!(error.to_string().contains("reassign the open tickets"), "{error}");
}
