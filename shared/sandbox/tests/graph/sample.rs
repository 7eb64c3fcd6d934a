//! The sample tenant: that it holds what it promises, and is the same each time.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::sample;
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn everybody() -> Vec<Value> {
    let graph = sample::tenant();
    graph.user_ids().iter().map(|id| graph.user(id).unwrap()).collect()
}

#[test]
fn it_is_the_same_each_time() {
    assert_eq!(everybody(), everybody());
    let (first, second) = (sample::halo_seed(), sample::halo_seed());
    assert_eq!((first.users, first.sites), (second.users, second.sites));
}

#[test]
fn its_people_are_of_all_kinds() {
    let all = everybody();
    assert_eq!(all.len(), 250);
    let count = |test: &dyn Fn(&Value) -> bool| all.iter().filter(|person| test(person)).count();
    let script = |range: std::ops::RangeInclusive<char>| {
        count(&|person| text(person, "displayName").chars().any(|c| range.contains(&c)))
    };
    for (name, range) in [
        ("Greek", 'Α'..='ω'),
        ("Cyrillic", 'А'..='я'),
        ("Japanese", '一'..='龯'),
        ("Arabic", 'ء'..='ي'),
        ("Hebrew", 'א'..='ת'),
        ("Latin with marks", 'À'..='ž'),
    ] {
        assert!(script(range) >= 5, "{name}");
    }
    assert_eq!(count(&|person| text(person, "userPrincipalName").contains("#EXT#")), 16);
    for state in ["PendingAcceptance", "Accepted"] {
        assert!(count(&|person| text(person, "externalUserState") == state) > 4, "{state}");
    }
    assert_eq!(count(&|person| person["accountEnabled"] == false), 9 + 6 + 8);
    assert!(count(&|person| text(person, "displayName").contains("O'Brien")) > 0);
    assert!(count(&|person| text(person, "employeeId").starts_with("000")) > 200);
    assert!(count(&|person| person.get("mail").is_none()) > 5);
    assert!(count(&|person| person.get(sample::EXTENSION).is_some()) > 15);
    let names: BTreeSet<&str> = all.iter().map(|p| text(p, "userPrincipalName")).collect();
    assert_eq!(names.len(), 250, "principal names are unique");
    let domains = ["contoso.example", "partner.example", "fabrikam.example"];
    let mails = all.iter().filter_map(|person| person["mail"].as_str());
    assert!(mails.into_iter().all(|mail| domains.iter().any(|domain| mail.ends_with(domain))));
}

#[test]
fn offices_are_spelled_in_several_ways() {
    let all = everybody();
    let leeds: BTreeSet<&str> = all
        .iter()
        .map(|person| text(person, "officeLocation"))
        .filter(|office| office.trim().eq_ignore_ascii_case("leeds"))
        .collect();
    assert!(leeds.len() >= 3, "{leeds:?}");
}

#[test]
fn managers_form_a_tree_of_five_levels() {
    let all = everybody();
    let managers: BTreeMap<&str, &str> =
        all.iter().map(|person| (text(person, "id"), text(person, "manager"))).collect();
    let depth = |id: &str| {
        let mut depth = 1;
        let mut at = managers[id];
        while !at.is_empty() {
            depth += 1;
            assert!(depth < 10, "a cycle above {id}");
            at = managers[at];
        }
        depth
    };
    assert_eq!(managers.keys().map(|id| depth(id)).max(), Some(5));
    let employees = all.iter().filter(|person| person.get("employeeId").is_some());
    assert_eq!(employees.filter(|person| person.get("manager").is_none()).count(), 4);
}

#[test]
fn groups_are_nested_doubled_and_quoted() {
    let graph = sample::tenant();
    assert_eq!(graph.groups_named("Project Phoenix").len(), 2);
    assert_eq!(graph.groups_named("People's Council").len(), 1);
    let sales = graph.groups_named("All Sales").remove(0);
    assert_eq!(graph.members(&sales, false).len(), 3, "two groups and the director");
    assert!(graph.members(&sales, true).len() > 25);
    let helpdesk = graph.groups_named("IT Helpdesk").remove(0);
    let helpdesk = graph.members(&helpdesk, true);
    let disabled = helpdesk.iter().filter(|id| graph.user(id).unwrap()["accountEnabled"] == false);
    assert_eq!((helpdesk.len(), disabled.count()), (8, 1));
}

#[test]
fn the_halo_seed_meets_the_people() {
    let seed = sample::halo_seed();
    let all = everybody();
    let mails: BTreeSet<String> =
        all.iter().map(|person| text(person, "mail").to_lowercase()).collect();
    let logins: BTreeSet<&str> = all.iter().map(|p| text(p, "userPrincipalName")).collect();
    let ids: BTreeSet<&str> = all.iter().map(|person| text(person, "id")).collect();
    let count = |test: &dyn Fn(&Value) -> bool| seed.users.iter().filter(|user| test(user)).count();
    let known_mail = |user: &Value| {
        let mail = text(user, "emailaddress").to_lowercase();
        !mail.is_empty() && mails.contains(&mail)
    };
    assert_eq!(count(&known_mail), 34);
    assert_eq!(count(&|user| logins.contains(text(user, "login"))), 12);
    assert_eq!(count(&|user| ids.contains(text(user, "azureoid"))), 5);
    assert_eq!(count(&|user| text(user, "name") == "General User"), seed.sites.len());
    assert_eq!(count(&|user| user["inactive"] == true), 1);
    let mut addresses = BTreeSet::new();
    let doubled = seed.users.iter().filter(|user| known_mail(user));
    let doubled: Vec<&Value> = doubled
        .filter(|user| !addresses.insert(text(user, "emailaddress").to_lowercase()))
        .collect();
    assert_eq!(doubled.len(), 1, "one address on two records");
    let special = seed.users.iter().filter(|user| {
        user["inactive"] == true || user["isserviceaccount"] == true || doubled.contains(user)
    });
    for user in special {
        let owner = all.iter().find(|person| person["mail"] == user["emailaddress"]).unwrap();
        assert_eq!(owner["accountEnabled"], true, "{user}");
    }
    let numbers: BTreeSet<i64> =
        seed.users.iter().map(|user| user["id"].as_i64().unwrap()).collect();
    assert_eq!(numbers.len(), seed.users.len());
}

#[test]
fn the_connection_fits_tenant_and_halo() {
    let connection = sample::connection("http://127.0.0.1:1");
    let graph = sample::tenant();
    let seed = sample::halo_seed();
    let group = connection["mappings"][0]["group"]["name"].as_str().unwrap();
    assert_eq!(graph.groups_named(group).len(), 1);
    let has = |list: &[Value], id: &Value| list.iter().any(|record| record["id"] == *id);
    let targets: Vec<&Value> = connection["mappings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mapping| &mapping["target"])
        .collect();
    assert!(has(&seed.sites, &targets[0]["site_id"]) && has(&seed.sites, &targets[1]["site_id"]));
    assert!(has(&seed.clients, &targets[2]["client_id"]));
    assert!(has(&seed.sites, &targets[2]["default_site_id"]));
    assert!(has(&seed.user_roles, &connection["roles"]["no_manager_user_role_id"]));
    assert!(has(&seed.cabs, &connection["roles"]["cabs"][0]["cab_id"]));
    let role = |id: &Value| seed.roles.iter().any(|role| role["id_int"] == *id);
    assert!(role(&connection["mappings"][3]["agent_role_id"]));
    assert!(role(&connection["roles"]["agent_roles"][0]["role_id"]));
    let helpdesk = graph.members(&graph.groups_named("IT Helpdesk").remove(0), true);
    let mails: Vec<String> =
        helpdesk.iter().map(|id| text(&graph.user(id).unwrap(), "mail").to_lowercase()).collect();
    let known = seed.agents.iter().filter(|it| mails.contains(&text(it, "email").to_lowercase()));
    assert_eq!(known.count(), 1, "one of the helpdesk is an agent already");
    assert_eq!(connection["tenant_id"], sample::TENANT_ID);
}
