//! The people of the sample tenant: employees with their managers, guests, rooms, mailboxes, services.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::names::{COUNTRIES, Country, DEPARTMENTS, Name, TITLES};
use super::{DOMAIN, EXTENSION, stable_id};

/// Sorts of ids.
const PERSON: u64 = 1;

/// What somebody or something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Employee,
    Guest,
    Resource,
    Service,
}

/// One user object before it is in the directory.
pub(super) struct Person {
    pub(super) id: String,
    pub(super) sort: Sort,
    pub(super) department: Option<&'static str>,
    /// Level in the tree of managers: 1 leads the company, 5 leads nobody.
    pub(super) level: usize,
    pub(super) country: Option<&'static str>,
    /// Index of the manager among all people.
    pub(super) manager: Option<usize>,
    pub(super) properties: Value,
}

/// Numbers of employees who have no manager, beside the head of the company.
const WITHOUT_MANAGER: &[usize] = &[70, 113, 177];

/// Numbers of employees whose account is disabled.
const DISABLED: &[usize] = &[44, 61, 83, 99, 120, 141, 163, 189, 205];

/// All 250 user objects; employees come first.
pub(super) fn everybody(seed: u64) -> Vec<Person> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut places: Vec<&Country> =
        COUNTRIES.iter().flat_map(|country| vec![country; country.employees]).collect();
    rng.shuffle(&mut places);
    let mut addresses = BTreeSet::new();
    let mut all: Vec<Person> = Vec::new();
    for (number, country) in places.into_iter().enumerate() {
        all.push(employee(number, country, &mut addresses, &mut rng));
    }
    all.extend((0..16).map(guest));
    all.extend(resources());
    for (number, person) in all.iter_mut().enumerate() {
        person.id = stable_id(PERSON, number);
        person.properties["id"] = json!(person.id);
    }
    all
}

fn pick<'a, T>(rng: &mut fastrand::Rng, list: &'a [T]) -> &'a T {
    &list[rng.usize(..list.len())]
}

/// An address nobody has yet.
fn address(given: Name, surname: Name, taken: &mut BTreeSet<String>) -> String {
    let plain = format!("{}.{}", given.1, surname.1.replace('\'', ""));
    let numbered = (2..).map(|n| format!("{plain}{n}"));
    let mut free = std::iter::once(plain.clone()).chain(numbered);
    let name = free.find(|name| !taken.contains(name)).unwrap_or(plain);
    taken.insert(name.clone());
    name
}

/// Level and manager of an employee. The first is the head; 8 directors, 16 heads and 32 leads
/// follow, each below somebody of the same department.
fn rank(number: usize) -> (usize, Option<usize>) {
    let department = number.wrapping_sub(1) % 8;
    match number {
        0 => (1, None),
        1..=8 => (2, Some(0)),
        9..=24 => (3, Some(1 + department)),
        25..=56 => (4, Some(9 + department + 8 * (number / 8 % 2))),
        _ if WITHOUT_MANAGER.contains(&number) => (5, None),
        _ => (5, Some(25 + department + 8 * (number / 8 % 4))),
    }
}

fn title(level: usize, department: &str, rng: &mut fastrand::Rng) -> String {
    match level {
        1 => "Chief Executive Officer".to_owned(),
        2 => format!("Director of {department}"),
        3 => format!("Head of {department}"),
        4 => format!("{department} Team Lead"),
        _ => format!("{department} {}", pick(rng, TITLES)),
    }
}

fn employee(
    number: usize,
    country: &'static Country,
    taken: &mut BTreeSet<String>,
    rng: &mut fastrand::Rng,
) -> Person {
    let given = *pick(rng, country.given);
    let surname = *pick(rng, country.surnames);
    let local = address(given, surname, taken);
    let department = if number == 0 { "Operations" } else { DEPARTMENTS[(number - 1) % 8] };
    let (level, manager) = rank(number);
    let display = if country.surname_first {
        format!("{} {}", surname.0, given.0)
    } else {
        format!("{} {}", given.0, surname.0)
    };
    let mut properties = json!({
        "displayName": display,
        "givenName": given.0,
        "surname": surname.0,
        "userPrincipalName": format!("{local}@{DOMAIN}"),
        "mail": format!("{local}@{DOMAIN}"),
        "mailNickname": local,
        "jobTitle": title(level, department, rng),
        "department": department,
        "companyName": "Contoso",
        "city": country.city,
        "country": country.name,
        "usageLocation": country.code,
        "preferredLanguage": country.language,
        "accountEnabled": !DISABLED.contains(&number),
        "employeeId": format!("{:06}", 100 + number),
        "employeeType": if number % 17 == 5 { "Contractor" } else { "Employee" },
        "employeeHireDate": format!("20{:02}-{:02}-01T00:00:00Z", 10 + number % 16, 1 + number % 12),
        "employeeOrgData": { "division": department, "costCenter": cost_centre(number) },
        "proxyAddresses": [format!("SMTP:{local}@{DOMAIN}"), format!("smtp:{number}@mail.{DOMAIN}")],
        "onPremisesExtensionAttributes": { "extensionAttribute3": cost_centre(number) },
    });
    vary(&mut properties, number, country, rng);
    Person {
        id: String::new(),
        sort: Sort::Employee,
        department: Some(department),
        level,
        country: Some(country.code),
        manager,
        properties,
    }
}

fn cost_centre(number: usize) -> String {
    format!("CC-{:04}", 1000 + (number * 37) % 40 * 10)
}

/// What real directories are full of: other spellings, missing values, addresses that differ.
fn vary(person: &mut Value, number: usize, country: &Country, rng: &mut fastrand::Rng) {
    let office = match number % 9 {
        4 => *pick(rng, country.office_variants),
        _ => country.office,
    };
    if number % 23 != 11 {
        person["officeLocation"] = json!(office);
    }
    if number % 4 != 3 {
        person["businessPhones"] = json!([format!("{}{:03}", country.phone, number)]);
    }
    if number.is_multiple_of(3) {
        person["mobilePhone"] = json!(format!("{}{:03}", country.phone, 500 + number));
    }
    if number % 29 == 13 {
        person["mail"] = Value::Null;
        person["proxyAddresses"] = Value::Null;
    } else if number % 19 == 7 {
        // Mail keeps a maiden name or a former domain while the principal name moved on.
        person["mail"] = json!(format!("Former.Name{number}@fabrikam.example"));
    }
    if country.code == "GB" {
        let sam = person["mailNickname"].as_str().map_or(String::new(), str::to_uppercase);
        person["onPremisesSyncEnabled"] = json!(true);
        person["onPremisesImmutableId"] = json!(STANDARD.encode(format!("contoso-{number:08}")));
        person["onPremisesSamAccountName"] = json!(sam.chars().take(20).collect::<String>());
        person["onPremisesExtensionAttributes"]["extensionAttribute7"] = json!("HYBRID");
    }
    if number % 10 == 1 {
        person[EXTENSION] = json!(format!("B{number:05}"));
    }
    if number % 5 == 2 {
        let day = 1 + number % 28;
        person["signInActivity"] = json!({
            "lastSignInDateTime": format!("2026-10-{day:02}T08:15:00Z"),
            "lastSignInRequestId": "b0a282a3-68ec-4ec8-aef0-290ed4350271",
            "lastNonInteractiveSignInDateTime": format!("2026-10-{day:02}T11:02:15Z"),
            "lastNonInteractiveSignInRequestId": "b0a282a3-68ec-4ec8-aef0-290ed4350272",
            "lastSuccessfulSignInDateTime": format!("2026-10-{day:02}T11:02:15Z"),
            "lastSuccessfulSignInRequestId": "b0a282a3-68ec-4ec8-aef0-290ed4350273" });
    }
}

fn guest(number: usize) -> Person {
    let names = ["Ana Ribeiro", "Tom Fisher", "Yuki Tanaka", "Inès Laurent", "Omar Haddad"];
    let display = names[number % names.len()];
    let local = format!("guest{number}");
    let state = if number.is_multiple_of(3) { "PendingAcceptance" } else { "Accepted" };
    let mut properties = json!({
        "displayName": display,
        "userPrincipalName": format!("{local}_partner.example#EXT#@{DOMAIN}"),
        "mail": format!("{local}@partner.example"),
        "mailNickname": format!("{local}_partner.example#EXT#"),
        "userType": "Guest",
        "creationType": "Invitation",
        "externalUserState": state,
        "externalUserStateChangeDateTime": "2026-05-04T10:00:00Z",
        "companyName": "Partner",
    });
    if number % 4 == 1 {
        properties["department"] = json!("Sales");
    }
    if number == 6 {
        // External, and yet a member: somebody of a sister company.
        properties["userType"] = json!("Member");
    }
    other(Sort::Guest, properties)
}

fn resources() -> Vec<Person> {
    let rooms = ["Adams", "Baker", "Crystal", "Hood", "Rainier", "Stevens", "Aula Ä", "会議室 3"];
    let mailboxes = ["Info", "Invoices", "Jobs", "Press", "Reception Leeds", "Legal Notices"];
    let services = ["Backup", "Directory Sync", "Scanner", "Monitoring", "Print Server", "CRM"];
    let room = |(i, name): (usize, &&str)| {
        let address = format!("room{i}@{DOMAIN}");
        other(
            Sort::Resource,
            json!({ "displayName": format!("Conf Room {name}"),
            "userPrincipalName": address, "mail": address, "accountEnabled": false }),
        )
    };
    let mailbox = |name: &&str| {
        let address = format!("{}@{DOMAIN}", name.to_lowercase().replace(' ', "."));
        other(
            Sort::Resource,
            json!({ "displayName": name, "userPrincipalName": address,
            "mail": address, "accountEnabled": false }),
        )
    };
    let service = |name: &&str| {
        let local = format!("svc-{}", name.to_lowercase().replace(' ', "-"));
        other(
            Sort::Service,
            json!({ "displayName": format!("Service {name}"),
            "userPrincipalName": format!("{local}@{DOMAIN}") }),
        )
    };
    let mut all: Vec<Person> = mailboxes.iter().map(mailbox).collect();
    all.extend(rooms.iter().enumerate().map(room));
    all.extend(services.iter().map(service));
    all
}

fn other(sort: Sort, properties: Value) -> Person {
    Person {
        id: String::new(),
        sort,
        department: None,
        level: 5,
        country: None,
        manager: None,
        properties,
    }
}
