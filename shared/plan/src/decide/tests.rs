//! Cases of `decide`, each a line: rule and name, what is special about the situation, what is decided.
//!
//! A situation is the ordinary one with changes, separated by `; `: a word of [`WORDS`], or
//! `path=value` with a place in [`ordinary`] and JSON or a bare text; `null` removes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a situation that cannot be read is the test's failure; a table is as long as it is"
)]

mod activity;
mod boards;
mod difference;
mod fields;
mod finding;
mod licences;
mod modes;
mod order;
mod placing;
mod presence;
pub(crate) mod properties;
mod roles;
mod safety;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::*;
use crate::boards::SeatMove;
use crate::document::{self, CustomClouds, Document, Entity};
use crate::facts::Value;
use crate::fields::ManagerView;
use crate::groups::{Group, GroupState, Groups};
use crate::ids::LicenceId;
use crate::licences::{Book, Sku};
use crate::matching::Hit;
use crate::rules::scope_of;

const ME: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";
const OTHER: &str = "11111111-44d7-43e1-9a83-5f2406dee5bd";

/// Rule and name; what is special about the situation; what is decided.
type Row = (&'static str, &'static str, &'static str);

/// What is often special about a situation.
const WORDS: &[(&str, &str)] = &[
    // Mappings.
    ("staff", r#"mappings.staff={"sequence":5,"target":{"type":"agents"}}"#),
    ("nowhere", "mappings.all=null"),
    // Who the person is in Halo: user 7, agent 9, both as they should be.
    (
        "user",
        r#"link.user={"record":{"kind":"user","id":7},"how":{"by":"created"},"activity":"active","mapping":"all","image":{"name":"Ada","title":"","department":"","site_id":12,"azureoid":"me","azure_tenant_id":"tenant"}}"#,
    ),
    (
        "agent",
        r#"staff; link.agent={"record":{"kind":"agent","id":9},"how":{"by":"created"},"activity":"active","mapping":"staff","image":{"name":"Ada","licence_type":0}}"#,
    ),
    ("both", "user; agent; link.user.image.linked_agent_id=9"),
    // What is found in Halo.
    ("nobody", "known.user.hits=[]; known.agent.hits=[]"),
    (
        "user found",
        r#"known.user.hits=[7]; known.user.record={"name":"Ada","title":"","department":"","site_id":12,"azureoid":"","azure_tenant_id":"","inactive":false}"#,
    ),
    (
        "agent found",
        r#"staff; known.agent.hits=[9]; known.agent.record={"name":"Ada","licence_type":0,"isdisabled":false}"#,
    ),
    // What the run is about.
    ("users only", r#"run=["users"]"#),
    ("agents only", r#"run=["agents"]"#),
    // The account.
    ("disabled", "person.accountEnabled=false"),
    ("guest", "person.userType=Guest"),
    // The guard and the administrator.
    ("held", "guard.user=held; guard.agent=held"),
    ("incomplete", "guard.user=read_incomplete; guard.agent=read_incomplete"),
    (
        "released",
        r#"link.ruling={"says":"release","run":"other","until":"2026-02-01T00:00:00Z","by":"a"}"#,
    ),
    (
        "rejected",
        r#"link.ruling={"says":"reject","run":"other","until":"2026-02-01T00:00:00Z","by":"a"}"#,
    ),
    ("expired", "link.ruling.until=2026-01-15T00:00:00Z"),
    // The manager.
    (
        "managed",
        r#"manager={"is":{"properties":{"displayName":"Grace","mail":"grace@x.example"},"agent":null}}"#,
    ),
    // Sites by name.
    (
        "offices",
        r#"mappings.all.target={"type":"organisation","client_id":3,"site_from":"officeLocation"}"#,
    ),
    // Roles and boards.
    ("sales role", r#"roles.user_roles=[{"group":"Sales","role_id":4}]"#),
    ("admins role", r#"roles.agent_roles=[{"group":"Admins","role_id":7}]"#),
    ("sleepers role", r#"roles.agent_roles=[{"group":"Sleepers","role_id":11}]"#),
    ("board", r#"roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2}]"#),
    ("kept", "roles.cabs.0.keep=true"),
    ("seat", r#"link.seats={"1":{"record":{"kind":"user","id":7},"role":2,"state":"ours"}}"#),
    ("licensed", "roles.licence_management=true; roles.inactive_agent_role_ids=[11]"),
    // Licences: E5 and E3 are licences 31 and 32 in Halo; the person holds E5.
    ("ledger", r#"ledger={"E5":31,"E3":32}"#),
    ("holds", r#"ledger; person.assignedLicenses=["E5"]"#),
    (
        "interrupted",
        r#"link.intents.user={"epoch":"other","creates":false}; link.intents.agent={"epoch":"other","creates":false}"#,
    ),
];

/// A new starter in a connection that puts everybody on site 12.
fn ordinary() -> Json {
    json!({
        "rules": {
            "id": "x", "name": "X", "tenant_id": "tenant", "auth": { "client_id": "tenant" },
            "sync": { "entities": ["users", "agents"] }, "create": true,
            "field_mappings": {
                "users": [ { "from": "displayName", "to": "name" },
                    { "from": "jobTitle", "to": "title", "write": "if_empty" },
                    { "from": "department", "to": "department", "clear": true } ],
                "agents": [ { "from": "displayName", "to": "name" } ] },
            "matching": { "users": [ { "entra": "mail", "halo": "emailaddress" } ],
                "agents": [ { "entra": "mail", "halo": "email" } ] },
            "mappings": { "all": { "sequence": 50, "target": { "type": "site", "site_id": 12 } } },
            "roles": {} },
        "groups": { "Sales": "read", "Admins": "read", "Sleepers": "read", "Board": "read",
            "Old": "gone", "Slow": "unread" },
        "person": { "displayName": "Ada", "mail": "ada@x.example", "accountEnabled": true },
        "in": [], "presence": "present", "manager": "none", "link": {}, "ledger": null,
        "known": { "user": { "claims": [], "standing": "free" },
            "agent": { "claims": [], "standing": "free" } },
        "guard": { "user": "pass", "agent": "pass" }, "run": ["users", "agents"],
    })
}

/// A situation as it is handed to `decide`, with what it borrows.
#[derive(Debug)]
struct Given {
    document: Document,
    groups: Groups,
    facts: Facts,
    manager: Manager,
    link: Link,
    known: Known,
    guard: PerKind<guard::Verdict>,
    run: Vec<Entity>,
    book: Option<Book>,
}

/// The manager: `none`, `unread`, or their properties with the agent that they are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Manager {
    None,
    Unread,
    Is { properties: BTreeMap<String, Value>, agent: Option<i64> },
}

/// What was looked up of one kind of record, in short.
#[derive(Deserialize)]
struct Looked {
    /// Records of nobody with the person's address, of others, and with the person's object id.
    hits: Option<Vec<i64>>,
    #[serde(default)]
    others: Vec<i64>,
    #[serde(default)]
    carriers: Vec<i64>,
    /// 0 = Halo was asked, and there is none.
    made: Option<i64>,
    claims: Option<BTreeSet<ObjectId>>,
    record: Option<Fields>,
    standing: Option<String>,
}

impl Looked {
    fn known(self, kind: RecordKind) -> KnownRecord {
        let field = if kind == RecordKind::User { "emailaddress" } else { "email" };
        let hit = |object_id: Option<&'static str>| {
            move |id: &i64| Hit {
                record: RecordId { kind, id: *id },
                object_id: object_id.map(str::to_owned),
                inactive: false,
            }
        };
        let by_mail = self.hits.iter().flatten().map(hit(None));
        let by_mail = by_mail.chain(self.others.iter().map(hit(Some(OTHER)))).collect();
        let by_id = self.carriers.iter().map(hit(Some(ME))).collect();
        let key = |field, value| MatchKey::new(field, value).unwrap();
        let hits =
            Hits::from([(key(field, "ada@x.example"), by_mail), (key("azureoid", ME), by_id)]);
        KnownRecord {
            hits: self.hits.is_some().then_some(hits),
            made: match self.made {
                None => Made::Unasked,
                Some(0) => Made::Nothing,
                Some(id) => Made::Record(RecordId { kind, id }),
            },
            claims: self.claims,
            record: self.record,
            standing: self.standing.map(|word| match word.as_str() {
                "free" => Standing::Other,
                "own" => Standing::OwnAgent,
                "last" => Standing::LastAdministrator,
                _ => panic!("standing {word}"),
            }),
        }
    }
}

fn group_id(name: &str) -> String {
    format!(
        "22222222-44d7-43e1-9a83-{:012x}",
        name.bytes().fold(0, |sum, b| sum * 31 + u64::from(b)) % 0xffff_ffff
    )
}

fn sku_id(name: &str) -> String {
    format!("55555555-44d7-43e1-9a83-00000000{:02x}{:02x}", name.as_bytes()[0], name.as_bytes()[1])
}

fn book(licences: BTreeMap<String, i64>) -> Book {
    let sku = |(name, licence): (String, i64)| {
        let sku = Sku { halo: Some(LicenceId(licence)), ..Sku::default() };
        (sku_id(&name).parse().unwrap(), sku)
    };
    Book { skus: licences.into_iter().map(sku).collect(), ..Book::default() }
}

/// Replaces short names by the ids that they stand for, and groups by their pinned names.
fn spelled_out(value: &mut Json) {
    match value {
        Json::String(text) => match text.as_str() {
            "me" => ME.clone_into(text),
            "other" | "tenant" => OTHER.clone_into(text),
            "E5" | "E3" | "F1" => *text = sku_id(text),
            _ => {}
        },
        Json::Array(list) => list.iter_mut().for_each(spelled_out),
        Json::Object(map) => {
            for (key, value) in map.iter_mut() {
                match (key.as_str(), &value) {
                    ("group", Json::String(name)) => {
                        *value = json!({ "name": name, "id": group_id(name) });
                    }
                    _ => spelled_out(value),
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Changes the ordinary situation by one word or assignment.
fn change(json: &mut Json, text: &str) {
    if let Some((_, meaning)) = WORDS.iter().find(|(word, _)| *word == text) {
        meaning.split("; ").for_each(|part| change(json, part));
        return;
    }
    let Some((path, value)) = text.split_once('=') else { panic!("no such word: {text}") };
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    let mut place = json;
    let mut keys = path.split('.').peekable();
    if place["rules"].get(keys.peek().unwrap()).is_some() {
        place = &mut place["rules"];
    }
    while let Some(key) = keys.next() {
        if keys.peek().is_none() && value.is_null() {
            place.as_object_mut().unwrap().remove(key);
            return;
        }
        place = match key.parse::<usize>() {
            Ok(index) if place.is_array() => &mut place[index],
            _ => &mut place[key],
        };
    }
    *place = value;
}

/// The situation that is ordinary but for these changes.
fn given(changes: &str) -> Given {
    let mut json = ordinary();
    changes.split("; ").filter(|text| !text.is_empty()).for_each(|text| change(&mut json, text));
    spelled_out(&mut json);
    let mut part = |key: &str| json[key].take();
    let mut rules = part("rules");
    let mappings = rules["mappings"].as_object().unwrap().clone();
    rules["mappings"] = mappings
        .into_iter()
        .map(|(id, mut mapping)| {
            mapping["id"] = json!(id);
            mapping
        })
        .collect();
    let document = document::parse(&rules, CustomClouds::Refused);
    let states: BTreeMap<String, GroupState> = read(part("groups"));
    let groups = states.into_iter().map(|(name, state)| {
        let id = group_id(&name).parse().unwrap();
        (id, Group { name, state, parents: BTreeSet::new() })
    });
    let member_of: Vec<String> = read(part("in"));
    let facts = Facts {
        presence: read(part("presence")),
        properties: read(part("person")),
        manager: None,
        groups: member_of.iter().map(|name| group_id(name).parse().unwrap()).collect(),
        licences: BTreeSet::new(),
    };
    let ledger: Option<BTreeMap<String, i64>> = read(part("ledger"));
    let known: PerKind<Looked> = read(part("known"));
    let site: Option<i64> = read(part("site"));
    let records = PerKind {
        user: known.user.known(RecordKind::User),
        agent: known.agent.known(RecordKind::Agent),
    };
    Given {
        document: document.unwrap_or_else(|mistakes| panic!("{changes}: {mistakes:?}")).document,
        groups: Groups(groups.collect()),
        facts,
        manager: read(part("manager")),
        link: read(part("link")),
        known: Known { records, site: site.map(SiteId) },
        guard: read(part("guard")),
        run: read(part("run")),
        book: ledger.map(book),
    }
}

fn read<T: for<'a> Deserialize<'a>>(json: Json) -> T {
    let shown = json.to_string();
    serde_json::from_value(json).unwrap_or_else(|error| panic!("{error}: {shown}"))
}

impl Given {
    fn verdict(&self) -> Verdict {
        let boss;
        let manager = match &self.manager {
            Manager::None => ManagerView::None,
            Manager::Unread => ManagerView::NotReadYet,
            Manager::Is { properties, agent } => {
                boss = Facts { properties: properties.clone(), ..Facts::default() };
                ManagerView::Known { facts: &boss, agent: agent.map(RecordId::agent) }
            }
        };
        let case = Case {
            id: ME.parse().unwrap(),
            view: View { facts: &self.facts, manager },
            link: &self.link,
            known: &self.known,
            guard: self.guard,
            now: "2026-01-15T00:00:00Z".parse().unwrap(),
        };
        let rules = Rules::covering(&self.document, &self.groups, scope_of(&self.run));
        match &self.book {
            Some(book) => decide(&rules.with_licences(book), &case),
            None => decide(&rules, &case),
        }
    }

    /// The verdict as a line: what is asked for, or what happens to each record and seat.
    fn told(&self) -> String {
        let line = match self.verdict() {
            Verdict::Needs(Need::Matches(kind, _)) => format!("asks for matching {kind}s"),
            Verdict::Needs(Need::Claims(record)) => format!("asks who claims {record}"),
            Verdict::Needs(Need::Made(kind)) => format!("asks for a lost {kind}"),
            Verdict::Needs(Need::Record(record, fields)) => {
                let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
                format!("asks for {record}: {}", fields.join(" "))
            }
            Verdict::Needs(Need::Site(client, name)) => format!("asks for site {name} of {client}"),
            Verdict::Needs(Need::Standing(record)) => format!("asks for the standing of {record}"),
            Verdict::Decided(decision) => {
                let parts = decision.parts().map(|(kind, part)| self.told_part(kind, part));
                let seats = decision.seats.iter().map(|seat| match seat.to {
                    SeatMove::Join { kind, role: None } => format!("{kind} joins {}", seat.cab),
                    SeatMove::Join { kind, role: Some(role) } => {
                        format!("{kind} joins {} as {role}", seat.cab)
                    }
                    SeatMove::Leave => format!("leaves {}", seat.cab),
                });
                let why = reasons(&decision.reasons);
                parts.chain(seats).chain(why).collect::<Vec<_>>().join(" | ")
            }
        };
        line.replace(ME, "me").replace(OTHER, "other")
    }

    fn told_part(&self, kind: RecordKind, part: &Part) -> String {
        let mut words = vec![kind.to_string(), part.action.name().to_owned()];
        let ours = match &part.action {
            Action::Create(create) => Some((&create.granted, &create.licences)),
            Action::Write(write) => {
                words.push(write.record.id.to_string());
                words.extend(write.links.is_some().then(|| "linked".to_owned()));
                Some((&write.granted, &write.licences))
            }
            Action::Conflict { candidates } => {
                words.extend(candidates.iter().map(|record| record.id.to_string()));
                None
            }
            Action::Unchanged | Action::NotInScope | Action::Held | Action::Invalid => None,
        };
        let changes = part.changes();
        if !changes.is_empty() {
            words.push("with".to_owned());
        }
        words.extend(changes.iter().map(|change| format!("{}={}", change.field, change.after)));
        let none = BTreeSet::new();
        let before = self.link.of(kind);
        let before = before.map_or((&none, &none), |it| (&it.granted, &it.licences));
        if let Some((roles, licences)) = ours {
            let sets = [("ours", roles, before.0), ("our licences", licences, before.1)];
            for (what, now, _) in sets.into_iter().filter(|(_, now, was)| now != was) {
                let now: Vec<_> = now.iter().map(ToString::to_string).collect();
                words.push(format!("[{what} {}]", now.join(",")));
            }
        }
        words.extend(reasons(&part.reasons));
        words.join(" ")
    }
}

/// Reasons that every case of their kind has, or that the changes show.
const ROUTINE: [&str; 13] = [
    "placed_by",
    "no_mapping_matches",
    "linked",
    "found",
    "nobody_found",
    "nothing_to_change",
    "fields_differ",
    "roles_given",
    "roles_taken",
    "licences_linked",
    "licences_unlinked",
    "joins_board",
    "leaves_board",
];

/// The names of the remarkable reasons.
fn reasons(reasons: &[Reason]) -> Option<String> {
    let names = reasons.iter().map(|reason| {
        let json = serde_json::to_value(reason).unwrap();
        json["reason"].as_str().unwrap().to_owned()
    });
    let names: Vec<String> = names.filter(|name| !ROUTINE.contains(&name.as_str())).collect();
    (!names.is_empty()).then(|| format!("({})", names.join(" ")))
}

fn check(rows: &[Row]) {
    let wrong = rows.iter().filter_map(|(name, changes, expected)| {
        let told = given(changes).told();
        (told != *expected)
            .then(|| format!("{name}: {changes}\n  got      {told}\n  expected {expected}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
