//! Imports: by the timer, as previewed, and with deactivations that wait.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::stack::until;
use tests::world::{Setup, World, halo_people};

use crate::story::{PATIENCE, Story};

/// I3, T1: schedule, queue, worker, Graph, Halo. Nobody asked for it.
pub(crate) async fn the_timer_imports_everybody(story: &Story) {
    let run = until("a run of the timer", PATIENCE, async || {
        let runs = story.get("/v1/connections/contoso/runs").await;
        let runs = runs["runs"].as_array().unwrap();
        runs.iter().find(|run| run["finished"].is_string()).cloned()
    })
    .await;
    assert_eq!(
        (&run["trigger"], &run["state"]),
        (&json!("schedule"), &json!("completed")),
        "{run}"
    );
    // The same tenant and the same Halo in one process, on embedded storage.
    let alone = World::new(Setup::default()).await;
    let expected = alone.sync().await;
    let mut counts = json!(expected.counts);
    counts.as_object_mut().unwrap().retain(|_, count| *count != 0);
    for (what, count) in counts.as_object().unwrap() {
        assert_eq!(run["counts"][what], *count, "{what}: {run}");
    }
    let of_story =
        |person: &String| person.contains("@tailspin.example") || person.ends_with("@ main []");
    let (there, here) = (halo_people(&story.halo), alone.halo_people());
    let there: BTreeSet<&String> = there.iter().filter(|person| !of_story(person)).collect();
    let here: BTreeSet<&String> = here.iter().collect();
    let differences: Vec<&&String> = there.symmetric_difference(&here).collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

/// From the tick of the timer to a request to Halo, through every hint between them.
pub(crate) fn a_trace_goes_from_the_timer_to_halo(story: &Story) {
    let calls = story.stack.gate.calls_since(0);
    let ticks = calls.iter().filter(|call| call.function == "scheduler");
    let ticks: BTreeSet<&String> = ticks.flat_map(|call| &call.traces).collect();
    let segments = story.stack.daemon.segments();
    let of = |name: &str| -> BTreeSet<String> {
        let named = segments.iter().filter(|segment| segment["name"] == name);
        named.filter_map(|it| it["annotations"]["cause"].as_str().map(str::to_owned)).collect()
    };
    let (graph, halo) = (of("Microsoft Graph"), of("Halo"));
    let through = |it: &&&String| graph.contains(**it) && halo.contains(**it);
    let through: Vec<&&String> = ticks.iter().filter(through).collect();
    assert!(!through.is_empty(), "timer {ticks:?}, Graph {graph:?}, Halo {halo:?}");
    // The same id is found in the logs.
    assert!(story.stack.log.text().contains(&format!("\"trace\":\"{}\"", through[0])));
}

/// B2, B3, B4, B5
pub(crate) async fn the_log_explains(story: &Story) {
    let who = "priya.evans@contoso.example";
    let log = story.get("/v1/inbound?connection=contoso&decision=create&limit=5").await;
    let entry = &log["entries"][0];
    assert!(entry["reasons"][0]["sentence"].as_str().unwrap().ends_with('.'), "{entry}");
    let path = format!("/v1/connections/contoso/people/{who}/explain");
    let explained = story.get(&path).await;
    assert_eq!(explained["decision"]["decision"], "unchanged", "{explained}");
    // A reader sees what was decided, and no personal values.
    let department = &story.contoso.user(who).unwrap()["department"];
    assert_eq!(explained["facts"]["properties"]["department"], *department, "{explained}");
    let masked = story.read("GET", &path).await.ok();
    assert_eq!(masked["decision"]["decision"], "unchanged");
    assert_ne!(masked["facts"]["properties"]["department"], *department, "{masked}");
    let export = story.read("GET", "/v1/inbound/export?connection=contoso").await;
    assert!(export.status.is_success() && export.text.lines().count() > 50, "{}", export.text);
    let conflicts = story.get("/v1/connections/contoso/conflicts").await;
    assert_eq!(conflicts["conflicts"].as_array().map_or(0, Vec::len), 1, "{conflicts}");
}

/// I1, I2
pub(crate) async fn a_preview_is_carried_out(story: &Story) {
    let person = story.contoso.user("priya.evans@contoso.example").unwrap();
    let oid = person["id"].as_str().unwrap();
    story.contoso.update_user(oid, json!({ "jobTitle": "Head of Finance" }));
    let read = json!({ "read": "delta" });
    let preview = story.post("/v1/connections/contoso/preview", &read).await["preview"].clone();
    let preview = preview.as_str().unwrap();
    let shown = until("the end of a preview", PATIENCE, async || {
        let shown = story.get(&format!("/v1/previews/{preview}")).await;
        (shown["state"] == "complete").then_some(shown)
    })
    .await;
    assert_eq!(shown["totals"]["update"], 1, "{shown}");
    let people = story.get(&format!("/v1/previews/{preview}/people?decision=update")).await;
    assert_eq!(people["people"][0]["person"]["id"], oid, "{people}");
    assert_eq!(halo_title(story, oid), person["jobTitle"], "a preview writes nothing");
    let run = story.import("contoso", &json!({ "plan": preview })).await;
    let run = story.ended(&run).await;
    assert_eq!(
        (&run["state"], &run["counts"]["updated"]),
        (&json!("completed"), &json!(1)),
        "{run}"
    );
    assert_eq!(halo_title(story, oid), json!("Head of Finance"));
}

/// L4
pub(crate) async fn deactivations_are_held_and_released(story: &Story) {
    let person = story.fabrikam.user("p7@tailspin.example").unwrap();
    let oid = person["id"].as_str().unwrap();
    let user = story.halo.users_with_azureoid(oid)[0];
    let inactive = || story.halo.user(user).unwrap()["inactive"].clone();
    story.fabrikam.soft_delete(oid);
    let run = story.imported("fabrikam").await;
    assert_eq!((&run["state"], &run["counts"]["held"]), (&json!("held"), &json!(1)), "{run}");
    assert_eq!(inactive(), false);
    let held = "/v1/connections/fabrikam/held";
    assert_eq!(story.get(held).await["held"].as_array().unwrap().len(), 1);
    let released = story.post(&format!("{held}/release"), &json!({ "run": run["run"] })).await;
    assert_eq!(released["released"], 1, "{released}");
    story.ended(released["run"].as_str().unwrap()).await;
    assert_eq!(inactive(), true);
}

fn halo_title(story: &Story, oid: &str) -> Value {
    let user = story.halo.users_with_azureoid(oid)[0];
    story.halo.user(user).unwrap()["title"].clone()
}
