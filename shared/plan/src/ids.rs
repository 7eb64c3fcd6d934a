//! The identifiers of both worlds, each its own type, so that none can stand where another belongs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A text that is not an identifier of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not {expected}")]
pub struct NotAnId {
    /// What was read, cut to 80 characters.
    pub text: String,
    /// What would have been right, as the end of a sentence.
    pub expected: &'static str,
}

impl NotAnId {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), expected }
    }
}

macro_rules! guid_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                // Only the hyphenated form: Graph and the Entra portal show no other.
                if text.len() != 36 {
                    return Err(NotAnId::new(text, $expected));
                }
                Uuid::try_parse(text).map(Self).map_err(|_| NotAnId::new(text, $expected))
            }
        }
    };
}

guid_id!(
    /// Object id of a user or a group in Entra: immutable, the only identity of a person (M1).
    ObjectId,
    "an Entra object id (a GUID such as 87d349ed-44d7-43e1-9a83-5f2406dee5bd)"
);
guid_id!(
    /// Directory (tenant) id of an Entra tenant.
    TenantId,
    "a tenant id (a GUID such as 11111111-2222-3333-4444-555555555555)"
);
guid_id!(
    /// Application (client) id of an app registration.
    AppId,
    "an application id (a GUID such as 11111111-2222-3333-4444-555555555555)"
);
guid_id!(
    /// One pass over a connection; version 7, so that runs sort by their start.
    RunId,
    "a run id (a GUID)"
);

guid_id!(
    /// A product that a tenant subscribes to (`skuId`), the same in every tenant.
    SkuId,
    "a SKU id (a GUID such as c7df2760-2c81-4ef7-b578-5b5392b571df)"
);

guid_id!(
    /// A licence assignment that Halo asked for; version 7, so that they sort by time (S2).
    AssignmentId,
    "an assignment id (a GUID)"
);

guid_id!(
    /// A preview; version 7, so that previews sort by their start.
    PreviewId,
    "a preview id (a GUID)"
);

impl ObjectId {
    /// The segment (0–15) of a connection that the person belongs to: the first hexadecimal digit,
    /// which Entra draws evenly.
    pub fn segment(self) -> Segment {
        Segment(self.0.as_bytes()[0] >> 4)
    }
}

/// One sixteenth of a connection's people, the unit in which workers decide and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Segment(u8);

impl Segment {
    /// The first one.
    pub const FIRST: Segment = Segment(0);

    /// How many segments a connection has.
    pub const COUNT: u8 = 16;

    /// The one behind this; `None` behind the last.
    pub fn next(self) -> Option<Segment> {
        Segment::try_from(self.0 + 1).ok()
    }

    /// All segments in order.
    pub fn all() -> impl Iterator<Item = Segment> {
        (0..Self::COUNT).map(Segment)
    }
}

impl TryFrom<u8> for Segment {
    type Error = NotAnId;

    fn try_from(number: u8) -> Result<Self, NotAnId> {
        if number < Self::COUNT {
            Ok(Self(number))
        } else {
            Err(NotAnId::new(&number.to_string(), "a segment (0 to 15)"))
        }
    }
}

impl From<Segment> for u8 {
    fn from(segment: Segment) -> u8 {
        segment.0
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$", examples("contoso"))]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                if letters && (1..=40).contains(&text.len()) && !text.starts_with('-') {
                    Ok(Self(text.into()))
                } else {
                    Err(NotAnId::new(text, $expected))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

text_id!(
    /// Name of a connection in addresses, file names and keys.
    ConnectionId,
    "an id: 1 to 40 of a-z, 0-9 and -, not starting with -"
);
text_id!(
    /// Name of a placement mapping, kept in links and logs; it survives reordering.
    MappingId,
    "an id: 1 to 40 of a-z, 0-9 and -, not starting with -"
);

macro_rules! halo_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// The two kinds of Halo records that stand for people.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A user, also called contact or end user (`/Users`).
    User,
    /// An agent, also called technician (`/Agent`).
    Agent,
}

impl RecordKind {
    /// Both, in the order in which they are looked at.
    pub const ALL: [RecordKind; 2] = [RecordKind::User, RecordKind::Agent];

    /// The word for it, as in documents and keys.
    pub const fn name(self) -> &'static str {
        match self {
            RecordKind::User => "user",
            RecordKind::Agent => "agent",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something of each kind of record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PerKind<T> {
    /// Of users.
    pub user: T,
    /// Of agents.
    pub agent: T,
}

impl<T> PerKind<T> {
    /// That of one kind.
    pub const fn of(&self, kind: RecordKind) -> &T {
        match kind {
            RecordKind::User => &self.user,
            RecordKind::Agent => &self.agent,
        }
    }

    /// That of one kind, to be changed.
    pub const fn of_mut(&mut self, kind: RecordKind) -> &mut T {
        match kind {
            RecordKind::User => &mut self.user,
            RecordKind::Agent => &mut self.agent,
        }
    }

    /// The same for both kinds.
    pub fn both(value: T) -> Self
    where
        T: Clone,
    {
        Self { user: value.clone(), agent: value }
    }
}

/// A Halo record that stands for a person: users (`Users.id`) and agents (`Uname.id`) are numbered
/// apart, so a number alone names nobody.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub struct RecordId {
    /// Which kind.
    pub kind: RecordKind,
    /// Its number among those.
    pub id: i64,
}

impl RecordId {
    /// A user.
    pub const fn user(id: i64) -> Self {
        Self { kind: RecordKind::User, id }
    }

    /// An agent.
    pub const fn agent(id: i64) -> Self {
        Self { kind: RecordKind::Agent, id }
    }
}

impl fmt::Display for RecordId {
    /// As the end of "Halo …": `user 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

halo_id!(
    /// A software licence of Halo's.
    LicenceId
);
halo_id!(
    /// A Halo site: `Site.id`.
    SiteId
);
halo_id!(
    /// A Halo client (in `HaloITSM`'s screens: organisation): `Area.id`.
    ClientId
);
halo_id!(
    /// A role of Halo users: `UserRoles.id`.
    UserRoleId
);
halo_id!(
    /// A role of Halo agents: `NHD_Roles.id_int`.
    AgentRoleId
);
halo_id!(
    /// A change advisory board: `CabHeader.id`.
    CabId
);
halo_id!(
    /// A role within change advisory boards: `CabRole.id`.
    CabRoleId
);
halo_id!(
    /// A Halo custom field: `FieldInfo.id`.
    CustomFieldId
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

    use super::*;

    #[test]
    fn only_the_hyphenated_guid_is_an_object_id() {
        let good = "87D349ED-44d7-43e1-9a83-5f2406dee5bd";
        let id: ObjectId = good.parse().unwrap();
        assert_eq!(id.to_string(), good.to_lowercase());
        assert_eq!(u8::from(id.segment()), 8);
        for bad in ["", "87d349ed44d743e19a835f2406dee5bd", "{87d349ed-44d7-43e1-9a83-5f2406dee5b}"]
        {
            assert!(bad.parse::<ObjectId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn connection_ids_are_safe_in_keys_and_addresses() {
        assert!("contoso-emea-2".parse::<ConnectionId>().is_ok());
        for bad in ["", "-x", "Contoso", "a/b", "a#b", "a b", &"x".repeat(41)] {
            assert!(bad.parse::<ConnectionId>().is_err(), "{bad}");
        }
    }
}
