//! The cost of calls in resource units and writes, and the buckets that run empty.

use jiff::{SignedDuration, Timestamp};

use super::call::Call;
use super::model::Model;
use super::reply::Reply;

/// The bucket of resource units is full again after this time.
const WINDOW: SignedDuration = SignedDuration::from_secs(10);

/// The bucket of writes is full again after this time.
const WRITE_WINDOW: SignedDuration = SignedDuration::from_secs(150);

/// Units or writes used since `from`.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    from: Timestamp,
    used: u32,
}

impl Bucket {
    /// How much is used with this in it, or how long to wait.
    fn take(
        &mut self,
        now: Timestamp,
        window: SignedDuration,
        limit: u32,
        amount: u32,
    ) -> Result<u32, SignedDuration> {
        if now.duration_since(self.from) >= window {
            *self = Self { from: now, used: 0 };
        }
        if self.used + amount > limit {
            return Err(window - now.duration_since(self.from));
        }
        self.used += amount;
        Ok(self.used)
    }
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
        ["users", _, "transitiveMemberOf" | "licenseDetails", ..]
        | ["servicePrincipals", ..]
        | ["users"] => 2,
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

/// How many writes a call counts as: the POSTs that only read are none.
pub(super) fn writes(call: &Call, path: &[&str]) -> u32 {
    let reads = call.method == "GET" || matches!(path, [.., "checkMemberGroups" | "getByIds"]);
    u32::from(!reads)
}

/// Takes the units and writes out of their buckets, or refuses until the window is over.
pub(super) fn charge(model: &mut Model, units: u32, writes: u32) -> Result<Charge, Reply> {
    let now = model.clock.now();
    if let Some(limit) = model.faults.writes.filter(|_| writes > 0) {
        let taken = model.write_bucket.take(now, WRITE_WINDOW, limit, writes);
        taken.map_err(|wait| refusal(model, wait, "WriteLimitExceeded"))?;
    }
    let Some(limit) = model.faults.resource_units else { return Ok(Charge(None)) };
    let taken = model.bucket.take(now, WINDOW, limit, units);
    let used = taken.map_err(|wait| refusal(model, wait, "ResourceUnitLimitExceeded"))?;
    Ok(Charge(Some(f64::from(used) / f64::from(limit))))
}

fn refusal(model: &Model, wait: SignedDuration, limit: &str) -> Reply {
    let scope = format!("Tenant_Application/ReadWrite/{}/{}", model.app.client_id, model.tenant.id);
    Reply::throttled(Some(wait.as_secs().max(1).to_string()))
        .with_header("x-ms-throttle-scope", Some(scope))
        .with_header("x-ms-throttle-information", Some(limit.into()))
}
