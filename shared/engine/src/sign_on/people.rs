//! Who somebody is here for whom Microsoft vouches: found by tenant and object id among the links of the
//! tenant's connections, and for agents by what Halo says now (O3).

use plan::ids::{ConnectionId, ObjectId, RecordId, TenantId};
use plan::sign_on::{
    AgentNow, Identity, Known, Refusal, Role, Settings, Standing, agent_role, standing,
};

use super::ours;
use super::settings::Saved;
use crate::Engine;
use crate::halo::{self, Priority};
use crate::store::people::Person;
use crate::store::{Range, StoreError, decode, keys};

/// Connections of one tenant that are looked at.
const CONNECTIONS: usize = 100;

/// Somebody who may come in.
pub(super) struct Admitted {
    /// Who.
    pub(super) identity: Identity,
    /// What they may do.
    pub(super) role: Role,
    /// Revision of the settings that say so.
    pub(super) revision: u64,
}

/// What somebody is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// For people.
    pub(super) display: String,
    /// In the settings audit: the user principal name.
    pub(super) audit: String,
}

/// What the tenant's connections know of somebody.
pub(super) struct Found {
    person: ObjectId,
    records: Vec<(ConnectionId, Person)>,
}

impl Found {
    /// As whom they are let in, by what we know.
    pub(super) fn standing(&self, settings: &Settings) -> Result<Standing, Refusal> {
        let known = self.records.iter().map(|(connection, person)| Known {
            connection,
            facts: &person.facts,
            link: &person.link,
            in_conflict: person.conflict.is_some(),
            parked: person.parked.is_some(),
        });
        let known: Vec<Known<'_>> = known.collect();
        standing(self.person, &known, settings.allow).map_err(Refusal::Person)
    }

    /// What they are called, as Entra said last.
    pub(super) fn names(&self) -> Names {
        let facts = self.records.iter().map(|(_, person)| &person.facts);
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let audit = facts.clone().find_map(|facts| said(facts.user_principal_name()));
        let audit = audit.unwrap_or_else(|| self.person.to_string());
        let display = facts.clone().find_map(|facts| said(facts.display_name()));
        Names { display: display.unwrap_or_else(|| audit.clone()), audit }
    }
}

impl Engine {
    /// Lets somebody in, or says why not.
    pub(super) async fn admit(
        &self,
        saved: &Saved,
        identity: Identity,
    ) -> Result<Admitted, Refusal> {
        let Saved { settings, revision, .. } = saved;
        let found = self.found(identity.tenant, identity.person).await.map_err(ours)?;
        let role = match found.standing(settings)? {
            Standing::User(oneself) => Role::Person(oneself),
            Standing::Agent { agent, otherwise } => {
                let now = self.asked_of_halo(agent).await?;
                agent_role(settings, now.as_ref(), otherwise).map_err(Refusal::Person)?
            }
        };
        Ok(Admitted { identity, role, revision: *revision })
    }

    /// What the tenant's connections know of a person: one query and one read, however many people
    /// there are.
    pub(super) async fn found(
        &self,
        tenant: TenantId,
        person: ObjectId,
    ) -> Result<Found, StoreError> {
        let prefix = keys::of_tenant(tenant);
        let range = Range { prefix: prefix.clone(), ..Range::of(keys::BY_TENANT, CONNECTIONS) };
        let page = self.store.query(&range).await?;
        let ids = page.records.iter().filter_map(|record| record.key.sk.strip_prefix(&prefix));
        let connections: Vec<ConnectionId> = ids.filter_map(|id| id.parse().ok()).collect();
        let wanted: Vec<_> = connections.iter().map(|id| keys::person(id, person)).collect();
        let found = self.store.get(&wanted).await?;
        let found = connections.into_iter().zip(found);
        let records = found
            .filter_map(|(connection, record)| Some((connection, record?)))
            .map(|(connection, record)| Ok((connection, decode::<Person>(&record)?.value)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Found { person, records })
    }

    /// What Halo says of an agent now, ahead of background work (H2).
    pub(super) async fn asked_of_halo(&self, agent: RecordId) -> Result<Option<AgentNow>, Refusal> {
        match self.halo.with_priority(Priority::Manual).agent_now(agent).await {
            Ok(now) => Ok(now),
            Err(halo::Error::Ours(error)) => Err(ours(error)),
            Err(halo::Error::Halo(failure)) => {
                // Without what Halo says, which may name people.
                let operation = failure.operation;
                tracing::warn!(operation, "Halo could not be asked what an agent may do");
                Err(Refusal::HaloUnavailable)
            }
        }
    }
}
