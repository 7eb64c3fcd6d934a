//! A page for each problem that the API, the console or a sign-in may have: what it means and what to do.
//! They are open to all, because whoever is not let in needs them most; they tell nothing of anybody.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::web::ProblemType;
use maud::{Markup, html};
use plan::sign_on::{Refusal, TokenFault, Unfit};

use crate::api::Trouble;
use crate::layout::{alone, trouble};

/// What a problem means, and what to do about it.
struct Advice {
    kind: &'static str,
    status: u16,
    means: &'static str,
    to_do: &'static str,
}

/// Lists the problems of the API. One that is not listed does not compile.
macro_rules! problems {
    ($($kind:ident: $means:literal, $to_do:literal;)*) => {
        fn of_the_api() -> Vec<Advice> {
            let words = |kind: ProblemType| match kind {
                $(ProblemType::$kind => ($means, $to_do),)*
            };
            let all = [$(ProblemType::$kind),*].into_iter();
            all.map(|it| {
                let (means, to_do) = words(it);
                Advice { kind: it.name(), status: it.status().as_u16(), means, to_do }
            }).collect()
        }
    };
}

problems! {
    MalformedJson: "What was sent is not JSON.", "Check quotes, commas and brackets; the detail says where reading stopped.";
    InvalidRequest: "A field of the form, or a part of the query, is not as it is expected.", "The message names the field and what it takes. Nothing was changed.";
    InvalidCursor: "The link to a further page belongs to another list, or to other filters.", "Go back to the first page of the list.";
    Unauthenticated: "No token was sent, or none that counts.", "Sign in again. Scripts send the header Authorization: Bearer with a token of the deployment.";
    InvalidSignature: "A request for a licence was not signed with the licence signing key.", "Enter the same key in Halo's webhook and here, and sign time, a full stop and the body.";
    StaleSignature: "A request for a licence was signed more than five minutes ago, or by a clock that is ahead.", "Set the clock of whoever signs, and sign each call anew.";
    Reauthorise: "Entra refused the credentials of the connection during a run, so its schedule stopped.", "Open the connection's Details, enter new credentials if they expired, and authorise it again. Then the schedule goes on by itself.";
    Forbidden: "Your role does not allow this.", "Ask somebody with the role administrator. In Halo that is an agent with an administrator role; for scripts it is the role in the token.";
    NotFound: "There is no such connection, person, run, licence or preview.", "People are known from the first read on, previews for a day. Check the spelling, or search from the connection's pages.";
    MethodNotAllowed: "The address takes other methods.", "The API's description at /v1/openapi.json lists them.";
    Exists: "A connection has this id or name already, or one of this id is still being removed.", "Choose another id, or repeat the removal until it is over.";
    NotAuthorised: "The connection is not authorised yet, so nothing can be read or imported.", "Open its Details, enter the credentials and authorise it.";
    Disabled: "The connection is switched off.", "Switch it on under Details.";
    ModuleOff: "The whole integration is switched off: no timer, import or write happens.", "Switch it on on the page Halo. If it says that the deployment's own switch is off, the operator sets HALO_ENTRA_MODULE.";
    PlanRefused: "The preview is not complete, older than a day, or of other rules than those that are saved.", "Make a new preview, and import that.";
    NotConfigured: "A setting of the deployment is missing.", "The message says which; the operator sets it.";
    SigningKeyMissing: "Nobody entered the key with which Halo signs its requests for licences.", "An administrator enters the licence signing key, and the same in Halo.";
    ManagingIsOff: "The connection takes no requests for licences from Halo.", "Switch on managing licences from Halo under Advanced, with a client that they belong to.";
    RequestReused: "A request of this name came before and asked for something else.", "Give each request a name of its own, such as the number of its ticket.";
    Busy: "Somebody else changed the same thing at the same moment, or a run reads just now.", "Try again in a moment. Nothing was changed.";
    StaleRevision: "Somebody saved the settings after you opened them.", "Load what is saved now and make your change again; what you filled in is still on the page.";
    RevisionRequired: "A change has to name the revision that it is based on.", "Scripts send If-Match with the ETag that they read.";
    TooLarge: "More was sent than is taken at once.", "Send less at a time.";
    KeyReused: "The key of this call came with another content before.", "Reload the page and send the form again; scripts take a new Idempotency-Key.";
    InvalidDocument: "The settings have mistakes, and nothing was saved.", "Each mistake stands beside its field, with its path. Correct all of them and save.";
    LinkRefused: "The Halo record cannot stand for this person: it is not there, stands for nobody, or is somebody else's.", "The message says which. Cut the other person's link first, or choose another record.";
    UnknownLicence: "The licence is none that a connection imported.", "Import the licences first, and use the number that they have in Halo.";
    TooManyOpen: "Many requests for licences wait to be carried out.", "Wait a minute and send it again.";
    CredentialsMissing: "Nobody entered credentials for the connection.", "Enter the client secret or the certificate under Details.";
    SignInFailed: "The tenant refused the credentials.", "The AADSTS code says why: mostly the secret is wrong or expired, the client id is of another tenant, or consent is missing. What you entered was not kept.";
    PermissionMissing: "The app registration lacks a permission without which nothing can be imported.", "Add the permissions that are listed as missing, grant admin consent, and authorise again.";
    ServiceUnavailable: "Entra or Halo cannot be reached, or the request budget is used up.", "Try again in some minutes. Imports by schedule try again by themselves; nothing is lost.";
    BackendUnavailable: "Our own storage, queue or secret store failed.", "Try again. If it stays, the page Halo shows what does not answer, and the log of the deployment why.";
}

/// Problems that the console has besides.
const OF_THE_CONSOLE: [Advice; 2] = [
    Advice {
        kind: "foreign_form",
        status: 403,
        means: "The form was not sent by a page of your present session: you signed in again meanwhile, or another site tried to send it.",
        to_do: "Reload the page and send the form again. Nothing was changed.",
    },
    Advice {
        kind: "internal",
        status: 500,
        means: "The console could not carry out the request.",
        to_do: "Try again. If it stays, the log of the deployment says why.",
    },
];

/// Lists the refusals of a sign-in. One that is not listed does not compile.
macro_rules! refusals {
    (Plain: [$($plain:ident $({ $($field:ident: $value:expr),* })?;)*]; Token: $($fault:ident)*; Person: $($unfit:ident)*;) => {
        fn of_the_sign_in() -> Vec<Refusal> {
            let is_listed = |refusal: &Refusal| match refusal {
                $(Refusal::$plain { .. } => true,)*
                Refusal::Token(fault) => match fault { $(TokenFault::$fault)|* => true },
                Refusal::Person(unfit) => match unfit { $(Unfit::$unfit)|* => true },
            };
            let all = vec![
                $(Refusal::$plain $({ $($field: $value),* })?,)*
                $(Refusal::Token(TokenFault::$fault),)*
                $(Refusal::Person(Unfit::$unfit),)*
            ];
            all.into_iter().filter(is_listed).collect()
        }
    };
}

refusals! {
    Plain: [NotPublished; NoPublicUrl; SecretMissing; TooMany { retry_after: 60 }; StateMissing; StateUnknown;
    OtherBrowser; SettingsChanged; Microsoft { code: None, error: String::new() }; NoCode;
    MicrosoftUnavailable; HaloUnavailable; OperatorOff; OperatorToken; OurStorage;];
    Token: Unreadable Algorithm Key Signature KeyIssuer Tenant Issuer Audience Expired NotYet Nonce ObjectId;
    Person: PersonalAccount OtherTenant Unknown Deleted Disabled InConflict Parked NotLinked Inactive
        AgentsOnly UsersOnly;
}

pub(crate) async fn show(Path(kind): Path<String>) -> Response {
    let said = of_kind(&kind);
    if said.is_empty() {
        return trouble(&Trouble::nowhere()).into_response();
    }
    let title = format!("Problem: {}", kind.replace('_', " "));
    let body = html! {
        @for one in &said { (one) }
        p { a href="/console/problems" { "All problems" } " · " a href="/console" { "To the console" } }
    };
    alone(StatusCode::OK, &title, &body).into_response()
}

/// What is said of a kind of problem. One word may be used by the API and by the sign-in.
fn of_kind(kind: &str) -> Vec<Markup> {
    let advice = of_the_api().into_iter().chain(OF_THE_CONSOLE).filter(|it| it.kind == kind);
    let refused = of_the_sign_in().into_iter().filter(|it| it.name() == kind);
    let advice = advice.map(|it| {
        html! { div.card { h2 { "What it means" } p { (it.means) } h2 { "What to do" } p { (it.to_do) }
            p.faint { "The API answers it with status " (it.status) "." } } }
    });
    let refused = refused.map(|it| {
        html! { div.card { h2 { "At the sign-in" } p { (it.sentence()) } h2 { "What to do then" } p { (it.advice()) }
            p.faint { "Rule " (it.rule()) "." } } }
    });
    advice.chain(refused).collect()
}

pub(crate) async fn list() -> Response {
    let of = |title: &str, kinds: Vec<(&'static str, String)>| {
        html! { h2 { (title) } dl.problems { @for (kind, means) in kinds {
            dt { a href={ "/console/problems/" (kind) } { (kind.replace('_', " ")) } } dd { (means) }
        } } }
    };
    let api = of_the_api().into_iter().chain(OF_THE_CONSOLE);
    let body = html! {
        (of("Of the console and the API", api.map(|it| (it.kind, it.means.to_owned())).collect()))
        (of("At the sign-in", of_the_sign_in().iter().map(|it| (it.name(), it.sentence())).collect()))
    };
    alone(StatusCode::OK, "Problems, and what to do", &body).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_problem_has_a_page_of_its_own() {
        let kinds: Vec<&str> =
            of_the_api().iter().chain(&OF_THE_CONSOLE).map(|it| it.kind).collect();
        let names: Vec<&str> = of_the_sign_in().iter().map(Refusal::name).collect();
        for all in [&kinds, &names] {
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each once: {all:?}");
        }
        for kind in kinds.into_iter().chain(names) {
            let page: String = of_kind(kind).into_iter().map(Markup::into_string).collect();
            assert!(page.contains("What to do"), "{kind}");
            assert!(!page.contains("<p></p>"), "{kind}: {page}");
        }
        assert!(of_kind("nonsense").is_empty());
        assert_eq!(of_kind("disabled").len(), 2, "a connection may be, and an account");
    }

    #[test]
    fn advice_is_in_sentences() {
        for it in of_the_api().iter().chain(&OF_THE_CONSOLE) {
            assert!(it.means.ends_with('.') && it.to_do.ends_with('.'), "{}", it.kind);
        }
    }
}
