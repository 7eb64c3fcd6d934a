//! The rules of a connection made ready once for many decisions: mappings in their order with their
//! groups resolved, field rows in the order of their targets, roles and boards with their groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{self, Holds};
use crate::document::{Document, Entity, FieldRow, LicenceType, MatchRow, RowTarget};
use crate::fields::{Column, Feed};
use crate::groups::{Groups, Named};
use crate::ids::{CabId, CabRoleId, LicenceId, PerKind, RecordKind, SkuId};
use crate::licences::{Book, licences_target};
use crate::link::Target;
use crate::placement::Ready;
use crate::roles::roles_target;
use crate::sight::Names;

/// Which kinds of records a run is about (I2, I3).
pub type Scope = PerKind<bool>;

/// What a list of entities covers.
pub fn scope_of(entities: &[Entity]) -> Scope {
    Scope { user: entities.contains(&Entity::Users), agent: entities.contains(&Entity::Agents) }
}

/// The rules of a connection, made ready.
#[derive(Debug)]
pub struct Rules<'a> {
    pub(crate) document: &'a Document,
    pub(crate) scope: Scope,
    pub(crate) mappings: Vec<Ready<'a>>,
    pub(crate) records: PerKind<RecordRules<'a>>,
    pub(crate) boards: Vec<Board>,
    pub(crate) tenant: String,
    /// Kinds of records that some mapping makes.
    pub(crate) made: PerKind<bool>,
    /// The field that holds roles.
    pub(crate) roles_target: Target,
    /// The field that holds links to licences.
    pub(crate) licences_target: Target,
    /// Halo's licences by the SKU that they are; `None` = links to licences stay as they are (S1).
    pub(crate) licences: Option<BTreeMap<SkuId, LicenceId>>,
    /// Roles that make agents inactive; none without licence management (R5).
    pub(crate) inactive_roles: BTreeSet<i64>,
    /// The properties that the rules look at.
    pub(crate) names: Names,
}

/// The rules of one kind of record.
#[derive(Debug)]
pub(crate) struct RecordRules<'a> {
    /// Everything that is written of a record but roles and activity, in order of the targets.
    pub(crate) columns: Vec<Column<'a>>,
    pub(crate) matching: &'a [MatchRow],
    /// Groups that give roles (R1).
    pub(crate) roles: Vec<(Named, i64)>,
    /// Whether any rule looks at roles or gives some.
    pub(crate) has_roles: bool,
}

/// A group that sits on a board (R3).
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) group: Named,
    pub(crate) cab: CabId,
    pub(crate) role: Option<CabRoleId>,
    pub(crate) keep: bool,
}

impl<'a> Rules<'a> {
    /// Makes a document's rules ready, for what its schedule covers.
    pub fn new(document: &'a Document, groups: &Groups) -> Self {
        Self::covering(document, groups, scope_of(&document.sync.entities))
    }

    /// Makes a document's rules ready for some kinds of records.
    pub fn covering(document: &'a Document, groups: &Groups, scope: Scope) -> Self {
        let mut names = Names::default();
        let ready = document.by_rank().into_iter().map(|it| Ready::new(it, groups, &mut names));
        let mappings: Vec<Ready<'a>> = ready.collect();
        let made = |kind| mappings.iter().any(|ready| ready.kind() == kind);
        let made = PerKind { user: true, agent: made(RecordKind::Agent) };
        let boards = document.roles.cabs.iter().map(|row| Board {
            group: groups.named(&row.group),
            cab: row.cab_id,
            role: row.cab_role_id,
            keep: row.keep,
        });
        Self {
            document,
            scope,
            made,
            records: PerKind {
                user: users(document, groups, &mut names),
                agent: agents(document, groups, &mut names),
            },
            boards: boards.collect(),
            tenant: document.tenant_id.to_string(),
            mappings,
            roles_target: roles_target(),
            licences_target: licences_target(),
            licences: None,
            inactive_roles: inactive_roles(document),
            names,
        }
    }

    /// The same, with the ledger by which users are linked to the licences that they hold (S1).
    #[must_use]
    pub fn with_licences(mut self, book: &Book) -> Self {
        self.licences = Some(book.linkable());
        self
    }

    /// Whether that is the number of a licence in the ledger.
    pub(crate) fn is_licence(&self, licence: i64) -> bool {
        self.licences.iter().flat_map(BTreeMap::values).any(|known| known.0 == licence)
    }

    /// The document that the rules stand in.
    pub fn document(&self) -> &'a Document {
        self.document
    }

    /// The rows by which records of a kind are matched.
    pub fn matching(&self, kind: RecordKind) -> &'a [MatchRow] {
        self.records.of(kind).matching
    }

    /// Every field of a record that may be compared, roles and licences included.
    pub fn targets(&self, kind: RecordKind) -> BTreeSet<Target> {
        let columns = self.records.of(kind).columns.iter();
        let licences = (kind == RecordKind::User && self.licences.is_some()).then(licences_target);
        let sets = [roles_target()].into_iter().chain(licences);
        columns.map(|column| column.target.clone()).chain(sets).collect()
    }

    /// Whether records of a kind are looked at: the run covers them and some mapping makes them, or
    /// the person is one already.
    pub fn looks_at(&self, kind: RecordKind, is_linked: bool) -> bool {
        *self.scope.of(kind) && (is_linked || *self.made.of(kind))
    }

    /// Whether some row points at the agent that a person's manager is, so that reports are looked at
    /// again when their manager becomes one (F6).
    pub fn points_at_managers(&self) -> bool {
        self.records.agent.columns.iter().any(|column| column.feed.points_at_manager())
    }

    /// Whether a run of this scope leaves something undone that the document wants.
    pub fn is_partial(&self) -> bool {
        let whole = scope_of(&self.document.sync.entities);
        RecordKind::ALL.iter().any(|kind| *whole.of(*kind) && !*self.scope.of(*kind))
    }
}

fn users<'a>(document: &'a Document, groups: &Groups, names: &mut Names) -> RecordRules<'a> {
    let mut columns = rows(&document.user_fields, catalogue::user_target, names);
    let own = [
        ("site_id", Feed::Site),
        ("azureoid", Feed::ObjectId),
        ("azure_tenant_id", Feed::Tenant),
        ("linked_agent_id", Feed::Agent),
    ];
    columns.extend(own.into_iter().map(|(name, feed)| Column::own(name, feed)));
    if document.sync.last_sign_in {
        columns.push(Column::own("azure_last_login_date", Feed::LastSignIn));
    }
    columns.sort_by(|a, b| a.target.cmp(&b.target));
    let roles: Vec<(Named, i64)> = document
        .roles
        .user_roles
        .iter()
        .map(|(group, role)| (groups.named(group), role.0))
        .collect();
    let has_roles = !roles.is_empty()
        || document.roles.no_manager_user_role_id.is_some()
        || document.mappings.iter().any(|mapping| mapping.user_role_id.is_some());
    RecordRules { columns, matching: &document.user_matching, roles, has_roles }
}

fn agents<'a>(document: &'a Document, groups: &Groups, names: &mut Names) -> RecordRules<'a> {
    let mut columns = rows(&document.agent_fields, catalogue::agent_target, names);
    columns.push(Column::own("licence_type", Feed::Licence));
    columns.sort_by(|a, b| a.target.cmp(&b.target));
    let roles: Vec<(Named, i64)> = document
        .roles
        .agent_roles
        .iter()
        .map(|(group, role)| (groups.named(group), role.0))
        .collect();
    let has_roles = !roles.is_empty()
        || !inactive_roles(document).is_empty()
        || document.mappings.iter().any(|mapping| mapping.agent_role_id.is_some());
    RecordRules { columns, matching: &document.agent_matching, roles, has_roles }
}

fn rows<'a>(
    rows: &'a [FieldRow],
    known: impl Fn(&str) -> Option<&'static catalogue::TargetField>,
    names: &mut Names,
) -> Vec<Column<'a>> {
    let column = |row: &'a FieldRow| {
        let (target, field) = match &row.to {
            RowTarget::Field(name) => (Target::field(name), known(name)),
            // One whose id is not pinned yet wants nothing.
            RowTarget::Custom { id, .. } => (Target::Custom((*id)?), None),
        };
        let feed = match field.map(|field| field.holds) {
            Some(Holds::ManagersAgent) => Feed::ManagersAgent(row),
            Some(Holds::Switch) => Feed::Switch(row),
            Some(Holds::Text) | None => Feed::Row(row),
        };
        let spots = row.from.iter().map(|source| names.spot(source)).collect();
        Some(Column { target, limit: field.and_then(|field| field.limit), feed, spots })
    };
    rows.iter().filter_map(column).collect()
}

/// The roles that make agents inactive; none without licence management (R5).
fn inactive_roles(document: &Document) -> BTreeSet<i64> {
    let roles = &document.roles;
    let listed = roles.inactive_agent_role_ids.iter().map(|role| role.0);
    if roles.licence_management { listed.collect() } else { BTreeSet::new() }
}

/// Halo's number for a kind of licence: 0 = concurrent, 1 = named (P7; Halo's API documentation does
/// not name the values, its database defaults to 0 and its guide makes new agents concurrent).
pub(crate) fn licence_number(licence: LicenceType) -> Option<i64> {
    match licence {
        LicenceType::NoChange => None,
        LicenceType::Concurrent => Some(0),
        LicenceType::Named => Some(1),
    }
}
