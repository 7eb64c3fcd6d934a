//! Licences that are made, followed and ended, and people who get and lose them (S1).

use std::collections::BTreeMap;

use tests::licensed::{E5, FLOW, Licensed, linked};
use tests::world::World;

use crate::{Scenario, decisions, killed_at_every};

struct Licences;

/// What must be the same with and without a kill.
#[derive(Debug, PartialEq)]
struct End {
    licences: Vec<String>,
    links: BTreeMap<String, Vec<String>>,
    log: BTreeMap<String, Vec<String>>,
}

impl Scenario for Licences {
    type End = End;
    const STEPS: usize = 2;

    async fn world(&self) -> World {
        let company = Licensed::new().company;
        // The worst of Halos: what was made is told from the rest only by what was there before.
        company.halo.turn(|knobs| knobs.forgets = ["product_sku", "tenant_id"].into());
        company.open().await
    }

    async fn happen(&self, world: &World, step: usize) {
        if step == 0 {
            return;
        }
        let Licensed { ada, cyd, .. } = Licensed::new();
        world.entra.take_licence(&ada.to_string(), E5);
        world.entra.give_licence(&cyd.to_string(), E5);
        world.entra.set_seats(FLOW, 50);
    }

    async fn end(&self, world: &World) -> End {
        let names: BTreeMap<i64, String> = world
            .halo
            .licences()
            .iter()
            .map(|it| (tests::world::int(&it["id"]), it["name"].to_string()))
            .collect();
        let rows = world.halo_licences().into_iter();
        let mut licences: Vec<String> =
            rows.map(|(name, shows)| format!("{name}: {shows}")).collect();
        licences.push(format!("{} in all", names.len()));
        let users = world.halo.users().into_iter().map(|user| {
            let held = linked(&user).iter().map(|id| names[id].clone()).collect();
            (user["name"].to_string(), held)
        });
        let links = users.collect();
        End { licences, links, log: decisions(world).await }
    }
}

/// T2, S1
#[tokio::test]
async fn killed_at_any_outside_call_licences_end_the_same_1() {
    killed_at_every(Licences, 0, 2).await;
}

/// T2, S1
#[tokio::test]
async fn killed_at_any_outside_call_licences_end_the_same_2() {
    killed_at_every(Licences, 1, 2).await;
}
