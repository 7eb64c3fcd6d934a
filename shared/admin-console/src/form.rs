//! Forms and JSON: the fields of a form are named by the JSON paths of what they change, so the API's
//! mistakes find the fields that they are about.
//!
//! A field's name is a path, and after a colon how its text is read: `sync.every_minutes:number`. Fields
//! without a colon are texts. What is left empty is left out, so the document's own default holds.

use serde_json::{Map, Number, Value};
use url::form_urlencoded;

/// Rows that a form may have in one list.
const ROWS: usize = 10_000;

/// The fields of a form, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl From<Vec<(String, String)>> for Pairs {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

impl Pairs {
    /// Reads what a browser sends.
    pub(crate) fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The last value of a field.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().rev().filter(|(found, _)| found == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// All values of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The fields whose names begin with `prefix`, without it.
    pub(crate) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of = move |(name, value): &'a (String, String)| {
            Some((name.strip_prefix(prefix)?, value.as_str()))
        };
        self.0.iter().filter_map(of)
    }
}

/// How the text of a field becomes JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Text,
    Number,
    Flag,
    /// A box of a set: the list has what is ticked.
    Member,
    /// A list, of which this field says only that it is there.
    List,
    /// A text of which blanks count, and which may be empty.
    Exact,
    /// A name that has been looked up: where it changes, the `id` beside it is none of it any more.
    Pinned,
    /// A row of a list as it was before: what the form does not show of it stays.
    Row,
}

impl Reads {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "" | "text" => Self::Text,
            "number" => Self::Number,
            "flag" => Self::Flag,
            "member" => Self::Member,
            "list" => Self::List,
            "exact" => Self::Exact,
            "pinned" => Self::Pinned,
            "row" => Self::Row,
            _ => return None,
        })
    }
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Row(usize),
}

/// The steps of a path such as `mappings[2].group.name`; `None` for what is no path.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return None;
        }
        steps.push(Step::Key(key));
        while let Some(row) = rest.strip_prefix('[') {
            let (number, after) = row.split_once(']')?;
            steps.push(Step::Row(number.parse().ok().filter(|row| *row < ROWS)?));
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(steps)
}

/// The place of a path, made where it is missing.
fn place<'a>(mut at: &'a mut Value, steps: &[Step<'_>]) -> Option<&'a mut Value> {
    for step in steps {
        at = match step {
            Step::Key(key) => {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()?.entry(*key).or_insert(Value::Null)
            }
            Step::Row(row) => {
                if !at.is_array() {
                    *at = Value::Array(Vec::new());
                }
                let rows = at.as_array_mut()?;
                // A form names its rows one by one; a number far behind is nobody's row.
                if *row > rows.len() {
                    return None;
                }
                if *row == rows.len() {
                    rows.push(Value::Null);
                }
                rows.get_mut(*row)?
            }
        };
    }
    Some(at)
}

/// Puts the fields below `prefix` into a document. Fields that are no paths are passed over.
pub(crate) fn fill(document: &mut Value, pairs: &Pairs, prefix: &str) {
    for (name, text) in pairs.below(prefix) {
        let (path, word) = name.split_once(':').unwrap_or((name, ""));
        let (Some(reads), Some(steps)) = (Reads::of(word), steps(path)) else { continue };
        let may_be_empty = matches!(reads, Reads::List | Reads::Row | Reads::Exact);
        if text.trim().is_empty() && !may_be_empty {
            remove(document, &steps);
            continue;
        }
        if reads == Reads::Pinned && at(document, path) != text {
            let beside =
                path.rsplit_once('.').map_or("id".to_owned(), |(row, _)| format!("{row}.id"));
            if let Some(steps) = self::steps(&beside) {
                remove(document, &steps);
            }
        }
        let Some(at) = place(document, &steps) else { continue };
        match reads {
            Reads::Text | Reads::Exact | Reads::Pinned => *at = Value::from(text),
            Reads::Number => *at = number(text.trim()),
            Reads::Flag => *at = Value::from(text == "true"),
            Reads::List => *at = Value::Array(Vec::new()),
            Reads::Member => {
                let value =
                    if text.parse::<i64>().is_ok() { number(text) } else { Value::from(text) };
                match at.as_array_mut() {
                    Some(list) => list.push(value),
                    None => *at = Value::Array(vec![value]),
                }
            }
            Reads::Row => {
                *at = serde_json::from_str(text).unwrap_or_else(|_| Value::Object(Map::new()));
            }
        }
    }
}

/// A number where the text is one; else the text, of which the API says what is wrong.
fn number(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) => Value::from(number),
        Err(_) => text
            .parse::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .map_or_else(|| Value::from(text), Value::Number),
    }
}

/// Takes a key away; a row of a list stays, as the others count from it.
fn remove(document: &mut Value, steps: &[Step<'_>]) {
    let Some((Step::Key(key), above)) = steps.split_last() else { return };
    let mut at = document;
    for step in above {
        let below = match step {
            Step::Key(key) => at.get_mut(*key),
            Step::Row(row) => at.get_mut(*row),
        };
        let Some(below) = below else { return };
        at = below;
    }
    if let Some(object) = at.as_object_mut() {
        object.remove(*key);
    }
}

/// What a button of a form does with the rows of a list, before anything is saved.
///
/// `add:mappings`, `remove:mappings[2]`, `up:mappings[2]`, `down:mappings[2]`.
pub(crate) fn rearrange(document: &mut Value, button: &str, new: impl Fn(&str) -> Value) {
    let Some((word, path)) = button.split_once(':') else { return };
    let Some(steps) = steps(path) else { return };
    if word == "add" {
        if let Some(at) = place(document, &steps) {
            match at.as_array_mut() {
                Some(rows) => rows.push(new(path)),
                None => *at = Value::Array(vec![new(path)]),
            }
        }
        return;
    }
    let Some((Step::Row(row), above)) = steps.split_last() else { return };
    let Some(rows) = place(document, above).and_then(Value::as_array_mut) else { return };
    match word {
        "remove" if *row < rows.len() => {
            rows.remove(*row);
        }
        "up" if *row > 0 && *row < rows.len() => rows.swap(*row, *row - 1),
        "down" if *row + 1 < rows.len() => rows.swap(*row, *row + 1),
        _ => {}
    }
}

/// The value at a path, `null` where there is none.
pub(crate) fn at<'a>(document: &'a Value, path: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    let found = steps(path).and_then(|steps| {
        steps.iter().try_fold(document, |at, step| match step {
            Step::Key(key) => at.get(*key),
            Step::Row(row) => at.get(*row),
        })
    });
    found.unwrap_or(NOTHING)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(mut document: Value, body: &str) -> Value {
        fill(&mut document, &Pairs::read(body.as_bytes()), "doc.");
        document
    }

    #[test]
    fn fields_go_where_their_names_say() {
        let cases = [
            ("doc.name=A", json!({"name": "A"})),
            ("doc.sync.every_minutes:number=15", json!({"sync": {"every_minutes": 15}})),
            ("doc.sync.every_minutes:number=soon", json!({"sync": {"every_minutes": "soon"}})),
            ("doc.create:flag=false&doc.create:flag=true", json!({"create": true})),
            ("doc.rows[0].to=a&doc.rows[1].to=b", json!({"rows": [{"to": "a"}, {"to": "b"}]})),
            ("doc.ids:list=&doc.ids:member=3&doc.ids:member=4", json!({"ids": [3, 4]})),
            ("doc.ids:list=", json!({"ids": []})),
            (
                "doc.m:list=&doc.m[0]:row={\"a\":1}&doc.m[0].b=&doc.m[1]:row=",
                json!({"m": [{"a": 1}, {}]}),
            ),
            (
                "doc.g:row={\"name\":\"a\",\"id\":\"1\"}&doc.g.name:pinned=a",
                json!({"g": {"name": "a", "id": "1"}}),
            ),
            (
                "doc.g:row={\"name\":\"a\",\"id\":\"1\"}&doc.g.name:pinned=b",
                json!({"g": {"name": "b"}}),
            ),
            ("doc.t[0]:exact=&doc.t[1]:exact=+", json!({"t": ["", " "]})),
            // No row is skipped, and nothing that is no path does anything.
            ("doc.rows[7].to=a", json!({"rows": []})),
            ("doc.rows[x].to=a&doc..=a&doc.a[0=1&other=1", json!({})),
        ];
        for (body, expected) in cases {
            assert_eq!(filled(json!({}), body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_left_empty_is_left_out_and_the_rest_stays() {
        let before =
            json!({"id": "a", "mappings": [{"group": {"name": "x", "id": "y"}, "more": 1}]});
        let after = filled(before, "doc.mappings[0].group.name=z&doc.mappings[0].group.id=");
        assert_eq!(after, json!({"id": "a", "mappings": [{"group": {"name": "z"}, "more": 1}]}));
    }

    #[test]
    fn buttons_move_rows() {
        let rows = || json!({"m": [1, 2, 3]});
        let cases = [
            ("add:m", json!([1, 2, 3, 0])),
            ("add:other", json!([1, 2, 3])),
            ("remove:m[1]", json!([1, 3])),
            ("up:m[1]", json!([2, 1, 3])),
            ("up:m[0]", json!([1, 2, 3])),
            ("down:m[1]", json!([1, 3, 2])),
            ("down:m[2]", json!([1, 2, 3])),
            ("remove:m[9]", json!([1, 2, 3])),
            ("nonsense", json!([1, 2, 3])),
        ];
        for (button, expected) in cases {
            let mut document = rows();
            rearrange(&mut document, button, |_| json!(0));
            assert_eq!(document["m"], expected, "{button}");
        }
    }
}
