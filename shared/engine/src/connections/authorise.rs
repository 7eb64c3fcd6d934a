//! Credentials and permissions: entered, tested, authorised (C4–C8).

use std::sync::Arc;

use jiff::Timestamp;
use plan::document::{Document, Entity, Mistake, Source};
use plan::failure::Failure;
use plan::ids::ConnectionId;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Connection, Refusal, TRIES};
use crate::Engine;
use crate::credentials::Credentials;
use crate::graph::{Grant, Graph, Hosts, Permission};
use crate::meter::Meter;
use crate::store::connections::{Authorisation, CredentialFacts, Saved, State};
use crate::store::{Commit, StoreError, Write, keys, put};

/// A permission as a connection needs it (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NeededPermission {
    /// Microsoft's name.
    pub name: &'static str,
    /// What for.
    pub needed_for: &'static str,
    /// Whether nothing works without it.
    pub mandatory: bool,
    /// Whether this connection's document needs it.
    pub needed: bool,
    #[serde(skip)]
    permission: Permission,
}

/// What the test of a permission came to (C6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PermissionReport {
    /// Microsoft's name.
    pub name: &'static str,
    /// What for.
    pub needed_for: &'static str,
    /// Whether nothing works without it.
    pub mandatory: bool,
    /// Whether it is there; `None` = not needed, or nobody can say.
    pub granted: Option<bool>,
    /// The same in one word: `granted`, `missing`, `unlicensed` (granted, but the tenant has no licence
    /// for what it opens), `unknown` or `not_needed`.
    pub outcome: &'static str,
}

impl PermissionReport {
    /// Whether nothing works for want of it.
    pub(super) fn is_lacking(&self) -> bool {
        self.mandatory && self.granted == Some(false)
    }
}

/// A successful authorisation.
#[derive(Clone, Debug)]
pub struct Authorised {
    /// All permissions, needed or not.
    pub permissions: Vec<PermissionReport>,
    /// The connection, with its groups pinned and what could not be found among the warnings.
    pub connection: Connection,
}

/// All permissions that the product knows of, and which of them a document needs (C5).
pub fn needed(document: &Document) -> [NeededPermission; 5] {
    let permission = |permission: Permission, needed_for, mandatory, needed| NeededPermission {
        name: permission.name(),
        needed_for,
        mandatory,
        needed,
        permission,
    };
    let sources = document.user_fields.iter().chain(&document.agent_fields);
    let mut sources = sources.flat_map(|row| &row.from);
    let sign_ins = document.sync.last_sign_in || sources.any(|it| *it == Source::LastSignIn);
    let licences =
        document.licences.is_some() || document.sync.entities.contains(&Entity::Licences);
    let assigns = document.licences.is_some_and(|licences| licences.manage_from_halo);
    [
        permission(Permission::UserReadAll, "reading people and their managers", true, true),
        permission(
            Permission::GroupReadAll,
            "reading groups and their members (GroupMember.Read.All is enough)",
            true,
            true,
        ),
        permission(Permission::AuditLogReadAll, "reading the last sign-in", false, sign_ins),
        permission(Permission::OrganizationReadAll, "importing licences", false, licences),
        permission(
            Permission::LicenseAssignmentReadWriteAll,
            "assigning licences from Halo",
            false,
            assigns,
        ),
    ]
}

/// Where an administrator of the tenant grants the permissions of the app registration (C5).
pub fn consent_url(document: &Document) -> String {
    let login = Hosts::of(&document.cloud).login;
    let Document { tenant_id, auth, .. } = document;
    format!("{login}/{tenant_id}/adminconsent?client_id={}", auth.client_id)
}

impl Engine {
    /// Stores credentials from a body such as `{"client_secret": "…", "expires_at": "…"}`, after they
    /// have produced a token: until then the old ones stay (C8).
    pub async fn put_credentials(
        &self,
        who: &str,
        id: &ConnectionId,
        body: &Map<String, Value>,
    ) -> Result<Connection, Refusal> {
        let (credentials, expires_at) =
            entered(body, self.clock.now()).map_err(Refusal::Invalid)?;
        let (saved, _) = self.load(id).await?;
        let document = &saved.value.document;
        let meter = Arc::new(Meter::default());
        self.graph_with(document, credentials.clone(), meter).sign_in().await?;
        self.store_credentials(id, &credentials).await?;
        let tested = saved.value.document;
        for _ in 0..TRIES {
            let (saved, state) = self.load(id).await?;
            // Somebody saved the document for another application while these were tested.
            if saved.value.document.auth != tested.auth
                || saved.value.document.cloud != tested.cloud
            {
                self.secrets.delete(&crate::secrets::SecretName::credentials(id)).await?;
                return Err(Refusal::Busy);
            }
            let facts = CredentialFacts { set: self.clock.now(), expires_at };
            let next = Saved { credentials: Some(facts), ..saved.value.clone() };
            let writes = [
                put(keys::document(id), &next, saved.unchanged())?,
                self.audit(id, who, "credentials entered", None, None)?,
            ];
            if self.store.commit(&writes).await? == Commit::Done {
                return Ok(self.show(next, state.value, Vec::new()).await?);
            }
        }
        Err(Refusal::Busy)
    }

    /// Gets a token and tries each permission. On success the connection may run, and its groups are
    /// looked for and pinned; on failure nothing changes (C6).
    pub async fn authorise(&self, who: &str, id: &ConnectionId) -> Result<Authorised, Refusal> {
        self.module_is_on().await?;
        let (saved, _) = self.load(id).await?;
        let Some(credentials) = self.credentials(id).await? else {
            return Err(Refusal::CredentialsMissing);
        };
        let document = &saved.value.document;
        let graph = self.graph_with(document, credentials, Arc::new(Meter::default()));
        let permissions = probe(&graph, document).await?;
        if permissions.iter().any(PermissionReport::is_lacking) {
            return Err(Refusal::PermissionMissing {
                permissions,
                consent_url: consent_url(document),
            });
        }
        for _ in 0..TRIES {
            let (saved, state) = self.load(id).await?;
            let mut document = saved.value.document.clone();
            let old = saved.value.document.clone();
            let findings = self.check_directory(&graph, &mut document, Some(&old)).await?;
            let mut warnings = findings.mistakes;
            warnings.extend(findings.warnings);
            let since = self.clock.now();
            // Pinned ids are no new revision: whoever read the document before may still save it.
            let saved_now = Saved { document, ..saved.value.clone() };
            let state_now =
                State { authorisation: Authorisation::Authorised { since }, ..state.value.clone() };
            let mut writes = vec![
                put(keys::document(id), &saved_now, saved.unchanged())?,
                put(keys::state(id), &state_now, state.unchanged())?,
                self.audit(id, who, "authorised", None, None)?,
            ];
            writes.extend(self.sign_ins_anew(&saved_now.document).await?);
            if self.store.commit(&writes).await? == Commit::Done {
                let connection = self.show(saved_now, state_now, warnings).await?;
                return Ok(Authorised { permissions, connection });
            }
        }
        Err(Refusal::Busy)
    }
}

impl Engine {
    /// Starts the job that reads last sign-ins anew: what was granted just now counts at once (D8). It
    /// may start anew any number of times; a worker in the middle of it finds its place changed and stops.
    async fn sign_ins_anew(&self, document: &Document) -> Result<Option<Write>, StoreError> {
        let Document { id, sync, .. } = document;
        let found = if sync.last_sign_in { self.store.sign_ins(id).await? } else { None };
        let anew = found.map(|found| {
            let expect = found.unchanged();
            put(keys::sign_ins(id), &found.value.anew(self.clock.now()), expect)
        });
        anew.transpose()
    }
}

/// Signs in anew, because a token keeps the permissions that it was issued with, and tries them.
async fn probe(graph: &Graph, document: &Document) -> Result<Vec<PermissionReport>, Failure> {
    graph.sign_in().await?;
    let grants = graph.permissions().await?;
    let report = |it: NeededPermission| {
        let grant = grants.iter().find(|(permission, _)| *permission == it.permission);
        let (granted, outcome) = match grant.map_or(Grant::Unknown, |(_, grant)| *grant) {
            _ if !it.needed => (None, "not_needed"),
            Grant::Granted => (Some(true), "granted"),
            Grant::Unlicensed => (Some(true), "unlicensed"),
            Grant::Missing => (Some(false), "missing"),
            Grant::Unknown => (None, "unknown"),
        };
        let NeededPermission { name, needed_for, mandatory, .. } = it;
        PermissionReport { name, needed_for, mandatory, granted, outcome }
    };
    Ok(needed(document).map(report).to_vec())
}

/// Reads entered credentials. No message ever repeats what was entered (C4).
fn entered(
    body: &Map<String, Value>,
    now: Timestamp,
) -> Result<(Credentials, Option<Timestamp>), Vec<Mistake>> {
    let mut mistakes = Vec::new();
    for key in body.keys() {
        match key.as_str() {
            "client_secret" | "expires_at" => {}
            "certificate_pem" | "private_key_pem" => mistakes.push(Mistake::new(
                format!("$.{key}"),
                "This version signs in with a client secret; enter client_secret.",
            )),
            _ => mistakes
                .push(Mistake::new("$", "Unknown key; known here: client_secret, expires_at.")),
        }
    }
    let secret = body.get("client_secret").and_then(Value::as_str).map(str::trim);
    let secret = secret.filter(|secret| (1..=4_000).contains(&secret.len()));
    if secret.is_none() {
        let expected = "Expected the client secret's value, a text that is not empty.";
        mistakes.push(Mistake::new("$.client_secret", expected));
    }
    let expires_at = match body.get("expires_at") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let time = value.as_str().and_then(moment);
            if time.is_none() {
                let expected =
                    "Expected a date or a time, as in 2027-06-30 or 2027-06-30T12:00:00Z.";
                mistakes.push(Mistake::new("$.expires_at", expected));
            } else if time.is_some_and(|time| time <= now) {
                let past = "This is in the past. Make a new secret in the app registration.";
                mistakes.push(Mistake::new("$.expires_at", past));
            }
            time
        }
    };
    match secret {
        Some(secret) if mistakes.is_empty() => Ok((Credentials::Secret(secret.into()), expires_at)),
        _ => Err(mistakes),
    }
}

/// A time, or a day, which ends at midnight UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use serde_json::json;

    use super::*;

    fn mistakes(body: &Value) -> Vec<String> {
        let now: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
        let paths = |mistakes: Vec<Mistake>| {
            assert!(mistakes.iter().all(|it| !it.message.contains("s3cret")), "C4: {mistakes:?}");
            mistakes.into_iter().map(|it| it.path).collect()
        };
        entered(body.as_object().unwrap(), now).map_or_else(paths, |_| Vec::new())
    }

    #[test]
    fn entered_credentials_are_checked_and_never_repeated() {
        let cases = [
            (json!({ "client_secret": "s3cret" }), vec![]),
            (json!({ "client_secret": "s3cret", "expires_at": "2027-01-31" }), vec![]),
            (json!({ "client_secret": "s3cret", "expires_at": "2027-01-31T10:00:00Z" }), vec![]),
            (json!({ "client_secret": "s3cret", "expires_at": null }), vec![]),
            (json!({}), vec!["$.client_secret"]),
            (json!({ "client_secret": " " }), vec!["$.client_secret"]),
            (json!({ "client_secret": ["s3cret"] }), vec!["$.client_secret"]),
            (json!({ "client_secret": "s3cret", "s3cret": 1 }), vec!["$"]),
            (json!({ "client_secret": "s3cret", "expires_at": "soon" }), vec!["$.expires_at"]),
            (
                json!({ "client_secret": "s3cret", "expires_at": "2026-11-01" }),
                vec!["$.expires_at"],
            ),
            (json!({ "certificate_pem": "x" }), vec!["$.certificate_pem", "$.client_secret"]),
        ];
        for (body, expected) in cases {
            assert_eq!(mistakes(&body), expected, "{body}");
        }
    }
}
