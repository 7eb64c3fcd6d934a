//! Single sign-on (O1–O4): people of Entra sign in here, and the sessions that they get.
//!
//! A session is not a way into the API: whoever keeps the cookie looks up the [`Session`] and hands its
//! caller to the routes in the same process (see `web::caller`).
//!
//! | file | does |
//! |---|---|
//! | `settings` | how people sign in here (O1, O2) |
//! | `flow` | a sign-in at Microsoft, from the first click to the way back |
//! | `people` | who that is here, and what they may do |
//! | `sessions` | sessions from their beginning to their end, and the operator's way (O4) |

mod flow;
mod people;
mod sessions;
mod settings;

use std::fmt::Display;

use jiff::Timestamp;
use plan::sign_on::Refusal;

pub use settings::{SettingsStatus, ShownSettings};

use crate::Engine;
use crate::secrets::SecretString;
use crate::web::{Caller, Problem};

/// Where Microsoft sends browsers back to, below the deployment's own address (O1). The cookie of a
/// sign-in that was begun has to reach it from Microsoft's page, so it is `SameSite=Lax`.
pub const CALLBACK: &str = "console/sign-in/callback";
/// Where Microsoft sends browsers whose session there was ended as well. It must not begin a sign-in.
pub const SIGNED_OUT: &str = "console/signed-out";

/// What the page before the sign-in shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The name of the sign-in connection.
    pub name: String,
    /// Whether Microsoft is offered (O2).
    pub microsoft: bool,
    /// Whether to go there without showing anything (O2). Not after a refusal or a sign-out: a browser
    /// would go in circles.
    pub at_once: bool,
    /// Whether the operator's way is open (O4).
    pub operator: bool,
}

/// A sign-in that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Microsoft's page.
    pub url: String,
    /// What this browser keeps in a cookie until it is back; without it the sign-in cannot be ended.
    pub browser: SecretString,
    /// Until when it has to be back.
    pub expires_at: Timestamp,
}

/// What a browser brings back from Microsoft, none of it trusted.
#[derive(Clone, Debug, Default)]
pub struct Returned {
    /// The state that was handed out.
    pub state: Option<SecretString>,
    /// What a token is given for.
    pub code: Option<SecretString>,
    /// Why there is no code: a word.
    pub error: Option<String>,
    /// The same in a text that begins with the AADSTS number.
    pub error_description: Option<String>,
    /// The cookie of the sign-in that was begun.
    pub browser: Option<SecretString>,
    /// The cookie of an earlier session, which ends when the new one begins.
    pub session: Option<SecretString>,
}

/// Somebody who is signed in from now on.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What the browser keeps in a cookie.
    pub cookie: SecretString,
    /// When the session ends, however busy it is.
    pub expires_at: Timestamp,
    /// A page of the console to go on with: a path with query, below `/console`.
    pub to: String,
}

/// Who is signed in, as our store says.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who they are for the API.
    pub caller: Caller,
    /// Their name for people.
    pub name: String,
    /// What each form has to send along.
    pub csrf: SecretString,
    /// When it ends, however busy it is.
    pub expires_at: Timestamp,
}

/// Who comes with a cookie.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// Somebody who is signed in.
    SignedIn(Box<Session>),
    /// Somebody who was, and why they are not let in any more; the session is over.
    NoLonger(Refusal),
    /// Somebody without a session, or whose session ended.
    Nobody,
}

impl Engine {
    /// What the page before the sign-in shows. `client` is a client of Halo whose people a link is for
    /// (O2): our page knows no person yet, so it is the link that says so.
    pub async fn sign_in_offer(&self, client: Option<i64>) -> Result<Offer, Problem> {
        let ShownSettings { settings, status, .. } = self.sign_on_settings().await?;
        Ok(Offer {
            microsoft: status.usable,
            at_once: status.usable && settings.sends_at_once(client),
            operator: status.operator_way,
            name: settings.name,
        })
    }
}

/// Our own storage failed: the person is told that, and the log what it was.
fn ours(error: impl Display) -> Refusal {
    tracing::error!("{error}");
    Refusal::OurStorage
}
