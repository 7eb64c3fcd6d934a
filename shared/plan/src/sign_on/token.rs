//! Who an ID token says has signed in, if all of it is right (O1, O3). The signature was checked before.

use serde_json::Value;
use uuid::Uuid;

use super::refusal::{Refusal, TokenFault, Unfit};
use super::{Application, Tenants};
use crate::ids::{AppId, ObjectId, TenantId};

/// Seconds by which the clocks of Microsoft and of this deployment may differ.
const SKEW: i64 = 300;
/// The tenant of all personal accounts.
const PERSONAL: TenantId = TenantId(Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad));
/// What stands for the tenant in the issuer of a service for all tenants.
const ANY_TENANT: &str = "{tenantid}";

/// Somebody for whom Microsoft vouches. Nothing else of a token is used: names change, and an address
/// proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The tenant that they signed in to.
    pub tenant: TenantId,
    /// Who they are there.
    pub person: ObjectId,
    /// Whether their account is another tenant's, and they are a guest of this one. A guest whom a
    /// connection imports is let in like everybody else.
    pub guest: bool,
}

/// What a token is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The application that people sign in to.
    pub application: &'a Application<'a>,
    /// The login service, without a slash at the end.
    pub login: &'a str,
    /// What was sent along when this sign-in was begun.
    pub nonce: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}

/// An issuer as Entra writes it for all tenants, for one of them.
pub fn in_tenant(issuer: &str, tenant: TenantId) -> String {
    issuer.replace(ANY_TENANT, &tenant.to_string())
}

/// Where a login service's configuration is for these tenants, and how it names itself there
/// (identity platform documentation, `OpenID` Connect).
pub fn issuer_of(login: &str, tenants: &Tenants) -> (String, String) {
    let tenant = match tenants {
        Tenants::Single { id } => id.to_string(),
        Tenants::Multi { .. } => ANY_TENANT.to_owned(),
    };
    (format!("{login}/{}/v2.0", authority(tenants)), format!("{login}/{tenant}/v2.0"))
}

/// The part of the login service's addresses that says who may sign in: one tenant, or every
/// organisation's but no personal account. Which of them are let in, the token's tenant decides.
pub fn authority(tenants: &Tenants) -> String {
    match tenants {
        Tenants::Single { id } => id.to_string(),
        Tenants::Multi { .. } => "organizations".to_owned(),
    }
}

/// Who has signed in. `key_issuer` is for whom the key of the signature signs, as the key set says.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn identify(
    claims: &Value,
    key_issuer: Option<&str>,
    expected: &Expected<'_>,
) -> Result<Identity, Refusal> {
    let text = |name: &str| claims[name].as_str();
    let tenant = text("tid").and_then(|tid| tid.parse::<TenantId>().ok());
    let tenant = tenant.ok_or(Refusal::Token(TokenFault::Tenant))?;
    let issuer = format!("{}/{tenant}/v2.0", expected.login);
    check(text("iss") == Some(issuer.as_str()), TokenFault::Issuer)?;
    if tenant == PERSONAL {
        return Err(Refusal::Person(Unfit::PersonalAccount));
    }
    if !expected.application.tenants.let_in(tenant) {
        return Err(Refusal::Person(Unfit::OtherTenant));
    }
    check(signs_for(key_issuer, &issuer, tenant, expected), TokenFault::KeyIssuer)?;
    let audience = text("aud").and_then(|audience| audience.parse::<AppId>().ok());
    check(audience == Some(expected.application.client_id), TokenFault::Audience)?;
    check_times(claims, expected.now)?;
    check(text("nonce") == Some(expected.nonce), TokenFault::Nonce)?;
    let person = text("oid").and_then(|oid| oid.parse::<ObjectId>().ok());
    let person = person.ok_or(Refusal::Token(TokenFault::ObjectId))?;
    Ok(Identity { tenant, person, guest: is_guest(text("idp"), &issuer, tenant) })
}

fn check(holds: bool, fault: TokenFault) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::Token(fault)) }
}

/// Whether the key signs for the token's issuer. A service for all tenants has keys of several issuers
/// in one set, so there the set has to say it; a tenant's own set may leave it out.
fn signs_for(
    key_issuer: Option<&str>,
    issuer: &str,
    tenant: TenantId,
    expected: &Expected<'_>,
) -> bool {
    match (key_issuer, expected.application.tenants) {
        (Some(of_key), _) => in_tenant(of_key, tenant) == issuer,
        (None, Tenants::Single { .. }) => true,
        (None, Tenants::Multi { .. }) => false,
    }
}

fn check_times(claims: &Value, now: i64) -> Result<(), Refusal> {
    let time = |name: &str| claims[name].as_i64();
    let until = time("exp").ok_or(Refusal::Token(TokenFault::Expired))?;
    check(now < until.saturating_add(SKEW), TokenFault::Expired)?;
    let from = time("iat").ok_or(Refusal::Token(TokenFault::NotYet))?;
    let from = from.max(time("nbf").unwrap_or(from));
    check(from.saturating_sub(SKEW) <= now, TokenFault::NotYet)
}

/// Whether the account is at home elsewhere: `idp` names its issuer then, in the form of either version.
fn is_guest(idp: Option<&str>, issuer: &str, tenant: TenantId) -> bool {
    let older = format!("/{tenant}/");
    idp.is_some_and(|idp| idp != issuer && !idp.ends_with(&older))
}
