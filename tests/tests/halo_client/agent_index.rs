//! The index of agents, and looking for one: as for users, with our own record of whose each is (M2, M4, M6).

use std::collections::BTreeSet;

use engine::halo::Halo;
use engine::halo::index::{Built, Freshness, Live};
use engine::store::people::RecordOwner;
use engine::store::{Commit, Expect, keys as places, put};
use plan::ids::{RecordId, RecordKind};
use plan::link::{Fields, HaloValue, Target};
use plan::matching::{Hit, Match};
use sandbox::halo::{AgentList, Fault};
use serde_json::json;

use super::{ADA, BOB, World, keys, kind, shown};

const AGENT: RecordKind = RecordKind::Agent;

fn fields() -> BTreeSet<String> {
    ["email", "name"].map(str::to_owned).into()
}

async fn build(world: &World, halo: &Halo, kind: RecordKind) -> Live {
    match halo.index(kind).build_step(&fields(), world.deadline(3600)).await.unwrap() {
        Built::Ready(live) => live,
        Built::Reading(progress) => panic!("{progress:?}"),
    }
}

/// Notes whose agent that is, as a step does that linked it.
async fn own(world: &World, agent: i64, person: &str) {
    let owner =
        RecordOwner { connection: "contoso".parse().unwrap(), person: person.parse().unwrap() };
    let key = places::agent_owner(RecordId::agent(agent));
    let write = put(key, &owner, Expect::Anything).unwrap();
    assert_eq!(world.store.commit(&[write]).await.unwrap(), Commit::Done);
}

/// Agents 1 (free), 2 (disabled), 3 (Bob's), 4 (of an application), all of one name.
async fn staffed() -> World {
    let world = World::new().await;
    let agent = |id: i64, more: serde_json::Value| {
        let mut agent = json!({ "id": id, "name": "Ada", "email": format!("a{id}@X.example") });
        agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.halo.add_agent(&agent);
    };
    agent(1, json!({}));
    agent(2, json!({ "isdisabled": true }));
    agent(3, json!({}));
    agent(4, json!({ "isapiagent": true }));
    own(&world, 3, BOB).await;
    world
}

#[tokio::test]
async fn agents_are_found_unless_they_belong_to_somebody() {
    // M2, M4, M5, L1: disabled agents are there, those of applications are not, each in every shape.
    for shape in [AgentList::Bare, AgentList::Results, AgentList::Agents] {
        let world = staffed().await;
        world.halo.turn(|knobs| knobs.agent_list = shape);
        let halo = world.client();
        let live = build(&world, &halo, AGENT).await;
        let requests = if shape == AgentList::Bare { 1 } else { 2 };
        assert_eq!(world.requests("GET", "/api/agent"), requests, "{shape:?}");
        let asked = keys(&[
            ("azureoid", ADA),
            ("azureoid", BOB),
            ("name", " ada "),
            ("email", "a3@x.example"),
            ("email", "a4@x.example"),
        ]);
        let hits = halo.index(AGENT).lookup(&live, &asked).await.unwrap();
        assert_eq!(shown(&hits), format!("azureoid={BOB}: 3*; name=ada: 1 2-"), "{shape:?}");
    }
}

#[tokio::test]
async fn the_two_indexes_do_not_meet() {
    let world = staffed().await;
    world.add(json!({ "name": "Ada", "azureoid": BOB }));
    let halo = world.client();
    let agents = build(&world, &halo, AGENT).await;
    assert_eq!(halo.index(RecordKind::User).live(&fields(), Freshness::Any).await.unwrap(), None);
    let free = world.add(json!({ "name": "Ada" }));
    let users = build(&world, &halo, RecordKind::User).await;
    assert_eq!(
        halo.index(AGENT).live(&fields(), Freshness::Fresh).await.unwrap(),
        Some(agents.clone())
    );
    let asked = keys(&[("name", "ada")]);
    let hits = halo.index(RecordKind::User).lookup(&users, &asked).await.unwrap();
    assert_eq!(shown(&hits), format!("name=ada: {free}"));
    assert!(hits.values().flatten().all(|hit| hit.record.kind == RecordKind::User));
    let hits = halo.index(AGENT).lookup(&agents, &asked).await.unwrap();
    assert_eq!(shown(&hits), "name=ada: 1 2-");
    assert!(hits.values().flatten().all(|hit| hit.record.kind == AGENT));
}

#[tokio::test]
async fn our_own_writes_are_known_at_once() {
    let world = staffed().await;
    let halo = world.client();
    let live = build(&world, &halo, AGENT).await;
    let hit = Hit { record: RecordId::agent(1), object_id: Some(ADA.to_owned()), inactive: false };
    let known = keys(&[("azureoid", ADA), ("name", "Ada"), ("email", "a1@x.example")]);
    own(&world, 1, ADA).await;
    halo.index(AGENT).remember(&[(hit, known.clone())]).await.unwrap();
    let hits = halo.index(AGENT).lookup(&live, &known).await.unwrap();
    let expected = format!("azureoid={ADA}: 1*; email=a1@x.example: 1*; name=ada: 1* 2-");
    assert_eq!(shown(&hits), expected);
}

#[tokio::test]
async fn many_agents_are_indexed_page_by_page() {
    // H4: a bare array cut into pages is read on, one that is whole is not asked for again.
    let world = World::new().await;
    for number in 1..=230 {
        let mail = format!("a{number}@x.example");
        world.halo.add_agent(&json!({ "id": number, "name": "Agent", "email": mail }));
    }
    let halo = world.client();
    let live = build(&world, &halo, AGENT).await;
    assert_eq!((live.users, world.requests("GET", "/api/agent")), (231, 3));
    let hits =
        halo.index(AGENT).lookup(&live, &keys(&[("email", "a229@x.example")])).await.unwrap();
    assert_eq!(shown(&hits), "email=a229@x.example: 229");
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found() {
    // M6, T2: with one request, whoever else has the name.
    for shape in [AgentList::Bare, AgentList::Results, AgentList::Agents] {
        let world = staffed().await;
        world.halo.turn(|knobs| knobs.agent_list = shape);
        world.halo.fail_next("/api/agent", "POST", 1, Fault::ReplyLost);
        let text = |value: &str| HaloValue::Text(value.to_owned());
        let fields = Fields::from([
            (Target::field("name"), text("Ada")),
            (Target::field("email"), text("New@x.example")),
        ]);
        let halo = world.client();
        let error = halo.create(AGENT, &fields).await.unwrap_err();
        assert!(error.may_have_acted(), "{error}");
        let made = world.halo.writes()[0].id;
        let asked = keys(&[("azureoid", ADA), ("email", "new@x.example")]);
        let hits = halo.find(AGENT, &asked).await.unwrap();
        assert_eq!(shown(&hits), format!("email=new@x.example: {made}"), "{shape:?}");
        let requests = if shape == AgentList::Bare { 1 } else { 2 };
        assert_eq!(world.requests("GET", "/api/agent"), requests, "{shape:?}");
    }
}

#[tokio::test]
async fn a_search_knows_owners_and_leaves_out_who_stands_for_nobody() {
    // M2, M4.
    let world = staffed().await;
    let halo = world.client();
    let asked = keys(&[("azureoid", BOB), ("name", "ada"), ("email", "a3@x.example")]);
    let hits = halo.find(AGENT, &asked).await.unwrap();
    let expected = format!("azureoid={BOB}: 3*; email=a3@x.example: 3*; name=ada: 1 2- 3*");
    assert_eq!(shown(&hits), expected);
    let bob =
        plan::matching::find(BOB.parse().unwrap(), &plan::facts::Facts::default(), &[], &hits);
    assert!(matches!(bob, Match::One { hit, .. } if hit.record == RecordId::agent(3)));
    let none = halo.find(AGENT, &keys(&[("email", "nobody@x.example")])).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn what_rows_leave_out_is_read_with_details() {
    let world = staffed().await;
    world.halo.add_agent(&json!({ "id": 9, "name": "Eve", "activedirectory_dn": "CN=Eve" }));
    let hits =
        world.client().find(AGENT, &keys(&[("activedirectory_dn", "cn=eve")])).await.unwrap();
    assert_eq!(shown(&hits), "activedirectory_dn=cn=eve: 9");
}

#[tokio::test]
async fn a_failed_search_is_an_error_and_not_a_no() {
    // M6.
    let world = staffed().await;
    let halo = world.client();
    for fault in [Fault::HtmlPage, Fault::ResetConnection, Fault::TruncatedBody, Fault::Empty] {
        world.halo.fail_next("/api/agent", "GET", 1, fault.clone());
        let error = halo.find(AGENT, &keys(&[("name", "ada")])).await.unwrap_err();
        drop(kind(error));
    }
}
