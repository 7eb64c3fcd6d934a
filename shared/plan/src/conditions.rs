//! Conditions of mappings: whether one holds of a person, and if not, which value was in the way (P5).
//!
//! A source without a value counts as an empty text, so `not_equals` holds of it and `contains`
//! does not. Of several values one is enough; a negation wants that none fits.

#[cfg(test)]
mod tests;

use crate::document::{Case, Condition, Test};
use crate::fields::Values;

/// The value that made a condition fail, for the log: several joined by a comma, cut to
/// 200 characters; empty = there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saw(pub String);

/// Keeps log entries small where a person has hundreds of addresses.
const SAW_LIMIT: usize = 200;

/// Whether `condition` holds of the values of its field; if not, what was seen. Nothing is allocated for
/// one that holds.
///
/// `manager.*` has no value while the manager is unknown or not read yet.
pub fn holds(condition: &Condition, values: Values<'_>) -> Result<(), Saw> {
    if passes(&condition.test, condition.case, values.clone()) { Ok(()) } else { Err(saw(values)) }
}

fn passes(test: &Test, case: Case, mut values: Values<'_>) -> bool {
    let one_of = |list: &[String], value: &str| list.iter().any(|item| equal(case, value, item));
    match test {
        Test::In(list) => any(values, |value| one_of(list, value)),
        Test::NotIn(list) => !any(values, |value| one_of(list, value)),
        Test::StartsWith(part) => any(values, |value| starts_with(case, value, part)),
        Test::EndsWith(part) => any(values, |value| ends_with(case, value, part)),
        Test::Contains(part) => any(values, |value| contains(case, value, part)),
        Test::NotContains(part) => !any(values, |value| contains(case, value, part)),
        Test::Matches(regex) => any(values, |value| regex.is_match(value.trim())),
        Test::IsEmpty => values.next().is_none(),
        Test::IsNotEmpty => values.next().is_some(),
        Test::IsTrue => any(values, |value| equal(Case::Insensitive, value, "true")),
        Test::IsFalse => any(values, |value| equal(Case::Insensitive, value, "false")),
    }
}

fn any(mut values: Values<'_>, test: impl Fn(&str) -> bool) -> bool {
    match values.next() {
        None => test(""),
        Some(first) => test(first) || values.any(test),
    }
}

fn saw(mut values: Values<'_>) -> Saw {
    let mut text = values.next().map(str::to_owned).unwrap_or_default();
    for value in values {
        text.push_str(", ");
        text.push_str(value);
        if text.len() > 4 * SAW_LIMIT {
            break;
        }
    }
    // Never more characters than bytes, so that most texts need no counting.
    if text.len() > SAW_LIMIT
        && let Some((end, _)) = text.char_indices().nth(SAW_LIMIT)
    {
        text.truncate(end);
        text.push('…');
    }
    Saw(text)
}

/// A text without the white space at its ends; most have none.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// Whether two texts are the same, without the white space at their ends.
pub(crate) fn equal(case: Case, a: &str, b: &str) -> bool {
    let (a, b) = (trimmed(a), trimmed(b));
    match case {
        Case::Sensitive => a == b,
        Case::Insensitive if a.is_ascii() && b.is_ascii() => a.eq_ignore_ascii_case(b),
        Case::Insensitive => folded(a).eq(folded(b)),
    }
}

fn starts_with(case: Case, whole: &str, part: &str) -> bool {
    let (whole, part) = (whole.trim(), part.trim());
    match case {
        Case::Sensitive => whole.starts_with(part),
        Case::Insensitive => begins(folded(whole), folded(part)),
    }
}

fn ends_with(case: Case, whole: &str, part: &str) -> bool {
    let (whole, part) = (whole.trim(), part.trim());
    match case {
        Case::Sensitive => whole.ends_with(part),
        Case::Insensitive => begins(folded(whole).rev(), folded(part).rev()),
    }
}

fn contains(case: Case, whole: &str, part: &str) -> bool {
    let (whole, part) = (whole.trim(), part.trim());
    match case {
        Case::Sensitive => whole.contains(part),
        Case::Insensitive => {
            part.is_empty()
                || whole
                    .char_indices()
                    .any(|(start, _)| begins(folded(&whole[start..]), folded(part)))
        }
    }
}

fn begins(mut whole: impl Iterator<Item = char>, mut part: impl Iterator<Item = char>) -> bool {
    part.all(|c| whole.next() == Some(c))
}

/// The characters of a text without case, in a form that needs no memory. The two small sigmas are
/// one letter, so that a word in capitals equals the same word in small letters.
pub(crate) fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c })
}
