//! Which properties users and groups have, which come without being asked for, and which delta tracks.

use serde_json::{Map, Value, json};

use super::directory::Kind;

/// Returned when nothing is selected.
const USER_DEFAULT: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

/// The other properties of a user that a list can select.
const USER_SELECTABLE: &[&str] = &[
    "accountEnabled",
    "ageGroup",
    "assignedLicenses",
    "assignedPlans",
    "city",
    "companyName",
    "consentProvidedForMinor",
    "country",
    "createdDateTime",
    "creationType",
    "customSecurityAttributes",
    "deletedDateTime",
    "department",
    "employeeHireDate",
    "employeeId",
    "employeeLeaveDateTime",
    "employeeOrgData",
    "employeeType",
    "externalUserState",
    "externalUserStateChangeDateTime",
    "faxNumber",
    "identities",
    "imAddresses",
    "isResourceAccount",
    "lastPasswordChangeDateTime",
    "legalAgeGroupClassification",
    "licenseAssignmentStates",
    "mailNickname",
    "onPremisesDistinguishedName",
    "onPremisesDomainName",
    "onPremisesExtensionAttributes",
    "onPremisesImmutableId",
    "onPremisesLastSyncDateTime",
    "onPremisesProvisioningErrors",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "onPremisesUserPrincipalName",
    "otherMails",
    "passwordPolicies",
    "postalCode",
    "preferredDataLocation",
    "provisionedPlans",
    "proxyAddresses",
    "securityIdentifier",
    "showInAddressList",
    "signInActivity",
    "signInSessionsValidFromDateTime",
    "state",
    "streetAddress",
    "usageLocation",
    "userType",
];

/// Only on one user at a time; a list answers 501.
const USER_SINGLE: &[&str] = &[
    "aboutMe",
    "birthday",
    "hireDate",
    "interests",
    "mailboxSettings",
    "mySite",
    "pastProjects",
    "preferredName",
    "responsibilities",
    "schools",
    "skills",
];

/// Refused in the `$select` of a delta request; the single-user properties are passed over there.
const DELTA_REFUSED: &[&str] = &["signInActivity", "photo", "mailboxSettings"];

/// Stored outside the directory, or without change tracking.
const UNTRACKED: &[&str] = &["licenseAssignmentStates", "signInActivity"];

const GROUP_DEFAULT: &[&str] = &[
    "classification",
    "createdDateTime",
    "deletedDateTime",
    "description",
    "displayName",
    "expirationDateTime",
    "groupTypes",
    "id",
    "isAssignableToRole",
    "mail",
    "mailEnabled",
    "mailNickname",
    "membershipRule",
    "membershipRuleProcessingState",
    "onPremisesLastSyncDateTime",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "preferredDataLocation",
    "preferredLanguage",
    "proxyAddresses",
    "renewedDateTime",
    "securityEnabled",
    "securityIdentifier",
    "theme",
    "uniqueName",
    "visibility",
];

const GROUP_SELECTABLE: &[&str] = &["assignedLicenses", "hasMembersWithLicenseErrors"];

/// Collections: a list shows `[]` where a single value would be null.
const COLLECTIONS: &[&str] = &[
    "assignedLicenses",
    "assignedPlans",
    "businessPhones",
    "groupTypes",
    "identities",
    "imAddresses",
    "licenseAssignmentStates",
    "onPremisesProvisioningErrors",
    "otherMails",
    "provisionedPlans",
    "proxyAddresses",
];

/// What comes when nothing is selected.
pub(super) fn defaults(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::User => USER_DEFAULT,
        Kind::Group => GROUP_DEFAULT,
        Kind::Device => &["id", "displayName"],
    }
}

/// What a call that changes a user answers with: all but what is stored elsewhere or asked for by name.
pub(super) fn of_a_changed_user() -> Vec<String> {
    let left_out = ["customSecurityAttributes", "licenseAssignmentStates", "signInActivity"];
    let all = USER_DEFAULT.iter().chain(USER_SELECTABLE);
    all.filter(|name| !left_out.contains(name)).map(|name| (*name).to_owned()).collect()
}

/// Whether a list of the kind knows the name; directory extensions are judged by their form.
pub(super) fn known(kind: Kind, name: &str) -> bool {
    let more = match kind {
        Kind::User => USER_SELECTABLE,
        Kind::Group => GROUP_SELECTABLE,
        Kind::Device => &[],
    };
    defaults(kind).contains(&name) || more.contains(&name)
}

/// Whether only a request for one user can have it.
pub(super) fn single_only(name: &str) -> bool {
    USER_SINGLE.contains(&name)
}

/// Whether a delta request that selects it is refused.
pub(super) fn refused_in_delta(name: &str) -> bool {
    DELTA_REFUSED.contains(&name)
}

/// Whether a change of it is reported by delta.
pub(super) fn tracked(name: &str) -> bool {
    !UNTRACKED.contains(&name) && !USER_SINGLE.contains(&name)
}

/// Whether the name has the form of a directory extension, `extension_{app id}_{name}`.
pub(super) fn is_extension(name: &str) -> bool {
    let app = name.strip_prefix("extension_").and_then(|rest| rest.split_once('_'));
    app.is_some_and(|(app, rest)| {
        app.len() == 32 && app.chars().all(|c| c.is_ascii_hexdigit()) && !rest.is_empty()
    })
}

/// How a list shows a property that was never set; `None` = not at all.
pub(super) fn empty_value(name: &str) -> Option<Value> {
    match name {
        "signInActivity" => None,
        "onPremisesExtensionAttributes" => Some(extension_attributes(&Map::new())),
        _ if is_extension(name) => None,
        _ if COLLECTIONS.contains(&name) => Some(json!([])),
        _ => Some(Value::Null),
    }
}

/// The object with all 15 keys, whichever of them are set.
pub(super) fn extension_attributes(set: &Map<String, Value>) -> Value {
    let all = (1..=15).map(|n| format!("extensionAttribute{n}"));
    let filled = all.map(|key| {
        let value = set.get(&key).cloned().unwrap_or(Value::Null);
        (key, value)
    });
    Value::Object(filled.collect())
}
