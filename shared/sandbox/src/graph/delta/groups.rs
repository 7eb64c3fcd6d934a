//! Pages of groups/delta: properties, and members in entries that repeat a large group.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::directory::{Kind, Life, MemberChange, Members, Object, Seen, Slot};
use super::super::model::Model;
use super::{News, Page, Place, Round, item, news, reference, removed, removed_reference, sight};

/// Entries of members that one page holds, so that a large group goes over several pages.
const ENTRIES_OF_MEMBERS: usize = 2;

/// The groups from the round's place on, until the page is full.
pub(super) fn page(model: &Model, round: &Round) -> Page {
    let groups = round.ids.as_ref().unwrap_or(&model.directory.groups);
    let mut items = Vec::new();
    let mut members = 0;
    let room = model.faults.members_per_entry * ENTRIES_OF_MEMBERS;
    let mut place = round.place;
    while let Some(slot) = usize::try_from(place.main).ok().and_then(|at| groups.get(at)) {
        let object = model.directory.object(*slot);
        if object.born > round.until {
            place = Place { main: place.main + 1, inner: 0 };
            continue;
        }
        if items.len() >= model.faults.page_size || members >= room {
            return Page { items, next: Some(place) };
        }
        let (entry, next) = entry(model, round, object, place);
        members += entry.as_ref().map_or(0, count_members);
        items.extend(entry);
        place = next;
    }
    Page { items, next: None }
}

fn count_members(entry: &Value) -> usize {
    entry.get("members@delta").and_then(Value::as_array).map_or(0, Vec::len)
}

/// The next entry of a group, and the place after it: the same group while members are left.
fn entry(model: &Model, round: &Round, object: &Object, place: Place) -> (Option<Value>, Place) {
    let done = Place { main: place.main + 1, inner: 0 };
    let sight = sight(model, round);
    let Some(seen) = object.seen_at(sight) else { return (None, done) };
    let news = news(model, round, object, &seen, sight);
    if let News::Removed(reason) = news {
        return (Some(removed(object, reason)), done);
    }
    if seen.life != Life::Live {
        return (None, done);
    }
    let wanted = round.select.is_none() || round.selects("members");
    let (members, more) = match &object.members {
        Some(group) if wanted => member_entries(model, round, group, &news, place.inner),
        _ => (Vec::new(), None),
    };
    if matches!(news, News::Nothing) && members.is_empty() {
        return (None, done);
    }
    let mut entry = properties(model, round, object, &seen, &news);
    if !members.is_empty() {
        entry.insert("members@delta".into(), members.into());
    }
    let next = more.map_or(done, |inner| Place { main: place.main, inner });
    (Some(Value::Object(entry)), next)
}

/// A group that only its members brought shows its properties too, unless minimal was asked for.
fn properties(
    model: &Model,
    round: &Round,
    object: &Object,
    seen: &Seen,
    news: &News,
) -> Map<String, Value> {
    let news = match news {
        News::Nothing => &News::Changed(Vec::new()),
        News::Whole | News::Changed(_) | News::Removed(_) => news,
    };
    item(model, round, object, seen, news)
}

/// Up to one entry of member references from `inner` on, and where the next entry starts.
fn member_entries(
    model: &Model,
    round: &Round,
    group: &Members,
    news: &News,
    inner: u64,
) -> (Vec<Value>, Option<u64>) {
    let mut entries = Vec::new();
    if inner == 0 && model.faults.unknown_member_removed {
        let stranger = Uuid::from_u128(0xdead_0000_0000_4000_8000_0000_0000_0000);
        entries.push(json!({ "@odata.type": Kind::User.odata_type(), "id": stranger.to_string(),
            "@removed": { "reason": model.faults.member_removed_reason.text() } }));
    }
    let size = model.faults.members_per_entry;
    let more = match (news, round.since) {
        (News::Whole, _) | (_, None) => all_members(model, round, group, inner, size, &mut entries),
        (_, Some(since)) => {
            let changes = folded(group, since, round.until);
            let start = usize::try_from(inner).unwrap_or(usize::MAX).min(changes.len());
            let end = (start + size).min(changes.len());
            entries.extend(changes[start..end].iter().map(|change| changed(model, change)));
            (end < changes.len()).then_some(end as u64)
        }
    };
    (entries, more)
}

fn all_members(
    model: &Model,
    round: &Round,
    group: &Members,
    inner: u64,
    size: usize,
    entries: &mut Vec<Value>,
) -> Option<u64> {
    if inner >= round.until {
        return None;
    }
    let shown = |slot: Slot| {
        !model.faults.hide_deleted_members || model.directory.object(slot).life == Life::Live
    };
    let mut rest = group.order.range(inner + 1..=round.until).filter(|(_, slot)| shown(**slot));
    let mut last = inner;
    for (joined, slot) in rest.by_ref().take(size) {
        entries.push(Value::Object(reference(model.directory.object(*slot))));
        last = *joined;
    }
    rest.next().map(|_| last)
}

/// The members who joined or left inside the window, each once with the last thing they did.
fn folded(group: &Members, since: u64, until: u64) -> Vec<MemberChange> {
    let log = &group.log;
    let window = log.partition_point(|change| change.seq <= since)
        ..log.partition_point(|change| change.seq <= until);
    let mut first_and_last: BTreeMap<Slot, (MemberChange, MemberChange)> = BTreeMap::new();
    for change in &log[window] {
        let entry = first_and_last.entry(change.slot).or_insert((*change, *change));
        entry.1 = *change;
    }
    // Who joined and left inside the window is no news. Who left and joined again is: the round
    // before may have missed it between two of its pages.
    let real = first_and_last.into_values().filter(|(first, last)| !first.joined || last.joined);
    let mut changes: Vec<MemberChange> = real.map(|(_, last)| last).collect();
    changes.sort_unstable_by_key(|change| change.seq);
    changes
}

fn changed(model: &Model, change: &MemberChange) -> Value {
    let object = model.directory.object(change.slot);
    if change.joined {
        Value::Object(reference(object))
    } else {
        removed_reference(object, model.faults.member_removed_reason)
    }
}
