//! How long a session lasts, and when it is looked at again; and where a sign-in may lead (O3).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Oneself, Role, Standing};
use crate::ids::RecordId;

/// How long a sign-in at Microsoft may take: its code lives about as long.
pub const SIGN_IN_TAKES: SignedDuration = SignedDuration::from_mins(10);
/// A session ends after so long without a request.
const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// A session ends after so long, however busy it is.
const LONGEST: SignedDuration = SignedDuration::from_hours(8);
/// Requests are noted once in so long, to write seldom: a session may end so much earlier.
const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(3);
/// Halo is asked again what an agent may do after so long: each asking costs one of its requests.
const ASKED_EVERY: SignedDuration = SignedDuration::from_mins(15);
/// For so long what Halo said last counts while it cannot be asked.
const TRUSTED: SignedDuration = SignedDuration::from_hours(1);

/// The times of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When it began.
    pub begun: Timestamp,
    /// When the last noted request came.
    pub seen: Timestamp,
    /// When Halo said last what an agent may do; when it began, for others.
    pub asked: Timestamp,
}

impl Times {
    /// Those of a session that begins.
    pub fn new(now: Timestamp) -> Self {
        Self { begun: now, seen: now, asked: now }
    }

    /// When it ends however busy it is.
    pub fn ends(&self) -> Timestamp {
        later(self.begun, LONGEST)
    }

    /// When it ends without another request.
    pub fn until(&self) -> Timestamp {
        later(self.seen, IDLE).min(self.ends())
    }

    /// Whether it is over, or was ended by somebody who said so at one of these times. What began in the
    /// same instant is ended as well.
    pub fn is_over(&self, now: Timestamp, revoked: impl IntoIterator<Item = Timestamp>) -> bool {
        now >= self.until() || revoked.into_iter().any(|at| self.begun <= at)
    }

    /// Whether a request at this time is to be noted.
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        now >= later(self.seen, NOTED_EVERY)
    }
}

/// What is to be done about the role of a session whose person still stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// It stays.
    Keep,
    /// It becomes this one.
    Set(Role),
    /// Halo is asked what the agent may do.
    Ask {
        /// Which agent.
        agent: RecordId,
        /// As whom they go on where Halo says that the agent is none any more.
        otherwise: Option<Oneself>,
        /// Whether the role stays while Halo cannot be asked.
        trusted: bool,
    },
}

/// Looks at a session's role again. `same_settings` = it was found by the present settings.
pub fn review(
    role: &Role,
    standing: Standing,
    times: &Times,
    same_settings: bool,
    now: Timestamp,
) -> Review {
    match standing {
        Standing::User(oneself) if *role == Role::Person(oneself.clone()) => Review::Keep,
        Standing::User(oneself) => Review::Set(Role::Person(oneself)),
        Standing::Agent { agent, otherwise } => {
            let fits = match role {
                Role::Administrator | Role::Reader => true,
                Role::Person(oneself) => otherwise.as_ref() == Some(oneself),
            };
            if fits && same_settings && now < later(times.asked, ASKED_EVERY) {
                return Review::Keep;
            }
            let trusted = fits && same_settings && now < later(times.asked, TRUSTED);
            Review::Ask { agent, otherwise, trusted }
        }
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// The console.
const CONSOLE: &str = "/console";
/// Pages of the sign-in itself, which nobody is sent to behind it.
const OF_SIGNING_IN: [&str; 2] = ["/console/sign-in", "/console/signed-out"];
/// The longest path that is kept.
const LONGEST_PATH: usize = 500;

/// Where to go on after a sign-in: a page of the console, whatever was asked for.
pub fn landing(asked: Option<&str>) -> String {
    asked.filter(|path| is_page(path)).unwrap_or(CONSOLE).to_owned()
}

fn is_page(path: &str) -> bool {
    let below = |base: &str| {
        path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let folders = path.split('?').next().unwrap_or_default();
    let climbs = folders.contains("//")
        || folders
            .split('/')
            .any(|part| matches!(part.to_lowercase().replace("%2e", ".").as_str(), "." | ".."));
    path.len() <= LONGEST_PATH
        && plain
        && !climbs
        && below(CONSOLE)
        && !OF_SIGNING_IN.into_iter().any(below)
}
