//! Halo's software licences: those of a client, made and written (S1).

use plan::ids::{ClientId, LicenceId, SkuId, TenantId};
use plan::licences::{Candidate, Image};
use serde_json::{Map, Value, json};

use super::wire::Record;
use super::{Call, Error, Halo, Updated};

const PATH: &str = "SoftwareLicence";

/// A licence that is made.
#[derive(Clone, Copy, Debug)]
pub struct NewLicence<'a> {
    /// Its name.
    pub name: &'a str,
    /// The SKU that it is, by which it is found again.
    pub sku: SkuId,
    /// The tenant that subscribes to it.
    pub tenant: TenantId,
    /// What it shows.
    pub image: Image,
}

impl Halo {
    /// The licences of a client, those included that are out of use.
    pub async fn licences(&self, client: ClientId) -> Result<Vec<Candidate>, Error> {
        let call = Call::get("read Halo's licences", &[PATH])
            .with("client_id", client)
            .with("includeinactive", true);
        let rows = self.all(call, "softwarelicences").await?;
        // A filter that Halo does not know is ignored without a word.
        let theirs = rows.iter().filter(|row| row.int("client_id") == Some(client.0));
        Ok(theirs.filter_map(candidate).collect())
    }

    /// Makes a licence. Halo has no protection against making one twice: after an error that may have
    /// acted, or a kill, [`plan::licences::find`] comes before another try (T2).
    pub async fn create_licence(&self, new: NewLicence<'_>) -> Result<LicenceId, Error> {
        let mut record = shown(new.image);
        record.insert("name".to_owned(), json!(new.name));
        // Halo's documentation does not say which field is meant for the SKU; an instance that keeps
        // none of these is survived as well.
        record.insert("product_sku".to_owned(), json!(new.sku));
        record.insert("tenant_id".to_owned(), json!(new.tenant));
        let saved = self.save("create a Halo licence", PATH, Value::Object(record)).await?;
        Ok(LicenceId(saved.id))
    }

    /// Writes what a licence shows. Safe to repeat.
    pub async fn update_licence(&self, id: LicenceId, image: Image) -> Result<Updated, Error> {
        let mut record = shown(image);
        record.insert("id".to_owned(), json!(id.0));
        self.save_again("update a Halo licence", PATH, id.0, record).await
    }
}

fn shown(image: Image) -> Map<String, Value> {
    let Image { client, count, in_use, is_active } = image;
    let fields = [
        ("client_id", json!(client.0)),
        ("count", json!(count)),
        ("licences_in_use", json!(in_use)),
        ("is_active", json!(is_active)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn candidate(row: &Record) -> Option<Candidate> {
    let text = |name: &str| row.text(name).trim().to_owned();
    let sku = Some(text("product_sku")).filter(|sku| !sku.is_empty());
    Some(Candidate {
        id: LicenceId(row.int("id").filter(|id| *id > 0)?),
        name: text("name"),
        sku: sku.unwrap_or_else(|| text("vendor_product_sku")),
        tenant: text("tenant_id"),
    })
}
