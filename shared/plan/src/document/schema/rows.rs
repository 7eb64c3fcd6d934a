//! Schemas of field rows and matching rows (F1 to F8, M2).

use serde_json::{Value, json};

use super::super::words::{
    MANAGER, MAX_LENGTH, MAX_LOOKUPS, MAX_SOURCE, MAX_SOURCES, MAX_TARGET, MAX_TEXT,
    MAX_TRANSFORMS, WRITE_MODES, sources,
};
use super::shapes::{
    about, any_of, flag, halo_id, list, object, pattern, range, text, usual, word,
};
use super::{DIRECTORY_EXTENSION, Refer};
use crate::catalogue::{Holds, Kind, PROPERTIES, TargetField};

const CUSTOM_FIELD: &str = r"^customfield:(\s*0*[1-9][0-9]{0,9}\s*|[\s\S]*[^0-9\s][\s\S]*)$";

pub(super) fn field_source() -> Value {
    let named: Vec<&str> = sources().collect();
    let mut constant = text(1, MAX_SOURCE);
    constant["pattern"] = json!(r"^const:[\s\S]+$");
    any_of(vec![
        json!({ "enum": named }),
        about("A directory extension by its full name.", pattern(DIRECTORY_EXTENSION)),
        about("A text that is the same for everybody.", constant),
    ])
}

pub(super) fn field_row(targets: &[TargetField], custom: bool, refer: Refer<'_>) -> Value {
    let names: Vec<&str> = targets.iter().map(|field| field.name).collect();
    let mut to = vec![json!({ "enum": names })];
    if custom {
        let mut field = text(1, MAX_TARGET);
        field["pattern"] = json!(CUSTOM_FIELD);
        to.push(about("A custom field that exists in Halo, by its name or id.", field));
    }
    let source = refer("FieldSource");
    let from = any_of(vec![source.clone(), list(1, MAX_SOURCES, source)]);
    let steps = any_of(vec![refer("FieldTransform"), refer("SourceJoin")]);
    let mut schema = object(
        &["from", "to"],
        &[
            ("from", about("The property that feeds this row, or several (F3).", from)),
            ("to", about("The Halo field that it writes (F4).", any_of(to))),
            ("write", about("When it is written (F5).", usual("always", word(WRITE_MODES)))),
            (
                "clear",
                about("Whether a source without a value clears the field (F5).", flag(false)),
            ),
            (
                "transforms",
                about("What is done to the value, in order (F8).", list(0, MAX_TRANSFORMS, steps)),
            ),
            (
                "custom_field_id",
                about("Id of the custom field; noted when the document is saved.", halo_id()),
            ),
        ],
    );
    let several = json!({ "properties": { "from": { "type": "array", "minItems": 2 } } });
    let joined = json!({
        "properties": { "transforms": {
            "type": "array", "minItems": 1,
            "prefixItems": [refer("SourceJoin")], "items": refer("FieldTransform")
        } },
        "required": ["transforms"]
    });
    let plain = json!({ "properties": { "transforms": { "items": refer("FieldTransform") } } });
    let of_custom = json!({ "properties": { "to": { "pattern": "^customfield:" } } });
    let unpinned = json!({ "properties": { "custom_field_id": { "type": "null" } } });
    let mut rules = vec![
        json!({ "if": several, "then": joined, "else": plain }),
        json!({ "if": of_custom, "else": unpinned }),
    ];
    rules.extend(targets.iter().filter(|it| it.holds == Holds::ManagersAgent).map(of_manager));
    schema["allOf"] = json!(rules);
    schema
}

/// A field that points at the manager's own record takes the manager, plainly (F6).
fn of_manager(field: &TargetField) -> Value {
    let one = json!({ "enum": MANAGER });
    json!({
        "if": { "properties": { "to": { "const": field.name } } },
        "then": { "properties": {
            "from": { "anyOf": [one, { "type": "array", "maxItems": 1, "items": one }] },
            "transforms": { "maxItems": 0 }
        } }
    })
}

pub(super) fn transforms() -> Vec<Value> {
    let text = || text(0, MAX_TEXT);
    let filled = || json!({ "type": "string", "minLength": 1, "maxLength": MAX_TEXT });
    let pair = |first: Value| json!({ "type": "array", "prefixItems": [first, text()], "minItems": 2, "maxItems": 2 });
    let table = json!({
        "type": "object", "minProperties": 1, "maxProperties": MAX_LOOKUPS,
        "additionalProperties": text()
    });
    let one = |key: &'static str, what: Value| object(&[key], &[(key, what)]);
    let most = range(*MAX_LENGTH.start(), *MAX_LENGTH.end());
    vec![
        json!({ "enum": ["trim", "lower", "upper", "title_case"] }),
        about("Each occurrence of a text replaced by another.", one("replace", pair(filled()))),
        about(
            "Each match of a regular expression replaced; `$1` is its first group.",
            one("regex", pair(filled())),
        ),
        about("Text put in front.", one("prefix", text())),
        about("Text put behind.", one("suffix", text())),
        about("Cut to so many characters.", one("max_length", most)),
        about(
            "Looked up, without regard to case; the rest is `default`, or passes unchanged.",
            object(&["map"], &[("map", table), ("default", text())]),
        ),
    ]
}

/// What makes several sources one.
pub(super) fn joins() -> Vec<Value> {
    let join = object(&["join"], &[("join", text(0, MAX_TEXT))]);
    vec![json!({ "const": "first_non_empty" }), about("Joined, empty ones left out.", join)]
}

/// Names of properties of these kinds; directory extensions may be of any kind.
pub(super) fn property(kinds: &[Kind], but: &[&str]) -> Value {
    let properties = PROPERTIES.iter().filter(|property| kinds.contains(&property.kind));
    let names: Vec<&str> =
        properties.map(|property| property.name).filter(|name| !but.contains(name)).collect();
    any_of(vec![json!({ "enum": names }), pattern(DIRECTORY_EXTENSION)])
}

pub(super) fn match_row(fields: &[&str]) -> Value {
    let entra = property(&[Kind::Text, Kind::List], &["proxyAddresses"]);
    object(
        &["entra", "halo"],
        &[
            ("entra", about("The property to compare.", entra)),
            ("halo", about("The Halo field to compare with.", json!({ "enum": fields }))),
        ],
    )
}
