//! A small tenant and a small Halo in which every kind of link, conflict and departure can be met.

use engine::store::people::Person;
use plan::ids::ObjectId;
use sandbox::graph::Graph;
use sandbox::halo::Halo;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::{Value, json};
use tests::world::{Setup, World};

/// The object id of a person by number.
pub(crate) fn oid(n: u32) -> String {
    format!("{n:x}0000000-0000-4000-8000-00000000000{n:x}")
}

/// A person's object id as the engine has it.
pub(crate) fn id(n: u32) -> ObjectId {
    oid(n).parse().unwrap()
}

/// The user principal name of a person by number.
pub(crate) fn upn(n: u32) -> String {
    format!("p{n}@contoso.example")
}

/// 1 Ada is made. 2 Ben fits two users. 3 Cyd and 4 Dan fit one. 5 Eve is an agent, found by mail, and
/// 6 Fay one who is made. 7 Gus is found by mail.
fn entra() -> Graph {
    let graph = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    let names = ["Ada", "Ben", "Cyd", "Dan", "Eve", "Fay", "Gus"];
    for (n, name) in (1..).zip(names) {
        let mail = if name == "Dan" { upn(3) } else { upn(n) };
        let department = if ["Eve", "Fay"].contains(&name) { "IT" } else { "Sales" };
        graph.add_user(json!({
            "id": oid(n), "displayName": name, "surname": name, "userPrincipalName": upn(n),
            "mail": mail, "accountEnabled": true, "userType": "Member", "department": department,
        }));
    }
    graph
}

/// Numbers of the records in Halo.
pub(crate) const BEN_ONE: i64 = 501;
pub(crate) const BEN_TWO: i64 = 502;
pub(crate) const SHARED: i64 = 503;
pub(crate) const GUS: i64 = 507;
pub(crate) const SERVICE: i64 = 508;
pub(crate) const STRANGER: i64 = 509;
pub(crate) const SPARE: i64 = 510;
pub(crate) const EVE_AGENT: i64 = 55;
pub(crate) const SPARE_AGENT: i64 = 56;
pub(crate) const ROBOT: i64 = 57;

fn halo() -> Halo {
    let halo = Halo::new();
    halo.add_client(&json!({ "id": 3, "name": "Contoso" }));
    halo.add_site(&json!({ "id": 12, "name": "Head office", "client_id": 3 }));
    halo.add_site(&json!({ "id": 18, "name": "Sales", "client_id": 3 }));
    halo.add_role(&json!({ "id": "a-5", "id_int": 5, "name": "Technician" }));
    let user = |id: i64, name: &str, more: Value| {
        let mut record = json!({ "id": id, "name": name, "site_id": 12 });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        halo.add_user(&record);
    };
    user(BEN_ONE, "Ben one", json!({ "emailaddress": upn(2) }));
    user(BEN_TWO, "Ben two", json!({ "emailaddress": upn(2) }));
    user(SHARED, "Shared", json!({ "emailaddress": upn(3) }));
    user(GUS, "Gus (old)", json!({ "emailaddress": upn(7) }));
    user(SERVICE, "Printer", json!({ "isserviceaccount": true }));
    let other = "99999999-0000-4000-8000-000000000009";
    user(STRANGER, "Stranger", json!({ "azureoid": other }));
    user(SPARE, "Spare", json!({ "inactive": true }));
    halo.add_agent(&json!({ "id": EVE_AGENT, "name": "Eve (old)", "email": upn(5) }));
    halo.add_agent(&json!({ "id": SPARE_AGENT, "name": "Spare", "email": "spare@x.example" }));
    halo.add_agent(&json!({ "id": ROBOT, "name": "Robot", "isapiagent": true }));
    halo
}

fn edit(document: &mut Value) {
    document["sync"]["entities"] = json!(["users", "agents"]);
    document["sync"]["out_of_scope"] = json!("deactivate");
    document["roles"] = json!({});
    document["guard"] = json!({ "max_deactivations": { "count": 0, "percent": 0, "absolute": 0 } });
    document["field_mappings"] = json!({
        "users": [{ "from": "displayName", "to": "name" }, { "from": "mail", "to": "emailaddress" },
            { "from": "department", "to": "department" }],
        "agents": [{ "from": "displayName", "to": "name" }, { "from": "mail", "to": "email" }] });
    document["matching"] = json!({
        "users": [{ "entra": "mail", "halo": "emailaddress" }],
        "agents": [{ "entra": "mail", "halo": "email" }] });
    document["mappings"] = json!([
        { "id": "helpdesk", "sequence": 10, "target": { "type": "agents" }, "agent_role_id": 5,
          "conditions": [{ "field": "department", "op": "equals", "value": "IT" }] },
        { "id": "everybody", "sequence": 20, "target": { "type": "site", "site_id": 12 },
          "conditions": [{ "field": "department", "op": "is_not_empty" }] }]);
}

/// The world before its first run. Each deactivation is held.
pub(crate) fn setup() -> Setup {
    Setup { entra: entra(), halo: halo(), edit, ..Setup::default() }
}

/// The world after its first run.
pub(crate) async fn world() -> World {
    let world = World::new(setup()).await;
    world.sync().await;
    world
}

/// Somebody as the store has them.
pub(crate) async fn person(world: &World, n: u32) -> Person {
    world.engine.store.person(&world.id, id(n)).await.unwrap().unwrap().value
}

/// The user and the agent that somebody is in Halo.
pub(crate) async fn records(world: &World, n: u32) -> (Option<i64>, Option<i64>) {
    let link = person(world, n).await.link;
    let id = |linked: Option<plan::link::Linked>| linked.map(|linked| linked.record.id);
    (id(link.user), id(link.agent))
}

/// Linked and active records, counted one by one.
pub(crate) async fn counted(world: &World) -> (u64, u64) {
    let people = world.people().await;
    let count = |kind| {
        let linked = people.values().filter_map(|person| person.value.link.of(kind));
        linked.filter(|linked| linked.activity.is_active()).count() as u64
    };
    (count(plan::ids::RecordKind::User), count(plan::ids::RecordKind::Agent))
}
