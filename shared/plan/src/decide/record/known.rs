//! What a record should hold, and what we know that it holds: where that is not enough, the record is
//! asked for.

use std::collections::BTreeSet;

use super::Draft;
use crate::decide::Need;
use crate::explain::Reason;
use crate::fields::{self, Differences, Filling, Record};
use crate::ids::RecordKind;
use crate::link::{Fields, HaloValue, Intent, Linked, LinkedBy, Target};
use crate::placement::{Placed, SiteChoice};
use crate::roles;
use crate::rules::licence_number;

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
    /// that writes only into an empty field meets one that we never read (F5), and before roles change,
    /// because others may have given some meanwhile (R4). So is it where roles count that we have never
    /// seen (R5).
    pub(super) fn read_again(
        &self,
        linked: &Linked,
        unread: bool,
        due: &roles::Wished,
    ) -> Result<Option<Fields>, Need> {
        let with_roles = self.looks_at_roles(&linked.granted);
        let held = self.held_roles(&linked.image);
        let unsettled = with_roles && !roles::is_settled(due, held, linked, self.intent());
        // One that we made holds what we gave.
        let unseen = held.is_none() && linked.how != LinkedBy::Created && self.roles_switch();
        if !unread && !unsettled && !unseen {
            return Ok(None);
        }
        let targets = self.targets(with_roles);
        let Some(record) = &self.known().record else {
            return Err(Need::Record(linked.record, targets));
        };
        let mut read = linked.image.clone();
        let nothing = HaloValue::Text(String::new());
        for target in targets {
            let value = record.get(&target).unwrap_or(&nothing);
            read.entry(target).or_insert_with(|| value.clone());
        }
        // Of roles only what Halo says now counts: a set that lacks one would take it away (R4).
        let roles = &self.rules.roles_target;
        match record.get(roles) {
            Some(value) => read.insert(roles.clone(), value.clone()),
            None => read.remove(roles),
        };
        Ok(Some(read))
    }

    pub(super) fn roles_wished(&mut self, placed: &Placed<'_>) -> roles::Wished {
        let mut wished = roles::wished(self.rules, self.kind, &self.case.view, placed);
        self.reasons.append(&mut wished.reasons);
        wished
    }

    /// What becomes of the roles of an existing record; `None` = they stay as they are, also where
    /// Halo does not say which there are.
    pub(super) fn roles(
        &mut self,
        due: &roles::Wished,
        linked: &Linked,
        held: Option<&BTreeSet<i64>>,
    ) -> Option<roles::Outcome> {
        if !self.looks_at_roles(&linked.granted)
            || roles::is_settled(due, held, linked, self.intent())
        {
            return None;
        }
        let Some(held) = held else {
            self.reasons.push(Reason::RolesUnreadable);
            return None;
        };
        Some(roles::outcome(due, held, &linked.granted, self.intent()))
    }

    pub(super) fn held_roles<'f>(&self, fields: &'f Fields) -> Option<&'f BTreeSet<i64>> {
        match fields.get(&self.rules.roles_target)? {
            HaloValue::Ids(roles) => Some(roles),
            HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Text(_) => None,
        }
    }

    /// A write of ours that was interrupted.
    pub(super) fn intent(&self) -> Option<&'a Intent> {
        self.case.link.intents.get(&self.kind)
    }

    /// Whether some roles make the record inactive (R5).
    fn roles_switch(&self) -> bool {
        self.kind == RecordKind::Agent && !self.rules.inactive_roles.is_empty()
    }

    /// Whether an interrupted write may have given roles, which are ours then (R4).
    pub(super) fn may_have_given(&self) -> bool {
        self.intent().is_some_and(|intent| !intent.grants.is_empty())
    }

    /// Whether rules name roles, or some of ours may have to be taken back (R4).
    pub(super) fn looks_at_roles(&self, granted: &BTreeSet<i64>) -> bool {
        self.own().has_roles || self.may_have_given() || !granted.is_empty()
    }

    /// All fields that are compared.
    pub(super) fn targets(&self, with_roles: bool) -> BTreeSet<Target> {
        let own = self.own();
        let roles = with_roles.then(|| self.rules.roles_target.clone());
        own.columns.iter().map(|column| column.target.clone()).chain(roles).collect()
    }
}
