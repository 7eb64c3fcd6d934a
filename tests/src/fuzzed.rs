//! What is done with bytes that nobody thought of: one body for each fuzz target, shared by the fuzzer
//! (`tests/fuzz`) and the test that repeats the seeds and every input that ever found something.
//!
//! A body takes any bytes and panics where a promise is broken. Seeds come from our own simulators,
//! samples and the store's own records, so they change with the code, and so do the words of the
//! dictionaries, which are read out of the seeds.

pub mod api;
pub mod decisions;
pub mod documents;
mod far;
pub mod graph;
pub mod halo;
pub mod rows;
pub mod signatures;
mod snapshot;
pub mod stored;

use std::collections::BTreeSet;

use serde_json::Value;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name, also of its file below `tests/fuzz/targets` and of its folder below `tests/fuzz/kept`.
    pub name: &'static str,
    /// What is done with an input; says whether it was understood to its end.
    pub run: fn(&[u8]) -> bool,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "api", run: api::run, seeds: api::seeds },
    Target { name: "decisions", run: decisions::run, seeds: decisions::seeds },
    Target { name: "documents", run: documents::run, seeds: documents::seeds },
    Target { name: "graph", run: graph::run, seeds: graph::seeds },
    Target { name: "halo", run: halo::run, seeds: halo::seeds },
    Target { name: "rows", run: rows::run, seeds: rows::seeds },
    Target { name: "signatures", run: signatures::run, seeds: signatures::seeds },
    Target { name: "stored", run: stored::run, seeds: stored::seeds },
];

/// Longer words are no names.
const LONGEST_WORD: usize = 40;

/// The words of a target: names of members and short texts in the JSON of its seeds.
pub fn words(target: &Target) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for seed in (target.seeds)() {
        let text = String::from_utf8_lossy(&seed);
        let starts = text.match_indices(['{', '[']).map(|(at, _)| at);
        let value = starts.take(1).find_map(|at| {
            serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>().next()?.ok()
        });
        if let Some(value) = value {
            collect(&value, &mut words);
        }
    }
    words.retain(|word| (2..=LONGEST_WORD).contains(&word.len()));
    words
}

fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                words.insert(name.clone());
                collect(value, words);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, words)),
        Value::String(text) => drop(words.insert(text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The lines of a dictionary as libFuzzer reads it.
pub fn dictionary(target: &Target) -> String {
    let quoted = |word: &String| {
        let escaped = word.bytes().map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        });
        format!("\"{}\"\n", escaped.collect::<String>())
    };
    words(target).iter().map(quoted).collect()
}

/// Splits an input into so many choices and the rest; what is not there is the first choice.
fn choices<const N: usize>(data: &[u8]) -> ([usize; N], &[u8]) {
    let at = |n: usize| data.get(n).map_or(0, |byte| usize::from(byte.wrapping_sub(b'a')));
    (std::array::from_fn(at), data.get(N..).unwrap_or_default())
}

/// A seed of choices and a rest.
fn seed(choices: &[u8], rest: impl AsRef<[u8]>) -> Vec<u8> {
    choices.iter().map(|choice| b'a' + choice).chain(rest.as_ref().iter().copied()).collect()
}

/// Fails where a value is not the same after it was written and read again.
fn comes_back<T>(value: &T)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let text = serde_json::to_string(value).unwrap();
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(&again, value, "{text}");
}
