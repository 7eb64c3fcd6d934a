//! The tenant itself: organisation, and what the application was granted.

use serde_json::{Value, json};

use super::call::Call;
use super::model::Model;
use super::reply::{Answer, Reply};

/// Object id of Microsoft Graph's own service principal in this tenant.
const GRAPH_SERVICE_PRINCIPAL: &str = "8fce32da-1246-437b-99cd-76d1d4677bd5";

/// Application permissions and their ids (Microsoft Graph permissions reference).
pub(super) const APP_ROLES: &[(&str, &str)] = &[
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
    ("User.ReadBasic.All", "97235f07-e226-4f63-ace3-39588e11d3a1"),
    ("User.ReadWrite.All", "741f803b-c850-494e-b5df-cde7c675a1ca"),
    ("Group.Read.All", "5b567255-7703-4780-807c-7be8301ae99b"),
    ("GroupMember.Read.All", "98830695-27a2-44f7-8c18-0c3ebc9698f6"),
    ("Member.Read.Hidden", "658aa5d8-239f-45c4-aa12-864f4fc7e490"),
    ("AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da"),
    ("Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6"),
    ("LicenseAssignment.ReadWrite.All", "5facf0c1-8979-4e95-abcf-ff3d079771c0"),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
    ("Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
];

/// `/organization`.
pub(super) fn organization(model: &Model, call: &Call) -> Reply {
    let tenant = &model.tenant;
    let context = format!("{}/v1.0/$metadata#organization", call.base);
    let domain = json!({ "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": true,
        "isInitial": true, "name": tenant.domain, "type": "Managed" });
    let organization = json!({ "id": tenant.id, "displayName": tenant.name,
        "tenantType": "AAD", "countryLetterCode": "GB", "verifiedDomains": [domain] });
    Reply::ok(json!({ "@odata.context": context, "value": [organization] }))
}

/// `/servicePrincipals/{id}/appRoleAssignments`, also by `(appId='…')`.
pub(super) fn app_role_assignments(model: &Model, call: &Call, key: &str) -> Answer {
    let app = &model.app;
    let by_app = key.strip_prefix("appId=").map(|id| id.trim_matches('\''));
    let known = by_app.map_or(key == app.service_principal, |id| id == app.client_id);
    if !known {
        return Err(Reply::not_found(key));
    }
    let granted = APP_ROLES.iter().filter(|(name, _)| app.grants.contains(*name));
    let value: Vec<Value> = granted
        .map(|(name, id)| {
            json!({ "id": format!("{name}-assignment"), "deletedDateTime": null, "appRoleId": id,
                "createdDateTime": "2026-01-02T09:00:00Z", "principalDisplayName": "Directory import",
                "principalId": app.service_principal, "principalType": "ServicePrincipal",
                "resourceDisplayName": "Microsoft Graph", "resourceId": GRAPH_SERVICE_PRINCIPAL })
        })
        .collect();
    let context = format!("{}/v1.0/$metadata#appRoleAssignments", call.base);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": value })))
}
