//! Reading: Graph's pages into facts, beside a loop that only downloads and parses the same pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::clock::SystemClock;
use engine::graph::{Access, Behalf, Credential, Graph, Hosts, Tokens};
use engine::meter::Meter;
use engine::random::Random;
use plan::cursor::{Next, Scope};
use plan::document::Cloud;
use sandbox::sample;
use serde_json::{Value, json};

use crate::report::{Line, Report};
use crate::simulators::Simulators;
use crate::usage::Usage;

/// How often each is measured; the best counts, as all else is the machine's.
const PASSES: usize = 5;

pub(crate) async fn measure(report: &mut Report, simulators: &Simulators, people: usize) {
    let graph = client(&simulators.ready);
    let document = plan::document::parse(
        &sample::connection(&simulators.ready),
        plan::document::CustomClouds::Allowed,
    );
    let select = plan::catalogue::selected(&document.unwrap().document);
    // Afterwards the pages are ready.
    let (count, first) = read(&graph, &select).await;
    assert_eq!(count, people.max(250));
    let mut best = [None::<(f64, f64, f64)>; 2];
    for _ in 0..PASSES {
        let usage = Usage::now();
        let plain = plain(&simulators.ready, &first).await;
        keep(&mut best[0], usage.until_now());
        let usage = Usage::now();
        let (read, _) = read(&graph, &select).await;
        keep(&mut best[1], usage.until_now());
        assert_eq!(plain, read);
    }
    let [Some(plain), Some(read)] = best else { unreachable!() };
    for (case, (seconds, processor, peak)) in [("plain loop", plain), ("read into facts", read)] {
        report.add(Line {
            case: case.to_owned(),
            people,
            seconds,
            work: count as u64,
            processor,
            peak_mib: peak,
            detail: json!({ "times_the_plain_loop": seconds / plain.0 }),
            ..Line::default()
        });
    }
    eprintln!("reading: {:.2} times the plain loop", read.0 / plain.0);
}

fn keep(best: &mut Option<(f64, f64, f64)>, now: (f64, f64, f64)) {
    if best.is_none_or(|best| now.0 < best.0) {
        *best = Some(now);
    }
}

fn client(url: &str) -> Graph {
    let url: url::Url = url.parse().unwrap();
    let access = Access {
        hosts: Hosts::of(&Cloud::Custom { login: url.clone(), graph: url }),
        tenant: sample::TENANT_ID.parse().unwrap(),
        client: sample::CLIENT_ID.parse().unwrap(),
        credential: Credential::Secret(sample::CLIENT_SECRET.into()),
        behalf: Behalf::Application,
    };
    let (http, meter) = (engine::http::client().unwrap(), Arc::new(Meter::default()));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(Random::default()));
    Graph::new(access, http, Tokens::default(), meter, clock, random)
}

/// Everybody into facts; how many, and the first page's path.
async fn read(graph: &Graph, select: &BTreeSet<String>) -> (usize, String) {
    let (mut count, mut link) = (0, None);
    loop {
        let page = graph.users_delta(link.as_ref(), select, Scope::Full).await.unwrap();
        count += std::hint::black_box(&page.items).len();
        match page.next {
            Next::Page(next) => link = Some(next),
            Next::End(_) => break,
        }
    }
    let others = select.iter().filter(|name| *name != "id").cloned();
    let names: Vec<String> = std::iter::once("id".to_owned()).chain(others).collect();
    (count, format!("/v1.0/users/delta?$select={}", names.join(",")))
}

/// The physical limit: downloads and parses the same pages, and keeps nothing.
async fn plain(url: &str, first: &str) -> usize {
    let http = engine::http::client().unwrap();
    let (mut count, mut next) = (0, Some(format!("{url}{first}")));
    while let Some(page) = next {
        let body = http.get(page).send().await.unwrap().bytes().await.unwrap();
        let page: Value = serde_json::from_slice(&body).unwrap();
        count += std::hint::black_box(&page)["value"].as_array().unwrap().len();
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    count
}
