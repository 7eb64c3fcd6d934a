//! Routes of previews and of the imports that may carry them out (I1, I2, I4, I6).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::{Asked, Preview, PreviewState, Wanted};
use engine::inbound::{ShownPreviewed, Sight};
use engine::store::previews::{Position, RulesOf};
use engine::web::api::{Changing, IdempotencyKey, OfConnection, OfOne};
use engine::web::{Caller, JsonBody, Path, Problem, ProblemType, Query, cursor};
use plan::document::{Entity, Mistake};
use plan::ids::{MappingId, PreviewId, RunId};
use plan::preview::DECISIONS;
use plan::reading::Read;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// People whom one import may name.
const NAMED: usize = 1000;
/// People on a page at the most, and without a word.
const PAGE: (usize, usize) = (200, 50);

/// What a preview is to show.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewBody {
    /// A connection document that is not saved (I4); without it the saved one.
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    /// `users`, `agents` or both; without it what the document's schedule imports.
    #[schema(value_type = Option<Vec<String>>)]
    entities: Option<Vec<Entity>>,
    /// How Entra is read first. Without it nothing is read, unless nobody was ever read.
    read: Option<ReadWord>,
}

/// How Microsoft Graph is read.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReadWord {
    /// What changed since the last time.
    Delta,
    /// Everybody.
    Full,
    /// Nothing: decide by what is stored.
    None,
}

impl From<ReadWord> for Read {
    fn from(word: ReadWord) -> Self {
        match word {
            ReadWord::Delta => Read::Delta,
            ReadWord::Full => Read::Full,
            ReadWord::None => Read::None,
        }
    }
}

/// A preview, as far as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewShown {
    /// Its id.
    #[schema(value_type = String)]
    preview: PreviewId,
    /// Whose.
    connection: String,
    /// Where it stands.
    state: StateWord,
    /// People who were looked at so far.
    people: u64,
    /// By which rules people are decided.
    rules: RulesWord,
    /// The revision of the saved document; `null` for a draft's rules.
    revision: Option<u64>,
    /// What it covers.
    #[schema(value_type = Vec<String>)]
    entities: Vec<Entity>,
    /// When it was asked for.
    created: String,
    /// When it was complete, or failed.
    finished: Option<String>,
    /// Until when it is shown and can be carried out: a day from the moment when people are looked at.
    expires: String,
    /// People who are listed so far, by decision.
    totals: BTreeMap<&'static str, u64>,
    /// The same by the mapping that places them, in the order of the mappings; those of none last.
    mappings: Vec<GroupShown>,
    /// Whether the guard holds the deactivations of all people together (L4); known when all were
    /// looked at.
    held_by_guard: ForEach<bool>,
    /// Deactivations so far, as the guard counts them.
    deactivations: ForEach<u64>,
    /// Whether saving the document starts a full read, because it names properties that were never read.
    needs_full_read: bool,
    /// Those properties: what depends on them cannot be judged yet.
    new_properties: Vec<String>,
    /// Groups that nobody can judge yet: not looked for, not read, or gone.
    unknown_groups: Vec<String>,
    /// What is worth a look in the document.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Mistake>,
    /// Why it failed, and what to do.
    error: Option<String>,
}

/// Where a preview stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StateWord {
    /// Entra is read first.
    Reading,
    /// People are looked at; those who are decided on are listed already.
    Running,
    /// Everybody is listed.
    Complete,
    /// Ended by a failure.
    Failed,
    /// Too old.
    Expired,
}

/// By which rules people are decided.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RulesWord {
    /// Those of the saved document.
    Saved,
    /// Those of the draft that was sent.
    Draft,
}

/// People of one mapping.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupShown {
    /// The mapping; `null` for people whom none places.
    mapping: Option<String>,
    /// How many.
    people: u64,
    /// By decision.
    totals: BTreeMap<&'static str, u64>,
}

/// Something for Halo's users and for its agents.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct ForEach<T: Serialize + ToSchema> {
    /// For users.
    user: T,
    /// For agents.
    agent: T,
}

/// A page of people in a preview.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PeopleShown {
    /// People by mapping and, in it, by decision.
    people: Vec<ShownPreviewed>,
    /// Where the next page begins; `null` at the end.
    cursor: Option<String>,
    /// Where the preview stands: a list that is not complete may get more people before this page.
    state: StateWord,
}

/// Starts a preview: what a run would do to everybody (I1, I4)
///
/// Nothing changes in Halo. The preview is worked out in the background and can be looked at meanwhile.
/// With `document`, people are decided by rules that are not saved.
#[utoipa::path(post, path = "/v1/connections/{id}/preview", tag = "previews",
    params(OfConnection, IdempotencyKey), request_body = Option<PreviewBody>,
    responses(
        (status = 202, description = "Begun", body = PreviewShown,
            headers(("Location" = String, description = "Where it can be looked at"))),
        Changing))]
pub(crate) async fn start(
    State(engine): State<Engine>,
    path: Path,
    JsonBody(body): JsonBody<PreviewBody>,
) -> Result<Response, Problem> {
    let id = path.connection()?;
    check_entities(body.entities.as_deref())?;
    let wanted = Wanted {
        draft: body.document,
        entities: body.entities.unwrap_or_default(),
        read: body.read.map(Read::from),
    };
    let preview = engine.start_preview(&id, &wanted).await?;
    let location = [(LOCATION, format!("/v1/previews/{}", preview.record.preview))];
    Ok((StatusCode::ACCEPTED, location, Json(PreviewShown::of(preview))).into_response())
}

/// How far a preview is, and its totals (I1)
#[utoipa::path(get, path = "/v1/previews/{id}", tag = "previews",
    params(("id" = String, Path, description = "The preview")),
    responses((status = 200, description = "The preview as far as it is", body = PreviewShown), OfOne))]
pub(crate) async fn show(
    State(engine): State<Engine>,
    path: Path,
    query: Query,
) -> Result<Json<PreviewShown>, Problem> {
    query.only(&[])?;
    Ok(Json(PreviewShown::of(find(&engine, &path).await?)))
}

/// People in a preview, by mapping and decision, each with what would happen and why (I1, I6)
///
/// One entry a person, as in the inbound log; readers see the values of personal fields masked. A page
/// costs the same however many people there are.
#[utoipa::path(get, path = "/v1/previews/{id}/people", tag = "previews",
    params(("id" = String, Path, description = "The preview"),
        ("mapping" = Option<String>, Query, description = "Only people whom this mapping places"),
        ("decision" = Option<String>, Query, description = "Only people with this decision"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200,
            description = "People on the page; 50 without it"),
        ("cursor" = Option<String>, Query, description = "The cursor of the page before")),
    responses((status = 200, description = "A page", body = PeopleShown), OfOne))]
pub(crate) async fn people(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<PeopleShown>, Problem> {
    let query = query.only(&["mapping", "decision", "limit", "cursor"])?;
    let limit = query.limit(PAGE.1, PAGE.0)?;
    let mapping: Option<MappingId> = query.parsed("mapping", "the id of a mapping")?;
    let decision = query.text("decision").map(decision).transpose()?;
    let preview = find(&engine, &path).await?;
    if let Some(mapping) = &mapping
        && !preview.record.order.contains(mapping)
    {
        return Err(Problem::invalid("?mapping", "The preview has no such mapping."));
    }
    let named = mapping.as_ref().map(ToString::to_string).unwrap_or_default();
    let mark = format!("{} {named} {}", preview.record.preview, decision.unwrap_or_default());
    let from = match query.text("cursor").map(|it| cursor::read(it, &mark)).transpose()? {
        Some(position) => position_of(&position)?,
        None => (0, None),
    };
    let (found, next) = engine.previewed(&preview, mapping.as_ref(), decision, from, limit).await?;
    let sight = Sight::from(&caller.role);
    let next = next.map(|(stretch, place)| {
        let position = format!("{stretch}:{}", place.unwrap_or_default());
        cursor::write(&position, &mark)
    });
    Ok(Json(PeopleShown {
        people: found.iter().map(|person| person.shown(sight)).collect(),
        cursor: next,
        state: preview.state.into(),
    }))
}

async fn find(engine: &Engine, path: &Path) -> Result<Preview, Problem> {
    let found = engine.preview(path.id("id")?).await?;
    found.ok_or_else(|| Problem::of(ProblemType::NotFound, "There is no such preview."))
}

fn position_of(text: &str) -> Result<Position, Problem> {
    let parts = text.split_once(':');
    let position = parts.and_then(|(stretch, place)| {
        let place = (!place.is_empty()).then(|| place.to_owned());
        Some((stretch.parse().ok()?, place))
    });
    position.ok_or_else(|| {
        Problem::of(ProblemType::InvalidCursor, "Give the cursor of an answer, unchanged.")
    })
}

fn decision(text: &str) -> Result<&'static str, Problem> {
    let known = DECISIONS.into_iter().find(|decision| *decision == text);
    known.ok_or_else(|| {
        Problem::invalid("?decision", format!("Expected one of {}.", DECISIONS.join(", ")))
    })
}

impl PreviewShown {
    fn of(preview: Preview) -> Self {
        let (held, planned) = (preview.held_by_guard(), preview.deactivations);
        let groups = preview.groups().into_iter().map(|(mapping, totals)| GroupShown {
            mapping: mapping.map(ToString::to_string),
            people: totals.values().sum(),
            totals: every(&totals),
        });
        let mappings = groups.collect();
        let totals = every(&preview.totals.all());
        let Preview { record, state, looked, .. } = preview;
        let (rules, revision) = match record.rules {
            RulesOf::Saved { revision } => (RulesWord::Saved, Some(revision)),
            RulesOf::Draft => (RulesWord::Draft, None),
        };
        Self {
            preview: record.preview,
            connection: record.connection.to_string(),
            state: state.into(),
            people: looked,
            rules,
            revision,
            entities: record.entities,
            created: record.created.to_string(),
            finished: record.finished.map(|time| time.to_string()),
            expires: record.expires.to_string(),
            totals,
            mappings,
            held_by_guard: ForEach { user: held.user, agent: held.agent },
            deactivations: ForEach { user: planned.user, agent: planned.agent },
            needs_full_read: !record.new_properties.is_empty(),
            new_properties: record.new_properties.into_iter().collect(),
            unknown_groups: record.unknown_groups.into_iter().collect(),
            warnings: record.warnings,
            error: record.error,
        }
    }
}

/// Every decision with its number, also where that is 0.
fn every(totals: &BTreeMap<String, u64>) -> BTreeMap<&'static str, u64> {
    let of = |decision: &'static str| (decision, totals.get(decision).copied().unwrap_or_default());
    DECISIONS.into_iter().map(of).collect()
}

impl From<PreviewState> for StateWord {
    fn from(state: PreviewState) -> Self {
        match state {
            PreviewState::Reading => StateWord::Reading,
            PreviewState::Running => StateWord::Running,
            PreviewState::Complete => StateWord::Complete,
            PreviewState::Failed => StateWord::Failed,
            PreviewState::Expired => StateWord::Expired,
        }
    }
}

/// What an import is to cover.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    /// `users`, `agents`, `licences` or some of them; without it what the document's schedule imports.
    #[schema(value_type = Option<Vec<String>>)]
    entities: Option<Vec<Entity>>,
    /// Only these people, by object id or user principal name, 1 to 1,000.
    people: Option<Vec<String>>,
    /// A complete preview of this connection: what it shows is carried out, and whoever moved since is
    /// left alone.
    #[schema(value_type = Option<String>)]
    plan: Option<PreviewId>,
    /// How Microsoft Graph is read first; without it as the connection does.
    read: Option<ReadWord>,
}

/// A run that waits for its turn.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportStarted {
    /// The run.
    #[schema(value_type = String)]
    run: RunId,
}

/// Starts an import: of everybody, of some people, of one, or by a preview (I2)
///
/// It begins when no other run of the connection is under way. Entra is read first.
#[utoipa::path(post, path = "/v1/connections/{id}/imports", tag = "imports",
    params(OfConnection, IdempotencyKey), request_body = Option<ImportBody>,
    responses(
        (status = 202, description = "The run that does it", body = ImportStarted,
            headers(("Location" = String, description = "Where the run can be followed"))),
        Changing))]
pub(crate) async fn import(
    State(engine): State<Engine>,
    path: Path,
    JsonBody(body): JsonBody<ImportBody>,
) -> Result<Response, Problem> {
    let id = path.connection()?;
    if body.entities.as_ref().is_some_and(Vec::is_empty) {
        let usual = "Expected \"users\", \"agents\", \"licences\" or some of them, or no such key for what the schedule imports.";
        return Err(Problem::invalid("$.entities", usual));
    }
    if body.plan.is_some() && body.entities.is_some() {
        let message = "The preview says what is covered; leave this out.";
        return Err(Problem::invalid("$.entities", message));
    }
    if body.people.as_ref().is_some_and(|people| people.is_empty() || people.len() > NAMED) {
        let message = format!("Expected 1 to {NAMED} people, or no such key for everybody.");
        return Err(Problem::invalid("$.people", message));
    }
    let asked = Asked {
        read: body.read.map(Read::from).unwrap_or_default(),
        entities: body.entities.unwrap_or_default(),
        people: body.people,
        plan: body.plan,
    };
    let run = engine.import(&id, &asked).await?;
    let location = [(LOCATION, format!("/v1/runs/{run}"))];
    Ok((StatusCode::ACCEPTED, location, Json(ImportStarted { run })).into_response())
}

fn check_entities(entities: Option<&[Entity]>) -> Result<(), Problem> {
    let Some(entities) = entities else { return Ok(()) };
    if entities.is_empty() {
        let usual =
            "Expected \"users\", \"agents\" or both, or no such key for what the schedule imports.";
        return Err(Problem::invalid("$.entities", usual));
    }
    let others = entities.iter().enumerate().filter(|(_, entity)| **entity == Entity::Licences);
    let mistakes: Vec<Mistake> = others
        .map(|(index, _)| {
            let message = "A preview shows users and agents; licences are imported without one.";
            Mistake::new(format!("$.entities[{index}]"), message)
        })
        .collect();
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(Problem::with_mistakes(ProblemType::InvalidRequest, &mistakes))
}
