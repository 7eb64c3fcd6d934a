//! People who are made, made in a site that is made as well, found, in conflict, and out of scope.

use std::collections::BTreeMap;

use sandbox::graph::Graph;
use sandbox::halo::Halo;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::{Value, json};
use tests::world::{Setup, Storage, World};

use crate::{Scenario, decisions, killed_at_every};

/// Five people, one for each way into Halo: made, made in a site that is made as well, found by mail,
/// a conflict, out of scope; and a nested group.
fn entra() -> Graph {
    let graph = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    let add = |n: u32, name: &str, office: Value| {
        graph.add_user(json!({
            "id": format!("{n:x}0000000-0000-4000-8000-00000000000{n:x}"), "displayName": name,
            "userPrincipalName": format!("p{n}@contoso.example"), "mail": format!("p{n}@contoso.example"),
            "surname": name, "accountEnabled": true, "userType": "Member", "officeLocation": office,
        }))
    };
    let ada = add(1, "Ada", json!(null));
    let ben = add(2, "Ben", json!("Leeds"));
    add(3, "Cyd", json!("leeds "));
    add(4, "Dan", json!(null));
    graph.set_manager(&ben, Some(&ada));
    let guest = json!({ "id": "50000000-0000-4000-8000-000000000005", "displayName": "Guest",
        "userPrincipalName": "g_x.example#EXT#@contoso.example", "userType": "Guest", "surname": "G" });
    graph.add_user(guest);
    let all = graph.add_group(json!({ "displayName": "All Sales" }));
    let inner = graph.add_group(json!({ "displayName": "Sales EMEA" }));
    graph.add_member(&all, &inner);
    graph.add_member(&inner, &ada);
    graph
}

fn halo() -> Halo {
    let halo = Halo::new();
    halo.add_client(&json!({ "id": 3, "name": "Contoso" }));
    for (id, name) in [(12, "Head office"), (18, "Sales")] {
        halo.add_site(&json!({ "id": id, "name": name, "client_id": 3 }));
    }
    let user = |name: &str, mail: &str| {
        halo.add_user(&json!({ "name": name, "site_id": 12, "emailaddress": mail }));
    };
    user("Cyd (old)", "P3@contoso.example");
    user("Dan one", "p4@contoso.example");
    user("Dan two", "p4@contoso.example");
    user("Somebody else", "other@contoso.example");
    halo
}

fn edit(document: &mut Value) {
    let offices = json!({ "type": "organisation", "client_id": 3, "site_from": "officeLocation", "default_site_id": 12 });
    document["roles"] = json!({});
    document["field_mappings"]["users"] = json!([
        { "from": "displayName", "to": "name" }, { "from": "mail", "to": "emailaddress" },
        { "from": "manager.displayName", "to": "admanager" } ]);
    document["mappings"] = json!([
        { "id": "sales", "sequence": 1, "target": { "type": "site", "site_id": 18 },
          "group": { "name": "All Sales", "nested": true } },
        { "id": "offices", "sequence": 2, "target": offices } ]);
}

struct Offices;

/// What must be the same with and without a kill.
#[derive(Debug, PartialEq)]
struct End {
    halo: Vec<String>,
    sites: Vec<String>,
    links: BTreeMap<String, String>,
    log: BTreeMap<String, Vec<String>>,
}

impl Scenario for Offices {
    type End = End;
    const STEPS: usize = 2;

    async fn world(&self) -> World {
        let storage = Storage::Memory;
        World::new(Setup { entra: entra(), halo: halo(), edit, storage, ..Setup::default() }).await
    }

    async fn happen(&self, world: &World, step: usize) {
        if step == 0 {
            return;
        }
        let update = |id: &str, changes| world.entra.update_user(id, changes);
        let ben = json!({ "displayName": "Ben Ny", "officeLocation": "York" });
        update("20000000-0000-4000-8000-000000000002", ben);
        update("10000000-0000-4000-8000-000000000001", json!({ "displayName": "Ada L" }));
        world.entra.soft_delete("30000000-0000-4000-8000-000000000003");
    }

    async fn end(&self, world: &World) -> End {
        let user = |id: i64| world.halo.user(id).unwrap()["name"].to_string();
        let people = world.people().await;
        let links = people.values().filter_map(|person| {
            let link = person.value.link.user.as_ref()?;
            Some((person.value.facts.display_name().to_owned(), user(link.record.id)))
        });
        let links: BTreeMap<String, String> = links.collect();
        assert_eq!(links.len(), 3, "{links:#?}");
        // Which of two spellings a new site gets depends on who comes first; that there is one does not.
        let sites = world.halo.sites();
        let mut sites: Vec<String> =
            sites.iter().map(|site| site["name"].to_string().to_lowercase()).collect();
        sites.sort();
        End { halo: world.halo_people(), sites, links, log: decisions(world).await }
    }
}

/// T2, M6, P6
#[tokio::test]
async fn killed_at_any_outside_call_the_offices_end_the_same_1() {
    killed_at_every(Offices, 0, 2).await;
}

/// T2, M6, P6
#[tokio::test]
async fn killed_at_any_outside_call_the_offices_end_the_same_2() {
    killed_at_every(Offices, 1, 2).await;
}
