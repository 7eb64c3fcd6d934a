//! The fuzz targets' bodies on their seeds and on every input that ever found something, and the files
//! that hand them to the fuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a file that cannot be read is a failed test, which names the input that it was at"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::fuzzed::{TARGETS, Target, dictionary};

/// The fuzzer's crate.
fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn repeat(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    assert!(seeds.len() > 3, "{name} has {} seeds", seeds.len());
    let mut understood = 0;
    for seed in &seeds {
        understood += usize::from((target.run)(seed));
        // Cut short, as a connection that breaks leaves it.
        (target.run)(&seed[..seed.len() / 2]);
    }
    println!("{name}: {understood} of {} seeds go all the way", seeds.len());
    assert!(understood * 5 >= seeds.len(), "{name}: only {understood} of {}", seeds.len());
    for kept in files(&fuzz().join("kept").join(name)) {
        println!("{}", kept.display());
        (target.run)(&fs::read(kept).unwrap());
    }
}

#[test]
fn requests_to_the_api() {
    repeat("api");
}

#[test]
fn decisions_about_anybody() {
    // T5
    repeat("decisions");
}

#[test]
fn connection_documents() {
    repeat("documents");
}

#[test]
fn answers_of_graph() {
    // D2
    repeat("graph");
}

#[test]
fn answers_of_halo() {
    // H5
    repeat("halo");
}

#[test]
fn field_rows_and_conditions() {
    // F8, P5
    repeat("rows");
}

#[test]
fn signed_calls() {
    // S2
    repeat("signatures");
}

#[test]
fn stored_records() {
    repeat("stored");
}

#[test]
fn each_target_has_a_file_and_an_entry_and_nothing_else_has() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let mut expected = BTreeSet::new();
    for Target { name, .. } in TARGETS {
        let path = format!("targets/{name}.rs");
        assert!(
            manifest.contains(&format!("[[bin]]\nname = \"{name}\"\npath = \"{path}\"\n")),
            "{name}"
        );
        let text = fs::read_to_string(fuzz().join(&path)).unwrap();
        let call = format!("fuzz_target!(|data: &[u8]| {{ tests::fuzzed::{name}::run(data); }});");
        assert!(text.ends_with(&format!("\n{call}\n")), "{path} should end with: {call}");
        expected.insert(fuzz().join(path));
    }
    assert_eq!(files(&fuzz().join("targets")).into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    let kept = files(&fuzz().join("kept"));
    let named = |path: &PathBuf| TARGETS.iter().any(|it| path.ends_with(it.name));
    assert!(kept.iter().all(named), "kept inputs of no target: {kept:?}");
}

/// Seeds that chance has changed: what the fuzzer does without knowing what it reaches, for machines on
/// which it cannot be built. `cargo test -p tests --all-features --test fuzzed -- --ignored --nocapture
/// changed_by_chance` says how many inputs each target got.
#[test]
#[ignore = "takes minutes, and make fuzz does it better"]
fn changed_by_chance() {
    const EACH: usize = 20_000;
    let mut found = Vec::new();
    for target in TARGETS {
        let mut rng = fastrand::Rng::with_seed(7);
        let seeds = (target.seeds)();
        let words: Vec<String> = tests::fuzzed::words(target).into_iter().collect();
        // One of these sends three dozen requests through the whole product.
        let most = if target.name == "stored" { EACH / 20 } else { EACH };
        let mut count = 0;
        for _ in 0..most {
            let mut input = seeds[rng.usize(..seeds.len())].clone();
            for _ in 0..=rng.usize(..4) {
                change(&mut rng, &mut input, &words);
            }
            if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
                found.push(format!("{}: {:?}", target.name, String::from_utf8_lossy(&input)));
                break;
            }
            count += 1;
        }
        println!("{}: {count} inputs", target.name);
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn change(rng: &mut fastrand::Rng, input: &mut Vec<u8>, words: &[String]) {
    let at = rng.usize(..=input.len());
    let end = (at + rng.usize(..16)).min(input.len());
    match rng.u8(..5) {
        0 if at < input.len() => input[at] = rng.u8(..),
        1 => drop(input.splice(at..end, [])),
        2 => {
            let part = input[at..end].to_vec();
            input.splice(at..at, part);
        }
        3 if !words.is_empty() => {
            let word = words[rng.usize(..words.len())].bytes();
            input.splice(at..end, word);
        }
        _ => {
            let odd = [
                "null",
                "-1",
                "1e999",
                "\\ud800",
                "\"",
                "{}",
                "[]",
                "99999999999999999999",
                "\u{0}",
            ];
            input.splice(at..end, odd[rng.usize(..odd.len())].bytes());
        }
    }
}

/// Writes the seeds and dictionaries below the folder that `make fuzz` gives to the fuzzer.
#[test]
#[ignore = "writes files, for make fuzz"]
fn write_the_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = root.join(".cache/fuzz");
    for target in TARGETS {
        let seeds = folder.join("seeds").join(target.name);
        if seeds.exists() {
            fs::remove_dir_all(&seeds).unwrap();
        }
        fs::create_dir_all(&seeds).unwrap();
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(seeds.join(format!("{number:04}")), seed).unwrap();
        }
        fs::write(folder.join(format!("{}.dict", target.name)), dictionary(target)).unwrap();
    }
}
