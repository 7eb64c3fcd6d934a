//! Everything the simulated Graph can be told to do wrong; the default is the documented service.

use std::collections::BTreeSet;

use serde_json::Value;

use super::reply::{Payload, Reply};

/// Knobs and faults of the model. Fields that count ("the next n") count down by themselves.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that have nothing to do with each other"
)]
pub struct Faults {
    /// Items on a page of a delta round; the real one shows about 200 and ignores `$top`.
    pub page_size: usize,
    /// Delta and page tokens also contain `+` and `/`, so that a client that decodes and encodes
    /// a link again damages it.
    pub plus_and_slash_tokens: bool,
    /// `Prefer: return=minimal` has no effect.
    pub ignore_minimal: bool,
    /// Each later page of a round starts with the last item of the page before.
    pub repeat_over_pages: bool,
    /// A later round brings the items of the round before once more.
    pub replay_last_round: bool,
    /// A changed object comes three times on its page: new, as it was before, and new again.
    pub old_after_new: bool,
    /// Empty pages with a next link between the items and the delta link.
    pub empty_pages: u32,
    /// The round never ends.
    pub endless: Option<Endless>,
    /// Which events a removed user or group causes.
    pub removals: Removals,
    /// `manager@delta` never comes.
    pub manager_missing: bool,
    /// In `manager@delta` the new manager stands before the removed one.
    pub manager_addition_first: bool,
    /// Members in one entry of a group; more repeat the group. The real one shows about 500.
    pub members_per_entry: usize,
    /// The first entry of each group also removes somebody who never was a member.
    pub unknown_member_removed: bool,
    /// The reason inside `members@delta`.
    pub member_removed_reason: Reason,
    /// Soft-deleted users are left out of a first groups round, though they are still members.
    pub hide_deleted_members: bool,
    /// How a delta token that is too old is refused. Tokens live 7 days.
    pub delta_expiry: Expiry,
    /// Every request with a delta token is answered 410, however fresh the token.
    pub endless_gone: bool,
    /// The tenant is of the kind that has no delta at all (B2C).
    pub delta_unsupported: bool,
    /// Links lead to this origin in place of the served one, e.g. `http://127.0.0.1:9`.
    pub forged_links_to: Option<String>,
    /// Every chain of pages, list or delta, ends without a sign after this many users.
    pub silent_cap: Option<usize>,
    /// What `/users/$count` and `@odata.count` of users say in place of the truth.
    pub user_count: Option<u64>,
    /// Users come with id (and type) only and null everywhere else.
    pub null_users: bool,
    /// Groups come with id (and type) only and null everywhere else.
    pub null_groups: bool,
    /// Unknown names in `$select` of a list are ignored and not refused.
    pub ignore_unknown_select: bool,
    /// Age in seconds of what lists show.
    pub list_delay: i64,
    /// Age in seconds of what delta rounds show.
    pub delta_delay: i64,
    /// Age in seconds of what reads of one object show; a new one answers 404 that long.
    pub by_id_delay: i64,
    /// Resource units per 10 seconds before 429. `None` (default) = unlimited, because a clock
    /// that stands still never refills the bucket; the documented limit is
    /// 3,500 under 50 users, 5,000 up to 500, 8,000 above.
    pub resource_units: Option<u32>,
    /// Writes per 150 seconds before 429. `None` (default) = unlimited, for the same reason; the
    /// documented limit is 3,000.
    pub writes: Option<u32>,
    /// The next n valid access tokens are refused with 401.
    pub refuse_valid_token: u32,
    /// Permissions that calls no longer find, also in tokens that were issued with them.
    pub denied: BTreeSet<String>,
    /// Every token request fails with this AADSTS code.
    pub login_error: Option<u32>,
    /// Every use of a refresh token fails with this AADSTS code.
    pub refresh_error: Option<u32>,
    /// Every sign-in in a browser is sent back with this AADSTS code.
    pub authorize_error: Option<u32>,
    /// The administrator who is asked for consent declines.
    pub consent_declined: bool,
    /// The tenant that id tokens name, where whoever signs in belongs to another.
    pub signs_in_from: Option<String>,
    /// What is wrong with ID tokens.
    pub id_token: IdToken,
    /// Whoever signs in is in so many groups that ID tokens name a place to ask for them.
    pub groups_overage: bool,
    /// Access tokens are random text and not JWTs.
    pub opaque_access_tokens: bool,
    /// The next n reads of `signInActivity` are answered 403 although premium and permission are there.
    pub sign_in_forbidden: u32,
    /// Most people on a page with `signInActivity`, where the service still has a lower limit than
    /// today's 500; it has been 120.
    pub sign_in_cap: Option<usize>,
    /// Changes of `assignedLicenses` are not reported by delta (nobody has documented that they are);
    /// those of `licenseAssignmentStates` never are.
    pub licences_untracked: bool,
    /// How many assignments to a user still see the usage location that a change replaces; counts for
    /// changes made from now on.
    pub usage_location_lag: u32,
    /// The next n requests inside batches are answered 429.
    pub batch_throttled: u32,
    /// The next n batches leave out one response.
    pub batch_missing: u32,
    /// The next n batches with a failed request inside are answered 424 as a whole.
    pub batch_failed_outside: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            page_size: 200,
            plus_and_slash_tokens: false,
            ignore_minimal: false,
            repeat_over_pages: false,
            replay_last_round: false,
            old_after_new: false,
            empty_pages: 0,
            endless: None,
            removals: Removals::Documented,
            manager_missing: false,
            manager_addition_first: false,
            members_per_entry: 500,
            unknown_member_removed: false,
            member_removed_reason: Reason::Deleted,
            hide_deleted_members: false,
            delta_expiry: Expiry::ThirtyDays,
            endless_gone: false,
            delta_unsupported: false,
            forged_links_to: None,
            silent_cap: None,
            user_count: None,
            null_users: false,
            null_groups: false,
            ignore_unknown_select: false,
            list_delay: 0,
            delta_delay: 0,
            by_id_delay: 0,
            resource_units: None,
            writes: None,
            refuse_valid_token: 0,
            denied: BTreeSet::new(),
            login_error: None,
            refresh_error: None,
            authorize_error: None,
            consent_declined: false,
            signs_in_from: None,
            id_token: IdToken::Right,
            groups_overage: false,
            opaque_access_tokens: false,
            sign_in_forbidden: 0,
            sign_in_cap: None,
            licences_untracked: false,
            usage_location_lag: 0,
            batch_throttled: 0,
            batch_missing: 0,
            batch_failed_outside: 0,
        }
    }
}

/// An ID token as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdToken {
    /// As it should be.
    Right,
    /// With another text for a claim.
    With(&'static str, &'static str),
    /// Without a claim.
    Without(&'static str),
    /// Issued so many seconds after now.
    TimesMoved(i64),
    /// Not there at all.
    Missing,
    /// No token.
    Rubbish,
    /// With the algorithm `none`, without a signature.
    Unsigned,
    /// With the public key as the secret of an HMAC.
    ByPublicKey,
    /// With an algorithm that the service never uses.
    OtherAlgorithm,
    /// With a key that the service does not publish.
    UnknownKey,
    /// With that key under the name of one that it publishes.
    OtherKey,
    /// With the key for personal accounts.
    PersonalKey,
    /// With a signature of the right length that is none.
    BadSignature,
    /// Of a personal account, as the service would sign it.
    PersonalAccount,
}

/// How a round fails to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endless {
    /// The last page's next link is its own address.
    SameLink,
    /// Always a fresh next link, with the last page's items again.
    FreshLinks,
}

/// Which events removals cause in delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removals {
    /// Soft delete: `changed`; purge: `deleted`.
    Documented,
    /// Nothing for a soft delete; purge: `deleted`.
    OnlyPurge,
    /// Nothing at all.
    Silent,
}

/// Reason of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `deleted`
    Deleted,
    /// `changed`
    Changed,
}

impl Reason {
    pub(super) fn text(self) -> &'static str {
        match self {
            Reason::Deleted => "deleted",
            Reason::Changed => "changed",
        }
    }
}

/// The ways in which an old delta token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// 400 `Request_UnsupportedQuery` with the text about 30 days, seen most on users.
    ThirtyDays,
    /// 410 with a `Location` that has an empty `$deltatoken`.
    Gone,
    /// 400 `syncStateNotFound`.
    SyncStateNotFound,
}

/// A scripted failure of a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// 429 with this `Retry-After`, e.g. `Some("7")`, `Some("0.5")`, `None` for no header.
    Throttle {
        /// Value of the header.
        retry_after: Option<String>,
    },
    /// 503 `serviceNotAvailable`.
    Unavailable {
        /// Value of the `Retry-After` header, if there is to be one.
        retry_after: Option<String>,
    },
    /// Any status with any body.
    Status {
        /// HTTP status.
        code: u16,
        /// What the answer contains.
        body: Body,
    },
    /// The request is carried out, and its answer ends in the middle.
    TruncatedBody,
    /// The request is carried out, and the connection breaks without a usable answer.
    ResetConnection,
    /// 502 with a gateway's HTML page.
    HtmlPage,
    /// 200 without a body.
    Empty,
}

/// Body of a scripted status.
#[derive(Clone, Debug)]
pub enum Body {
    /// This JSON.
    Json(Value),
    /// An error of Graph with these two.
    Error {
        /// Error code, e.g. `serviceNotAvailable`.
        code: String,
        /// Text for people.
        message: String,
    },
    /// Nothing.
    Empty,
}

/// How the wire treats an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Whole,
    Truncated,
    Reset,
}

/// A failure waiting for requests whose path starts with `prefix`.
#[derive(Clone)]
pub(super) struct Scripted {
    pub(super) prefix: String,
    /// Such requests that pass unharmed before.
    pub(super) skip: u32,
    pub(super) left: u32,
    pub(super) fault: Fault,
}

impl Fault {
    /// The answer in place of the model's; `None` where the model answers and the wire fails.
    pub(super) fn reply(&self) -> Option<Reply> {
        match self {
            Fault::Throttle { retry_after } => Some(Reply::throttled(retry_after.clone())),
            Fault::Unavailable { retry_after } => {
                let message = "The service is temporarily unavailable. Repeat the request after a \
                               delay. There may be a Retry-After header.";
                let reply = Reply::error(503, "serviceNotAvailable", message);
                Some(reply.with_header("Retry-After", retry_after.clone()))
            }
            Fault::Status { code, body } => Some(match body {
                Body::Json(json) => {
                    let body = Payload::Json(json.clone());
                    Reply { status: *code, headers: Vec::new(), body }
                }
                Body::Error { code: name, message } => Reply::error(*code, name, message),
                Body::Empty => Reply { status: *code, headers: Vec::new(), body: Payload::Empty },
            }),
            Fault::HtmlPage => {
                let text = "<html><head><title>502 Bad Gateway</title></head><body>\
                            <h1>502 Bad Gateway</h1></body></html>";
                let body = Payload::Text { content_type: "text/html", text: text.into() };
                Some(Reply { status: 502, headers: Vec::new(), body })
            }
            Fault::Empty => Some(Reply { status: 200, headers: Vec::new(), body: Payload::Empty }),
            Fault::TruncatedBody | Fault::ResetConnection => None,
        }
    }

    pub(super) fn wire(&self) -> Wire {
        match self {
            Fault::TruncatedBody => Wire::Truncated,
            Fault::ResetConnection => Wire::Reset,
            Fault::Throttle { .. }
            | Fault::Unavailable { .. }
            | Fault::Status { .. }
            | Fault::HtmlPage
            | Fault::Empty => Wire::Whole,
        }
    }
}

/// Counts a "next n" field down; true while there was something to count.
pub(super) fn take(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}
