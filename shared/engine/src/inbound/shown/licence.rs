//! What became of a licence that Halo asked for, as the log shows it (S2).

use plan::assignment::Action;
use plan::decide::{LicenceOutcome, LicencePart};
use plan::ids::{LicenceId, SkuId};
use serde::Serialize;
use utoipa::ToSchema;

/// A licence that Halo asked to be given or taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LoggedLicence)]
pub(super) struct ShownLicence {
    /// Given or taken.
    action: Action,
    /// The licence as Halo knows it.
    licence_id: LicenceId,
    /// The licence as Entra knows it.
    sku: SkuId,
    /// Its name.
    product: String,
    /// What came of it.
    outcome: LicenceOutcome,
}

impl ShownLicence {
    pub(super) fn of(part: &LicencePart) -> Self {
        let LicencePart { action, licence, sku, product, outcome, reasons: _ } = part;
        let (licence_id, product) = (*licence, product.clone());
        Self { action: *action, licence_id, sku: *sku, product, outcome: *outcome }
    }
}
