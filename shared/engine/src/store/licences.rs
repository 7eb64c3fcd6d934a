//! The ledger of licences in the store, and whose a licence of Halo's is (S1).

use plan::ids::{ConnectionId, LicenceId, SkuId};
use plan::licences::Book;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, Versioned, keys};

/// The connection that a licence of Halo's was imported by, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceOwner {
    /// Whose.
    pub connection: ConnectionId,
    /// Which SKU it is.
    pub sku: SkuId,
}

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
}
