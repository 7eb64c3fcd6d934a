//! Halo users: pages of the list, one record, create and update (H3).

use std::collections::BTreeSet;

use plan::failure::Kind;
use plan::ids::RecordId;
use plan::link::{FieldChange, Fields, Target};
use serde_json::{Value, json};

use super::wire::{self, Record};
use super::{Call, Error, Halo, failed};

/// Why a record stands for nobody and is never matched or written (M4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// The contact that every site has.
    GeneralUser,
    /// A service account.
    ServiceAccount,
}

/// A row of the list of users.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    /// Which user.
    pub id: RecordId,
    /// What the row shows; which properties that are depends on Halo's version.
    pub record: Record,
}

impl UserRow {
    pub(super) fn new(record: Record) -> Option<Self> {
        let id = record.int("id").filter(|id| *id > 0)?;
        Some(Self { id: RecordId::user(id), record })
    }

    /// Whether it stands for nobody.
    pub fn special(&self) -> Option<Special> {
        special(&self.record)
    }
}

fn special(record: &Record) -> Option<Special> {
    if record.text("name").trim().eq_ignore_ascii_case("General User") {
        Some(Special::GeneralUser)
    } else if record.flag("isserviceaccount") {
        Some(Special::ServiceAccount)
    } else {
        None
    }
}

/// A page of the list of users.
#[derive(Clone, Debug, PartialEq)]
pub struct UsersPage {
    /// Its rows, those that stand for nobody included.
    pub rows: Vec<UserRow>,
    /// How many users there are in all, where Halo says something that can be that.
    pub total: Option<u64>,
}

/// One user with details.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRecord {
    /// Which user.
    pub id: RecordId,
    /// The asked fields, and always `inactive`, `site_id` and `azureoid`.
    pub fields: Fields,
    /// Custom fields as they came: what [`Halo::update_user`] merges into.
    pub custom: Vec<Value>,
    /// Whether it stands for nobody.
    pub special: Option<Special>,
    pub(super) record: Record,
}

/// A user that was made.
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
    /// There is no such user any more.
    Gone,
}

impl Halo {
    /// A page of all users, active and inactive, counted from 1 and in order of id as far as Halo
    /// obeys. Halo may give fewer rows than asked for on any page, repeat rows, or shift them between
    /// pages while they are read: only an empty page, or one without anybody new, is behind the last.
    pub async fn users_page(&self, page_no: u32) -> Result<UsersPage, Error> {
        let call = everybody("read Halo's users")
            .with("page_no", page_no)
            .with("page_size", self.shared.settings.page_size)
            .with("order", "id")
            .with("exclude_generaluser", true);
        let list = self.rows(&call, "users").await?;
        let rows = list.rows.into_iter().filter_map(UserRow::new).collect();
        Ok(UsersPage { rows, total: list.total })
    }

    /// One user with details, and of them the fields in `targets`; `None` when there is none.
    pub async fn user(
        &self,
        id: RecordId,
        targets: &BTreeSet<Target>,
    ) -> Result<Option<UserRecord>, Error> {
        const OPERATION: &str = "read a Halo user";
        let call = Call::get(OPERATION, &["Users", &id.to_string()]).with("includedetails", true);
        let Some(body) = self.json_if_found(&call).await? else { return Ok(None) };
        let record = wire::record(body).map_err(|kind| failed(OPERATION, kind))?;
        if record.int("id") != Some(id.id) {
            return Err(failed(OPERATION, wire::malformed("an answer about another user")));
        }
        let always = ["inactive", "site_id", "azureoid"].map(Target::field);
        let fields = wire::fields(&record, targets.iter().chain(&always));
        let custom = record.array("customfields").to_vec();
        Ok(Some(UserRecord { id, fields, custom, special: special(&record), record }))
    }

    /// Makes a user. Halo has no protection against making one twice: when the error
    /// [may have acted](Error::may_have_acted), [`Halo::find_users`] comes before another try (M6).
    pub async fn create_user(&self, fields: &Fields) -> Result<Created, Error> {
        const OPERATION: &str = "create a Halo user";
        let payload = wire::payload(fields, &[]);
        if payload.keys().any(|name| name.eq_ignore_ascii_case("id")) {
            return Err(refused_here(OPERATION, "a new record cannot carry an id"));
        }
        let saved = self.save(OPERATION, "Users", Value::Object(payload)).await?;
        Ok(Created { id: RecordId::user(saved.id), warning: saved.warning })
    }

    /// Writes the changed fields of a user and nothing else (H3). Safe to repeat. `custom` is what the
    /// record holds in custom fields ([`UserRecord::custom`]); when it is needed and not given it is
    /// read first, because fields left out would be emptied (F4).
    pub async fn update_user(
        &self,
        id: RecordId,
        changes: &[FieldChange],
        custom: Option<&[Value]>,
    ) -> Result<Updated, Error> {
        const OPERATION: &str = "update a Halo user";
        if id.id <= 0 {
            return Err(refused_here(OPERATION, "an update needs the id of a record"));
        }
        if changes.is_empty() {
            return Ok(Updated::Done { warning: None });
        }
        let writes_custom = changes.iter().any(|it| matches!(it.field, Target::Custom(_)));
        let stored = match custom {
            Some(stored) => stored.to_vec(),
            None if writes_custom => match self.user(id, &BTreeSet::new()).await? {
                Some(user) => user.custom,
                None => return Ok(Updated::Gone),
            },
            None => Vec::new(),
        };
        let fields = changes.iter().map(|change| (&change.field, &change.after));
        let mut payload = wire::payload(fields, &stored);
        payload.retain(|name, _| !name.eq_ignore_ascii_case("id"));
        payload.insert("id".to_owned(), json!(id.id));
        match self.save(OPERATION, "Users", Value::Object(payload)).await {
            Ok(saved) if saved.id == id.id => Ok(Updated::Done { warning: saved.warning }),
            Ok(_) => Err(failed(OPERATION, wire::malformed("an answer about another user"))),
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
        let body = self.json(&Call::post(operation, path, record)).await?;
        let record = wire::record(body).map_err(|kind| failed(operation, kind))?;
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

/// A list of users that leaves nobody out: by default inactive users are hidden, which would make each
/// leaver look like somebody new.
pub(super) fn everybody(operation: &'static str) -> Call {
    Call::get(operation, &["Users"])
        .with("pageinate", true)
        .with("includeactive", true)
        .with("includeinactive", true)
}

fn is_not_found(kind: &Kind) -> bool {
    matches!(kind, Kind::Refused { status: 404, .. })
}

/// A request that is not even sent.
fn refused_here(operation: &str, message: &str) -> Error {
    let kind = Kind::Refused { status: 400, code: String::new(), message: message.to_owned() };
    failed(operation, kind)
}
