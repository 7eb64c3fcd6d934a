//! A cursor over JSON that notes every mistake with its path and goes on reading.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::nearest::nearest;
use crate::document::Mistake;
use crate::document::words::{HALO_IDS, Words};
use crate::ids::NotAnId;

/// The most characters of a found text or key that a message repeats.
const SHOWN: usize = 80;

/// What was found so far. Shared by all cursors of one document.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
}

impl Notes {
    /// The cursor at the top of a document.
    pub(crate) fn root<'a>(&'a self, value: &'a Value) -> Node<'a> {
        Node { path: "$".to_owned(), value, notes: self }
    }

    /// Mistakes and warnings, each in the order of reading.
    pub(crate) fn into_parts(self) -> (Vec<Mistake>, Vec<Mistake>) {
        (self.mistakes.into_inner(), self.warnings.into_inner())
    }
}

/// A place in a document.
///
/// Readers give `None` when they noted a mistake; a caller reads all parts before it asks whether
/// one is `None`, so that all mistakes are noted at once.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    path: String,
    value: &'a Value,
    notes: &'a Notes,
}

impl<'a> Node<'a> {
    /// JSON path of the place.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What stands here.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// Notes a mistake.
    pub(crate) fn mistake<T>(&self, message: impl Into<String>) -> Option<T> {
        self.notes.mistakes.borrow_mut().push(Mistake::new(&self.path, message));
        None
    }

    /// Notes that something else should stand here; `what` with its article.
    pub(crate) fn expected<T>(&self, what: &str) -> Option<T> {
        self.mistake(format!("Expected {what}, found {}.", found(self.value)))
    }

    /// Notes something that is allowed but worth a look.
    pub(crate) fn warning(&self, message: impl Into<String>) {
        self.notes.warnings.borrow_mut().push(Mistake::new(&self.path, message));
    }

    /// True or false.
    pub(crate) fn bool(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.expected("true or false"))
    }

    /// A whole number in a range.
    pub(crate) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.value.as_i64().filter(|number| range.contains(number));
        number.or_else(|| {
            self.expected(&format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// A whole number in a range that fits.
    pub(crate) fn count(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        self.integer(range).and_then(|number| u32::try_from(number).ok())
    }

    /// The id of a Halo record.
    pub(crate) fn halo_id(&self) -> Option<i64> {
        let number = self.value.as_i64().filter(|number| HALO_IDS.contains(number));
        number.or_else(|| self.expected("the id of a Halo record (a positive whole number)"))
    }

    /// A text with so many characters.
    pub(crate) fn text(&self, length: RangeInclusive<usize>) -> Option<&'a str> {
        let fits = |text: &&str| length.contains(&text.chars().count());
        self.value.as_str().filter(fits).or_else(|| match length.start() {
            0 => self.expected(&format!("a text of at most {} characters", length.end())),
            least => self.expected(&format!("a text of {least} to {} characters", length.end())),
        })
    }

    /// A text that says something, with at most so many characters.
    pub(crate) fn words(&self, most: usize) -> Option<&'a str> {
        let text = self.text(1..=most)?;
        if text.trim().is_empty() {
            return self.expected("a text that is not blank");
        }
        Some(text)
    }

    /// An id of one of our types.
    pub(crate) fn id<T: FromStr<Err = NotAnId>>(&self) -> Option<T> {
        let Some(text) = self.value.as_str() else { return self.expected("a text") };
        match text.parse() {
            Ok(id) => Some(id),
            Err(error) => self.expected(error.expected),
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Clone>(&self, words: &Words<T>) -> Option<T> {
        let text = self.value.as_str();
        if let Some((_, value)) = words.iter().find(|(word, _)| Some(*word) == text) {
            return Some(value.clone());
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.one_of(&names)
    }

    /// Notes that one of these words should stand here, and which is meant if that is plain.
    pub(crate) fn one_of<T>(&self, names: &[&str]) -> Option<T> {
        let meant = self.value.as_str().and_then(|text| nearest(text, names.iter().copied()));
        match meant {
            Some(meant) => {
                let found = found(self.value);
                self.mistake(format!("Unknown word {found}; did you mean \"{meant}\"?"))
            }
            None => self.expected(&format!("one of {}", names.join(", "))),
        }
    }

    /// A list: every entry is read, also after a bad one.
    pub(crate) fn each<T>(
        &self,
        length: RangeInclusive<usize>,
        read: impl FnMut(Node<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(entries) = self.value else { return self.expected("a list") };
        if !length.contains(&entries.len()) {
            let (least, most) = length.into_inner();
            return self.mistake(format!(
                "Expected a list of {least} to {most} entries, found {}.",
                entries.len()
            ));
        }
        let entries = entries.iter().enumerate().map(|(index, value)| Node {
            path: format!("{}[{index}]", self.path),
            value,
            notes: self.notes,
        });
        let read: Vec<Option<T>> = entries.map(read).collect();
        read.into_iter().collect()
    }

    /// An object whose keys are the author's own.
    pub(crate) fn entries<T>(
        &self,
        length: RangeInclusive<usize>,
        mut read: impl FnMut(&'a str, Node<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Object(map) = self.value else { return self.expected("an object") };
        if !length.contains(&map.len()) {
            let (least, most) = length.into_inner();
            return self.mistake(format!(
                "Expected an object with {least} to {most} keys, found {}.",
                map.len()
            ));
        }
        let entries = map.iter().map(|(key, value)| {
            let path = join(&self.path, key);
            read(key, Node { path, value, notes: self.notes })
        });
        let read: Vec<Option<T>> = entries.collect();
        read.into_iter().collect()
    }

    /// An object; keys that `read` did not ask for are mistakes.
    pub(crate) fn object<T>(&self, read: impl FnOnce(&Object<'a, '_>) -> Option<T>) -> Option<T> {
        let Value::Object(map) = self.value else { return self.expected("an object") };
        let object = Object { at: self, map, asked: RefCell::default() };
        let result = read(&object);
        object.refuse_others();
        result
    }
}

/// An object that is being read.
#[derive(Debug)]
pub(crate) struct Object<'a, 'n> {
    at: &'n Node<'a>,
    map: &'a Map<String, Value>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Object<'a, '_> {
    /// The place of the object itself.
    pub(crate) fn at(&self) -> &Node<'a> {
        self.at
    }

    /// What stands under a key. A null counts as nothing.
    pub(crate) fn get(&self, key: &'static str) -> Option<Node<'a>> {
        self.asked.borrow_mut().insert(key);
        self.map.get(key).filter(|value| !value.is_null()).map(|value| self.child(key, value))
    }

    /// What must stand under a key; `what` it is, with its article.
    pub(crate) fn required<T>(
        &self,
        key: &'static str,
        what: &str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(node) => read(&node),
            None => self.child(key, &Value::Null).mistake(format!("Missing: {what}.")),
        }
    }

    /// What stands under a key, or its default.
    pub(crate) fn or<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), |node| read(&node))
    }

    /// What may stand under a key.
    #[expect(clippy::option_option, reason = "the outer one says whether a mistake was noted")]
    pub(crate) fn maybe<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.get(key).map_or(Some(None), |node| read(&node).map(Some))
    }

    /// Accepts keys unread, where a mistake elsewhere hides whether they belong here.
    pub(crate) fn let_others_be(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }

    fn child(&self, key: &str, value: &'a Value) -> Node<'a> {
        Node { path: join(&self.at.path, key), value, notes: self.at.notes }
    }

    fn refuse_others(&self) {
        let asked = self.asked.borrow();
        for (key, value) in self.map.iter().filter(|(key, _)| !asked.contains(key.as_str())) {
            let what = if let Some(meant) = nearest(key, asked.iter().copied()) {
                format!("did you mean \"{meant}\"?")
            } else {
                let known: Vec<&str> = asked.iter().copied().collect();
                format!("known here: {}.", known.join(", "))
            };
            self.child(key, value).mistake::<()>(format!("Unknown key \"{}\"; {what}", cut(key)));
        }
    }
}

/// JSON path of a member (RFC 9535: names that are no identifiers stand in brackets).
fn join(path: &str, key: &str) -> String {
    let mut joined = path.to_owned();
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let key = cut(key);
    // Writing to a String cannot fail.
    let _ = if plain {
        write!(joined, ".{key}")
    } else {
        write!(joined, "['{}']", key.replace('\\', "\\\\").replace('\'', "\\'"))
    };
    joined
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("\"{}\"", cut(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The text as a message repeats it.
pub(crate) fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}
