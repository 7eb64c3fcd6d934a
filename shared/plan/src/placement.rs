//! Placement: which mappings take a person, and the site that the user record goes to (P1–P6).

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::conditions::{folded, holds};
use crate::document::{ExternalUsers, Mapping, Placement, Quantifier};
use crate::explain::{Outcome, Tried};
use crate::facts::{Facts, Presence, Value};
use crate::groups::{Groups, Named, WhyUnknown};
use crate::ids::{ClientId, MappingId, ObjectId, PerKind, RecordKind, SiteId};
use crate::sight::{Names, Sight, Spot};

/// A mapping made ready: its group resolved, its conditions put into words.
#[derive(Debug)]
pub struct Ready<'a> {
    mapping: &'a Mapping,
    group: Option<Named>,
    said: Vec<(Arc<str>, Arc<str>)>,
    /// Where the values of the conditions' fields are.
    spots: Vec<Spot<'a>>,
    /// Where the property is that names the site (P6).
    site_from: Option<usize>,
}

impl<'a> Ready<'a> {
    /// Makes a mapping ready.
    pub(crate) fn new(mapping: &'a Mapping, groups: &Groups, names: &mut Names) -> Self {
        let said = mapping.conditions.iter().map(|condition| {
            let (field, test) = condition.describe();
            (field.into(), test.into())
        });
        Self {
            mapping,
            group: mapping.group.as_ref().map(|group| groups.named(group)),
            said: said.collect(),
            spots: mapping.conditions.iter().map(|it| names.spot(&it.field)).collect(),
            site_from: match &mapping.target {
                Placement::Organisation { site_from, .. } => Some(names.place(site_from)),
                Placement::Site { .. } | Placement::Agents { .. } => None,
            },
        }
    }

    /// Which record the mapping is about: the agent for `agents`, else the user (P1).
    pub fn kind(&self) -> RecordKind {
        match self.mapping.target {
            Placement::Agents { .. } => RecordKind::Agent,
            Placement::Site { .. } | Placement::Organisation { .. } => RecordKind::User,
        }
    }
}

/// The mapping that took the person for a kind of record, and where it puts the user record.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<'a> {
    /// The mapping.
    pub mapping: &'a Mapping,
    /// The site; `None` for the agent record, which stands on none.
    pub site: Option<SiteChoice>,
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

/// A mapping whose group is not known, with that group.
pub type Broken = (MappingId, Arc<str>, WhyUnknown);

/// What came of trying the mappings for one kind of record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found<'a> {
    /// The mapping that matched.
    pub placed: Option<Placed<'a>>,
    /// Mappings before the match whose group is not known. Any of them might have taken the person,
    /// so nothing may be taken from the person because of this trail (P3).
    pub broken: Vec<Broken>,
}

/// What came of trying the mappings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trail<'a> {
    /// Every mapping tried, in order.
    pub tried: Vec<Tried>,
    /// What it means for each kind of record.
    pub found: PerKind<Found<'a>>,
}

/// Tries mappings, which stand in the order of [`crate::document::Document::by_rank`], until one
/// matches for each `wanted` kind of record (P1). An agent whom no user mapping takes is a user of the
/// agents mapping's `user_site_id`.
pub(crate) fn place<'a>(
    mappings: &[Ready<'a>],
    sight: &Sight<'_>,
    wanted: PerKind<bool>,
) -> Trail<'a> {
    let mut trail = Trail { tried: Vec::with_capacity(mappings.len()), ..Trail::default() };
    let mut open = wanted;
    // Agents mappings that might have placed the user as well.
    let mut broken_sites = Vec::new();
    for ready in mappings.iter().filter(|ready| *wanted.of(ready.kind())) {
        let kind = ready.kind();
        if !open.of(kind) {
            continue;
        }
        let found = trail.found.of_mut(kind);
        let outcome = match ready.attempt(sight) {
            Ok(site) => {
                found.placed = Some(Placed { mapping: ready.mapping, site });
                *open.of_mut(kind) = false;
                Outcome::Matched
            }
            Err(outcome) => outcome,
        };
        if let Outcome::GroupUnknown { group, why } = &outcome {
            let broken = (ready.mapping.id.clone(), group.clone(), *why);
            if let Placement::Agents { user_site_id: Some(_) } = ready.mapping.target {
                broken_sites.push(broken.clone());
            }
            found.broken.push(broken);
        }
        trail.tried.push(Tried { mapping: ready.mapping.id.clone(), outcome });
        if !open.user && !open.agent {
            break;
        }
    }
    if wanted.user && trail.found.user.placed.is_none() {
        let PerKind { user, agent } = &mut trail.found;
        user.placed = agent.placed.as_ref().and_then(user_of_agent);
        user.broken.append(&mut broken_sites);
    }
    trail
}

/// Where the user record of an agent goes whom no user mapping takes.
fn user_of_agent<'a>(agent: &Placed<'a>) -> Option<Placed<'a>> {
    match agent.mapping.target {
        Placement::Agents { user_site_id } => {
            let site = Some(SiteChoice::Id(user_site_id?));
            Some(Placed { mapping: agent.mapping, site })
        }
        Placement::Site { .. } | Placement::Organisation { .. } => None,
    }
}

impl Ready<'_> {
    /// Where the mapping puts the person, or the first part that fails: group, external rule,
    /// conditions, site, looked at in this order (P2).
    fn attempt(&self, sight: &Sight<'_>) -> Result<Option<SiteChoice>, Outcome> {
        if let Some(group) = &self.group {
            in_group(group, sight.view.facts)?;
        }
        match self.mapping.external_users {
            ExternalUsers::Exclude if sight.external => return Err(Outcome::External),
            ExternalUsers::Only if !sight.external => return Err(Outcome::NotExternal),
            ExternalUsers::Exclude | ExternalUsers::Only | ExternalUsers::Include => {}
        }
        self.conditions_hold(sight)?;
        match &self.mapping.target {
            Placement::Agents { .. } => Ok(None),
            Placement::Site { site_id } => Ok(Some(SiteChoice::Id(*site_id))),
            Placement::Organisation { client_id, site_from, default_site_id } => {
                let value = self.site_from.and_then(|place| sight.value(place));
                named_site(*client_id, site_from, *default_site_id, value).map(Some)
            }
        }
    }

    fn conditions_hold(&self, sight: &Sight<'_>) -> Result<(), Outcome> {
        let mut failures = self
            .mapping
            .conditions
            .iter()
            .zip(&self.spots)
            .enumerate()
            .map(|(index, (it, spot))| Some((index, holds(it, sight.read(*spot)).err()?)));
        let failure = match self.mapping.quantifier {
            Quantifier::All => failures.find_map(|failure| failure),
            // The first one that holds ends the fold without a failure.
            Quantifier::Any => failures.try_fold(None, |_, failure| failure.map(Some)).flatten(),
        };
        let Some((index, saw)) = failure else { return Ok(()) };
        let (field, test) = self.said[index].clone();
        Err(Outcome::Condition { index, field, test, saw: saw.0 })
    }
}

fn in_group(group: &Named, facts: &Facts) -> Result<(), Outcome> {
    match group.has(counting(facts)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Outcome::NotInGroup { group: group.label.clone() }),
        Err(why) => Err(Outcome::GroupUnknown { group: group.label.clone(), why }),
    }
}

/// The memberships that count: those of a deleted person are only kept for a restore (L6).
pub fn counting(facts: &Facts) -> &BTreeSet<ObjectId> {
    static NONE: BTreeSet<ObjectId> = BTreeSet::new();
    match facts.presence {
        Presence::SoftDeleted | Presence::Purged => &NONE,
        Presence::Unread | Presence::Present | Presence::Missing => &facts.groups,
    }
}

fn named_site(
    client: ClientId,
    site_from: &str,
    default: Option<SiteId>,
    value: Option<&Value>,
) -> Result<SiteChoice, Outcome> {
    let name = site_name(value.map_or("", Value::as_text));
    match default {
        _ if !name.is_empty() => Ok(SiteChoice::Named { client, name }),
        Some(site) => Ok(SiteChoice::Id(site)),
        None => Err(Outcome::NoSite { field: site_from.into() }),
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
