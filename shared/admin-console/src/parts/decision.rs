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
    let class = if taken.is_empty() { matched.then_some("open") } else { Some("taken") };
    html! {
        li class=[class] {
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

/// Each field that changes, before and after; of a new record only what it gets.
pub(crate) fn changes(decision: &Value) -> Markup {
    html! { @for kind in KINDS { (changes_of(kind, decision)) } }
}

fn changes_of(kind: &str, decision: &Value) -> Markup {
    let some: Vec<&Value> =
        each(&decision["changes"]).filter(|change| change["record"] == kind).collect();
    if some.is_empty() {
        return html! {};
    }
    let is_new = some.iter().all(|it| it["before"].is_null() && it["before_known"] != false);
    let row = |change: &&Value| {
        let mut row = vec![html! { code { (plain(&change["field"])) } }];
        if !is_new {
            let unread = change["before_known"] == false;
            row.push(html! { span.before {
                @if unread { span.faint { "not read yet" } } @else { (value(&change["before"])) }
            } });
        }
        row.push(html! { span.after { (value(&change["after"])) } });
        row
    };
    let rows: Vec<Vec<Markup>> = some.iter().map(row).collect();
    let columns: &[&str] = if is_new { &["Field", "Gets"] } else { &["Field", "Before", "After"] };
    table(&format!("What changes in the Halo {kind}"), columns, &rows)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::NASTY;

    fn drawn(outcome: &Value, matched: bool, user: &Value) -> String {
        let sentence = format!("department equals \"Sales\" fails: it is \"{NASTY}\"");
        let decision = json!({
            "tried": [{ "mapping": "sales", "matched": matched, "sentence": sentence, "outcome": outcome }],
            "records": { "user": user, "agent": { "decision": "not_in_scope", "mapping": null, "matched": null } },
        });
        let mappings = json!([{ "id": "sales", "target": { "type": "site", "site_id": 18 } }]);
        path(&decision, &json!({ "user": 7 }), &mappings).into_string()
    }

    #[test]
    fn the_path_is_drawn_for_each_outcome() {
        // B1, P2: whatever part failed, the sentence says it, and nothing is said to be taken.
        let nobody = json!({ "decision": "deactivate", "mapping": null, "matched": null });
        for outcome in [
            json!({ "is": "not_in_group", "group": "Sales" }),
            json!({ "is": "group_unknown", "group": "Sales", "why": "not_read" }),
            json!({ "is": "external" }),
            json!({ "is": "not_external" }),
            json!({ "is": "condition", "index": 0, "field": "department", "test": "equals", "saw": NASTY }),
            json!({ "is": "no_site", "field": "city" }),
        ] {
            let html = drawn(&outcome, false, &nobody);
            assert!(
                html.contains("not taken: ") && !html.contains("class=\"taken"),
                "{outcome}: {html}"
            );
            assert!(html.contains("no mapping places it"), "{outcome}: {html}");
            assert!(!html.contains("<script"), "{outcome}: {html}");
        }
    }

    #[test]
    fn the_path_ends_where_the_person_is() {
        // P1: taken is the mapping that decides a record, and not each that would match.
        let matched = json!({ "is": "matched" });
        let here = json!({ "decision": "update", "mapping": "sales", "matched": { "by": "fields", "entra": "mail", "halo": "email" } });
        let html = drawn(&matched, true, &here);
        assert!(html.contains("<li class=\"taken\">") && html.contains(": site 18"), "{html}");
        assert!(html.contains("Halo user 7") && html.contains("its email equals mail"), "{html}");
        assert!(!html.contains("Halo agent"), "who is no agent is not told of: {html}");
        let elsewhere = json!({ "decision": "update", "mapping": "other", "matched": null });
        let html = drawn(&matched, true, &elsewhere);
        assert!(
            html.contains("<li class=\"open\">") && html.contains("an earlier mapping decides"),
            "{html}"
        );
        let nobody = json!({ "records": { "user": { "decision": "not_in_scope" } }, "tried": [] });
        let html = path(&nobody, &Value::Null, &Value::Null).into_string();
        assert!(html.contains("Nowhere"), "{html}");
        assert!(
            path(&json!({}), &Value::Null, &Value::Null).into_string().is_empty(),
            "a licence has no path"
        );
    }

    #[test]
    fn changes_are_shown_as_text() {
        // B1
        let decision = json!({
            "changes": [
                { "record": "user", "field": "name", "before": null, "after": NASTY },
                { "record": "user", "field": "title", "before": "Clerk", "after": "", "before_known": false },
            ],
            "reasons": [{ "about": "user", "sentence": NASTY }, { "about": "seats", "sentence": "Joins CAB 1." }],
        });
        let html = whole(&decision, &Value::Null, &Value::Null).into_string();
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("&lt;script&gt;")
                && html.contains("not read yet")
                && html.contains("Joins CAB 1."),
            "{html}"
        );
    }
}
