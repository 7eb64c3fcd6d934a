//! What all pages have in common: head, navigation, messages, and the page of a problem.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::api::Trouble;
use crate::assets::ASSETS;
use crate::parts::local;
use crate::visit::Visit;

/// A whole page, ready to be sent.
#[derive(Debug)]
pub(crate) struct Page {
    status: StatusCode,
    html: Markup,
}

impl Page {
    /// With another status: a form that was not taken is no success.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
        (self.status, headers, self.html.into_string()).into_response()
    }
}

/// The tabs of a connection: what stands behind its address, and what it is called.
const TABS: [(&str, &str); 13] = [
    ("", "Overview"),
    ("/log", "Inbound log"),
    ("/people", "People"),
    ("/held", "Held"),
    ("/conflicts", "Conflicts"),
    ("/runs", "Runs"),
    ("/licences", "Licences"),
    ("/details", "Details"),
    ("/fields", "Field mappings"),
    ("/mappings", "Agent/user mappings"),
    ("/advanced", "Advanced"),
    ("/imports", "Imports"),
    ("/audit", "Audit"),
];

/// The pages of the whole deployment.
const SECTIONS: [(&str, &str); 4] = [
    ("/console", "Connections"),
    ("/console/halo", "Halo"),
    ("/console/sign-in-settings", "Sign-in"),
    ("/console/audit", "Settings audit"),
];

impl Visit {
    /// A page of the deployment.
    pub(crate) fn page(&self, title: &str, body: &Markup) -> Page {
        self.whole(title, &html! {}, body)
    }

    /// A page of a connection, below its tabs.
    pub(crate) fn page_of(&self, connection: &str, title: &str, body: &Markup) -> Page {
        let root = local(&["connections", connection]);
        let here = self.path();
        let is_here = |tab: &str| {
            let address = format!("{root}{tab}");
            here == address || (!tab.is_empty() && here.starts_with(&format!("{address}/")))
        };
        let tabs = html! {
            nav.tabs aria-label="Connection" {
                p.where { a href=(root) { bdi { (connection) } } }
                ul { @for (tab, name) in TABS {
                    li { a href={ (root) (tab) } aria-current=[is_here(tab).then_some("page")] { (name) } }
                } }
            }
        };
        self.whole(&format!("{title} · {connection}"), &tabs, body)
    }

    fn whole(&self, title: &str, tabs: &Markup, body: &Markup) -> Page {
        let here = self.path();
        let is_here = |address: &str| match address {
            "/console" => here == address || here.starts_with("/console/connections"),
            _ => here.starts_with(address),
        };
        let who = &self.session.caller.name;
        let person = self.person().is_some();
        let bar = html! {
            a.skip href="#content" { "Skip to the content" }
            header.bar {
                a.brand href="/console" { img src=(ASSETS.icon) alt="" width="24" height="24"; "halo-entra" }
                @if !person {
                    nav aria-label="Deployment" { ul { @for (address, name) in SECTIONS {
                        li { a href=(address) aria-current=[is_here(address).then_some("page")] { (name) } }
                    } } }
                }
                form.who method="post" action="/console/sign-out" {
                    input type="hidden" name="csrf" value=(self.csrf());
                    span title="Signed in as" { bdi { (who) } @if !self.administrates() && !person { " (may look)" } }
                    button.quiet { "Sign out" }
                }
            }
        };
        Page {
            status: StatusCode::OK,
            html: document(title, &bar, &html! { (tabs) main #content tabindex="-1" { (body) } }),
        }
    }

    /// The page of a problem, with the navigation of where it happened.
    pub(crate) fn refused(&self, trouble: &Trouble) -> Response {
        let body = html! { h1 { (trouble.title) } (explained(trouble)) };
        self.page(&trouble.title, &body).with_status(trouble.status).into_response()
    }
}

/// A page without navigation: before the sign-in, or where nobody knows who looks.
pub(crate) fn alone(status: StatusCode, title: &str, body: &Markup) -> Page {
    let bar = html! {
        header.bar { a.brand href="/console" { img src=(ASSETS.icon) alt="" width="24" height="24"; "halo-entra" } }
    };
    let main = html! { main.alone #content { h1 { (title) } (body) } };
    Page { status, html: document(title, &bar, &main) }
}

/// A problem as a page of its own.
pub(crate) fn trouble(trouble: &Trouble) -> Page {
    alone(trouble.status, &trouble.title, &explained(trouble))
}

/// A paragraph.
pub(crate) fn text(text: &str) -> Markup {
    html! { p { (text) } }
}

/// What happened, what to do, and where more of it stands.
pub(crate) fn explained(trouble: &Trouble) -> Markup {
    let advice = trouble.body["advice"].as_str();
    let mistakes = trouble.mistakes();
    html! {
        div.notice.bad role="alert" {
            p { strong { (trouble.title) "." } " " (trouble.detail) }
            @if let Some(advice) = advice { p { (advice) } }
            @if mistakes.len() > 1 {
                ul { @for (path, message) in &mistakes { li { code { (path) } " " (message) } } }
            }
            @if !trouble.kind.is_empty() {
                p.more { a href=(local(&["problems", &trouble.kind])) { "What this means, and what to do" } }
            }
        }
    }
}

fn document(title: &str, bar: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · halo-entra" }
                link rel="icon" href=(ASSETS.icon) type="image/svg+xml";
                link rel="stylesheet" href=(ASSETS.style);
                script src=(ASSETS.script) defer {}
            }
            body { (bar) (main) }
        }
    }
}
