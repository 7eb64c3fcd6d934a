//! The connection document that fits the sample tenant and the sample Halo.

use serde_json::{Value, json};

use super::halo::{APPROVER, CHANGE_BOARD, HELPDESK_ROLE, TEAM_LEAD_ROLE};
use super::halo::{CONTOSO, DEFAULT_SITE, FINANCE_SITE, MANAGER_ROLE, NO_MANAGER_ROLE};
use super::halo::{SALES_ROLE, SALES_SITE};
use super::{CLIENT_ID, TENANT_ID};

/// A connection to the sample tenant, which is served at `url` (login and Graph alike).
pub fn connection(url: &str) -> Value {
    json!({
        "id": "contoso",
        "name": "Contoso",
        "enabled": true,
        "tenant_id": TENANT_ID,
        "cloud": { "login": url, "graph": url },
        "auth": { "method": "application", "credential": "secret", "client_id": CLIENT_ID },
        "sync": { "entities": ["users", "agents"], "every_minutes": 15, "delta": true,
            "full_every_hours": 168, "deactivate_missing": true,
            "deactivate_disabled_users": false, "out_of_scope": "leave", "reactivate": true,
            "create_disabled": false, "last_sign_in": false },
        "field_mappings": { "users": user_fields(), "agents": agent_fields() },
        "matching": {
            "users": [{ "entra": "userPrincipalName", "halo": "login" },
                { "entra": "mail", "halo": "emailaddress" }],
            "agents": [{ "entra": "mail", "halo": "email" }] },
        "mappings": mappings(),
        "roles": {
            "agent_roles": [{ "group": { "name": "Managers" }, "role_id": TEAM_LEAD_ROLE }],
            "user_roles": [{ "group": { "name": "Managers" }, "role_id": MANAGER_ROLE }],
            "no_manager_user_role_id": NO_MANAGER_ROLE,
            "cabs": [{ "group": { "name": "Approvers" }, "cab_id": CHANGE_BOARD,
                "cab_role_id": APPROVER, "keep": true }] },
        "guard": { "max_deactivations": { "count": 20, "percent": 10, "absolute": 200 } }
    })
}

/// The defaults for users, and the cost centre.
fn user_fields() -> Vec<Value> {
    let rows = [
        ("displayName", "name"),
        ("givenName", "firstname"),
        ("surname", "surname"),
        ("mail", "emailaddress"),
        ("userPrincipalName", "login"),
        ("jobTitle", "title"),
        ("businessPhones", "phonenumber"),
        ("mobilePhone", "mobilenumber"),
        ("department", "department"),
        ("manager.displayName", "admanager"),
        ("extensionAttribute3", "customfield:CFCostCentre"),
    ];
    rows.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect()
}

/// The defaults for agents.
fn agent_fields() -> Vec<Value> {
    let rows = [
        ("displayName", "name"),
        ("givenName", "firstname"),
        ("surname", "surname"),
        ("mail", "email"),
        ("jobTitle", "jobtitle"),
    ];
    rows.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect()
}

/// Sales by nested group, finance by conditions, everybody else by office; the helpdesk are agents as
/// well. Guests match none, and neither do rooms, mailboxes and services, which have no family name.
fn mappings() -> Value {
    json!([
        { "id": "sales", "sequence": 10, "target": { "type": "site", "site_id": SALES_SITE },
            "user_role_id": SALES_ROLE, "group": { "name": "All Sales", "nested": true },
            "external_users": "exclude" },
        { "id": "finance", "sequence": 20, "target": { "type": "site", "site_id": FINANCE_SITE },
            "external_users": "exclude",
            "conditions": [{ "field": "department", "op": "equals", "value": "Finance" },
                { "field": "employeeType", "op": "not_equals", "value": "Contractor" }] },
        { "id": "offices", "sequence": 30,
            "target": { "type": "organisation", "client_id": CONTOSO, "site_from": "officeLocation",
                "default_site_id": DEFAULT_SITE },
            "external_users": "exclude",
            "conditions": [{ "field": "surname", "op": "is_not_empty" }] },
        { "id": "helpdesk", "sequence": 40, "target": { "type": "agents" },
            "agent_role_id": HELPDESK_ROLE, "group": { "name": "IT Helpdesk" },
            "external_users": "exclude", "licence_type": "no_change" }
    ])
}
