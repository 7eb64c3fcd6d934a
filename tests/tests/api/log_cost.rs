//! A page of the inbound log costs the same however many entries there are (B2).
//!
//! `HALO_ENTRA_SCALE=1000000 cargo test --profile bench -p tests --all-features --test api log_cost -- --nocapture`
//! compares so many entries with a thousand, and prints the median and the slowest hundredth.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::store::Commit;
use engine::store::log::{self, Entry};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tests::world::{Setup, Storage};

use crate::support::Api;

/// Entries in the usual comparison.
const USUAL: [usize; 2] = [300, 1_000];
/// Requests of each kind.
const TIMES: usize = 300;
/// Entries stored in one transaction, and transactions under way.
const STORED: (usize, usize) = (12, 64);

/// An API whose log has so many entries, all of them of real runs but with times of their own.
async fn logged(entries: usize, storage: Storage) -> (Api, Entry) {
    let api = Api::with(Setup { storage, ..Setup::default() }).await;
    api.world.sync().await;
    let real = Arc::new(api.world.log().await);
    let newest = real[0].time;
    let missing = entries.saturating_sub(real.len());
    let expires: Timestamp = "2029-01-01T00:00:00Z".parse().unwrap();
    let numbers: Vec<usize> = (0..missing).collect();
    let chunks = numbers.chunks(STORED.0).map(<[usize]>::to_vec);
    let (engine, connection) = (&api.world.engine, &api.world.id);
    let stores = chunks.map(|chunk| {
        let real = real.clone();
        async move {
            let mut writes = Vec::new();
            for number in chunk {
                let back = SignedDuration::from_secs(i64::try_from(number).unwrap() + 1);
                let time = newest - back;
                let id = engine.random.sortable(time);
                let entry = Entry { id, time, ..real[number % real.len()].clone() };
                writes.extend(log::writes(connection, &[entry], expires).unwrap());
            }
            assert_eq!(engine.store.commit(&writes).await.unwrap(), Commit::Done);
        }
    });
    futures::stream::iter(stores).buffer_unordered(STORED.1).collect::<Vec<()>>().await;
    let known = real.iter().find(|entry| entry.decision.name() == "create").unwrap().clone();
    (api, known)
}

/// What requests of one kind took, and what the last cost.
struct Took {
    times: Vec<Duration>,
    operations: u64,
}

impl Took {
    fn at(&mut self, hundredth: usize) -> Duration {
        self.times.sort_unstable();
        self.times[(self.times.len() * hundredth / 100).min(self.times.len() - 1)]
    }
}

#[allow(clippy::disallowed_methods, reason = "how long it takes is printed and decides nothing")]
async fn ask(api: &Api, path: &str, took: &mut Took) -> Option<String> {
    let (before, started) = (api.world.engine.store.operations(), Instant::now());
    let answer = api.get(path).await.ok();
    took.times.push(started.elapsed());
    took.operations = api.world.engine.store.operations() - before;
    assert!(!answer.json["entries"].as_array().unwrap().is_empty(), "{path}: {}", answer.text);
    answer.json["cursor"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_page_costs_the_same_among_few_entries_and_among_many() {
    // B2
    #[allow(clippy::disallowed_methods, reason = "the size of a measurement that is asked for")]
    let asked = std::env::var("HALO_ENTRA_SCALE").ok().map(|entries| entries.parse().unwrap());
    let (sizes, storage, times) = match asked {
        Some(entries) => ([1_000, entries], Storage::File, TIMES),
        None => (USUAL, Storage::Memory, 3),
    };
    let (few, person) = logged(sizes[0], storage).await;
    let (many, _) = logged(sizes[1], storage).await;
    let queries = [
        String::new(),
        "&limit=200".to_owned(),
        format!("&person={}", person.person.id),
        format!("&person={}", person.person.user_principal_name),
        "&decision=create".to_owned(),
        "&outcome=done&mapping=sales".to_owned(),
        format!("&run={}", person.run),
        format!("&limit=20&to={}", person.time),
    ];
    println!("{:40} {:>22} {:>26}", "", sizes[0], sizes[1]);
    for query in queries {
        let path = format!("/v1/inbound?connection=contoso{query}");
        let mut took = [(); 2].map(|()| Took { times: Vec::new(), operations: 0 });
        for _ in 0..times {
            for (api, took) in [&few, &many].into_iter().zip(&mut took) {
                ask(api, &path, took).await;
            }
        }
        let [few, many] = &mut took;
        println!(
            "{query:40} p50 {:>7.2?} p99 {:>7.2?}, p50 {:>7.2?} p99 {:>7.2?}, {} operations",
            few.at(50),
            few.at(99),
            many.at(50),
            many.at(99),
            many.operations
        );
        assert_eq!(few.operations, many.operations, "{query}");
    }
    let mut pages = deep(&many, "/v1/inbound?connection=contoso&limit=20", times).await;
    println!("page by page: p50 {:.2?} p99 {:.2?}", pages.at(50), pages.at(99));
}

/// The last page that is asked for costs what the first did; one that begins in the middle of a sheet of
/// entries asks once more.
async fn deep(api: &Api, path: &str, pages: usize) -> Took {
    let mut took = Took { times: Vec::new(), operations: 0 };
    let mut cursor = ask(api, path, &mut took).await;
    let first = took.operations;
    for _ in 0..pages {
        let Some(next) = cursor else { break };
        cursor = ask(api, &format!("{path}&cursor={next}"), &mut took).await;
        assert!(took.operations <= first + 1, "a later page: {} to {first}", took.operations);
    }
    took
}
