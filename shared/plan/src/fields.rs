//! Field mapping rows: what a person's facts say a Halo record should hold, and what that changes
//! (F3–F8).

pub mod transforms;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::slice;

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::document::{Empty, FieldRow, RowTarget, Source, WriteMode};
use crate::explain::Reason;
use crate::facts::{Facts, Value};
use crate::link::{FieldChange, Fields, HaloValue, Target};

/// Name under which the last sign-in stands among the properties (D8).
pub const LAST_SIGN_IN: &str = "lastSignInDateTime";

/// Years up to this one stand for "no date", as `0001-01-01T00:00:00Z` does.
const NO_DATE: i16 = 1900;

/// A date as Halo takes it: to the second, in UTC and without saying so, `2026-01-15T10:17:06`.
/// `None` for what is no date.
pub fn halo_date(graph: &str) -> Option<String> {
    Some(Offset::UTC.to_datetime(moment(graph)?).to_string())
}

/// A date as Graph writes it, without the fractions of its second.
pub(crate) fn moment(graph: &str) -> Option<Timestamp> {
    let exact: Timestamp = graph.trim().parse().ok()?;
    let dated = Offset::UTC.to_datetime(exact).year() > NO_DATE;
    Timestamp::from_second(exact.as_second()).ok().filter(|_| dated)
}

/// What values can be read from: the person's facts and, when known, the manager's.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The person.
    pub facts: &'a Facts,
    /// The person's manager.
    pub manager: ManagerView<'a>,
}

/// What is known of a person's manager (F6).
#[derive(Clone, Copy, Debug)]
pub enum ManagerView<'a> {
    /// Entra says that there is none.
    None,
    /// The manager's own facts.
    Known(&'a Facts),
    /// There is one, but the facts are not here yet: rows that name the manager are neither written
    /// nor cleared until they arrive.
    NotReadYet,
}

/// The values of a source, in Graph's order; text of nothing but white space is no value.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    list: Listed<'a>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Listed<'a> {
    One(Option<&'a str>),
    Many(slice::Iter<'a, String>),
}

/// Which entries of a list are values.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Any,
    PrimaryAddress,
    Address,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let kind = self.kind;
        let value = |entry: &'a str| kind.value(entry).filter(|text| !is_blank(text));
        match &mut self.list {
            Listed::One(one) => one.take().and_then(value),
            Listed::Many(list) => list.find_map(|entry| value(entry)),
        }
    }
}

impl Kind {
    /// What an entry says. Exchange writes the primary address with `SMTP:`, the other ones with
    /// `smtp:`, and puts addresses that are no e-mail (`X500:`, `SIP:` …) into the same list
    /// (Microsoft Graph documentation, `proxyAddresses`).
    fn value(self, entry: &str) -> Option<&str> {
        match self {
            Kind::Any => Some(entry),
            Kind::PrimaryAddress => entry.strip_prefix("SMTP:"),
            Kind::Address => match entry.split_once(':') {
                Some((kind, address)) => kind.eq_ignore_ascii_case("smtp").then_some(address),
                None => Some(entry),
            },
        }
    }
}

/// Reads a source. `manager.*` has no values while the manager is not known.
pub fn read<'a>(source: &'a Source, view: &View<'a>) -> Values<'a> {
    match source {
        Source::Property(name) => property(view.facts, name, Kind::Any),
        Source::Manager(name) => match view.manager {
            ManagerView::Known(manager) => property(manager, name, Kind::Any),
            ManagerView::None | ManagerView::NotReadYet => one(None),
        },
        Source::PrimaryAddress => property(view.facts, "proxyAddresses", Kind::PrimaryAddress),
        Source::AllAddresses => property(view.facts, "proxyAddresses", Kind::Address),
        Source::LastSignIn => property(view.facts, LAST_SIGN_IN, Kind::Any),
        Source::Const(text) => one(Some(text)),
    }
}

fn property<'a>(facts: &'a Facts, name: &str, kind: Kind) -> Values<'a> {
    match facts.properties.get(name) {
        None => one(None),
        Some(Value::Text(text)) => Values { list: Listed::One(Some(text)), kind },
        Some(Value::List(list)) => Values { list: Listed::Many(list.iter()), kind },
        Some(value @ Value::Bool(_)) => one(Some(value.as_text())),
    }
}

fn one(value: Option<&str>) -> Values<'_> {
    Values { list: Listed::One(value), kind: Kind::Any }
}

fn is_blank(text: &str) -> bool {
    text.trim_start().is_empty()
}

/// What a target should hold, and when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The value; an empty text clears the target.
    pub value: HaloValue,
    /// When (F5).
    pub write: WriteMode,
}

/// What the rows of a list want of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By target; a target that is to be left as it is does not stand here.
    pub wishes: BTreeMap<Target, Wish>,
    /// Values that do not fit their field, which are therefore no wishes (F8).
    pub problems: Vec<Reason>,
}

/// Evaluates the rows. `limit` gives the length that Halo allows a target, in UTF-16 units as its
/// database counts; `None` = not limited. A custom field whose id is not pinned yet wants nothing.
pub fn wanted(
    rows: &[FieldRow],
    view: &View<'_>,
    limit: impl Fn(&Target) -> Option<usize>,
) -> Wanted {
    let mut wanted = Wanted::default();
    for row in rows {
        let Some(target) = target(&row.to) else { continue };
        let Some(text) = text(row, view) else { continue };
        if let Some((length, limit)) = too_long(&text, limit(&target)) {
            let field = target.to_string();
            wanted.problems.push(Reason::ValueTooLong { field, length, limit });
        } else {
            let wish = Wish { value: HaloValue::Text(text), write: row.write };
            wanted.wishes.insert(target, wish);
        }
    }
    wanted
}

fn target(to: &RowTarget) -> Option<Target> {
    match to {
        RowTarget::Field(name) => Some(Target::field(name)),
        RowTarget::Custom { id, .. } => id.map(Target::Custom),
    }
}

/// What a row wants written; `None` = leave the target as it is (F5, F6).
fn text(row: &FieldRow, view: &View<'_>) -> Option<String> {
    if matches!(view.manager, ManagerView::NotReadYet)
        && row.from.iter().any(|source| matches!(source, Source::Manager(_)))
    {
        return None;
    }
    let values = row.from.iter().flat_map(|source| field_values(source, view));
    match (transforms::run(&row.transforms, values), row.empty) {
        (Some(text), _) => Some(text),
        (None, Empty::Clears) => Some(String::new()),
        (None, Empty::Leaves) => None,
    }
}

/// A list stands for its first value in a field (F3), except where all were asked for.
fn field_values<'a>(source: &'a Source, view: &View<'a>) -> impl Iterator<Item = &'a str> {
    let count = if *source == Source::AllAddresses { usize::MAX } else { 1 };
    read(source, view).take(count)
}

fn too_long(text: &str, limit: Option<usize>) -> Option<(usize, usize)> {
    let limit = limit?;
    // Never more UTF-16 units than bytes, so that most texts need no counting.
    if text.len() <= limit {
        return None;
    }
    let length = text.encode_utf16().count();
    (length > limit).then_some((length, limit))
}

/// The record that wishes are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// It is made now.
    New,
    /// It exists and holds this; a field that is not here holds nothing.
    Known(&'a Fields),
}

/// What must be sent so that the record is as wished: only what differs (H3), in order of the
/// targets. Text is the same if it differs only in white space at its ends, and nothing is the same
/// as empty.
pub fn changes(wishes: &BTreeMap<Target, Wish>, record: Record<'_>) -> Vec<FieldChange> {
    wishes.iter().filter_map(|(target, wish)| change(target, wish, record)).collect()
}

fn change(target: &Target, wish: &Wish, record: Record<'_>) -> Option<FieldChange> {
    let before = match record {
        Record::New => None,
        Record::Known(fields) => fields.get(target),
    };
    let held = before.filter(|value| !holds_nothing(value));
    let due = match (record, wish.write) {
        (Record::New, _) | (Record::Known(_), WriteMode::Always) => true,
        (Record::Known(_), WriteMode::OnCreate) => false,
        (Record::Known(_), WriteMode::IfEmpty) => held.is_none(),
    };
    let differs = match held {
        None => !holds_nothing(&wish.value),
        Some(held) => !same(held, &wish.value),
    };
    (due && differs).then(|| FieldChange {
        field: target.clone(),
        before: before.cloned(),
        after: wish.value.clone(),
    })
}

fn holds_nothing(value: &HaloValue) -> bool {
    match value {
        HaloValue::Text(text) => is_blank(text),
        HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Ids(_) => value.is_empty(),
    }
}

fn same(a: &HaloValue, b: &HaloValue) -> bool {
    match (a, b) {
        (HaloValue::Text(a), HaloValue::Text(b)) => a.trim() == b.trim(),
        // Sources give text, also for a target that Halo answers as a number or a switch.
        (HaloValue::Text(text), other) | (other, HaloValue::Text(text)) => {
            text.trim() == other.to_string()
        }
        _ => a == b,
    }
}
