//! People who become agents, get roles and seats on boards, name their manager's agent, and whose
//! deactivation is held and then released.

use std::collections::{BTreeMap, BTreeSet};

use engine::store::keys;
use engine::store::people::RecordOwner;
use plan::ids::{ObjectId, RecordId, RecordKind};
use plan::link::{Linked, Says, SeatState};
use serde_json::{Value, json};
use tests::helpdesk::{Company, FIRST_BOARD, KEPT_BOARD, ON_CALL, OTHER_ROLE, id, roles};
use tests::world::World;

use crate::{Scenario, decisions, killed_at_every};

/// Made as an agent, whose manager comes later.
const ADA: u8 = 0x11;
/// Found as an agent and as a user, in the same segment.
const BOB: u8 = 0x12;
/// Ada's manager, made as an agent with the role of administrators.
const CYD: u8 = 0x35;
/// A user and no agent.
const DAN: u8 = 0x36;

struct Helpdesk;

/// What must be the same with and without a kill.
#[derive(Debug, PartialEq)]
struct End {
    users: Vec<String>,
    agents: Vec<String>,
    boards: Vec<BTreeSet<String>>,
    links: BTreeMap<String, Tied>,
    held: Vec<ObjectId>,
    log: BTreeMap<String, Vec<String>>,
}

/// A person's link by names, since numbers depend on who is made first.
#[derive(Debug, PartialEq)]
struct Tied {
    records: [Option<(String, BTreeSet<i64>, String)>; 2],
    seats: Vec<(i64, String, SeatState)>,
    is_owner: bool,
    rests: bool,
}

fn name(world: &World, record: RecordId) -> String {
    let found = match record.kind {
        RecordKind::User => world.halo.user(record.id),
        RecordKind::Agent => world.halo.agent(record.id),
    };
    format!("{} {}", record.kind, found.unwrap()["name"])
}

fn shown(record: &Value, names: &[&str]) -> String {
    let texts = names.iter().map(|name| record[name].to_string());
    let roles: Vec<String> = roles(record).iter().map(ToString::to_string).collect();
    format!("{} roles {}", texts.collect::<Vec<_>>().join("|"), roles.join(","))
}

fn sorted(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = all.collect();
    all.sort();
    all
}

fn board(world: &World, cab: i64) -> BTreeSet<String> {
    let members = world.board(cab).into_iter().map(|(kind, id, role)| {
        let record = match kind {
            "agent" => RecordId::agent(id),
            _ => RecordId::user(id),
        };
        format!("{} as {role}", name(world, record))
    });
    let all: Vec<String> = members.collect();
    let each: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(each.len(), all.len(), "nobody sits twice");
    each
}

async fn tied(world: &World) -> BTreeMap<String, Tied> {
    let mut links = BTreeMap::new();
    for (id, person) in world.people().await {
        let person = person.value;
        let record = |linked: &Option<Linked>| {
            let linked = linked.as_ref()?;
            let how = format!("{:?}", linked.activity);
            Some((name(world, linked.record), linked.granted.clone(), how))
        };
        let seats = person.link.seats.iter();
        let seats = seats.map(|(cab, seat)| (cab.0, name(world, seat.record), seat.state));
        let is_owner = match &person.link.agent {
            Some(linked) => owns(world, linked.record, id).await,
            None => false,
        };
        let tied = Tied {
            records: [record(&person.link.user), record(&person.link.agent)],
            seats: seats.collect(),
            is_owner,
            rests: person.link.intents.is_empty() && person.carried.is_none(),
        };
        links.insert(person.facts.display_name().to_owned(), tied);
    }
    links
}

async fn owns(world: &World, agent: RecordId, person: ObjectId) -> bool {
    let store = &world.engine.store;
    let owner = store.read::<RecordOwner>(&keys::agent_owner(agent)).await;
    owner.unwrap().is_some_and(|owner| owner.value.person == person)
}

impl Scenario for Helpdesk {
    type End = End;
    const STEPS: usize = 3;

    async fn world(&self) -> World {
        let mut company = Company::new();
        company.document["guard"] =
            json!({ "max_deactivations": { "count": 0, "percent": 0, "absolute": 0 } });
        let ada = company.hire(ADA, "Ada", &["IT Helpdesk", "On Call", "Approvers"]);
        company.hire(BOB, "Bob", &["IT Helpdesk", "On Call", "Approvers"]);
        let cyd = company.hire(CYD, "Cyd", &["IT Leads", "Managers"]);
        company.hire(DAN, "Dan", &["Staff", "Approvers"]);
        company.entra.set_manager(&ada.to_string(), Some(&cyd.to_string()));
        company.agent(22, "Bob (before)", "bob@contoso.example", &[ON_CALL, OTHER_ROLE]);
        company.halo.add_user(&json!({ "name": "Bob (before)", "site_id": 12,
            "emailaddress": "bob@contoso.example", "roles": [{ "id": 3 }] }));
        company.open().await
    }

    async fn happen(&self, world: &World, step: usize) {
        match step {
            0 => {}
            1 => {
                for group in ["On Call", "Approvers"] {
                    world.leave(group, id(ADA));
                }
                world.leave("IT Helpdesk", id(BOB));
                world.join("IT Leads", id(BOB));
                world.join("Managers", id(BOB));
                world.enable(id(CYD), false);
                world.entra.soft_delete(&id(DAN).to_string());
            }
            _ => {
                for person in [CYD, DAN].map(id) {
                    world.rule(person, Says::Release, 24 * 7).await;
                }
            }
        }
    }

    async fn end(&self, world: &World) -> End {
        let user = ["name", "emailaddress", "site_id", "azureoid", "inactive", "admanager"];
        let agent = ["name", "email", "jobtitle", "licence_type", "isdisabled", "linemanager_name"];
        let users = world.halo.users().into_iter().map(|record| {
            let linked = record["linked_agent_id"].as_i64().filter(|agent| *agent > 0);
            let linked = linked.map(|agent| name(world, RecordId::agent(agent)));
            format!("{} is {linked:?}", shown(&record, &user))
        });
        End {
            users: sorted(users),
            agents: sorted(world.halo.agents().iter().map(|record| shown(record, &agent))),
            boards: [KEPT_BOARD, FIRST_BOARD].map(|cab| board(world, cab)).into(),
            links: tied(world).await,
            held: world.held().await,
            log: decisions(world).await,
        }
    }
}

/// T2, M6, R4, R3, F6, L4
#[tokio::test]
async fn killed_at_any_outside_call_the_helpdesk_ends_the_same_1() {
    killed_at_every(Helpdesk, 0, 2).await;
}

/// T2, M6, R4, R3, F6, L4
#[tokio::test]
async fn killed_at_any_outside_call_the_helpdesk_ends_the_same_2() {
    killed_at_every(Helpdesk, 1, 2).await;
}

/// L4, R3, R4, R5: what the kills are compared with is what it should be.
#[tokio::test]
async fn without_a_kill_the_helpdesk_ends_as_it_should() {
    let world = Helpdesk.world().await;
    crate::live(&Helpdesk, &world, None).await;
    let end = Helpdesk.end(&world).await;
    assert_eq!(end.held, Vec::<ObjectId>::new(), "both were released");
    let [kept, first] = &end.boards[..] else { panic!("two boards") };
    assert_eq!((kept.len(), first.len()), (3, 3), "Ada left one; Bob was not made: {end:#?}");
    let tied = |name: &str| &end.links[name];
    let granted = |name: &str, kind: usize| tied(name).records[kind].as_ref().unwrap().1.clone();
    assert_eq!(granted("Bob", 1), BTreeSet::from([tests::helpdesk::ADMINISTRATOR]));
    assert_eq!(granted("Ada", 1), BTreeSet::from([tests::helpdesk::HELPDESK]));
    assert!(end.links.values().all(|tied| tied.rests));
    assert!(["Ada", "Bob", "Cyd"].iter().all(|name| tied(name).is_owner));
    let [ada, bob, cyd] = ["Ada", "Bob", "Cyd"].map(|name| {
        let found = end.agents.iter().find(|agent| agent.starts_with(&format!("\"{name}\"")));
        found.expect("the agent is there").as_str()
    });
    assert!(ada.contains("|false|\"Cyd\" roles 5"), "{ada}");
    assert!(bob.contains("|1|false|") && bob.ends_with("roles 7,8,10"), "{bob}");
    assert!(cyd.contains("|true|"), "{cyd}");
}
