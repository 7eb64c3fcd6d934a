//! From a [`Document`] back to the JSON that the parser reads, and its parts as texts.
//!
//! Settings are written with their values, defaults too. In rows, what is off or not there is left
//! out, so that a row stays as short as people write it.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use url::Url;

use super::{
    Auth, CabRow, Case, Cloud, Condition, Document, Empty, Entity, ExternalUsers, FieldRow,
    GroupRef, Guard, LicenceType, Licences, Mapping, MatchRow, Nesting, OutOfScope, Placement,
    Quantifier, Reading, Roles, RowTarget, Source, Sync, Test, Transform, WriteMode,
};
use crate::ids::{
    AgentRoleId, CabId, CabRoleId, ClientId, ConnectionId, CustomFieldId, MappingId, ObjectId,
    SiteId, TenantId, UserRoleId,
};

impl fmt::Display for Source {
    /// As the document writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Property(name) => f.write_str(name),
            Source::Manager(part) => write!(f, "manager.{part}"),
            Source::PrimaryAddress => f.write_str("proxyAddresses:primary"),
            Source::AllAddresses => f.write_str("proxyAddresses:all"),
            Source::LastSignIn => f.write_str("lastSignInDateTime"),
            Source::Const(text) => write!(f, "const:{text}"),
        }
    }
}

impl fmt::Display for RowTarget {
    /// As the document writes it, without a pinned id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowTarget::Field(name) => f.write_str(name),
            RowTarget::Custom { asked, .. } => write!(f, "customfield:{asked}"),
        }
    }
}

impl Condition {
    /// The condition for explanations: the property, and the operator with its operands, as in
    /// `("department", "in \"Sales\", \"Marketing\"")`.
    pub fn describe(&self) -> (String, String) {
        let test = self.test.written(self.case);
        let operands: Vec<String> =
            test.operands.iter().map(|text| format!("\"{text}\"")).collect();
        let mut said = test.operator.to_owned();
        if !operands.is_empty() {
            said = format!("{said} {}", operands.join(", "));
            if self.case == Case::Sensitive {
                said.push_str(" (case sensitive)");
            }
        }
        (self.field.to_string(), said)
    }
}

/// An operator and its operands as the document writes them.
struct Written<'a> {
    operator: &'static str,
    operands: Vec<&'a str>,
}

impl Test {
    fn written(&self, case: Case) -> Written<'_> {
        let (operator, operands) = match self {
            Test::In(values) if values.len() == 1 => ("equals", texts(values)),
            Test::NotIn(values) if values.len() == 1 => ("not_equals", texts(values)),
            Test::In(values) => ("in", texts(values)),
            Test::NotIn(values) => ("not_in", texts(values)),
            Test::StartsWith(text) => ("starts_with", vec![text.as_str()]),
            Test::EndsWith(text) => ("ends_with", vec![text.as_str()]),
            Test::Contains(text) => ("contains", vec![text.as_str()]),
            Test::NotContains(text) => ("not_contains", vec![text.as_str()]),
            Test::Matches(regex) => ("matches", vec![as_written(regex.as_str(), case)]),
            Test::IsEmpty => ("is_empty", Vec::new()),
            Test::IsNotEmpty => ("is_not_empty", Vec::new()),
            Test::IsTrue => ("is_true", Vec::new()),
            Test::IsFalse => ("is_false", Vec::new()),
        };
        Written { operator, operands }
    }
}

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

/// A pattern without the flag that the parser puts in front of it.
fn as_written(pattern: &str, case: Case) -> &str {
    match case {
        Case::Insensitive => pattern.strip_prefix("(?i)").unwrap_or(pattern),
        Case::Sensitive => pattern,
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        DocumentShape::from(self).serialize(to)
    }
}

#[derive(Serialize)]
struct DocumentShape<'a> {
    id: &'a ConnectionId,
    name: &'a str,
    enabled: bool,
    tenant_id: TenantId,
    cloud: &'a Cloud,
    auth: Auth,
    sync: SyncShape<'a>,
    create: bool,
    field_mappings: Lists<RowShape<'a>>,
    matching: Lists<&'a MatchRow>,
    mappings: Vec<MappingShape<'a>>,
    roles: RolesShape<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licences: Option<Licences>,
    guard: GuardShape,
}

impl<'a> From<&'a Document> for DocumentShape<'a> {
    fn from(document: &'a Document) -> Self {
        Self {
            id: &document.id,
            name: &document.name,
            enabled: document.enabled,
            tenant_id: document.tenant_id,
            cloud: &document.cloud,
            auth: document.auth,
            sync: SyncShape::from(&document.sync),
            create: document.create,
            field_mappings: Lists {
                users: document.user_fields.iter().map(RowShape::from).collect(),
                agents: document.agent_fields.iter().map(RowShape::from).collect(),
            },
            matching: Lists {
                users: document.user_matching.iter().collect(),
                agents: document.agent_matching.iter().collect(),
            },
            mappings: document.mappings.iter().map(MappingShape::from).collect(),
            roles: RolesShape::from(&document.roles),
            licences: document.licences,
            guard: GuardShape { max_deactivations: document.guard },
        }
    }
}

#[derive(Serialize)]
struct Lists<T> {
    users: Vec<T>,
    agents: Vec<T>,
}

#[derive(Serialize)]
struct GuardShape {
    max_deactivations: Guard,
}

impl Serialize for Cloud {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Cloud::Global => to.serialize_str("global"),
            Cloud::UsGov => to.serialize_str("us_gov"),
            Cloud::UsGovDod => to.serialize_str("us_gov_dod"),
            Cloud::China => to.serialize_str("china"),
            Cloud::Custom { login, graph } => {
                let mut map = to.serialize_map(Some(2))?;
                map.serialize_entry("login", base(login))?;
                map.serialize_entry("graph", base(graph))?;
                map.end()
            }
        }
    }
}

/// An address without the slash that stands for its empty path.
fn base(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the document's own switches")]
struct SyncShape<'a> {
    entities: &'a [Entity],
    every_minutes: u32,
    delta: bool,
    full_every_hours: u32,
    deactivate_missing: bool,
    deactivate_disabled_users: bool,
    out_of_scope: OutOfScope,
    reactivate: bool,
    create_disabled: bool,
    last_sign_in: bool,
}

impl<'a> From<&'a Sync> for SyncShape<'a> {
    fn from(sync: &'a Sync) -> Self {
        Self {
            entities: &sync.entities,
            every_minutes: sync.every_minutes,
            delta: sync.reading == Reading::Delta,
            full_every_hours: sync.full_every_hours,
            deactivate_missing: sync.deactivate_missing,
            deactivate_disabled_users: sync.deactivate_disabled_users,
            out_of_scope: sync.out_of_scope,
            reactivate: sync.reactivate,
            create_disabled: sync.create_disabled,
            last_sign_in: sync.last_sign_in,
        }
    }
}

/// One as it is, several as a list.
#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Serialize)]
struct RowShape<'a> {
    from: OneOrMore,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_field_id: Option<CustomFieldId>,
    write: WriteMode,
    #[serde(skip_serializing_if = "is_off")]
    clear: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    transforms: &'a [Transform],
}

impl<'a> From<&'a FieldRow> for RowShape<'a> {
    fn from(row: &'a FieldRow) -> Self {
        let from = match row.from.as_slice() {
            [one] => OneOrMore::One(one.to_string()),
            more => OneOrMore::More(more.iter().map(ToString::to_string).collect()),
        };
        let custom_field_id = match &row.to {
            // A target that is named by its id says so already.
            RowTarget::Custom { asked, id } => id.filter(|id| asked.parse() != Ok(id.0)),
            RowTarget::Field(_) => None,
        };
        Self {
            from,
            to: row.to.to_string(),
            custom_field_id,
            write: row.write,
            clear: row.empty == Empty::Clears,
            transforms: &row.transforms,
        }
    }
}

impl Serialize for Transform {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Transform::Trim => to.serialize_str("trim"),
            Transform::Lower => to.serialize_str("lower"),
            Transform::Upper => to.serialize_str("upper"),
            Transform::TitleCase => to.serialize_str("title_case"),
            Transform::FirstNonEmpty => to.serialize_str("first_non_empty"),
            Transform::Replace(old, new) => keyed(to, "replace", &[old, new]),
            Transform::Regex(regex, new) => keyed(to, "regex", &[regex.as_str(), new]),
            Transform::Prefix(text) => keyed(to, "prefix", text),
            Transform::Suffix(text) => keyed(to, "suffix", text),
            Transform::MaxLength(most) => keyed(to, "max_length", most),
            Transform::Join(between) => keyed(to, "join", between),
            Transform::Map(table, None) => keyed(to, "map", table),
            Transform::Map(table, Some(rest)) => {
                MapShape { map: table, default: rest }.serialize(to)
            }
        }
    }
}

#[derive(Serialize)]
struct MapShape<'a> {
    map: &'a BTreeMap<String, String>,
    default: &'a str,
}

fn keyed<S: Serializer, T: Serialize + ?Sized>(
    to: S,
    key: &str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

#[derive(Serialize)]
struct MappingShape<'a> {
    id: &'a MappingId,
    sequence: i64,
    target: PlacementShape<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_role_id: Option<UserRoleId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_role_id: Option<AgentRoleId>,
    licence_type: LicenceType,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<GroupShape<'a>>,
    external_users: ExternalUsers,
    #[serde(rename = "match")]
    quantifier: Quantifier,
    conditions: Vec<ConditionShape<'a>>,
}

impl<'a> From<&'a Mapping> for MappingShape<'a> {
    fn from(mapping: &'a Mapping) -> Self {
        Self {
            id: &mapping.id,
            sequence: mapping.sequence,
            target: PlacementShape::from(&mapping.target),
            user_role_id: mapping.user_role_id,
            agent_role_id: mapping.agent_role_id,
            licence_type: mapping.licence_type,
            group: mapping.group.as_ref().map(GroupShape::from),
            external_users: mapping.external_users,
            quantifier: mapping.quantifier,
            conditions: mapping.conditions.iter().map(ConditionShape::from).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum PlacementShape<'a> {
    Site {
        site_id: SiteId,
    },
    Organisation {
        client_id: ClientId,
        site_from: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        default_site_id: Option<SiteId>,
    },
    Agents {
        #[serde(skip_serializing_if = "Option::is_none")]
        user_site_id: Option<SiteId>,
    },
}

impl<'a> From<&'a Placement> for PlacementShape<'a> {
    fn from(placement: &'a Placement) -> Self {
        match placement {
            Placement::Site { site_id } => Self::Site { site_id: *site_id },
            Placement::Organisation { client_id, site_from, default_site_id } => {
                Self::Organisation {
                    client_id: *client_id,
                    site_from,
                    default_site_id: *default_site_id,
                }
            }
            Placement::Agents { user_site_id } => Self::Agents { user_site_id: *user_site_id },
        }
    }
}

#[derive(Serialize)]
struct GroupShape<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ObjectId>,
    #[serde(skip_serializing_if = "is_off")]
    nested: bool,
}

impl<'a> From<&'a GroupRef> for GroupShape<'a> {
    fn from(group: &'a GroupRef) -> Self {
        Self { name: group.name.as_deref(), id: group.id, nested: group.nesting == Nesting::Nested }
    }
}

#[derive(Serialize)]
struct ConditionShape<'a> {
    field: String,
    op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<&'a str>,
    #[serde(skip_serializing_if = "is_off")]
    case_sensitive: bool,
}

impl<'a> From<&'a Condition> for ConditionShape<'a> {
    fn from(condition: &'a Condition) -> Self {
        let Written { operator, operands } = condition.test.written(condition.case);
        let (value, values) = match operands.as_slice() {
            [one] => (Some(*one), Vec::new()),
            _ => (None, operands),
        };
        Self {
            field: condition.field.to_string(),
            op: operator,
            value,
            values,
            case_sensitive: condition.case == Case::Sensitive,
        }
    }
}

#[derive(Serialize)]
struct RolesShape<'a> {
    agent_roles: Vec<RoleShape<'a, AgentRoleId>>,
    user_roles: Vec<RoleShape<'a, UserRoleId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_manager_user_role_id: Option<UserRoleId>,
    cabs: Vec<CabShape<'a>>,
    licence_management: bool,
    inactive_agent_role_ids: &'a [AgentRoleId],
}

#[derive(Serialize)]
struct RoleShape<'a, T> {
    group: GroupShape<'a>,
    role_id: T,
}

impl<'a, T: Copy> From<&'a (GroupRef, T)> for RoleShape<'a, T> {
    fn from((group, role_id): &'a (GroupRef, T)) -> Self {
        Self { group: group.into(), role_id: *role_id }
    }
}

#[derive(Serialize)]
struct CabShape<'a> {
    group: GroupShape<'a>,
    cab_id: CabId,
    #[serde(skip_serializing_if = "Option::is_none")]
    cab_role_id: Option<CabRoleId>,
    #[serde(skip_serializing_if = "is_off")]
    keep: bool,
}

impl<'a> From<&'a CabRow> for CabShape<'a> {
    fn from(cab: &'a CabRow) -> Self {
        Self {
            group: GroupShape::from(&cab.group),
            cab_id: cab.cab_id,
            cab_role_id: cab.cab_role_id,
            keep: cab.keep,
        }
    }
}

impl<'a> From<&'a Roles> for RolesShape<'a> {
    fn from(roles: &'a Roles) -> Self {
        Self {
            agent_roles: roles.agent_roles.iter().map(RoleShape::from).collect(),
            user_roles: roles.user_roles.iter().map(RoleShape::from).collect(),
            no_manager_user_role_id: roles.no_manager_user_role_id,
            cabs: roles.cabs.iter().map(CabShape::from).collect(),
            licence_management: roles.licence_management,
            inactive_agent_role_ids: &roles.inactive_agent_role_ids,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_off(switch: &bool) -> bool {
    !switch
}

#[cfg(test)]
mod tests;
