//! What a record should hold, and what we know that it holds: where that is not enough, the record is
//! asked for.

use std::collections::BTreeSet;

use super::Draft;
use crate::decide::{Made, Need};
use crate::explain::Reason;
use crate::fields::{self, Differences, Filling, Record};
use crate::granted::{self, Ours, Wished};
use crate::ids::{RecordId, RecordKind};
use crate::licences;
use crate::link::{FieldChange, Fields, HaloValue, Intent, Linked, LinkedBy, Target};
use crate::placement::{Placed, SiteChoice};
use crate::roles;
use crate::rules::licence_number;

/// Nothing of ours.
static NONE: BTreeSet<i64> = BTreeSet::new();

/// The sets that a record should hold.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) roles: Wished,
    pub(super) licences: Wished,
}

/// What becomes of a record's sets; `None` = they stay as they are.
#[derive(Debug, Default)]
pub(super) struct Gifts {
    pub(super) roles: Option<granted::Outcome>,
    pub(super) licences: Option<granted::Outcome>,
}

impl Gifts {
    /// What is written of them.
    pub(super) fn take_changes(&mut self) -> impl Iterator<Item = FieldChange> {
        let change = |gift: &mut Option<granted::Outcome>| gift.as_mut()?.change.take();
        change(&mut self.roles).into_iter().chain(change(&mut self.licences))
    }

    /// Whether what is ours stays what it was.
    pub(super) fn leave(&self, linked: &Linked) -> bool {
        let same = |gift: &Option<granted::Outcome>, ours: &BTreeSet<i64>| {
            gift.as_ref().is_none_or(|gift| gift.granted == *ours)
        };
        same(&self.roles, &linked.granted) && same(&self.licences, &linked.licences)
    }

    /// In words.
    pub(super) fn reasons(&self) -> impl Iterator<Item = Reason> {
        let roles = self.roles.iter().flat_map(roles::reasons);
        roles.chain(self.licences.iter().flat_map(licences::reasons))
    }
}

impl<'a> Draft<'a> {
    /// All that the record is filled from: mapped fields, the site, and the ids that are always written
    /// (F7).
    pub(super) fn filling(&self, placed: &Placed<'_>, is_new: bool) -> Result<Filling<'a>, Need> {
        let site = match &placed.site {
            None => None,
            Some(SiteChoice::Id(site)) => Some(*site),
            Some(SiteChoice::Named { client, name }) => {
                let need = || Need::Site(*client, name.clone());
                Some(self.case.known.site.ok_or_else(need)?)
            }
        };
        let licence = licence_number(placed.mapping.licence_type).or(is_new.then_some(0));
        Ok(Filling {
            sight: self.sight,
            tenant: &self.rules.tenant,
            site,
            agent: self.agent,
            licence,
        })
    }

    /// What must be sent so that a record is as it should be, roles and activity apart.
    pub(super) fn differences(
        &mut self,
        filling: &Filling<'a>,
        record: Record<'_>,
    ) -> Result<Differences, Vec<Reason>> {
        fields::differences(&self.own().columns, filling, record, &mut self.reasons)
    }

    /// What a linked record holds, where we have to know more than we do. It is asked for where a row
    /// that writes only into an empty field meets one that we never read (F5), and before roles or links
    /// to licences change, because others may have given some meanwhile (R4, S1). So is it where roles
    /// count that we have never seen (R5).
    pub(super) fn read_again(
        &self,
        linked: &Linked,
        unread: bool,
        due: &Due,
    ) -> Result<Option<Fields>, Need> {
        let held = held(&linked.image, &self.rules.roles_target);
        let unsettled = !self.roles_settled(&due.roles, held, linked)
            || !self.licences_settled(&due.licences, &linked.image, linked);
        // One that we made holds what we gave.
        let unseen = held.is_none() && linked.how != LinkedBy::Created && self.roles_switch();
        if !unread && !unsettled && !unseen {
            return Ok(None);
        }
        self.read(linked, self.targets(linked)).map(Some)
    }

    /// What we know of a linked record, with these fields as they are in Halo now.
    pub(super) fn read(&self, linked: &Linked, targets: BTreeSet<Target>) -> Result<Fields, Need> {
        let Some(record) = &self.known().record else {
            return Err(Need::Record(linked.record, targets));
        };
        let mut read = linked.image.clone();
        let nothing = HaloValue::Text(String::new());
        for target in targets {
            // Of sets only what Halo says now counts: one that lacks something would take it away (R4).
            let is_set = [&self.rules.roles_target, &self.rules.licences_target].contains(&&target);
            match record.get(&target) {
                Some(value) if is_set => drop(read.insert(target, value.clone())),
                None if is_set => drop(read.remove(&target)),
                value => {
                    read.entry(target).or_insert_with(|| value.unwrap_or(&nothing).clone());
                }
            }
        }
        Ok(read)
    }

    /// What the rules say of the record's roles and licences; `linked` = that it is there already.
    pub(super) fn due(&mut self, placed: &Placed<'_>, linked: Option<&Linked>) -> Due {
        let (roles, mut reasons) = roles::wished(self.rules, self.kind, &self.case.view, placed);
        self.reasons.append(&mut reasons);
        Due { roles, licences: self.licences_due(linked) }
    }

    /// The licences that the person holds in Entra (S1).
    pub(super) fn licences_due(&self, linked: Option<&Linked>) -> Wished {
        if !self.links_licences() {
            return Wished::default();
        }
        licences::wished(self.rules, self.case.view.facts, linked)
    }

    /// What becomes of roles and licences of an existing record, also where Halo does not say which
    /// there are.
    pub(super) fn gifts(&mut self, due: &Due, linked: &Linked, base: &Fields) -> Gifts {
        Gifts {
            roles: self.roles(&due.roles, linked, base),
            licences: self.licences(&due.licences, linked, base),
        }
    }

    fn roles(&mut self, due: &Wished, linked: &Linked, base: &Fields) -> Option<granted::Outcome> {
        let target = &self.rules.roles_target;
        let held = held(base, target);
        if self.roles_settled(due, held, linked) {
            return None;
        }
        let Some(held) = held else {
            self.reasons.push(Reason::RolesUnreadable);
            return None;
        };
        Some(granted::outcome(target, due, held, self.our_roles(linked)))
    }

    /// What becomes of the links to licences; also a link that somebody else made is taken away where
    /// somebody in Halo asked for it and Entra did not do it (S2).
    pub(super) fn licences(
        &mut self,
        due: &Wished,
        linked: &Linked,
        base: &Fields,
    ) -> Option<granted::Outcome> {
        if self.licences_settled(due, base, linked) {
            return None;
        }
        let target = &self.rules.licences_target;
        let Some(held) = held(base, target) else {
            self.reasons.push(Reason::LicencesUnreadable);
            return None;
        };
        let known = self.case.link.contested.iter().filter(|it| self.rules.is_licence(**it));
        let claimed: BTreeSet<i64> = linked.licences.iter().chain(known).copied().collect();
        let meant = self.meant(|intent| &intent.licences);
        Some(granted::outcome(target, due, held, Ours { granted: &claimed, meant }))
    }

    fn roles_settled(&self, due: &Wished, held: Option<&BTreeSet<i64>>, linked: &Linked) -> bool {
        !self.looks_at_roles(&linked.granted)
            || granted::is_settled(due, held, self.our_roles(linked))
    }

    pub(super) fn licences_settled(&self, due: &Wished, base: &Fields, linked: &Linked) -> bool {
        let held = held(base, &self.rules.licences_target);
        let meant = self.meant(|intent| &intent.licences);
        let ours = Ours { granted: &linked.licences, meant };
        !self.links_licences()
            || (granted::is_settled(due, held, ours) && self.case.link.contested.is_empty())
    }

    fn our_roles<'l>(&self, linked: &'l Linked) -> Ours<'l>
    where
        'a: 'l,
    {
        Ours { granted: &linked.granted, meant: self.meant(|intent| &intent.grants) }
    }

    fn meant(&self, of: impl Fn(&'a Intent) -> &'a BTreeSet<i64>) -> &'a BTreeSet<i64> {
        self.intent().map_or(&NONE, of)
    }

    /// A write of ours that was interrupted.
    pub(super) fn intent(&self) -> Option<&'a Intent> {
        self.case.link.intents.get(&self.kind)
    }

    /// The record that an earlier worker made and could not say so (M6).
    pub(super) fn made(&self) -> Result<Option<RecordId>, Need> {
        match self.known().made {
            Made::Record(record) => Ok(Some(record)),
            Made::Unasked if self.case.link.may_have_been_made(self.kind) => {
                Err(Need::Made(self.kind))
            }
            Made::Unasked | Made::Nothing => Ok(None),
        }
    }

    /// The same as a link, for somebody who is not wanted any more: what it was to get is ours.
    pub(super) fn made_before(&mut self) -> Result<Option<Linked>, Need> {
        let Some(found) = self.made()? else { return Ok(None) };
        let Some(record) = &self.known().record else {
            return Err(Need::Record(found, self.targets_of_new()));
        };
        let ours = |target: &Target, meant: &BTreeSet<i64>| {
            let there = held(record, target).map(|held| held & meant);
            there.unwrap_or_default()
        };
        let granted = ours(&self.rules.roles_target, self.meant(|intent| &intent.grants));
        let licences = ours(&self.rules.licences_target, self.meant(|intent| &intent.licences));
        Ok(Some(Linked { granted, licences, ..self.met(found, LinkedBy::Created, record) }))
    }

    /// Whether some roles make the record inactive (R5).
    fn roles_switch(&self) -> bool {
        self.kind == RecordKind::Agent && !self.rules.inactive_roles.is_empty()
    }

    /// Whether an interrupted write may have given something, which is ours then (R4, S1).
    pub(super) fn may_have_given(&self) -> bool {
        let given = |intent: &Intent| !intent.grants.is_empty() || !intent.licences.is_empty();
        self.intent().is_some_and(given)
    }

    /// Whether rules name roles, or some of ours may have to be taken back (R4).
    fn looks_at_roles(&self, granted: &BTreeSet<i64>) -> bool {
        let meant = !self.meant(|intent| &intent.grants).is_empty();
        self.own().has_roles || meant || !granted.is_empty()
    }

    /// Whether links to licences follow Entra (S1).
    fn links_licences(&self) -> bool {
        self.kind == RecordKind::User && self.rules.licences.is_some()
    }

    /// All fields that are compared; of a record that is not linked yet, as of one that holds nothing
    /// of ours.
    pub(super) fn targets(&self, linked: &Linked) -> BTreeSet<Target> {
        self.compared(self.looks_at_roles(&linked.granted))
    }

    pub(super) fn targets_of_new(&self) -> BTreeSet<Target> {
        self.compared(self.looks_at_roles(&NONE))
    }

    fn compared(&self, with_roles: bool) -> BTreeSet<Target> {
        let own = self.own().columns.iter().map(|column| column.target.clone());
        let roles = with_roles.then(|| self.rules.roles_target.clone());
        let licences = self.links_licences().then(|| self.rules.licences_target.clone());
        own.chain(roles).chain(licences).collect()
    }
}

/// The set of numbers in a field, where it is known.
pub(super) fn held<'f>(fields: &'f Fields, target: &Target) -> Option<&'f BTreeSet<i64>> {
    match fields.get(target)? {
        HaloValue::Ids(ids) => Some(ids),
        HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Text(_) => None,
    }
}
