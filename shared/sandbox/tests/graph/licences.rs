//! Licences: subscriptions, who holds what and why, assigning and its refusals.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::graph::{Deletion, Fault, SkuStatus};
use serde_json::{Value, json};

use super::client::{Got, Setup};
use super::shapes;

const UNKNOWN: &str = "11111111-2222-3333-4444-555555555555";
const WRITE: &str = "LicenseAssignment.ReadWrite.All";
const STATES: &str = "id,assignedLicenses,licenseAssignmentStates";

/// The ids in the examples.
const SUITE: &str = "c7df2760-2c81-4ef7-b578-5b5392b571df";
const ENDED: &str = "d17b27af-3f49-4822-99f9-56a661538792";
const ONE: &str = "84a661c4-e949-4bd2-a560-ed7766fcaf2b";
const OTHER: &str = "f30db892-07e9-47e9-837c-80727f46fd3d";

/// What the simulator answers where an example is about licences.
pub(super) async fn answer(setup: &mut Setup, name: &str) -> Option<Got> {
    let graph = &setup.graph;
    graph.grant(WRITE);
    let person = json!({ "usageLocation": "DK", "city": "Nairobi", "companyName": "Contoso" });
    let user = graph.add_user(person);
    for sku in [SUITE, ENDED, ONE, OTHER] {
        graph.add_sku_with_id(sku, "ENTERPRISEPREMIUM", 1);
    }
    match name {
        "license-details" => {
            graph.give_licence(&user, SUITE);
            return Some(setup.get(&format!("/users/{user}/licenseDetails")).await);
        }
        "user-license-assignment-states" => {
            graph.give_licence(&user, SUITE);
            graph.set_seats(ENDED, 0);
            let group = graph.add_group(json!({ "displayName": "A" }));
            graph.add_member(&group, &user);
            graph.give_group_licence(&group, ENDED);
            let select = "id,usageLocation,assignedLicenses,licenseAssignmentStates";
            return Some(setup.get(&format!("/users/{user}?$select={select}")).await);
        }
        "assign-license-ok" => {}
        "assign-license-error-usage-location" => graph.set_usage_location(&user, None),
        "assign-license-error-no-seats" => graph.set_seats(ONE, 0),
        "assign-license-error-inherited" => {
            let group = graph.add_group(json!({ "displayName": "A" }));
            graph.add_member(&group, &user);
            graph.give_group_licence(&group, OTHER);
        }
        _ => return None,
    }
    setup.renew().await;
    Some(setup.post(&format!("/users/{user}/assignLicense"), &shapes::request(name)).await)
}

/// A tenant whose application may assign licences, with a user who can be given some.
async fn licensing() -> (Setup, String) {
    let mut setup = Setup::new().await;
    setup.graph.grant(WRITE);
    setup.renew().await;
    let user = person(&setup);
    (setup, user)
}

fn person(setup: &Setup) -> String {
    setup.graph.add_user(json!({ "displayName": "Ada", "usageLocation": "DE" }))
}

fn team(setup: &Setup, members: &[&str]) -> String {
    let group = setup.graph.add_group(json!({ "displayName": "Team" }));
    for member in members {
        setup.graph.add_member(&group, member);
    }
    group
}

fn order(add: &[&str], remove: &[&str]) -> Value {
    let add: Vec<Value> =
        add.iter().map(|sku| json!({ "skuId": sku, "disabledPlans": [] })).collect();
    json!({ "addLicenses": add, "removeLicenses": remove })
}

async fn assign(setup: &Setup, user: &str, order: &Value) -> Got {
    setup.post(&format!("/users/{user}/assignLicense"), order).await
}

async fn message(setup: &Setup, user: &str, order: &Value) -> String {
    let got = assign(setup, user, order).await;
    assert_eq!((got.status, got.code().as_str()), (400, "Request_BadRequest"), "{}", got.text);
    got.json()["error"]["message"].as_str().unwrap().to_owned()
}

fn skus(item: &Value) -> Vec<&str> {
    let all = item["assignedLicenses"].as_array().unwrap();
    all.iter().map(|licence| licence["skuId"].as_str().unwrap()).collect()
}

/// Each way by which a user holds a licence: the SKU, the group, and the error.
async fn ways(setup: &Setup, user: &str) -> Vec<(String, Option<String>, String)> {
    let item = setup.get(&format!("/users/{user}?$select={STATES}")).await.json();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let states = item["licenseAssignmentStates"].as_array().unwrap().iter();
    states
        .map(|state| {
            let is_error = state["state"] == "Error";
            assert_eq!(is_error, state["error"] != "None", "{state}");
            let error = text(&state["error"]).unwrap();
            (text(&state["skuId"]).unwrap(), text(&state["assignedByGroup"]), error)
        })
        .collect()
}

fn holds(setup: &Setup, user: &str) -> BTreeSet<String> {
    setup.graph.licences_of(user)
}

fn set(skus: &[&str]) -> BTreeSet<String> {
    skus.iter().map(|sku| (*sku).to_owned()).collect()
}

#[tokio::test]
async fn subscriptions_are_one_list_that_can_be_selected_only() {
    let (setup, user) = licensing().await;
    let suite = setup.graph.add_sku("SPE_E5", 25);
    let company = setup.graph.add_company_sku("WINDOWS_STORE", 3);
    setup.graph.give_licence(&user, &suite);
    let all = setup.get("/subscribedSkus").await.value();
    assert_eq!((&all[0]["skuId"], &all[0]["consumedUnits"]), (&json!(suite), &json!(1)));
    assert_eq!((&all[1]["skuId"], &all[1]["appliesTo"]), (&json!(company), &json!("Company")));
    let some = setup.get("/subscribedSkus?$select=skuId,skuPartNumber").await.value();
    assert_eq!(some[0], json!({ "skuId": suite, "skuPartNumber": "SPE_E5" }));
    for query in ["$top=1", "$filter=skuPartNumber eq 'SPE_E5'", "$orderby=skuId", "$select=seats"]
    {
        assert_eq!(setup.get(&format!("/subscribedSkus?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn seats_stand_where_the_status_says() {
    let (setup, user) = licensing().await;
    let sku = setup.graph.add_sku("SPE_E5", 25);
    let cases = [
        (SkuStatus::Enabled, "Enabled", "enabled", true),
        (SkuStatus::Warning, "Warning", "warning", true),
        (SkuStatus::Suspended, "Suspended", "suspended", false),
        (SkuStatus::LockedOut, "LockedOut", "lockedOut", false),
        (SkuStatus::Deleted, "Deleted", "", false),
    ];
    for (status, name, place, can_be_given) in cases {
        setup.graph.set_sku_status(&sku, status);
        let told = setup.get("/subscribedSkus").await.value().remove(0);
        assert_eq!(told["capabilityStatus"], name);
        for (key, seats) in told["prepaidUnits"].as_object().unwrap() {
            assert_eq!(*seats, if key == place { 25 } else { 0 }, "{name}: {key}");
        }
        let given = assign(&setup, &user, &order(&[&sku], &[])).await.status == 200;
        assert_eq!(given, can_be_given, "{name}");
        setup.graph.take_licence(&user, &sku);
    }
}

#[tokio::test]
async fn what_people_hold_is_seen_in_every_read() {
    let (setup, user) = licensing().await;
    let sku = setup.graph.add_sku("SPE_E5", 25);
    let select = "/users/delta?$select=displayName,assignedLicenses,licenseAssignmentStates";
    let first = setup.round(select).await;
    assert!(first.items[0].get("assignedLicenses").is_none(), "never set");
    let none = setup.get(&format!("/users/{user}?$select={STATES}")).await.json();
    assert_eq!((skus(&none), &none["licenseAssignmentStates"]), (vec![], &json!([])));

    let got = assign(&setup, &user, &order(&[&sku], &[])).await;
    assert_eq!(
        (got.status, got.headers["x-ms-resource-unit"].as_str()),
        (200, "1"),
        "{}",
        got.text
    );
    assert_eq!((&got.json()["id"], skus(&got.json())), (&json!(user), vec![sku.as_str()]));
    assert_eq!(ways(&setup, &user).await, [(sku.clone(), None, "None".to_owned())]);
    let list = setup.get(&format!("/users?$select={STATES}&$top=999")).await.value();
    assert_eq!(skus(&list[0]), [sku.as_str()]);
    assert_eq!(list[0]["licenseAssignmentStates"].as_array().unwrap().len(), 1);
    let details = setup.get(&format!("/users/{user}/licenseDetails")).await;
    assert_eq!(details.headers["x-ms-resource-unit"], "2");
    assert_eq!(details.value()[0]["skuPartNumber"], "SPE_E5");
    let next = setup.round(&first.delta).await;
    assert_eq!((next.items.len(), skus(&next.items[0])), (1, vec![sku.as_str()]));

    let got = assign(&setup, &user, &order(&[], &[&sku])).await;
    assert_eq!((got.status, skus(&got.json())), (200, vec![]));
    let next = setup.round(&next.delta).await;
    assert_eq!((next.items.len(), skus(&next.items[0])), (1, vec![]), "emptied, not forgotten");
    assert_eq!(setup.graph.consumed(&sku), 0);
}

#[tokio::test]
async fn delta_may_say_nothing_of_licences() {
    let (setup, user) = licensing().await;
    let sku = setup.graph.add_sku("SPE_E5", 25);
    setup.graph.faults(|faults| faults.licences_untracked = true);
    let first = setup.round("/users/delta?$select=displayName,assignedLicenses").await;
    setup.graph.give_licence(&user, &sku);
    let next = setup.round(&first.delta).await;
    assert!(next.items.is_empty());
    let read = setup.get(&format!("/users/{user}?$select={STATES}")).await.json();
    assert_eq!(skus(&read), [sku.as_str()], "every other read shows it");
    setup.graph.touch_user(&user);
    let next = setup.round(&next.delta).await;
    assert_eq!(skus(&next.items[0]), [sku.as_str()], "as does delta once it has another reason");
}

#[tokio::test]
async fn states_alone_are_never_news() {
    let (setup, user) = licensing().await;
    let sku = setup.graph.add_sku("SPE_E5", 0);
    let first = setup.round(&format!("/users/delta?$select={STATES}")).await;
    setup.graph.give_group_licence(&team(&setup, &[&user]), &sku);
    assert_eq!(ways(&setup, &user).await[0].2, "CountViolation");
    assert!(setup.round(&first.delta).await.items.is_empty());
}

#[tokio::test]
async fn each_refusal_has_its_words() {
    let (setup, user) = licensing().await;
    let graph = &setup.graph;
    let fine = graph.add_sku("FINE", 9);
    let [full, rival, company] =
        [graph.add_sku("FULL", 0), graph.add_sku("RIVAL", 9), graph.add_company_sku("ALL", 9)];
    let shared = graph.add_sku("SHARED", 9);
    graph.set_conflicting(&fine, &rival);
    graph.give_licence(&user, &fine);
    graph.give_group_licence(&team(&setup, &[&user]), &shared);
    let abroad = graph.add_user(json!({ "displayName": "Bo" }));
    let guid = "Cannot convert a primitive value to the expected type 'Edm.Guid'.";
    let missing = "The missing parameters are: ";
    let cases: [(&str, Value, String); 14] = [
        (&user, json!({ "addLicenses": [] }), format!("{missing}removeLicenses.")),
        (&user, json!({ "removeLicenses": [] }), format!("{missing}addLicenses.")),
        (&user, json!({ "addLicenses": 1, "removeLicenses": [] }), "is not a collection".into()),
        (&user, order(&["SPE_E5"], &[]), guid.into()),
        (&user, order(&[], &["SPE_E5"]), guid.into()),
        (&user, json!({ "addLicenses": [{}], "removeLicenses": [] }), guid.into()),
        (
            // Before everything that is wrong with the person.
            &abroad,
            order(&[UNKNOWN], &[]),
            format!("License {UNKNOWN} does not correspond to a valid company License."),
        ),
        (&user, order(&[&company], &[]), format!("License {company} cannot be assigned")),
        (&abroad, order(&[&full], &[]), "user with invalid usage location.".into()),
        (
            &user,
            order(&[&full], &[]),
            format!("Subscription with SKU {full} does not have any available licenses."),
        ),
        (&user, order(&[&rival], &[]), "are mutually exclusive.".into()),
        (&user, order(&[], &[&shared]), "it cannot be removed directly from the user.".into()),
        (&user, order(&[], &[&rival]), "User does not have a corresponding license.".into()),
        (&user, order(&[], &[UNKNOWN]), "does not correspond to a valid".into()),
    ];
    let before = holds(&setup, &user);
    for (user, order, expected) in cases {
        let told = message(&setup, user, &order).await;
        assert!(told.contains(&expected), "{order}: {told}");
    }
    assert_eq!(holds(&setup, &user), before);
    let nobody = assign(&setup, UNKNOWN, &order(&[&fine], &[])).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (404, "Request_ResourceNotFound"));
}

#[tokio::test]
async fn an_order_is_carried_out_as_a_whole() {
    let (setup, user) = licensing().await;
    let [old, new, full] =
        [("OLD", 1), ("NEW", 1), ("FULL", 0)].map(|(name, seats)| setup.graph.add_sku(name, seats));
    setup.graph.set_conflicting(&old, &new);
    setup.graph.give_licence(&user, &old);
    message(&setup, &user, &order(&[&new, &full], &[&old])).await;
    assert_eq!(holds(&setup, &user), set(&[&old]), "nothing of it");
    assert_eq!(assign(&setup, &user, &order(&[&new], &[&old])).await.status, 200);
    assert_eq!(holds(&setup, &user), set(&[&new]), "the rival may take the place");

    // A licence that is held can be ordered again, with other plans and without a seat.
    let plan = setup.get("/subscribedSkus").await.value()[1]["servicePlans"][0].clone();
    let plan = plan["servicePlanId"].as_str().unwrap();
    let plans = json!({ "removeLicenses": [],
        "addLicenses": [{ "skuId": new, "disabledPlans": [plan] }] });
    let got = assign(&setup, &user, &plans).await.json();
    assert_eq!(got["assignedLicenses"][0]["disabledPlans"], json!([plan]));
    assert_eq!(setup.graph.consumed(&new), 1);
}

#[tokio::test]
async fn seats_are_never_overdrawn_by_calls() {
    let (setup, _) = licensing().await;
    let sku = setup.graph.add_sku("SPE_E5", 5);
    let users: Vec<String> = (0..20).map(|_| person(&setup)).collect();
    let asked = order(&[&sku], &[]);
    let all = users.iter().map(|user| assign(&setup, user, &asked));
    let mut outcomes: BTreeMap<u16, usize> = BTreeMap::new();
    for got in futures::future::join_all(all).await {
        *outcomes.entry(got.status).or_default() += 1;
    }
    assert_eq!(outcomes, BTreeMap::from([(200, 5), (400, 15)]));
    assert_eq!(setup.graph.consumed(&sku), 5);

    // Those who leave make room; those who return take their licence along.
    let holder = users.iter().find(|user| !holds(&setup, user).is_empty()).unwrap();
    let other = users.iter().find(|user| holds(&setup, user).is_empty()).unwrap();
    setup.graph.soft_delete(holder);
    assert_eq!(setup.graph.consumed(&sku), 4);
    assert_eq!(assign(&setup, other, &asked).await.status, 200);
    setup.graph.restore(holder);
    assert_eq!(setup.graph.consumed(&sku), 6);
    setup.graph.set_seats(&sku, 7);
    assert_eq!(assign(&setup, &person(&setup), &asked).await.status, 200);
    message(&setup, &person(&setup), &asked).await;
}

#[tokio::test]
async fn groups_give_to_their_direct_members_while_seats_last() {
    let (setup, first) = licensing().await;
    let [second, third, nested] = [person(&setup), person(&setup), person(&setup)];
    let group = team(&setup, &[&first, &second, &third]);
    setup.graph.add_member(&group, &team(&setup, &[&nested]));
    let sku = setup.graph.add_sku("SPE_E5", 2);
    setup.graph.give_licence(&first, &sku);
    setup.graph.give_group_licence(&group, &sku);
    let by_group = |error: &str| (sku.clone(), Some(group.clone()), error.to_owned());
    let direct = (sku.clone(), None, "None".to_owned());
    assert_eq!(ways(&setup, &first).await, [direct, by_group("None")], "one seat, two ways");
    assert_eq!(ways(&setup, &second).await, [by_group("None")]);
    assert_eq!(ways(&setup, &third).await, [by_group("CountViolation")]);
    assert!(holds(&setup, &third).is_empty() && ways(&setup, &nested).await.is_empty());
    assert_eq!(setup.graph.consumed(&sku), 2);

    // The direct one can be removed, once; the group's stays.
    assert_eq!(assign(&setup, &first, &order(&[], &[&sku])).await.status, 200);
    assert_eq!(holds(&setup, &first), set(&[&sku]));
    message(&setup, &first, &order(&[], &[&sku])).await;

    // A seat that becomes free is given by processing the group again only.
    setup.graph.remove_member(&group, &second);
    assert!(holds(&setup, &second).is_empty() && holds(&setup, &third).is_empty());
    setup.graph.reprocess_group(&group);
    assert_eq!(ways(&setup, &third).await, [by_group("None")]);

    setup.graph.delete_group(&group, Deletion::Soft);
    assert_eq!(setup.graph.consumed(&sku), 0);
    setup.graph.restore_group(&group);
    assert_eq!(setup.graph.consumed(&sku), 2);
    setup.graph.take_group_licence(&group, &sku);
    assert_eq!(setup.graph.consumed(&sku), 0);
    assert!(ways(&setup, &first).await.is_empty());
}

#[tokio::test]
async fn of_a_groups_licences_all_are_given_or_none() {
    let (setup, user) = licensing().await;
    let [full, fine, mine, rival] = [("FULL", 0), ("FINE", 9), ("MINE", 9), ("RIVAL", 9)]
        .map(|(n, s)| setup.graph.add_sku(n, s));
    let group = team(&setup, &[]);
    setup.graph.give_group_licence(&group, &full);
    setup.graph.give_group_licence(&group, &fine);
    setup.graph.add_member(&group, &user);
    let errors = |ways: Vec<(String, Option<String>, String)>| -> Vec<String> {
        ways.into_iter().map(|(_, _, error)| error).collect()
    };
    assert_eq!(errors(ways(&setup, &user).await), ["CountViolation", "Other"]);
    assert!(holds(&setup, &user).is_empty());

    let user = person(&setup);
    setup.graph.set_conflicting(&mine, &rival);
    setup.graph.give_licence(&user, &mine);
    setup.graph.give_group_licence(&team(&setup, &[&user]), &rival);
    assert_eq!(errors(ways(&setup, &user).await), ["None", "MutuallyExclusiveViolation"]);

    setup.graph.remove_sku(&mine);
    assert!(holds(&setup, &user).is_empty());
    assert_eq!(setup.get("/subscribedSkus").await.value().len(), 3);
}

#[tokio::test]
async fn a_new_usage_location_may_be_seen_later() {
    let (setup, _) = licensing().await;
    let user = setup.graph.add_user(json!({ "displayName": "Bo" }));
    let sku = setup.graph.add_sku("SPE_E5", 1);
    setup.graph.faults(|faults| faults.usage_location_lag = 2);
    setup.graph.set_usage_location(&user, Some("DE"));
    let read = setup.get(&format!("/users/{user}?$select=usageLocation")).await.json();
    assert_eq!(read["usageLocation"], "DE", "reads see it at once");
    for _ in 0..2 {
        let told = message(&setup, &user, &order(&[&sku], &[])).await;
        assert!(told.contains("usage location"), "{told}");
    }
    assert_eq!(assign(&setup, &user, &order(&[&sku], &[])).await.status, 200);
}

#[tokio::test]
async fn permissions_open_the_calls() {
    let mut setup = Setup::new().await;
    let user = person(&setup);
    let sku = setup.graph.add_sku("SPE_E5", 1);
    let got = assign(&setup, &user, &order(&[&sku], &[])).await;
    assert_eq!((got.status, got.code().as_str()), (403, "Authorization_RequestDenied"));
    for name in ["Organization.Read.All", "Directory.Read.All"] {
        setup.graph.revoke(name);
    }
    setup.renew().await;
    assert_eq!(setup.get("/subscribedSkus").await.status, 403);
    for name in ["LicenseAssignment.Read.All", WRITE, "Organization.Read.All", "Directory.Read.All"]
    {
        setup.graph.grant(name);
        setup.renew().await;
        assert_eq!(setup.get("/subscribedSkus").await.status, 200, "{name}");
        let may_assign = assign(&setup, &user, &order(&[], &[])).await.status == 200;
        assert_eq!(may_assign, name == WRITE, "{name}");
        setup.graph.revoke(name);
    }
    setup.graph.revoke("User.Read.All");
    setup.renew().await;
    assert_eq!(setup.get(&format!("/users/{user}/licenseDetails")).await.status, 403);
}

#[tokio::test]
async fn assigning_fails_like_every_other_call() {
    let (setup, user) = licensing().await;
    let sku = setup.graph.add_sku("SPE_E5", 1);
    let path = format!("/v1.0/users/{user}/assignLicense");
    let asked = order(&[&sku], &[]);
    let throttle = Fault::Throttle { retry_after: Some("7".to_owned()) };
    for (fault, status) in [(throttle, 429), (Fault::Unavailable { retry_after: None }, 503)] {
        setup.graph.fail_next(&path, 1, fault);
        assert_eq!(assign(&setup, &user, &asked).await.status, status);
        assert!(holds(&setup, &user).is_empty());
    }
    // A connection that is cut after the act: the licence is there, and asking again does no harm.
    for fault in [Fault::TruncatedBody, Fault::ResetConnection] {
        setup.graph.fail_next(&path, 1, fault);
        assert!(setup.try_post(&format!("/users/{user}/assignLicense"), &asked).await.is_err());
        assert_eq!(holds(&setup, &user), set(&[&sku]));
        assert_eq!(assign(&setup, &user, &asked).await.status, 200);
        setup.graph.take_licence(&user, &sku);
    }
    setup.graph.faults(|faults| faults.writes = Some(1));
    assert_eq!(assign(&setup, &user, &asked).await.status, 200);
    let got = assign(&setup, &user, &asked).await;
    assert_eq!((got.status, got.headers["retry-after"].as_str()), (429, "150"));
    assert_eq!(got.headers["x-ms-throttle-information"], "WriteLimitExceeded");
    assert_eq!(setup.get("/users").await.status, 200, "reads are no writes");
    setup.graph.advance(150);
    assert_eq!(assign(&setup, &user, &asked).await.status, 200);
}

#[tokio::test]
async fn a_batch_can_assign() {
    let (setup, user) = licensing().await;
    let sku = setup.graph.add_sku("SPE_E5", 1);
    let request = json!({ "id": "1", "method": "POST", "url": format!("/users/{user}/assignLicense"),
        "headers": { "Content-Type": "application/json" }, "body": order(&[&sku], &[]) });
    let got = setup.post("/$batch", &json!({ "requests": [request] })).await.json();
    assert_eq!(got["responses"][0]["status"], 200);
    assert_eq!(holds(&setup, &user), set(&[&sku]));
}

#[tokio::test]
async fn the_sample_tenant_has_licences_of_all_kinds() {
    let setup = Setup::of(sandbox::sample::tenant()).await;
    let skus = setup.get("/subscribedSkus").await.value();
    let told = |sku: &Value| {
        let text = |name: &str| sku[name].as_str().unwrap().to_owned();
        let used = sku["consumedUnits"].as_i64().unwrap();
        (text("skuPartNumber"), text("capabilityStatus"), text("appliesTo"), used)
    };
    let expected = [
        ("ENTERPRISEPREMIUM", "Enabled", "User", 205),
        ("AAD_PREMIUM_P2", "Enabled", "User", 25),
        ("POWER_BI_STANDARD", "Enabled", "User", 24),
        ("CRMSTANDARD", "Suspended", "User", 0),
        ("WINDOWS_STORE", "Enabled", "Company", 0),
    ];
    let expected = expected.map(|(part, status, whom, used)| {
        (part.to_owned(), status.to_owned(), whom.to_owned(), used)
    });
    assert_eq!(skus.iter().map(told).collect::<Vec<_>>(), expected);
}
