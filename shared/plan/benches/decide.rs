//! How many people `decide` decides in a second on one core, and what it allocates for each: 20
//! mappings, 30 rows for users and 6 for agents, roles and boards; 10,000 linked people with about 25
//! properties, of whom 5 % changed since. A number as argument: so many people.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time and prints it; a step that fails ends it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use plan::decide::{Action, Case, Known, KnownRecord, Made, Need, Part, Standing, Verdict, decide};
use plan::document::{CustomClouds, Document, parse};
use plan::facts::{Facts, Presence, Value};
use plan::fields::{ManagerView, View};
use plan::groups::{Group, GroupState, Groups};
use plan::guard;
use plan::ids::{ObjectId, PerKind, RecordId, RecordKind, SiteId};
use plan::link::{Link, Linked};
use plan::matching::Hits;
use plan::rules::Rules;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// People, where no argument says another number.
const PEOPLE: u32 = 10_000;
const MANAGERS: u32 = 200;
const PASSES: u32 = 30;

const DEPARTMENTS: [&str; 16] = [
    "Sales",
    "Marketing",
    "Finance",
    "Legal",
    "Human Resources",
    "Procurement",
    "Logistics",
    "Production",
    "Research",
    "Quality",
    "Support",
    "Facilities",
    "Design",
    "Training",
    "Audit",
    "IT",
];
const CITIES: [&str; 5] = ["Aarhus", "Leeds", "Ipswich", "Rotterdam", "São Paulo"];
const GROUPS: [&str; 8] = [
    "Board",
    "Helpdesk",
    "Managers",
    "Approvers",
    "IT Admins",
    "Contractors",
    "Night Shift",
    "Leavers",
];

fn id(kind: u8, number: u32) -> ObjectId {
    // Spread like Entra's random ids, so that neighbours do not share a prefix.
    let mixed = number.wrapping_mul(0x9e37_79b9);
    ObjectId(Uuid::from_u128(u128::from(mixed) << 96 | u128::from(kind) << 64 | u128::from(number)))
}

fn group_id(name: &str) -> ObjectId {
    let number = GROUPS.iter().position(|group| *group == name).unwrap();
    id(1, u32::try_from(number).unwrap())
}

fn group(name: &str) -> Json {
    json!({ "name": name, "id": group_id(name).to_string() })
}

/// Twenty mappings: departments one by one, so that people match anywhere in the list.
fn mappings() -> Vec<Json> {
    let is = |field: &str, value: &str| json!({ "field": field, "op": "equals", "value": value });
    let site = |site: usize| json!({ "type": "site", "site_id": site });
    let mut mappings = vec![
        json!({ "id": "board", "target": site(90), "group": group("Board"), "user_role_id": 3 }),
        json!({ "id": "helpdesk", "target": { "type": "agents", "user_site_id": 91 },
            "group": group("Helpdesk"), "agent_role_id": 5, "licence_type": "named" }),
    ];
    for (number, department) in DEPARTMENTS.iter().take(14).enumerate() {
        let mut conditions = vec![is("department", department)];
        if number % 3 == 1 {
            conditions
                .push(json!({ "field": "companyName", "op": "not_equals", "value": "Old Ltd" }));
        }
        if number % 3 == 2 {
            conditions.push(json!({ "field": "userPrincipalName", "op": "ends_with", "value": "@contoso.example" }));
        }
        mappings.push(json!({ "id": format!("department-{number}"), "target": site(number + 1),
            "user_role_id": number % 4 + 3, "conditions": conditions }));
    }
    mappings.extend([
        json!({ "id": "engineers", "target": { "type": "agents" }, "agent_role_id": 6, "conditions": [
            is("department", "IT"), { "field": "jobTitle", "op": "matches", "value": "engineer$" } ] }),
        json!({ "id": "contractors", "target": site(95), "group": group("Contractors"),
            "external_users": "include" }),
        json!({ "id": "offices", "target": { "type": "organisation", "client_id": 3,
            "site_from": "officeLocation" }, "conditions": [
            { "field": "country", "op": "in", "values": ["Denmark", "Brazil"] } ] }),
        json!({ "id": "rest", "target": site(99), "external_users": "include" }),
    ]);
    for (number, mapping) in mappings.iter_mut().enumerate() {
        mapping["sequence"] = json!(number);
    }
    mappings
}

fn document() -> Document {
    let plain = [
        ("displayName", "name"),
        ("givenName", "firstname"),
        ("surname", "surname"),
        ("userPrincipalName", "login"),
        ("jobTitle", "title"),
        ("businessPhones", "phonenumber"),
        ("mobilePhone", "mobilenumber"),
        ("faxNumber", "fax"),
        ("department", "department"),
        ("onPremisesSamAccountName", "samaccountname"),
        ("employeeId", "third_party_id"),
        ("onPremisesDistinguishedName", "onpremise_activedirectory_dn"),
        ("companyName", "azure_tenant_domain"),
        ("officeLocation", "other1"),
        ("extensionAttribute1", "other2"),
        ("extensionAttribute2", "other3"),
        ("manager.displayName", "admanager"),
        ("manager.mail", "customfield:104"),
        ("employeeType", "customfield:101"),
        ("userType", "customfield:102"),
        ("const:Entra", "customfield:103"),
    ];
    let plain = plain.map(|(from, to)| json!({ "from": from, "to": to }));
    let more = [
        json!({ "from": "mail", "to": "emailaddress", "transforms": ["lower"] }),
        json!({ "from": "proxyAddresses", "to": "email2" }),
        json!({ "from": ["city", "country"], "to": "other4", "transforms": [{ "join": ", " }, "trim"] }),
        json!({ "from": "postalCode", "to": "other5", "clear": true }),
        json!({ "from": ["mobilePhone", "businessPhones"], "to": "mobilenumber2",
            "transforms": ["first_non_empty", { "replace": [" ", ""] }], "write": "on_create" }),
        json!({ "from": "mailNickname", "to": "initials", "transforms": [{ "max_length": 3 }, "upper"] }),
        json!({ "from": "state", "to": "homenumber", "write": "if_empty" }),
        json!({ "from": "preferredLanguage", "to": "customfield:105",
            "transforms": [{ "map": { "da-DK": "Danish", "en-GB": "English" }, "default": "Other" }] }),
        json!({ "from": "extensionAttribute5", "to": "customfield:106", "clear": true }),
    ];
    let users: Vec<Json> = plain.into_iter().chain(more).collect();
    assert_eq!(users.len(), 30);
    let agents = [
        ("displayName", "name"),
        ("givenName", "firstname"),
        ("surname", "surname"),
        ("mail", "email"),
        ("jobTitle", "jobtitle"),
        ("manager.displayName", "linemanager"),
    ];
    let agents = agents.map(|(from, to)| json!({ "from": from, "to": to }));
    let tenant = "11111111-2222-3333-4444-555555555555";
    let role = |name: &str, role: i64| json!({ "group": group(name), "role_id": role });
    let value = json!({
        "id": "contoso", "name": "Contoso", "tenant_id": tenant, "auth": { "client_id": tenant },
        "sync": { "entities": ["users", "agents"] },
        "field_mappings": { "users": users, "agents": agents }, "mappings": mappings(),
        "roles": {
            "user_roles": [role("Managers", 20), role("Approvers", 21), role("Night Shift", 22)],
            "agent_roles": [role("IT Admins", 7), role("Leavers", 11)],
            "no_manager_user_role_id": 9,
            "cabs": [{ "group": group("Approvers"), "cab_id": 1, "cab_role_id": 2, "keep": true }],
            "licence_management": true, "inactive_agent_role_ids": [11] },
    });
    parse(&value, CustomClouds::Refused).unwrap_or_else(|mistakes| panic!("{mistakes:?}")).document
}

fn groups() -> Groups {
    let group = |name: &&str| {
        let group = Group { name: (*name).to_owned(), state: GroupState::Read, ..Group::default() };
        (group_id(name), group)
    };
    Groups(GROUPS.iter().map(group).collect())
}

/// The properties of person `n`, as varied as people are.
fn facts(n: u32) -> Facts {
    let of = |list: &[&str], step: u32| list[(n / step) as usize % list.len()].to_owned();
    let (department, city) = (of(&DEPARTMENTS, 1), of(&CITIES, 16));
    let country = of(&["Denmark", "United Kingdom", "United Kingdom", "Netherlands", "Brazil"], 16);
    let name = format!("ada{n}.lovelace");
    let mut texts = vec![
        ("displayName", format!("Ada {n} Lovelace")),
        ("givenName", format!("Ada {n}")),
        ("surname", "Lovelace".to_owned()),
        ("userPrincipalName", format!("{name}@contoso.example")),
        ("mail", format!("Ada{n}.Lovelace@contoso.example")),
        ("mailNickname", name.clone()),
        ("jobTitle", of(&["Engineer", "Clerk", "Lead engineer", "Director", "Analyst"], 3)),
        ("department", department.clone()),
        ("companyName", of(&["Contoso A/S", "Contoso Ltd", "Old Ltd"], 5)),
        ("officeLocation", format!("{city} {}", n % 7)),
        ("city", city.clone()),
        ("country", country),
        ("state", of(&["North", "South"], 2)),
        ("streetAddress", format!("Main Street {n}")),
        ("mobilePhone", format!("+45 12 34 {n:05}")),
        ("employeeId", format!("E-{n:06}")),
        ("employeeType", of(&["Employee", "Contractor"], 9)),
        ("preferredLanguage", of(&["da-DK", "en-GB", "pt-BR"], 4)),
        ("onPremisesSamAccountName", format!("al{n}")),
        ("onPremisesDistinguishedName", format!("CN={name},OU={department},DC=contoso,DC=example")),
        ("userType", "Member".to_owned()),
    ];
    if n.is_multiple_of(3) {
        texts.push(("postalCode", format!("{:04}", n % 10_000)));
        texts.push(("extensionAttribute1", format!("cost centre {}", n % 40)));
    }
    if n.is_multiple_of(4) {
        texts.push(("extensionAttribute2", "badge".to_owned()));
        texts.push(("faxNumber", format!("+45 99 {n}")));
    }
    let texts = texts.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text)));
    let others = [
        ("accountEnabled".to_owned(), Value::Bool(true)),
        ("businessPhones".to_owned(), Value::List(vec![format!("+45 70 {n}"), "100".into()])),
        (
            "proxyAddresses".to_owned(),
            Value::List(vec![
                format!("smtp:{name}@old.example"),
                format!("SMTP:{name}@contoso.example"),
            ]),
        ),
    ];
    let member = |(number, name): (usize, &&str)| {
        let every = [50, 40, 8, 30, 60, 25, 5, 500][number];
        (n % every == 1).then(|| group_id(name))
    };
    Facts {
        presence: Presence::Present,
        properties: texts.chain(others).collect(),
        manager: (!n.is_multiple_of(20)).then(|| id(0, n % MANAGERS)),
        groups: GROUPS.iter().enumerate().filter_map(member).collect(),
        licences: BTreeSet::new(),
    }
}

struct Person {
    id: ObjectId,
    facts: Facts,
    link: Link,
    known: Known,
}

impl Person {
    fn decide(&self, rules: &Rules<'_>, managers: &BTreeMap<ObjectId, Facts>) -> Verdict {
        let manager = match self.facts.manager {
            None => ManagerView::None,
            Some(id) => ManagerView::Known {
                facts: &managers[&id],
                agent: Some(RecordId::agent(i64::try_from(id.0.as_u128() % 200).unwrap())),
            },
        };
        let case = Case {
            id: self.id,
            view: View { facts: &self.facts, manager },
            link: &self.link,
            known: &self.known,
            guard: PerKind::both(guard::Verdict::Pass),
            now: Timestamp::UNIX_EPOCH,
        };
        decide(rules, &case)
    }

    /// Decides and looks up what is asked for, in a Halo that knows nobody.
    fn settle(
        &mut self,
        rules: &Rules<'_>,
        managers: &BTreeMap<ObjectId, Facts>,
    ) -> plan::decide::Decision {
        loop {
            let need = match self.decide(rules, managers) {
                Verdict::Decided(decision) => return decision,
                Verdict::Needs(need) => need,
            };
            let records = &mut self.known.records;
            match need {
                Need::Matches(kind, _) => records.of_mut(kind).hits = Some(Hits::new()),
                Need::Claims(record) => records.of_mut(record.kind).claims = Some(BTreeSet::new()),
                Need::Made(kind) => records.of_mut(kind).made = Made::Nothing,
                Need::Record(record, _) => {
                    let held = self.link.of(record.kind).map(|linked| linked.image.clone());
                    records.of_mut(record.kind).record = Some(held.unwrap_or_default());
                }
                Need::Site(_, name) => {
                    let number = name.bytes().map(i64::from).sum();
                    self.known.site = Some(SiteId(number));
                }
                Need::Standing(record) => {
                    records.of_mut(record.kind).standing = Some(Standing::Other);
                }
            }
        }
    }

    fn apply(&mut self, kind: RecordKind, part: &Part) {
        let number = 1_000 + i64::try_from(self.id.0.as_u128() & 0xffff_ffff).unwrap();
        let (record, activity, image, granted) = match &part.action {
            Action::Create(it) => {
                (RecordId { kind, id: number }, it.activity, it.fields.clone(), it.granted.clone())
            }
            Action::Write(it) => (it.record, it.activity, it.image(), it.granted.clone()),
            Action::Unchanged
            | Action::NotInScope
            | Action::Conflict { .. }
            | Action::Held
            | Action::Invalid => return,
        };
        let how = plan::link::LinkedBy::Created;
        let mapping = part.mapping.clone();
        let licences = BTreeSet::new();
        let linked = Linked { record, how, activity, image, mapping, granted, licences };
        *self.link.of_mut(kind) = Some(linked);
    }
}

/// Everybody, linked and right, and then 5 % changed.
fn people(count: u32, rules: &Rules<'_>, managers: &BTreeMap<ObjectId, Facts>) -> Vec<Person> {
    let person = |n: u32| {
        let mut person = Person {
            id: id(2, n),
            facts: facts(n),
            link: Link::default(),
            known: Known::default(),
        };
        for _ in 0..4 {
            let decision = person.settle(rules, managers);
            for (kind, part) in decision.parts() {
                person.apply(kind, part);
            }
            person.known.records = PerKind::both(KnownRecord {
                hits: Some(Hits::new()),
                standing: Some(Standing::Other),
                ..KnownRecord::default()
            });
            person.link.seats.extend(decision.seats.iter().map(|seat| {
                let record = person.link.user.as_ref().unwrap().record;
                let role = Some(plan::ids::CabRoleId(2));
                (seat.cab, plan::link::Seat { record, role, state: plan::link::SeatState::Ours })
            }));
        }
        let changes: &[(&str, Value)] = match n % 100 {
            0 | 20 => &[("displayName", Value::Text("Grace Hopper".into()))],
            40 => &[("department", Value::Text("Training".into()))],
            60 => &[("mobilePhone", Value::Text("+45 00".into()))],
            80 => {
                &[("accountEnabled", Value::Bool(false)), ("jobTitle", Value::Text("CEO".into()))]
            }
            _ => &[],
        };
        person
            .facts
            .properties
            .extend(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        // What the changed ones need to know is looked up before anything is measured.
        person.settle(rules, managers);
        person
    };
    (0..count).map(person).collect()
}

fn main() {
    let number = std::env::args().find_map(|argument| argument.parse().ok());
    let count: u32 = number.unwrap_or(PEOPLE);
    let (document, groups) = (document(), groups());
    let rules = Rules::new(&document, &groups);
    let managers: BTreeMap<ObjectId, Facts> =
        (0..MANAGERS).map(|n| (id(0, n), facts(count + n))).collect();
    let people = people(count, &rules, &managers);

    let mut unchanged = 0;
    let (mut tried, mut properties, mut agents) = (0, 0, 0);
    for person in &people {
        let Verdict::Decided(decision) = person.decide(&rules, &managers) else {
            panic!("{:?}", person.decide(&rules, &managers));
        };
        unchanged += usize::from(decision.is_unchanged());
        tried += decision.tried.len() as u64;
        properties += person.facts.properties.len() as u64;
        agents += usize::from(person.link.agent.is_some());
    }
    let pass = || {
        for person in &people {
            black_box(person.decide(black_box(&rules), &managers));
        }
    };
    let allocated = allocation_counter::measure(pass);
    let mut times: Vec<Duration> = (0..PASSES)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed()
        })
        .collect();
    times.sort();

    let each = |sum: u64| f64::from(u32::try_from(sum).unwrap()) / f64::from(count);
    println!(
        "{count} linked people, {agents} of them agents too, with {:.0} properties each; {unchanged} are \
         unchanged; {:.1} of {} mappings tried for each",
        each(properties),
        each(tried),
        document.mappings.len(),
    );
    let rate = |time: Duration| f64::from(count) / time.as_secs_f64();
    println!(
        "decide: {:.0} people per second on one core (median of {PASSES} passes; best {:.0}), {:.1} \
         allocations and {} bytes for each",
        rate(times[times.len() / 2]),
        rate(times[0]),
        each(allocated.count_total),
        allocated.bytes_total / u64::from(count),
    );
}
