//! Halo's JSON as it really comes: lists in several envelopes, numbers as floats, unset values in disguise.

use std::borrow::Cow;
use std::collections::BTreeSet;

use plan::failure::Kind;
use plan::link::{Fields, HaloValue, Target};
use serde_json::{Map, Value, json};

/// A record as Halo answered it, read leniently: names in any case, unknown properties ignored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(Map<String, Value>);

impl Record {
    /// The record in `value`; `None` unless it is an object.
    pub fn new(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self(map)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        named(&self.0, name)
    }

    /// Whether the property is there at all, be it `null`.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a property, of which Halo's own spelling is `name`.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), Value::String(value.to_owned()));
    }

    /// A property as text; empty when it is missing, `null`, or a date of the year 1900 or before,
    /// which is how Halo writes "never".
    pub fn text(&self, name: &str) -> Cow<'_, str> {
        self.get(name).map_or(Cow::Borrowed(""), text)
    }

    /// A whole number, also one written as a float or a text.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(int)
    }

    /// A flag; `false` when it is missing.
    pub fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => false,
        }
    }

    /// The elements of an array; none when it is missing or `null`.
    pub fn array(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What Halo has in a field that imports write.
    pub fn value(&self, target: &Target) -> HaloValue {
        match target {
            Target::Custom(id) => {
                let mut fields = self.array("customfields").iter();
                let field = fields.find(|field| element_id(field) == Some(id.0));
                let value = field.and_then(|field| member(field, "value"));
                HaloValue::Text(value.map_or(Cow::Borrowed(""), text).into_owned())
            }
            Target::Field(name) => match name.as_str() {
                "site_id" => {
                    HaloValue::Int(self.int("site_id").or(self.int("site_id_int")).unwrap_or(0))
                }
                "roles" | "role_ids" => HaloValue::Ids(self.role_ids()),
                _ => match self.get(name) {
                    Some(Value::Bool(flag)) => HaloValue::Bool(*flag),
                    None if name == "inactive" => HaloValue::Bool(false),
                    other => HaloValue::Text(other.map_or(Cow::Borrowed(""), text).into_owned()),
                },
            },
        }
    }

    fn role_ids(&self) -> BTreeSet<i64> {
        let ids = self.array("role_ids").iter().filter_map(int);
        ids.chain(self.array("roles").iter().filter_map(element_id)).collect()
    }
}

fn named<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| {
        let mut others = map.iter();
        others.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

fn member<'a>(element: &'a Value, name: &str) -> Option<&'a Value> {
    named(element.as_object()?, name)
}

fn element_id(element: &Value) -> Option<i64> {
    int(element).or_else(|| member(element, "id_int").or(member(element, "id")).and_then(int))
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    // Up to here a float still tells whole numbers apart; no id comes near.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "the number is whole and in range")]
    (number.fract() == 0.0 && number.abs() < LARGEST).then_some(number as i64)
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) if is_never(text) => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => match int(value) {
            Some(whole) => Cow::Owned(whole.to_string()),
            None => Cow::Owned(number.to_string()),
        },
        Value::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => Cow::Borrowed(""),
    }
}

/// `1900-01-01T00:00:00`, `0001-…` and `1899-…` stand for "no date".
fn is_never(text: &str) -> bool {
    let date = text.as_bytes();
    date.len() >= 19
        && date[4] == b'-'
        && date[7] == b'-'
        && date[10] == b'T'
        && text.get(..4).and_then(|year| year.parse().ok()).is_some_and(|year: u16| year <= 1900)
}

/// A list as Halo answered it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    /// The rows that are objects.
    pub(super) rows: Vec<Record>,
    /// `record_count`, where it cannot merely be the count of this page.
    pub(super) total: Option<u64>,
}

/// The rows of a list: a bare array, or the array under `key`, `results` or any other name.
pub(super) fn list(body: Value, key: &str) -> Result<List, Kind> {
    let (rows, count) = match body {
        Value::Array(rows) => (rows, None),
        Value::Object(mut envelope) => {
            let count = named(&envelope, "record_count").and_then(int);
            let name = rows_name(&envelope, key).ok_or_else(|| malformed("no rows in a list"))?;
            match envelope.remove(&name) {
                Some(Value::Array(rows)) => (rows, count),
                Some(_) | None => return Err(malformed("no rows in a list")),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(malformed("a list was expected"));
        }
    };
    let length = rows.len() as u64;
    let total = count.and_then(|count| u64::try_from(count).ok()).filter(|count| *count != length);
    Ok(List { rows: rows.into_iter().filter_map(Record::new).collect(), total })
}

fn rows_name(envelope: &Map<String, Value>, key: &str) -> Option<String> {
    let arrays = || envelope.iter().filter_map(|(name, value)| Some((name, value.as_array()?)));
    let named = |wanted: &str| arrays().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let of_objects = || arrays().find(|(_, rows)| rows.first().is_some_and(Value::is_object));
    named(key)
        .or_else(|| named("results"))
        .or_else(of_objects)
        .or_else(|| arrays().next())
        .map(|(name, _)| name.clone())
}

/// The record in the answer to a save or to a read of one: an object, or an array of one.
pub(super) fn record(mut body: Value) -> Result<Record, Kind> {
    let only = |rows: &mut Vec<Value>| if rows.len() == 1 { rows.pop() } else { None };
    let body = body.as_array_mut().and_then(only).unwrap_or(body);
    Record::new(body).ok_or_else(|| malformed("a record was expected"))
}

/// Reads an answer's body as JSON.
pub(super) fn json(body: &[u8]) -> Result<Value, Kind> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    if body.is_empty() {
        return Err(malformed("an empty answer where JSON was expected"));
    }
    serde_json::from_slice(body).map_err(|_| {
        let what = if body.starts_with(b"<") { "a web page" } else { "something else" };
        malformed(&format!("{what} where JSON was expected"))
    })
}

pub(super) fn malformed(detail: &str) -> Kind {
    Kind::Malformed { detail: detail.to_owned() }
}

/// The properties that write `fields`. `stored` is what the record holds in `customfields`: Halo
/// replaces the whole array, so what is not ours goes back as it was (F4).
pub(super) fn payload<'a>(
    fields: impl IntoIterator<Item = (&'a Target, &'a HaloValue)>,
    stored: &[Value],
) -> Map<String, Value> {
    let mut payload = Map::new();
    let mut custom = Vec::new();
    for (target, value) in fields {
        match target {
            Target::Field(name) => {
                payload.insert(name.clone(), written(name, value));
            }
            Target::Custom(id) => custom.push((id.0, written("value", value))),
        }
    }
    if !custom.is_empty() {
        let ours = |field: &Value| custom.iter().any(|(id, _)| element_id(field) == Some(*id));
        let kept = stored.iter().filter(|field| !ours(field)).map(plain_custom_field);
        let new = custom.iter().map(|(id, value)| json!({ "id": id, "value": value }));
        payload.insert("customfields".to_owned(), kept.chain(new).collect());
    }
    payload
}

/// A custom field as it is posted: its id and value, without what Halo adds for display.
fn plain_custom_field(field: &Value) -> Value {
    match element_id(field) {
        Some(id) => json!({ "id": id, "value": member(field, "value").unwrap_or(&Value::Null) }),
        None => field.clone(),
    }
}

fn written(name: &str, value: &HaloValue) -> Value {
    match value {
        HaloValue::Bool(flag) => json!(flag),
        HaloValue::Int(number) => json!(number),
        HaloValue::Text(text) => json!(text),
        // Roles are posted as the objects that they are read as; other sets of ids as plain numbers.
        HaloValue::Ids(ids) if name == "roles" => {
            ids.iter().map(|id| json!({ "id": id })).collect()
        }
        HaloValue::Ids(ids) => json!(ids),
    }
}

/// The asked fields of a record.
pub(super) fn fields<'a>(record: &Record, asked: impl IntoIterator<Item = &'a Target>) -> Fields {
    asked.into_iter().map(|target| (target.clone(), record.value(target))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed read is the failure of the test")]

    use plan::ids::CustomFieldId;

    use super::*;

    #[test]
    fn lists_come_in_many_envelopes() {
        // H5: rows found, and the total where the count says more than the page.
        type Found = Option<(usize, Option<u64>)>;
        let cases: &[(&str, Found)] = &[
            (r#"[{"id":1},{"id":2}]"#, Some((2, None))),
            (r#"{"record_count":7,"users":[{"id":1}]}"#, Some((1, Some(7)))),
            (r#"{"record_count":1,"users":[{"id":1}]}"#, Some((1, None))),
            (r#"{"Users":[{"id":1}]}"#, Some((1, None))),
            (r#"{"results":[{"id":1}],"columns":[{"a":1}]}"#, Some((1, None))),
            (r#"{"agents":[{"id":1}],"_ids":[1]}"#, Some((1, None))),
            (r#"{"columns":[],"users":[]}"#, Some((0, None))),
            (r#"{"users":[null,3,{"id":1}]}"#, Some((1, None))),
            (r#"{"message":"no"}"#, None),
            (r#""sentence""#, None),
            ("null", None),
        ];
        for (body, expected) in cases {
            let read = list(serde_json::from_str(body).unwrap(), "users");
            assert_eq!(read.ok().map(|list| (list.rows.len(), list.total)), *expected, "{body}");
        }
    }

    #[test]
    fn values_are_read_as_halo_means_them() {
        let record = record(json!([{
            "ID": 5.0, "site_id": 18.0, "inactive": false, "Title": null, "fax": "", "n": 3.5,
            "azure_last_login_date": "1900-01-01T00:00:00", "d2": "0001-01-01T00:00:00Z",
            "d3": "2026-01-02T00:00:00", "role_ids": null, "roles": [{"id": 4}, {"id": "9"}],
            "customfields": [{"id": 123, "value": "x"}, {"id": 7.0, "value": 2, "display": "Two"}],
        }]))
        .unwrap();
        let text = |value: &str| HaloValue::Text(value.to_owned());
        assert_eq!(record.int("id"), Some(5));
        let cases = [
            ("site_id", HaloValue::Int(18)),
            ("inactive", HaloValue::Bool(false)),
            ("title", text("")),
            ("fax", text("")),
            ("missing", text("")),
            ("n", text("3.5")),
            ("azure_last_login_date", text("")),
            ("d2", text("")),
            ("d3", text("2026-01-02T00:00:00")),
            ("roles", HaloValue::Ids(BTreeSet::from([4, 9]))),
        ];
        for (name, expected) in cases {
            assert_eq!(record.value(&Target::field(name)), expected, "{name}");
        }
        for (id, expected) in [(123, "x"), (7, "2"), (8, "")] {
            assert_eq!(record.value(&Target::Custom(CustomFieldId(id))), text(expected), "{id}");
        }
    }

    #[test]
    fn custom_fields_go_back_whole() {
        // F4: ours replaced, the others with the values that they had.
        let stored = [
            json!({"id": 1, "name": "CFa", "value": "keep", "display": "keep"}),
            json!({"id": 2, "value": "old"}),
        ];
        let fields = Fields::from([
            (Target::Custom(CustomFieldId(2)), HaloValue::Text("new".into())),
            (Target::field("site_id"), HaloValue::Int(18)),
            (Target::field("roles"), HaloValue::Ids(BTreeSet::from([3]))),
        ]);
        assert_eq!(
            Value::Object(payload(&fields, &stored)),
            json!({
                "site_id": 18, "roles": [{"id": 3}],
                "customfields": [{"id": 1, "value": "keep"}, {"id": 2, "value": "new"}],
            })
        );
    }

    #[test]
    fn bodies_that_are_no_json_are_told_apart() {
        let cases = [
            ("", "an empty answer where JSON was expected"),
            ("<!DOCTYPE html>", "a web page where JSON was expected"),
            ("{\"id\":", "something else where JSON was expected"),
        ];
        for (body, expected) in cases {
            assert_eq!(json(body.as_bytes()), Err(malformed(expected)), "{body}");
        }
        assert_eq!(json("\u{feff} [] ".as_bytes()), Ok(json!([])));
    }
}
