//! Every way of not being let in, with the rule that refuses it, what happened, and what to do.

use crate::failure::sign_in_advice;

/// Why somebody is not signed in. Nothing of it repeats what a token said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody can sign in with Microsoft here (O2).
    NotPublished,
    /// Nobody said where browsers reach this deployment (O1).
    NoPublicUrl,
    /// Nobody entered the secret of the application (O1).
    SecretMissing,
    /// More sign-ins are begun or brought back than are taken in.
    TooMany {
        /// Seconds until it is worth another try.
        retry_after: u32,
    },
    /// The browser brought no state back.
    StateMissing,
    /// The state is none that was handed out in the last ten minutes and not brought back since.
    StateUnknown,
    /// The browser is not the one that began the sign-in.
    OtherBrowser,
    /// The settings were changed while somebody signed in.
    SettingsChanged,
    /// Microsoft ended the sign-in without a code, or did not take the code.
    Microsoft {
        /// AADSTS number, where it gave one.
        code: Option<u32>,
        /// Its word for it.
        error: String,
    },
    /// The browser brought neither a code nor an error.
    NoCode,
    /// Microsoft cannot be asked.
    MicrosoftUnavailable,
    /// The ID token proves nothing.
    Token(TokenFault),
    /// It is clear who it is, and they are not let in.
    Person(Unfit),
    /// Halo, which has to say what an agent may do, cannot be asked.
    HaloUnavailable,
    /// The operator's way is not open here (O4).
    OperatorOff,
    /// The operator's token is another one (O4).
    OperatorToken,
    /// Our own storage failed.
    OurStorage,
}

/// Why an ID token proves nothing (O3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// There is none in the answer, or something that is none.
    Unreadable,
    /// It is not signed by RS256: not at all, or in a way that others could.
    Algorithm,
    /// The key that it names is none of the issuer's.
    Key,
    /// The signature is not that of the key.
    Signature,
    /// The key is one with which the issuer signs for others.
    KeyIssuer,
    /// It names no tenant.
    Tenant,
    /// It is of another issuer than its tenant's.
    Issuer,
    /// It is for another application.
    Audience,
    /// It is too old.
    Expired,
    /// It is of a later time than now.
    NotYet,
    /// It is not of the sign-in that was begun here.
    Nonce,
    /// It does not say who it is.
    ObjectId,
}

/// Why somebody whom Microsoft vouches for is not let in (O1–O3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A personal account.
    PersonalAccount,
    /// The account is of a tenant that is not let in.
    OtherTenant,
    /// No connection imports the tenant's people, or none has read this one.
    Unknown,
    /// Deleted in Entra.
    Deleted,
    /// The account is disabled in Entra.
    Disabled,
    /// Somebody has to choose first which record of Halo it is.
    InConflict,
    /// Could not be imported.
    Parked,
    /// Nobody in Halo.
    NotLinked,
    /// Inactive in Halo.
    Inactive,
    /// Only agents are let in, and this is a user.
    AgentsOnly,
    /// Only users are let in, and this is an agent.
    UsersOnly,
}

/// A word that stays the same, the rule that refuses, what happened, and what to do.
type Words = (&'static str, &'static str, &'static str, &'static str);

const AGAIN: &str = "Go back to the sign-in page and begin again.";
const WAIT: &str = "Try again in a minute.";

impl Refusal {
    /// A word for logs and pages that stays the same.
    pub fn name(&self) -> &'static str {
        self.words().0
    }

    /// The rule that refuses.
    pub fn rule(&self) -> &'static str {
        self.words().1
    }

    /// What happened, for the person before the browser.
    pub fn sentence(&self) -> String {
        let Refusal::Microsoft { code, error } = self else { return self.words().2.to_owned() };
        let code = code.map(|code| format!(", AADSTS{code}")).unwrap_or_default();
        format!("Microsoft did not complete the sign-in ({error}{code}).")
    }

    /// What the person or an administrator does about it.
    pub fn advice(&self) -> &'static str {
        if let Refusal::Microsoft { code: code @ Some(_), error } = self {
            return sign_in_advice(*code, error);
        }
        self.words().3
    }

    /// Seconds until it is worth another try, where waiting helps.
    pub fn retry_after(&self) -> Option<u32> {
        if let Refusal::TooMany { retry_after } = self { Some(*retry_after) } else { None }
    }

    fn words(&self) -> Words {
        match self {
            Refusal::NotPublished => (
                "not_published",
                "O2",
                "Signing in with Microsoft is not switched on here.",
                "An administrator completes the sign-in settings and sets published to true.",
            ),
            Refusal::NoPublicUrl => (
                "no_public_url",
                "O1",
                "This deployment does not know its own address, so Microsoft could not send anybody back.",
                "The operator sets HALO_ENTRA_PUBLIC_URL to the address at which browsers reach it.",
            ),
            Refusal::SecretMissing => (
                "secret_missing",
                "O1",
                "The application that people sign in to has no secret here.",
                "An administrator enters the client secret in the sign-in settings.",
            ),
            Refusal::TooMany { .. } => {
                ("too_many", "O3", "There are too many sign-ins at the moment.", WAIT)
            }
            Refusal::StateMissing => (
                "state_missing",
                "O3",
                "This is not the end of a sign-in: the browser brought no state.",
                AGAIN,
            ),
            Refusal::StateUnknown => (
                "state_unknown",
                "O3",
                "This is not the end of a sign-in that was begun here in the last ten minutes, or the page was loaded twice.",
                AGAIN,
            ),
            Refusal::OtherBrowser => (
                "other_browser",
                "O3",
                "The sign-in was begun in another browser, or this one keeps no cookies.",
                "Allow cookies for this address, and begin again in the browser that you go on with.",
            ),
            Refusal::SettingsChanged => {
                ("settings_changed", "O3", "The sign-in settings were changed meanwhile.", AGAIN)
            }
            Refusal::Microsoft { .. } => (
                "microsoft",
                "O3",
                "Microsoft did not complete the sign-in.",
                "Begin again and go through all of Microsoft's steps. If it stays, an administrator compares tenant, client id and redirect URI of the app registration with the sign-in settings.",
            ),
            Refusal::NoCode => {
                ("no_code", "O3", "Microsoft sent neither a code nor a reason.", AGAIN)
            }
            Refusal::MicrosoftUnavailable => {
                ("microsoft_unavailable", "O3", "Microsoft cannot be asked at the moment.", WAIT)
            }
            Refusal::Token(fault) => fault.words(),
            Refusal::Person(unfit) => unfit.words(),
            Refusal::HaloUnavailable => (
                "halo_unavailable",
                "O3",
                "Halo, which says what an agent may do here, cannot be asked at the moment.",
                WAIT,
            ),
            Refusal::OperatorOff => (
                "operator_off",
                "O4",
                "Signing in with the operator's token is not switched on here.",
                "The operator sets HALO_ENTRA_OPERATOR_SIGN_IN to on.",
            ),
            Refusal::OperatorToken => (
                "operator_token",
                "O4",
                "This is not the operator's token.",
                "Look up the token where the operator's manual says it is kept.",
            ),
            Refusal::OurStorage => (
                "our_storage",
                "O3",
                "Our own storage failed, and nobody was signed in.",
                "Try again in a minute; if it stays, the log of the deployment says why.",
            ),
        }
    }
}

/// What to do about a token that Microsoft would not have given.
const FORGED: &str = "Begin again. If it stays, the login service in the sign-in settings is not Microsoft's, or somebody tampers with sign-ins.";
/// What to do about clocks.
const CLOCKS: &str = "Begin again. If it stays, the clock of this deployment is wrong.";

impl TokenFault {
    fn words(self) -> Words {
        let (name, sentence, advice) = match self {
            TokenFault::Unreadable => {
                ("token_unreadable", "Microsoft's answer has no readable ID token.", FORGED)
            }
            TokenFault::Algorithm => {
                ("token_algorithm", "The ID token is not signed as Microsoft signs.", FORGED)
            }
            TokenFault::Key => {
                ("token_key", "The ID token is signed with a key that is not Microsoft's.", FORGED)
            }
            TokenFault::Signature => {
                ("token_signature", "The signature of the ID token is wrong.", FORGED)
            }
            TokenFault::KeyIssuer => (
                "token_key_issuer",
                "The ID token is signed with the key of another issuer.",
                FORGED,
            ),
            TokenFault::Tenant => ("token_tenant", "The ID token names no tenant.", FORGED),
            TokenFault::Issuer => ("token_issuer", "The ID token is of another issuer.", FORGED),
            TokenFault::Audience => (
                "token_audience",
                "The ID token is for another application.",
                "Begin again. If it stays, compare the client id in the sign-in settings with the app registration.",
            ),
            TokenFault::Expired => ("token_expired", "The ID token has expired.", CLOCKS),
            TokenFault::NotYet => ("token_not_yet", "The ID token is not valid yet.", CLOCKS),
            TokenFault::Nonce => {
                ("token_nonce", "The ID token is not that of this sign-in.", AGAIN)
            }
            TokenFault::ObjectId => (
                "token_object_id",
                "The ID token does not say who it is.",
                "Begin again. If it stays, grant the application the scope profile.",
            ),
        };
        (name, "O3", sentence, advice)
    }
}

impl Unfit {
    fn words(self) -> Words {
        match self {
            Unfit::PersonalAccount => (
                "personal_account",
                "O1",
                "Personal Microsoft accounts are not let in.",
                "Sign in with the account of your organisation.",
            ),
            Unfit::OtherTenant => (
                "other_tenant",
                "O1",
                "Accounts of this organisation are not let in.",
                "Sign in with another account, or have an administrator add the tenant to the sign-in settings.",
            ),
            Unfit::Unknown => (
                "unknown_person",
                "O3",
                "Nobody has imported this account.",
                "An administrator looks whether a connection of the tenant exists and has read its people.",
            ),
            Unfit::Deleted => (
                "deleted",
                "O3",
                "This account was deleted in Entra.",
                "An administrator restores it in Entra and imports it again.",
            ),
            Unfit::Disabled => (
                "disabled",
                "O3",
                "This account is disabled in Entra.",
                "An administrator enables it in Entra and imports it again.",
            ),
            Unfit::InConflict => (
                "in_conflict",
                "O3",
                "It is not decided yet who this account is in Halo.",
                "An administrator chooses the record among the connection's conflicts.",
            ),
            Unfit::Parked => (
                "parked",
                "O3",
                "This account could not be imported into Halo so far.",
                "An administrator reads in the inbound log why, and imports it again.",
            ),
            Unfit::NotLinked => (
                "not_linked",
                "O3",
                "This account is nobody in Halo.",
                "An administrator reads in the person's explanation which mapping failed, or links them.",
            ),
            Unfit::Inactive => (
                "inactive",
                "O3",
                "This account is inactive in Halo.",
                "An administrator makes the record in Halo active again.",
            ),
            Unfit::AgentsOnly => (
                "agents_only",
                "O2",
                "Only agents are let in here, and this account is not an active agent.",
                "An administrator allows users in the sign-in settings, or makes the person an agent in Halo.",
            ),
            Unfit::UsersOnly => (
                "users_only",
                "O2",
                "Only users are let in here, and this account is not an active user.",
                "An administrator allows agents in the sign-in settings.",
            ),
        }
    }
}
