//! README.md agrees with the code: paths, commands, settings, documents, problem types and rules.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a page or file that is not understood is a failed test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use plan::document::{CustomClouds, parse};
use serde_json::Value;

/// The command line, as `--help` prints it.
const ARGS: &str = "functions/halo-entra/src/args.rs";
/// The rest of it.
const MORE_ARGS: &str = "functions/halo-entra/src/args/operate.rs";
/// The environment of a deployment.
const CONFIG: &str = "shared/engine/src/config.rs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The page in its parts.
struct Readme {
    /// Blocks between fences, each with what stands behind the opening fence.
    blocks: Vec<(String, String)>,
    /// Text outside blocks.
    prose: String,
}

fn readme() -> Readme {
    let page = file("README.md");
    let mut readme = Readme { blocks: Vec::new(), prose: String::new() };
    let mut inside = false;
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                readme.blocks.push((kind.to_owned(), String::new()));
            }
            continue;
        }
        let text =
            if inside { &mut readme.blocks.last_mut().unwrap().1 } else { &mut readme.prose };
        text.push_str(line);
        text.push('\n');
    }
    assert!(!inside, "a fence is not closed");
    readme
}

impl Readme {
    fn blocks_of(&self, kind: &str) -> Vec<&str> {
        self.blocks.iter().filter(|(of, _)| of == kind).map(|(_, text)| text.as_str()).collect()
    }

    /// What stands between single backticks.
    fn spans(&self) -> Vec<&str> {
        self.prose.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
    }

    /// Lines that a reader may type: blocks of a shell, and what stands between backticks.
    fn typed(&self) -> Vec<&str> {
        let shell = self.blocks_of("sh").into_iter().flat_map(str::lines);
        shell.chain(self.spans()).collect()
    }

    /// The rest of the page behind a heading, up to the next one.
    fn section(&self, heading: &str) -> &str {
        let (_, rest) = self.prose.split_once(heading).unwrap();
        rest.split_once("\n#").map_or(rest, |(section, _)| section)
    }
}

fn none(breaches: &BTreeSet<String>, what: &str) {
    assert!(breaches.is_empty(), "{what}: {breaches:#?}");
}

#[test]
fn every_path_exists() {
    let readme = readme();
    let in_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let missing = readme.spans().into_iter().filter(|span| {
        let elsewhere = span.starts_with(['/', '"']) || span.starts_with("DIR/");
        span.contains('/') && span.chars().all(in_path) && !elsewhere
    });
    let missing = missing.filter(|path| !root().join(path).exists()).map(str::to_owned).collect();
    none(&missing, "there is no");
}

/// The paths of the code map: two blanks deeper is one level deeper, a folder ends with a slash.
fn mapped(tree: &str) -> Vec<String> {
    let mut above: Vec<String> = Vec::new();
    let mut paths = Vec::new();
    for line in tree.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let name = line.split_whitespace().next().unwrap();
        above.truncate(depth);
        let path = format!("{}{name}", above.concat());
        assert_eq!(above.len(), depth, "{path} hangs in the air");
        above.push(name.to_owned());
        paths.push(path);
    }
    paths
}

#[test]
fn the_code_map_exists_and_leaves_out_no_module() {
    let readme = readme();
    let paths: BTreeSet<String> = readme.blocks_of("tree").into_iter().flat_map(mapped).collect();
    assert!(paths.len() > 40, "the code map was not found");
    let missing = paths.iter().filter(|path| !root().join(path).exists()).cloned().collect();
    none(&missing, "the code map names what is not there");
    let sources = paths.iter().filter(|path| path.ends_with("/src/"));
    let modules = sources.flat_map(|source| {
        let entries = fs::read_dir(root().join(source)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(move |name| format!("{source}{name}"))
    });
    let left_out = modules
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| !path.ends_with("/lib.rs"))
        .filter(|path| !paths.contains(path))
        .collect();
    none(&left_out, "the code map leaves out");
}

#[test]
fn every_target_of_make_is_named_and_every_named_one_exists() {
    let readme = readme();
    let makefile = file("Makefile");
    let targets: BTreeSet<String> = makefile
        .lines()
        .filter(|line| line.contains("## "))
        .filter_map(|line| line.split_once(':').map(|(target, _)| target))
        .filter(|target| target.chars().all(|c| c.is_ascii_lowercase() || "-%".contains(c)))
        .map(|target| target.replace('%', "FUNCTION"))
        .collect();
    let named: BTreeSet<String> = readme
        .typed()
        .into_iter()
        .filter_map(|line| line.strip_prefix("make "))
        .filter_map(|rest| rest.split_whitespace().next())
        // One of a pattern's stands for all of them.
        .map(|target| match target.split_once('-') {
            Some((verb, _)) if targets.contains(&format!("{verb}-FUNCTION")) => {
                format!("{verb}-FUNCTION")
            }
            _ => target.to_owned(),
        })
        .collect();
    assert_eq!(named, targets);
}

/// A line's words behind `halo-entra`, where that is the command.
fn command(line: &str) -> Option<Vec<&str>> {
    let line = line.split(" #").next().unwrap_or_default();
    let mut words = line.split_whitespace();
    words.find(|word| *word == "halo-entra")?;
    Some(words.filter(|word| *word != "--").collect())
}

/// A word with its first letter large.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The name of a command as it is typed.
fn kebab(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[test]
fn every_command_and_option_exists() {
    let readme = readme();
    let args = [ARGS, MORE_ARGS].map(file).concat();
    let is_command = |word: &str| {
        let name: String = word.split('-').map(capital).collect();
        ["(", ","].iter().any(|end| args.contains(&format!("\n    {name}{end}")))
    };
    let is_option = |word: &str| {
        let name = word.trim_start_matches('-').replace('-', "_");
        args.contains(&format!("pub(crate) {name}:"))
    };
    let mut unknown = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for words in readme.typed().into_iter().filter_map(command) {
        let Some(name) = words.first() else { continue };
        seen.insert(*name);
        let options = words.iter().filter(|word| word.starts_with("--") && !is_option(word));
        unknown.extend(options.map(|option| format!("halo-entra {name} {option}")));
        if !is_command(name) {
            unknown.insert(format!("halo-entra {name}"));
        }
    }
    let alone = readme.spans().into_iter().filter(|span| span.starts_with("--"));
    // Of cargo.
    let alone = alone.filter(|span| *span != "--release" && !is_option(span));
    unknown.extend(alone.map(str::to_owned));
    none(&unknown, "no such command or option");
    let (_, commands) = args.split_once("enum Command {").unwrap();
    let (commands, _) = commands.split_once("\n}").unwrap();
    let variants = commands.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(char::is_uppercase));
    let named = variants.map(|line| kebab(line.split(['(', ',']).next().unwrap()));
    assert_eq!(seen.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), named.collect());
}

/// Words that look like environment variables: `A_B`, with no small letter.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_variable = |word: &&str| {
        let well = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        word.contains('_')
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(well)
    };
    words.filter(is_variable).map(str::to_owned).collect()
}

#[test]
fn every_variable_is_read_and_every_one_that_is_read_is_named() {
    let named: BTreeSet<String> = readme().typed().into_iter().flat_map(variables).collect();
    let known =
        [CONFIG, ARGS, "tests/src/aws.rs", "infra/scripts/parameters.py"].map(file).concat();
    let unread = named.iter().filter(|name| !known.contains(name.as_str())).cloned().collect();
    none(&unread, "nothing reads");
    let config = file(CONFIG);
    let quoted = config.split('"').skip(1).step_by(2).filter(|text| !text.contains(' '));
    let left_out = quoted.flat_map(variables).filter(|name| !named.contains(name)).collect();
    none(&left_out, "README.md does not name");
}

/// Connection documents: marked blocks, and what the shell hands to curl.
fn documents(readme: &Readme) -> Vec<Value> {
    let shell = readme.blocks_of("sh").into_iter();
    let typed = shell.filter_map(|block| block.split_once("<<END\n")?.1.split_once("\nEND"));
    let typed = typed.map(|(text, _)| text.replace("$ENTRA", "http://127.0.0.1:4000"));
    let marked = readme.blocks_of("json connection").into_iter().map(str::to_owned);
    marked.chain(typed).map(|text| serde_json::from_str(&text).unwrap()).collect()
}

#[test]
fn every_connection_document_is_good_and_every_answer_is_json() {
    let readme = readme();
    let documents = documents(&readme);
    assert_eq!(documents.len(), 2);
    for document in documents {
        let parsed = parse(&document, CustomClouds::Allowed);
        assert!(parsed.is_ok(), "{parsed:#?}");
        let validated = jsonschema::validate(&plan::document::schema(), &document);
        assert!(validated.is_ok(), "{validated:#?}");
    }
    for answer in readme.blocks_of("json") {
        let parsed: Result<Value, _> = serde_json::from_str(answer);
        assert!(parsed.is_ok(), "{parsed:?}: {answer}");
    }
}

#[test]
fn every_problem_type_is_told() {
    let readme = readme();
    let source = file("shared/engine/src/web/problem.rs");
    let types: BTreeSet<&str> = source
        .split("(\"")
        .filter_map(|rest| rest.split_once("\", S::"))
        .map(|(name, _)| name)
        .collect();
    assert!(types.len() > 15, "the types were not found in the code: {types:?}");
    let told: BTreeSet<&str> = readme.spans().into_iter().collect();
    let untold = types.difference(&told).map(|name| (*name).to_owned()).collect();
    none(&untold, "README.md does not tell what to do about");
}

/// `D4, L1–L3` as the numbers that it means.
fn rules_of(text: &str) -> Vec<String> {
    let one = |part: &str| -> Vec<String> {
        let (letter, numbers) = part.trim().split_at(1);
        let last = |text: &str| text.trim_start_matches(letter).parse::<u32>().unwrap();
        let (from, to) = numbers.split_once('–').unwrap_or((numbers, numbers));
        (last(from)..=last(to)).map(|number| format!("{letter}{number}")).collect()
    };
    text.split(',').flat_map(one).collect()
}

#[test]
fn every_rule_is_accounted_for_once() {
    let readme = readme();
    let rules = file("shared/plan/RULES.md");
    let rules = rules.lines().filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
    let mut rules: Vec<String> = rules.map(|(number, _)| number.to_owned()).collect();
    let table = readme.section("### Which rules work today").lines();
    let rows = table.filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let rows = rows.map(|(numbers, _)| numbers).filter(|numbers| *numbers != "Rules");
    let mut told: Vec<String> = rows.flat_map(rules_of).collect();
    rules.sort();
    told.sort();
    assert_eq!(told, rules);
}

#[test]
fn the_version_of_rust_is_the_workspaces() {
    let manifest = file("Cargo.toml");
    let (_, rest) = manifest.split_once("rust-version = \"").unwrap();
    let (version, _) = rest.split_once('"').unwrap();
    let said = format!("Rust {version} or newer");
    assert!(readme().prose.contains(&said), "README.md should say: {said}");
}
