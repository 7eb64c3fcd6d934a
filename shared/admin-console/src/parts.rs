//! The parts that pages are put together of: links, times, words with a colour, tables, fields.

pub(crate) mod decision;
pub(crate) mod entry;
pub(crate) mod question;

use jiff::Timestamp;
use maud::{Markup, Render, html};
use serde_json::Value;
use url::Url;

/// An address of ours: `/console` and parts, each escaped.
pub(crate) fn local(parts: &[&str]) -> String {
    let mut path = String::from("/console");
    if let Ok(mut url) = Url::parse("http://console") {
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(parts);
        }
        path.push_str(url.path());
    }
    path
}

/// An address with a query; parameters without a value are left out.
pub(crate) fn query(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") }
}

/// A time. It is written in UTC, and the script turns it into the reader's own zone.
pub(crate) fn time(value: &Value) -> Markup {
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(at) = at else { return html! { span.faint { "—" } } };
    let shown = at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()) { (shown) } }
}

/// How a word is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing to do.
    Good,
    /// Worth a look.
    Warning,
    /// Somebody has to do something.
    Bad,
    /// Neither.
    Plain,
    /// Something goes on.
    Busy,
}

impl Tone {
    /// Its class.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Warning => "warn",
            Tone::Bad => "bad",
            Tone::Plain => "plain",
            Tone::Busy => "busy",
        }
    }
}

/// A word with a colour. The word says it without the colour too.
pub(crate) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (word) } }
}

/// A decision, a run's state or an outcome, in the words of the API made readable.
pub(crate) fn word(word: &str) -> Markup {
    let tone = match word {
        "create" | "created" | "reactivate" | "reactivated" | "completed" | "done"
        | "authorised" | "active" | "licence_assigned" => Tone::Good,
        "update" | "updated" | "moved" | "licence_removed" | "queued" | "reading" | "running"
        | "deciding" | "applying" => Tone::Busy,
        "held" | "conflict" | "waiting" | "reauthorise" | "unauthorised" => Tone::Warning,
        "failed" | "refused" | "deactivate" | "deactivated" | "parked" | "licence_refused" => {
            Tone::Bad
        }
        _ => Tone::Plain,
    };
    badge(tone, &word.replace('_', " "))
}

/// A number as people read it: in groups of three.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number with its noun.
pub(crate) fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { several })
}

/// A value of Entra or Halo for people. Texts keep their own direction.
pub(crate) fn value(value: &Value) -> Markup {
    match value {
        Value::Null => html! { span.faint { "—" } },
        Value::Bool(yes) => html! { (if *yes { "yes" } else { "no" }) },
        Value::Number(number) => html! { (number.to_string()) },
        Value::String(text) if text.is_empty() => html! { span.faint { "empty" } },
        Value::String(text) => html! { bdi { (text) } },
        Value::Array(list) if list.is_empty() => html! { span.faint { "none" } },
        Value::Array(list) => html! {
            @for (at, one) in list.iter().enumerate() { @if at > 0 { ", " } (self::value(one)) }
        },
        Value::Object(_) => html! { code { (value.to_string()) } },
    }
}

/// A text of JSON.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A person's name and user principal name, as a link to their page.
pub(crate) fn person(connection: &str, person: &Value) -> Markup {
    let (id, name, upn) =
        (text(&person["id"]), text(&person["display_name"]), text(&person["user_principal_name"]));
    let name = if name.is_empty() { if upn.is_empty() { id } else { upn } } else { name };
    html! {
        a.person href=(local(&["connections", connection, "people", id])) { bdi { (name) } }
        @if !upn.is_empty() && upn != name { br; span.faint { bdi { (upn) } } }
    }
}

/// A table whose cells know the names of their columns, so that narrow screens can stack them.
pub(crate) fn table(caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) { table {
            caption.quiet { (caption) }
            thead { tr { @for column in columns { th scope="col" { (column) } } } }
            tbody { @for row in rows { tr { @for (cell, column) in row.iter().zip(columns) {
                td data-label=(column) { div { (cell) } }
            } } } }
        } }
    }
}

/// What an empty list says: what it means, and what to do next.
pub(crate) fn empty(what: &str, next: &Markup) -> Markup {
    html! { div.empty { p { strong { (what) } } (next) } }
}

/// The link to the next page of a list.
pub(crate) fn more(address: &str, parameters: &[(&str, &str)], cursor: &Value) -> Markup {
    let Some(cursor) = cursor.as_str() else { return html! {} };
    let all: Vec<_> = parameters.iter().copied().chain([("cursor", cursor)]).collect();
    html! { nav.pager aria-label="Pages" { a.button rel="next" href=(query(address, &all)) { "Next page" } } }
}

/// Names and values.
pub(crate) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// A choice of a list: its value and its words.
pub(crate) type Choice<'a> = (&'a str, &'a str);

/// A field of a form, with its label, its help, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    /// Its name: a path, see `form`.
    pub(crate) name: &'a str,
    /// What it is called.
    pub(crate) label: &'a str,
    /// What helps to fill it in; may be empty.
    pub(crate) help: &'a str,
    /// What is in it.
    pub(crate) kind: Kind<'a>,
    /// What the API said of it.
    pub(crate) wrong: Vec<&'a str>,
}

/// What a field looks like.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    /// A line.
    Line {
        /// What stands in it.
        value: String,
        /// What an example looks like.
        example: &'a str,
        /// The id of a list of suggestions.
        list: Option<&'a str>,
    },
    /// A line whose suggestions are searched for while it is typed.
    Search {
        /// What stands in it.
        value: String,
        /// The id of the list of suggestions.
        list: &'a str,
        /// Where they come from.
        from: &'a str,
    },
    /// A whole number.
    Number(String),
    /// A time, in UTC; where scripts run, in the reader's own zone.
    Time(String),
    /// Something to tick.
    Tick(bool),
    /// One of several.
    One(&'a [Choice<'a>], String),
    /// A secret: never shown again.
    Secret,
    /// Several lines.
    Lines(String),
}

impl Field<'_> {
    fn id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!("f-{}", self.name.chars().map(plain).collect::<String>())
    }

    fn input(&self, id: &str, described: Option<&str>) -> Markup {
        let wrong = (!self.wrong.is_empty()).then_some("true");
        let name = self.name;
        match &self.kind {
            Kind::Line { value, example, list } => html! {
                input type="text" id=(id) name=(name) value=(value) placeholder=(example) list=[*list]
                    aria-describedby=[described] aria-invalid=[wrong] autocomplete="off" dir="auto";
            },
            Kind::Search { value, list, from } => html! {
                input type="text" id=(id) name=(name) value=(value) list=(list) data-search=(from)
                    aria-describedby=[described] aria-invalid=[wrong] autocomplete="off" dir="auto";
            },
            Kind::Number(value) => html! {
                input type="text" inputmode="numeric" id=(id) name=(name) value=(value)
                    aria-describedby=[described] aria-invalid=[wrong] autocomplete="off";
            },
            Kind::Time(value) => html! {
                input type="text" data-time id=(id) name=(name) value=(value) placeholder="2026-11-02 08:00"
                    aria-describedby=[described] aria-invalid=[wrong] autocomplete="off";
            },
            Kind::Tick(on) => html! {
                input type="hidden" name=(name) value="false";
                input type="checkbox" id=(id) name=(name) value="true" checked[*on]
                    aria-describedby=[described] aria-invalid=[wrong];
            },
            Kind::One(choices, chosen) => html! {
                select id=(id) name=(name) aria-describedby=[described] aria-invalid=[wrong] {
                    @for (value, words) in *choices {
                        option value=(value) selected[value == chosen] { (words) }
                    }
                    // What a newer program wrote must not be lost by saving here.
                    @if !chosen.is_empty() && choices.iter().all(|(value, _)| value != chosen) {
                        option value=(chosen) selected { (chosen) }
                    }
                }
            },
            Kind::Secret => html! {
                input type="password" id=(id) name=(name) autocomplete="off"
                    aria-describedby=[described] aria-invalid=[wrong];
            },
            Kind::Lines(value) => html! {
                textarea id=(id) name=(name) rows="6" spellcheck="false"
                    aria-describedby=[described] aria-invalid=[wrong] { (value) }
            },
        }
    }
}

impl Render for Field<'_> {
    fn render(&self) -> Markup {
        let id = self.id();
        let about = format!("{id}-about");
        let described = (!self.help.is_empty() || !self.wrong.is_empty()).then_some(about.as_str());
        let tick = matches!(self.kind, Kind::Tick(_));
        let in_utc = matches!(self.kind, Kind::Time(_));
        html! {
            div.field.tick[tick].wrong[!self.wrong.is_empty()] {
                @if tick { (self.input(&id, described)) }
                label for=(id) { (self.label) @if in_utc { span data-zone { " (UTC)" } } }
                @if !tick { (self.input(&id, described)) }
                @if described.is_some() { div.about id=(about) {
                    @for wrong in &self.wrong { p.error { (wrong) } }
                    @if !self.help.is_empty() { p { (self.help) } }
                } }
            }
        }
    }
}
