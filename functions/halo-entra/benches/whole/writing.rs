//! Writing: a loop that only posts as many records to Halo as a first import makes, the physical limit
//! of every import on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sandbox::halo;
use serde_json::{Value, json};

use crate::report::{Line, Report};
use crate::simulators::Simulators;
use crate::usage::Usage;

/// Requests that are under way at the same time: as many as the product's workers have.
const AT_ONCE: usize = 8;

/// Posts so many records to a Halo of their own.
pub(crate) async fn measure(report: &mut Report, people: usize) {
    let simulators = Simulators::start(0);
    let http = engine::http::client().unwrap();
    let token = token(&http, &simulators.halo).await;
    let (usage, theirs) = (Usage::now(), simulators.processor_time());
    let next = Arc::new(AtomicUsize::new(0));
    let loops = (0..AT_ONCE).map(|_| {
        let (http, next) = (http.clone(), next.clone());
        let (address, token) = (format!("{}/api/Users", simulators.halo), token.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= people {
                    break;
                }
                let post = http.post(&address).bearer_auth(&token).json(&[record(number)]);
                let answer = post.send().await.unwrap().error_for_status().unwrap();
                let made: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
                assert!(std::hint::black_box(&made)["id"].is_i64());
            }
        })
    });
    for done in loops.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    let (seconds, processor, peak) = usage.until_now();
    eprintln!("posting alone, {people} people: {seconds:.2} s");
    report.add(Line {
        case: "posting alone".to_owned(),
        people,
        seconds,
        work: people as u64,
        processor,
        simulators: simulators.processor_time() - theirs,
        peak_mib: peak,
        halo: people as u64,
        ..Line::default()
    });
}

async fn token(http: &reqwest::Client, halo: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", halo::CLIENT_ID),
        ("client_secret", halo::CLIENT_SECRET),
        ("scope", "all"),
        ("tenant", halo::TENANT),
    ];
    let answer = http.post(format!("{halo}/auth/token")).form(&form).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A record as large as those of an import of the sample.
fn record(number: usize) -> Value {
    let address = format!("alex.miller.{number}@contoso.example");
    json!({
        "name": "Alex Miller", "firstname": "Alex", "surname": "Miller", "emailaddress": address,
        "activedirectory_dn": address, "jobtitle": "Consultant", "site_id": 12, "inactive": false,
        "azureoid": format!("{number:08x}-26a9-4809-8e3f-20ff73e2d75e"),
        "customfields": [{ "id": 123, "value": "4711" }],
    })
}
