//! Saving documents: checked as a whole, versioned, with who changed what (C1, C10).

use plan::document::{Cloud, Document, Mistake, Parsed, Sync, parse};
use plan::ids::ConnectionId;
use plan::reading::{Read, Reading};
use plan::schedule::Module;
use plan::tally::Trigger;
use serde_json::Value;

use super::check::{Findings, second_source};
use super::import::Order;
use super::shown::STATUS;
use super::{Connection, Refusal, TRIES, may_run};
use crate::Engine;
use crate::store::connections::{Authorisation, Saved, State};
use crate::store::runs::Extent;
use crate::store::{Commit, Expect, StoreError, Versioned, Write, keys, put};

/// Bytes of a document at the most: the audit keeps two of them in one record.
const LONGEST: usize = 120 * 1024;

/// What a caller says of the revision that a change is based on (C10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: enough to create a connection, not to change one.
    Unsaid,
    /// There must be none yet (`If-None-Match: *`).
    New,
    /// Whichever it is, there must be one (`If-Match: *`).
    Any,
    /// This one.
    Revision(u64),
}

/// How a document is saved.
#[derive(Clone, Copy, Debug)]
pub struct Saving<'a> {
    /// Who saves it, for the audit.
    pub who: &'a str,
    /// What the change is based on.
    pub precondition: Precondition,
    /// When changed rules are applied.
    pub rules: RulesApply,
}

/// When changed rules are applied to people who are known already (I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulesApply {
    /// By a run of their own, which is queued with the document.
    AtOnce,
    /// By the next run, such as one that carries out a preview.
    WithTheNextRun,
}

impl Engine {
    /// Creates a connection, not authorised yet. Nothing is stored when anything is wrong.
    pub async fn create_connection(
        &self,
        who: &str,
        document: &Value,
    ) -> Result<Connection, Refusal> {
        let parsed = self.parse_document(document)?;
        self.create(who, parsed).await
    }

    /// Saves the document of the connection `id`: creates it, or changes it where the precondition
    /// names the present revision. Nothing is stored when anything is wrong. `true` = it was made.
    pub async fn put_connection(
        &self,
        saving: Saving<'_>,
        id: &ConnectionId,
        document: &Value,
    ) -> Result<(Connection, bool), Refusal> {
        let found = self.store.connection(id).await?;
        let current = found.as_ref().map(|(saved, _)| saved.value.revision);
        match (saving.precondition, current) {
            (Precondition::Unsaid | Precondition::New, None) | (Precondition::Any, Some(_)) => {}
            (Precondition::Unsaid, Some(_)) => return Err(Refusal::RevisionRequired),
            (Precondition::Revision(named), Some(current)) if named == current => {}
            (Precondition::New, Some(_))
            | (Precondition::Any, None)
            | (Precondition::Revision(_), _) => return Err(Refusal::StaleRevision { current }),
        }
        let parsed = self.parse_document(document)?;
        check_id(id, &parsed.document)?;
        match found {
            None => Ok((self.create(saving.who, parsed).await?, true)),
            Some((saved, state)) => Ok((self.update(saving, saved, state, parsed).await?, false)),
        }
    }

    pub(super) fn parse_document(&self, value: &Value) -> Result<Parsed, Refusal> {
        let mut value = value.clone();
        if let Value::Object(keys) = &mut value {
            keys.remove(STATUS);
        }
        if value.to_string().len() > LONGEST {
            let message = format!("The document has more than {LONGEST} bytes.");
            return Err(Refusal::Invalid(vec![Mistake::new("$", message)]));
        }
        parse(&value, self.policy.custom_clouds).map_err(Refusal::Invalid)
    }

    async fn create(&self, who: &str, parsed: Parsed) -> Result<Connection, Refusal> {
        let Parsed { mut document, warnings } = parsed;
        let id = document.id.clone();
        let taken = self.store.get(&[keys::document(&id), keys::removed(&id)]).await?;
        match taken.as_slice() {
            [Some(_), _] => return Err(Refusal::Exists(id)),
            [_, Some(_)] => return Err(Refusal::BeingRemoved(id)),
            _ => {}
        }
        let mut findings = Findings { mistakes: Vec::new(), warnings };
        self.check_new(&mut document, &mut findings).await?;
        let warnings = findings.into_warnings()?;
        let now = self.clock.now();
        let saved = Saved { document, revision: 1, saved: now, credentials: None };
        let state = State::new(now);
        let name = keys::connection_name(&saved.document.name);
        let mut writes = vec![
            put(keys::document(&id), &saved, Expect::Absent)?,
            put(name, &id, Expect::Absent)?,
            put(keys::state(&id), &state, Expect::Anything)?,
            put(keys::listed(&id), &saved.document.name, Expect::Anything)?,
            put(keys::imports(saved.document.tenant_id, &id), &(), Expect::Anything)?,
            Write::Check { key: keys::removed(&id), expect: Expect::Absent },
            self.audit(&id, who, "created", None, Some(&saved.document))?,
        ];
        let source_at = writes.len();
        writes.extend(licence_source(None, &saved.document)?);
        match self.store.commit(&writes).await? {
            Commit::Done => Ok(self.show(saved, state, warnings).await?),
            Commit::Conflict(0) => Err(Refusal::Exists(id)),
            Commit::Conflict(1) => Err(Refusal::Invalid(vec![name_taken(None)])),
            Commit::Conflict(at) if at == source_at => {
                Err(Refusal::Invalid(vec![second_source(None)]))
            }
            Commit::Conflict(_) => Err(Refusal::Busy),
        }
    }

    async fn update(
        &self,
        saving: Saving<'_>,
        old: Versioned<Saved>,
        state: Versioned<State>,
        parsed: Parsed,
    ) -> Result<Connection, Refusal> {
        let Parsed { mut document, warnings } = parsed;
        let before = &old.value.document;
        let mut findings = Findings { mistakes: Vec::new(), warnings };
        self.check_change(&old.value, &state.value, &mut document, &mut findings).await?;
        let same_account = same_account(before, &document);
        let warnings = findings.into_warnings()?;
        if !same_account {
            // Removed first: credentials are only ever sent to the cloud that they were entered for.
            self.forget_secrets(&document.id).await?;
        }
        let saved = Saved {
            revision: old.value.revision + 1,
            saved: self.clock.now(),
            credentials: old.value.credentials.clone().filter(|_| same_account),
            document,
        };
        let state = self.store_update(saving, &old, &saved, state).await?;
        if state.queued.is_some() {
            self.hint_fetch(&saved.document.id).await?;
        }
        Ok(self.show(saved, state, warnings).await?)
    }

    /// Stores an update; a state that a step wrote meanwhile is read again.
    async fn store_update(
        &self,
        saving: Saving<'_>,
        old: &Versioned<Saved>,
        saved: &Saved,
        mut state: Versioned<State>,
    ) -> Result<State, Refusal> {
        let (before, after) = (&old.value.document, &saved.document);
        let id = &after.id;
        for _ in 0..TRIES {
            let mut next = state.value.clone();
            follow(&mut next, before, after);
            let mut writes = vec![put(keys::document(id), saved, old.unchanged())?];
            writes.extend(rename(id, before, after)?);
            writes.push(self.audit(id, saving.who, "changed", Some(before), Some(after))?);
            let source_at = writes.len();
            writes.extend(licence_source(Some(before), after)?);
            if saving.rules == RulesApply::AtOnce {
                writes.extend(self.rule_run(after, &mut next).await?);
            }
            writes.push(put(keys::state(id), &next, state.unchanged())?);
            let state_at = writes.len() - 1;
            match self.store.commit(&writes).await? {
                Commit::Done => return Ok(next),
                Commit::Conflict(at) if at == state_at => {}
                Commit::Conflict(at) if at == source_at && after.licences.is_some() => {
                    return Err(Refusal::Invalid(vec![second_source(None)]));
                }
                Commit::Conflict(0) => {
                    let found = self.store.document(id).await?;
                    // A step pinned a group; the revision tells whether a person was faster.
                    let current = found.map(|found| found.value.revision);
                    return Err(match current {
                        Some(same) if same == old.value.revision => Refusal::Busy,
                        current => Refusal::StaleRevision { current },
                    });
                }
                Commit::Conflict(1) => return Err(Refusal::Invalid(vec![name_taken(None)])),
                Commit::Conflict(_) => return Err(Refusal::Busy),
            }
            let found = self.store.state(id).await?;
            state = found.ok_or_else(|| Refusal::NotFound(id.to_string()))?;
        }
        Err(Refusal::Busy)
    }

    /// Queues the run that looks at everybody after a change of rules (I5).
    async fn rule_run(
        &self,
        document: &Document,
        state: &mut State,
    ) -> Result<Vec<Write>, Refusal> {
        let nobody = state.reading.users.is_none();
        let waits = state.queue().any(|queued| queued.extent.is_everybody());
        if !state.rules_changed || !document.enabled || nobody || waits {
            return Ok(Vec::new());
        }
        if self.module().await?.state() == Module::Off {
            return Ok(Vec::new());
        }
        // The run that comes after the next authorisation does it.
        if may_run(&state.authorisation).is_err() {
            return Ok(Vec::new());
        }
        let (trigger, read) = (Trigger::RuleChange, Read::Delta);
        let order = Order { trigger, read, entities: &[], extent: Extent::Everybody };
        match self.enqueue(&document.id, state, order) {
            Ok((_, writes)) => Ok(writes),
            // So does the next of those that wait already.
            Err(Refusal::Busy) => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// The address and the document name the same connection.
pub(super) fn check_id(id: &ConnectionId, document: &Document) -> Result<(), Refusal> {
    if document.id == *id {
        return Ok(());
    }
    let message = format!("The address names the connection \"{id}\"; an id never changes.");
    Err(Refusal::Invalid(vec![Mistake::new("$.id", message)]))
}

/// Whether the stored credentials are still those of the same application at the same place.
pub(super) fn same_account(before: &Document, after: &Document) -> bool {
    before.cloud == after.cloud
        && before.tenant_id == after.tenant_id
        && before.auth.same_credentials(&after.auth)
}

/// What a new document means for where the connection stands.
fn follow(state: &mut State, before: &Document, after: &Document) {
    if !same_account(before, after) {
        state.authorisation = Authorisation::Unauthorised;
    }
    if before.cloud != after.cloud {
        // Links lead to the old cloud. The round's number stays: people carry it.
        state.reading = Reading { round: state.reading.round, ..Reading::default() };
    }
    if rules(before) != rules(after) {
        state.rules_changed = true;
        state.clean = false;
    }
}

/// The part of a document that decisions depend on.
pub(super) fn rules(document: &Document) -> Document {
    let sync = Sync {
        every_minutes: Sync::default().every_minutes,
        full_every_hours: Sync::default().full_every_hours,
        reading: Sync::default().reading,
        ..document.sync.clone()
    };
    Document {
        name: String::new(),
        enabled: true,
        cloud: Cloud::Global,
        sync,
        guard: plan::document::Guard::default(),
        ..document.clone()
    }
}

/// The entries in the lists, and where the name changed the records that keep names unique.
fn rename(
    id: &ConnectionId,
    before: &Document,
    after: &Document,
) -> Result<Vec<Write>, StoreError> {
    let (old, new) = (keys::connection_name(&before.name), keys::connection_name(&after.name));
    let gone = |key| Write::Delete { key, expect: Expect::Anything };
    let mut writes = vec![
        put(new.clone(), id, if old == new { Expect::Anything } else { Expect::Absent })?,
        put(keys::listed(id), &after.name, Expect::Anything)?,
        put(keys::imports(after.tenant_id, id), &(), Expect::Anything)?,
    ];
    writes.extend((old != new).then(|| gone(old)));
    let moved = before.tenant_id != after.tenant_id;
    writes.extend(moved.then(|| gone(keys::imports(before.tenant_id, id))));
    Ok(writes)
}

/// The record that keeps a tenant's licences to one connection (S3), the first of the writes where the
/// document has any.
fn licence_source(before: Option<&Document>, after: &Document) -> Result<Vec<Write>, StoreError> {
    let tenant = |document: &Document| document.licences.map(|_| document.tenant_id);
    let (old, new) = (before.and_then(tenant), tenant(after));
    if old == new {
        return Ok(Vec::new());
    }
    let place = |tenant| keys::licence_source(tenant);
    let taken = new.map(|tenant| put(place(tenant), &after.id, Expect::Absent)).transpose()?;
    let freed = old.map(|tenant| Write::Delete { key: place(tenant), expect: Expect::Anything });
    Ok(taken.into_iter().chain(freed).collect())
}

pub(super) fn name_taken(owner: Option<&ConnectionId>) -> Mistake {
    let owner = owner
        .map_or_else(|| "Another connection".to_owned(), |id| format!("The connection \"{id}\""));
    Mistake::new("$.name", format!("{owner} has this name already; names are unique."))
}
