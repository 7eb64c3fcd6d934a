//! The properties of each kind of record, as Halo's API describes them.

use serde_json::{Value, json};

/// Halo's word for "no date".
pub(super) const NO_DATE: &str = "1900-01-01T00:00:00";

/// What a property holds, which also says what it is when nobody set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A whole number.
    Int,
    /// A reference that is posted as a whole number and comes back as a float.
    FloatRef,
    /// Text up to so many characters.
    Text(usize),
    /// `true` or `false`.
    Flag,
    /// A date-time without a zone.
    Date,
    /// An array.
    List,
    /// Anything.
    Any,
}

impl Type {
    /// The value of a property that was never set.
    pub(super) fn unset(self) -> Value {
        match self {
            Self::Int => json!(0),
            Self::FloatRef => json!(0.0),
            Self::Text(_) => json!(""),
            Self::Flag => json!(false),
            Self::Date => json!(NO_DATE),
            Self::List => json!([]),
            Self::Any => Value::Null,
        }
    }

    /// What is wrong with a posted value; `None` if it fits. `null` is judged by the caller.
    pub(super) fn mistake(self, value: &Value) -> Option<String> {
        let wrong =
            |wanted: &str| Some(format!("The JSON value could not be converted to {wanted}."));
        match self {
            // A float is refused even where Halo itself answers one.
            Self::Int | Self::FloatRef if value.as_i64().is_none() => wrong("an integer"),
            Self::Flag if !value.is_boolean() => wrong("a boolean"),
            Self::List if !value.is_array() => wrong("a list"),
            Self::Text(_) | Self::Date if !value.is_string() => wrong("a string"),
            Self::Text(limit)
                if value.as_str().is_some_and(|text| text.chars().count() > limit) =>
            {
                Some(format!("The field must be a string with a maximum length of {limit}."))
            }
            Self::Date if !value.as_str().is_some_and(is_date) => wrong("a date"),
            Self::Int
            | Self::FloatRef
            | Self::Flag
            | Self::List
            | Self::Text(_)
            | Self::Date
            | Self::Any => None,
        }
    }
}

fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::DateTime>().is_ok() || text.parse::<jiff::Timestamp>().is_ok()
}

/// Where a property is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// In list rows and in the detail.
    Row,
    /// In the rows of builds since 2026, and in the detail.
    Row2026,
    /// In the detail only; list rows leave it out.
    Detail,
}

/// Who sets a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// The caller.
    Posted,
    /// Halo, from other records; posting it has no effect.
    Derived,
}

/// One property.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Name in lower case, as Halo writes it.
    pub(super) name: &'static str,
    pub(super) holds: Type,
    pub(super) shown: Shown,
    pub(super) set: Set,
}

/// Text whose limit is not known.
const LONG: Type = Type::Text(usize::MAX);

const fn row(name: &'static str, holds: Type) -> Field {
    Field { name, holds, shown: Shown::Row, set: Set::Posted }
}

const fn row_2026(name: &'static str, holds: Type) -> Field {
    Field { name, holds, shown: Shown::Row2026, set: Set::Posted }
}

const fn detail(name: &'static str, holds: Type) -> Field {
    Field { name, holds, shown: Shown::Detail, set: Set::Posted }
}

const fn derived(name: &'static str, holds: Type) -> Field {
    Field { name, holds, shown: Shown::Row, set: Set::Derived }
}

pub(super) const USERS: &[Field] = &[
    row("name", Type::Text(255)),
    row("firstname", Type::Text(200)),
    row("surname", Type::Text(200)),
    row_2026("middle_name", LONG),
    row_2026("preferred_name", LONG),
    row("initials", LONG),
    row("title", LONG),
    row("emailaddress", LONG),
    row_2026("email2", LONG),
    row_2026("email3", LONG),
    row("login", LONG),
    row("site_id", Type::FloatRef),
    derived("site_id_int", Type::Int),
    derived("site_name", LONG),
    derived("client_id", Type::Int),
    derived("client_name", LONG),
    row("inactive", Type::Flag),
    row("phonenumber", LONG),
    row("homenumber", LONG),
    row("mobilenumber", LONG),
    row("mobilenumber2", LONG),
    row("fax", LONG),
    row("telpref", Type::Int),
    row("isimportantcontact", Type::Flag),
    row("isimportantcontact2", Type::Flag),
    row("isserviceaccount", Type::Flag),
    detail("service_account_overridden", Type::Flag),
    detail("neversendemails", Type::Flag),
    detail("dontackemails", Type::Flag),
    row_2026("azureoid", Type::Text(1000)),
    row("azure_id", LONG),
    detail("azure_tenant_id", Type::Text(100)),
    detail("azure_tenant_domain", Type::Text(100)),
    detail("azure_connectionid", Type::Int),
    detail("azure_mapping_id", Type::Int),
    detail("azure_hasgroupedsitemappings", Type::Flag),
    detail("azure_last_login_date", Type::Date),
    detail("azure_roleid", Type::Int),
    detail("lastlogindate", Type::Date),
    row("activedirectory_dn", LONG),
    row("container_dn", LONG),
    row("onpremise_activedirectory_dn", Type::Text(1000)),
    detail("samaccountname", Type::Text(250)),
    row("okta_id", LONG),
    detail("oktaid", LONG),
    detail("okta_status", LONG),
    detail("googleworkplace_id", LONG),
    detail("third_party_id", Type::Any),
    detail("third_party_guid", Type::Any),
    detail("federated_identity_id", LONG),
    detail("third_party_relational_id", Type::Text(1000)),
    detail("admanager", Type::Text(1000)),
    detail("manager_email", LONG),
    detail("no_manager_roleid", Type::Int),
    detail("department", LONG),
    detail("departments", Type::List),
    detail("roles", Type::List),
    row_2026("role_ids", Type::List),
    derived("role_list", LONG),
    detail("integration_role_ids", Type::List),
    detail("memberof", LONG),
    detail("thirdpartygroups", Type::List),
    row("linked_agent_id", Type::Int),
    detail("linked_user_id", Type::Int),
    detail("linked_user_name", LONG),
    detail("software", Type::List),
    detail("date_licences_removed", Type::Date),
    detail("customfields", Type::List),
    row("other1", LONG),
    row("other2", LONG),
    row("other3", LONG),
    row("other4", LONG),
    row("other5", LONG),
    row("notes", LONG),
    detail("web_access_level", Type::Int),
    detail("showmeonly", Type::Flag),
    derived("lastupdate", Type::Date),
    derived("datecreated", Type::Date),
    derived("use", LONG),
];

pub(super) const AGENTS: &[Field] = &[
    row("name", LONG),
    row("display_name", Type::Text(100)),
    row("firstname", LONG),
    row("surname", LONG),
    row("initials", Type::Text(3)),
    row("email", LONG),
    row("jobtitle", LONG),
    row("sms", LONG),
    row("extensionnumber", LONG),
    row("isdisabled", Type::Flag),
    row("isapiagent", Type::Flag),
    row("licence_type", Type::Int),
    detail("roles", Type::List),
    derived("role_list", LONG),
    detail("integration_role_ids", Type::List),
    detail("teams", Type::List),
    detail("departments", Type::List),
    row("team", LONG),
    row("department", LONG),
    row("ad", LONG),
    detail("activedirectory_dn", LONG),
    detail("container_dn", LONG),
    detail("adconnection", Type::Any),
    detail("useadlogin", Type::Any),
    row("azure_connectionid", Type::Int),
    detail("azure_roleid", Type::Int),
    detail("azure_tenant_id", LONG),
    detail("azure_client_id", LONG),
    detail("okta_id", LONG),
    detail("oktaid", LONG),
    detail("okta_status", LONG),
    detail("sailpoint_id", LONG),
    detail("third_party_guid", Type::Any),
    detail("federated_identity_id", LONG),
    detail("third_party_relational_id", Type::Text(100)),
    row("linemanager", Type::Int),
    derived("linemanager_name", LONG),
    detail("customfields", Type::List),
    row("is_admin", Type::Flag),
    detail("import_photo", Type::Flag),
    detail("lastlogindate", Type::Date),
    derived("datecreated", Type::Date),
    derived("last_modified", Type::Date),
    derived("use", LONG),
];

pub(super) const SITES: &[Field] = &[
    row("name", LONG),
    row("client_id", Type::FloatRef),
    derived("client_name", LONG),
    derived("clientsite_name", LONG),
    row("inactive", Type::Flag),
    row("phonenumber", LONG),
    row("timezone", LONG),
    row("colour", LONG),
    row("notes", LONG),
    row("ref", LONG),
    row("azuretenantid", Type::Text(100)),
    detail("ldapstring", LONG),
    detail("emaildomain", LONG),
    row("linked_organisation_id", Type::Int),
    row("isstocklocation", Type::Flag),
    row("isinvoicesite", Type::Flag),
    row("maincontact_id", Type::Int),
    detail("delivery_address", Type::Any),
    detail("invoice_address", Type::Any),
    detail("country_code", LONG),
    detail("language_id", Type::Int),
    detail("customfields", Type::List),
    derived("slastupdate", Type::Date),
    derived("use", LONG),
];

pub(super) const CLIENTS: &[Field] = &[
    row("name", LONG),
    row("toplevel_id", Type::Int),
    derived("toplevel_name", LONG),
    row("inactive", Type::Flag),
    row("main_site_id", Type::Int),
    derived("main_site_name", LONG),
    detail("azure_tenants", Type::List),
    row("customertype", Type::Int),
    row("is_vip", Type::Flag),
    row("website", LONG),
    row("ref", LONG),
    row("colour", LONG),
    row("notes", LONG),
    row("linked_organisation_id", Type::Int),
    detail("newclient_sitename", LONG),
    detail("customfields", Type::List),
    derived("alastupdate", Type::Date),
    derived("use", LONG),
];

pub(super) const ROLES: &[Field] = &[
    derived("id_int", Type::Int),
    row("name", LONG),
    row("notes", LONG),
    row("is_integration", Type::Flag),
    detail("teams", Type::List),
    detail("departments", Type::List),
    detail("clients", Type::List),
    detail("claims", Type::List),
];

pub(super) const USER_ROLES: &[Field] = &[
    row("name", LONG),
    row("guid", LONG),
    row("notes", LONG),
    row("web_access_level", Type::Int),
    row("is_integration", Type::Flag),
    detail("departments", Type::List),
];

pub(super) const CABS: &[Field] = &[
    row("guid", LONG),
    row("name", LONG),
    row("approvals_needed", Type::Int),
    row("all_must_approve", Type::Flag),
    row("rejection_threshold", Type::Int),
    row("ldapstring", LONG),
    detail("members", Type::List),
    row("roles", Type::List),
];

pub(super) const CAB_MEMBERS: &[Field] = &[
    row("cab_id", Type::Int),
    row("agent_id", Type::Int),
    row("user_id", Type::Int),
    row("member_name", LONG),
    row("emailaddress", LONG),
    row("type", Type::Int),
    row("is_mandatory", Type::Flag),
    row("role_id", Type::Int),
    row("role_name", LONG),
    row("module_id", Type::Int),
];

pub(super) const TEAMS: &[Field] = &[
    row("guid", LONG),
    row("name", LONG),
    row("department_id", Type::Int),
    row("department_name", LONG),
    detail("agents", Type::List),
];

pub(super) const TOP_LEVELS: &[Field] =
    &[row("guid", LONG), row("name", LONG), row("organisation_id", Type::Int), row("notes", LONG)];

pub(super) const ORGANISATIONS: &[Field] = &[
    row("guid", LONG),
    row("name", LONG),
    row("linked_client_id", Type::Int),
    row("departments", Type::List),
];

pub(super) const LICENCES: &[Field] = &[
    row("type", Type::Int),
    row("name", LONG),
    row("count", Type::Int),
    row("client_id", Type::Int),
    row("site_id", Type::Int),
    row("tenant_id", LONG),
    row("tenant_name", LONG),
    row("azure_connection_id", Type::Int),
    row("product_sku", LONG),
    row("vendor_product_sku", LONG),
    row("licences_in_use", Type::Int),
    row("licences_in_use_user", Type::Int),
    row("licences_available", Type::Int),
    row("start_date", Type::Date),
    row("end_date", Type::Date),
    row("status", LONG),
    row("is_active", Type::Flag),
    row("deleted", Type::Flag),
    row("billing_cycle", LONG),
    row("term_duration", LONG),
    row("autorenew", Type::Flag),
    row("price", Type::Any),
    row("purchase_price", Type::Any),
    row("parent_id", Type::Int),
    row("third_party_product", LONG),
    row("requested_quantity", Type::Int),
    detail("licence_roles", Type::List),
];

pub(super) const FIELD_INFO: &[Field] = &[
    row("name", LONG),
    row("label", LONG),
    row("type", Type::Int),
    row("inputtype", Type::Int),
    row("usage", Type::Int),
    row("typeid", Type::Int),
    row("lookup", Type::Int),
    row("custom", Type::Any),
    row("mandatory", Type::Any),
    row("characterlimit", Type::Int),
    row("regex", LONG),
    row("readonly", Type::Flag),
    row("searchable", Type::Flag),
    row("values", Type::List),
];

pub(super) const USER_CHANGES: &[Field] = &[
    row("user_id", Type::Int),
    row("field_name", LONG),
    row("old_value", Type::Any),
    row("new_value", Type::Any),
    row("who", LONG),
    row("change_date", Type::Date),
];

pub(super) const LICENCE_CHANGES: &[Field] = &[
    row("licence_id", Type::Int),
    row("field_name", LONG),
    row("old_value", Type::Any),
    row("new_value", Type::Any),
    row("who", LONG),
    row("change_date", Type::Date),
];
