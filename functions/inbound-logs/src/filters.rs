//! The filters of the log and of its export (B2).

use engine::inbound::Query as Wanted;
use engine::store::log::OutcomeKind;
use engine::web::{Problem, Query, cursor};
use jiff::Timestamp;
use plan::ids::{ConnectionId, MappingId, RunId};
use utoipa::openapi::{Object, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use super::TIME;

/// The filters, for the document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described; the values are read by `wanted`")]
pub(crate) struct LogFilters {
    /// Only of this connection. Needed where there are more than 50.
    connection: Option<ConnectionId>,
    /// Only of this person: object id, user principal name, or the beginning of a name.
    person: Option<String>,
    /// Only what came to this.
    outcome: Option<OutcomeKind>,
    /// Only this decision.
    #[param(inline)]
    decision: Option<LoggedDecision>,
    /// Only people whom this mapping placed.
    mapping: Option<MappingId>,
    /// Only of this run.
    run: Option<RunId>,
    /// Not before this time.
    from: Option<Timestamp>,
    /// Before this time.
    to: Option<Timestamp>,
}

/// Filters of the log; with the cursor they say which query it belongs to.
pub(crate) const FILTERS: [&str; 8] =
    ["connection", "person", "outcome", "decision", "mapping", "run", "from", "to"];

/// Decisions that have entries.
const DECISIONS: [&str; 12] = [
    "create",
    "update",
    "reactivate",
    "deactivate",
    "conflict",
    "held",
    "not_in_scope",
    "failed",
    "licence_assigned",
    "licence_removed",
    "licence_unchanged",
    "licence_refused",
];

/// One of [`DECISIONS`], for the document.
#[derive(Debug)]
struct LoggedDecision;

impl PartialSchema for LoggedDecision {
    fn schema() -> RefOr<Schema> {
        let word = Object::builder().schema_type(Type::String).enum_values(Some(DECISIONS));
        RefOr::T(word.into())
    }
}

impl ToSchema for LoggedDecision {}

/// What is asked for, and the text that tells this query from others.
pub(crate) fn wanted(query: &Query) -> Result<(Wanted, String), Problem> {
    let given = FILTERS.map(|name| format!("{name}={}", query.text(name).unwrap_or_default()));
    let mark = given.join("&");
    let after = query.text("cursor").map(|it| cursor::read(it, &mark)).transpose()?;
    let after = after.and_then(|position| position.parse::<Uuid>().ok());
    let decision = query.text("decision").map(decision).transpose()?;
    let wanted = Wanted {
        connection: query.parsed::<ConnectionId>("connection", "the id of a connection")?,
        person: query.text("person").map(str::to_owned),
        run: query.parsed("run", "the id of a run")?,
        mapping: query.parsed("mapping", "the id of a mapping")?,
        outcome: query.text("outcome").map(outcome).transpose()?,
        decision,
        from: query.parsed("from", TIME)?,
        to: query.parsed("to", TIME)?,
        after,
        limit: query.limit(50, 200)?,
    };
    Ok((wanted, mark))
}

fn decision(text: &str) -> Result<String, Problem> {
    if DECISIONS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Problem::invalid("?decision", format!("Expected one of {}.", DECISIONS.join(", "))))
}

fn outcome(text: &str) -> Result<OutcomeKind, Problem> {
    use OutcomeKind::{Done, Failed, Moved, Nothing, Refused, Waiting};
    let all = [Done, Nothing, Waiting, Failed, Moved, Refused];
    all.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
        let names = all.map(OutcomeKind::name).join(", ");
        Problem::invalid("?outcome", format!("Expected one of {names}."))
    })
}
