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

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its id.
    pub id: i64,
    /// Its name, which may be empty.
    pub name: String,
    /// Its name for people, where that is another: of custom fields.
    pub label: Option<String>,
    /// The client that it belongs to: of sites.
    pub client: Option<Named>,
    /// Whether it is out of use.
    pub inactive: bool,
}

/// A page of things to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    /// They.
    pub choices: Vec<Choice>,
    /// The number of the next page; `None` at the end.
    pub next: Option<u32>,
}

/// Lists to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picker {
    /// Sites.
    Sites,
    /// Custom fields.
    CustomFields,
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
        let Shape { operation, path, key, id, .. } = picker.shape();
        let rows = self.all(Call::get(operation, &[path]), key).await?;
        Ok(rows.iter().filter_map(|record| named(record, id)).collect())
    }

    /// A page of `limit` things to choose whose name contains a text, in Halo's order; pages count
    /// from 1. One request: lists that Halo cuts into pages are searched by Halo, those that it gives
    /// whole are searched here. What Halo gives in spite of the search is left out, so a page may be short.
    pub async fn choices(
        &self,
        picker: Picker,
        search: &str,
        page: u32,
        limit: u32,
    ) -> Result<Choices, Error> {
        let Shape { operation, path, key, id, cut } = picker.shape();
        let fits = |choice: &Choice| {
            let wanted = search.to_lowercase();
            let names = [Some(&choice.name), choice.label.as_ref()].into_iter().flatten();
            names.into_iter().any(|name| name.to_lowercase().contains(&wanted))
        };
        let call = Call::get(operation, &[path]);
        if cut == Cut::Whole {
            let rows = self.all(call, key).await?;
            let all: Vec<Choice> =
                rows.iter().filter_map(|it| choice(it, id)).filter(fits).collect();
            return Ok(part(all, page, limit));
        }
        let call = call.with("pageinate", true).with("page_size", limit).with("page_no", page);
        let call = if search.is_empty() { call } else { call.with("search", search) };
        let list = self.rows(&call, key).await?;
        let is_last = list.is_last(limit) || list.rows.is_empty();
        let found = list.rows.iter().filter_map(|record| choice(record, id));
        let choices: Vec<Choice> = found.filter(fits).collect();
        // Some instances count what there is; without that a short page is taken for the last one.
        let passed = u64::from(page).saturating_mul(u64::from(limit));
        let more = match list.total {
            Some(total) => total > passed,
            None => u32::try_from(list.rows.len()).is_ok_and(|rows| rows >= limit),
        };
        Ok(Choices { choices, next: (more && !is_last).then(|| page.saturating_add(1)) })
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

/// How a list is asked for.
struct Shape {
    operation: &'static str,
    path: &'static str,
    key: &'static str,
    /// The property that holds the number.
    id: &'static str,
    cut: Cut,
}

/// Whether Halo cuts a list into pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Pages,
    Whole,
}

impl Picker {
    fn shape(self) -> Shape {
        use Cut::{Pages, Whole};
        let of = |operation, path, key, id, cut| Shape { operation, path, key, id, cut };
        match self {
            Picker::Sites => of("read Halo's sites", "Site", "sites", "id", Pages),
            Picker::CustomFields => {
                of("read Halo's custom fields", "FieldInfo", "fields", "id", Whole)
            }
            Picker::Clients => of("read Halo's clients", "Client", "clients", "id", Pages),
            Picker::UserRoles => of("read Halo's user roles", "UserRoles", "roles", "id", Whole),
            Picker::AgentRoles => of("read Halo's agent roles", "Roles", "roles", "id_int", Whole),
            Picker::Cabs => of("read Halo's CABs", "CAB", "cabs", "id", Whole),
            Picker::Licences => {
                of("read Halo's licences", "SoftwareLicence", "softwarelicences", "id", Pages)
            }
        }
    }
}

fn choice(record: &Record, id: &str) -> Option<Choice> {
    let Named { id, name } = named(record, id)?;
    let text = |name: &str| Some(record.text(name).into_owned()).filter(|text| !text.is_empty());
    let client = record
        .int("client_id")
        .map(|client| Named { id: client, name: text("client_name").unwrap_or_default() });
    let label = text("label").filter(|label| *label != name);
    Some(Choice { id, name, label, client, inactive: record.flag("inactive") })
}

/// A page of a list that is there as a whole.
fn part(all: Vec<Choice>, page: u32, limit: u32) -> Choices {
    let from = page.saturating_sub(1).saturating_mul(limit) as usize;
    let more = all.len() > from.saturating_add(limit as usize);
    let choices = all.into_iter().skip(from).take(limit as usize).collect();
    Choices { choices, next: more.then(|| page.saturating_add(1)) }
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
