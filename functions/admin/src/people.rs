//! Routes about people whom an administrator decides on: links (M7), conflicts (M3), held
//! deactivations (L4), and what a draft would change for everybody (I4).

use std::borrow::Cow;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::{
    ConflictList, Effect, HeldPerson, LinkChoice, Other, ParkedPerson, Ruled,
};
use engine::inbound::{ShownPerson, Sight};
use engine::web::api::{
    Changing, ConnectionDocument, IdempotencyKey, OfConnection, OfOne, OfPerson, Paging,
};
use engine::web::{Caller, JsonBody, PageAsked, Path, Problem, Query, Unfinished};
use plan::ids::{ConnectionId, PerKind, RecordKind, RunId};
use plan::link::Says;
use plan::relink::Pick;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{Object, OneOf, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// People in conflict on one page at the most: Halo is asked about their candidates.
const CONFLICTS: usize = 20;
/// People whom one call may name.
const NAMED: usize = 1000;

/// What is known of a person: facts, link, what waits
#[utoipa::path(get, path = "/v1/connections/{id}/people/{who}", tag = "people", params(OfPerson),
    responses((status = 200, description = "The person", body = ShownPerson), OfOne))]
pub(crate) async fn person(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<ShownPerson>, Problem> {
    query.only(&[])?;
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let known = engine.find_person(&id, path.text("who")).await?;
    let known = known.ok_or_else(Problem::nobody)?;
    Ok(Json(known.shown(Sight::from(&caller.role))))
}

/// The body of a new link, for the document: it is read in words of its own.
pub(crate) struct LinkBody;

impl PartialSchema for LinkBody {
    fn schema() -> RefOr<Schema> {
        let number = Object::builder().schema_type(Type::Integer).minimum(Some(1));
        let words = ["create", "unlinked", "automatic"];
        let word = Object::builder().schema_type(Type::String).enum_values(Some(words));
        let pick: Schema = OneOf::builder().item(number).item(word).build().into();
        let body = Object::builder()
            .property("user", pick.clone())
            .property("agent", pick)
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        RefOr::T(body.into())
    }
}

impl ToSchema for LinkBody {
    fn name() -> Cow<'static, str> {
        "LinkChoice".into()
    }
}

/// Sets who a person is in Halo (M3, M7)
///
/// The number of a record links it; `create` makes a new one, whoever fits; `unlinked` cuts the link for
/// good; `automatic` forgets what was chosen.
#[utoipa::path(put, path = "/v1/connections/{id}/people/{who}/link", tag = "people",
    params(OfPerson), request_body = LinkBody,
    responses((status = 200, description = "The person as they are now", body = Linked), Changing))]
pub(crate) async fn set_link(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Linked>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let choice = choice(&body)?;
    let who = path.text("who");
    let known = engine.find_person(&id, who).await?.ok_or_else(Problem::nobody)?;
    let run = engine.set_link(&caller.name, &id, known.id, choice).await?;
    linked(&engine, &id, who, &caller, run).await
}

/// Cuts the link to both Halo records, or to one (M7)
#[utoipa::path(delete, path = "/v1/connections/{id}/people/{who}/link", tag = "people",
    params(OfPerson, ("kind" = Option<RecordKind>, Query, description = "Only this record")),
    responses((status = 200, description = "The person as they are now", body = Linked), Changing))]
pub(crate) async fn cut_link(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<Linked>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let query = query.only(&["kind"])?;
    let kinds = match query.text("kind") {
        None => PerKind::both(true),
        Some("user") => PerKind { user: true, agent: false },
        Some("agent") => PerKind { user: false, agent: true },
        Some(_) => return Err(Problem::invalid("?kind", "Expected user or agent.")),
    };
    let who = path.text("who");
    let known = engine.find_person(&id, who).await?.ok_or_else(Problem::nobody)?;
    let run = engine.cut_link(&caller.name, &id, known.id, kinds).await?;
    linked(&engine, &id, who, &caller, run).await
}

/// A person, and the run that carries a new link to Halo.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LinkedPerson)]
pub(crate) struct Linked {
    #[serde(flatten)]
    person: ShownPerson,
    /// The run; `null` = none may start now, and the next one does it.
    #[schema(required)]
    run: Option<RunId>,
}

async fn linked(
    engine: &Engine,
    id: &ConnectionId,
    who: &str,
    caller: &Caller,
    run: Option<RunId>,
) -> Result<Json<Linked>, Problem> {
    let known = engine.find_person(id, who).await?.ok_or_else(Problem::nobody)?;
    Ok(Json(Linked { person: known.shown(Sight::from(&caller.role)), run }))
}

fn choice(body: &Map<String, Value>) -> Result<LinkChoice, Problem> {
    let unknown = body.keys().find(|key| !["user", "agent"].contains(&key.as_str()));
    if let Some(key) = unknown {
        return Err(Problem::invalid(&format!("$.{key}"), "Unknown key; known here: agent, user."));
    }
    if body.is_empty() {
        return Err(Problem::invalid("$", "Say what becomes of user, of agent, or of both."));
    }
    Ok(PerKind { user: pick(body, "user")?, agent: pick(body, "agent")? })
}

fn pick(body: &Map<String, Value>, kind: &str) -> Result<Option<Pick>, Problem> {
    let Some(value) = body.get(kind) else { return Ok(None) };
    let number = value.as_i64().filter(|id| *id > 0).map(Pick::Record);
    let word = match value.as_str() {
        Some("create") => Some(Pick::Create),
        Some("unlinked") => Some(Pick::Unlinked),
        Some("automatic") => Some(Pick::Automatic),
        Some(_) | None => None,
    };
    number.or(word).map(Some).ok_or_else(|| {
        let expected = format!(
            "Expected the number of a Halo {kind}, or \"create\", \"unlinked\" or \"automatic\"."
        );
        Problem::invalid(&format!("$.{kind}"), expected)
    })
}

/// A page of people in conflict.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConflictPage {
    #[serde(flatten)]
    list: ConflictList,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// People for whom somebody has to choose a Halo record (M3)
#[utoipa::path(get, path = "/v1/connections/{id}/conflicts", tag = "people",
    params(OfConnection,
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 20,
            description = "People on the page at the most; 20 if nothing is said"),
        ("cursor" = Option<String>, Query, description = "Where to go on")),
    responses((status = 200, description = "A page of people", body = ConflictPage), OfOne))]
pub(crate) async fn conflicts(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<ConflictPage>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let page = PageAsked::only(query, format!("conflicts of {id}"), CONFLICTS, CONFLICTS)?;
    let (after, sight) = (page.after.clone(), Sight::from(&caller.role));
    let list = engine.conflicts(&id, after, page.limit, sight).await?;
    let cursor = page.cursor(list.next.clone());
    Ok(Json(ConflictPage { list, cursor }))
}

/// A page of people who are set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParkedPage {
    /// In order of their object ids.
    parked: Vec<ParkedPerson>,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// People who wait for another try, or for other data (T5)
///
/// Whoever waits for a choice is among the conflicts instead.
#[utoipa::path(get, path = "/v1/connections/{id}/parked", tag = "people", params(OfConnection, Paging),
    responses((status = 200, description = "A page of people", body = ParkedPage), OfOne))]
pub(crate) async fn parked(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<ParkedPage>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let page = PageAsked::only(query, format!("parked of {id}"), 50, 200)?;
    let (after, sight) = (page.after.clone(), Sight::from(&caller.role));
    let (parked, next) = engine.parked(&id, after, page.limit, sight).await?;
    Ok(Json(ParkedPage { parked, cursor: page.cursor(next) }))
}

/// A page of held deactivations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldPage {
    /// In order of their object ids.
    held: Vec<HeldPerson>,
    /// Where the next page goes on; `null` at the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// People whose deactivation is held by the guard (L4)
#[utoipa::path(get, path = "/v1/connections/{id}/held", tag = "held", params(OfConnection, Paging),
    responses((status = 200, description = "A page of people", body = HeldPage), OfOne))]
pub(crate) async fn held(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<HeldPage>, Problem> {
    let id = engine.connection(&path.connection()?).await?.saved.document.id;
    let page = PageAsked::only(query, format!("held of {id}"), 50, 200)?;
    let (held, next) = engine.held(&id, page.after.clone(), page.limit).await?;
    Ok(Json(HeldPage { held, cursor: page.cursor(next) }))
}

/// Whose deactivations are released or rejected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RulingRequest)]
pub(crate) struct RulingBody {
    /// The run that holds them.
    run: RunId,
    /// Object ids or user principal names; left out, all whom the run holds.
    #[schema(min_items = 1, max_items = 1000)]
    people: Option<Vec<String>>,
}

/// What came of a release.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Released {
    /// People of whom it is noted now.
    released: u64,
    #[serde(flatten)]
    rest: RulingRest,
}

/// What came of a rejection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rejected {
    /// People of whom it is noted now.
    rejected: u64,
    #[serde(flatten)]
    rest: RulingRest,
}

/// What a ruling left.
#[derive(Debug, Serialize, ToSchema)]
struct RulingRest {
    /// People still to be looked at, at the most: above 0, repeat the call.
    left: u64,
    /// The run that heeds it; `null` = none may start now, and the next one does.
    #[schema(required)]
    run: Option<RunId>,
    /// People whom it does not touch.
    others: Vec<Other>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// Lets held deactivations pass, all of a run or some (L4)
///
/// A release expires after seven days.
#[utoipa::path(post, path = "/v1/connections/{id}/held/release", tag = "held",
    params(OfConnection, IdempotencyKey), request_body = RulingBody,
    responses(
        (status = 200, description = "All is noted", body = Released),
        (status = 202, description = "Some are left: repeat the call", body = Released),
        Changing))]
pub(crate) async fn release(
    state: State<Engine>,
    caller: Extension<Caller>,
    path: Path,
    body: JsonBody<RulingBody>,
) -> Result<Answer<Released>, Problem> {
    let (released, rest) = rule(state, caller, path, body, Says::Release).await?;
    Ok(answer(rest.left, Released { released, rest }))
}

/// Leaves people active whose deactivation is held, all of a run or some (L4)
#[utoipa::path(post, path = "/v1/connections/{id}/held/reject", tag = "held",
    params(OfConnection, IdempotencyKey), request_body = RulingBody,
    responses(
        (status = 200, description = "All is noted", body = Rejected),
        (status = 202, description = "Some are left: repeat the call", body = Rejected),
        Changing))]
pub(crate) async fn reject(
    state: State<Engine>,
    caller: Extension<Caller>,
    path: Path,
    body: JsonBody<RulingBody>,
) -> Result<Answer<Rejected>, Problem> {
    let (rejected, rest) = rule(state, caller, path, body, Says::Reject).await?;
    Ok(answer(rest.left, Rejected { rejected, rest }))
}

/// 200 when all is noted, 202 while the call has to be repeated.
type Answer<T> = (StatusCode, Option<Extension<Unfinished>>, Json<T>);

fn answer<T>(left: u64, body: T) -> Answer<T> {
    if left == 0 {
        return (StatusCode::OK, None, Json(body));
    }
    (StatusCode::ACCEPTED, Some(Extension(Unfinished)), Json(body))
}

async fn rule(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    JsonBody(body): JsonBody<RulingBody>,
    says: Says,
) -> Result<(u64, RulingRest), Problem> {
    let id = path.connection()?;
    let people = body.people.as_deref();
    if people.is_some_and(|people| people.is_empty() || people.len() > NAMED) {
        let expected = format!("Expected 1 to {NAMED} people, or no such key for all.");
        return Err(Problem::invalid("$.people", expected));
    }
    let Ruled { ruled, left, run, others } =
        engine.rule(&caller.name, &id, body.run, people, says).await?;
    let detail = (left > 0).then_some("Repeat the call until it answers 200.");
    Ok((ruled, RulingRest { left, run, others, detail }))
}

/// What saving a draft of the document would change (I4)
///
/// Everybody is decided by the saved rules and by the draft's. Nothing is written.
#[utoipa::path(post, path = "/v1/connections/{id}/effect", tag = "previews", params(OfConnection),
    request_body(content = ConnectionDocument, description = "The draft"),
    responses((status = 200, description = "What would change", body = Effect), Changing))]
pub(crate) async fn effect(
    State(engine): State<Engine>,
    path: Path,
    JsonBody(draft): JsonBody<Value>,
) -> Result<Json<Effect>, Problem> {
    Ok(Json(engine.effect(&path.connection()?, &draft).await?))
}
