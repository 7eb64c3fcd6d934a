//! Taking a connection away: at once for everybody who asks, and what it knew in portions.

use jiff::SignedDuration;
use plan::ids::{ConnectionId, ObjectId, PreviewId, Segment};

use super::{Refusal, TRIES};
use crate::Engine;
use crate::clock::Deadline;
use crate::store::people::RecordOwner;
use crate::store::{Commit, Expect, Key, Range, StoreError, Write, decode, keys, put};

/// How long one call removes records: API Gateway waits for 30 seconds.
const PORTION: SignedDuration = SignedDuration::from_secs(20);
/// Time that must be left to begin another page.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// How far the removal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Everything is gone but the inbound log and the settings audit, which have their own retention.
    All,
    /// The connection is gone, some of what it knew is left: repeat the call.
    SomeLeft,
}

impl Engine {
    /// Removes a connection: document, credentials, people, runs. Nothing happens in Halo. Safe to
    /// repeat, and to be repeated until it says that all is gone.
    pub async fn remove_connection(
        &self,
        who: &str,
        id: &ConnectionId,
    ) -> Result<Removed, Refusal> {
        let half_gone = self.store.get(&[keys::removed(id)]).await?;
        if matches!(half_gone.as_slice(), [None]) {
            self.unlist(who, id).await?;
        }
        self.forget_secrets(id).await?;
        let deadline = Deadline(self.clock.now().saturating_add(PORTION).unwrap_or_default());
        if !self.sweep(id, deadline).await? {
            return Ok(Removed::SomeLeft);
        }
        let mark = Write::Delete { key: keys::removed(id), expect: Expect::Anything };
        self.store.write_all(&[mark]).await?;
        Ok(Removed::All)
    }

    /// Takes away all that makes it a connection, and every lease, so that no step writes any more.
    async fn unlist(&self, who: &str, id: &ConnectionId) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let (saved, _) = self.load(id).await?;
            let document = &saved.value.document;
            let gone = |key: Key| Write::Delete { key, expect: Expect::Anything };
            let mut writes = vec![
                Write::Delete { key: keys::document(id), expect: saved.unchanged() },
                gone(keys::state(id)),
                gone(keys::lease(id)),
                gone(keys::sign_in_lease(id)),
                gone(keys::assigning_lease(id)),
                gone(keys::licence_lease(id)),
                gone(keys::listed(id)),
                gone(keys::imports(document.tenant_id, id)),
                gone(keys::connection_name(&document.name)),
                put(keys::removed(id), &(), Expect::Anything)?,
                self.audit(id, who, "removed", Some(document), None)?,
            ];
            let source = document.licences.map(|_| keys::licence_source(document.tenant_id));
            writes.extend(source.map(gone));
            if self.store.commit(&writes).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(Refusal::Busy)
    }

    /// Removes the connection's records, those last that say which others there are. `false` = the
    /// time was up first.
    async fn sweep(&self, id: &ConnectionId, deadline: Deadline) -> Result<bool, StoreError> {
        let mut partitions = vec![
            keys::names(id),
            keys::retries(id),
            keys::claims(id),
            keys::held_of(id),
            keys::conflicts_of(id),
            keys::parked_of(id),
            keys::seats(id),
            keys::assigning_of(id),
            keys::assignments_of(id),
        ];
        for segment in Segment::all() {
            partitions.extend([keys::dirty_of(id, segment), keys::people(id, segment)]);
        }
        for key in self.store.own_keys(id).await? {
            if let Some(run) = key.sk.strip_prefix("run#") {
                partitions.push(keys::segments_of(id, run));
            } else if let Some(Ok(preview)) = key.sk.strip_prefix("preview#").map(str::parse) {
                partitions.extend(self.partitions_of_preview(id, preview).await?);
            } else if let Some(Ok(group)) = key.sk.strip_prefix("group#").map(str::parse) {
                partitions.push(keys::members_of(id, group));
            }
        }
        let licences = self.store.book(id).await?.map(|book| book.value).unwrap_or_default();
        partitions.extend(licences.skus.keys().map(|sku| keys::holders_of(id, *sku)));
        for segment in Segment::all() {
            if !self.disown(id, segment, deadline).await? {
                return Ok(false);
            }
        }
        for partition in partitions {
            if !self.drain(&partition, deadline).await? {
                return Ok(false);
            }
        }
        let managers: Vec<ObjectId> = self.store.all_of(&keys::managers(id)).await?;
        for manager in managers {
            if !self.drain(&keys::reports_of(id, manager), deadline).await? {
                return Ok(false);
            }
        }
        if !self.drain(&keys::managers(id), deadline).await? {
            return Ok(false);
        }
        let own = self.store.own_keys(id).await?;
        let runs = own.iter().filter_map(|key| key.sk.strip_prefix("run#")?.parse().ok());
        let previews = own.iter().filter_map(|key| key.sk.strip_prefix("preview#")?.parse().ok());
        let pointers = runs.map(keys::run_pointer).chain(previews.map(keys::preview_pointer));
        let pointers: Vec<Key> = pointers.collect();
        let own = own.into_iter().filter(|key| !key.sk.starts_with("audit#"));
        let owned = licences.linkable().into_values().map(keys::licence_owner);
        let gone = |key: Key| Write::Delete { key, expect: Expect::Anything };
        let writes: Vec<Write> = pointers.into_iter().chain(owned).chain(own).map(gone).collect();
        self.store.write_all(&writes).await?;
        Ok(true)
    }

    /// All that a preview consists of, besides its record.
    async fn partitions_of_preview(
        &self,
        id: &ConnectionId,
        preview: PreviewId,
    ) -> Result<Vec<String>, StoreError> {
        let record = self.store.preview(id, preview).await?;
        let order = record.map(|record| record.value.order).unwrap_or_default();
        let mut all = vec![
            keys::preview_own(id, preview),
            keys::preview_list(id, preview),
            keys::preview_claims(id, preview),
        ];
        all.extend(order.iter().map(|mapping| keys::preview_also(id, preview, mapping)));
        for segment in Segment::all() {
            let (people, open) = (
                keys::preview_people(id, preview, segment),
                keys::preview_open(id, preview, segment),
            );
            all.extend([people, open]);
        }
        Ok(all)
    }

    /// Halo records of these people are nobody's any more, so that another connection may find them.
    async fn disown(
        &self,
        id: &ConnectionId,
        segment: Segment,
        deadline: Deadline,
    ) -> Result<bool, StoreError> {
        let mut after = None;
        loop {
            if deadline.is_near(self.clock.as_ref(), MARGIN) {
                return Ok(false);
            }
            let (people, next) = self.store.people_of(id, segment, after, 500).await?;
            let links = people.iter().map(|(_, person)| &person.value.link);
            let records = links.flat_map(|link| [&link.user, &link.agent].into_iter().flatten());
            let places: Vec<Key> = records.map(|linked| keys::owner(linked.record)).collect();
            let mut writes = Vec::new();
            for (key, found) in places.iter().zip(self.store.get(&places).await?) {
                let owner = found.as_ref().map(decode::<RecordOwner>).transpose()?;
                if owner.is_some_and(|owner| owner.value.connection == *id) {
                    writes.push(Write::Delete { key: key.clone(), expect: Expect::Anything });
                }
            }
            self.store.write_all(&writes).await?;
            let Some(next) = next else { return Ok(true) };
            after = Some(next);
        }
    }

    async fn drain(&self, partition: &str, deadline: Deadline) -> Result<bool, StoreError> {
        loop {
            if deadline.is_near(self.clock.as_ref(), MARGIN) {
                return Ok(false);
            }
            let page = self.store.query(&Range::of(partition, 500)).await?;
            let writes: Vec<Write> = page
                .records
                .into_iter()
                .map(|record| Write::Delete { key: record.key, expect: Expect::Anything })
                .collect();
            self.store.write_all(&writes).await?;
            if page.next.is_none() {
                return Ok(true);
            }
        }
    }
}
