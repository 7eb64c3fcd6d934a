//! The Halo client against the simulator, over real HTTP: every knob and fault that concerns its calls.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails unexpectedly is a failed test"
)]

mod agent_index;
mod agents;
mod budget;
mod cabs;
mod failures;
mod index;
mod records;
mod search;
mod sign_in;
mod sites;
mod standing;

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::clock::{Clock, Deadline, ManualClock};
use engine::halo::{ClientSecret, Error, Halo, RequestLimit, Settings};
use engine::store::Store;
use engine::store::embedded::Embedded;
use jiff::{SignedDuration, Timestamp};
use plan::failure::{Failure, Kind};
use plan::matching::{Hits, MatchKey};
use sandbox::halo::{CLIENT_ID, CLIENT_SECRET, Halo as Simulator, TENANT};
use sandbox::server::{Hook, Served};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A person's object id, and another's.
const ADA: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";
const BOB: &str = "11111111-44d7-43e1-9a83-5f2406dee5bd";

/// A simulated Halo with one client (3) and two sites (18 and 19), a store, and a clock that both share.
struct World {
    halo: Simulator,
    served: Served,
    clock: Arc<ManualClock>,
    store: Store,
    _dir: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::watched(|_, _| None).await
    }

    /// A world whose server asks `hook` before and after each request.
    async fn watched(hook: impl FnOnce(Simulator, Arc<ManualClock>) -> Option<Hook>) -> Self {
        let start: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let (halo, clock) = (Simulator::new(), Arc::new(ManualClock::new(start)));
        halo.set_now(start);
        halo.add_client(&json!({ "id": 3, "name": "Contoso" }));
        halo.add_site(&json!({ "id": 18, "name": "Main", "client_id": 3 }));
        halo.add_site(&json!({ "id": 19, "name": "Leeds", "client_id": 3 }));
        let served = halo.serve(None, hook(halo.clone(), clock.clone())).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let table = Embedded::open(dir.path(), clock.clone()).unwrap();
        let store = Store::new(Arc::new(table), clock.clone());
        Self { halo, served, clock, store, _dir: dir }
    }

    fn settings(&self) -> Settings {
        let url = |path: &str| format!("{}{path}", self.served.url).parse().unwrap();
        let secret = ClientSecret::Given(CLIENT_SECRET.into());
        let mut settings = Settings::new(url("/api"), url("/auth"), CLIENT_ID.to_owned(), secret);
        settings.tenant = Some(TENANT.to_owned());
        settings.limit = RequestLimit::Unlimited;
        settings
    }

    /// A client as a process of its own would have it.
    fn client(&self) -> Halo {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut Settings)) -> Halo {
        let mut settings = self.settings();
        change(&mut settings);
        Halo::new(settings, tests::world::client(), self.store.clone())
    }

    /// Moves both clocks.
    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
        self.halo.set_now(self.clock.now());
    }

    /// So many seconds from now.
    fn deadline(&self, seconds: i64) -> Deadline {
        Deadline(self.clock.now() + SignedDuration::from_secs(seconds))
    }

    /// Requests that the server has seen, by method and beginning of the path, in any case.
    fn requests(&self, method: &str, path: &str) -> usize {
        let all = self.served.log.all();
        let path = path.to_lowercase();
        let meant = all
            .iter()
            .filter(|it| it.method == method && it.path.to_lowercase().starts_with(&path));
        meant.count()
    }

    /// Adds a user at site 18.
    fn add(&self, mut record: Value) -> i64 {
        record["site_id"] = json!(18);
        self.halo.add_user(&record)
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Halo(failure) => failure,
        Error::Ours(error) => panic!("{error}"),
    }
}

fn kind(error: Error) -> Kind {
    failure(error).kind
}

fn keys(all: &[(&str, &str)]) -> BTreeSet<MatchKey> {
    all.iter().map(|(field, value)| MatchKey::new(field, value).unwrap()).collect()
}

/// Hits as text: `field=value: id`, with `*` for a record that carries an object id, `-` for inactive.
fn shown(hits: &Hits) -> String {
    let users = |key: &MatchKey| {
        let of = |hit: &plan::matching::Hit| {
            let carries = if hit.object_id.is_some() { "*" } else { "" };
            format!("{}{carries}{}", hit.record.id, if hit.inactive { "-" } else { "" })
        };
        hits[key].iter().map(of).collect::<Vec<_>>().join(" ")
    };
    let lines = hits.keys().map(|key| format!("{}={}: {}", key.field, key.value, users(key)));
    lines.collect::<Vec<_>>().join("; ")
}
