//! Licences that Halo asks to be given or taken: what was asked, what stands in the way, and what came
//! of it (S2).

mod refusal;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{AssignmentId, ConnectionId, LicenceId, ObjectId, RecordId, SkuId};
use crate::licences::{
    AppliesTo, AssignedBy, AssignmentState, HoldState, Holder, LicenceChange, Standing,
    SubscribedSku,
};

pub use refusal::{Permission, Refusal, WhyNot, WhyUnknown};

/// What Halo asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Give or take.
    pub action: Action,
    /// Whom, as Halo knows them.
    pub user: RecordId,
    /// What, as Halo knows it.
    pub licence: LicenceId,
}

/// Give or take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LicenceAction)]
pub enum Action {
    /// The user is to hold the licence.
    Assign,
    /// The user is not to hold it any more.
    Remove,
}

impl Action {
    /// What is asked of Graph for it.
    pub fn change(self, sku: SkuId) -> LicenceChange {
        match self {
            Action::Assign => LicenceChange::Assign(sku),
            Action::Remove => LicenceChange::Remove(sku),
        }
    }
}

/// A request with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Sorts by the time at which it was asked for.
    pub id: AssignmentId,
    /// Whose licence it is.
    pub connection: ConnectionId,
    /// What is asked for.
    pub request: Request,
    /// The licence as Entra knows it.
    pub sku: SkuId,
    /// Its name, as in `Office 365 E5`.
    pub product: String,
    /// When.
    pub asked: Timestamp,
    /// Where it stands.
    pub stands: Stands,
    /// The person, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<ObjectId>,
    /// Requests to change something that were sent to Graph.
    #[serde(default)]
    pub calls: u32,
    /// How many of them Entra refused with a 400.
    #[serde(default)]
    pub refusals: u32,
    /// Failures of a service in a row.
    #[serde(default)]
    pub failures: u32,
    /// Not to be looked at before.
    pub due: Timestamp,
}

/// Where an assignment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Stands {
    /// It waits for its turn.
    Accepted,
    /// Graph is being asked to do it: whoever finds it like this does not know whether it was done.
    Working,
    /// Entra is as it was asked for.
    Done {
        /// Since when.
        at: Timestamp,
        /// By whom.
        did: Did,
    },
    /// It is not done, and nobody tries again.
    Refused {
        /// Since when.
        at: Timestamp,
        /// Why.
        refusal: Refusal,
    },
}

/// What a fulfilled request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// Entra was changed.
    Changed,
    /// Nothing: it was so already.
    Nothing,
}

impl Stands {
    /// The word in interfaces.
    pub fn name(&self) -> &'static str {
        match self {
            Stands::Accepted => "accepted",
            Stands::Working => "working",
            Stands::Done { .. } => "done",
            Stands::Refused { .. } => "refused",
        }
    }

    /// Since when nothing more happens to it.
    pub fn ended(&self) -> Option<Timestamp> {
        match self {
            Stands::Accepted | Stands::Working => None,
            Stands::Done { at, .. } | Stands::Refused { at, .. } => Some(*at),
        }
    }
}

impl Assignment {
    /// What it took, where Entra is found to be as it was asked for. Found so behind a noted intent, it
    /// was done by a worker who died before saying so (T2).
    pub fn found_done(&self) -> Did {
        match self.stands {
            Stands::Working => Did::Changed,
            Stands::Accepted | Stands::Done { .. } | Stands::Refused { .. } => Did::Nothing,
        }
    }
}

/// What is to be done about an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Ask Graph for this.
    Call(LicenceChange),
    /// Nothing: Entra is as it was asked for.
    Already,
    /// Nothing, and this is why.
    Refused(Refusal),
}

/// Judges a request by what Graph says now of the person and of the SKU; `None` = it knows nobody, or no
/// such SKU. `used` of the SKU has to count what was given since it was read.
pub fn judge(
    action: Action,
    sku: SkuId,
    holder: Option<&Holder>,
    subscribed: Option<&SubscribedSku>,
) -> Judgement {
    let Some(holder) = holder else { return Judgement::Refused(Refusal::PersonGone) };
    let refused = match action {
        Action::Assign if is_direct(holder, sku) => return Judgement::Already,
        Action::Assign => why_not(holder, sku, subscribed),
        Action::Remove if is_direct(holder, sku) => None,
        Action::Remove => match groups(holder, sku) {
            groups if groups.is_empty() => return Judgement::Already,
            groups => Some(Refusal::InheritedFromGroup { groups }),
        },
    };
    refused.map_or_else(|| Judgement::Call(action.change(sku)), Judgement::Refused)
}

/// Why Entra would refuse to give the licence, as far as that can be told before asking.
fn why_not(holder: &Holder, sku: SkuId, subscribed: Option<&SubscribedSku>) -> Option<Refusal> {
    let why = match subscribed {
        None => Some(WhyNot::Gone),
        Some(sku) if sku.applies_to == AppliesTo::Company => Some(WhyNot::CompanyWide),
        Some(sku) => match sku.standing {
            Standing::Suspended => Some(WhyNot::Suspended),
            Standing::Deleted => Some(WhyNot::Cancelled),
            Standing::LockedOut => Some(WhyNot::LockedOut),
            Standing::Enabled | Standing::Warning | Standing::Unknown => None,
        },
    };
    if let Some(why) = why {
        return Some(Refusal::NotAssignable { why });
    }
    if holder.usage_location.as_deref().is_none_or(|it| it.trim().is_empty()) {
        return Some(Refusal::UsageLocationMissing { location: None });
    }
    if let Some(error) = conflict(holder, sku) {
        return Some(Refusal::ConflictingPlans { error: error.to_owned() });
    }
    // Who holds it through a group takes a seat already, and no second one.
    let free = subscribed.filter(|_| groups(holder, sku).is_empty()).map(|it| (it, free(it)));
    match free {
        Some((it, free)) if free <= 0 => Some(no_free_seats(it)),
        Some(_) | None => None,
    }
}

fn free(sku: &SubscribedSku) -> i64 {
    sku.seats.usable().saturating_sub(sku.used)
}

fn no_free_seats(sku: &SubscribedSku) -> Refusal {
    Refusal::NoFreeSeats { bought: sku.seats.usable(), used: sku.used }
}

fn states(holder: &Holder, sku: SkuId) -> impl Iterator<Item = &AssignmentState> {
    holder.states.iter().filter(move |state| state.sku == sku)
}

/// Whether the person holds the licence by an assignment of their own. Where Graph does not say how it
/// is held, it is taken for that: asking once more for what is there changes nothing.
fn is_direct(holder: &Holder, sku: SkuId) -> bool {
    let held = |state: &AssignmentState| state.state != HoldState::Error;
    let told = states(holder, sku).filter(|state| held(state)).count() > 0;
    let direct = states(holder, sku).any(|it| it.by == AssignedBy::Direct && held(it));
    let assigned = holder.assigned.as_ref().is_some_and(|all| all.contains(&sku));
    direct || assigned && !told
}

/// The groups through which the person holds the licence.
pub fn groups(holder: &Holder, sku: SkuId) -> Vec<ObjectId> {
    let through = states(holder, sku).filter(|state| state.state != HoldState::Error);
    let through = through.filter_map(|state| match state.by {
        AssignedBy::Group(group) => Some(group),
        AssignedBy::Direct => None,
    });
    through.collect()
}

/// What Graph says stands in the way of this licence with the others that the person holds.
fn conflict(holder: &Holder, sku: SkuId) -> Option<&str> {
    const CONFLICTS: [&str; 2] = ["MutuallyExclusiveViolation", "DependencyViolation"];
    states(holder, sku).filter_map(|it| it.error.as_deref()).find(|it| CONFLICTS.contains(it))
}

/// What Graph will say of a person of whom a change was made a moment ago: asked at once, it may still
/// say the old.
pub fn after(holder: &Holder, change: LicenceChange) -> Holder {
    let mut after = holder.clone();
    let (LicenceChange::Assign(sku) | LicenceChange::Remove(sku)) = change;
    after.states.retain(|state| state.sku != sku || state.by != AssignedBy::Direct);
    match change {
        LicenceChange::Assign(sku) => {
            let (by, state) = (AssignedBy::Direct, HoldState::Active);
            after.states.push(AssignmentState { sku, by, state, error: None });
            after.assigned.get_or_insert_default().insert(sku);
        }
        LicenceChange::Remove(sku) => {
            if groups(holder, sku).is_empty()
                && let Some(assigned) = &mut after.assigned
            {
                assigned.remove(&sku);
            }
        }
    }
    after
}

/// Counts in a SKU what was given to a person, or taken from them, since it was read.
pub fn count(sku: &mut SubscribedSku, holder: &Holder, change: LicenceChange) {
    // Who holds it through a group as well takes one seat all the time.
    if !groups(holder, sku.id).is_empty() {
        return;
    }
    match change {
        LicenceChange::Assign(_) => sku.used = sku.used.saturating_add(1),
        LicenceChange::Remove(_) => sku.used = sku.used.saturating_sub(1),
    }
}

/// When Entra is asked again after it refused for the `refusals`-th time what nothing spoke against;
/// `None` = not any more. It needs seconds to heed a usage location that was just entered (Microsoft
/// Graph documentation, `assignLicense`).
pub fn again_after(refusals: u32) -> Option<SignedDuration> {
    match refusals {
        0 | 1 => Some(SignedDuration::from_secs(10)),
        2 => Some(SignedDuration::from_secs(60)),
        _ => None,
    }
}

/// What Entra's refusal means: its text chooses the words of the advice and nothing else, because all
/// refusals have the same code.
pub fn refused_by_entra(
    text: &str,
    sku: SkuId,
    holder: &Holder,
    subscribed: Option<&SubscribedSku>,
) -> Refusal {
    let lower = text.to_lowercase();
    let says = |words: &str| lower.contains(words);
    match subscribed {
        _ if says("invalid usage location") => {
            Refusal::UsageLocationMissing { location: holder.usage_location.clone() }
        }
        Some(sku) if says("does not have any available licenses") => no_free_seats(sku),
        _ if says("inherited from a group") => {
            Refusal::InheritedFromGroup { groups: groups(holder, sku) }
        }
        _ => Refusal::RefusedByEntra { text: text.chars().take(500).collect() },
    }
}
