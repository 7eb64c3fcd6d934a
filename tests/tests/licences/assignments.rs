//! What Halo asks for, from the call to Entra, the log and the ledger (S2).

use std::collections::{BTreeMap, BTreeSet};

use engine::store::connections::Authorisation;
use engine::store::log::{Entry, OutcomeKind};
use jiff::SignedDuration;
use plan::tally::{RunState, Trigger};
use sandbox::graph::Fault;
use serde_json::{Value, json};

use crate::desk::{ASK, ASSIGN, Desk, ENDED, RIVAL, SUITE, Start, id, signature};

/// Requests that change licences; the prefix of one person's.
fn assign_path(n: usize) -> String {
    format!("/v1.0/users/{}/assignLicense", id(n))
}

fn holds(skus: &[&str]) -> BTreeSet<String> {
    skus.iter().map(|sku| (*sku).to_owned()).collect()
}

/// Decision and outcome of an entry, and whether its reasons are there.
fn told(entry: &Entry) -> (&'static str, OutcomeKind) {
    assert!(entry.decision.sentences().next().is_some(), "{entry:#?}");
    (entry.decision.name(), entry.outcome)
}

#[tokio::test]
async fn a_licence_is_given_and_taken_and_the_log_tells_of_it() {
    // S2, B1
    let desk = Desk::open(Start::default()).await;
    let answer = desk.ask(&desk.body("assign", 1, SUITE)).await;
    let place = format!("{ASK}/{}", answer.id());
    assert_eq!(answer.headers["location"], place.as_str());
    assert_eq!(
        (&answer.json["state"], &answer.json["product"]),
        (&json!("accepted"), &json!("Office 365 E5"))
    );
    desk.world.quiet().await;
    let done = desk.read(&answer.id()).await;
    assert_eq!(
        (&done["state"], &done["did"], &done["attempts"]),
        (&json!("done"), &json!("changed"), &json!(1))
    );
    assert_eq!(done["person"], id(1).to_string());
    assert_eq!((desk.held(1), desk.ledger(SUITE).await), (holds(&[SUITE]), 1));

    let again = desk.done(&desk.body("assign", 1, SUITE)).await;
    assert_eq!(
        (&again["state"], &again["did"], &again["attempts"]),
        (&json!("done"), &json!("nothing"), &json!(0))
    );
    let taken = desk.done(&desk.body("remove", 1, SUITE)).await;
    assert_eq!((&taken["state"], &taken["did"]), (&json!("done"), &json!("changed")));
    assert_eq!((desk.held(1), desk.ledger(SUITE).await), (holds(&[]), 0));
    let nothing = desk.done(&desk.body("remove", 1, SUITE)).await;
    assert_eq!((&nothing["state"], &nothing["did"]), (&json!("done"), &json!("nothing")));

    assert!(desk.agrees(4).await);
    let log = desk.log().await;
    let found: Vec<_> = log.iter().map(told).collect();
    let expected = [
        ("licence_assigned", OutcomeKind::Done),
        ("licence_unchanged", OutcomeKind::Nothing),
        ("licence_removed", OutcomeKind::Done),
        ("licence_unchanged", OutcomeKind::Nothing),
    ];
    assert_eq!(found, expected);
    for entry in &log {
        assert_eq!((entry.trigger, entry.person.id), (Trigger::Halo, id(1)));
        assert_eq!(entry.halo.user, Some(desk.user(1)));
        // The run is the one that brings the outcome to Halo.
        let run = desk.world.engine.store.run(&desk.world.id, entry.run).await.unwrap().unwrap();
        assert_eq!(run.value.run.state, RunState::Completed);
        assert_eq!(run.value.run.trigger, Trigger::Halo);
    }
    let list = format!("/v1/connections/{}/licence-assignments", desk.world.id);
    let page = desk.admin("GET", &format!("{list}?limit=3"), None).await.json;
    assert_eq!(page["assignments"].as_array().unwrap().len(), 3);
    assert_eq!(page["assignments"][2], again, "newest first");
    let cursor = page["cursor"].as_str().unwrap();
    let rest = desk.admin("GET", &format!("{list}?limit=3&cursor={cursor}"), None).await.json;
    assert_eq!((&rest["assignments"][0], &rest["cursor"]), (&done, &json!(null)));
}

/// What is wrong, and with whom.
type Wrong = fn(&Desk, &str);

/// Each cause: what Halo asks of the first person, what is wrong, and what it is told.
#[expect(clippy::too_many_lines, reason = "one row for each cause, and nothing else")]
fn causes() -> [(&'static str, &'static str, &'static str, Wrong, Value); 11] {
    [
        (
            "usage location",
            "assign",
            SUITE,
            |desk, who| desk.world.entra.set_usage_location(who, None),
            json!({ "type": "usage_location_missing", "location": null }),
        ),
        (
            "no seats",
            "assign",
            SUITE,
            |desk, _| desk.world.entra.set_seats(SUITE, 0),
            json!({ "type": "no_free_seats", "bought": 0, "used": 0 }),
        ),
        (
            "a group gives it",
            "remove",
            SUITE,
            |desk, who| {
                let entra = &desk.world.entra;
                let group = entra
                    .add_group(json!({ "id": id(900).to_string(), "displayName": "Licensed" }));
                entra.add_member(&group, who);
                entra.give_group_licence(&group, SUITE);
            },
            json!({ "type": "inherited_from_group", "groups": [id(900).to_string()] }),
        ),
        (
            "the subscription ended",
            "assign",
            ENDED,
            |desk, _| {
                desk.world.entra.set_sku_status(ENDED, sandbox::graph::SkuStatus::Suspended);
            },
            json!({ "type": "not_assignable", "why": "suspended" }),
        ),
        (
            "the product is gone",
            "assign",
            ENDED,
            |desk, _| desk.world.entra.remove_sku(ENDED),
            json!({ "type": "not_assignable", "why": "gone" }),
        ),
        // Graph alone knows which products exclude each other before one of them was tried.
        (
            "plans exclude each other",
            "assign",
            RIVAL,
            |desk, who| desk.world.entra.give_licence(who, SUITE),
            json!({ "type": "refused_by_entra" }),
        ),
        (
            "a group met the same",
            "assign",
            RIVAL,
            |desk, who| {
                let entra = &desk.world.entra;
                entra.give_licence(who, SUITE);
                let group =
                    entra.add_group(json!({ "id": id(901).to_string(), "displayName": "Rivals" }));
                entra.add_member(&group, who);
                entra.give_group_licence(&group, RIVAL);
            },
            json!({ "type": "conflicting_plans", "error": "MutuallyExclusiveViolation" }),
        ),
        (
            "the person is gone",
            "assign",
            SUITE,
            |desk, who| desk.world.entra.soft_delete(who),
            json!({ "type": "person_gone" }),
        ),
        (
            "not to give",
            "assign",
            SUITE,
            |desk, _| {
                desk.world.entra.faults(|faults| faults.denied.extend([ASSIGN.to_owned()]));
            },
            json!({ "type": "permission_missing", "permission": ASSIGN }),
        ),
        (
            "not to look",
            "assign",
            SUITE,
            |desk, _| {
                // Each of them is enough.
                let names = ["Organization.Read.All", "Directory.Read.All", ASSIGN];
                let names = names.map(str::to_owned);
                desk.world.entra.faults(|faults| faults.denied.extend(names));
            },
            json!({ "type": "permission_missing", "permission": "Organization.Read.All" }),
        ),
        (
            "Entra does not see the location",
            "assign",
            SUITE,
            |desk, who| {
                let entra = &desk.world.entra;
                entra.set_usage_location(who, None);
                entra.faults(|faults| faults.usage_location_lag = 99);
                entra.set_usage_location(who, Some("FR"));
            },
            json!({ "type": "usage_location_missing", "location": "FR" }),
        ),
    ]
}

#[tokio::test]
async fn each_refusal_names_its_cause_and_leaves_entra_as_it_was() {
    // S2
    for (name, action, sku, wrong, expected) in causes() {
        let desk = Desk::open(Start::default()).await;
        wrong(&desk, &id(1).to_string());
        let entered = json!([{ "licence_id": desk.licence(sku) }]);
        let entered = if action == "assign" { entered } else { json!([]) };
        desk.world.halo.change_user(desk.user(1), &json!({ "software": entered }));
        let before = (name != "the person is gone").then(|| desk.held(1));
        let ended = desk.done(&desk.body(action, 1, sku)).await;
        assert_eq!((&ended["state"], &ended["did"]), (&json!("refused"), &json!(null)), "{name}");
        let refusal = &ended["refusal"];
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&refusal[member], value, "{name}: {refusal}");
        }
        assert!(refusal["detail"].as_str().unwrap().len() > 40, "{name}: {refusal}");
        assert_eq!(before, before.as_ref().map(|_| desk.held(1)), "{name}");
        let log = desk.log().await;
        let found: Vec<_> = log.iter().map(told).collect();
        assert_eq!(found, [("licence_refused", OutcomeKind::Refused)], "{name}");
        assert_eq!(log[0].error.as_deref(), refusal["detail"].as_str(), "{name}");
        // Halo shows what Entra says, although somebody entered there what was asked for.
        if name != "the person is gone" {
            assert!(desk.agrees(4).await, "{name}");
        }
        // Only this is off: everything else goes on.
        assert!(desk.world.state().await.is_authorised(), "{name}");
        assert_eq!(desk.world.sync().await.state, RunState::Completed, "{name}");
    }
}

#[tokio::test]
async fn only_people_and_licences_of_this_connection() {
    // S2, C1, T6
    let desk = Desk::open(Start::default()).await;
    let halo = &desk.world.halo;
    let tenant = "99999999-2222-3333-4444-555555555555";
    let add = |n: usize, more: Value| {
        let mut user = json!({ "name": format!("Somebody {n}"), "site_id": 18 });
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        halo.add_user(&user)
    };
    let foreign = add(1, json!({ "azureoid": id(77).to_string(), "azure_tenant_id": tenant }));
    let unlinked = add(2, json!({}));
    // It says that it is a person of ours, who is somebody else in Halo.
    let copied = add(3, json!({ "azureoid": id(1).to_string() }));
    for (user, expected, why) in [
        (foreign, "user_of_another_connection", Value::Null),
        (unlinked, "user_not_known", json!("not_linked")),
        (copied, "user_not_known", json!("not_linked")),
        (99_999, "user_not_known", json!("not_in_halo")),
    ] {
        let body =
            json!({ "action": "assign", "user_id": user, "licence_id": desk.licence(SUITE) });
        let ended = desk.done(&body).await;
        assert_eq!(ended["refusal"]["type"], expected, "{ended}");
        assert_eq!(ended["refusal"].get("why").cloned().unwrap_or_default(), why, "{ended}");
        assert_eq!(ended["person"], Value::Null);
    }
    assert!(desk.log().await.is_empty(), "nobody of ours was decided about");
    assert_eq!(desk.world.entra.consumed(SUITE), 0);
}

#[tokio::test]
async fn what_is_sent_twice_is_done_once() {
    // S2, T2
    let desk = Desk::open(Start::default()).await;
    let mut named = desk.body("assign", 1, SUITE);
    named["request"] = json!("ticket-1-assign");
    let first = desk.ask(&named).await.id();
    assert_eq!(desk.ask(&named).await.id(), first);
    desk.world.quiet().await;
    desk.world.pass(SignedDuration::from_hours(30));
    // Signed anew a day later: answered as it stands now.
    let again = desk.ask(&named).await;
    assert_eq!((again.id(), &again.json["state"]), (first.clone(), &json!("done")));
    let mut other = desk.body("remove", 1, SUITE);
    other["request"] = json!("ticket-1-assign");
    let reused = desk.ask(&other).await;
    assert_eq!((reused.status.as_u16(), reused.problem()), (409, "request_reused"));

    // Without a name the very same call is known again, and no other.
    let body = desk.body("remove", 1, SUITE).to_string();
    let at = desk.world.clock_now().as_second();
    let send =
        async |at: i64| desk.signed(&body, at, &signature(crate::desk::KEY, at, &body)).await.id();
    let second = send(at).await;
    assert_eq!(send(at).await, second);
    assert_ne!(send(at + 1).await, second);
    desk.world.quiet().await;
    assert_eq!(desk.held(1), holds(&[]));
    let decided: Vec<_> = desk.log().await.iter().map(|entry| entry.decision.name()).collect();
    assert_eq!(decided, ["licence_assigned", "licence_removed", "licence_unchanged"]);
}

#[tokio::test]
async fn twenty_ask_at_once_for_five_seats() {
    // S2: exactly five succeed, each other one is told why.
    let desk = Desk::open(Start { people: 20, seats: 5, ..Start::default() }).await;
    let bodies: Vec<Value> = (1..=20).map(|n| desk.body("assign", n, SUITE)).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| desk.ask(body))).await;
    let ledger = format!("/v1/connections/{}/licences", desk.world.id);
    let flying = async || {
        let shown = desk.admin("GET", &ledger, None).await.json;
        let rows = shown["licences"].as_array().unwrap();
        rows.iter().find(|row| row["sku"] == SUITE).unwrap()["in_flight"].as_u64().unwrap()
    };
    assert_eq!(flying().await, 20);
    desk.world.quiet_together().await;
    assert_eq!(flying().await, 0);
    let mut ended: BTreeMap<String, u32> = BTreeMap::new();
    for answer in &answers {
        let now = desk.read(&answer.id()).await;
        let refusal = now["refusal"]["type"].as_str().unwrap_or_default();
        *ended.entry(format!("{} {refusal}", now["state"].as_str().unwrap())).or_default() += 1;
    }
    assert!(desk.agrees(20).await);
    let expected = [("done ".to_owned(), 5), ("refused no_free_seats".to_owned(), 15)];
    assert_eq!(ended, BTreeMap::from(expected));
    assert_eq!((desk.world.entra.consumed(SUITE), desk.ledger(SUITE).await), (5, 5));
    assert_eq!(desk.log().await.len(), 20);
}

#[tokio::test]
async fn a_busy_graph_is_waited_for_and_the_order_kept() {
    // S2, C7
    for fault in [
        Fault::Throttle { retry_after: Some("7".to_owned()) },
        Fault::Unavailable { retry_after: None },
        // Done, and the answer is lost.
        Fault::ResetConnection,
    ] {
        let desk = Desk::open(Start { seats: 1, ..Start::default() }).await;
        desk.world.entra.fail_next(&assign_path(1), 1, fault.clone());
        let first = desk.ask(&desk.body("assign", 1, SUITE)).await.id();
        desk.world.pass(SignedDuration::from_secs(1));
        let second = desk.ask(&desk.body("assign", 2, SUITE)).await.id();
        let start = desk.world.clock_now();
        desk.world.quiet().await;
        assert!(desk.world.clock_now().duration_since(start).as_secs() >= 2, "{fault:?}");
        let (first, second) = (desk.read(&first).await, desk.read(&second).await);
        assert_eq!(
            (&first["state"], &first["did"]),
            (&json!("done"), &json!("changed")),
            "{fault:?}"
        );
        assert_eq!(second["refusal"]["type"], "no_free_seats", "{fault:?}");
        assert_eq!(desk.held(1), holds(&[SUITE]), "{fault:?}");
        assert!(desk.world.state().await.is_authorised(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_location_that_was_just_entered_is_waited_for() {
    // S2
    let desk = Desk::open(Start::default()).await;
    let who = id(1).to_string();
    desk.world.entra.set_usage_location(&who, None);
    desk.world.entra.faults(|faults| faults.usage_location_lag = 2);
    desk.world.entra.set_usage_location(&who, Some("FR"));
    let ended = desk.done(&desk.body("assign", 1, SUITE)).await;
    assert_eq!((&ended["state"], &ended["attempts"]), (&json!("done"), &json!(3)));
}

#[tokio::test]
async fn what_comes_through_a_group_can_be_given_directly_as_well() {
    // S2: it takes no further seat, and taking it leaves what the group gives.
    let desk = Desk::open(Start { seats: 1, ..Start::default() }).await;
    let entra = &desk.world.entra;
    let group = entra.add_group(json!({ "id": id(900).to_string(), "displayName": "Licensed" }));
    entra.add_member(&group, &id(1).to_string());
    entra.give_group_licence(&group, SUITE);
    let given = desk.done(&desk.body("assign", 1, SUITE)).await;
    assert_eq!((&given["state"], &given["did"]), (&json!("done"), &json!("changed")));
    let taken = desk.done(&desk.body("remove", 1, SUITE)).await;
    assert_eq!((&taken["state"], &taken["did"]), (&json!("done"), &json!("changed")));
    assert_eq!((desk.held(1), desk.ledger(SUITE).await), (holds(&[SUITE]), 1));
    let told: Vec<String> = desk.log().await[1].decision.sentences().collect();
    assert!(told[1].contains(&id(900).to_string()), "{told:?}");
}

#[tokio::test]
async fn refused_credentials_stop_the_connection_and_end_what_waits() {
    // C7, S2
    let desk = Desk::open(Start::default()).await;
    // The token that the import got has expired.
    desk.world.pass(SignedDuration::from_hours(2));
    desk.world.entra.set_secret("another", None);
    let (first, second) = (
        desk.ask(&desk.body("assign", 1, SUITE)).await.id(),
        desk.ask(&desk.body("assign", 2, SUITE)).await.id(),
    );
    desk.world.quiet().await;
    for one in [first, second] {
        assert_eq!(desk.read(&one).await["refusal"]["type"], "reauthorise");
    }
    let state = desk.world.state().await;
    assert!(matches!(state.authorisation, Authorisation::Reauthorise { .. }), "{state:#?}");
    let answer = desk.ask(&desk.body("assign", 3, SUITE)).await;
    assert_eq!((answer.status.as_u16(), answer.problem()), (401, "reauthorise"));
    assert_eq!(desk.world.entra.consumed(SUITE), 0);
}

#[tokio::test]
async fn what_is_switched_off_takes_nothing_in_and_carries_nothing_out() {
    // S2, C11
    let desk = Desk::open(Start::default()).await;
    let waiting = desk.ask(&desk.body("assign", 1, SUITE)).await.id();
    let manage = async |on: bool| {
        desk.world.edit(|document| document.licences.as_mut().unwrap().manage_from_halo = on).await;
    };
    manage(false).await;
    let answer = desk.ask(&desk.body("assign", 2, SUITE)).await;
    assert_eq!((answer.status.as_u16(), answer.problem()), (409, "managing_is_off"));
    desk.world.quiet().await;
    assert_eq!(desk.read(&waiting).await["refusal"]["type"], "managing_is_off");
    manage(true).await;

    desk.world.pass(SignedDuration::from_secs(1));
    let waiting = desk.ask(&desk.body("assign", 1, SUITE)).await.id();
    desk.admin("PUT", "/v1/module", Some(json!({ "state": "off" }))).await;
    let answer = desk.ask(&desk.body("assign", 2, SUITE)).await;
    assert_eq!((answer.status.as_u16(), answer.problem()), (409, "module_off"));
    desk.world.quiet().await;
    assert_eq!(desk.read(&waiting).await["state"], "accepted", "it waits");
    desk.admin("PUT", "/v1/module", Some(json!({ "state": "on" }))).await;
    desk.world.pass(SignedDuration::from_mins(4));
    desk.world.engine.tick().await.unwrap();
    desk.world.quiet().await;
    assert_eq!(desk.read(&waiting).await["state"], "done");
}

#[tokio::test]
async fn a_lost_hint_is_sent_again_by_the_timer_at_a_constant_cost() {
    // T1, T4
    let desk = Desk::open(Start { people: 20, seats: 20, ..Start::default() }).await;
    let cost = async || {
        let before = desk.world.engine.store.operations();
        desk.world.engine.tick().await.unwrap();
        desk.world.engine.store.operations() - before
    };
    let idle = cost().await;
    let mut ids = Vec::new();
    for n in 1..=20 {
        ids.push(desk.ask(&desk.body("assign", n, SUITE)).await.id());
    }
    assert!(desk.lose_hints().await > 0, "they were sent");
    assert_eq!(cost().await, idle, "twenty cost what none costs");
    assert_eq!(desk.world.queue.next_due(), None, "nothing stands still yet");
    desk.world.pass(SignedDuration::from_mins(4));
    desk.world.engine.tick().await.unwrap();
    desk.world.quiet().await;
    for one in ids {
        assert_eq!(desk.read(&one).await["state"], "done");
    }
}

#[tokio::test]
async fn what_a_removed_connection_was_asked_goes_with_it() {
    let desk = Desk::open(Start::default()).await;
    let id = desk.ask(&desk.body("assign", 1, SUITE)).await.id();
    let path = format!("/v1/connections/{}", desk.world.id);
    let removed = desk.admin("DELETE", &path, None).await;
    assert_eq!(removed.status, 204, "{removed:?}");
    desk.world.quiet().await;
    assert_eq!(desk.admin("GET", &format!("{ASK}/{id}"), None).await.status, 404);
    let answer = desk.ask(&desk.body("assign", 2, SUITE)).await;
    assert_eq!(answer.problem(), "unknown_licence");
    assert_eq!(desk.world.entra.consumed(SUITE), 0);
}
