//! What a connection document may name: properties of people in Entra, fields of records in Halo.

use std::collections::BTreeSet;

use crate::document::{Document, Placement, Source};

/// What a property's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A moment or a day, as Graph writes it (ISO 8601, UTC).
    Timestamp,
    /// Several texts.
    List,
}

/// Where a property's value stands in an item that Graph sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Under the property's own name.
    Plain,
    /// Inside an object; `$select` takes the object, not its member.
    MemberOf {
        /// The property that holds the object.
        object: &'static str,
        /// The member's name inside it.
        member: &'static str,
    },
    /// In a list of objects, of which one member counts.
    EachOf {
        /// The member that counts.
        member: &'static str,
    },
}

/// A property of a person that rules may use (F3). Facts keep it under `name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Name in documents and facts: Graph's, except for members of objects.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Where its value stands.
    pub shape: Shape,
    /// What an author who uses it should know: the end of a sentence.
    pub caution: Option<&'static str>,
}

impl Property {
    /// What `$select` must name to get it.
    pub const fn selected_as(&self) -> &'static str {
        match self.shape {
            Shape::MemberOf { object, .. } => object,
            Shape::Plain | Shape::EachOf { .. } => self.name,
        }
    }

    const fn but(self, caution: &'static str) -> Self {
        Self { caution: Some(caution), ..self }
    }
}

const fn plain(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, shape: Shape::Plain, caution: None }
}

const fn text(name: &'static str) -> Property {
    plain(name, Kind::Text)
}

const fn flag(name: &'static str) -> Property {
    plain(name, Kind::Bool)
}

const fn time(name: &'static str) -> Property {
    plain(name, Kind::Timestamp)
}

const fn list(name: &'static str) -> Property {
    plain(name, Kind::List)
}

const fn each(name: &'static str, member: &'static str) -> Property {
    Property { name, kind: Kind::List, shape: Shape::EachOf { member }, caution: None }
}

const fn member(name: &'static str, object: &'static str, member: &'static str) -> Property {
    Property { name, kind: Kind::Text, shape: Shape::MemberOf { object, member }, caution: None }
}

/// The object that holds `extensionAttribute1` to `15`.
const EXTENSION_ATTRIBUTES: &str = "onPremisesExtensionAttributes";

const fn extension_attribute(name: &'static str) -> Property {
    member(name, EXTENSION_ATTRIBUTES, name)
}

/// Every property that `users/delta` delivers and tracks (Microsoft Graph documentation, user
/// resource type and delta query for users). Directory extensions come on top: [`look_up`].
pub const PROPERTIES: &[Property] = &[
    text("id"),
    text("userPrincipalName"),
    text("displayName"),
    text("givenName"),
    text("surname"),
    text("mail"),
    text("jobTitle"),
    text("mobilePhone"),
    list("businessPhones"),
    text("officeLocation"),
    text("preferredLanguage"),
    flag("accountEnabled"),
    text("userType"),
    text("creationType"),
    text("externalUserState"),
    time("externalUserStateChangeDateTime"),
    text("department"),
    text("companyName"),
    text("employeeId"),
    text("employeeType"),
    time("employeeHireDate"),
    time("employeeLeaveDateTime").but("Graph sends it only with User-LifeCycleInfo.Read.All"),
    member("employeeOrgData.division", "employeeOrgData", "division"),
    member("employeeOrgData.costCenter", "employeeOrgData", "costCenter"),
    text("mailNickname"),
    list("otherMails"),
    list("imAddresses"),
    list("proxyAddresses"),
    text("streetAddress"),
    text("city"),
    text("state"),
    text("postalCode"),
    text("country"),
    text("usageLocation"),
    text("preferredDataLocation"),
    text("faxNumber"),
    time("createdDateTime"),
    time("lastPasswordChangeDateTime"),
    time("signInSessionsValidFromDateTime"),
    each("identities", "issuerAssignedId"),
    each("assignedLicenses", "skuId"),
    each("assignedPlans", "servicePlanId").but("it lists plans in every state, removed ones too"),
    flag("onPremisesSyncEnabled"),
    text("onPremisesImmutableId"),
    text("onPremisesSamAccountName"),
    text("onPremisesDomainName"),
    text("onPremisesDistinguishedName"),
    text("onPremisesUserPrincipalName"),
    text("onPremisesSecurityIdentifier"),
    time("onPremisesLastSyncDateTime")
        .but("it moves with each directory synchronisation, so that everyone changes each time"),
    extension_attribute("extensionAttribute1"),
    extension_attribute("extensionAttribute2"),
    extension_attribute("extensionAttribute3"),
    extension_attribute("extensionAttribute4"),
    extension_attribute("extensionAttribute5"),
    extension_attribute("extensionAttribute6"),
    extension_attribute("extensionAttribute7"),
    extension_attribute("extensionAttribute8"),
    extension_attribute("extensionAttribute9"),
    extension_attribute("extensionAttribute10"),
    extension_attribute("extensionAttribute11"),
    extension_attribute("extensionAttribute12"),
    extension_attribute("extensionAttribute13"),
    extension_attribute("extensionAttribute14"),
    extension_attribute("extensionAttribute15"),
    text("securityIdentifier"),
    flag("isResourceAccount").but("Microsoft reserves it for later use"),
    flag("showInAddressList").but("Microsoft advises against using it"),
];

/// Properties that exist in Graph but cannot be followed, and what to do instead.
const REFUSED_PROPERTIES: &[(&[&str], &str)] = &[
    (
        &["signInActivity"],
        "is not in delta; use lastSignInDateTime, which is read by a job of its own",
    ),
    (&["licenseAssignmentStates"], "changes without delta noticing; use assignedLicenses"),
    (&["deletedDateTime"], "is empty for everyone who is not deleted"),
    (&["customSecurityAttributes"], "needs a permission that the import does not ask for"),
    (
        &["manager"],
        "is a person; use manager.displayName, manager.mail or manager.userPrincipalName",
    ),
    (&[EXTENSION_ATTRIBUTES], "is an object; use extensionAttribute1 to extensionAttribute15"),
    (
        &["employeeOrgData"],
        "is an object; use employeeOrgData.division or employeeOrgData.costCenter",
    ),
    (
        &[
            "aboutMe",
            "birthday",
            "cloudLicensing",
            "deviceEnrollmentLimit",
            "hireDate",
            "interests",
            "mailboxSettings",
            "mySite",
            "pastProjects",
            "photo",
            "preferredName",
            "print",
            "responsibilities",
            "schools",
            "skills",
        ],
        "is stored outside the directory, so delta never reports it",
    ),
];

/// Properties that every person is read with: identity, activity and kind of account, and what a
/// report shows of a manager (F6), because everyone may be one.
const ALWAYS: [&str; 7] = [
    "id",
    "userPrincipalName",
    "displayName",
    "mail",
    "accountEnabled",
    "userType",
    "externalUserState",
];

/// What a name stands for among Graph's user properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A property of [`PROPERTIES`].
    Known(&'static Property),
    /// A directory extension by its full name; its type is the directory's own business.
    DirectoryExtension,
    /// It exists but cannot be used: the rest of a sentence that begins with its name.
    Refused(&'static str),
    /// Nothing that we know.
    Unknown,
}

/// Looks a property up by its exact name.
pub fn look_up(name: &str) -> Lookup {
    if let Some(property) = PROPERTIES.iter().find(|property| property.name == name) {
        return Lookup::Known(property);
    }
    if is_directory_extension(name) {
        return Lookup::DirectoryExtension;
    }
    let refused = REFUSED_PROPERTIES.iter().find(|(names, _)| names.contains(&name));
    refused.map_or(Lookup::Unknown, |(_, why)| Lookup::Refused(why))
}

/// `extension_{application id without hyphens}_{name}` (Microsoft Graph documentation, directory
/// extensions).
fn is_directory_extension(name: &str) -> bool {
    let Some((app, own)) = name.strip_prefix("extension_").and_then(|rest| rest.split_once('_'))
    else {
        return false;
    };
    app.len() == 32
        && app.bytes().all(|b| b.is_ascii_hexdigit())
        && (1..=200).contains(&own.len())
        && own.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The `$select` list that a document needs. When it changes, the next read is a full one (D1).
///
/// `manager` is in it only if a rule looks at the manager, because Graph sends relations apart.
pub fn selected(document: &Document) -> BTreeSet<String> {
    let rows = document.user_fields.iter().chain(&document.agent_fields);
    let conditions = document.mappings.iter().flat_map(|mapping| &mapping.conditions);
    let sources =
        rows.flat_map(|row| &row.from).chain(conditions.map(|condition| &condition.field));
    let matching = document.user_matching.iter().chain(&document.agent_matching);
    let sites = document.mappings.iter().filter_map(|mapping| match &mapping.target {
        Placement::Organisation { site_from, .. } => Some(site_from.as_str()),
        Placement::Site { .. } | Placement::Agents { .. } => None,
    });
    let no_manager = document.roles.no_manager_user_role_id.map(|_| "manager");
    // Users are linked to the licences that they hold (S1).
    let licences = document.licences.map(|_| "assignedLicenses");
    ALWAYS
        .into_iter()
        .chain(sources.filter_map(needed))
        .chain(matching.map(|row| row.entra.as_str()))
        .chain(sites)
        .chain(no_manager)
        .chain(licences)
        .map(|name| match look_up(name) {
            Lookup::Known(property) => property.selected_as().to_owned(),
            Lookup::DirectoryExtension | Lookup::Refused(_) | Lookup::Unknown => name.to_owned(),
        })
        .collect()
}

fn needed(source: &Source) -> Option<&str> {
    match source {
        Source::Property(name) => Some(name),
        Source::Manager(_) => Some("manager"),
        Source::PrimaryAddress | Source::AllAddresses => Some("proxyAddresses"),
        Source::LastSignIn | Source::Const(_) => None,
    }
}

/// A field of a Halo record that a row may write (F4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetField {
    /// Name in Halo's API.
    pub name: &'static str,
    /// Characters that Halo stores; `None` where Halo publishes no limit.
    pub limit: Option<usize>,
    /// What is written.
    pub holds: Holds,
}

/// What a target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The text that the row makes.
    Text,
    /// A switch: `true`, `yes`, `1` or `false`, `no`, `0`, in any case; no value is `false`.
    Switch,
    /// The id of the agent that the person's manager is, known by the manager's link (F6).
    ManagersAgent,
}

const fn field(name: &'static str) -> TargetField {
    TargetField { name, limit: None, holds: Holds::Text }
}

const fn limited(name: &'static str, limit: usize) -> TargetField {
    TargetField { name, limit: Some(limit), holds: Holds::Text }
}

const fn switch(name: &'static str) -> TargetField {
    TargetField { name, limit: None, holds: Holds::Switch }
}

/// Fields of Halo users; limits from Halo's published database schema, table USERS.
pub const USER_TARGETS: &[TargetField] = &[
    limited("name", 255),
    limited("firstname", 200),
    limited("surname", 200),
    field("middle_name"),
    field("preferred_name"),
    field("initials"),
    field("title"),
    field("emailaddress"),
    field("email2"),
    field("email3"),
    field("login"),
    field("phonenumber"),
    field("homenumber"),
    field("mobilenumber"),
    field("mobilenumber2"),
    field("fax"),
    field("department"),
    limited("admanager", 1000),
    limited("samaccountname", 250),
    field("activedirectory_dn"),
    field("container_dn"),
    limited("onpremise_activedirectory_dn", 1000),
    limited("azure_tenant_domain", 100),
    field("third_party_id"),
    field("other1"),
    field("other2"),
    field("other3"),
    field("other4"),
    field("other5"),
    field("notes"),
    switch("isimportantcontact"),
    switch("isimportantcontact2"),
    switch("neversendemails"),
    switch("dontackemails"),
];

/// Fields of Halo agents; limits from Halo's API documentation, Agent.
pub const AGENT_TARGETS: &[TargetField] = &[
    field("name"),
    limited("display_name", 100),
    field("firstname"),
    field("surname"),
    limited("initials", 3),
    field("email"),
    field("jobtitle"),
    field("sms"),
    field("extensionnumber"),
    field("activedirectory_dn"),
    field("container_dn"),
    TargetField { name: "linemanager", limit: None, holds: Holds::ManagersAgent },
];

/// A user field that rows may write, by its exact name.
pub fn user_target(name: &str) -> Option<&'static TargetField> {
    USER_TARGETS.iter().find(|field| field.name == name)
}

/// An agent field that rows may write, by its exact name.
pub fn agent_target(name: &str) -> Option<&'static TargetField> {
    AGENT_TARGETS.iter().find(|field| field.name == name)
}

/// User fields that matching may compare (M2), besides the object id, which always comes first.
pub const USER_MATCH_FIELDS: &[&str] = &[
    "login",
    "emailaddress",
    "email2",
    "email3",
    "name",
    "samaccountname",
    "phonenumber",
    "mobilenumber",
    "other1",
    "other2",
    "other3",
    "other4",
    "other5",
    "third_party_id",
];

/// Agent fields that matching may compare (M2).
pub const AGENT_MATCH_FIELDS: &[&str] = &["email", "name", "sms", "extensionnumber"];

/// Fields that the product writes for reasons of its own: the rest of a sentence that begins with
/// the field's name. `None` for any other name.
pub fn own_field(name: &str) -> Option<&'static str> {
    match name {
        "azureoid" | "azure_tenant_id" => Some("is always written with the person's identity"),
        "azure_last_login_date" => Some("is written by the job that sync.last_sign_in turns on"),
        "inactive" | "isdisabled" => Some("follows the person's state in Entra"),
        "site_id" | "site_id_int" | "client_id" => {
            Some("follows the mapping that places the person")
        }
        "roles" | "role_ids" | "integration_role_ids" => Some("follows the mappings and roles"),
        "licence_type" => Some("is set with licence_type of an agents mapping"),
        "software" => Some("follows the imported licences"),
        "customfields" => Some("is not one field; write customfield: and the field's name or id"),
        "id" | "linked_agent_id" | "linked_user_id" => Some("is Halo's own"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
