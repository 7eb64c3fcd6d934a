//! What is written is read back as the same document.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is the failure of the test")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::parse::tests::{any_json, example, patched, places};
use super::super::{CustomClouds, parse};
use super::*;

fn read(value: &Value) -> Document {
    parse(value, CustomClouds::Allowed).unwrap_or_else(|mistakes| panic!("{mistakes:#?}")).document
}

#[test]
fn documents_survive_being_written() {
    let guid = "aaaaaaaa-0000-4000-8000-00000000000a";
    let changes = [
        (
            "/cloud",
            r#"{"login": "http://[::1]:8080", "graph": "https://graph.example"}"#.to_owned(),
        ),
        ("/cloud", "\"us_gov_dod\"".to_owned()),
        ("/auth/method", "\"delegated\"".to_owned()),
        ("/auth/credential", "\"certificate\"".to_owned()),
        (
            "/auth",
            format!(
                r#"{{"client_id": "{guid}", "credential": "certificate", "assertion": "rs256"}}"#
            ),
        ),
        (
            "/sync",
            r#"{"entities": ["licences"], "delta": false, "out_of_scope": "deactivate"}"#
                .to_owned(),
        ),
        ("/licences", String::new()),
        ("/create", "false".to_owned()),
        ("/field_mappings", String::new()),
        ("/field_mappings", r#"{"users": [], "agents": []}"#.to_owned()),
        (
            "/field_mappings/users/0",
            r#"{"from": ["proxyAddresses", "proxyAddresses:all", "const:x", "manager.mail"],
                "to": "customfield:CFx", "custom_field_id": 5, "write": "on_create", "clear": true,
                "transforms": ["first_non_empty", "lower", "upper", "title_case",
                    {"replace": ["a", ""]}, {"regex": ["(?i)^a", "$0"]}, {"prefix": "p"},
                    {"suffix": "s"}, {"map": {"DE": "de"}}, {"map": {"a": "b"}, "default": ""}]}"#
                .to_owned(),
        ),
        ("/field_mappings/agents/1", r#"{"from": "manager.mail", "to": "linemanager"}"#.to_owned()),
        (
            "/mappings/0",
            format!(
                r#"{{"id": "x", "target": {{"type": "agents", "user_site_id": 4}}, "match": "any",
                    "licence_type": "named", "external_users": "only",
                    "group": {{"name": "G", "id": "{guid}", "nested": true}},
                    "conditions": [
                        {{"field": "proxyAddresses", "op": "ends_with", "value": "@x"}},
                        {{"field": "proxyAddresses:primary", "op": "contains", "value": "@x"}},
                        {{"field": "city", "op": "matches", "value": "(?i)a"}},
                        {{"field": "city", "op": "matches", "value": "a", "case_sensitive": true}},
                        {{"field": "city", "op": "in", "values": ["a", "b"]}},
                        {{"field": "city", "op": "not_in", "values": ["a"]}},
                        {{"field": "city", "op": "is_empty", "case_sensitive": true}},
                        {{"field": "accountEnabled", "op": "is_true"}}]}}"#
            ),
        ),
        (
            "/roles",
            format!(r#"{{"cabs": [{{"group": {{"id": "{guid}"}}, "cab_id": 1, "keep": true}}]}}"#),
        ),
        ("/guard", r#"{"max_deactivations": {"percent": 0}}"#.to_owned()),
    ];
    let values = changes.iter().map(|(pointer, json)| patched(pointer, json));
    for value in values.chain([example()]) {
        let document = read(&value);
        let written = serde_json::to_value(&document).unwrap();
        assert_eq!(read(&written), document, "{written:#}");
        assert_eq!(serde_json::to_value(read(&written)).unwrap(), written, "writing is canonical");
    }
}

#[test]
fn defaults_are_written_out_and_pins_stand_beside_names() {
    let minimal = json!({
        "id": "a", "name": "A", "tenant_id": "11111111-2222-3333-4444-555555555555",
        "auth": { "client_id": "11111111-2222-3333-4444-555555555555" }, "mappings": []
    });
    let mut document = read(&minimal);
    let written = serde_json::to_value(&document).unwrap();
    assert_eq!(written["sync"]["every_minutes"], 15);
    assert_eq!(written["guard"]["max_deactivations"]["absolute"], 200);
    assert_eq!(
        written["field_mappings"]["users"][9],
        json!({ "from": "manager.displayName", "to": "admanager", "write": "always" })
    );
    assert_eq!(written["cloud"], "global");

    document = read(&example());
    let pin: ObjectId = "aaaaaaaa-0000-4000-8000-00000000000a".parse().unwrap();
    document.groups_mut()[0].id = Some(pin);
    document.user_fields[0].to =
        RowTarget::Custom { asked: "CFx".into(), id: Some(CustomFieldId(7)) };
    let written = serde_json::to_value(&document).unwrap();
    assert_eq!(written["mappings"][0]["group"], json!({ "name": "Sales", "id": pin }));
    assert_eq!(written["field_mappings"]["users"][0]["to"], "customfield:CFx");
    assert_eq!(written["field_mappings"]["users"][0]["custom_field_id"], 7);
    assert_eq!(written["field_mappings"]["users"][2].get("custom_field_id"), None);
}

#[test]
fn keys_are_written_in_the_order_of_the_documentation() {
    let text = serde_json::to_string(&read(&example())).unwrap();
    let at = |key: &str| text.find(&format!("\"{key}\":")).unwrap();
    let keys = ["id", "name", "tenant_id", "sync", "field_mappings", "mappings", "roles", "guard"];
    assert!(keys.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
}

#[test]
fn conditions_are_described_as_they_are_written() {
    let cases = [
        (r#"{"field":"city","op":"equals","value":"Bonn"}"#, "city equals \"Bonn\""),
        (r#"{"field":"city","op":"in","values":["a","b"]}"#, "city in \"a\", \"b\""),
        (r#"{"field":"manager.mail","op":"is_empty"}"#, "manager.mail is_empty"),
        (r#"{"field":"city","op":"matches","value":"^a"}"#, "city matches \"^a\""),
        (
            r#"{"field":"city","op":"not_equals","value":"a","case_sensitive":true}"#,
            "city not_equals \"a\" (case sensitive)",
        ),
    ];
    for (json, expected) in cases {
        let document = read(&patched("/mappings/0/conditions/0", json));
        let (field, test) = document.mappings[0].conditions[0].describe();
        assert_eq!(format!("{field} {test}"), expected);
    }
}

proptest! {
    #[test]
    fn whatever_is_read_survives_being_written(
        place in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut document = example();
        let all = places(&document);
        *document.pointer_mut(place.get::<String>(&all)).unwrap() = value;
        if let Ok(parsed) = parse(&document, CustomClouds::Allowed) {
            let written = serde_json::to_value(&parsed.document).unwrap();
            prop_assert_eq!(read(&written), parsed.document);
        }
    }
}
