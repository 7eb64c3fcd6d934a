//! What the sample Halo holds before the first import.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::groups;
use super::people::{self, Person, Sort};
use super::{SEED, TENANT_ID};
use crate::halo::{Halo, Records};

/// Records of a Halo in the names of its API, each with its `id`.
#[derive(Clone, Debug, Default)]
pub struct HaloSeed {
    /// Clients (customers).
    pub clients: Vec<Value>,
    /// Sites of the clients.
    pub sites: Vec<Value>,
    /// Roles of agents.
    pub roles: Vec<Value>,
    /// Roles of users.
    pub user_roles: Vec<Value>,
    /// Definitions of custom fields.
    pub custom_fields: Vec<Value>,
    /// Agents.
    pub agents: Vec<Value>,
    /// Users, active and inactive, a General User of each site among them.
    pub users: Vec<Value>,
    /// Change advisory boards.
    pub cabs: Vec<Value>,
}

/// The client that the sample tenant belongs to.
pub(super) const CONTOSO: i64 = 3;
/// Its site for sales.
pub(super) const SALES_SITE: i64 = 18;
/// Its site for people whose office is unknown.
pub(super) const DEFAULT_SITE: i64 = 12;
/// Its site for the finance department.
pub(super) const FINANCE_SITE: i64 = 19;
/// The client that has nothing to do with the tenant.
const FABRIKAM: i64 = 4;
/// That client's site.
const FABRIKAM_SITE: i64 = 40;
/// Role of sales people.
pub(super) const SALES_ROLE: i64 = 3;
/// Role of people who lead others.
pub(super) const MANAGER_ROLE: i64 = 4;
/// Role of people without a manager.
pub(super) const NO_MANAGER_ROLE: i64 = 9;
/// Role of agents of the helpdesk.
pub(super) const HELPDESK_ROLE: i64 = 5;
/// Role of agents who lead others.
pub(super) const TEAM_LEAD_ROLE: i64 = 8;
/// The board that approves changes.
pub(super) const CHANGE_BOARD: i64 = 1;
/// A role on it.
pub(super) const APPROVER: i64 = 2;
/// The custom field for cost centres.
const COST_CENTRE_FIELD: i64 = 123;

/// A Halo with the records of [`halo_seed`].
pub fn halo() -> Halo {
    // As with the tenant: made once.
    static MADE: LazyLock<Halo> = LazyLock::new(made);
    MADE.twin()
}

fn made() -> Halo {
    let seed = halo_seed();
    let halo = Halo::new();
    halo.load(&Records {
        clients: &seed.clients,
        sites: &seed.sites,
        roles: &seed.roles,
        user_roles: &seed.user_roles,
        custom_fields: &seed.custom_fields,
        agents: &seed.agents,
        users: &seed.users,
        cabs: &seed.cabs,
    });
    halo
}

/// Records that the people of [`super::tenant`] meet on their first import: some match by mail or
/// login, some conflict, some must stay as they are.
pub fn halo_seed() -> HaloSeed {
    HaloSeed {
        clients: vec![
            json!({ "id": CONTOSO, "name": "Contoso", "inactive": false }),
            json!({ "id": FABRIKAM, "name": "Fabrikam", "inactive": false }),
        ],
        sites: sites(),
        roles: [
            (HELPDESK_ROLE, "Helpdesk"),
            (7, "Administrator"),
            (TEAM_LEAD_ROLE, "Team lead"),
            (11, "Read only"),
        ]
        .map(|(id, name)| json!({ "id": id.to_string(), "id_int": id, "name": name }))
        .to_vec(),
        user_roles: [
            (SALES_ROLE, "Sales"),
            (MANAGER_ROLE, "Managers"),
            (NO_MANAGER_ROLE, "No manager"),
        ]
        .map(|(id, name)| json!({ "id": id, "name": name }))
        .to_vec(),
        custom_fields: vec![json!({ "id": COST_CENTRE_FIELD, "name": "CFCostCentre",
            "label": "Cost centre", "type": 0, "usage": 1, "custom": true })],
        agents: agents(),
        users: users(),
        cabs: vec![json!({ "id": CHANGE_BOARD, "name": "Change board",
            "members": [{ "id": 1, "cab_id": CHANGE_BOARD, "agent_id": 2, "is_mandatory": true }],
            "roles": [{ "id": APPROVER, "cab_id": CHANGE_BOARD, "name": "Approver" }] })],
    }
}

fn sites() -> Vec<Value> {
    let contoso = [
        (DEFAULT_SITE, "Head Office"),
        (SALES_SITE, "Sales"),
        (FINANCE_SITE, "Finance"),
        (21, "Leeds"),
        (22, "new york"),
        (23, "München"),
    ];
    let site = |(id, name): (i64, &str), client: i64| json!({ "id": id, "name": name, "client_id": client, "inactive": false });
    let mut sites: Vec<Value> = contoso.into_iter().map(|row| site(row, CONTOSO)).collect();
    sites.push(site((FABRIKAM_SITE, "Fabrikam"), FABRIKAM));
    sites
}

fn agents() -> Vec<Value> {
    let agent = |id: i64, name: &str, email: &str, role: i64| {
        json!({ "id": id, "name": name, "email": email, "isdisabled": false, "isapiagent": false,
            "roles": [{ "id": role.to_string(), "id_int": role }] })
    };
    let everybody = people::everybody(SEED);
    let mut helpdesk = everybody[groups::HELPDESK].iter();
    let known = helpdesk.find(|person| {
        let enabled = person.properties["accountEnabled"] == true;
        enabled && person.department == Some("IT") && person.level == 5
    });
    let mail = known.map_or("", |person| text(person, "mail"));
    vec![
        agent(2, "Halo Administrator", "halo.admin@contoso.example", 7),
        agent(3, "Night Shift", "night.shift@fabrikam.example", HELPDESK_ROLE),
        // Somebody of the helpdesk, from before the import.
        agent(4, "helpdesk 2", &mail.to_uppercase(), 11),
    ]
}

/// Ids of users start here; the numbers below are for the General Users.
const FIRST_USER: i64 = 1001;

fn users() -> Vec<Value> {
    let everybody = people::everybody(SEED);
    let mut users: Vec<Value> = sites()
        .iter()
        .zip(901..)
        .map(|(site, id)| record(id, "General User", &site["id"], json!({})))
        .collect();
    let mut id = FIRST_USER;
    let mut add = |users: &mut Vec<Value>, name: &str, site: i64, more: Value| {
        users.push(record(id, name, &json!(site), more));
        id += 1;
    };
    let known: Vec<&Person> = everybody
        .iter()
        .filter(|person| {
            person.sort == Sort::Employee && text(person, "mail").ends_with(super::DOMAIN)
        })
        .collect();

    // Known by an address in another case.
    for person in &known[10..40] {
        let mail = json!({ "emailaddress": text(person, "mail").to_uppercase(),
            "title": "Old title", "phonenumber": "000" });
        add(&mut users, text(person, "displayName"), DEFAULT_SITE, mail);
    }
    // Known by login only.
    for person in &known[40..52] {
        let login = json!({ "login": text(person, "userPrincipalName"),
            "customfields": [{ "id": COST_CENTRE_FIELD, "name": "CFCostCentre", "value": "old" }] });
        add(&mut users, text(person, "displayName"), DEFAULT_SITE, login);
    }
    // Known by object id, under a name from before the wedding.
    for person in &known[52..57] {
        let oid = json!({ "azureoid": person.id, "azure_tenant_id": TENANT_ID,
            "emailaddress": "before@fabrikam.example" });
        add(&mut users, "Name from Before", SALES_SITE, oid);
    }
    // Left, was made inactive by hand, and came back.
    let back = known[58];
    let mail = json!({ "emailaddress": text(back, "mail"), "inactive": true });
    add(&mut users, text(back, "displayName"), DEFAULT_SITE, mail);
    // Two records with one address: a conflict.
    let double = known[60];
    for name in [text(double, "displayName"), "Copy of somebody"] {
        add(&mut users, name, DEFAULT_SITE, json!({ "emailaddress": text(double, "mail") }));
    }
    // A service account that carries a person's address.
    let owner = known[62];
    let service = json!({ "emailaddress": text(owner, "mail"), "isserviceaccount": true });
    add(&mut users, "Scanner mailbox", DEFAULT_SITE, service);
    // People whom Entra does not know and nobody may touch.
    for number in 1..=6 {
        let mail = json!({ "emailaddress": format!("person{number}@fabrikam.example") });
        add(&mut users, &format!("Fabrikam Person {number}"), FABRIKAM_SITE, mail);
    }
    for number in 1..=4 {
        let mail = json!({ "emailaddress": format!("temp{number}@{}", super::DOMAIN) });
        add(&mut users, &format!("Temporary Worker {number}"), DEFAULT_SITE, mail);
    }
    users
}

fn text<'a>(person: &'a Person, name: &str) -> &'a str {
    person.properties[name].as_str().unwrap_or_default()
}

fn record(id: i64, name: &str, site: &Value, more: Value) -> Value {
    let mut user = json!({ "id": id, "name": name, "site_id": site, "inactive": false,
        "isserviceaccount": false });
    if let (Some(user), Value::Object(more)) = (user.as_object_mut(), more) {
        user.extend(more);
    }
    user
}
