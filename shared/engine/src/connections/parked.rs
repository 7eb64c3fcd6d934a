//! People who are set aside: what stands in their way, and when they are tried again (T5).

use plan::ids::{ConnectionId, ObjectId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Engine;
use crate::inbound::Sight;
use crate::store::log::PersonNames;
use crate::store::people::Parked;
use crate::store::{Range, StoreError, keys};

/// Somebody who is set aside.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ParkedPerson {
    /// Who.
    pub person: PersonNames,
    /// Why, and until when.
    #[serde(flatten)]
    pub parked: Parked,
}

impl Engine {
    /// People who wait for another try or for other data, behind `after` in order of their object ids, and
    /// where to go on. Whoever waits for a choice is among the conflicts instead. Changes nothing.
    pub async fn parked(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
        sight: Sight,
    ) -> Result<(Vec<ParkedPerson>, Option<String>), StoreError> {
        let range = Range { after, ..Range::of(keys::parked_of(connection), limit) };
        let page = self.store.query(&range).await?;
        let ids = page.records.iter().filter_map(|record| record.key.sk.parse().ok());
        let people = self.store.people(connection, ids.collect::<Vec<ObjectId>>()).await?;
        let parked = people.iter().filter(|(_, person)| person.value.is_set_aside());
        let parked = parked.filter_map(|(id, person)| {
            let names = PersonNames::of(*id, &person.value);
            Some(ParkedPerson { person: names, parked: sight.parked(&person.value)? })
        });
        Ok((parked.collect(), page.next))
    }
}
