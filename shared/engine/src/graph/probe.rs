//! Which permissions the connection has, found by trying (C6).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use plan::failure::{Failure, Kind};
use serde_json::Value;

use super::batch::Inner;
use super::refusal::{Carried, NOT_PREMIUM};
use super::{Graph, failed};

const TEST: &str = "test permissions";

/// A permission that the import may need (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Everybody's full profile and manager.
    UserReadAll,
    /// Groups and their members; `GroupMember.Read.All` is enough and counts as this.
    GroupReadAll,
    /// The last sign-in.
    AuditLogReadAll,
    /// Subscriptions.
    OrganizationReadAll,
    /// Assigning licences.
    LicenseAssignmentReadWriteAll,
}

impl Permission {
    /// Microsoft's name.
    pub fn name(self) -> &'static str {
        match self {
            Permission::UserReadAll => "User.Read.All",
            Permission::GroupReadAll => "Group.Read.All",
            Permission::AuditLogReadAll => "AuditLog.Read.All",
            Permission::OrganizationReadAll => "Organization.Read.All",
            Permission::LicenseAssignmentReadWriteAll => "LicenseAssignment.ReadWrite.All",
        }
    }
}

/// Whether a permission is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Yes.
    Granted,
    /// Yes, but the tenant has no Entra ID P1 or P2, without which it opens nothing.
    Unlicensed,
    /// No.
    Missing,
    /// Nobody can say without changing something.
    Unknown,
}

/// The smallest read that each permission opens. More of a user than the id is asked for, because
/// `User.ReadBasic.All` opens that and is not enough.
const READS: [(Permission, &str); 4] = [
    (Permission::UserReadAll, "/users?$top=1&$select=id,accountEnabled"),
    (Permission::GroupReadAll, "/groups?$top=1&$select=id"),
    (Permission::AuditLogReadAll, "/users?$top=1&$select=id,signInActivity"),
    (Permission::OrganizationReadAll, "/subscribedSkus?$select=skuId"),
];

impl Graph {
    /// Each permission and whether it is there. A token keeps the permissions that it was issued
    /// with: after a change of grants [`Graph::sign_in`] comes first.
    pub async fn permissions(&self) -> Result<Vec<(Permission, Grant)>, Failure> {
        let paths = READS.map(|(_, path)| path.to_owned());
        let answers = self.batch(TEST, &paths).await?;
        let mut grants = Vec::with_capacity(READS.len() + 1);
        for ((permission, _), answer) in READS.iter().zip(&answers) {
            grants.push((*permission, grant(answer)?));
        }
        let licences = Permission::LicenseAssignmentReadWriteAll;
        let told = match permissions_in(self.token(None).await?.expose()) {
            Some(names) if names.contains(licences.name()) => Grant::Granted,
            Some(_) => Grant::Missing,
            None => Grant::Unknown,
        };
        grants.push((licences, told));
        Ok(grants)
    }
}

fn grant(answer: &Inner) -> Result<Grant, Failure> {
    if answer.is_success() {
        return Ok(Grant::Granted);
    }
    let kind = answer.refusal().kind(Carried::Nothing);
    if let Kind::Forbidden { code } = &kind {
        let unlicensed = code.eq_ignore_ascii_case(NOT_PREMIUM);
        return Ok(if unlicensed { Grant::Unlicensed } else { Grant::Missing });
    }
    Err(failed(TEST, kind))
}

/// The permissions in an access token, where it can be read: its form is Microsoft's own affair and
/// promised to nobody, so it is asked only about what no read can show.
fn permissions_in(token: &str) -> Option<BTreeSet<String>> {
    let payload = token.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    // Known by these: without any permission, `roles` and `scp` are not there.
    claims.get("appid").or(claims.get("azp"))?;
    let roles = claims.get("roles").and_then(Value::as_array).into_iter().flatten();
    let scopes = claims.get("scp").and_then(Value::as_str).unwrap_or_default();
    let names = roles.filter_map(Value::as_str).chain(scopes.split_whitespace());
    Some(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn permissions_are_read_where_they_can_be() {
        // C6
        let read = |claims: &str| permissions_in(&token(claims)).map(|names| names.len());
        assert_eq!(read(r#"{"appid":"x","roles":["User.Read.All","Group.Read.All"]}"#), Some(2));
        assert_eq!(read(r#"{"azp":"x","scp":"User.Read.All openid profile"}"#), Some(3));
        assert_eq!(read(r#"{"appid":"x"}"#), Some(0), "a token without permissions has no roles");
        assert_eq!(read("{}"), None, "no token of the form we know");
        assert_eq!(read("rubbish"), None);
        for opaque in ["", "opaque", "a.b", "a.!!.c"] {
            assert_eq!(permissions_in(opaque), None, "{opaque}");
        }
    }
}
