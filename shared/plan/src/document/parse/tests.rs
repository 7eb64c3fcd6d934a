//! What good documents mean, and what holds for any JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is the failure of the test")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::document::{
    Case, Condition, Empty, ExternalUsers, LicenceType, Nesting, Placement, Quantifier, RowTarget,
    Source, Test, Transform, WriteMode,
};
use crate::ids::{CustomFieldId, SiteId};

const GUID: &str = "aaaaaaaa-0000-4000-8000-00000000000a";

/// A document that uses every section.
pub(in crate::document) fn example() -> Value {
    json!({
        "id": "contoso", "name": "Contoso", "enabled": true,
        "tenant_id": "11111111-2222-3333-4444-555555555555",
        "cloud": "global",
        "auth": { "method": "application", "credential": "secret", "client_id": GUID },
        "sync": {
            "entities": ["users", "agents"], "every_minutes": 15, "delta": true,
            "full_every_hours": 168, "deactivate_missing": true,
            "deactivate_disabled_users": false, "out_of_scope": "leave", "reactivate": true,
            "create_disabled": false, "last_sign_in": false
        },
        "field_mappings": {
            "users": [
                { "from": "displayName", "to": "name" },
                { "from": "mail", "to": "emailaddress" },
                { "from": "extensionAttribute3", "to": "customfield:123", "write": "if_empty" },
                { "from": ["city", "country"], "to": "other1",
                  "transforms": [{ "join": ", " }, "trim", { "max_length": 50 }] }
            ],
            "agents": [
                { "from": "displayName", "to": "name" }, { "from": "mail", "to": "email" }
            ]
        },
        "matching": {
            "users": [
                { "entra": "userPrincipalName", "halo": "login" },
                { "entra": "mail", "halo": "emailaddress" }
            ],
            "agents": [{ "entra": "mail", "halo": "email" }]
        },
        "mappings": [
            { "id": "sales", "sequence": 10, "target": { "type": "site", "site_id": 18 },
              "user_role_id": 3, "group": { "name": "Sales" }, "external_users": "exclude",
              "conditions": [{ "field": "department", "op": "equals", "value": "Sales" }] },
            { "id": "offices", "sequence": 20,
              "target": { "type": "organisation", "client_id": 3, "site_from": "officeLocation",
                          "default_site_id": 12 } },
            { "id": "helpdesk", "sequence": 30, "target": { "type": "agents" },
              "agent_role_id": 5, "group": { "name": "IT Helpdesk" },
              "licence_type": "no_change" }
        ],
        "roles": {
            "agent_roles": [{ "group": { "name": "IT Admins" }, "role_id": 7 }],
            "user_roles": [{ "group": { "name": "Managers" }, "role_id": 4 }],
            "no_manager_user_role_id": 9,
            "cabs": [{ "group": { "name": "Approvers" }, "cab_id": 1, "cab_role_id": 2 }],
            "licence_management": true, "inactive_agent_role_ids": [11]
        },
        "licences": { "client_id": 3, "manage_from_halo": false },
        "guard": { "max_deactivations": { "count": 20, "percent": 10, "absolute": 200 } }
    })
}

/// The example with the place at a JSON pointer set to `json`, or removed where that is empty.
pub(in crate::document) fn patched(pointer: &str, json: &str) -> Value {
    let mut document = example();
    patch(&mut document, pointer, json);
    document
}

fn patch(document: &mut Value, pointer: &str, json: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    let new = (!json.is_empty()).then(|| serde_json::from_str(json).unwrap());
    match (parent, new) {
        (Value::Array(list), Some(new)) => match key {
            "-" => list.push(new),
            _ => *list.get_mut(key.parse::<usize>().unwrap()).unwrap() = new,
        },
        (Value::Object(map), Some(new)) => {
            map.insert(key.to_owned(), new);
        }
        (Value::Object(map), None) => {
            map.remove(key);
        }
        other => panic!("{pointer}: {other:?}"),
    }
}

fn read(value: &Value) -> Parsed {
    parse(value, CustomClouds::Allowed).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn condition(json: &str) -> Condition {
    let document = read(&patched("/mappings/0/conditions", &format!("[{json}]"))).document;
    document.mappings.into_iter().next().unwrap().conditions.remove(0)
}

fn transforms(json: &str) -> Vec<Transform> {
    let document = read(&patched("/field_mappings/users/0/transforms", json)).document;
    document.user_fields.into_iter().next().unwrap().transforms
}

#[test]
fn the_example_is_read_as_it_says() {
    let Parsed { document, warnings } = read(&example());
    assert_eq!(warnings, Vec::new());
    assert_eq!(document.user_fields.len(), 4);
    assert_eq!(document.user_fields[2].write, WriteMode::IfEmpty);
    let custom = RowTarget::Custom { asked: "123".into(), id: Some(CustomFieldId(123)) };
    assert_eq!(document.user_fields[2].to, custom);
    assert_eq!(document.user_fields[3].from.len(), 2);
    assert_eq!(document.mappings[0].target, Placement::Site { site_id: SiteId(18) });
    assert_eq!(document.mappings[2].target, Placement::Agents { user_site_id: None });
    assert_eq!(document.roles.cabs[0].cab_role_id.map(|id| id.0), Some(2));
    assert_eq!(document.groups().len(), 5);
}

#[test]
fn what_is_left_out_gets_its_default() {
    // F7, L4, P4, P7.
    let minimal = json!({
        "id": "a", "name": "A", "tenant_id": GUID, "auth": { "client_id": GUID },
        "mappings": [{ "id": "all", "target": { "type": "site", "site_id": 1 } }],
        "sync": null, "licences": null
    });
    let document = read(&minimal).document;
    assert!(document.enabled && document.create);
    assert_eq!(document.cloud, Cloud::Global);
    assert_eq!(document.auth.method, AuthMethod::Application);
    assert_eq!(document.auth.credential, CredentialKind::Secret);
    assert_eq!(document.sync, Sync::default());
    assert_eq!(document.sync.entities, [Entity::Users]);
    assert_eq!(document.guard, Guard { count: 20, percent: 10, absolute: 200 });
    assert_eq!((document.user_fields.len(), document.agent_fields.len()), (10, 5));
    assert_eq!((document.user_matching.len(), document.agent_matching.len()), (2, 1));
    assert_eq!((document.roles, document.licences), (Roles::default(), None));
    let mapping = &document.mappings[0];
    assert_eq!(mapping.sequence, 10);
    assert_eq!(mapping.external_users, ExternalUsers::Exclude);
    assert_eq!(mapping.quantifier, Quantifier::All);
    assert_eq!(mapping.licence_type, LicenceType::NoChange);
    assert!(mapping.group.is_none() && mapping.conditions.is_empty());
    let row = &document.user_fields[9];
    assert_eq!(row.from, [Source::Manager("displayName".into())]);
    assert_eq!(row.to, RowTarget::Field("admanager".into()));
    assert_eq!((row.write, row.empty), (WriteMode::Always, Empty::Leaves));
}

#[test]
fn an_empty_list_stays_empty() {
    // F1: defaults are ordinary rows, so removing all of them is a choice like any other.
    let document = read(&patched("/field_mappings", r#"{"users": []}"#)).document;
    assert_eq!((document.user_fields.len(), document.agent_fields.len()), (0, 5));
    let document = read(&patched("/matching", r#"{"agents": []}"#)).document;
    assert_eq!((document.user_matching.len(), document.agent_matching.len()), (2, 0));
    assert!(read(&patched("/mappings", "[]")).document.mappings.is_empty());
}

#[test]
fn conditions_are_read_with_their_operands() {
    // P5.
    let one = |text: &str| vec![text.to_owned()];
    let cases = [
        (r#""op":"equals","value":"x""#, Test::In(one("x"))),
        (r#""op":"not_equals","value":"x""#, Test::NotIn(one("x"))),
        (r#""op":"in","values":["x"]"#, Test::In(one("x"))),
        (r#""op":"in","value":["x","y"]"#, Test::In(vec!["x".into(), "y".into()])),
        (r#""op":"not_in","values":["x"]"#, Test::NotIn(one("x"))),
        (r#""op":"starts_with","value":"x""#, Test::StartsWith("x".into())),
        (r#""op":"ends_with","value":"x""#, Test::EndsWith("x".into())),
        (r#""op":"contains","value":"x""#, Test::Contains("x".into())),
        (r#""op":"not_contains","value":"x""#, Test::NotContains("x".into())),
        (r#""op":"is_empty""#, Test::IsEmpty),
        (r#""op":"is_not_empty""#, Test::IsNotEmpty),
        (r#""op":"is_true""#, Test::IsTrue),
        (r#""op":"is_false""#, Test::IsFalse),
    ];
    for (rest, expected) in cases {
        let condition = condition(&format!(r#"{{"field":"department",{rest}}}"#));
        assert_eq!(condition.test, expected, "{rest}");
        assert_eq!(condition.case, Case::Insensitive);
    }
}

#[test]
fn patterns_carry_their_case() {
    // P5: the whole pattern, alternatives too.
    let matches = |rest: &str, text: &str| {
        let pattern = format!(r#"{{"field":"city","op":"matches","value":"^a$|^b$"{rest}}}"#);
        let test = condition(&pattern).test;
        let Test::Matches(regex) = test else { panic!("{test:?}") };
        regex.is_match(text)
    };
    assert!(matches("", "B") && matches("", "a"));
    assert!(
        !matches(r#","case_sensitive":true"#, "B") && matches(r#","case_sensitive":true"#, "b")
    );
}

#[test]
fn transforms_are_read_in_order() {
    // F8.
    let read = transforms(
        r#"["trim", "lower", "upper", "title_case", {"replace": ["a", "b"]},
            {"regex": ["^0", "+44"]}, {"prefix": "x"}, {"suffix": "y"}, {"max_length": 5},
            {"map": {" DE ": "Germany"}, "default": "x"}, {"map": {"a": "b"}}]"#,
    );
    assert_eq!(read.len(), 11);
    assert_eq!(read[3], Transform::TitleCase);
    assert_eq!(read[8], Transform::MaxLength(5));
    let table = [("de".to_owned(), "Germany".to_owned())].into();
    assert_eq!(read[9], Transform::Map(table, Some("x".into())));
    assert!(matches!(&read[10], Transform::Map(_, None)));
}

#[test]
fn sources_are_read_by_what_they_are_for() {
    // F3, P5.
    let row = |from: &str| {
        let value = patched("/field_mappings/users/0/from", &format!("\"{from}\""));
        read(&value).document.user_fields.remove(0).from.remove(0)
    };
    let property = |name: &str| Source::Property(name.to_owned());
    let extension = format!("extension_{}_costCentre", "0123456789abcdef".repeat(2));
    assert_eq!(row(&extension), property(&extension));
    assert_eq!(row("employeeOrgData.costCenter"), property("employeeOrgData.costCenter"));
    assert_eq!(row("manager.mail"), Source::Manager("mail".into()));
    assert_eq!(row("proxyAddresses"), Source::PrimaryAddress);
    assert_eq!(row("proxyAddresses:all"), Source::AllAddresses);
    assert_eq!(row("const:a b "), Source::Const("a b ".into()));
    let addresses = condition(r#"{"field":"proxyAddresses","op":"is_empty"}"#);
    assert_eq!(addresses.field, Source::AllAddresses);
    let mut with_sign_in = patched("/sync/last_sign_in", "true");
    patch(&mut with_sign_in, "/field_mappings/users/0/from", "\"lastSignInDateTime\"");
    assert_eq!(read(&with_sign_in).document.user_fields[0].from, [Source::LastSignIn]);
}

#[test]
fn pins_are_read_back() {
    // P3, F4.
    let group = format!(r#"{{"name": "Sales", "id": "{GUID}", "nested": true}}"#);
    let document = read(&patched("/mappings/0/group", &group)).document;
    let group = document.mappings[0].group.as_ref().unwrap();
    assert_eq!(group.id.unwrap().to_string(), GUID);
    assert_eq!((group.name.as_deref(), group.nesting), (Some("Sales"), Nesting::Nested));
    let row = r#"{"from": "city", "to": "customfield:CFtown", "custom_field_id": 7}"#;
    let document = read(&patched("/field_mappings/users/2", row)).document;
    let custom = RowTarget::Custom { asked: "CFtown".into(), id: Some(CustomFieldId(7)) };
    assert_eq!(document.user_fields[2].to, custom);
}

#[test]
fn custom_clouds_are_a_choice_of_the_deployment() {
    // C2.
    let value =
        patched("/cloud", r#"{"login": "http://127.0.0.1:8080", "graph": "https://g.example/"}"#);
    assert!(matches!(read(&value).document.cloud, Cloud::Custom { .. }));
    let refused = parse(&value, CustomClouds::Refused).unwrap_err();
    assert_eq!(refused[0].path, "$.cloud");
    for word in ["us_gov", "us_gov_dod", "china"] {
        assert!(parse(&patched("/cloud", &format!("\"{word}\"")), CustomClouds::Refused).is_ok());
    }
}

#[test]
fn what_is_odd_but_allowed_is_a_warning() {
    let cases = [
        // F2.
        (
            "/field_mappings/users/1/from",
            r#""displayName""#,
            "$.field_mappings.users[1].from",
            "displayName feeds $.field_mappings.users[0] already",
        ),
        (
            "/field_mappings/users/3/from",
            r#"["city", "mail"]"#,
            "$.field_mappings.users[3].from[1]",
            "mail feeds $.field_mappings.users[1] already",
        ),
        (
            "/field_mappings/users/1/from",
            r#""isResourceAccount""#,
            "$.field_mappings.users[1].from",
            "Microsoft reserves it",
        ),
        ("/mappings/0/licence_type", r#""named""#, "$.mappings[0].licence_type", "no effect"),
        ("/mappings/1/agent_role_id", "5", "$.mappings[1].agent_role_id", "no effect"),
    ];
    for (pointer, json, path, fragment) in cases {
        let warnings = read(&patched(pointer, json)).warnings;
        assert_eq!(warnings.len(), 1, "{pointer} {json}: {warnings:?}");
        assert_eq!(warnings[0].path, path);
        assert!(warnings[0].message.contains(fragment), "{}", warnings[0].message);
    }
    // The same constant in two rows is nobody's property.
    let mut constants = patched("/field_mappings/users/0/from", r#""const:x""#);
    patch(&mut constants, "/field_mappings/users/1/from", r#""const:x""#);
    assert_eq!(read(&constants).warnings, Vec::new());
}

#[test]
fn every_mistake_is_reported_at_once_in_order() {
    let mut document = example();
    for (pointer, json) in [
        ("/name", "\"\""),
        ("/tenant_id", ""),
        ("/auth/method", "\"password\""),
        ("/sync/every_minutes", "1"),
        ("/field_mappings/users/0/to", "\"nme\""),
        ("/field_mappings/users/3/transforms/1", "\"trimm\""),
        ("/mappings/0/target/site_id", "18.0"),
        ("/mappings/0/conditions/0/op", "\"is\""),
        ("/mappings/2/id", "\"sales\""),
        ("/roles/cabs/0/group", "{}"),
        ("/guard/max_deactivations/percent", "101"),
        ("/mapings", "[]"),
    ] {
        patch(&mut document, pointer, json);
    }
    let mistakes = parse(&document, CustomClouds::Allowed).unwrap_err();
    let paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    let expected = [
        "$.name",
        "$.tenant_id",
        "$.auth.method",
        "$.sync.every_minutes",
        "$.field_mappings.users[0].to",
        "$.field_mappings.users[3].transforms[1]",
        "$.mappings[0].target.site_id",
        "$.mappings[0].conditions[0].op",
        "$.mappings[2].id",
        "$.roles.cabs[0].group",
        "$.guard.max_deactivations.percent",
        "$.mapings",
    ];
    assert_eq!(paths, expected, "{mistakes:#?}");
}

#[test]
fn stored_documents_pass_the_same_parse() {
    let error = serde_json::from_value::<Document>(patched("/id", "\"A\"")).unwrap_err();
    assert!(error.to_string().starts_with("$.id: "), "{error}");
    assert!(serde_json::from_value::<Document>(example()).is_ok());
}

/// Any JSON, with a liking for words of documents.
pub(in crate::document) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..20).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        proptest::sample::select(vec![
            "equals",
            "mail",
            "name",
            "const:",
            "customfield:7",
            "(?",
            "join",
            "all",
            "manager.mail",
            "proxyAddresses",
            "http://[",
            "first_non_empty",
            "é\u{301}",
            "extension_",
            "linemanager",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let key = prop_oneof![
            ".{0,6}",
            proptest::sample::select(vec![
                "id", "name", "from", "to", "map", "default", "group", "op", "value", "values",
            ])
            .prop_map(String::from),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// All places in a document, as JSON pointers.
pub(in crate::document) fn places(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, child)| (key.clone(), child)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, child)| (index.to_string(), child)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(key, child)| {
        places(child).into_iter().map(move |rest| format!("/{key}{rest}"))
    });
    std::iter::once(String::new()).chain(below).collect()
}

proptest! {
    #[test]
    fn no_json_breaks_the_parser(value in any_json()) {
        if let Err(mistakes) = parse(&value, CustomClouds::Refused) {
            prop_assert!(!mistakes.is_empty());
            prop_assert!(mistakes.iter().all(|m| m.path.starts_with('$') && !m.message.is_empty()));
        }
    }

    #[test]
    fn no_broken_document_breaks_the_parser(place in any::<prop::sample::Index>(), value in any_json()) {
        let mut document = example();
        let all = places(&document);
        *document.pointer_mut(place.get::<String>(&all)).unwrap() = value;
        if let Err(mistakes) = parse(&document, CustomClouds::Allowed) {
            prop_assert!(!mistakes.is_empty());
        }
    }
}
