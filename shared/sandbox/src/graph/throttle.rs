//! The cost of calls in resource units, and the bucket that runs empty.

use jiff::{SignedDuration, Timestamp};

use super::call::Call;
use super::model::Model;
use super::reply::Reply;

/// The bucket is full again after this time.
const WINDOW: SignedDuration = SignedDuration::from_secs(10);

/// Units used since `from`.
#[derive(Default)]
pub(super) struct Bucket {
    from: Timestamp,
    used: u32,
}

/// How full the bucket is after a call.
#[derive(Clone, Copy)]
pub(super) struct Charge(Option<f64>);

impl Charge {
    /// Shown above 0.8 only.
    pub(super) fn percentage(self) -> Option<String> {
        self.0.filter(|share| *share > 0.8).map(|share| format!("{share:.2}"))
    }
}

/// What a call costs (Microsoft Graph documentation, throttling limits, identity and access).
pub(super) fn units(call: &Call, path: &[&str]) -> u32 {
    let base: i32 = match path {
        ["users", _, "transitiveMemberOf", ..] | ["servicePrincipals", ..] | ["users"] => 2,
        ["users", second, ..] if second.ends_with("delta") => 2,
        ["groups", _, "members", ..] | ["subscribedSkus"] => 3,
        ["groups", _, "transitiveMembers", ..] | ["directoryObjects", "getByIds"] => 5,
        [_, _, "checkMemberGroups"] => 4,
        _ => 1,
    };
    let select = match path {
        ["directoryObjects", "getByIds"] => 3,
        _ => 1,
    };
    let few =
        call.query.get("$top").and_then(|top| top.parse::<u32>().ok()).is_some_and(|n| n < 20);
    let cost = base - select * i32::from(call.query.raw("$select").is_some())
        + i32::from(call.query.raw("$expand").is_some())
        - i32::from(few);
    u32::try_from(cost.max(1)).unwrap_or(1)
}

/// Takes the units out of the bucket, or refuses until the window is over.
pub(super) fn charge(model: &mut Model, units: u32) -> Result<Charge, Reply> {
    let Some(limit) = model.faults.resource_units else { return Ok(Charge(None)) };
    let now = model.clock.now();
    if now.duration_since(model.bucket.from) >= WINDOW {
        model.bucket = Bucket { from: now, used: 0 };
    }
    if model.bucket.used + units > limit {
        let wait = WINDOW - now.duration_since(model.bucket.from);
        let scope =
            format!("Tenant_Application/ReadWrite/{}/{}", model.app.client_id, model.tenant.id);
        return Err(Reply::throttled(Some(wait.as_secs().max(1).to_string()))
            .with_header("x-ms-throttle-scope", Some(scope))
            .with_header("x-ms-throttle-information", Some("ResourceUnitLimitExceeded".into())));
    }
    model.bucket.used += units;
    Ok(Charge(Some(f64::from(model.bucket.used) / f64::from(limit))))
}
