//! users/delta: rounds, tokens, removals, managers, minimal answers.

use sandbox::graph::{Endless, Expiry, Removals};
use serde_json::{Value, json};

use super::client::{Setup, TENANT};

fn by_id<'a>(items: &'a [Value], id: &str) -> &'a Value {
    items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("no {id} in {items:?}"))
}

#[tokio::test]
async fn a_first_round_brings_everybody_and_a_later_one_only_changes() {
    let setup = Setup::new().await;
    let ids = setup.add_users(450);
    let first = setup.round("/users/delta?$select=displayName,department&$top=5").await;
    assert_eq!(first.pages, [200, 200, 50], "$top is ignored");
    assert_eq!(first.ids(), ids);
    assert_eq!(first.items[0], json!({ "id": ids[0], "displayName": "User 1" }));

    let quiet = setup.round(&first.delta).await;
    assert_eq!(quiet.pages, [0]);
    assert_ne!(quiet.delta, first.delta, "a quiet round has a new link all the same");

    setup.graph.update_user(&ids[7], json!({ "department": "Sales" }));
    setup.graph.update_user(&ids[8], json!({ "jobTitle": "not selected, not tracked" }));
    let changed = setup.round(&quiet.delta).await;
    assert_eq!(
        changed.items,
        [json!({ "id": ids[7], "displayName": "User 8", "department": "Sales" })]
    );
    assert_eq!(setup.round(&quiet.delta).await.items, changed.items, "a link can be used again");

    setup.graph.update_user(&ids[7], json!({ "department": null }));
    let cleared = setup.round(&changed.delta).await;
    assert_eq!(cleared.items[0]["department"], Value::Null);
    assert!(cleared.items[0].as_object().unwrap().contains_key("department"));
}

#[tokio::test]
async fn minimal_answers_show_only_what_changed() {
    let setup = Setup::new().await;
    let ids = setup.add_users(2);
    let first = setup.round("/users/delta?$select=displayName,department").await;
    setup.graph.update_user(&ids[0], json!({ "department": "Sales" }));
    let minimal = [("Prefer", "return=minimal")];
    let got = setup.get_with(&first.delta, &minimal).await;
    assert_eq!(got.value(), [json!({ "id": ids[0], "department": "Sales" })]);
    setup.graph.faults(|faults| faults.ignore_minimal = true);
    assert_eq!(setup.get_with(&first.delta, &minimal).await.value()[0]["displayName"], "User 1");
}

#[tokio::test]
async fn removals_have_reasons_and_a_restored_user_is_whole_again() {
    let setup = Setup::new().await;
    let ids = setup.add_users(3);
    let first = setup.round("/users/delta?$select=displayName").await;
    setup.graph.soft_delete(&ids[0]);
    setup.graph.purge(&ids[1]);
    let second = setup.round(&first.delta).await;
    let reason = |id: &str| by_id(&second.items, id)["@removed"]["reason"].clone();
    assert_eq!((reason(&ids[0]), reason(&ids[1])), (json!("changed"), json!("deleted")));
    setup.graph.restore(&ids[0]);
    let third = setup.round(&second.delta).await;
    assert_eq!(third.items, [json!({ "id": ids[0], "displayName": "User 1" })]);
    setup.graph.soft_delete(&ids[2]);
    setup.graph.advance(6 * 24 * 3600);
    let mut setup = setup;
    setup.renew().await;
    let fourth = setup.round(&third.delta).await;
    assert_eq!(fourth.items[0]["@removed"]["reason"], "changed");
    setup.graph.advance(25 * 24 * 3600);
    setup.renew().await;
    assert_eq!(setup.round("/users/delta").await.ids(), [ids[0].clone()], "purged after 30 days");
}

#[tokio::test]
async fn removals_can_lack_their_events() {
    let setup = Setup::new().await;
    let ids = setup.add_users(2);
    let first = setup.round("/users/delta").await;
    setup.graph.faults(|faults| faults.removals = Removals::OnlyPurge);
    setup.graph.soft_delete(&ids[0]);
    assert!(setup.round(&first.delta).await.items.is_empty());
    setup.graph.purge(&ids[0]);
    assert_eq!(setup.round(&first.delta).await.items[0]["@removed"]["reason"], "deleted");
    setup.graph.faults(|faults| faults.removals = Removals::Silent);
    assert!(setup.round(&first.delta).await.items.is_empty());
}

#[tokio::test]
async fn a_manager_comes_when_selected_and_changed() {
    let setup = Setup::new().await;
    let ids = setup.add_users(3);
    setup.graph.set_manager(&ids[0], Some(&ids[1]));
    let reference = |id: &str| json!({ "@odata.type": "#microsoft.graph.user", "id": id });
    let unselected = setup.round("/users/delta?$select=displayName").await;
    assert!(unselected.items[0].get("manager@delta").is_none());
    let first = setup.round("/users/delta?$select=id,manager").await;
    assert_eq!(first.items[0]["manager@delta"], json!([reference(&ids[1])]));
    assert!(first.items[1].get("manager@delta").is_none());

    setup.graph.set_manager(&ids[0], Some(&ids[2]));
    assert!(setup.round(&unselected.delta).await.items.is_empty());
    let second = setup.round(&first.delta).await;
    let mut gone = reference(&ids[1]);
    gone["@removed"] = json!({ "reason": "deleted" });
    assert_eq!(second.items[0]["manager@delta"], json!([gone, reference(&ids[2])]));
    setup.graph.faults(|faults| faults.manager_addition_first = true);
    let turned = setup.round(&first.delta).await;
    assert_eq!(turned.items[0]["manager@delta"], json!([reference(&ids[2]), gone]));

    setup.graph.set_manager(&ids[0], None);
    let third = setup.round(&second.delta).await;
    assert_eq!(third.items[0]["manager@delta"][0]["@removed"]["reason"], "deleted");
    setup.graph.faults(|faults| faults.manager_missing = true);
    assert!(setup.round(&second.delta).await.items[0].get("manager@delta").is_none());
}

#[tokio::test]
async fn latest_starts_from_now() {
    let setup = Setup::new().await;
    let ids = setup.add_users(3);
    let got = setup.get("/users/delta?$select=displayName&$deltatoken=latest").await;
    assert!(got.value().is_empty());
    setup.graph.touch_user(&ids[1]);
    assert_eq!(setup.round(&got.delta().unwrap()).await.ids(), [ids[1].clone()]);
}

#[tokio::test]
async fn a_filter_names_ids_and_nothing_else() {
    let setup = Setup::new().await;
    let ids = setup.add_users(4);
    let link = format!("/users/delta?$filter=id eq '{}' or id eq '{}'", ids[1], ids[3]);
    let first = setup.round(&link).await;
    assert_eq!(first.ids(), [ids[1].clone(), ids[3].clone()]);
    setup.graph.touch_user(&ids[0]);
    setup.graph.touch_user(&ids[3]);
    assert_eq!(setup.round(&first.delta).await.ids(), [ids[3].clone()]);
    let got = setup.get("/users/delta?$filter=displayName eq 'User 1'").await;
    assert_eq!(got.code(), "Request_UnsupportedQuery");
}

#[tokio::test]
async fn bad_selects_are_refused_by_name() {
    let setup = Setup::new().await;
    let got = setup.get("/users/delta?$select=displayName,signInActivity,nonsense").await;
    assert_eq!((got.status, got.code()), (400, "BadRequest".to_owned()));
    assert!(got.text.contains("signInActivity,nonsense"), "{}", got.text);
    assert_eq!(setup.get("/users/delta?$select=displayName,aboutMe").await.status, 200);
}

#[tokio::test]
async fn tokens_are_opaque_and_a_changed_one_is_refused() {
    let setup = Setup::new().await;
    setup.graph.faults(|faults| faults.plus_and_slash_tokens = true);
    setup.add_users(1);
    let first = setup.round("/users/delta?$select=displayName").await;
    let token = first.delta.split_once("$deltatoken=").unwrap().1;
    assert!("-_+/".chars().all(|c| token.contains(c)), "{token}");
    assert!(!token.contains("displayName"));
    for damaged in [token.replace('+', "%20"), token.replace('+', "%2B"), token.replace('+', " ")] {
        let got = setup.get(&format!("/users/delta?$deltatoken={damaged}")).await;
        assert_eq!((got.status, got.code()), (400, "Request_UnsupportedQuery".to_owned()));
    }
    let got = setup.get(&format!("{}&$select=id", first.delta)).await;
    assert_eq!(got.code(), "BadRequest", "nothing is added to a link");
    assert_eq!(setup.get(&first.delta).await.status, 200);
}

#[tokio::test]
async fn delta_links_expire_in_three_ways() {
    let mut setup = Setup::new().await;
    setup.add_users(1);
    let first = setup.round("/users/delta").await;
    setup.graph.advance(7 * 24 * 3600);
    setup.renew().await;
    assert_eq!(setup.get(&first.delta).await.status, 200, "seven days are allowed");
    setup.graph.advance(1);
    for (form, status, code) in [
        (Expiry::ThirtyDays, 400, "Request_UnsupportedQuery"),
        (Expiry::SyncStateNotFound, 400, "syncStateNotFound"),
        (Expiry::Gone, 410, "syncStateNotFound"),
    ] {
        setup.graph.faults(|faults| faults.delta_expiry = form);
        let got = setup.get(&first.delta).await;
        assert_eq!((got.status, got.code().as_str()), (status, code));
        if form == Expiry::Gone {
            let again = setup.round(&got.headers["location"]).await;
            assert_eq!(again.items.len(), 1, "the location starts a full round");
        }
    }
    setup.graph.faults(|faults| faults.endless_gone = true);
    let fresh = setup.round("/users/delta").await;
    assert_eq!(setup.get(&fresh.delta).await.status, 410);
}

#[tokio::test]
async fn page_links_expire_in_an_hour() {
    let setup = Setup::new().await;
    setup.add_users(3);
    setup.graph.faults(|faults| faults.page_size = 1);
    let next = setup.get("/users/delta").await.next().unwrap();
    setup.graph.advance(3500);
    let next = setup.get(&next).await.next().unwrap();
    setup.graph.expire_page_links();
    assert_eq!(setup.get(&next).await.code(), "Directory_ExpiredPageToken");
    let list = setup.get("/users?$top=1").await.next().unwrap();
    setup.graph.expire_page_links();
    assert_eq!(setup.get(&list).await.code(), "Directory_ExpiredPageToken");
}

#[tokio::test]
async fn who_changes_during_a_round_is_not_lost() {
    let setup = Setup::new().await;
    let ids = setup.add_users(4);
    setup.graph.faults(|faults| faults.page_size = 2);
    let page = setup.get("/users/delta?$select=displayName").await;
    setup.graph.update_user(&ids[0], json!({ "displayName": "seen" }));
    setup.graph.update_user(&ids[3], json!({ "displayName": "not yet seen" }));
    let new = setup.graph.add_user(json!({ "displayName": "new" }));
    let rest = setup.round(&page.next().unwrap()).await;
    assert_eq!(rest.ids(), [ids[2].clone(), ids[3].clone()]);
    let later = setup.round(&rest.delta).await;
    assert_eq!(later.ids(), [ids[0].clone(), ids[3].clone(), new]);
}

#[tokio::test]
async fn pages_repeat_replay_and_run_empty_when_told_to() {
    let setup = Setup::new().await;
    let ids = setup.add_users(4);
    setup.graph.faults(|faults| {
        faults.page_size = 2;
        faults.repeat_over_pages = true;
    });
    let first = setup.round("/users/delta?$select=displayName").await;
    assert_eq!(first.ids(), [&ids[0], &ids[1], &ids[1], &ids[2], &ids[3]].map(String::clone));
    setup.graph.faults(|faults| {
        faults.repeat_over_pages = false;
        faults.old_after_new = true;
    });
    setup.graph.update_user(&ids[0], json!({ "displayName": "New" }));
    let second = setup.round(&first.delta).await;
    let names: Vec<&Value> = second.items.iter().map(|item| &item["displayName"]).collect();
    assert_eq!(names, ["New", "User 1", "New"]);
    setup.graph.faults(|faults| {
        faults.old_after_new = false;
        faults.replay_last_round = true;
    });
    setup.graph.touch_user(&ids[1]);
    let third = setup.round(&second.delta).await;
    assert_eq!(third.ids(), [ids[0].clone(), ids[1].clone()], "the round before once more");
    setup.graph.faults(|faults| {
        faults.replay_last_round = false;
        faults.empty_pages = 3;
    });
    assert_eq!(setup.round(&third.delta).await.pages, [0, 0, 0, 0]);
}

#[tokio::test]
async fn a_round_can_be_endless() {
    let setup = Setup::new().await;
    setup.add_users(3);
    setup.graph.faults(|faults| {
        faults.page_size = 2;
        faults.endless = Some(Endless::SameLink);
    });
    let second = setup.get("/users/delta").await.next().unwrap();
    assert_eq!(setup.get(&second).await.next().unwrap(), second);
    setup.graph.faults(|faults| faults.endless = Some(Endless::FreshLinks));
    let third = setup.get(&second).await;
    let fourth = setup.get(&third.next().unwrap()).await;
    assert_eq!(third.value(), fourth.value());
    assert_ne!(third.next(), fourth.next());
    setup.graph.faults(|faults| faults.endless = None);
    assert!(setup.get(&fourth.next().unwrap()).await.delta().is_some());
}

#[tokio::test]
async fn links_can_be_forged_and_chains_cut() {
    let setup = Setup::new().await;
    setup.add_users(5);
    setup.graph.faults(|faults| {
        faults.page_size = 2;
        faults.silent_cap = Some(3);
    });
    assert_eq!(setup.round("/users/delta").await.pages, [2, 1]);
    assert_eq!(setup.list("/users?$top=2", &[]).await.len(), 3);
    setup.graph.faults(|faults| faults.forged_links_to = Some("http://evil.example".to_owned()));
    let next = setup.get("/users/delta").await.next().unwrap();
    assert!(next.starts_with("http://evil.example/v1.0/users/delta?$skiptoken="), "{next}");
}

#[tokio::test]
async fn a_tenant_may_have_no_delta() {
    let setup = Setup::new().await;
    setup.graph.faults(|faults| faults.delta_unsupported = true);
    let got = setup.get("/users/delta").await;
    assert_eq!((got.status, got.code()), (400, "Request_UnsupportedQuery".to_owned()));
}

#[tokio::test]
async fn extensions_are_selected_by_their_names() {
    let setup = Setup::new().await;
    let extension = "extension_0123456789abcdef0123456789abcdef_costCentre";
    let id = setup.graph.add_user(json!({ extension: "4711",
        "onPremisesExtensionAttributes": { "extensionAttribute3": "x" } }));
    let link = format!("/users/delta?$select={extension},onPremisesExtensionAttributes");
    let first = setup.round(&link).await;
    assert_eq!(first.items[0][extension], "4711");
    let attributes = first.items[0]["onPremisesExtensionAttributes"].as_object().unwrap();
    assert_eq!((attributes.len(), &attributes["extensionAttribute3"]), (15, &json!("x")));
    setup.graph.update_user(&id, json!({ extension: "4712" }));
    assert_eq!(setup.round(&first.delta).await.items[0][extension], "4712");
    let got = setup.get(&link.replace("costCentre", "unknown")).await;
    assert_eq!(got.status, 400);
}

#[tokio::test]
async fn delayed_deltas_show_the_past_and_catch_up() {
    let setup = Setup::new().await;
    let ids = setup.add_users(2);
    let first = setup.round("/users/delta?$select=displayName").await;
    setup.graph.faults(|faults| faults.delta_delay = 30);
    setup.graph.advance(10);
    setup.graph.update_user(&ids[0], json!({ "displayName": "Later" }));
    let second = setup.round(&first.delta).await;
    assert!(second.items.is_empty());
    setup.graph.advance(31);
    assert_eq!(setup.round(&second.delta).await.items[0]["displayName"], "Later");
    assert_eq!(setup.login(TENANT, &[]).await.status, 200);
}
