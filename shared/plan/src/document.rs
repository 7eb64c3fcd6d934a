//! The connection document: the product's user interface as data (rules in RULES.md).
//!
//! [`parse`] turns JSON into a [`Document`] or into every mistake at once, each with its JSON path.
//! A `Document` is therefore always sensible in itself; what only Entra or Halo can tell (does the
//! group exist, does the site) is checked on saving, and what is found is pinned into the document.

pub(crate) mod parse;
mod rows;
mod schema;
mod words;
mod write;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

pub use parse::parse;
pub use rows::{Empty, FieldRow, MatchRow, RowTarget, Source, Transform, WriteMode};
pub use schema::{DEFINITION, definitions, schema};
pub use words::sources;

use crate::ids::{
    AgentRoleId, AppId, CabId, CabRoleId, ClientId, ConnectionId, MappingId, ObjectId, SiteId,
    TenantId, UserRoleId,
};

/// One thing wrong with a document, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Mistake {
    /// JSON path of the place, as in `$.mappings[2].target.site_id`.
    pub path: String,
    /// What is wrong and what would be right: one sentence for people.
    pub message: String,
}

impl Mistake {
    /// A mistake at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// A parsed document and what to tell its author about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The document.
    pub document: Document,
    /// Allowed, but worth a look: an Entra field that feeds several rows (F2).
    pub warnings: Vec<Mistake>,
}

/// What this deployment allows in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomClouds {
    /// Only Microsoft's clouds.
    Refused,
    /// `{ "login": URL, "graph": URL }` as well (C2); `http` only on loopback.
    Allowed,
}

/// One Entra tenant with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Name in addresses and keys; unique.
    pub id: ConnectionId,
    /// Name for people; unique.
    pub name: String,
    /// Off = no schedule and no imports.
    pub enabled: bool,
    /// The Entra tenant.
    pub tenant_id: TenantId,
    /// Where its login and Graph are (C2).
    pub cloud: Cloud,
    /// How we sign in (C3).
    pub auth: Auth,
    /// What is read, how often, and what follows from it.
    pub sync: Sync,
    /// Whether people without a Halo record get one (M3).
    pub create: bool,
    /// Field rows for user records, at most one for each target (F2).
    pub user_fields: Vec<FieldRow>,
    /// Field rows for agent records.
    pub agent_fields: Vec<FieldRow>,
    /// Matching rows for users, in the order in which they are tried (M2).
    pub user_matching: Vec<MatchRow>,
    /// Matching rows for agents.
    pub agent_matching: Vec<MatchRow>,
    /// Placement mappings in document order; [`Document::by_rank`] gives the order of trying.
    pub mappings: Vec<Mapping>,
    /// Group and no-manager roles, CABs (R1–R5).
    pub roles: Roles,
    /// Licence import (S1, S2).
    pub licences: Option<Licences>,
    /// Limits on deactivation (L4).
    pub guard: Guard,
}

/// Login and Graph hosts of a national cloud (Microsoft Graph documentation, national clouds).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Global, including GCC.
    Global,
    /// US Government L4 (GCC High).
    UsGov,
    /// US Government L5 (`DoD`).
    UsGovDod,
    /// China, operated by 21Vianet.
    China,
    /// Addresses of its own, where the deployment allows them.
    Custom {
        /// Base of the login service, without a path.
        login: Url,
        /// Base of Graph, without `/v1.0`.
        graph: Url,
    },
}

/// How the connection signs in to its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// Client credentials or a person's consent.
    pub method: AuthMethod,
    /// What proves the application's identity.
    pub credential: CredentialKind,
    /// How a certificate signs; without one it says nothing.
    #[serde(default, skip_serializing_if = "Assertion::is_usual")]
    pub assertion: Assertion,
    /// Application (client) id.
    pub client_id: AppId,
}

impl Auth {
    /// Whether credentials that were entered for the one are those of the other as well.
    pub fn same_credentials(&self, other: &Auth) -> bool {
        Auth { assertion: other.assertion, ..*self } == *other
    }
}

/// How a certificate signs the proof that the application asks (C3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assertion {
    /// PS256, with the SHA-256 thumbprint of the certificate in `x5t#S256`.
    #[default]
    Ps256,
    /// RS256, with the SHA-1 thumbprint in `x5t`: for keys whose keeper has no PSS.
    Rs256,
}

impl Assertion {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_usual(&self) -> bool {
        *self == Assertion::default()
    }
}

/// C3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Client credentials with application permissions.
    Application,
    /// Authorisation code with PKCE and a refresh token.
    Delegated,
}

/// C3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A client secret.
    Secret,
    /// A certificate with its private key.
    Certificate,
}

/// What is imported, when, and what follows from a departure.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each with its own rule")]
pub struct Sync {
    /// Entities of the schedule; not empty, no repeats.
    pub entities: Vec<Entity>,
    /// 5 to 1440.
    pub every_minutes: u32,
    /// By delta, or a full read each run (D1).
    pub reading: Reading,
    /// Hours between full reads under delta, 1 to 8760 (D1).
    pub full_every_hours: u32,
    /// D5.
    pub deactivate_missing: bool,
    /// L2.
    pub deactivate_disabled_users: bool,
    /// P8.
    pub out_of_scope: OutOfScope,
    /// L3.
    pub reactivate: bool,
    /// L2.
    pub create_disabled: bool,
    /// D8.
    pub last_sign_in: bool,
}

impl Default for Sync {
    /// Users every 15 minutes by delta, and everybody once a week.
    fn default() -> Self {
        Self {
            entities: vec![Entity::Users],
            every_minutes: 15,
            reading: Reading::Delta,
            full_every_hours: 168,
            deactivate_missing: true,
            deactivate_disabled_users: false,
            out_of_scope: OutOfScope::Leave,
            reactivate: true,
            create_disabled: false,
            last_sign_in: false,
        }
    }
}

impl Sync {
    /// Time between two runs of the schedule.
    pub fn interval(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.every_minutes))
    }
}

/// D1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Changes since the last time.
    Delta,
    /// Everybody, each time.
    Full,
}

/// What a schedule or an import covers (I3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// Halo users.
    Users,
    /// Halo agents.
    Agents,
    /// Software licences.
    Licences,
}

/// What happens to a linked person whom no mapping matches any more (P8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutOfScope {
    /// Nothing.
    Leave,
    /// Made inactive.
    Deactivate,
}

/// One placement mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Name in links and logs; unique.
    pub id: MappingId,
    /// Rank; smaller is tried first.
    pub sequence: i64,
    /// Where a matched person goes.
    pub target: Placement,
    /// Role of the user record (P7).
    pub user_role_id: Option<UserRoleId>,
    /// Role of the agent record (P7).
    pub agent_role_id: Option<AgentRoleId>,
    /// Licence type of the agent record (P7).
    pub licence_type: LicenceType,
    /// Whom it is for.
    pub group: Option<GroupRef>,
    /// P4.
    pub external_users: ExternalUsers,
    /// Whether all conditions must hold, or any.
    pub quantifier: Quantifier,
    /// What must hold; none = nothing more.
    pub conditions: Vec<Condition>,
}

/// Where a mapping puts people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// One site.
    Site {
        /// The site.
        site_id: SiteId,
    },
    /// A site under a client, named by a property; made when missing (P6).
    Organisation {
        /// The client.
        client_id: ClientId,
        /// Graph property that holds the site's name.
        site_from: String,
        /// Where people without a value go.
        default_site_id: Option<SiteId>,
    },
    /// An agent, and a user as well where a user mapping or `user_site_id` says so (P1).
    Agents {
        /// Site of the user record of agents whom no user mapping matches.
        user_site_id: Option<SiteId>,
    },
}

/// P7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenceType {
    /// New agents concurrent, existing ones as they are.
    NoChange,
    /// Named.
    Named,
    /// Concurrent.
    Concurrent,
}

/// P4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalUsers {
    /// No external people.
    Exclude,
    /// External people too.
    Include,
    /// External people only.
    Only,
}

/// How several conditions count (P2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantifier {
    /// All must hold.
    All,
    /// One is enough.
    Any,
}

/// A group by name or id; the id is pinned when the document is saved (P3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRef {
    /// Exact name, compared without case.
    pub name: Option<String>,
    /// Object id: given, or pinned.
    pub id: Option<ObjectId>,
    /// Whether members of groups inside it count.
    pub nesting: Nesting,
}

/// P3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// Direct members only.
    Direct,
    /// Members of groups inside it too (`"nested": true`).
    Nested,
}

/// One condition of a mapping (P5).
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is looked at.
    pub field: Source,
    /// What must hold of it.
    pub test: Test,
    /// How text compares.
    pub case: Case,
}

/// The operator of a condition with its operands (P5).
#[derive(Clone, Debug)]
pub enum Test {
    /// `equals` (one value), `in` (several).
    In(Vec<String>),
    /// `not_equals`, `not_in`.
    NotIn(Vec<String>),
    /// `starts_with`.
    StartsWith(String),
    /// `ends_with`.
    EndsWith(String),
    /// `contains`.
    Contains(String),
    /// `not_contains`.
    NotContains(String),
    /// `matches`, compiled with the condition's case.
    Matches(regex_lite::Regex),
    /// `is_empty`.
    IsEmpty,
    /// `is_not_empty`.
    IsNotEmpty,
    /// `is_true`.
    IsTrue,
    /// `is_false`.
    IsFalse,
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        // A compiled pattern has no equality; its text has.
        format!("{self:?}") == format!("{other:?}")
    }
}

/// How a condition compares text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Trimmed and without case.
    Insensitive,
    /// Trimmed, with case (`"case_sensitive": true`).
    Sensitive,
}

/// Roles by group and by manager, boards, and what makes agents inactive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roles {
    /// R1.
    pub agent_roles: Vec<(GroupRef, AgentRoleId)>,
    /// R1.
    pub user_roles: Vec<(GroupRef, UserRoleId)>,
    /// R2.
    pub no_manager_user_role_id: Option<UserRoleId>,
    /// R3.
    pub cabs: Vec<CabRow>,
    /// R5.
    pub licence_management: bool,
    /// R5.
    pub inactive_agent_role_ids: Vec<AgentRoleId>,
}

/// R3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CabRow {
    /// Whose members join.
    pub group: GroupRef,
    /// The board.
    pub cab_id: CabId,
    /// Their role in it.
    pub cab_role_id: Option<CabRoleId>,
    /// Whether it is kept in step after creation.
    pub keep: bool,
}

/// Import and management of licences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licences {
    /// The client that licences are imported to.
    pub client_id: ClientId,
    /// S2.
    pub manage_from_halo: bool,
}

/// L4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// More than so many and more than `percent` are held.
    pub count: u32,
    /// Share of the linked people, 0 to 100.
    pub percent: u32,
    /// More than so many are held, whatever the size.
    pub absolute: u32,
}

impl Default for Guard {
    fn default() -> Self {
        Self { count: 20, percent: 10, absolute: 200 }
    }
}

impl Document {
    /// The mappings in the order in which they are tried: ascending sequence, then id (P1).
    pub fn by_rank(&self) -> Vec<&Mapping> {
        let mut order: Vec<_> = self.mappings.iter().collect();
        order.sort_by(|a, b| (a.sequence, &a.id).cmp(&(b.sequence, &b.id)));
        order
    }

    /// Every group that the rules name, with the path of its place.
    pub fn groups(&self) -> Vec<(String, &GroupRef)> {
        let mut all = Vec::new();
        for (index, mapping) in self.mappings.iter().enumerate() {
            if let Some(group) = &mapping.group {
                all.push((format!("$.mappings[{index}].group"), group));
            }
        }
        for (index, (group, _)) in self.roles.agent_roles.iter().enumerate() {
            all.push((format!("$.roles.agent_roles[{index}].group"), group));
        }
        for (index, (group, _)) in self.roles.user_roles.iter().enumerate() {
            all.push((format!("$.roles.user_roles[{index}].group"), group));
        }
        for (index, cab) in self.roles.cabs.iter().enumerate() {
            all.push((format!("$.roles.cabs[{index}].group"), &cab.group));
        }
        all
    }

    /// The same groups, in the same order, to pin their ids.
    pub fn groups_mut(&mut self) -> Vec<&mut GroupRef> {
        let mappings = self.mappings.iter_mut().filter_map(|mapping| mapping.group.as_mut());
        let agents = self.roles.agent_roles.iter_mut().map(|(group, _)| group);
        let users = self.roles.user_roles.iter_mut().map(|(group, _)| group);
        let cabs = self.roles.cabs.iter_mut().map(|cab| &mut cab.group);
        mappings.chain(agents).chain(users).chain(cabs).collect()
    }
}

/// Reading documents from storage passes the same parse as reading them from people.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        parse(&value, CustomClouds::Allowed).map(|parsed| parsed.document).map_err(|mistakes| {
            let first =
                mistakes.first().map_or_else(String::new, |m| format!("{}: {}", m.path, m.message));
            serde::de::Error::custom(first)
        })
    }
}
