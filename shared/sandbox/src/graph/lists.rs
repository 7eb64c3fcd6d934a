//! Paged lists of users, groups and members, and how an object looks in them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::access::Rights;
use super::call::Call;
use super::delta::expired_page;
use super::directory::{Kind, Life, Object, Seen, Slot};
use super::filter::Filter;
use super::model::Model;
use super::properties;
use super::reply::{Answer, Reply};
use super::tokens::{Cursor, TokenError};

/// What a list goes over.
#[derive(Clone)]
pub(super) enum Source {
    Users,
    Groups,
    /// Direct members of a group in order of joining.
    Members(Slot),
    /// Found once, at the first page.
    Found(Arc<[Slot]>),
}

/// A list on its way: what was asked with the first page and where the next one starts.
#[derive(Clone)]
pub(super) struct ListPage {
    path: String,
    source: Source,
    /// Only objects of this kind; they come without a type annotation then.
    cast: Option<Kind>,
    select: Option<Vec<String>>,
    filter: Option<Filter>,
    expand: Option<Expand>,
    top: usize,
    counts: bool,
    /// The `ConsistencyLevel` header has to come with each page.
    advanced: bool,
    place: u64,
    shown: usize,
}

/// `$expand=manager`, with the inner `$select` where it counts.
#[derive(Clone)]
pub(super) struct Expand {
    select: Option<Vec<String>>,
}

/// Largest page of a list of directory objects.
pub(super) const MAX_TOP: usize = 999;

/// Largest page with `signInActivity`.
const MAX_TOP_SIGN_IN: usize = 500;

/// Answers a list: the first page of `source`, or the page that a `$skiptoken` names.
pub(super) fn answer(
    model: &mut Model,
    call: &Call,
    rights: &Rights,
    source: Source,
    cast: Option<Kind>,
) -> Answer {
    if call.query.raw("$skip").is_some() {
        return Err(Reply::bad_request("'$skip' is not supported by the service."));
    }
    let first = call.query.raw("$skiptoken").is_none();
    let page = match call.query.raw("$skiptoken") {
        None => start(model, call, source, cast)?,
        Some(token) => resume(model, call, token)?,
    };
    if page.selects("signInActivity") {
        sign_in_allowed(model, rights)?;
    }
    Ok(turn(model, call, rights, page, first))
}

fn resume(model: &Model, call: &Call, token: &str) -> Result<ListPage, Reply> {
    let unknown = || Reply::unsupported_query("The specified page token is not valid.");
    let page = match model.tokens.open(token, model.clock.now()) {
        Ok(Cursor::List(page)) if page.path == call.path => page,
        Ok(_) | Err(TokenError::Unknown) => return Err(unknown()),
        Err(TokenError::Expired) => return Err(expired_page()),
    };
    if page.advanced && !call.eventual() {
        return Err(advanced_refusal());
    }
    Ok(page)
}

fn start(
    model: &Model,
    call: &Call,
    source: Source,
    cast: Option<Kind>,
) -> Result<ListPage, Reply> {
    let select = call.query.select();
    let kind = match source {
        Source::Users => Some(Kind::User),
        Source::Groups => Some(Kind::Group),
        Source::Members(_) | Source::Found(_) => cast,
    };
    check_select(model, kind, select.as_deref())?;
    let sign_in = select.iter().flatten().any(|name| name == "signInActivity");
    let filter = call.query.get("$filter").map(|text| Filter::parse(&text)).transpose()?;
    let members = matches!(source, Source::Members(_) | Source::Found(_));
    let advanced = filter.as_ref().is_some_and(Filter::advanced)
        || (filter.is_some() && call.query.raw("$orderby").is_some())
        || (members && (cast.is_some() || filter.is_some()));
    if advanced && !(call.eventual() && call.query.counts()) {
        return Err(advanced_refusal());
    }
    if filter.as_ref().is_some_and(Filter::too_many_values) {
        return Err(Reply::unsupported_query(
            "Too many child clauses specified in the 'in' operator.",
        ));
    }
    let source = narrowed(model, source, filter.as_ref());
    let top = call.query.top(if sign_in { MAX_TOP_SIGN_IN } else { MAX_TOP })?;
    if let Some(cap) = model.faults.sign_in_cap.filter(|cap| sign_in && top > *cap) {
        let message = format!("Cannot query data for more than {cap} users at a time.");
        return Err(Reply::error(400, "BadRequest", message));
    }
    Ok(ListPage {
        path: call.path.clone(),
        source,
        cast,
        select,
        filter,
        expand: parse_expand(call, true)?,
        top,
        counts: call.query.counts() && call.eventual(),
        advanced,
        place: 0,
        shown: 0,
    })
}

/// A filter by id or user principal name is a lookup and not a walk over everybody.
fn narrowed(model: &Model, source: Source, filter: Option<&Filter>) -> Source {
    let kind = match source {
        Source::Users => Kind::User,
        Source::Groups => Kind::Group,
        Source::Members(_) | Source::Found(_) => return source,
    };
    let keys = filter.and_then(|filter| {
        filter
            .only("id")
            .or_else(|| filter.only("userPrincipalName").filter(|_| kind == Kind::User))
    });
    let Some(keys) = keys else { return source };
    let mut found: Vec<Slot> =
        keys.iter().filter_map(|key| model.directory.find_kind(kind, key)).collect();
    found.sort_unstable();
    found.dedup();
    Source::Found(found.into())
}

/// The refusal of an advanced query without its header.
pub(super) fn advanced_refusal() -> Reply {
    Reply::unsupported_query(
        "Unsupported query: add the header ConsistencyLevel: eventual and the query option \
         $count=true.",
    )
}

/// Refuses names that the kind does not have; without a kind anything goes.
fn check_select(model: &Model, kind: Option<Kind>, select: Option<&[String]>) -> Result<(), Reply> {
    let Some(kind) = kind else { return Ok(()) };
    for name in select.unwrap_or_default() {
        if kind == Kind::User && properties::single_only(name) {
            let message = format!("The property '{name}' is supported on a single user only.");
            return Err(Reply::error(501, "NotImplemented", message));
        }
        let known = properties::known(kind, name) || model.is_extension(name);
        if !known && !model.faults.ignore_unknown_select {
            let type_name = kind.odata_type().trim_start_matches('#');
            let message = format!(
                "Parsing OData Select and Expand failed: Could not find a property named \
                 '{name}' on type '{type_name}'."
            );
            return Err(Reply::error(400, "BadRequest", message));
        }
    }
    Ok(())
}

/// The permission and licence checks of `signInActivity`.
pub(super) fn sign_in_allowed(model: &mut Model, rights: &Rights) -> Result<(), Reply> {
    let not_premium = || {
        let message = "Neither tenant is B2C or tenant doesn't have premium license";
        Reply::error(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", message)
    };
    if !rights.any(&["AuditLog.Read.All"]) {
        let message = "The principal does not have required Microsoft Graph permission(s): \
                       AuditLog.Read.All to call this API.";
        return Err(Reply::error(403, "Authentication_MSGraphPermissionMissing", message));
    }
    let forbidden = super::faults::take(&mut model.faults.sign_in_forbidden);
    if !model.tenant.premium || forbidden { Err(not_premium()) } else { Ok(()) }
}

/// Reads `$expand`: only the manager, once; a list has no chain of managers.
pub(super) fn parse_expand(call: &Call, list: bool) -> Result<Option<Expand>, Reply> {
    let Some(text) = call.query.get("$expand") else { return Ok(None) };
    let options = match text.split_once('(') {
        None if text == "manager" => "",
        Some(("manager", rest)) => rest.strip_suffix(')').unwrap_or(rest),
        _ => {
            let message = format!("Expand is not supported for '{text}'.");
            return Err(Reply::error(400, "ExpandNotSupported", message));
        }
    };
    let option = |name: &str| {
        options.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    if list && option("$levels") == Some("max") {
        let message = "Transitive manager's list is only supported on a single user.";
        return Err(Reply::unsupported_query(message));
    }
    // Without $levels the service does not look at the inner $select.
    let select = option("$levels").and(option("$select"));
    let select = select.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect());
    Ok(Some(Expand { select }))
}

impl ListPage {
    fn selects(&self, name: &str) -> bool {
        self.select.iter().flatten().any(|selected| selected == name)
    }

    /// Whether every object is known to be of one kind, so that its type is not said.
    fn kind(&self) -> Option<Kind> {
        match (&self.source, self.cast) {
            (_, Some(kind)) => Some(kind),
            (Source::Users, None) => Some(Kind::User),
            (Source::Groups, None) => Some(Kind::Group),
            (Source::Found(_), None) if self.path.ends_with("/users") => Some(Kind::User),
            (Source::Found(_), None) if self.path.ends_with("/groups") => Some(Kind::Group),
            (Source::Members(_) | Source::Found(_), None) => None,
        }
    }
}

fn turn(model: &mut Model, call: &Call, rights: &Rights, mut page: ListPage, first: bool) -> Reply {
    let mut value = Vec::new();
    let mut next = None;
    let left = model.faults.silent_cap.map_or(usize::MAX, |cap| cap.saturating_sub(page.shown));
    let top = page.top.min(left);
    for (place, slot) in candidates(model, &page) {
        let Some(seen) = visible(model, &page, slot) else { continue };
        if value.len() == top {
            next = (top < left).then_some(place);
            break;
        }
        value.push(render(model, rights, &page, slot, &seen));
    }
    let mut body = Map::new();
    body.insert("@odata.context".into(), context(call, &page).into());
    if page.counts && first {
        body.insert("@odata.count".into(), count(model, &page).into());
    }
    page.shown += value.len();
    if let Some(place) = next {
        page.place = place;
        let link = format!("{}{}?$skiptoken=", model.link_base(call), call.path);
        let token = model.issue(Cursor::List(page));
        body.insert("@odata.nextLink".into(), format!("{link}{token}").into());
    }
    body.insert("value".into(), value.into());
    Reply::ok(Value::Object(body))
}

/// The objects from the page's place on, each with the place at which it stands.
fn candidates<'a>(
    model: &'a Model,
    page: &'a ListPage,
) -> Box<dyn Iterator<Item = (u64, Slot)> + 'a> {
    let directory = &model.directory;
    let slots: &[Slot] = match &page.source {
        Source::Users => &directory.users,
        Source::Groups => &directory.groups,
        Source::Found(found) => found,
        Source::Members(group) => {
            let members = &directory.members(*group).order;
            return Box::new(members.range(page.place..).map(|(seq, slot)| (*seq, *slot)));
        }
    };
    let start = usize::try_from(page.place).unwrap_or(usize::MAX).min(slots.len());
    Box::new((page.place..).zip(slots[start..].iter().copied()))
}

/// The object as this list sees it, if it does.
fn visible(model: &Model, page: &ListPage, slot: Slot) -> Option<Seen> {
    let object = model.directory.object(slot);
    if page.cast.is_some_and(|kind| kind != object.kind) {
        return None;
    }
    let seen = object.seen_at(model.sight(model.faults.list_delay))?;
    let mut properties = std::borrow::Cow::Borrowed(&seen.properties);
    if page.filter.is_some() {
        properties.to_mut().insert("id".into(), object.id.to_string().into());
    }
    let matches = page.filter.as_ref().is_none_or(|filter| filter.matches(&properties));
    (seen.life == Life::Live && matches).then_some(seen)
}

fn count(model: &Model, page: &ListPage) -> u64 {
    let told = model.faults.user_count.filter(|_| page.kind() == Some(Kind::User));
    let all = ListPage { place: 0, ..page.clone() };
    let truth =
        || candidates(model, &all).filter(|(_, slot)| visible(model, &all, *slot).is_some());
    told.unwrap_or_else(|| truth().count() as u64)
}

/// How many of the list there are, for the `$count` segment.
pub(super) fn count_segment(
    model: &Model,
    call: &Call,
    source: Source,
    cast: Option<Kind>,
) -> Answer {
    if !call.eventual() {
        return Err(advanced_refusal());
    }
    let everybody = matches!(source, Source::Users) && call.query.raw("$filter").is_none();
    let told = model.faults.user_count.filter(|_| matches!(source, Source::Users));
    if let Some(told) = told {
        return Ok(Reply::text(told.to_string()));
    }
    if everybody && model.faults.list_delay == 0 {
        return Ok(Reply::text(model.directory.live_users.to_string()));
    }
    let filter = call.query.get("$filter").map(|text| Filter::parse(&text)).transpose()?;
    let source = narrowed(model, source, filter.as_ref());
    let page = ListPage {
        path: call.path.clone(),
        source,
        cast,
        select: None,
        filter,
        expand: None,
        top: MAX_TOP,
        counts: true,
        advanced: true,
        place: 0,
        shown: 0,
    };
    Ok(Reply::text(count(model, &page).to_string()))
}

fn context(call: &Call, page: &ListPage) -> String {
    let set = match page.kind() {
        Some(Kind::User) => "users",
        Some(Kind::Group) => "groups",
        Some(Kind::Device) => "devices",
        None => "directoryObjects",
    };
    let mut names: Vec<&str> = page.select.iter().flatten().map(String::as_str).collect();
    if page.expand.is_some() {
        names.push("manager()");
    }
    let list = if names.is_empty() { String::new() } else { format!("({})", names.join(",")) };
    format!("{}/v1.0/$metadata#{set}{list}", call.base)
}

fn render(model: &Model, rights: &Rights, page: &ListPage, slot: Slot, seen: &Seen) -> Value {
    let object = model.directory.object(slot);
    let mut item = show(model, rights, object, seen, page.select.as_deref());
    if page.kind().is_none() {
        item.insert("@odata.type".into(), object.kind.odata_type().into());
    }
    if let Some(expand) = &page.expand {
        item.extend(expanded_manager(model, rights, seen, expand));
    }
    Value::Object(item)
}

/// The `manager` key, absent when there is none.
pub(super) fn expanded_manager(
    model: &Model,
    rights: &Rights,
    seen: &Seen,
    expand: &Expand,
) -> Option<(String, Value)> {
    let (manager, seen) = live_manager(model, seen, model.faults.list_delay)?;
    let mut shown = show(model, rights, manager, &seen, expand.select.as_deref());
    shown.insert("@odata.type".into(), manager.kind.odata_type().into());
    Some(("manager".to_owned(), Value::Object(shown)))
}

/// The manager of somebody, if it is there to be read.
pub(super) fn live_manager<'a>(
    model: &'a Model,
    seen: &Seen,
    delay: i64,
) -> Option<(&'a Object, Seen)> {
    let manager = model.directory.object(seen.manager?);
    let seen = manager.seen_at(model.sight(delay))?;
    (seen.life == Life::Live).then_some((manager, seen))
}

/// The selected (or default) properties of an object with nulls for what was never set. A kind
/// that the application may not read shows its id and nulls.
pub(super) fn show(
    model: &Model,
    rights: &Rights,
    object: &Object,
    seen: &Seen,
    select: Option<&[String]>,
) -> Map<String, Value> {
    let hidden = match object.kind {
        Kind::User => model.faults.null_users || !rights.reads_users(),
        Kind::Group => model.faults.null_groups || !rights.reads_groups(),
        Kind::Device => false,
    };
    let names: Vec<&str> = match select {
        Some(select) => select.iter().map(String::as_str).collect(),
        None => properties::defaults(object.kind).to_vec(),
    };
    let mut shown = Map::new();
    for name in names {
        let known = properties::known(object.kind, name) || properties::is_extension(name);
        let value = match seen.properties.get(name) {
            _ if !known => None,
            _ if hidden => Some(Value::Null),
            None | Some(Value::Null) => properties::empty_value(name),
            Some(Value::Object(set)) if name == "onPremisesExtensionAttributes" => {
                Some(properties::extension_attributes(set))
            }
            Some(value) => Some(value.clone()),
        };
        shown.extend(value.map(|value| (name.to_owned(), value)));
    }
    shown.insert("id".into(), json!(object.id.to_string()));
    shown
}
