//! Pages of users/delta.

use serde_json::Value;

use super::super::directory::{Object, Seen, Seq, Slot, What};
use super::super::model::Model;
use super::{News, Page, Place, Round, item, news, reference, removed, removed_reference, sight};

/// The users from the round's place on, until the page is full or the window ends.
pub(super) fn page(model: &Model, round: &Round) -> Page {
    let sight = sight(model, round);
    let mut items = Vec::new();
    let mut stale = Vec::new();
    let mut shown = 0;
    for (place, slot) in candidates(model, round) {
        if shown == model.faults.page_size {
            let next = Some(Place { main: place, inner: 0 });
            return finish(model, items, stale, next);
        }
        let object = model.directory.object(slot);
        let Some(seen) = object.seen_at(sight) else { continue };
        let Some(entry) = entry(model, round, object, &seen, sight) else { continue };
        if model.faults.old_after_new {
            stale.extend(old_version(model, round, object).map(|old| (old, entry.clone())));
        }
        items.push(entry);
        shown += 1;
    }
    finish(model, items, stale, None)
}

/// With `old_after_new`: the old versions after the new ones, and the new ones once more, so that
/// whoever applies them in order of arrival ends right.
fn finish(
    model: &Model,
    mut items: Vec<Value>,
    stale: Vec<(Value, Value)>,
    next: Option<Place>,
) -> Page {
    if model.faults.old_after_new {
        let (old, new): (Vec<_>, Vec<_>) = stale.into_iter().unzip();
        items.extend(old);
        items.extend(new);
    }
    Page { items, next }
}

/// Users to look at with the place each stands at. A later round is a range of the last changes,
/// so that its cost follows the changes and not the size of the directory.
fn candidates<'a>(
    model: &'a Model,
    round: &'a Round,
) -> Box<dyn Iterator<Item = (u64, Slot)> + 'a> {
    let directory = &model.directory;
    let from = round.place.main;
    if let Some(ids) = &round.ids {
        return Box::new((0..).zip(ids.iter().copied()).skip_while(move |(at, _)| *at < from));
    }
    match round.since {
        None => {
            let start = usize::try_from(from).unwrap_or(usize::MAX).min(directory.users.len());
            let in_time = |slot: &Slot| directory.object(*slot).born <= round.until;
            let users = directory.users[start..].iter().copied().take_while(in_time);
            Box::new((from..).zip(users))
        }
        Some(since) => {
            let start = from.max(since + 1);
            let end = round.until.max(start.saturating_sub(1));
            if start > end {
                return Box::new(std::iter::empty());
            }
            Box::new(directory.last_changes.range(start..=end).map(|(seq, slot)| (*seq, *slot)))
        }
    }
}

fn entry(model: &Model, round: &Round, object: &Object, seen: &Seen, sight: Seq) -> Option<Value> {
    let news = news(model, round, object, seen, sight);
    match news {
        News::Nothing => None,
        News::Removed(reason) => Some(removed(object, reason)),
        News::Whole | News::Changed(_) => {
            let mut entry = item(model, round, object, seen, &news);
            let manager = manager_delta(model, round, object, seen, &news);
            if !manager.is_empty() {
                entry.insert("manager@delta".into(), manager.into());
            }
            Some(Value::Object(entry))
        }
    }
}

/// Only when selected and changed; the replaced manager is removed in the same array.
fn manager_delta(
    model: &Model,
    round: &Round,
    object: &Object,
    seen: &Seen,
    news: &News,
) -> Vec<Value> {
    if !round.selects("manager") || model.faults.manager_missing {
        return Vec::new();
    }
    let first_change = round.since.and_then(|since| {
        object.changes_after(since).iter().find_map(|change| match &change.what {
            What::Manager { before } => Some(*before),
            What::Property { .. } | What::Life { .. } | What::Touched => None,
        })
    });
    let whole = matches!(news, News::Whole);
    let before = first_change.unwrap_or(if whole { None } else { seen.manager });
    if before == seen.manager {
        return Vec::new();
    }
    let mut entries = Vec::new();
    if let Some(before) = before {
        let reason = model.faults.member_removed_reason;
        entries.push(removed_reference(model.directory.object(before), reason));
    }
    if let Some(manager) = seen.manager {
        entries.push(Value::Object(reference(model.directory.object(manager))));
    }
    if model.faults.manager_addition_first {
        entries.reverse();
    }
    entries
}

/// A changed user as it was when the round before ended.
fn old_version(model: &Model, round: &Round, object: &Object) -> Option<Value> {
    let since = round.since?;
    if object.changes_after(since).is_empty() {
        return None;
    }
    let seen = object.seen_at(since)?;
    Some(Value::Object(item(model, round, object, &seen, &News::Whole)))
}
