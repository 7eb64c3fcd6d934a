//! Connection documents in files: one, an array, or `{"connections": [...]}`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

/// A document and where it stands.
#[derive(Debug)]
pub(crate) struct Found {
    /// The file, with the place in it where it holds several.
    pub(crate) place: String,
    /// The document, unchecked.
    pub(crate) json: Value,
}

/// Reads all documents of all files; `-` is standard input.
pub(crate) fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Found>> {
    let mut all = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = text(file).with_context(|| format!("cannot read {name}"))?;
        let json = serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?;
        all.extend(split(&name, json));
    }
    anyhow::ensure!(!all.is_empty(), "there is no connection in what was given");
    Ok(all)
}

/// The text of a file; `-` is standard input.
pub(crate) fn text(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}

fn split(name: &str, json: Value) -> Vec<Found> {
    let several = |list: Vec<Value>| {
        let numbered = list.into_iter().enumerate();
        numbered.map(|(at, json)| Found { place: format!("{name} [{at}]"), json }).collect()
    };
    match json {
        Value::Array(list) => several(list),
        Value::Object(mut object) if object.len() == 1 && object.contains_key("connections") => {
            match object.remove("connections") {
                Some(Value::Array(list)) => several(list),
                other => vec![Found { place: name.to_owned(), json: other.unwrap_or_default() }],
            }
        }
        json @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![Found { place: name.to_owned(), json }],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_forms_of_a_file_are_taken_apart() {
        let places = |json| -> Vec<String> {
            split("f", json)
                .into_iter()
                .map(|found| format!("{}: {}", found.place, found.json))
                .collect()
        };
        assert_eq!(places(json!({ "id": "a" })), [r#"f: {"id":"a"}"#]);
        assert_eq!(places(json!([1, 2])), ["f [0]: 1", "f [1]: 2"]);
        assert_eq!(places(json!({ "connections": [1] })), ["f [0]: 1"]);
        assert_eq!(places(json!({ "connections": 5 })), ["f: 5"]);
        assert!(places(json!([])).is_empty());
    }
}
