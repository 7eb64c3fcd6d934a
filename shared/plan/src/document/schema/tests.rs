//! The schema takes what the parser takes, and refuses what the parser refuses for its shape.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is the failure of the test")]

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;

use super::super::parse::mistakes::all_mistakes;
use super::super::parse::tests::{any_json, example, patched, places};
use super::super::{CustomClouds, parse};
use super::*;

fn validator() -> Validator {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

fn says(validator: &Validator, value: &Value) -> Vec<String> {
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Mistakes that no schema tells, as pointer and value: what depends on other places in the document,
/// on a compiled pattern, or on how a number is written.
const BEYOND: &[(&str, &str)] = &[
    ("/name", "\"a\\nb\""),
    ("/mappings/1/id", "\"sales\""),
    ("/mappings/0/target/site_id", "18.0"),
    ("/roles/cabs/0/cab_id", "1.0"),
    ("/mappings/0/conditions/0", r#"{"field":"city","op":"matches","value":"a("}"#),
    ("/field_mappings/users/0/from", "\"lastSignInDateTime\""),
    ("/field_mappings/users/1/to", "\"name\""),
    ("/field_mappings/users/-", r#"{"from":"city","to":"customfield:CFa","custom_field_id":123}"#),
    ("/field_mappings/users/2/custom_field_id", "9"),
    ("/field_mappings/users/0/transforms", r#"[{"regex":["(","x"]}]"#),
    ("/field_mappings/users/0/transforms", r#"[{"regex":["((a{200}){200}){200}","x"]}]"#),
    ("/field_mappings/users/0/transforms", r#"[{"map":{"DE":"a","de":"b"}}]"#),
];

#[test]
fn mistakes_of_shape_are_refused() {
    // C2, F2 to F8, P3 to P7
    let validator = validator();
    let example = example();
    assert_eq!(says(&validator, &example), Vec::<String>::new());
    for (pointer, json) in all_mistakes() {
        let refused = !validator.is_valid(&patched(pointer, json));
        assert_eq!(refused, !BEYOND.contains(&(pointer, json)), "{pointer} {json}");
    }
    for other in [r#""x""#, "null", "[]", "7"] {
        assert!(!validator.is_valid(&serde_json::from_str(other).unwrap()), "{other}");
    }
}

#[test]
fn null_says_nothing_where_a_key_may_be_left_out() {
    let validator = validator();
    for pointer in ["/sync", "/cloud", "/roles", "/mappings/0/group", "/mappings/0/user_role_id"] {
        let value = patched(pointer, "null");
        assert_eq!(says(&validator, &value), Vec::<String>::new(), "{pointer}");
        assert!(parse(&value, CustomClouds::Allowed).is_ok(), "{pointer}");
    }
    for pointer in ["/id", "/auth", "/mappings", "/mappings/0/target"] {
        assert!(!validator.is_valid(&patched(pointer, "null")), "{pointer}");
    }
}

#[test]
fn a_file_may_name_its_schema() {
    let value = patched("/$schema", "\"./connection.schema.json\"");
    assert_eq!(says(&validator(), &value), Vec::<String>::new());
    let document = parse(&value, CustomClouds::Allowed).unwrap().document;
    assert!(serde_json::to_value(document).unwrap().get("$schema").is_none());
}

proptest! {
    #[test]
    fn what_the_parser_takes_validates(place in any::<prop::sample::Index>(), value in any_json()) {
        thread_local!(static VALIDATOR: Validator = validator());
        let mut document = example();
        let all = places(&document);
        *document.pointer_mut(place.get::<String>(&all)).unwrap() = value;
        if let Ok(parsed) = parse(&document, CustomClouds::Allowed) {
            let written = serde_json::to_value(parsed.document).unwrap();
            for value in [&document, &written] {
                let said = VALIDATOR.with(|validator| says(validator, value));
                prop_assert!(said.is_empty(), "{said:#?}\n{value:#}");
            }
        }
    }
}
