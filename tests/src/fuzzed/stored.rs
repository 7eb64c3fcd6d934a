//! Stored records: any text in the place of any record is an error in words at the most, in each type
//! that the store reads, in each step, in the timer, and in each call that reads.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use engine::clock::Deadline;
use engine::store::connections::{Saved, State};
use engine::store::log::Entry;
use engine::store::people::Person;
use engine::store::previews::{PreviewPart, PreviewRecord, Previewed};
use engine::store::runs::{RunRecord, SegmentRecord};
use engine::store::{Key, Record, decode};
use jiff::SignedDuration;
use plan::assignment::Assignment;
use plan::groups::Group;
use plan::licences::Book;
use plan::message::Message;
use plan::sign_ins::SignIns;
use tower::ServiceExt;

use super::far::{self, Script};
use super::snapshot::{SNAPSHOT, Snapshot, TOKEN, api};
use crate::helpdesk;

/// What stands between the parts of a key in an input.
const BETWEEN: char = '|';

/// An input: partition, `|` and sort key in a line, then the body that is found there.
pub fn run(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let Some((key, body)) = text.split_once('\n') else { return false };
    let Some((pk, sk)) = key.split_once(BETWEEN) else { return false };
    if pk.is_empty() || sk.is_empty() {
        return false;
    }
    let key = Key::new(pk, sk);
    let record = Record { key, version: 3, body: body.to_owned(), expires: None };
    let understood = read_as_everything(&record);
    let snapshot = &*SNAPSHOT;
    let script = Script::of(503, None, b"");
    far::with(script, async |http| {
        for step in steps(snapshot) {
            let engine = snapshot.engine(http.clone(), vec![record.clone()]);
            let deadline = Deadline(snapshot.now + SignedDuration::from_secs(45));
            drop(engine.step(&step, deadline).await);
        }
        let engine = snapshot.engine(http, vec![record.clone()]);
        let router = api(engine.clone());
        for path in paths(snapshot) {
            let request = Request::get(&path).header("authorization", format!("Bearer {TOKEN}"));
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await;
            let status = answer.unwrap().status();
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        }
        drop(engine.tick().await);
    });
    understood
}

/// As the store would read it in any place; what can be read comes back as it was. Whether any type can
/// be read from it.
fn read_as_everything(record: &Record) -> bool {
    fn read<T>(record: &Record) -> bool
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let found = decode::<T>(record);
        if let Ok(found) = &found {
            super::comes_back(&found.value);
        }
        found.is_ok()
    }
    let reads = [
        read::<Saved>(record),
        read::<State>(record),
        read::<Person>(record),
        read::<Vec<Entry>>(record),
        read::<RunRecord>(record),
        read::<SegmentRecord>(record),
        read::<PreviewRecord>(record),
        read::<PreviewPart>(record),
        read::<Previewed>(record),
        read::<Book>(record),
        read::<Group>(record),
        read::<Assignment>(record),
        read::<SignIns>(record),
    ];
    reads.contains(&true)
}

fn steps(snapshot: &Snapshot) -> Vec<Message> {
    let connection = || snapshot.connection.clone();
    let (run, preview) = (snapshot.run, snapshot.preview);
    let segment = helpdesk::id(0x11).segment();
    vec![
        Message::Fetch { connection: connection() },
        Message::Index { connection: connection(), run },
        Message::Licences { connection: connection(), run },
        Message::Decide { connection: connection(), run, segment },
        Message::Apply { connection: connection(), run, segment },
        Message::Boards { connection: connection(), run },
        Message::Finish { connection: connection(), run },
        Message::SignIns { connection: connection() },
        Message::Assign { connection: connection() },
        Message::Preview { connection: connection(), preview, segment },
    ]
}

fn paths(snapshot: &Snapshot) -> Vec<String> {
    let Snapshot { connection, run, preview, .. } = snapshot;
    let own = [
        "",
        "/runs",
        "/people/ada@contoso.example",
        "/people/ada@contoso.example/explain",
        "/held",
        "/conflicts",
        "/parked",
        "/licences",
        "/audit",
        "/licence-assignments",
        "/permissions",
    ];
    let own = own.map(|path| format!("/v1/connections/{connection}{path}"));
    let others = [
        "/v1/connections".to_owned(),
        "/v1/health".to_owned(),
        "/v1/module".to_owned(),
        format!("/v1/inbound?connection={connection}"),
        format!("/v1/inbound/export?connection={connection}&format=csv"),
        format!("/v1/runs/{run}"),
        format!("/v1/previews/{preview}"),
        format!("/v1/previews/{preview}/people"),
    ];
    own.into_iter().chain(others).collect()
}

/// A genuine record of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut kinds = std::collections::BTreeMap::new();
    for record in &SNAPSHOT.records {
        let Key { pk, sk } = &record.key;
        let kind =
            |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_hexdigit()).collect() };
        let seed = format!("{pk}{BETWEEN}{sk}\n{}", record.body);
        kinds.entry((kind(pk), kind(sk))).or_insert(seed);
    }
    kinds.into_values().map(String::into_bytes).collect()
}
