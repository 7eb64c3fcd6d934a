//! Delta rounds of users and groups: from the first request over next links to the delta link.

mod groups;
mod users;

use serde_json::{Map, Value, json};

use super::call::Call;
use super::directory::{Kind, Life, Object, Seen, Seq, Slot, What};
use super::faults::{Endless, Expiry, Reason, Removals};
use super::filter::Filter;
use super::model::Model;
use super::properties;
use super::reply::{Answer, Reply};
use super::tokens::{Cursor, TokenError};

/// At most this many ids in the filter of a delta request.
const MAX_IDS: usize = 50;

/// A delta round: what was asked, what it covers, and how far it has come.
#[derive(Clone)]
pub(super) struct Round {
    kind: Kind,
    select: Option<Vec<String>>,
    /// Objects of `$filter=id eq …`.
    ids: Option<Vec<Slot>>,
    minimal: bool,
    /// Changes after this are reported; `None` = the first round, which reports everything.
    since: Option<Seq>,
    until: Seq,
    /// Where the round before started, for a replay.
    before: Seq,
    place: Place,
    shown: usize,
    pages: u32,
    empty_left: Option<u32>,
    /// Last item of the page before, if it is to be repeated.
    repeat: Option<Value>,
}

/// Where the next page starts: an index or a change, and inside a group a member.
#[derive(Clone, Copy, Default)]
struct Place {
    main: u64,
    inner: u64,
}

impl Round {
    fn selects(&self, name: &str) -> bool {
        self.select.as_ref().is_some_and(|select| select.iter().any(|selected| selected == name))
    }

    /// Whether a change of the property makes the round report the object.
    fn tracks(&self, name: &str) -> bool {
        self.select.is_none() || self.selects(name)
    }

    /// The properties to show.
    fn shown_names(&self) -> Vec<&str> {
        match &self.select {
            Some(select) => select.iter().map(String::as_str).collect(),
            None => properties::defaults(self.kind).to_vec(),
        }
    }

    fn is_first(&self) -> bool {
        self.since.is_none()
    }
}

/// Whether the object, or with `member` that membership, is as it was when the round that gave out a
/// delta link ended; `None` = nobody gave out such a link.
pub(super) fn is_as_told(
    model: &Model,
    link: &str,
    object: Slot,
    member: Option<Slot>,
) -> Option<bool> {
    let (_, token) = link.split_once("$deltatoken=")?;
    let until = model.tokens.round_of(token)?.until;
    let object = model.directory.object(object);
    Some(match member {
        None => object.born <= until && object.changes_after(until).is_empty(),
        Some(member) => {
            let log = &object.members.as_ref()?.log;
            object.born <= until && log.iter().all(|it| it.slot != member || it.seq <= until)
        }
    })
}

/// One page: its items, and where the next one starts if there is one.
struct Page {
    items: Vec<Value>,
    next: Option<Place>,
}

/// Answers `…/delta` of the kind.
pub(super) fn answer(model: &mut Model, call: &Call, kind: Kind) -> Answer {
    if model.faults.delta_unsupported {
        let message = "Change enumeration is not supported for requested tenant.";
        return Err(Reply::unsupported_query(message));
    }
    if let Some(token) = call.query.raw("$skiptoken") {
        let round = open_page(model, call, kind, token)?;
        return Ok(turn(model, call, round, Some(token)));
    }
    match call.query.raw("$deltatoken") {
        None | Some("") => {
            let round = first_round(model, call, kind)?;
            Ok(turn(model, call, round, None))
        }
        Some("latest") => {
            let round = first_round(model, call, kind)?;
            let context = context(&round, call, true);
            Ok(last_page(model, call, round, context, Vec::new()))
        }
        Some(token) => {
            let round = open_delta(model, call, kind, token)?;
            Ok(turn(model, call, round, None))
        }
    }
}

fn first_round(model: &Model, call: &Call, kind: Kind) -> Result<Round, Reply> {
    let select = call.query.select();
    let relation = if kind == Kind::User { "manager" } else { "members" };
    let unknown = |name: &String| {
        properties::refused_in_delta(name)
            || !(properties::known(kind, name)
                || properties::single_only(name)
                || model.is_extension(name)
                || name == relation)
    };
    let refused: Vec<&str> =
        select.iter().flatten().filter(|name| unknown(name)).map(String::as_str).collect();
    if !refused.is_empty() {
        let names = refused.join(",");
        let message = format!(
            "Invalid request for delta query: for this entity set, $expand/$select is not \
             supported for the following properties: {names}"
        );
        return Err(Reply::error(400, "BadRequest", message));
    }
    Ok(Round {
        kind,
        select,
        ids: filtered_ids(model, call, kind)?,
        minimal: false,
        since: None,
        until: model.visible(model.faults.delta_delay),
        before: 0,
        place: Place::default(),
        shown: 0,
        pages: 0,
        empty_left: None,
        repeat: None,
    })
}

fn filtered_ids(model: &Model, call: &Call, kind: Kind) -> Result<Option<Vec<Slot>>, Reply> {
    let Some(text) = call.query.get("$filter") else { return Ok(None) };
    let refusal = || {
        let message = "Only filters of the form \"id eq '{value}'\" joined with or are supported \
                       for delta queries.";
        Reply::unsupported_query(message)
    };
    let ids = Filter::parse(&text)?.only("id").ok_or_else(refusal)?;
    if ids.len() > MAX_IDS {
        return Err(refusal());
    }
    let mut slots: Vec<Slot> = ids
        .iter()
        .filter_map(|id| model.directory.find(id))
        .filter(|slot| model.directory.object(*slot).kind == kind)
        .collect();
    slots.sort_unstable();
    slots.dedup();
    Ok(Some(slots))
}

fn open_page(model: &Model, call: &Call, kind: Kind, token: &str) -> Result<Round, Reply> {
    refuse_options(call)?;
    match model.tokens.open(token, model.clock.now()) {
        Ok(Cursor::Page(round)) if round.kind == kind => Ok(round),
        Ok(_) | Err(TokenError::Unknown) => Err(expired(model, call, kind, Expiry::ThirtyDays)),
        Err(TokenError::Expired) => Err(expired_page()),
    }
}

fn open_delta(model: &Model, call: &Call, kind: Kind, token: &str) -> Result<Round, Reply> {
    refuse_options(call)?;
    if model.faults.endless_gone {
        return Err(expired(model, call, kind, Expiry::Gone));
    }
    let done = match model.tokens.open(token, model.clock.now()) {
        Ok(Cursor::Delta(done)) if done.kind == kind => done,
        Ok(_) | Err(TokenError::Unknown) => {
            return Err(expired(model, call, kind, Expiry::ThirtyDays));
        }
        Err(TokenError::Expired) => {
            return Err(expired(model, call, kind, model.faults.delta_expiry));
        }
    };
    let start = if model.faults.replay_last_round { done.before } else { done.until };
    Ok(Round {
        minimal: false,
        since: Some(start),
        until: model.visible(model.faults.delta_delay).max(done.until),
        before: done.until,
        place: Place::default(),
        shown: 0,
        pages: 0,
        empty_left: None,
        repeat: None,
        ..done
    })
}

/// Everything was said with the first request; a link must be followed as it is.
fn refuse_options(call: &Call) -> Result<(), Reply> {
    if call.query.has_any(&["$select", "$filter", "$expand", "$top"]) {
        let message = "Query options cannot be added to a link of a delta query.";
        return Err(Reply::error(400, "BadRequest", message));
    }
    Ok(())
}

/// The refusal of an expired page token, in lists as in delta.
pub(super) fn expired_page() -> Reply {
    let message = "The specified page token value has expired and can no longer be included in \
                   your request.";
    Reply::error(400, "Directory_ExpiredPageToken", message)
}

fn expired(model: &Model, call: &Call, kind: Kind, form: Expiry) -> Reply {
    let message = "The sync state generation is not found. The delta token is expired and data \
                   must be synchronized again.";
    match form {
        Expiry::ThirtyDays => {
            Reply::unsupported_query("DeltaLink older than 30 days is not supported.")
        }
        Expiry::SyncStateNotFound => Reply::error(400, "syncStateNotFound", message),
        Expiry::Gone => {
            let set = set_name(kind);
            let location = format!("{}/v1.0/{set}/delta?$deltatoken=", model.link_base(call));
            Reply::error(410, "syncStateNotFound", message).with_header("Location", Some(location))
        }
    }
}

/// Makes the next page of the round and the link that leads on from it.
fn turn(model: &mut Model, call: &Call, mut round: Round, token: Option<&str>) -> Reply {
    round.minimal |= call.prefers_minimal() && !round.is_first() && !model.faults.ignore_minimal;
    let context = context(&round, call, round.is_first() && round.pages == 0);
    let page = match round.empty_left {
        Some(_) => Page { items: Vec::new(), next: None },
        None if round.kind == Kind::User => users::page(model, &round),
        None => groups::page(model, &round),
    };
    let mut items = page.items;
    let capped = cap(model, &mut round, &mut items);
    items.splice(0..0, round.repeat.take());
    if model.faults.repeat_over_pages {
        round.repeat = items.last().cloned();
    }
    round.pages += 1;
    if let Some(place) = page.next.filter(|_| !capped) {
        round.place = place;
        return next_page(model, call, round, context, items);
    }
    match model.faults.endless {
        Some(Endless::FreshLinks) => return next_page(model, call, round, context, items),
        Some(Endless::SameLink) => {
            if let Some(token) = token {
                let link = link(model, call, round.kind, "$skiptoken", token);
                return body(context, "@odata.nextLink", link, items);
            }
            return next_page(model, call, round, context, items);
        }
        None => {}
    }
    let empty_left = round.empty_left.unwrap_or(model.faults.empty_pages);
    if empty_left > 0 {
        round.empty_left = Some(empty_left - 1);
        return next_page(model, call, round, context, items);
    }
    last_page(model, call, round, context, items)
}

/// Cuts the page at the silent cap; true when the round ends there.
fn cap(model: &Model, round: &mut Round, items: &mut Vec<Value>) -> bool {
    let Some(cap) = model.faults.silent_cap.filter(|_| round.kind == Kind::User) else {
        return false;
    };
    items.truncate(cap.saturating_sub(round.shown));
    round.shown += items.len();
    round.shown >= cap
}

fn next_page(
    model: &mut Model,
    call: &Call,
    round: Round,
    context: String,
    items: Vec<Value>,
) -> Reply {
    let kind = round.kind;
    let token = model.issue(Cursor::Page(round));
    let link = link(model, call, kind, "$skiptoken", &token);
    body(context, "@odata.nextLink", link, items)
}

fn last_page(
    model: &mut Model,
    call: &Call,
    round: Round,
    context: String,
    items: Vec<Value>,
) -> Reply {
    let kind = round.kind;
    let token = model.issue(Cursor::Delta(round));
    let link = link(model, call, kind, "$deltatoken", &token);
    body(context, "@odata.deltaLink", link, items)
}

fn body(context: String, relation: &str, link: String, items: Vec<Value>) -> Reply {
    let mut body = Map::new();
    body.insert("@odata.context".into(), context.into());
    body.insert(relation.into(), link.into());
    body.insert("value".into(), items.into());
    Reply::ok(Value::Object(body))
}

fn link(model: &Model, call: &Call, kind: Kind, option: &str, token: &str) -> String {
    format!("{}/v1.0/{}/delta?{option}={token}", model.link_base(call), set_name(kind))
}

fn set_name(kind: Kind) -> &'static str {
    if kind == Kind::User { "users" } else { "groups" }
}

/// The select list stands in the context of the first page only, and without `members`.
fn context(round: &Round, call: &Call, with_select: bool) -> String {
    let names = round.select.iter().flatten().filter(|name| *name != "members");
    let list = names.map(String::as_str).collect::<Vec<_>>().join(",");
    let set = set_name(round.kind);
    let list = if with_select && !list.is_empty() { format!("({list})") } else { String::new() };
    format!("{}/v1.0/$metadata#{set}{list}", call.base)
}

/// What happened to an object inside the window of a round.
enum News {
    /// To be shown with everything it has: in a first round, newly made, or restored.
    Whole,
    /// Changed properties of those the round tracks, and whether the relation may have changed.
    Changed(Vec<String>),
    Removed(Reason),
    Nothing,
}

/// The state that the round shows: with delayed reads the one at its end, else the present.
fn sight(model: &Model, round: &Round) -> Seq {
    if model.faults.delta_delay > 0 { round.until } else { Seq::MAX }
}

fn news(model: &Model, round: &Round, object: &Object, seen: &Seen, sight: Seq) -> News {
    let Some(since) = round.since else {
        return if seen.life == Life::Live { News::Whole } else { News::Nothing };
    };
    let window = object.changes_after(since);
    let window = &window[..window.partition_point(|change| change.seq <= sight)];
    let life_changed = window.iter().any(|change| matches!(change.what, What::Life { .. }));
    if seen.life != Life::Live {
        let reason = removal(model.faults.removals, seen.life);
        return if life_changed {
            reason.map_or(News::Nothing, News::Removed)
        } else {
            News::Nothing
        };
    }
    if life_changed || object.born > since {
        return News::Whole;
    }
    let mut names = Vec::new();
    let mut reported = false;
    for change in window {
        match &change.what {
            What::Property { name, .. } if round.tracks(name) => {
                reported = true;
                if !names.contains(&name.to_string()) {
                    names.push(name.to_string());
                }
            }
            What::Manager { .. } => reported |= round.selects("manager"),
            What::Touched => reported = true,
            What::Property { .. } | What::Life { .. } => {}
        }
    }
    if reported { News::Changed(names) } else { News::Nothing }
}

fn removal(removals: Removals, life: Life) -> Option<Reason> {
    match (removals, life) {
        (Removals::Documented, Life::Deleted) => Some(Reason::Changed),
        (Removals::Documented | Removals::OnlyPurge, Life::Purged) => Some(Reason::Deleted),
        (Removals::Silent, _) | (Removals::OnlyPurge, Life::Deleted) | (_, Life::Live) => None,
    }
}

fn removed(object: &Object, reason: Reason) -> Value {
    json!({ "id": object.id.to_string(), "@removed": { "reason": reason.text() } })
}

/// The shown properties of an object. A first round leaves out what is null, a later one shows it.
fn item(
    model: &Model,
    round: &Round,
    object: &Object,
    seen: &Seen,
    news: &News,
) -> Map<String, Value> {
    let mut item = Map::new();
    let nulls = match object.kind {
        Kind::User => model.faults.null_users,
        Kind::Group => model.faults.null_groups,
        Kind::Device => false,
    };
    for name in round.shown_names() {
        if let (News::Changed(changed), true) = (news, round.minimal)
            && !changed.iter().any(|other| other == name)
        {
            continue;
        }
        if properties::single_only(name) {
            continue;
        }
        let value = match seen.properties.get(name) {
            _ if nulls => Value::Null,
            None => continue,
            Some(Value::Null) if round.is_first() => continue,
            Some(Value::Object(set)) if name == "onPremisesExtensionAttributes" => {
                properties::extension_attributes(set)
            }
            Some(value) => value.clone(),
        };
        item.insert(name.to_owned(), value);
    }
    item.remove("manager");
    item.remove("members");
    item.insert("id".into(), object.id.to_string().into());
    item
}

fn reference(object: &Object) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("@odata.type".into(), object.kind.odata_type().into());
    entry.insert("id".into(), object.id.to_string().into());
    entry
}

fn removed_reference(object: &Object, reason: Reason) -> Value {
    let mut entry = reference(object);
    entry.insert("@removed".into(), json!({ "reason": reason.text() }));
    Value::Object(entry)
}
