//! Editing a part of a connection's document: the draft is in the form, so nothing that was filled in
//! gets lost, whatever saving says.
//!
//! Each tab shows some fields of the document. What is sent is put over the saved document; buttons
//! rearrange rows, "What would change" asks what saving would do (I4), and "Save" saves it, if nobody
//! else did meanwhile (C10).

use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::api::{Answer, At, Trouble};
use crate::form::{Pairs, at, fill, rearrange};
use crate::layout::explained;
use crate::parts::{Choice, Field, Kind, counted, local, number, person, text};
use crate::visit::{Sent, Visit};

/// A tab on which a part of the document is edited.
#[derive(Clone, Copy)]
pub(crate) struct Tab {
    /// The last part of its address.
    pub(crate) path: &'static str,
    /// Its heading.
    pub(crate) title: &'static str,
    /// The fields.
    pub(crate) fields: fn(&Draft<'_>) -> Markup,
    /// A new row of a list.
    pub(crate) row: fn(&str, &Value) -> Value,
    /// What is to be put right in what a form says before it is a document.
    pub(crate) tidy: fn(&mut Value),
    /// Whether saving changes what happens to people.
    pub(crate) rules: bool,
}

/// A document that is being edited, with what was said of it.
pub(crate) struct Draft<'a> {
    /// Who edits it.
    pub(crate) visit: &'a Visit,
    /// The connection.
    pub(crate) id: &'a str,
    /// The document.
    pub(crate) document: Value,
    /// The revision that it is based on, as `If-Match` takes it.
    pub(crate) tag: String,
    /// Why it was not saved.
    pub(crate) trouble: Option<Trouble>,
    /// What saving it would change.
    effect: Option<Result<Value, Trouble>>,
    /// Groups that were searched for: the field, and what was found.
    pub(crate) found: Option<(String, Result<Value, Trouble>)>,
    /// A group that was picked from those, as they were told of it.
    picked: Option<Picked>,
    /// What Halo has, to choose from.
    pub(crate) lists: Value,
}

impl<'a> Draft<'a> {
    /// The document of an answer, as it is saved.
    pub(crate) fn of(visit: &'a Visit, id: &'a str, saved: Answer) -> Self {
        let mut document = saved.body;
        if let Some(document) = document.as_object_mut() {
            document.remove("status");
        }
        let tag = saved.tag.unwrap_or_default();
        let (trouble, effect, found, picked) = (None, None, None, None);
        Self { visit, id, document, tag, trouble, effect, found, picked, lists: Value::Null }
    }

    /// The value at a path.
    pub(crate) fn at(&self, path: &str) -> &Value {
        at(&self.document, path)
    }

    /// The rows of a list.
    pub(crate) fn rows(&self, path: &str) -> usize {
        self.at(path).as_array().map_or(0, Vec::len)
    }

    /// What is wrong at a path of the document.
    pub(crate) fn wrong(&self, path: &str) -> Vec<&str> {
        wrong_in(self.trouble.as_ref(), &format!("$.{path}"))
    }

    /// The same, with what is inside of it.
    pub(crate) fn wrong_within(&self, path: &str) -> Vec<&str> {
        let place = format!("$.{path}");
        let all = self.trouble.as_ref().map(Trouble::mistakes).unwrap_or_default();
        let within = |at: &str| {
            at.strip_prefix(&place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        all.into_iter().filter(|(at, _)| within(at)).map(|(_, message)| message).collect()
    }

    /// A line of text.
    pub(crate) fn line(&self, path: &str, label: &str, help: &str) -> Markup {
        self.suggested(path, label, help, None)
    }

    /// A line of text with a list of suggestions. The values of a list stand in it with commas.
    pub(crate) fn suggested(
        &self,
        path: &str,
        label: &str,
        help: &str,
        list: Option<&str>,
    ) -> Markup {
        let value = self.at(path).as_array().map_or_else(
            || plain(self.at(path)),
            |list| list.iter().map(plain).collect::<Vec<_>>().join(", "),
        );
        let (name, kind) = (format!("doc.{path}"), Kind::Line { value, example: "", list });
        html! { (Field { name: &name, label, help, kind, wrong: self.wrong_within(path) }) }
    }

    /// A whole number.
    pub(crate) fn number(&self, path: &str, label: &str, help: &str) -> Markup {
        self.field(path, ":number", label, help, Kind::Number(plain(self.at(path))))
    }

    /// Yes or no.
    pub(crate) fn tick(&self, path: &str, label: &str, help: &str) -> Markup {
        let on = self.at(path) == &Value::Bool(true);
        self.field(path, ":flag", label, help, Kind::Tick(on))
    }

    /// One of several words.
    pub(crate) fn one(
        &self,
        path: &str,
        label: &str,
        help: &str,
        choices: &[Choice<'_>],
    ) -> Markup {
        self.field(path, "", label, help, Kind::One(choices, plain(self.at(path))))
    }

    /// One of the things that Halo has, by number. Where Halo could not be asked, a number can be typed.
    pub(crate) fn of_halo(&self, path: &str, label: &str, help: &str, list: &str) -> Markup {
        let items = self.lists[list].as_array();
        let Some(items) = items else { return self.number(path, label, help) };
        let words: Vec<(String, String)> = items
            .iter()
            .map(|item| {
                let client = text(&item["client"]["name"]);
                let name = item["label"].as_str().unwrap_or(text(&item["name"]));
                let name =
                    if client.is_empty() { name.to_owned() } else { format!("{client} · {name}") };
                (item["id"].to_string(), format!("{name} ({})", item["id"]))
            })
            .collect();
        let none = [("", "—")].into_iter();
        let choices: Vec<Choice<'_>> =
            none.chain(words.iter().map(|(id, name)| (id.as_str(), name.as_str()))).collect();
        self.field(path, ":number", label, help, Kind::One(&choices, plain(self.at(path))))
    }

    /// Some of the things that Halo has, to be ticked; numbers that Halo did not name stay.
    pub(crate) fn ticked(&self, path: &str, legend: &str, list: &str) -> Markup {
        let numbers = self.at(path).as_array().into_iter().flatten().filter_map(Value::as_i64);
        let chosen: Vec<i64> = numbers.collect();
        let items = self.lists[list].as_array().into_iter().flatten();
        let known: Vec<(i64, &str)> =
            items.filter_map(|it| Some((it["id"].as_i64()?, text(&it["name"])))).collect();
        let unknown = chosen.iter().filter(|id| known.iter().all(|(known, _)| known != *id));
        let all: Vec<(i64, &str)> =
            known.iter().copied().chain(unknown.map(|id| (*id, "not named by Halo"))).collect();
        html! {
            fieldset { legend { (legend) }
                (self.list(path))
                @for (id, name) in &all {
                    div.field.tick {
                        input type="checkbox" id={ (list) "-" (id) } name={ "doc." (path) ":member" }
                            value=(id) checked[chosen.contains(id)];
                        label for={ (list) "-" (id) } { bdi { (name) } " (" (id) ")" }
                    }
                }
                @if all.is_empty() { p.faint { "Halo named none." } }
            }
        }
    }

    /// A group of the tenant: its name, a search, and what the name was found to be (P3).
    pub(crate) fn group(&self, path: &str, label: &str, help: &str) -> Markup {
        let (name, id) = (format!("{path}.name"), text(self.at(&format!("{path}.id"))));
        let (field, list) = (format!("doc.{name}:pinned"), format!("groups-{path}"));
        let search = local(&["connections", self.id, "groups"]);
        let kind = Kind::Search { value: plain(self.at(&name)), list: &list, from: &search };
        let mut wrong = self.wrong(&name);
        wrong.extend(self.wrong(path));
        html! {
            div {
                (Field { name: &field, label, help, kind, wrong })
                datalist id=(list) {}
                p.row {
                    button.small name="do" value={ "search:" (path) } data-here { "Search groups" }
                    @if id.is_empty() { span.faint { "Looked up when it is saved." } }
                    @else { span.faint { "Pinned to " (people(self.people_of(id))) span.mono { (id) } } }
                }
                @if let Some((of, found)) = &self.found { @if of == path { (groups(path, found)) } }
            }
        }
    }

    /// How many people are in a group, where a search just said so.
    fn people_of(&self, id: &str) -> Option<u64> {
        let picked = self.picked.as_ref().filter(|picked| picked.id == id);
        let found = self.found.as_ref().and_then(|(_, found)| found.as_ref().ok());
        let mut found = found.and_then(|page| page["groups"].as_array()).into_iter().flatten();
        picked
            .and_then(|picked| picked.people)
            .or_else(|| found.find(|group| group["id"] == id)?["people"].as_u64())
    }

    fn field(&self, path: &str, word: &str, label: &str, help: &str, kind: Kind<'_>) -> Markup {
        let name = format!("doc.{path}{word}");
        let field = Field { name: &name, label, help, kind, wrong: self.wrong(path) };
        html! { (field) }
    }

    /// What a row keeps of what the form does not show, and what the API said of it as a whole.
    pub(crate) fn keep(&self, row: &str) -> Markup {
        let near = ["", ".group", ".target", ".conditions"].map(|part| format!("{row}{part}"));
        html! {
            input type="hidden" name={ "doc." (row) ":row" } value=(self.at(row).to_string());
            @for place in &near { @for wrong in self.wrong(place) { p.error { (wrong) } } }
        }
    }

    /// That a list is shown here: what is not among its rows any more is gone.
    pub(crate) fn list(&self, path: &str) -> Markup {
        html! {
            input type="hidden" name={ "doc." (path) ":list" } value="";
            @for wrong in self.wrong(path) { p.error { (wrong) } }
        }
    }

    /// The buttons of a row.
    pub(crate) fn move_row(&self, list: &str, row: usize, what: &str) -> Markup {
        let button = |word: &str, shown: &str, off: bool| {
            html! {
                button.small name="do" value={ (word) ":" (list) "[" (row) "]" } data-here
                    disabled[off] aria-label={ (word) " " (what) } { (shown) }
            }
        };
        html! { span.row {
            (button("up", "↑", row == 0))
            (button("down", "↓", row + 1 == self.rows(list)))
            (button("remove", "Remove", false))
        } }
    }
}

/// The button that adds a row to a list.
pub(crate) fn add(list: &str, words: &str) -> Markup {
    html! { p { button.small name="do" value={ "add:" (list) } data-here { (words) } } }
}

/// The groups that a search found, each to be picked.
fn groups(path: &str, found: &Result<Value, Trouble>) -> Markup {
    let page = match found {
        Ok(page) => page,
        Err(trouble) => return explained(trouble),
    };
    let groups: Vec<_> = page["groups"].as_array().into_iter().flatten().collect();
    html! {
        div.card role="status" {
            @if groups.is_empty() { p { "No group's name begins like this. Type less of it." } }
            ul.rows { @for group in &groups {
                li.row {
                    button.small name="do" value=(Picked::word(path, group)) data-here
                        { bdi { (text(&group["name"])) } }
                    span.faint { (text(&group["kind"]).replace('_', " ")) @if group["dynamic"] == true { ", dynamic" }
                        ", " (people(group["people"].as_u64())) span.mono { (text(&group["id"])) } }
                }
            } }
            @if page["more"] == true { p.faint { "There are more: type more of the name." } }
        }
    }
}

/// How many people are in a group, before its id; nothing where Graph did not count them.
pub(crate) fn people(count: Option<u64>) -> String {
    count.map_or_else(String::new, |it| format!("{} · ", counted(it, "person", "people")))
}

/// A value as it stands in a field.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// What is wrong in a field of a form, by its name.
pub(crate) fn wrong_at<'a>(trouble: Option<&'a Trouble>, name: &str) -> Vec<&'a str> {
    let path = name.trim_start_matches("doc.").split(':').next().unwrap_or_default();
    wrong_in(trouble, &format!("$.{path}"))
}

fn wrong_in<'a>(trouble: Option<&'a Trouble>, path: &str) -> Vec<&'a str> {
    let all = trouble.map(Trouble::mistakes).unwrap_or_default();
    all.into_iter().filter(|(at, _)| *at == path).map(|(_, message)| message).collect()
}

/// Shows a tab.
pub(crate) async fn show(visit: &Visit, id: &str, tab: Tab) -> Response {
    show_with(visit, id, tab, Beside::Nothing).await
}

/// Shows a tab with something beside its form.
pub(crate) async fn show_with(visit: &Visit, id: &str, tab: Tab, beside: Beside<'_>) -> Response {
    match visit.api.read(At::new(&["connections", id])).await {
        Ok(saved) => {
            let mut draft = Draft::of(visit, id, saved);
            draft.lists = lists(visit).await;
            page(&draft, tab, beside)
        }
        Err(trouble) => visit.refused(&trouble),
    }
}

/// What a tab has besides its form.
#[derive(Clone, Copy)]
pub(crate) enum Beside<'a> {
    /// Nothing.
    Nothing,
    /// Something above it.
    Above(&'a Markup),
    /// Something below it.
    Below(&'a Markup),
}

/// What the button of a tab's form asks for.
pub(crate) async fn sent(sent: &Sent, id: &str, tab: Tab) -> Response {
    let Sent { visit, pairs } = sent;
    let saved = match visit.api.read(At::new(&["connections", id])).await {
        Ok(saved) => saved,
        Err(trouble) => return visit.refused(&trouble),
    };
    let mut draft = Draft::of(visit, id, saved);
    fill(&mut draft.document, pairs, "doc.");
    (tab.tidy)(&mut draft.document);
    if let Some(tag) = pairs.text("tag") {
        tag.clone_into(&mut draft.tag);
    }
    let button = pairs.text("do").unwrap_or("save");
    match button.split_once(':') {
        None if button == "effect" => {
            let at = At::new(&["connections", id, "effect"]);
            let effect = visit.api.write(Method::POST, at, None, &draft.document).await;
            draft.effect = Some(effect.map(|answer| answer.body));
        }
        Some(("search", path)) => {
            let at = At::new(&["connections", id, "groups"]);
            let at = at.with("search", text(draft.at(&format!("{path}.name"))));
            let found = visit.api.read(at).await.map(|answer| answer.body);
            draft.found = Some((path.to_owned(), found));
        }
        Some(("pick", choice)) => {
            draft.picked = Picked::read(choice).inspect(|it| it.put(&mut draft.document));
        }
        Some(_) => {
            let before = draft.document.clone();
            rearrange(&mut draft.document, button, |list| (tab.row)(list, &before));
        }
        None => match save(visit, id, &draft).await {
            Ok(()) => {
                let here = local(&["connections", id, tab.path]);
                return Redirect::to(&format!("{here}?saved=yes")).into_response();
            }
            Err(trouble) => draft.trouble = Some(trouble),
        },
    }
    draft.lists = lists(visit).await;
    page(&draft, tab, Beside::Nothing)
}

async fn save(visit: &Visit, id: &str, draft: &Draft<'_>) -> Result<(), Trouble> {
    let at = At::new(&["connections", id]);
    visit.api.write(Method::PUT, at, Some(&draft.tag), &draft.document).await.map(|_| ())
}

/// What Halo has; lists that it does not give are left out.
pub(crate) async fn lists(visit: &Visit) -> Value {
    const LISTS: [&str; 6] =
        ["sites", "clients", "agent-roles", "user-roles", "cabs", "custom-fields"];
    let all = LISTS.map(|list| async move {
        let at = At::new(&["halo", list]).with("limit", "100");
        Some((list.to_owned(), visit.api.read(at).await.ok()?.body["items"].clone()))
    });
    futures::future::join_all(all)
        .await
        .into_iter()
        .flatten()
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn page(draft: &Draft<'_>, tab: Tab, beside: Beside<'_>) -> Response {
    let Draft { visit, id, .. } = draft;
    let saved = visit.here.contains("saved=");
    let stale = draft.trouble.as_ref().is_some_and(|trouble| trouble.kind == "stale_revision");
    let address = local(&["connections", id, tab.path]);
    let body = html! {
        h1 { (tab.title) }
        @if let Beside::Above(above) = beside { (above) }
        @if saved && draft.trouble.is_none() { div.notice.good role="status" { p { "Saved." } } }
        form #edit method="post" action=(address) {
            input type="hidden" name="csrf" value=(visit.csrf());
            input type="hidden" name="tag" value=(draft.tag);
            // Whoever presses Enter in a field saves, instead of removing the first row.
            @if visit.administrates() { button.visually-hidden name="do" value="save" tabindex="-1" aria-hidden="true" {} }
            @if let Some(trouble) = &draft.trouble { (explained(trouble)) }
            @if stale {
                p { a href=(address) { "Load what is saved now" } " (what you filled in here is lost then), or keep this page open and compare." }
            }
            fieldset.plain disabled[!visit.administrates()] { (( tab.fields)(draft)) }
            @if visit.administrates() { (footer(draft, tab)) }
            @else { p.faint { "You may look. Changing this is for administrators." } }
        }
        @if let Beside::Below(below) = beside { (below) }
    };
    let page = visit.page_of(id, tab.title, &body);
    match &draft.trouble {
        Some(trouble) => page.with_status(trouble.status).into_response(),
        None => page.into_response(),
    }
}

fn footer(draft: &Draft<'_>, tab: Tab) -> Markup {
    html! {
        div data-effect[tab.rules] aria-live="polite" {
            @match &draft.effect {
                Some(Ok(effect)) => (shown(draft.id, effect)),
                Some(Err(trouble)) => (explained(trouble)),
                None => {}
            }
        }
        div.save {
            button.main name="do" value="save" { "Save" }
            @if tab.rules { button name="do" value="effect" data-here { "What would change?" } }
            p.faint { "Nothing changes before it is saved." }
        }
    }
}

/// What saving would change: how many, who, and what (I4).
fn shown(connection: &str, effect: &Value) -> Markup {
    let affected = effect["affected"].as_u64().unwrap_or(0);
    let becomes: Vec<_> = effect["becomes"].as_object().into_iter().flatten().collect();
    let held = effect["held_by_guard"]["user"] == true || effect["held_by_guard"]["agent"] == true;
    html! {
        div.card {
            h2 { "What saving would change" }
            @if affected == 0 { p { strong { "Nobody." } " Everybody stays as they are." } }
            @else {
                p { strong { (counted(affected, "person", "people")) } " of "
                    (number(effect["people"].as_u64().unwrap_or(0))) " would change: "
                    @for (at, (decision, count)) in becomes.iter().enumerate() {
                        @if at > 0 { ", " } (crate::parts::value(count)) " " (decision.replace('_', " "))
                    } "." }
            }
            @if held { div.notice.warn { p { "So many would be deactivated that the guard would hold the run until somebody releases it (L4)." } } }
            @if effect["complete"] == false { p.faint { "Not everybody was looked at; the numbers are those of the people looked at so far." } }
            @if effect["needs_full_read"] == true { p.faint { "The draft needs properties or groups that were never read, so the next run reads everybody, and the numbers may change." } }
            @for person_ in effect["examples"].as_array().into_iter().flatten() {
                details { summary { (person(connection, &person_["person"])) " "
                        (crate::parts::word(text(&person_["before"]["decision"]))) " → "
                        (crate::parts::word(text(&person_["after"]["decision"]))) }
                    div.inside.columns {
                        (sentences("As saved", &person_["before"]["sentences"]))
                        (sentences("As drafted", &person_["after"]["sentences"]))
                    }
                }
            }
        }
    }
}

fn sentences(title: &str, list: &Value) -> Markup {
    html! { div { h3 { (title) } ul { @for one in list.as_array().into_iter().flatten() { li { (text(one)) } } } } }
}

/// A group that is picked from those that a search found.
struct Picked {
    /// Where it is put.
    path: String,
    id: String,
    /// How many people are in it, if that was told.
    people: Option<u64>,
    name: String,
}

impl Picked {
    /// What the button that picks a group says. A name may have any characters, so it stands last.
    fn word(path: &str, group: &Value) -> String {
        let people = group["people"].as_u64().map(|count| count.to_string()).unwrap_or_default();
        format!("pick:{path}|{}|{people}|{}", text(&group["id"]), text(&group["name"]))
    }

    fn read(choice: &str) -> Option<Self> {
        let mut parts = choice.splitn(4, '|').map(str::to_owned);
        let (path, id) = (parts.next()?, parts.next()?);
        Some(Self { path, id, people: parts.next()?.parse().ok(), name: parts.next()? })
    }

    fn put(&self, document: &mut Value) {
        let fields = [("id", &self.id), ("name", &self.name)];
        let fields =
            fields.map(|(key, value)| (format!("doc.{}.{key}", self.path), value.to_owned()));
        fill(document, &Pairs::from(fields.to_vec()), "doc.");
    }
}

/// The rows of a list that may not be there.
pub(crate) fn rows_at<'a>(
    document: &'a mut Value,
    pointer: &str,
) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    document.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Nothing has to be put right.
pub(crate) fn as_it_is(_: &mut Value) {}

/// No list of a tab takes new rows.
pub(crate) fn no_rows(_: &str, _: &Value) -> Value {
    json!({})
}
