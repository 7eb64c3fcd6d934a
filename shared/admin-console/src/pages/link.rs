//! Who a person is in Halo, as an administrator says: chosen, asked once more in words, and done (M3, M7).

use axum::extract::Path;
use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::api::{At, Trouble};
use crate::form::Pairs;
use crate::layout::explained;
use crate::parts::decision::KINDS;
use crate::parts::entry::name;
use crate::parts::question::{Question, question};
use crate::parts::{Choice, Field, Kind, local, query, text};
use crate::visit::{Sent, Visit};

const PICKS: &[Choice<'_>] = &[
    ("", "leave as it is"),
    ("record", "link to the record of this number"),
    ("create", "make a new record"),
    ("unlinked", "cut the link and keep it cut"),
    ("automatic", "forget what was chosen"),
];

/// The form on a person's page, with what each choice leads to.
pub(crate) fn form(visit: &Visit, here: &str, known: &Value) -> Markup {
    html! {
        h2 #link { "Who this is in Halo" }
        form.card method="post" action={ (here) "/link" } {
            input type="hidden" name="csrf" value=(visit.csrf());
            div.columns { @for kind in KINDS { fieldset {
                legend { "The " (kind) }
                (pick(kind, &known["link"][kind]["id"]))
            } } }
            ul.faint {
                li { strong { "Link" } ": imports keep that record right from then on. The record that was linked before stays in Halo as it is." }
                li { strong { "Make a new record" } ": the next run makes one, whoever fits." }
                li { strong { "Cut" } ": nothing happens in Halo, and no import writes to the record, or makes another, until something else is chosen." }
                li { strong { "Forget" } ": a link that stands stays; without one, matching decides." }
            }
            button { "Look at what this does" }
        }
    }
}

fn pick(kind: &str, number: &Value) -> Markup {
    let name = format!("{kind}_record");
    let number = number.as_i64().map(|it| it.to_string()).unwrap_or_default();
    let choose = Field {
        name: kind,
        label: "What becomes of it",
        help: "",
        wrong: Vec::new(),
        kind: Kind::One(PICKS, String::new()),
    };
    let record = Field {
        name: &name,
        label: "Number in Halo",
        help: "Only to link.",
        wrong: Vec::new(),
        kind: Kind::Number(number),
    };
    html! { (choose) (record) }
}

/// What is chosen, as the API takes it, with the fields that carry it on.
fn chosen(pairs: &Pairs) -> (Map<String, Value>, Vec<(String, String)>) {
    let (mut body, mut carries) = (Map::new(), Vec::new());
    for kind in KINDS {
        let Some(pick) = pairs.text(kind).filter(|pick| !pick.is_empty()) else { continue };
        let record = format!("{kind}_record");
        let number = pairs.text(&record).unwrap_or_default().trim();
        let value = match pick {
            // What is no number is refused by the API, in its words.
            "record" => number.parse::<i64>().map_or_else(|_| Value::from(number), Value::from),
            word => Value::from(word),
        };
        body.insert(kind.to_owned(), value);
        carries.push((kind.to_owned(), pick.to_owned()));
        carries.push((record, number.to_owned()));
    }
    (body, carries)
}

/// What a choice does, in words.
fn consequence(who: &str, kind: &str, pick: &Value) -> Markup {
    html! { li {
        @match pick.as_str() {
            None => { strong { bdi { (who) } } " will be " strong { "Halo " (kind) " " (pick.to_string()) } ". Imports keep that record right from then on; a record that was linked before stays in Halo as it is." }
            Some("create") => { "The next run makes a " strong { "new Halo " (kind) } " for " bdi { (who) } ", whoever else fits." }
            Some("unlinked") => { strong { bdi { (who) } } " will have " strong { "no Halo " (kind) } ". The record stays in Halo as it is, and no import writes to it or makes another until something else is chosen." }
            Some("automatic") => { "What was chosen of the " (kind) " of " bdi { (who) } " is forgotten. A link that stands stays; without one, matching decides." }
            Some(other) => { "The " (kind) ": \"" (other) "\", which is no number of a record." }
        }
    } }
}

/// Asks first, and carries it out when it is sure.
pub(crate) async fn set(Path((id, who)): Path<(String, String)>, sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let here = local(&["connections", &id, "people", &who]);
    let (body, carries) = chosen(&pairs);
    if body.is_empty() {
        return Redirect::to(&format!("{here}#link")).into_response();
    }
    if pairs.text("sure").is_none() {
        return match visit.api.get(&["connections", &id, "people", &who]).await {
            Ok(known) => ask(&visit, &id, &here, &known["person"], &body, &carries, None),
            Err(trouble) => visit.refused(&trouble),
        };
    }
    let at = At::new(&["connections", &id, "people", &who, "link"]);
    match visit.api.write(Method::PUT, at, None, &Value::Object(body.clone())).await {
        Ok(answer) => {
            let run = text(&answer.body["run"]);
            Redirect::to(&query(&here, &[("saved", "link"), ("run", run)])).into_response()
        }
        Err(trouble) => match visit.api.get(&["connections", &id, "people", &who]).await {
            Ok(known) => ask(&visit, &id, &here, &known["person"], &body, &carries, Some(&trouble)),
            Err(_) => visit.refused(&trouble),
        },
    }
}

fn ask(
    visit: &Visit,
    id: &str,
    here: &str,
    person: &Value,
    body: &Map<String, Value>,
    carries: &[(String, String)],
    trouble: Option<&Trouble>,
) -> Response {
    let mut all: Vec<(&str, &str)> =
        carries.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.push(("sure", "yes"));
    let who = name(person);
    let consequences =
        html! { ul { @for (kind, pick) in body { (consequence(who, kind, pick)) } } };
    let action = format!("{here}/link");
    let asked =
        Question { action: &action, back: here, carries: &all, button: "Do this", danger: false };
    let page = html! {
        h1 { "Who " bdi { (who) } " is in Halo" }
        @if let Some(trouble) = trouble { (explained(trouble)) }
        (question(visit, &asked, &consequences))
    };
    let page = visit.page_of(id, "Link", &page);
    match trouble {
        Some(trouble) => page.with_status(trouble.status).into_response(),
        None => page.into_response(),
    }
}
