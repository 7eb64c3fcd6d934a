//! The first page of a connection: where it stands, what needs somebody, and what to do next.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use crate::api::{Api, At, Trouble};
use crate::parts::{Tone, badge, counted, facts, local, text, time, word};
use crate::visit::Visit;

/// Something that waits for a person.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    /// How pressing it is.
    pub(crate) tone: Tone,
    /// In a word or two.
    pub(crate) short: String,
    /// In a sentence.
    pub(crate) long: String,
    /// The tab where it is settled.
    pub(crate) place: &'static str,
}

impl Attention {
    fn new(
        tone: Tone,
        short: impl Into<String>,
        long: impl Into<String>,
        place: &'static str,
    ) -> Self {
        Self { tone, short: short.into(), long: long.into(), place }
    }
}

/// People on the lists of which is only told whether there are any.
const LOOK: usize = 20;

/// What needs somebody in a connection: its status, held deactivations, conflicts.
pub(crate) async fn attention(api: &Api, id: &str, status: &Value) -> Vec<Attention> {
    let list = |name: &'static str| async move {
        let at = At::new(&["connections", id, name]).with("limit", &LOOK.to_string());
        let page = api.read(at).await.map(|answer| answer.body).unwrap_or_default();
        (page[name].as_array().map_or(0, Vec::len), page["cursor"].is_string())
    };
    let (held, conflicts) = futures::join!(list("held"), list("conflicts"));
    let mut all = of_status(status);
    let several = |(count, more): (usize, bool)| {
        if more { format!("{count} or more") } else { count.to_string() }
    };
    if held.0 > 0 {
        let long =
            format!("Deactivations are held until somebody looks at them: {}.", several(held));
        all.push(Attention::new(Tone::Bad, format!("{} held", several(held)), long, "/held"));
    }
    if conflicts.0 > 0 {
        let long = format!(
            "People fit several Halo records, and somebody has to choose: {}.",
            several(conflicts)
        );
        all.push(Attention::new(
            Tone::Warning,
            format!("{} in conflict", several(conflicts)),
            long,
            "/conflicts",
        ));
    }
    all
}

/// How many active users and agents its people are in Halo.
pub(crate) fn people(status: &Value) -> Markup {
    let of = |kind: &str| status["linked"][kind].as_u64().unwrap_or(0);
    let (users, agents) = (of("user"), of("agent"));
    html! {
        @if (users, agents) == (0, 0) { span.faint { "nobody yet" } } @else {
            (counted(users, "user", "users")) ", " (counted(agents, "agent", "agents"))
        }
    }
}

fn of_status(status: &Value) -> Vec<Attention> {
    let mut all = Vec::new();
    let authorisation = &status["authorisation"];
    match text(&authorisation["state"]) {
        "authorised" | "" => {}
        "reauthorise" => {
            let why = authorisation["reason"].as_str();
            let long =
                why.unwrap_or("Microsoft refused the credentials. Authorise the connection again.");
            all.push(Attention::new(Tone::Bad, "authorise again", long, "/details"));
        }
        _ => {
            let long =
                "The connection is not authorised yet: enter its credentials, and authorise it.";
            all.push(Attention::new(Tone::Warning, "not authorised", long, "/details"));
        }
    }
    if let Some(warning) = status["credentials"]["warning"].as_object() {
        let long = warning.get("sentence").and_then(Value::as_str);
        let long = long.unwrap_or("The credentials expire soon.");
        all.push(Attention::new(Tone::Warning, "credentials expire", long, "/details"));
    }
    if let Some(off) = status["last_sign_in"]["off"].as_str() {
        all.push(Attention::new(Tone::Warning, "last sign-in off", off, "/imports"));
    }
    for warning in status["warnings"].as_array().into_iter().flatten() {
        let long = format!("{} ({})", text(&warning["message"]), text(&warning["path"]));
        all.push(Attention::new(Tone::Warning, "warning", long, "/details"));
    }
    all
}

pub(crate) async fn overview(visit: Visit, Path(id): Path<String>) -> Response {
    match show(&visit, &id).await {
        Ok(body) => visit.page_of(&id, "Overview", &body).into_response(),
        Err(trouble) => visit.refused(&trouble),
    }
}

async fn show(visit: &Visit, id: &str) -> Result<Markup, Trouble> {
    let connection = visit.api.get(&["connections", id]).await?;
    let status = &connection["status"];
    let runs = At::new(&["connections", id, "runs"]).with("limit", "5");
    let (needs, runs) = futures::join!(attention(&visit.api, id, status), visit.api.read(runs));
    let runs = runs?.body;
    let live = status["run"].is_string() || status["queued"].is_string();
    let root = local(&["connections", id]);
    Ok(html! {
        div #state data-refresh=[live.then_some("3")] {
            div.head {
                h1 { bdi { (text(&connection["name"])) } }
                @if visit.administrates() {
                    a.button.main href={ (root) "/imports" } { "Import or preview" }
                }
            }
            (facts(&[
                ("State", html! {
                    @if connection["enabled"] == false { (badge(Tone::Plain, "switched off")) " " }
                    (word(text(&status["authorisation"]["state"])))
                }),
                ("Under way", html! {
                    @if let Some(run) = status["run"].as_str() { a href={ (root) "/runs/" (run) } { (badge(Tone::Busy, "a run")) } }
                    @else { "nothing" }
                }),
                ("Next run", time(&status["next_due"])),
                ("People in Halo", people(status)),
                ("Imports", html! { (crate::parts::value(&connection["sync"]["entities"])) " every " (crate::parts::value(&connection["sync"]["every_minutes"])) " minutes" }),
                ("Tenant", html! { span.mono { (text(&connection["tenant_id"])) } }),
                ("Saved", html! { "revision " (crate::parts::value(&status["revision"])) ", " (time(&status["saved"])) }),
            ]))
            h2 { "Needs attention" }
            @if needs.is_empty() { p { (badge(Tone::Good, "nothing")) " Everything is as it should be." } }
            @for need in &needs {
                div.notice.(need.tone.class()) { p { (need.long) " " a href={ (root) (need.place) } { "Look at it" } } }
            }
            h2 { "Newest runs" }
            (newest(&root, &runs))
            h2 { "Why is somebody where they are?" }
            (find(&root))
        }
    })
}

fn newest(root: &str, runs: &Value) -> Markup {
    let runs: Vec<_> = runs["runs"].as_array().into_iter().flatten().collect();
    html! {
        @if runs.is_empty() {
            div.empty { p { strong { "No run yet." } } p { a href={ (root) "/imports" } { "Look at a preview" } " before the first import." } }
        }
        div.cards { @for run in runs {
            div.card {
                p { a href={ (root) "/runs/" (text(&run["run"])) } { (time(&run["started"])) } " " (word(text(&run["state"]))) }
                p { (counts(&run["counts"])) }
            }
        } }
    }
}

/// The counts of a run that are not 0.
pub(crate) fn counts(counts: &Value) -> Markup {
    const ORDER: [&str; 10] = [
        "created",
        "updated",
        "reactivated",
        "deactivated",
        "held",
        "conflict",
        "failed",
        "moved",
        "not_in_scope",
        "unchanged",
    ];
    let some: Vec<_> = ORDER
        .iter()
        .filter_map(|name| Some((*name, counts[*name].as_u64().filter(|count| *count > 0)?)))
        .collect();
    html! {
        @if some.is_empty() { span.faint { "nobody had to be looked at" } }
        @for (name, count) in some { (badge(tone_of(name), &format!("{} {}", crate::parts::number(count), name.replace('_', " ")))) " " }
    }
}

fn tone_of(count: &str) -> Tone {
    match count {
        "created" | "reactivated" => Tone::Good,
        "updated" => Tone::Busy,
        "held" | "conflict" => Tone::Warning,
        "deactivated" | "failed" => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// The form that leads to a person's page.
pub(crate) fn find(root: &str) -> Markup {
    html! {
        form.row method="get" action={ (root) "/people" } role="search" {
            label.visually-hidden for="who" { "User principal name, name or object id" }
            input #who type="search" name="q" placeholder="ada@contoso.example" required dir="auto";
            button { "Explain" }
        }
        p.faint { "A user principal name, an object id, or the beginning of a name." }
    }
}
