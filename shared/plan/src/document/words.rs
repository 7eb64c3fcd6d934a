//! Words and sizes of documents: the parser reads by them, and the schema tells them.

use std::ops::RangeInclusive;

use super::{
    Assertion, AuthMethod, Cloud, CredentialKind, Entity, ExternalUsers, LicenceType, OutOfScope,
    Quantifier, WriteMode,
};
use crate::catalogue::PROPERTIES;

/// Words with what they mean.
pub(super) type Words<T> = [(&'static str, T)];

pub(super) const CLOUDS: &Words<Cloud> = &[
    ("global", Cloud::Global),
    ("us_gov", Cloud::UsGov),
    ("us_gov_dod", Cloud::UsGovDod),
    ("china", Cloud::China),
];

pub(super) const METHODS: &Words<AuthMethod> =
    &[("application", AuthMethod::Application), ("delegated", AuthMethod::Delegated)];

pub(super) const CREDENTIALS: &Words<CredentialKind> =
    &[("secret", CredentialKind::Secret), ("certificate", CredentialKind::Certificate)];

pub(super) const ASSERTIONS: &Words<Assertion> =
    &[("ps256", Assertion::Ps256), ("rs256", Assertion::Rs256)];

pub(super) const ENTITIES: &Words<Entity> =
    &[("users", Entity::Users), ("agents", Entity::Agents), ("licences", Entity::Licences)];

pub(super) const OUT_OF_SCOPE: &Words<OutOfScope> =
    &[("leave", OutOfScope::Leave), ("deactivate", OutOfScope::Deactivate)];

pub(super) const WRITE_MODES: &Words<WriteMode> = &[
    ("always", WriteMode::Always),
    ("on_create", WriteMode::OnCreate),
    ("if_empty", WriteMode::IfEmpty),
];

pub(super) const EXTERNAL_USERS: &Words<ExternalUsers> = &[
    ("exclude", ExternalUsers::Exclude),
    ("include", ExternalUsers::Include),
    ("only", ExternalUsers::Only),
];

pub(super) const QUANTIFIERS: &Words<Quantifier> =
    &[("all", Quantifier::All), ("any", Quantifier::Any)];

pub(super) const LICENCE_TYPES: &Words<LicenceType> = &[
    ("no_change", LicenceType::NoChange),
    ("named", LicenceType::Named),
    ("concurrent", LicenceType::Concurrent),
];

/// What of a person's manager can be read (F6).
pub(super) const MANAGER: [&str; 3] =
    ["manager.displayName", "manager.mail", "manager.userPrincipalName"];

/// Sources besides properties and the manager's.
pub(super) const OTHER_SOURCES: [&str; 3] =
    ["proxyAddresses:primary", "proxyAddresses:all", "lastSignInDateTime"];

/// What a row or a condition may name besides directory extensions and constants (F3).
pub fn sources() -> impl Iterator<Item = &'static str> {
    PROPERTIES.iter().map(|property| property.name).chain(MANAGER).chain(OTHER_SOURCES)
}

/// Operators that compare with one text.
pub(super) const OF_ONE: [&str; 7] =
    ["equals", "not_equals", "starts_with", "ends_with", "contains", "not_contains", "matches"];

/// Operators that compare with several texts.
pub(super) const OF_SEVERAL: [&str; 2] = ["in", "not_in"];

/// Operators that compare with nothing.
pub(super) const OF_NONE: [&str; 4] = ["is_empty", "is_not_empty", "is_true", "is_false"];

/// Halo's ids are 32-bit integers, and no record has id 0.
pub(super) const HALO_IDS: RangeInclusive<i64> = 1..=2_147_483_647;

pub(super) const EVERY_MINUTES: RangeInclusive<u32> = 5..=1440;
pub(super) const FULL_EVERY_HOURS: RangeInclusive<u32> = 1..=8760;
pub(super) const GUARD_COUNT: RangeInclusive<u32> = 0..=1_000_000;
pub(super) const GUARD_PERCENT: RangeInclusive<u32> = 0..=100;
pub(super) const SEQUENCE: RangeInclusive<i64> = -1_000_000..=1_000_000;
pub(super) const MAX_LENGTH: RangeInclusive<u32> = 1..=10_000;

/// The sequence of a mapping that names none.
pub(super) const USUAL_SEQUENCE: i64 = 10;

/// The longest name of a connection, in characters.
pub(super) const MAX_NAME: usize = 100;
/// The longest name of a group, in characters.
pub(super) const MAX_GROUP_NAME: usize = 256;
/// The longest address, in characters.
pub(super) const MAX_ADDRESS: usize = 300;
/// The most placement mappings of a document.
pub(super) const MAX_MAPPINGS: usize = 200;
/// The most conditions of one mapping.
pub(super) const MAX_CONDITIONS: usize = 100;
/// The most role rows of a kind.
pub(super) const MAX_ROLES: usize = 200;
/// The most values of one condition.
pub(super) const MAX_VALUES: usize = 1000;
/// The longest operand, in characters.
pub(super) const MAX_OPERAND: usize = 1000;
/// The most field rows of one list.
pub(super) const MAX_ROWS: usize = 200;
/// The most matching rows of one list.
pub(super) const MAX_MATCH_ROWS: usize = 20;
/// The most sources of one row.
pub(super) const MAX_SOURCES: usize = 20;
/// The longest source, constants included, in characters.
pub(super) const MAX_SOURCE: usize = 1000;
/// The longest target, in characters.
pub(super) const MAX_TARGET: usize = 120;
/// The most transforms of one row.
pub(super) const MAX_TRANSFORMS: usize = 20;
/// The most entries of a lookup table.
pub(super) const MAX_LOOKUPS: usize = 1000;
/// The longest text of a transform, in characters.
pub(super) const MAX_TEXT: usize = 1000;
