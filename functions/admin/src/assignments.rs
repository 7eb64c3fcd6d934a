//! Routes of licences that Halo asks to be given or taken (S2), and of the key that it signs with.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::Asking;
use engine::licence_key::KeyFacts;
use engine::web::api::{Asks, Changing, OfConnection, OfOne, Paging, Usual};
use engine::web::{Caller, JsonBody, PageAsked, Path, Problem, Query, Signed};
use plan::assignment::{Action, Assignment, Did, Refusal, Stands};
use plan::ids::{AssignmentId, ConnectionId, LicenceId, ObjectId, SkuId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// Characters that the name of a request may have.
const LONGEST: usize = 100;
/// Assignments on a page when the query does not say, and at the most.
const PAGE: (usize, usize) = (50, 200);

/// What Halo asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AssignmentRequest)]
pub(crate) struct AssignmentBody {
    /// Give or take.
    action: Action,
    /// Number of the user in Halo.
    #[schema(minimum = 1)]
    user_id: i64,
    /// Number of the licence in Halo, which has to be one that was imported.
    licence_id: LicenceId,
    /// A name that no other request has, such as the ticket's number and the action: sent again under it,
    /// a request is carried out once. Without one, only the very same call is known again.
    #[schema(required = false, min_length = 1, max_length = 100)]
    request: Option<String>,
}

/// A licence that Halo asked to be given or taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Assignment)]
pub(crate) struct AssignmentShown {
    /// Its id; sorts by time.
    assignment: AssignmentId,
    /// Whose licence it is.
    connection: ConnectionId,
    /// Where it stands.
    state: StateWord,
    /// Give or take.
    action: Action,
    /// Number of the user in Halo.
    user_id: i64,
    /// Number of the licence in Halo.
    licence_id: LicenceId,
    /// The licence as Entra knows it.
    sku: SkuId,
    /// Its name, as in `Office 365 E5`.
    product: String,
    /// The person's object id; `null` until the person is found.
    #[schema(required)]
    person: Option<ObjectId>,
    /// When it was asked for, in UTC.
    asked: String,
    /// When it was done or refused, in UTC; `null` before.
    #[schema(required)]
    ended: Option<String>,
    /// Whether Entra was changed for it, or was so already; `null` where it is not done.
    #[schema(required)]
    did: Option<Did>,
    /// Requests to change something that were sent to Entra.
    attempts: u32,
    /// Why it was refused; `null` where it was not.
    #[schema(required)]
    refusal: Option<RefusalShown>,
}

/// Where an assignment stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AssignmentState)]
enum StateWord {
    /// It waits for its turn.
    Accepted,
    /// Entra is being asked.
    Working,
    /// Entra is as it was asked for.
    Done,
    /// It was not done, and nobody tries again.
    Refused,
}

/// Why an assignment was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusedAssignment)]
struct RefusalShown {
    #[serde(flatten)]
    refusal: Refusal,
    /// What happened and what to do.
    detail: String,
}

impl From<Assignment> for AssignmentShown {
    fn from(one: Assignment) -> Self {
        let ended = one.stands.ended().map(|at| at.to_string());
        let (state, did, refusal) = match one.stands {
            Stands::Accepted => (StateWord::Accepted, None, None),
            Stands::Working => (StateWord::Working, None, None),
            Stands::Done { did, .. } => (StateWord::Done, Some(did), None),
            Stands::Refused { refusal, .. } => {
                let detail = refusal.sentence();
                (StateWord::Refused, None, Some(RefusalShown { refusal, detail }))
            }
        };
        Self {
            assignment: one.id,
            connection: one.connection,
            state,
            action: one.request.action,
            user_id: one.request.user.id,
            licence_id: one.request.licence,
            sku: one.sku,
            product: one.product,
            person: one.person,
            asked: one.asked.to_string(),
            ended,
            did,
            attempts: one.calls,
            refusal,
        }
    }
}

/// Asks for a licence to be given or taken (S2)
///
/// For a webhook or a runbook of Halo's, which needs no token: it signs each call with the licence signing
/// key. `X-Halo-Entra-Timestamp` is the time in seconds since 1970, `X-Halo-Entra-Signature` is `v1=` and
/// the HMAC-SHA-256 of time, `.` and body in hexadecimal. A call is good for 300 seconds. What is taken in
/// is carried out by itself; `Location` says where to read what became of it.
#[utoipa::path(post, path = "/v1/licence-assignments", tag = "licences", security(("signature" = [])),
    params(
        ("X-Halo-Entra-Timestamp" = i64, Header, description = "When the call was signed, in seconds since 1970"),
        ("X-Halo-Entra-Signature" = String, Header, description = "`v1=` and 64 hexadecimal digits")),
    request_body = AssignmentBody,
    responses((status = 202, description = "It was taken in, now or when it was sent before", body = AssignmentShown,
        headers(("Location" = String, description = "Where to read what became of it"))), Asks))]
pub(crate) async fn ask(
    State(engine): State<Engine>,
    query: Query,
    signed: Signed,
) -> Result<Response, Problem> {
    query.only(&[])?;
    let body: AssignmentBody = signed.json()?;
    if body.user_id < 1 {
        return Err(Problem::invalid("$.user_id", "Expected the number of a user in Halo."));
    }
    let name = match body.request.as_deref().map(str::trim) {
        None => format!("signed#{}", signed.print),
        Some(name) if is_name(name) => format!("named#{name}"),
        Some(_) => {
            let expected = format!("Expected 1 to {LONGEST} characters in one line.");
            return Err(Problem::invalid("$.request", expected));
        }
    };
    let AssignmentBody { action, user_id: user, licence_id: licence, .. } = body;
    let assignment = engine.ask_for_licence(&Asking { action, user, licence, name }).await?;
    let id = assignment.id;
    let headers = [
        (LOCATION, format!("/v1/licence-assignments/{id}")),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    let shown = Json(AssignmentShown::from(assignment));
    Ok((StatusCode::ACCEPTED, headers, shown).into_response())
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// The path of an assignment.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct OfAssignment {
    /// The assignment.
    id: AssignmentId,
}

/// What became of a licence that Halo asked for (S2)
#[utoipa::path(get, path = "/v1/licence-assignments/{id}", tag = "licences", params(OfAssignment),
    responses((status = 200, description = "The assignment", body = AssignmentShown), OfOne))]
pub(crate) async fn one(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<AssignmentShown>, Problem> {
    query.only(&[])?;
    Ok(Json(engine.assignment(path.id("id")?).await?.into()))
}

/// A page of assignments, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignmentPage {
    assignments: Vec<AssignmentShown>,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// Lists what Halo asked for about a connection's licences, newest first (S2)
///
/// They are kept as long as the inbound log.
#[utoipa::path(get, path = "/v1/connections/{id}/licence-assignments", tag = "licences",
    params(OfConnection, Paging),
    responses((status = 200, description = "A page of assignments", body = AssignmentPage), OfOne))]
pub(crate) async fn of_connection(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<AssignmentPage>, Problem> {
    let id = path.connection()?;
    let paging = PageAsked::only(query, format!("assignments of {id}"), PAGE.0, PAGE.1)?;
    let (all, next) = engine.assignments(&id, paging.after.clone(), paging.limit).await?;
    let assignments = all.into_iter().map(AssignmentShown::from).collect();
    Ok(Json(AssignmentPage { assignments, cursor: paging.cursor(next) }))
}

/// What is known of the licence signing key; the key itself is never shown (C4).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenceKey)]
pub(crate) struct KeyShown {
    /// Whether there is one.
    set: bool,
    /// Since when, in UTC; `null` where there is none, or nobody knows.
    #[schema(required)]
    since: Option<String>,
    /// Whether signatures of the one before still count.
    previous: bool,
}

impl From<Option<KeyFacts>> for KeyShown {
    fn from(facts: Option<KeyFacts>) -> Self {
        let since = facts.and_then(|facts| facts.since).map(|since| since.to_string());
        Self { set: facts.is_some(), since, previous: facts.is_some_and(|facts| facts.previous) }
    }
}

/// What the licence signing key is replaced with. Only for the description: the engine reads the body,
/// so that no mistake quotes the key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenceKeyRequest)]
pub(crate) struct KeyBody {
    /// Visible ASCII characters that nobody can guess, as `openssl rand -hex 32` makes them.
    #[schema(min_length = 32, max_length = 512)]
    key: String,
    /// What becomes of the key that is replaced: `keep` without this.
    #[schema(required = false)]
    previous: Option<PreviousWord>,
}

/// What becomes of the key that is replaced.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PreviousKey)]
#[expect(dead_code, reason = "only described")]
pub(crate) enum PreviousWord {
    /// Its signatures count until it is dropped, or replaced once more.
    Keep,
    /// Its signatures do not count any more.
    Drop,
}

/// Whether the key is set with which Halo signs what it asks for (S2)
#[utoipa::path(get, path = "/v1/licence-signing-key", tag = "licences",
    responses((status = 200, description = "What is known of the key", body = KeyShown), Usual))]
pub(crate) async fn key(
    State(engine): State<Engine>,
    query: Query,
) -> Result<Json<KeyShown>, Problem> {
    query.only(&[])?;
    Ok(Json(engine.licence_key().await?.into()))
}

/// Sets the key with which Halo signs what it asks for (S2)
///
/// To replace one without a gap, send the new one here, enter it in Halo, and send it here again with
/// `"previous": "drop"`. The same key again changes nothing else. It is never shown (C4).
#[utoipa::path(put, path = "/v1/licence-signing-key", tag = "licences", request_body = KeyBody,
    responses((status = 200, description = "What is known of the key", body = KeyShown), Changing))]
pub(crate) async fn set_key(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<KeyShown>, Problem> {
    Ok(Json(Some(engine.put_licence_key(&caller.name, &body).await?).into()))
}
