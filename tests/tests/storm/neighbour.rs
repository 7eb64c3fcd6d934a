//! A second tenant in the same deployment, with its own connection and its own client in the same Halo:
//! neither may write what is the other's.

use std::collections::BTreeMap;

use engine::connections::Removed;
use engine::store::Key;
use fastrand::Rng;
use plan::ids::{ConnectionId, ObjectId};
use sandbox::graph::Graph;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET};
use sandbox::server::Served;
use serde_json::{Value, json};
use tests::world::{World, int};

use crate::administrators::ADMIN;

/// Its tenant.
const TENANT: &str = "5d1c3a52-90d4-4f0c-9d0b-0a8d3c1f7e66";
/// Its client and site in Halo.
const CLIENT: i64 = 4;
const SITE: i64 = 41;
/// Most people that it ever has.
const MOST: u8 = 8;

/// The neighbour.
pub(crate) struct Neighbour {
    pub(crate) id: ConnectionId,
    pub(crate) entra: Graph,
    /// Whether its connection was ever taken away: what it made before is not known to be its own.
    pub(crate) was_away: bool,
    /// What it has in Halo, while its connection is away.
    rests: Option<Vec<Value>>,
    count: u8,
    names: u32,
    served: Served,
}

/// The object id of somebody there.
fn person(index: u8) -> ObjectId {
    format!("{:x}1000000-0000-4000-9000-0000000000{index:02x}", index % 16).parse().unwrap()
}

fn mail(index: u8) -> String {
    format!("p{index}@fabrikam.example")
}

/// Whether a record is of somebody there.
pub(crate) fn is_theirs(record: &Value) -> bool {
    let ends =
        |name: &str| record[name].as_str().is_some_and(|it| it.ends_with("@fabrikam.example"));
    ends("emailaddress") || int(&record["client_id"]) == CLIENT || int(&record["site_id"]) == SITE
}

fn document(url: &str) -> Value {
    json!({
        "id": "fabrikam", "name": "Fabrikam", "enabled": true, "tenant_id": TENANT,
        "cloud": { "login": url, "graph": url },
        "auth": { "method": "application", "credential": "secret", "client_id": CLIENT_ID },
        "sync": { "entities": ["users"], "every_minutes": 15, "deactivate_disabled_users": true },
        "field_mappings": { "users": [
            { "from": "displayName", "to": "name" }, { "from": "mail", "to": "emailaddress" } ] },
        // The first of them has a namesake in the other tenant.
        "matching": { "users": [{ "entra": "displayName", "halo": "name" }] },
        "mappings": [{ "id": "all", "sequence": 1, "target": { "type": "site", "site_id": SITE } }],
        "guard": { "max_deactivations": { "count": 1000, "percent": 100, "absolute": 1000 } } })
}

impl Neighbour {
    /// Moves in next to a connection that has not run yet.
    pub(crate) async fn new(world: &World) -> Self {
        let entra = Graph::new(TENANT, CLIENT_ID, CLIENT_SECRET);
        entra.set_now(world.clock_now());
        world.halo.add_client(&json!({ "id": CLIENT, "name": "Fabrikam" }));
        world.halo.add_site(&json!({ "id": SITE, "name": "Next door", "client_id": CLIENT }));
        let served = entra.serve(None, Some(world.wire.hook("graph next door"))).await.unwrap();
        let document = document(&served.url);
        let mut all = Self {
            id: document["id"].as_str().unwrap().parse().unwrap(),
            entra,
            was_away: false,
            rests: None,
            count: 0,
            names: 0,
            served,
        };
        for _ in 0..4 {
            all.hire();
        }
        world.connect(&document).await;
        all
    }

    fn hire(&mut self) {
        let index = self.count;
        // The names are those of people of the other tenant.
        self.entra.add_user(json!({
            "id": person(index).to_string(), "displayName": format!("Person {index}"),
            "userPrincipalName": mail(index), "mail": mail(index), "accountEnabled": true,
            "userType": "Member" }));
        self.count += 1;
    }

    /// Something happens there; what.
    pub(crate) fn change(&mut self, chance: &mut Rng) -> &'static str {
        let index = chance.u8(..self.count);
        let who = person(index).to_string();
        let Some(user) = self.entra.user(&who) else {
            self.entra.restore(&who);
            return "restore";
        };
        match chance.u8(..5) {
            0 if self.count < MOST => {
                self.hire();
                "hire"
            }
            0 | 1 => {
                self.entra.soft_delete(&who);
                "leave"
            }
            2 => {
                let enabled = user["accountEnabled"] != json!(true);
                self.entra.update_user(&who, json!({ "accountEnabled": enabled }));
                "disable or enable"
            }
            _ => {
                self.names += 1;
                let name = format!("Person {index} the {}th", self.names);
                self.entra.update_user(&who, json!({ "displayName": name }));
                "rename"
            }
        }
    }

    /// Its connection is taken away in the middle of whatever it does, or comes back; what.
    pub(crate) async fn move_out_or_in(&mut self, world: &World) -> &'static str {
        if self.rests.take().is_some() {
            world.connect(&document(&self.served.url)).await;
            return "back";
        }
        self.was_away = true;
        for _ in 0..20 {
            match world.engine.remove_connection(ADMIN, &self.id).await {
                Ok(Removed::SomeLeft) => {}
                Ok(Removed::All) => {
                    self.rests = Some(theirs(world));
                    return "away";
                }
                Err(refusal) => unreachable!("a connection cannot be removed: {refusal:?}"),
            }
        }
        unreachable!("a connection is never gone")
    }

    /// C1, T6: of a connection that is away nothing comes back, and what it made rests.
    pub(crate) async fn check(&self, world: &World) -> Result<(), String> {
        let Some(rests) = &self.rests else { return Ok(()) };
        if *rests != theirs(world) {
            return Err("somebody writes for a connection that is away".to_owned());
        }
        let store = &world.engine.store;
        let state = store.state(&self.id).await.unwrap();
        let document = store.document(&self.id).await.unwrap();
        let people = world.people_of(&self.id).await;
        if state.is_some() || document.is_some() || !people.is_empty() {
            return Err(format!("a connection that is away has {state:?}, {people:?}"));
        }
        let records = world.memory.as_ref().map(|memory| memory.records()).unwrap_or_default();
        let own = format!("c#{}", self.id);
        // Log and audit have a life of their own.
        let is_left = |key: &Key| {
            let is_log = key.pk.starts_with(&format!("{own}#log"));
            key.pk.starts_with(&own) && !is_log && !key.sk.starts_with("audit#")
        };
        match records.iter().find(|record| is_left(&record.key)) {
            Some(record) => Err(format!("left of a connection that is away: {record:?}")),
            None => Ok(()),
        }
    }

    /// In what Halo is not as it should be for them.
    pub(crate) fn compare(&self, world: &World) -> Vec<String> {
        if self.rests.is_some() {
            return Vec::new();
        }
        let text =
            |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let users = world.halo.users().into_iter();
        let users: BTreeMap<String, Value> =
            users.map(|user| (text(&user, "azureoid").to_lowercase(), user)).collect();
        let mut wrong = Vec::new();
        for index in 0..self.count {
            let id = person(index).to_string();
            let seen = self.entra.user(&id);
            let enabled = seen.as_ref().is_some_and(|it| it["accountEnabled"] == json!(true));
            let Some(user) = users.get(&id) else {
                if enabled {
                    wrong.push(format!("person {index} next door is not there"));
                }
                continue;
            };
            // Whom it had made inactive before it was away is inactive by others now (L3).
            let is_active = user["inactive"] != json!(true);
            if is_active != enabled && (is_active || !self.was_away) {
                wrong.push(format!("person {index} next door should be active: {enabled}"));
            }
            let named = seen.filter(|_| enabled).map(|seen| text(&seen, "displayName"));
            let is_here = int(&user["site_id"]) == SITE && text(user, "azure_tenant_id") == TENANT;
            if !is_here || named.is_some_and(|name| name != text(user, "name")) {
                wrong.push(format!("person {index} next door is {user}"));
            }
        }
        wrong
    }
}

fn theirs(world: &World) -> Vec<Value> {
    world.halo.users().into_iter().filter(is_theirs).collect()
}

/// C1, T6: whoever carries an object id is of that tenant, in its own client.
pub(crate) fn nobody_crosses(users: &[Value]) -> Result<(), String> {
    let theirs: Vec<String> = (0..MOST).map(|index| person(index).to_string()).collect();
    for user in users {
        let id = user["azureoid"].as_str().unwrap_or_default().to_lowercase();
        let tenant = user["azure_tenant_id"].as_str().unwrap_or_default();
        let next_door = int(&user["site_id"]) == SITE;
        let is_right = id.is_empty() || theirs.contains(&id) == next_door;
        let is_ours = id.is_empty() || theirs.contains(&id) == (tenant == TENANT);
        if !is_right || !is_ours {
            return Err(format!("a user of two tenants: {user}"));
        }
    }
    Ok(())
}
