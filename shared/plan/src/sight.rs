//! A person as the rules look at them: each property that some rule names is looked up once, whatever
//! number of rules look at it.

use std::cmp::Ordering;

use crate::document::Source;
use crate::facts::{self, Facts, Value};
use crate::fields::{Kind, LAST_SIGN_IN, ManagerView, Values, View, is_blank, one, values};

/// The properties that rules name, in the order of their names.
#[derive(Debug)]
pub(crate) struct Names(Vec<Name>);

#[derive(Debug)]
struct Name {
    text: Box<str>,
    start: u64,
    /// Where the property stands in a [`Sight`].
    place: usize,
}

/// The first bytes of a name as a number in the same order, so that most names are told apart by one
/// comparison.
fn start(name: &str) -> u64 {
    if let Some(chunk) = name.as_bytes().first_chunk() {
        return u64::from_be_bytes(*chunk);
    }
    let bytes = name.bytes().fold(0, |sum, byte| sum << 8 | u64::from(byte));
    bytes << (64 - 8 * name.len().max(1))
}

// What everybody is looked at for; the first places.
const KIND: usize = 0;
const PRINCIPAL_NAME: usize = 1;
const INVITATION: usize = 2;
const ENABLED: usize = 3;

impl Default for Names {
    fn default() -> Self {
        let mut names = Self(Vec::new());
        for name in ["userType", "userPrincipalName", "externalUserState", "accountEnabled"] {
            names.place(name);
        }
        names
    }
}

/// Where the values of a source are.
#[derive(Clone, Copy, Debug)]
pub enum Spot<'a> {
    /// A property, by its place.
    Property(usize, Kind),
    /// The manager's property of this name.
    Manager(&'a str),
    /// This text.
    Const(&'a str),
}

impl Names {
    /// The place of a property, which it gets now if it has none yet.
    pub(crate) fn place(&mut self, name: &str) -> usize {
        match self.0.binary_search_by(|known| (*known.text).cmp(name)) {
            Ok(index) => self.0[index].place,
            Err(index) => {
                let place = self.0.len();
                self.0.insert(index, Name { text: name.into(), start: start(name), place });
                place
            }
        }
    }

    /// Where a source's values are.
    pub(crate) fn spot<'a>(&mut self, source: &'a Source) -> Spot<'a> {
        match source {
            Source::Property(name) => Spot::Property(self.place(name), Kind::Any),
            Source::Manager(name) => Spot::Manager(name),
            Source::PrimaryAddress => {
                Spot::Property(self.place("proxyAddresses"), Kind::PrimaryAddress)
            }
            Source::AllAddresses => Spot::Property(self.place("proxyAddresses"), Kind::Address),
            Source::LastSignIn => Spot::Property(self.place(LAST_SIGN_IN), Kind::Any),
            Source::Const(text) => Spot::Const(text),
        }
    }
}

/// A person, looked at through [`Names`].
#[derive(Debug)]
pub(crate) struct Sight<'a> {
    /// The person and the manager.
    pub(crate) view: View<'a>,
    /// The person's object id as text.
    pub(crate) id: &'a str,
    /// Whether the person is external (P4).
    pub(crate) external: bool,
    /// Whether the account is enabled (L2, R6).
    pub(crate) enabled: bool,
    values: Vec<Option<&'a Value>>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(names: &Names, view: View<'a>, id: &'a str) -> Self {
        let values = looked_up(names, view.facts);
        let text = |place: usize| values[place].map(Value::as_text);
        let external = facts::is_external(
            text(KIND),
            text(PRINCIPAL_NAME).unwrap_or_default(),
            text(INVITATION).is_some(),
        );
        let enabled = values[ENABLED] != Some(&Value::Bool(false));
        Self { view, id, external, enabled, values }
    }

    /// The property at a place.
    pub(crate) fn value(&self, place: usize) -> Option<&'a Value> {
        self.values.get(place).copied().flatten()
    }

    /// The first value of a source.
    pub(crate) fn first(&self, spot: Spot<'a>) -> Option<&'a str> {
        match spot {
            Spot::Property(place, Kind::Any) => match self.value(place)? {
                Value::Text(text) => (!is_blank(text)).then_some(text),
                Value::Bool(_) | Value::List(_) => self.read(spot).next(),
            },
            Spot::Property(..) | Spot::Manager(_) | Spot::Const(_) => self.read(spot).next(),
        }
    }

    /// Reads a source. `manager.*` has no values while the manager is not known.
    pub(crate) fn read(&self, spot: Spot<'a>) -> Values<'a> {
        match spot {
            Spot::Property(place, kind) => values(self.value(place), kind),
            Spot::Manager(name) => match self.view.manager {
                ManagerView::Known { facts, .. } => values(facts.properties.get(name), Kind::Any),
                ManagerView::None | ManagerView::NotReadYet => one(None),
            },
            Spot::Const(text) => one(Some(text)),
        }
    }
}

/// The properties of a person in the places of their names. Both stand in the same order, so one look
/// at each is enough.
fn looked_up<'a>(names: &Names, facts: &'a Facts) -> Vec<Option<&'a Value>> {
    let mut values = vec![None; names.0.len()];
    let mut wanted = names.0.iter();
    let mut name = wanted.next();
    for (property, value) in &facts.properties {
        let begins = start(property);
        while let Some(Name { text, start, place }) = name {
            match start.cmp(&begins).then_with(|| (**text).cmp(property.as_str())) {
                Ordering::Greater => break,
                Ordering::Equal => values[*place] = Some(value),
                Ordering::Less => {}
            }
            name = wanted.next();
        }
    }
    values
}
