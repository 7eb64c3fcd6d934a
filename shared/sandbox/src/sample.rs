//! A made-up organisation of 250 people, the Halo it already has, and the connection between them.
//!
//! Everything is generated from small lists by seeded randomness: the same call gives the same
//! bytes. Domains are reserved for examples (RFC 2606).

mod connection;
mod groups;
mod halo;
mod licences;
mod names;
mod people;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::graph::Graph;
pub use connection::connection;
pub use halo::{HaloSeed, halo, halo_seed};

/// The sample tenant.
pub const TENANT_ID: &str = "0785ef7c-2d7a-4542-b048-95bcab406e0b";

/// The application registered in it.
pub const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";

/// That application's secret, with characters that have to be encoded in a form.
pub const CLIENT_SECRET: &str = "sample~secret&with+signs=";

/// Directory extension that some people carry.
pub const EXTENSION: &str = "extension_535fb0899ff347b69bfb4f1264799865_badgeNumber";

/// The mail domain, also the initial domain of the tenant.
pub const DOMAIN: &str = "contoso.example";

/// Seed of the sample tenant.
const SEED: u64 = 2026;

/// The sample tenant: people, guests, rooms, shared mailboxes, managers, groups and
/// licences.
pub fn tenant() -> Graph {
    // It is always the same, and making it takes longer than many a test.
    static MADE: LazyLock<Graph> = LazyLock::new(made);
    MADE.twin()
}

fn made() -> Graph {
    let graph = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    let everybody = people::everybody(SEED);
    for person in &everybody {
        graph.add_user(person.properties.clone());
    }
    for person in &everybody {
        if let Some(manager) = person.manager {
            graph.set_manager(&person.id, Some(&everybody[manager].id));
        }
    }
    groups::add(&graph, &everybody);
    licences::add(&graph, &everybody);
    graph
}

/// A tenant of `n` plain people without managers and groups, for load tests: about 650
/// bytes of memory each.
pub fn large(n: usize, seed: u64) -> Graph {
    let graph = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    let mut rng = fastrand::Rng::with_seed(seed);
    for number in 0..n {
        graph.add_user(plain_person(number, &mut rng));
    }
    graph
}

/// The sample tenant, with plain people added until there are so many.
pub fn grown_tenant(people: usize, seed: u64) -> Graph {
    let graph = tenant();
    let mut rng = fastrand::Rng::with_seed(seed);
    for number in 0..people.saturating_sub(graph.user_ids().len()) {
        graph.add_user(plain_person(number, &mut rng));
    }
    graph
}

fn plain_person(number: usize, rng: &mut fastrand::Rng) -> Value {
    let country = rng.choice(names::COUNTRIES).expect("some countries");
    let given = rng.choice(country.given).expect("some names");
    let surname = rng.choice(country.surnames).expect("some names");
    let address = format!("{}.{}.{number}@{DOMAIN}", given.1, surname.1);
    let properties = [
        ("displayName", format!("{} {}", given.0, surname.0)),
        ("givenName", given.0.to_owned()),
        ("surname", surname.0.to_owned()),
        ("userPrincipalName", address.clone()),
        ("mail", address),
        ("jobTitle", (*rng.choice(names::TITLES).expect("some titles")).to_owned()),
        ("department", (*rng.choice(names::DEPARTMENTS).expect("some departments")).to_owned()),
        ("officeLocation", country.office.to_owned()),
    ];
    let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(properties.collect::<Map<String, Value>>())
}

/// A GUID of version 4 that depends on what it is for and its number only, so that one more
/// object of one sort changes no id of another.
fn stable_id(sort: u64, number: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(sort << 32 | number as u64);
    let random = rng.u128(..);
    uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_the_same_each_time() {
        let everybody = |graph: &Graph| -> Vec<Option<Value>> {
            graph.user_ids().iter().map(|id| graph.user(id)).collect()
        };
        assert_eq!(everybody(&made()), everybody(&tenant()));
    }
}
