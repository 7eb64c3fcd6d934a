//! A whole world in one process: both simulators over HTTP, the engine on embedded storage, and a
//! clock that only the test moves.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use engine::clock::{Clock, Deadline, ManualClock};
use engine::graph::Tokens;
use engine::halo::{ClientSecret, Halo, RequestLimit, Settings};
use engine::queue::Queue;
use engine::queue::local::Local;
use engine::random::Random;
use engine::secrets::Secrets;
use engine::secrets::files::Files;
use engine::steps::StepError;
use engine::store::connections::{Authorisation, Saved, State};
use engine::store::embedded::Embedded;
use engine::store::log::Entry;
use engine::store::people::Person;
use engine::store::{Expect, Store, Table, Versioned, Write, keys, put};
use engine::{Engine, Policy};
use jiff::{SignedDuration, Timestamp};
use plan::document::{CustomClouds, Document};
use plan::ids::{ConnectionId, ObjectId, Segment};
use plan::tally::Run;
use sandbox::graph::Graph;
use sandbox::server::Served;
use serde_json::{Value, json};

use crate::carried::Carried;
use crate::flaky::Flaky;
use crate::memory::Memory;
use crate::tripwire::{Tripwire, Wired};

/// How long a message stays with a worker that does not answer: longer than any lease.
const VISIBILITY: Duration = Duration::from_mins(3);
/// Time that a step may take.
const STEP: SignedDuration = SignedDuration::from_secs(45);

/// The world.
pub struct World {
    /// Entra.
    pub entra: Graph,
    /// Halo.
    pub halo: sandbox::halo::Halo,
    /// Where Entra is served.
    pub graph_served: Served,
    /// Where Halo is served.
    pub halo_served: Served,
    /// The product.
    pub engine: Engine,
    /// Time.
    pub clock: Arc<ManualClock>,
    /// The queue itself.
    pub queue: Arc<Local>,
    /// The table itself, where the product keeps its state in memory.
    pub memory: Option<Arc<Memory>>,
    /// Counts outside calls, and stops at one.
    pub wire: Arc<Tripwire>,
    /// The table's bad hours; none unless asked for.
    pub flaky: Arc<Flaky>,
    /// The connection under test.
    pub id: ConnectionId,
    _dir: tempfile::TempDir,
}

/// Makes a table.
pub type MakesTable = Box<dyn FnOnce(Arc<ManualClock>) -> Arc<dyn Table>>;
/// Puts something before a table.
pub type WrapsTable = Box<dyn FnOnce(Arc<dyn Table>) -> Arc<dyn Table>>;
/// Makes a clock of the world's.
pub type MakesClock = fn(Arc<ManualClock>) -> Arc<dyn Clock>;

/// The product's client. Reading the authorities that the system trusts takes longer than many a world
/// lives, and nothing in one speaks TLS.
pub fn client() -> reqwest::Client {
    #[cfg(feature = "aws")]
    let made = engine::http::client_with_own_roots();
    #[cfg(not(feature = "aws"))]
    let made = engine::http::client();
    made.unwrap()
}

/// What a test may set before the world starts.
pub struct Setup {
    /// Entra.
    pub entra: Graph,
    /// Halo.
    pub halo: sandbox::halo::Halo,
    /// The connection document but for its cloud; `None` = the sample's.
    pub document: Option<Value>,
    /// Changes the connection document before it is saved.
    pub edit: fn(&mut Value),
    /// Where the product keeps its state.
    pub storage: Storage,
    /// The request budget.
    pub limit: RequestLimit,
    /// When it begins.
    pub start: Timestamp,
    /// Makes the table, in place of `storage`.
    pub table: Option<MakesTable>,
    /// Carries each hint before it waits in the world's own queue, whose time is the test's.
    pub carrier: Option<Arc<dyn Queue>>,
    /// What stands between the product and its table, seen from the product.
    pub before_table: Option<WrapsTable>,
    /// The clock that the client of Halo reads in place of everybody's.
    pub halo_clock: Option<MakesClock>,
}

/// Where the product keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In a file, as a small deployment does.
    File,
    /// In memory: for worlds by the hundred.
    Memory,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            entra: sandbox::sample::tenant(),
            halo: sandbox::sample::halo(),
            document: None,
            edit: |_| {},
            storage: Storage::File,
            limit: RequestLimit::Unlimited,
            start: sandbox::graph::START,
            table: None,
            carrier: None,
            before_table: None,
            halo_clock: None,
        }
    }
}

impl World {
    /// A world with an authorised connection that has not run yet.
    pub async fn new(setup: Setup) -> Self {
        let Setup { entra, halo, document, edit, storage, limit, .. } = setup;
        let Setup { start, table, carrier, before_table, halo_clock, .. } = setup;
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        halo.set_now(start);
        if start != sandbox::graph::START {
            entra.set_now(start);
        }
        let wire = Arc::new(Tripwire::default());
        let graph_served = entra.serve(None, Some(wire.hook("graph"))).await.unwrap();
        let halo_served = halo.serve(None, Some(wire.hook("halo"))).await.unwrap();
        let queue = Arc::new(Local::new(clock.clone(), VISIBILITY));
        let in_memory = storage == Storage::Memory && table.is_none();
        let memory = in_memory.then(|| Arc::new(Memory::new(clock.clone())));
        let table: Arc<dyn Table> = match (table, &memory) {
            (Some(table), _) => table(clock.clone()),
            (None, None) => Arc::new(Embedded::open(dir.path(), clock.clone()).unwrap()),
            (None, Some(memory)) => memory.clone(),
        };
        let secrets: Arc<dyn Secrets> = Arc::new(Files::open(dir.path().join("secrets")).unwrap());
        let flaky = Arc::new(Flaky::new(table));
        let mut table: Arc<dyn Table> =
            Arc::new(Wired { wire: wire.clone(), inner: flaky.clone() as Arc<dyn Table> });
        if let Some(before) = before_table {
            table = before(table);
        }
        let store = Store::new(table.clone(), clock.clone() as Arc<dyn Clock>);
        let halo_store = match halo_clock {
            None => store.clone(),
            Some(halo_clock) => Store::new(table, halo_clock(clock.clone())),
        };
        let http = client();
        let engine = Engine {
            clock: clock.clone(),
            random: Arc::new(Random::seeded(7)),
            queue: Arc::new(Wired { wire: wire.clone(), inner: carried(carrier, &queue) }),
            secrets: Arc::new(Wired { wire: wire.clone(), inner: secrets }),
            tokens: Tokens::default(),
            issuers: engine::issuer::Issuers::default(),
            halo: Halo::new(halo_settings(&halo_served.url, limit), http.clone(), halo_store),
            http,
            store,
            policy: Policy { custom_clouds: CustomClouds::Allowed, ..Policy::default() },
        };
        let mut document = document.unwrap_or_else(sample_document);
        document["cloud"] = json!({ "login": graph_served.url, "graph": graph_served.url });
        edit(&mut document);
        let id: ConnectionId = document["id"].as_str().unwrap().parse().unwrap();
        let world = Self {
            entra,
            halo,
            graph_served,
            halo_served,
            engine,
            clock,
            queue,
            memory,
            wire,
            flaky,
            id,
            _dir: dir,
        };
        world.connect(&document).await;
        world
    }

    /// Stores the document of a connection that is authorised.
    pub async fn connect(&self, document: &Value) {
        let id: ConnectionId = document["id"].as_str().unwrap().parse().unwrap();
        let parsed = plan::document::parse(document, CustomClouds::Allowed).unwrap();
        let now = self.clock.now();
        let state =
            State { authorisation: Authorisation::Authorised { since: now }, ..State::new(now) };
        let saved = Saved { document: parsed.document, revision: 1, saved: now, credentials: None };
        let writes = [
            put(keys::document(&id), &saved, Expect::Absent).unwrap(),
            put(keys::state(&id), &state, Expect::Absent).unwrap(),
            put(keys::listed(&id), &saved.document.name, Expect::Absent).unwrap(),
            put(keys::imports(saved.document.tenant_id, &id), &(), Expect::Absent).unwrap(),
        ];
        self.engine.store.commit(&writes).await.map(drop).unwrap();
        let secret = json!({ "client_secret": sandbox::sample::CLIENT_SECRET }).to_string();
        let name = engine::secrets::SecretName::credentials(&id);
        self.engine.secrets.put(&name, &secret.into()).await.unwrap();
    }

    /// Changes the saved document.
    pub async fn edit(&self, change: impl FnOnce(&mut Document)) {
        let mut saved = self.engine.store.document(&self.id).await.unwrap().unwrap();
        let expect = saved.unchanged();
        change(&mut saved.value.document);
        let write = put(keys::document(&self.id), &saved.value, expect).unwrap();
        self.engine.store.commit(&[write]).await.map(drop).unwrap();
    }

    /// Moves every clock.
    pub fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
        self.entra.advance(time.as_secs());
        self.halo.advance(time.as_secs());
    }

    /// One tick of the timer; with a `kill`, dropped where it reaches the tripwire.
    pub async fn tick(&self, kill: Option<&Tripwire>) {
        match kill {
            Some(wire) if wire.sprung().is_none() => {
                tokio::select! {
                    biased;
                    () = wire.wait() => {}
                    ticked = self.engine.tick() => drop(ticked.unwrap()),
                }
            }
            _ => drop(self.engine.tick().await.unwrap()),
        }
    }

    /// Handles hints until there are none, moving the clocks to the next one that is due.
    pub async fn quiet(&self) {
        self.work(None).await.unwrap();
    }

    /// Handles hints one after the other. With a `kill`, the worker that reaches the tripwire is
    /// dropped in the middle of its step, and its hint comes back later.
    pub async fn work(&self, kill: Option<&Tripwire>) -> Result<(), StepError> {
        for _ in 0..100_000 {
            let Some(due) = self.queue.next_due() else { return Ok(()) };
            let now = self.clock.now();
            if due > now {
                self.pass(due.duration_since(now));
            }
            for delivery in self.queue.receive(1, Duration::ZERO).await? {
                let message = delivery.message.expect("only our own hints are on the queue");
                let deadline = Deadline(self.clock.now() + STEP);
                let step = self.engine.step(&message, deadline);
                match kill {
                    None => step.await?,
                    Some(wire) => {
                        tokio::select! {
                            biased;
                            () = wire.wait(), if wire.sprung().is_none() => continue,
                            done = step => done?,
                        }
                    }
                }
                self.queue.delete(&delivery.receipt).await?;
            }
        }
        panic!("the queue never gets empty");
    }

    /// Handles so many hints one after the other, moving the clocks to each; fewer where there are no
    /// more. Returns how many.
    pub async fn some_steps(&self, most: u32) -> u32 {
        for done in 0..most {
            let Some(due) = self.queue.next_due() else { return done };
            self.pass(due.duration_since(self.clock.now()).max(SignedDuration::ZERO));
            for delivery in self.queue.receive(1, Duration::ZERO).await.unwrap() {
                let message = delivery.message.expect("only our own hints are on the queue");
                self.engine.step(&message, Deadline(self.clock.now() + STEP)).await.unwrap();
                self.queue.delete(&delivery.receipt).await.unwrap();
            }
        }
        most
    }

    /// Handles hints until there are none, all that are due at the same time, as many workers do.
    pub async fn quiet_together(&self) {
        for _ in 0..10_000 {
            let Some(due) = self.queue.next_due() else { return };
            let wait = due.duration_since(self.clock.now()).max(SignedDuration::ZERO);
            self.pass(wait);
            let deadline = Deadline(self.clock.now() + STEP);
            let deliveries = self.queue.receive(10, Duration::ZERO).await.unwrap();
            let steps = deliveries.iter().map(async |delivery| {
                let message = delivery.message.as_ref().expect("only our own hints are there");
                self.engine.step(message, deadline).await.unwrap();
                self.queue.delete(&delivery.receipt).await.unwrap();
            });
            futures::future::join_all(steps).await;
        }
        panic!("the queue never gets empty");
    }

    /// One tick of the timer when the schedule is due, and all that follows; the run that came of it.
    pub async fn sync(&self) -> Run {
        let state = self.state().await;
        let now = self.clock.now();
        if state.next_due > now {
            self.pass(state.next_due.duration_since(now));
        }
        self.engine.tick().await.unwrap();
        self.quiet().await;
        self.last_run().await
    }

    /// The newest run.
    pub async fn last_run(&self) -> Run {
        let (mut runs, _) = self.engine.store.runs(&self.id, None, 1).await.unwrap();
        runs.pop().expect("no run yet").run
    }

    /// The present.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Where the connection stands.
    pub async fn state(&self) -> State {
        self.engine.store.state(&self.id).await.unwrap().unwrap().value
    }

    /// Everybody in the store.
    pub async fn people(&self) -> BTreeMap<ObjectId, Versioned<Person>> {
        self.people_of(&self.id).await
    }

    /// Everybody of a connection in the store.
    pub async fn people_of(&self, id: &ConnectionId) -> BTreeMap<ObjectId, Versioned<Person>> {
        let mut all = BTreeMap::new();
        for segment in Segment::all() {
            let mut after = None;
            loop {
                let found = self.engine.store.people_of(id, segment, after, 500).await;
                let (people, next) = found.unwrap();
                all.extend(people);
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        all
    }

    /// The whole inbound log, newest first.
    pub async fn log(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let (entries, next) = self.engine.store.log(&self.id, None, after, 500).await.unwrap();
            all.extend(entries);
            after = next;
            if after.is_none() {
                return all;
            }
        }
    }

    /// A write that may be lost to nobody, for tests that break stored records on purpose.
    pub async fn put_raw(&self, writes: &[Write]) {
        self.engine.store.write_all(writes).await.unwrap();
    }

    /// Halo's users as a person would compare them.
    pub fn halo_people(&self) -> Vec<String> {
        halo_people(&self.halo)
    }
}

/// Halo's users as a person would compare them: everything but the ids that Halo gives out.
pub fn halo_people(halo: &sandbox::halo::Halo) -> Vec<String> {
    let sites: BTreeMap<i64, String> = halo
        .sites()
        .iter()
        .map(|site| (int(&site["id"]), site["name"].as_str().unwrap_or_default().to_lowercase()))
        .collect();
    let mut people: Vec<String> = halo
        .users()
        .iter()
        .map(|user| {
            let texts = [
                "name",
                "firstname",
                "surname",
                "emailaddress",
                "login",
                "title",
                "phonenumber",
                "mobilenumber",
                "department",
                "admanager",
                "azureoid",
                "azure_tenant_id",
                "inactive",
            ]
            .map(|name| user[name].to_string());
            let custom = user["customfields"].to_string();
            format!(
                "{} @ {} {custom}",
                texts.join("|"),
                sites.get(&int(&user["site_id"])).cloned().unwrap_or_default()
            )
        })
        .collect();
    people.sort();
    people
}

/// An id that may be written as a float.
#[allow(clippy::cast_possible_truncation, reason = "Halo's ids are small whole numbers")]
pub fn int(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_f64().map(|id| id as i64)).unwrap_or_default()
}

fn carried(carrier: Option<Arc<dyn Queue>>, local: &Arc<Local>) -> Arc<dyn Queue> {
    match carrier {
        None => local.clone(),
        Some(carrier) => Arc::new(Carried { carrier, local: local.clone() }),
    }
}

fn halo_settings(url: &str, limit: RequestLimit) -> Settings {
    let api = format!("{url}/api").parse().unwrap();
    let auth = format!("{url}/auth").parse().unwrap();
    let id = sandbox::halo::CLIENT_ID.to_owned();
    let secret = ClientSecret::Given(sandbox::halo::CLIENT_SECRET.into());
    let mut settings = Settings::new(api, auth, id, secret);
    settings.tenant = Some(sandbox::halo::TENANT.to_owned());
    settings.limit = limit;
    settings
}

/// The sample's document. Halo knows its custom fields by number; saving through the API would pin it.
fn sample_document() -> Value {
    static MADE: LazyLock<Value> = LazyLock::new(pinned_document);
    MADE.clone()
}

fn pinned_document() -> Value {
    let mut document = sandbox::sample::connection("http://127.0.0.1");
    let seed = sandbox::sample::halo_seed();
    let rows = document["field_mappings"]["users"].as_array_mut().unwrap();
    for row in rows {
        let to = row["to"].as_str().unwrap().to_owned();
        let Some(name) = to.strip_prefix("customfield:") else { continue };
        let field = seed.custom_fields.iter().find(|field| field["name"] == *name).unwrap();
        row["custom_field_id"] = field["id"].clone();
    }
    document
}
