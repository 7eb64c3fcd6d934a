//! A decision drawn: the path through the mappings, the reasons as sentences, and what changes.

use maud::{Markup, html};
use serde_json::Value;

use super::{Tone, badge, table, text, value, word};

/// The kinds of Halo records, as the API calls them.
pub(crate) const KINDS: [&str; 2] = ["user", "agent"];

/// The elements of a list; none where there is no list.
pub(crate) fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A decision with all that it rests on. `halo` has the numbers of the records as far as there are some,
/// and `mappings` are those of the document, which say where each of them leads.
pub(crate) fn whole(decision: &Value, halo: &Value, mappings: &Value) -> Markup {
    html! {
        (path(decision, halo, mappings))
        (reasons(decision))
        (changes(decision))
        (seats(decision))
        @if !decision["licence"].is_null() { (licence(&decision["licence"])) }
        @if each(&decision["candidates"]).next().is_some() {
            p { "Records to choose from: "
                @for (at, one) in each(&decision["candidates"]).enumerate() {
                    @if at > 0 { ", " } (text(&one["kind"])) " " (value(&one["id"]))
                } "." }
        }
    }
}

/// The path through the mappings: each in its turn, taken or why not, and the records at its end.
pub(crate) fn path(decision: &Value, halo: &Value, mappings: &Value) -> Markup {
    let records = decision["records"].as_object();
    let is_empty = records.is_none_or(serde_json::Map::is_empty);
    if is_empty && each(&decision["tried"]).next().is_none() {
        return html! {};
    }
    let ends: Vec<_> = KINDS
        .into_iter()
        .filter_map(|kind| Some((kind, decision["records"].get(kind)?)))
        // Most people are no agents and never were: only of those who are there is something to say.
        .filter(|(kind, record)| record["decision"] != "not_in_scope" || !halo[*kind].is_null())
        .collect();
    html! {
        p.label { "The path through the mappings" }
        ol.path {
            @for step in each(&decision["tried"]) { (tried(step, decision, mappings)) }
            @for (kind, record) in &ends { (end(kind, record, &halo[*kind])) }
            @if ends.is_empty() { li.end { strong { "Nowhere" } " " span.faint { "no mapping takes this person" } } }
        }
    }
}

fn tried(step: &Value, decision: &Value, mappings: &Value) -> Markup {
    let id = text(&step["mapping"]);
    let places = |kind: &&str| decision["records"][*kind]["mapping"] == step["mapping"];
    let taken: Vec<&str> = KINDS.into_iter().filter(places).collect();
    let matched = step["matched"] == true;
    html! {
        li.taken[!taken.is_empty()].open[matched && taken.is_empty()] {
            code { (id) } " "
            @if taken.is_empty() {
                @if matched { (badge(Tone::Plain, "matches")) " " span.faint { "an earlier mapping decides, or nothing is placed" } }
                @else { span.faint { "not taken: " } bdi { (text(&step["sentence"])) } }
            } @else {
                (badge(Tone::Good, "taken")) " "
                "decides the " (taken.join(" and the ")) " record" (leads(id, mappings))
            }
        }
    }
}

/// Where a mapping of the document leads; nothing where it is not known, or not there any more.
fn leads(id: &str, mappings: &Value) -> Markup {
    let Some(mapping) = each(mappings).find(|it| text(&it["id"]) == id) else { return html! {} };
    let target = &mapping["target"];
    match text(&target["type"]) {
        "site" => html! { ": site " (value(&target["site_id"])) },
        "organisation" => html! {
            ": client " (value(&target["client_id"])) ", the site named by " code { (text(&target["site_from"])) }
        },
        "agents" => html! { ": agents" },
        _ => html! {},
    }
}

fn end(kind: &str, record: &Value, number: &Value) -> Markup {
    html! {
        li.end {
            strong { "Halo " (kind) @if !number.is_null() { " " (value(number)) } } " "
            (word(text(&record["decision"])))
            @if let Some(how) = matched(&record["matched"]) { " " span.faint { (how) } }
            @if record["mapping"].is_null() { " " span.faint { "no mapping places it" } }
        }
    }
}

/// How a link came to be, in words.
pub(crate) fn matched(how: &Value) -> Option<String> {
    Some(match how["by"].as_str()? {
        "created" => "made by this product".to_owned(),
        "object_id" => "found by the Entra object id that it carries".to_owned(),
        "administrator" => "chosen by an administrator".to_owned(),
        "fields" => {
            format!("found because its {} equals {}", text(&how["halo"]), text(&how["entra"]))
        }
        other => other.replace('_', " "),
    })
}

/// The reasons as sentences, by what they are about.
pub(crate) fn reasons(decision: &Value) -> Markup {
    const ABOUT: [(&str, &str); 4] = [
        ("user", "The user"),
        ("agent", "The agent"),
        ("seats", "Seats on boards"),
        ("licence", "The licence"),
    ];
    html! {
        @for (about, title) in ABOUT {
            @let some: Vec<_> = each(&decision["reasons"]).filter(|it| it["about"] == about).collect();
            @if !some.is_empty() {
                p.label { (title) }
                ul { @for reason in some { li { bdi { (text(&reason["sentence"])) } } } }
            }
        }
    }
}

/// Each field that changes, before and after.
pub(crate) fn changes(decision: &Value) -> Markup {
    let rows: Vec<Vec<Markup>> = each(&decision["changes"])
        .map(|change| {
            let unread = change["before_known"] == false;
            vec![
                html! { (text(&change["record"])) },
                html! { code { (plain(&change["field"])) } },
                html! { span.before {
                    @if unread { span.faint { "not read yet" } } @else { (value(&change["before"])) }
                } },
                html! { span.after { (value(&change["after"])) } },
            ]
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    table("What changes in Halo", &["Record", "Field", "Before", "After"], &rows)
}

fn plain(field: &Value) -> String {
    field.as_str().map_or_else(|| field.to_string(), str::to_owned)
}

fn seats(decision: &Value) -> Markup {
    html! { @for seat in each(&decision["seats"]) {
        p { "CAB " (value(&seat["cab"])) ": " (word(text(&seat["seat"])))
            @if !seat["role"].is_null() { " in role " (value(&seat["role"])) } }
    } }
}

fn licence(licence: &Value) -> Markup {
    html! { p {
        "Halo asked: " (text(&licence["action"])) " " strong { bdi { (text(&licence["product"])) } }
        " (licence " (value(&licence["licence_id"])) "). What came of it: " (word(text(&licence["outcome"]))) "."
    } }
}
