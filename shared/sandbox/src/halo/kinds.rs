//! The kinds of records that Halo keeps: their paths, what they need, and what opens them.

use super::fields::{self, Field};

/// Which scope opens an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// `read:customers` and `edit:customers`.
    Customers,
    /// `read:softwarelicensing` and `edit:softwarelicensing`.
    Licences,
    /// Reading with any scope, writing as an administrator.
    Administration,
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Users,
    Agents,
    Sites,
    Clients,
    Roles,
    UserRoles,
    Cabs,
    CabMembers,
    Teams,
    TopLevels,
    Organisations,
    Licences,
    FieldInfo,
    UserChanges,
    LicenceChanges,
}

impl Kind {
    pub(super) const ALL: [Self; 15] = [
        Self::Users,
        Self::Agents,
        Self::Sites,
        Self::Clients,
        Self::Roles,
        Self::UserRoles,
        Self::Cabs,
        Self::CabMembers,
        Self::Teams,
        Self::TopLevels,
        Self::Organisations,
        Self::Licences,
        Self::FieldInfo,
        Self::UserChanges,
        Self::LicenceChanges,
    ];

    /// The kind behind the lower-case path segment.
    pub(super) fn at(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.path().eq_ignore_ascii_case(segment))
    }

    /// The path segment as Halo documents it.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::Agents => "Agent",
            Self::Sites => "Site",
            Self::Clients => "Client",
            Self::Roles => "Roles",
            Self::UserRoles => "UserRoles",
            Self::Cabs => "CAB",
            Self::CabMembers => "CABMember",
            Self::Teams => "Team",
            Self::TopLevels => "TopLevel",
            Self::Organisations => "Organisation",
            Self::Licences => "SoftwareLicence",
            Self::FieldInfo => "FieldInfo",
            Self::UserChanges => "UserChange",
            Self::LicenceChanges => "LicenceChange",
        }
    }

    /// Where an envelope keeps the rows; `None` for lists that are bare arrays.
    pub(super) fn rows_key(self) -> Option<&'static str> {
        match self {
            Self::Users => Some("users"),
            Self::Sites => Some("sites"),
            Self::Clients => Some("clients"),
            Self::Licences => Some("softwarelicences"),
            Self::TopLevels => Some("tree"),
            // Agents have a knob of their own.
            Self::Agents
            | Self::Roles
            | Self::UserRoles
            | Self::Cabs
            | Self::CabMembers
            | Self::Teams
            | Self::Organisations
            | Self::FieldInfo
            | Self::UserChanges
            | Self::LicenceChanges => None,
        }
    }

    /// Properties without which nothing is saved.
    pub(super) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["name", "site_id"],
            Self::Sites => &["name", "client_id"],
            Self::Agents
            | Self::Clients
            | Self::Roles
            | Self::UserRoles
            | Self::Cabs
            | Self::Teams
            | Self::TopLevels
            | Self::Organisations
            | Self::Licences
            | Self::FieldInfo => &["name"],
            Self::CabMembers | Self::UserChanges | Self::LicenceChanges => &[],
        }
    }

    /// The property that names the record this one belongs to, and that record's kind.
    pub(super) fn parent(self) -> Option<(&'static str, Self)> {
        let parents =
            [(Self::Users, "site_id", Self::Sites), (Self::Sites, "client_id", Self::Clients)];
        let own = parents.into_iter().find(|(child, ..)| *child == self);
        own.map(|(_, name, parent)| (name, parent))
    }

    /// The property that takes a record out of use, and so out of lists.
    pub(super) fn inactive_flag(self) -> Option<&'static str> {
        match self {
            Self::Users | Self::Sites | Self::Clients => Some("inactive"),
            Self::Agents => Some("isdisabled"),
            Self::Roles
            | Self::UserRoles
            | Self::Cabs
            | Self::CabMembers
            | Self::Teams
            | Self::TopLevels
            | Self::Organisations
            | Self::Licences
            | Self::FieldInfo
            | Self::UserChanges
            | Self::LicenceChanges => None,
        }
    }

    pub(super) fn gate(self) -> Gate {
        match self {
            Self::Users | Self::Sites | Self::Clients | Self::UserChanges => Gate::Customers,
            Self::Licences | Self::LicenceChanges => Gate::Licences,
            Self::Agents
            | Self::Roles
            | Self::UserRoles
            | Self::Cabs
            | Self::CabMembers
            | Self::Teams
            | Self::TopLevels
            | Self::Organisations
            | Self::FieldInfo => Gate::Administration,
        }
    }

    /// All properties of the kind.
    pub(super) fn fields(self) -> &'static [Field] {
        match self {
            Self::Users => fields::USERS,
            Self::Agents => fields::AGENTS,
            Self::Sites => fields::SITES,
            Self::Clients => fields::CLIENTS,
            Self::Roles => fields::ROLES,
            Self::UserRoles => fields::USER_ROLES,
            Self::Cabs => fields::CABS,
            Self::CabMembers => fields::CAB_MEMBERS,
            Self::Teams => fields::TEAMS,
            Self::TopLevels => fields::TOP_LEVELS,
            Self::Organisations => fields::ORGANISATIONS,
            Self::Licences => fields::LICENCES,
            Self::FieldInfo => fields::FIELD_INFO,
            Self::UserChanges => fields::USER_CHANGES,
            Self::LicenceChanges => fields::LICENCE_CHANGES,
        }
    }

    /// The property called `name` (lower case), if the kind has it.
    pub(super) fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// The property in which Halo keeps when a record changed last.
    pub(super) fn changed_at(self) -> Option<&'static str> {
        ["lastupdate", "last_modified", "slastupdate", "alastupdate"]
            .into_iter()
            .find(|name| self.field(name).is_some())
    }
}
