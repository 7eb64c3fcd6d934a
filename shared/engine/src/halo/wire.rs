//! Halo's JSON as it really comes: lists in several envelopes, numbers as floats, unset values in disguise.

use std::borrow::Cow;
use std::fmt;

use plan::failure::Kind;
use serde::de::{self, DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

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

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
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
}

fn named<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| {
        let mut others = map.iter();
        others.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

pub(super) fn member<'a>(element: &'a Value, name: &str) -> Option<&'a Value> {
    named(element.as_object()?, name)
}

/// The number of an element: its own, or what it holds as one.
pub(super) fn element_id(element: &Value) -> Option<i64> {
    let numbered = |name| member(element, name).and_then(int);
    int(element).or_else(|| numbered("id_int")).or_else(|| numbered("id"))
}

pub(super) fn int(value: &Value) -> Option<i64> {
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

pub(super) fn text(value: &Value) -> Cow<'_, str> {
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

/// Rows that instances are known to put on a page, whatever was asked for.
const PAGE_LENGTHS: [usize; 3] = [50, 100, 1000];

/// A list as Halo answered it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    /// The rows that are objects.
    pub(super) rows: Vec<Record>,
    /// `record_count`, where it cannot merely be the count of this page.
    pub(super) total: Option<u64>,
    /// How long a bare array was; `None` = the rows came in an envelope.
    bare: Option<usize>,
}

impl List {
    /// Whether nothing can follow, where pages of `page_size` were asked for: a bare array is not cut
    /// into pages, unless it is exactly as long as one.
    pub(super) fn is_last(&self, page_size: u32) -> bool {
        self.bare.is_some_and(|length| {
            !PAGE_LENGTHS.contains(&length) && u32::try_from(length) != Ok(page_size)
        })
    }
}

/// The rows of a list: a bare array, or the array under `key`, `results` or any other name.
pub(super) fn list(body: Value, key: &str) -> Result<List, Kind> {
    let is_bare = body.is_array();
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
    let bare = is_bare.then_some(rows.len());
    let length = rows.len() as u64;
    let total = count.and_then(|count| u64::try_from(count).ok()).filter(|count| *count != length);
    Ok(List { rows: rows.into_iter().filter_map(Record::new).collect(), total, bare })
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

/// What counts of the answer to a save, which tells the whole record: its number, and what Halo remarked.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Answered {
    /// An object, or an array of one.
    Record(Record),
    /// Something else.
    #[default]
    Other,
}

impl Answered {
    /// As [`record`], with nothing else in it.
    pub(super) fn record(self) -> Result<Record, Kind> {
        match self {
            Answered::Record(record) => Ok(record),
            Answered::Other => Err(malformed("a record was expected")),
        }
    }
}

impl<'de> Deserialize<'de> for Answered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyAnswer)
    }
}

/// The name of a property, where it counts.
struct Wanted(Option<&'static str>);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AnyName)
    }
}

struct AnyName;

impl Visitor<'_> for AnyName {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Wanted, E> {
        let mut counting = ["id", "_warning"].into_iter();
        Ok(Wanted(counting.find(|counts| counts.eq_ignore_ascii_case(name))))
    }
}

struct AnyAnswer;

impl<'de> Visitor<'de> for AnyAnswer {
    type Value = Answered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Answered, A::Error> {
        let mut record = Map::new();
        while let Some(Wanted(name)) = object.next_key()? {
            if let Some(name) = name {
                record.insert(name.to_owned(), object.next_value()?);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Answered::Record(Record(record)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Answered, A::Error> {
        let only = list.next_element()?.unwrap_or_default();
        let mut more = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(if more { Answered::Other } else { only })
    }

    fn visit_unit<E: de::Error>(self) -> Result<Answered, E> {
        Ok(Answered::Other)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Answered, E> {
        Ok(Answered::Other)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Answered, E> {
        Ok(Answered::Other)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Answered, E> {
        Ok(Answered::Other)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Answered, E> {
        Ok(Answered::Other)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Answered, E> {
        Ok(Answered::Other)
    }
}

/// Reads an answer's body as JSON.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Kind> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed read is the failure of the test")]

    use serde_json::json;

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
    fn a_bare_array_is_whole_unless_it_is_as_long_as_a_page() {
        let is_last = |body: Value| list(body, "agents").unwrap().is_last(20);
        for (length, expected) in [(0, true), (19, true), (20, false), (50, false), (120, true)] {
            assert_eq!(is_last(Value::Array(vec![json!({}); length])), expected, "{length}");
        }
        assert!(!is_last(json!({ "results": [{ "id": 1 }] })));
    }

    #[test]
    fn bodies_that_are_no_json_are_told_apart() {
        let cases = [
            ("", "an empty answer where JSON was expected"),
            ("<!DOCTYPE html>", "a web page where JSON was expected"),
            ("{\"id\":", "something else where JSON was expected"),
        ];
        for (body, expected) in cases {
            assert_eq!(json::<Value>(body.as_bytes()), Err(malformed(expected)), "{body}");
        }
        assert_eq!(json("\u{feff} [] ".as_bytes()), Ok(json!([])));
    }

    #[test]
    fn of_the_answer_to_a_save_only_the_number_and_the_remark_count() {
        let cases = [
            (r#"{"name":"A","id":7.0,"roles":[{"id":1}],"_Warning":"w"}"#, Some((7, "w"))),
            (r#"[{"customfields":[[1]],"ID":"8"}]"#, Some((8, ""))),
            ("[]", None),
            (r#"[{"id":1},{"id":2}]"#, None),
            ("null", None),
            ("true", None),
            ("-3", None),
            (r#""saved""#, None),
        ];
        for (body, expected) in cases {
            let answered: Answered = json(body.as_bytes()).unwrap();
            let record = answered.record().ok();
            let told = record.as_ref().map(|it| (it.int("id").unwrap(), it.text("_warning")));
            let told = told.as_ref().map(|(id, warning)| (*id, warning.as_ref()));
            assert_eq!(told, expected, "{body}");
        }
    }
}
