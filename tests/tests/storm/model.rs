//! What Halo should be, by a second and simpler reading of the rules' sentences than the product's: it
//! shares no code with it, knows only what this company has, and leaves open what depends on history.

use std::collections::{BTreeMap, BTreeSet};

use plan::ids::{ObjectId, RecordKind};
use plan::relink::Pick;
use serde_json::{Value, json};
use tests::helpdesk::{APPROVER, HEAD_OFFICE, KEPT_BOARD, LEAVER, NO_MANAGER, ON_CALL, roles};
use tests::licensed::{E5, FLOW, linked};
use tests::world::{World, int};

use crate::checks::{Checks, folded};
use crate::company::{ASLEEP, GROUPS, KNOWN_AGENT, Staff, TWIN, mail, person};

/// What Halo calls a named licence of an agent.
const NAMED: i64 = 1;

/// Somebody whom Entra has.
struct Seen {
    name: String,
    title: String,
    office: String,
    enabled: bool,
    groups: BTreeSet<&'static str>,
    manager: Option<(ObjectId, String)>,
    licences: BTreeSet<String>,
}

/// What should become of one record; `None` = it depends on what was before.
#[derive(Clone, Copy, Debug)]
struct Expected {
    exists: Option<bool>,
    active: Option<bool>,
    /// Whether what it holds should be as Entra and the rules say now.
    is_kept: bool,
}

/// Of whom Halo should be right about managers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Managers {
    /// Of everybody.
    OfAll,
    /// Of those whom Entra never had deleted: of the others delta may not have told.
    OfThoseWhoStayed,
}

/// Somebody whom the model looks at.
#[derive(Clone, Copy)]
struct Whom {
    index: u8,
    /// Whether Halo should be right about the manager.
    managed: bool,
    /// Whether an administrator ever changed who they are: what they had before stays theirs (M7).
    relinked: bool,
}

/// Where the mappings put somebody.
struct Places<'a> {
    user: Option<&'a Value>,
    agent: Option<&'a Value>,
}

/// Halo as it is.
struct Halo {
    users: BTreeMap<String, Value>,
    agents: BTreeMap<String, Value>,
    sites: BTreeMap<i64, String>,
    board: BTreeSet<(&'static str, i64, i64)>,
    licences: BTreeMap<&'static str, i64>,
}

fn look(world: &World, index: u8) -> Option<Seen> {
    let who = person(index).to_string();
    let user = world.entra.user(&who)?;
    let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
    let is_in = |group: &&str| {
        let id = &world.entra.groups_named(group)[0];
        world.entra.members(id, false).contains(&who)
    };
    let manager = user["manager"].as_str().map(|id| {
        let manager = world.entra.user(id).expect("managers stay");
        (id.parse().unwrap(), manager["displayName"].as_str().unwrap().to_owned())
    });
    Some(Seen {
        name: text("displayName"),
        title: text("jobTitle"),
        office: text("officeLocation"),
        enabled: user["accountEnabled"] == json!(true),
        groups: GROUPS.into_iter().filter(is_in).collect(),
        manager,
        licences: world.entra.licences_of(&who),
    })
}

/// P1, P2: by ascending sequence, the first that matches decides, of users and agents apart.
fn places<'a>(document: &'a Value, seen: &Seen) -> Places<'a> {
    let mut mappings: Vec<&Value> = document["mappings"].as_array().unwrap().iter().collect();
    mappings.sort_by_key(|mapping| mapping["sequence"].as_i64());
    let holds =
        |mapping: &&&Value| seen.groups.contains(mapping["group"]["name"].as_str().unwrap());
    let is_agents = |mapping: &&&Value| mapping["target"]["type"] == "agents";
    let agent = mappings.iter().filter(is_agents).find(holds).copied();
    let user = mappings.iter().filter(|mapping| !is_agents(mapping)).find(holds).copied();
    Places { user: user.or(agent), agent }
}

/// L1–L3, P8, D5 of the user record.
fn user_expected(document: &Value, index: u8, seen: Option<&Seen>) -> Expected {
    let sync = &document["sync"];
    let with_disabled = sync["deactivate_disabled_users"] == json!(true);
    let leave = sync["out_of_scope"] != json!("deactivate");
    let expected = match seen {
        None => Expected { exists: None, active: Some(false), is_kept: false },
        Some(seen) if !seen.enabled && with_disabled => {
            Expected { exists: None, active: Some(false), is_kept: false }
        }
        Some(seen) if places(document, seen).user.is_none() => {
            Expected { exists: None, active: (!leave).then_some(false), is_kept: false }
        }
        // L3: whoever was made inactive stays so until the account is enabled.
        Some(seen) => {
            let is_here = seen.enabled.then_some(true);
            Expected { exists: is_here, active: is_here, is_kept: true }
        }
    };
    // L3: whom others made inactive stays so.
    if index == ASLEEP { Expected { active: Some(false), ..expected } } else { expected }
}

/// L1–L3, P8, D5, R5, R6 of the agent.
fn agent_expected(document: &Value, index: u8, seen: Option<&Seen>) -> Expected {
    let leave = document["sync"]["out_of_scope"] != json!("deactivate");
    let expected = match seen {
        None => Expected { exists: None, active: Some(false), is_kept: false },
        Some(seen) if !seen.enabled => {
            Expected { exists: None, active: Some(false), is_kept: false }
        }
        Some(seen) if places(document, seen).agent.is_none() => {
            Expected { exists: None, active: (!leave).then_some(false), is_kept: false }
        }
        Some(seen) => {
            let active = !seen.groups.contains("Leavers");
            Expected { exists: Some(true), active: Some(active), is_kept: true }
        }
    };
    // Its record was there before: where nobody was linked to it, it says nothing.
    let was_there = index == KNOWN_AGENT && expected.exists.is_none();
    if was_there { Expected { active: None, ..expected } } else { expected }
}

/// M3, M7, L4: what administrators said comes first.
fn as_said(world: &World, staff: &Staff, index: u8, kind: RecordKind, is: Expected) -> Expected {
    let said = &staff.said;
    let pick = said.pick(index, kind);
    let open = Expected { exists: None, active: None, is_kept: false };
    let is_twin = index == TWIN && kind == RecordKind::User;
    let is = match pick {
        Some(Pick::Unlinked) => return open,
        // Nobody chose: nobody is linked, and a choice that was taken back may stand.
        None if is_twin && said.given.is_empty() => {
            return Expected { exists: Some(false), ..open };
        }
        None if is_twin => return open,
        _ => is,
    };
    let holds = said.rejected.get(&index).map(|until| *until > world.clock_now());
    let active = match holds {
        // Whom others made inactive, as far as we know by now, stays so (L3).
        _ if staff.cut.contains(&index) => None,
        Some(true) if is.active == Some(false) && kind == RecordKind::User => {
            (index != ASLEEP && said.kept_users.contains(&index)).then_some(true)
        }
        Some(_) if is.active == Some(false) => None,
        Some(_) | None => is.active,
    };
    Expected { active, ..is }
}

impl Halo {
    async fn look(world: &World) -> Self {
        let keyed = |records: Vec<Value>, name: &str| -> BTreeMap<String, Value> {
            let key = |record: &Value| record[name].as_str().unwrap_or_default().to_lowercase();
            records.into_iter().map(|record| (key(&record), record)).collect()
        };
        let sites = world.halo.sites().into_iter();
        let mut licences = BTreeMap::new();
        for sku in [E5, FLOW] {
            licences.insert(sku, world.licence(sku).await);
        }
        Self {
            users: keyed(world.halo.users(), "azureoid"),
            agents: keyed(world.halo.agents(), "email"),
            sites: sites
                .map(|site| (int(&site["id"]), folded(site["name"].as_str().unwrap())))
                .collect(),
            board: world.board(KEPT_BOARD).into_iter().collect(),
            licences,
        }
    }

    fn user(&self, index: u8) -> Option<&Value> {
        self.users.get(&person(index).to_string())
    }

    fn agent(&self, index: u8) -> Option<&Value> {
        self.agents.get(&mail(index))
    }
}

/// Collects what differs.
struct Differences<'a>(&'a str, Vec<String>);

impl Differences<'_> {
    #[allow(clippy::needless_pass_by_value, reason = "values made for the comparison")]
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, is: T, should: T) {
        if is != should {
            self.1.push(format!("{} {what}: {is:?}, should be {should:?}", self.0));
        }
    }

    /// Checks that all that is due is held, and nothing else where nobody knows of more.
    fn holds(&mut self, what: &str, mut held: BTreeSet<i64>, due: BTreeSet<i64>, whom: Whom) {
        if whom.relinked {
            held.retain(|one| due.contains(one));
        }
        self.check(what, held, due);
    }

    fn standing(&mut self, record: Option<&Value>, switch: &str, expected: Expected) {
        if let Some(exists) = expected.exists {
            self.check("exists", record.is_some(), exists);
        }
        if let (Some(record), Some(active)) = (record, expected.active) {
            self.check("active", record[switch] != json!(true), active);
        }
    }
}

fn set(all: &Value) -> BTreeSet<i64> {
    roles(all).into_iter().collect()
}

/// Everything in which Halo is not as it should be.
pub(crate) async fn compare(
    world: &World,
    document: &Value,
    staff: &Staff,
    checks: &Checks,
    managers: Managers,
) -> Vec<String> {
    let halo = Halo::look(world).await;
    let mut all = Vec::new();
    for index in 0..staff.count {
        let managed = managers == Managers::OfAll || !staff.returned.contains(&index);
        let whom = Whom { index, managed, relinked: staff.cut.contains(&index) };
        let seen = look(world, index);
        let name = format!("person {index} ({}) as a user", person(index));
        let mut found = Differences(&name, Vec::new());
        let expected = user_expected(document, index, seen.as_ref());
        let expected = as_said(world, staff, index, RecordKind::User, expected);
        // Taken away again, more than one may carry the object id.
        let chosen = match staff.said.pick(index, RecordKind::User) {
            Some(Pick::Record(id)) => world.halo.user(id),
            _ => None,
        };
        let record = chosen.as_ref().or_else(|| halo.user(index));
        found.standing(record, "inactive", expected);
        if let (Some(record), Some(seen), true) = (record, &seen, expected.is_kept) {
            user(&mut found, document, seen, record, &halo, whom);
        }
        all.append(&mut found.1);
        let name = format!("person {index} ({}) as an agent", person(index));
        let mut found = Differences(&name, Vec::new());
        let expected = agent_expected(document, index, seen.as_ref());
        let expected = as_said(world, staff, index, RecordKind::Agent, expected);
        let record = halo.agent(index);
        found.standing(record, "isdisabled", expected);
        if let (Some(record), Some(seen), true) = (record, &seen, expected.is_kept) {
            agent(&mut found, document, seen, record, (checks, whom));
            if managed {
                line_manager(&mut found, world, (document, staff), (seen, record), &halo);
            }
        }
        all.append(&mut found.1);
    }
    all
}

/// F1, F8, P6, R1, R2, R3, S1
fn user(
    found: &mut Differences<'_>,
    document: &Value,
    seen: &Seen,
    record: &Value,
    halo: &Halo,
    whom: Whom,
) {
    let Whom { index, managed, relinked } = whom;
    let Places { user: Some(place), .. } = places(document, seen) else { return };
    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
    found.check("name", text("name"), seen.name.clone());
    let is_upper = document["field_mappings"]["users"][2]["transforms"] == json!(["upper"]);
    let title = if is_upper { seen.title.to_uppercase() } else { seen.title.clone() };
    found.check("title", text("title"), title);
    found.check("address", text("emailaddress").to_lowercase(), mail(index));
    if let (Some((_, manager)), true) = (&seen.manager, managed) {
        found.check("manager", &text("admanager"), manager);
    }
    let site = int(&record["site_id"]);
    let target = &place["target"];
    match target["type"].as_str().unwrap() {
        "organisation" if !seen.office.trim().is_empty() => {
            let name = halo.sites.get(&site).cloned().unwrap_or_default();
            found.check("site", name, folded(&seen.office));
        }
        "organisation" => found.check("site", site, HEAD_OFFICE),
        "site" => found.check("site", site, int(&target["site_id"])),
        _ => found.check("site", site, int(&target["user_site_id"])),
    }
    let mut due = BTreeSet::new();
    due.extend(place["user_role_id"].as_i64());
    if seen.groups.contains("Managers") {
        due.insert(int(&document["roles"]["user_roles"][0]["role_id"]));
    }
    let mut held = set(record);
    if seen.manager.is_none() {
        due.insert(NO_MANAGER);
    }
    if !managed {
        // Other rules may give the same role.
        due.remove(&NO_MANAGER);
        held.remove(&NO_MANAGER);
    }
    found.holds("roles", held, due, whom);
    let licences = seen.licences.iter().map(|sku| halo.licences[sku.as_str()]).collect();
    found.holds("licences", linked(record), licences, whom);
    let seated = halo.board.contains(&("user", int(&record["id"]), APPROVER));
    let should = seen.groups.contains("Approvers");
    // While the user was cut, the agent may have taken the seat.
    let agent = halo.agent(index).map(|agent| ("agent", int(&agent["id"]), APPROVER));
    let agent_sits = agent.is_some_and(|seat| halo.board.contains(&seat));
    if !relinked {
        found.check("board", seated, should);
    } else if should {
        found.check("board", seated || agent_sits, should);
    }
}

/// F1, P7, P9, R1, R4, R5
fn agent(
    found: &mut Differences<'_>,
    document: &Value,
    seen: &Seen,
    record: &Value,
    (checks, whom): (&Checks, Whom),
) {
    let Places { agent: Some(place), .. } = places(document, seen) else { return };
    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
    found.check("name", text("name"), seen.name.clone());
    found.check("title", text("jobtitle"), seen.title.clone());
    let mut due = checks.roles_before(int(&record["id"]));
    due.insert(int(&place["agent_role_id"]));
    let groups = [("On Call", ON_CALL), ("Leavers", LEAVER)];
    due.extend(groups.iter().filter(|(group, _)| seen.groups.contains(group)).map(|it| it.1));
    found.holds("roles", set(record), due, whom);
    if place["licence_type"] == "named" {
        found.check("licence", int(&record["licence_type"]), NAMED);
    }
}

/// F6: the manager's agent, where the manager has to be one.
fn line_manager(
    found: &mut Differences<'_>,
    world: &World,
    (document, staff): (&Value, &Staff),
    (seen, record): (&Seen, &Value),
    halo: &Halo,
) {
    let Some((manager, _)) = &seen.manager else { return };
    let Some(index) = (0..u8::MAX / 11).find(|index| person(*index) == *manager) else { return };
    let is_agent = agent_expected(document, index, look(world, index).as_ref());
    let is_cut = staff.said.is_cut(index, RecordKind::Agent);
    if let (Some(true), Some(manager), false) = (is_agent.exists, halo.agent(index), is_cut) {
        found.check("line manager", int(&record["linemanager"]), int(&manager["id"]));
    }
}
