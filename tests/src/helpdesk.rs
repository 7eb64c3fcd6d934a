//! A small company with a helpdesk: its tenant, the Halo that it has already, and a connection between
//! them that makes agents, gives roles and fills boards.

use std::collections::BTreeMap;

use engine::store::log::Entry;
use engine::store::{Commit, Range, keys, put};
use jiff::SignedDuration;
use plan::ids::ObjectId;
use plan::link::{Link, Ruling, Says};
use plan::tally::Run;
use sandbox::graph::Graph;
use sandbox::halo::Halo;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::{Value, json};

use crate::world::{Setup, Storage, World, int};

/// The site of everybody, and that of sales.
pub const HEAD_OFFICE: i64 = 12;
/// The site of sales.
pub const SALES_SITE: i64 = 18;
/// Role of agents of the helpdesk mapping.
pub const HELPDESK: i64 = 5;
/// Role of agents of the mapping for leads, who are administrators.
pub const ADMINISTRATOR: i64 = 7;
/// Role of agents that a group gives.
pub const ON_CALL: i64 = 8;
/// Role of agents that nothing in the document names.
pub const OTHER_ROLE: i64 = 10;
/// Role that makes agents inactive.
pub const LEAVER: i64 = 11;
/// Role of users of the sales mapping.
pub const SALES: i64 = 3;
/// Role of users that a group gives.
pub const MANAGER: i64 = 4;
/// Role of users without a manager.
pub const NO_MANAGER: i64 = 9;
/// A board that is kept in step.
pub const KEPT_BOARD: i64 = 1;
/// A board that people join when they are made.
pub const FIRST_BOARD: i64 = 2;
/// An agent of Halo's own who holds the role of administrators and whom Entra does not know.
pub const HALO_ADMINISTRATOR: i64 = 2;
/// The role on the board that is kept in step.
pub const APPROVER: i64 = 6;

/// All groups that the document names.
const GROUPS: [&str; 8] =
    ["Sales", "IT Helpdesk", "IT Leads", "Staff", "On Call", "Leavers", "Managers", "Approvers"];

/// The company before its first import.
pub struct Company {
    /// Entra.
    pub entra: Graph,
    /// Halo.
    pub halo: Halo,
    /// The connection's document.
    pub document: Value,
    groups: BTreeMap<&'static str, String>,
}

impl Default for Company {
    fn default() -> Self {
        Self::new()
    }
}

impl Company {
    /// A company without people: all groups are there and empty; Halo has sites, roles and boards.
    pub fn new() -> Self {
        let entra = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
        let groups = GROUPS.map(|name| (name, entra.add_group(json!({ "displayName": name }))));
        Self { entra, halo: halo(), document: document(), groups: groups.into_iter().collect() }
    }

    /// Adds somebody to the tenant, with a number that is theirs for good and a few groups. The first
    /// digit of the number, in hex, is the segment.
    pub fn hire(&self, number: u8, name: &str, groups: &[&str]) -> ObjectId {
        let id = id(number);
        let mail = format!("{}@contoso.example", name.to_lowercase().replace(' ', "."));
        self.entra.add_user(json!({
            "id": id.to_string(), "displayName": name, "givenName": name, "surname": "Contoso",
            "userPrincipalName": mail, "mail": mail, "jobTitle": "Technician",
            "accountEnabled": true, "userType": "Member" }));
        for group in groups {
            self.entra.add_member(&self.groups[group], &id.to_string());
        }
        id
    }

    /// An agent that Halo has already.
    pub fn agent(&self, id: i64, name: &str, mail: &str, roles: &[i64]) {
        let roles: Vec<Value> = roles.iter().map(|role| json!({ "id_int": role })).collect();
        self.halo.add_agent(&json!({ "id": id, "name": name, "email": mail, "roles": roles }));
    }

    /// The company with a connection that has not run yet.
    pub async fn open(self) -> World {
        World::new(self.setup()).await
    }

    /// The same, to be changed before the world starts.
    pub fn setup(self) -> Setup {
        Setup {
            entra: self.entra,
            halo: self.halo,
            document: Some(self.document),
            storage: Storage::Memory,
            ..Setup::default()
        }
    }
}

/// The object id of the person with a number.
pub fn id(number: u8) -> ObjectId {
    format!("{number:02x}000000-0000-4000-8000-0000000000{number:02x}").parse().unwrap()
}

fn halo() -> Halo {
    let halo = Halo::new();
    halo.add_client(&json!({ "id": 3, "name": "Contoso" }));
    for (id, name) in [(HEAD_OFFICE, "Head office"), (SALES_SITE, "Sales")] {
        halo.add_site(&json!({ "id": id, "name": name, "client_id": 3 }));
    }
    let roles = [
        (HELPDESK, "Helpdesk"),
        (ADMINISTRATOR, "Administrator"),
        (ON_CALL, "On call"),
        (OTHER_ROLE, "Reports"),
        (LEAVER, "Leaver"),
    ];
    for (id, name) in roles {
        halo.add_role(&json!({ "id": format!("role-{id}"), "id_int": id, "name": name }));
    }
    halo.add_agent(&json!({ "id": HALO_ADMINISTRATOR, "name": "Halo administrator",
        "email": "admin@halo.example", "roles": [{ "id_int": ADMINISTRATOR }] }));
    for (id, name) in [(SALES, "Sales"), (MANAGER, "Managers"), (NO_MANAGER, "No manager")] {
        halo.add_user_role(&json!({ "id": id, "name": name }));
    }
    for (id, name) in [(KEPT_BOARD, "Change board"), (FIRST_BOARD, "Welcome board")] {
        let chair = halo.add_user(&json!({ "name": format!("Chair of {name}"), "site_id": 18 }));
        halo.add_cab(&json!({ "id": id, "name": name,
            "roles": [{ "id": APPROVER, "cab_id": id, "name": "Approver" }],
            "members": [{ "id": id * 100, "cab_id": id, "user_id": chair, "is_mandatory": true }] }));
    }
    halo
}

/// The document, but for the cloud.
pub fn document() -> Value {
    json!({
        "id": "contoso", "name": "Contoso", "enabled": true, "tenant_id": TENANT_ID,
        "auth": { "method": "application", "credential": "secret", "client_id": CLIENT_ID },
        "sync": { "entities": ["users", "agents"], "every_minutes": 15 },
        "field_mappings": {
            "users": [
                { "from": "displayName", "to": "name" }, { "from": "mail", "to": "emailaddress" },
                { "from": "jobTitle", "to": "title" }, { "from": "manager.displayName", "to": "admanager" } ],
            "agents": [
                { "from": "displayName", "to": "name" }, { "from": "mail", "to": "email" },
                { "from": "jobTitle", "to": "jobtitle" },
                { "from": "manager.displayName", "to": "linemanager" } ] },
        "matching": { "users": [{ "entra": "mail", "halo": "emailaddress" }],
            "agents": [{ "entra": "mail", "halo": "email" }] },
        "mappings": [
            { "id": "sales", "sequence": 10, "target": { "type": "site", "site_id": SALES_SITE },
                "user_role_id": SALES, "group": { "name": "Sales" } },
            { "id": "leads", "sequence": 20, "group": { "name": "IT Leads" },
                "target": { "type": "agents", "user_site_id": HEAD_OFFICE },
                "agent_role_id": ADMINISTRATOR, "licence_type": "named" },
            { "id": "helpdesk", "sequence": 30, "group": { "name": "IT Helpdesk" },
                "target": { "type": "agents", "user_site_id": HEAD_OFFICE },
                "agent_role_id": HELPDESK, "licence_type": "no_change" },
            { "id": "staff", "sequence": 40, "target": { "type": "site", "site_id": HEAD_OFFICE },
                "group": { "name": "Staff" } } ],
        "roles": {
            "agent_roles": [ { "group": { "name": "On Call" }, "role_id": ON_CALL },
                { "group": { "name": "Leavers" }, "role_id": LEAVER } ],
            "user_roles": [{ "group": { "name": "Managers" }, "role_id": MANAGER }],
            "no_manager_user_role_id": NO_MANAGER,
            "cabs": [
                { "group": { "name": "Approvers" }, "cab_id": KEPT_BOARD, "cab_role_id": APPROVER, "keep": true },
                { "group": { "name": "Approvers" }, "cab_id": FIRST_BOARD } ],
            "licence_management": true, "inactive_agent_role_ids": [LEAVER] } })
}

/// Looking into a world.
impl World {
    /// Who somebody is in Halo.
    pub async fn link(&self, id: ObjectId) -> Link {
        let person = self.engine.store.person(&self.id, id).await.unwrap();
        person.map(|person| person.value.link).unwrap_or_default()
    }

    /// Somebody's user in Halo, who must have one.
    pub async fn user(&self, id: ObjectId) -> Value {
        let linked = self.link(id).await.user.expect("somebody with a user");
        self.halo.user(linked.record.id).expect("the user is there")
    }

    /// Somebody's agent in Halo, who must have one.
    pub async fn agent(&self, id: ObjectId) -> Value {
        let linked = self.link(id).await.agent.expect("somebody with an agent");
        self.halo.agent(linked.record.id).expect("the agent is there")
    }

    /// What the log says of somebody in a run.
    pub async fn entry(&self, run: &Run, id: ObjectId) -> Entry {
        let log = self.log().await.into_iter();
        let mut own = log.filter(|entry| entry.run == run.run && entry.person.id == id);
        let entry = own.next().expect("an entry");
        assert!(own.next().is_none(), "one entry for a person in a run");
        entry
    }

    /// Makes somebody a member of a group.
    pub fn join(&self, group: &str, id: ObjectId) {
        self.entra.add_member(&self.entra.groups_named(group)[0], &id.to_string());
    }

    /// Takes somebody out of a group.
    pub fn leave(&self, group: &str, id: ObjectId) {
        self.entra.remove_member(&self.entra.groups_named(group)[0], &id.to_string());
    }

    /// Disables or enables an account.
    pub fn enable(&self, id: ObjectId, enabled: bool) {
        self.entra.update_user(&id.to_string(), json!({ "accountEnabled": enabled }));
    }

    /// An administrator says something of somebody's held deactivation, for a number of hours from now.
    pub async fn rule(&self, id: ObjectId, says: Says, hours: i64) {
        let mut found = self.engine.store.person(&self.id, id).await.unwrap().unwrap();
        let run = found.value.held.as_ref().expect("it is held").run;
        let until = self.engine.clock.now() + SignedDuration::from_hours(hours);
        found.value.link.ruling = Some(Ruling { says, run, until, by: "administrator".into() });
        let write = put(keys::person(&self.id, id), &found.value, found.unchanged()).unwrap();
        assert_eq!(self.engine.store.commit(&[write]).await.unwrap(), Commit::Done);
    }

    /// People whose deactivation is held.
    pub async fn held(&self) -> Vec<ObjectId> {
        let range = Range::of(keys::held_of(&self.id), 1000);
        let page = self.engine.store.query(&range).await.unwrap();
        page.records.iter().map(|record| record.key.sk.parse().unwrap()).collect()
    }

    /// The run after the time in which somebody who failed is not tried again.
    pub async fn sync_retries(&self) -> Run {
        self.pass(SignedDuration::from_mins(6));
        self.sync().await
    }

    /// Runs until one changes nothing, so that whatever repairs itself has done so.
    pub async fn sync_until_quiet(&self) -> Run {
        for _ in 0..6 {
            let run = self.sync().await;
            if run.requests.halo == 0 && run.counts == plan::tally::Counts::default() {
                return run;
            }
        }
        panic!("it never becomes quiet");
    }

    /// The members of a board as numbers of users and agents with their role there.
    pub fn board(&self, cab: i64) -> Vec<(&'static str, i64, i64)> {
        let cabs = self.halo.cabs();
        let board = cabs.iter().find(|board| int(&board["id"]) == cab).expect("the board is there");
        let members = board["members"].as_array().unwrap().iter().map(|member| {
            let (kind, id) = match int(&member["agent_id"]) {
                0 => ("user", int(&member["user_id"])),
                agent => ("agent", agent),
            };
            (kind, id, int(&member["role_id"]))
        });
        let mut members: Vec<_> = members.collect();
        members.sort_unstable();
        members
    }

    /// How often Halo was asked with this method on a path.
    pub fn asked(&self, method: &str, path: &str) -> usize {
        let seen = self.halo_served.log.all();
        seen.iter().filter(|seen| seen.method == method && seen.path == path).count()
    }
}

/// Numbers of the roles that a record of Halo holds.
pub fn roles(record: &Value) -> Vec<i64> {
    let number = |role: &Value| match int(&role["id_int"]) {
        0 => int(&role["id"]),
        number => number,
    };
    let mut roles: Vec<i64> = record["roles"].as_array().unwrap().iter().map(number).collect();
    roles.sort_unstable();
    roles
}

/// The names of the fields that a write sent.
pub fn sent(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}
