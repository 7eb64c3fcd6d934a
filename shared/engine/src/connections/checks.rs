//! All checks of a document, as saving makes them: what it says in itself, what Halo and what Entra
//! have to say of it.

use plan::document::{Document, Mistake, Parsed};
use plan::failure::Kind;
use plan::ids::ConnectionId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Refusal;
use super::check::{Findings, check_halo, check_licences, second_source};
use super::directory::carry_pins;
use super::save::{check_id, name_taken, same_account};
use crate::Engine;
use crate::meter::Meter;
use crate::store::connections::{Saved, State};
use crate::store::{Key, keys};

/// What saving a document would find.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DocumentCheck {
    /// The revision that it would replace; `null` = it would make a new connection.
    #[schema(required)]
    pub revision: Option<u64>,
    /// What has to be mended before it can be saved.
    pub mistakes: Vec<Mistake>,
    /// What is worth a look.
    pub warnings: Vec<Mistake>,
}

impl Engine {
    /// What saving a document would find wrong. Nothing is stored, so it is safe to repeat.
    pub async fn check_connection(
        &self,
        id: &ConnectionId,
        document: &Value,
    ) -> Result<DocumentCheck, Refusal> {
        let found = self.store.connection(id).await?;
        let revision = found.as_ref().map(|(saved, _)| saved.value.revision);
        let parsed = self.parse_document(document);
        let parsed = parsed.and_then(|it| check_id(id, &it.document).map(|()| it));
        let Parsed { mut document, warnings } = match parsed {
            Ok(parsed) => parsed,
            Err(Refusal::Invalid(mistakes)) => {
                return Ok(DocumentCheck { revision, mistakes, warnings: Vec::new() });
            }
            Err(other) => return Err(other),
        };
        let mut findings = Findings { mistakes: Vec::new(), warnings };
        match found {
            None => self.check_new(&mut document, &mut findings).await?,
            Some((saved, state)) => {
                let (saved, state) = (&saved.value, &state.value);
                self.check_change(saved, state, &mut document, &mut findings).await?;
            }
        }
        let Findings { mistakes, warnings } = findings;
        Ok(DocumentCheck { revision, mistakes, warnings })
    }

    /// All checks of a document whose connection is not there yet.
    pub(super) async fn check_new(
        &self,
        document: &mut Document,
        findings: &mut Findings,
    ) -> Result<(), Refusal> {
        self.check_offline(document, findings).await?;
        check_halo(&self.halo_for_people(), document, findings).await?;
        findings.warnings.extend(unchecked_groups(document));
        Ok(())
    }

    /// All checks of a document that replaces another.
    pub(super) async fn check_change(
        &self,
        old: &Saved,
        state: &State,
        document: &mut Document,
        findings: &mut Findings,
    ) -> Result<(), Refusal> {
        check_tenant(&old.document, document, state, findings);
        self.check_offline(document, findings).await?;
        check_halo(&self.halo_for_people(), document, findings).await?;
        if same_account(&old.document, document) {
            return self.check_entra(document, old, findings).await;
        }
        findings.warnings.extend(unchecked_groups(document));
        findings.warn(
            "$.auth",
            "Cloud, tenant or application changes: saving removes the stored credentials. Enter new ones then, and authorise again.",
        );
        Ok(())
    }

    /// What can be told without asking anybody outside.
    async fn check_offline(
        &self,
        document: &Document,
        findings: &mut Findings,
    ) -> Result<(), Refusal> {
        check_licences(document, findings);
        let name = keys::connection_name(&document.name);
        if let Some(owner) = self.other_owner(&name, document).await? {
            findings.mistakes.push(name_taken(Some(&owner)));
        }
        if document.licences.is_some()
            && let source = keys::licence_source(document.tenant_id)
            && let Some(owner) = self.other_owner(&source, document).await?
        {
            findings.mistakes.push(second_source(Some(&owner)));
        }
        Ok(())
    }

    /// The connection that has what only one may have, where that is another one.
    async fn other_owner(
        &self,
        key: &Key,
        document: &Document,
    ) -> Result<Option<ConnectionId>, Refusal> {
        let owner = self.store.read::<ConnectionId>(key).await?.map(|owner| owner.value);
        Ok(owner.filter(|owner| *owner != document.id))
    }

    /// Groups and properties, where the credentials work; else they are checked on authorisation (C7).
    async fn check_entra(
        &self,
        document: &mut Document,
        old: &Saved,
        findings: &mut Findings,
    ) -> Result<(), Refusal> {
        let meter = std::sync::Arc::new(Meter::default());
        let checked = match self.graph(old, meter).await? {
            Ok(graph) => self.check_directory(&graph, document, Some(&old.document)).await,
            Err(missing) => Err(missing),
        };
        match checked {
            Ok(found) => {
                findings.mistakes.extend(found.mistakes);
                findings.warnings.extend(found.warnings);
                Ok(())
            }
            // Nobody can be asked now, so what was pinned before stays pinned.
            Err(failure)
                if matches!(failure.kind, Kind::Credentials { .. } | Kind::Forbidden { .. }) =>
            {
                carry_pins(document, Some(&old.document));
                findings.warnings.extend(unchecked_groups(document));
                Ok(())
            }
            Err(failure) => Err(Refusal::Unreachable(failure)),
        }
    }
}

impl Findings {
    /// The warnings, if there are no mistakes.
    pub(super) fn into_warnings(self) -> Result<Vec<Mistake>, Refusal> {
        if self.mistakes.is_empty() {
            Ok(self.warnings)
        } else {
            Err(Refusal::Invalid(self.mistakes))
        }
    }
}

/// People, links and facts belong to a tenant: a connection that has read some stays with it.
fn check_tenant(before: &Document, after: &Document, state: &State, findings: &mut Findings) {
    if before.tenant_id != after.tenant_id && state.reading.round > 0 {
        findings.mistake(
            "$.tenant_id",
            "This connection has people of its tenant already. Make a new connection for another tenant.",
        );
    }
}

/// Groups that could not be looked for yet (C7).
fn unchecked_groups(document: &Document) -> Option<Mistake> {
    let open = document.groups().iter().any(|(_, group)| group.id.is_none());
    open.then(|| {
        Mistake::new(
            "$.mappings",
            "Groups are looked for in Entra when the connection is authorised.",
        )
    })
}
