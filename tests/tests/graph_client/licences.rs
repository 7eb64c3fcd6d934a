//! Licences: subscriptions, who holds what, assigning, and everything in its way.

use std::collections::BTreeSet;

use plan::ids::SkuId;
use plan::licences::{
    AppliesTo, AssignedBy, HoldState, Holder, LicenceChange, Standing, SubscribedSku,
};
use sandbox::graph::{Body, Fault, SkuStatus};

use super::*;

const NOBODY: &str = "11111111-2222-3333-4444-555555555555";

/// A tenant whose application may assign licences.
async fn licensing() -> World {
    let world = World::new().await;
    world.entra.grant("LicenseAssignment.ReadWrite.All");
    world
}

fn person(world: &World) -> String {
    let ada = json!({ "displayName": "Ada", "userPrincipalName": "ada@contoso.example",
        "usageLocation": "DE" });
    world.entra.add_user(ada)
}

fn sku(text: &str) -> SkuId {
    text.parse().unwrap()
}

fn assign(text: &str) -> LicenceChange {
    LicenceChange::Assign(sku(text))
}

fn remove(text: &str) -> LicenceChange {
    LicenceChange::Remove(sku(text))
}

async fn read(graph: &Graph, user: &str) -> Holder {
    graph.holder(id(user)).await.unwrap().unwrap()
}

/// Each way by which somebody holds a licence, in a few words.
fn ways(holder: &Holder) -> Vec<(SkuId, AssignedBy, HoldState, Option<&str>)> {
    let states = holder.states.iter();
    states.map(|way| (way.sku, way.by, way.state, way.error.as_deref())).collect()
}

#[tokio::test]
async fn subscriptions_are_read_with_their_seats() {
    // S1
    let world = licensing().await;
    let suite = world.entra.add_sku("SPE_E5", 25);
    let company = world.entra.add_company_sku("WINDOWS_STORE", 3);
    world.entra.set_sku_status(&company, SkuStatus::LockedOut);
    world.entra.give_licence(&person(&world), &suite);
    let graph = world.client();
    let told = |sku: &SubscribedSku| {
        let free = sku.seats.usable() - sku.used;
        (sku.id, sku.part_number.clone(), sku.applies_to, sku.standing, free)
    };
    let skus = graph.subscribed_skus().await.unwrap();
    let expected = [
        (sku(&suite), "SPE_E5".to_owned(), AppliesTo::User, Standing::Enabled, 24),
        (sku(&company), "WINDOWS_STORE".to_owned(), AppliesTo::Company, Standing::LockedOut, 0),
    ];
    assert_eq!(skus.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(skus[1].seats.locked_out, 3);
    assert_eq!(world.requests("/subscribedSkus"), 1);
}

#[tokio::test]
async fn subscriptions_without_end_are_a_failure() {
    // D7, for a list that should have one page.
    let world = licensing().await;
    let graph = world.client();
    let next = format!("{}/v1.0/subscribedSkus", world.served.url);
    let page = |link: &str| Fault::Status {
        code: 200,
        body: Body::Json(json!({ "value": [], "@odata.nextLink": link })),
    };
    world.entra.add_sku("SPE_E5", 25);
    world.entra.fail_next("/v1.0/subscribedSkus", 1, page(&next));
    assert_eq!(graph.subscribed_skus().await.unwrap().len(), 1, "a link is followed all the same");
    world.entra.fail_next("/v1.0/subscribedSkus", 1000, page(&next));
    assert_eq!(failure(graph.subscribed_skus().await), "graph EndlessPages");
    world.entra.clear_failures();
    world.entra.fail_next(
        "/v1.0/subscribedSkus",
        1,
        page("http://127.0.0.1:9/v1.0/subscribedSkus"),
    );
    assert_eq!(failure(graph.subscribed_skus().await), "graph foreign link");
}

#[tokio::test]
async fn everybody_comes_with_what_they_hold() {
    // S1
    let world = licensing().await;
    let users = world.add_users(1_005);
    let suite = world.entra.add_sku("SPE_E5", 25);
    world.entra.give_licence(&users[1_002], &suite);
    let graph = world.client();
    let first = graph.holders_page(None).await.unwrap();
    assert_eq!((first.items.len(), first.skipped), (999, 0));
    let last = graph.holders_page(more(&first).as_ref()).await.unwrap();
    assert_eq!((last.items.len(), more(&last)), (6, None));
    let mut holders = first.items.iter().chain(&last.items);
    assert!(holders.all(|holder| holder.assigned.is_some()), "nothing held is an answer too");
    let holder = last.items.iter().find(|holder| holder.id == id(&users[1_002])).unwrap();
    assert_eq!(holder.assigned, Some(BTreeSet::from([sku(&suite)])));
    assert_eq!(
        ways(holder),
        [(sku(&suite), AssignedBy::Direct, HoldState::Active, None)],
        "the list has the ways as well"
    );
}

#[tokio::test]
async fn who_may_not_be_seen_is_not_taken_for_a_holder_of_nothing() {
    // S1
    let world = licensing().await;
    let user = person(&world);
    world.entra.faults(|faults| faults.null_users = true);
    let graph = world.client();
    assert_eq!(read(&graph, &user).await.assigned, None);
    let page = graph.holders_page(None).await.unwrap();
    assert!(page.items.iter().all(|holder| holder.assigned.is_none()));
}

#[tokio::test]
async fn a_person_is_read_with_every_way_of_holding() {
    // S1, S2
    let world = licensing().await;
    let user = person(&world);
    let [suite, full] = [world.entra.add_sku("SPE_E5", 25), world.entra.add_sku("EMS", 0)];
    let group = world.entra.add_group(json!({ "displayName": "Team" }));
    world.entra.add_member(&group, &user);
    world.entra.give_licence(&user, &suite);
    world.entra.give_group_licence(&group, &suite);
    let other = world.entra.add_group(json!({ "displayName": "Other" }));
    world.entra.add_member(&other, &user);
    world.entra.give_group_licence(&other, &full);
    let graph = world.client();
    let holder = read(&graph, &user).await;
    assert_eq!(holder.usage_location.as_deref(), Some("DE"));
    assert_eq!(holder.assigned, Some(BTreeSet::from([sku(&suite)])));
    let (one, two) = (AssignedBy::Group(id(&group)), AssignedBy::Group(id(&other)));
    let expected = [
        (sku(&suite), AssignedBy::Direct, HoldState::Active, None),
        (sku(&suite), one, HoldState::Active, None),
        (sku(&full), two, HoldState::Error, Some("CountViolation")),
    ];
    assert_eq!(ways(&holder), expected);

    world.entra.set_usage_location(&user, None);
    assert_eq!(read(&graph, &user).await.usage_location, None);
    assert_eq!(graph.holder(id(NOBODY)).await.unwrap(), None);
    world.entra.soft_delete(&user);
    assert_eq!(graph.holder(id(&user)).await.unwrap(), None);
}

#[tokio::test]
async fn a_gateways_404_is_not_the_directorys() {
    // S2: nobody is taken for gone because an address in between is wrong.
    let world = licensing().await;
    let user = person(&world);
    let graph = world.client();
    world.entra.fail_next("/v1.0/users", 1, Fault::Status { code: 404, body: Body::Empty });
    assert_eq!(failure(graph.holder(id(&user)).await), "graph refused 404 ");
    let odd = Fault::Status { code: 200, body: Body::Json(json!({ "value": [] })) };
    world.entra.fail_next("/v1.0/users", 1, odd);
    let told = failure(graph.holder(id(&user)).await);
    assert_eq!(told, "graph malformed: expected a person with an id");
}

#[tokio::test]
async fn a_licence_is_assigned_and_removed() {
    // S2
    let world = licensing().await;
    let user = person(&world);
    let suite = world.entra.add_sku("SPE_E5", 1);
    let graph = world.client();
    graph.assign_license(id(&user), assign(&suite)).await.unwrap();
    assert_eq!(world.entra.licences_of(&user), BTreeSet::from([suite.clone()]));
    graph.assign_license(id(&user), assign(&suite)).await.unwrap();
    assert_eq!(world.entra.consumed(&suite), 1, "done twice is done once");
    graph.assign_license(id(&user), remove(&suite)).await.unwrap();
    assert!(world.entra.licences_of(&user).is_empty());
}

#[tokio::test]
async fn each_refusal_comes_with_graphs_words() {
    // S2
    let world = licensing().await;
    let (user, graph) = (person(&world), world.client());
    let [fine, full, shared] = [("FINE", 9), ("FULL", 0), ("SHARED", 9)]
        .map(|(name, seats)| world.entra.add_sku(name, seats));
    let rival = world.entra.add_sku("RIVAL", 9);
    world.entra.set_conflicting(&fine, &rival);
    world.entra.give_licence(&user, &fine);
    let group = world.entra.add_group(json!({ "displayName": "Team" }));
    world.entra.add_member(&group, &user);
    world.entra.give_group_licence(&group, &shared);
    let abroad = world.entra.add_user(json!({ "displayName": "Bo" }));
    let cases = [
        (&user, assign(&full), "assign", "does not have any available licenses."),
        (&user, assign(&rival), "assign", "mutually exclusive"),
        (&user, assign(NOBODY), "assign", "does not correspond to a valid company License."),
        (&abroad, assign(&fine), "assign", "invalid usage location."),
        (&user, remove(&shared), "remove", "inherited from a group membership"),
        (&user, remove(&rival), "remove", "User does not have a corresponding license."),
    ];
    for (user, change, verb, expected) in cases {
        let refused = graph.assign_license(id(user), change).await.unwrap_err();
        assert_eq!(refused.operation, format!("{verb} a licence"));
        let Kind::Refused { status: 400, code, message } = &refused.kind else {
            panic!("{refused:?}")
        };
        assert_eq!(code, "Request_BadRequest");
        assert!(message.contains(expected), "{message}");
    }
    let nobody = failure(graph.assign_license(id(NOBODY), assign(&fine)).await);
    assert_eq!(nobody, "graph refused 404 Request_ResourceNotFound");
}

#[tokio::test]
async fn without_the_permission_only_this_is_forbidden() {
    // C5, C6
    let world = World::new().await;
    let (user, graph) = (person(&world), world.client());
    let suite = world.entra.add_sku("SPE_E5", 1);
    let forbidden = "graph forbidden Authorization_RequestDenied";
    assert_eq!(failure(graph.assign_license(id(&user), assign(&suite)).await), forbidden);
    assert_eq!(read(&graph, &user).await.assigned, Some(BTreeSet::new()));
    let names = ["Organization.Read.All", "Directory.Read.All"].map(str::to_owned);
    world.entra.faults(|faults| faults.denied.extend(names));
    assert_eq!(failure(graph.subscribed_skus().await), forbidden);
    graph.holders_page(None).await.unwrap();
}

#[tokio::test]
async fn what_fails_in_passing_is_not_tried_again_by_the_client() {
    // T5, S2
    let world = licensing().await;
    let (user, graph) = (person(&world), world.client());
    let suite = world.entra.add_sku("SPE_E5", 1);
    let path = format!("/v1.0/users/{user}/assignLicense");
    let cases = [
        (Fault::Throttle { retry_after: Some("7".into()) }, "graph throttled Some(7)"),
        (Fault::Unavailable { retry_after: Some("5".into()) }, "graph throttled Some(5)"),
        (Fault::HtmlPage, "graph unavailable: HTTP 502"),
        // A success of nobody's is none: nothing was done.
        (Fault::Empty, "graph unavailable: the answer ended early"),
        (
            Fault::Status { code: 200, body: Body::Json(json!([])) },
            "graph malformed: expected the person who was changed",
        ),
    ];
    graph.sign_in().await.unwrap();
    for (fault, expected) in cases {
        world.served.log.clear();
        world.entra.fail_next(&path, 1, fault);
        assert_eq!(failure(graph.assign_license(id(&user), assign(&suite)).await), expected);
        assert_eq!(world.served.log.count(), 1, "{expected}");
        assert!(world.entra.licences_of(&user).is_empty(), "{expected}");
    }
    graph.assign_license(id(&user), assign(&suite)).await.unwrap();
    world.entra.faults(|faults| faults.writes = Some(0));
    let told = failure(graph.assign_license(id(&user), remove(&suite)).await);
    assert_eq!(told, "graph throttled Some(150)");
}

#[tokio::test]
async fn a_connection_cut_after_the_act_leaves_a_licence_that_a_look_finds() {
    // T2, S2
    let world = licensing().await;
    let (user, graph) = (person(&world), world.client());
    let suite = world.entra.add_sku("SPE_E5", 1);
    let path = format!("/v1.0/users/{user}/assignLicense");
    for fault in [Fault::ResetConnection, Fault::TruncatedBody] {
        world.entra.fail_next(&path, 1, fault);
        let told = failure(graph.assign_license(id(&user), assign(&suite)).await);
        assert!(told.starts_with("graph unavailable: the "), "{told}");
        let held = read(&graph, &user).await.assigned;
        assert_eq!(held, Some(BTreeSet::from([sku(&suite)])));
        graph.assign_license(id(&user), remove(&suite)).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_before_something_is_changed() {
    // C7
    let world = licensing().await;
    let (user, graph) = (person(&world), world.client());
    let suite = world.entra.add_sku("SPE_E5", 1);
    graph.sign_in().await.unwrap();
    world.entra.faults(|faults| faults.refuse_valid_token = 1);
    graph.assign_license(id(&user), assign(&suite)).await.unwrap();
    assert_eq!(world.requests("/assignLicense"), 2);
    assert_eq!(world.entra.consumed(&suite), 1);
}
