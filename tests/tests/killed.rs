//! A worker is killed at each of its outside calls in turn: requests to Graph and Halo, and operations
//! of store, queue and secrets. Each time Halo, the links and the log end as without the kill (T2).

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use std::collections::BTreeMap;

use engine::store::connections::State;
use sandbox::graph::Graph;
use sandbox::halo::Halo;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use sandbox::server::Moment;
use serde_json::{Value, json};
use tests::world::{Setup, World};

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

async fn world() -> World {
    World::new(Setup { entra: entra(), halo: halo(), edit, ..Setup::default() }).await
}

/// What must be the same with and without a kill.
#[derive(Debug, PartialEq)]
struct End {
    halo: Vec<String>,
    sites: Vec<String>,
    links: BTreeMap<String, String>,
    log: BTreeMap<String, Vec<String>>,
}

async fn end(world: &World) -> End {
    let user = |id: i64| world.halo.user(id).unwrap()["name"].to_string();
    let people = world.people().await;
    let links = people.values().filter_map(|person| {
        let link = person.value.link.user.as_ref()?;
        Some((person.value.facts.display_name().to_owned(), user(link.record.id)))
    });
    let mut log: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in world.log().await {
        // Killed between Halo's answer and its record, the new Halo user is found and linked: an
        // update in place of a create.
        let name = entry.decision.name().replace("create", "update");
        log.entry(entry.person.id.to_string()).or_default().push(name);
    }
    // Which of two spellings a new site gets depends on who comes first; that there is one does not.
    let mut sites: Vec<String> =
        world.halo.sites().iter().map(|site| site["name"].to_string().to_lowercase()).collect();
    sites.sort();
    End { halo: world.halo_people(), sites, links: links.collect(), log }
}

/// What happens in a world: a first import, then changes of every kind.
async fn live(world: &World, kill: bool) {
    let wire = kill.then_some(world.wire.as_ref());
    world.tick(wire).await;
    world.work(wire).await.unwrap();
    settle(world).await;
    world.entra.update_user(
        "20000000-0000-4000-8000-000000000002",
        json!({ "displayName": "Ben Ny", "officeLocation": "York" }),
    );
    world
        .entra
        .update_user("10000000-0000-4000-8000-000000000001", json!({ "displayName": "Ada L" }));
    world.entra.soft_delete("30000000-0000-4000-8000-000000000003");
    let state = look(world).await;
    world.pass(state.next_due.duration_since(world.engine.clock.now()));
    world.tick(wire).await;
    world.work(wire).await.unwrap();
    settle(world).await;
}

/// The test's own look at the state is an outside call too: stopped there, it looks again.
async fn look(world: &World) -> State {
    tokio::select! {
        biased;
        state = world.state() => state,
        () = world.wire.wait() => world.state().await,
    }
}

/// The timer goes on ticking until no run is under way, as it does in life.
async fn settle(world: &World) {
    for _ in 0..20 {
        let state = look(world).await;
        if state.run.is_none() && state.next_due > world.engine.clock.now() {
            return;
        }
        world.pass(jiff::SignedDuration::from_mins(4));
        world.engine.tick().await.unwrap();
        world.quiet().await;
    }
}

/// The worlds are shared out among four tests, which run side by side.
async fn killed_at_every(share: u64) {
    let calm = world().await;
    live(&calm, false).await;
    let calls = calm.wire.calls();
    let expected = end(&calm).await;
    assert_eq!(expected.links.len(), 3, "{expected:#?}");
    let mut killed = 0;
    for at in (share..calls).step_by(4) {
        let world = world().await;
        world.wire.set(at, Moment::Before);
        live(&world, true).await;
        let Some(place) = world.wire.sprung() else { continue };
        killed += 1;
        assert_eq!(end(&world).await, expected, "{place}");
    }
    assert!(killed > 50, "killed at {killed} of {calls} outside calls");
}

macro_rules! shares {
    ($($name:ident $share:literal)*) => {
        $(
            /// T2, M6, P6
            #[tokio::test]
            async fn $name() {
                killed_at_every($share).await;
            }
        )*
    };
}

shares! {
    killed_at_any_outside_call_the_end_is_the_same_1 0
    killed_at_any_outside_call_the_end_is_the_same_2 1
    killed_at_any_outside_call_the_end_is_the_same_3 2
    killed_at_any_outside_call_the_end_is_the_same_4 3
}
