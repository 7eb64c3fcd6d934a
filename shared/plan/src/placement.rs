//! Placement: which mapping takes a person, and the site that the user record goes to (P1–P6).

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::conditions::{folded, holds};
use crate::document::{ExternalUsers, GroupRef, Mapping, Placement, Quantifier};
use crate::explain::{Outcome, Tried};
use crate::facts::{Facts, Presence, Value};
use crate::fields::View;
use crate::groups::{Groups, Membership, WhyUnknown};
use crate::ids::{ClientId, MappingId, ObjectId, SiteId};

/// The mapping that took the person, and where it puts the user record.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<'a> {
    /// The mapping.
    pub mapping: &'a Mapping,
    /// The site.
    pub site: SiteChoice,
}

/// A site by its id, or by a name for which the id is still to be looked up (P6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteChoice {
    /// This site.
    Id(SiteId),
    /// The site of this name under the client, made when it is missing.
    Named {
        /// The client.
        client: ClientId,
        /// The name as [`site_name`] writes it; never empty. [`site_key`] compares it.
        name: String,
    },
}

/// What came of trying the mappings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trail<'a> {
    /// Every mapping tried, in order; the last one matched if any did.
    pub tried: Vec<Tried>,
    /// The mapping that matched.
    pub placed: Option<Placed<'a>>,
    /// Mappings before the match whose group is not known, with that group. Any of them might have
    /// taken the person, so nothing may be taken from the person because of this trail (P3).
    pub broken: Vec<(MappingId, String, WhyUnknown)>,
}

/// Tries the user mappings (`site`, `organisation`) of `mappings`, which stand in the order of
/// [`crate::document::Document::by_rank`], until one matches.
pub fn place_user<'a>(mappings: &[&'a Mapping], view: &View<'_>, groups: &Groups) -> Trail<'a> {
    let mut trail = Trail::default();
    for mapping in mappings {
        let Some(verdict) = try_user(mapping, view, groups) else { continue };
        let outcome = match verdict {
            Ok(site) => {
                trail.placed = Some(Placed { mapping, site });
                Outcome::Matched
            }
            Err(outcome) => outcome,
        };
        if let Outcome::GroupUnknown { group, why } = &outcome {
            trail.broken.push((mapping.id.clone(), group.clone(), *why));
        }
        trail.tried.push(Tried { mapping: mapping.id.clone(), outcome });
        if trail.placed.is_some() {
            break;
        }
    }
    trail
}

/// Where a user mapping puts the person, or the first part that fails; `None` = no user mapping.
fn try_user(
    mapping: &Mapping,
    view: &View<'_>,
    groups: &Groups,
) -> Option<Result<SiteChoice, Outcome>> {
    match &mapping.target {
        Placement::Agents { .. } => None,
        Placement::Site { site_id } => {
            Some(parts_hold(mapping, view, groups).map(|()| SiteChoice::Id(*site_id)))
        }
        Placement::Organisation { client_id, site_from, default_site_id } => Some(
            parts_hold(mapping, view, groups)
                .and_then(|()| named_site(*client_id, site_from, *default_site_id, view.facts)),
        ),
    }
}

/// Whether group, external rule and conditions hold, looked at in this order (P2).
fn parts_hold(mapping: &Mapping, view: &View<'_>, groups: &Groups) -> Result<(), Outcome> {
    if let Some(group) = &mapping.group {
        in_group(group, view.facts, groups)?;
    }
    let external = view.facts.external();
    match mapping.external_users {
        ExternalUsers::Exclude if external => Err(Outcome::External),
        ExternalUsers::Only if !external => Err(Outcome::NotExternal),
        ExternalUsers::Exclude | ExternalUsers::Only | ExternalUsers::Include => {
            conditions_hold(mapping, view)
        }
    }
}

fn in_group(wanted: &GroupRef, facts: &Facts, groups: &Groups) -> Result<(), Outcome> {
    match groups.membership(counting(facts), wanted) {
        Membership::Member => Ok(()),
        Membership::NotMember => Err(Outcome::NotInGroup { group: label(wanted, groups) }),
        Membership::Unknown(why) => {
            Err(Outcome::GroupUnknown { group: label(wanted, groups), why })
        }
    }
}

/// The memberships that count: those of a deleted person are only kept for a restore (L6).
fn counting(facts: &Facts) -> &BTreeSet<ObjectId> {
    static NONE: BTreeSet<ObjectId> = BTreeSet::new();
    match facts.presence {
        Presence::SoftDeleted | Presence::Purged => &NONE,
        Presence::Unread | Presence::Present | Presence::Missing => &facts.groups,
    }
}

/// What people know the group by: the document's name, else Entra's, else the id.
fn label(wanted: &GroupRef, groups: &Groups) -> String {
    let read = || Some(&groups.0.get(&wanted.id?)?.name).filter(|name| !name.is_empty());
    match (wanted.name.as_ref().or_else(read), wanted.id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => id.to_string(),
        (None, None) => String::new(),
    }
}

fn conditions_hold(mapping: &Mapping, view: &View<'_>) -> Result<(), Outcome> {
    let mut failures = mapping
        .conditions
        .iter()
        .enumerate()
        .map(|(index, condition)| holds(condition, view).err().map(|saw| (index, saw)));
    let failure = match mapping.quantifier {
        Quantifier::All => failures.find_map(|failure| failure),
        // The first one that holds ends the fold without a failure.
        Quantifier::Any => failures.try_fold(None, |_, failure| failure.map(Some)).flatten(),
    };
    let Some((index, saw)) = failure else { return Ok(()) };
    let (field, test) = mapping.conditions[index].describe();
    Err(Outcome::Condition { index, field, test, saw: saw.0 })
}

fn named_site(
    client: ClientId,
    site_from: &str,
    default: Option<SiteId>,
    facts: &Facts,
) -> Result<SiteChoice, Outcome> {
    let name = site_name(facts.properties.get(site_from).map_or("", Value::as_text));
    match default {
        _ if !name.is_empty() => Ok(SiteChoice::Named { client, name }),
        Some(site) => Ok(SiteChoice::Id(site)),
        None => Err(Outcome::NoSite { field: site_from.to_owned() }),
    }
}

/// The name of a site as it is made: trimmed, each run of white space (of any kind that Unicode
/// knows) one blank, characters that nobody can see left out.
pub fn site_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let mut visible = word.chars().filter(|c| !is_invisible(*c)).peekable();
        if visible.peek().is_some() && !name.is_empty() {
            name.push(' ');
        }
        name.extend(visible);
    }
    name
}

/// Soft hyphen, zero-width space, word joiner, byte order mark: pasted along with text, never meant.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The key by which sites of one client compare: two spellings that people take for one name have
/// the same key (P6). Case, white space, `ß` for `ss`, and an accent written as a character of its
/// own make no difference.
pub fn site_key(name: &str) -> String {
    let key = folded(&site_name(name)).collect::<String>().replace('ß', "ss");
    if key.is_ascii() {
        return key;
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(&key).into_owned()
}
