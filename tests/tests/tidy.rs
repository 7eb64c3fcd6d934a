//! What a reader may count on in every file: a first sentence, a bearable length, rule numbers that
//! exist, and nothing that is true on one machine only.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// All that may lie at the top: the parts of the project, and files that their tools look for there.
const TOP: &[&str] = &[
    ".ci",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "Makefile",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "events",
    "functions",
    "infra",
    "rustfmt.toml",
    "shared",
    "tests",
];

/// Longer files are hard to find one's way in; most should stay well below.
const MOST_LINES: usize = 600;

/// The product's rules, each as `- **D4** sentence`.
const RULES: &str = "shared/plan/RULES.md";

/// Written in two parts, as this file is checked too.
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted"),
    concat!("npmjs", ".org"),
    concat!("deb.debian", ".org"),
];

/// Directories at the top of a disk in which people and build machines keep their own files.
const MACHINE: &[&str] = &["Users", "home", "private", "root", "work", "workspace"];

/// A file of the repository, by its path from the top.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each text file that is in the repository, or would be after `git add`.
fn sources() -> Vec<Source> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let paths: BTreeSet<PathBuf> =
        listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    let read =
        |path: PathBuf| Some(Source { text: fs::read_to_string(root().join(&path)).ok()?, path });
    paths.into_iter().filter_map(read).collect()
}

/// Fails with all breaches that `check` finds, each behind the path of its file.
fn each(sources: impl IntoIterator<Item = Source>, check: impl Fn(&Source) -> Vec<String>) {
    let mut breaches = Vec::new();
    for source in sources {
        let found = check(&source).into_iter();
        breaches.extend(found.map(|breach| format!("{}: {breach}", source.path.display())));
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn every_rust_file_opens_with_a_sentence() {
    each(sources().into_iter().filter(Source::is_rust), |source| {
        let lines = source.text.lines();
        let paragraph: Vec<&str> = lines.map_while(|line| line.strip_prefix("//! ")).collect();
        if paragraph.join(" ").ends_with('.') {
            return Vec::new();
        }
        vec!["its first lines should be a `//!` sentence that says what it is".to_owned()]
    });
}

#[test]
fn no_rust_file_is_too_long() {
    each(sources().into_iter().filter(Source::is_rust), |source| {
        let lines = source.text.lines().count();
        if lines <= MOST_LINES {
            return Vec::new();
        }
        vec![format!("{lines} lines, more than {MOST_LINES}: find the seam")]
    });
}

#[test]
fn every_rule_that_is_named_exists() {
    let rules = fs::read_to_string(root().join(RULES)).unwrap();
    let rules: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(number, _)| number)
        .collect();
    assert!(!rules.is_empty(), "{RULES} has no line like `- **D4** sentence`");
    let letters: BTreeSet<char> = rules.iter().filter_map(|rule| rule.chars().next()).collect();

    each(sources().into_iter().filter(Source::is_rust), |source| {
        let named = source.text.lines().flat_map(rules_named_in);
        let named = named.filter(|rule| rule.starts_with(|letter| letters.contains(&letter)));
        let unknown: BTreeSet<String> =
            named.filter(|rule| !rules.contains(rule.as_str())).collect();
        unknown.iter().map(|rule| format!("{rule} is not in {RULES}")).collect()
    });
}

/// `D4` and its like, in a line's comment or as the first word of a function's name (`fn d4_…`).
fn rules_named_in(line: &str) -> Vec<String> {
    let function = line.trim_start().trim_start_matches("async ").strip_prefix("fn ");
    let function = function.and_then(|name| name.split_once('_')).map(|(first, _)| first);
    let comment = line.split_once("//").map_or("", |(_, comment)| comment);
    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned);
    words.chain(function.map(str::to_uppercase)).filter(|word| is_rule(word)).collect()
}

fn is_rule(word: &str) -> bool {
    let (letter, number) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
    letter.chars().all(|c| c.is_ascii_uppercase())
        && (1..=2).contains(&number.len())
        && number.chars().all(|c| c.is_ascii_digit())
}

#[test]
fn rule_numbers_are_recognised() {
    assert_eq!(rules_named_in("    // D4: `clear`, as L6; not SHA256 or E5x"), ["D4", "L6"]);
    assert_eq!(rules_named_in("async fn t2_holds_after_a_kill() {"), ["T2"]);
    assert_eq!(rules_named_in("let d4_ = \"D5\";"), Vec::<String>::new());
}

#[test]
fn nothing_names_a_place_outside_the_repository() {
    let checked = sources().into_iter().filter(|source| source.path != Path::new("Cargo.lock"));
    each(checked, |source| {
        let mut breaches = Vec::new();
        for (number, line) in (1..).zip(source.text.lines()) {
            let hosts = HOSTS.iter().filter(|host| line.contains(*host));
            let paths = MACHINE.iter().filter(|path| has_path(line, path));
            breaches.extend(hosts.chain(paths).map(|place| format!("line {number} names {place}")));
            let outside = upward_paths(line).filter(|path| !is_inside(&source.path, path));
            breaches.extend(outside.map(|path| format!("line {number}: no {path} from here")));
        }
        breaches
    });
}

/// Whether the line has an absolute path into that directory; in the middle of a path it may stand.
fn has_path(line: &str, directory: &str) -> bool {
    line.match_indices(&format!("/{directory}/"))
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-./}".contains(c)))
}

/// All paths like `../shared/plan` in a line.
fn upward_paths(line: &str) -> impl Iterator<Item = &str> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    line.split(move |c: char| !in_path(c))
        .map(|path| path.trim_start_matches('/'))
        .filter(|path| path.starts_with("../") && path.len() > "../".len())
        .filter(|path| path.contains(|c: char| c.is_ascii_alphanumeric()))
}

/// Whether the path leads to something in the repository, from the file's directory or from one
/// above it (manifests and macros such as `env!("CARGO_MANIFEST_DIR")` count from there).
fn is_inside(file: &Path, path: &str) -> bool {
    file.ancestors().skip(1).any(|directory| {
        let mut depth = directory.components().count();
        for component in Path::new(path).components() {
            match (component, depth) {
                (Component::ParentDir, 0) => return false,
                (Component::ParentDir, _) => depth -= 1,
                _ => depth += 1,
            }
        }
        root().join(directory).join(path.trim_end_matches('.')).exists()
    })
}

#[test]
fn the_top_level_holds_what_belongs_there() {
    let paths = sources().into_iter().map(|source| source.path);
    let top: BTreeSet<String> = paths
        .filter_map(|path| {
            Some(path.components().next()?.as_os_str().to_string_lossy().into_owned())
        })
        .filter(|entry| !TOP.contains(&entry.as_str()))
        .collect();
    assert!(top.is_empty(), "not at the top, please: {top:?}");
}
