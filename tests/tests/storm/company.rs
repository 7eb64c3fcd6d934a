//! The company that the storm falls upon, drawn from a seed: its tenant, the Halo that it has already,
//! and the rules between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use plan::ids::ObjectId;
use sandbox::graph::Graph;
use serde_json::{Value, json};
use tests::helpdesk::{Company, HEAD_OFFICE, OTHER_ROLE, id};
use tests::licensed::{E5, FLOW, OTHERS};
use tests::world::{World, int};

use crate::Plan;
use crate::administrators::{Said, enter_key};
use crate::neighbour::is_theirs;
use crate::planted::Planted;

/// Groups that people join and leave.
pub(crate) const GROUPS: [&str; 8] =
    ["Sales", "IT Helpdesk", "IT Leads", "Staff", "On Call", "Leavers", "Managers", "Approvers"];
/// Offices that people move between; two of them are one site, and none is the site by default.
const OFFICES: [&str; 5] = ["Leeds", " leeds", "York", "Oslo  North", "oslo north"];
/// What people are called by trade.
const TITLES: [&str; 3] = ["Technician", "Buyer", "Nurse"];
/// Most people that the tenant ever has.
const MOST: u8 = 20;
/// Those with the lowest numbers manage the others, and stay.
const MANAGERS: u8 = 2;
/// Whom two users of Halo's fit, so that nobody is linked.
pub(crate) const TWIN: u8 = 5;
/// Halo had them inactive: the product leaves that alone (L3).
pub(crate) const ASLEEP: u8 = 3;
/// Halo had them as a user.
const KNOWN: u8 = 2;
/// Halo had them as an agent, with a role of its own.
pub(crate) const KNOWN_AGENT: u8 = 4;

/// How the deactivations of a storm are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarding {
    /// By limits that are never reached.
    Loose,
    /// All are held until an administrator releases them (L4).
    Tight,
}

/// What the storm knows of the people besides what Entra shows.
#[derive(Debug)]
pub(crate) struct Staff {
    /// How many were ever hired.
    pub(crate) count: u8,
    /// How many new names were given, to people and offices.
    names: u32,
    /// Those who were deleted and restored.
    pub(crate) returned: BTreeSet<u8>,
    /// Those whose links an administrator changed: what we gave them before is not known to be ours any
    /// more.
    pub(crate) cut: BTreeSet<u8>,
    /// Those who were never away, disabled or in other groups.
    pub(crate) steady: BTreeSet<u8>,
    /// What administrators said.
    pub(crate) said: Said,
}

impl Staff {
    fn new(entra: &Graph, count: u8) -> Self {
        let mut staff = Self {
            count,
            names: 0,
            returned: BTreeSet::new(),
            cut: BTreeSet::new(),
            steady: BTreeSet::new(),
            said: Said::default(),
        };
        (0..count).for_each(|index| staff.came(entra, index));
        staff
    }

    /// Somebody: one of these, where there are any, as often as not.
    pub(crate) fn somebody(&self, chance: &mut Rng, of: &[u8]) -> u8 {
        let likely = chance.choice(of).filter(|_| chance.bool());
        likely.copied().unwrap_or_else(|| chance.u8(..self.count))
    }

    fn came(&mut self, entra: &Graph, index: u8) {
        let user = entra.user(&person(index).to_string()).expect("somebody new is there");
        if user["accountEnabled"] == json!(true) {
            self.steady.insert(index);
        }
    }
}

/// The object id of somebody.
pub(crate) fn person(index: u8) -> ObjectId {
    id(index * 11 + 7)
}

/// Their address, for good.
pub(crate) fn mail(index: u8) -> String {
    format!("p{index}@contoso.example")
}

fn hire(entra: &Graph, chance: &mut Rng, index: u8) {
    let who = person(index).to_string();
    let name = format!("Person {index}");
    entra.add_user(json!({
        "id": who, "displayName": name, "givenName": name, "surname": "Contoso",
        "userPrincipalName": mail(index), "mail": mail(index), "usageLocation": "DK",
        "jobTitle": TITLES[chance.usize(..TITLES.len())], "officeLocation": office(chance),
        "accountEnabled": chance.u8(..8) > 0, "userType": "Member" }));
    join(entra, "Staff", &who);
    for _ in 0..chance.u8(..3) {
        join(entra, GROUPS[chance.usize(..GROUPS.len())], &who);
    }
    if index >= MANAGERS && chance.bool() {
        entra.set_manager(&who, Some(&person(chance.u8(..MANAGERS)).to_string()));
    }
    if chance.bool() {
        entra.give_licence(&who, E5);
    }
}

fn office(chance: &mut Rng) -> Value {
    chance.choice(OFFICES).filter(|_| chance.u8(..5) > 0).map_or(Value::Null, Value::from)
}

fn join(entra: &Graph, group: &str, who: &str) {
    entra.add_member(&entra.groups_named(group)[0], who);
}

/// The world before its first import.
pub(crate) async fn world(chance: &mut Rng, plan: Plan) -> (World, Staff, Guarding) {
    let mut company = Company::new();
    let guarding = if chance.u8(..4) == 0 { Guarding::Tight } else { Guarding::Loose };
    let most = if guarding == Guarding::Tight { 0 } else { 1_000 };
    let percent = most.min(100);
    company.document["guard"] = json!({
        "max_deactivations": { "count": most, "percent": percent, "absolute": most } });
    let hours = [6, 168][chance.usize(..2)];
    let out_of_scope = ["deactivate", "leave"][chance.usize(..2)];
    company.document["sync"] = json!({ "entities": ["users", "agents", "licences"],
        "every_minutes": 15, "full_every_hours": hours, "out_of_scope": out_of_scope,
        "deactivate_disabled_users": chance.bool() });
    company.document["licences"] = json!({ "client_id": 3, "manage_from_halo": true });
    company.document["mappings"][3]["target"] = json!({ "type": "organisation", "client_id": 3,
        "site_from": "officeLocation", "default_site_id": HEAD_OFFICE });
    let entra = &company.entra;
    entra.faults(|faults| faults.page_size = chance.usize(3..9));
    entra.grant("LicenseAssignment.ReadWrite.All");
    entra.add_sku_with_id(E5, "ENTERPRISEPREMIUM", 25);
    entra.add_sku_with_id(FLOW, "FLOW_FREE", 100);
    entra.give_group_licence(&entra.groups_named("Sales")[0], FLOW);
    let count = chance.u8(8..14);
    for index in 0..count {
        hire(entra, chance, index);
    }
    stock(&company);
    let staff = Staff::new(entra, count);
    let mut setup = company.setup();
    plan.backend.prepare(&mut setup).await;
    if let Some(bug) = plan.bug {
        setup.halo_clock = bug.halo_clock();
        setup.before_table = Some(Box::new(move |table| Arc::new(Planted::new(bug, table))));
    }
    let world = World::new(setup).await;
    enter_key(&world).await;
    (world, staff, guarding)
}

/// What Halo has before: people that Entra knows as well, and people that it does not know.
fn stock(company: &Company) {
    let halo = &company.halo;
    halo.add_licence(&json!({ "id": OTHERS, "name": "Their own", "client_id": 3 }));
    let user = |name: &str, mail: &str, inactive: bool| {
        halo.add_user(&json!({ "name": name, "site_id": HEAD_OFFICE, "emailaddress": mail,
            "inactive": inactive }));
    };
    user("Known before", &mail(KNOWN).to_uppercase(), false);
    user("Asleep before", &mail(ASLEEP), true);
    user("Twin one", &mail(TWIN), false);
    user("Twin two", &mail(TWIN), false);
    user("Somebody else", "else@other.example", false);
    company.agent(41, "Known agent", &mail(KNOWN_AGENT), &[OTHER_ROLE]);
    company.agent(42, "Somebody else's agent", "agent@other.example", &[OTHER_ROLE]);
}

/// The user, agent and licence records that belong to nobody of the tenant, as they are now (T6).
pub(crate) fn strangers(world: &World, staff: u8) -> BTreeMap<(&'static str, i64), Value> {
    let ours = |record: &Value| {
        let has = |name: &str, index: u8| {
            record[name].as_str().is_some_and(|text| text.eq_ignore_ascii_case(&mail(index)))
        };
        let is = |index: u8| has("emailaddress", index) || has("email", index);
        (0..staff).filter(|index| *index != TWIN).any(is)
    };
    let kinds = [("user", world.halo.users()), ("agent", world.halo.agents())];
    let all = kinds.into_iter().flat_map(|(kind, records)| {
        records
            .into_iter()
            .filter(|it| !ours(it) && !is_theirs(it))
            .map(move |it| ((kind, int(&it["id"])), it))
    });
    let licences = world.halo.licences().into_iter().filter(|it| int(&it["id"]) == OTHERS);
    all.chain(licences.map(|it| (("licence", OTHERS), it))).collect()
}

/// Something happens in Entra; what.
pub(crate) fn change(world: &World, chance: &mut Rng, staff: &mut Staff) -> &'static str {
    let index = chance.u8(..staff.count);
    change_of(world, chance, staff, index)
}

/// Something happens to somebody in Entra, or somebody else comes; what.
pub(crate) fn change_of(
    world: &World,
    chance: &mut Rng,
    staff: &mut Staff,
    index: u8,
) -> &'static str {
    let entra = &world.entra;
    let who = person(index).to_string();
    let Some(user) = entra.user(&who) else {
        if chance.bool() {
            entra.restore(&who);
            staff.returned.insert(index);
            return "restore";
        }
        return "nothing";
    };
    let update = |change: Value| entra.update_user(&who, change);
    match chance.u8(..16) {
        0 if staff.count < MOST => {
            hire(entra, chance, staff.count);
            staff.came(entra, staff.count);
            staff.count += 1;
            "hire"
        }
        0..=2 if index >= MANAGERS => {
            entra.soft_delete(&who);
            staff.steady.remove(&index);
            "leave"
        }
        3 | 4 => {
            staff.steady.remove(&index);
            update(json!({ "accountEnabled": user["accountEnabled"] != json!(true) }));
            "disable or enable"
        }
        5 | 6 => {
            staff.names += 1;
            update(json!({ "displayName": format!("Person {index} the {}th", staff.names) }));
            "rename"
        }
        7 => {
            update(json!({ "officeLocation": office(chance) }));
            "move office"
        }
        8 => {
            update(json!({ "jobTitle": TITLES[chance.usize(..TITLES.len())] }));
            "promote"
        }
        9 | 10 => {
            if entra.licences_of(&who).contains(E5) {
                entra.take_licence(&who, E5);
            } else {
                entra.give_licence(&who, E5);
            }
            "licence"
        }
        11 if index >= MANAGERS => {
            let manager = person(chance.u8(..MANAGERS)).to_string();
            entra.set_manager(&who, chance.bool().then_some(manager.as_str()));
            "manager"
        }
        _ => {
            staff.steady.remove(&index);
            let group = GROUPS[chance.usize(..GROUPS.len())];
            let id = &entra.groups_named(group)[0];
            if entra.members(id, false).contains(&who) {
                entra.remove_member(id, &who);
            } else {
                entra.add_member(id, &who);
            }
            "move group"
        }
    }
}

/// People of several segments move to an office that is new.
pub(crate) fn open_office(world: &World, chance: &mut Rng, staff: &mut Staff) {
    staff.names += 1;
    let office = format!("Office {}", staff.names);
    for _ in 0..4 {
        let who = person(chance.u8(..staff.count)).to_string();
        if world.entra.user(&who).is_some() {
            world.entra.update_user(&who, json!({ "officeLocation": office }));
        }
    }
}

/// Another draft of the rules.
pub(crate) fn redraft(document: &mut Value, chance: &mut Rng) {
    match chance.u8(..8) {
        0 => {
            document["mappings"][0]["target"]["site_id"] = Value::from([18, 12][chance.usize(..2)]);
        }
        1 => document["mappings"][0]["user_role_id"] = Value::from([3, 4][chance.usize(..2)]),
        2 => {
            let [first, second] = [[20, 30], [30, 20]][chance.usize(..2)];
            document["mappings"][1]["sequence"] = json!(first);
            document["mappings"][2]["sequence"] = json!(second);
        }
        3 => document["mappings"][2]["agent_role_id"] = Value::from([5, 8][chance.usize(..2)]),
        4 => {
            let rows = [json!(["upper"]), json!([])];
            document["field_mappings"]["users"][2]["transforms"] = rows[chance.usize(..2)].clone();
        }
        5 => {
            document["sync"]["out_of_scope"] =
                Value::from(["deactivate", "leave"][chance.usize(..2)]);
        }
        6 => document["sync"]["deactivate_disabled_users"] = json!(chance.bool()),
        _ => document["roles"]["user_roles"][0]["role_id"] = Value::from([4, 9][chance.usize(..2)]),
    }
}
