//! Halo's users and agents, by one code: pages of the lists, one record, create and update (H3).

use std::collections::BTreeSet;

use plan::failure::Kind;
use plan::ids::{RecordId, RecordKind};
use plan::link::{FieldChange, Fields, HaloValue, Target};
use serde_json::{Map, Value, json};

use super::wire::{self, Answered, Record};
use super::{Call, Error, Halo, failed, values};

/// What the API calls the records of one kind, and what we call the requests about them.
#[derive(Debug)]
pub(super) struct Api {
    /// Segment of the path.
    path: &'static str,
    /// Array of a list that comes in an envelope.
    rows: &'static str,
    /// The flag that takes a record out of use (L1).
    pub(super) inactive: &'static str,
    /// Fields that every read record has in its fields.
    always: &'static [&'static str],
    /// Parameters of a list that leaves nobody out.
    everyone: &'static [&'static str],
    read_list: &'static str,
    read: &'static str,
    create: &'static str,
    update: &'static str,
    /// Operation of a search for a person's record.
    pub(super) find: &'static str,
}

const USERS: Api = Api {
    path: "Users",
    rows: "users",
    inactive: "inactive",
    always: &["inactive", "site_id", "azureoid"],
    everyone: &["includeactive", "includeinactive"],
    read_list: "read Halo's users",
    read: "read a Halo user",
    create: "create a Halo user",
    update: "update a Halo user",
    find: "look for a user in Halo",
};

const AGENTS: Api = Api {
    path: "Agent",
    rows: "agents",
    inactive: "isdisabled",
    always: &["isdisabled"],
    everyone: &["includeenabled", "includedisabled", "includeapiagents", "includeroles"],
    read_list: "read Halo's agents",
    read: "read a Halo agent",
    create: "create a Halo agent",
    update: "update a Halo agent",
    find: "look for an agent in Halo",
};

pub(super) const fn api(kind: RecordKind) -> &'static Api {
    match kind {
        RecordKind::User => &USERS,
        RecordKind::Agent => &AGENTS,
    }
}

/// Why a record stands for nobody and is never matched or written (M4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// The contact that every site has.
    GeneralUser,
    /// A service account among the users.
    ServiceAccount,
    /// An agent that only applications sign in as.
    ApiAgent,
}

fn special(kind: RecordKind, record: &Record) -> Option<Special> {
    match kind {
        RecordKind::User if record.text("name").trim().eq_ignore_ascii_case("General User") => {
            Some(Special::GeneralUser)
        }
        RecordKind::User => record.flag("isserviceaccount").then_some(Special::ServiceAccount),
        RecordKind::Agent => record.flag("isapiagent").then_some(Special::ApiAgent),
    }
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which record.
    pub id: RecordId,
    /// What the row shows; which properties that are depends on Halo's version.
    pub record: Record,
}

impl Row {
    /// The row in `record`; `None` without a number that can be a record's.
    pub(super) fn new(kind: RecordKind, record: Record) -> Option<Self> {
        let id = record.int("id").filter(|id| *id > 0)?;
        Some(Self { id: RecordId { kind, id }, record })
    }

    /// Whether it stands for nobody.
    pub fn special(&self) -> Option<Special> {
        special(self.id.kind, &self.record)
    }

    /// Whether the record is out of use.
    pub(super) fn is_inactive(&self) -> bool {
        self.record.flag(api(self.id.kind).inactive)
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordsPage {
    /// Its rows, those that stand for nobody included.
    pub rows: Vec<Row>,
    /// How many records there are in all, where Halo says something that can be that.
    pub total: Option<u64>,
    /// Whether no page follows, as far as the shape of the answer tells. Where it does not, only an
    /// empty page, or one without anybody new, is behind the last.
    pub is_last: bool,
}

/// One record with details.
#[derive(Clone, Debug, PartialEq)]
pub struct HaloRecord {
    /// Which record.
    pub id: RecordId,
    /// The asked fields as far as Halo has them, and always whether the record is out of use
    /// (`inactive` of a user, `isdisabled` of an agent) and a user's `site_id` and `azureoid`.
    pub fields: Fields,
    /// The lists that [`Halo::update`] merges into.
    pub kept: Kept,
    /// Whether it stands for nobody.
    pub special: Option<Special>,
    pub(super) record: Record,
}

/// Lists of a record as they came. Halo replaces a list whole, so what is not ours goes back as it was
/// (F4, S1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Custom fields.
    pub(super) custom: Vec<Value>,
    /// Links to licences and other software.
    pub(super) software: Vec<Value>,
}

/// A record that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: RecordId,
    /// What Halo remarked while saving; to be logged.
    pub warning: Option<String>,
}

/// What came of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Updated {
    /// It is saved.
    Done {
        /// What Halo remarked while saving; to be logged.
        warning: Option<String>,
    },
    /// There is no such record any more.
    Gone,
}

impl Halo {
    /// A page of all records of a kind, active and inactive, counted from 1 and in order of id as far
    /// as Halo obeys. Halo may give fewer rows than asked for on any page, repeat rows, or shift them
    /// between pages while they are read.
    pub async fn page(&self, kind: RecordKind, page_no: u32) -> Result<RecordsPage, Error> {
        self.page_for(api(kind).read_list, kind, page_no).await
    }

    /// As [`Halo::page`], for an operation that is more than reading the list.
    pub(super) async fn page_for(
        &self,
        operation: &'static str,
        kind: RecordKind,
        page_no: u32,
    ) -> Result<RecordsPage, Error> {
        let mut call = everyone(kind, operation)
            .with("page_no", page_no)
            .with("page_size", self.shared.settings.page_size)
            .with("order", "id");
        call = match kind {
            RecordKind::User => call.with("exclude_generaluser", true),
            RecordKind::Agent => call,
        };
        let list = self.rows(&call, api(kind).rows).await?;
        let is_last = list.is_last(self.shared.settings.page_size);
        let rows = list.rows.into_iter().filter_map(|row| Row::new(kind, row)).collect();
        Ok(RecordsPage { rows, total: list.total, is_last })
    }

    /// Rows of a list that is asked for with parameters of its own.
    pub(super) async fn records(&self, kind: RecordKind, call: &Call) -> Result<Vec<Row>, Error> {
        let list = self.rows(call, api(kind).rows).await?;
        Ok(list.rows.into_iter().filter_map(|row| Row::new(kind, row)).collect())
    }

    /// One record with details, and of them the fields in `targets`; `None` when there is none.
    pub async fn record(
        &self,
        id: RecordId,
        targets: &BTreeSet<Target>,
    ) -> Result<Option<HaloRecord>, Error> {
        let api = api(id.kind);
        let path = [api.path, &id.id.to_string()];
        let call = Call::get(api.read, &path).with("includedetails", true);
        let call = match id.kind {
            RecordKind::User => call,
            RecordKind::Agent => call.with("includeroles", true),
        };
        let Some(body) = self.json_if_found(&call).await? else { return Ok(None) };
        let record = wire::record(body).map_err(|kind| failed(api.read, kind))?;
        if record.int("id") != Some(id.id) {
            return Err(about_another(api.read));
        }
        let always: Vec<Target> = api.always.iter().map(|name| Target::field(name)).collect();
        let fields = values::fields(&record, targets.iter().chain(&always));
        let (custom, software) = (record.array("customfields"), record.array("software"));
        let kept = Kept { custom: custom.to_vec(), software: software.to_vec() };
        let special = special(id.kind, &record);
        Ok(Some(HaloRecord { id, fields, kept, special, record }))
    }

    /// Makes a record. Halo has no protection against making one twice: when the error
    /// [may have acted](Error::may_have_acted), [`Halo::find`] comes before another try (M6).
    pub async fn create(&self, kind: RecordKind, fields: &Fields) -> Result<Created, Error> {
        let api = api(kind);
        if fields.keys().any(is_id) {
            return Err(refused_here(api.create, "a new record cannot carry an id"));
        }
        let new = fields.iter().map(|(field, after)| FieldChange {
            field: field.clone(),
            before: None,
            after: after.clone(),
        });
        let new: Vec<FieldChange> = new.collect();
        let payload = self.payload(kind, api.create, &new, &Kept::default()).await?;
        let saved = self.save(api.create, api.path, Value::Object(payload)).await?;
        Ok(Created { id: RecordId { kind, id: saved.id }, warning: saved.warning })
    }

    /// Writes the changed fields of a record and nothing else (H3). Safe to repeat. Roles replace those
    /// that the record holds, so the change names all of them. `kept` is what the record holds in lists
    /// ([`HaloRecord::kept`]); when it is needed and not given it is read first, because elements left
    /// out would be taken away (F4, S1).
    pub async fn update(
        &self,
        id: RecordId,
        changes: &[FieldChange],
        kept: Option<&Kept>,
    ) -> Result<Updated, Error> {
        let api = api(id.kind);
        if id.id <= 0 {
            return Err(refused_here(api.update, "an update needs the id of a record"));
        }
        if changes.is_empty() {
            return Ok(Updated::Done { warning: None });
        }
        let merges = |change: &FieldChange| match &change.field {
            Target::Custom(_) => true,
            Target::Field(name) => name == values::SOFTWARE,
        };
        let kept = match kept {
            Some(kept) => kept.clone(),
            None if changes.iter().any(merges) => match self.record(id, &BTreeSet::new()).await? {
                Some(record) => record.kept,
                None => return Ok(Updated::Gone),
            },
            None => Kept::default(),
        };
        let mut payload = self.payload(id.kind, api.update, changes, &kept).await?;
        payload.insert("id".to_owned(), json!(id.id));
        self.save_again(api.update, api.path, id.id, payload).await
    }

    /// The properties that write `changes`.
    async fn payload(
        &self,
        kind: RecordKind,
        operation: &'static str,
        changes: &[FieldChange],
        kept: &Kept,
    ) -> Result<Map<String, Value>, Error> {
        let changes = changes.iter().filter(|change| !is_id(&change.field));
        let mut payload = values::payload(changes.clone(), kept);
        if kind == RecordKind::Agent {
            let roles = changes.clone().find(|change| change.field == Target::field("roles"));
            if let Some(FieldChange { after: HaloValue::Ids(numbers), .. }) = roles {
                let roles = self.posted_agent_roles(operation, numbers).await?;
                payload.insert("roles".to_owned(), roles);
            }
        }
        Ok(payload)
    }

    /// Posts a record that is there already.
    pub(super) async fn save_again(
        &self,
        operation: &'static str,
        path: &str,
        id: i64,
        payload: Map<String, Value>,
    ) -> Result<Updated, Error> {
        match self.save(operation, path, Value::Object(payload)).await {
            Ok(saved) if saved.id == id => Ok(Updated::Done { warning: saved.warning }),
            Ok(_) => Err(about_another(operation)),
            Err(Error::Halo(failure)) if is_not_found(&failure.kind) => Ok(Updated::Gone),
            Err(error) => Err(error),
        }
    }

    /// Posts one record and reads back its id.
    pub(super) async fn save(
        &self,
        operation: &'static str,
        path: &str,
        record: Value,
    ) -> Result<Saved, Error> {
        let answered: Answered = self.json(&Call::post(operation, path, record)).await?;
        let record = answered.record().map_err(|kind| failed(operation, kind))?;
        let id = record.int("id").filter(|id| *id > 0);
        let id = id.ok_or_else(|| failed(operation, wire::malformed("no id in the answer")))?;
        let warning = record.text("_warning");
        let warning = self.clean(warning.as_bytes());
        Ok(Saved { id, warning: (!warning.is_empty()).then_some(warning) })
    }
}

/// What a POST answered.
pub(super) struct Saved {
    pub(super) id: i64,
    pub(super) warning: Option<String>,
}

/// A list that leaves nobody out: by default Halo hides who is inactive, which would make each leaver
/// look like somebody new.
pub(super) fn everyone(kind: RecordKind, operation: &'static str) -> Call {
    let api = api(kind);
    let call = Call::get(operation, &[api.path]).with("pageinate", true);
    api.everyone.iter().fold(call, |call, name| call.with(name, true))
}

fn is_id(target: &Target) -> bool {
    match target {
        Target::Field(name) => name.eq_ignore_ascii_case("id"),
        Target::Custom(_) => false,
    }
}

fn is_not_found(kind: &Kind) -> bool {
    matches!(kind, Kind::Refused { status: 404, .. })
}

pub(super) fn about_another(operation: &str) -> Error {
    failed(operation, wire::malformed("an answer about another record"))
}

/// A request that is not even sent.
pub(super) fn refused_here(operation: &str, message: &str) -> Error {
    let kind = Kind::Refused { status: 400, code: String::new(), message: message.to_owned() };
    failed(operation, kind)
}
