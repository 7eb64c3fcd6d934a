//! The transforms of a field row as fields of a form, several in order (F8).
//!
//! Which there are and what each takes, the document's schema tells. A form names what is chosen in `is`,
//! and beside it what that takes, under the name of the transform, so that the API's mistakes find it.

use std::sync::LazyLock;

use maud::{Markup, html};
use plan::document::definitions;
use serde_json::{Map, Value, json};

use crate::pages::editor::{Draft, add, rows_at};
use crate::parts::{Choice, Field, Kind, text};

/// The key of a lookup's rest: what everything becomes that is not in its table.
const REST: &str = "default";

/// What a transform takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Text,
    /// What is looked for, and what takes its place.
    Two,
    Number,
    /// Values and what they become, and what the rest becomes.
    Table,
}

/// A transform that a document may have.
#[derive(Debug)]
struct Known {
    name: String,
    /// The name for people.
    words: String,
    about: String,
    takes: Takes,
}

/// All of them: those of one value, then those that make several sources one.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let parts = definitions("");
    let parts = ["FieldTransform", "SourceJoin"].into_iter().filter_map(|part| parts.get(part));
    parts.filter_map(|part| part["anyOf"].as_array()).flatten().flat_map(known).collect()
});

/// The transforms of a case of the schema: words, or an object with the one key that it has to have.
fn known(case: &Value) -> Vec<Known> {
    let words = case["enum"].as_array().into_iter().flatten().chain([&case["const"]]);
    let words = words.filter_map(Value::as_str).map(|word| (word, Takes::Nothing));
    let key = case["required"][0].as_str();
    let keyed = key.map(|key| (key, takes(&case["properties"][key])));
    let about = text(&case["description"]);
    let all = words.chain(keyed).map(|(name, takes)| Known {
        name: name.to_owned(),
        words: name.replace('_', " "),
        about: about.to_owned(),
        takes,
    });
    all.collect()
}

fn takes(schema: &Value) -> Takes {
    match text(&schema["type"]) {
        "array" => Takes::Two,
        "integer" => Takes::Number,
        "object" => Takes::Table,
        _ => Takes::Text,
    }
}

/// The transform at a place of a document, and what it takes there.
fn of(step: &Value) -> (Option<&'static Known>, &Value) {
    let named =
        |known: &&Known| step == known.name.as_str() || !step[known.name.as_str()].is_null();
    // A number that was not filled in yet is none, and its transform is that one all the same.
    let key = || step.as_object()?.keys().find_map(|key| KNOWN.iter().find(|it| it.name == *key));
    let known = KNOWN.iter().find(named).or_else(key);
    (known, known.map_or(&Value::Null, |known| &step[&known.name]))
}

/// What a new row is.
pub(crate) fn new() -> Value {
    json!(KNOWN.first().map(|known| &known.name))
}

/// The transforms of a row.
pub(crate) fn fields(draft: &Draft<'_>, list: &str, of_row: &str) -> Markup {
    let rows = draft.rows(list);
    html! {
        (draft.list(list))
        @if rows > 0 {
            fieldset { legend { "Transforms, in order" }
                ol.rows { @for row in 0..rows { li.card {
                    (step(draft, &format!("{list}[{row}]")))
                    (draft.move_row(list, row, &format!("transform {} of {of_row}", row + 1)))
                } } }
            }
        }
        (add(list, "Add a transform"))
    }
}

fn step(draft: &Draft<'_>, at: &str) -> Markup {
    let (known, given) = of(draft.at(at));
    let choices: Vec<Choice<'_>> =
        KNOWN.iter().map(|it| (it.name.as_str(), it.words.as_str())).collect();
    let chosen = Field {
        name: &format!("doc.{at}.is"),
        label: "Transform",
        help: known.map_or("", |known| &known.about),
        kind: Kind::One(&choices, known.map(|known| known.name.clone()).unwrap_or_default()),
        wrong: draft.wrong(at),
    };
    html! {
        // What stood there before is all in the fields.
        input type="hidden" name={ "doc." (at) ":row" } value="";
        div.grid {
            (chosen)
            div.field { button.small name="do" value={ "show:" (at) } data-here { "Apply" } }
            @if let Some(known) = known { (parameters(draft, &format!("{at}.{}", known.name), known.takes, given)) }
        }
        @if known.is_some_and(|known| known.takes == Takes::Table) { (rest(draft, at)) }
    }
}

fn parameters(draft: &Draft<'_>, at: &str, takes: Takes, given: &Value) -> Markup {
    let line = |path: &str, label: &str, value: &Value, wrong: Vec<&str>| {
        let (name, value) = (format!("doc.{path}:exact"), text(value).to_owned());
        let kind = Kind::Line { value, example: "", list: None };
        html! { (Field { name: &name, label, help: "", kind, wrong }) }
    };
    match takes {
        Takes::Nothing => html! {},
        Takes::Text => line(at, "Text", given, draft.wrong_within(at)),
        Takes::Two => {
            let (first, second) = (format!("{at}[0]"), format!("{at}[1]"));
            let mut wrong = draft.wrong(at);
            wrong.extend(draft.wrong(&first));
            html! {
                (line(&first, "What is replaced", &given[0], wrong))
                (line(&second, "By what", &given[1], draft.wrong(&second)))
            }
        }
        Takes::Number => draft.number(at, "Characters", ""),
        Takes::Table => {
            let empty = (String::new(), Value::Null);
            let table: Vec<(String, Value)> =
                given.as_object().cloned().into_iter().flatten().collect();
            html! {
                @for wrong in draft.wrong_within(at) { p.error { (wrong) } }
                @for (row, (from, to)) in table.iter().chain([&empty]).enumerate() {
                    (line(&format!("{at}[{row}].from"), "Value", &json!(from), Vec::new()))
                    (line(&format!("{at}[{row}].to"), "Becomes", to, Vec::new()))
                }
                p.faint { "“Apply” makes room for one more." }
            }
        }
    }
}

/// What becomes of values that are not in a table: they pass, unless a text stands here, or it is said that
/// they are dropped.
fn rest(draft: &Draft<'_>, at: &str) -> Markup {
    let path = format!("{at}.{REST}");
    let value = draft.at(&path);
    let name = format!("doc.{path}:exact");
    let kind = Kind::Line { value: text(value).to_owned(), example: "", list: None };
    let (tick, dropped) = (format!("doc.{at}.dropped:flag"), Kind::Tick(value == ""));
    html! {
        (Field { name: &name, label: "Everything else becomes", help: "Empty: it stays as it is.", kind, wrong: draft.wrong(&path) })
        (Field { name: &tick, label: "Everything else is no value", help: "", kind: dropped, wrong: Vec::new() })
    }
}

/// Makes what a form says of the transforms of a row those of a document.
pub(crate) fn tidy(row: &mut Value) {
    for step in rows_at(row, "/transforms") {
        if let Some(made) = made(step) {
            *step = made;
        }
    }
}

fn made(form: &Value) -> Option<Value> {
    let chosen = form["is"].as_str()?;
    let Known { name, takes, .. } = KNOWN.iter().find(|known| known.name == chosen)?;
    let given = &form[name];
    let or = |blank: Value| if given.is_null() { blank } else { given.clone() };
    Some(match takes {
        Takes::Nothing => json!(name),
        Takes::Text => json!({ name: or(json!("")) }),
        Takes::Two => json!({ name: or(json!(["", ""])) }),
        Takes::Number => json!({ name: given }),
        Takes::Table => {
            let rest = text(&form[REST]);
            let mut made = json!({ name: table(given) });
            if form["dropped"] == true || !rest.is_empty() {
                made[REST] = json!(rest);
            }
            made
        }
    })
}

/// The table of a lookup. A value that stands in it twice gets a blank behind it, which does not count:
/// so nothing that was typed is lost, and the API says what is wrong.
fn table(rows: &Value) -> Value {
    let mut table = Map::new();
    for row in rows.as_array().into_iter().flatten() {
        let (mut from, to) = (text(&row["from"]).to_owned(), text(&row["to"]));
        if from.is_empty() && to.is_empty() {
            continue;
        }
        while table.contains_key(&from) {
            from.push(' ');
        }
        table.insert(from, json!(to));
    }
    table.into()
}

#[cfg(test)]
mod tests {
    use engine::web::Role;

    use super::*;
    use crate::api::Answer;
    use crate::form::{Pairs, fill};
    use crate::testing::{NASTY, visit};

    const ROW: &str = "field_mappings.users[0]";

    fn every() -> Value {
        json!(["trim", "title_case", { "replace": ["a", " "] }, { "regex": ["^(.)", NASTY] },
            { "prefix": " " }, { "suffix": "" }, { "max_length": 50 },
            { "map": { "DE": "Germany", "": NASTY } }, { "map": { "a": "" }, "default": "" },
            "first_non_empty", { "join": ", " }])
    }

    fn document(transforms: &Value) -> Value {
        let row = json!({ "from": "mail", "to": "login", "transforms": transforms });
        json!({ "field_mappings": { "users": [row] } })
    }

    fn shown(visit: &crate::visit::Visit, transforms: &Value) -> String {
        let saved = Answer { body: document(transforms), tag: None };
        let draft = Draft::of(visit, "contoso", saved);
        fields(&draft, &format!("{ROW}.transforms"), "row 1").into_string()
    }

    /// What a browser sends of a page: the values of its fields, in their order.
    fn sent(html: &str) -> Vec<(String, String)> {
        let unescaped = |text: &str| {
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            text.replace("&amp;", "&")
        };
        let attribute = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
            Some(unescaped(rest.split('"').next()?))
        };
        let mut pairs = Vec::new();
        let mut select = String::new();
        for tag in html.split('<').filter_map(|part| part.split('>').next()) {
            let word = tag.split(' ').next().unwrap_or_default();
            let off = tag.contains("type=\"checkbox\"") && !tag.contains(" checked");
            match word {
                "select" => select = attribute(tag, "name").unwrap_or_default(),
                "option" if tag.ends_with(" selected") => {
                    pairs.push((select.clone(), attribute(tag, "value").unwrap_or_default()));
                }
                "input" if !off => pairs.push((
                    attribute(tag, "name").unwrap_or_default(),
                    attribute(tag, "value").unwrap_or_default(),
                )),
                _ => {}
            }
        }
        pairs
    }

    fn read(pairs: Vec<(String, String)>) -> Value {
        let mut read = document(&json!([]));
        fill(&mut read, &Pairs::from(pairs), "doc.");
        rows_at(&mut read, "/field_mappings/users").for_each(tidy);
        read["field_mappings"]["users"][0]["transforms"].take()
    }

    #[test]
    fn every_transform_comes_back_as_it_was_shown() {
        // F8
        let visit = visit(Role::Administrator, &[]);
        let html = shown(&visit, &every());
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(read(sent(&html)), every());
        let named: Vec<_> = every()
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| of(it).0.map(|it| &it.name))
            .collect();
        assert!(named.iter().all(Option::is_some), "{named:?}");
        for known in KNOWN.iter() {
            let choice = format!("<option value=\"{}\"", known.name);
            assert!(html.contains(&choice), "{choice}");
        }
        assert_eq!(KNOWN.len(), 12, "those of the schema, each once");
        assert!(!shown(&visit, &json!([])).contains("<select"));
    }

    #[test]
    fn another_choice_begins_with_its_own_fields() {
        // F8
        let other = |from: &Value, to: &str| {
            let visit = visit(Role::Administrator, &[]);
            let mut pairs = sent(&shown(&visit, &json!([from])));
            for (name, value) in &mut pairs {
                if name.strip_suffix(".is").is_some() {
                    to.clone_into(value);
                }
            }
            read(pairs)[0].take()
        };
        for (from, to, expected) in [
            (json!("trim"), "prefix", json!({ "prefix": "" })),
            (json!({ "prefix": "x" }), "trim", json!("trim")),
            (json!({ "replace": ["a", "b"] }), "regex", json!({ "regex": ["", ""] })),
            (json!("lower"), "max_length", json!({ "max_length": null })),
            (json!("lower"), "map", json!({ "map": {} })),
        ] {
            assert_eq!(other(&from, to), expected, "{from} to {to}");
            assert_eq!(of(&expected).0.map(|it| it.name.as_str()), Some(to), "it is shown as that");
        }
    }

    #[test]
    fn what_stands_in_a_table_twice_is_not_lost() {
        // F8
        let row = |from: &str, to: &str| json!({ "from": from, "to": to });
        let rows = json!([row("a", "1"), row("a", "2"), row("", ""), row("b", "")]);
        assert_eq!(table(&rows), json!({ "a": "1", "a ": "2", "b": "" }));
    }
}
