//! What real Halo instances do differently from one another, as choices that a test makes.

use std::collections::BTreeSet;
use std::time::Duration;

/// How the simulator answers where the documentation is silent or instances differ.
///
/// The default is what current hosted instances are known to do.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Shape of the list that `GET /Agent` answers.
    pub agent_list: AgentList,
    /// Whether the rows of an agent list say who is an administrator.
    pub agent_rows: AgentRows,
    /// How the roles of users and agents are shown.
    pub held_roles: HeldRoles,
    /// What a POST of several elements answers.
    pub many_reply: ManyReply,
    /// What becomes of the good elements of a POST that also holds a bad one.
    pub bad_element: BadElement,
    /// Status of a POST that only updated.
    pub update_status: UpdateStatus,
    /// What an explicit `null` in an update does.
    pub null_in_update: NullInUpdate,
    /// What posting some custom fields does to the others.
    pub custom_fields: CustomFields,
    /// Whether a request without a `User-Agent` is served.
    pub user_agent: UserAgent,
    /// Most rows on a page, whatever `page_size` asks for; instances with 50, 100 and 1000 exist.
    pub page_cap: usize,
    /// What `record_count` in a list says.
    pub record_count: RecordCount,
    /// The limit on requests; `None` serves everything.
    pub rate_limit: Option<RateLimit>,
    /// Body of every 400; `None` uses the shape that belongs to the mistake.
    pub refusals: Option<RefusalShape>,
    /// Whether `advanced_search` may name `azureoid`.
    pub azure_search: AzureSearch,
    /// Which properties the rows of a user list have.
    pub user_rows: UserRows,
    /// Clients that the restricted API agent cannot see, with their sites and users. Nothing tells the caller.
    pub hidden_clients: BTreeSet<i64>,
    /// Whether two users may have one e-mail address.
    pub email_collision: EmailCollision,
    /// How many named licences were bought; one agent too many is refused. `None` is no limit.
    pub named_licences: Option<usize>,
    /// Agents with open tickets: disabling one is refused until a test takes it out of this set.
    pub agents_with_open_tickets: BTreeSet<i64>,
    /// Users with history, which cannot be deleted.
    pub users_with_history: BTreeSet<i64>,
    /// Properties that the instance takes without keeping them.
    pub forgets: BTreeSet<&'static str>,
    /// Real time to wait before each answer.
    pub latency: Duration,
    /// Whether the instance is up at all.
    pub outage: Outage,
    /// What the token endpoint says to a tenant that does not exist.
    pub wrong_tenant: WrongTenant,
    /// Whether a token comes with one that names the agent.
    pub id_token: IdToken,
    /// Lifetime of a token in seconds of the simulator's clock.
    pub token_seconds: i64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            agent_list: AgentList::Bare,
            agent_rows: AgentRows::WithIsAdmin,
            held_roles: HeldRoles::Objects,
            many_reply: ManyReply::Last,
            bad_element: BadElement::RejectsAll,
            update_status: UpdateStatus::Created,
            null_in_update: NullInUpdate::Ignored,
            custom_fields: CustomFields::Replace,
            user_agent: UserAgent::Optional,
            page_cap: 100,
            record_count: RecordCount::Total,
            rate_limit: None,
            refusals: None,
            azure_search: AzureSearch::Works,
            user_rows: UserRows::Since2026,
            hidden_clients: BTreeSet::new(),
            email_collision: EmailCollision::Allowed,
            named_licences: None,
            agents_with_open_tickets: BTreeSet::new(),
            users_with_history: BTreeSet::new(),
            forgets: BTreeSet::new(),
            latency: Duration::ZERO,
            outage: Outage::Up,
            wrong_tenant: WrongTenant::HtmlPage,
            id_token: IdToken::Given,
            token_seconds: 3600,
        }
    }
}

/// Shape of the agent list; all three are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentList {
    /// A JSON array.
    Bare,
    /// An envelope with the rows in `results`.
    Results,
    /// An envelope with the rows in `agents`.
    Agents,
}

/// Whether the rows of an agent list say who is an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentRows {
    /// With `is_admin`.
    WithIsAdmin,
    /// Without it.
    WithoutIsAdmin,
}

/// How the roles of users and agents are shown, in rows and in details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldRoles {
    /// As objects in `roles`.
    Objects,
    /// As numbers in `role_ids` only.
    Numbers,
}

/// What a POST of several elements answers. One element is always answered by one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManyReply {
    /// The object saved last.
    Last,
    /// The object saved first.
    First,
    /// All saved objects.
    Array,
}

/// What becomes of the good elements beside a bad one. The answer is the refusal either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadElement {
    /// Nothing is saved.
    RejectsAll,
    /// The others are saved.
    RestSaved,
}

/// Status of a POST that only updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateStatus {
    /// 200.
    Ok,
    /// 201, as for a create.
    Created,
}

/// What an explicit `null` in an update does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullInUpdate {
    /// The stored value stays.
    Ignored,
    /// The stored value is gone.
    Clears,
}

/// What posting some custom fields does to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomFields {
    /// The posted array is the whole new set.
    Replace,
    /// Fields that are not posted stay.
    Merge,
}

/// Whether a request without a `User-Agent` is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAgent {
    /// It is served.
    Optional,
    /// It is refused with 403, the token endpoint included.
    Required,
}

/// What `record_count` in a list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordCount {
    /// All rows that match.
    Total,
    /// The rows of this page.
    Page,
    /// The property is missing.
    Missing,
}

/// A limit on requests of all kinds, token requests included. Refused requests do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests served in any window.
    pub requests: usize,
    /// Length of the rolling window in seconds of the simulator's clock.
    pub seconds: i64,
    /// Whether the 429 says how long to wait.
    pub retry_after: RetryAfter,
    /// What the 429 carries.
    pub body: LimitBody,
}

impl RateLimit {
    /// The limit that hosted instances state: 300 requests in a rolling five minutes, said in a
    /// sentence without a `Retry-After`.
    pub const HOSTED: Self = Self {
        requests: 300,
        seconds: 300,
        retry_after: RetryAfter::Omitted,
        body: LimitBody::Text,
    };
}

/// Whether a 429 has a `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// No header.
    Omitted,
    /// Whole seconds until the next request is served.
    Seconds,
}

/// What a 429 carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitBody {
    /// A sentence as plain text.
    Text,
    /// A JSON object with the sentence.
    Json,
}

/// Whether `advanced_search` may name `azureoid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureSearch {
    /// It finds the user.
    Works,
    /// 400 with "Invalid advanced search parameter".
    Refused,
}

/// Which properties the rows of a user list have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRows {
    /// With `azureoid`, `email2` and `email3`.
    Since2026,
    /// Without them, as builds of 2024.
    Since2024,
}

/// Whether two users may have one e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailCollision {
    /// Nothing checks it.
    Allowed,
    /// A save that would make a second one is refused with 400.
    Refused,
}

/// Whether the instance is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It serves.
    Up,
    /// Every request gets 500 with a long HTML page.
    HtmlPage,
}

/// What the token endpoint says to a tenant that does not exist; 500 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongTenant {
    /// A long HTML page.
    HtmlPage,
    /// Nothing.
    Empty,
}

/// Whether a token comes with an `id_token`, which names the agent that the application logs in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdToken {
    /// It does.
    Given,
    /// It does not; `GET /Agent/me` still says it.
    Omitted,
}

/// The bodies that a 400 of Halo is known to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalShape {
    /// A sentence as plain text, with a code before it.
    Text,
    /// The sentence as a JSON string.
    JsonString,
    /// An object from the path of each bad property to its mistakes.
    ModelState,
    /// A serialised .NET exception with `ClassName` and `Message`.
    Exception,
    /// `{"resultCode", "errorMessage"}`.
    ResultCode,
    /// `{"Message"}`.
    Message,
    /// `{"error"}`.
    Error,
    /// An HTML page of some hundred kilobytes.
    Html,
}

impl RefusalShape {
    /// Every shape, for tests that go through them.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::JsonString,
        Self::ModelState,
        Self::Exception,
        Self::ResultCode,
        Self::Message,
        Self::Error,
        Self::Html,
    ];
}

/// Something that goes wrong with one request, see [`Halo::fail_next`](super::Halo::fail_next).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 before anything is done.
    Throttle {
        /// The `Retry-After` header as it is to be sent; `None` leaves it out.
        retry_after: Option<String>,
    },
    /// A status before anything is done.
    Status {
        /// The status.
        code: u16,
        /// The body; JSON if it begins like an object or an array, plain text otherwise.
        body: String,
    },
    /// A 400 of a shape before anything is done.
    Refusal(RefusalShape),
    /// The request is acted upon; then the connection drops without a byte of answer.
    ReplyLost,
    /// The request is acted upon; the connection drops in the middle of the answer's body.
    TruncatedBody,
    /// The connection drops before anything is done.
    ResetConnection,
    /// 500 with a long HTML page before anything is done.
    HtmlPage,
    /// 200 without a body before anything is done.
    Empty,
}
