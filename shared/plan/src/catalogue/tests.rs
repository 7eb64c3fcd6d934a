//! The tables agree with each other, and a document selects what it needs.

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use serde_json::{Value, json};

use super::*;
use crate::document::{CustomClouds, parse};

fn selected_by(changes: &Value) -> Vec<String> {
    let mut value = json!({
        "id": "a", "name": "A", "tenant_id": "11111111-2222-3333-4444-555555555555",
        "auth": { "client_id": "11111111-2222-3333-4444-555555555555" }, "mappings": [],
        "field_mappings": { "users": [], "agents": [] }, "matching": { "users": [], "agents": [] }
    });
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let document = parse(&value, CustomClouds::Refused).unwrap().document;
    selected(&document).into_iter().filter(|name| !ALWAYS.contains(&name.as_str())).collect()
}

#[test]
fn a_document_selects_what_its_rules_look_at() {
    let row = |from: &str| json!({ "field_mappings": { "users": [{ "from": from, "to": "other1" }], "agents": [] } });
    let mapping = |rest: Value| {
        let mut mapping = json!({ "id": "m", "target": { "type": "site", "site_id": 1 } });
        mapping.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "mappings": [mapping] })
    };
    let extension = format!("extension_{}_x", "a".repeat(32));
    let organisation =
        json!({ "type": "organisation", "client_id": 1, "site_from": "extensionAttribute2" });
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({}), &[]),
        (row("city"), &["city"]),
        (row("extensionAttribute7"), &["onPremisesExtensionAttributes"]),
        (row("employeeOrgData.division"), &["employeeOrgData"]),
        (row("proxyAddresses"), &["proxyAddresses"]),
        (row("manager.mail"), &["manager"]),
        (row("const:x"), &[]),
        (mapping(json!({ "target": organisation })), &["onPremisesExtensionAttributes"]),
        (
            mapping(json!({ "conditions": [{ "field": "department", "op": "is_empty" }] })),
            &["department"],
        ),
        (
            json!({ "matching": { "users": [{ "entra": "employeeId", "halo": "other1" }] } }),
            &["employeeId"],
        ),
        (json!({ "roles": { "no_manager_user_role_id": 9 } }), &["manager"]),
        (json!({ "licences": { "client_id": 1 } }), &["assignedLicenses"]),
    ];
    for (changes, expected) in cases {
        assert_eq!(selected_by(&changes), expected, "{changes}");
    }
    assert_eq!(selected_by(&row(&extension)), [extension]);
}

#[test]
fn no_name_stands_twice_or_is_both_known_and_refused() {
    let names: BTreeSet<&str> = PROPERTIES.iter().map(|property| property.name).collect();
    assert_eq!(names.len(), PROPERTIES.len());
    for (refused, _) in REFUSED_PROPERTIES {
        assert!(
            refused.iter().all(|name| matches!(look_up(name), Lookup::Refused(_))),
            "{refused:?}"
        );
    }
    for fields in [USER_TARGETS, AGENT_TARGETS] {
        let names: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), fields.len());
        assert!(names.iter().all(|name| own_field(name).is_none()), "{names:?}");
    }
    assert!(ALWAYS.iter().all(|name| matches!(look_up(name), Lookup::Known(_))));
}

#[test]
fn directory_extensions_are_known_by_their_form() {
    let app = "0123456789abcdefABCDEF0123456789";
    for (name, expected) in [
        (format!("extension_{app}_costCentre"), true),
        (format!("extension_{app}_cost_centre_2"), true),
        (format!("extension_{app}_"), false),
        (format!("extension_{app}"), false),
        (format!("extension_{}_x", &app[1..]), false),
        (format!("extension_{app}_a,b"), false),
        (format!("Extension_{app}_x"), false),
    ] {
        assert_eq!(look_up(&name) == Lookup::DirectoryExtension, expected, "{name}");
    }
}

#[test]
fn limits_are_those_of_the_named_list() {
    assert_eq!(user_target("name").and_then(|field| field.limit), Some(255));
    assert_eq!(agent_target("name").and_then(|field| field.limit), None);
    assert_eq!(agent_target("initials").and_then(|field| field.limit), Some(3));
    assert_eq!(user_target("jobtitle"), None, "an agent's field");
    assert_eq!(agent_target("title"), None, "a user's field");
}
