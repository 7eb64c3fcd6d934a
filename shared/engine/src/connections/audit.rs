//! The settings audit: who changed what, when, and which places of a document differ (C10). Entries are
//! stored in the transaction of the change that they tell of, and never hold a secret (C4).

use jiff::Timestamp;
use plan::difference::{Difference, differences};
use plan::document::Document;
use plan::ids::ConnectionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Refusal;
use crate::Engine;
use crate::store::{Expect, Order, Range, StoreError, Write, decode, keys, put};

/// A change as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Sorts by time.
    pub id: Uuid,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub who: String,
    /// What they did.
    pub what: String,
    /// The places of the document that differ; none where no document changed.
    pub changes: Vec<Difference>,
}

/// A change as it is stored. Documents are kept as they were written, whatever later versions know.
#[derive(Debug, Serialize, Deserialize)]
struct Stored<D> {
    time: Timestamp,
    who: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<D>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<D>,
}

impl Engine {
    /// Changes of a connection, newest first, and where to go on. They outlast the connection.
    pub async fn audit_of(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<AuditEntry>, Option<String>), Refusal> {
        let is_first = after.is_none();
        let page = self.audit_page(keys::own(connection), after, limit).await?;
        if page.0.is_empty() && is_first {
            self.load(connection).await?;
        }
        Ok(page)
    }

    /// Changes of the deployment itself, newest first, and where to go on.
    pub async fn deployment_audit(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<AuditEntry>, Option<String>), StoreError> {
        self.audit_page(keys::DEPLOYMENT.to_owned(), after, limit).await
    }

    async fn audit_page(
        &self,
        partition: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<AuditEntry>, Option<String>), StoreError> {
        let range = Range {
            prefix: keys::AUDIT.to_owned(),
            after,
            order: Order::Descending,
            ..Range::of(partition, limit)
        };
        let page = self.store.query(&range).await?;
        let mut entries = Vec::with_capacity(page.records.len());
        for record in &page.records {
            let id = record.key.sk.trim_start_matches(keys::AUDIT).parse().unwrap_or_default();
            let Stored { time, who, what, before, after } = decode::<Stored<Value>>(record)?.value;
            let changes = differences(before.as_ref(), after.as_ref());
            entries.push(AuditEntry { id, time, who, what, changes });
        }
        Ok((entries, page.next))
    }

    /// The write that tells of a change of a connection, for the transaction of the change.
    pub(super) fn audit(
        &self,
        connection: &ConnectionId,
        who: &str,
        what: &str,
        before: Option<&Document>,
        after: Option<&Document>,
    ) -> Result<Write, StoreError> {
        let time = self.clock.now();
        let key = keys::audit(connection, self.random.sortable(time));
        let (who, what) = (who.to_owned(), what.to_owned());
        put(key, &Stored { time, who, what, before, after }, Expect::Absent)
    }

    /// The write that tells of a change of the deployment, for the transaction of the change.
    pub(crate) fn deployment_audit_entry(
        &self,
        who: &str,
        what: &str,
    ) -> Result<Write, StoreError> {
        self.deployment_change(who, what, None::<&()>, None)
    }

    /// The same for settings that are a document, with what stood there before and after.
    pub(crate) fn deployment_change<D: Serialize>(
        &self,
        who: &str,
        what: &str,
        before: Option<&D>,
        after: Option<&D>,
    ) -> Result<Write, StoreError> {
        let time = self.clock.now();
        let key = keys::deployment_audit(self.random.sortable(time));
        let (who, what) = (who.to_owned(), what.to_owned());
        put(key, &Stored { time, who, what, before, after }, Expect::Absent)
    }
}
