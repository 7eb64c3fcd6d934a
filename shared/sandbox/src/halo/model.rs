//! The state of a simulated Halo: its records, what was written to it, and its clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::auth::Application;
use super::fields::Set;
use super::index::UserIndex;
use super::kinds::Kind;
use super::knobs::{Fault, Knobs};
use super::{API_AGENT_ID, Write};

/// The properties of a record that somebody set, by lower-case name.
pub(super) type Row = Map<String, Value>;

/// The contact that every site has and nobody may touch.
pub(super) const GENERAL_USER: &str = "General User";

/// Records of one kind in order of id. An id is never used twice.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<i64, Row>,
    last_id: i64,
}

/// What tells the time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    Virtual(Timestamp),
    System,
}

/// A fault that waits for its request.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) path_prefix: String,
    pub(super) method: String,
    pub(super) skip: usize,
    pub(super) left: usize,
    pub(super) fault: Fault,
}

/// Everything a simulated Halo knows.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) knobs: Knobs,
    pub(super) clock: Clock,
    pub(super) application: Application,
    pub(super) writes: Vec<Write>,
    pub(super) scripts: Vec<Script>,
    /// When the requests of the current rate-limit window were served, oldest first.
    pub(super) served: VecDeque<Timestamp>,
    pub(super) users: UserIndex,
    /// Ids of listings already worked out, by kind and filter; emptied by every change, so that
    /// paging through a large table filters it once.
    pub(super) listings: BTreeMap<(Kind, String), Arc<[i64]>>,
    tables: BTreeMap<Kind, Table>,
}

impl Model {
    pub(super) fn new() -> Self {
        let mut model = Self {
            knobs: Knobs::default(),
            clock: Clock::Virtual(Timestamp::UNIX_EPOCH),
            application: Application::default(),
            writes: Vec::new(),
            scripts: Vec::new(),
            served: VecDeque::new(),
            users: UserIndex::default(),
            listings: BTreeMap::new(),
            tables: Kind::ALL.into_iter().map(|kind| (kind, Table::default())).collect(),
        };
        let api_agent = json!({"name": "Entra import", "email": "entra-import@halo.example",
            "isapiagent": true, "is_admin": true});
        model.put(Kind::Agents, API_AGENT_ID, object(&api_agent));
        model
    }

    pub(super) fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Virtual(now) => now,
            #[allow(clippy::disallowed_methods, reason = "the demo's Halo lives in real time")]
            Clock::System => Timestamp::now(),
        }
    }

    pub(super) fn advance(&mut self, seconds: i64) {
        let now = self.now() + SignedDuration::from_secs(seconds);
        self.clock = Clock::Virtual(now);
    }

    /// Now as Halo writes it: UTC without a zone.
    pub(super) fn stamp(&self) -> Value {
        json!(self.now().strftime("%Y-%m-%dT%H:%M:%S").to_string())
    }

    pub(super) fn table(&self, kind: Kind) -> &Table {
        self.tables.get(&kind).expect("every kind has a table")
    }

    pub(super) fn row(&self, kind: Kind, id: i64) -> Option<&Row> {
        self.table(kind).rows.get(&id)
    }

    /// The record if the API agent may see it.
    pub(super) fn visible_row(&self, kind: Kind, id: i64) -> Option<&Row> {
        self.row(kind, id).filter(|row| self.is_visible(kind, id, row))
    }

    pub(super) fn next_id(&self, kind: Kind) -> i64 {
        self.table(kind).last_id + 1
    }

    /// Stores a record in place of what had its id.
    pub(super) fn put(&mut self, kind: Kind, id: i64, row: Row) {
        self.listings.clear();
        if kind == Kind::Users {
            self.users.put(id, &row);
        }
        let table = self.tables.get_mut(&kind).expect("every kind has a table");
        table.last_id = table.last_id.max(id);
        table.rows.insert(id, row);
    }

    pub(super) fn remove(&mut self, kind: Kind, id: i64) {
        self.listings.clear();
        if kind == Kind::Users {
            self.users.remove(id);
        }
        self.tables.get_mut(&kind).expect("every kind has a table").rows.remove(&id);
    }

    /// Gives a site its General User unless it has one.
    pub(super) fn ensure_general_user(&mut self, site_id: i64) {
        let exists = self.users.general_user_of(site_id);
        if !exists {
            let row = object(&json!({"name": GENERAL_USER, "site_id": site_id}));
            self.put(Kind::Users, self.next_id(Kind::Users), row);
        }
    }

    /// Adds a record as a test describes it: known properties of the right types, with or
    /// without an id.
    pub(super) fn add(&mut self, kind: Kind, record: &Value) -> i64 {
        let mut row = object(record);
        let id = take_id(&mut row).unwrap_or_else(|| self.next_id(kind));
        let taken = self.row(kind, id).is_some_and(|_| (kind, id) != (Kind::Agents, API_AGENT_ID));
        assert!(!taken, "{} {id} is there already", kind.path());
        check_added(kind, &row);
        if let Some((name, parent)) = kind.parent() {
            let exists = self.row(parent, int(&row, name)).is_some();
            assert!(exists, "{name} names no {}: {record}", parent.path());
        }
        let mut stored = Row::new();
        self.merge(kind, id, &mut stored, &row);
        self.put(kind, id, stored);
        id
    }

    /// Whether the API agent may see the record.
    pub(super) fn is_visible(&self, kind: Kind, id: i64, row: &Row) -> bool {
        let hidden = &self.knobs.hidden_clients;
        if hidden.is_empty() {
            return true;
        }
        let client = match kind {
            Kind::Users => self.client_of_site(int(row, "site_id")),
            Kind::Sites => int(row, "client_id"),
            Kind::Clients => id,
            Kind::Agents
            | Kind::Roles
            | Kind::UserRoles
            | Kind::Cabs
            | Kind::CabMembers
            | Kind::Teams
            | Kind::TopLevels
            | Kind::Organisations
            | Kind::Licences
            | Kind::FieldInfo
            | Kind::UserChanges
            | Kind::LicenceChanges => return true,
        };
        !hidden.contains(&client)
    }

    pub(super) fn client_of_site(&self, site_id: i64) -> i64 {
        self.row(Kind::Sites, site_id).map_or(0, |site| int(site, "client_id"))
    }
}

/// Stops a test that adds what Halo could not hold.
fn check_added(kind: Kind, row: &Row) {
    for (name, value) in row {
        let field = kind.field(name);
        // Roles alone have a text id beside their number.
        let known = field.is_some_and(|field| field.set == Set::Posted)
            || (kind == Kind::Roles && name == "id");
        assert!(known, "{} has no settable property {name}", kind.path());
        let mistake = field.and_then(|field| field.holds.mistake(value));
        assert!(mistake.is_none() || value.is_null(), "{name} of {}: {mistake:?}", kind.path());
    }
}

/// Properties of a JSON object by lower-case name.
pub(super) fn object(record: &Value) -> Row {
    let properties = record.as_object().expect("a record is a JSON object");
    properties.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

/// Takes the number out of a record; a text id, as roles have, stays.
pub(super) fn take_id(row: &mut Row) -> Option<i64> {
    let number =
        ["id_int", "id"].into_iter().find(|name| row.get(*name).is_some_and(Value::is_i64));
    let id = number.and_then(|name| row.remove(name)).and_then(|id| id.as_i64());
    id.filter(|id| *id > 0)
}

/// A whole number of a record; 0 without one, which is no record's id.
pub(super) fn int(row: &Row, name: &str) -> i64 {
    row.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// A text of a record; empty without one.
pub(super) fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn flag(row: &Row, name: &str) -> bool {
    row.get(name).and_then(Value::as_bool).unwrap_or_default()
}
