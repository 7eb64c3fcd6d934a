//! The shapes that schemas are made of.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::super::words::{HALO_IDS, Words};

/// An object with these keys and no others. A key that is not required may be null, which says nothing.
pub(super) fn object(required: &[&str], keys: &[(&str, Value)]) -> Value {
    let keys = keys.iter().map(|(key, schema)| {
        let schema = schema.clone();
        let schema = if required.contains(key) { schema } else { or_null(schema) };
        ((*key).to_owned(), schema)
    });
    let keys: Map<String, Value> = keys.collect();
    json!({
        "type": "object", "properties": keys, "required": required, "additionalProperties": false
    })
}

fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").and_then(Value::as_str).filter(|kind| *kind != "null") {
        schema["type"] = json!([kind, "null"]);
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
        return schema;
    }
    let mut outer = Map::new();
    for key in ["description", "default"] {
        let moved = schema.as_object_mut().and_then(|inner| inner.remove(key));
        outer.extend(moved.map(|value| (key.to_owned(), value)));
    }
    outer.insert("anyOf".to_owned(), json!([schema, { "type": "null" }]));
    Value::Object(outer)
}

pub(super) fn any_of(cases: Vec<Value>) -> Value {
    json!({ "anyOf": Value::Array(cases) })
}

pub(super) fn list(least: usize, most: usize, of: Value) -> Value {
    let mut list = json!({ "type": "array", "minItems": least, "maxItems": most });
    list["items"] = of;
    list
}

pub(super) fn text(least: usize, most: usize) -> Value {
    json!({ "type": "string", "minLength": least, "maxLength": most })
}

/// A text that says something.
pub(super) fn line(most: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": r"\S" })
}

pub(super) fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

pub(super) fn word<T>(words: &Words<T>) -> Value {
    json!({ "type": "string", "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

pub(super) fn flag(usually: bool) -> Value {
    json!({ "type": "boolean", "default": usually })
}

pub(super) fn range(least: impl Into<i64>, most: impl Into<i64>) -> Value {
    json!({ "type": "integer", "minimum": least.into(), "maximum": most.into() })
}

pub(super) fn count(within: &RangeInclusive<u32>, usually: u32) -> Value {
    usual(usually, range(*within.start(), *within.end()))
}

pub(super) fn halo_id() -> Value {
    range(*HALO_IDS.start(), *HALO_IDS.end())
}

pub(super) fn usual(value: impl Into<Value>, mut schema: Value) -> Value {
    schema["default"] = value.into();
    schema
}

pub(super) fn about(text: &str, mut schema: Value) -> Value {
    schema["description"] = json!(text);
    schema
}
