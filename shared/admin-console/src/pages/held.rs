//! Deactivations that the guard holds: who and why, and releasing or rejecting them, all of a run or some,
//! after a question that repeats the numbers (L4).

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::connections::Asked;
use crate::api::{At, Trouble};
use crate::form::Pairs;
use crate::layout::explained;
use crate::parts::decision::each;
use crate::parts::question::{Question, question};
use crate::parts::{
    Tone, badge, counted, empty, local, more, number, person, table, text, time, value,
};
use crate::visit::{Sent, Visit};

/// People on a page.
const PAGE: &str = "50";
/// People whom the numbers of a question are counted of: 25 pages of 200.
const PAGES: usize = 25;

/// What an administrator may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Release,
    Reject,
}

impl Says {
    fn of(word: &str) -> Option<Self> {
        [Says::Release, Says::Reject].into_iter().find(|says| says.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Says::Release => "release",
            Says::Reject => "reject",
        }
    }

    /// What happens to so many people, as the question and its button say it.
    fn deed(self, people: &str) -> String {
        match self {
            Says::Release => format!("Deactivate {people}"),
            Says::Reject => format!("Leave {people} active"),
        }
    }
}

pub(crate) async fn show(visit: Visit, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let at = At::new(&["connections", &id, "held"]).with("limit", PAGE);
    let at = at.with_some("cursor", asked.get("cursor").map(String::as_str));
    let page = match visit.api.read(at).await {
        Ok(answer) => answer.body,
        Err(trouble) => return visit.refused(&trouble),
    };
    let here = local(&["connections", &id, "held"]);
    let mut runs: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for one in each(&page["held"]) {
        runs.entry(text(&one["run"])).or_default().push(one);
    }
    let body = html! {
        h1 { "Held deactivations" }
        @if runs.is_empty() {
            (empty("Nothing is held.", &html! { p {
                "The guard holds deactivations when a run would make unusually many people inactive. How many that is stands under "
                a href=(local(&["connections", &id, "advanced"])) { "Advanced" } "."
            } }))
        } @else {
            p { "Runs would have made these people inactive, and they are unusually many. Nothing happens to them until somebody decides; everything else goes on." }
        }
        // Newest first: ids of runs sort by time.
        @for (run, held) in runs.iter().rev() { (of_run(&visit, &id, &here, run, held)) }
        (more(&here, &[], &page["cursor"]))
    };
    visit.page_of(&id, "Held", &body).into_response()
}

fn of_run(visit: &Visit, id: &str, here: &str, run: &str, held: &[&Value]) -> Markup {
    let may = visit.administrates();
    let columns: &[&str] = if may {
        &["Choose", "Person", "Record", "Why", "Since", "Said"]
    } else {
        &["Person", "Record", "Why", "Since", "Said"]
    };
    let rows: Vec<Vec<Markup>> = held.iter().map(|one| row(id, one, may)).collect();
    html! {
        section.card aria-labelledby={ "run-" (run) } {
            h2 id={ "run-" (run) } { "Held by the "
                a href=(local(&["connections", id, "runs", run])) { "run of " (time(&held[0]["since"])) } }
            form method="post" action={ (here) "/question" } {
                input type="hidden" name="csrf" value=(visit.csrf());
                input type="hidden" name="run" value=(run);
                (table("People whom this run holds, on this page", columns, &rows))
                @if may { div.save {
                    button name="do" value="release-some" { "Deactivate the ticked" }
                    button name="do" value="reject-some" { "Leave the ticked active" }
                    button name="do" value="release-all" { "Deactivate all of this run…" }
                    button name="do" value="reject-all" { "Leave all of this run active…" }
                    p.faint { "The numbers are shown before anything happens." }
                } }
            }
        }
    }
}

fn row(id: &str, one: &Value, may: bool) -> Vec<Markup> {
    let who = &one["person"];
    let ruling = &one["ruling"];
    let kinds: Vec<&str> = each(&one["kinds"]).map(text).collect();
    let mut row = vec![
        person(id, who),
        html! { (kinds.join(" and ")) },
        html! { bdi { (text(&one["sentence"])) } },
        time(&one["since"]),
        html! {
            @if ruling.is_null() { span.faint { "nothing yet" } } @else {
                (badge(Tone::Busy, if ruling["says"] == "release" { "released" } else { "rejected" }))
                " by " bdi { (text(&ruling["by"])) } ", until " (time(&ruling["until"]))
            }
        },
    ];
    if may {
        let name = crate::parts::entry::name(who);
        row.insert(0, html! {
            input type="checkbox" name="person" value=(text(&who["id"])) aria-label={ "Choose " (name) };
        });
    }
    row
}

/// Whom a decision is about, in numbers.
#[derive(Debug, Default)]
struct Numbers {
    people: u64,
    users: u64,
    agents: u64,
    /// Whether there are more than were counted.
    more: bool,
}

impl Numbers {
    fn count(&mut self, one: &Value) {
        let has = |kind: &str| u64::from(each(&one["kinds"]).any(|it| it == kind));
        self.people += 1;
        self.users += has("user");
        self.agents += has("agent");
    }

    fn people(&self) -> String {
        let people = counted(self.people, "person", "people");
        if self.more { format!("{people} or more") } else { people }
    }
}

/// Counts whom a run holds: those who are named, or all of whom nobody said anything.
async fn numbers(
    visit: &Visit,
    id: &str,
    run: &str,
    named: Option<&BTreeSet<&str>>,
) -> Result<Numbers, Trouble> {
    let mut numbers = Numbers::default();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let at = At::new(&["connections", id, "held"]).with("limit", "200");
        let page = visit.api.read(at.with_some("cursor", cursor.as_deref())).await?.body;
        for one in each(&page["held"]).filter(|one| text(&one["run"]) == run) {
            let fits = match named {
                Some(named) => named.contains(text(&one["person"]["id"])),
                None => one["ruling"].is_null(),
            };
            if fits {
                numbers.count(one);
            }
        }
        let Some(next) = page["cursor"].as_str() else { return Ok(numbers) };
        cursor = Some(next.to_owned());
    }
    numbers.more = true;
    Ok(numbers)
}

fn named(pairs: &Pairs) -> BTreeSet<&str> {
    pairs.all("person").collect()
}

/// The question, with the numbers, before anything happens.
pub(crate) async fn ask(Path(id): Path<String>, sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let here = local(&["connections", &id, "held"]);
    let (run, deed) = (pairs.text("run").unwrap_or_default(), pairs.text("do").unwrap_or_default());
    let Some((says, of)) = deed.split_once('-').and_then(|(word, of)| Some((Says::of(word)?, of)))
    else {
        return visit.refused(&Trouble::nowhere());
    };
    let people = named(&pairs);
    let some = (of == "some").then_some(&people);
    if some.is_some_and(BTreeSet::is_empty) {
        let body = html! { h1 { "Nobody is ticked" } p { "Tick the people whom it is about. " a href=(here) { "Back to the list" } } };
        return visit.page_of(&id, "Held", &body).into_response();
    }
    let numbers = match numbers(&visit, &id, run, some).await {
        Ok(numbers) => numbers,
        Err(trouble) => return visit.refused(&trouble),
    };
    let body = asked(&visit, &here, says, run, some, &numbers);
    visit.page_of(&id, "Held", &body).into_response()
}

/// A question whose answer is carried out: first, and again while some are left.
struct Asking<'a> {
    here: &'a str,
    says: Says,
    run: &'a str,
    key: &'a str,
    /// Whom it names; nobody = all of the run.
    people: Vec<&'a str>,
}

impl Asking<'_> {
    fn question(&self, visit: &Visit, button: &str, told: &Markup) -> Markup {
        let mut carries = vec![("run", self.run), ("says", self.says.word()), ("key", self.key)];
        carries.extend(self.people.iter().map(|person| ("person", *person)));
        let (action, danger) = (format!("{}/decide", self.here), self.says == Says::Release);
        let asked =
            Question { action: &action, back: self.here, carries: &carries, button, danger };
        question(visit, &asked, told)
    }
}

fn asked(
    visit: &Visit,
    here: &str,
    says: Says,
    run: &str,
    named: Option<&BTreeSet<&str>>,
    numbers: &Numbers,
) -> Markup {
    let people = named.into_iter().flatten().copied().collect();
    let asked = Asking { here, says, run, key: visit.fresh(), people };
    let deed = says.deed(&numbers.people());
    let told = html! {
        p { strong { (number(numbers.users)) } (if numbers.users == 1 { " user" } else { " users" }) " and "
            strong { (number(numbers.agents)) } (if numbers.agents == 1 { " agent" } else { " agents" })
            @if named.is_none() { ": all whom the run holds and of whom nobody said otherwise." } @else { ": those who are ticked." } }
        @if says == Says::Release {
            p { "They are made inactive in Halo by a run that starts at once. Nothing is deleted, and whoever returns in Entra is made active again. What was not carried out within seven days expires." }
        } @else {
            p { "They stay active in Halo although Entra says otherwise. After seven days it is as if nobody had said anything, and the guard looks at them again." }
        }
    };
    html! {
        h1 { (deed) " in Halo?" }
        @if numbers.people == 0 {
            p { "There is nobody left of whom nothing was said. " a href=(here) { "Back to the list" } }
        } @else { (asked.question(visit, &deed, &told)) }
    }
}

/// Carries out what was said; while some are left, the same form goes on with them.
pub(crate) async fn decide(Path(id): Path<String>, sent: Sent) -> Response {
    let Sent { visit, pairs } = sent;
    let here = local(&["connections", &id, "held"]);
    let run = pairs.text("run").unwrap_or_default();
    let Some(says) = pairs.text("says").and_then(Says::of) else {
        return visit.refused(&Trouble::nowhere());
    };
    let people = named(&pairs);
    let mut body = json!({ "run": run });
    if !people.is_empty() {
        body["people"] = json!(people);
    }
    let key = pairs.text("key").unwrap_or_default();
    let at = At::new(&["connections", &id, "held", says.word()]);
    let page = match visit.api.once(at, key, &body).await {
        Ok(answer) => done(&visit, &id, &here, says, &pairs, &answer.body),
        Err(trouble) => {
            let body = html! { h1 { "Nothing was decided" } (explained(&trouble)) p { a href=(here) { "Back to the list" } } };
            return visit.page_of(&id, "Held", &body).with_status(trouble.status).into_response();
        }
    };
    visit.page_of(&id, "Held", &page).into_response()
}

fn done(visit: &Visit, id: &str, here: &str, says: Says, pairs: &Pairs, answer: &Value) -> Markup {
    let noted = answer["released"].as_u64().or(answer["rejected"].as_u64()).unwrap_or(0);
    let left = answer["left"].as_u64().unwrap_or(0);
    let others: Vec<&Value> = each(&answer["others"]).collect();
    let given = |name: &str| pairs.text(name).unwrap_or_default();
    let (run, key) = (given("run"), given("key"));
    let go_on = Asking { here, says, run, key, people: pairs.all("person").collect() };
    let deed = format!("Go on with the {} left", number(left));
    html! {
        h1 { (if left > 0 { "Not done yet" } else { "Noted" }) }
        div.notice.good role="status" { p {
            (if says == Says::Release { "Released: " } else { "Rejected: " }) (counted(noted, "person", "people")) ". "
            @match answer["run"].as_str() {
                Some(run) => { a href=(local(&["connections", id, "runs", run])) { "Follow the run that heeds it" } "." }
                None => "The next run heeds it.",
            }
        } }
        @if left > 0 { (go_on.question(visit, &deed, &html! { p { "So many are not noted in one go. Nothing is lost when you stop here." } })) }
        @if !others.is_empty() {
            h2 { "Not touched" }
            ul { @for other in others { li { (person(id, &other["person"])) ": "
                @if other["run"].is_null() { "nothing is held of them" }
                @else if !other["ruling"].is_null() { "somebody said " (value(&other["ruling"])) " before" }
                @else { "another run holds them" } } } }
        }
        p { a href=(here) { "Back to the list" } }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::extract::{Path, Query};
    use engine::web::Role;

    use super::*;
    use crate::testing::{NASTY, page, sent, visit};

    const HELD: &str = "/v1/connections/contoso/held";

    fn held(run: &str, people: usize) -> Vec<Value> {
        let one = |at: usize| {
            let kinds: &[&str] = if at.is_multiple_of(3) { &["user", "agent"] } else { &["user"] };
            let person = json!({ "id": format!("{run}-{at}"), "display_name": NASTY, "user_principal_name": "" });
            let ruling = if at == 0 {
                json!({ "says": "reject", "by": NASTY, "until": "2026-11-09T08:00:00Z" })
            } else {
                Value::Null
            };
            json!({ "person": person, "kinds": kinds, "run": run, "since": "2026-11-02T08:00:00Z", "sentence": NASTY, "ruling": ruling })
        };
        (0..people).map(one).collect()
    }

    fn people() -> Value {
        let all: Vec<Value> = held("one", 38).into_iter().chain(held("other", 4)).collect();
        json!({ "held": all, "cursor": null })
    }

    async fn asked(body: &str) -> String {
        let visit = visit(Role::Administrator, &[(HELD, people())]);
        page(ask(Path("contoso".to_owned()), sent(visit, body)).await).await
    }

    #[tokio::test]
    async fn the_question_repeats_the_numbers() {
        // L4: of the run's 38 people something was said of one already.
        let html = asked("run=one&do=release-all").await;
        assert!(html.contains("<h1>Deactivate 37 people in Halo?</h1>"), "{html}");
        assert!(
            html.contains("<strong>37</strong> users and <strong>12</strong> agents"),
            "{html}"
        );
        assert!(html.contains("class=\"danger\">Deactivate 37 people</button>"), "{html}");
        assert!(
            html.contains("name=\"key\" value=\"a-key\"") && !html.contains("name=\"person\""),
            "{html}"
        );
        let html = asked("run=one&do=reject-some&person=one-3&person=other-1&person=nobody").await;
        assert!(html.contains("<h1>Leave 1 person active in Halo?</h1>"), "{html}");
        let html = asked("run=one&do=release-some").await;
        assert!(html.contains("Nobody is ticked"), "{html}");
        let html = asked("run=gone&do=release-all").await;
        assert!(html.contains("nobody left") && !html.contains("danger"), "{html}");
        assert!(asked("run=one&do=remove-all").await.contains("nothing at this address"));
    }

    #[tokio::test]
    async fn what_is_left_goes_on() {
        let answer = json!({ "released": 900, "left": 1100, "run": null, "others": [] });
        let release = "/v1/connections/contoso/held/release";
        let visit = visit(Role::Administrator, &[(release, answer)]);
        let form = sent(visit, "run=one&says=release&key=k");
        let html = page(decide(Path("contoso".to_owned()), form).await).await;
        assert!(
            html.contains("Released: 900 people") && html.contains("Go on with the 1,100 left"),
            "{html}"
        );
        assert!(html.contains("name=\"key\" value=\"k\""), "the same call again: {html}");
    }

    #[tokio::test]
    async fn readers_look_and_names_are_text() {
        // B4
        for (role, forms) in [(Role::Reader, 0), (Role::Administrator, 8)] {
            let visit = visit(role, &[(HELD, people())]);
            let html =
                page(show(visit, Path("contoso".to_owned()), Query(BTreeMap::new())).await).await;
            assert!(!html.contains("<script>"), "{html}");
            assert_eq!(html.matches("name=\"do\"").count(), forms, "{html}");
            assert_eq!(html.matches("<section").count(), 2, "a form for each run");
        }
    }
}
