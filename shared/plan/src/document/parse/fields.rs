//! Field rows, their targets and transforms, and matching rows (F1–F8, M2).

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::RegexBuilder;

use super::nearest::nearest;
use super::reader::{Node, Object, cut};
use super::sources::{self, Purpose, Scope};
use crate::catalogue::{
    AGENT_MATCH_FIELDS, AGENT_TARGETS, Holds, TargetField, USER_MATCH_FIELDS, USER_TARGETS,
    agent_target, own_field, user_target,
};
use crate::document::words::{
    MAX_LENGTH, MAX_LOOKUPS, MAX_MATCH_ROWS, MAX_ROWS, MAX_SOURCES, MAX_TARGET, MAX_TEXT,
    MAX_TRANSFORMS, WRITE_MODES,
};
use crate::document::{Empty, FieldRow, MatchRow, RowTarget, Source, Transform, WriteMode};
use crate::ids::CustomFieldId;

/// The most memory of a compiled pattern, in bytes; it also bounds the time of a match.
const PATTERN_SIZE: usize = 64 * 1024;

/// Whose records a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Users,
    Agents,
}

impl Side {
    fn targets(self) -> &'static [TargetField] {
        match self {
            Side::Users => USER_TARGETS,
            Side::Agents => AGENT_TARGETS,
        }
    }

    fn target(self, name: &str) -> Option<&'static TargetField> {
        match self {
            Side::Users => user_target(name),
            Side::Agents => agent_target(name),
        }
    }

    /// The field that is meant by a name that is right elsewhere: users and agents differ in Halo.
    fn usual_name(self, name: &str) -> Option<&'static str> {
        match (self, name.to_ascii_lowercase().as_str()) {
            (Side::Users, "jobtitle" | "job_title") => Some("title"),
            (Side::Users, "email" | "mail") => Some("emailaddress"),
            (Side::Users, "phone" | "businessphones") => Some("phonenumber"),
            (Side::Users, "mobile" | "mobilephone") => Some("mobilenumber"),
            (Side::Users, "manager" | "manager_name") => Some("admanager"),
            (Side::Users, "userprincipalname" | "upn" | "username") => Some("login"),
            (Side::Agents, "title" | "job_title") => Some("jobtitle"),
            (Side::Agents, "emailaddress" | "mail") => Some("email"),
            (Side::Agents, "manager" | "admanager") => Some("linemanager"),
            (_, "displayname") => Some("name"),
            (_, "givenname") => Some("firstname"),
            _ => None,
        }
    }
}

/// Rows of users and of agents.
pub(super) type Lists<T> = (Vec<T>, Vec<T>);

/// What a new connection starts with (F7).
pub(super) fn default_rows() -> Lists<FieldRow> {
    let row = |(from, to): (Source, &str)| FieldRow {
        from: vec![from],
        to: RowTarget::Field(to.to_owned()),
        write: WriteMode::Always,
        empty: Empty::Leaves,
        transforms: Vec::new(),
    };
    let property = |name: &str| Source::Property(name.to_owned());
    let users = [
        (property("displayName"), "name"),
        (property("givenName"), "firstname"),
        (property("surname"), "surname"),
        (property("mail"), "emailaddress"),
        (property("userPrincipalName"), "login"),
        (property("jobTitle"), "title"),
        (property("businessPhones"), "phonenumber"),
        (property("mobilePhone"), "mobilenumber"),
        (property("department"), "department"),
        (Source::Manager("displayName".to_owned()), "admanager"),
    ];
    let agents = [
        (property("displayName"), "name"),
        (property("givenName"), "firstname"),
        (property("surname"), "surname"),
        (property("mail"), "email"),
        (property("jobTitle"), "jobtitle"),
    ];
    (users.map(row).into(), agents.map(row).into())
}

/// How a new connection finds people who are in Halo already.
pub(super) fn default_matching() -> Lists<MatchRow> {
    let row = |(entra, halo): (&str, &str)| MatchRow { entra: entra.into(), halo: halo.into() };
    let users = [("userPrincipalName", "login"), ("mail", "emailaddress")];
    (users.map(row).into(), [("mail", "email")].map(row).into())
}

/// Reads `field_mappings`; a list that is not there is the default, an empty one is empty.
pub(super) fn field_mappings(node: &Node<'_>, scope: Scope) -> Option<Lists<FieldRow>> {
    let (users, agents) = default_rows();
    node.object(|o| {
        let users = o.or("users", users, |node| rows(node, Side::Users, scope));
        let agents = o.or("agents", agents, |node| rows(node, Side::Agents, scope));
        Some((users?, agents?))
    })
}

/// Reads `matching`, with defaults in the same way.
pub(super) fn matching(node: &Node<'_>) -> Option<Lists<MatchRow>> {
    let (users, agents) = default_matching();
    node.object(|o| {
        let users = o.or("users", users, |node| match_rows(node, USER_MATCH_FIELDS));
        let agents = o.or("agents", agents, |node| match_rows(node, AGENT_MATCH_FIELDS));
        Some((users?, agents?))
    })
}

fn match_rows(node: &Node<'_>, fields: &[&'static str]) -> Option<Vec<MatchRow>> {
    node.each(0..=MAX_MATCH_ROWS, |node| {
        node.object(|o| {
            let entra = o.required("entra", "the property to compare", sources::matched);
            let halo = o.required("halo", "the Halo field to compare with", |node| {
                let name = node.text(1..=100)?;
                if name == "azureoid" {
                    return node.mistake("azureoid is always tried first; leave this row out.");
                }
                if fields.contains(&name) { Some(name.to_owned()) } else { node.one_of(fields) }
            });
            Some(MatchRow { entra: entra?, halo: halo? })
        })
    })
}

/// Where each target and each source of a list was first named.
#[derive(Default)]
struct Seen {
    targets: BTreeMap<String, String>,
    sources: BTreeMap<Source, String>,
}

fn rows(node: &Node<'_>, side: Side, scope: Scope) -> Option<Vec<FieldRow>> {
    let mut seen = Seen::default();
    node.each(0..=MAX_ROWS, |node| node.object(|o| row(o, side, scope, &mut seen)))
}

fn row(o: &Object<'_, '_>, side: Side, scope: Scope, seen: &mut Seen) -> Option<FieldRow> {
    let from = o.required("from", "the property that feeds this row, or a list of them", |node| {
        from(node, scope, seen)
    });
    let to = o.required("to", "the Halo field that this row writes", |node| target(node, side));
    let to = pinned(o, to);
    if let Some(to) = &to {
        once(o, to, seen);
    }
    let write = o.or("write", WriteMode::Always, |node| node.word(WRITE_MODES));
    let empty = o.or("clear", Empty::Leaves, |node| {
        node.bool().map(|clear| if clear { Empty::Clears } else { Empty::Leaves })
    });
    let several = from.as_ref().map(|from| from.len() > 1);
    let transforms = o.or("transforms", Vec::new(), |node| transforms(node, several));
    let no_first = several == Some(true) && transforms.as_ref().is_some_and(Vec::is_empty);
    if no_first && o.get("transforms").is_none() {
        let what = "a first transform, {\"join\": \", \"} or \"first_non_empty\", that makes several \
                    sources one";
        o.required("transforms", what, |_| Some(()));
    }
    let row =
        FieldRow { from: from?, to: to?, write: write?, empty: empty?, transforms: transforms? };
    points_at_manager(o, &row, side).then_some(row)
}

/// Whether a row for a target that points at the manager's own record names the manager, plainly.
fn points_at_manager(o: &Object<'_, '_>, row: &FieldRow, side: Side) -> bool {
    let RowTarget::Field(name) = &row.to else { return true };
    let points = side.target(name).is_some_and(|field| field.holds == Holds::ManagersAgent);
    let plain = matches!(row.from.as_slice(), [Source::Manager(_)]) && row.transforms.is_empty();
    if points && !plain {
        o.at().mistake::<()>(format!(
            "{name} points at the manager's own agent; it takes one manager source and no transforms."
        ));
    }
    plain || !points
}

fn from(node: &Node<'_>, scope: Scope, seen: &mut Seen) -> Option<Vec<Source>> {
    let mut own = BTreeSet::new();
    let mut one = |node: &Node<'_>| {
        let source = sources::source(node, Purpose::Value, scope)?;
        let repeated = matches!(source, Source::Const(_)) || !own.insert(source.clone());
        if !repeated {
            let row = row_path(node.path());
            if let Some(first) = seen.sources.get(&source) {
                node.warning(format!("{source} feeds {first} already; that is allowed."));
            } else {
                seen.sources.insert(source.clone(), row);
            }
        }
        Some(source)
    };
    if node.value().is_array() {
        return node.each(1..=MAX_SOURCES, |node| one(&node));
    }
    if node.value().is_string() {
        return one(node).map(|source| vec![source]);
    }
    node.expected("the name of a property or a list of names")
}

/// The row that a place inside it belongs to.
fn row_path(path: &str) -> String {
    path.rsplit_once(".from").map_or(path, |(row, _)| row).to_owned()
}

fn target(node: &Node<'_>, side: Side) -> Option<RowTarget> {
    let name = node.text(1..=MAX_TARGET)?;
    if let Some(custom) = name.strip_prefix("customfield:") {
        return custom_field(node, custom, side);
    }
    if side.target(name).is_some() {
        return Some(RowTarget::Field(name.to_owned()));
    }
    if let Some(why) = own_field(name) {
        return node.mistake(format!("{name} {why}."));
    }
    let names = || side.targets().iter().map(|field| field.name);
    let shown = cut(name);
    if let Some(meant) = side.usual_name(name).or_else(|| nearest(name, names())) {
        return node.mistake(format!("Unknown field \"{shown}\"; did you mean \"{meant}\"?"));
    }
    let all: Vec<_> = names().collect();
    node.expected(&format!("one of {}", all.join(", ")))
}

fn custom_field(node: &Node<'_>, asked: &str, side: Side) -> Option<RowTarget> {
    if side == Side::Agents {
        return node.mistake("Custom fields can be targets of users only.");
    }
    let asked = asked.trim();
    if asked.is_empty() {
        return node.mistake("Missing: the name or id after \"customfield:\".");
    }
    if !asked.bytes().all(|b| b.is_ascii_digit()) {
        return Some(RowTarget::Custom { asked: asked.to_owned(), id: None });
    }
    match asked.parse().ok().filter(|id| (1..=i64::from(i32::MAX)).contains(id)) {
        Some(id) => {
            Some(RowTarget::Custom { asked: asked.to_owned(), id: Some(CustomFieldId(id)) })
        }
        None => node.expected("customfield: and the name or id of a custom field"),
    }
}

/// Adds the pinned id of a custom field.
fn pinned(o: &Object<'_, '_>, to: Option<RowTarget>) -> Option<RowTarget> {
    let Some(node) = o.get("custom_field_id") else { return to };
    let pin = node.halo_id().map(CustomFieldId);
    match to? {
        RowTarget::Field(_) => node.mistake("Only a target customfield:NAME has an id."),
        RowTarget::Custom { id: Some(id), .. } if pin.is_some_and(|pin| pin != id) => {
            node.mistake(format!("The target names custom field {id}; leave this key out."))
        }
        RowTarget::Custom { asked, .. } => Some(RowTarget::Custom { asked, id: Some(pin?) }),
    }
}

/// Notes a target that an earlier row of the list has (F2). A custom field counts under its name
/// and under its id.
fn once(o: &Object<'_, '_>, to: &RowTarget, seen: &mut Seen) {
    let keys = match to {
        RowTarget::Field(name) => vec![name.clone()],
        RowTarget::Custom { asked, id } => {
            let by_id = id.map(|id| format!("customfield:{id}"));
            let by_name = format!("customfield:{}", asked.to_lowercase());
            by_id.into_iter().chain([by_name]).collect()
        }
    };
    if let Some(first) = keys.iter().find_map(|key| seen.targets.get(key)) {
        if let Some(node) = o.get("to") {
            node.mistake::<()>(format!(
                "{to} is already the target of {first}; keep one of the two."
            ));
        }
        return;
    }
    for key in keys {
        seen.targets.insert(key, o.at().path().to_owned());
    }
}

/// `several`: whether the row has several sources, if that could be read.
fn transforms(node: &Node<'_>, several: Option<bool>) -> Option<Vec<Transform>> {
    if several == Some(true) && node.value().as_array().is_some_and(Vec::is_empty) {
        return not_joined(node);
    }
    let mut first = true;
    node.each(0..=MAX_TRANSFORMS, |node| {
        let is_first = std::mem::take(&mut first);
        let transform = transform(&node)?;
        let joins = matches!(transform, Transform::Join(_) | Transform::FirstNonEmpty);
        match several {
            Some(true) if is_first && !joins => not_joined(&node),
            Some(true) if !is_first && joins => {
                node.mistake("Only the first transform can make several sources one.")
            }
            Some(false) if joins => {
                node.mistake("join and first_non_empty are for a row with several sources.")
            }
            _ => Some(transform),
        }
    })
}

fn not_joined<T>(node: &Node<'_>) -> Option<T> {
    node.mistake(
        "The first transform must make several sources one: {\"join\": \", \"} or \
         \"first_non_empty\".",
    )
}

const TRANSFORM_KEYS: [&str; 7] =
    ["replace", "regex", "prefix", "suffix", "max_length", "map", "join"];

fn transform(node: &Node<'_>) -> Option<Transform> {
    if node.value().is_object() {
        return node.object(keyed_transform);
    }
    if node.value().as_str().is_some_and(|word| TRANSFORM_KEYS.contains(&word)) {
        return node
            .expected("an object with what this transform needs, such as {\"prefix\": \"x\"}");
    }
    node.word(&[
        ("trim", Transform::Trim),
        ("lower", Transform::Lower),
        ("upper", Transform::Upper),
        ("title_case", Transform::TitleCase),
        ("first_non_empty", Transform::FirstNonEmpty),
    ])
}

fn keyed_transform(o: &Object<'_, '_>) -> Option<Transform> {
    let map = o.at().value().as_object()?;
    let named: Vec<_> = TRANSFORM_KEYS.into_iter().filter(|key| map.contains_key(*key)).collect();
    let [key] = named.as_slice() else {
        o.let_others_be(&TRANSFORM_KEYS);
        return o.at().mistake("Each transform stands in an object of its own, under its name.");
    };
    let what = "what this transform needs";
    let text = |node: &Node<'_>| node.text(0..=MAX_TEXT).map(str::to_owned);
    match *key {
        "replace" => o.required("replace", what, replace),
        "regex" => o.required("regex", what, |node| {
            let [pattern, replacement] = pair(node)?;
            regex(node, &pattern).map(|regex| Transform::Regex(regex, replacement))
        }),
        "prefix" => o.required("prefix", what, text).map(Transform::Prefix),
        "suffix" => o.required("suffix", what, text).map(Transform::Suffix),
        "max_length" => {
            let most = o.required("max_length", what, |node| node.count(MAX_LENGTH))?;
            usize::try_from(most).ok().map(Transform::MaxLength)
        }
        "map" => {
            let table = o.required("map", what, lookup_table);
            let rest = o.maybe("default", text);
            Some(Transform::Map(table?, rest?))
        }
        _ => o.required("join", what, text).map(Transform::Join),
    }
}

fn replace(node: &Node<'_>) -> Option<Transform> {
    let [old, new] = pair(node)?;
    if old.is_empty() {
        return node.mistake("The text to replace must not be empty.");
    }
    Some(Transform::Replace(old, new))
}

/// Texts and what they become; the keys are made comparable once, here.
fn lookup_table(node: &Node<'_>) -> Option<BTreeMap<String, String>> {
    let mut keys = BTreeSet::new();
    let entries = node.entries(1..=MAX_LOOKUPS, |from, node| {
        let to = node.text(0..=MAX_TEXT)?;
        let key = from.trim().to_lowercase();
        if !keys.insert(key.clone()) {
            return node.mistake(
                "This text stands in the table already, as neither case nor blanks count.",
            );
        }
        Some((key, to.to_owned()))
    })?;
    Some(entries.into_iter().collect())
}

fn pair(node: &Node<'_>) -> Option<[String; 2]> {
    let two = node.each(2..=2, |node| node.text(0..=MAX_TEXT).map(str::to_owned))?;
    two.try_into().ok()
}

/// A pattern that compiles, within [`PATTERN_SIZE`].
pub(super) fn regex(node: &Node<'_>, pattern: &str) -> Option<regex_lite::Regex> {
    if pattern.is_empty() {
        return node.mistake("A pattern must not be empty.");
    }
    match RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build() {
        Ok(regex) => Some(regex),
        Err(error) => node.mistake(format!("This is no regular expression that we know: {error}.")),
    }
}
