//! Transforms of a field row: from the values of its sources to the one that is written (F8).
//!
//! Nothing stays nothing: where there is no value, or a transform leaves none, the later ones do not
//! run, so that a prefix, a suffix or a map's default never stands alone. A row that wants a value
//! for people without one names a constant as its last source, with `first_non_empty`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::conditions::equal;
use crate::document::{Case, Transform};
use crate::fields::is_blank;

/// Between the values of a source that has several, where no `join` says otherwise.
const SEPARATOR: &str = ", ";

/// Runs the transforms over the values of all sources of a row, in order; `None` = no value.
///
/// `join` and `first_non_empty` make one value of several; a document allows them in the first place
/// only, and in any other they do nothing.
pub fn run<'a>(
    transforms: &'a [Transform],
    values: impl IntoIterator<Item = &'a str>,
) -> Option<Cow<'a, str>> {
    let mut values = values.into_iter().filter(|value| !is_blank(value));
    let value = match transforms.first() {
        Some(Transform::Join(separator)) => join(values, separator)?,
        Some(Transform::FirstNonEmpty) => values.next()?.into(),
        _ => join(values, SEPARATOR)?,
    };
    transforms
        .iter()
        .try_fold(value, |value, it| Some(step(it, value)).filter(|value| !is_blank(value)))
}

fn join<'a>(mut values: impl Iterator<Item = &'a str>, separator: &str) -> Option<Cow<'a, str>> {
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
    let mut joined = [first, separator, second].concat();
    for value in values {
        joined.push_str(separator);
        joined.push_str(value);
    }
    Some(joined.into())
}

/// The value after one transform; a new text only where it differs.
fn step<'a>(transform: &'a Transform, value: Cow<'a, str>) -> Cow<'a, str> {
    match transform {
        Transform::Trim => match value {
            Cow::Borrowed(text) => text.trim().into(),
            Cow::Owned(text) => text.trim().to_owned().into(),
        },
        Transform::Lower if value.is_ascii() => {
            let differs = value.bytes().any(|b| b.is_ascii_uppercase());
            if differs { value.to_ascii_lowercase().into() } else { value }
        }
        Transform::Lower => value.to_lowercase().into(),
        Transform::Upper if value.is_ascii() => {
            let differs = value.bytes().any(|b| b.is_ascii_lowercase());
            if differs { value.to_ascii_uppercase().into() } else { value }
        }
        Transform::Upper => value.to_uppercase().into(),
        Transform::TitleCase => title_case(&value).into(),
        Transform::Replace(from, _) if !value.contains(from.as_str()) => value,
        Transform::Replace(from, to) => value.replace(from, to).into(),
        Transform::Regex(regex, to) => match regex.replace_all(&value, to.as_str()) {
            Cow::Borrowed(_) => value,
            Cow::Owned(text) => text.into(),
        },
        Transform::Prefix(prefix) => format!("{prefix}{value}").into(),
        Transform::Suffix(suffix) => format!("{value}{suffix}").into(),
        Transform::MaxLength(limit) => {
            let end = end_of(&value, *limit);
            match value {
                Cow::Borrowed(text) => text[..end].into(),
                Cow::Owned(mut text) => {
                    text.truncate(end);
                    text.into()
                }
            }
        }
        Transform::Map(map, default) => match (look_up(map, &value), default) {
            (Some(found), _) | (None, Some(found)) => found.into(),
            (None, None) => value,
        },
        Transform::Join(_) | Transform::FirstNonEmpty => value,
    }
}

/// Where the longest start of `text` ends that has at most `limit` UTF-16 units, as Halo's database
/// counts; never within a character.
fn end_of(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    let mut units = 0;
    text.char_indices()
        .find(|(_, c)| {
            units += c.len_utf16();
            units > limit
        })
        .map_or(text.len(), |(start, _)| start)
}

fn look_up<'a>(map: &'a BTreeMap<String, String>, value: &str) -> Option<&'a String> {
    let loosely = || map.iter().find(|(key, _)| equal(Case::Insensitive, key, value));
    map.get(value.trim()).or_else(|| loosely().map(|(_, found)| found))
}

/// Words begin at the start, after white space and after punctuation. After an apostrophe only if
/// one letter stands before it: `O'Brien`, but `Women's`.
fn title_case(text: &str) -> String {
    let mut title = String::with_capacity(text.len());
    let mut letters = 0;
    for c in text.to_lowercase().chars() {
        let apostrophe = matches!(c, '\'' | '’');
        if apostrophe || separates(c) {
            title.push(c);
            if !apostrophe || letters == 1 {
                letters = 0;
            }
        } else if letters == 0 {
            letters = push_capital(&mut title, c);
        } else {
            title.push(c);
            letters += 1;
        }
    }
    title
}

fn separates(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_punctuation() || matches!(c, '‐'..='―' | '“' | '”' | '„' | '‘')
}

/// Adds the capital of `c` and says how many characters that made: some capitals are two letters, of
/// which the second stays small (`ß` becomes `Ss`).
fn push_capital(title: &mut String, c: char) -> usize {
    // Georgian has capitals for whole texts only, never for the first letter of a word.
    if matches!(c, 'ა'..='ჿ') {
        title.push(c);
        return 1;
    }
    let start = title.len();
    let mut capital = c.to_uppercase();
    title.extend(capital.next());
    title.extend(capital.flat_map(char::to_lowercase));
    title[start..].chars().count()
}
