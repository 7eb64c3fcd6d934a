//! Sites, clients, roles, boards and custom fields as Halo has them now: for checks and for choosing.

use std::collections::BTreeMap;

use plan::ids::{ClientId, CustomFieldId, SiteId};
use serde::Serialize;
use serde_json::json;

use super::wire::{self, Record};
use super::{Call, Error, Halo, failed};

/// Rows of one list that are read; the longest known is that of custom fields, about 1,400.
const ROWS: usize = 100_000;

/// A site as Halo has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Its name, which may be empty.
    pub name: String,
    /// The client that it belongs to.
    pub client: ClientId,
    /// Whether it is out of use.
    pub inactive: bool,
}

/// A definition of a custom field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomField {
    /// Its id.
    pub id: CustomFieldId,
    /// Its name in the API, as in `CFCostCentre`.
    pub name: String,
    /// Its name for people.
    pub label: String,
}

/// A record by id and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// Lists to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picker {
    /// Clients, called organisations in some products.
    Clients,
    /// Roles of users.
    UserRoles,
    /// Roles of agents, by their number.
    AgentRoles,
    /// Change advisory boards.
    Cabs,
    /// Software licences.
    Licences,
}

impl Halo {
    /// The sites of a client, or all without one, inactive ones included, in order of id.
    pub async fn sites(&self, client: Option<ClientId>) -> Result<Vec<Site>, Error> {
        let call = Call::get("read Halo's sites", &["Site"]).with("includeinactive", true);
        let call = match client {
            Some(client) => call.with("client_id", client),
            None => call,
        };
        let rows = self.all(call, "sites").await?;
        let sites = rows.iter().filter_map(site);
        // A filter that Halo does not know is ignored without a word.
        Ok(sites.filter(|site| client.is_none_or(|client| client == site.client)).collect())
    }

    /// One site; `None` when there is none.
    pub async fn site(&self, id: SiteId) -> Result<Option<Site>, Error> {
        let found = self.one("read a Halo site", "Site", id.0).await?;
        Ok(found.as_ref().and_then(site))
    }

    /// Makes a site. It can be made twice: [`super::sites::Sites`] sees to it that it is not.
    pub(super) async fn create_site(&self, client: ClientId, name: &str) -> Result<SiteId, Error> {
        let record = json!({ "name": name, "client_id": client.0 });
        Ok(SiteId(self.save("create a Halo site", "Site", record).await?.id))
    }

    /// One client; `None` when there is none.
    pub async fn client(&self, id: ClientId) -> Result<Option<Named>, Error> {
        let found = self.one("read a Halo client", "Client", id.0).await?;
        Ok(found.as_ref().and_then(|record| named(record, "id")))
    }

    /// All definitions of custom fields, in order of id.
    pub async fn custom_fields(&self) -> Result<Vec<CustomField>, Error> {
        let rows =
            self.all(Call::get("read Halo's custom fields", &["FieldInfo"]), "fields").await?;
        let field = |record: &Record| {
            Some(CustomField {
                id: CustomFieldId(record.int("id")?),
                name: record.text("name").into_owned(),
                label: record.text("label").into_owned(),
            })
        };
        Ok(rows.iter().filter_map(field).collect())
    }

    /// A list to choose from, in order of id.
    pub async fn names(&self, picker: Picker) -> Result<Vec<Named>, Error> {
        let (operation, path, key, id) = match picker {
            Picker::Clients => ("read Halo's clients", "Client", "clients", "id"),
            Picker::UserRoles => ("read Halo's user roles", "UserRoles", "roles", "id"),
            Picker::AgentRoles => ("read Halo's agent roles", "Roles", "roles", "id_int"),
            Picker::Cabs => ("read Halo's CABs", "CAB", "cabs", "id"),
            Picker::Licences => {
                ("read Halo's licences", "SoftwareLicence", "softwarelicences", "id")
            }
        };
        let rows = self.all(Call::get(operation, &[path]), key).await?;
        Ok(rows.iter().filter_map(|record| named(record, id)).collect())
    }

    async fn one(
        &self,
        operation: &'static str,
        path: &str,
        id: i64,
    ) -> Result<Option<Record>, Error> {
        let call = Call::get(operation, &[path, &id.to_string()]);
        let Some(body) = self.json_if_found(&call).await? else { return Ok(None) };
        let record = wire::record(body).map_err(|kind| failed(operation, kind))?;
        Ok((record.int("id") == Some(id)).then_some(record))
    }

    /// All rows of a list in order of id, page by page until one adds nobody new. Lists that Halo does
    /// not cut into pages come as bare arrays, whole.
    pub(super) async fn all(&self, mut call: Call, key: &str) -> Result<Vec<Record>, Error> {
        let mut rows = BTreeMap::new();
        call = call.with("pageinate", true).with("page_size", self.shared.settings.page_size);
        for page_no in 1.. {
            call.query.retain(|(name, _)| *name != "page_no");
            call = call.with("page_no", page_no);
            let list = self.rows(&call, key).await?;
            let is_last = list.is_last(self.shared.settings.page_size);
            let before = rows.len();
            rows.extend(list.rows.into_iter().filter_map(|row| Some((row_id(&row)?, row))));
            if is_last || rows.len() == before {
                break;
            }
            if rows.len() > ROWS {
                return Err(failed(call.operation, wire::malformed("a list without end")));
            }
        }
        Ok(rows.into_values().collect())
    }
}

/// Agent roles have a number beside their text id.
fn row_id(record: &Record) -> Option<i64> {
    record.int("id_int").or_else(|| record.int("id"))
}

fn site(record: &Record) -> Option<Site> {
    Some(Site {
        id: SiteId(record.int("id")?),
        name: record.text("name").into_owned(),
        client: ClientId(record.int("client_id")?),
        inactive: record.flag("inactive"),
    })
}

pub(super) fn named(record: &Record, id: &str) -> Option<Named> {
    let id = record.int(id).or_else(|| record.int("id"))?;
    Some(Named { id, name: record.text("name").into_owned() })
}
