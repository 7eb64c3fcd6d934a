//! Whole stories, told in `tests/scenarios`: requests with the answers that are expected of them, and
//! what happens in Entra and Halo meanwhile.
//!
//! A scenario is Markdown. Its fenced blocks are carried out from top to bottom, each by its word:
//!
//! - `http`: a request. The first line is method and path; then headers, an empty line, a body.
//! - `signed`: the same without a token, signed at this moment as Halo signs; the header `key` says with
//!   which key, `age` how many seconds ago.
//! - `answer`: what has to come back. The first line is the status; then the JSON that has to be in
//!   the answer: all members that are named, and all elements of a list in their order. `"…"` stands
//!   for any text that is not empty, `"$name"` for one that is kept under that name, or equals what is
//!   kept already. Text in place of JSON has to stand in the answer.
//! - `world`: what happens meanwhile, a line for each; [`happen`] knows the words.
//!
//! `$name` is replaced in requests and in what happens; `$entra` is where Entra is served.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::SignedDuration;
use sandbox::graph::Fault;
use serde_json::{Value, json};
use tests::licensed::{Licensed, linked, signature};
use tests::world::Setup;

use crate::support::{Answer, Api, TOKEN};

/// A block and the line that it begins in.
struct Block {
    line: usize,
    word: String,
    text: String,
}

fn blocks(story: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (number, line) in story.lines().enumerate() {
        if let Some(word) = line.strip_prefix("```") {
            if !is_open {
                let (word, text) = (word.to_owned(), String::new());
                blocks.push(Block { line: number + 1, word, text });
            }
            is_open = !is_open;
        } else if is_open && let Some(block) = blocks.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!is_open, "a block has no end");
    blocks
}

/// Texts kept by name.
type Kept = BTreeMap<String, String>;

/// The longest name first, so that none is taken for the beginning of another.
fn replaced(text: &str, kept: &Kept) -> String {
    let mut names: Vec<&String> = kept.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
        .into_iter()
        .fold(text.to_owned(), |text, name| text.replace(&format!("${name}"), &kept[name]))
}

async fn request(api: &Api, text: &str) -> Answer {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut head = head.lines();
    let (method, path) = head.next().unwrap().split_once(' ').unwrap();
    let token = format!("Bearer {TOKEN}");
    let mut headers = vec![("authorization", token.as_str())];
    headers.extend(head.filter_map(|line| line.split_once(": ")));
    let body = (!body.trim().is_empty()).then(|| body.trim().to_owned());
    api.send_text(method, path.trim(), body, &headers).await
}

/// A request that Halo signs.
async fn signed(api: &Api, text: &str) -> Answer {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut head = head.lines();
    let (method, path) = head.next().unwrap().split_once(' ').unwrap();
    let said: BTreeMap<&str, &str> = head.filter_map(|line| line.split_once(": ")).collect();
    let age: i64 = said.get("age").map_or(0, |age| age.parse().unwrap());
    let at = api.world.clock_now().as_second() - age;
    let body = body.trim();
    let signature = signature(said["key"], at, body);
    let at = at.to_string();
    let headers = [("x-halo-entra-timestamp", at.as_str()), ("x-halo-entra-signature", &signature)];
    api.send_text(method, path.trim(), Some(body.to_owned()), &headers).await
}

/// Why an answer is not the expected one.
fn expect(text: &str, answer: &Answer, kept: &mut Kept) -> Result<(), String> {
    let (status, rest) = text.split_once('\n').unwrap();
    if status.trim() != answer.status.as_str() {
        return Err(format!("the status is {}", answer.status));
    }
    if rest.trim().is_empty() {
        return Ok(());
    }
    if let Ok(expected) = serde_json::from_str::<Value>(rest) {
        return holds("$", &expected, &answer.json, kept);
    }
    let missing = rest.lines().find(|line| !answer.text.contains(&replaced(line, kept)));
    missing.map_or(Ok(()), |line| Err(format!("{line:?} is not in the answer")))
}

/// Whether everything that is expected is in what was found.
fn holds(path: &str, expected: &Value, found: &Value, kept: &mut Kept) -> Result<(), String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().try_for_each(|(name, value)| {
                let below = format!("{path}.{name}");
                holds(&below, value, found.get(name).unwrap_or(&Value::Null), kept)
            })
        }
        (Value::Array(expected), Value::Array(found)) => {
            let mut found = found.iter();
            for (at, value) in expected.iter().enumerate() {
                let below = format!("{path}[{at}]");
                let mut tried = kept.clone();
                if !found.any(|it| holds(&below, value, it, &mut tried).is_ok()) {
                    return Err(format!("{below}: nothing in the list is {value}"));
                }
                *kept = tried;
            }
            Ok(())
        }
        (Value::String(text), Value::String(found)) if text == "…" && !found.is_empty() => Ok(()),
        (Value::String(text), Value::String(found)) if text.starts_with('$') => {
            let name = text.trim_start_matches('$');
            let known = kept.entry(name.to_owned()).or_insert_with(|| found.clone());
            if known == found { Ok(()) } else { Err(format!("{path}: {found}, not {known}")) }
        }
        _ if expected == found => Ok(()),
        _ => Err(format!("{path}: {found}, not {expected}")),
    }
}

/// What happens outside of the API.
async fn happen(api: &Api, line: &str, kept: &mut Kept) {
    let world = &api.world;
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let id = |who: &str| {
        let user = world.entra.user(who).unwrap_or_else(|| panic!("Entra has nobody {who}"));
        user["id"].as_str().unwrap().to_owned()
    };
    match words.as_slice() {
        // Whatever waits in the queue is done.
        ["work"] => world.quiet().await,
        // The timer ticks, and whatever it leads to is done.
        ["tick"] => {
            world.tick(None).await;
            world.quiet().await;
        }
        ["pass", minutes, "minutes"] => {
            world.pass(SignedDuration::from_mins(minutes.parse().unwrap()));
        }
        ["entra", "update", who, patch] => world.entra.update_user(&id(who), json(patch)),
        ["entra", "delete", who] => world.entra.soft_delete(&id(who)),
        // A redirect URI is entered in the app registration.
        ["entra", "redirect", uri] => world.entra.register_redirect(uri),
        // Every sign-in is refused with an AADSTS code, or none any more.
        ["entra", "refuse", code] => {
            let code = code.parse().unwrap();
            world.entra.faults(|faults| faults.login_error = Some(code));
        }
        ["entra", "accept"] => world.entra.faults(|faults| faults.login_error = None),
        ["entra", "grant", permission] => world.entra.grant(permission),
        ["entra", "location", who, "none"] => world.entra.set_usage_location(&id(who), None),
        ["entra", "location", who, country] => {
            world.entra.set_usage_location(&id(who), Some(country));
        }
        ["entra", "seats", sku, seats] => world.entra.set_seats(sku, seats.parse().unwrap()),
        // The next assignment for somebody is answered with 429.
        ["entra", "throttle", who] => {
            let fault = Fault::Throttle { retry_after: Some("30".to_owned()) };
            world.entra.fail_next(&format!("/v1.0/users/{}/assignLicense", id(who)), 1, fault);
        }
        // In Halo somebody links a user to exactly these licences, with commas between them.
        ["halo", "software", who, licences] => {
            let licences = licences.split(',').filter(|it| *it != "none");
            let software: Vec<Value> =
                licences.map(|it| json!({ "licence_id": it.parse::<i64>().unwrap() })).collect();
            let user = world.halo.users_with_azureoid(&id(who))[0];
            world.halo.change_user(user, &json!({ "software": software }));
        }
        // Keeps the number of somebody's user in Halo, or of a licence by its name.
        ["keep", name, "user", who] => {
            let user = world.halo.users_with_azureoid(&id(who))[0];
            kept.insert((*name).to_owned(), user.to_string());
        }
        ["keep", name, "licence", title] => {
            let all = world.halo.licences();
            let found = all.iter().find(|it| it["name"] == *title).expect("Halo has the licence");
            kept.insert((*name).to_owned(), tests::world::int(&found["id"]).to_string());
        }
        // Everybody's links in Halo are what they hold in Entra, and no others.
        ["equal"] => equal(api).await,
        ["halo", "user", number, changes] => {
            world.halo.change_user(number.parse().unwrap(), &json(changes));
        }
        // A browser opens an address, and follows where it is sent.
        ["browse", url, "as", name] => {
            kept.insert((*name).to_owned(), api.browse(url).await.text);
        }
        // Something that was kept holds a text.
        ["see", name, text @ ..] => {
            let text = text.join(" ");
            assert!(kept[*name].contains(&text), "{text} is not in {}", kept[*name]);
        }
        _ => panic!("nobody knows how to do this: {line}"),
    }
}

/// Whether each user in Halo is linked to the licences that the person holds in Entra.
async fn equal(api: &Api) {
    let world = &api.world;
    let book = world.book().await;
    for (id, person) in world.people().await {
        let Some(user) = &person.value.link.user else { continue };
        let held = world.entra.licences_of(&id.to_string());
        let held = held.iter().map(|sku| book.skus[&sku.parse().unwrap()].halo.unwrap().0);
        let linked = linked(&world.halo.user(user.record.id).unwrap());
        assert_eq!(linked, held.collect(), "{}", person.value.facts.display_name());
    }
}

async fn tell(name: &str) {
    tell_in(name, Setup::default()).await;
}

async fn tell_in(name: &str, setup: Setup) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "scenarios", name].iter().collect();
    let story = std::fs::read_to_string(path).unwrap();
    let api = Api::with(setup).await;
    let entra = api.world.graph_served.url.clone();
    let mut kept = Kept::from([("entra".to_owned(), entra)]);
    let mut last = None;
    for block in blocks(&story) {
        let place = format!("{name}, line {}", block.line);
        match block.word.as_str() {
            "http" => last = Some(request(&api, &replaced(&block.text, &kept)).await),
            "signed" => last = Some(signed(&api, &replaced(&block.text, &kept)).await),
            "answer" => {
                let answer = last.as_ref().expect("a request comes first");
                let told = expect(&block.text, answer, &mut kept);
                assert!(told.is_ok(), "{place}: {}\n{}", told.unwrap_err(), answer.text);
            }
            "world" => {
                for line in block.text.lines() {
                    happen(&api, &replaced(line, &kept), &mut kept).await;
                }
            }
            other => panic!("{place}: no such block: {other}"),
        }
    }
}

#[tokio::test]
async fn licences_from_the_first_import_to_a_group() {
    // S1, S2, B1, C5
    let company = Licensed::new().company;
    let document = Some(company.document);
    let setup = Setup { entra: company.entra, halo: company.halo, document, ..Setup::default() };
    tell_in("licences.md", setup).await;
}

#[tokio::test]
async fn on_behalf_of_a_person() {
    // C3, C5–C7
    tell("delegated.md").await;
}

#[tokio::test]
async fn from_a_wrong_secret_to_an_export() {
    // C6–C8, I1, I2, I4, B3, B4, D4, L4
    tell("connection.md").await;
}
