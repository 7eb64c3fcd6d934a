//! Field mapping rows: what a person's facts say a Halo record should hold, and what that changes
//! (F3–F8).

pub mod transforms;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::btree_map;
use std::iter::Peekable;
use std::slice;

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::document::{Empty, FieldRow, WriteMode};
use crate::explain::Reason;
use crate::facts::{Facts, Value};
use crate::ids::{RecordId, SiteId};
use crate::link::{FieldChange, Fields, HaloValue, Target};
use crate::sight::{Sight, Spot};

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
    Known {
        /// They.
        facts: &'a Facts,
        /// The agent that the manager is.
        agent: Option<RecordId>,
    },
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
pub enum Kind {
    /// All.
    Any,
    /// The primary address.
    PrimaryAddress,
    /// All addresses.
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

/// The values of a property.
pub(crate) fn values(value: Option<&Value>, kind: Kind) -> Values<'_> {
    match value {
        None => one(None),
        Some(Value::Text(text)) => Values { list: Listed::One(Some(text)), kind },
        Some(Value::List(list)) => Values { list: Listed::Many(list.iter()), kind },
        Some(value @ Value::Bool(_)) => one(Some(value.as_text())),
    }
}

/// One value, or none.
pub(crate) fn one(value: Option<&str>) -> Values<'_> {
    Values { list: Listed::One(value), kind: Kind::Any }
}

/// Whether a text is nothing but white space.
pub(crate) fn is_blank(text: &str) -> bool {
    // Nearly all texts begin with a letter.
    match text.as_bytes().first() {
        None => true,
        Some(b'!'..=b'~') => false,
        Some(_) => text.trim_start().is_empty(),
    }
}
/// Something that is written of a record, made ready.
#[derive(Debug)]
pub struct Column<'a> {
    /// Where it goes.
    pub target: Target,
    /// The length that Halo allows, in UTF-16 units as its database counts; `None` = not limited.
    pub limit: Option<usize>,
    /// Where it comes from.
    pub feed: Feed<'a>,
    /// Where the values of a row's sources are.
    pub spots: Vec<Spot<'a>>,
}

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug)]
pub enum Feed<'a> {
    /// A field row.
    Row(&'a FieldRow),
    /// A field row for a switch.
    Switch(&'a FieldRow),
    /// The agent that the person's manager is, as a row asks for it (F6).
    ManagersAgent(&'a FieldRow),
    /// The site of the mapping (P6).
    Site,
    /// The object id, always written (F7).
    ObjectId,
    /// The tenant, always written (F7).
    Tenant,
    /// The agent that the person is (P1).
    Agent,
    /// The last sign-in (D8).
    LastSignIn,
    /// The kind of licence (P7).
    Licence,
}

impl Feed<'_> {
    /// Whether the value is the manager's agent.
    pub fn points_at_manager(&self) -> bool {
        matches!(self, Feed::ManagersAgent(_))
    }
}

impl Column<'_> {
    /// A field that is written whatever the rows say.
    pub fn own(name: &str, feed: Feed<'static>) -> Self {
        Self { target: Target::field(name), limit: None, feed, spots: Vec::new() }
    }

    /// When it is written (F5).
    fn mode(&self) -> WriteMode {
        match self.feed {
            Feed::Row(row) | Feed::Switch(row) | Feed::ManagersAgent(row) => row.write,
            Feed::Site
            | Feed::ObjectId
            | Feed::Tenant
            | Feed::Agent
            | Feed::LastSignIn
            | Feed::Licence => WriteMode::Always,
        }
    }

    /// Whether its value may be refused, or may have to wait for the manager, which is said whether it
    /// is written or not.
    fn may_complain(&self) -> bool {
        self.limit.is_some()
            || matches!(self.feed, Feed::Switch(_))
            || self.spots.iter().any(|spot| matches!(spot, Spot::Manager(_)))
    }
}

/// What the columns are filled from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    /// The person and the manager.
    pub(crate) sight: &'a Sight<'a>,
    /// The tenant.
    pub(crate) tenant: &'a str,
    /// The site, for users.
    pub(crate) site: Option<SiteId>,
    /// The agent that the person is, for users.
    pub(crate) agent: Option<RecordId>,
    /// Halo's number for the licence, for agents; `None` = as it is.
    pub(crate) licence: Option<i64>,
}

/// What a target should hold, and when it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish<'a> {
    /// Where.
    pub target: &'a Target,
    /// The value; an empty text clears the target.
    pub value: Wanted<'a>,
    /// When (F5).
    pub write: WriteMode,
}

/// A wished value, borrowed where it can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A number.
    Int(i64),
    /// A switch.
    Bool(bool),
}

impl Wanted<'_> {
    fn into_value(self) -> HaloValue {
        match self {
            Wanted::Text(text) => HaloValue::Text(text.into_owned()),
            Wanted::Int(number) => HaloValue::Int(number),
            Wanted::Bool(on) => HaloValue::Bool(on),
        }
    }

    /// Halo writes a reference to nobody as 0.
    fn is_nothing(&self) -> bool {
        match self {
            Wanted::Text(text) => is_blank(text),
            Wanted::Int(number) => *number == 0,
            Wanted::Bool(on) => !on,
        }
    }

    /// Sources give text, also for a target that Halo answers as a number or a switch.
    fn is(&self, held: &HaloValue) -> bool {
        match (self, held) {
            (Wanted::Text(text), HaloValue::Text(held)) => {
                text == held || text.trim() == held.trim()
            }
            (Wanted::Int(number), HaloValue::Int(held)) => number == held,
            (Wanted::Text(text), held) => text.trim() == held.to_string(),
            (Wanted::Int(number), held) => held.to_string().trim() == number.to_string(),
            (Wanted::Bool(on), held) => held.to_string().trim() == on.to_string(),
        }
    }
}

/// What must be sent to a record, and whether enough is known of it to say so.
#[derive(Debug, PartialEq)]
pub(crate) struct Differences {
    /// What is sent, in order of the targets.
    pub(crate) changes: Vec<FieldChange>,
    /// Whether a row that writes only into an empty field has something for one that was never read.
    pub(crate) unread: bool,
}

/// What must be sent so that the record is as the columns, in order of their targets, want it.
/// `Err` = values that do not fit their field (F8).
pub(crate) fn differences<'a>(
    columns: &'a [Column<'a>],
    from: &Filling<'a>,
    record: Record<'_>,
    notes: &mut Vec<Reason>,
) -> Result<Differences, Vec<Reason>> {
    let mut problems = Vec::new();
    let mut held = Held::new(record);
    let mut differences = Differences { changes: Vec::new(), unread: false };
    for column in columns {
        let before = held.at(&column.target);
        // Nobody needs to know what a row would write that is not due, unless it cannot be written.
        if !column.may_complain() && !held.is_due(column.mode(), before) {
            continue;
        }
        let Some((value, write)) = value(column, from, notes) else { continue };
        if let Some(problem) = refused(column, &value) {
            problems.push(problem);
            continue;
        }
        held.compare(Wish { target: &column.target, value, write }, before, &mut differences);
    }
    if problems.is_empty() { Ok(differences) } else { Err(problems) }
}

/// A column's value and when it is written; `None` = the target is left as it is.
fn value<'a>(
    column: &'a Column<'a>,
    from: &Filling<'a>,
    notes: &mut Vec<Reason>,
) -> Option<(Wanted<'a>, WriteMode)> {
    let always = |value| Some((value, WriteMode::Always));
    let number = |number: Option<i64>| number.and_then(|it| always(Wanted::Int(it)));
    match column.feed {
        Feed::Switch(row) => {
            let text = text(row, &column.spots, from.sight, notes)?;
            Some((switch(&text).map_or(Wanted::Text(text), Wanted::Bool), row.write))
        }
        Feed::Row(row) => {
            Some((Wanted::Text(text(row, &column.spots, from.sight, notes)?), row.write))
        }
        Feed::ManagersAgent(row) => {
            let value = managers_agent(row, &from.sight.view, &column.target, notes)?;
            Some((Wanted::Int(value), row.write))
        }
        Feed::Site => number(from.site.map(|site| site.0)),
        Feed::Agent => number(from.agent.map(|agent| agent.id)),
        Feed::Licence => number(from.licence),
        Feed::ObjectId => always(Wanted::Text(from.sight.id.into())),
        Feed::Tenant => always(Wanted::Text(from.tenant.into())),
        Feed::LastSignIn => {
            let date = from.sight.view.facts.text(LAST_SIGN_IN).and_then(halo_date)?;
            always(Wanted::Text(date.into()))
        }
    }
}

/// The manager's agent; 0 clears the field where the row says so and there is no manager (F5, F6).
fn managers_agent(
    row: &FieldRow,
    view: &View<'_>,
    target: &Target,
    notes: &mut Vec<Reason>,
) -> Option<i64> {
    match view.manager {
        ManagerView::Known { agent: Some(agent), .. } => Some(agent.id),
        ManagerView::Known { agent: None, .. } | ManagerView::NotReadYet => {
            notes.push(Reason::ManagerNotAgent { field: target.to_string() });
            None
        }
        ManagerView::None => (row.empty == Empty::Clears).then_some(0),
    }
}

/// What a row wants written; `None` = leave the target as it is (F5, F6).
fn text<'a>(
    row: &'a FieldRow,
    spots: &[Spot<'a>],
    sight: &Sight<'a>,
    notes: &mut Vec<Reason>,
) -> Option<Cow<'a, str>> {
    if matches!(sight.view.manager, ManagerView::NotReadYet)
        && spots.iter().any(|spot| matches!(spot, Spot::Manager(_)))
    {
        if !notes.contains(&Reason::ManagerNotRead) {
            notes.push(Reason::ManagerNotRead);
        }
        return None;
    }
    // A list stands for its first value in a field (F3), except where all addresses were asked for.
    let written = match (spots, row.transforms.is_empty()) {
        ([spot], true) if !is_all(*spot) => sight.first(*spot).map(Cow::Borrowed),
        _ => {
            let count = |spot| if is_all(spot) { usize::MAX } else { 1 };
            let values = spots.iter().flat_map(|spot| sight.read(*spot).take(count(*spot)));
            transforms::run(&row.transforms, values)
        }
    };
    match (written, row.empty) {
        (Some(text), _) => Some(text),
        (None, Empty::Clears) => Some(Cow::Borrowed("")),
        (None, Empty::Leaves) => None,
    }
}

fn is_all(spot: Spot<'_>) -> bool {
    matches!(spot, Spot::Property(_, Kind::Address))
}

/// Why Halo cannot hold a value (F8).
fn refused(column: &Column<'_>, value: &Wanted<'_>) -> Option<Reason> {
    let Wanted::Text(text) = value else { return None };
    if matches!(column.feed, Feed::Switch(_)) {
        return Some(Reason::ValueNotASwitch { field: column.target.to_string() });
    }
    let (length, limit) = too_long(text, column.limit)?;
    Some(Reason::ValueTooLong { field: column.target.to_string(), length, limit })
}

/// What a text says of a switch; nothing says no.
fn switch(text: &str) -> Option<bool> {
    let says = |words: [&str; 3]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    match text {
        _ if says(["true", "yes", "1"]) => Some(true),
        _ if is_blank(text) || says(["false", "no", "0"]) => Some(false),
        _ => None,
    }
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

/// The fields of a record, passed in the order of their targets, in which the columns stand.
struct Held<'a> {
    fields: Option<Peekable<btree_map::Iter<'a, Target, HaloValue>>>,
}

impl<'a> Held<'a> {
    fn new(record: Record<'a>) -> Self {
        match record {
            Record::New => Self { fields: None },
            Record::Known(fields) => Self { fields: Some(fields.iter().peekable()) },
        }
    }

    fn is_new(&self) -> bool {
        self.fields.is_none()
    }

    /// What the record holds at a target that is not before an earlier one.
    fn at(&mut self, target: &Target) -> Option<&'a HaloValue> {
        let fields = self.fields.as_mut()?;
        loop {
            let (next, value) = fields.peek()?;
            match (*next).cmp(target) {
                Ordering::Less => fields.next(),
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            };
        }
    }

    /// Whether a row of this mode writes at all (F5).
    fn is_due(&self, write: WriteMode, before: Option<&HaloValue>) -> bool {
        self.is_new()
            || match write {
                WriteMode::Always => true,
                WriteMode::OnCreate => false,
                WriteMode::IfEmpty => before.is_none_or(holds_nothing),
            }
    }

    /// Adds what must be sent for a wish: only what differs (H3). Text is the same if it differs only in
    /// white space at its ends, and nothing is the same as empty.
    fn compare(&self, wish: Wish<'_>, before: Option<&HaloValue>, to: &mut Differences) {
        let differs = match before.filter(|value| !holds_nothing(value)) {
            Some(held) => !wish.value.is(held),
            None if !wish.value.is_nothing() => true,
            // A new record gets numbers also where they are Halo's default, which nobody documents.
            None => self.is_new() && matches!(wish.value, Wanted::Int(_)),
        };
        if differs && self.is_due(wish.write, before) {
            to.unread |= wish.write == WriteMode::IfEmpty && before.is_none() && !self.is_new();
            to.changes.push(FieldChange {
                field: wish.target.clone(),
                before: before.cloned(),
                after: wish.value.into_value(),
            });
        }
    }
}

fn holds_nothing(value: &HaloValue) -> bool {
    match value {
        HaloValue::Text(text) => is_blank(text),
        // Halo writes a reference to nobody as 0.
        HaloValue::Int(0) => true,
        HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Ids(_) => value.is_empty(),
    }
}
