//! Runs: pictures of the last ones, a list, and one run with all that it counts (B5).

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::connection::counts;
use super::connections::Asked;
use crate::api::{At, Trouble};
use crate::charts::{Bar, Part, bars};
use crate::parts::decision::each;
use crate::parts::entry::started_by;
use crate::parts::{counted, empty, facts, local, more, number, query, table, text, time, word};
use crate::visit::Visit;

/// Runs on a page, and in a picture.
const PAGE: &str = "25";

/// What the picture of people shows of each run. Those who are as they should be are left out: they would
/// hide all the others.
const PEOPLE: [Part<'_>; 8] = [
    ("created", "created"),
    ("updated", "updated"),
    ("reactivated", "reactivated"),
    ("deactivated", "deactivated"),
    ("held", "held"),
    ("conflict", "in conflict"),
    ("failed", "failed"),
    ("other", "moved since the preview"),
];
const PEOPLE_COUNTS: [&str; 8] =
    ["created", "updated", "reactivated", "deactivated", "held", "conflict", "failed", "moved"];

/// A filter of the log, with its value.
type Filter = (&'static str, &'static str);
/// What a count is called, what it means, and which entries of the log it counts; nothing where its people
/// have none.
const COUNTS: [(&str, &str, Option<Filter>); 10] = [
    ("created", "made in Halo", Some(("decision", "create"))),
    (
        "updated",
        "changed in Halo, or linked to a record that was there",
        Some(("decision", "update")),
    ),
    ("reactivated", "made active again", Some(("decision", "reactivate"))),
    ("deactivated", "made inactive", Some(("decision", "deactivate"))),
    ("held", "deactivations that wait for an administrator", Some(("decision", "held"))),
    ("conflict", "wait for an administrator's choice", Some(("decision", "conflict"))),
    (
        "failed",
        "refused by Halo, or their data do not fit; tried again",
        Some(("outcome", "failed")),
    ),
    ("moved", "not as the preview showed them, left alone", Some(("outcome", "moved"))),
    ("not_in_scope", "matched by no mapping", Some(("decision", "not_in_scope"))),
    ("unchanged", "as they should be", None),
];

pub(crate) async fn list(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let at = At::new(&["connections", &id, "runs"]).with("limit", PAGE);
    let at = at.with_some("cursor", asked.get("cursor").map(String::as_str));
    let answers = futures::join!(visit.api.read(at), visit.api.get(&["halo", "budget"]));
    let (page, budget) = match answers {
        (Ok(page), budget) => (page.body, budget.unwrap_or_default()),
        (Err(trouble), _) => return visit.refused(&trouble),
    };
    let runs: Vec<&Value> = each(&page["runs"]).collect();
    let live = runs.iter().any(|run| !is_over(run));
    let here = local(&["connections", &id, "runs"]);
    let body = html! {
        div #runs data-refresh=[live.then_some("3")] {
            h1 { "Runs" }
            @if runs.is_empty() {
                (empty("No run yet.", &html! { p {
                    a href=(local(&["connections", &id, "imports"])) { "Look at a preview, and import" } ", or wait for the schedule."
                } }))
            } @else {
                (pictures(&runs, &budget))
                (table("Runs, newest first", &["Run", "State", "People", "Took", "Requests"], &rows(&here, &runs)))
            }
            (more(&here, &[], &page["cursor"]))
        }
    };
    visit.page_of(&id, "Runs", &body).into_response()
}

fn rows(here: &str, runs: &[&Value]) -> Vec<Vec<Markup>> {
    let row = |run: &&Value| {
        vec![
            html! { a href={ (here) "/" (text(&run["run"])) } { (time(&run["started"])) } br;
            span.faint { (started_by(&run["trigger"])) } },
            html! { (word(text(&run["state"])))
            @if let Some(error) = run["error"].as_str() { br; span.error { bdi { (error) } } }
            @if each(&run["warnings"]).next().is_some() { br; span.faint { "with warnings" } } },
            counts(&run["counts"]),
            html! { (took(run)) },
            html! { (requests(&run["requests"]["graph"])) " Graph, " (requests(&run["requests"]["halo"])) " Halo" },
        ]
    };
    runs.iter().map(row).collect()
}

fn requests(count: &Value) -> String {
    number(count.as_u64().unwrap_or(0))
}

/// What the last runs did, how long they took, and what they asked for.
fn pictures(runs: &[&Value], budget: &Value) -> Markup {
    let drawn = |amounts: &dyn Fn(&Value) -> Vec<u64>| -> Vec<Bar> {
        let bar = |run: &&Value| Bar { label: short(&run["started"]), amounts: amounts(run) };
        runs.iter().rev().map(bar).collect()
    };
    let count = |run: &Value, name: &str| run["counts"][name].as_u64().unwrap_or(0);
    let people = drawn(&|run| PEOPLE_COUNTS.iter().map(|name| count(run, name)).collect());
    let seconds = drawn(&|run| vec![seconds(run).unwrap_or(0)]);
    let asked = drawn(&|run| {
        ["halo", "graph"].map(|name| run["requests"][name].as_u64().unwrap_or(0)).to_vec()
    });
    let window = budget["requests"].as_u64().zip(budget["window"].as_u64());
    let told = window.map(|(most, _)| (most, "Halo's budget for one window"));
    html! {
        div.pictures {
            (bars("People to whom something happened", &PEOPLE, &people, None))
            (bars("Seconds", &[("updated", "seconds")], &seconds, None))
            (bars("Requests", &[("updated", "to Halo"), ("other", "to Graph")], &asked, told))
        }
        @if let Some((most, seconds)) = window {
            p.faint { "Halo may get " (number(most)) " requests in " (number(seconds)) " seconds from all connections together; longer runs have several windows. "
                @if let Some(left) = budget["left"].as_u64() { "At present " (number(left)) " are left." } }
        }
    }
}

/// A time short enough to stand under a picture.
fn short(value: &Value) -> String {
    let at = text(value).parse::<Timestamp>().ok();
    at.map(|at| at.strftime("%m-%d %H:%M").to_string()).unwrap_or_default()
}

/// Whether nothing more will happen to a run.
fn is_over(run: &Value) -> bool {
    !run["finished"].is_null()
}

fn seconds(run: &Value) -> Option<u64> {
    let at = |name: &str| text(&run[name]).parse::<Timestamp>().ok();
    u64::try_from(at("finished")?.duration_since(at("started")?).as_secs()).ok()
}

/// How long a run took, in words.
fn took(run: &Value) -> String {
    match seconds(run) {
        None => "not over yet".to_owned(),
        Some(0) => "under a second".to_owned(),
        Some(seconds @ ..120) => counted(seconds, "second", "seconds"),
        Some(seconds @ ..7200) => format!("{} minutes", seconds / 60),
        Some(seconds) => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

pub(crate) async fn one(visit: Visit, Path((id, run)): Path<(String, String)>) -> Response {
    match shown(&visit, &id, &run).await {
        Ok(body) => visit.page_of(&id, "Run", &body).into_response(),
        Err(trouble) => visit.refused(&trouble),
    }
}

async fn shown(visit: &Visit, id: &str, run: &str) -> Result<Markup, Trouble> {
    let run = visit.api.get(&["runs", run]).await?;
    if text(&run["connection"]) != id {
        return Err(Trouble::nowhere());
    }
    let log = local(&["connections", id, "log"]);
    let live = !is_over(&run);
    let entries = query(&log, &[("run", text(&run["run"]))]);
    Ok(html! {
        div #run data-refresh=[live.then_some("2")] {
            div.head { h1 { "Run of " (time(&run["started"])) } (word(text(&run["state"]))) }
            @if let Some(error) = run["error"].as_str() {
                div.notice.bad { p { strong { "It failed. " } bdi { (error) } } }
            }
            @for warning in each(&run["warnings"]) { div.notice.warn { p { bdi { (text(warning)) } } } }
            @if live { p { "It is under way; the numbers are those so far." } }
            (facts(&[
                ("Started", html! { (started_by(&run["trigger"])) ", " (time(&run["started"])) }),
                ("Ended", time(&run["finished"])),
                ("Took", html! { (took(&run)) }),
                ("Requests", html! { (requests(&run["requests"]["graph"])) " to Graph, " (requests(&run["requests"]["halo"])) " to Halo" }),
                ("Id", html! { span.mono { (text(&run["run"])) } }),
            ]))
            h2 { "People" }
            (people(&log, &run))
            p { a href=(entries) { "All entries of this run in the inbound log" } }
            @if run["counts"]["held"].as_u64() > Some(0) { p { a href=(local(&["connections", id, "held"])) { "Release or reject what is held" } } }
            @if run["counts"]["conflict"].as_u64() > Some(0) { p { a href=(local(&["connections", id, "conflicts"])) { "Choose for those in conflict" } } }
        }
    })
}

fn people(log: &str, run: &Value) -> Markup {
    let of = |name: &str| run["counts"][name].as_u64().unwrap_or(0);
    let some = COUNTS.iter().filter(|(name, ..)| of(name) > 0);
    let rows: Vec<Vec<Markup>> = some
        .map(|(name, words, filter)| {
            let count = number(of(name));
            let link = filter.map(|filter| query(log, &[("run", text(&run["run"])), filter]));
            vec![
                word(name),
                html! { @match &link { Some(link) => a href=(link) { (count) }, None => (count) } },
                html! { span.faint { (words) } },
            ]
        })
        .collect();
    if rows.is_empty() {
        let next = html! { p { "Nobody changed in Entra, and no rule was changed." } };
        return empty("Nobody had to be looked at.", &next);
    }
    table("What became of them", &["What", "People", "Means"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pictures_are_drawn_of_any_number_of_runs() {
        // B5
        let run = json!({
            "run": "r", "started": "2026-11-02T08:00:00Z", "finished": "2026-11-02T08:01:30Z",
            "counts": { "created": 3, "failed": 1, "unchanged": 1_000_000 },
            "requests": { "graph": 3, "halo": 400 },
        });
        let budget = json!({ "requests": 250, "window": 300, "left": 12 });
        for count in [1, 25] {
            let html = pictures(&vec![&run; count], &budget).into_string();
            assert_eq!(html.matches("<figure").count(), 3, "{count}");
            assert!(html.contains("At present 12 are left."), "{html}");
            assert!(!html.contains("1,000,000"), "those without a change would hide the others");
        }
        assert!(pictures(&[], &Value::Null).into_string().contains("0 bars"));
    }

    #[test]
    fn durations_are_told_as_people_say_them() {
        let run =
            |finished: &str| json!({ "started": "2026-11-02T08:00:00Z", "finished": finished });
        for (finished, told) in [
            ("2026-11-02T08:00:00.4Z", "under a second"),
            ("2026-11-02T08:00:01Z", "1 second"),
            ("2026-11-02T08:02:05Z", "2 minutes"),
            ("2026-11-02T11:07:05Z", "3 h 7 min"),
        ] {
            assert_eq!(took(&run(finished)), told);
        }
        assert_eq!(
            took(&json!({ "started": "2026-11-02T08:00:00Z", "finished": null })),
            "not over yet"
        );
    }

    #[test]
    fn counts_lead_into_the_log() {
        // B5
        let run = json!({ "run": "r", "counts": { "created": 1200, "unchanged": 5 } });
        let html = people("/log", &run).into_string();
        assert!(html.contains("href=\"/log?run=r&amp;decision=create\">1,200</a>"), "{html}");
        assert!(html.contains(">5<") && !html.contains("decision=unchanged"), "{html}");
    }
}
