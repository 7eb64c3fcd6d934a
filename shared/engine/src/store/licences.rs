//! The ledger of licences in the store, whose a licence of Halo's is, and who holds which (S1).

use std::collections::BTreeSet;
use std::sync::Arc;

use plan::facts::{Facts, Merged, Presence};
use plan::ids::{ConnectionId, LicenceId, ObjectId, SkuId};
use plan::licences::{Book, Holder};
use serde::{Deserialize, Serialize};

use super::people::{Fenced, Loaded, MergedPage};
use super::{Key, Range, Store, StoreError, Versioned, Write, keys};

/// The connection that a licence of Halo's was imported by, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceOwner {
    /// Whose.
    pub connection: ConnectionId,
    /// Which SKU it is.
    pub sku: SkuId,
}

/// What a mark because of licences is called.
const CAUSE: &str = "licences";

impl Store {
    /// The ledger of a connection; `None` before its first import of licences.
    pub async fn book(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Versioned<Book>>, StoreError> {
        self.read(&keys::licences(connection)).await
    }

    /// The connection that imported a licence of Halo's; `None` = none of ours did.
    pub async fn licence_owner(
        &self,
        licence: LicenceId,
    ) -> Result<Option<LicenceOwner>, StoreError> {
        Ok(self.read(&keys::licence_owner(licence)).await?.map(|found| found.value))
    }

    /// Merges what Graph says of people's licences into the facts of those whom we know, and marks
    /// those dirty for whom it is news.
    ///
    /// Safe to repeat: the same again changes nothing, and the marks of the first time stand. Nothing
    /// is written once `check` fails.
    pub async fn merge_holders(
        &self,
        connection: &ConnectionId,
        check: &Write,
        holders: &[Holder],
    ) -> Result<Fenced<MergedPage>, StoreError> {
        loop {
            let mut loaded = self.load(connection, holders.iter().map(|holder| holder.id)).await?;
            // Nobody is made up from this list.
            loaded.people.retain(|_, person| person.version > 0);
            for holder in holders {
                hold(&mut loaded, holder);
            }
            self.write_side_records(connection, &loaded).await?;
            let all = holders.len() as u64;
            let page = MergedPage { fresh: all, told: all, dirty: loaded.dirty() };
            if let Some(outcome) = self.save_people(connection, check, &loaded).await? {
                return Ok(outcome.map(page));
            }
        }
    }

    /// Takes over what Graph says of a person's licences now, as far as it was asked, and marks the
    /// person, so that the next look makes Halo's link to `licence` what Entra says, whoever made it
    /// (S2). Safe to repeat: the mark says only that somebody has to look.
    pub async fn settle_licence(
        &self,
        connection: &ConnectionId,
        check: &Write,
        person: ObjectId,
        holder: Option<&Holder>,
        licence: LicenceId,
    ) -> Result<Fenced<()>, StoreError> {
        loop {
            let mut loaded = self.load(connection, [person]).await?;
            loaded.people.retain(|_, person| person.version > 0);
            if let Some(holder) = holder {
                hold(&mut loaded, holder);
            }
            if let Some(person) = loaded.people.get_mut(&person) {
                person.value.link.contested.insert(licence.0);
                person.value.mark([CAUSE.to_owned()]);
            }
            self.write_side_records(connection, &loaded).await?;
            if let Some(outcome) = self.save_people(connection, check, &loaded).await? {
                return Ok(outcome);
            }
        }
    }

    /// People who hold a SKU, or should, in order of their ids; who lost it meanwhile may be among them.
    pub async fn holders(
        &self,
        connection: &ConnectionId,
        sku: SkuId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<ObjectId>, Option<String>), StoreError> {
        let range = Range { after, ..Range::of(keys::holders_of(connection, sku), limit) };
        let page = self.query(&range).await?;
        let ids = page.records.iter().filter_map(|record| record.key.sk.parse().ok());
        Ok((ids.collect(), page.next))
    }
}

fn hold(loaded: &mut Loaded, holder: &Holder) {
    let Some(person) = loaded.people.get_mut(&holder.id) else { return };
    let facts = Arc::make_mut(&mut person.value.facts);
    let changed = facts.holds(holder) == Merged::Changed;
    // Of somebody whom only a group named so far there is nothing to decide yet.
    if changed && facts.presence != Presence::Unread {
        person.value.mark([CAUSE.to_owned()]);
    }
}

/// The records by which a person is found among the holders of licences: those that could not be given
/// are among them, so that they can be shown.
pub(super) fn holder_keys(connection: &ConnectionId, id: ObjectId, facts: &Facts) -> BTreeSet<Key> {
    let told = facts.licences.iter().map(|state| state.sku);
    let skus: BTreeSet<SkuId> = facts.assigned_licences().into_iter().chain(told).collect();
    skus.into_iter().map(|sku| keys::holder(connection, sku, id)).collect()
}
