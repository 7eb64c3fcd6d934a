//! Routes with which the deployment is run: the module switch (C11), and resets of deltas (D4).

use axum::extract::State;
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::Reset;
use engine::module::Switch;
use engine::web::api::{Changing, IdempotencyKey, OfConnection, Usual};
use engine::web::{Caller, JsonBody, Path, Problem, Query};
use plan::reset::{LetGo, Mode, Stream};
use plan::schedule::Module;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnOff {
    /// Timers, imports and writes happen.
    On,
    /// Nothing happens.
    Off,
}

impl From<Module> for OnOff {
    fn from(module: Module) -> Self {
        match module {
            Module::On => OnOff::On,
            Module::Off => OnOff::Off,
        }
    }
}

/// The module switch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModuleSwitch)]
pub(crate) struct ModuleShown {
    /// Whether the integration is on: both switches are.
    state: OnOff,
    /// The deployment's own switch (`HALO_ENTRA_MODULE`), which is final.
    deployment: OnOff,
    /// Who turned the switch here last; `null` where nobody ever did.
    #[schema(required)]
    by: Option<String>,
    /// When that was, in UTC.
    #[schema(required)]
    since: Option<String>,
}

impl From<Switch> for ModuleShown {
    fn from(switch: Switch) -> Self {
        let (state, deployment) = (switch.state().into(), switch.deployment.into());
        let (by, since) = switch.turned.map(|it| (it.by, it.since.to_string())).unzip();
        Self { state, deployment, by, since }
    }
}

/// How the switch is to stand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModuleRequest)]
pub(crate) struct ModuleBody {
    state: OnOff,
}

/// Whether the integration is switched on, and who switched it (C11)
#[utoipa::path(get, path = "/v1/module", tag = "deployment",
    responses((status = 200, description = "The switch", body = ModuleShown), Usual))]
pub(crate) async fn module(
    State(engine): State<Engine>,
    query: Query,
) -> Result<Json<ModuleShown>, Problem> {
    query.only(&[])?;
    Ok(Json(engine.module().await?.into()))
}

/// Switches the whole integration on or off (C11)
///
/// Off, no timer, import or write happens; steps in hand end their portion first. On again, everything
/// goes on where it was. It cannot be switched on here while the deployment's own switch is off.
#[utoipa::path(put, path = "/v1/module", tag = "deployment", request_body = ModuleBody,
    responses((status = 200, description = "The switch", body = ModuleShown), Changing))]
pub(crate) async fn turn_module(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<ModuleBody>,
) -> Result<Json<ModuleShown>, Problem> {
    let to = match body.state {
        OnOff::On => Module::On,
        OnOff::Off => Module::Off,
    };
    Ok(Json(engine.turn_module(&caller.name, to).await?.into()))
}

/// How deltas are reset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResetRequest)]
pub(crate) struct ResetBody {
    mode: ModeWord,
}

/// What becomes of the stored positions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ResetMode)]
enum ModeWord {
    /// They are forgotten: the next run that reads reads everybody.
    Clear,
    /// They start from now: what is waiting is skipped.
    Latest,
}

/// What a reset did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeltaReset)]
pub(crate) struct ResetShown {
    mode: ModeWord,
    /// The positions that were forgotten or skipped; none where nothing was read yet.
    streams: Vec<StreamShown>,
}

/// A position that was forgotten or skipped.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SkippedStream)]
struct StreamShown {
    /// What the stream tells of.
    stream: StreamWord,
    /// When Graph gave the link, in UTC; `null` in the middle of a round.
    #[schema(required)]
    since: Option<String>,
    /// How old it was.
    #[schema(required)]
    age_seconds: Option<i64>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StreamKind)]
enum StreamWord {
    Users,
    Groups,
}

impl ResetShown {
    fn of(reset: &Reset) -> Self {
        let stream = |it: &LetGo| StreamShown {
            stream: match it.stream {
                Stream::Users => StreamWord::Users,
                Stream::Groups(_) => StreamWord::Groups,
            },
            since: it.since.map(|since| since.to_string()),
            age_seconds: it.age(reset.at).map(|age| age.as_secs()),
        };
        let mode = match reset.mode {
            Mode::Clear => ModeWord::Clear,
            Mode::Latest => ModeWord::Latest,
        };
        Self { mode, streams: reset.let_go.iter().map(stream).collect() }
    }
}

/// Forgets where reading Entra stands, or moves it to now (D4)
///
/// Nothing is started: `clear` makes the next run that reads read everybody; `latest` skips what
/// waits, which the next full read makes good. 409 `busy` while a run reads. Who did it, and how old the
/// links were, is kept in the audit.
#[utoipa::path(post, path = "/v1/connections/{id}/deltas/reset", tag = "imports",
    params(OfConnection, IdempotencyKey),
    request_body = ResetBody,
    responses((status = 200, description = "What was forgotten or skipped", body = ResetShown), Changing))]
pub(crate) async fn reset(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    JsonBody(body): JsonBody<ResetBody>,
) -> Result<Json<ResetShown>, Problem> {
    let mode = match body.mode {
        ModeWord::Clear => Mode::Clear,
        ModeWord::Latest => Mode::Latest,
    };
    let reset = engine.reset_deltas(&caller.name, &path.connection()?, mode).await?;
    Ok(Json(ResetShown::of(&reset)))
}
