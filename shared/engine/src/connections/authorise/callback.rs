//! The way back from Microsoft: a browser brings a code, a refusal, or news of consent (C6).

use std::sync::Arc;

use plan::document::{Document, Mistake};
use plan::failure::{Failure, Kind, sign_in_advice};
use plan::ids::ConnectionId;

use super::super::{Refusal, missing};
use super::permissions::{PermissionReport, probe};
use super::sign_in::{Attempt, SignInOutcome, connection_in};
use crate::Engine;
use crate::graph::{NotSignedIn, aadsts_in, error_word};
use crate::meter::Meter;
use crate::secrets::SecretString;
use crate::store::{Commit, Expect, Versioned, keys, put};

/// What a browser brought, none of it trusted.
#[derive(Debug, Default)]
pub struct Brought {
    /// The state that was handed out.
    pub state: Option<SecretString>,
    /// What tokens are given for.
    pub code: Option<SecretString>,
    /// Why there is no code: a word.
    pub error: Option<String>,
    /// The same in a text that begins with the AADSTS number.
    pub error_description: Option<String>,
    /// Whether it comes from the page for an administrator's consent.
    pub admin_consent: bool,
}

/// What came of it, for whoever sits before the browser.
#[derive(Clone, Debug)]
pub enum Landed {
    /// The connection is authorised.
    Authorised {
        /// Which.
        connection: ConnectionId,
        /// All permissions, needed or not.
        permissions: Vec<PermissionReport>,
        /// What could not be found in Entra.
        warnings: Vec<Mistake>,
    },
    /// Microsoft says that an administrator consented. Whether that is so, authorising tells.
    Consented {
        /// For which connection, if its state came along.
        connection: Option<ConnectionId>,
    },
    /// Nothing came of it.
    Refused {
        /// AADSTS number, where Microsoft gave one.
        code: Option<u32>,
        /// What happened.
        what: String,
        /// What to do.
        advice: String,
        /// All permissions, where they were tried.
        permissions: Vec<PermissionReport>,
    },
}

impl Landed {
    fn refused(code: Option<u32>, what: impl Into<String>, advice: &str) -> Self {
        Landed::Refused { code, what: what.into(), advice: advice.to_owned(), permissions: vec![] }
    }
}

const AGAIN: &str = "Authorise the connection again and go through the new sign-in.";

impl Engine {
    /// Takes what a browser brought back from Microsoft. Only a state that was handed out in the last
    /// ten minutes, and was not brought before, leads anywhere; the `tenant` that Microsoft adds proves
    /// nothing and is not looked at.
    ///
    /// Killed anywhere, the connection is as it was or authorised, and another sign-in may begin: the
    /// state is used up first, the new refresh token is kept before it replaces anything that works, and
    /// the connection is authorised in one transaction at the end.
    pub async fn callback(&self, brought: Brought) -> Result<Landed, Refusal> {
        self.module_is_on().await?;
        let open = match &brought.state {
            Some(state) => self.open_attempt(state).await?,
            None => None,
        };
        let refusal = refusal_in(&brought);
        if brought.admin_consent {
            // Nothing is changed by it, so the state stays good for the sign-in.
            let connection = open.and_then(|_| connection_in(brought.state.as_ref()?));
            return Ok(refusal.unwrap_or(Landed::Consented { connection }));
        }
        let Some((id, attempt)) = open else {
            return Ok(Landed::refused(
                None,
                "This is not the end of a sign-in that was begun here in the last ten minutes, or it was loaded before.",
                AGAIN,
            ));
        };
        if !self.end_attempt(&id, &attempt, SignInOutcome::Tried).await? {
            let what = "Another sign-in for this connection was begun or ended meanwhile.";
            return Ok(Landed::refused(None, what, AGAIN));
        }
        let landed = match (refusal, brought.code) {
            (Some(refused), _) => refused,
            (None, Some(code)) => self.complete(&id, &attempt.value, &code).await?,
            (None, None) => Landed::refused(None, "Microsoft sent no code.", AGAIN),
        };
        if let Landed::Refused { code, what, advice, .. } = &landed {
            let detail = format!("{what} {advice}");
            let failed = attempt.value.with(SignInOutcome::Failed { code: *code, detail });
            self.store.write_all(&[put(keys::attempt(&id), &failed, Expect::Anything)?]).await?;
        }
        Ok(landed)
    }

    /// `false` = somebody else was faster.
    async fn end_attempt(
        &self,
        id: &ConnectionId,
        attempt: &Versioned<Attempt>,
        outcome: SignInOutcome,
    ) -> Result<bool, Refusal> {
        let next = attempt.value.with(outcome);
        let write = put(keys::attempt(id), &next, attempt.unchanged())?;
        Ok(self.store.commit(&[write]).await? == Commit::Done)
    }

    /// Turns the code into a session, tries the permissions, and authorises the connection.
    async fn complete(
        &self,
        id: &ConnectionId,
        attempt: &Attempt,
        code: &SecretString,
    ) -> Result<Landed, Refusal> {
        let (saved, _) = self.load(id).await?;
        let document = &saved.value.document;
        let verifier = self.take_verifier(id, attempt).await?;
        let (Some(verifier), Some(credentials)) = (verifier, self.credentials(id).await?) else {
            let what = "The connection was changed since the sign-in was begun.";
            return Ok(Landed::refused(None, what, AGAIN));
        };
        let behalf = self.behalf(document);
        let graph = self.graph_with(document, credentials, behalf, Arc::new(Meter::default()));
        let redirect_uri = self.redirect_uri()?;
        let signed_in = match graph.sign_in_with(code, &verifier, &redirect_uri).await {
            Ok(signed_in) => signed_in,
            Err(error) => return not_signed_in(error),
        };
        let permissions = match probe(&graph, document).await {
            Ok(permissions) => permissions,
            Err(failure) => {
                graph.take_back(&signed_in).await?;
                return Ok(failed(&failure));
            }
        };
        if permissions.iter().any(PermissionReport::is_lacking) {
            graph.take_back(&signed_in).await?;
            return Ok(lacking(document, permissions));
        }
        let done =
            put(keys::attempt(id), &attempt.with(SignInOutcome::Authorised), Expect::Anything)?;
        match self.conclude(&attempt.who, id, &graph, permissions, Some(done)).await {
            Ok(authorised) => Ok(Landed::Authorised {
                connection: id.clone(),
                permissions: authorised.permissions,
                warnings: authorised.connection.warnings,
            }),
            Err(Refusal::SignIn(failure) | Refusal::Unreachable(failure)) => Ok(failed(&failure)),
            Err(other) => Err(other),
        }
    }
}

/// What Microsoft refused, in our own words: its text is not passed on.
fn refusal_in(brought: &Brought) -> Option<Landed> {
    let error = brought.error.as_deref()?;
    let code = brought.error_description.as_deref().and_then(aadsts_in);
    let error = error_word(error);
    let what = format!("Microsoft ended the sign-in without access ({error}).");
    Some(Landed::refused(code, what, sign_in_advice(code, error)))
}

fn not_signed_in(error: NotSignedIn) -> Result<Landed, Refusal> {
    let advice = match error {
        NotSignedIn::Ours(error) => return Err(error.into()),
        NotSignedIn::Refused(failure) => return Ok(failed(&failure)),
        NotSignedIn::OtherTenant => "Authorise again and sign in with an account of the tenant.",
        NotSignedIn::NotLasting => {
            "Add offline_access to the delegated permissions of the app registration, grant consent, and authorise again."
        }
    };
    Ok(Landed::refused(None, error.to_string(), advice))
}

fn failed(failure: &Failure) -> Landed {
    let Kind::Credentials { code, error } = &failure.kind else {
        return Landed::refused(None, failure.sentence(), AGAIN);
    };
    let what = format!("Microsoft did not complete the sign-in ({error}).");
    Landed::refused(*code, what, sign_in_advice(*code, error))
}

fn lacking(document: &Document, permissions: Vec<PermissionReport>) -> Landed {
    let what = format!(
        "The sign-in works, but {} missing, so the connection stays as it was.",
        missing(&permissions)
    );
    let advice = format!(
        "Grant the missing permissions to the application {} as delegated permissions, with admin consent, and authorise again.",
        document.auth.client_id
    );
    Landed::Refused { code: None, what, advice, permissions }
}
