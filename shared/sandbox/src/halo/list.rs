//! Lists: which records match, in which order, on which page, in which envelope.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Refusal, Reply};
use super::call::Query;
use super::fields::Set;
use super::kinds::Kind;
use super::knobs::{AgentList, AzureSearch, RecordCount};
use super::model::{Model, Row, flag, int, text};
use super::render::{Extras, role_ids};

/// Rows on a page when `page_size` is missing.
const USUAL_PAGE: usize = 50;
/// Most rows that `count` gets.
const COUNT_CAP: usize = 1000;

/// One thing that a listed record must fulfil.
enum Test {
    /// A flag has a value.
    Flag(&'static str, bool),
    /// A whole number has a value.
    Int(&'static str, i64),
    /// A text contains this, which is in lower case.
    Contains(&'static str, String),
    /// A property that a user search looks at contains this, which is in lower case.
    Searched(String),
    /// A shown property reads so, whatever its case.
    Equals(String, String),
    /// The user belongs to the client.
    OfClient(i64),
    /// The role is held.
    HasRole(i64),
    /// The licence is held.
    HasLicence(i64),
    /// The text is not empty.
    IsSet(&'static str),
    /// It is not a site's General User.
    NotGeneralUser,
    /// It is nobody's user account of an agent.
    NotAgent,
}

impl Model {
    /// Answers `GET` of a whole kind.
    pub(super) fn list(&mut self, kind: Kind, query: &Query) -> Reply {
        match self.page(kind, query) {
            Ok(body) => Reply::json(200, &body),
            Err(refusal) => refusal.reply(self.knobs.refusals),
        }
    }

    fn page(&mut self, kind: Kind, query: &Query) -> Result<Value, Refusal> {
        let ids = self.matching(kind, query)?;
        if query.is_set("idonly") {
            let rows = ids.iter().map(|id| json!({ "id": id })).collect();
            return Ok(self.envelope(kind, rows, ids.len(), (1, ids.len())));
        }
        let asked = asked_page(query)?;
        let (shown, total) = match asked {
            Asked::Page { number, size } => {
                let size = size.clamp(1, self.knobs.page_cap);
                let from = (number - 1).saturating_mul(size).min(ids.len());
                (&ids[from..ids.len().min(from + size)], ids.len())
            }
            Asked::First(count) => {
                let count = count.min(COUNT_CAP).min(ids.len());
                (&ids[..count], count)
            }
            Asked::All => (&ids[..], ids.len()),
        };
        let extras = extras(query);
        let rows = shown.iter().map(|id| self.list_row(kind, *id, &extras)).collect();
        let said = match asked {
            Asked::Page { number, size } => (number, size),
            Asked::First(count) => (1, count),
            Asked::All => (1, ids.len()),
        };
        Ok(self.envelope(kind, rows, total, said))
    }

    fn envelope(&self, kind: Kind, rows: Vec<Value>, total: usize, said: (usize, usize)) -> Value {
        let key = match (kind, self.knobs.agent_list) {
            (Kind::Agents, AgentList::Results) => Some("results"),
            (Kind::Agents, AgentList::Agents) => Some("agents"),
            _ => kind.rows_key(),
        };
        let Some(key) = key else { return Value::Array(rows) };
        let mut body = json!({ "page_no": said.0, "page_size": said.1, "columns_id": 0 });
        match self.knobs.record_count {
            RecordCount::Total => body["record_count"] = json!(total),
            RecordCount::Page => body["record_count"] = json!(rows.len()),
            RecordCount::Missing => {}
        }
        body[key] = Value::Array(rows);
        body
    }

    /// Ids of the records that the query selects, in its order.
    fn matching(&mut self, kind: Kind, query: &Query) -> Result<Arc<[i64]>, Refusal> {
        let key = (kind, query.filter_key());
        if let Some(ids) = self.listings.get(&key) {
            return Ok(ids.clone());
        }
        let tests = self.tests(kind, query)?;
        let keeps = |id: i64, row: &Row| {
            self.is_visible(kind, id, row)
                && tests.iter().all(|test| self.holds(test, kind, id, row))
        };
        let mut ids: Vec<i64> = if let Some(mut ids) = self.indexed(kind, &tests) {
            ids.retain(|id| self.row(kind, *id).is_some_and(|row| keeps(*id, row)));
            ids
        } else {
            let rows = self.table(kind).rows.iter();
            rows.filter(|(id, row)| keeps(**id, row)).map(|(id, _)| *id).collect()
        };
        self.sort(kind, query, &mut ids);
        let ids: Arc<[i64]> = ids.into();
        self.listings.insert(key, ids.clone());
        Ok(ids)
    }

    /// Ids among which all matches are, if an index knows them.
    fn indexed(&self, kind: Kind, tests: &[Test]) -> Option<Vec<i64>> {
        if kind != Kind::Users {
            return None;
        }
        tests.iter().find_map(|test| {
            let Test::Equals(name, value) = test else { return None };
            match name.as_str() {
                _ if value.is_empty() => None,
                "azureoid" => Some(self.users.with_azureoid(value)),
                "emailaddress" => Some(self.users.with_email(value)),
                _ => None,
            }
        })
    }

    fn sort(&self, kind: Kind, query: &Query, ids: &mut [i64]) {
        let known = |name: &&str| kind.field(name).is_some();
        if let Some(name) = query.text("order").map(str::to_ascii_lowercase)
            && known(&name.as_str())
        {
            ids.sort_by_cached_key(|id| self.row(kind, *id).map(|row| sort_key(row, &name)));
        }
        if query.is_set("orderdesc") {
            ids.reverse();
        }
    }

    fn tests(&self, kind: Kind, query: &Query) -> Result<Vec<Test>, Refusal> {
        let mut tests = Vec::new();
        if let Some(name) = kind.inactive_flag() {
            let (active, inactive) = asked_activity(kind, query);
            if !inactive {
                tests.push(Test::Flag(name, false));
            }
            if !active {
                tests.push(Test::Flag(name, true));
            }
        }
        for (name, test) in number_filters(kind) {
            if let Some(value) = number(query, name)? {
                tests.push(test(value));
            }
        }
        let search = query.text("search").map(str::to_lowercase);
        if kind == Kind::Users {
            tests.extend(search.map(Test::Searched));
            tests.extend(user_flags(query));
            tests.extend(self.advanced(query)?);
        } else if kind == Kind::Agents {
            // A search for agents is documented and ignored.
            if !query.is_set("includeapiagents") {
                tests.push(Test::Flag("isapiagent", false));
            }
        } else if kind.field("name").is_some() {
            tests.extend(search.map(|needle| Test::Contains("name", needle)));
        }
        Ok(tests)
    }

    /// The tests of `advanced_search`, of which only equality (type 2) is known.
    fn advanced(&self, query: &Query) -> Result<Vec<Test>, Refusal> {
        let invalid = || Refusal::rule("Invalid advanced search parameter");
        let Some(encoded) = query.text("advanced_search") else { return Ok(Vec::new()) };
        let filters: Vec<Value> = serde_json::from_str(encoded).map_err(|_| invalid())?;
        let test = |filter: &Value| {
            let name = filter["filter_name"].as_str()?.to_ascii_lowercase();
            let field = Kind::Users.field(&name)?;
            let refused = name == "azureoid" && self.knobs.azure_search == AzureSearch::Refused;
            let known = field.set == Set::Posted && filter["filter_type"] == json!(2) && !refused;
            known.then(|| Test::Equals(name, plain(&filter["filter_value"])))
        };
        filters.iter().map(|filter| test(filter).ok_or_else(invalid)).collect()
    }

    fn holds(&self, test: &Test, kind: Kind, id: i64, row: &Row) -> bool {
        match test {
            Test::Flag(name, wanted) => flag(row, name) == *wanted,
            Test::Int(name, wanted) => int(row, name) == *wanted,
            Test::Contains(name, needle) => text(row, name).to_lowercase().contains(needle),
            Test::Searched(needle) => self.users.contains(id, needle),
            Test::Equals(name, wanted) => {
                let unset = kind.field(name).map(|field| field.holds.unset());
                let value = row.get(name).cloned().or(unset).unwrap_or_default();
                plain(&value).to_lowercase() == wanted.to_lowercase()
            }
            Test::OfClient(client) => self.client_of_site(int(row, "site_id")) == *client,
            Test::HasRole(role) => role_ids(row).contains(role),
            Test::HasLicence(licence) => {
                let software = row.get("software").and_then(Value::as_array);
                software.into_iter().flatten().any(|held| held["licence_id"] == json!(licence))
            }
            Test::IsSet(name) => !text(row, name).is_empty(),
            Test::NotGeneralUser => !self.users.is_general_user(id),
            Test::NotAgent => int(row, "linked_agent_id") == 0,
        }
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy)]
enum Asked {
    Page { number: usize, size: usize },
    First(usize),
    All,
}

fn asked_page(query: &Query) -> Result<Asked, Refusal> {
    let positive = |name, usual: usize| {
        let value = number(query, name)?;
        Ok(value.map_or(usual, |value| usize::try_from(value).unwrap_or_default().max(1)))
    };
    if query.is_set("pageinate") {
        let (number, size) = (positive("page_no", 1)?, positive("page_size", USUAL_PAGE)?);
        return Ok(Asked::Page { number, size });
    }
    Ok(match number(query, "count")? {
        Some(count) => Asked::First(usize::try_from(count).unwrap_or_default()),
        None => Asked::All,
    })
}

/// Whether active and inactive records are wanted.
fn asked_activity(kind: Kind, query: &Query) -> (bool, bool) {
    if let Some((active, inactive)) = query.text("activeinactive").and_then(|it| it.split_once(','))
    {
        return (active.trim() == "true", inactive.trim() == "true");
    }
    let (on, off) = if kind == Kind::Agents {
        ("includeenabled", "includedisabled")
    } else {
        ("includeactive", "includeinactive")
    };
    (query.flag(on).unwrap_or(true), query.is_set(off))
}

type NumberFilter = (&'static str, fn(i64) -> Test);

fn number_filters(kind: Kind) -> Vec<NumberFilter> {
    match kind {
        Kind::Users => vec![
            ("client_id", Test::OfClient),
            ("site_id", |id| Test::Int("site_id", id)),
            ("role", Test::HasRole),
            ("licence_id", Test::HasLicence),
            ("linked_to_user_id", |id| Test::Int("linked_user_id", id)),
        ],
        Kind::Agents => vec![("role", Test::HasRole)],
        Kind::Sites => vec![("client_id", |id| Test::Int("client_id", id))],
        Kind::Clients => vec![("toplevel_id", |id| Test::Int("toplevel_id", id))],
        Kind::Licences => vec![
            ("client_id", |id| Test::Int("client_id", id)),
            ("site_id", |id| Test::Int("site_id", id)),
            ("licence_type", |id| Test::Int("type", id)),
        ],
        Kind::FieldInfo => vec![("typeid", |id| Test::Int("typeid", id))],
        Kind::UserChanges => vec![("user_id", |id| Test::Int("user_id", id))],
        Kind::LicenceChanges => vec![("licence_id", |id| Test::Int("licence_id", id))],
        Kind::CabMembers => vec![("cab_id", |id| Test::Int("cab_id", id))],
        Kind::Roles
        | Kind::UserRoles
        | Kind::Cabs
        | Kind::Teams
        | Kind::TopLevels
        | Kind::Organisations => Vec::new(),
    }
}

fn user_flags(query: &Query) -> Vec<Test> {
    let mut tests = Vec::new();
    if query.is_set("exclude_generaluser") {
        tests.push(Test::NotGeneralUser);
    }
    if query.is_set("exclude_agents") {
        tests.push(Test::NotAgent);
    }
    if query.text("integration_type") == Some("azure") {
        tests.push(Test::IsSet("azureoid"));
    }
    if query.flag("includeserviceaccount") == Some(false) {
        tests.push(Test::Flag("isserviceaccount", false));
    }
    if query.flag("includenonserviceaccount") == Some(false) {
        tests.push(Test::Flag("isserviceaccount", true));
    }
    tests
}

fn extras(query: &Query) -> Extras {
    let asked = [
        ("includeroles", "roles"),
        ("includemembers", "members"),
        ("includeadmanager", "admanager"),
    ];
    let properties = asked.into_iter().filter(|(name, _)| query.is_set(name));
    let custom_fields = query.text("include_custom_fields").unwrap_or_default();
    Extras {
        custom_fields: custom_fields.split(',').filter_map(|id| id.trim().parse().ok()).collect(),
        properties: properties.map(|(_, property)| property).collect(),
    }
}

fn number(query: &Query, name: &str) -> Result<Option<i64>, Refusal> {
    let mistake =
        |value: &str| Refusal::property(name, format!("The value '{value}' is not valid."));
    let parse = |value: &str| value.parse().map_err(|_| mistake(value));
    query.text(name).map(parse).transpose()
}

/// A value as text: strings without quotes, everything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Numbers in order of size before texts in order of letters.
fn sort_key(row: &Row, name: &str) -> (i64, String) {
    (int(row, name), text(row, name).to_lowercase())
}
