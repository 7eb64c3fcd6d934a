//! The inbound log of a connection: what was decided about whom, filtered, each entry opening into the
//! whole explanation; and its export (B1, B2, B4).

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::connections::Asked;
use crate::api::{At, Trouble};
use crate::layout::{Page, explained};
use crate::parts::decision::each;
use crate::parts::entry::{self, Place};
use crate::parts::{Choice, Field, Kind, empty, local, more, query, text};
use crate::visit::Visit;

/// Entries on a page, each with its whole explanation.
const PAGE: &str = "20";

/// Filters, as the API calls them.
const FILTERS: [&str; 7] = ["person", "decision", "outcome", "mapping", "run", "from", "to"];

/// The words of decisions that have entries; the API refuses others.
const DECISIONS: &[Choice<'_>] = &[
    ("", "any"),
    ("create", "create"),
    ("update", "update"),
    ("reactivate", "reactivate"),
    ("deactivate", "deactivate"),
    ("conflict", "conflict"),
    ("held", "held"),
    ("not_in_scope", "not in scope"),
    ("failed", "failed"),
    ("licence_assigned", "licence assigned"),
    ("licence_removed", "licence removed"),
    ("licence_unchanged", "licence unchanged"),
    ("licence_refused", "licence refused"),
];
/// The words of outcomes.
const OUTCOMES: &[Choice<'_>] = &[
    ("", "any"),
    ("done", "done"),
    ("nothing", "nothing to do"),
    ("waiting", "waits for somebody"),
    ("failed", "failed, tried again"),
    ("moved", "not as previewed"),
    ("refused", "refused"),
];

/// What is asked for, as the API takes it.
struct Filters(Vec<(&'static str, String)>);

impl Filters {
    fn of(asked: &BTreeMap<String, String>) -> Self {
        let given = FILTERS.into_iter().filter_map(|name| {
            let given = asked.get(name)?.trim();
            let value = if ["from", "to"].contains(&name) { utc(given) } else { given.to_owned() };
            Some((name, value)).filter(|(_, value)| !value.is_empty())
        });
        Self(given.collect())
    }

    fn at(&self, mut at: At, connection: &str) -> At {
        at = at.with("connection", connection);
        for (name, value) in &self.0 {
            at = at.with(name, value);
        }
        at
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value.as_str())
    }
}

/// A time as people write it, in UTC, with the zone that the API wants; other texts stay as they are.
pub(crate) fn utc(text: &str) -> String {
    let text = text.trim();
    let spaced = text.replacen(' ', "T", 1);
    let tries = [text.to_owned(), format!("{spaced}Z"), format!("{spaced}:00Z")];
    let day = format!("{text}T00:00:00Z");
    let read = tries.into_iter().chain([day]).find_map(|it| it.parse::<Timestamp>().ok());
    read.map_or_else(|| text.to_owned(), |at| at.to_string())
}

pub(crate) async fn show(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let filters = Filters::of(&asked);
    let at = filters.at(At::new(&["inbound"]).with("limit", PAGE), &id);
    let at = at.with_some("cursor", asked.get("cursor").map(String::as_str));
    let (page, mappings) = futures::join!(visit.api.read(at), mappings_of(&visit, &id));
    let mappings = match mappings {
        Ok(mappings) => mappings,
        Err(trouble) => return visit.refused(&trouble),
    };
    let (page, trouble) = match page {
        Ok(answer) => (answer.body, None),
        Err(trouble) if !trouble.mistakes().is_empty() => (Value::Null, Some(trouble)),
        Err(trouble) => return visit.refused(&trouble),
    };
    let cursor = asked.get("cursor").map_or("", String::as_str);
    let all = visit.person().is_none();
    let body = html! {
        div.head { h1 { "Inbound log" } }
        p.faint { "What was decided about each person and why, newest first. A line opens into the whole explanation." }
        @if all { (form(&id, &filters, &mappings, trouble.as_ref())) }
        @if let Some(trouble) = &trouble { (explained(trouble)) } @else {
            (entries(&visit, &id, &filters, &mappings, &page))
            @if all { (exports(&id, &filters, cursor)) }
        }
    };
    let status = trouble.map(|trouble| trouble.status);
    let page = placed(&visit, &id, "Inbound log", &body);
    match status {
        Some(status) => page.with_status(status).into_response(),
        None => page.into_response(),
    }
}

/// The mappings of a connection's document. Whoever sees themselves alone may not see them.
pub(crate) async fn mappings_of(visit: &Visit, id: &str) -> Result<Value, Trouble> {
    if visit.person().is_some() {
        return Ok(Value::Null);
    }
    let mut connection = visit.api.get(&["connections", id]).await?;
    Ok(connection["mappings"].take())
}

/// A page of a connection, without its tabs for whoever sees themselves alone.
pub(crate) fn placed(visit: &Visit, id: &str, title: &str, body: &Markup) -> Page {
    if visit.person().is_some() { visit.page(title, body) } else { visit.page_of(id, title, body) }
}

fn entries(visit: &Visit, id: &str, filters: &Filters, mappings: &Value, page: &Value) -> Markup {
    let here = local(&["connections", id, "log"]);
    let runs = visit.person().is_none();
    let place = Place { connection: id, mappings, runs, of_one: false, mark: "e-" };
    let nobody = each(&page["entries"]).next().is_none();
    let goes_on = page["cursor"].is_string();
    html! {
        @if nobody && goes_on {
            p { "Nothing fits among the entries that one page looks at; there are older ones." }
        } @else if nobody && filters.0.is_empty() {
            (empty("Nothing was logged yet.", &html! { p {
                @if runs { a href=(local(&["connections", id, "imports"])) { "Preview or import people" } ", and each decision stands here." }
                @else { "Each decision about you stands here." }
            } }))
        } @else if nobody {
            (empty("No entry fits.", &html! { p { a href=(here) { "Take the filters away" } ", or choose a longer time." } }))
        } @else { (entry::list(place, &page["entries"])) }
        (more(&here, &filters.pairs(), &page["cursor"]))
    }
}

fn form(id: &str, filters: &Filters, mappings: &Value, trouble: Option<&Trouble>) -> Markup {
    let wrong = |name: &str| {
        let all = trouble.map(Trouble::mistakes).unwrap_or_default();
        let path = format!("?{name}");
        all.into_iter().filter(|(at, _)| *at == path).map(|(_, message)| message).collect()
    };
    let field = |name, label, help, kind| {
        let wrong = wrong(name);
        Field { name, label, help, kind, wrong }
    };
    let line = |name, label, help, example| {
        let value = filters.text(name).to_owned();
        field(name, label, help, Kind::Line { value, example, list: None })
    };
    // With its zone, as a script takes a time without one for the reader's own.
    let time = |name, label| field(name, label, "", Kind::Time(utc(filters.text(name))));
    let names: Vec<&str> = each(mappings).map(|it| text(&it["id"])).collect();
    let mappings: Vec<Choice<'_>> =
        [("", "any")].into_iter().chain(names.iter().map(|name| (*name, *name))).collect();
    let one = |name, label, choices| {
        field(name, label, "", Kind::One(choices, filters.text(name).to_owned()))
    };
    html! {
        form.card method="get" action=(local(&["connections", id, "log"])) role="search" {
            div.filters {
                (line("person", "Person", "", "user principal name, id, beginning of a name"))
                (one("decision", "Decision", DECISIONS))
                (one("outcome", "Outcome", OUTCOMES))
                (one("mapping", "Placed by", &mappings))
                (time("from", "From"))
                (time("to", "Before"))
                (line("run", "Run", "", "id of a run"))
            }
            p.row {
                button.main { "Filter" }
                @if !filters.0.is_empty() { a.button href=(local(&["connections", id, "log"])) { "All" } }
            }
        }
    }
}

/// Links to what the filters leave, from this page on.
fn exports(id: &str, filters: &Filters, cursor: &str) -> Markup {
    let here = local(&["connections", id, "log", "export"]);
    let link = |format| {
        let mut all = filters.pairs();
        all.extend([("format", format), ("cursor", cursor)]);
        query(&here, &all)
    };
    let what = if cursor.is_empty() { "Export what fits" } else { "Export what fits from here on" };
    html! { p.row {
        (what) ": "
        a.button href=(link("csv")) { "CSV" } " " a.button href=(link("ndjson")) { "NDJSON" }
    } }
}

/// A portion of the export as a file. Where there are several, a page first says so: a browser would take
/// the first one for all of it.
pub(crate) async fn export(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let filters = Filters::of(&asked);
    let given = |name: &str| asked.get(name).map(String::as_str);
    let at = filters.at(At::new(&["inbound", "export"]), &id);
    let at = at.with_some("format", given("format")).with_some("cursor", given("cursor"));
    let answer = match visit.api.raw(at).await {
        Ok(answer) => answer,
        Err(trouble) => return visit.refused(&trouble),
    };
    let next = answer.headers().get(LINK).and_then(|link| link.to_str().ok()).and_then(cursor_of);
    if given("part").is_none() && next.is_some() {
        return portions(&visit, &id, &filters, &asked, next.as_deref());
    }
    let of = |name| answer.headers().get(name).cloned();
    let headers = [CONTENT_TYPE, CONTENT_DISPOSITION]
        .into_iter()
        .filter_map(|name| Some((name.clone(), of(name)?)))
        .collect::<axum::http::HeaderMap>();
    (headers, answer.into_body()).into_response()
}

/// The cursor in the link to the next portion.
fn cursor_of(link: &str) -> Option<String> {
    let query = link.strip_prefix("<?")?.split_once('>')?.0;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "cursor").map(|(_, value)| value.into_owned())
}

fn portions(
    visit: &Visit,
    id: &str,
    filters: &Filters,
    asked: &BTreeMap<String, String>,
    next: Option<&str>,
) -> Response {
    let here = local(&["connections", id, "log", "export"]);
    let given = |name: &str| asked.get(name).map_or("", String::as_str);
    let link = |more: &[(&'static str, &str)]| {
        let mut all = filters.pairs();
        all.push(("format", given("format")));
        all.extend(more);
        query(&here, &all)
    };
    let body = html! {
        h1 { "Export in portions" }
        p { "There is more than fits into one file of some megabytes, so it comes in portions; one behind the other they are the export. Or narrow it down by a time." }
        p.row {
            a.button.main href=(link(&[("cursor", given("cursor")), ("part", "yes")])) { "Download this portion" }
            a.button href=(link(&[("cursor", next.unwrap_or_default())])) { "Next portion" }
        }
        p { a href=(local(&["connections", id, "log"])) { "Back to the log" } }
    };
    visit.page_of(id, "Export", &body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        // B2
        for (written, read) in [
            ("2026-11-02 08:00", "2026-11-02T08:00:00Z"),
            ("2026-11-02T08:00", "2026-11-02T08:00:00Z"),
            ("2026-11-02T08:00:30", "2026-11-02T08:00:30Z"),
            ("2026-11-02", "2026-11-02T00:00:00Z"),
            ("2026-11-02T08:00:00+01:00", "2026-11-02T07:00:00Z"),
            ("yesterday", "yesterday"),
            ("", ""),
        ] {
            assert_eq!(utc(written), read, "{written:?}");
        }
    }

    #[test]
    fn the_next_portion_is_found() {
        // B4
        let link = "<?connection=contoso&format=csv&cursor=a%2Bb>; rel=\"next\"";
        assert_eq!(cursor_of(link).as_deref(), Some("a+b"));
        assert_eq!(cursor_of("nothing"), None);
    }
}
