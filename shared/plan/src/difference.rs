//! What differs between two JSON values, place by place: what the settings audit shows of a change (C10).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

/// A place at which two values differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Path of the place, as in `$.sync.every_minutes` or `$.mappings["sales"].sequence`.
    pub path: String,
    /// What was there; left out where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there now; left out where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What the rows of a list are told apart by: mappings by their id, field rows by their target.
const NAMES: [&str; 2] = ["id", "to"];

/// The smallest places at which two values differ, in order of their paths. Lists whose rows have
/// names are compared row by row, whatever their order; other lists as a whole.
pub fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("$".to_owned(), before, after, &mut found);
    found
}

fn compare(
    path: String,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            members(&path, &named_by_key(before), &named_by_key(after), found);
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match named_rows(old, new) {
            Some((before, after)) => members(&path, &before, &after, found),
            None => found.push(difference(path, before, after)),
        },
        _ => found.push(difference(path, before, after)),
    }
}

/// Values by the ends of their paths.
type Named<'a> = BTreeMap<String, &'a Value>;

fn members(path: &str, before: &Named<'_>, after: &Named<'_>, found: &mut Vec<Difference>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (before, after) = (before.get(name).copied(), after.get(name).copied());
        compare(format!("{path}{name}"), before, after, found);
    }
}

fn named_by_key(object: &Map<String, Value>) -> Named<'_> {
    object.iter().map(|(key, value)| (format!(".{key}"), value)).collect()
}

/// Both lists by the names of their rows; `None` where a row has none, or two rows have the same.
fn named_rows<'a>(before: &'a [Value], after: &'a [Value]) -> Option<(Named<'a>, Named<'a>)> {
    NAMES.iter().find_map(|name| Some((rows_by(before, name)?, rows_by(after, name)?)))
}

fn rows_by<'a>(rows: &'a [Value], name: &str) -> Option<Named<'a>> {
    let mut named = Named::new();
    for row in rows {
        let own = Value::from(row.get(name)?.as_str()?);
        if named.insert(format!("[{own}]"), row).is_some() {
            return None;
        }
    }
    Some(named)
}

fn difference(path: String, before: Option<&Value>, after: Option<&Value>) -> Difference {
    Difference { path, before: before.cloned(), after: after.cloned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(before: &Value, after: &Value) -> Vec<String> {
        let shown =
            |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let found = differences(Some(before), Some(after)).into_iter();
        found.map(|it| format!("{} {} {}", it.path, shown(it.before), shown(it.after))).collect()
    }

    #[test]
    fn differences_are_told_where_they_are() {
        // C10
        let rows = |rows: &[(&str, u32)]| -> Value {
            let row = |(id, n): &(&str, u32)| json!({ "id": id, "n": n });
            json!({ "m": rows.iter().map(row).collect::<Vec<_>>() })
        };
        let cases = [
            (json!({ "a": 1 }), json!({ "a": 1 }), vec![]),
            (json!({ "a": 1 }), json!({ "a": 2 }), vec!["$.a 1 2"]),
            (json!({ "a": 1 }), json!({ "b": null }), vec!["$.a 1 -", "$.b - null"]),
            (
                json!({ "a": { "b": 1, "c": 1 } }),
                json!({ "a": { "b": 2, "c": 1 } }),
                vec!["$.a.b 1 2"],
            ),
            (json!({ "a": {} }), json!({ "a": [] }), vec!["$.a {} []"]),
            (json!({ "a": ["x", "y"] }), json!({ "a": ["y"] }), vec![r#"$.a ["x","y"] ["y"]"#]),
            (rows(&[("x", 1), ("y", 2)]), rows(&[("y", 2), ("x", 1)]), vec![]),
            (
                rows(&[("x", 1), ("y", 2)]),
                rows(&[("y", 3)]),
                vec![r#"$.m["x"] {"id":"x","n":1} -"#, r#"$.m["y"].n 2 3"#],
            ),
            (rows(&[]), rows(&[("x\"]", 1)]), vec![r#"$.m["x\"]"] - {"id":"x\"]","n":1}"#]),
            // Two rows of one name are no names.
            (
                rows(&[("x", 1), ("x", 2)]),
                rows(&[("x", 1)]),
                vec![r#"$.m [{"id":"x","n":1},{"id":"x","n":2}] [{"id":"x","n":1}]"#],
            ),
            (
                json!([{ "to": "name", "from": "a" }]),
                json!([{ "to": "name", "from": "b" }]),
                vec![r#"$["name"].from "a" "b""#],
            ),
        ];
        for (before, after, expected) in cases {
            assert_eq!(told(&before, &after), expected, "{before} {after}");
        }
    }

    #[test]
    fn what_was_not_there_before_differs_as_a_whole() {
        let found = differences(None, Some(&json!({ "a": 1 })));
        let expected =
            Difference { path: "$".into(), before: None, after: Some(json!({ "a": 1 })) };
        assert_eq!(found, [expected]);
        assert!(differences(None, None).is_empty());
    }
}
