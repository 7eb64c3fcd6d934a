//! Which permissions a connection needs, where they are granted, and which of them are there (C5, C6).

use plan::document::{AuthMethod, Document, Entity, Source};
use plan::failure::Failure;
use serde::Serialize;
use url::form_urlencoded::Serializer;
use utoipa::ToSchema;

use super::super::Refusal;
use crate::Engine;
use crate::graph::{Grant, Graph, Hosts, Permission};

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
    #[schema(ignore)]
    shown_by: ShownBy,
}

/// What shows whether a permission is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShownBy {
    /// Trying it.
    Probe(Permission),
    /// That somebody could sign in for good at all.
    SignIn,
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
    pub(crate) fn is_lacking(&self) -> bool {
        self.mandatory && self.granted == Some(false)
    }
}

/// All permissions that the product knows of for the connection's method, and which of them its
/// document needs (C5).
pub fn needed(document: &Document) -> Vec<NeededPermission> {
    let permission = |permission: Permission, needed_for, mandatory, needed| NeededPermission {
        name: permission.name(),
        needed_for,
        mandatory,
        needed,
        shown_by: ShownBy::Probe(permission),
    };
    let sources = document.user_fields.iter().chain(&document.agent_fields);
    let mut sources = sources.flat_map(|row| &row.from);
    let sign_ins = document.sync.last_sign_in || sources.any(|it| *it == Source::LastSignIn);
    let licences =
        document.licences.is_some() || document.sync.entities.contains(&Entity::Licences);
    let assigns = document.licences.is_some_and(|licences| licences.manage_from_halo);
    let lasting = NeededPermission {
        name: "offline_access",
        needed_for: "keeping access after the sign-in",
        mandatory: true,
        needed: true,
        shown_by: ShownBy::SignIn,
    };
    let mut all = vec![
        permission(Permission::UserReadAll, "reading people and their managers", true, true),
        permission(
            Permission::GroupReadAll,
            "reading groups and their members (GroupMember.Read.All is enough)",
            true,
            true,
        ),
    ];
    if document.auth.method == AuthMethod::Delegated {
        all.push(lasting);
    }
    all.extend([
        permission(Permission::AuditLogReadAll, "reading the last sign-in", false, sign_ins),
        permission(Permission::OrganizationReadAll, "importing licences", false, licences),
        permission(
            Permission::LicenseAssignmentReadWriteAll,
            "assigning licences from Halo",
            false,
            assigns,
        ),
    ]);
    all
}

/// Signs in anew where the token may be older than a grant, and tries each permission.
pub(super) async fn probe(
    graph: &Graph,
    document: &Document,
) -> Result<Vec<PermissionReport>, Failure> {
    let grants = graph.permissions().await?;
    let report = |it: NeededPermission| {
        let grant = match it.shown_by {
            ShownBy::SignIn => Grant::Granted,
            ShownBy::Probe(wanted) => {
                let found = grants.iter().find(|(permission, _)| *permission == wanted);
                found.map_or(Grant::Unknown, |(_, grant)| *grant)
            }
        };
        let (granted, outcome) = match grant {
            _ if !it.needed => (None, "not_needed"),
            Grant::Granted => (Some(true), "granted"),
            Grant::Unlicensed => (Some(true), "unlicensed"),
            Grant::Missing => (Some(false), "missing"),
            Grant::Unknown => (None, "unknown"),
        };
        let NeededPermission { name, needed_for, mandatory, .. } = it;
        PermissionReport { name, needed_for, mandatory, granted, outcome }
    };
    Ok(needed(document).into_iter().map(report).collect())
}

impl Engine {
    /// Where browsers come back to after a sign-in (C5).
    pub fn redirect_uri(&self) -> Result<String, Refusal> {
        let base = self.policy.public_url.as_ref().ok_or(Refusal::NoPublicUrl)?;
        Ok(format!("{}/v1/oauth/callback", base.as_str().trim_end_matches('/')))
    }

    /// Where an administrator of the tenant grants the permissions of the app registration (C5). For an
    /// application the older page is named, which needs no redirect URI; what comes back from the other
    /// one is told apart by `state`, if a sign-in was begun.
    pub fn consent_url(&self, document: &Document, state: Option<&str>) -> String {
        let hosts = Hosts::of(&document.cloud);
        let Document { tenant_id, auth, .. } = document;
        let plain =
            format!("{}/{tenant_id}/adminconsent?client_id={}", hosts.login, auth.client_id);
        let AuthMethod::Delegated = auth.method else { return plain };
        let Ok(redirect_uri) = self.redirect_uri() else { return plain };
        let page = format!("{}/{tenant_id}/v2.0/adminconsent?", hosts.login);
        let mut query = Serializer::new(page);
        query
            .append_pair("client_id", &auth.client_id.to_string())
            .append_pair("scope", &format!("{}/.default", hosts.graph))
            .append_pair("redirect_uri", &redirect_uri)
            .extend_pairs(state.map(|state| ("state", state)));
        query.finish()
    }
}
